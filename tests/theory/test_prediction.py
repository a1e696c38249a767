"""Predictions of a population: regimes by theory, and the constant rival."""

import math

import numpy as np
import pytest

from tegum.measures.basis import unit_alignment_gap
from tegum.measures.sphere import random_participation_ratio
from tegum.theory.minimum import gaussian_starts, local_minima, quasi_newton
from tegum.theory.prediction import (
    NUMBERS,
    constant_prediction,
    predict_population,
    score,
)

EIGHT_IN_THREE = {"n_features": 8, "n_hidden": 3}


def a_row(**factors):
    small = {"n_features": 4, "n_hidden": 2, "feature_probability": 0.3}
    return small | {"noise": "dropout", "rate": 0.0, "output": "relu"} | factors


def test_every_number_comes_with_its_spread():
    tiny = a_row(n_features=3, n_hidden=1)
    found = predict_population(tiny, starts=2)
    assert set(found.numbers) == set(found.spread) == set(NUMBERS)
    one = predict_population(tiny, starts=1)
    assert all(math.isnan(spread) for spread in one.spread.values())


def test_a_prediction_is_the_median_over_its_starts():
    row = a_row(n_features=3, n_hidden=1)
    starts = gaussian_starts(3, 1, count=3, seed=5)
    minima = local_minima(starts, feature_probability=0.3)
    norms = [(minimum.W**2).sum() / 3 for minimum in minima]
    found = predict_population(row, starts=3, seed=5)
    # Fewer nodes than `local_minima` has by default: the same minima, almost.
    middle = pytest.approx(np.median(norms), abs=2e-3)
    assert found.numbers["mean_norm_squared"] == middle
    assert found.best.loss == pytest.approx(minima[0].loss, rel=1e-4)


def test_the_same_row_gives_the_same_bits_and_seeds_of_models_do_not_matter():
    tiny = a_row(n_features=3, n_hidden=1)
    one = predict_population(tiny, starts=1)
    other = predict_population({**tiny, "seed": 7, "steps": 3}, starts=1)
    np.testing.assert_equal(dict(one.numbers), dict(other.numbers))
    np.testing.assert_array_equal(one.best.W, other.best.W)


def test_a_dense_linear_model_keeps_as_many_features_as_it_has_units():
    # Principal components: m features at norm 1, the others dropped.
    row = a_row(output="linear", feature_probability=1.0, importance_decay=0.7)
    found = predict_population(row, starts=1)
    norms = (found.best.W**2).sum(axis=0)
    np.testing.assert_allclose(norms, [1, 1, 0, 0], atol=2e-3)
    assert found.numbers["features_represented"] == 2


def test_one_feature_on_one_unit_shrinks_as_the_linear_law_says():
    # Without bias and ReLU: |W|^2 = 1 - p; the free bias moves the linear optimum to
    # E cov: a = var / (var + v E x^2) with v = 1, var = q/3 - q^2/4.
    row = a_row(n_features=1, n_hidden=1, rate=0.5, output="linear")
    variance, square = 0.1 - 0.0225, 0.1
    found = predict_population(row, starts=1)
    expected = variance / (variance + square)
    assert found.numbers["mean_norm_squared"] == pytest.approx(expected, rel=1e-3)


def test_dropout_aligns_where_features_are_equally_important():
    # Uniform importance, S = .7: three pairs on three axes, two features dropped.
    found = predict_population(a_row(rate=0.5, **EIGHT_IN_THREE), starts=1)
    kept = found.numbers["features_represented"]
    assert kept == 6
    assert found.settled == 1.0
    on_axes = 1 - random_participation_ratio(3)
    assert found.numbers["participation_gap"] == pytest.approx(on_axes, abs=0.01)
    assert found.numbers["unit_alignment_gap"] == pytest.approx(0.2, abs=0.01)


def test_dropout_spreads_where_importance_decays():
    row = a_row(rate=0.5, importance_decay=0.7, **EIGHT_IN_THREE)
    found = predict_population(row, starts=1)
    assert found.numbers["participation_gap"] > 0.8
    assert found.numbers["unit_alignment_gap"] < -0.1


def test_without_dropout_no_basis_is_predicted():
    # Minima of a rotation-invariant loss keep the basis of their starts: over many
    # starts the gap averages 0, which is what is predicted. Negative control of the two
    # tests above.
    starts = gaussian_starts(3, 2, count=5, seed=0)
    minima = local_minima(starts, feature_probability=0.3)
    gaps = np.array([unit_alignment_gap(minimum.W) for minimum in minima])
    assert abs(gaps.mean()) < 4 * gaps.std(ddof=1) / math.sqrt(5)
    found = predict_population(a_row(n_features=3), starts=2)
    for name in ("participation_gap", "unit_alignment_gap"):
        assert found.numbers[name] == 0.0
        assert found.spread[name] > 0.0


@pytest.mark.slow
def test_a_plateau_is_not_taken_for_a_minimum():
    # Dense features of equal importance: a descent with 32 nodes that ends when the
    # loss falls by 1e-9 a step keeps five to eight of eight; the minimum keeps as many
    # as there are units, close to the axes, at a loss only 1e-3 lower.
    row = a_row(rate=0.2, feature_probability=1.0, **EIGHT_IN_THREE)
    start = gaussian_starts(8, 3, count=1, seed=0)
    coarse = local_minima(start, feature_probability=1.0, rate=0.2, max_iterations=10)
    found = predict_population(row, starts=1)
    assert 0.999 * coarse[0].loss < found.best.loss < coarse[0].loss
    assert found.numbers["features_represented"] == 3
    assert found.numbers["unit_alignment_gap"] > 0.15
    assert unit_alignment_gap(coarse[0].W) < 0.1


def test_a_descent_that_ends_early_stands_on_a_slope():
    def bowl(at):
        return float(at @ at), 2.0 * at

    start = np.array([3.0, -4.0])
    ends = [
        quasi_newton(bowl, start, max_iterations=50, least_slope=least)[0]
        for least in (10.0, 1e-7)
    ]
    assert np.abs(2.0 * ends[0]).max() > np.abs(2.0 * ends[1]).max()
    np.testing.assert_allclose(ends[1], 0.0, atol=1e-7)


def test_the_constant_is_told_the_answers():
    assert constant_prediction([1.0, math.nan, 3.0, 100.0]) == 3.0
    assert math.isnan(constant_prediction([math.nan]))


def test_skill_by_hand():
    # Observed 0, 4, 5; errors 0, 1, 1 against 4, 0, 1 of the median 4.
    found = score([0.0, 5.0, 4.0], [0.0, 4.0, 5.0])
    assert found.rival == 4.0
    assert found.error == pytest.approx(2 / 3)
    assert found.rival_error == pytest.approx(5 / 3)
    assert found.skill == pytest.approx(1 - 2 / 5)


def test_a_constant_has_no_skill_and_alike_observations_define_none():
    assert score([4.0, 4.0, 4.0], [0.0, 4.0, 5.0]).skill == 0.0
    assert math.isnan(score([1.0, 2.0], [3.0, 3.0]).skill)


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"noise": "gaussian_multiplicative", "rate": 0.5}, "enumerated"),
        ({"hidden_l1": 0.1}, "hidden_l1"),
        ({"weight_decay": 0.01}, "weight_decay"),
        ({"n_hidden": 30, "n_features": 40, "rate": 0.5}, "smaller model"),
        ({"decoder": "untied"}, "decoder"),
        ({"activity": "correlated"}, "activity"),
        ({"feature_values": "signed_uniform"}, "closed form"),
    ],
)
def test_rows_that_can_not_be_predicted_are_refused(factors, words):
    with pytest.raises(ValueError, match=words):
        predict_population(a_row(**factors), starts=1)


def test_scores_need_something_to_score():
    with pytest.raises(ValueError, match="one for each"):
        score([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="no cell"):
        score([math.nan], [1.0])
