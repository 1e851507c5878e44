"""The recipes of unknown drifts: who is trained and tested on, and that all drifts carry the same trajectories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.core.files import shared
from sciflow.data import Recipe, generate
from sciflow.data.generation import recipe_cases
from sciflow.problems import get

# Parameters that move the frames; those of training and of testing in cells per frame.
DRIFTS = {
    "kuramoto-sivashinsky-drift": ("c",),
    "vorticity-mean-flow": ("U", "V"),
    "scalar-two-streams": ("c1", "c2"),
    "burgers-boost": ("mean",),
}


def cells_per_frame(name: str, values: dict[str, float], drift: str) -> float:
    recipe = Recipe.load(name)
    assert recipe.times is not None and isinstance(recipe.resolution, int)
    spacing = (recipe.times.end - recipe.times.start) / (recipe.times.frames - 1)
    low, high = get(name).bounds(values)["x"]
    return values[drift] * spacing * recipe.resolution / (high - low)


@pytest.mark.parametrize("name", DRIFTS)
def test_drifts_are_whole_cells_and_starts_are_not_shared_with_testing(name: str) -> None:
    assert shared("datasets", name).is_file()
    cases = recipe_cases(Recipe.load(name), get(name))
    for drift in DRIFTS[name]:
        found = {part: {cells_per_frame(name, c.parameters, drift) for c in cases if c.subset == part}
                 for part in ("training", "testing")}  # fmt: skip
        assert found["training"] == {-1.0, 0.0, 1.0}
        assert all(cells.is_integer() for cells in found["testing"])
    widest = max(cells_per_frame(name, c.parameters, DRIFTS[name][0]) for c in cases)
    assert widest == (2 if name == "scalar-two-streams" else 4)
    starts = {part: [c.parameters["start"] for c in cases if c.subset == part] for part in ("training", "testing")}
    assert len(set(starts["training"])) == len(starts["training"])  # so that validation cases are new as well
    assert not set(starts["training"]) & set(starts["testing"])
    per_start = len(starts["testing"]) // len(set(starts["testing"]))
    assert per_start == (15 if name == "scalar-two-streams" else 9)


def test_all_drifts_carry_the_same_trajectories(tmp_path: Path) -> None:
    name = "kuramoto-sivashinsky-drift"
    short = ["times.frames=4", "times.end=3", "options.spin_up=3", "options.oversample=1", "options.dt=0.25"]
    data = generate(name, tmp_path / "data.h5", overrides=short)
    assert {part: len(cases) for part, cases in data.splits["drift"].items()} == {"train": 47, "valid": 7, "test": 54}
    assert data.parameters == ["length"] and data.hidden == ["c", "start"]
    test = data.test
    fields, starts = test.array("u")[:, :, 0], test.header["start"].values
    cells = np.rint(test.header["c"].values * 64 / 22).astype(int)
    for start in np.unique(starts):
        own = np.flatnonzero(starts == start)
        still = fields[own[cells[own] == 0][0]]
        for case in own:
            for frame in range(4):
                assert np.array_equal(np.roll(still[frame], cells[case] * frame), fields[case, frame])
    different = fields[np.flatnonzero(cells == 0), 0]
    assert np.abs(np.corrcoef(different) - np.eye(6)).max() < 0.95
