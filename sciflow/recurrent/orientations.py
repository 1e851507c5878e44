"""Convolutions of fields with a channel for each of n orientations (regular representation of the cyclic group C_n).

Images have channels [n C], the C of one orientation after the other. Turning such a field by k steps of 360/n degrees
moves its points and rolls its orientations by k, ``(T_k h)(x, a) = h(R_k^-1 x, a - k)``. Kernels are turned copies of
one another: exact for n = 1, 2 and 4, approximate for more, see `sciflow.recurrent.turning.ring_turns`. With n a
multiple of 4 every convolution commutes with quarter turns exactly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.recurrent.convolution import initial_weight
from sciflow.recurrent.turning import ring_turns


class TurnedConv(nn.Module, ABC):
    """A convolution with zeros outside of the image, whose kernel holds turned copies of a smaller one.

    Args:
        orientations: n.
        kernel: points along each axis, odd.
        weight: the smaller kernel.
    """

    turns: Tensor

    def __init__(self, orientations: int, kernel: int, weight: Tensor) -> None:
        super().__init__()
        self.orientations, self.kernel = orientations, kernel
        self.weight = nn.Parameter(weight)
        self.register_buffer("turns", ring_turns(kernel, orientations).to(weight.dtype), persistent=False)

    @abstractmethod
    def bank(self) -> Tensor:
        """The whole kernel, [C_out, C_in, K, K] with orientations in the channels."""

    def forward(self, images: Tensor, bank: Tensor | None = None) -> Tensor:
        """The convolution; ``bank`` is `bank()` where it is used more than once."""
        kernel = self.bank() if bank is None else bank
        return functional.conv2d(images, kernel, padding=self.kernel // 2)

    def _turned(self) -> Tensor:
        """The smaller kernel in all orientations, [n, *, K, K]."""
        flat = torch.einsum("apq,...q->a...p", self.turns, self.weight.flatten(-2))
        return flat.unflatten(-1, (self.kernel, self.kernel))


@final
class LiftingConv(TurnedConv):
    """From images to orientations: ``g(x, a) = sum_y U(R_a^-1 (y - x)) f(y)``.

    Args:
        channels: of the images.
        width: channels of the result for each orientation.
    """

    def __init__(self, channels: int, width: int, orientations: int, kernel: int) -> None:
        super().__init__(orientations, kernel, initial_weight(channels, width, (kernel, kernel)))

    def bank(self) -> Tensor:
        return self._turned().flatten(0, 1)


@final
class GroupConv(TurnedConv):
    """From orientations to orientations: ``g(x, a) = sum_{y, b} W(R_a^-1 (y - x), b - a) h(y, b)``.

    Args:
        channels: for each orientation.
        width: channels of the result for each orientation.
        identity: share of the kernel that keeps h, where channels and width are the same; the rest is random.
    """

    def __init__(self, channels: int, width: int, orientations: int, kernel: int, identity: float = 0.0) -> None:
        weight = (1 - identity) * initial_weight(channels * orientations, width, (kernel, kernel))
        weight = weight.view(width, orientations, channels, kernel, kernel)
        if identity:
            weight[:, 0, :, kernel // 2, kernel // 2] += identity * torch.eye(width)
        super().__init__(orientations, kernel, weight)

    def bank(self) -> Tensor:
        turned = self._turned()
        rows = [torch.roll(kernel, number, 1) for number, kernel in enumerate(turned)]
        return torch.stack(rows).flatten(2, 3).flatten(0, 1)


@final
class ProjectingConv(TurnedConv):
    """From orientations to images: ``g(x) = sum_{y, a} P(R_a^-1 (y - x)) h(y, a) / n``, with no orientation preferred.

    The general linear map that commutes with turning; the mean over orientations of a `GroupConv` is of this form.

    Args:
        channels: for each orientation.
        width: channels of the result.
    """

    def __init__(self, channels: int, width: int, orientations: int, kernel: int) -> None:
        super().__init__(orientations, kernel, initial_weight(channels, width, (kernel, kernel)))

    def bank(self) -> Tensor:
        return self._turned().movedim(0, 1).flatten(1, 2) / self.orientations
