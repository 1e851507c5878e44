"""Starts that a number names: their size, their phases, and that equal numbers start alike."""

from __future__ import annotations

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.problems import Parameter, coordinates, numbered_waves, numeric

t, x, y = coordinates("t x y")
start = Parameter("start", 0)
length = Parameter("length", 3.0)


def line(number: float, points: int = 32, **options: float) -> np.ndarray:
    expression = numbered_waves(start, {x: length}, **options)
    symbols = sorted(expression.free_symbols, key=str)
    assert [str(symbol) for symbol in symbols] == ["length", "start", "x"]
    return np.asarray(numeric(symbols, expression)(3.0, number, 3.0 * np.arange(points) / points))


def test_spectrum() -> None:
    """Amplitudes fall as 1 / k up to the last mode, with the root mean square that is asked for and no mean."""
    values = line(7, modes=4, amplitude=2)
    assert np.sqrt(np.mean(values**2)) == pytest.approx(2, rel=1e-12)
    sizes = np.abs(np.fft.rfft(values))
    assert np.allclose(sizes[1:5] / sizes[1], [1, 1 / 2, 1 / 3, 1 / 4]) and np.allclose(sizes[[0, *range(5, 17)]], 0)


def test_phases_are_those_of_the_roots_of_primes() -> None:
    phases = np.angle(np.fft.rfft(line(11, modes=3))[1:4])
    assert np.allclose(np.exp(1j * phases), np.exp(2j * np.pi * 11 * np.sqrt([2, 3, 5])))


def test_numbers_fill_the_phases_evenly() -> None:
    """No mean over many numbers, and no correlation between phases."""
    spectra = np.array([np.fft.rfft(line(number, modes=3))[1:4] for number in range(400)])
    turns = spectra / np.abs(spectra)
    assert np.abs(turns.mean(axis=0)).max() < 0.01
    assert np.abs((turns[:, :1] * turns[:, 1:].conj()).mean(axis=0)).max() < 0.01


def test_a_plane_has_each_wave_once() -> None:
    expression = numbered_waves(5, {x: 1, y: 2}, modes=2, amplitude=3, decay=0)
    assert len(expression.args) == 6  # half of the 12 wave numbers with 0 < |k| <= 2
    mesh = np.meshgrid(np.arange(16) / 16, 2 * np.arange(16) / 16)
    values = numeric([x, y], expression)(*mesh)
    assert np.sqrt(np.mean(values**2)) == pytest.approx(3, rel=1e-12)


def test_bad_waves_are_refused() -> None:
    with pytest.raises(InputError, match="modes of at least 1, not 0"):
        numbered_waves(start, {x: 1}, modes=0)
    with pytest.raises(InputError, match="needs a period"):
        numbered_waves(start, {})
