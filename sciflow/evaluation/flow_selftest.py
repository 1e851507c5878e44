"""Three forecasts of carried waves whose equivariance errors are known in closed form.

u = m + sin(2 pi (x - s t)) is carried by a mean velocity m, as in Burgers' equation, and forecast by moving the last
frame with a times its own mean: a = 1 has the symmetry, a = 0 is persistence, and any a errs by the turn
(1 - a) 2 pi c n dx of the wave after n frames that have a flow of c cells per frame.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sciflow.core import Query
from sciflow.evaluation.callable_method import CallableMethod
from sciflow.evaluation.forecast import evaluate
from sciflow.evaluation.horizon import Horizon
from sciflow.evaluation.measures.equivariance import EquivarianceError
from sciflow.evaluation.tasks import ForecastTask

if TYPE_CHECKING:
    from sciflow.data import Dataset

_CELLS, _STEPS, _DT, _MEAN, _FLOWS = 24, 5, 0.1, 0.5, (1.0, 0.25)
SHARES = (1.0, 0.0, 1.2)  # a: with the symmetry, persistence, too fast


def flow_scores() -> list[float]:
    """Equivariance errors of the three forecasts as the harness scores them."""
    data, task = _carried(), ForecastTask((Horizon(steps=_STEPS),), frames_in=2)
    found = []
    for share in SHARES:
        method = CallableMethod(partial(_moved_by_mean, share=share), "carried")
        table = evaluate(method, data, task, ["nmse"], equivariance=[{"x": speed} for speed in _FLOWS]).table
        rows = table[(table["metric"] == EquivarianceError.name) & (table["field"] == "all")]
        found.append(float(rows["value"].mean()))
    return found


def known_scores() -> list[float]:
    """The same in closed form."""
    n, size = np.arange(1, _STEPS + 1), np.sqrt(0.5 / (_MEAN**2 + 0.5))
    turns = [[(1 - share) * 2 * np.pi * speed * n / _CELLS for speed in _FLOWS] for share in SHARES]
    return [float(np.mean([size * np.sqrt(np.mean(4 * np.sin(turn / 2) ** 2)) for turn in each])) for each in turns]


def _carried() -> Dataset:
    from sciflow.data import from_arrays

    x, times = np.arange(_CELLS) / _CELLS, _DT * np.arange(_STEPS + 2)
    u = _MEAN + np.sin(2 * np.pi * (x - np.array([0.2, 0.7])[:, None, None] * times[:, None]))
    return from_arrays(
        {"u": u}, times=times, coordinates={"x": x}, parameters={"nu": 0.01}, periodic=("x",), problem="burgers"
    )


def _moved_by_mean(query: Query, share: float) -> dict[str, np.ndarray]:
    last = query.context["u"].values[:, -1:].astype(np.float64)
    metres = share * last.mean(axis=-1, keepdims=True) * _DT * np.arange(1, query.steps + 1)[:, None]
    waves = np.fft.rfftfreq(_CELLS, 1 / _CELLS)
    spectrum = np.fft.rfft(last) * np.exp(-2j * np.pi * waves * metres)
    return {"u": np.fft.irfft(spectrum, n=_CELLS)}
