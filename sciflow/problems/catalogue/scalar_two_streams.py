"""A scalar carried by two streams side by side, whose speeds forecasts must find out."""

from sympy import Rational, cos, pi, tanh

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
    laplacian,
    numbered_waves,
    table,
    translation,
)

t, x, y = coordinates("t x y")
s = Field("s", unit="", long_name="scalar")(t, x, y)
kappa = Parameter("kappa", 1e-3, unit="m^2/s", description="diffusivity")
c1 = Parameter("c1", -1.0, -4, 4, unit="m/s", description="speed of the stream about y = 0", hidden=True)
c2 = Parameter("c2", 1.0, -4, 4, unit="m/s", description="speed of the stream about y = 1/2", hidden=True)
start = Parameter("start", 1, 0, 1000, unit="", description="number of the start", hidden=True)

share = (1 - tanh(3 * cos(2 * pi * y))) / 2  # 0 about y = 0, 1 about y = 1/2
speed = c1 + (c2 - c1) * share

problem = Problem(
    name="scalar-two-streams",
    title="Passive scalar in two unknown streams",
    reference="Taylor (1953), Proc. R. Soc. A 219, 186-203 (a scalar in a shear flow)",
    fields=[s],
    parameters=[kappa, c1, c2, start],
    domain=Box(x=(0, 1), y=(0, 1)),
    periodic=["x", "y"],
    time=(0, 1),
    evolution={s: -speed * s.diff(x) + kappa * laplacian(s)},
    initial={s: numbered_waves(start, {x: 1, y: 1}, modes=3)},
    conserves=[conservation("amount", s, [speed * s - kappa * s.diff(x), -kappa * s.diff(y)])],
    symmetries=[translation("x"), galilean("x", velocity=(c1, c2))],
    characteristic={x: speed, y: Rational(0)},
    subsets={
        "training": table(
            c1=[k % 3 - 1 for k in range(36)], c2=[k // 3 % 3 - 1 for k in range(36)], start=range(1, 37)
        ),
        "testing": grid(c1=[-2, -1, 0, 1, 2], c2=[-2, 0, 2], start=range(100, 102)),
    },
    solver=Solver("periodic", comoving=True),
)
