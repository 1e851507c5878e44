"""Conformance of a data set: the file and its values are what they say they are."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sciflow.testing.report import Check, Test, ensure, require, run

if TYPE_CHECKING:
    from sciflow.data import Dataset


def check_dataset(dataset: Dataset | str | Path) -> None:
    """Assert that a data set passes every check of `run_dataset_checks`.

    Raises:
        AssertionError: names each failed check and what was found.
    """
    name = "The data set" if not isinstance(dataset, str | Path) else f"The data set '{dataset}'"
    require(name, run_dataset_checks(dataset))


def run_dataset_checks(dataset: Dataset | str | Path) -> list[Check]:
    """The results of all checks of a data set.

    - content: `sciflow.data.check_file` finds nothing wrong (schema, coordinates, names of the problem, splits, NaN,
      solid cells, hash); a data set in memory is written to a temporary file for it;
    - reading: any frame can be read by itself and equals the same frame read with others; a field by name equals its
      channel of all fields;
    - windows: batches have the shapes that networks expect.

    Args:
        dataset: a `Dataset`, or the path of a file.
    """
    return run(_tests(dataset))


def _tests(dataset: Dataset | str | Path) -> list[Test]:
    if isinstance(dataset, str | Path):
        path = Path(dataset)
        from sciflow.data import check_file

        wrong = check_file(path)
        first: Test = ("content", partial(_nothing_wrong, wrong))
        if wrong:  # what cannot be trusted is not read further
            return [first]
        from sciflow.data import open_dataset

        dataset = open_dataset(path)
    else:
        first = ("content", partial(_content, dataset))
    return [first, ("reading", partial(_reading, dataset)), ("windows", partial(_windows, dataset))]


def _nothing_wrong(wrong: list[str]) -> str:
    ensure(not wrong, " ".join(wrong))
    return "schema, names, splits, values and hash"


def _content(dataset: Dataset) -> str:
    from sciflow.data import check_file, write

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.h5"
        write(path, [dataset.xarray])
        return _nothing_wrong(check_file(path))


def _reading(dataset: Dataset) -> str:
    last = int(dataset.lengths.min())
    case = dataset.cases[:1]
    whole = dataset.array(cases=case, times=slice(0, last))
    ensure(whole.shape == (1, last, len(dataset.fields), *dataset.shape), f"arrays have shape {whole.shape}")
    one = dataset.array(cases=case, times=slice(last - 1, last))
    ensure(
        np.array_equal(one[:, 0], whole[:, last - 1]),
        "a frame read by itself differs from the same frame read with others",
    )
    for channel, name in enumerate(dataset.fields):
        field = dataset.array(name, cases=case, times=slice(0, last))
        ensure(
            np.array_equal(field.reshape(whole[:, :, channel].shape), whole[:, :, channel]),
            f"'{name}' read by name differs",
        )
    return f"{len(dataset)} cases, fields {', '.join(dataset.fields)}, {' x '.join(map(str, dataset.shape))} points"


def _windows(dataset: Dataset) -> str:
    from sciflow.data import Windows

    windows = Windows(dataset)
    ensure(len(windows) > 0, "no case has two frames")
    count = min(2, len(windows))
    batch = windows.__getitems__(list(range(count)))
    fields, shape = len(dataset.fields), dataset.shape
    expected = {
        "x": (count, 1, fields, *shape),
        "y": (count, 1, fields, *shape),
        "parameters": (count, len(dataset.parameters)),
        "signals": (count, 2, len(dataset.signals)),
        "mask": (count, 1, *shape),
        "known": (count, fields, *shape),
        "dt": (count,),
    }
    for name, size in expected.items():
        ensure(
            tuple(batch[name].shape) == size,
            f"'{name}' of a batch has shape {tuple(batch[name].shape)}, expected {size}",
        )
        ensure(bool(batch[name].isfinite().all()), f"'{name}' of a batch holds NaN or infinity")
    return f"{len(windows)} windows of two frames"
