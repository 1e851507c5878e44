"""Allen-Cahn equation on a periodic interval."""

from sympy import cos, pi, sin

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, table, translation

t, x = coordinates("t x")
u = Field("u", unit="", long_name="order parameter")(t, x)
D = Parameter("D", 1e-4, 1e-4, 1e-3, scale="log", unit="", description="diffusivity; fronts are sqrt(2 D / 5) wide")

# At the defaults the start is that of the benchmark for physics-informed networks, which has a kink at x = 1. Drawn
# cases add waves of random amplitude, so that data sets hold different starts and a network is told which.
amplitudes = [
    Parameter(f"{kind}{number}", 0.0, -0.5, 0.5, unit="", description=f"{wave} of wave number {number} in the start")
    for number in (1, 2)
    for kind, wave in (("a", "cosine"), ("b", "sine"))
]
a1, b1, a2, b2 = amplitudes
waves = a1 * cos(pi * x) + b1 * sin(pi * x) + a2 * cos(2 * pi * x) + b2 * sin(2 * pi * x)

problem = Problem(
    name="allen-cahn",
    title="Allen-Cahn equation",
    reference="Allen and Cahn (1979), Acta Metall. 27, 1085-1095; start x^2 cos(pi x), D = 1e-4: Raissi, Perdikaris "
    "and Karniadakis (2019), J. Comput. Phys. 378, 686-707, section 3.2.1",
    fields=[u],
    parameters=[D, *amplitudes],
    domain=Box(x=(-1, 1)),
    periodic=["x"],
    time=(0, 1),
    evolution={u: D * u.diff(x, 2) + 5 * (u - u**3)},
    initial={u: x**2 * cos(pi * x) + waves},
    symmetries=[translation("x")],
    subsets={"table": table(D=[1e-3, 1e-4])},  # the benchmark's start
)
