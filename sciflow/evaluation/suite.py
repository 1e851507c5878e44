"""The suite: what is compared on which data, as a validated configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from sciflow.core import Config, InputError, load_yaml, override, shared, validate
from sciflow.evaluation.horizon import Horizon

_SOURCES = ("method", "callable", "predictions")


@final
class DataSource(Config):
    """Where the data come from: a recipe by name (generated if absent) or a file.

    Attributes:
        recipe: name of a recipe in ``datasets/``, or path of a recipe file.
        path: an existing data set, relative to the working folder.
        set: overrides of the recipe, such as ``["cases=8"]``.
    """

    recipe: str | None = None
    path: str | None = None
    set: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.recipe is None) == (self.path is None):
            raise ValueError("give either recipe or path")
        if self.set and self.recipe is None:
            raise ValueError("set overrides a recipe; give recipe, not path")
        return self


@final
class Task(Config):
    """What is asked: `frames_in` context frames, then the frames of each horizon.

    Attributes:
        kind: "forecast".
        frames_in: context frames of a query; they are never scored.
        horizons: steps to forecast and the stride between starts.
    """

    kind: Literal["forecast"] = "forecast"
    frames_in: int = Field(default=1, ge=1)
    horizons: tuple[Horizon, ...] = Field(default=(Horizon(steps=1), Horizon(steps=10, stride=3)), min_length=1)

    @model_validator(mode="after")
    def _different(self) -> Self:
        steps = [horizon.steps for horizon in self.horizons]
        if len(set(steps)) < len(steps):
            raise ValueError(f"horizons must have different numbers of steps, not {steps}")
        return self


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
        seeds: instead of the suite's; methods that draw nothing run once.
    """

    method: str | None = None
    callable: str | None = None
    predictions: str | None = None
    label: str = ""
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    seeds: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
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
class Suite(Config):
    """A benchmark.

    Attributes:
        name: of the output folder; letters, digits, dots, dashes and underscores.
        title: one line for the report.
        description: what the comparison is about, and what it does not show.
        data: where the data come from.
        split: name of the split whose test cases are scored; by default "default", or the first of the data set.
        task: what is asked.
        metrics: names; nmse and persistence_nmse are always computed.
        budget: the training and tuning budget that every method had, stated for the reader.
        seeds: one run of each method for each.
        methods: the competitors.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    description: str = ""
    data: DataSource
    split: str | None = None
    task: Task = Task()
    metrics: tuple[str, ...] = Field(default=("nmse", "rmse", "max_error", "gain"), min_length=1)
    budget: str = ""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    methods: tuple[MethodEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _labels(self) -> Self:
        titles = [entry.title for entry in self.methods]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"two methods are called '{twice[0]}'; give them different labels")
        return self


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
    for name in suite.metrics:
        metrics.get(name)
    return suite
