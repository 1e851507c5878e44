"""Logistic reaction with diffusion on a periodic interval."""

import math

from sympy import exp, pi

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="share of the capacity")(t, x)
nu = Parameter("nu", 5.0, 1.0, 6.0, unit="", description="diffusivity")
rho = Parameter("rho", 5.0, 1.0, 10.0, unit="", description="rate of reaction")
height = Parameter("height", 1.0, 0.5, 1.0, unit="", description="largest value of the start")
width = Parameter(
    "width", math.pi / 4, math.pi / 8, math.pi / 4, unit="", description="standard deviation of the start"
)

problem = Problem(
    name="reaction-diffusion",
    title="Logistic reaction with diffusion",
    reference="Fisher (1937), Ann. Eugen. 7, 355-369; start and rates: Krishnapriyan et al. (2021), "
    "arXiv:2109.01050, section 3.2",
    fields=[u],
    parameters=[nu, rho, height, width],
    domain=Box(x=(0, 2 * pi)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: nu * u.diff(x, 2) + rho * u * (1 - u)},
    initial={u: height * exp(-((x - pi) ** 2) / (2 * width**2))},  # the published start at the defaults
    symmetries=[translation("x")],
    subsets={"table": table(nu=[2, 3, 4, 5, 6])},  # rho = 5 from the published start
)
