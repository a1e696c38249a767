"""How strongly features stand in each other's way, and how well they are packed.

W has axes `(hidden, feature)`; column `W_i` is the direction of feature i. A batch of
models on leading axes gives the numbers of each model by itself. Everything here is
computed in float64 and is NaN for a model with a weight that is not finite.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.frame import Frame, PerModel, mean_over, ratio


def feature_norms(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature"]:
    """How strongly each feature is written into the hidden layer.

    `|W_i|`. In units of the weights, in `[0, inf)`: near 1 for a feature that a linear
    read-out `W_i . h` gives back at its size, 0 for one that is dropped.

    Source: Elhage et al. 2022, "Demonstrating Superposition".

    >>> feature_norms(np.array([[3.0, 0.0], [4.0, 0.0]]))
    array([5., 0.])
    """
    frame = Frame.of(W)
    return np.ldexp(np.sqrt(frame.norm_squared), frame.exponent[..., None])


def mean_norm_squared(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How strongly features are written into the hidden layer, on average.

    `sum_i |W_i|^2 / n`. In squared units of the weights, in `[0, inf)`.

    Source: Elhage et al. 2022, "Demonstrating Superposition": `|W|_F^2`, by feature.

    >>> float(mean_norm_squared(np.array([[1.0, 0.0], [1.0, 0.0]])))
    1.0
    """
    frame = Frame.of(W)
    return np.ldexp(frame.norm_squared.mean(axis=-1), 2 * frame.exponent)


def effective_norm_squared(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """The squared norm of a typical feature among those that are strong.

    `sum_i |W_i|^4 / sum_i |W_i|^2`, the mean of `|W_i|^2` weighted by itself. In
    squared units of the weights, in `(0, inf)`: c for any number of features of squared
    norm c beside dropped ones. It runs over all features, and a feature that fades
    out leaves it smoothly. NaN where W = 0.

    Source: the self-weighted mean, as the weight-average molar mass of a polymer.

    >>> float(effective_norm_squared(np.array([[2.0, 0.0, 0.0]])))
    4.0
    """
    frame = Frame.of(W)
    s = frame.norm_squared
    relative = ratio((s**2).sum(axis=-1), s.sum(axis=-1))
    return np.ldexp(relative, 2 * frame.exponent)


def interference_matrix(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature feature"]:
    """How far feature j moves the read-out along the direction of feature i.

    `u_i . W_j` with `u_i = W_i / |W_i|`, and 0 on the diagonal. In units of the
    weights, in `(-inf, inf)`. The row of a feature with `W_i = 0` is NaN: it has no
    direction. Public code adds 1e-5 to the norm, which this does not.

    Source: Elhage et al. 2022, "Demonstrating Superposition".

    An antipodal pair: each pushes the other's read-out down by its own size.

    >>> interference_matrix(np.array([[1.0, -1.0]]))
    array([[ 0., -1.],
           [-1.,  0.]])
    """
    frame = Frame.of(W)
    norms = feature_norms(frame)
    lives = frame.lives[..., :, None]
    return np.where(lives, frame.cosine * norms[..., None, :], np.nan)


def superposition(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature"]:
    """How much of other features lies along each feature's direction.

    `sum_{j != i} (u_i . W_j)^2` with `u_i = W_i / |W_i|`. In squared units of the
    weights, in `[0, inf)`: 0 for a feature with a dimension of its own, 1 or more for
    one that shares it fully. Norms are in it, so it falls when every weight shrinks.
    NaN where `W_i = 0`: the feature has no direction.

    Source: Elhage et al. 2022, "Demonstrating Superposition".

    >>> superposition(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    array([1., 1., 0.])
    """
    frame = Frame.of(W)
    shared = np.ldexp(frame.crowding(), 2 * frame.exponent[..., None])
    return np.where(frame.lives, shared, np.nan)


def mean_superposition(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """Superposition of the average feature.

    The mean of `sum_{j != i} (u_i . W_j)^2` over the features with a direction. In
    squared units of the weights, in `[0, inf)`. A faint feature counts as much as a
    strong one, so it tells of packing among dropped features too. NaN where W = 0.

    Source: Elhage et al. 2022, "Demonstrating Superposition".

    >>> float(mean_superposition(np.array([[1.0, -1.0]])))
    1.0
    """
    frame = Frame.of(W)
    return mean_over(superposition(frame), frame.lives)


def polysemanticity(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature"]:
    """How far other features, all active at 1, could move each feature's read-out.

    `sqrt(sum_{j != i} (u_i . W_j)^2)`, the length of its row of the interference
    matrix: the square root of its superposition. In units of the weights, in
    `[0, inf)`. NaN where `W_i = 0`.

    Source: Pona 2023, "Superposition and Dropout", the code beside it.

    >>> polysemanticity(np.array([[2.0, -2.0, 0.0], [0.0, 0.0, 1.0]]))
    array([2., 2., 0.])
    """
    return np.sqrt(superposition(W))


def net_interference(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
    *,
    feature_probability: float | tuple[float, ...],
) -> Float[ndarray, "*batch feature"]:
    """Superposition of each feature, others counted as often as they are active.

    `sum_{j != i} q_j (u_i . W_j)^2`. In squared units of the weights, in `[0, inf)`.
    NaN where `W_i = 0`.

    Raises:
        ValueError: a probability outside (0, 1], or the wrong number of them.

    Source: Pona 2023, "Superposition and Dropout", the code beside it, for one
    probability q; here feature j has its own.

    >>> net_interference(np.array([[1.0, -1.0]]), feature_probability=0.1)
    array([0.1, 0.1])
    """
    frame = Frame.of(W)
    q = checked_probability(feature_probability, frame.n_features)
    shared = frame.crowding(frame.norm_squared * q)
    shared = np.ldexp(shared, 2 * frame.exponent[..., None])
    return np.where(frame.lives, shared, np.nan)


def total_interference(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How much features overlap in all, strong ones counted more.

    `sum_{i != j} (W_i . W_j)^2` over all ordered pairs of all features. In fourth
    powers of the weights' unit, in `[0, inf)`: 0 where all features are orthogonal.
    Norms are in it, so it falls when every weight shrinks; beside it stand
    `relative_interference` and `mean_norm_squared`.

    Source: Elhage et al. 2022, "Mathematical Understanding": the interference term of
    the linear model's loss.

    >>> float(total_interference(np.array([[1.0, -1.0]])))
    2.0
    """
    frame = Frame.of(W)
    total = (frame.norm_squared * frame.crowding()).sum(axis=-1)
    return np.ldexp(total, 4 * frame.exponent)


def relative_interference(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How much features overlap in all, relative to how strong they are.

    `sum_{i != j} (W_i . W_j)^2 / sum_i |W_i|^4`. Dimensionless, in `[0, n - 1]`. It
    runs over all features, so no choice of a set enters; a feature that fades out
    leaves it continuously. For k features of equal norm it is their mean overlap, and
    so the count in disguise: at least k/m - 1. NaN where W = 0.

    Source: Elhage et al. 2022, "Mathematical Understanding", for the numerator; the
    denominator is the diagonal of the same sum over all i and j.

    >>> float(relative_interference(np.array([[2.0, -2.0]])))
    1.0
    """
    frame = Frame.of(W)
    total = (frame.norm_squared * frame.crowding()).sum(axis=-1)
    return ratio(total, (frame.norm_squared**2).sum(axis=-1))


def welch_excess(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How much more features overlap than their number and strength force on them.

    `relative_interference - max(0, (sum_i s_i)^2 / (m sum_i s_i^2) - 1)`, `s_i =
    |W_i|^2`. Dimensionless, in `[0, n - 1]`, over all features, scale-free. For k
    features of equal norm: `mean_i sum_{j != i} cos_ij^2 - max(0, k/m - 1)`.

    It is never negative. Let `F = W W^T`, with trace `sum_i s_i` and at most m
    eigenvalues. By Cauchy and Schwarz `tr(F^2) >= tr(F)^2 / m`, and `tr(F^2) = sum_ij
    (W_i . W_j)^2 = sum_i s_i^2 (1 + relative_interference)`; so `relative_interference
    >= (sum s_i)^2 / (m sum s_i^2) - 1`, and it is not negative itself. It is 0 if and
    only if all eigenvalues of F are equal (`W W^T = c I`, a tight frame) or all
    features are orthogonal (those with `W_i = 0` included). It is continuous in W
    wherever W is not 0: a feature that fades out leaves it smoothly.

    Where one feature is stronger than the average dimension, `max s_i > sum s_i / m`,
    no tight frame of these norms exists and the excess can not reach 0; see
    `packing_excess` for the bound that can always be reached. NaN where W = 0.

    Source: Welch 1974, "Lower bounds on the maximum cross correlation of signals",
    for squared cosines; Benedetto and Fickus 2003, "Finite normalized tight frames".

    >>> float(welch_excess(np.array([[1.0, -1.0]])))
    0.0
    """
    frame = Frame.of(W)
    s = frame.norm_squared
    total, squares = s.sum(axis=-1), (s**2).sum(axis=-1)
    bound = np.maximum(ratio(total**2, frame.n_hidden * squares) - 1.0, 0.0)
    return np.maximum(relative_interference(frame) - bound, 0.0)


def packing_excess(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How much more features overlap than in the best packing of the same norms.

    `(T - T_least) / sum_i s_i^2`: total interference T less the least that vectors of
    norms `s_i = |W_i|^2` in m dimensions can have. Dimensionless, in `[0, n - 1]`, over
    all features, scale-free, continuous wherever W is not 0. It is 0 if and only if no
    turning of features lowers the total interference: strong features orthogonal to
    all, the rest a tight frame of the dimensions left. At most `welch_excess`, and
    equal to it where `max s_i <= sum s_i / m`, all norms equal among these. NaN where
    W = 0.

    With s sorted downwards, `t_k = sum_{i > k} s_i` and k the first with `s_{k+1} <=
    t_k / (m - k)`, the least is `t_k^2 / (m - k) - sum_{i > k} s_i^2`: the eigenvalues
    of `W W^T` majorise s (Schur and Horn), and `(s_1, ..., s_k, t_k / (m - k), ...)`
    has the least sum of squares among all that do.

    Source: Casazza, Fickus, Kovacevic, Leon and Tremain 2006, "A physical
    interpretation of tight frames": the minimisers of the frame potential.

    Three features, one twice as strong, in two dimensions: it stands alone.

    >>> float(packing_excess(np.array([[2.0, 0.0, 0.0], [0.0, 1.0, -1.0]])))
    0.0
    """
    frame = Frame.of(W)
    s = frame.norm_squared
    total = (s * frame.crowding()).sum(axis=-1)
    excess = total - _least_interference(s, frame.n_hidden)
    return np.maximum(ratio(excess, (s**2).sum(axis=-1)), 0.0)


def avoidable_interference(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """Which share of total interference the best packing of the same norms avoids.

    `(T - T_least) / T = packing_excess / relative_interference`. Dimensionless, in
    `[0, 1]`, scale-free. 0: features of these norms can not be packed better; 1: they
    could all be orthogonal. Negative overlaps, which a ReLU forgives, count as well.
    NaN where nothing interferes (relatively, below 1e-12), and where W = 0.

    Source: Casazza et al. 2006. A pair alike and one apart: `T = 2`, a triangle 3/2.

    >>> share = avoidable_interference(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> round(float(share), 12)
    0.25
    """
    frame = Frame.of(W)
    relative = relative_interference(frame)
    return ratio(packing_excess(frame), np.where(relative < 1e-12, 0.0, relative))


def _least_interference(s: Float[ndarray, "*batch feature"], n_hidden: int) -> PerModel:
    """The least total interference of vectors of these squared norms: `packing_excess`.

    With `d = m - k` dimensions left, `a = t_k / d` in each of them, and `tail` the sum
    of all but the d strongest of what is left,
    `t_k^2 / d - sum s_i^2 = 2 a tail - sum_{d strongest} (s_i - a)^2 - sum_tail s_i^2`,
    which loses no digits where the tail is faint and both terms on the left are equal.
    """
    ordered = -np.sort(-s, axis=-1)
    missing = max(0, n_hidden - s.shape[-1])
    ordered = np.pad(ordered, [(0, 0)] * (s.ndim - 1) + [(0, missing)])
    strongest, tail = ordered[..., :n_hidden], ordered[..., n_hidden:]
    left = np.cumsum(strongest[..., ::-1], axis=-1)[..., ::-1]
    left = left + tail.sum(axis=-1, keepdims=True)
    each = left / (n_hidden - np.arange(n_hidden))
    k = np.argmax(strongest <= each, axis=-1)[..., None]  # the last is always true
    a = np.take_along_axis(each, k, axis=-1)
    apart = np.where(np.arange(n_hidden) < k, 0.0, strongest - a)
    both = 2.0 * a[..., 0] * tail.sum(axis=-1)
    return np.maximum(both - (apart**2).sum(axis=-1) - (tail**2).sum(axis=-1), 0.0)


def overlap(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature"]:
    """How much each feature's direction is shared, strong or faint all the same.

    `sum_{j != i} cos^2(W_i, W_j)` over the features with a direction. Dimensionless, in
    `[0, n - 1]`: 0 for a direction of one's own, 1 for one partner on the same line.
    NaN where `W_i = 0`.

    Source: Elhage et al. 2022, "Demonstrating Superposition", with both normalised.

    >>> overlap(np.array([[1.0, -0.1, 0.0], [0.0, 0.0, 7.0]]))
    array([1., 1., 0.])
    """
    frame = Frame.of(W)
    shared = frame.cosine_squared.sum(axis=-1)
    return np.where(frame.lives, shared, np.nan)


def mean_overlap(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How much the average feature's direction is shared.

    The mean of `sum_{j != i} cos^2(W_i, W_j)` over the k features with a direction.
    Dimensionless, in `[0, n - 1]`. At least k/m - 1, whatever the training: read it
    beside `overlap_excess`. NaN where W = 0.

    Source: Elhage et al. 2022, "Demonstrating Superposition", with both normalised.

    >>> float(mean_overlap(np.array([[1.0, -0.1]])))
    1.0
    """
    frame = Frame.of(W)
    return mean_over(overlap(frame), frame.lives)


def overlap_excess(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How much more directions overlap than their number forces on them.

    `mean_overlap - max(0, k/m - 1)` for the k features with a direction: `welch_excess`
    with every norm set to 1. Dimensionless, in `[0, n - 1]`. A faint feature counts as
    much as a strong one and drops out all at once when it reaches 0. NaN where W = 0.

    Source: Welch 1974, "Lower bounds on the maximum cross correlation of signals".

    >>> float(overlap_excess(np.array([[1.0, 1.0], [0.0, 0.0]])))
    1.0
    """
    frame = Frame.of(W)
    return overlap_excess_among(frame, frame.lives)


def overlap_excess_among(frame: Frame, chosen: ndarray) -> PerModel:
    """`overlap_excess` of the chosen features alone; NaN where none is chosen."""
    pairs = chosen[..., :, None] & chosen[..., None, :]
    shared = np.where(pairs, frame.cosine_squared, 0.0).sum(axis=-1)
    bound = np.maximum(chosen.sum(axis=-1) / frame.n_hidden - 1.0, 0.0)
    return np.maximum(mean_over(shared, chosen) - bound, 0.0)


def checked_probability(
    feature_probability: float | tuple[float, ...], n_features: int
) -> Float[ndarray, " feature"]:
    """The probability of every feature.

    Raises:
        ValueError: a probability outside (0, 1], or the wrong number of them.
    """
    q = np.asarray(feature_probability, dtype=np.float64)
    if q.ndim > 0 and q.shape != (n_features,):
        raise ValueError(
            f"`feature_probability` has shape {q.shape} and W {n_features} features; "
            "give one number, or one for each feature"
        )
    if not ((q > 0) & (q <= 1)).all():
        raise ValueError(
            f"`feature_probability` is {feature_probability!r}; it must be in (0, 1]; "
            "sparsity S is 1 - feature_probability"
        )
    return np.broadcast_to(q, (n_features,))
