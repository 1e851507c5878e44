"""The Fourier neural operator of the neuraloperator package, as a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.inputs import case_features, check_inputs, grid_channels, grid_features
from sciflow.operators.sizes import Requires, Sizes, require_whole


@final
class NeuralopFNO(nn.Module):
    """``neuralop.models.FNO`` with the inputs of :class:`~sciflow.operators.fno.FNO`, to compare the two in one table.

    Frames, inputs, mask and position are channels, as there; parameters, signals and dt are channels that are constant
    in space. The package's own positional embedding is off. ``width``, ``modes``, ``layers`` and ``padding`` mean the
    same as there (the package counts positive and negative wavenumbers together, and its padding on either side).
    The rest is the package's default, such as lifting and projection of two layers, and a perceptron of the channels in
    each Fourier layer, so at equal options it has more parameters. Its weights are complex.

    Args:
        sizes: what the problem needs.
        width: channels of the hidden layers.
        layers: Fourier layers.
        modes: wavenumbers 0 … modes - 1 kept on each axis (and their negatives); one number, or one per axis.
        padding: extension of axes that are not periodic, as a fraction of their length.
        coordinates: whether the position in the domain is an input.

    Raises:
        InputError: the package is missing, an option is out of range, or an input has the wrong shape.

    Good values: as for our FNO, with AdamW at 1e-3 to 2e-3.
    Source: Kossaifi et al., A library for learning neural operators, arXiv:2412.10354; package neuraloperator 2.
    """

    name: ClassVar[str] = "neuralop-fno"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=True)

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 32,
        layers: int = 4,
        modes: int | Sequence[int] = 12,
        padding: float = 0.25,
        coordinates: bool = True,
    ) -> None:
        super().__init__()
        for option, value in (("width", width), ("layers", layers)):
            require_whole(option, value, 1)
        kept = tuple(modes) if isinstance(modes, Sequence) else (modes,) * sizes.dims
        if len(kept) != sizes.dims or min(kept) < 1 or not 0 <= padding <= 2:
            raise InputError(f"modes must be positive, one for each axis, and padding 0 to 2, not {modes}, {padding}.")
        try:
            from neuralop.models import FNO
        except ImportError as error:
            raise InputError(
                "The network 'neuralop-fno' needs the package neuraloperator; pip install 'sciflow-pde[peers]'."
            ) from error
        self.sizes, self.coordinates = sizes, coordinates
        self.network: Any = FNO(
            n_modes=(*(2 * count - 1 for count in kept[:-1]), 2 * kept[-1] - 2 or 1),  # the last axis is a half axis
            in_channels=grid_channels(sizes, coordinates) + sizes.conditions,
            out_channels=sizes.channels_out,
            hidden_channels=width,
            n_layers=layers,
            positional_embedding=None,
            domain_padding=[0.0 if periodic else padding / 2 for periodic in sizes.periodic],
        )
        self.register_state_dict_post_hook(_without_metadata)

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
        check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        features = grid_features(self.sizes, x, inputs, mask, coordinates if self.coordinates else None).movedim(-1, 1)
        constants = case_features(parameters, signals, dt)
        constants = constants.view(*constants.shape, *(1,) * self.sizes.dims).expand(-1, -1, *x.shape[3:])
        y = self.network(torch.cat((features, constants.to(features.dtype)), 1))
        return y.unflatten(1, (self.sizes.frames_out, self.sizes.fields))


def _without_metadata(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    state.pop("_metadata", None)  # the package's constructor arguments, which are no tensors
