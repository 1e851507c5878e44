"""The rules of The Well's file format, as published (https://polymathic-ai.org/the_well/data_format/)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.handle import open_hdf5

BOUNDARIES = ("periodic", "wall", "open")
GRID_TYPES = ("cartesian", "spherical")
ORDERS = (0, 1, 2)
_GROUPS = ("dimensions", "boundary_conditions", "scalars", "t0_fields", "t1_fields", "t2_fields")


def violations(path: str | Path) -> list[str]:
    """Every rule of The Well's format that a file breaks, one sentence each; values of fields are not read.

    Looks at: the attributes of the root; the groups; time and space coordinates (present, increasing, evenly spaced);
    shapes against the attributes ``sample_varying``, ``time_varying`` and ``dim_varying``; single precision; lists of
    names against what the groups hold; boundary masks; simulation parameters as attributes and as scalars.

    Args:
        path: an HDF5 file.
    """
    try:
        with open_hdf5(Path(path)) as file:
            found = list(_root(file))
            # What follows is told from the root's attributes.
            return found or [
                *_dimensions(file),
                *_parameters(file),
                *_boundaries(file),
                *_scalars(file),
                *_fields(file),
            ]
    except InputError as error:
        return [str(error)]


def names_in(holder: Any, attribute: str) -> list[str]:
    """An attribute that lists names; empty if it is not there."""
    return [
        name.decode() if isinstance(name, bytes) else str(name) for name in np.ravel(holder.attrs.get(attribute, []))
    ]


def _root(file: h5py.File) -> Iterator[str]:
    for name, kinds, meaning in (
        ("dataset_name", str, "a text"),
        ("grid_type", str, "a text"),
        ("n_spatial_dims", int | np.integer, "an integer"),
        ("n_trajectories", int | np.integer, "an integer"),
    ):
        if name not in file.attrs:
            yield f"The attribute '{name}' of the root is missing."
        elif not isinstance(file.attrs[name], kinds):
            yield f"The attribute '{name}' of the root is {file.attrs[name]!r}; expected {meaning}."
    if "simulation_parameters" not in file.attrs:
        yield "The attribute 'simulation_parameters' of the root is missing."
    if file.attrs.get("grid_type", "cartesian") not in GRID_TYPES:
        yield f"The grid type is {file.attrs['grid_type']!r}; expected one of {', '.join(GRID_TYPES)}."
    for name in _GROUPS:
        if not isinstance(file.get(name), h5py.Group):
            yield f"The group '{name}' is missing."
    if isinstance(file.get("dimensions"), h5py.Group):
        dims = names_in(file["dimensions"], "spatial_dims")
        if len(dims) != file.attrs.get("n_spatial_dims") or not 1 <= len(dims) <= 3:
            yield f"The attribute 'spatial_dims' lists {dims}; expected as many names as 'n_spatial_dims', 1 to 3."
        for name in ("time", *dims):
            if not isinstance(file["dimensions"].get(name), h5py.Dataset) or file["dimensions"][name].ndim == 0:
                yield f"The dataset 'dimensions/{name}' is missing or has no axis."


def _dimensions(file: h5py.File) -> Iterator[str]:
    trajectories = int(file.attrs["n_trajectories"])
    for name in ("time", *names_in(file["dimensions"], "spatial_dims")):
        dataset = file["dimensions"][name]
        yield from _flags(dataset)
        expected = ((trajectories,) if dataset.attrs.get("sample_varying") else ()) + dataset.shape[-1:]
        if dataset.shape != expected:
            yield f"'{dataset.name}' has the shape {dataset.shape}; expected {expected}."
        if bool(dataset.attrs.get("time_varying")) != (name == "time"):
            yield f"'{dataset.name}' has time_varying = {dataset.attrs.get('time_varying')}; only time varies in time."
        yield from _single(dataset)
        steps = np.diff(np.asarray(dataset[()], np.float64), axis=-1)
        size = np.abs(dataset[()]).max(initial=0)
        if not np.isfinite(steps).all() or (steps <= 0).any():
            yield f"'{dataset.name}' must be finite and increase."
        elif steps.size and np.ptp(steps, axis=-1).max() > 1e-3 * steps.max() + 4 * np.finfo(np.float32).eps * size:
            yield f"'{dataset.name}' must be evenly spaced."


def _parameters(file: h5py.File) -> Iterator[str]:
    for name in names_in(file, "simulation_parameters"):
        if not isinstance(file.attrs.get(name), float | np.floating):
            yield f"The simulation parameter '{name}' must be a number among the attributes of the root."
        if name not in file["scalars"]:
            yield f"The simulation parameter '{name}' must be a dataset in 'scalars'."


def _boundaries(file: h5py.File) -> Iterator[str]:
    sizes = _sizes(file)
    for name, group in file["boundary_conditions"].items():
        where = f"The boundary condition '{name}'"
        yield from _flags(group)
        if str(group.attrs.get("bc_type")).lower() not in BOUNDARIES:
            yield f"{where} has the type {group.attrs.get('bc_type')!r}; expected one of {', '.join(BOUNDARIES)}."
        for attribute in ("associated_dims", "associated_fields"):
            if not isinstance(group.attrs.get(attribute), list | np.ndarray):
                yield f"{where} has no list '{attribute}'."
        dims = names_in(group, "associated_dims")
        if not dims or any(dim not in sizes for dim in dims):
            yield f"{where} belongs to the dimensions {dims}; expected some of {list(sizes)}."
        elif "mask" not in group or group["mask"].dtype != bool:
            yield f"{where} has no mask of booleans."
        elif group["mask"].shape != (*_leading(file, group), *(sizes[dim] for dim in sizes if dim in dims)):
            yield f"The mask of '{name}' has the shape {group['mask'].shape}, which is not that of {dims}."
        elif "values" in group and group["values"].shape[-1:] != (np.count_nonzero(group["mask"]),):
            yield f"{where} needs one value for each true entry of its mask."


def _scalars(file: h5py.File) -> Iterator[str]:
    group = file["scalars"]
    yield from _names(group)
    for name, dataset in group.items():
        yield from _flags(dataset)
        yield from _single(dataset)
        if dataset.shape != _leading(file, dataset):
            yield f"'{dataset.name}' has the shape {dataset.shape}; expected {_leading(file, dataset)}."
        if name not in names_in(group, "field_names"):
            yield f"'{dataset.name}' is not listed in 'field_names'."


def _fields(file: h5py.File) -> Iterator[str]:
    sizes = _sizes(file)
    for order in ORDERS:
        group = file[f"t{order}_fields"]
        yield from _names(group)
        for name, dataset in group.items():
            if name not in names_in(group, "field_names"):
                yield f"'{dataset.name}' is not listed in 'field_names'."
            yield from _flags(dataset)
            yield from _single(dataset)
            varying = np.ravel(dataset.attrs.get("dim_varying", []))
            if varying.dtype != bool or len(varying) != len(sizes):
                yield f"'{dataset.name}' needs the attribute 'dim_varying', a boolean for each of {list(sizes)}."
                continue
            space = tuple(size for size, varies in zip(sizes.values(), varying, strict=True) if varies)
            expected = (*_leading(file, dataset), *space, *(len(sizes),) * order)
            if dataset.shape != expected:
                yield f"'{dataset.name}' has the shape {dataset.shape}; expected {expected}."
            if order == 2:
                yield from _flags(dataset, ("symmetric", "antisymmetric"))


def _names(group: h5py.Group) -> Iterator[str]:
    if not isinstance(group.attrs.get("field_names"), list | np.ndarray):
        yield f"'{group.name}' has no list 'field_names'."
    for name in names_in(group, "field_names"):
        if name not in group:
            yield f"'{group.name}' lists '{name}', which is not there."


def _flags(item: Any, names: Sequence[str] = ("sample_varying", "time_varying")) -> Iterator[str]:
    for name in names:
        if not isinstance(item.attrs.get(name), bool | np.bool_):
            yield f"'{item.name}' has no boolean attribute '{name}'."


def _single(dataset: h5py.Dataset) -> Iterator[str]:
    if dataset.dtype != np.float32:
        yield f"'{dataset.name}' holds {dataset.dtype}; expected float32."


def _sizes(file: h5py.File) -> dict[str, int]:
    dims = file["dimensions"]
    return {name: int(dims[name].shape[-1]) for name in names_in(dims, "spatial_dims")}


def _leading(file: h5py.File, item: Any) -> tuple[int, ...]:
    """The axes of samples and time that the attributes of a dataset or group announce."""
    samples = (int(file.attrs["n_trajectories"]),) if item.attrs.get("sample_varying") else ()
    return samples + ((int(file["dimensions/time"].shape[-1]),) if item.attrs.get("time_varying") else ())
