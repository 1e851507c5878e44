"""The fast form against the recurrence as it is written down, in torch's own operations; and its gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from sciflow.recurrent import convolution
from sciflow.recurrent.convolution import PeriodicConv, correlate, recurrent_step
from sciflow.recurrent.fernn import FERNN, GRNN, GRNNPlus
from sciflow.recurrent.moves import at_rest, plan
from sciflow.recurrent.velocities import Velocities

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def circular(image, weight, bias=None):
    dims, half = weight.ndim - 2, weight.shape[-1] // 2
    return CONVOLUTIONS[dims](functional.pad(image, (half, half) * dims, mode="circular"), weight, bias)


def plain(network, x, frames):
    """The loop over velocities: roll, stack, circular padding, convolution, maximum, decoder."""
    shape, axes = x.shape[3:], tuple(range(2, x.ndim - 1))
    vectors = [[round(part) for part in vector] for vector in network.velocities.vectors]
    memory = x.new_zeros(x.shape[0], len(vectors), network.cell.width, *shape)

    def moved(memory):
        return torch.stack([torch.roll(memory[:, v], vector, axes) for v, vector in enumerate(vectors)], 1)

    results = []
    for time in range(x.shape[1] + frames - 1):
        frame = x[:, time] if time < x.shape[1] else results[-1].detach()
        inner = circular(moved(memory).flatten(0, 1), network.cell.weight).unflatten(0, memory.shape[:2])
        lift = network.lift.convolution
        memory = torch.relu(inner + circular(frame, lift.weight, lift.bias)[:, None])
        if time >= x.shape[1] - 1:
            image = moved(memory).amax(1)
            for layer in network.decoder.layers:
                image = torch.relu(circular(image, layer.weight, layer.bias))
            results.append(circular(image, network.decoder.last.weight, network.decoder.last.bias))
    return torch.stack(results, 1)


def gradients(network, output):
    network.zero_grad()
    output.square().mean().backward()
    return {name: weight.grad.clone() for name, weight in network.named_parameters()}


def close(found, wanted, bound):
    return bool((found - wanted).norm() <= bound * wanted.norm())


@pytest.mark.parametrize("radius", [0, 1])
@pytest.mark.parametrize(("shape", "kernel"), [((9,), 5), ((6, 7), 3), ((3, 4, 5), 3)], ids=str)
def test_equals_the_plain_loop(shape, kernel, radius, make_sizes, forecast):
    """With velocity zero alone this is a circular convolutional recurrent network."""
    torch.manual_seed(0)
    network = FERNN(make_sizes(len(shape), 2), velocities=radius, kernel=kernel, width=5)
    x = torch.randn(2, 4, 2, *shape)
    ours, theirs = forecast(network, x, 4), plain(network, x, 4)
    assert close(ours, theirs, 1e-6)
    found, wanted = gradients(network, ours), gradients(network, theirs)
    for name, gradient in wanted.items():
        assert close(found[name], gradient, 1e-5), name
        assert gradient.norm() > 1e-6, name
    with torch.no_grad():
        assert close(forecast(network, x, 4), theirs, 1e-6)


@pytest.mark.parametrize("options", [{}, {"cell": "gru"}, {"residual": True, "activation": "tanh"}], ids=str)
def test_g_rnn_is_fernn_at_rest(options, make_sizes, forecast):
    torch.manual_seed(0)
    still, moving = GRNN(make_sizes(2), width=4, **options), FERNN(make_sizes(2), velocities=0, width=4, **options)
    moving.load_state_dict(still.state_dict())
    x = torch.randn(2, 4, 1, 6, 7)
    assert torch.equal(forecast(still, x, 5), forecast(moving, x, 5))


def test_learned_movers_are_another_network(make_sizes, forecast):
    """With kernels that are one at the place of each velocity it is FERNN; as drawn it is not."""
    torch.manual_seed(0)
    fernn, plus = FERNN(make_sizes(2), width=4), GRNNPlus(make_sizes(2), width=4)
    plus.load_state_dict(fernn.state_dict(), strict=False)
    x = torch.randn(2, 4, 1, 6, 7)
    assert not close(forecast(plus, x, 3), forecast(fernn, x, 3), 0.1)
    kernels = torch.zeros(9, 3, 3)
    for number, (y, x_) in enumerate(plus.velocities.vectors):
        kernels[number, 1 - int(y), 1 - int(x_)] = 1
    with torch.no_grad():
        plus.cell.mover.kernels.copy_(kernels)
    assert close(forecast(plus, x, 3), forecast(fernn, x, 3), 1e-6)


@pytest.mark.parametrize("options", [{}, {"cell": "gru"}, {"pool": "evidence", "mixing": 1}], ids=str)
def test_checkpoints_give_the_same_gradients(options, make_sizes, forecast):
    torch.manual_seed(0)
    kept, again = (FERNN(make_sizes(2), width=4, checkpoints=on, **options) for on in (False, True))
    again.load_state_dict(kept.state_dict())
    x = torch.randn(2, 4, 1, 5, 6)
    found, wanted = gradients(again, forecast(again, x, 3)), gradients(kept, forecast(kept, x, 3))
    for name, gradient in wanted.items():
        assert gradient.norm() > 0 and close(found[name], gradient, 1e-6), name


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("own", [False, True], ids=["one lift", "a lift for each slice"])
@pytest.mark.parametrize(("shape", "kernel"), [((4,), 3), ((3, 4), 3), ((2, 3, 2), 1)], ids=str)
def test_gradient_of_a_step(shape, kernel, own, activation):
    """Against finite differences; everything stays away from the kink of relu."""
    generator = torch.Generator().manual_seed(3)
    velocities = Velocities(((0.0,) * len(shape), (1.0,) * len(shape)))
    moves = plan(velocities, shape, (kernel // 2,) * len(shape), torch.device("cpu"))
    points = math.prod(shape)

    def draw(*size):
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    weight = 0.1 * draw(2, 2, *[kernel] * len(shape))
    rows, lifted = draw(1, 2 * points, 2), draw(1, (1 + own) * points, 2)
    lifted = lifted + 3 * lifted.sign()  # |a| >= 3 exceeds what the kernel adds, so that no sum is near zero
    before = recurrent_step(rows, lifted, weight, moves, "tanh").abs()
    assert before.min() > 0.05
    tensors = [tensor.requires_grad_() for tensor in (rows, lifted, weight)]
    assert torch.autograd.gradcheck(lambda r, a, w: recurrent_step(r, a, w, moves, activation), tensors)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(("shape", "kernel"), [((7,), 5), ((4, 5), 3), ((3, 2, 4), 3)], ids=str)
def test_periodic_convolution(shape, kernel, channels):
    """Few channels go through a matrix product, more through torch's convolutions."""
    torch.manual_seed(0)
    layer = PeriodicConv(channels, 3, len(shape), kernel, bias=True).double()
    layer.bias.data.normal_()
    image = torch.randn(2, channels, *shape, dtype=torch.float64)
    found = layer(image.flatten(2).mT, shape).mT.unflatten(2, shape)
    assert close(found, circular(image, layer.weight, layer.bias), 1e-13)
    rest = plan(at_rest(len(shape)), shape, (0,) * len(shape), torch.device("cpu"))
    assert torch.equal(rest.source, torch.arange(rest.source.numel()))


@pytest.mark.parametrize("cached", [1, 2000, 2**19])
@pytest.mark.parametrize(("shape", "kernel"), [((11,), (5,)), ((6, 7), (3, 5)), ((4, 5, 6), (3, 1, 3))], ids=str)
def test_sums_of_products_are_the_gradient_of_a_convolution(shape, kernel, cached, monkeypatch):
    """Whatever number of fields is taken at a time; five of them, so that the last part may be smaller."""
    monkeypatch.setattr(convolution, "_CACHED", cached)
    torch.manual_seed(0)
    spread = tuple(n + k - 1 for n, k in zip(shape, kernel, strict=True))
    image = torch.randn(5, 2, *spread, dtype=torch.float64)
    weight = torch.randn(3, 2, *kernel, dtype=torch.float64, requires_grad=True)
    result = CONVOLUTIONS[len(shape)](image, weight)
    outer = torch.randn_like(result)
    (wanted,) = torch.autograd.grad((result * outer).sum(), weight)
    rows = [field.flatten(2).mT.contiguous() for field in (image, outer)]
    assert torch.allclose(correlate(*rows, spread, kernel).transpose(0, 1), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"cell": "gru"}, {"pool": "evidence", "residual": True}, {"mixing": 1}], ids=str
)
def test_mixed_precision_trains(options, make_sizes, forecast):
    """Eight bits of mantissa for what torch casts; forecasts and gradients stay within a few of their last places."""
    torch.manual_seed(0)
    network, x = FERNN(make_sizes(2), width=4, **options), torch.randn(2, 4, 1, 6, 7)
    wanted = forecast(network, x, 2)
    whole = torch.cat([part.flatten() for part in gradients(network, wanted).values()])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = forecast(network, x, 2)
    assert close(found.float(), wanted, 0.03)
    assert close(torch.cat([part.flatten() for part in gradients(network, found.float()).values()]), whole, 0.1)
