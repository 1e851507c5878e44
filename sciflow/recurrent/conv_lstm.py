"""Convolutional LSTM."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sciflow.operators.sizes import Requires, Sizes, require_whole
from sciflow.recurrent.convolution import PeriodicConv
from sciflow.recurrent.model import SequenceModel, as_frame, as_rows, require_odd
from sciflow.recurrent.readout import Decoder

State = tuple[tuple[int, ...], Tensor, Tensor, Tensor]  # grid, hidden, memory, last frame


@final
class ConvLSTM(SequenceModel[State]):
    """Long short-term memory with convolutions on periodic grids, of one layer::

        i, f, o, g = conv(f_t, h_t)
        c_{t+1} = sigmoid(f) c_t + sigmoid(i) tanh(g),    h_{t+1} = sigmoid(o) tanh(c_{t+1})
        f_{t+1} = Dec h_{t+1}  (+ f_t with ``residual``)

    The forget gate starts with a bias of 1.

    Args:
        sizes: what the problem needs.
        width: channels of h and c.
        kernel: points of all convolutions along each axis, odd.
        layers: hidden layers of the decoder.
        residual: the forecast is a change of the last frame.

    Raises:
        InputError: an option is out of range.

    Good values: width 16 to 64, kernel 3 or 5, 1e-3 to 3e-3.

    Source: Shi et al., Convolutional LSTM Network, NeurIPS 2015, arXiv:1506.04214, without peepholes.
    """

    name: ClassVar[str] = "conv-lstm"
    requires: ClassVar[Requires] = Requires(periodic_only=True, context=True, sequences=True, inputs=False, mask=False)

    def __init__(
        self, sizes: Sizes, *, width: int = 16, kernel: int = 3, layers: int = 1, residual: bool = False
    ) -> None:
        super().__init__(sizes)
        require_whole("width", width, 1)
        require_whole("layers", layers, 0)
        require_odd("kernel", kernel)
        self.width, self.residual = width, residual
        self.gates = PeriodicConv(sizes.fields + width, 4 * width, sizes.dims, kernel, bias=True)
        assert self.gates.bias is not None
        with torch.no_grad():
            self.gates.bias[width : 2 * width] = 1
        self.condition = nn.Linear(self.conditions, 4 * width, bias=False) if self.conditions else None
        self.decoder = Decoder(width, sizes.fields, sizes.dims, kernel, layers, "relu", bias=True)

    def init_state(self, frame: Tensor) -> State:
        """Zero hidden state and memory, for frames like the given one [B, F, \\*S]."""
        rows = as_rows(frame)
        empty = rows.new_zeros(*rows.shape[:2], self.width)
        return tuple(frame.shape[2:]), empty, empty, rows

    def step(self, state: State, frame: Tensor, condition: Tensor, *, observed: bool = True) -> State:
        """The state after a frame; see `sciflow.recurrent.model.SequenceModel.step`."""
        shape, hidden, memory, _ = state
        rows = as_rows(frame)
        gates = self.gates(torch.cat([rows, hidden], -1), shape)
        if self.condition is not None:
            gates = gates + self.condition(condition)[:, None]
        take, keep, give, new = gates.chunk(4, -1)
        memory = keep.sigmoid() * memory + take.sigmoid() * new.tanh()
        return shape, give.sigmoid() * memory.tanh(), memory, rows

    def predict(self, state: State) -> Tensor:
        """The next frame [B, F, \\*S]."""
        shape, hidden, _, last = state
        rows = self.decoder(hidden, shape)
        return as_frame(rows + last if self.residual else rows, shape)
