"""Cases: which parameter values a data set holds, and how they are drawn."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sciflow.core.errors import InputError, near


@dataclass(frozen=True)
class Case:
    """One instance of a problem: its parameters, its signals' coefficients, and the seed of its random fields.

    `subset` names the list that the case is from, if it is from one; `group` the group of the recipe that asked for it.
    """

    index: int
    seed: int
    parameters: dict[str, float] = field(default_factory=dict)
    coefficients: dict[str, float] = field(default_factory=dict)
    subset: str = ""
    group: str = ""

    @property
    def values(self) -> dict[str, float]:
        """Parameters and coefficients together."""
        return {**self.parameters, **self.coefficients}

    def rng(self, stream: int = 0) -> np.random.Generator:
        """The case's own random numbers; `stream` separates the fields of a problem."""
        return np.random.default_rng([self.seed, stream])


class Subset(ABC):
    """A named family of cases."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that it sets."""

    @abstractmethod
    def draw(self, count: int | None, seed: int) -> list[dict[str, float]]:
        """The values that each case sets; None asks for the natural number of cases."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Canonical form, for JSON."""


@dataclass(frozen=True)
class Listed(Subset):
    """A fixed list of cases; fewer of them are drawn evenly spread over the list."""

    rows: tuple[tuple[tuple[str, float], ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for row in self.rows for name, _ in row))

    def draw(self, count: int | None, seed: int) -> list[dict[str, float]]:
        return [dict(self.rows[index]) for index in self.chosen(count)]

    def chosen(self, count: int | None) -> list[int]:
        """Positions in the list of the cases that are drawn."""
        if count is None:
            return list(range(len(self.rows)))
        if count > len(self.rows):
            raise InputError(f"The subset lists {len(self.rows)} cases and {count} were asked for; ask for fewer.")
        return np.linspace(0, len(self.rows) - 1, count).round().astype(int).tolist()

    def describe(self) -> dict[str, Any]:
        return {"subset": "list", "rows": [dict(row) for row in self.rows]}


@dataclass(frozen=True)
class Range:
    """An interval that values are drawn from, on a linear or logarithmic scale."""

    low: float
    high: float
    scale: str = "linear"

    def __post_init__(self) -> None:
        if self.scale not in ("linear", "log") or not self.low <= self.high or (self.scale == "log" and self.low <= 0):
            raise InputError(
                f"A range reads (low, high) or (low, high, 'log') with low <= high, and low > 0 for 'log', not "
                f"({self.low}, {self.high}, {self.scale!r})."
            )

    def at(self, fraction: np.ndarray) -> np.ndarray:
        """Values at fractions in [0, 1] of the interval."""
        if self.scale == "log":
            return np.exp(np.log(self.low) + fraction * np.log(self.high / self.low))
        return self.low + fraction * (self.high - self.low)


@dataclass(frozen=True)
class Sampled(Subset):
    """Values drawn from ranges by Latin hypercube: each range is cut into as many strata as there are cases."""

    ranges: tuple[tuple[str, Range], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.ranges)

    def draw(self, count: int | None, seed: int) -> list[dict[str, float]]:
        count = 1 if count is None else count
        rng = np.random.default_rng([seed, 1])
        columns = {}
        for name, interval in self.ranges:
            fraction = (rng.permutation(count) + rng.random(count)) / count
            columns[name] = interval.at(fraction)
        return [{name: float(column[i]) for name, column in columns.items()} for i in range(count)]

    def describe(self) -> dict[str, Any]:
        return {"subset": "sampled", "ranges": {name: [r.low, r.high, r.scale] for name, r in self.ranges}}


@dataclass(frozen=True)
class Dealt(Subset):
    """Each case takes one row of every list; see `dealt`."""

    lists: tuple[Listed, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for part in self.lists for name in part.names)

    def draw(self, count: int | None, seed: int) -> list[dict[str, float]]:
        count = max(len(part.rows) for part in self.lists) if count is None else count
        cases: list[dict[str, float]] = [{} for _ in range(count)]
        for place, part in enumerate(self.lists):
            rng = np.random.default_rng([seed, 2, place])
            rounds = -(-count // len(part.rows))
            order = np.concatenate([rng.permutation(len(part.rows)) for _ in range(rounds)])
            for case, row in zip(cases, order[:count], strict=True):
                case.update(part.rows[row])
        return cases

    def describe(self) -> dict[str, Any]:
        return {"subset": "dealt", "lists": [part.describe()["rows"] for part in self.lists]}


def grid(**values: Sequence[float]) -> Listed:
    """Every combination of the listed values."""
    rows = itertools.product(*([(n, value) for value in _column(n, column)] for n, column in values.items()))
    return Listed(tuple(rows))


def table(**values: Sequence[float]) -> Listed:
    """One case for each row of the columns, which have equal lengths."""
    columns = {name: _column(name, column) for name, column in values.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"The columns of a table must have equal lengths; these have {lengths}.")
    return Listed(tuple(tuple(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)))


def sampled(**ranges: tuple[float, float] | tuple[float, float, str]) -> Sampled:
    """Values drawn from ``(low, high)`` or ``(low, high, "log")`` by Latin hypercube."""
    for name, bounds in ranges.items():
        if not isinstance(bounds, tuple | list) or len(bounds) not in (2, 3):
            raise InputError(f"The range of {name!r} reads (low, high) or (low, high, 'log'), not {bounds!r}.")
    return Sampled(tuple((name, Range(*bounds)) for name, bounds in ranges.items()))


def dealt(*lists: Listed) -> Dealt:
    """Rows of lists (`grid`, `table`) that set different parameters, drawn for each list on its own.

    The rows of a list are dealt out in random order, all of them before any comes again: of n rows, k n cases have each
    of them k times.

    Raises:
        InputError: there is no list, one of them is empty or no list, or two set the same parameter.
    """
    if not lists or not all(isinstance(part, Listed) and part.rows for part in lists):
        raise InputError("Cases are dealt from lists that are not empty; make them by grid(...) or table(...).")
    names = [name for part in lists for name in part.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Two of the lists that cases are dealt from set the parameter '{twice[0]}'; leave it to one.")
    return Dealt(lists)


def _column(name: str, values: Sequence[float]) -> list[float]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise InputError(f"The values of {name!r} must be a list, as in {name}=[1, 2], not {values!r}.")
    return [float(value) for value in values]


def check_names(given: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """InputError for a name that is not known."""
    for name in given:
        if name not in known:
            raise InputError(f"{what} has no parameter {name!r}.{near(name, known)}")
