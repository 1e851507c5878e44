"""The integrals of factorized attention with their normalisation and the map that joins them, block by block.

With values v = n V (heads of c channels) and kernels κ of each axis and head,

    parallel    φ = [κ_x v, κ_y v, κ_z v] of each head: every axis acts on the same values
    chained     φ = κ_z κ_y κ_x v
    y = norm(φ) M

Written with whole tensors, v has heads · c channels, φ three times as many, norm(φ) as many again, and all of them
stream through memory. Here one head of one axis is found, normalised and added to y at a time, in buffers that stay in
the cache, since a sum over channels is a sum of products over heads and axes; normalisation by channel scales rows of
M, and statistics are complete because a block holds all points of its channels. The backward pass keeps n and the
statistics and finds the rest again; the sums over points that the derivative of a normalisation needs follow from the
derivative of M, without another pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Form = Literal["parallel", "chained"]
Norm = Literal["channel", "head", "plane"]

_CACHE = 8 << 20  # bytes of one block of a CPU: three or four of them are in use at a time


@dataclass(frozen=True)
class Rule:
    """How integrals are combined and normalised.

    Args:
        form: "parallel" or "chained".
        norm: "channel" (each channel over all points: instance normalisation), "head" (chained only: all points and
            channels of a head, variance with n - 1), or "plane" (all channels and the points of a plane across the last
            space axis).
        eps: added to variances.
    """

    form: Form
    norm: Norm
    eps: float


def integrals(
    rule: Rule, n: Tensor, value: Tensor, mix: Tensor, weights: Tensor | None, kernels: Sequence[Tensor]
) -> Tensor:
    """y [B, *S, width] as above.

    Args:
        rule: how integrals are combined.
        n: normalised field [B, *S, width].
        value: V^T [heads c, width].
        mix: M^T [width, heads (axes) c], columns by head, then (parallel) by axis from the last to the first.
        weights: weights [B, N] of the points in the statistics, with sum 1; None for plain means.
        kernels: for each axis, from the last to the first, [B, heads, points, points].
    """
    result: Tensor = _Integrals.apply(rule, n, value, mix, weights, *kernels)
    return result


class _Integrals(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rule: Rule, n: Tensor, value: Tensor, mix: Tensor, weights: Tensor | None, *kernels: Tensor
    ) -> Tensor:
        work = _Work(rule, n, value, mix, weights, kernels)
        y, statistics = work.forward()
        ctx.rule = rule
        ctx.save_for_backward(n, value, mix, weights, y if rule.norm == "plane" else None, *statistics, *kernels)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        n, value, mix, weights, y, mean, rate, *kernels = ctx.saved_tensors
        work = _Work(ctx.rule, n, value, mix, weights, kernels)
        dn, dvalue, dmix, dkernels = work.backward(grad.contiguous(), y, mean, rate)
        return None, dn, dvalue, dmix, None, *dkernels


class _Work:
    """One evaluation: shapes, weights by head, and the loops over blocks.

    A block is one head of a few samples; its fields are [b, N, c]. Statistics are [samples, heads, axes, c] for
    "channel" and "head", [samples, N] for "plane".
    """

    def __init__(
        self, rule: Rule, n: Tensor, value: Tensor, mix: Tensor, weights: Tensor | None, kernels: Sequence[Tensor]
    ) -> None:
        self.rule, self.weights, self.kernels = rule, weights, kernels
        self.batch, *self.space, self.width = n.shape
        self.n = n.reshape(self.batch, -1, self.width)
        self.count = self.n.shape[1]
        self.heads = kernels[0].shape[1]
        self.value = value.view(self.heads, -1, self.width)
        self.head_width = self.value.shape[1]
        self.parts = len(kernels) if rule.form == "parallel" else 1
        self.mix = mix.view(self.width, self.heads, self.parts, self.head_width).permute(1, 2, 0, 3).contiguous()

    def forward(self) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y = torch.zeros_like(self.n)
        if self.rule.norm == "plane":
            mean, rate = self._sum_raw(y)
        else:
            shape = (self.batch, self.heads, self.parts, self.head_width)
            mean, rate = self.n.new_empty(shape), self.n.new_empty(shape)
            for part in self._samples():
                for head in range(self.heads):
                    for number, (phi, scratch) in enumerate(self._fields(part, head)):
                        mean[part, head, number], rate[part, head, number] = self._standardise(part, phi, scratch)
                        y[part].baddbmm_(phi, self.mix[head, number].mT * rate[part, head, number, :, None])
        return y.view(self.batch, *self.space, self.width), (mean, rate)

    def backward(
        self, grad: Tensor, y: Tensor | None, mean: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        grad = grad.view_as(self.n)
        dn = torch.zeros_like(self.n)
        dvalue, dmix = torch.zeros_like(self.value), torch.zeros_like(self.mix)
        dkernels = [torch.zeros_like(kernel) for kernel in self.kernels]
        plane = None if y is None else self._plane_terms(grad, y.view_as(self.n), mean, rate)
        for part in self._samples():
            g = grad[part] if plane is None else grad[part] * rate[part, :, None]
            total = g.sum(1)
            for head in range(self.heads):
                v, dv = self._values(part, head), None
                for number, chain in self._chains(part, head, v):
                    phi, columns = chain[-1], self.mix[head, number]
                    if plane is None:
                        phi.sub_(mean[part, head, number, None])
                        r = rate[part, head, number]
                        products = torch.bmm(g.mT, phi)
                        dmix[head, number] += torch.einsum("bkc,bc->kc", products, r)
                        shift, factor = self._terms(columns, products, total, r)
                        self._affine(part, phi, shift, factor)
                        phi.baddbmm_(g, columns * r[:, None])
                    else:
                        dmix[head, number] += torch.bmm(g.mT, phi).sum(0)
                        shift, factor = (term[part, :, None] for term in plane[:2])
                        torch.addcmul(shift, phi, factor, out=phi)
                        phi.baddbmm_(g, columns.expand(len(g), -1, -1))
                    dv = self._back(part, head, number, chain, dv, dkernels)
                assert dv is not None
                dvalue[head] += torch.bmm(dv.mT, self.n[part]).sum(0)
                dn[part].baddbmm_(dv, self.value[head].expand(len(dv), -1, -1))
        if plane is not None:
            dmix -= plane[2][:, None]
        dmix = dmix.permute(2, 0, 1, 3).reshape(self.width, -1)
        return dn.view(self.batch, *self.space, self.width), dvalue.flatten(0, 1), dmix, dkernels

    # Blocks

    def _samples(self) -> Iterator[slice]:
        """Parts of the batch small enough for the cache; all of it elsewhere than on a CPU."""
        step = self.batch
        if self.n.device.type == "cpu":
            step = max(1, _CACHE // (self.count * self.head_width * self.n.element_size()))
        for first in range(0, self.batch, step):
            yield slice(first, min(first + step, self.batch))

    def _values(self, part: slice, head: int) -> Tensor:
        n = self.n[part]
        return torch.bmm(n, self.value[head].mT.expand(len(n), -1, -1))

    def _along(self, kernel: Tensor, field: Tensor, axis: int, out: Tensor) -> Tensor:
        """Σ_j kernel[i, j] field[j] along a space axis of a block [b, N, c]."""
        rows, view = self._rows(kernel, field, axis)
        torch.bmm(rows, view, out=out.view_as(view))
        return out

    def _rows(self, kernel: Tensor, field: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """The kernel for each line of points before an axis, and the block as [lines, points, rest]."""
        before = math.prod(self.space[:axis])
        rows = kernel[:, None].expand(-1, before, -1, -1).reshape(-1, *kernel.shape[1:])
        return rows, field.view(len(rows), self.space[axis], -1)

    def _axis(self, number: int) -> int:
        return len(self.space) - 1 - number

    def _fields(self, part: slice, head: int) -> Iterator[tuple[Tensor, Tensor]]:
        """φ of each axis (parallel) or of all (chained), each with a buffer of the same shape."""
        v = self._values(part, head)
        phi, scratch = torch.empty_like(v), torch.empty_like(v)
        if self.rule.form == "parallel":
            for number, kernel in enumerate(self.kernels):
                yield self._along(kernel[part, head], v, self._axis(number), phi), scratch
        else:
            for number, kernel in enumerate(self.kernels):
                v, phi = self._along(kernel[part, head], v, self._axis(number), phi), v
            yield v, scratch

    def _chains(self, part: slice, head: int, v: Tensor) -> Iterator[tuple[int, list[Tensor]]]:
        """As ``_fields``, each with all that led to it: v, …, φ."""
        if self.rule.form == "parallel":
            phi = torch.empty_like(v)
            for number, kernel in enumerate(self.kernels):
                yield number, [v, self._along(kernel[part, head], v, self._axis(number), phi)]
        else:
            chain = [v]
            for number, kernel in enumerate(self.kernels):
                chain.append(self._along(kernel[part, head], chain[-1], self._axis(number), torch.empty_like(v)))
            yield 0, chain

    def _back(
        self, part: slice, head: int, number: int, chain: list[Tensor], dv: Tensor | None, dkernels: list[Tensor]
    ) -> Tensor:
        """From the derivative of φ, held in the last of the chain, to those of kernels and, added up, of v."""
        numbers = [number] if self.rule.form == "parallel" else list(range(len(self.kernels)))
        for which, before in zip(reversed(numbers), reversed(chain[:-1]), strict=True):
            axis, kernel, dphi = self._axis(which), self.kernels[which][part, head], chain[-1]
            rows, view = self._rows(kernel, before, axis)
            dphi = dphi.view_as(view)
            dkernels[which][part, head] += torch.bmm(dphi, view.mT).view(len(kernel), -1, *kernel.shape[1:]).sum(1)
            if self.rule.form == "parallel":
                if dv is None:
                    return torch.bmm(rows.mT, dphi).view_as(before)
                dv.view_as(view).baddbmm_(rows.mT, dphi)
                return dv
            torch.bmm(rows.mT, dphi, out=view)  # v itself is not needed any more
            chain = [*chain[:-2], before]
        return chain[-1]

    # Normalisation of channels and heads

    def _mean(self, part: slice, field: Tensor) -> Tensor:
        """Means over the points of a block, [b, c]."""
        if self.weights is None:
            return field.mean(1)
        return torch.bmm(self.weights[part, None], field)[:, 0]

    def _standardise(self, part: slice, phi: Tensor, scratch: Tensor) -> tuple[Tensor, Tensor]:
        """Take the mean from φ and return it with 1 / √(variance + eps), both [b, c]."""
        mean = self._mean(part, phi)
        if self.rule.norm == "head":
            mean = mean.mean(1, keepdim=True).expand_as(mean)
        variance = self._mean(part, torch.square(phi.sub_(mean[:, None]), out=scratch))
        if self.rule.norm == "head":
            variance = self._unbiased() * variance.mean(1, keepdim=True).expand_as(variance)
        return mean, (variance + self.rule.eps).rsqrt()

    def _unbiased(self) -> float:
        count = self.count * self.head_width
        return count / max(count - 1, 1)

    def _terms(self, columns: Tensor, products: Tensor, total: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and factor [b, c] of the part of dφ that comes through mean and variance, for a weight of 1.

        ``products`` are Σ_p g_p (φ_p - mean), so that the derivative by the rate needs no sum over points.
        """
        through_mean = rate * (total @ columns)
        through_rate = rate**3 * torch.einsum("kc,bkc->bc", columns, products)
        if self.rule.norm == "head":
            through_mean = through_mean.mean(1, keepdim=True).expand_as(rate)
            through_rate = self._unbiased() * through_rate.mean(1, keepdim=True).expand_as(rate)
        return -through_mean, -through_rate

    def _affine(self, part: slice, phi: Tensor, shift: Tensor, factor: Tensor) -> None:
        """φ ← weight (shift + factor φ), with the weight of each point."""
        if self.weights is None:
            shift, factor = shift / self.count, factor / self.count
        torch.addcmul(shift[:, None], phi, factor[:, None], out=phi)
        if self.weights is not None:
            phi.mul_(self.weights[part, :, None])

    # Normalisation of planes: a factor of rows of y, applied when all channels are known

    def _sum_raw(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """y from sums over all blocks; mean and rate of the plane of each point, [B, N]."""
        moments = self.n.new_zeros(2, self.batch, self.count)
        for part in self._samples():
            for head in range(self.heads):
                for number, (phi, scratch) in enumerate(self._fields(part, head)):
                    y[part].baddbmm_(phi, self.mix[head, number].mT.expand(len(phi), -1, -1))
                    moments[0, part] += phi.sum(2)
                    moments[1, part] += torch.square(phi, out=scratch).sum(2)
        mean, square = self._over_planes(moments.double()) / self._members()
        rate = (square - mean.square() + self.rule.eps).rsqrt().to(y)
        mean = mean.to(y)
        y.addcmul_(mean[..., None], self.mix.sum((0, 1, 3)), value=-1).mul_(rate[..., None])
        return mean, rate

    def _plane_terms(self, grad: Tensor, y: Tensor, mean: Tensor, rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shift and factor [B, N] of φ in its derivative, and what the mean takes from the derivative of M [width]."""
        by_mean = self._over_planes(rate * (grad @ self.mix.sum((0, 1, 3)))) / self._members()
        factor = -rate.square() * self._over_planes((grad * y).sum(-1)) / self._members()
        return -by_mean - factor * mean, factor, torch.einsum("bn,bnk->k", mean * rate, grad)

    def _over_planes(self, rows: Tensor) -> Tensor:
        """Sums over each plane across the last space axis, at each of its points, [..., N]."""
        planes = rows.unflatten(-1, (-1, self.space[-1]))
        return planes.sum(-2, keepdim=True).expand_as(planes).flatten(-2)

    def _members(self) -> int:
        """Numbers in a plane."""
        return self.count // self.space[-1] * self.heads * self.parts * self.head_width
