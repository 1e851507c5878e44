"""`Conserving`: any method, its forecasts constrained by the conservation laws of the problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, final

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from sciflow.conservation.asking import as_query, askable, with_truth
from sciflow.conservation.conformal import Conformal
from sciflow.conservation.ensemble import Ensemble, mixture
from sciflow.conservation.forecast_parts import (
    changed,
    finite_cases,
    joined,
    member,
    moved_on,
    of_cases,
    of_step,
    only,
    put,
    wide,
)
from sciflow.conservation.stored import load_wrapper, save_wrapper
from sciflow.core import Config, Forecast, InputError, Method, Query, validate
from sciflow.data.queries import at_frames

if TYPE_CHECKING:
    from sciflow.data import Dataset

Shape = Literal["nonnegative", "decreasing", "increasing"]
_LARGEST = 4096  # points of a full correlation: 134 MB


@final
class ConservingOptions(Config):
    """Options of `Conserving`; those without a remark here are those of `sciflow.conservation.conserve`.

    Attributes:
        covariance: "diagonal", "lowrank", "correlated" (with the correlation of errors on the validation cases), or
            "auto".
        order: "each" conditions every member and pools, "pooled" pools first.
        laws: names; all that the problem declares if not given.
        total: where the conserved totals come from.
        noise: standard deviation of the totals.
        rule: of the integrals.
        smooth: condition on small second differences before.
        post: what is done to the result.
        hard: instead of conditioning, move the mean (and each member) to the nearest fields that keep the laws,
            whatever the variance is; it stays as it is. For methods without uncertainty, and the baseline "HardC" of
            arXiv:2302.11002. It takes none of covariance, order, noise, smooth and post.
        stepwise: forecast one frame at a time and go on from the constrained frame.
    """

    covariance: Literal["auto", "diagonal", "lowrank", "correlated"] = "auto"
    order: Literal["each", "pooled"] = "each"
    laws: tuple[str, ...] | None = None
    total: Literal["auto", "declared", "initial"] = "auto"
    noise: float = Field(0.0, ge=0)
    rule: Literal["trapezoid", "right", "midpoint"] = "trapezoid"
    smooth: bool = False
    post: Shape | tuple[Shape, ...] | None = None
    hard: bool = False
    stepwise: bool = False

    @model_validator(mode="after")
    def _hard_alone(self) -> Self:
        weighed = ("covariance", "order", "noise", "smooth", "post")
        given = [name for name in weighed if getattr(self, name) != type(self).model_fields[name].default]
        if self.hard and given:
            raise ValueError(
                f"hard moves the mean whatever the variance is and ignores {given[0]}; leave one of them out"
            )
        return self


@final
class Conserving(Method):
    """A method whose forecasts keep the conservation laws of the problem that the data name (arXiv:2302.11002).

    The mean and every member are corrected where the method is unsure, see `sciflow.conservation.conserve`; the
    method itself is trained as it would be without. Results are float64, and without noise they keep the laws to
    rounding. Where a method rolls out, ``stepwise`` constrains every frame before the next is forecast from it, so that
    errors of the conserved quantity cannot grow; each member then starts from its own frames, and a forecast without
    members gets the variance of the last step, not what has gathered before it. Otherwise the whole forecast is
    conditioned at once, frame by frame. Cases whose forecast is not finite stay as they are.

    Args:
        method: any method; it may be a `Conserving` too, which acts first.
        options: of `ConservingOptions`, by name.

    Raises:
        InputError: an option is unknown or wrong, or steps are to go through intervals of `Conformal`, which belong
            outside, as Conformal(Conserving(method, stepwise=True)); or, when predicting, the data name no problem, or
            its laws cannot be imposed.

    Example:
        >>> method = Conserving(Surrogate("fno", steps=1000), stepwise=True).fit(data.train)     # doctest: +SKIP
    """

    def __init__(self, method: Method, **options: Any) -> None:
        self.method, self.name = method, method.name
        self.options = validate(ConservingOptions, options, f"The constraint of '{method.name}'")
        self._correlation: np.ndarray | None = None
        if self.options.stepwise and _has_intervals(method):
            raise InputError(
                f"The intervals of '{self.name}' would be scaled as at the first lead time in every step; put them "
                "outside, as Conformal(Conserving(method, stepwise=True)), or set stepwise off."
            )

    @property
    def calibrates(self) -> bool:
        """Whether `calibrate` has to be called before `predict`."""
        return self.options.covariance == "correlated" or bool(getattr(self.method, "calibrates", False))

    def fit(self, train: Dataset, valid: Dataset | None = None, **settings: Any) -> Self:
        """Fit the method; with the covariance "correlated", find the correlation of its errors on the validation cases.

        Args:
            train: cases to learn from.
            valid: validation cases.
            settings: for the fit of the method.
        """
        cases = askable(self.method, valid, "The correlation of errors") if self.calibrates else None
        self.method.fit(train, valid, **settings)
        if cases is not None:
            self.calibrate(*with_truth(self.method, cases))
        return self

    def calibrate(self, query: Query, truth: xr.Dataset) -> Self:
        """Find the correlation of errors between points from validation cases, where the options ask for it.

        Args:
            query: asks for the frames.
            truth: dims (case, time, \\*space), these frames.

        Raises:
            InputError: the method gives no variance.
        """
        if getattr(self.method, "calibrates", False):
            self.method.calibrate(query, truth)  # type: ignore[attr-defined]
        if self.options.covariance == "correlated":
            self._correlation = correlation(self.method.predict(query), truth)
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """The constrained forecast.

        Raises:
            InputError: see the class.
        """
        asked = as_query(self.method, query)
        if self.options.covariance == "correlated" and self._correlation is None:
            raise InputError(
                f"The correlation of errors of '{self.name}' is not known; call fit with validation cases."
            )
        if self.options.stepwise and asked.steps > 1:
            return self._rollout(asked)
        return self._constrained(self.method.predict(asked), asked)

    def save(self, folder: str | Path) -> None:
        """Write the method, the options and what `calibrate` found."""
        arrays = {} if self._correlation is None else {"correlation": self._correlation}
        save_wrapper(folder, "conserving", self.options.model_dump(mode="json"), arrays, [self.method])

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        config, arrays, inner = load_wrapper(folder, "conserving")
        found = cls(inner[0], **config)
        found._correlation = arrays.get("correlation")
        return found

    def cost(self) -> dict[str, float]:
        """That of the method."""
        return self.method.cost()

    def _rollout(self, query: Query) -> Forecast:
        """One frame at a time, each from constrained frames; a case that is no longer finite stays NaN."""
        if not query.context.sizes["time"]:
            raise InputError("A stepwise forecast goes on from start frames, but the query has none; set stepwise off.")
        windows, frames, alive = [wide(query.context)], [], np.ones(query.cases, bool)
        for step in range(query.steps):
            answer = self._advance([of_step(query, window, step) for window in windows])
            frame = self._constrained(answer, at_frames(query, np.full((query.cases, 1), step)))
            alive = alive & finite_cases(frame)
            frames.append(frame if alive.all() else only(frame, alive))
            if not alive.any():
                frames += [frames[-1]] * (query.steps - len(frames))
                break
            parts = [frame.mean]
            if frame.members is not None:
                parts = [frame.members.isel(member=number) for number in range(frame.members.sizes["member"])]
                windows = windows * len(parts) if len(windows) == 1 else windows
            windows = [moved_on(window, part) for window, part in zip(windows, parts, strict=True)]
        return joined(frames, query)

    def _advance(self, queries: Sequence[Query]) -> Forecast:
        """The next frame; with several queries, of each member from its own."""
        if len(queries) == 1:
            return self.method.predict(queries[0])
        if isinstance(self.method, Ensemble):
            return self.method.predict_each(queries)
        return mixture([member(self.method.predict(query), number) for number, query in enumerate(queries)])

    def _constrained(self, forecast: Forecast, query: Query) -> Forecast:
        """The forecast of all cases that are finite, constrained; the others as they are."""
        finite = finite_cases(forecast)
        if finite.all():
            return self._conserved(forecast, query)
        if not finite.any():
            return changed(forecast, wide)
        kept = np.flatnonzero(finite)
        good = self._conserved(changed(forecast, lambda part: part.isel(case=kept)), of_cases(query, kept))
        return put(changed(forecast, wide), good, kept)

    def _conserved(self, forecast: Forecast, query: Query) -> Forecast:
        from sciflow.conservation import conserve, project_forecast

        given: dict[str, Any] = self.options.model_dump(include={"laws", "total", "rule"})
        if self.options.hard:
            return project_forecast(forecast, query, **given)
        if forecast.variance is None and forecast.members is None and forecast.factor is None:
            raise InputError(
                f"The method '{self.name}' gives no uncertainty that a correction could follow; set hard, or use "
                "an ensemble or a method with a variance."
            )
        given |= self.options.model_dump(include={"covariance", "order", "noise", "smooth", "post"})
        if self._correlation is not None:
            given["correlation"] = self._correlation
        return conserve(forecast, query, **given)


def _has_intervals(method: Method) -> bool:
    """Whether a method is `Conformal`, or wraps one."""
    inner = [getattr(method, "method", None), *getattr(method, "methods", ())]
    return isinstance(method, Conformal) or any(_has_intervals(part) for part in inner if isinstance(part, Method))


def correlation(forecast: Forecast, truth: xr.Dataset) -> np.ndarray:
    """How the errors of a forecast hang together over its cases and frames, [n, n], see `residual_correlation`.

    n counts the points of all fields, the fields one after the other.

    Raises:
        InputError: the forecast has no variance, or more points than a full matrix can be made for.
    """
    from sciflow.conservation.correlation import residual_correlation

    if forecast.variance is None:
        raise InputError("The covariance 'correlated' scales errors by a variance, but the method gives none.")
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for name in forecast.fields:
        dims = ("case", "time", *(dim for dim in forecast.mean[name].dims if dim not in ("case", "time")))
        mean, variance, real = (
            part[name].transpose(*dims).values.astype(np.float64) for part in (forecast.mean, forecast.variance, truth)
        )
        frames = forecast.cases * forecast.steps
        for values, kept in zip((real - mean, np.sqrt(variance)), parts, strict=True):
            kept.append(values.reshape(frames, -1))
    residuals, deviations = (np.concatenate(part, axis=1) for part in parts)
    if residuals.shape[1] > _LARGEST:
        raise InputError(
            f"The covariance 'correlated' keeps a full matrix over the {residuals.shape[1]} values of a frame; use it "
            f"for at most {_LARGEST}, or the covariance 'diagonal' or 'lowrank'."
        )
    return np.asarray(residual_correlation(residuals, deviations))
