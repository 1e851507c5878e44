"""sciflow: declare a partial differential equation once; simulate it, learn it, compare methods on it.

Names are imported when they are first used, so that ``import sciflow`` costs next to nothing.

Example:
    >>> import sciflow as sf
    >>> data = sf.simulate("burgers", nu=[1e-2, 1e-3], resolution=64, seed=0)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from sciflow import (
        baselines,
        conservation,
        core,
        data,
        evaluation,
        operators,
        plot,
        problems,
        solvers,
        testing,
        training,
    )
    from sciflow.data import from_arrays, generate, open_dataset
    from sciflow.problems import Problem, register
    from sciflow.solvers import simulate
    from sciflow.training import Surrogate

_HOME_OF = {
    "Problem": "sciflow.problems",
    "register": "sciflow.problems",
    "simulate": "sciflow.solvers",
    "from_arrays": "sciflow.data",
    "generate": "sciflow.data",
    "open_dataset": "sciflow.data",
    "Surrogate": "sciflow.training",
}
_SUBMODULES = (
    "baselines",
    "conservation",
    "core",
    "data",
    "evaluation",
    "operators",
    "plot",
    "problems",
    "solvers",
    "testing",
    "training",
)

__all__ = [
    "Problem",
    "Surrogate",
    "__version__",
    "baselines",
    "conservation",
    "core",
    "data",
    "evaluation",
    "from_arrays",
    "generate",
    "open_dataset",
    "operators",
    "plot",
    "problems",
    "register",
    "simulate",
    "solvers",
    "testing",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _SUBMODULES:
        return import_module(f"sciflow.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow' has no attribute '{name}'")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sciflow-pde")
    except PackageNotFoundError:  # used from a checkout that is not installed
        return "0.0.0"
