"""The exported program gives the surrogate's step, in a process that knows torch alone; the card says what it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sciflow.core import InputError
from sciflow.data import Dataset, Windows, from_arrays
from sciflow.operators import networks
from sciflow.training import Surrogate
from sciflow.training.batches import read_batch
from sciflow.training.export import CARD, PROGRAM

NAMES = ("x", "parameters", "signals", "mask", "dt", "inputs", "scale", "time_scale")

SCRIPT = """
import sys
import torch
from safetensors.torch import load_file, save_file

step = torch.export.load(sys.argv[1] + "/model.pt2").module()
given = load_file(sys.argv[1] + "/given.safetensors")
with torch.no_grad():
    all_cases = step(**given)
    one = step(**{name: value[:1] for name, value in given.items()})
save_file({"frames": all_cases.contiguous(), "one": one.contiguous()}, sys.argv[1] + "/answer.safetensors")
assert not [name for name in sys.modules if name.startswith("sciflow")]
"""


@pytest.fixture(scope="module")
def channel() -> Dataset:
    """Two fields with a mask, a parameter, a signal, an input, and scales."""
    draw = np.random.default_rng(0)
    mask = np.ones((8, 10), bool)
    mask[2:4, 3:5] = False
    u, v = draw.normal(size=(2, 5, 4, 8, 10))
    data = from_arrays(
        {"u": u, "v": 10 + v},
        parameters={"Re": draw.uniform(10, 100, 5)},
        signals={"lid": draw.normal(size=(5, 4))},
        inputs={"a": draw.uniform(1, 2, (5, 8, 10))},
        mask=mask,
        grid="cells",
        periodic=("x",),
        units={"u": "m/s", "Re": "1", "x": "m"},
    ).xarray.copy()
    data.coords["speed"] = ("case", np.arange(1.0, 6.0))
    data["u"].attrs["scale_coord"] = "speed"
    data["Re"].attrs["scale"] = "log"
    return from_arrays(data, problem=None)


def tensors_of(surrogate: Surrogate, data: Dataset) -> dict[str, Tensor]:
    batch = read_batch(Windows(data, surrogate.training.frames_in), list(range(0, 15, 4)), torch.device("cpu"))
    return {name: batch[name].clone() for name in (*NAMES, "coordinates")}


def test_the_program_runs_without_sciflow_and_gives_the_same(channel: Dataset, tmp_path: Path) -> None:
    surrogate = Surrogate("fno", width=8, layers=2, modes=3, steps=5, threads=1).fit(channel, channel.select([0, 1]))
    surrogate.export(tmp_path)
    given = tensors_of(surrogate, channel)
    expected = surrogate._fitted()[0].advance(given).detach()
    save_file({name: given[name].contiguous() for name in NAMES}, tmp_path / "given.safetensors")
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True)
    from safetensors.torch import load_file

    answer = load_file(tmp_path / "answer.safetensors")
    assert expected.std() > 1 and answer["frames"].shape == (4, 1, 2, 8, 10)
    torch.testing.assert_close(answer["frames"], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(answer["one"], expected[:1], rtol=1e-5, atol=1e-5)
    check_card((tmp_path / CARD).read_text(), surrogate, channel)


def check_card(card: str, surrogate: Surrogate, data: Dataset) -> None:
    assert card.startswith("# fno\n")
    for part in (
        "fields | u (m/s), v (no unit)",
        "input fields | a (no unit)",
        "case parameters | Re (1)",
        "signals | lid (no unit)",
        "x (m) | 10 | 0 | 1 | cells, periodic",
        "y (no unit) | 8 | 0 | 1 | cells |",
        "solid cells",
        data.digest,
        "Training cases: 5 of at most 4 frames",
        "Validation cases: 2",
        '"steps": 5',
        '"width":8',
        "Validation error (mean squared error in normalised units",
        "x | [B, 1, 2, N_y, N_x]",
        "scale | [B, 2] | speed, 1",
        f"parameters | {surrogate.cost()['parameters']:,.0f}",
        f"torch | {torch.__version__}",
        "## Limits",
    ):
        assert part in card, part


def test_a_loaded_map_can_be_exported_in_place(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    data = from_arrays({"u": draw.normal(size=(4, 16))}, inputs={"a": draw.normal(size=(4, 16))}, steady=True)
    fitted = Surrogate("unet", width=4, steps=3, threads=1, frames_in=0).fit(data)
    fitted.save(tmp_path)
    Surrogate.load(tmp_path).export(tmp_path)
    given = read_batch(Windows(data, 0, 1), [0, 1, 2], torch.device("cpu"))
    step = torch.export.load(tmp_path / PROGRAM).module()
    expected = fitted.predict(data).mean["u"].values[:3]
    np.testing.assert_allclose(step(**{name: given[name].clone() for name in NAMES})[:, :, 0], expected, atol=1e-5)
    card = (tmp_path / CARD).read_text()
    assert "finds the field of each time by itself" in card and "There was no validation" in card


class Fixed(nn.Module):
    """Looks at the number of cases, or at a value, as torch.export cannot trace."""

    name = "fixed"

    def __init__(self, sizes: Any, *, at_values: bool = False) -> None:
        super().__init__()
        self.weight, self.at_values = nn.Parameter(torch.ones(())), at_values

    def forward(self, x: Tensor, *, dt: Tensor, **others: Tensor) -> Tensor:
        if self.at_values and float(dt[0]) > 0.5:
            x = x + 1
        return self.weight * x / len(x) * len(dt)


def test_a_network_that_fixes_the_number_of_cases_takes_one(
    monkeypatch: pytest.MonkeyPatch, train: Dataset, tmp_path: Path
) -> None:
    get = networks.get
    monkeypatch.setattr(networks, "get", lambda name: Fixed if name == "fixed" else get(name))
    surrogate = Surrogate("fixed", steps=2, threads=1).fit(train)
    surrogate.export(tmp_path)
    given = read_batch(Windows(train), [3], torch.device("cpu"))
    step = torch.export.load(tmp_path / PROGRAM).module()
    frames = step(**{name: given[name].clone() for name in NAMES})
    torch.testing.assert_close(frames, surrogate._fitted()[0].advance(given).detach())
    assert "x | [1, 1, 1, N_x]" in (tmp_path / CARD).read_text()
    with pytest.raises(InputError, match=r"cannot be exported by torch\.export.*save the surrogate instead"):
        Surrogate("fixed", at_values=True, steps=2, threads=1).fit(train).export(tmp_path)


def test_what_cannot_be_exported_says_so(train: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not fitted"):
        Surrogate("fno").export(tmp_path)
    Surrogate("fno", width=4, modes=3, steps=2, threads=1).fit(train).save(tmp_path)
    path = tmp_path / "model.json"
    stored = json.loads(path.read_text())
    del stored["origin"]
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="saved without its training grid"):
        Surrogate.load(tmp_path).export(tmp_path)
