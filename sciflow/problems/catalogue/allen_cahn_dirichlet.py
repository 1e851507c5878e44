"""Allen-Cahn equation between walls: a benchmark of physics-informed networks."""

from sympy import cos, pi

from sciflow.problems import Box, Dirichlet, Field, Parameter, Problem, coordinates, table

t, x = coordinates("t x")
u = Field("u", unit="", long_name="order parameter")(t, x)
D = Parameter("D", 1e-3, 1e-4, 1e-2, scale="log", unit="", description="diffusivity; fronts are sqrt(2 D / 5) wide")

problem = Problem(
    name="allen-cahn-dirichlet",
    title="Allen-Cahn equation between walls",
    reference="Allen and Cahn (1979), Acta Metall. 27, 1085-1095; as benchmark: Lu, Meng, Mao and Karniadakis (2021), "
    "SIAM Rev. 63, 208-228",
    fields=[u],
    parameters=[D],
    domain=Box(x=(-1, 1)),
    time=(0, 1),
    evolution={u: D * u.diff(x, 2) + 5 * (u - u**3)},
    initial={u: x**2 * cos(pi * x)},
    boundary={u: {"x-": Dirichlet(-1), "x+": Dirichlet(-1)}},
    subsets={"table": table(D=[1e-3, 1e-2])},
)
