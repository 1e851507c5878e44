"""A network in a suite: trained, logged, interrupted, resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sciflow.evaluation import Results, run
from sciflow.training.loop import Loop


def suite(data_file: Path) -> dict[str, Any]:
    network = {
        "method": "fno",
        "label": "FNO",
        "config": {"width": 4, "modes": 2, "layers": 1},
        "training": {"steps": 20, "batch_size": 4, "threads": 1},
    }
    task = {"horizons": [{"steps": 1}, {"steps": 3, "stride": 3}]}
    return {"name": "net", "data": {"path": str(data_file)}, "task": task, "methods": [network]}


def scores(results: Any) -> np.ndarray:
    assert isinstance(results, Results)
    return results.table["value"].to_numpy()


def test_killed_in_training_and_run_again(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sciflow.evaluation.page.report", lambda *_, **__: "")
    whole = run(suite(data_file), tmp_path / "whole", progress=False)
    (folder,) = (tmp_path / "whole" / "runs").iterdir()
    assert (folder / "checkpoint" / "model.json").is_file() and not (folder / "training").exists()
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if record["event"] == "step"][-1] == 20
    assert (tmp_path / "whole" / "fields.png").read_bytes().startswith(b"\x89PNG")
    cost = json.loads((folder / "cost.json").read_text())
    assert cost["parameters"] > 0 and cost["steps"] == 20

    original = Loop._advance

    def stop(self: Loop, batches: Any) -> Any:
        if self.counters.step == 12:
            raise KeyboardInterrupt
        return original(self, batches)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Loop, "_advance", stop)
        run(suite(data_file), tmp_path / "cut", progress=False)
    (partial,) = (tmp_path / "cut" / "runs").iterdir()
    assert partial.name.endswith(".partial")
    again = run(suite(data_file), tmp_path / "cut", progress=False)
    np.testing.assert_allclose(scores(again), scores(whole), rtol=1e-6)
    assert not partial.exists()
