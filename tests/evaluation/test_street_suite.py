"""A suite on data in which everything differs by case: obstacles, domains, times, numbers of frames; in strides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sciflow.core import InputError
from sciflow.data import Dataset, query, truth
from sciflow.data.writer import write
from sciflow.evaluation import build, load_suite, run
from sciflow.evaluation.plan import evaluation_digest
from sciflow.evaluation.selftest import wakes


@pytest.fixture(scope="module")
def street() -> Dataset:
    return wakes()


@pytest.mark.parametrize("name", ["nearest", "interpolation"])
def test_baselines_in_the_case_parameters_cope_with_cases_of_their_own(name: str, street: Dataset) -> None:
    """A training case itself is given back at its own times; a case between two is, by interpolation, between them."""
    method = build(name).fit(street)
    for case in street.cases:
        part = street.select([int(case)])
        asked, real = query(part, [0, 2], 1, 8, step=2), truth(part, [0, 2], 1, 8, step=2)
        found = method.predict(asked).mean
        for field in real.data_vars:
            np.testing.assert_allclose(found[field], real[field], atol=1e-5)
    between = build(name).fit(street.select([0, 1]))
    asked = query(street.select([2]), [0], 1, 3)  # mu in the middle of the others
    found = between.predict(asked).mean["u"].values
    times = asked.times[0]
    ends = [
        np.stack([np.interp(times, street.case_times[c, : street.lengths[c]], column) for column in own.T], axis=1)
        for c in (0, 1)
        for own in [street.frames(c, 0, int(street.lengths[c]))[:, 0].reshape(int(street.lengths[c]), -1)]
    ]
    np.testing.assert_allclose(found.reshape(3, -1), np.mean(ends, axis=0), atol=1e-5)


def test_a_suite_in_strides_trains_networks_on_its_spacing(
    street: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pictures in ("page._pictures", "page._curves", "publish._draw"):  # slow to draw, and tested elsewhere
        monkeypatch.setattr(f"sciflow.evaluation.{pictures}", lambda *_: [])
    path = tmp_path / "street.h5"
    write(path, [street.xarray], splits={"all": {"train": [0, 1], "test": [2]}}).resolve()
    suite = {
        "name": "street",
        "data": {"path": str(path)},
        "task": {"frames_in": 1, "step": 3, "horizons": [{"steps": 1, "stride": 20}]},
        "metrics": ["cfdbench_nmse", "strouhal_error", "drag_error", "mass_flux_error"],
        "methods": [
            {"method": "persistence"},
            {"method": "nearest"},
            {"method": "cfdbench-unet", "training": {"steps": 2, "batch_size": 2, "ema": 0, "predict": "state"}},
        ],
    }
    with pytest.raises(InputError, match="at least 8 frames"):  # one step cannot tell a frequency
        run(suite, tmp_path / "out", progress=False)
    suite["task"] = {"frames_in": 1, "step": 3, "horizons": [{"steps": 1, "stride": 20}, {"steps": 8}]}
    results = run(suite, tmp_path / "out", progress=False)
    assert results.failures == {} and results.facts["task"]["step"] == 3
    config = pd.read_json(next((tmp_path / "out" / "runs").glob("cfdbench-unet*/config.json")), typ="series")
    assert config["identity"]["step"] == 3
    model = next((tmp_path / "out" / "runs").glob("cfdbench-unet*/checkpoint/model.json")).read_text(encoding="utf-8")
    assert '"frame_step": 3' in model
    known_at = results.table.groupby("metric")["horizon"].unique()  # a metric is left out where it needs more frames
    assert set(known_at["cfdbench_nmse"]) == {1, 8} and set(known_at["strouhal_error"]) == {8} == set(
        known_at["drag_error"]
    )
    rows = results.table.query("method == 'persistence' and metric == 'cfdbench_nmse' and horizon == 8")
    case, mask, known = 2, street.mask_values()[2], street.header["known"].values
    u = np.where(mask & ~known, street.frames(case, 0, 26)[:, 0], 0.0).astype(float)
    starts = range(0, 26 - 24)
    pairs = [(u[start], u[start + 3 * k]) for start in starts for k in range(1, 9)]
    expected = np.mean([((a - b) ** 2).sum() / (b**2).sum() for a, b in pairs])
    np.testing.assert_allclose(rows["value"], expected, rtol=1e-5)
    text = (tmp_path / "out" / "metrics.md").read_text(encoding="utf-8")
    assert "| cfdbench_nmse |" in text and text.count("\n") == 2 + 6


def test_a_network_in_strides_answers_for_every_third_frame_of_a_data_set(street: Dataset) -> None:
    model = build("cfdbench-unet", training={"steps": 1, "batch_size": 2, "predict": "state", "frame_step": 3})
    found = model.fit(street).predict(street.select([2]))
    assert found.steps == 8  # of 26 frames: 3, 6, ..., 24
    np.testing.assert_allclose(found.mean["time"], street.case_times[2, 3:25:3])


def test_a_step_of_one_leaves_suites_as_they_were() -> None:
    """Results made before there were strides are not scored again."""
    content = {"name": "a", "data": {"path": "a.h5"}, "methods": [{"method": "persistence"}]}
    plain, spaced = (load_suite({**content, "task": {"step": step}}) for step in (1, 2))
    assert "step" not in plain.task.described and spaced.task.described["step"] == 2
    assert evaluation_digest(plain) == evaluation_digest(load_suite(content)) != evaluation_digest(spaced)
    with pytest.raises(InputError, match="has no setting step"):
        load_suite({**content, "task": {"kind": "parametric", "step": 2}})
