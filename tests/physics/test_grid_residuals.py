"""Grid residuals: order up to the boundary, rows of the conditions, gradients, agreement of the engines, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import sympy
import torch
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.problems import (
    Box,
    Dirichlet,
    Field,
    Neumann,
    Outflow,
    Parameter,
    Problem,
    Robin,
    conservation,
    coordinates,
    div,
    get,
    grad,
    laplacian,
    numeric,
)

t, x, y = coordinates("t x y")
u = Field("u")(t, x)
k = Parameter("k", 0.3, 0.1, 1.0)
WAVE = sympy.exp(-t / 2) * sympy.sin(2 * x + t + sympy.Rational(3, 10)) + x**2  # on [0, 1]
CIRCLE = sympy.exp(-t / 2) * sympy.sin(2 * sympy.pi * x + t)  # of period 1


def _sides(kind: str, solution: sympy.Expr) -> dict[str, Any]:
    slope = solution.diff(x)
    kinds: dict[str, dict[str, Any]] = {
        "periodic": {},
        "Dirichlet": {"x-": Dirichlet(solution), "x+": Dirichlet(solution)},
        "Neumann": {"x-": Neumann(-slope), "x+": Neumann(slope)},
        "Robin": {"x-": Robin(solution - 2 * slope, 1, 2), "x+": Robin(3 * k * solution + slope, 3 * k, 1)},
        "mixed": {"x-": Dirichlet(solution), "x+": Robin(3 * k * solution + slope, 3 * k, 1)},
    }
    return kinds[kind]


def _line(kind: str, solution: sympy.Expr | None = None) -> tuple[Problem, sympy.Expr]:
    """u_t = k u_xx - u u_x + source, with the source that a solution asks for."""
    solution = solution or (CIRCLE if kind == "periodic" else WAVE)
    source = solution.diff(t) - k * solution.diff(x, 2) + solution * solution.diff(x)
    problem = Problem(
        name="line",
        fields=[u],
        parameters=[k],
        domain=Box(x=(0, 1)),
        periodic=["x"] if kind == "periodic" else [],
        time=(0, 1),
        evolution={u: k * u.diff(x, 2) - u * u.diff(x) + source},
        boundary={u: _sides(kind, solution)},
        conserves=[conservation("mass", u, [u**2 / 2 - k * u.diff(x)])],
        exact={u: solution},
    )
    return problem, solution


def _points(low: float, high: float, count: int, grid: str, periodic: bool) -> np.ndarray:
    if grid == "cells":
        return low + (high - low) * (np.arange(count) + 0.5) / count
    return np.linspace(low, high, count, endpoint=False) if periodic else np.linspace(low, high, count + 1)


def _data(
    problem: Problem,
    values: dict[str, Any],
    count: int,
    grid: str,
    times: np.ndarray | None,
    cases: tuple[dict[str, float], ...] = ({},),
) -> xr.Dataset:
    """Expressions by field on a grid, as a data set."""
    axes = {a: _points(*ends, count, grid, a in problem.periodic) for a, ends in problem.bounds().items()}
    symbols = [info.symbol for info in problem.parameters]
    known = [problem.values(case) for case in cases]
    coords: dict[str, Any] = {**axes, **{s.name: ("case", [case[s.name] for case in known]) for s in symbols}}
    space, columns = tuple(reversed(problem.axes)), [axes[a] for a in reversed(problem.axes)]
    if times is not None:
        coords["time"] = times
    variables = {}
    inputs = {info.name for info in problem.inputs}
    for name, expression in values.items():
        timed = times is not None and name not in inputs
        mesh: list[np.ndarray] = list(np.meshgrid(*([times] if timed else []), *columns, indexing="ij"))
        arguments = [*([t] if timed else []), *reversed(problem.space), *symbols]
        function = numeric(arguments, expression)
        arrays = [np.broadcast_to(function(*mesh, *(c[s.name] for s in symbols)), mesh[0].shape) for c in known]
        variables[name] = (("case", *(["time"] if timed else []), *space), np.stack(arrays))
    return xr.Dataset(variables, coords=coords, attrs={"grid": grid})


def _largest(residual: xr.Dataset) -> dict[str, float]:
    return {str(name): float(np.abs(value).max()) for name, value in residual.items()}


@pytest.mark.parametrize("accuracy", [2, 4, 6])
@pytest.mark.parametrize("grid", ["nodes", "cells"])
@pytest.mark.parametrize("kind", ["periodic", "Dirichlet", "Neumann", "Robin", "mixed"])
def test_difference_residual_has_its_order_up_to_the_boundary(kind: str, grid: str, accuracy: int) -> None:
    problem, solution = _line(kind)
    residual = problem.residual("difference", accuracy=accuracy)
    errors = []
    for count in (24, 48):
        times = np.linspace(0, 1, count // 2 + 1)
        data = _data(problem, {"u": solution}, count, grid, times, ({"k": 0.2}, {"k": 0.7}))
        found = residual(data)
        assert found["u"].dims == ("case", "time", "x")
        assert found["u"].shape == data["u"].shape
        rows = {"u"} if grid == "cells" or kind == "periodic" else {"u", "u_at_x-", "u_at_x+"}
        assert set(found.data_vars) == rows
        errors.append(_largest(found))
    for name in errors[0]:
        if errors[0][name] > 1e-12:  # rows of Dirichlet conditions vanish on the solution
            assert errors[1][name] < errors[0][name] / 2 ** (accuracy - 0.6)
    assert 1e-12 < errors[1]["u"] < {2: 0.1, 4: 5e-3, 6: 1e-3}[accuracy]


KINDS = ["periodic", "Dirichlet", "Neumann", "Robin", "mixed"]


@pytest.mark.parametrize("grid", ["nodes", "cells"])
@pytest.mark.parametrize("name", ["heat-rod", "wave"])
def test_exact_solutions_of_the_catalogue_have_no_residual_up_to_the_sides(name: str, grid: str) -> None:
    problem = get(name)
    start, end = problem.time or (0.0, 1.0)
    residual = problem.residual("difference", accuracy=4)
    errors = []
    for count in (32, 64):
        times = start + (end - start) * (0.3 + 0.05 * np.linspace(0, 1, count // 2 + 1))
        errors.append(_largest(residual(_data(problem, problem.exact, count, grid, times))))
    assert set(problem.equations) <= set(errors[0])
    for key, error in errors[0].items():
        assert error < 1e-12 or np.log2(error / errors[1][key]) > 3.5


@pytest.mark.parametrize("kind", KINDS)
def test_volume_residual_is_of_second_order_inside_and_of_first_beside_the_sides(kind: str) -> None:
    problem, solution = _line(kind)
    residual = problem.residual("volume")
    inside, everywhere, mean = [], [], []
    for count in (32, 64):
        # 41 frames: the error in time stays below 1e-5
        found = np.abs(residual(_data(problem, {"u": solution}, count, "cells", np.linspace(0, 1, 41)))["mass"])
        inside.append(float(found[..., 1:-1].max()))
        everywhere.append(float(found.max()))
        mean.append(float(found.mean()))
    assert np.log2(inside[0] / inside[1]) == pytest.approx(2, abs=0.1)
    assert np.log2(everywhere[0] / everywhere[1]) == pytest.approx(2 if kind == "periodic" else 1, abs=0.15)
    assert np.log2(mean[0] / mean[1]) == pytest.approx(2, abs=0.15)


def _plane(solution: sympy.Expr, coefficient: sympy.Expr) -> Problem:
    """-div(a grad u) = f on a rectangle, with all kinds of sides that the solution fulfils."""
    v, a = Field("v")(x, y), Field("a")(x, y)
    flux = [coefficient * solution.diff(axis) for axis in (x, y)]
    return Problem(
        name="plane",
        fields=[v],
        inputs={a: coefficient},
        domain=Box(x=(0, 1), y=(0, 2)),
        steady={v: sympy.Eq(-div(a * grad(v)), -flux[0].diff(x) - flux[1].diff(y))},
        boundary={
            v: {
                "x-": Dirichlet(solution),
                "x+": Neumann(solution.diff(x)),
                "y-": Robin(2 * solution - solution.diff(y), 2, 1),
                "y+": Dirichlet(solution),
            }
        },
    )


HILL = sympy.sin(2 * x + y) * sympy.exp(y / 2)
SMOOTH = 2 + sympy.cos(2 * x) * y / 2


@pytest.mark.parametrize("accuracy", [2, 4])
@pytest.mark.parametrize("grid", ["nodes", "cells"])
def test_steady_equation_with_an_input_field_has_its_order_in_two_dimensions(grid: str, accuracy: int) -> None:
    problem = _plane(HILL, SMOOTH)
    residual = problem.residual("difference", accuracy=accuracy)
    errors = [_largest(residual(_data(problem, {"v": HILL, "a": SMOOTH}, n, grid, None))) for n in (24, 48)]
    names = {"v"} | ({"v_at_x-", "v_at_x+", "v_at_y-", "v_at_y+"} if grid == "nodes" else set())
    assert set(errors[0]) == names
    for name in names - {"v_at_x-", "v_at_y+"}:
        assert np.log2(errors[0][name] / errors[1][name]) == pytest.approx(accuracy, abs=0.25)
    for name in names & {"v_at_x-", "v_at_y+"}:
        assert errors[0][name] < 1e-14


def test_volume_residual_of_a_smooth_coefficient_is_of_second_order_inside() -> None:
    problem = _plane(HILL, SMOOTH)
    residual = problem.residual("volume", side_cells=2)
    found = [np.abs(residual(_data(problem, {"v": HILL, "a": SMOOTH}, n, "cells", None))["v"]) for n in (24, 48)]
    assert np.log2(found[0].mean() / found[1].mean()) == pytest.approx(2, abs=0.15)
    assert np.log2(found[0].max() / found[1].max()) == pytest.approx(1, abs=0.1)


def test_rows_hold_what_each_condition_lacks() -> None:
    problem, _ = _line("mixed")  # u - WAVE on the left, 3 k u + u_x - (...) on the right
    field = x**2 * (1 + t) + 2  # differences of second order are exact for it
    times = np.linspace(0, 1, 6)
    found = problem.residual("difference", accuracy=2)(_data(problem, {"u": field}, 10, "nodes", times, ({"k": 0.5},)))
    assert found["u_at_x-"].dims == ("case", "time")
    left = 2 - np.exp(-times / 2) * np.sin(times + 0.3)
    right = 1.5 * (3 + times) + 2 * (1 + times)
    wave = numeric([t], (WAVE * 3 / 2 + WAVE.diff(x)).subs(x, 1))(times)
    np.testing.assert_allclose(found["u_at_x-"][0], left, rtol=1e-13)
    np.testing.assert_allclose(found["u_at_x+"][0], right - wave, rtol=1e-12)


@pytest.mark.parametrize("engine", ["spectral", "difference", "volume"])
def test_residual_is_that_of_autograd_where_nothing_is_solved(engine: str) -> None:
    t2, x2, y2 = coordinates("t x y")
    w = Field("w")(t2, x2, y2)
    flux = [w**2 / 2 - w.diff(x2) / 5 + w.diff(y2), w * sympy.sin(2 * sympy.pi * x2) - w.diff(y2) / 5]
    rate = -flux[0].diff(x2) - flux[1].diff(y2)
    problem = Problem(
        name="torus",
        fields=[w],
        domain=Box(x=(0, 1), y=(0, 1)),
        periodic=["x", "y"],
        time=(0, 1),
        evolution={w: rate},
        conserves=[conservation("total", w, flux)],
    )
    turn = 2 * sympy.pi
    field = sympy.cos(turn * x2 + t2) * (1 + sympy.sin(turn * y2) / 2) + sympy.sin(turn * (x2 - y2))
    options = {"accuracy": 6} if engine == "difference" else {}
    count = {"spectral": 16, "difference": 48, "volume": 96}[engine]
    times = 0.5 + 0.01 * np.arange(7)
    data = _data(problem, {"w": field}, count, "nodes", times)
    found = problem.residual(engine, **options)(data)["total" if engine == "volume" else "w"][0, 3]
    mesh = np.meshgrid(data["y"], data["x"], indexing="ij")
    points = torch.tensor(np.stack([np.full(mesh[0].size, times[3]), mesh[1].ravel(), mesh[0].ravel()], axis=1))
    in_torch = numeric([t2, x2, y2], field, "torch")
    exact = problem.residual("torch")(lambda p: in_torch(*p.T)[:, None], points)["w"].detach().numpy()
    size = np.abs(exact).max()
    assert size > 10
    error = np.abs(found.values.ravel() - exact).max() / size
    assert error < {"spectral": 1e-8, "difference": 1e-5, "volume": 5e-3}[engine]


def _balance(problem: Problem, law: str, data: xr.Dataset, values: dict[str, Any], options: dict[str, Any]) -> Any:
    """(sum of residual times volume, sum of outflows), each [B, T]."""
    residual = problem.residual("volume", **options)
    axes = {axis: data[axis].values for axis in problem.axes}
    fields = {i.name: torch.tensor(data[i.name].values) for i in problem.fields if i.name in data}
    inputs = {i.name: torch.tensor(data[i.name].values) for i in problem.inputs}
    times = data["time"].values if "time" in data.coords else None
    if times is None:
        fields = {name: value[:, None] for name, value in fields.items()}
    volume = np.prod([(high - low) / len(axes[a]) for a, (low, high) in problem.bounds().items()])
    total = residual.tensors(fields, times, axes, values, inputs)[law].flatten(2).sum(2) * volume
    return total, sum(residual.flows(fields, times, axes, values, inputs)[law].values())


@pytest.mark.parametrize("kind", KINDS)
def test_volume_residual_sums_to_storage_and_outflow(kind: str) -> None:
    problem, _ = _line(kind)
    times = np.linspace(0, 1, 9)
    data = _data(problem, {"u": 1 + sympy.cos(3 * x + t) * x}, 20, "cells", times)  # solves nothing
    total, outflow = _balance(problem, "mass", data, {"k": 0.4}, {})
    mean = data["u"].values.mean(axis=-1)[0]  # the length is 1
    rate = (mean[2] - 8 * mean[3] + 8 * mean[5] - mean[6]) / (12 * 0.125)  # at the fifth frame
    source = -problem.equations["u"].subs(problem.fields[0].symbol, 0).doit()
    gained = numeric([x, t, problem.parameters[0].symbol], source)(data["x"].values, 0.5, 0.4).mean()
    expected = rate - gained + (float(outflow[0, 4]) if kind != "periodic" else 0.0)
    assert float(total[0, 4]) == pytest.approx(expected, rel=1e-12)
    if kind == "Dirichlet":  # the flux through a side is that of its datum, u^2 / 2 - k u_x
        residual = problem.residual("volume")
        flows = residual.flows({"u": torch.tensor(data["u"].values)}, times, {"x": data["x"].values}, {"k": 0.0})[
            "mass"
        ]
        datum = numeric([t], WAVE.subs(x, 1) ** 2 / 2)(times)
        np.testing.assert_allclose(flows["x+"][0], datum, rtol=1e-12)


@pytest.mark.parametrize("side_cells", [1, 2])
def test_steady_volume_residual_sums_to_source_and_outflow(side_cells: int) -> None:
    problem = _plane(HILL, SMOOTH)
    data = _data(problem, {"v": x * y + x**2, "a": SMOOTH}, 12, "cells", None)
    total, outflow = _balance(problem, "v", data, {}, {"side_cells": side_cells})
    mesh = np.meshgrid(data["y"], data["x"], indexing="ij")
    flux = [SMOOTH * HILL.diff(axis) for axis in (x, y)]
    source = numeric([y, x], -flux[0].diff(x) - flux[1].diff(y))(*mesh).sum() * 2 / 144
    assert float(total) == pytest.approx(float(outflow) - source, rel=1e-12)


def _darcy(coefficient: np.ndarray, source: float) -> np.ndarray:
    """-div(a grad u) = source on the unit square, u = 0 around it: resistances between centres, in series."""
    count = len(coefficient)
    number = np.arange(count**2).reshape(count, count)
    entries: list[tuple[int, int, float]] = []
    for i in range(count):
        for j in range(count):
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                p, q = i + di, j + dj
                inside = 0 <= p < count and 0 <= q < count
                resistance = 0.5 / coefficient[i, j] + (0.5 / coefficient[p, q] if inside else 0.0)
                entries.append((number[i, j], number[i, j], 1 / resistance))
                if inside:
                    entries.append((number[i, j], number[p, q], -1 / resistance))
    rows, columns, values = zip(*entries, strict=True)
    matrix = sp.coo_array((values, (rows, columns))).tocsr()
    return sp.linalg.spsolve(matrix, np.full(count**2, source / count**2)).reshape(count, count)


def test_volume_residual_vanishes_on_a_finite_volume_solution_of_darcy() -> None:
    problem, count = get("darcy"), 24
    coefficient = np.where(np.random.default_rng(0).random((count, count)) < 0.5, 3.0, 12.0)
    solution = _darcy(coefficient, 1.0)
    centres = (np.arange(count) + 0.5) / count
    data = xr.Dataset(
        {"u": (("case", "time", "y", "x"), solution[None, None]), "a": (("case", "y", "x"), coefficient[None])},
        coords={"x": centres, "y": centres, "time": [0.0]},
        attrs={"grid": "cells"},
    )
    residual = problem.residual("volume")
    assert residual(data)["u"].dims == ("case", "time", "y", "x")
    assert float(np.abs(residual(data)["u"]).max()) < 1e-10  # the source is 1
    assert float(np.abs(residual(data.assign(u=data["u"] * 1.01))["u"]).max()) == pytest.approx(0.01, rel=1e-6)


def test_a_forcing_of_zero_mean_is_part_of_the_law() -> None:
    problem = get("navier-stokes-2d")
    vortices = sympy.cos(2 * sympy.pi * x) * sympy.cos(2 * sympy.pi * y)
    data = _data(problem, {"w": vortices * (1 + t), "psi": vortices}, 8, "nodes", np.linspace(0, 1, 5))
    still = problem.residual("volume")(data.assign_coords(force=("case", [0.0])))["circulation"]
    driven = problem.residual("volume")(data.assign_coords(force=("case", [0.3])))["circulation"]
    mesh = np.meshgrid(data["y"], data["x"], indexing="ij")
    wave = 2 * np.pi * (mesh[0] + mesh[1])
    np.testing.assert_allclose((still - driven)[0, 2], 0.3 * (np.sin(wave) + np.cos(wave)), atol=1e-12)


@pytest.mark.parametrize("engine", ["spectral", "difference", "volume"])
@pytest.mark.parametrize("kind", ["periodic", "mixed"])
def test_gradients_in_fields_and_parameters_are_those_of_differences(engine: str, kind: str) -> None:
    if engine == "spectral" and kind != "periodic":
        pytest.skip("needs periodic axes")
    problem, _ = _line(kind)
    residual = problem.residual(engine)
    points = torch.tensor(_points(0, 1, 8, "cells", kind == "periodic"))
    times = torch.tensor([[0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 0.2, 0.3, 0.5, 0.9]], dtype=torch.float64)
    start = torch.randn(2, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    slope = torch.tensor([0.3, 0.5], dtype=torch.float64, requires_grad=kind == "periodic")  # a factor in Robin else

    def loss(field: torch.Tensor, conductivity: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(residual.tensors({"u": field}, times, {"x": points}, {"k": conductivity}).values()))

    assert torch.autograd.gradcheck(loss, (start, slope))
    halves = [
        residual.tensors({"u": start[i : i + 1]}, times[i], {"x": points}, {"k": float(slope[i].detach())})
        for i in range(2)
    ]
    for name, value in residual.tensors({"u": start}, times, {"x": points}, {"k": slope}).items():
        np.testing.assert_allclose(value.detach(), torch.cat([half[name] for half in halves]).detach(), rtol=1e-12)


def test_gradients_reach_input_fields() -> None:
    problem = _plane(HILL, SMOOTH)
    axes = {"x": (np.arange(6) + 0.5) / 6, "y": (np.arange(7) + 0.5) / 7 * 2}
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(1, 1, 7, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    a = (1 + torch.rand(1, 7, 6, dtype=torch.float64, generator=generator)).requires_grad_()
    for engine, options in (("volume", {}), ("volume", {"side_cells": 2}), ("difference", {"accuracy": 2})):
        residual = problem.residual(engine, **options)
        assert torch.autograd.gradcheck(
            lambda v, a, residual=residual: residual.tensors({"v": v}, None, axes, inputs={"a": a})["v"], (v, a)
        )


def test_tensors_keep_their_type_and_agree_with_the_data_set() -> None:
    problem, solution = _line("mixed")
    data = _data(problem, {"u": solution}, 16, "nodes", np.linspace(0, 1, 6), ({"k": 0.2}, {"k": 0.7}))
    for engine, grid in (("difference", "nodes"), ("volume", "cells")):
        data = _data(problem, {"u": solution}, 16, grid, np.linspace(0, 1, 6), ({"k": 0.2}, {"k": 0.7}))
        residual = problem.residual(engine)
        field = torch.tensor(data["u"].values, dtype=torch.float32)
        axes = {"x": torch.tensor(data["x"].values, dtype=torch.float32)}
        found = residual.tensors({"u": field}, data["time"].values, axes, {"k": torch.tensor([0.2, 0.7])})
        expected = residual(data)
        assert set(found) == set(expected.data_vars)
        for name, value in found.items():
            assert value.dtype == torch.float32
            np.testing.assert_allclose(value, expected[name], atol=2e-3)  # float32 over spacing^2 = 256


def test_open_sides_are_one_sided_only_when_asked_for() -> None:
    free = Problem(
        name="free",
        fields=[u],
        domain=Box(x=(0, 1)),
        time=(0, 1),
        evolution={u: u.diff(x, 2)},
        boundary={u: {"x-": Outflow()}},
        conserves=[conservation("mass", u, [-u.diff(x)])],
    )
    for engine in ("difference", "volume"):
        with pytest.raises(
            InputError, match=r"Field 'u' of 'free' .* side 'x-' and has the condition Outflow there.*open"
        ):
            free.residual(engine)
    with pytest.raises(InputError, match="'x[+]' and has no condition there"):
        Problem(name="bare", fields=[u], domain=Box(x=(0, 1)), evolution={u: -u.diff(x)}, boundary={
            u: {"x-": Dirichlet((0,))}}).residual("difference")  # fmt: skip
    field, times = x**4 + 0 * t, np.linspace(0, 1, 5)
    found = free.residual("difference", accuracy=4, open_sides=True)(_data(free, {"u": field}, 12, "cells", times))
    centres = (np.arange(12) + 0.5) / 12
    np.testing.assert_allclose(found["u"][0, 0], -12 * centres**2, rtol=0, atol=1e-10)  # exact for polynomials
    found = free.residual("volume", open_sides=True)(_data(free, {"u": x**2 + 0 * t}, 12, "cells", times))
    np.testing.assert_allclose(found["mass"], -2.0, rtol=1e-10)


def test_what_differences_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"input 'a' of 'darcy' is discontinuous .* use residual\('volume'\)"):
        get("darcy").residual("difference")
    with pytest.raises(
        InputError, match="Field 'p' of 'cavity' is differentiated towards the side 'y-' .* open_sides=True"
    ):
        get("cavity").residual("difference")
    problem, solution = _line("mixed")
    with pytest.raises(InputError, match=r"accuracy of differences is 3; use one of \(2, 4, 6\)"):
        problem.residual("difference", accuracy=3)
    residual = problem.residual("difference")
    data = _data(problem, {"u": solution}, 16, "nodes", np.linspace(0, 1, 6))
    for wrong, message in (
        (data.drop_vars("u"), r"needs the variables \['u'\]"),
        (data.drop_vars("k"), r"needs the coordinates \['k'\]"),
        (data.isel(time=slice(4)), "needs at least 5 frames; the data set has 4"),
        (
            data.isel(x=slice(8)).drop_attrs(),
            r"needs the whole axis up to its sides along 'x', \[0, 1\]; this grid covers \[0, 0.4",
        ),
        (data.assign_coords(length=("case", [3])), "different lengths"),
        (data.assign_coords(x=data["x"] * 2).drop_attrs(), "leaves the domain"),
        (data.assign_coords(x=data["x"] / 2), "says that its grid is 'nodes', but no point lies on the side 'x[+]'"),
        (data.assign_attrs(grid="cells"), "says that its grid is 'cells', but a point lies on the side 'x-'"),
    ):
        with pytest.raises(InputError, match=message):
            residual(wrong)
    around, wave = _line("periodic")
    data = _data(around, {"u": wave}, 16, "nodes", np.linspace(0, 1, 6))
    with pytest.raises(InputError, match="needs the whole period along 'x'"):
        around.residual("difference")(data.isel(x=slice(12)))
    field = torch.zeros(1, 6, 16)
    with pytest.raises(InputError, match=r"Field 'u' of 'line' has shape \[1, 6, 15\]; expected \[B, T, \*S\] with"):
        around.residual("difference").tensors({"u": field[..., 1:]}, np.arange(6.0), {"x": np.arange(16) / 16})
    with pytest.raises(InputError, match="needs the times of the frames"):
        around.residual("difference").tensors({"u": field}, None, {"x": np.arange(16) / 16})
    with pytest.raises(InputError, match="no parameter 'kk'"):
        around.residual("difference").tensors({"u": field}, np.arange(6.0), {"x": np.arange(16) / 16}, {"kk": 1.0})


def test_what_volumes_cannot_take_is_refused() -> None:
    problem, solution = _line("mixed")
    with pytest.raises(InputError, match="are not the centres of cells that fill"):
        problem.residual("volume")(_data(problem, {"u": solution}, 16, "nodes", np.linspace(0, 1, 6)))
    with pytest.raises(InputError, match="1 or 2 cells, not side_cells=3"):
        problem.residual("volume", side_cells=3)
    bare = Problem(name="bare", fields=[u], domain=Box(x=(0, 1)), evolution={u: -u.diff(x)})
    with pytest.raises(InputError, match="'bare' has no flux form; declare conserves"):
        bare.residual("volume")
    with pytest.raises(InputError, match="There is no residual engine 'difference2'. Did you mean 'difference'"):
        bare.residual("difference2")


def test_laplacian_of_a_box_with_a_hole_is_refused() -> None:
    from sciflow.problems import Disk

    v = Field("v")(x, y)
    domain = Box(x=(-1, 1), y=(-1, 1)) - Disk((0, 0), 0.3)
    problem = Problem(name="hole", fields=[v], domain=domain, steady={v: sympy.Eq(laplacian(v), 0)})
    for engine in ("difference", "volume"):
        with pytest.raises(InputError, match="'hole' need a box; its domain has an obstacle"):
            problem.residual(engine)
