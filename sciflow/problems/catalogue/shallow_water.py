"""Shallow water over a random bed on a periodic square."""

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    conservation,
    coordinates,
    div,
    gaussian_field,
)

t, x, y = coordinates("t x y")
h = Field("h", unit="m", long_name="depth")(t, x, y)
q = Field("q", components=("qx", "qy"), unit="m^2/s", long_name="momentum")(t, x, y)
b = Field("b", unit="m", long_name="bed")(x, y)
g = Parameter("g", 1.0, unit="m/s^2", description="gravity")

problem = Problem(
    name="shallow-water",
    title="Shallow-water equations",
    reference="Audusse et al. (2004), SIAM J. Sci. Comput. 25, 2050-2065",
    fields=[h, q],
    parameters=[g],
    inputs={b: gaussian_field(smoothness=2, scale=3, amplitude=2)},
    domain=Box(x=(0, 1), y=(0, 1)),
    periodic=["x", "y"],
    time=(0, 1),
    evolution={
        h: -div(q),
        q[0]: -div(q[0] * q / h) - g * h * (h + b).diff(x),
        q[1]: -div(q[1] * q / h) - g * h * (h + b).diff(y),
    },
    # Bumps of 0.1 to 0.3 m: waves of this size steepen to bores.
    initial={h: gaussian_field(smoothness=2, scale=3, amplitude=2, mean=1), q: (0, 0)},
    conserves=[conservation("mass", h, q)],
    characteristic={x: q[0] / h, y: q[1] / h},
    scales={x: 1, y: 1, h: 1, q: 0.2, b: 0.2},
)
