"""Parameters from noisy observations, against exact least squares on exact solutions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import least_squares
from sympy import pi, sin

from sciflow.core.errors import InputError
from sciflow.pinn.inverse import Estimate, infer
from sciflow.pinn.observations import Observations
from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, coordinates

SMALL = {"width": 10, "depth": 2, "points": 512, "adaptive": False, "phases": ()}
NOISE = 0.006


def _fading() -> Problem:
    """Heat that also decays, from a start whose height is a parameter."""
    t, x = coordinates("t x")
    u = Field("u")(t, x)
    kappa = Parameter("kappa", 0.1, 1e-2, 1.0, scale="log")
    rate = Parameter("rate", 0.5, -2.0, 2.0)
    height = Parameter("height", 1.0, -2.0, 2.0)
    return Problem(
        name="fading",
        fields=[u],
        parameters=[kappa, rate, height],
        domain=Box(x=(0, 1)),
        time=(0, 1),
        evolution={u: kappa * u.diff(x, 2) - rate * u},
        initial={u: height * sin(pi * x)},
        boundary={u: {"x-": Dirichlet(0), "x+": Dirichlet(0)}},
    )


def _fading_exact(points: np.ndarray, kappa: float, rate: float, height: float) -> np.ndarray:
    t, x = points
    return height * np.exp(-(kappa * np.pi**2 + rate) * t) * np.sin(np.pi * x)


def _burgers_exact(points: np.ndarray, nu: float) -> np.ndarray:
    """Cole-Hopf for the start -sin(pi x), by the trapezoidal rule on the Gaussian kernel."""
    t, x = points[:, :, None]
    moved = np.linspace(-9, 9, 2001)
    places = x - np.sqrt(4 * nu * t) * moved
    exponent = -(moved**2) - np.cos(np.pi * places) / (2 * np.pi * nu)
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return -np.sum(np.sin(np.pi * places) * weights, axis=1) / np.sum(weights, axis=1)


def _scattered(count: int, low: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0, 1, count), rng.uniform(low, 1, count)])


def _slope(points: np.ndarray, nu: float, step: float = 1e-3) -> np.ndarray:
    """Derivative by log nu."""
    return (_burgers_exact(points, nu * np.exp(step)) - _burgers_exact(points, nu * np.exp(-step))) / (2 * step)


def test_the_viscosity_of_burgers_is_that_of_exact_least_squares() -> None:
    points = _scattered(200, -1)
    values = _burgers_exact(points, 0.05) + NOISE * np.random.default_rng(1).standard_normal(200)
    found = infer("burgers-dirichlet", Observations(points, {"u": values}), {"nu": 0.02}, settings=SMALL)
    exact = np.exp(least_squares(lambda z: values - _burgers_exact(points, float(np.exp(z[0]))), np.log([0.05])).x[0])
    slope = _slope(points, exact)
    assert found.converged and found.identified and not found.warnings
    assert abs(found.values["nu"] - exact) < 0.3 * found.errors["nu"]
    assert found.noise["u"] == pytest.approx(np.std(values - _burgers_exact(points, exact)), rel=0.05)
    assert found.errors["nu"] == pytest.approx(exact * found.noise["u"] / np.linalg.norm(slope), rel=0.03)
    error = found.sensitivities["nu"]["u"] * exact - slope
    assert np.linalg.norm(error) < 0.03 * np.linalg.norm(slope)
    low, high = found.intervals["nu"]
    assert low < 0.05 < high
    assert np.log(high / low) == pytest.approx(2 * 1.972 * found.errors["nu"] / found.values["nu"], rel=1e-3)
    assert np.abs(found.solution.evaluate(points)["u"] - _burgers_exact(points, exact)).max() < NOISE


def test_a_parameter_of_the_equation_and_one_of_the_start() -> None:
    points = _scattered(150, 0)
    values = _fading_exact(points, 0.15, -0.4, -1.3) + 0.01 * np.random.default_rng(2).standard_normal(150)
    found = infer(
        _fading(),
        Observations(points, {"u": values}),
        {"kappa": 0.1, "height": -1.0},
        parameters={"rate": -0.4},
        noise=0.01,
        settings=SMALL,
    )
    fit = least_squares(lambda p: (values - _fading_exact(points, p[0], -0.4, p[1])) / 0.01, [0.15, -1.3], xtol=1e-12)
    exact = np.linalg.inv(fit.jac.T @ fit.jac)
    assert found.converged and found.identified and not found.warnings
    assert np.abs(np.array(list(found.values.values())) - fit.x).max() < 0.3 * np.sqrt(exact.diagonal()).max()
    assert np.abs(found.covariance - exact).max() < 0.03 * np.abs(exact).max()


def test_parameters_that_act_alike_are_not_identified() -> None:
    points = _scattered(150, 0)
    values = _fading_exact(points, 0.1, 0.5, 1.0) + 0.01 * np.random.default_rng(2).standard_normal(150)
    data = Observations(points, {"u": values})
    found = infer(_fading(), data, {"kappa": 0.12, "rate": 0.4}, noise={"u": 0.001}, settings=SMALL)
    assert not found.identified
    assert found.errors == {"kappa": np.inf, "rate": np.inf}
    assert "do not identify kappa, rate" in found.warnings[0]
    assert "times the noise" in found.warnings[-1]  # ten times larger than was said
    total = found.values["kappa"] * np.pi**2 + found.values["rate"]
    assert total == pytest.approx(0.1 * np.pi**2 + 0.5, rel=0.02)  # what the observations do tell


def test_a_search_without_time_and_without_information_says_so() -> None:
    x = np.linspace(0.1, 0.9, 20)
    values = np.sin(np.pi * x) + 0.01 * np.random.default_rng(0).standard_normal(20)
    data = Observations(np.stack([np.full(20, 1e-5), x]), {"u": values})  # before anything has happened
    found = infer(_fading(), data, {"kappa": 0.1}, noise=0.01, settings={**SMALL, "seconds": 1e-6})
    assert not found.converged and not found.identified and not found.solution.converged
    assert "do not identify kappa: the relative standard error" in found.warnings[0]
    assert "not converged (time limit)" in found.warnings[1]
    assert found.solution.reasons == ("parameters: time limit after 1 steps",)


@pytest.mark.slow
def test_twenty_draws_of_one_per_cent_noise(record_property: Callable[[str, object], None]) -> None:
    """Viscosity 0.01 / pi, 200 points: as exact as the observations allow, with intervals that are what they say."""
    points, truth = _scattered(200, -1), 0.01 / np.pi
    exact = _burgers_exact(points, truth)
    noise = 0.01 * 0.6127  # of the field's root mean square
    bound = noise / np.linalg.norm(_slope(points, truth))
    errors, covered = [], 0
    for draw in range(20):
        values = exact + noise * np.random.default_rng(100 + draw).standard_normal(200)
        found = infer("burgers-dirichlet", Observations(points, {"u": values}), {"nu": 0.01}, noise=noise)
        errors.append(abs(found.values["nu"] / truth - 1))
        low, high = found.intervals["nu"]
        covered += low < truth < high
    record_property(
        "inverse, viscosity of Burgers: median relative error of 20 draws", (float(np.median(errors)), 0.01)
    )
    record_property("inverse, viscosity of Burgers: Cramer-Rao bound of the relative error", (float(bound), "-"))
    record_property("inverse, viscosity of Burgers: 95 % intervals that hold the truth, of 20", (float(covered), "17"))
    assert np.median(errors) < max(0.01, 2 * bound)
    assert covered >= 17


def _bad(**changes: object) -> Estimate:
    given = {
        "problem": "burgers-dirichlet",
        "points": _scattered(20, -1),
        "values": {"u": np.zeros(20)},
        "unknown": {"nu": 0.02},
        **changes,
    }
    data = Observations(given.pop("points"), given.pop("values"))  # type: ignore[arg-type]
    return infer(given.pop("problem"), data, given.pop("unknown"), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unknown": {"mu": 0.1}}, "no parameter 'mu'.*nu"),
        ({"unknown": {}}, "at least one parameter"),
        ({"unknown": {"nu": -0.1}}, "must be positive"),
        ({"parameters": {"nu": 0.1}}, "both given and to be estimated"),
        ({"values": {"v": np.zeros(20)}}, "no field 'v'"),
        ({"values": {"u": np.full(20, np.nan)}}, "holds 20 numbers that are NaN"),
        ({"values": {"u": np.zeros(19)}}, r"shape \(19,\)"),
        ({"values": {}}, "need points"),
        ({"points": np.full((2, 20), 1.5)}, "20 observations lie outside.*t = 1.5"),
        ({"points": np.zeros((3, 20))}, "rows t, x"),
        ({"points": np.zeros((2, 1)), "values": {"u": np.zeros(1)}}, "too few"),
        ({"noise": 0.0}, "positive standard deviation"),
        ({"noise": {"v": 1.0}}, "positive standard deviation"),
        ({"settings": {"precision": "float32"}}, "float64"),
        ({"settings": {"colour": 1}}, "colour"),
        ({"time": (0.0, 0.5)}, "outside"),
        ({"problem": "heat-rod", "unknown": {"length": 0.9}, "points": _scattered(20, 0) / 2}, "shapes the domain"),
        ({"problem": "dam", "unknown": {"height": 1.0}}, "no parameter 'height'|no equations"),
    ],
)
def test_bad_input(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _bad(**changes)
