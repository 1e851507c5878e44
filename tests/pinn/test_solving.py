from __future__ import annotations

import jax
import numpy as np
import pytest
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn import solve
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.settings import Settings
from sciflow.pinn.solution import Solution
from sciflow.pinn.solving import case_of
from sciflow.problems import Box, Dirichlet, Field, Problem, coordinates, registry

LM = {"width": 8, "depth": 2, "points": 256, "resample": 0, "phases": [{"method": "levenberg-marquardt", "steps": 60}]}


def error_of(solution: Solution, frames: int = 11) -> float:
    """Relative L2 error of a wave that is carried and damped, on a grid of its own."""
    data = solution.dataset(64, frames)
    t, x = np.meshgrid(data["time"].values, data["x"].values, indexing="ij")
    c, nu = (solution.case.values[name] for name in ("c", "nu"))
    exact = np.exp(-nu * t) * np.sin(x - c * t)
    return float(np.linalg.norm(data["u"].values[0] - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize(("c", "nu"), [pytest.param(0.0, 0.0, marks=pytest.mark.slow), (50.0, 0.01)])
def test_lagrangian_networks_do_not_feel_the_speed(c: float, nu: float) -> None:
    solution = solve("convection", method="lpinn", settings={"seconds": 20, "target": 1e-13}, c=c, nu=nu)
    assert error_of(solution) < 1e-6
    assert solution.resolved and solution.smallest_jacobian == pytest.approx(1, abs=1e-5)


def test_an_ordinary_network_solves_slow_convection_and_leaves_jax_as_it_was() -> None:
    before = jax.config.jax_enable_x64
    assert error_of(solve("convection", settings=LM, c=1.0)) < 1e-4
    assert jax.config.jax_enable_x64 == before


@pytest.mark.parametrize(
    "strategy",
    [
        {"kind": "curriculum", "parameter": "c", "begin": 1.0, "stages": 3},
        {"kind": "xpinn", "windows": 1, "parts": 2},
        pytest.param({"kind": "xpinn", "windows": 2, "parts": 2}, marks=pytest.mark.slow),
    ],
)
def test_strategies_solve_convection(strategy: dict[str, object]) -> None:
    # Networks trained together have more weights, and Levenberg-Marquardt's steps cost their square.
    few = {"method": "levenberg-marquardt", "steps": 25, "chunk": 25}
    small = {"width": 4, "points": 64, "boundary_points": 16, "phases": [few]} if strategy["kind"] == "xpinn" else {}
    solution = solve("convection", strategy=strategy, settings={**LM, **small}, c=3.0)
    assert error_of(solution) < 1e-2


def test_time_marching_solves_convection_and_each_window_starts_from_the_end_of_the_last() -> None:
    solution = solve("convection", strategy={"kind": "marching", "windows": 2}, settings=LM, c=3.0)
    assert error_of(solution) < 1e-2
    x = np.linspace(0, 6, 20)
    before, after = (solution.evaluate(np.stack([np.full(20, t), x]))["u"] for t in (0.5 - 1e-9, 0.5 + 1e-9))
    np.testing.assert_allclose(before, after, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "pin"}, ["no method 'pin'", "'pinn'"]),
        ({"engine": "torch"}, ["no engine 'torch'"]),
        ({"method": "lpinn", "strategy": "marching"}, ["for the method 'pinn'"]),
        ({"strategy": "march"}, ["no strategy 'march'", "marching"]),
        ({"strategy": {"kind": "marching", "windows": 1}}, ["windows", "marching"]),
        ({"settings": {"widht": 3}}, ["widht", "width"]),
        ({"settings": {"width": 0}}, ["width"]),
        ({"speed": 3.0}, ["speed"]),
        ({"time": (1.0, 1.0)}, ["empty"]),
        ({"label_space": True}, ["lpinn"]),
        ({"strategy": "curriculum"}, ["parameter"]),
        ({"c": float("nan")}, ["'c'", "finite"]),
        ({"c": [1.0, 2.0]}, ["'c'", "finite"]),
        ({"strategy": "xpinn", "settings": {"causal": 0.1}}, ["xpinn", "causal"]),
        ({"engine": "deepxde", "settings": {"causal": 0.1}}, ["deepxde", "causal"]),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        solve("convection", **arguments)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("problem", "words"),
    [("gray-scott", ["no characteristic velocity"]), ("poisson", ["evolution equation"]), ("cavity", ["pinn"])],
)
def test_problems_that_no_velocity_carries_are_refused(problem: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        solve(problem, method="lpinn")
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_start_with_a_kink_is_refused_for_particles() -> None:
    t, x = coordinates("t x")
    u = Field("u", unit="")(t, x)
    kinked = Problem(
        name="kinked",
        fields=[u],
        domain=Box(x=(-1, 1)),
        periodic=["x"],
        time=(0, 1),
        evolution={u: -u.diff(x) + u.diff(x, 2)},
        initial={u: x**2},
        characteristic={x: sympy.Integer(1)},
    )
    with pytest.raises(InputError, match="not smooth where the period closes"):
        solve(kinked, method="lpinn")


def test_a_start_with_a_break_inside_is_left_to_the_loss() -> None:
    """By construction it would stay: its second derivative vanishes wherever a point can be."""
    t, x = coordinates("t x")
    u = Field("u", unit="")(t, x)
    settings = {**LM, "phases": [{"method": "adam", "steps": 5}], "mirrors": False}
    for tent in (sympy.Piecewise((x, x < 0.5), (1 - x, True)), sympy.Rational(1, 2) - sympy.Abs(x - 0.5)):
        problem = Problem(
            name="tent",
            fields=[u],
            domain=Box(x=(0, 1)),
            time=(0, 0.1),
            evolution={u: u.diff(x, 2)},
            initial={u: tent},
            boundary={u: {"x-": Dirichlet(0), "x+": Dirichlet(0)}},
        )
        system = Eulerian.of(problem, problem.sample(1)[0], Settings.make(settings))
        assert "t-" in [soft.side for soft in system.conditions]
    solution = solve(problem, settings=settings)
    assert solution.loss > 1e-3 and not solution.converged


def test_particles_see_sources_where_they_are_within_the_period() -> None:
    """u_t = -3 u_x + g(x) from rest; particles leave the declared period, where g, a polynomial, is another one."""
    t, x = coordinates("t x")
    u = Field("u", unit="")(t, x)
    problem = Problem(
        name="fed",
        fields=[u],
        domain=Box(x=(0, 3)),
        periodic=["x"],
        time=(0, 1),
        evolution={u: -3 * u.diff(x) + (x - 1) * (x - 2) * x * (3 - x) + sympy.Rational(3, 10)},
        initial={u: sympy.Integer(0)},
        characteristic={x: sympy.Integer(3)},
    )
    solution = solve(problem, method="lpinn", settings={"width": 10, "points": 256, "phases": LM["phases"]})
    points = np.stack([np.full(7, 1.0), np.linspace(0, 3, 7)])
    # The integral of the source along the path that ends at x.
    s = np.linspace(0, 1, 20001)
    place = np.mod(points[1][:, None] - 3 * (1 - s), 3)
    source = (place - 1) * (place - 2) * place * (3 - place) + 0.3
    exact = np.trapezoid(source, s, axis=1)
    assert np.abs(solution.evaluate(points)["u"] - exact).max() < 0.05 * np.abs(exact).max()


def _untrained(name: str) -> Solution:
    problem = registry.get(name)
    return Solution(
        problem=problem,
        case=case_of(problem, {}),
        method="pinn",
        time=(0.0, 1.0),
        loss=1.0,
        converged=False,
        reasons=(),
        history=(),
        seconds=0.0,
        compile_seconds=0.0,
        weights=0,
        fields=lambda points: {info.name: np.ones(points.shape[1]) for info in problem.fields},
    )


def test_points_in_an_obstacle_and_outside_are_refused() -> None:
    solution = _untrained("cylinder-dfg")
    assert set(solution.evaluate(np.array([[0.5], [1.0], [0.2]]))) == {"u", "v", "p"}
    with pytest.raises(InputError, match=r"x = 0\.2, y = 0\.2 lies in an obstacle"):
        solution.evaluate(np.array([[0.5], [0.2], [0.2]]))
    with pytest.raises(InputError, match=r"t = 1\.5 lies outside"):
        _untrained("convection").evaluate(np.array([[1.5], [0.0]]))
