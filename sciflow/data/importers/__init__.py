"""Data of other projects as data sets of sciflow: one importer for each layout, by name.

An importer is a function ``importer(source, path, **options)`` that reads ``source`` (a `Path`) case by case, writes
the data set file ``path`` and returns it opened. Packages add their own under the entry-point group
``sciflow.importers``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError, near
from sciflow.core.registry import Registry

if TYPE_CHECKING:
    from sciflow.data.reader import Dataset

importers: Registry[Callable[..., Any]] = Registry("importer", "sciflow.importers")
importers.add(
    "cfdbench",
    "sciflow.data.importers.cfdbench:import_cfdbench",
    summary="the release of CFDBench: PROBLEM/SUBSET/caseNNNN/{u.npy, v.npy, case.json}",
)
importers.add(
    "channel",
    "sciflow.data.importers.channel:import_channel",
    summary="a NumPy array of filtered turbulent channel flow, as published for Re_tau 180, 395 and 590",
)
importers.add(
    "mnist",
    "sciflow.data.importers.mnist:import_mnist",
    summary="a folder with the four IDX files of MNIST, as sequences of moving or rotating digits",
)
importers.add(
    "pdebench",
    "sciflow.data.importers.pdebench:import_pdebench",
    summary="an HDF5 file of PDEBench, in any of its three layouts",
)
importers.add(
    "well",
    "sciflow.data.importers.well:import_well",
    summary="The Well: an HDF5 file, a folder of them, or a folder with data/train, data/valid, data/test",
)


def import_dataset(layout: str, source: str | Path, path: str | Path, /, **options: Any) -> Dataset:
    """Read data of another layout and write it as a data set file.

    Args:
        layout: a registered importer.
        source: the file or folder to read.
        path: the HDF5 file to write; it appears under this name when it is complete.
        options: of the importer, see its documentation.

    Raises:
        InputError: the importer or an option is unknown, or the source cannot be used.

    Example:
        >>> import_dataset("cfdbench", "data/cavity", "cavity.h5")  # doctest: +SKIP
    """
    function = importers.get(layout)
    require_options(f"importer '{layout}'", function, options)
    if not Path(source).exists():
        raise InputError(f"There is no file or folder {source}; give the data to import.")
    return function(Path(source), Path(path), **options)


def require_options(what: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise unless a function takes all options by keyword."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    taken = [parameter for parameter in inspect.signature(function).parameters.values() if parameter.kind in kinds]
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken):
        return
    known = [parameter.name for parameter in taken]
    for option in options:
        if option not in known:
            raise InputError(f"The {what} takes no option '{option}'.{near(option, known)}")


__all__ = ["import_dataset", "importers"]
