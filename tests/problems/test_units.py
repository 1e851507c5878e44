from __future__ import annotations

import pytest
from sympy import Abs, Eq, Max, Piecewise, exp, sqrt

from sciflow.core.errors import InputError
from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Neumann,
    Parameter,
    Problem,
    Robin,
    Signal,
    conservation,
    coordinates,
    get,
    names,
)

t, x = coordinates("t x")
u = Field("u", unit="m/s")(t, x)
nu = Parameter("nu", 0.1, unit="m^2/s")
PLAIN = {"name": "p", "fields": [u], "parameters": [nu], "domain": Box(x=(0, 1))}


@pytest.mark.parametrize("name", names())
def test_catalogue_is_consistent(name: str) -> None:
    get(name).check_units()


@pytest.mark.parametrize(
    "right",
    [
        -u * u.diff(x) + nu * u.diff(x, 2),
        sqrt(u**2) * u.diff(x) + Abs(u) * u.diff(x) + Max(u, 0) * u.diff(x),
        Piecewise((u, u > 0), (0, True)) * u.diff(x),
        exp(-u / (u + Max(u, 2 * u))) * nu * u.diff(x, 2),
        0,
    ],
)
def test_consistent_equations_pass(right) -> None:
    Problem(**PLAIN, evolution={u: right}).check_units()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evolution": {u: -u.diff(x) + nu * u.diff(x, 2)}}, "the equation of u adds terms in"),
        ({"evolution": {u: u * u.diff(x) + 1}}, "the equation of u adds terms in"),
        ({"evolution": {u: Piecewise((nu, u > 0), (u, True))}}, "the equation of u adds terms in"),
        ({"steady": {u: Eq(u, nu)}}, "the equation of u adds terms in"),
        ({"conserves": [conservation("mass", u, [u])]}, "the flux of mass adds terms in"),
        ({"conserves": [conservation("mass", u + nu, [u])]}, "the density of mass adds terms in"),
        ({"characteristic": {x: nu}}, "the characteristic velocity along x adds terms in"),
        ({"boundary": {u: {"x-": Dirichlet(nu)}}}, "the boundary x- of u adds terms in"),
        ({"boundary": {u: {"x-": Neumann(nu / x)}}}, "the boundary x- of u adds terms in"),
        ({"boundary": {u: {"x-": Robin(0, a=x, b=x)}}}, "the boundary x- of u adds terms in"),
        ({"signals": [Signal("push", nu * t, unit="m")(t)]}, "the signal push adds terms in"),
    ],
)
def test_a_wrong_unit_is_found(changes, message: str) -> None:
    with pytest.raises(InputError, match=f"Problem 'p': {message}"):
        Problem(**{**PLAIN, **changes}).check_units()


def test_prescribed_values_in_the_right_unit_pass() -> None:
    boundary = {u: {"x-": Robin(nu * u / x, a=nu / x, b=nu), "x+": Neumann(nu / x**2)}}
    signals = [Signal("push", nu / x, unit="m/s")(t)]
    Problem(**PLAIN, boundary=boundary, signals=signals, characteristic={x: u}).check_units()


def test_units_are_all_or_none() -> None:
    bare = Field("w")(t, x)
    with pytest.raises(InputError, match="'w' has no unit while others have; give it one"):
        Problem(**{**PLAIN, "fields": [u, bare]}).check_units()
    Problem(name="q", fields=[bare], domain=Box(x=(0, 1)), evolution={bare: bare - bare.diff(x)}).check_units()


def test_unknown_unit_is_named() -> None:
    odd = Field("u", unit="smoot/s")(t, x)
    with pytest.raises(InputError, match="'smoot/s' of 'u' is no unit that pint knows"):
        Problem(name="p", fields=[odd], domain=Box(x=(0, 1))).check_units()
