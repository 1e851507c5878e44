"""Totals and inflows of conservation laws: part of a declaration where given, refused where they do not fit."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from sympy import cos, exp, pi, srepr

from sciflow.core.errors import InputError
from sciflow.problems import Box, Field, Neumann, Parameter, Problem, conservation, coordinates
from sciflow.testing import totals
from sciflow.testing.report import run

t, x = coordinates("t x")
u = Field("u")(t, x)
k = Parameter("k", 0.5, 0.1, 1.0)


def problem(law: dict[str, Any], **changes: Any) -> Problem:
    """u_t = k u_xx + u between walls, from 1: u = exp(t) + exp((1 - k pi^2) t) cos(pi x)."""
    return Problem(
        **{
            "name": "grows", "fields": [u], "parameters": [k], "domain": Box(x=(0, 2)), "time": (0, 1),
            "evolution": {u: k * u.diff(x, 2) + u}, "boundary": {u: {"x-": Neumann(0), "x+": Neumann(0)}},
            "conserves": [conservation("mass", u, [-k * u.diff(x)], **law)],
            "exact": {u: exp(t) + exp((1 - k * pi**2) * t) * cos(pi * x)}, **changes,
        }
    )  # fmt: skip


def test_only_what_is_given_enters_the_canonical_form() -> None:
    plain, known = problem({}), problem({"total": 2 * exp(t)})
    assert set(plain.to_json()["conserves"][0]) == {"name", "density", "flux"}
    assert known.to_json()["conserves"][0]["total"] == srepr(known.conserves[0].total)
    assert "inflow" not in known.to_json()["conserves"][0]
    assert len({plain.hash, known.hash, problem({"total": 2 * exp(t), "inflow": 2 * exp(t)}).hash}) == 3
    assert pickle.loads(pickle.dumps(known)).hash == known.hash
    assert "mass (total 2*exp(t))" in known._repr_html_() and "(total" not in plain._repr_html_()


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ({"total": 2 * x}, "the total of mass holds 'x'; it is an integral over the domain"),
        ({"total": u}, r"the total of mass holds 'u\(t, x\)'"),
        ({"total": 2, "inflow": x * t}, "the inflow of mass holds 'x'"),
        ({"total": Parameter("kk", 1.0) * t}, "total of mass: 'kk' is not declared; .*Did you mean 'k'"),
    ],
)
def test_what_does_not_fit(law: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        problem(law)


@pytest.mark.parametrize(
    ("law", "passed"),
    [
        ({"total": 2 * exp(t), "inflow": 2 * exp(t)}, [True, True]),
        ({"total": 2 * exp(t)}, [True]),
        ({"total": 2.001 * exp(t), "inflow": 2.001 * exp(t)}, [False, True]),
        ({"total": 2 * exp(t), "inflow": 2}, [True, False]),
        ({"inflow": 2}, []),
    ],
)
def test_checks_find_a_wrong_total(law: dict[str, Any], passed: list[bool]) -> None:
    assert [check.passed for check in run(totals.tests(problem(law)))] == passed


def test_without_an_exact_solution_there_is_nothing_to_compare_with() -> None:
    assert [check.skipped for check in run(totals.tests(problem({"total": 2}, exact={})))] == [True]
