"""What all grid networks do with their inputs: check the shapes, and arrange them as channels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Sizes


def check_inputs(
    sizes: Sizes,
    x: Tensor,
    parameters: Tensor,
    signals: Tensor,
    mask: Tensor,
    coordinates: Tensor,
    dt: Tensor,
    inputs: Tensor,
) -> None:
    """Compare the shapes of a network's inputs with its sizes.

    Raises:
        InputError: one of them has another shape than its sizes ask for.
    """
    if x.ndim != 3 + sizes.dims or tuple(x.shape[1:3]) != (sizes.frames_in, sizes.fields):
        raise InputError(
            f"x must be [batch, {sizes.frames_in} frames, {sizes.fields} fields, {sizes.dims} space axes], "
            f"not {list(x.shape)}."
        )
    batch, space = x.shape[0], tuple(x.shape[3:])
    expected = {
        "parameters": (parameters, (batch, sizes.parameters)),
        "signals": (signals, (batch, sizes.frames, sizes.signals)),
        "mask": (mask, (batch, 1, *space)),
        "coordinates": (coordinates, (batch, sizes.dims, *space)),
        "dt": (dt, (batch,)),
        "inputs": (inputs, (batch, sizes.inputs, *space)),
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise InputError(f"{name} must have the shape {list(shape)} to go with x, not {list(tensor.shape)}.")


def grid_channels(sizes: Sizes, coordinates: bool) -> int:
    """Number of channels that :func:`grid_features` returns.

    Raises:
        InputError: there is none, so that the output could not depend on space.
    """
    positions = sum(2 if periodic else 1 for periodic in sizes.periodic) if coordinates else 0
    channels = sizes.channels_in + int(sizes.mask) + positions
    if not channels:
        raise InputError(
            "Without context frames, input fields and a mask a network needs the position; use coordinates=True."
        )
    return channels


def grid_features(sizes: Sizes, x: Tensor, inputs: Tensor, mask: Tensor, coordinates: Tensor | None) -> Tensor:
    """What depends on space, channel last: [B, *S, frames, inputs, mask, position].

    A position on a periodic axis is given as cos 2πs and sin 2πs, which have no jump at the seam, on others as s.

    Args:
        sizes: sizes of the network.
        x: frames [B, T_in, C, *S].
        inputs: fields that do not depend on time [B, I, *S].
        mask: [B, 1, *S]; used if the sizes have a mask.
        coordinates: [B, D, *S] in 0 … 1, or None to leave the position out.
    """
    features = [x.flatten(1, 2), inputs]
    if sizes.mask:
        features.append(mask)
    if coordinates is not None:
        for axis, periodic in enumerate(sizes.periodic):
            position = coordinates[:, axis : axis + 1]
            angle = 2 * math.pi * position
            features += [angle.cos(), angle.sin()] if periodic else [position]
    return torch.cat([feature.movedim(1, -1).to(x.dtype) for feature in features], -1)


def case_features(parameters: Tensor, signals: Tensor, dt: Tensor) -> Tensor:
    """What does not depend on space: parameters, signals at every frame, dt; [B, P + G (T_in + T_out) + 1]."""
    return torch.cat((parameters, signals.flatten(1), dt[:, None]), 1)


def wrap_around(h: Tensor, periodic: tuple[bool, ...]) -> Tensor:
    """One more point on both sides of the periodic axes of a field [B, C, *S]."""
    for axis, wraps in enumerate(periodic, start=2):
        if wraps:
            h = torch.cat((h.narrow(axis, h.shape[axis] - 1, 1), h, h.narrow(axis, 0, 1)), axis)
    return h
