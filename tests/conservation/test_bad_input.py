"""What cannot be used is said in one sentence that names the law and the remedy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sciflow.conservation import Constraint, Dense, Diagonal, LowRank, Scaled, combine, condition, constraints, joint
from sciflow.conservation import residual_correlation as estimate
from sciflow.core.errors import InputError

ROW = np.ones((1, 4))


def test_redundant_and_contradictory_laws_are_named() -> None:
    sigma, mean = Diagonal(np.ones(4)), np.zeros(4)
    rows = np.array([[1.0, 1, 1, 1], [1, 0, 0, 0], [2, 2, 2, 2]])
    names = ("mass", "inlet", "heat")
    with pytest.raises(InputError, match=r"'heat' follows from 'mass' .*leave 'heat' out"):
        condition(mean, sigma, Constraint(rows, [1.0, 0.5, 2.0], names=names))
    with pytest.raises(InputError, match=r"'heat' contradicts 'mass'.*correct a total"):
        condition(mean, sigma, Constraint(rows, [1.0, 0.5, 3.0], names=names))
    three = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
    with pytest.raises(InputError, match="'all' follows from 'left' and 'right'"):
        condition(mean, sigma, Constraint(three, [1.0, 2.0, 3.0], names=("left", "right", "all")))
    allowed = condition(mean, sigma, Constraint(rows, [1.0, 0.5, 3.0], 0.1, names))
    assert np.isfinite(allowed.mean).all()


def test_laws_along_which_nothing_varies_are_named() -> None:
    variance = np.array([0.0, 0.0, 1.0, 1.0])
    rows = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])
    with pytest.raises(InputError, match="no variance along the law 'inlet' and violates it by 2"):
        condition(np.ones(4), Diagonal(variance), Constraint(rows, [4.0, 1.0], names=("inlet", "outlet")))
    flat = LowRank(np.array([[1.0, -1.0, 0.0, 0.0]]))
    with pytest.raises(InputError, match="no variance along the law 'row 0'"):
        condition(np.zeros(4), flat, Constraint(ROW, [1.0]))


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("negative value", lambda: Diagonal([1.0, -1.0])),
        ("holds NaN", lambda: Diagonal([1.0, np.nan])),
        ("array of real numbers", lambda: Diagonal("wide")),
        ("value for each point", lambda: Diagonal(2.0)),
        (r"shape \[..., rank, n\]", lambda: LowRank(np.ones(3))),
        ("beside a factor", lambda: LowRank(np.ones((2, 3)), np.ones(2))),
        ("factor of a covariance holds NaN", lambda: LowRank(np.full((2, 3), np.inf))),
        ("not symmetric", lambda: Dense(np.array([[1.0, 0.5], [0.0, 1.0]]))),
        ("not positive", lambda: Dense(np.array([[1.0, 2.0], [2.0, 1.0]]))),
        ("covariance holds NaN", lambda: Dense(np.full((2, 2), np.nan))),
        ("must have the shape", lambda: Dense(np.ones((2, 3)))),
        ("correlation is not positive", lambda: Scaled(np.ones(2), np.array([[1.0, 2.0], [2.0, 1.0]]))),
        ("deviation holds a negative", lambda: Scaled([-1.0, 1.0], np.eye(2))),
        ("equal K", lambda: Constraint(ROW, [1.0, 2.0])),
        ("standard deviation", lambda: Constraint(ROW, [1.0], -1.0)),
        ("one for each row", lambda: Constraint(ROW, [1.0], [1.0, 2.0])),
        ("2 names", lambda: Constraint(ROW, [1.0], 0.0, ("a", "b"))),
        ("do not broadcast", lambda: Constraint(np.ones((2, 1, 4)), np.ones((3, 1)))),
        ("target of a constraint holds NaN", lambda: Constraint(ROW, [np.nan])),
        ("has no frames", lambda: joint(Constraint(ROW, [1.0]))),
        ("same values", lambda: combine(Constraint(ROW, [1.0]), Constraint(np.ones((1, 3)), [1.0]))),
        ("on one grid", lambda: condition(np.ones(3), Diagonal(np.ones(4)), Constraint(ROW, [1.0]))),
        ("constraint is on 4", lambda: condition(np.ones(3), Diagonal(np.ones(3)), Constraint(ROW, [1.0]))),
        ("number of samples", lambda: condition(np.ones(4), Diagonal(np.ones(4)), Constraint(ROW, [1.0])).draw(0, 0)),
        ("one shape", lambda: estimate(np.ones((3, 4)), np.ones((3, 5)))),
        ("shrink", lambda: estimate(np.ones((3, 4)), np.ones((3, 4)), shrink=2)),
        ("deviations hold a negative", lambda: estimate(np.ones((3, 4)), -np.ones((3, 4)))),
    ],
)
def test_arrays_that_cannot_be_used(message: str, call: Any) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("declares no conservation law 'mas'.*Did you mean 'mass'", {"laws": ["mas"]}),
        ("list of names", {"laws": "mass"}),
        ("not linear in the fields; .*condition_nonlinear", {"laws": ["energy"]}),
        ("has derivatives in its density", {"laws": ["slope"]}),
        ("'open' of problem 'plane' has an open boundary.*inflow=", {"laws": ["open"]}),
        ("declares no total", {"laws": ["mass"], "total": "declared"}),
        ("Did you mean 'declared'", {"total": "declare"}),
        ("total has the shape", {"laws": ["mass"], "total": np.ones(5)}),
        ("not finite", {"laws": ["mass"], "total": np.nan}),
        ("Did you mean 'trapezoid'", {"rule": "trapeze"}),
        ("inflow is given for the law 'mas'", {"laws": ["mass"], "inflow": {"mas": np.ones((2, 2))}}),
        ("several laws", {"laws": ["mass", "moment"], "inflow": np.ones((2, 2))}),
        ("give start=", {"laws": ["mass"], "inflow": np.ones((2, 2))}),
        ("has the shape .*expected", {"laws": ["mass"], "inflow": np.ones(3), "start": np.zeros(2)}),
        ("needed from 0 to 0.5", {"laws": ["mass"], "inflow": ([0.0, 0.2], [1.0, 1.0]), "start": np.zeros(2)}),
        ("increase from the start", {"laws": ["mass"], "inflow": np.ones((2, 2)), "start": np.ones(2)}),
    ],
)
def test_laws_that_cannot_be_imposed(message: str, options: dict[str, Any], small: SimpleNamespace) -> None:
    times = np.array([[0.1, 0.2], [0.3, 0.5]])
    with pytest.raises(InputError, match=message):
        constraints(small.plane_problem(), small.plane_context(), times, **options)


def test_contexts_that_cannot_be_used(small: SimpleNamespace) -> None:
    problem, context, times = small.plane_problem(), small.plane_context(), np.ones((2, 2))
    with pytest.raises(InputError, match="attribute 'grid'"):
        constraints(problem, context.assign_attrs(grid="faces"), times)
    with pytest.raises(InputError, match="times must have the shape"):
        constraints(problem, context, times[:1])
    with pytest.raises(InputError, match="the query has none"):
        constraints(problem, context.isel(time=slice(0, 0)), times, laws=["mass"])
    with pytest.raises(InputError, match="needs the field 'v'"):
        constraints(problem, context.drop_vars("v"), times, laws=["moment"])
    with pytest.raises(InputError, match="needs 'c', which the query lacks"):
        constraints(problem, context.drop_vars("c"), times, laws=["moment"])
    with pytest.raises(InputError, match="start frame of case 1 holds NaN"):
        broken = context.copy(deep=True)
        broken["u"].values[1] = np.nan
        constraints(problem, broken, times, laws=["mass"])
