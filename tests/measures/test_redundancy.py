"""Redundancy: three counts of carriers, escape, size of the hit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.arrangements import crowded, weights
from tegum.arrays import Artifact
from tegum.measures import redundancy
from tegum.measures.basis_facts import REDUNDANCY
from tegum.measures.redundancy import (
    carriers_by_masks,
    carriers_by_participation,
    carriers_by_threshold,
    enumerated_masks,
    escape_by_masks,
    escape_probability,
    relative_noise_variance_of,
    sampled_masks,
    share_lost_when_hit,
)


def evenly(n_units, n_hidden):
    """One feature spread evenly over the first units."""
    return (np.arange(n_hidden) < n_units).astype(float)[:, None]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_three_counts_agree_on_a_feature_spread_evenly(n):
    W = evenly(n, 6)
    assert carriers_by_participation(W)[0] == pytest.approx(n)
    assert carriers_by_threshold(W)[0] == n
    for p in (0.1, 0.5, 0.9):
        assert carriers_by_masks(W, rate=p)[0] == pytest.approx(n)
        assert escape_by_masks(W, rate=p)[0] == pytest.approx((1 - p) ** n)
        hit = 1 - (1 - p) ** n
        assert share_lost_when_hit(W, rate=p)[0] == pytest.approx(p / hit)


def test_three_counts_differ_on_an_uneven_feature():
    # Shares .9, .06, .04: PR = 1/(.81 + .0036 + .0016); two pass the threshold of .05.
    W = np.sqrt([[0.9], [0.06], [0.04]])
    assert carriers_by_participation(W)[0] == pytest.approx(1 / 0.8152)
    assert carriers_by_threshold(W)[0] == 2
    # A mask spares it unless it drops the first or the second unit.
    assert escape_by_masks(W, rate=0.5)[0] == pytest.approx(0.25)


def test_spreading_is_hit_more_often_and_less_hard():
    one, four = evenly(1, 4), evenly(4, 4)
    assert escape_by_masks(one, rate=0.3) > escape_by_masks(four, rate=0.3)
    assert share_lost_when_hit(one, rate=0.3) > share_lost_when_hit(four, rate=0.3)
    noise = [relative_noise_variance_of(W, rate=0.3)[0] for W in (one, four)]
    np.testing.assert_allclose(noise, [3 / 7, 3 / 28])


def test_noise_against_simulated_masks():
    # Var of W.(mask h)/|W|^2 over 200,000 masks; its error is about 1 %.
    W = np.random.default_rng(0).normal(size=(6, 1))
    masks = sampled_masks(
        6, rate=0.4, count=200_000, generator=np.random.default_rng(1)
    )
    read = masks.kept / 0.6 @ (W[:, 0] ** 2) / (W**2).sum()
    expected = relative_noise_variance_of(W, rate=0.4)[0]
    assert read.mean() == pytest.approx(1.0, abs=0.01)
    assert read.var() == pytest.approx(expected, rel=0.02)


@given(W=weights(max_hidden=6), p=st.floats(0.0, 0.95))
def test_the_lost_share_is_p_on_average(W, p):
    # E lost = P(spared) E[lost | spared] + P(hit) E[lost | hit], and the first <= 5 %.
    escape = escape_by_masks(W, rate=p)
    hit = np.where(escape < 1, share_lost_when_hit(W, rate=p), 0.0) * (1 - escape)
    alive = ~np.isnan(escape)
    assert (hit[alive] <= p + 1e-9).all()
    assert (hit[alive] >= p - redundancy.MIN_SHARE * escape[alive] - 1e-9).all()


@given(W=weights(max_hidden=6))
def test_counts_lie_between_one_and_all_units(W):
    m = W.shape[0]
    for count in (carriers_by_participation(W), carriers_by_masks(W, rate=0.5)):
        assert (np.isnan(count) | ((count > -1e-9) & (count <= m + 1e-9))).all()


def test_above_twelve_units_the_lattice_agrees_with_sampled_masks():
    W = (
        np.random.default_rng(2).normal(size=(20, 3))
        * np.geomspace(3, 0.1, 20)[:, None]
    )
    masks = sampled_masks(
        20, rate=0.2, count=200_000, generator=np.random.default_rng(3)
    )
    shares = W**2 / (W**2).sum(axis=0)
    lost = ~masks.kept @ shares
    spared = lost <= 0.05
    error = 5 * 0.5 / math.sqrt(200_000)
    found = escape_by_masks(W, rate=0.2)
    np.testing.assert_allclose(found, spared.mean(axis=0), atol=error)
    hit = np.array([lost[~s, i].mean() for i, s in enumerate(spared.T)])
    np.testing.assert_allclose(share_lost_when_hit(W, rate=0.2), hit, rtol=0.01)


def test_the_lattice_agrees_with_counting_every_mask():
    # An idle unit takes 12 units to 13, from counting to the lattice, and nothing else.
    W = np.random.default_rng(4).normal(size=(12, 5))
    padded = np.vstack([W, np.zeros((1, 5))])
    for quantity in (escape_by_masks, share_lost_when_hit, carriers_by_masks):
        np.testing.assert_allclose(
            quantity(padded, rate=0.3), quantity(W, rate=0.3), rtol=5e-3
        )


def test_all_masks_and_their_probabilities():
    masks = enumerated_masks(3, rate=0.25)
    assert len(np.unique(masks.kept, axis=0)) == 8
    assert masks.probability.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(masks.probability @ masks.kept, 0.75)
    assert masks.exact
    assert masks.probability[0] == 0.25**3  # none kept


def test_escape_probability_is_the_plain_formula():
    np.testing.assert_allclose(
        escape_probability(np.array([1.0, 2.0]), rate=0.9), [0.1, 0.01]
    )


# --- the measure, and bad input ------------------------------------------------------


def numbers(W, **row):
    row = {"noise": "dropout", "rate": 0.3} | row
    return REDUNDANCY(Artifact({"W": W}), row)


def test_the_measure_weighs_features_by_their_squared_norm():
    # Feature 0 on one unit with norm^2 1, feature 1 on two with norm^2 3.
    W = np.array([[1.0, math.sqrt(1.5)], [0.0, math.sqrt(1.5)]])
    found = numbers(W)
    assert found["carriers_by_participation"] == pytest.approx((1 * 1 + 3 * 2) / 4)
    assert found["escape_by_threshold"] == pytest.approx((0.7 + 3 * 0.49) / 4)
    assert found["escape_by_masks"] == pytest.approx((0.7 + 3 * 0.49) / 4)
    assert found["relative_noise"] == pytest.approx(3 / 7 * (1 + 3 / 2) / 4)


def test_without_dropout_everything_escapes():
    found = numbers(crowded(0), noise="none", rate=0.0)
    for name in REDUNDANCY.numbers:
        if name.startswith("escape"):
            assert found[name] == pytest.approx(1.0)
    assert found["relative_noise"] == 0.0
    assert 0 < found["probe_escape"] < 1


def test_noise_without_masks_has_no_escape():
    found = numbers(crowded(0), noise="gaussian_additive", rate=0.0, noise_std=0.1)
    assert math.isnan(found["escape_by_masks"])
    assert math.isfinite(found["carriers_by_masks"])


@pytest.mark.parametrize("broken", [np.zeros((3, 5)), np.full((3, 5), np.nan)])
def test_no_weights_and_diverged_weights_are_nan_throughout(broken):
    assert all(math.isnan(value) for value in numbers(broken).values())


def test_a_dead_feature_counts_for_nothing():
    W = crowded(1)
    found, padded = numbers(W), numbers(np.pad(W, ((0, 0), (0, 1))))
    assert padded == pytest.approx(found)
    assert math.isnan(carriers_by_threshold(np.pad(W, ((0, 0), (0, 1))))[-1])


def test_no_rate_means_no_count_by_masks():
    assert np.isnan(carriers_by_masks(np.eye(2), rate=0.0)).all()
    assert np.isnan(share_lost_when_hit(np.eye(2), rate=0.0)).all()


def test_enumeration_of_thirty_units_is_refused():
    with pytest.raises(ValueError, match=r"30 units.*from 1 to 12; sample masks"):
        enumerated_masks(30, rate=0.5)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_shares_outside_their_range_are_refused(share):
    with pytest.raises(ValueError, match="min_share"):
        carriers_by_threshold(np.eye(2), min_share=share)
    with pytest.raises(ValueError, match="max_lost_share"):
        escape_by_masks(np.eye(2), rate=0.5, max_lost_share=share)


def test_other_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="rate"):
        escape_probability(1.0, rate=1.0)
    with pytest.raises(ValueError, match="masks"):
        sampled_masks(3, rate=0.5, count=0, generator=np.random.default_rng(0))
    with pytest.raises(ValueError, match="quantity"):
        redundancy.mean_over_features(np.eye(2), quantity="luck")
