"""Incompressible Navier-Stokes in primitive variables on the 2 pi periodic cube."""

from sympy import Eq, Rational, cos, exp, pi, sin

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    conservation,
    coordinates,
    div,
    dot,
    galilean,
    grad,
    laplacian,
    translation,
)

t, x, y, z = coordinates("t x y z")
velocity = Field("velocity", components=("u", "v", "w"), unit="m/s")(t, x, y, z)
u, v, w = velocity
p = Field("p", unit="m^2/s^2", long_name="pressure over density, mean zero")(t, x, y, z)
nu = Parameter("nu", 1e-2, 1e-3, 1e-1, scale="log", unit="m^2/s", description="viscosity")

# Taylor and Green (1937), at its start; Re = 1 / nu.
vortex = (sin(x) * cos(y) * cos(z), -cos(x) * sin(y) * cos(z), 0)

# Arnold, Beltrami and Childress: curl velocity = velocity, so that velocity . grad velocity = grad(|velocity|^2 / 2).
A, B, C = 1, Rational(4, 5), Rational(3, 5)
decay = exp(-nu * t)
beltrami = (
    (A * sin(z) + C * cos(y)) * decay,
    (B * sin(x) + A * cos(z)) * decay,
    (C * sin(y) + B * cos(x)) * decay,
)
beltrami_pressure = -(A * C * sin(z) * cos(y) + A * B * sin(x) * cos(z) + B * C * sin(y) * cos(x)) * decay**2

problem = Problem(
    name="navier-stokes-3d",
    title="Navier-Stokes in a periodic cube",
    reference="Brachet et al. (1983), J. Fluid Mech. 130, 411-452 (Taylor-Green vortex); exact solution: the decaying "
    "flow of Arnold, Beltrami and Childress, Dombre et al. (1986), J. Fluid Mech. 167, 353-391",
    fields=[velocity, p],
    parameters=[nu],
    domain=Box(x=(0, 2 * pi), y=(0, 2 * pi), z=(0, 2 * pi)),
    periodic=["x", "y", "z"],
    time=(0, 10),
    evolution={velocity: -dot(velocity, grad)(velocity) - grad(p) + nu * laplacian(velocity)},
    constraints={p: Eq(div(velocity), 0)},
    initial={velocity: vortex},
    conserves=[
        conservation("mass", 1, [u, v, w]),
        conservation("momentum x", u, [u * u + p - nu * u.diff(x), v * u - nu * u.diff(y), w * u - nu * u.diff(z)]),
        conservation("momentum y", v, [u * v - nu * v.diff(x), v * v + p - nu * v.diff(y), w * v - nu * v.diff(z)]),
        conservation("momentum z", w, [u * w - nu * w.diff(x), v * w - nu * w.diff(y), w * w + p - nu * w.diff(z)]),
    ],
    symmetries=[
        translation("x"),
        translation("y"),
        translation("z"),
        galilean("x", velocity=u),
        galilean("y", velocity=v),
        galilean("z", velocity=w),
    ],
    characteristic={x: u, y: v, z: w},
    exact={velocity: beltrami, p: beltrami_pressure},
)
