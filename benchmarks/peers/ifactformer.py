"""Training step and inference of IFactFormer-m against the plain formulation, at the published sizes.

    python benchmarks/peers/ifactformer.py [--device cpu|cuda] [--threads N] [--repeats N] [--clock wall|cpu]

Batch 1, grid 32 x 33 x 16, three fields, width 96, 5 heads of 96, multiplier 3, 10 iterations. The plain side follows
the published equations line by line: axis tokens from maps of the whole field, integrals by einsum, all 1440 channels
concatenated, instance normalisation, output map; torch does the rest. Weights are copied, and outputs and gradients are
compared before anything is timed. Steps are forward, backward and AdamW; both sides take turns and medians are
compared. ``--clock cpu`` counts processor time instead, for machines that are busy with something else. Peak memory is
that of a fresh process for each side, beyond what it holds before the first step (on a GPU, of the allocator).

Last line: JSON {name, ours, peer, ratio, unit, device} of the training step, with inference and memory beside; a ratio
above 1 means that sciflow is faster, or smaller.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.ifactformer_m import IFactFormerM
from sciflow.operators.sizes import Sizes

GRID = (16, 33, 32)  # z, y, x
LENGTHS = (4 * torch.pi / 3, 2.0, 4 * torch.pi)
WIDTH, HEADS, HEAD_WIDTH, MULTIPLIER, ITERATIONS = 96, 5, 96, 3, 10


class PlainKernel(nn.Module):
    """Kernel of one axis from the whole field [b, x, y, z, d] (or [b, x, y, d]); axes are counted from x."""

    def __init__(self, axis: int, width: int, heads: int, size: int) -> None:
        super().__init__()
        self.axis, self.heads = axis, heads
        self.reduce = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.gate, self.mix = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.query = nn.Linear(width, heads * size, bias=False)
        self.key = nn.Linear(width, heads * size, bias=False)

    def forward(self, s: Tensor, length: float) -> Tensor:
        others = [1 + axis for axis in range(s.ndim - 2) if axis != self.axis]
        t = self.norm(self.reduce(s).mean(others))
        first, second = self.gate(t).chunk(2, -1)
        t = self.mix(functional.gelu(first) * second)
        query, key = self.rotate(self.query(t), length), self.rotate(self.key(t), length)
        return torch.einsum("bhie,bhje->bhij", query, key)

    def rotate(self, numbers: Tensor, length: float) -> Tensor:
        points = numbers.shape[1]
        numbers = numbers.view(len(numbers), points, self.heads, -1).transpose(1, 2)
        half = numbers.shape[-1] // 2
        rates = 64 * 10000 ** (-2 * torch.arange(half, dtype=torch.float64) / (2 * half))
        angle = torch.linspace(0, length, points, dtype=torch.float64)[:, None] * rates
        angle = torch.cat((angle, angle), -1).to(numbers)
        first, second = numbers.chunk(2, -1)
        return numbers * angle.cos() + torch.cat((-second, first), -1) * angle.sin()


class PlainBlock(nn.Module):
    """F(u) with whole tensors; ``form`` parallel or chained, ``norm`` channel, head or plane."""

    def __init__(self, dims: int, form: str, norm: str, width: int, heads: int, head_width: int, size: int) -> None:
        super().__init__()
        self.form, self.kind, self.heads = form, norm, heads
        self.norm = nn.LayerNorm(width)
        self.value = nn.Linear(width, heads * head_width, bias=False)
        self.source = nn.Linear(width, width, bias=False)
        self.kernels = nn.ModuleList(PlainKernel(axis, width, heads, size) for axis in range(dims))
        self.mix = nn.Linear(heads * head_width * (dims if form == "parallel" else 1), width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, u: Tensor, lengths: tuple[float, ...]) -> Tensor:
        n = self.norm(u)
        v = self.value(n).unflatten(-1, (self.heads, -1)).movedim(-2, 1)
        s = self.source(n)
        space = "xyz"[: u.ndim - 2]
        found = []
        for axis, kernel, length in zip(space, self.kernels, lengths, strict=True):
            source, target = space.replace(axis, "j"), space.replace(axis, "i")
            phi = torch.einsum(f"bhij,bh{source}c->bh{target}c", kernel(s, length), v)
            found.append(phi)
            v = phi if self.form == "chained" else v
        phi = torch.cat(found, -1) if self.form == "parallel" else v
        phi = self.normalise(phi)
        return self.out(functional.gelu(self.mix(phi)))

    def normalise(self, phi: Tensor) -> Tensor:
        """[b, heads, *space, c] -> [b, *space, heads c]."""
        channels = phi.movedim(1, -2).flatten(-2)
        if self.kind == "channel":
            return functional.instance_norm(channels.movedim(-1, 1), eps=1e-5).movedim(1, -1)
        if self.kind == "plane":  # channels last, taken for channels first
            return functional.instance_norm(channels, eps=1e-5)
        rest = list(range(2, phi.ndim))
        phi = (phi - phi.mean(rest, keepdim=True)) / (phi.var(rest, keepdim=True) + 1e-8).sqrt()
        return phi.movedim(1, -2).flatten(-2)


class PlainBody(nn.Module):
    """The iterated network; parameters carry the same names as ours, so that weights can be copied."""

    def __init__(self, fields: int, lengths: tuple[float, ...], iterations: int, block: PlainBlock, width: int) -> None:
        super().__init__()
        dims, half = len(lengths), width // 2
        self.lengths, self.iterations = lengths, iterations
        self.lift = nn.Module()
        self.lift.frames = nn.Conv1d(fields, half, 1, groups=fields)
        self.lift.join = nn.Linear(half, width, bias=False)
        self.position = nn.Module()
        self.position.register_buffer("rates", torch.zeros(dims, half))
        self.position.map = nn.Linear(width, width)
        self.block = block
        self.project = nn.Module()
        self.project.hidden = nn.Linear(width, half, bias=False)
        self.project.out = nn.Linear(half, fields)

    def forward(self, x: Tensor) -> Tensor:
        """From [b, 1, fields, (z,) y, x] to the same."""
        u = x[:, 0].movedim(1, -1).transpose(1, -2)  # [b, x, y, z, fields]
        space, lengths = u.shape[1:-1], self.lengths[::-1]
        u = self.lift.frames(u.flatten(1, -2).mT).mT.unflatten(1, space)
        u = self.lift.join(functional.gelu(u))
        lines = [torch.linspace(0, length, n, dtype=torch.float64) for n, length in zip(space, lengths, strict=True)]
        points = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).to(x)
        angles = 2 * torch.pi * (points.flip(-1) @ self.position.rates)  # rates are stored for (z, y, x)
        u = u + self.position.map(torch.cat((angles.sin(), angles.cos()), -1))
        for _ in range(self.iterations):
            u = u + self.block(u, lengths) / self.iterations
        y = self.project.out(functional.gelu(self.project.hidden(u)))
        return y.transpose(1, -2).movedim(-1, 1)[:, None]


class Plain(nn.Module):
    """IFactFormer-m at the published sizes."""

    def __init__(self) -> None:
        super().__init__()
        block = PlainBlock(3, "parallel", "channel", WIDTH, HEADS, HEAD_WIDTH, MULTIPLIER * HEAD_WIDTH)
        self.body = PlainBody(3, LENGTHS, ITERATIONS, block, WIDTH)

    def forward(self, x: Tensor, **_: Tensor) -> Tensor:
        return self.body(x)


def both(device: torch.device, recompute: bool) -> tuple[dict[str, nn.Module], dict[str, Tensor], Tensor]:
    """The two networks with the same weights, their inputs, a target."""
    torch.manual_seed(0)
    ours = IFactFormerM(Sizes(3, 3, periodic=(True, False, True)), lengths=LENGTHS, recompute=recompute)
    for kernel in ours.body.block.kernels:
        for linear in (kernel.query, kernel.key):
            nn.init.xavier_uniform_(linear.weight, gain=1.0)  # as after training: enough for the kernels to matter
    peer = Plain()
    peer.load_state_dict(ours.state_dict())
    inputs = {
        "x": torch.randn(1, 1, 3, *GRID),
        "parameters": torch.zeros(1, 0),
        "signals": torch.zeros(1, 2, 0),
        "mask": torch.ones(1, 1, *GRID),
        "coordinates": torch.rand(1, 3, *GRID),
        "dt": torch.ones(1),
        "inputs": torch.zeros(1, 0, *GRID),
    }
    inputs = {name: value.to(device) for name, value in inputs.items()}
    return {"ours": ours.to(device), "peer": peer.to(device)}, inputs, torch.randn(1, 1, 3, *GRID, device=device)


def require_equal(networks: dict[str, nn.Module], inputs: dict[str, Tensor], target: Tensor) -> None:
    """Raise unless outputs agree to 1e-5 and gradients to 1e-4 of their largest entries."""
    outputs = {}
    for name, network in networks.items():
        output = network(**inputs)
        functional.mse_loss(output, target).backward()
        outputs[name] = output.detach()
    difference = float((outputs["ours"] - outputs["peer"]).abs().max() / outputs["peer"].abs().max())
    worst = 0.0
    expected = dict(networks["peer"].named_parameters())
    for name, values in networks["ours"].named_parameters():
        scale = float(expected[name].grad.abs().max())
        worst = max(worst, float((values.grad - expected[name].grad).abs().max()) / scale)
    print(f"largest relative difference of outputs {difference:.1e}, of gradients {worst:.1e}", flush=True)
    if not (difference < 1e-5 and worst < 1e-4):
        raise SystemExit("The two networks do not compute the same function.")


def steps(network: nn.Module, inputs: dict[str, Tensor], target: Tensor) -> dict[str, Callable[[], None]]:
    """A training step and an evaluation of a network."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4)

    def train() -> None:
        optimizer.zero_grad()
        functional.mse_loss(network(**inputs), target).backward()
        optimizer.step()

    def infer() -> None:
        with torch.no_grad():
            network(**inputs)

    return {"train": train, "infer": infer}


def seconds(step: Callable[[], None], device: torch.device, clock: Callable[[], float]) -> float:
    """Time of one step."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def own_peak(side: str, step: str, device: torch.device, recompute: bool) -> float:
    """Peak memory of this process in two steps of one side, in MB beyond what it held before."""
    networks, inputs, target = both(device, recompute)
    action = steps(networks[side], inputs, target)[step]
    del networks
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        action(), action()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    before = resident("VmRSS")
    action(), action()
    return resident("VmHWM") - before


def resident(what: str) -> float:
    """Memory of this process in MB, now (VmRSS) or at most (VmHWM, which unlike ru_maxrss knows of no parent)."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(what + ":"))
    return int(line.split()[1]) * 1024 / 1e6


def peaks(options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of both sides, each in a process of its own."""
    found = {}
    for step in ("train", "infer"):
        for side in ("ours", "peer"):
            command = [sys.executable, __file__, "--device", options.device, "--threads", str(options.threads)]
            command += ["--peak", side, step] + (["--recompute"] if options.recompute else [])
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[f"{step}_{side}"] = float(printed.split()[-1])
    return found


def measure(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Median seconds of both steps of both sides, taken in turns."""
    networks, inputs, target = both(device, options.recompute)
    require_equal(networks, inputs, target)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    actions = {side: steps(network, inputs, target) for side, network in networks.items()}
    times: dict[str, list[float]] = {}
    for repeat in range(options.repeats + 1):
        for step in ("train", "infer"):
            for side in ("ours", "peer"):
                elapsed = seconds(actions[side][step], device, clock)
                if repeat:
                    times.setdefault(f"{step}_{side}", []).append(elapsed)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--recompute", action="store_true", help="let ours find the inside of iterations again")
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "STEP"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if options.peak:
        print(own_peak(*options.peak, device, options.recompute))
        return
    found, memory = measure(options, device), peaks(options)
    for step, label in (("train", "training step"), ("infer", "inference")):
        for unit, values in (("s", found), ("MB", memory)):
            ours, peer = values[f"{step}_ours"], values[f"{step}_peer"]
            print(f"{label}: ours {ours:.4g} {unit}, plain {peer:.4g} {unit}, ratio {peer / ours:.2f}")
    label = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    result: dict[str, Any] = {
        "name": "ifactformer-m, training step, 32 x 33 x 16, batch 1",
        "ours": found["train_ours"],
        "peer": found["train_peer"],
        "ratio": found["train_peer"] / found["train_ours"],
        "unit": "s" if options.clock == "wall" else "s of processor time",
        "device": label,
        "ratio_inference": found["infer_peer"] / found["infer_ours"],
        "ratio_memory": memory["train_peer"] / memory["train_ours"],
        "ratio_memory_inference": memory["infer_peer"] / memory["infer_ours"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
