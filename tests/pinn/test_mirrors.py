"""Symmetries that cases have or lack, and networks that hold them."""

import jax
import numpy as np
import pytest
import sympy

from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.mirrors import mirrors_of
from sciflow.pinn.settings import Settings
from sciflow.pinn.solving import case_of
from sciflow.problems import Box, Dirichlet, Field, Neumann, Problem, Robin, coordinates, registry

t, x, y = coordinates("t x y")
u, v = Field("u", unit="")(t, x), Field("v", unit="")(t, x)
START = sympy.sin(sympy.pi * x)


def _problem(equation=None, start=START, boundary=None, **changes) -> Problem:
    sides = {"x-": Dirichlet(0), "x+": Dirichlet(0)} if boundary is None else boundary
    return Problem(
        name="mirrored",
        fields=[u],
        domain=Box(x=(-1, 1)),
        time=(0, 1),
        evolution={u: u.diff(x, 2) - u * u.diff(x) if equation is None else equation},
        initial={u: start},
        boundary={u: sides},
        **changes,
    )


def _mirrors(problem: Problem, **values: float):
    return mirrors_of(problem, case_of(problem, values))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("burgers-dirichlet", {}, {"x": {"u": -1}}),
        ("burgers-moving", {"C": 0.0}, {"x": {"u": -1}}),
        ("burgers-moving", {"C": 1.0}, {}),
        ("allen-cahn", {}, {"x": {"u": 1}}),
        ("allen-cahn", {"b1": 0.1}, {}),
        ("reaction-diffusion", {}, {"x": {"u": 1}}),
        ("convection", {}, {}),
        ("kdv-cosine", {}, {}),
        ("burgers", {}, {}),  # its start is drawn
        ("cavity-steady", {}, {}),  # steady flows need not be unique
    ],
)
def test_symmetries_of_the_catalogue(name: str, values: dict, expected: dict) -> None:
    assert _mirrors(registry.get(name), **values) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, -1),
        ({"start": sympy.cos(sympy.pi * x / 2)}, None),
        ({"equation": u.diff(x, 2) + u**2}, None),
        ({"equation": u.diff(x, 2) + u**2, "start": sympy.cos(sympy.pi * x / 2)}, 1),
        ({"equation": u.diff(x, 2) + x}, -1),
        ({"equation": u.diff(x, 2) + x**2}, None),
        ({"equation": u.diff(x, 3)}, None),
        ({"equation": u.diff(x, 2) + sympy.Max(u - 2, 0), "start": 5 * START}, None),
        ({"equation": u.diff(x, 2) + sympy.Heaviside(t - 2) * x**2}, None),
        ({"equation": 1e11 * u.diff(x, 2) + x**2}, None),
        ({"boundary": {"x-": Dirichlet(-t), "x+": Dirichlet(t)}}, -1),
        ({"boundary": {"x-": Dirichlet(t), "x+": Dirichlet(t)}}, None),
        ({"boundary": {"x-": Neumann(t), "x+": Neumann(-t)}}, -1),
        ({"boundary": {"x-": Dirichlet(0), "x+": Neumann(0)}}, None),
        ({"boundary": {"x-": Robin(0, 1, 2), "x+": Robin(0, 1, 2)}}, -1),
        ({"boundary": {"x-": Robin(0, 1, 2), "x+": Robin(0, 2, 2)}}, None),
    ],
)
def test_every_part_of_a_declaration_counts(changes: dict, expected: int | None) -> None:
    assert _mirrors(_problem(**changes)) == ({} if expected is None else {"x": {"u": expected}})


def test_fields_have_signs_of_their_own_and_axes_are_told_apart() -> None:
    # A pulse of a string and its slope, whose sine is odd about 1 and whose cosine is even.
    pair = Problem(
        name="pair",
        fields=[u, v],
        domain=Box(x=(0, 2)),
        periodic=["x"],
        time=(0, 1),
        evolution={u: v.diff(x), v: u.diff(x)},
        initial={u: sympy.sin(sympy.pi * x), v: sympy.cos(sympy.pi * x)},
    )
    assert _mirrors(pair) == {"x": {"u": -1, "v": 1}}
    w = Field("w", unit="")(t, x, y)
    plane = Problem(
        name="plane",
        fields=[w],
        domain=Box(x=(0, 2), y=(0, 4)),
        periodic=["x", "y"],
        time=(0, 1),
        evolution={w: w.diff(x, 2) + w.diff(y, 2) - w.diff(y)},
        initial={w: sympy.cos(sympy.pi * x)},
    )
    assert _mirrors(plane) == {"x": {"w": 1}}


def test_a_source_in_a_small_spot_is_no_symmetry() -> None:
    w = Field("w", unit="")(t, x, y)
    spot = sympy.Piecewise((1, (x - 0.4) ** 2 + (y - 0.65) ** 2 < 0.01), (0, True))
    problem = Problem(
        name="spot",
        fields=[w],
        domain=Box(x=(-1, 1), y=(-1, 1)),
        periodic=["x", "y"],
        time=(0, 1),
        evolution={w: w.diff(x, 2) + w.diff(y, 2) + spot},
        initial={w: sympy.Integer(0)},
    )
    assert _mirrors(problem) == {}


def test_a_parameter_that_may_change_must_keep_the_symmetry() -> None:
    problem = registry.get("burgers-moving")
    case = case_of(problem, {"C": 0.0})
    assert mirrors_of(problem, case, {"C": 0.0}) == {}
    assert mirrors_of(problem, case, {"nu": 0.01}) == {"x": {"u": -1}}


@pytest.mark.parametrize(
    ("name", "values", "sign"),
    [("burgers-dirichlet", {}, -1), ("burgers-moving", {"C": 0.0}, -1), ("allen-cahn", {}, 1)],
)
def test_any_weights_give_a_field_with_the_symmetry(name: str, values: dict, sign: int) -> None:
    problem = registry.get(name)
    case = case_of(problem, values)
    middle = sum(problem.bounds(case.parameters)["x"]) / 2
    rng = np.random.default_rng(0)
    points = np.stack([rng.uniform(0, 1, 20), middle + rng.uniform(0, 1, 20)])
    turned = np.stack([points[0], 2 * middle - points[1]])
    for mirrors, symmetric in ((True, True), (False, False)):
        with jax.enable_x64(True):
            system = Eulerian.of(problem, case, Settings(mirrors=mirrors))
            # Large output weights, so that a network without the symmetry shows it.
            weights = jax.tree.map(lambda item: 10 * item, system.init(jax.random.key(1)))
            fields = system.fields(weights)
            found, other = fields(points)["u"], fields(turned)["u"]
        assert (np.max(np.abs(found - sign * other)) < 1e-12) == symmetric
        assert np.ptp(found) > 0.1
