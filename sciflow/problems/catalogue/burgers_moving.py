"""Viscous Burgers equation whose steepening wave moves: the hard case of Lagrangian physics-informed networks."""

import math

from sympy import sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, galilean, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="velocity")(t, x)
C = Parameter("C", 10.0, 0.0, 50.0, unit="", description="mean velocity, with which the front moves")
nu = Parameter("nu", 1e-2, 1e-2, 1e-1, scale="log", unit="", description="viscosity")

problem = Problem(
    name="burgers-moving",
    title="Viscous Burgers equation with a moving front",
    reference="Mojgani, Balajewicz and Hassanzadeh (2023), Comput. Methods Appl. Mech. Eng. 404, 115810",
    fields=[u],
    parameters=[C, nu],
    scales={x: 1, u: 1},
    domain=Box(x=(0, 2 * math.pi)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -u * u.diff(x) + nu * u.diff(x, 2)},
    initial={u: sin(x) + C},
    conserves=[conservation("mass", u, [u**2 / 2 - nu * u.diff(x)])],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    characteristic={x: u},
    subsets={"table": table(C=[0, 10, 50])},
)
