"""Factorized transformers: equality with the plain form, counts, kernels, symmetries, change of the grid."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from sciflow.core.errors import InputError
from sciflow.operators import Sizes, build
from sciflow.operators.factorized.axes import published_axes, quadrature, weighted_axes
from sciflow.operators.factorized.block import FactorizedBlock, Widths
from sciflow.operators.factorized.integral import Rule, _Integrals
from sciflow.operators.factorized.kernel import AxisKernel, axis_means

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "peers" / "ifactformer.py"
_SPEC = importlib.util.spec_from_file_location("peer_of_ifactformer", _SCRIPT)
plain = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plain)

SMALL = {"width": 12, "heads": 3, "head_width": 8, "multiplier": 2}
IMPLICIT = ("ifactformer-m", "ifactformer-o")
CONDITIONED = [
    Sizes(2, 2, parameters=2, signals=1, frames_in=3, frames_out=2, periodic=(True, False), mask=True, inputs=2),
    Sizes(3, 3, parameters=1, signals=2, frames_in=2, frames_out=4, periodic=(False, True, True), mask=True),
    Sizes(1, 2, frames_in=0, inputs=1, frames_out=2),
]


def count(net: nn.Module) -> int:
    return sum(values.numel() for values in net.parameters())


def strong(net: nn.Module) -> nn.Module:
    """With kernels as large as after training."""
    for part in net.modules():
        if isinstance(part, AxisKernel):
            nn.init.xavier_uniform_(part.query.weight)
            nn.init.xavier_uniform_(part.key.weight)
    return net


def test_published_parameter_counts():
    """1,163,187 was derived from the printed number of the release, 1,181,763, which has 144 frozen numbers and two
    more maps of 96 x 96."""
    sizes = Sizes(3, 3, periodic=(True, False, True))
    m, o = build("ifactformer-m", sizes), build("ifactformer-o", sizes)
    assert count(m) == 1_163_187 == 1_181_763 - 144 - 2 * 96**2 and count(o) == 1_071_027
    assert sum(values.numel() for values in m.buffers()) == 144
    assert sum(values.numel() for values in m.body.block.kernels[0].parameters()) == 37_344 + 276_480
    other = Sizes(3, 3, parameters=2, periodic=(True, False, True))
    assert count(build("ifactformer-m", other, iterations=3)) == 1_163_187 + (3 + 1) * 96  # with dt and a bias


@pytest.mark.parametrize("space", [(5, 6, 7), (6, 9)])
@pytest.mark.parametrize(
    ("form", "norm", "eps"),
    [
        ("parallel", "channel", 1e-5),
        ("parallel", "plane", 1e-5),
        ("chained", "channel", 1e-5),
        ("chained", "head", 1e-8),
    ],
)
def test_block_equals_the_plain_form(space, form, norm, eps):
    """Values and all gradients, in double precision and, to 1e-5, in single."""
    torch.manual_seed(0)
    dims, lengths = len(space), (1.0, 2.0, 0.5)[: len(space)]
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        widths = Widths(*SMALL.values())
        ours = FactorizedBlock(dims, widths, Rule(form, norm, eps), gain=1.0).to(dtype)
        peer = plain.PlainBlock(dims, form, norm, 12, 3, 8, 16).to(dtype)
        peer.load_state_dict(ours.state_dict())
        u = torch.randn(2, *space, 12, dtype=dtype, requires_grad=True)
        y = ours(u, published_axes(space, lengths, widths.pairs, u))
        expected = peer(u.transpose(1, -2), lengths[::-1]).transpose(1, -2)  # which has x first
        torch.testing.assert_close(y, expected, rtol=close, atol=close)
        weights = torch.randn_like(y)
        found = torch.autograd.grad(y, [u, *ours.parameters()], weights)
        for ours_, theirs in zip(found, torch.autograd.grad(expected, [u, *peer.parameters()], weights), strict=True):
            torch.testing.assert_close(ours_, theirs, rtol=0, atol=10 * close * float(theirs.abs().max()))


@pytest.mark.parametrize(("form", "norm"), [("parallel", "channel"), ("chained", "channel"), ("chained", "head")])
def test_derivatives_with_weights(form, norm):
    torch.manual_seed(0)
    space, width, heads, c = (3, 4), 4, 2, 3
    parts = 2 if form == "parallel" else 1
    weights = torch.rand(2, 12, dtype=torch.float64)
    weights /= weights.sum(1, keepdim=True)

    def function(n, value, mix, *kernels):
        return _Integrals.apply(Rule(form, norm, 1e-5), n, value, mix, weights, *kernels)

    shapes = [(2, *space, width), (heads * c, width), (width, heads * parts * c), (2, heads, 4, 4), (2, heads, 3, 3)]
    arguments = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    torch.autograd.gradcheck(function, arguments, fast_mode=True)


@pytest.mark.parametrize("normalization", ["current", "first-release"])
def test_network_equals_the_plain_form(normalization, make_inputs):
    torch.manual_seed(0)
    sizes, lengths = Sizes(3, 3), (1.0, 2.0, 1.5)
    net = strong(build("ifactformer-m", sizes, **SMALL, iterations=3, lengths=lengths, normalization=normalization))
    norm = "channel" if normalization == "current" else "plane"
    peer = plain.PlainBody(3, lengths, 3, plain.PlainBlock(3, "parallel", norm, 12, 3, 8, 16), 12)
    peer.load_state_dict(net.body.state_dict())
    inputs = make_inputs(sizes, (4, 6, 5))
    torch.testing.assert_close(net(**inputs), peer(inputs["x"]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*IMPLICIT, "factformer"])
@pytest.mark.parametrize("sizes", CONDITIONED)
def test_shape_gradients_inputs_and_batch(name, sizes, make_inputs):
    torch.manual_seed(0)
    options = {"layers": 2, "latent": 8} if name == "factformer" else {"iterations": 2}
    net = strong(build(name, sizes, **SMALL, **options))
    inputs = make_inputs(sizes, (6, 5, 4)[: sizes.dims])
    y = net(**inputs)
    assert y.shape == (3, sizes.frames_out, sizes.fields, *inputs["x"].shape[3:])
    y.square().mean().backward()
    assert all(values.grad.abs().max() > 0 for values in net.parameters())
    for given in ("x", "parameters", "signals", "mask", "dt", "inputs"):
        if inputs[given].numel() and (given != "mask" or sizes.mask):
            changed = net(**(inputs | {given: inputs[given] * 0.5 + 0.3}))
            assert (changed - y).abs().amax(tuple(range(1, y.ndim))).min() > 1e-6, given
    alone = net(**{given: value[1:2] for given, value in inputs.items()})
    torch.testing.assert_close(y[1:2], alone, rtol=1e-4, atol=1e-5)
    recomputed = build(name, sizes, **SMALL, **options, recompute=True)
    recomputed.load_state_dict(net.state_dict())
    again = recomputed(**inputs)
    again.square().mean().backward()
    assert torch.equal(again, y)
    for ours, theirs in zip(recomputed.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-8)


def test_dt_is_ignored_only_where_there_is_no_condition(make_inputs):
    for sizes, ignored in ((Sizes(1, 2), ("dt",)), (Sizes(1, 2, parameters=1), ()), (Sizes(1, 2, frames_in=0), ())):
        net, inputs = build("ifactformer-m", sizes, **SMALL, iterations=1), make_inputs(sizes, (5, 4))
        assert net.traits.ignores == ignored
        same = torch.equal(net(**inputs), net(**(inputs | {"dt": inputs["dt"] + 1})))
        assert same == bool(ignored)


def test_kernels_depend_on_positions_by_their_difference():
    """With the same token everywhere a kernel has constant diagonals, and is periodic on a periodic axis only."""
    torch.manual_seed(0)
    kernel = AxisKernel(12, 3, 8, 2, gain=1.0).double()
    tokens = torch.randn(1, 1, 12, dtype=torch.float64).expand(1, 9, 12)
    places = torch.meshgrid(*[(torch.arange(9.0).double() + 0.5) / 9] * 2, indexing="ij")
    around, wall = weighted_axes(torch.stack(places)[None], (True, False), 8, 4).angles
    published = published_axes((9, 9), (1.0, 1.0), 8, tokens).angles[0]
    for angles, periodic in ((around, True), (wall, False), (published, False)):
        values = kernel(tokens, angles)
        torch.testing.assert_close(values[..., 1:, 1:], values[..., :-1, :-1])
        assert torch.allclose(values[..., 1:, 0], values[..., :-1, -1]) == periodic
        assert values.std((-2, -1)).min() > 1e-3


def test_channel_maps_commute_with_means():
    torch.manual_seed(0)
    field, matrix = torch.randn(2, 3, 4, 5, 6), torch.randn(6, 7)
    weights = [torch.rand(2, n) for n in (3, 4, 5)]
    x_means = torch.einsum("bzyxc,bz,by->bxc", field, *weights[:2])
    torch.testing.assert_close(axis_means(field, weights)[2], x_means)
    for given in (None, weights):
        for axis, mean in enumerate(axis_means(field @ matrix, given)):
            torch.testing.assert_close(mean, axis_means(field, given)[axis] @ matrix)
    torch.testing.assert_close(axis_means(field, None)[1], field.mean((1, 3)))


def test_quadrature():
    nodes = torch.linspace(0, 1, 5)[None]
    torch.testing.assert_close(quadrature(nodes, False), torch.tensor([[1, 2, 2, 2, 1.0]]) / 8)  # trapezoidal rule
    torch.testing.assert_close(quadrature((nodes[:, :4] + nodes[:, 1:]) / 2, False), torch.full((1, 4), 0.25))
    torch.testing.assert_close(quadrature(nodes[:, :4] + 0.1, True), torch.full((1, 4), 0.25))
    stretched = (1 - torch.cos(torch.pi * torch.linspace(0, 1, 65)[None])) / 2
    exact = (math.e - 1, math.exp(0.5))
    assert abs(float((quadrature(stretched, False) * stretched.exp()).sum()) - exact[0]) < 1e-3


def wave(space: tuple[int, ...], stretched: bool) -> dict[str, torch.Tensor]:
    """A function of y (between walls) and x (periodic) on a grid with nodes at the walls."""
    y = torch.linspace(0, 1, space[0])
    y = (1 - torch.cos(torch.pi * y)) / 2 if stretched else y
    coordinates = torch.stack(torch.meshgrid(y, torch.arange(space[1]) / space[1], indexing="ij"))[None]
    phase = 2 * torch.pi * coordinates[0, 1]
    field = torch.stack((torch.sin(phase) * torch.cos(2 * coordinates[0, 0]), torch.cos(phase) + coordinates[0, 0]))
    none = torch.zeros(1, 0)
    return {
        "x": field[None, None],
        "parameters": none,
        "signals": torch.zeros(1, 2, 0),
        "mask": torch.ones(1, 1, *space),
        "coordinates": coordinates,
        "dt": torch.ones(1),
        "inputs": torch.zeros(1, 0, *space),
    }


@pytest.mark.parametrize("name", IMPLICIT)
def test_the_weighted_form_transfers_to_other_grids(name):
    """A grid of twice the points, and one refined at the walls; the published form gives another field."""
    sizes, difference = Sizes(2, 2, periodic=(False, True), ends=True), {}
    for weighted in (True, False):
        torch.manual_seed(0)
        net = build(name, sizes, **SMALL, iterations=4, weighted=weighted, **({"waves": 4} if weighted else {}))
        net = strong(net)
        nn.init.normal_(net.body.block.out.weight)
        with torch.no_grad():
            coarse, fine = net(**wave((33, 24), False)), net(**wave((65, 48), False))
            middle = net(**wave((65, 24), True))[..., ::64, :] - coarse[..., ::32, :]  # at the walls
        error = (fine[..., ::2, ::2] - coarse).square().mean().sqrt() / coarse.std()
        difference[weighted] = max(float(error), float(middle.square().mean().sqrt() / coarse.std()))
        assert float(net.body.block.out.weight.detach().std()) > 0.5  # so that integrals, not the lift, make the output
    assert difference[True] < 0.03 and difference[False] > 0.1, difference


@pytest.mark.parametrize("name", IMPLICIT)
def test_the_weighted_form_has_no_seam_and_needs_a_product_of_axes(name):
    sizes = Sizes(2, 2, periodic=(False, True), ends=True)
    net, inputs = strong(build(name, sizes, **SMALL, iterations=2, weighted=True)), wave((9, 12), True)
    around = inputs["coordinates"] + torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(net(**(inputs | {"coordinates": around})), net(**inputs), rtol=1e-4, atol=1e-4)
    bent = inputs["coordinates"].clone()
    bent[:, 0, 3] += torch.linspace(0, 0.05, 12)
    with pytest.raises(InputError, match="product of axes.*weighted=False"):
        net(**(inputs | {"coordinates": bent}))


def test_parallel_integrals_treat_axes_alike(make_inputs):
    """With the same kernel maps on both axes, exchanging the axes of the input exchanges those of the output."""
    torch.manual_seed(0)
    block = FactorizedBlock(2, Widths(*SMALL.values()), Rule("parallel", "channel", 1e-5), gain=1.0)
    block.kernels[1].load_state_dict(block.kernels[0].state_dict())
    joined = block.mix.weight.detach().view(12, 3, 2, 8)
    joined[:, :, 1] = joined[:, :, 0]
    u = torch.randn(2, 6, 6, 12)
    axes = published_axes((6, 6), (1.0, 1.0), 8, u)
    with torch.no_grad():
        torch.testing.assert_close(block(u.transpose(1, 2), axes), block(u, axes).transpose(1, 2), rtol=1e-4, atol=1e-5)
        chained = FactorizedBlock(2, Widths(*SMALL.values()), Rule("chained", "channel", 1e-5), gain=1.0)
        chained.kernels.load_state_dict(block.kernels.state_dict())
        turned = chained(u.transpose(1, 2), axes).transpose(1, 2)  # integrals along two axes commute
        torch.testing.assert_close(turned, chained(u, axes), rtol=1e-4, atol=1e-5)


def test_latent_marching_gives_frames_in_steps(make_inputs):
    """Frames of the first step do not depend on the time embedding of the second."""
    sizes = Sizes(2, 2, frames_out=4)
    net = build("factformer", sizes, **SMALL, layers=1, latent=8, steps=2)
    inputs = make_inputs(sizes, (5, 6))
    with torch.no_grad():
        before = net(**inputs)
        net.march.times[1] += torch.randn(8)  # a constant would be lost in the normalisation
        after = net(**inputs)
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.allclose(before[:, 2:], after[:, 2:])


def test_bad_options_are_named():
    sizes = Sizes(2, 2, frames_out=3)
    bad = [
        ("ifactformer-m", {"width": 13}, "width must be even"),
        ("ifactformer-m", {"head_width": 3, "multiplier": 3}, "head_width times multiplier must be even"),
        ("ifactformer-m", {"iterations": 0}, "iterations"),
        ("ifactformer-m", {"normalization": "layer"}, "normalization must be 'current' or 'first-release'"),
        ("ifactformer-m", {"normalization": "first-release", "weighted": True}, "weighted form"),
        ("ifactformer-o", {"lengths": (1.0,)}, "lengths must be a positive number for each of the 2 axes"),
        ("ifactformer-o", {"heads": 0}, "heads"),
        ("ifactformer-o", {"waves": 0}, "waves"),
        ("factformer", {"steps": 2}, "steps must divide the 3 frames"),
        ("factformer", {"layers": 0}, "layers"),
        ("factformer", {"latent": 0}, "latent"),
    ]
    for name, options, message in bad:
        with pytest.raises(InputError, match=message):
            build(name, sizes, **options)
    with pytest.raises(InputError, match="handles 2 or 3 space axes, the problem has 1"):
        build("factformer", Sizes(1, 1))
