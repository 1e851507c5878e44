"""Training step of an attentive neural process against a plain module written straight from its specification.

    python benchmarks/peers/anp.py [--device cpu|cuda] [--threads N] [--repeats N]

Batch 64, 100 context and 100 target points, width 128, forward, backward and Adam. The plain module follows Kim et al.
(2019) with the sizes of Hansen et al. (2023) line by line: attention written out, dropout of attention weights, the
decoder's input joined for every target. Weights are copied and outputs compared (without dropout) before anything is
timed. Two comparisons, in turns: with the same dropout on both sides (equal work), and with the default of sciflow,
which leaves out the dropout of attention weights and so may use fused kernels.

Last line: JSON {name, ours, peer, ratio, unit, device} of equal work, with our default beside as ``ours_default`` and
``ratio_default``; a ratio above 1 means that sciflow is faster.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.conservation.neural_process.attentive import AttentiveNetwork
from sciflow.conservation.neural_process.objective import log_likelihood

BATCH, POINTS, WIDTH, HEADS, DROPOUT = 64, 100, 128, 4, 0.1


class PlainAttention(nn.Module):
    """Multi-head attention, its output joined with the query, residual, layer normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value, self.query = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.join = nn.Linear(2 * WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.drop_weights, self.drop = nn.Dropout(DROPOUT), nn.Dropout(DROPOUT)

    def forward(self, key: Tensor, value: Tensor, query: Tensor) -> Tensor:
        batch, targets, _ = query.shape
        size = WIDTH // HEADS
        k = self.key(key).view(batch, -1, HEADS, size).permute(0, 2, 1, 3)
        v = self.value(value).view(batch, -1, HEADS, size).permute(0, 2, 1, 3)
        q = self.query(query).view(batch, -1, HEADS, size).permute(0, 2, 1, 3)
        weights = self.drop_weights(torch.softmax(torch.matmul(q, k.transpose(2, 3)) / math.sqrt(size), dim=-1))
        found = torch.matmul(weights, v).permute(0, 2, 1, 3).reshape(batch, targets, WIDTH)
        return self.norm(self.drop(self.join(torch.cat([query, found], dim=-1))) + query)


class PlainEncoder(nn.Module):
    """Embedding of [x, y] and two self-attentions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, WIDTH)
        self.layers = nn.ModuleList(PlainAttention() for _ in range(2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.embed(torch.cat([x, y], dim=-1))
        for layer in self.layers:
            h = layer(h, h, h)
        return h


class PlainDecoder(nn.Module):
    """Three hidden layers on [r, z, x]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, WIDTH)
        self.hidden = nn.ModuleList(nn.Linear(3 * WIDTH, 3 * WIDTH) for _ in range(3))
        self.out = nn.Linear(3 * WIDTH, 2)

    def forward(self, r: Tensor, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.cat([r, z.unsqueeze(1).repeat(1, x.shape[1], 1), self.embed(x)], dim=-1)
        for layer in self.hidden:
            h = torch.relu(layer(h))
        h = self.out(h)
        return h[..., :1], functional.softplus(h[..., 1:]) + 1e-3


class PlainProcess(nn.Module):
    """The whole network; parameters carry the same names as ours, so that weights can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.latent_encoder, self.encoder = PlainEncoder(), PlainEncoder()
        self.pooled, self.latent_mean, self.latent_log_variance = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.key, self.query = nn.Linear(2, WIDTH), nn.Linear(2, WIDTH)
        self.cross = nn.ModuleList(PlainAttention() for _ in range(2))
        self.decoder = PlainDecoder()

    def latent(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.relu(self.pooled(self.latent_encoder(x, y).mean(dim=1)))
        return self.latent_mean(h), self.latent_log_variance(h)

    def decode(self, x: Tensor, y: Tensor, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        values, keys, r = self.encoder(x, y), self.key(x), self.query(targets)
        for layer in self.cross:
            r = layer(keys, values, r)
        return self.decoder(r, z, targets)

    def loss(self, x: Tensor, y: Tensor, targets: Tensor, wanted: Tensor) -> Tensor:
        m, s = self.latent(targets, wanted)
        m_prior, s_prior = self.latent(x, y)
        z = m + torch.exp(s / 2) * torch.randn_like(m)
        kl = 0.5 * (s_prior - s + (torch.exp(s) + (m - m_prior) ** 2) / torch.exp(s_prior) - 1).sum()
        mean, deviation = self.decode(x, y, z, targets)
        return kl - torch.distributions.Normal(mean, deviation).log_prob(wanted).sum()


def our_loss(network: AttentiveNetwork, x: Tensor, y: Tensor, targets: Tensor, wanted: Tensor) -> Tensor:
    """The bound as sciflow computes it."""
    posterior, prior = network.latent(targets, wanted), network.latent(x, y)
    mean, deviation = network.decode(network.encode(x, y), posterior.draw(), targets)
    return posterior.divergence(prior) - log_likelihood(wanted, mean, deviation)


def trainer(network: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One training step."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
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


def require_equal(ours: AttentiveNetwork, peer: PlainProcess, batch: tuple[Tensor, ...]) -> None:
    """Raise unless both sides give the same loss without dropout, from the same draw of z."""
    losses = []
    for network, loss in ((ours, lambda: our_loss(ours, *batch)), (peer, lambda: peer.loss(*batch))):
        network.eval()
        torch.manual_seed(1)
        losses.append(float(loss().detach()))
        network.train()
    if abs(losses[0] - losses[1]) > 1e-4 * abs(losses[1]):
        raise SystemExit(f"the two sides differ: {losses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    batch = tuple(torch.rand(BATCH, POINTS, size, device=device) for size in (2, 1, 2, 1))

    default = AttentiveNetwork(2, 1, width=WIDTH).to(device)
    equal = AttentiveNetwork(2, 1, width=WIDTH, attention_dropout=DROPOUT).to(device)
    peer = PlainProcess().to(device)
    for other in (equal, peer):
        other.load_state_dict(default.state_dict())
    require_equal(default, peer, batch)
    steps = {
        "ours": trainer(equal, lambda: our_loss(equal, *batch)),
        "ours_default": trainer(default, lambda: our_loss(default, *batch)),
        "peer": trainer(peer, lambda: peer.loss(*batch)),
    }
    for step in steps.values():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.repeats):
        for name, step in steps.items():  # in turns, so that a busy moment hits all alike
            times[name].append(seconds(step, device))
    found = {name: statistics.median(values) for name, values in times.items()}
    shown = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {options.threads} threads"
    print(f"equal dropout: {found['ours']:.3f} s, default: {found['ours_default']:.3f} s, plain: {found['peer']:.3f} s")
    print(
        json.dumps(
            {
                "name": "attentive neural process, training step, batch 64, width 128",
                "ours": found["ours"],
                "peer": found["peer"],
                "ratio": found["peer"] / found["ours"],
                "ours_default": found["ours_default"],
                "ratio_default": found["peer"] / found["ours_default"],
                "unit": "s",
                "device": shown,
            }
        )
    )


if __name__ == "__main__":
    main()
