"""Rotating digits: a sequence of images without equations, in which every object turns at a hidden rate of its own.

A pixel is 1 m and a frame 1 s, so that rates are in degrees per frame. Rates of whole tens repeat after 36 frames.
Those of digits beyond the number of `objects` mean nothing.
"""

from sciflow.problems import Box, Field, Parameter, Problem, Solver, coordinates, dealt, rotation, table

t, x, y = coordinates("t x y")
brightness = Field("brightness", unit="", long_name="brightness")(t, x, y)
canvas = Parameter("canvas", 24.0, unit="m", description="width and height of the canvas, in pixels", hidden=True)
objects = Parameter("objects", 2.0, unit="", description="number of digits, 1 to 3", hidden=True)
images = Parameter("images", 0.0, unit="", description="0 training, 1 validation, 2 test images", hidden=True)
rates = [
    Parameter(f"rate{n}", 0.0, -40.0, 40.0, unit="deg/s", description=f"rate of digit {n}, from x to y", hidden=True)
    for n in (1, 2, 3)
]

_TENS = {reach: [10.0 * k for k in range(-reach, reach + 1)] for reach in (1, 2, 4, 5)}

problem = Problem(
    name="rotating-digits",
    title="Rotating digits",
    reference="Keller (2025), arXiv:2507.14793: rotating MNIST",
    fields=[brightness],
    parameters=[canvas, objects, images, *rates],
    domain=Box(x=(0, canvas), y=(0, canvas)),
    time=(0, 19),
    symmetries=[rotation(rate=rates)],
    subsets={
        "all": dealt(*(table(**{f"rate{n}": _TENS[4]}) for n in (1, 2, 3))),
        "half": dealt(*(table(**{f"rate{n}": _TENS[2]}) for n in (1, 2, 3))),
        "slow": dealt(*(table(**{f"rate{n}": _TENS[1]}) for n in (1, 2, 3))),
        "fixed": dealt(table(**{f"rate{n}": _TENS[5] for n in (1, 2, 3)})),
    },
    solver=Solver("moving-images", motion="rotation", size=16),
)
