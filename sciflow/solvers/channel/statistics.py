"""Statistics of a channel flow, summed up while it runs; no frame is kept.

Averages over planes come from the coefficients by Parseval's identity, so that a sample costs no transform. Sums of
parts of a run (blocks) add up, and the spread of the blocks' own averages gives error bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.channel.fourier import Waves
from sciflow.solvers.channel.stepping import State
from sciflow.solvers.channel.walls import to_faces

if TYPE_CHECKING:
    import xarray as xr

COMPONENTS = ("u", "v", "w")


class Sums(NamedTuple):
    """Sums over samples; divide by `count`. Centres carry u and w, inner faces v and the shear stress."""

    count: Any  # samples
    force: Any  # mean pressure gradient over the steps, times samples, m/s^2
    mean: Any  # [ny] of u
    square: Any  # [ny] of the square of the mean of u over each plane
    uu: Any  # [ny] variance within the plane
    vv: Any  # [ny - 1]
    ww: Any  # [ny]
    uv: Any  # [ny - 1]
    u_x: Any  # [ny, kx] contribution of each streamwise wave number to the variance of u, and so on
    v_x: Any  # [ny - 1, kx]
    w_x: Any  # [ny, kx]
    u_z: Any  # [ny, kz] of each spanwise wave number, without regard to its sign
    v_z: Any  # [ny - 1, kz]
    w_z: Any  # [ny, kz]


def sample(state: State, force: jax.Array, waves: Waves) -> Sums:
    """The sums of one sample."""
    u, v, w = state.velocity
    plane = u[:, 0, 0].real
    weights = waves.weights * (waves.squared > 0)  # without the mean over the plane
    power = [jnp.abs(part) ** 2 * weights for part in (u, v, w)]
    shear = jnp.sum((to_faces(u) * v.conj()).real * weights, (1, 2))
    along_x = [part.sum(1) for part in power]
    along_z = [_folded(part.sum(2), waves.modes.kz) for part in power]
    one = jnp.ones((), plane.dtype)
    variances = [part.sum(1) for part in along_x]
    return Sums(
        one, force * one, plane, plane**2, variances[0], variances[1], variances[2], shear, *along_x, *along_z
    )  # fmt: skip


def _folded(power: jax.Array, last: int) -> jax.Array:
    """Power [y, kz] of 0, 1, ..., -1 as that of |kz|."""
    if last == 0:
        return power
    positive, negative = power[:, 1 : last + 1], power[:, last + 1 :]
    return jnp.concatenate([power[:, :1], positive + negative[:, ::-1]], 1)


def total(blocks: Sequence[Sums]) -> Sums:
    """Sums of several parts of a run."""
    if not blocks:
        raise InputError("There are no statistics yet; advance the run with samples first.")
    return Sums(*(np.sum([np.asarray(part, np.float64) for part in parts], 0) for parts in zip(*blocks, strict=True)))


def grouped(blocks: Sequence[Sums], count: int) -> list[Sums]:
    """Neighbouring blocks joined, so that `count` remain."""
    if not 1 <= count <= len(blocks):
        raise InputError(f"{len(blocks)} blocks of statistics cannot make {count}; ask for 1 to {len(blocks)}.")
    return [total([blocks[i] for i in part]) for part in np.array_split(np.arange(len(blocks)), count)]


def to_xarray(blocks: Sequence[Sums], waves: Waves, nu: float) -> xr.Dataset:
    """Averages of each block and, in the attributes, nu; physical units.

    Returns:
        Dimensions ``block``, ``y`` (centres), ``y_face`` (inner faces), ``kx`` and ``kz`` (1/m). Variables: ``weight``
        (samples), ``force``, ``u_tau`` = sqrt(force h), ``U``, ``uu``, ``vv``, ``ww`` (about the mean over all
        blocks), ``uv``, ``spectrum_x_u`` and so on, whose sum over ``kx`` is the variance within planes.
    """
    import xarray as xr

    whole = total(blocks)
    mean = whole.mean / whole.count
    rows: dict[str, list[Any]] = {}
    for sums in blocks:
        s = Sums(*(np.asarray(part, np.float64) / np.asarray(sums.count, np.float64) for part in sums))
        row = {"weight": float(sums.count), "force": s.force, "u_tau": np.sqrt(np.maximum(s.force, 0)), "U": s.mean}
        row |= {"uu": s.uu + s.square - 2 * mean * s.mean + mean**2, "vv": s.vv, "ww": s.ww, "uv": s.uv}
        for axis, parts in (("x", (s.u_x, s.v_x, s.w_x)), ("z", (s.u_z, s.v_z, s.w_z))):
            row |= {f"spectrum_{axis}_{name}": part for name, part in zip(COMPONENTS, parts, strict=True)}
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    variables = {}
    for name, values in rows.items():
        dims: list[str] = ["block"]
        if name not in ("weight", "force", "u_tau"):
            dims.append("y_face" if name in ("vv", "uv") or name.endswith("_v") else "y")
        if name.startswith("spectrum"):
            dims.append(f"k{name.split('_')[1]}")
        variables[name] = (dims, np.stack(values))
    grid = waves.grid
    coords = {"y": grid.centres, "y_face": grid.faces[1:-1], "kx": waves.x.ravel()}
    coords["kz"] = waves.z.ravel()[: waves.modes.kz + 1]
    return xr.Dataset(variables, coords=coords, attrs={"nu": nu, "half_height": 1.0})
