"""Checks of a problem's equations: residuals, exact solution, conservation laws, symmetries."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.problems.conditions import Dirichlet, Neumann, Robin
from sciflow.problems.geometry import Box
from sciflow.testing import candidates, jets, symmetries
from sciflow.testing.report import Skip, Test, ensure

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.problems.physics import Conservation, Symmetry

_AGREE = 1e-11  # between two engines in float64, relative to the largest term
_ZERO = 1e-9  # what counts as nothing, relative to the largest term
_SPACING = 1e-3  # between frames, in units of the time interval: differences of fourth order then err by about 1e-9


def tests(problem: Problem) -> list[Test]:
    """Names and functions of the checks; one for each law and symmetry."""
    functions: list[Test] = [
        ("residual in torch and JAX", partial(_engines, problem)),
        ("spectral residual", partial(_spectral, problem)),
        ("exact solution", partial(_exact, problem)),
        ("exact solution at the boundary", partial(_exact_boundary, problem)),
    ]
    functions += [(f"law: {law.name}", partial(_law, problem, law)) for law in problem.conserves]
    functions += [(f"symmetry: {symmetry}", partial(_symmetry, problem, symmetry)) for symmetry in problem.symmetries]
    return functions


def _values(problem: Problem) -> dict[str, float]:
    """Values of a random case."""
    return problem.sample(1, seed=1)[0].values


def _require_equations(problem: Problem) -> None:
    if not problem.equations:
        raise Skip("no equations are declared")


def _both(problem: Problem, fields: list[sympy.Expr], values: dict[str, float]) -> tuple[Any, Any]:
    """Residuals {equation: [N]} of given fields at points, by torch and by JAX."""
    import jax
    import torch

    where = candidates.points(problem, values)
    net = candidates.net(problem, fields, values, "torch")
    in_torch = problem.residual("torch")(net, torch.tensor(where), **values)
    with jax.enable_x64(True):
        import jax.numpy as jnp

        other = candidates.net(problem, fields, values, "jax")
        residual = problem.residual("jax")
        in_jax = jax.jit(lambda points: residual(other, points, **values))(jnp.asarray(where))
        return {name: value.detach().numpy() for name, value in in_torch.items()}, {
            name: np.asarray(value) for name, value in in_jax.items()
        }


@lru_cache(maxsize=1)
def _unsolved(problem: Problem) -> tuple[dict[str, float], list[sympy.Expr], dict[str, float]]:
    """Values of a case, smooth fields, and the size of each equation; shared by two checks, since it takes seconds."""
    values = _values(problem)
    fields = candidates.smooth(problem, values)
    return values, fields, candidates.magnitudes(problem, fields, values)


def _engines(problem: Problem) -> str:
    _require_equations(problem)
    values, fields, sizes = _unsolved(problem)
    in_torch, in_jax = _both(problem, fields, values)
    difference = max(float(np.abs(in_torch[name] - in_jax[name]).max()) / sizes[name] for name in sizes)
    ensure(difference < _AGREE, f"torch and JAX differ by {difference:.1e} of the largest term")
    return f"differ by {difference:.0e} of the largest term"


def _spectral(problem: Problem) -> str:
    _require_equations(problem)
    if set(problem.periodic) != set(problem.axes):
        raise Skip("not all axes are periodic")
    values, fields, sizes = _unsolved(problem)
    start, end = problem.time or (0.0, 1.0)
    times = start + (end - start) * (0.5 + _SPACING * np.arange(-2, 3))
    data, where = candidates.frames(problem, fields, values, 8, times)
    found = problem.residual("spectral")(data)
    errors = []
    for name, size in sizes.items():
        expression = candidates.put_in(problem, fields, problem.equations[name])
        expected = candidates.evaluate(problem, [expression], values, where).reshape(found[name].shape)
        errors.append(float(np.abs(found[name].values - expected).max()) / size)
    ensure(max(errors) < 1e-6, f"differs from the equations by {max(errors):.1e} of the largest term")
    return f"differs by {max(errors):.0e} of the largest term"


def _exact_fields(problem: Problem) -> list[sympy.Expr]:
    if not problem.exact:
        raise Skip("no exact solution is declared")
    fields = candidates.exact(problem)
    if fields is None:
        raise Skip("the exact solution leaves fields out")
    return fields


def _exact(problem: Problem) -> str:
    fields = _exact_fields(problem)
    _require_equations(problem)
    values = _values(problem)
    sizes = candidates.magnitudes(problem, fields, values)
    largest = 0.0
    for engine, residuals in zip(("torch", "JAX"), _both(problem, fields, values), strict=True):
        for name, size in sizes.items():
            relative = float(np.abs(residuals[name]).max()) / size
            ensure(
                relative < _ZERO,
                f"the equation of {name} is off by {relative:.1e} of its largest term in {engine}; it is no solution",
            )
            largest = max(largest, relative)
    return f"residual {largest:.0e} of the largest term"


def _exact_boundary(problem: Problem) -> str:
    _exact_fields(problem)
    if not isinstance(problem.domain, Box):
        raise Skip("the domain is no box")
    values = _values(problem)
    for name, solution in problem.exact.items():
        where = candidates.points(problem, values)
        size = float(np.abs(candidates.evaluate(problem, [solution], values, where)).max()) or 1.0
        for index, axis in enumerate(problem.axes):
            column = index + (problem.t is not None)
            ends = []
            for side, position in zip("-+", problem.bounds(values)[axis], strict=True):
                where[:, column] = position
                condition = problem.boundary.get(name, {}).get(axis + side)
                sign = -1 if side == "-" else 1
                gap = _gap(problem, condition, problem.drive(solution), problem.space[index], sign)
                error = float(np.abs(candidates.evaluate(problem, [gap], values, where)).max()) / size
                ensure(error < _ZERO, f"{name} misses its condition on {axis}{side} by {error:.1e} of its size")
                ends.append(candidates.evaluate(problem, [solution], values, where))
            if axis in problem.periodic:
                jump = float(np.abs(ends[1] - ends[0]).max()) / size
                ensure(jump < _ZERO, f"{name} is not periodic along {axis}: it jumps by {jump:.1e} of its size")
    return f"{', '.join(problem.exact)}"


def _gap(problem: Problem, condition: Any, solution: sympy.Expr, axis: sympy.Symbol, sign: int) -> sympy.Expr:
    """What a condition lacks for the solution; zero where there is no condition."""
    slope = sign * solution.diff(axis)
    if isinstance(condition, Dirichlet):
        return solution - problem.drive(condition.value[0])
    if isinstance(condition, Neumann):
        return slope - problem.drive(condition.value[0])
    if isinstance(condition, Robin):
        return condition.a * solution + condition.b * slope - problem.drive(condition.value[0])
    return sympy.Integer(0)


def _law(problem: Problem, law: Conservation) -> str:
    _require_equations(problem)
    rate = law.density.diff(problem.t) if problem.t is not None else sympy.Integer(0)
    total = rate + sum(part.diff(axis) for part, axis in zip(law.flux, problem.space, strict=True))
    left = jets.Reduction(problem).apply(total)
    values = _values(problem)
    size = jets.size(problem, left, values)
    if size < _ZERO:
        return "follows from the equations"
    if not left.atoms(AppliedUndef):
        mean = _mean(problem, left, values)
        ensure(mean < _ZERO, f"density_t + div(flux) is a source, '{left}', whose integral is not zero")
        return f"follows from the equations up to '{left}', whose integral is zero"
    free = {name for name in (i.name for i in problem.fields) if name not in problem.evolution}
    undetermined = [d for d, (f, o) in jets.jets(left).items() if problem.t in o and f.func.__name__ in free]
    if undetermined:
        raise Skip(f"cannot be decided: it holds {undetermined[0]}, which no equation gives")
    raise AssertionError(f"density_t + div(flux) is not zero but {size:.1e} of its largest term: '{left}'")


def _mean(problem: Problem, source: sympy.Expr, values: dict[str, float]) -> float:
    """Mean of a known source over a periodic domain, against its size; 1 on other domains."""
    if set(problem.periodic) != set(problem.axes):
        return 1.0
    axes = [np.linspace(low, high, 32, endpoint=False) for low, high in problem.bounds(values).values()]
    columns = [column.ravel() for column in np.meshgrid(*axes, indexing="ij")]
    if problem.t is not None:
        columns.insert(0, np.full_like(columns[0], 0.37))
    sources = candidates.evaluate(problem, [source], values, np.stack(columns, axis=1))
    return float(abs(sources.mean()) / np.abs(sources).max())


def _symmetry(problem: Problem, symmetry: Symmetry) -> str:
    _require_equations(problem)
    for name, size in symmetries.remainders(problem, symmetry, _values(problem)).items():
        ensure(size < _ZERO, f"the equation of {name} changes: {size:.1e} of its largest term is left")
    return "maps solutions to solutions"
