"""Generated data sets: determinism, independence of cases, recipes, what a failure leaves behind."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.core.files import shared_names
from sciflow.data import Recipe, check_file, generate, open_dataset

SMALL = {
    "name": "small", "problem": "burgers", "cases": 6, "seed": 3, "resolution": 32, "batch": 2,
    "parameters": {"nu": 0.05}, "times": {"end": 0.5, "frames": 6}, "splits": {"random": {"kind": "random"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.h5"
    generate(SMALL, path)
    return path


def test_file_is_sound_and_opens_without_sciflow(small: Path) -> None:
    assert check_file(small) == []
    with xr.open_dataset(small, engine="h5netcdf") as data:
        assert data.u.dims == ("case", "time", "x") and data.u.dtype == np.float32
        assert data.u.attrs["units"] == "m/s"


def test_same_recipe_same_fields(small: Path, tmp_path: Path) -> None:
    again = generate(SMALL, tmp_path / "again.h5")
    assert again.digest == open_dataset(small).digest
    other = generate(SMALL, tmp_path / "other.h5", overrides=["seed=4"])
    assert other.digest != again.digest


def test_batches_and_count_do_not_change_a_case(small: Path, tmp_path: Path) -> None:
    """Each case comes from its own seed; only the choice of the time step is shared by a batch."""
    fewer = generate(SMALL, tmp_path / "fewer.h5", overrides=["cases=3", "batch=3", "splits={}"])
    assert fewer.array() == pytest.approx(open_dataset(small).array()[:3], abs=2e-6)


def test_two_processes_give_the_same_file(small: Path, tmp_path: Path) -> None:
    assert generate(SMALL, tmp_path / "two.h5", workers=2).digest == open_dataset(small).digest


def test_only_the_wanted_fields_are_stored(tmp_path: Path) -> None:
    wanted = {
        "fields": ["w"],
        "problem": "navier-stokes-2d",
        "parameters": {"nu": 0.01},
        "times": {"end": 0.1, "frames": 3},
    }
    data = generate({**SMALL, **wanted, "cases": 3}, tmp_path / "w.h5", overrides=["splits={}"])
    assert data.fields == ["w"]


def test_progress_counts_cases(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(SMALL, tmp_path / "p.h5", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 6), (4, 6), (6, 6)]


def test_extrapolating_split_lies_outside_the_training_range(tmp_path: Path) -> None:
    changes = {"parameters": {}, "splits": {"slow": {"kind": "extrapolate", "parameter": "c", "side": "low"}}}
    data = generate({**SMALL, **changes, "problem": "advection"}, tmp_path / "e.h5")
    parts = data.split("slow")
    assert parts["test"].parameter_values().max() < parts["train"].parameter_values().min()


@pytest.mark.parametrize("name", shared_names("datasets"))
def test_recipes_of_the_repository_are_valid(name: str) -> None:
    from sciflow.problems import get

    recipe = Recipe.load(name)
    assert len(get(recipe.problem).sample(recipe.cases, recipe.seed, recipe.subset)) == recipe.cases


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("cases=0", "cases"),
        ("times.end=-1", "end must be later"),
        ("problem=burger", "no problem named 'burger'"),
        ("fields=[q]", "no field 'q'"),
        ("splits.random.kind=nearest", "kind"),
        ("splits.random={kind: extrapolate}", "needs the parameter"),
        ("splits.random={counts: {train: 1, test: 1}}", "add up to 2"),
        ("subset=prop", "no subset 'prop'"),
        ("resolution=fine", "resolution"),
        ("options={widht: 3}", "no option 'widht'"),
    ],
)
def test_bad_recipes_leave_no_file(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(SMALL, tmp_path / "bad.h5", overrides=[change])
    assert list(tmp_path.iterdir()) == []
