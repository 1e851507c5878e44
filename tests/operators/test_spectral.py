"""The spectral convolution: both transforms, exact multipliers, symmetries, resolution."""

import itertools

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.operators.spectral import SpectralConv

SHAPES = [(16,), (15,), (12, 9), (8, 12), (8, 6, 7)]


def layer(
    dims: int, modes: int = 3, padding: float = 0.0, transform: str = "matmul", channels: int = 2
) -> SpectralConv:
    torch.manual_seed(dims)
    made = SpectralConv(channels, 3, (modes,) * dims, padding=(padding,) * dims, transform=transform).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("modes", [2, 3, 9])
def test_matrix_products_and_fft_agree(shape: tuple[int, ...], modes: int) -> None:
    """Also where the kept modes reach and pass the Nyquist wavenumber of the grid."""
    by_matmul = layer(len(shape), modes)
    by_fft = layer(len(shape), modes, transform="fft")
    x = torch.randn(2, *shape, 2, dtype=torch.float64)
    assert torch.allclose(by_matmul(x), by_fft(x), atol=1e-11)


def test_they_agree_with_padding() -> None:
    by_matmul, by_fft = layer(2, 4, 0.25), layer(2, 4, 0.25, "fft")
    x = torch.randn(2, 16, 8, 2, dtype=torch.float64)
    assert torch.allclose(by_matmul(x), by_fft(x), atol=1e-12)


@pytest.mark.parametrize("wave", [(0, 0), (1, 2), (-2, 1), (2, 0), (0, -1)])
def test_a_fourier_mode_is_multiplied_by_its_number(wave: tuple[int, int]) -> None:
    """y = Re(W(k) exp(2 pi i k.n / N)) for x = cos(2 pi k.n / N) in one channel."""
    made = layer(2)
    rows, columns = torch.meshgrid(torch.arange(12.0).double() / 12, torch.arange(10.0).double() / 10, indexing="ij")
    phase = 2 * torch.pi * (wave[0] * rows + wave[1] * columns)
    x = torch.zeros(1, 12, 10, 2, dtype=torch.float64)
    x[0, ..., 1] = phase.cos()
    number = made.multipliers()[wave[0] + 2, wave[1] + 2, 1]
    exact = (number * torch.exp(1j * phase)[..., None]).real + made.bias
    assert torch.allclose(made(x)[0], exact, atol=1e-12)


def test_modes_that_are_not_kept_vanish() -> None:
    made = layer(1)
    x = torch.cos(2 * torch.pi * 5 * torch.arange(16.0).double() / 16).view(1, 16, 1).expand(-1, -1, 2)
    assert torch.allclose(made(x), made.bias.expand(1, 16, 3), atol=1e-12)


@pytest.mark.parametrize("shape", [(16,), (12, 9), (8, 6, 7)])
def test_commutes_with_shifts_on_periodic_axes(shape: tuple[int, ...]) -> None:
    made = layer(len(shape))
    x = torch.randn(1, *shape, 2, dtype=torch.float64)
    shifts, axes = tuple(range(1, len(shape) + 1)), tuple(range(1, len(shape) + 1))
    assert torch.allclose(made(x.roll(shifts, axes)), made(x).roll(shifts, axes), atol=1e-12)


def test_same_function_on_every_resolution() -> None:
    """Band-limited input: the coarse output is the fine one at the shared points."""
    made = layer(2)

    def field(points: int) -> torch.Tensor:
        position = 2 * torch.pi * torch.arange(points).double() / points
        wave = torch.sin(position)[:, None] * torch.cos(2 * position) + torch.cos(position[:, None] + position)
        return torch.stack([wave, wave**2], -1)[None]

    assert torch.allclose(made(field(16))[..., :1], made(field(48))[:, ::3, ::3, :1], atol=1e-12)


def test_padding_keeps_the_ends_apart_and_is_symmetric() -> None:
    """Mirroring the input and the kernel (W -> conj W) mirrors the output: both sides are extended alike."""
    made = layer(1, modes=6, padding=0.5)
    mirrored = layer(1, modes=6, padding=0.5)
    with torch.no_grad():
        mirrored.weight.copy_(made.weight * torch.tensor([1.0, -1.0]))
        mirrored.mean.copy_(made.mean), mirrored.bias.copy_(made.bias)
    x = torch.randn(1, 20, 2, dtype=torch.float64)
    assert torch.allclose(mirrored(x.flip(1)), made(x).flip(1), atol=1e-12)
    periodic = layer(1, modes=6)
    assert not torch.allclose(periodic(x), made(x), atol=1e-2)


def test_number_of_weights() -> None:
    for dims, modes in itertools.product((1, 2, 3), (2, 5)):
        made = SpectralConv(4, 3, (modes,) * dims)
        assert sum(p.numel() for p in made.parameters()) == 4 * 3 * (2 * modes - 1) ** dims + 3


def test_every_weight_gets_a_gradient() -> None:
    made = layer(2, modes=4)
    made(torch.randn(2, 12, 12, 2, dtype=torch.float64)).square().sum().backward()
    assert all(bool((parameter.grad != 0).all()) for parameter in made.parameters())


def test_gradient_against_finite_differences() -> None:
    made = layer(2, modes=2)
    x = torch.randn(1, 5, 6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(made, (x,))


def test_autocast_computes_in_single_precision() -> None:
    made = layer(2).float()
    x = torch.randn(1, 12, 12, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(made(x), made(x.clone()), atol=0)
        mixed = made(x)
    assert torch.allclose(mixed, made(x), atol=1e-5)
    assert made(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralConv(1, 1, (1,)), "modes"),
        (lambda: SpectralConv(1, 1, (4,), padding=(-0.1,)), "padding"),
        (lambda: SpectralConv(1, 1, (4,), transform="fast"), "transform"),
        (lambda: SpectralConv(2, 1, (4,))(torch.zeros(1, 8, 3)), "expects"),
        (lambda: SpectralConv(2, 1, (4,), padding=(0.25,), transform="fft")(torch.zeros(1, 9, 2)), "whole number"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
