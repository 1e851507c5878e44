"""Neural processes as methods: learnt from many cases, they answer scattered observations of a new one."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import torch
import xarray as xr

from sciflow.baselines.base import Baseline
from sciflow.baselines.observations import GridAxes, observed
from sciflow.baselines.parameters import field_scales, time_scales
from sciflow.conservation.neural_process.attentive import AttentiveNetwork
from sciflow.conservation.neural_process.conditional import ConditionalNetwork
from sciflow.conservation.neural_process.coordinates import Coordinates, Scaling
from sciflow.conservation.neural_process.forecasting import Draws, predicted
from sciflow.conservation.neural_process.network import ProcessNetwork
from sciflow.conservation.neural_process.numbers import require_number, require_whole
from sciflow.conservation.neural_process.objective import Objective
from sciflow.conservation.neural_process.sampling import Pattern
from sciflow.conservation.neural_process.training import Recipe, seeded, train_network
from sciflow.core import Forecast, InputError, Query
from sciflow.core.errors import near
from sciflow.data import Normaliser
from sciflow.data.query_arrays import context_mask, forecast_fields
from sciflow.data.schema import space_of
from sciflow.training.devices import choose_device

if TYPE_CHECKING:
    from sciflow.data import Dataset

_SINGLE = Draws(1, False, 0)  # of a network that draws nothing


class NeuralProcess(Baseline):
    """p(u(x*) | observations) as a mixture of normal distributions, by a network that was trained on many such tasks.

    Each training step draws cases, and of each case fresh observations and targets from the stored grid. Fields are
    normalised and coordinates scaled inside. A forecast is free of the training grid: it answers at the grid and the
    times of its query, from any number of observations. Cases may have different times. Case parameters, input fields
    and signals are not seen.

    A forecast has ``members`` and ``member_variance``, one for each draw of z (and of dropout), their mean, and as
    ``variance`` the mean of their variances plus the (unbiased) spread of their means; all in float64.
    """

    seeded: ClassVar[bool] = True
    needs_observations: ClassVar[bool] = True

    def __init__(self, network: dict[str, Any], recipe: Recipe, draws: Draws | None) -> None:
        super().__init__()
        for option, value in network.items():
            if option.endswith("_rate"):
                require_number(option, value, positive=False)
            else:
                require_whole(option, value)
        self._network_options, self._recipe, self._draws = network, recipe, draws
        self._ready: ProcessNetwork | None = None

    @abstractmethod
    def _build(self, inputs: int, outputs: int) -> ProcessNetwork:
        """The untrained network for points of `inputs` features and `outputs` fields."""

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Train the network; of the weights that it goes through those that are best on `valid` are kept.

        Raises:
            InputError: an option does not fit the data, a case holds NaN, or the loss becomes NaN.
        """
        recipe, device = self._recipe, choose_device(self._recipe.device)
        coordinates = Coordinates.of(train, recipe.coordinates)
        normaliser = Normaliser.fit(train, frames_in=0)
        mean, std = (value.double().numpy() for value in (normaliser.mean, normaliser.std))
        physics = None
        if recipe.physics:
            from sciflow.conservation.neural_process.physics import Physics
            from sciflow.problems import registry

            if not train.problem:
                raise InputError("The option physics needs a data set that names its problem; this one names none.")
            physics = Physics(registry.get(train.problem), train)
        objective = Objective(coordinates, mean, std, physics=physics, weight=recipe.physics, device=device)
        with seeded(recipe.seed, torch.device("cpu")):
            network = self._build(coordinates.count, len(train.fields)).to(device)
        how = self._draws or _SINGLE
        record = train_network(network, objective, recipe, train, valid, dropout=how.dropout)
        self.state = {"fields": list(train.fields), "coordinates": coordinates.to_json(), "training": record}
        weights = {f"network.{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
        self.arrays = {"mean": mean, "std": std, **weights}
        self._ready = network
        return self

    def forecast(self, query: Query) -> Forecast:
        """The mixture for each case, at the grid and the times of the query.

        Raises:
            InputError: the query has no observations, or other fields or axes than the training cases.
        """
        names, coordinates = self.state["fields"], Coordinates.from_json(self.state["coordinates"])
        if space_of(query.context) != coordinates.axes:
            raise InputError(
                f"The method '{self.name}' was fitted on the axes {coordinates.axes}, the query has "
                f"{space_of(query.context)}."
            )
        missing = [name for name in names if name not in query.context]
        if missing:
            raise InputError(f"The query lacks the field '{missing[0]}' that the method '{self.name}' was fitted on.")
        ends = np.unique([coordinates.low[0], coordinates.high[0]])
        context, seen = observed(query, names, GridAxes(ends, dict.fromkeys(coordinates.axes, ends), {}, ()), self.name)
        if not context.shape[1]:
            raise InputError("The observations of the query hold no point; give at least one.")
        network, device = self._network(), choose_device(self._recipe.device)
        mean, std = self.arrays["mean"], self.arrays["std"]
        scales = field_scales(query.context, names)
        numbers = query.context["source_case"].values if "source_case" in query.context.coords else range(query.cases)
        how = self._draws or _SINGLE
        found = []
        for case, number in enumerate(numbers):
            points = coordinates(torch.as_tensor(context[case])).to(device)
            values = torch.as_tensor((seen[case] - mean) / std).float().to(device)
            targets = coordinates(torch.as_tensor(_targets(query, case))).to(device)
            means, deviations = predicted(network, points, values, targets, how, int(number))
            found.append(
                (
                    (means.double().cpu().numpy() * std + mean) * scales[case],
                    (deviations.double().cpu().numpy() * std * scales[case]) ** 2,
                )
            )
        means, variances = (np.stack(part, axis=1) for part in zip(*found, strict=True))  # [S, case, M, C]
        return self._mixture(query, means, variances)

    def with_options(self, **options: Any) -> Self:
        """The same fitted method with other options of prediction: ``draws``, ``dropout``, ``seed``.

        Raises:
            InputError: the method has no such option, or its value is out of range.
        """
        known = [item.name for item in fields(Draws)] if self._draws is not None else []
        for name in options:
            if name not in known:
                raise InputError(f"The method '{self.name}' has no option of prediction '{name}'.{near(name, known)}")
        other = copy.copy(self)
        if self._draws is not None:
            other._draws = replace(self._draws, **options)
        return other

    def config(self) -> dict[str, Any]:
        """The constructor's keywords and their values."""
        drawn = {} if self._draws is None else asdict(self._draws)
        return {**self._network_options, **asdict(self._recipe), **drawn}

    def cost(self) -> dict[str, float]:
        """``parameters``, and the ``training_seconds`` and ``steps`` of the training."""
        if not self.state:
            return {}
        count = sum(array.size for name, array in self.arrays.items() if name.startswith("network."))
        record = self.state["training"]
        return {
            "parameters": float(count),
            "training_seconds": float(record["seconds"]),
            "steps": float(record["steps"]),
        }

    def _network(self) -> ProcessNetwork:
        """The trained network, built from the stored weights where it is not there yet."""
        if self._ready is None:
            network = self._build(Coordinates.from_json(self.state["coordinates"]).count, len(self.state["fields"]))
            weights = {
                name.removeprefix("network."): torch.from_numpy(value).float()
                for name, value in self.arrays.items()
                if name.startswith("network.")
            }
            network.load_state_dict(weights)
            self._ready = network.to(choose_device(self._recipe.device))
        return self._ready

    def _mixture(self, query: Query, means: np.ndarray, variances: np.ndarray) -> Forecast:
        """Forecast from means and variances [S, case, T S, C]; solid cells hold 0."""
        names, space = self.state["fields"], space_of(query.context)
        shape = (query.steps, *(int(query.context.sizes[axis]) for axis in space))
        fluid = context_mask(query.context, space)

        def laid_out(values: np.ndarray) -> np.ndarray:
            """[..., case, T, C, *S] from [..., case, T S, C]."""
            lead = values.ndim - 2
            grid = np.moveaxis(values.reshape(*values.shape[:-2], *shape, len(names)), -1, lead + 1)
            return grid if fluid is None else np.where(fluid[:, None, None], grid, 0.0)

        mean = forecast_fields(laid_out(means.mean(axis=0)), query, names)
        spread_of_means = means.var(axis=0, ddof=1) if len(means) > 1 else 0.0
        whole = forecast_fields(laid_out(variances.mean(axis=0) + spread_of_means), query, names)
        if self._draws is None:
            return Forecast(mean, variance=whole)
        members, spread = (_with_members(laid_out(part), mean) for part in (means, variances))
        return Forecast(mean, variance=whole, members=members, member_variance=spread)


@final
class AttentiveNeuralProcess(NeuralProcess):
    """A neural process with attention and a latent variable, see `AttentiveNetwork`.

    The defaults are a quick recipe for one core (width 64, batches of 16, no dropout of attention weights). As
    published: width 128, attention_dropout_rate 0.1, coordinates "raw", batch_size 250, learning_rate 1e-4, 20,000
    steps, draws 100, and dropout on when predicting.

    Args:
        width, heads, self_layers, cross_layers, decoder_layers: see `AttentiveNetwork`.
        dropout_rate: at the output of each attention while training.
        attention_dropout_rate: at the attention weights while training; slower, see `Attention`.
        sampling, points, coordinates, batch_size, learning_rate, steps, seconds, physics, seed, device: see `Recipe`.
        draws: of the latent variable for a forecast.
        dropout: whether it stays on for a forecast, each draw with its own, and for the choice of the best weights.

    Raises:
        InputError: a value is out of its range, or a number that must be whole is not.

    Sources: Kim et al., ICLR 2019; Hansen et al., ICML 2023 (arXiv:2302.11002).
    """

    name = "anp"

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        self_layers: int = 2,
        cross_layers: int = 2,
        decoder_layers: int = 3,
        dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.0,
        sampling: Pattern = "lattice",
        points: tuple[int, int] = (10, 10),
        coordinates: Scaling = "unit",
        batch_size: int = 16,
        learning_rate: float = 1.5e-3,
        steps: int | None = None,
        seconds: float | None = None,
        physics: float = 0.0,
        draws: int = 32,
        dropout: bool = False,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        network: dict[str, Any] = {"width": width, "heads": heads, "self_layers": self_layers}
        network |= {"cross_layers": cross_layers, "decoder_layers": decoder_layers, "dropout_rate": dropout_rate}
        recipe = Recipe(sampling, points, coordinates, batch_size, learning_rate, steps, seconds, physics, seed, device)
        super().__init__(
            {**network, "attention_dropout_rate": attention_dropout_rate}, recipe, Draws(draws, dropout, seed)
        )

    def _build(self, inputs: int, outputs: int) -> ProcessNetwork:
        return AttentiveNetwork(
            inputs, outputs, **{key.replace("_rate", ""): v for key, v in self._network_options.items()}
        )


@final
class ConditionalNeuralProcess(NeuralProcess):
    """A neural process that keeps one vector of a context, see `ConditionalNetwork`; a forecast has no members.

    Args:
        width, encoder_layers, decoder_layers: see `ConditionalNetwork`.
        sampling, points, coordinates, batch_size, learning_rate, steps, seconds, physics, seed, device: see `Recipe`.

    Raises:
        InputError: a value is out of its range, or a number that must be whole is not.

    Source: Garnelo et al., ICML 2018 (arXiv:1807.01613).
    """

    name = "cnp"

    def __init__(
        self,
        width: int = 128,
        encoder_layers: int = 4,
        decoder_layers: int = 3,
        sampling: Pattern = "lattice",
        points: tuple[int, int] = (10, 10),
        coordinates: Scaling = "unit",
        batch_size: int = 16,
        learning_rate: float = 1.5e-3,
        steps: int | None = None,
        seconds: float | None = None,
        physics: float = 0.0,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        network = {"width": width, "encoder_layers": encoder_layers, "decoder_layers": decoder_layers}
        recipe = Recipe(sampling, points, coordinates, batch_size, learning_rate, steps, seconds, physics, seed, device)
        super().__init__(network, recipe, None)

    def _build(self, inputs: int, outputs: int) -> ProcessNetwork:
        return ConditionalNetwork(inputs, outputs, **self._network_options)


def _targets(query: Query, case: int) -> np.ndarray:
    """Points [T S, 1 + D] of the grid at the times of a case: characteristic time, then the space axes."""
    axes = [np.asarray(query.context[axis].values, np.float64) for axis in space_of(query.context)]
    times = query.times[case] / time_scales(query.context)[case]
    return np.stack(np.meshgrid(times, *axes, indexing="ij"), axis=-1).reshape(-1, 1 + len(axes))


def _with_members(values: np.ndarray, like: xr.Dataset) -> xr.Dataset:
    """A data set like another from values [member, case, time, C, *S]."""
    variables = {
        name: (("member", *field.dims), values[:, :, :, channel], dict(field.attrs))
        for channel, (name, field) in enumerate(like.data_vars.items())
    }
    return xr.Dataset(variables, like.coords, like.attrs)
