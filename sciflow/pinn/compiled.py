"""Compiled functions that know how long compiling took, so that training times can leave it out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax


class Compiled:
    """`jax.jit`, compiled once for each signature ahead of its first call; the seconds of that are counted."""

    seconds = 0.0  # of all compilations in this process

    def __init__(
        self, function: Callable[..., Any], *, static: str | None = None, donate: tuple[int, ...] = ()
    ) -> None:
        self._static = static
        self._jitted = jax.jit(function, static_argnames=static, donate_argnums=donate)
        self._programs: dict[Any, Any] = {}

    def __call__(self, *arguments: Any, **static: Any) -> Any:
        leaves, structure = jax.tree_util.tree_flatten(arguments)
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves), tuple(sorted(static.items()))
        if key not in self._programs:
            begun = time.perf_counter()
            self._programs[key] = self._jitted.lower(*arguments, **static).compile()
            Compiled.seconds += time.perf_counter() - begun
        return self._programs[key](*arguments)
