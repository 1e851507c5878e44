"""Frames of reference: what a mean flow carries is what stands still, moved; to rounding errors where it can be.

The grids are coarse: nothing here depends on whether they resolve the solution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from sympy import Eq, cos, pi

from sciflow.core.errors import InputError
from sciflow.problems import (
    Box,
    Case,
    Field,
    Parameter,
    Problem,
    coordinates,
    galilean,
    get,
    laplacian,
    numbered_waves,
    translation,
)
from sciflow.solvers import build
from sciflow.solvers.periodic.comoving import shifted

t, x, y = coordinates("t x y")
u = Field("u")(t, x)
c = Parameter("c", 0.0, -1, 1, hidden=True)
nu = Parameter("nu", 0.02)
TIMES = np.arange(9.0)  # of equal number in most tests, so that little is compiled
pytestmark = pytest.mark.filterwarnings("ignore:.*under-resolved")
CELL = 22 / 16  # per unit of time, on 16 points of a period of 22


def kuramoto(drifts: list[float], times: np.ndarray = TIMES, **options: Any) -> xr.Dataset:
    problem = get("kuramoto-sivashinsky-drift")
    cases = [Case(i, 0, problem.values({"c": drift, "start": 3.0})) for i, drift in enumerate(drifts)]
    return build(problem, 16, **{"oversample": 2, **options}).run(cases, times)


def wave(**changes: Any) -> Problem:
    """Burgers carried by c."""
    given: dict[str, Any] = {
        "name": "carried",
        "fields": [u],
        "parameters": [c, nu],
        "domain": Box(x=(0, 1)),
        "periodic": ["x"],
        "time": (0, 1),
        "evolution": {u: -(u + c) * u.diff(x) + nu * u.diff(x, 2)},
        "initial": {u: numbered_waves(2, {x: 1}, modes=2)},
        "symmetries": [translation("x"), galilean("x", c)],
    }
    return Problem(**{**given, **changes})


def solve(problem: Problem, values: list[dict[str, float]], times: np.ndarray, points: int = 32, **options: Any) -> Any:
    cases = [Case(i, 0, problem.values(own)) for i, own in enumerate(values)]
    return build(problem, points, **options).run(cases, times)


def test_whole_cells_of_drift_roll_the_frames_of_chaos() -> None:
    """After any time: chaos would blow up a difference in the last digit."""
    times = np.arange(0, 120.5, 15.0)
    data = kuramoto([0.0, CELL, -3 * CELL], times, dt=0.25).u.values
    for frame, time in enumerate(times):
        for case, cells in enumerate((0, 1, -3)):
            assert np.array_equal(data[case, frame], np.roll(data[0, frame], int(cells * time)))
    assert np.abs(data[0, -1] - data[0, -2]).max() > 0.5  # and it does move by itself


def test_half_cells_of_drift_are_fourier_shifts() -> None:
    """Two half cells are a whole one; the field has nothing at the Nyquist number, so that nothing is lost."""
    data = kuramoto([0.0, CELL / 2, CELL], dt=0.25).u.values
    assert np.array_equal(data[1, 2], np.roll(data[0, 2], 1))
    waves = np.fft.rfft(data[:, 1], axis=-1)
    phases = np.exp(-1j * np.pi * np.arange(9) / 16)
    # The stored points alias a little of what the solver's own grid holds.
    assert np.abs(waves[1] - waves[0] * phases)[:6].max() < 2e-3 * np.abs(waves[0]).max()


def test_drift_is_what_the_plain_solver_computes() -> None:
    """The same problem without the frame, whose error shrinks at fourth order of its step."""
    problem, times = wave(), np.linspace(0, 0.5, 3)
    own = [{"c": 0.37}, {"c": -1.0}]
    ours = solve(problem, own, times, dt=0.5 / 512, comoving=True).u.values
    errors = []
    for steps in (64, 128, 256):
        plain = solve(problem, own, times, dt=0.5 / steps).u.values
        errors.append(np.abs(plain - ours).max())
    assert errors[-1] < 1e-7 and errors[0] / errors[1] > 10 and errors[1] / errors[2] > 10


def test_the_error_of_the_time_step_does_not_depend_on_the_drift() -> None:
    problem, times = wave(), np.linspace(0, 0.5, 3)
    own = [{"c": 0.0}, {"c": 0.37}, {"c": 1.0}]
    coarse, fine = (solve(problem, own, times, dt=0.25 / steps, comoving=True).u.values for steps in (8, 256))
    errors = np.sqrt(((coarse - fine) ** 2).mean(axis=-1))[:, 1:]
    assert errors.min() > 1e-8 and np.allclose(errors, errors[0], rtol=1e-6)


def test_a_boost_moves_and_raises_the_velocity() -> None:
    problem = get("burgers-boost")
    own = [{"mean": mean, "start": 4.0} for mean in (0.0, 1.0, -4.0)]
    data = solve(problem, own, np.arange(9) / 32, dt=1 / 1024, oversample=2).u.values
    for case, mean in enumerate((0, 1, -4)):
        for frame in range(9):
            assert np.abs(np.roll(data[0, frame], mean * frame) + mean - data[case, frame]).max() < 1e-13


def test_two_axes_and_a_field_that_a_constraint_determines() -> None:
    problem = get("vorticity-mean-flow")
    own = [{"U": 0.0, "V": 0.0}, {"U": 2.0, "V": -1.0}]
    data = solve(problem, own, np.arange(4) / 16, points=16, dt=1 / 64)
    for name in ("w", "psi"):
        still, carried = data[name].values
        for frame in range(4):
            assert np.array_equal(np.roll(still[frame], (-frame, 2 * frame), (0, 1)), carried[frame])


@pytest.mark.parametrize(("comoving", "bound"), [(True, 0.0), (False, 1e-5)])
def test_boosting_two_streams_moves_the_scalar(comoving: bool, bound: float) -> None:
    """No frame moves with both streams: with the first, the second has its difference to it."""
    problem, options = get("scalar-two-streams"), {"comoving": comoving, "tolerance": 1e-7}
    own = [{"c1": -1.0, "c2": 1.0}, {"c1": 0.0, "c2": 2.0}, {"c1": -3.0, "c2": -1.0}]
    data = solve(problem, own, np.arange(6) / 32, points=32, **options).s.values
    for case, cells in enumerate((0, 1, -2)):
        for frame in range(6):
            difference = np.roll(data[0, frame], cells * frame, axis=-1) - data[case, frame]
            assert np.abs(difference).max() <= bound
    for row, speed in ((0, -1), (16, 1)):  # and the middle of each stream has gone with it, but for diffusion
        moved = np.roll(data[0, 0, row], 5 * speed)
        assert np.corrcoef(moved, data[0, 5, row])[0, 1] > 0.98


def test_spin_up_is_time_before_the_first_frame() -> None:
    drifts = [0.0, CELL, -CELL]
    whole, later = kuramoto(drifts, dt=0.125), kuramoto(drifts, dt=0.125, spin_up=4.0)
    for case, cells in enumerate((0, 1, -1)):  # the frames of all drifts agree at the first time
        expected = np.roll(whole.u.values[case, 4:], -4 * cells, axis=-1)
        assert np.abs(later.u.values[case, :5] - expected).max() < 1e-12
    assert np.array_equal(later.time.values, TIMES)


def test_given_fields_are_the_first_frame() -> None:
    problem = get("kuramoto-sivashinsky-drift")
    given = np.cos(2 * np.pi * np.arange(16) / 16)[None]
    cases = [Case(0, 0, problem.values({"c": CELL}))]
    data = build(problem, 16, spin_up=50.0, dt=0.25).run(cases, TIMES, {"u": given})
    assert np.allclose(data.u.values[0, 0], given[0], atol=1e-14)


@pytest.mark.parametrize("count", [8, 9])
def test_shifts_form_a_group_below_the_nyquist_number(count: int) -> None:
    values = np.random.default_rng(0).standard_normal((1, 1, count))
    there = shifted(values, np.array([[0.3]]), -1)
    back = shifted(there, np.array([[-0.3]]), -1)
    kept = np.fft.rfft(values)
    if count % 2 == 0:
        kept[..., -1] *= np.cos(0.3 * np.pi) ** 2  # what a grid of an even number of points can show of it, twice
    assert np.allclose(np.fft.rfft(back), kept, atol=1e-13)
    assert np.array_equal(shifted(values, np.array([[3.0 + 1e-12]]), -1), np.roll(values, 3, -1))


def test_a_shift_moves_a_wave() -> None:
    points = np.arange(12)
    values = np.cos(2 * np.pi * 5 * points / 12) * np.ones((2, 3, 7, 1))
    cells = np.array([[0, 0.25, 1.5], [-2, 13.7, 100.5]])
    exact = np.cos(2 * np.pi * 5 * (points - cells[:, :, None, None]) / 12) * np.ones((7, 1))
    assert np.allclose(shifted(values, cells, -1), exact, atol=1e-12)
    assert np.allclose(shifted(values.swapaxes(2, 3), cells, -2), exact.swapaxes(2, 3), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symmetries": [translation("x")]}, "declares no galilean symmetry"),
        ({"evolution": {u: -c * u * u.diff(x)}}, "'u' of 'carried' is not the same in a frame that moves with c"),
        ({"evolution": {u: -c * u.diff(x) + cos(2 * pi * x)}}, "is not the same in a frame"),
        ({"evolution": {u: -2 * c * u.diff(x)}}, "is not the same in a frame"),
        ({"symmetries": [galilean("x", u)], "evolution": {u: -u * u.diff(x) - u}}, "moves with u along x"),
    ],
)
def test_equations_that_a_boost_changes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(wave(**changes), 16, comoving=True)


def test_a_constraint_that_a_boost_changes_is_refused() -> None:
    w, psi = Field("w")(t, x, y), Field("psi")(t, x, y)
    problem = Problem(
        name="bound",
        fields=[w, psi],
        parameters=[c],
        domain=Box(x=(0, 1), y=(0, 1)),
        periodic=["x", "y"],
        time=(0, 1),
        evolution={w: -c * w.diff(x) + psi},
        constraints={psi: Eq(laplacian(psi), -w - c * w.diff(x))},
        symmetries=[galilean("x", c)],
    )
    with pytest.raises(InputError, match="The equation of 'psi' of 'bound' is not the same"):
        build(problem, 8, comoving=True)


def test_bad_spin_up_is_refused() -> None:
    with pytest.raises(InputError, match="spin_up is -1"):
        build(wave(), 16, spin_up=-1.0)


def test_cases_do_not_depend_on_their_companions() -> None:
    problem = get("kuramoto-sivashinsky-drift")
    cases = problem.sample(3, subset="testing")
    solver = build(problem, 16, oversample=2, dt=0.25, spin_up=4.0)
    one = solver.run(cases, TIMES).u.values[2]
    other = solver.run([replace(cases[2], index=0), *problem.sample(2, subset="training")], TIMES).u.values[0]
    assert np.array_equal(one, other)
