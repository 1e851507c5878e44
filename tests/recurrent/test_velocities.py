"""Velocity sets as groups on a grid."""

from __future__ import annotations

import pytest

from sciflow.core.errors import InputError
from sciflow.recurrent.velocities import Velocities


def test_boxes():
    box = Velocities.box(1, (0, 1), 2)
    assert set(box.vectors) == {(y, x) for y in (-1.0, 0.0, 1.0) for x in (-1.0, 0.0, 1.0)}
    assert len(box) == 9 and box.dims == 2 and box.moving() == (0, 1) and box.whole
    one = Velocities.box(2, (1,), 2, 0.5)
    assert one.vectors == ((0.0, -1.0), (0.0, -0.5), (0.0, 0.0), (0.0, 0.5), (0.0, 1.0))
    assert one.moving() == (1,) and not one.whole
    assert Velocities.box(0, (0, 1, 2), 3).vectors == ((0.0, 0.0, 0.0),)


def test_closed_sets():
    ring = Velocities.ring((0,), (6,))
    assert ring.vectors == tuple((float(step),) for step in range(6)) and ring.closed((6,))
    assert not ring.closed((7,)) and not ring.closed((12,))
    assert Velocities.ring((0, 1), (3, 4)).closed((3, 4)) and len(Velocities.ring((0, 1), (3, 4))) == 12
    halves = Velocities.ring((0,), (4,), 0.5)
    assert len(halves) == 8 and halves.closed((4,)) and not halves.whole
    assert Velocities.box(2, (0,), 1).closed((5,))  # -2 … 2 is all there is modulo 5
    assert not Velocities.box(2, (0,), 1).closed((6,))
    assert Velocities(((0.0, 0.0), (0.0, 3.0))).closed((5, 6))
    with pytest.raises(InputError, match=r"closed set on 5 points needs a spacing that divides it, not 2"):
        Velocities.ring((0,), (5,), 2.0)


def test_where_slices_come_from():
    box = Velocities.box(1, (0,), 1)
    assert box.after((1,), (9,)) == [None, 0, 1]
    assert box.after((-2,), (9,)) == [2, None, None]
    assert box.after((1,), (3,)) == [2, 0, 1]  # modulo 3 the set is closed
    wide = Velocities.box(2, (0, 1), 2)
    covered = [number is not None for number in wide.after((2, -1), (16, 16))]
    assert sum(covered) == 12 and sum(number is not None for number in wide.after((1, 0), (16, 16))) == 20


def test_sets_fit_a_grid():
    Velocities.box(2, (0,), 1).require_fits((5,))
    with pytest.raises(InputError, match=r"set of 5 velocities is larger than the grid of 4 points"):
        Velocities.box(2, (0,), 1).require_fits((4,))
    with pytest.raises(InputError, match=r"25 velocities is larger than the grid of 8 x 4 points"):
        Velocities.box(2, (0, 1), 2).require_fits((8, 4))
    with pytest.raises(InputError, match=r"velocities have 1 components and the grid 2 axes"):
        Velocities.box(1, (0,), 1).require_fits((8, 8))


def test_descriptions():
    assert Velocities.box(2, (0, 1), 2).describe((16, 16)) == (
        "25 velocities up to 2 cells per frame along an axis, truncated"
    )
    assert "closed" in Velocities.ring((0,), (6,)).describe((6,))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ((), "needs vectors of one length"),
        (((),), "needs vectors of one length"),
        (((0.0,), (1.0, 2.0)), "needs vectors of one length"),
        (((float("nan"),),), "NaN or infinity"),
        (((1.0,), (1.0,)), "twice in the set"),
    ],
)
def test_bad_sets(vectors, message):
    with pytest.raises(InputError, match=message):
        Velocities(vectors)
