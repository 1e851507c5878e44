"""Boundary layers and chosen fields in the harness: what is not asked for never counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow.core import Forecast, InputError, Query
from sciflow.data import Dataset, from_arrays
from sciflow.data.padding import pad
from sciflow.evaluation import CallableMethod, load_suite
from sciflow.evaluation.forecast import evaluate
from sciflow.evaluation.horizon import Horizon
from sciflow.evaluation.measures import metrics
from sciflow.evaluation.preparation import split_parts
from sciflow.evaluation.scoring import check_metrics
from sciflow.evaluation.tasks import ForecastTask
from sciflow.problems import registry
from sciflow.problems.sampling import Case
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import cell_grid

LENGTHS = (9, 7, 8)
POINTWISE = ["nmse", "rmse", "max_error", "persistence_nmse"]


@pytest.fixture(scope="module")
def bare() -> Dataset:
    """Driven cavities of different sizes with an obstacle that differs by case; smooth fields of closed form."""
    problem = registry.get("cavity")
    given = [
        problem.values({"width": width, "height": height, "lid_amplitude_1": 0.4})
        for width, height in ((1.0, 1.0), (2.0, 1.0), (1.0, 3.0))
    ]
    names = {info.name for info in problem.parameters}
    cases = [
        Case(
            index,
            index,
            {name: float(value) for name, value in values.items() if name in names},
            {name: float(value) for name, value in values.items() if name not in names},
        )
        for index, values in enumerate(given)
    ]
    grid = cell_grid(problem, cases, (10, 8))
    times = np.linspace(0, [4.0, 6.0, 5.0], max(LENGTHS)).T
    y, x = np.meshgrid((np.arange(8) + 0.5) / 8, (np.arange(10) + 0.5) / 10, indexing="ij")
    wave = 3 * x + times[..., None, None]
    fields = {"u": np.sin(wave) * y, "v": np.cos(wave) * (1 + y), "p": np.sin(wave + y)}
    raw = assemble(problem, cases, times, grid, fields)
    mask = np.ones((3, 8, 10), bool)
    for case in range(3):
        mask[case, 2:4, 1 + 2 * case : 4 + 2 * case] = False
    raw["mask"] = (("case", "y", "x"), mask, {"role": "mask"})
    return from_arrays(raw.assign_coords(length=("case", list(LENGTHS))))


@pytest.fixture(scope="module")
def padded(bare: Dataset) -> Dataset:
    return from_arrays(pad(bare.xarray, registry.get("cavity")))


def growing(query: Query) -> xr.Dataset:
    """A forecast that is wrong by a known amount: the last frame grows by a fifth in each step."""
    fields = {name: part for name, part in query.context.data_vars.items() if "time" in part.dims}
    factor = xr.DataArray(1.2 ** np.arange(1, query.steps + 1), dims="time")
    return xr.Dataset({name: part.isel(time=-1) * factor for name, part in fields.items()})


def nonsense(query: Query) -> Forecast:
    """The same, but not a number where boundary data are known and a million in the solid."""
    mean = growing(query)
    wrong = {}
    for name, part in mean.data_vars.items():
        solid = part.where(query.context["mask"], 1e6)
        wrong[name] = solid.where(~query.context["known"], np.nan).transpose("case", "time", "y", "x")
    return Forecast(xr.Dataset(wrong))


@pytest.mark.parametrize("step", [1, 2])
def test_cells_that_are_not_asked_for_never_count(padded: Dataset, step: int) -> None:
    task = ForecastTask((Horizon(steps=2, stride=2), Horizon(steps=3)), step=step)
    names = []
    for name in metrics.names():
        try:
            check_metrics([name], padded, task)
        except InputError:
            continue
        names.append(name)
    assert {"nmse", "max_error", "divergence", "gradient_nrmse"} <= set(names)
    clean, spoilt = (evaluate(CallableMethod(each, "m"), padded, task, names) for each in (growing, nonsense))
    assert clean.table["case"].nunique() == 3 and (clean.table.query("metric == 'nmse'")["value"] > 0.01).all()
    for mine, theirs in ((clean.table, spoilt.table), (clean.curves, spoilt.curves)):
        assert np.array_equal(mine["value"], theirs["value"], equal_nan=True)


def test_padding_leaves_scores_of_cells_as_they_are(bare: Dataset, padded: Dataset) -> None:
    task = ForecastTask((Horizon(steps=3, stride=1),))
    tables = [evaluate(CallableMethod(growing, "m"), each, task, POINTWISE).table for each in (bare, padded)]
    columns = ["metric", "field", "case"]
    assert padded.shape == (10, 12) and tables[0][columns].equals(tables[1][columns])
    assert tables[1]["value"].to_numpy() == pytest.approx(tables[0]["value"].to_numpy(), rel=1e-6)  # stored as float32


def test_a_query_knows_the_lid_at_the_times_it_asks_for(padded: Dataset) -> None:
    part = padded.select([0, 2])
    asked = ForecastTask((Horizon(steps=3),), step=2).ask(part, [1], 3)
    lid = part.signal_values("lid")[..., 0]
    assert asked.known is not None and np.ptp(lid[0]) > 0.2
    top = asked.known["u"].values[:, :, -1]
    assert top == pytest.approx(np.repeat(lid[:, [3, 5, 7], None], 12, axis=2), rel=1e-6)
    assert not np.isfinite(asked.known["p"].values).any()
    assert not np.isfinite(asked.known["u"].values[:, :, 1:-1, 1:-1]).any()


def test_a_suite_of_some_fields(data_file: Path) -> None:
    suite = {"name": "some", "methods": [{"method": "persistence"}], "data": {"path": str(data_file), "fields": ["v"]}}
    parts, digest, _ = split_parts(load_suite(suite), data_file)
    assert {part.fields[0] for part in parts.values()} == {"v"} and parts["train"].array().shape[2] == 1
    whole = {**suite, "data": {"path": str(data_file)}}
    assert split_parts(load_suite(whole), data_file)[1] != digest
    with pytest.raises(InputError, match="no field 'w'"):
        split_parts(load_suite({**suite, "data": {"path": str(data_file), "fields": ["w"]}}), data_file)
