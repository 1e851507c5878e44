"""Reference solutions against two independent codes: SciPy's integrators on equations written out here, and py-pde.

The bar is a relative difference of 1e-4. Derivatives for SciPy are spectral, so that only rounding and the tolerance of
1e-9 remain; py-pde has differences of second order, whose error is removed once by Richardson's extrapolation from two
grids. Nothing of sciflow enters the other side, only its starts, which are smooth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sciflow.solvers import simulate

Fields = dict[str, np.ndarray]
Derivative = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
PI = np.pi


@dataclass(frozen=True)
class Sample:
    """One problem with its start and end, and the same equation in the words of the other codes.

    Attributes:
        low, size: of the periodic box, alike on all axes.
        start: fields as functions of the coordinates (x), or (x, y).
        right: time derivatives for SciPy, from the fields and a function that differentiates, orders along (x, y).
        expressions: time derivatives for py-pde, parameters as numbers in `constants`.
        points, other: for us and SciPy; for py-pde's coarser grid.
    """

    name: str
    low: float
    size: float
    end: float
    points: int
    other: int
    parameters: Mapping[str, float]
    start: Mapping[str, Callable[..., np.ndarray]]
    right: Callable[[Fields, Derivative], Fields]
    expressions: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    method: str = "DOP853"

    @property
    def dims(self) -> int:
        return 2 if "y" in next(iter(self.start.values())).__code__.co_varnames else 1

    def mesh(self, points: int, offset: float) -> list[np.ndarray]:
        """Coordinates x (and y), with y along the first axis."""
        axis = self.low + self.size * (np.arange(points) + offset) / points
        return [axis] if self.dims == 1 else [axis[None, :] + 0 * axis[:, None], axis[:, None] + 0 * axis[None, :]]


SAMPLES = [
    Sample(
        "heat", 0, 1, 0.5, 32, 48, {"kappa": 0.02},
        {"u": lambda x: np.sin(2 * PI * x) + 0.5 * np.cos(4 * PI * x) + 0.3},
        lambda f, d: {"u": 0.02 * d(f["u"], (2,))},
        {"u": "0.02 * laplace(u)"},
    ),
    Sample(
        "burgers", 0, 1, 0.4, 128, 256, {"nu": 0.02},
        {"u": lambda x: np.sin(2 * PI * x) + 0.3 * np.cos(4 * PI * x)},
        lambda f, d: {"u": -f["u"] * d(f["u"], (1,)) + 0.02 * d(f["u"], (2,))},
        {"u": "-u * d_dx(u) + 0.02 * laplace(u)"},
    ),
    Sample(
        "kuramoto-sivashinsky", 0, 22, 10, 64, 128, {"length": 22},
        {"u": lambda x: np.cos(2 * PI * x / 22) + 0.1 * np.sin(4 * PI * x / 22)},
        lambda f, d: {"u": -f["u"] * d(f["u"], (1,)) - d(f["u"], (2,)) - d(f["u"], (4,))},
        {"u": "-u * d_dx(u) - laplace(u) - laplace(laplace(u))"},
        method="LSODA",
    ),
    Sample(
        "allen-cahn", -1, 2, 0.3, 256, 192, {"D": 1e-3},
        {"u": lambda x: 0.5 * np.cos(PI * x) + 0.2 * np.sin(2 * PI * x)},
        lambda f, d: {"u": 1e-3 * d(f["u"], (2,)) + 5 * (f["u"] - f["u"] ** 3)},
        {"u": "1e-3 * laplace(u) + 5 * (u - u**3)"},
    ),
    Sample(
        "kdv", 0, 2, 0.2, 128, 0, {"delta": 0.03},
        {"u": lambda x: np.cos(PI * x)},
        lambda f, d: {"u": -f["u"] * d(f["u"], (1,)) - 0.03**2 * d(f["u"], (3,))},
    ),
    Sample(
        "gray-scott", 0, 0.5, 3, 64, 32, {"F": 0.04, "k": 0.06},
        {
            "u": lambda x, y: 0.7 + 0.2 * np.cos(4 * PI * x) * np.cos(4 * PI * y),
            "v": lambda x, y: 0.3 - 0.1 * np.cos(4 * PI * x) + 0.1 * np.sin(4 * PI * (x + y)),
        },
        lambda f, d: {
            "u": 2e-5 * (d(f["u"], (2, 0)) + d(f["u"], (0, 2))) - f["u"] * f["v"] ** 2 + 0.04 * (1 - f["u"]),
            "v": 1e-5 * (d(f["v"], (2, 0)) + d(f["v"], (0, 2))) + f["u"] * f["v"] ** 2 - 0.1 * f["v"],
        },
        {"u": "2e-5 * laplace(u) - u * v**2 + 0.04 * (1 - u)", "v": "1e-5 * laplace(v) + u * v**2 - 0.1 * v"},
    ),
    Sample(
        "wave-2d", 0, 1, 0.4, 16, 40, {"c": 1.0},
        {
            "u": lambda x, y: np.cos(2 * PI * x) * np.sin(2 * PI * y),
            "v": lambda x, y: np.sin(2 * PI * (x + y)),
        },
        lambda f, d: {"u": f["v"], "v": d(f["u"], (2, 0)) + d(f["u"], (0, 2))},
        {"u": "v", "v": "laplace(u)"},
    ),
]  # fmt: skip


def ours(sample: Sample) -> np.ndarray:
    """Fields at the end on nodes, [field, (y,) x]."""
    mesh = sample.mesh(sample.points, 0)
    initial = {name: function(*mesh)[None] for name, function in sample.start.items()}
    solution = simulate(
        sample.name, resolution=sample.points, times=[0, sample.end], initial=initial, options={"tolerance": 1e-8},
        **sample.parameters,
    )  # fmt: skip
    return np.stack([solution[name].values[0, -1] for name in sample.start])


def by_scipy(sample: Sample) -> np.ndarray:
    """The same by the method of lines with Fourier derivatives."""
    mesh = sample.mesh(sample.points, 0)
    start = np.stack([function(*mesh) for function in sample.start.values()])
    k = 2j * PI / sample.size * np.fft.fftfreq(sample.points, 1 / sample.points)

    def derivative(values: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
        factor = k ** orders[0] if sample.dims == 1 else k ** orders[0] * k[:, None] ** orders[1]
        return np.fft.ifftn(factor * np.fft.fftn(values)).real

    def right(_: float, state: np.ndarray) -> np.ndarray:
        fields = dict(zip(sample.start, state.reshape(start.shape), strict=True))
        changes = sample.right(fields, derivative)
        return np.concatenate([changes[name].ravel() for name in sample.start])

    found = solve_ivp(right, (0, sample.end), start.ravel(), method=sample.method, rtol=1e-9, atol=1e-10)
    assert found.success
    return found.y[:, -1].reshape(start.shape)


def by_pypde(sample: Sample, points: int) -> np.ndarray:
    """The same by py-pde with `points` cells, interpolated to our nodes."""
    pde = pytest.importorskip("pde")
    bounds = [(sample.low, sample.low + sample.size)] * sample.dims
    grid = pde.CartesianGrid(bounds, [points] * sample.dims, periodic=True)
    mesh = sample.mesh(points, 0.5)
    # py-pde stores x along the first axis
    fields = [pde.ScalarField(grid, function(*mesh).T) for function in sample.start.values()]
    state = fields[0] if len(fields) == 1 else pde.FieldCollection(fields)
    equation = pde.PDE(dict(sample.expressions))
    end = equation.solve(
        state, t_range=sample.end, dt=1e-4, solver="scipy", backend="numpy", tracker=None, method=sample.method,
        rtol=1e-8, atol=1e-9,
    )  # fmt: skip
    values = [end.data] if len(fields) == 1 else list(end.data)
    return np.stack([to_nodes(value.T, sample.points) for value in values])


def to_nodes(values: np.ndarray, points: int) -> np.ndarray:
    """Trigonometric interpolation from cell centres to `points` nodes along each axis, fewer or more."""
    for axis in range(values.ndim):
        cells = values.shape[axis]
        spectrum = np.moveaxis(np.fft.fft(values, axis=axis), axis, -1)
        numbers = np.fft.fftfreq(cells, 1 / cells)
        spectrum = spectrum * np.exp(-1j * PI * numbers / cells)
        nodes = np.exp(2j * PI * np.outer(numbers[np.abs(numbers) < cells / 2], np.arange(points)) / points)
        values = np.moveaxis((spectrum[..., np.abs(numbers) < cells / 2] @ nodes).real / cells, -1, axis)
    return values


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Largest relative L2 difference of a field."""
    axes = tuple(range(1, first.ndim))
    return float(
        (np.linalg.norm((first - second).reshape(len(first), -1), axis=1) / np.sqrt((second**2).sum(axes))).max()
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_against_scipy(sample: Sample) -> None:
    """1e-6: a hundredth of the bar, since both sides are spectral in space."""
    assert difference(ours(sample), by_scipy(sample)) < 1e-6


@pytest.mark.parametrize(
    "sample",
    [pytest.param(s, id=s.name, marks=pytest.mark.slow) for s in SAMPLES if s.expressions],
)
def test_against_pypde(sample: Sample) -> None:
    coarse, fine = by_pypde(sample, sample.other), by_pypde(sample, 2 * sample.other)
    truth = ours(sample)
    assert difference(truth, (4 * fine - coarse) / 3) < 1e-4
    # py-pde comes closer by its own order of two, so that it is this solution that it converges to.
    assert difference(truth, coarse) / difference(truth, fine) == pytest.approx(4, rel=0.1)
