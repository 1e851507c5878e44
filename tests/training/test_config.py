from __future__ import annotations

from typing import Any

import pytest

from sciflow.core import InputError, UnknownNameError
from sciflow.training import Surrogate, Training


def test_options_are_sorted_into_training_and_network() -> None:
    surrogate = Surrogate("fno", width=8, steps=5, modes=3, learning_rate=1e-2)
    assert surrogate.training == Training(steps=5, learning_rate=1e-2)
    assert surrogate.options == {"width": 8, "modes": 3}


def test_keywords_win_over_a_given_training() -> None:
    assert Surrogate("fno", training=Training(steps=5, seed=3), seed=4).training == Training(steps=5, seed=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 5}, r"no option 'step'\. Did you mean 'steps'"),
        ({"widht": 5}, r"no option 'widht'\. Did you mean 'width'"),
        ({"steps": "many"}, "steps: input should be a valid integer.*not 'many'"),
        ({"steps": 0}, "steps: .*greater than or equal to 1, not 0"),
        ({"width": "wide"}, "width: .*not 'wide'"),
        ({"width": [1]}, "width: "),
        ({"schedule": "linear"}, "schedule: input should be 'cosine', 'constant' or 'step', not 'linear'"),
        ({"predict": "flux"}, "predict: input should be 'increment' or 'state'"),
        ({"learning_rate": float("nan")}, "learning_rate: "),
        ({"ema": 1.0}, "ema: input should be less than 1"),
        ({"precision": "16"}, "precision: "),
        ({"frames_in": 0, "predict": "increment"}, "predict 'increment' needs context frames"),
        ({"frames_in": 0, "frames_out": 2}, "each frame stands alone; use frames_out = 1"),
        ({"frames_in": 0, "unroll": 2}, "each frame stands alone.*unroll = 1"),
        ({"frames_in": -1}, "frames_in: .*greater than or equal to 0"),
        ({"pushforward": True}, "pushforward needs windows of several calls"),
        ({"unroll": 0}, "unroll: .*greater than or equal to 1"),
        ({"unroll_from": 1.0}, "unroll_from: .*less than 1"),
        ({"loss": "l1"}, "loss: input should be 'mse', 'relative', 'nmse' or 'nll'"),
        ({"optimizer": "sgd"}, "optimizer: input should be 'adamw' or 'adam'"),
        ({"decay_every": 0}, "decay_every: .*greater than or equal to 1"),
        ({"normalise": "nothing"}, "normalise: input should be 'train', 'none' or 'cfdbench'"),
        ({"points": 100}, "points are for networks without context frames"),
        ({"points": 100, "frames_in": 0}, "'fno' does not find each point by itself; leave points out"),
        ({"training": {"steps": 3}}, "training must be a Training, not dict"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Surrogate("fno", **options)


def test_unknown_networks_are_named() -> None:
    with pytest.raises(UnknownNameError, match="no network named 'fnoo'.*Did you mean 'fno'"):
        Surrogate("fnoo")


def test_what_is_predicted_follows_from_the_context() -> None:
    assert Training().output == "increment" and Training(frames_in=0).output == "state"
    assert Training(predict="state").output == "state" and Training(frames_in=2, predict="increment").frames_in == 2
    assert Surrogate("fno", training=Training(steps=3), frames_in=0).training.output == "state"


def test_settings_are_frozen_and_know_their_validation_interval() -> None:
    training = Training(steps=25)
    with pytest.raises(ValueError, match="frozen"):
        training.steps = 3  # type: ignore[misc]
    assert training.validation_interval == 2
    assert Training(steps=5).validation_interval == 1
    assert Training(validate_every=7).validation_interval == 7
