"""Cahn-Hilliard equation on a periodic square."""

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    conservation,
    coordinates,
    grad,
    laplacian,
    random_fourier,
    translation,
)

t, x, y = coordinates("t x y")
u = Field("u", unit="", long_name="difference of concentrations")(t, x, y)
gamma = Parameter(
    "gamma", 1.0, 0.5, 1.5, scale="log", unit="", description="gradient energy; walls: sqrt(2 gamma) wide"
)

potential = u**3 - u - gamma * laplacian(u)

problem = Problem(
    name="cahn-hilliard",
    title="Cahn-Hilliard equation",
    reference="Cahn and Hilliard (1958), J. Chem. Phys. 28, 258-267; Cahn (1961), Acta Metall. 9, 795-801, eq. 8",
    fields=[u],
    parameters=[gamma],
    domain=Box(x=(0, 32), y=(0, 32)),
    periodic=["x", "y"],
    time=(0, 30),
    evolution={u: laplacian(potential)},
    # Waves around the one that grows fastest, of number 32 / (2 pi sqrt(2 gamma)), 3 to 5.
    initial={u: random_fourier(modes=5, amplitude=0.1, decay=0)},
    conserves=[conservation("mass", u, -grad(potential))],
    symmetries=[translation("x"), translation("y")],
)
