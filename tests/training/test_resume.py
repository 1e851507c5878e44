from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sciflow.core import InputError
from sciflow.data import Dataset, open_dataset
from sciflow.training import Record, Surrogate

OPTIONS = {"width": 8, "layers": 1, "modes": 4, "steps": 60, "threads": 1, "batch_size": 8, "validate_every": 20}

SCRIPT = """
import sys, time
import sciflow as sf
from sciflow.training import Surrogate

def slowly(record):
    print(record.step, flush=True)
    time.sleep(0.2)

train, folder = sf.open_dataset(sys.argv[1]), sys.argv[2]
surrogate = Surrogate("fno", **{options})
surrogate.fit(train, train, resume=folder + "/state", resume_seconds=0, on_step=slowly)
surrogate.save(folder + "/model")
"""


def start(data: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT.replace("{options}", repr(OPTIONS)), str(data), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(train: Dataset, tmp_path: Path) -> None:
    data = tmp_path / "train.h5"
    train.xarray.to_netcdf(data, engine="h5netcdf")
    killed = start(data, tmp_path)
    assert killed.stdout is not None
    for line in killed.stdout:
        if int(line) >= 20:
            break
    time.sleep(0.3)  # some way on, perhaps in the middle of writing
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "state" / "training-state.safetensors").exists()

    again = start(data, tmp_path)
    steps = [int(line) for line in again.stdout or []]
    assert again.wait() == 0
    assert again.stdout is not None
    again.stdout.close()
    assert 20 <= steps[0] <= 50  # did not begin anew
    assert steps[-1] == 60

    stored = open_dataset(data)
    whole = Surrogate("fno", **OPTIONS).fit(stored, stored)
    whole.save(tmp_path / "whole")
    resumed, expected = (load_file(tmp_path / name / "weights.safetensors") for name in ("model", "whole"))
    assert set(resumed) == set(expected)
    assert max(float((resumed[name] - expected[name]).abs().max()) for name in expected) <= 1e-6


def test_a_finished_training_is_not_repeated(train: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"steps": 5}
    first = Surrogate("fno", **options).fit(train, resume=tmp_path)
    records: list[Record] = []
    second = Surrogate("fno", **options).fit(train, resume=tmp_path, on_step=records.append)
    assert records == []
    assert second.cost()["training_seconds"] == first.cost()["training_seconds"]
    weights = (surrogate.network.state_dict() for surrogate in (first, second))
    assert all(bool((one == other).all()) for one, other in zip(*(item.values() for item in weights), strict=True))


def test_only_the_same_training_is_continued(train: Dataset, valid: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"steps": 3}
    Surrogate("fno", **options).fit(train, resume=tmp_path)
    Surrogate("fno", **options | {"threads": 2, "device": "cpu"}).fit(train, resume=tmp_path)
    with pytest.raises(InputError, match="differs: option width, steps"):
        Surrogate("fno", **options | {"steps": 4, "width": 9}).fit(train, resume=tmp_path)
    with pytest.raises(InputError, match="differs: training cases, validation cases"):
        Surrogate("fno", **options).fit(valid, valid, resume=tmp_path)


def test_a_truncated_state_is_one_clear_error(train: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"steps": 3}
    Surrogate("fno", **options).fit(train, resume=tmp_path)
    path = tmp_path / "training-state.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"training-state\.safetensors is damaged or incomplete; delete it to start"):
        Surrogate("fno", **options).fit(train, resume=tmp_path)
