"""The canonical form of a problem: what is hashed, stored beside data, and compared between machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sympy

from sciflow.core.hashing import digest
from sciflow.problems.conditions import Condition, Robin
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    from sciflow.problems.physics import Conservation, Symmetry
    from sciflow.problems.problem import ParameterInfo, Problem


def expressions(problem: Problem) -> Iterator[tuple[str, sympy.Expr]]:
    """Every expression of the declaration with the place it stands in."""
    for part in ("evolution", "constraints", "steady", "exact", "characteristic", "scales", "numbers"):
        for key, value in getattr(problem, part).items():
            yield f"{part} of {key}", value
    for law in problem.conserves:
        yield f"density of {law.name}", law.density
        for component in law.flux:
            yield f"flux of {law.name}", component
        for part, value in known_integrals(law).items():
            yield f"{part} of {law.name}", value
    for signal in problem.signals:
        yield f"signal {signal.name}", signal.expression
    for part, values in (("initial", problem.initial), ("input", {i.name: v for i, v in problem.inputs.items()})):
        for key, value in values.items():
            if not isinstance(value, Distribution):
                yield f"{part} of {key}", value
    for key, sides in problem.boundary.items():
        for side, condition in sides.items():
            if isinstance(condition, Condition):
                extra = (condition.a, condition.b) if isinstance(condition, Robin) else ()
                for value in (*condition.value, *extra):
                    yield f"boundary {side} of {key}", value


def known_integrals(law: Conservation) -> dict[str, sympy.Expr]:
    """The total and the inflow of a law, where they are given."""
    parts = {"total": law.total, "inflow": law.inflow}
    return {part: value for part, value in parts.items() if value is not None}


def to_json(problem: Problem) -> dict[str, Any]:
    """All that determines the solution set, as JSON-ready data; expressions as SymPy's `srepr`."""
    return {
        "name": problem.name,
        "coordinates": [symbol.name for symbol in problem.coordinates],
        "fields": [
            {"name": i.name, "unit": i.unit, "arguments": [str(a) for a in i.symbol.args]} for i in problem.fields
        ],
        "inputs": {info.name: _plain(value) for info, value in problem.inputs.items()},
        "parameters": [_parameter(info) for info in problem.parameters],
        "signals": [
            {
                "name": signal.name,
                "unit": signal.unit,
                "expression": _plain(signal.expression),
                "coefficients": [_parameter(info) for info in signal.coefficients],
            }
            for signal in problem.signals
        ],
        "domain": problem.domain.describe(),
        "periodic": list(problem.periodic),
        "time": problem.time,
        "evolution": _mapping(problem.evolution),
        "constraints": _mapping(problem.constraints),
        "steady": _mapping(problem.steady),
        "initial": _mapping(problem.initial),
        "boundary": {key: {side: _plain(c) for side, c in sides.items()} for key, sides in problem.boundary.items()},
        "conserves": [
            {"name": law.name, "density": _plain(law.density), "flux": [_plain(c) for c in law.flux]}
            | _mapping(known_integrals(law))
            for law in problem.conserves
        ],
        "symmetries": [{"kind": s.kind, "axis": s.axis, "velocity": _velocity(s)} for s in problem.symmetries],
        "characteristic": _mapping(problem.characteristic),
        "exact": _mapping(problem.exact),
        "subsets": {name: subset.describe() for name, subset in problem.subsets.items()},
        "solver": None if problem.solver is None else [problem.solver.name, dict(problem.solver.options)],
        "scales": _mapping(problem.scales),
        **({"numbers": _mapping(problem.numbers)} if problem.numbers else {}),
    }


def digest_of(problem: Problem) -> str:
    """Short digest of the canonical form."""
    return digest(to_json(problem))


def _mapping(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in mapping.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Distribution):
        return value.describe()
    if isinstance(value, Condition):
        extra = {"a": sympy.srepr(value.a), "b": sympy.srepr(value.b)} if isinstance(value, Robin) else {}
        return {"condition": value.kind, "value": [sympy.srepr(item) for item in value.value], **extra}
    return value if isinstance(value, float) else sympy.srepr(value)


def _parameter(info: ParameterInfo) -> dict[str, Any]:
    keys = ("name", "default", "low", "high", "scale", "unit")
    return {key: getattr(info, key) for key in keys} | ({"hidden": True} if info.hidden else {})


def _velocity(symmetry: Symmetry) -> str | list[str]:
    return symmetry.velocity if isinstance(symmetry.velocity, str) else list(symmetry.velocity)
