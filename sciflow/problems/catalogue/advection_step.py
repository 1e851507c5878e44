"""A step that is carried through the domain and leaves it."""

from sympy import Piecewise, Rational

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Outflow,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    sampled,
    table,
)

t, x = coordinates("t x")
u = Field("u", unit="", long_name="concentration")(t, x)
a = Parameter("a", 3.0, 1.0, 5.0, unit="", description="speed")
half = Rational(1, 2)

problem = Problem(
    name="advection-step",
    title="Advection of a step",
    reference="Hansen et al. (2023), arXiv:2302.11002, section 4.1",
    fields=[u],
    parameters=[a],
    domain=Box(x=(0, 1)),
    time=(0, 1),
    evolution={u: -a * u.diff(x)},
    initial={u: Piecewise((1, x <= half), (0, True))},
    boundary={u: {"x-": Dirichlet(1), "x+": Outflow()}},
    conserves=[
        conservation(
            "mass", u, [a * u],
            total=Piecewise((half + a * t, a * t < half), (1, True)),
            inflow=Piecewise((a, a * t < half), (0, True)),
        )
    ],
    characteristic={x: a},
    exact={u: Piecewise((1, x - a * t <= half), (0, True))},
    subsets={"training": sampled(a=(1, 5)), "published": table(a=[1] * 50 + [3] * 50)},
    solver=Solver("volume"),
)  # fmt: skip
