"""Inviscid Burgers equation on a periodic interval."""

from sciflow.problems import (
    Box,
    Field,
    Problem,
    Solver,
    conservation,
    coordinates,
    galilean,
    random_fourier,
    translation,
)

t, x = coordinates("t x")
u = Field("u", unit="m/s", long_name="velocity")(t, x)

problem = Problem(
    name="inviscid-burgers",
    title="Inviscid Burgers equation",
    reference="LeVeque (2002), Finite Volume Methods for Hyperbolic Problems, chapter 11",
    fields=[u],
    scales={x: 1, u: 1},
    domain=Box(x=(0, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -u * u.diff(x)},
    # The slopes of these fields reach 10 to 20: shocks form at times near 0.1.
    initial={u: random_fourier(modes=3, amplitude=0.5)},
    conserves=[conservation("mass", u, [u**2 / 2])],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    characteristic={x: u},
    solver=Solver("volume"),
)
