"""`solve`: one call from a problem to a physics-informed solution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.pinn.defaults import settings_for
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.particles import Particles
from sciflow.pinn.settings import Settings
from sciflow.pinn.solution import Solution
from sciflow.pinn.strategies import Fields, Strategy, run, strategy_of
from sciflow.pinn.training import Trained, train
from sciflow.problems import registry
from sciflow.problems.sampling import check_names

if TYPE_CHECKING:
    from sciflow.pinn.deepxde_engine.fitted import Fitted
    from sciflow.problems import Case, Problem

METHODS, ENGINES = ("pinn", "lpinn"), ("jax", "deepxde")


def solve(
    problem: Problem | str,
    *,
    method: str = "pinn",
    engine: str = "jax",
    strategy: str | Mapping[str, Any] | Strategy | None = None,
    case: Case | None = None,
    time: tuple[float, float] | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    label_space: bool = False,
    **parameters: float,
) -> Solution:
    """Solve one case of a problem with a physics-informed network, from its declaration alone.

    Args:
        problem: a `Problem`, the name of a registered one, or ``"package.module:attribute"``.
        method: ``"pinn"``, or ``"lpinn"`` for networks of particles' paths and of what they carry: for transport by one
            velocity on periodic axes, where its accuracy does not depend on the speed.
        engine: ``"jax"``, or ``"deepxde"`` for DeepXDE on PyTorch (ordinary networks, Adam and L-BFGS).
        strategy: ``"curriculum"``, ``"marching"`` or ``"xpinn"`` (see `sciflow.pinn.strategies`), or a mapping such as
            ``{"kind": "marching", "windows": 20}``.
        case: parameters and seed; without it the defaults and `parameters`.
        time: interval to solve on, in seconds; the problem's own by default.
        settings: of network, points and optimisers; None takes those that serve the method and the problem, a mapping
            changes them.
        label_space: of ``"lpinn"``: second derivatives with respect to labels instead of places. An ablation, which
            solves another equation.
        parameters: values of parameters.

    Raises:
        InputError: the problem has no equations, is not one of transport (lpinn), or an option is unknown or
            impossible.
        SciflowError: the loss became NaN or infinite.

    Example: ``solve("burgers-dirichlet", nu=0.01 / np.pi).dataset(256)``.
    """
    for name, value, known in (("method", method, METHODS), ("engine", engine, ENGINES)):
        if value not in known:
            raise InputError(f"There is no {name} {value!r} to solve with.{near(value, known)}")
    if (strategy is not None or engine != "jax") and method != "pinn":
        raise InputError("Strategies and the engine 'deepxde' are for the method 'pinn'.")
    if strategy is not None and engine != "jax":
        raise InputError("Strategies are for the engine 'jax'.")
    if label_space and method != "lpinn":
        raise InputError("label_space is an ablation of the method 'lpinn'.")
    declared = registry.get(problem)
    if case is not None and parameters:
        raise InputError(f"Give a case or values of parameters ({', '.join(parameters)}), not both.")
    chosen = case or case_of(declared, parameters)
    if time is not None and declared.t is None:
        raise InputError(f"The problem '{declared.name}' is steady and takes no time interval.")
    if time is not None and not time[1] > time[0]:
        raise InputError(f"The time interval {time} is empty; give its beginning and a later end.")
    if engine == "deepxde":
        return _by_deepxde(declared, chosen, settings, time)
    wanted = settings if isinstance(settings, Settings) else settings_for(declared, method, settings)
    with jax.enable_x64(wanted.precision == "float64"):
        if strategy is not None:
            plan = strategy_of(strategy)
            trained, fields, interval = run(plan, declared, chosen, wanted, time)
            return _answer(trained, fields, declared, chosen, f"pinn, {plan.kind}", interval)
        if method == "lpinn":
            particles = Particles.of(declared, chosen, wanted, time=time, label_space=label_space)
            trained = train(particles, wanted)
            name = "lpinn, label-space diffusion" if label_space else "lpinn"
            fields, smallest = particles.fields(trained.weights), particles.smallest_jacobian(trained.weights)
            return _answer(trained, fields, declared, chosen, name, particles.time, smallest)
        system = Eulerian.of(declared, chosen, wanted, time=time)
        trained = train(system, wanted)
        return _answer(trained, system.fields(trained.weights), declared, chosen, "pinn", system.time)


def _by_deepxde(
    problem: Problem,
    case: Case,
    settings: Settings | Mapping[str, Any] | None,
    time: tuple[float, float] | None,
) -> Solution:
    from sciflow.pinn.deepxde import DEFAULTS, solve_deepxde

    changes = settings if isinstance(settings, Settings) else {**DEFAULTS, **(settings or {})}
    wanted = changes if isinstance(changes, Settings) else settings_for(problem, "pinn", changes)
    fitted = solve_deepxde(problem, case, wanted, time=time)
    return _answer(fitted, fitted.evaluate, problem, case, "pinn, deepxde", fitted.time)


def case_of(problem: Problem, parameters: Mapping[str, float]) -> Case:
    """The case at the defaults, with these values."""
    names = [info.name for info in (*problem.parameters, *problem.coefficients)]
    check_names(parameters, names, f"Problem '{problem.name}'")
    wrong = [name for name, value in parameters.items() if not isinstance(value, int | float) or not np.isfinite(value)]
    if wrong:
        raise InputError(f"The parameter '{wrong[0]}' must be a finite number; got {parameters[wrong[0]]!r}.")
    return problem.sample(1, 0, None, **{**problem.values(), **{k: float(v) for k, v in parameters.items()}})[0]


def _answer(
    trained: Trained | Fitted,
    fields: Fields,
    problem: Problem,
    case: Case,
    method: str,
    time: tuple[float, float] | None,
    smallest_jacobian: float | None = None,
) -> Solution:
    return Solution(
        problem=problem,
        case=case,
        method=method,
        time=time,
        loss=trained.loss,
        converged=trained.converged,
        reasons=trained.reasons,
        history=trained.history,
        seconds=trained.seconds,
        compile_seconds=trained.compile_seconds,
        weights=trained.count,
        fields=fields,
        smallest_jacobian=smallest_jacobian,
    )
