"""The spectral convolution against sums written out, in 1-D to 3-D."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.operators.spectral import SpectralConv

# space, modes, padding
GRIDS = [
    ((32,), (6,), (0.0,)),
    ((33,), (17,), (0.0,)),  # every mode of an odd grid
    ((16,), (12,), (0.0,)),  # modes at and above Nyquist
    ((32,), (9,), (0.25,)),
    ((16, 12), (5, 4), (0.0, 0.0)),
    ((15, 9), (8, 5), (0.0, 0.0)),
    ((8, 16), (6, 4), (0.0, 0.5)),
    ((8, 12, 10), (3, 4, 3), (0.25, 0.0, 0.0)),
    ((7, 9, 8), (4, 5, 6), (0.0, 0.0, 0.0)),
]


def layer(modes: tuple[int, ...], padding: tuple[float, ...] | None = None, transform: str = "matmul") -> SpectralConv:
    """A layer in float64 from 3 to 2 channels with weights of order one."""
    torch.manual_seed(0)
    conv = SpectralConv(3, 2, modes, padding=padding, transform=transform).double()
    for values in conv.parameters():
        torch.nn.init.normal_(values)
    return conv


def written_out(conv: SpectralConv, x: Tensor) -> Tensor:
    """b + Σ_k W(k) X(k) exp(2πi k n/L), term by term over all wavenumbers below Nyquist."""
    space = x.shape[1:-1]
    lengths = [(n - end) * (1 + padding) for n, end, padding in zip(space, conv.ends, conv.padding, strict=True)]
    for axis, end in enumerate(conv.ends, start=1):
        if end:  # the trapezoidal rule
            weights = torch.ones(space[axis - 1]).double()
            weights[[0, -1]] = 0.5
            x = x * weights.view(-1, *(1,) * (x.ndim - 1 - axis))
    axes = [torch.arange(size).double() / length for size, length in zip(space, lengths, strict=True)]
    grid = torch.meshgrid(*axes, indexing="ij")
    multipliers = conv.multipliers()
    y = torch.zeros(x.shape[0], *space, conv.channels_out, dtype=torch.complex128) + conv.bias
    for k in itertools.product(*(range(1 - m, m) for m in conv.modes)):
        if any(2 * abs(wave) >= length for wave, length in zip(k, lengths, strict=True)):
            continue
        wave = torch.exp(2j * math.pi * sum(number * axis for number, axis in zip(k, grid, strict=True)))
        coefficient = torch.einsum("b...c,...->bc", x.to(wave), wave.conj()) / math.prod(lengths)
        weight = multipliers[tuple(number + m - 1 for number, m in zip(k, conv.modes, strict=True))]
        y = y + torch.einsum("bc,cd,...->b...d", coefficient, weight, wave)
    assert y.imag.abs().max() < 1e-10  # W(-k) = conj W(k)
    return y.real


@pytest.mark.parametrize(("space", "modes", "padding"), GRIDS)
@pytest.mark.parametrize("transform", ["matmul", "fft"])
def test_equals_the_sum_over_wavenumbers(space, modes, padding, transform):
    conv = layer(modes, padding, transform)
    x = torch.randn(2, *space, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x), written_out(conv, x), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("space", "modes", "padding"), GRIDS)
def test_both_transforms_agree_in_float32_with_gradients(space, modes, padding):
    x = torch.randn(2, *space, 3, generator=torch.Generator().manual_seed(2))
    results = []
    for transform in ("matmul", "fft"):
        conv, inputs = layer(modes, padding, transform).float(), x.clone().requires_grad_()
        y = conv(inputs)
        y.square().mean().backward()
        results.append([y, inputs.grad, conv.weight.grad, conv.mean.grad, conv.bias.grad])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("transform", ["matmul", "fft"])
@pytest.mark.parametrize(
    ("space", "modes", "padding", "ends"),
    [((33,), (7,), (0.25,), (True,)), ((9, 12), (4, 5), (0.5, 0.25), (True, False)), ((9,), (4,), (0.0,), (True,))],
)
def test_points_at_both_ends_of_an_axis(space, modes, padding, ends, transform):
    torch.manual_seed(0)
    conv = SpectralConv(3, 2, modes, padding=padding, ends=ends, transform=transform).double()
    for values in conv.parameters():
        torch.nn.init.normal_(values)
    x = torch.randn(2, *space, 3, dtype=torch.float64)
    if transform == "fft" and padding == (0.0,):
        with pytest.raises(InputError, match=r"at least \[9\], not \[8.0\]"):  # a period too short for the points
            conv(x)
        return
    torch.testing.assert_close(conv(x), written_out(conv, x))


def test_with_both_ends_the_layer_converges_with_the_square_of_the_spacing():
    """The integral over the domain, by the trapezoidal rule: a quarter of the error with every halved spacing."""

    def output(size: int, ends: bool) -> Tensor:
        torch.manual_seed(0)
        conv = SpectralConv(1, 1, (6,), padding=(0.25,), ends=(ends,)).double()
        s = torch.linspace(0, 1, size, dtype=torch.float64)
        return conv((s + s.square()).exp().view(1, -1, 1))[0, :: (size - 1) // 16, 0].detach()

    exact = output(4097, True)
    errors = [float((output(size, True) - exact).abs().max()) for size in (33, 65, 129)]
    for coarse, fine in itertools.pairwise(errors):
        assert 3.8 < coarse / fine < 4.2
    assert float((output(65, False) - exact).abs().max()) > 10 * errors[1]


def test_a_period_that_is_no_whole_number_of_points():
    conv = layer((4, 3), (0.25, 0.3))
    x = torch.randn(2, 13, 9, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x), written_out(conv, x), rtol=0, atol=1e-11)
    with pytest.raises(InputError, match="whole number of points"):
        layer((4, 3), (0.25, 0.3), "fft")(x)
    automatic = layer((4, 3), (0.25, 0.3), "auto")
    torch.testing.assert_close(automatic(x), conv(x))


@pytest.mark.parametrize("transform", ["matmul", "fft"])
@pytest.mark.parametrize("k", [(0, 3), (2, 0), (3, 2), (1, -3)])
def test_a_single_wave_is_multiplied_by_its_weight(transform, k):
    conv = layer((4, 4), transform=transform)
    y, x = (torch.arange(size).double() / size for size in (16, 20))
    phase = 2 * math.pi * (k[0] * y[:, None] + k[1] * x) + 0.3
    field = torch.zeros(1, 16, 20, 3, dtype=torch.float64)
    field[0, ..., 1] = phase.cos()
    weight = conv.multipliers()[k[0] + 3, k[1] + 3, 1]
    expected = (weight * torch.exp(1j * phase)[..., None]).real + conv.bias
    torch.testing.assert_close(conv(field)[0], expected)


def test_a_constant_is_multiplied_by_the_mean_weight():
    conv = layer((3, 3))
    x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64).expand(1, 8, 8, 3)
    torch.testing.assert_close(conv(x), (x @ conv.mean + conv.bias))


def test_the_layer_does_not_depend_on_the_resolution():
    conv = layer((6, 6), (0.0, 0.25))

    def field(rows: int, columns: int) -> Tensor:
        y = torch.arange(rows).double()[:, None, None] / rows
        x = torch.arange(columns).double()[None, :, None] / columns
        channel = torch.arange(3)
        # Zero, with many derivatives, at both ends of the second axis, where it is extended.
        return ((2 * math.pi * 2 * y + channel).cos() * (math.pi * x).sin() ** 8)[None]

    coarse, fine = conv(field(16, 32)), conv(field(48, 64))
    torch.testing.assert_close(fine[:, ::3, ::2], coarse, rtol=0, atol=1e-6)


def test_a_coarse_grid_leaves_out_the_waves_it_cannot_hold():
    conv = layer((12, 12))
    angle = 2 * math.pi * torch.arange(8).double() / 8
    coarse = (angle[:, None] + 2 * angle).cos()[None, ..., None].expand(1, 8, 8, 3)
    angle = 2 * math.pi * torch.arange(64).double() / 64
    fine = (angle[:, None] + 2 * angle).cos()[None, ..., None].expand(1, 64, 64, 3)
    torch.testing.assert_close(conv(fine)[:, ::8, ::8], conv(coarse))
    alternating = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)[None, :, None, None].expand(1, 8, 8, 3)
    torch.testing.assert_close(conv(alternating), conv.bias.expand(1, 8, 8, 2))


def test_commutes_with_shifts_on_periodic_axes():
    conv = layer((5, 5))
    x = torch.randn(2, 12, 15, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x.roll((4, 7), (1, 2))), conv(x).roll((4, 7), (1, 2)))


def test_padding_treats_both_ends_alike():
    """Mirrored input and kernel give the mirrored output."""
    conv, mirrored = layer((5, 4), (0.25, 0.4)), layer((5, 4), (0.25, 0.4))
    with torch.no_grad():
        mirrored.weight[..., 1] *= -1  # W(-k) = conj W(k)
    x = torch.randn(2, 12, 15, 3, dtype=torch.float64)
    torch.testing.assert_close(mirrored(x.flip(1, 2)), conv(x).flip(1, 2))


def test_padding_separates_the_two_ends():
    """On a domain extended to twice its length the response to a point depends on the distance alone."""
    conv = layer((8,), (1.0,))
    points = torch.eye(16, dtype=torch.float64)[..., None].expand(16, 16, 3)
    response = conv(points)
    torch.testing.assert_close(response[1:, 1:], response[:-1, :-1])
    wrapped = layer((8,))(points)
    assert (response[0, -1] - wrapped[0, -1]).abs().max() > 0.05


def test_auto_uses_the_fast_transform_on_large_grids_only(monkeypatch):
    from sciflow.operators import fourier

    used = []
    original = fourier.analyse_by_fft
    monkeypatch.setattr(fourier, "analyse_by_fft", lambda *args: used.append(1) or original(*args))
    SpectralConv(1, 1, (13, 13))(torch.zeros(1, 64, 64, 1))
    assert not used
    SpectralConv(1, 1, (200,))(torch.zeros(1, 4096, 1))
    assert used


@pytest.mark.parametrize("modes", [(7,), (3, 5), (2, 3, 4)])
def test_number_of_parameters(modes):
    conv = SpectralConv(3, 5, modes)
    per_pair_of_channels = math.prod(2 * m - 1 for m in modes)
    assert sum(values.numel() for values in conv.parameters()) == 15 * per_pair_of_channels + 5
    assert conv.weight.shape[-1] == 2
    assert not any(values.is_complex() for values in conv.parameters())


@pytest.mark.parametrize("transform", ["matmul", "fft"])
@pytest.mark.parametrize(("space", "modes"), [((16,), (8,)), ((16, 12), (5, 6)), ((8, 8, 8), (3, 3, 3))])
def test_every_number_in_the_weights_acts(space, modes, transform):
    conv = layer(modes, transform=transform)
    conv(torch.randn(2, *space, 3, dtype=torch.float64)).square().mean().backward()
    assert all((values.grad != 0).all() for values in conv.parameters())


@pytest.mark.parametrize("transform", ["matmul", "fft"])
def test_second_derivatives(transform):
    conv = layer((2, 2), (0.25, 0.0), transform)
    x = torch.randn(1, 4, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: conv(v).square(), (x,))


@pytest.mark.parametrize("transform", ["matmul", "fft"])
def test_computes_in_float32_under_autocast(transform):
    conv = layer((4, 4), transform=transform).float()
    x = torch.randn(2, 16, 16, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(conv(x), conv(x.clone()), rtol=0, atol=0)
        assert conv(x).dtype == torch.float32
        assert conv(x.bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = conv(x)
    torch.testing.assert_close(inside, conv(x), rtol=0, atol=0)


def test_a_pass_in_inference_mode_does_not_spoil_later_training():
    conv = layer((3, 7))
    x = torch.randn(1, 10, 11, 3, dtype=torch.float64)
    with torch.inference_mode():
        conv(x)
    conv(x).square().sum().backward()
    assert all(bool(values.grad.abs().sum() > 0) for values in conv.parameters())


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_equals_neuraloperator(dims):
    peer_module = pytest.importorskip("neuralop.layers.spectral_convolution")
    m, space = 4, (16, 14, 15)[:dims]
    conv = layer((m,) * dims).float()
    peer = peer_module.SpectralConv(3, 2, (*(2 * m - 1 for _ in range(dims - 1)), 2 * m - 2))
    with torch.no_grad():
        half = conv.multipliers()[..., m - 1 :, :, :]  # its half axis is the last one
        peer.weight.tensor.copy_(half.permute(-2, -1, *range(dims)))
        peer.bias.copy_(conv.bias.view(-1, *(1,) * dims))
    x = torch.randn(2, *space, 3)
    torch.testing.assert_close(conv(x), peer(x.movedim(-1, 1)).movedim(1, -1), rtol=1e-5, atol=1e-5)


def test_bad_options_and_shapes():
    for arguments in ({"modes": (1,)}, {"modes": (4.5,)}, {"modes": (2, 2, 2, 2)}, {"modes": ()}):
        with pytest.raises(InputError, match="modes must"):
            SpectralConv(1, 1, **arguments)
    for padding in ((0.1, 0.1), (-0.1,), ("much",)):
        with pytest.raises(InputError, match="padding must"):
            SpectralConv(1, 1, (4,), padding=padding)
    with pytest.raises(InputError, match="transform must"):
        SpectralConv(1, 1, (4,), transform="fourier")
    with pytest.raises(InputError, match="3 channels"):
        layer((4,))(torch.zeros(1, 16, 2))
