"""Advection-diffusion."""

from sympy import cos, exp, pi, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, random_fourier, translation

t, x = coordinates("t x")
u = Field("u", unit="kg/m^3", long_name="concentration")(t, x)
c = Parameter("c", 0.5, 0.1, 1.0, unit="m/s", description="speed")
kappa = Parameter("kappa", 1e-2, 1e-3, 1e-1, scale="log", unit="m^2/s", description="diffusivity")

moving = x - c * t


def _decay(number: int) -> object:
    return exp(-kappa * (2 * pi * number) ** 2 * t)


problem = Problem(
    name="advection-diffusion",
    title="Advection-diffusion equation",
    reference="Hundsdorfer and Verwer (2003), Numerical Solution of Time-Dependent Advection-Diffusion-Reaction "
    "Equations, section I.2",
    fields=[u],
    parameters=[c, kappa],
    domain=Box(x=(0, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -c * u.diff(x) + kappa * u.diff(x, 2)},
    initial={u: random_fourier(modes=5)},
    conserves=[conservation("mass", u, [c * u - kappa * u.diff(x)])],
    symmetries=[translation("x")],
    characteristic={x: c},
    exact={u: _decay(1) * sin(2 * pi * moving) + _decay(2) * cos(4 * pi * moving) / 2},
)
