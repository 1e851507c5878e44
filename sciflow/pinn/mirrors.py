r"""Mirror symmetries of a case, which its solution then has, and which a network can hold by construction.

Where equations, start and conditions keep their form under :math:`x \to 2m - x,\ u_f \to s_f u_f`, with the middle m of
an axis and signs s_f, so does the solution, which is unique: it is even (s = 1) or odd (s = -1) about m. A front that
such a symmetry holds in its place cannot drift with the error of the residual.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.pinn.ansatz import BROKEN
from sciflow.problems.compile import numeric
from sciflow.problems.conditions import Robin
from sciflow.problems.distributions import Distribution
from sciflow.problems.geometry import Box

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem

Signs = Mapping[str, int]  # 1 for even and -1 for odd fields, by name
_TRIED = 1024  # random arguments at which both forms are compared
_SAME = 1e-10  # of the largest value


def mirrors_of(problem: Problem, case: Case, free: Mapping[str, float] | None = None) -> dict[str, Signs]:
    """The axes about whose middle the solution is even or odd, with the sign of each field.

    Args:
        free: parameters that may take other values than the case's; the symmetry then has to hold for those too.
    """
    names = [info.name for info in problem.fields]
    drawn = any(isinstance(problem.initial.get(name), Distribution) for name in names)
    if set(problem.evolution) != set(names) or drawn or problem.inputs or not isinstance(problem.domain, Box):
        return {}  # only what evolves from a formula is known to be unique
    values = {name: value for name, value in problem.values(case.values).items() if name not in (free or {})}
    found: dict[str, Signs] = {}
    for axis in problem.axes:
        for signs in product((1, -1), repeat=len(names)):
            mirror = _Mirror(problem, case, values, axis, dict(zip(names, signs, strict=True)))
            if mirror.holds():
                found[axis] = mirror.signs
                break
    return found


class _Mirror:
    def __init__(self, problem: Problem, case: Case, values: Mapping[str, float], axis: str, signs: Signs) -> None:
        self.problem, self.values, self.signs = problem, values, signs
        self.axis = next(symbol for symbol in problem.space if symbol.name == axis)
        self.bounds = {**problem.bounds(case.parameters), **({} if problem.time is None else {"t": problem.time})}
        self.middle = sum(self.bounds[axis]) / 2

    def holds(self) -> bool:
        """Whether every part of the declaration keeps its form."""
        symbols = {info.symbol: self.signs[info.name] for info in self.problem.fields}
        for equation in self.problem.equations.values():
            written = equation.doit()
            if written.atoms(AppliedUndef) - set(symbols):
                return False
            if not any(self._same(self._turned(written, symbols), sign * written) for sign in (1, -1)):
                return False
        return all(self._kept(name, sign) for name, sign in self.signs.items())

    def _kept(self, name: str, sign: int) -> bool:
        """Whether a field's start and conditions have its sign."""
        start = sympy.sympify(self.problem.drive(self.problem.initial.get(name, sympy.Integer(0))))
        if not self._same(self._there(start), sign * start):
            return False
        sides = {side: c for side, c in self.problem.boundary.get(name, {}).items() if side != "gauge"}
        for side, condition in sides.items():
            across = side[:-1] + {"-": "+", "+": "-"}[side[-1]] if side[:-1] == self.axis.name else side
            other = sides.get(across)
            if other is None or type(other) is not type(condition) or len(condition.value) != len(other.value):
                return False
            pairs = [(one, sign * two) for one, two in zip(condition.value, other.value, strict=True)]
            if isinstance(condition, Robin) and isinstance(other, Robin):
                pairs += [(condition.a, other.a), (condition.b, other.b)]
            if not all(self._same(self._there(self.problem.drive(a)), self.problem.drive(b)) for a, b in pairs):
                return False
        return True

    def _there(self, expression: sympy.Expr) -> sympy.Expr:
        return sympy.sympify(expression).xreplace({self.axis: 2 * self.middle - self.axis})

    def _turned(self, equation: sympy.Expr, symbols: Mapping[sympy.Expr, int]) -> sympy.Expr:
        """The equation that the mirrored fields obey."""
        mapping: dict[sympy.Expr, sympy.Expr] = {symbol: sign * symbol for symbol, sign in symbols.items()}
        for d in equation.atoms(sympy.Derivative):
            odd = int(dict(d.variable_count).get(self.axis, 0)) % 2
            mapping[d] = symbols[d.expr] * (-1) ** odd * d
        return equation.xreplace({**mapping, self.axis: 2 * self.middle - self.axis})

    def _same(self, one: sympy.Expr, two: sympy.Expr) -> bool:
        """Whether two expressions are the same: by their terms, or at random places up to rounding."""
        difference = sympy.expand(sympy.sympify(one) - sympy.sympify(two))
        if difference == 0:
            return True
        if difference.atoms(*BROKEN) or difference.atoms(sympy.Derivative, AppliedUndef):
            return False  # terms with fields differ by more than rounding, and random places may miss a break
        both = sympy.Tuple(difference, *sympy.Add.make_args(sympy.expand(one)), *sympy.Add.make_args(sympy.expand(two)))
        kept = [part for part in both[1:] if not part.atoms(sympy.Derivative, AppliedUndef)]
        symbols = sorted(sympy.Tuple(difference, *kept).free_symbols, key=lambda symbol: symbol.name)
        random = np.random.default_rng(0)
        known = [self.values.get(s.name, random.uniform(*self.bounds.get(s.name, (0.5, 1.5)), _TRIED)) for s in symbols]
        sizes = [float(np.max(np.abs(numeric(symbols, part)(*known)))) for part in (difference, *kept)]
        return sizes[0] <= _SAME * max(sizes[1:], default=0.0)
