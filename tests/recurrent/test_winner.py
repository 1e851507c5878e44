"""Training of the one slice that matches the drift: in the frame that moves with it, all slices are one network."""

from __future__ import annotations

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.recurrent.fernn import FERNN, GRNN

OPTIONS = {"width": 4, "residual": True}


def pair(sizes, cell):
    """A network that trains its best slice, and the network with one slice of the same weights."""
    torch.manual_seed(0)
    network = FERNN(sizes, pool="evidence", winner=True, cell=cell, **OPTIONS).double()
    with torch.no_grad():
        network.decoder.last.weight *= 1e-3  # nearly the last frame: of slices that only drift the right one wins
    plain = GRNN(sizes, cell=cell, **OPTIONS).double()
    plain.load_state_dict(network.state_dict(), strict=False)
    return network, plain


@pytest.mark.parametrize("cell", ["plain", "gru"])
@pytest.mark.parametrize("shape", [(12,), (6, 7)], ids=str)
def test_trains_the_network_with_one_slice_in_the_moving_frame(shape, cell, make_sizes, forecast, flowing):
    network, plain = pair(make_sizes(len(shape)), cell)
    still = torch.randn(1, 1, 1, *shape, dtype=torch.float64).repeat(1, 4, *[1] * (1 + len(shape)))
    wanted = forecast(plain, still, 3)
    wanted.square().mean().backward()
    for velocity in network.velocities.vectors:
        network.zero_grad()
        found = forecast(network, flowing(still, [int(part) for part in velocity]), 3)
        moved = flowing(wanted, [int(part) for part in velocity], 4)
        assert torch.allclose(found, moved, rtol=0, atol=1e-12)
        found.square().mean().backward()
        for name, weight in plain.named_parameters():
            assert torch.allclose(network.get_parameter(name).grad, weight.grad, rtol=1e-9, atol=1e-14), name


def test_each_sample_has_a_drift_of_its_own_and_evidence_finds_it_too(make_sizes, forecast, flowing):
    network, plain = pair(make_sizes(1), "plain")
    still = torch.randn(3, 1, 1, 16, dtype=torch.float64).repeat(1, 4, 1, 1)
    moving = torch.cat([flowing(still[k : k + 1], [k - 1]) for k in range(3)])
    wanted = forecast(plain, still, 2)
    wanted = torch.cat([flowing(wanted[k : k + 1], [k - 1], 4) for k in range(3)])
    assert torch.allclose(forecast(network, moving, 2), wanted, rtol=0, atol=1e-12)
    network.eval()  # weighs all slices; those that do not match get no weight
    assert torch.allclose(forecast(network, moving, 2), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"pool": "max"}, {"local": 2.0}, {"mixing": 1}, {"boost": "lift"}, {"context": 1}],
    ids=str,
)
def test_refused_where_no_single_slice_forecasts(options, make_sizes):
    options = {"pool": "evidence"} | options
    sizes = make_sizes(1, rising=True, frames_in=options.pop("context", 4))
    with pytest.raises(InputError, match="winner trains one slice for the whole field"):
        FERNN(sizes, winner=True, **options)
