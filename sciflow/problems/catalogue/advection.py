"""Linear advection."""

from sympy import exp, pi, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, random_fourier, translation

t, x = coordinates("t x")
u = Field("u", unit="kg/m^3", long_name="concentration")(t, x)
c = Parameter("c", 0.5, 0.1, 1.0, unit="m/s", description="speed")

problem = Problem(
    name="advection",
    title="Linear advection",
    reference="LeVeque (2002), Finite Volume Methods for Hyperbolic Problems, eq. 2.1",
    fields=[u],
    parameters=[c],
    domain=Box(x=(0, 1)),
    periodic=["x"],
    time=(0, 2),
    evolution={u: -c * u.diff(x)},
    initial={u: random_fourier(modes=5)},
    conserves=[conservation("mass", u, [c * u]), conservation("energy", u**2 / 2, [c * u**2 / 2])],
    symmetries=[translation("x")],
    characteristic={x: c},
    exact={u: exp(sin(2 * pi * (x - c * t)))},
)
