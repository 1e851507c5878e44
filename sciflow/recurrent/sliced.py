"""The recurrent network with one slice of memory per velocity."""

from __future__ import annotations

import copy
from abc import ABC
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Sizes, require_whole
from sciflow.recurrent.boost import Boost, BoostName
from sciflow.recurrent.cells import Cell, GatedCell, Lift, PlainCell
from sciflow.recurrent.convolution import Activation
from sciflow.recurrent.model import SequenceModel, as_frame, as_rows, require_choice, require_odd
from sciflow.recurrent.movers import Drift, Mover
from sciflow.recurrent.moves import at_rest, moved
from sciflow.recurrent.readout import Decoder, Evidence, Largest, Mean, moved_maximum
from sciflow.recurrent.velocities import Velocities

Pool = Literal["max", "mean", "evidence"]
CellName = Literal["plain", "gru"]
_SEEN = 4  # context frames by which the slice to be trained is chosen: one drift shows after two


@final
@dataclass(frozen=True)
class Memory:
    """The state of a sliced network.

    Attributes:
        shape: points along each axis.
        rows: h, [B, V N, C]; None before the first frame.
        last: the frame read last, without its offset, [B, N, F].
        offset: what is added to the next frame, [B, 1, F].
        errors: sums of the slices' square errors on the context, [B, V, 1 or N]; None if there are none.
    """

    shape: tuple[int, ...]
    rows: Tensor | None = None
    last: Tensor | None = None
    offset: Tensor | None = None
    errors: Tensor | None = None


class SlicedRNN(SequenceModel[Memory], ABC):
    """A recurrent network with one slice of memory per velocity; see `sciflow.recurrent.FERNN`.

    Args:
        sizes: what the problem needs.
        mover: how the slices move.
        spacing: between neighbouring velocities, for mixing.

    The other options are those of `sciflow.recurrent.FERNN`.
    """

    def __init__(
        self,
        sizes: Sizes,
        mover: Mover,
        *,
        width: int,
        kernel: int,
        layers: int,
        cell: CellName,
        residual: bool,
        activation: Activation,
        identity: float,
        bias: bool,
        boost: BoostName,
        checkpoints: bool,
        pool: Pool = "max",
        local: float | None = None,
        mixing: int = 0,
        winner: bool = False,
        spacing: float = 1.0,
    ) -> None:
        super().__init__(sizes)
        for name, value, least in (("width", width, 1), ("layers", layers, 0), ("mixing", mixing, 0)):
            require_whole(name, value, least)
        require_odd("kernel", kernel)
        choices = (("cell", cell, CellName), ("activation", activation, Activation), ("pool", pool, Pool))
        for name, chosen, kind in (*choices, ("boost", boost, BoostName)):
            require_choice(name, chosen, kind)
        if not 0 <= identity <= 1:
            raise InputError(f"identity is a share between 0 and 1, not {identity!r}.")
        if mixing and cell != "plain":
            raise InputError("mixing over velocities is of the plain cell; use cell 'plain' or mixing 0.")
        if local is not None and (pool != "evidence" or not local > 0):
            raise InputError(
                "local is the width in cells over which evidence is smoothed; use it with pool 'evidence'."
            )
        if pool != "evidence" and len(mover.velocities) > 1 and (residual or boost == "lift"):
            what = "residual" if residual else "boost 'lift'"
            raise InputError(f"{what} gives each velocity a frame of its own; weigh them with pool 'evidence'.")
        if winner and (pool != "evidence" or local is not None or mixing or boost == "lift" or sizes.frames_in < 2):
            raise InputError(
                "winner trains one slice for the whole field; use it with pool 'evidence', at least two context "
                "frames, and without local, mixing and boost 'lift'."
            )
        self.residual, self.checkpoints, self.winner = residual, checkpoints, winner
        self.boost = Boost(sizes, boost)
        self.cell: Cell
        if cell == "gru":
            self.cell = GatedCell(mover, width, kernel)
        else:
            self.cell = PlainCell(mover, width, kernel, activation, identity, mixing, spacing)
        gates = self.cell.gates * width
        self.lift = Lift(sizes.fields, gates, sizes.dims, kernel, self.conditions, bias=bias)
        self.decoder = Decoder(width, sizes.fields, sizes.dims, kernel, layers, activation, bias=bias)
        self.pool = (
            Evidence(local, learned=not winner) if pool == "evidence" else {"max": Largest, "mean": Mean}[pool]()
        )

    @property
    def velocities(self) -> Velocities:
        """The set V in cells per frame."""
        return self.cell.mover.velocities

    def set_speeds(self, speeds: Tensor) -> None:
        """Take the normalised value of one cell per frame along each axis in each channel, [D, F]."""
        self.boost.set_speeds(speeds)

    def require_grid(self, shape: tuple[int, ...]) -> None:
        """Raise unless all velocities are different on the grid."""
        self.velocities.require_fits(shape)

    def init_state(self, frame: Tensor) -> Memory:
        """Zero memory, for frames like the given one [B, F, *S]."""
        return Memory(tuple(frame.shape[2:]))

    def unrolled(self, x: Tensor, parameters: Tensor, signals: Tensor, frames: int) -> Tensor:
        """The next frames [B, frames, C, *S] of context frames [B, T, C, *S]."""
        if not (self.winner and self.training):
            return super().unrolled(x, parameters, signals, frames)
        drift = self._winners(x[:, :_SEEN], parameters, signals)
        clock = torch.arange(x.shape[1] + frames, device=x.device, dtype=x.dtype)
        shifts = drift[:, None] * clock[:, None]
        before, after = shifts.split([x.shape[1], frames], 1)
        forecast = SequenceModel.unrolled(self._at_rest(), moved(x, -before), parameters, signals, frames)
        return moved(forecast, after)

    @torch.no_grad()
    def _winners(self, x: Tensor, parameters: Tensor, signals: Tensor) -> Tensor:
        """For each sample the velocity [B, D] of the slice that forecasts its frames best."""
        state = self.init_state(x[:, 0])
        for time in range(x.shape[1]):
            condition = torch.cat((parameters, signals[:, time], signals[:, time + 1]), 1)
            state = self.step(state, x[:, time], condition)
        assert state.errors is not None
        return x.new_tensor(self.velocities.vectors)[state.errors[..., 0].argmin(1)]

    def _at_rest(self) -> SlicedRNN:
        """The same weights with the velocity zero alone: what any slice is in a frame that moves with it."""
        still, cell = copy.copy(self), copy.copy(self.cell)
        still._modules, cell._modules = dict(self._modules), dict(self.cell._modules)
        cell.mover = Drift(at_rest(self.velocities.dims))
        still.cell, still.pool = cell, Largest()
        return still

    def step(self, state: Memory, frame: Tensor, condition: Tensor, *, observed: bool = True) -> Memory:
        """The memory after a frame; see `sciflow.recurrent.model.SequenceModel.step`."""
        shape = state.shape
        last, offset = self.boost.taken_off(as_rows(frame))
        errors = self._errors(state, last, observed) if isinstance(self.pool, Evidence) else None
        lifted = self.lift(last, condition, shape)
        lifted = self.boost.lifted(lifted, self.lift.convolution.weight, self.velocities)
        if self.checkpoints and torch.is_grad_enabled():
            rows = checkpoint(self.cell, state.rows, lifted, shape, use_reentrant=False)
        else:
            rows = self.cell(state.rows, lifted, shape)
        return Memory(shape, rows, last, offset, errors)

    def predict(self, state: Memory) -> Tensor:
        """The next frame, read out after the memory has moved on, so that it moves with the flow as frames do."""
        assert state.rows is not None and state.last is not None
        if isinstance(self.pool, Evidence):
            slices = self.slices(state)
            weights = self._weights(state)
            rows = slices.mean(1) if weights is None else (weights[..., None] * slices).sum(1)
        else:
            rows = self.decoder(self.pooled(state), state.shape)
            rows = rows + state.last if self.residual else rows
        return as_frame(rows + state.offset, state.shape)

    def pooled(self, state: Memory) -> Tensor:
        """The moved memory pooled over velocities, [B, N, C]."""
        assert not isinstance(self.pool, Evidence) and state.rows is not None
        if isinstance(self.pool, Largest):
            moves = self.cell.mover.exact_moves(state.shape, (0,) * len(state.shape), state.rows.device)
            if moves is not None:
                return moved_maximum(state.rows, moves)
        moved = self.cell.mover.move(state.rows, state.shape)
        pooled: Tensor = self.pool(moved.unflatten(1, (len(self.velocities), -1)))
        return pooled

    def slices(self, state: Memory) -> Tensor:
        """The next frame as each slice sees it, without the offset, [B, V, N, F]."""
        assert state.rows is not None and state.last is not None
        count, mover, batch = len(self.velocities), self.cell.mover, state.rows.shape[0]
        moved = mover.move(state.rows, state.shape).view(batch * count, -1, self.cell.width)
        frames = self.decoder(moved, state.shape).view(batch, count, -1, self.sizes.fields)
        if self.residual:
            last = mover.move(state.last.repeat(1, count, 1), state.shape)
            return frames + last.view_as(frames)
        return frames + self.boost.values(self.velocities)[:, None] if self.boost.kind == "lift" else frames

    def _errors(self, state: Memory, frame: Tensor, observed: bool) -> Tensor | None:
        """The sums of errors with those of the next frame, if it is one of the context."""
        assert isinstance(self.pool, Evidence)
        if state.rows is None:
            return None
        before = self._carried(state)
        if not observed:
            return before
        new = self.pool.errors(self.slices(state), frame, state.shape)
        return new if before is None else before + new

    def _carried(self, state: Memory) -> Tensor | None:
        """The sums of errors after they have moved with their slices."""
        if state.errors is None or state.errors.shape[-1] == 1:
            return state.errors
        moved = self.cell.mover.move(state.errors.flatten(1)[..., None], state.shape)
        return moved.view_as(state.errors)

    def _weights(self, state: Memory) -> Tensor | None:
        """Weights of the slices at the next frame, [B, V, 1 or N]; None without evidence."""
        errors = self._carried(state)
        return None if errors is None else self.pool(errors.clamp(min=0))
