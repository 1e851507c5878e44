"""A data set in The Well's format (https://polymathic-ai.org/the_well/data_format/): HDF5 files by split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from sciflow.core.errors import InputError
from sciflow.data.exporters.well_layout import Layout
from sciflow.data.exporters.well_rules import violations
from sciflow.data.moments import Moments
from sciflow.data.reader import Dataset

PARTS = ("train", "valid", "test")


def export_well(dataset: Dataset, folder: Path, *, name: str | None = None, split: str | None = None) -> list[Path]:
    """Write ``data/{train,valid,test}/*.hdf5`` and ``stats.yaml``.

    Arrays are transposed to (x, y, z); vectors (``u``, ``v`` of a flow) become one field of ``t1_fields``, scalar
    fields go to ``t0_fields``, and mask and inputs beside them, constant in time. Case parameters become scalars, those
    that all cases share also simulation parameters; signals become scalars that vary in time. Sides are ``wall`` where
    nothing passes through, ``open`` where the problem lets flow in or out or is not known. Everything is in single
    precision, as the format asks: fields stored as float32 stay exact, times and parameters are rounded to 1e-7.
    Values on the boundary beside the fields, seeds and scales have no place there. A part whose cases differ in length
    gets one file for each length.

    Args:
        dataset: what to write.
        folder: where to write.
        name: of the data set in its files; that of the problem by default.
        split: a named split with the parts "train", "valid" and "test", or some of these; the default one by default.

    Returns:
        The files.

    Raises:
        InputError: the split has other parts, or the result would break a rule of the format (frames or cells that are
            not evenly spaced).
    """
    parts = dataset.split(split)
    for part in parts:
        if part not in PARTS:
            raise InputError(f"The split has the part '{part}'; The Well has {', '.join(PARTS)}.")
    layout = Layout.of(dataset, name or dataset.problem or "sciflow")
    written = []
    for part, cases in parts.items():
        target = folder / "data" / part
        target.mkdir(parents=True)
        lengths = np.unique(cases.lengths)
        for length in lengths:
            stem = layout.name if len(lengths) == 1 else f"{layout.name}_{int(length):05d}"
            written.append(target / f"{re.sub('[^A-Za-z0-9_.-]', '_', stem)}.hdf5")
            group = cases.select(cases.cases[cases.lengths == length])
            with h5py.File(written[-1], "w") as file:
                _write(file, group, layout, int(length))
            broken = violations(written[-1])
            if broken:
                raise InputError(f"The data set does not fit The Well's format: {broken[0]}")
    written.append(folder / "stats.yaml")
    written[-1].write_text(yaml.safe_dump(_statistics(parts.get("train", dataset), layout), sort_keys=False))
    return written


def _write(file: h5py.File, cases: Dataset, layout: Layout, length: int) -> None:
    """All cases of one length."""
    file.attrs["dataset_name"] = layout.name
    file.attrs["grid_type"] = "cartesian"
    file.attrs["n_spatial_dims"] = len(layout.dims)
    file.attrs["n_trajectories"] = len(cases)
    file.attrs["simulation_parameters"] = list(layout.shared)
    for name in layout.shared:
        file.attrs[name] = np.float32(cases.header[name].values[0])
    # Beside the rules: what lets our importer restore the data set.
    file.attrs["sciflow_problem"] = cases.problem
    file.attrs["sciflow_absent"] = str(cases.attrs.get("absent", ""))
    file.attrs["sciflow_grid"] = str(cases.attrs["grid"])
    file.attrs["sciflow_cases"] = cases.cases
    _write_dimensions(file.create_group("dimensions"), cases, layout, length)
    _write_boundaries(file.create_group("boundary_conditions"), cases, layout)
    _write_scalars(file.create_group("scalars"), cases, layout, length)
    groups = [file.create_group(f"t{order}_fields") for order in range(3)]
    _write_fields(groups[0], cases, {name: (name,) for name in layout.scalars}, layout, length)
    _write_fields(groups[1], cases, layout.vectors, layout, length)
    constants = _write_constants(groups[0], cases, layout)
    for group, names in zip(groups, ([*layout.scalars, *constants], list(layout.vectors), []), strict=True):
        group.attrs["field_names"] = names


def _add(group: h5py.Group, name: str, values: np.ndarray, *, sample: bool, time: bool, **attrs: Any) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=np.asarray(values, np.float32))
    dataset.attrs.update({"sample_varying": sample, "time_varying": time, **attrs})
    return dataset


def _write_dimensions(group: h5py.Group, cases: Dataset, layout: Layout, length: int) -> None:
    group.attrs["spatial_dims"] = list(layout.dims)
    times = cases.case_times[:, :length]
    same = bool((times == times[0]).all())
    _add(
        group,
        "time",
        times[0] if same else times,
        sample=not same,
        time=True,
        units=cases.units("time_of_case" if "time_of_case" in cases.header else "time"),
    )
    for axis in layout.dims:
        by_case = f"{axis}_of_case"
        name = by_case if by_case in cases.header else axis
        values = cases.header[name].values
        _add(group, axis, values, sample=name == by_case, time=False, units=cases.units(name))


def _write_boundaries(group: h5py.Group, cases: Dataset, layout: Layout) -> None:
    for axis, kinds in layout.sides.items():
        for kind in dict.fromkeys(kinds):
            own = group.create_group(f"{axis}_{kind}")
            own.attrs["associated_dims"] = [axis]
            own.attrs["associated_fields"] = []
            own.attrs["bc_type"] = kind
            own.attrs["sample_varying"] = own.attrs["time_varying"] = False
            mask = np.zeros(cases.header.sizes[axis], bool)
            mask[[0, -1]] = [kinds[0] == kind, kinds[1] == kind]
            own.create_dataset("mask", data=mask)


def _write_scalars(group: h5py.Group, cases: Dataset, layout: Layout, length: int) -> None:
    header = cases.header
    coefficients = [str(n) for n, variable in header.coords.items() if variable.attrs.get("role") == "coefficient"]
    names = (*cases.parameters, *cases.hidden, *coefficients)
    for name in names:
        values = header[name].values
        about = {
            key: header[name].attrs[key] for key in ("role", "units", "scale", "hidden") if key in header[name].attrs
        }
        shared = name in layout.shared
        _add(group, name, values[0] if shared else values, sample=not shared, time=False, **about)
    for name in cases.signals:
        about = {"role": "signal", "units": cases.units(name)}
        _add(group, name, header[name].values[:, :length], sample=True, time=True, **about)
    group.attrs["field_names"] = [*names, *cases.signals]


def _write_fields(
    group: h5py.Group, cases: Dataset, fields: dict[str, tuple[str, ...]], layout: Layout, length: int
) -> None:
    """Fields (case, time, x, y, z[, component]), written in runs of frames."""
    sizes = tuple(reversed(cases.shape))
    for name, parts in fields.items():
        components = () if parts == (name,) else (len(parts),)
        dataset = group.create_dataset(name, (len(cases), length, *sizes, *components), np.float32)
        varying = np.ones(len(sizes), bool)
        dataset.attrs.update({"sample_varying": True, "time_varying": True, "dim_varying": varying})
        dataset.attrs["units"] = cases.units(parts[0])
        if components:
            dataset.attrs["components"] = list(parts)
    for position, begin, block in cases.blocks():
        for name, parts in fields.items():
            chosen = np.stack([block[:, cases.fields.index(part)] for part in parts], axis=-1)
            turned = chosen.transpose(0, *range(len(sizes), 0, -1), len(sizes) + 1)
            end = begin + len(block)
            group[name][position, begin:end] = turned[..., 0] if parts == (name,) else turned


def _write_constants(group: h5py.Group, cases: Dataset, layout: Layout) -> list[str]:
    """The mask as 0 and 1, and the inputs; their names."""
    names = []
    varying = np.ones(len(layout.dims), bool)
    masks = cases.mask_values()
    if masks is not None:
        by_case = len(masks) > 1 or "case" in cases.header["mask"].dims
        values = masks.astype(np.float32) if by_case else masks[0].astype(np.float32)
        attrs = {"dim_varying": varying, "role": "mask", "units": ""}
        _add(group, "mask", _turned(values, len(layout.dims)), sample=by_case, time=False, **attrs)
        names.append("mask")
    inputs = cases.input_values() if cases.inputs else None
    for channel, name in enumerate(cases.inputs):
        assert inputs is not None
        attrs = {"dim_varying": varying, "role": "input", "units": cases.units(name)}
        _add(group, name, _turned(inputs[:, channel], len(layout.dims)), sample=True, time=False, **attrs)
        names.append(name)
    return names


def _turned(values: np.ndarray, dims: int) -> np.ndarray:
    """The last axes in reverse order, (z, y, x) to (x, y, z)."""
    lead = values.ndim - dims
    return values.transpose(*range(lead), *range(values.ndim - 1, lead - 1, -1))


def _statistics(cases: Dataset, layout: Layout) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation and root mean square of fields and of increments between frames, over all cells."""
    here, steps = Moments(len(cases.fields)), Moments(len(cases.fields))
    for _, begin, block in cases.blocks(overlap=1):
        values = block.reshape(*block.shape[:2], -1).astype(np.float64)
        # Runs share one frame with the next, which counts once.
        here.add(values if begin == 0 else values[1:])
        steps.add(np.diff(values, axis=0))
    stats: dict[str, dict[str, Any]] = {}
    for suffix, moments in (("", here), ("_delta", steps)):
        columns = {
            "mean": moments.mean,
            "std": moments.std,
            "rms": np.sqrt(moments.mean**2 + moments.std**2),
        }
        for key, column in columns.items():
            own = dict(zip(cases.fields, column.tolist(), strict=True))
            stats[key + suffix] = {name: _one_or_all(own, name, parts) for name, parts in layout.fields.items()}
    for name, values in _constant_values(cases).items():
        stats["mean"][name], stats["std"][name] = float(values.mean()), float(values.std())
        stats["rms"][name] = float(np.sqrt(np.square(values).mean()))
    return stats


def _one_or_all(values: dict[str, float], name: str, parts: Sequence[str]) -> Any:
    return values[name] if tuple(parts) == (name,) else [values[part] for part in parts]


def _constant_values(cases: Dataset) -> dict[str, np.ndarray]:
    masks = cases.mask_values()
    found = {} if masks is None else {"mask": masks.astype(np.float64)}
    inputs = cases.input_values() if cases.inputs else None
    return found | {name: inputs[:, i].astype(np.float64) for i, name in enumerate(cases.inputs) if inputs is not None}
