"""Incompressible flow in three dimensions against exact solutions, balances and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciflow.problems import get
from sciflow.solvers import build, simulate
from sciflow.solvers.initial import on_grid

NAMES = ("u", "v", "w")


def gradient(solution: xr.Dataset, name: str) -> list[np.ndarray]:
    """Derivatives along x, y, z on the box of side 2 pi, [case, time, z, y, x] each."""
    field = solution[name].values
    out = []
    for axis in (-1, -2, -3):
        shape = [1] * field.ndim
        shape[axis] = points = field.shape[axis]
        factor = 1j * np.fft.fftfreq(points, 1 / points).reshape(shape)
        out.append(np.fft.ifft(factor * np.fft.fft(field, axis=axis), axis=axis).real)
    return out


def energy_and_enstrophy(solution: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Means of |velocity|^2 / 2 and |curl velocity|^2 / 2 over the box, by frame."""
    (_, u_y, u_z), (v_x, _, v_z), (w_x, w_y, _) = (gradient(solution, name) for name in NAMES)
    energy = sum((solution[name].values[0] ** 2).mean((1, 2, 3)) for name in NAMES) / 2
    curl = (w_y - v_z) ** 2 + (u_z - w_x) ** 2 + (v_x - u_y) ** 2
    return energy, curl[0].mean((1, 2, 3)) / 2


def divergence(solution: xr.Dataset) -> float:
    return float(np.abs(sum(gradient(solution, name)[axis] for axis, name in enumerate(NAMES))).max())


def test_beltrami_flow_and_its_pressure() -> None:
    """The exact flow to rounding: the nonlinear term is a gradient, which the pressure takes up."""
    problem = get("navier-stokes-3d")
    solution = simulate(problem, nu=0.1, resolution=16, times=[0, 0.5, 1.0], initial="exact", options={"dt": 0.05})
    (case,) = problem.sample(1, nu=0.1)
    grid = build(problem, 16).grid([case])
    for name in (*NAMES, "p"):
        exact = on_grid(problem, problem.exact[name], case, grid, 1.0)
        assert np.abs(solution[name].values[0, -1] - exact).max() < 1e-13


@pytest.mark.filterwarnings("ignore:.*under-resolved")  # an error in time needs no small error in space
def test_perturbed_beltrami_flow_is_of_fourth_order() -> None:
    """Self-convergence in time of a flow that is no solution by itself; divergence stays at rounding."""
    points = 12
    axis = 2 * np.pi * np.arange(points) / points
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    start = {
        "u": np.sin(z) + 0.6 * np.cos(y) + 0.5 * np.sin(x + 2 * y),
        "v": 0.8 * np.sin(x) + np.cos(z) + 0.5 * np.cos(y - z),
        "w": 0.6 * np.sin(y) + 0.8 * np.cos(x) + 0.5 * np.cos(x + y + z),
    }
    initial = {name: field[None] for name, field in start.items()}

    def run(steps: int) -> xr.Dataset:
        return simulate(
            "navier-stokes-3d", nu=0.1, resolution=points, times=[0, 1.0], initial=initial, options={"dt": 1 / steps}
        )  # fmt: skip

    reference = run(160)
    errors = [float(np.sqrt(((run(steps).u - reference.u) ** 2).sum())) for steps in (5, 10, 20)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx([4, 4], abs=0.3)
    assert divergence(reference) < 1e-12


def test_taylor_green_vortex_at_reynolds_100() -> None:
    """Energy balance dE/dt = -2 nu Z at every frame, and the start of the published series of the enstrophy.

    Brachet et al. (1983) expand the inviscid enstrophy, Z / Z(0) = 1 + (5 / 48) t^2 + ... with Z(0) = 3 / 8; at early
    times viscosity lowers it by its own exact rate, dZ/dt(0) = -6 nu Z(0) (all modes have k^2 = 3).
    """
    nu, times = 0.01, np.linspace(0, 0.8, 17)
    solution = simulate("navier-stokes-3d", nu=nu, resolution=32, times=times, options={"dt": 0.05})
    energy, enstrophy = energy_and_enstrophy(solution)
    assert energy[0] == pytest.approx(1 / 8, rel=1e-14) and enstrophy[0] == pytest.approx(3 / 8, rel=1e-13)
    # Frames are smooth in time: Simpson's rule over two frames integrates Z to 1e-9.
    spacing = times[1]
    dissipated = 2 * nu * spacing / 3 * (enstrophy[:-2:2] + 4 * enstrophy[1:-1:2] + enstrophy[2::2])
    assert (energy[:-2:2] - energy[2::2]) / dissipated == pytest.approx(np.ones(8), abs=1e-6)
    early = times[1:4]
    growth = enstrophy[1:4] / enstrophy[0] * np.exp(6 * nu * early) - 1
    assert growth / early**2 == pytest.approx(np.full(3, 5 / 48), rel=0.05)
    assert divergence(solution) < 1e-12
