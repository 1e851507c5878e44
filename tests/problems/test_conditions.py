from __future__ import annotations

import pytest
import sympy

from sciflow.problems import Dirichlet, Neumann, NoSlip, Outflow, Parameter, Robin, coordinates

(t,) = coordinates("t,")
speed = Parameter("speed", 1.0, unit="m/s")


def test_values_are_plain_expressions_one_for_each_component() -> None:
    condition = Dirichlet((speed * t, 0))
    assert condition.value == (sympy.Symbol("speed", real=True) * t, 0)
    assert condition.of(0) == Dirichlet(speed * t)
    assert condition.of(1) == Dirichlet(0)
    assert Dirichlet(sympy.Matrix([speed, 0])) == Dirichlet((speed, 0))


def test_robin_keeps_its_weights_in_each_component() -> None:
    condition = Robin((1, 2), a=speed, b=3)
    assert condition.of(1) == Robin(2, a=speed, b=3)
    assert condition.a == sympy.Symbol("speed", real=True)


def test_walls_and_outlets_hold_for_every_component() -> None:
    assert NoSlip().of(1) == Dirichlet(0)
    assert Outflow().of(1) == Outflow()


@pytest.mark.parametrize(
    ("condition", "components", "fits"),
    [
        (Dirichlet((1, 0)), 2, True),
        (Dirichlet(1), 2, False),
        (Neumann((1, 2, 3)), 2, False),
        (Robin(1), 1, True),
        (Dirichlet(), 1, False),
        (NoSlip(), 2, True),
        (Outflow(), 3, True),
        (NoSlip(1), 1, False),
    ],
)
def test_fits_counts_the_components(condition, components: int, fits: bool) -> None:
    assert condition.fits(components) is fits


def test_kinds_are_named() -> None:
    assert [c.kind for c in (Dirichlet(0), Neumann(0), Robin(0), NoSlip(), Outflow())] == [
        "Dirichlet",
        "Neumann",
        "Robin",
        "NoSlip",
        "Outflow",
    ]
