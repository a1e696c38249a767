"""Moments: chunks merged are the whole; scipy; known answers; silent and caught."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from measures.arrangements import SEEDS
from tegum.measures import kurtosis
from tegum.measures import moment_numbers as numbers
from tegum.measures.moments import (
    UNIT_FIELDS,
    Moments,
    empty,
    from_arrays,
    merge,
    merge_all,
    summarise,
    to_arrays,
)
from tegum.measures.sphere import random_rotations

SHARED_NAMES = (
    "excess_kurtosis_per_unit",
    "mean_excess_kurtosis_per_unit",
    "mean_excess_kurtosis_per_vector",
    "kurtosis_of_unit_norms",
)
NUMBERS = (
    numbers.mean_excess_kurtosis_per_unit,
    numbers.median_excess_kurtosis_per_unit,
    numbers.largest_excess_kurtosis_per_unit,
    numbers.mean_excess_kurtosis_per_vector,
    numbers.kurtosis_of_unit_norms,
    numbers.kurtosis_of_unit_mean_squares,
    numbers.participation_ratio,
    numbers.outlier_dimensions_above_six,
    numbers.outlier_dimensions_often_above_six,
    numbers.outlier_dimensions_scale_free,
    numbers.outlier_share,
    numbers.root_mean_square,
)


def mixed(seed, *, vectors=200, units=6, mean=1.0):
    """Skewed, unequal, correlated units with means of their own."""
    generator = np.random.default_rng(seed)
    sources = generator.laplace(size=(vectors, units)) ** 3
    turned = sources @ generator.normal(size=(units, units))
    return turned / turned.std() + mean * generator.normal(size=units)


def rotated(h, seed):
    generator = np.random.default_rng(seed)
    return h @ random_rotations(h.shape[1], count=1, generator=generator)[0].T


def assert_same(found: Moments, expected: Moments, *, rtol=1e-9):
    """Equal to rounding; third sums, which may cancel, beside what they sum."""
    assert (found.count, found.vectors) == (expected.count, expected.vectors)
    np.testing.assert_array_equal(found.above, expected.above)
    np.testing.assert_array_equal(found.largest, expected.largest)
    scale = np.sqrt(expected.second / max(expected.count, 1))
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(found.second, expected.second, rtol=rtol)
    np.testing.assert_allclose(found.fourth, expected.fourth, rtol=rtol)
    room = rtol * expected.count * (1e-300 + scale**3).max()
    np.testing.assert_allclose(found.third, expected.third, rtol=rtol, atol=room)
    sums = (found.vector_kurtosis, expected.vector_kurtosis)
    assert math.isclose(*sums, rel_tol=rtol, abs_tol=rtol * max(1, expected.vectors))


# --- references --------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 1.0, 1e6])
def test_kurtosis_is_scipys(mean):
    h = mixed(0, mean=mean)
    found = summarise(h)
    expected = stats.kurtosis(h, axis=0)
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(found), expected, rtol=1e-9
    )
    assert numbers.mean_excess_kurtosis_per_vector(found) == pytest.approx(
        stats.kurtosis(h, axis=1).mean(), rel=1e-9
    )
    np.testing.assert_allclose(numbers.variances(found), h.var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("name", SHARED_NAMES)
def test_numbers_are_those_of_activations_in_memory(name):
    h = mixed(1)
    h[:, 2] = 0.1
    in_memory, finished = getattr(kurtosis, name), getattr(numbers, name)
    np.testing.assert_allclose(finished(summarise(h)), in_memory(h), rtol=1e-12)


# --- law: chunks merged are the whole ----------------------------------------------


@settings(max_examples=60)
@given(
    seed=SEEDS,
    cuts=st.lists(st.integers(0, 200), max_size=8),
    mean=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    order=st.randoms(use_true_random=False),
)
def test_chunks_merged_in_any_split_and_order_are_the_whole(seed, cuts, mean, order):
    h = mixed(seed, mean=mean)
    h[:, 3] = 0.1
    h[:, 4] = np.where(np.arange(len(h)) < 50, 7.0, -7.0)
    pieces = [summarise(part) for part in np.split(h, sorted(cuts))]
    order.shuffle(pieces)
    whole, merged = summarise(h), merge_all(pieces)
    assert_same(merged, whole)
    for number in NUMBERS:
        assert number(merged) == pytest.approx(number(whole), rel=1e-9, abs=1e-9)
    each = numbers.excess_kurtosis_per_unit(merged)
    assert np.isnan(each[3])
    np.testing.assert_allclose(
        each, numbers.excess_kurtosis_per_unit(whole), rtol=1e-9, atol=1e-9
    )


@settings(max_examples=20)
@given(seed=SEEDS)
def test_merging_may_be_bracketed_in_any_way(seed):
    a, b, c = (summarise(part) for part in np.split(mixed(seed), [3, 90]))
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert_same(merge(a, b), merge(b, a))


def test_vectors_one_at_a_time_are_the_whole():
    h = mixed(5, mean=1e6)
    assert_same(merge_all(summarise(row[None]) for row in h), summarise(h))


def test_nothing_merged_changes_nothing():
    some = summarise(mixed(2))
    assert merge(some, empty(6)) is some
    assert merge(empty(6), some) is some
    assert merge(empty(6), empty(6)).count == 0
    assert_same(summarise(np.empty((0, 6))), empty(6))


def test_a_trillion_vectors_merge_as_well_as_two():
    # The same chunk over and over: every moment but the count stays what it was.
    chunk = summarise(mixed(3))
    many = chunk
    for _ in range(30):
        many = merge(many, many)
    assert many.count == 200 * 2**30
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(many),
        numbers.excess_kurtosis_per_unit(chunk),
        rtol=1e-12,
    )


def test_arrays_hold_the_moments():
    some = summarise(mixed(4))
    arrays = to_arrays(some, "rest")
    assert set(arrays) == {f"rest/{name}" for name in (*UNIT_FIELDS, "counts")}
    back = from_arrays({**arrays, **to_arrays(empty(6), "other")}, "rest")
    for name in UNIT_FIELDS:
        np.testing.assert_array_equal(getattr(back, name), getattr(some, name))
    assert (back.count, back.vectors) == (some.count, some.vectors)
    assert back.vector_kurtosis == some.vector_kurtosis
    assert from_arrays(to_arrays(empty(3), "none"), "none").width == 3


def test_what_was_not_kept_is_left_out_and_stays_unknown_when_merged():
    some = summarise(mixed(4))
    arrays = to_arrays(some, "x")
    del arrays["x/largest"], arrays["x/above"]
    lost = from_arrays(arrays, "x")
    assert set(to_arrays(lost, "x")) == set(arrays)
    both = merge(lost, some)
    assert math.isnan(numbers.outlier_dimensions_above_six(both))
    assert math.isnan(numbers.outlier_dimensions_often_above_six(both))
    assert math.isnan(numbers.outlier_share(both))
    assert not math.isnan(numbers.mean_excess_kurtosis_per_unit(both))


# --- known answers -----------------------------------------------------------------


def test_a_coin_has_the_least_kurtosis():
    # +-1/2 about its mean: fourth moment 1/16, variance 1/4, ratio 1, excess -2.
    coin = summarise(np.array([[0.0], [0.0], [1.0], [1.0]]))
    assert numbers.excess_kurtosis_per_unit(coin) == -2.0
    assert numbers.mean_excess_kurtosis_per_unit(coin) == -2.0


def test_two_constant_chunks_of_different_values_are_a_coin():
    low, high = (summarise(np.full((50, 1), value)) for value in (0.1, 0.3))
    assert np.isnan(numbers.excess_kurtosis_per_unit(merge(low, low))).all()
    np.testing.assert_allclose(
        numbers.excess_kurtosis_per_unit(merge(low, high)), -2.0, rtol=1e-12
    )


@pytest.mark.parametrize("m", [4, 5, 20])
def test_one_hot_vectors(m):
    # Coordinates (1, 0, ..., 0): (m^2 - 3m + 3) / (m - 1) - 3, each of the m alike.
    found = numbers.mean_excess_kurtosis_per_vector(summarise(np.eye(m)))
    assert found == pytest.approx((m * m - 3 * m + 3) / (m - 1) - 3)


def test_gaussian_vectors_have_the_finite_width_value():
    # -6 / (m + 1), here -6/9; 40,000 vectors, 5 standard errors.
    h = np.random.default_rng(0).standard_normal((40_000, 8))
    each = stats.kurtosis(h, axis=1)
    found = numbers.mean_excess_kurtosis_per_vector(summarise(h))
    assert abs(found + 6 / 9) < 5 * each.std() / 200


def of_variances(*variances, mean=0.0):
    """Vectors +-sqrt(v) and their opposites: means 0, variances as given."""
    row = np.sqrt(np.array(variances, dtype=float))
    return summarise(np.stack([row, -row, row, -row]) + mean)


def test_participation_and_norms_count_the_units_that_vary():
    # Two of four alike: (1 + 1)^2 / (1 + 1) = 2 units; (1/2) / (1/2)^2 = 2.
    two = of_variances(1, 1, 0, 0)
    assert numbers.participation_ratio(two) == pytest.approx(2.0)
    assert numbers.kurtosis_of_unit_norms(two) == pytest.approx(2.0)
    assert numbers.participation_ratio(of_variances(3, 3, 3)) == pytest.approx(3.0)
    assert numbers.kurtosis_of_unit_norms(of_variances(5, 0, 0)) == pytest.approx(3.0)


def test_means_left_in_are_seen_and_centred_are_not():
    # Mean squares 1 + 9 and 1, 1, 1: mean of squares 103/4, square of mean (13/4)^2.
    h = of_variances(1, 1, 1, 1, mean=np.array([3.0, 0, 0, 0]))
    assert numbers.kurtosis_of_unit_norms(h) == pytest.approx(1.0)
    expected = (103 / 4) / (13 / 4) ** 2
    assert numbers.kurtosis_of_unit_mean_squares(h) == pytest.approx(expected)
    assert numbers.root_mean_square(h) == pytest.approx(math.sqrt(13 / 4))


def test_which_units_carry_the_variance_and_the_tails():
    h = np.zeros((100, 4))
    h[:, 1] = 3.0 * np.tile([1.0, -1.0], 50)  # variance 9, excess -2
    h[:, 2] = np.tile([1.0, -1.0], 50)  # variance 1, excess -2
    h[0, 3] = 1.0  # variance .0099, heavy
    found = summarise(h)
    assert numbers.strongest_units(found, 3).tolist() == [1, 2, 3]
    assert numbers.heaviest_units(found, 4).tolist() == [3, 1, 2, 0]
    assert numbers.share_of_variance(found, 1) == pytest.approx(9 / 10.0099)
    assert numbers.share_of_variance(found, 4) == pytest.approx(1.0)
    # One in 100: 1/(p(1-p)) - 3 - 3 = 1/.0099 - 6.
    expected = 1 / 0.0099 - 6
    assert numbers.largest_excess_kurtosis_per_unit(found) == pytest.approx(expected)
    assert numbers.median_excess_kurtosis_per_unit(found) == pytest.approx(-2.0)


def test_each_definition_of_outliers_sees_its_own():
    h = np.random.default_rng(0).standard_normal((1000, 50))
    h[0, 0] = 7.0  # once: Elhage's
    h[:60, 1] = -6.5  # in 6 % of the tokens: Dettmers' as well
    h[:59, 2] = 6.5  # in 5.9 %
    h[:, 3] = 6.0  # exactly 6 is not above 6
    found = summarise(h)
    assert numbers.outlier_dimensions_above_six(found) == 3
    assert numbers.outlier_dimensions_often_above_six(found) == 1
    assert numbers.outlier_share(found) == pytest.approx((1 + 60 + 59) / 50_000)


def test_the_scale_free_definition_does_not_see_the_scale_and_the_others_do():
    h = np.random.default_rng(0).standard_normal((1000, 50))
    h[:, 7] *= 10
    for scale in (1e-6, 1.0, 1e6):
        assert numbers.outlier_dimensions_scale_free(summarise(scale * h)) == 1
    assert numbers.outlier_dimensions_above_six(summarise(1e-6 * h)) == 0
    assert numbers.outlier_dimensions_above_six(summarise(1e6 * h)) == 50


# --- silent where there is nothing, loud where there is something -------------------


def gaps(h, seed):
    """Each kurtosis of these vectors less that of a rotated copy."""
    own, copy = summarise(h), summarise(rotated(h, seed))
    return [
        number(own) - number(copy)
        for number in (
            numbers.mean_excess_kurtosis_per_vector,
            numbers.mean_excess_kurtosis_per_unit,
        )
    ]


@pytest.mark.parametrize("seed", range(5))
def test_gaussian_units_have_no_gap_and_laplace_units_have_one(seed):
    # Laplace has excess 3, a rotated unit of 32 about 3/32 of it.
    generator = np.random.default_rng(seed)
    silent = gaps(generator.standard_normal((5000, 32)), seed)
    np.testing.assert_allclose(silent, 0.0, atol=0.1)
    laplace = generator.laplace(size=(5000, 32))
    assert min(gaps(laplace, seed)) > 1.0
    np.testing.assert_allclose(gaps(rotated(laplace, 90 + seed), seed), 0.0, atol=0.4)


def test_a_basis_at_random_has_hardly_an_outlier_even_if_one_direction_is_all():
    # P(|g| > 6 * .674) = 5.2e-5 a unit: .53 expected of 40 x 256, 6 with chance 1e-4.
    found = 0.0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        strength = generator.laplace(size=(20, 1)) + 5.0
        h = strength * generator.standard_normal(256)
        found += numbers.outlier_dimensions_scale_free(summarise(h))
    assert found < 6


# --- undefined, and mistakes --------------------------------------------------------


def test_a_constant_unit_has_no_kurtosis_whatever_its_value():
    h = mixed(7)
    h[:, 0], h[:, 1] = 0.1, 1e6 + 0.1
    pieces = [summarise(part) for part in np.split(h, [17, 60, 61])]
    for found in (summarise(h), merge_all(pieces)):
        assert (found.second[:2] == 0).all()
        assert np.isnan(numbers.excess_kurtosis_per_unit(found)[:2]).all()
        assert not np.isnan(numbers.excess_kurtosis_per_unit(found)[2:]).any()


def test_where_nothing_varies_nothing_is_defined():
    still = summarise(np.full((10, 5), 0.1))
    for number in (
        numbers.mean_excess_kurtosis_per_unit,
        numbers.median_excess_kurtosis_per_unit,
        numbers.largest_excess_kurtosis_per_unit,
        numbers.mean_excess_kurtosis_per_vector,
        numbers.kurtosis_of_unit_norms,
        numbers.participation_ratio,
    ):
        assert math.isnan(number(still)), number
    assert math.isnan(numbers.share_of_variance(still, 1))
    assert numbers.root_mean_square(still) == pytest.approx(0.1)


def test_nothing_at_all_is_not_zero():
    for number in NUMBERS:
        assert math.isnan(number(empty(5))), number


def test_three_vectors_or_three_units_are_too_few():
    few = summarise(mixed(0, vectors=3))
    assert math.isnan(numbers.mean_excess_kurtosis_per_unit(few))
    assert math.isnan(numbers.kurtosis_of_unit_norms(few))
    narrow = summarise(mixed(0, units=3))
    assert math.isnan(numbers.mean_excess_kurtosis_per_vector(narrow))


def test_mistakes_name_the_value_and_the_remedy():
    with pytest.raises(ValueError, match=r"2 of 8 activations are not finite"):
        summarise(np.array([[1, 2, np.nan, 4], [5, np.inf, 7, 8.0]]))
    with pytest.raises(ValueError, match=r"shape \(3, 0\); they must be \(vector"):
        summarise(np.zeros((3, 0)))
    with pytest.raises(ValueError, match="below 1e70"):
        summarise(np.full((4, 2), 1e71))
    with pytest.raises(ValueError, match="of 3 and of 4 units"):
        merge(empty(3), empty(4))
    with pytest.raises(ValueError, match="at least one piece"):
        merge_all([])
    with pytest.raises(ValueError, match=r"named 'first'; there are \['rest'\]"):
        from_arrays(to_arrays(empty(3), "rest"), "first")
    with pytest.raises(ValueError, match="width is 0"):
        empty(0)
