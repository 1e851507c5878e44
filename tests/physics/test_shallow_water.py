"""Shallow water: lakes at rest, dam breaks, moving shorelines and a travelling vortex against exact solutions."""

from functools import cache

import numpy as np
import pytest
from scipy.optimize import brentq

from sciflow.problems import Box, Dirichlet, Field, Neumann, Outflow, Parameter, Problem, conservation, coordinates, get
from sciflow.solvers import choose, simulate

G = 9.81
t, x, y = coordinates("t x y")


def _channel(low: float, high: float, bed: object = None, *, open_ends: bool = True) -> Problem:
    """1-D shallow water; with a bed expression or without any."""
    h, q = Field("h", unit="m")(t, x), Field("q", unit="m^2/s")(t, x)
    b, g = Field("b", unit="m")(x), Parameter("g", G, unit="m/s^2")
    level = h if bed is None else h + b
    ends = {"x-": Outflow(), "x+": Outflow()}
    walls = {h: dict.fromkeys(ends, Neumann(0)), q: dict.fromkeys(ends, Dirichlet(0))}
    return Problem(
        name="channel", fields=[h, q], parameters=[g], inputs={} if bed is None else {b: bed},
        domain=Box(x=(low, high)), time=(0, 1),
        evolution={h: -q.diff(x), q: -(q**2 / h).diff(x) - g * h * level.diff(x)},
        boundary={h: ends, q: ends} if open_ends else walls,
        conserves=[conservation("mass", h, [q])],
    )  # fmt: skip


def _basin() -> Problem:
    """2-D, between walls, over a bed that is given with the cases."""
    h, b = Field("h", unit="m")(t, x, y), Field("b", unit="m")(x, y)
    u, v = (Field(name, unit="m^2/s")(t, x, y) for name in ("qx", "qy"))
    g = Parameter("g", G, unit="m/s^2")
    wall, slip = Dirichlet(0), Neumann(0)
    sides = ("x-", "x+", "y-", "y+")
    return Problem(
        name="basin", fields=[h, u, v], parameters=[g], inputs={b: x * 0}, domain=Box(x=(0, 2), y=(0, 1)), time=(0, 1),
        evolution={
            h: -u.diff(x) - v.diff(y),
            u: -(u**2 / h).diff(x) - (u * v / h).diff(y) - g * h * (h + b).diff(x),
            v: -(u * v / h).diff(x) - (v**2 / h).diff(y) - g * h * (h + b).diff(y),
        },
        boundary={
            h: dict.fromkeys(sides, slip),
            u: {"x-": wall, "x+": wall, "y-": slip, "y+": slip},
            v: {"x-": slip, "x+": slip, "y-": wall, "y+": wall},
        },
    )  # fmt: skip


@pytest.mark.parametrize("name", ["walls", "periodic"])
def test_lake_stays_at_rest_over_a_rough_bed(name: str) -> None:
    """The bed is different noise in every cell: submerged in the first case, with islands in the second."""
    problem = _basin() if name == "walls" else get("shallow-water")
    bed = np.array([0.8, 1.6])[:, None, None] * np.random.default_rng(0).random((2, 24, 24))
    depth = np.maximum(1.0 - bed, 0.0)
    rest = np.zeros_like(bed)
    start = {"h": depth, "qx": rest, "qy": rest, "b": bed}
    data = simulate(problem, cases=2, resolution=24, times=[0, 1], initial=start)
    assert depth[0].min() > 0 and depth[1].min() == 0
    for field in ("qx", "qy"):
        assert float(np.abs(data[field]).max()) < 1e-12
    assert float(np.abs(data.h[:, -1] - depth).max()) < 1e-12


def _stoker(places: np.ndarray, time: float, high: float, low: float) -> np.ndarray:
    """Depth after a dam at 0 breaks between depths `high` and `low` > 0; Stoker (1957), section 10.8."""
    c = np.sqrt(G * high)

    def speed(middle: float) -> float:
        return (middle - low) * np.sqrt(G / 2 * (middle + low) / (middle * low))

    middle = brentq(lambda m: 2 * (c - np.sqrt(G * m)) - speed(m), low * (1 + 1e-12), high)
    front = middle * speed(middle) / (middle - low)
    fan = (2 * c - places / time) ** 2 / (9 * G)
    tail = speed(middle) - np.sqrt(G * middle)
    out = np.where(places < tail * time, fan, middle)
    return np.where(places < -c * time, high, np.where(places > front * time, low, out))


TIME = 1.2


@cache
def _dams(cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres, and depths at `TIME` after a dam broke between 1 m and 0.1 m, and between 1 m and nothing."""
    centres = -10 + 20 * (np.arange(cells) + 0.5) / cells
    depth = np.stack([np.where(centres < 0, 1.0, low) for low in (0.1, 0.0)])
    start = {"h": depth, "q": 0 * depth}
    data = simulate(_channel(-10, 10), cases=2, resolution=cells, times=[0, TIME], initial=start)
    return centres, data.h[:, -1].values


def test_dam_break_on_water() -> None:
    errors = []
    for cells in (100, 200, 400):
        centres, depths = _dams(cells)
        errors.append(float(np.abs(depths[0] - _stoker(centres, TIME, 1.0, 0.1)).mean()))
    assert errors[-1] < 2e-3
    assert np.log2(errors[0] / errors[-1]) / 2 == pytest.approx(1.0, abs=0.15)


def test_dam_break_on_a_dry_bed() -> None:
    """Ritter (1892): h = (2 c - x / t)^2 / (9 g) from -c t to 2 c t."""
    errors = []
    c = np.sqrt(G)
    for cells in (100, 200, 400):
        centres, depths = _dams(cells)
        fan = np.clip(2 * c - centres / TIME, 0, None) ** 2 / (9 * G)
        errors.append(float(np.abs(depths[1] - np.where(centres < -c * TIME, 1.0, fan)).mean()))
        assert depths[1].min() >= 0
        assert depths[1].mean() == pytest.approx(0.5, abs=1e-13)
    assert errors[-1] < 1e-3
    assert np.log2(errors[0] / errors[-1]) / 2 > 0.85


def test_water_in_a_parabolic_bowl() -> None:
    """Thacker (1981): a plane surface swings, shores move, and after one period all is as before.

    h = depth (1 - ((x - A cos(w t)) / a)^2) for the bed depth (x / a)^2 and w = sqrt(2 g depth) / a.
    """
    a, deep, swing = 1.0, 0.5, 0.3
    w = np.sqrt(2 * G * deep) / a
    problem = _channel(-2, 2, deep * x**2 / a**2)
    errors = []
    for cells in (50, 200):
        centres = -2 + 4 * (np.arange(cells) + 0.5) / cells
        start = np.clip(deep * (1 - ((centres - swing) / a) ** 2), 0, None)[None]
        data = simulate(problem, resolution=cells, times=[0, np.pi / w], initial={"h": start, "q": 0 * start})
        exact = np.clip(deep * (1 - ((centres + swing) / a) ** 2), 0, None)
        errors.append(float(np.abs(data.h[0, -1] - exact).mean() / exact.mean()))
        assert float(data.h.min()) >= 0
    assert errors[1] < 0.01
    assert np.log2(errors[0] / errors[1]) / 2 > 1.0


def _vortex(cells: int, time: float) -> tuple[dict[str, np.ndarray], float]:
    """Travelling vortex of Ricchiuto and Bollermann (2009), section 5.2: an exact solution on a flat bed, g = 1.

    Its speed is gamma (1 + cos(w r)) r about a centre that moves with the stream (1, 0.5).
    """
    gamma, w = 1.5, 4 * np.pi
    centres = (np.arange(cells) + 0.5) / cells
    dx = (centres - 0.5 - time + 0.5) % 1.0 - 0.5
    dy = (centres - 0.5 - 0.5 * time + 0.5) % 1.0 - 0.5
    dx, dy = np.meshgrid(dx, dy)
    angle = np.minimum(w * np.hypot(dx, dy), np.pi)

    def potential(s: np.ndarray | float) -> np.ndarray:
        return 2 * np.cos(s) + 2 * s * np.sin(s) + np.cos(2 * s) / 8 + s / 4 * np.sin(2 * s) + 0.75 * s**2

    h = 1 + (gamma / w) ** 2 * (potential(angle) - potential(np.pi))
    spin = gamma * (1 + np.cos(angle))
    return {"h": h, "qx": h * (1 - spin * dy), "qy": h * (0.5 + spin * dx)}, float(np.abs(h - 1).max())


def _vortex_error(cells: int) -> float:
    """Mean error of the depth after 0.1 s, against the depth of the vortex."""
    start = {name: array[None] for name, array in _vortex(cells, 0.0)[0].items()}
    given = {**start, "b": np.zeros((1, cells, cells))}
    data = simulate("shallow-water", resolution=cells, times=[0, 0.1], initial=given)
    exact, size = _vortex(cells, 0.1)
    return float(np.abs(data.h[0, -1] - exact["h"]).mean()) / size


def test_travelling_vortex() -> None:
    """Measured 0.0035; without the slopes of the reconstruction it is 0.021."""
    assert _vortex_error(48) < 0.005


@pytest.mark.slow
def test_second_order_for_a_travelling_vortex() -> None:
    """Somewhat above two: the limiter is active at fewer and fewer cells."""
    errors = [_vortex_error(cells) for cells in (32, 64, 128)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 1.9) and np.all(orders < 2.6)


def test_mass_is_kept_between_walls_and_energy_is_not_made() -> None:
    bed = 0.5 * np.random.default_rng(1).random((1, 20, 20))
    depth = np.full_like(bed, 0.6)
    depth[:, :, :8] = 1.2
    rest = np.zeros_like(bed)
    data = simulate(
        _basin(), resolution=20, times=[0, 0.5, 1, 1.5], initial={"h": depth, "qx": rest, "qy": rest, "b": bed}
    )
    mass = data.h.mean(("y", "x")).values[0]
    assert np.abs(mass - mass[0]).max() < 1e-13
    energy = ((data.qx**2 + data.qy**2) / data.h / 2 + G * data.h * (data.h / 2 + data.b)).mean(("y", "x")).values[0]
    assert np.all(np.diff(energy) < 0)
    assert float(np.abs(data.qx[:, -1]).max()) > 0.01, "the water moves"


def test_both_solvers_agree_without_a_bed() -> None:
    """The general solver on the same equations in flux form: another code path to the same bore."""
    h, q = Field("h")(t, x), Field("q")(t, x)
    push = q**2 / h + 9.81 * h**2 / 2
    general = Problem(
        name="flux-form", fields=[h, q], domain=Box(x=(-10, 10)), time=(0, 1),
        evolution={h: -q.diff(x), q: -push.diff(x)},
        boundary={field: {"x-": Outflow(), "x+": Outflow()} for field in (h, q)},
        conserves=[conservation("mass", h, [q]), conservation("momentum", q, [push])],
    )  # fmt: skip
    centres, depths = _dams(200)
    start = np.where(centres < 0, 1.0, 0.1)[None]
    assert choose(general)[0] == "volume"
    data = simulate(general, resolution=200, times=[0, TIME], initial={"h": start, "q": 0 * start})
    ours = np.abs(depths[0] - _stoker(centres, TIME, 1.0, 0.1)).mean()
    assert float(np.abs(data.h[0, -1] - depths[0]).mean()) < 0.5 * ours


def test_drawn_cases_move_and_keep_their_mass() -> None:
    data = simulate("shallow-water", cases=2, resolution=24, frames=3, options={"oversample": 2})
    mass = data.h.mean(("y", "x"))
    assert float(np.abs(mass - mass[:, :1]).max()) < 1e-14
    assert float(data.h.min()) > 0.1 and float(np.abs(data.qx[:, -1]).max()) > 0.05
    assert data.b.attrs["role"] == "input" and data.b.dims == ("case", "y", "x")
    assert not np.array_equal(data.b[0], data.b[1])
