"""Whole forecasts conditioned on, or projected onto, the conservation laws of their problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
import xarray as xr

from sciflow.conservation.constraint import Constraint
from sciflow.conservation.covariance import Covariance, Diagonal, LowRank, Scaled
from sciflow.conservation.layout import Layout
from sciflow.conservation.operator import constraints
from sciflow.conservation.post import Post, post_condition
from sciflow.conservation.smoothing import smooth as smoothed
from sciflow.conservation.update import Conditioned, condition, project
from sciflow.core.errors import InputError, near
from sciflow.core.method import Forecast, Query

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

COVARIANCES = ("auto", "diagonal", "lowrank", "correlated")
ORDERS = ("each", "pooled")


def conserve(
    forecast: Forecast,
    query: Query,
    *,
    covariance: str = "auto",
    order: str = "each",
    laws: Sequence[str] | None = None,
    total: Any = "auto",
    inflow: Any = None,
    noise: Any = 0.0,
    rule: str = "trapezoid",
    smooth: bool = False,
    post: Post | None = None,
    correlation: Any = None,
    constraint: Constraint | None = None,
    problem: Problem | None = None,
) -> Forecast:
    """Condition every frame of a forecast on the conservation laws of its problem (ProbConserv, arXiv:2302.11002).

    Without noise the laws hold to 1e-12, for members and for the pooled mean alike. Variances shrink accordingly;
    where the forecast is unsure it is corrected most. Everything is float64.

    Args:
        forecast: with a variance, members or a factor.
        query: what the forecast answers; its context gives the grid, the parameters and the start frames.
        covariance: ``"diagonal"``: independent errors. ``"lowrank"``: members (or the forecast's factor) as coupled
            errors, the rest as independent ones. ``"correlated"``: `correlation` times the predicted deviations.
            ``"auto"``: lowrank if the forecast has a factor, else diagonal.
        order: ``"each"`` conditions every member, with its own variance if it has one, and pools: mean of the members,
            mean of their variances plus their spread (unbiased). ``"pooled"`` conditions mean and variance of the whole
            forecast; the result has no members. With one gain for all members (lowrank, or members without variances)
            both give the same mean.
        laws, total, inflow, noise, rule: see `constraints`.
        smooth: first condition on second differences (`smooth`); one field on one space axis, independent errors.
        post: ``"nonnegative"``, ``"decreasing"``, ``"increasing"`` (or a tuple with ``"nonnegative"``), applied to
            each mean so that the laws still hold; variances stay. Monotone: one field on one space axis.
        correlation: [n, n] or [T, n, n] of n stacked values, for ``"correlated"`` (`residual_correlation`).
        constraint: conditions on states [case, T, C * S] in place of the declared laws.
        problem: what declares the laws, if the query's problem is not registered.

    Returns:
        Mean and variance; members (and, if they had variances, their variances) with the order "each"; the coupled part
        of the posterior covariance as factor with "lowrank".

    Raises:
        InputError: the forecast has neither variance nor members nor factor, an option is unknown, the grid of the
            forecast is not the query's, or what `constraints` and `condition` raise.
    """
    for name, value, allowed in (("covariance", covariance, COVARIANCES), ("order", order, ORDERS)):
        if value not in allowed:
            raise InputError(f"The {name} of conserve is {value!r}.{near(str(value), allowed)}")
    layout = Layout.of(forecast, query)
    if constraint is None:
        constraint = _constraint(query, problem, laws=laws, total=total, inflow=inflow, noise=noise, rule=rule)
    parts = _Parts.of(forecast, layout)
    kind = covariance if covariance != "auto" else "lowrank" if parts.factor is not None else "diagonal"
    shapes = (post,) if isinstance(post, str) else tuple(post or ())
    if {"decreasing", "increasing"} & set(shapes) and (len(layout.space) != 1 or len(layout.fields) != 1):
        raise InputError(
            f"post={post!r} orders values along a line, so it takes one field on one space axis; leave it out, or ask "
            "for 'nonnegative' only."
        )
    if smooth and (kind != "diagonal" or len(layout.space) != 1 or len(layout.fields) != 1):
        raise InputError("smooth=True takes covariance='diagonal' and one field on one space axis; leave it out.")
    if kind == "correlated" and correlation is None:
        raise InputError(
            "covariance='correlated' needs correlation=, an array [n, n] from residual_correlation of validation "
            "forecasts; without one use 'diagonal' or 'lowrank'."
        )
    work = _Work(constraint, kind, correlation, smooth, post)
    if order == "pooled" or parts.members is None:
        return work.pooled(parts, layout)
    if parts.member_variance is not None and kind != "lowrank":
        return work.each(parts, layout)
    return work.together(parts, layout)


def project_forecast(
    forecast: Forecast,
    query: Query,
    *,
    laws: Sequence[str] | None = None,
    total: Any = "auto",
    inflow: Any = None,
    rule: str = "trapezoid",
    constraint: Constraint | None = None,
    problem: Problem | None = None,
) -> Forecast:
    """Move mean and members to the nearest values that hold the laws ("HardC"); variances and factor stay as they are.

    For forecasts without uncertainty, and as the baseline that ignores it: the correction is spread evenly.

    Raises:
        InputError: as `constraints`, or the grid of the forecast is not the query's.
    """
    layout = Layout.of(forecast, query)
    if constraint is None:
        constraint = _constraint(query, problem, laws=laws, total=total, inflow=inflow, noise=0.0, rule=rule)
    free = np.broadcast_to(np.where(layout.still, 0.0, 1.0), (*layout.still.shape[:2], layout.still.shape[2]))
    exact = Constraint(constraint.matrix, constraint.target, names=constraint.names)

    def moved(data: xr.Dataset) -> np.ndarray:
        values = layout.values(data)
        return condition(values, Diagonal(free), exact).mean if layout.still.any() else project(values, exact)

    return Forecast(
        layout.dataset(moved(forecast.mean)),
        forecast.variance,
        None if forecast.members is None else layout.dataset(moved(forecast.members), "member"),
        forecast.factor,
        forecast.member_variance,
    )


def _constraint(query: Query, problem: Problem | None, **options: Any) -> Constraint:
    if problem is None:
        from sciflow import problems

        name = query.context.attrs.get("problem")
        if not name:
            raise InputError("The query names no problem; give problem=, or a constraint= in place of declared laws.")
        problem = problems.get(str(name))
    start = query.context_times[:, -1] if query.context_times.shape[1] else None
    return constraints(problem, query.context, query.times, start=start, **options)


@final
@dataclass(frozen=True, eq=False)
class _Parts:
    """The parts of a forecast as states [..., case, T, n]; `variance` is the whole one."""

    mean: np.ndarray
    variance: np.ndarray
    given: bool  # whether the forecast says its variance itself
    members: np.ndarray | None
    member_variance: np.ndarray | None
    factor: np.ndarray | None

    @classmethod
    def of(cls, forecast: Forecast, layout: Layout) -> _Parts:
        mean = layout.values(forecast.mean)
        members = None if forecast.members is None else layout.values(forecast.members)
        own, factor = (
            None if data is None else layout.values(data, spread=True)
            for data in (forecast.member_variance, forecast.factor)
        )
        if forecast.variance is not None:
            variance = layout.values(forecast.variance, spread=True)
        elif members is not None:
            variance = spread(members) + (0.0 if own is None else own.mean(axis=0))
        elif factor is not None:
            variance = (factor**2).sum(axis=0)
        else:
            raise InputError(
                "The forecast has no variance, members or factor, so there is nothing to weigh a correction with; use "
                "project_forecast, or a method that predicts its uncertainty (an ensemble, a neural process)."
            )
        return cls(mean, variance, forecast.variance is not None, members, own, factor)

    def coupled(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The factor [rank, case, T, n], and the variance of independent errors beside it."""
        if self.factor is not None:
            factor = self.factor
        elif self.members is not None and len(self.members) > 1:
            factor = (self.members - self.members.mean(axis=0)) / np.sqrt(len(self.members) - 1)
            if self.member_variance is not None:
                return factor, self.member_variance.mean(axis=0)
        else:
            raise InputError("covariance='lowrank' needs a forecast with a factor or several members; use 'diagonal'.")
        if not self.given:
            return factor, None
        return factor, np.maximum(self.variance - (factor**2).sum(axis=0), 0.0)


@final
@dataclass(frozen=True, eq=False)
class _Work:
    """How a forecast is conditioned."""

    constraint: Constraint
    kind: str
    correlation: Any
    smooth: bool
    post: Post | None

    def pooled(self, parts: _Parts, layout: Layout) -> Forecast:
        """Condition the whole forecast."""
        covariance = self._whole(parts)
        mean, variance, after = self._conditioned(parts.mean, covariance)
        factor = layout.dataset(self._factor(parts, after), "rank") if self.kind == "lowrank" else None
        return Forecast(layout.dataset(mean), layout.dataset(variance), factor=factor)

    def each(self, parts: _Parts, layout: Layout) -> Forecast:
        """Condition each member with its own variance, then pool."""
        assert parts.members is not None and parts.member_variance is not None
        members, within = np.empty_like(parts.members), np.empty_like(parts.members)
        for index, (mean, variance) in enumerate(zip(parts.members, parts.member_variance, strict=True)):
            members[index], within[index], _ = self._conditioned(mean, self._independent(variance))
        return _mixture(members, within, layout)

    def together(self, parts: _Parts, layout: Layout) -> Forecast:
        """Move all members by one gain, that of the whole covariance, then pool."""
        assert parts.members is not None
        members, variance, after = self._conditioned(parts.members, self._whole(parts))
        factor = layout.dataset(self._factor(parts, after), "rank") if self.kind == "lowrank" else None
        if parts.member_variance is not None:
            within = after.gain.propagated(torch.from_numpy(parts.member_variance)).numpy()
            return _mixture(members, within, layout, factor)
        mean = members.mean(axis=0)
        whole = np.broadcast_to(variance[0] if variance.ndim == members.ndim else variance, mean.shape)
        return Forecast(layout.dataset(mean), layout.dataset(whole), layout.dataset(members, "member"), factor)

    def _whole(self, parts: _Parts) -> Covariance:
        if self.kind != "lowrank":
            return self._independent(parts.variance)
        factor, rest = parts.coupled()
        return LowRank(np.moveaxis(factor, 0, -2), rest)

    def _independent(self, variance: np.ndarray) -> Covariance:
        diagonal = Diagonal(variance)
        return Scaled(np.sqrt(variance), self.correlation) if self.kind == "correlated" else diagonal

    def _conditioned(self, mean: np.ndarray, covariance: Covariance) -> tuple[np.ndarray, np.ndarray, Conditioned]:
        if self.smooth:
            mean, covariance = smoothed(mean, covariance)
        posterior = condition(mean, covariance, self.constraint)
        assert isinstance(posterior.covariance, Conditioned)
        values = posterior.mean
        if self.post is not None:
            values = post_condition(values, posterior.variance, self.constraint, self.post)
        return values, posterior.variance, posterior.covariance

    def _factor(self, parts: _Parts, after: Conditioned) -> np.ndarray:
        """The coupled errors after the update; none of them changes a conserved total."""
        factor = torch.from_numpy(parts.coupled()[0])
        return np.asarray(after.gain.correct(factor, torch.zeros_like(after.gain.target)).numpy())


def spread(members: np.ndarray) -> np.ndarray:
    """Unbiased variance over the first axis; 0 for a single member."""
    return members.var(axis=0, ddof=1) if len(members) > 1 else np.zeros_like(members[0])


def _mixture(members: np.ndarray, within: np.ndarray, layout: Layout, factor: xr.Dataset | None = None) -> Forecast:
    """The equally weighted mixture of Gaussians with these means and variances."""
    return Forecast(
        layout.dataset(members.mean(axis=0)),
        layout.dataset(within.mean(axis=0) + spread(members)),
        layout.dataset(members, "member"),
        factor,
        layout.dataset(within, "member"),
    )
