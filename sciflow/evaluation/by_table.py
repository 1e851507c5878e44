"""Scores by the values of a case parameter, and paired differences between methods, as tables.

A row has the mean of a metric over the cases with one value of the parameter (or over all cases, value "all") and its
standard error, from the spread over cases of their means over seeds. Where the method is compared with another one it
also has the mean difference between both on the same cases and seeds, with the bootstrap interval of
`sciflow.evaluation.statistics`: what the cases have in common cancels, so that it is much narrower than the intervals
of the two means. Cases on which both are infinite have no difference; ``pairs`` counts those that have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def grouping(suite: Suite, parts: Mapping[str, Dataset]) -> dict[str, Any]:
    """Facts that the tables are made from: ``by`` (name of the parameter, value of each test case) and ``pairs``.

    With two parameters ``by`` has both names, pairs of values, the units, and the pairs of the training cases.

    Raises:
        InputError: the data set has no such parameter.
    """
    facts: dict[str, Any] = {}
    if suite.by is not None:
        test, names = parts["test"], (suite.by,) if isinstance(suite.by, str) else suite.by
        values = _values(test, names)
        named = dict(zip(map(str, test.cases.tolist()), values, strict=True))
        if isinstance(suite.by, str):
            facts["by"] = {"name": suite.by, "values": {case: value for case, (value,) in named.items()}}
        else:
            trained = sorted(set(map(tuple, _values(parts["train"], names))))
            units = [test.units(name) for name in names]
            facts["by"] = {"name": list(names), "values": named, "units": units, "trained": list(map(list, trained))}
    if pairs := pairs_of(suite):
        facts["pairs"] = pairs
    return facts


def _values(dataset: Dataset, names: Sequence[str]) -> list[list[float]]:
    """Values of case parameters, hidden or not, for each case."""
    known = [*dataset.parameters, *dataset.hidden]
    for name in names:
        if name not in known:
            raise InputError(f"The data set has no case parameter '{name}'.{near(name, known)}")
    columns = [np.asarray(dataset.header[name].values, np.float64) for name in names]
    return np.stack(columns, axis=1).tolist()


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
        Columns split, horizon, method, label (a metric, or metric and field as in "rmse w"), the parameter or both
        (where the suite names some; "all" for all cases), value, standard_error, cases, and against, difference, low,
        high and pairs (the cases that the difference is over).
    """
    names, owners = _groups(results)
    pairs: Mapping[str, str] = results.facts.get("pairs") or {}
    table, rows = totals(results.table), []
    tables: dict[tuple[Any, ...], pd.DataFrame] = {tuple(key): part for key, part in table.groupby(_KEY, sort=False)}
    for (split, horizon, method, label), part in tables.items():
        other = tables.get((split, horizon, pairs.get(method, ""), label))
        keys = [owners.get(str(case)) for case in part["case"]]
        groups: list[tuple[tuple[Any, ...], pd.DataFrame]] = [((EVERY,) * len(names), part)]
        for key in sorted({key for key in keys if key is not None}):
            groups.append((key, part[[own == key for own in keys]]))
        for key, own in groups:
            against = None if other is None else other[other["case"].isin(own["case"])]
            rows.append((split, horizon, method, label, *key, *_mean(label, own), *_paired(own, against)))
    found = pd.DataFrame(rows, columns=[*_KEY, *names, "value", "standard_error", "cases", *_COLUMNS])
    return found if pairs else found.drop(columns=_COLUMNS)


def _groups(results: Results) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
    """Names of the parameters that scores are shown by, none, one or two, and their values for each case."""
    by = results.facts.get("by") or {"name": [], "values": {}}
    if isinstance(by["name"], str):
        return (by["name"],), {case: (value,) for case, value in by["values"].items()}
    return tuple(by["name"]), {case: tuple(values) for case, values in by["values"].items()}


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
    """The table as Markdown, one for each split, horizon and metric.

    By one parameter each method has a row and each value a column; by two, each pair of values has a row and each
    method a column.
    """
    table, names = by_table(results), _groups(results)[0]
    text = [f"mean ± standard error over cases; in brackets the {LEVEL:.0%} interval of paired differences\n"]
    for (split, horizon, label), part in table.groupby(["split", "horizon", "label"], sort=False):
        if label == "persistence_nmse":  # the same for all methods
            continue
        heads, rows = _by_pair(part, names) if len(names) == 2 else _by_value(part, names)
        text.append(
            f"### {label}, {split}, {horizon} {'frame' if horizon == 1 else 'frames'}\n\n{markdown_table(heads, rows)}"
        )
    return "\n".join(text)


def _by_value(part: pd.DataFrame, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells: a row for each method and difference, a column for each value of a parameter, if any."""
    keys = _keys(part, names)
    heads = ["all cases" if key in ((), (EVERY,)) else f"{names[0]} = {short(float(key[0]))}" for key in keys]
    return ["method", *heads], [[title, *cells] for title, cells in _cells(part, names, keys)]


def _by_pair(part: pd.DataFrame, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells: a row for each pair of values, a column for each method and difference."""
    keys = _keys(part, names)
    columns = dict(_cells(part, names, keys))
    shown = [[EVERY if value == EVERY else short(float(value)) for value in key] for key in keys]
    rows = [[*own, *cells] for own, *cells in zip(shown, *columns.values(), strict=True)]
    return [*names, *columns], rows


def _keys(part: pd.DataFrame, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The different values of the parameters in a table; one empty tuple without parameters."""
    return list(dict.fromkeys(part[list(names)].itertuples(index=False, name=None)))


def _cells(
    part: pd.DataFrame, names: Sequence[str], keys: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[str, list[str]]]:
    """Each method, and its difference to another one, with the text for each of the keys."""
    for method, own in part.groupby("method", sort=False):
        found = {tuple(cell[name] for name in names): cell for cell in own.to_dict("records")}
        cells = [found[key] for key in keys if key in found]
        yield str(method), [f"{short(cell['value'])} ± {short(cell['standard_error'])}" for cell in cells]
        if against := next((cell["against"] for cell in cells if cell.get("against")), ""):
            yield f"{method} − {against}", [_difference(cell) for cell in cells]


def _difference(cell: Mapping[Any, Any]) -> str:
    """A paired difference with its interval, and the number of pairs where not every case is one."""
    text = ranged(Interval(cell["difference"], cell["low"], cell["high"]))
    return text if cell["pairs"] == cell["cases"] else f"{text} ({cell['pairs']} of {cell['cases']} cases)"
