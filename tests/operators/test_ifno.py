"""The implicit Fourier neural operators."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators import Sizes, build

CASES = [
    (Sizes(2, 1, parameters=1, signals=2, frames_in=2, frames_out=3, mask=True), (16,)),
    (Sizes(3, 2, parameters=2, signals=1, periodic=(True, False), mask=True, inputs=2), (16, 9)),
    (Sizes(1, 3, frames_out=2, periodic=(False, True, True)), (8, 9, 8)),
]
OPTIONS = {"ifno": {"width": 6, "modes": 4}, "iufno": {"width": 6, "modes": 4, "unet_width": 4}}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_shape_gradients_inputs_and_batch(name, sizes, space, make_inputs):
    torch.manual_seed(0)
    net, inputs = build(name, sizes, iterations=2, **OPTIONS[name]), make_inputs(sizes, space)
    y = net(**inputs)
    assert y.shape == (3, sizes.frames_out, sizes.fields, *space)
    y.square().mean().backward()
    assert all(values.grad.abs().max() > 0 for values in net.parameters())
    for given, value in ((given, value) for given, value in inputs.items() if value.numel()):
        if given == "mask" and not sizes.mask:
            continue
        changed = net(**(inputs | {given: value + 0.5}))
        assert (changed - y).abs().amax(tuple(range(1, y.ndim))).min() > 1e-5, given
    alone = net(**{given: value[1:2] for given, value in inputs.items()})
    torch.testing.assert_close(y[1:2], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIONS)
def test_weights_do_not_grow_with_the_iterations(name):
    counts = [
        sum(values.numel() for values in build(name, CASES[1][0], iterations=iterations, **OPTIONS[name]).parameters())
        for iterations in (1, 7)
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", OPTIONS)
def test_two_iterations_written_out(name, make_inputs):
    """With the spectral layer and the U-Net as they are, which have tests of their own."""
    torch.manual_seed(0)
    sizes = Sizes(1, 1, periodic=(True,))
    net, given = build(name, sizes, iterations=2, **OPTIONS[name]), make_inputs(sizes, (16,))
    angle = 2 * torch.pi * given["coordinates"][:, 0]
    features = torch.stack((given["x"][:, 0, 0], angle.cos(), angle.sin()), -1)
    h = features @ net.lift.weight.T + net.lift.bias + (given["dt"][:, None] @ net.condition.weight.T)[:, None]
    for last in (False, True):
        smooth = net.spectral(h)
        change = smooth + h @ net.pointwise.weight.T
        if name == "iufno":
            rest = dict(given, x=(h - smooth).mT[:, None])
            change = functional.gelu(change + net.unet(**rest)[:, 0].mT)
        elif not last:
            change = functional.gelu(change)
        h = h + change / 2
    expected = net.project(functional.gelu(net.hidden(h))).mT[:, None]
    torch.testing.assert_close(net(**given), expected, rtol=1e-4, atol=1e-5)


def test_ifno_is_nearly_the_same_on_a_finer_grid():
    torch.manual_seed(0)
    net = build("ifno", Sizes(1, 2, periodic=(True, True)), width=6, modes=4, iterations=4)
    outputs = []
    for points in (24, 48):
        axis = torch.arange(points) / points
        coordinates = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))[None]
        phase = 2 * torch.pi * coordinates[0]
        outputs.append(
            net(
                (torch.sin(phase[0]) * torch.cos(phase[1]) + torch.cos(phase[0]))[None, None, None],
                parameters=torch.zeros(1, 0),
                signals=torch.zeros(1, 2, 0),
                mask=torch.ones(1, 1, points, points),
                coordinates=coordinates,
                dt=torch.ones(1),
                inputs=torch.zeros(1, 0, points, points),
            )
        )
    torch.testing.assert_close(outputs[1][..., ::2, ::2], outputs[0], rtol=1e-3, atol=1e-3)


def test_bad_options_and_grids(make_inputs):
    sizes = Sizes(2, 2)
    for name in OPTIONS:
        for options in ({"width": 0}, {"iterations": 0}, {"modes": 1}, {"modes": (4, 4, 4)}, {"padding": -1}):
            with pytest.raises(InputError, match=next(iter(options))):
                build(name, sizes, **options)
    net = build("iufno", sizes, **OPTIONS["iufno"])
    with pytest.raises(InputError, match="at least 8 points"):
        net(**make_inputs(sizes, (8, 6)))
