"""Steady lid-driven cavity."""

from sympy import Eq

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    NoSlip,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    div,
    dot,
    grad,
    grid,
    laplacian,
)

x, y = coordinates("x y")
velocity = Field("velocity", components=("u", "v"), unit="m/s")(x, y)
p = Field("p", unit="Pa", long_name="pressure")(x, y)
u, v = velocity

u_top = Parameter("u_top", 1.0, unit="m/s", description="speed of the lid")
length = Parameter("length", 1.0, unit="m", description="side of the cavity")
rho = Parameter("rho", 1.0, unit="kg/m^3", description="density")
mu = Parameter("mu", 1e-2, 1e-3, 1e-2, scale="log", unit="Pa*s", description="dynamic viscosity")

momentum = dot(velocity, grad)(velocity) + grad(p) / rho - mu / rho * laplacian(velocity)

problem = Problem(
    name="cavity-steady",
    title="Steady lid-driven cavity",
    reference="Ghia, Ghia and Shin (1982), J. Comput. Phys. 48, 387-411; "
    "Botella and Peyret (1998), Comput. Fluids 27, 421-433",
    fields=[velocity, p],
    parameters=[u_top, length, rho, mu],
    scales={x: length, y: length, velocity: u_top, p: rho * u_top**2},
    domain=Box(x=(0, length), y=(0, length)),
    steady={u: Eq(momentum[0], 0), v: Eq(momentum[1], 0), p: Eq(div(velocity), 0)},
    boundary={
        velocity: {"x-": NoSlip(), "x+": NoSlip(), "y-": NoSlip(), "y+": Dirichlet((u_top, 0))},
        p: {"gauge": 0},
    },
    conserves=[conservation("mass", rho, rho * velocity)],
    characteristic={x: u, y: v},
    subsets={"ghia": grid(mu=[1e-2, 2.5e-3, 1e-3])},  # Re 100, 400 and 1000 at the defaults
    solver=Solver("incompressible-steady", convection="quick", stretch=1.6),
)
