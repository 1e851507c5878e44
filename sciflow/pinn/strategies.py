r"""Ways to train an ordinary physics-informed network on problems that it fails on in one go.

- ``curriculum``: from an easy value of a parameter to the wanted one in stages, each from the weights of the last
  (Krishnapriyan et al. (2021), arXiv:2109.01050, section 4.1).
- ``marching``: windows of time one after the other, each from the end of the last (the same paper, section 4.2, where
  it is called sequence-to-sequence). The start of a window is exact by construction.
- ``xpinn``: one network for each subdomain of time and space, all trained together, with terms that make them agree
  (Jagtap and Karniadakis (2020), Commun. Comput. Phys. 28, 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from sciflow.core.config import Config, validate
from sciflow.core.errors import InputError, near
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.training import Trained, Trainer, joined
from sciflow.pinn.xpinn import Decomposed

if TYPE_CHECKING:
    from sciflow.pinn.settings import Settings
    from sciflow.problems import Case, Problem

Interval = tuple[float, float] | None
Fields = Callable[[np.ndarray], dict[str, np.ndarray]]


class Curriculum(Config):
    """Stages of a parameter.

    Attributes:
        parameter: its name; needed where the problem has more than one.
        begin: the first value; the lower end of the parameter's range by default.
        stages: how many, evenly spaced, the last being the wanted value.
    """

    kind: Literal["curriculum"] = "curriculum"
    parameter: str | None = None
    begin: float | None = None
    stages: int = Field(default=10, ge=2)


class Marching(Config):
    """Equal windows of time; 10 to 20 serve the published failures."""

    kind: Literal["marching"] = "marching"
    windows: int = Field(default=10, ge=2)


class Decomposition(Config):
    """Subdomains: `windows` in time, `parts` along the first axis of space."""

    kind: Literal["xpinn"] = "xpinn"
    windows: int = Field(default=4, ge=1)
    parts: int = Field(default=1, ge=1)


Strategy = Curriculum | Marching | Decomposition
_KINDS: Mapping[str, type[Curriculum] | type[Marching] | type[Decomposition]] = {
    "curriculum": Curriculum,
    "marching": Marching,
    "xpinn": Decomposition,
}


def strategy_of(value: str | Mapping[str, Any] | Strategy) -> Strategy:
    """A strategy from its name, or from a mapping with the name under ``kind``.

    Raises:
        InputError: the name or an option is unknown, or a value out of range.
    """
    if isinstance(value, Config):
        return value
    options = {"kind": value} if isinstance(value, str) else dict(value)
    kind = str(options.get("kind"))
    if kind not in _KINDS:
        raise InputError(f"There is no strategy {kind!r}.{near(kind, _KINDS)}")
    return validate(_KINDS[kind], options, f"the strategy '{kind}'")


def run(
    strategy: Strategy, problem: Problem, case: Case, settings: Settings, time: Interval
) -> tuple[Trained, Fields, Interval]:
    """Train by a strategy.

    Returns:
        What was trained, the fields (N,) at points (D, N), and the interval of time.

    Raises:
        InputError: the problem is steady, or does not fit the strategy.
    """
    if problem.t is None:
        raise InputError(f"The strategy '{strategy.kind}' follows time; '{problem.name}' is steady.")
    if isinstance(strategy, Curriculum):
        return _curriculum(strategy, problem, case, settings, time)
    if isinstance(strategy, Marching):
        return _march(strategy.windows, problem, case, settings, time)
    system = Decomposed.of(problem, case, settings, time=time, windows=strategy.windows, parts=strategy.parts)
    trained = Trainer(system, settings).run()
    return trained, system.fields(trained.weights), system.time


def _curriculum(
    strategy: Curriculum, problem: Problem, case: Case, settings: Settings, time: Interval
) -> tuple[Trained, Fields, Interval]:
    info = _swept(problem, strategy.parameter)
    if f"Symbol('{info.name}'" in str(problem.domain.describe()):
        raise InputError(f"The parameter '{info.name}' shapes the domain of '{problem.name}'; choose another one.")
    begin = info.low if strategy.begin is None else strategy.begin
    if begin is None:
        raise InputError(f"The parameter '{info.name}' declares no range; give the curriculum's begin.")
    system = Eulerian.of(problem, case, settings, time=time, values={info.name: begin})
    trainer = Trainer(system, settings)
    stages: list[Trained] = []
    values = np.linspace(begin, problem.values(case.values)[info.name], strategy.stages)
    for index, value in enumerate(values):
        system = system.with_values({info.name: float(value)})
        start, first = (stages[-1].weights, len(settings.phases) - 1) if stages else (None, 0)
        # Half of the time is for the wanted value, the other half for those that lead there.
        share = 0.5 if index == len(values) - 1 else 0.5 / (len(values) - 1)
        limit = None if settings.seconds is None else settings.seconds * share
        stages.append(trainer.run(system, start, seconds=limit, first=first))
    return joined(stages, one_network=True), system.fields(stages[-1].weights), system.time


def _swept(problem: Problem, name: str | None) -> Any:
    known = {info.name: info for info in (*problem.parameters, *problem.coefficients)}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        raise InputError(
            f"A curriculum needs one parameter of '{problem.name}', as in parameter={next(iter(known), 'c')!r}; "
            f"got {name!r}.{near(str(name), known)}"
        )
    return known[name]


def _march(
    windows: int, problem: Problem, case: Case, settings: Settings, time: Interval
) -> tuple[Trained, Fields, Interval]:
    whole = time or problem.time
    if whole is None:
        raise InputError(f"The problem '{problem.name}' declares no time interval; give one, as in time=(0, 1).")
    width = (whole[1] - whole[0]) / windows
    system = Eulerian.of(problem, case, settings, time=(whole[0], whole[0] + width))
    system.require_windows()
    trainer = Trainer(system, settings)
    stages: list[Trained] = []
    pieces: list[Fields] = []
    limit = None if settings.seconds is None else settings.seconds / windows
    for index in range(windows):
        trained = trainer.run(system, seconds=limit)
        stages.append(trained)
        pieces.append(system.fields(trained.weights))
        if index < windows - 1:
            system = system.after(trained.weights)
    return joined(stages), _in_windows(pieces, whole[0], width), whole


def _in_windows(pieces: Sequence[Fields], begin: float, width: float) -> Fields:
    def evaluate(points: np.ndarray) -> dict[str, np.ndarray]:
        window = np.clip(((points[0] - begin) / width).astype(int), 0, len(pieces) - 1)
        found: dict[str, np.ndarray] = {}
        for index in np.unique(window):
            here = window == index
            for name, values in pieces[index](points[:, here]).items():
                found.setdefault(name, np.empty(points.shape[1]))[here] = values
        return found

    return evaluate
