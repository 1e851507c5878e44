"""Training step of a 2-D FNO (forward, backward, AdamW) against neuraloperator's FNO of the same sizes.

    python benchmarks/peers/fno.py [--device cpu|cuda] [--threads N] [--repeats N]

Both sides compute the same function: weights are copied, and their outputs are compared before anything is timed. To
that end neuraloperator's FNO is set up as the plain architecture (no channel MLP, linear skips, no normalisation, no
positional embedding, lifting and projection of one linear layer), it is given the constant and position channels
ready-made, and its activation, which it would apply twice in a row where there is no channel MLP, is applied once.

Last line: JSON {name, ours, peer, ratio, unit, device}; a ratio above 1 means that sciflow is faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from neuralop.layers.channel_mlp import ChannelMLP
from neuralop.models import FNO as PeerFNO
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.fno import FNO
from sciflow.operators.inputs import case_features, grid_features
from sciflow.operators.sizes import Sizes

BATCH, GRID, FIELDS = 16, 64, 3
WIDTH, LAYERS, MODES = 32, 4, 12


class Once:
    """GELU on every first of two calls, nothing on the second."""

    def __init__(self) -> None:
        self.again = False

    def __call__(self, x: Tensor) -> Tensor:
        self.again = not self.again
        return functional.gelu(x) if self.again else x


def peer_like(ours: FNO, device: torch.device) -> nn.Module:
    """Neuraloperator's FNO with the weights of ours."""
    channels = ours.lift.in_features + ours.condition.in_features
    peer = PeerFNO(
        n_modes=(2 * MODES - 1, 2 * MODES - 2),  # -11 … 11 and, of its half axis, 0 … 11
        in_channels=channels,
        out_channels=FIELDS,
        hidden_channels=WIDTH,
        n_layers=LAYERS,
        lifting_channel_ratio=0,
        positional_embedding=None,
        use_channel_mlp=False,
        fno_skip="linear",
    )
    peer.fno_blocks.non_linearity = Once()
    peer.projection = nn.Sequential(nn.GELU(), ChannelMLP(WIDTH, FIELDS, n_layers=1))
    with torch.no_grad():
        lift, project = peer.lifting.fcs[0], peer.projection[1].fcs[0]
        lift.weight.copy_(torch.cat((ours.lift.weight, ours.condition.weight), 1)[..., None])
        lift.bias.copy_(ours.condition.bias)
        project.weight.copy_(ours.project.weight[..., None])
        project.bias.copy_(ours.project.bias)
        for layer in range(LAYERS):
            conv, skip = peer.fno_blocks.convs[layer], peer.fno_blocks.fno_skips[layer].conv
            conv.weight.tensor.copy_(ours.spectral[layer].multipliers()[:, MODES - 1 :].permute(2, 3, 0, 1))
            conv.bias.copy_(ours.spectral[layer].bias.view(-1, 1, 1))
            skip.weight.copy_(ours.pointwise[layer].weight[..., None])
    return peer.to(device)


def trainer(network: nn.Module, forward: Callable[[], Tensor], target: Tensor) -> Callable[[], None]:
    """One training step of a network."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        functional.mse_loss(forward(), target).backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], device: torch.device) -> float:
    """Wall time of one step."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure(device: torch.device, repeats: int) -> tuple[float, float]:
    """Median seconds of a step, ours and the peer's, from interleaved repeats."""
    torch.manual_seed(0)
    sizes = Sizes(fields=FIELDS, dims=2, periodic=(True, True))
    ours = FNO(sizes, width=WIDTH, layers=LAYERS, modes=MODES).to(device)
    nn.init.normal_(ours.condition.weight)
    for spectral in ours.spectral:
        nn.init.normal_(spectral.weight, std=0.1)  # enough for a wrong multiplier to show in the comparison
        nn.init.normal_(spectral.bias)
    axis = torch.arange(GRID, device=device) / GRID
    x = torch.randn(BATCH, 1, FIELDS, GRID, GRID, device=device)
    target = torch.randn(BATCH, FIELDS, GRID, GRID, device=device)
    inputs: dict[str, Any] = {
        "parameters": x.new_zeros(BATCH, 0),
        "signals": x.new_zeros(BATCH, 2, 0),
        "mask": x.new_ones(BATCH, 1, GRID, GRID),
        "coordinates": torch.stack(torch.meshgrid(axis, axis, indexing="ij")).expand(BATCH, -1, -1, -1),
        "dt": x.new_ones(BATCH),
    }
    features = grid_features(sizes, x, inputs["mask"], inputs["coordinates"]).movedim(-1, 1)
    constants = case_features(inputs["parameters"], inputs["signals"], inputs["dt"])
    stacked = torch.cat((features, constants[..., None, None].expand(-1, -1, GRID, GRID)), 1)
    peer = peer_like(ours, device)
    with torch.no_grad():
        expected, found = peer(stacked), ours(x, **inputs)[:, 0]
    difference = float((found - expected).abs().max())
    print(f"outputs: largest difference {difference:.1e}, standard deviation {float(expected.std()):.2f}")
    if not difference < 1e-4:
        raise SystemExit("The two networks do not compute the same function.")
    steps = {
        "ours": trainer(ours, lambda: ours(x, **inputs)[:, 0], target),
        "peer": trainer(peer, lambda: peer(stacked), target),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 3):
        for name, step in steps.items():
            elapsed = seconds(step, device)
            if repeat >= 3:
                times[name].append(elapsed)
    for name, values in times.items():
        print(f"{name}: median {statistics.median(values):.4f} s, fastest {min(values):.4f} s of {repeats}")
    return statistics.median(times["ours"]), statistics.median(times["peer"])


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; default: as torch chooses")
    parser.add_argument("--repeats", type=int, default=25)
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    ours, peer = measure(device, options.repeats)
    label = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    result = {"name": "fno", "ours": ours, "peer": peer, "ratio": peer / ours, "unit": "s/step", "device": label}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
