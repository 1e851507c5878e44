from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

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

train = sf.open_dataset(sys.argv[1])
Surrogate("fno", **{options}).fit(train, train, resume=sys.argv[2], resume_seconds=0, on_step=slowly)
"""


def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(train: Dataset, tmp_path: Path) -> None:
    data, folder = tmp_path / "train.h5", tmp_path / "state"
    train.xarray.to_netcdf(data, engine="h5netcdf")
    command = [sys.executable, "-c", SCRIPT.replace("{options}", repr(OPTIONS)), str(data), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if int(line) >= 20:
                break
        time.sleep(0.3)  # some way on, perhaps in the middle of writing
        os.kill(killed.pid, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL

    stored = open_dataset(data)
    records: list[Record] = []
    resumed = Surrogate("fno", **OPTIONS).fit(stored, stored, resume=folder, on_step=records.append)
    assert 20 < records[0].step <= 50  # did not begin anew
    assert records[-1].step == 60
    whole = Surrogate("fno", **OPTIONS).fit(stored, stored)
    expected = whole.network.state_dict()
    for name, weight in resumed.network.state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-6)


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
