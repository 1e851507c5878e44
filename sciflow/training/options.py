"""Keyword options of a surrogate: which belong to the training and which to the network, checked by name and type."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, create_model

from sciflow.core import Config, InputError, near, validate
from sciflow.operators import Traits
from sciflow.training.config import Training


class _Options(Config):
    """Base of the models made from signatures; networks may annotate with types of their own."""

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())


def split_options(
    name: str, network: type, training: Training | None, options: Mapping[str, Any]
) -> tuple[Training, dict[str, Any]]:
    """Sort options into training settings and arguments of the network.

    Args:
        name: the network's registered name, for messages.
        network: its class; the keyword-only arguments of ``__init__`` are its options, their annotations the types.
        training: settings to start from; None means the defaults.
        options: names to values; those that are settings of :class:`Training` go there.

    Returns:
        The settings, and the network's arguments converted to their annotated types (lists from YAML to tuples).

    Raises:
        InputError: an option is unknown to both, or a value has the wrong type or range.
    """
    model = _signature(network)
    known = {**Training.model_fields, **model.model_fields}
    for option in options:
        if option not in known:
            raise InputError(f"The surrogate '{name}' has no option '{option}'.{near(option, known)}")
    if training is not None and not isinstance(training, Training):
        raise InputError(f"training must be a Training, not {type(training).__name__}; or pass settings as keywords.")
    where = f"The surrogate '{name}'"
    mine = {key: value for key, value in options.items() if key in Training.model_fields}
    before = training.model_dump() if training is not None else {}
    settings = validate(Training, {**before, **mine}, where)
    if getattr(network, "traits", Traits()).recurrent and settings.predict is None:
        settings = settings.model_copy(update={"predict": "state"})
    theirs = {key: value for key, value in options.items() if key not in Training.model_fields}
    checked = validate(model, theirs, where)
    return settings, {key: getattr(checked, key) for key in theirs}


def require_suited(name: str, network: type, training: Training) -> None:
    """Raise if a network cannot be trained with these settings.

    Raises:
        InputError: naming the setting to change.
    """
    traits = getattr(network, "traits", Traits())
    if traits.residual and training.output == "increment":
        raise InputError(f"The network '{name}' adds the last frame to its output itself; use predict='state'.")
    if traits.recurrent and training.output == "increment":
        raise InputError(f"The network '{name}' forecasts whole frames; leave predict out, or use 'state'.")
    if training.loss == "nll" and (traits.residual or traits.recurrent or hasattr(network, "adapt")):
        raise InputError(f"The network '{name}' cannot give a variance; use another loss than 'nll', or an ensemble.")
    if training.points is not None and not traits.pointwise:
        raise InputError(f"The network '{name}' does not find each point by itself; leave points out.")


def _signature(network: type) -> type[_Options]:
    """A configuration with the network's keyword-only arguments as fields."""
    arguments = inspect.signature(network).parameters.values()
    types = typing.get_type_hints(network.__init__)  # type: ignore[misc]
    fields: dict[str, Any] = {
        item.name: (types.get(item.name, Any), ... if item.default is item.empty else item.default)
        for item in arguments
        if item.kind is item.KEYWORD_ONLY
    }
    return create_model("Options", __base__=_Options, **fields)
