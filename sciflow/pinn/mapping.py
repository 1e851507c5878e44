"""From particles back to places: which label is where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LABELS = 1024  # of the table in which a label is looked up before Newton's method
NEWTON = 8

# Places (D, N) and Jacobians (D, D, N) from labels (D, N) at one time.
Places = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def labels_on_a_line(places: Places, wanted: np.ndarray, low: float, high: float) -> np.ndarray:
    r"""Labels X (N,) with :math:`x(X) \equiv x_{wanted}` up to whole periods.

    A table of x(X) over one period, which is increasing while the Jacobian is positive, gives the cell of each place;
    Newton's method inside the cell does the rest, so that the answer is as exact as the paths.

    Args:
        wanted: places (N,).
        low, high: ends of the period.
    """
    table = np.linspace(low, high, LABELS + 1)
    period = high - low
    known = places(table[None, :-1])[0][0]
    known = np.append(known, known[0] + period)
    known = np.maximum.accumulate(known)  # where paths cross, the cell's lower end
    target = known[0] + np.mod(wanted - known[0], period)
    cell = np.clip(np.searchsorted(known, target, side="right") - 1, 0, LABELS - 1)
    width = np.maximum(known[cell + 1] - known[cell], 1e-300)
    below, above = table[cell], table[cell + 1]
    label = below + (above - below) * np.clip((target - known[cell]) / width, 0, 1)
    for _ in range(NEWTON):
        place, jacobian = places(label[None])
        slope = np.where(np.abs(jacobian[0, 0]) > 1e-12, jacobian[0, 0], 1e-12)
        moved = label - (place[0] - target) / slope
        label = np.clip(moved, below, above)
    return label


def labels_on_a_plane(
    places: Places,
    wanted: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    side: int = 96,
) -> np.ndarray:
    """Labels (2, N) with the places (2, N) up to whole periods, from the nearest particle of a grid by Newton's method.

    Args:
        places: places (2, N) and Jacobians (2, 2, N) of labels (2, N).
    """
    from scipy.spatial import cKDTree

    period = (high - low)[:, None]
    axes = [a + (b - a) * (np.arange(side) + 0.5) / side for a, b in zip(low, high, strict=True)]
    table = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")])
    wrapped = np.mod(places(table)[0] - low[:, None], period)
    tree = cKDTree(np.minimum(wrapped, np.nextafter(period, 0)).T, boxsize=period[:, 0])
    label = table[:, tree.query(np.minimum(np.mod(wanted - low[:, None], period), np.nextafter(period, 0)).T)[1]]
    for _ in range(NEWTON):
        place, jacobian = places(label)
        missing = np.mod(wanted - place + period / 2, period) - period / 2
        if not np.all(np.linalg.det(np.moveaxis(jacobian, 2, 0))):
            break  # paths touch: the solution's smallest Jacobian tells
        label = label + np.linalg.solve(np.moveaxis(jacobian, 2, 0), missing.T[..., None])[..., 0].T
    return label
