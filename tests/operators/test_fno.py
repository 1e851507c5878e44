"""The Fourier neural operator."""

from __future__ import annotations

import math

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.operators import Sizes
from sciflow.operators.fno import FNO

CASES = [
    (Sizes(2, 1, parameters=1, signals=2, frames_in=2, frames_out=3, mask=True), (24,)),
    (Sizes(3, 2, parameters=2, signals=1, periodic=(True, False), mask=True, inputs=2), (16, 20)),
    (Sizes(1, 3, parameters=1, signals=1, frames_out=2, periodic=(False, True, True), mask=True), (12, 9, 10)),
]


@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_shape_gradients_and_inputs(sizes, space, make_inputs):
    torch.manual_seed(0)
    net, inputs = FNO(sizes, width=6, layers=2, modes=4), make_inputs(sizes, space)
    y = net(**inputs)
    assert y.shape == (3, sizes.frames_out, sizes.fields, *space)
    y.square().mean().backward()
    assert all((values.grad != 0).all() for values in net.parameters())
    for name, value in ((name, value) for name, value in inputs.items() if value.numel()):
        changed = net(**(inputs | {name: value + 0.5}))
        assert (changed - y).abs().amax(tuple(range(1, y.ndim))).min() > 1e-5, name


@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_cases_do_not_see_each_other(sizes, space, make_inputs):
    net, inputs = FNO(sizes, width=6, layers=2, modes=4), make_inputs(sizes, space, batch=5)
    one = net(**{name: value[3:4] for name, value in inputs.items()})
    torch.testing.assert_close(net(**inputs)[3:4], one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("sizes", "space"), CASES)
def test_both_transforms_give_the_same_network(sizes, space, make_inputs):
    space = tuple(8 * (size // 8) for size in space)
    first = FNO(sizes, width=6, modes=4, transform="matmul")
    second = FNO(sizes, width=6, modes=4, transform="fft")
    second.load_state_dict(first.state_dict())
    inputs = make_inputs(sizes, space)
    torch.testing.assert_close(first(**inputs), second(**inputs), rtol=1e-5, atol=1e-5)


def test_number_of_parameters():
    sizes = Sizes(3, 2, parameters=2, signals=1, frames_in=2, periodic=(True, False), mask=True)
    width, layers, modes = 8, 3, (5, 4)
    net = FNO(sizes, width=width, layers=layers, modes=modes)
    inputs = 2 * 3 + 1 + (2 + 1)  # frames, mask, cos and sin of one position, the other position
    conditions = 2 + 1 * 3 + 1  # parameters, a signal at 3 frames, dt
    layer = width**2 * math.prod(2 * m - 1 for m in modes) + width + width**2
    expected = (inputs + conditions + 1) * width + layers * layer + (width + 1) * 3
    assert sum(values.numel() for values in net.parameters()) == expected


def test_commutes_with_shifts_along_periodic_axes_without_coordinates(make_inputs):
    sizes = Sizes(2, 2, parameters=1, periodic=(True, True), mask=True)
    net, inputs = FNO(sizes, width=8, modes=5, coordinates=False), make_inputs(sizes, (16, 12))
    y = net(**inputs).roll((3, 5), (-2, -1))
    moved = inputs | {name: inputs[name].roll((3, 5), (-2, -1)) for name in ("x", "mask")}
    torch.testing.assert_close(net(**moved), y, rtol=1e-5, atol=1e-6)


def test_the_position_on_a_periodic_axis_has_no_seam(make_inputs):
    sizes = Sizes(1, 2, periodic=(True, False))
    net, inputs = FNO(sizes, width=8, modes=4), make_inputs(sizes, (16, 16))
    y = net(**inputs)
    around = inputs["coordinates"] + torch.tensor([1.0, 0.0])[None, :, None, None]
    torch.testing.assert_close(net(**(inputs | {"coordinates": around})), y, rtol=1e-4, atol=1e-5)
    beyond = inputs["coordinates"] + torch.tensor([0.0, 1.0])[None, :, None, None]
    assert not torch.allclose(net(**(inputs | {"coordinates": beyond})), y, atol=1e-4)


def test_nearly_the_same_on_a_finer_grid(make_inputs):
    sizes = Sizes(1, 1, periodic=(True,))
    torch.manual_seed(0)
    net = FNO(sizes, width=16, modes=8)

    def output(size: int) -> torch.Tensor:
        position = torch.arange(size) / size
        field = (2 * math.pi * position).sin() + 0.5 * (6 * math.pi * position + 1).cos()
        inputs = make_inputs(sizes, (size,), batch=1, dt=torch.ones(1))
        return net(**(inputs | {"x": field.view(1, 1, 1, -1), "coordinates": position.view(1, 1, -1)}))[0, 0, 0]

    coarse, fine = output(64), output(256)
    assert (fine[::4] - coarse).abs().max() < 1e-3 * fine.std()


@pytest.mark.parametrize(("periodic", "ends"), [(True, False), (False, True), (False, False)])
def test_twice_the_resolution_gives_the_same_field(make_inputs, periodic, ends):
    """Periodic: points in common agree to what the activations put above the coarse grid's Nyquist wavenumber.

    Walls: nodes have points in common; for centres of cells the mean of two (four) fine cells stands in, and both rules
    of integration err by the square of the spacing.
    """
    sizes = Sizes(1, 2, frames_in=0, inputs=1, periodic=(periodic,) * 2, ends=ends)
    torch.manual_seed(0)
    net = FNO(sizes, width=16, modes=6, layers=3)

    def output(size: int) -> torch.Tensor:
        axis = torch.arange(size) / (size - 1) if ends else (torch.arange(size) + 0.5 * (not periodic)) / size
        s, t = torch.meshgrid(axis, axis, indexing="ij")
        a = (2 * math.pi * (s + 2 * t)).sin() + 0.5 * (2 * math.pi * (2 * s - t) + 1).cos()
        given = {"inputs": a.expand(1, 1, -1, -1), "coordinates": torch.stack((s, t))[None], "dt": torch.ones(1)}
        with torch.no_grad():
            return net(**make_inputs(sizes, (size, size), batch=1, **given))[0, 0, 0]

    coarse, fine = (output(33), output(65)) if ends else (output(32), output(64))
    means = torch.nn.functional.avg_pool2d(fine[None], 2)[0]
    error = (fine[::2, ::2] if ends or periodic else means) - coarse
    assert error.abs().max() < (1e-3 if periodic else 3e-2) * fine.std()
    if not periodic:  # no artefact at the walls
        edge = torch.cat((error[[0, -1]].flatten(), error[:, [0, -1]].flatten()))
        assert edge.square().mean() < 4 * error.square().mean()


def test_runs_under_autocast_and_in_double(make_inputs):
    sizes, space = CASES[1]
    net, inputs = FNO(sizes, width=8, modes=4), make_inputs(sizes, space)
    y = net(**inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = net(**inputs)
    low.float().square().mean().backward()
    assert all(values.grad.dtype == torch.float32 and values.grad.isfinite().all() for values in net.parameters())
    torch.testing.assert_close(low.float(), y, rtol=0.1, atol=0.02)
    double = net.double()(**{name: value.double() for name, value in inputs.items()})
    torch.testing.assert_close(double.float(), y, rtol=1e-4, atol=1e-5)


def test_fits_one_batch(make_inputs):
    sizes = Sizes(1, 2, parameters=1, periodic=(False, False))
    torch.manual_seed(0)
    net, inputs = FNO(sizes, width=12, layers=3, modes=5), make_inputs(sizes, (16, 16), batch=2)
    target = inputs["x"].roll(2, -1).cumsum(-2) / 4
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = (net(**inputs) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_stored_output(make_inputs):
    """A change of these numbers means that networks saved earlier would give other results."""
    sizes = Sizes(2, 2, parameters=1, signals=1, periodic=(False, True), mask=True)
    net = FNO(sizes, width=4, layers=2, modes=(3, 2))
    with torch.no_grad():
        for number, values in enumerate(net.parameters()):
            values.copy_((0.5 * torch.cos(1.3 * torch.arange(values.numel()) + number)).view_as(values))
    inputs = make_inputs(sizes, (8, 6), batch=1)
    for number, (name, value) in enumerate(inputs.items()):
        if name != "coordinates":
            inputs[name] = torch.sin(0.7 * torch.arange(value.numel()) + number).view_as(value)
    y = net(**inputs)[0, 0]
    found = torch.stack([y.mean(), y.std(), y[0, 0, 0], y[0, 3, 4], y[1, 7, 5]])
    torch.testing.assert_close(
        found, torch.tensor([0.2864, 0.126578, 0.207777, 0.139821, 0.107813]), rtol=1e-4, atol=1e-5
    )


def test_bad_options_and_shapes(make_inputs):
    sizes = Sizes(2, 2, parameters=1)
    for options in ({"width": 0}, {"layers": 0}, {"modes": 1}, {"modes": (4, 4, 4)}, {"modes": "12"}, {"padding": -1}):
        with pytest.raises(InputError, match=next(iter(options))):
            FNO(sizes, **options)
    net, inputs = FNO(sizes, width=4, modes=3), make_inputs(sizes, (8, 8))
    for name, value in inputs.items():
        one = inputs["mask"] if name == "inputs" else value  # of inputs there is none
        with pytest.raises(InputError, match=name):
            net(**(inputs | {name: torch.cat((one, one), 1 if one.ndim > 1 else 0)}))
