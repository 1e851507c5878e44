"""IFactFormer-m: implicit factorized transformer with parallel integrals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.factorized.block import Widths
from sciflow.operators.factorized.implicit import Implicit
from sciflow.operators.factorized.integral import Norm, Rule
from sciflow.operators.factorized.lift import is_conditioned
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits

_NORMS: dict[str, Norm] = {"current": "channel", "first-release": "plane"}


@final
class IFactFormerM(nn.Module):
    """One block of factorized attention, iterated; every axis acts on the same values.

        u_0 = lift(x, inputs, mask, parameters, signals, dt) + position
        u_{l+1} = u_l + F(u_l) / L,    F(u) = O gelu(norm([κ_x v, κ_y v, κ_z v]) M),    v = V layer norm(u)
        y = Q₂ gelu(Q₁ u_L) + q

    (κ_x v)(x, y, z) = Σ_x' κ_x(x, x') v(x', y, z), with a kernel for each head found from the field averaged over y and
    z (:class:`~sciflow.operators.factorized.kernel.AxisKernel`); no softmax. Cost: N heads c (n_x + n_y + n_z) for the
    integrals of N points, linear in N but for the n. y is the state itself, not its change. The weights are the same
    for every grid, but without ``weighted`` what they mean is not: positions are sharp functions of the number of a
    point, so that the trained network belongs to its grid.

    ``weighted`` is a form of our own: kernels, averages and statistics carry quadrature weights of the true coordinates
    (walls with refined points), and positions enter by a few waves, periodic on periodic axes. The same weights then
    give nearly the same field on every grid fine enough for the input. It needs a grid that is a product of axes.

    dt acts only together with parameters or signals, or as the time where there are no context frames; where there are
    none of these the published network has no place for it.

    Args:
        sizes: what the problem needs.
        width: channels d of u, even; fields that divide width / 2 are lifted one by one, as published.
        heads: kernels of each axis.
        head_width: channels c of a head.
        multiplier: numbers from which a kernel is found, in units of c.
        iterations: L.
        normalization: "current", each channel over all points (released since November 2025), or "first-release", all
            channels and points of each plane across the last axis (x), the form behind the first results.
        lengths: lengths of the domain in tensor order, which set how sharp positions are; the published channel has
            (4π/3, 2, 4π) for (z, y, x). Default 1. Not used with ``weighted``.
        weighted: the form with quadrature weights and true coordinates.
        waves: numbers of waves in the kernels of the weighted form; grids need at least 2 waves points per axis.
        recompute: find the inside of each iteration again in the backward pass, to save memory.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: the defaults, which are published for three-dimensional channel flow (1,163,187 parameters for three
    fields), with AdamW at 5e-4, factor 0.7 every 5 of 30 epochs, relative L2 loss; in 2-D width 64, 4 heads of 32.

    Source: Yang, Wang, Wang, arXiv:2412.18840.
    """

    name: ClassVar[str] = "ifactformer-m"
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
        normalization: Literal["current", "first-release"] = "current",
        lengths: Sequence[float] | None = None,
        weighted: bool = False,
        waves: int = 6,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if normalization not in _NORMS:
            raise InputError(f"normalization must be 'current' or 'first-release', not {normalization!r}.")
        if weighted and normalization != "current":
            raise InputError("The weighted form has weights for the current normalization only; use that one.")
        self.sizes = sizes
        self.traits = Traits(ignores=() if is_conditioned(sizes) else ("dt",))
        rule = Rule("parallel", _NORMS[normalization], eps=1e-5)
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
