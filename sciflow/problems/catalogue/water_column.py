"""A column of water that collapses in a closed box, twice as high as wide (n^2 = 2 in Martin and Moyce)."""

from sympy import And, Piecewise, sqrt

from sciflow.problems import Box, Field, NoSlip, Parameter, Problem, Solver, conservation, coordinates, sampled

t, x, y = coordinates("t x y")
velocity = Field("velocity", components=("u", "v"), unit="m/s", long_name="velocity of the mixture")(t, x, y)
p = Field("p", unit="Pa", long_name="pressure above that of still air")(t, x, y)
alpha = Field("alpha", unit="", long_name="volume fraction of water")(t, x, y)

a = Parameter("a", 0.05715, unit="m", description="width of the column, half its height")
rho = Parameter("rho", 1000.0, unit="kg/m^3", description="density of the water")
mu = Parameter("mu", 1e-3, 1e-3, 1e-1, scale="log", unit="Pa*s", description="dynamic viscosity of the water")

column = And(x < a, y < 2 * a)

problem = Problem(
    name="water-column",
    title="Collapsing column of water",
    reference="Martin and Moyce (1952), Phil. Trans. R. Soc. A 244, 312-324",
    fields=[velocity, p, alpha],
    parameters=[a, rho, mu],
    scales={x: a, y: a, t: sqrt(a / (2 * 9.81)), velocity: sqrt(2 * 9.81 * a), p: rho * 9.81 * a},
    domain=Box(x=(0, 5 * a), y=(0, 3 * a)),
    time=(0, 0.2),
    initial={velocity: (0, 0), alpha: Piecewise((1, column), (0, True))},
    boundary={velocity: {"x-": NoSlip(), "x+": NoSlip(), "y-": NoSlip(), "y+": NoSlip()}},
    conserves=[conservation("water", alpha, alpha * velocity)],
    subsets={"sizes": sampled(a=(0.03, 0.12, "log"), mu=(1e-3, 1e-1, "log"))},
    solver=Solver("two-phase", solve_resolution=(80, 48)),
)
