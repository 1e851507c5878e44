"""A data set in the layout of the CFDBench release."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.importers.cfdbench_layout import DAM_BOX, FRAME_SECONDS, KEYS, SUBSETS
from sciflow.data.reader import Dataset


def export_cfdbench(dataset: Dataset, folder: Path, *, subset: str | None = None) -> list[Path]:
    """Write ``PROBLEM/SUBSET/caseNNNN/{u.npy, v.npy, case.json}``: float32 [frame, row, column], row 0 at the bottom.

    The layout holds velocities and parameters only: pressure, volume fraction, signals, splits and the layer of known
    boundary values stay behind.
    ``case.json`` gets the key ``dt`` where the frames are not spaced as published; our importer reads it.

    Args:
        dataset: of the problem "cavity", "tube", "dam" or "cylinder".
        folder: where to write.
        subset: "prop", "bc" or "geo" for all cases; by default the coordinate ``subset`` says it for each.

    Returns:
        The ``case.json`` of each case.

    Raises:
        InputError: the layout cannot hold the data set.
    """
    problem = dataset.problem
    if problem not in KEYS:
        raise InputError(f"The problem of the data set is '{problem}'; CFDBench has {', '.join(KEYS)}.")
    for what, names, there in (("field", ("u", "v"), dataset.fields), ("parameter", KEYS[problem], dataset.parameters)):
        for name in names:
            if name not in there:
                raise InputError(f"The data set has no {what} '{name}', which CFDBench needs.")
    subsets = _subsets(dataset, subset)
    header = dataset.header
    numbers = header["case_number"].values if "case_number" in header else dataset.cases
    steps = [_spacing(dataset, position) for position in range(len(dataset))]
    inner = _inner(dataset)
    written = []
    for position, (case, length) in enumerate(zip(dataset.cases, dataset.lengths, strict=True)):
        target = folder / problem / subsets[position] / f"case{int(numbers[position]):04d}"
        if target.exists():
            raise InputError(f"Two cases would be written as {target.name}; select cases of different numbers.")
        target.mkdir(parents=True)
        for channel, values in enumerate(
            np.moveaxis(dataset.frames(int(case), 0, int(length), fields=["u", "v"]), 1, 0)
        ):
            np.save(target / f"{'uv'[channel]}.npy", values[inner].astype(np.float32))
        given = {key: sign * float(header[name].values[position]) for name, (key, sign) in KEYS[problem].items()}
        if problem == "dam":
            given |= DAM_BOX
        if steps[position] != FRAME_SECONDS[problem]:
            given["dt"] = steps[position]
        written.append(target / "case.json")
        written[-1].write_text(json.dumps(given, indent=1) + "\n")
    return written


def _inner(dataset: Dataset) -> tuple[slice, ...]:
    """Of arrays [frame, row, column], the rows and columns that are not a layer of known cells."""
    known = dataset.known_values()
    if known is None:
        return (slice(None),)
    inside = np.argwhere(~np.all(known, axis=0)).T
    return slice(None), *(slice(int(places.min()), int(places.max()) + 1) for places in inside)


def _subsets(dataset: Dataset, subset: str | None) -> list[str]:
    """The subset of each case."""
    if subset is not None:
        names = [subset] * len(dataset)
    elif "subset" in dataset.header:
        coordinate = dataset.header["subset"]
        meanings = str(coordinate.attrs["flag_meanings"]).split()
        names = [meanings[int(value)] for value in coordinate.values]
    else:
        raise InputError("The data set does not say from which subset its cases are; give one, as in --subset bc.")
    for name in names:
        if name not in SUBSETS:
            raise InputError(f"CFDBench has the subsets {', '.join(SUBSETS)}, and the cases are of '{name}'.")
    return names


def _spacing(dataset: Dataset, position: int) -> float:
    """Seconds between the frames of a case, which must be even from time 0 on."""
    times = dataset.case_times[position, : dataset.lengths[position]]
    published = FRAME_SECONDS[dataset.problem]
    if len(times) == 1 or np.array_equal(times, np.arange(len(times)) * published):
        return published
    step = float(times[1] - times[0])
    even = np.allclose(times, np.arange(len(times)) * step, rtol=1e-9, atol=1e-9 * step)
    if not even:
        raise InputError(f"The frames of case {position} are not evenly spaced from time 0; CFDBench cannot say so.")
    return step
