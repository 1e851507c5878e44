"""Windows: inside their case, in any order, equal to slices, from every kind of storage."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core import InputError
from sciflow.data import Windows, from_arrays, open_dataset, write


def values(lengths):
    """1000 case + frame, on a grid of 2 x 3 for two fields."""
    return {
        name: [
            np.broadcast_to((sign * (1000 * case + np.arange(n, dtype=np.float32)))[:, None, None], (n, 2, 3)).copy()
            for case, n in enumerate(lengths)
        ]
        for name, sign in (("u", 1), ("v", -1))
    }


STORAGE = ("memory", "cached file", "mapped file", "compressed file", "float64 file")


def stored(lengths, storage, folder, **more):
    """Windows over the same frames, stored one way or another."""
    data = from_arrays(values(lengths))
    if storage != "memory":
        options = {"compressed file": {"compression": "lzf"}, "float64 file": {"dtype": "float64"}}.get(storage, {})
        data = open_dataset(write(folder / f"{storage}.h5", [data.xarray], **options))
    return Windows(data, **more, cache_bytes=2**20 if storage == "cached file" else 0)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    frames_in=st.integers(1, 3),
    frames_out=st.integers(1, 3),
    stride=st.integers(1, 3),
    step=st.integers(1, 3),
    storage=st.sampled_from(STORAGE),
    seed=st.integers(0, 5),
)
def test_every_window_is_a_slice_of_one_case(
    tmp_path_factory, lengths, frames_in, frames_out, stride, step, storage, seed
):
    span = (frames_in + frames_out - 1) * step + 1
    expected = [(case, start) for case, n in enumerate(lengths) for start in range(0, n - span + 1, stride)]
    sizes = {"frames_in": frames_in, "frames_out": frames_out, "stride": stride, "step": step}
    folder = tmp_path_factory.mktemp("windows")
    if not expected:
        with pytest.raises(InputError, match="No case has"):
            stored(lengths, storage, folder, **sizes)
        return
    windows = stored(lengths, storage, folder, **sizes)
    assert len(windows) == len(expected)
    order = np.random.default_rng(seed).permutation(len(windows))
    batch = windows.__getitems__(order.tolist())
    assert list(zip(batch["case"].tolist(), batch["start"].tolist(), strict=True)) == [expected[i] for i in order]
    first = (1000 * batch["case"] + batch["start"]).float()
    frames = first[:, None] + step * torch.arange(frames_in + frames_out)
    both = torch.cat([batch["x"], batch["y"]], dim=1)
    assert both.shape == (len(order), frames_in + frames_out, 2, 2, 3) and both.dtype == torch.float32
    assert batch["x"].shape[1] == frames_in
    assert torch.equal(both, torch.stack([frames, -frames], dim=2)[..., None, None].expand_as(both))


def test_everything_else_in_a_batch(make):
    mask = np.ones((3, 4, 5), bool)
    mask[1, 0] = False
    raw = make(
        (6, 5, 4), times=np.arange(6) * 0.5, signals={"g": np.arange(18.0).reshape(3, 6)}, mask=mask
    ).xarray.assign_coords(speed=("case", [1.0, 2.0, 4.0]))
    raw["v"].attrs["scale_coord"] = "speed"
    windows = Windows(from_arrays(raw), 2, 1, step=2)
    batch = windows.__getitems__([2, 0])  # case 1 has one window, cases 0 and 1 come first
    assert batch["case"].tolist() == [1, 0] and batch["start"].tolist() == [0, 0]
    assert batch["parameters"].tolist() == [[20.0], [10.0]]
    assert batch["signals"][..., 0].tolist() == [[6, 8, 10], [0, 2, 4]]
    assert batch["dt"].tolist() == [1, 1]
    assert batch["scale"].tolist() == [[1, 2], [1, 1]] and batch["time_scale"].tolist() == [1, 1]
    assert batch["mask"].shape == (2, 1, 4, 5)
    assert batch["mask"][0, 0, 0].sum() == 0 and batch["mask"][1].all()
    assert (batch["x"][0][..., 0, :] == 0).all()
    assert {key: value.dtype for key, value in batch.items() if value.dtype != torch.float32} == {
        "case": torch.int64,
        "start": torch.int64,
    }
    one = windows[2]
    assert one["x"].shape == (2, 2, 4, 5) and torch.equal(one["y"], batch["y"][0])


def test_dt_is_the_step_ahead():
    times = np.array([[0.0, 1.0, 3.0, 6.0, 10.0], [0.0, 0.5, 1.0, 1.5, 2.0]])
    data = from_arrays(values((5, 5)), times=times)
    for frames_in in (1, 2):
        batch = Windows(data, frames_in).__getitems__(range(2 * (5 - frames_in)))
        ahead = batch["start"].numpy() + frames_in
        assert batch["dt"].tolist() == [
            times[c, f] - times[c, f - 1] for c, f in zip(batch["case"], ahead, strict=True)
        ]


def test_several_frames_ahead_must_be_equally_spaced():
    times = np.array([[0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 1.0, 2.0, 3.0, 4.5]])
    data = from_arrays(values((5, 4)), times=times)
    assert Windows(data, 1, 2).__getitems__([0, 3])["dt"].tolist() == [0.5, 1.0]
    with pytest.raises(
        InputError, match=r"case 1 from frame 2 the time between them is 1 to 1\.5 s; use frames_out = 1"
    ):
        Windows(from_arrays(values((5, 5)), times=times), 1, 2)
    assert len(Windows(from_arrays(values((5, 5)), times=times), 4, 1)) == 2


def test_without_mask_parameters_or_signals(make):
    batch = Windows(make(parameters={})).__getitems__([0, 1, 2])
    assert batch["mask"].shape == (3, 1, 4, 5) and batch["mask"].all()
    assert batch["parameters"].shape == (3, 0) and batch["signals"].shape == (3, 2, 0)


def test_a_selection_gives_only_its_cases_and_their_index_in_the_file(make, tmp_path):
    data = make((6, 5, 4, 3), path=tmp_path / "data.h5").select([3, 1])
    for cache in (0, 2**20):
        batch = Windows(data, cache_bytes=cache).__getitems__(list(range(2 + 4)))
        assert batch["case"].tolist() == [3] * 2 + [1] * 4
        assert torch.equal(batch["x"][:, 0, 0, 0, 0], (1000 * batch["case"] + batch["start"]).float())


@pytest.mark.parametrize(
    ("grid", "periodic", "expected"),
    [
        ("nodes", (), [0, 1 / 3, 2 / 3, 1]),
        ("nodes", ("x",), [0, 0.25, 0.5, 0.75]),
        ("cells", (), [0.125, 0.375, 0.625, 0.875]),
    ],
)
def test_coordinates_run_from_0_to_1_over_the_domain(make, grid, periodic, expected):
    lows = {"nodes": np.linspace(2, 6, 4, endpoint=not periodic), "cells": 2 + np.arange(4) + 0.5}
    for given_coordinates in ({}, {"x": lows[grid]}):
        data = make(shape=(3, 4), grid=grid, periodic=periodic, coordinates=given_coordinates)
        coordinates = Windows(data).coordinates
        assert coordinates.shape == (2, 3, 4) and coordinates.dtype == torch.float32
        assert np.allclose(coordinates[1], expected)
        assert np.allclose(coordinates[1][0], coordinates[1][2]) and not np.allclose(coordinates[0], coordinates[1, :1])


def test_the_loader_is_a_function_of_seed_and_epoch(make):
    windows = Windows(make((20, 20)))

    def passes(seed, count=2, **options):
        loader = windows.loader(7, shuffle=True, seed=seed, **options)
        return [torch.cat([20 * batch["case"] + batch["start"] for batch in loader]).tolist() for _ in range(count)]

    state = torch.random.get_rng_state()
    first, second = passes(3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert sorted(first) == sorted(second) == sorted(set(first)) and len(first) == 38
    assert first != second and passes(3) == [first, second] and passes(4)[0] != first
    loader = windows.loader(7, shuffle=True, seed=3)
    loader.sampler.set_epoch(1)
    assert torch.cat([20 * batch["case"] + batch["start"] for batch in loader]).tolist() == second
    assert len(passes(3, count=1, drop_last=True)[0]) == 35
    plain = windows.loader(7, shuffle=False, seed=0)
    assert torch.cat([batch["start"] for batch in plain]).tolist() == 2 * list(range(19))


def test_two_spawned_workers_give_the_same_batches(make, tmp_path):
    windows = Windows(make((20, 11, 15), path=tmp_path / "data.h5"), 2, 1)
    windows.__getitems__([0])  # the file is open and the frames are cached before the workers start
    alone = list(windows.loader(8, shuffle=True, seed=1))
    loader = windows.loader(8, shuffle=True, seed=1, workers=2)
    together = list(loader)
    assert len(alone) == len(together)
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_pickled_copy_reads_from_the_file(make, tmp_path):
    windows = Windows(make((6, 5), path=tmp_path / "data.h5"))
    batch = windows.__getitems__([3, 1])
    assert windows.cached
    sent = pickle.dumps(windows)
    assert len(sent) < 20_000
    copy = pickle.loads(sent)
    assert not copy.cached
    assert all(torch.equal(value, batch[name]) for name, value in copy.__getitems__([3, 1]).items())


def test_frames_are_cached_only_within_the_budget(make, tmp_path):
    data = make((6, 5), path=tmp_path / "data.h5")
    size = 11 * 2 * 4 * 5 * 4
    assert Windows(data, cache_bytes=size).cached
    assert not Windows(data, cache_bytes=size - 1).cached


@pytest.mark.parametrize("name", ["frames_in", "frames_out", "stride", "step"])
def test_numbers_must_be_positive(make, name):
    with pytest.raises(InputError, match=name):
        Windows(make(), **{name: -1 if name == "frames_in" else 0})


def test_a_training_step_hardly_waits(tmp_path):
    """Batches of 16 windows of 32 x 32 x 2: less than 5 % of a step of 50 ms."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((28, 40, 32, 32), np.float32) for name in ("u", "v")}
    data = from_arrays(arrays, path=tmp_path / "data.h5")
    for cache in (0, 2**30):
        loader = Windows(data, cache_bytes=cache).loader(16, shuffle=True, seed=0)
        waits, begin = [], time.perf_counter()
        for _ in loader:
            waits.append(time.perf_counter() - begin)
            begin = time.perf_counter()
        assert np.median(waits) < 0.05 * 0.05
