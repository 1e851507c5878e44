"""Moves in one copy and their adjoint, fractional moves as a group, and the smoothing of evidence."""

from __future__ import annotations

import math

import pytest
import torch

from sciflow.recurrent.fernn import FERNN
from sciflow.recurrent.moves import at_rest, fractional, gathered, plan, select
from sciflow.recurrent.readout import smoothed
from sciflow.recurrent.velocities import Velocities

CPU = torch.device("cpu")
GRIDS = [((7,), (2,)), ((4, 6), (1, 2)), ((3, 2, 4), (1, 1, 0))]


def draw(*size, seed=1):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("shape", "halo"), GRIDS, ids=str)
def test_select_moves_and_pads(shape, halo):
    dims = len(shape)
    velocities = Velocities.box(1, range(dims), dims)
    moves = plan(velocities, shape, halo, CPU)
    slices = draw(2, len(velocities), *shape, 3)
    found = select(slices.flatten(1, 1 + dims), moves).unflatten(1, (len(velocities), *moves.padded))
    axes = tuple(range(1, 1 + dims))
    opposite = slices.flatten(1, 1 + dims).index_select(1, moves.back).view_as(found)
    for number, vector in enumerate(velocities.vectors):
        for sign, result in ((1, found), (-1, opposite)):
            wanted = torch.roll(slices[:, number], [sign * int(part) for part in vector], axes)
            for axis, width in enumerate(halo, start=1):
                wanted = wanted.index_select(
                    axis, torch.arange(-width, wanted.shape[axis] + width) % wanted.shape[axis]
                )
            assert torch.equal(result[:, number], wanted)


@pytest.mark.parametrize(("shape", "halo"), GRIDS, ids=str)
def test_gathered_is_the_adjoint_of_select(shape, halo):
    velocities = Velocities.box(1, range(len(shape)), len(shape))
    moves = plan(velocities, shape, halo, CPU)
    rows = draw(2, len(velocities) * math.prod(shape), 3)
    gradient = draw(2, moves.source.numel(), 3, seed=2)
    left, right = (select(rows, moves) * gradient).sum(), (rows * gathered(gradient, moves)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-12)
    rows.requires_grad_()
    (select(rows, moves) * gradient).sum().backward()
    assert torch.equal(rows.grad, gathered(gradient, moves))


@pytest.mark.parametrize("shape", [(9,), (12,), (6, 7), (4, 5, 6)], ids=str)
def test_fractional_moves_are_a_group(shape):
    dims = len(shape)
    first, second = (Velocities((tuple(step * (axis + 1) for axis in range(dims)),)) for step in (0.3, -0.85))
    both = Velocities((tuple(a + b for a, b in zip(first.vectors[0], second.vectors[0], strict=True)),))
    rows = draw(2, math.prod(shape), 3)
    once = fractional(rows, both, shape)
    twice = fractional(fractional(rows, second, shape), first, shape)
    assert (once - twice).abs().max() < 1e-12 and (once - rows).norm() > 0.1 * rows.norm()


@pytest.mark.parametrize("shape", [(9,), (12,), (6, 7)], ids=str)
def test_whole_fractions_roll(shape):
    """On an odd number of points exactly; on an even one but for the shortest wave, which is taken off."""
    dims = len(shape)
    vector = (2.0, -1.0)[:dims]
    rows = draw(2, math.prod(shape), 3)
    field = rows.unflatten(1, shape)
    for axis, points in enumerate(shape, start=1):
        if points % 2 == 0:
            sign = (-1.0) ** torch.arange(points).view(-1, *[1] * (dims + 1 - axis))
            field = field - sign * (sign * field).mean(axis, keepdim=True)
    wanted = torch.roll(field, [int(part) for part in vector], tuple(range(1, 1 + dims)))
    assert (fractional(rows, Velocities((vector,)), shape).unflatten(1, shape) - wanted).abs().max() < 1e-12


def test_a_wave_moves_by_a_fraction():
    """sin(2 pi k x / 20) becomes sin(2 pi k (x - v) / 20); 20 points have frequencies that no binary number holds."""
    x = torch.arange(20, dtype=torch.float64)
    velocities = Velocities(((0.1,), (-0.37,)))
    rows = torch.sin(2 * math.pi * 3 * x / 20)[None, :, None].repeat(1, 2, 1)
    found = fractional(rows, velocities, (20,)).view(2, 20)
    wanted = torch.stack([torch.sin(2 * math.pi * 3 * (x - speed) / 20) for (speed,) in velocities.vectors])
    assert (found - wanted).abs().max() < 1e-13


@pytest.mark.parametrize("shape", [(16,), (8, 9), (4, 5, 6)], ids=str)
def test_smoothing(shape):
    """Means stay, a constant stays, and a wave fades as exp(-(2 pi width / length)^2 / 2)."""
    values = draw(3, math.prod(shape)).square()
    found = smoothed(values, shape, 1.5)
    assert torch.allclose(found.mean(-1), values.mean(-1), rtol=1e-12) and found.std() < 0.8 * values.std()
    assert torch.allclose(smoothed(torch.ones_like(values), shape, 1.5), torch.ones_like(values), rtol=1e-12)
    points = shape[0]
    wave = torch.cos(2 * math.pi * torch.arange(points, dtype=torch.float64) / points)
    wave = wave.view(-1, *[1] * (len(shape) - 1)).expand(shape).flatten()
    fade = math.exp(-0.5 * (2 * math.pi * 1.5 / points) ** 2)
    assert torch.allclose(smoothed(2 + wave, shape, 1.5), 2 + fade * wave, rtol=1e-12)


def test_plans_serve_later_gradients_and_are_kept_by_device(make_sizes, forecast):
    """A plan that was first made for inference is used in training afterwards."""
    x = torch.randn(1, 4, 1, 5, 11)
    for options in ({}, {"spacing": 0.5}, {"cell": "gru", "pool": "evidence", "local": 1.0}):
        network = FERNN(make_sizes(2), width=2, **options)
        with torch.inference_mode():
            forecast(network, x, 2)
        forecast(network, x, 2).sum().backward()
        assert network.lift.convolution.weight.grad.norm() > 0
    here, there = (plan(at_rest(1), (5,), (1,), torch.device(kind)) for kind in ("cpu", "meta"))
    assert here.source.device.type == "cpu" and there.source.device.type == "meta"
