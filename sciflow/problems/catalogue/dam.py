"""Water over a step: inflow at the foot of the left side, gravity, a barrier, an open right side.

The flux of water is its share of the velocity, alpha u: what happens in the water, and not in the air, which no grid
here resolves.

The published case also lets air in above the inflow; here that part of the side is a wall, so that one side is open.
The published initial patch of water is not documented; here it is the block of water that stands at the inlet.

On the declared grid (cells of 10 by 5 mm) all published obstacles lie on faces. Doubling it changes the frames of 64 x
64 up to 0.4 s by 1.2 to 1.9 % for what happens in the water (of the velocity's norm, u_in 0.05 to 2 m/s); the air, with
shear layers thinner than a cell that roll up, changes by 12 to 16 % at 0.1 s and by 18 to 44 % over 0.4 s. With water
of 1000 kg/m^3 and 0.01 Pa s the jet from the barrier lands at about 0.7 s and squeezes air out at up to 22 m/s: above
10 m/s for 0.14 s of 10 s, while the water stays below 7.2 m/s; by 29 m/s with `projection="pcg"`, by 18 m/s with
`courant=0.1`.
"""

from sympy import And, Piecewise, sqrt

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
)
from sciflow.problems.modulation import Modulation

INLET = 0.1  # height of the inflow and side of the initial block of water, m

t, x, y = coordinates("t x y")
velocity = Field("velocity", components=("u", "v"), unit="m/s", long_name="velocity of the mixture")(t, x, y)
water = Field("water", components=("u_water", "v_water"), unit="m/s", long_name="volume flux of water")(t, x, y)
p = Field("p", unit="Pa", long_name="pressure above that of still air")(t, x, y)
alpha = Field("alpha", unit="", long_name="volume fraction of water")(t, x, y)

u_in = Parameter("u_in", 1.0, unit="m/s", description="reference speed of the inflow")
rho = Parameter("rho", 100.0, unit="kg/m^3", description="density of the water")
mu = Parameter("mu", 0.1, 0.01, 1.0, scale="log", unit="Pa*s", description="dynamic viscosity of the water")
barrier_height = Parameter("barrier_height", 0.1, unit="m", description="height of the barrier")
barrier_width = Parameter("barrier_width", 0.05, unit="m", description="width of the barrier")

speed = sqrt(u_in**2 + 9.81 * INLET)  # of the inflow and of waves on it
passed = t * u_in / barrier_height  # time in units in which the inflow moves by the height of the barrier
waves = Modulation.of("inlet", passed, period=10.0, unit="barrier_height / u_in")
inlet = Signal(
    "inlet",
    u_in * waves.factor,
    coefficients=waves.coefficients,
    unit="m/s",
    long_name="speed of the inflow",
)(t)

block = And(x < INLET, y < INLET)
sides = {
    "x-": Dirichlet((Piecewise((inlet, y < INLET), (0, True)), 0)), "x+": Outflow(),
    "y-": NoSlip(), "y+": NoSlip(), "obstacle": NoSlip(),
}  # fmt: skip
_BARRIER: dict[str, list[float]] = {"barrier_height": [0.1], "barrier_width": [0.05]}

problem = Problem(
    name="dam",
    title="Water over a step",
    reference="Luo et al. (2023), CFDBench, arXiv:2310.05963 (subsets prop, bc, geo)",
    fields=[velocity, p, alpha, water],
    parameters=[u_in, rho, mu, barrier_height, barrier_width],
    signals=[inlet],
    scales={x: INLET, y: INLET, t: INLET / speed, velocity: speed, water: speed, p: rho * speed**2},
    numbers={"Re": rho * u_in * INLET / mu},
    domain=Box(x=(0, 1.5), y=(0, 0.4)) - Box(x=(0.5, 0.5 + barrier_width), y=(0, barrier_height)),
    time=(0, 10),
    initial={velocity: (Piecewise((inlet, block), (0, True)), 0), alpha: Piecewise((1, block), (0, True))},
    boundary={
        velocity: sides,
        water: sides,
        p: {"x+": Dirichlet(0)},
    },
    conserves=[conservation("water", alpha, water)],
    subsets={
        # CFDBench: Re 1 to 10,000.
        "prop": grid(
            rho=[10 + 110 * k for k in range(10)],
            mu=[round(0.01 + 0.11 * k, 2) for k in range(10)],
            **_BARRIER,
            u_in=[1.0],
        ),
        "bc": grid(
            u_in=[*(k / 20 for k in range(1, 21)), *(k / 50 for k in range(51, 101))], rho=[100.0], mu=[0.1], **_BARRIER
        ),
        "geo": grid(
            barrier_height=[0.11, 0.12, 0.13, 0.14, 0.15], barrier_width=[k / 100 for k in range(1, 11)],
            rho=[100.0], mu=[0.1], u_in=[1.0],
        ),
        # Re 20 to 500; the inflow varies in time, so that the family has no single parameter.
        "driven": sampled(
            mu=(0.02, 0.5, "log"),
            **waves.ranges(amplitude=(0.1, 0.35), period=(5.0, 20.0)),
        ),
    },
    solver=Solver("two-phase", solve_resolution=(150, 80)),
)  # fmt: skip
