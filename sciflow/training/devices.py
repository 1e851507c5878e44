"""Where the arithmetic runs: the choice of a device and the number of CPU threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sciflow.core.errors import InputError


def choose_device(name: str) -> torch.device:
    """The torch device that ``name`` stands for.

    Args:
        name: ``"auto"`` (the first GPU if there is one, else the CPU), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises:
        InputError: another name, or a GPU that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or not (index.isdigit() or name == "cuda"):
        raise InputError(f"The device must be 'auto', 'cpu', 'cuda' or 'cuda:N', not '{name}'.")
    if not torch.cuda.is_available():
        raise InputError(f"The device '{name}' was asked for, but torch finds no GPU here; use device='auto' or 'cpu'.")
    number, present = int(index or 0), torch.cuda.device_count()
    if number >= present:
        raise InputError(
            f"The device '{name}' was asked for, but there are {present}; use 'cuda:0' to 'cuda:{present - 1}'."
        )
    return torch.device("cuda", number)


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Use ``count`` CPU threads inside the block, then as many as before; None changes nothing."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)
