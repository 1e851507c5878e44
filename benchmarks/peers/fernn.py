"""Training step and forecast of a flow-equivariant recurrent network against the plain loop over velocities.

    python benchmarks/peers/fernn.py [--device cpu|cuda] [--threads N] [--repeats N]

The nine velocities {-1, 0, 1}^2, 64 x 64 points, 32 channels, 10 context and 10 forecast frames, one sample, one
decoder layer. The plain side is the recurrence as it is written down, h'(nu) = relu(W * roll(h(nu), nu) + U * f), in
torch's own operations: `torch.roll` in a loop over velocities, `stack`, circular `pad`, `conv2d`, maximum. Weights
are copied, and forecasts and gradients compared, before anything is timed. A training step is forward, backward and
Adam. Its peak memory is that of a fresh process on a CPU (resident size above what was there before the step), and
what was allocated on a GPU.

Last line: JSON {name, ours, peer, ratio, unit, device} of the training step, with the forecast and the peak memory
beside; a ratio above 1 means that sciflow is faster, or takes less.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.sizes import Flow, Sizes
from sciflow.recurrent.fernn import FERNN

POINTS, WIDTH, CONTEXT, AHEAD = 64, 32, 10, 10
VELOCITIES = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
SIZES = Sizes(
    fields=1,
    dims=2,
    frames_in=CONTEXT,
    frames_out=AHEAD,
    periodic=(True, True),
    flows=(Flow("translation", (0,)), Flow("translation", (1,))),
)


class Plain(nn.Module):
    """The plain loop."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Parameter(torch.zeros(WIDTH, 1, 3, 3))
        self.recurrent = nn.Parameter(torch.zeros(WIDTH, WIDTH, 3, 3))
        self.hidden = nn.Parameter(torch.zeros(WIDTH, WIDTH, 3, 3))
        self.last = nn.Parameter(torch.zeros(1, WIDTH, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        memory = x.new_zeros(len(x), len(VELOCITIES), WIDTH, *x.shape[3:])
        results: list[Tensor] = []
        for time_ in range(CONTEXT + AHEAD - 1):
            frame = x[:, time_] if time_ < CONTEXT else results[-1].detach()
            moved = self.moved(memory).flatten(0, 1)
            inner = functional.conv2d(around(moved), self.recurrent).unflatten(0, memory.shape[:2])
            memory = torch.relu(inner + functional.conv2d(around(frame), self.lift)[:, None])
            if time_ >= CONTEXT - 1:
                pooled = self.moved(memory).amax(1)
                decoded = torch.relu(functional.conv2d(around(pooled), self.hidden))
                results.append(functional.conv2d(around(decoded), self.last))
        return torch.stack(results, 1)

    @staticmethod
    def moved(memory: Tensor) -> Tensor:
        rolled = [torch.roll(memory[:, number], v, (2, 3)) for number, v in enumerate(VELOCITIES)]
        return torch.stack(rolled, 1)


def around(image: Tensor) -> Tensor:
    """With one cell of its periodic neighbours on each side."""
    return functional.pad(image, (1, 1, 1, 1), mode="circular")


def sides(device: torch.device) -> tuple[dict[str, nn.Module], dict[str, Callable[[Tensor], Tensor]]]:
    """Both networks with the same weights, and what they forecast."""
    torch.manual_seed(0)
    ours, peer = FERNN(SIZES, velocities=1, width=WIDTH, layers=1, bias=False), Plain()
    with torch.no_grad():
        for target, weight in zip(peer.parameters(), weights(ours), strict=True):
            target.copy_(weight)
    ours, peer = ours.to(device), peer.to(device)

    def forecast(x: Tensor) -> Tensor:
        nothing, none = x.new_zeros(len(x), 0), x.new_zeros(len(x), CONTEXT + AHEAD, 0)
        one, place = x.new_ones(len(x), 1, *x.shape[3:]), x.new_zeros(len(x), 2, *x.shape[3:])
        result: Tensor = ours(
            x, parameters=nothing, signals=none, mask=one, coordinates=place, dt=one[:, 0, 0, 0], inputs=one[:, :0]
        )
        return result

    return {"ours": ours, "peer": peer}, {"ours": forecast, "peer": peer}


def weights(ours: nn.Module) -> list[nn.Parameter]:
    """Ours in the order of the plain ones."""
    names = ("lift.convolution", "cell", "decoder.layers.0", "decoder.last")
    return [ours.get_parameter(f"{name}.weight") for name in names]


def batch(device: torch.device, points: int = POINTS) -> tuple[Tensor, Tensor]:
    """Context and wanted frames."""
    frames = torch.rand(1, CONTEXT + AHEAD, 1, points, points, generator=torch.Generator().manual_seed(1))
    return frames[:, :CONTEXT].to(device), frames[:, CONTEXT:].to(device)


def loss(forecast: Callable[[Tensor], Tensor], x: Tensor, wanted: Tensor) -> Tensor:
    return (forecast(x) - wanted).square().mean()


def trainer(network: nn.Module, forecast: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], None]:
    """One training step."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step(x: Tensor, wanted: Tensor) -> None:
        optimizer.zero_grad()
        loss(forecast, x, wanted).backward()
        optimizer.step()

    return step


def require_equal(device: torch.device) -> None:
    """Raise unless forecasts and gradients are the same to 1e-5."""
    networks, forecasts = sides(device)
    x, wanted = batch(device)
    found: dict[str, list[Tensor | None]] = {}
    for name, network in networks.items():
        loss(forecasts[name], x, wanted).backward()
        parameters = weights(network) if name == "ours" else network.parameters()
        found[name] = [forecasts[name](x).detach(), *(parameter.grad for parameter in parameters)]
    for ours, peer in zip(found["ours"], found["peer"], strict=True):
        assert ours is not None and peer is not None
        error = float((ours - peer).norm() / peer.norm())
        if error > 1e-5:
            raise SystemExit(f"the two sides differ by {error:.1e}")


def peak(name: str, kind: str, threads: int) -> float:
    """Bytes that one training step takes at most; runs in a process of its own."""
    torch.set_num_threads(threads)
    device = torch.device(kind)
    networks, forecasts = sides(device)
    step = trainer(networks[name], forecasts[name])
    step(*batch(device, 8))  # what libraries take is no part of the step
    x, wanted = batch(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step(x, wanted)
        return float(torch.cuda.max_memory_allocated(device) - before)
    unit = 1 if sys.platform == "darwin" else 1024
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(x, wanted)
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * unit


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Wall time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    memory = {}
    for name in ("ours", "peer"):  # first: a process inherits the largest size of the one that starts it
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            memory[name] = pool.submit(peak, name, options.device, options.threads).result() / 2**20
    require_equal(device)

    networks, forecasts = sides(device)
    x, wanted = batch(device)
    runs: dict[str, Callable[[], object]] = {}
    for name, network in networks.items():
        runs[name] = partial(trainer(network, forecasts[name]), x, wanted)
        runs[f"{name}_forecast"] = partial(torch.no_grad()(forecasts[name]), x)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(options.repeats + 1):
        for name, run in runs.items():  # in turns, so that a busy moment hits all alike
            spent = seconds(run, device)
            if repeat:  # the first warms up
                times[name].append(spent)
    found = {name: statistics.median(values) for name, values in times.items()}
    shown = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {options.threads} threads"
    print(f"training step: {found['ours']:.3f} s, plain {found['peer']:.3f} s")
    print(f"forecast: {found['ours_forecast']:.3f} s, plain {found['peer_forecast']:.3f} s")
    print(f"peak memory of a training step: {memory['ours']:.0f} MiB, plain {memory['peer']:.0f} MiB")
    report = {
        "name": "FERNN, training step, 9 velocities, 64 x 64, 32 channels, 10 + 10 frames",
        "ours": found["ours"],
        "peer": found["peer"],
        "ratio": found["peer"] / found["ours"],
        "ours_forecast": found["ours_forecast"],
        "ratio_forecast": found["peer_forecast"] / found["ours_forecast"],
        "ours_memory_mib": memory["ours"],
        "ratio_memory": memory["peer"] / memory["ours"],
        "unit": "s",
        "device": shown,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
