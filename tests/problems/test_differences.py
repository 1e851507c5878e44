"""Difference operators up to the boundary, and the declared conditions that they take."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sympy import cos, sin

from sciflow.core.errors import InputError
from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Neumann,
    NoSlip,
    Outflow,
    Parameter,
    Problem,
    Robin,
    Signal,
    coordinates,
)
from sciflow.problems.differences import Line, Side
from sciflow.problems.edges import edges, sides

LOW, HIGH = -0.3, 1.9
SIDES = {"none": None, "Dirichlet": Side(1, 0), "Neumann": Side(0, 1), "Robin": Side(2, 0.5)}
# Coarse enough for sixth order to stay above rounding, fine enough to be in the asymptotic range.
SIZES = {2: (60, 120), 4: (60, 120), 6: (40, 56)}


def wave(x: np.ndarray | float, order: int) -> np.ndarray:
    return np.asarray(1.3**order * np.sin(1.3 * np.asarray(x) + 0.4 + order * np.pi / 2))


def points(grid: str, spacing: str, count: int) -> np.ndarray:
    s = np.linspace(0, 1, count) if grid == "nodes" else (np.arange(count) + 0.5) / count
    if spacing == "stretched":  # cells between 0.4 and 1.8 of the mean, unlike at both ends
        s = s + 0.096 * np.sin(2 * np.pi * s) + 0.05 * np.sin(np.pi * s)
    return LOW + (HIGH - LOW) * s


def error(x: np.ndarray, left: Side | None, right: Side | None, accuracy: int, order: int) -> float:
    a, b = Line(x, LOW, HIGH, left, right, accuracy=accuracy).derivative(order)
    ends = ((left, LOW, -1), (right, HIGH, 1))
    g = [0 if s is None else s.a * wave(end, 0) + s.b * out * wave(end, 1) for s, end, out in ends]
    return float(np.abs(a @ wave(x, 0) + b @ np.array(g) - wave(x, order)).max())


@pytest.mark.parametrize("spacing", ["even", "stretched"])
@pytest.mark.parametrize("grid", ["nodes", "cells"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("accuracy", [2, 4, 6])
def test_order_of_the_error_up_to_the_boundary(accuracy: int, order: int, grid: str, spacing: str) -> None:
    coarse, fine = SIZES[accuracy]
    # Rounding of a fourth derivative, eps / h^4, is 1e-9 at most and hides the last orders of accuracy 6.
    short = 0.25 if accuracy < 6 else 0.8
    for left, right in itertools.product(SIDES.values(), repeat=2):
        large = error(points(grid, spacing, coarse), left, right, accuracy, order)
        small = error(points(grid, spacing, fine), left, right, accuracy, order)
        measured = np.log(large / small) / np.log(fine / coarse)
        rounding = 1e-15 * (fine / (HIGH - LOW)) ** order * 40
        assert measured > accuracy - short or small < 3 * rounding, (left, right, measured, small)


@pytest.mark.parametrize("accuracy", [2, 4, 6])
@pytest.mark.parametrize("grid", ["nodes", "cells"])
def test_polynomials_are_differentiated_exactly_on_any_spacing(grid: str, accuracy: int) -> None:
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(0, 1, 14))
    x = (x - x[0]) / (x[-1] - x[0]) if grid == "nodes" else x
    side = Side(1.5, 0.7)
    for order in (1, 2, 3):
        # Centred stencils know 2 * reach + 1 values, so every polynomial of degree 2 * reach is exact.
        p = np.polynomial.Polynomial(rng.standard_normal(2 * ((order + 1) // 2 - 1 + accuracy // 2) + 1))
        g = np.array([1.5 * p(0) - 0.7 * p.deriv()(0), 1.5 * p(1) + 0.7 * p.deriv()(1)])
        a, b = Line(x, 0, 1, side, side, accuracy=accuracy).derivative(order)
        expected = p.deriv(order)(x)
        size = np.abs(a).max() * np.abs(p(x)).max()
        assert np.abs(a @ p(x) + b @ g - expected).max() < 1e-11 * size


def test_known_weights() -> None:
    a, b = Line(np.linspace(0, 1, 11), 0, 1, Side(1, 0), Side(0, 1), accuracy=4).derivative(2)
    assert np.allclose(a[5, 3:8] * 12 * 0.01, [-1, 16, -30, 16, -1])
    assert np.count_nonzero(np.abs(a[5]) > 1e-9) == 5
    assert np.all(b[:, 0] == 0)  # the node at the left end holds the datum
    a, b = Line(np.linspace(0, 1, 11), 0, 1, right=Side(0, 1)).derivative(2)
    # u'' from u, u', and two neighbours: (-7/2 u_0 + 4 u_1 - 1/2 u_2) / h^2 + 3 u' / h.
    assert np.allclose(a[10, [8, 9, 10]] * 0.01, [-0.5, 4, -3.5]) and np.allclose(b[10] * 0.1, [0, 3])
    assert np.all(b[:10] == 0)


def test_a_periodic_line_wraps() -> None:
    x = 2 * np.pi * np.arange(64) / 64
    a, b = Line(x, 0, 2 * np.pi, periodic=True, accuracy=6).derivative(3)
    assert np.allclose(a, np.array([np.roll(a[0], k) for k in range(64)]), atol=1e-9 * np.abs(a).max())
    assert np.all(b == 0)
    # Leading error of the centred sixth-order third derivative: 41/6048 k^6 h^6 relative; rounding is far below.
    assert np.abs(a @ np.sin(3 * x) + 27 * np.cos(3 * x)).max() < 27 * 0.014 * (3 * 2 * np.pi / 64) ** 6
    uneven = x + 0.2 * np.sin(x)
    errors = []
    for count in (64, 128):
        s = 2 * np.pi * np.arange(count) / count
        uneven = s + 0.2 * np.sin(s)
        first, _ = Line(uneven, 0, 2 * np.pi, periodic=True, accuracy=4).derivative(1)
        errors.append(np.abs(first @ np.sin(uneven) - np.cos(uneven)).max())
    assert np.log2(errors[0] / errors[1]) > 3.8


def test_second_derivatives_with_conditions_damp() -> None:
    """Real eigenvalues, none positive: heat decays and waves neither grow nor decay, at accuracies 2 and 4."""
    for accuracy, (left, right) in itertools.product((2, 4), itertools.combinations(list(SIDES)[1:], 2)):
        x = points("nodes", "even", 48)
        a, _ = Line(x, LOW, HIGH, SIDES[left], SIDES[right], accuracy=accuracy).derivative(2)
        keep = np.arange(int(left == "Dirichlet"), 48 - int(right == "Dirichlet"))
        eigenvalues = np.linalg.eigvals(a[np.ix_(keep, keep)])
        largest = np.abs(eigenvalues).max()
        assert eigenvalues.real.max() < 1e-10 * largest
        assert np.abs(eigenvalues.imag).max() < 1e-6 * largest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accuracy": 3}, "accuracy of differences is 3"),
        ({"points": [0.0, 0.5, 0.5, 1.0]}, "increasing"),
        ({"points": [0.0, 0.5, 1.5]}, "must lie in"),
        ({"points": [0.0, 0.25, 0.5, 0.75, 1.0], "periodic": True}, "periodic axis"),
        ({"points": [0.0, 0.25, 0.5, 0.75], "periodic": True, "left": Side(1, 0)}, "takes no conditions"),
    ],
)
def test_an_impossible_line_says_why(settings: dict, message: str) -> None:
    given = {"points": np.linspace(0, 1, 9), "low": 0.0, "high": 1.0, **settings}
    given["points"] = np.asarray(given["points"])
    with pytest.raises(InputError, match=message):
        Line(**given)


def test_too_few_points_and_other_bad_requests() -> None:
    with pytest.raises(InputError, match="needs 6 points along its axis; there are 5"):
        Line(np.linspace(0, 1, 5), 0, 1, accuracy=4).derivative(2)
    with pytest.raises(InputError, match="order of a derivative is 0"):
        Line(np.linspace(0, 1, 5), 0, 1).derivative(0)
    with pytest.raises(InputError, match="not both zero"):
        Side(0, 0)
    x = np.array([0.25, 1.25, 2.25, 3.25])
    b = -1 / np.sum(1 / x[:3])  # then (x - x1)(x - x2)(x - x3) meets the condition with g = 0: nothing fixes its size
    with pytest.raises(InputError, match="opposite signs"):
        Line(x, 0, 4, Side(1, b)).derivative(2)


t, X, Y = coordinates("t x y")
U = Field("u")(t, X, Y)
V = Field("v", components=("vx", "vy"))(t, X, Y)
H, AMOUNT = Parameter("h", 2.0), Parameter("amount", 0.5)
RAMP = Signal("ramp", AMOUNT * t, coefficients=[AMOUNT])


def declared(**boundary: object) -> Problem:
    return Problem(
        name="walls", fields=[U, V], parameters=[H], signals=[RAMP], domain=Box(x=(0, 1), y=(0, 1)), periodic=["y"],
        evolution={U: U.diff(X, 2), V: V.diff(X, 2)},
        boundary={U: {k.replace("_low", "-").replace("_high", "+"): v for k, v in boundary.items()},
                  V: {"x-": NoSlip(), "x+": Dirichlet((0, RAMP(t)))}},
    )  # fmt: skip


def test_declared_conditions_become_sides_and_values() -> None:
    problem = declared(x_low=Robin(sin(t) * X, a=H**2, b=3), x_high=Neumann(cos(Y)))
    assert sides(problem, "u", "x") == (Side(4, 3), Side(0, 1))
    assert sides(problem, "u", "x", {"h": 3.0})[0] == Side(9, 3)
    low, high = edges(problem, "u", "x")
    assert low is not None and high is not None
    assert str(low.value) == "x*sin(t)" and str(high.value) == "cos(y)"
    assert sides(problem, "u", "y") == (None, None)
    assert sides(problem, "vy", "x") == (Side(1, 0), Side(1, 0))
    wall, driven = edges(problem, "vy", "x")
    assert wall is not None and driven is not None
    assert wall.value == 0 and str(driven.value) == "amount*t"
    assert sides(declared(), "u", "x") == (None, None)


def test_conditions_that_cannot_be_used_are_named() -> None:
    with pytest.raises(InputError, match=r"condition Outflow of 'u' on x\+"):
        sides(declared(x_high=Outflow()), "u", "x")
    with pytest.raises(InputError, match=r"condition Robin of 'u' on x- has a coefficient that depends on t"):
        sides(declared(x_low=Robin(0, a=1 + t**2, b=1)), "u", "x")
    with pytest.raises(InputError, match=r"depends on u\(t, x, y\)"):
        sides(declared(x_low=Neumann(-(U**4))), "u", "x")
    with pytest.raises(InputError, match="not both zero"):
        sides(declared(x_low=Robin(0, a=H, b=0)), "u", "x", {"h": 0.0})
