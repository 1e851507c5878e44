"""Viscous Burgers equation around a mean velocity that forecasts must find out."""

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    galilean,
    grid,
    numbered_waves,
    table,
    translation,
)

t, x = coordinates("t x")
u = Field("u", unit="m/s", long_name="velocity")(t, x)
nu = Parameter("nu", 5e-3, unit="m^2/s", description="viscosity")
mean = Parameter("mean", 0.0, -4, 4, unit="m/s", description="mean velocity", hidden=True)
start = Parameter("start", 1, 0, 1000, unit="", description="number of the start", hidden=True)

problem = Problem(
    name="burgers-boost",
    title="Viscous Burgers equation around an unknown mean velocity",
    reference="Burgers (1948), Adv. Appl. Mech. 1, 171-199",
    fields=[u],
    parameters=[nu, mean, start],
    domain=Box(x=(0, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -u * u.diff(x) + nu * u.diff(x, 2)},
    initial={u: mean + numbered_waves(start, {x: 1}, modes=3)},
    conserves=[conservation("mass", u, [u**2 / 2 - nu * u.diff(x)])],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    characteristic={x: u},
    subsets={
        "training": table(mean=[k % 3 - 1 for k in range(54)], start=range(1, 55)),
        "testing": grid(mean=range(-4, 5), start=range(100, 106)),
    },
    solver=Solver("periodic", comoving=True),
)
