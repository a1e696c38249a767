"""Phases by dimensionality, beside the optimum of the same row."""

import doctest
import math

import numpy as np
import pytest

from tegum.arrays import Artifact
from tegum.theory.mean_cancellation import mean_cancellation
from tegum.theory.small_models import least_loss
from tegum.toys import phase as module
from tegum.toys.phase import NUMBERS, PHASE, optimum, phase
from tegum.toys.starts import BestOfStarts, trained_losses


def row(importance=(1.0, 0.5), **factors):
    n = len(importance)
    usual = {
        "n_features": n,
        "n_hidden": n - 1,
        "feature_probability": 0.1,
        "importance": importance,
        "noise": "dropout",
        "rate": 0.0,
        "steps": 100,
        "starts": 2,
        "seed": 0,
    }
    return BestOfStarts().complete([{**usual, **factors}])[0]


def artifact(W, b, of_row, *, others=(), history=None):
    """One that was made by hand: its best run, and others beside it."""
    runs = [np.array(W, float), *(np.array(other, float) for other in others)]
    biases = np.array([b] * len(runs), float)
    arrays = {
        "W": runs[0],
        "b": np.array(b, float),
        "W_of_starts": np.stack(runs),
        "b_of_starts": biases,
        "expected_loss_of_starts": trained_losses(np.stack(runs), biases, of_row),
    }
    if history is not None:
        arrays |= {
            "checkpoint_step": np.array([90, 100]),
            "W_history": np.stack([history, runs[0]]),
            "b_history": np.array([b, b], float),
        }
    return Artifact(arrays)


def test_the_three_phases_by_hand():
    at = row()
    for W, name in (
        ([[1.0, 0.0]], "ignored"),
        ([[1.0, -1.0]], "shared"),
        ([[0.0, 1.0]], "own"),
    ):
        found = PHASE(artifact(W, [0.0, 0.0], at), at)
        assert [found[kind] for kind in ("ignored", "shared", "own")] == [
            float(kind == name) for kind in ("ignored", "shared", "own")
        ]
    # An antipodal pair: norm 1, the other's whole length along it, D = 1/2.
    pair = PHASE(artifact([[1.0, -1.0]], [0.0, 0.0], at), at)
    numbers = [pair[k] for k in ("norm", "superposition_of_last", "dimensionality")]
    assert numbers == pytest.approx([1.0, 1.0, 0.5])


def test_shrinking_all_weights_and_rotating_them_change_no_phase():
    W = np.random.default_rng(0).normal(size=(2, 3))
    c, s = math.cos(0.7), math.sin(0.7)
    at = row((1.0, 1.0, 0.5), rate=0.5)
    one, small, turned = (
        PHASE(artifact(M, np.zeros(3), at), at)
        for M in (W, 0.1 * W, np.array([[c, -s], [s, c]]) @ W)
    )
    assert small["dimensionality"] == pytest.approx(one["dimensionality"])
    assert turned["dimensionality"] == pytest.approx(one["dimensionality"])
    assert small["norm"] == pytest.approx(0.1 * one["norm"])


def test_the_optimum_agrees_with_itself_and_loses_nothing_more():
    for at in (row(), row((1.0, 1.0, 0.5), rate=0.5)):
        least = optimum(at)
        found = PHASE(artifact(least.W, least.b, at), at)
        assert found["agrees"] == 1.0
        assert found["shared_beyond_optimum"] == 0.0
        assert found["excess_loss"] == pytest.approx(0.0, abs=1e-4)
        assert found["optimal_dimensionality"] == pytest.approx(found["dimensionality"])


def test_a_linear_unit_cancels_its_mean_which_is_called_sharing():
    """Dense inputs, and a last feature of almost no importance: the closed form."""
    at = row((1.0, 1e-9), feature_probability=1.0, rate=0.5, output="linear")
    known = mean_cancellation(1, density=1.0, rate=0.5)
    least = optimum(at)
    assert least.loss == pytest.approx(known.loss, rel=1e-6)
    found = PHASE(artifact(least.W, least.b, at), at)
    D = known.idle**2 / (known.idle**2 + known.kept**2)
    assert found["optimal_dimensionality"] == pytest.approx(D, rel=1e-2)
    assert found["optimal_shared"] == found["agrees"] == 1.0
    clean = row((1.0, 0.5), feature_probability=1.0, output="linear")
    assert optimum(clean).loss == pytest.approx(0.5 / 12, rel=1e-6)


def test_the_mean_over_starts_counts_those_that_miss():
    at = row()
    least = optimum(at)
    others = [[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]]
    found = PHASE(artifact(least.W, least.b, at, others=others), at)
    shares = [found[f"{kind}_of_starts"] for kind in ("ignored", "shared", "own")]
    assert shares == [0.25, 0.25, 0.5]
    assert found["agrees_of_starts"] == 0.25
    assert found["reached_of_starts"] == 0.25
    assert found["agrees"] == 1.0


def test_the_remembered_optimum_is_that_of_the_row_alone():
    for r in (0.5, 50.0):
        found = optimum(row((1.0, r)))
        alone = least_loss(2, 1, density=0.1, relative_importance=r)
        assert found.loss == pytest.approx(alone.loss, rel=1e-6)


def test_only_the_ratio_of_importances_matters_to_the_optimum():
    one, twice = optimum(row((1.0, 0.5))), optimum(row((2.0, 1.0)))
    assert twice.loss == pytest.approx(2.0 * one.loss)
    np.testing.assert_array_equal(one.W, twice.W)


def test_the_fall_of_the_exact_loss_by_hand():
    # One dropped feature, of density 1 and importance 0 beside it: the loss is that of
    # the first, a gain g on x: (1 - g)^2 / 3 with bias 0, halved over two features.
    at = row((1.0, 0.0), feature_probability=1.0)
    before, after = math.sqrt(0.5), math.sqrt(0.8)
    found = module.expected_loss_fall(
        artifact([[after, 0.0]], [0.0, 0.0], at, history=np.array([[before, 0.0]])), at
    )
    assert found == pytest.approx(0.5**2 / 0.2**2 - 1.0, rel=1e-4)
    assert math.isnan(
        module.expected_loss_fall(artifact([[1.0, 0.0]], [0.0, 0.0], at), at)
    )


def test_a_diverged_model_has_no_phase_and_zero_weights_are_ignored():
    at = row()
    gone = PHASE(artifact([[np.nan, 1.0]], [0.0, 0.0], at), at)
    theirs = [name for name in NUMBERS if not name.startswith("optimal")]
    assert all(math.isnan(gone[name]) for name in theirs)
    assert PHASE(artifact([[0.0, 0.0]], [0.0, 0.0], at), at)["ignored"] == 1.0
    assert np.isnan(phase(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("words", "factors"),
    [
        ("alike", {"importance": (1.0, 2.0, 0.5)}),
        ("alike", {"feature_probability": (0.1, 0.2)}),
        ("alike", {"importance": (0.0, 1.0)}),
        (r"\(2, 1\) or \(3, 2\)", {"importance": (1.0, 1.0, 1.0, 0.5)}),
    ],
)
def test_rows_without_a_known_optimum_are_refused(words, factors):
    with pytest.raises(ValueError, match=words):
        optimum(row(**factors))


def test_examples_in_docstrings():
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
