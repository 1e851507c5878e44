from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sciflow.core import InputError, UnknownNameError, atomic_path, explained, require_writable, shared, shared_names
from sciflow.core import files as files_module


def test_a_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data.h5"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".h5"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new" and os.listdir(target.parent) == ["data.h5"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_a_failure_the_old_file_stays_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "data.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["data.txt"]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "run"
    for content in ("first", "second"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
        assert os.listdir(target) == [content] and os.listdir(tmp_path) == ["run"]
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "third").write_text("half")
        raise RuntimeError
    assert os.listdir(target) == ["second"] and os.listdir(tmp_path) == ["run"]


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"The disk is full while writing .*data\.h5"),
        atomic_path(tmp_path / "data.h5"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(InputError, match="The disk is full"), explained(tmp_path):
        raise OSError("Can't write data (errno = 28, error message = 'No space left on device')")


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "data.h5"):
        (tmp_path / "missing.txt").read_text()
    with pytest.raises(PermissionError), atomic_path(tmp_path / "data.h5"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/secret.txt")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        require_writable(tmp_path / "file" / "results")
    with pytest.raises(InputError, match="cannot be written"):
        require_writable(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"), atomic_path(tmp_path / "file" / "data.h5"):
        pass


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:  # the superuser, who may write anywhere, gets no such error from a real folder
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir / "tmpfile"))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match="cannot be written \\(permission denied\\); choose another place"):
        require_writable(tmp_path)


def test_require_writable_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    folder = require_writable(tmp_path / "a" / "b")
    assert folder.is_dir() and os.listdir(folder) == []


def test_shared_looks_in_the_package_first_then_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, checkout = tmp_path / "sciflow" / "_share" / "benchmarks", tmp_path / "benchmarks"
    for folder, names in ((package, ["a"]), (checkout, ["a", "quickstart"])):
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.yaml").write_text("")
    monkeypatch.setattr(files_module, "_PACKAGE", tmp_path / "sciflow")
    assert shared_names("benchmarks") == ["a"], (
        "without pyproject.toml the folder beside the package is somebody else's"
    )
    (tmp_path / "pyproject.toml").write_text("")
    assert shared_names("benchmarks") == ["a", "quickstart"]
    assert shared("benchmarks", "a.yaml") == package / "a.yaml"
    assert shared("benchmarks", "quickstart") == checkout / "quickstart.yaml"
    with pytest.raises(UnknownNameError, match=r"No file 'quikstart' .* Did you mean 'quickstart'\?"):
        shared("benchmarks", "quikstart")
    with pytest.raises(UnknownNameError):
        shared("benchmarks", "../pyproject.toml")
    with pytest.raises(UnknownNameError, match="None are known"):
        shared("datasets", "x.yaml")
