"""Conservation laws: order in smooth flow, shocks and rarefactions against exact solutions, exact conservation."""

from functools import cache

import numpy as np
import pytest
import sympy
from scipy.optimize import brentq
from sympy import Piecewise, pi, sin

from sciflow.problems import Box, Dirichlet, Field, Outflow, Parameter, Problem, Solver, conservation, coordinates
from sciflow.solvers import simulate
from sciflow.solvers.volume.laws import Laws

t, x, y = coordinates("t x y")
MEAN, SIZE = 0.5, 0.25
BREAKING = 1 / (2 * np.pi * SIZE)  # when a shock forms in MEAN + SIZE sin(2 pi x)


def _by_characteristics(places: np.ndarray, time: float) -> np.ndarray:
    """u = u0(x - u t) for u0 = MEAN + SIZE sin(2 pi x); after breaking, the shock of the sine moves at its mean."""
    moved = (places - MEAN * time) % 1.0

    def one(place: float) -> float:
        # In the frame of the mean the shock stays at 1/2, and by symmetry characteristics on its left start there too.
        low, high = (0.0, 0.5) if place <= 0.5 else (0.5, 1.0)
        foot = brentq(lambda s: s + SIZE * np.sin(2 * np.pi * s) * time - place, low, high, xtol=1e-14)
        if time > BREAKING:  # the outer of up to three feet
            start = np.linspace(low, high, 4001)
            gap = start + SIZE * np.sin(2 * np.pi * start) * time - place
            crossing = np.flatnonzero(gap[:-1] * gap[1:] <= 0)
            index = crossing[0] if place <= 0.5 else crossing[-1]
            foot = brentq(
                lambda s: s + SIZE * np.sin(2 * np.pi * s) * time - place, start[index], start[index + 1], xtol=1e-14
            )
        return MEAN + SIZE * np.sin(2 * np.pi * foot)

    return np.array([one(float(place)) for place in moved])


@cache
def _sine(cells: int, time: float, limiter: str = "van-leer") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres, first and last frame of the sine, as means over cells."""
    edges = np.linspace(0, 1, cells + 1)
    means = MEAN - SIZE * np.diff(np.cos(2 * np.pi * edges)) / (2 * np.pi) * cells
    data = simulate(
        "inviscid-burgers", resolution=cells, times=[0, time], initial={"u": means[None]}, options={"limiter": limiter}
    )
    return data.x.values, data.u[0, 0].values, data.u[0, -1].values


@pytest.mark.parametrize("limiter", ["van-leer", "minmod"])
def test_second_order_before_the_shock(limiter: str) -> None:
    """L1, because a limiter flattens extrema; minmod does so more and has not reached its order on these grids."""
    errors = []
    for cells in (64, 128, 256):
        centres, _, last = _sine(cells, 0.5 * BREAKING, limiter)
        errors.append(float(np.abs(last - _by_characteristics(centres, 0.5 * BREAKING)).mean()))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(2.0, abs=0.1 if limiter == "van-leer" else 0.3)


def test_shock_is_where_it_belongs_and_nothing_is_lost() -> None:
    errors = []
    for cells in (64, 128, 256):
        centres, first, last = _sine(cells, 2.0)
        assert abs(last.mean() - first.mean()) < 1e-14
        assert np.abs(np.diff(np.append(last, last[0]))).sum() <= np.abs(np.diff(np.append(first, first[0]))).sum()
        assert first.min() <= last.min() and last.max() <= first.max()
        drop = centres[np.argmin(np.roll(last, -1) - last)] + 0.5 / cells
        assert drop == pytest.approx((0.5 + MEAN * 2.0) % 1.0, abs=1.0 / cells)
        errors.append(float(np.abs(last - _by_characteristics(centres, 2.0)).mean()))
    assert np.log2(errors[0] / errors[-1]) / 2 == pytest.approx(1.0, abs=0.3), "a captured shock costs one cell"


def _burgers_between_sides(left: float, right: float) -> Problem:
    u = Field("u")(t, x)
    return Problem(
        name="riemann", fields=[u], domain=Box(x=(-1, 1)), time=(0, 1), evolution={u: -u * u.diff(x)},
        initial={u: Piecewise((left, x < 0), (right, True))}, conserves=[conservation("mass", u, [u**2 / 2])],
        boundary={u: {"x-": Dirichlet(left), "x+": Outflow()}},
    )  # fmt: skip


def test_shock_enters_at_half_the_sum_of_its_states() -> None:
    """From 1 to -0.4 at speed 0.3; three cells hold the jump."""
    data = simulate(_burgers_between_sides(1.0, -0.4), resolution=200, times=[0, 1])
    last = data.u[0, -1].values
    assert np.abs(last - np.where(data.x < 0.3, 1.0, -0.4)).sum() * 0.01 < 0.015
    # What flowed in and out is in the cells: 1/2 (1 - 0.16).
    assert (last - data.u[0, 0].values).sum() * 0.01 == pytest.approx(0.42, abs=1e-12)


def test_rarefaction_through_the_sonic_point() -> None:
    errors = []
    for cells in (100, 200, 400):
        data = simulate(_burgers_between_sides(-0.5, 0.8), resolution=cells, times=[0, 1])
        errors.append(float(np.abs(data.u[0, -1] - np.clip(data.x, -0.5, 0.8)).mean()))
    assert errors[-1] < 1e-3, "no expansion shock"
    assert np.log2(errors[0] / errors[-1]) / 2 > 0.8


def test_second_order_in_two_dimensions() -> None:
    """u_t + (u^2 / 2)_x + (u^2 / 2)_y = 0 along the diagonal is the equation in 1-D at twice the speed."""
    u = Field("u")(t, x, y)
    problem = Problem(
        name="diagonal", fields=[u], domain=Box(x=(0, 1), y=(0, 1)), periodic=["x", "y"], time=(0, 1),
        evolution={u: -u * u.diff(x) - u * u.diff(y)}, initial={u: MEAN + SIZE * sin(2 * pi * (x + y))},
        conserves=[conservation("mass", u, [u**2 / 2, u**2 / 2])], solver=Solver("volume"),
    )  # fmt: skip
    errors = []
    for cells in (32, 64, 128):
        data = simulate(problem, resolution=cells, times=[0, 0.2 * BREAKING])
        along = (np.add.outer(data.y.values, data.x.values)) % 1.0
        exact = _by_characteristics(along.ravel(), 0.4 * BREAKING).reshape(along.shape)
        errors.append(float(np.abs(data.u[0, -1].values - exact).mean()))
        assert abs(float(data.u[0, -1].mean() - data.u[0, 0].mean())) < 1e-14
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(2.0, abs=0.15)


def _gas() -> Problem:
    rho, m, e = (Field(name)(t, x) for name in ("rho", "m", "e"))
    gamma = Parameter("gamma", 1.4)
    p = (gamma - 1) * (e - m**2 / rho / 2)
    fluxes = {rho: m, m: m**2 / rho + p, e: (e + p) * m / rho}
    inner = x < sympy.Rational(1, 2)
    return Problem(
        name="gas", fields=[rho, m, e], parameters=[gamma], domain=Box(x=(0, 1)), time=(0, 0.2),
        evolution={field: -flux.diff(x) for field, flux in fluxes.items()},
        initial={
            rho: Piecewise((1, inner), (sympy.Rational(1, 8), True)), m: 0,
            e: Piecewise((1 / (gamma - 1), inner), (1 / (gamma - 1) / 10, True)),
        },
        conserves=[conservation(str(i), field, [flux]) for i, (field, flux) in enumerate(fluxes.items())],
        boundary={field: {"x-": Outflow(), "x+": Outflow()} for field in fluxes},
    )  # fmt: skip


def test_sods_shock_tube() -> None:
    """States between the waves at t = 0.2 from Toro (2009), table 4.2: p* = 0.30313, u* = 0.92745."""
    data = simulate(_gas(), resolution=400, times=[0, 0.2])
    rho, m, e = (data[name][0, -1].values for name in ("rho", "m", "e"))
    speed, pressure = m / rho, 0.4 * (e - m**2 / rho / 2)
    star = (data.x > 0.55) & (data.x < 0.8)
    assert np.median(speed[star]) == pytest.approx(0.92745, abs=2e-4)
    assert np.median(pressure[star]) == pytest.approx(0.30313, abs=2e-4)
    assert np.median(rho[(data.x > 0.55) & (data.x < 0.65)]) == pytest.approx(0.42632, abs=1e-3)
    assert np.median(rho[(data.x > 0.72) & (data.x < 0.82)]) == pytest.approx(0.26557, abs=1e-3)


def test_wave_speeds_are_the_eigenvalues() -> None:
    gas = _gas()
    rho, m, e = (gas.field(name).symbol for name in ("rho", "m", "e"))
    state = {rho: 1.3, m: 0.7, e: 2.9, gas.parameters[0].symbol: 1.4}
    sound = np.sqrt(1.4 * 0.4 * (2.9 - 0.7**2 / 1.3 / 2) / 1.3)
    found = sorted(float(wave.subs(state)) for wave in Laws.of(gas).waves[0])
    assert found == pytest.approx([0.7 / 1.3 - sound, 0.7 / 1.3, 0.7 / 1.3 + sound], rel=1e-12)


def test_a_source_without_derivatives_is_integrated() -> None:
    """u_t + u_x = -u: a wave that decays by exp(-t)."""
    u = Field("u")(t, x)
    problem = Problem(
        name="decay", fields=[u], domain=Box(x=(0, 1)), periodic=["x"], time=(0, 1), evolution={u: -u.diff(x) - u},
        initial={u: 2 + sin(2 * pi * x)}, conserves=[conservation("mass", u, [u])], solver=Solver("volume"),
    )  # fmt: skip
    data = simulate(problem, resolution=128, times=[0, 1])
    exact = np.exp(-1) * (2 + np.sin(2 * np.pi * data.x))
    assert float(np.abs(data.u[0, -1] - exact).mean()) < 1e-3
    assert float(data.u[0, -1].mean()) == pytest.approx(2 * np.exp(-1), rel=1e-4)


def test_oversampled_frames_are_means() -> None:
    fine = simulate("inviscid-burgers", cases=2, resolution=128, frames=3)
    stored = simulate("inviscid-burgers", cases=2, resolution=32, frames=3, options={"oversample": 4})
    assert stored.u.values == pytest.approx(fine.u.values.reshape(2, 3, 32, 4).mean(axis=-1), abs=1e-14)
    assert stored.attrs["grid"] == "cells" and stored.x.values == pytest.approx((np.arange(32) + 0.5) / 32)
