"""Symmetries by fields and by parameters, hidden parameters, and how both are declared and shown."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from sympy import Eq, cos

from sciflow.core.errors import InputError
from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    coordinates,
    galilean,
    laplacian,
    rotation,
    translation,
)
from sciflow.problems.physics import Symmetry
from sciflow.testing.symmetries import remainders

t, x, y = coordinates("t x y")
u = Field("u")(t, x)
w, psi = Field("w")(t, x, y), Field("psi")(t, x, y)
a = Parameter("a", 0.3, -1, 1, hidden=True)
b = Parameter("b", 0.5, -1, 1, hidden=True)
nu = Parameter("nu", 0.1, 0.05, 0.2)


def line(right: Any = None, **changes: Any) -> Problem:
    """Burgers in a mean flow a."""
    given = {
        "name": "line",
        "fields": [u],
        "parameters": [a, b, nu],
        "domain": Box(x=(0, 1)),
        "periodic": ["x"],
        "evolution": {u: -(u + a) * u.diff(x) + nu * u.diff(x, 2) if right is None else right},
    }
    return Problem(**{**given, **changes})


def plane(right: Any, **changes: Any) -> Problem:
    given = {"name": "plane", "fields": [w], "parameters": [a, b, nu], "domain": Box(x=(0, 1), y=(0, 2))}
    return Problem(**{**given, "evolution": {w: right}, **changes})


def left(problem: Problem, symmetry: Symmetry) -> float:
    return max(remainders(problem, symmetry, {}).values())


@pytest.mark.parametrize(("velocity", "names"), [(u, ("u",)), (a, ("a",)), ([a], ("a",)), ((a, b), ("a", "b"))])
def test_velocities_are_names(velocity: Any, names: tuple[str, ...]) -> None:
    symmetry = galilean("x", velocity)
    assert symmetry.velocities == names
    assert symmetry.velocity == (names[0] if len(names) == 1 else names)
    assert str(symmetry) == f"galilean in x by {', '.join(names)}"
    assert line(symmetries=[symmetry]).to_json()["symmetries"][0]["velocity"] == (
        names[0] if len(names) == 1 else list(names)
    )


def test_translations_have_no_velocity_and_rotations_a_rate() -> None:
    assert translation("x").velocities == () and str(translation("x")) == "translation in x"
    assert rotation(a) == Symmetry("rotation", "xy", "a")
    assert rotation([a, b]).velocities == ("a", "b")


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: galilean("x", 1.0), "velocity of galilean is 1.0; expected one field, or a Parameter or a sequence"),
        (lambda: galilean("x", []), r"velocity of galilean is \[\]; expected"),
        (lambda: galilean("x", [u, a]), "expected one field, or a Parameter or a sequence of them"),
        (lambda: galilean("x", [a, a]), "lists 'a' twice"),
        (lambda: rotation(u), "rate of rotation is .*; expected a Parameter or a sequence of them"),
        (lambda: line(parameters=[a, nu], symmetries=[galilean("x", b)]), "galilean: velocity 'b' is unknown"),
        (lambda: line(symmetries=[rotation(a)]), "rotation: axis 'y' is unknown"),
        (lambda: plane(0 * w, symmetries=[Symmetry("rotation", "xy", "w")]), "rotation: rate 'w' is unknown"),
    ],
)
def test_what_is_no_symmetry_is_refused(declare: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        declare()


def test_a_mean_flow_or_a_boost_moves_solutions_to_solutions() -> None:
    problem = line()
    assert left(problem, galilean("x", a)) < 1e-12  # values stay, the parameter rises
    assert left(problem, galilean("x", u)) < 1e-12  # values rise, the parameter stays
    assert left(problem, galilean("x", b)) > 1e-2  # nothing depends on b


def test_every_velocity_must_rise() -> None:
    problem = line(-(a + b * cos(u)) * u.diff(x) / (1 + cos(u)))  # the speed is a mean of a and b
    assert left(problem, galilean("x", [a, b])) < 1e-12
    assert left(problem, galilean("x", a)) > 1e-2


def test_a_mean_flow_beside_a_constraint_and_a_force_in_space() -> None:
    drift = -(psi.diff(y) + a) * w.diff(x) + (psi.diff(x) - b) * w.diff(y) + nu * laplacian(w)
    constraint = {"fields": [w, psi], "constraints": {psi: Eq(laplacian(psi), -w)}}
    free, forced = plane(drift, **constraint), plane(drift + cos(x), **constraint)
    assert left(free, galilean("x", a)) < 1e-12 and left(free, galilean("y", b)) < 1e-12
    assert left(free, galilean("x", b)) > 1e-2
    assert left(forced, galilean("x", a)) > 1e-2 and left(forced, galilean("y", b)) < 1e-12


def test_rotation_about_the_centre_of_the_domain() -> None:
    along, up = x - 0.5, y - 1  # the middle of (0, 1) x (0, 2)
    turning = a * (up * w.diff(x) - along * w.diff(y))  # carried counter-clockwise with the rate a
    assert left(plane(turning + nu * laplacian(w) - w**3), rotation(a)) < 1e-12
    assert left(plane(-turning), rotation(a)) > 1e-2  # the other way round
    assert left(plane(a * (up * w.diff(x) - (x - 1) * w.diff(y))), rotation(a)) > 1e-2  # about another point
    assert left(plane(turning + nu * w.diff(x, 2)), rotation(a)) > 1e-2  # diffusion with a direction


def test_hidden_is_part_of_the_declaration_and_of_nothing_else() -> None:
    seen = Parameter("a", 0.3, -1, 1)
    problem, known = line(), line(-(u + seen) * u.diff(x) + nu * u.diff(x, 2), parameters=[seen, b, nu])
    assert [info.hidden for info in problem.parameters] == [True, True, False]
    assert problem.hash != known.hash
    assert problem.to_json()["parameters"][0] == {**known.to_json()["parameters"][0], "hidden": True}
    assert "hidden" not in problem.to_json()["parameters"][2]  # older problems keep their hashes
    assert a != seen and pickle.loads(pickle.dumps(a)).hidden and not pickle.loads(pickle.dumps(seen)).hidden
    assert "a = 0.3 in [-1, 1] (linear) [-] (hidden), b" in problem._repr_html_()
