"""Deep ensembles: several trainings of one method, from different seeds."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.conservation.stored import load_wrapper, save_wrapper
from sciflow.core import Forecast, InputError, Method, Query

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
class Ensemble(Method):
    """The equally weighted mixture of several methods (Lakshminarayanan, Pritzel and Blundell 2017, NeurIPS).

        mean = average of the means m_k,    variance = spread of the m_k (unbiased) + average of the variances s_k^2

    The members of the forecast are the m_k, and s_k^2 their variances if all methods give one; else the variance is the
    spread alone. In a rollout every member goes its own way.

    Args:
        methods: at least two, alike but for their seeds; each is fitted on the same cases.

    Raises:
        InputError: there are fewer than two methods.
    """

    def __init__(self, methods: Sequence[Method]) -> None:
        if len(methods) < 2:
            raise InputError(f"An ensemble needs at least two members, not {len(methods)}.")
        self.methods = tuple(methods)
        self.name = methods[0].name

    def fit(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        *,
        resume: str | Path | None = None,
        progress: bool | None = None,
    ) -> Self:
        """Fit all members one after the other.

        Args:
            train: cases to learn from.
            valid: validation cases.
            resume: folder of the states of interrupted trainings, for members that can continue one.
            progress: show the progress of those that can.
        """
        for number, method in enumerate(self.methods):
            state = None if resume is None else Path(resume) / f"member-{number}"
            offered: dict[str, Any] = {"resume": state, "progress": progress}
            accepted = inspect.signature(method.fit).parameters
            method.fit(train, valid, **{name: value for name, value in offered.items() if name in accepted})
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """The mixture of what the members answer.

        Raises:
            InputError: a member is not fitted, or cannot answer the query.
        """
        return mixture([method.predict(query) for method in self.methods])

    def predict_each(self, queries: Sequence[Query]) -> Forecast:
        """As `predict`, with a query for each member: the step of a rollout in which they go their own ways."""
        return mixture([method.predict(query) for method, query in zip(self.methods, queries, strict=True)])

    def save(self, folder: str | Path) -> None:
        """Write all members."""
        save_wrapper(folder, "ensemble", {}, {}, self.methods)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        return cls(load_wrapper(folder, "ensemble")[2])

    def with_options(self, **options: Any) -> Ensemble:
        """The same members with other options of predicting.

        Raises:
            InputError: the members have none, or not this one.
        """
        changes = [getattr(method, "with_options", None) for method in self.methods]
        if None in changes:
            raise InputError(f"The method '{self.name}' has no options that act when predicting.")
        return Ensemble([change(**options) for change in changes if change is not None])

    def cost(self) -> dict[str, float]:
        """The sum over members; of ``peak_memory`` the largest."""
        costs = [method.cost() for method in self.methods]
        shared = [name for name in costs[0] if all(name in cost for cost in costs)]
        return {
            name: max(cost[name] for cost in costs)
            if name == "peak_memory"
            else float(np.mean([cost[name] for cost in costs]))
            if name.endswith("_fraction")
            else sum(cost[name] for cost in costs)
            for name in shared
        }


def mixture(forecasts: Sequence[Forecast]) -> Forecast:
    """The equally weighted mixture of forecasts of the same frames, see `Ensemble`."""
    members = xr.concat([forecast.mean for forecast in forecasts], "member")
    mean = members.mean("member", keep_attrs=True)
    variance = members.var("member", ddof=1)
    given = [forecast.variance for forecast in forecasts]
    own = None
    if all(part is not None for part in given):
        own = xr.concat([part for part in given if part is not None], "member")
        variance = variance + own.mean("member")
    return Forecast(mean, variance=variance, members=members, member_variance=own)
