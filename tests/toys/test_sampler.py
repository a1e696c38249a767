"""The engine's inputs, masks and normals against their laws, each beside a control.

One p-value limit for all: with about fifty tests on fixed seeds, a true law fails one
at 1e-4 with probability below 0.5 %, once, when the seeds are chosen; never afterwards.
"""

import numpy as np
import pytest
from engine_rows import row_of
from scipy import stats

from tegum.toys import engine

LIMIT = 1e-4
# Both ways to draw, on either side of the switch, and odd sizes.
CASES = [
    (5, 1.0), (5, 0.7), (20, 0.3), (7, 0.21), (20, 0.2), (5, 0.1), (3, 0.1),
    (20, 0.05), (80, 0.01), (20, 0.01), (1, 0.02), (20, 0.001), (400, 0.003),
]  # fmt: skip


def inputs(n, probability, *, seed=11, batch=1000):
    per_step = n * batch * np.mean(probability)
    steps = int(np.clip(60_000 / per_step, 2, 400))
    row = row_of(
        n_features=n,
        n_hidden=1,
        feature_probability=probability,
        batch_size=batch,
        seed=seed,
    )
    return engine.replay(row, first=0, count=steps).x.reshape(-1, n)


def count_p(active, probability):
    """Two-sided p-value of the number of active entries."""
    return stats.binomtest(int(active.sum()), active.size, probability).pvalue


def feature_p(active, probability):
    """Chi-square over features: each is active equally often."""
    samples, n = active.shape
    expected = samples * probability
    spread = expected * (1 - probability)
    statistic = ((active.sum(axis=0) - expected) ** 2 / spread).sum()
    return stats.chi2.sf(statistic, n)


def per_sample_p(active, probability):
    """Chi-square of how many features a sample has: binomial if independent."""
    samples, n = active.shape
    counts = np.bincount(active.sum(axis=1), minlength=n + 1).astype(float)
    expected = samples * stats.binom.pmf(np.arange(n + 1), n, probability)
    order = np.argsort(-expected)
    cut = max(2, int((expected >= 10).sum()))
    kept, rest = order[: cut - 1], order[cut - 1 :]
    seen = np.append(counts[kept], counts[rest].sum())
    law = np.append(expected[kept], expected[rest].sum())
    return stats.chisquare(seen, law * seen.sum() / law.sum()).pvalue


def neighbour_p(active, probability):
    """Chi-square of the next entry's activity given this one's: independent."""
    flat = active.ravel()
    table = np.array(
        [
            [(~flat[:-1] & ~flat[1:]).sum(), (~flat[:-1] & flat[1:]).sum()],
            [(flat[:-1] & ~flat[1:]).sum(), (flat[:-1] & flat[1:]).sum()],
        ]
    )
    return stats.chi2_contingency(table, correction=False).pvalue


@pytest.mark.parametrize(("n", "probability"), CASES)
def test_inputs_follow_their_law(n, probability):
    x = inputs(n, probability)
    active = x > 0
    assert ((x >= 0) & (x < 1)).all()
    assert stats.kstest(x[active], "uniform").pvalue > LIMIT
    if probability == 1.0:
        assert active.all()
        return
    assert count_p(active, probability) > LIMIT
    assert feature_p(active, probability) > LIMIT
    assert per_sample_p(active, probability) > LIMIT
    assert neighbour_p(active, probability) > LIMIT


@pytest.mark.parametrize(("n", "probability"), [(20, 0.3), (20, 0.05), (20, 0.01)])
def test_values_do_not_depend_on_where_they_stand(n, probability):
    x = inputs(n, probability)
    sample, feature = np.nonzero(x)
    value = x[sample, feature]
    assert stats.spearmanr(feature, value).pvalue > LIMIT
    assert stats.spearmanr(sample % 16, value).pvalue > LIMIT
    assert stats.spearmanr(value[:-1], value[1:]).pvalue > LIMIT


@pytest.mark.parametrize("highest", [1.0, 0.15])
def test_a_probability_for_each_feature(highest):
    probability = highest * 0.6 ** np.arange(8)
    x = inputs(8, tuple(probability))
    active = x > 0
    for i, q in enumerate(probability):
        assert stats.binomtest(int(active[:, i].sum()), len(x), q).pvalue > LIMIT
        assert stats.kstest(x[active[:, i], i], "uniform").pvalue > LIMIT
    together = (active[:, 0] & active[:, 1]).mean()
    spread = np.sqrt(probability[0] * probability[1] / len(x))
    assert abs(together - probability[0] * probability[1]) < 5 * spread


def test_the_checks_reject_a_wrong_law():
    """The control: a frequency 3 % off, a bent value law, clumped features."""
    x = inputs(20, 0.1)
    active = x > 0
    assert count_p(active, 0.103) < LIMIT
    assert stats.kstest(x[active] ** 1.05, "uniform").pvalue < LIMIT
    tilted = active.copy()
    tilted[:, 0] &= np.arange(len(x)) % 8 > 0
    assert feature_p(tilted, 0.1) < LIMIT
    clumped = active.copy()
    clumped[:, 1:4] = clumped[:, :1]
    assert per_sample_p(clumped, 0.1) < LIMIT
    assert neighbour_p(clumped, 0.1) < LIMIT


def test_skips_across_a_block_boundary():
    """A batch of several blocks: no entry near a boundary is favoured."""
    x = inputs(1100, 0.01, batch=2000)
    active = x > 0
    assert count_p(active, 0.01) > LIMIT
    batch = active.reshape(-1, 2000, 1100)
    rows = batch.sum(axis=(0, 2))
    expected = batch.shape[0] * 1100 * 0.01
    statistic = ((rows - expected) ** 2 / (expected * 0.99)).sum()
    assert stats.chi2.sf(statistic, len(rows)) > LIMIT
    assert stats.chi2.cdf(statistic, len(rows)) > LIMIT


def noise(kind, *, rate=0.3, seed=3, probability=1.0, m=6):
    row = row_of(
        n_features=3, n_hidden=m, feature_probability=probability, noise=kind,
        batch_size=2000, seed=seed,
        **({"noise_std": 0.5} if kind == "gaussian_additive" else {"rate": rate}),
    )  # fmt: skip
    return engine.replay(row, first=0, count=20).noise.reshape(-1, m)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_masks_follow_their_law(rate):
    kept = noise("dropout", rate=rate) > 0
    assert count_p(kept, 1 - rate) > LIMIT
    assert feature_p(kept, 1 - rate) > LIMIT
    assert per_sample_p(kept, 1 - rate) > LIMIT
    assert neighbour_p(kept, 1 - rate) > LIMIT
    assert count_p(kept, 1 - rate * 0.9) < LIMIT


@pytest.mark.parametrize("kind", ["gaussian_additive", "gaussian_additive_matched"])
def test_additive_noise_is_normal(kind):
    z = noise(kind)
    assert stats.kstest(z.ravel(), "norm").pvalue > LIMIT
    tails = int((np.abs(z) > 3).sum())
    assert stats.binomtest(tails, z.size, 2 * stats.norm.sf(3)).pvalue > LIMIT
    spread = 1 / np.sqrt(len(z))
    correlation = np.corrcoef(z.T) - np.eye(z.shape[1])
    assert np.abs(correlation).max() < 5 * spread
    assert abs(np.corrcoef(z[:-32].ravel(), z[32:].ravel())[0, 1]) < 5 * spread
    assert (
        abs(np.corrcoef(z[:-16].ravel() ** 2, z[16:].ravel() ** 2)[0, 1]) < 5 * spread
    )
    assert stats.kstest(1.03 * z.ravel(), "norm").pvalue < LIMIT


def test_multiplicative_noise_has_the_variance_of_dropout():
    factor = noise("gaussian_multiplicative", rate=0.2)
    z = (factor - 1.0) / np.sqrt(0.25)
    assert stats.kstest(z.ravel(), "norm").pvalue > LIMIT
    dropped = noise("dropout", rate=0.2)
    assert abs(dropped.var() - 0.25) < 0.01
    assert abs(factor.var() - 0.25) < 0.01


def test_data_and_masks_are_streams_of_their_own():
    row = row_of(
        n_features=6, n_hidden=6, feature_probability=1.0,
        noise="gaussian_additive", noise_std=1.0, batch_size=2000,
    )  # fmt: skip
    seen = engine.replay(row, first=0, count=20)
    x = seen.x.reshape(-1, 6)
    z = seen.noise.reshape(-1, 6)
    for column in range(6):
        assert stats.spearmanr(x[:, column], z[:, column]).pvalue > LIMIT
    other = engine.replay({**row, "seed": 1}, first=0, count=20).x.reshape(-1, 6)
    assert stats.spearmanr(x.ravel(), other.ravel()).pvalue > LIMIT
