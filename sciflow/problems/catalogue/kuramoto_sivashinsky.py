"""Kuramoto-Sivashinsky equation."""

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
u = Field("u", unit="", long_name="slope of the front")(t, x)
# No range: cases of one run share their grid. The period is the only number that matters; modes longer than 2 pi grow.
length = Parameter("length", 22.0, unit="", description="period of the domain")

problem = Problem(
    name="kuramoto-sivashinsky",
    title="Kuramoto-Sivashinsky equation",
    reference="Kuramoto and Tsuzuki (1976), Prog. Theor. Phys. 55, 356-369; Sivashinsky (1977), Acta Astronaut. 4, "
    "1177-1206; period 22: Cvitanovic, Davidchack and Siminos (2010), SIAM J. Appl. Dyn. Syst. 9, 1-33, eq. 1.1",
    fields=[u],
    parameters=[length],
    domain=Box(x=(0, length)),
    periodic=["x"],
    time=(0, 60),
    evolution={u: -u * u.diff(x) - u.diff(x, 2) - u.diff(x, 4)},
    initial={u: random_fourier(modes=3)},
    conserves=[conservation("mass", u, [u**2 / 2 + u.diff(x) + u.diff(x, 3)])],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    characteristic={x: u},
)
