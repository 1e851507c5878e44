"""Kuramoto-Sivashinsky equation from a fixed start, before chaos sets in."""

from sympy import cos, pi, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, galilean, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="slope of the front")(t, x)
a = Parameter("a", 1.0, 0.1, 2.0, unit="", description="amplitude of the start")

problem = Problem(
    name="kuramoto-sivashinsky-cosine",
    title="Kuramoto-Sivashinsky equation from a cosine",
    reference="Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214-1233, section 4 (to t = 150)",
    fields=[u],
    parameters=[a],
    domain=Box(x=(0, 32 * pi)),
    periodic=["x"],
    time=(0, 20),
    evolution={u: -u * u.diff(x) - u.diff(x, 2) - u.diff(x, 4)},
    initial={u: a * cos(x / 16) * (1 + sin(x / 16))},
    conserves=[conservation("mass", u, [u**2 / 2 + u.diff(x) + u.diff(x, 3)])],
    symmetries=[translation("x"), galilean("x", velocity=u)],
    subsets={"table": table(a=[0.5, 1])},
)
