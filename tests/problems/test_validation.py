"""A declaration that does not fit together is refused by one sentence that names the fault and what is known."""

from __future__ import annotations

from typing import Any

import pytest
import sympy
from sympy import Eq

from sciflow.core.errors import InputError
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    NoSlip,
    Outflow,
    Parameter,
    Problem,
    Robin,
    Signal,
    conservation,
    coordinates,
    galilean,
    get,
    random_fourier,
    table,
    translation,
)

t, x, y = coordinates("t x y")
u, other = Field("u")(t, x), Field("velocity")(t, x)
vector = Field("flow", components=("a", "b"))(t, x, y)
nu, radius = Parameter("nu", 0.1), Parameter("radius", 0.1)
PLAIN: dict[str, Any] = {"name": "p", "fields": [u], "parameters": [nu], "domain": Box(x=(0, 1))}
PLANE: dict[str, Any] = {"name": "p", "fields": [vector], "domain": Box(x=(0, 1), y=(0, 1))}


def declare(**changes: Any) -> Problem:
    return Problem(**{**PLAIN, **changes})


def plane(**changes: Any) -> Problem:
    return Problem(**{**PLANE, **changes})


WRONG: dict[str, tuple[Any, str]] = {
    "no fields": (lambda: declare(fields=[]), "Problem 'p' has no fields; declare at least one"),
    "undeclared symbol": (
        lambda: declare(evolution={u: sympy.Symbol("nuu") * u}),
        r"evolution of u: 'nuu' is not declared; add it to parameters. Did you mean 'nu'\? Known: nu, t, x",
    ),
    "undeclared parameter": (lambda: declare(evolution={u: radius * u}), "'radius' is not declared"),
    "undeclared field": (
        lambda: declare(evolution={u: other}),
        r"evolution of u: 'velocity\(t, x\)' is no field. Known: u",
    ),
    "unknown key": (lambda: declare(evolution={other: 0}), "'p' has no field 'velocity'. Known: u"),
    "bare function": (lambda: declare(fields=[sympy.Function("u")(t, x)]), r"u\(t, x\) is no declared field"),
    "other arguments": (
        lambda: declare(evolution={u: u.subs(x, 2 * x)}),
        r"'u\(t, 2\*x\)' has other arguments than declared; write 'u\(t, x\)'",
    ),
    "other symbol": (
        lambda: declare(evolution={u: u * sympy.Symbol("x")}),
        "'x' is another symbol than the one declared",
    ),
    "in the initial value": (lambda: declare(initial={u: radius}), "initial of u: 'radius' is not declared"),
    "in the boundary": (
        lambda: declare(boundary={u: {"x-": Dirichlet(radius)}}),
        "boundary x- of u: 'radius' is not declared",
    ),
    "in a weight": (lambda: declare(boundary={u: {"x-": Robin(0, a=radius)}}), "boundary x- of u: 'radius'"),
    "in the domain": (
        lambda: declare(domain=Box(x=(0, radius))),
        "needs a value for radius; declare it as a parameter",
    ),
    "in an obstacle": (
        lambda: plane(domain=Box(x=(0, 1), y=(0, 1)) - Disk((0, 0), radius)),
        "needs a value for radius",
    ),
    "in a flux": (lambda: declare(conserves=[conservation("m", u, [radius])]), "flux of m: 'radius' is not declared"),
    "in a signal": (lambda: declare(signals=[Signal("s", radius * t)(t)]), "signal s: 'radius' is not declared"),
    "evolution of a steady problem": (
        lambda: declare(fields=[Field("u")(x)], evolution={Field("u")(x): 0}),
        "has an evolution but no field depends on t; use steady",
    ),
    "twice": (
        lambda: declare(parameters=[nu, Parameter("u", 1.0)]),
        "Problem 'p' declares 'u' more than once",
    ),
    "parameter named as a coordinate": (
        lambda: declare(parameters=[Parameter("x", 1.0)]),
        "declares 'x' more than once",
    ),
    "other axes": (
        lambda: declare(domain=Box(y=(0, 1))),
        r"has coordinates \['x'\] but a domain over \['y'\]",
    ),
    "axes in another order": (lambda: plane(domain=Box(y=(0, 1), x=(0, 1))), r"but a domain over \['y', 'x'\]"),
    "empty domain": (lambda: declare(domain=Box(x=(1, 0))), "box is empty along x"),
    "periodic axis": (lambda: declare(periodic=["z"]), "periodic axis 'z' is unknown. Known: x"),
    "time": (lambda: declare(time=(1, 1)), "time ends at 1, not after 1"),
    "too few components": (
        lambda: plane(evolution={vector: sympy.Matrix([1])}),
        "'flow' has 2 components and was given 1 values",
    ),
    "scalar for a vector": (lambda: plane(initial={vector: 0}), "'flow' has 2 components and was given 1 values"),
    "boundary components": (
        lambda: plane(boundary={vector: {"x-": Dirichlet(0)}}),
        "Boundary 'x-' of 'flow': Dirichlet has 1 values for 2 components; give one for each",
    ),
    "boundary without a value": (lambda: declare(boundary={u: {"x-": Neumann()}}), "has 0 values for 1 components"),
    "wall with a value": (lambda: declare(boundary={u: {"x-": NoSlip(1)}}), "NoSlip has 1 values"),
    "unknown side": (
        lambda: plane(boundary={vector: {"top": NoSlip()}}),
        r"boundary of a: side 'top' is unknown. Known: x\+, x-, y\+, y-",
    ),
    "no obstacle": (lambda: plane(boundary={vector: {"obstacle": NoSlip()}}), "side 'obstacle' is unknown"),
    "periodic side": (
        lambda: declare(periodic=["x"], boundary={u: {"x-": Outflow()}}),
        "side 'x-' lies on a periodic axis and takes no condition",
    ),
    "no condition": (lambda: declare(boundary={u: {"x-": 0}}), "condition on side 'x-' is 0; use Dirichlet"),
    "flux components": (
        lambda: plane(conserves=[conservation("m", vector[0], [vector[0]])]),
        r"flux of m has 1 components; expected one for each of \['x', 'y'\]",
    ),
    "symmetry axis": (lambda: declare(symmetries=[translation("y")]), "translation: axis 'y' is unknown. Known: x"),
    "boosted field": (
        lambda: declare(symmetries=[galilean("x", other)]),
        "galilean: velocity 'velocity' is unknown. Known: nu, u",
    ),
    "characteristic": (lambda: declare(characteristic={y: u}), "characteristic: coordinate 'y' is unknown"),
    "scales": (lambda: declare(scales={y: 1}), "scales: 'y' is unknown. Known: t, u, x"),
    "subset": (
        lambda: declare(subsets={"some": table(nuu=[1])}),
        "subset 'some', has no parameter 'nuu'. Did you mean 'nu'",
    ),
    "equation without Eq": (lambda: declare(constraints={u: u.diff(x)}), "write it as Eq"),
    "wrong parameter": (lambda: declare(parameters=[sympy.Symbol("nu")]), "'nu' is listed as a parameter but"),
    "wrong signal": (lambda: declare(signals=[u]), "is listed as a signal but was not made by Signal"),
    "signal as a field": (lambda: declare(fields=[Signal("s", t)(t)]), "is a signal; list it under signals"),
    "unknown field": (lambda: get("burgers").field("v"), "Problem 'burgers' has no field 'v'. Known: u"),
    "unknown engine": (lambda: get("burgers").residual("tensorflow"), "no residual engine 'tensorflow'"),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_wrong_declaration_is_refused_in_one_sentence(make, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_near_matches_are_named() -> None:
    long, domain = Field("temperature")(t, x), Box(x=(0, 1))
    with pytest.raises(InputError, match="Did you mean 'temperature'"):
        Problem(name="p", fields=[long], domain=domain, evolution={long: Field("temprature")(t, x)})
    plan = Problem(name="p", fields=[long], domain=domain, subsets={"training": table()})
    with pytest.raises(InputError, match="no subset 'trainin'. Did you mean 'training'"):
        plan.sample(1, subset="trainin")


def test_a_problem_cannot_be_changed() -> None:
    problem = declare()
    with pytest.raises(AttributeError, match="cannot be changed; declare a new one instead of setting 'time'"):
        problem.time = (0.0, 1.0)


def test_parts_are_read_by_name() -> None:
    problem = plane(initial={vector: (0, x)}, evolution={vector: -vector}, constraints=None)
    assert list(problem.initial) == ["a", "b"]
    assert problem.initial["b"] == sympy.Symbol("x", real=True)
    assert [info.name for info in problem.fields] == ["a", "b"]
    assert problem.axes == ("x", "y")
    assert [symbol.name for symbol in problem.coordinates] == ["t", "x", "y"]


def test_scale_of_a_component_is_that_of_its_vector() -> None:
    speed = Parameter("speed", 3.0)
    problem = plane(parameters=[speed], scales={vector: speed, x: 2})
    assert problem.scale("b", {"speed": 5.0}) == 5.0
    assert problem.scale("x", {}) == 2.0
    assert problem.scale("y", {}) == 1.0


def test_signals_are_written_out_in_the_equations() -> None:
    rate = Parameter("rate", 2.0)
    push = Signal("push", rate * t, coefficients=(rate,))(t)
    problem = declare(signals=[push], evolution={u: push * u})
    assert {symbol.name for symbol in problem.equations["u"].free_symbols} == {"t", "x", "rate"}
    assert problem.values()["rate"] == 2.0


def test_random_initial_values_and_equations_may_be_left_out() -> None:
    problem = declare(initial={u: random_fourier()}, periodic=["x"])
    assert problem.equations == {}
    assert declare(steady={u: Eq(u, 0)}).equations
