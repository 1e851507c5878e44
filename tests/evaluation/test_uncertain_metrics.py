"""Conservation, calibration and fronts: metrics against closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy

from sciflow.core import InputError
from sciflow.evaluation.measures import Frames, metrics
from sciflow.evaluation.measures.shock import front, sampled_fronts
from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates

T, X = coordinates("t x")
U = Field("u")(T, X)
A = Parameter("a", default=1.0)
N = 41
POINTS = np.linspace(0, 1, N)
TIMES = np.array([[0.1, 0.2, 0.4], [0.2, 0.3, 0.5]])
SPEED = np.array([1.0, 0.5])


def value_of(name: str, frames: Frames) -> float:
    """Mean over cases of the scores of the pooled terms of each case."""
    metric = metrics.get(name)()
    pooled = metric.pool(metric.terms(frames), axis=1)
    return float(np.mean([metric.value(case[0]) for case in pooled]))


def frames_of(
    prediction: np.ndarray, truth: np.ndarray, variance: np.ndarray | None = None, **others: object
) -> Frames:
    """Frames [B, T, n] of one field on nodes of a unit interval."""
    weights = np.full(N, 1 / (N - 1))
    weights[[0, -1]] /= 2
    return Frames(
        prediction[:, :, None], truth[:, :, None], np.zeros((len(truth), 1, N)), weights, ("u",), axes=("x",),
        points={"x": POINTS}, problem="sliding-ramp", parameters={"a": SPEED}, times=TIMES,
        variance=None if variance is None else variance[:, :, None], **others,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def ramp(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """u = 1 + x - a t: linear, so that the trapezoidal rule is exact; its mass is 3/2 - a t."""
    law = conservation("mass", density=U, flux=[A * U])
    declared = Problem(
        name="sliding-ramp", title="Ramp", fields=[U], parameters=[A], domain=Box(x=(0, 1)), time=(0, 1),
        evolution={U: -A * U.diff(X)}, initial={U: 1 + X}, conserves=[law],
    )  # fmt: skip
    monkeypatch.setattr("sciflow.problems.get", lambda name: declared)
    return 1 + POINTS - SPEED[:, None, None] * TIMES[..., None]


def declare(monkeypatch: pytest.MonkeyPatch, total: sympy.Expr) -> None:
    """Give the law of the ramp a total, as a field that the law may or may not have."""
    from types import SimpleNamespace

    law = SimpleNamespace(name="mass", density=U, flux=(A * U,), total=total)
    monkeypatch.setattr("sciflow.problems.get", lambda name: SimpleNamespace(conserves=(law,)))


def test_conservation_against_the_truth(ramp: np.ndarray) -> None:
    off = ramp + np.array([0.3, -0.1, -0.1])[:, None]
    frames = frames_of(off, ramp)
    assert value_of("conservation_error", frames) == pytest.approx(0.5 / 3)
    assert value_of("conservation_bias", frames) == pytest.approx(0.1 / 3)
    mass = 1.5 - SPEED[:, None] * TIMES
    worst = (0.3 / (2 * mass[:, 0] + 0.3)).mean()  # the first frame has the largest share: |b| + sum |w mu|
    assert value_of("conservation_relative", frames) == pytest.approx(worst)
    for name in ("conservation_error", "conservation_bias", "conservation_relative"):
        assert value_of(name, frames_of(ramp, ramp)) == 0.0


def test_conservation_against_the_declared_total(ramp: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, sympy.Rational(3, 2) - sympy.Symbol("a") * sympy.Symbol("t") - sympy.Rational(1, 4))
    frames = frames_of(ramp, ramp)
    assert value_of("conservation_bias", frames) == pytest.approx(0.25)
    known = replace(frames, known=np.eye(N, dtype=bool)[0])
    assert value_of("conservation_bias", known) == 0.0  # part of the total lies in cells without weight
    declare(monkeypatch, sympy.Symbol("k"))
    with pytest.raises(InputError, match="needs k, which the data set lacks"):
        value_of("conservation_error", frames)


def test_conservation_on_a_closed_domain_is_that_of_the_start_frame(
    ramp: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Problem(
        name="ring", title="Ring", fields=[U], domain=Box(x=(0, 1)), periodic=["x"], time=(0, 1),
        evolution={U: -U.diff(X)}, initial={U: 0}, conserves=[conservation("mass", density=U, flux=[U])],
    )  # fmt: skip
    start = np.broadcast_to(1 + POINTS, (2, 1, N))  # mass 3/2, which the true frames have not kept
    held = frames_of(np.broadcast_to(start, ramp.shape), ramp)
    assert value_of("conservation_error", held) == pytest.approx((SPEED[:, None] * TIMES).mean())  # open: the truth's
    monkeypatch.setattr("sciflow.problems.get", lambda name: ring)
    assert value_of("conservation_error", replace(held, start=start)) == 0.0
    assert value_of("conservation_bias", replace(frames_of(ramp, ramp), start=start)) == pytest.approx(
        -(SPEED[:, None] * TIMES).mean()
    )
    mean_frames = np.broadcast_to(start[:, None], (2, 3, 1, N))  # of training cases: no start
    assert value_of("conservation_error", replace(frames_of(ramp, ramp), start=mean_frames)) == 0.0


def test_a_forecast_that_blows_up_conserves_nothing(ramp: np.ndarray) -> None:
    broken = ramp.copy()
    broken[:, 1, 3] = np.nan
    assert value_of("conservation_error", frames_of(broken, ramp)) == np.inf
    assert value_of("conservation_relative", frames_of(broken, ramp)) == np.inf


def test_log_likelihood_is_that_of_a_normal_law(ramp: np.ndarray) -> None:
    frames = frames_of(ramp + 0.2, ramp, np.full_like(ramp, 0.25))
    assert value_of("log_likelihood", frames) == pytest.approx(-0.5 * np.log(2 * np.pi * 0.25) - 0.5 * 0.04 / 0.25)
    none = np.zeros_like(ramp)
    assert value_of("log_likelihood", frames_of(ramp + 0.2, ramp, none)) == -np.inf
    assert value_of("log_likelihood", frames_of(ramp, ramp, none)) == np.inf
    for name in ("log_likelihood", "calibration_error", "sharpness"):
        assert np.isnan(value_of(name, frames_of(ramp, ramp)))


def test_calibration_of_right_and_wrong_spreads() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((40, 200, N))
    one = Frames(
        np.zeros((40, 200, 1, N)), truth[:, :, None], np.zeros((40, 1, N)), np.ones(N), ("u",), axes=("x",),
        variance=np.ones((40, 200, 1, N)),
    )  # fmt: skip
    assert value_of("calibration_error", one) < 0.01  # 8200 cells: a share is right to about 0.005
    levels = np.arange(1, 20) / 20
    sure, unsure = (replace(one, variance=np.full_like(one.truth, value)) for value in (1e-12, 1e12))
    assert value_of("calibration_error", sure) == pytest.approx(levels.mean(), abs=1e-3)
    assert value_of("calibration_error", unsure) == pytest.approx((1 - levels).mean(), abs=1e-3)
    assert value_of("sharpness", unsure) == pytest.approx(1e6)


def test_front_of_exact_shapes() -> None:
    assert front(0.5 - POINTS, POINTS) == pytest.approx(0.5)
    assert front(np.maximum(0.31 - POINTS, 0), POINTS) == pytest.approx(0.325)  # first node at 0
    assert front(0.51 - POINTS, POINTS, 0.1) == pytest.approx(0.41)
    assert front(np.ones(N), POINTS) == 1.0 and front(-np.ones(N), POINTS) == 0.0


def test_shock_position_error_of_a_late_front(ramp: np.ndarray) -> None:
    places = np.array([[0.2, 0.4, 0.6], [0.1, 0.3, 0.5]])[..., None]
    truth, late = (np.maximum(1 - POINTS / (places + shift), 0) for shift in (0.0, 0.05))
    assert value_of("shock_position_error", frames_of(late, truth)) == pytest.approx(0.9 * 0.05, abs=2e-3)
    assert value_of("shock_position_error", frames_of(np.ones_like(truth), truth)) == pytest.approx(1 - 0.9 * 0.35)
    still = truth.copy()
    still[:, 0] = 0.0  # no front yet: the frame does not count
    assert value_of("shock_position_error", frames_of(still, still)) == 0.0
    for lost in (np.nan, np.inf, -np.inf):
        broken = truth.copy()
        broken[0, 1, 3] = lost  # one value of one frame
        assert value_of("shock_position_error", frames_of(broken, truth)) == np.inf
        assert value_of("shock_position_error", frames_of(broken, np.ones_like(truth))) == 0.0  # has no front


def test_sampled_fronts_and_the_published_mistake() -> None:
    mean, variance = 0.5 - POINTS, np.full(N, 1e-6)
    assert sampled_fronts(mean, variance, POINTS).mean() == pytest.approx(0.5, abs=1e-3)
    dense = sampled_fronts(mean, np.diag(variance), POINTS, draws=400)
    assert dense.shape == (400,) and dense.std() == pytest.approx(1e-3, rel=0.2)
    positions = sampled_fronts(mean + 1e-3, variance * 0, POINTS, published=True)
    np.testing.assert_allclose(positions, 21 / 41)  # index of 0.525, divided by n and not by n - 1
    assert (sampled_fronts(mean + 9, variance, POINTS, published=True) == 0).all()
    right, wrong = (sampled_fronts(mean, variance, POINTS, deviations_as_variances=bad) for bad in (False, True))
    assert wrong.mean() < right.mean() and wrong.std() > 10 * right.std()  # deviations sqrt(1e-3), not 1e-3
    with pytest.raises(InputError, match="independent nodes"):
        sampled_fronts(mean, np.diag(variance), POINTS, deviations_as_variances=True)
    with pytest.raises(InputError, match="variances of shape"):
        sampled_fronts(mean, variance[1:], POINTS)


def test_the_published_figure_puts_the_unconstrained_front_too_far_left() -> None:
    path = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "probconserv_pme.npz"
    if not path.is_file():
        pytest.skip("the reference arrays are not here")
    with np.load(path) as stored:
        points, mean, variance = (stored[name].astype(float) for name in ("x", "anp_mean", "anp_var"))
        time, exponent = int(np.argmin(np.abs(stored["t"] - 0.5))), stored["m"]
    linear = exponent == 1  # its front, x = t, is the one with the gentlest slope
    given = mean[linear, time], variance[linear, time], points
    wrong = sampled_fronts(*given, published=True, deviations_as_variances=True)
    assert sampled_fronts(*given, published=True).mean() - wrong.mean() > 0.1
    assert sampled_fronts(*given).mean() == pytest.approx(0.5, abs=0.06)
