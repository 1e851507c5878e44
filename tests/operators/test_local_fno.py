"""The Fourier neural operator with local convolutions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators import Sizes
from sciflow.operators.local_fno import LocalFNO

CASES = [
    (Sizes(2, 1, parameters=1, signals=2, frames_in=2, frames_out=3, mask=True), (20,)),
    (Sizes(3, 2, parameters=2, signals=1, periodic=(True, False), mask=True, inputs=2), (16, 13)),
    (Sizes(1, 3, parameters=1, signals=1, periodic=(False, True, True), mask=True, ends=True), (8, 9, 8)),
]


def random_modulation(net: LocalFNO) -> LocalFNO:
    with torch.no_grad():
        net.modulate.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return net


@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_shape_gradients_inputs_and_batch(sizes, space, make_inputs):
    net, inputs = random_modulation(LocalFNO(sizes, width=6, modes=4, layers=2)), make_inputs(sizes, space)
    y = net(**inputs)
    assert y.shape == (3, sizes.frames_out, sizes.fields, *space)
    y.square().mean().backward()
    assert all(values.grad.abs().max() > 0 for values in net.parameters())
    for name, value in ((name, value) for name, value in inputs.items() if value.numel()):
        changed = net(**(inputs | {name: value + 0.5}))
        assert (changed - y).abs().amax(tuple(range(1, y.ndim))).min() > 1e-4, name
    alone = net(**{name: value[1:2] for name, value in inputs.items()})
    torch.testing.assert_close(y[1:2], alone, rtol=1e-4, atol=1e-5)


def test_number_of_parameters():
    sizes = Sizes(2, 2, parameters=4, signals=1, mask=True)
    channels, conditions, w, layers, modes = 2 + 1 + 2, 4 + 2 + 1, 8, 3, 5
    spectral = (2 * modes - 1) ** 2 * w**2 + w  # one number for each wavenumber and pair of channels
    expected = (channels + 1) * w + (conditions + 1) * 2 * w + (2 * w + 1) * layers * 2 * w
    expected += layers * (spectral + 9 * w**2 + w**2) + (w + channels + 1) * 2
    net = LocalFNO(sizes, width=w, layers=layers, modes=modes)
    assert sum(values.numel() for values in net.parameters()) == expected


def test_one_layer_written_out(make_inputs):
    """With the spectral layer as it is (it has tests of its own) and zeros beyond a wall."""
    sizes = Sizes(1, 1, parameters=2)
    net, given = random_modulation(LocalFNO(sizes, width=3, layers=1, modes=3)), make_inputs(sizes, (12,))
    features = torch.stack((given["x"][:, 0, 0], given["coordinates"][:, 0]), -1)
    conditions = torch.cat((given["parameters"], given["dt"][:, None]), 1)
    scale, shift = net.modulate(functional.gelu(net.condition(conditions))).split(3, 1)
    h = net.lift(features)
    kernel, padded = net.local[0].weight, functional.pad(h, (0, 0, 1, 1))
    local = sum(padded[:, k : k + 12] @ kernel[:, :, k].T for k in range(3))
    inner = (1 + scale[:, None]) * (net.spectral[0](h) + local) + shift[:, None]
    h = h + functional.gelu(inner) @ net.mix[0].weight.T
    expected = net.project(torch.cat((h, features), -1)).mT[:, None]
    torch.testing.assert_close(net(**given), expected, rtol=1e-4, atol=1e-5)


def test_commutes_with_shifts_along_periodic_axes_without_coordinates(make_inputs):
    sizes = Sizes(2, 2, parameters=1, periodic=(True, True), mask=True)
    net, inputs = LocalFNO(sizes, width=6, modes=4, coordinates=False), make_inputs(sizes, (12, 10))
    y = net(**inputs).roll((5, 3), (-2, -1))
    moved = inputs | {name: inputs[name].roll((5, 3), (-2, -1)) for name in ("x", "mask")}
    torch.testing.assert_close(net(**moved), y, rtol=1e-4, atol=1e-5)


def test_stored_output(make_inputs):
    """A change of these numbers means that networks saved earlier would give other results."""
    sizes = Sizes(2, 2, parameters=1, signals=1, periodic=(False, True), mask=True)
    net = LocalFNO(sizes, width=4, layers=2, modes=3)
    with torch.no_grad():
        for number, values in enumerate(net.parameters()):
            values.copy_((0.2 * torch.cos(1.3 * torch.arange(values.numel()) + number)).view_as(values))
    inputs = make_inputs(sizes, (10, 8), batch=1)
    for number, (name, value) in enumerate(inputs.items()):
        if name != "coordinates":
            inputs[name] = torch.sin(0.7 * torch.arange(value.numel()) + number).view_as(value)
    y = net(**inputs)[0, 0].detach()
    found = torch.stack([y.mean(), y.std(), y[0, 0, 0], y[0, 3, 4], y[1, 9, 5]])
    torch.testing.assert_close(
        found, torch.tensor([0.100259, 0.45599, -0.0814874, -0.214192, 0.755932]), rtol=1e-4, atol=1e-5
    )


def test_bad_options_are_named():
    with pytest.raises(InputError, match="width"):
        LocalFNO(Sizes(1, 2), width=0)
    with pytest.raises(InputError, match="modes must be one number or one for each of the 2 axes"):
        LocalFNO(Sizes(1, 2), modes=(3,))
