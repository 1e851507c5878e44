"""The parts of the channel solver against closed forms and identities."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciflow.core import InputError
from sciflow.solvers.channel.convection import Velocity, convection, divergence, energy, gradient
from sciflow.solvers.channel.fourier import Modes, Waves
from sciflow.solvers.channel.frames import Frames
from sciflow.solvers.channel.grid import ChannelGrid, channel_grid, tanh_centres, wall_nodes
from sciflow.solvers.channel.statistics import grouped, sample, to_xarray, total
from sciflow.solvers.channel.stepping import Scheme, State
from sciflow.solvers.channel.subgrid import subgrid_model
from sciflow.solvers.channel.subgrid.smagorinsky import coefficient, least_squares
from sciflow.solvers.channel.subgrid.tensor import PAIRS, velocity_gradient
from sciflow.solvers.channel.subgrid.wale import wale
from sciflow.solvers.channel.walls import Across, product, solve, wall_slope


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


GRID = channel_grid((8, 12, 6), (3.1, 1.3), 1.5)
WAVES = Waves(GRID)


def random_velocity(waves: Waves = WAVES, seed: int = 0) -> Velocity:
    """A divergence-free velocity of random numbers."""
    rng, grid = np.random.default_rng(seed), waves.grid
    parts = [rng.standard_normal((rows, grid.nz, grid.nx)) for rows in (grid.ny, grid.ny - 1, grid.ny)]
    velocity = Velocity(*(waves.modes.coefficients(jnp.asarray(part)) for part in parts))
    return Scheme(grid, 0.01).begin(velocity).velocity


def inner(a: Velocity, b: Velocity) -> float:
    """Mean of a . b over the channel, with the volumes of the cells."""
    parts = [jnp.sum((x * y.conj()).real * WAVES.weights, (1, 2)) for x, y in zip(a, b, strict=True)]
    return float(jnp.sum(GRID.widths * (parts[0] + parts[2])) + jnp.sum(GRID.gaps * parts[1])) / 2


def test_nodes_are_those_of_the_published_data() -> None:
    # y+ of the filtered profiles at Re_tau 174.59, 384.46 and 568.05, rounded to four digits there.
    for count, re_tau, y_plus in (
        (33, 174.59, (0, 3.89, 7.847, 11.94, 16.25, 20.87)),
        (49, 384.46, (0, 5.702, 11.45, 17.28, 23.24, 29.39)),
        (65, 568.05, (0, 6.315, 12.66, 19.05, 25.53, 32.12)),
    ):
        np.testing.assert_allclose(wall_nodes(count)[:6] * re_tau, y_plus, rtol=1e-3)
        assert wall_nodes(count)[count // 2] == 1 and wall_nodes(count)[-1] == 2


def test_grid() -> None:
    grid = channel_grid((4, 64, 4), (1.0, 1.0), 2.0)
    np.testing.assert_allclose(grid.centres + grid.centres[::-1], 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(grid.widths.sum(), 2, rtol=1e-15)
    np.testing.assert_allclose(tanh_centres(10, 0.0), 0.1 + 0.2 * np.arange(10), atol=1e-15)
    with pytest.raises(InputError, match="stretch"):
        tanh_centres(10, 9.0)
    with pytest.raises(InputError, match="increase"):
        ChannelGrid(4, 4, 1.0, 1.0, np.array([0.5, 0.4, 1.0, 1.5]))


def test_transforms_are_inverse_and_follow_the_formula() -> None:
    modes = Modes(8, 6)
    values = np.random.default_rng(0).standard_normal((3, 6, 8))
    kept = modes.coefficients(jnp.asarray(values))
    assert kept.shape == (3, 5, 4) and modes.fine == (10, 12)
    np.testing.assert_allclose(modes.coefficients(modes.values(kept)), kept, atol=1e-15)
    z, x = np.meshgrid(np.arange(10) / 10, np.arange(12) / 12, indexing="ij")
    wave = 2 + 3 * np.cos(2 * np.pi * (2 * x - 2 * z)) + np.sin(2 * np.pi * z)
    found = np.zeros((5, 4), complex)
    found[0, 0], found[3, 2], found[1, 0], found[4, 0] = 2, 1.5, -0.5j, 0.5j
    np.testing.assert_allclose(modes.coefficients(jnp.asarray(wave[None]))[0], found, atol=1e-15)
    np.testing.assert_allclose(modes.values(jnp.asarray(found[None]))[0], wave, atol=1e-14)


def test_cut_keeps_common_modes() -> None:
    fine, coarse = Modes(12, 10), Modes(6, 4)
    small = coarse.coefficients(jnp.asarray(np.random.default_rng(1).standard_normal((2, 4, 6))))
    np.testing.assert_array_equal(fine.cut(coarse.cut(small, fine), coarse), small)
    np.testing.assert_allclose(
        fine.values(coarse.cut(small, fine), (10, 12)), coarse.values(small, (10, 12)), atol=1e-15
    )


@pytest.mark.parametrize("name", ["centres", "faces", "pressure"])
def test_spectra_rebuild_their_matrix(name: str) -> None:
    spectrum = getattr(Across(GRID), name)
    matrix = spectrum.right @ np.diag(spectrum.values) @ spectrum.left
    beyond = np.abs(np.subtract.outer(np.arange(len(matrix)), np.arange(len(matrix)))) > 1
    assert np.abs(matrix[beyond]).max() < 1e-10 * np.abs(matrix).max()
    y = GRID.faces[1:-1] if name == "faces" else GRID.centres
    if name == "centres":  # exact for the parabola
        np.testing.assert_allclose(matrix @ (y * (2 - y)), -2, rtol=1e-11)
        a, b = wall_slope(GRID)
        assert a * y[0] * (2 - y[0]) - b * y[1] * (2 - y[1]) == pytest.approx(2, rel=1e-13)
    if name == "pressure":
        np.testing.assert_allclose(matrix @ np.ones(len(y)), 0, atol=1e-11)
        assert spectrum.values.max() == 0 and np.sum(spectrum.values == 0) == 1


def test_direct_solve_leaves_no_residual() -> None:
    across, rng = Across(GRID), np.random.default_rng(2)
    right = jnp.asarray(rng.standard_normal((12, 5, 4)) + 1j * rng.standard_normal((12, 5, 4)))
    spectrum, step = across.centres, 0.3
    found = solve(spectrum, 1 / (1 - step * (spectrum.values[:, None, None] - WAVES.squared)), right)
    matrix = spectrum.right @ np.diag(spectrum.values) @ spectrum.left
    back = found - step * (product(jnp.asarray(matrix), found) - WAVES.squared * found)
    np.testing.assert_allclose(back, right, atol=1e-11)


def test_projection_and_the_adjoint_of_the_gradient() -> None:
    velocity = random_velocity()
    assert np.abs(divergence(velocity, WAVES)).max() < 1e-13
    rng = np.random.default_rng(3)
    p = WAVES.modes.coefficients(jnp.asarray(rng.standard_normal((12, 6, 8))))
    assert abs(inner(velocity, gradient(p, WAVES))) < 1e-13


def test_convection_neither_makes_nor_loses_energy() -> None:
    velocity = random_velocity()
    flux, rate = convection(velocity, WAVES)
    scale = np.sqrt(inner(flux, flux) * inner(velocity, velocity))
    assert abs(inner(flux, velocity)) < 1e-13 * scale
    assert float(rate) > 0 and float(energy(velocity, WAVES)) == pytest.approx(inner(velocity, velocity) / 2)


def test_convection_of_a_smooth_flow() -> None:
    # u = sin(pi y) cos x, w = 0, and v from continuity; C_u = u u_x + v u_y at the centres, to second order.
    errors = []
    for ny in (32, 64):
        grid = channel_grid((8, ny, 1), (2 * np.pi, 1.0), 1.0)
        waves = Waves(grid)
        x = 2 * np.pi * np.arange(8) / 8
        u = np.sin(np.pi * grid.centres)[:, None] * np.cos(x)
        f = grid.faces[1:-1]
        v = ((1 - np.cos(np.pi * f)) / np.pi)[:, None] * np.sin(x)
        parts = [waves.modes.coefficients(jnp.asarray(part[:, None, :])) for part in (u, v, 0 * u)]
        found, _ = convection(Velocity(*parts), waves)
        y = grid.centres
        exact = -(np.sin(np.pi * y) ** 2)[:, None] * np.cos(x) * np.sin(x)
        exact = exact + (np.cos(np.pi * y) * (1 - np.cos(np.pi * y)))[:, None] * np.sin(x) * np.cos(x)
        errors.append(np.abs(np.asarray(waves.modes.values(found.u, (1, 8)))[:, 0] - exact).max())
    assert 3.4 < errors[0] / errors[1] < 4.6


def test_statistics_by_parseval() -> None:
    velocity = random_velocity()
    sums = sample(State(velocity, velocity.u), jnp.asarray(0.25), WAVES)
    values = Velocity(*(np.asarray(WAVES.modes.values(part, (6, 8))) for part in velocity))
    np.testing.assert_allclose(sums.uu + sums.square, (values.u**2).mean((1, 2)), rtol=1e-12)
    np.testing.assert_allclose(sums.vv, values.v.var((1, 2)), rtol=1e-12)
    shear = (0.5 * (values.u[1:] + values.u[:-1]) * values.v).mean((1, 2))
    shear -= 0.5 * (sums.mean[1:] + sums.mean[:-1]) * values.v.mean((1, 2))
    np.testing.assert_allclose(sums.uv, shear, atol=1e-13)
    for spectrum, variance in ((sums.u_x, sums.uu), (sums.v_z, sums.vv), (sums.w_x, sums.ww)):
        np.testing.assert_allclose(spectrum.sum(1), variance, rtol=1e-12)


def test_blocks_add_up() -> None:
    rows = [sample(State(random_velocity(seed=s), random_velocity().u), jnp.asarray(0.1 * s), WAVES) for s in range(4)]
    data = to_xarray(grouped(rows, 2), WAVES, 0.01)
    assert dict(data.sizes) == {"block": 2, "y": 12, "y_face": 11, "kx": 4, "kz": 3}
    assert data["weight"].values.tolist() == [2, 2]
    values = np.stack([np.asarray(WAVES.modes.values(random_velocity(seed=s).u, (6, 8))) for s in range(4)])
    np.testing.assert_allclose(data["uu"].mean("block"), values.var((0, 2, 3)), rtol=1e-12)
    assert float(total(rows).force) == pytest.approx(0.6)
    with pytest.raises(InputError, match="no statistics"):
        total([])
    with pytest.raises(InputError, match="blocks"):
        grouped(rows, 5)


def test_frames_of_a_known_flow_and_back() -> None:
    grid = channel_grid((8, 48, 8), (2.0, 3.0), 1.5)
    waves = Waves(grid)
    frames = Frames(waves, (8, 33, 8))
    z, x = np.meshgrid(2 * np.pi * np.arange(8) / 8, 2 * np.pi * np.arange(8) / 8, indexing="ij")
    shape = np.sin(2 * x) * np.cos(z)

    def field(y: np.ndarray) -> jax.Array:
        return waves.modes.coefficients(jnp.asarray((np.sin(np.pi * y) ** 2)[:, None, None] * shape))

    velocity = Velocity(field(grid.centres), field(grid.faces[1:-1]), field(grid.centres))
    read = frames.read(State(velocity, velocity.u))
    exact = np.sin(np.pi * wall_nodes(33))[None, :, None] ** 2 * shape[:, None, :]
    for name in "uvw":
        np.testing.assert_allclose(read[name], exact, atol=2e-4)
    back = frames.fill(read["u"], read["v"], read["w"])
    np.testing.assert_allclose(back.v, velocity.v, atol=1e-3)
    box = Frames(waves, (8, 33, 8), "box").read(State(velocity, velocity.u))
    np.testing.assert_allclose(box["u"], read["u"] * np.sinc(2 / 8) * np.sinc(1 / 8), atol=1e-12)
    with pytest.raises(InputError, match="filter"):
        Frames(waves, (8, 33, 8), "gauss")  # type: ignore[arg-type]


def gradient_of(matrix: np.ndarray) -> list[list[jax.Array]]:
    return [[jnp.asarray(matrix[i, j]) for j in range(3)] for i in range(3)]


def test_wale_of_known_gradients() -> None:
    shear = np.zeros((3, 3))
    shear[0, 1] = 7.0
    assert float(wale(gradient_of(shear), jnp.asarray(1.0))) == 0
    assert float(wale(gradient_of(np.zeros((3, 3))), jnp.asarray(1.0))) == 0
    # Solid rotation at rate w: S = 0 and S^d = diag(-1, -1, 2) w^2 / 3, so that nu_t = (S^d:S^d)^(1/4) length^2.
    turning = np.zeros((3, 3))
    turning[0, 1], turning[1, 0] = -3.0, 3.0
    assert float(wale(gradient_of(turning), jnp.asarray(0.5))) == pytest.approx(0.25 * (81 * 6 / 9) ** 0.25)


def test_wale_grows_with_the_cube_of_the_distance_from_a_wall() -> None:
    # Near a wall u = y (a + b x + c z), v = -b y^2 / 2 - e y^2 / 2, w = e z y + y.
    def viscosity(y: float) -> float:
        a, b, e = 1.0, 0.7, 0.4
        g = np.array([[b * y, a, 0.3 * y], [0, -(b + e) * y, 0], [0, 0.5, e * y]])
        return float(wale(gradient_of(g), jnp.asarray(1.0)))

    orders = [np.log2(viscosity(2 * y) / viscosity(y)) for y in (1e-2, 1e-3)]
    assert orders[1] == pytest.approx(3, abs=0.02)


def turbulent_box() -> tuple[list[jax.Array], list[list[jax.Array]], Waves]:
    """A velocity with the spectrum k^(-5/3) in planes of a channel."""
    grid = channel_grid((32, 8, 32), (2 * np.pi, 2 * np.pi), 0.0)
    waves, rng = Waves(grid), np.random.default_rng(5)
    size = np.where(waves.squared > 0, np.maximum(waves.squared, 1), np.inf) ** (-(5 / 3 + 1) / 4)
    parts = []
    for rows in (8, 7, 8):
        phases = rng.standard_normal((rows, *waves.modes.shape)) + 1j * rng.standard_normal((rows, *waves.modes.shape))
        parts.append(waves.modes.coefficients(waves.modes.values(jnp.asarray(size * phases))))
    velocity = Scheme(grid, 1e-3).begin(Velocity(*parts)).velocity
    return *velocity_gradient(velocity, waves), waves


def test_dynamic_coefficient_solves_the_identity() -> None:
    # Where L_ij = -2 C M_ij, with C = 0.02 and -0.01 in two planes, C comes back.
    rng = np.random.default_rng(4)
    model = {pair: jnp.asarray(rng.standard_normal((2, 6, 8))) for pair in PAIRS}
    known = np.array([0.02, -0.01])[:, None, None]
    resolved = {pair: -2 * known * part for pair, part in model.items()}
    np.testing.assert_allclose(least_squares(resolved, model), known[:, 0, 0], rtol=1e-12)


def test_dynamic_coefficient_has_no_units() -> None:
    values, g, waves = turbulent_box()
    found = coefficient(values, g, waves)
    assert found.shape == (8,) and np.isfinite(found).all() and np.abs(found).max() > 0
    # C has no dimension: velocities three times as large leave it as it is.
    scaled = coefficient([3 * part for part in values], [[3 * part for part in row] for row in g], waves)
    np.testing.assert_allclose(scaled, found, rtol=1e-10)
    still = [[0 * part for part in row] for row in g]
    np.testing.assert_array_equal(coefficient([0 * part for part in values], still, waves), 0)


@pytest.mark.parametrize("name", ["wale", "smagorinsky"])
def test_subgrid_force_dissipates_and_pushes_nothing(name: str) -> None:
    velocity = random_velocity()
    force = subgrid_model(name, 10.0).force(velocity, WAVES)  # type: ignore[union-attr]
    if name == "wale":
        assert inner(force, velocity) < 0
    # No net force: the stress at the walls is zero.
    assert abs(float(jnp.sum(GRID.widths * force.u[:, 0, 0].real))) < 1e-12
    with pytest.raises(InputError, match="subgrid"):
        subgrid_model("waale", 1.0)
