from __future__ import annotations

import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

from sciflow.core import InputError, Registry, UnknownNameError

GROUP = "sciflow.test_plugins"


@pytest.fixture
def registry() -> Registry[Any]:
    return Registry("gadget", None)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, modules: dict[str, str], points: dict[str, str]) -> None:
    """Lay an importable distribution with entry points into ``folder``."""
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.delitem(sys.modules, module, raising=False)
    info = folder / "gadgets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gadgets\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_objects_and_lazy_targets(registry: Registry[Any]) -> None:
    registry.add("number", 3, summary="an integer")
    registry.add("lazy", "collections:OrderedDict.fromkeys")
    assert registry.get("number") == 3
    assert registry.get("lazy")("a") == {"a": None}
    assert registry.names() == list(registry) == ["lazy", "number"]
    assert "number" in registry and "other" not in registry and len(registry) == 2


def test_a_lazy_target_is_imported_only_when_asked_for(
    registry: Registry[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gadget_lazy.py").write_text("thing = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.add("lazy", "gadget_lazy:thing", summary="later")
    assert registry.names() == ["lazy"] and registry.summary("lazy") == "later"
    assert "gadget_lazy" not in sys.modules
    assert registry.get("lazy") == 1


def test_decorator_returns_its_target_and_summary_falls_back_to_the_docstring(registry: Registry[Any]) -> None:
    @registry.register("first", summary="given")
    class First:
        """Not this."""

    @registry.register("second")
    def second() -> None:
        """A second thing.

        With details.
        """

    registry.add("third", 3)
    assert registry.get("first") is First and registry.get("second") is second
    assert [registry.summary(name) for name in registry] == ["given", "A second thing.", ""]


def test_unknown_name_gives_near_matches(registry: Registry[Any]) -> None:
    registry.add("burgers", 1)
    with pytest.raises(UnknownNameError, match=r"no gadget named 'burger'\. Did you mean 'burgers'\? Known: burgers\."):
        registry.get("burger")
    with pytest.raises(UnknownNameError, match="burgers"):
        registry.summary("burger")


def test_duplicate_name_is_refused_but_the_same_object_is_not(registry: Registry[Any]) -> None:
    thing = object()
    registry.add("thing", thing)
    registry.add("thing", thing)
    registry.add("things", object())
    with pytest.raises(InputError, match="'thing' is already in use; choose another than 'thing', 'things'"):
        registry.add("thing", object())
    assert registry.get("thing") is thing


@pytest.mark.parametrize("name", ["", "two words", " x"])
def test_unusable_names(registry: Registry[Any], name: str) -> None:
    with pytest.raises(InputError, match="non-empty name without spaces"):
        registry.add(name, 1)


def test_a_lazy_target_must_be_well_formed_and_importable(registry: Registry[Any]) -> None:
    with pytest.raises(InputError, match="'module:attribute'"):
        registry.add("bad", "no_colon")
    registry.add("gone", "package_that_is_not_there:thing")
    registry.add("empty", "collections:nothing_like_it")
    with pytest.raises(InputError, match="'gone' could not be loaded.*No module named"):
        registry.get("gone")
    with pytest.raises(InputError, match="'empty' could not be loaded"):
        registry.get("empty")


def test_check_refuses_targets_of_the_wrong_kind() -> None:
    def check(name: str, target: Any) -> None:
        if not isinstance(target, int):
            raise InputError(f"{name} must be an integer.")

    registry: Registry[int] = Registry("number", None, check=check)
    with pytest.raises(InputError, match="a must be an integer"):
        registry.add("a", 1.5)  # type: ignore[arg-type]
    registry.add("b", "math:pi")
    with pytest.raises(InputError, match="b must be an integer"):
        registry.get("b")
    assert registry.names() == ["b"]


def test_plugins_are_found_through_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path, monkeypatch, {"gadget_good": "'''doc'''\ndef tool():\n    'A tool.'"}, {"tool": "gadget_good:tool"}
    )
    registry: Registry[Any] = Registry("gadget", GROUP)
    registry.add("own", 1)
    assert registry.get("own") == 1
    assert "gadget_good" not in sys.modules, "a plug-in is imported only when needed"
    assert registry.names() == ["own", "tool"]
    assert registry.get("tool").__name__ == "tool" and registry.summary("tool") == "A tool."


def test_a_broken_plugin_warns_once_and_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"gadget_broken": "raise OSError('no such device')", "gadget_fine": "tool = 7"}
    points = {"bad": "gadget_broken:tool", "gone": "gadget_not_there:tool", "fine": "gadget_fine:tool"}
    install(tmp_path, monkeypatch, modules, points)
    registry: Registry[Any] = Registry("gadget", GROUP)
    with pytest.warns(RuntimeWarning) as caught:
        assert registry.names() == ["fine"]
    messages = sorted(str(item.message) for item in caught)
    assert len(messages) == 2
    assert "'bad = gadget_broken:tool' (gadgets)" in messages[0] and "no such device" in messages[0]
    assert "gadget_not_there" in messages[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.names() == ["fine"] and registry.get("fine") == 7
        with pytest.raises(InputError, match="'bad' belongs to a plug-in that cannot be used: OSError: no such device"):
            registry.get("bad")


def test_a_plugin_of_the_wrong_kind_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(name: str, target: Any) -> None:
        if not isinstance(target, int):
            raise TypeError(f"{name} is no integer")

    install(
        tmp_path, monkeypatch, {"gadget_kinds": "a = 1\nb = 'text'"}, {"a": "gadget_kinds:a", "b": "gadget_kinds:b"}
    )
    registry: Registry[int] = Registry("number", GROUP, check=check)
    with pytest.warns(RuntimeWarning, match="b is no integer"):
        assert registry.names() == ["a"]


def test_a_plugin_cannot_take_a_name_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, {"gadget_thief": "own = 'stolen'"}, {"own": "gadget_thief:own"})
    registry: Registry[Any] = Registry("gadget", GROUP)
    registry.add("own", 1)
    with pytest.warns(RuntimeWarning, match="'own' is already in use"):
        assert registry.get("own") == 1


@pytest.mark.parametrize("imported_first", [True, False])
def test_a_plugin_may_register_its_own_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported_first: bool
) -> None:
    registry: Registry[Any] = Registry("gadget", GROUP)
    source = "import gadget_home\nclass Tool: pass\ngadget_home.registry.add('tool', Tool)"
    install(
        tmp_path, monkeypatch, {"gadget_home": "registry = None", "gadget_self": source}, {"tool": "gadget_self:Tool"}
    )
    import gadget_home

    gadget_home.registry = registry
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if imported_first:
            import gadget_self  # noqa: F401
        assert registry.names() == ["tool"]
        assert registry.get("tool") is sys.modules["gadget_self"].Tool
