"""`Conserving` around methods that lose mass: at once and step by step, with members, with bad forecasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines.mean import MeanField
from sciflow.baselines.persistence import Persistence
from sciflow.conservation import Conformal, Conserving, Ensemble, load_method, residual_correlation
from sciflow.core import Forecast, InputError, Method, Query
from sciflow.data import Dataset, from_arrays, query, truth
from sciflow.data.volume import fluid_volume
from sciflow.training import Surrogate

CASES, FRAMES, N = 4, 52, 24


class Leaky(Method):
    """Float32: each frame is a share of the one before it, the shares of members differ; 1 for the first field point.

    Attributes:
        asked: the queries it was given.
    """

    name = "leaky"

    def __init__(
        self,
        shares: tuple[float, ...] = (0.98,),
        spread: float | None = 0.01,
        blows_up: float = np.inf,
        broken: int = 1,
    ) -> None:
        self.shares, self.spread, self.blows_up, self.broken = shares, spread, blows_up, broken
        self.asked: list[Query] = []

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        assert isinstance(query, Query)
        self.asked.append(query)
        last = query.context["u"].values[:, -1:].astype(np.float32)
        if not np.isfinite(last).all():
            raise InputError("The context holds NaN.")
        steps = np.arange(1, query.steps + 1, dtype=np.float32)[:, None]
        members = np.stack([last * np.float32(share) ** steps for share in self.shares])
        if query.times[0, -1] >= self.blows_up:
            members[:, self.broken, -1, 0] = np.nan
        coords = {"x": query.context["x"], "time": query.times[0]}
        mean = xr.Dataset({"u": (("case", "time", "x"), members.mean(0))}, coords, query.context.attrs)
        ripple = np.broadcast_to(1 + np.arange(N, dtype=np.float32) / N, members.shape[1:])
        variance = None if self.spread is None else mean.assign(u=(("case", "time", "x"), self.spread**2 * ripple))
        if len(self.shares) == 1:
            return Forecast(mean, variance=variance)
        return Forecast(mean, members=mean.assign(u=(("member", "case", "time", "x"), members)))


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Advection and diffusion of sines around a mean that differs by case: each has its own mass."""
    x, t = np.arange(N) / N, 0.1 * np.arange(FRAMES)
    mean, kappa = np.linspace(0.5, 2, CASES), np.full(CASES, 1e-3)
    decay = np.exp(-kappa[:, None] * (2 * np.pi) ** 2 * t)[..., None]
    u = mean[:, None, None] + decay * np.sin(2 * np.pi * (x - t[:, None]))
    parameters = {"c": np.ones(CASES), "kappa": kappa}
    return from_arrays({"u": u}, times=t, coordinates={"x": x}, parameters=parameters, problem="advection-diffusion")


def leak(values: xr.DataArray, data: Dataset) -> float:
    """Largest error of the mass of any frame, relative to |b| + sum |w u|."""
    context = query(data, [0], 1, 1).context
    weights = fluid_volume(context)
    due = (weights * context["u"].values[:, 0].astype(float)).sum(axis=-1)
    found = weights * values.transpose(..., "case", "time", "x").values
    size = np.abs(due)[:, None] + np.abs(found).sum(axis=-1)
    return float((np.abs(found.sum(axis=-1) - due[:, None]) / size).max())


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("shares", [(0.98,), (0.97, 0.99, 1.01)])
def test_mass_is_kept_along_a_rollout_of_50_steps(
    data: Dataset, stepwise: bool, hard: bool, shares: tuple[float, ...]
) -> None:
    asked = query(data, [0], 1, 50)
    inner = Leaky(shares)
    found = Conserving(inner, stepwise=stepwise, hard=hard).predict(asked)
    assert found.mean["u"].dtype == np.float64 and (found.steps, found.cases) == (50, CASES)
    assert leak(found.mean["u"], data) < 1e-10
    assert leak(inner.predict(asked).mean["u"], data) > 0.05
    if len(shares) > 1:
        assert found.members is not None and found.members["u"].dtype == np.float64
        assert leak(found.members["u"], data) < 1e-10
    if stepwise:
        np.testing.assert_allclose(found.mean["time"], asked.times[0])
        assert found.mean.attrs["problem"] == "advection-diffusion"


def test_steps_go_on_from_constrained_frames(data: Dataset) -> None:
    inner = Leaky((0.9,))
    found = Conserving(inner, stepwise=True).predict(query(data, [0, 1], 2, 4))
    assert [(step.steps, step.context.sizes["time"]) for step in inner.asked] == [(1, 2)] * 4
    np.testing.assert_allclose(inner.asked[3].context_times[0], [0.3, 0.4])
    np.testing.assert_array_equal(inner.asked[3].context["u"].values[:, 1], found.mean["u"].values[:, 2])
    assert inner.asked[3].context["u"].dtype == np.float64
    np.testing.assert_allclose(inner.asked[3].times[0], [0.5])
    # A frame that leaks alike every time is corrected alike: 0.9 u + w s^2 / sum(w s^2) x 0.1 mass / w.
    before, after = (found.mean["u"].values[:, step] for step in (1, 2))
    ripple = 1 + np.arange(N) / N
    np.testing.assert_allclose(after, 0.9 * before + 0.1 * before.mean(1)[:, None] * ripple / ripple.mean(), atol=1e-6)


def test_members_go_their_own_ways(data: Dataset) -> None:
    asked = query(data, [0], 1, 5)
    inner = Ensemble([Leaky((0.9,)), Leaky((1.05,))])
    found = Conserving(inner, stepwise=True).predict(asked)
    alone = [Conserving(method, stepwise=True).predict(asked) for method in inner.methods]
    assert found.members is not None
    for number, part in enumerate(alone):
        np.testing.assert_allclose(found.members["u"].values[number], part.mean["u"].values, rtol=1e-12)
    generic = Conserving(Leaky((0.9, 1.05)), stepwise=True).predict(asked)  # one method that gives members itself
    assert generic.members is not None
    assert float(abs(generic.members["u"][0] - generic.members["u"][1]).max()) > 0.01


def test_cases_that_blow_up_are_left_alone(data: Dataset) -> None:
    asked = query(data, [0], 1, 6)
    at_once = Conserving(Leaky(blows_up=0)).predict(asked)
    stepwise = Conserving(Leaky(blows_up=asked.times[0, 3]), stepwise=True).predict(asked)
    others = [0, 2, 3]
    for found in (at_once, stepwise):
        assert leak(found.mean["u"][others], data.select(others)) < 1e-10
    broken = stepwise.mean["u"].values[1]
    assert np.isfinite(broken[:3]).all() and np.isnan(broken[3:]).all()
    assert np.isnan(at_once.mean["u"].values[1]).sum() == 1
    members = Conserving(Leaky((0.9, 1.1), blows_up=asked.times[0, 3]), stepwise=True).predict(asked)
    assert members.variance is not None and members.members is not None
    assert np.isnan(members.variance["u"].values).any(axis=(0, 2)).tolist() == [False] * 3 + [True] * 3
    assert leak(members.members["u"][:, others], data.select(others)) < 1e-10


@pytest.mark.parametrize("order", ["each", "pooled"])
def test_a_rollout_whose_cases_all_blow_up_is_nan_to_its_end(data: Dataset, order: str) -> None:
    asked = query(data.select([1]), [0], 1, 6)
    inner = Leaky((0.9, 1.1), blows_up=asked.times[0, 3], broken=0)
    found = Conserving(inner, order=order, stepwise=True).predict(asked)
    assert found.steps == 6 and np.isnan(found.mean["u"].values[:, 3:]).all()
    assert np.isfinite(found.mean["u"].values[:, :3]).all()


def test_correlated_errors_are_those_of_validation_cases(data: Dataset) -> None:
    method = Conserving(Leaky((0.97,)), covariance="correlated")
    with pytest.raises(InputError, match="validation cases"):
        method.predict(query(data, [0], 1, 3))
    with pytest.raises(InputError, match="give some"):
        method.fit(data)
    train, valid = data.select([0, 1]), data.select([2, 3])
    found = method.fit(train, valid).predict(query(data, [0], 1, 3))
    assert leak(found.mean["u"], data) < 1e-10
    inner = Leaky((0.97,)).predict(query(valid, [0], 1, FRAMES - 1))
    errors = (truth(valid, [0], 1, FRAMES - 1)["u"].values - inner.mean["u"].values).reshape(-1, N)
    deviations = np.sqrt(inner.variance["u"].values).reshape(-1, N)  # type: ignore[index]
    np.testing.assert_allclose(method._correlation, residual_correlation(errors, deviations), rtol=1e-5)
    plain = Conserving(Leaky((0.97,))).predict(query(data, [0], 1, 3))
    assert float(abs(found.mean - plain.mean)["u"].max()) > 1e-6


def test_nested_and_stored(data: Dataset, tmp_path: Path) -> None:
    train, valid, test = data.select([0, 1]), data.select([2, 3]), data.select([1, 3])
    made: list[Method] = [
        Conserving(Conserving(MeanField(), noise=0.1), covariance="correlated", rule="midpoint"),
        Conserving(MeanField(), laws=["mass"], post=["nonnegative"]),
        Conformal(Conserving(MeanField(), covariance="correlated"), level=0.5),
        Conserving(Ensemble([MeanField(), MeanField()]), covariance="diagonal"),
    ]
    for number, method in enumerate(made):
        first = method.fit(train, valid).predict(test)
        assert leak(first.mean["u"], test) < 1e-10
        method.save(tmp_path / str(number))
        again = load_method(tmp_path / str(number))
        assert type(again) is type(method) and again.name == "mean" and again.cost() == method.cost()
        xr.testing.assert_equal(again.predict(test).mean, first.mean)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covarianc": "diagonal"}, "covarianc is not an option.*covariance"),
        ({"covariance": "full"}, "covariance.*'full'"),
        ({"noise": -1}, "noise"),
        ({"order": "both"}, "order"),
        ({"post": "positive"}, "post"),
        ({"hard": True, "noise": 0.1}, "the whole: hard .* ignores noise; leave one"),
        ({"hard": True, "post": "nonnegative"}, "the whole: hard .* ignores post"),
        ({"hard": True, "smooth": True}, "the whole: hard .* ignores smooth"),
        ({"hard": True, "covariance": "diagonal"}, "the whole: hard .* ignores covariance"),
        ({"hard": True, "order": "pooled"}, "the whole: hard .* ignores order"),
    ],
)
def test_bad_options_in_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"The constraint of 'mean': {message}"):
        Conserving(MeanField(), **options)


def test_steps_do_not_go_through_intervals() -> None:
    """Each step asks for the first lead time alone, whose scale would then be that of all."""
    for inner in (
        Conformal(MeanField()),
        Conserving(Conformal(MeanField())),
        Ensemble([MeanField(), Conformal(MeanField())]),
    ):
        with pytest.raises(InputError, match=r"outside, as Conformal\(Conserving\(method, stepwise=True\)\)"):
            Conserving(inner, stepwise=True)
        Conserving(inner)
    Conformal(Conserving(MeanField(), stepwise=True))


def test_what_cannot_be_constrained_is_said(data: Dataset) -> None:
    asked = query(data, [0], 1, 3)
    with pytest.raises(InputError, match="'persistence' gives no uncertainty"):
        Conserving(Persistence()).predict(asked)
    assert leak(Conserving(Persistence(), hard=True).predict(asked).mean["u"], data) < 1e-10
    with pytest.raises(InputError, match="laws|law"):
        Conserving(Leaky(), laws=["energy"]).predict(asked)
    nameless = from_arrays({"u": data.array()[:, :, 0]}, times=np.arange(float(FRAMES)))
    with pytest.raises(InputError, match="names no problem"):
        Conserving(Leaky()).predict(query(nameless, [0], 1, 3))
    with pytest.raises(InputError, match="start frames"):
        Conserving(Leaky(), stepwise=True).predict(query(data, [0], 0, 3))


def test_a_network_starts_from_as_many_frames_as_it_was_trained_with(data: Dataset) -> None:
    options: dict[str, Any] = {"width": 4, "modes": 2, "layers": 1, "steps": 2, "threads": 1, "frames_in": 2}
    network = Surrogate("fno", loss="nll", frame_step=3, **options)
    method = Conserving(network, covariance="correlated", stepwise=True).fit(data, data, progress=False)
    found = method.predict(data)
    assert found.steps == (FRAMES - 1) // 3 + 1 - 2 and found.variance is not None
    np.testing.assert_allclose(found.mean["time"][0], 0.6)
    assert leak(found.mean["u"], data) < 1e-7  # float32: the mass of a later start frame than the first
    intervals = Conformal(network, level=0.5).fit(data, data, progress=False).predict(data)
    assert intervals.steps == found.steps
