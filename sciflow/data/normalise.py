"""Normalisation of fields, inputs, parameters, signals and time steps, fitted on the training cases alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self, final

import numpy as np
import torch
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.data.moments import Moments
from sciflow.data.reader import Dataset

Constants = Literal["train", "none", "cfdbench"]
# Of the case parameters in CFDBench, what is taken off and what the rest is divided by.
_PUBLISHED = {"rho": (5.0, 4.0), "mu": (0.00238, 0.005), "u_top": (25.0, 50.0), "u_in": (25.0, 50.0)}
_CONSTANT = 1e-7  # relative spread below which float32 values count as equal


@final
class Normaliser(nn.Module):
    """Affine maps between physical units and numbers of order one.

    With the characteristic scale s of a field in its case (1 if none is declared), and mean and standard deviation over
    fluid cells, valid frames and training cases::

        encode:            z = (x / s - mean) / std
        encode_increment:  z = (d / s) / std_increment        d = x(t + step) - x(t); root of the mean of (d / s)^2
        parameters:        z = (p - mean) / std               of log p for parameters with scale "log"; constant: 0
        signals:           z = (g - mean) / std               constant: 0
        inputs:            z = (a - mean) / std               of each input field; constant: 0
        time:              z = (dt / time_scale) / mean       about 1; dt is a step, or with frames_in = 0 a time

    The numbers are float32 buffers, so they move with the device and are saved in the state dict.

    With ``constants="none"`` fields and their increments are left as they are. With ``constants="cfdbench"`` everything
    stays in physical units, as in the CFDBench benchmark (Luo et al. 2023, arXiv:2310.05963), but for its case
    parameters and times::

        density:    (rho - 5) / 4            viscosity:  (mu - 0.00238) / 0.005      speed:  u_top / 50 - 0.5, also u_in
        time:       in frames: divided by the mean time between two of them, which is counted in seconds or in
                    characteristic times of the case, in whichever it varies less in the training data

    Args:
        fields: names of the fields, C.
        parameters: scale ("linear" or "log") by name, P.
        signals: names of the signals, G.
        inputs: names of the input fields, I.
        constants: "train", "none" or "cfdbench".
        flow_time: whether times are divided by the characteristic time of their case.
    """

    mean: Tensor
    std: Tensor
    std_increment: Tensor
    parameter_mean: Tensor
    parameter_factor: Tensor
    signal_mean: Tensor
    signal_factor: Tensor
    input_mean: Tensor
    input_factor: Tensor
    time_mean: Tensor
    logarithmic: Tensor

    def __init__(
        self,
        fields: list[str],
        parameters: dict[str, str],
        signals: list[str],
        inputs: Sequence[str] = (),
        *,
        constants: Constants = "train",
        flow_time: bool = True,
    ) -> None:
        super().__init__()
        self.constants, self.flow_time = constants, flow_time
        self.fields, self.parameter_scales, self.signal_names = list(fields), dict(parameters), list(signals)
        self.input_names = list(inputs)
        sizes = {"mean": len(fields), "std": len(fields), "std_increment": len(fields), "time_mean": ()}
        sizes |= {"parameter_mean": len(parameters), "parameter_factor": len(parameters)}
        sizes |= {"signal_mean": len(signals), "signal_factor": len(signals)}
        sizes |= {"input_mean": len(inputs), "input_factor": len(inputs)}
        for name, size in sizes.items():
            start = torch.zeros(size) if "mean" in name and name != "time_mean" else torch.ones(size)
            # Models saved before there were inputs have no numbers for them.
            self.register_buffer(name, start, persistent=bool(inputs) or not name.startswith("input"))
        logarithmic = torch.tensor([scale == "log" for scale in parameters.values()], dtype=torch.bool)
        self.register_buffer("logarithmic", logarithmic, persistent=False)

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        *,
        step: int = 1,
        frames_in: int = 1,
        constants: Constants = "train",
    ) -> Self:
        """Measure the training cases in one pass over the file; about 64 MiB of memory.

        Args:
            dataset: the training cases, and no others.
            step: distance between the frames of a window, for increments and time steps.
            frames_in: context frames of the windows. With 0, ``dt`` is the time of a frame: ``time`` divides by the
                mean of these (1 if that is 0), and one frame for each case is enough.
            constants: "cfdbench" for the published ones, "none" to leave fields alone; what is measured then only says
                which fields count as small.

        Raises:
            InputError: no case has ``step + 1`` frames, or an input or a valid frame holds NaN or infinity.
        """
        if frames_in and int(dataset.lengths.max()) <= step:
            raise InputError(
                f"The normaliser needs a case with at least {step + 1} frames; the longest has {dataset.lengths.max()}."
            )
        scales = {name: str(dataset.header[name].attrs.get("scale", "linear")) for name in dataset.parameters}
        fitted = cls(dataset.fields, scales, dataset.signals, dataset.inputs)
        states, increments = _field_moments(dataset, step)
        varies = states.std > _CONSTANT * np.abs(states.mean)
        # Increments keep their mean, so it counts: a field may rise by the same amount everywhere.
        change = np.hypot(increments.mean, increments.std)
        moves = change > _CONSTANT * np.hypot(states.mean, states.std)
        fitted._set(mean=states.mean, std=np.where(varies, states.std, 1), std_increment=np.where(moves, change, 1))
        values = dataset.parameter_values()
        logarithmic = np.array([scale == "log" for scale in scales.values()], bool)
        values[:, logarithmic] = np.log(values[:, logarithmic])
        mean, factor = _standard(values)
        fitted._set(parameter_mean=mean, parameter_factor=factor)
        valid = np.arange(dataset.frame_count) < dataset.lengths[:, None]
        mean, factor = _standard(dataset.signal_values()[valid])
        fitted._set(signal_mean=mean, signal_factor=factor)
        mean, factor = _input_moments(dataset)
        fitted._set(input_mean=mean, input_factor=factor)
        if frames_in:
            spacing = dataset.case_times[:, step:] - dataset.case_times[:, :-step]
            average = (spacing / dataset.time_scales()[:, None])[valid[:, step:]].mean()
        else:
            average = np.abs(dataset.case_times / dataset.time_scales()[:, None])[valid].mean() or 1.0
        fitted._set(time_mean=np.asarray(average))
        fitted.constants = constants
        if constants == "cfdbench":
            fitted._take_published(dataset, valid)
        return fitted

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A normaliser of these names; its numbers then come from ``load_state_dict``."""
        later = {name: config[name] for name in ("constants", "flow_time") if name in config}
        return cls(config["fields"], config["parameters"], config["signals"], config.get("inputs", []), **later)

    def config(self) -> dict[str, Any]:
        """Names and scales, as JSON values."""
        return {
            "fields": self.fields,
            "parameters": self.parameter_scales,
            "signals": self.signal_names,
            "inputs": self.input_names,
            "constants": self.constants,
            "flow_time": self.flow_time,
        }

    def encode(self, x: Tensor, scale: Tensor) -> Tensor:
        """Fields [B, T, C, \\*S] in physical units, with their scales [B, C], to normalised ones."""
        if self.constants != "train":
            return x
        return (x / _like(scale, x) - _channel(self.mean, x)) / _channel(self.std, x)

    def decode(self, z: Tensor, scale: Tensor) -> Tensor:
        """The inverse of `encode`."""
        if self.constants != "train":
            return z
        return (z * _channel(self.std, z) + _channel(self.mean, z)) * _like(scale, z)

    def encode_increment(self, d: Tensor, scale: Tensor) -> Tensor:
        """Differences [B, T, C, \\*S] between frames one step apart to normalised ones."""
        if self.constants != "train":
            return d
        return d / _like(scale, d) / _channel(self.std_increment, d)

    def decode_increment(self, z: Tensor, scale: Tensor) -> Tensor:
        """The inverse of `encode_increment`."""
        if self.constants != "train":
            return z
        return z * _channel(self.std_increment, z) * _like(scale, z)

    def parameters(self, recurse: Any = True) -> Any:
        """Case parameters [B, P] to normalised ones; without a tensor, the iterator of ``nn.Module.parameters``."""
        if not isinstance(recurse, Tensor):
            return super().parameters(recurse)
        logarithm = recurse.clamp(min=torch.finfo(recurse.dtype).tiny).log()
        return (torch.where(self.logarithmic, logarithm, recurse) - self.parameter_mean) * self.parameter_factor

    def signals(self, s: Tensor) -> Tensor:
        """Signals [..., G] to normalised ones."""
        return (s - self.signal_mean) * self.signal_factor

    def inputs(self, a: Tensor) -> Tensor:
        """Input fields [B, I, \\*S] to normalised ones."""
        return (a - _channel(self.input_mean, a, 2)) * _channel(self.input_factor, a, 2)

    def time(self, dt: Tensor, time_scale: Tensor) -> Tensor:
        """Time steps, or times, [B] in seconds, with characteristic times [B], to multiples of the mean in training."""
        return (dt / time_scale if self.flow_time else dt) / self.time_mean

    def _take_published(self, dataset: Dataset, valid: np.ndarray) -> None:
        """Replace what was measured of parameters, signals, inputs and times by the constants of CFDBench."""
        self.parameter_scales = dict.fromkeys(self.parameter_scales, "linear")
        self.logarithmic.fill_(False)
        known = [_PUBLISHED.get(name, (0.0, 1.0)) for name in self.parameter_scales]
        mean, width = np.array(known, np.float64).reshape(-1, 2).T
        self._set(parameter_mean=mean, parameter_factor=1 / width)
        for kind, names in (("signal", self.signal_names), ("input", self.input_names)):
            self._set(**{f"{kind}_mean": np.zeros(len(names)), f"{kind}_factor": np.ones(len(names))})
        gaps = np.diff(dataset.case_times, axis=1)
        clocks = [(gaps / unit[:, None])[valid[:, 1:]] for unit in (np.ones(len(gaps)), dataset.time_scales())]
        if clocks[0].size:
            spread = [clock.std() / clock.mean() for clock in clocks]
            self.flow_time = bool(spread[1] < spread[0])
            self._set(time_mean=clocks[int(self.flow_time)].mean())

    def _set(self, **values: np.ndarray) -> None:
        for name, value in values.items():
            getattr(self, name).copy_(torch.from_numpy(np.asarray(value, np.float32)))


def _field_moments(dataset: Dataset, step: int) -> tuple[Moments, Moments]:
    """Moments of the fields and of their increments, in the scales of each case, over fluid cells."""
    states, increments = Moments(len(dataset.fields)), Moments(len(dataset.fields))
    scales, masks = dataset.field_scales(), dataset.mask_values()
    for position, begin, block in dataset.blocks(overlap=step):
        values = block.reshape(*block.shape[:2], -1).astype(np.float64) / scales[position][:, None]
        if masks is not None:
            values = values[:, :, masks[position if len(masks) > 1 else 0].ravel()]
        if not np.isfinite(values).all():
            frame = begin + int(np.argmin(np.isfinite(values).all(axis=(1, 2))))
            raise InputError(f"The data holds NaN or infinity in case {dataset.cases[position]}, frame {frame}.")
        last = begin + len(block) == dataset.lengths[position]
        states.add(values if last else values[:-step])
        increments.add(values[step:] - values[:-step])
    return states, increments


def _input_moments(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 1 / standard deviation of each input field over fluid cells and cases; 0 for a constant one."""
    moments, masks = Moments(len(dataset.inputs)), dataset.mask_values()
    for position in range(len(dataset) if dataset.inputs else 0):
        values = dataset.select(dataset.cases[position : position + 1]).input_values()
        values = values.reshape(*values.shape[:2], -1).astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError(f"The data holds NaN or infinity in an input field of case {dataset.cases[position]}.")
        moments.add(values if masks is None else values[:, :, masks[position if len(masks) > 1 else 0].ravel()])
    varies = moments.std > _CONSTANT * np.abs(moments.mean)
    return moments.mean, np.where(varies, 1 / np.where(varies, moments.std, 1.0), 0.0)


def _standard(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 1 / standard deviation of the columns of [N, K]; 0 for a constant column."""
    if values.shape[1] == 0:
        return np.zeros(0), np.zeros(0)
    constant = np.ptp(values, axis=0) <= _CONSTANT * np.abs(values).max(axis=0)
    return values.mean(axis=0), np.where(constant, 0.0, 1 / np.where(constant, 1.0, values.std(axis=0)))


def _like(scale: Tensor, fields: Tensor) -> Tensor:
    """Scales [B, C] shaped to multiply [B, T, C, *S]."""
    return scale.reshape(scale.shape[0], 1, scale.shape[1], *[1] * (fields.ndim - 3))


def _channel(values: Tensor, fields: Tensor, lead: int = 3) -> Tensor:
    """Numbers [C] shaped to multiply [B, T, C, *S], or [B, C, *S] with ``lead=2``."""
    return values.reshape(-1, *[1] * (fields.ndim - lead))
