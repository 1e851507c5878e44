from __future__ import annotations

import pytest
import torch

from sciflow.core import InputError
from sciflow.training.devices import choose_device, cpu_threads


def test_auto_takes_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="'cuda:2' was asked for, but there are 2; use 'cuda:0' to 'cuda:1'"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda0", "", "tpu"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be 'auto', 'cpu', 'cuda' or 'cuda:N'"):
        choose_device(name)


def test_a_missing_gpu_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds no GPU here; use device='auto'"):
        choose_device("cuda")


def test_threads_are_set_and_restored() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
    with cpu_threads(None):
        assert torch.get_num_threads() == before
