"""Two-dimensional turbulence carried by a mean flow that forecasts must find out."""

from sympy import Eq

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    galilean,
    grid,
    laplacian,
    numbered_waves,
    table,
    translation,
)

t, x, y = coordinates("t x y")
w = Field("w", unit="1/s", long_name="vorticity")(t, x, y)
psi = Field("psi", unit="m^2/s", long_name="stream function of the flow without its mean")(t, x, y)
nu = Parameter("nu", 3e-3, unit="m^2/s", description="viscosity")
U = Parameter("U", 0.0, -4, 4, unit="m/s", description="mean flow along x", hidden=True)
V = Parameter("V", 0.0, -4, 4, unit="m/s", description="mean flow along y", hidden=True)
start = Parameter("start", 1, 0, 1000, unit="", description="number of the start", hidden=True)

problem = Problem(
    name="vorticity-mean-flow",
    title="Navier-Stokes in vorticity form in an unknown mean flow",
    reference="Orszag (1971), Stud. Appl. Math. 50, 293-327; a mean flow is a change of frame",
    fields=[w, psi],
    parameters=[nu, U, V, start],
    domain=Box(x=(0, 1), y=(0, 1)),
    periodic=["x", "y"],
    time=(0, 1),
    evolution={w: -(psi.diff(y) + U) * w.diff(x) - (V - psi.diff(x)) * w.diff(y) + nu * laplacian(w)},
    constraints={psi: Eq(laplacian(psi), -w)},
    initial={w: numbered_waves(start, {x: 1, y: 1}, modes=3, amplitude=10)},
    conserves=[
        conservation(
            "circulation",
            w,
            [(psi.diff(y) + U) * w - nu * w.diff(x), (V - psi.diff(x)) * w - nu * w.diff(y)],
        ),
    ],
    symmetries=[translation("x"), translation("y"), galilean("x", velocity=U), galilean("y", velocity=V)],
    characteristic={x: psi.diff(y) + U, y: V - psi.diff(x)},
    subsets={
        "training": table(U=[k % 3 - 1 for k in range(36)], V=[k // 3 % 3 - 1 for k in range(36)], start=range(1, 37)),
        "testing": grid(U=range(-4, 5), V=[0], start=range(100, 103)),
    },
    solver=Solver("periodic", comoving=True),
)
