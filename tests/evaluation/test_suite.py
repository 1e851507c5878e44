"""Suites are validated with the path of the field at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sciflow.core import InputError, UnknownNameError
from sciflow.evaluation import build, load_suite
from sciflow.evaluation.methods import known, seeds_of

GOOD: dict[str, Any] = {
    "name": "small",
    "data": {"path": "waves.h5"},
    "methods": [{"method": "persistence"}, {"method": "pod-ridge", "config": {"rank": [2]}}],
}


def test_defaults() -> None:
    suite = load_suite(GOOD)
    assert [(h.steps, h.stride) for h in suite.task.horizons] == [(1, 1), (10, 3)]
    assert suite.seeds == (0,) and suite.split is None
    assert [entry.title for entry in suite.methods] == ["persistence", "pod-ridge"]
    assert load_suite(suite) == suite


def test_file_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    suite = load_suite(path, ["task.horizons=[{steps: 3}]", "methods.1.label=POD", "seeds=[1, 2]"])
    assert [horizon.steps for horizon in suite.task.horizons] == [3]
    assert suite.methods[1].title == "POD" and suite.seeds == (1, 2)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("methods=3", "methods"),
        ("methods=[]", "methods"),
        ("seeds=[a]", "seeds.0"),
        ("data.recipe=burgers", "give either recipe or path"),
        ("data={}", "give either recipe or path"),
        ("task.horizon=3", "task.horizon"),
        ("task.horizons=[{steps: 0}]", "task.horizons.0.steps"),
        ("task.horizons=[{steps: 2}, {steps: 2, stride: 3}]", "different numbers of steps"),
        ("task.frames_in=0", "task.frames_in"),
        ("methods.0={label: x}", "methods.0"),
        ("methods.0={method: persistence, callable: 'a:b'}", "methods.0"),
        ("methods.0.steps=3", "methods.0.steps"),
        ("methods.1={method: persistence}", "different labels"),
        ("name=a/b", "name"),
        ("title=[1]", "title"),
    ],
)
def test_errors_name_the_field(change: str, path: str) -> None:
    with pytest.raises(InputError, match=path):
        load_suite(GOOD, [change])


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="'nmse'"):
        load_suite(GOOD, ["metrics=[nmes]"])
    with pytest.raises(UnknownNameError, match="quickstart"):
        load_suite("quickstar")
    with pytest.raises(InputError, match="no suite file"):
        load_suite("folder/missing.yaml")


def test_suite_that_comes_with_sciflow() -> None:
    suite = load_suite("quickstart")
    assert suite.split == "random" and "beats both networks" in suite.description
    assert {entry.source[1] for entry in suite.methods} >= {"persistence", "nearest", "interpolation", "fno", "unet"}


def test_methods_are_built_from_both_registries() -> None:
    assert {"persistence", "fno"} <= set(known())
    ridge = build("pod-ridge", {"rank": [4, 8], "select": "rollout"})
    assert ridge.config()["rank"] == (4, 8)  # type: ignore[attr-defined]
    assert build("pod-gp", seed=5).config()["seed"] == 5  # type: ignore[attr-defined]
    assert build("pod-gp", {"seed": 2}, seed=5).config()["seed"] == 2  # type: ignore[attr-defined]


def test_bad_methods() -> None:
    with pytest.raises(UnknownNameError, match="persistence"):
        build("persistance")
    with pytest.raises(UnknownNameError, match="fno"):
        build("fnoo")
    with pytest.raises(InputError, match="'rank'"):
        build("pod-ridge", {"ranks": [2]})
    with pytest.raises(InputError, match="rank"):
        build("pod-ridge", {"rank": "many"})
    with pytest.raises(InputError, match="not trained"):
        build("nearest", training={"steps": 3})


def test_networks_are_built_as_surrogates() -> None:
    surrogate = build("fno", {"width": 8}, training={"steps": 3}, seed=4)
    assert surrogate.training.seed == 4 and surrogate.training.steps == 3  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="width"):
        build("fno", {"widht": 8})


def test_methods_that_draw_nothing_run_once() -> None:
    suite = load_suite(GOOD, ["seeds=[3, 4]", "methods.1={method: pod-gp}"])
    assert seeds_of(suite.methods[0], suite.seeds) == (3,)
    assert seeds_of(suite.methods[1], suite.seeds) == (3, 4)
