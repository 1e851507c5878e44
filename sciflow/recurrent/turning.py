"""Turning images, and the weights of convolution kernels, by any angle; quarter turns are exact."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_WHOLE = 1e-6  # degrees below which what is left of an angle counts as none


def turned(images: Tensor, degrees: float) -> Tensor:
    """Images [B, C, n, n] turned about their centre from the x axis towards the y axis.

    ``out(x) = f(R^-1 x)``. Quarter turns are exact, as by ``torch.rot90``. What is left beyond them is approximate:
    values between pixels are interpolated bilinearly and those from outside the image are zero, so that each turn
    smooths a little and cuts off the corners.
    """
    quarters = round(degrees / 90)
    images = torch.rot90(images, -quarters, (-2, -1))
    rest = degrees - 90 * quarters
    if abs(rest) < _WHOLE:
        return images
    cosine, sine = math.cos(math.radians(rest)), math.sin(math.radians(rest))
    inverse = images.new_tensor([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
    places = functional.affine_grid(inverse[None], [1, *images.shape[1:]], align_corners=False)
    places = places.expand(len(images), -1, -1, -1)
    return functional.grid_sample(images, places, padding_mode="zeros", align_corners=False)


def ring_turns(size: int, count: int) -> Tensor:
    """Matrices that turn a kernel of ``size`` x ``size`` weights by k/count of a whole turn, [count, size^2, size^2].

    The 8 m weights at Chebyshev distance m of the middle are taken as equally spaced on a circle and moved along
    it, with linear interpolation between neighbours. Exact for quarter turns, and for all eighths of a turn a
    permutation of 3 x 3 weights; approximate otherwise. The sum of the weights is kept and no weight is amplified,
    which bilinear interpolation on the square does not do (up to 1.3 times for 3 x 3).
    """
    middle = size // 2
    result = torch.zeros(count, size * size, size * size, dtype=torch.float64)
    result[:, middle * size + middle, middle * size + middle] = 1
    for radius in range(1, middle + 1):
        places = [(middle + y) * size + middle + x for y, x in _square(radius)]
        for turn in range(count):
            whole, part = divmod(turn * len(places), count)
            for number, place in enumerate(places):
                result[turn, place, places[number - whole]] += 1 - part / count
                result[turn, place, places[(number - whole - 1) % len(places)]] += part / count
    return result


def _square(radius: int) -> list[tuple[int, int]]:
    """Places (y, x) at a Chebyshev distance, in order from the x axis towards the y axis."""
    side = [(step, radius) for step in range(-radius, radius)]
    quarter = [(x, -y) for y, x in side]
    turn = side + quarter + [(-y, -x) for y, x in side] + [(-y, -x) for y, x in quarter]
    return turn
