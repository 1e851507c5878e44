"""Whole forecasts: orders of pooling, kinds of covariance, known values, shape conditions, bad input."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciflow.conservation import (
    Constraint,
    Diagonal,
    LowRank,
    Scaled,
    condition,
    conserve,
    constraints,
    project_forecast,
    residual_correlation,
)
from sciflow.core.errors import InputError
from sciflow.core.method import Forecast, Query

LAWS = ["mass", "moment"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"order": "pooled"},
    {"covariance": "lowrank"},
    {"covariance": "lowrank", "order": "pooled"},
    {"covariance": "correlated"},
]


def states(data: xr.Dataset) -> np.ndarray:
    """[..., case, time, 70] of fields u and v."""
    parts = [data[name].values.reshape(*data[name].shape[:-2], -1) for name in "uv"]
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("members", "own"), [(0, False), (6, False), (6, True)])
def test_laws_hold_for_the_pooled_mean_and_for_members(
    options: dict[str, Any], members: int, own: bool, small: SimpleNamespace
) -> None:
    query, problem = small.query_of(small.plane_context()), small.plane_problem()
    forecast = small.forecast_of(query, members=members, own=own)
    if options.get("covariance") == "lowrank" and not members:
        pytest.skip("a low-rank covariance needs members")
    if options.get("covariance") == "correlated":
        options = {**options, "correlation": 0.5 * np.eye(70) + 0.5}
    result = conserve(forecast, query, problem=problem, laws=LAWS, **options)
    law = constraints(problem, query.context, query.times, laws=LAWS)
    for data in (result.mean, *(() if result.members is None else (result.members,))):
        values = states(data)
        assert (np.abs(law.residual(values)) <= 1e-12 * law.scale(values)).all()
        assert data["u"].dtype == np.float64
    assert result.variance is not None
    before = forecast.variance if forecast.variance is not None else forecast.mean
    assert float(result.variance["u"].mean()) < float(before["u"].mean())
    assert (result.members is not None) == (bool(members) and options.get("order") != "pooled")
    if result.member_variance is not None:
        assert result.members is not None
        whole = result.member_variance.mean("member") + result.members.var("member", ddof=1)
        xr.testing.assert_allclose(result.variance, whole, rtol=1e-12)


@given(
    shape=st.tuples(st.integers(2, 6), st.integers(2, 6)),
    grid=st.sampled_from(["nodes", "cells"]),
    rule=st.sampled_from(["trapezoid", "right", "midpoint"]),
    periodic=st.sampled_from(["", "x", "y,x"]),
    laws=st.sampled_from([["mass"], ["moment"], ["moment", "mass"]]),
    members=st.sampled_from([0, 3]),
    seed=st.integers(0, 999),
)
def test_laws_hold_on_every_grid(
    shape: tuple[int, int],
    grid: str,
    rule: str,
    periodic: str,
    laws: list[str],
    members: int,
    seed: int,
    small: SimpleNamespace,
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((2, *shape)) < 0.8
    mask[:, -1, -1] = mask[:, -1, -2] = True
    masked = {"mask": (("case", "y", "x"), mask), "volume_fraction": (("y", "x"), rng.uniform(0.1, 1, shape))}
    context = small.plane_context(shape=shape, grid=grid, seed=seed, **masked).assign_attrs(periodic=periodic)
    query, problem = small.query_of(context), small.plane_problem()
    options = {"laws": laws, "rule": rule, "total": "initial"}
    forecast = small.forecast_of(query, members=members, own=True, seed=seed)
    result = conserve(forecast, query, problem=problem, **options)
    law = constraints(problem, context, query.times, **options)
    values = states(result.mean)
    assert (np.abs(law.residual(values)) <= 1e-12 * law.scale(values)).all()
    assert (values.reshape(2, 3, 2, *shape)[np.broadcast_to(~mask[:, None, None], (2, 3, 2, *shape))] == 0).all()


def test_published_order_is_each_draw_and_then_the_pool(small: SimpleNamespace) -> None:
    query, problem = small.query_of(small.plane_context()), small.plane_problem()
    forecast = small.forecast_of(query, members=5, own=True)
    law = constraints(problem, query.context, query.times, laws=LAWS)
    result = conserve(forecast, query, problem=problem, laws=LAWS)
    members, variances = states(forecast.members), states(forecast.member_variance)
    each = [condition(mean, Diagonal(variance), law) for mean, variance in zip(members, variances, strict=True)]
    means = np.stack([posterior.mean for posterior in each])
    within = np.stack([posterior.variance for posterior in each])
    np.testing.assert_allclose(states(result.mean), means.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(states(result.variance), within.mean(axis=0) + means.var(axis=0, ddof=1), atol=1e-13)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_low_rank_in_both_orders_is_one_posterior(own: bool, noise: float, small: SimpleNamespace) -> None:
    """One gain for all members: pooling before or after gives the same mean, and without noise the same variance."""
    query, problem = small.query_of(small.plane_context()), small.plane_problem()
    forecast = small.forecast_of(query, members=5, own=own)
    options = {"problem": problem, "laws": LAWS, "covariance": "lowrank", "noise": noise}
    each, pooled = (conserve(forecast, query, order=order, **options) for order in ("each", "pooled"))
    law = constraints(problem, query.context, query.times, laws=LAWS, noise=noise)
    members = states(forecast.members)
    factor = np.moveaxis((members - members.mean(axis=0)) / 2, 0, -2)
    rest = states(forecast.member_variance).mean(axis=0) if own else None
    posterior = condition(states(forecast.mean), LowRank(factor, rest), law)
    for result in (each, pooled):
        np.testing.assert_allclose(states(result.mean), posterior.mean, atol=1e-10)
        np.testing.assert_allclose(states(result.variance), posterior.variance, atol=1e-10)
    if noise == 0:
        assert pooled.factor is not None
        flat = Constraint(law.matrix, np.zeros_like(law.target))
        assert np.abs(flat.residual(states(pooled.factor))).max() < 1e-12
        assert (states(pooled.variance) >= (states(pooled.factor) ** 2).sum(axis=0) - 1e-12).all()


def test_a_factor_of_the_forecast_is_used(small: SimpleNamespace) -> None:
    query, problem = small.query_of(small.plane_context()), small.plane_problem()
    plain, many = small.forecast_of(query), small.forecast_of(query, members=4)
    factor = many.members.rename(member="rank")
    forecast = Forecast(plain.mean, plain.variance + (factor**2).sum("rank"), factor=factor)
    result = conserve(forecast, query, problem=problem, laws=LAWS)
    law = constraints(problem, query.context, query.times, laws=LAWS)
    sigma = LowRank(np.moveaxis(states(factor), 0, -2), states(plain.variance))
    np.testing.assert_allclose(states(result.mean), condition(states(plain.mean), sigma, law).mean, atol=1e-10)
    assert result.factor is not None


def test_noise_infinitely_large_is_the_forecast_itself(small: SimpleNamespace) -> None:
    query, problem = small.query_of(small.plane_context()), small.plane_problem()
    forecast = small.forecast_of(query, members=3, own=True)
    result = conserve(forecast, query, problem=problem, laws=LAWS, noise=1e9)
    xr.testing.assert_allclose(result.mean, forecast.mean, atol=1e-12)
    xr.testing.assert_allclose(result.variance, forecast.variance, rtol=1e-12)


def test_projection_moves_the_mean_and_keeps_the_variance(small: SimpleNamespace) -> None:
    query, problem = small.query_of(small.plane_context()), small.plane_problem()
    forecast = small.forecast_of(query, members=3)
    options: dict[str, Any] = {"problem": problem, "laws": LAWS}
    result = project_forecast(Forecast(forecast.mean, forecast.variance, forecast.members), query, **options)
    law = constraints(problem, query.context, query.times, laws=LAWS)
    assert np.abs(law.residual(states(result.mean))).max() < 1e-12
    assert np.abs(law.residual(states(result.members))).max() < 1e-12
    xr.testing.assert_identical(result.variance, forecast.variance)
    bare = project_forecast(Forecast(forecast.mean), query, **options)
    xr.testing.assert_identical(bare.mean, result.mean)


def test_solid_cells_and_known_values_stay(small: SimpleNamespace) -> None:
    mask, known = np.ones((7, 5), bool), np.zeros((7, 5), bool)
    mask[2, :2], known[:, 0] = False, True
    given = (("y", "x"), known & mask, {"fields": "u"})
    context = small.plane_context(mask=(("y", "x"), mask), known=given)
    plain = small.query_of(context)
    edge = xr.Dataset({name: (context[name].dims, np.full((2, 3, 7, 5), np.nan)) for name in "uv"})
    edge["u"].values[..., known & mask] = 7.0
    query = Query(context, plain.context_times, plain.times, known=edge)
    forecast = small.forecast_of(plain)
    forecast.mean["u"].values[..., ~mask] = np.nan
    law = constraints(small.plane_problem(), context, query.times, laws=["mass"])
    for result in (
        conserve(forecast, query, problem=small.plane_problem(), laws=["mass"]),
        project_forecast(forecast, query, problem=small.plane_problem(), laws=["mass"]),
    ):
        assert (result.mean["u"].values[..., ~mask] == 0).all()
        assert (result.mean["u"].values[..., known & mask] == 7).all()
        assert np.abs(law.residual(states(result.mean))).max() < 1e-12


def test_smoothing_and_shape_conditions(small: SimpleNamespace) -> None:
    context = small.plane_context().isel(y=0, drop=True).drop_vars("v")
    query, problem = small.query_of(context), small.line_problem()
    forecast = small.forecast_of(query, members=3, own=True)
    law = constraints(problem, context, query.times)
    for options in ({"smooth": True}, {"post": "nonnegative"}, {"post": ("nonnegative", "decreasing")}):
        result = conserve(forecast, query, problem=problem, **options)
        values = result.mean["u"].values
        assert np.abs(law.residual(values)).max() < 1e-11
        assert "post" not in options or values.min() >= 0
        assert "decreasing" not in options.get("post", ()) or (np.diff(values) <= 1e-12).all()


def test_monotone_shapes_are_those_of_a_line(small: SimpleNamespace) -> None:
    """Two fields, or a plane, have no order from the first value to the last; to be 0 or more needs none."""
    problem, plane = small.plane_problem(), small.plane_context()
    line = plane.isel(y=0, drop=True)
    for context, kept in ((plane.drop_vars("v"), problem), (line, small.line_problem()), (plane, problem)):
        query = small.query_of(context)
        forecast = small.forecast_of(query)
        n = sum(part[0, 0].size for part in forecast.mean.data_vars.values())
        law = Constraint(np.ones((1, n)), [1.0])
        for post in ("decreasing", "increasing", ("nonnegative", "decreasing")):
            with pytest.raises(InputError, match="takes one field on one space axis"):
                conserve(forecast, query, problem=kept, constraint=law, post=post)
        result = conserve(forecast, query, problem=kept, constraint=law, post="nonnegative")
        assert all(part.values.min() >= 0 for part in result.mean.data_vars.values())


def test_residuals_of_validation_forecasts_give_a_calibrated_correlation() -> None:
    """Errors of twice the predicted size that move together: R finds both, and the update uses them."""
    rng = np.random.default_rng(0)
    n, count = 20, 4000
    places = np.arange(n)
    true = 4 * np.exp(-np.abs(places[:, None] - places) / 5)
    deviations = rng.uniform(0.5, 1.5, (count, n))
    residuals = deviations * rng.multivariate_normal(np.zeros(n), true, count)
    found = residual_correlation(residuals, deviations, shrink=0.0)
    np.testing.assert_allclose(found, true, atol=0.4)  # 6 standard errors of 4 sqrt(1 / count)
    shrunk = residual_correlation(residuals, deviations, shrink=0.2)
    np.testing.assert_allclose(np.diag(shrunk), np.diag(found), rtol=0.02)
    assert abs(shrunk[0, 1] / found[0, 1] - 0.8) < 1e-12
    frames = residual_correlation(residuals.reshape(count // 2, 2, n), deviations.reshape(count // 2, 2, n))
    assert frames.shape == (2, n, n)
    posterior = condition(np.zeros(n), Scaled(np.ones(n), found), Constraint(np.ones((1, n)), [5.0]))
    ones = np.ones((n, 1))
    left = true - true @ ones @ ones.T @ true / (ones.T @ true @ ones)
    np.testing.assert_allclose(posterior.variance, np.diag(left), rtol=0.15)


def test_forecasts_that_cannot_be_conserved(small: SimpleNamespace) -> None:
    context, problem = small.plane_context(), small.plane_problem()
    query = small.query_of(context)
    forecast = small.forecast_of(query)
    each: list[tuple[str, Forecast, dict[str, Any]]] = [
        ("project_forecast", Forecast(forecast.mean), {}),
        ("Did you mean 'mass'", forecast, {"laws": ["mas"]}),
        ("needs a forecast with a factor", forecast, {"covariance": "lowrank"}),
        ("Did you mean 'lowrank'", forecast, {"covariance": "low-rank"}),
        ("Did you mean 'pooled'", forecast, {"order": "pool"}),
        ("residual_correlation", forecast, {"covariance": "correlated"}),
        ("correlation must have the shape", forecast, {"covariance": "correlated", "correlation": np.eye(3)}),
        (
            "grid of the query has",
            Forecast(forecast.mean.isel(x=slice(1, None)), forecast.variance.isel(x=slice(1, None))),
            {},
        ),
        ("different points along 'x'", Forecast(forecast.mean.assign_coords(x=np.arange(5.0)), forecast.variance), {}),
        ("negative value", Forecast(forecast.mean, forecast.variance - 10), {}),
        ("variance holds NaN", Forecast(forecast.mean, forecast.variance * np.nan), {}),
        ("mean holds NaN", Forecast(forecast.mean * np.nan, forecast.variance), {}),
        ("no variance along the law 'mass'", Forecast(forecast.mean, forecast.variance * 0), {"laws": ["mass"]}),
        ("'open' of problem 'plane' has an open boundary", forecast, {"laws": ["open"]}),
        ("one field on one space axis", forecast, {"smooth": True}),
    ]
    for message, bad, options in each:
        with pytest.raises(InputError, match=message.replace("(", r"\(")):
            conserve(bad, query, problem=problem, **{"laws": LAWS, **options})
    with pytest.raises(InputError, match="has the fields"):
        conserve(Forecast(forecast.mean[["u"]], forecast.variance[["u"]]), query, problem=problem)
    unnamed = Query(context.assign_attrs(problem=""), query.context_times, query.times)
    with pytest.raises(InputError, match="names no problem"):
        conserve(forecast, unnamed)
