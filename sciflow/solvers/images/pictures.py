"""Still images of digits in three disjoint parts: for training, validation and testing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from sciflow.core.errors import InputError

PARTS = ("train", "valid", "test")
HANDWRITTEN = (1200, 250, 347)  # images of each part
_SIZES = (8, 128)  # pixels along a side


@final
@dataclass(frozen=True)
class Pictures:
    """Square images and what they show, by part.

    Attributes:
        images: for each of `PARTS`, [image, y, x]; y is the row, counted from the top of the digit.
        labels: for each part, the digit 0 to 9 of every image.
        white: the value of full brightness.
    """

    images: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]
    white: float = 1.0

    @property
    def size(self) -> int:
        """Pixels along a side."""
        return int(self.images[0].shape[-1])

    def image(self, part: int, index: int) -> np.ndarray:
        """One image in 0 to 1, float64 [y, x]."""
        return self.images[part][index] / np.float64(self.white)


@lru_cache(maxsize=8)
def handwritten(size: int = 12) -> Pictures:
    """The 1,797 handwritten digits of scikit-learn (8 x 8 pixels, 17 grey levels), enlarged.

    The images are dealt out once and for all: 1,200 for training, 250 for validation and 347 for testing, by a
    permutation of seed 0. They are enlarged by the cubic spline through their pixel centres (zero outside the image)
    and clamped to 0 to 1. Sizes that work well: 12 to 16 pixels.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.

    Raises:
        InputError: the size is no whole number from 8 to 128.
    """
    if int(size) != size or not _SIZES[0] <= size <= _SIZES[1]:
        raise InputError(
            f"The size of the digits is {size}; give a whole number of pixels from {_SIZES[0]} to {_SIZES[1]}."
        )
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.images))
    spline = _interpolation(found.images.shape[-1], int(size))
    enlarged = np.clip(spline @ (found.images[order] / 16.0) @ spline.T, 0.0, 1.0)
    ends = np.cumsum(HANDWRITTEN)[:-1]
    return Pictures(tuple(np.split(enlarged, ends)), tuple(np.split(found.target[order], ends)))


def _interpolation(pixels: int, size: int) -> np.ndarray:
    """Matrix [size, pixels] from the pixels along a side to those of the enlarged image."""
    from scipy.interpolate import make_interp_spline

    margin = 4  # pixels of zero, so that the ends of the spline lie far outside
    places = np.arange(-margin, pixels + margin)
    unit = np.eye(pixels + 2 * margin)[:, margin:-margin]
    wanted = (np.arange(size) + 0.5) * pixels / size - 0.5
    return np.asarray(make_interp_spline(places, unit, k=3)(wanted))
