"""`simulate`: one call from a problem to its solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core.errors import InputError
from sciflow.problems import registry
from sciflow.problems.sampling import Case, check_names
from sciflow.solvers import solvers
from sciflow.solvers.base import ReferenceSolver, check_times

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Problem


# Tried in this order; the first ones are the most accurate where they fit.
_ORDER = ("periodic", "lines", "elliptic", "volume", "shallow-water", "incompressible", "immersed")


def choose(problem: Problem) -> tuple[str, dict[str, Any]]:
    """Name and options of the solver for a problem: the one that it declares, else the first that fits its equations.

    Raises:
        InputError: none fits; the message says why each does not.
    """
    if problem.solver is not None:
        return problem.solver.name, dict(problem.solver.options)
    reasons = []
    known = solvers.names()
    for name in (*(n for n in _ORDER if n in known), *(n for n in known if n not in _ORDER)):
        reason = (
            solvers.get(name).unsupported(problem) if solvers.get(name).automatic else "it is chosen by name alone."
        )
        if reason is None:
            return name, {}
        reasons.append(f"{name}: {reason}")
    raise InputError(f"No solver fits problem '{problem.name}'; {' '.join(reasons)}")


def build(
    problem: Problem | str, resolution: int | Sequence[int], *, solver: str | None = None, **options: Any
) -> ReferenceSolver:
    """The solver of a problem on a grid; `options` add to those that the problem declares and win over them."""
    declaration = registry.get(problem)
    own = declaration.solver
    if solver is None or (own is not None and own.name == solver):
        name, declared = choose(declaration)
    else:
        name, declared = solver, {}
    try:
        return solvers.get(name)(declaration, resolution, **{**declared, **options})
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise InputError(
                f"The solver '{name}' has no option {str(error).split()[-1]}; see its documentation."
            ) from error
        raise


def simulate(
    problem: Problem | str,
    *,
    resolution: int | Sequence[int],
    cases: int | Sequence[Case] | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    frames: int = 41,
    seed: int = 0,
    subset: str | None = None,
    initial: Mapping[str, np.ndarray] | str | None = None,
    solver: str | None = None,
    options: Mapping[str, Any] | None = None,
    precision: str = "float64",
    device: str | None = None,
    **parameters: float | Sequence[float],
) -> xr.Dataset:
    """Solve a problem with its reference solver.

    Args:
        problem: a `Problem`, the name of a registered one, or ``"package.module:attribute"``.
        resolution: points along each axis: one number, or one per axis in the order x, y, z.
        cases: how many to draw, or the `Case` objects themselves. Without it: one case for each value in
            `parameters` (lists of equal length), or one case at the defaults.
        times: times of the frames, the first being that of the initial fields; by default `frames` evenly spaced ones
            over the problem's time interval. A steady problem needs none.
        seed: of parameters and random initial fields.
        subset: named family to draw the cases from.
        initial: arrays [case, (z,) y, x] by name of the evolving fields and of the input fields, ``"exact"`` for the
            exact solution, or a named profile such as ``"gaussian"`` (`sciflow.problems.profile`); what is not given is
            the problem's own.
        solver, options: another solver than the one that fits, and its options (``dt``, ...).
        precision: ``"float64"`` or ``"float32"``.
        device: JAX platform; None takes JAX's default.
        parameters: values of parameters, one number or one per case.

    Returns:
        xarray data set with dimensions (case, time, (z,) y, x), in the units of the problem; input fields are
        variables (case, (z,) y, x), and a steady problem has one frame at time 0.

    Raises:
        InputError: an unknown problem, parameter, subset or option, or arrays that do not fit.

    Examples: ``simulate("burgers", nu=[1e-2, 1e-3], resolution=256, seed=0)``;
    ``simulate("darcy", cases=4, resolution=64)``.
    """
    declared = registry.get(problem)
    if frames < 2:
        raise InputError(f"frames is {frames}; ask for at least 2, the first being the initial condition.")
    drawn = _cases(declared, cases, seed, subset, parameters)
    if times is None and declared.t is None:
        times = [0.0]
    if times is None:
        if declared.time is None:
            raise InputError(f"Problem '{declared.name}' declares no time interval; give times=.")
        times = np.linspace(*declared.time, frames)
    engine = build(declared, resolution, solver=solver, precision=precision, device=device, **(options or {}))
    moments = check_times(times)
    if isinstance(initial, str):
        from sciflow.solvers.initial import initial_fields

        initial = initial_fields(declared, drawn, engine.grid(drawn), float(moments[0]), initial)
    if initial is None:
        from sciflow.solvers.groups import solve

        return solve(engine, drawn, moments)
    return engine.run(drawn, moments, initial)


def _cases(
    problem: Problem, cases: int | Sequence[Case] | None, seed: int, subset: str | None, parameters: Mapping[str, Any]
) -> list[Case]:
    check_names(parameters, [i.name for i in (*problem.parameters, *problem.coefficients)], f"Problem '{problem.name}'")
    if cases is not None and not isinstance(cases, int | np.integer):
        return list(cases)
    lists = {name: _numbers(problem, name, value) for name, value in parameters.items()}
    lengths = {len(values) for values in lists.values()} - {1}
    if len(lengths) > 1:
        raise InputError(
            f"The parameter lists of a simulation have different lengths, {sorted(lengths)}; make them equal."
        )
    count = max(lengths, default=None) if cases is None else int(cases)
    if count is not None and count < 1:
        raise InputError(f"cases is {count}; ask for at least one.")
    if lengths and count not in lengths:
        raise InputError(f"cases is {count}, but the parameter lists have {lengths.pop()} values; make them equal.")
    if subset is None and cases is None:  # nothing to draw: defaults and the given values
        base = problem.values()
        drawn = problem.sample(count or 1, seed, None, **base)
    else:
        drawn = problem.sample(count, seed, subset)
    rows = [{name: values[index % len(values)] for name, values in lists.items()} for index in range(len(drawn))]
    return [
        replace(case, parameters=_updated(case.parameters, row), coefficients=_updated(case.coefficients, row))
        for case, row in zip(drawn, rows, strict=True)
    ]


def _numbers(problem: Problem, name: str, value: Any) -> list[float]:
    """The values given for a parameter, one or one per case."""
    try:
        numbers = [float(item) for item in np.atleast_1d(value)]
    except (TypeError, ValueError) as error:
        raise InputError(f"The parameter '{name}' is {value!r}; give a number, or a list of them.") from error
    scale = next(i.scale for i in (*problem.parameters, *problem.coefficients) if i.name == name)
    if not np.all(np.isfinite(numbers)) or (scale == "log" and min(numbers) <= 0):
        kind = "positive (its scale is logarithmic)" if scale == "log" else "finite"
        raise InputError(f"The parameter '{name}' of '{problem.name}' is {value!r}; its values must be {kind}.")
    return numbers


def _updated(values: Mapping[str, float], given: Mapping[str, float]) -> dict[str, float]:
    return {name: given.get(name, value) for name, value in values.items()}
