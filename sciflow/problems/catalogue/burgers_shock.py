"""Inviscid Burgers equation from a falling ramp, which steepens into a shock that leaves the domain."""

from sympy import And, Max, Min, Piecewise

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Outflow,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    positive_power,
    sampled,
    table,
)

t, x = coordinates("t x")
u = Field("u", unit="", long_name="velocity")(t, x)
a = Parameter("a", 3.0, 1.0, 4.0, unit="", description="velocity on the left, slope of the ramp")

# The ramp between u = a and u = 0 closes at t = 1 / a. Its upper end moves at speed a, the shock after it at a / 2; it
# leaves at t = 3 / a, and then all of the domain has u = a.
lead = a * t - 1
front = Min(lead, 0) + Max(lead, 0) / 2
steepness = a * positive_power(-lead, -1)  # 0 when there is no ramp any more

problem = Problem(
    name="burgers-shock",
    title="Inviscid Burgers equation from a ramp",
    reference="Hansen et al. (2023), arXiv:2302.11002, section 4.1; LeVeque (2002), Finite Volume Methods for "
    "Hyperbolic Problems, chapter 11",
    fields=[u],
    parameters=[a],
    domain=Box(x=(-1, 1)),
    time=(0, 1),
    evolution={u: -u * u.diff(x)},
    initial={u: Piecewise((a, x <= -1), (-a * x, x <= 0), (0, True))},
    boundary={u: {"x-": Dirichlet(a), "x+": Outflow()}},
    conserves=[
        conservation(
            "mass", u, [u**2 / 2],
            total=Piecewise((a * (1 + a * t) / 2, a * t < 3), (2 * a, True)),
            inflow=Piecewise((a**2 / 2, a * t < 3), (0, True)),
        )
    ],
    characteristic={x: u},
    exact={u: Piecewise((a, x <= front), (-steepness * x, And(x <= 0, lead < 0)), (0, True))},
    subsets={"training": sampled(a=(1, 4)), "published": table(a=[1] * 50 + [3] * 50)},
    solver=Solver("volume"),
)  # fmt: skip
