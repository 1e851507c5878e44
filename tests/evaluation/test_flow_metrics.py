"""Metrics of flows, of CFDBench, and of domains that differ by case, against closed-form answers."""

from __future__ import annotations

import numpy as np
import pytest

from sciflow.baselines.persistence import Persistence
from sciflow.core import InputError
from sciflow.data import from_arrays
from sciflow.data.volume import fluid_volume
from sciflow.evaluation import ForecastTask, Horizon, evaluate
from sciflow.evaluation.measures import Frames, metrics
from sciflow.evaluation.measures.base import CaseScores
from sciflow.evaluation.measures.forces import forces
from sciflow.evaluation.scoring import summarise, totals

SPEED = {"u": "m/s", "v": "m/s"}


def plane(
    truth: np.ndarray, prediction: np.ndarray | None = None, *, x: np.ndarray, y: np.ndarray, **given: object
) -> Frames:
    """Fields u, v (and p) [T, C, y, x] of one query in cells, of volume 1 unless said otherwise."""
    settings: dict[str, object] = {
        "start": np.zeros((1, *truth.shape[1:])), "weights": np.ones(truth.shape[2:]),
        "fields": ("u", "v", "p")[: truth.shape[1]], "axes": ("y", "x"), "points": {"x": x, "y": y}, "units": SPEED,
        "grid": "cells", "times": np.arange(len(truth), dtype=float)[None],
    } | given  # fmt: skip
    predicted = truth if prediction is None else prediction
    return Frames(predicted[None], truth[None], **settings)  # type: ignore[arg-type]


def value(name: str, found: Frames) -> float:
    metric = metrics.get(name)()
    return float(metric.value(metric.pool(metric.terms(found), axis=(0, 1)))[0])


def cells(low: float, high: float, count: int) -> np.ndarray:
    return low + (high - low) * (np.arange(count) + 0.5) / count


# --- Strouhal number --------------------------------------------------------------------------------------------------


def street(frequency: float, times: np.ndarray, *, third: float = 0.0) -> np.ndarray:
    """Vortices carried along x, their sign turning `frequency` times a second at every point."""
    x, y = np.meshgrid(cells(0, 4, 16), cells(-1, 1, 8))
    phase = 2 * np.pi * (0.5 * x - frequency * times[:, None, None])
    v = np.exp(-(y**2)) * (np.sin(phase) + third * np.sin(3 * phase))
    return np.stack([np.ones_like(v), v], axis=1)


def strouhal(prediction: np.ndarray, truth: np.ndarray, times: np.ndarray) -> float:
    return value("strouhal_error", plane(truth, prediction, x=cells(0, 4, 16), y=cells(-1, 1, 8), times=times[None]))


def test_strouhal_error_of_vortex_streets() -> None:
    times = 0.2 * np.arange(20)
    truth = street(0.75, times)
    assert strouhal(street(0.78, times), truth, times) == pytest.approx(0.03 / 0.75, rel=1e-5)
    assert strouhal(2 * street(0.75, times + 0.3), truth, times) == pytest.approx(0, abs=1e-7)  # phase, amplitude
    uneven = times + 0.05 * np.sin(times)
    assert strouhal(street(0.8, uneven), street(0.75, uneven), uneven) == pytest.approx(0.05 / 0.75, rel=1e-5)
    # A third harmonic of a fifth of the amplitude moves the best single sine by less than a hundredth.
    rich = street(0.75, times, third=0.2)
    assert strouhal(street(0.9, times, third=0.2), rich, times) == pytest.approx(0.2, abs=0.01)


def test_no_oscillation_is_frequency_zero_in_a_forecast_and_left_out_in_the_truth() -> None:
    times = 0.2 * np.arange(20)
    truth = street(0.75, times)
    still = np.stack([np.ones_like(truth[:, 0]), 0 * truth[:, 1]], axis=1)
    drift = np.stack([truth[:, 0], times[:, None, None] + 0 * truth[:, 1]], axis=1)
    for silent in (still, drift, street(0.75, times) * [[[[1]], [[1e-5]]]]):
        assert strouhal(silent, truth, times) == pytest.approx(1.0)
        assert np.isnan(strouhal(truth, silent, times))
    assert np.isinf(strouhal(np.nan * truth, truth, times))
    metric = metrics.get("strouhal_error")()
    assert metric.over_cases(np.array([0.1, np.nan, 0.3]), CaseScores()) == pytest.approx(0.2)
    assert np.isnan(metric.over_cases(np.full(2, np.nan), CaseScores()))
    with pytest.raises(InputError, match="at least 8 frames"):
        strouhal(truth[:7], truth[:7], times[:7])


# --- forces -----------------------------------------------------------------------------------------------------------


def around_disc(count: int, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres of square cells on [-2, 2]^2, and which of them are fluid."""
    line = cells(-2, 2, count)
    x, y = np.meshgrid(line, line)
    return x, y, np.hypot(x, y) > radius


def with_disc(fields: list[np.ndarray], fluid: np.ndarray, mu: float = 0.0, rho: float = 2.0) -> Frames:
    line = cells(-2, 2, len(fluid))
    frames = np.where(fluid, np.stack([np.broadcast_to(field, (3, *fluid.shape)) for field in fields], axis=1), 0.0)
    parameters = {"rho": np.array([rho]), "mu": np.array([mu])}
    return plane(frames, x=line, y=line, weights=fluid.astype(float), parameters=parameters)


@pytest.mark.parametrize(("count", "error"), [(64, 0.02), (128, 0.005)])
def test_lift_of_a_circulating_flow_is_that_of_kutta_and_joukowski(count: int, error: float) -> None:
    """Steady potential flow past a cylinder: L = -rho U Gamma, no drag, and no viscous force at any viscosity."""
    radius, speed, circulation, rho = 0.25, 1.0, 1.5, 2.0
    x, y, fluid = around_disc(count, radius)
    z = np.where(fluid, x + 1j * y, 1.0)
    conjugate = speed * (1 - radius**2 / z**2) - 1j * circulation / (2 * np.pi * z)
    u, v = conjugate.real, -conjugate.imag
    p = -rho / 2 * (u**2 + v**2)
    for mu in (0.0, 0.1):
        found = with_disc([u, v, p], fluid, mu, rho)
        force = forces(found, found.truth)[0]
        np.testing.assert_allclose(force, [[0.0, -rho * speed * circulation]] * 3, atol=error * rho * circulation)


def test_force_of_an_accelerating_stream_is_that_of_its_pressure_gradient() -> None:
    """u = t, p = -rho x: the weight of the displaced fluid, exactly, whatever the box."""
    x, _, fluid = around_disc(24, 0.5)
    u = np.arange(3.0)[:, None, None] + 0 * x
    found = with_disc([u, 0 * x, -2.0 * x], fluid)
    solid = (~fluid).sum() * (4 / 24) ** 2
    np.testing.assert_allclose(forces(found, found.truth)[0], [[2.0 * solid, 0.0]] * 3, atol=1e-12)
    # All of it is linear here: a forecast 10 % larger is 10 % off; the lift is measured against the same force.
    error = plane(
        found.truth[0], 1.1 * found.truth[0], x=found.points["x"], y=found.points["y"],
        weights=found.weights, parameters=found.parameters,
    )  # fmt: skip
    assert value("drag_error", error) == pytest.approx(0.1, rel=1e-9)
    assert value("lift_error", error) == pytest.approx(0.0, abs=1e-9)


def test_viscous_and_pressure_forces_balance_in_a_channel() -> None:
    """u = G y^2 / 2, p = mu G x: nothing acts on the box; without viscosity the pressure acts on its sides alone."""
    x, y, fluid = around_disc(24, 0.5)
    gradient, mu, spacing = 3.0, 0.7, 4 / 24
    fields = [gradient * y**2 / 2, 0 * y, mu * gradient * x]
    found = with_disc(fields, np.ones_like(fluid), mu)
    carved = with_disc(fields, fluid, mu)
    values = np.where(True, found.truth, 0.0)  # the flow goes on where the obstacle would be
    np.testing.assert_allclose(forces(carved, values), 0.0, atol=1e-10)
    side = spacing * ((~fluid).any(axis=0).sum() + 2 * 3)
    inviscid = with_disc(fields, fluid, 0.0)
    np.testing.assert_allclose(forces(inviscid, values)[0, :, 0], -mu * gradient * side**2, rtol=1e-9)


def test_forces_need_an_obstacle_pressure_and_fluid() -> None:
    x, _, fluid = around_disc(24, 0.5)
    with pytest.raises(InputError, match="need an obstacle, and a case has none"):
        value("drag_error", with_disc([0 * x, 0 * x, x], np.ones_like(fluid)))
    wall = np.ones_like(fluid)
    wall[:4, 10:14] = False
    with pytest.raises(InputError, match="free in the flow"):
        value("drag_error", with_disc([0 * x, 0 * x, x], wall))
    with pytest.raises(InputError, match="u, v"):
        value("lift_error", with_disc([0 * x, 0 * x], fluid))
    found = with_disc([0 * x, 0 * x, x], fluid)
    without = plane(found.truth[0], x=found.points["x"], y=found.points["y"], weights=found.weights)
    with pytest.raises(InputError, match="lacks 'rho'"):
        value("drag_error", without)


# --- sections ---------------------------------------------------------------------------------------------------------


def test_flux_of_a_leaking_channel() -> None:
    x, y = cells(0, 1, 20), cells(0, 1, 64)
    u = np.broadcast_to(4 * y[:, None] * (1 - y[:, None]), (2, 64, 20))
    truth = np.stack([u, 0 * u], axis=1)
    metric, found = metrics.get("mass_flux_error")(), plane(truth, truth * (1 - 0.1 * x), x=x, y=y)
    inflow = np.sqrt(metric.terms(found)[..., 1])
    np.testing.assert_allclose(inflow, 2 / 3, rtol=2e-4)  # midpoint rule: h^2 / 24 * 8 = 8e-5 of 2/3
    assert value("mass_flux_error", found) == pytest.approx(0.1 * np.sqrt((x**2).mean()), rel=1e-12)
    other = np.stack([np.full_like(u, inflow.flat[0]), 0 * u], axis=1)  # another profile of the same flux
    assert value("mass_flux_error", plane(truth, other, x=x, y=y)) == pytest.approx(0, abs=1e-12)
    with pytest.raises(InputError, match="enters at the first column"):
        value("mass_flux_error", plane(truth - truth.mean(axis=2, keepdims=True), x=x, y=y))


def test_profiles_of_mean_velocity_do_not_see_oscillations() -> None:
    x, y, times = cells(0, 1, 16), cells(0, 1, 12), np.arange(8) / 8
    mean = np.sin(np.pi * y)[:, None] * (1 + x)
    wave = np.sin(2 * np.pi * (times[:, None, None] - 2 * x)) * np.ones_like(y)[:, None]
    still = np.stack([mean + 0 * wave, 0 * wave], axis=1)
    moving = np.stack([mean + wave, wave], axis=1)
    assert value("profile_error", plane(still, moving, x=x, y=y)) == pytest.approx(0, abs=1e-12)
    assert value("profile_error", plane(still, 1.2 * moving, x=x, y=y)) == pytest.approx(0.2, rel=1e-12)
    assert value("nmse", plane(still, moving, x=x, y=y)) > 0.1


# --- domains that differ by case --------------------------------------------------------------------------------------


def test_reference_coordinates_give_the_scores_of_metres() -> None:
    """Two cavities of different sides and times in one chunk, against each of them in its own metres."""
    rng = np.random.default_rng(0)
    unit, count, steps = cells(0, 1, 12), 2, 6
    sides = {"x": np.array([1.0, 3.0]), "y": np.array([2.0, 0.5])}
    times = np.arange(steps) * np.array([[0.1], [0.4]])
    basis = np.stack([np.cos(k * np.pi * unit) for k in range(4)])
    truth, error = (
        np.einsum("btcij,iy,jx->btcyx", rng.standard_normal((count, steps, 3, 4, 4)), basis, basis) for _ in range(2)
    )
    parameters = {
        "u_top": np.ones(2), "width": sides["x"], "height": sides["y"], "rho": np.ones(2), "mu": np.array([0.1, 0.2])
    }  # fmt: skip
    common: dict[str, object] = {
        "fields": ("u", "v", "p"), "axes": ("y", "x"), "units": SPEED, "grid": "cells", "problem": "cavity"
    }  # fmt: skip
    positions = {axis: unit * side[:, None] for axis, side in sides.items()}
    areas = (sides["x"] * sides["y"] / unit.size**2)[:, None, None] * np.ones((unit.size, unit.size))
    both = Frames(
        truth + 0.1 * error, truth, start=truth[:, 0], weights=areas, points={"x": unit, "y": unit},
        positions=positions, parameters=parameters, times=times, **common,
    )  # type: ignore[arg-type]  # fmt: skip
    for name in ("gradient_nrmse", "h1_nrmse", "enstrophy_error", "divergence", "pde_residual"):
        metric = metrics.get(name)()
        together = metric.value(metric.terms(both).sum(axis=1))
        for case in range(count):
            own = slice(case, case + 1)
            alone = Frames(
                both.prediction[own], truth[own], start=truth[own, 0], weights=areas[case], times=times[own],
                points={axis: places[case] for axis, places in positions.items()},
                parameters={key: numbers[own] for key, numbers in parameters.items()}, **common,
            )  # type: ignore[arg-type]  # fmt: skip
            np.testing.assert_allclose(together[case], metric.value(metric.terms(alone).sum(axis=1))[0], rtol=1e-9)


def test_divergence_of_a_stagnation_point_in_a_long_box_is_zero() -> None:
    x, y = np.meshgrid(cells(0, 1, 10), cells(0, 1, 10))
    flow = np.stack([4 * x, -0.5 * y])[None]
    points = {"x": x[0], "y": y[:, 0]}
    metres = {"x": 4 * x[:1], "y": 0.5 * y[None, :, 0]}
    assert value("divergence", plane(flow, **points, positions=metres)) == pytest.approx(0, abs=1e-12)
    assert value("divergence", plane(flow, **points)) == pytest.approx(3.5, rel=1e-12)


def test_known_cells_have_no_weight_but_belong_to_the_flow() -> None:
    x = y = cells(0, 1, 8)
    flow = np.broadcast_to(np.stack([x + 0 * y[:, None], -y[:, None] + 0 * x]), (2, 2, 8, 8))
    known = np.zeros((8, 8), bool)
    known[:, 0] = known[0] = True
    spoiled = np.where(known, 99.0, flow)
    found = plane(flow, spoiled, x=x, y=y, weights=np.where(known, 0.0, 1 / 64), known=known)
    for name in ("nmse", "max_error", "gradient_nrmse", "enstrophy_error", "mass_flux_error", "profile_error"):
        assert value(name, found) == 0.0, name
    assert value("divergence", found) == pytest.approx(0, abs=1e-12)  # beside known cells too: they hold the truth
    data = from_arrays({"u": np.ones((2, 3, 8, 8))}, known=known, mask=np.ones((8, 8), bool), grid="cells")
    weights = fluid_volume(data.xarray)
    assert (weights[known] == 0).all() and np.allclose(weights[~known], 1 / 64)


# --- CFDBench ---------------------------------------------------------------------------------------------------------


def test_published_numbers_are_means_over_the_frames_of_all_cases() -> None:
    """One field u, ratios of frames, frames of all cases together: written out as the published evaluation is."""
    rng = np.random.default_rng(1)
    u, v = ([rng.standard_normal((length, 4, 5)) + 1 for length in (9, 3)] for _ in range(2))
    mask = np.ones((4, 5), bool)
    mask[1, 2] = False
    data = from_arrays({"u": u, "v": v}, mask=mask, units=SPEED)
    table = totals(evaluate(Persistence(), data, ForecastTask((Horizon(steps=1),)), NAMES).table)
    pairs = [(case[i] * mask, case[i + 1] * mask) for case in u for i in range(len(case) - 1)]
    assert len(pairs) == 10
    published = {
        "cfdbench_nmse": np.mean([((a - b) ** 2).mean() / (b**2).mean() for a, b in pairs]),
        "cfdbench_mse": np.mean([((a - b) ** 2).mean() for a, b in pairs]),
        "cfdbench_mae": np.mean([np.abs(a - b).mean() for a, b in pairs]),
    }
    for name, number in published.items():
        assert summarise(name, table) == pytest.approx(number, rel=1e-6)  # fields are stored as float32
        of_cases = table.loc[table["metric"] == name, "value"]
        assert of_cases.mean() != pytest.approx(number, rel=1e-3)  # not the mean over cases
    assert table.loc[table["metric"] == "scored_frames", "value"].tolist() == [8, 2]


NAMES = ("cfdbench_nmse", "cfdbench_mse", "cfdbench_mae")


def test_a_frame_at_rest_gives_infinity_and_another_field_is_refused() -> None:
    u = np.zeros((1, 3, 4, 4))
    u[:, 2] = 1.0
    data = from_arrays({"u": u})
    task = ForecastTask((Horizon(steps=1),))
    table = totals(evaluate(Persistence(), data, task, ["cfdbench_nmse"]).table)
    assert summarise("cfdbench_nmse", table) == pytest.approx(0.5)  # at rest and met exactly, then 1
    moving = from_arrays({"u": u[:, ::-1]})
    assert np.isinf(summarise("cfdbench_nmse", totals(evaluate(Persistence(), moving, task, ["cfdbench_nmse"]).table)))
    with pytest.raises(InputError, match="field 'u'"):
        evaluate(Persistence(), from_arrays({"h": u}), task, ["cfdbench_nmse"])
