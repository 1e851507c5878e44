"""Case parameters as a space in which distances and interpolation make sense, and the scales of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.core import InputError

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
@dataclass(frozen=True)
class ParameterSpace:
    """Parameters that differ between the training cases, mapped to [0, 1] over their range there.

    A parameter declared with scale "log" is mapped by its logarithm. Constant parameters carry no information and are
    dropped. Values outside the training range map outside [0, 1].
    """

    names: tuple[str, ...]
    logarithmic: tuple[bool, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fit(cls, train: Dataset) -> Self:
        """Read names, scales and ranges from training cases."""
        values = train.parameter_values()
        kept = []
        for index, name in enumerate(train.parameters):
            logarithmic = train.header[name].attrs.get("scale") == "log"
            column = _logarithm(values[:, index], name) if logarithmic else values[:, index]
            low, high = float(column.min()), float(column.max())
            if high - low > 1e-12 * max(abs(low), abs(high)):
                kept.append((name, logarithmic, low, high))
        names, logarithmic_, lows, highs = zip(*kept, strict=True) if kept else ((), (), (), ())
        return cls(names, logarithmic_, lows, highs)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**{name: tuple(values) for name, values in stored.items()})

    def to_json(self) -> dict[str, Any]:
        """Plain lists by attribute name."""
        return asdict(self)

    def encode(self, cases: xr.Dataset) -> np.ndarray:
        """Parameters of the cases of a query's context or a data set, [case, P], float64.

        Raises:
            InputError: a parameter is missing, or not positive although it is logarithmic.
        """
        columns = []
        for name, logarithmic, low, high in zip(self.names, self.logarithmic, self.low, self.high, strict=True):
            if name not in cases.coords:
                raise InputError(f"The query lacks the case parameter '{name}' that the method was fitted on.")
            column = np.asarray(cases[name].values, np.float64)
            column = _logarithm(column, name) if logarithmic else column
            columns.append((column - low) / (high - low))
        return np.stack(columns, axis=1) if columns else np.zeros((cases.sizes["case"], 0))


def _logarithm(values: np.ndarray, name: str) -> np.ndarray:
    if np.any(values <= 0):
        raise InputError(f"The parameter '{name}' is declared logarithmic but has a value that is not positive.")
    return np.log(values)


def field_scales(cases: xr.Dataset, fields: list[str]) -> np.ndarray:
    """Characteristic scale of each field in each case, [case, C]; 1 where the data set declares none."""
    ones = np.ones(cases.sizes["case"])
    names = [str(cases[field].attrs.get("scale_coord", "")) for field in fields]
    columns = [np.asarray(cases[name].values, np.float64) if name in cases.coords else ones for name in names]
    return np.stack(columns, axis=1)


def time_scales(cases: xr.Dataset) -> np.ndarray:
    """Characteristic time of each case in seconds, [case]; 1 where the data set declares none."""
    name = str(cases.attrs.get("time_scale_coord", ""))
    return np.asarray(cases[name].values, np.float64) if name in cases.coords else np.ones(cases.sizes["case"])
