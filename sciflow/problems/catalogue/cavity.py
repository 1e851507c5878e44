"""Lid-driven cavity."""

from sympy import Eq

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    NoSlip,
    Parameter,
    Problem,
    Signal,
    Solver,
    conservation,
    coordinates,
    div,
    dot,
    grad,
    grid,
    laplacian,
    ramp,
    sampled,
)
from sciflow.problems.modulation import Modulation

t, x, y = coordinates("t x y")
velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
p = Field("p", unit="Pa", long_name="pressure")(t, x, y)

u_top = Parameter("u_top", 1.0, unit="m/s", description="reference speed of the lid")
width = Parameter("width", 1.0, unit="m", description="width of the cavity")
height = Parameter("height", 1.0, unit="m", description="height of the cavity")
rho = Parameter("rho", 1.0, unit="kg/m^3", description="density")
mu = Parameter("mu", 1e-2, 5e-4, 1e-2, scale="log", unit="Pa*s", description="dynamic viscosity")

turnover = t * u_top / width  # time in units in which the lid crosses the cavity
waves = Modulation.of("lid", turnover, period=5.0, unit="width / u_top")
lid = Signal(
    "lid",
    u_top * ramp(turnover) * waves.factor,
    coefficients=waves.coefficients,
    unit="m/s",
    long_name="speed of the lid",
)(t)

_BASE_BOX: dict[str, list[float]] = {"width": [0.01], "height": [0.01]}
_BASE_FLUID: dict[str, list[float]] = {"rho": [1], "mu": [1e-5]}
_SIDES = [0.01, 0.02, 0.03, 0.04, 0.05]

problem = Problem(
    name="cavity",
    title="Lid-driven cavity",
    reference="Luo et al. (2023), CFDBench, arXiv:2310.05963 (subsets prop, bc, geo); "
    "Ghia, Ghia and Shin (1982), J. Comput. Phys. 48, 387-411; "
    "Botella and Peyret (1998), Comput. Fluids 27, 421-433",
    fields=[velocity, p],
    parameters=[u_top, width, height, rho, mu],
    signals=[lid],
    scales={x: width, y: width, t: width / u_top, velocity: u_top, p: rho * u_top**2},
    numbers={"Re": rho * u_top * width / mu},
    domain=Box(x=(0, width), y=(0, height)),
    time=(0, 20),
    evolution={velocity: -dot(velocity, grad)(velocity) - grad(p) / rho + mu / rho * laplacian(velocity)},
    constraints={p: Eq(div(velocity), 0)},
    initial={velocity: (0, 0)},
    boundary={
        velocity: {"x-": NoSlip(), "x+": NoSlip(), "y-": NoSlip(), "y+": Dirichlet((lid, 0))},
        p: {"gauge": 0},
    },
    conserves=[conservation("mass", rho, rho * velocity)],
    characteristic={x: velocity[0], y: velocity[1]},
    subsets={
        # CFDBench (arXiv:2310.05963), 159 cases about the base case of Re 10,000.
        "prop": grid(
            rho=[0.1, 0.5, *range(1, 11)], mu=[1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2], **_BASE_BOX, u_top=[10]
        ),
        "bc": grid(u_top=range(1, 51), **_BASE_BOX, **_BASE_FLUID),
        "geo": grid(height=_SIDES, width=_SIDES, **_BASE_FLUID, u_top=[10]),
        # Re 100 to 2000 at the defaults; the lid's speed varies in time, so that the family has no single parameter.
        "driven": sampled(
            mu=(5e-4, 1e-2, "log"),
            **waves.ranges(amplitude=(0.15, 0.45), period=(2.5, 8.0)),
        ),
        "constant": sampled(mu=(5e-4, 1e-2, "log")),
    },
    solver=Solver("incompressible", convection="quick", stretch=1.6),
)
