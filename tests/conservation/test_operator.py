"""The linear operator of declared laws and its right-hand side."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciflow import problems
from sciflow.conservation import conserve, constraints
from sciflow.conservation.closed import is_closed
from sciflow.conservation.inflow import added
from sciflow.conservation.laws import named
from sciflow.core.errors import InputError
from sciflow.core.method import Forecast, Query
from sciflow.data.padding import pad
from sciflow.data.volume import axis_weights, cell_volume, fluid_volume
from sciflow.problems.registry import names

TIMES = np.array([[0.1, 0.2], [0.3, 0.5]])


def integral(context: xr.Dataset, density: np.ndarray) -> np.ndarray:
    """Sum of trapezoidal weights times a density (..., y, x), by an independent double loop over axes."""
    inner = np.trapezoid(density, context["x"].values, axis=-1)
    return np.trapezoid(inner, context["y"].values, axis=-1)


def test_rows_are_integrals_of_densities_with_coefficients(small: SimpleNamespace) -> None:
    context, problem = small.plane_context(), small.plane_problem()
    constraint = constraints(problem, context, TIMES, laws=["mass", "moment"], total=np.zeros((2, 2, 2)))
    assert constraint.matrix.shape == (2, 1, 2, 70) and constraint.target.shape == (2, 2, 2)
    u, v = (context[name].values[:, 0] for name in "uv")
    state = np.concatenate([u.reshape(2, -1), v.reshape(2, -1)], axis=1)[:, None]
    sums = (constraint.matrix @ state[..., None])[:, 0, :, 0]
    c, x = context["c"].values[:, None, None], context["x"].values
    np.testing.assert_allclose(sums[:, 0], integral(context, u), rtol=1e-12)
    np.testing.assert_allclose(sums[:, 1], integral(context, c * x * u + 3 * v), rtol=1e-12)
    # The part of the density without fields, y, moves to the right-hand side.
    offset = integral(context, np.broadcast_to(context["y"].values[:, None], (7, 5)))
    np.testing.assert_allclose(constraint.target[..., 1], -offset, rtol=1e-12)


def test_initial_total_is_the_integral_of_the_last_start_frame(small: SimpleNamespace) -> None:
    context, problem = small.plane_context(frames=3), small.plane_problem()
    constraint = constraints(problem, context, TIMES, laws=["mass"])
    expected = integral(context, context["u"].values[:, -1])
    np.testing.assert_allclose(constraint.target[..., 0], np.tile(expected[:, None], 2), rtol=1e-12)
    moment = constraints(problem, context, TIMES, laws=["moment"], total="initial")
    state = np.concatenate([context[name].values[:, -1].reshape(2, -1) for name in "uv"], axis=1)
    np.testing.assert_allclose(moment.residual(state[:, None]), 0, atol=1e-12)


@given(
    sizes=st.lists(st.integers(2, 6), min_size=1, max_size=3),
    grid=st.sampled_from(["nodes", "cells"]),
    periodic=st.lists(st.booleans(), min_size=3, max_size=3),
    seed=st.integers(0, 999),
)
def test_weights_add_up_to_the_fluid_volume(sizes: list[int], grid: str, periodic: list[bool], seed: int) -> None:
    """On uniform grids of one to three dimensions, with masks and cut cells, the integral of 1 is the volume."""
    rng = np.random.default_rng(seed)
    axes = ("z", "y", "x")[-len(sizes) :]
    wrapped = [axis for axis, flag in zip(axes, periodic, strict=False) if flag]
    coords, length = {}, 1.0
    for axis, size in zip(axes, sizes, strict=True):
        spacing = rng.uniform(0.1, 2)
        coords[axis] = spacing * (np.arange(size) + (0.5 if grid == "cells" else 0.0))
        length *= spacing * (size - 1 if grid == "nodes" and axis not in wrapped else size)
    data = xr.Dataset({}, coords, {"grid": grid, "periodic": ",".join(wrapped)})
    assert cell_volume(data).sum() == pytest.approx(length, rel=1e-12)
    mask, part = rng.random(sizes) < 0.7, rng.random(sizes)
    data = data.assign(mask=(axes, mask), volume_fraction=(axes, part), known=(axes, rng.random(sizes) < 0.2))
    np.testing.assert_allclose(
        cell_volume(data), cell_volume(data.drop_vars(["mask", "volume_fraction"])) * mask * part
    )
    np.testing.assert_allclose(fluid_volume(data), np.where(data["known"], 0, cell_volume(data)))


def test_rules_of_quadrature() -> None:
    points = np.array([0.0, 0.5, 0.75, 1.0])
    bounded = {
        rule: axis_weights(points, rule, nodes=True, periodic=False) for rule in ("trapezoid", "right", "midpoint")
    }
    np.testing.assert_allclose(bounded["trapezoid"], [0.25, 0.375, 0.25, 0.125])
    np.testing.assert_allclose(bounded["right"], [0, 0.5, 0.25, 0.25])
    np.testing.assert_allclose(bounded["midpoint"], [0.5, 0.375, 0.25, 0.25])
    uniform = np.arange(8) / 8
    for rule in ("trapezoid", "right", "midpoint"):
        np.testing.assert_allclose(axis_weights(uniform, rule, nodes=True, periodic=True), 1 / 8)


def test_cells_of_boundary_values_do_not_count() -> None:
    """The exact solution of the porous medium leaves the same residual with a layer of known cells as without."""
    problem, cells, m = problems.get("porous-medium"), 40, np.array([1.0, 3.0])
    x, t = (np.arange(cells) + 0.5) / cells, np.linspace(0.2, 0.5, 4)
    u = np.maximum(m[:, None, None] * (t[:, None] - x), 0) ** (1 / m[:, None, None])
    plain = xr.Dataset(
        {"u": (("case", "time", "x"), u, {"role": "field"})},
        {"x": x, "time": t, "m": ("case", m)},
        {"grid": "cells", "periodic": "", "problem": "porous-medium"},
    )
    padded = pad(plain, problem)
    assert padded.sizes["x"] == cells + 2 and padded.u.values[:, :, 0].min() > 0
    times = np.tile(t[1:], (2, 1))
    for rule in ("trapezoid", "midpoint"):
        for options in ({}, {"total": "initial", "start": np.full(2, t[0])}):
            expected, found = (
                constraints(problem, data.isel(time=[0]), times, rule=rule, **options).residual(data.u.values[:, 1:])
                for data in (plain, padded)
            )
            np.testing.assert_allclose(found, expected, atol=1e-15)
    law = constraints(problem, padded.isel(time=[0]), times)
    np.testing.assert_array_equal(law.matrix[..., [0, -1]], 0.0)
    np.testing.assert_array_equal(law.matrix[0, 0, 0], fluid_volume(padded))
    # A forecast gets the known values and, on the other cells, the law.
    edge = xr.full_like(padded[["u"]].isel(time=slice(1, None)), np.nan)
    edge["u"].values[..., [0, -1]] = padded.u.values[:, 1:, [0, -1]]
    query = Query(padded.isel(time=[0]), np.full((2, 1), t[0]), times, known=edge)
    mean = padded[["u"]].isel(time=slice(1, None)) + 0.1
    result = conserve(Forecast(mean, xr.ones_like(mean)), query).mean.u.values
    np.testing.assert_array_equal(result[..., [0, -1]], padded.u.values[:, 1:, [0, -1]])
    assert np.abs(result[..., 1:-1].mean(axis=-1) - law.target[..., 0]).max() < 1e-14


def test_masks_that_differ_by_case_and_positions_in_metres(small: SimpleNamespace) -> None:
    mask = np.ones((2, 7, 5), bool)
    mask[1, :3] = False
    context = small.plane_context(mask=(("case", "y", "x"), mask))
    constraint = constraints(small.plane_problem(), context, TIMES, laws=["mass"])
    rows = constraint.matrix[:, 0, 0, :35].reshape(2, 7, 5)
    assert (rows[1, :3] == 0).all() and (rows[0] > 0).all() and (constraint.matrix[..., 35:] == 0).all()
    stretched = context.assign_coords(x_of_case=(("case", "x"), np.array([[1.0], [3.0]]) * context["x"].values))
    wide = constraints(small.plane_problem(), stretched, TIMES, laws=["mass"])
    np.testing.assert_allclose(wide.matrix[:, 0, 0, :35], constraint.matrix[:, 0, 0, :35] * np.array([[1.0], [3.0]]))


def test_coefficients_that_depend_on_time_give_rows_for_each_frame(small: SimpleNamespace) -> None:
    problem, context = small.line_problem(density="time"), small.plane_context().isel(y=0, drop=True).drop_vars("v")
    constraint = constraints(problem, context, TIMES, laws=["mass"], total=0.0)
    assert constraint.matrix.shape == (2, 2, 1, 5)
    np.testing.assert_allclose(constraint.matrix[1, 1], 1.5 / 1.3 * constraint.matrix[1, 0])


def test_declared_total_and_inflow_agree(small: SimpleNamespace) -> None:
    """b(t) = c (1 + t^3), which flows in at 3 c t^2; from the start at t = 0.05 on."""
    problem, context = small.line_problem(), small.plane_context().isel(y=0, drop=True).drop_vars("v")
    declared = constraints(problem, context, TIMES)
    c = context["c"].values[:, None]
    np.testing.assert_allclose(declared.target[..., 0], c * (1 + TIMES**3), rtol=1e-12)
    start = np.array([0.05, 0.1])
    first = np.trapezoid(context["u"].values[:, -1], context["x"].values)[:, None]
    initial = constraints(problem, context, TIMES, total="initial", start=start)
    np.testing.assert_allclose(initial.target[..., 0], first + c * (TIMES**3 - start[:, None] ** 3), rtol=1e-11)
    points = np.linspace(0, 0.6, 4001)
    pair = constraints(problem, context, TIMES, inflow=(points, 3 * points**2), start=start)
    np.testing.assert_allclose(pair.target[..., 0], first + TIMES**3 - start[:, None] ** 3, atol=1e-7)
    named_one = constraints(problem, context, TIMES, inflow={"mass": np.ones((2, 2))}, start=start)
    np.testing.assert_allclose(named_one.target[..., 0], first + TIMES - start[:, None], rtol=1e-12)


def test_inflow_with_a_root_at_the_start_is_integrated_to_rounding() -> None:
    """The rate t^(1/6) of a porous medium: smooth rules are off by 1e-6 there."""
    times = np.array([[0.1, 0.4, 1.0]])
    found = added(lambda t: t ** (1 / 6), np.zeros(1), times, "mass")
    np.testing.assert_allclose(found, 6 / 7 * times ** (7 / 6), rtol=1e-11)
    # A pole at the start, as of heat that enters a cold body.
    np.testing.assert_allclose(added(lambda t: t**-0.5, np.zeros(1), times, "heat"), 2 * times**0.5, rtol=1e-8)


def test_inflow_that_stops_within_a_step() -> None:
    times = np.array([[0.5, 1.0], [0.5, 1.0]])
    ends = np.array([[0.3], [0.7]])
    found = added(lambda t: np.where(t < ends, 2.0, 0.0), np.zeros(2), times, "mass")
    # The estimate of the error on which subdivision stops is rough at jumps.
    np.testing.assert_allclose(found, 2 * np.minimum(times, ends), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "law", "closed"),
    [
        ("burgers", "mass", True),  # periodic
        ("burgers-dirichlet", "mass", False),  # u = 0, but u_x there is not known
        ("heat-rod", "heat", False),  # loses heat at one end
        ("cavity", "mass", True),  # nothing passes walls, also the moving one
        ("cylinder", "mass", False),
        ("dam", "water", False),
    ],
)
def test_closed_boundaries_of_the_catalogue(name: str, law: str, closed: bool) -> None:
    problem = problems.get(name)
    assert is_closed(problem, named(problem, law)) is closed


def test_closed_boundaries_follow_from_values_and_normal_derivatives(small: SimpleNamespace) -> None:
    problem = small.plane_problem()
    assert [is_closed(problem, named(problem, law)) for law in ("mass", "moment", "open")] == [True, True, False]


def test_every_catalogue_law_that_is_linear_can_be_imposed() -> None:
    """On a small grid of each problem; the others say why not in a sentence."""
    count = 0
    for name in names():
        problem = problems.get(name)
        if problem.t is None or not problem.conserves:
            continue
        axes = tuple(axis for axis in ("z", "y", "x") if axis in problem.axes)
        dims, shape = ("case", "time", *axes), [4] * len(axes)
        values: dict[str, Any] = {info.name: (dims, np.ones((1, 0, *shape))) for info in problem.fields}
        values |= {info.name: (axes, np.ones(shape)) for info in problem.inputs}
        coords: dict[str, Any] = {axis: np.linspace(0.1, 0.9, 4) for axis in axes}
        coords |= {parameter: ("case", [value]) for parameter, value in problem.values().items()}
        attrs = {"grid": "cells", "periodic": ",".join(problem.periodic), "problem": name}
        context = xr.Dataset(values, coords, attrs)
        for law in problem.conserves:
            try:
                found = constraints(problem, context, np.array([[0.5]]), laws=[law.name], total=0.0)
            except InputError as error:
                assert any(why in str(error) for why in ("not linear", "derivatives", "holds no field"))
                continue
            assert np.isfinite(found.matrix).all() and np.abs(found.matrix).sum() > 0
            count += 1
    assert count >= 8
