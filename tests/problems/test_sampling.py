from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciflow.core.errors import InputError
from sciflow.problems import Box, Field, Parameter, Problem, Signal, coordinates, grid, sampled, table
from sciflow.problems.sampling import Subset

t, x = coordinates("t x")


@pytest.fixture(scope="module")
def problem() -> Problem:
    u = Field("u")(t, x)
    nu, c = Parameter("nu", 1e-2, 1e-3, 1e-1, scale="log"), Parameter("c", 1.0, -2.0, 2.0)
    fixed, wave = Parameter("fixed", 7.0), Parameter("wave", 0.5, 0.0, 1.0)
    push = Signal("push", wave * t, coefficients=(wave,))(t)
    return Problem(
        name="sampled",
        fields=[u],
        parameters=[nu, c, fixed],
        signals=[push],
        domain=Box(x=(0, 1)),
        evolution={u: nu * u.diff(x, 2) - c * u.diff(x) + push + fixed},
        subsets={"pairs": table(nu=[1e-3, 1e-2], c=[0, 1]), "all": grid(nu=[1e-3, 1e-2], c=[0, 1, 2])},
    )


@given(st.integers(1, 60), st.integers(0, 1000))
def test_latin_hypercube_has_one_case_in_each_stratum(count: int, seed: int) -> None:
    rows = sampled(a=(-1, 3), b=(1e-3, 1e1, "log")).draw(count, seed)
    linear = (np.array([row["a"] for row in rows]) + 1) / 4
    logarithmic = np.log10([row["b"] for row in rows]) / 4 + 0.75
    for fraction in (linear, logarithmic):
        assert sorted(np.clip(np.floor(fraction * count), 0, count - 1)) == list(range(count))


def test_columns_of_a_hypercube_are_not_aligned() -> None:
    rows = sampled(a=(0, 1), b=(0, 1)).draw(400, 0)
    assert abs(np.corrcoef([row["a"] for row in rows], [row["b"] for row in rows])[0, 1]) < 0.2


def test_declared_ranges_are_drawn_and_the_rest_stays_at_its_default(problem: Problem) -> None:
    cases = problem.sample(50, seed=3)
    assert [case.index for case in cases] == list(range(50))
    assert all(1e-3 <= case.parameters["nu"] <= 1e-1 and -2 <= case.parameters["c"] <= 2 for case in cases)
    assert all(case.parameters["fixed"] == 7.0 and set(case.coefficients) == {"wave"} for case in cases)
    assert np.median([case.parameters["nu"] for case in cases]) == pytest.approx(1e-2, rel=0.3)
    assert cases[0].values == {**cases[0].parameters, **cases[0].coefficients}


def test_drawing_is_deterministic_and_depends_on_the_seed(problem: Problem) -> None:
    assert problem.sample(5, seed=1) == problem.sample(5, seed=1)
    assert problem.sample(5, seed=1) != problem.sample(5, seed=2)


def test_seed_of_a_case_does_not_depend_on_how_many_are_drawn(problem: Problem) -> None:
    few, many = problem.sample(3, seed=5), problem.sample(30, seed=5)
    assert [case.seed for case in few] == [case.seed for case in many[:3]]
    assert len({case.seed for case in many}) == 30
    assert not {case.seed for case in many} & {case.seed for case in problem.sample(30, seed=6)}
    assert np.array_equal(few[1].rng().normal(size=4), many[1].rng().normal(size=4))
    assert not np.array_equal(few[1].rng(0).normal(size=4), few[1].rng(1).normal(size=4))


def test_fixed_values_win(problem: Problem) -> None:
    assert {case.parameters["c"] for case in problem.sample(4, c=0.5)} == {0.5}
    assert [case.parameters["c"] for case in problem.sample(subset="pairs", nu=0.05)] == [0, 1]
    assert {case.parameters["nu"] for case in problem.sample(subset="pairs", nu=0.05)} == {0.05}


def test_grid_is_every_combination_and_table_one_case_a_row(problem: Problem) -> None:
    pairs = [(case.parameters["nu"], case.parameters["c"]) for case in problem.sample(subset="all")]
    assert pairs == [(nu, c) for nu in (1e-3, 1e-2) for c in (0, 1, 2)]
    assert len(problem.sample(subset="pairs")) == 2
    assert problem.sample(1, subset="pairs")[0].parameters == {"nu": 1e-3, "c": 0.0, "fixed": 7.0}


@pytest.mark.parametrize("subset", [grid(a=[1, 2], b=[3]), sampled(a=(0, 1), b=(1, 2, "log"))])
def test_subsets_know_their_names(subset: Subset) -> None:
    assert subset.names == ("a", "b")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.sample(3, subset="pair"), "no subset 'pair'. Did you mean 'pairs'"),
        (lambda p: p.sample(3, subset="pairs"), "lists 2 cases and 3 were asked for; ask for fewer"),
        (lambda p: p.sample(0), "count of at least 1"),
        (lambda p: p.sample(1, seed=-1), "seed of at least 0"),
        (lambda p: p.sample(1, nuu=2.0), "'sampled' has no parameter 'nuu'. Did you mean 'nu'"),
        (lambda p: p.bounds({"visc": 1}), "no parameter 'visc'"),
        (lambda p: table(a=[1, 2], b=[1]), "columns of a table must have equal lengths"),
        (lambda p: grid(a=1.0), r"values of 'a' must be a list, as in a=\[1, 2\], not 1.0"),
        (lambda p: sampled(a=(2, 1)), "low <= high"),
        (lambda p: sampled(a=(0, 1, "log")), "low > 0 for 'log'"),
        (lambda p: sampled(a=3), "range of 'a' reads"),
    ],
)
def test_impossible_requests_are_refused(problem: Problem, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(problem)
