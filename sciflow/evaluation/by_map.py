"""Maps of a suite's scores over the two parameters that it shows them by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sciflow import plot
from sciflow.evaluation.by_table import EVERY, by_table
from sciflow.evaluation.results import Results

if TYPE_CHECKING:
    import pandas as pd

    from sciflow.plot.figure import Picture

_FULL = 0.5  # least share of the pairs of values that must be there


def by_maps(results: Results) -> dict[int, Picture]:
    """Horizon -> map of the relative L2 error if it is among the metrics, else of the NMSE, the trained pairs outlined.

    Nothing where the suite does not name two parameters, or where their values make no grid: fewer than half of all
    pairs of a value of one and a value of the other are there, as with values drawn at random.
    """
    by = results.facts.get("by") or {}
    names = by.get("name")
    if not isinstance(names, list):
        return {}
    pairs = {tuple(values) for values in by["values"].values()}
    first, second = ({pair[place] for pair in pairs} for place in (0, 1))
    if len(pairs) < _FULL * len(first) * len(second):
        return {}
    table = by_table(results)
    table = table[(table["split"] == results.split) & (table[names[0]] != EVERY)]
    metric = "nrmse" if "nrmse" in set(table["label"]) else "nmse"
    made = {}
    for horizon, rows in table[table["label"] == metric].groupby("horizon"):
        scores = {str(method): _scores(own, names) for method, own in rows.groupby("method", sort=False)}
        made[int(str(horizon))] = plot.error_map(
            scores,
            (names[0], names[1]),
            units=tuple(by["units"]),
            trained=by["trained"],
            metric={"nrmse": "relative L2 error", "nmse": "NMSE"}[metric],
            title=f"{horizon} steps" if results.kind == "forecast" else "",
        )
    return made


def _scores(rows: pd.DataFrame, names: list[str]) -> dict[tuple[float, float], float]:
    """Score of a method by pair of values."""
    first, second, values = (rows[name].astype(float) for name in (*names, "value"))
    return {(one, two): value for one, two, value in zip(first, second, values, strict=True)}
