"""Error by lead time: mean curves of a suite's methods, and the table of them."""

from __future__ import annotations

from sciflow.evaluation.leaderboard_table import markdown_table
from sciflow.evaluation.number_text import short
from sciflow.evaluation.results import Results
from sciflow.evaluation.scoring import ALL, summarise, totals


def mean_curves(results: Results, horizon: int, metric: str = "nmse") -> dict[str, list[float]]:
    """A score at lead times 1, 2, ... of a horizon, over cases and seeds, for each method that has it.

    With the metric "nmse" the reference forecast (persistence, or the training mean) is among them.

    Args:
        results: of a suite.
        horizon: its number of steps.
        metric: by name; one with a row for all fields.
    """
    table = results.curves
    rows = totals(table[(table["horizon"] == horizon) & (table["split"] == results.split) & (table["field"] == ALL)])
    curves = {}
    if metric == "nmse" and results.reference not in results.methods:
        held = rows[rows["metric"] == "persistence_nmse"]
        curves[results.reference] = held.groupby("step")["value"].mean().tolist()
    for method in results.methods:
        own = rows[rows["method"] == method]
        if (own["metric"] == metric).any():
            curves[method] = [summarise(metric, part) for _, part in own.groupby("step")]
    return curves


def lead_time_markdown(results: Results) -> str:
    """For each horizon of several frames and each metric with a row for all fields: methods against lead times.

    Lead times are 1, 2, 5, 10, 20, 50, ... and the last; ``curves.csv`` has all of them.
    """
    table = results.curves
    whole = table[(table["field"] == ALL) & (table["metric"] != "persistence_nmse")]
    text = ["mean over cases and seeds at single lead times; curves.csv has every one of them\n"]
    for horizon in sorted({int(steps) for steps in whole["horizon"] if steps > 1}):
        steps = shown_steps(horizon)
        for metric in dict.fromkeys(whole.loc[whole["horizon"] == horizon, "metric"]):
            curves = mean_curves(results, horizon, metric)
            heads = ["method", *(str(step) for step in steps)]
            rows = [[method, *(short(curve[step - 1]) for step in steps)] for method, curve in curves.items()]
            text.append(f"### {metric}, {results.split}, {horizon} frames\n\n{markdown_table(heads, rows)}")
    return "\n".join(text)


def shown_steps(horizon: int) -> list[int]:
    """1, 2, 5, 10, 20, 50, ... below a horizon, and the horizon itself."""
    round_ = (lead * 10**power for power in range(len(str(horizon))) for lead in (1, 2, 5))
    return [*(step for step in round_ if step < horizon), horizon]
