"""The catalogue's problems between walls against exact and published solutions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import CubicSpline

from sciflow.problems import get, names
from sciflow.problems.compile import numeric
from sciflow.problems.differences import Line
from sciflow.solvers import choose, simulate

NU = 0.01 / np.pi
STEEPEST = 1.6037 / np.pi  # time at which the front of Basdevant et al. (1986) is steepest
SLOPE = 152.00516  # and its slope there, the same source, Table 2


def cole_hopf(x: np.ndarray, time: float, nu: float) -> np.ndarray:
    """u(x, t) from u0 = -sin(pi x) by Gauss-Hermite quadrature over eta = sqrt(4 nu t) z (Basdevant et al. 1986)."""
    z, weights = np.polynomial.hermite.hermgauss(120)
    moved = np.pi * (x[:, None] - np.sqrt(4 * nu * time) * z)
    heat = weights * np.exp(-(np.cos(moved) - 1) / (2 * np.pi * nu) - 1 / (np.pi * nu))
    return -(np.sin(moved) * heat).sum(1) / heat.sum(1)


def against_exact(name: str, data: xr.Dataset) -> dict[str, float]:
    """Largest error of each field over all cases, times and nodes, relative to the field's largest value."""
    problem = get(name)
    out = {}
    for field, solution in problem.exact.items():
        symbols = sorted(solution.free_symbols, key=lambda symbol: symbol.name)
        known = {key: data[key].values[:, None, None] for key in problem.values()}
        known |= {"t": data.time.values[:, None], "x": data.x.values}
        exact = numeric(symbols, solution)(*(known[symbol.name] for symbol in symbols))
        out[field] = float(np.abs(data[field].values - exact).max() / np.abs(exact).max())
    return out


def test_the_quadrature_is_converged() -> None:
    """Slope of the integral at x = 0, by a difference over a step far smaller than the front's width of 0.01."""
    step = 1e-5
    ends = cole_hopf(np.array([-step, step]), STEEPEST, NU)
    assert abs((ends[0] - ends[1]) / (2 * step) / SLOPE - 1) < 1e-5


@pytest.mark.parametrize("name", ["burgers-dirichlet", "fisher-kpp", "wave", "heat-rod"])
def test_the_method_of_lines_is_chosen(name: str) -> None:
    assert name in names()
    assert choose(get(name)) == ("lines", {})


def test_burgers_between_walls_against_cole_hopf() -> None:
    times = np.array([0.0, 0.25, STEEPEST, 0.75, 1.0])
    data = simulate("burgers-dirichlet", resolution=1025, times=times)
    nodes = data.x.values
    errors = [np.abs(data.u.values[0, f] - cole_hopf(nodes, times[f], NU)).max() for f in range(1, 5)]
    # Before the front stands, rounding of time steps; then seven nodes across its width of 2 / 152.
    assert errors[0] < 1e-6 and max(errors) < 1.5e-3
    slope, _ = Line(nodes, -1, 1, accuracy=6).derivative(1)
    assert abs(-(slope[512] @ data.u.values[0, 2]) / SLOPE - 1) < 2e-3
    assert np.all(data.u.values[:, :, [0, -1]] == 0)


def test_viscous_burgers_between_walls_against_cole_hopf() -> None:
    data = simulate("burgers-dirichlet", nu=0.05, resolution=129, times=[0, 0.25, 1.0])
    for frame, time in ((1, 0.25), (2, 1.0)):
        assert np.abs(data.u.values[0, frame] - cole_hopf(data.x.values, time, 0.05)).max() < 2e-5


def test_fisher_fronts_against_ablowitz_and_zeppetella() -> None:
    data = simulate(
        "fisher-kpp", D=[1.0, 0.5, 1.5], r=[1.0, 1.5, 0.5], start=[0.0, -5.0, 5.0], resolution=257, frames=5
    )
    # Fourth order: r t (h / width)^4 / 90 with width sqrt(6 D / r), at most 2e-5.
    assert against_exact("fisher-kpp", data)["u"] < 1e-5
    half = [float(CubicSpline(u[::-1], data.x.values[::-1])(0.25)) for u in data.u.values[0] + 1e-9 * -data.x.values]
    # u = 1/4 lies where the exponent is 0; it moves at 5 sqrt(r D / 6).
    assert np.allclose(half, 5 / np.sqrt(6) * data.time.values, atol=1e-4)


def test_standing_waves_and_their_energy() -> None:
    data = simulate("wave", c=[2.0, 3.0], a1=[1.0, 0.3], a2=[0.0, -0.5], a3=[0.0, 1.0], resolution=129, frames=9)
    errors = against_exact("wave", data)
    # Fourth order: phase error n pi c t (n pi h)^4 / 90 = 5e-5 of mode 4 at c = 3, t = 1.
    assert max(errors.values()) < 1e-4
    c = data.c.values[:, None, None]
    spline = CubicSpline(data.x.values, data.u.values, axis=2)
    density = data.v.values**2 / 2 + (c * spline(data.x.values, 1)) ** 2 / 2
    energy = CubicSpline(data.x.values, density, axis=2).integrate(0, 1)
    assert np.abs(energy / energy[:, :1] - 1).max() < 1e-4


def test_heat_rods_cool_as_their_slowest_mode() -> None:
    """Three cases of unlike Robin coefficients in one run, Biot numbers from 0.1 to 8."""
    mu, nodes = [0.3, 1.0, 1.4], np.linspace(0, 1, 65)
    start = np.stack([np.cos(m * nodes) for m in mu])
    data = simulate("heat-rod", kappa=[1.0, 0.1, 0.3], mu=mu, resolution=65, frames=5, initial={"u": start})
    assert against_exact("heat-rod", data)["u"] < 1e-6


def test_heat_leaves_a_rod_through_its_cold_end() -> None:
    """From random fields: what the content loses in a time has gone out through x = 1."""
    data = simulate("heat-rod", cases=2, seed=3, resolution=65, times=[0, *np.linspace(0.2, 0.6, 41)])
    data = data.isel(time=slice(1, None))  # drawn fields do not meet the condition at first
    content = CubicSpline(data.x.values, data.u.values, axis=2).integrate(0, 1)
    loss = (data.kappa * data.mu * np.tan(data.mu)).values[:, None] * data.u.values[:, :, -1]
    lost = CubicSpline(data.time.values, loss, axis=1).integrate(0.2, 0.6)
    assert np.allclose(content[:, 0] - content[:, -1], lost, rtol=1e-5)
    assert np.abs(lost).min() > 1e-3
