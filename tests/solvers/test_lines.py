"""The method of lines as a solver: what it takes, its options, and the data set that it gives."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Eq, exp, pi, sin

from sciflow.core.errors import InputError, SciflowError
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    Outflow,
    Parameter,
    Problem,
    Robin,
    Signal,
    coordinates,
    get,
    random_fourier,
)
from sciflow.solvers import build, choose, simulate
from sciflow.solvers.lines.march import pays_implicit
from sciflow.solvers.lines.solver import Lines

t, x, y = coordinates("t x y")
u, v = Field("u")(t, x), Field("v")(t, x)
w = Field("w")(t, x, y)
WALLS = {"x-": Dirichlet(0), "x+": Dirichlet(0)}
SWING = Parameter("swing", 2.0)
PUSH = Signal("push", sin(SWING * t), coefficients=[SWING])


def problem(**settings: object) -> Problem:
    given = {
        "name": "rod", "fields": [u], "domain": Box(x=(0, 1)), "evolution": {u: u.diff(x, 2)}, "boundary": {u: WALLS},
        "initial": {u: sin(pi * x)}, "time": (0, 1), **settings,
    }  # fmt: skip
    return Problem(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"periodic": ["x"], "boundary": {}}, "all its axes are periodic"),
        ({"evolution": {}, "steady": {u: Eq(u.diff(x, 2), 0)}, "initial": {}}, "no evolution equation"),
        ({"boundary": {}}, "'u' has no condition on x-, x+"),
        ({"boundary": {u: {"x-": Dirichlet(0)}}}, r"'u' has no condition on x\+"),
        ({"boundary": {u: {"x-": Dirichlet(0), "x+": Outflow()}}}, "condition Outflow of 'u'"),
        ({"boundary": {u: {"x-": Dirichlet(0), "x+": Robin(0, a=t, b=1)}}}, "depends on t"),
        ({"evolution": {u: -u.diff(x, 4)}}, "differentiated 4 times along x"),
        ({"evolution": {u: -u * u.diff(x)}}, "shocks"),
        ({"fields": [u, v]}, r"no equation determines \['v'\]"),
        ({"fields": [u, v], "constraints": {v: Eq(v.diff(x, 2), u)}}, "constraints"),
        (
            {"fields": [w], "domain": Box(x=(0, 1), y=(0, 1)) - Disk((0.5, 0.5), 0.1), "evolution": {w: -w},
             "boundary": {}, "initial": {}},
            "boxes only",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(settings: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Lines(problem(**settings), 16)


def test_it_is_chosen_for_walls_and_not_for_periodic_boxes() -> None:
    assert choose(problem())[0] == "lines"
    assert choose(get("burgers"))[0] == "periodic"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "explicite"}, "time method 'explicite'.*Did you mean 'explicit'"),
        ({"accuracy": 3}, "accuracy of the method of lines is 3"),
        ({"rtol": 0.0}, "must be positive"),
        ({"oversample": 0}, "whole numbers of at least 1"),
        ({"max_steps": 1.5}, "whole numbers of at least 1"),
        ({"dt": 0.1}, "has no option 'dt'"),
        ({"precision": "half"}, "no precision 'half'"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(problem(), 16, **options)


def test_limits_are_named() -> None:
    with pytest.raises(InputError, match="needs 6 points along its axis; there are 5"):
        simulate(problem(), resolution=5, frames=2)
    with pytest.raises(InputError, match="3500 unknowns"):
        simulate(problem(), resolution=3500, frames=2, options={"method": "implicit"})
    with pytest.raises(InputError, match="need.* periodic axes"):
        simulate(problem(initial={u: random_fourier()}), resolution=16, frames=2)


def test_implicit_steps_pay_where_diffusion_is_fast() -> None:
    assert pays_implicit(rate=1e7, decay=1.0, duration=1.0, unknowns=64)
    assert not pays_implicit(rate=1e7, decay=-1.0, duration=1.0, unknowns=64)  # a wave needs its steps
    assert not pays_implicit(rate=1e3, decay=1.0, duration=1.0, unknowns=64)


def test_frames_grid_and_attributes() -> None:
    """Uneven times, nodes with both ends, and the slowest mode of a rod: exp(-pi^2 t) sin(pi x)."""
    data = simulate(problem(), resolution=33, times=[0.0, 0.011, 0.2])
    assert np.array_equal(data.x, np.linspace(0, 1, 33)) and data.attrs["grid"] == "nodes"
    expected = np.exp(-(np.pi**2) * data.time.values[:, None]) * np.sin(np.pi * data.x.values)
    # Fourth order: t pi^2 (pi h)^4 / 90 = 2e-6 at t = 0.2, of a solution that has decayed to 0.14.
    assert np.abs(data.u.values[0] - expected).max() < 1e-6
    assert data.attrs["time_method"] == "explicit" and data.attrs["accuracy"] == 4
    assert 0 < data.attrs["steps"] < 1000


def test_frames_do_not_depend_on_their_number() -> None:
    few = simulate(problem(), resolution=33, times=[0.0, 0.1, 0.2]).u.values[0, -1]
    finer = problem().sample(1)
    solver = build(problem(), 17, oversample=2)
    data = solver.run(finer, np.array([0.0, 0.1, 0.2]))
    assert np.array_equal(data.u.values[0, -1], few[::2])  # the same grid, every second node stored
    assert data.x.values.tolist() == np.linspace(0, 1, 17).tolist()


def test_dirichlet_nodes_follow_signals_and_cases_keep_their_own_conditions() -> None:
    """u_xx = 0 in the limit of fast diffusion: a straight line between the driven end and a Robin end, by case."""
    loss, speed = Parameter("loss", 1.0), Parameter("speed", 1.0)
    declared = problem(
        parameters=[loss, speed], signals=[PUSH], evolution={u: speed * u.diff(x, 2)},
        boundary={u: {"x-": Dirichlet(PUSH(t)), "x+": Robin(0, a=loss, b=1)}}, initial={u: exp(-x)},
    )  # fmt: skip
    options = {"method": "implicit", "accuracy": 2}
    data = simulate(declared, loss=[0.5, 4.0], speed=1e5, resolution=17, times=[0, 0.5, 1.0], options=options)
    assert data.attrs["time_method"] == "implicit"
    driven = np.sin(2 * data.time.values)
    assert np.allclose(data.u.values[:, :, 0], driven, rtol=1e-14)  # the first frame too, whatever the initial field
    for case, h in enumerate((0.5, 4.0)):
        line = driven[1:, None] * (1 - h / (1 + h) * data.x.values)
        assert np.abs(data.u.values[case, 1:] - line).max() < 1e-4


def test_a_run_that_cannot_end_says_where_it_stopped() -> None:
    burst = problem(evolution={u: u.diff(x, 2) + 40 * u**2}, boundary={u: {"x-": Neumann(0), "x+": Neumann(0)}})
    with pytest.raises(SciflowError, match="got to a frame at time 0.01 but not to the next in 500 explicit steps"):
        simulate(burst, resolution=9, times=[0, 0.01, 1.0], options={"max_steps": 500, "method": "explicit"})


def test_single_precision_and_a_single_frame() -> None:
    only = simulate(problem(), resolution=17, times=[0.3])
    assert np.array_equal(only.u.values[0, 0, 1:-1], np.sin(np.pi * np.linspace(0, 1, 17))[1:-1])
    assert np.all(only.u.values[0, 0, [0, -1]] == 0)
    data = simulate(problem(), resolution=17, times=[0, 0.1], precision="float32")
    assert data.u.dtype == np.float32
    # rtol 1e-4 of a step, some twenty steps; and t pi^2 (pi h)^4 / 90 = 2e-5 by the differences.
    assert abs(data.u.values[0, -1, 8] - np.exp(-(np.pi**2) * 0.1)) < 1e-3
