"""Training: conditions in the loss, small networks to exact solutions, reasons to stop, windows of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from jax.flatten_util import ravel_pytree

from sciflow.core.errors import SciflowError
from sciflow.pinn.ansatz import Ansatz
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.functions import expression
from sciflow.pinn.objective import Batch, Term, in_blocks
from sciflow.pinn.settings import Settings
from sciflow.pinn.training import Best, Record, Trained, Trainer, has_converged, joined, train
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    Outflow,
    Parameter,
    Problem,
    Robin,
    coordinates,
    laplacian,
)

t, x, y = coordinates("t x y")
u = Field("u")(t, x)
k = Parameter("k", 0.5, 0.1, 1.0)
SMALL = {"width": 8, "depth": 2, "points": 256, "boundary_points": 24, "resample": 0, "seconds": None}


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _rod(evolution: Any, start: Any, boundary: Mapping[str, Any] | None = None, **changes: Any) -> Problem:
    settings: dict[str, Any] = {"domain": Box(x=(0, 1)), "time": (0, 1), "boundary": {u: boundary or {}}} | changes
    return Problem(name="rod", fields=[u], parameters=[k], evolution={u: evolution}, initial={u: start}, **settings)


def _levenberg(steps: int) -> dict[str, Any]:
    return {"phases": ({"method": "levenberg-marquardt", "steps": steps, "chunk": steps},)}


def _solved(problem: Problem, **settings: Any) -> tuple[Eulerian, Trained]:
    wanted = Settings.make({**SMALL, **settings})
    system = Eulerian.of(problem, problem.sample(1, 0, None, **problem.values())[0], wanted)
    return system, train(system, wanted)


def _error(system: Eulerian, trained: Trained, exact: Any, field: str = "u") -> float:
    """Relative L2 error at random points."""
    problem = system.model.problem
    low, high = np.array(system.model.embedding.bounds).T
    points = np.random.default_rng(3).uniform(low, high, (500, len(low))).T
    inside = problem.domain.inside(points[-len(problem.axes) :].T, problem.values())
    points = points[:, inside]
    truth = sympy.lambdify(problem.coordinates, sympy.sympify(exact).subs({"k": 0.5}), "numpy")(*points)
    found = system.fields(trained.weights)(points)[field]
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


MU = sympy.pi / 3
WAVE = sympy.exp(-(MU**2) * t / 2) * sympy.cos(MU * x)  # with k = 1/2; level at x = 0, u_x = -mu tan(mu) u at x = 1
LOSS = float((MU * sympy.tan(MU)).evalf())
ENDS = {
    "Neumann and Robin": {"x-": Neumann(0), "x+": Robin(0, a=LOSS, b=1)},
    "outflow and a slope in time": {"x-": Outflow(), "x+": Neumann(WAVE.diff(x).subs(x, 1))},
    "slope on the left": {"x-": Neumann(-WAVE.diff(x).subs(x, 0)), "x+": Dirichlet(WAVE.subs(x, 1))},
    "Robin on the left": {"x-": Robin(3 * WAVE.subs(x, 0), a=3, b=2), "x+": Dirichlet(WAVE.subs(x, 1))},
    "all of them": {"x-": Neumann(0), "x+": Dirichlet(WAVE.subs(x, 1))},
}


def _holding(system: Eulerian, exact: Any) -> Eulerian:
    """The same system with the exact fields in place of the network's."""
    problem = system.model.problem
    factors = {info.name: expression(problem, sympy.Integer(0)) for info in problem.fields}
    ansatz = Ansatz({}, {"u": expression(problem, exact)}, factors)
    return replace(system, model=replace(system.model, ansatz=ansatz))


@pytest.mark.parametrize("kind", list(ENDS))
def test_conditions_in_the_loss_vanish_for_the_solution(kind: str) -> None:
    problem = _rod(k * u.diff(x, 2), WAVE.subs(t, 0), ENDS[kind])
    settings = Settings.make({**SMALL, "hard": kind != "all of them"})
    system = Eulerian.of(problem, problem.sample(1, 0, None, k=0.5)[0], settings)
    left = {"slope on the left": ["x-"], "Robin on the left": ["x-"], "all of them": ["x-", "x+", "t-"]}
    assert [soft.side for soft in system.conditions] == left.get(kind, ["x-", "x+"])
    weights, batches = system.init(jax.random.key(0)), system.draw(np.random.default_rng(0), None)
    for wanted, exact in ((True, WAVE), (False, WAVE * (2 + x + x**2))):
        terms = _holding(system, exact).terms[1:]
        for term, batch in zip(terms, batches[1:], strict=True):
            rows = term.rows(weights, {name: item[0] for name, item in batch.blocks.items()})
            assert rows.shape == (1, 24)
            assert (float(jnp.abs(rows).max()) < 1e-13) == wanted


def test_conditions_on_an_obstacle() -> None:
    """log r is harmonic; steady, on a square with a hole whose outward normal points to its centre."""
    w = Field("u")(x, y)
    exact = sympy.log(sympy.sqrt(x**2 + y**2))
    sides = {"x-": Dirichlet(exact), "y+": Neumann(exact.diff(y)), "obstacle": Neumann(-sympy.Rational(5, 2))}
    problem = Problem(
        name="hole",
        fields=[w],
        domain=Box(x=(-1, 1), y=(-1, 1)) - Disk((0, 0), sympy.Rational(2, 5)),
        steady={w: sympy.Eq(laplacian(w), 0)},
        boundary={w: sides},
    )
    system = _holding(Eulerian.of(problem, problem.sample(1, 0)[0], Settings.make(SMALL)), exact)
    weights, batches = system.init(jax.random.key(0)), system.draw(np.random.default_rng(0), None)
    assert [term.name for term in system.terms] == ["equations", "u x-", "u y+", "u obstacle"]
    for term, batch in zip(system.terms, batches, strict=True):
        rows = term.rows(weights, {name: item[0] for name, item in batch.blocks.items()})
        assert float(jnp.abs(rows).max()) < 1e-11


def test_heat_with_a_slope_in_the_loss() -> None:
    problem = _rod(k * u.diff(x, 2), WAVE.subs(t, 0), ENDS["slope on the left"])
    system, trained = _solved(problem, **_levenberg(30))
    assert _error(system, trained, WAVE) < 1e-4


@pytest.mark.slow
def test_nonlinear_wave_on_a_ring_by_first_and_second_order_methods() -> None:
    """u_t = -u u_x + k u_xx + source on a ring, Adam then Broyden, points that follow the residual."""
    exact = sympy.exp(-t) * sympy.sin(2 * sympy.pi * x) + 1
    source = exact.diff(t) + exact * exact.diff(x) - k * exact.diff(x, 2)
    problem = _rod(-u * u.diff(x) + k * u.diff(x, 2) + source, exact.subs(t, 0), None, periodic=["x"])
    phases = ({"method": "adam", "steps": 100}, {"method": "broyden", "steps": 200})
    system, trained = _solved(problem, phases=phases, resample=100)
    assert [reason.split(":")[0] for reason in trained.reasons] == ["adam", "broyden"]
    assert [(record.phase, record.step) for record in trained.history] == [
        ("adam", 0),
        ("adam", 100),
        ("broyden", 100),
        ("broyden", 200),
    ]
    assert trained.loss == trained.history[-1].loss < 1e-3 * trained.history[0].loss
    assert _error(system, trained, exact) < 1e-2


def test_the_same_seed_gives_the_same_answer_and_causal_weights_end_with_the_plain_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = _rod(k * u.diff(x, 2), sympy.sin(2 * sympy.pi * x), None, periodic=["x"])
    changes = {"phases": ({"method": "adam", "steps": 20},), "resample": 10, "causal": 0.3, "seed": 1}
    wanted = Settings.make({**SMALL, **changes})
    system = Eulerian.of(problem, problem.sample(1, 0, None, k=0.5)[0], wanted)
    trainer, drawn, draw = Trainer(system, wanted), [], Eulerian.draw
    monkeypatch.setattr(Eulerian, "draw", lambda *arguments: drawn.append(draw(*arguments)) or drawn[-1])
    first, second = trainer.run(), trainer.run(start=system.init(jax.random.key(1)))
    assert [record.loss for record in first.history] == [record.loss for record in second.history]
    assert all(map(np.array_equal, jax.tree.leaves(first.weights), jax.tree.leaves(second.weights)))

    flat, (_, _, last) = ravel_pytree(first.weights)[0], drawn[:3]  # at the start, held out, anew
    plain = float(trainer._plain(flat, tuple(last)))
    assert first.loss == pytest.approx(plain, rel=1e-9)
    assert float(trainer._plain(flat, tuple(trainer._weighed(system, flat, last)))) < 0.9 * plain


class _Line:
    """Fit of w to p: the loss (w - 3)^2, or one that is not finite."""

    def __init__(self, broken: bool = False) -> None:
        self.broken, self.drawn = broken, 0

    @property
    def terms(self) -> list[Term]:
        def rows(weights: Any, block: Mapping[str, jax.Array]) -> jax.Array:
            found = (weights["w"] - 3.0)[None] * jnp.ones_like(block["points"])
            return jnp.log(-jnp.abs(found) - 1.0) if self.broken else found

        return [Term("line", rows)]

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        return {"w": jnp.ones(1)}

    def draw(self, rng: np.random.Generator, sizes: Any) -> list[Batch]:
        self.drawn += 1
        return [in_blocks({"points": rng.random((1, 8))}, [1.0], jnp.float64)]


def _settings(**changes: Any) -> Settings:
    phases = ({"method": "levenberg-marquardt", "steps": 10, "chunk": 1},)
    return Settings.make({**SMALL, "phases": phases, **changes})


def test_reasons_to_stop() -> None:
    exact = train(_Line(), _settings())
    assert float(exact.weights["w"][0]) == pytest.approx(3.0, abs=1e-6)
    assert exact.count == 1
    early = train(_Line(), _settings(target=1.0))
    assert early.reasons == ("levenberg-marquardt: target reached after 1 steps",)
    assert early.loss <= 1.0
    adam = ({"method": "adam", "steps": 60, "chunk": 20}, {"method": "adam", "steps": 20})
    late = train(_Line(), _settings(phases=adam, seconds=1e-9))
    assert late.reasons == ("adam: time limit after 20 steps",)
    whole = train(_Line(), _settings(phases=adam))
    assert whole.reasons == ("adam: all steps taken after 60 steps", "adam: all steps taken after 20 steps")
    assert whole.history[0].loss == pytest.approx(4.0)
    assert [record.step for record in whole.history] == [0, 20, 40, 60, 20]
    assert all(a.seconds <= b.seconds for a, b in zip(whole.history, whole.history[1:], strict=False))


def test_points_are_drawn_anew_only_where_asked_for() -> None:
    adam = ({"method": "adam", "steps": 60, "chunk": 20},)
    # Where points change, one more set is held out.
    for resample, draws in ((0, 1), (20, 4), (30, 3)):
        line = _Line()
        train(line, _settings(phases=adam, resample=resample, adaptive=False))
        assert line.drawn == draws


def test_what_counts_as_converged() -> None:
    def records(*losses: float) -> list[Record]:
        return [Record("adam", k, 0.0, loss) for k, loss in enumerate(losses)]

    stuck = ("broyden: no step along the descent direction lowers the loss after 3 steps",)
    late = ("broyden: time limit after 3 steps",)
    assert has_converged(records(1.0, 1e-7), late) and not has_converged(records(1.0, 1e-5), late)
    assert has_converged(records(1.0, 1e-5), stuck) and not has_converged(records(1.0, 1e-3), stuck)
    assert not has_converged(records(1.0, 1e9, 1.0), late)  # a spike is no first loss
    assert has_converged(records(1e-30, 1e-30), ("levenberg-marquardt: target reached after 10 steps",))
    assert not has_converged(records(1.0, 1e-7), late, first=1e-7) and not has_converged([], late)


def test_training_ends_with_the_best_weights_that_it_saw() -> None:
    losses = {1.0: 5.0, 2.0: 1.0, 3.0: 99.0, 4.0: np.nan}
    best = Best(lambda flat: losses[float(flat[0])])
    weights = {number: jnp.array([number]) for number in losses}
    assert best.last(weights[4.0]) is weights[4.0]
    for number in (4.0, 1.0, 2.0, 3.0):
        best.see(weights[number])
    assert all(best.last(weights[number]) is weights[2.0] for number in losses)


def test_a_loss_that_is_not_finite_is_no_success() -> None:
    with pytest.raises(SciflowError, match="loss is not finite after 20 steps of 'adam'"):
        train(_Line(broken=True), _settings(phases=({"method": "adam", "steps": 60, "chunk": 20},)))


def test_stages_are_joined_end_to_end() -> None:
    parts = [train(_Line(), _settings(phases=({"method": "adam", "steps": 5},))) for _ in range(2)]
    both = joined(parts)
    assert both.seconds == pytest.approx(parts[0].seconds + parts[1].seconds)
    assert both.reasons == (
        "stage 1: adam: all steps taken after 5 steps",
        "stage 2: adam: all steps taken after 5 steps",
    )
    assert both.history[2].seconds == parts[0].history[-1].seconds
    assert both.count == 2


def test_a_window_starts_where_the_one_before_it_ended() -> None:
    problem = _rod(k * u.diff(x, 2), sympy.sin(2 * sympy.pi * x), None, periodic=["x"], time=(0, 0.4))
    settings = Settings.make(SMALL)
    first = Eulerian.of(problem, problem.sample(1, 0, None, k=0.1)[0], settings, time=(0.0, 0.2))
    begun = jax.tree.map(lambda w: w - 0.1, first.init(jax.random.key(0)))
    second = first.after(begun)
    moved = jax.tree.map(lambda w: w + 0.2, begun)
    places = np.linspace(0, 1, 9)
    meeting, later = (np.stack([np.full(9, moment), places]) for moment in (0.2, 0.3))
    before = first.fields(begun)(meeting)["u"]
    np.testing.assert_allclose(second.fields(moved)(meeting)["u"], before, rtol=0, atol=1e-13)
    assert np.abs(second.fields(moved)(later)["u"] - before).max() > 1e-3
