"""Wave equation on a periodic square, as displacement and velocity."""

from sympy import cos, pi, sin, sqrt

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    conservation,
    coordinates,
    dot,
    grad,
    laplacian,
    random_fourier,
    translation,
)

t, x, y = coordinates("t x y")
u = Field("u", unit="m", long_name="displacement")(t, x, y)
v = Field("v", unit="m/s", long_name="velocity")(t, x, y)
c = Parameter("c", 1.0, 0.5, 1.5, unit="m/s", description="speed of waves")

travelling = sin(2 * pi * (x - c * t))
standing = cos(2 * pi * x) * cos(4 * pi * y) * cos(2 * pi * sqrt(5) * c * t) / 2
modes = travelling + standing

problem = Problem(
    name="wave-2d",
    title="Wave equation of a membrane",
    reference="Euler (1766), Novi Comm. Acad. Petrop. 10, 243-260; "
    "Evans (2010), Partial Differential Equations, section 2.4",
    fields=[u, v],
    parameters=[c],
    domain=Box(x=(0, 1), y=(0, 1)),
    periodic=["x", "y"],
    time=(0, 1),
    evolution={u: v, v: c**2 * laplacian(u)},
    initial={u: random_fourier(modes=4)},  # at rest
    conserves=[
        conservation("momentum", v, -(c**2) * grad(u)),
        conservation("energy", v**2 / 2 + c**2 * dot(grad(u), grad(u)) / 2, -(c**2) * v * grad(u)),
    ],
    symmetries=[translation("x"), translation("y")],
    exact={u: modes, v: modes.diff(t)},
)
