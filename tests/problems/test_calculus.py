from __future__ import annotations

import pytest
import sympy

from sciflow.core.errors import InputError
from sciflow.problems import Field, coordinates, div, dot, grad, laplacian, ramp

t, x, y, z = coordinates("t x y z")
u = Field("u")(t, x, y)
velocity = Field("velocity", components=("a", "b"))(t, x, y)
a, b = velocity


def test_gradient_and_laplacian_leave_time_out() -> None:
    assert list(grad(u)) == [u.diff(x), u.diff(y)]
    assert laplacian(u) == u.diff(x, 2) + u.diff(y, 2)
    assert laplacian(Field("w")(t, x, y, z)).atoms(sympy.Derivative) == {
        Field("w")(t, x, y, z).diff(axis, 2) for axis in (x, y, z)
    }


def test_divergence_of_a_gradient_is_the_laplacian() -> None:
    assert div(grad(u)) == laplacian(u)
    assert div(velocity) == a.diff(x) + b.diff(y)


def test_convective_operator() -> None:
    assert dot(velocity, grad)(u) == a * u.diff(x) + b * u.diff(y)
    assert list(dot(velocity, grad)(velocity)) == [a * a.diff(x) + b * a.diff(y), a * b.diff(x) + b * b.diff(y)]
    assert dot(velocity, grad(u)) == a * u.diff(x) + b * u.diff(y)


def test_laplacian_of_a_vector_is_by_component() -> None:
    assert list(laplacian(velocity)) == [laplacian(a), laplacian(b)]


def test_coordinates_come_from_the_fields_even_under_a_coefficient_of_fewer() -> None:
    speed = Field("c")(x)
    assert list(grad(speed * u)) == [(speed * u).diff(x), (speed * u).diff(y)]


def test_ramp_starts_at_zero_with_zero_slope_and_ends_near_one() -> None:
    start = ramp(t, 2)
    assert start.subs(t, 0) == 0
    assert start.diff(t).subs(t, 0) == 0
    assert float(start.subs(t, 2)) == pytest.approx(0.99326, abs=1e-5)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="div expects 2 components"):
        div(sympy.Matrix([a, b, a]))
    with pytest.raises(InputError, match="holds no field of space"):
        grad(t**2)
