"""A boundary speed that varies in time and differs by case: two sines, each with amplitude, period and phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import sympy

from sciflow.problems.symbols import Parameter

_TURN = 6.283185307179586


@final
@dataclass(frozen=True)
class Modulation:
    """The factor :math:`1 + a_1 \\sin(2\\pi s/T_1 + p_1) + a_2 \\sin(2\\pi s/T_2 + p_2)` of a speed at the time s.

    Attributes:
        name: of the signal; its coefficients are called ``NAME_amplitude_1``, ``NAME_period_1``, ``NAME_phase_1``, ...
        factor: the expression; 1 at the defaults, whose amplitudes are 0.
        coefficients: a_1, T_1, p_1, a_2, T_2, p_2, for `Signal`.
    """

    name: str
    factor: sympy.Expr
    coefficients: tuple[Parameter, ...]

    @classmethod
    def of(cls, name: str, clock: sympy.Expr, *, period: float, unit: str) -> Modulation:
        """Two sines of the time `clock`.

        Args:
            name: of the signal.
            clock: time in units of the flow, an expression of t and parameters.
            period: default of both periods, in units of the clock.
            unit: of the clock, in words.
        """
        factor, coefficients = sympy.Integer(1), []
        for i in (1, 2):
            amplitude = Parameter(f"{name}_amplitude_{i}", 0.0, unit="")
            length = Parameter(f"{name}_period_{i}", period, unit="", description=f"in {unit}")
            phase = Parameter(f"{name}_phase_{i}", 0.0, unit="")
            factor = factor + amplitude * sympy.sin(2 * sympy.pi * clock / length + phase)
            coefficients += [amplitude, length, phase]
        return cls(name, factor, tuple(coefficients))

    def ranges(self, amplitude: tuple[float, float], period: tuple[float, float]) -> dict[str, tuple[float, float]]:
        """Ranges of all coefficients for `sampled`: those given for both sines, and any phase."""
        kinds = {"amplitude": amplitude, "period": period, "phase": (0.0, _TURN)}
        return {f"{self.name}_{kind}_{i}": bounds for kind, bounds in kinds.items() for i in (1, 2)}
