"""What conditioning on K linear conditions needs, from the products Sigma G^T alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sciflow.conservation.constraint import Constraint, products
from sciflow.conservation.covariance import Covariance
from sciflow.conservation.rank import require_rank
from sciflow.core.errors import InputError

EXACT = 1e-12  # residual that a condition without noise may keep, relative to |b| + sum |G| |u|, before or after
_SMALL = 1e-13
_ROUNDING = 256 * torch.finfo(torch.float64).eps


@final
@dataclass(frozen=True, eq=False)
class Gain:
    """The factors of S = G Sigma G^T + diag(noise^2) = L L^T and V = L^-1 G Sigma.

    Conditions whose sum has no variance at all and no noise (`null`) change nothing: they must hold already.

    Attributes:
        constraint: the conditions.
        matrix, target, noise: G [..., K, n], b [..., K] and the deviations [K] as tensors.
        factor: L [..., K, K].
        whitened: V [..., K, n].
        null: [..., K], True where a condition has neither variance nor noise.
        rounding: how far a variance may come out below 0 by rounding, relative to the largest one.
    """

    constraint: Constraint
    matrix: Tensor
    target: Tensor
    noise: Tensor
    factor: Tensor
    whitened: Tensor
    null: Tensor
    rounding: float

    @classmethod
    def of(cls, covariance: Covariance, constraint: Constraint, device: torch.device) -> Gain:
        """The gain of a constraint for errors with a covariance, on the device where the covariance is.

        Raises:
            InputError: sizes differ, the conditions depend on one another (see `require_rank`), or the variance of a
                condition overflows.
        """
        matrix, target, noise = (part.to(device) for part in constraint.tensors())
        if covariance.size != constraint.size:
            raise InputError(
                f"The constraint is on {constraint.size} values and the covariance on {covariance.size}; build both "
                "from the grid of the forecast."
            )
        rows = covariance.rows_times(matrix)
        moments = torch.einsum("...kn,...ln->...kl", rows, matrix) + torch.diag(noise**2)
        if not bool(torch.isfinite(moments).all()):
            raise InputError(
                "The variance of a conserved total is not finite; choose units in which values are smaller."
            )
        spread = moments.diagonal(dim1=-2, dim2=-1)
        floor = torch.zeros((), dtype=torch.float64, device=device)
        if covariance.slack:
            deviations = covariance.variances().clamp(min=0).sqrt()
            floor = covariance.slack * products(deviations, matrix.abs()) ** 2
        null = (spread <= floor) & (noise == 0)
        scale = torch.where(null, torch.ones_like(spread), spread.clamp(min=0)).sqrt()
        kept = torch.where(null, 0.0, 1.0).unsqueeze(-1)
        unit = moments / (scale.unsqueeze(-1) * scale.unsqueeze(-2)) * kept * kept.mT
        unit = unit + torch.diag_embed(null.to(torch.float64))
        factor, failed = torch.linalg.cholesky_ex(unit)
        least = factor.diagonal(dim1=-2, dim2=-1).square().amin(-1)
        require_rank(constraint, unit, scale, torch.where(failed > 0, 0.0, least))
        factor = scale.unsqueeze(-1) * factor
        whitened = _solve(factor, rows * kept if bool(null.any()) else rows)
        rounding = _ROUNDING / float(least.min()) if least.numel() else _ROUNDING
        return cls(constraint, matrix, target, noise, factor, whitened, null, rounding)

    def correct(self, values: Tensor, target: Tensor) -> Tensor:
        """u - Sigma G^T S^-1 (G u - target), with a second pass where rounding leaves more than it should.

        Without noise |G u' - target| <= 1e-12 (|target| + sum |G| |u|), u the larger of the values given and returned:
        where the target is 0 the corrected values may vanish, and rounding is still that of the values before.

        Raises:
            InputError: a condition without noise is violated where nothing varies, or cannot be met to rounding.
        """
        gap = products(values, self.matrix) - target
        if bool(self.null.any()):
            self._require_met(values, target, gap)
            gap = torch.where(self.null, 0.0, gap)
        white = _solve_vector(self.factor, gap)
        corrected = self._moved(values, white)
        for _ in range(2):
            left = self._left(corrected, target, white)
            coarse = target.abs() + (products(corrected, self.matrix)).abs()  # at most the true scale
            if bool((left.abs() <= _SMALL * coarse).all()):
                return corrected
            more = _solve_vector(self.factor, left)
            corrected, white = self._moved(corrected, more), white + more
        self._require_exact(values, corrected, target)
        return corrected

    def removed(self, variances: Tensor) -> Tensor:
        """diag(Sigma - V^T V) from diag(Sigma), not below 0.

        Raises:
            InputError: a variance comes out negative by more than rounding.
        """
        left = variances
        for row in range(self.whitened.shape[-2]):
            part = self.whitened[..., row, :]
            left = torch.addcmul(left, part, part, value=-1)
        if left.numel() and bool(left.min() < 0):
            worst = (left.amin(-1) + self.rounding * variances.amax(-1)).min()
            if bool(worst < 0):
                raise InputError(
                    "Conditioning leaves a negative variance, so the covariance is not positive semi-definite; check "
                    "how it was estimated, or shrink it."
                )
            left = left.clamp(min=0)
        return left

    def propagated(self, variances: Tensor) -> Tensor:
        """diag((I - K G) D (I - K G)^T + K noise^2 K^T) with K this gain, for errors D = diag(variances).

        The variance that values with errors D have after `correct`, when the gain is that of another covariance.
        """
        gain = torch.linalg.solve_triangular(self.factor.mT, self.whitened, upper=True)  # K^T
        scaled = self.matrix * variances.unsqueeze(-2)
        inner = torch.einsum("...kn,...ln->...kl", scaled, self.matrix) + torch.diag(self.noise**2)
        left = variances - 2 * (gain * scaled).sum(-2) + (gain * (inner @ gain)).sum(-2)
        return left.clamp(min=0)

    def _moved(self, values: Tensor, white: Tensor) -> Tensor:
        """values - V^T white."""
        if self.whitened.shape[-2] > 4:
            return values - torch.einsum("...kn,...k->...n", self.whitened, white)
        for row in range(self.whitened.shape[-2]):
            values = torch.addcmul(values, self.whitened[..., row, :], white[..., row, None], value=-1)
        return values

    def _left(self, corrected: Tensor, target: Tensor, white: Tensor) -> Tensor:
        """G u - target minus the part that the noise leaves, noise^2 S^-1 gap: 0 in exact arithmetic."""
        left = products(corrected, self.matrix) - target
        if bool((self.noise > 0).any()):
            solved = torch.linalg.solve_triangular(self.factor.mT, white.unsqueeze(-1), upper=True).squeeze(-1)
            left = left - self.noise**2 * solved
        return torch.where(self.null, 0.0, left)

    def _scale(self, values: Tensor, target: Tensor) -> Tensor:
        return products(values.abs(), self.matrix.abs()) + target.abs()

    def _require_met(self, values: Tensor, target: Tensor, gap: Tensor) -> None:
        violated = (gap.abs() > EXACT * self._scale(values, target)) & self.null
        if bool(violated.any()):
            row = int(torch.nonzero(violated)[0, -1])
            raise InputError(
                f"The forecast has no variance along the law '{self.constraint.names[row]}' and violates it by "
                f"{float(gap[violated].abs().max()):.3g}; give it a variance, project it, or allow a noise."
            )

    def _require_exact(self, values: Tensor, corrected: Tensor, target: Tensor) -> None:
        scale = torch.maximum(self._scale(values, target), self._scale(corrected, target))
        gap = (products(corrected, self.matrix) - target).abs() - EXACT * scale
        wrong = (gap > 0) & (self.noise == 0)
        if bool(wrong.any()):
            row = int(torch.nonzero(wrong)[0, -1])
            raise InputError(
                f"The law '{self.constraint.names[row]}' cannot be met to rounding, so badly is the covariance "
                "conditioned; allow a small noise, or shrink the covariance."
            )


def _solve(factor: Tensor, rows: Tensor) -> Tensor:
    """L^-1 rows."""
    if factor.shape[-1] == 1:
        return rows / factor
    return torch.linalg.solve_triangular(factor, rows, upper=False)


def _solve_vector(factor: Tensor, gap: Tensor) -> Tensor:
    return _solve(factor, gap.unsqueeze(-1)).squeeze(-1)
