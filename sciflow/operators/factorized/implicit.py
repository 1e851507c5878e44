"""The body of IFactFormer-m and IFactFormer-o: one block iterated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sciflow.operators.factorized.axes import Axes, published_axes, published_points, weighted_axes
from sciflow.operators.factorized.block import FactorizedBlock, Widths
from sciflow.operators.factorized.integral import Rule
from sciflow.operators.factorized.lift import Lift, Position, Project, domain_lengths
from sciflow.operators.sizes import Sizes, require_whole

_DEVIATION = {False: 8.0, True: 1.0}  # of the rates of positions, without and with weights
_GAIN = {False: 0.02, True: 1.0}  # weights make kernels smaller by the number of points


@final
class Implicit(nn.Module):
    """u_{l+1} = u_l + F(u_l) / L from u_0 = lift + position, then the projection.

    Args:
        sizes: what the problem needs.
        widths: sizes of the block F.
        rule: its integrals.
        iterations: L.
        lengths: of the domain, in tensor order; used without ``weighted``.
        weighted: positions and weights from the true coordinates.
        waves: numbers of waves in the kernels, used with ``weighted``.
        recompute: whether the backward pass finds the inside of F again, to save memory.
    """

    def __init__(
        self,
        sizes: Sizes,
        widths: Widths,
        rule: Rule,
        iterations: int,
        lengths: Sequence[float] | None,
        weighted: bool,
        waves: int,
        recompute: bool,
    ) -> None:
        super().__init__()
        require_whole("iterations", iterations, 1)
        require_whole("waves", waves, 1)
        self.sizes, self.iterations, self.recompute = sizes, iterations, recompute
        self.lengths = domain_lengths(lengths, sizes.dims)
        self.weighted, self.waves, self.pairs = weighted, waves, widths.pairs
        self.lift = Lift(sizes, widths.width)
        self.position = Position(sizes.dims, widths.width, _DEVIATION[weighted], sizes.periodic if weighted else ())
        self.block = FactorizedBlock(sizes.dims, widths, rule, _GAIN[weighted])
        self.project = Project(sizes, widths.width)

    def forward(
        self,
        x: Tensor,
        parameters: Tensor,
        signals: Tensor,
        mask: Tensor,
        coordinates: Tensor,
        dt: Tensor,
        inputs: Tensor,
    ) -> Tensor:
        """The frames asked for."""
        space = x.shape[3:]
        if self.weighted:
            axes = weighted_axes(coordinates, self.sizes.periodic, self.pairs, self.waves)
            u = self.position(coordinates.movedim(1, -1))
        else:
            axes = published_axes(space, self.lengths, self.pairs, x)
            u = self.position(published_points(space, self.lengths, x))
        lifted = self.lift(x, parameters, signals, mask, dt, inputs)
        u = u.expand(len(x), *u.shape[1:]) if lifted is None else lifted + u
        for _ in range(self.iterations):
            if self.recompute and torch.is_grad_enabled():
                u = checkpoint(self._step, u, axes, use_reentrant=False, preserve_rng_state=False)
            else:
                u = self._step(u, axes)
        return self.project(u)

    def _step(self, u: Tensor, axes: Axes) -> Tensor:
        return torch.add(u, self.block(u, axes), alpha=1 / self.iterations)
