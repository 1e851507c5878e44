"""The evidence bound, and the residual of equations at targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sciflow.conservation.neural_process import AttentiveNetwork, ConditionalNetwork
from sciflow.conservation.neural_process.coordinates import Coordinates
from sciflow.conservation.neural_process.network import ProcessNetwork
from sciflow.conservation.neural_process.objective import Objective, log_likelihood
from sciflow.conservation.neural_process.physics import Physics
from sciflow.conservation.neural_process.sampling import Sampler
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays
from sciflow.problems import Box, Field, Parameter, Problem, coordinates, names
from sciflow.problems import get as problem_named

t, x, y = coordinates("t x y")
q, s = Field("q")(t, x, y), Field("s")(t, x, y)
a = Parameter("a", 1.0, 0.5, 3.0)

# Two fields carried at different speeds; space comes as (x, y) here and as (y, x) in tensors.
CARRIED = Problem(
    name="carried-test",
    fields=[q, s],
    parameters=[a],
    domain=Box(x=(0, 2), y=(-1, 1)),
    time=(0, 5),
    evolution={q: -a * q.diff(x) - 2 * q.diff(y), s: 3 * s.diff(x) + s.diff(x, 2) / 10},
)


def carried(points: Tensor, speed: Tensor) -> Tensor:
    """Exact q and s [B, M, 2] at points (t, y, x) for speeds [B, 1]."""
    time, up, right = points.unbind(-1)
    first = torch.sin(right - speed * time) * torch.cos(2 * (up - 2 * time))
    second = 7 + torch.exp(-0.1 * 4 * time) * torch.sin(2 * (right + 3 * time))
    return torch.stack([first, second], dim=-1)


def cases() -> Dataset:
    """CARRIED with three speeds; values do not matter."""
    values = np.random.default_rng(0).normal(size=(2, 3, 6, 5, 4))
    return from_arrays(
        {"s": values[0], "q": values[1]},
        times=np.linspace(0, 5, 6),
        coordinates={"y": np.linspace(-1, 1, 5), "x": np.linspace(0, 2, 4)},
        parameters={"a": [0.5, 1.0, 3.0]},
    )


class Known(ProcessNetwork):
    """Gives a function of the features as its mean."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.ones(()))

    def latent(self, points: Tensor, values: Tensor) -> None:
        return None

    def encode(self, points: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        return ()

    def decode(
        self, encoded: tuple[Tensor, ...], z: Tensor | None, targets: Tensor, *, twice: bool = False
    ) -> tuple[Tensor, Tensor]:
        mean = self.weight * self.function(targets)
        return mean, torch.ones_like(mean)


def test_the_bound_of_a_known_network_is_its_likelihood() -> None:
    values, mean, deviation = torch.randn(4, 5), torch.randn(4, 5), torch.rand(4, 5) + 0.1
    expected = torch.distributions.Normal(mean, deviation).log_prob(values).sum()
    torch.testing.assert_close(log_likelihood(values, mean, deviation), expected)


def test_the_residual_of_an_exact_solution_vanishes() -> None:
    """Fields in another order than in the problem, axes too; through the scaling of coordinates and fields."""
    data = cases()
    physics, features = Physics(CARRIED, data), Coordinates.of(data, "unit")
    mean, std = np.array([2.0, -1.0]), np.array([0.5, 4.0])
    examples = Sampler(data, "scattered", (3, 5)).of(np.arange(3), np.random.default_rng(0))
    speed = torch.tensor([[0.5], [1.0], [3.0]])

    def exact(unit: Tensor) -> Tensor:
        low, high = torch.tensor(features.low), torch.tensor(features.high)
        found = carried(low + unit * (high - low), speed).flip(-1)  # the data set has s first
        return (found - torch.tensor(mean).float()) / torch.tensor(std).float()

    def bound(network: ProcessNetwork, weight: float) -> Tensor:
        return Objective(features, mean, std, physics=physics, weight=weight)(network, data, examples)

    network = Known(exact)
    torch.testing.assert_close(bound(network, 100.0), bound(network, 0.0), atol=1e-4, rtol=1e-5)
    growing = Known(lambda unit: exact(unit) * (1 + unit[..., :1]))  # leaves u / 5, of the size of u
    assert 0.1 < float((bound(growing, 1.0) - bound(growing, 0.0)).detach()) < 10


@pytest.mark.skipif("porous-medium" not in names(), reason="the catalogue has no porous medium")
def test_degenerate_diffusion_leaves_finite_gradients() -> None:
    """u_t = (max(u, 0)^m u_x)_x for a mean that changes its sign: where it is negative, u_t is left."""
    data = from_arrays({"u": np.zeros((2, 3, 5))}, times=[0.0, 0.5, 1.0], parameters={"m": [1.5, 4.0]})
    physics = Physics(problem_named("porous-medium"), data)
    leaf, points = physics.freed(torch.rand(2, 50, 2, dtype=torch.float64))
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    fields = weight * (points[..., :1] - points[..., 1:] + 0.1 * points[..., 1:] ** 2)
    left = physics(leaf, fields, np.arange(2))[0].unflatten(0, (2, 50))
    u, (time, place) = fields[..., 0].detach(), points.detach().unbind(-1)
    slope, m = -1 + 0.2 * place, torch.tensor([[1.5], [4.0]])
    k, dk = u.clamp(min=0) ** m, m * u.clamp(min=0) ** (m - 1)
    torch.testing.assert_close(left.detach(), torch.where(u > 0, 1 - dk * slope**2 - 0.2 * k, 1.0).double())
    (gradient,) = torch.autograd.grad(left.square().mean(), weight)
    assert bool(torch.isfinite(gradient)) and bool((time >= 0).all())


def test_problems_that_cannot_constrain_are_refused() -> None:
    data = from_arrays({"u": np.zeros((2, 3, 4, 5))})
    with pytest.raises(InputError, match=r"need the fields \['q', 's'\]"):
        Physics(CARRIED, data)
    with pytest.raises(InputError, match="need the fields"):
        Physics(problem_named("darcy"), data)


@pytest.mark.parametrize("kind", ["attentive", "conditional"])
def test_one_batch_can_be_learnt_by_heart(kind: str) -> None:
    """Waves of opposite sign, 9 targets each: the likelihood rises far above that of the best constant."""
    torch.manual_seed(0)
    axis, sign = np.linspace(0, 1, 6), np.array([1.0, -1.0])[:, None, None]
    data = from_arrays({"u": sign * np.sin(3 * axis[:, None] + 4 * axis)}, times=axis)
    features = Coordinates.of(data, "unit")
    examples = Sampler(data, "lattice", (3, 3)).of(np.arange(2), np.random.default_rng(1))
    objective = Objective(features, np.zeros(1), np.ones(1))
    network: ProcessNetwork = (
        AttentiveNetwork(2, 1, width=16, self_layers=1, cross_layers=1, decoder_layers=2, dropout=0.0)
        if kind == "attentive"
        else ConditionalNetwork(2, 1, width=16, decoder_layers=2)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = objective(network, data, examples)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        losses.append(loss.item() / 18)
    assert np.mean(losses[-20:]) < 0.3  # a constant with the right deviation has 1.1
