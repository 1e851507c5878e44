"""Helmholtz equation with a manufactured source, the usual test of physics-informed networks."""

from sympy import Eq, pi, sin

from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, coordinates, laplacian

x, y = coordinates("x y")
u = Field("u", long_name="amplitude")(x, y)
# Below 2.2 there is no resonance: the lowest eigenvalue of the square is pi^2 / 2.
k = Parameter("k", 1.0, 0.5, 2.0, description="wave number")
a1 = Parameter("a1", 1.0, 1.0, 4.0, description="half waves of the solution along x, by half the side")
a2 = Parameter("a2", 4.0, 1.0, 4.0, description="half waves of the solution along y, by half the side")

wave = sin(a1 * pi * x) * sin(a2 * pi * y)

problem = Problem(
    name="helmholtz",
    title="Helmholtz equation",
    reference="Wang, Teng and Perdikaris (2021), SIAM J. Sci. Comput. 43, A3055-A3081, section 4.1",
    fields=[u],
    parameters=[k, a1, a2],
    domain=Box(x=(-1, 1), y=(-1, 1)),
    steady={u: Eq(laplacian(u) + k**2 * u, (k**2 - pi**2 * (a1**2 + a2**2)) * wave)},
    boundary={u: {side: Dirichlet(wave) for side in ("x-", "x+", "y-", "y+")}},
    exact={u: wave},
    scales={x: 1, y: 1, u: 1},
)
