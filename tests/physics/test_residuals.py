"""Residuals of the catalogue: torch, JAX and spectral vanish on exact solutions and agree on any field."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
import torch
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.problems import Box, Field, Parameter, Problem, coordinates, get, laplacian, numeric

# One problem for each form that equations take (systems, constraints, inputs, steady, orders 1 to 4, 1-D and 2-D);
# `check_problem` takes the residuals of the whole catalogue.
NAMES = ["burgers", "cavity", "darcy", "heat", "helmholtz", "kdv", "navier-stokes-2d"]
EXACT = [name for name in NAMES if get(name).exact]
PERIODIC = [name for name in NAMES if set(get(name).axes) == set(get(name).periodic)]


def _points(problem: Problem, count: int = 40) -> np.ndarray:
    time = [problem.time or (0.0, 1.0)] if problem.t is not None else []
    low, high = zip(*time, *problem.bounds().values(), strict=True)
    return np.random.default_rng(0).uniform(low, high, (count, len(low)))


def _torch_net(problem: Problem, fields: list[sympy.Expr], values: dict[str, float]) -> Callable:
    function = numeric([*problem.coordinates, *_symbols(problem)], fields, "torch")
    return lambda p: torch.stack(
        [torch.as_tensor(f).expand(len(p)) for f in function(*p.T, *(values[s.name] for s in _symbols(problem)))], dim=1
    )


def _jax_net(problem: Problem, fields: list[sympy.Expr], values: dict[str, float]) -> Callable:
    function = numeric([*problem.coordinates, *_symbols(problem)], fields, "jax")
    return lambda p: jnp.stack(
        [jnp.broadcast_to(f, len(p)) for f in function(*p.T, *(values[s.name] for s in _symbols(problem)))], axis=1
    )


def _symbols(problem: Problem) -> list[sympy.Symbol]:
    return [info.symbol for info in (*problem.parameters, *problem.coefficients)]


def _both(problem: Problem, fields: list[sympy.Expr], values: dict[str, float]) -> list[dict[str, np.ndarray]]:
    """Residuals by torch and by JAX in float64."""
    points = _points(problem)
    in_torch = problem.residual("torch")(_torch_net(problem, fields, values), torch.tensor(points), **values)
    with jax.enable_x64(True):
        net = _jax_net(problem, fields, values)
        in_jax = jax.jit(lambda p: problem.residual("jax")(net, p, **values))(jnp.asarray(points))
        return [
            {name: value.detach().numpy() for name, value in in_torch.items()},
            {name: np.asarray(value) for name, value in in_jax.items()},
        ]


def _terms(problem: Problem, fields: list[sympy.Expr], values: dict[str, float]) -> dict[str, float]:
    """Largest term of each equation for given fields: what a residual is small against."""
    known = dict(zip((info.symbol for info in (*problem.fields, *problem.inputs)), fields, strict=True))
    columns = _points(problem).T
    largest = {}
    for name, equation in problem.equations.items():
        terms = [term.subs(known).doit() for term in sympy.Add.make_args(sympy.expand(equation.doit()))]
        arrays = numeric([*problem.coordinates, *_symbols(problem)], terms)(
            *columns, *(values[s.name] for s in _symbols(problem))
        )
        largest[name] = max(float(np.abs(array).max()) for array in arrays)
    return largest


def _smooth(problem: Problem, seed: int = 0) -> list[sympy.Expr]:
    """A band-limited field that solves nothing: three products of waves for each unknown and input."""
    random = np.random.default_rng(seed)
    fields = []
    for _ in (*problem.fields, *problem.inputs):
        terms = []
        for _ in range(3):
            factors: list[Any] = [round(float(random.normal()), 3)]
            turns = round(float(random.uniform(1, 3)), 3)
            factors.append(1 if problem.t is None else sympy.sin(turns * problem.t + 1))
            for symbol, (low, high) in zip(problem.space, problem.bounds().values(), strict=True):
                wave = 2 * sympy.pi * int(random.integers(1, 4)) * (symbol - low) / (high - low)
                factors.append(sympy.cos(wave + round(float(random.uniform(0, 6)), 3)))
            terms.append(sympy.Mul(*factors))
        fields.append(sympy.Add(*terms))
    return fields


def _exact(problem: Problem) -> list[sympy.Expr]:
    return [problem.exact[info.name] for info in problem.fields]


def _frames(
    problem: Problem, fields: list[sympy.Expr], cases: list[dict[str, float]], size: int, times: np.ndarray
) -> xr.Dataset:
    """The fields on a periodic grid, as a data set."""
    axes = {axis: low + (high - low) * np.arange(size) / size for axis, (low, high) in problem.bounds(cases[0]).items()}
    mesh = np.meshgrid(times, *(axes[axis] for axis in reversed(problem.axes)), indexing="ij")
    ordered = [mesh[0], *reversed(mesh[1:])]
    function = numeric([*problem.coordinates, *_symbols(problem)], fields)
    frames = [function(*ordered, *(case[s.name] for s in _symbols(problem))) for case in cases]
    dims = ("case", "time", *reversed(problem.axes))
    shape = mesh[0].shape
    variables = {
        info.name: (dims, np.stack([np.broadcast_to(frame[index], shape) for frame in frames]))
        for index, info in enumerate(problem.fields)
    }
    parameters = {s.name: ("case", [case[s.name] for case in cases]) for s in _symbols(problem)}
    return xr.Dataset(variables, coords={"time": times, **axes, **parameters})


def _relative(residual: xr.Dataset, sizes: dict[str, float]) -> float:
    return max(float(np.abs(residual[name]).max()) / size for name, size in sizes.items())


@pytest.mark.parametrize("name", EXACT)
def test_exact_solution_has_no_residual_in_torch_and_jax(name: str) -> None:
    problem = get(name)
    values = problem.values()
    sizes = _terms(problem, _exact(problem), values)
    for residuals in _both(problem, _exact(problem), values):
        for key, residual in residuals.items():
            assert residual.shape == (40,)
            assert np.abs(residual).max() < 1e-11 * sizes[key]


@pytest.mark.parametrize("name", NAMES)
def test_torch_and_jax_agree_where_the_residual_is_not_zero(name: str) -> None:
    problem = get(name)
    values = {key: value + 0.1 for key, value in problem.values().items()}
    fields = _smooth(problem)
    sizes = _terms(problem, fields, values)
    in_torch, in_jax = _both(problem, fields, values)
    assert list(in_torch) == list(problem.equations)
    assert set(in_jax) == set(in_torch)
    for key in in_torch:
        assert np.abs(in_torch[key]).max() > 1e-3 * sizes[key]
        np.testing.assert_allclose(in_torch[key], in_jax[key], rtol=0, atol=1e-12 * sizes[key])


@pytest.mark.parametrize("name", NAMES)
def test_torch_and_jax_agree_on_the_same_network(name: str) -> None:
    problem = get(name)
    random = np.random.default_rng(1)
    sizes = [len(problem.coordinates), 8, 8, len(problem.fields) + len(problem.inputs)]
    layers = [(random.normal(size=(a, b)) / np.sqrt(a), random.normal(size=b)) for a, b in itertools.pairwise(sizes)]

    def forward(points: Any, activation: Callable, convert: Callable) -> Any:
        for index, (weight, bias) in enumerate(layers):
            points = points @ convert(weight) + convert(bias)
            points = activation(points) if index < len(layers) - 1 else points
        return points

    points = _points(problem)
    net = functools.partial(forward, activation=torch.tanh, convert=torch.tensor)
    in_torch = problem.residual("torch")(net, torch.tensor(points))
    with jax.enable_x64(True):
        net = functools.partial(forward, activation=jnp.tanh, convert=jnp.asarray)
        in_jax = jax.jit(functools.partial(problem.residual("jax"), net))(jnp.asarray(points))
        for key, value in in_torch.items():
            size = np.abs(value.detach().numpy()).max()
            np.testing.assert_allclose(value.detach().numpy(), in_jax[key], rtol=0, atol=1e-12 * max(1, size))


@pytest.mark.parametrize("name", PERIODIC)
def test_spectral_residual_is_exact_in_space_and_of_fourth_order_in_time(name: str) -> None:
    problem = get(name)
    cases = [problem.values(), {key: 1.5 * value + 0.01 for key, value in problem.values().items()}]
    fields = _smooth(problem)
    known = dict(zip((info.symbol for info in problem.fields), fields, strict=True))
    analytic = {key: equation.subs(known).doit() for key, equation in problem.equations.items()}
    middle, ends = [], []
    for spacing in (0.04, 0.02):
        times = 0.5 + spacing * np.arange(-3, 4)
        residual = problem.residual("spectral")(_frames(problem, fields, cases, 16, times))
        expected = _expected(problem, analytic, cases, times)
        scale = max(float(np.abs(expected[key]).max()) for key in analytic)
        error = np.max([np.abs(residual[key] - expected[key]) for key in problem.evolution], axis=0)
        middle.append(error[:, 3].max())
        ends.append(error[:, [0, 1, -2, -1]].max())
        for key in set(analytic) - set(problem.evolution):  # no time derivative: exact
            np.testing.assert_allclose(residual[key], expected[key], rtol=0, atol=1e-11 * scale)
        assert residual[next(iter(analytic))].dims == ("case", "time", *reversed(problem.axes))
    assert middle[0] > 1e-9 * scale
    assert np.log2(middle[0] / middle[1]) == pytest.approx(4, abs=0.1)
    assert np.log2(ends[0] / ends[1]) == pytest.approx(4, abs=0.5)


def _expected(
    problem: Problem, analytic: dict[str, sympy.Expr], cases: list[dict[str, float]], times: np.ndarray
) -> dict[str, np.ndarray]:
    mesh = [np.arange(16) / 16 * (high - low) + low for low, high in reversed(problem.bounds().values())]
    grids = np.meshgrid(times, *mesh, indexing="ij")
    function = numeric([*problem.coordinates, *_symbols(problem)], list(analytic.values()))
    rows = [function(grids[0], *reversed(grids[1:]), *(case[s.name] for s in _symbols(problem))) for case in cases]
    return {key: np.stack([row[index] for row in rows]) for index, key in enumerate(analytic)}


def test_spectral_space_derivatives_are_exact_for_steady_fields() -> None:
    x, y = coordinates("x y")
    u = Field("u")(x, y)
    problem = Problem(
        name="p",
        fields=[u],
        domain=Box(x=(0, 2), y=(-1, 3)),
        periodic=["x", "y"],
        steady={u: sympy.Eq(u.diff(x, 3) + u.diff(y) * u + laplacian(u), 0)},
    )
    wave = sympy.sin(sympy.pi * x + 1) * sympy.cos(sympy.pi * y)
    grids = np.meshgrid(-1 + 4 * np.arange(12) / 12, 2 * np.arange(8) / 8, indexing="ij")
    data = xr.Dataset(
        {"u": (("y", "x"), numeric([y, x], wave)(*grids))}, coords={"x": grids[1][0], "y": grids[0][:, 0]}
    )
    known = {problem.fields[0].symbol: wave}
    expected = numeric([y, x], problem.equations["u"].subs(known).doit())(*grids)
    np.testing.assert_allclose(problem.residual("spectral")(data)["u"][0, 0], expected, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in EXACT if name in PERIODIC])
def test_spectral_residual_of_the_exact_solution_vanishes_at_fourth_order(name: str) -> None:
    problem = get(name)
    cases, size = [problem.values()], 256 if len(problem.axes) == 1 else 16
    sizes = _terms(problem, _exact(problem), cases[0])
    errors = []
    for spacing in (4e-3, 2e-3):
        frames = _frames(problem, _exact(problem), cases, size, spacing * np.arange(9))
        errors.append(_relative(problem.residual("spectral")(frames), sizes))
    assert errors[1] < 1e-3
    assert errors[1] < 1e-10 or 3.5 < np.log2(errors[0] / errors[1]) < 4.7


def test_viscosity_is_trained_by_the_torch_residual() -> None:
    problem = get("burgers")
    t, x = problem.coordinates
    field = sympy.sin(2 * sympy.pi * x) * sympy.exp(-t)
    nu = torch.tensor(0.02, dtype=torch.float64, requires_grad=True)
    points = _points(problem)
    residual = problem.residual("torch")(_torch_net(problem, [field], {"nu": 0.0}), torch.tensor(points), nu=nu)["u"]
    residual.square().mean().backward()
    # d/dnu mean r^2 = mean 2 r (-u_xx), and u_xx = -(2 pi)^2 u
    u = np.sin(2 * np.pi * points[:, 1]) * np.exp(-points[:, 0])
    u_x = 2 * np.pi * np.cos(2 * np.pi * points[:, 1]) * np.exp(-points[:, 0])
    expected_residual = -u + u * u_x + 0.02 * (2 * np.pi) ** 2 * u
    np.testing.assert_allclose(residual.detach().numpy(), expected_residual, rtol=1e-12, atol=1e-12)
    assert nu.grad.item() == pytest.approx(np.mean(2 * expected_residual * (2 * np.pi) ** 2 * u), rel=1e-12)


def test_residual_trains_the_weights_of_a_network() -> None:
    problem = get("navier-stokes-2d")
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    residuals = problem.residual("torch")(net, torch.rand(10, 3))
    sum(residual.square().mean() for residual in residuals.values()).backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in net.parameters())
    assert residuals["w"].dtype == torch.float32


def test_a_parameter_may_differ_by_point() -> None:
    problem = get("heat")
    points = torch.tensor(_points(problem, 5))
    net = _torch_net(problem, [problem.space[0] ** 2], problem.values())
    kappa = torch.arange(5.0, dtype=torch.float64)
    np.testing.assert_allclose(problem.residual("torch")(net, points, kappa=kappa)["u"].detach(), -2 * kappa)


def test_jax_residual_is_differentiable_in_parameters() -> None:
    problem = get("heat")
    net = _jax_net(problem, [problem.space[0] ** 2], problem.values())
    points = jnp.asarray(_points(problem, 5), dtype=jnp.float32)
    gradient = jax.jit(jax.grad(lambda kappa: problem.residual("jax")(net, points, kappa=kappa)["u"].sum()))(0.1)
    assert float(gradient) == pytest.approx(-10.0)


@pytest.mark.parametrize("engine", ["torch", "jax"])
def test_wrong_points_networks_and_parameters_are_refused(engine: str) -> None:
    problem = get("burgers")
    residual = problem.residual(engine)
    ones: Callable = torch.ones if engine == "torch" else jnp.ones
    with pytest.raises(InputError, match=r"Points of 'burgers' have shape \[N, 2\] for \['t', 'x'\], not \[5, 3\]"):
        residual(lambda p: p[:, :1], ones((5, 3)))
    with pytest.raises(InputError, match=r"must give \[N, 1\] for the fields \['u'\], not \[5, 2\]"):
        residual(lambda p: p, ones((5, 2)))
    with pytest.raises(InputError, match="no parameter 'nuu'. Did you mean 'nu'"):
        residual(lambda p: p[:, :1], ones((5, 2)), nuu=1.0)


def test_spectral_residual_refuses_what_it_cannot_differentiate() -> None:
    with pytest.raises(InputError, match=r"needs periodic axes; \['x', 'y'\] are not"):
        get("cavity").residual("spectral")
    problem = get("navier-stokes-2d")
    data = _frames(problem, _exact(problem), [problem.values()], 8, np.linspace(0, 1, 5))
    residual = problem.residual("spectral")
    assert set(residual(data).data_vars) == {"w", "psi"}
    for wrong, message in (
        (data.drop_vars("psi"), r"needs the variables \['psi'\], which the data set lacks"),
        (data.isel(time=slice(4)), "needs at least 5 frames; the data set has 4"),
        (data.isel(x=slice(6)), "needs the whole period along 'x', 1; this grid covers 0.75"),
        (data.assign_coords(y=data.y**2), "needs an even grid along 'y'"),
        (data.drop_vars("nu"), r"needs the coordinates \['nu'\], which the data set lacks"),
        (data.drop_vars("time"), r"needs the coordinates \['time'\]"),
    ):
        with pytest.raises(InputError, match=message):
            residual(wrong)


def test_inputs_stand_beside_the_fields() -> None:
    x, y = coordinates("x y")
    a, u = Field("a")(x, y), Field("u")(x, y)
    c = Parameter("c", 1.0)
    problem = Problem(
        name="darcy",
        fields=[u],
        inputs={a: 1 + x},
        parameters=[c],
        domain=Box(x=(0, 1), y=(0, 1)),
        steady={u: sympy.Eq((a * u.diff(x)).diff(x), c)},
    )
    points = torch.rand(6, 2, dtype=torch.float64)
    net = lambda p: torch.stack([p[:, 0] ** 2, 1 + p[:, 0]], dim=1)  # noqa: E731
    # (a u_x)_x = a_x u_x + a u_xx = 2 x + 2 (1 + x)
    expected = 4 * points[:, 0] + 2 - 1.0
    np.testing.assert_allclose(problem.residual("torch")(net, points)["u"].detach(), expected)
