"""Every metric against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core import InputError, UnknownNameError
from sciflow.data.volume import cell_widths, fluid_volume
from sciflow.evaluation import metrics, score
from sciflow.evaluation.measures.physics import derivative
from sciflow.evaluation.scoring import Scores, frames_of


def grid(arrays: dict[str, np.ndarray], *, periodic: str = "") -> xr.Dataset:
    """Fields [case, time, y, x] on cell centres of a box of 1 x 2."""
    ny, nx = next(iter(arrays.values())).shape[2:]
    coords = {"y": (np.arange(ny) + 0.5) / ny, "x": 2 * (np.arange(nx) + 0.5) / nx}
    fields = {name: (("case", "time", "y", "x"), values, {"units": "m/s"}) for name, values in arrays.items()}
    return xr.Dataset(fields, coords=coords, attrs={"grid": "cells", "periodic": periodic})


def random_frames(seed: int = 0, cases: int = 3, times: int = 4) -> tuple[xr.Dataset, xr.Dataset]:
    """Truth and context of random fields u and v."""
    generator = np.random.default_rng(seed)
    names = ("u", "v")
    truth = grid({name: generator.normal(size=(cases, times, 6, 5)) for name in names})
    context = grid({name: generator.normal(size=(cases, 1, 6, 5)) for name in names})
    return truth, context


def held(context: xr.Dataset, truth: xr.Dataset) -> xr.Dataset:
    """The persistence forecast."""
    return context.isel(time=np.zeros(truth.sizes["time"], int))


@pytest.mark.parametrize("name", ["mse", "rmse", "mae", "max_error", "nmse", "nrmse", "vrmse"])
def test_perfect_forecast_scores_zero(name: str) -> None:
    truth, context = random_frames()
    assert score(truth, truth, context, [name]) == {name: 0.0}


def test_perfect_forecast_has_skill_one_and_infinite_gain() -> None:
    truth, context = random_frames()
    assert score(truth, truth, context, ["skill", "gain"]) == {"skill": 1.0, "gain": np.inf}


def test_persistence_scores_the_persistence_number() -> None:
    truth, context = random_frames()
    found = score(held(context, truth), truth, context, ["nmse", "persistence_nmse", "gain", "skill"])
    errors = sum((context[name].values - truth[name].values) ** 2 for name in ("u", "v")).sum(axis=(1, 2, 3))
    size = sum(truth[name].values ** 2 for name in ("u", "v")).sum(axis=(1, 2, 3))
    assert found["nmse"] == pytest.approx(np.mean(errors / size))
    assert found["persistence_nmse"] == found["nmse"]
    assert found["gain"] == pytest.approx(1.0)
    assert found["skill"] == pytest.approx(0.0)


def test_known_shift() -> None:
    """A forecast that is 0.5 too high everywhere."""
    truth, context = random_frames()
    shifted = truth + 0.5
    found = score(shifted, truth, context, ["mse", "rmse", "mae", "max_error"])
    assert found == pytest.approx({"mse": 0.25, "rmse": 0.5, "mae": 0.5, "max_error": 0.5})


def test_known_ratio() -> None:
    """A forecast of 1.1 times the truth: relative errors 0.01 and 0.1 whatever the truth."""
    truth, context = random_frames()
    found = score(1.1 * truth, truth, context, ["nmse", "nrmse"])
    assert found == pytest.approx({"nmse": 0.01, "nrmse": 0.1})


def test_spatial_mean_has_vrmse_one() -> None:
    truth, context = random_frames()
    mean = xr.zeros_like(truth) + truth.mean(("y", "x"))
    assert score(mean, truth, context, ["vrmse"])["vrmse"] == pytest.approx(1.0)


def test_roots_are_taken_per_case_before_the_mean() -> None:
    """Errors of 1 in one case and 3 in the other: RMSE 2, not sqrt(5)."""
    truth, context = random_frames(cases=2)
    wrong = truth + xr.DataArray([1.0, 3.0], dims="case")
    found = score(wrong, truth, context, ["rmse", "mse", "max_error"])
    assert found == pytest.approx({"rmse": 2.0, "mse": 5.0, "max_error": 2.0})


def test_frames_are_pooled_before_the_ratio() -> None:
    """Truth 1 then 3, error 1 in both frames: NMSE = 2 / 10, not the mean of 1 and 1/9."""
    ones = np.ones((1, 1, 2, 2))
    truth = grid({"u": np.concatenate([ones, 3 * ones], axis=1)})
    assert score(truth + 1.0, truth, grid({"u": ones}), ["nmse"])["nmse"] == pytest.approx(0.2)


def test_gain_is_a_ratio_of_means() -> None:
    """Persistence errors 1 and 4, errors 1/4 and 1/4 (sums of squares): 5 / 0.5, not the mean of 4 and 16."""
    ones = np.ones((2, 1, 2, 2))
    truth, context = grid({"u": ones}), grid({"u": ones + np.array([1.0, 2.0])[:, None, None, None]})
    assert score(truth + 0.5, truth, context, ["gain"])["gain"] == pytest.approx(10.0)


def test_solid_cells_do_not_count() -> None:
    truth, context = random_frames()
    mask = np.ones((6, 5), bool)
    mask[2:4, 1:3] = False
    forecast = truth.copy(deep=True)
    forecast["u"].values[:, :, ~mask] = np.nan  # whatever stands there
    truth["u"].values[:, :, ~mask] = np.nan
    assert score(forecast, truth, context.assign(mask=(("y", "x"), mask)), ["mse", "nmse", "max_error"]) == {
        "mse": 0.0,
        "nmse": 0.0,
        "max_error": 0.0,
    }


def test_mask_keeps_the_mean_over_fluid_cells() -> None:
    """An error of 1 in every fluid cell is an MSE of 1, however small the fluid is."""
    truth, context = random_frames()
    mask = np.zeros((6, 5), bool)
    mask[0, 0] = True
    assert score(truth + 1.0, truth, context.assign(mask=(("y", "x"), mask)), ["mse"])["mse"] == pytest.approx(1.0)


def test_cells_weigh_by_volume() -> None:
    """Cells of width 1 and 3, errors 1 and 0: MSE 1/4."""
    truth = xr.Dataset({"u": (("case", "time", "x"), np.zeros((1, 1, 4)))}, coords={"x": [0.5, 1.5, 4.0, 8.0]})
    wrong = truth.copy(deep=True)
    wrong["u"].values[..., 0] = 1.0
    widths = cell_widths(truth["x"].values, nodes=False, periodic=False)
    assert widths == pytest.approx([1.0, 1.75, 3.25, 4.0])
    assert score(wrong, truth, truth, ["mse"])["mse"] == pytest.approx(1.0 / widths.sum())


def test_grid_conventions_fill_the_domain() -> None:
    assert cell_widths(np.arange(4) / 4, nodes=True, periodic=True).sum() == pytest.approx(1.0)
    assert cell_widths(np.linspace(0, 1, 5), nodes=True, periodic=False).sum() == pytest.approx(1.0)
    assert cell_widths((np.arange(4) + 0.5) / 4, nodes=False, periodic=False).sum() == pytest.approx(1.0)
    assert fluid_volume(grid({"u": np.zeros((1, 1, 6, 5))})).sum() == pytest.approx(2.0)


def test_mask_that_differs_by_case() -> None:
    truth, context = random_frames(cases=2)
    mask = np.ones((2, 6, 5), bool)
    mask[1, 0, 0] = False
    forecast = truth.copy(deep=True)
    forecast["u"].values[:, :, 0, 0] += 1.0
    table = score_table(forecast, truth, context.assign(mask=(("case", "y", "x"), mask)), "max_error")
    assert table == {0: 1.0, 1: 0.0}


def score_table(forecast: xr.Dataset, truth: xr.Dataset, context: xr.Dataset, name: str) -> dict[int, float]:
    """Value by case, all fields pooled."""
    scores = Scores([name])
    scores.add(frames_of(forecast, truth, context), range(truth.sizes["case"]))
    rows = scores.table().query("field == 'all'")
    return dict(zip(rows["case"], rows["value"], strict=True))


def test_a_forecast_that_is_not_finite_scores_infinity() -> None:
    truth, context = random_frames()
    broken = truth.copy(deep=True)
    broken["u"].values[0, 2, 1, 1] = np.nan
    for name in ("mse", "nmse", "max_error"):
        table = score_table(broken, truth, context, name)
        assert table[0] == np.inf and table[1] == 0.0
    assert score_table(broken, truth, context, "gain")[0] == 0.0
    assert score_table(broken, truth, context, "skill")[0] == -np.inf


def test_truth_that_is_not_finite_is_refused() -> None:
    truth, context = random_frames()
    broken = truth.copy(deep=True)
    broken["u"].values[0, 2, 1, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        score(truth, broken, context, ["mse"])


def test_divergence_of_known_flows() -> None:
    base = grid({"u": np.zeros((1, 1, 8, 8)), "v": np.zeros((1, 1, 8, 8))})
    x, y = base["x"] + 0 * base["y"], base["y"] + 0 * base["x"]

    def of(u: xr.DataArray, v: xr.DataArray) -> float:
        flow = base.copy(deep=True)
        flow["u"].values[0, 0], flow["v"].values[0, 0] = u.transpose("y", "x"), v.transpose("y", "x")
        return score(flow, base, base, ["divergence"])["divergence"]

    assert of(x, y) == pytest.approx(2.0)
    assert of(-y, x) == pytest.approx(0.0, abs=1e-12)
    assert of(x**2, -2 * x * y) == pytest.approx(0.0, abs=1e-12)  # exact for quadratics, at the walls too


def test_divergence_on_periodic_axes_and_beside_solids() -> None:
    n = 16
    base = grid({"u": np.zeros((1, 1, n, n)), "v": np.zeros((1, 1, n, n))}, periodic="x,y")
    flow = base.copy(deep=True)
    flow["u"].values[0, 0] = np.sin(np.pi * base["x"].values)[None]
    step = 2.0 / n
    expected = np.sin(np.pi * step) / step / np.sqrt(2)  # central difference of a sine, root mean square
    assert score(flow, base, base, ["divergence"])["divergence"] == pytest.approx(expected)
    solid = flow.copy(deep=True)
    mask = np.ones((n, n), bool)
    mask[5, 5] = False
    solid["u"].values[0, 0] = 1.0
    solid["u"].values[0, 0, 5, 5] = 0.0  # a jump at the wall is not divergence
    assert score(solid, base, base.assign(mask=(("y", "x"), mask)), ["divergence"])["divergence"] == 0.0


def test_divergence_needs_a_velocity() -> None:
    truth, context = random_frames()
    for data in (truth, context):
        data["u"].attrs["units"] = "kg/m^3"
    with pytest.raises(InputError, match="velocity"):
        score(truth, truth, context, ["divergence"])


def test_derivative_is_second_order_on_unequal_spacing() -> None:
    errors = []
    for n in (20, 40):
        points = np.linspace(0, 1, n) ** 1.5
        errors.append(np.abs(derivative(np.sin(points), points, axis=0, periodic=False) - np.cos(points)).max())
    assert 1.7 < np.log2(errors[0] / errors[1]) < 2.4


def test_unknown_metric_names_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="nmse"):
        metrics.get("nmsee")


def test_rows_of_single_fields() -> None:
    truth, context = random_frames(cases=1)
    forecast = truth.copy(deep=True)
    forecast["u"] = forecast["u"] + 2.0
    scores = Scores(["mse"])
    scores.add(frames_of(forecast, truth, context), [7])
    found = scores.table().set_index("field")["value"].to_dict()
    assert found == pytest.approx({"u": 4.0, "v": 0.0, "all": 2.0})
    assert set(scores.curves()["step"]) == {1, 2, 3, 4}


def mixed_units() -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Forecast, truth and context: u, v in m/s with truth 1, 3 and error 1, 0; p in Pa with truth 100 and error 50.

    The context is off by 2, 0 and 100.
    """
    ones = np.ones((1, 1, 2, 2))
    truth = grid({"u": ones, "v": 3 * ones, "p": 100 * ones})
    forecast = grid({"u": 2 * ones, "v": 3 * ones, "p": 150 * ones})
    context = grid({"u": 3 * ones, "v": 3 * ones, "p": 200 * ones})
    for data in (truth, forecast, context):
        data["p"].attrs["units"] = "Pa"
    return forecast, truth, context


def test_fields_of_one_unit_are_pooled_and_units_averaged() -> None:
    forecast, truth, context = mixed_units()
    found = score(forecast, truth, context, ["nmse", "nrmse", "persistence_nmse", "skill", "gain"])
    assert found["nmse"] == pytest.approx((1 / 10 + 1 / 4) / 2)
    assert found["nrmse"] == pytest.approx((np.sqrt(1 / 10) + 1 / 2) / 2)
    assert found["persistence_nmse"] == pytest.approx((4 / 10 + 1) / 2)
    assert found["skill"] == pytest.approx(((1 - 1 / 4) + (1 - 1 / 4)) / 2)
    assert found["gain"] == pytest.approx(0.7 / 0.175)


def test_the_row_of_the_gain_is_a_ratio_of_means_over_units() -> None:
    forecast, truth, context = mixed_units()
    forecast["p"] = forecast["p"] - 49  # off by 1 of 100: gains of 4 for (u, v) and 10^4 for p
    found = Scores(["gain"])
    found.add(frames_of(forecast, truth, context), [0])
    rows = found.table().set_index("field")["value"]
    assert rows["p"] == pytest.approx(1e4)
    assert rows["all"] == pytest.approx((0.4 + 1.0) / (0.1 + 1e-4))


def test_errors_with_a_unit_have_no_common_row_over_units() -> None:
    forecast, truth, context = mixed_units()
    names = ["mse", "rmse", "mae", "max_error"]
    found = Scores(names)
    found.add(frames_of(forecast, truth, context), [0])
    assert set(found.table()["field"]) == {"u", "v", "p"}
    assert set(found.curves()["field"]) == {"u", "v", "p"}
    assert score(forecast, truth, context, ["rmse", "nmse"]) == pytest.approx(
        {"rmse u": 1.0, "rmse v": 0.0, "rmse p": 50.0, "nmse": 0.175}
    )


def test_relative_scores_do_not_depend_on_the_unit_of_one_field() -> None:
    forecast, truth, context = mixed_units()
    names = ["nmse", "vrmse", "gain", "skill"]
    before = score(forecast, truth, context, names)
    for data in (forecast, truth, context):
        data["p"] = (data["p"] / 1000).assign_attrs(units="kPa")
    assert score(forecast, truth, context, names) == pytest.approx(before)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), chunk=st.integers(1, 5), scale=st.floats(1e-3, 1e3))
def test_pooling_does_not_depend_on_chunks_and_relative_errors_not_on_units(
    seed: int, chunk: int, scale: float
) -> None:
    truth, context = random_frames(seed, cases=6)
    forecast = truth + 0.1 * random_frames(seed + 1, cases=6)[0]
    owners = np.array([0, 0, 1, 1, 1, 2])
    names = ["nmse", "vrmse", "max_error", "gain", "skill", "rmse"]
    whole, parts, scaled = Scores(names), Scores(names), Scores(names)
    whole.add(frames_of(forecast, truth, context), owners)
    scaled.add(frames_of(scale * forecast, scale * truth, scale * context), owners)
    for first in range(0, 6, chunk):
        part = slice(first, first + chunk)
        sides = (data.isel(case=part) for data in (forecast, truth, context))
        parts.add(frames_of(*sides), owners[part])

    def values(scores: Scores) -> dict[tuple[str, str, int], float]:
        return scores.table().set_index(["metric", "field", "case"])["value"].to_dict()

    assert values(parts) == pytest.approx(values(whole))
    for key, value in values(scaled).items():
        factor = scale if key[0] in ("max_error", "rmse") else 1.0
        assert value == pytest.approx(factor * values(whole)[key])


def periodic_line(values: np.ndarray, problem: str) -> xr.Dataset:
    """u [case, time, x] on periodic nodes of the unit interval."""
    points = {"x": np.arange(values.shape[2]) / values.shape[2]}
    fields = {"u": (("case", "time", "x"), values)}
    return xr.Dataset(fields, coords=points, attrs={"grid": "nodes", "periodic": "x", "problem": problem})


def test_conserved_error_is_that_of_the_integral() -> None:
    """A wave adds nothing to the mass; a shift by 0.1 and 0.3 in two frames gives sqrt((0.01 + 0.09) / 2)."""
    truth = periodic_line(np.random.default_rng(0).normal(size=(1, 2, 16)), "burgers")
    wave = np.cos(2 * np.pi * truth["x"].values)
    assert score(truth + wave, truth, truth, ["conserved_rmse"])["conserved_rmse"] == pytest.approx(0.0, abs=1e-12)
    shifted = truth + xr.DataArray([0.1, 0.3], dims="time")
    found = Scores(["conserved_rmse"])
    found.add(frames_of(shifted, truth, truth), [0])
    rows = found.table().set_index("field")["value"].to_dict()
    assert next(iter(rows.values())) == pytest.approx(np.sqrt(0.05))


def test_conserved_laws_are_not_added_up() -> None:
    """u -> 2 u in mass and u^2 / 2: two laws of different units, no common row."""
    truth = periodic_line(np.ones((1, 1, 16)), "kdv")
    found = Scores(["conserved_rmse"])
    found.add(frames_of(2 * truth, truth, truth), [0])
    rows = found.table().set_index("field")["value"]
    assert len(rows) > 1 and "all" not in rows


def test_conserved_error_needs_a_law_of_the_stored_fields() -> None:
    truth, context = random_frames()
    with pytest.raises(InputError, match="names its problem"):
        score(truth, truth, context, ["conserved_rmse"])
    context.attrs["problem"] = "cavity"  # its mass has constant density
    with pytest.raises(InputError, match="declares no conservation law"):
        score(truth, truth, context, ["conserved_rmse"])
