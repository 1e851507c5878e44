"""Flow between two walls.

The unit of length is the half-height, so that Re = u_bulk / nu and Re_tau = sqrt(force) / nu. The mean pressure
gradient is written as a force; a solver that keeps the flow rate adjusts it, and the declared value, from u_tau of the
published simulations, is then its expected mean.
"""

from math import pi

from sympy import Eq, Rational, sqrt

from sciflow.problems import (
    Box,
    Field,
    NoSlip,
    Parameter,
    Problem,
    Solver,
    conservation,
    coordinates,
    div,
    laplacian,
    table,
    translation,
)

t, x, y, z = coordinates("t x y z")
velocity = Field("velocity", components=("u", "v", "w"), unit="m/s")(t, x, y, z)
u, v, w = velocity
p = Field("p", unit="m^2/s^2", long_name="pressure over density, without its mean gradient")(t, x, y, z)

u_bulk = Parameter("u_bulk", 1.0, unit="m/s", description="mean velocity over the section")
nu = Parameter("nu", 1 / 2800, unit="m^2/s", description="viscosity")
force = Parameter("force", 0.00405, unit="m/s^2", description="mean pressure gradient over density")
lx = Parameter("lx", pi, unit="m", description="length of the period along x")
lz = Parameter("lz", 0.4 * pi, unit="m", description="length of the period along z")


def _published(viscosity: float, re_tau: float) -> dict[str, list[float]]:
    """The large box of the filtered data, whose bulk velocity is 2/3."""
    return _runs(nu=viscosity, u_bulk=2 / 3, force=(re_tau * viscosity) ** 2, lx=4 * pi, lz=4 * pi / 3)


def _runs(**values: float) -> dict[str, list[float]]:
    """21 runs that differ in their disturbance alone, as the published data have."""
    return {name: [value] * 21 for name, value in values.items()}


problem = Problem(
    name="channel",
    title="Turbulent flow between two walls",
    reference="Kim, Moin and Moser (1987), J. Fluid Mech. 177, 133-166; Moser, Kim and Mansour (1999), Phys. Fluids "
    "11, 943-945; minimal channel: Jimenez and Moin (1991), J. Fluid Mech. 225, 213-240; subsets re180, re395, re590: "
    "the runs behind the filtered data of Yang, Wang and Wang (2024), arXiv:2412.18840",
    fields=[velocity, p],
    parameters=[u_bulk, nu, force, lx, lz],
    scales={velocity: u_bulk, t: 1 / u_bulk, p: u_bulk**2},
    numbers={"Re": u_bulk / nu, "Re_tau": sqrt(force) / nu},
    domain=Box(x=(0, lx), y=(0, 2), z=(0, lz)),
    periodic=["x", "z"],
    time=(0, 20),
    evolution={
        u: -(u * u.diff(x) + v * u.diff(y) + w * u.diff(z)) - p.diff(x) + nu * laplacian(u) + force,
        v: -(u * v.diff(x) + v * v.diff(y) + w * v.diff(z)) - p.diff(y) + nu * laplacian(v),
        w: -(u * w.diff(x) + v * w.diff(y) + w * w.diff(z)) - p.diff(z) + nu * laplacian(w),
    },
    constraints={p: Eq(div(velocity), 0)},
    initial={velocity: (Rational(3, 2) * u_bulk * y * (2 - y), 0, 0)},
    boundary={velocity: {"y-": NoSlip(), "y+": NoSlip()}, p: {"gauge": 0}},
    conserves=[
        conservation("mass", 1, velocity),
        # The force is the divergence of -force y: what the walls do not take up speeds up the flow.
        conservation(
            "momentum x", u, [u * u + p - nu * u.diff(x), u * v - nu * u.diff(y) - force * y, u * w - nu * u.diff(z)]
        ),
        conservation("momentum z", w, [u * w - nu * w.diff(x), v * w - nu * w.diff(y), w * w + p - nu * w.diff(z)]),
    ],
    symmetries=[translation("x"), translation("z")],
    characteristic={x: u, y: v, z: w},
    subsets={
        # Re_tau about 178 at Re 2800 (Dean 1978: 0.09 (2 Re)^0.88 = 179).
        "minimal": table(**_runs(nu=1 / 2800, u_bulk=1.0, force=(178 / 2800) ** 2, lx=pi, lz=0.4 * pi)),
        "re180": table(**_published(1 / 4200, 178.1)),
        "re395": table(**_published(1 / 10500, 392.2)),
        "re590": table(**_published(1 / 16800, 587.2)),
    },
    solver=Solver("channel", disturbance=0.3),
)
