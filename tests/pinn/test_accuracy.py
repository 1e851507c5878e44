"""Errors against exact and independent solutions at full size: what README and the tables say of the solvers.

Each quick guard of these is in `test_solving` or `test_training`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow import simulate
from sciflow.pinn import solve
from sciflow.pinn.solution import Solution

pytestmark = pytest.mark.slow
Record = Callable[[str, object], None]


def _difference(found: xr.Dataset, truth: np.ndarray, mean: float = 0.0) -> float:
    """Relative L2 error of u, over frames and places."""
    return float(np.linalg.norm(found["u"].values[0] - truth) / np.linalg.norm(truth - mean))


def _against_solver(solution: Solution, points: int, every: int, mean: float = 0.0, frames: int = 51) -> float:
    """The error at `points` places, the reference solver taking `every` times as many."""
    closed = 0 if solution.problem.periodic else 1
    data = solution.dataset(points + closed, frames)
    fine = simulate(
        solution.problem, resolution=points * every + closed, cases=[solution.case], times=data["time"].values
    )
    np.testing.assert_allclose(fine["x"].values[::every], data["x"].values, atol=1e-12)
    return _difference(data, fine["u"].values[0][:, ::every], mean)


@pytest.mark.parametrize("nu", [0.0, 0.01])
def test_particles_carried_at_any_speed(nu: float, record_property: Record) -> None:
    errors = {}
    for c in (0.0, 10.0, 30.0, 50.0, 70.0):
        solution = solve("convection", method="lpinn", c=c, nu=nu, settings={"seconds": 20})
        data = solution.dataset(256, 101)
        t, x = np.meshgrid(data["time"].values, data["x"].values, indexing="ij")
        errors[c] = _difference(data, np.exp(-nu * t) * np.sin(x - c * t))
        name = f"LPINN, convection at speed {c:g}, diffusivity {nu:g}"
        record_property(f"{name}: relative L2 error", (errors[c], 1e-6))
        record_property(f"{name}: seconds of training", (solution.seconds, 20))
        assert errors[c] < 1e-6 and solution.seconds < 21
    assert errors[70.0] <= 5 * max(1e-7, errors[0.0])


@pytest.mark.parametrize("nu", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("mean", [0.0, 10.0, 50.0])
def test_particles_in_a_moving_front(mean: float, nu: float, record_property: Record) -> None:
    solution = solve("burgers-moving", method="lpinn", C=mean, nu=nu, settings={"seconds": 55})
    error = _against_solver(solution, 256, 4, mean, frames=101)
    name = f"LPINN, Burgers with mean velocity {mean:g}, viscosity {nu:g}"
    record_property(f"{name}: error relative to the wave", (error, 5e-5))
    record_property(f"{name}: smallest Jacobian", (solution.smallest_jacobian, "-"))
    assert error < 5e-5 and solution.seconds < 60 and solution.resolved


def test_paths_that_nearly_touch_are_called_unresolved() -> None:
    solution = solve("burgers-moving", method="lpinn", C=0.0, nu=0.01, time=(0.0, 1.5), settings={"seconds": 30})
    assert solution.smallest_jacobian is not None and solution.smallest_jacobian < 1e-3
    assert not solution.resolved


def test_label_space_diffusion_solves_another_equation(record_property: Record) -> None:
    solution = solve("burgers-moving", method="lpinn", label_space=True, C=0.0, nu=0.01, settings={"seconds": 30})
    error = _against_solver(solution, 256, 4, frames=101)
    record_property("LPINN, Burgers, label-space diffusion: relative L2 error", (error, "0.011 to 0.013"))
    assert solution.loss < 1e-8 and 0.011 < error < 0.0135


VANILLA = {
    "width": 50,
    "depth": 4,
    "hard": False,
    "points": 1000,
    "resample": 0,
    "seconds": 60,
    "phases": [{"method": "adam", "steps": 2000, "seconds": 25}, {"method": "lbfgs", "steps": 100000}],
}


@pytest.mark.parametrize(("name", "values", "mean"), [("convection", {"c": 30.0}, 0.0), ("burgers-moving", {}, 50.0)])
def test_ordinary_networks_fail_with_a_small_loss(
    name: str, values: dict[str, float], mean: float, record_property: Record
) -> None:
    values = values or {"C": mean, "nu": 0.01}
    solution = solve(name, settings=VANILLA, **values)
    error = _against_solver(solution, 256, 4, mean, frames=101)
    label = "convection at speed 30" if name == "convection" else "Burgers with mean velocity 50"
    record_property(f"PINN by Adam and L-BFGS, {label}: relative L2 error", (error, "above 0.5"))
    record_property(f"PINN by Adam and L-BFGS, {label}: loss", (solution.loss, "small"))
    assert error > 0.5 and solution.loss < 1e-2 * solution.history[0].loss


def test_burgers_between_walls(record_property: Record) -> None:
    errors = [
        _against_solver(solve("burgers-dirichlet", settings={"seconds": 119, "seed": seed}), 256, 8)
        for seed in range(3)
    ]
    record_property("PINN, Burgers, 0.01 / pi, 120 s: median relative L2 error of 3 seeds", (np.median(errors), 3e-5))
    assert np.median(errors) < 3e-5


@pytest.mark.parametrize(
    ("name", "seconds", "every", "bar"),
    [("allen-cahn-dirichlet", 59, 8, 1e-5), ("allen-cahn", 120, 16, 1e-4), ("kdv-cosine", 300, 2, 1e-3)],
)
def test_sharp_fronts_and_solitons(name: str, seconds: float, every: int, bar: float, record_property: Record) -> None:
    error = _against_solver(solve(name, settings={"seconds": seconds}), 256, every)
    record_property(f"PINN, {name}, {seconds} s: relative L2 error", (error, bar))
    assert error < bar


def test_the_reference_of_allen_cahn_between_walls_is_that_of_chebyshev() -> None:
    """An independent solution: 512 Chebyshev polynomials, implicit Runge-Kutta of fifth order."""
    from scipy.integrate import solve_ivp

    angles = np.pi * np.arange(513) / 512
    x, c = np.cos(angles), np.r_[2, np.ones(511), 2] * (-1) ** np.arange(513)
    slopes = np.outer(c, 1 / c) / (x[:, None] - x + np.eye(513))
    slopes -= np.diag(slopes.sum(axis=1))
    second = slopes @ slopes
    inner = slice(1, -1)

    def rate(_: float, u: np.ndarray) -> np.ndarray:
        full = np.r_[-1, u, -1]
        return 1e-3 * (second @ full)[inner] + 5 * (u - u**3)

    def jacobian(_: float, u: np.ndarray) -> np.ndarray:
        return 1e-3 * second[inner, inner] + np.diag(5 - 15 * u**2)

    begin = (x**2 * np.cos(np.pi * x))[inner]
    times = np.linspace(0, 1, 6)
    found = solve_ivp(rate, (0, 1), begin, "Radau", times, rtol=1e-9, atol=1e-10, jac=jacobian).y.T
    ours = simulate("allen-cahn-dirichlet", resolution=2049, times=times)["u"].values[0]
    places = np.linspace(-1, 1, 2049)
    polynomials = [np.polynomial.chebyshev.chebfit(x, np.r_[-1, frame, -1], 512) for frame in found]
    exact = np.stack([np.polynomial.chebyshev.chebval(places, item) for item in polynomials])
    assert np.linalg.norm(ours - exact) < 1e-6 * np.linalg.norm(exact)


def test_cavity_against_ghia(record_property: Record) -> None:
    solution = solve("cavity-steady", mu=0.01, settings={"seconds": 590})
    path = Path(__file__).parent.parent / "physics" / "ghia1982_cavity.csv"
    with path.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for line in ("u", "v"):
        places = np.array([float(row["position"]) for row in rows if row["line"] == line])
        values = np.array([float(row["re100"]) for row in rows if row["line"] == line])
        middle = np.full_like(places, 0.5)
        found = solution.evaluate(np.stack([middle, places] if line == "u" else [places, middle]))[line]
        largest = float(np.max(np.abs(found - values)))
        record_property(
            f"PINN, cavity at Re 100, 10 min: largest difference in {line} from Ghia et al.", (largest, 0.02)
        )
        assert largest < 0.02
