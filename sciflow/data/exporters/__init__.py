"""Data sets of sciflow in the layouts of other projects: one exporter for each, by name.

An exporter is a function ``exporter(dataset, folder, **options)`` that writes into a new folder and returns the files
that it wrote. Packages add their own under the entry-point group ``sciflow.exporters``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError
from sciflow.core.files import atomic_path
from sciflow.core.registry import Registry

if TYPE_CHECKING:
    from sciflow.data.reader import Dataset

exporters: Registry[Callable[..., list[Path]]] = Registry("exporter", "sciflow.exporters")
exporters.add(
    "cfdbench",
    "sciflow.data.exporters.cfdbench:export_cfdbench",
    summary="the layout of CFDBench: PROBLEM/SUBSET/caseNNNN/{u.npy, v.npy, case.json}",
)
exporters.add(
    "well",
    "sciflow.data.exporters.well:export_well",
    summary="The Well: data/{train,valid,test}/*.hdf5 by the default split, with stats.yaml",
)


def export_dataset(layout: str, dataset: Dataset, folder: str | Path, /, **options: Any) -> list[Path]:
    """Write a data set in the layout of another project.

    Args:
        layout: a registered exporter.
        dataset: what to write.
        folder: a folder that is not there yet or is empty; it appears when it is complete.
        options: of the exporter, see its documentation.

    Returns:
        The files that were written.

    Raises:
        InputError: the exporter or an option is unknown, the layout cannot hold the data set, or the folder is in use.

    Example:
        >>> export_dataset("well", open_dataset("cavity.h5"), "cavity-well")  # doctest: +SKIP
    """
    from sciflow.data.importers import require_options

    function = exporters.get(layout)
    require_options(f"exporter '{layout}'", function, options)
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; give a new or empty folder to export into.")
    with atomic_path(target) as temporary:
        temporary.mkdir()
        written = function(dataset, temporary, **options)
        return [target / path.relative_to(temporary) for path in written]


__all__ = ["export_dataset", "exporters"]
