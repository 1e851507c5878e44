from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sciflow.core import InputError
from sciflow.data import Dataset, Windows
from sciflow.training.batches import read_batch
from sciflow.training.checkpoint import TrainingState
from sciflow.training.loop import Loop, validation_error
from sciflow.training.progress import Record

MakeLoop = Callable[..., Loop]


class Interrupted(Exception):
    """Raised by a listener to end a run."""


def run(loop: Loop, state: TrainingState | None = None, stop: int | None = None) -> list[Record]:
    """Train, perhaps only until the first record at step ``stop`` or later; the records."""
    records: list[Record] = []

    def listen(record: Record, /) -> None:
        records.append(record)
        if stop is not None and record.step >= stop:
            raise Interrupted

    if stop is None:
        loop.run(on_step=listen, state=state, state_seconds=0)
    else:
        with pytest.raises(Interrupted):
            loop.run(on_step=listen, state=state, state_seconds=0)
    return records


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert set(one) == set(other)
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_one_batch_can_be_over_fitted(make_loop: MakeLoop, train: Dataset) -> None:
    single = Windows(train.select([0]), stride=2)
    loop = make_loop(windows=single, batch_size=len(single), steps=400, learning_rate=1e-2, ema=0.9, checked=False)
    records = run(loop)
    assert records[0].loss > 0.1
    assert records[-1].loss < 1e-2 * records[0].loss


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(make_loop: MakeLoop) -> None:
    results = []
    for seed in (1, 1, 2):
        loop = make_loop(steps=12, seed=seed, dropout=0.2)
        run(loop)
        results.append(loop.result())
        torch.rand(3)  # what happens outside must not matter
    assert distance(results[0], results[1]) == 0
    assert distance(results[0], results[2]) > 1e-4


@pytest.mark.parametrize(
    "more",
    [
        {"patience": None},
        {"patience": 2},
        {"unroll": 3, "unroll_from": 0.4},
        {"unroll": 2, "pushforward": True, "loss": "relative"},
    ],
)
def test_an_interrupted_run_continues_exactly(make_loop: MakeLoop, tmp_path: Path, more: dict[str, Any]) -> None:
    settings = {"steps": 40, "dropout": 0.2, "validate_every": 5, "learning_rate": 1e-2, **more}
    whole = make_loop(**settings)
    expected = run(whole)
    state = TrainingState(tmp_path, {})
    run(make_loop(**settings), state, stop=10)
    run_on = make_loop(**settings)
    run_on.resume(state)
    assert 0 < run_on.counters.step <= 10
    records = run(run_on, state)
    assert distance(run_on.result(), whole.result()) == 0
    assert records[-1].loss == expected[-1].loss
    assert records[-1].valid == expected[-1].valid
    again = make_loop(**settings)
    again.resume(state)
    assert again.finished
    assert distance(again.result(), whole.result()) == 0


def test_calls_of_a_window_by_step(make_loop: MakeLoop, valid: Dataset) -> None:
    """One call in the first half of the steps, three in the second; validation always unrolls all three."""
    loop = make_loop(steps=10, unroll=3, unroll_from=0.5)
    records = run(loop)
    assert int(loop._plain.network.calls) == 5 * 1 + 5 * 3
    checks = Windows(valid, 1, 3)
    batch = read_batch(checks, list(range(len(checks))), torch.device("cpu"))
    assert records[-1].valid == pytest.approx(float(loop._averaged(batch).detach().mean()), rel=1e-5)


def test_moments_are_restored_in_the_layout_of_the_weights(make_loop: MakeLoop, tmp_path: Path) -> None:
    def transposed() -> Loop:
        loop = make_loop(steps=20)
        weight = loop.average.network.lift.weight
        for network in (loop.average.network, loop._plain.network):
            network.lift.weight.data = network.lift.weight.data.transpose(0, 2).contiguous().transpose(0, 2)
        assert weight.stride() != weight.contiguous().stride()
        return loop

    whole, state = transposed(), TrainingState(tmp_path, {})
    run(whole)
    run(transposed(), state, stop=10)
    run_on = transposed()
    run_on.resume(state)
    run(run_on)
    assert distance(run_on.result(), whole.result()) == 0


def test_records_tell_the_course_of_a_run(make_loop: MakeLoop) -> None:
    records = run(make_loop(steps=25, validate_every=8))
    assert [record.step for record in records] == [8, 10, 16, 20, 24, 25]
    assert [record.step for record in records if record.valid is not None] == [8, 16, 24, 25]
    assert records[-1].remaining == 0
    assert all(earlier.seconds < later.seconds for earlier, later in pairwise(records))
    for record in records:
        assert all(value is None or math.isfinite(value) for value in asdict(record).values())
        assert record.gradient_norm is not None
    assert records[0].remaining == pytest.approx(records[0].seconds / 8 * 17)


def test_averaged_weights_are_what_is_validated_and_kept(make_loop: MakeLoop, valid: Dataset) -> None:
    loop = make_loop(steps=20, ema=0.9)
    records = run(loop)
    model = loop._averaged
    assert distance(loop.result(), dict(model.network.state_dict())) == 0
    assert distance(loop.result(), dict(loop._plain.network.state_dict())) > 1e-4
    batch = read_batch(Windows(valid), list(range(len(Windows(valid)))), torch.device("cpu"))
    assert records[-1].valid == pytest.approx(float(model(batch).mean()), rel=1e-5)
    assert validation_error(model, Windows(valid), 3, torch.device("cpu")) == pytest.approx(records[-1].valid, rel=1e-5)


def test_early_stopping_keeps_the_best_weights(make_loop: MakeLoop, valid: Dataset) -> None:
    # A rate far too high: the error soon rises.
    loop = make_loop(steps=400, learning_rate=0.3, warmup=1.0, validate_every=2, patience=3, ema=0.0, clip=None)
    records = run(loop)
    errors = [record.valid for record in records if record.valid is not None]
    assert loop.counters.step < 400
    assert loop.finished
    assert len(errors) == errors.index(min(errors)) + 1 + 3
    assert min(errors[-3:]) >= min(errors)
    loop.average.network.load_state_dict(loop.result())
    assert validation_error(loop._averaged, Windows(valid), 16, torch.device("cpu")) == pytest.approx(min(errors))


def test_early_stopping_needs_validation_cases(make_loop: MakeLoop) -> None:
    with pytest.raises(InputError, match=r"Early stopping \(patience\) needs validation cases"):
        make_loop(patience=2, checked=False)


def test_gradients_are_clipped_to_the_norm(make_loop: MakeLoop) -> None:
    loop = make_loop(steps=10, clip=1e-3)
    norm = run(loop)[0].gradient_norm
    assert norm is not None
    assert norm > 1e-3  # as it was before
    gradients = [weight.grad for weight in loop._plain.network.parameters() if weight.grad is not None]
    assert float(torch.stack([gradient.norm() for gradient in gradients]).norm()) == pytest.approx(1e-3, rel=1e-3)
    assert run(make_loop(steps=10, clip=None))[0].gradient_norm is None


def test_mixed_precision_trains_as_well(make_loop: MakeLoop) -> None:
    exact, mixed = (run(make_loop(steps=60, precision=name))[-1] for name in ("32-true", "bf16-mixed"))
    assert exact.valid is not None
    assert mixed.valid != exact.valid
    assert mixed.valid == pytest.approx(exact.valid, rel=0.1)


def test_nan_in_a_window_names_the_case(make_loop: MakeLoop, train: Dataset) -> None:
    windows = Windows(train.select([3, 5]))
    whole = windows.__getitems__

    def broken(indices: list[int]) -> dict[str, Tensor]:
        batch = whole(indices)
        batch["y"][batch["case"] == 5] = math.nan
        return batch

    windows.__getitems__ = broken  # type: ignore[method-assign]
    with pytest.raises(InputError, match="NaN or infinity in a field of case 5 near frame"):
        run(make_loop(windows=windows, steps=20))


def test_divergence_is_an_error_and_is_never_stored(make_loop: MakeLoop, tmp_path: Path) -> None:
    state = TrainingState(tmp_path, {})
    with pytest.raises(InputError, match=r"became NaN or infinite near step \d+; lower learning_rate \(1e\+15\)"):
        run(make_loop(steps=100, learning_rate=1e15, clip=None, warmup=0), state)
    stored = state.load()
    assert stored is not None
    assert all(torch.isfinite(tensor).all() for name, tensor in stored[0].items() if name.startswith("network."))


def test_waiting_for_data_is_measured(make_loop: MakeLoop) -> None:
    loop = make_loop(steps=10)
    run(loop)
    assert 0 < loop.counters.waited < loop.counters.seconds


def test_records_are_plain_and_can_be_changed_only_by_copying() -> None:
    record = Record(1, 0.5, 1e-3, None, None, 2.0, 3.0)
    assert replace(record, step=2).step == 2
    with pytest.raises(AttributeError):
        record.step = 2  # type: ignore[misc]
