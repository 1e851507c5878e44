"""Scores by the values of a case parameter, and paired differences between methods, as tables.

A row has the mean of a metric over the cases with one value of the parameter (or over all cases, value "all") and its
standard error, from the spread over cases of their means over seeds. Where the method is compared with another one it
also has the mean difference between both on the same cases and seeds, with the bootstrap interval of
`sciflow.evaluation.statistics`: what the cases have in common cancels, so that it is much narrower than the intervals
of the two means. Cases on which both are infinite have no difference; ``pairs`` counts those that have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sciflow.core import InputError, near
from sciflow.evaluation.leaderboard_table import markdown_table
from sciflow.evaluation.number_text import ranged, short
from sciflow.evaluation.results import Results
from sciflow.evaluation.scoring import summarise, totals
from sciflow.evaluation.statistics import LEVEL, Interval, bootstrap_mean

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.suite import Suite

EVERY = "all"
_KEY = ["split", "horizon", "method", "label"]
_COLUMNS = ["against", "difference", "low", "high", "pairs"]


def grouping(suite: Suite, test: Dataset) -> dict[str, Any]:
    """Facts that the tables are made from: ``by`` (name of the parameter, value of each case) and ``pairs``.

    Raises:
        InputError: the data set has no such parameter.
    """
    facts: dict[str, Any] = {}
    if suite.by is not None:
        known = [*test.parameters, *test.hidden]
        if suite.by not in known:
            raise InputError(f"The data set has no case parameter '{suite.by}'.{near(suite.by, known)}")
        values = np.asarray(test.header[suite.by].values, np.float64).tolist()
        named = {str(case): value for case, value in zip(test.cases.tolist(), values, strict=True)}
        facts["by"] = {"name": suite.by, "values": named}
    if pairs := pairs_of(suite):
        facts["pairs"] = pairs
    return facts


def pairs_of(suite: Suite) -> dict[str, str]:
    """Label -> label of the method that it is compared with; see `Suite.paired`."""
    if suite.paired is not None:
        return {entry.title: suite.paired for entry in suite.methods if entry.title != suite.paired}
    plain = {_apart_from_conserve(entry): entry.title for entry in suite.methods if entry.conserve is None}
    constrained = [entry for entry in suite.methods if entry.conserve is not None]
    found = {entry.title: plain.get(_apart_from_conserve(entry)) for entry in constrained}
    return {title: other for title, other in found.items() if other is not None}


def _apart_from_conserve(entry: Any) -> str:
    return str(entry.model_dump_json(exclude={"label", "conserve"}))


def by_table(results: Results) -> pd.DataFrame:
    """One row for each split, horizon, method, metric and value of the parameter.

    Returns:
        Columns split, horizon, method, label (a metric, or metric and field as in "rmse w"), the parameter (where the
        suite names one; "all" for all cases), value, standard_error, cases, and against, difference, low, high and
        pairs (the cases that the difference is over).
    """
    by = results.facts.get("by") or {"name": "", "values": {}}
    pairs: Mapping[str, str] = results.facts.get("pairs") or {}
    table, rows = totals(results.table), []
    tables: dict[tuple[Any, ...], pd.DataFrame] = {tuple(key): part for key, part in table.groupby(_KEY, sort=False)}
    for (split, horizon, method, label), part in tables.items():
        other = tables.get((split, horizon, pairs.get(method, ""), label))
        values = part["case"].map(lambda case: by["values"].get(str(case)))
        groups = [(EVERY, part), *((value, part[values == value]) for value in sorted(values.dropna().unique()))]
        for value, own in groups:
            against = None if other is None else other[other["case"].isin(own["case"])]
            rows.append((split, horizon, method, label, value, *_mean(label, own), *_paired(own, against)))
    columns = [*_KEY, "value_of", "value", "standard_error", "cases", *_COLUMNS]
    found = pd.DataFrame(rows, columns=columns)
    named = found.rename(columns={"value_of": by["name"]}) if by["name"] else found.drop(columns="value_of")
    return named if pairs else named.drop(columns=_COLUMNS)


def _mean(label: str, rows: pd.DataFrame) -> tuple[float, float, int]:
    """Mean over cases (or what the metric has in its place), its standard error, and the number of cases."""
    each = rows.groupby("case")["value"].mean().to_numpy(float)
    with np.errstate(invalid="ignore"):
        spread = float(np.std(each, ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("nan")
    return summarise(label, rows), spread, len(each)


def _paired(rows: pd.DataFrame, other: pd.DataFrame | None) -> tuple[str, float, float, float, int]:
    """Label of the other method, mean difference to it, its interval and the number of cases that have one.

    Seeds are matched if both methods have the same.
    """
    nothing = ("", float("nan"), float("nan"), float("nan"), 0)
    if other is None or other.empty:
        return nothing
    mine, theirs = (part.pivot(index="seed", columns="case", values="value") for part in (rows, other))
    if not mine.index.equals(theirs.index):
        theirs = pd.DataFrame([theirs.mean()] * len(mine), index=mine.index)
    with np.errstate(invalid="ignore"):
        gaps = (mine - theirs).dropna(axis=1).to_numpy(float)
    if not gaps.size:
        return nothing
    found = bootstrap_mean(gaps)
    return str(other["method"].iloc[0]), found.value, found.low, found.high, gaps.shape[1]


def by_markdown(results: Results) -> str:
    """The table as Markdown: for each split, horizon and metric a row for each method, a column for each value."""
    table = by_table(results)
    name = (results.facts.get("by") or {}).get("name", "")
    values = list(dict.fromkeys(table[name])) if name else [EVERY]
    text = [f"mean ± standard error over cases; in brackets the {LEVEL:.0%} interval of paired differences\n"]
    for (split, horizon, label), part in table.groupby(["split", "horizon", "label"], sort=False):
        if label == "persistence_nmse":  # the same for all methods
            continue
        heads = ["method", *("all cases" if value == EVERY else f"{name} = {short(float(value))}" for value in values)]
        rows = []
        for method, own in part.groupby("method", sort=False):
            cells = (own.set_index(name).loc[values] if name else own).to_dict("records")
            rows.append([str(method), *(f"{short(cell['value'])} ± {short(cell['standard_error'])}" for cell in cells)])
            if against := next((cell["against"] for cell in cells if cell.get("against")), ""):
                rows.append([f"{method} − {against}", *map(_difference, cells)])
        text.append(
            f"### {label}, {split}, {horizon} {'frame' if horizon == 1 else 'frames'}\n\n{markdown_table(heads, rows)}"
        )
    return "\n".join(text)


def _difference(cell: Mapping[Any, Any]) -> str:
    """A paired difference with its interval, and the number of pairs where not every case is one."""
    text = ranged(Interval(cell["difference"], cell["low"], cell["high"]))
    return text if cell["pairs"] == cell["cases"] else f"{text} ({cell['pairs']} of {cell['cases']} cases)"
