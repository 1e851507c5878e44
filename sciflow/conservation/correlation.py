"""How errors hang together, estimated from the residuals of validation forecasts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sciflow.conservation.arrays import require_finite, returned, tensor
from sciflow.core.errors import InputError


def residual_correlation(residuals: Any, deviations: Any, shrink: float = 0.1) -> Any:
    """The second moments of errors in units of predicted deviations, shrunk to their diagonal: R of `Scaled`.

    With e = residual / deviation of N validation forecasts, C = mean of e e^T, c the mean of its diagonal and l =
    `shrink`,

        R = (1 - l) C + l ((1 - l) diag(C) + l c I).

    Moments are about 0: a bias counts as error. The diagonal of R is not 1 but how far the predicted variances are off,
    so that with ``Scaled(deviation, R)`` the gain and the variance are those of one covariance. Where the predicted
    deviation is 0, so is the error in its units.

    Args:
        residuals: truth minus mean, [N, n], or [N, T, n] for one matrix for each frame.
        deviations: predicted standard deviations of the same shape.
        shrink: l, 0 to 1. 0.1 works for N of some ten to some hundred forecasts; without shrinking R has rank N, and
            what is orthogonal to the N residuals counts as certain.

    Returns:
        [n, n] or [T, n, n], of the kind of the residuals.

    Raises:
        InputError: shapes differ, values are not finite, there is but one residual, or `shrink` is not in [0, 1].
    """
    errors, scales = tensor(residuals, "residuals"), tensor(deviations, "deviations")
    if errors.ndim not in (2, 3) or errors.shape != scales.shape or len(errors) < 2:
        raise InputError(
            f"Residuals and deviations need one shape, [N, n] or [N, T, n] with N at least 2, not "
            f"{tuple(errors.shape)} and {tuple(scales.shape)}."
        )
    if not 0 <= shrink <= 1:
        raise InputError(f"The shrink of residual_correlation is {shrink}; expected 0 <= shrink <= 1.")
    require_finite(errors, "residuals")
    require_finite(scales, "deviations")
    if bool((scales < 0).any()):
        raise InputError("The deviations hold a negative value; give standard deviations of 0 or more.")
    unit = torch.where(scales > 0, errors / torch.where(scales > 0, scales, 1.0), 0.0)
    moments = torch.einsum("b...i,b...j->...ij", unit, unit) / len(unit)
    own = moments.diagonal(dim1=-2, dim2=-1)
    floor = (1 - shrink) * own + shrink * own.mean(-1, keepdim=True)
    return returned((1 - shrink) * moments + shrink * torch.diag_embed(floor), not isinstance(residuals, Tensor))
