"""The released data of CFDBench (arXiv 2310.05963), case by case.

What is done about its known faults: the time between frames is the published one and not that of the loaders; masks are
built from the metadata (barrier, cylinder about the origin) and not from the loaders' slices; the barrier's size is a
parameter. The release holds no pressure and no volume fraction, and the velocity of the tube is that of the water.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.data.importers.cfdbench_layout import CELLS, ReleasedCase, find_cases, read_metadata, speed_name
from sciflow.data.paper_splits import ORDER, published
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.writer import write

if TYPE_CHECKING:
    from sciflow.problems import Problem

FIELDS = ("u", "v")
BLOCK_BYTES = 16 * 2**20


def import_cfdbench(
    source: Path,
    path: Path,
    *,
    problem: str | None = None,
    subset: str | None = None,
    any_grid: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Cases of one problem of the CFDBench release as a data set.

    Fields ``u`` and ``v`` in m/s as float32, of any float type in the release, on the centres of the cells; cases of
    different lengths keep them (coordinate ``length``). Each case has the parameters of the problem, the coordinates
    ``subset`` and ``case_number`` (the number of its folder), and a mask for barrier or cylinder, by cell centre. The
    driving speed is constant from the first frame on. Memory: a few times the longest case.

    A frame is refused if a fluid cell holds NaN or infinity, or if it is zero everywhere, except for the first frame of
    a case: the flow may start from rest, but once driven it never rests.

    Args:
        source: the folder of a problem, of one of its subsets, or ``data``.
        path: the HDF5 file to write.
        problem: "cavity", "tube", "dam" or "cylinder", where the folders do not say it.
        subset: "prop", "bc", "geo", or several joined by "+"; all that are there by default. Cases come in the order
            prop, bc, geo and by number, as in the published splits.
        any_grid: accept another grid than 64 x 64 cells, the same for all cases.
        progress: called with (cases done, cases in all).

    Raises:
        InputError: no cases are found, a name is unknown, or a case is incomplete or damaged; names the folder.
    """
    from sciflow import problems

    name, found = find_cases(source, problem, subset)
    cases = read_metadata(name, found)
    shapes = [_shape(case, any_grid) for case in cases]
    grids = {shape[1:]: case for shape, case in zip(shapes, cases, strict=True)}
    if len(grids) > 1:
        (one, first), (two, second) = list(grids.items())[:2]
        raise InputError(f"{first.folder} has the grid {one} and {second.folder} the grid {two}; import them apart.")
    declared = problems.get(name)
    times = _times(cases, max(shape[0] for shape in shapes))
    header = _header(declared, cases, shapes[0][1:])
    batches = _batches(declared, cases, [shape[0] for shape in shapes], times, header, progress)
    absent = " ".join(info.name for info in declared.fields if info.name not in FIELDS)
    attrs = {"title": f"{declared.title}, released by CFDBench", "source": "CFDBench, arXiv 2310.05963"}
    attrs["absent"] = absent  # fields of the problem that the release does not hold
    listed = all(name in declared.subsets for name in ORDER)
    return open_dataset(write(path, batches, attrs=attrs, splits=published if listed else None))


def _shape(case: ReleasedCase, any_grid: bool) -> tuple[int, int, int]:
    """Frames, rows and columns of a case, from the heads of its files."""
    shapes = {name: _open(case.folder / f"{name}.npy").shape for name in FIELDS}
    u, v = shapes["u"], shapes["v"]
    if len(u) != 3 or min(u) < 1:
        raise InputError(f"{case.folder / 'u.npy'} has the shape {u}; expected [frame, row, column].")
    if u != v:
        what = f"{u[0]} frames in u.npy and {v[0]} in v.npy" if u[1:] == v[1:] else f"u.npy {u} and v.npy {v}"
        raise InputError(f"The case {case.folder} has {what}; both need the same shape, copy them again.")
    if not any_grid and u[1:] != (CELLS, CELLS):
        raise InputError(
            f"The case {case.folder} has {u[1]} x {u[2]} cells; the release has {CELLS} x {CELLS}. Allow other grids "
            "by --any-grid (any_grid=True)."
        )
    return u


def _open(path: Path) -> np.ndarray:
    """A file of the release, read when it is used."""
    try:
        values = np.load(path, mmap_mode="r")
    except FileNotFoundError as error:
        raise InputError(f"The case folder {path.parent} has no {path.name}; copy it again or remove it.") from error
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"The file {path} is truncated or is no NumPy array ({error}); copy it again.") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        held = getattr(values, "dtype", type(values).__name__)
        raise InputError(f"The file {path} holds {held}; expected floating-point numbers.")
    return values


def _times(cases: Sequence[ReleasedCase], frames: int) -> np.ndarray:
    """Times of the frames in seconds: [frame], or [case, frame] where the spacing differs."""
    steps = np.array([case.dt for case in cases])
    times = np.arange(frames) * steps[:, None]
    return times[0] if (steps == steps[0]).all() else times


def _header(problem: Problem, cases: Sequence[ReleasedCase], shape: tuple[int, int]) -> xr.Dataset:
    """Everything about all cases that does not depend on time: parameters, mask, coordinates, scales."""
    from sciflow.problems import Case
    from sciflow.solvers.assemble import assemble
    from sciflow.solvers.base import cell_grid

    coefficients = {info.name: float(info.default) for info in problem.coefficients}
    declared = [
        Case(index, 0, case.parameters, coefficients, case.subset if case.subset in problem.subsets else "")
        for index, case in enumerate(cases)
    ]
    grid = cell_grid(problem, declared, shape[::-1])
    start = {name: np.zeros((len(cases), 1, *shape), np.float32) for name in FIELDS}
    numbers = np.array([case.number for case in cases], dtype=np.int64)
    data = assemble(problem, declared, np.zeros(1), grid, start)
    return data.assign_coords(case_number=("case", numbers)).drop_vars("seed")


def _batches(
    problem: Problem,
    cases: Sequence[ReleasedCase],
    lengths: Sequence[int],
    times: np.ndarray,
    header: xr.Dataset,
    progress: Callable[[int, int], None] | None,
) -> Iterator[xr.Dataset]:
    """One case at a time."""
    timed = [name for name, variable in header.variables.items() if "time" in variable.dims]
    still = header.drop_vars(timed)
    for index, case in enumerate(cases):
        # The first batch lays the file out, so it is filled up to the longest case.
        frames = times.shape[-1] if index == 0 else lengths[index]
        data = still.isel(case=slice(index, index + 1))
        mask = None if "mask" not in still else still["mask"].values[index]
        time: Any = ("time", times[:frames]) if times.ndim == 1 else (("case", "time"), times[[index], :frames])
        name = "time" if times.ndim == 1 else "time_of_case"
        data = data.assign_coords({name: (*time, {"units": "s", "long_name": "time"})})
        data = data.assign_coords(length=("case", np.array([lengths[index]], dtype=np.int64)))
        speed = np.full((1, frames), case.parameters[speed_name(problem.name)])
        for key in map(str, timed):
            attrs = header[key].attrs
            if key in FIELDS:
                data[key] = (("case", "time", "y", "x"), _read(case, key, frames), attrs)
            elif key not in header.coords:  # signals, and the boundary values that they are
                data[key] = (("case", "time"), speed, attrs)
        _check(case, {name: data[name].values[0, : lengths[index]] for name in FIELDS}, mask)
        yield data
        if progress is not None:
            progress(index + 1, len(cases))


def _read(case: ReleasedCase, name: str, frames: int) -> np.ndarray:
    """A field of a case as float32 [1, frame, row, column], NaN after its last frame."""
    path = case.folder / f"{name}.npy"
    length, rows, columns = _open(path).shape
    out = np.full((1, frames, rows, columns), np.nan, np.float32)
    step = max(1, BLOCK_BYTES // (8 * rows * columns))
    for begin in range(0, length, step):
        # Mapped anew for each block: pages of a file that stays mapped count as memory in use.
        with np.errstate(over="ignore"):  # becomes infinity, which is refused with its frame
            out[0, begin : min(begin + step, length)] = _open(path)[begin : begin + step]
    return out


def _check(case: ReleasedCase, values: dict[str, np.ndarray], mask: np.ndarray | None) -> None:
    moving = np.zeros(len(values["u"]), bool)
    for name, frames in values.items():
        for frame, field in enumerate(frames):
            fluid = field if mask is None else field[mask]
            if not np.isfinite(fluid).all():
                raise InputError(
                    f"The file {case.folder / name}.npy holds NaN or infinity in frame {frame}; copy it again, or "
                    "leave the case out."
                )
            moving[frame] |= bool(fluid.any())
    if len(moving) == 1 and not moving[0]:
        raise InputError(f"The only frame of {case.folder} is zero everywhere; leave the case out.")
    if not moving[1:].all():
        frame = 1 + int(np.argmin(moving[1:]))
        raise InputError(
            f"Frame {frame} of {case.folder} is zero everywhere; only the first frame may be at rest. Copy the case "
            "again, or leave it out."
        )
