"""The layer of boundary values around a data set, against the conditions written out by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sympy import Piecewise

from sciflow.core import InputError
from sciflow.data import Windows, check_file, from_arrays, generate, open_dataset, query, write
from sciflow.data.grid import unit_coordinates
from sciflow.data.padding import pad
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    NoSlip,
    Outflow,
    Parameter,
    Problem,
    Signal,
    coordinates,
    grad,
    laplacian,
    registry,
)
from sciflow.problems.sampling import Case
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import cell_grid

ROWS, COLUMNS, FRAMES = 6, 8, 3


@cache
def channel() -> Problem:
    """A parabolic inflow that grows in time, a wall, a sliding lid, an outlet, and a disk in between."""
    t, x, y = coordinates("t x y")
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    p, c = Field("p", unit="Pa")(t, x, y), Field("c")(t, x, y)
    width, height = Parameter("width", 2.0, unit="m"), Parameter("height", 1.0, unit="m")
    gain = Parameter("gain", 0.5, unit="")
    inlet = Signal("inlet", 1 + gain * t, coefficients=(gain,), unit="m/s")(t)
    return Problem(
        name="widening channel",
        fields=[velocity, p, c],
        parameters=[width, height],
        signals=[inlet],
        domain=Box(x=(0, width), y=(0, height)) - Disk((width / 2, height / 2), height / 4),
        time=(0, 1),
        evolution={velocity: laplacian(velocity) - grad(p), c: laplacian(c)},
        boundary={
            velocity: {
                "x-": Dirichlet((inlet * 4 * y * (height - y) / height**2, 0)),
                "x+": Outflow(),
                "y-": NoSlip(),
                "y+": Dirichlet((3 * x / width, t)),
                "obstacle": NoSlip(),
            },
            p: {"x+": Dirichlet(0)},
            c: {
                "x-": Dirichlet(Piecewise((inlet, y < height / 2), (0, True))),
                "y-": Neumann(0),
                "y+": Neumann(0),
                "x+": Outflow(),
                "obstacle": Neumann(0),
            },
        },
    )


CASES = [
    Case(0, 0, {"width": 2.0, "height": 1.0}, {"gain": 0.5}),
    Case(1, 1, {"width": 4.0, "height": 0.5}, {"gain": -0.25}),
]
TIMES = np.array([[0.0, 1.0, 2.0], [0.0, 0.5, 1.0]])


@pytest.fixture
def bare() -> xr.Dataset:
    """Two cases of different domains and times, random fields; reference coordinates are rounded to 12 digits."""
    problem, draw = channel(), np.random.default_rng(0)
    shape = (2, FRAMES, ROWS, COLUMNS)
    grid = cell_grid(problem, CASES, (COLUMNS, ROWS))
    return assemble(problem, CASES, TIMES, grid, {name: draw.normal(size=shape) for name in ("u", "v", "p", "c")})


def test_the_layer_holds_the_conditions_at_the_faces(bare: xr.Dataset) -> None:
    padded = pad(bare, channel())
    assert dict(padded.sizes) == {"case": 2, "time": FRAMES, "y": ROWS + 2, "x": COLUMNS + 1}
    y = (np.arange(ROWS) + 0.5) / ROWS  # relative to the height
    x = np.concatenate([[0.0], (np.arange(COLUMNS) + 0.5) / COLUMNS])  # the corner counts as the end of the wall
    for case, gain in enumerate((0.5, -0.25)):
        inflow = 1 + gain * TIMES[case][:, None]
        np.testing.assert_allclose(padded["u"].values[case, :, 1:-1, 0], inflow * 4 * y * (1 - y), rtol=1e-10)
        assert not padded["v"].values[case, :, 1:-1, 0].any()
        assert not padded["u"].values[case, :, 0].any() and not padded["v"].values[case, :, 0].any()
        np.testing.assert_allclose(padded["u"].values[case, :, -1], np.tile(3 * x, (FRAMES, 1)), rtol=1e-10)
        np.testing.assert_allclose(padded["v"].values[case, :, -1], np.tile(TIMES[case][:, None], COLUMNS + 1))
        lower = np.where(y < 0.5, inflow, 0)  # prescribed at the inflow, copied at the walls
        np.testing.assert_allclose(padded["c"].values[case, :, 1:-1, 0], lower, rtol=1e-12)
    assert (padded["c"].values[:, :, -1] == padded["c"].values[:, :, -2]).all()
    for edge, beside in (((0, slice(1, None)), (1, slice(1, None))), ((slice(1, -1), 0), (slice(1, -1), 1))):
        assert (padded["p"].values[:, :, *edge] == padded["p"].values[:, :, *beside]).all()


def test_what_is_inside_stays_and_the_axes_go_on(bare: xr.Dataset) -> None:
    before = bare.copy(deep=True)
    padded = pad(bare, channel())
    xr.testing.assert_identical(bare, before)
    inside = padded.isel(y=slice(1, -1), x=slice(1, None)).drop_vars("known")
    xr.testing.assert_equal(inside, bare)
    known = padded["known"].values
    assert known[0].all() and known[-1].all() and known[:, 0].all() and not known[1:-1, 1:].any()
    assert padded["known"].dims == ("y", "x") and padded["known"].attrs["fields"] == "u,v"
    mask = padded["mask"].values
    assert mask[:, known].all() and not mask.all() and mask.dtype == bool
    for axis, cells in (("x", COLUMNS), ("y", ROWS)):
        assert np.diff(padded[axis]) == pytest.approx(1 / cells)
        assert (padded[axis].attrs["low"], padded[axis].attrs["high"]) == (0, 1)
        lengths = np.array([[2.0, 1.0], [4.0, 0.5]])[:, 0 if axis == "x" else 1, None]
        assert padded[f"{axis}_of_case"].values == pytest.approx(lengths * padded[axis].values)
    positions = unit_coordinates(padded)
    assert positions[1, 0, 0] == pytest.approx(-0.5 / COLUMNS) and positions[0, -1, 0] == pytest.approx(1 + 0.5 / ROWS)


def test_a_padded_data_set_is_stored_checked_and_asked(bare: xr.Dataset, tmp_path: Path) -> None:
    short = bare.assign_coords(length=("case", [3, 2]))
    short["u"][1, 2] = np.nan  # after the valid frames
    path = write(tmp_path / "padded.h5", [pad(short, channel())])
    data = open_dataset(path)
    assert check_file(path) == [] and data.shape == (ROWS + 2, COLUMNS + 1)
    assert data.has_known and data.known_fields == ["u", "v"]
    known = data.known_values()
    assert known is not None and known.shape == (1, ROWS + 2, COLUMNS + 1)
    asked = query(data, [0], 1, 1)
    assert asked.known is not None and asked.known["v"].values[0, 0, -1] == pytest.approx(1.0)
    assert asked.known["v"].values[1, 0, -1] == pytest.approx(0.5)
    assert asked.context["x_of_case"].dims == ("case", "x")
    assert Windows(data)[0]["known"][:, 0].tolist() == [[1.0] * (COLUMNS + 1)] * 2 + [[0.0] * (COLUMNS + 1)] * 2


def test_a_shared_domain_needs_no_attributes_to_stay_the_same(bare: xr.Dataset) -> None:
    one = bare.isel(case=[0]).drop_vars(["x_of_case", "y_of_case"])
    one = one.assign_coords(x=("x", 2.0 * one["x"].values), y=("y", one["y"].values))
    padded = pad(one, channel())
    assert (padded["x"].attrs["low"], padded["x"].attrs["high"]) == pytest.approx((0.0, 2.0))
    y = one["y"].values
    assert padded["u"].values[0, 1, 1:-1, 0] == pytest.approx(1.5 * 4 * y * (1 - y))


def test_a_recipe_pads_what_it_solves(tmp_path: Path) -> None:
    """A steady problem with an input field, held at 0 on all sides."""
    recipe = {"name": "padded", "problem": "poisson", "cases": 3, "resolution": [6, 8], "batch": 2, "splits": {}}
    data = generate(recipe, tmp_path / "padded.h5", overrides=["padding=true"])
    plain = generate(recipe, tmp_path / "plain.h5")
    assert data.shape == (10, 8) and data.known_fields == ["u"] and check_file(tmp_path / "padded.h5") == []
    known = data.known_values()
    assert known is not None and known[0].sum() == 10 * 8 - 8 * 6
    u = data.array("u")[:, 0, 0]
    assert (u[:, known[0]] == 0).all() and np.array_equal(u[:, 1:-1, 1:-1], plain.array("u")[:, 0, 0]) and u.any()
    assert np.array_equal(
        data.input_values()[:, 0], np.pad(plain.input_values()[:, 0], ((0, 0), (1, 1), (1, 1)), "edge")
    )


def test_what_cannot_be_padded(bare: xr.Dataset) -> None:
    with pytest.raises(InputError, match="grid of cells"):
        pad(bare.assign_attrs(grid="nodes"), channel())
    with pytest.raises(InputError, match="known cells already"):
        pad(pad(bare, channel()), channel())
    with pytest.raises(InputError, match="parameter 'width' of each case"):
        pad(bare.drop_vars("width"), channel())
    waves = from_arrays({"u": np.zeros((1, 2, 4))}, grid="cells").xarray
    with pytest.raises(InputError, match="on no side"):
        pad(waves, registry.get("burgers"))
