"""The folders and metadata of the CFDBench release (arXiv 2310.05963), shared by its importer and exporter.

``PROBLEM/SUBSET/caseNNNN`` holds ``u.npy`` and ``v.npy``, each [frame, row, column] in m/s with row 0 at the bottom
and column 0 at the left, and ``case.json`` with the parameters in SI units.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from sciflow.core.errors import InputError, UnknownNameError, near

# Seconds between frames as published; the loaders of the release say 0.1 for some problems where that is wrong.
FRAME_SECONDS = {"cavity": 0.1, "tube": 0.01, "dam": 0.1, "cylinder": 0.001}
SUBSETS = ("prop", "bc", "geo")  # in the order in which the published splits join them
CELLS = 64
SPEEDS = ("vel_top", "vel_in", "velocity")
# Parameter of the problem -> key of case.json that the exporter writes, sign, and other keys with the same meaning.
_FLUID = {"rho": ("density", 1), "mu": ("viscosity", 1)}
_BOX = {"width": ("width", 1), "height": ("height", 1)}
KEYS: dict[str, dict[str, tuple[str, int]]] = {
    "cavity": {"u_top": ("vel_top", 1), **_FLUID, **_BOX},
    "tube": {"u_in": ("vel_in", 1), **_FLUID, **_BOX},
    "dam": {
        "u_in": ("velocity", 1),
        **_FLUID,
        "barrier_height": ("barrier_height", 1),
        "barrier_width": ("barrier_width", 1),
    },
    "cylinder": {
        "u_in": ("vel_in", 1),
        **_FLUID,
        "radius": ("radius", 1),
        "x1": ("x_min", -1),
        "x2": ("x_max", 1),
        "y1": ("y_min", -1),
        "y2": ("y_max", 1),
    },
}
DAM_BOX = {"width": 1.5, "height": 0.4}


@final
@dataclass(frozen=True)
class ReleasedCase:
    """One case folder: where it is, and what its metadata say.

    Attributes:
        dt: seconds between frames, of ``case.json`` if it has the key ``dt``, else as published.
    """

    folder: Path
    number: int
    subset: str
    parameters: dict[str, float] = field(default_factory=dict)
    dt: float = 0.0


def speed_name(problem: str) -> str:
    """The parameter that drives a flow."""
    return next(iter(KEYS[problem]))


def find_cases(source: Path, problem: str | None, subset: str | None) -> tuple[str, list[ReleasedCase]]:
    """The problem and the cases, without parameters, in the order prop, bc, geo and by number.

    Args:
        source: the folder of a subset, of a problem, or of the problems (``data`` or its parent).
        problem: its name, where the folder does not say it.
        subset: "bc", "prop", "geo" or several joined by "+"; None for all that are there.

    Raises:
        InputError: no cases are found, or a name is unknown.
    """
    for name, given, known in (("problem", problem, tuple(KEYS)), ("subset", subset, SUBSETS)):
        for part in (given or "").split("+") if given is not None else ():
            if part not in known:
                raise UnknownNameError(f"CFDBench has no {name} '{part}'.{near(part, known)}")
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give the folder of a problem, of one of its subsets, or 'data'.")
    wanted = SUBSETS if subset is None else tuple(name for name in SUBSETS if name in subset.split("+"))
    if _numbered(source):  # the folder of one subset
        own = source.resolve()
        name = subset or _required("subset", own.name, SUBSETS)
        if "+" in name:
            raise InputError(f"{source} holds the cases of one subset, not of {name}; give the folder of the problem.")
        problem = problem or _required("problem", own.parent.name, tuple(KEYS))
        return problem, list(_cases(source, name))
    folder, problem = _problem_folder(source, problem)
    _refuse_strangers(folder)
    cases = [case for name in wanted for case in _cases(folder / name, name)]
    if not cases:
        what = f"of the subset {subset} " if subset else ""
        raise InputError(f"No cases {what}are found in {folder}; expected folders such as prop/case0000 with u.npy.")
    return problem, cases


def read_metadata(problem: str, cases: Sequence[ReleasedCase]) -> list[ReleasedCase]:
    """The cases with the parameters of their ``case.json``.

    Raises:
        InputError: a file is missing or no JSON, or lacks keys; all folders at fault are counted, the first is named.
    """
    read, faults = [], []
    for case in cases:
        try:
            read.append(_with_parameters(problem, case))
        except InputError as error:
            faults.append(str(error))
    if faults:
        more = f" ({len(faults) - 1} more cases cannot be used either)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}")
    return read


def _with_parameters(problem: str, case: ReleasedCase) -> ReleasedCase:
    path = case.folder / "case.json"
    try:
        given = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"The case folder {case.folder} has no case.json; copy it again or remove it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"The file {path} is not JSON ({error}); copy it again.") from error
    if not isinstance(given, dict):
        raise InputError(f"The file {path} holds {type(given).__name__}; expected an object with the parameters.")
    found: dict[str, float] = {}
    missing = []
    for name, (key, sign) in KEYS[problem].items():
        keys = [key, *(other for other in SPEEDS if other != key)] if key in SPEEDS else [key]
        present = [candidate for candidate in keys if candidate in given]
        if not present:
            missing.append(key)
            continue
        value = given[present[0]]
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or sign * value <= 0:
            expected = f"a {'positive' if sign > 0 else 'negative'} number"
            raise InputError(f"The file {path} has {present[0]} = {value!r}; expected {expected} in SI units.")
        found[name] = float(sign * value)
    if missing:
        raise InputError(f"The file {path} lacks {', '.join(missing)}; add what is missing, in SI units.")
    if problem == "dam":
        for key, size in DAM_BOX.items():
            if not math.isclose(given.get(key, size), size, rel_tol=1e-6):
                raise InputError(f"The file {path} has {key} = {given[key]}; the dam's box is 1.5 m x 0.4 m.")
    dt = given.get("dt", FRAME_SECONDS[problem])
    if not isinstance(dt, int | float) or not dt > 0:
        raise InputError(f"The file {path} has dt = {dt!r}; expected the seconds between frames.")
    return ReleasedCase(case.folder, case.number, case.subset, found, float(dt))


def _problem_folder(source: Path, problem: str | None) -> tuple[Path, str]:
    """The folder that holds the subsets, and the problem's name."""
    if any((source / name).is_dir() for name in SUBSETS) or any(_numbered(child) for child in _folders(source)):
        return source, problem or _required("problem", source.resolve().name, tuple(KEYS))
    root = source / "data" if (source / "data").is_dir() else source
    there = [name for name in KEYS if (root / name).is_dir()]
    if not there:
        names = ", ".join(child.name for child in _folders(source)[:5]) or "nothing"
        raise InputError(f"No cases are found in {source} (it holds {names}); expected PROBLEM/SUBSET/caseNNNN.")
    if problem is None and len(there) > 1:
        raise InputError(f"{source} holds the problems {', '.join(there)}; choose one, as in --problem {there[0]}.")
    problem = problem or there[0]
    if problem not in there:
        raise InputError(f"{source} holds no problem '{problem}', only {', '.join(there)}.")
    return root / problem, problem


def _required(kind: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise UnknownNameError(
            f"The folder '{name}' is no {kind} of CFDBench; say which one it is by --{kind}.{near(name, known)}"
        )
    return name


def _refuse_strangers(folder: Path) -> None:
    for child in _folders(folder):
        if child.name not in SUBSETS and _numbered(child):
            raise UnknownNameError(
                f"The folder {child} holds cases, but CFDBench has no subset '{child.name}'.{near(child.name, SUBSETS)}"
            )


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir())


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """Case folders by number; the glob of the release is ``case*``."""
    found = []
    for child in folder.glob("case*"):
        match = re.fullmatch(r"case(\d+)", child.name)
        if match and child.is_dir():
            found.append((int(match[1]), child))
    return sorted(found)


def _cases(folder: Path, subset: str) -> Iterator[ReleasedCase]:
    for number, child in _numbered(folder):
        yield ReleasedCase(child, number, subset)
