"""What all baselines share: keyword options, storage as arrays and JSON, and the way from data sets to arrays."""

from __future__ import annotations

import inspect
import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import xarray as xr

from sciflow.core import Forecast, InputError, Method, Query, atomic_path
from sciflow.data.query_arrays import context_array
from sciflow.data.schema import space_of

if TYPE_CHECKING:
    from sciflow.data import Dataset


class Baseline(Method):
    """A classical method. Options are explicit keywords of the constructor, stored under their own names.

    Subclasses keep what they learn in `state` (JSON values) and `arrays` (NumPy arrays), which are all that is stored.
    """

    seeded: ClassVar[bool] = False  # whether `seed` changes the result; if not, one seed is enough
    learns: ClassVar[bool] = True  # whether fit must come before predict
    needs_observations: ClassVar[bool] = False  # whether queries must hold some, which those of a data set do not

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.arrays: dict[str, np.ndarray] = {}

    @abstractmethod
    def forecast(self, query: Query) -> Forecast:
        """Answer a query; called by `predict` once the method is fitted."""

    def predict(self, query: Query | Dataset) -> Forecast:
        """Answer a query, or a data set: all frames after its first, or its one frame if it is steady.

        Raises:
            InputError: the method is not fitted, the query does not match what it was fitted on or holds NaN, or the
                cases of the data set have different numbers of frames.
        """
        if self.learns and not self.state:
            raise InputError(f"The method '{self.name}' is not fitted; call fit(train) before predict.")
        return self.forecast(as_query(query))

    def config(self) -> dict[str, Any]:
        """The constructor's keywords and their values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def save(self, folder: str | Path) -> None:
        """Write ``method.json`` (name, options, state) and ``arrays.safetensors``."""
        from safetensors.numpy import save_file

        text = json.dumps({"method": self.name, "config": self.config(), "state": self.state}, indent=1)
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            (temporary / "method.json").write_text(text, encoding="utf-8")
            arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
            save_file(arrays, temporary / "arrays.safetensors")

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the folder holds no method of this kind.
        """
        from safetensors.numpy import load_file

        path = Path(folder)
        try:
            stored = json.loads((path / "method.json").read_text(encoding="utf-8"))
            arrays = load_file(path / "arrays.safetensors")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} holds no saved method: {error}.") from error
        if stored.get("method") != cls.name:
            raise InputError(f"{path} holds the method '{stored.get('method')}', not '{cls.name}'.")
        method = cls(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in stored["config"].items()}
        )
        method.state, method.arrays = stored["state"], arrays
        return method

    def cost(self) -> dict[str, float]:
        """Numbers stored, as ``parameters``."""
        return {"parameters": float(sum(array.size for array in self.arrays.values()))}


def as_query(query: Query | Dataset) -> Query:
    """A data set as the query for all frames after its first; for its one frame where it has no more.

    Raises:
        InputError: its cases have different numbers of frames.
    """
    if isinstance(query, Query):
        return query
    from sciflow.data.queries import later_frames

    return later_frames(query, 0 if query.frame_count == 1 else 1)


def last_frame(query: Query, fields: list[str], method: str) -> np.ndarray:
    """The last context frame as float64 [case, C, *S]; solid cells are 0.

    Raises:
        InputError: the query has no context frame, lacks a field, or holds NaN or infinity in a fluid cell.
    """
    if not query.context.sizes["time"]:
        raise InputError(
            f"The method '{method}' starts from a frame, but the query gives none; use 'mean', 'interpolation' or "
            "another method that needs no start frame."
        )
    return to_array(query.context.isel(time=[-1]), fields)[:, 0]


def require_grid(query: Query, shape: Sequence[int], method: str) -> tuple[int, ...]:
    """Sizes of the query's space axes in tensor order.

    Raises:
        InputError: they are not those of the grid the method was fitted on.
    """
    grid = tuple(int(query.context.sizes[axis]) for axis in space_of(query.context))
    if grid != tuple(shape):
        raise InputError(f"The method '{method}' was fitted on a grid {tuple(shape)}, the query has {grid}.")
    return grid


def field_names(context: xr.Dataset) -> list[str]:
    """Fields of a query's context: its time-dependent variables."""
    return [str(name) for name, variable in context.data_vars.items() if {"case", "time"} <= set(variable.dims)]


def to_array(context: xr.Dataset, fields: list[str]) -> np.ndarray:
    """Fields of a query's context as float64 [case, time, C, *S]; solid cells are 0.

    Raises:
        InputError: a field is missing, or a fluid cell holds NaN or infinity.
    """
    return context_array(context, fields, space_of(context)).astype(np.float64)
