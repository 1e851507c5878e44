"""Deep ensembles: the mixture, seeds, storage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines.mean import MeanField
from sciflow.baselines.nearest import Nearest
from sciflow.conservation import Ensemble, load_method
from sciflow.conservation.ensemble import mixture
from sciflow.core import Forecast, InputError
from sciflow.data import Dataset, from_arrays
from sciflow.training import Surrogate


def field(values: np.ndarray) -> xr.Dataset:
    return xr.Dataset({"u": (("case", "time", "x"), values)})


@pytest.fixture
def data() -> Dataset:
    """Decaying waves of 6 cases."""
    k, t, x = np.linspace(1, 2, 6), 0.1 * np.arange(5), np.arange(16) / 16
    u = np.exp(-k[:, None] * t)[..., None] * np.sin(2 * np.pi * x)
    return from_arrays({"u": u}, times=t, coordinates={"x": x}, parameters={"k": k}, periodic=("x",))


def test_mixture_has_the_moments_of_its_samples() -> None:
    rng = np.random.default_rng(0)
    means, deviations = rng.normal(size=(3, 1, 1, 4)), rng.uniform(0.5, 2, (3, 1, 1, 4))
    found = mixture([Forecast(field(m), variance=field(s**2)) for m, s in zip(means, deviations, strict=True)])
    np.testing.assert_allclose(found.mean["u"], means.mean(axis=0))
    whole = means.var(axis=0, ddof=1) + (deviations**2).mean(axis=0)
    np.testing.assert_allclose(found.variance["u"], whole)  # type: ignore[index]
    assert found.members is not None and found.member_variance is not None
    np.testing.assert_allclose(found.members["u"], means)
    alone = mixture([Forecast(field(m)) for m in means])
    assert alone.member_variance is None
    np.testing.assert_allclose(alone.variance["u"], means.var(axis=0, ddof=1))  # type: ignore[index]


def test_networks_of_different_seeds(data: Dataset, tmp_path: Path) -> None:
    options = {"width": 4, "modes": 3, "layers": 1, "steps": 3, "threads": 1}
    ensemble = Ensemble([Surrogate("fno", seed=seed, **options) for seed in (0, 1)]).fit(
        data, resume=tmp_path / "states", progress=False
    )
    forecast = ensemble.predict(data)
    assert forecast.members is not None and forecast.variance is not None
    assert float(forecast.variance["u"].min()) >= 0 and float(forecast.variance["u"].max()) > 0
    alone = ensemble.methods[1].predict(data).mean  # each member rolls out on its own output
    np.testing.assert_array_equal(forecast.members["u"].values[1], alone["u"].values)
    assert forecast.mean["u"].attrs == alone["u"].attrs
    costs = [method.cost() for method in ensemble.methods]
    assert ensemble.cost()["parameters"] == 2 * costs[0]["parameters"]
    assert ensemble.cost()["peak_memory"] == max(cost["peak_memory"] for cost in costs)
    ensemble.save(tmp_path / "kept")
    again = load_method(tmp_path / "kept")
    xr.testing.assert_equal(again.predict(data).variance, forecast.variance)
    assert sorted(path.name for path in (tmp_path / "states").iterdir()) == ["member-0", "member-1"]


def test_bad_ensembles(data: Dataset) -> None:
    with pytest.raises(InputError, match="at least two members, not 1"):
        Ensemble([MeanField()])
    with pytest.raises(InputError, match="no options that act when predicting"):
        Ensemble([Nearest(), Nearest()]).with_options(draws=3)
