"""Laws whose density is not linear in the fields, such as energy: conditioning by iterated linearisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import sympy
import xarray as xr
from sympy.core.function import AppliedUndef

from sciflow.conservation.arrays import tensor
from sciflow.conservation.constraint import Constraint, combine
from sciflow.conservation.covariance import Covariance
from sciflow.conservation.laws import fields_of, named, on_grid, without_derivatives
from sciflow.conservation.operator import checked, volume_of, weights
from sciflow.conservation.totals import Amount, right_side
from sciflow.conservation.update import Posterior, condition
from sciflow.core.errors import InputError
from sciflow.data.schema import space_of

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


@final
@dataclass(frozen=True, eq=False)
class NonlinearLaw:
    """h(u) = b with h the integral of a density that need not be linear, for states [case, T, C * S].

    Attributes:
        name: of the law, with "(linearised)": what conditioning on it gives is an approximation.
        target: b (case, T).
        times: (case, T) seconds.
        amount: the density on the grid.
        slopes: its derivative by each field.
    """

    name: str
    target: np.ndarray
    times: np.ndarray
    amount: Amount
    slopes: Mapping[str, sympy.Expr]

    def value(self, state: np.ndarray) -> np.ndarray:
        """h, (case, T)."""
        amount = self.amount
        return amount.integral(on_grid(amount.density, amount.context, self.times, self._fields(state)))

    def gradient(self, state: np.ndarray) -> np.ndarray:
        """dh/du, (case, T, C * S)."""
        context, fields = self.amount.context, self._fields(state)
        parts = weights(self.slopes, context, self.times, tuple(fields), self.amount.volume, fields)
        return np.broadcast_to(parts.reshape(*parts.shape[:2], -1), state.shape)

    def _fields(self, state: np.ndarray) -> dict[str, np.ndarray]:
        context = self.amount.context
        names, shape = fields_of(context), [context.sizes[axis] for axis in space_of(context)]
        expected = (*self.times.shape, len(names) * int(np.prod(shape)))
        if state.shape != expected:
            raise InputError(f"A state of the law '{self.name}' must have the shape {expected}, not {state.shape}.")
        return dict(zip(names, np.moveaxis(state.reshape(*self.times.shape, len(names), *shape), 2, 0), strict=True))


def nonlinear_law(
    problem: Problem,
    context: xr.Dataset,
    times: np.ndarray,
    law: str,
    *,
    total: Any = "auto",
    inflow: Any = None,
    rule: str = "trapezoid",
    start: np.ndarray | None = None,
) -> NonlinearLaw:
    """A declared law whose density is any function of the fields (without derivatives); arguments as `constraints`.

    Raises:
        InputError: as `constraints`.
    """
    times = checked(context, times, rule)
    declared = named(problem, law)
    density = without_derivatives(problem, declared)
    calls = {str(call.func): call for call in density.atoms(AppliedUndef)}
    stored = [name for name in calls if name in fields_of(context)]
    unknown = [info.name for info in problem.fields if info.name in calls and info.name not in stored]
    if unknown:
        raise InputError(f"The law '{law}' of problem '{problem.name}' needs the field '{unknown[0]}', not stored.")
    symbols = {name: sympy.Dummy(real=True) for name in stored}
    there = density.xreplace({calls[name]: symbol for name, symbol in symbols.items()})
    back = {symbol: calls[name] for name, symbol in symbols.items()}
    slopes = {name: sympy.diff(there, symbol).xreplace(back) for name, symbol in symbols.items()}
    amount = Amount(declared, density, sympy.Integer(0), volume_of(context, rule), problem, context)
    target = right_side([amount], times, total=total, inflow=inflow, start=start)[0]
    return NonlinearLaw(f"{law} (linearised)", target, times, amount, slopes)


def condition_nonlinear(
    mean: Any,
    covariance: Covariance,
    law: NonlinearLaw,
    *,
    linear: Constraint | None = None,
    noise: float = 0.0,
    tolerance: float = 1e-10,
    iterations: int = 100,
) -> Posterior:
    """Condition on a law that is not linear, by iterated linearisation: an approximation, labelled in the law's name.

    From u_0 = mean, u_{k+1} is the mean conditioned on h(u_k) + h'(u_k) (u - u_k) = b (the iterated extended Kalman
    update, Gauss-Newton for the most probable u). Without noise the end point holds h(u) = b to the tolerance; its
    covariance is that of the last linearisation. Only this mean holds the law: a mean over members or samples does not.

    Args:
        mean: [case, T, C * S].
        covariance: as in `condition`.
        law: from `nonlinear_law`.
        linear: conditions to be held at the same time.
        noise: deviation allowed in the law.
        tolerance: largest |h(u) - b| / (|b| + |h(mean)|) without noise, and largest change of u in a step relative to
            the largest |u|.
        iterations: steps at most.

    Raises:
        InputError: it does not converge, or as in `condition`.
    """
    values = tensor(mean, "mean").detach().cpu().numpy()
    current = values
    size = np.abs(law.target) + np.abs(law.value(values))
    for _ in range(iterations):
        slope = law.gradient(current)
        target = law.target - law.value(current) + np.einsum("ctn,ctn->ct", slope, current)
        if not (np.isfinite(slope).all() and np.isfinite(target).all()):
            break
        rows = Constraint(slope[:, :, None], target[..., None], noise, (law.name,))
        posterior = condition(mean, covariance, rows if linear is None else combine(rows, linear))
        reached = np.asarray(tensor(posterior.mean, "mean").detach().cpu())
        step, current = float(np.abs(reached - current).max(initial=0.0)), reached
        gap = np.abs(law.value(current) - law.target)
        settled = step <= tolerance * max(float(np.abs(current).max(initial=0.0)), np.finfo(float).tiny)
        if settled and (noise > 0 or bool((gap <= tolerance * size).all())):
            return posterior
    raise InputError(
        f"Conditioning on the law '{law.name}' did not converge in {iterations} steps, so far is the forecast from its "
        "total; check the total, allow a noise, or leave the law out."
    )
