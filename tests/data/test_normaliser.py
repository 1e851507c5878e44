"""The normaliser: statistics of the training cases, maps that invert, names in JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core import InputError
from sciflow.data import Normaliser, Windows, from_arrays
from sciflow.data.moments import Moments


def random_data(seed=0, lengths=(7, 5, 9), offset=3.0, **more):
    rng = np.random.default_rng(seed)
    arrays = {
        "u": [offset + 2 * rng.standard_normal((n, 4, 5)) for n in lengths],
        "v": [1e-3 * rng.standard_normal((n, 4, 5)) for n in lengths],
    }
    more.setdefault("parameters", {"Re": 10.0 ** rng.uniform(1, 3, len(lengths)), "side": np.arange(len(lengths))})
    return from_arrays(arrays, **more)


@settings(deadline=None)
@given(
    blocks=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=6),
    offset=st.floats(-1e4, 1e4),
    seed=st.integers(0, 100),
)
def test_streaming_moments_are_those_of_numpy(blocks, offset, seed):
    rng = np.random.default_rng(seed)
    parts = [offset + rng.standard_normal((frames, 3, cells)) for frames, cells in blocks]
    moments = Moments(3)
    for part in parts:
        moments.add(part)
    values = np.concatenate([part.transpose(1, 0, 2).reshape(3, -1) for part in parts], axis=1)
    assert moments.count == values.shape[1]
    if moments.count:
        assert np.allclose(moments.mean, values.mean(axis=1), rtol=1e-12, atol=1e-12)
        assert np.allclose(moments.std, values.std(axis=1), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("block_bytes", [1, 10 * 8 * 40, 2**25])
def test_statistics_of_valid_fluid_values_in_the_scales_of_each_case(monkeypatch, step, block_bytes):
    monkeypatch.setattr("sciflow.data.reader.Dataset.blocks.__kwdefaults__", {"overlap": 0, "block_bytes": block_bytes})
    mask = np.ones((3, 4, 5), bool)
    mask[1, :2] = False
    raw = random_data(mask=mask).xarray.assign_coords(speed=("case", [1.0, 2.0, 4.0]))
    raw["u"].attrs["scale_coord"] = "speed"
    data = from_arrays(raw)
    fitted = Normaliser.fit(data, step=step)
    frames = [data.array(cases=[c])[0, :n].astype(np.float64) for c, n in enumerate(data.lengths)]
    scaled = [part / np.array([scale, 1])[:, None, None] for part, scale in zip(frames, (1, 2, 4), strict=True)]
    states = [part[:, channel][:, mask[c]].ravel() for channel in (0, 1) for c, part in enumerate(scaled)]
    moves = [
        (part[step:] - part[:-step])[:, channel][:, mask[c]].ravel()
        for channel in (0, 1)
        for c, part in enumerate(scaled)
    ]
    for channel in (0, 1):
        values = np.concatenate(states[3 * channel : 3 * channel + 3])
        assert np.isclose(fitted.mean[channel], values.mean(), rtol=1e-6, atol=1e-9)
        assert np.isclose(fitted.std[channel], values.std(), rtol=1e-6)
        moved = np.concatenate(moves[3 * channel : 3 * channel + 3])
        assert np.isclose(fitted.std_increment[channel], np.sqrt(np.mean(moved**2)), rtol=1e-6)


def test_only_the_training_cases_count():
    data = random_data().with_split({"train": [0, 2], "test": [1]})
    other = data.xarray.copy(deep=True)
    other["u"][1] += 100
    other["Re"][1] = 1e6
    changed = from_arrays(other)
    for name, value in Normaliser.fit(data.train).state_dict().items():
        assert torch.equal(value, Normaliser.fit(changed.train).state_dict()[name])
    assert not torch.equal(Normaliser.fit(data).mean, Normaliser.fit(changed).mean)


@settings(deadline=None)
@given(seed=st.integers(0, 50), offset=st.floats(-100, 100))
def test_decoding_inverts_encoding(seed, offset):
    data = random_data(seed, offset=offset)
    fitted = Normaliser.fit(data)
    batch = Windows(data, 2, 1).__getitems__([0, 3, 5])
    scale = torch.rand(3, 2) + 0.5
    x, d = batch["x"], batch["x"].diff(dim=1)
    assert torch.allclose(fitted.decode(fitted.encode(x, scale), scale), x, rtol=1e-5, atol=1e-5 * float(x.abs().max()))
    assert torch.allclose(fitted.decode_increment(fitted.encode_increment(d, scale), scale), d, rtol=1e-5)


def test_encoded_training_data_is_standard():
    data = random_data()
    fitted = Normaliser.fit(data)
    frames = np.concatenate([data.array(cases=[c])[0, :n] for c, n in enumerate(data.lengths)])
    z = fitted.encode(torch.from_numpy(frames)[None], torch.ones(1, 2))[0]
    assert torch.allclose(z.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(z.std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-5)


def test_parameters_signals_and_time():
    signals = {"g": np.tile(np.arange(9.0), (3, 1)), "constant": np.full(9, 0.1)}
    raw = random_data(parameters={"Re": [10, 100, 1000], "side": 0.3}, times=0.5 * np.arange(9), signals=signals).xarray
    raw["Re"].attrs["scale"] = "log"
    raw = raw.assign_coords(turn=("case", [1.0, 2.0, 1.0]))
    raw.attrs["time_scale_coord"] = "turn"
    data = from_arrays(raw)
    fitted = Normaliser.fit(data)
    batch = Windows(data).__getitems__(list(range(len(Windows(data)))))
    parameters = fitted.parameters(torch.from_numpy(data.parameter_values()).float())
    assert torch.allclose(parameters[:, 0], torch.tensor([-1.0, 0.0, 1.0]) * 1.5**0.5, atol=1e-6)
    assert (parameters[:, 1] == 0).all()
    assert torch.isfinite(fitted.parameters(torch.zeros(1, 2))).all()
    coded = fitted.signals(batch["signals"])
    values = np.concatenate([np.arange(n) for n in data.lengths])
    expected = (batch["signals"][..., 0] - values.mean()) / values.std()
    assert torch.allclose(coded[..., 0], expected.float(), atol=1e-6) and (coded[..., 1] == 0).all()
    spacing = np.repeat([0.5, 0.25, 0.5], data.lengths - 1)
    wanted = np.array([0.5, 0.25, 0.5]) / spacing.mean()
    assert np.allclose(fitted.time(torch.full((3,), 0.5), torch.tensor([1.0, 2.0, 1.0])), wanted)
    assert np.allclose(Normaliser.fit(data, step=2).time_mean, np.repeat([1.0, 0.5, 1.0], data.lengths - 2).mean())


def test_fields_that_never_change_stay_finite():
    data = from_arrays({"u": np.full((2, 3, 4), 0.1)})
    fitted = Normaliser.fit(data)
    x = torch.full((1, 2, 1, 4), 0.1)
    assert torch.allclose(fitted.encode(x, torch.ones(1, 1)), torch.zeros(1))
    assert torch.isfinite(fitted.encode_increment(x.diff(dim=1), torch.ones(1, 1))).all()
    assert fitted.parameters(torch.zeros(3, 0)).shape == (3, 0)
    assert fitted.signals(torch.zeros(3, 2, 0)).shape == (3, 2, 0)


def test_a_field_that_grows_alike_everywhere_moves():
    noise = np.random.default_rng(0).standard_normal((2, 1, 4, 5))
    warm = 300 + noise + 3.3 * np.arange(6)[None, :, None, None]
    for values in (warm, warm.astype(np.float32)):
        data = from_arrays({"T": values})
        fitted = Normaliser.fit(data)
        assert np.isclose(fitted.std_increment[0], 3.3, rtol=1e-4)
        batch = Windows(data).__getitems__([0, 4])
        steps = fitted.encode_increment(batch["y"] - batch["x"], batch["scale"])
        assert torch.allclose(steps, torch.ones(1), atol=1e-3)


def test_round_off_of_the_state_is_no_movement():
    held = np.float32(300) + np.random.default_rng(0).standard_normal((2, 1, 4, 5)).astype(np.float32)
    jitter = np.where(np.arange(6)[:, None, None] % 2, np.spacing(np.float32(300)) / 4, 0)
    assert Normaliser.fit(from_arrays({"T": held.astype(np.float64) + jitter})).std_increment[0] == 1
    slow = held + 1e-3 * np.arange(6, dtype=np.float64)[:, None, None]
    assert np.isclose(Normaliser.fit(from_arrays({"T": slow})).std_increment[0], 1e-3)


def test_names_are_json_and_numbers_are_in_the_state_dict():
    fitted = Normaliser.fit(random_data(signals={"g": np.arange(9.0)}))
    again = Normaliser.from_config(json.loads(json.dumps(fitted.config())))
    again.load_state_dict(fitted.state_dict())
    x, scale = torch.rand(2, 1, 2, 4, 5), torch.ones(2, 2)
    assert torch.equal(fitted.encode(x, scale), again.encode(x, scale))
    assert torch.equal(fitted.parameters(x[:, 0, 0, 0, :2]), again.parameters(x[:, 0, 0, 0, :2]))
    assert all(buffer.dtype == torch.float32 for buffer in again.state_dict().values())


def test_as_part_of_a_network_it_has_nothing_to_train():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), Normaliser.fit(random_data()))
    assert len(list(network.parameters())) == 2
    assert list(network[1].parameters()) == [] and list(network[1].parameters(recurse=False)) == []


def test_cases_that_are_too_short():
    with pytest.raises(InputError, match="at least 10 frames"):
        Normaliser.fit(random_data(), step=9)
