"""The DeepONet and its branch."""

from __future__ import annotations

import math

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.operators import Sizes
from sciflow.operators.deeponet import DeepONet, at_sensors, linear_weights
from sciflow.testing import check_model

SMALL = {"width": 48, "latent": 16, "sensors": 8, "waves": 2}


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(2, 2, parameters=2, signals=1, frames_in=2, mask=True, inputs=1),
        Sizes(1, 1, parameters=1, frames_in=0, frames_out=2, periodic=(True,)),
        Sizes(1, 3, parameters=1, frames_in=0, inputs=1, periodic=(True, False, True)),
    ],
)
def test_conforms(sizes):
    check_model(DeepONet, sizes, **SMALL)


def grid(*counts: int, cells: bool = False) -> torch.Tensor:
    axes = [(torch.arange(n) + 0.5) / n if cells else torch.linspace(0, 1, n) for n in counts]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def given(sizes: Sizes, coordinates: torch.Tensor, fields: torch.Tensor, batch: int = 3) -> dict[str, torch.Tensor]:
    """Inputs on a grid, with the same numbers whatever the grid."""
    generator = torch.Generator().manual_seed(0)
    space = coordinates.shape[1:]
    return {
        "x": torch.zeros(batch, sizes.frames_in, sizes.fields, *space),
        "parameters": torch.randn(batch, sizes.parameters, generator=generator),
        "signals": torch.randn(batch, sizes.frames, sizes.signals, generator=generator),
        "mask": torch.ones(batch, 1, *space),
        "coordinates": coordinates.expand(batch, *coordinates.shape),
        "dt": torch.tensor([0.5, 1.0, 0.5])[:batch],
        "inputs": fields.expand(batch, sizes.inputs, *space),
    }


def test_the_answer_at_common_points_does_not_depend_on_the_grid():
    """A bilinear input is averaged over the sensors' cells exactly (up to the sums) from any nodes."""
    sizes = Sizes(2, 2, parameters=1, frames_in=0, inputs=1)
    torch.manual_seed(0)
    net = DeepONet(sizes, **SMALL).double()
    out = []
    for counts in ((9, 17), (17, 33)):
        where = grid(*counts).double()
        field = (1 + where[0]) * (2 - where[1])
        out.append(net(**{name: value.double() for name, value in given(sizes, where, field).items()}))
    torch.testing.assert_close(out[1][..., ::2, ::2], out[0], rtol=1e-5, atol=1e-7)
    assert out[0].std((0, 3, 4)).min() > 1e-3


def test_a_shared_grid_gives_what_each_sample_gives_alone():
    sizes = Sizes(1, 2, parameters=1, inputs=1, mask=True, periodic=(True, False))
    net = DeepONet(sizes, **SMALL)
    inputs = given(sizes, grid(6, 10), torch.randn(3, 1, 6, 10))
    copied = inputs | {"coordinates": inputs["coordinates"].clone()}
    torch.testing.assert_close(net(**inputs), net(**copied), rtol=1e-4, atol=1e-6)


def test_the_trunk_is_evaluated_once_for_each_time():
    sizes = Sizes(1, 1, parameters=1, frames_in=0)
    net = DeepONet(sizes, **SMALL)
    seen = []
    net.trunk[0].register_forward_hook(lambda module, inputs, output: seen.append(output.shape[0]))
    inputs = given(sizes, grid(12), torch.zeros(1, 0, 12))
    net(**(inputs | {"dt": torch.tensor([0.5, 1.0, 0.5000002])}))
    assert seen == [2]


def test_outputs_are_sums_of_branch_times_trunk():
    """Eq. 2 of Lu et al. (2021), with a branch and a trunk of known values."""
    sizes = Sizes(2, 1, parameters=1, frames_in=0)
    net = DeepONet(sizes, width=4, latent=3, depth=1)
    with torch.no_grad():
        net.branch.last.weight.zero_()
        net.branch.last.bias.copy_(torch.arange(1.0, 7.0))
        net.trunk[-1].weight.zero_()
        net.trunk[-1].bias.copy_(torch.tensor([1.0, 0, 2, 0, 1, 1]))
        net.bias.copy_(torch.tensor([[10.0], [20.0]]))
    y = net(**given(sizes, grid(5), torch.zeros(1, 0, 5)))[0, 0]
    expected = torch.tensor([10 + (1 + 6) / math.sqrt(3), 20 + (5 + 6) / math.sqrt(3)])
    torch.testing.assert_close(y, expected[:, None].expand(2, 5))


def test_periodic_axes_close_without_a_jump():
    sizes = Sizes(1, 1, parameters=1, frames_in=0, periodic=(True,))
    net = DeepONet(sizes, **SMALL)
    where = torch.tensor([[0.0, 0.25, 1.0]])
    y = net(**given(sizes, where, torch.zeros(1, 0, 3)))
    torch.testing.assert_close(y[..., 0], y[..., 2], rtol=1e-4, atol=1e-6)
    assert (y[..., 0] - y[..., 1]).abs().max() > 1e-3


def test_interpolation_is_exact_for_lines_and_closes_periodic_axes():
    points, places = torch.tensor([[0.0, 0.2, 0.5, 1.0]]), torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(linear_weights(points, places, False) @ (3 * points[0] - 1), 3 * places[None] - 1)
    ring = linear_weights(torch.tensor([[0.125, 0.375, 0.625, 0.875]]), torch.tensor([0.0, 0.9375]), True)
    torch.testing.assert_close(ring[0], torch.tensor([[0.5, 0, 0, 0.5], [0.25, 0, 0, 0.75]]))


def test_sensors_average_over_cells():
    """Four fine cells over each sensor: the mean over a sensor's cell is kept for slow fields, noise is averaged."""
    sizes = Sizes(1, 2, inputs=1)
    where = grid(32, 32, cells=True)[None]
    seen = at_sensors((2 * where[:, :1] + where[:, 1:]), where, sizes, 8)
    coarse = grid(8, 8, cells=True)
    torch.testing.assert_close(seen[0, 0, 1:-1, 1:-1], (2 * coarse[0] + coarse[1])[1:-1, 1:-1])
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert at_sensors(noise, where, sizes, 8).std() < 0.4


def test_bad_options_and_shapes():
    sizes = Sizes(1, 2, inputs=1)
    for option in ("width", "latent", "depth", "sensors", "waves"):
        with pytest.raises(InputError, match=option):
            DeepONet(sizes, **{option: 0})
    with pytest.raises(InputError, match="activation"):
        DeepONet(sizes, activation="sine")
    inputs = given(sizes, grid(8, 8), torch.zeros(1, 1, 8, 8))
    with pytest.raises(InputError, match="inputs"):
        DeepONet(sizes, **SMALL)(**(inputs | {"inputs": torch.zeros(3, 2, 8, 8)}))


def test_stored_output():
    """A change of these numbers means that networks saved earlier would give other results."""
    sizes = Sizes(2, 2, parameters=1, signals=1, periodic=(False, True), mask=True, inputs=1)
    net = DeepONet(sizes, width=5, latent=3, depth=2, sensors=8, waves=2)
    with torch.no_grad():
        for number, values in enumerate(net.parameters()):
            values.copy_((0.5 * torch.cos(1.3 * torch.arange(values.numel()) + number)).view_as(values))
    inputs = given(sizes, grid(10, 8, cells=True), torch.zeros(1, 1, 10, 8), batch=1)
    for number, (name, value) in enumerate(inputs.items()):
        if name != "coordinates":
            inputs[name] = torch.sin(0.7 * torch.arange(value.numel()) + number).view_as(value)
    y = net(**inputs)[0, 0]
    found = torch.stack([y.mean(), y.std(), y[0, 0, 0], y[0, 3, 4], y[1, 9, 5]])
    torch.testing.assert_close(
        found, torch.tensor([0.451465, 0.1527, 0.61126, 0.600278, 0.295295]), rtol=1e-4, atol=1e-5
    )
