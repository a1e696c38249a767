"""The share of variance explained, against simulated inputs and laws that must fail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.measures.geometry import (
    explained_variance,
    feature_dimensionality,
    features_represented,
)

EXAMPLES = 200_000
# The standard error of a squared correlation is at most 2 r (1 - r^2) / sqrt(N) times a
# factor for the heavy tails of sparse inputs, below 2 at q = 0.1: about 0.004.
TOLERANCE = 0.015
PROBABILITIES = (1.0, 0.6, 0.4, 0.2, 0.1, 0.1)


def inputs(generator, q):
    q = np.broadcast_to(q, 6)
    active = generator.random((EXAMPLES, 6)) < q
    return generator.random((EXAMPLES, 6)) * active


def best_gain_explains(W, x):
    """R2 of the least-squares fit, with intercept, of x_i on its read-out alone."""
    readout = x @ (W.T @ W)
    return np.array(
        [np.corrcoef(x[:, i], readout[:, i])[0, 1] ** 2 for i in range(x.shape[1])]
    )


@pytest.fixture(scope="module")
def W():
    return np.random.default_rng(7).standard_normal((3, 6))


@pytest.mark.parametrize(
    "q", [1.0, 0.3, PROBABILITIES], ids=["dense", "sparse", "each"]
)
def test_simulated_inputs_agree(W, q):
    simulated = best_gain_explains(W, inputs(np.random.default_rng(1), q))
    predicted = explained_variance(W, feature_probability=q)
    np.testing.assert_allclose(simulated, predicted, atol=TOLERANCE)


def test_equal_variances_where_they_are_not_must_fail(W):
    simulated = best_gain_explains(W, inputs(np.random.default_rng(1), PROBABILITIES))
    assert np.abs(simulated - explained_variance(W)).max() > 4 * TOLERANCE


def test_correlated_inputs_must_fail(W):
    x = inputs(np.random.default_rng(1), 0.3)
    x[:, 4] = x[:, 1]
    simulated = best_gain_explains(W, x)
    predicted = explained_variance(W, feature_probability=0.3)
    assert np.abs(simulated - predicted).max() > 4 * TOLERANCE


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1.0))
def test_equal_variances_give_the_dimensionality(seed, q):
    W = np.random.default_rng(seed).standard_normal((3, 7))
    expected = feature_dimensionality(W)
    np.testing.assert_allclose(
        explained_variance(W, feature_probability=q), expected, rtol=1e-12
    )


@given(st.integers(0, 2**32 - 1))
def test_features_keep_their_probability_when_they_change_places(seed):
    generator = np.random.default_rng(seed)
    W, order = generator.standard_normal((3, 6)), generator.permutation(6)
    q = np.array(PROBABILITIES)
    before = explained_variance(W, feature_probability=tuple(q))
    after = explained_variance(W[:, order], feature_probability=tuple(q[order]))
    np.testing.assert_allclose(after, before[order], rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_shares_add_up_to_the_rank_at_most(seed, m):
    W = np.random.default_rng(seed).standard_normal((m, 6))
    assert explained_variance(W, feature_probability=PROBABILITIES).sum() <= m + 1e-12


def test_a_feature_that_varies_more_drowns_its_partner():
    # An antipodal pair: R2_1 = v_1 / (v_1 + v_2); v = 1/12 at q = 1, 37/1200 at 0.1.
    W = np.array([[1.0, -1.0]])
    explained = explained_variance(W, feature_probability=(1.0, 0.1))
    np.testing.assert_allclose(explained, [100 / 137, 37 / 137])
    # an even share is 1/2: one half of it leaves out the second only from .54 on
    q = (1.0, 0.1)
    assert features_represented(W, feature_probability=q) == 2
    assert features_represented(W, feature_probability=q, of_even_share=0.55) == 1
