r"""DeepXDE (on PyTorch) as a second engine for the same problem, network, points and loss.

Network, points, first weights and values of the conditions are those of the JAX engine at the same settings; the
equations are compiled to torch, and DeepXDE differentiates and minimises

.. math::
    L(\theta) = \sum_e \frac1N \sum_n r_e(\theta, p_n)^2
        + w \sum_c \frac1{N_c} \sum_n \big(a\,u + b\,\partial_n u - g\big)^2(p_{cn})

over equations e and conditions c. Periodic axes are periodic by construction; every other condition is in the loss.

Source: Lu, Meng, Mao and Karniadakis (2021), SIAM Rev. 63, 208-228.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax

from sciflow.core.errors import InputError, near
from sciflow.pinn.deepxde_engine.fitted import Fitted
from sciflow.pinn.deepxde_engine.library import borrowed
from sciflow.pinn.deepxde_engine.training import OPTIONS, Training
from sciflow.pinn.eulerian import Eulerian

if TYPE_CHECKING:
    from sciflow.pinn.settings import Settings
    from sciflow.problems import Case, Problem

# Settings that serve this engine where none are given, beside those that serve the problem.
DEFAULTS: Mapping[str, Any] = {
    "hard": False,
    "phases": ({"method": "adam", "steps": 2000}, {"method": "lbfgs", "steps": 20000}),
}


def solve_deepxde(
    problem: Problem,
    case: Case,
    settings: Settings,
    time: tuple[float, float] | None = None,
    seed: int | None = None,
) -> Fitted:
    """Train a network for one case of a problem with DeepXDE.

    Computes on the GPU that torch sees, else on the CPU. Afterwards torch's default device and dtype, JAX's settings,
    environment variables, random generators and warning filters are as before.

    Args:
        settings: with ``hard=False``, ``network="mlp"`` and the optimisers ``"adam"`` (options `rate` and `last`) and
            ``"lbfgs"`` (option `history`). Adam follows `resample` and `adaptive`; L-BFGS keeps its points, since it
            minimises one function. 1,000 to 10,000 steps of Adam, then L-BFGS in float64, work well.
        time: interval to solve on; the problem's own by default.
        seed: of weights and points; that of the settings by default.

    Raises:
        InputError: DeepXDE is not installed or runs on another backend in this process, the settings ask for what it
            lacks, or the problem cannot be solved by a physics-informed network.
        SciflowError: the loss became NaN or infinite.
    """
    _require_supported(settings)
    chosen = settings if seed is None else settings.model_copy(update={"seed": seed})
    with jax.enable_x64(chosen.precision == "float64"):
        system = Eulerian.of(problem, case, chosen, time=time)
        with borrowed(chosen.precision) as library:
            return Training(library, system).run()


def _require_supported(settings: Settings) -> None:
    for phase in settings.phases:
        if phase.method not in OPTIONS:
            raise InputError(
                f"The engine 'deepxde' has the optimisers 'adam' and 'lbfgs', not '{phase.method}'; use the engine "
                "'jax'."
            )
        unknown = [name for name in phase.options if name not in OPTIONS[phase.method]]
        if unknown:
            hint = near(unknown[0], OPTIONS[phase.method])
            raise InputError(f"'{phase.method}' of the engine 'deepxde' has no option '{unknown[0]}'.{hint}")
    if settings.network != "mlp":
        raise InputError(f"The engine 'deepxde' has the network 'mlp', not '{settings.network}'; use the engine 'jax'.")
    if settings.causal is not None:
        raise InputError("The engine 'deepxde' takes no causal weights; use the engine 'jax'.")
    if settings.hard:
        raise InputError(
            "The engine 'deepxde' leaves initial and boundary conditions to the loss; set hard=False, or use the "
            "engine 'jax'."
        )
