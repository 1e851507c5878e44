"""What all recurrent forecasters share: frames in one after the other, then their own forecasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.core.errors import InputError, near
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Sizes, Traits

State = TypeVar("State")


class SequenceModel(nn.Module, Generic[State], ABC):
    """A network that reads context frames one by one into a state, and then forecasts frame after frame::

        s_t = step(s_{t-1}, f_t)            for the context frames f_0 … f_{T-1}
        f_{t+1} = predict(s_t)              read out after the context, and fed back as the next frame

    No frame is read twice. What is fed back is not differentiated; gradients flow through the state alone, as in the
    published training (arXiv:2507.14793). The state depends on frames, parameters and signals, and the time between
    frames is that of training: position and dt are not seen.

    Args:
        sizes: what the problem needs.
    """

    traits: ClassVar[Traits] = Traits(ignores=("coordinates", "mask", "dt"), recurrent=True)

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes

    @property
    def conditions(self) -> int:
        """Numbers per frame that do not depend on space: parameters, and the signals now and at the next frame."""
        return self.sizes.parameters + 2 * self.sizes.signals

    @abstractmethod
    def init_state(self, frame: Tensor) -> State:
        """The state before any frame, for frames like the given one [B, C, \\*S]."""

    @abstractmethod
    def step(self, state: State, frame: Tensor, condition: Tensor, *, observed: bool = True) -> State:
        """The state after a frame.

        Args:
            state: before.
            frame: [B, C, *S].
            condition: [B, P + 2 G] parameters, signals at this frame, signals at the next.
            observed: a frame of the context, not a forecast of the network itself.
        """

    @abstractmethod
    def predict(self, state: State) -> Tensor:
        """The next frame [B, C, *S]."""

    def forward(
        self,
        x: Float[Tensor, "batch frames_in fields *space"],
        *,
        parameters: Float[Tensor, "batch parameters"],
        signals: Float[Tensor, "batch frames signals"],
        mask: Float[Tensor, "batch 1 *space"],
        coordinates: Float[Tensor, "batch dims *space"],
        dt: Float[Tensor, "cases=batch"],
        inputs: Float[Tensor, "batch inputs *space"],
        frames: int | None = None,
    ) -> Float[Tensor, "batch frames_out fields *space"]:
        """The next frames; see :mod:`sciflow.operators` for the inputs.

        Args:
            frames: how many, with signals at as many times; None means those of the sizes.
        """
        wanted = self.sizes.frames_out if frames is None else frames
        if not torch.compiler.is_compiling():
            sizes = replace(self.sizes, frames_out=wanted)
            check_inputs(sizes, x, parameters, signals, mask, coordinates, dt, inputs)
            self.require_grid(tuple(x.shape[3:]))
        return self.unrolled(x, parameters, signals, wanted)

    def unrolled(self, x: Tensor, parameters: Tensor, signals: Tensor, frames: int) -> Tensor:
        """The next frames [B, frames, C, *S] of context frames [B, T, C, *S]."""
        state = self.init_state(x[:, 0])
        results: list[Tensor] = []
        for time in range(x.shape[1] + frames - 1):
            condition = torch.cat((parameters, signals[:, time], signals[:, time + 1]), 1)
            observed = time < x.shape[1]
            frame = x[:, time] if observed else results[-1].detach()
            state = self.step(state, frame, condition, observed=observed)
            if time >= x.shape[1] - 1:
                results.append(self.predict(state))
        return torch.stack(results, 1)

    def require_grid(self, shape: tuple[int, ...]) -> None:
        """Raise if the network cannot work on a grid of so many points; nothing here.

        Raises:
            InputError: saying what does not fit.
        """


def as_rows(frame: Tensor) -> Tensor:
    """[B, C, *S] -> [B, N, C]"""
    return frame.flatten(2).mT


def as_frame(rows: Tensor, shape: tuple[int, ...]) -> Tensor:
    """[B, N, C] -> [B, C, *S]"""
    return rows.mT.unflatten(2, shape)


def require_odd(name: str, value: Any) -> None:
    """Raise unless ``value`` is an odd whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value % 2 == 0:
        raise InputError(f"{name} must be an odd whole number, so that it has a middle, not {value!r}.")


def require_choice(name: str, value: Any, kind: Any) -> None:
    """Raise unless ``value`` is one of a Literal."""
    if value not in get_args(kind):
        raise InputError(f"{name} cannot be {value!r}.{near(str(value), get_args(kind))}")
