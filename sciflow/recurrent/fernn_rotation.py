"""The recurrent network with one slice of memory per rotation rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Requires, Sizes, require_whole
from sciflow.recurrent.convolution import Activation, activated
from sciflow.recurrent.model import SequenceModel, require_odd
from sciflow.recurrent.orientations import GroupConv, LiftingConv, ProjectingConv
from sciflow.recurrent.rotations import Rotations
from sciflow.recurrent.turning import turned

RateOption = int | Literal["closed"] | tuple[float, ...]


@final
@dataclass(frozen=True)
class TurningMemory:
    """The state of a network whose memory turns.

    Attributes:
        kernels: those of the lift and of the recurrence in all orientations, made once for a sequence.
        slices: h, [B V, n C, H, W], the V slices of a sample one after the other; None before the first frame.
    """

    kernels: tuple[Tensor, Tensor]
    slices: Tensor | None = None


@final
class RotationFERNN(SequenceModel[TurningMemory]):
    """Flow-equivariant recurrent network for scalar fields that turn about the middle of a square.

    The memory h(omega, x, a) has a slice for each rate omega of a finite set V and a channel for each of n orientations
    a. From frame to frame slice omega turns: its points by omega degrees, and its orientations by omega / (360 / n)::

        h_{t+1}(omega) = sigma(W * psi_1(omega) h_t(omega) + U * f_t + b),       h_0 = 0
        f_{t+1}        = Dec(max over omega of psi_1(omega) h_{t+1}(omega))

    U, W and Dec are convolutions whose kernels are turned copies of one another and see zeros outside of the square;
    Dec ends without orientations, so that the whole network commutes with a turn of its input. If the input turns with
    a flow, f'_t = psi_t(n) f_t, the memory turns with it and changes slices,
    h'_{t+1}(omega) = psi_t(n) h_{t+1}(omega - n).

    Exact: turns by multiples of 90 degrees, with a number of orientations that 4 divides. Approximate: all others,
    since points between pixels and turned kernels are interpolated and the corners of the square leave it. A memory
    turned by a few degrees each frame is smoothed each frame. As with translations, the forecast is equivariant where V
    is closed; a truncated set loses slices at its edge. Fields are taken as scalars: components of vectors, which turn
    as well, are not supported.

    Weights do not depend on V. Time grows as the number of rates times the square of n x width.

    Args:
        sizes: what the problem needs: 2-D, with a declared rotation. The grid must be square and equally spaced.
        velocities: the set V of rates in degrees per frame, from x towards y: R for the multiples -R … R of
            ``spacing`` (0: a control that is equivariant to turns but not to turning), "closed" for all multiples up to
            a whole turn, or a list of rates.
        spacing: between neighbouring rates; every rate must be a multiple of 360 / orientations.
        orientations: n.
        width: channels for each orientation.
        kernel: points of all kernels along each axis, odd.
        layers: hidden group convolutions of the decoder.
        activation: "relu", "tanh" or "gelu".
        identity: share of the kernel that keeps h in the initial W.
        bias: b and those of the decoder.
        checkpoints: compute each step again for the gradient instead of keeping what it needs.

    Raises:
        InputError: an option is out of range, a rate does not fit the orientations, or the grid is not square.

    Good values: digits that turn by multiples of 10 degrees: spacing 10, 36 orientations, width 2 to 4; for quarter
    turns: spacing 90, 4 orientations, "closed".

    Source: Keller, Flow Equivariant Recurrent Neural Networks, NeurIPS 2025, arXiv:2507.14793; group convolutions:
    Cohen and Welling, arXiv:1602.07576. Other than published: the decoder is equivariant, the frame is read out after
    the move, and no frame is read twice.
    """

    name: ClassVar[str] = "fernn-rotation"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True, inputs=False, mask=False, flow="rotation")

    def __init__(
        self,
        sizes: Sizes,
        *,
        velocities: RateOption = 1,
        spacing: float = 10.0,
        orientations: int = 36,
        width: int = 2,
        kernel: int = 3,
        layers: int = 1,
        activation: Activation = "relu",
        identity: float = 0.7,
        bias: bool = True,
        checkpoints: bool = False,
    ) -> None:
        super().__init__(sizes)
        for name, value, least in (("orientations", orientations, 1), ("width", width, 1), ("layers", layers, 0)):
            require_whole(name, value, least)
        require_odd("kernel", kernel)
        if not 0 <= identity <= 1:
            raise InputError(f"identity is a share between 0 and 1, not {identity!r}.")
        if sizes.grid:
            self.require_grid(sizes.grid)
        self.rotations = choose_rates(velocities, spacing)
        self.steps = [_steps(rate, orientations) for rate in self.rotations.rates]
        self.width, self.orientations = width, orientations
        self.activation, self.checkpoints = activation, checkpoints
        self.lift = LiftingConv(sizes.fields, width, orientations, kernel)
        self.recurrence = GroupConv(width, width, orientations, kernel, identity)
        self.hidden = nn.ModuleList(GroupConv(width, width, orientations, kernel) for _ in range(layers))
        self.last = ProjectingConv(width, sizes.fields, orientations, kernel)
        self.condition = nn.Linear(self.conditions, width, bias=False) if self.conditions else None
        self.biases = nn.ParameterList(torch.zeros(width) for _ in range(1 + layers)) if bias else None
        self.offset = nn.Parameter(torch.zeros(sizes.fields)) if bias else None

    def require_grid(self, shape: tuple[int, ...]) -> None:
        """Raise unless the grid is square."""
        if shape[0] != shape[1]:
            raise InputError(
                f"The network '{self.name}' turns its memory about the middle of a square and needs as many points "
                f"along y as along x, not {shape[0]} x {shape[1]}."
            )

    def init_state(self, frame: Tensor) -> TurningMemory:
        """Zero memory, for frames like the given one [B, F, n, n]."""
        return TurningMemory((self.lift.bank(), self.recurrence.bank()))

    def step(self, state: TurningMemory, frame: Tensor, condition: Tensor, *, observed: bool = True) -> TurningMemory:
        """The memory after a frame; see `sciflow.recurrent.model.SequenceModel.step`."""
        lifted = self._with_bias(self.lift(frame, state.kernels[0]), 0)
        if self.condition is not None:
            lifted = lifted + self.condition(condition).repeat(1, self.orientations)[..., None, None]
        if state.slices is None:
            slices = activated(lifted, self.activation).repeat_interleave(len(self.rotations), 0)
        elif self.checkpoints and torch.is_grad_enabled():
            slices = checkpoint(self._recur, state.slices, lifted, state.kernels[1], use_reentrant=False)
        else:
            slices = self._recur(state.slices, lifted, state.kernels[1])
        return TurningMemory(state.kernels, slices)

    def predict(self, state: TurningMemory) -> Tensor:
        """The next frame, read out after the memory has moved on, so that it turns as frames do."""
        rows = self.pooled(state)
        for number, layer in enumerate(self.hidden, start=1):
            rows = activated(self._with_bias(layer(rows), number), self.activation)
        frame: Tensor = self.last(rows)
        return frame if self.offset is None else frame + self.offset[:, None, None]

    def pooled(self, state: TurningMemory) -> Tensor:
        """The moved memory, its largest value over the rates, [B, n C, H, W]."""
        assert state.slices is not None
        return self.move(state.slices).unflatten(0, (-1, len(self.rotations))).amax(1)

    def move(self, slices: Tensor) -> Tensor:
        """Each slice of [B V, n C, H, W] turned by its rate: its points, and its orientations."""
        apart = slices.unflatten(0, (-1, len(self.rotations)))
        moved = [
            turned(torch.roll(apart[:, number], steps * self.width, 1), rate)
            for number, (rate, steps) in enumerate(zip(self.rotations.rates, self.steps, strict=True))
        ]
        return torch.stack(moved, 1).flatten(0, 1)

    def _recur(self, slices: Tensor, lifted: Tensor, kernel: Tensor) -> Tensor:
        inner = self.recurrence(self.move(slices), kernel).unflatten(0, (len(lifted), -1))
        return activated(inner + lifted[:, None], self.activation).flatten(0, 1)

    def _with_bias(self, images: Tensor, number: int) -> Tensor:
        """A number added to each channel, the same for all orientations."""
        if self.biases is None:
            return images
        return images + self.biases[number].repeat(self.orientations)[:, None, None]


def choose_rates(wanted: RateOption, spacing: float) -> Rotations:
    """The set V that an option means.

    Raises:
        InputError: the option is out of range.
    """
    if not spacing > 0:
        raise InputError(f"spacing is a positive distance between rates in degrees per frame, not {spacing!r}.")
    if wanted == "closed":
        return Rotations.ring(spacing)
    if isinstance(wanted, int):
        if isinstance(wanted, bool) or wanted < 0:
            raise InputError(f"velocities must be a whole number of at least 0, 'closed' or a list, not {wanted!r}.")
        return Rotations.box(wanted, spacing)
    return Rotations(tuple(wanted))


def _steps(rate: float, orientations: int) -> int:
    """By how many orientations a rate turns in a frame."""
    steps = rate * orientations / 360
    if abs(steps - round(steps)) > 1e-6:
        raise InputError(
            f"The rate of {rate:g} degrees per frame is no multiple of 360 / {orientations} = {360 / orientations:g} "
            "degrees, the step between orientations; choose another spacing or more orientations."
        )
    return round(steps)
