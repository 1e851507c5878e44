"""Covariances of a vector of values, known only by what the update needs: their product with a few rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from sciflow.conservation.arrays import require_finite, require_variance, returned, tensor
from sciflow.core.errors import InputError

_SYMMETRY = 1e-8  # of the largest entry
_POSITIVE = 1e-8


class Covariance(ABC):
    """Sigma [..., n, n] of values [..., n]; what it returns is of the kind (NumPy or torch) that it was made of.

    `slack`: size below which the variance of a weighted sum counts as 0, relative to (sum of |weight| x deviation)^2;
    rounding leaves that much in products that cancel.
    """

    numpy: bool
    slack: ClassVar[float]

    @property
    @abstractmethod
    def size(self) -> int:
        """n, the number of values."""

    @abstractmethod
    def rows_times(self, rows: Tensor) -> Tensor:
        """rows @ Sigma of tensors [..., K, n]."""

    @abstractmethod
    def variances(self) -> Tensor:
        """The diagonal as a tensor [..., n]."""

    @abstractmethod
    def matrix(self) -> Tensor:
        """The whole matrix as a tensor [..., n, n]."""

    @abstractmethod
    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draws from N(0, Sigma), [count, *lead, n], where `lead` is what the leading dimensions broadcast to."""

    def times(self, rows: Any) -> Any:
        """rows @ Sigma, [..., K, n], of rows [..., K, n]."""
        return returned(self.rows_times(tensor(rows, "rows")), self.numpy)

    def diagonal(self) -> Any:
        """The variances [..., n]."""
        return returned(self.variances(), self.numpy)

    def dense(self) -> Any:
        """The whole matrix [..., n, n]: n^2 numbers for each slice."""
        return returned(self.matrix(), self.numpy)


@final
class Diagonal(Covariance):
    """diag(variance): independent errors, as most networks predict them.

    Args:
        variance: [..., n], in squared units.

    Raises:
        InputError: a variance is negative, NaN or infinite.
    """

    slack = 0.0

    def __init__(self, variance: Any) -> None:
        self.numpy = not isinstance(variance, Tensor)
        self._variance = tensor(variance, "variance")
        if self._variance.ndim < 1:
            raise InputError("A variance needs a value for each point, [..., n], not a single number.")
        require_variance(self._variance)

    @property
    def size(self) -> int:
        return int(self._variance.shape[-1])

    def rows_times(self, rows: Tensor) -> Tensor:
        return rows * self._variance.unsqueeze(-2)

    def variances(self) -> Tensor:
        return self._variance

    def matrix(self) -> Tensor:
        return torch.diag_embed(self._variance)

    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return self._variance.sqrt() * _normal((count, *lead, self.size), generator, self._variance)


@final
class LowRank(Covariance):
    """A^T A + diag(variance): a few directions in which errors are coupled, and independent errors beside them.

    Args:
        factor: A [..., r, n]; of M ensemble members (member - mean) / sqrt(M - 1).
        variance: [..., n], what is not in the factor; none: only the factor.

    Raises:
        InputError: shapes do not fit, a value is not finite, or a variance is negative.
    """

    slack = 1e-26  # A g is computed before it is squared

    def __init__(self, factor: Any, variance: Any = None) -> None:
        self.numpy = not isinstance(factor, Tensor)
        self._factor = tensor(factor, "factor of a covariance")
        if self._factor.ndim < 2:
            raise InputError("The factor of a low-rank covariance must have the shape [..., rank, n].")
        require_finite(self._factor, "factor of a covariance")
        self._rest = None if variance is None else tensor(variance, "variance")
        if self._rest is not None:
            require_variance(self._rest)
            if self._rest.ndim < 1 or self._rest.shape[-1] != self.size:
                raise InputError(
                    f"The variance beside a factor of {self.size} points must be [..., {self.size}], not "
                    f"{tuple(self._rest.shape)}."
                )

    @property
    def size(self) -> int:
        return int(self._factor.shape[-1])

    def rows_times(self, rows: Tensor) -> Tensor:
        coupled = (rows @ self._factor.mT) @ self._factor
        return coupled if self._rest is None else coupled + rows * self._rest.unsqueeze(-2)

    def variances(self) -> Tensor:
        coupled = (self._factor**2).sum(-2)
        return coupled if self._rest is None else coupled + self._rest

    def matrix(self) -> Tensor:
        coupled = self._factor.mT @ self._factor
        return coupled if self._rest is None else coupled + torch.diag_embed(self._rest)

    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        weights = _normal((count, *lead, 1, self._factor.shape[-2]), generator, self._factor)
        drawn = (weights @ self._factor).squeeze(-2)
        if self._rest is None:
            return drawn
        return drawn + self._rest.sqrt() * _normal((count, *lead, self.size), generator, self._factor)


@final
class Scaled(Covariance):
    """diag(s) R diag(s): a fixed correlation R of the errors in units of the predicted deviations s.

    Args:
        deviation: s [..., n], standard deviations.
        correlation: R [..., n, n], symmetric and positive semi-definite. Its diagonal need not be 1: it then rescales
            the variances (`residual_correlation`).

    Raises:
        InputError: a deviation is negative or not finite, or R is not symmetric or not positive semi-definite.
    """

    slack = 1e-13

    def __init__(self, deviation: Any, correlation: Any) -> None:
        self.numpy = not isinstance(deviation, Tensor)
        self._deviation = tensor(deviation, "deviation")
        self._correlation = tensor(correlation, "correlation")
        if self._deviation.ndim < 1:
            raise InputError("A deviation needs a value for each point, [..., n], not a single number.")
        require_variance(self._deviation, "deviation")
        require_positive(self._correlation, self._deviation.shape[-1], "correlation")

    @property
    def size(self) -> int:
        return int(self._deviation.shape[-1])

    def rows_times(self, rows: Tensor) -> Tensor:
        deviation = self._deviation.unsqueeze(-2)
        return ((rows * deviation) @ self._correlation) * deviation

    def variances(self) -> Tensor:
        return self._deviation**2 * self._correlation.diagonal(dim1=-2, dim2=-1)

    def matrix(self) -> Tensor:
        return self._deviation.unsqueeze(-1) * self._correlation * self._deviation.unsqueeze(-2)

    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        root = square_root(self._correlation)
        normal = _normal((count, *lead, self.size), generator, self._deviation)
        return self._deviation * (root @ normal.unsqueeze(-1)).squeeze(-1)


@final
class Dense(Covariance):
    """A whole matrix.

    Args:
        matrix: [..., n, n], symmetric and positive semi-definite.

    Raises:
        InputError: it is not, or holds NaN or infinity.
    """

    slack = 1e-13

    def __init__(self, matrix: Any) -> None:
        self.numpy = not isinstance(matrix, Tensor)
        self._matrix = tensor(matrix, "covariance")
        require_positive(self._matrix, None, "covariance")

    @property
    def size(self) -> int:
        return int(self._matrix.shape[-1])

    def rows_times(self, rows: Tensor) -> Tensor:
        return rows @ self._matrix

    def variances(self) -> Tensor:
        return self._matrix.diagonal(dim1=-2, dim2=-1)

    def matrix(self) -> Tensor:
        return self._matrix

    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        normal = _normal((count, *lead, self.size), generator, self._matrix)
        return (square_root(self._matrix) @ normal.unsqueeze(-1)).squeeze(-1)


def require_positive(matrix: Tensor, size: int | None, name: str) -> None:
    """Raise unless a matrix [..., n, n] is symmetric and, within rounding, positive semi-definite.

    Raises:
        InputError: it is not, has another shape, or holds NaN or infinity.
    """
    square = matrix.ndim >= 2 and matrix.shape[-1] == matrix.shape[-2]
    if not square or (size is not None and matrix.shape[-1] != size):
        n = "n" if size is None else size
        raise InputError(f"The {name} must have the shape [..., {n}, {n}], not {tuple(matrix.shape)}.")
    if not torch.isfinite(matrix).all():
        raise InputError(f"The {name} holds NaN or infinity; give a finite one.")
    largest = matrix.abs().amax((-2, -1), keepdim=True)
    if bool(((matrix - matrix.mT).abs() > _SYMMETRY * largest).any()):
        raise InputError(f"The {name} is not symmetric; give (C + C^T) / 2 if the difference is rounding.")
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    raised = matrix + torch.diag_embed(_POSITIVE * largest.squeeze(-1).expand_as(diagonal))
    # A matrix of zeros is a covariance too: nothing varies.
    raised = torch.where(largest > 0, raised, torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device))
    _, failed = torch.linalg.cholesky_ex(raised)
    if bool((failed > 0).any()):
        raise InputError(f"The {name} is not positive semi-definite; estimate it from more data, or shrink it.")


def square_root(matrix: Tensor) -> Tensor:
    """B with B B^T = matrix: the Cholesky factor, by eigenvalues where the matrix is singular."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if not bool((failed > 0).any()):
        return factor
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt().unsqueeze(-2)


def _normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(like.device)
