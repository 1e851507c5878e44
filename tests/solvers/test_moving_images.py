"""Moving and rotating digits: exact shifts and turns, disjoint images, what cannot be drawn."""

from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import zoom

from sciflow.core.errors import InputError
from sciflow.problems import get
from sciflow.solvers import simulate
from sciflow.solvers.images.motion import shifted, turned
from sciflow.solvers.images.pictures import HANDWRITTEN, handwritten

ONE = {"objects": 1, "resolution": 24, "cases": 1}


def frames(problem: str = "moving-digits", frames: int = 20, **options: object) -> np.ndarray:
    """[case, frame, y, x], one second apart."""
    return simulate(problem, times=np.arange(frames), **options).brightness.values


def test_parts_share_no_image_and_have_all_digits() -> None:
    pictures = handwritten(12)
    assert [len(part) for part in pictures.images] == list(HANDWRITTEN) == [1200, 250, 347]
    rows = [{image.tobytes() for image in part} for part in pictures.images]
    assert not any(a & b for a, b in combinations(rows, 2))
    assert sum(map(len, rows)) == 1797  # scikit-learn's images all differ
    assert all(set(part) == set(range(10)) for part in pictures.labels)


def test_enlarged_digits_keep_their_mass_and_agree_with_scipy() -> None:
    """scipy's zoom on the same grid of cells, an independent implementation of the cubic spline."""
    from sklearn.datasets import load_digits

    order = np.random.default_rng(0).permutation(1797)
    original = load_digits().images[order[0]] / 16
    found = handwritten(16).images[0][0]
    other = zoom(np.pad(original, 4), 2, order=3, grid_mode=True, mode="grid-constant")[8:-8, 8:-8]
    assert found == pytest.approx(np.clip(other, 0, 1), abs=2e-3)  # the two splines end differently, four pixels away
    assert found.mean() == pytest.approx(original.mean(), rel=0.05)


@pytest.mark.parametrize("velocity", [(1, 0), (-1, 1), (2, -3), (0, 0)])
def test_whole_pixels_per_frame_are_exact_rolls(velocity: tuple[int, int]) -> None:
    vx, vy = velocity
    found = frames(**ONE, vx1=vx, vy1=vy, frames=20)[0]
    for t in range(20):
        assert np.array_equal(found[t], np.roll(found[0], (t * vy, t * vx), (0, 1)))
    assert found.max() > 0.9 and found[0].std() > 0.1


def test_two_digits_move_each_in_its_own_way_and_are_clamped() -> None:
    moved = {"vx1": 1, "vy1": -1, "vx2": 0, "vy2": 1, "resolution": 24, "cases": 8, "frames": 20}
    both = frames(**moved, objects=2)
    first = frames(**moved, objects=1)
    rest = both - first  # where nothing was clamped this is the second digit
    assert both.min() >= 0 and both.max() == 1.0 and rest.min() >= 0
    for case in range(8):
        back = np.stack([np.roll(rest[case, t], -t, axis=0) for t in range(20)])
        unclamped = np.stack([np.roll(both[case, t] < 1, -t, axis=0) for t in range(20)])
        whole = back.max(axis=0)  # a pixel that is never covered shows the second digit
        assert np.abs(np.where(unclamped, back - whole, 0)).max() < 1e-12


def test_period_of_the_canvas_divides_no_scored_horizon() -> None:
    """With whole velocities all is back after 24 frames, so that copying a frame scores perfectly at such a horizon."""
    found = frames(vx1=1, vy1=0, vx2=-1, vy2=1, objects=2, resolution=24, cases=2, frames=80)
    assert np.array_equal(found[:, 24], found[:, 0])
    for horizon in (10, 20, 30, 40, 70):
        assert horizon % 24 and np.abs(found[:, horizon] - found[:, 0]).max() > 0.5


def test_parts_of_a_pixel_shift_the_trigonometric_interpolant() -> None:
    y, x = np.meshgrid(np.arange(12), np.arange(10), indexing="ij")

    def wave(dy: float, dx: float) -> np.ndarray:
        return np.cos(2 * np.pi * (2 * (y - dy) / 12 + 3 * (x - dx) / 10)) + np.sin(2 * np.pi * (y - dy) / 12)

    rows, columns = np.array([0.0, 0.3, -1.75]), np.array([0.0, 2.5, 1.0])
    found = shifted(wave(0, 0), rows, columns)
    assert found == pytest.approx(np.stack([wave(*pair) for pair in zip(rows, columns, strict=True)]), abs=1e-12)


def test_fractional_shifts_of_rough_images_are_a_group_without_the_nyquist_mode() -> None:
    image = np.random.default_rng(0).random((9, 9))  # odd sizes have no such mode
    once = shifted(shifted(image, np.array([0.4]), np.array([0.7]))[0], np.array([0.6]), np.array([-1.7]))[0]
    assert once == pytest.approx(np.roll(image, (1, -1), (0, 1)), abs=1e-12)


def test_fractional_velocities_stay_within_bounds() -> None:
    found = frames(**ONE, vx1=0.5, vy1=0.25, frames=9)[0]
    assert found.min() == 0 and found.max() <= 1
    assert np.array_equal(found[4], np.roll(found[0], (1, 2), (0, 1)))  # after four frames the shift is whole
    assert not np.array_equal(found[1], found[0])


def test_quarter_turns_are_exact_and_small_turns_add_up() -> None:
    found = frames("rotating-digits", **ONE, rate1=90.0, frames=5)[0]
    for t in range(5):
        assert found[t] == pytest.approx(np.rot90(found[0], -t), abs=1e-12)
    image = handwritten(16).images[0][3]
    straight = turned(image, np.array([0.0, 90.0, 360.0]), (24, 24))
    assert straight[0][4:-4, 4:-4] == pytest.approx(image, abs=1e-12) and straight[2] == pytest.approx(straight[0])
    assert straight[1] == pytest.approx(np.rot90(straight[0], -1), abs=1e-12)


def test_turns_go_from_x_to_y_and_keep_the_mass() -> None:
    y, x = np.meshgrid(*[np.arange(24) - 11.5] * 2, indexing="ij")

    def bump(angle: float) -> np.ndarray:
        a = np.deg2rad(angle)
        return np.exp(-((x - 5 * np.cos(a)) ** 2 + (y - 5 * np.sin(a)) ** 2) / 8)

    angles = np.array([0.0, 10.0, 40.0, 130.0, -75.0])
    found = turned(bump(0), angles, (24, 24))
    assert found == pytest.approx(np.stack([bump(angle) for angle in angles]), abs=2e-3)


def test_cases_come_from_their_seeds() -> None:
    options = {"resolution": 24, "frames": 3, "subset": "all"}
    once, again, other = (frames(cases=4, seed=seed, **options) for seed in (1, 1, 2))
    assert np.array_equal(once, again) and not np.array_equal(once, other)
    assert len({case.tobytes() for case in once}) == 4


def test_train_and_test_cases_show_images_of_their_parts() -> None:
    """At rest and alone, each case is one image of its part, moved."""
    for place in range(3):
        known = {np.sort(image, axis=None).tobytes() for image in handwritten(12).images[place]}
        for case in frames(**{**ONE, "cases": 6}, images=place, frames=2)[:, 0]:
            assert np.sort(case, axis=None)[-144:].tobytes() in known


def test_families_of_velocities() -> None:
    problem = get("moving-digits")

    def seen(subset: str, count: int, *names: str) -> list[tuple[float, ...]]:
        return [tuple(case.parameters[n] for n in names) for case in problem.sample(count, 3, subset)]

    for subset, count in (("all", 9), ("wide", 25), ("axis", 5), ("diagonal", 4)):
        first, second = (seen(subset, 2 * count, f"vx{n}", f"vy{n}") for n in (1, 2))
        assert len(set(first)) == count
        assert all(first.count(v) == 2 == second.count(v) for v in set(first)) and first != second
    assert {abs(vx) + abs(vy) for vx, vy in seen("axis", 5, "vx1", "vy1")} == {0, 1}
    assert {abs(vx * vy) for vx, vy in seen("diagonal", 4, "vx2", "vy2")} == {1}
    fixed = seen("fixed", 98, "vx1", "vy1", "vx2", "vy2")
    assert all(row[:2] == row[2:] for row in fixed) and len(set(fixed)) == 49
    assert {fixed.count(row) for row in fixed} == {2} and max(max(row) for row in fixed) == 3
    rates = [case.parameters["rate1"] for case in get("rotating-digits").sample(9, 0, "all")]
    assert sorted(rates) == [-40, -30, -20, -10, 0, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objects": 4}, "'objects' is 4; it is one of 1, 2, 3"),
        ({"images": 3}, "'images' is 3; it is one of 0, 1, 2"),
        ({"resolution": 32}, "is 24 wide along x and the resolution is 32"),
        ({"canvas": 8, "resolution": 8}, "12 pixels wide and the canvas has 8 x 8"),
        ({"options": {"size": 7}}, "size of the digits is 7"),
        ({"options": {"motion": "rotatoin"}}, "no motion 'rotatoin'. Did you mean 'rotation'"),
        ({"options": {"motion": "rotation"}}, "needs the parameter 'rate1'"),
        ({"initial": {"brightness": np.zeros((1, 24, 24))}}, "draws its digits itself"),
    ],
)
def test_what_cannot_be_drawn(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate("moving-digits", **{"resolution": 24, "times": [0, 1], **options})


def test_other_problems_are_refused() -> None:
    with pytest.raises(InputError, match="it solves no equations"):
        simulate("swift-hohenberg", resolution=24, solver="moving-images")
    with pytest.raises(InputError, match="one field of t, x and y"):
        simulate("burgers", resolution=24, solver="moving-images")
