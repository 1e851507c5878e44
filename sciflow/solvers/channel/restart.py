"""Restart files: a folder with one file for each component, so that no file holds more than one field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from sciflow.core.errors import InputError
from sciflow.core.files import atomic_path
from sciflow.solvers.channel.convection import Velocity
from sciflow.solvers.channel.run import Run
from sciflow.solvers.channel.statistics import Sums
from sciflow.solvers.channel.stepping import Scheme, State

COMPONENTS = ("u", "v", "w", "p")


def save_restart(run: Run, folder: str | Path) -> Path:
    """Write ``u.safetensors`` and so on (coefficients, real and imaginary parts last), the statistics and ``run.json``.

    The folder is whole or absent: it is written beside its place and renamed.
    """
    grid = run.scheme.grid
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for name, part in zip(COMPONENTS, (*run.state.velocity, run.state.p), strict=True):
            array = np.asarray(part)
            pairs = np.ascontiguousarray(np.stack([array.real, array.imag], -1))
            save_file({name: pairs}, temporary / f"{name}.safetensors")
        if run.blocks:
            rows = {name: np.stack([getattr(block, name) for block in run.blocks]) for name in Sums._fields}
            save_file(rows, temporary / "statistics.safetensors")
        numbers = {
            "time": run.time, "dt": run.dt, "longest": run.longest, "steps": run.steps, "force": run.force,
            "precision": run.precision, "blocks": len(run.blocks), "nx": grid.nx, "nz": grid.nz,
            "lx": grid.lx, "lz": grid.lz, "centres": grid.centres.tolist(),
            "nu": run.scheme.nu, "bulk": run.scheme.bulk,
        }  # fmt: skip
        (temporary / "run.json").write_text(json.dumps(numbers, indent=1))
    return Path(folder)


def load_restart(folder: str | Path, scheme: Scheme, *, device: str | None = None) -> Run:
    """The run of a folder, as it was: it goes on as if it had not been interrupted.

    Raises:
        InputError: the folder holds no complete restart, or one of another grid, viscosity or flow rate.
    """
    path = Path(folder)
    if not (path / "run.json").is_file():
        raise InputError(f"{path} holds no restart of a channel (run.json is missing); give the folder of one.")
    numbers = json.loads((path / "run.json").read_text())
    grid = scheme.grid
    own = {"nx": grid.nx, "nz": grid.nz, "lx": grid.lx, "lz": grid.lz, "nu": scheme.nu, "bulk": scheme.bulk}
    for name, value in own.items():
        if numbers[name] != value:
            raise InputError(f"The restart {path} has {name} = {numbers[name]}, this run {value}; make them equal.")
    if numbers["centres"] != grid.centres.tolist():
        raise InputError(f"The restart {path} has another grid across the channel; use its stretch and cells.")
    arrays = {}
    for name in COMPONENTS:
        pairs = load_file(path / f"{name}.safetensors")[name]
        arrays[name] = pairs.view(np.result_type(pairs, np.complex64))[..., 0]
    state = State(Velocity(arrays["u"], arrays["v"], arrays["w"]), arrays["p"])
    run = Run(scheme, state, numbers["dt"], time=numbers["time"], precision=numbers["precision"], device=device)
    run.steps, run.force, run.longest = numbers["steps"], numbers["force"], numbers["longest"]
    if numbers["blocks"]:
        rows = load_file(path / "statistics.safetensors")
        run.blocks = [Sums(*(rows[name][i] for name in Sums._fields)) for i in range(numbers["blocks"])]
    return run
