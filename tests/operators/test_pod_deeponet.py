"""The POD-DeepONet."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load, save

from sciflow.core.errors import InputError
from sciflow.operators import Sizes
from sciflow.operators.pod_deeponet import PodDeepONet
from sciflow.testing import check_model

SPACE = {1: (24,), 2: (12, 16), 3: (8, 8, 10)}
SMALL = {"width": 48, "sensors": 8}


def waves(sizes: Sizes, space: tuple[int, ...], count: int = 40, cells: bool = False) -> torch.Tensor:
    """Sums of one wave along each axis with random phases, on nodes of periodic axes or cells."""
    generator = torch.Generator().manual_seed(3)
    out = torch.zeros(count, sizes.frames_out, sizes.fields, *space)
    for axis, points in enumerate(space):
        phase = 2 * math.pi * torch.rand(*out.shape[:3], *[1] * sizes.dims, generator=generator)
        position = (torch.arange(points) + (0.5 if cells else 0.0)) / points
        out += torch.cos(2 * math.pi * position.view([-1 if k == axis else 1 for k in range(sizes.dims)]) + phase)
    return out


def adapted(sizes: Sizes, **options: object) -> PodDeepONet:
    net = PodDeepONet(sizes, **{**SMALL, **options})
    net.adapt(waves(sizes, SPACE[sizes.dims]))
    return net


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(2, 2, parameters=2, signals=1, frames_in=2, mask=True, inputs=1),
        Sizes(1, 1, parameters=1, frames_in=0, frames_out=2, periodic=(True,)),
        Sizes(1, 3, parameters=1, frames_in=0, inputs=1, periodic=(True, False, True)),
    ],
)
def test_conforms(sizes):
    check_model(adapted, sizes, rank=2 * sizes.dims * sizes.channels_out)


def asked(sizes: Sizes, coordinates: torch.Tensor, batch: int = 3) -> dict[str, torch.Tensor]:
    space = coordinates.shape[1:]
    return {
        "x": torch.zeros(batch, sizes.frames_in, sizes.fields, *space),
        "parameters": torch.linspace(-1, 1, batch * sizes.parameters).view(batch, -1),
        "signals": torch.zeros(batch, sizes.frames, sizes.signals),
        "mask": torch.ones(batch, 1, *space),
        "coordinates": coordinates.expand(batch, *coordinates.shape),
        "dt": torch.ones(batch),
        "inputs": torch.zeros(batch, sizes.inputs, *space),
    }


def line(count: int, cells: bool = False) -> torch.Tensor:
    return ((torch.arange(count) + (0.5 if cells else 0.0)) / count)[None]


@pytest.mark.parametrize("count", [6, 40])
def test_full_rank_holds_the_training_targets(count):
    """Of N targets of D values, min(N - 1, D) directions hold all; one less does not."""
    sizes = Sizes(2, 1, parameters=1, frames_in=0, frames_out=2)
    targets = torch.randn(count, 2, 2, 5, generator=torch.Generator().manual_seed(0))
    full = min(count - 1, 20)
    for rank, exact in ((full, True), (full - 1, False)):
        net = PodDeepONet(sizes, rank=rank)
        net.adapt(targets)
        modes = net.modes.flatten(1)
        centred = targets.flatten(1) - net.mean.flatten()
        coefficients = torch.linalg.lstsq(modes.T, centred.T).solution.T
        assert ((coefficients @ modes - centred).abs().max() < 1e-4) == exact
        torch.testing.assert_close(coefficients.square().mean(0), torch.ones(rank), rtol=1e-3, atol=1e-3)
        net.branch.forward = lambda *_, own=coefficients: own[:3]
        y = net(**asked(sizes, line(5)))
        torch.testing.assert_close(y, net.mean + (coefficients @ modes)[:3].view(3, 2, 2, 5), rtol=1e-4, atol=1e-5)


def test_modes_are_the_principal_directions():
    """Against the singular value decomposition, for more and for fewer targets than values."""
    sizes = Sizes(1, 1, parameters=1, frames_in=0)
    for count in (7, 50):
        targets = torch.randn(count, 1, 1, 12, generator=torch.Generator().manual_seed(1)) * torch.logspace(0, -1, 12)
        net = PodDeepONet(sizes, rank=4)
        net.adapt(targets)
        _, values, directions = torch.linalg.svd((targets - targets.mean(0)).flatten(1).double())
        expected = directions[:4] * values[:4, None] / count**0.5
        sign = (expected * net.modes.flatten(1)).sum(1, keepdim=True).sign()
        torch.testing.assert_close(net.modes.flatten(1).double() * sign, expected, rtol=1e-3, atol=1e-5)


def test_directions_that_do_not_exist_are_zero():
    sizes = Sizes(1, 1, parameters=1, frames_in=0)
    net = PodDeepONet(sizes, rank=8)
    net.adapt(torch.outer(torch.arange(6.0), torch.arange(5.0))[:, None, None])
    assert net.modes.shape == (8, 1, 1, 5)
    assert net.modes[0].abs().max() > 1 and not net.modes[1:].any()


@pytest.mark.parametrize("cells", [False, True])
def test_another_grid_is_interpolated(cells):
    """A wave on 24 points, asked for on 48: linear interpolation errs by at most h² max|u''| / 8."""
    sizes = Sizes(1, 1, parameters=1, frames_in=0, periodic=(True,))
    torch.manual_seed(0)
    net = PodDeepONet(sizes, rank=2, **SMALL)
    net.adapt(waves(sizes, (24,), cells=cells))
    other = PodDeepONet(sizes, rank=2, **SMALL)
    other.load_state_dict(net.state_dict())
    fine = waves(sizes, (48,), cells=cells)
    coefficients = torch.linalg.lstsq(
        net.modes.flatten(1).T, (waves(sizes, (24,), cells=cells) - net.mean).flatten(1).T
    ).solution.T
    other.branch.forward = lambda *_: coefficients[:3]
    y = other(**asked(sizes, line(48, cells)))
    bound = (2 * math.pi / 24) ** 2 / 8
    assert 0.2 * bound < (y - fine[:3]).abs().max() < 1.05 * bound


def test_nodes_with_both_ends_are_interpolated():
    sizes = Sizes(1, 2, parameters=1, frames_in=0)
    axes = torch.linspace(0, 1, 5), torch.linspace(0, 1, 9)
    plane = 2 * axes[0][:, None] - axes[1]
    net = PodDeepONet(sizes, rank=1)
    net.adapt(torch.arange(4.0).view(-1, 1, 1, 1, 1) * plane)
    fine = torch.stack(torch.meshgrid(torch.linspace(0, 1, 11), torch.linspace(0, 1, 7), indexing="ij"))
    y = net(**asked(sizes, fine))
    b = net.branch(
        *(asked(sizes, fine)[name] for name in ("x", "mask", "inputs", "coordinates")),
        torch.cat((asked(sizes, fine)["parameters"], torch.ones(3, 1)), 1),
    )
    ratio = (y / (2 * fine[0] - fine[1]))[..., 1:3, 2:3].flatten(1)  # away from the zeros of the plane
    sign = float(net.modes[0, 0, 0, -1, 0].sign())
    torch.testing.assert_close(ratio, (1.5 + sign * 1.25**0.5 * b).expand_as(ratio), rtol=1e-3, atol=1e-4)


def test_the_basis_is_stored_and_loaded():
    sizes = Sizes(1, 2, parameters=1, frames_in=0, inputs=1)
    net = adapted(sizes, rank=3)
    fresh = PodDeepONet(sizes, rank=3, **SMALL)
    with pytest.raises(InputError, match="adapt"):
        fresh(**asked(sizes, torch.rand(2, 12, 16)))
    fresh.load_state_dict(load(save({name: value.contiguous() for name, value in net.state_dict().items()})))
    given = asked(sizes, torch.rand(2, 12, 16))
    assert torch.equal(fresh(**given), net(**given))


def test_the_basis_is_exact_under_autocast():
    sizes = Sizes(1, 2, parameters=1, frames_in=0, inputs=1)
    net, given = adapted(sizes, rank=3), asked(sizes, torch.rand(2, 12, 16))
    seen = []
    net.branch.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(**given)
    assert y.dtype == torch.float32 and seen[0].dtype == torch.bfloat16
    torch.testing.assert_close(y, net.mean + torch.tensordot(seen[0].float(), net.modes, 1))


def test_bad_options_and_targets():
    sizes = Sizes(2, 1)
    for option in ("rank", "width", "sensors"):
        with pytest.raises(InputError, match=option):
            PodDeepONet(sizes, **{option: 0})
    for shape in ((5, 1, 1, 8), (1, 1, 2, 8), (5, 1, 2, 8, 8)):
        with pytest.raises(InputError, match="at least two targets"):
            PodDeepONet(sizes).adapt(torch.zeros(*shape))


def test_stored_output():
    """A change of these numbers means that networks saved earlier would give other results."""
    sizes = Sizes(2, 1, parameters=1, signals=1, inputs=1)
    net = PodDeepONet(sizes, rank=3, width=5, sensors=8)
    state = net.state_dict()
    state["mean"], state["modes"] = torch.zeros(1, 2, 10), torch.zeros(3, 1, 2, 10)
    for number, values in enumerate(state.values()):
        values.copy_((0.5 * torch.cos(1.3 * torch.arange(values.numel()) + number)).view_as(values))
    net.load_state_dict(state)
    inputs = asked(sizes, line(10), batch=1)
    for number, (name, value) in enumerate(inputs.items()):
        if name != "coordinates":
            inputs[name] = torch.sin(0.7 * torch.arange(value.numel()) + number).view_as(value)
    y = net(**inputs)[0, 0]
    found = torch.stack([y.mean(), y.std(), y[0, 0], y[0, 4], y[1, 9]])
    torch.testing.assert_close(
        found, torch.tensor([0.009947, 0.385583, 0.377171, -0.160049, 0.182548]), rtol=1e-4, atol=1e-5
    )
