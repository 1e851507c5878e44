"""Configuration: validated mappings whose errors name the field, and overrides such as ``a.b=c``."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from sciflow.core.errors import InputError, near
from sciflow.core.hashing import canonical, digest
from sciflow.core.yamlfile import load_yaml, parse_yaml

__all__ = ["Config", "canonical", "digest", "load_yaml", "override", "validate"]

_SHOWN = 5


class Config(BaseModel):
    """Base of all configurations: immutable, and an option that does not exist is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=Config)


def validate(cls: type[C], mapping: Mapping[str, Any], where: str = "the configuration") -> C:
    """Build ``cls`` from a mapping.

    Args:
        cls: a subclass of :class:`Config`.
        mapping: field names to values, as read from YAML.
        where: the file or option the mapping came from, for messages.

    Raises:
        InputError: a value has the wrong type or range, or an option does not exist; the message gives the dotted path
            of each field at fault, as in ``suite.yaml: models.0.width: input should be ...``.
    """
    if not isinstance(mapping, Mapping):
        raise InputError(f"{where} must be a mapping of names to values, not {_shown(mapping)}.")
    try:
        return cls.model_validate(dict(mapping))
    except ValidationError as error:
        found = error.errors(include_url=False)
        parts = [_explain(cls, item) for item in found[:_SHOWN]]
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InputError(f"{where}: {'; '.join(parts)}{more}.") from error


def override(mapping: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """A deep copy of ``mapping`` with values replaced.

    Args:
        mapping: nested mappings and lists.
        assignments: texts like ``training.steps=200`` or ``models.0.width=32``; the value is read as YAML, a part that
            is a number indexes a list, and missing mappings on the way are made.

    Raises:
        InputError: an assignment has no ``=``, or its path leads through a value that is neither mapping nor list.
    """
    result = copy.deepcopy(dict(mapping))
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            raise InputError(f"An override must read 'name.name=value', not '{assignment}'.")
        _assign(result, parts, parse_yaml(text, f"the value of '{path.strip()}'"), assignment)
    return result


def _assign(holder: Any, parts: list[str], value: Any, assignment: str) -> None:
    for depth, part in enumerate(parts):
        key: str | int = part
        if isinstance(holder, list):
            if not part.isdecimal() or int(part) >= len(holder):
                place = ".".join(parts[:depth])
                raise InputError(
                    f"The override '{assignment}' needs an index below {len(holder)} after '{place}', not '{part}'."
                )
            key = int(part)
        elif not isinstance(holder, dict):
            raise InputError(
                f"The override '{assignment}' cannot be applied: '{'.'.join(parts[:depth])}' holds a value."
            )
        if depth == len(parts) - 1:
            holder[key] = value
        elif isinstance(holder, dict):
            holder = holder.setdefault(part, {})
        else:
            holder = holder[int(part)]


def _explain(cls: type[BaseModel], item: Any) -> str:
    """One error of pydantic as 'path: what is wrong'."""
    place = ".".join(str(part) for part in item["loc"]) or "the whole"
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        known = _options(cls, item["loc"][:-1])
        return f"{place} is not an option" + (f".{near(str(item['loc'][-1]), known)}".rstrip(".") if known else "")
    if kind == "missing":
        return f"{place} is required but missing"
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    if kind in ("value_error", "assertion_error"):
        return f"{place}: {message}"
    return f"{place}: {message[:1].lower()}{message[1:]}, not {_shown(item['input'])}"


def _options(cls: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The fields of the configuration at ``location``, or none if it cannot be told (such as inside a union)."""
    candidates: list[Any] = [cls]
    for part in location:
        models = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
        if isinstance(part, str) and any(part in model.model_fields for model in models):
            annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
            candidates = [leaf for annotation in annotations for leaf in _leaves(annotation)]
    models = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
    return list(models[0].model_fields) if len(models) == 1 else []


def _leaves(annotation: Any) -> list[Any]:
    """The types an annotation is made of: ``list[A | None]`` gives A and NoneType."""
    arguments = get_args(annotation)
    return [leaf for argument in arguments for leaf in _leaves(argument)] if arguments else [annotation]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
