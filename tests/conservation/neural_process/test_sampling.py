"""What neural processes are shown: places of contexts and targets, and features of coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sciflow.conservation.neural_process.coordinates import Coordinates
from sciflow.conservation.neural_process.sampling import Sampler
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays

T, Y, X = np.linspace(0, 2, 21), np.array([0.0, 1.0, 3.0]), np.linspace(0, 0.75, 4)


def linear_cases(**options: object) -> Dataset:
    """u = case + t + 10 y + 100 x and v = -u, so that a value tells its place."""
    u = np.arange(3)[:, None, None, None] + T[:, None, None] + 10 * Y[:, None] + 100 * X
    return from_arrays({"u": u, "v": -u}, times=T, coordinates={"y": Y, "x": X}, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["lattice", "scattered"])
def test_values_belong_to_their_points(pattern: str) -> None:
    sampler = Sampler(linear_cases(), pattern, (4, 3))  # type: ignore[arg-type]
    found = sampler.draw(np.random.default_rng(0), 5)
    for points, values in ((found.context, found.context_values), (found.targets, found.target_values)):
        expected = found.cases[:, None] + points @ [1.0, 10.0, 100.0]
        np.testing.assert_allclose(values[..., 0], expected, rtol=1e-6)
        np.testing.assert_allclose(values[..., 1], -expected, rtol=1e-6)
    assert found.targets.shape == (5, 12, 3)
    if pattern == "lattice":
        times = found.context[..., 0].reshape(5, 4, 3)
        assert (times == times[..., :1]).all() and found.context.shape == found.targets.shape
        shares = np.clip(np.floor(times[..., 0] / 2 * 4 - 1e-9), 0, 3)  # a bin's edge may round to its neighbour
        assert (np.abs(shares - np.arange(4)) <= 1).all() and (np.diff(times[..., 0]) > 0).mean() > 0.9
        assert (found.context[:, :3, 1:] == found.context[:, 3:6, 1:]).all()  # the same places at all times
    else:
        assert 4 <= found.context.shape[1] <= 12


def test_nodes_are_as_likely_as_the_length_around_them() -> None:
    """y = 0, 1, 3: intervals 0.5, 1.5 and 1 of 3; periodic x: all alike. 20,000 draws: 5 standard errors are 0.018."""
    sampler = Sampler(linear_cases(periodic=("x",)), "scattered", (1, 20_000))
    found = sampler.of(np.array([0]), np.random.default_rng(0)).targets[0]
    for axis, nodes, expected in ((1, Y, [1 / 6, 1 / 2, 1 / 3]), (2, X, [1 / 4] * 4)):
        shares = [(found[:, axis] == node).mean() for node in nodes]
        np.testing.assert_allclose(shares, expected, atol=0.018)
    ends = [(found[:, 0] == end).mean() for end in (0.0, 2.0)]
    np.testing.assert_allclose(ends, 1 / 40, atol=0.006)


def test_solid_cells_and_frames_beyond_the_end_are_never_drawn() -> None:
    u = [np.arange(5.0)[:, None, None] + np.zeros((5, 3, 4)), np.zeros((2, 3, 4))]
    mask = np.ones((2, 3, 4), bool)
    mask[0, 1], mask[1, :, 2] = False, False
    data = from_arrays({"u": u}, coordinates={"y": Y, "x": X}, mask=mask)
    found = Sampler(data, "scattered", (1, 500)).of(np.array([0, 1]), np.random.default_rng(0)).targets
    assert not (found[0, :, 1] == Y[1]).any() and not (found[1, :, 2] == X[2]).any()
    assert set(found[0, :, 0]) == {0.0, 1.0, 2.0, 3.0, 4.0} and set(found[1, :, 0]) == {0.0, 1.0}


def test_cases_are_read_again_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Sampler(linear_cases(), "lattice", (2, 2)).draw(np.random.default_rng(1), 4)
    monkeypatch.setattr("sciflow.conservation.neural_process.sampling._HELD_BYTES", 0)
    again = Sampler(linear_cases(), "lattice", (2, 2)).draw(np.random.default_rng(1), 4)
    np.testing.assert_array_equal(whole.context_values, again.context_values)


def test_features_fill_the_unit_box_and_close_the_circle() -> None:
    data = linear_cases(periodic=("x",))
    points = torch.tensor([[0.0, 0.0, 0.0], [2.0, 3.0, 1.0], [1.0, 1.5, 0.25]], dtype=torch.float64)
    unit, raw = (Coordinates.of(data, scaling) for scaling in ("unit", "raw"))  # type: ignore[arg-type]
    r = 1 / (2 * np.pi)
    expected = torch.tensor([[0.0, 0.0, r, 0.0], [1.0, 1.0, r, 0.0], [0.5, 0.5, 0.0, r]])
    torch.testing.assert_close(unit(points), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(raw(points), points.float())
    assert (unit.count, raw.count) == (4, 3) and Coordinates.from_json(unit.to_json()) == unit
    steady = Coordinates.of(from_arrays({"u": np.zeros((2, 3, 4))}, steady=True), "raw")
    assert steady.steady and steady.count == 2
    torch.testing.assert_close(steady(points), points[:, 1:].float())


def test_patterns_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="sampling must be"):
        Sampler(linear_cases(), "random", (2, 2))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two whole numbers"):
        Sampler(linear_cases(), "lattice", (0, 2))
    with pytest.raises(InputError, match="coordinates must be"):
        Coordinates.of(linear_cases(), "log")  # type: ignore[arg-type]
