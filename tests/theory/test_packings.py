"""Polytopes and tight frames are what their docstrings say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.measures.geometry import feature_dimensionality, mean_overlap
from tegum.theory.packings import (
    POLYTOPES,
    harmonic_frame,
    polygon,
    tegum_product,
    welch_bound,
)

CORNERS = {
    "digon": (1, 2),
    "triangle": (2, 3),
    "square": (2, 4),
    "pentagon": (2, 5),
    "tetrahedron": (3, 4),
    "octahedron": (3, 6),
    "cube": (3, 8),
    "square antiprism": (3, 8),
}


def test_every_polytope_is_a_tight_frame_of_unit_vectors():
    assert set(POLYTOPES) == set(CORNERS)
    for name, W in POLYTOPES.items():
        d, v = CORNERS[name]
        assert W.shape == (d, v), name
        np.testing.assert_allclose((W**2).sum(axis=0), 1.0, rtol=1e-14)
        np.testing.assert_allclose(W @ W.T, v / d * np.eye(d), atol=1e-14)


def test_corners_of_a_polytope_are_all_different():
    for name, W in POLYTOPES.items():
        product = W.T @ W - 2 * np.eye(W.shape[1])
        assert product.max() < 1 - 1e-9, name


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 12))
def test_harmonic_frames_are_tight(m, more):
    k = m + more
    W = harmonic_frame(k, m)
    np.testing.assert_allclose((W**2).sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(W @ W.T, k / m * np.eye(m), atol=1e-12)
    np.testing.assert_allclose(feature_dimensionality(W), m / k, rtol=1e-12)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_no_unit_vectors_overlap_less_than_the_bound(m, k, seed):
    W = np.random.default_rng(seed).standard_normal((m, k))
    assert mean_overlap(W) >= welch_bound(k, m) - 1e-12


def test_an_antiprism_of_another_height_is_not_tight():
    W = POLYTOPES["square antiprism"] * np.array([[1.0], [1.0], [1.2]])
    W /= np.linalg.norm(W, axis=0)
    assert mean_overlap(W) > welch_bound(8, 3) + 1e-3


def test_factors_of_a_tegum_product_keep_their_dimensionality():
    # triangular bipyramid: three corners at 2/3 in the plane, two at 1/2 on the axis
    W = tegum_product(POLYTOPES["triangle"], POLYTOPES["digon"])
    np.testing.assert_allclose(feature_dimensionality(W), [2 / 3] * 3 + [1 / 2] * 2)


def test_impossible_arrangements_are_refused():
    with pytest.raises(ValueError, match="at least 3"):
        polygon(2)
    with pytest.raises(ValueError, match="3 vectors in 4 dimensions"):
        harmonic_frame(3, 4)
    with pytest.raises(ValueError, match="0 vectors in 4 dimensions"):
        welch_bound(0, 4)
