"""NumPy arrays and torch tensors in, float64 tensors inside, the same kind out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sciflow.core.errors import InputError


def tensor(values: Any, name: str) -> Tensor:
    """A float64 tensor of an array, a tensor or a number.

    Raises:
        InputError: it cannot be read as real numbers.
    """
    if isinstance(values, Tensor):
        return values.to(torch.float64)
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"The {name} must be an array of real numbers, not {type(values).__name__}.") from None
    if any(step < 0 for step in array.strides) or not array.flags.writeable:
        array = array.copy()  # what torch does not take
    return torch.from_numpy(array) if array.shape else torch.tensor(float(array), dtype=torch.float64)


def returned(values: Tensor, numpy: bool) -> Any:
    """The tensor, or as an array."""
    return values.detach().cpu().numpy() if numpy else values


def require_finite(values: Tensor, name: str) -> None:
    """Raise unless all values are finite.

    Raises:
        InputError: some value is NaN or infinite.
    """
    if values.numel() and not all(torch.isfinite(end) for end in torch.aminmax(values)):
        raise InputError(f"The {name} holds NaN or infinity; repair the forecast, or leave these slices out.")


def require_variance(values: Tensor, name: str = "variance") -> None:
    """Raise unless all values are finite and none is negative.

    Raises:
        InputError: some value is NaN, infinite or negative.
    """
    if not values.numel():
        return
    low, high = torch.aminmax(values)
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise InputError(f"The {name} holds NaN or infinity; give a finite, non-negative one.")
    if low < 0:
        raise InputError(f"The {name} holds a negative value, {float(low):.3g}; give a finite, non-negative one.")
