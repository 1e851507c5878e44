"""Clips of moving digits under noise: what is in them, and that one frame is not enough to classify them."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sciflow.core.errors import InputError
from sciflow.solvers.images.clips import Clips, moving_clips
from sciflow.solvers.images.pictures import handwritten


def test_without_noise_a_clip_is_a_rolled_digit_of_its_part() -> None:
    clips = moving_clips("test", 5, reach=2, noise=0.0, seed=3)
    assert clips.frames.shape == (5, 16, 1, 24, 24) and clips.frames.dtype == np.float32
    assert clips.labels.dtype == np.int64 and np.abs(clips.velocities).max() == 2
    pictures = handwritten(12)
    for clip, label, velocity, start in zip(*clips, strict=True):
        first = np.roll(clip[0, 0], -start, (0, 1))[:12, :12]
        matches = np.abs(pictures.images[2] - first).max(axis=(1, 2)) < 1e-6
        assert matches.sum() == 1 and pictures.labels[2][matches] == label
        for t, frame in enumerate(clip[:, 0]):
            assert np.array_equal(frame, np.roll(clip[0, 0], t * velocity, (0, 1)))


def test_noise_is_new_in_every_frame_and_of_the_given_size() -> None:
    noisy, clean = (moving_clips("train", 20, reach=0, noise=noise, seed=1).frames for noise in (0.5, 0.0))
    rest = (noisy - clean)[:, :, 0].reshape(20, 16, -1)
    assert rest.std() == pytest.approx(0.5, rel=0.01) and abs(rest.mean()) < 0.01
    assert abs(np.mean(rest[:, 1:] * rest[:, :-1])) < 0.005


def test_a_clip_comes_from_its_own_seed() -> None:
    few, many = moving_clips("valid", 3), moving_clips("valid", 6)
    assert all(np.array_equal(a, b[:3]) for a, b in zip(few, many, strict=True))
    assert not np.array_equal(moving_clips("valid", 3, seed=1).frames, few.frames)
    assert not np.array_equal(moving_clips("train", 3).velocities, moving_clips("test", 3).velocities)


def averaged(clips: Clips, frames: int, along: bool) -> np.ndarray:
    """Mean of the first frames around the start of the digit, along its motion or in place; told both."""
    out = np.zeros((len(clips.labels), 12, 12))
    for clip, velocity, start, mean in zip(clips.frames, clips.velocities, clips.starts, out, strict=True):
        for t in range(frames):
            mean += np.roll(clip[t, 0], -(start + along * t * velocity), (0, 1))[:12, :12] / frames
    return out.reshape(len(out), -1)


def test_one_frame_is_not_enough() -> None:
    """Linear classifiers that are told where the digit is; 2,000 clips give 0.49, 0.93 and 0.29."""
    train, test = moving_clips("train", 600), moving_clips("test", 200)
    scores = []
    for frames, along in ((1, True), (16, True), (16, False)):
        fitted = LogisticRegression(C=0.02, max_iter=200).fit(averaged(train, frames, along), train.labels)
        scores.append(fitted.score(averaged(test, frames, along), test.labels))
    single, compensated, in_place = scores
    assert single < 0.6 and compensated > 0.8 and in_place < 0.5


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        ("tset", {}, "no part 'tset' of the images. Did you mean 'test'"),
        ("test", {"count": 0}, "count is 0; give at least 1"),
        ("test", {"reach": -1}, "reach is -1"),
        ("test", {"noise": -0.1}, "noise is -0.1"),
        ("test", {"frames": 0}, "frames is 0"),
        ("test", {"canvas": 10}, "the canvas has 10"),
        ("test", {"size": 200, "canvas": 300}, "size of the digits is 200"),
    ],
)
def test_bad_input(part: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        moving_clips(part, **{"count": 1, **options})
