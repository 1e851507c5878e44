"""Each mistake has one sentence."""

from __future__ import annotations

import pytest
import torch

from sciflow.core.errors import InputError
from sciflow.operators import Sizes, build
from sciflow.operators.sizes import Flow
from sciflow.recurrent.fernn import FERNN, GRNN


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"velocities": 4}, r"set of 81 velocities is larger than the grid of 8 x 8 points"),
        ({"velocities": -1}, r"whole number of at least 0, 'closed' or a list, not -1"),
        ({"velocities": True}, r"whole number of at least 0"),
        ({"velocities": ((0.0,), (1.0,))}, r"needs 2 components \(\(z,\) y, x\), not 1"),
        ({"velocities": ((0.0, 1.0), (0.0, 1.0))}, r"twice in the set"),
        ({"spacing": 0.0}, r"spacing is a positive distance"),
        ({"velocities": "closed", "spacing": 3.0}, r"needs a spacing that divides it, not 3"),
        ({"width": 0}, r"width must be a whole number of at least 1"),
        ({"width": 2.5}, r"width must be a whole number"),
        ({"layers": -1}, r"layers must be a whole number of at least 0"),
        ({"kernel": 4}, r"kernel must be an odd whole number, so that it has a middle, not 4"),
        ({"mixing": -1}, r"mixing must be a whole number of at least 0"),
        ({"mixing": 1, "cell": "gru"}, r"mixing over velocities is of the plain cell"),
        ({"identity": 1.5}, r"identity is a share between 0 and 1, not 1.5"),
        ({"residual": True}, r"residual gives each velocity a frame of its own; weigh them with pool 'evidence'"),
        ({"local": 2.0}, r"local is the width in cells .* use it with pool 'evidence'"),
        ({"local": 0.0, "pool": "evidence"}, r"local is the width in cells"),
        ({"boost": "lift", "pool": "evidence"}, r"boost 'lift' is for problems whose Galilean symmetry names"),
        ({"cell": "lstm"}, r"cell cannot be 'lstm'.*gru, plain"),
        ({"pool": "maximum"}, r"pool cannot be 'maximum'.*evidence, max, mean"),
        ({"activation": "gelo"}, r"activation cannot be 'gelo'. Did you mean 'gelu'"),
        ({"boost": "up"}, r"boost cannot be 'up'.*lift, mean, none"),
        ({"velocities": "open"}, r"'closed' or a list, not 'open'"),
        ({"velocities": 1.5}, r"'closed' or a list, not 1.5"),
        ({"velocities": [0, 1]}, r"list of vectors such as \[\[0, 0\], \[0, 1\]\], not \[0, 1\]"),
    ],
    ids=str,
)
def test_options(options, message, make_sizes):
    with pytest.raises(InputError, match=message):
        FERNN(make_sizes(2, grid=(8, 8)), **options)


def test_boosted_frames_need_evidence(make_sizes):
    with pytest.raises(InputError, match="boost 'lift' gives each velocity a frame of its own"):
        FERNN(make_sizes(2, 2, rising=True), boost="lift")


def test_closed_sets_need_a_grid(make_sizes):
    with pytest.raises(InputError, match="closed velocity set depends on the grid, which the sizes do not name"):
        FERNN(make_sizes(2), velocities="closed")


def test_flows_that_are_not_declared():
    along_x = Sizes(1, 2, frames_in=4, periodic=(True, True), flows=(Flow("translation", (1,)),))
    assert len(FERNN(along_x, velocities=2).velocities) == 5
    with pytest.raises(InputError, match=r"velocities move along y, but the problem declares flows along x alone"):
        FERNN(along_x, velocities=((0.0, 0.0), (1.0, 0.0)))
    still = Sizes(1, 2, frames_in=4, periodic=(True, True))
    with pytest.raises(InputError, match=r"moves its memory with a flow, the problem declares no galilean"):
        build("fernn", still)
    rotating = Sizes(1, 2, frames_in=4, periodic=(True, True), flows=(Flow("rotation", (0, 1)),))
    with pytest.raises(InputError, match=r"declares no galilean"):
        build("fernn", rotating)
    assert isinstance(build("g-rnn", still), GRNN)


@pytest.mark.parametrize("name", ["fernn", "g-rnn", "g-rnn-plus"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"periodic": (True, False)}, "needs periodic axes, the problem has walls or open sides"),
        ({"mask": True}, "no place for solid cells"),
        ({"inputs": 1}, "does not see input fields"),
        ({"frames_in": 0}, "needs context frames"),
        ({"frames_in": 1}, "remembers frames and needs more than one in and one out"),
    ],
    ids=str,
)
def test_problems_it_is_not_for(name, changed, message, make_sizes):
    with pytest.raises(InputError, match=message):
        build(name, make_sizes(2, **changed))


def test_frames_that_do_not_fit(make_sizes, forecast):
    network = FERNN(make_sizes(2), velocities=2, width=2)
    with pytest.raises(InputError, match=r"x must be \[batch, 4 frames"):
        forecast(network, torch.zeros(1, 3, 1, 8, 8))
    with pytest.raises(InputError, match=r"set of 25 velocities is larger than the grid of 8 x 4 points"):
        forecast(network, torch.zeros(1, 4, 1, 8, 4))
