"""Heat in a rod that is insulated at one end and loses heat to its surroundings at the other."""

from sympy import cos, exp, tan

from sciflow.problems import (
    Box,
    Field,
    Neumann,
    Parameter,
    Problem,
    Robin,
    conservation,
    coordinates,
    gaussian_field,
)

t, x = coordinates("t x")
u = Field("u", unit="K", long_name="temperature above the surroundings")(t, x)
kappa = Parameter("kappa", 0.1, 1e-2, 1.0, scale="log", unit="m^2/s", description="diffusivity")
mu = Parameter("mu", 1.0, 0.3, 1.4, unit="1/m", description="wave number of the slowest mode, sets the loss")
length = Parameter("length", 1.0, unit="m", description="length of the rod")

# kappa u_x + h u = 0 at the cold end. With h = kappa mu tan(mu length) the slowest mode is cos(mu x): instead of mu
# from h by a transcendental equation, h follows from mu. Biot number mu tan(mu) from 0.1 to 8.
loss = kappa * mu * tan(mu * length)

problem = Problem(
    name="heat-rod",
    title="Heat equation in a rod that loses heat",
    reference="Carslaw and Jaeger (1959), Conduction of Heat in Solids, section 3.9",
    fields=[u],
    parameters=[kappa, mu, length],
    scales={x: length, t: length**2 / kappa, u: 1},
    domain=Box(x=(0, length)),
    time=(0, 2),
    evolution={u: kappa * u.diff(x, 2)},
    initial={u: gaussian_field(mean=1.0, amplitude=5.0)},
    boundary={u: {"x-": Neumann(0), "x+": Robin(0, a=loss, b=kappa)}},
    conserves=[conservation("heat", u, [-kappa * u.diff(x)])],
    exact={u: exp(-kappa * mu**2 * t) * cos(mu * x)},
)
