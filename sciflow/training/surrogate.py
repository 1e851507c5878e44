"""`Surrogate`: a network by name that trains itself on a data set and forecasts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch
from torch import nn

from sciflow.core import Forecast, InputError, Method, Query, canonical, validate
from sciflow.data import Dataset, Normaliser, Windows
from sciflow.data.queries import later_frames
from sciflow.data.query_arrays import forecast_fields
from sciflow.operators import Requires, build, networks
from sciflow.training.adaptation import adapt, take_shapes
from sciflow.training.batches import read_batch
from sciflow.training.checkpoint import TrainingState, load_model, save_model
from sciflow.training.config import Training
from sciflow.training.costs import flops_per_frame, reset_peak, training_cost
from sciflow.training.devices import choose_device, cpu_threads
from sciflow.training.layout import Layout
from sciflow.training.loggers import Logger, listeners
from sciflow.training.options import require_suited, split_options
from sciflow.training.origin import Origin
from sciflow.training.progress import OnStep, progress_bar
from sciflow.training.rollout import rollout_with_variance
from sciflow.training.speeds import set_speeds
from sciflow.training.step import StepModel, call_of


@final
class Surrogate(Method):
    """A neural operator that predicts the next frames from the last ones and is rolled out on its own output.

    With ``frames_in=0`` it maps input fields, parameters and time to a field instead, each frame by itself.

    The network is built from the data set that it is fitted on; channel counts are never typed. Training minimises the
    error of normalised increments (or states) over windows with AdamW and keeps a running average of the weights, see
    :class:`Training`. Normalisation is fitted on the training cases and is part of the surrogate.

    Args:
        name: of a network in `sciflow.operators.networks`.
        training: settings to start from; None means the defaults.
        options: settings of :class:`Training` and options of the network, each by name.

    Raises:
        UnknownNameError: there is no such network.
        InputError: an option is unknown, or has the wrong type or range.

    Example:
        >>> fno = Surrogate("fno", width=24, steps=1000).fit(data.train, data.valid)      # doctest: +SKIP
        >>> forecast = fno.predict(data.test)                                             # doctest: +SKIP
    """

    def __init__(self, name: str, *, training: Training | None = None, **options: Any) -> None:
        self.name = name
        self.training, self.options = split_options(name, networks.get(name), training, options)
        require_suited(name, networks.get(name), self.training)
        self._model: StepModel | None = None
        self._layout: Layout | None = None
        self._origin: Origin | None = None
        self._cost: dict[str, float] = {}

    @property
    def network(self) -> nn.Module:
        """The trained network: averaged weights, normalised tensors in and out.

        Raises:
            InputError: the surrogate is not fitted.
        """
        return self._fitted()[0].network

    def fit(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        *,
        resume: str | Path | None = None,
        resume_seconds: float = 30.0,
        progress: bool | None = None,
        on_step: OnStep | None = None,
        loggers: Sequence[Logger] = (),
    ) -> Self:
        """Train from the beginning, or continue an interrupted training.

        Args:
            train: cases to learn from.
            valid: cases on which the averaged weights are validated, for progress and early stopping.
            resume: a folder in which the state of training is kept; if it holds one of the same settings and data,
                training goes on from there and ends with the weights of an uninterrupted run. Remove the folder once
                the model is saved.
            resume_seconds: shortest time between two writes of that state; at the end it is always written.
            progress: show a progress bar; None means in a terminal or notebook only.
            on_step: receives a `Record` every ten steps, after each validation and after the last step.
            loggers: receive the numbers of the same records, such as ``open_logger("tensorboard", "runs/a")``; see
                `sciflow.training.loggers`. They are closed at the end.

        Raises:
            InputError: the network cannot be used for this data, the data holds NaN, ``valid`` has other fields, or the
                state in ``resume`` is damaged or belongs to another run.
        """
        # Lightning takes seconds to import, and predicting does not need it.
        from sciflow.training.loop import Loop, seed_step, validation_error

        training, layout = self.training, Layout.of(train)
        if getattr(networks.get(self.name), "requires", Requires()).regular_grid:
            Layout.require_regular(train, self.name)
        if valid is not None:
            layout.require_same(Layout.of(valid))
        device = choose_device(training.device)
        state = None if resume is None else TrainingState(resume, self._identity(train, valid, layout))
        windows, checks = self._windows(train), None if valid is None else self._windows(valid)
        reset_peak(device)
        generators = [device.index] if device.type == "cuda" else []
        with cpu_threads(training.threads), torch.random.fork_rng(devices=generators):
            seed_step(training.seed, -1, device)
            step, frames_in, constants = training.frame_step, training.frames_in, training.normalise
            normaliser = Normaliser.fit(train, step=step, frames_in=frames_in, constants=constants)
            model = self._new_model(layout, normaliser)
            adapt(model, windows, training)
            set_speeds(model, train, step)
            loop = Loop(model, windows, checks, training, device)
            if state is not None:
                loop.resume(state)
            with (
                progress_bar(self.name, training.steps, loop.counters.step, progress) as move,
                listeners(move, on_step, loggers) as report,
            ):
                loop.run(on_step=report, state=state, state_seconds=resume_seconds)
            model.network.load_state_dict(loop.result())
            single = call_of(read_batch(windows, [0], device), 0, training.frames_out)
            cost = training_cost(model, single, loop.counters, device)
            error = None if checks is None else validation_error(model, checks, training.batch_size, device)
        self._model, self._layout, self._cost = model.eval(), layout, cost
        self._origin = Origin.of(train, valid, error)
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """Roll out from the last context frames over all times asked for; a data set from its first frames.

        Without context frames (``frames_in=0``) every time asked for is answered by itself. The grid may be another one
        of the same domain where the network allows it.

        Trained with the loss "nll", the forecast has a variance, see `sciflow.training.rollout.rollout_with_variance`.

        The cases of a data set must have equal numbers of valid frames. Solid cells hold 0. A rollout that blows up is
        returned as it is, NaN and infinities included, so that it can be scored as the failure it is; a warning names
        the first such frame.

        Raises:
            InputError: the surrogate is not fitted, the query lacks a field, parameter, signal or mask or holds NaN, or
                the cases of the data set have different numbers of frames.
        """
        model, layout = self._fitted()
        frames_in = self.training.frames_in
        if isinstance(query, Dataset):
            query = later_frames(query, frames_in, step=self.training.frame_step)
        start = layout.start(query, frames_in)
        with cpu_threads(self.training.threads):
            model.to(choose_device(self.training.device))
            frames, variance = rollout_with_variance(model, start, self.training.frames_out)
        values = frames.numpy()
        self._warn_if_not_finite(values)
        mean = forecast_fields(values, query, layout.fields)
        return Forecast(mean, None if variance is None else forecast_fields(variance.numpy(), query, layout.fields))

    def with_options(self, **options: Any) -> Self:
        """The same weights with other options of the network, such as how it computes; this surrogate stays as it is.

        A surrogate that is not fitted gives another one that is not.

        Args:
            options: of the network, by name.

        Raises:
            InputError: an option is unknown, has the wrong type or range, or belongs to the training; or the weights do
                not fit a network with these options.
        """
        for name in options:
            if name in Training.model_fields:
                raise InputError(
                    f"The option '{name}' of the surrogate '{self.name}' belongs to its training; fit a new one."
                )
        other = type(self)(self.name, training=self.training, **{**self.options, **options})
        if self._model is None or self._layout is None:
            return other
        with torch.random.fork_rng(devices=[]):  # the new weights are drawn before they are replaced
            model = other._new_model(self._layout, Normaliser.from_config(self._model.normaliser.config()))
        tensors = self._model.state_dict()
        try:
            if hasattr(model.network, "adapt"):
                take_shapes(model, tensors)
            model.load_state_dict(tensors)
        except RuntimeError as error:
            changed = ", ".join(f"{name}={value!r}" for name, value in options.items())
            raise InputError(
                f"The weights of the surrogate '{self.name}' do not fit a network with {changed}; fit a new one."
            ) from error
        other._model, other._layout, other._cost = model.eval(), self._layout, dict(self._cost)
        other._cost.pop("flops", None)
        if self._origin is not None:  # validated with the options of this one
            from sciflow.training.export import example_batch

            other._origin = self._origin.model_copy(update={"valid_error": None})
            other._cost["flops"] = flops_per_frame(model, example_batch(self._layout, self.training, self._origin))
        return other

    def save(self, folder: str | Path) -> None:
        """Write ``model.json`` and ``weights.safetensors``; :meth:`load` needs nothing else.

        Raises:
            InputError: the surrogate is not fitted, or the folder cannot be written.
        """
        model, layout = self._fitted()
        description = {
            "network": self.name,
            "options": json.loads(canonical(self.options)),
            "training": self.training.model_dump(mode="json"),
            "layout": layout.model_dump(mode="json"),
            "normaliser": model.normaliser.config(),
            "cost": self._cost,
            "origin": None if self._origin is None else self._origin.model_dump(mode="json"),
        }
        save_model(folder, model.state_dict(), description)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> Self:
        """Read what :meth:`save` wrote.

        Args:
            folder: that was saved to.
            device: where to predict, if not where the settings of training say.

        Raises:
            InputError: the folder holds no saved surrogate, its files are damaged, or its network is not installed here
                or has changed.
        """
        tensors, stored = load_model(folder)
        try:
            settings = stored["training"] | ({} if device is None else {"device": device})
            surrogate = cls(stored["network"], **settings, **stored["options"])
            layout = validate(Layout, stored["layout"], f"{folder}/model.json")
            model = surrogate._new_model(layout, Normaliser.from_config(stored["normaliser"]))
            take_shapes(model, tensors)
            model.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"The model in {folder} does not fit the network '{stored.get('network')}' of this version of sciflow; "
                "train it again or install the versions named in model.json."
            ) from error
        surrogate._model, surrogate._layout, surrogate._cost = model.eval(), layout, dict(stored.get("cost", {}))
        if stored.get("origin") is not None:
            surrogate._origin = validate(Origin, stored["origin"], f"{folder}/model.json")
        return surrogate

    def export(self, folder: str | Path) -> None:
        """Write one step in physical units as a program that needs torch alone, and a model card.

        ``model.pt2`` (``torch.export.load``) takes x, parameters, signals, mask, dt, inputs, scale and time_scale (and
        known, where cells hold boundary data) by name and gives the next frames, on the training grid and the CPU;
        ``MODEL_CARD.md`` says what these are, what the model was trained on, and its errors and limits.

        Raises:
            InputError: the surrogate is not fitted or was saved by a version that noted no training grid, torch cannot
                trace the network, or the folder cannot be written.
        """
        from sciflow.training.card import model_card
        from sciflow.training.export import export_program, write_program

        model, layout = self._fitted()
        if self._origin is None:
            raise InputError(f"The surrogate '{self.name}' was saved without its training grid; train it again.")
        program, any_batch = export_program(model, layout, self.training, self._origin)
        card = model_card(self.name, self.options, self.training, layout, self._origin, self._cost, any_batch=any_batch)
        write_program(folder, program, card)

    def cost(self) -> dict[str, float]:
        """What training took and one forecast takes; empty before :meth:`fit`.

        Returns:
            ``parameters`` (real numbers), ``flops`` (per frame and case; without fast Fourier transforms and point-wise
            functions), ``steps`` done, ``training_seconds`` (interruptions not counted), ``data_wait_fraction`` (of
            these seconds, spent waiting for data), ``peak_memory`` (bytes: of the GPU, or the most this process ever
            took).
        """
        return dict(self._cost)

    def __repr__(self) -> str:
        size = f"{int(self._cost['parameters']):,} parameters" if self._cost else "not fitted"
        return f"<Surrogate {self.name}: {size}>"

    def _fitted(self) -> tuple[StepModel, Layout]:
        if self._model is None or self._layout is None:
            raise InputError(f"The surrogate '{self.name}' is not fitted; call fit, or Surrogate.load(folder).")
        return self._model, self._layout

    def _windows(self, data: Dataset) -> Windows:
        training = self.training
        frames_out = training.unroll * training.frames_out
        return Windows(data, frames_in=training.frames_in, frames_out=frames_out, step=training.frame_step)

    def _new_model(self, layout: Layout, normaliser: Normaliser) -> StepModel:
        network = build(self.name, layout.sizes(self.training), **self.options)
        training = self.training
        return StepModel(
            network,
            normaliser,
            predict=training.output,
            masked=layout.masked,
            known=layout.known,
            frames_out=training.frames_out,
            loss=training.loss,
            pushforward=training.pushforward,
            points=training.points,
        )

    def _identity(self, train: Dataset, valid: Dataset | None, layout: Layout) -> dict[str, Any]:
        """What must be the same for an interrupted training to be continued; where it runs may change."""
        return {
            "network": self.name,
            **{f"option {name}": value for name, value in json.loads(canonical(self.options)).items()},
            **self.training.model_dump(mode="json", exclude={"device", "threads"}),
            "layout": layout.model_dump(mode="json"),
            "training cases": train.digest,
            "validation cases": valid.digest if valid is not None else None,
        }

    def _warn_if_not_finite(self, values: np.ndarray) -> None:
        bad = ~np.isfinite(values).all(axis=tuple(range(2, values.ndim)))
        if bad.any():
            frame = int(np.argmax(bad.any(axis=0))) + 1
            warnings.warn(
                f"The forecast of '{self.name}' becomes NaN or infinite at frame {frame} of {values.shape[1]} "
                f"({int(bad.any(axis=1).sum())} of {len(values)} cases); train longer, or ask for fewer frames.",
                RuntimeWarning,
                stacklevel=3,
            )
