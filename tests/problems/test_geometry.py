from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core.errors import InputError
from sciflow.problems import Box, Disk, Parameter, Shape
from sciflow.problems.geometry import evaluate

r = Parameter("r", 0.5)
SQUARE, DISK, BALL = Box(x=(-2, 2), y=(-1, 1)), Disk((0.5, 0), r), Disk((0, 0, 0), 0.5)
CUT, STEP = SQUARE - DISK, Box(x=(0, 2), y=(0, 1)) - Box(x=(0.8, 1.2), y=(0, 0.5))
TWICE = SQUARE - Disk((-1, 0), 0.4) - Disk((1, 0), 0.2)
CUBE = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)) - BALL
VALUES = {"r": 0.5}
SHAPES = {"box": SQUARE, "disk": DISK, "ball": BALL, "cut": CUT, "step": STEP, "twice": TWICE, "cube": CUBE}
AREAS = {
    "box": 8.0,
    "disk": np.pi / 4,
    "ball": np.pi / 6,
    "cut": 8 - np.pi / 4,
    "step": 1.8,
    "twice": 8 - 0.2 * np.pi,
    "cube": 8 - np.pi / 6,
}

coordinate = st.floats(-4, 4)


@given(coordinate, coordinate)
def test_distance_of_a_box_is_the_distance_to_the_nearest_point(px: float, py: float) -> None:
    nearest = np.clip([px, py], [-2, -1], [2, 1])
    outside = np.hypot(px - nearest[0], py - nearest[1])
    expected = outside if outside > 0 else -min(2 - abs(px), 1 - abs(py))
    assert SQUARE.distance(np.array([[px, py]]), {})[0] == pytest.approx(expected, abs=1e-12)


@given(coordinate, coordinate, st.floats(0.1, 2))
def test_distance_of_a_disk_and_of_its_complement(px: float, py: float, radius: float) -> None:
    point, values = np.array([[px, py]]), {"r": radius}
    expected = np.hypot(px - 0.5, py) - radius
    assert DISK.distance(point, values)[0] == pytest.approx(expected, abs=1e-12)
    assert CUT.distance(point, values)[0] == max(SQUARE.distance(point, values)[0], -DISK.distance(point, values)[0])


@given(st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=2, unique=True))
def test_signed_distance_changes_no_faster_than_the_point_moves(pair: list[tuple[float, float]]) -> None:
    points = np.array(pair)
    for shape in (SQUARE, DISK, CUT, STEP, TWICE):
        first, second = shape.distance(points, VALUES)
        assert abs(first - second) <= np.linalg.norm(points[0] - points[1]) + 1e-12


@pytest.mark.parametrize("name", SHAPES)
def test_area_by_monte_carlo(name: str) -> None:
    shape, rng = SHAPES[name], np.random.default_rng(0)
    low, high = np.array(list(shape.box(VALUES).values())).T
    inside = shape.inside(rng.uniform(low, high, (40_000, len(low))), VALUES)
    volume = np.prod(high - low)
    assert inside.mean() * volume == pytest.approx(AREAS[name], abs=4 * volume * 0.5 / np.sqrt(40_000))


@pytest.mark.parametrize("name", SHAPES)
def test_interior_points_are_inside_and_centred(name: str) -> None:
    shape = SHAPES[name]
    points = shape.interior(2000, np.random.default_rng(1), VALUES)
    assert points.shape == (2000, len(shape.box_axes()))
    assert shape.inside(points, VALUES).all()
    assert np.array_equal(points, shape.interior(2000, np.random.default_rng(1), VALUES))


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=5)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 300))
def test_boundary_points_lie_on_the_boundary_with_unit_outward_normals(name: str, seed: int, count: int) -> None:
    shape: Shape = SHAPES[name]
    points, normals = shape.boundary(count, np.random.default_rng(seed), VALUES)
    assert points.shape == normals.shape == (count, len(shape.box_axes()))
    np.testing.assert_allclose(shape.distance(points, VALUES), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-12)
    assert (shape.distance(points + 1e-6 * normals, VALUES) > 0).all()
    assert (shape.distance(points - 1e-6 * normals, VALUES) < 0).all()


def _share(part: np.ndarray, expected: float) -> None:
    deviation = np.sqrt(expected * (1 - expected) / len(part))
    assert part.mean() == pytest.approx(expected, abs=5 * deviation)


def test_boundary_points_are_uniform_along_outer_and_inner_boundary() -> None:
    points, _ = CUT.boundary(8000, np.random.default_rng(2), VALUES)
    _share(np.abs(DISK.distance(points, VALUES)) < 1e-9, np.pi / (12 + np.pi))
    _share(np.isclose(points[:, 1], 1), 4 / (12 + np.pi))


def test_boundary_is_uniform_with_an_obstacle_on_the_wall_and_with_two_obstacles() -> None:
    points, _ = STEP.boundary(8000, np.random.default_rng(3), {})
    _share(np.isclose(points[:, 1], 0), 1.6 / 7)
    _share(np.isclose(points[:, 1], 0.5) & (np.abs(points[:, 0] - 1) < 0.2), 0.4 / 7)
    points, _ = TWICE.boundary(8000, np.random.default_rng(4), {})
    _share(np.abs(np.hypot(points[:, 0] + 1, points[:, 1]) - 0.4) < 1e-9, 0.8 * np.pi / (12 + 1.2 * np.pi))


def test_one_dimension_has_two_boundary_points() -> None:
    points, normals = Box(x=(0, 3)).boundary(50, np.random.default_rng(0), {})
    assert {(p, n) for p, n in zip(points[:, 0], normals[:, 0], strict=True)} == {(0.0, -1.0), (3.0, 1.0)}


def test_lengths_follow_the_parameters() -> None:
    box = Box(x=(-2 * r, r), y=(0, 1))
    assert box.box({"r": 0.25}) == {"x": (-0.5, 0.25), "y": (0.0, 1.0)}
    assert DISK.box({"r": 1.0}) == {"x": (-0.5, 1.5), "y": (-1.0, 1.0)}
    assert evaluate(r**2 + 1, {"r": 3.0}) == 10


def test_sides_are_named() -> None:
    assert SQUARE.sides == ("x-", "x+", "y-", "y+")
    assert TWICE.sides == ("x-", "x+", "y-", "y+", "obstacle")


def test_descriptions_differ_with_the_shape() -> None:
    descriptions = [str(shape.describe()) for shape in SHAPES.values()]
    assert len(set(descriptions)) == len(descriptions)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Box(), "bounds of at least one axis"),
        (lambda: Box(x=(1, 0)).box({}), "empty along x: from 1.0 to 0.0"),
        (lambda: DISK.box({"r": -1.0}), "radius of a disk must be positive; it is -1"),
        (lambda: DISK.box({}), "needs a value for r; declare it as a parameter"),
        (lambda: SQUARE - BALL, r"same axes can be cut out of each other, not \['x', 'y'\] and \['x', 'y', 'z'\]"),
        (lambda: (SQUARE - Disk((0, 0), 9)).interior(1, np.random.default_rng(0), {}), "domain is empty"),
        (lambda: (SQUARE - Disk((0, 0), 9)).boundary(1, np.random.default_rng(0), {}), "domain has no boundary"),
    ],
)
def test_impossible_shapes_are_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
