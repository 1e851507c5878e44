"""Moving digits: a sequence of images without equations, in which every object has a hidden velocity of its own.

A pixel is 1 m and a frame 1 s, so that velocities are in pixels per frame. Whole velocities repeat after as many frames
as the canvas has pixels: no horizon that is scored may be a multiple of it. Those of digits beyond the number of
`objects` mean nothing.
"""

from collections.abc import Sequence

from sciflow.problems import (
    Box,
    Field,
    Parameter,
    Problem,
    Solver,
    coordinates,
    dealt,
    galilean,
    table,
    translation,
)
from sciflow.problems.sampling import Dealt

t, x, y = coordinates("t x y")
brightness = Field("brightness", unit="", long_name="brightness")(t, x, y)
canvas = Parameter("canvas", 24.0, unit="m", description="width and height of the canvas, in pixels", hidden=True)
objects = Parameter("objects", 2.0, unit="", description="number of digits, 1 to 3", hidden=True)
images = Parameter("images", 0.0, unit="", description="0 training, 1 validation, 2 test images", hidden=True)
vx = [
    Parameter(f"vx{n}", 0.0, -1.0, 1.0, unit="m/s", description=f"velocity of digit {n} along x", hidden=True)
    for n in (1, 2, 3)
]
vy = [
    Parameter(f"vy{n}", 0.0, -1.0, 1.0, unit="m/s", description=f"velocity of digit {n} along y", hidden=True)
    for n in (1, 2, 3)
]


def _each(velocities: Sequence[tuple[float, float]]) -> Dealt:
    """A velocity (x, y) of the list for each digit on its own."""
    columns = tuple(zip(*velocities, strict=True))
    return dealt(*(table(**{f"vx{n}": columns[0], f"vy{n}": columns[1]}) for n in (1, 2, 3)))


def _shared(velocities: Sequence[tuple[float, float]]) -> Dealt:
    """One velocity (x, y) of the list for all digits."""
    columns = dict(zip(("vx", "vy"), zip(*velocities, strict=True), strict=True))
    return dealt(table(**{f"{name}{n}": columns[name] for n in (1, 2, 3) for name in columns}))


def _within(reach: int) -> list[tuple[float, float]]:
    return [(vx, vy) for vx in range(-reach, reach + 1) for vy in range(-reach, reach + 1)]


problem = Problem(
    name="moving-digits",
    title="Moving digits",
    reference="Srivastava, Mansimov, Salakhutdinov (2015), arXiv:1502.04681; "
    "velocities and wrap-around of Keller (2025), arXiv:2507.14793",
    fields=[brightness],
    parameters=[canvas, objects, images, *(velocity for pair in zip(vx, vy, strict=True) for velocity in pair)],
    domain=Box(x=(0, canvas), y=(0, canvas)),
    periodic=["x", "y"],
    time=(0, 19),
    symmetries=[translation("x"), translation("y"), galilean("x", velocity=vx), galilean("y", velocity=vy)],
    subsets={
        "all": _each(_within(1)),
        "wide": _each(_within(2)),
        "axis": _each([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]),
        "diagonal": _each([(1, 1), (1, -1), (-1, 1), (-1, -1)]),
        "fixed": _shared(_within(3)),
    },
    solver=Solver("moving-images", motion="translation", size=12),
)
