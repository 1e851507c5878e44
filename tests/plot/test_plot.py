"""Figures: panels, labels with units, and that nothing global is touched."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciflow import plot
from sciflow.core import Forecast, InputError
from sciflow.data import from_arrays


def flow(*space: str, frames: int = 6) -> xr.Dataset:
    """A field on a small grid."""
    generator = np.random.default_rng(0)
    coords = {axis: (axis, np.arange(5.0), {"units": "m"}) for axis in space}
    values = generator.normal(size=(2, frames, *[5] * len(space)))
    return xr.Dataset({"u": (("case", "time", *space), values, {"units": "m/s"})}, coords=coords)


def labels(figure: plot.fields) -> set[str]:  # type: ignore[valid-type]
    return {text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel(), axes.get_title())}


def test_maps_have_units_and_one_row_for_each_kind() -> None:
    data = flow("y", "x")
    alone = plot.fields(data)
    assert len(alone.axes) == 4 + 1  # four frames and a colour bar
    beside = plot.fields(Forecast(data), data, frames=[0, 5])
    assert len(beside.axes) == 3 * 2 + 3
    found = labels(beside)
    assert {"x [m]", "u [m/s]", "forecast\ny [m]", "truth\ny [m]", "difference\ny [m]", "frame 6"} <= found


def test_lines_and_slices() -> None:
    lines = plot.fields(flow("x"), flow("x"), frames=[0, 3])
    assert len(lines.axes) == 2 and len(lines.axes[0].lines) == 2
    assert {"x [m]", "u [m/s]"} <= labels(lines)
    assert len(plot.fields(flow("z", "y", "x"), frames=[1]).axes) == 2


def test_data_sets_of_sciflow_have_times() -> None:
    data = from_arrays({"u": np.random.default_rng(0).normal(size=(3, 4, 5, 5))}, times=[0.0, 0.5, 1.0, 1.5])
    assert "t = 1.5 s" in labels(plot.fields(data, case=2))


def drawn(made: Any) -> list[tuple[list[float], list[float]]]:
    """Truth and forecast of each panel of lines."""
    return [tuple(line.get_ydata().tolist() for line in axes.lines) for axes in made.axes]


def counted(frames: int, first: int = 0, **coords: Any) -> xr.Dataset:
    """A field that holds the number of its frame."""
    values = np.broadcast_to(np.arange(first, first + frames, dtype=float)[:, None], (1, frames, 3))
    return xr.Dataset({"u": (("case", "time", "x"), values)}, {"x": np.arange(3.0), **coords})


@pytest.mark.parametrize("own", [False, True])
def test_the_truth_is_shown_at_the_times_of_the_forecast(own: bool) -> None:
    def times(values: Any) -> dict[str, Any]:
        return {"time_of_case": (("case", "time"), np.array([values]))} if own else {"time": values}

    truth = counted(8, **times(0.1 * np.arange(8)))
    shown = counted(3, 2, **times(0.1 * np.arange(2, 5) + 1e-9))  # neither the first nor the last frames
    panels = drawn(plot.fields(Forecast(shown), truth))
    assert [real for real, _ in panels] == [forecast for _, forecast in panels] == [[n] * 3 for n in (2, 3, 4)]
    with pytest.raises(InputError, match=r"no frame at t = 0\.25"):
        plot.fields(counted(1, **times([0.25])), truth)


def test_without_times_the_truth_may_begin_with_the_context() -> None:
    panels = drawn(plot.fields(counted(2, 1), counted(6)))
    assert [real for real, _ in panels] == [forecast for _, forecast in panels] == [[1] * 3, [2] * 3]
    with pytest.raises(InputError, match="truth has 1 frames, fewer than the 2"):
        plot.fields(counted(2), counted(1))


def test_constant_and_broken_fields_are_drawn() -> None:
    data = flow("y", "x")
    data["u"].values[:] = 1.0
    data["u"].values[0, 2] = np.nan
    assert plot.png(plot.fields(data, data)).startswith(b"\x89PNG")


def test_rollout_curves() -> None:
    made = plot.rollout({"persistence": [0.1, 0.4], "fno": [0.001, np.inf]}, title="two steps")
    axes = made.axes[0]
    assert axes.get_yscale() == "log" and axes.get_xlabel() == "steps" and axes.get_ylabel() == "NMSE"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["persistence", "fno"]
    assert made._repr_png_().startswith(b"\x89PNG")


def marks() -> list[plot.Mark]:  # type: ignore[name-defined]
    return [
        plot.Mark("16", (1.0, 1.0, 1.0), (0.1, 0.05, 0.2), "solver"),
        plot.Mark("32", (4.0, 3.0, 5.0), (0.01, 0.0, np.inf), "solver", front=True),
        plot.Mark("fno", (0.5, 0.4, 0.7), (0.02, 0.01, 0.03), front=True),
        plot.Mark("still", (0.1, 0.1, 0.1), (1.0, 1.0, 1.0), "other"),
        plot.Mark("broken", (0.1, 0.1, 0.1), (np.inf, 1.0, np.inf)),
    ]


def test_the_trained_horizon_is_marked() -> None:
    (panel,) = plot.rollout({"a": [0.1] * 70, "b": [0.2] * 70}, trained=10).axes
    (mark,) = [line for line in panel.lines if line.get_label() == "trained on 10 steps"]
    assert list(mark.get_xdata()) == [10, 10] and len(panel.lines) == 3


def test_a_map_over_two_parameters() -> None:
    pairs = [(a, b) for a in (-1.0, 0.0, 1.0, 2.0) for b in (-0.5, 0.5)]
    scores = {"fno": {pair: 10.0**index for index, pair in enumerate(pairs)}, "other": dict.fromkeys(pairs[1:], 3.0)}
    scores["other"][pairs[2]] = np.inf
    trained = [(0, -0.5), (1, -0.5), (1, 0.5), (7, 7)]
    made = plot.error_map(scores, ("vx", "vy"), units=("m/s", ""), trained=trained, metric="relative L2", title="10")
    first, second, colours = made.axes
    assert (first.get_title(), second.get_title()) == ("fno", "other") and colours.get_ylabel() == "relative L2"
    assert (made.get_supxlabel(), made.get_supylabel()) == ("vx [m/s]", "vy")
    values = [panel.images[0].get_array() for panel in (first, second)]
    assert values[0].shape == (2, 4) and values[0][1, 2] == 10.0 ** pairs.index((1.0, 0.5))  # y upwards, x to the right
    assert values[1].mask.sum() == 2 and values[1].mask[0, 0] and values[1].mask[0, 1]
    assert [text.get_text() for text in first.get_xticklabels()] == ["-1", "0", "1", "2"]
    edges = {(*line.get_xdata(), *line.get_ydata()) for line in first.lines}
    assert edges == {  # an L of three cells: left, below and right of it, and its steps
        (0.5, 0.5, -0.5, 0.5), (0.5, 1.5, -0.5, -0.5), (1.5, 2.5, -0.5, -0.5), (2.5, 2.5, -0.5, 0.5),
        (2.5, 2.5, 0.5, 1.5), (1.5, 2.5, 1.5, 1.5), (1.5, 1.5, 0.5, 1.5), (0.5, 1.5, 0.5, 0.5),
    }  # fmt: skip
    assert plot.png(made).startswith(b"\x89PNG")
    assert plot.png(plot.error_map({"none": {(0.0, 0.0): np.nan}}, ("a", "b")))
    for nothing in ({}, {"fno": {}}):
        with pytest.raises(InputError, match="no scores"):
            plot.error_map(nothing, ("a", "b"))


def test_accuracy_against_cost() -> None:
    made = plot.accuracy_cost(marks(), title="one solve: 10 steps")
    axes = made.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("seconds per solve [s]", "NMSE [1]")
    assert (axes.lines[0].get_xdata().tolist(), axes.lines[0].get_ydata().tolist()) == ([1.0, 4.0], [0.1, 0.01])
    names = {text.get_text() for text in axes.get_legend().get_texts()}
    assert names == {"16", "32", "fno", "still", "on the front"}  # what diverged has no place
    bars = {item.get_label(): item for item in axes.containers}
    across, up = (lines.get_segments()[0] for lines in bars["fno"].lines[2])
    np.testing.assert_allclose(across, [[0.4, 0.02], [0.7, 0.02]])
    np.testing.assert_allclose(up, [[0.5, 0.01], [0.5, 0.03]])
    _, up = (lines.get_segments()[0] for lines in bars["32"].lines[2])
    np.testing.assert_allclose(up, [[4.0, 0.01], [4.0, 0.01]])  # ends at 0 and infinity are left off
    (ring,) = (line for line in axes.lines if line.get_label() == "on the front")
    assert ring.get_xdata() == pytest.approx([4.0, 0.5])
    assert plot.png(made).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="positive, finite"):
        plot.accuracy_cost(marks()[-1:])


def test_bad_input() -> None:
    with pytest.raises(InputError, match="no field 'w'"):
        plot.fields(flow("x"), names=["w"])
    with pytest.raises(InputError, match="case 4 does not exist"):
        plot.fields(flow("x"), case=4)
    with pytest.raises(InputError, match="Frames"):
        plot.fields(flow("x"), frames=[9])
    with pytest.raises(InputError, match="no curves"):
        plot.rollout({})


def test_no_pyplot_and_no_matplotlib_before_the_first_figure() -> None:
    code = (
        "import sys; from sciflow import plot; assert 'matplotlib' not in sys.modules; "
        "plot.rollout({'a': [1.0]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
