"""Signed values, groups and fixed numbers of active features, against their laws.

The engine and the reference are held to the same laws, each beside a control that must
fail. One p-value limit for all, on fixed seeds, as in `test_sampler`.
"""

import itertools

import numpy as np
import pytest
from engine_rows import row_of
from scipy import stats

from tegum.arrays import stream
from tegum.toys import engine, reference

LIMIT = 1e-4
EXAMPLES = 60_000


def drawn(source, *, seed=11, batch=1000, examples=EXAMPLES, **factors):
    """Inputs of a row, from the engine or from the reference."""
    row = row_of(n_hidden=1, batch_size=batch, seed=seed, **factors)
    if source == "reference":
        generator = stream(seed, "inputs under test")
        return reference.sample_inputs(row, generator, count=examples)
    x = engine.replay(row, first=0, count=examples // batch).x
    return x.reshape(-1, row["n_features"]).astype(np.float64)


def each_sign(x):
    """Values spread over [-1, 1): their p-value, and that of the sign's balance."""
    return min(
        stats.kstest(x, "uniform", args=(-1, 2)).pvalue,
        stats.binomtest(int((x < 0).sum()), x.size).pvalue,
    )


def share_p(active, probability):
    """The least p-value of a feature's number of activities, times their number."""
    counts = active.sum(axis=0)
    each = [stats.binomtest(int(c), len(active), probability).pvalue for c in counts]
    return min(each) * len(each)


def table_p(first, second):
    """Chi-square of two yes-or-no columns: independent."""
    table = [[(a & b).sum() for b in (second, ~second)] for a in (first, ~first)]
    return stats.chi2_contingency(table, correction=False).pvalue


SOURCES = pytest.mark.parametrize("source", ["engine", "reference"])


@SOURCES
@pytest.mark.parametrize("probability", [1.0, 0.6, 0.1, 0.01])
def test_signed_values_are_symmetric_and_uniform(source, probability):
    x = drawn(
        source, n_features=7, feature_probability=probability,
        feature_values="signed_uniform",
    )  # fmt: skip
    active = x != 0
    assert x.min() >= -1.0
    assert x.max() < 1.0
    # An active value is exactly 0 once in 2^24.
    assert share_p(active, probability) > LIMIT
    values = x[active]
    assert each_sign(values) > LIMIT
    # Moments of the uniform law on [-1, 1): 0, 1/3, 0, 1/5; five standard errors each.
    for power, moment in ((1, 0.0), (2, 1 / 3), (3, 0.0), (4, 1 / 5)):
        error = np.sqrt((1 / (2 * power + 1) - moment**2) / values.size)
        assert abs((values**power).mean() - moment) < 5 * error
    assert each_sign(np.abs(values)) < LIMIT
    assert each_sign(values + 0.2) < LIMIT


def test_signed_values_of_features_with_their_own_probabilities():
    probability = (0.15, 0.1, 0.05, 0.01)
    x = drawn(
        "engine", n_features=4, feature_probability=probability,
        feature_values="signed_uniform",
    )  # fmt: skip
    for i, q in enumerate(probability):
        active = x[:, i] != 0
        assert stats.binomtest(int(active.sum()), len(x), q).pvalue > LIMIT
        assert each_sign(x[active, i]) > LIMIT


@SOURCES
@pytest.mark.parametrize("probability", [0.003, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("n", "size"), [(6, 2), (12, 3), (5, 5)])
def test_features_of_a_correlated_group_are_active_together(
    source, n, size, probability
):
    x = drawn(
        source, n_features=n, feature_probability=probability, activity="correlated",
        group_size=size,
    )  # fmt: skip
    groups = (x > 0).reshape(len(x), n // size, size)
    # A value is exactly 0 once in 2^24.
    disagree = (groups.any(axis=2) != groups.all(axis=2)).sum()
    assert disagree <= 2
    if probability == 1.0:
        assert (x > 0).mean() > 1 - 1e-6
    else:
        active = groups.any(axis=2)
        assert share_p(active, probability) > LIMIT
        assert share_p(active, min(1.0, probability * 1.5)) < LIMIT
        for first, second in itertools.combinations(range(n // size), 2):
            expected = len(x) * probability**2
            if expected > 20:
                assert table_p(active[:, first], active[:, second]) > LIMIT
    # Values within a group are independent and uniform.
    on = x[groups[:, 0].all(axis=1)]
    assert stats.kstest(on[:, 0], "uniform").pvalue > LIMIT
    assert stats.kstest(on[:, size - 1], "uniform").pvalue > LIMIT
    assert stats.spearmanr(on[:, 0], on[:, 1]).pvalue > LIMIT


@SOURCES
@pytest.mark.parametrize("share", [0.01, 0.4, 1.0])
@pytest.mark.parametrize(("n", "size"), [(6, 2), (9, 3), (5, 5)])
def test_at_most_one_of_an_anticorrelated_group_is_active(source, n, size, share):
    probability = share / size
    x = drawn(
        source, n_features=n, feature_probability=probability,
        activity="anticorrelated", group_size=size,
    )  # fmt: skip
    groups = (x > 0).reshape(len(x), n // size, size)
    counts = groups.sum(axis=2)
    assert counts.max() == 1
    if share == 1.0:
        assert (counts == 0).sum() <= 2
    assert share_p(x > 0, probability) > LIMIT
    # Which of them it is: uniform, and independent of the group beside it.
    for g in range(n // size):
        assert stats.chisquare(groups[:, g].sum(axis=0)).pvalue > LIMIT
    if n > size and share > 0.1:
        both = (counts[:, 0] == 1) & (counts[:, 1] == 1)
        table = np.zeros((size, size))
        chosen = groups[both, :2].argmax(axis=2)
        np.add.at(table, (chosen[:, 0], chosen[:, 1]), 1)
        assert stats.chi2_contingency(table, correction=False).pvalue > LIMIT
    assert stats.kstest(x[x > 0], "uniform").pvalue > LIMIT
    assert stats.kstest(x[x > 0] ** 1.1, "uniform").pvalue < (
        LIMIT if share > 0.1 else 1
    )


@SOURCES
@pytest.mark.parametrize(("n", "k"), [(5, 1), (5, 2), (6, 3), (5, 4), (5, 5), (40, 3)])
def test_exactly_k_features_are_active(source, n, k):
    x = drawn(source, n_features=n, feature_probability=k / n, activity="exactly_k")
    active = x > 0
    assert (active.sum(axis=1) != k).sum() <= 2  # a value of exactly 0
    assert stats.kstest(x[active], "uniform").pvalue > LIMIT
    if k < n:
        assert share_p(active, k / n) > LIMIT
    if n < 10:
        sets = list(itertools.combinations(range(n), k))
        code = active @ (1 << np.arange(n))
        expected = [sum(1 << i for i in members) for members in sets]
        seen = [(code == value).sum() for value in expected]
        assert len(sets) == 1 or stats.chisquare(seen).pvalue > LIMIT
        seen[0] += 0.05 * len(x)
        assert len(sets) == 1 or stats.chisquare(seen).pvalue < LIMIT


@SOURCES
@pytest.mark.parametrize(
    "factors",
    [
        {"activity": "correlated", "group_size": 2, "feature_probability": 0.3},
        {"activity": "anticorrelated", "group_size": 2, "feature_probability": 0.3},
        {"activity": "exactly_k", "feature_probability": 0.5},
    ],
    ids=str,
)
def test_signed_values_of_features_that_depend_on_each_other(source, factors):
    x = drawn(source, n_features=6, feature_values="signed_uniform", **factors)
    assert each_sign(x[x != 0]) > LIMIT
    assert share_p(x != 0, factors["feature_probability"]) > LIMIT


@pytest.mark.parametrize(
    "factors",
    [
        {"activity": "correlated", "group_size": 2, "feature_probability": 0.3},
        {"activity": "anticorrelated", "group_size": 2, "feature_probability": 0.3},
        {"activity": "exactly_k", "feature_probability": 0.5},
    ],
    ids=str,
)
def test_samples_are_independent_and_values_do_not_lean_on_their_place(factors):
    x = drawn("engine", n_features=6, **factors)
    for lag in (1, 16, 64):
        assert table_p(x[:-lag, 0] > 0, x[lag:, 0] > 0) > LIMIT
        assert table_p(x[:-lag, 0] > 0, x[lag:, 5] > 0) > LIMIT
    sample, feature = np.nonzero(x)
    value = x[sample, feature]
    assert stats.spearmanr(feature, value).pvalue > LIMIT
    assert stats.spearmanr(sample % 16, value).pvalue > LIMIT
    assert stats.spearmanr(sample % 64, value).pvalue > LIMIT
