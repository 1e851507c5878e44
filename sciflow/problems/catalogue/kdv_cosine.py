"""Korteweg-de Vries equation from a cosine, which steepens and breaks up into solitons."""

from sympy import cos, pi

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, galilean, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="elevation")(t, x)
delta = Parameter("delta", 0.022, 0.018, 0.1, unit="", description="square root of the dispersion")

problem = Problem(
    name="kdv-cosine",
    title="Korteweg-de Vries equation from a cosine",
    reference="Zabusky and Kruskal (1965), Phys. Rev. Lett. 15, 240-243",
    fields=[u],
    parameters=[delta],
    domain=Box(x=(-1, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: -u * u.diff(x) - delta**2 * u.diff(x, 3)},
    initial={u: cos(pi * x)},
    conserves=[
        conservation("mass", u, [u**2 / 2 + delta**2 * u.diff(x, 2)]),
        conservation("momentum", u**2 / 2, [u**3 / 3 + delta**2 * (u * u.diff(x, 2) - u.diff(x) ** 2 / 2)]),
    ],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    subsets={"table": table(delta=[0.022, 0.044])},
)
