"""POD bases and the two maps of their coefficients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.baselines.pod_basis import PodBasis, case_frames
from sciflow.baselines.pod_gp import PodGaussianProcess
from sciflow.baselines.pod_ridge import PodRidge
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays, open_dataset, query, truth
from sciflow.evaluation import ForecastTask, Horizon, evaluate

TASK = ForecastTask((Horizon(steps=1), Horizon(steps=5, stride=2)))


def parts(data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Every fourth case for testing, one for validation."""
    test = [case for case in data.cases if case % 4 == 2]
    rest = [case for case in data.cases if case % 4 != 2]
    return data.select(rest[1:]), data.select(rest[:1]), data.select(test)


def gains(method: PodRidge | PodGaussianProcess, data: Dataset) -> dict[int, float]:
    """Persistence NMSE / NMSE by horizon, after fitting."""
    train, valid, test = parts(data)
    table = evaluate(method.fit(train, valid), test, TASK).table.query("field == 'all'")
    means = table.groupby(["horizon", "metric"])["value"].mean()
    return {steps: means[steps, "persistence_nmse"] / means[steps, "nmse"] for steps in (1, 5)}


def test_basis_is_orthonormal_and_optimal() -> None:
    """Against the singular value decomposition, for more and for fewer snapshots than values."""
    generator = np.random.default_rng(0)
    for shape in ((30, 12), (8, 40)):
        frames = generator.normal(size=shape) * np.logspace(0, -2, shape[1])
        basis = PodBasis.fit(frames, 5)
        np.testing.assert_allclose(basis.modes @ basis.modes.T, np.eye(5), atol=1e-10)
        left = frames - basis.decode(basis.encode(frames))
        singular = np.linalg.svd(frames - frames.mean(axis=0), compute_uv=False)
        assert np.sum(left**2) == pytest.approx(np.sum(singular[5:] ** 2))


def test_basis_leaves_out_round_off() -> None:
    assert len(PodBasis.fit(np.outer(np.arange(10.0), np.arange(5.0)), 5).modes) == 1


@pytest.mark.parametrize("by_case", [False, True])
def test_solid_cells_of_training_frames_are_zero(driven_flow: Dataset, tmp_path: Path, by_case: bool) -> None:
    raw = driven_flow.xarray.copy(deep=True)
    if by_case:
        raw["mask"] = raw["mask"].expand_dims(case=raw["case"]).copy()
        raw["mask"][1, 0, 0] = False
    solid = ~raw["mask"].values
    raw["u"] = raw["u"].where(raw["mask"], 9.0)
    raw.to_netcdf(tmp_path / "filled.h5", engine="h5netcdf")
    for index, frames in enumerate(case_frames(open_dataset(tmp_path / "filled.h5").select([1, 4]))):
        inside = frames.reshape(len(frames), 2, 6, 5)[:, :, solid[[1, 4][index]] if by_case else solid]
        assert inside.size and not inside.any()


@pytest.mark.parametrize("select", ["one-step", "rollout"])
def test_ridge_learns_a_driven_linear_system(driven_flow: Dataset, select: str) -> None:
    """Increments are linear in state and signal, so that almost nothing is left."""
    found = gains(PodRidge(rank=(1, 2), ridge=(1e-8, 1.0), select=select), driven_flow)
    assert found[1] > 1e6 and found[5] > 1e6


def test_ridge_learns_operators_that_depend_on_the_parameter(waves: Dataset) -> None:
    found = gains(PodRidge(rank=(2, 4), select="rollout"), waves)
    assert found[1] > 100 and found[5] > 100


def test_products_with_signals_hold_what_a_signal_multiplies() -> None:
    """u_t = (s(t) - 1) u: linear in the state, but not with constant coefficients."""
    generator = np.random.default_rng(0)
    t, x = 0.2 * np.arange(16), np.linspace(0, 2 * np.pi, 24)
    s = generator.uniform(0.5, 1.0, (12, 1)) * np.sin(2 * t + generator.uniform(0, 6, (12, 1)))
    growth = np.cumsum(0.1 * (s[:, 1:] + s[:, :-1]) - 0.2, axis=1)
    u = np.exp(np.pad(growth, ((0, 0), (1, 0))))[..., None] * np.sin(x)
    data = from_arrays({"u": u}, times=t, signals={"s": s})
    plain = gains(PodRidge(rank=(1,), ridge=(1e-6,)), data)
    products = gains(PodRidge(rank=(1,), ridge=(1e-6,), signal_products=True), data)
    assert products[1] > 20 * plain[1] and products[5] > 20 * plain[5]


def test_ridge_works_in_the_scales_of_each_case(scaled_flow: Dataset) -> None:
    assert gains(PodRidge(rank=(1,), ridge=(1e-8,)), scaled_flow)[5] > 1e6


def test_penalty_pulls_towards_persistence(driven_flow: Dataset) -> None:
    train, valid, test = parts(driven_flow)
    method = PodRidge(rank=(1,), ridge=(1e12,)).fit(train, valid)
    asked = query(test, [5], 1, 1)
    change = method.predict(asked).mean["u"].values - asked.context["u"].values
    mean_change = np.mean(np.diff(train.array("u"), axis=1), axis=(0, 1))
    np.testing.assert_allclose(change, np.broadcast_to(mean_change, change.shape), atol=1e-6)


def test_gaussian_process_learns_and_knows_what_it_does_not_know(waves: Dataset) -> None:
    train, valid, test = parts(waves)
    method = PodGaussianProcess(rank=(4,), points=80).fit(train, valid)
    asked, real = query(test, [0, 3], 1, 5), truth(test, [0, 3], 1, 5)
    forecast = method.predict(asked)
    error = forecast.mean["u"].values - real["u"].values
    held = asked.context["u"].values[:, -1:] - real["u"].values
    assert np.mean(held**2) / np.mean(error**2) > 20
    assert forecast.variance is not None
    variance = forecast.variance["u"].values
    assert (variance > 0).all() and (np.diff(variance.mean(axis=(0, 2))) > 0).all()
    far = from_arrays(waves.select([0]).xarray + 20.0 * np.random.default_rng(0).normal(size=24))
    assert method.predict(query(far, [0], 1, 1)).variance["u"].values.mean() > 10 * variance[:, 0].mean()


def test_gaussian_process_matches_scikit_learn(driven_flow: Dataset) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor

    from sciflow.baselines.pod_gp import GaussianProcessMap, _kernel

    train, valid, _ = parts(driven_flow)
    step = PodGaussianProcess(rank=(1,), points=40).fit(train, valid)._map()
    assert isinstance(step, GaussianProcessMap)
    targets = step.lower @ step.lower.T @ step.weights
    peer = GaussianProcessRegressor(_kernel().clone_with_theta(step.theta), alpha=1e-10, optimizer=None)
    peer.fit(step.points, targets)
    places = step.points[:3] + 0.1
    mean, variance = step(places[:, :1] * step.scale, places[:, 1:])
    expected, deviation = peer.predict(places, return_std=True)
    np.testing.assert_allclose(mean, expected.reshape(3, -1) * step.size + step.centre, rtol=1e-6)
    np.testing.assert_allclose(variance, (deviation.reshape(3, -1) * step.size) ** 2, rtol=1e-4)


@pytest.mark.parametrize("method", [PodRidge(rank=(2, 3)), PodGaussianProcess(rank=(2,), points=40, seed=3)])
def test_saved_methods_give_the_same_forecast(
    method: PodRidge | PodGaussianProcess, driven_flow: Dataset, tmp_path: Path
) -> None:
    method.fit(driven_flow)
    method.save(tmp_path / "pod")
    again = type(method).load(tmp_path / "pod")
    asked = query(driven_flow, [0, 3], 1, 4)
    np.testing.assert_array_equal(method.predict(asked).mean["u"].values, again.predict(asked).mean["u"].values)
    assert again.config() == method.config()
    assert method.cost()["parameters"] > 0


def test_a_forecast_does_not_depend_on_the_other_queries(driven_flow: Dataset) -> None:
    method = PodRidge(rank=(2,)).fit(driven_flow)
    together = method.predict(query(driven_flow, [0, 3], 1, 4)).mean["v"].values
    alone = method.predict(query(driven_flow.select([4]), [3], 1, 4)).mean["v"].values
    np.testing.assert_allclose(together[9], alone[0], rtol=1e-9, atol=1e-12)


def test_bad_input(driven_flow: Dataset) -> None:
    with pytest.raises(InputError, match="select"):
        PodRidge(select="best")
    with pytest.raises(InputError, match="rank"):
        PodRidge(rank=(0,))
    with pytest.raises(InputError, match="ridge"):
        PodRidge(ridge=(-1.0,))
    method = PodRidge(rank=(2,)).fit(driven_flow)
    with pytest.raises(InputError, match="spacing"):
        method.predict(query(driven_flow, [0], 1, 2, step=2))
    asked = query(driven_flow, [0], 1, 2)
    asked.signals.clear()
    with pytest.raises(InputError, match="signal 's'"):
        method.predict(asked)
    uneven = from_arrays({"u": np.random.default_rng(0).normal(size=(3, 4, 6))}, times=[0.0, 1.0, 3.0, 4.0])
    with pytest.raises(InputError, match="equally spaced"):
        PodRidge().fit(uneven)
