"""Callables and files of predictions are scored like any method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines.nearest import Nearest
from sciflow.baselines.persistence import Persistence
from sciflow.core import Forecast, InputError, Query
from sciflow.data import Dataset, from_arrays, query
from sciflow.evaluation import CallableMethod, ForecastTask, Horizon, PredictionFile, evaluate, save_predictions

TASK = ForecastTask((Horizon(steps=1), Horizon(steps=4, stride=2)))


def held_forecast(query: Query) -> Forecast:
    return Persistence().predict(query)


def held_dataset(query: Query) -> xr.Dataset:
    return held_forecast(query).mean.transpose("x", "y", "time", "case")


def held_mapping(query: Query) -> dict[str, np.ndarray]:
    return {name: held_forecast(query).mean[name].values for name in ("v", "u")}


def held_array(query: Query) -> np.ndarray:
    return np.stack([held_mapping(query)[name] for name in ("u", "v")], axis=2)


@pytest.mark.parametrize("function", [held_forecast, held_dataset, held_mapping, held_array])
def test_all_forms_of_an_answer(function: object, data: Dataset) -> None:
    found = evaluate(CallableMethod(function), data, TASK)  # type: ignore[arg-type]
    expected = evaluate(Persistence(), data, TASK)
    np.testing.assert_allclose(found.table["value"], expected.table["value"])


def test_a_callable_by_its_path(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_model.py").write_text(
        "class Model:\n    @staticmethod\n    def predict(query):\n"
        "        fields = query.context[['u', 'v']]\n        return fields.isel(time=[-1] * query.steps)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    method = CallableMethod("foreign_model:Model.predict", "foreign")
    assert method.name == "foreign"
    table = evaluate(method, data, TASK).table
    assert (table[table["metric"] == "gain"]["value"].round(9) == 1.0).all()


@pytest.mark.parametrize("target", ["numpy", "numpy:", "no_such_module:f", "numpy:no_such_function", "numpy:pi"])
def test_bad_targets(target: str) -> None:
    with pytest.raises(InputError):
        CallableMethod(target)


def test_saved_predictions_score_the_same(data: Dataset, tmp_path: Path) -> None:
    parts = data.split("random")
    method = Nearest().fit(parts["train"])
    path = save_predictions(tmp_path / "nearest.h5", method, parts["test"], TASK)
    found = evaluate(PredictionFile(path), parts["test"], TASK)
    expected = evaluate(method, parts["test"], TASK)
    np.testing.assert_allclose(found.table["value"], expected.table["value"], rtol=1e-6)
    with xr.open_dataset(path, group="horizon_4", engine="h5netcdf") as group:
        assert set(group.variables) >= {"u", "v", "source_case", "start"}
        assert group["u"].dims == ("query", "time", "y", "x")


def test_predictions_for_other_data_are_noticed(data: Dataset, tmp_path: Path) -> None:
    path = save_predictions(tmp_path / "p.h5", Persistence(), data, TASK)
    other = from_arrays(1.5 * data.xarray[["u", "v"]])
    with pytest.raises(InputError, match="other data"):
        evaluate(PredictionFile(path), other, TASK)


def test_missing_predictions_are_named(data: Dataset, tmp_path: Path) -> None:
    parts = data.split("random")
    some = parts["test"].select(parts["test"].cases[:1])
    file = PredictionFile(save_predictions(tmp_path / "p.h5", Persistence(), some, TASK), "mine")
    with pytest.raises(InputError, match=f"first case {parts['test'].cases[1]} from frame 0"):
        evaluate(file, parts["test"], TASK)
    with pytest.raises(InputError, match="7 steps"):
        file.predict(query(some, [0], 1, 7))
    with pytest.raises(InputError, match="queries of a task"):
        file.predict(some)
    with pytest.raises(InputError, match="cannot be read"):
        PredictionFile(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read"):
        PredictionFile(tmp_path / "text.h5")
