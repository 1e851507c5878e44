"""The U-Net."""

from __future__ import annotations

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.operators import Sizes
from sciflow.operators.unet import UNet

CASES = [
    (Sizes(2, 1, parameters=1, signals=2, frames_in=2, frames_out=3, mask=True), (20,)),
    (Sizes(3, 2, parameters=2, signals=1, periodic=(True, False), mask=True, inputs=2), (16, 21)),
    (Sizes(1, 3, parameters=1, signals=1, frames_out=2, periodic=(False, True, True), mask=True), (8, 9, 8)),
]


@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_shape_gradients_and_inputs(sizes, space, make_inputs):
    torch.manual_seed(0)
    net, inputs = UNet(sizes, width=6), make_inputs(sizes, space)
    y = net(**inputs)
    assert y.shape == (3, sizes.frames_out, sizes.fields, *space)
    y.square().mean().backward()
    # The deepest level may be a single point, on which only the middle of a kernel acts.
    assert all((values.grad != 0).any() for values in net.parameters())
    for name, value in ((name, value) for name, value in inputs.items() if value.numel()):
        changed = net(**(inputs | {name: value + 0.5}))
        assert (changed - y).abs().amax(tuple(range(1, y.ndim))).min() > 1e-4, name


@pytest.mark.parametrize("width", [3, 8, 12])
def test_every_number_in_the_weights_acts(width, make_inputs):
    sizes = Sizes(1, 2, parameters=1, periodic=(False, True))
    net = UNet(sizes, width=width)
    net(**make_inputs(sizes, (32, 32))).square().mean().backward()
    assert all((values.grad.abs() > 1e-12).all() for values in net.parameters())


@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_cases_do_not_see_each_other(sizes, space, make_inputs):
    net, inputs = UNet(sizes, width=6), make_inputs(sizes, space, batch=5)
    one = net(**{name: value[3:4] for name, value in inputs.items()})
    torch.testing.assert_close(net(**inputs)[3:4], one, rtol=1e-4, atol=1e-5)


def test_number_of_parameters():
    """Blocks of two kernels with 9 points, two normalisations and a map of the conditions; a linear map at the end."""
    sizes = Sizes(3, 2, parameters=2, mask=True)
    channels, conditions, c = 3 + 1 + 2, 3, 8
    blocks = [(channels, c), (c, 2 * c), (2 * c, 2 * c), (2 * c, 4 * c), (6 * c, 2 * c), (4 * c, 2 * c), (3 * c, c)]
    expected = sum(9 * (before + after) * after + (4 + conditions) * after for before, after in blocks)
    expected += (c + channels + 1) * 3
    assert sum(values.numel() for values in UNet(sizes, width=c).parameters()) == expected


def test_commutes_with_shifts_by_eight_along_periodic_axes_without_coordinates(make_inputs):
    sizes = Sizes(2, 2, parameters=1, periodic=(True, True), mask=True)
    net, inputs = UNet(sizes, width=8, coordinates=False), make_inputs(sizes, (24, 32))
    y = net(**inputs).roll((8, 16), (-2, -1))
    moved = inputs | {name: inputs[name].roll((8, 16), (-2, -1)) for name in ("x", "mask")}
    torch.testing.assert_close(net(**moved), y, rtol=1e-4, atol=1e-5)


def test_sides_that_are_not_periodic_do_not_wrap_around(make_inputs):
    sizes = Sizes(1, 1, periodic=(False,))
    net, inputs = UNet(sizes, width=8), make_inputs(sizes, (256,), batch=1)
    changed = inputs | {"x": inputs["x"].clone()}
    changed["x"][..., -1] += 1e-3
    wraps = UNet(Sizes(1, 1, periodic=(True,)), width=8, coordinates=False)
    # Without normalisation, which every point enters, only what a kernel reaches changes.
    for network in (net, wraps):
        for module in network.modules():
            if hasattr(module, "norm_first"):
                module.norm_first = module.norm_second = torch.nn.Identity()
    assert torch.equal(net(**inputs)[..., :8], net(**changed)[..., :8])
    assert not torch.equal(wraps(**inputs)[..., :8], wraps(**changed)[..., :8])


@pytest.mark.parametrize("size", [8, 9, 15, 17, 23])
def test_sizes_that_are_not_multiples_of_eight(size, make_inputs):
    for periodic in (True, False):
        sizes = Sizes(1, 2, periodic=(periodic, periodic))
        y = UNet(sizes, width=4)(**make_inputs(sizes, (size, 16)))
        assert y.shape[-2:] == (size, 16)


def test_runs_under_autocast_and_in_double(make_inputs):
    sizes, space = CASES[1]
    net, inputs = UNet(sizes, width=8), make_inputs(sizes, space)
    y = net(**inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = net(**inputs)
    low.float().square().mean().backward()
    assert all(values.grad.dtype == torch.float32 and values.grad.isfinite().all() for values in net.parameters())
    assert (low.float() - y).abs().mean() < 0.03 * y.std()
    double = net.double()(**{name: value.double() for name, value in inputs.items()})
    torch.testing.assert_close(double.float(), y, rtol=1e-3, atol=1e-4)


def test_fits_one_batch(make_inputs):
    sizes = Sizes(1, 2, parameters=1, periodic=(False, True))
    torch.manual_seed(0)
    net, inputs = UNet(sizes, width=8), make_inputs(sizes, (16, 16), batch=2)
    target = inputs["x"].roll(2, -1).cumsum(-2) / 4
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = (net(**inputs) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_stored_output(make_inputs):
    """A change of these numbers means that networks saved earlier would give other results."""
    sizes = Sizes(2, 2, parameters=1, signals=1, periodic=(False, True), mask=True)
    net = UNet(sizes, width=4)
    with torch.no_grad():
        for number, values in enumerate(net.parameters()):
            values.copy_((0.5 * torch.cos(1.3 * torch.arange(values.numel()) + number)).view_as(values))
    inputs = make_inputs(sizes, (10, 8), batch=1)
    for number, (name, value) in enumerate(inputs.items()):
        if name != "coordinates":
            inputs[name] = torch.sin(0.7 * torch.arange(value.numel()) + number).view_as(value)
    y = net(**inputs)[0, 0]
    found = torch.stack([y.mean(), y.std(), y[0, 0, 0], y[0, 3, 4], y[1, 9, 5]])
    torch.testing.assert_close(
        found, torch.tensor([0.371374, 0.547371, -0.168352, 0.958312, 0.595497]), rtol=1e-4, atol=1e-5
    )


def test_bad_options_and_shapes(make_inputs):
    sizes = Sizes(2, 2, parameters=1)
    with pytest.raises(InputError, match="width"):
        UNet(sizes, width=0)
    net = UNet(sizes, width=4)
    with pytest.raises(InputError, match="at least 8 points"):
        net(**make_inputs(sizes, (8, 7)))
    inputs = make_inputs(sizes, (8, 8))
    for name, value in inputs.items():
        one = inputs["mask"] if name == "inputs" else value  # of inputs there is none
        with pytest.raises(InputError, match=name):
            net(**(inputs | {name: torch.cat((one, one), 1 if one.ndim > 1 else 0)}))
