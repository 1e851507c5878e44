"""Whether a data set file is what it says it is."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.data import splits
from sciflow.data.handle import open_hdf5, unreadable
from sciflow.data.reader import Dataset
from sciflow.data.schema import lengths_of
from sciflow.data.source import FileSource
from sciflow.data.values import nonfinite_frame, nonfinite_message


def check_file(path: str | Path) -> list[str]:
    """Everything that is wrong with a data set file, one sentence each; an empty list if nothing is.

    Looks at: the file itself, the schema, increasing coordinates, masks, NaN and infinity in valid frames (the first of
    each field and case), values in solid cells, splits that are empty, overlap or name missing cases, variables that
    the file's problem has but the file does not, and the hash of the content. Reads everything twice, with bounded
    memory.

    Args:
        path: the file.
    """
    path = Path(path).absolute()
    try:
        source = FileSource(path)
        found = [*_problem(source), *_splits(source), *_values(Dataset(source))]
        return [*found, *_integrity(source)]
    except InputError as error:
        return [str(error)]
    except (OSError, RuntimeError) as error:
        return [str(unreadable(path, error))]


def missing_fields(problem: str, fields: list[str]) -> list[str]:
    """Fields that evolve in a registered problem and are not among ``fields``."""
    from sciflow import problems

    return [name for name in problems.get(problem).evolution if name not in fields]
