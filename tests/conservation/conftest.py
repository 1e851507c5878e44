"""Small problems, contexts and forecasts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciflow.core.method import Forecast, Query
from sciflow.problems import Box, Dirichlet, Field, Neumann, Parameter, Problem, conservation, coordinates


def plane_problem() -> Problem:
    """Two fields in a box with walls: a plain law, one with coefficients, an open one, and two that are not linear."""
    t, x, y = coordinates("t x y")
    u, v = Field("u")(t, x, y), Field("v")(t, x, y)
    c = Parameter("c", 2.0, 1.0, 3.0)
    walls = {side: Neumann(0) for side in ("x-", "x+", "y-", "y+")}
    return Problem(
        name="plane",
        fields=[u, v],
        parameters=[c],
        domain=Box(x=(0, 1), y=(0, 2)),
        evolution={u: u.diff(x, 2) + u.diff(y, 2), v: c * v.diff(x)},
        boundary={u: walls, v: {side: Dirichlet(0) for side in walls}},
        conserves=[
            conservation("mass", u, [-u.diff(x), -u.diff(y)]),
            conservation("moment", c * x * u + 3 * v + y, [v, v]),
            conservation("open", v, [-v.diff(x), 0]),
            conservation("energy", u**2 / 2 + v**2 / 2, [0 * u, 0 * u]),
            conservation("slope", u.diff(x) ** 2, [0 * u, 0 * u]),
        ],
    )


def line_problem(density: str = "plain") -> Problem:
    """One field on an open line: its integral is c (1 + t^3), of which 3 c t^2 flows in."""
    t, x = coordinates("t x")
    u, c = Field("u")(t, x), Parameter("c", 2.0, 1.0, 3.0)
    known: dict[str, Any] = {"total": c * (1 + t**3), "inflow": 3 * c * t**2} if density == "plain" else {}
    law = conservation("mass", u if density == "plain" else (1 + t) * u, [u], **known)
    return Problem(
        name="line", fields=[u], parameters=[c], domain=Box(x=(0, 1)), evolution={u: -u.diff(x)}, conserves=[law]
    )


def plane_context(
    cases: int = 2,
    frames: int = 1,
    shape: tuple[int, int] = (7, 5),
    *,
    grid: str = "nodes",
    seed: int = 0,
    **extra: Any,
) -> xr.Dataset:
    """A context on an uneven grid (y, x) with fields u and v."""
    rng = np.random.default_rng(seed)
    dims = ("case", "time", "y", "x")
    y, x = (np.sort(rng.uniform(0, high, size)) for high, size in zip((2, 1), shape, strict=True))
    fields = {name: (dims, rng.normal(size=(cases, frames, *shape))) for name in "uv"}
    coords = {"y": y, "x": x, "c": ("case", rng.uniform(1, 3, cases))}
    return xr.Dataset({**fields, **extra}, coords, {"grid": grid, "periodic": "", "problem": "plane"})


def query_of(context: xr.Dataset, steps: int = 3) -> Query:
    """Ask for frames at 0.1, 0.2, ... s after a context at 0 s."""
    cases, frames = context.sizes["case"], context.sizes["time"]
    return Query(context, np.zeros((cases, frames)), np.tile(0.1 * np.arange(1, steps + 1), (cases, 1)))


def fields_like(context: xr.Dataset, steps: int, rng: np.random.Generator, lead: tuple[str, int] | None = None) -> dict:
    """Random values of every field of a context, with a leading dimension."""
    out = {}
    for name, values in context.data_vars.items():
        if "time" in values.dims:
            sizes = {**({lead[0]: lead[1]} if lead else {}), **values.sizes, "time": steps}
            out[name] = (tuple(sizes), rng.normal(size=tuple(sizes.values())))
    return out


def forecast_of(query: Query, *, members: int = 0, own: bool = False, seed: int = 0) -> Forecast:
    """A random forecast: with a variance, or with members and, if `own`, their variances."""
    rng = np.random.default_rng(seed)
    space = {name: query.context[name] for name in query.context.coords if name in query.context.dims}

    def dataset(lead: tuple[str, int] | None = None) -> xr.Dataset:
        return xr.Dataset(fields_like(query.context, query.steps, rng, lead), space)

    if not members:
        return Forecast(dataset(), np.exp(dataset()))
    drawn = dataset(("member", members))
    within = np.exp(dataset(("member", members))) if own else None
    variance = drawn.var("member", ddof=1) + (0 if within is None else within.mean("member"))
    return Forecast(drawn.mean("member"), variance, drawn, None, within)


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """The functions above."""
    parts = (plane_problem, line_problem, plane_context, query_of, forecast_of)
    return SimpleNamespace(**{part.__name__: part for part in parts})
