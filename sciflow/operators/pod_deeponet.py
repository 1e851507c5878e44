"""POD-DeepONet: a DeepONet whose trunk is the POD basis of the training targets."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.deeponet import Activation, Branch, axis_points, linear_weights
from sciflow.operators.inputs import case_features, check_inputs
from sciflow.operators.sizes import Requires, Sizes, require_whole

_SMALLEST = 1e-6  # singular values below this fraction of the first are round-off of single precision
_CHUNK = 2**16  # values of each sample in double precision at a time


@final
class PodDeepONet(nn.Module):
    """POD-DeepONet on a regular grid in 1, 2 or 3 dimensions.

        y(s) = ȳ(s) + Σ_k b_k(x, inputs, mask, parameters, signals, dt) σ_k φ_k(s)

    ȳ is the mean of the training targets, φ_k their leading principal directions (all frames and fields together) and
    σ_k the standard deviation of their coefficients, so that the branch b (:class:`~sciflow.operators.deeponet.Branch`)
    has outputs of about 1. :meth:`adapt` computes the three from training targets; they are stored with the weights. No
    answer lies outside the span of the basis, so a target that moves (a front, a vortex street) needs a high rank.

    On another grid than that of the training targets mean and basis are interpolated linearly. Either grid is taken to
    be regular and of the same kind: nodes if the first point of an axis is its end, else cells.

    Args:
        sizes: what the problem needs.
        rank: directions at most; at most as many as there are training targets less one are of use.
        width: channels of the hidden layers of the branch.
        sensors: points per axis at which the branch sees fields.
        activation: "gelu" or "tanh".

    Raises:
        InputError: an option out of range, an input of the wrong shape, or no basis yet.

    Good values: rank 64 to 128 for fields at 64², width 128, 32 sensors (in 3-D 16), with AdamW at 1e-3, gradients
    clipped at 1 and a cosine schedule.

    Source: Lu et al., A comprehensive and fair comparison of two neural operators, CMAME 393 (2022) 114778, section
    3.1.3; coefficients scaled by their deviation instead of by the number of directions.
    """

    name: ClassVar[str] = "pod-deeponet"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=True)

    mean: Tensor  # [T_out, C, *S]
    modes: Tensor  # [rank, T_out, C, *S], multiplied by σ; 0 beyond the number of directions that there are

    def __init__(
        self,
        sizes: Sizes,
        *,
        rank: int = 64,
        width: int = 128,
        sensors: int = 32,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__()
        require_whole("rank", rank, 1)
        self.sizes, self.rank = sizes, rank
        self.branch = Branch(sizes, rank, width=width, sensors=sensors, activation=activation, with_dt=True)
        self.register_buffer("mean", torch.empty(0))
        self.register_buffer("modes", torch.empty(0))

    @torch.no_grad()
    def adapt(self, targets: Float[Tensor, "samples frames_out fields *space"]) -> None:
        """Set mean and basis from training targets, by the Gram matrix of the samples in double precision.

        Raises:
            InputError: there are fewer than two targets, or they have another shape than the network's output.
        """
        expected = (self.sizes.frames_out, self.sizes.fields)
        if targets.ndim != 3 + self.sizes.dims or tuple(targets.shape[1:3]) != expected or len(targets) < 2:
            raise InputError(
                f"A POD basis needs at least two targets [{expected[0]} frames, {expected[1]} fields, "
                f"{self.sizes.dims} space axes], not {list(targets.shape)}."
            )
        mean = targets.mean(0)
        centred = (targets - mean).flatten(1)
        gram = sum((part.double() @ part.double().mT for part in centred.split(_CHUNK, 1)), start=torch.zeros(()))
        values, vectors = torch.linalg.eigh(gram / len(targets))
        values, vectors = values.flip(0)[: self.rank], vectors.flip(1)[:, : self.rank]
        kept = values > _SMALLEST**2 * values[0].clamp_min(torch.finfo(torch.float64).tiny)
        # With G = X X^T / N = V L V^T the rows of V^T X / sqrt(N) are the directions times their deviation sqrt(L).
        scaled = (vectors[:, kept] / len(targets) ** 0.5).mT.to(targets.dtype) @ centred
        modes = centred.new_zeros(self.rank, centred.shape[1])
        modes[: len(scaled)] = scaled
        place = next(self.parameters())
        self.mean = mean.to(place)
        self.modes = modes.unflatten(1, targets.shape[1:]).to(place)

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
    ) -> Float[Tensor, "batch frames_out fields *space"]:
        """The frames asked for; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        if not self.modes.numel():
            raise InputError("The network 'pod-deeponet' has no basis yet; call adapt with training targets first.")
        coefficients = self.branch(x, mask, inputs, coordinates, case_features(parameters, signals, dt))
        mean, modes = self.mean, self.modes
        if mean.shape[2:] != x.shape[3:]:
            mean, modes = (self._interpolated(part, coordinates[:1]) for part in (mean, modes))
        with torch.autocast(x.device.type, enabled=False):  # a basis in bfloat16 would be the largest error
            return mean + torch.tensordot(coefficients.to(mean.dtype), modes, 1)

    def _interpolated(self, values: Tensor, coordinates: Tensor) -> Tensor:
        """Values [..., *S] of the training grid on the grid of a query."""
        axes = values.ndim - self.sizes.dims
        for axis, periodic in enumerate(self.sizes.periodic):
            places = axis_points(coordinates, axis)
            count = values.shape[axes + axis]
            steps = torch.arange(count, device=places.device, dtype=places.dtype)
            if places[0, 0] > 1e-6:
                points = (steps + 0.5) / count
            else:
                points = steps / (count if periodic else max(count - 1, 1))
            matrix = linear_weights(points[None], places[0], periodic)[0].to(values.dtype)
            values = (values.movedim(axes + axis, -1) @ matrix.mT).movedim(-1, axes + axis)
        return values

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take buffers of any shape: a fresh network has none yet."""
        for name in ("mean", "modes"):
            stored = state_dict.get(prefix + name)
            if stored is not None:
                setattr(self, name, getattr(self, name).new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)
