"""Scattered observations of a problem's fields, and what an estimate of parameters from them needs checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, near

if TYPE_CHECKING:
    from sciflow.problems import Problem


@dataclass(frozen=True, eq=False)
class Observations:
    """Values of fields at scattered points.

    Attributes:
        points: (D, N), time first, one row for each coordinate.
        values: (N,) for each observed field; fields that are not observed are left out.

    Raises:
        InputError: shapes do not fit, or a number is missing.
    """

    points: np.ndarray
    values: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        points = np.asarray(self.points, np.float64)
        values = {name: np.asarray(item, np.float64) for name, item in self.values.items()}
        if points.ndim != 2 or not values:
            raise InputError(
                f"Observations need points (coordinates, N) and values (N,) of a field; got points {points.shape} and "
                f"the fields {', '.join(values) or 'none'}."
            )
        for name, item in {"points": points, **values}.items():
            if name != "points" and item.shape != points.shape[1:]:
                raise InputError(
                    f"'{name}' has the shape {item.shape}; expected one value a point, {points.shape[1:]}."
                )
            missing = int(np.sum(~np.isfinite(item)))
            if missing:
                raise InputError(f"'{name}' holds {missing} numbers that are NaN or infinite; leave those points out.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "values", values)

    @property
    def table(self) -> np.ndarray:
        """All values (F, N)."""
        return np.stack(list(self.values.values()))


@dataclass(frozen=True)
class Scale:
    """A parameter as a function of a number z near zero: guess e^z where it is positive, else guess + size z."""

    name: str
    guess: float
    logarithmic: bool
    size: float = 1.0

    def at(self, z: Any) -> Any:
        """The parameter; of a float, an array or a traced one."""
        if not self.logarithmic:
            return self.guess + self.size * z
        return self.guess * (jnp.exp(z) if isinstance(z, jax.Array) else np.exp(z))

    def slope(self, z: float) -> float:
        """Its derivative."""
        return float(self.at(z)) if self.logarithmic else self.size

    def relative(self, z: float) -> float:
        """The relative change of the parameter when z grows by 1; near zero relative to its size."""
        return 1.0 if self.logarithmic else self.size / max(abs(float(self.at(z))), self.size)


def scales_of(problem: Problem, unknown: Mapping[str, float], parameters: Mapping[str, float]) -> list[Scale]:
    """Scales of the parameters to estimate.

    Raises:
        InputError: a name is unknown, given as well or part of the domain, or a guess is not positive where it must be.
    """
    infos = {info.name: info for info in (*problem.parameters, *problem.coefficients)}
    if not unknown:
        raise InputError(f"Name at least one parameter of '{problem.name}' to estimate, with a guess.{near('', infos)}")
    found = []
    for name, given in unknown.items():
        if name not in infos:
            raise InputError(f"Problem '{problem.name}' has no parameter {name!r}.{near(name, infos)}")
        if name in parameters:
            raise InputError(f"The parameter '{name}' is both given and to be estimated; choose one.")
        if f"Symbol('{name}'" in str(problem.domain.describe()):
            raise InputError(f"The parameter '{name}' shapes the domain of '{problem.name}' and must be given.")
        info, guess = infos[name], float(given)
        logarithmic = info.scale == "log" or (info.low is not None and info.low > 0)
        if not np.isfinite(guess) or (logarithmic and guess <= 0):
            raise InputError(f"The guess {guess:g} of '{name}' must be {'positive' if logarithmic else 'finite'}.")
        width = info.high - info.low if info.low is not None and info.high is not None else 1.0
        found.append(Scale(name, guess, logarithmic, abs(guess) or width or 1.0))
    return found


def check_observations(
    problem: Problem,
    data: Observations,
    values: Mapping[str, float],
    time: tuple[float, float] | None,
    scales: Sequence[Scale],
) -> None:
    """InputError if fields or coordinates do not fit, points lie outside, or there are too few of them.

    Args:
        values: of parameters.
        time: the interval; None for a steady problem.
    """
    names = [symbol.name for symbol in problem.coordinates]
    if len(data.points) != len(names):
        raise InputError(f"Points of '{problem.name}' have the rows {', '.join(names)}; got {data.points.shape}.")
    fields = [info.name for info in problem.fields]
    for name in data.values:
        if name not in fields:
            raise InputError(f"Problem '{problem.name}' has no field {name!r}.{near(name, fields)}")
    known = problem.values(values)
    size = max(high - low for low, high in problem.domain.box(known).values())
    outside = problem.domain.distance(data.points[-len(problem.axes) :].T, known) > 1e-9 * size
    if time is not None:
        moments, slack = data.points[0], 1e-9 * (time[1] - time[0])
        outside |= (moments < time[0] - slack) | (moments > time[1] + slack)
    if outside.any():
        first = ", ".join(f"{name} = {row[outside][0]:g}" for name, row in zip(names, data.points, strict=True))
        raise InputError(
            f"{int(outside.sum())} observations lie outside of the domain or the time interval of '{problem.name}', "
            f"the first at {first}; leave them out, or give a longer interval."
        )
    if data.table.size <= len(scales):
        raise InputError(
            f"{data.table.size} observations are too few for {len(scales)} parameters and their errors; give more."
        )


def noise_of(noise: Mapping[str, float] | float | None, data: Observations) -> np.ndarray | None:
    """Standard deviation of each observed field (F,), or None.

    Raises:
        InputError: one is missing, or not positive.
    """
    if noise is None:
        return None
    found = dict(noise) if isinstance(noise, Mapping) else dict.fromkeys(data.values, noise)
    if set(found) != set(data.values) or not all(np.isfinite(item) and item > 0 for item in found.values()):
        raise InputError(
            f"The noise must be a positive standard deviation for each observed field ({', '.join(data.values)}), one "
            f"for all, or None; got {noise}."
        )
    return np.array([float(found[name]) for name in data.values])
