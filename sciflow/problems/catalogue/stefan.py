"""One-phase Stefan problem: heat spreads only where it is warmer than the melting point."""

from sympy import Piecewise, Rational, erf, pi, sqrt

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    positive_power,
    sampled,
    stefan_root,
    table,
)

t, x = coordinates("t x")
u = Field("u", unit="", long_name="enthalpy")(t, x)
u_star = Parameter("u_star", 0.6, 0.55, 0.7, unit="", description="value at the front, above which heat spreads")

# Diffusivity 1 above u_star and 0 below; phi(u), its integral, is continuous, and carries the equation over the front.
phi = positive_power(u - u_star, 1)

# Similarity solution: the front lies at 2 z sqrt(t), where u falls from u_star to 0.
z = stefan_root(u_star)
drop = (1 - u_star) / erf(z)
rate = positive_power(t, Rational(-1, 2))  # 0 at t = 0, when the wall is warmed at once and the flux is infinite

problem = Problem(
    name="stefan",
    title="Stefan problem with one phase",
    reference="Hansen et al. (2023), arXiv:2302.11002, section 4.1 and appendix; van der Meer et al. (2016), "
    "Comput. Math. Appl. 72, 2751",
    fields=[u],
    parameters=[u_star],
    domain=Box(x=(0, 1)),
    time=(0, 0.1),
    evolution={u: phi.diff(x, 2)},
    boundary={u: {"x-": Dirichlet(1), "x+": Dirichlet(0)}},
    conserves=[
        conservation("mass", u, [-phi.diff(x)], total=2 * drop * sqrt(t / pi), inflow=drop * rate / sqrt(pi)),
    ],
    exact={u: Piecewise((1 - drop * erf(x * rate / 2), x <= 2 * z * sqrt(t)), (0, True))},
    subsets={"training": sampled(u_star=(0.55, 0.7)), "published": table(u_star=[0.5] * 50 + [0.6] * 50)},
    solver=Solver("volume"),
)
