"""Every kind of problem that the declaration is meant for can be declared, shown, hashed and checked."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import pytest
from sympy import Eq, Function, Symbol, sin

from sciflow.core.config import canonical
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    NoSlip,
    Outflow,
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
    grid,
    laplacian,
    ramp,
    random_fourier,
    sampled,
    table,
    translation,
)
from sciflow.problems.symbols import flatten

t, x, y, z = coordinates("t x y z")


def burgers() -> Problem:
    u = Field("u", unit="m/s")(t, x)
    nu = Parameter("nu", default=1e-2, low=1e-3, high=1e-1, scale="log", unit="m^2/s")
    return Problem(
        name="burgers",
        title="Viscous Burgers equation",
        fields=[u],
        parameters=[nu],
        scales={x: 1, u: 1},
        domain=Box(x=(0, 1)),
        periodic=("x",),
        time=(0, 1),
        evolution={u: -u * u.diff(x) + nu * u.diff(x, 2)},
        initial={u: random_fourier(modes=5)},
        conserves=[conservation("mass", density=u, flux=[u**2 / 2 - nu * u.diff(x)])],
        symmetries=[translation("x"), galilean("x", velocity=u)],
        characteristic={x: u},
        reference="Burgers (1948)",
    )


def vorticity() -> Problem:
    w, psi = Field("w", unit="1/s")(t, x, y), Field("psi", unit="m^2/s")(t, x, y)
    nu = Parameter("nu", 1e-3, unit="m^2/s")
    amplitude = Parameter("amplitude", 0.1, unit="1/s^2")
    forcing = amplitude * sin(x + y)
    return Problem(
        name="vorticity",
        fields=[w, psi],
        parameters=[nu, amplitude],
        domain=Box(x=(0, 1), y=(0, 1)),
        periodic=("x", "y"),
        evolution={w: -psi.diff(y) * w.diff(x) + psi.diff(x) * w.diff(y) + nu * laplacian(w) + forcing},
        constraints={psi: Eq(laplacian(psi), -w)},
        initial={w: gaussian_field()},
    )


def gray_scott() -> Problem:
    a, b = Field("a")(t, x, y), Field("b")(t, x, y)
    feed, kill = Parameter("feed", 0.04), Parameter("kill", 0.06)
    return Problem(
        name="gray-scott",
        fields=[a, b],
        parameters=[feed, kill],
        domain=Box(x=(0, 2.5), y=(0, 2.5)),
        periodic=("x", "y"),
        evolution={
            a: 2e-5 * laplacian(a) - a * b**2 + feed * (1 - a),
            b: 1e-5 * laplacian(b) + a * b**2 - (feed + kill) * b,
        },
    )


def wave() -> Problem:
    u, u_t = Field("u", unit="m")(t, x, y), Field("u_t", unit="m/s")(t, x, y)
    c = Parameter("c", 1.0, unit="m/s")
    return Problem(
        name="wave",
        fields=[u, u_t],
        parameters=[c],
        domain=Box(x=(0, 1), y=(0, 1)),
        evolution={u: u_t, u_t: c**2 * laplacian(u)},
        boundary={u: {"x-": Dirichlet(0), "x+": Neumann(0), "y-": Robin(0, a=1 / c, b=x / c), "y+": Dirichlet(0)}},
    )


def darcy() -> Problem:
    a, u = Field("a")(x, y), Field("u")(x, y)
    return Problem(
        name="darcy",
        fields=[u],
        inputs={a: gaussian_field(smoothness=2, scale=3, threshold=(3, 12))},
        domain=Box(x=(0, 1), y=(0, 1)),
        steady={u: Eq(-div(a * grad(u)), 1)},
        boundary={u: {side: Dirichlet(0) for side in ("x-", "x+", "y-", "y+")}},
    )


def cylinder() -> Problem:
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    p = Field("p", unit="Pa")(t, x, y)
    u_in, x1, x2 = Parameter("u_in", 1, unit="m/s"), Parameter("x1", 2, unit="m"), Parameter("x2", 6, unit="m")
    y1, y2, r = Parameter("y1", 2, unit="m"), Parameter("y2", 2, unit="m"), Parameter("r", 0.5, unit="m")
    rho, mu = Parameter("rho", 1, unit="kg/m^3"), Parameter("mu", 1e-2, unit="Pa*s")
    return Problem(
        name="cylinder",
        fields=[velocity, p],
        parameters=[u_in, x1, x2, y1, y2, r, rho, mu],
        domain=Box(x=(-x1, x2), y=(-y1, y2)) - Disk(center=(0, 0), radius=r),
        evolution={velocity: -dot(velocity, grad)(velocity) - grad(p) / rho + mu / rho * laplacian(velocity)},
        constraints={p: Eq(div(velocity), 0)},
        boundary={
            velocity: {
                "x-": Dirichlet((u_in, 0)),
                "x+": Outflow(),
                "y-": NoSlip(),
                "y+": NoSlip(),
                "obstacle": NoSlip(),
            }
        },
        subsets={
            "bc": grid(u_in=[0.5, 1.0, 2.0]),
            "prop": table(rho=[1, 10], mu=[1e-2, 1e-3]),
            "geo": table(r=[0.3, 0.5], x1=[2, 3]),
            "wide": sampled(mu=(1e-3, 1e-2, "log"), r=(0.3, 0.6)),
        },
        solver=Solver("incompressible", convection="quick"),
    )


def lid() -> Problem:
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    p = Field("p", unit="Pa")(t, x, y)
    speed, start = Parameter("speed", 1, unit="m/s"), Parameter("start", 1, unit="s")
    rho, nu = Parameter("rho", 1, unit="kg/m^3"), Parameter("nu", 1e-2, unit="m^2/s")
    walls = {side: NoSlip() for side in ("x-", "x+", "y-")}
    return Problem(
        name="lid",
        fields=[velocity, p],
        parameters=[speed, start, rho, nu],
        domain=Box(x=(0, 1), y=(0, 1)),
        evolution={velocity: -dot(velocity, grad)(velocity) - grad(p) / rho + nu * laplacian(velocity)},
        constraints={p: Eq(div(velocity), 0)},
        boundary={velocity: {**walls, "y+": Dirichlet((speed * ramp(t, start), 0))}, p: {"gauge": 0}},
    )


def steady_lid() -> Problem:
    velocity = Field("velocity", components=("u", "v"))(x, y)
    p = Field("p")(x, y)
    momentum = -dot(velocity, grad)(velocity) - grad(p) + laplacian(velocity) / 100
    return Problem(
        name="steady-lid",
        fields=[velocity, p],
        domain=Box(x=(0, 1), y=(0, 1)),
        steady={velocity: [Eq(component, 0) for component in momentum], p: Eq(div(velocity), 0)},
        boundary={velocity: {"y+": Dirichlet((16 * x**2 * (1 - x) ** 2, 0)), "y-": NoSlip()}, p: {"gauge": 0}},
    )


def two_phase() -> Problem:
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    alpha = Field("alpha", unit="", long_name="volume fraction of water")(t, x, y)
    gate = Parameter("gate", 0.3, 0.1, 0.5, unit="m")
    return Problem(
        name="two-phase",
        title="Dam break: water & air, 50 % each",
        fields=[velocity, alpha],
        parameters=[gate],
        domain=Box(x=(0, 1.5), y=(0, 0.4)) - Box(x=(0.7, 0.75), y=(0, 0.1)),
        conserves=[conservation("water", alpha, list(alpha * velocity))],
        solver=Solver("two-phase", scheme="vof"),
    )


def three_dimensional() -> Problem:
    u = Field("u", unit="K")(t, x, y, z)
    kappa = Parameter("kappa", 1e-2, unit="m^2/s")
    return Problem(
        name="heat-3d",
        fields=[u],
        parameters=[kappa],
        domain=Box(x=(0, 1), y=(0, 1), z=(0, 1)),
        periodic=("x", "y", "z"),
        evolution={u: kappa * laplacian(u)},
        conserves=[conservation("heat", u, -kappa * grad(u))],
    )


FRAGMENTS = [
    burgers,
    vorticity,
    gray_scott,
    wave,
    darcy,
    cylinder,
    lid,
    steady_lid,
    two_phase,
    three_dimensional,
]


@pytest.mark.parametrize("declare", FRAGMENTS, ids=lambda declare: declare.__name__)
def test_fragment_is_declared_shown_and_checked(declare: Callable[[], Problem]) -> None:
    problem = declare()
    text = problem.latex()
    assert text.count("{") == text.count("}")
    assert "Derivative" not in text
    assert problem.name in problem._repr_html_()
    assert json.loads(canonical(problem.to_json()))["name"] == problem.name
    assert problem.hash == declare().hash == pickle.loads(pickle.dumps(problem)).hash
    problem.check_units()
    cases = problem.sample(2, seed=1)
    low, high = zip(*problem.bounds(cases[0].parameters).values(), strict=True)
    points = problem.domain.interior(20, cases[0].rng(), cases[0].parameters)
    assert ((points > low) & (points < high)).all()


def test_vorticity_has_an_evolution_and_a_constraint() -> None:
    problem = vorticity()
    assert list(problem.evolution) == ["w"]
    assert list(problem.constraints) == ["psi"]
    assert list(problem.equations) == ["w", "psi"]


def test_system_and_second_order_in_time_have_one_evolution_per_field() -> None:
    assert list(gray_scott().equations) == ["a", "b"]
    time, first, second = Symbol("t", real=True), Symbol("x", real=True), Symbol("y", real=True)
    u, u_t = (Function(name, real=True)(time, first, second) for name in ("u", "u_t"))
    assert wave().equations["u"] == u.diff(time) - u_t


def test_darcy_is_steady_and_maps_an_input() -> None:
    problem = darcy()
    assert problem.t is None
    assert [info.name for info in problem.inputs] == ["a"]
    assert list(problem.equations) == ["u"]


def test_cylinder_has_an_obstacle_named_sweeps_and_a_solver() -> None:
    problem = cylinder()
    assert problem.domain.sides == ("x-", "x+", "y-", "y+", "obstacle")
    assert problem.boundary["u"]["x-"].value[0].name == "u_in"
    assert problem.boundary["v"]["x-"].value == (0,)
    assert problem.boundary["v"]["obstacle"].kind == "Dirichlet"
    assert [case.parameters["u_in"] for case in problem.sample(subset="bc")] == [0.5, 1.0, 2.0]
    assert [(c.parameters["r"], c.parameters["x1"]) for c in problem.sample(subset="geo")] == [(0.3, 2), (0.5, 3)]
    assert problem.bounds({"x1": 3})["x"] == (-3, 6)
    assert problem.solver == Solver("incompressible", convection="quick")


def test_pressure_is_a_constraint_with_a_gauge_and_the_lid_is_ramped() -> None:
    problem = lid()
    assert problem.boundary["p"] == {"gauge": 0.0}
    condition = problem.boundary["u"]["y+"].value[0]
    assert {symbol.name for symbol in condition.free_symbols} == {"t", "speed", "start"}
    assert list(problem.equations) == ["u", "v", "p"]
    assert list(steady_lid().equations) == ["u", "v", "p"]


def test_output_only_physics_says_what_it_lacks() -> None:
    problem = two_phase()
    assert problem.equations == {}
    assert "no equations declared" in problem.latex()
    with pytest.raises(ValueError, match=r"'two-phase' declares no equations, so it has no residual"):
        problem.residual("torch")


def test_vectors_are_taken_apart_in_order() -> None:
    velocity = Field("velocity", components=("u", "v"))(t, x, y)
    assert [atom.func.__name__ for atom in flatten([velocity, Field("p")(t, x, y)])] == ["u", "v", "p"]
    assert [info.vector for info in lid().fields] == ["velocity", "velocity", ""]
