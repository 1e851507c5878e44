"""The weights that come with sciflow show what the committed table of the porous medium family shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sciflow as sf
from sciflow.conservation import Conserving, constraints
from sciflow.conservation.neural_process import pretrained
from sciflow.evaluation import FieldTask

EACH = 6  # cases of each parameter value; the subset "published" has 50


@pytest.mark.parametrize(
    ("name", "parameter", "values", "at", "most"),
    [("porous-medium", "m", (1.0, 3.0, 6.0), 0.5, {1.0: 0.5}), ("stefan", "u_star", (0.6,), 0.05, {0.6: 0.8})],
)
def test_the_update_beats_the_plain_forecast_and_the_projection(
    tmp_path: Path, name: str, parameter: str, values: tuple[float, ...], at: float, most: dict[float, float]
) -> None:
    first = {"porous-medium": (0, 50, 100), "stefan": (50,)}[name]
    chosen = [start + number for start in first for number in range(EACH)]
    changes = ["subset=published", "cases=null", "splits={}", "times.frames=101"]
    data = sf.generate(name, tmp_path / "data.h5", overrides=changes, only=chosen, workers=1)
    task = FieldTask("condition", points=100, layout="lattice", at=(at,))
    query, truth = task.ask(data, [0], 1), task.truth(data, [0], 1).u.values
    plain = pretrained(f"anp-{name}").with_options(draws=8)
    law = constraints(sf.problems.get(name), query.context, query.times)
    of_value = query.context[parameter].values

    scores = {}
    methods = {"plain": plain, "bayes": Conserving(plain, covariance="diagonal"), "hard": Conserving(plain, hard=True)}
    for label, method in methods.items():
        forecast = method.predict(query)
        mean, variance = forecast.mean.u.values, forecast.variance.u.values
        if label != "plain":
            assert np.abs(law.residual(mean)).max() < 1e-12
        error = (mean - truth) ** 2
        likelihood = -0.5 * (np.log(2 * np.pi * variance) + error / variance)
        scores[label] = {
            value: (error[of_value == value].mean(), likelihood[of_value == value].mean()) for value in values
        }
    assert set(np.unique(of_value)) == set(values)
    for value in values:
        assert scores["bayes"][value][1] > max(scores["plain"][value][1], scores["hard"][value][1])
    for value, ratio in most.items():
        assert scores["bayes"][value][0] < ratio * scores["plain"][value][0]
