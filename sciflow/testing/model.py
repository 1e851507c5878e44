"""Conformance of a network: it learns, uses what it is given, and treats each sample by itself."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError
from sciflow.testing.report import Check, Test, ensure, require, run

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from sciflow.operators.sizes import Sizes, Traits

    Model = str | Callable[..., nn.Module]

_BATCH = 3
_SHAPES = {1: (24,), 2: (12, 16), 3: (8, 8, 10)}
_SETTLE = 3  # steps before gradients and inputs are looked at: layers that start at zero then pass them on
_STEPS, _FIT = 400, 0.05  # steps allowed to over-fit a batch, and the error to reach relative to predicting the mean
_RATES = (3e-3, 1e-3)
_ADAPTED = 30  # training targets shown to a network that adapts itself to them


def check_model(model: Model, sizes: Sizes | None = None, shape: tuple[int, ...] | None = None, **config: Any) -> None:
    """Assert that a network passes every check of `run_model_checks`.

    Raises:
        AssertionError: names each failed check and what was found.
        InputError: there is no such network, or it is not made for these sizes.
    """
    name = model if isinstance(model, str) else getattr(model, "name", None) or getattr(model, "__name__", "network")
    require(f"Network '{name}'", run_model_checks(model, sizes, shape, **config))


def run_model_checks(
    model: Model, sizes: Sizes | None = None, shape: tuple[int, ...] | None = None, **config: Any
) -> list[Check]:
    """The results of all checks of a network.

    - output: shape [B, T_out, C, *S], finite, the same for the same input; a recurrent network gives as many frames as
      it is asked for, of which the first are the same;
    - inputs: every context frame and field, input field, parameter, signal, the mask (where the sizes have one) and dt
      change it, but for those that its traits say it ignores, which do not;
    - gradients: one reaches every parameter;
    - batch: a sample gives the same alone as in a batch, in evaluation and, dropout aside, in training (unless its
      traits name batch statistics);
    - over-fitting: a batch is learned to 5 % of its variance, outside solid cells, in at most 400 steps of Adam (as a
      change of the last frame, where its traits say that this is added, or the option ``residual`` of a recurrent one);
    - state: a second network that loads the state gives the same output.

    Args:
        model: name in the registry of networks, or a class that is called with `sizes` and `config`.
        sizes: sizes of its tensors; by default 2-D, two fields, two parameters, one signal, two frames in, with a mask.
            Their grid is that of ``shape``.
        shape: points along each space axis, in tensor order.
        config: options of the network; small ones make the checks quick.

    Raises:
        InputError: there is no such network, or it is not made for these sizes.
    """
    from sciflow.operators.sizes import Sizes

    sizes = sizes or Sizes(fields=2, dims=2, parameters=2, signals=1, frames_in=2, mask=True)
    shape = shape or _SHAPES[sizes.dims]
    if len(shape) != sizes.dims:
        raise InputError(f"The shape {shape} has {len(shape)} axes, but the sizes have {sizes.dims}; make them equal.")
    sizes = replace(sizes, grid=tuple(shape))
    suite = _Suite(_maker(model, sizes, config), sizes, shape)
    tests: list[Test] = [
        ("output", suite.output),
        ("inputs", suite.inputs),
        ("gradients", suite.gradients),
        ("batch", suite.batch),
        ("over-fitting", suite.overfitting),
        ("state", suite.state),
    ]
    return run([(name, partial(_seeded, function)) for name, function in tests])


def _maker(model: Model, sizes: Sizes, config: dict[str, Any]) -> Callable[[], nn.Module]:
    if isinstance(model, str):
        from sciflow.operators import build

        build(model, sizes, **config)  # what does not fit at all is an error of the caller, no failed check
        return partial(build, model, sizes, **config)
    requires = getattr(model, "requires", None)
    objection = requires.objection(sizes) if requires is not None else None
    if objection:
        raise InputError(f"The network '{getattr(model, 'name', model)}' {objection}; give other sizes.")
    return partial(model, sizes, **config)


def _seeded(function: Callable[[], str]) -> str:
    """Run with a fixed seed, and leave the caller's random numbers as they were."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return function()


class _Suite:
    """The checks of one network at one size."""

    def __init__(self, make: Callable[[], nn.Module], sizes: Sizes, shape: tuple[int, ...]) -> None:
        self._make, self._sizes, self._shape = make, sizes, shape

    def output(self) -> str:
        import torch

        network, batch = self._new().eval(), self._batch()
        with torch.no_grad():
            first, second = network(**batch), network(**batch)
        expected = (_BATCH, self._sizes.frames_out, self._sizes.fields, *self._shape)
        ensure(tuple(first.shape) == expected, f"the output has shape {tuple(first.shape)}, expected {expected}")
        ensure(bool(first.isfinite().all()), "the output holds NaN or infinity")
        ensure(bool(torch.equal(first, second)), "the same input gives different outputs in evaluation")
        if self._traits(network).recurrent:
            self._longer(network, batch, first)
        count = sum(parameter.numel() for parameter in network.parameters())
        return f"{list(expected)}, {count:,} parameters"

    def _longer(self, network: nn.Module, batch: dict[str, Tensor], first: Tensor) -> None:
        """Ask a recurrent network for two frames more."""
        import torch

        signals = torch.cat([batch["signals"], batch["signals"][:, -1:].expand(-1, 2, -1)], 1)
        frames = first.shape[1] + 2
        with torch.no_grad():
            more = network(**{**batch, "signals": signals}, frames=frames)
        ensure(more.shape[1] == frames, f"asked for {frames} frames, it gives {more.shape[1]}")
        same = torch.equal(more[:, : first.shape[1]], first)
        ensure(same, "the first frames differ when more are asked for")

    def inputs(self) -> str:
        import torch

        network, batch = self._settled(), self._batch()
        ignored = self._traits(network).ignores
        with torch.no_grad():
            reference = network(**batch)
            scale = float(reference.std()) or 1.0
            for label, changed in self._variations(batch):
                change = float((network(**changed) - reference).abs().max())
                if label.split()[0] in ignored:
                    ensure(change == 0, f"{label} changes the output, but the traits say that it is ignored")
                else:
                    ensure(change > 1e-6 * scale, f"{label} does not change the output")
        return ", ".join(dict.fromkeys(label.split()[0] for label, _ in self._variations(batch)))

    def gradients(self) -> str:
        network, batch = self._settled().train(), self._batch()
        network.zero_grad(set_to_none=True)
        output = network(**batch)
        (output * _like(output)).sum().backward()
        dead = [
            name
            for name, parameter in network.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not bool(parameter.grad.abs().max() > 0))
        ]
        ensure(not dead, f"no gradient reaches {', '.join(dead)}")
        return f"{len(list(network.parameters()))} tensors"

    def batch(self) -> str:
        import torch

        network, batch = self._settled(), self._batch()
        for dropout in (part for part in network.modules() if "Dropout" in type(part).__name__):
            dropout.p = 0.0
        worst = 0.0
        for mode in (False,) if self._traits(network).batch_statistics else (False, True):
            network.train(mode)
            with torch.no_grad():
                together = network(**batch)
                alone = torch.cat([network(**{k: v[i : i + 1] for k, v in batch.items()}) for i in range(_BATCH)])
            difference = float((together - alone).abs().max()) / (float(together.std()) or 1.0)
            place = "training" if mode else "evaluation"
            ensure(
                difference < 1e-4, f"a sample alone differs by {difference:.1e} from the same in a batch, in {place}"
            )
            worst = max(worst, difference)
        return f"differs by {worst:.0e}"

    def overfitting(self) -> str:
        import torch

        batch = self._batch()
        target = self._target()
        variance = float(target.var())
        best = float("inf")
        for rate in _RATES:
            network = self._new().train()
            traits = self._traits(network)
            changes = traits.residual or (traits.recurrent and getattr(network, "residual", False))
            base = batch["x"][:, -1:] if changes else torch.zeros(())
            optimiser = _adam(network, rate)
            for step in range(1, _STEPS // len(_RATES) + 1):
                error = ((network(**batch) - base - target) * batch["mask"][:, None]).square().mean()
                ensure(bool(error.isfinite()), f"the error on one batch is NaN or infinite at step {step}")
                best = min(best, float(error.detach()) / variance)
                if best < _FIT:
                    return f"error {best:.1%} of the variance after {step} steps"
                optimiser.zero_grad()
                error.backward()
                optimiser.step()
        raise AssertionError(f"the error on one batch stays at {best:.1%} of the variance")

    def state(self) -> str:
        import torch
        from safetensors.torch import load, save

        network, batch = self._settled(), self._batch()
        stored = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
        torch.manual_seed(1)
        other = self._new().eval()
        other.load_state_dict(load(stored))
        with torch.no_grad():
            difference = float((network(**batch) - other(**batch)).abs().max())
        ensure(difference == 0, f"a network with the same state gives an output that differs by {difference:.1e}")
        return f"{len(stored):,} bytes"

    def _new(self) -> nn.Module:
        """A new network; one that adapts itself to training targets has seen the smooth ones among noisy ones."""
        import torch

        network = self._make()
        if adapt := getattr(network, "adapt", None):
            target, generator = self._target(), torch.Generator().manual_seed(2)
            noise = 0.1 * torch.randn(_ADAPTED, *target.shape[1:], generator=generator)
            adapt(torch.cat([target, target[torch.arange(_ADAPTED) % len(target)] + noise]))
        return network

    @staticmethod
    def _traits(network: nn.Module) -> Traits:
        from sciflow.operators.sizes import Traits

        traits = getattr(network, "traits", Traits())
        assert isinstance(traits, Traits)
        return traits

    def _settled(self) -> nn.Module:
        """A network after a few steps, in evaluation mode; the same for every check."""
        return deepcopy(self._trained).eval()

    @cached_property
    def _trained(self) -> nn.Module:
        network, batch = self._new().train(), self._batch()
        optimiser = _adam(network, 1e-3)
        for _ in range(_SETTLE):
            optimiser.zero_grad()
            (network(**batch) - self._target()).square().mean().backward()
            optimiser.step()
        optimiser.zero_grad()
        return network

    def _batch(self) -> dict[str, Tensor]:
        """Random inputs of a network, the same each time."""
        import torch

        sizes, generator = self._sizes, torch.Generator().manual_seed(0)
        frames = sizes.frames_in + sizes.frames_out
        points = [(torch.arange(count) + 0.5) / count for count in self._shape]
        coordinates = torch.stack(torch.meshgrid(*points, indexing="ij"))
        solid = torch.rand(_BATCH, 1, *self._shape, generator=generator) < 0.2
        mask = torch.where(solid & torch.tensor(sizes.mask), 0.0, 1.0)
        x = torch.randn(_BATCH, sizes.frames_in, sizes.fields, *self._shape, generator=generator)
        return {
            "x": x * mask[:, None],
            "parameters": torch.randn(_BATCH, sizes.parameters, generator=generator),
            "signals": torch.randn(_BATCH, frames, sizes.signals, generator=generator),
            "mask": mask,
            "coordinates": coordinates.expand(_BATCH, *coordinates.shape).clone(),
            "dt": 0.8 + 0.4 * torch.rand(_BATCH, generator=generator),
            "inputs": torch.randn(_BATCH, sizes.inputs, *self._shape, generator=generator) * mask,
        }

    def _target(self) -> Tensor:
        """A smooth target that differs by sample, field and frame: waves along each axis."""
        import torch

        generator = torch.Generator().manual_seed(1)
        size = (_BATCH, self._sizes.frames_out, self._sizes.fields)
        target = torch.zeros(*size, *self._shape)
        for axis, count in enumerate(self._shape):
            phase = 2 * torch.pi * torch.rand(*size, 1, generator=generator)
            wave = torch.cos(2 * torch.pi * torch.arange(count) / count + phase)
            target += wave.reshape(*size, *(count if index == axis else 1 for index in range(len(self._shape))))
        return target

    def _variations(self, batch: dict[str, Tensor]) -> list[tuple[str, dict[str, Tensor]]]:
        """Each input changed in one of its parts."""
        sizes = self._sizes
        parts: list[tuple[str, str, tuple[Any, ...]]] = []
        for frame in range(sizes.frames_in):
            for field in range(sizes.fields):
                parts.append((f"x (frame {frame}, field {field})", "x", (slice(None), frame, field)))
        parts += [(f"inputs ({index})", "inputs", (slice(None), index)) for index in range(sizes.inputs)]
        parts += [(f"parameters ({index})", "parameters", (slice(None), index)) for index in range(sizes.parameters)]
        parts += [
            (f"signals (frame {frame}, number {index})", "signals", (slice(None), frame, index))
            for frame in range(sizes.frames_in + sizes.frames_out)
            for index in range(sizes.signals)
        ]
        parts += [("dt", "dt", (slice(None),))]
        out = []
        for label, name, where in parts:
            changed = batch[name].clone()
            changed[where] = changed[where] * 0.5 + 0.3
            out.append((label, {**batch, name: changed}))
        if sizes.mask:
            out.append(("mask", {**batch, "mask": batch["mask"].flip(-1)}))
        return out


def _adam(network: nn.Module, rate: float) -> torch.optim.Adam:
    """The optimiser, all tensors in one call where it can: small networks otherwise wait for it, not for gradients."""
    import torch

    fused = all(parameter.is_floating_point() for parameter in network.parameters())
    return torch.optim.Adam(network.parameters(), lr=rate, fused=fused)


def _like(output: torch.Tensor) -> torch.Tensor:
    """Fixed random weights of the shape of the output."""
    import torch

    return torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
