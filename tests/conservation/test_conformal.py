"""Split-conformal intervals: coverage by simulation, what is scaled, and what cannot be promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines import methods
from sciflow.baselines.mean import MeanField
from sciflow.conservation import Conformal, Conserving, Ensemble, load_method
from sciflow.core import Forecast, InputError, Method, Query
from sciflow.data import Dataset, from_arrays

Z = 1.959963984540054


class Guess(Method):
    """Answers 0 with a variance of its own, right or wrong; members and factor beside it."""

    name = "guess"

    def __init__(self, deviation: float | None, rich: bool = False) -> None:
        self.deviation, self.rich = deviation, rich

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        assert isinstance(query, Query)
        n = query.context.sizes["x"]
        mean = xr.Dataset({"u": (("case", "time", "x"), np.zeros((query.cases, query.steps, n)))})
        if self.deviation is None:
            return Forecast(mean)
        variance = mean + self.deviation**2
        if not self.rich:
            return Forecast(mean, variance=variance)
        signs = xr.DataArray([1.0, -1.0], dims="member")
        members = (mean + self.deviation * signs).transpose("member", ...)
        factor = (mean + self.deviation).expand_dims(rank=1)
        return Forecast(mean, variance, members, factor, members * 0 + 1.0)


def asked(cases: int, steps: int, n: int) -> Query:
    context = xr.Dataset({"u": (("case", "time", "x"), np.zeros((cases, 0, n)))})
    return Query(context, np.zeros((cases, 0)), np.tile(np.arange(1.0, steps + 1), (cases, 1)))


def truth(rng: np.random.Generator, cases: int, steps: int, n: int) -> xr.Dataset:
    """Heavy-tailed errors that grow with time, scaled alike in a whole case: far from a normal law."""
    own = rng.exponential(size=(cases, 1, 1))
    values = own * rng.standard_t(3, (cases, steps, n)) * np.arange(1, steps + 1)[:, None]
    return xr.Dataset({"u": (("case", "time", "x"), values)})


@pytest.mark.parametrize("deviation", [0.01, 30.0, None])
def test_intervals_hold_what_they_say_on_exchangeable_cases(deviation: float | None) -> None:
    rng, steps, n, cases = np.random.default_rng(1), 2, 8, 39
    inside = []
    for _ in range(300):
        method = Conformal(Guess(deviation), level=0.9).calibrate(asked(cases, steps, n), truth(rng, cases, steps, n))
        forecast, real = method.predict(asked(1, steps, n)), truth(rng, 1, steps, n)
        half = 1.6448536269514722 * np.sqrt(forecast.variance["u"].values)  # type: ignore[index]
        inside.append((np.abs(real["u"].values) <= half).mean(axis=(0, 2)))
    found, error = np.mean(inside, axis=0), np.std(inside, axis=0) / np.sqrt(len(inside))
    assert (found > 0.9 - 3 * error).all()  # what is promised
    assert (found < 0.9 + 1 / (cases + 1) + 3 * error).all()  # and no more than the finite sample costs


def test_everything_is_scaled_about_the_mean_alike() -> None:
    rng = np.random.default_rng(0)
    real = truth(rng, 40, 2, 5)
    method = Conformal(Guess(2.0, rich=True)).calibrate(asked(40, 2, 5), real)
    found = method.predict(asked(3, 2, 5))
    assert found.variance is not None and found.members is not None
    assert found.factor is not None and found.member_variance is not None
    scale = np.sqrt(found.variance["u"].values) / 2
    assert (scale[:, 1] > scale[:, 0]).all()  # errors grow with the lead time
    scores = np.sort(np.abs(real["u"].values[:, 0]).ravel() / 2)
    assert scale[0, 0, 0] * Z == pytest.approx(scores[int(np.ceil(0.95 * 41 / 40 * 200)) - 1])
    np.testing.assert_allclose(found.members["u"].values[0], 2 * scale)
    np.testing.assert_allclose(found.factor["u"].values[0], 2 * scale)
    np.testing.assert_allclose(found.member_variance["u"].values[1], scale**2)
    assert found.members["u"].dims == ("member", "case", "time", "x")


def test_what_cannot_be_promised_is_said() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="at least 19 validation cases, not 18"):
        Conformal(Guess(1.0)).calibrate(asked(18, 1, 4), truth(rng, 18, 1, 4))
    good = Conformal(Guess(1.0)).calibrate(asked(19, 1, 4), truth(rng, 19, 1, 4))
    with pytest.raises(InputError, match="1 lead times; the query asks for 2"):
        good.predict(asked(1, 2, 4))
    with pytest.raises(InputError, match="not calibrated"):
        Conformal(Guess(1.0)).predict(asked(1, 1, 4))
    with pytest.raises(InputError, match="between 0 and 1, not 95"):
        Conformal(Guess(1.0), level=95)


class Parts(Method):
    """Answers 0 with members or a factor of the deviation 3 in place of a variance."""

    name = "parts"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        assert isinstance(query, Query)
        plain = Guess(None).predict(query).mean
        ends = xr.DataArray([-3.0, 3.0], dims="member") / np.sqrt(2)  # unbiased deviation 3
        members = (plain + ends).transpose("member", ...)
        if self.kind == "factor":
            return Forecast(plain, factor=xr.concat([plain + 3 * 0.6, plain + 3 * 0.8], "rank"))
        if self.kind == "own":
            return Forecast(plain, members=members / np.sqrt(2), member_variance=members * 0 + 4.5)
        return Forecast(plain, members=members)


@pytest.mark.parametrize("kind", ["members", "own", "factor"])
def test_without_a_variance_members_or_factor_give_the_spread(kind: str) -> None:
    """In other units all is as many times larger: a scale is a number without a unit."""
    real = truth(np.random.default_rng(0), 30, 2, 5)
    given = Conformal(Guess(3.0)).calibrate(asked(30, 2, 5), real)
    found = Conformal(Parts(kind)).calibrate(asked(30, 2, 5), real)
    first, second = (method.predict(asked(1, 2, 5)) for method in (given, found))
    xr.testing.assert_allclose(first.variance, second.variance)
    ratio = first.variance["u"].values[0] / 9  # type: ignore[index]
    if kind == "factor":
        np.testing.assert_allclose((second.factor["u"] ** 2).sum("rank").values[0], 9 * ratio)  # type: ignore[index]
    else:
        own = 0 if second.member_variance is None else second.member_variance["u"].mean("member").values[0]
        np.testing.assert_allclose(second.members["u"].var("member", ddof=1).values[0] + own, 9 * ratio)  # type: ignore[index]


def test_starts_of_a_case_are_one_group() -> None:
    """Errors of a case are alike from all its starts; taken as so many cases they would promise too much."""
    rng, inside = np.random.default_rng(3), []
    per_case = [1, 7] * 10
    owner = np.repeat(np.arange(20), per_case)
    for _ in range(400):
        query = asked(len(owner), 1, 2)
        query = Query(query.context.assign_coords(source_case=("case", owner)), query.context_times, query.times)
        size = rng.exponential(size=21)
        real = xr.Dataset({"u": (("case", "time", "x"), np.tile(size[owner, None, None], (1, 1, 2)))})
        found = Conformal(Guess(1.0), level=0.9).calibrate(query, real).predict(asked(1, 1, 2))
        half = 1.6448536269514722 * np.sqrt(found.variance["u"].values)  # type: ignore[index]
        assert half.max() == pytest.approx(np.sort(size[:20])[18])  # 0.9 x 21 / 20 of 20 cases, however many starts
        inside.append(size[20] <= half.max())
    assert np.mean(inside) > 0.9 - 3 * np.sqrt(0.09 / 400)
    with pytest.raises(InputError, match="at least 39 validation cases, not 20"):
        Conformal(Guess(1.0), level=0.975).calibrate(query, real)


def test_only_some_lead_times_are_scaled_anew() -> None:
    rng = np.random.default_rng(0)
    first, other = truth(rng, 30, 3, 4), truth(rng, 30, 2, 4)
    method = Conformal(Guess(1.0)).calibrate(asked(30, 3, 4), first).rescale(asked(30, 2, 4), other)
    alone = [Conformal(Guess(1.0)).calibrate(asked(30, n, 4), real) for n, real in ((3, first), (2, other))]
    whole, short = (part._scale["u"] for part in alone)
    np.testing.assert_array_equal(method._scale["u"], [*short, whole[2]])


class Watched(Method):
    """Says when it is trained."""

    name = "watched"

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        raise AssertionError("trained")

    def predict(self, query: Query | Dataset) -> Forecast:
        raise NotImplementedError


@pytest.mark.parametrize("wrapped", [Conformal, lambda method: Conserving(method, covariance="correlated")])
def test_what_cannot_be_calibrated_is_said_before_training(wrapped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = from_arrays({"u": np.random.default_rng(0).normal(size=(40, 4, 7))}, times=np.arange(4.0))
    for name in ("anp", "cnp", "kriging", "gappy-pod"):
        method = wrapped(methods.get(name)())
        monkeypatch.setattr(type(method.method), "fit", Watched.fit)
        with pytest.raises(InputError, match=f"'{name}' needs observations.*fit that method alone and call calibrate"):
            method.fit(data, data)
        with pytest.raises(InputError, match="needs observations"):
            wrapped(Ensemble([method.method, method.method])).fit(data, data)
    inner = Watched()
    with pytest.raises(InputError, match="give some to fit"):
        wrapped(inner).fit(data)
    if wrapped is Conformal:
        with pytest.raises(InputError, match="at least 19 validation cases, not 18"):
            wrapped(inner).fit(data, data.select(list(range(18))))
    with pytest.raises(AssertionError, match="trained"):
        wrapped(inner).fit(data, data)


def test_solid_cells_do_not_count() -> None:
    real = truth(np.random.default_rng(0), 30, 1, 6)
    query = asked(30, 1, 6)
    query.context["mask"] = ("x", np.arange(6) < 4)
    masked = Conformal(Guess(1.0)).calibrate(query, real.where(query.context["mask"], 1e9))
    plain = Conformal(Guess(1.0)).calibrate(asked(30, 1, 4), real.isel(x=slice(4)))
    after, before = (
        found.predict(asked(1, 1, 4)).variance["u"].values  # type: ignore[index]
        for found in (masked, plain)
    )
    np.testing.assert_allclose(after, before)


def test_fit_and_store(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    data = from_arrays({"u": rng.normal(size=(60, 4, 7))}, times=np.arange(4.0))
    train, valid, test = (data.select(list(range(first, last))) for first, last in ((0, 20), (20, 50), (50, 60)))
    method = Conformal(MeanField()).fit(train, valid)
    method.save(tmp_path / "kept")
    again = load_method(tmp_path / "kept")
    first, second = method.predict(test), again.predict(test)
    xr.testing.assert_equal(first.variance, second.variance)
    inside = np.abs(first.mean["u"].values - test.array()[:, 1:, 0]) <= Z * np.sqrt(first.variance["u"].values)
    assert inside.mean() > 0.93  # aimed at: 0.95 x 31 / 30
    with pytest.raises(InputError, match="give some to fit"):
        Conformal(MeanField()).fit(train)
    with pytest.raises(InputError, match="no saved method of the kind 'conformal'"):
        Conformal.load(tmp_path)
