"""Functions that SymPy lacks and the catalogue needs; NumPy, JAX and torch evaluate them by `implementations`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, final

import sympy
from sympy.core.function import ArgumentIndexError

_NEWTON = 6  # steps; the fourth is at rounding for 1e-6 < u < 1 - 1e-6


@final
class positive_power(sympy.Function):
    r"""``positive_power(b, p)``: :math:`\max(b, 0)^p`, and 0 where b <= 0 for every p.

    Derivatives are :math:`p \max(b, 0)^{p-1}`, so that degenerate diffusion as in the porous-medium equation gives
    finite residuals, and finite gradients of them, where b <= 0; there ``b**p`` or ``Max(b, 0)**p`` give NaN.
    """

    nargs = 2
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr | None:
        if base.is_number and exponent.is_number:
            return base**exponent if base > 0 else sympy.Integer(0)
        return None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        base, exponent = self.args
        return exponent * positive_power(base, exponent - 1)

    def integral(self) -> sympy.Expr:
        """Integral over the base from 0, for exponents above -1."""
        base, exponent = self.args
        return positive_power(base, exponent + 1) / (exponent + 1)

    def _latex(self, printer: Any) -> str:
        base, exponent = map(printer.doprint, self.args)
        return rf"\left({base}\right)_{{+}}^{{{exponent}}}"


@final
class stefan_root(sympy.Function):
    r"""``stefan_root(u)``: the root z > 0 of :math:`u\, z\, e^{z^2}\,\mathrm{erf}(z) = (1 - u) / \sqrt\pi`, 0 < u < 1.

    The front of the one-phase Stefan problem whose diffusivity is 1 above u and 0 below lies at 2 z sqrt(t). There is
    no closed form. Newton's method on the logarithm of the equation, from z^2 = log(1 + (1 - u) / (2 u)).
    """

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        (u,) = self.args
        slope = sympy.sqrt(sympy.pi) * sympy.exp(self**2) * sympy.erf(self) * (1 + 2 * self**2) + 2 * self
        return -1 / (u**2 * slope)

    def _latex(self, printer: Any) -> str:
        return rf"z\left({printer.doprint(self.args[0])}\right)"


def implementations(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The functions of this module by name, made of a backend's exp, log, sqrt, erf and where."""
    exp, log, sqrt, erf, where = (functions[name] for name in ("exp", "log", "sqrt", "erf", "where"))

    def power(base: Any, exponent: Any) -> Any:
        inside = where(base > 0, base, 1.0)  # no NaN in the branch that is not taken, nor in its gradient
        return where(base > 0, inside**exponent, 0.0)

    def root(u: Any) -> Any:
        ratio = (1 - u) / u
        z = sqrt(log(1 + ratio / 2))
        for _ in range(_NEWTON):
            gap = log(z * erf(z)) + z**2 - log(ratio / math.sqrt(math.pi))
            z = z - gap / (1 / z + 2 * z + 2 / math.sqrt(math.pi) * exp(-(z**2)) / erf(z))
        return z

    return {positive_power.__name__: power, stefan_root.__name__: root}
