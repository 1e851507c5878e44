"""The exact solution as a solver: closed forms at nodes, clear refusals."""

from __future__ import annotations

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.problems import get
from sciflow.solvers import build, choose, simulate


def test_values_at_nodes() -> None:
    data = simulate("heat-decay", k=[1.0, 5.0], resolution=8, times=[0, 0.2, 1], solver="exact")
    places = 2 * np.pi * np.arange(8) / 8
    assert data.x.values == pytest.approx(places) and data.attrs["grid"] == "nodes"
    exact = np.exp(-np.multiply.outer([1, 5], [0, 0.2, 1]))[..., None] * np.sin(places)
    assert data.u.dims == ("case", "time", "x") and data.u.values == pytest.approx(exact, abs=1e-15)
    assert simulate("heat-rod", resolution=5, frames=2, solver="exact").x.values == pytest.approx(np.linspace(0, 1, 5))


def test_several_axes_and_fields() -> None:
    flow = simulate("navier-stokes-2d", resolution=(8, 6), times=[0, 1], solver="exact")
    begin = simulate("navier-stokes-2d", resolution=(8, 6), times=[0, 1e-9], initial="exact")
    assert set(begin.data_vars) >= {"w"} and flow.w[0, 0].values == pytest.approx(begin.w[0, 0].values, abs=1e-12)
    steady = simulate("helmholtz", resolution=9, solver="exact")
    assert steady.u.shape == (1, 1, 9, 9) and float(np.abs(steady.u).max()) > 0


@pytest.mark.parametrize("name", ["porous-medium", "stefan", "advection-step", "burgers-shock"])
@pytest.mark.filterwarnings("error")
def test_no_number_is_undefined_from_the_start_to_the_end(name: str) -> None:
    problem = get(name)
    info = problem.parameters[0]
    values = [info.low, info.default, info.high]
    data = simulate(problem, resolution=201, frames=201, solver="exact", **{info.name: values})
    assert np.isfinite(data.u.values).all()
    if name == "burgers-shock":  # the ramp closes at a node in time: t = 1 / a for a = 1 and 4
        assert data.u.values.min() >= 0 and (data.u.values.max(axis=(1, 2)) <= np.array(values)).all()


def test_it_is_never_chosen_and_says_what_does_not_fit() -> None:
    assert choose(get("heat-decay"))[0] == "periodic"
    with pytest.raises(InputError, match="declares no exact solution for 'u'"):
        build("fitzhugh-nagumo", 8, solver="exact")
    with pytest.raises(InputError, match="starts from the exact solution alone"):
        simulate("stefan", resolution=8, solver="exact", initial={"u": np.zeros((1, 8))})
