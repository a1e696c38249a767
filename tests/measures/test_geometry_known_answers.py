"""Arrangements whose numbers can be worked out by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

from tegum.measures.geometry import (
    avoidable_interference,
    dimensionality_sum_per_hidden,
    dimensions_per_feature,
    effective_norm_squared,
    explained_variance,
    feature_dimensionality,
    feature_norms,
    features_by_frobenius,
    features_by_norm,
    features_represented,
    interference_matrix,
    mean_norm_squared,
    mean_overlap,
    mean_participation_ratio,
    mean_superposition,
    net_interference,
    overlap,
    overlap_excess,
    packing_excess,
    participation_ratio,
    polysemanticity,
    relative_interference,
    represented_welch_excess,
    superposition,
    total_interference,
    welch_excess,
)
from tegum.measures.input_law import input_cumulants
from tegum.theory.packings import POLYTOPES, harmonic_frame, tegum_product

# Every corner of a polytope with v corners in d dimensions stands at d/v.
DIMENSIONALITY = {
    "digon": 1 / 2,
    "triangle": 2 / 3,
    "square": 1 / 2,  # two digons
    "pentagon": 2 / 5,
    "tetrahedron": 3 / 4,
    "octahedron": 1 / 2,  # three digons
    "cube": 3 / 8,
    "square antiprism": 3 / 8,
}
EXCESSES = [welch_excess, packing_excess, overlap_excess]


def test_orthogonal_features():
    # Five of five dimensions, norms 1 to 5: nothing is shared.
    W = np.diag([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(feature_norms(W), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(interference_matrix(W), np.zeros((5, 5)))
    for zero in (total_interference, relative_interference, mean_superposition):
        assert zero(W) == 0
    for excess in EXCESSES:
        # the Welch bound is (sum s)^2 / (m sum s^2) - 1 <= 0 for n <= m
        assert excess(W) == 0
    np.testing.assert_array_equal(feature_dimensionality(W), np.ones(5))
    assert dimensionality_sum_per_hidden(W) == 1
    assert features_represented(W) == 5
    assert mean_norm_squared(W) == pytest.approx((1 + 4 + 9 + 16 + 25) / 5)
    # sum |W|^4 / sum |W|^2 = (1 + 16 + 81 + 256 + 625) / 55
    assert effective_norm_squared(W) == pytest.approx(979 / 55)
    np.testing.assert_array_equal(participation_ratio(W), np.ones(5))


def test_antipodal_pair_of_unequal_strength():
    # W = (a, -b), a = 2, b = 1: u_1 = 1, u_2 = -1, u_1 . W_2 = -1, u_2 . W_1 = -2.
    W = np.array([[2.0, -1.0]])
    np.testing.assert_array_equal(interference_matrix(W), [[0, -1], [-2, 0]])
    np.testing.assert_array_equal(superposition(W), [1, 4])
    assert mean_superposition(W) == 2.5
    np.testing.assert_array_equal(polysemanticity(W), [1, 2])
    np.testing.assert_allclose(net_interference(W, feature_probability=0.1), [0.1, 0.4])
    # feature 1 is disturbed by feature 2, and so as often as feature 2 is active
    np.testing.assert_allclose(
        net_interference(W, feature_probability=(0.1, 0.3)), [0.3, 0.4]
    )
    # sum over ordered pairs: 2 (a b)^2 = 8; sum of fourth powers 16 + 1
    assert total_interference(W) == 8
    assert relative_interference(W) == pytest.approx(8 / 17)
    # F = W W^T = a^2 + b^2 = 5 in one dimension is a multiple of the identity
    assert welch_excess(W) == pytest.approx(0, abs=1e-15)
    np.testing.assert_array_equal(overlap(W), [1, 1])
    # D_1 = 4 / (4 + 1), D_2 = 1 / (1 + 4)
    np.testing.assert_allclose(feature_dimensionality(W), [0.8, 0.2])
    assert dimensions_per_feature(W) == pytest.approx(1 / 5)
    assert features_by_frobenius(W) == pytest.approx(5)


@pytest.mark.parametrize("name", POLYTOPES)
def test_polytopes(name):
    W, expected = POLYTOPES[name], DIMENSIONALITY[name]
    d, v = W.shape
    assert expected == pytest.approx(d / v)
    np.testing.assert_allclose(feature_dimensionality(W), expected, rtol=1e-13)
    np.testing.assert_allclose(explained_variance(W), expected, rtol=1e-13)
    assert dimensionality_sum_per_hidden(W) == pytest.approx(1)
    assert dimensions_per_feature(W) == pytest.approx(d / v)
    # tight: sum_j cos_ij^2 = v/d, of which j = i takes 1
    np.testing.assert_allclose(overlap(W), v / d - 1, rtol=1e-13)
    np.testing.assert_allclose(superposition(W), v / d - 1, rtol=1e-13)
    assert total_interference(W) == pytest.approx(v * (v / d - 1))
    assert relative_interference(W) == pytest.approx(v / d - 1)
    for excess in EXCESSES:
        assert excess(W) == pytest.approx(0, abs=1e-13)
    # every corner has an even share d/v, and half of it is asked for
    assert features_represented(W) == v
    assert represented_welch_excess(W) == pytest.approx(0, abs=1e-13)
    assert features_by_norm(W) == v


def test_triangular_bipyramid_shows_its_tegum_factors():
    W = tegum_product(POLYTOPES["triangle"], POLYTOPES["digon"])
    np.testing.assert_allclose(feature_dimensionality(W), [2 / 3] * 3 + [1 / 2] * 2)
    # each factor is tight in its own subspace: 3 * 2/3 + 2 * 1/2 = 3 dimensions
    assert dimensionality_sum_per_hidden(W) == pytest.approx(1)
    # F = diag(3/2, 3/2, 2): tr F^2 = 17/2, so T = 17/2 - 5 and T/5 = 7/10; the bound
    # is 5/3 - 1 = 2/3. Five equal vectors could do better: 7/10 - 2/3 = 1/30.
    assert relative_interference(W) == pytest.approx(7 / 10)
    for excess in EXCESSES:
        assert excess(W) == pytest.approx(1 / 30)


@pytest.mark.parametrize(("k", "m"), [(5, 5), (10, 5), (18, 5), (20, 5), (7, 3)])
def test_tight_frames_meet_the_bound(k, m):
    W = 0.7 * harmonic_frame(k, m)
    assert mean_overlap(W) == pytest.approx(k / m - 1, abs=1e-12)
    for excess in EXCESSES:
        assert excess(W) == pytest.approx(0, abs=1e-12)
    assert dimensionality_sum_per_hidden(W) == pytest.approx(1)


def test_features_all_on_one_line_are_packed_as_badly_as_can_be():
    # k = 4 in m = 2: every cos^2 is 1, overlap k - 1 = 3, the bound is 4/2 - 1 = 1
    W = np.array([[1.0, -1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert mean_overlap(W) == 3
    for excess in EXCESSES:
        assert excess(W) == pytest.approx(2)
    # D_i = 1/4 each: one of two dimensions is used
    assert dimensionality_sum_per_hidden(W) == pytest.approx(1 / 2)


def test_random_directions():
    # E cos^2 = 1/m, so the overlap of n is (n - 1)/m and the excess 1 - 1/m: the bound
    # is n/m - 1. Participation ratio: E sum u^4 = 3/(m + 2).
    m, n = 5, 400
    W = np.random.default_rng(0).standard_normal((m, n))
    assert mean_overlap(W) == pytest.approx((n - 1) / m, rel=0.03)
    W /= np.linalg.norm(W, axis=0)
    assert (W**4).sum(axis=0).mean() == pytest.approx(3 / (m + 2), rel=0.05)
    assert (1 / participation_ratio(W)).mean() == pytest.approx(3 / 7, rel=0.05)


def test_participation_ratio():
    # (1, 1, 0): 2^2 / 2 = 2 units. (3, 4, 0): 25^2 / (81 + 256).
    W = np.array([[1.0, 3.0, 0.0], [1.0, 4.0, 5.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(participation_ratio(W), [2, 625 / 337, 1])
    # weights |W_i|^2 = 2, 25, 25
    expected = (2 * 2 + 25 * 625 / 337 + 25) / 52
    assert mean_participation_ratio(W) == pytest.approx(expected)


def test_strong_features_alone_and_the_rest_a_tight_frame_pack_best():
    # One of norm 2 and a triangle in three dimensions. F = diag(4, 3/2, 3/2): T = 16 +
    # 9/2 - 19 = 3/2. No tight frame has these norms (4 > 7/3): the Welch bound asks for
    # 49/3 - 19 < 0, so relative to 19 the Welch excess is 3/38; the packing is perfect.
    W = tegum_product(np.array([[2.0]]), POLYTOPES["triangle"])
    assert total_interference(W) == pytest.approx(3 / 2)
    assert welch_excess(W) == pytest.approx(3 / 38)
    assert packing_excess(W) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("seed", range(6))
def test_no_packing_of_the_same_norms_beats_the_least(seed):
    # T - T_least vanishes at the best of several minimisations over directions alone.
    generator = np.random.default_rng(seed)
    m, n = 3, 6
    norms = generator.uniform(0.1, 2.0, n)

    def packed(flat):
        V = flat.reshape(m, n)
        return V / np.linalg.norm(V, axis=0) * norms

    def interference(flat):
        W = packed(flat)
        return float(((W.T @ W) ** 2).sum() - (norms**4).sum())

    starts = [generator.standard_normal(m * n) for _ in range(3)]
    best = min((minimize(interference, start) for start in starts), key=lambda r: r.fun)
    assert packing_excess(packed(starts[0])) > 1e-2
    assert packing_excess(packed(best.x)) == pytest.approx(0, abs=1e-5)


def test_what_could_be_avoided_is_a_share_of_what_is_there():
    # Two pairs of equal features in four dimensions could all be orthogonal: all of it.
    assert avoidable_interference(np.eye(4)[:, [0, 0, 1, 1]]) == pytest.approx(1)
    # Four equal features in one dimension have no choice: none of it.
    assert avoidable_interference(np.ones((1, 4))) == pytest.approx(0, abs=1e-14)
    # A tight frame is packed best; an orthogonal set has nothing to avoid.
    assert avoidable_interference(POLYTOPES["pentagon"]) == pytest.approx(0, abs=1e-14)
    assert np.isnan(avoidable_interference(np.eye(3)))


def test_a_dropped_feature_is_not_represented_and_harms_no_one():
    W = np.pad(POLYTOPES["pentagon"], ((0, 0), (0, 2)))
    np.testing.assert_allclose(feature_dimensionality(W), [2 / 5] * 5 + [0, 0])
    np.testing.assert_allclose(explained_variance(W), [2 / 5] * 5 + [0, 0])
    assert features_represented(W) == 5
    assert features_by_norm(W) == 5
    assert mean_overlap(W) == pytest.approx(5 / 2 - 1)
    for excess in EXCESSES:
        assert excess(W) == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize("function", [welch_excess, packing_excess])
def test_a_feature_that_fades_out_leaves_smoothly(function):
    # No choice of a set: the value tends to what it is without the feature.
    W = np.random.default_rng(3).standard_normal((3, 9))
    without = function(np.delete(W, 4, axis=1))
    gaps = []
    for strength in (1e-1, 1e-2, 1e-3, 0.0):
        faded = W.copy()
        faded[:, 4] *= strength
        gaps.append(abs(function(faded) - without))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-5
    assert gaps[3] == pytest.approx(0, abs=1e-14)


def test_input_variance():
    # E x^2 = q/3, E x = q/2: dense uniform 1/12; largest 1/9 where 1/3 = q/2
    assert input_cumulants(1.0).variance == pytest.approx(1 / 12)
    assert input_cumulants(2 / 3).variance == pytest.approx(1 / 9)
    np.testing.assert_allclose(input_cumulants(0.1).variance, 0.1 / 3 - 0.01 / 4)


def test_a_tie_does_not_pass_a_threshold():
    # n = m = 2 on one line: R2 = 1/2 each, exactly what is asked for
    assert features_represented(np.array([[1.0, -1.0], [0.0, 0.0]])) == 0
    assert features_by_norm(np.array([[0.5**0.5]])) == 0


def test_values_out_of_range_are_refused_with_the_remedy():
    W = POLYTOPES["pentagon"]
    with pytest.raises(ValueError, match=r"of_even_share.*1\.0.*\(0, 1\)"):
        features_represented(W, of_even_share=1.0)
    with pytest.raises(ValueError, match=r"min_norm_squared.*-1.*\(0, inf\)"):
        features_by_norm(W, min_norm_squared=-1.0)
    for wrong in (0.0, 1.5, (0.1, 0.2, 0.3, 0.4, 0.0), float("nan")):
        with pytest.raises(ValueError, match=r"feature_probability.*\(0, 1\]"):
            explained_variance(W, feature_probability=wrong)
    with pytest.raises(ValueError, match="one for each feature"):
        net_interference(W, feature_probability=(0.1, 0.2))
