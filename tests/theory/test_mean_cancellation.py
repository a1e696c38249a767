"""Units lose their mean: the closed form beside the exact loss and descent on it."""

import doctest
import math

import numpy as np
import pytest

from tegum.theory import mean_cancellation as module
from tegum.theory.expected_loss import expected_loss
from tegum.theory.mean_cancellation import mean_cancellation
from tegum.theory.minimum import gaussian_starts, local_minima


def unit(found, n_idle, *, density):
    """One unit's weights, and the bias that gives its feature the right mean."""
    W = np.array([[found.kept, *[found.idle] * n_idle]])
    mean = density / 2.0
    b = np.full(n_idle + 1, mean) - W[0] * mean * W.sum()
    return W, b


def importance_of_one(n_idle):
    return np.r_[1.0, np.zeros(n_idle)]


CELLS = pytest.mark.parametrize(
    ("n_idle", "density", "rate"),
    [(0, 1.0, 0.5), (1, 1.0, 0.5), (15, 1.0, 0.1), (4, 0.3, 0.7), (3, 0.05, 0.3)],
)


@CELLS
def test_its_loss_is_the_exact_one(n_idle, density, rate):
    found = mean_cancellation(n_idle, density=density, rate=rate)
    W, b = unit(found, n_idle, density=density)
    exact = expected_loss(
        W,
        b,
        feature_probability=density,
        importance=importance_of_one(n_idle),
        rate=rate,
        output="linear",
    )
    assert found.loss == pytest.approx(exact.loss * (n_idle + 1), rel=1e-9)
    np.testing.assert_allclose(exact.W, 0.0, atol=1e-9)


@CELLS
def test_no_descent_finds_less(n_idle, density, rate):
    found = mean_cancellation(n_idle, density=density, rate=rate)
    least = local_minima(
        gaussian_starts(n_idle + 1, 1, count=4, seed=0),
        feature_probability=density,
        importance=importance_of_one(n_idle),
        rate=rate,
        output="linear",
    )[0]
    assert least.loss * (n_idle + 1) == pytest.approx(found.loss, rel=1e-6)
    assert abs(least.W[0, 0]) == pytest.approx(found.kept, rel=1e-3)


def test_the_share_of_the_mean_is_that_of_sampled_inputs():
    found = mean_cancellation(3, density=0.4, rate=0.5)
    W, _ = unit(found, 3, density=0.4)
    draws = np.random.default_rng(0)
    active = draws.uniform(size=(400_000, 4)) < 0.4
    h = (active * draws.uniform(size=active.shape)) @ W[0]
    assert found.mean_share == pytest.approx(h.mean() ** 2 / (h**2).mean(), abs=2e-3)


def test_nothing_to_cancel_without_dropout_and_little_where_inputs_are_sparse():
    clean = mean_cancellation(15, density=1.0, rate=0.0)
    assert (clean.kept, clean.idle, clean.loss) == (1.0, 0.0, 0.0)
    assert clean.total_interference(5, n_idle=15) == 0.0
    assert clean.mean_share == pytest.approx(0.75)  # (1/2)^2 of E x^2 = 1/3
    sparse = mean_cancellation(15, density=0.01, rate=0.1)
    dense = mean_cancellation(15, density=1.0, rate=0.1)
    ratio = sparse.total_interference(5, n_idle=15) / dense.total_interference(
        5, n_idle=15
    )
    assert ratio < 1e-3


def test_one_feature_alone_and_among_very_many():
    alone = mean_cancellation(0, density=1.0, rate=0.5)
    assert alone.kept**2 == pytest.approx(0.5 / 2.5)
    crowd = mean_cancellation(10**6, density=1.0, rate=0.5)
    assert crowd.kept**2 == pytest.approx(0.5, rel=1e-5)
    assert crowd.mean_left < 1e-5


def test_interference_is_that_of_the_weights():
    found, m, R = mean_cancellation(4, density=0.8, rate=0.4), 3, 4
    W = np.hstack([found.kept * np.eye(m), np.full((m, R), found.idle)])
    squared = (W.T @ W) ** 2
    total = squared.sum() - np.trace(squared)
    assert found.total_interference(m, n_idle=R) == pytest.approx(total)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="`n_idle` is -1"):
        mean_cancellation(-1, density=1.0, rate=0.1)
    with pytest.raises(ValueError, match="rate"):
        mean_cancellation(1, density=1.0, rate=1.0)
    with pytest.raises(ValueError, match="probability"):
        mean_cancellation(1, density=0.0, rate=0.1)
    assert math.isfinite(mean_cancellation(1, density=1e-6, rate=0.9).loss)


def test_its_examples():
    assert doctest.testmod(module).failed == 0
