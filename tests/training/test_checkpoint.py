from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sciflow.core import InputError
from sciflow.training.checkpoint import Counters, TrainingState, load_model, save_model

TENSORS = {"b.weight": torch.arange(6.0).reshape(2, 3).T, "a": torch.tensor(1.5), "empty": torch.zeros(0, 3)}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(b"\x00" * 200)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(bytes(content))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_models_come_back_as_they_were(tmp_path: Path) -> None:
    save_model(tmp_path / "model", TENSORS, {"network": "fno"})
    save_model(tmp_path / "model", TENSORS, {"network": "unet"})  # over an older one
    tensors, description = load_model(tmp_path / "model")
    assert same(tensors, TENSORS)
    assert description["network"] == "unet"
    assert "torch" in description["versions"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", [cut, empty, garble, flip, Path.unlink])
def test_a_damaged_model_is_one_clear_error(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    save_model(tmp_path, TENSORS, {})
    damage(tmp_path / name)
    with pytest.raises(InputError, match=name) as caught:
        load_model(tmp_path)
    assert "again" in str(caught.value) or "give the folder" in str(caught.value)


def test_weights_of_another_model_are_noticed(tmp_path: Path) -> None:
    save_model(tmp_path / "one", TENSORS, {})
    save_model(tmp_path / "two", {"a": torch.ones(2)}, {})
    (tmp_path / "two" / "weights.safetensors").replace(tmp_path / "one" / "weights.safetensors")
    with pytest.raises(InputError, match=r"are not those that .*model\.json describes"):
        load_model(tmp_path / "one")


@pytest.mark.parametrize("content", ["[1]", json.dumps({"format": "another"})])
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError, match="not a model of the format"):
        load_model(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        save_model(tmp_path / "file", TENSORS, {})
    with pytest.raises(InputError, match="file"):
        TrainingState(tmp_path / "file", {})


def test_the_state_of_training_comes_back_as_it_was(tmp_path: Path) -> None:
    state = TrainingState(tmp_path / "new", {"steps": 3, "modes": (1, 2)})
    assert state.load() is None
    for step in (1, 2):
        state.save(TENSORS, Counters(step=step, seconds=0.25, waited=0.125, best=0.1, stale=2))
    tensors, counters = TrainingState(tmp_path / "new", {"steps": 3, "modes": (1, 2)}).load() or ({}, None)
    assert same(tensors, TENSORS)
    assert counters == Counters(step=2, seconds=0.25, waited=0.125, best=0.1, stale=2)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["training-state.safetensors"]


def test_a_state_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    TrainingState(tmp_path, {"steps": 3, "seed": 0}).save(TENSORS, Counters())
    with pytest.raises(InputError, match=r"differs: seed, width.*delete the file to start anew"):
        TrainingState(tmp_path, {"steps": 3, "seed": 1, "width": 4}).load()


@pytest.mark.parametrize("damage", [cut, empty, garble, flip])
def test_a_damaged_state_is_one_clear_error(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    state = TrainingState(tmp_path, {})
    state.save(TENSORS, Counters())
    damage(state.path)
    with pytest.raises(InputError, match=r"training-state\.safetensors is damaged.*delete it to start"):
        state.load()
