"""Cases whose domains and times differ, solved together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from sciflow.core import InputError
from sciflow.problems import Case, Problem, registry
from sciflow.solvers import build
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, shared_bounds, times_by_case
from sciflow.solvers.groups import solve

LENGTHS = (1.0, 1.0, 2.0)


class Standing(ReferenceSolver):
    """The standing waves of a string, sin(pi x / L) cos(pi c t / L), one group of cases at a time."""

    name = "standing"

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return None

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def run(self, cases: Sequence[Case], times: np.ndarray, initial: object = None) -> xr.Dataset:
        shared_bounds(self.problem, cases)  # must not differ in one group
        length, speed = cases[0].parameters["length"], cases[0].parameters["c"]
        points = self.grid(cases).axes["x"]
        wave = np.sin(np.pi * points / length) * np.cos(np.pi * speed * times[:, None] / length)
        fields = {info.name: np.stack([wave] * len(cases)) for info in self.problem.fields}
        return assemble(self.problem, cases, times, self.grid(cases), fields)


def strings() -> tuple[Standing, list[Case]]:
    problem = registry.get("wave")
    drawn = zip(problem.sample(3), LENGTHS, strict=True)
    return Standing(problem, 32), [
        replace(case, index=i, parameters={**case.parameters, "length": length})
        for i, (case, length) in enumerate(drawn)
    ]


def test_groups_of_neighbours_are_solved_as_if_alone() -> None:
    """Strings of lengths 1, 1 and 2, each at its own times: what a run of its own gives."""
    solver, cases = strings()
    assert not solver.varied
    rows = np.stack([np.linspace(0, 0.1 * (i + 1), 3) for i in range(3)])
    together = solve(solver, cases, rows)
    assert np.allclose(together["time_of_case"], rows)
    for i, case in enumerate(cases):
        alone = solver.run([case], rows[i])
        assert np.array_equal(together["u"].values[i], alone["u"].values[0])
        assert np.allclose(together["x_of_case"].values[i], alone["x"].values, rtol=1e-11)
    assert np.allclose(together["x"] * 2.0, together["x_of_case"].values[2])
    assert (together["x"].attrs["low"], together["x"].attrs["high"]) == (0.0, 1.0)


def test_shared_domain_and_times_stay_shared() -> None:
    solver, cases = strings()
    times = np.linspace(0, 0.1, 3)
    assert solve(solver, cases[:2], times).identical(solver.run(cases[:2], times))
    with pytest.raises(InputError, match="differs between cases"):
        solver.run(cases, times)


def test_incompressible_takes_cavities_of_any_shape_at_their_own_times() -> None:
    """Cavities of equal Reynolds number and shape, ten times apart in size and speed: the same flow in own units."""
    problem = registry.get("cavity")
    small = problem.sample(1, u_top=10.0, width=0.1, height=0.2, rho=1.0, mu=1e-2)[0]
    large = problem.sample(1, u_top=1.0, width=1.0, height=2.0, rho=2.0, mu=2e-2)[0]
    solver = build(problem, 16, solve_resolution=16)
    flow = np.linspace(0, 1, 4)
    rows = np.stack([flow * problem.scale("t", case.values) for case in (small, large)])
    data = solver.run([small, large], rows)
    assert np.allclose(data["u"][0] / 10.0, data["u"][1], atol=1e-12)
    assert np.allclose(data["y_of_case"].values[:, -1], [0.2 * 31 / 32, 2.0 * 31 / 32])
    assert np.allclose(data["Re"], 100.0)
    alone = solver.run([small], rows[0])
    assert np.array_equal(alone["u"].values[0], data["u"].values[0])
    assert np.allclose(alone["x"], data["x_of_case"].values[0])


@pytest.mark.parametrize("times", [np.zeros((3, 2)), np.array([[0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])])
def test_times_by_case_are_checked(times: np.ndarray) -> None:
    with pytest.raises(InputError):
        times_by_case(times, 2)


def test_solvers_say_whether_they_take_varied_cases() -> None:
    assert ReferenceSolver.varied is False
    assert build("cavity", 16).varied
