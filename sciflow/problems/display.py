"""How a problem shows itself: LaTeX for its equations, HTML in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import sympy
from sympy.core.function import AppliedUndef

from sciflow.problems.conditions import Condition
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    from sciflow.problems.physics import Conservation
    from sciflow.problems.problem import Problem


def latex(problem: Problem) -> str:
    """The equations as one aligned LaTeX block, fields written without their arguments."""
    lines = [f"\\partial_t {_tex(problem.field(n).symbol)} &= {_tex(right)}" for n, right in problem.evolution.items()]
    for equation in (*problem.constraints.values(), *problem.steady.values()):
        lines.append(f"{_tex(equation.lhs)} &= {_tex(equation.rhs)}")
    if not lines:
        return f"\\text{{{_text(problem.title)} (no equations declared)}}"
    return "\\begin{aligned}" + " \\\\ ".join(lines) + "\\end{aligned}"


def _tex(expression: sympy.Expr) -> str:
    """LaTeX with fields as bare names and derivatives as subscripts of the partial sign."""
    names: dict[Any, sympy.Symbol] = {}
    for derivative in expression.atoms(sympy.Derivative):
        below = "".join(sympy.latex(s) * int(n) for s, n in derivative.variable_count)
        # The brace sorts behind letters, so that SymPy prints coefficients first.
        names[derivative] = sympy.Symbol(f"{{\\partial_{{{below}}} {_bare(derivative.expr)}}}", real=True)
    for call in expression.atoms(AppliedUndef):
        names[call] = sympy.Symbol(_bare(call), real=True)
    derivatives = {key: value for key, value in names.items() if key.is_Derivative}
    return sympy.latex(expression.xreplace(derivatives).xreplace(names))


def _bare(expression: Any) -> str:
    if isinstance(expression, AppliedUndef):
        return sympy.latex(sympy.Symbol(expression.func.__name__))
    return f"\\left({sympy.latex(expression)}\\right)"


def _text(words: str) -> str:
    return "".join(f"\\{letter}" if letter in "#$%&_{}" else " " if letter in "\\^~" else letter for letter in words)


def html(problem: Problem) -> str:
    """Title, equations and a table of what is declared."""
    rows = [
        ("fields", ", ".join(f"{info.name} [{info.unit or '-'}]" for info in problem.fields)),
        ("inputs", "; ".join(f"{info.name}: {_short(value)}" for info, value in problem.inputs.items())),
        ("parameters", ", ".join(_range(info) for info in problem.parameters)),
        ("signals", "; ".join(f"{s.name}(t) = {s.expression}" for s in problem.signals)),
        ("domain", f"{', '.join(problem.axes)}; periodic: {', '.join(problem.periodic) or 'none'}"),
        ("time", "" if problem.time is None else f"{problem.time[0]:g} to {problem.time[1]:g}"),
        ("initial", "; ".join(f"{key}: {_short(value)}" for key, value in problem.initial.items())),
        ("boundary", "; ".join(f"{k} on {s}: {_short(c)}" for k, v in problem.boundary.items() for s, c in v.items())),
        ("conserves", ", ".join(_law(law) for law in problem.conserves)),
        ("symmetries", ", ".join(map(str, problem.symmetries))),
        ("exact solution", "; ".join(f"{key} = {value}" for key, value in problem.exact.items())),
        ("subsets", ", ".join(problem.subsets)),
        ("reference", problem.reference),
        ("hash", problem.hash),
    ]
    cells = "".join(f"<tr><th style='text-align:left'>{n}</th><td>{escape(v)}</td></tr>" for n, v in rows if v)
    heading = f"<h4>{escape(problem.title)} (<code>{escape(problem.name)}</code>)</h4>"
    return f"{heading}$${escape(latex(problem))}$$<table>{cells}</table>"


def _law(law: Conservation) -> str:
    return law.name if law.total is None else f"{law.name} (total {law.total})"


def _range(info: Any) -> str:
    span = f" in [{info.low:g}, {info.high:g}] ({info.scale})" if info.low is not None else ""
    hidden = " (hidden)" if info.hidden else ""
    return f"{info.name} = {info.default:g}{span} [{info.unit or '-'}]{hidden}"


def _short(value: Any) -> str:
    if isinstance(value, Distribution):
        return type(value).__name__
    if isinstance(value, Condition):
        return value.kind + (f"({', '.join(map(str, value.value))})" if value.value else "")
    return str(value)
