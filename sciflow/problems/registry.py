"""The problems known by name: the catalogue, those of installed packages, and those registered in this process."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError
from sciflow.core.registry import Registry
from sciflow.problems.catalogue import SUMMARIES

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


def _check(name: str, target: Any) -> None:
    from sciflow.problems.problem import Problem

    if not isinstance(target, Problem):
        raise InputError(
            f"'{name}' is a {type(target).__name__}, not a Problem; point the entry point at the Problem itself."
        )
    if target.name != name:
        raise InputError(
            f"The problem registered as '{name}' calls itself '{target.name}'; the two names must be equal."
        )


problems: Registry[Problem] = Registry("problem", "sciflow.problems", check=_check)
for _name, (_module, _summary) in SUMMARIES.items():
    problems.add(_name, f"sciflow.problems.catalogue.{_module}:problem", summary=_summary)


def register(problem: Problem) -> Problem:
    """Make a problem known by its name in this process; returns it.

    Raises:
        InputError: another problem has the name.
    """
    problems.add(problem.name, problem, summary=problem.title)
    return problem


def get(name: Problem | str) -> Problem:
    """The problem of this name, or of the form ``"package.module:attribute"``; a `Problem` is passed through."""
    from sciflow.problems.problem import Problem

    if isinstance(name, Problem):
        return name
    if isinstance(name, str) and ":" in name:
        return _imported(name)
    return problems.get(name)


def names() -> list[str]:
    """Names of all problems."""
    return problems.names()


def _imported(path: str) -> Problem:
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"'{path}' names a module that cannot be imported ({error}); write package.module:problem."
        ) from error
    except AttributeError as error:
        raise InputError(f"'{module}' has no '{attribute}'; write package.module:problem.") from error
    _check(getattr(found, "name", attribute), found)
    return found
