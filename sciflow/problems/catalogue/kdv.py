"""Korteweg-de Vries equation in the form of Zabusky and Kruskal."""

from sympy import cosh, sqrt

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
u = Field("u", unit="", long_name="elevation")(t, x)
delta = Parameter("delta", 0.022, 0.018, 0.03, unit="", description="square root of the dispersion")

SPEED, START = 1, 1


def _soliton(centre: object) -> object:
    return 3 * SPEED / cosh(sqrt(SPEED) / (2 * delta) * (x - centre)) ** 2


# A soliton and its periodic images: while it is further than half a unit from the ends, they touch below 1e-9.
_image = [_soliton(START + SPEED * t + 2 * shift) for shift in (-1, 0, 1)]

problem = Problem(
    name="kdv",
    title="Korteweg-de Vries equation",
    reference="Zabusky and Kruskal (1965), Phys. Rev. Lett. 15, 240-243",
    fields=[u],
    parameters=[delta],
    domain=Box(x=(0, 2)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -u * u.diff(x) - delta**2 * u.diff(x, 3)},
    initial={u: random_fourier(modes=2)},
    conserves=[
        conservation("mass", u, [u**2 / 2 + delta**2 * u.diff(x, 2)]),
        conservation("momentum", u**2 / 2, [u**3 / 3 + delta**2 * (u * u.diff(x, 2) - u.diff(x) ** 2 / 2)]),
    ],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    characteristic={x: u},
    exact={u: sum(_image)},
)
