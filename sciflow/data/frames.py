"""Frames copied straight from their place in the file, without HDF5's work for each slice."""

from __future__ import annotations

from typing import Any, final

import h5py
import numpy as np
from numpy.lib.stride_tricks import as_strided

from sciflow.core.errors import InputError
from sciflow.data.handle import Handle


@final
class FrameMap:
    """Where each frame of some fields lies in an uncompressed file, as byte offsets [case, time, field].

    A chunk that is stored uncompressed is a plain run of bytes in which whole frames follow one another. With the file
    mapped into memory, all frames of a batch are then one gather by NumPy, several times faster than a loop of slices.
    """

    def __init__(self, handle: Handle, offsets: np.ndarray, shape: tuple[int, ...]) -> None:
        self._handle = handle
        self._offsets = offsets
        self._shape = shape

    @classmethod
    def of(cls, handle: Handle, fields: list[str], lengths: np.ndarray) -> FrameMap | None:
        """The map, or None where it does not apply: compressed, another number format, or frames not stored.

        Args:
            handle: the file.
            fields: names of variables with the dimensions (case, time, \\*space).
            lengths: valid frames of each case in the file.

        Raises:
            InputError: the file ends before a frame does.
        """
        file = handle.file
        tables = [table for table in (_offsets(file[name]) for name in fields) if table is not None]
        if len(tables) < len(fields) or file.userblock_size:
            return None
        offsets = np.stack(tables, axis=-1)
        stored = offsets[np.arange(offsets.shape[1]) < lengths[:, None]]
        if (stored < 0).any():
            return None
        shape = file[fields[0]].shape[2:]
        if stored.max() + 4 * int(np.prod(shape)) > len(handle.bytes):
            raise InputError(f"The file {handle.path} is truncated; copy or generate it again.")
        return cls(handle, offsets, shape)

    def read(self, cases: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Frames [N, C, \\*S], float32.

        Args:
            cases: [N] indices into the file.
            frames: [N] frame numbers, all of them valid.
        """
        places = self._offsets[cases, frames]
        raw = self._handle.bytes
        size = 4 * int(np.prod(self._shape))
        rows = as_strided(raw, (len(raw) - size + 1, size), (1, 1), writeable=False)  # row i: the bytes from i on
        return rows[places].view("<f4").reshape(*places.shape, *self._shape)


def _offsets(variable: h5py.Dataset) -> np.ndarray | None:
    """Byte offsets of the frames [case, time], -1 where none is stored; None if chunks are not plain float32 frames."""
    shape, chunks = variable.shape, variable.chunks
    plain = variable.dtype == np.dtype("<f4") and np.dtype("f4") == np.dtype("<f4")
    if not plain or chunks is None or chunks[0] != 1 or chunks[2:] != shape[2:]:
        return None
    if variable.id.get_create_plist().get_nfilters():
        return None
    table = np.full((shape[0], -(-shape[1] // chunks[1])), -1, np.int64)

    def note(chunk: Any) -> None:
        case, time = chunk.chunk_offset[:2]
        if case < shape[0] and time < shape[1]:
            table[case, time // chunks[1]] = chunk.byte_offset

    variable.id.chunk_iter(note)
    frame = 4 * int(np.prod(shape[2:]))
    within = np.arange(chunks[1]) * frame
    offsets = np.where(table[:, :, None] < 0, -1, table[:, :, None] + within)
    return offsets.reshape(shape[0], -1)[:, : shape[1]]
