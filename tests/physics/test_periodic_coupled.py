"""Fields that are coupled linearly or by incompressibility, on periodic boxes."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Eq, Rational, cos, sin

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, div, dot, grad, laplacian
from sciflow.solvers import simulate
from sciflow.solvers.periodic.system import System

TURN = 6.283185307179586
t, x, y = coordinates("t x y")


def wave() -> Problem:
    u, v = Field("u")(t, x), Field("v")(t, x)
    c = Parameter("c", 1.0)
    return Problem(
        name="wave-system", fields=[u, v], parameters=[c], domain=Box(x=(0, TURN)), periodic=["x"],
        time=(0, 1), evolution={u: v, v: c**2 * u.diff(x, 2)},
    )  # fmt: skip


def phi_by_mpmath(z: np.ndarray) -> list[np.ndarray]:
    """phi_0 to phi_3 as blocks of one exponential (Sidje 1998, theorem 1) with 60 digits."""
    fields = len(z)
    with mpmath.workdps(60):
        block = mpmath.zeros(4 * fields)
        for i in range(fields):
            for j in range(fields):
                block[i, j] = mpmath.mpmathify(complex(z[i, j]))
            for k in range(3):
                block[k * fields + i, (k + 1) * fields + i] = 1
        power = mpmath.expm(block, method="taylor")
        return [
            np.array([[complex(power[i, k * fields + j]) for j in range(fields)] for i in range(fields)])
            for k in range(4)
        ]


CASES = {
    "defective": np.array([[0.0, 1], [0, 0]]),
    "zero": np.zeros((3, 3)),
    "wave, slow": np.array([[0, 0.1], [-0.4, 0]]),
    "wave, badly scaled": np.array([[0, 1e-2], [-2.5e5, 0]]),
    "wave, 1e3 radians": np.array([[0, 1], [-1e6, 0]]),
    "stiff diffusion": np.array([[-1e4, 3], [2, -0.5]]),
    "stiff cross-diffusion": -np.array([[2e4, 3e3, 0], [1e3, 1e4, 2e3], [0, 5e3, 3e4]]),
    "stiff, defective": np.array([[-1e4, 1], [0, -1e4]]),
    "dispersion": np.array([[1j, 2e2], [-2e2, -3j]]),
}


@pytest.mark.parametrize("name", CASES)
def test_matrix_functions_against_many_digits(name: str) -> None:
    """To 2e-12 of the largest entry: |z| = 1e4 is doubled 15 times, and each time the rounding error with it."""
    import jax

    from sciflow.solvers.periodic.matrix import phi

    z = CASES[name]
    with jax.enable_x64(True):
        found = jax.jit(phi)(jax.numpy.asarray(z)[..., None])
    for part, exact in zip(found, phi_by_mpmath(z), strict=True):
        assert np.abs(np.asarray(part)[..., 0] - exact).max() <= 2e-12 * np.abs(exact).max()


def test_step_coefficients_agree_where_both_apply() -> None:
    """Matrices that happen to be diagonal give what the means over circles give, from slow to stiff modes."""
    import jax

    from sciflow.solvers.periodic.etdrk import coefficients, matrix_coefficients

    modes = np.concatenate([[0], -(10.0 ** np.linspace(-6, 4, 40))])
    linear = np.stack([modes, 2 * modes])
    matrices = np.zeros((2, 2, len(modes)))
    matrices[0, 0], matrices[1, 1] = linear
    with jax.enable_x64(True):
        plain = jax.jit(coefficients)(jax.numpy.asarray(linear), 0.5)
        coupled = jax.jit(matrix_coefficients)(jax.numpy.asarray(matrices), 0.5)
    for name in plain._fields:
        diagonal = np.einsum("iim->im", np.asarray(getattr(coupled, name)))
        assert np.abs(diagonal - np.asarray(getattr(plain, name))).max() < 1e-12
        assert np.abs(np.asarray(getattr(coupled, name))[0, 1]).max() == 0


def test_wave_is_exact_at_any_step() -> None:
    """A standing and a travelling wave and a drifting mean (the defective mode k = 0), in one step to t = 40."""
    nodes = TURN * np.arange(64) / 64
    initial = {
        "u": (np.cos(3 * nodes) + np.sin(20 * nodes))[None],
        "v": (0.5 - 20 * np.cos(20 * nodes))[None],
    }
    solution = simulate(wave(), resolution=64, times=[0, 40.0], initial=initial)
    exact = 0.5 * 40 + np.cos(3 * 40) * np.cos(3 * nodes) + np.sin(20 * (nodes - 40))
    assert solution.attrs["steps_per_frame"] == 1
    assert np.abs(solution.u.values[0, 1] - exact).max() < 1e-11
    speed = 0.5 - 3 * np.sin(3 * 40) * np.cos(3 * nodes) - 20 * np.cos(20 * (nodes - 40))
    assert np.abs(solution.v.values[0, 1] - speed).max() < 1e-10


@pytest.mark.filterwarnings("ignore:.*under-resolved")  # noise, so that all modes are tried
def test_free_schroedinger_packet() -> None:
    """i psi_t = -psi_xx / 2 in real and imaginary part: every mode turns by k^2 t / 2, the highest by 2,048 rad."""
    q, r = Field("q")(t, x), Field("r")(t, x)
    problem = Problem(
        name="free", fields=[q, r], domain=Box(x=(0, TURN)), periodic=["x"], time=(0, 1),
        evolution={q: -r.diff(x, 2) / 2, r: q.diff(x, 2) / 2},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    psi = rng.normal(size=128) + 1j * rng.normal(size=128)
    solution = simulate(problem, resolution=128, times=[0, 1], initial={"q": psi.real[None], "r": psi.imag[None]})
    k = np.fft.fftfreq(128, 1 / 128)
    exact = np.fft.ifft(np.exp(-0.5j * k**2) * np.fft.fft(psi))
    assert np.abs(solution.q.values[0, 1] + 1j * solution.r.values[0, 1] - exact).max() < 1e-11


@pytest.mark.filterwarnings("ignore:.*under-resolved")
def test_nyquist_mode_stays_real() -> None:
    """u_t = v_x, v_t = u_x: the highest mode of an even grid has no first derivative and stays as it is."""
    u, v = Field("u")(t, x), Field("v")(t, x)
    problem = Problem(
        name="first-order", fields=[u, v], domain=Box(x=(0, TURN)), periodic=["x"], time=(0, 1),
        evolution={u: v.diff(x), v: u.diff(x)},
    )  # fmt: skip
    nodes = TURN * np.arange(16) / 16
    zigzag = (-1.0) ** np.arange(16)
    solution = simulate(
        problem,
        resolution=16,
        times=[0, 3.0],
        initial={"u": (zigzag + np.sin(2 * nodes))[None], "v": np.zeros((1, 16))},
    )
    assert solution.u.values[0, 1] == pytest.approx(zigzag + np.cos(6) * np.sin(2 * nodes), abs=1e-12)
    assert solution.v.values[0, 1] == pytest.approx(np.sin(6) * np.cos(2 * nodes), abs=1e-12)


def klein_gordon() -> Problem:
    """u_tt = u_xx - u^3: linear coupling with a product."""
    u, v = Field("u")(t, x), Field("v")(t, x)
    return Problem(
        name="klein-gordon", fields=[u, v], domain=Box(x=(0, TURN)), periodic=["x"], time=(0, 1),
        evolution={u: v, v: u.diff(x, 2) - u**3}, initial={u: 2 * cos(x), v: sin(2 * x)},
    )  # fmt: skip


def test_coupled_fields_with_products_are_of_fourth_order() -> None:
    def run(steps: int) -> np.ndarray:
        return simulate(klein_gordon(), resolution=48, times=[0, 1.0], options={"dt": 1 / steps}).u.values[0, 1]

    reference = run(640)
    errors = [np.linalg.norm(run(steps) - reference) for steps in (20, 40, 80)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx([4, 4], abs=0.3)


def test_stiff_coupling_does_not_bound_the_step() -> None:
    """A beam, u_tt = -u_xxxx - u^3, with h |L| of 2e3 in the highest mode: explicit coupling would need h < 1e-3."""
    u, v = Field("u")(t, x), Field("v")(t, x)
    problem = Problem(
        name="beam", fields=[u, v], domain=Box(x=(0, TURN)), periodic=["x"], time=(0, 1),
        evolution={u: v, v: -u.diff(x, 4) - u**3 / 10}, initial={u: cos(x)},
    )  # fmt: skip
    coarse, fine = (
        simulate(problem, resolution=256, times=[0, 1.0], options={"dt": dt}).u.values[0, 1] for dt in (0.125, 1e-3)
    )
    assert np.abs(coarse - fine).max() < 1e-5


def test_linear_constraints_pass_into_the_exact_part() -> None:
    """Rossby waves: w_t = -beta psi_x with lap psi = w; each mode turns at -beta k / (k^2 + l^2)."""
    w, psi = Field("w")(t, x, y), Field("psi")(t, x, y)
    beta = Parameter("beta", 5.0)
    problem = Problem(
        name="rossby", fields=[w, psi], parameters=[beta], domain=Box(x=(0, TURN), y=(0, TURN)), periodic=["x", "y"],
        time=(0, 1), evolution={w: -beta * psi.diff(x)}, constraints={psi: Eq(laplacian(psi), w)},
        initial={w: cos(2 * x + y)},
    )  # fmt: skip
    solution = simulate(problem, resolution=16, times=[0, 7.0])
    phase = 2 * solution.x.values + solution.y.values[:, None] + 5 * 2 / 5 * 7
    assert solution.attrs["steps_per_frame"] == 1
    assert np.abs(solution.w.values[0, 1] - np.cos(phase)).max() < 1e-12
    assert np.abs(solution.psi.values[0, 1] + np.cos(phase) / 5).max() < 1e-12


def flow(**changes: Any) -> Problem:
    """Incompressible flow in two dimensions in primitive variables, with density and viscosity."""
    velocity, p = Field("velocity", components=("u", "v"))(t, x, y), Field("p")(t, x, y)
    u, v = velocity
    rho, nu = Parameter("rho", 2.0), Parameter("nu", 0.05)
    turning = changes.pop("coriolis", 0)
    acceleration = -dot(velocity, grad)(velocity) - grad(p) / rho + nu * laplacian(velocity)
    declared = {
        "name": "flow", "fields": [velocity, p], "parameters": [rho, nu], "domain": Box(x=(0, TURN), y=(0, TURN)),
        "periodic": ["x", "y"], "time": (0, 1), "constraints": {p: Eq(div(velocity), 0)},
        "evolution": {u: acceleration[0] + turning * v, v: acceleration[1] - turning * u},
    }  # fmt: skip
    return Problem(**{**declared, **changes})


def random_velocity(points: int, largest: int = 4) -> dict[str, np.ndarray]:
    """Smooth and not free of divergence."""
    rng = np.random.default_rng(2)
    nodes = TURN * np.arange(points) / points
    out = {}
    for name in ("u", "v"):
        field = np.zeros((points, points))
        for k in range(largest + 1):
            for m in range(-largest, largest + 1):
                field += (
                    rng.normal() * np.cos(k * nodes + m * nodes[:, None] + rng.uniform(0, TURN)) / (1 + k * k + m * m)
                )
        out[name] = field[None]
    return out


def spectral(field: np.ndarray, axis: int) -> np.ndarray:
    """First derivative along an axis of the box of side 2 pi."""
    shape = [1] * field.ndim
    shape[axis] = field.shape[axis]
    k = 1j * np.fft.fftfreq(field.shape[axis], 1 / field.shape[axis]).reshape(shape)
    return np.fft.ifft(k * np.fft.fft(field, axis=axis), axis=axis).real


def divergence(solution: Any) -> np.ndarray:
    return spectral(solution.u.values, 3) + spectral(solution.v.values, 2)


def test_taylor_green_vortices_with_their_pressure() -> None:
    nodes = TURN * np.arange(32) / 32
    start = {"u": np.cos(nodes) * np.sin(nodes[:, None]), "v": -np.sin(nodes) * np.cos(nodes[:, None])}
    solution = simulate(
        flow(), resolution=32, times=[0, 1.0, 2.0], initial={name: field[None] for name, field in start.items()},
        options={"dt": 0.1},
    )  # fmt: skip
    decay = np.exp(-2 * 0.05 * 2.0)
    pressure = -2.0 / 4 * (np.cos(2 * nodes) + np.cos(2 * nodes[:, None])) * decay**2
    assert np.abs(solution.u.values[0, -1] - start["u"] * decay).max() < 1e-13
    assert np.abs(solution.p.values[0, -1] - pressure).max() < 1e-13


def test_primitive_variables_agree_with_vorticity() -> None:
    """The same flow as w_t = -u . grad w + nu lap w, solved through the stream function; divergence at rounding."""
    points, times = 48, np.linspace(0, 1, 3)
    solution = simulate(flow(), resolution=points, times=times, initial=random_velocity(points), options={"dt": 0.01})
    assert np.abs(divergence(solution)).max() < 1e-12
    w, psi = Field("w")(t, x, y), Field("psi")(t, x, y)
    nu = Parameter("nu", 0.05)
    scalar = Problem(
        name="vorticity", fields=[w, psi], parameters=[nu], domain=Box(x=(0, TURN), y=(0, TURN)), periodic=["x", "y"],
        evolution={w: -psi.diff(y) * w.diff(x) + psi.diff(x) * w.diff(y) + nu * laplacian(w)},
        constraints={psi: Eq(laplacian(psi), -w)}, time=(0, 1),
    )  # fmt: skip
    mean = {name: float(solution[name].values[0, 0].mean()) for name in ("u", "v")}
    turning = spectral(solution.v.values, 3) - spectral(solution.u.values, 2)
    other = simulate(scalar, resolution=points, times=times, initial={"w": turning[:, 0]}, options={"dt": 0.01})
    # The stream function carries no mean flow: shift the reference by it.
    k = np.fft.fftfreq(points, 1 / points)
    shift = np.exp(-1j * (k * mean["u"] + k[:, None] * mean["v"]))
    moved = np.fft.ifft2(shift * np.fft.fft2(other.w.values[0, -1])).real
    assert np.linalg.norm(moved - turning[0, -1]) / np.linalg.norm(moved) < 1e-7


def test_initial_velocity_is_projected() -> None:
    """The gradient part is removed, the rest kept: u = curl + grad, known for each."""
    nodes = TURN * np.arange(16) / 16
    wave_x, wave_y = np.broadcast_to(nodes, (16, 16)), np.broadcast_to(nodes[:, None], (16, 16))
    curl = {"u": np.cos(wave_x + wave_y), "v": -np.cos(wave_x + wave_y)}
    gradient = {"u": np.cos(wave_x + 2 * wave_y), "v": 2 * np.cos(wave_x + 2 * wave_y)}
    initial = {name: (1 + curl[name] + gradient[name])[None] for name in curl}
    solution = simulate(flow(), resolution=16, times=[0, 0.1], initial=initial, options={"dt": 0.05})
    for name, kept in curl.items():
        assert solution[name].values[0, 0] == pytest.approx(1 + kept, abs=1e-13)


def test_turning_flow() -> None:
    """In two dimensions a constant rotation is balanced by pressure: only the mean velocity turns with it."""
    initial = random_velocity(32)
    initial = {name: field - field.mean() for name, field in initial.items()}
    options = {"dt": 0.02}
    turned = simulate(flow(coriolis=30), resolution=32, times=[0, 0.5], initial=initial, options=options)
    still = simulate(flow(), resolution=32, times=[0, 0.5], initial=initial, options=options)
    assert np.abs(turned.u.values - still.u.values).max() < 1e-11
    assert np.abs(divergence(turned)).max() < 1e-11


def test_buoyancy_through_the_pressure() -> None:
    """Internal waves: v_t = -p_y + b, b_t = -v, turn at k / |k| after the pressure is put in; exact in one step."""
    velocity, b = Field("velocity", components=("u", "v"))(t, x, y), Field("b")(t, x, y)
    p = Field("p")(t, x, y)
    u, v = velocity
    problem = Problem(
        name="internal-waves", fields=[velocity, b, p], domain=Box(x=(0, TURN), y=(0, TURN)), periodic=["x", "y"],
        time=(0, 1), evolution={u: -p.diff(x), v: -p.diff(y) + b, b: -v}, constraints={p: Eq(div(velocity), 0)},
        initial={b: cos(3 * x + 4 * y)},
    )  # fmt: skip
    solution = simulate(problem, resolution=16, times=[0, 5.0])
    wave = 3 * solution.x.values + 4 * solution.y.values[:, None]
    assert solution.attrs["steps_per_frame"] == 1
    assert np.abs(solution.b.values[0, 1] - np.cos(3 / 5 * 5) * np.cos(wave)).max() < 1e-12
    assert np.abs(solution.v.values[0, 1] - 3 / 5 * np.sin(3 / 5 * 5) * np.cos(wave)).max() < 1e-12


def test_sources_in_the_constraint() -> None:
    """div(velocity) = sin(x) sin(y) cos(t): initial fields and every later one keep it."""
    velocity, p = Field("velocity", components=("u", "v"))(t, x, y), Field("p")(t, x, y)
    source = sin(x) * sin(y) * cos(t)
    problem = flow(
        fields=[velocity, p], constraints={p: Eq(div(velocity), source)}, initial={velocity: (sin(y), Rational(1, 2))}
    )
    solution = simulate(problem, resolution=24, times=[0, 0.5, 1.0], options={"dt": 0.01})
    nodes = solution.x.values
    expected = np.sin(nodes) * np.sin(nodes[:, None]) * np.cos(solution.time.values)[:, None, None]
    assert np.abs(divergence(solution)[0] - expected).max() < 1e-8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("density that varies", "not linear in"),
        ("nonlinear constraint", "does not hold it"),
        ("unused", "of 'p' is not"),
    ],
)
def test_what_is_not_taken_is_said(change: str, reason: str) -> None:
    velocity, p = Field("velocity", components=("u", "v"))(t, x, y), Field("p")(t, x, y)
    u, v = velocity
    parts: dict[str, Any] = {
        "density that varies": {"evolution": {velocity: -grad(p) * (2 + cos(x))}},
        "nonlinear constraint": {"constraints": {p: Eq(u**2 + v, 1)}},
        "unused": {"evolution": {velocity: laplacian(velocity)}},
    }[change]
    assert reason in str(System.unsupported(flow(fields=[velocity, p], **parts)))


def test_products_are_found_to_be_derivatives() -> None:
    from sympy import expand

    from sciflow.problems.symbols import plain
    from sciflow.solvers.periodic.flux import flux_form

    u = Field("u")(t, x, y)
    field = plain(u)
    chosen = flux_form(plain(3 * u**2 * u.diff(x, 2) + 6 * u * u.diff(x) ** 2 - 2 * u * u.diff(y)), plain(u).args[1:])
    assert {orders: expand(flux) for orders, flux in chosen.items()} == {(2, 0): field**3, (0, 1): -(field**2)}
