"""Sizes, requirements, the registry of networks, and shape annotations."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.core.registry import Registry
from sciflow.operators import Requires, Sizes, build, networks


def test_sizes_know_their_channels():
    sizes = Sizes(3, 2, parameters=2, signals=1, frames_in=4, frames_out=2, periodic=(True, False), mask=True)
    assert (sizes.channels_in, sizes.channels_out, sizes.frames, sizes.conditions) == (12, 6, 6, 2 + 6 + 1)
    assert Sizes(3, 2, frames_in=2, inputs=4).channels_in == 10 and Sizes(3, 2, frames_in=0, inputs=1).channels_in == 1
    assert Sizes(1, 3).periodic == (False, False, False)
    assert Sizes(**json.loads(json.dumps(dataclasses.asdict(sizes)))) == sizes


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"fields": 0}, "fields"),
        ({"dims": 4}, "dims"),
        ({"parameters": -1}, "parameters"),
        ({"frames_out": 0}, "frames_out"),
        ({"frames_in": 1.5}, "frames_in"),
        ({"frames_in": -1}, "frames_in"),
        ({"inputs": -1}, "inputs"),
        ({"periodic": (True,)}, "periodic"),
    ],
)
def test_bad_sizes(values, named):
    with pytest.raises(InputError, match=named):
        Sizes(**({"fields": 1, "dims": 2} | values))


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_registered_networks(name):
    assert name in networks.names() and networks.summary(name)
    network = networks.get(name)
    assert network.name == name and network.requires == Requires()
    assert isinstance(build(name, Sizes(1, 1), width=8), network)


def test_names_are_listed_without_torch():
    code = "import sys; from sciflow.operators import networks; networks.names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_and_options():
    with pytest.raises(UnknownNameError, match="'fno'"):
        build("fnoo", Sizes(1, 1))
    with pytest.raises(InputError, match=r"no option 'widht'.*'width'"):
        build("fno", Sizes(1, 1), widht=3)


def test_requirements_are_checked_and_alternatives_named(monkeypatch):
    class Ring(nn.Module):
        name = "ring"
        requires = Requires(dims=(2,), periodic_only=True)

        def __init__(self, sizes: Sizes) -> None:
            super().__init__()

    own: Registry[type[nn.Module]] = Registry("network", None)
    own.add("ring", Ring)
    own.add("fno", networks.get("fno"))
    monkeypatch.setattr("sciflow.operators.networks", own)
    assert isinstance(build("ring", Sizes(1, 2, periodic=(True, True))), Ring)
    with pytest.raises(InputError, match=r"'ring' needs periodic axes.*use fno instead"):
        build("ring", Sizes(1, 2, periodic=(True, False)))
    with pytest.raises(InputError, match=r"handles 2 space axes, the problem has 3; use fno instead"):
        build("ring", Sizes(1, 3))


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_maps_and_parametric_fields(name, make_inputs):
    """Without context frames the output follows from inputs, parameters, position and time."""
    for sizes in (Sizes(2, 2, frames_in=0, inputs=1), Sizes(1, 2, parameters=2, frames_in=0, periodic=(True, False))):
        torch.manual_seed(0)
        net, inputs = build(name, sizes, width=8), make_inputs(sizes, (16, 8))
        y = net(**inputs)
        assert inputs["x"].shape[1] == 0 and y.shape == (3, 1, sizes.fields, 16, 8)
        for changed in ("inputs", "parameters", "dt"):
            if inputs[changed].numel():
                assert (net(**(inputs | {changed: inputs[changed] + 0.5})) - y).abs().max() > 1e-4, changed
        assert y.std((-2, -1)).min() > 1e-4
    with pytest.raises(InputError, match="needs the position; use coordinates=True"):
        build(name, Sizes(1, 2, parameters=2, frames_in=0), coordinates=False)


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_shape_annotations_hold(name, make_inputs):
    from beartype import beartype
    from jaxtyping import TypeCheckError, jaxtyped

    sizes = Sizes(2, 2, parameters=1, signals=1, periodic=(True, False), mask=True, inputs=1)
    net, inputs = build(name, sizes, width=8), make_inputs(sizes, (16, 8))
    original = type(net).forward
    original.__annotations__ = {key: eval(kind, original.__globals__) for key, kind in original.__annotations__.items()}
    checked = jaxtyped(original, typechecker=beartype)
    assert checked(net, **inputs).shape == inputs["x"].shape
    with pytest.raises(TypeCheckError):
        checked(net, **(inputs | {"dt": torch.ones(5)}))
