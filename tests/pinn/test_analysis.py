"""Widths against the published table, curvature against exact Hessians, pictures by what they draw."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from jax.flatten_util import ravel_pytree
from matplotlib.colors import LogNorm

from sciflow.core import InputError, SciflowError
from sciflow.pinn.analysis import (
    Plane,
    displacements,
    hessian_eigenpairs,
    loss_plane,
    modes,
    singular_values,
    speed_study,
)
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.objective import Batch, Objective, Term, in_blocks
from sciflow.pinn.particles import Particles
from sciflow.pinn.settings import Settings
from sciflow.pinn.solving import case_of
from sciflow.plot import loss_planes, singular_value_decay, solution_maps, top_eigenvalues
from sciflow.problems import Box, Field, Parameter, Problem, coordinates

PLACES, TIMES = 2 * np.pi * np.arange(256) / 256, np.linspace(0, 1, 100)
NU = 0.01


def carried_sine() -> Problem:
    """A sine carried at speed c, without the diffusion of the registered problem: it compiles in half the time."""
    t, x = coordinates("t x")
    u = Field("u")(t, x)
    c = Parameter("c", 1.0, 0.0, 100.0)
    return Problem(
        name="sine",
        fields=[u],
        parameters=[c],
        domain=Box(x=(0, 2 * np.pi)),
        periodic=["x"],
        time=(0, 1),
        evolution={u: -c * u.diff(x)},
        initial={u: sympy.sin(x)},
        characteristic={x: c},
    )


def bell(place: np.ndarray) -> np.ndarray:
    """A periodic Gaussian of standard deviation pi / 4."""
    around = (place - np.pi + np.pi) % (2 * np.pi) - np.pi
    return np.exp(-(around**2) / (2 * (np.pi / 4) ** 2))


def steepening(place: np.ndarray, time: Any) -> np.ndarray:
    """Viscous Burgers from sin x, by the formula of Hopf and Cole; the trapezoidal rule is exact to rounding here."""
    nodes = np.arange(-11, 11.01, 0.2).reshape(-1, *[1] * place.ndim)
    came_from = place - np.sqrt(4 * NU * time) * nodes
    exponent = -(1 - np.cos(came_from)) / (2 * NU) - nodes**2
    share = np.exp(exponent - exponent.max(axis=0))
    return (np.sin(came_from) * share).sum(axis=0) / share.sum(axis=0)


@pytest.mark.parametrize(("speed", "expected"), [(0, (1, 1, 1)), (2, (2, 2, 2)), (50, (2, 2, 2))])
def test_a_carried_sine_has_two_modes_at_any_speed(speed: float, expected: tuple[int, ...]) -> None:
    assert modes(np.sin(PLACES[:, None] - speed * TIMES)) == expected


@pytest.mark.parametrize(("speed", "expected"), [(2, (3, 4, 6)), (5, (5, 7, 9)), (10, (5, 7, 9)), (50, (5, 7, 9))])
def test_a_carried_bell_needs_more(speed: float, expected: tuple[int, ...]) -> None:
    assert modes(bell(PLACES[:, None] - speed * TIMES)) == expected


@pytest.mark.parametrize(("speed", "expected"), [(0, (2, 3, 5)), (10, (6, 19, 34))])
def test_a_moving_front_needs_many_modes_on_a_grid(speed: float, expected: tuple[int, ...]) -> None:
    places, times = np.broadcast_arrays(PLACES[:, None] - speed * TIMES, TIMES)
    assert modes(steepening(places, times)) == expected


def test_the_same_front_needs_three_modes_by_its_particles() -> None:
    labels, step = PLACES[::4], TIMES[1]
    places = [labels]
    for begun in TIMES[:-1]:  # Runge-Kutta; 1e-8 off
        x = places[-1]
        first = steepening(x, begun)
        second = steepening(x + step / 2 * first, begun + step / 2)
        third = steepening(x + step / 2 * second, begun + step / 2)
        last = steepening(x + step * third, begun + step)
        places.append(x + step / 6 * (first + 2 * second + 2 * third + last))
    paths = np.stack(places, axis=1)
    carried = np.stack([steepening(x, time) for x, time in zip(places, TIMES, strict=True)], axis=1)
    assert modes(carried) == (1, 2, 3)
    assert modes(displacements(labels, paths)) == (1, 1, 2)
    assert modes(displacements(labels, paths + 50 * TIMES)) == (1, 1, 1)


def test_singular_values_and_displacements_of_small_matrices() -> None:
    np.testing.assert_allclose(singular_values([[3.0, 0.0], [0.0, -4.0], [0.0, 0.0]]), [4, 3], rtol=1e-14)
    assert modes([[3.0, 0.0], [0.0, 4.0]], (0.59, 0.61)) == (2, 1)  # the smaller is 3/5 of the norm
    assert modes(np.zeros((4, 3))) == (0, 0, 0)
    paths = np.array([[[1.0, 2.0]], [[5.0, 5.5]]])  # two axes, one particle, two times
    np.testing.assert_array_equal(displacements([[1.0], [5.0]], paths), [[0, 1], [0, 0.5]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: modes(np.zeros(3)), "matrix"),
        (lambda: modes(np.zeros((0, 3))), "matrix"),
        (lambda: modes([[np.nan, 1.0]]), "NaN"),
        (lambda: modes(np.eye(2), (1e-2, 1.0)), "between 0 and 1, not 1"),
        (lambda: displacements(np.zeros(4), np.zeros((3, 2))), "shape of their labels"),
    ],
)
def test_what_is_no_snapshot_matrix_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def quadratic(spectrum: np.ndarray, points: int = 64) -> tuple[Objective, list[Batch], np.ndarray]:
    """A loss w^T H w / 2 in two blocks, with that spectrum, and the eigenvectors of H in its rows."""
    generator = np.random.default_rng(3)
    size = len(spectrum)
    left, _ = np.linalg.qr(generator.normal(size=(points, size)))
    right, _ = np.linalg.qr(generator.normal(size=(size, size)))
    rows = left * np.sqrt(spectrum * points / 2) @ right.T
    with jax.enable_x64(True):
        batch = in_blocks({"rows": rows.T}, [1.0], jnp.float64, size=points // 2)
    return Objective([Term("rows", lambda w, block: w[None] @ block["rows"])], lambda w: w), [batch], right.T


def test_a_quadratic_gives_its_spectrum() -> None:
    spectrum = np.concatenate([[7.0, 5.5, 5.0], np.linspace(1e-3, 1, 27)])
    objective, batches, vectors = quadratic(spectrum)
    values, found = hessian_eigenpairs(objective, np.ones(30), batches, 3)
    np.testing.assert_allclose(values, [7.0, 5.5, 5.0], rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(found * vectors[:3], axis=1)), 1, rtol=1e-9)


def test_the_largest_eigenvalue_is_not_the_largest_in_size() -> None:
    """At zero, (1 - 5 a^2)^2 + b^2 + 2 c^2 has the curvatures -20, 2 and 4."""
    rows = Term("rows", lambda w, block: jnp.stack([1 - 5 * w[0] ** 2, w[1], 2**0.5 * w[2]])[:, None] * block["one"])
    batches = [in_blocks({"one": np.ones((1, 16))}, [1.0, 1.0, 1.0], jnp.float32)]
    values, _ = hessian_eigenpairs(Objective([rows], lambda w: w), np.zeros(3), batches, 2)
    np.testing.assert_allclose(values, [4, 2], rtol=1e-6)


def test_a_network_in_single_precision_gives_the_eigenvalues_of_its_whole_hessian_in_double() -> None:
    def rows(w: dict[str, jax.Array], block: Any) -> jax.Array:
        place = block["points"]
        return w["out"] @ jnp.tanh(w["in"] @ place + w["bias"]) - jnp.sin(3 * place[:1])

    generator = np.random.default_rng(1)
    weights = {"in": (5, 2), "bias": (5, 1), "out": (1, 5)}
    flat, unravel = ravel_pytree({key: jnp.asarray(generator.normal(size=shape)) for key, shape in weights.items()})
    batches = [in_blocks({"points": generator.uniform(-1, 1, (2, 96))}, [2.0], jnp.float32)]
    assert flat.dtype == jnp.float32
    objective = Objective([Term("fit", rows)], unravel)
    values, vectors = hessian_eigenpairs(objective, flat, batches)
    with jax.enable_x64(True):
        exact_weights, exact_batches = jax.tree.map(lambda item: jnp.asarray(item, jnp.float64), (flat, batches))
        hessian = np.asarray(jax.jit(jax.hessian(objective.loss))(exact_weights, exact_batches))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(hessian)[::-1][:2], rtol=1e-10)
    np.testing.assert_allclose(vectors @ hessian, values[:, None] * vectors, atol=1e-6 * values[0])
    assert values.dtype == vectors.dtype == np.float64 and vectors.shape == (2, flat.size)


def plane_of(kind: Any, speed: float) -> np.ndarray:
    """Losses of a small network for a carried sine, around random weights."""
    problem, generator = carried_sine(), np.random.default_rng(1)
    settings = Settings(width=4, depth=1, points=64)
    with jax.enable_x64(True):
        system = kind.of(problem, case_of(problem, {"c": speed}), settings)
        shapes = jax.eval_shape(system.init, jax.random.key(0))
        flat, unravel = ravel_pytree(jax.tree.map(lambda item: jnp.asarray(generator.normal(size=item.shape)), shapes))
        batches = system.draw(np.random.default_rng(0), None)
    directions = generator.normal(size=(2, flat.size))
    return loss_plane(Objective(system.terms, unravel), flat, batches, directions, 0.1, 3).losses


def test_landscapes_steepen_with_speed_for_a_network_on_a_grid_and_not_for_particles() -> None:
    steepness = [float(np.ptp(plane_of(Eulerian, speed))) for speed in (5.0, 50.0)]
    assert steepness[1] > 50 * steepness[0]  # as the square of large speeds
    np.testing.assert_allclose(plane_of(Particles, 50.0), plane_of(Particles, 5.0), rtol=1e-9)


def test_losses_on_a_plane_and_where_they_lie() -> None:
    spectrum = np.linspace(4, 1, 7)
    objective, batches, vectors = quadratic(spectrum)
    weights = 0.5 * vectors[0]  # off the minimum along the first direction
    plane = loss_plane(objective, weights, batches, vectors[:2], 1.0, 5)
    first, second = np.meshgrid(plane.offsets, plane.offsets)
    np.testing.assert_array_equal(plane.offsets, [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(plane.losses, 2 * (first + 0.5) ** 2 + 1.75 * second**2, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda o, b: hessian_eigenpairs(o, np.ones(7), b, 7), "1 to 6 eigenpairs"),
        (lambda o, b: hessian_eigenpairs(o, np.ones(7), b, 0), "1 to 6 eigenpairs"),
        (lambda o, b: hessian_eigenpairs(o, np.full(7, np.nan), b), "not finite"),
        (lambda o, b: loss_plane(o, np.ones(7), b, np.ones((2, 6)), 1.0, 3), "shape"),
        (lambda o, b: loss_plane(o, np.ones(7), b, np.ones((2, 7)), 0.0, 3), "positive extent"),
        (lambda o, b: loss_plane(o, np.ones(7), b, np.ones((2, 7)), 1.0, 1), "at least 2 points"),
    ],
)
def test_impossible_landscapes_are_refused(call: Any, message: str) -> None:
    objective, batches, _ = quadratic(np.linspace(4, 1, 7))
    nan = Objective([Term("nan", lambda w, block: objective.terms[0].rows(w, block) ** 2)], lambda w: w)
    with pytest.raises(SciflowError, match=message):
        call(nan, batches)


def panels(made: Any) -> list[Any]:
    """Axes but those of colour bars."""
    return [axes for axes in made.axes if axes.get_label() != "<colorbar>"]


def bars(made: Any) -> list[str]:
    """Labels of the colour bars."""
    return [axes.get_ylabel() for axes in made.axes if axes.get_label() == "<colorbar>"]


def test_decay_of_both_frames_is_relative_and_on_one_scale() -> None:
    made = singular_value_decay({"Eulerian": {"u": [4.0, 2.0, 1.0]}, "Lagrangian": {"x - X": [5.0, 1e-30], "u": [2.0]}})
    grid, particles = panels(made)
    np.testing.assert_allclose(grid.lines[0].get_xydata(), [[1, 1], [2, 0.5], [3, 0.25]])
    np.testing.assert_allclose(particles.lines[0].get_xydata(), [[1, 1]])  # without what is rounding
    assert [line.get_label() for line in particles.lines] == ["x - X", "u"]
    assert grid.get_yscale() == "log" and grid.get_ylim() == particles.get_ylim()
    assert (grid.get_title(), grid.get_xlabel()) == ("Eulerian", "mode [1]")
    assert grid.get_ylabel() == "singular value / largest [1]"


def test_planes_share_a_logarithmic_scale() -> None:
    offsets = np.array([-1.0, 0.0, 1.0])
    low, high = np.arange(1.0, 10.0).reshape(3, 3), np.geomspace(1e-30, 1e3, 9).reshape(3, 3)
    made = loss_planes({"pinn, c = 50": Plane(offsets, low), "lpinn, c = 50": Plane(offsets, high)})
    first, second = panels(made)
    for panel, losses in ((first, low), (second, high)):
        (mesh,) = panel.collections
        np.testing.assert_array_equal(mesh.get_array().reshape(3, 3), losses)
        assert isinstance(mesh.norm, LogNorm) and (mesh.norm.vmin, mesh.norm.vmax) == pytest.approx(
            (1e-9, 1e3)
        )  # 12 decades
        assert (panel.get_xlabel(), panel.get_ylabel()) == ("first direction [1]", "second direction [1]")
    assert second.get_title() == "lpinn, c = 50" and bars(made) == ["loss [1]"]


def test_eigenvalues_against_speed() -> None:
    made = top_eigenvalues([0, 10, 50], {"pinn": [1.0, np.nan, 1e4], "lpinn": [3.0, 3.0, 3.0]}, unit="m/s")
    (panel,) = panels(made)
    np.testing.assert_array_equal(panel.lines[0].get_xydata(), [[0, 1], [50, 1e4]])
    np.testing.assert_array_equal(panel.lines[1].get_xdata(), [0, 10, 50])
    assert panel.get_yscale() == "log" and panel.get_legend().texts[1].get_text() == "lpinn"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("c [m/s]", "largest eigenvalue of the Hessian [1]")


def test_maps_of_a_solution_its_error_and_its_residual() -> None:
    times, places = np.array([0.0, 1.0]), np.array([0.0, 2.0, 4.0])
    truth = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    missed = np.array([[0.0, 1e-2], [-1e-3, 1e-9], [0.0, 0.0]])
    units = {"t": "d", "u": "K", "residual": "K/d"}
    made = solution_maps(times, places, truth + missed, reference=truth, residual=-truth, units=units)
    drawn = panels(made)
    assert [panel.get_title() for panel in drawn] == ["solution", "reference", "error", "residual"]
    assert {panel.get_xlabel() for panel in drawn} == {"t [d]"} and drawn[0].get_ylabel() == "x [m]"
    assert bars(made) == ["u [K]", "u [K]", "|error of u| [K]", "|residual| [K/d]"]
    meshes = [panel.collections[0] for panel in drawn]
    np.testing.assert_array_equal(meshes[0].get_array().reshape(3, 2), truth + missed)
    assert {(mesh.norm.vmin, mesh.norm.vmax) for mesh in meshes[:2]} == {(0, 5)}
    floor = 1e-8  # six decades below the top
    np.testing.assert_allclose(meshes[2].get_array().reshape(3, 2), np.maximum(np.abs(missed), floor), rtol=1e-6)
    assert isinstance(meshes[2].norm, LogNorm)
    np.testing.assert_allclose(meshes[3].get_array().reshape(3, 2), np.maximum(truth, 1))
    assert meshes[1].get_coordinates()[..., 1].mean() == pytest.approx(2)  # places upwards


def test_a_perfect_solution_can_be_drawn() -> None:
    field = np.array([[-1.0, 0.0], [0.5, 0.2]])
    made = solution_maps([0, 1], [0, 1], field, reference=field)
    solution, _, error = (panel.collections[0] for panel in panels(made))
    assert error.get_array().max() == 0
    assert (solution.norm.vmin, solution.norm.vmax, solution.get_cmap().name) == (-1, 1, "RdBu_r")
    assert made._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: singular_value_decay({"Eulerian": {}}), "no singular values"),
        (lambda: singular_value_decay({"Eulerian": {"u": [0.0]}}), "'u' start"),
        (lambda: loss_planes({}), "no planes"),
        (lambda: loss_planes({"a": Plane(np.zeros(2), np.zeros((2, 2)))}), "No loss is positive"),
        (lambda: top_eigenvalues([1, 2], {"pinn": [1.0]}), "'pinn' has 1 eigenvalues for 2"),
        (lambda: solution_maps([0, 1], [0, 1, 2], np.zeros((2, 3))), r"solution has shape \(2, 3\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_pictures_touch_no_global_state() -> None:
    code = (
        "import sys; from sciflow.plot import singular_value_decay as draw; draw({'E': {'u': [1.0]}});"
        "assert 'matplotlib.pyplot' not in sys.modules and 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def wave(speed: float, points: np.ndarray) -> dict[str, np.ndarray]:
    return {"u": np.sin(points[1] - speed * points[0])}


@pytest.mark.slow
def test_a_study_shows_that_particles_do_not_mind_the_speed() -> None:
    settings = {"width": 6, "depth": 1, "points": 128, "resample": 0, "phases": [{"method": "adam", "steps": 200}]}
    table = speed_study(carried_sine(), "c", [30.0], ["pinn", "lpinn"], settings, reference=wave)
    assert list(table) == ["c", "method", "loss", "error", "eigenvalue", "modes", "path modes"]
    assert list(table["method"]) == ["pinn", "lpinn"] and set(table["c"]) == {30.0}
    pinn, lpinn = (row for _, row in table.iterrows())
    assert pinn["error"] > 0.5 and lpinn["error"] < 0.05
    assert pinn["eigenvalue"] > 10 * lpinn["eigenvalue"] > 0
    assert (pinn["modes"], pinn["path modes"]) == (2, 0) and lpinn["path modes"] == 1
    assert lpinn["loss"] < pinn["loss"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ["lpin"]}, "'lpin' to study. Did you mean 'lpinn'"),
        ({"parameter": "speed"}, "speed"),
        ({"problem": "darcy"}, "one space axis"),
        ({"reference": lambda value, points: {"u": np.ones(points.shape[1])}}, "constant"),
    ],
)
def test_impossible_studies_are_refused(given: dict[str, Any], message: str) -> None:
    known: dict[str, Any] = {"problem": carried_sine(), "parameter": "c", "values": [1.0], "methods": ["pinn"]}
    settings = Settings(width=2, depth=1, points=16, phases=({"method": "adam", "steps": 1},))
    with pytest.raises(InputError, match=message):
        speed_study(**{"settings": settings, "reference": wave, **known, **given})
