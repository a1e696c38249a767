"""Exact intervals: against exact arithmetic, every completion, and scipy."""

import doctest
import itertools
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tegum.statistics
from tegum.statistics import (
    EVERYWHERE,
    clopper_pearson,
    extra_look_alpha,
    fewest_seeds,
    look_at,
    median_interval,
    order_statistic_rank,
    seeds_needed,
    seeds_needed_for_share,
    simultaneous_level,
    slopes,
)

LEVELS = (0.5, 0.9, 0.95, 1 - 0.05 / 60, 1 - 1e-9)
numbers = st.floats(-100, 100).map(lambda x: round(x, 1))


def exact_rank(n: int, level: float) -> int:
    """The largest k with 2 P(Bin(n, 1/2) <= k - 1) <= 1 - level, in whole numbers."""
    error, rank, below = Fraction(1) - Fraction(level), 0, 0
    while True:
        below += math.comb(n, rank)
        if Fraction(2 * below, 2**n) > error or rank + 1 > n // 2:
            return rank
        rank += 1


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(tegum.statistics).failed == 0


@pytest.mark.parametrize("level", LEVELS)
def test_the_rank_is_that_of_exact_arithmetic(level):
    for n in range(0, 140):
        assert order_statistic_rank(n, level=level) == exact_rank(n, level), n


@pytest.mark.parametrize("level", LEVELS)
def test_the_ranks_of_planning_are_those_of_the_interval(level):
    planned = tegum.statistics._ranks(400, level)
    each = [order_statistic_rank(n, level=level) for n in range(401)]
    assert planned.tolist() == each


@pytest.mark.parametrize("level", LEVELS)
def test_the_fewest_seeds_are_the_first_with_a_bounded_interval(level):
    n = fewest_seeds(level)
    assert order_statistic_rank(n, level=level) == 1
    assert order_statistic_rank(n - 1, level=level) == 0


def test_ten_seeds_bound_the_median_by_the_second_and_the_ninth():
    # 2 (1 + 10) / 2^10 = 0.0215 <= 0.05 < 2 (1 + 10 + 45) / 2^10 = 0.109
    interval = median_interval(np.arange(10.0)[::-1], level=0.95, resolution=0.1)
    assert interval == (1.0, 8.0)


def test_too_few_seeds_say_nothing_even_within_a_declared_range():
    values = np.full(5, 0.3)  # 2 / 2^5 = 0.0625 > 0.05
    interval = median_interval(
        values, level=0.95, resolution=0.1, declared_range=(0.0, 1.0)
    )
    assert interval == EVERYWHERE
    assert median_interval(np.array([]), level=0.5, resolution=0.1) == EVERYWHERE


def test_equal_values_never_give_zero_width():
    interval = median_interval(np.full(50, 3.0), level=0.95, resolution=1.0)
    assert interval == (2.0, 4.0)
    zeros = median_interval(
        np.zeros(50), level=0.95, resolution=1e-6, declared_range=(0.0, math.inf)
    )
    assert zeros == (0.0, 1e-6)
    far = median_interval(np.full(50, 1e18), level=0.95, resolution=1e-6)
    assert far.low < 1e18 < far.high


@given(
    st.lists(st.one_of(st.none(), numbers), min_size=1, max_size=14),
    st.sampled_from([0.5, 0.8, 0.95]),
    st.randoms(),
)
def test_whatever_the_missing_values_are_their_interval_lies_within(
    values, level, random
):
    declared = {"level": level, "resolution": 0.01, "declared_range": (-100.0, 100.0)}
    partial = np.array([math.nan if v is None else v for v in values])
    low, high = median_interval(partial, **declared)
    for _ in range(5):
        full = [random.uniform(-100, 100) if v is None else v for v in values]
        inner_low, inner_high = median_interval(np.array(full), **declared)
        assert low <= inner_low + 0.011
        assert inner_high <= high + 0.011


def test_missing_values_enter_at_both_ends_of_the_declared_range():
    values = np.array([0.4, 0.5, 0.6, 0.7, 0.8, math.nan])
    level = {"level": 0.95, "resolution": 0.01}
    interval = median_interval(values, declared_range=(0.0, 1.0), **level)
    assert interval == (0.0, 1.0)
    assert median_interval(values, **level) == EVERYWHERE
    many = np.append(np.linspace(0.4, 0.6, 21), math.nan)
    low, high = median_interval(many, **level)
    assert 0.4 < low < 0.5 < high < 0.6


@given(st.lists(numbers, min_size=1, max_size=30), st.randoms())
def test_order_does_not_matter_and_a_scale_passes_through(values, random):
    level = {"level": 0.9, "resolution": 0.05}
    before = median_interval(np.array(values), **level)
    shuffled = list(values)
    random.shuffle(shuffled)
    assert median_interval(np.array(shuffled), **level) == before
    negated = median_interval(-np.array(values), **level)
    assert (-negated.high, -negated.low) == pytest.approx(tuple(before))


@given(st.lists(numbers, min_size=1, max_size=30))
def test_a_higher_level_never_gives_a_narrower_interval(values):
    narrow = median_interval(np.array(values), level=0.8, resolution=0.05)
    wide = median_interval(np.array(values), level=0.99, resolution=0.05)
    assert wide.low <= narrow.low + 0.051
    assert wide.high >= narrow.high - 0.051


@pytest.mark.parametrize("n", range(1, 13))
def test_coverage_with_ties_is_exact_for_every_law_on_three_points(n):
    # All multinomial outcomes, with their probabilities: no simulation.
    for shares in ((0.5, 0.25, 0.25), (0.3, 0.4, 0.3), (0.49, 0.02, 0.49)):
        median = 0.0 if shares[0] >= 0.5 else 1.0
        covered = 0.0
        for low, high in itertools.combinations_with_replacement(range(n + 1), 2):
            counts = (low, high - low, n - high)
            probability = stats.multinomial.pmf(counts, n, shares)
            values = np.repeat([0.0, 1.0, 2.0], counts)
            interval = median_interval(values, level=0.9, resolution=1e-9)
            covered += probability * (interval.low <= median <= interval.high)
        assert covered >= 0.9 - 1e-12


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (0, 10), (3, 10), (10, 10), (7, 40)]
)
def test_clopper_pearson_is_scipys_exact_interval(successes, n):
    ours = clopper_pearson(successes, n, level=0.98)
    theirs = stats.binomtest(successes, n).proportion_ci(0.98, method="exact")
    assert tuple(ours) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_clopper_pearson_covers_every_share(n):
    intervals = [clopper_pearson(s, n, level=0.9) for s in range(n + 1)]
    for share in np.linspace(0, 1, 101):
        chances = stats.binom.pmf(np.arange(n + 1), n, share)
        covered = [low <= share <= high for low, high in intervals]
        assert chances @ covered >= 0.9 - 1e-12


def test_no_seed_says_nothing_of_a_share():
    assert clopper_pearson(0, 0, level=0.9) == EVERYWHERE


def test_slopes_are_least_squares():
    rng = np.random.default_rng(1)
    at, values = np.array([0.0, 0.1, 0.5, 0.7]), rng.standard_normal((6, 4))
    fitted = [np.polyfit(at, row, 1)[0] for row in values]
    assert slopes(values, at=at) == pytest.approx(fitted)
    values[2, 1] = np.nan
    assert np.isnan(slopes(values, at=at)).tolist() == [i == 2 for i in range(6)]


def test_all_looks_together_spend_alpha():
    spent = [extra_look_alpha(0.05, look) for look in range(1, 40)]
    assert sum(spent) == pytest.approx(0.05)
    assert sum(spent) <= 0.05 + 1e-15
    assert spent[0] == pytest.approx(0.04)


def test_looks_stand_at_fixed_sizes_whatever_made_one_look():
    due = [n for n in range(100) if look_at(n, planned=10).due]
    assert due == [10, 15, 23, 35, 53, 80]
    assert look_at(0, planned=10) == (1, 10, False)
    assert look_at(36, planned=10) == (5, 53, False)
    assert look_at(1, planned=1).due
    assert look_at(2, planned=1) == (2, 2, True)


def test_a_family_shares_the_error():
    assert simultaneous_level(0.05, parts=10) == pytest.approx(0.995)


def chance_of_deciding(n: int, share: float, level: float) -> float:
    """P(fewer than k of n fall outside), by summing the binomial law."""
    rank = order_statistic_rank(n, level=level)
    return float(stats.binom.cdf(rank - 1, n, share)) if rank else 0.0


@pytest.mark.parametrize("outside", [0, 1, 3])
def test_planning_finds_the_smallest_sufficient_number_of_seeds(outside):
    pilot = np.array([-1.0] * outside + [1.0] * (10 - outside))
    plan = {"low": 0.0, "high": math.inf, "level": 0.99}
    n = seeds_needed(pilot, power=0.8, **plan)
    assert n is not None
    share = (outside + 1) / 12
    assert chance_of_deciding(n, share, 0.99) >= 0.8
    assert all(chance_of_deciding(m, share, 0.99) < 0.8 for m in range(n))


def test_planning_is_silent_where_the_pilot_lies_at_the_edge():
    pilot = np.array([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
    assert seeds_needed(pilot, low=0, high=math.inf, level=0.95, power=0.8) is None
    lost = np.array([1.0, 1.0, 1.0, math.nan, math.nan, math.nan])
    assert seeds_needed(lost, low=0, high=math.inf, level=0.95, power=0.8) is None
    near = np.array([-1.0] * 49 + [1.0] * 51)
    assert seeds_needed(near, low=0, high=math.inf, level=0.95, power=0.8) is None


def test_planning_for_a_band_counts_both_sides():
    pilot = np.linspace(-0.5, 0.5, 20)
    one = seeds_needed(pilot, low=-1, high=math.inf, level=0.95, power=0.8)
    two = seeds_needed(pilot, low=-1, high=1, level=0.95, power=0.8)
    assert one is not None
    assert two is not None
    assert one <= two


def test_planning_for_a_share_reaches_the_power_it_promises():
    n = seeds_needed_for_share(10, 10, low=0.5, high=math.inf, level=0.95, power=0.8)
    assert n is not None
    share = 11 / 12
    decided = [clopper_pearson(s, n, level=0.95).low >= 0.5 for s in range(n + 1)]
    assert stats.binom.pmf(np.arange(n + 1), n, share) @ decided >= 0.8
    assert (
        seeds_needed_for_share(5, 10, low=0.5, high=1.0, level=0.95, power=0.8) is None
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: median_interval(np.ones(9), level=1.0, resolution=1),
            r"1.0.*\(0, 1\)",
        ),
        (lambda: median_interval(np.ones(9), level=0.9, resolution=0), "above 0"),
        (
            lambda: median_interval(
                np.array([2.0]), level=0.9, resolution=0.1, declared_range=(0, 1)
            ),
            r"value is 2 .*\[0, 1\]",
        ),
        (lambda: clopper_pearson(3, 2, level=0.9), r"3 successes of 2.*\[0, 2\]"),
        (lambda: slopes(np.ones((2, 2)), at=np.array([1.0, 1.0])), "two different"),
        (lambda: simultaneous_level(0.05, parts=0), "at least one"),
        (lambda: simultaneous_level(1.5, parts=3), r"1.5.*\(0, 1\)"),
        (lambda: extra_look_alpha(0.05, 0), "from 1"),
        (lambda: look_at(3, planned=0), "one or more"),
        (
            lambda: seeds_needed(np.array([]), low=0, high=1, level=0.9, power=0.8),
            "no seed",
        ),
        (
            lambda: seeds_needed(np.ones(4), low=0, high=1, level=0.9, power=1.0),
            r"power is 1.0.*\(0, 1\)",
        ),
    ],
)
def test_a_callers_mistake_is_named_with_its_range(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# --- the error of repeated looks, exactly ---


def ever_missed(sizes, levels):
    """The probability that some look misses the median of a continuous law.

    Only the count of values below the median matters, and it is a sum of fair coins:
    its law is carried from look to look, without the part that has missed already.
    """
    law, n, missed = np.array([1.0]), 0, 0.0
    for size, at_level in zip(sizes, levels, strict=True):
        new = stats.binom.pmf(np.arange(size - n + 1), size - n, 0.5)
        law, n = np.convolve(law, new), size
        rank, below = order_statistic_rank(n, level=at_level), np.arange(n + 1)
        out = (below < rank) | (n - below < rank)
        missed += law[out].sum()
        law[out] = 0.0
    return missed


def look_sizes(planned, looks):
    sizes = [planned]
    while len(sizes) < looks:
        sizes.append(look_at(sizes[-1] + 1, planned=planned).size)
    return sizes


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.05 / 60])
@pytest.mark.parametrize("planned", range(5, 41, 5))
def test_adding_seeds_until_decided_stays_within_alpha_exactly(planned, alpha):
    sizes = look_sizes(planned, 6)
    spent = [1 - extra_look_alpha(alpha, look) for look in range(1, 7)]
    assert ever_missed(sizes, spent) <= alpha


def test_without_spending_it_does_not():
    assert ever_missed(look_sizes(20, 6), [0.95] * 6) > 0.1


# --- the page ---

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"


def test_the_examples_on_the_page():
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0


def test_the_numbers_about_looks_on_the_page():
    page = PAGE.read_text()
    sizes = look_sizes(20, 6)
    assert sizes == [20, 30, 45, 68, 102, 153]
    every = range(20, 101)
    spent = [1 - extra_look_alpha(0.05, look) for look in range(1, 7)]
    for number in (
        f"{ever_missed(sizes, [0.95] * 6):.2f}; looking after every seed",
        f"from 20 to 100, with probability {ever_missed(every, [0.95] * 81):.2f}",
        f"becomes {ever_missed(sizes, spent):.3f} at alpha",
    ):
        assert number in page


def seeds_for(share, parts, alpha):
    """The fewest seeds that decide with a chance of 0.8 when a share dissents."""
    at_level = simultaneous_level(extra_look_alpha(alpha, 1), parts=parts)
    n = fewest_seeds(at_level)
    while share and chance_of_deciding(n, share, at_level) < 0.8:
        n += 1
    return n


def test_the_tables_of_seeds_on_the_page():
    tables = PAGE.read_text().split("## How many seeds")[1].split("\n\n| parts")[1:]
    assert len(tables) == 2
    for table, alpha in zip(tables, (0.05, 0.05 / 3), strict=True):
        rows = re.findall(r"\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", table)
        assert len(rows) >= 3
        for parts, *shown in rows:
            found = [seeds_for(s, int(parts), alpha) for s in (0, 0.05, 0.1, 0.25)]
            assert found == [int(n) for n in shown], parts


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("ends", [(0.3, 2.0), (-1.0, 0.6), (0.2, 0.7), (0.0, 0.5)])
def test_planning_for_a_share_uses_the_interval_that_judges(size, ends):
    low, high = ends
    intervals = [clopper_pearson(s, size, level=0.8) for s in range(size + 1)]
    fits = [low <= interval.low and interval.high <= high for interval in intervals]
    chance = stats.binom.pmf(np.arange(size + 1), size, 0.45) @ fits
    ours = tegum.statistics._chance_of_fitting(size, 0.45, low, high, tail=0.1)
    assert ours == pytest.approx(chance, abs=1e-9)
