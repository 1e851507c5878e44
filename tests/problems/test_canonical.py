from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from sympy import Eq, Max, Piecewise, sin

from sciflow.core.config import canonical
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    Parameter,
    Problem,
    Robin,
    Signal,
    Solver,
    conservation,
    coordinates,
    galilean,
    gaussian_field,
    grid,
    laplacian,
    names,
    random_fourier,
    translation,
)

HASHES = """
import sys
from sciflow.problems import get, names
sys.path.insert(0, sys.argv[1])
from test_canonical import declare
print([declare().hash] + [get(name).hash for name in names()])
"""


def declare(**changes: Any) -> Problem:
    """A problem that uses most parts; the changes replace arguments or single choices."""
    unit, default, rate = changes.pop("unit", "K"), changes.pop("default", 0.1), changes.pop("rate", 1)
    t, x, y = coordinates("t x y")
    u, p = Field("u", unit=unit)(t, x, y), Field("p", unit="K")(t, x, y)
    kappa, a = Parameter("kappa", default, unit="m^2/s"), Parameter("a", changes.pop("a", 2.0), unit="1/s")
    push = Signal("push", changes.pop("push", sin(a * t)), coefficients=(a,), unit="K/s")(t)
    arguments = {
        "name": "sample",
        "title": "A title",
        "reference": "A book",
        "fields": [u, p],
        "parameters": [kappa],
        "signals": [push],
        "domain": Box(x=(0, 1), y=(0, 2)),
        "periodic": ["x"],
        "time": (0, 1),
        "evolution": {u: rate * kappa * laplacian(u) + Max(u, p, 0) + Piecewise((u, u > 1), (p, True)) + push},
        "constraints": {p: Eq(laplacian(p), u)},
        "initial": {u: gaussian_field()},
        "boundary": {u: {"y-": Dirichlet(0), "y+": Robin(0, a=1, b=2)}},
        "conserves": [conservation("heat", u, [-kappa * u.diff(x), -kappa * u.diff(y)])],
        "symmetries": [translation("x")],
        "characteristic": {x: kappa},
        "exact": {u: sin(x)},
        "subsets": {"few": grid(kappa=[1, 2])},
        "solver": Solver("any", order=2),
        "scales": {x: 1},
    }
    replaced = {key: value(u, p, x) if callable(value) else value for key, value in changes.items()}
    return Problem(**{**arguments, **replaced})


def test_json_is_canonical_and_complete() -> None:
    problem = declare()
    text = canonical(problem.to_json())
    assert text == canonical(declare().to_json())
    assert set(json.loads(text)) >= {"name", "fields", "parameters", "domain", "evolution", "boundary", "conserves"}


def test_hash_does_not_depend_on_text_for_people() -> None:
    assert declare(title="Other", reference="Elsewhere").hash == declare().hash


CHANGES: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "unit": {"unit": "degC"},
    "default": {"default": 0.2},
    "equation": {"rate": 2},
    "signal": {"push": 0},
    "coefficient": {"a": 3.0},
    "domain": {"domain": Box(x=(0, 1), y=(0, 3))},
    "obstacle": {"domain": Box(x=(0, 1), y=(0, 2)) - Disk((0.5, 1), 0.1)},
    "radius": {"domain": Box(x=(0, 1), y=(0, 2)) - Disk((0.5, 1), 0.2)},
    "periodic": {"periodic": []},
    "time": {"time": (0, 2)},
    "constraint": {"constraints": lambda u, p, x: {p: Eq(laplacian(p), -u)}},
    "steady": {"steady": lambda u, p, x: {p: Eq(p, 0)}},
    "initial": {"initial": lambda u, p, x: {u: gaussian_field(scale=4)}},
    "initial distribution": {"initial": lambda u, p, x: {u: random_fourier()}},
    "boundary kind": {"boundary": lambda u, p, x: {u: {"y-": Neumann(0), "y+": Robin(0, a=1, b=2)}}},
    "boundary value": {"boundary": lambda u, p, x: {u: {"y-": Dirichlet(1), "y+": Robin(0, a=1, b=2)}}},
    "boundary weight": {"boundary": lambda u, p, x: {u: {"y-": Dirichlet(0), "y+": Robin(0, a=1, b=3)}}},
    "gauge": {"boundary": lambda u, p, x: {p: {"gauge": 0}}},
    "law": {"conserves": []},
    "symmetry": {"symmetries": lambda u, p, x: [galilean("x", u)]},
    "characteristic": {"characteristic": {}},
    "exact": {"exact": {}},
    "subset": {"subsets": {"few": grid(kappa=[1, 3])}},
    "solver": {"solver": Solver("any", order=4)},
    "scales": {"scales": {}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_hash_is_changed_by_any_physics(change: dict[str, Any]) -> None:
    assert declare(**change).hash != declare().hash


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_hash_is_the_same_in_a_new_process(seed: str) -> None:
    here = [declare().hash] + [__import__("sciflow").problems.get(name).hash for name in names()]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", HASHES, os.path.dirname(__file__)]
    there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert there.strip().splitlines()[-1] == str(here)


def test_hash_does_not_depend_on_the_order_in_which_terms_are_written() -> None:
    t, x = coordinates("t x")
    u, v = Field("u")(t, x), Field("v")(t, x)
    hashes = {
        Problem(name="p", fields=[u, v], domain=Box(x=(0, 1)), evolution={u: right, v: 0}).hash
        for right in (u * v + v.diff(x) - u**2, -(u**2) + v.diff(x) + v * u)
    }
    assert len(hashes) == 1
