"""How training went: what still fell, what diverged."""

import math

import numpy as np
import pytest

from tegum.arrays import Artifact
from tegum.design import grid
from tegum.toys import TRAINING, ToyModels
from tegum.toys.model import loss_steps
from tegum.toys.training import loss_fall_last_tenth


def artifact(at_nine_tenths: float, last: float, status: str = "trained") -> Artifact:
    steps = loss_steps(1000)
    loss = np.full(len(steps), 7.0)
    loss[steps == 900], loss[steps == 1000] = at_nine_tenths, last
    return Artifact({"loss_step": steps, "loss": loss}, status=status)


@pytest.mark.parametrize(
    ("at_nine_tenths", "last", "fall"),
    [
        (1.1, 1.0, 0.1),  # it stood a tenth higher
        (1.0, 1.0, 0.0),  # settled
        (0.9, 1.0, -0.1),  # it rose
        (0.0, 0.0, 0.0),  # nothing left to fall
        (0.5, 0.0, math.inf),
    ],
)
def test_the_fall_is_relative_to_where_the_loss_ended(at_nine_tenths, last, fall):
    assert loss_fall_last_tenth(artifact(at_nine_tenths, last)) == pytest.approx(fall)


@pytest.mark.parametrize("steps", range(1, 10))
def test_fewer_than_ten_steps_have_no_last_tenth(steps):
    recorded = loss_steps(steps)
    falling = np.linspace(9.0, 1.0, len(recorded))
    made = Artifact({"loss_step": recorded, "loss": falling})
    assert math.isnan(loss_fall_last_tenth(made))


@pytest.mark.parametrize("steps", [10, 11, 13, 15, 25, 35, 1005, 99_995])
def test_any_longer_training_is_told_by_the_loss_nine_tenths_through(steps):
    recorded = loss_steps(steps)
    made = Artifact({"loss_step": recorded, "loss": 2.0 - recorded / steps})
    assert loss_fall_last_tenth(made) == pytest.approx(0.1, abs=0.5 / steps + 1e-9)


@pytest.mark.parametrize("recorded", [[1000], [0, 1000], [0, 500, 950, 1000]])
def test_without_a_loss_near_nine_tenths_nothing_can_be_told(recorded):
    loss = np.linspace(9.0, 1.0, len(recorded))
    made = Artifact({"loss_step": np.array(recorded), "loss": loss})
    assert math.isnan(loss_fall_last_tenth(made))


def test_the_nearest_earlier_loss_stands_in_for_that_at_nine_tenths():
    recorded = np.arange(0, 1001, 64)
    made = Artifact({"loss_step": recorded, "loss": 2000.0 - recorded})
    assert loss_fall_last_tenth(made) == pytest.approx((960 - 832) / 1040)


def test_a_diverged_model_has_no_fall_and_says_so():
    numbers = TRAINING(artifact(1.0, math.nan, "diverged"), {})
    assert math.isnan(numbers["loss_fall_last_tenth"])
    assert numbers["diverged"] == 1.0


def test_a_model_cut_short_still_falls_and_a_long_one_has_settled():
    common = {
        "n_features": 5,
        "n_hidden": 2,
        "feature_probability": 0.2,
        "batch_size": 128,
        "learning_rate": 0.01,
    }
    subject = ToyModels()
    rows = subject.complete(grid(**common, steps=[40, 4000], seeds=6))
    made = subject.train(rows, workers=2, progress=lambda _: None, stop=lambda: False)
    falls = {40: [], 4000: []}
    for row, found in zip(rows, made, strict=True):
        falls[row["steps"]].append(loss_fall_last_tenth(found))
    assert abs(np.median(falls[4000])) < 0.01 < np.median(falls[40])
