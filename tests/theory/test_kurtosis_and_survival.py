"""Kurtosis and survival before anything is learned: by hand and against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tegum.measures.input_law import input_excess_kurtosis
from tegum.theory import kurtosis, survival


def test_the_density_of_gaussian_kurtosis():
    q = kurtosis.gaussian_feature_probability()
    assert round(1 - q, 4) == 0.5871
    assert input_excess_kurtosis(q) == pytest.approx(0.0, abs=1e-12)
    assert input_excess_kurtosis(q - 0.01) > 0 > input_excess_kurtosis(q + 0.01)


def test_clean_kurtosis_of_shared_units():
    # n equal features: alignment 1/n.
    found = kurtosis.clean_excess_kurtosis(
        np.array([1, 0.5, 0.1]), feature_probability=0.1
    )
    np.testing.assert_allclose(found, input_excess_kurtosis(0.1) * np.r_[1, 0.5, 0.1])


@pytest.mark.parametrize(("rate", "raw"), [(0.1, 10 / 3), (0.5, 6.0), (0.9, 30.0)])
def test_a_masked_gaussian_by_hand(rate, raw):
    assert kurtosis.masked_raw_kurtosis(3.0, rate=rate) == pytest.approx(raw)
    centred = kurtosis.masked_excess_kurtosis(
        mean=0.0, variance=2.0, skewness=0.0, excess=0.0, rate=rate
    )
    assert centred == pytest.approx(raw - 3)


@pytest.mark.parametrize("mean", [0.0, 0.5, 3.0])
def test_centred_masked_kurtosis_against_simulation(mean):
    # A skewed unit: exponential, skewness 2, excess 6. 8 blocks of 100,000.
    generator = np.random.default_rng(0)
    h = generator.exponential(size=(8, 100_000)) - 1 + mean
    masked = h * (generator.random(h.shape) >= 0.4) / 0.6
    each = stats.kurtosis(masked, axis=1)
    expected = kurtosis.masked_excess_kurtosis(
        mean=mean, variance=1.0, skewness=2.0, excess=6.0, rate=0.4
    )
    assert abs(each.mean() - expected) < 5 * each.std(ddof=1) / math.sqrt(8)


def test_a_constant_unit_takes_on_the_kurtosis_of_its_mask():
    # A coin of probability 1/2: excess -2; without dropout nothing varies.
    coin = {"mean": 1.0, "variance": 0.0, "skewness": 0.0, "excess": 0.0}
    assert kurtosis.masked_excess_kurtosis(**coin, rate=0.5) == pytest.approx(-2.0)
    assert math.isnan(kurtosis.masked_excess_kurtosis(**coin, rate=0.0))


def test_two_readings_of_redundancy_disagree():
    units = np.array([1.0, 2.0, 8.0])
    escape = survival.survival_probability(units, rate=0.3)
    noise = survival.relative_noise_variance(units, rate=0.3)
    lost = survival.mean_share_lost_when_hit(units, rate=0.3)
    np.testing.assert_allclose(escape, [0.7, 0.49, 0.7**8])
    np.testing.assert_allclose(noise, 3 / 7 / units)
    np.testing.assert_allclose(lost[:2], [1.0, 0.3 / 0.51])
    assert (np.diff(escape) < 0).all()  # fewer units are safer
    assert (np.diff(noise) < 0).all()  # more units are safer


def test_survival_and_noise_against_masks():
    kept = np.random.default_rng(1).random((200_000, 3)) >= 0.3
    survived = kept.all(axis=1).mean()
    assert survival.survival_probability(3, rate=0.3) == pytest.approx(
        survived, abs=5 * 0.5 / math.sqrt(200_000)
    )
    read = (kept / 0.7).mean(axis=1)
    assert survival.relative_noise_variance(3.0, rate=0.3) == pytest.approx(
        read.var(), rel=0.02
    )
    lost = 1 - kept.mean(axis=1)
    assert survival.mean_share_lost_when_hit(3, rate=0.3) == pytest.approx(
        lost[lost > 0].mean(), rel=0.01
    )


def test_without_dropout_nothing_is_hit():
    assert survival.survival_probability(4, rate=0.0) == 1.0
    assert math.isnan(survival.mean_share_lost_when_hit(4, rate=0.0))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="alignment"):
        kurtosis.clean_excess_kurtosis(1.5, feature_probability=0.1)
    with pytest.raises(ValueError, match="variance"):
        kurtosis.masked_excess_kurtosis(
            mean=0, variance=-1, skewness=0, excess=0, rate=0.5
        )
    with pytest.raises(ValueError, match="rate"):
        kurtosis.masked_raw_kurtosis(3.0, rate=1.0)
    with pytest.raises(ValueError, match=r"\[1, inf\)"):
        survival.relative_noise_variance(0.5, rate=0.5)
