"""How a data set is arranged in The Well's format: vectors, shared parameters, kinds of boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from sciflow.core.errors import UnknownNameError
from sciflow.data.reader import Dataset

_USUAL = {("u", "v"): "velocity", ("u", "v", "w"): "velocity", ("Vx", "Vy"): "velocity", ("Vx", "Vy", "Vz"): "velocity"}


@final
@dataclass(frozen=True)
class Layout:
    """What all files have in common.

    Attributes:
        scalars, vectors: names of fields, vectors with their components in the order of `dims`.
        dims: the space axes in the order x, y, z.
        shared: the parameters that have one value in all cases.
        sides: the kind of boundary at the low and high end of each axis.
    """

    name: str
    scalars: tuple[str, ...]
    vectors: dict[str, tuple[str, ...]]
    dims: tuple[str, ...]
    shared: tuple[str, ...]
    sides: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, dataset: Dataset, name: str) -> Layout:
        dims = tuple(reversed(dataset.space))
        vectors = _vectors(dataset, len(dims))
        inside = {part for parts in vectors.values() for part in parts}
        values = dataset.parameter_values()
        shared = [p for p, column in zip(dataset.parameters, values.T, strict=True) if (column == column[0]).all()]
        scalars = tuple(field for field in dataset.fields if field not in inside)
        return cls(name, scalars, vectors, dims, tuple(shared), _sides(dataset))

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Names of the fields as written, with the fields of the data set that they hold."""
        return {**{name: (name,) for name in self.scalars}, **self.vectors}


def _vectors(dataset: Dataset, dims: int) -> dict[str, tuple[str, ...]]:
    """Vector fields with their components: as the problem declares them, else by the usual names of velocities."""
    from sciflow import problems

    found: dict[str, list[str]] = {}
    try:
        declared = problems.get(dataset.problem).fields if dataset.problem else None
    except UnknownNameError:  # a problem of a package that is not installed here
        declared = None
    if declared is not None:
        for info in declared:
            if info.vector:
                found.setdefault(info.vector, []).append(info.name)
    else:
        known = [(parts, name) for parts, name in _USUAL.items() if len(parts) == dims]
        for parts, name in known:
            there = all(part in dataset.fields for part in parts)
            if there and (parts[0] == "Vx" or dataset.units(parts[0]) == "m/s"):
                found.setdefault(name, list(parts))
    whole = {name: tuple(parts) for name, parts in found.items() if len(parts) == dims}
    return {n: parts for n, parts in whole.items() if set(parts) <= set(dataset.fields) and n not in dataset.fields}


def _sides(dataset: Dataset) -> dict[str, tuple[str, str]]:
    """The kind of boundary at both ends of each axis, x first."""
    from sciflow import problems

    axes = tuple(reversed(dataset.space))
    try:
        problem = problems.get(dataset.problem) if dataset.problem else None
    except UnknownNameError:
        problem = None
    kinds: dict[str, tuple[str, str]] = {}
    for number, axis in enumerate(axes):
        if axis in dataset.periodic:
            kinds[axis] = ("periodic", "periodic")
        elif problem is None:
            kinds[axis] = ("open", "open")
        else:
            kinds[axis] = (_side(problem, f"{axis}-", number), _side(problem, f"{axis}+", number))
    return kinds


def _side(problem: Any, side: str, axis: int) -> str:
    """Open if the flow leaves freely, or if a velocity into the domain is prescribed; otherwise a wall."""
    vectors: dict[str, list[str]] = {}
    for info in problem.fields:
        if info.vector:
            vectors.setdefault(info.vector, []).append(info.name)
    normal = {parts[axis] for parts in vectors.values() if axis < len(parts)}
    for name, conditions in problem.boundary.items():
        condition = conditions.get(side)
        if condition is None:
            continue
        crossing = name in normal and condition.kind == "Dirichlet" and any(value != 0 for value in condition.value)
        if condition.kind == "Outflow" or crossing:
            return "open"
    return "wall"
