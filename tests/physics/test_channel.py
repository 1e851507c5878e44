"""The channel solver against laminar flow, linear stability theory and refinement."""

from __future__ import annotations

import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import eig

from sciflow.core import InputError, SciflowError
from sciflow.solvers import build, simulate
from sciflow.solvers.channel.convection import Velocity, divergence, energy
from sciflow.solvers.channel.grid import channel_grid
from sciflow.solvers.channel.restart import load_restart, save_restart
from sciflow.solvers.channel.run import Run, computing
from sciflow.solvers.channel.start import disturbance, from_profile
from sciflow.solvers.channel.stepping import Scheme, State

ORR_SOMMERFELD = 0.2375265 + 0.0037397j  # Re 10,000, alpha 1; Orszag (1971), J. Fluid Mech. 50, 689


def start(scheme: Scheme, rms: float, profile: float = 1.0, seed: int = 0) -> State:
    """A parabola with large eddies."""
    y = scheme.grid.centres
    velocity = from_profile(profile * y * (2 - y), scheme.waves)
    eddies = disturbance(scheme.waves, rms, np.random.default_rng(seed))
    return jax.jit(scheme.begin)(Velocity(*(a + b for a, b in zip(velocity, eddies, strict=True))))


def test_laminar_flow_is_exact() -> None:
    # With f = 2 nu the parabola y (2 - y) stays as it is, on a stretched grid, whatever the step.
    scheme = Scheme(channel_grid((4, 16, 4), (2.0, 1.0), 2.0), nu=0.01, force=0.02)
    with computing("float64", None):
        begun = start(scheme, 0.0)
    run = Run(scheme, begun, 0.25)
    run.advance(40)
    y = scheme.grid.centres
    np.testing.assert_allclose(run.state.velocity.u[:, 0, 0].real, y * (2 - y), atol=1e-13)
    assert run.time == 10 and run.steps == 40


def test_flow_rate_is_exact_and_its_force_that_of_laminar_flow() -> None:
    scheme = Scheme(channel_grid((8, 24, 6), (3.0, 1.0), 1.5), nu=0.05, bulk=0.7)
    with computing("float64", None):
        begun = start(scheme, 0.2)
    run = Run(scheme, begun, 0.05)
    run.advance(20, every=5)
    with computing("float64", None):
        assert float(scheme.bulk_velocity(run.state.velocity)) == pytest.approx(0.7, rel=1e-14)
        assert np.abs(divergence(run.state.velocity, scheme.waves)).max() < 1e-12
    run.advance(2000)  # until the eddies have died away; laminar f = 3 nu U_b
    assert run.force == pytest.approx(3 * 0.05 * 0.7, rel=5e-3)


def orr_sommerfeld(points: int = 81) -> tuple[complex, np.ndarray]:
    """Eigenvalue c and Chebyshev coefficients of v of the growing mode, by collocation."""
    k = np.arange(points)
    x = np.cos(np.pi * k / (points - 1))
    weight = np.where((k == 0) | (k == points - 1), 2.0, 1.0) * (-1.0) ** k
    first = np.outer(weight, 1 / weight) / (x[:, None] - x[None, :] + np.eye(points))
    first -= np.diag(first.sum(1))
    second = first @ first
    clamp = np.diag(np.concatenate([[0], 1 / (1 - x[1:-1] ** 2), [0]]))
    fourth = (np.diag(1 - x**2) @ second @ second - 8 * np.diag(x) @ second @ first - 12 * second) @ clamp
    inside = slice(1, -1)
    second, fourth, one = second[inside, inside], fourth[inside, inside], np.eye(points - 2)
    left = np.diag(1 - x[inside] ** 2) @ (second - one) + 2 * one - (fourth - 2 * second + one) / 1e4j
    values, vectors = eig(left, second - one)
    best = int(np.argmax(np.where(np.abs(values) < 2, values.imag, -np.inf)))
    mode = np.zeros(points, complex)
    mode[1:-1] = vectors[:, best]
    return values[best], np.linalg.solve(np.polynomial.chebyshev.chebvander(x, points - 1), mode)


def test_orr_sommerfeld_mode_grows_as_theory_says() -> None:
    c, coefficients = orr_sommerfeld()
    assert abs(c - ORR_SOMMERFELD) < 1e-6
    cheb = np.polynomial.chebyshev
    grid = channel_grid((4, 384, 1), (2 * np.pi, 1.0), 1.5)
    scheme = Scheme(grid, nu=1e-4, force=2e-4)
    slope = cheb.chebval(grid.centres - 1, cheb.chebder(coefficients))
    size = 1e-4 / np.abs(slope).max()
    with computing("float64", None):
        laminar = from_profile(grid.centres * (2 - grid.centres), scheme.waves)
        u = np.array(laminar.u)
        v = np.zeros((grid.ny - 1, 1, 2), complex)
        u[:, 0, 1] = 0.5j * size * slope
        v[:, 0, 1] = 0.5 * size * cheb.chebval(grid.faces[1:-1] - 1, coefficients)
        run = Run(scheme, scheme.begin(Velocity(jnp.asarray(u), jnp.asarray(v), laminar.w)), 0.1)
    times, amplitudes = [], []
    for _ in range(30):
        run.advance(5)
        times.append(run.time)
        amplitudes.append(np.vdot(v[:, 0, 1] * grid.gaps, np.asarray(run.state.velocity.v)[:, 0, 1]))
    late = slice(10, None)  # what the grid makes of the other modes has died away
    growth = np.polyfit(times[late], np.log(np.abs(amplitudes[late])), 1)[0]
    speed = -np.polyfit(times[late], np.unwrap(np.angle(amplitudes[late])), 1)[0]
    assert growth == pytest.approx(ORR_SOMMERFELD.imag, rel=0.01)
    assert speed == pytest.approx(ORR_SOMMERFELD.real, rel=1e-3)


def smooth_start(scheme: Scheme) -> State:
    """A flow without divergence that meets both walls smoothly: u = P + psi_y, v = -psi_x - chi_z, w = chi_y."""
    grid, waves = scheme.grid, scheme.waves
    kx, kz = 2 * np.pi / grid.lx, 2 * np.pi / grid.lz
    z, x = np.meshgrid(grid.lz * np.arange(grid.nz) / grid.nz, grid.lx * np.arange(grid.nx) / grid.nx, indexing="ij")

    def shape(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # y^2 (2 - y)^2 (1 + y), and its derivative
        value = y**2 * (2 - y) ** 2 * (1 + y)
        return value[:, None, None], (2 * y * (2 - y) * (2 - 2 * y) * (1 + y) + y**2 * (2 - y) ** 2)[:, None, None]

    y = grid.centres
    u = (y * (2 - y))[:, None, None] + 0.1 * shape(y)[1] * np.cos(kx * x) * (1 + np.cos(kz * z))
    w = 0.1 * shape(y)[1] * np.sin(kz * z) * (1 + np.sin(kx * x))
    value = shape(grid.faces[1:-1])[0]
    v = 0.1 * value * (kx * np.sin(kx * x) * (1 + np.cos(kz * z)) - kz * np.cos(kz * z) * (1 + np.sin(kx * x)))
    return jax.jit(scheme.begin)(Velocity(*(waves.modes.coefficients(jnp.asarray(part)) for part in (u, v, w))))


def decayed(cells: int, steps: int) -> tuple[Scheme, State]:
    """Large eddies at t = 0.5."""
    scheme = Scheme(channel_grid((8, cells, 8), (4.0, 2.0), 1.0), nu=0.02, bulk=2 / 3)
    with computing("float64", None):
        begun = smooth_start(scheme)
    run = Run(scheme, begun, 0.5 / steps)
    run.advance(steps)
    return scheme, run.state


def test_second_order_in_time() -> None:
    found = [decayed(24, steps)[1].velocity for steps in (20, 40, 80)]
    for name in ("u", "v", "w"):
        first, second, third = (np.asarray(getattr(velocity, name)) for velocity in found)
        order = np.log2(np.linalg.norm(first - second) / np.linalg.norm(second - third))
        assert order > 1.9, name


def test_second_order_across_the_channel() -> None:
    from scipy.interpolate import CubicSpline

    y = np.linspace(0, 2, 41)[1:-1]
    found = []
    for cells in (24, 48, 96):
        scheme, state = decayed(cells, 40)
        grid = scheme.grid
        centres = np.concatenate([[0], grid.centres, [2]])
        u, w = (np.pad(np.asarray(part), ((1, 1), (0, 0), (0, 0))) for part in (state.velocity.u, state.velocity.w))
        v = np.pad(np.asarray(state.velocity.v), ((1, 1), (0, 0), (0, 0)))
        found.append(np.stack([CubicSpline(centres, u)(y), CubicSpline(grid.faces, v)(y), CubicSpline(centres, w)(y)]))
    order = np.log2(np.linalg.norm(found[0] - found[1]) / np.linalg.norm(found[1] - found[2]))
    assert 1.9 < order < 2.1


def test_inviscid_energy_is_kept() -> None:
    # The minimal box at its default step, with eddies of 2 % in modes up to 4: what is lost is the error in time.
    scheme = Scheme(channel_grid((32, 24, 16), (np.pi, 0.4 * np.pi), 1.5), nu=1e-300, force=0.0)
    with computing("float64", None):
        begun = start(scheme, 0.02, profile=1.5)
        before = float(energy(begun.velocity, scheme.waves))
    run = Run(scheme, begun, 0.02)
    run.advance(50)
    with computing("float64", None):
        after = float(energy(run.state.velocity, scheme.waves))
    assert abs(after / before - 1) < 1e-6


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_restart_goes_on_as_if_nothing_had_happened(tmp_path: Path, precision: str) -> None:
    scheme = Scheme(channel_grid((8, 16, 8), (2.0, 1.0), 1.5), nu=0.01, bulk=1.0)
    with computing(precision, None):
        begun = start(scheme, 0.3)
    whole = Run(scheme, begun, 0.02, precision=precision)
    for _ in range(2):
        whole.advance(10, every=5)
    part = Run(scheme, begun, 0.02, precision=precision)
    part.advance(10, every=5)
    save_restart(part, tmp_path / "restart")
    assert sorted(path.stem for path in (tmp_path / "restart").glob("*.safetensors")) == [
        "p",
        "statistics",
        "u",
        "v",
        "w",
    ]
    again = load_restart(tmp_path / "restart", scheme)
    again.advance(10, every=5)
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(again.state), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole.blocks[1].uu, again.blocks[1].uu)
    assert again.time == whole.time and again.steps == whole.steps and len(again.blocks) == 2
    with pytest.raises(InputError, match="nu"):
        load_restart(tmp_path / "restart", Scheme(scheme.grid, nu=0.02, bulk=1.0))
    with pytest.raises(InputError, match="holds no restart"):
        load_restart(tmp_path, scheme)


def test_unstable_step_is_halved_or_stopped() -> None:
    scheme = Scheme(channel_grid((8, 16, 8), (2.0, 1.0), 1.5), nu=0.01, bulk=1.0)
    with computing("float64", None):
        begun = start(scheme, 0.3)
    run = Run(scheme, begun, 0.2)
    with pytest.warns(UserWarning, match="times the limit of stability near time 0 s; it is halved"):
        run.advance(2)
    assert run.dt < 0.2 and run.time == pytest.approx(0.4)
    with warnings.catch_warnings(), pytest.raises(SciflowError, match="after 4 halvings"):
        warnings.simplefilter("ignore")
        Run(scheme, begun, 20.0).advance(1)
    with pytest.raises(InputError, match="multiple"):
        run.advance(5, every=2)


def test_simulate_channel() -> None:
    options = {"solve_resolution": (16, 24, 16), "spin_up": 0.5}
    data = simulate(
        "channel", resolution=(8, 17, 8), times=[0, 0.2, 0.4], options=options, seed=1, nu=0.01, precision="float32"
    )
    assert dict(data.sizes) == {"case": 1, "time": 3, "z": 8, "y": 17, "x": 8}
    assert data.attrs["grid"] == "nodes" and float(data["y"][0]) == 0 and float(data["y"][-1]) == 2
    assert np.isfinite(data["p"]).all() and float(np.abs(data["v"]).max()) > 0.01
    np.testing.assert_allclose(data["u"].isel(y=[0, -1]), 0, atol=1e-6)
    assert 0 < float(data["mean_force"][0]) < 1
    given = {name: data[name].isel(time=0).values for name in ("u", "v", "w")}
    les = simulate(
        "channel", resolution=(8, 17, 8), times=[0, 0.1], nu=0.01, initial=given,
        options={"solve_resolution": (8, 16, 8), "subgrid": "wale"},
    )  # fmt: skip
    # The start is the given field but for what the projection on the coarser grid takes away.
    difference = np.linalg.norm(les["u"].isel(time=0) - given["u"]) / np.linalg.norm(given["u"])
    assert difference < 0.1


def test_bad_options() -> None:
    for options, match in (
        ({"subgrid": "walle"}, "subgrid model"),
        ({"drive": "pump"}, "drive"),
        ({"dt": -1.0}, "dt"),
        ({"spin_up": -1.0}, "negative"),
    ):
        with pytest.raises(InputError, match=match):
            build("channel", 16, **options)
    with pytest.raises(InputError, match="three evolving"):
        build("cavity", 16, solver="channel")
    assert build("channel", 16).name == "channel"
