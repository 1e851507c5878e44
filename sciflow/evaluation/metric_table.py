"""All metrics of a suite's methods: one number over cases (and seeds) for each split and horizon."""

from __future__ import annotations

import pandas as pd

from sciflow.evaluation.leaderboard_table import markdown_table
from sciflow.evaluation.number_text import short
from sciflow.evaluation.results import Results
from sciflow.evaluation.scoring import summarise, totals

_KEY = ["split", "method", "horizon"]


def metric_table(results: Results) -> pd.DataFrame:
    """Columns split, method, horizon, label and value; the label is a metric, or metric and field as in "rmse w".

    Values are means over cases and seeds, or what a metric has in their place (`sciflow.evaluation.scoring.summarise`).
    """
    table, curves = totals(results.table), results.curves
    rows = []
    for key, part in table.groupby(_KEY, sort=False):
        own = curves[(curves[_KEY] == list(key)).all(axis=1)]
        rows += [(*key, label, summarise(label, part, own)) for label in dict.fromkeys(part["label"])]
    return pd.DataFrame(rows, columns=[*_KEY, "label", "value"])


def metric_columns(results: Results) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, as text: a row for each method, split and horizon, a column for each label."""
    table = metric_table(results)
    labels = list(dict.fromkeys(table["label"]))
    rows = []
    for (split, method, horizon), part in table.groupby(_KEY, sort=False):
        values = dict(zip(part["label"], part["value"], strict=True))
        cells = [short(values[label]) if label in values else "-" for label in labels]
        rows.append([str(method), str(split), str(horizon), *cells])
    return ["method", "split", "steps", *labels], rows


def metric_markdown(results: Results) -> str:
    """The table as Markdown."""
    return markdown_table(*metric_columns(results))
