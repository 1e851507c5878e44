"""Controls of the flow-equivariant network: the canonical frame, and the convolutional LSTM."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators import Flow, Sizes, build
from sciflow.recurrent.canonical import CanonicalGRNN
from sciflow.recurrent.conv_lstm import ConvLSTM
from sciflow.recurrent.moves import moved


def given(sizes: Sizes, x: Tensor) -> dict[str, Tensor]:
    """All inputs of a network for frames [B, T, F, *S]."""
    batch, space = len(x), tuple(x.shape[3:])
    return {
        "x": x,
        "parameters": x.new_zeros(batch, 0),
        "signals": x.new_zeros(batch, sizes.frames, 0),
        "mask": x.new_ones(batch, 1, *space),
        "coordinates": x.new_zeros(batch, sizes.dims, *space),
        "dt": x.new_ones(batch),
        "inputs": x.new_zeros(batch, 0, *space),
    }


def rolled(frames: Tensor, shift: tuple[int, ...], first: int = 0) -> Tensor:
    """Frame number k moved by (first + k) times the shift."""
    axes = tuple(range(-len(shift), 0))
    parts = [torch.roll(f, [(first + k) * s for s in shift], axes) for k, f in enumerate(frames.unbind(1))]
    return torch.stack(parts, 1)


@pytest.mark.parametrize(("shape", "shift"), [((16,), (3,)), ((9, 12), (-2, 1))])
def test_canonical_frame_finds_the_drift_and_moves_with_it(shape: tuple[int, ...], shift: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    flows = tuple(Flow("translation", (axis,)) for axis in range(len(shape)))
    sizes = Sizes(1, len(shape), frames_in=4, frames_out=5, periodic=(True,) * len(shape), flows=flows)
    network = CanonicalGRNN(sizes, width=4).double()
    still = torch.randn(3, 1, 1, *shape, dtype=torch.float64).repeat(1, 4, *[1] * (1 + len(shape)))
    moving = rolled(still, shift)
    assert torch.equal(network.drift(moving), torch.tensor(shift, dtype=torch.float64).expand(3, -1))
    with torch.no_grad():
        expected = rolled(network(**given(sizes, still)), shift, 4)
        difference = network(**given(sizes, moving)) - expected
    assert difference.norm() < 1e-12 * expected.norm()


def test_canonical_frame_takes_the_mean_of_a_velocity_for_the_drift() -> None:
    sizes = Sizes(1, 1, frames_in=3, frames_out=1, periodic=(True,), flows=(Flow("translation", (0,), (0,)),))
    network = CanonicalGRNN(sizes, width=4).double()
    network.set_speeds(torch.tensor([[0.5]]))  # one cell per frame is a velocity of one half
    x = torch.sin(2 * math.pi * torch.arange(16, dtype=torch.float64) / 16).expand(2, 3, 1, 16)
    assert torch.allclose(network.drift(x + 0.75), torch.full((2, 1), 1.5, dtype=torch.float64))
    boosted = moved(x, torch.arange(3.0, dtype=torch.float64).expand(2, 3)[..., None]) + 0.5
    with torch.no_grad():
        expected = torch.roll(network(**given(sizes, x)), 3, -1) + 0.5
        assert torch.allclose(network(**given(sizes, boosted)), expected, atol=1e-12)


def test_one_frame_has_no_drift() -> None:
    sizes = Sizes(1, 1, frames_in=1, frames_out=3, periodic=(True,), flows=(Flow("translation", (0,)),))
    with pytest.raises(InputError, match="at least two frames"):
        build("canonical-g-rnn", sizes)


def test_convolutional_lstm_is_its_equations() -> None:
    torch.manual_seed(0)
    sizes = Sizes(2, 2, frames_in=3, frames_out=1, periodic=(True, True))
    network = ConvLSTM(sizes, width=3, layers=0).double()
    x = torch.randn(2, 3, 2, 5, 6, dtype=torch.float64)

    def around(field: Tensor) -> Tensor:
        return functional.pad(field, (1, 1, 1, 1), mode="circular")

    hidden, memory = torch.zeros(2, 3, 5, 6).double(), torch.zeros(2, 3, 5, 6).double()
    for frame in x.unbind(1):
        gates = functional.conv2d(around(torch.cat([frame, hidden], 1)), network.gates.weight, network.gates.bias)
        take, keep, give, new = gates.chunk(4, 1)
        memory = keep.sigmoid() * memory + take.sigmoid() * new.tanh()
        hidden = give.sigmoid() * memory.tanh()
    last = network.decoder.last
    expected = functional.conv2d(around(hidden), last.weight, last.bias)[:, None]
    assert torch.allclose(network(**given(sizes, x)), expected, atol=1e-12)
