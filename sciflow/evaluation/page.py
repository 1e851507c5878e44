"""One HTML page that holds everything: leaderboard, curves, pictures, all metrics, how to reproduce, environment."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sciflow import plot
from sciflow.evaluation.accuracy_cost import (
    CostPoint,
    accuracy_cost,
    accuracy_cost_columns,
    accuracy_cost_figure,
    accuracy_cost_notes,
    drawable,
)
from sciflow.evaluation.by_map import by_maps
from sciflow.evaluation.lead_times import mean_curves
from sciflow.evaluation.leaderboard_notes import left_out, notes
from sciflow.evaluation.leaderboard_table import columns
from sciflow.evaluation.measures.equivariance import EquivarianceError
from sciflow.evaluation.metric_table import metric_columns
from sciflow.evaluation.pictures import sides, when
from sciflow.evaluation.ranking import Entry
from sciflow.evaluation.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EQUIVARIANCE = EquivarianceError.name
_PICTURES = 3  # methods whose fields are drawn: the best ones

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
img { max-width: 100%; }
pre { background: #f4f4f4; padding: 0.8rem; overflow-x: auto; }
.wide { overflow-x: auto; }
"""


def report(
    results: Results, entries: Sequence[Entry], *, examples: Mapping[str, Path] | None = None, command: str = ""
) -> str:
    """The page as text; pictures are inside it, nothing is loaded from elsewhere.

    Args:
        results: of a suite.
        entries: its leaderboard.
        examples: method -> file with an example forecast, as runs leave it.
        command: what reproduces the results.
    """
    facts = results.facts
    title = str(facts.get("title") or facts.get("suite", "sciflow"))
    heads, rows = columns(entries)
    sections = [
        f"<h1>{html.escape(title)}</h1>",
        _paragraph(facts.get("description")),
        "<h2>Leaderboard</h2>",
        _table(heads, rows),
        _paragraph(notes(entries, heads)),
        _paragraph(left_out(facts.get("under_resolved", 0.0))),
        _paragraph(facts.get("budget"), "Budget: "),
        _failures(results.failures),
        *_cost(results, accuracy_cost(results)),
        *_curves(results),
        *_maps(results),
        "<h2>Forecasts</h2>",
        *_pictures(entries, examples or {}),
        "<h2>All metrics</h2>",
        _table(*metric_columns(results)),
        "<h2>How to reproduce</h2>",
        f"<pre>{html.escape(command)}</pre>" if command else "",
        _facts(facts),
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(filter(None, sections))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _cost(results: Results, points: Sequence[CostPoint]) -> list[str]:
    if not points:
        return []
    heads, rows = accuracy_cost_columns(points)
    drawn = drawable(points)
    picture = [_image(accuracy_cost_figure(results, drawn))] if drawn else []
    return ["<h2>Accuracy against cost</h2>", *picture, _table(heads, rows), _paragraph(accuracy_cost_notes(points))]


def _curves(results: Results) -> list[str]:
    horizons = sorted(int(horizon) for horizon in set(results.curves["horizon"]) if horizon > 1)
    unit = "steps" if results.kind == "forecast" else "frames"
    heads = {"nmse": "Error by lead time" if results.kind == "forecast" else "Error by frame"}
    if EQUIVARIANCE in set(results.curves["metric"]):
        heads[EQUIVARIANCE] = "Equivariance error by lead time"
    parts = []
    for metric, head in heads.items() if horizons else ():
        parts.append(f"<h2>{head}</h2>")
        for steps in horizons:
            curves, named = mean_curves(results, steps, metric), "NMSE" if metric == "nmse" else "equivariance error"
            parts.append(_image(plot.rollout(curves, metric=named, title=f"{steps} {unit}")))
    return parts


def _maps(results: Results) -> list[str]:
    pictures = [_image(made) for made in by_maps(results).values()]
    return [f"<h2>Error by {' and '.join(results.facts['by']['name'])}</h2>", *pictures] if pictures else []


def _pictures(entries: Sequence[Entry], examples: Mapping[str, Path]) -> list[str]:
    parts = []
    shown = [entry.method for entry in entries if entry.method in examples and examples[entry.method].is_file()]
    for method in shown[:_PICTURES]:
        forecast, real = sides(examples[method])
        last = real.sizes["time"] - 1
        frames = sorted({0, last // 2, last})
        parts.append(f"<h3>{html.escape(method)}: {when(real, frames, entries[0].kind)}</h3>")
        parts.append(_image(plot.fields(forecast, real, frames=frames)))
    return parts


def _facts(facts: Mapping[str, object]) -> str:
    hidden = ("title", "description", "budget", "made_of")
    kept = {name: value for name, value in facts.items() if name not in hidden}
    return f"<pre>{html.escape(json.dumps(kept, indent=1, default=str, ensure_ascii=False))}</pre>"


def _failures(failures: Mapping[str, str]) -> str:
    items = "".join(f"<li>{html.escape(name)}: {html.escape(text)}</li>" for name, text in failures.items())
    return f"<p>Failed:</p><ul>{items}</ul>" if items else ""


def _paragraph(text: object, lead: str = "") -> str:
    return f"<p>{lead}{html.escape(str(text))}</p>" if text else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _image(made: Figure) -> str:
    data = base64.b64encode(plot.png(made)).decode("ascii")
    return f'<p><img alt="" src="data:image/png;base64,{data}"></p>'
