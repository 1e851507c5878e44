"""The flows of a data set: what the problem behind it declares, in the numbers that networks use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Flow

if TYPE_CHECKING:
    from sciflow.data import Dataset


def declared_flows(data: Dataset) -> tuple[Flow, ...]:
    """The Galilean symmetries and rotations that the problem of a data set declares.

    A Galilean symmetry whose velocity is a field makes that channel rise. One whose velocities are parameters counts
    only if methods are not told these parameters: a network that is told the motion is no longer equivariant to it. A
    data set of no registered problem has no flows.
    """
    from sciflow.problems.registry import get, names

    name = str(data.attrs.get("problem", ""))
    if name not in names():
        return ()
    flows, told = [], set(data.parameters)
    for symmetry in get(name).symmetries:
        if told & set(symmetry.velocities):
            continue
        if symmetry.kind == "galilean" and symmetry.axis in data.space:
            rising = [data.fields.index(field) for field in symmetry.velocities if field in data.fields]
            flows.append(Flow("translation", (data.space.index(symmetry.axis),), tuple(rising)))
        elif symmetry.kind == "rotation" and len(data.space) == 2:
            flows.append(Flow("rotation", (0, 1)))
    return tuple(flows)


def cell_speeds(data: Dataset, step: int) -> np.ndarray:
    """What one cell per frame is in m/s along each axis, [D].

    Args:
        data: the training cases.
        step: frames of the data from one frame of a window to the next.

    Raises:
        InputError: cells or time steps differ between cases.
    """
    spacing = [np.diff(np.asarray(data.header[axis].values, np.float64)).mean() for axis in data.space]
    gaps = np.diff(data.case_times[:, ::step], axis=1)
    moment = gaps.mean()
    if np.ptp(gaps) > 1e-3 * moment or any(f"{axis}_of_case" in data.header.coords for axis in data.space):
        raise InputError(
            "One cell per frame is another speed in each case of this data set; use boost 'mean', which needs no speed."
        )
    return np.asarray(spacing) / moment
