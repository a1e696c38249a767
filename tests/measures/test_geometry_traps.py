"""What looks like less superposition and is not, and the numbers that can tell."""

import numpy as np
import pytest

from tegum.arrays import Artifact
from tegum.measures import GEOMETRY
from tegum.measures.geometry import (
    features_by_corrected_norm,
    features_by_frobenius,
    features_by_norm,
    features_represented,
    mean_norm_squared,
    mean_overlap,
    mean_superposition,
    overlap_excess,
    packing_excess,
    relative_interference,
    total_interference,
    welch_excess,
)
from tegum.theory.packings import harmonic_frame
from tegum.theory.shrinkage import shrunken_norm_squared

EXCESSES = [welch_excess, packing_excess, overlap_excess]


def with_dropped(W, n):
    return np.pad(W, ((0, 0), (0, n - W.shape[1])))


class TestOverlapIsTheCountInDisguise:
    """20 features in 5 units, k of them kept in a tight frame, the others dropped."""

    @pytest.mark.parametrize("k", [5, 10, 16, 18, 20])
    def test_overlap_is_a_function_of_the_count(self, k):
        W = with_dropped(harmonic_frame(k, 5), 20)
        assert mean_overlap(W) == pytest.approx(k / 5 - 1, abs=1e-12)
        assert relative_interference(W) == pytest.approx(k / 5 - 1, abs=1e-12)

    @pytest.mark.parametrize("k", [5, 10, 16, 18, 20])
    def test_the_excess_is_silent(self, k):
        W = with_dropped(harmonic_frame(k, 5), 20)
        for excess in EXCESSES:
            assert excess(W) == pytest.approx(0, abs=1e-12)
        assert features_represented(W) == k

    def test_the_excess_speaks_when_packing_alone_loosens(self):
        W = with_dropped(harmonic_frame(10, 5), 20)
        generator = np.random.default_rng(0)
        loose = W + 0.3 * generator.standard_normal(W.shape) * (W != 0).any(axis=0)
        loose[:, :10] /= np.linalg.norm(loose[:, :10], axis=0)
        assert features_represented(loose) == features_represented(W) == 10
        for excess in EXCESSES:
            assert excess(loose) > 0.05


class TestShrinkageCrossesAFixedThreshold:
    """Aligned features at their optimum under dropout: |W_i|^2 = 1 - p."""

    RATES = (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.9)

    @staticmethod
    def trained(rate, directions):
        v = rate / (1 - rate)
        ratio = 1 / (directions**4).sum(axis=0)
        return directions * np.sqrt(shrunken_norm_squared(v, ratio))

    def test_the_fixed_count_falls_to_nothing_at_one_half(self):
        for rate in self.RATES:
            W = self.trained(rate, np.eye(5))
            assert (W**2).sum(axis=0) == pytest.approx(1 - rate)
            assert features_by_norm(W) == (5 if rate < 0.5 else 0)
            assert features_by_frobenius(W) == pytest.approx(5 * (1 - rate))

    def test_the_counts_that_see_through_it_do_not_move(self):
        for rate in self.RATES:
            for directions in (np.eye(5), harmonic_frame(10, 5)):
                W = self.trained(rate, directions)
                v = rate / (1 - rate)
                k = directions.shape[1]
                assert features_represented(W) == k
                assert features_by_corrected_norm(W, noise_variance=v) == k

    def test_the_correction_is_smaller_for_a_feature_spread_over_units(self):
        # p = 1/2, v = 1, |W|^2 = 0.3: 0.3 (1 + 1) > 1/2 on one unit (PR = 1); 0.3 (1 +
        # 1/4) < 1/2 on four (PR = 4), where shrinkage explains only 1/(1 + 1/4) = 0.8.
        aligned = np.sqrt(0.3) * np.eye(4, 1)
        spread = np.sqrt(0.3) * np.full((4, 1), 0.5)
        assert features_by_corrected_norm(aligned, noise_variance=1.0) == 1
        assert features_by_corrected_norm(spread, noise_variance=1.0) == 0

    def test_numbers_with_norms_in_them_fall(self):
        # The same directions all along: interference falls, packing does not change.
        before = self.trained(0.0, harmonic_frame(10, 5))
        after = self.trained(0.5, harmonic_frame(10, 5))
        assert total_interference(after) < 0.8 * total_interference(before)
        assert mean_superposition(after) < 0.9 * mean_superposition(before)

    def test_a_feature_that_is_really_dropped_is_seen_by_all(self):
        W = self.trained(0.3, np.eye(5))
        W[:, 2] = 0.0
        v = 0.3 / 0.7
        assert features_represented(W) == 4
        assert features_by_corrected_norm(W, noise_variance=v) == 4
        assert features_by_norm(W) == 4

    def test_the_measure_reads_the_rate_from_the_row(self):
        W = self.trained(0.6, np.eye(5)).astype(np.float32)
        row = {"noise": "dropout", "rate": 0.6, "feature_probability": 0.1}
        numbers = GEOMETRY(Artifact({"W": W}), row)
        assert numbers["features_represented"] == 5
        assert numbers["features_by_corrected_norm"] == 5
        assert numbers["features_by_norm"] == 0


class TestADeadModelHasNoFeatures:
    """Weights decayed to 1e-40 keep directions; only the norm says they are dead."""

    W = 1e-40 * np.random.default_rng(0).standard_normal((5, 20))

    def test_the_counts_by_norm_are_silent(self):
        assert features_by_norm(self.W) == 0
        assert features_by_frobenius(self.W) < 1e-70
        assert features_by_corrected_norm(self.W, noise_variance=1.0) == 0
        assert mean_norm_squared(self.W) < 1e-70

    def test_the_count_that_is_free_of_scale_is_not(self):
        assert features_represented(self.W) == features_represented(1e40 * self.W) > 5

    def test_without_any_weights_it_is(self):
        assert features_represented(0.0 * self.W) == 0
