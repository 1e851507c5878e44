"""Neural operators: networks from frames on a regular grid, input fields, parameters and time to other frames.

A network is a ``torch.nn.Module`` built from :class:`Sizes`, with

    forward(x, *, parameters, signals, mask, coordinates, dt, inputs) -> y

    x            [B, T_in, C, *S]          context frames, normalised
    parameters   [B, P]                    case parameters, normalised
    signals      [B, T_in + T_out, G]      time-dependent boundary values at the context frames, then at those asked for
    mask         [B, 1, *S]                1 in the fluid, 0 in solids
    coordinates  [B, D, *S]                0 … 1 over the domain, in tensor order ((z,) y, x)
    dt           [B]                       time between frames, or with T_in = 0 the time of y, normalised to about 1
    inputs       [B, I, *S]                fields that do not depend on time, such as a coefficient, normalised
    y            [B, T_out, C, *S]

All of them are always given (of width 0 where T_in, P, G or I is 0). With T_in > 0 networks forecast; with T_in = 0
they map input fields, parameters and time to a field. Each network class has a ``name``, says by ``requires`` what it
can be used for, and by ``traits`` where it is unlike others; recurrent networks also take ``frames``, how many to give.
Networks of plug-ins are found by the entry-point group ``sciflow.networks``.

A network may have a method ``adapt(targets)``, called once before training with up to 2000 of the normalised outputs
[N, T_out, C, *S] that it is to learn; buffers that it sets, of any shape, are saved and loaded.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError, near
from sciflow.core.registry import Registry
from sciflow.operators.sizes import Flow, Requires, Sizes, Traits

if TYPE_CHECKING:
    from torch import nn

networks: Registry[type[nn.Module]] = Registry("network", "sciflow.networks")
networks.add("fno", "sciflow.operators.fno:FNO", summary="Fourier neural operator (Li et al. 2021); 1-D, 2-D, 3-D.")
networks.add(
    "local-fno",
    "sciflow.operators.local_fno:LocalFNO",
    summary="FNO with local convolutions and conditioned layers (Liu-Schiaffini et al. 2024); 1-D, 2-D, 3-D.",
)
networks.add("ifno", "sciflow.operators.ifno:IFNO", summary="Implicit FNO (You et al. 2022); 1-D, 2-D, 3-D.")
networks.add(
    "iufno", "sciflow.operators.iufno:IUFNO", summary="Implicit FNO with a U-Net (Li et al. 2023); 1-D, 2-D, 3-D."
)
networks.add(
    "factformer",
    "sciflow.operators.factformer:FactFormer",
    summary="Factorized transformer with latent marching (Li et al. 2023); 2-D, 3-D.",
)
networks.add(
    "ifactformer-m",
    "sciflow.operators.ifactformer_m:IFactFormerM",
    summary="Implicit factorized transformer, parallel integrals (Yang et al. 2026); 2-D, 3-D.",
)
networks.add(
    "ifactformer-o",
    "sciflow.operators.ifactformer_o:IFactFormerO",
    summary="Implicit factorized transformer, chained integrals (Yang et al. 2026); 2-D, 3-D.",
)
networks.add("deeponet", "sciflow.operators.deeponet:DeepONet", summary="DeepONet (Lu et al. 2021); 1-D, 2-D, 3-D.")
networks.add(
    "pod-deeponet",
    "sciflow.operators.pod_deeponet:PodDeepONet",
    summary="DeepONet with a POD basis for the outputs (Lu et al. 2022); 1-D, 2-D, 3-D.",
)
networks.add(
    "neuralop-fno",
    "sciflow.operators.neuralop:NeuralopFNO",
    summary="The FNO of the neuraloperator package (extra 'peers').",
)
_BENCHMARK = (  # the published networks of CFDBench
    ("cfdbench-ffn", "ffn:FeedForward", "Perceptron of parameters, place and time; no context frames"),
    ("cfdbench-deeponet", "deeponet:ParametricDeepONet", "DeepONet of parameters, place and time; no context frames"),
    ("auto-ffn", "auto_ffn:AutoFFN", "Perceptron of a frame, parameters and place; fixed grid"),
    ("auto-deeponet", "auto_deeponet:AutoDeepONet", "DeepONet of a frame and parameters; fixed grid"),
    ("auto-edeeponet", "auto_edeeponet:AutoEDeepONet", "DeepONet with two branches; fixed grid"),
    ("auto-deeponet-cnn", "auto_deeponet_cnn:AutoDeepONetCNN", "DeepONet with a convolutional branch; fixed grid"),
    ("cfdbench-resnet", "resnet:BenchmarkResNet", "Residual network of wide convolutions"),
    ("cfdbench-fno", "fno:BenchmarkFNO", "Fourier neural operator, as published there"),
    ("cfdbench-unet", "unet:BenchmarkUNet", "U-Net with batch normalisation, as published there"),
)
for _name, _place, _what in _BENCHMARK:
    networks.add(_name, f"sciflow.operators.cfdbench.{_place}", summary=f"{_what} (Luo et al. 2023); 2-D.")
_RECURRENT = (
    ("fernn", "fernn:FERNN", "Flow-equivariant recurrent network (Keller 2025)"),
    ("g-rnn", "fernn:GRNN", "Convolutional recurrent network, the control of 'fernn'"),
    ("g-rnn-plus", "fernn:GRNNPlus", "'fernn' with learned kernels in place of moves, its second control"),
    ("conv-lstm", "conv_lstm:ConvLSTM", "Convolutional LSTM (Shi et al. 2015)"),
    ("canonical-g-rnn", "canonical:CanonicalGRNN", "'g-rnn' in the frame that moves with the drift of its context"),
)
for _name, _place, _what in _RECURRENT:
    networks.add(_name, f"sciflow.recurrent.{_place}", summary=f"{_what}; periodic, 1-D, 2-D, 3-D.")
networks.add(
    "fernn-rotation",
    "sciflow.recurrent.fernn_rotation:RotationFERNN",
    summary="Flow-equivariant recurrent network for rotations about the middle of the grid (Keller 2025); 2-D.",
)
networks.add("unet", "sciflow.operators.unet:UNet", summary="U-Net (Ronneberger et al. 2015); 1-D, 2-D, 3-D.")


def build(name: str, sizes: Sizes, **config: Any) -> nn.Module:
    """The network ``name`` for a problem of the given sizes.

    Args:
        name: a registered name; ``networks.names()`` lists them.
        sizes: what the problem needs.
        **config: keyword arguments of the network's class, such as ``width``.

    Raises:
        UnknownNameError: no network has this name.
        InputError: the network cannot be used for such a problem (the message names those that can), or it has no such
            option, or the value of an option is out of range.
    """
    network = networks.get(name)
    objection = _objection(network, sizes)
    if objection is not None:
        others = [other for other in networks.names() if other != name and _fits(other, sizes)]
        remedy = f"use {' or '.join(others)} instead" if others else "no other registered network can be used either"
        raise InputError(f"The network '{name}' {objection}; {remedy}.")
    options = inspect.signature(network).parameters
    known = [option for option, value in options.items() if value.kind is value.KEYWORD_ONLY]
    for option in config:
        if option not in known:
            raise InputError(f"The network '{name}' has no option '{option}'.{near(option, known)}")
    return network(sizes, **config)


def _objection(network: type[nn.Module], sizes: Sizes) -> str | None:
    requires = getattr(network, "requires", Requires())
    return requires.objection(sizes)


def _fits(name: str, sizes: Sizes) -> bool:
    try:
        return _objection(networks.get(name), sizes) is None
    except InputError:  # a plug-in that cannot be loaded is no alternative
        return False


__all__ = ["Flow", "Requires", "Sizes", "Traits", "build", "networks"]
