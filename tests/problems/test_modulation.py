"""A boundary speed that varies in time."""

import pytest
import sympy

from sciflow.problems.modulation import Modulation
from sciflow.problems.symbols import plain


def test_two_sines_about_one() -> None:
    """At a quarter period of the first and a half of the second: 1 + 0.3 sin(pi/2) + 0.2 sin(pi + pi/6) = 1.2."""
    t = sympy.Symbol("t", real=True)
    waves = Modulation.of("inlet", t, period=4.0, unit="s")
    rest = {sympy.Symbol(f"inlet_amplitude_{i}", real=True): 0 for i in (1, 2)}
    assert plain(waves.factor).subs(rest) == 1
    values = {c.name: c.default for c in waves.coefficients}
    values |= {"inlet_amplitude_1": 0.3, "inlet_amplitude_2": 0.2, "inlet_period_2": 2.0, "inlet_phase_2": sympy.pi / 6}
    found = plain(waves.factor).subs({sympy.Symbol(name, real=True): value for name, value in values.items()})
    assert float(found.subs(t, 1)) == pytest.approx(1 + 0.3 - 0.1)


def test_ranges_name_every_coefficient() -> None:
    waves = Modulation.of("lid", sympy.Symbol("t", real=True), period=4.0, unit="s")
    ranges = waves.ranges((0.1, 0.2), (1.0, 2.0))
    assert set(ranges) == {c.name for c in waves.coefficients}
    assert ranges["lid_amplitude_2"] == (0.1, 0.2) and ranges["lid_period_1"] == (1.0, 2.0)
    assert ranges["lid_phase_1"] == (0.0, pytest.approx(float(2 * sympy.pi)))
