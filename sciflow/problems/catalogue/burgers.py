"""Viscous Burgers equation on a periodic interval."""

from sympy import Rational, cos, exp, pi, sin

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    conservation,
    coordinates,
    galilean,
    random_fourier,
    translation,
)

t, x = coordinates("t x")
u = Field("u", unit="m/s", long_name="velocity")(t, x)
nu = Parameter("nu", 1e-2, 1e-3, 1e-1, scale="log", unit="m^2/s", description="viscosity")

# Hopf (1950) and Cole (1951): u = -2 nu phi_x / phi turns the equation into phi_t = nu phi_xx.
phi = 1 + Rational(9, 10) * exp(-nu * (2 * pi) ** 2 * t) * cos(2 * pi * x)

problem = Problem(
    name="burgers",
    title="Viscous Burgers equation",
    reference="Burgers (1948), Adv. Appl. Mech. 1, 171-199; exact solution: Hopf (1950), Cole (1951)",
    fields=[u],
    parameters=[nu],
    scales={x: 1, u: 1},
    domain=Box(x=(0, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -u * u.diff(x) + nu * u.diff(x, 2)},
    initial={u: random_fourier(modes=5)},
    conserves=[conservation("mass", u, [u**2 / 2 - nu * u.diff(x)])],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    characteristic={x: u},
    exact={u: Rational(9, 10) * 4 * pi * nu * exp(-nu * (2 * pi) ** 2 * t) * sin(2 * pi * x) / phi},
)
