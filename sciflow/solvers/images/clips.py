"""Clips of one moving digit under noise that hides it in every single frame, to be classified."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.solvers.images.motion import shifted
from sciflow.solvers.images.pictures import PARTS, handwritten

NOISE = 1.0


class Clips(NamedTuple):
    """Clips and what they show.

    Attributes:
        frames: float32 [N, T, 1, H, W]; brightness plus noise, not clamped.
        labels: digit 0 to 9, int64 [N].
        velocities: (y, x) in pixels per frame, int64 [N, 2].
        starts: (y, x) of the upper left corner of the digit in the first frame, int64 [N, 2].
    """

    frames: np.ndarray
    labels: np.ndarray
    velocities: np.ndarray
    starts: np.ndarray


def moving_clips(
    part: str,
    count: int,
    *,
    reach: int = 1,
    frames: int = 16,
    canvas: int = 24,
    size: int = 12,
    noise: float = NOISE,
    seed: int = 0,
) -> Clips:
    """Clips of one handwritten digit that crosses a periodic canvas at a constant hidden velocity.

    frame_t(y, x) = digit(y - y0 - vy t, x - x0 - vx t) + noise e_t(y, x), with e_t normal and independent in every
    pixel of every frame, start (y0, x0) uniform over the canvas and velocity uniform in {-reach..reach}^2, as that of
    the shifted clips of Keller (2025), arXiv:2507.14793. Averaging T frames along the motion divides the noise by
    sqrt(T); averaging them where they stand smears the digit.

    With the default noise, reach 1 and 16 frames, a matched filter (the mean image of each digit, at its best position)
    has an accuracy of 0.32 on one frame, 0.25 on the mean of all frames in place and 0.88 on their mean along the best
    of the 9 velocities; 0.89 without noise. Noise 0.5 leaves 0.77 to one frame.

    Args:
        part: "train", "valid" or "test"; no image is in two of them.
        count: number of clips N; each comes from a seed of its own, so that it does not depend on the count.
        reach: R of the velocities; test beyond the R of training to see what generalises.
        noise: standard deviation, where the digits have 0 to 1.

    Raises:
        InputError: there is no such part, a number is too small, or the digits do not fit on the canvas.
    """
    if part not in PARTS:
        raise InputError(f"There is no part {part!r} of the images.{near(part, PARTS)}")
    least = {"count": (count, 1), "reach": (reach, 0), "frames": (frames, 1), "noise": (noise, 0)}
    for name, (value, low) in least.items():
        if value < low:
            raise InputError(f"{name} is {value}; give at least {low}.")
    if size > canvas:
        raise InputError(f"The digits are {size} pixels wide and the canvas has {canvas}; choose a larger canvas.")
    place = PARTS.index(part)
    pictures, out = handwritten(size), np.empty((count, frames, 1, canvas, canvas), np.float32)
    labels, motion = np.empty(count, np.int64), np.empty((2, count, 2), np.int64)
    t = np.arange(frames)
    for number in range(count):
        rng = np.random.default_rng([seed, place, number])
        index = int(rng.integers(len(pictures.labels[place])))
        start, velocity = rng.integers(canvas, size=2), rng.integers(-reach, reach + 1, size=2)
        whole = np.zeros((canvas, canvas))
        whole[:size, :size] = pictures.image(place, index)
        moved = shifted(whole, start[0] + velocity[0] * t, start[1] + velocity[1] * t)
        out[number, :, 0] = moved + noise * rng.standard_normal(moved.shape)
        labels[number], motion[:, number] = pictures.labels[place][index], (velocity, start)
    return Clips(out, labels, *motion)
