"""Methods by name, whether a network (trained as a `Surrogate`) or a baseline."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, create_model

from sciflow.core import Config, InputError, Method, UnknownNameError, near, validate

if TYPE_CHECKING:
    from sciflow.evaluation.suite import MethodEntry
    from sciflow.evaluation.tasks import EvaluationTask


class _Options(Config):
    model_config = ConfigDict(protected_namespaces=())


def known() -> list[str]:
    """Names of all networks and baselines."""
    from sciflow.baselines import methods
    from sciflow.operators import networks

    return sorted({*methods.names(), *networks.names()})


def is_network(name: str) -> bool:
    """Whether a name is a network's; nothing is imported for it.

    Raises:
        UnknownNameError: neither a network nor a baseline has this name.
    """
    from sciflow.baselines import methods

    if name in methods:
        return False
    from sciflow.operators import networks

    if name in networks:
        return True
    raise UnknownNameError(f"There is no method or network named '{name}'.{near(name, known())}")


def build(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Method:
    """An unfitted method.

    Args:
        name: of a network in `sciflow.operators.networks` or a baseline in `sciflow.baselines.methods`.
        config: options of the network or baseline.
        training: settings of the training; networks only.
        seed: of whatever the method draws at random.

    Raises:
        UnknownNameError: the name is unknown; the message gives near matches over both.
        InputError: an option is unknown or has the wrong type.
    """
    options = dict(config or {})
    if is_network(name):
        from sciflow.training import Surrogate

        settings = dict(training or {})
        both = sorted(set(options) & set(settings))
        if both:
            raise InputError(f"The option '{both[0]}' of '{name}' is given under config and under training.")
        if seed is not None:
            settings["seed"] = seed
        return Surrogate(name, **options, **settings)
    if training:
        raise InputError(f"The method '{name}' is not trained by gradient steps; put its options under config.")
    from sciflow.baselines import methods

    target = methods.get(name)
    if seed is not None and getattr(target, "seeded", False):
        options.setdefault("seed", seed)
    return target(**_checked(name, target, options))


def build_entry(entry: MethodEntry, seed: int, task: EvaluationTask | None = None) -> Method:
    """The unfitted method of a suite's entry, with all that is put around it (see `completed`)."""
    return completed(build_base(entry, seed, task), entry)


def build_base(entry: MethodEntry, seed: int, task: EvaluationTask | None = None) -> Method:
    """The part of an entry's method that is trained, unfitted.

    Networks see the context frames of the task, as far apart as there, unless their training says otherwise. The
    members of an ensemble of N have the seeds N s, N s + 1, ..., so that those of different seeds s differ.
    """
    kind, value = entry.source
    if kind == "method":
        given = {"frames_in": task.frames_in, "frame_step": task.step} if task is not None else {}
        training = {**given, **entry.training} if is_network(value) else entry.training
        if entry.ensemble is None:
            return build(value, entry.config, training=training, seed=seed)
        if not _draws(value):
            raise InputError(f"The method '{value}' draws nothing, so the members of its ensemble would be equal.")
        from sciflow.conservation import Ensemble

        seeds = range(entry.ensemble * seed, entry.ensemble * (seed + 1))
        return Ensemble([build(value, entry.config, training=training, seed=member) for member in seeds])
    if entry.config or entry.training:
        raise InputError(f"The method '{entry.title}' is given as {kind}, which takes neither config nor training.")
    if kind == "callable":
        from sciflow.evaluation.callable_method import CallableMethod

        return CallableMethod(value, entry.title)
    from sciflow.evaluation.predictions import PredictionFile

    return PredictionFile(value, entry.title)


def completed(base: Method, entry: MethodEntry) -> Method:
    """The method of an entry around its trained part: options of predicting, conservation, intervals.

    Raises:
        InputError: the method has no options of predicting, or an option is wrong.
    """
    method = base
    if entry.predict:
        change = getattr(method, "with_options", None)
        if change is None:
            raise InputError(f"The method '{entry.title}' has no options that act when predicting; leave predict out.")
        method = change(**entry.predict)
    if entry.conserve is not None:
        from sciflow.conservation import Conserving

        method = Conserving(method, **entry.conserve)
    if entry.conformal:
        from sciflow.conservation import Conformal

        method = Conformal(method)
    return method


def seeds_of(entry: MethodEntry, seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds to run an entry with: only the first where the method draws nothing."""
    wanted = tuple(entry.seeds if entry.seeds is not None else seeds)
    kind, value = entry.source
    if kind != "method":
        return wanted[:1]
    return wanted if _draws(value) else wanted[:1]


def _draws(name: str) -> bool:
    """Whether the result of a method depends on its seed."""
    if is_network(name):
        return True
    from sciflow.baselines import methods

    return bool(getattr(methods.get(name), "seeded", True))


def _checked(name: str, target: type[Method], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options converted to the annotated types of the constructor's keywords."""
    arguments = inspect.signature(target).parameters
    types = typing.get_type_hints(target.__init__)
    for option in options:
        if option not in arguments:
            raise InputError(f"The method '{name}' has no option '{option}'.{near(option, arguments)}")
    fields: dict[str, Any] = {
        item.name: (types.get(item.name, Any), ... if item.default is item.empty else item.default)
        for item in arguments.values()
    }
    checked = validate(create_model("Options", __base__=_Options, **fields), options, f"The method '{name}'")
    return {option: getattr(checked, option) for option in options}
