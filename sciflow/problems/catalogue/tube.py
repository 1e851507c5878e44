"""Water entering a tube full of air.

The published data hold the velocity of the water phase; here u and v are those of the mixture, in the whole tube.

Without surface tension the water that meets a no-slip wall leaves a film of air there as thick as a cell, on which it
slides, so that the place where it takes hold of the wall depends on the grid. Doubling the declared grid changes the
velocity in 41 frames of 64 x 64 over one transit by 2.7 % at Re 1, 8.8 % at Re 100 (2.3 % in the fifth frame, then
growing) and 2.2 % at Re 10,000.
"""

from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    NoSlip,
    Outflow,
    Parameter,
    Problem,
    Signal,
    Solver,
    conservation,
    coordinates,
    grid,
    sampled,
    table,
)
from sciflow.problems.modulation import Modulation

t, x, y = coordinates("t x y")
velocity = Field("velocity", components=("u", "v"), unit="m/s", long_name="velocity of the mixture")(t, x, y)
p = Field("p", unit="Pa", long_name="pressure")(t, x, y)
alpha = Field("alpha", unit="", long_name="volume fraction of water")(t, x, y)

u_in = Parameter("u_in", 1.0, unit="m/s", description="reference speed of the inflow")
rho = Parameter("rho", 100.0, unit="kg/m^3", description="density of the water")
mu = Parameter("mu", 0.1, 0.01, 1.0, scale="log", unit="Pa*s", description="dynamic viscosity of the water")
width = Parameter("width", 1.0, unit="m", description="length of the tube")
height = Parameter("height", 0.1, unit="m", description="distance between the walls")

passed = t * u_in / width  # time in units in which the inflow crosses the tube
waves = Modulation.of("inlet", passed, period=0.5, unit="width / u_in")
inlet = Signal(
    "inlet",
    u_in * waves.factor,
    coefficients=waves.coefficients,
    unit="m/s",
    long_name="speed of the inflow",
)(t)

_BOX: dict[str, list[float]] = {"width": [1.0], "height": [0.1]}
_HEIGHTS = [0.01, 0.05, 0.1, 0.3, 0.5]
_RATIOS = [10.0, 12.5, 15.0, 17.5, 20.0]

problem = Problem(
    name="tube",
    title="Water entering a tube full of air",
    reference="Luo et al. (2023), CFDBench, arXiv:2310.05963 (subsets prop, bc, geo)",
    fields=[velocity, p, alpha],
    parameters=[u_in, rho, mu, width, height],
    signals=[inlet],
    scales={x: width, y: height, t: width / u_in, velocity: u_in, p: rho * u_in**2},
    numbers={"Re": rho * u_in * height / mu},
    domain=Box(x=(0, width), y=(0, height)),
    time=(0, 2),
    boundary={
        velocity: {"x-": Dirichlet((inlet, 0)), "x+": Outflow(), "y-": NoSlip(), "y+": NoSlip()},
        p: {"x+": Dirichlet(0)},
        alpha: {"x-": Dirichlet(1)},
    },
    conserves=[conservation("water", alpha, alpha * velocity)],
    subsets={
        # CFDBench: Re 1 to 10,000.
        "prop": grid(
            rho=[10 + 110 * k for k in range(10)],
            mu=[round(0.01 + 0.11 * k, 2) for k in range(10)],
            **_BOX,
            u_in=[1.0],
        ),
        "bc": grid(u_in=[k / 10 for k in range(1, 51)], rho=[100.0], mu=[0.1], **_BOX),
        # The published list of 25 is not public: five heights and lengths of 10 to 20 heights, which span the published
        # 0.1 m to 10 m and hold the base case.
        "geo": table(
            height=[d for d in _HEIGHTS for _ in _RATIOS],
            width=[round(d * ratio, 6) for d in _HEIGHTS for ratio in _RATIOS],
            rho=[100.0] * 25,
            mu=[0.1] * 25,
            u_in=[1.0] * 25,
        ),
        # Re 20 to 500; the inflow varies in time, so that the family has no single parameter.
        "driven": sampled(
            mu=(0.02, 0.5, "log"),
            **waves.ranges(amplitude=(0.1, 0.35), period=(0.3, 1.0)),
        ),
    },
    solver=Solver("two-phase", solve_resolution=(128, 64), gravity=0.0),
)
