"""Darcy flow through a random medium of two materials."""

from sympy import Eq

from sciflow.problems import Box, Dirichlet, Field, Problem, coordinates, div, gaussian_field, grad

x, y = coordinates("x y")
u = Field("u", long_name="pressure")(x, y)
a = Field("a", long_name="permeability")(x, y)

problem = Problem(
    name="darcy",
    title="Darcy flow",
    reference="Li et al. (2021), Fourier Neural Operator for Parametric PDEs, ICLR, section 5.2",
    fields=[u],
    inputs={a: gaussian_field(smoothness=2, scale=3, threshold=(3, 12))},
    domain=Box(x=(0, 1), y=(0, 1)),
    steady={u: Eq(-div(a * grad(u)), 1)},
    boundary={u: {side: Dirichlet(0) for side in ("x-", "x+", "y-", "y+")}},
    scales={x: 1, y: 1, u: 0.01, a: 10},
)
