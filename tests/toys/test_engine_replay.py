"""Whole runs, replayed in float64 on the engine's own minibatches and masks."""

import jaxtyping
import numpy as np
import pytest
from engine_rows import row_of, rows_of, train
from variants import COMBINATIONS, VARIANTS

from tegum.toys import engine, reference
from tegum.toys.model import Parameters, initial_weights, loss_steps

LIMIT = 1e-5
FLIPPED = 5e-3


@pytest.fixture(autouse=True)
def _unchecked_shapes():
    """Shapes are checked in the tests beside; here they would take most of the time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def replayed(row, *, chunk=250):
    """The reference's artifact on the minibatches that the engine draws for the row."""

    def minibatches():
        for first in range(0, row["steps"], chunk):
            count = min(chunk, row["steps"] - first)
            seen = engine.replay(row, first=first, count=count)
            for x, noise in zip(seen.x, seen.noise, strict=True):
                yield (
                    x.astype(np.float64),
                    None if row["noise"] == "none" else noise.astype(np.float64),
                )

    evaluation = engine.evaluation_inputs(row).astype(np.float64)
    return reference.replay(row, minibatches(), evaluation=evaluation)


def drift(row):
    """max|dW| between the engine and its float64 replay, and how far weights moved."""
    (ours,) = train([row])
    theirs = replayed(row)
    assert ours.status == theirs.status == "trained"
    moved = np.abs(theirs.arrays["W"] - initial_weights(row)).max()
    assert np.allclose(ours.arrays["loss"], theirs.arrays["loss"], rtol=1e-4, atol=1e-7)
    assert set(ours.arrays) == set(theirs.arrays)
    weights = [name for name in ("W", "b", "W_decoder") if name in ours.arrays]
    differences = [
        np.abs(ours.arrays[name] - theirs.arrays[name]).max() for name in weights
    ]
    return max(differences), moved


@pytest.mark.parametrize("size", [(5, 2), (20, 5)], ids=str)
@pytest.mark.parametrize(
    ("probability", "noise", "rate"),
    [(1.0, "dropout", 0.2), (0.01, "dropout", 0.2), (0.01, "none", 0.0)],
)
def test_a_thousand_steps(size, probability, noise, rate):
    n, m = size
    row = row_of(
        n_features=n,
        n_hidden=m,
        feature_probability=probability,
        noise=noise,
        rate=rate,
        batch_size=1024,
        steps=1000,
    )
    difference, moved = drift(row)
    assert difference <= LIMIT
    assert moved > 0.1


@pytest.mark.parametrize(
    "factors",
    [
        {"optimiser": "adamw", "weight_decay": 0.05, "schedule": "cosine"},
        {"optimiser": "adam", "weight_decay": 0.01, "schedule": "linear"},
        {"optimiser": "sgd", "learning_rate": 0.5, "weight_decay": 1e-3},
        {"optimiser": "sgd", "learning_rate": 2.0, "momentum": 0.0},
        {"noise": "gaussian_additive", "noise_std": 0.2},
        {"noise": "gaussian_additive_matched", "rate": 0.3},
        {"noise": "gaussian_multiplicative", "rate": 0.3, "output": "linear"},
        {"noise": "dropout", "rate": 0.5, "hidden_l1": 0.003},
        {"feature_probability": (0.9, 0.5, 0.3, 0.1, 0.05, 0.02, 0.01)},
        {"importance_decay": 0.7},
        {"optimiser_basis": "rotated", "weight_decay": 0.05},
        {"optimiser_basis": "rotated", "optimiser": "adam", "weight_decay": 0.01},
        {"optimiser_basis": "rotated", "noise": "dropout", "rate": 0.3},
        {"optimiser_basis": "rotated", "feature_probability": 0.02},
        {"initial_law": "uniform", "initial_std": 0.5},
    ],
    ids=str,
)
def test_every_optimiser_schedule_and_noise(factors):
    base = {"n_features": 7, "n_hidden": 3, "feature_probability": 0.3, "steps": 300}
    difference, moved = drift(row_of(**base | factors))
    assert difference <= LIMIT
    assert moved > 0.02


def fitting(factors):
    """The variant with groups that divide 5 and 20 features."""
    if "group_size" in factors:
        return factors | {"group_size": 5, "feature_probability": 0.15}
    if factors.get("activity") == "exactly_k":
        return factors | {"feature_probability": 0.4}
    return factors


@pytest.mark.parametrize("size", [(5, 2), (20, 5)], ids=str)
@pytest.mark.parametrize(
    ("name", "noise"),
    [
        *[(name, "none") for name in (*VARIANTS, *COMBINATIONS)],
        ("everything", "dropout"),
        ("everything", "gaussian_additive_matched"),
        ("everything", "rotated"),
        *[
            pytest.param(name, noise, marks=pytest.mark.slow)
            for name in COMBINATIONS
            for noise in ("dropout", "gaussian_additive_matched", "rotated")
            if name != "everything"
        ],
    ],
)
def test_a_thousand_steps_of_every_variant(size, name, noise):
    # A ReLU whose argument is 0 up to rounding may fall to the other side, which moves
    # weights by some 1e-4, and two rectified layers have many chances: the middle of
    # three seeds has none here.
    extra = {"none": {}, "rotated": {"optimiser_basis": "rotated"}}.get(
        noise, {"noise": noise, "rate": 0.3}
    )
    n, m = size
    rows = rows_of(
        **{"feature_probability": 0.3, "batch_size": 32, "steps": 1000, "seeds": 3}
        | {"n_features": n, "n_hidden": m}
        | fitting((VARIANTS | COMBINATIONS)[name])
        | extra
    )
    differences, moves = zip(*[drift(row) for row in rows], strict=True)
    assert sorted(differences)[1] <= LIMIT
    assert max(differences) <= FLIPPED
    assert min(moves) > 0.1


def test_the_clean_loss_is_recorded_along_the_schedule():
    row = row_of(n_features=5, n_hidden=2, feature_probability=0.2, steps=200)
    (artifact,) = train([row])
    assert np.array_equal(artifact.arrays["loss_step"], loss_steps(200))
    last = engine.clean_loss(row, Parameters.of(artifact))
    assert artifact.arrays["loss"][-1] == last
    assert artifact.arrays["loss"][-1] < artifact.arrays["loss"][0]


def test_weights_are_kept_along_the_way():
    row = row_of(
        n_features=5,
        n_hidden=2,
        feature_probability=0.2,
        steps=60,
        weight_checkpoints=3,
    )
    (artifact,) = train([row])
    assert artifact.arrays["checkpoint_step"].tolist() == [20, 40, 60]
    history = artifact.arrays["W_history"]
    assert np.array_equal(history[-1], artifact.arrays["W"])
    assert np.array_equal(artifact.arrays["b_history"][-1], artifact.arrays["b"])
    assert "W_decoder_history" not in artifact.arrays
    (shorter,) = train([{**row, "steps": 20, "weight_checkpoints": 0}])
    assert np.array_equal(history[0], shorter.arrays["W"])
    assert "W_history" not in shorter.arrays


def test_weights_of_an_untied_decoder_are_kept_along_the_way():
    row = row_of(
        n_features=5,
        n_hidden=2,
        feature_probability=0.2,
        decoder="untied",
        steps=60,
        weight_checkpoints=3,
    )
    (artifact,) = train([row])
    history = artifact.arrays["W_decoder_history"]
    assert history.shape == (3, 2, 5)
    assert np.array_equal(history[-1], artifact.arrays["W_decoder"])
    assert not np.array_equal(artifact.arrays["W_decoder"], artifact.arrays["W"])
    (shorter,) = train([{**row, "steps": 20, "weight_checkpoints": 0}])
    assert np.array_equal(history[0], shorter.arrays["W_decoder"])
    assert "W_decoder_history" not in shorter.arrays


@pytest.mark.parametrize("instruction_set", engine.available_instruction_sets())
def test_instruction_sets_agree_within_rounding(instruction_set):
    row = row_of(
        n_features=20, n_hidden=5, feature_probability=0.1, noise="dropout", rate=0.2,
        steps=200,
    )  # fmt: skip
    (best,) = train([row])
    (other,) = train([row], instruction_set=instruction_set)
    assert np.abs(best.arrays["W"] - other.arrays["W"]).max() <= LIMIT
