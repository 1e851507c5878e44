"""Checks of what a problem declares: canonical form, display, units, cases, domain, initial fields."""

from __future__ import annotations

import pickle
from functools import partial
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from sciflow.core.config import canonical
from sciflow.problems.distributions import Distribution
from sciflow.testing import candidates
from sciflow.testing.report import Skip, Test, ensure

if TYPE_CHECKING:
    from sciflow.problems import Problem

_TOLERANCE = 1e-9


def tests(problem: Problem) -> list[Test]:
    """Names and functions of the checks."""
    functions = {
        "canonical form": _canonical,
        "display": _display,
        "units": _units,
        "cases": _cases,
        "domain": _domain,
        "initial fields": _initial,
    }
    return [(name, partial(function, problem)) for name, function in functions.items()]


def _canonical(problem: Problem) -> str:
    again = pickle.loads(pickle.dumps(problem))
    ensure(canonical(again.to_json()) == canonical(problem.to_json()), "pickling changes the canonical JSON")
    ensure(again.hash == problem.hash, f"pickling changes the hash from {problem.hash} to {again.hash}")
    return problem.hash


def _display(problem: Problem) -> str:
    text = problem.latex()
    for mark, opposite in (("{", "}"), (r"\left", r"\right"), (r"\begin", r"\end")):
        plain = text.replace(r"\{", "").replace(r"\}", "").replace(r"\leftarrow", "").replace(r"\rightarrow", "")
        ensure(plain.count(mark) == plain.count(opposite), f"the LaTeX has unequal numbers of {mark} and {opposite}")
    ensure("Derivative" not in text, "the LaTeX holds a derivative that is not written out")
    tags = _Tags()
    tags.feed(problem._repr_html_())
    ensure(not tags.open, f"the HTML leaves {tags.open} open")
    return f"{len(problem.equations)} equations"


class _Tags(HTMLParser):
    """Keeps the tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.open.append(f"/{tag}")


def _units(problem: Problem) -> str:
    infos: tuple[Any, ...] = (*problem.fields, *problem.inputs, *problem.parameters)
    if all(not info.unit for info in infos):
        raise Skip("nothing has a unit")
    problem.check_units()
    return ", ".join(f"{info.name} [{info.unit or '-'}]" for info in problem.fields)


def _cases(problem: Problem) -> str:
    infos = {info.name: info for info in (*problem.parameters, *problem.coefficients)}
    cases = problem.sample(6, seed=1)
    ensure(cases == problem.sample(6, seed=1), "the same seed draws other cases")
    ensure(len({case.seed for case in cases}) == 6, "cases share a seed")
    for case in cases:
        for name, value in case.values.items():
            low, high = infos[name].low, infos[name].high
            inside = low is None or high is None or low <= value <= high
            ensure(inside, f"{name} = {value:g} lies outside its range {low} to {high}")
    for label, subset in problem.subsets.items():
        drawn = problem.sample(seed=1, subset=label)
        ensure(drawn == problem.sample(seed=1, subset=label), f"the subset '{label}' is drawn differently each time")
        ensure(bool(drawn) and bool(subset.names), f"the subset '{label}' is empty")
    return f"{sum(info.low is not None for info in infos.values())} ranges, {len(problem.subsets)} subsets"


def _domain(problem: Problem) -> str:
    for case in problem.sample(2, seed=1):
        values, rng = case.values, case.rng()
        size = max(high - low for low, high in problem.bounds(values).values())
        inside = problem.domain.interior(200, rng, values)
        ensure(bool((problem.domain.distance(inside, values) < 0).all()), "interior points lie outside the domain")
        edge, normals = problem.domain.boundary(200, rng, values)
        off = float(np.abs(problem.domain.distance(edge, values)).max())
        ensure(off < _TOLERANCE * size, f"boundary points lie {off:g} off the boundary")
        ensure(bool(np.allclose(np.linalg.norm(normals, axis=1), 1)), "normals are no unit vectors")
        outside = problem.domain.distance(edge + 1e-6 * size * normals, values) > 0
        ensure(bool(outside.all()), "normals do not point outwards")
    return f"{len(problem.axes)}-D, periodic along {', '.join(problem.periodic) or 'no axis'}"


def _initial(problem: Problem) -> str:
    given = {**problem.initial, **{info.name: value for info, value in problem.inputs.items()}}
    if not given:
        raise Skip("no initial or input field is declared")
    case = problem.sample(1, seed=1)[0]
    bounds = problem.bounds(case.values)
    grid = {axis: low + (high - low) * np.arange(8) / 8 for axis, (low, high) in bounds.items()}
    for stream, (name, value) in enumerate(given.items()):
        if isinstance(value, Distribution):
            field = value.sample(case.rng(stream), grid, bounds, problem.periodic)
            again = value.sample(case.rng(stream), grid, bounds, problem.periodic)
            ensure(np.array_equal(field, again), f"'{name}' differs between two draws of the same case")
            ensure(field.shape == (8,) * len(grid), f"'{name}' has shape {field.shape} on a grid of {(8,) * len(grid)}")
        else:
            field = _at_start(problem, value, case.values)
        ensure(bool(np.isfinite(field).all()), f"'{name}' holds NaN or infinity")
    return ", ".join(given)


def _at_start(problem: Problem, value: sympy.Expr, values: candidates.Values) -> np.ndarray:
    where = candidates.points(problem, values)
    if problem.t is not None:
        where[:, 0] = (problem.time or (0.0, 1.0))[0]
    return candidates.evaluate(problem, [problem.drive(value)], values, where)
