"""Files that are either whole or not there, folders that can be written, and the recipes and suites that come along."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sciflow.core.errors import InputError, UnknownNameError, near

_PACKAGE = Path(__file__).resolve().parents[1]
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name when the block ends well, and is removed when it does not.

    The block may create a file or a folder there; the suffix is kept, since some writers choose a format by it. What
    was at ``path`` before stays until then. Missing parent folders are made.

    Example:
        >>> with atomic_path("/tmp/example.txt") as temporary:
        ...     _ = temporary.write_text("whole")

    Raises:
        InputError: the disk is full or the folder cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.partial{target.suffix}")
    try:
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _replace(temporary, target)
    finally:
        _remove(temporary)


def require_writable(folder: str | Path) -> Path:
    """Make ``folder`` if it is missing, and write and remove an empty file in it.

    Returns:
        The folder as a path.

    Raises:
        InputError: the folder cannot be made or written; call this before long work, not after.
    """
    path = Path(folder)
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    return path


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turn a full disk or a refused write of ``path`` into an :class:`InputError`; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        # h5py raises OSError without errno and quotes the system's text.
        if error.errno in _FULL or "No space left on device" in str(error):
            raise InputError(
                f"The disk is full while writing {path}; free some space or choose another folder."
            ) from error
        if error.errno in _REFUSED and _concerns(error, Path(path)):
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"{path} cannot be written ({reason}); choose another place.") from error
        raise


def _concerns(error: OSError, path: Path) -> bool:
    """Whether an error is about ``path`` or its surroundings rather than about another file read meanwhile."""
    if error.filename is None:
        return True
    named = Path(os.fsdecode(error.filename)).absolute()
    path = path.absolute()
    return named.is_relative_to(path.parent) or path.is_relative_to(named)


def shared(kind: str, name: str) -> Path:
    """The path of a file that comes with sciflow: ``shared("benchmarks", "quickstart.yaml")``.

    Installed from a wheel these lie inside the package; in a checkout they are the top-level folders of the repository.

    Args:
        kind: "datasets" or "benchmarks".
        name: file name, with or without ``.yaml``.

    Raises:
        UnknownNameError: there is no such file; the message gives near matches.
    """
    folders = _shared_folders(kind)
    for folder in folders:
        for candidate in (name, f"{name}.yaml"):
            path = (folder / candidate).resolve()
            if path.is_file() and path.is_relative_to(folder):
                return path
    raise UnknownNameError(f"No file '{name}' comes with sciflow in {kind}.{near(name, shared_names(kind))}")


def shared_names(kind: str, suffix: str = ".yaml") -> list[str]:
    """Names, without suffix, of the files of one kind that come with sciflow."""
    return sorted({path.stem for folder in _shared_folders(kind) for path in folder.glob(f"*{suffix}")})


def _shared_folders(kind: str) -> list[Path]:
    candidates = [_PACKAGE / "_share" / kind]
    if (_PACKAGE.parent / "pyproject.toml").is_file():  # a checkout, not site-packages
        candidates.append(_PACKAGE.parent / kind)
    return [folder for folder in candidates if folder.is_dir()]


def _replace(temporary: Path, target: Path) -> None:
    """Rename over ``target``; a folder cannot be renamed over a full one, so that is moved aside first."""
    if temporary.is_dir() and target.is_dir():
        aside = target.with_name(f"{temporary.name}.old")
        target.rename(aside)
        temporary.rename(target)
        shutil.rmtree(aside)
    else:
        temporary.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
