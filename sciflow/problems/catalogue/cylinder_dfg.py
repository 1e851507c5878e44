"""The DFG benchmark 2D-2: periodic vortex shedding behind a cylinder in a channel at Re 100."""

from sympy import Eq

from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    NoSlip,
    Outflow,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    div,
    dot,
    grad,
    laplacian,
)

t, x, y = coordinates("t x y")
velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
p = Field("p", unit="Pa", long_name="pressure")(t, x, y)

u_max = Parameter("u_max", 1.5, unit="m/s", description="largest speed of the parabolic inflow")
height = Parameter("height", 0.41, unit="m", description="height of the channel")
radius = Parameter("radius", 0.05, unit="m", description="radius of the cylinder")
rho = Parameter("rho", 1.0, unit="kg/m^3", description="density")
mu = Parameter("mu", 1e-3, unit="Pa*s", description="dynamic viscosity")

mean = 2 * u_max / 3  # speed
inflow = 4 * u_max * y * (height - y) / height**2

problem = Problem(
    name="cylinder-dfg",
    title="Cylinder in a channel: DFG benchmark 2D-2",
    reference="Schaefer and Turek (1996), Benchmark computations of laminar flow around a cylinder, in Flow Simulation "
    "with High-Performance Computers II, 547-566",
    fields=[velocity, p],
    parameters=[u_max, height, radius, rho, mu],
    scales={x: 2 * radius, y: 2 * radius, t: 2 * radius / mean, velocity: mean, p: rho * mean**2},
    numbers={"Re": rho * mean * 2 * radius / mu},
    domain=Box(x=(0, 2.2), y=(0, height)) - Disk((0.2, 0.2), radius),
    time=(0, 10),
    evolution={velocity: -dot(velocity, grad)(velocity) - grad(p) / rho + mu / rho * laplacian(velocity)},
    constraints={p: Eq(div(velocity), 0)},
    initial={velocity: (inflow, 0)},
    boundary={
        velocity: {
            "x-": Dirichlet((inflow, 0)), "x+": Outflow(), "y-": NoSlip(), "y+": NoSlip(), "obstacle": NoSlip()
        },
        p: {"x+": Dirichlet(0)},
    },
    conserves=[conservation("mass", rho, rho * velocity)],
    characteristic={x: velocity[0], y: velocity[1]},
    solver=Solver("immersed", solve_resolution=32, stretch=8.0),
)  # fmt: skip
