"""Ordinary and Lagrangian networks side by side as one parameter grows, a speed most of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.flatten_util import ravel_pytree

from sciflow.core.errors import InputError, near
from sciflow.pinn.analysis.landscape import hessian_eigenpairs
from sciflow.pinn.analysis.width import displacements, modes
from sciflow.pinn.defaults import settings_for
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.objective import Objective
from sciflow.pinn.particles import Particles
from sciflow.pinn.settings import Settings
from sciflow.pinn.solving import case_of
from sciflow.pinn.training import train
from sciflow.problems import registry

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem

Fields = Mapping[str, np.ndarray]
TOLERANCE = 1e-3  # to which modes are counted
PLACES, TIMES = 256, 100  # of the snapshots, as in the published studies
_SYSTEMS: dict[str, Any] = {"pinn": Eulerian, "lpinn": Particles}


def speed_study(
    problem: Problem | str,
    parameter: str,
    values: Sequence[float],
    methods: Sequence[str],
    settings: Settings | Mapping[str, Any] | None,
    *,
    reference: Callable[[float, np.ndarray], Fields],
) -> pd.DataFrame:
    """Train a network for each value and method, and measure what the loss alone does not tell.

    Args:
        problem: in time and one space axis, or the name of a registered one.
        parameter: which of its parameters grows; the others keep their defaults.
        methods: ``"pinn"`` and ``"lpinn"``.
        settings: of all networks; None takes those that serve the method, a mapping changes them.
        reference: the fields (N,) by name for a value of the parameter, at points (2, N), times first.

    Returns:
        One row for each value and method, with columns

        - the parameter's name and ``method``;
        - ``loss``: the last of the training;
        - ``error``: norm of the difference to the reference on a grid of space and time, relative to the norm of the
          reference less its mean, all fields together;
        - ``eigenvalue``: the largest of the Hessian of the loss, on fresh points;
        - ``modes``: to a tolerance of 1e-3, of the reference on the grid (``pinn``) or of what the particles carry
          (``lpinn``), less their means;
        - ``path modes``: the same of the particles' displacements, and 0 where there are no particles.

    Raises:
        InputError: a method or the parameter is unknown, the problem has no time or other than one space axis, or the
            reference is constant.
    """
    unknown = [method for method in methods if method not in _SYSTEMS]
    if unknown:
        raise InputError(f"There is no method {unknown[0]!r} to study.{near(unknown[0], _SYSTEMS)}")
    declared = registry.get(problem)
    if declared.t is None or len(declared.axes) != 1:
        raise InputError(f"A speed study takes a problem in time and one space axis; '{declared.name}' is not one.")
    rows = []
    for value in values:
        case = case_of(declared, {parameter: value})
        grid = _grid(declared, case)
        truth = {name: np.asarray(values, np.float64) for name, values in reference(value, grid).items()}
        if not any(np.ptp(field) > 0 for field in truth.values()):
            raise InputError("The reference is constant, so that no error is relative to it; give a field that varies.")
        for method in methods:
            chosen = settings if isinstance(settings, Settings) else settings_for(declared, method, settings)
            with jax.enable_x64(chosen.precision == "float64"):
                found = _trained(method, declared, case, chosen, grid, truth)
            rows.append({parameter: value, "method": method, **found})
    return pd.DataFrame(rows)


def _trained(
    method: str, problem: Problem, case: Case, settings: Settings, grid: np.ndarray, truth: Fields
) -> dict[str, Any]:
    """What one trained network shows."""
    system = _SYSTEMS[method].of(problem, case, settings)
    trained = train(system, settings)
    flat, unravel = ravel_pytree(trained.weights)
    batches = system.draw(np.random.default_rng([settings.seed, 1]), None)
    largest, _ = hessian_eigenpairs(Objective(system.terms, unravel), flat, batches, 1)
    carried, moved = _by_particles(system, trained.weights, grid) if method == "lpinn" else (truth, None)
    return {
        "loss": trained.loss,
        "error": _relative(system.fields(trained.weights)(grid), truth),
        "eigenvalue": float(largest[0]),
        "modes": _count(np.concatenate([(field - field.mean()).reshape(-1, TIMES) for field in carried.values()])),
        "path modes": 0 if moved is None else _count(moved),
    }


def _grid(problem: Problem, case: Case) -> np.ndarray:
    """Times and places (2, PLACES * TIMES), times running fastest."""
    (axis,) = problem.axes
    if problem.time is None:
        raise InputError(f"The problem '{problem.name}' declares no time interval; a speed study needs one.")
    places = np.linspace(*problem.bounds(case.parameters)[axis], PLACES, endpoint=axis not in problem.periodic)
    return np.stack([part.ravel() for part in np.meshgrid(np.linspace(*problem.time, TIMES), places)])


def _by_particles(system: Particles, weights: Any, grid: np.ndarray) -> tuple[Fields, np.ndarray]:
    """What particles with labels on the grid carry (N,), and their displacements (PLACES, TIMES)."""

    def motion(there: Any, points: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        (paths,), fields = system.motion(there, points, ((0, 0),))
        return paths.value[0], {name: field.value[0] for name, field in fields.items()}

    places, carried = jax.jit(motion)(weights, jnp.asarray(grid, system.dtype))
    labels = grid[1].reshape(-1, TIMES)[:, 0]
    found = {name: np.asarray(values, np.float64) for name, values in carried.items()}
    return found, displacements(labels, np.asarray(places).reshape(-1, TIMES))


def _relative(found: Fields, truth: Fields) -> float:
    missed = sum(np.sum((found[name] - values) ** 2) for name, values in truth.items())
    spread = sum(np.sum((values - values.mean()) ** 2) for values in truth.values())
    return float(np.sqrt(missed / spread))


def _count(snapshots: np.ndarray) -> int:
    return modes(snapshots, (TOLERANCE,))[0]
