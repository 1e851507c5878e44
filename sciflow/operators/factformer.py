"""FactFormer: factorized transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sciflow.operators.factorized.axes import published_axes, published_points
from sciflow.operators.factorized.block import FactorizedBlock, Widths
from sciflow.operators.factorized.integral import Rule
from sciflow.operators.factorized.lift import Lift, Position, domain_lengths, is_conditioned
from sciflow.operators.factorized.march import LatentMarch
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class FactFormer(nn.Module):
    """Layers of factorized attention, then latent marching to the frames asked for.

        u_0 = lift(x, inputs, mask, parameters, signals, dt)
        u' = u_l + position_l,    u_{l+1} = u' + F_l(u')                      l = 0 … layers - 1
        F(u) = O gelu(norm(κ_z κ_y κ_x v) M),    v = V layer norm(u)
        y = march(u_layers)

    Kernels κ of each axis and head are found from the field averaged over the other axes
    (:class:`~sciflow.operators.factorized.kernel.AxisKernel`), without softmax; the norm is over the points and the
    channels of a head. Several frames follow from the last layer by a small map that is iterated at each point
    (:class:`~sciflow.operators.factorized.march.LatentMarch`).

    Positions are sharp functions of the number of a point (``lengths`` sets how sharp), so that a trained network
    belongs to its grid. dt acts only together with parameters or signals, or as the time where there are no context
    frames.

    Args:
        sizes: what the problem needs.
        width: channels d of u, even; fields that divide width / 2 are lifted one by one.
        heads: kernels of each axis.
        head_width: channels c of a head.
        multiplier: numbers from which a kernel is found, in units of c.
        layers: how many.
        latent: channels of the latent march.
        steps: of the latent march, each of which gives frames_out / steps frames; default one for each frame.
        lengths: lengths of the domain in tensor order; default 1.
        recompute: find the inside of each layer again in the backward pass, to save memory.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: 2-D Kolmogorov flow on 128²: width 128, 8 heads of 64, multiplier 2, 4 layers, latent 256; 3-D
    turbulence: 6 heads, multiplier 3, latent 192; AdamW at 3e-4 to 5e-4, one-cycle schedule, relative L2 loss.

    Source: Li, Shu, Barati Farimani, Scalable Transformer for PDE Surrogate Modeling, NeurIPS 2023 (arXiv:2305.17560).
    """

    name: ClassVar[str] = "factformer"
    requires: ClassVar[Requires] = Requires(dims=(2, 3))

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 128,
        heads: int = 6,
        head_width: int = 64,
        multiplier: int = 3,
        layers: int = 4,
        latent: int = 192,
        steps: int | None = None,
        lengths: Sequence[float] | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        require_whole("layers", layers, 1)
        widths = Widths(width, heads, head_width, multiplier)
        rule = Rule("chained", "head", eps=1e-8)
        self.sizes, self.pairs, self.recompute = sizes, widths.pairs, recompute
        self.lengths = domain_lengths(lengths, sizes.dims)
        self.traits = Traits(ignores=() if is_conditioned(sizes) else ("dt",))
        self.lift = Lift(sizes, width)
        self.positions = nn.ModuleList(Position(sizes.dims, width, 8.0) for _ in range(layers))
        self.blocks = nn.ModuleList(FactorizedBlock(sizes.dims, widths, rule) for _ in range(layers))
        self.march = LatentMarch(sizes, width, latent, sizes.frames_out if steps is None else steps)

    def forward(
        self,
        x: Float[Tensor, "batch frames_in fields *space"],
        *,
        parameters: Float[Tensor, "batch parameters"],
        signals: Float[Tensor, "batch frames signals"],
        mask: Float[Tensor, "batch 1 *space"],
        coordinates: Float[Tensor, "batch dims *space"],
        dt: Float[Tensor, "cases=batch"],
        inputs: Float[Tensor, "batch inputs *space"],
    ) -> Float[Tensor, "batch frames_out fields *space"]:
        """The frames asked for; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        axes = published_axes(x.shape[3:], self.lengths, self.pairs, x)
        points = published_points(x.shape[3:], self.lengths, x)
        u = self.lift(x, parameters, signals, mask, dt, inputs)
        for position, block in zip(self.positions, self.blocks, strict=True):
            moved = position(points)
            u = moved.expand(len(x), *moved.shape[1:]) if u is None else u + moved
            if self.recompute and torch.is_grad_enabled():
                u = u + checkpoint(block, u, axes, use_reentrant=False, preserve_rng_state=False)
            else:
                u = u + block(u, axes)
        return self.march(u)
