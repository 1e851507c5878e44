"""Scenes: several digits that move on one canvas, each in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.random import Generator

from sciflow.core.errors import InputError
from sciflow.solvers.images.motion import shifted, turned
from sciflow.solvers.images.pictures import PARTS, Pictures

if TYPE_CHECKING:
    from sciflow.problems import Case

Rates = Sequence[float]  # of one object
Canvas = tuple[int, int]  # pixels along y and x
MOST_OBJECTS = 3


class Motion(ABC):
    """How one object moves."""

    parameters: tuple[str, ...]  # parameters of an object, without its number

    @abstractmethod
    def frames(self, image: np.ndarray, rates: Rates, start: Generator, canvas: Canvas, t: np.ndarray) -> np.ndarray:
        """Frames [T, y, x] on the canvas at the times t, from a random start."""


@final
class Translation(Motion):
    """Constant velocity (vx, vy) in pixels per second on a periodic canvas; starts are whole pixels."""

    parameters = ("vx", "vy")

    def frames(self, image: np.ndarray, rates: Rates, start: Generator, canvas: Canvas, t: np.ndarray) -> np.ndarray:
        whole = np.zeros(canvas)
        whole[: len(image), : len(image)] = image
        row, column = start.integers(canvas)
        return shifted(whole, row + rates[1] * t, column + rates[0] * t)


@final
class Rotation(Motion):
    """Constant rate in degrees per second about the centre of an open canvas; the first angle is anything."""

    parameters = ("rate",)

    def frames(self, image: np.ndarray, rates: Rates, start: Generator, canvas: Canvas, t: np.ndarray) -> np.ndarray:
        return turned(image, start.uniform(0, 360) + rates[0] * t, canvas)


MOTIONS: dict[str, Motion] = {"translation": Translation(), "rotation": Rotation()}


def scene(case: Case, pictures: Pictures, motion: Motion, canvas: Canvas, t: np.ndarray) -> np.ndarray:
    """Brightness clamp(sum of the objects, 0, 1), [T, y, x].

    The parameters of the case say how many ``objects`` there are, which part of the ``images`` they are from (0
    training, 1 validation, 2 test) and their rates, such as ``vx1``. Digit and start of each object come from a random
    stream of its own, so that they do not depend on the others.

    Raises:
        InputError: the number of objects or the part of the images does not exist.
    """
    objects = _whole(case, "objects", range(1, MOST_OBJECTS + 1))
    part = _whole(case, "images", range(len(PARTS)))
    total = np.zeros((len(t), *canvas))
    for number in range(1, objects + 1):
        rng = case.rng(number)
        image = pictures.image(part, int(rng.integers(len(pictures.images[part]))))
        rates = [case.parameters[f"{name}{number}"] for name in motion.parameters]
        total += motion.frames(image, rates, rng, canvas, t)
    return np.clip(total, 0.0, 1.0)


def _whole(case: Case, name: str, allowed: range) -> int:
    value = case.parameters[name]
    if value not in allowed:
        raise InputError(f"The parameter '{name}' is {value:g}; it is one of {', '.join(map(str, allowed))}.")
    return int(value)
