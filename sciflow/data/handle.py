"""One HDF5 file opened for reading, by each process for itself."""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from sciflow.core.errors import InputError


@final
class Handle:
    """Opens a file when it is first needed, and again in every process that gets a copy by pickling or forking.

    An open HDF5 file must never cross a process border: its buffers would be shared and reads return wrong values.
    """

    _file: h5py.File | None
    _bytes: np.ndarray | None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._forget()

    @property
    def file(self) -> h5py.File:
        """The file as h5py sees it.

        Raises:
            InputError: the file is missing, is not HDF5, or is truncated or damaged.
        """
        self._own()
        with self._lock:
            if self._file is None:
                self._file = open_hdf5(self.path)
            return self._file

    @property
    def bytes(self) -> np.ndarray:
        """The bytes of the file, uint8, mapped into memory: read when they are used, and shared between processes."""
        self._own()
        with self._lock:
            if self._bytes is None:
                with self.path.open("rb") as stream:
                    self._bytes = np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
            return self._bytes

    def close(self) -> None:
        """Close what this process opened; the next use opens it again."""
        self._own()
        if self._file is not None:
            self._file.close()
        self._forget()

    def _own(self) -> None:
        if self._process != os.getpid():  # forked: the parent's handles stay the parent's
            self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._file, self._bytes = None, None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._forget()


def open_hdf5(path: Path, mode: str = "r") -> h5py.File:
    """Open an HDF5 file, known by its content whatever its name ends in.

    Raises:
        InputError: one sentence that says why the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"The file {path} is empty; expected HDF5.")
        if not h5py.is_hdf5(path):
            raise InputError(f"The file {path} is not HDF5 (it begins with {start!r}); give a file written by sciflow.")
        return h5py.File(path, mode, locking="best-effort")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; expected an HDF5 file.") from error
    except PermissionError as error:
        raise InputError(f"The file {path} may not be opened; check its permissions.") from error
    except (OSError, RuntimeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError:
    """What to say of a file that HDF5 gave up on."""
    text = str(error)
    if "truncated" in text:
        return InputError(f"The file {path} is truncated (its end is missing); copy or generate it again.")
    if "lock" in text or "already open" in text:
        return InputError(f"The file {path} is open elsewhere; close it there first.")
    return InputError(f"The file {path} is damaged and cannot be read ({_reason(text)}); copy or generate it again.")


def _reason(text: str) -> str:
    """HDF5 puts the cause in the last pair of brackets."""
    inner = text.rsplit("(", 1)[-1].rstrip(")")
    return inner.strip() or "no reason given"
