"""The suite: what is compared on which data, as a validated configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, final

from pydantic import AfterValidator, Field, model_validator

from sciflow.core import Config, InputError, load_yaml, override, shared, validate
from sciflow.evaluation.horizon import Horizon
from sciflow.evaluation.speeds import Flows
from sciflow.evaluation.tasks import EvaluationTask, FieldTask, ForecastTask, Layout
from sciflow.evaluation.tuning import Search, TuningBudget

_SOURCES = ("method", "callable", "predictions")
_OF_CONDITION = ("points", "noise", "seed", "at", "layout")


def _pair(given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if isinstance(given, tuple) and (len(given) != 2 or given[0] == given[1]):
        raise ValueError(f"by takes one case parameter or a list of two different ones, not {list(given)}")
    return given


By = Annotated[str | tuple[str, ...] | None, AfterValidator(_pair)]


@final
class DataSource(Config):
    """Where the data come from: a recipe by name (generated if absent) or a file.

    Attributes:
        recipe: name of a recipe in ``datasets/``, or path of a recipe file.
        path: an existing data set, relative to the working folder.
        set: overrides of the recipe, such as ``["cases=8"]``.
        fields: those that methods are given, forecast and are scored on, in this order; all of the data set if empty.
    """

    recipe: str | None = None
    path: str | None = None
    set: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.recipe is None) == (self.path is None):
            raise ValueError("give either recipe or path")
        if self.set and self.recipe is None:
            raise ValueError("set overrides a recipe; give recipe, not path")
        return self


@final
class Transfer(Config):
    """Test cases on another grid, to score methods on that were trained on the suite's own (recipes only).

    Attributes:
        resolution: of the recipe, one number or one per axis in the order x, y, z.
        set: further overrides of the recipe, such as ``["options.oversample=2"]``.
    """

    resolution: int | tuple[int, ...]
    set: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What tables call it: "128", or "128x64"."""
        sizes = (self.resolution,) if isinstance(self.resolution, int) else self.resolution
        return "x".join(map(str, sizes))


@final
class Task(Config):
    """What is asked, see `sciflow.evaluation.tasks`.

    Attributes:
        kind: "forecast", "parametric", "map" or "condition".
        frames_in: context frames of a forecast; they are never scored.
        step: of a forecast: frames of the data from one context or forecast frame to the next; prediction k is held
            against frame k step. Networks are trained on the same spacing.
        horizons: of a forecast: steps, and the stride between starts. The other tasks ask for all frames at once.
        points, noise, seed, layout, at: of "condition": the observations, and the times asked for in seconds (the
            frames nearest to them; all frames if none are given); see `sciflow.evaluation.FieldTask`.
    """

    kind: Literal["forecast", "parametric", "map", "condition"] = "forecast"
    frames_in: int = Field(default=1, ge=1)
    step: int = Field(default=1, ge=1)
    horizons: tuple[Horizon, ...] = Field(default=(Horizon(steps=1), Horizon(steps=10, stride=3)), min_length=1)
    points: int = Field(default=64, ge=1)
    noise: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)
    layout: Layout = "scattered"
    at: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        steps = [horizon.steps for horizon in self.horizons]
        if len(set(steps)) < len(steps):
            raise ValueError(f"horizons must have different numbers of steps, not {steps}")
        of_forecast, of_condition = {"frames_in", "step", "horizons"}, set(_OF_CONDITION)
        foreign = of_condition if self.kind == "forecast" else of_forecast
        foreign = foreign if self.kind in ("forecast", "condition") else of_forecast | of_condition
        fields = type(self).model_fields
        if wrong := sorted(name for name in foreign if getattr(self, name) != fields[name].default):
            raise ValueError(f"the task '{self.kind}' has no setting {wrong[0]}")
        if self.kind == "condition":
            FieldTask(self.kind, **{name: getattr(self, name) for name in _OF_CONDITION})
        return self

    @property
    def asked(self) -> EvaluationTask:
        """The task that is evaluated."""
        if self.kind == "forecast":
            return ForecastTask(self.horizons, self.frames_in, self.step)
        return FieldTask(self.kind, **{name: getattr(self, name) for name in _OF_CONDITION})

    @property
    def described(self) -> dict[str, Any]:
        """Kind and the settings that this kind has, as JSON values."""
        spaced = {"step"} if self.step > 1 else set()
        later = {name for name in ("layout", "at") if getattr(self, name) != type(self).model_fields[name].default}
        names = {"forecast": {"frames_in", "horizons"} | spaced, "condition": {"points", "noise", "seed"} | later}
        return self.model_dump(mode="json", include={"kind", *names.get(self.kind, ())})


@final
class MethodEntry(Config):
    """One competitor: a registered name, a Python callable or a file of predictions.

    Attributes:
        method: name of a network or baseline.
        callable: ``package.module:function``, called with a `Query`; see `sciflow.evaluation.CallableMethod`.
        predictions: file written by `sciflow.evaluation.save_predictions`.
        label: what tables call it; by default the name. Labels of a suite differ.
        config: options of the method or network.
        training: settings of the training (networks only).
        search: values to try in the tuning that the suite states, by option of the network or of its training.
        seeds: instead of the suite's; methods that draw nothing run once.
        ensemble: so many members, trained from different seeds, instead of one model; see
            `sciflow.conservation.Ensemble`.
        predict: options that act when predicting alone, for methods that have some.
        conserve: constrain the forecasts by the conservation laws of the problem; options of
            `sciflow.conservation.Conserving`, none of them needed.
        conformal: scale the variance so that intervals hold what they say on the validation cases; see
            `sciflow.conservation.Conformal`.

    Entries that differ in label, predict, conserve and conformal alone are trained once.
    """

    method: str | None = None
    callable: str | None = None
    predictions: str | None = None
    label: str = ""
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    search: Search = {}
    seeds: tuple[int, ...] | None = None
    ensemble: int | None = Field(default=None, ge=2)
    predict: dict[str, Any] = {}
    conserve: dict[str, Any] | None = None
    conformal: bool = False

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.ensemble is not None and self.method is None:
            raise ValueError("an ensemble is trained here; give it a method")
        if sum(getattr(self, name) is not None for name in _SOURCES) != 1:
            raise ValueError(f"give exactly one of {', '.join(_SOURCES)}")
        return self

    @property
    def source(self) -> tuple[str, str]:
        """Which of the three, and its value."""
        return next((name, getattr(self, name)) for name in _SOURCES if getattr(self, name) is not None)

    @property
    def title(self) -> str:
        """The label, or what stands in for it."""
        return self.label or self.source[1].rsplit("/", 1)[-1].removesuffix(".h5")


@final
class Part(Config):
    """One data set of a suite that has several; what is given here wins over the suite's own.

    Attributes:
        methods: come after those of the suite.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    description: str = ""
    data: DataSource
    split: str | None = None
    task: Task | None = None
    metrics: tuple[str, ...] = ()
    transfer: tuple[Transfer, ...] = ()
    equivariance: Flows = ()
    by: By = None
    seeds: tuple[int, ...] = ()
    methods: tuple[MethodEntry, ...] = ()


@final
class Suite(Config):
    """A benchmark.

    Attributes:
        name: of the output folder; letters, digits, dots, dashes and underscores.
        title: one line for the report.
        description: what the comparison is about, and what it does not show.
        data: where the data come from.
        parts: instead of `data`: several data sets on which the methods are compared, each with its own leaderboard in
            a sub-folder, and one table over all.
        split: name of the split whose test cases are scored; by default "default", or the first of the data set.
        transfer: other grids on which the test cases are scored as well.
        task: what is asked.
        metrics: names; nmse and persistence_nmse are always computed.
        budget: the training and tuning budget that every method had, stated for the reader.
        tuning: trials that every network gets before it is trained.
        target: validation error for the column "s to target"; by default one that all networks reach.
        seeds: one run of each method for each.
        methods: the competitors.
        equivariance: flows, cells per frame by axis, such as ``[{x: 1}, {x: 0.5}]``: every method is scored by how far
            its forecast of moved frames is from its moved forecast, ``equivariance_error``, see
            `sciflow.evaluation.equivariance_error`. Files of predictions have no such score.
        by: a case parameter, or a list of two: the files ``by.csv`` and ``by.md`` then have all scores by its values
            (by pairs of values).
        paired: label of a method that all others are compared with, case by case, in the same files; by default each
            entry with `conserve` is compared with the one that differs in that alone, if there is one.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    description: str = ""
    data: DataSource | None = None
    parts: tuple[Part, ...] = ()
    split: str | None = None
    transfer: tuple[Transfer, ...] = ()
    task: Task = Task()
    metrics: tuple[str, ...] = Field(default=("nmse", "rmse", "max_error", "gain"), min_length=1)
    budget: str = ""
    tuning: TuningBudget | None = None
    target: float | None = Field(default=None, gt=0)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    methods: tuple[MethodEntry, ...] = ()
    equivariance: Flows = ()
    by: By = None
    paired: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.data is None) == (not self.parts):
            raise ValueError("give either data or parts")
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError(f"two parts have the same name; they are called {names}")
        for part in self.parts or (None,):
            titles = [entry.title for entry in (*self.methods, *(part.methods if part else ()))]
            if not titles:
                raise ValueError("a suite needs competitors; list at least one under methods")
            twice = sorted({title for title in titles if titles.count(title) > 1})
            if twice:
                raise ValueError(f"two methods are called '{twice[0]}'; give them different labels")
            if self.paired is not None and self.paired not in titles:
                raise ValueError(f"paired names no method, '{self.paired}'; there are {', '.join(titles)}")
        every = (*self.methods, *(entry for part in self.parts for entry in part.methods))
        searched = [entry.title for entry in every if entry.search]
        if searched and self.tuning is None:
            raise ValueError(f"'{searched[0]}' has a search, but the suite has no tuning budget; give tuning")
        whole = [(self.transfer, self.data)] if self.data is not None else []
        grids = [*whole, *((part.transfer or self.transfer, part.data) for part in self.parts)]
        if any(transfer and data.recipe is None for transfer, data in grids):
            raise ValueError("transfer generates data on another grid; it needs data from a recipe")
        return self

    @property
    def source(self) -> DataSource:
        """Where the data come from, of a suite with one data set."""
        assert self.data is not None
        return self.data

    def of_part(self, part: Part) -> Suite:
        """The suite of one data set."""
        return self.model_copy(
            update={
                "parts": (),
                "data": part.data,
                "title": part.title or part.name,
                "description": part.description,
                "split": part.split or self.split,
                "task": part.task or self.task,
                "metrics": part.metrics or self.metrics,
                "transfer": part.transfer or self.transfer,
                "equivariance": part.equivariance or self.equivariance,
                "by": part.by or self.by,
                "seeds": part.seeds or self.seeds,
                "methods": (*self.methods, *part.methods),
            }
        )


def load_suite(source: Suite | Mapping[str, Any] | str | Path, overrides: Sequence[str] = ()) -> Suite:
    """A suite from a file, from a name that comes with sciflow, or from a mapping.

    Args:
        source: path of a YAML file, name such as "quickstart", mapping or suite.
        overrides: texts such as ``methods.0.training.steps=100``.

    Raises:
        InputError: no such file or name, or a field is wrong; the message has the field's path.
        UnknownNameError: a metric is not registered.
    """
    from sciflow.evaluation.measures import metrics

    where = "the suite"
    if isinstance(source, Suite):
        content: Mapping[str, Any] = source.model_dump(mode="json")
    elif isinstance(source, Mapping):
        content = source
    else:
        path = Path(source)
        if not path.is_file():
            if path.suffix in (".yaml", ".yml") and len(path.parts) > 1:
                raise InputError(f"There is no suite file {path}; give a path or the name of a suite.")
            path = shared("benchmarks", str(source))
        content, where = load_yaml(path), path.name
    suite = validate(Suite, override(content, overrides), where)
    for name in {*suite.metrics, *(name for part in suite.parts for name in part.metrics)}:
        metrics.get(name)
    return suite
