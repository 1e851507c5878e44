from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sciflow.training.sampler import batch_indices, epoch_order

SEEDS = st.integers(0, 10**6)


@given(seed=SEEDS, windows=st.integers(1, 40), batch=st.integers(1, 50), epochs=st.integers(1, 3))
def test_every_epoch_is_a_permutation_and_every_batch_full(seed: int, windows: int, batch: int, epochs: int) -> None:
    steps = -(-windows * epochs // batch)
    batches = [batch_indices(seed, step, windows, batch) for step in range(steps)]
    assert {len(item) for item in batches} == {batch}
    visited = np.concatenate(batches)[: windows * epochs].reshape(epochs, windows)
    for epoch in visited:
        assert sorted(epoch) == list(range(windows))


@given(seed=SEEDS, step=st.integers(0, 1000))
def test_a_batch_depends_on_seed_and_step_alone(seed: int, step: int) -> None:
    before = batch_indices(seed, step, 37, 5)
    epoch_order.cache_clear()
    batch_indices(seed + 1, step + 3, 37, 5)
    assert batch_indices(seed, step, 37, 5) == before


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [tuple(epoch_order(seed, epoch, 50)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
