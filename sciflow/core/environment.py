"""What a result was made with: versions, machine, commit and devices."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "sciflow-pde",
    "numpy",
    "scipy",
    "sympy",
    "torch",
    "jax",
    "jaxlib",
    "exponax",
    "optax",
    "deepxde",
    "xarray",
    "h5py",
    "h5netcdf",
    "pandas",
    "scikit-learn",
    "lightning-fabric",
    "safetensors",
    "pydantic",
)
_CHECKOUT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result; those not installed are left out.

    Read from installed metadata, so nothing is imported.
    """
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe(*, probe: bool = False) -> dict[str, Any]:
    """Everything about the environment that belongs beside a result; plain JSON values.

    Args:
        probe: import torch and JAX to list their devices; otherwise only frameworks already imported are asked, because
            starting JAX makes forking workers unsafe and takes seconds.

    Returns:
        ``python``, ``platform``, ``machine``, ``cpus`` (those this process may use), ``packages``, ``commit`` (of the
        checkout sciflow runs from, with ``+changes`` if it has uncommitted ones, else None), ``devices`` by framework.
    """
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": _cpus(),
        "packages": versions(),
        "commit": commit(),
        "devices": devices(probe=probe),
    }


def commit() -> str | None:
    """The git commit of the checkout that sciflow runs from, or None when it is installed or git is missing."""
    if not (_CHECKOUT / ".git").exists():
        return None
    head = _git("rev-parse", "HEAD")
    if not head:
        return None
    return f"{head}+changes" if _git("status", "--porcelain", "--untracked-files=no") else head


def devices(*, probe: bool = False) -> dict[str, list[str]]:
    """Devices by framework ("torch", "jax"); frameworks that are missing or broken are left out.

    Args:
        probe: import the frameworks if they are not imported yet.
    """
    found: dict[str, list[str]] = {}
    for name, listing in (("torch", _torch_devices), ("jax", _jax_devices)):
        if probe or name in sys.modules:
            try:
                found[name] = listing()
            except (ImportError, RuntimeError):
                continue
    return found


def _torch_devices() -> list[str]:
    import torch

    names = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return ["cpu", *names]


def _jax_devices() -> list[str]:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    return [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()]


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_CHECKOUT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
