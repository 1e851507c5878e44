"""Neural operators: one network in each file, all from tensors to tensors with the same call.

``forward(x, *, parameters, signals, mask, coordinates, dt)``: x [B, T_in, C, *S] normalised frames; parameters [B, P]; signals
[B, T_in + T_out, G]; mask [B, 1, *S], 1 = fluid; coordinates [B, D, *S] in [0, 1]; dt [B], about 1. Gives [B, T_out, C, *S].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError
from sciflow.core.registry import Registry
from sciflow.operators.sizes import Requires, Sizes

if TYPE_CHECKING:
    from torch import nn

networks: Registry = Registry("network", "sciflow.networks")
networks.add("fno", "sciflow.operators.fno:FNO", summary="Fourier neural operator, 1-D to 3-D")
networks.add("unet", "sciflow.operators.unet:UNet", summary="U-Net, 1-D to 3-D")

__all__ = ["Requires", "Sizes", "build", "networks"]


def build(name: str, sizes: Sizes, **config: Any) -> nn.Module:
    """The network `name` for tensors of the given sizes; `config` are its own options.

    Raises:
        UnknownNameError: there is no such network.
        InputError: the network cannot be used for these sizes (the message names those that can), or has no such option.
    """
    network = networks.get(name)
    objection = network.requires.objection(sizes)
    if objection:
        usable = [other for other in networks.names() if networks.get(other).requires.objection(sizes) is None]
        raise InputError(f"The network '{name}' {objection}; use {' or '.join(usable) or 'another one'} instead.")
    try:
        return network(sizes, **config)
    except TypeError as error:
        raise InputError(f"The network '{name}' cannot be built with {config}: {error}.") from error
