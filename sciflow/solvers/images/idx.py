"""Files of the format IDX, in which MNIST is published: big-endian sizes, then bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.images.pictures import Pictures

_BYTES = 0x08  # type of the entries
_VALID = 6  # every sixth training image is for validation: 10,000 of the 60,000 of MNIST


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file of unsigned bytes, plain or compressed by gzip.

    Format: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a big-endian
    32-bit number, the entries with the last index fastest (Y. LeCun, C. Cortes, C. Burges, the MNIST database).

    Raises:
        InputError: the file cannot be read, is not of this format, or is longer or shorter than it says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"The file {path} cannot be read ({error}); copy it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _BYTES or not content[3]:
        raise InputError(
            f"The file {path} is no IDX file of bytes: it begins with {content[:4].hex(' ') or 'nothing'}; expected "
            "00 00 08 and the number of dimensions."
        )
    begin = 4 + 4 * content[3]
    shape = tuple(int(size) for size in np.frombuffer(content[4:begin][: (len(content) - 4) // 4 * 4], ">u4"))
    expected = begin + int(np.prod(shape, dtype=np.int64))
    if len(shape) < content[3] or len(content) != expected:
        what = "is truncated" if len(shape) < content[3] or len(content) < expected else "is too long"
        raise InputError(f"The file {path} {what}: it has {len(content)} bytes; copy it again.")
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def mnist(folder: Path) -> Pictures:
    """The digits of the four files of MNIST in a folder, plain or with the suffix ``.gz``.

    The official test files are the part "test", as they are; every sixth image of the training files is for validation
    and all others are for training (50,000 and 10,000 of MNIST).

    Raises:
        InputError: a file is missing or damaged, or images and labels do not belong together.
    """
    images, labels = _pair(folder, "train")
    test_images, test_labels = _pair(folder, "t10k")
    if test_images.shape[1:] != images.shape[1:]:
        raise InputError(f"In {folder}, the test images have other sizes than the training images; copy them again.")
    valid = np.arange(len(images)) % _VALID == _VALID - 1
    if not valid.any():
        raise InputError(f"In {folder}, there are {len(images)} training images; at least {_VALID} are needed.")
    return Pictures(
        (images[~valid], images[valid], test_images), (labels[~valid], labels[valid], test_labels), white=255.0
    )


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [image, y, x] and labels of the training or the test files."""
    images, labels = _read(folder, f"{part}-images-idx3-ubyte", 3), _read(folder, f"{part}-labels-idx1-ubyte", 1)
    if len(images) != len(labels) or not len(images):
        raise InputError(f"In {folder}, there are {len(images)} images and {len(labels)} labels of '{part}'.")
    if images.shape[1] != images.shape[2]:
        raise InputError(f"In {folder}, the images of '{part}' have {images.shape[1:]} pixels; expected squares.")
    return images, labels


def _read(folder: Path, name: str, dimensions: int) -> np.ndarray:
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise InputError(f"The folder {folder} has no file {name} or {name}.gz; MNIST has four such files.")
    found = read_idx(path)
    if found.ndim != dimensions:
        raise InputError(f"The file {path} has {found.ndim} dimensions; expected {dimensions}.")
    return found
