"""Incompressible flow that a sinusoidal force drives and friction slows down, in vorticity form."""

from sympy import Eq, cos, pi

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, laplacian, random_fourier, translation

t, x, y = coordinates("t x y")
w = Field("w", unit="1/s", long_name="vorticity")(t, x, y)
psi = Field("psi", unit="m^2/s", long_name="stream function")(t, x, y)
nu = Parameter("nu", 2e-2, 1e-2, 4e-2, scale="log", unit="m^2/s", description="viscosity")
drag = Parameter("drag", 0.1, unit="1/s", description="linear friction")
force = Parameter("force", 1.0, unit="m/s^2", description="amplitude of the force along x")
k_f = Parameter("k_f", 4.0, unit="1/m", description="wave number of the force, a whole number")

# The force (force sin(k_f y), 0) has the curl -force k_f cos(k_f y); where the flow is (U sin(k_f y), 0) it balances
# viscosity and friction.
forcing = -force * k_f * cos(k_f * y)
laminar = forcing / (nu * k_f**2 + drag)

problem = Problem(
    name="kolmogorov-flow",
    title="Kolmogorov flow with linear drag, vorticity form",
    reference="Meshalkin and Sinai (1961), J. Appl. Math. Mech. 25, 1700-1705; drag 0.1, k_f = 4: Kochkov et al. "
    "(2021), Proc. Natl. Acad. Sci. 118, e2101784118",
    fields=[w, psi],
    parameters=[nu, drag, force, k_f],
    domain=Box(x=(0, 2 * pi), y=(0, 2 * pi)),
    periodic=["x", "y"],
    time=(0, 5),
    evolution={w: -psi.diff(y) * w.diff(x) + psi.diff(x) * w.diff(y) + nu * laplacian(w) - drag * w + forcing},
    constraints={psi: Eq(laplacian(psi), -w)},
    initial={w: random_fourier(modes=4, amplitude=3)},
    symmetries=[translation("x")],  # the force depends on y
    characteristic={x: psi.diff(y), y: -psi.diff(x)},
    exact={w: laminar, psi: laminar / k_f**2},
)
