"""How much frames change on a finer grid."""

import pytest

from sciflow.core.errors import InputError
from sciflow.data import Recipe
from sciflow.data.refinement import extremes, refine

CAVITIES = {
    "name": "cavities",
    "problem": "cavity",
    "subset": "bc+geo",
    "cases": 6,
    "resolution": 8,
    "times": {"start": 0, "end": 0.5, "frames": 3, "unit": "flow"},
}
POTENTIALS = {"name": "potentials", "problem": "poisson", "cases": 2, "resolution": 16, "splits": {}}


def test_extremes_are_those_of_each_list() -> None:
    """bc: u_top from 1 to 50; geo: widths 0.01 to 0.05; the recipe's six cases are spread over both lists."""
    recipe = Recipe.load(CAVITIES)
    assert extremes(recipe) == [0, 2, 3, 4, 5]
    whole = Recipe.load({**CAVITIES, "subset": "bc", "cases": None})
    assert extremes(whole) == [0, 25, 49]
    with pytest.raises(InputError, match="no number 'Ma'"):
        extremes(recipe, "Ma")


def test_change_falls_with_the_square_of_the_spacing() -> None:
    """Second-order finite volumes with errors e h^2: going from h to h/3 changes 8/9 e h^2, from h/3 to h/9 a ninth."""
    first, second = (
        refine({**POTENTIALS, "options": {"oversample": n}}, [f"options.oversample={3 * n}"], only=[1])[0]
        for n in (1, 3)
    )
    assert first.case == 1 and first.subset == "" and first.numbers == {} and set(first.change) == {"u"}
    assert first.change["u"] / second.change["u"] == pytest.approx(9, rel=0.2)
    assert first.last == first.change  # there is one frame
    assert min(first.seconds) > 0


def test_same_options_change_nothing() -> None:
    assert refine(POTENTIALS, ["batch=2"], only=[0])[0].change == {"u": 0.0}


def test_other_frames_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="change only how the recipe is solved"):
        refine(POTENTIALS, ["resolution=18"], only=[0])
