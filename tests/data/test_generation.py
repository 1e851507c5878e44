"""Generated data sets: determinism, independence of cases, recipes, what a failure leaves behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.core.files import shared_names
from sciflow.data import Recipe, check_file, generate, open_dataset, splits
from sciflow.data.generation import draw, recipe_cases
from sciflow.data.recipe import SplitRecipe
from sciflow.problems import registry

SMALL = {
    "name": "small", "problem": "burgers", "cases": 6, "seed": 3, "resolution": 32, "batch": 2,
    "parameters": {"nu": 0.05}, "times": {"end": 0.5, "frames": 6}, "splits": {"random": {"kind": "random"}},
    "options": {"dt": 0.01},  # given, so that no time goes into finding it
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


def test_a_split_by_values_of_a_parameter(tmp_path: Path) -> None:
    wanted = {"kind": "where", "parameter": "c", "values": [30, 50]}
    changes = {"problem": "convection", "subset": "table", "cases": None, "parameters": {}, "splits": {"fast": wanted}}
    data = generate({**SMALL, **changes}, tmp_path / "w.h5")
    assert data.split("fast")["test"].parameter_values()[:, data.parameters.index("c")].tolist() == [30, 50]


@pytest.mark.parametrize("name", shared_names("datasets"))
def test_recipes_of_the_repository_are_valid(name: str) -> None:
    from sciflow.problems import get

    recipe = Recipe.load(name)
    cases = recipe_cases(recipe, get(recipe.problem))
    assert len(cases) == (recipe.cases or len(cases)) and len(cases) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("cases=0", "cases"),
        ("times.end=-1", "end must be later"),
        ("problem=burger", "no problem named 'burger'"),
        ("fields=[q]", "no field 'q'"),
        ("splits.random.kind=nearest", "kind"),
        ("splits.random={kind: extrapolate}", "needs the parameter"),
        ("splits.random={kind: where, parameter: nu}", "needs a parameter and the values"),
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


STEADY = {"name": "steady", "problem": "darcy", "cases": 5, "seed": 2, "resolution": 16, "batch": 2, "splits": {}}


def test_steady_recipe_has_no_times(tmp_path: Path) -> None:
    data = generate(STEADY, tmp_path / "steady.h5")
    assert check_file(tmp_path / "steady.h5") == []
    stored = data.xarray
    assert stored.u.dims == ("case", "time", "y", "x") and stored.time.values.tolist() == [0.0]
    assert stored.a.attrs["role"] == "input" and stored.a.dims == ("case", "y", "x")
    assert stored.a.dtype == np.float32 and stored.seed.values.tolist() == [2_000_006 + i for i in range(5)]
    with pytest.raises(InputError, match="'darcy' is steady and takes no times"):
        generate({**STEADY, "times": {"end": 1, "frames": 3}}, tmp_path / "no.h5")
    with pytest.raises(InputError, match="'burgers' depends on time; give its times"):
        generate({**STEADY, "problem": "burgers"}, tmp_path / "no.h5")


def test_cost_of_generation_is_kept_outside_the_digest(tmp_path: Path) -> None:
    files = [generate(STEADY, tmp_path / f"{i}.h5") for i in range(2)]
    seconds = [file.xarray.attrs["generation_seconds"] for file in files]
    assert all(0 < second < 60 for second in seconds) and seconds[0] != seconds[1]
    assert files[0].digest == files[1].digest


def test_only_some_cases_are_those_of_the_whole_set(tmp_path: Path) -> None:
    """On another grid too, where every third centre is one of the coarse grid."""
    whole = generate(STEADY, tmp_path / "whole.h5").xarray
    some = generate(STEADY, tmp_path / "some.h5", only=[3, 1]).xarray
    assert some.case.values.tolist() == [0, 1] and some.source_index.values.tolist() == [3, 1]
    assert np.array_equal(some.u, whole.u[[3, 1]]) and np.array_equal(some.seed, whole.seed[[3, 1]])
    fine = generate(STEADY, tmp_path / "fine.h5", overrides=["resolution=48"], only=[3]).xarray
    assert np.array_equal(fine.a[0, 1::3, 1::3], whole.a[3])
    varied = {**SMALL, "parameters": {}, "options": {"oversample": 16}, "times": {"end": 0.1, "frames": 2}}
    drawn = generate(varied, tmp_path / "drawn.h5", only=[4])
    assert drawn.xarray.nu.values == generate(varied, tmp_path / "all.h5").xarray.nu.values[4]
    for only, message in (([], "no case"), ([5], "case 5"), ([1, 1], "a case twice")):
        with pytest.raises(InputError, match=f"asks for {message}"):
            generate(STEADY, tmp_path / "no.h5", only=only)


def test_default_recipes_of_new_solvers() -> None:
    darcy, water = Recipe.load("darcy"), Recipe.load("shallow-water")
    assert darcy.times is None and darcy.options == {"oversample": 3}
    assert (darcy.cases, darcy.resolution) == (32, 64)
    assert water.options == {"oversample": 2} and water.times is not None and water.times.frames == 41
    assert Recipe.load("inviscid-burgers").options == {"oversample": 4}


def cavities(**changes: Any) -> dict[str, Any]:
    return {
        "name": "cavities",
        "problem": "cavity",
        "subset": "prop+bc+geo",
        "cases": 4,
        "resolution": 8,
        "times": {"start": 0, "end": 1, "frames": 3, "unit": "flow"},
        "options": {"solve_resolution": 8},
        "batch": 3,
        **changes,
    }


def test_union_of_listed_subsets_in_units_of_the_flow(tmp_path: Path) -> None:
    """Evenly spread over the 84 + 50 + 25 cases of CFDBench's cavity; every frame at its own time in seconds."""
    data = generate(cavities(resolved_up_to={"Re": 10000}), tmp_path / "cavities.h5")
    header = data.header
    names = header["subset"].attrs["flag_meanings"].split()
    assert [names[code] for code in header["subset"].values] == ["prop", "prop", "bc", "geo"]
    assert header["u_top"].values.tolist() == [10, 10, 22, 10] and header["width"].values[3] == 0.05
    assert np.allclose(data.case_times[:, -1], header["width"] / header["u_top"])
    assert np.allclose(header["Re"], header["rho"] * header["u_top"] * header["width"] / header["mu"])
    assert header["resolved"].values.tolist() == [True, True, False, False]  # Re 1000, 9000, 22,000 and 50,000
    assert "Re" not in data.parameters and "time" not in header.coords
    assert np.allclose(header["x_of_case"].values[3], 0.05 * header["x"])
    assert check_file(data.path) == []


def test_all_cases_of_a_list_without_a_number() -> None:
    recipe = Recipe.load(cavities(subset="geo", cases=None))
    assert len(recipe_cases(recipe, registry.get("cavity"))) == 25
    with pytest.raises(InputError, match="say how many"):
        generate(cavities(subset="driven", cases=None), "never.h5")
    with pytest.raises(InputError, match="'driven' of 'cavity' is drawn beside lists of 25 cases; ask for more"):
        generate(cavities(subset="driven+geo"), "never.h5")


@pytest.mark.parametrize("name", ["porous-medium", "stefan", "heat-decay", "advection-step", "burgers-shock"])
def test_exact_solutions_as_data_with_the_published_cases_to_test_on(name: str, tmp_path: Path) -> None:
    """The lists whole, the sampled subset for the rest; the solution and its integral from the closed forms."""
    recipe = Recipe.load(name, ["times.frames=5", "resolution=41"])
    problem, listed = registry.get(name), 150 if name == "porous-medium" else 100
    assert (recipe.cases, recipe.solver) == (512 + listed, "exact")
    data = generate(recipe, tmp_path / "exact.h5")
    split = data.splits["published"]
    assert {part: len(own) for part, own in split.items()} == {"train": 448, "valid": 64, "test": listed}
    flags = data.header["subset"]
    assert flags.attrs["flag_meanings"] == "training published"
    assert (flags.values == np.repeat([0, 1], [512, listed])).all() and min(split["test"]) == 512
    symbol = problem.parameters[0]
    values = data.header[symbol.name].values
    own = dict(problem.subsets["training"].ranges)[symbol.name]
    assert own.low <= values[:512].min() and values[:512].max() <= own.high and len(set(values[:512])) == 512
    assert np.unique(values[512:], return_counts=True)[1].tolist() == [50] * (listed // 50)
    assert len(set(data.header["seed"].values)) == 512 + listed
    assert check_file(data.path) == []


def test_tests_on_whole_subsets(tmp_path: Path) -> None:
    """The other cases are dealt out by the fractions; a short recipe keeps the lists whole."""
    changes = ["times.frames=2", "resolution=8", "cases=140", "splits.published.fractions={train: 0.5, valid: 0.5}"]
    data = generate("stefan", tmp_path / "short.h5", overrides=changes)
    drawn = data.splits["published"]
    assert drawn["test"] == list(range(40, 140)) and [len(drawn[part]) for part in ("train", "valid")] == [20, 20]
    assert sorted(drawn["train"] + drawn["valid"]) == list(range(40))
    for subsets, fractions, message in [
        (["published", "training"], None, "leaves no case for training"),
        (["publish"], None, "no case of the subset 'publish'. Did you mean 'published'"),
        (["published"], {"train": 0.8, "test": 0.2}, "leave it out of the fractions"),
    ]:
        with pytest.raises(InputError, match=message):
            splits.listed(data, subsets, fractions)
    with pytest.raises(InputError, match="needs subsets, such as"):
        Recipe.load("stefan", ["splits.published.subsets=[]"])


def test_splits_that_the_cases_do_not_allow_are_left_out_with_a_word(tmp_path: Path) -> None:
    """One list alone has no published split of three; unknown names stay errors."""
    wanted = {
        "paper-prop": {"kind": "paper", "subsets": ["prop"]},
        "paper-all": {"kind": "paper", "subsets": ["prop", "bc", "geo"]},
        "wider": {"kind": "outermost", "parameters": ["width"]},
        "random": {"kind": "random"},
    }
    changes = {"subset": "prop", "cases": 10, "times": {"start": 0, "end": 0.1, "frames": 2, "unit": "flow"}}
    with pytest.warns(UserWarning, match="left out") as noted:
        data = generate(cavities(**changes, splits=wanted), tmp_path / "one.h5")
    assert set(data.splits) == {"paper-prop", "random"}
    assert sorted(str(item.message).split("'")[3] for item in noted) == ["paper-all", "wider"]
    assert [len(data.splits["paper-prop"][part]) for part in ("train", "valid", "test")] == [8, 1, 1]
    with pytest.raises(InputError, match="Ma"):
        draw(data, SplitRecipe(kind="extrapolate", parameter="Ma"))
