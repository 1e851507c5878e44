"""Collocation points: inside domains with cut-outs, evenly spread, on sides with outward normals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Eq

from sciflow.core.errors import InputError
from sciflow.pinn.points import adaptive, boundary, collocation
from sciflow.problems import Box, Case, Disk, Field, Parameter, Problem, coordinates, laplacian

t, x, y = coordinates("t x y")
u = Field("u")(t, x, y)
r = Parameter("r", 0.3, 0.1, 0.5)
TIME = (1.0, 3.0)


def _problem(domain: Any = None, dims: int = 2) -> Problem:
    if dims == 1:
        w = Field("u")(t, x)
        return Problem(name="p", fields=[w], domain=Box(x=(-1, 3)), time=TIME, evolution={w: w.diff(x, 2)})
    domain = domain or Box(x=(-1, 3), y=(0, 2)) - Disk((1, 1), r)
    return Problem(name="p", fields=[u], parameters=[r], domain=domain, time=TIME, evolution={u: laplacian(u)})


def _case(**parameters: float) -> Case:
    return Case(0, 0, {"r": 0.3, **parameters})


def test_points_fill_the_domain_and_spare_the_hole() -> None:
    points = collocation(_problem(), _case(r=0.5), TIME, 3000, np.random.default_rng(0))
    assert points.shape == (3, 3000)
    low, high = np.array([TIME, (-1, 3), (0, 2)]).T
    assert np.all((low < points.T) & (high > points.T))
    assert np.all(np.hypot(points[1] - 1, points[2] - 1) > 0.5)
    np.testing.assert_allclose(points.mean(axis=1), (low + high) / 2, atol=0.06)
    near = np.hypot(points[1] - 1, points[2] - 1) < 0.8  # the share of a ring about the hole
    assert near.mean() == pytest.approx(np.pi * (0.8**2 - 0.5**2) / (8 - np.pi * 0.25), rel=0.1)


def test_points_are_even() -> None:
    points = collocation(_problem(dims=1), Case(0, 0), TIME, 512, np.random.default_rng(1))
    for row, (low, high) in zip(points, (TIME, (-1, 3)), strict=True):
        places = np.floor((row - low) / (high - low) * 512).astype(int)
        assert sorted(places) == list(range(512))
    counts = np.histogram2d(*points, bins=(16, 32), range=(TIME, (-1, 3)))[0]
    assert counts.max() == counts.min() == 1


def test_steady_problems_have_no_row_of_times() -> None:
    plane = Field("u")(x, y)
    steady = Problem(name="s", fields=[plane], domain=Box(x=(0, 1), y=(0, 1)), steady={plane: Eq(laplacian(plane), 1)})
    assert collocation(steady, Case(0, 0), None, 20, np.random.default_rng(0)).shape == (2, 20)
    points, normals = boundary(steady, Case(0, 0), "y-", None, 20, np.random.default_rng(0))
    assert points.shape == normals.shape == (2, 20)
    assert not points[1].any()


def test_empty_domains_are_refused() -> None:
    with pytest.raises(InputError, match="domain of 'p' is almost empty"):
        collocation(_problem(), _case(r=5.0), TIME, 10, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("side", "axis", "place", "normal"), [("x-", 1, -1, -1), ("x+", 1, 3, 1), ("y-", 2, 0, -1), ("y+", 2, 2, 1)]
)
def test_sides_and_their_outward_normals(side: str, axis: int, place: float, normal: float) -> None:
    points, normals = boundary(_problem(), _case(), side, TIME, 400, np.random.default_rng(0))
    assert points.shape == (3, 400)
    np.testing.assert_array_equal(points[axis], place)
    expected = np.zeros((2, 400))
    expected[axis - 1] = normal
    np.testing.assert_array_equal(normals, expected)
    other, ends = (2, (0, 2)) if axis == 1 else (1, (-1, 3))
    for row, (low, high) in ((points[0], TIME), (points[other], ends)):
        assert row.min() >= low
        assert row.max() <= high
        assert row.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.1)


def test_the_surface_of_a_hole_faces_its_inside() -> None:
    points, normals = boundary(_problem(), _case(), "obstacle", TIME, 300, np.random.default_rng(0))
    assert points.shape == (3, 300)
    radii = points[1:] - 1.0
    np.testing.assert_allclose(np.hypot(*radii), 0.3, rtol=1e-12)
    np.testing.assert_allclose(normals, -radii / 0.3, rtol=0, atol=1e-12)
    angles = np.arctan2(*radii)
    assert np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0].min() > 50


def test_a_side_ends_where_an_obstacle_stands_on_it() -> None:
    """A step on the floor: no points of the floor under it, and no points of the obstacle on the floor."""
    problem = _problem(Box(x=(-1, 3), y=(0, 2)) - Box(x=(0, 2), y=(0, 1)))
    floor, _ = boundary(problem, _case(), "y-", TIME, 200, np.random.default_rng(0))
    assert floor.shape == (3, 200)
    assert np.all((floor[1] < 0) | (floor[1] > 2))
    assert np.any(floor[1] < 0)
    assert np.any(floor[1] > 2)
    step, normals = boundary(problem, _case(), "obstacle", TIME, 200, np.random.default_rng(0))
    assert np.all(step[2] > 0)
    top = step[2] == 1
    np.testing.assert_array_equal(normals[:, top], [[0.0] * top.sum(), [-1.0] * top.sum()])
    assert top.mean() == pytest.approx(0.5, abs=0.1)


def test_the_beginning_lies_inside_the_domain() -> None:
    points, normals = boundary(_problem(), _case(), "t-", TIME, 250, np.random.default_rng(0))
    np.testing.assert_array_equal(points[0], 1.0)
    assert np.all(np.hypot(points[1] - 1, points[2] - 1) > 0.3)
    assert normals.shape == (2, 250)


@pytest.mark.parametrize("side", ["obstacle", "z+"])
def test_sides_without_points_are_refused(side: str) -> None:
    with pytest.raises(InputError, match=f"condition on '{side.replace('+', '.')}', which has no points"):
        boundary(_problem(Box(x=(-1, 3), y=(0, 2))), _case(), side, TIME, 10, np.random.default_rng(0))


@pytest.mark.parametrize(("power", "dtype"), [(1.0, np.float64), (2.0, np.float32)])
def test_adaptive_density_in_expectation(power: float, dtype: Any) -> None:
    """p = (|r|^k / mean |r|^k + 1) / 2 M: from single draws."""
    sizes = np.array([0.0, 1.0, -3.0, 0.5, 7.0], dtype=dtype)
    candidates, rng = np.arange(10.0).reshape(2, 5), np.random.default_rng(2)
    drawn = np.array([adaptive(candidates, sizes, 1, rng, power)[:, 0] for _ in range(8000)])
    np.testing.assert_array_equal(drawn[:, 1], drawn[:, 0] + 5)
    weights = np.abs(sizes.astype(float)) ** power
    expected = (weights / weights.mean() + 1) / 10
    assert expected.sum() == pytest.approx(1)
    shares = np.bincount(drawn[:, 0].astype(int), minlength=5) / len(drawn)
    np.testing.assert_allclose(shares, expected, rtol=0, atol=4 * np.sqrt(expected.max() / 8000))


def test_adaptive_points_are_distinct_and_need_no_residual() -> None:
    candidates, rng = np.arange(40.0).reshape(1, 40), np.random.default_rng(3)
    chosen = adaptive(candidates, np.zeros(40, np.float32), 30, rng)
    assert chosen.shape == (1, 30)
    assert len(np.unique(chosen)) == 30
    assert adaptive(candidates, np.ones(40), 50, rng).shape == (1, 40)
