"""Results of checks, and how a suite collects them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sciflow.core.errors import SciflowError


@dataclass(frozen=True)
class Check:
    """One result: name of the check, whether it passed, and what was found.

    A check that cannot be made (no exact solution to compare with, say) counts as passed and is marked `skipped`.
    """

    name: str
    passed: bool
    detail: str = ""
    skipped: bool = False


class Skip(Exception):
    """Raised inside a check that has nothing to look at; the message says why."""


Test = tuple[str, Callable[[], str]]  # name, and a function that gives the detail or raises


def run(tests: Iterable[Test]) -> list[Check]:
    """Run every test; an exception is a failed check and does not keep the others from running."""
    return [_one(name, function) for name, function in tests]


def _one(name: str, function: Callable[[], str]) -> Check:
    try:
        return Check(name, True, function())
    except Skip as reason:
        return Check(name, True, str(reason), skipped=True)
    except (AssertionError, SciflowError) as error:
        return Check(name, False, str(error))
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {error}")


def require(subject: str, checks: Iterable[Check]) -> None:
    """Raise AssertionError that names each failed check."""
    failed = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if failed:
        raise AssertionError("\n  ".join([f"{subject} fails {len(failed)} of its checks.", *failed]))


def ensure(condition: bool, message: str) -> None:
    """Fail the check unless the condition holds; unlike `assert`, also under ``python -O``."""
    if not condition:
        raise AssertionError(message)
