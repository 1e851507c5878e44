"""The engine on DeepXDE: against exact solutions and the JAX engine, and as a guest that leaves no trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import sympy
import torch

from sciflow.core.errors import InputError, SciflowError
from sciflow.pinn.deepxde import DEFAULTS, solve_deepxde
from sciflow.pinn.deepxde_engine.library import borrowed
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.settings import Settings
from sciflow.pinn.training import train
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    Outflow,
    Parameter,
    Problem,
    Robin,
    coordinates,
    get,
    laplacian,
)

# Not by importing it: that would leave traces.
pytestmark = pytest.mark.skipif(find_spec("deepxde") is None, reason="deepxde is not installed")


def settings_of(**changes: Any) -> Settings:
    base = {"hard": False, "points": 96, "boundary_points": 32, "resample": 0, "width": 8, "depth": 2}
    return Settings.make({**base, "phases": [{"method": "adam", "steps": 1}], **changes})


def heat() -> Problem:
    t, x = coordinates("t x")
    u, kappa = Field("u")(t, x), Parameter("kappa", 0.1)
    return Problem(
        name="heat-walls",
        fields=[u],
        parameters=[kappa],
        domain=Box(x=(0, 1)),
        time=(0, 1),
        evolution={u: kappa * u.diff(x, 2)},
        initial={u: sympy.sin(sympy.pi * x)},
        boundary={u: {"x-": Dirichlet(0), "x+": Dirichlet(0)}},
        exact={u: sympy.exp(-kappa * sympy.pi**2 * t) * sympy.sin(sympy.pi * x)},
    )


def slopes() -> Problem:
    """Neumann and Robin conditions that vary in time, an outflow, 3-D, a coefficient that varies in space."""
    t, x, y, z = coordinates("t x y z")
    u, kappa = Field("u")(t, x, y, z), Parameter("kappa", 0.3)
    return Problem(
        name="slopes",
        fields=[u],
        parameters=[kappa],
        domain=Box(x=(0, 2), y=(-1, 1), z=(0, 1)),
        time=(0, 0.5),
        evolution={u: kappa * (1 + x) * laplacian(u) + u.diff(x, y) - u},
        initial={u: sympy.cos(x) * y},
        boundary={
            u: {
                "x-": Neumann(sympy.sin(t) + y),
                "x+": Robin(kappa * t, a=1 + y**2, b=kappa),
                "y-": Outflow(),
                "y+": Dirichlet(sympy.exp(-t) * z),
                "z-": Neumann(0),
                "z+": Dirichlet(x),
            }
        },
    )


def potential() -> Problem:
    """Steady, with a disk cut out, two equations."""
    x, y = coordinates("x y")
    u, v = Field("u")(x, y), Field("v")(x, y)
    return Problem(
        name="potential",
        fields=[u, v],
        domain=Box(x=(-1, 1), y=(-1, 1)) - Disk(center=(0.1, 0), radius=0.3),
        steady={u: sympy.Eq(laplacian(u), v), v: sympy.Eq(v.diff(x, 2) + u * v, x)},
        boundary={
            u: {side: Dirichlet(x + y) for side in ("x-", "x+", "y-", "y+")} | {"obstacle": Dirichlet(1)},
            v: {"x-": Dirichlet(0), "obstacle": Neumann(y)},
        },
    )


def relative_error(problem: Problem, fitted: Any) -> float:
    points = np.random.default_rng(1).random((2, 2000))
    (exact,) = problem.exact.values()
    values = {**problem.values(), "t": points[0], "x": points[1]}
    symbols = sorted(exact.free_symbols, key=str)
    wanted = sympy.lambdify(symbols, exact)(*(values[str(symbol)] for symbol in symbols))
    return float(np.linalg.norm(fitted.evaluate(points)["u"] - wanted) / np.linalg.norm(wanted))


@pytest.mark.slow
def test_solves_the_heat_equation() -> None:
    problem = heat()
    phases = [{"method": "adam", "steps": 200}, {"method": "lbfgs", "steps": 80, "chunk": 30}]
    fitted = solve_deepxde(problem, problem.sample(1)[0], settings_of(phases=phases))
    assert relative_error(problem, fitted) < 1e-2
    assert [(record.phase, record.step) for record in fitted.history] == [
        *(("adam", step) for step in (0, 100, 200)),
        *(("lbfgs", step) for step in (30, 60, 80)),
    ]
    assert fitted.loss < 1e-3 * fitted.history[0].loss
    assert fitted.reasons == ("adam: all steps taken after 200 steps", "lbfgs: all steps taken after 80 steps")
    assert fitted.seconds > 0 and fitted.count == (2 * 8 + 8) + (8 * 8 + 8) + (8 + 1)


@pytest.mark.parametrize("make", [slopes, potential, lambda: get("kdv")])
def test_the_first_loss_is_that_of_the_jax_engine(make: Any) -> None:
    problem = make()
    case, settings = problem.sample(1)[0], settings_of(condition_weight=3.0, seed=4)
    fitted = solve_deepxde(problem, case, settings)
    with jax.enable_x64(True):
        system = Eulerian.of(problem, case, settings)
        batches = system.draw(np.random.default_rng(settings.seed), None)

        @jax.jit
        def loss(weights: Any) -> Any:
            parts = zip(system.terms, batches, strict=True)  # one block each
            rows = [(term.rows(weights, {k: v[0] for k, v in batch.blocks.items()}), batch) for term, batch in parts]
            return sum((batch.weights @ row**2).mean() for row, batch in rows)

        wanted = float(loss(system.init(jax.random.key(settings.seed))))
    assert fitted.history[0].loss == pytest.approx(wanted, rel=1e-9)


def test_adam_takes_the_steps_of_the_jax_engine() -> None:
    problem = heat()
    phases = [{"method": "adam", "steps": 40, "chunk": 40, "options": {"rate": 1e-2, "last": 0.1}}]
    case, settings = problem.sample(1)[0], settings_of(phases=phases)
    fitted = solve_deepxde(problem, case, settings)
    with jax.enable_x64(True):
        system = Eulerian.of(problem, case, settings)
        trained = train(system, settings)
    for layer, (matrix, bias) in zip(trained.weights, fitted.weights, strict=True):
        np.testing.assert_allclose(matrix, layer["w"], atol=1e-5)
        np.testing.assert_allclose(bias, layer["b"], atol=1e-5)
    points = np.random.default_rng(2).random((2, 50))
    ours = system.fields(trained.weights)(points)["u"]
    np.testing.assert_allclose(fitted.evaluate(points)["u"], ours, atol=1e-4)


def test_draws_new_points_where_the_residual_is_large() -> None:
    problem = heat()
    case, phases = problem.sample(1)[0], [{"method": "adam", "steps": 30, "chunk": 10}]
    kept = [r.loss for r in solve_deepxde(problem, case, settings_of(phases=phases)).history]
    fresh, adaptive = (
        [r.loss for r in solve_deepxde(problem, case, settings_of(phases=phases, resample=10, adaptive=a)).history]
        for a in (False, True)
    )
    assert len(kept) == len(fresh) == len(adaptive) == 4
    assert kept[:2] == fresh[:2] == adaptive[:2] and len({kept[2], fresh[2], adaptive[2]}) == 3


def test_says_why_it_stopped() -> None:
    t, x = coordinates("t x")
    u = Field("u")(t, x)
    still = Problem(name="still", fields=[u], domain=Box(x=(0, 1)), periodic=["x"], time=(0, 1), evolution={u: -u})
    case = still.sample(1)[0]
    fitted = solve_deepxde(still, case, settings_of(phases=[{"method": "lbfgs", "steps": 2000, "chunk": 50}]))
    assert fitted.reasons[0].startswith("lbfgs: the gradient is zero after ") and fitted.loss < 1e-12
    enough = [{"method": "adam", "steps": 500, "chunk": 10}, {"method": "lbfgs", "steps": 9}]
    fitted = solve_deepxde(still, case, settings_of(phases=enough, target=2e-3))
    assert fitted.reasons[0].startswith("adam: target reached") and len(fitted.reasons) == 1 and fitted.loss <= 2e-3
    late = settings_of(phases=[{"method": "adam", "steps": 10**6, "chunk": 10}] * 2, seconds=0.05)
    fitted = solve_deepxde(still, case, late)
    assert len(fitted.reasons) == 1 and fitted.reasons[0].startswith("adam: time limit after ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": [{"method": "broyden", "steps": 5}]}, "not 'broyden'; use the engine 'jax'"),
        ({"phases": [{"method": "adam", "steps": 5, "options": {"rat": 1}}]}, "no option 'rat'. Did you mean 'rate'"),
        ({"network": "modified"}, "the network 'mlp', not 'modified'; use the engine 'jax'"),
        ({"hard": True}, "set hard=False, or use the engine 'jax'"),
    ],
)
def test_refuses_what_it_lacks(changes: dict[str, Any], message: str) -> None:
    problem = heat()
    with pytest.raises(InputError, match=message):
        solve_deepxde(problem, problem.sample(1)[0], settings_of(**changes))


def test_needs_deepxde_on_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = heat()
    with borrowed("float64") as library:
        pass
    with monkeypatch.context() as patch:
        patch.setattr(library.backend, "backend_name", "jax")
        with pytest.raises(InputError, match="on its backend 'jax', and the engine 'deepxde' needs 'pytorch'"):
            solve_deepxde(problem, problem.sample(1)[0], settings_of())
    monkeypatch.setitem(sys.modules, "deepxde", None)
    with pytest.raises(InputError, match="needs the package deepxde; install it with"):
        solve_deepxde(problem, problem.sample(1)[0], settings_of())


def test_an_infinite_loss_is_an_error_and_leaves_deepxde_as_it_was() -> None:
    problem = heat()
    with borrowed("float64") as library:
        pass
    before = dict(vars(library.config.real)), dict(library.optimizers.LBFGS_options), torch.get_default_dtype()
    phases = [{"method": "lbfgs", "steps": 5}, {"method": "adam", "steps": 20, "options": {"rate": 1e200}}]
    with pytest.raises(SciflowError, match="The loss is not finite after 20 steps of 'adam' in DeepXDE"):
        solve_deepxde(problem, problem.sample(1)[0], settings_of(phases=phases))
    after = dict(vars(library.config.real)), dict(library.optimizers.LBFGS_options), torch.get_default_dtype()
    assert before == after


_GUEST = """
import json, os, random, sys, warnings
import jax, numpy as np, torch
from sciflow.pinn.deepxde import solve_deepxde
from sciflow.pinn.deepxde_engine import library
from sciflow.pinn.settings import Settings
from sciflow.problems import get

def state():
    return {
        "device": str(torch.get_default_device()), "created on": str(torch.zeros(1).device),
        "modes of torch": torch._C._len_torch_function_stack(), "dtype": str(torch.get_default_dtype()),
        "torch": torch.get_rng_state().tolist(), "threads": torch.get_num_threads(),
        "numpy": repr(np.random.get_state()), "python": repr(random.getstate()),
        "jax": repr(dict(jax.config.values)), "jax dtype": str(jax.numpy.zeros(1).dtype),
        "environment": dict(os.environ), "filters": repr(warnings.filters),
        "terminal": (id(sys.stdout), id(sys.stderr)),
    }

before, devices, set_default_device = state(), [], torch.set_default_device
available, torch.cuda.is_available = torch.cuda.is_available, lambda: False
with library._kept():  # imported as where there is a GPU, which DeepXDE makes the default device
    torch.cuda.is_available = lambda: True
    torch.set_default_device = lambda device: (devices.append(device), set_default_device(device))
    library._library()
torch.cuda.is_available, torch.set_default_device = available, set_default_device
states = {"import": state()}

problem = get("burgers-dirichlet")
case, phases = problem.sample(1)[0], [{"method": "adam", "steps": 3}, {"method": "lbfgs", "steps": 3}]
small = {"hard": False, "points": 64, "boundary_points": 16, "width": 4, "depth": 1, "resample": 1, "phases": phases}
solve_deepxde(problem, case, Settings.make(small))
states["use"] = state()
try:
    with library.borrowed("float32"):
        np.random.rand(), random.random(), torch.rand(1), warnings.simplefilter("ignore")
        os.environ["ADDED"] = "1"
        del os.environ["HOME"]
        raise ZeroDivisionError
except ZeroDivisionError:
    states["failure"] = state()
changed = {when: [name for name in before if before[name] != after[name]] for when, after in states.items()}
print(json.dumps([devices, changed]))
"""


def test_leaves_no_trace(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "DDE_BACKEND"}
    # Matplotlib, which DeepXDE imports, keeps its list of fonts elsewhere; mpirun sets the last variable.
    environment |= {"HOME": str(home), "MPLCONFIGDIR": str(tmp_path), "OMPI_COMM_WORLD_SIZE": "1"}
    command = [sys.executable, "-c", _GUEST]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    devices, changed = json.loads(done.stdout)
    assert devices == ["cuda", None]
    assert changed == {"import": [], "use": [], "failure": []}
    assert list(home.iterdir()) == []


def test_defaults_are_settings_of_this_engine() -> None:
    problem = heat()
    chosen = Settings.make({**settings_of(seconds=0.1).model_dump(), **DEFAULTS})
    fitted = solve_deepxde(problem, problem.sample(1)[0], chosen, seed=3, time=(0, 0.2))
    assert fitted.reasons[-1].startswith("adam: time limit") and fitted.time == (0, 0.2)
