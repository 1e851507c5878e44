"""Classes of sequences: the recurrent networks with a slice of memory per velocity, without a forecast."""

from __future__ import annotations

import copy
from typing import Literal, Self, final, get_args

from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.sizes import require_whole
from sciflow.recurrent.cells import PlainCell
from sciflow.recurrent.convolution import PeriodicConv
from sciflow.recurrent.model import as_rows, require_odd
from sciflow.recurrent.movers import Drift, LearnedMover
from sciflow.recurrent.velocities import Velocities

MoverName = Literal["drift", "learned"]


@final
class SequenceClassifier(nn.Module):
    """Scores of classes for clips of images on a periodic canvas, from the memory after the last frame::

        h_{t+1}(nu) = tanh(W * psi_1(nu) h_t(nu) + U(f_t)),       h_0 = 0
        scores      = A mean over x of max over nu of h_T(nu, x) + b

    U is a chain of periodic convolutions, each with batch normalisation and ReLU. A clip that moves with a flow n
    leaves in slice nu what the clip at rest leaves in slice nu - n, moved: where the set of velocities is closed under
    n, scores do not depend on n at all; a truncated set loses slices at its edge.

    With ``mover="drift"`` weights do not depend on the velocities, see `with_velocities`. ``velocities=0`` is the
    control G-RNN: equivariant to shifts, not to flows. ``mover="learned"`` is G-RNN+: as many slices, moved by learned
    kernels.

    Args:
        channels: of a frame.
        classes: number of classes.
        velocities: R for {-R … R}^2 in cells per frame, or a set.
        mover: how slices move.
        widths: channels of U after each convolution; the last is that of the memory.
        kernels: points of these convolutions along each axis, odd.
        identity: share of the kernel that keeps h in the initial W.

    Raises:
        InputError: a number is out of range.

    Good values: those of the paper, the defaults, with Adam at 3e-4, batches of 32 and 500 passes; small ones, widths
    (8, 16) and kernels (3, 3), at 5e-3.

    Source: Keller, Flow Equivariant Recurrent Neural Networks, NeurIPS 2025, arXiv:2507.14793, its classifier of moving
    human actions; with its widths, kernels and number of parameters. Other than published: U has periodic borders
    instead of zeros, which keeps it equivariant, and W starts near the identity.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        velocities: int | Velocities = 1,
        mover: MoverName = "drift",
        widths: tuple[int, ...] = (32, 64, 128),
        kernels: tuple[int, ...] = (5, 3, 3),
        identity: float = 0.7,
    ) -> None:
        super().__init__()
        require_whole("channels", channels, 1)
        require_whole("classes", classes, 2)
        if not widths or len(widths) != len(kernels):
            raise InputError(
                f"widths and kernels need one entry per convolution, not {len(widths)} and {len(kernels)}."
            )
        for width, kernel in zip(widths, kernels, strict=True):
            require_whole("widths", width, 1)
            require_odd("kernels", kernel)
        if not 0 <= identity <= 1:
            raise InputError(f"identity is a share between 0 and 1, not {identity!r}.")
        if mover not in get_args(MoverName):
            raise InputError(f"mover is 'drift' or 'learned', not {mover!r}.")
        self.channels = channels
        self.lift = nn.ModuleList(
            PeriodicConv(before, width, 2, kernel, bias=False)
            for before, width, kernel in zip((channels, *widths), widths, kernels, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths)
        chosen = _chosen(velocities)
        moves = LearnedMover(chosen, identity) if mover == "learned" else Drift(chosen)
        self.cell = PlainCell(moves, widths[-1], 3, "tanh", identity)
        self.head = nn.Linear(widths[-1], classes)

    @property
    def velocities(self) -> Velocities:
        """The set V in cells per frame."""
        return self.cell.mover.velocities

    def with_velocities(self, velocities: int | Velocities) -> Self:
        """This classifier, the same weights, with another set of velocities.

        Raises:
            InputError: its slices are moved by learned kernels, which are those of one set.
        """
        if not isinstance(self.cell.mover, Drift):
            raise InputError("Learned kernels belong to the velocities that they were trained with; use mover 'drift'.")
        other = copy.deepcopy(self)
        other.cell.mover = Drift(_chosen(velocities))
        return other

    def forward(self, clips: Tensor) -> Tensor:
        """Scores [B, classes] of clips [B, T, C, H, W].

        Raises:
            InputError: clips have another shape, or the set of velocities is larger than the canvas.
        """
        require_clips(clips, self.channels)
        batch, time, _, *space = clips.shape
        shape = tuple(space)
        self.velocities.require_fits(shape)
        lifted = self._lifted(clips.flatten(0, 1), shape).view(batch, time, -1, self.cell.width)
        memory: Tensor | None = None
        for frame in lifted.unbind(1):
            memory = self.cell(memory, frame, shape)
        assert memory is not None
        slices = memory.unflatten(1, (len(self.velocities), -1))
        scores: Tensor = self.head(slices.amax(1).mean(1))
        return scores

    def _lifted(self, frames: Tensor, shape: tuple[int, ...]) -> Tensor:
        """U of frames [M, C, H, W] as rows [M, N, width]."""
        rows = as_rows(frames)
        for convolution, norm in zip(self.lift, self.norms, strict=True):
            rows = norm(convolution(rows, shape).flatten(0, 1)).relu().view(len(rows), -1, norm.num_features)
        return rows


def require_clips(clips: Tensor, channels: int) -> None:
    """Raise unless clips are [B, T, C, H, W] with so many channels and at least one frame."""
    if clips.ndim != 5 or clips.shape[2] != channels or not clips.shape[1]:
        raise InputError(
            f"Clips are [sample, frame, channel, y, x] with {channels} channels and at least one frame; these have the "
            f"shape {list(clips.shape)}."
        )


def _chosen(velocities: int | Velocities) -> Velocities:
    if isinstance(velocities, Velocities):
        if velocities.dims != 2:
            raise InputError(f"Images move along 2 axes; these velocities have {velocities.dims} components.")
        return velocities
    require_whole("velocities", velocities, 0)
    return Velocities.box(velocities, range(2), 2)
