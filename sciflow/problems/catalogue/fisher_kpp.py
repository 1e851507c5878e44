"""Fisher-KPP equation: a front that invades the unstable state."""

from sympy import Rational, exp, sqrt

from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, coordinates

t, x = coordinates("t x")
u = Field("u", unit="", long_name="population density")(t, x)
D = Parameter("D", 1.0, 0.5, 1.5, unit="m^2/s", description="diffusivity")
r = Parameter("r", 1.0, 0.5, 1.5, unit="1/s", description="growth rate")
start = Parameter("start", 0.0, -5.0, 5.0, unit="m", description="position of the front at t = 0")

# Ablowitz and Zeppetella (1979): the front of speed 5 sqrt(r D / 6), the one speed with a closed form.
front = (1 + exp(sqrt(r / (6 * D)) * (x - start) - Rational(5, 6) * r * t)) ** -2

problem = Problem(
    name="fisher-kpp",
    title="Fisher-KPP equation",
    reference="Fisher (1937), Ann. Eugenics 7, 355-369; Kolmogorov, Petrovsky and Piskunov (1937); exact solution: "
    "Ablowitz and Zeppetella (1979), Bull. Math. Biol. 41, 835-840",
    fields=[u],
    parameters=[D, r, start],
    scales={x: sqrt(D / r), t: 1 / r, u: 1},
    domain=Box(x=(-10, 30)),
    time=(0, 8),
    evolution={u: D * u.diff(x, 2) + r * u * (1 - u)},
    initial={u: front.subs(t, 0)},
    boundary={u: {"x-": Dirichlet(front), "x+": Dirichlet(front)}},
    exact={u: front},
)
