"""Velocities of half and quarter cells: exact for a linear cell, and how far activations take them from it.

Moves through Fourier modes are a group and commute with convolutions; activations make waves beyond the grid.
After 8 steps on 64 points, with random weights, relu takes waves up to 3 to 1.3e-2 and waves up to n/8 to 5e-2, as was
measured independently in two dimensions; tanh, whose kink-free curve makes far weaker short waves, to 2e-4 and 1e-2
(there 1.3e-3 and 3e-2, with larger weights). Errors are asserted between a third and three times these.
"""

from __future__ import annotations

import math

import pytest
import torch

from sciflow.recurrent.fernn import FERNN
from sciflow.recurrent.moves import fractional
from sciflow.recurrent.velocities import Velocities

POINTS, FRAMES = 64, 8


def waves(highest, seed=0):
    """Frames [1, T, 1, 64] of waves up to a number, of unit size, each frame on its own."""
    generator = torch.Generator().manual_seed(seed)
    x = 2 * math.pi * torch.arange(POINTS, dtype=torch.float64) / POINTS
    number = torch.arange(1, highest + 1, dtype=torch.float64)
    phase = 2 * math.pi * torch.rand(FRAMES, highest, 1, generator=generator, dtype=torch.float64)
    field = torch.cos(number[:, None] * x + phase).sum(1)
    return (field / field.std())[None, :, None]


def drifting(x, speed):
    """Frame number k moved by k times the speed, of waves below the shortest."""
    moved = [
        fractional(frame.mT, Velocities(((time * speed,),)), (POINTS,)).mT for time, frame in enumerate(x.unbind(1))
    ]
    return torch.stack(moved, 1)


def errors(network, x, speed, states, slices):
    still = slices(network, states(network, x)[-1])
    moving = slices(network, states(network, drifting(x, speed))[-1])
    found = []
    for new, old in enumerate(network.velocities.after((speed,), (POINTS,))):
        if old is not None:
            wanted = fractional(still[:, old], Velocities((((FRAMES - 1) * speed,),)), (POINTS,))
            found.append(float((moving[:, new] - wanted).norm() / wanted.norm()))
    return found


def make(make_sizes, activation, spacing):
    torch.manual_seed(0)
    network = FERNN(make_sizes(1), velocities=2, spacing=spacing, width=16, activation=activation, identity=0.0)
    return network.double()


@pytest.mark.parametrize("spacing", [0.5, 0.25, 0.1])
def test_a_linear_cell_is_exact(spacing, make_sizes, states, slices, monkeypatch):
    monkeypatch.setattr("sciflow.recurrent.cells.activated", lambda rows, activation: rows)
    network = make(make_sizes, "gelu", spacing)
    found = errors(network, waves(31), spacing, states, slices)
    assert len(found) == 4 and max(found) < 1e-12


@pytest.mark.parametrize("spacing", [0.5, 0.25])
@pytest.mark.parametrize(
    ("activation", "highest", "low", "high"),
    [
        ("tanh", 3, 6e-5, 2e-3),
        ("relu", 3, 4e-3, 4e-2),
        ("tanh", POINTS // 8, 3e-3, 3e-2),
        ("relu", POINTS // 8, 1.7e-2, 0.15),
    ],
)
def test_activations_alias(activation, highest, low, high, spacing, make_sizes, states, slices):
    found = errors(make(make_sizes, activation, spacing), waves(highest), spacing, states, slices)
    assert len(found) == 4 and low <= max(found) <= high


def test_two_dimensions(make_sizes, states, slices):
    """The case of the specification: 64 x 64 points, half and a quarter of a cell, tanh, waves up to 3."""
    torch.manual_seed(0)
    shift = (0.5, 0.25)
    network = FERNN(make_sizes(2), velocities=((0.0, 0.0), shift), width=4, activation="tanh", identity=0.0).double()
    across, along = waves(3)[0, :, 0], waves(3, seed=1)[0, :, 0]
    x = (across[:, :, None] + along[:, None, :])[None, :, None]
    frames = [
        fractional(frame.flatten(2).mT, Velocities((tuple(time * part for part in shift),)), (POINTS, POINTS))
        for time, frame in enumerate(x.unbind(1))
    ]
    moved = torch.stack([rows.mT.unflatten(2, (POINTS, POINTS)) for rows in frames], 1)
    still = slices(network, states(network, x)[-1])[:, 0].flatten(1, 2)
    found = slices(network, states(network, moved)[-1])[:, 1].flatten(1, 2)
    end = Velocities((tuple((FRAMES - 1) * part for part in shift),))
    wanted = fractional(still, end, (POINTS, POINTS))
    assert 1e-6 < (found - wanted).norm() / wanted.norm() <= 2e-3
