"""What tests of recurrent networks share: sizes, sequences that move with a flow, and memories after each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from sciflow.operators import Sizes
from sciflow.operators.sizes import Flow
from sciflow.recurrent.sliced import Memory, SlicedRNN


@pytest.fixture
def make_sizes() -> Callable[..., Sizes]:
    """make_sizes(dims, fields, rising=...) -> sizes of a periodic problem with a flow along each axis.

    With ``rising``, field number k is the velocity along axis k.
    """

    def make(dims: int, fields: int = 1, *, rising: bool = False, **more: Any) -> Sizes:
        flows = tuple(Flow("translation", (axis,), (axis,) if rising else ()) for axis in range(dims))
        return Sizes(fields, dims, **({"periodic": (True,) * dims, "flows": flows, "frames_in": 4} | more))

    return make


@pytest.fixture
def forecast() -> Callable[..., Tensor]:
    """forecast(network, x, frames=None) -> the next frames, without parameters and signals."""

    def run(network: SlicedRNN, x: Tensor, frames: int | None = None) -> Tensor:
        batch, context, _, *space = x.shape
        ahead = frames or network.sizes.frames_out
        result: Tensor = network(
            x,
            parameters=x.new_zeros(batch, 0),
            signals=x.new_zeros(batch, context + ahead, 0),
            mask=x.new_ones(batch, 1, *space),
            coordinates=x.new_zeros(batch, len(space), *space),
            dt=x.new_ones(batch),
            inputs=x.new_zeros(batch, 0, *space),
            frames=frames,
        )
        return result

    return run


@pytest.fixture
def flowing() -> Callable[..., Tensor]:
    """flowing(x, n, start=0) -> frames [B, T, C, *S] of which number k is moved by (start + k) n cells."""

    def move(x: Tensor, shift: Sequence[int], start: int = 0) -> Tensor:
        axes = tuple(range(2, 2 + len(shift)))
        frames = [
            torch.roll(frame, [(start + number) * part for part in shift], axes)
            for number, frame in enumerate(x.unbind(1))
        ]
        return torch.stack(frames, 1)

    return move


@pytest.fixture
def states() -> Callable[..., list[Memory]]:
    """states(network, x) -> the state after each of the frames [B, T, C, *S]."""

    def run(network: SlicedRNN, x: Tensor) -> list[Memory]:
        state, nothing, found = network.init_state(x[:, 0]), x.new_zeros(x.shape[0], 0), []
        with torch.no_grad():
            for frame in x.unbind(1):
                state = network.step(state, frame, nothing)
                found.append(state)
        return found

    return run


@pytest.fixture
def slices() -> Callable[..., Tensor]:
    """slices(network, state) -> memory [B, V, *S, C]."""

    def view(network: SlicedRNN, state: Memory) -> Tensor:
        assert state.rows is not None
        return state.rows.unflatten(1, (len(network.velocities), *state.shape))

    return view
