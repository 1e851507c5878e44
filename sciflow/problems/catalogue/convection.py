"""A sine wave carried at a constant speed: the problem on which ordinary physics-informed networks fail."""

import math

from sympy import exp, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="concentration")(t, x)
c = Parameter("c", 30.0, 0.0, 70.0, unit="", description="speed")
nu = Parameter("nu", 0.0, 0.0, 0.1, unit="", description="diffusivity")

problem = Problem(
    name="convection",
    title="Convection of a sine wave",
    reference="Krishnapriyan et al. (2021), arXiv:2109.01050, section 3.1; Mojgani et al. (2023), Comput. Methods "
    "Appl. Mech. Eng. 404, 115810",
    fields=[u],
    parameters=[c, nu],
    domain=Box(x=(0, 2 * math.pi)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -c * u.diff(x) + nu * u.diff(x, 2)},
    initial={u: sin(x)},
    conserves=[conservation("mass", u, [c * u - nu * u.diff(x)])],
    symmetries=[translation("x")],
    characteristic={x: c},
    exact={u: exp(-nu * t) * sin(x - c * t)},
    subsets={"table": table(c=[1, 10, 20, 30, 40, 50, 70])},
)
