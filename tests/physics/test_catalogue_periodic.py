"""The periodic problems of the catalogue against exact solutions, independent methods and linear theory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import expm

from sciflow.problems import get
from sciflow.solvers import build, simulate
from sciflow.solvers.initial import on_grid

Arrays = dict[str, np.ndarray]


def solve(
    name: str,
    resolution: int,
    times: list[float],
    initial: Mapping[str, np.ndarray] | str | None = None,
    options: Mapping[str, Any] | None = None,
    **parameters: float,
) -> xr.Dataset:
    """One case at the defaults and the given parameters; fields that `initial` gives have no axis of cases."""
    if isinstance(initial, Mapping):
        initial = {field: array[None] for field, array in initial.items()}
    return simulate(name, resolution=resolution, times=times, initial=initial, options=options, **parameters)


def points(name: str, resolution: int) -> Arrays:
    """Nodes by axis, shaped to broadcast over (y, x)."""
    bounds = get(name).bounds()
    lines = {axis: low + (high - low) * np.arange(resolution) / resolution for axis, (low, high) in bounds.items()}
    return lines if len(lines) == 1 else {"x": lines["x"][None, :], "y": lines["y"][:, None]}


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative L2."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def last(solution: xr.Dataset, name: str) -> np.ndarray:
    """All evolving fields of the last frame, one after the other."""
    return np.stack([solution[field].values[0, -1] for field in get(name).evolution])


def error_against_exact(name: str, resolution: int, times: list[float], **options: float) -> float:
    """Largest relative L2 error of a frame after the first, over all evolving fields together."""
    problem = get(name)
    solution = solve(name, resolution, times, "exact", options)
    (case,) = problem.sample(1, **problem.values())
    grid = build(problem, resolution).grid([case])
    errors = []
    for frame, time in enumerate(times[1:], start=1):
        exact = [on_grid(problem, problem.exact[field], case, grid, time) for field in problem.evolution]
        found = [solution[field].values[0, frame] for field in problem.evolution]
        errors.append(difference(np.stack(found), np.stack(exact)))
    return max(errors)


# --- exact solutions -------------------------------------------------------------------------------------------------


def test_linear_problems_are_exact_with_two_points_per_wave() -> None:
    """Both linear terms are integrated exactly and 16 points hold both modes: what is left is round-off."""
    assert error_against_exact("advection-diffusion", 16, [0.0, 0.4, 0.8]) < 1e-13


def test_waves_travel_and_stand() -> None:
    """Displacement and velocity are coupled linearly, which the matrix exponential takes exactly."""
    assert error_against_exact("wave-2d", 16, [0.0, 0.5, 1.0]) < 1e-12


def test_wave_energy_is_kept() -> None:
    solution = simulate("wave-2d", cases=1, resolution=32, frames=5, seed=2)
    k = 2 * np.pi * np.fft.fftfreq(32, 1 / 32)
    u, v = np.fft.fft2(solution.u.values[0]), np.fft.fft2(solution.v.values[0])
    energy = np.abs(v) ** 2 + float(solution.c[0]) ** 2 * (k[:, None] ** 2 + k**2) * np.abs(u) ** 2
    total = energy.sum(axis=(1, 2))
    assert total == pytest.approx(total[0], rel=1e-12)


def test_soliton() -> None:
    """256 points hold the soliton's spectrum, which decays as sech(pi k / 2), to 1e-6."""
    assert error_against_exact("schroedinger", 256, [0.0, 2.5, 5.0], dt=0.005) < 1e-6


@pytest.mark.slow
def test_breather_of_satsuma_and_yajima() -> None:
    """2 sech(x), the start of Raissi et al. (2019), focuses to four times its height at t = pi / 4."""
    points_, time = 1024, 0.7
    x = points("schroedinger", points_)["x"]
    solution = solve("schroedinger", points_, [0.0, time], {"p": 2 / np.cosh(x), "q": 0 * x}, {"dt": 0.001})
    top = np.cosh(3 * x) + 3 * np.exp(4j * time) * np.cosh(x)
    exact = 4 * np.exp(0.5j * time) * top / (np.cosh(4 * x) + 4 * np.cosh(2 * x) + 3 * np.cos(4 * time))
    found = solution.p.values[0, 1] + 1j * solution.q.values[0, 1]
    assert np.abs(exact).max() > 3.5
    assert difference(found, exact) < 1e-6


def test_schroedinger_keeps_mass_and_momentum() -> None:
    solution = simulate("schroedinger", cases=2, resolution=256, frames=3, options={"dt": 0.005})
    k = 2 * np.pi / 40 * np.fft.fftfreq(256, 1 / 256)
    h = np.fft.fft(solution.p.values + 1j * solution.q.values)
    for law in (np.abs(h) ** 2, k * np.abs(h) ** 2):
        total = law.sum(axis=-1)
        assert total == pytest.approx(np.tile(total[:, :1], (1, 3)), rel=1e-7)


def test_reaction_against_its_closed_form() -> None:
    """The start has a kink where the period closes, which the reaction raises; a Fourier series converges slowly."""
    errors = [error_against_exact("reaction", n, [0.0, 0.5, 1.0], dt=0.01) for n in (256, 1024)]
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 4


def test_laminar_kolmogorov_flow_rests() -> None:
    assert error_against_exact("kolmogorov-flow", 32, [0.0, 0.25], dt=0.01) < 1e-12


def test_kolmogorov_terms_one_by_one() -> None:
    """Without force Taylor-Green vortices decay by viscosity and drag; with it a shear on the laminar flow does."""
    axes = points("kolmogorov-flow", 32)
    vortices = np.cos(2 * axes["x"]) * np.cos(2 * axes["y"])
    decayed = solve("kolmogorov-flow", 32, [0.0, 1.0], {"w": vortices}, {"dt": 0.05}, force=0.0, nu=0.02)
    assert difference(last(decayed, "kolmogorov-flow")[0], vortices * np.exp(-8 * 0.02 - 0.1)) < 1e-12
    laminar = -4 * np.cos(4 * axes["y"]) / (0.02 * 16 + 0.1) + 0 * axes["x"]
    shear = np.sin(3 * axes["y"]) + 0 * axes["x"]
    sheared = solve("kolmogorov-flow", 32, [0.0, 1.0], {"w": laminar + shear}, {"dt": 0.05}, nu=0.02)
    expected = laminar + shear * np.exp(-9 * 0.02 - 0.1)
    assert difference(last(sheared, "kolmogorov-flow")[0], expected) < 1e-12


def test_fronts_of_allen_cahn_rest() -> None:
    """tanh(x / sqrt(2 D / 5)) solves D u'' + 5 (u - u^3) = 0; two of them, 50 widths apart, do not feel each other."""
    x, width = points("allen-cahn", 1024)["x"], np.sqrt(2 * 1e-3 / 5)
    fronts = np.tanh((x + 0.5) / width) * np.tanh((0.5 - x) / width)
    solution = solve("allen-cahn", 1024, [0.0, 0.5, 1.0], {"u": fronts}, {"dt": 0.005}, D=1e-3)
    assert difference(last(solution, "allen-cahn")[0], fronts) < 1e-6


# --- order in time ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*under-resolved")  # the order is that of the semi-discrete equations
@pytest.mark.parametrize(
    ("name", "resolution", "time", "steps"),
    [
        ("schroedinger", 64, 1.0, 64),
        ("reaction", 64, 0.5, 8),
        ("reaction-diffusion", 64, 0.2, 16),
        pytest.param("allen-cahn", 256, 0.5, 16, marks=pytest.mark.slow),
        ("kuramoto-sivashinsky", 32, 4.0, 64),
        pytest.param("cahn-hilliard", 32, 8.0, 64, marks=pytest.mark.slow),
        pytest.param("swift-hohenberg", 32, 8.0, 16, marks=pytest.mark.slow),
        pytest.param("gray-scott", 32, 40.0, 32, marks=pytest.mark.slow),
        pytest.param("fitzhugh-nagumo", 32, 2.0, 64, marks=pytest.mark.slow),
        ("kolmogorov-flow", 32, 0.5, 16),
    ],
)
def test_order_in_time_is_four(name: str, resolution: int, time: float, steps: int) -> None:
    """From three runs of halved steps at one resolution, so that errors in space cancel."""
    problem = get(name)
    cases = problem.sample(1, seed=1, **problem.values())

    def run(count: int) -> np.ndarray:
        options = {"dt": time / count}
        return last(simulate(name, cases=cases, resolution=resolution, times=[0.0, time], options=options), name)

    coarse, middle, fine = (run(count) for count in (steps, 2 * steps, 4 * steps))
    errors = difference(coarse, middle), difference(middle, fine)
    assert errors[1] > 1e-12  # above rounding
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.3), errors


# --- independent methods ---------------------------------------------------------------------------------------------


def strang(start: np.ndarray, symbol: np.ndarray, flow: Callable[[np.ndarray, float], np.ndarray],
           time: float, steps: int) -> np.ndarray:  # fmt: skip
    """Operator splitting of second order: half a step of the reaction's exact flow around one of exact diffusion."""
    dt = time / steps
    decay, u = np.exp(symbol * dt), flow(start, dt / 2)
    for step in range(steps):
        u = np.fft.ifft(decay * np.fft.fft(u)).real
        u = flow(u, dt if step < steps - 1 else dt / 2)
    return u


def extrapolated(start: np.ndarray, symbol: np.ndarray, flow: Callable[[np.ndarray, float], np.ndarray],
                 time: float, steps: int) -> np.ndarray:  # fmt: skip
    """Strang splitting with its error of second order taken out (Richardson)."""
    return (4 * strang(start, symbol, flow, time, 2 * steps) - strang(start, symbol, flow, time, steps)) / 3


@pytest.mark.parametrize("nu", [2.0, 6.0])
def test_reaction_diffusion_against_splitting(nu: float) -> None:
    """As Krishnapriyan et al. (2021) solve it: logistic flow and heat kernel."""

    def logistic(u: np.ndarray, dt: float) -> np.ndarray:
        grown = u * np.exp(5.0 * dt)
        return grown / (grown + 1 - u)

    x, k = points("reaction-diffusion", 256)["x"], np.fft.fftfreq(256, 1 / 256)
    expected = extrapolated(np.exp(-((x - np.pi) ** 2) / (2 * (np.pi / 4) ** 2)), -nu * k**2, logistic, 0.5, 500)
    solution = solve("reaction-diffusion", 256, [0.0, 0.5], nu=nu)
    assert difference(last(solution, "reaction-diffusion")[0], expected) < 1e-6


def test_allen_cahn_benchmark_against_splitting() -> None:
    """From x^2 cos(pi x), the default start, until the fronts stand; u' = 5 (u - u^3) has a closed form."""

    def cubic(u: np.ndarray, dt: float) -> np.ndarray:
        return u * np.exp(5 * dt) / np.sqrt(1 + u**2 * np.expm1(10 * dt))

    x, k = points("allen-cahn", 1024)["x"], np.pi * np.fft.fftfreq(1024, 1 / 1024)
    expected = extrapolated(x**2 * np.cos(np.pi * x), -1e-4 * k**2, cubic, 1.0, 1000)
    solution = simulate("allen-cahn", cases=2, subset="table", resolution=1024, times=[0.0, 1.0])
    assert solution.D.values.tolist() == [1e-3, 1e-4]
    assert difference(solution.u.values[1, 1], expected) < 1e-4  # the kink at x = 1, which dealiasing smooths


# --- linear theory ---------------------------------------------------------------------------------------------------


def growth(solution: xr.Dataset, field: str, mode: tuple[int, ...]) -> float:
    """Logarithmic growth of a Fourier mode from the first frame to the last."""
    spectra = np.abs(np.fft.fftn(solution[field].values[0], axes=range(1, 1 + len(mode))))
    return float(np.log(spectra[(-1, *mode)] / spectra[(0, *mode)]))


SMALL = 1e-7  # of a disturbance: products of it change a growth by as much


def test_kuramoto_sivashinsky_modes_grow_by_k2_minus_k4() -> None:
    x = points("kuramoto-sivashinsky", 64)["x"]
    k = 2 * np.pi / 22 * np.arange(1, 6)
    start = SMALL * np.cos(np.outer(k, x) + np.arange(5)[:, None]).sum(axis=0)
    solution = solve("kuramoto-sivashinsky", 64, [0.0, 2.0], {"u": start}, {"dt": 0.1})
    rates = np.array([growth(solution, "u", (n,)) for n in range(1, 6)]) / 2
    assert rates == pytest.approx(k**2 - k**4, abs=1e-5)
    assert (rates[:3] > 0).all() and (rates[3:] < 0).all()


@pytest.mark.parametrize(
    ("name", "scale", "rate", "parameters"),
    [
        ("cahn-hilliard", 2 * np.pi / 32, lambda k2: k2 * (1 - 0.8 * k2), {"gamma": 0.8}),
        ("swift-hohenberg", 1 / 8, lambda k2: 0.4 - (1 - k2) ** 2, {"r": 0.4}),
    ],
)
def test_modes_of_one_field_grow_as_linearised(
    name: str, scale: float, rate: Callable[[float], float], parameters: dict[str, float]
) -> None:
    axes = points(name, 32)
    modes = [(0, 3), (4, 0), (5, 2)]  # along y, along x
    start = sum(np.cos(scale * (ny * axes["y"] + nx * axes["x"])) for ny, nx in modes)
    solution = solve(name, 32, [0.0, 1.0], {"u": SMALL * start}, {"dt": 0.1}, **parameters)
    found = [growth(solution, "u", mode) for mode in modes]
    assert found == pytest.approx([rate(scale**2 * (ny**2 + nx**2)) for ny, nx in modes], abs=1e-5)


def gray_scott() -> tuple[Arrays, np.ndarray, np.ndarray]:
    """Homogeneous state u v^2 = F (1 - u) = (F + k) v with catalyst, its Jacobian, diffusivities."""
    feed, kill = 0.05, 0.06
    u = (1 - np.sqrt(1 - 4 * (feed + kill) ** 2 / feed)) / 2
    v = feed * (1 - u) / (feed + kill)
    jacobian = np.array([[-(v**2) - feed, -2 * u * v], [v**2, 2 * u * v - feed - kill]])
    return {"u": u, "v": v}, jacobian, np.array([2e-5, 1e-5])


def fitzhugh_nagumo() -> tuple[Arrays, np.ndarray, np.ndarray]:
    """Resting state u - u^3 / 3 = v = (u + beta) / gamma, which for 0.7 and 0.8 is u = -1.2."""
    roots = np.roots([-1 / 3, 0, 1 - 1 / 0.8, -0.7 / 0.8])
    u = float(roots[np.abs(roots.imag) < 1e-12].real[0])
    return {"u": u, "v": (u + 0.7) / 0.8}, np.array([[1 - u**2, -1], [0.08, -0.08 * 0.8]]), np.array([1.0, 0.0])


@pytest.mark.parametrize(
    ("name", "state", "time", "parameters"),
    [
        ("gray-scott", gray_scott, 10.0, {"F": 0.05, "k": 0.06}),
        ("fitzhugh-nagumo", fitzhugh_nagumo, 4.0, {}),
    ],
)
def test_disturbed_homogeneous_states_follow_the_linearisation(
    name: str, state: Callable[[], tuple[Arrays, np.ndarray, np.ndarray]], time: float, parameters: dict[str, float]
) -> None:
    rest, jacobian, diffusivity = state()
    axes, (low, high) = points(name, 16), get(name).bounds()["x"]
    scale = 2 * np.pi / (high - low)
    wave = np.cos(scale * (axes["x"] + 2 * axes["y"]))
    first = SMALL * np.array([1.0, -0.5])
    start = {field: rest[field] + part * wave for field, part in zip("uv", first, strict=True)}
    solution = solve(name, 16, [0.0, time], start, {"dt": time / 40}, **parameters)
    expected = expm((jacobian - np.diag(diffusivity) * scale**2 * 5) * time) @ first
    for field, part in zip("uv", expected, strict=True):
        found = 2 * np.mean((solution[field].values[0, -1] - rest[field]) * wave)
        assert found == pytest.approx(part, abs=1e-5 * np.abs(expected).max())


# --- conserved and dissipated quantities -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "resolution", "end"), [("kuramoto-sivashinsky", 64, 20.0), ("cahn-hilliard", 48, 5.0)]
)
def test_mass_is_kept_to_round_off(name: str, resolution: int, end: float) -> None:
    solution = simulate(name, cases=1, resolution=resolution, times=[0.0, end / 2, end], options={"dt": 0.05})
    mean = solution.u.mean([dim for dim in solution.u.dims if dim in "xy"]).values[0]
    assert np.abs(mean - mean[0]).max() < 1e-14 * np.abs(solution.u.values).max()


def test_free_energy_of_cahn_hilliard_falls() -> None:
    """F = mean of (u^2 - 1)^2 / 4 + gamma |grad u|^2 / 2, in every frame."""
    solution = simulate("cahn-hilliard", gamma=1.0, resolution=64, times=np.linspace(0, 20, 11), options={"dt": 0.1})
    u = solution.u.values[0]
    k = 2 * np.pi / 32 * np.fft.fftfreq(64, 1 / 64)
    slopes = (np.abs(np.fft.fft2(u)) ** 2 * (k[:, None] ** 2 + k**2)).sum(axis=(1, 2)) / 64**4
    energy = ((u**2 - 1) ** 2 / 4).mean(axis=(1, 2)) + slopes / 2
    assert (np.diff(energy) < 0).all()
    assert energy[-1] < 0.8 * energy[0]


@pytest.mark.slow
def test_kuramoto_sivashinsky_stays_on_its_attractor() -> None:
    """Chaos of bounded size: at a period of 22 the root mean square lies around 1.2 once transients have gone."""
    solution = simulate(
        "kuramoto-sivashinsky", cases=2, resolution=64, times=np.linspace(0, 60, 31), options={"dt": 0.02}
    )
    size = solution.u.std("x").values[:, 10:]
    assert (size > 0.7).all() and (size < 1.8).all()
