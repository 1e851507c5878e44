"""Saved predictions: forecasts in a file, scored like any method.

Layout (HDF5 that any netCDF-4 reader opens): one group ``horizon_<steps>`` for each horizon, with one variable for each
field, dims ``(query, time, [z,] y, x)``, physical units, the `steps` frames after the context; and two integer
variables ``source_case`` (index of the case in the data file) and ``start`` (index of the first context frame), dims
``(query,)``. The order of queries does not matter. A variable ``context_norm (query,)``, the root of the sum of squares
of the last context frame over all fields, may be there: it is compared, so that predictions made for other data are
noticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

import numpy as np
import xarray as xr

from sciflow.core import Forecast, InputError, Method, Query, atomic_path
from sciflow.evaluation.forecast import chunks
from sciflow.evaluation.tasks import EvaluationTask, ForecastTask

if TYPE_CHECKING:
    from sciflow.data import Dataset


def save_predictions(path: str | Path, method: Method, dataset: Dataset, task: EvaluationTask | None = None) -> Path:
    """Forecast every query of a task and write the means.

    Args:
        path: file to write, ``.h5`` or ``.nc``.
        method: a fitted method.
        dataset: the cases to forecast, usually ``ds.test``.
        task: horizons, starts and context.

    Returns:
        The path.
    """
    task = task or ForecastTask()
    with atomic_path(path) as temporary:
        xr.Dataset(attrs={"method": str(method.name)}).to_netcdf(temporary, engine="h5netcdf")
        for horizon in task.horizons_on(dataset):
            parts = []
            for part, starts in chunks(dataset, task.frames_in, horizon, step=task.step):
                asked = task.ask(part, starts, horizon.steps)
                parts.append(_rows(method.predict(asked).mean, asked))
            if parts:
                joined = xr.concat(parts, "query", coords="minimal", compat="override", join="override")
                joined.to_netcdf(temporary, mode="a", group=f"horizon_{horizon.steps}", engine="h5netcdf")
    return Path(path)


def _rows(mean: xr.Dataset, query: Query) -> xr.Dataset:
    named = {name: ("query", query.context[name].values) for name in ("source_case", "start")}
    named["context_norm"] = ("query", _norms(query, [str(name) for name in mean.data_vars]))
    others = [name for name in mean.coords if name not in ("z", "y", "x")]
    return mean.drop_vars(others).rename(case="query").assign(named)


def _norms(query: Query, fields: list[str]) -> np.ndarray:
    frames = query.context[fields]
    last = frames.isel(time=-1) if frames.sizes["time"] else frames.sum("time")  # zero where nothing is given
    squares = [np.square(np.nan_to_num(last[name].values.astype(np.float64))) for name in fields]
    return np.sqrt(sum(square.reshape(query.cases, -1).sum(axis=1) for square in squares))


@final
class PredictionFile(Method):
    """Answers queries from a file of predictions.

    Args:
        path: see the layout above.

    Raises:
        InputError: the file cannot be read or lacks what a query asks for.
    """

    def __init__(self, path: str | Path, label: str = "") -> None:
        self._path = Path(path)
        self.name = label or self._path.stem
        try:
            xr.open_dataset(self._path, engine="h5netcdf").close()
        except (OSError, ValueError) as error:
            raise InputError(f"The predictions {self._path} cannot be read as HDF5: {error}.") from error
        self._rows: dict[int, tuple[xr.Dataset, dict[tuple[int, int], int]]] = {}

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Nothing to learn here."""
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """Look up each (case, start) of a query."""
        if not isinstance(query, Query) or "start" not in query.context.coords:
            raise InputError("A file of predictions only answers the queries of a task, made by sciflow.data.query.")
        table, places = self._horizon(query.steps)
        asked = zip(query.context["source_case"].values, query.context["start"].values, strict=True)
        keys = [(int(case), int(start)) for case, start in asked]
        missing = [key for key in keys if key not in places]
        if missing:
            case, start = missing[0]
            raise InputError(
                f"{self._path} lacks {len(missing)} of {len(keys)} queries, first case {case} from frame {start}."
            )
        chosen = table.isel(query=np.array([places[key] for key in keys])).rename(query="case")
        fields = [str(name) for name, variable in chosen.data_vars.items() if "time" in variable.dims]
        if "context_norm" in chosen and not np.allclose(chosen["context_norm"], _norms(query, fields), rtol=1e-4):
            raise InputError(f"{self._path} holds predictions for other data: the frames they start from differ.")
        return Forecast(chosen[fields].drop_vars(["source_case", "start"], errors="ignore"))

    def _horizon(self, steps: int) -> tuple[xr.Dataset, dict[tuple[int, int], int]]:
        if steps not in self._rows:
            try:
                with xr.open_dataset(self._path, engine="h5netcdf", group=f"horizon_{steps}") as group:
                    table = group.load()
                pairs: Iterable[tuple[int, int]] = zip(table["source_case"].values, table["start"].values, strict=True)
            except (OSError, ValueError, KeyError) as error:
                raise InputError(
                    f"{self._path} has no predictions over {steps} steps (group horizon_{steps})."
                ) from error
            places = {(int(case), int(start)): row for row, (case, start) in enumerate(pairs)}
            self._rows[steps] = table, places
        return self._rows[steps]
