from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.core.registry import Registry
from sciflow.problems import Box, Field, Problem, coordinates, registry

t, x = coordinates("t x")

PLUGIN = """
from sciflow.problems import Box, Field, Problem, coordinates

t, x = coordinates("t x")
u = Field("u")(t, x)
decay = Problem(name="decay", title="Decay", fields=[u], domain=Box(x=(0, 1)), periodic=["x"], evolution={u: -u})
nothing = "not a problem"
"""


def _problem(name: str = "mine", title: str = "") -> Problem:
    u = Field("u")(t, x)
    return Problem(name=name, title=title, fields=[u], domain=Box(x=(0, 1)), evolution={u: -u})


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of problems as a new process has it."""
    table: Registry = Registry("problem", "sciflow.problems", check=registry._check)
    table.add("burgers", "sciflow.problems.catalogue.burgers:problem", summary="Viscous Burgers equation")
    monkeypatch.setattr(registry, "problems", table)
    return table


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Puts a package with the given entry points on the path, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(module: str, source: str, points: dict[str, str]) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        folder = tmp_path / f"{module}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[sciflow.problems]", *lines]) + "\n")
        importlib.invalidate_caches()

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if name.startswith("plugin_"):
            del sys.modules[name]


def test_catalogue_is_listed_and_loaded_by_name() -> None:
    known = registry.names()
    assert {"advection", "burgers", "cavity", "heat", "kdv", "navier-stokes-2d"} <= set(known)
    for name in known:
        assert registry.get(name).name == name
        assert registry.problems.summary(name)


def test_register_returns_the_problem_and_makes_it_known(fresh: Registry) -> None:
    problem = _problem(title="My problem")
    assert registry.register(problem) is problem
    assert registry.get("mine") is problem
    assert "mine" in registry.names()
    assert fresh.summary("mine") == "My problem"
    assert registry.register(problem) is problem


def test_duplicate_name_is_refused(fresh: Registry) -> None:
    registry.register(_problem())
    for name in ("mine", "burgers"):
        with pytest.raises(InputError, match=f"problem name '{name}' is already in use; choose another"):
            registry.register(_problem(name))


def test_unknown_name_gives_near_matches(fresh: Registry) -> None:
    with pytest.raises(UnknownNameError, match="no problem named 'burger'. Did you mean 'burgers'"):
        registry.get("burger")


def test_problem_is_passed_through_and_paths_are_imported(fresh: Registry, install) -> None:
    problem = _problem()
    assert registry.get(problem) is problem
    install("plugin_path", PLUGIN, {})
    assert registry.get("plugin_path:decay").name == "decay"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("plugin_missing:problem", "names a module that cannot be imported"),
        (":problem", "names a module that cannot be imported"),
        ("plugin_bad:decoy", "'plugin_bad' has no 'decoy'; write package.module:problem"),
        ("plugin_bad:nothing", "is a str, not a Problem"),
    ],
)
def test_wrong_paths_are_refused(fresh: Registry, install, path: str, message: str) -> None:
    install("plugin_bad", PLUGIN, {})
    with pytest.raises(InputError, match=message):
        registry.get(path)


def test_installed_plugin_is_found_by_its_entry_point(fresh: Registry, install) -> None:
    install("plugin_decay", PLUGIN, {"decay": "plugin_decay:decay"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "decay" in registry.names()
    assert registry.get("decay").title == "Decay"


def test_broken_plugins_warn_once_and_leave_the_others(fresh: Registry, install) -> None:
    install("plugin_good", PLUGIN, {"decay": "plugin_good:decay"})
    install("plugin_broken", "raise RuntimeError('out of order')", {"broken": "plugin_broken:problem"})
    install("plugin_kind", PLUGIN, {"kind": "plugin_kind:nothing", "renamed": "plugin_kind:decay"})
    with pytest.warns(RuntimeWarning, match="was left out") as caught:
        assert registry.names() == ["burgers", "decay"]
    text = " ".join(str(warning.message) for warning in caught)
    assert len(caught) == 3
    assert "out of order" in text
    assert "is a str, not a Problem" in text
    assert "calls itself 'decay'; the two names must be equal" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.names() == ["burgers", "decay"]
        with pytest.raises(InputError, match="'broken' belongs to a plug-in that cannot be used"):
            registry.get("broken")


def test_plugin_cannot_take_a_name_in_use(fresh: Registry, install) -> None:
    install("plugin_taken", PLUGIN.replace("decay", "burgers"), {"burgers": "plugin_taken:burgers"})
    with pytest.warns(RuntimeWarning, match="the name 'burgers' is already in use"):
        assert registry.names() == ["burgers"]
    assert registry.get("burgers").title == "Viscous Burgers equation"
