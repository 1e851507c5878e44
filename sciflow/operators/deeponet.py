"""Deep operator network, and the branch network that it shares with its POD variant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, require_whole

Activation = Literal["gelu", "tanh"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": functional.gelu, "tanh": torch.tanh}
_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_COARSEST = 4  # points per axis at which the convolutional branch becomes a vector
_TICKS = 1e5  # in the unit of dt: to what part it is told apart
_CHANNELS = 16  # of its finest level; doubled with each halving


@final
class DeepONet(nn.Module):
    """Deep operator network on any grid in 1, 2 or 3 dimensions.

        y_c(s) = Σ_k b_ck(x, inputs, mask, parameters, signals) t_ck(s, dt) / √latent + d_c

    for each of the c = 1 … T_out C outputs, which have their own part of the branch b and of the trunk t. The branch
    (:class:`Branch`) sees fields at ``sensors`` points per axis, to which they are averaged from any grid; the trunk is
    a perceptron of the position s and dt, so the answer can be asked for at any points. A position on a periodic axis
    enters as cos 2πks and sin 2πks, on others as 2s - 1 and cos πks, k = 1 … ``waves``. Boundary conditions are not
    built in. Where the samples of a batch share their coordinates (an expanded tensor) the trunk is evaluated once for
    each different dt instead of once for each sample.

    Args:
        sizes: what the problem needs.
        width: channels of the hidden layers of branch and trunk.
        latent: basis functions for each output.
        depth: hidden layers of the trunk; the branch has two after its convolutions.
        sensors: points per axis at which the branch sees fields.
        waves: wavenumbers in which the trunk sees the position.
        activation: "gelu" or "tanh".

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: width 128, latent 64, depth 4, 32 sensors for fields at 64² (in 3-D 16), with AdamW at 1e-3, gradients
    clipped at 1 and a cosine schedule.

    Source: Lu et al., Learning nonlinear operators via DeepONet, Nature Machine Intelligence 3 (2021) 218-229, eq. 2;
    convolutional branch and split outputs: Lu et al., CMAME 393 (2022) 114778, section 3.
    """

    name: ClassVar[str] = "deeponet"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=False)

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 128,
        latent: int = 64,
        depth: int = 4,
        sensors: int = 32,
        waves: int = 4,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__()
        require_whole("latent", latent, 1)
        require_whole("depth", depth, 1)
        require_whole("waves", waves, 1)
        outputs = sizes.channels_out * latent
        self.sizes, self.waves, self.latent = sizes, waves, latent
        self.branch = Branch(sizes, outputs, width=width, sensors=sensors, activation=activation)
        features = sum(2 * waves if periodic else 1 + waves for periodic in sizes.periodic) + 1
        widths = [features, *[width] * depth, outputs]
        self.trunk = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.bias = nn.Parameter(torch.zeros(sizes.channels_out, 1))
        _initialise(self.trunk)

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
        """Predict the next frames; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        conditions = torch.cat((parameters, signals.flatten(1)), 1)
        weights = self.branch(x, mask, inputs, coordinates, conditions)
        weights = weights.unflatten(1, (self.sizes.channels_out, 1, self.latent)) / math.sqrt(self.latent)
        functions, owner = self._functions(coordinates, dt)  # [U, c, k, points]
        chosen = functions if len(functions) == 1 else functions[owner]
        y = (weights @ chosen).squeeze(2) + self.bias
        return y.unflatten(1, (self.sizes.frames_out, self.sizes.fields)).unflatten(-1, x.shape[3:])

    def _functions(self, coordinates: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """Values of the trunk [U, c, k, points] for each different pair of grid and dt, and the one of each sample."""
        # Which dt are equal depends on the data, which a traced program must not.
        if not torch.compiler.is_compiling() and (dt.shape[0] == 1 or coordinates.stride(0) == 0):
            # Times that differ by round-off alone are one.
            moments, owner = torch.unique((dt * _TICKS).round() / _TICKS, return_inverse=True)
            places = coordinates[:1].expand(len(moments), *coordinates.shape[1:])
        else:
            moments, owner, places = dt, torch.arange(len(dt), device=dt.device), coordinates
        features = self._position(places.flatten(2))
        time = moments.to(features.dtype).view(-1, 1, 1).expand(-1, -1, features.shape[-1])
        h = torch.cat((features, time), 1).mT
        for layer, linear in enumerate(self.trunk):
            h = linear(h if layer == 0 else self.branch.activate(h))
        return h.mT.unflatten(1, (self.sizes.channels_out, self.latent)), owner

    def _position(self, places: Tensor) -> Tensor:
        """Waves [U, features, points] of positions [U, D, points]."""
        wave = torch.arange(1, self.waves + 1, device=places.device, dtype=places.dtype)[:, None]
        features = []
        for axis, periodic in enumerate(self.sizes.periodic):
            s = places[:, axis : axis + 1]
            angle = math.pi * wave * s
            features += [(2 * angle).cos(), (2 * angle).sin()] if periodic else [2 * s - 1, angle.cos()]
        return torch.cat(features, 1)


@final
class Branch(nn.Module):
    """From what a network is given to a vector: convolutions for fields, a perceptron for numbers.

    Fields (frames, inputs, the mask) are averaged to ``sensors`` points per axis and pass convolutions of three points
    that halve the size until four points per axis are left; the vector of all these and the numbers of the case enter a
    perceptron with two hidden layers. A convolutional branch is what Lu et al. (2022) give fields on a grid: with 64²
    values a dense first layer would hold nearly all weights of the network. Where there are no fields only the
    perceptron is left.

    Args:
        sizes: what the problem needs.
        outputs: length of the vector.
        width: channels of the perceptron's hidden layers.
        sensors: points per axis; at least 4.
        activation: "gelu" or "tanh".
        with_dt: whether ``conditions`` end with dt.

    Raises:
        InputError: an option out of range.
    """

    def __init__(
        self,
        sizes: Sizes,
        outputs: int,
        *,
        width: int,
        sensors: int,
        activation: Activation = "gelu",
        with_dt: bool = False,
    ) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("sensors", sensors, _COARSEST)
        if activation not in _ACTIVATIONS:
            raise InputError(f"activation must be one of {', '.join(_ACTIVATIONS)}, not {activation!r}.")
        self.activate = _ACTIVATIONS[activation]
        self.sizes, self.sensors = sizes, sensors
        channels, size = sizes.channels_in + int(sizes.mask), sensors
        self.convolutions = nn.ModuleList()
        while channels and size > _COARSEST:
            after = _CHANNELS * 2 ** len(self.convolutions)
            self.convolutions.append(_CONV[sizes.dims](channels, after, 3, stride=2))
            channels, size = after, (size + 1) // 2
        self.numbers = sizes.conditions - (0 if with_dt else 1)
        self.first = nn.Linear(channels * size**sizes.dims + self.numbers, width)
        self.second, self.last = nn.Linear(width, width), nn.Linear(width, outputs)
        _initialise([*self.convolutions, self.first, self.second, self.last])

    def forward(self, x: Tensor, mask: Tensor, inputs: Tensor, coordinates: Tensor, conditions: Tensor) -> Tensor:
        """[B, outputs] from frames [B, T_in, C, *S], mask, inputs [B, I, *S], coordinates and numbers [B, N]."""
        parts = [conditions]
        fields = [x.flatten(1, 2), inputs, *([mask] if self.sizes.mask else [])]
        if len(self.convolutions) or any(field.shape[1] for field in fields):
            h = at_sensors(torch.cat([field.to(x.dtype) for field in fields], 1), coordinates, self.sizes, self.sensors)
            for convolution in self.convolutions:
                h = self.activate(convolution(_ringed(h, self.sizes.periodic)))
            parts.insert(0, h.flatten(1))
        h = self.activate(self.first(torch.cat(parts, 1)))
        return self.last(self.activate(self.second(h)))


def _initialise(layers: Iterable[nn.Module]) -> None:
    """Weights that keep the size of what passes through (He et al. 2015); the defaults shrink it layer by layer.

    Without it a fresh DeepONet hardly varies in space, and gradients of the trunk are small.
    """
    for layer in layers:
        assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def at_sensors(fields: Tensor, coordinates: Tensor, sizes: Sizes, sensors: int) -> Tensor:
    """Fields [B, N, *S] averaged over ``sensors`` equal cells per axis of the domain, [B, N, sensors, …].

    Along each axis the average is that of the linear interpolant between the points, held beyond the first and last of
    an axis that is not periodic, taken at twice as many places as there are points.
    """
    count = len(fields) if coordinates.stride(0) else 1
    for axis, periodic in enumerate(sizes.periodic):
        points = axis_points(coordinates[:count], axis)
        fine = max(1, -(-2 * points.shape[1] // sensors))
        places = (torch.arange(sensors * fine, device=points.device, dtype=points.dtype) + 0.5) / (sensors * fine)
        matrix = linear_weights(points, places, periodic).unflatten(1, (sensors, fine)).mean(2).to(fields.dtype)
        moved = fields.movedim(axis + 2, 2)
        fields = torch.einsum("bmn,bcn...->bcm...", matrix.expand(len(fields), -1, -1), moved)
        fields = fields.movedim(2, axis + 2)
    return fields


def axis_points(coordinates: Tensor, axis: int) -> Tensor:
    """Positions along one axis of a tensor grid, [B, N], from its coordinates [B, D, *S]."""
    points = coordinates[:, axis].movedim(axis + 1, 1)
    return points.reshape(*points.shape[:2], -1)[:, :, 0]


def linear_weights(points: Tensor, places: Tensor, periodic: bool) -> Tensor:
    """Weights [G, M, N] of linear interpolation from points [G, N] in 0 … 1 to places [M], held beyond the ends.

    On a periodic axis the last point and the first are neighbours across the seam.
    """
    count = points.shape[1]
    known = torch.cat((points[:, -1:] - 1, points, points[:, :1] + 1), 1) if periodic else points
    if known.shape[1] == 1:
        return points.new_ones(len(points), len(places), 1)
    asked = places.expand(len(points), -1).contiguous()
    above = torch.searchsorted(known.contiguous(), asked).clamp(1, known.shape[1] - 1)
    low, high = known.gather(1, above - 1), known.gather(1, above)
    part = ((asked - low) / (high - low)).clamp(0, 1)[..., None]
    shift = 1 if periodic else 0
    weights = points.new_zeros(len(points), len(places), count)
    weights.scatter_add_(2, ((above - 1 - shift) % count)[..., None], 1 - part)
    return weights.scatter_add_(2, ((above - shift) % count)[..., None], part)


def _ringed(h: Tensor, periodic: tuple[bool, ...]) -> Tensor:
    """One more point on both sides of every axis: from the other end of periodic ones, zero on others."""
    for axis, wraps in enumerate(periodic, start=2):
        first, last = h.narrow(axis, 0, 1), h.narrow(axis, h.shape[axis] - 1, 1)
        if not wraps:
            first, last = torch.zeros_like(first), torch.zeros_like(last)
        h = torch.cat((last, h, first), axis)
    return h
