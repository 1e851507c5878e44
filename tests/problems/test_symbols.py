from __future__ import annotations

import copy
import pickle

import pytest
import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems import Field, Parameter, Signal, coordinates
from sciflow.problems.registry import get
from sciflow.problems.symbols import plain, spec_of

t, x, y = coordinates("t x y")


def test_equal_names_with_other_metadata_are_other_atoms() -> None:
    metres, kelvin = Field("u", unit="m")(t, x), Field("u", unit="K")(t, x)
    assert metres != kelvin
    assert metres == Field("u", unit="m")(t, x)
    assert metres - kelvin != 0
    assert (metres + kelvin).atoms(AppliedUndef) == {metres, kelvin}
    assert spec_of(metres.diff(x).expr).unit == "m"
    assert spec_of(kelvin.diff(x).expr).unit == "K"


@pytest.mark.parametrize(
    "other",
    [
        Parameter("nu", 0.02),
        Parameter("nu", 0.01, 0.001, 0.1),
        Parameter("nu", 0.01, unit="m"),
        Parameter("nu", 0.01, description="viscosity"),
        sympy.Symbol("nu", real=True),
    ],
)
def test_parameters_with_other_metadata_differ(other: sympy.Symbol) -> None:
    nu = Parameter("nu", 0.01)
    assert nu != other
    assert nu - other != 0
    assert nu == Parameter("nu", 0.01)
    assert hash(nu) == hash(Parameter("nu", 0.01))


def test_sympy_caches_keep_the_metadata_of_each_atom() -> None:
    for unit in ("m", "s", "m"):
        parameter = Parameter("c", 1.0, unit=unit)
        (found,) = sympy.expand(2 * (parameter + 1)).atoms(Parameter)
        assert found.unit == unit


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_parameter_survives_copying_and_pickling(duplicate) -> None:
    nu = Parameter("nu", 0.01, 0.001, 0.1, scale="log", unit="m^2/s", description="viscosity")
    again = duplicate(nu)
    assert again == nu
    assert (again.default, again.low, again.high) == (0.01, 0.001, 0.1)
    assert (again.scale, again.unit, again.description) == ("log", "m^2/s", "viscosity")
    assert duplicate(3 * nu + 1) == 3 * nu + 1


@pytest.mark.parametrize("name", ["burgers", "cavity", "navier-stokes-2d"])
def test_problem_survives_pickling(name: str) -> None:
    problem = get(name)
    again = pickle.loads(pickle.dumps(problem))
    assert again.hash == problem.hash
    assert again.equations == problem.equations
    assert again.sample(3, 1) == problem.sample(3, 1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        again.name = "other"


def test_vector_field_is_a_column_of_named_components() -> None:
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    assert [atom.func.__name__ for atom in velocity] == ["u", "v"]
    assert all(atom.func.vector == "velocity" and spec_of(atom).unit == "m/s" for atom in velocity)


def test_plain_removes_all_metadata() -> None:
    u, nu = Field("u", unit="m")(t, x), Parameter("nu", 0.1)
    expected = sympy.Symbol("nu", real=True) * sympy.Function("u", real=True)(t, x).diff(x)
    assert plain(nu * u.diff(x)) == expected
    assert plain(3) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parameter("a", 1, low=0), "only one of low and high"),
        (lambda: Parameter("a", 5, 0, 1), "default 5 lies outside its range 0 to 1"),
        (lambda: Parameter("a", 1, 0, 2, scale="cubic"), "scale 'cubic'; expected 'linear' or 'log'"),
        (lambda: Parameter("a", 1, 0, 2, scale="log"), "low must be positive"),
        (lambda: spec_of(sympy.Function("w")(x)), "is no declared field"),
        (lambda: Field("u")(t, 2 * x), r"Field 'u': '2\*x' is no coordinate"),
        (lambda: Field("u")(*sympy.symbols("t x")), "'t' is no coordinate; use t, x = coordinates"),
    ],
)
def test_wrong_atoms_are_refused(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_signal_gives_a_function_of_time() -> None:
    a = Parameter("a", 0.5)
    lid = Signal("lid", a * sympy.sin(t), coefficients=(a,), unit="m/s")
    assert spec_of(lid(t)) == lid
    assert lid(t).func.__name__ == "lid"
