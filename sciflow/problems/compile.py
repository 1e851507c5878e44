"""From SymPy expressions to functions of arrays, in NumPy, JAX and torch.

Every derivative of a field becomes one placeholder symbol, so that engines hand in derivatives however they compute
them; common sub-expressions are evaluated once.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.function import AppliedUndef
from sympy.printing.lambdarepr import LambdaPrinter

from sciflow.core.errors import InputError
from sciflow.problems.special import implementations

_LIKE = "_like"  # argument that gives dtype and device to tensors made of plain numbers

Orders = tuple[int, ...]  # how often to differentiate along each coordinate, in the order of the coordinates


@dataclass(frozen=True)
class Compiled:
    """A function of derivatives, coordinates and parameters.

    Attributes:
        derivatives: (field name, orders) of each array that the function takes first, in order; the field itself has
            orders of zero.
        symbols: names of the coordinates and parameters that it takes after them, in order.
        function: ``function(*derivatives, *symbols) -> list of arrays``, one for each expression.
    """

    derivatives: tuple[tuple[str, Orders], ...]
    symbols: tuple[str, ...]
    function: Callable[..., list[Any]]


def compile_expressions(
    expressions: Sequence[sympy.Expr], coordinates: Sequence[sympy.Symbol], backend: str
) -> Compiled:
    """Compile expressions of fields, their derivatives, coordinates and parameters for a backend.

    Args:
        expressions: over plain SymPy functions and symbols.
        coordinates: the coordinates that derivatives are counted along.
        backend: ``"numpy"``, ``"jax"`` or ``"torch"``.
    """
    expressions = [sympy.sympify(expression).doit() for expression in expressions]
    derivatives = {atom: sympy.Dummy(real=True) for e in expressions for atom in e.atoms(sympy.Derivative)}
    atoms = {derivative: _orders(derivative, coordinates) for derivative in derivatives}
    # Derivatives first: they contain the field itself, which need not be wanted on its own.
    replaced = [expression.xreplace(derivatives) for expression in expressions]
    calls = {atom: sympy.Dummy(real=True) for e in replaced for atom in e.atoms(AppliedUndef)}
    atoms |= {call: (call.func.__name__, (0,) * len(coordinates)) for call in calls}
    ordered = sorted(atoms, key=lambda atom: (sum(atoms[atom][1]), atoms[atom]))
    dummies = {**derivatives, **calls}
    replaced = [expression.xreplace(calls) for expression in replaced]
    free = set().union(*(expression.free_symbols for expression in replaced)) - set(dummies.values())
    symbols = sorted(free, key=lambda symbol: symbol.name)
    function = numeric([*(dummies[atom] for atom in ordered), *symbols], replaced, backend)
    return Compiled(tuple(atoms[atom] for atom in ordered), tuple(symbol.name for symbol in symbols), function)


def _orders(derivative: sympy.Derivative, coordinates: Sequence[sympy.Symbol]) -> tuple[str, Orders]:
    if not isinstance(derivative.expr, AppliedUndef):
        raise InputError(f"The derivative '{derivative}' is not of a field; write it out with .diff().")
    counts = dict(derivative.variable_count)
    unknown = [str(symbol) for symbol in counts if symbol not in coordinates]
    if unknown:
        raise InputError(f"The derivative '{derivative}' is along {', '.join(unknown)}, which is no coordinate.")
    return derivative.expr.func.__name__, tuple(int(counts.get(coordinate, 0)) for coordinate in coordinates)


def numeric(arguments: Sequence[Any], expressions: Any, backend: str = "numpy") -> Callable[..., Any]:
    """`sympy.lambdify` with common sub-expressions shared, for ``"numpy"``, ``"jax"`` or ``"torch"``.

    A single expression is compiled once for all cases: compiling takes longer than solving a small one.
    """
    if isinstance(expressions, sympy.Expr):
        return _remembered(tuple(arguments), expressions, backend)
    return _compiled(arguments, expressions, backend)


@lru_cache(maxsize=1024)
def _remembered(arguments: tuple[Any, ...], expression: sympy.Expr, backend: str) -> Callable[..., Any]:
    return _compiled(arguments, expression, backend)


def _compiled(arguments: Sequence[Any], expressions: Any, backend: str) -> Callable[..., Any]:
    if backend == "torch":
        return _numeric_torch(arguments, expressions)
    if backend == "numpy":
        own = implementations(_functions("numpy", "scipy.special"))
        return sympy.lambdify(arguments, expressions, modules=[own, "scipy", "numpy"], cse=True)
    if backend == "jax":
        functions = _functions("jax.numpy", "jax.scipy.special")
        own = {"erf": functions["erf"], "erfc": functions["erfc"], **implementations(functions)}
        return sympy.lambdify(arguments, expressions, modules=[own, "jax"], cse=True)
    raise InputError(f"There is no backend {backend!r}; use 'numpy', 'jax' or 'torch'.")


def _functions(arrays: str, special: str) -> dict[str, Any]:
    """Functions of arrays that others are made of, from two modules by name."""
    first, second = importlib.import_module(arrays), importlib.import_module(special)
    own = {name: getattr(first, name) for name in ("exp", "log", "sqrt", "where")}
    return {**own, "erf": second.erf, "erfc": second.erfc}


def _numeric_torch(arguments: Sequence[Any], expressions: Any) -> Callable[..., Any]:
    settings = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}
    # Where one argument is a dummy, SymPy renames all of them, the one called `_LIKE` too.
    named = [sympy.Symbol(f"_{place}", real=True) for place in range(len(arguments))]
    given = dict(zip(arguments, named, strict=True))
    expressions = (
        expressions.xreplace(given)
        if isinstance(expressions, sympy.Basic)
        else [expression.xreplace(given) for expression in expressions]
    )
    arguments, like = named, sympy.Symbol(_LIKE)
    modules, printer = [_torch_functions()], _TorchPrinter(settings)
    function = sympy.lambdify([like, *arguments], expressions, modules=modules, printer=printer, cse=True)

    def call(*values: Any) -> Any:
        found = (value for value in values if hasattr(value, "is_floating_point") and value.is_floating_point())
        return function(next(found, None), *values)

    return call


class _TorchPrinter(LambdaPrinter):
    """Prints names that `_torch_functions` defines; SymPy's own torch printer lacks several functions.

    Functions that make tensors of plain numbers are also handed the first tensor, for its dtype and device.
    """

    def _print_Piecewise(self, expression: sympy.Piecewise) -> str:
        pieces, text = list(expression.args), "nan"
        if pieces[-1][1] == sympy.true:
            text = self._print(pieces.pop()[0])
        for value, condition in reversed(pieces):
            text = f"where({_LIKE}, {self._print(condition)}, {self._print(value)}, {text})"
        return text

    def _print_NumberSymbol(self, expression: sympy.NumberSymbol) -> str:
        return repr(float(expression))

    def _print_Not(self, expression: sympy.Not) -> str:
        return f"logical_not({self._print(expression.args[0])})"

    def _fold(self, name: str, arguments: Sequence[Any]) -> str:
        text = self._print(arguments[0])
        for argument in arguments[1:]:
            text = f"{name}({_LIKE}, {text}, {self._print(argument)})"
        return text

    def _print_Max(self, expression: sympy.Max) -> str:
        return self._fold("maximum", expression.args)

    def _print_Min(self, expression: sympy.Min) -> str:
        return self._fold("minimum", expression.args)

    def _print_And(self, expression: sympy.And) -> str:
        return "(" + " & ".join(f"({self._print(argument)})" for argument in expression.args) + ")"

    def _print_Or(self, expression: sympy.Or) -> str:
        return "(" + " | ".join(f"({self._print(argument)})" for argument in expression.args) + ")"

    def _print_sech(self, expression: sympy.sech) -> str:
        return f"(1/cosh({self._print(expression.args[0])}))"

    def _print_sign(self, expression: sympy.sign) -> str:
        return f"sign({_LIKE}, {self._print(expression.args[0])})"

    def _print_Heaviside(self, expression: sympy.Heaviside) -> str:
        return f"Heaviside({_LIKE}, {self._print(expression.args[0])}, {self._print(expression.args[1])})"

    def _print_atan2(self, expression: sympy.atan2) -> str:
        return f"atan2({_LIKE}, {self._print(expression.args[0])}, {self._print(expression.args[1])})"


def _torch_functions() -> dict[str, Any]:
    torch = importlib.import_module("torch")
    shared = ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"]
    shared += ["exp", "log", "sqrt", "erf", "erfc", "floor", "ceil"]

    def lift(name: str) -> Callable[[Any], Any]:
        tensor_function, number_function = getattr(torch, name), getattr(math, name)
        return lambda value: tensor_function(value) if torch.is_tensor(value) else number_function(value)

    def tensor(like: Any, value: Any) -> Any:
        if torch.is_tensor(value):
            return value
        options = {"dtype": torch.float64} if like is None else {"dtype": like.dtype, "device": like.device}
        return torch.as_tensor(value, **options)

    def tensors(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda like, *values: function(*(tensor(like, value) for value in values))

    def where(like: Any, condition: Any, first: Any, second: Any) -> Any:
        if not torch.is_tensor(condition):
            return first if condition else second
        return torch.where(condition, tensor(like, first), tensor(like, second))

    table: dict[str, Any] = {name: lift(name) for name in shared}
    for name in ("sign", "atan2", "maximum", "minimum"):
        table[name] = tensors(getattr(torch, name))
    table["Heaviside"], table["where"] = tensors(torch.heaviside), where
    table["logical_not"] = lambda value: ~value if torch.is_tensor(value) else not value
    table["abs"], table["nan"] = abs, math.nan
    table["pi"], table["e"] = math.pi, math.e

    def choose(condition: Any, first: Any, second: Any) -> Any:
        return torch.where(condition, first, second) if torch.is_tensor(condition) else first if condition else second

    return {**table, **implementations({**table, "where": choose})}
