"""Viscous Burgers equation between walls: a sine that steepens into a front at the middle."""

from sympy import pi, sin

from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, conservation, coordinates, grid

t, x = coordinates("t x")
u = Field("u", unit="m/s", long_name="velocity")(t, x)
nu = Parameter("nu", float(0.01 / pi), 3e-3, 1e-1, scale="log", unit="m^2/s", description="viscosity")

# The front at x = 0 is steepest at t = 0.51, with u_x = -152 at the default viscosity: 513 nodes or oversampling.
problem = Problem(
    name="burgers-dirichlet",
    title="Viscous Burgers equation between walls",
    reference="Basdevant et al. (1986), Comput. Fluids 14, 23-41; as benchmark: Raissi et al. (2019), J. Comput. Phys. "
    "378, 686-707",
    fields=[u],
    parameters=[nu],
    scales={x: 1, u: 1},
    domain=Box(x=(-1, 1)),
    time=(0, 1),
    evolution={u: -u * u.diff(x) + nu * u.diff(x, 2)},
    initial={u: -sin(pi * x)},
    boundary={u: {"x-": Dirichlet(0), "x+": Dirichlet(0)}},
    conserves=[conservation("mass", u, [u**2 / 2 - nu * u.diff(x)])],
    characteristic={x: u},
    subsets={"viscosities": grid(nu=[float(0.01 / pi), 0.01, 0.03, 0.1])},
)
