"""Equal tuning: every network gets the same number of short trials, judged on the validation cases alone.

The first trial is the entry's own setting, the others are drawn without replacement from the grid of its search space.
All trials of all networks have the same number of steps. The setting with the lowest validation error at the end of its
trial is the one that is trained in full; test cases are never seen. A trial that fails counts as infinitely bad.
"""

from __future__ import annotations

import inspect
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import numpy as np
from pydantic import Field

from sciflow.core import Config, InputError, Method, atomic_path, digest
from sciflow.evaluation.json_text import to_json
from sciflow.evaluation.plan import read_json

if TYPE_CHECKING:
    from sciflow.data import Dataset

Search = dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]]
"""Type of an entry's search space: option of `Training` or of the network -> the values to try."""

_FIXED = ("steps", "seed", "device", "loss", "predict", "frames_in", "frames_out", "unroll", "pushforward")


@final
class TuningBudget(Config):
    """What every network may spend on its settings.

    Attributes:
        trials: settings tried, the entry's own among them.
        steps: optimiser steps of a trial; a fifth to a third of the full training tells good settings from bad ones.
        seed: draws the settings.
    """

    trials: int = Field(default=4, ge=1)
    steps: int = Field(default=300, ge=1)
    seed: int = Field(default=0, ge=0)


@final
@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        values: what differed from the entry's own setting.
        error: validation error at the end, in normalised units; infinite if the trial failed.
        seconds: that it took, wall time.
        failure: why it failed.
    """

    values: dict[str, Any]
    error: float
    seconds: float
    failure: str = ""


@final
@dataclass(frozen=True)
class Tuned:
    """The chosen setting: `config` and `training` as an entry of a suite has them, with the full number of steps.

    Attributes:
        config: options of the network.
        training: settings of the training.
        seconds: of all trials, part of the up-front cost.
        trials: in the order tried.
    """

    config: dict[str, Any]
    training: dict[str, Any]
    seconds: float
    trials: tuple[Trial, ...]


Build = Callable[[Mapping[str, Any], Mapping[str, Any]], Method]
"""Makes an unfitted method of a config and settings of the training."""


def settings_to_try(own: Mapping[str, Any], search: Mapping[str, Any], budget: TuningBudget) -> list[dict[str, Any]]:
    """What each trial changes: nothing in the first, then settings of the grid in random order, none of them twice.

    Args:
        own: the values that the entry has of the options searched, as far as they are known.
        search: option -> values; the grid is their product.
        budget: how many settings, and the seed. There are fewer if the grid is smaller.
    """
    options = list(search)
    grid = [dict(zip(options, values, strict=True)) for values in itertools.product(*search.values())]
    others = [values for values in grid if any(values[name] != own.get(name) for name in options)]
    order = np.random.default_rng(budget.seed).permutation(len(others))
    return [{}, *(others[index] for index in order[: budget.trials - 1])]


def tune(
    name: str,
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    search: Mapping[str, Any],
    budget: TuningBudget,
    train: Dataset,
    valid: Dataset | None,
    folder: str | Path,
    build: Build,
) -> Tuned:
    """Try settings of a network and choose one.

    Finished trials are kept in ``tuning.json`` in the folder; if the same search on the same data was interrupted, they
    are not run again. Another search in the same folder starts anew.

    Args:
        name: of the entry, for messages.
        config, training: the entry's own setting; ``training`` names the steps of the full training, if it does.
        search: option of `sciflow.training.Training` or of the network -> values to try.
        budget: trials and their steps, equal for every network.
        train: cases to train on.
        valid: cases to choose on.
        folder: made if it does not exist.
        build: makes an unfitted method of a config and a training.

    Raises:
        InputError: there are no validation cases, an option searched does not exist or must be equal for validation
            errors to compare (steps, seed, loss, ...), or all trials failed.
    """
    if valid is None:
        raise InputError(f"Tuning '{name}' needs validation cases; add a part 'valid' to the split.")
    for option in search:
        if option in _FIXED:
            raise InputError(f"The search of '{name}' may not change '{option}', which all trials must share.")
    path = Path(folder) / "tuning.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tried = settings_to_try(_own(build(config, training), search), search, budget)
    for values in tried:  # an option that does not exist is found before anything is trained
        build(*_changed(config, training, values))
    identity = digest([name, config, training, search, budget.model_dump(mode="json"), train.digest, valid.digest])
    trials = _stored(path, identity)
    for values in tried[len(trials) :]:
        trials.append(_trial(_changed(config, training, values), values, budget, train, valid, build))
        with atomic_path(path) as temporary:
            temporary.write_text(to_json({"identity": identity, "trials": [asdict(trial) for trial in trials]}))
    best = min(trials, key=lambda trial: trial.error)  # the entry's own setting among equals
    if not math.isfinite(best.error):
        raise InputError(f"All {len(trials)} trials of '{name}' failed; the first one with: {trials[0].failure}")
    chosen_config, chosen_training = _changed(config, training, best.values)
    return Tuned(chosen_config, chosen_training, sum(trial.seconds for trial in trials), tuple(trials))


def _trial(
    setting: tuple[dict[str, Any], dict[str, Any]],
    values: dict[str, Any],
    budget: TuningBudget,
    train: Dataset,
    valid: Dataset,
    build: Build,
) -> Trial:
    config, training = setting
    short = {**training, "steps": budget.steps, "validate_every": budget.steps, "patience": None}
    errors: list[float] = []

    def note(record: Any, /) -> None:
        if record.valid is not None:
            errors.append(float(record.valid))

    begin, failure = time.perf_counter(), ""
    try:
        # Only methods trained step by step are tuned, and their fit takes these arguments beyond those of every method.
        fit: Callable[..., Any] = build(config, short).fit
        fit(train, valid, progress=False, on_step=note)
    except Exception as reason:  # a setting that cannot be trained is a bad setting, not the end of the search
        failure = f"{type(reason).__name__}: {reason}"
    error = errors[-1] if errors and not failure and math.isfinite(errors[-1]) else math.inf
    if math.isinf(error) and not failure:
        failure = "the training ended without a finite validation error"
    return Trial(dict(values), error, time.perf_counter() - begin, failure)


def _changed(
    config: Mapping[str, Any], training: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and training with values put where they belong."""
    from sciflow.training import Training

    mine = {name: value for name, value in values.items() if name in Training.model_fields}
    return {**config, **{name: value for name, value in values.items() if name not in mine}}, {**training, **mine}


def _own(method: Method, search: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a surrogate has of the options searched, its defaults among them."""
    from sciflow.operators import networks
    from sciflow.training import Surrogate

    if not isinstance(method, Surrogate):
        return {}
    arguments = inspect.signature(networks.get(method.name)).parameters
    values = {option: item.default for option, item in arguments.items()}
    values |= {**method.options, **method.training.model_dump()}
    return {option: values[option] for option in search if option in values}


def _stored(path: Path, identity: str) -> list[Trial]:
    content = read_json(path)
    if content.get("identity") != identity:
        return []
    return [Trial(**{**item, "error": float(item["error"])}) for item in content["trials"]]
