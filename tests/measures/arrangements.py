"""Weights that the tests of geometry share, and what Hypothesis draws."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

# Round numbers, so that exact orthogonality, equal features and ties at thresholds are
# common; small ones and zeros, so that features fade and vanish.
ENTRIES = st.sampled_from([0.0, 0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 2.0, 1e-3])


@st.composite
def weights(draw, *, max_hidden=4, max_features=8):
    """Any W: zero features, zero units, repeated and antipodal features included."""
    shape = (draw(st.integers(1, max_hidden)), draw(st.integers(1, max_features)))
    W = draw(hnp.arrays(np.float64, shape, elements=ENTRIES))
    smooth = draw(st.booleans())
    if smooth:
        noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        W = W + 0.1 * noise.standard_normal(shape)
    return W


def crowded(seed, *, hidden=None):
    """Random directions, four to five in a dimension, norms between 0.7 and 1.4."""
    generator = np.random.default_rng(seed)
    m = generator.integers(2, 5) if hidden is None else hidden
    n = generator.integers(4 * m, 5 * m + 1)
    W = generator.standard_normal((m, n))
    return W / np.linalg.norm(W, axis=0) * generator.uniform(0.7, 1.4, n)


SEEDS = st.integers(0, 2**32 - 1)
