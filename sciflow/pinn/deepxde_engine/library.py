"""DeepXDE as a guest of the process: whatever importing and using it changes is put back.

Its import reads the backend from ``DDE_BACKEND`` or from a file in the home directory, which it writes where there is
none; makes the GPU torch's default device; reports on the terminal; and imports packages that set environment variables
and warning filters. Its use draws from NumPy's and torch's global random numbers and depends on switches of its own.
"""

from __future__ import annotations

import io
import os
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any

import numpy as np

from sciflow.core.errors import InputError

_IN_USE = threading.RLock()  # its caches of derivatives belong to the process


@contextmanager
def borrowed(precision: str) -> Iterator[Any]:
    """The package ``deepxde`` in ``"float32"`` or ``"float64"``, on the GPU if torch sees one.

    Afterwards torch's default device and dtype, environment variables, random generators, warning filters and DeepXDE's
    own switches are as before, also after an error.

    Raises:
        InputError: it is not installed, or was imported on another backend.
    """
    import torch

    wanted = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _IN_USE, _kept():
        library = _library()
        config, options = library.config, library.optimizers.LBFGS_options
        real, switches, limits = dict(vars(config.real)), (config.mixed, config.autodiff), dict(options)
        try:
            # Not `set_default_float`, which sets torch's default dtype as well.
            getattr(config.real, f"set_{precision}")()
            config.mixed, config.autodiff = False, "reverse"
            # A device context costs time in each call of torch: only where the default differs.
            with nullcontext() if torch.get_default_device().type == wanted.type else wanted:
                yield library
        finally:
            library.grad.clear()
            vars(config.real).update(real)
            config.mixed, config.autodiff = switches
            options.clear()
            options.update(limits)


@contextmanager
def _kept() -> Iterator[None]:
    """Put back environment variables, random generators and warning filters at the end."""
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    environment, python, numbers = dict(os.environ), random.getstate(), np.random.get_state()
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


def _library() -> Any:
    try:
        if "deepxde" not in sys.modules:
            # A default device of torch belongs to the thread that sets it, so that this one's ends with the thread.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(_imported).result()
        library = import_module("deepxde")
    except ImportError as error:
        raise InputError(
            "The engine 'deepxde' needs the package deepxde; install it with: pip install deepxde, or "
            "use the engine 'jax'."
        ) from error
    backend = library.backend.backend_name
    if backend != "pytorch":
        raise InputError(
            f"DeepXDE was imported in this process on its backend '{backend}', and the engine 'deepxde' needs "
            "'pytorch'; set DDE_BACKEND=pytorch before that import, or use the engine 'jax'."
        )
    return library


def _imported() -> None:
    import torch

    os.environ["DDE_BACKEND"] = "pytorch"
    os.environ.pop("OMPI_COMM_WORLD_SIZE", None)  # it would ask for Horovod in every job that mpirun starts
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            import_module("deepxde")
        finally:
            torch.set_default_device(None)
