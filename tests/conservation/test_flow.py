"""Fluxes through sections and control volumes, and laws that are not linear."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sciflow.conservation import (
    Diagonal,
    combine,
    condition,
    condition_nonlinear,
    conserve,
    constraints,
    control_volume,
    nonlinear_law,
    section_flux,
)
from sciflow.core.errors import InputError

TIMES = np.array([[0.1, 0.2], [0.3, 0.5]])


def field(context: object, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.concatenate([u.reshape(-1), v.reshape(-1)])


def test_flux_through_sections_is_the_integral_of_the_velocity(small: SimpleNamespace) -> None:
    context = small.plane_context()
    x, y = context["x"].values, context["y"].values
    u = (1 + x) * (y**2)[:, None]
    at = [float(x[1]), float(0.3 * x[2] + 0.7 * x[3])]
    constraint = section_flux(context, "x", at, rate=2.0)
    expected = np.array([np.interp(place, x, 1 + x) for place in at]) * np.trapezoid(y**2, y)
    np.testing.assert_allclose(constraint.residual(field(context, u, 0 * u))[0, 0], expected - 2.0, rtol=1e-12)
    up = section_flux(context, "y", float(y[2]), rate=0.0)
    np.testing.assert_allclose(up.residual(field(context, 0 * u, u)).ravel(), y[2] ** 2 * np.trapezoid(1 + x, x))


def test_forecast_of_a_channel_gets_the_rate_of_its_inlet(small: SimpleNamespace) -> None:
    context = small.plane_context(grid="cells", mask=(("y", "x"), np.tril(np.ones((7, 5), bool))))
    query = small.query_of(context)
    rate = np.random.default_rng(0).uniform(1, 2, (2, 3, 1))
    sections = section_flux(context, "x", context["x"].values.tolist(), rate)
    assert sections.names[0].startswith("flux through x = ") and sections.rows == 5
    result = conserve(small.forecast_of(query, members=3, own=True), query, constraint=sections)
    state = np.concatenate([result.mean[name].values.reshape(2, 3, -1) for name in "uv"], axis=-1)
    assert np.abs(sections.residual(state)).max() < 1e-12


def test_control_volume_of_a_divergence_free_field_has_no_net_flux(small: SimpleNamespace) -> None:
    """u = x, v = -y: linear, so that interpolation and trapezoidal rule are exact."""
    context = small.plane_context()
    x, y = context["x"].values, context["y"].values
    bounds = {"x": (float(x[0]), float(0.5 * (x[2] + x[3]))), "y": (float(y[1]), float(y[5]))}
    constraint = control_volume(context, bounds)
    u, v = np.broadcast_to(x, (7, 5)), -np.broadcast_to(y[:, None], (7, 5))
    assert abs(constraint.residual(field(context, u, v)).item()) < 1e-14
    width = bounds["x"][1] - bounds["x"][0]
    height = bounds["y"][1] - bounds["y"][0]
    assert constraint.residual(field(context, u, 0 * v)).item() == pytest.approx(width * height)


def test_sections_of_periodic_axes_wrap(small: SimpleNamespace) -> None:
    context = small.plane_context().assign_coords(x=np.arange(5) / 5).assign_attrs(periodic="x")
    seam = section_flux(context, "x", 0.9, 0.0).matrix[0, 0, 0, :35].reshape(7, 5)
    np.testing.assert_allclose(seam[:, 4], seam[:, 0])
    assert (seam[:, 1:4] == 0).all()


def test_sections_across_a_periodic_axis_count_the_cell_at_the_seam(small: SimpleNamespace) -> None:
    context = small.plane_context().isel(x=slice(4)).assign_coords(x=np.arange(4) / 4).assign_attrs(periodic="x")
    y = context["y"].values

    def lengths(low: float, high: float) -> np.ndarray:
        """Of the cells along x, from the flux upwards through the lower side of a box."""
        box = {"x": (low, high), "y": (float(y[2]), float(y[4]))}
        v = control_volume(context, box).matrix[0, 0, 0, 28:].reshape(7, 4)
        return -v[2]

    np.testing.assert_allclose(lengths(0.0, 1.0), [0.25, 0.25, 0.25, 0.25])
    np.testing.assert_allclose(lengths(0.0, 0.9), [0.15, 0.25, 0.25, 0.25])
    np.testing.assert_allclose(lengths(0.0, 0.5), [0.125, 0.25, 0.125, 0.0])
    whole = section_flux(context, "y", float(y[2]), 0.0).matrix[0, 0, 0, 28:].reshape(7, 4)
    np.testing.assert_allclose(whole[2], 0.25)


def test_sections_that_cannot_be_taken(small: SimpleNamespace) -> None:
    context = small.plane_context()
    with pytest.raises(InputError, match="outside of the points"):
        section_flux(context, "x", 5.0, 1.0)
    with pytest.raises(InputError, match="no axis 'z'"):
        section_flux(context, "z", 0.5, 1.0)
    with pytest.raises(InputError, match="should be the field 'u'"):
        section_flux(context.drop_vars("u"), "x", 0.5, 1.0)
    with pytest.raises(InputError, match="rate of 1 sections"):
        section_flux(context, "x", 0.5, np.ones(4))
    with pytest.raises(InputError, match="bounds along y, x"):
        control_volume(context, {"x": (0.1, 0.2)})
    with pytest.raises(InputError, match="must increase"):
        control_volume(context, {"x": (0.2, 0.1), "y": (0, 1)})


def test_energy_is_met_by_iterated_linearisation(small: SimpleNamespace) -> None:
    """The end point holds the energy, and is stationary: its correction is along Sigma times the gradient."""
    context, problem = small.plane_context(), small.plane_problem()
    law = nonlinear_law(problem, context, TIMES, "energy")
    assert law.name == "energy (linearised)"
    rng = np.random.default_rng(0)
    start = np.concatenate([context[name].values.reshape(2, 1, -1) for name in "uv"], axis=-1)
    np.testing.assert_allclose(law.value(np.repeat(start, 2, axis=1)), law.target, rtol=1e-12)
    mean, variance = start + 0.2 * rng.normal(size=(2, 2, 70)), rng.uniform(0.5, 1, (2, 2, 70))
    posterior = condition_nonlinear(mean, Diagonal(variance), law)
    np.testing.assert_allclose(law.value(posterior.mean), law.target, rtol=1e-10)
    ratio = (posterior.mean - mean) / (variance * law.gradient(posterior.mean))
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[..., :1], ratio.shape), rtol=1e-6)
    both = condition_nonlinear(
        mean, Diagonal(variance), law, linear=constraints(problem, context, TIMES, laws=["mass"])
    )
    assert np.abs(constraints(problem, context, TIMES, laws=["mass"]).residual(both.mean)).max() < 1e-12
    np.testing.assert_allclose(law.value(both.mean), law.target, rtol=1e-10)


def test_a_linear_law_needs_one_linearisation(small: SimpleNamespace) -> None:
    context, problem = small.plane_context(), small.plane_problem()
    law, linear = (
        make(problem, context, TIMES, name, total=1.0)
        if make is nonlinear_law
        else make(problem, context, TIMES, laws=[name], total=1.0)
        for make, name in ((nonlinear_law, "mass"), (constraints, "mass"))
    )
    rng = np.random.default_rng(1)
    mean, sigma = rng.normal(size=(2, 2, 70)), Diagonal(rng.uniform(0.5, 1, (2, 2, 70)))
    found = condition_nonlinear(mean, sigma, law)
    np.testing.assert_allclose(found.mean, condition(mean, sigma, linear).mean, atol=1e-13)


def test_unreachable_energy_is_an_error(small: SimpleNamespace) -> None:
    law = nonlinear_law(small.plane_problem(), small.plane_context(), TIMES, "energy", total=-5.0)
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match=r"'energy \(linearised\)' did not converge"):
        condition_nonlinear(rng.normal(size=(2, 2, 70)), Diagonal(np.ones((2, 2, 70))), law)


def test_sections_and_laws_combine(small: SimpleNamespace) -> None:
    context = small.plane_context()
    laws = constraints(small.plane_problem(), context, TIMES, laws=["mass"])
    both = combine(laws, section_flux(context, "x", float(context["x"][1]), 1.0))
    assert both.rows == 2 and both.target.shape == (2, 2, 2) and both.names[0] == "mass"
