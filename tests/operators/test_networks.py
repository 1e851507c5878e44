"""What every network must do, and what is particular to each."""

import pytest
import torch

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.operators import Sizes, build, networks

FULL = {"parameters": 2, "signals": 1, "frames_in": 2, "frames_out": 2, "mask": True}
CASES = [
    ("fno", 1, (16,), {"width": 8, "modes": 4}),
    ("fno", 2, (12, 10), {"width": 8, "modes": 4}),
    ("fno", 3, (8, 9, 10), {"width": 4, "modes": 3}),
    ("unet", 1, (16,), {"width": 8}),
    ("unet", 2, (17, 12), {"width": 8}),
    ("unet", 3, (8, 9, 10), {"width": 8}),
]


def run(network: torch.nn.Module, given: dict[str, torch.Tensor]) -> torch.Tensor:
    return network(given["x"], **{name: value for name, value in given.items() if name != "x"})


@pytest.mark.parametrize(("name", "dims", "shape", "config"), CASES)
def test_shapes_inputs_gradients_and_batches(
    inputs, name: str, dims: int, shape: tuple[int, ...], config: dict
) -> None:
    sizes = Sizes(fields=2, dims=dims, periodic=(True,) + (False,) * (dims - 1), **FULL)
    torch.manual_seed(0)
    network = build(name, sizes, **config).eval()
    given = inputs(sizes, shape)
    out = run(network, given)
    assert out.shape == (3, 2, 2, *shape)
    for key, value in given.items():
        changed = run(network, {**given, key: 1 - value if key == "mask" else value + 0.25})
        assert (changed - out).abs().max() > 1e-6, f"{key} does not matter"
    alone = run(network, {key: value[1:2] for key, value in given.items()})
    assert torch.allclose(alone[0], out[1], atol=1e-5)
    out.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_no_parameters_no_signals_no_mask(inputs, name: str) -> None:
    sizes = Sizes(fields=1, dims=2)
    assert run(build(name, sizes, width=8), inputs(sizes, (16, 16))).shape == (3, 1, 1, 16, 16)


def test_fno_parameter_count() -> None:
    """lift + condition + layers (spectral + point-wise) + projection, for the sizes of the quickstart."""
    sizes = Sizes(fields=2, dims=2, parameters=4, signals=1)
    network = build("fno", sizes, width=32, modes=12, layers=4)
    spectral = 32 * 32 * 23 * 23 + 32
    expected = (4 * 32 + 32) + sizes.conditions * 32 + 4 * (spectral + 32 * 32) + (32 * 2 + 2)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_unet_parameter_count() -> None:
    """Two convolutions of 3 x 3, two norms and the conditions a level, widths C, 2C, 2C, 4C and back."""
    sizes = Sizes(fields=2, dims=2, parameters=4, signals=1)
    network = build("unet", sizes, width=24)
    entry = 2 + 2
    levels = [(entry, 24), (24, 48), (48, 48), (48, 96), (96 + 48, 48), (48 + 48, 48), (48 + 24, 24)]
    expected = sum(9 * (a * b + b * b) + 4 * b + sizes.conditions * b for a, b in levels) + (24 + entry) * 2 + 2
    assert sum(p.numel() for p in network.parameters()) == expected


def test_fno_without_coordinates_commutes_with_shifts(inputs) -> None:
    sizes = Sizes(fields=1, dims=2, periodic=(True, True))
    network = build("fno", sizes, width=8, modes=4, coordinates=False).double()
    given = {name: value.double() for name, value in inputs(sizes, (12, 10)).items()}
    shifted = {**given, "x": given["x"].roll((3, 4), (-2, -1))}
    assert torch.allclose(run(network, shifted), run(network, given).roll((3, 4), (-2, -1)), atol=1e-12)


def test_unet_commutes_with_shifts_of_eight_cells_on_periodic_axes(inputs) -> None:
    sizes = Sizes(fields=1, dims=2, periodic=(True, True))
    network = build("unet", sizes, width=8).double().eval()
    given = {name: value.double() for name, value in inputs(sizes, (16, 16)).items()}
    given["coordinates"] = torch.zeros_like(given["coordinates"])
    shifted = {**given, "x": given["x"].roll((8, 8), (-2, -1))}
    assert torch.allclose(run(network, shifted), run(network, given).roll((8, 8), (-2, -1)), atol=1e-10)


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_output_is_reproduced(inputs, name: str) -> None:
    """Weights set by a formula, so that the figure does not depend on initialisation or random numbers of a version."""
    sizes = Sizes(fields=1, dims=1, periodic=(True,), parameters=1)
    network = build(name, sizes, width=8, **({"modes": 4} if name == "fno" else {})).double().eval()
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            ramp = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((torch.sin(ramp * 0.7 + index) * 0.2).view_as(parameter))
    position = torch.arange(16, dtype=torch.float64) / 16
    given = {
        "x": torch.sin(2 * torch.pi * position).view(1, 1, 1, 16),
        "parameters": torch.full((1, 1), 0.5, dtype=torch.float64),
        "signals": torch.zeros(1, 2, 0, dtype=torch.float64),
        "mask": torch.ones(1, 1, 16, dtype=torch.float64),
        "coordinates": position.view(1, 1, 16),
        "dt": torch.ones(1, dtype=torch.float64),
    }
    assert run(network, given)[0, 0, 0, :4].tolist() == pytest.approx(STORED[name], abs=1e-6)


STORED = {
    "fno": [0.2391567440, 0.2382927949, 0.2373846549, 0.2365659661],
    "unet": [-0.1887477104, -0.2942531527, -0.3506073413, -0.3466709603],
}


def test_unknown_network_and_options() -> None:
    sizes = Sizes(fields=1, dims=1)
    with pytest.raises(UnknownNameError, match="'fno'"):
        build("fnoo", sizes)
    with pytest.raises(InputError, match="widht"):
        build("fno", sizes, widht=8)
    with pytest.raises(InputError, match="width"):
        build("unet", sizes, width=0)
    assert networks.names() == ["fno", "unet"]


def test_what_a_network_requires_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from sciflow.operators import Requires

    monkeypatch.setattr(networks.get("fno"), "requires", Requires(dims=(1,), periodic_only=True))
    with pytest.raises(InputError, match="unet"):
        build("fno", Sizes(fields=1, dims=2))


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_wrong_shapes(inputs, name: str) -> None:
    sizes = Sizes(fields=2, dims=2, parameters=1)
    network = build(name, sizes, width=8)
    given = inputs(sizes, (12, 12))
    with pytest.raises(InputError, match="parameters"):
        run(network, {**given, "parameters": torch.zeros(3, 2)})
    with pytest.raises(InputError, match="x must be"):
        run(network, {**given, "x": given["x"][:, :, :1]})
