"""The pooled memory and whole forecasts: exact on closed sets, not on truncated ones, and not as published."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sciflow.recurrent.fernn import FERNN, GRNN
from sciflow.recurrent.velocities import Velocities

CASES = [((8,), (3,)), ((4, 3), (1, -1))]


def difference(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def moved_rows(rows, shape, shift):
    return torch.roll(rows.unflatten(1, shape), list(shift), tuple(range(1, 1 + len(shape)))).flatten(1, len(shape))


def pooled_error(network, shape, shift, flowing, states, frames=10):
    x = random(2, frames, 1, *shape)
    error = 0.0
    pairs = zip(states(network, x), states(network, flowing(x, shift)), strict=True)
    for time, (still, moving) in enumerate(pairs):
        # Read out after the move: the features are those of the next frame.
        wanted = moved_rows(network.pooled(still), shape, [(time + 1) * part for part in shift])
        error = max(error, difference(network.pooled(moving), wanted))
    return error


@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize(("shape", "shift"), CASES, ids=str)
def test_pooled_memory_on_a_closed_set(shape, shift, pool, make_sizes, flowing, states):
    torch.manual_seed(0)
    network = FERNN(make_sizes(len(shape), grid=shape), velocities="closed", pool=pool, width=4)
    assert network.velocities.closed(shape)
    assert pooled_error(network, shape, shift, flowing, states) <= 1e-5


def test_pooled_memory_on_a_truncated_set(make_sizes, flowing, states):
    """Slices leave the set and others come in: as large an error as the specification found, 0.2 to 0.5 at R = 2."""
    shape, errors = (8, 8), []
    for seed in range(3):
        torch.manual_seed(seed)
        network = FERNN(make_sizes(2), velocities=2, width=4, identity=0.0, bias=False)
        for weight in network.parameters():
            weight.data.normal_(0, 0.3)
        x = torch.randn(2, 8, 1, *shape, generator=torch.Generator().manual_seed(seed))
        still, moving = states(network, x)[-1], states(network, flowing(x, (2, -1)))[-1]
        errors.append(difference(network.pooled(moving), moved_rows(network.pooled(still), shape, (16, -8))))
    assert min(errors) > 0.1 and max(errors) < 0.7


OPTIONS = {
    "max": {},
    "mean": {"pool": "mean"},
    "gru": {"cell": "gru"},
    "mixing": {"mixing": 1},
    "evidence": {"pool": "evidence"},
    "evidence local residual": {"pool": "evidence", "local": 1.0, "residual": True},
}


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(("shape", "shift"), CASES, ids=str)
def test_rollout_of_fifty_frames_on_a_closed_set(shape, shift, kind, make_sizes, flowing, forecast):
    torch.manual_seed(0)
    network = FERNN(make_sizes(len(shape), grid=shape), velocities="closed", width=3, **OPTIONS[kind])
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.startswith("decoder.last") and "residual" in kind:
                weight *= 0.1  # changes of the last frame add up over 50 frames
        x = random(2, 4, 1, *shape)
        still, moving = forecast(network, x, 50), forecast(network, flowing(x, shift), 50)
    assert still.isfinite().all() and 1e-3 < still[:, -1].std() < 1e3
    wanted = flowing(still, shift, start=4)
    assert max(map(difference, moving.unbind(1), wanted.unbind(1))) <= 1e-4


def test_boosted_rollout_on_a_closed_set(make_sizes, flowing, forecast):
    """With means taken off, forecasts of velocity components move with c and rise by it."""
    torch.manual_seed(0)
    shape, shift, rise = (4, 3), (1, -1), torch.tensor([0.7, -0.4]).view(2, 1, 1)
    network = FERNN(make_sizes(2, 2, rising=True, grid=shape), velocities="closed", width=4)
    x = random(2, 4, 2, *shape)
    with torch.no_grad():
        still, moving = forecast(network, x, 20), forecast(network, flowing(x, shift) + rise, 20)
    assert difference(moving, flowing(still, shift, start=4) + rise) <= 1e-5


def published(network, x, frames, shape):
    """The published order: the last frame is read twice, and frames are read out before the memory moves."""
    kernel, lift = network.cell.weight, network.lift.convolution
    count = len(network.velocities)
    vectors = [[round(part) for part in vector] for vector in network.velocities.vectors]
    memory = x.new_zeros(x.shape[0], count, network.cell.width, *shape)

    def around(image):
        return functional.pad(image, (1, 1, 1, 1), mode="circular")

    def step(memory, frame):
        moved = torch.stack([torch.roll(memory[:, v], vector, (2, 3)) for v, vector in enumerate(vectors)], 1)
        inner = functional.conv2d(around(moved.flatten(0, 1)), kernel).unflatten(0, moved.shape[:2])
        return torch.relu(inner + functional.conv2d(around(frame), lift.weight, lift.bias)[:, None])

    for frame in x.unbind(1):
        memory = step(memory, frame)
    frame, results = x[:, -1], []
    for _ in range(frames):
        memory = step(memory, frame)
        rows = network.decoder(memory.amax(1).flatten(2).mT, shape)
        frame = rows.mT.unflatten(2, shape)
        results.append(frame)
    return torch.stack(results, 1)


def test_the_published_order_is_not_equivariant(make_sizes, flowing, forecast):
    torch.manual_seed(0)
    shape, shift = (5, 5), (1, -2)
    network = FERNN(make_sizes(2, grid=shape), velocities="closed", width=8, bias=False)
    x = random(2, 4, 1, *shape)
    with torch.no_grad():
        ours = forecast(network, flowing(x, shift), 6), flowing(forecast(network, x, 6), shift, start=4)
        theirs = published(network, flowing(x, shift), 6, shape), flowing(published(network, x, 6, shape), shift, 4)
    centred = [[frames - frames.mean((-2, -1), keepdim=True) for frames in pair] for pair in (ours, theirs)]
    assert difference(*centred[0]) <= 1e-5
    assert difference(*centred[1]) > 0.3


@pytest.mark.parametrize("network", ["fernn", "evidence", "g-rnn"])
def test_shifts_at_rest(network, make_sizes, forecast):
    """A shift of all frames by the same cells shifts the forecast, with truncated sets too."""
    torch.manual_seed(0)
    sizes = make_sizes(2)
    options = {"pool": "evidence", "local": 2.0} if network == "evidence" else {}
    model = GRNN(sizes, width=4) if network == "g-rnn" else FERNN(sizes, width=4, **options)
    x = random(2, 4, 1, 8, 10)
    with torch.no_grad():
        found, wanted = forecast(model, x.roll((3, -2), (3, 4)), 10), forecast(model, x, 10).roll((3, -2), (3, 4))
    assert difference(found, wanted) <= 1e-5


def test_mixing_on_a_truncated_set_holds_away_from_its_edge(make_sizes, flowing, states, slices):
    """Slices outside the set count as zero; after t frames that has reached slices fewer than t steps from the edge."""
    torch.manual_seed(0)
    shape, reach, frames, shift = (24,), 6, 4, (1,)
    network = FERNN(make_sizes(1), velocities=reach, width=3, mixing=1).double()
    x = random(1, frames, 1, *shape).double()
    still, moving = states(network, x)[-1], states(network, flowing(x, shift))[-1]
    resting, drifting = slices(network, still), slices(network, moving)
    errors = {}
    for number, (speed,) in enumerate(network.velocities.vectors):
        if speed > -reach:
            wanted = torch.roll(resting[:, number - 1], frames - 1, 1)
            errors[int(speed)] = difference(drifting[:, number], wanted)
    far = frames - 1  # the first frame finds no memory, each later one brings the edge a slice nearer
    inside = [error for speed, error in errors.items() if -reach + far < speed - 0 and speed + far <= reach]
    assert len(inside) >= 5 and max(inside) < 1e-12
    assert errors[reach] > 1e-3 and errors[-reach + 1] > 1e-3


def test_sets_may_be_widened_after_training(make_sizes, forecast):
    """The number of weights does not depend on V."""
    counts = {
        sum(weight.numel() for weight in FERNN(make_sizes(2, grid=(8, 8)), velocities=set_, width=4).parameters())
        for set_ in (0, 1, 2, "closed", ((0.0, 0.0), (1.0, 0.0)))
    }
    assert len(counts) == 1
    small, large = (FERNN(make_sizes(2), velocities=radius, width=4) for radius in (1, 2))
    large.load_state_dict(small.state_dict())
    assert len(large.velocities) == 25 == len(Velocities.box(2, (0, 1), 2))
