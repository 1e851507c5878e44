"""Equivariance to flows: closed forms, methods that have the symmetry, refusals, and the way through a suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sciflow.baselines.coarse import CoarseSolver
from sciflow.baselines.mean import MeanField
from sciflow.baselines.persistence import Persistence
from sciflow.core import InputError, Query
from sciflow.data import Dataset, from_arrays, query, splits
from sciflow.evaluation import (
    CallableMethod,
    ForecastTask,
    Horizon,
    Results,
    equivariance_error,
    evaluate,
    load_suite,
    run,
    save_predictions,
)
from sciflow.problems import Box, Field, Parameter, Problem, coordinates, galilean, register, translation

CELLS, DT, CONTEXT = 16, 0.5, 3
t, x, y = coordinates("t x y")
a, b = Parameter("a", 0.5, -5, 5, unit="m/s", hidden=True), Parameter("b", 0.5, -5, 5, unit="m/s")


def _problem(name: str, velocity: Any, symmetries: Any = None) -> Problem:
    w = Field("w")(t, x, y)
    return Problem(
        name=name, fields=[w], parameters=[a, b], domain=Box(x=(0, 1), y=(0, 2)), periodic=["x", "y"],
        evolution={w: -a * w.diff(x) - b * w.diff(y)},
        symmetries=[translation("x"), galilean("x", a), galilean("y", b)] if symmetries is None else symmetries,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def problems() -> Any:
    from sciflow.problems.registry import problems as registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_entries", dict(registry._entries))
        register(_problem("carried", a))
        register(_problem("still", a, [translation("x")]))
        yield


def shifted(values: np.ndarray, cells: np.ndarray | float, axis: int = -1) -> np.ndarray:
    """Frames moved along an axis by fractions of a cell, by Fourier phases; `cells` broadcasts against the values."""
    size = values.shape[axis]
    waves = np.moveaxis(np.fft.fftfreq(size, 1 / size).reshape(-1, *[1] * (-axis - 1)), 0, 0)
    phase = np.exp(-2j * np.pi * waves * np.asarray(cells) / size)
    return np.fft.ifft(np.fft.fft(values, axis=axis) * phase, axis=axis).real


def waves(frames: int = 9, problem: str = "carried", modes: tuple[int, int] = (2, 1), cases: int = 4) -> Dataset:
    """w = sin(2 pi (k (x - a t) + l (y - b t) / 2)), carried by a mean flow (a, b) of each case."""
    px, py = np.arange(CELLS) / CELLS, 2 * np.arange(CELLS - 2) / (CELLS - 2)
    drift = 0.05 * np.arange(cases)
    times = DT * np.arange(frames)[:, None, None]
    along_x, along_y = (drift[:, None, None, None] * times for _ in range(2))
    w = np.sin(2 * np.pi * (modes[0] * (px - along_x) + modes[1] * (py[:, None] - 0.5 * along_y) / 2))
    return from_arrays(
        {"w": w}, times=times.ravel(), coordinates={"x": px, "y": py}, parameters={"a": drift, "b": 0.5 * drift},
        periodic=("x", "y"), problem=problem,
    )  # fmt: skip


def asked(steps: int = 5, **options: Any) -> Query:
    return query(waves(**options), [0], CONTEXT, steps)


def last(asked: Query, name: str = "w") -> np.ndarray:
    return np.asarray(asked.context[name].values[:, -1:], np.float64)


def by_drift(asked: Query) -> dict[str, np.ndarray]:
    """The last frame carried on by the drift that is seen: the phase of the one wave there is, over one frame."""
    before, now = (np.fft.fft2(asked.context["w"].values[:, frame]) for frame in (-2, -1))
    n = np.arange(1, asked.steps + 1)[:, None, None]
    there = np.abs(before) > 1e-3 * np.abs(before).max(axis=(1, 2), keepdims=True)
    turn = np.where(there, now / np.where(there, before, 1), 1)
    return {"w": np.fft.ifft2(now[:, None] * turn[:, None] ** n).real}


def by_parameters(asked: Query) -> dict[str, np.ndarray]:
    """The last frame carried on by the mean flow that the context names."""
    steps = np.arange(1, asked.steps + 1)[:, None, None]
    rate_x, rate_y = (asked.context[name].values[:, None, None, None] * DT for name in ("a", "b"))
    moved = shifted(last(asked), rate_x * CELLS * steps)
    return {"w": shifted(moved, rate_y * (CELLS - 2) / 2 * steps, axis=-2)}


FLOWS = [{"x": 1}, {"x": 1, "y": -1}, {"x": 0.5}, {"x": -3, "y": 0.25}]


@pytest.mark.parametrize("flow", FLOWS)
def test_persistence_scores_its_closed_form(flow: dict[str, float]) -> None:
    found = equivariance_error(CallableMethod(lambda q: {"w": np.repeat(last(q), q.steps, 1)}), asked(), flow)
    turn = 2 * np.pi * (2 * flow.get("x", 0) / CELLS + flow.get("y", 0) / (CELLS - 2))
    expected = 2 * np.abs(np.sin(turn * np.arange(1, 6) / 2))
    assert found.dims == ("case", "time") and list(found["time"]) == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found, np.tile(expected, (4, 1)), atol=1e-6)
    np.testing.assert_allclose(equivariance_error(Persistence(), asked(), flow), found, atol=1e-6)


@pytest.mark.parametrize("method", [by_drift, by_parameters])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_method_with_the_symmetry_scores_zero(method: Callable[[Query], Any], flow: dict[str, float]) -> None:
    found = equivariance_error(CallableMethod(method), asked(), flow)
    assert found.shape == (4, 5) and float(found.max()) < 2e-5  # the data are float32, and drift is extrapolated
    wrong = asked()
    wrong.context["w"].values[:] += 0.3  # no solution any more: the forecast is wrong, and moves along all the same
    assert float(equivariance_error(CallableMethod(by_parameters), wrong, flow).max()) < 2e-6


@pytest.mark.parametrize("flow", FLOWS)
def test_an_error_that_stays_in_place_has_its_closed_form(flow: dict[str, float]) -> None:
    """The exact forecast plus e cos(2 pi 3 x): frame n differs by 2 e sin(3 pi (T + n) c dx), of sqrt(1 + e^2)."""
    size, frame = 0.2, np.cos(6 * np.pi * np.arange(CELLS) / CELLS)
    found = equivariance_error(CallableMethod(lambda q: {"w": by_parameters(q)["w"] + size * frame}), asked(), flow)
    turn = 6 * np.pi * flow["x"] / CELLS * (CONTEXT + np.arange(5))
    expected = 2 * size * np.abs(np.sin(turn / 2)) / np.sqrt(1 + size**2)
    np.testing.assert_allclose(found, np.tile(expected, (4, 1)), atol=2e-6)


def test_waves_of_two_cells_do_not_count_where_they_have_no_phase() -> None:
    """On 16 cells the wave (-1)^i has no phase to move by half a cell; a whole cell moves it."""
    comb = waves(modes=(CELLS // 2, 0), cases=1)
    comb = query(comb.select([0]), [0], 2, 3)
    comb.context["w"].values[:] = np.cos(np.pi * np.arange(CELLS)) + np.sin(2 * np.pi * np.arange(CELLS) / CELLS)
    half = equivariance_error(Persistence(), comb, {"x": 0.5})
    np.testing.assert_allclose(half[0], 2 * np.sin(np.pi * 0.5 * np.arange(1, 4) / CELLS), atol=1e-6)
    whole = equivariance_error(Persistence(), comb, {"x": 1})
    n = np.arange(1, 4)
    squares = (1 - (-1.0) ** n) ** 2 + (2 * np.sin(np.pi * n / CELLS)) ** 2 / 2
    np.testing.assert_allclose(whole[0], np.sqrt(squares / 1.5), atol=1e-6)


def burgers(dtype: Any = np.float64) -> Query:
    """Waves around a mean: the velocity is a field."""
    px = 0.25 * np.arange(CELLS)
    u = np.array([0.1, 0.4])[:, None, None] + np.sin(2 * np.pi * px / 4 - 0.3 * np.arange(8)[:, None])
    data = from_arrays(
        {"u": u.astype(dtype)}, times=DT * np.arange(8), coordinates={"x": px}, parameters={"nu": 0.01},
        periodic=("x",), problem="burgers",
    )  # fmt: skip
    return query(data, [0], CONTEXT, 5)


def by_mean(asked: Query) -> dict[str, np.ndarray]:
    """The last frame carried on by its own mean velocity."""
    u = last(asked, "u")
    cells = u.mean(axis=-1, keepdims=True) * DT / 0.25 * np.arange(1, asked.steps + 1)[:, None]
    return {"u": shifted(u, cells)}


@pytest.mark.parametrize("speed", [1, -2, 0.5])
def test_values_of_velocity_fields_rise_and_fall(speed: float) -> None:
    flow = {"x": speed}
    assert float(equivariance_error(CallableMethod(by_mean), burgers(), flow).max()) < 1e-13
    held = equivariance_error(Persistence(), burgers(), flow)
    n, mean = np.arange(1, 6), np.array([0.1, 0.4])[:, None]
    expected = 2 * np.abs(np.sin(np.pi * speed * n / CELLS)) * np.sqrt(0.5 / (mean**2 + 0.5))
    np.testing.assert_allclose(held, expected, atol=1e-12)
    # A tenth of the velocity above the true mean: the factor makes the rise c dx / dt grow by a tenth of itself.
    tenth = CallableMethod(lambda q: {"u": 1.1 * by_mean(q)["u"]})
    rise = 0.1 * abs(speed) * 0.25 / DT / np.sqrt(1.21 * (mean**2 + 0.5))
    np.testing.assert_allclose(equivariance_error(tenth, burgers(), flow), np.tile(rise, (1, 5)), rtol=1e-10)


@pytest.mark.slow  # compiles a solver
@pytest.mark.parametrize("speed", [1, 0.5])
def test_a_solver_has_the_symmetry_of_its_equation(speed: float) -> None:
    """Spectral Burgers in a boosted frame: what is left is the rounding of float32 frames."""
    px, times = np.arange(32) / 32, 0.05 * np.arange(5)
    u = 0.2 + 0.1 * np.sin(2 * np.pi * px) * np.ones((1, 5, 1))
    data = from_arrays(
        {"u": u}, times=times, coordinates={"x": px}, parameters={"nu": 0.05}, periodic=("x",), problem="burgers"
    )
    found = equivariance_error(CoarseSolver(resolution=32).fit(data), query(data, [0], 1, 4), {"x": speed})
    assert found.shape == (1, 4) and float(found.max()) < 2e-6


def test_moved_queries_are_new_ones_and_given_ones_stay() -> None:
    seen: list[Query] = []
    given = asked()
    before = given.context.copy(deep=True)

    def look(question: Query) -> dict[str, np.ndarray]:
        seen.append(question)
        return {"w": np.repeat(last(question), question.steps, 1)}

    equivariance_error(CallableMethod(look), given, {"x": 2, "y": 1})
    xr.testing.assert_identical(given.context, before)
    moved = seen[-1].context
    assert "source_case" not in moved.coords and "start" not in moved.coords and moved["w"].dtype == before["w"].dtype
    for frame in range(CONTEXT):
        expected = np.roll(before["w"].values[:, frame], (frame, 2 * frame), axis=(-2, -1))
        np.testing.assert_array_equal(moved["w"].values[:, frame], expected)
    np.testing.assert_allclose(moved["a"] - before["a"], 2 / CELLS / DT)  # c dx / dt
    np.testing.assert_allclose(moved["b"] - before["b"], 2 / (CELLS - 2) / DT)


def test_units_are_pooled_apart() -> None:
    """u and v of one unit, p of another: the mean of both groups' errors."""
    given = asked()
    sizes, units = {"u": 1.0, "v": 3.0, "p": 5.0}, {"u": "m/s", "v": "m/s", "p": "Pa"}
    one = given.context["w"]
    context = given.context.drop_vars("w").assign(
        {n: (one.dims, s * one.values, {"units": units[n]}) for n, s in sizes.items()}
    )

    def answer(question: Query) -> dict[str, np.ndarray]:
        good = {
            n: s
            * by_parameters(
                Query(question.context.assign(w=question.context[n] / s), question.context_times, question.times)
            )["w"]
            for n, s in sizes.items()
        }
        return {**good, "v": np.repeat(last(question, "v"), question.steps, 1)}

    found = equivariance_error(CallableMethod(answer), replace(given, context=context), {"x": 1})
    held = 2 * np.sin(2 * np.pi * np.arange(1, 6) / CELLS) * np.sqrt(9 / 10)
    np.testing.assert_allclose(found, np.tile(held / 2, (4, 1)), atol=1e-5)


def test_a_forecast_that_blows_up_has_no_symmetry() -> None:
    def broken(question: Query) -> dict[str, np.ndarray]:
        out = np.repeat(last(question), question.steps, 1)
        out[1, 2:] = np.nan
        return {"w": out}

    found = equivariance_error(CallableMethod(broken), asked(), {"x": 1}).values
    assert np.isinf(found[1, 2:]).all() and np.isfinite(found[1, :2]).all() and np.isfinite(found[[0, 2, 3]]).all()


@pytest.mark.parametrize(
    ("change", "flow", "message"),
    [
        ({}, {"q": 1}, "no axis 'q'"),
        ({}, {}, "moves nothing"),
        ({}, {"x": 0}, "moves nothing"),
        ({}, {"x": np.inf}, "finite"),
        ({}, {"z": 1}, "moves along z, but the data have the axes y, x"),
        ({"attrs": {"periodic": "x"}}, {"x": 1, "y": 1}, "along y, which is not periodic"),
        ({"attrs": {"problem": "still"}}, {"x": 1}, "no galilean symmetry in x, but: translation in x"),
        ({"attrs": {"problem": "heat"}}, {"x": 1}, "no galilean symmetry in x"),
        ({"attrs": {"problem": ""}}, {"x": 1}, "name no problem"),
        ({"attrs": {"problem": "not-there"}}, {"x": 1}, "not-there"),
        ({"cells": {"mask": False}}, {"x": 1}, "solid cells would not move"),
        ({"cells": {"known": True}}, {"x": 1}, "known cells would not move"),
        ({"input": True}, {"x": 1}, "the input field 'k' would not move"),
        ({"signal": True}, {"x": 1}, "the signal 'lid' would not move"),
        ({"x": np.arange(CELLS) ** 1.1}, {"x": 1}, "along x, but their widths differ"),
        ({"times": True}, {"x": 1}, "unevenly spaced"),
        ({"frames": 0}, {"x": 1}, "no start frames"),
    ],
)  # fmt: skip
def test_what_is_no_symmetry_is_refused(change: dict[str, Any], flow: dict[str, float], message: str) -> None:
    given = asked()
    context = given.context.assign_attrs(change.get("attrs", {}))
    one = np.zeros((CELLS - 2, CELLS), bool)
    one[3, 4] = True
    for name, value in change.get("cells", {}).items():
        context[name] = (("y", "x"), one if value else ~one)
    if "input" in change:
        context["k"] = (("y", "x"), one + 1.0, {"role": "input"})
    if "x" in change:
        context = context.assign_coords(x=change["x"])
    signals = {"lid": np.zeros((4, CONTEXT + 5))} if "signal" in change else {}
    times = given.times * (1.1 if "times" in change else 1)
    early = given.context_times
    if "frames" in change:
        context, early = context.isel(time=slice(0, 0)), early[:, :0]
    with pytest.raises(InputError, match=message) as caught:
        equivariance_error(
            Persistence(), Query(context, early, times, signals), flow
        ) if early.size else equivariance_error(
            CallableMethod(lambda q: {"w": np.zeros((4, 5, CELLS - 2, CELLS))}),
            Query(context, early, times, signals),
            flow,
        )
    assert str(caught.value).count(". ") <= 1


def test_evaluate_scores_cases_and_lead_times() -> None:
    data, task = waves(frames=12), ForecastTask((Horizon(steps=1), Horizon(steps=4, stride=2)), frames_in=CONTEXT)
    found = evaluate(Persistence(), data, task, ["rmse"], equivariance=[{"x": 1}, {"x": 2}])
    rows = found.curves.query("metric == 'equivariance_error' and horizon == 4")
    assert set(rows["field"]) == {"x+1", "x+2", "all"} and set(rows["case"]) == {0, 1, 2, 3}
    n = np.arange(1, 5)
    each = {c: 2 * np.abs(np.sin(2 * np.pi * c * n / CELLS)) for c in (1, 2)}
    for name, expected in (("x+1", each[1]), ("x+2", each[2]), ("all", (each[1] + each[2]) / 2)):
        own = rows[rows["field"] == name].pivot(index="case", columns="step", values="value")
        np.testing.assert_allclose(own, np.tile(expected, (4, 1)), atol=1e-6)
    pooled = found.table.query("metric == 'equivariance_error' and horizon == 4 and field == 'x+1'")["value"]
    np.testing.assert_allclose(pooled, np.sqrt(np.mean(each[1] ** 2)), atol=1e-6)  # frames have the same norm
    small = evaluate(Persistence(), data, task, ["rmse"], chunk_bytes=1, equivariance=[{"x": 1}, {"x": 2}])
    key = ["case", "metric", "field", "horizon"]
    tables = [each.table.sort_values(key).reset_index(drop=True) for each in (small, found)]
    pd.testing.assert_frame_equal(*tables)


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    data = waves(cases=7)
    path = tmp_path / "waves.h5"
    stored = from_arrays(data.xarray, path=path)
    stored.with_split(splits.random(stored, counts={"train": 4, "valid": 1, "test": 2}, seed=0), "random")
    return path


def suite(path: Path, **others: Any) -> dict[str, Any]:
    given = {
        "name": "flows", "data": {"path": str(path)}, "task": {"frames_in": 2, "horizons": [{"steps": 4}]},
        "methods": [{"method": "persistence"}, {"method": "mean"}], "metrics": ["nmse"],
    }  # fmt: skip
    return {**given, **others}


def test_a_suite_is_scored_again_and_shows_it(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sciflow.data import open_dataset

    task = ForecastTask((Horizon(steps=4),), frames_in=2)
    saved = save_predictions(
        tmp_path / "saved.h5", Persistence(), open_dataset(data_file).split("random")["test"], task
    )
    methods = [{"method": "persistence"}, {"method": "mean"}, {"predictions": str(saved), "label": "file"}]
    out = tmp_path / "out"
    monkeypatch.setattr("sciflow.evaluation.publish._draw", lambda *_: None)
    monkeypatch.setattr("sciflow.evaluation.page.report", lambda *_, **__: "")
    plain = run(suite(data_file, methods=methods), out, progress=False)
    assert isinstance(plain, Results) and not plain.failures and "equivariance" not in plain.facts
    monkeypatch.undo()
    monkeypatch.setattr("sciflow.evaluation.publish._draw", lambda *_: None)
    for name in ("_image", "_pictures"):  # drawing takes longer than everything else here
        monkeypatch.setattr(f"sciflow.evaluation.page.{name}", lambda *_: "")
    monkeypatch.setattr(MeanField, "fit", lambda *_: pytest.fail("trained again"))
    found = run(suite(data_file, methods=methods, equivariance=[{"x": 1}], by="a"), out, progress=False)
    assert isinstance(found, Results) and not found.failures and found.facts["equivariance"] == [{"x": 1.0}]
    rows = found.table.query("metric == 'equivariance_error'")
    assert set(rows["method"]) == {"persistence", "mean"} and set(rows["field"]) == {"all"} and len(rows) == 4
    n = np.arange(1, 5)
    curve = found.curves.query("metric == 'equivariance_error' and method == 'persistence'").groupby("step")["value"]
    np.testing.assert_allclose(curve.mean(), 2 * np.sin(2 * np.pi * n / CELLS), atol=1e-6)
    board, metrics = ((out / name).read_text() for name in ("leaderboard.md", "metrics.md"))
    assert "equivariance error, 4 steps" in board and "Equivariance error: how far" in board
    assert "equivariance_error" in metrics and "### equivariance_error, random" in (out / "by.md").read_text()
    report = (out / "report.html").read_text()
    assert "equivariance_error" in report and "Equivariance error by lead time" in report
    assert "equivariance_4" in pd.read_csv(out / "leaderboard.csv").columns
    again = run(suite(data_file, methods=methods, equivariance=[{"x": 1}], by="a"), out, progress=False, dry_run=True)
    assert {item.status for item in again} == {"finished"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equivariance": [{"x": 1}, {"x": 1.0}]}, "flow x.1 is there twice"),
        ({"equivariance": [{"x": 0}]}, "moves nothing"),
        ({"equivariance": [{"lon": 1}]}, "no axis 'lon'"),
        ({"equivariance": [{"z": 1}]}, "moves along z"),
        ({"metrics": ["equivariance_error"]}, "leave it out of metrics"),
        ({"equivariance": [{"x": 1}], "task": {"kind": "parametric"}}, "no start frames"),
    ],
)
def test_bad_flows_are_found_before_anything_is_fitted(
    data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(MeanField, "fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(InputError, match=message):
        run(suite(data_file, **changes), tmp_path / "out", progress=False)


def test_flows_of_a_part_win() -> None:
    part = {"name": "one", "data": {"path": "a.h5"}, "equivariance": [{"x": 2}]}
    made = load_suite(
        {"name": "s", "parts": [part, {**part, "name": "two", "equivariance": []}], "equivariance": [{"y": 1}],
         "methods": [{"method": "mean"}]}
    )  # fmt: skip
    assert made.of_part(made.parts[0]).equivariance == ({"x": 2.0},)
    assert made.of_part(made.parts[1]).equivariance == ({"y": 1.0},)
