from __future__ import annotations

import numpy as np
import pytest

from sciflow.pinn.mapping import labels_on_a_line, labels_on_a_plane

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("steep", "drift"), [(0.0, 0.3), (0.9, 12.7), (0.999, -40.0)])
def test_labels_on_a_line_are_the_inverse_of_the_paths(steep: float, drift: float) -> None:
    labels = RNG.uniform(0, 2 * np.pi, 500)

    def places(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x + drift - steep * np.sin(x), (1 - steep * np.cos(x))[None]

    wanted = np.mod(places(labels[None])[0][0], 2 * np.pi)  # a place is known up to whole periods
    found = labels_on_a_line(places, wanted, 0, 2 * np.pi)
    # Where the slope is 1 - steep, rounding in the place is that much larger in the label.
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * labels), atol=1e-13 / (1 - steep))


def test_labels_on_a_plane_are_the_inverse_of_the_paths() -> None:
    labels = RNG.uniform(0, 1, (2, 300))

    def places(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = 2 * np.pi * x
        moved = np.stack([x[0] + 3.3 + 0.08 * np.sin(b), x[1] - 0.7 + 0.08 * np.sin(a)])
        jacobian = np.stack(
            [
                np.stack([np.ones_like(a), 0.16 * np.pi * np.cos(b)]),
                np.stack([0.16 * np.pi * np.cos(a), np.ones_like(a)]),
            ]
        )
        return moved, jacobian

    found = labels_on_a_plane(places, np.mod(places(labels)[0], 1), np.zeros(2), np.ones(2))
    np.testing.assert_allclose(np.exp(2j * np.pi * found), np.exp(2j * np.pi * labels), atol=1e-11)
