"""Any Python function as a method, so that foreign models can be scored."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.core import Forecast, InputError, Method, Query

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
class CallableMethod(Method):
    """Wraps ``function(query) -> forecast``.

    The function is given a `sciflow.core.Query` (physical units) and returns a `Forecast`, an `xarray.Dataset` with
    dims (case, time, *space), a mapping of field names to arrays [case, time, *S], or one array
    [case, time, field, *S] with the fields in the order of the context. It was fitted elsewhere: nothing of the
    training set is shown to it.

    Args:
        target: the function, or ``"package.module:function"``.
        label: its name in tables.

    Raises:
        InputError: the target cannot be imported or called.
    """

    def __init__(self, target: str | Callable[[Query], Any], label: str = "") -> None:
        self._function = _imported(target) if isinstance(target, str) else target
        self.name = label or (target if isinstance(target, str) else getattr(target, "__name__", "callable"))

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Nothing to learn here."""
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """Call the function and give its answer the query's grid."""
        from sciflow.baselines.base import as_query, field_names

        asked = as_query(query)
        answer = self._function(asked)
        if isinstance(answer, Forecast):
            return answer
        fields = field_names(asked.context)
        if isinstance(answer, xr.Dataset):
            missing = [name for name in fields if name not in answer]
            if missing:
                raise InputError(f"'{self.name}' returned no field '{missing[0]}'; expected {', '.join(fields)}.")
            return Forecast(answer[fields])
        return Forecast(self._dataset(answer, asked, fields))

    def _dataset(self, answer: Any, query: Query, fields: list[str]) -> xr.Dataset:
        axes = [axis for axis in ("z", "y", "x") if axis in query.context.dims]
        shape = (query.cases, query.steps, *(query.context.sizes[axis] for axis in axes))
        if isinstance(answer, Mapping):
            arrays = {name: np.asarray(answer[name]) for name in fields if name in answer}
        else:
            stacked = np.asarray(answer)
            fits = stacked.ndim == len(shape) + 1 and stacked.shape[2] == len(fields)
            arrays = {name: stacked[:, :, index] for index, name in enumerate(fields)} if fits else {}
        wrong = [name for name in fields if name not in arrays or arrays[name].shape != shape]
        if wrong:
            found = f"shape {arrays[wrong[0]].shape}" if wrong[0] in arrays else "nothing usable"
            raise InputError(
                f"'{self.name}' returned {found} for the field '{wrong[0]}'; expected an array of {shape}."
            )
        coords = {axis: query.context[axis] for axis in axes if axis in query.context.coords}
        return xr.Dataset({name: (("case", "time", *axes), arrays[name]) for name in fields}, coords=coords)


def _imported(target: str) -> Callable[[Query], Any]:
    module, colon, attribute = target.partition(":")
    if not colon or not module or not attribute:
        raise InputError(f"A callable must read 'package.module:function', not '{target}'.")
    try:
        function: Any = importlib.import_module(module)
        for part in attribute.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise InputError(f"The callable '{target}' cannot be imported: {error}.") from error
    if not callable(function):
        raise InputError(f"'{target}' is a {type(function).__name__}, not a function of a query.")
    return function
