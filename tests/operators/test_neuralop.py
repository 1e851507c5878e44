"""The adapter of neuraloperator's FNO."""

from __future__ import annotations

import sys

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.operators import Sizes, build
from sciflow.operators.fno import FNO
from sciflow.operators.neuralop import NeuralopFNO
from sciflow.testing import check_model

SMALL = {"width": 8, "modes": 3, "layers": 2}


@pytest.fixture
def package():
    return pytest.importorskip("neuralop")


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(2, 2, parameters=2, signals=1, frames_in=2, mask=True, inputs=1),
        Sizes(1, 1, parameters=1, signals=1, frames_out=2, periodic=(True,)),
        Sizes(1, 3, parameters=1, frames_in=0, inputs=1, periodic=(True, False, True)),
    ],
)
def test_conforms(sizes, package):
    check_model(NeuralopFNO, sizes, **SMALL)


def test_it_keeps_the_same_wavenumbers_as_ours(package):
    """Complex numbers for kx = -4 … 4 and ky = 0 … 4 in both."""
    sizes = Sizes(1, 2, periodic=(True, True))
    peer, ours = NeuralopFNO(sizes, width=6, modes=5, layers=1), FNO(sizes, width=6, modes=5, layers=1)
    spectral = next(value for name, value in peer.state_dict().items() if name.endswith("convs.0.weight.tensor"))
    assert spectral.shape == (6, 6, 9, 5)
    assert ours.spectral[0].multipliers()[:, 4:].shape == (9, 5, 6, 6)


def test_padding_is_split_on_both_sides_of_axes_that_are_not_periodic(package):
    net = NeuralopFNO(Sizes(1, 2, periodic=(True, False)), padding=0.5, **SMALL)
    seen = []
    net.network.fno_blocks.convs[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape))
    net(
        torch.zeros(1, 1, 1, 8, 16),
        parameters=torch.zeros(1, 0),
        signals=torch.zeros(1, 2, 0),
        mask=torch.ones(1, 1, 8, 16),
        coordinates=torch.rand(1, 2, 8, 16),
        dt=torch.ones(1),
        inputs=torch.zeros(1, 0, 8, 16),
    )
    assert tuple(seen[0][2:]) == (8, 24)


def test_without_the_package_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "neuralop", None)
    monkeypatch.setitem(sys.modules, "neuralop.models", None)
    with pytest.raises(InputError, match=r"pip install 'sciflow-pde\[peers\]'"):
        build("neuralop-fno", Sizes(1, 1))


def test_bad_options(package):
    for options in ({"width": 0}, {"layers": 0}, {"modes": (3, 3)}, {"modes": 0}, {"padding": -1.0}):
        with pytest.raises(InputError, match=next(iter(options))):
            NeuralopFNO(Sizes(1, 1), **options)
