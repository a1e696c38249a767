"""The four kurtoses: known answers, scipy, nulls against simulation, silent cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from measures.arrangements import SEEDS
from tegum.measures import kurtosis, sphere
from tegum.measures.kurtosis import (
    excess_kurtosis_per_unit,
    excess_kurtosis_per_vector,
    excess_kurtosis_pooled,
    kurtosis_beside_rotations,
    kurtosis_of_unit_norms,
    masked_kurtosis_beside_rotations,
    mean_excess_kurtosis_per_unit,
    mean_excess_kurtosis_per_vector,
    under_rotations,
)

STATISTICS = {
    "per_vector": mean_excess_kurtosis_per_vector,
    "per_unit": mean_excess_kurtosis_per_unit,
    "pooled": excess_kurtosis_pooled,
    "unit_norms": kurtosis_of_unit_norms,
}
NAMES = pytest.mark.parametrize("name", STATISTICS)


def mixed(seed, examples=300, units=5):
    """Skewed, unequal, correlated units with a mean."""
    generator = np.random.default_rng(seed)
    sources = generator.laplace(size=(examples, units)) ** 3
    return sources @ generator.normal(size=(units, units)) + generator.normal(
        size=units
    )


def test_per_unit_is_scipys_kurtosis():
    h = mixed(0)
    expected = stats.kurtosis(h, axis=0, fisher=True, bias=True)
    np.testing.assert_allclose(excess_kurtosis_per_unit(h), expected, rtol=1e-10)


def test_per_vector_is_scipys_kurtosis_of_each_row():
    h = mixed(1)
    expected = stats.kurtosis(h, axis=1, fisher=True, bias=True)
    np.testing.assert_allclose(excess_kurtosis_per_vector(h), expected, rtol=1e-10)


def test_pooled_centres_each_unit_by_itself():
    # Two units that are a coin each, at different heights: every centred value is
    # +-1/2, so fourth moment / variance^2 is 1. Centring the pool as one would differ.
    coin = np.array([0.0, 1.0, 0.0, 1.0])
    assert excess_kurtosis_pooled(np.stack([coin, coin + 100], axis=1)) == -2.0


def test_unit_norms_of_one_loud_unit_among_m_is_m():
    # s = (1, 0, 0, 0): mean s^2 = 1/4, (mean s)^2 = 1/16.
    h = np.zeros((6, 4))
    h[:, 2] = [1, -1, 1, -1, 1, -1]
    assert kurtosis_of_unit_norms(h) == 4.0


@pytest.mark.parametrize("m", [4, 5, 8, 20])
def test_one_hot_vector(m):
    # Coordinates (1, 0, ..., 0): (m^2 - 3m + 3) / (m - 1) - 3.
    expected = (m * m - 3 * m + 3) / (m - 1) - 3
    np.testing.assert_allclose(excess_kurtosis_per_vector(np.eye(1, m))[0], expected)


def test_vectors_of_two_or_three_units_all_have_the_same_kurtosis_so_it_is_undefined():
    # a + b + c = 0 gives a^4 + b^4 + c^4 = (a^2 + b^2 + c^2)^2 / 2: always 3/2.
    h = mixed(2, units=3)
    np.testing.assert_allclose(stats.kurtosis(h, axis=1, fisher=False), 1.5)
    for units in (1, 2, 3):
        assert np.isnan(excess_kurtosis_per_vector(mixed(2, units=units))).all()
        assert math.isnan(sphere.random_excess_kurtosis_per_vector(units))


@settings(max_examples=20)
@given(seed=SEEDS, shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_shift_and_scale_of_everything_change_nothing(seed, shift, scale):
    h = mixed(seed)
    for name, statistic in STATISTICS.items():
        moved = statistic(scale * h + shift)
        np.testing.assert_allclose(moved, statistic(h), rtol=1e-6, err_msg=name)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_a_batch_is_each_by_itself(seed):
    batch = np.stack([mixed(seed), mixed(seed + 1)])
    for name, statistic in STATISTICS.items():
        alone = [statistic(h) for h in batch]
        np.testing.assert_array_equal(statistic(batch), alone, err_msg=name)


# --- nulls -------------------------------------------------------------------------


@pytest.mark.parametrize("m", [4, 5, 10, 64])
def test_gaussian_vectors_have_the_finite_width_value(m):
    # 3 (m - 1) / (m + 1) - 3 = -6 / (m + 1); 40,000 vectors, 5 standard errors.
    h = np.random.default_rng(m).standard_normal((40_000, m))
    each = excess_kurtosis_per_vector(h)
    error = each.std() / math.sqrt(each.size)
    null = sphere.random_excess_kurtosis_per_vector(m)
    assert null == -6 / (m + 1)
    assert abs(each.mean() - null) < 5 * error


@pytest.mark.parametrize(("m", "rate"), [(4, 0.9), (5, 0.3), (8, 0.5), (64, 0.5)])
def test_masked_vectors_have_their_own_null(m, rate):
    generator = np.random.default_rng(m)
    h = generator.standard_normal((40_000, m)) * (generator.random((40_000, m)) >= rate)
    each = excess_kurtosis_per_vector(h[(h != 0).any(axis=1)])
    null = sphere.random_excess_kurtosis_per_masked_vector(m, rate=rate)
    assert abs(each.mean() - null) < 5 * each.std() / math.sqrt(each.size)


def test_masks_alone_move_the_null_of_vectors():
    # The trap: a masked vector looks "privileged" beside the clean null.
    clean = sphere.random_excess_kurtosis_per_vector(8)
    kept = sphere.random_excess_kurtosis_per_masked_vector(8, rate=0.0)
    assert kept == pytest.approx(clean, abs=1e-12)
    assert sphere.random_excess_kurtosis_per_masked_vector(8, rate=0.5) > clean + 1


@pytest.mark.parametrize("m", [1, 2, 3, 5, 20])
def test_random_directions_have_the_closed_form_participation_and_largest_share(m):
    u = np.random.default_rng(m).standard_normal((40_000, m))
    share = u**2 / (u**2).sum(axis=1, keepdims=True)
    for found, each in (
        (sphere.random_participation_ratio(m), 1 / (share**2).sum(axis=1)),
        (sphere.random_largest_axis_share(m), share.max(axis=1)),
    ):
        assert abs(each.mean() - found) <= 5 * each.std() / 200 + 1e-12


def test_closed_forms_in_two_dimensions():
    # u = (cos a, sin a): 1 / (cos^4 + sin^4) averages sqrt 2, max(cos^2, sin^2)
    # averages 1/2 + 1/pi.
    assert sphere.random_participation_ratio(2) == pytest.approx(
        math.sqrt(2), abs=1e-12
    )
    assert sphere.random_largest_axis_share(2) == pytest.approx(0.5 + 1 / math.pi)


@NAMES
def test_the_rotated_average_is_what_drawn_rotations_give(name):
    h = mixed(3)
    drawn = sphere.random_rotations(5, count=400, generator=np.random.default_rng(0))
    each = under_rotations(STATISTICS[name], h, rotations=drawn)
    expected = kurtosis_beside_rotations(h)[name].rotated
    assert abs(each.mean() - expected) < 5 * each.std() / 20


@NAMES
@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_rotated_average_does_not_know_the_basis(name, seed):
    h = mixed(4)
    Q = sphere.random_rotations(5, count=1, generator=np.random.default_rng(seed))[0]
    one, other = (kurtosis_beside_rotations(x)[name] for x in (h, h @ Q.T))
    np.testing.assert_allclose(one.rotated, other.rotated, rtol=1e-7)


@NAMES
def test_the_masked_rotated_average_is_what_rotating_before_masking_gives(name):
    # 200 drawn rotations, each with its own masks on 4,000 examples.
    generator = np.random.default_rng(0)
    h = mixed(3, examples=4000) + np.r_[5.0, np.zeros(4)]
    drawn = sphere.random_rotations(5, count=200, generator=generator)
    each = [
        STATISTICS[name](h @ Q.T * (generator.random(h.shape) >= 0.4)) for Q in drawn
    ]
    found = masked_kurtosis_beside_rotations(h, rate=0.4, generator=generator)[name]
    error = np.std(each) / math.sqrt(200)
    assert abs(np.mean(each) - found.rotated) < 5 * error


def test_masking_without_dropout_is_the_clean_statistic():
    h = mixed(14)
    generator = np.random.default_rng(0)
    masked = masked_kurtosis_beside_rotations(h, rate=0.0, generator=generator)
    for name, clean in kurtosis_beside_rotations(h).items():
        assert masked[name].value == clean.value
        assert masked[name].rotated == pytest.approx(clean.rotated, rel=1e-9)


def test_masked_rotated_gaussians_have_no_privileged_basis():
    generator = np.random.default_rng(15)
    h = generator.standard_normal((20_000, 8))
    found = masked_kurtosis_beside_rotations(h, rate=0.5, generator=generator)
    for name, beside in found.items():
        assert abs(beside.gap) < 0.12, name
    # The clean null would have called it privileged.
    assert found["per_unit"].value > 2.5


# --- silent cases, and what must be caught ------------------------------------------


@NAMES
def test_rotated_gaussian_activations_have_no_privileged_basis(name):
    # One draw of 20,000 examples: gaps of the order of 1 / sqrt(20,000) = .007.
    generator = np.random.default_rng(5)
    Q = sphere.random_rotations(8, count=1, generator=generator)[0]
    h = generator.standard_normal((20_000, 8)) @ Q.T
    assert abs(kurtosis_beside_rotations(h)[name].gap) < 0.03


@pytest.mark.parametrize("name", ["per_vector", "per_unit", "pooled"])
def test_laplace_units_are_a_privileged_basis_and_rotating_them_lowers_kurtosis(name):
    generator = np.random.default_rng(6)
    h = generator.laplace(size=(20_000, 8))
    rotated = h @ sphere.random_rotations(8, count=1, generator=generator)[0].T
    aligned, turned = (kurtosis_beside_rotations(x)[name] for x in (h, rotated))
    assert aligned.gap > 0.2
    assert turned.value < aligned.value - 0.2


def test_unit_norms_see_loud_units_and_are_blind_to_heavy_tails():
    generator = np.random.default_rng(7)
    loud = generator.standard_normal((20_000, 8)) * np.r_[5.0, np.ones(7)]
    heavy = generator.laplace(size=(20_000, 8))
    assert kurtosis_beside_rotations(loud)["unit_norms"].gap > 1
    assert abs(kurtosis_beside_rotations(heavy)["unit_norms"].gap) < 0.02


def test_dense_uniform_units_are_a_basis_whose_kurtosis_is_below_the_rotated():
    # Privileged does not mean heavy-tailed: a uniform unit has excess kurtosis -1.2.
    h = np.random.default_rng(8).random((20_000, 6))
    beside = kurtosis_beside_rotations(h)["per_unit"]
    assert beside.value == pytest.approx(-1.2, abs=0.03)
    assert beside.gap < -0.4


# --- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_a_constant_unit_has_no_kurtosis(constant):
    h = mixed(9)
    h[:, 1] = constant
    each = excess_kurtosis_per_unit(h)
    assert np.isnan(each).tolist() == [False, True, False, False, False]
    rest = np.delete(h, 1, axis=1)
    np.testing.assert_allclose(
        mean_excess_kurtosis_per_unit(h), mean_excess_kurtosis_per_unit(rest)
    )


@NAMES
def test_constant_activations_are_undefined(name):
    beside = kurtosis_beside_rotations(np.full((10, 5), 0.1))[name]
    assert math.isnan(beside.value)
    assert math.isnan(beside.gap)


def test_inactive_examples_are_left_out_of_the_vectors():
    h = np.vstack([np.eye(1, 5), np.zeros((3, 5)), np.full((1, 5), 0.1)])
    assert mean_excess_kurtosis_per_vector(h) == pytest.approx(0.25)


@NAMES
def test_one_unit_has_nothing_to_be_rotated_into(name):
    assert math.isnan(kurtosis_beside_rotations(mixed(10, units=1))[name].gap)


def test_activations_that_are_not_finite_are_refused():
    h = mixed(11)
    h[7, 2] = np.nan
    for statistic in (*STATISTICS.values(), kurtosis_beside_rotations):
        with pytest.raises(ValueError, match=r"not finite, the first at \(7, 2\)"):
            statistic(h)


def test_too_few_examples_are_refused():
    with pytest.raises(ValueError, match="at least 4 examples"):
        excess_kurtosis_per_unit(mixed(12)[:3])


def test_rotations_of_the_wrong_size_and_what_is_no_rotation_are_refused():
    h = mixed(12)
    with pytest.raises(ValueError, match=r"must be \(count, 5, 5\)"):
        under_rotations(excess_kurtosis_pooled, h, rotations=np.eye(4)[None])
    with pytest.raises(ValueError, match="not orthogonal"):
        under_rotations(excess_kurtosis_pooled, h, rotations=2 * np.eye(5)[None])
    with pytest.raises(ValueError, match="no rotation was given"):
        under_rotations(excess_kurtosis_pooled, h, rotations=np.empty((0, 5, 5)))


def test_bad_counts_and_rates_are_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="count"):
        sphere.random_rotations(3, count=0, generator=generator)
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        sphere.random_excess_kurtosis_per_masked_vector(5, rate=1.0)
    with pytest.raises(ValueError, match="dimensions"):
        sphere.random_participation_ratio(0)


def test_tiny_and_huge_activations_give_the_same_numbers():
    h = mixed(13)
    for name, statistic in STATISTICS.items():
        for scale in (1e-120, 1e120):
            if name != "unit_norms":
                np.testing.assert_allclose(
                    statistic(scale * h), statistic(h), rtol=1e-9
                )


def test_the_table_of_the_module_names_every_statistic():
    for name in ("per_vector", "per_unit", "pooled"):
        assert f"excess_kurtosis_{name}" in kurtosis.__doc__
