"""Local files of MNIST as sequences of moving or rotating digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sciflow.core.errors import InputError, near
from sciflow.data.generation import generate
from sciflow.data.reader import Dataset
from sciflow.solvers.images.idx import mnist

_FAMILIES = {"translation": ("moving-digits", "wide"), "rotation": ("rotating-digits", "all")}


def import_mnist(
    source: Path,
    path: Path,
    *,
    motion: str = "translation",
    subset: str | None = None,
    train: int = 2000,
    valid: int = 128,
    test: int = 256,
    frames: int = 20,
    test_frames: int | None = None,
    canvas: int | None = None,
    objects: int = 2,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Sequences of MNIST digits in the layout of the recipes ``moving-digits`` and ``rotating-digits``.

    Test sequences show digits of the official test files only; training and validation sequences share none of the
    training files (`sciflow.solvers.images.idx.mnist`). Published sets (Keller 2025, arXiv:2507.14793) have two digits,
    20 frames and a canvas of 28 pixels, whose digits are back after 28 frames.

    Args:
        source: a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte, plain or with the suffix ``.gz``.
        path: the HDF5 file to write.
        motion: "translation" or "rotation".
        subset: family of velocities or rates, one of the subsets of the problem; by default "wide" ({-2..2} pixels per
            frame along each axis) or "all" (-40 to 40 degrees per frame in steps of 10).
        train, valid, test: number of sequences of each part.
        frames: of each sequence, one second apart.
        test_frames: of the test sequences, if they are longer.
        canvas: pixels along a side, at least those of the images (28); by default these. Images on a larger canvas have
            zeros around them.
        objects: digits of each sequence, 1 to 3.
        seed: of digits, starts and velocities.
        progress: called with (sequences done, sequences in all).

    Raises:
        InputError: a file is missing or damaged, or an option does not fit.
    """
    if motion not in _FAMILIES:
        raise InputError(f"There is no motion {motion!r}.{near(motion, _FAMILIES)}")
    problem, family = _FAMILIES[motion]
    pixels = mnist(source).size if canvas is None else canvas
    last = max(frames, test_frames or 0)
    counts = {"train": (train, frames), "valid": (valid, frames), "test": (test, test_frames or frames)}
    groups = {
        part: {"subset": subset or family, "cases": cases, "frames": length, "parameters": {"images": place}}
        for place, (part, (cases, length)) in enumerate(counts.items())
    }
    recipe: dict[str, Any] = {
        "name": "mnist",
        "title": f"MNIST digits in {motion}",
        "problem": problem,
        "resolution": pixels,
        "times": {"start": 0, "end": last - 1, "frames": last},
        "batch": 64,
        "seed": seed,
        "parameters": {"canvas": pixels, "objects": objects},
        "options": {"folder": str(source)},
        "groups": groups,
        "splits": {"default": {"kind": "groups", "groups": {part: [part] for part in counts}}},
    }
    return generate(recipe, path, progress=progress)
