"""Registry: names for problems, networks, solvers, metrics; own ones and those of installed plug-ins."""

from __future__ import annotations

import difflib
import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, final

from sciflow.core.errors import InputError, UnknownNameError, near

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
Target = TypeVar("Target")


@dataclass
class _Entry:
    """One registered name; until its target is imported, ``path`` or ``point`` says where it is."""

    target: Any = None
    summary: str = ""
    path: str | None = None
    point: EntryPoint | None = None


@final
class Registry(Generic[T]):
    """A table of names whose targets may be imported only when they are asked for.

    Own names are added by :meth:`add` or :meth:`register`. Names of plug-ins come from the entry points of ``group``,
    found on first use; a plug-in that cannot be loaded, or that takes a name already in use, warns once and leaves the
    others usable.

    Args:
        kind: what the names stand for, in messages ("problem", "network").
        group: entry-point group in which plug-ins announce themselves, or None for a table without plug-ins.
        check: called with (name, target) when a target is first loaded; raises if the target is of the wrong kind.

    Example:
        >>> networks = Registry("network", None)
        >>> networks.add("deque", "collections:deque", summary="double-ended queue")
        >>> networks.get("deque").__name__
        'deque'
    """

    def __init__(self, kind: str, group: str | None = None, *, check: Callable[[str, Any], None] | None = None) -> None:
        self.kind = kind
        self.group = group
        self._check = check
        self._entries: dict[str, _Entry] = {}
        self._broken: dict[str, str] = {}
        self._discovered = group is None

    def add(self, name: str, target: T | str, *, summary: str = "") -> None:
        """Register ``target`` under ``name``.

        Args:
            name: a non-empty name without spaces.
            target: the object itself, or ``"module:attribute"`` to import it when it is first asked for.
            summary: one line for listings.

        Raises:
            InputError: the name is in use by something else, or is not a usable name.
        """
        if not name or name != "".join(name.split()):
            raise InputError(f"A {self.kind} needs a non-empty name without spaces, not {name!r}.")
        if isinstance(target, str) and target.count(":") != 1:
            raise InputError(f"The target of {self.kind} '{name}' must read 'module:attribute', not '{target}'.")
        path = target if isinstance(target, str) else None
        old = self._entries.get(name)
        if old is not None and old.point is None:
            if path is None and old.path is None and old.target is target:
                return
            taken = ", ".join(repr(item) for item in difflib.get_close_matches(name, list(self._entries), n=5))
            raise InputError(f"The {self.kind} name '{name}' is already in use; choose another than {taken}.")
        if path is None and self._check is not None:
            self._check(name, target)
        # A plug-in's module may register its own object while its entry point is being loaded: the object wins.
        self._entries[name] = _Entry(None if path else target, summary, path)

    def register(self, name: str, *, summary: str = "") -> Callable[[Target], Target]:
        """Decorator form of :meth:`add`: ``@networks.register("fno", summary="Fourier neural operator")``."""

        def decorate(target: Target) -> Target:
            self.add(name, cast(T, target), summary=summary)
            return target

        return decorate

    def get(self, name: str) -> T:
        """The target of ``name``, imported now if need be.

        Raises:
            UnknownNameError: nothing has this name; the message gives near matches.
            InputError: the name is known but its module cannot be imported.
        """
        self._discover()
        entry = self._entries.get(name) if isinstance(name, str) else None
        if entry is not None and entry.path is not None:
            self._load_own(name, entry, entry.path)
        if entry is not None and (entry.point is None or self._load_plugin(name, entry.point)):
            return cast(T, self._entries[name].target)
        if name in self._broken:
            raise InputError(
                f"The {self.kind} '{name}' belongs to a plug-in that cannot be used: {self._broken[name]}; repair or "
                "uninstall it."
            )
        raise UnknownNameError(f"There is no {self.kind} named '{name}'.{near(str(name), self.names())}")

    def names(self) -> list[str]:
        """All names in alphabetical order; plug-ins are loaded for it, so that every name listed can be used."""
        self._discover()
        for name, entry in list(self._entries.items()):
            if entry.point is not None:
                self._load_plugin(name, entry.point)
        return sorted(self._entries)

    def summary(self, name: str) -> str:
        """One line about ``name``: as registered, else the first docstring line of a class or function already loaded.

        Raises:
            UnknownNameError: nothing has this name.
        """
        self._discover()
        entry = self._entries.get(name)
        if entry is None or entry.point is not None:
            self.get(name)
            entry = self._entries[name]
        if entry.summary or entry.path is not None:
            return entry.summary
        documented = inspect.isclass(entry.target) or inspect.isroutine(entry.target)
        doc = inspect.getdoc(entry.target) if documented else None
        return doc.splitlines()[0] if doc else ""

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}: {', '.join(sorted(self._entries))})"

    def _discover(self) -> None:
        """Note the entry points of the group, once; a name in use is refused unless it leads to the same object."""
        if self._discovered:
            return
        self._discovered = True  # first, since loading a plug-in may use this registry
        from importlib.metadata import entry_points

        for point in entry_points(group=self.group or ""):
            old = self._entries.get(point.name)
            if old is None:
                self._entries[point.name] = _Entry(point=point)
            elif old.point is not None:
                if old.point.value != point.value:
                    self._warn(point, f"the name '{point.name}' is already in use by the plug-in {_origin(old.point)}")
            elif not self._leads_to(point, old):
                self._warn(point, f"the name '{point.name}' is already in use")

    def _leads_to(self, point: EntryPoint, old: _Entry) -> bool:
        """Whether a plug-in's entry point gives the object registered already, as when its module was imported."""
        if old.path is not None:
            return bool(old.path == point.value)
        try:
            return point.load() is old.target
        except Exception:
            return False

    def _load_own(self, name: str, entry: _Entry, path: str) -> None:
        module, attribute = path.split(":")
        try:
            target = importlib.import_module(module)
            for part in attribute.split("."):
                target = getattr(target, part)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"The {self.kind} '{name}' could not be loaded from '{path}': {error}; install what it needs."
            ) from error
        if self._check is not None:
            self._check(name, target)
        entry.target, entry.path = target, None

    def _load_plugin(self, name: str, point: EntryPoint) -> bool:
        """Load one plug-in; on failure warn, forget its name and remember why."""
        try:
            target = point.load()
            if self._check is not None:
                self._check(name, target)
        except Exception as error:
            del self._entries[name]
            self._broken[name] = f"{type(error).__name__}: {error}"
            self._warn(point, self._broken[name])
            return False
        entry = self._entries[name]  # replaced meanwhile if the module registered its object itself
        entry.target, entry.point = target, None
        return True

    def _warn(self, point: EntryPoint, reason: str) -> None:
        warnings.warn(f"The {self.kind} plug-in {_origin(point)} was left out: {reason}.", RuntimeWarning, stacklevel=3)


def _origin(point: EntryPoint) -> str:
    """'name = module:attribute (distribution)' of an entry point."""
    distribution = f" ({point.dist.name})" if point.dist is not None else ""
    return f"'{point.name} = {point.value}'{distribution}"
