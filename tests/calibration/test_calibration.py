"""Verdicts on simulated truth: no more wrong ones than promised, and tests that fail.

Each promise is held at alpha 0.1 or more, where a breach shows in few trials, and
stands beside a wrong way of doing the same that must break it.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from simulated_truth import (
    CONTINUOUS,
    FACTS,
    JUST,
    LAWS,
    claims_about,
    columns_of,
    correlated_cells,
    keeps,
    not_at,
)

from tegum.claims import Claim, Part, above, below, judge, proportion
from tegum.statistics import (
    clopper_pearson,
    extra_look_alpha,
    look_at,
    median_interval,
    order_statistic_rank,
)

QUICK = 400
SLOW = pytest.mark.slow
SIZES = (5, 8, 13, 20, 40)
HARD = ("lognormal", "counts", "holes")


def missed(law, n, *, level, trials, interval):
    """How often an interval misses the median."""
    rng = np.random.default_rng(n)
    samples = law.draw(rng, (trials, n))
    found = [interval(sample, level) for sample in samples]
    return sum(not low <= law.median <= high for low, high in found)


def ours(sample, level):
    return median_interval(sample, level=level, resolution=1e-12)


def too_narrow(sample, level):
    """One order statistic further in on each side."""
    ordered = np.sort(sample)
    rank = order_statistic_rank(len(sample), level=level) + 1
    return ordered[rank - 1], ordered[len(sample) - rank]


def bootstrap_t_of_the_mean(sample, level, *, resamples=400):
    """The interval that our pilots found to cover 0.84 at a nominal 0.95."""
    rng = np.random.default_rng(0)
    drawn = sample[rng.integers(0, len(sample), (resamples, len(sample)))]
    spread = drawn.std(axis=1, ddof=1) / np.sqrt(len(sample))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (drawn.mean(axis=1) - sample.mean()) / spread
    low, high = np.nanquantile(t, [(1 - level) / 2, (1 + level) / 2])
    error = sample.std(ddof=1) / np.sqrt(len(sample))
    return sample.mean() - high * error, sample.mean() - low * error


# --- coverage ---


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [5, 20])
def test_the_median_interval_covers(law, n):
    wrong = missed(LAWS[law], n, level=0.9, trials=QUICK, interval=ours)
    assert keeps(wrong, QUICK, 0.1)


@SLOW
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_median_interval_covers_in_many_trials(law, n, level):
    wrong = missed(LAWS[law], n, level=level, trials=6000, interval=ours)
    assert keeps(wrong, 6000, 1 - level)


@SLOW
@pytest.mark.parametrize("law", CONTINUOUS)
def test_the_interval_is_no_wider_than_it_must_be(law):
    # Exact: 2 P(Bin(20, 1/2) <= 5) = 0.0414 is the error at the nominal 0.05.
    wrong = missed(LAWS[law], 20, level=0.95, trials=6000, interval=ours)
    assert stats.binomtest(wrong, 6000, 0.0414).pvalue > 1e-4


@pytest.mark.parametrize("law", CONTINUOUS)
def test_an_interval_that_is_too_narrow_fails_this_test(law):
    # Exact: 2 P(Bin(9, 1/2) <= 2) = 0.18, where 0.1 was promised.
    wrong = missed(LAWS[law], 9, level=0.9, trials=2000, interval=too_narrow)
    assert not keeps(wrong, 2000, 0.1)


def test_the_bootstrap_fails_this_test_on_heavy_tails():
    law = LAWS["lognormal"]._replace(median=np.exp(1.5**2 / 2))  # its mean
    trials = 1000
    wrong = missed(law, 10, level=0.95, trials=trials, interval=bootstrap_t_of_the_mean)
    assert not keeps(wrong, trials, 0.05)


@SLOW
def test_the_coverage_of_the_bootstrap_is_what_the_page_says():
    page = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
    mean = LAWS["lognormal"]._replace(median=np.exp(1.5**2 / 2))

    def covered(law, interval):
        shares = [
            1 - missed(law, n, level=0.95, trials=2000, interval=interval) / 2000
            for n in (5, 10, 20)
        ]
        return "{:.2f}, {:.2f} and {:.2f}".format(*shares)

    theirs = covered(mean, bootstrap_t_of_the_mean)
    assert f"covers {theirs} at n = 5, 10 and 20" in page
    assert f"covers {covered(LAWS['lognormal'], ours)}" in page


@SLOW
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_the_interval_of_a_share_covers(n, share):
    rng = np.random.default_rng(n)
    counts = rng.binomial(n, share, 4000)
    found = [clopper_pearson(int(c), n, level=0.8) for c in counts]
    wrong = sum(not low <= share <= high for low, high in found)
    assert keeps(wrong, 4000, 0.2)


# --- wrong verdicts at the region's edge, one claim and a family ---


def wrong_families(law, *, cells, seeds, region, word, alpha, trials, lose=None):
    """In how many trials any claim of a family gets a word that is wrong for all."""
    rng = np.random.default_rng(seeds * 100 + cells)
    claims = claims_about(cells, region)
    planned = {claim.name: seeds for claim in claims}
    wrong = 0
    for _ in range(trials):
        values = correlated_cells(rng, law, seeds=seeds, cells=cells)
        if lose is not None:
            values = lose(values)
        verdicts = judge(
            claims, columns_of(values), alpha=alpha, planned_seeds=planned, **FACTS
        )
        wrong += any(verdict.word == word for verdict in verdicts)
    return wrong


@pytest.mark.parametrize("law", ["lognormal", "counts"])
def test_few_wrong_verdicts_at_the_edge_in_a_family(law):
    truth = LAWS[law]
    call = {"cells": 3, "seeds": 12, "alpha": 0.2, "trials": 200}
    wrong = wrong_families(truth, region=not_at(truth.median), word="supported", **call)
    assert keeps(wrong, 200, 0.2)


@SLOW
@pytest.mark.parametrize("law", HARD)
@pytest.mark.parametrize(("cells", "seeds"), [(1, 5), (12, 20), (4, 40)])
def test_supported_is_rarely_wrong_at_the_edge(law, cells, seeds):
    truth = LAWS[law]
    wrong = wrong_families(
        truth,
        cells=cells,
        seeds=seeds,
        region=not_at(truth.median),
        word="supported",
        alpha=0.2,
        trials=300,
    )
    assert keeps(wrong, 300, 0.2)


@SLOW
@pytest.mark.parametrize("law", HARD)
@pytest.mark.parametrize("side", [below, above])
def test_refuted_is_rarely_wrong_at_the_edge(law, side):
    truth = LAWS[law]
    wrong = wrong_families(
        truth,
        cells=4,
        seeds=16,
        region=side(truth.median),
        word="refuted",
        alpha=0.2,
        trials=300,
    )
    assert keeps(wrong, 300, 0.2)


@SLOW
def test_a_family_judged_without_sharing_the_error_fails_this_test():
    truth, alpha, cells = LAWS["lognormal"], 0.2, 4
    wrong = wrong_families(
        truth,
        cells=cells,
        seeds=20,
        region=not_at(truth.median),
        word="supported",
        alpha=alpha * cells,
        trials=300,
    )
    assert not keeps(wrong, 300, alpha)


@SLOW
def test_a_true_conjunction_is_rarely_refuted_and_a_false_one_rarely_supported():
    truth, trials, alpha = LAWS["cauchy"], 400, 0.2
    rng = np.random.default_rng(11)
    true = claims_about(4, below(truth.median), each=4)
    false = claims_about(4, not_at(truth.median), each=4)
    wrong = 0
    for _ in range(trials):
        columns = columns_of(correlated_cells(rng, truth, seeds=14, cells=4))
        for claims, word in ((true, "refuted"), (false, "supported")):
            (verdict,) = judge(
                claims, columns, alpha=alpha / 2, planned_seeds={"C0": 14}, **FACTS
            )
            wrong += verdict.word == word
    assert keeps(wrong, trials, alpha)


@SLOW
@pytest.mark.parametrize("n", [8, 20, 40])
def test_verdicts_on_a_share_are_rarely_wrong_at_the_edge(n):
    rng, trials, alpha = np.random.default_rng(n), 1500, 0.2
    often = proportion("y", region=above(0.5), where={"rate": 0.5, "cell": 0})
    region = below(0.3 - JUST) | above(0.3 + JUST)
    claim = Claim("C", "s", [Part(often, region)], "r", "s")
    wrong = 0
    for _ in range(trials):
        columns = columns_of((rng.random((1, n)) < 0.3).astype(float))
        (verdict,) = judge(
            [claim], columns, alpha=alpha, planned_seeds={"C": n}, **FACTS
        )
        wrong += verdict.word == "supported"
    assert keeps(wrong, trials, alpha)


# --- values that go missing because of what they are ---


def lose_large(share):
    """Models diverge where the number would have been among the largest."""
    largest = np.exp(1.5 * stats.norm.ppf(1 - share))
    return lambda values: np.where(values > largest, np.nan, values)


@SLOW
@pytest.mark.parametrize("seeds", [12, 30])
@pytest.mark.parametrize("share", [0.08, 0.3])
def test_what_is_missing_not_at_random_makes_no_wrong_verdicts(seeds, share):
    truth = LAWS["lognormal"]
    for region, word in ((above(truth.median), "refuted"), (below(0.99), "supported")):
        wrong = wrong_families(
            truth,
            region=region,
            word=word,
            cells=3,
            seeds=seeds,
            alpha=0.2,
            trials=300,
            lose=lose_large(share),
        )
        assert keeps(wrong, 300, 0.2)


def test_dropping_what_is_missing_fails_this_test():
    truth, trials = LAWS["lognormal"], 400
    samples = lose_large(0.3)(truth.draw(np.random.default_rng(2), (trials, 30)))
    found = [ours(sample[~np.isnan(sample)], 0.8) for sample in samples]
    wrong = sum(not low <= truth.median <= high for low, high in found)
    assert not keeps(wrong, trials, 0.2)


# --- adding seeds until decided ---


def wrong_when_adding_seeds(law, *, planned, looks, alpha, spend, trials):
    """How often someone who looks again and again ever reads a wrong verdict."""
    rng = np.random.default_rng(planned)
    sizes = [planned]
    while len(sizes) < looks:
        sizes.append(look_at(sizes[-1] + 1, planned=planned).size)
    samples = law.draw(rng, (trials, sizes[-1]))
    region = not_at(law.median)
    ever = np.zeros(trials, dtype=bool)
    for look, n in enumerate(sizes, start=1):
        level = 1 - (extra_look_alpha(alpha, look) if spend else alpha)
        ever |= [region.contains(*ours(sample[:n], level)) for sample in samples]
    return int(ever.sum())


def test_adding_seeds_until_decided_without_spending_fails_this_test():
    call = {"planned": 20, "looks": 6, "alpha": 0.2, "trials": 300}
    wrong = wrong_when_adding_seeds(LAWS["cauchy"], spend=False, **call)
    assert not keeps(wrong, 300, 0.2)
    wrong = wrong_when_adding_seeds(LAWS["cauchy"], spend=True, **call)
    assert keeps(wrong, 300, 0.2)


@SLOW
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("planned", [5, 12, 20, 40])
def test_adding_seeds_until_decided_spends_no_more_than_alpha(law, planned):
    wrong = wrong_when_adding_seeds(
        LAWS[law], planned=planned, looks=6, alpha=0.2, spend=True, trials=2500
    )
    assert keeps(wrong, 2500, 0.2)
