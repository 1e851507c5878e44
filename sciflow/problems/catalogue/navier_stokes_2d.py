"""Incompressible Navier-Stokes in vorticity form on the unit torus."""

from sympy import Eq, cos, exp, pi, sin

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    conservation,
    coordinates,
    laplacian,
    random_fourier,
    translation,
)

t, x, y = coordinates("t x y")
w = Field("w", unit="1/s", long_name="vorticity")(t, x, y)
psi = Field("psi", unit="m^2/s", long_name="stream function")(t, x, y)
nu = Parameter("nu", 2e-3, 1e-3, 1e-2, scale="log", unit="m^2/s", description="viscosity")
force = Parameter("force", 0.0, unit="1/s^2", description="amplitude of the forcing of Li et al. (0.1 there)")

forcing = force * (sin(2 * pi * (x + y)) + cos(2 * pi * (x + y)))
vortices = cos(2 * pi * x) * cos(2 * pi * y) * exp(-8 * pi**2 * nu * t)  # Taylor and Green (1937)

problem = Problem(
    name="navier-stokes-2d",
    title="Navier-Stokes in vorticity form",
    reference="Li et al. (2021), arXiv:2010.08895, section 5.3; exact solution (force = 0): Taylor and Green (1937)",
    fields=[w, psi],
    parameters=[nu, force],
    domain=Box(x=(0, 1), y=(0, 1)),
    periodic=["x", "y"],
    time=(0, 1),
    evolution={w: -psi.diff(y) * w.diff(x) + psi.diff(x) * w.diff(y) + nu * laplacian(w) + forcing},
    constraints={psi: Eq(laplacian(psi), -w)},
    initial={w: random_fourier(modes=4, amplitude=10)},
    conserves=[
        conservation("circulation", w, [psi.diff(y) * w - nu * w.diff(x), -psi.diff(x) * w - nu * w.diff(y)]),
    ],
    symmetries=[translation("x"), translation("y")],
    characteristic={x: psi.diff(y), y: -psi.diff(x)},
    exact={w: 4 * pi * vortices, psi: vortices / (2 * pi)},
)
