"""The steady lid-driven cavity against published results and its own equations."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import CubicSpline

from sciflow.core.errors import InputError
from sciflow.problems import get
from sciflow.solvers import build, choose, simulate

CELLS = 65  # odd, so that the middle cells lie on the centre lines


@cache
def solution() -> xr.Dataset:
    """Re 100 on 32 x 32 stretched cells."""
    return simulate("cavity-steady", resolution=CELLS, mu=1e-2, options={"solve_resolution": 32})


def test_centre_lines_at_re_100_against_ghia() -> None:
    """Bars as for the march in time on 64 cells (Tables I and II); four times the cells move the lines by 0.002."""
    data = solution()
    nodes = np.concatenate([[0.0], data.x.values, [1.0]])
    middle = CELLS // 2
    lines = {
        "u": CubicSpline(nodes, [0.0, *data.u.values[0, 0, :, middle], 1.0]),
        "v": CubicSpline(nodes, [0.0, *data.v.values[0, 0, middle], 0.0]),
    }
    with Path(__file__).with_name("ghia1982_cavity.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    largest = {"u": 0.0, "v": 0.0}
    for row in rows:
        error = abs(float(lines[row["line"]](float(row["position"]))) - float(row["re100"]))
        largest[row["line"]] = max(largest[row["line"]], error)
    assert largest["u"] < 0.007 and largest["v"] < 0.010


def test_frame_and_labels() -> None:
    data, problem = solution(), get("cavity-steady")
    assert data.time.values.tolist() == [0.0] and data.u.dims == ("case", "time", "y", "x")
    assert data.attrs["problem_hash"] == problem.hash and data.attrs["grid"] == "cells"
    assert abs(float(data.p.mean())) < 1e-12
    assert choose(problem) == ("incompressible-steady", {"convection": "quick", "stretch": 1.6})


def test_cases_of_a_list_keep_its_name() -> None:
    data = simulate("cavity-steady", resolution=9, subset="ghia", cases=1, options={"solve_resolution": 8})
    assert data["subset"].attrs["flag_meanings"].split()[int(data["subset"][0])] == "ghia"


def test_equations_hold_in_the_middle() -> None:
    """Central differences of the stored cells: second order in 1 / 65, so within a fiftieth of the largest term."""
    data, h = solution(), 1 / CELLS
    u, v, p = (data[name].values[0, 0] for name in ("u", "v", "p"))

    def slope(field: np.ndarray, axis: int) -> np.ndarray:
        return np.gradient(field, h, axis=axis)

    inner = (slice(16, -16), slice(16, -16))
    bend = slope(slope(u, 0), 0) + slope(slope(u, 1), 1)
    terms = [u * slope(u, 1), v * slope(u, 0), slope(p, 1), -1e-2 * bend]
    size = max(float(np.abs(term[inner]).max()) for term in terms)
    assert np.abs(sum(terms)[inner]).max() < 0.02 * size
    assert np.abs((slope(u, 1) + slope(v, 0))[inner]).max() < 0.01 * np.abs(slope(u, 0)[inner]).max()


def test_flows_in_time_and_further_frames_are_refused() -> None:
    with pytest.raises(InputError, match="does not fit problem 'cavity': it takes steady problems"):
        build("cavity", 16, solver="incompressible-steady")
    with pytest.raises(InputError, match="is steady: ask for one time"):
        simulate("cavity-steady", resolution=16, times=[0.0, 1.0])
    with pytest.raises(InputError, match="rate is 0"):
        build("cavity-steady", 16, rate=0)
