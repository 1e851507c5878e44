"""Heat equation."""

from sympy import cos, exp, pi, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, random_fourier, translation

t, x = coordinates("t x")
u = Field("u", unit="K", long_name="temperature")(t, x)
kappa = Parameter("kappa", 1e-2, 1e-3, 1e-1, scale="log", unit="m^2/s", description="diffusivity")


def _mode(number: int) -> object:
    return exp(-kappa * (2 * pi * number) ** 2 * t)


problem = Problem(
    name="heat",
    title="Heat equation",
    reference="Fourier (1822), Theorie analytique de la chaleur",
    fields=[u],
    parameters=[kappa],
    domain=Box(x=(0, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: kappa * u.diff(x, 2)},
    initial={u: random_fourier(modes=5)},
    conserves=[conservation("heat", u, [-kappa * u.diff(x)])],
    symmetries=[translation("x")],
    exact={u: _mode(1) * sin(2 * pi * x) + _mode(2) * cos(4 * pi * x) / 2},
)
