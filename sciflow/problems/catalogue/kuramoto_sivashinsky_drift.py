"""Kuramoto-Sivashinsky equation in a mean flow that forecasts must find out."""

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
u = Field("u", unit="", long_name="slope of the front")(t, x)
length = Parameter("length", 22.0, unit="", description="period of the domain")
c = Parameter("c", 0.0, -1.375, 1.375, unit="", description="mean flow", hidden=True)
start = Parameter("start", 1, 0, 1000, unit="", description="number of the start", hidden=True)

CELL = 22 / 64  # a mean flow of one cell of 64 per unit of time

problem = Problem(
    name="kuramoto-sivashinsky-drift",
    title="Kuramoto-Sivashinsky equation in an unknown mean flow",
    reference="Kuramoto and Tsuzuki (1976), Prog. Theor. Phys. 55, 356-369; Sivashinsky (1977), Acta Astronaut. 4, "
    "1177-1206; period 22: Cvitanovic, Davidchack and Siminos (2010), SIAM J. Appl. Dyn. Syst. 9, 1-33, eq. 1.1",
    fields=[u],
    parameters=[length, c, start],
    domain=Box(x=(0, length)),
    periodic=["x"],
    time=(0, 60),
    evolution={u: -(u + c) * u.diff(x) - u.diff(x, 2) - u.diff(x, 4)},
    initial={u: numbered_waves(start, {x: length}, modes=3)},
    conserves=[conservation("mass", u, [u**2 / 2 + c * u + u.diff(x) + u.diff(x, 3)])],
    symmetries=[translation("x"), galilean("x", velocity=c)],
    characteristic={x: u + c},
    subsets={
        "training": table(c=[(k % 3 - 1) * CELL for k in range(54)], start=range(1, 55)),
        "testing": grid(c=[k * CELL for k in range(-4, 5)], start=range(100, 106)),
    },
    solver=Solver("periodic", comoving=True),
)
