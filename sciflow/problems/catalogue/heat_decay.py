"""Heat equation from a sine: the whole profile decays, and its mean stays zero."""

from math import pi

from sympy import exp, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, sampled, table

t, x = coordinates("t x")
u = Field("u", unit="", long_name="temperature")(t, x)
k = Parameter("k", 3.0, 1.0, 5.0, unit="", description="diffusivity")

problem = Problem(
    name="heat-decay",
    title="Heat equation from a sine",
    reference="Hansen et al. (2023), arXiv:2302.11002, section 4.1",
    fields=[u],
    parameters=[k],
    domain=Box(x=(0, 2 * pi)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: k * u.diff(x, 2)},
    initial={u: sin(x)},
    conserves=[conservation("heat", u, [-k * u.diff(x)], total=0, inflow=0)],
    exact={u: exp(-k * t) * sin(x)},
    subsets={"training": sampled(k=(1, 5)), "published": table(k=[1] * 50 + [5] * 50)},
)
