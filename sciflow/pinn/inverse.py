r"""Parameters of a problem from scattered, noisy observations: constrained least squares.

.. math::
    \min_\theta\; \sum_{f,n} \Big(\frac{d_{fn} - u_f(p_n; w(\theta), \theta)}{\sigma_f}\Big)^2, \qquad
    w(\theta) = \arg\min_w |r(w, \theta)|^2

with the residuals r of equations and conditions. The network answers to the equations alone and the parameters to the
observations: there is no weight between the two to choose, noise does not pull the network away from the equations, and
a residual that is smaller at other parameters does not pull the estimate there. Each step is

.. math::
    S^T \Sigma^{-1} S\, \delta\theta = S^T \Sigma^{-1} (d - u - \delta u)

with the sensitivity S and the network's lag :math:`\delta u` of `sciflow.pinn.reduced`. The inverse of
:math:`S^T \Sigma^{-1} S` is the covariance of the estimate, and the Cramer-Rao bound of the design.

Sources: Golub and Pereyra (1973), SIAM J. Numer. Anal. 10, 413 (elimination of the inner unknowns); Bard (1974),
Nonlinear Parameter Estimation, chapter 7 (covariance).
"""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.stats import chi2
from scipy.stats import t as student

from sciflow.core.errors import InputError
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.coupled import START, Coupled
from sciflow.pinn.defaults import settings_for
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.observations import Observations, Scale, check_observations, noise_of, scales_of
from sciflow.pinn.reduced import Linear, Reduced
from sciflow.pinn.settings import Phase, Settings
from sciflow.pinn.solution import Solution
from sciflow.pinn.solving import case_of
from sciflow.pinn.training import Record, has_converged, train
from sciflow.problems import Problem, registry

PHASES = (Phase(method="adam", steps=1000), Phase(method="broyden", steps=1000))
STEPS, ROUNDS = 100, 10  # of the network and the parameters, and of the network in a row
LARGEST, SHORTEST = 0.7, 0.01  # step of a parameter, relative to it: a factor of two; and the last one to go back from
DAMPING = 1e-2  # of steps: a parameter with a standard error of 10 in z moves half as far
DONE, CALM = 0.15, 2  # standard errors: the search ends with so many smaller steps, each on new collocation points
EXACT = 1e-5  # relative to the parameter: small whatever the noise, which may be none
LAG = 0.3  # of the misfit: where the network lags further behind, the parameters wait for it
ALIKE = 1e-6  # parameters act alike where the correlation of their sensitivities has a smaller eigenvalue
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Estimate:
    """Parameters with their uncertainty.

    Attributes:
        values: the estimates.
        errors: standard errors, in the parameters' units.
        intervals: 95 % intervals; of positive parameters on their logarithm.
        covariance: (K, K) of the estimates in the order of `values`.
        sensitivities: of each parameter, by observed field: du / dtheta (N,) at the points.
        noise: standard deviation of each observed field, as given or as estimated from the misfit.
        misfit: root mean square of the misfit over the noise, by field.
        identified: False where the observations cannot tell a parameter, because its relative standard error is above 1
            or others act alike; errors are infinite in the second case.
        converged: whether the last two steps, each on new collocation points, were below 0.15 standard errors.
        warnings: sentences on what is wrong.
        history: values after each step.
        solution: the fields at the estimate.
    """

    values: dict[str, float]
    errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    covariance: np.ndarray
    sensitivities: dict[str, dict[str, np.ndarray]]
    noise: dict[str, float]
    misfit: dict[str, float]
    identified: bool
    converged: bool
    warnings: tuple[str, ...]
    history: tuple[dict[str, float], ...]
    solution: Solution


def infer(
    problem: Problem | str,
    data: Observations,
    unknown: Mapping[str, float],
    *,
    parameters: Mapping[str, float] | None = None,
    noise: Mapping[str, float] | float | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    time: tuple[float, float] | None = None,
) -> Estimate:
    """Estimate parameters of a problem from noisy observations, with their uncertainty.

    Parameters whose declared range is positive are trained as logarithms, others in units of their guess.

    Args:
        problem: a `Problem`, the name of a registered one, or ``"package.module:attribute"``.
        unknown: first guess of each parameter to estimate; one within a factor of ten serves.
        parameters: values of others that differ from the defaults.
        noise: standard deviation, one for each observed field or one for all; None estimates it from the misfit.
        settings: of network, points and the optimisers that train both together; None takes Adam and self-scaled
            Broyden for 1,000 steps each. The time limit holds for those, and again for the search that follows.
        time: interval to solve on; the problem's own by default.

    Raises:
        InputError: a name is unknown, a parameter shapes the domain, a guess is not positive where it must be, points
            lie outside, there are too few of them, or an option is impossible.
        SciflowError: the loss became NaN or infinite.

    Example: ``infer("burgers-dirichlet", Observations(points, {"u": u}), {"nu": 0.02}).intervals["nu"]``.
    """
    declared, given = registry.get(problem), dict(parameters or {})
    changes = {"phases": PHASES, **(settings if isinstance(settings, Mapping) else {})}
    wanted = settings if isinstance(settings, Settings) else settings_for(declared, "pinn", changes)
    if wanted.precision != "float64":
        raise InputError("Parameters are estimated in float64; leave 'precision' out of the settings.")
    scales, sigma, compiled = scales_of(declared, unknown, given), noise_of(noise, data), Compiled.seconds
    with jax.enable_x64(True):
        guesses = {scale.name: float(scale.at(START)) for scale in scales}
        case = case_of(declared, {**given, **guesses})
        system = Eulerian.of(declared, case, wanted, time=time, values=guesses)
        check_observations(declared, data, case.values, system.time, scales)
        coupled = Coupled(system, scales, data)
        trained = train(coupled, wanted)
        flat, unravel = ravel_pytree(trained.weights)
        search = _Search(Reduced(coupled, unravel), data.table, scales, sigma)
        state, ended = search.run(np.asarray(flat), wanted.seconds)
        found = search.values(state.z)
        case = case_of(declared, {**given, **found})
        there = replace(system, model=replace(system.model, case=case), values=found)
        fields = there.fields(unravel(jnp.asarray(state.linear.flat))["network"])
    records = [Record("parameters", k, trained.seconds + s, loss) for k, (s, loss) in enumerate(search.losses, 1)]
    history = (*trained.history, *records)
    reasons = (*trained.reasons, f"parameters: {ended} after {len(records)} steps")
    solution = Solution(
        problem=declared,
        case=case,
        method="pinn",
        time=system.time,
        loss=state.linear.loss,
        converged=has_converged(history, reasons),
        reasons=reasons,
        history=history,
        seconds=records[-1].seconds,
        compile_seconds=Compiled.seconds - compiled,
        weights=trained.count,
        fields=fields,
    )
    return _estimate(search, state, ended, solution, list(data.values))


_SMALL = "two steps were small"


@dataclass(frozen=True)
class _State:
    """Where a search stands: the solution there, the misfit (F, N), the noise by field, -2 log likelihood."""

    linear: Linear
    misfit: np.ndarray
    noise: np.ndarray
    cost: float

    @property
    def z(self) -> np.ndarray:
        """What the parameters are functions of."""
        return self.linear.flat[-len(self.linear.sensitivity) :]

    @property
    def settled(self) -> bool:
        """Whether the network has little left to correct."""
        lag, misfit = (np.linalg.norm(part / self.noise[:, None]) for part in (self.linear.lag, self.misfit))
        return bool(lag < LAG * misfit)


class _Search:
    """Steps of the network and of the parameters in turn."""

    def __init__(
        self, reduced: Reduced, observed: np.ndarray, scales: Sequence[Scale], noise: np.ndarray | None
    ) -> None:
        self.reduced, self.observed, self.scales, self.noise = reduced, observed, list(scales), noise
        self.history: list[dict[str, float]] = []
        self.losses: list[tuple[float, float]] = []  # seconds, loss

    def run(self, flat: np.ndarray, limit: float | None) -> tuple[_State, str]:
        """The best state, and why the search ended; `limit` in seconds, compilation not counted."""
        begun, compiled = clock.perf_counter(), Compiled.seconds
        radius, rounds, calm, far = LARGEST, 0, 0, False
        kept: _State | None = None
        for _ in range(STEPS):
            state = self._state(self.reduced.solve(flat))
            seconds = clock.perf_counter() - begun - (Compiled.seconds - compiled)
            self.history.append(self.values(state.z))
            self.losses.append((seconds, state.linear.loss))
            if limit is not None and seconds > limit:
                return kept or state, "time limit"
            rounds += 1
            if not state.settled and rounds < ROUNDS:
                flat = state.linear.flat
                continue
            if kept is not None and far and radius > SHORTEST and state.cost > kept.cost + 1:  # back, and less far
                radius /= 4
            else:
                kept, radius = state, min(LARGEST, 2 * radius)
            step, size, longest = self._step(kept, radius)
            far = size > 1  # shorter steps change the cost by less than the network's errors do
            small = (state.settled and size < DONE) or longest < EXACT
            calm = calm + 1 if kept is state and small else 0
            if calm == CALM:
                return state, _SMALL
            flat, rounds = kept.linear.flat + np.concatenate([np.zeros(len(flat) - len(step)), step]), 0
        assert kept is not None
        return kept, "all steps taken"

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Parameters by name."""
        return {scale.name: float(scale.at(item)) for scale, item in zip(self.scales, z, strict=True)}

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """Derivative of each parameter by its z."""
        return np.array([scale.slope(float(item)) for scale, item in zip(self.scales, z, strict=True)])

    def relative(self, z: np.ndarray) -> np.ndarray:
        """Relative change of each parameter by its z."""
        return np.array([scale.relative(float(item)) for scale, item in zip(self.scales, z, strict=True)])

    def design(self, state: _State) -> np.ndarray:
        """Sensitivity to z over the noise, one row for each observation: (F N, K)."""
        parts = state.linear.sensitivity / state.noise[:, None]
        return parts.reshape(len(parts), -1).T

    def _state(self, linear: Linear) -> _State:
        misfit = self.observed - linear.fields - linear.lag
        squares, count = np.sum(misfit**2, axis=1), misfit.shape[1]
        if self.noise is not None:
            return _State(linear, misfit, self.noise, float(np.sum(squares / self.noise**2)))
        free = misfit.size / (misfit.size - len(self.scales))
        squares = np.maximum(squares, np.finfo(float).tiny)
        return _State(linear, misfit, np.sqrt(squares * free / count), float(count * np.sum(np.log(squares))))

    def _step(self, state: _State, radius: float) -> tuple[np.ndarray, float, float]:
        """Gauss-Newton in z, cut to the radius; the whole step's size in standard errors and relative to parameters.

        Ways that the observations do not tell from staying are left alone.
        """
        design, misfit = self.design(state), (state.misfit / state.noise[:, None]).ravel()
        norms = np.maximum(np.linalg.norm(design, axis=0), 1e-30)
        rows = np.concatenate([design / norms, np.diag(np.sqrt(DAMPING) / norms)])
        right = np.concatenate([misfit, np.zeros(len(norms))])
        wanted = np.linalg.lstsq(rows, right, rcond=np.sqrt(ALIKE))[0] / norms
        longest = float(np.max(np.abs(wanted) * self.relative(state.z)))
        return wanted * min(1.0, radius / max(longest, radius)), float(np.linalg.norm(design @ wanted)), longest


def _estimate(search: _Search, state: _State, ended: str, solution: Solution, fields: list[str]) -> Estimate:
    """Statistics of the last state."""
    covariance, alike = _covariance(search.design(state))
    errors, slopes, names = np.sqrt(np.diag(covariance)), search.slopes(state.z), [s.name for s in search.scales]
    free = state.misfit.size - len(names)
    wide = float(student.ppf((1 + LEVEL) / 2, free if search.noise is None else np.inf)) * errors
    ends = [search.values(state.z - wide), search.values(state.z + wide)]
    ratios = np.sqrt(np.mean(state.misfit**2, axis=1)) / state.noise
    return Estimate(
        values=search.values(state.z),
        errors=dict(zip(names, (slopes * errors).tolist(), strict=True)),
        intervals={name: (ends[0][name], ends[1][name]) for name in names},
        covariance=covariance * np.outer(slopes, slopes),
        sensitivities={
            name: dict(zip(fields, part, strict=True))
            for name, part in zip(names, state.linear.sensitivity / slopes[:, None, None], strict=True)
        },
        noise=dict(zip(fields, state.noise.tolist(), strict=True)),
        misfit=dict(zip(fields, ratios.tolist(), strict=True)),
        identified=bool(np.all(errors * search.relative(state.z) <= 1)),
        converged=ended == _SMALL,
        warnings=tuple(_warnings(search, state, errors, alike, ended)),
        history=tuple(search.history),
        solution=solution,
    )


def _warnings(search: _Search, state: _State, errors: np.ndarray, alike: bool, ended: str) -> list[str]:
    found = []
    relative = errors * search.relative(state.z)
    lost = [scale.name for scale, error in zip(search.scales, relative, strict=True) if not error <= 1]
    if lost:
        reason = "they act alike" if alike else f"the relative standard error is {relative.max():.2g}"
        found.append(f"The observations do not identify {', '.join(lost)}: {reason}. Observe where and when they act.")
    if ended != _SMALL:
        remedy = "start from a nearer guess" if state.settled else "take a larger network and more points"
        found.append(f"The search has not converged ({ended}): {remedy}, or allow more time.")
    free = state.misfit.size - len(search.scales)
    squares = np.sum((state.misfit / state.noise[:, None]) ** 2)
    if search.noise is not None and squares > chi2.ppf(1 - 1e-4, free):
        found.append(
            f"The misfit is {np.sqrt(squares / free):.2g} times the noise: the equations, the given parameters or the "
            "noise are not those of the observations."
        )
    return found


def _covariance(design: np.ndarray) -> tuple[np.ndarray, bool]:
    """Inverse of D^T D, with infinite variances where columns vanish or act alike, and whether some act alike."""
    norms = np.linalg.norm(design, axis=0)
    seen = norms > 0
    sizes = np.where(seen, norms, 1.0)
    roots, ways = np.linalg.eigh((design / sizes).T @ (design / sizes))
    kept = roots > ALIKE
    blurred = (np.abs(ways[:, ~kept]) > np.sqrt(ALIKE)).any(axis=1)
    found = (ways[:, kept] / roots[kept]) @ ways[:, kept].T / np.outer(sizes, sizes)
    found[blurred, :] = found[:, blurred] = 0.0
    found[blurred, blurred] = np.inf
    return found, bool((blurred & seen).any())
