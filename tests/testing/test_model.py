"""Each check of a network finds the fault that it is there for, and lets a sound network pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Requires, Sizes, Traits
from sciflow.testing import Check, check_model, run_model_checks

SIZES = Sizes(2, 1, parameters=2, signals=1, frames_in=2, frames_out=1, periodic=(True,), mask=True, inputs=2)
MAP = Sizes(fields=2, dims=1, parameters=1, frames_in=0, periodic=(True,), inputs=1)
SHAPE = (10,)


class Sound(nn.Module):
    """Two convolutions with everything else as channels."""

    name = "sound"
    requires = Requires(dims=(1,))

    def __init__(self, sizes: Sizes, *, width: int = 24) -> None:
        super().__init__()
        self.sizes = sizes
        self.lift = nn.Conv1d(sizes.channels_in + 2, width, 1)  # frames, inputs, mask, position
        self.condition = nn.Linear(sizes.conditions, width)
        self.middle = nn.Conv1d(width, width, 5, padding=2)
        self.out = nn.Conv1d(width, sizes.channels_out, 1)

    def gather(self, parameters: Tensor, signals: Tensor, dt: Tensor) -> Tensor:
        return torch.cat([parameters, signals.flatten(1), dt[:, None]], dim=1)

    def forward(
        self,
        x: Tensor,
        *,
        parameters: Tensor,
        signals: Tensor,
        mask: Tensor,
        coordinates: Tensor,
        dt: Tensor,
        inputs: Tensor,
    ) -> Tensor:
        hidden = self.lift(torch.cat([x.flatten(1, 2), inputs, mask, coordinates], dim=1))
        hidden = hidden + self.condition(self.gather(parameters, signals, dt))[..., None]
        hidden = self.activate(torch.tanh(self.middle(torch.tanh(hidden))))
        return self.out(hidden).unflatten(1, (self.sizes.frames_out, self.sizes.fields))

    def activate(self, hidden: Tensor) -> Tensor:
        return hidden


class Recurrent(Sound):
    """Repeats its frame for as long as it is asked to; rightly with a fault of 0."""

    traits = Traits(recurrent=True)
    fault = 0.0

    def forward(self, x: Tensor, *, signals: Tensor, frames: int | None = None, **others: Tensor) -> Tensor:
        result = super().forward(x, signals=signals[:, : self.sizes.frames], **others)
        return result if frames is None else (result + self.fault).expand(-1, frames, *[-1] * (result.ndim - 2))


class StopsEarly(Recurrent):
    def forward(self, x: Tensor, *, frames: int | None = None, **others: Tensor) -> Tensor:
        return super().forward(x, **others)


class ChangesWithLength(Recurrent):
    fault = 0.1


class IgnoresStep(Sound):
    def gather(self, parameters: Tensor, signals: Tensor, dt: Tensor) -> Tensor:
        return super().gather(parameters, signals, torch.ones_like(dt))


class IgnoresLastSignal(Sound):
    def gather(self, parameters: Tensor, signals: Tensor, dt: Tensor) -> Tensor:
        return super().gather(parameters, torch.cat([signals[:, :-1], 0 * signals[:, -1:]], dim=1), dt)


class IgnoresParameter(Sound):
    def gather(self, parameters: Tensor, signals: Tensor, dt: Tensor) -> Tensor:
        return super().gather(parameters * torch.tensor([1.0, 0.0]), signals, dt)


class IgnoresMask(Sound):
    def forward(self, x: Tensor, *, mask: Tensor, **others: Tensor) -> Tensor:
        return super().forward(x, mask=torch.ones_like(mask), **others)


class IgnoresFirstFrame(Sound):
    def forward(self, x: Tensor, **others: Tensor) -> Tensor:
        return super().forward(torch.cat([0 * x[:, :1], x[:, 1:]], dim=1), **others)


class IgnoresInput(Sound):
    def forward(self, x: Tensor, *, inputs: Tensor, **others: Tensor) -> Tensor:
        return super().forward(x, inputs=torch.cat([inputs[:, :1], 0 * inputs[:, 1:]], dim=1), **others)


class NormalisesBatch(Sound):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.norm = nn.BatchNorm1d(24)

    def activate(self, hidden: Tensor) -> Tensor:
        return self.norm(hidden)


class MixesSamples(Sound):
    def activate(self, hidden: Tensor) -> Tensor:
        return hidden - hidden.mean(dim=0, keepdim=True)


class DeadParameter(Sound):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.unused = nn.Parameter(torch.ones(3))


class Detached(Sound):
    def activate(self, hidden: Tensor) -> Tensor:
        return hidden.detach()


class CannotLearn(Sound):
    """Its output is the same for every sample, up to a little."""

    def activate(self, hidden: Tensor) -> Tensor:
        return 1e-4 * hidden


class WrongShape(Sound):
    def forward(self, x: Tensor, **others: Tensor) -> Tensor:
        return super().forward(x, **others)[:, 0]


class Noisy(Sound):
    def activate(self, hidden: Tensor) -> Tensor:
        return hidden + 0.1 * torch.randn_like(hidden)


class NotANumber(Sound):
    def activate(self, hidden: Tensor) -> Tensor:
        return hidden / 0 - hidden / 0


class HiddenState(Sound):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.scale = 1 + torch.rand(24, 1)

    def activate(self, hidden: Tensor) -> Tensor:
        return hidden * self.scale


class WithDropout(Sound):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.dropout = nn.Dropout(0.1)

    def activate(self, hidden: Tensor) -> Tensor:
        return self.dropout(hidden)


class StartsAtZero(Sound):
    """Its last layer starts at zero, as residual networks do: nothing passes before the first step."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)


def results(model: type[nn.Module], **config: int) -> dict[str, Check]:
    return {check.name: check for check in run_model_checks(model, SIZES, SHAPE, **config)}


@pytest.mark.parametrize("model", [Sound, WithDropout, StartsAtZero, Recurrent])
def test_sound_networks_pass(model: type[nn.Module]) -> None:
    checks = results(model)
    assert [check for check in checks.values() if not check.passed] == []
    assert list(checks) == ["output", "inputs", "gradients", "batch", "over-fitting", "state"]


def test_networks_without_context_frames_are_checked_too() -> None:
    checks = {check.name: check for check in run_model_checks(Sound, MAP, SHAPE)}
    assert checks["inputs"].detail == "inputs, parameters, dt"
    bare = Sizes(fields=1, dims=1, parameters=1, frames_in=0)
    assert [check.passed for check in run_model_checks("fno", bare, (16,), width=16, modes=6)] == 6 * [True]


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (StopsEarly, "output", "asked for 3 frames, it gives 1"),
        (ChangesWithLength, "output", "the first frames differ when more are asked for"),
        (IgnoresStep, "inputs", "dt does not change the output"),
        (IgnoresLastSignal, "inputs", "signals (frame 2, number 0) does not change the output"),
        (IgnoresParameter, "inputs", "parameters (1) does not change the output"),
        (IgnoresMask, "inputs", "mask does not change the output"),
        (IgnoresFirstFrame, "inputs", "x (frame 0, field 0) does not change the output"),
        (IgnoresInput, "inputs", "inputs (1) does not change the output"),
        (NormalisesBatch, "batch", "a sample alone differs by"),
        (MixesSamples, "batch", "in evaluation"),
        (DeadParameter, "gradients", "no gradient reaches unused"),
        (Detached, "gradients", "no gradient reaches lift.weight, lift.bias, condition.weight"),
        (CannotLearn, "over-fitting", "the error on one batch stays at"),
        (WrongShape, "output", "the output has shape (3, 2, 10), expected (3, 1, 2, 10)"),
        (Noisy, "output", "the same input gives different outputs"),
        (NotANumber, "output", "the output holds NaN or infinity"),
        (HiddenState, "state", "a network with the same state gives an output that differs by"),
    ],
)
def test_each_fault_is_found(model: type[nn.Module], name: str, message: str) -> None:
    check = results(model)[name]
    assert not check.passed
    assert message in check.detail


def test_batch_normalisation_fails_nothing_else() -> None:
    assert [name for name, check in results(NormalisesBatch).items() if not check.passed] == ["batch"]


class Unlike(NormalisesBatch):
    """Ignores the mask, normalises with the batch, and adds the last frame; and says so."""

    traits = Traits(ignores=("mask",), residual=True, batch_statistics=True)

    def forward(self, x: Tensor, *, mask: Tensor, **others: Tensor) -> Tensor:
        return x[:, -1:] + super().forward(x, mask=torch.ones_like(mask), **others)


class SaysTooMuch(Sound):
    traits = Traits(ignores=("dt",))


def test_what_traits_declare_is_allowed_and_held_to() -> None:
    assert [check for check in results(Unlike).values() if not check.passed] == []
    wrong = [check for check in results(SaysTooMuch).values() if not check.passed]
    assert [check.name for check in wrong] == ["inputs"]
    assert "dt changes the output, but the traits say that it is ignored" in wrong[0].detail


def test_failures_are_raised_with_their_names() -> None:
    with pytest.raises(AssertionError, match=r"(?s)Network 'sound' fails 1 of its checks.*gradients: no gradient"):
        check_model(DeadParameter, SIZES, SHAPE)
    check_model(Sound, SIZES, SHAPE, width=32)


def test_caller_keeps_its_random_numbers() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run_model_checks(WrongShape, SIZES, SHAPE)
    assert torch.rand(1) == expected


def test_wrong_requests_are_input_errors() -> None:
    with pytest.raises(InputError, match=r"'sound' handles 1 space axes, the problem has 2; give other sizes"):
        check_model(Sound, Sizes(fields=1, dims=2))
    with pytest.raises(InputError, match="no network named 'fnoo'. Did you mean 'fno'"):
        check_model("fnoo", SIZES)
    with pytest.raises(InputError, match="has no option 'widht'. Did you mean 'width'"):
        check_model("fno", SIZES, widht=8)
    with pytest.raises(InputError, match=r"shape \(4, 4\) has 2 axes, but the sizes have 1"):
        check_model(Sound, SIZES, (4, 4))


def test_an_error_inside_a_network_is_a_failed_check() -> None:
    class Broken(Sound):
        def forward(self, x: Tensor, **others: Tensor) -> Tensor:
            raise RuntimeError("out of order")

    assert results(Broken)["output"] == Check("output", False, "RuntimeError: out of order")
