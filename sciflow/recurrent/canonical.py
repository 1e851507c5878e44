"""A recurrent network in the frame of reference that moves with the drift of its context."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Requires, Sizes, Traits
from sciflow.recurrent.boost import Boost
from sciflow.recurrent.fernn import GRNN
from sciflow.recurrent.model import as_rows
from sciflow.recurrent.moves import moved


@final
class CanonicalGRNN(nn.Module):
    """`GRNN` on frames that are moved to where they do not drift, and moved back::

        c = the shift per frame, in steps of 1 / refine cells, that maximises the sum over the context of
            the correlation of f_k(x + c) and f_{k-1}(x)
        f~_k = psi_k(-c) f_k,    f_{T+n} = psi_{T+n}(c) GRNN(f~)_n

    Where the problem's Galilean symmetry names a velocity field, c is its box mean (less that of the training cases)
    and is taken off its values too. Moves go through Fourier modes; those by whole cells are exact. Equivariant to any
    uniform drift (to those in steps of 1 / refine cells where it is found by correlation), at the cost of a network
    with one slice, but to a single drift of the whole field: of several objects or streams it follows one.

    Args:
        sizes: what the problem needs; its flows say along which axes the drift is.
        refine: candidates per cell of the correlation.
        options: of `GRNN`, but for ``boost``.

    Raises:
        InputError: an option is out of range, or the context is shorter than two frames.

    Source: the option of moving to the frame of rest is standard in equivariant learning (Kaba et al., Equivariance
    with Learned Canonicalization Functions, ICML 2023, arXiv:2211.06489).
    """

    name: ClassVar[str] = "canonical-g-rnn"
    requires: ClassVar[Requires] = Requires(
        periodic_only=True, context=True, inputs=False, mask=False, flow="translation"
    )
    traits: ClassVar[Traits] = Traits(ignores=("coordinates", "mask", "dt"), recurrent=True)

    def __init__(
        self,
        sizes: Sizes,
        *,
        refine: int = 1,
        width: int = 16,
        kernel: int = 3,
        layers: int = 1,
        residual: bool = False,
        identity: float = 0.7,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if refine < 1:
            raise InputError(f"refine must be a whole number of at least 1, not {refine!r}.")
        if sizes.frames_in < 2:
            raise InputError("The drift of the context needs at least two frames; use frames_in=2 or more.")
        self.sizes, self.refine = sizes, refine
        flows = [flow for flow in sizes.flows if flow.kind == "translation"]
        self.axes = sorted({flow.axes[0] for flow in flows})
        named = any(flow.fields for flow in flows)
        self.boost = Boost(sizes, "lift" if named else "none")
        self.inner = GRNN(
            sizes,
            width=width,
            kernel=kernel,
            layers=layers,
            residual=residual,
            identity=identity,
            bias=bias,
            boost="mean" if named else "none",
        )

    def set_speeds(self, speeds: Tensor) -> None:
        """Take the normalised value of one cell per frame along each axis in each channel, [D, F]."""
        self.boost.set_speeds(speeds)

    def forward(
        self,
        x: Tensor,
        *,
        parameters: Tensor,
        signals: Tensor,
        mask: Tensor,
        coordinates: Tensor,
        dt: Tensor,
        inputs: Tensor,
        frames: int | None = None,
    ) -> Tensor:
        """The next frames; see :mod:`sciflow.operators` for the inputs."""
        drift = self.drift(x)
        clock = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
        forecast: Tensor = self.inner(
            moved(x, -drift[:, None] * clock[:, None]),
            parameters=parameters,
            signals=signals,
            mask=mask,
            coordinates=coordinates,
            dt=dt,
            inputs=inputs,
            frames=frames,
        )
        later = x.shape[1] + torch.arange(forecast.shape[1], device=x.device, dtype=x.dtype)
        return moved(forecast, drift[:, None] * later[:, None])

    @torch.no_grad()
    def drift(self, x: Tensor) -> Tensor:
        """Cells per frame along each axis, [B, D], of context frames [B, T, F, \\*S]."""
        if self.boost.kind == "lift":
            mean = torch.stack([as_rows(frame).mean(1) for frame in x.unbind(1)]).mean(0)
            weight = self.boost.speeds.square().sum(1).clamp(min=torch.finfo(x.dtype).tiny)
            return mean @ (self.boost.speeds / weight[:, None]).mT
        space = tuple(range(3, x.ndim))
        spectrum = torch.fft.fftn(x - x.mean(space, keepdim=True), dim=space)
        cross = (spectrum[:, 1:] * spectrum[:, :-1].conj()).sum((1, 2))
        for axis in range(self.sizes.dims):
            cross = _refined(cross, 1 + axis, self.refine) if axis in self.axes else cross.sum(1 + axis, keepdim=True)
        correlation = torch.fft.ifftn(cross, dim=tuple(range(1, cross.ndim))).real
        best = correlation.flatten(1).argmax(1)
        parts = torch.unravel_index(best, correlation.shape[1:])
        shifts = []
        for part, points in zip(parts, correlation.shape[1:], strict=True):
            shifts.append(torch.where(part > points // 2, part - points, part).to(x.dtype) / self.refine)
        return torch.stack(shifts, 1)


def _refined(spectrum: Tensor, axis: int, factor: int) -> Tensor:
    """A spectrum with zeros for shorter waves, so that its field is known at ``factor`` times as many points."""
    if factor == 1:
        return spectrum
    points = spectrum.shape[axis]
    low, high = spectrum.split([(points + 1) // 2, points // 2], axis)
    shape = list(spectrum.shape)
    shape[axis] = points * (factor - 1)
    return torch.cat([low, spectrum.new_zeros(shape), high], axis)
