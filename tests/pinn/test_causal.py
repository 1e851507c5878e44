from __future__ import annotations

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.pinn.causal import causal_weights


def test_causal_weights_by_hand() -> None:
    times = np.array([0.9, 0.1, 2.0, 0.2, 1.6, 1.2])  # chunks of 0.5 from 0 to 2: 1, 0, 3, 0, 3, 2
    squares = np.array([0.5, 1.0, 7.0, 3.0, 9.0, 0.25])  # chunk means: 2, 0.5, 0.25, 8, and 2.6875 of these
    expected = np.exp(-0.1 * np.array([2.0, 0.0, 2.75, 0.0, 2.75, 2.5]) / 2.6875)
    np.testing.assert_allclose(causal_weights(times, squares, (0.0, 2.0), 4, 0.1), expected, rtol=1e-14)
    np.testing.assert_allclose(causal_weights(times, 1e6 * squares, (0.0, 2.0), 4, 0.1), expected, rtol=1e-14)
    np.testing.assert_array_equal(causal_weights(times, squares, (0.0, 2.0), 4, 0.0), 1)
    np.testing.assert_array_equal(causal_weights(times, squares, (0.0, 2.0), 1, 5.0), 1)


def test_causal_weights_pass_over_empty_chunks_and_take_in_points_outside() -> None:
    found = causal_weights(np.array([-1.0, 5.0]), np.array([2.0, 1.0]), (0.0, 1.0), 8, 1.0)
    np.testing.assert_allclose(found, [1.0, np.exp(-2.0 / (3 / 8))])


def test_bad_causal_weights() -> None:
    two = np.ones(2)
    with pytest.raises(InputError, match="each point"):
        causal_weights(two, np.ones(3), (0.0, 1.0))
    for interval, chunks, tolerance in (((1.0, 1.0), 4, 1.0), ((0.0, 1.0), 0, 1.0), ((0.0, 1.0), 4, -1.0)):
        with pytest.raises(InputError, match="at least one chunk"):
            causal_weights(two, two, interval, chunks, tolerance)
