"""Training by DeepXDE: its model of a system, in the phases of the settings."""

from __future__ import annotations

import time as clocks
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from sciflow.core.errors import SciflowError
from sciflow.pinn.deepxde_engine.conditions import Placed
from sciflow.pinn.deepxde_engine.fitted import Fitted, features
from sciflow.pinn.training import Record
from sciflow.problems.compile import Orders, compile_expressions

if TYPE_CHECKING:
    from sciflow.pinn.eulerian import Eulerian
    from sciflow.pinn.objective import Batch
    from sciflow.pinn.settings import Phase

# By optimiser, with their defaults.
OPTIONS: dict[str, dict[str, Any]] = {"adam": {"rate": 5e-3, "last": 0.05}, "lbfgs": {"history": 50}}
_TOLERANCE = 1e-8  # of the largest entry of the gradient; DeepXDE's own


class Training:
    """A model of DeepXDE, and what happens while it is trained.

    Args:
        library: the package ``deepxde``.
        system: all of whose conditions are in the loss.
    """

    def __init__(self, library: Any, system: Eulerian) -> None:
        self._library, self._system, self._settings = library, system, system.settings
        problem = system.model.problem
        self._compiled = compile_expressions(list(problem.equations.values()), problem.coordinates, "torch")
        self._values = problem.values(system.model.case.values)
        self._columns = {info.name: column for column, info in enumerate(problem.fields)}
        self._rng = np.random.default_rng(self._settings.seed)
        self._conditions = [Placed(library, system, soft) for soft in system.conditions]
        points = self._placed(system.draw(self._rng, None))
        self._network = self._built()
        # Points come from the problem's own geometry, in space and time at once: any domain, the same for both engines.
        cloud = library.geometry.PointCloud(points)
        data = library.data.PDE(cloud, self._residuals, self._conditions, anchors=points)
        self._model = library.Model(data, self._network)
        self._history: list[Record] = []

    def run(self) -> Fitted:
        """Train in all phases.

        Raises:
            SciflowError: the loss became NaN or infinite.
        """
        begun, reasons = clocks.perf_counter(), []
        for phase in self._settings.phases:
            reasons.append(self._phase(phase, begun))
            if _over(self._settings.seconds, begun) or self._reached():
                break
        seconds = clocks.perf_counter() - begun
        weights = [(_array(layer.weight), _array(layer.bias)[:, None]) for layer in self._network.linears]
        embedding, names = self._system.model.embedding, tuple(self._columns)
        return Fitted(embedding, names, weights, tuple(self._history), tuple(reasons), seconds, self._system.time)

    def _phase(self, phase: Phase, begun: float) -> str:
        """Run one optimiser; gives the reason why it ended."""
        model, settings, state = self._model, self._settings, self._model.train_state
        # DeepXDE takes L-BFGS for converged where it made a single step between two looks.
        every = min(max(10, phase.stride(settings.resample)), phase.steps)
        self._prepare(phase, every)
        phase_begun, why, last = clocks.perf_counter(), "", 0
        state.step = 0

        def look() -> None:
            nonlocal why, last
            if phase.method == "adam" and state.step % every and state.step < phase.steps:
                return
            if state.step == last:  # L-BFGS would go on for ever without a step
                model.stop_training = True
                return
            last = state.step
            self._record(phase, last, clocks.perf_counter() - begun)
            if self._reached():
                why = "target reached"
            elif _over(phase.seconds, phase_begun) or _over(settings.seconds, begun):
                why = "time limit"
            elif last >= phase.steps:
                why = "all steps taken"
            model.stop_training = bool(why)
            if phase.method == "lbfgs":
                model.opt.param_groups[0]["max_iter"] = max(1, min(every, phase.steps - last))
            elif settings.resample and not why:
                self._resample()

        watch = self._library.callbacks.Callback()
        watch.on_epoch_end = look
        if not self._history:
            watch.on_train_begin = lambda: self._record(phase, 0, 0.0)
        model.train(iterations=phase.steps, display_every=every, callbacks=[watch], verbose=0)
        # DeepXDE leaves L-BFGS before a last look where one step was all that it took.
        steps = state.step + int(not model.stop_training)
        self._require_finite(phase, steps, all(bool(p.isfinite().all()) for p in self._network.parameters()))
        if not why and steps < phase.steps:
            largest = max(float(p.grad.abs().max()) for p in self._network.parameters())
            why = "the gradient is zero" if largest <= _TOLERANCE else "no step lowers the loss"
        return f"{phase.method}: {why or 'all steps taken'} after {steps} steps"

    def _reached(self) -> bool:
        target = self._settings.target
        return target is not None and self._history[-1].loss <= target

    def _prepare(self, phase: Phase, every: int) -> None:
        """Compile DeepXDE's model for an optimiser."""
        equations = self._system.model.problem.equations
        weights = [1.0] * len(equations) + [self._settings.condition_weight] * len(self._conditions)
        options = {**OPTIONS[phase.method], **phase.options}
        if phase.method == "adam":
            decay = ("cosine", phase.steps, options["rate"] * options["last"])
            self._model.compile("adam", lr=options["rate"], decay=decay, loss_weights=weights, verbose=0)
            return
        chosen = {"maxcor": options["history"], "gtol": _TOLERANCE, "ftol": 0, "maxls": 50, "maxiter": phase.steps}
        self._library.optimizers.LBFGS_options.update({**chosen, "iter_per_step": every, "fun_per_step": 2 * every})
        self._model.compile("L-BFGS", loss_weights=weights, verbose=0)

    def _record(self, phase: Phase, step: int, seconds: float) -> None:
        loss = float(np.sum(self._model.train_state.loss_train))
        self._require_finite(phase, step, bool(np.isfinite(loss)))
        self._history.append(Record(phase.method, step, seconds, loss))

    @staticmethod
    def _require_finite(phase: Phase, step: int, finite: bool) -> None:
        if not finite:
            raise SciflowError(
                f"The loss is not finite after {step} steps of '{phase.method}' in DeepXDE; lower its rate, or start "
                "from fewer points or smaller coefficients."
            )

    def _resample(self) -> None:
        """New points for the equations and for the conditions."""
        data = self._model.data
        data.anchors = self._placed(self._system.draw(self._rng, self._sizes if self._settings.adaptive else None))
        data.resample_train_points()
        data.test_x = None  # else DeepXDE's second loss keeps the old points
        self._model.train_state.set_data_test(*data.test())

    def _placed(self, batches: Sequence[Batch]) -> np.ndarray:
        """Points of the equations (N, D), after the conditions have been given theirs."""
        for condition, batch in zip(self._conditions, batches[1:], strict=True):
            condition.place(_joined(batch.blocks["points"]), _joined(batch.blocks["normals"]))
        return _joined(batches[0].blocks["points"])

    def _sizes(self, blocks: Mapping[str, jax.Array]) -> np.ndarray:
        """Norm of the residuals at points in blocks, [blocks, n]."""
        points = blocks["points"]
        found = self._model.predict(_joined(points), operator=self._residuals)
        return np.linalg.norm(np.concatenate(found, axis=1), axis=1).reshape(points.shape[0], points.shape[2])

    def _residuals(self, inputs: Any, outputs: Any) -> list[Any]:
        """Residual [N, 1] of each equation, from DeepXDE's derivatives of the outputs [N, F] at the inputs [N, D]."""
        import torch

        jacobian, known = self._library.grad.jacobian, {}

        def derivative(name: str, orders: Orders) -> Any:
            column = self._columns[name]
            if not any(orders):
                return outputs[:, column : column + 1]
            if (name, orders) not in known:
                axis = max(index for index, order in enumerate(orders) if order)
                lower = tuple(order - (index == axis) for index, order in enumerate(orders))
                below, row = (derivative(name, lower), 0) if any(lower) else (outputs, column)
                known[name, orders] = jacobian(below, inputs, i=row, j=axis)
            return known[name, orders]

        arrays = [derivative(name, orders)[:, 0] for name, orders in self._compiled.derivatives]
        values = {**self._values, **dict(zip(self._system.model.embedding.names, inputs.unbind(1), strict=True))}
        found = self._compiled.function(*arrays, *(values[name] for name in self._compiled.symbols))
        return [torch.as_tensor(item).to(inputs).expand(len(inputs))[:, None] for item in found]

    def _built(self) -> Any:
        """DeepXDE's network with the inputs and the first weights of the JAX engine."""
        import torch

        settings, embedding = self._settings, self._system.model.embedding
        sizes = [embedding.rows, *[settings.width] * settings.depth, len(self._columns)]
        network = self._library.nn.FNN(sizes, "tanh", "Glorot normal")
        network.apply_feature_transform(
            lambda points: torch.stack(features(embedding, points.unbind(1), torch.cos, torch.sin), dim=1)
        )
        first = self._system.init(jax.random.key(settings.seed))
        with torch.no_grad():
            for linear, layer in zip(network.linears, first, strict=True):
                linear.weight.copy_(torch.as_tensor(np.array(layer["w"])))
                linear.bias.copy_(torch.as_tensor(np.array(layer["b"])[:, 0]))
        return network


def _over(limit: float | None, begun: float) -> bool:
    return limit is not None and clocks.perf_counter() - begun >= limit


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _joined(blocks: jax.Array) -> np.ndarray:
    """Arrays (N, D) out of blocks [blocks, D, n]."""
    return np.moveaxis(np.array(blocks), 1, 2).reshape(-1, blocks.shape[1])
