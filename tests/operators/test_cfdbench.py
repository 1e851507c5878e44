"""The published networks of CFDBench: their equations written out, their grids, and the published errors mended."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators import Sizes, build
from sciflow.operators.cfdbench.auto_deeponet import AutoDeepONet
from sciflow.operators.cfdbench.auto_deeponet_cnn import AutoDeepONetCNN
from sciflow.operators.cfdbench.auto_edeeponet import AutoEDeepONet
from sciflow.operators.cfdbench.auto_ffn import AutoFFN
from sciflow.operators.cfdbench.deeponet import ParametricDeepONet
from sciflow.operators.cfdbench.ffn import FeedForward
from sciflow.operators.cfdbench.fno import BenchmarkFNO
from sciflow.operators.cfdbench.resnet import BenchmarkResNet
from sciflow.operators.cfdbench.unet import BenchmarkUNet

GRID = (6, 5)
AUTO = Sizes(1, 2, parameters=2, grid=GRID)
PARAMETRIC = Sizes(1, 2, parameters=2, frames_in=0, grid=GRID)
FORECASTING = {
    "auto-ffn": {"width": 12, "depth": 3},
    "auto-deeponet": {"width": 12, "depth": 3},
    "auto-edeeponet": {"width": 12, "depth": 3},
    "auto-deeponet-cnn": {"channels": 4, "width": 8, "depth": 2},
    "cfdbench-resnet": {"hidden": 6, "blocks": 1},
    "cfdbench-fno": {"width": 6, "modes": 3},
    "cfdbench-unet": {"width": 3, "depth": 2},
}


def places(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([[row, column] for row in range(GRID[0]) for column in range(GRID[1])], dtype=dtype)


def plain(layers: list[nn.Linear], h: torch.Tensor) -> torch.Tensor:
    """A perceptron, row by row."""
    for layer in layers[:-1]:
        h = functional.relu(layer(h))
    return layers[-1](h)


def normed(layers: list[nn.Linear], h: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """A perceptron with the normalised activation as it was published: scaled, cut off and scaled back."""
    for number, layer in enumerate(layers):
        if number:
            mean, std = h.mean(dims, keepdim=True), h.std(dims, keepdim=True)
            h = functional.relu((h - mean) / std) * std + mean
        h = layer(h)
    return h


def test_auto_ffn_pairs_each_point_with_the_frame_of_its_own_case(make_inputs):
    """Row by row, [all values of x, parameters, row, column]; the published code mixes the cases of a batch."""
    net, given = AutoFFN(AUTO, width=12, depth=3), make_inputs(AUTO, GRID, batch=4)
    frames, numbers = given["x"].flatten(1), given["parameters"]
    rows = torch.stack([torch.cat((frames[b], numbers[b], place)) for b in range(4) for place in places()])
    expected = given["x"] + plain([net.first, *net.others, net.last], rows).view(4, 1, 1, *GRID)
    torch.testing.assert_close(net(**given), expected)


def test_auto_deeponets_written_out(make_inputs):
    given = make_inputs(AUTO, GRID)
    frames, numbers = given["x"].flatten(1), given["parameters"]
    one, two = AutoDeepONet(AUTO, width=12, depth=3), AutoEDeepONet(AUTO, width=12, depth=3)
    branches = {
        one: plain([*one.branch.layers], torch.cat((frames, numbers), 1)),
        two: plain([*two.of_values.layers], frames) * plain([*two.of_case.layers], numbers),
    }
    for net, branch in branches.items():
        with torch.no_grad():
            net.bias.fill_(0.3)
        trunk = plain([*net.trunk.layers], (places() - 50) / 100)
        change = torch.einsum("bk,nk->bn", branch, trunk) + 0.3
        torch.testing.assert_close(net(**given), given["x"] + change.view(3, 1, 1, *GRID))


def test_the_convolutional_branch_written_out(make_inputs):
    sizes = Sizes(2, 2, parameters=1, mask=True, grid=(9, 8))
    net, given = AutoDeepONetCNN(sizes, channels=4, width=8, depth=2), make_inputs(sizes, (9, 8))
    maps = given["parameters"][:, :, None, None] * torch.ones(1, 1, 9, 8)
    h = net.first(torch.cat((given["x"][:, 0], given["mask"], maps), 1))
    for convolution in net.middle:
        h = functional.relu(functional.max_pool2d(convolution(h), 2))
    branch = net.last(h).flatten(1)
    assert branch.shape == (3, 4 * 2 * 2)
    place = torch.tensor([[row, column] for row in range(9) for column in range(8)]).float()
    product = branch[:, None] * plain([*net.trunk.layers], (place - 50) / 100)
    change = plain([*net.project.layers], product)  # [batch, points, fields]
    torch.testing.assert_close(net(**given), given["x"] + change.mT.reshape(3, 1, 2, 9, 8))
    with pytest.raises(InputError, match=r"halves the grid 4 times and needs 16 points.*smaller depth"):
        AutoDeepONetCNN(sizes)


def test_parametric_networks_written_out(make_inputs):
    """Raw rows, columns and times; each case has its own time."""
    given = make_inputs(PARAMETRIC, GRID, batch=3, dt=torch.tensor([4.0, 7.0, 4.0]))
    numbers, times, place = given["parameters"], given["dt"], places()
    ffn = FeedForward(PARAMETRIC, width=12, depth=3)
    rows = torch.stack([torch.cat((numbers[b], p, times[b : b + 1])) for b in range(3) for p in place])
    expected = normed([ffn.first, *ffn.others, ffn.last], rows, (1,)).view(3, 1, 1, *GRID)
    torch.testing.assert_close(ffn(**given), expected, rtol=1e-4, atol=1e-4)

    net = ParametricDeepONet(PARAMETRIC, width=12, depth=3)
    with torch.no_grad():
        net.bias.fill_(0.3)
    branch = normed([*net.branch.layers], numbers, (1,))
    trunk = normed([*net.trunk.layers], net.time(times[:, None])[:, None] + net.place(place), (1, 2))
    expected = (torch.einsum("bk,bnk->bn", branch, trunk) + 0.3).view(3, 1, 1, *GRID)
    torch.testing.assert_close(net(**given), expected, rtol=1e-4, atol=1e-4)
    apart = {**given, "coordinates": given["coordinates"].clone()}  # not known to be shared by the cases
    torch.testing.assert_close(net(**apart), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ffn(**apart), ffn(**given))


def test_parametric_networks_count_nodes_from_the_first(make_inputs):
    """Where the points include both ends of an axis its first is row 0 and its last row N - 1."""
    cells, nodes = PARAMETRIC, Sizes(1, 2, parameters=2, frames_in=0, grid=GRID, ends=True)
    given, net = make_inputs(cells, GRID), FeedForward(cells, width=12, depth=2)
    other = FeedForward(nodes, width=12, depth=2)
    other.load_state_dict(net.state_dict())
    axes = torch.meshgrid(*(torch.linspace(0, 1, points) for points in GRID), indexing="ij")
    moved = {**given, "coordinates": torch.stack(axes).expand(3, -1, -1, -1)}
    torch.testing.assert_close(other(**moved), net(**given), rtol=1e-4, atol=1e-5)


def test_the_spectral_layer_is_the_published_one(make_inputs):
    """The whole transform with two blocks of multipliers in it, for even and odd grids and one too small for them."""
    for space in ((16, 12), (9, 11), (4, 4)):
        net = BenchmarkFNO(Sizes(1, 2), width=4, layers=1, modes=3)
        h = torch.randn(2, 4, *space, generator=torch.Generator().manual_seed(0))
        weight = torch.view_as_complex(net.spectral[0].weight.detach())  # [2, rows, columns, in, out]
        rows, columns = min(3, space[0] // 2), min(3, space[1] // 2 + 1)
        z, out = torch.fft.rfft2(h), torch.zeros(2, 4, space[0], space[1] // 2 + 1, dtype=torch.complex64)
        low, top = weight[0, :rows, :columns], weight[1, 3 - rows :, :columns]
        out[:, :, :rows, :columns] = torch.einsum("bixy,xyio->boxy", z[:, :, :rows, :columns], low)
        out[:, :, -rows:, :columns] = torch.einsum("bixy,xyio->boxy", z[:, :, -rows:, :columns], top)
        torch.testing.assert_close(net.spectral[0](h), torch.fft.irfft2(out, s=space), rtol=1e-4, atol=1e-5)
        assert weight.real.min() >= 0 and weight.real.max() <= 1 / 16 and weight.imag.max() <= 1 / 16


@pytest.mark.parametrize("name", FORECASTING)
def test_no_case_depends_on_the_batch(name, make_inputs):
    sizes = Sizes(2, 2, parameters=2, mask=True, grid=(12, 10))
    net, given = build(name, sizes, **FORECASTING[name]).eval(), make_inputs(sizes, (12, 10), batch=4)
    alone = torch.cat([net(**{key: value[b : b + 1] for key, value in given.items()}) for b in range(4)])
    torch.testing.assert_close(net(**given), alone, rtol=1e-4, atol=1e-5)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(net(**{k: v[order] for k, v in given.items()}), alone[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["cfdbench-resnet", "cfdbench-fno", "cfdbench-unet"])
@pytest.mark.parametrize("space", [(32, 32), (66, 65)])
def test_grid_networks_take_any_grid_and_mask_their_output(name, space, make_inputs):
    sizes = Sizes(2, 2, parameters=5, mask=True)
    options = {
        "cfdbench-resnet": {"hidden": 2, "blocks": 1},
        "cfdbench-fno": {"layers": 1},
        "cfdbench-unet": {"width": 2},
    }
    net, given = build(name, sizes, **options[name]), make_inputs(sizes, space, batch=2)
    y = net(**given)
    solid = given["mask"][:, None].expand_as(y) == 0
    assert y.shape == (2, 1, 2, *space) and y.isfinite().all() and not y[solid].any()
    assert y[~solid].abs().min() > 0
    y.square().sum().backward()
    assert all(values.grad.abs().max() > 0 for values in net.parameters())


def test_residual_networks_begin_with_the_last_frame(make_inputs):
    """With their last layer at zero they repeat the last frame; the published FNO does not add it."""
    sizes = Sizes(2, 2, parameters=1, frames_in=2, frames_out=2, grid=(12, 10))
    for name, options in FORECASTING.items():
        net, given = build(name, sizes, **options).eval(), make_inputs(sizes, (12, 10))
        last = {
            "auto-ffn": lambda net: [net.last],
            "auto-deeponet": lambda net: [net.branch.layers[-1]],
            "auto-edeeponet": lambda net: [net.of_case.layers[-1]],
            "auto-deeponet-cnn": lambda net: [net.project.layers[-1]],
            "cfdbench-resnet": lambda net: [net.blocks[-1].outer, net.blocks[-1].skip],
            "cfdbench-fno": lambda net: [net.project],
            "cfdbench-unet": lambda net: [net.project],
        }[name](net)
        with torch.no_grad():
            for values in (values for layer in last for values in layer.parameters()):
                values.zero_()
        kept = given["x"][:, -1:].expand(-1, 2, -1, -1, -1) * given["mask"][:, None] ** (name.startswith("cfdbench"))
        torch.testing.assert_close(net(**given), torch.zeros_like(kept) if name == "cfdbench-fno" else kept)
        assert type(net).traits.residual == (name != "cfdbench-fno")


def test_dropout_acts_in_training_alone(make_inputs):
    sizes = Sizes(1, 2)
    net, given = BenchmarkResNet(sizes, hidden=8, blocks=1), make_inputs(sizes, (8, 8))
    assert not torch.equal(net(**given), net(**given))
    net.eval()
    assert torch.equal(net(**given), net(**given))
    with pytest.raises(InputError, match="dropout must be"):
        BenchmarkResNet(sizes, dropout=1.0)


def test_grids_that_do_not_fit_are_named(make_inputs):
    with pytest.raises(InputError, match="'auto-ffn' is made for one grid, the sizes name none"):
        build("auto-ffn", Sizes(1, 2))
    with pytest.raises(InputError, match=r"made for a grid of \[6, 5\] points, not \[6, 6\].*'fno'"):
        AutoFFN(AUTO, width=4, depth=1)(**make_inputs(AUTO, (6, 6)))
    with pytest.raises(InputError, match=r"needs 16 points on each axis, not \[8, 15\]"):
        BenchmarkUNet(Sizes(1, 2), width=2)(**make_inputs(Sizes(1, 2), (8, 15)))
    with pytest.raises(InputError, match="grid must have one entry"):
        Sizes(1, 2, grid=(3,))
    with pytest.raises(InputError, match="'cfdbench-ffn' does not forecast and needs frames_in = 0; use .* instead"):
        build("cfdbench-ffn", AUTO)
    with pytest.raises(InputError, match="'cfdbench-ffn' does not see input fields"):
        build("cfdbench-ffn", Sizes(1, 2, frames_in=0, inputs=1, grid=GRID))
    with pytest.raises(InputError, match="'cfdbench-unet' forecasts and needs context frames"):
        build("cfdbench-unet", Sizes(1, 2, frames_in=0, inputs=1))


def test_the_u_net_written_out(make_inputs):
    """One halving of a grid of odd size, in evaluation with statistics that are not those of a fresh network."""
    sizes = Sizes(2, 2, parameters=1, mask=True)
    net, given = BenchmarkUNet(sizes, width=3, depth=1), make_inputs(sizes, (7, 6))
    net(**given)  # moves the running statistics
    net.eval()

    def double(block: nn.Sequential, h: torch.Tensor) -> torch.Tensor:
        for first in (0, 3):
            convolution, norm = block[first], block[first + 1]
            h = functional.conv2d(functional.pad(h, (1, 1, 1, 1), "replicate"), convolution.weight, convolution.bias)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            h = functional.relu(
                (h - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]
            )
        return h

    maps = given["parameters"][:, :, None, None].expand(-1, -1, 7, 6)
    fine = double(net.first, torch.cat((given["x"][:, 0], given["mask"], maps), 1))
    coarse = double(net.down[0], functional.max_pool2d(fine, 2))
    assert fine.shape[1:] == (3, 7, 6) and coarse.shape[1:] == (6, 3, 3)
    grown = functional.conv_transpose2d(coarse, net.grow[0].weight, net.grow[0].bias, stride=2)
    joined = double(net.up[0], torch.cat((fine, functional.pad(grown, (0, 0, 0, 1))), 1))
    expected = (given["x"] + net.project(joined)[:, None]) * given["mask"][:, None]
    torch.testing.assert_close(net(**given), expected, rtol=1e-4, atol=1e-5)


def test_the_residual_network_written_out(make_inputs):
    sizes = Sizes(1, 2, parameters=1, mask=True)
    net, given = BenchmarkResNet(sizes, width=3, hidden=4, blocks=1).eval(), make_inputs(sizes, (8, 9))

    def convolve(layer: nn.Conv2d, h: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(functional.pad(h, (3, 3, 3, 3), "replicate"), layer.weight, layer.bias)

    h = torch.cat((given["x"][:, 0], given["mask"], given["parameters"][:, :, None, None].expand(-1, -1, 8, 9)), 1)
    for block in net.blocks:
        h = block.skip(h) + convolve(block.outer, functional.gelu(convolve(block.inner, h)))
    torch.testing.assert_close(net(**given), (given["x"] + h[:, None]) * given["mask"][:, None])
    assert [type(block.skip) for block in net.blocks] == [nn.Conv2d, nn.Identity, nn.Conv2d]


STORED = {
    "auto-ffn": [0.0358253, 0.815076, 1.28612, -1.37114],
    "auto-deeponet": [0.698785, 1.11769, 2.41235, -1.1621],
    "auto-edeeponet": [0.254264, 0.717735, 1.22009, -0.860028],
    "auto-deeponet-cnn": [0.0292544, 1.10859, 1.73037, -1.82034],
    "cfdbench-resnet": [8.9373, 140.906, -150.155, 250.786],
    "cfdbench-fno": [0.478656, 0.21908, 0.289723, 0.693185],
    "cfdbench-unet": [0.0122689, 0.737011, 1.07527, -1.18957],
    "cfdbench-ffn": [0.0365359, 0.403839, 0.443823, -0.370637],
    "cfdbench-deeponet": [1.12909, 0.477821, 1.52939, 0.798832],
}


@pytest.mark.parametrize("name", [*FORECASTING, "cfdbench-ffn", "cfdbench-deeponet"])
def test_stored_output(name, make_inputs):
    """A change of these numbers means that networks saved earlier would give other results."""
    forecasts = name in FORECASTING
    sizes = Sizes(2, 2, parameters=2, frames_in=int(forecasts), mask=True, grid=(9, 8))
    net = build(name, sizes, **FORECASTING.get(name, {"width": 12, "depth": 3})).eval()
    with torch.no_grad():
        for number, values in enumerate(net.parameters()):
            values.copy_((0.3 * torch.cos(1.3 * torch.arange(values.numel()) + number)).view_as(values))
    inputs = make_inputs(sizes, (9, 8), batch=2)
    for number, (key, value) in enumerate(inputs.items()):
        if key not in ("coordinates", "mask"):
            inputs[key] = torch.sin(0.7 * torch.arange(value.numel()) + number).view_as(value)
    inputs["mask"] = torch.ones_like(inputs["mask"])
    inputs["mask"][..., 0, 0] = 0
    y = net(**inputs)[1, 0].detach()
    found = torch.stack([y.mean(), y.std(), y[0, 3, 4], y[1, 8, 5]])
    torch.testing.assert_close(found, torch.tensor(STORED[name]), rtol=1e-4, atol=1e-5)
