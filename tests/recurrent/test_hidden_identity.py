"""h'_{t+1}(nu) = psi_t(n) h_{t+1}(nu - n) on every slice that the set covers, and its failure without moving memory."""

from __future__ import annotations

import math

import pytest
import torch

from sciflow.recurrent.fernn import FERNN, GRNN

FRAMES = 10
CASES = [((16,), (1,)), ((16,), (-3,)), ((6, 7), (1, 0)), ((6, 7), (2, -1))]
CELLS = {
    "plain": {},
    "gelu": {"activation": "gelu"},
    "gru": {"cell": "gru"},
    "evidence": {"pool": "evidence", "residual": True},
    "local": {"pool": "evidence", "local": 1.5, "cell": "gru"},
}


def random(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def difference(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def worst(network, still, moving, shift, slices, shape):
    """The largest relative difference over frames and covered slices, and how many slices are covered."""
    before = network.velocities.after(shift, shape)
    covered = [(new, old) for new, old in enumerate(before) if old is not None]
    largest, axes = 0.0, tuple(range(1, 1 + len(shape)))
    for time, (a, b) in enumerate(zip(still, moving, strict=True)):
        resting, drifting = slices(network, a), slices(network, b)
        for new, old in covered:
            moved = torch.roll(resting[:, old], [time * part for part in shift], axes)
            largest = max(largest, difference(drifting[:, new], moved))
    return largest, len(covered)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("shape", "shift"), CASES, ids=str)
def test_memory_moves_with_the_flow(shape, shift, kind, dtype, make_sizes, flowing, states, slices):
    torch.manual_seed(0)
    network = FERNN(make_sizes(len(shape)), velocities=2, width=3, **CELLS[kind]).to(dtype)
    x = random(1, FRAMES, 1, *shape, dtype=dtype)
    still, moving = states(network, x), states(network, flowing(x, shift))
    error, covered = worst(network, still, moving, shift, slices, shape)
    assert covered == math.prod(5 - abs(part) for part in shift) > 0
    assert error <= (1e-5 if dtype == torch.float32 else 1e-12)
    if CELLS[kind].get("pool") == "evidence":
        carried = [(FRAMES - 1) * part for part in shift] if kind == "local" else [0] * len(shift)
        grid = shape if kind == "local" else (1,) * len(shape)
        for new, old in enumerate(network.velocities.after(shift, shape)):
            if old is not None:
                wanted = still[-1].errors[:, old].unflatten(1, grid).roll(carried, tuple(range(1, 1 + len(shape))))
                found = moving[-1].errors[:, new].view_as(wanted)
                assert difference(found, wanted) <= (1e-4 if dtype == torch.float32 else 1e-11)


def test_memory_moves_in_space(make_sizes, flowing, states, slices):
    torch.manual_seed(0)
    network, shape, shift = FERNN(make_sizes(3), width=2), (4, 3, 5), (1, 0, -1)
    x = random(1, 4, 1, *shape)
    error, covered = worst(network, states(network, x), states(network, flowing(x, shift)), shift, slices, shape)
    assert covered == 2 * 3 * 2 and error <= 1e-5


@pytest.mark.parametrize("boost", ["lift", "mean"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("shape", "shift"), [((16,), (-3,)), ((6, 7), (1, -1))], ids=str)
def test_memory_of_a_boosted_field(shape, shift, dtype, boost, make_sizes, flowing, states, slices):
    """Components of velocity move with c and rise by it, here by 0.3 and 0.2 a cell per frame."""
    torch.manual_seed(0)
    dims = len(shape)
    network = FERNN(make_sizes(dims, dims, rising=True), boost=boost, velocities=2, width=3, pool="evidence").to(dtype)
    speeds = torch.diag(torch.tensor([0.3, 0.2][:dims])).to(dtype)
    network.set_speeds(speeds)
    x = random(1, FRAMES, dims, *shape, dtype=dtype)
    rise = torch.tensor(shift, dtype=dtype) @ speeds
    boosted = flowing(x, shift) + rise.view(-1, *[1] * dims)
    still, moving = states(network, x), states(network, boosted)
    error, covered = worst(network, still, moving, shift, slices, shape)
    assert covered > 0 and error <= (1e-5 if dtype == torch.float32 else 1e-12)
    # The motion alone, without the rise, or the rise without the value of a cell per frame, is another flow.
    if boost == "lift":
        unlike, _ = worst(network, still, states(network, flowing(x, shift)), shift, slices, shape)
        assert unlike > 0.05


@pytest.mark.parametrize(("shape", "shift"), [((16,), (1,)), ((8, 10), (1, -1))], ids=str)
def test_memory_at_rest_does_not_follow(shape, shift, make_sizes, flowing, states, slices):
    torch.manual_seed(0)
    network = GRNN(make_sizes(len(shape)), width=4)
    x = random(1, FRAMES, 1, *shape)
    still, moving = slices(network, states(network, x)[-1]), slices(network, states(network, flowing(x, shift))[-1])
    wanted = torch.roll(still[:, 0], [(FRAMES - 1) * part for part in shift], tuple(range(1, 1 + len(shape))))
    assert difference(moving[:, 0], wanted) > 0.1
