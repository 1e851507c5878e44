"""The generic periodic solver against exact solutions, and its order in time."""

import dataclasses

import numpy as np
import pytest
from scipy.special import ive
from sympy import Eq

from sciflow.problems import Box, Case, Field, Parameter, Problem, coordinates, get, laplacian
from sciflow.solvers import build, simulate
from sciflow.solvers.initial import on_grid


def error_against_exact(name: str, resolution: int, times: list[float], **options) -> float:
    """Largest relative L2 error over the frames after the first, started from the exact solution."""
    problem = get(name)
    solution = simulate(problem, resolution=resolution, times=times, initial="exact", options=options)
    (case,) = problem.sample(1, **problem.values())
    grid = build(problem, resolution).grid([case])
    errors = []
    for frame, time in enumerate(times[1:], start=1):
        for field in problem.evolution:
            exact = on_grid(problem, problem.exact[field], case, grid, time)
            errors.append(np.linalg.norm(solution[field].values[0, frame] - exact) / np.linalg.norm(exact))
    return max(errors)


@pytest.mark.parametrize(("name", "resolution"), [("advection", 64), ("heat", 32)])
def test_linear_problems_are_exact_at_any_step(name: str, resolution: int) -> None:
    assert error_against_exact(name, resolution, [0.0, 0.7, 1.4]) < 1e-10


def test_burgers_against_cole_hopf() -> None:
    assert error_against_exact("burgers", 128, [0.0, 0.5, 1.0]) < 1e-6


def test_burgers_from_a_sine_against_cole_hopf() -> None:
    """u0 = sin(2 pi x): phi is a sum of modified Bessel functions (Cole 1951, Benton and Platzman 1972)."""
    nu, time, points = 0.02, 0.5, 256
    x = np.arange(points) / points
    solution = simulate(
        "burgers", nu=nu, resolution=points, times=[0, time], initial={"u": np.sin(2 * np.pi * x)[None]}
    )
    # u = -2 nu phi_x / phi with phi_0 = exp(r cos(2 pi x)), up to a constant; scaled Bessel functions do not overflow.
    order, r = np.arange(1, 60), 1 / (4 * np.pi * nu)
    weights = 2 * ive(order, r) * np.exp(-nu * (2 * np.pi * order) ** 2 * time)
    phi = ive(0, r) + np.cos(2 * np.pi * np.outer(x, order)) @ weights
    slope = -(np.sin(2 * np.pi * np.outer(x, order)) * 2 * np.pi * order) @ weights
    exact = -2 * nu * slope / phi
    assert np.linalg.norm(solution.u.values[0, 1] - exact) / np.linalg.norm(exact) < 1e-6


def test_kdv_against_its_soliton() -> None:
    assert error_against_exact("kdv", 384, [0.0, 0.1, 0.2]) < 1e-6


def test_taylor_green_vortices() -> None:
    assert error_against_exact("navier-stokes-2d", 32, [0.0, 0.5, 1.0], tolerance=1e-10) < 1e-9


@pytest.mark.parametrize(
    ("name", "resolution", "time", "steps"), [("burgers", 128, 0.25, (40, 80, 160)), ("kdv", 384, 0.05, (40, 80, 160))]
)
def test_temporal_order_is_four(name: str, resolution: int, time: float, steps: tuple[int, ...]) -> None:
    """Order from runs with halved steps, against a run with eight times as many: space errors cancel."""
    problem = get(name)
    start = "exact"
    if name == "burgers":  # the exact solution is too smooth: its time error is round-off
        start = {"u": np.sin(2 * np.pi * np.arange(resolution) / resolution)[None]}

    def run(count: int) -> np.ndarray:
        options = {"dt": time / count}
        return simulate(problem, resolution=resolution, times=[0, time], initial=start, options=options).u.values[0, 1]

    reference = run(8 * steps[-1])
    errors = [np.linalg.norm(run(count) - reference) for count in steps]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert orders == pytest.approx([4, 4], abs=0.3)


def test_same_solution_as_exponax_for_burgers() -> None:
    """An independent implementation, where it is right: real linear parts."""
    exponax = pytest.importorskip("exponax")
    jax = pytest.importorskip("jax")
    points, nu, dt, steps = 128, 0.01, 0.01, 50
    start = np.sin(2 * np.pi * np.arange(points) / points)
    with jax.enable_x64(True):
        stepper = exponax.stepper.Burgers(1, 1.0, points, dt, diffusivity=nu, order=4)
        state = jax.numpy.asarray(start[None])
        for _ in range(steps):
            state = stepper(state)
        theirs = np.asarray(state[0])
    ours = simulate(
        "burgers", nu=nu, resolution=points, times=[0, dt * steps], initial={"u": start[None]}, options={"dt": dt}
    ).u.values[0, 1]
    # Both are dealiased by the 2/3 rule; where the cut lies differs by one mode of 1e-7 of the amplitude.
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 1e-5


def _three_dimensional() -> Problem:
    """A manufactured solution in 3-D: u = exp(-t) sin(x + y + z) of a forced Burgers-like equation."""
    from sympy import cos, exp, pi, sin

    t, x, y, z = coordinates("t x y z")
    u = Field("u")(t, x, y, z)
    k = Parameter("k", 0.1)
    wave = x + y + z
    exact = exp(-t) * sin(wave)
    forcing = (3 * k - 1) * exact + exact * exp(-t) * cos(wave)
    return Problem(
        name="manufactured-3d",
        fields=[u],
        parameters=[k],
        domain=Box(x=(0, 2 * pi), y=(0, 2 * pi), z=(0, 2 * pi)),
        periodic=["x", "y", "z"],
        time=(0, 0.5),
        evolution={u: -u * u.diff(x) + k * laplacian(u) + forcing},
        exact={u: exact},
    )


def test_three_dimensions_with_time_dependent_forcing() -> None:
    problem = _three_dimensional()
    solution = simulate(problem, resolution=16, times=[0, 0.25, 0.5], initial="exact", options={"tolerance": 1e-9})
    assert dict(solution.sizes) == {"case": 1, "time": 3, "z": 16, "y": 16, "x": 16}
    axis = 2 * np.pi * np.arange(16) / 16
    exact = np.exp(-0.5) * np.sin(axis[:, None, None] + axis[:, None] + axis)
    assert np.abs(solution.u.values[0, -1] - exact).max() < 1e-8


def test_grid_order_in_two_dimensions() -> None:
    """A wave along x only varies along the last axis, on a grid that differs by axis."""
    from sympy import cos

    t, x, y = coordinates("t x y")
    u = Field("u")(t, x, y)
    problem = Problem(
        name="along-x", fields=[u], domain=Box(x=(0, 6.283185307179586), y=(0, 3)), periodic=["x", "y"], time=(0, 1),
        evolution={u: -u.diff(x)}, initial={u: cos(x)},
    )  # fmt: skip
    solution = simulate(problem, resolution=(16, 8), times=[0, 1.0])
    assert solution.u.dims == ("case", "time", "y", "x") and solution.u.shape == (1, 2, 8, 16)
    assert solution.u.values[0, 1] == pytest.approx(np.tile(np.cos(solution.x.values - 1), (8, 1)), abs=1e-12)


def test_systems_and_second_order_in_time() -> None:
    """u_tt = u_xx as a system of two fields: a standing wave."""
    from sympy import cos

    t, x = coordinates("t x")
    u, v = Field("u")(t, x), Field("v")(t, x)
    problem = Problem(
        name="wave-system", fields=[u, v], domain=Box(x=(0, 6.283185307179586)), periodic=["x"], time=(0, 2),
        evolution={u: v, v: u.diff(x, 2)}, initial={u: cos(x)},
    )  # fmt: skip
    solution = simulate(problem, resolution=16, times=[0, 1.0, 2.0], options={"tolerance": 1e-10})
    assert solution.u.values[0, 2] == pytest.approx(np.cos(2) * np.cos(solution.x.values), abs=1e-8)


def test_mass_is_conserved_to_round_off() -> None:
    for name, field, points, resolved in (
        ("burgers", "u", 64, {"nu": 0.05}),
        ("kdv", "u", 128, {}),
        ("navier-stokes-2d", "w", 64, {"nu": 0.01}),
    ):
        times = np.linspace(0, 0.1, 5)
        solution = simulate(name, cases=2, resolution=points, times=times, seed=3, options={"dt": 2.5e-3}, **resolved)
        total = solution[field].mean([dim for dim in solution[field].dims if dim in "xyz"])
        assert np.abs(total - total.isel(time=0)).max() < 1e-12 * np.abs(solution[field]).max()


def test_stream_function_satisfies_its_constraint() -> None:
    problem = get("navier-stokes-2d")
    solution = simulate(problem, cases=1, nu=0.01, resolution=64, times=np.linspace(0, 0.1, 6))
    residual = problem.residual("spectral")(solution)
    assert np.abs(residual.psi).max() < 1e-9 * np.abs(solution.w).max()
    assert np.abs(solution.psi.mean(("x", "y"))).max() < 1e-12


def test_a_case_does_not_depend_on_its_neighbours() -> None:
    problem = get("burgers")
    cases = problem.sample(3, seed=5, nu=0.02)
    options = {"dt": 0.01}
    together = simulate(problem, cases=cases, resolution=64, frames=3, options=options)
    alone = simulate(problem, cases=cases[2:], resolution=64, frames=3, options=options)
    assert together.u.values[2] == pytest.approx(alone.u.values[0], abs=1e-13)


def test_automatic_step_keeps_its_tolerance() -> None:
    """The declared accuracy of a frame, against a run with a much finer step."""
    loose = simulate("burgers", nu=0.02, resolution=128, frames=6, seed=1)
    fine = simulate("burgers", nu=0.02, resolution=128, frames=6, seed=1, options={"dt": 1e-3})
    difference = np.linalg.norm((loose.u - fine.u).values, axis=-1) / np.linalg.norm(fine.u.values, axis=-1)
    assert difference.max() < 5e-6  # five frames, each within 1e-6


def test_under_resolved_cases_are_named() -> None:
    with pytest.warns(UserWarning, match="under-resolved.*cases \\[1\\]"):
        solution = simulate("burgers", nu=[1e-2, 1e-3], resolution=256, frames=5)
    assert solution.resolved.values.tolist() == [True, False]


def test_single_precision_and_case_seeds() -> None:
    single = simulate("burgers", cases=2, nu=0.05, resolution=64, frames=3, precision="float32", options={"dt": 0.01})
    double = simulate("burgers", cases=2, nu=0.05, resolution=64, frames=3, options={"dt": 0.01})
    assert single.u.dtype == np.float32 and double.u.dtype == np.float64
    assert single.u.values == pytest.approx(double.u.values, abs=1e-4)
    assert not np.allclose(double.u.values[0, 0], double.u.values[1, 0])


def test_constraint_with_a_non_linear_right_side() -> None:
    """phi_xx = -(u^2) + mean: solved spectrally at every frame."""
    from sympy import sin

    t, x = coordinates("t x")
    u, phi = Field("u")(t, x), Field("phi")(t, x)
    problem = Problem(
        name="constrained", fields=[u, phi], domain=Box(x=(0, 6.283185307179586)), periodic=["x"], time=(0, 1),
        evolution={u: -phi.diff(x)}, constraints={phi: Eq(phi.diff(x, 2), -(u**2))}, initial={u: sin(x)},
    )  # fmt: skip
    solution = simulate(problem, resolution=32, times=[0, 0.1])
    # u^2 = (1 - cos 2x) / 2 at t = 0, so phi = -cos(2x) / 8
    assert solution.phi.values[0, 0] == pytest.approx(-np.cos(2 * solution.x.values) / 8, abs=1e-12)


def test_case_replacement_keeps_parameters() -> None:
    case = Case(0, 7, {"nu": 0.03})
    solution = simulate("burgers", cases=[dataclasses.replace(case, seed=9)], resolution=32, frames=2)
    assert solution.nu.values.tolist() == [0.03] and solution.seed.values.tolist() == [9]
