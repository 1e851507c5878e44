"""Each check of a problem finds the fault that it is there for, and no other check cries wolf."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sympy import Eq, Rational, cos, exp, pi, sin

from sciflow.core.errors import UnknownNameError
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Distribution,
    Field,
    Neumann,
    NoSlip,
    Parameter,
    Problem,
    Robin,
    Solver,
    conservation,
    coordinates,
    div,
    dot,
    galilean,
    gaussian_field,
    grad,
    laplacian,
    translation,
)
from sciflow.testing import Check, check_problem, declaration, equations, run_problem_checks
from sciflow.testing.report import run

PHYSICS = ("law", "symmetry")
EXACT = ("units", "exact")

t, x, y = coordinates("t x y")
u = Field("u", unit="m/s")(t, x)
nu = Parameter("nu", 0.05, 0.01, 0.1, unit="m^2/s")
BURGERS: dict[str, Any] = {
    "name": "sample",
    "fields": [u],
    "parameters": [nu],
    "domain": Box(x=(0, 1)),
    "periodic": ["x"],
    "time": (0, 1),
    "evolution": {u: -u * u.diff(x) + nu * u.diff(x, 2)},
    "initial": {u: sin(2 * pi * x)},
}


def results(only: tuple[str, ...] = (), **changes: Any) -> dict[str, Check]:
    """Results by name; `only` those whose names start so, to save time."""
    problem = Problem(**{**BURGERS, **changes})
    if not only:
        return {check.name: check for check in run_problem_checks(problem, solve=False)}
    tests = [*declaration.tests(problem), *equations.tests(problem)]
    return {check.name: check for check in run(test for test in tests if test[0].startswith(only))}


def failed(checks: Mapping[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if not check.passed]


def test_a_correct_problem_passes() -> None:
    checks = results(
        conserves=[
            conservation("mass", u, [u**2 / 2 - nu * u.diff(x)]),
            conservation("slope", u.diff(x), [u * u.diff(x) - nu * u.diff(x, 2)]),
        ],
        symmetries=[translation("x"), galilean("x", velocity=u)],
    )
    assert failed(checks) == []
    assert checks["exact solution"].skipped
    assert not checks["law: mass"].skipped
    assert checks["symmetry: galilean in x by u"].detail == "maps solutions to solutions"


def test_failures_are_raised_together_with_their_names() -> None:
    problem = Problem(**{**BURGERS, "conserves": [conservation("m", u, [u])], "symmetries": [galilean("x", u)]})
    with pytest.raises(AssertionError, match=r"(?s)Problem 'sample' fails 2 of its checks.*units: .*law: m: density_t"):
        check_problem(problem, solve=False)


def test_unknown_problem_is_an_input_error() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'burgers'"):
        check_problem("burger")


PHI = 1 + Rational(9, 10) * exp(-nu * (2 * pi) ** 2 * t) * cos(2 * pi * x)
COLE_HOPF = -2 * nu * PHI.diff(x) / PHI


def test_right_exact_solution_passes() -> None:
    assert failed(results(EXACT, exact={u: COLE_HOPF})) == []


@pytest.mark.parametrize("wrong", [COLE_HOPF * Rational(999, 1000), COLE_HOPF + t, sin(2 * pi * (x - t))])
def test_wrong_exact_solution_is_found(wrong: Any) -> None:
    checks = results(EXACT, exact={u: wrong})
    assert failed(checks) == ["exact solution"]
    assert "it is no solution" in checks["exact solution"].detail


def test_exact_solution_that_is_not_periodic_is_found() -> None:
    checks = results(EXACT, exact={u: x / (t + 1)}, evolution={u: -u * u.diff(x)})
    assert failed(checks) == ["exact solution at the boundary"]
    assert "u is not periodic along x" in checks["exact solution at the boundary"].detail


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (Dirichlet(0), Dirichlet(1)),
        (Neumann(-pi * exp(-nu * pi**2 * t)), Neumann(pi)),
        (Robin(pi * exp(-nu * pi**2 * t), a=1, b=-1), Robin(0, a=1, b=1)),
    ],
)
def test_exact_solution_that_misses_its_boundary_condition_is_found(right: Any, wrong: Any) -> None:
    changes = {
        "periodic": [],
        "evolution": {u: nu * u.diff(x, 2)},
        "exact": {u: sin(pi * x) * exp(-nu * pi**2 * t)},
    }
    assert failed(results(EXACT, **changes, boundary={u: {"x-": right, "x+": right}})) == []
    for side in ("x-", "x+"):
        checks = results(EXACT, **changes, boundary={u: {side: wrong}})
        assert failed(checks) == ["exact solution at the boundary"]
        assert f"u misses its condition on {side}" in checks["exact solution at the boundary"].detail


@pytest.mark.parametrize(
    ("density", "flux"),
    [
        (u, -(u**2) / 2 - nu * u.diff(x)),
        (u, u**2 / 2),
        (u, u**2 / 2 - nu * u.diff(x) * Rational(1001, 1000)),
        (u**2 / 2, u**3 / 3 - nu * u * u.diff(x)),
        (u * cos(2 * pi * x), u**2 / 2 * cos(2 * pi * x)),
    ],
)
def test_wrong_flux_is_found(density: Any, flux: Any) -> None:
    checks = results(PHYSICS, conserves=[conservation("mass", density, [flux])])
    assert failed(checks) == ["law: mass"]
    assert "density_t + div(flux) is not zero" in checks["law: mass"].detail


def test_known_source_counts_only_if_its_integral_is_not_zero() -> None:
    law = [conservation("mass", u, [u**2 / 2])]
    force = Parameter("force", 1.0, unit="m/s^2")
    for source, good in ((sin(2 * pi * x), True), (sin(2 * pi * x) ** 2, False)):
        changes = {"parameters": [force], "evolution": {u: -u * u.diff(x) + force * source}, "conserves": law}
        checks = results(PHYSICS, **changes)
        assert checks["law: mass"].passed is good
        assert "integral is" in checks["law: mass"].detail


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"evolution": {u: -u * u.diff(x) - x * u.diff(x)}}, "symmetry: translation in x"),
        ({"evolution": {u: -2 * u * u.diff(x)}}, "symmetry: galilean in x by u"),
        ({"evolution": {u: nu * u.diff(x, 2)}}, "symmetry: galilean in x by u"),
        ({"evolution": {u: -u * u.diff(x) - u}, "parameters": []}, "symmetry: galilean in x by u"),
    ],
)
def test_wrong_symmetry_is_found(changes: dict[str, Any], name: str) -> None:
    plain = Field("u")(t, x)
    swap = {"fields": [plain], "initial": {}, "symmetries": [translation("x"), galilean("x", velocity=plain)]}
    right = changes["evolution"][u].subs(u, plain).doit()
    checks = results(PHYSICS, **{**changes, **swap, "evolution": {plain: right}})
    assert name in failed(checks)
    assert "of its largest term is left" in checks[name].detail


def _flow(only: tuple[str, ...] = (), **changes: Any) -> dict[str, Check]:
    velocity = Field("velocity", components=("a", "b"), unit="m/s")(t, x, y)
    p = Field("p", unit="Pa")(t, x, y)
    rho = Parameter("rho", 2.0, unit="kg/m^3")
    a, b = velocity
    stress = [
        [a * a + p / rho - nu * a.diff(x), a * b - nu * a.diff(y)],
        [a * b - nu * b.diff(x), b * b + p / rho - nu * b.diff(y)],
    ]
    arguments = {
        "fields": [velocity, p],
        "parameters": [nu, rho],
        "domain": Box(x=(0, 1), y=(0, 1)),
        "periodic": ["x", "y"],
        "evolution": {velocity: -dot(velocity, grad)(velocity) - grad(p) / rho + nu * laplacian(velocity)},
        "constraints": {p: Eq(div(velocity), 0)},
        "initial": {velocity: (0, 0)},
        "conserves": [
            conservation("mass", rho, rho * velocity),
            conservation("momentum x", a, stress[0]),
            conservation("momentum y", b, stress[1]),
        ],
        "symmetries": [translation("y"), galilean("x", a), galilean("y", b)],
    }
    return results(only, **{**arguments, **changes})


def test_laws_and_symmetries_of_a_flow_use_its_constraint() -> None:
    checks = _flow()
    assert failed(checks) == []
    assert not any(checks[name].skipped for name in checks if name.startswith(("law", "symmetry")))


def test_momentum_is_not_conserved_without_the_constraint() -> None:
    assert failed(_flow(PHYSICS, constraints={})) == ["law: mass", "law: momentum x", "law: momentum y"]


def test_stream_function_is_eliminated() -> None:
    w, psi = Field("w", unit="1/s")(t, x, y), Field("psi", unit="m^2/s")(t, x, y)
    velocity = [psi.diff(y), -psi.diff(x)]
    plane: dict[str, Any] = {
        "fields": [w, psi],
        "domain": Box(x=(0, 1), y=(0, 1)),
        "periodic": ["x", "y"],
        "evolution": {w: -velocity[0] * w.diff(x) - velocity[1] * w.diff(y) + nu * laplacian(w)},
        "initial": {w: gaussian_field()},
    }
    flux = [velocity[0] * w - nu * w.diff(x), velocity[1] * w - nu * w.diff(y)]
    laws = [
        conservation("circulation", w, flux),
        conservation("the same", -laplacian(psi), flux),
        conservation("energy", grad(psi).dot(grad(psi)) / 2, [0, 0]),  # its flux holds the pressure
    ]
    checks = results(("units", "law"), **plane, constraints={psi: Eq(laplacian(psi), -w)}, conserves=laws)
    assert failed(checks) == []
    assert "cannot be decided" in checks["law: energy"].detail
    checks = results(("units", "law"), **plane, constraints={psi: Eq(laplacian(psi), w)}, conserves=laws[1:2])
    assert failed(checks) == ["law: the same"]


def test_inconsistent_units_are_found() -> None:
    checks = results(("units", "initial", "cases"), evolution={u: -u * u.diff(x) + nu * u.diff(x)})
    assert failed(checks) == ["units"]


def test_initial_field_that_is_not_finite_is_found() -> None:
    assert failed(results(("units", "initial", "cases"), initial={u: 1 / (x - x)})) == ["initial fields"]


@dataclasses.dataclass(frozen=True)
class _Unseeded(Distribution):
    """Forgets the seed it was given."""

    def sample(self, rng: Any, grid: Any, bounds: Any, periodic: Any) -> np.ndarray:
        return np.random.default_rng().normal(size=tuple(len(points) for points in grid.values()))


def test_distribution_that_ignores_its_seed_is_found() -> None:
    checks = results(("units", "initial", "cases"), initial={u: _Unseeded()})
    assert failed(checks) == ["initial fields"]
    assert "differs between two draws" in checks["initial fields"].detail


@dataclasses.dataclass(frozen=True)
class _Inverted(Disk):
    """A disk with normals that point inwards."""

    def boundary(self, count: int, rng: Any, values: Any) -> Any:
        points, normals = super().boundary(count, rng, values)
        return points, -normals


def test_wrong_normals_are_found() -> None:
    w = Field("w")(t, x, y)
    round_ = {"fields": [w], "parameters": [], "periodic": [], "evolution": {w: laplacian(w)}, "initial": {}}
    assert failed(results(("domain", "initial"), **round_, domain=Disk((0, 0), 1))) == []
    checks = results(("domain", "initial"), **round_, domain=_Inverted((0, 0), 1))
    assert failed(checks) == ["domain"]
    assert "normals do not point outwards" in checks["domain"].detail


def test_fragments_without_equations_or_inputs_are_checked_as_far_as_they_go() -> None:
    a, v = Field("a")(x, y), Field("v")(x, y)
    square: dict[str, Any] = {"domain": Box(x=(0, 1), y=(0, 1)), "parameters": [], "periodic": [], "time": None}
    steady = results(
        **square,
        fields=[v],
        inputs={a: 1 + x * y},
        evolution={},
        initial={},
        steady={v: Eq(-div(a * grad(v)), 0)},
        conserves=[conservation("heat", 0, -a * grad(v))],
    )
    assert failed(steady) == []
    assert not steady["law: heat"].skipped
    velocity = Field("velocity", components=("b", "c"), unit="m/s")(t, x, y)
    empty = results(**square, fields=[velocity], evolution={}, initial={}, boundary={velocity: {"x-": NoSlip()}})
    assert failed(empty) == []
    assert empty["residual in torch and JAX"].skipped
    assert not empty["domain"].skipped


class TestWithSolver:
    def checks(self, **changes: Any) -> dict[str, Check]:
        heat = {"evolution": {u: nu * u.diff(x, 2)}, "exact": {u: sin(2 * pi * x) * exp(-nu * (2 * pi) ** 2 * t)}}
        problem = Problem(**{**BURGERS, **heat, **changes})
        return {check.name: check for check in run_problem_checks(problem)}

    def test_wrong_exact_solution_and_wrong_law_are_found(self) -> None:
        checks = self.checks(exact={u: sin(2 * pi * x)})
        assert "solver against the exact solution" in failed(checks)
        checks = self.checks(evolution={u: nu * u.diff(x, 2) - u * nu * 5}, conserves=[conservation("m", u, [u])],
                             initial={u: 1 + sin(2 * pi * x)}, exact={})  # fmt: skip
        assert "solver conserves" in failed(checks)
        assert "mean of 'm' drifts by" in checks["solver conserves"].detail

    def test_right_ones_pass(self) -> None:
        checks = self.checks(conserves=[conservation("m", u, [-nu * u.diff(x)])])
        assert failed(checks) == []
        assert not checks["solver conserves"].skipped

    def test_no_solver_is_skipped_but_a_wrong_one_is_found(self) -> None:
        checks = self.checks(periodic=[], exact={})
        assert checks["reference solver"].skipped
        checks = self.checks(solver=Solver("tarot"), exact={})
        assert failed(checks) == ["reference solver"]
        assert "no solver named 'tarot'" in checks["reference solver"].detail
