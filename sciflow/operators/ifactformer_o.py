"""IFactFormer-o: implicit factorized transformer with chained integrals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.operators.factorized.block import Widths
from sciflow.operators.factorized.implicit import Implicit
from sciflow.operators.factorized.integral import Rule
from sciflow.operators.factorized.lift import is_conditioned
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits


@final
class IFactFormerO(nn.Module):
    """One block of factorized attention, iterated; the axes act one after the other.

        u_{l+1} = u_l + F(u_l) / L,    F(u) = O gelu(norm(κ_z κ_y κ_x v) M),    v = V layer norm(u)

    All else is as in :class:`~sciflow.operators.ifactformer_m.IFactFormerM`, which see for ``weighted``, dt and the
    grid; the norm is over all points of each channel. What comes before the norm is a product of three kernels.

    Args:
        sizes: what the problem needs.
        width: channels d of u, even; fields that divide width / 2 are lifted one by one, as published.
        heads: kernels of each axis.
        head_width: channels c of a head.
        multiplier: numbers from which a kernel is found, in units of c.
        iterations: L.
        lengths: lengths of the domain in tensor order, which set how sharp positions are; default 1. Not used with
            ``weighted``.
        weighted: the form with quadrature weights and true coordinates.
        waves: numbers of waves in the kernels of the weighted form; grids need at least 2 waves points per axis.
        recompute: find the inside of each iteration again in the backward pass.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: the defaults (1,071,027 parameters for three fields in 3-D), trained as IFactFormer-m.

    Source: the original IFactFormer as defined in Yang, Wang, Wang, arXiv:2412.18840.
    """

    name: ClassVar[str] = "ifactformer-o"
    requires: ClassVar[Requires] = Requires(dims=(2, 3))

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 96,
        heads: int = 5,
        head_width: int = 96,
        multiplier: int = 3,
        iterations: int = 10,
        lengths: Sequence[float] | None = None,
        weighted: bool = False,
        waves: int = 6,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.traits = Traits(ignores=() if is_conditioned(sizes) else ("dt",))
        rule = Rule("chained", "channel", eps=1e-5)
        widths = Widths(width, heads, head_width, multiplier)
        self.body = Implicit(sizes, widths, rule, iterations, lengths, weighted, waves, recompute)

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
        return self.body(x, parameters, signals, mask, coordinates, dt, inputs)
