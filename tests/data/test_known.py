"""Cells that hold boundary data: stored, checked, selected, and given to methods without anything else of the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sciflow.core import InputError
from sciflow.data import Dataset, Windows, check_file, from_arrays, open_dataset, query, truth, write

EDGE = np.zeros((4, 5), bool)
EDGE[:, 0] = EDGE[0] = True
OWN = np.stack([EDGE, EDGE[::-1], np.roll(EDGE, 2, 1)])


@pytest.mark.parametrize("known", [EDGE, OWN])
@pytest.mark.parametrize("stored", [False, True])
def test_known_cells_come_along_with_the_cases(
    make: Callable[..., Dataset], tmp_path: Path, known: np.ndarray, stored: bool
) -> None:
    data = make(known=known, **({"path": tmp_path / "known.h5"} if stored else {}))
    assert data.has_known and data.known_fields == ["u", "v"]
    part = data.select([2, 0]).with_split({"train": [2], "test": [0]}, "one").split("one")["test"]
    expected = known[[0]] if known.ndim == 3 else known[None]
    found = part.known_values()
    assert data.xarray["known"].dtype == bool
    assert found is not None and found.dtype == bool and np.array_equal(found, expected)
    if stored:
        assert check_file(tmp_path / "known.h5") == []
        again = open_dataset(write(tmp_path / "again.h5", [data.xarray.load()]))
        assert again.digest == data.digest
    assert data.digest != make().digest != make(known=~known).digest
    plain = make()
    assert not plain.has_known and plain.known_values() is None and plain.known_fields == []
    assert query(plain, [0], 1, 1).known is None


def test_a_query_holds_the_truth_in_known_cells_and_nowhere_else(make: Callable[..., Dataset]) -> None:
    data = make((7, 9, 8), known=OWN).select([2, 0])
    asked = query(data, [0, 3], 1, 2, step=1)
    real, given = truth(data, [0, 3], 1, 2), asked.known
    cells = np.repeat(OWN[[2, 0]], 2, axis=0)
    assert given is not None and np.array_equal(asked.context["known"].values, cells)
    for name in ("u", "v"):
        inside = np.broadcast_to(cells[:, None], real[name].shape)
        assert given[name].dims == real[name].dims
        assert np.array_equal(given[name].values[inside], real[name].values[inside])
        assert np.isnan(given[name].values[~inside]).all()
    # Other values of the truth change nothing that a method can see.
    arrays = {name: data.array(name)[:, :, 0].copy() for name in ("u", "v")}
    for values in arrays.values():
        values[:, 1:] = np.where(OWN[[2, 0]][:, None], values[:, 1:], -99.0)
    other = from_arrays(
        {name: [v[:length] for v, length in zip(values, data.lengths, strict=True)] for name, values in arrays.items()},
        known=OWN[[2, 0]],
        parameters={"Re": data.parameter_values()[:, 0]},
    )
    same = query(other, [0], 1, 2)
    for mine, theirs in ((asked.context.isel(case=[0, 2]), same.context), (given.isel(case=[0, 2]), same.known)):
        for name in mine.data_vars:
            assert np.array_equal(mine[name].values, theirs[name].values, equal_nan=mine[name].dtype != bool), name


def test_fields_that_are_not_known_there(make: Callable[..., Dataset]) -> None:
    raw = make(known=EDGE).xarray.copy()
    raw["known"] = raw["known"].assign_attrs(fields="v")
    data = from_arrays(raw)
    assert data.known_fields == ["v"]
    given = query(data, [1], 1, 2).known
    assert given is not None and np.isnan(given["u"].values).all()
    assert np.array_equal(np.isfinite(given["v"].values), np.broadcast_to(EDGE, (3, 2, 4, 5)))
    batch = Windows(data)[[0, 7]]
    assert not batch["known"][:, 0].any() and np.array_equal(batch["known"][1, 1].numpy(), EDGE.astype(np.float32))
    assert data.digest != make(known=EDGE).digest


@pytest.mark.parametrize("known", [None, EDGE, OWN])
def test_windows_say_which_values_are_known(make: Callable[..., Dataset], known: np.ndarray | None) -> None:
    windows = Windows(make(known=known), 2, 1)
    batch = windows[[5, 0, 4]]  # cases 1, 0, 1
    assert batch["known"].shape == (3, 2, 4, 5) and batch["known"].dtype == batch["x"].dtype
    cells = np.zeros((3, 4, 5)) if known is None else np.broadcast_to(known, (3, 4, 5))
    for channel in (0, 1):
        assert np.array_equal(batch["known"][:, channel].numpy(), cells[[1, 0, 1]])
    assert (batch["mask"] == 1).all() and (batch["x"][:, 1:, 0, 0, 0] >= 0).all()


def test_known_cells_that_cannot_be_used(make: Callable[..., Dataset]) -> None:
    with pytest.raises(InputError, match="known has the shape"):
        make(known=EDGE[:3])
    with pytest.raises(InputError, match="without any cell to forecast"):
        make(known=np.stack([EDGE, EDGE, np.ones_like(EDGE)]))
    with pytest.raises(InputError, match="without any cell to forecast"):
        make(known=EDGE, mask=EDGE)
    for change, message in (
        ({"fields": "u,w"}, "names 'w', which is no field"),
        ({"role": "field"}, "has the dimensions"),
    ):
        raw = make(known=EDGE).xarray.copy()
        raw["known"] = raw["known"].assign_attrs(change)
        with pytest.raises(InputError, match=message):
            from_arrays(raw)
    raw = make(known=EDGE).xarray.rename(known="walls")
    with pytest.raises(InputError, match="'known' is called 'walls'"):
        from_arrays(raw)
    raw = make(known=EDGE).xarray.copy()
    raw["known"] = raw["known"].astype(np.int64)
    with pytest.raises(InputError, match="holds int64; expected booleans"):
        from_arrays(raw)
    asked = query(make(known=EDGE), [0], 1, 2)
    with pytest.raises(InputError, match="lack the field 'v'"):
        replace(asked, known=asked.known.drop_vars("v"))
    with pytest.raises(InputError, match="have the sizes"):
        replace(asked, known=asked.known.isel(time=[0]))
