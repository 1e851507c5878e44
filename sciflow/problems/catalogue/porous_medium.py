"""Porous-medium equation: diffusion that vanishes with the density, so that a front moves at a finite speed."""

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
    table,
)

t, x = coordinates("t x")
u = Field("u", unit="", long_name="density")(t, x)
m = Parameter("m", 3.0, 1.0, 6.0, unit="", description="exponent of the diffusivity")

flux = -positive_power(u, m) * u.diff(x)

# A wave of speed 1 that enters at x = 0: steeper at its front x = t the larger m is.
problem = Problem(
    name="porous-medium",
    title="Porous-medium equation",
    reference="Hansen et al. (2023), arXiv:2302.11002, section 4.1; Vazquez (2007), The Porous Medium Equation",
    fields=[u],
    parameters=[m],
    domain=Box(x=(0, 1)),
    time=(0, 1),
    evolution={u: -flux.diff(x)},
    boundary={u: {"x-": Dirichlet(positive_power(m * t, 1 / m)), "x+": Dirichlet(0)}},
    conserves=[
        conservation(
            "mass", u, [flux],
            total=m ** (1 + 1 / m) / (m + 1) * t ** (1 + 1 / m),
            inflow=(m * t) ** (1 / m),
        )
    ],
    exact={u: positive_power(m * (t - x), 1 / m)},
    subsets={"training": sampled(m=(1, 6)), "published": table(m=[1] * 50 + [3] * 50 + [6] * 50)},
    solver=Solver("volume"),
)  # fmt: skip
