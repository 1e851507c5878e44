"""Networks of neural processes: counts, symmetries, and the two ways of attention."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sciflow.conservation.neural_process import AttentiveNetwork, ConditionalNetwork
from sciflow.conservation.neural_process.dropout import dropout
from sciflow.conservation.neural_process.network import Gaussian, ProcessNetwork, linear
from sciflow.core import InputError

ROOT = Path(__file__).resolve().parents[3]


def small(kind: str) -> ProcessNetwork:
    torch.manual_seed(0)
    if kind == "attentive":
        return AttentiveNetwork(3, 2, width=16, heads=4, decoder_layers=2).eval()
    return ConditionalNetwork(3, 2, width=16).eval()


def answer(network: ProcessNetwork, points: Tensor, values: Tensor, targets: Tensor, **options: bool) -> Tensor:
    """Means and deviations with the mean of z."""
    latent = network.latent(points, values)
    z = None if latent is None else latent.mean
    return torch.cat(network.decode(network.encode(points, values), z, targets, **options), dim=-1)


def test_the_attentive_network_has_the_published_number_of_parameters() -> None:
    """Hansen et al. (2023): 989,826, as stored in their weights."""
    count = sum(weight.numel() for weight in AttentiveNetwork(2, 1).parameters())
    assert count == 989_826


def test_it_is_the_plain_module_written_from_the_specification() -> None:
    """The loss of the module in the benchmark, with copied weights and the same draw of z."""
    spec = importlib.util.spec_from_file_location("peer_anp", ROOT / "benchmarks" / "peers" / "anp.py")
    assert spec is not None and spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    torch.manual_seed(0)
    ours, plain = AttentiveNetwork(2, 1), peer.PlainProcess()
    plain.load_state_dict(ours.state_dict())
    peer.require_equal(ours, plain, tuple(torch.rand(3, 12, size) for size in (2, 1, 2, 1)))


@pytest.mark.parametrize("kind", ["attentive", "conditional"])
def test_a_gradient_reaches_every_parameter(kind: str) -> None:
    network = small(kind).train()
    points, values, targets = torch.rand(2, 7, 3), torch.rand(2, 7, 2), torch.rand(2, 5, 3)
    latent = network.latent(points, values)
    z = None if latent is None else latent.draw()
    mean, deviation = network.decode(network.encode(points, values), z, targets)
    (mean.square().sum() + deviation.sum()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and float(weight.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("kind", ["attentive", "conditional"])
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), known=st.integers(1, 9), asked=st.integers(1, 9))
def test_contexts_are_sets_and_targets_are_answered_one_by_one(kind: str, seed: int, known: int, asked: int) -> None:
    """Float32 sums in another order differ by some 1e-6."""
    network, generator = small(kind), torch.Generator().manual_seed(seed)
    points, values, targets = (
        torch.rand(2, n, k, generator=generator) for n, k in ((known, 3), (known, 2), (asked, 3))
    )
    order, other = torch.randperm(known, generator=generator), torch.randperm(asked, generator=generator)
    found = answer(network, points, values, targets)
    torch.testing.assert_close(
        answer(network, points[:, order], values[:, order], targets), found, atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        answer(network, points, values, targets[:, other]), found[:, other], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(answer(network, points, values, targets[:, :1]), found[:, :1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(answer(network, points[1:], values[1:], targets[1:]), found[1:], atol=1e-5, rtol=1e-4)


def test_the_attention_that_can_be_differentiated_twice_gives_the_same() -> None:
    network = small("attentive")
    points, values, targets = torch.rand(2, 7, 3), torch.rand(2, 7, 2), torch.rand(2, 5, 3, requires_grad=True)
    fused, plain = (answer(network, points, values, targets, twice=twice) for twice in (False, True))
    torch.testing.assert_close(fused, plain, atol=1e-6, rtol=1e-5)
    (first,) = torch.autograd.grad(plain.sum(), targets, create_graph=True)
    (again,) = torch.autograd.grad(fused.sum(), targets)
    torch.testing.assert_close(first, again, atol=1e-5, rtol=1e-4)
    (second,) = torch.autograd.grad(first.square().sum(), targets)
    assert float(second.abs().sum()) > 0


def test_the_divergence_is_that_of_torch() -> None:
    torch.manual_seed(0)
    a, b = (Gaussian(torch.randn(3, 5), torch.randn(3, 5)) for _ in range(2))
    normal = [torch.distributions.Normal(g.mean, (g.log_variance / 2).exp()) for g in (a, b)]
    expected = torch.distributions.kl_divergence(*normal).sum()
    torch.testing.assert_close(a.divergence(b), expected)
    assert float(a.divergence(a)) == 0.0
    many = Gaussian(torch.full((100_000,), 2.0), torch.full((100_000,), -1.0)).draw()
    assert float(many.mean()) == pytest.approx(2.0, abs=0.01)  # five standard errors
    assert float(many.var()) == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.025)


def test_the_deviation_is_never_below_a_thousandth() -> None:
    network = small("conditional")
    with torch.no_grad():
        network.decoder.out.bias.fill_(-100.0)  # type: ignore[union-attr]
        found = answer(network, torch.rand(2, 7, 3), torch.rand(2, 7, 2), torch.rand(2, 5, 3))
    torch.testing.assert_close(found[..., 2:], torch.full((2, 5, 2), 1e-3))


def test_weights_start_as_xavier_says() -> None:
    """Uniform within √(6 / (in + out)), times √2 before a ReLU."""
    torch.manual_seed(0)
    bound = (6 / 500) ** 0.5
    assert float(linear(200, 300).weight.detach().abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(linear(200, 300, relu=True).weight.detach().abs().max()) == pytest.approx(2**0.5 * bound, rel=1e-3)


def test_dropout_keeps_the_mean_and_the_rate() -> None:
    torch.manual_seed(0)
    for rate in (0.1, 0.5):
        x = torch.ones(1_000_001, requires_grad=True)
        found = dropout(x, rate)
        assert float((found == 0).float().mean()) == pytest.approx(rate, abs=3e-3)  # six standard errors at 0.5
        assert float(found.detach().max()) == pytest.approx(1 / (1 - rate))
        (gradient,) = torch.autograd.grad(found.sum(), x)
        torch.testing.assert_close(gradient, found.detach())
    assert dropout(x, 0.0) is x


def test_dropout_is_on_only_while_training() -> None:
    points, values, targets = torch.rand(1, 7, 3), torch.rand(1, 7, 2), torch.rand(1, 5, 3)
    torch.manual_seed(0)
    network = AttentiveNetwork(3, 2, width=16, attention_dropout=0.3)
    for fused in (True, False):
        network.train()
        noisy = [answer(network, points, values, targets, twice=not fused) for _ in range(2)]
        assert not torch.equal(*noisy)
        network.eval()
        calm = [answer(network, points, values, targets, twice=not fused) for _ in range(2)]
        assert torch.equal(*calm)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"width": 10, "heads": 4}, "multiple of the number of heads"), ({"dropout": 1.0}, "below 1")],
)
def test_sizes_that_do_not_fit_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        AttentiveNetwork(2, 1, **options)  # type: ignore[arg-type]
