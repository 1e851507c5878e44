"""The five problems with known mass: published numbers, and finite volumes against the exact solutions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from sympy import Piecewise, cos, exp, pi, sin

from sciflow.core import InputError
from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Neumann,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    get,
    numeric,
    positive_power,
)  # fmt: skip
from sciflow.solvers import build, choose, simulate
from sciflow.solvers.base import cell_grid
from sciflow.solvers.volume.march import march

REFERENCE = Path(__file__).parents[2] / "../shared/reference/probconserv_pme.npz"
t, x, y = coordinates("t x y")


def exact(name: str, time: float, places: np.ndarray, value: float) -> np.ndarray:
    problem = get(name)
    function = numeric([*problem.coordinates, problem.parameters[0].symbol], problem.exact["u"])
    return np.broadcast_to(function(np.full_like(places, time), places, value), places.shape)


def total(name: str, time: float, value: float) -> float:
    problem = get(name)
    return float(numeric([problem.t, problem.parameters[0].symbol], problem.conserves[0].total)(time, value))


VALUES = {
    "heat-decay": (3.0,), "porous-medium": (1.0, 3.0, 6.0), "stefan": (0.5, 0.6), "advection-step": (3.0,),
    "burgers-shock": (3.0,),
}  # fmt: skip


@cache
def _run(name: str, time: float, cells: int) -> xr.Dataset:
    """All values in one run, which compiles once."""
    problem = get(name)
    values = list(VALUES[name])
    return simulate(problem, resolution=cells, times=[0, time], solver="volume", **{problem.parameters[0].name: values})


def solved(name: str, value: float, time: float, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres and the frame at `time`."""
    data = _run(name, time, cells)
    return data.x.values, data.u[VALUES[name].index(value), -1].values


def error(name: str, value: float, time: float, cells: int) -> float:
    """Mean absolute difference to the exact solution."""
    centres, found = solved(name, value, time, cells)
    return float(np.abs(found - exact(name, time, centres, value)).mean())


@pytest.mark.parametrize(
    ("name", "value", "time", "gap"),
    [
        ("porous-medium", 1.0, 0.5, 0.0),
        ("porous-medium", 3.0, 0.5, -0.00034038958535281827),
        ("porous-medium", 6.0, 0.5, -0.001032438432406968),
        ("stefan", 0.5, 0.05, 0.00010542379540812163),
        ("stefan", 0.6, 0.05, 0.0014492372579641977),
    ],
)
def test_solution_and_mass_are_the_published_ones(name: str, value: float, time: float, gap: float) -> None:
    """What the trapezoidal rule on 201 nodes misses, computed with the published code in single precision."""
    places = np.linspace(0, 1, 201)
    found = np.trapezoid(exact(name, time, places, value), places) - total(name, time, value)
    assert found == pytest.approx(gap, abs=2e-7)


def test_porous_medium_is_that_of_the_reference_arrays() -> None:
    if not REFERENCE.exists():
        pytest.skip("the reference arrays are not here")
    known = np.load(REFERENCE)
    for case, m in enumerate(known["m"]):
        for frame, time in enumerate(known["t"]):
            # At nodes beside the front a rounded distance of 1e-8 to the power of 1/6 is 0.05.
            inside = np.abs(known["x"] - time) > 1e-3
            found = exact("porous-medium", float(time), known["x"].astype(float), float(m))
            assert found[inside] == pytest.approx(known["exact"][case, frame][inside], abs=2e-6)
            assert total("porous-medium", float(time), float(m)) == pytest.approx(known["mass"][case, frame], rel=1e-5)


def test_which_solver_is_chosen() -> None:
    names = ("porous-medium", "stefan", "advection-step", "burgers-shock")
    assert {name: choose(get(name))[0] for name in names} == dict.fromkeys(names, "volume")


def test_second_order_where_all_is_smooth() -> None:
    """Space and time refined together: a Runge-Kutta-Legendre step is as long as h^2."""
    coarse, fine = (error("heat-decay", 3.0, 0.1, cells) for cells in (64, 128))
    assert fine < 1e-4 and np.log2(coarse / fine) > 1.9


@pytest.mark.parametrize(
    ("name", "value", "time", "bound", "order"),
    [
        ("porous-medium", 1.0, 0.5, 3e-5, 1.8),  # continuous: the front is a kink
        ("porous-medium", 3.0, 0.5, 4.5e-4, 4 / 3),  # u ~ (t - x)^(1/m): one cell costs h^(1 + 1/m)
        ("porous-medium", 6.0, 0.5, 7e-4, 7 / 6),
        ("advection-step", 3.0, 0.1, 2e-2, 2 / 3),  # limited slopes carry a jump with order 2/3
        ("burgers-shock", 3.0, 0.5, 2e-2, 1.0),
    ],
)
def test_mean_errors_and_their_order(name: str, value: float, time: float, bound: float, order: float) -> None:
    coarse, fine = (error(name, value, time, cells) for cells in (100, 200))
    if name == "burgers-shock":  # where the shock lies in its cell matters: at the same place on 50 and 200
        coarse = np.sqrt(error(name, value, time, 50) * fine)
    assert coarse < bound and np.log2(coarse / fine) > order - 0.15


@pytest.mark.parametrize("cells", [100, 200])
@pytest.mark.parametrize(
    ("name", "value", "time", "front", "level"),
    [
        ("porous-medium", 3.0, 0.5, 0.5, 0.1),
        ("porous-medium", 6.0, 0.5, 0.5, 0.1),
        ("stefan", 0.5, 0.05, 0.2773, 0.25),
        ("stefan", 0.6, 0.05, 0.2351, 0.3),
        ("advection-step", 3.0, 0.1, 0.8, 0.5),
        ("burgers-shock", 3.0, 0.5, 0.25, 1.5),
    ],
)
def test_fronts_are_where_they_belong(
    name: str, value: float, time: float, front: float, level: float, cells: int
) -> None:
    """Within a cell. Means of the diffusivity in place of the Kirchhoff potential would leave it at the wall."""
    centres, found = solved(name, value, time, cells)
    h = centres[1] - centres[0]
    assert centres[np.flatnonzero(found > level)[-1]] + h / 2 == pytest.approx(front, abs=1.1 * h)


@pytest.mark.parametrize("cells", [100, 200])
@pytest.mark.parametrize("value", [0.5, 0.6])
def test_stefan_error_is_less_than_the_cell_with_the_front(value: float, cells: int) -> None:
    """One cell holds the front, with anything from 0 to u*; it jumps from cell to cell and shakes those behind it."""
    centres, found = solved("stefan", value, 0.05, cells)
    off = np.abs(found - exact("stefan", 0.05, centres, value))
    assert off.mean() < value / cells and np.sort(off)[-2] < 2 / cells
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize(("name", "value", "time"), [("porous-medium", 6.0, 0.5), ("stefan", 0.6, 0.05)])
def test_mass_approaches_the_closed_form(name: str, value: float, time: float) -> None:
    """With the square of the spacing, by what flows through the wall."""
    gaps = [abs(solved(name, value, time, n)[1].mean() - total(name, time, value)) for n in (100, 200)]
    assert gaps[1] < 2e-5 and np.log2(gaps[0] / gaps[1]) > 1.7


@pytest.mark.parametrize("name", ["advection-step", "burgers-shock"])
def test_mass_of_what_is_carried_is_exact(name: str) -> None:
    """Constant flux at the wall; the ramp's kinks lie at faces, so that its cells hold means."""
    _, found = solved(name, 3.0, 0.1, 100)
    length = 2 if name == "burgers-shock" else 1
    assert found.mean() * length == pytest.approx(total(name, 0.1, 3.0), abs=1e-3 if length == 2 else 1e-13)


def test_rates_are_differences_of_fluxes() -> None:
    """What a domain holds changes by the fluxes through its ends, to rounding, whatever the state."""
    rng = np.random.default_rng(0)
    with jax.enable_x64():
        for name in ("porous-medium", "stefan", "burgers-shock"):
            problem = get(name)
            solver = build(problem, 64, solver="volume")
            grid = solver.grid(problem.sample(1))
            scheme = solver.scheme(grid)  # type: ignore[attr-defined]
            h = grid.axes["x"][1] - grid.axes["x"][0]
            state = jnp.asarray(rng.uniform(0, 2, (1, 64)))
            given = {info.name: jnp.asarray(info.default) for info in problem.parameters}
            flux = scheme.fluxes(0, state, jnp.asarray(0.04), given)[0]
            rate = scheme.rate(state, jnp.asarray(0.04), {"values": given})
            assert float(rate.sum() * h) == pytest.approx(float(flux[0] - flux[-1]), rel=1e-12)
            if name == "stefan":  # half a cell from the wall at 1, and none at the other end below u_star
                assert float(flux[0]) == pytest.approx(
                    float(2 * ((1 - 0.6) - jnp.maximum(state[0, 0] - 0.6, 0)) / h), rel=1e-12
                )


def blob(flux: object, **changes: object) -> Problem:
    u = Field("u")(t, x)
    return Problem(
        **{
            "name": "blob", "fields": [u], "domain": Box(x=(0, 1)), "periodic": ["x"], "time": (0, 0.1),
            "evolution": {u: -flux.diff(x)}, "initial": {u: 1 + cos(2 * pi * x) / 2},  # type: ignore[attr-defined]
            "conserves": [conservation("mass", u, [flux])], "solver": Solver("volume"), **changes,
        }
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("kind", ["power", "jump", "advection"])
def test_nothing_is_lost_on_a_periodic_axis(kind: str) -> None:
    u = Field("u")(t, x)
    diffusivity = Piecewise((2, u > 1), (0, True)) if kind == "jump" else positive_power(u, 2)
    flux = -diffusivity * u.diff(x) + (u if kind == "advection" else 0)
    data = simulate(blob(flux), resolution=64, times=[0, 0.02, 0.1])
    mass = data.u[0].mean("x").values
    assert np.abs(mass - mass[0]).max() < 1e-14
    assert float(data.u[0, 2].max()) < float(data.u[0, 0].max()) and float(data.u[0, 2].min()) >= 0.5


def test_advection_with_diffusion() -> None:
    """u_t + (u - 0.02 u_x)_x = 0 from a wave: it moves and decays; order 2."""
    u = Field("u")(t, x)
    problem = blob(u - 0.02 * u.diff(x))
    errors = []
    for cells in (64, 128):
        data = simulate(problem, resolution=cells, times=[0, 0.1])
        expected = 1 + 0.5 * np.exp(-0.02 * 4 * np.pi**2 * 0.1) * np.cos(2 * np.pi * (data.x - 0.1))
        errors.append(float(np.abs(data.u[0, -1] - expected).mean()))
    assert errors[1] < 2e-4 and np.log2(errors[0] / errors[1]) > 1.8


def test_values_at_the_sides_that_set_in_later() -> None:
    """u_t = (u u_x)_x from 0: nothing limits the first step but what the wall does before the next frame."""
    u = Field("u")(t, x)
    flux = -positive_power(u, 1) * u.diff(x)
    warm = Dirichlet(positive_power(t - 0.05, 1) * 20)
    problem = blob(flux, periodic=[], initial={u: 0}, boundary={u: {"x-": warm, "x+": Neumann(0)}})
    once = simulate(problem, resolution=50, times=[0, 0.1]).u[0, -1].values
    often = simulate(problem, resolution=50, times=np.linspace(0, 0.1, 41)).u[0, -1].values
    assert np.isfinite(once).all() and once.min() >= 0 and once.max() <= 1
    assert once == pytest.approx(often, abs=5e-3) and often.max() > 0.8


def test_diffusion_that_vanishes_in_all_cells_but_not_between_them() -> None:
    """u_t = Phi(u)_xx, Phi' = 1 for 0.4 < u < 0.6 and 0 elsewhere, from a step from 1 to 0."""
    u = Field("u")(t, x)
    flux = -(positive_power(u - 0.4, 1) - positive_power(u - 0.6, 1)).diff(x)
    walls = {side: Neumann(0) for side in ("x-", "x+")}
    step = Piecewise((1, x < 0.5), (0, True))
    problem = blob(flux, periodic=[], initial={u: step}, boundary={u: walls})
    found = simulate(problem, resolution=64, times=[0, 0.05]).u[0, -1].values
    assert found.min() > -1e-12 and found.max() < 1 + 1e-12
    assert found.mean() == pytest.approx(0.5, abs=1e-13) and 0 < np.sum((found > 0.01) & (found < 0.99)) < 64


def test_negative_diffusivity_is_refused() -> None:
    """D = 1 in all cells of the step and -1 between 0.4 and 0.6."""
    u = Field("u")(t, x)
    flux = -Piecewise((-1, (u > 0.4) & (u < 0.6)), (1, True)) * u.diff(x)
    step = Piecewise((1, x < 0.5), (0, True))
    with pytest.raises(InputError, match="diffusivity of 'u' in 'blob' is -1 for values between"):
        simulate(blob(flux, initial={u: step}), resolution=32, times=[0, 0.01])


def test_two_dimensions_and_a_field_of_its_own() -> None:
    """Two heat equations of unequal diffusivity on a square between walls at rest."""
    u, v = Field("u")(t, x, y), Field("v")(t, x, y)
    k = Parameter("k", 0.3)
    wave = sin(pi * x) * sin(pi * y)
    walls = {side: Dirichlet(0) for side in ("x-", "x+", "y-", "y+")}
    problem = Problem(
        name="plate", fields=[u, v], parameters=[k], domain=Box(x=(0, 1), y=(0, 1)), time=(0, 0.2),
        evolution={u: k * (u.diff(x, 2) + u.diff(y, 2)), v: v.diff(x, 2) + v.diff(y, 2)},
        initial={u: wave, v: wave}, boundary={u: walls, v: walls}, solver=Solver("volume"),
        conserves=[
            conservation("u", u, [-k * u.diff(x), -k * u.diff(y)]), conservation("v", v, [-v.diff(x), -v.diff(y)])
        ],
        exact={u: exp(-2 * pi**2 * k * t) * wave, v: exp(-2 * pi**2 * t) * wave},
    )  # fmt: skip
    data = simulate(problem, resolution=32, times=[0, 0.05])
    for name, rate in (("u", 0.3), ("v", 1.0)):
        shape = np.outer(np.sin(np.pi * data.y), np.sin(np.pi * data.x))
        assert data[name][0, -1].values == pytest.approx(np.exp(-2 * np.pi**2 * rate * 0.05) * shape, abs=3e-3)


def test_cases_in_a_batch_are_those_one_after_the_other() -> None:
    """As on an accelerator: the numbers of steps and stages differ between cases."""
    problem = get("porous-medium")
    scheme = build(problem, 32, solver="volume").scheme(cell_grid(problem, problem.sample(1), (32,)))  # type: ignore[attr-defined]
    with jax.enable_x64():
        case = {"values": {"m": jnp.asarray([1.0, 6.0])}, "inputs": {}}
        alone, batched = (
            march(scheme, together, jnp.zeros((2, 1, 32)), case, jnp.asarray([0, 0.05, 0.3]))[0]
            for together in (False, True)
        )
        assert np.asarray(batched) == pytest.approx(np.asarray(alone), abs=1e-13)
