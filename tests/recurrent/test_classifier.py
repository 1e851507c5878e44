"""Classifiers of clips: invariance to drift, published sizes, and their training."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.recurrent.classification import accuracy, fit_classifier
from sciflow.recurrent.classifier import SequenceClassifier
from sciflow.recurrent.cnn3d import CNN3D
from sciflow.recurrent.velocities import Velocities

SMALL = {"widths": (4, 6), "kernels": (3, 3)}


def drifting(clips: torch.Tensor, velocity: tuple[int, int]) -> torch.Tensor:
    """Frame t of [B, T, C, H, W] moved by t times the velocity (y, x) in cells."""
    vy, vx = velocity
    return torch.stack([torch.roll(f, (t * vy, t * vx), (-2, -1)) for t, f in enumerate(clips.unbind(1))], 1)


def classifier(**options) -> SequenceClassifier:
    torch.manual_seed(0)
    return SequenceClassifier(2, 3, **SMALL | options).eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def change(model: torch.nn.Module, clips: torch.Tensor, velocity: tuple[int, int]) -> float:
    """Largest change of a score by a drift, relative to how scores differ between clips."""
    with torch.no_grad():
        still, moving = model(clips), model(drifting(clips, velocity))
    return float((moving - still).abs().max() / still.std(0).max())


@pytest.mark.parametrize("velocity", [(1, 0), (0, -2), (2, 1), (4, 3)])
def test_a_drift_of_a_closed_set_changes_no_score(velocity):
    clips = noise(4, 9, 2, 5, 5)
    assert Velocities.box(2, range(2), 2).closed((5, 5))
    assert change(classifier(velocities=2), clips, velocity) < 1e-5
    assert change(classifier(velocities=0), clips, velocity) > 0.1
    assert change(classifier(velocities=2, mover="learned"), clips, velocity) > 0.1


def test_the_same_holds_in_training_where_statistics_are_of_the_batch():
    model, clips = classifier(velocities=2).train(), noise(4, 6, 2, 5, 5)
    assert torch.allclose(model(clips), model(drifting(clips, (1, 2))), atol=1e-5)


def test_a_truncated_set_is_not_invariant():
    assert change(classifier(velocities=1), noise(4, 9, 2, 7, 7), (1, 1)) > 1e-3


@pytest.mark.parametrize("options", [{"velocities": 1}, {"velocities": 0}, {"velocities": 1, "mover": "learned"}])
def test_a_shift_of_the_whole_clip_changes_no_score(options):
    model, clips = classifier(**options), noise(3, 4, 2, 6, 7)
    with torch.no_grad():
        assert torch.allclose(model(clips), model(torch.roll(clips, (2, 3), (-2, -1))), atol=1e-6)


def test_against_the_equation_written_out():
    model, clips = classifier(velocities=1), noise(2, 5, 2, 6, 6)
    for norm in model.norms:
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)

    def periodic(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="circular"), weight)

    with torch.no_grad():
        memory = [torch.zeros(2, 6, 6, 6) for _ in model.velocities.vectors]
        for frame in clips.unbind(1):
            for convolution, norm in zip(model.lift, model.norms, strict=True):
                frame = periodic(frame, convolution.weight)
                statistics = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
                frame = functional.batch_norm(frame, *statistics).relu()
            for number, (vy, vx) in enumerate(model.velocities.vectors):
                moved = torch.roll(memory[number], (int(vy), int(vx)), (-2, -1))
                memory[number] = torch.tanh(periodic(moved, model.cell.weight) + frame)
        expected = model.head(torch.stack(memory).amax(0).mean((-2, -1)))
        assert torch.allclose(model(clips), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "published"),
    [
        (SequenceClassifier(1, 6, velocities=2), 241_638),
        (SequenceClassifier(1, 6, velocities=0), 241_638),
        (SequenceClassifier(1, 6, velocities=2, mover="learned"), 242_263),
        (CNN3D(1, 6), 208_598),
    ],
)
def test_published_numbers_of_parameters(model, published):
    # Released configurations of the paper for grey images and 6 classes.
    assert sum(parameter.numel() for parameter in model.parameters()) == published


def test_other_velocities_with_the_same_weights():
    model = classifier(velocities=1)
    wide = model.with_velocities(2)
    assert len(wide.velocities) == 25 and len(model.velocities) == 9
    assert change(wide, noise(4, 9, 2, 5, 5), (2, 1)) < 1e-5
    again, clips = wide.with_velocities(1), noise(2, 4, 2, 6, 6)
    with torch.no_grad():
        assert torch.equal(again(clips), model(clips))
    with pytest.raises(InputError, match="Learned kernels belong to the velocities"):
        classifier(mover="learned").with_velocities(2)


@pytest.mark.parametrize("options", [{"velocities": 1}, {"velocities": 1, "mover": "learned"}, {"cnn": True}])
def test_gradients_reach_all_weights_and_a_batch_is_learned(options):
    torch.manual_seed(0)
    cnn = options.pop("cnn", False)
    model = CNN3D(2, 3, width=4) if cnn else SequenceClassifier(2, 3, **SMALL, **options)
    clips, labels = noise(6, 5, 2, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    functional.cross_entropy(model(clips), labels).backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in model.parameters())
    trained = fit_classifier(model, clips, labels, (clips, labels), steps=150, batch=6, rate=1e-2, every=50)
    assert trained.history[-1][2] < 0.1 < trained.history[0][2]
    assert trained.accuracy == 1 == accuracy(model, clips, labels)


def bars(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bars along y (label 0) or x (1) at random places that drift by one cell per frame, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    still = torch.zeros(count, 6, 1, 8, 8)
    still[labels == 0, :, :, 2:7, 3] = 1
    still[labels == 1, :, :, 3, 2:7] = 1
    clips = torch.cat([drifting(clip[None], (1, 1) if n % 4 < 2 else (-1, 0)) for n, clip in enumerate(still)])
    return clips + 0.5 * torch.randn(clips.shape, generator=generator), labels


def test_training_learns_keeps_the_best_weights_and_repeats_itself():
    train, valid, test = bars(128, 0), bars(64, 1), bars(64, 2)
    results = []
    for _ in range(2):
        torch.manual_seed(0)
        model = SequenceClassifier(1, 2, **SMALL)
        trained = fit_classifier(model, *train, valid, steps=60, batch=16, rate=1e-2, every=7)
        results.append((trained.step, [row[2:] for row in trained.history], model.state_dict()))
    assert accuracy(model, *test) > 0.9
    assert [row[0] for row in trained.history] == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert trained.accuracy == max(row[3] for row in trained.history) == accuracy(model, *valid)
    assert trained.step in [row[0] for row in trained.history]
    assert results[0][:2] == results[1][:2]
    assert all(torch.equal(weight, results[1][2][name]) for name, weight in results[0][2].items())


def test_a_training_by_seconds_stops():
    data = bars(16, 0)
    trained = fit_classifier(SequenceClassifier(1, 2, **SMALL), *data, data, seconds=0.2, every=1000)
    assert len(trained.history) == 1 and trained.history[0][1] >= 0.2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"velocities": -1}, "velocities must be a whole number of at least 0"),
        ({"velocities": Velocities(((1.0,),))}, "Images move along 2 axes; these velocities have 1"),
        ({"widths": (4,)}, "one entry per convolution, not 1 and 2"),
        ({"kernels": (3, 4)}, "kernels must be an odd"),
        ({"widths": (4, 0)}, "widths must be a whole number of at least 1"),
        ({"identity": -1}, "share between 0 and 1"),
        ({"mover": "stay"}, "mover is 'drift' or 'learned', not 'stay'"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(InputError, match=said):
        classifier(**options)


@pytest.mark.parametrize("model", [SequenceClassifier(2, 3, **SMALL), CNN3D(2, 3)])
def test_bad_clips(model):
    with pytest.raises(InputError, match=r"with 2 channels.*shape \[1, 4, 3, 6, 6\]"):
        model(torch.zeros(1, 4, 3, 6, 6))
    with pytest.raises(InputError, match="at least one frame"):
        model(torch.zeros(1, 0, 2, 6, 6))


def test_a_set_larger_than_the_canvas():
    with pytest.raises(InputError, match="larger than the grid of 4 x 4 points"):
        classifier(velocities=2)(noise(1, 3, 2, 4, 4))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": None}, "give one of them"),
        ({"seconds": 1.0}, "give one of them"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"steps": None, "seconds": -1.0}, "seconds must be a positive time"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, r"8 clips and labels of the shape \[3\]"),
        ({"labels": torch.zeros(8)}, "type torch.float32"),
        ({"clips": torch.full((8, 6, 1, 8, 8), torch.nan)}, "NaN in the clips or lower the rate"),
    ],
)
def test_bad_trainings(changed, said):
    clips, labels = bars(8, 0)
    values = {"clips": clips, "labels": labels, "valid": (clips, labels), "steps": 1} | changed
    with pytest.raises(InputError, match=said):
        fit_classifier(SequenceClassifier(1, 2, **SMALL), **values)
