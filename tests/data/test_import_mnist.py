"""Files of MNIST in small: the format, the parts, and files that cannot be used."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.data import check_file
from sciflow.data.importers import import_dataset
from sciflow.solvers.images.idx import mnist, read_idx


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(int(size).to_bytes(4, "big") for size in values.shape)
    return head + values.astype(np.uint8).tobytes()


def images(count: int, low: int) -> np.ndarray:
    """Squares of 10 x 10 pixels, each of its own grey level from `low` on."""
    return np.tile((low + np.arange(count))[:, None, None], (1, 10, 10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 training images of levels 100 to 111 and 4 test images of levels 200 to 203; the latter are compressed."""
    where = tmp_path / "mnist"
    where.mkdir()
    (where / "train-images-idx3-ubyte").write_bytes(idx(images(12, 100)))
    (where / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(12) % 10))
    (where / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images(4, 200))))
    (where / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(4))))
    return where


def levels(frames: np.ndarray) -> set[int]:
    """Grey levels of the squares."""
    return set(np.rint(255 * frames[frames > 0]).astype(int).tolist())


def test_parts_of_the_files(folder: Path) -> None:
    pictures = mnist(folder)
    assert [sorted(levels(part[:, 0, 0] / 255)) for part in pictures.images] == [
        [100, 101, 102, 103, 104, 106, 107, 108, 109, 110], [105, 111], [200, 201, 202, 203],
    ]  # fmt: skip
    assert [part.tolist() for part in pictures.labels] == [[0, 1, 2, 3, 4, 6, 7, 8, 9, 0], [5, 1], [0, 1, 2, 3]]


def test_sequences_show_the_digits_of_their_part(folder: Path, tmp_path: Path) -> None:
    options = {"train": 20, "valid": 6, "test": 8, "frames": 5, "test_frames": 9, "canvas": 16, "objects": 1}
    data = import_dataset("mnist", folder, tmp_path / "m.h5", **options)
    assert check_file(tmp_path / "m.h5") == [] and data.shape == (16, 16) and data.periodic == ("x", "y")
    assert levels(data.train.array()) <= {*range(100, 105), *range(106, 111)}
    assert levels(data.valid.array()) == {105, 111} and levels(data.test.array()) <= {200, 201, 202, 203}
    assert set(data.test.lengths) == {9} and set(data.train.lengths) == {5}
    speed = data.header["vx1"].values
    assert set(speed) <= {-2, -1, 0, 1, 2} and len(set(speed)) == 5
    one, frames = data.test.header.isel(case=0), data.test.array()[0, :, 0]
    step = int(one["vy1"]), int(one["vx1"])
    assert all(np.array_equal(frames[t], np.roll(frames[0], (t * step[0], t * step[1]), (0, 1))) for t in range(9))
    assert np.count_nonzero(frames[0]) == 100


def test_rotating_sequences_fill_the_images_by_default(folder: Path, tmp_path: Path) -> None:
    options = {"motion": "rotation", "train": 4, "valid": 2, "test": 2, "frames": 3, "subset": "slow"}
    data = import_dataset("mnist", folder, tmp_path / "m.h5", **options)
    assert data.shape == (10, 10) and data.problem == "rotating-digits" and data.periodic == ()
    assert set(data.header["rate1"].values) <= {-10, 0, 10}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", None, "has no file train-images-idx3-ubyte or train-images-idx3-ubyte.gz"),
        ("train-images-idx3-ubyte", idx(images(12, 0))[:-1], "is truncated: it has 1215 bytes"),
        ("train-images-idx3-ubyte", idx(images(12, 0))[:9], "is truncated: it has 9 bytes"),
        ("train-images-idx3-ubyte", idx(images(12, 0)) + b"1", "is too long"),
        ("train-images-idx3-ubyte", b"", "is no IDX file of bytes: it begins with nothing"),
        ("train-images-idx3-ubyte", b"\0\0\x0d\x03" + b"\0" * 12, "begins with 00 00 0d 03"),
        ("train-images-idx3-ubyte", b"PK\3\4abc", "is no IDX file of bytes"),
        ("train-images-idx3-ubyte", gzip.compress(idx(images(12, 0)), mtime=0)[:-9], "cannot be read"),
        ("train-images-idx3-ubyte", idx(np.zeros((12, 10, 9))), r"have \(10, 9\) pixels; expected squares"),
        ("train-images-idx3-ubyte", idx(np.zeros((12, 9, 9))), "test images have other sizes"),
        ("train-images-idx3-ubyte", idx(np.zeros(12)), "has 1 dimensions; expected 3"),
        ("train-labels-idx1-ubyte", idx(np.zeros(11)), "there are 12 images and 11 labels"),
    ],
)
def test_files_that_cannot_be_used(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_dataset("mnist", folder, tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"motion": "translatoin"}, "Did you mean 'translation'"),
        ({"canvas": 9}, "10 pixels wide and the canvas has 9 x 9"),
        ({"subset": "fast"}, "no subset 'fast'"),
        ({"objects": 5}, "'objects' is 5"),
        ({"train": 0}, "cases"),
        ({"speed": 1}, "takes no option 'speed'"),
    ],
)
def test_options_that_do_not_fit(folder: Path, tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_dataset("mnist", folder, tmp_path / "m.h5", **options)


def test_compressed_and_plain_files_are_the_same(folder: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a", tmp_path / "a.gz"
    plain.write_bytes(idx(images(2, 7)))
    packed.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    assert np.array_equal(read_idx(plain), read_idx(packed)) and np.array_equal(read_idx(plain), images(2, 7))
