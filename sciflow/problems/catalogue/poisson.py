"""Poisson equation with a random smooth source, as of a potential between earthed walls."""

from sympy import Eq

from sciflow.problems import Box, Dirichlet, Field, Problem, coordinates, gaussian_field, laplacian

x, y = coordinates("x y")
u = Field("u", long_name="potential")(x, y)
f = Field("f", long_name="source")(x, y)

problem = Problem(
    name="poisson",
    title="Poisson equation",
    reference="Evans (2010), Partial Differential Equations, section 2.2",
    fields=[u],
    # A draw of amplitude 1 has a standard deviation near 0.1.
    inputs={f: gaussian_field(smoothness=2, scale=3, amplitude=10)},
    domain=Box(x=(0, 1), y=(0, 1)),
    steady={u: Eq(-laplacian(u), f)},
    boundary={u: {side: Dirichlet(0) for side in ("x-", "x+", "y-", "y+")}},
    scales={x: 1, y: 1, u: 0.05, f: 1},
)
