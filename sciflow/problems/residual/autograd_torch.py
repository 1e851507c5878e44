"""Residuals by reverse-mode automatic differentiation in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sciflow.problems.compile import Orders
from sciflow.problems.residual.common import Equations, columns

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


class Residual:
    """Residual of every equation at points, differentiable in the network's weights and in the parameters.

    ``residual(net, points, **parameters)``: `net` maps points [N, D] (t first) to fields [N, F]; parameters are
    numbers or tensors (trainable ones too). Gives {field name: [N]}. A derivative that several terms need, or that a
    higher one builds on, is computed once.

    Nested reverse mode is the fastest way in torch: for a loss and its gradient in the weights of a 4 x 50 tanh
    network, nested `torch.func.jvp` takes 1.6 to 3.2 times as long and jvp over one reverse pass 1.3 to 2.2 times
    (`benchmarks/peers/derivatives.py`).
    """

    def __init__(self, problem: Problem) -> None:
        self._equations = Equations(problem, "torch")
        self._problem = problem

    def __call__(
        self, net: Callable[[Tensor], Tensor], points: Tensor, **parameters: float | Tensor
    ) -> dict[str, Tensor]:
        points = points if points.requires_grad else points.detach().requires_grad_(True)
        output = net(points)
        column = columns(self._problem, points, output)
        known: dict[tuple[str, Orders], Tensor] = {}
        gradients: dict[tuple[str, Orders], Tensor] = {}

        def derivative(name: str, orders: Orders) -> Tensor:
            if (name, orders) in known:
                return known[name, orders]
            if not any(orders):
                value = output[:, column[name]]
            else:
                axis = max(index for index, order in enumerate(orders) if order)
                lower = tuple(order - (index == axis) for index, order in enumerate(orders))
                if (name, lower) not in gradients:  # one backward pass gives the derivatives along all coordinates
                    gradients[name, lower] = _gradient(derivative(name, lower), points)
                value = gradients[name, lower][:, axis]
            known[name, orders] = value
            return value

        coordinates = {symbol.name: points[:, i] for i, symbol in enumerate(self._problem.coordinates)}
        residuals = self._equations.evaluate(derivative, coordinates, parameters)
        return {
            name: torch.as_tensor(value, dtype=points.dtype, device=points.device).expand(len(points))
            for name, value in residuals.items()
        }


def _gradient(value: Tensor, points: Tensor) -> Tensor:
    if not value.requires_grad:  # a lower derivative that no longer depends on the points
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True, allow_unused=True, materialize_grads=True)
    return gradient
