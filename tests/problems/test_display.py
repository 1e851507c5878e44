from __future__ import annotations

import html.parser

import pytest
from sympy import Piecewise

from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, coordinates, get, laplacian, names

t, x, y = coordinates("t x y")


def _balanced(text: str) -> bool:
    depth = 0
    for letter in text.replace("\\{", "").replace("\\}", ""):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0 and text.count("\\left") == text.count("\\right") and text.count("\\begin") == text.count("\\end")


@pytest.mark.parametrize("name", names())
def test_latex_of_the_catalogue(name: str) -> None:
    problem = get(name)
    text = problem.latex()
    assert _balanced(text)
    assert text.count("&=") == len(problem.equations)
    assert "Derivative" not in text
    assert "frac{d}{d" not in text
    assert "{\\left(t,x" not in text
    assert problem._repr_latex_() == f"${text}$"


def test_burgers_reads_as_in_a_book() -> None:
    expected = r"\partial_t u &= \nu {\partial_{xx} u} - u {\partial_{x} u}"
    assert get("burgers").latex() == rf"\begin{{aligned}}{expected}\end{{aligned}}"


class _Checker(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check(text: str) -> _Checker:
    checker = _Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.seen <= {"h4", "code", "table", "tr", "th", "td"}
    return checker


@pytest.mark.parametrize("name", names())
def test_html_of_the_catalogue_is_well_formed(name: str) -> None:
    problem = get(name)
    text = problem._repr_html_()
    _check(text)
    assert problem.hash in text
    assert all(info.name in text for info in (*problem.fields, *problem.parameters))


def test_everything_a_user_writes_is_escaped() -> None:
    u = Field("u", unit="<b>")(t, x)
    nu = Parameter("nu", 0.1, unit="m^2/s", description="<script>alert(1)</script>")
    problem = Problem(
        name="a<b",
        title="50 % <script>alert(1)</script> & {more}",
        reference="<i>me</i>",
        fields=[u],
        parameters=[nu],
        domain=Box(x=(0, 1)),
        evolution={u: Piecewise((u, x < 0), (nu, u < x))},
        boundary={u: {"x-": Dirichlet(Piecewise((1, t < 1), (0, True)))}},
    )
    _check(problem._repr_html_())
    outputs = Problem(name="o", title="50 % <b>a_b & {c} \\d", fields=[u], domain=Box(x=(0, 1)))
    _check(outputs._repr_html_())
    assert _balanced(outputs.latex())
    assert r"50 \% <b>a\_b \& \{c\}  d" in outputs.latex()


def test_repr_names_fields_and_parameters() -> None:
    assert repr(get("burgers")) == "Problem('burgers': Viscous Burgers equation; fields u; parameters nu)"
    u = Field("u")(x, y)
    assert repr(Problem(name="n", fields=[u], domain=Box(x=(0, 1), y=(0, 1)))).endswith("parameters none)")


def test_derivatives_of_vectors_and_greek_names() -> None:
    psi = Field("psi")(t, x, y)
    problem = Problem(name="p", fields=[psi], domain=Box(x=(0, 1), y=(0, 1)), evolution={psi: laplacian(psi)})
    assert r"{\partial_{yy} \psi}" in problem.latex()
