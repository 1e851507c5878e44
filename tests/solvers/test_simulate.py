"""Choosing a solver, cases and times; bad input."""

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.problems import Box, Field, Problem, coordinates, get
from sciflow.solvers import build, choose, simulate


def test_solver_is_chosen_by_the_declaration() -> None:
    assert choose(get("burgers")) == ("periodic", {})
    name, options = choose(get("cavity"))
    assert name == "incompressible" and options["convection"] == "quick"


def test_no_solver_fits() -> None:
    t, x = coordinates("t x")
    u = Field("u")(t, x)
    walls = Problem(name="walls", fields=[u], domain=Box(x=(0, 1)), time=(0, 1), evolution={u: u.diff(x, 2)})
    with pytest.raises(InputError, match="No solver fits problem 'walls'; periodic: it needs periodic axes"):
        simulate(walls, resolution=16)


def test_parameter_lists_give_cases() -> None:
    solution = simulate("advection", c=[0.1, 0.2, 0.3], resolution=16, frames=2)
    assert solution.c.values.tolist() == [0.1, 0.2, 0.3]
    assert simulate("advection", resolution=16, frames=2).c.values.tolist() == [0.5]
    assert simulate("advection", cases=2, c=0.7, resolution=16, frames=2).c.values.tolist() == [0.7, 0.7]


def test_metadata_comes_from_the_problem() -> None:
    solution = simulate("burgers", cases=2, nu=0.1, resolution=32, frames=3)
    assert solution.u.attrs["units"] == "m/s" and solution.u.attrs["role"] == "field"
    assert solution.nu.attrs["role"] == "parameter" and solution.nu.attrs["scale"] == "log"
    assert solution.attrs["periodic"] == "x" and solution.attrs["grid"] == "nodes"
    assert solution.x.values == pytest.approx(np.arange(32) / 32)
    assert solution.time.values == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 2}, "resolution 2 does not fit"),
        ({"resolution": (16, 16)}, "resolution"),
        ({"resolution": 16, "nu": [0.1, 0.2], "cases": 3}, "make them equal"),
        ({"resolution": 16, "mu": 0.1}, "no parameter 'mu'"),
        ({"resolution": 16, "cases": 0}, "at least one"),
        ({"resolution": 16, "subset": "prop"}, "no subset 'prop'"),
        ({"resolution": 16, "times": [0, 1, 0.5]}, "increasing"),
        ({"resolution": 16, "times": [0, 0.1, 0.5]}, "evenly spaced"),
        ({"resolution": 16, "precision": "half"}, "no precision 'half'"),
        ({"resolution": 16, "options": {"stretch": 2}}, "no option 'stretch'"),
        ({"resolution": 16, "options": {"dt": -1}}, "positive time step"),
        ({"resolution": 16, "initial": {"u": np.zeros((1, 8))}}, "shape"),
        ({"resolution": 16, "initial": {"u": np.full((1, 16), np.nan)}}, "NaN"),
        ({"resolution": 16, "initial": {"w": np.zeros((1, 16))}}, "no evolving field"),
        ({"resolution": 16, "initial": "random"}, "initial is 'random'"),
        ({"resolution": 16, "device": "tpu9"}, "no device 'tpu9'"),
    ],
)
def test_bad_input_is_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate("burgers", **arguments)


def test_blow_up_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """u_t = u^3 from 10: infinite within 1/200 s."""
    monkeypatch.setattr("sciflow.solvers.periodic.solver.MOST_STEPS", 1024)  # more of them find the same
    t, x = coordinates("t x")
    u = Field("u")(t, x)
    from sympy import sin

    problem = Problem(
        name="explosion", fields=[u], domain=Box(x=(0, 1)), periodic=["x"], time=(0, 1),
        evolution={u: u**3}, initial={u: 10 + sin(x)},
    )  # fmt: skip
    from sciflow.core.errors import SciflowError

    with pytest.raises(SciflowError, match="No time step|stopped being finite"):
        simulate(problem, resolution=16, frames=3)
    with pytest.raises(SciflowError, match="stopped being finite in case 0 at time"):
        simulate(problem, resolution=16, frames=3, options={"dt": 0.1})


def test_solver_object_is_reused() -> None:
    solver = build("heat", 16)
    cases = get("heat").sample(2)
    first = solver.run(cases, np.array([0.0, 0.5]))
    assert solver.run(cases, np.array([0.0, 0.5])).u.equals(first.u)
