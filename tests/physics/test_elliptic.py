"""Linear steady equations against exact solutions, jumps of the coefficient, and an independent transform solver."""

import numpy as np
import pytest
import sympy
from scipy.fft import dstn, idstn
from sympy import Eq, Piecewise, cos, exp, pi, sin

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Neumann,
    Parameter,
    Problem,
    Robin,
    coordinates,
    div,
    gaussian_field,
    grad,
    laplacian,
)
from sciflow.solvers import simulate

x, y = coordinates("x y")
u, a = Field("u")(x, y), Field("a")(x, y)
SIDES = ("x-", "x+", "y-", "y+")
EXACT = exp(x / 2) * sin(2 * x + 1) * cos(3 * y - x / 2)  # no symmetry, nowhere special at the sides
SMOOTH = 1 + x**2 / 2 + sin(3 * y) / 4


def _normal(solution: sympy.Expr, side: str) -> sympy.Expr:
    """Outward derivative on a side."""
    return (1 if side[1] == "+" else -1) * solution.diff({"x": x, "y": y}[side[0]])


def _manufactured(kind: str, coefficient: sympy.Expr, reaction: float, solution: sympy.Expr = EXACT) -> Problem:
    """-div(a grad u) + c u = f with the source and the data that the solution asks for."""
    conditions = {
        "dirichlet": lambda side: Dirichlet(solution),
        "neumann": lambda side: Neumann(_normal(solution, side)),
        "robin": lambda side: Robin(2 * solution + 3 * _normal(solution, side), a=2, b=3),
        "mixed": lambda side: Dirichlet(solution) if side == "x-" else Neumann(_normal(solution, side)),
    }
    flux = [coefficient * solution.diff(axis) for axis in (x, y)]
    source = -flux[0].diff(x) - flux[1].diff(y) + reaction * solution
    return Problem(
        name=f"manufactured-{kind}", fields=[u], inputs={a: coefficient}, domain=Box(x=(0, 1), y=(-0.5, 1)),
        steady={u: Eq(-div(a * grad(u)) + reaction * u, source)},
        boundary={u: {side: conditions[kind](side) for side in SIDES}},
    )  # fmt: skip


def _error(problem: Problem, solution: sympy.Expr, cells: int, **options: int) -> float:
    """Largest error over the cells; twice as many along x, so that the axes are not alike."""
    data = simulate(problem, resolution=(2 * cells, cells), options=options)
    places = np.meshgrid(data.x, data.y)
    return float(np.abs(data.u[0, 0].values - sympy.lambdify((x, y), solution)(*places)).max())


@pytest.mark.parametrize("coefficient", [sympy.Integer(1), SMOOTH], ids=["constant", "smooth"])
@pytest.mark.parametrize(
    ("kind", "reaction"), [("dirichlet", 0.0), ("neumann", 2.0), ("robin", 0.0), ("mixed", 0.0), ("robin", 5.0)]
)
def test_second_order_in_the_largest_error(kind: str, reaction: float, coefficient: sympy.Expr) -> None:
    problem = _manufactured(kind, coefficient, reaction)
    errors = [_error(problem, EXACT, cells) for cells in (24, 48, 96)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 6e-4


def test_gauge_fixes_what_neumann_sides_leave_open() -> None:
    solution = cos(pi * x) * cos(2 * pi * y) + sin(pi * x / 2)  # on the unit square its mean is 2 / pi
    problem = Problem(
        name="floating", fields=[u], domain=Box(x=(0, 1), y=(0, 1)),
        steady={u: Eq(laplacian(u), laplacian_of(solution))},
        boundary={u: {**{side: Neumann(_normal(solution, side)) for side in SIDES}, "gauge": 2 / np.pi}},
    )  # fmt: skip
    errors = [_error(problem, solution, cells) for cells in (16, 32, 64)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(2.0, abs=0.1)
    assert float(simulate(problem, resolution=16).u.mean()) == pytest.approx(2 / np.pi, abs=1e-12)


def laplacian_of(solution: sympy.Expr) -> sympy.Expr:
    return solution.diff(x, 2) + solution.diff(y, 2)


def test_helmholtz_of_the_catalogue_is_solved_to_second_order() -> None:
    errors = []
    for cells in (48, 96, 192):
        data = simulate("helmholtz", resolution=cells, k=1.7, a1=1.5, a2=3.2)
        places = np.meshgrid(data.x, data.y)
        errors.append(
            float(np.abs(data.u[0, 0] - np.sin(1.5 * np.pi * places[0]) * np.sin(3.2 * np.pi * places[1])).max())
        )
        assert bool(data.resolved.all())
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(2.0, abs=0.1)


def test_resonance_is_reported() -> None:
    """k^2 = pi^2 / 2 is the lowest eigenvalue of the square of side 2."""
    with pytest.warns(UserWarning, match="at a resonance in cases \\[0\\]"):
        data = simulate("helmholtz", resolution=32, k=float(np.pi / np.sqrt(2)))
    assert not data.resolved.any()


def test_poisson_equals_a_sine_transform_solver() -> None:
    """The same differences, diagonalised: half-cell walls make the eigenvectors sin(pi k x) at cell centres."""
    n = 48
    data = simulate("poisson", cases=2, resolution=n, seed=3)
    eigenvalues = 4 * n**2 * np.sin(np.pi * np.arange(1, n + 1) / (2 * n)) ** 2
    spectrum = dstn(data.f.values, type=2, axes=(1, 2)) / (eigenvalues[:, None] + eigenvalues)
    expected = idstn(spectrum, type=2, axes=(1, 2))
    assert data.u[:, 0].values == pytest.approx(expected, abs=1e-12 * np.abs(expected).max() + 1e-14)


def test_a_jump_between_cells_is_exact_in_one_dimension() -> None:
    """-(a u')' = 0 with u(0) = 0, u(1) = 1: the flux is 1 / (0.25 / 2 + 0.75 / 7) everywhere, u is broken linear."""
    v = Field("v")(x)
    k = Field("k")(x)
    layers = Piecewise((2, x < sympy.Rational(1, 4)), (7, True))
    problem = Problem(
        name="layers", fields=[v], inputs={k: layers}, domain=Box(x=(0, 1)),
        steady={v: Eq(-div(k * grad(v)), 0)}, boundary={v: {"x-": Dirichlet(0), "x+": Dirichlet(1)}},
    )  # fmt: skip
    data = simulate(problem, resolution=16)
    flux = 1 / (0.25 / 2 + 0.75 / 7)
    places = data.x.values
    expected = np.where(places < 0.25, flux * places / 2, 1 - flux * (1 - places) / 7)
    assert data.v[0, 0].values == pytest.approx(expected, abs=1e-13)
    values = data.v[0, 0].values
    assert (values[4] - values[3]) * 16 * (2 * 2 * 7 / 9) == pytest.approx(flux, rel=1e-12)


def test_darcy_converges_to_a_finer_grid() -> None:
    """The same random medium on cells of a fifth and of a fifteenth; jumps make the error first order at best."""
    finest = simulate("darcy", cases=2, resolution=20, seed=1, options={"oversample": 15}).u
    errors = [
        float(np.linalg.norm(simulate("darcy", cases=2, resolution=20, seed=1, options={"oversample": n}).u - finest))
        / float(np.linalg.norm(finest))
        for n in (1, 3, 5)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[0] < 0.05 and errors[2] < 0.01


def test_darcy_balances_source_and_outflow() -> None:
    """What the source of strength 1 makes on the unit square leaves through its walls."""
    n = 32
    data = simulate("darcy", cases=3, resolution=n, seed=2)
    k, v = data.a.values, data.u[:, 0].values
    walls = [(k * v)[:, 0].sum(1), (k * v)[:, -1].sum(1), (k * v)[:, :, 0].sum(1), (k * v)[:, :, -1].sum(1)]
    assert 2 * sum(walls) == pytest.approx(1.0, rel=1e-11)  # a u / (h / 2) on faces of length h
    assert set(np.unique(k)) == {3.0, 12.0} and v.min() > 0


def test_given_and_oversampled_inputs() -> None:
    drawn = simulate("darcy", cases=2, resolution=20, seed=1, options={"oversample": 3})
    coarse = simulate("darcy", cases=2, resolution=20, seed=1)
    assert np.array_equal(drawn.a, coarse.a), "the centres of both grids are the same points of the same field"
    given = simulate("darcy", cases=2, resolution=20, initial={"a": coarse.a.values}, options={"oversample": 3})
    assert np.array_equal(given.u, coarse.u)
    assert drawn.a.dims == ("case", "y", "x") and drawn.a.attrs["role"] == "input"
    assert drawn.u.dims == ("case", "time", "y", "x") and drawn.time.values.tolist() == [0.0]


def test_periodic_axis_and_parameters_as_coefficients() -> None:
    kappa, speed = Parameter("kappa", 2.0), Parameter("speed", 3.0)
    solution = sin(2 * pi * x) * exp(y)
    problem = Problem(
        name="strip", fields=[u], parameters=[kappa, speed], domain=Box(x=(0, 1), y=(0, 1)), periodic=["x"],
        steady={u: Eq(kappa * laplacian(u) - speed * u, (kappa * (1 - 4 * pi**2) - speed) * solution)},
        boundary={u: {"y-": Dirichlet(solution), "y+": Neumann(solution)}},
    )  # fmt: skip
    errors = [_error(problem, solution, cells) for cells in (16, 32, 64)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(2.0, abs=0.1)


def test_random_source_on_a_torus_needs_a_gauge() -> None:
    f = Field("f")(x, y)

    def torus(boundary: dict) -> Problem:
        return Problem(
            name="torus", fields=[u], inputs={f: gaussian_field()}, domain=Box(x=(0, 1), y=(0, 1)),
            periodic=["x", "y"], steady={u: Eq(laplacian(u), f)}, boundary=boundary,
        )  # fmt: skip

    data = simulate(torus({u: {"gauge": 0}}), cases=1, resolution=16)
    symbol = 4 * 16**2 * np.sin(np.pi * np.fft.fftfreq(16)) ** 2
    size = symbol[:, None] + symbol
    size[0, 0] = 1
    expected = np.fft.ifft2(-np.fft.fft2(data.f[0].values - data.f[0].values.mean()) / size).real
    assert data.u[0, 0].values == pytest.approx(expected, abs=1e-13)
