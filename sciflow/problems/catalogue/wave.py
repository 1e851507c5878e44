"""Wave equation of a string with fixed ends."""

from sympy import cos, pi, sin

from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, conservation, coordinates

t, x = coordinates("t x")
u = Field("u", unit="m", long_name="displacement")(t, x)
v = Field("v", unit="m/s", long_name="velocity")(t, x)
c = Parameter("c", 2.0, 1.0, 3.0, unit="m/s", description="wave speed")
length = Parameter("length", 1.0, unit="m", description="length of the string")
# Amplitudes of the standing modes; by default those of the usual benchmark of physics-informed networks.
amplitudes = [
    Parameter(f"a{mode}", value, -1.0, 1.0, unit="m", description=f"amplitude of mode {mode}")
    for mode, value in ((1, 1.0), (2, 0.0), (3, 0.0), (4, 0.5))
]

modes = list(enumerate(amplitudes, start=1))
shape = sum(a * sin(n * pi * x / length) for n, a in modes)
standing = sum(a * sin(n * pi * x / length) * cos(n * pi * c * t / length) for n, a in modes)
fixed = {"x-": Dirichlet(0), "x+": Dirichlet(0)}

problem = Problem(
    name="wave",
    title="Wave equation of a string",
    reference="d'Alembert (1747); the default case: Wang, Yu and Perdikaris (2022), J. Comput. Phys. 449, 110768",
    fields=[u, v],
    parameters=[c, length, *amplitudes],
    scales={x: length, t: length / c, u: length, v: c},
    domain=Box(x=(0, length)),
    time=(0, 1),
    evolution={u: v, v: c**2 * u.diff(x, 2)},
    initial={u: shape, v: 0},
    boundary={u: fixed, v: fixed},
    conserves=[conservation("energy", v**2 / 2 + c**2 * u.diff(x) ** 2 / 2, [-(c**2) * v * u.diff(x)])],
    exact={u: standing, v: standing.diff(t)},
)
