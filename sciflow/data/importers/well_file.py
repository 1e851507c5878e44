"""One trajectory of a file in The Well's format as arrays in our order of axes."""

from __future__ import annotations

from typing import Any, final

import h5py
import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.exporters.well_rules import names_in
from sciflow.data.schema import SPACE

_FLOW = ("u", "v", "w")


def axis_names(file: h5py.File) -> dict[str, str]:
    """Our names of the axes, x first, with those of the file in its order."""
    given = names_in(file["dimensions"], "spatial_dims")
    usual = SPACE[::-1][: len(given)]
    return {name: name for name in given} if set(given) == set(usual) else dict(zip(usual, given, strict=True))


@final
class Trajectory:
    """Values of one trajectory by their place in the file."""

    def __init__(self, file: h5py.File, row: int, names: dict[str, str], frames: int) -> None:
        self.file, self.row, self.names, self.frames = file, row, names, frames
        self.space = tuple(axis for axis in SPACE if axis in names)
        self.given = list(names)  # our names in the order of the file's axes
        group = file["scalars"]
        timed = [name for name in names_in(group, "field_names") if group[name].attrs.get("time_varying")]
        self.signals = timed

    def fields(self) -> dict[str, Any]:
        """Fields (case, time, *space), inputs and mask (case, *space)."""
        found: dict[str, Any] = {}
        for order in range(3):
            group = self.file[f"t{order}_fields"]
            for name in names_in(group, "field_names"):
                dataset = group[name]
                values = self._on_grid(dataset, order)
                attrs = {"units": str(dataset.attrs.get("units", ""))}
                for part, label in enumerate(self._labels(name, dataset, order)):
                    own = values[part]
                    if dataset.attrs["time_varying"]:
                        found[label] = (("case", "time", *self.space), own, {**attrs, "role": "field"})
                    elif dataset.attrs.get("role") == "mask":
                        found["mask"] = (("case", *self.space), own > 0.5, {"role": "mask"})
                    else:
                        found[label] = (("case", *self.space), own, {**attrs, "role": "input"})
        if not any(attrs["role"] == "field" for _, _, attrs in found.values()):
            raise InputError(f"The file {self.file.filename} has no field that varies in time.")
        return found

    def scalars(self) -> dict[str, Any]:
        """Constant scalars as coordinates on ``case``."""
        found: dict[str, Any] = {}
        for name in names_in(self.file["scalars"], "field_names"):
            if name in self.signals:
                continue
            dataset = self.file["scalars"][name]
            value = float(np.ravel(dataset[self.row] if dataset.attrs["sample_varying"] else dataset[()])[0])
            about: dict[str, Any] = {"role": "parameter", "units": "", "scale": "linear"}
            about |= {key: str(dataset.attrs[key]) for key in about if key in dataset.attrs}
            about |= {"hidden": 1} if dataset.attrs.get("hidden") else {}
            found[name] = ("case", np.array([value]), about)
        return found

    def signal(self, name: str) -> Any:
        """A scalar that varies in time, (case, time)."""
        dataset = self.file["scalars"][name]
        values = np.asarray(dataset[self.row] if dataset.attrs["sample_varying"] else dataset[()], np.float64)
        row = np.full((1, self.frames), np.nan)
        row[0, : len(values)] = values
        return (("case", "time"), row, {"role": "signal", "units": str(dataset.attrs.get("units", ""))})

    def _labels(self, name: str, dataset: h5py.Dataset, order: int) -> list[str]:
        if order == 0:
            return [name]
        noted = names_in(dataset, "components")
        dims = [given for given in self.names.values()]
        if order == 1:
            usual = list(_FLOW[: len(dims)]) if name == "velocity" else [f"{name}_{dim}" for dim in dims]
            return noted if len(noted) == len(dims) else usual
        return [f"{name}_{one}{other}" for one in dims for other in dims]

    def _on_grid(self, dataset: h5py.Dataset, order: int) -> np.ndarray:
        """Components first, then case, time and space in our order; frames that are not there are NaN."""
        values = np.asarray(dataset[self.row] if dataset.attrs["sample_varying"] else dataset[()])
        timed = bool(dataset.attrs["time_varying"])
        sizes = [self.file["dimensions"][self.names[axis]].shape[-1] for axis in self.given]
        for position, varies in enumerate(dataset.attrs["dim_varying"]):
            if not varies:
                values = np.repeat(np.expand_dims(values, timed + position), sizes[position], timed + position)
        dims = len(self.given)
        lead = 1 if timed else 0
        values = values.reshape(*values.shape[: lead + dims], -1)
        order_of = [lead + self.given.index(axis) for axis in self.space]
        values = values.transpose(lead + dims, *range(lead), *order_of)
        if timed and values.shape[1] < self.frames:
            out = np.full((values.shape[0], self.frames, *values.shape[2:]), np.nan, values.dtype)
            out[:, : values.shape[1]] = values
            values = out
        return values[:, None]
