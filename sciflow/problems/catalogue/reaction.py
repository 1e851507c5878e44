"""Logistic reaction without diffusion: every point on its own."""

import math

from sympy import exp, pi

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="share of the capacity")(t, x)
rho = Parameter("rho", 5.0, 1.0, 10.0, unit="", description="rate of reaction")
height = Parameter("height", 1.0, 0.5, 1.0, unit="", description="largest value of the start")
width = Parameter(
    "width", math.pi / 4, math.pi / 8, math.pi / 4, unit="", description="standard deviation of the start"
)

# The published start at the defaults; its slope jumps by 0.003 where the period closes.
start = height * exp(-((x - pi) ** 2) / (2 * width**2))

problem = Problem(
    name="reaction",
    title="Logistic reaction",
    reference="Verhulst (1838), Corresp. Math. Phys. 10, 113-121; start and rates: Krishnapriyan et al. (2021), "
    "arXiv:2109.01050, appendix E",
    fields=[u],
    parameters=[rho, height, width],
    domain=Box(x=(0, 2 * pi)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: rho * u * (1 - u)},
    initial={u: start},
    symmetries=[translation("x")],
    exact={u: start * exp(rho * t) / (start * exp(rho * t) + 1 - start)},
    subsets={"table": table(rho=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])},  # from the published start
)
