"""Which features the hidden layer holds, in how many dimensions, on how many units.

W has axes `(hidden, feature)`; column `W_i` is the direction of feature i. A batch of
models on leading axes gives the numbers of each model by itself. Everything here is
computed in float64 and is NaN for a model with a weight that is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.frame import Frame, PerModel, ratio
from tegum.measures.input_law import input_cumulants
from tegum.measures.interference import feature_norms, overlap_excess_among

OF_EVEN_SHARE = 0.5
MIN_NORM_SQUARED = 0.5
TIE = 1e-9  # relative: a feature at a threshold, up to rounding, does not pass it


def feature_dimensionality(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature"]:
    """What share of a dimension each feature has to itself.

    `D_i = |W_i|^2 / sum_j (u_i . W_j)^2`, j = i included. Dimensionless, in [0, 1]: 1
    for a dimension of its own, 1/2 in an antipodal pair, d/v on each of the v corners
    of a regular polytope in d dimensions, 0 for a dropped feature (`W_i = 0`). The sum
    is at most the rank of W. It is also the share of the variance of `x_i` that the
    best gain on the read-out `W_i . h` explains when all inputs vary alike.

    Source: Elhage et al. 2022, "The Geometry of Superposition"; the same as capacity
    in Scherlis et al. 2022, "Polysemanticity and Capacity in Neural Networks".

    >>> feature_dimensionality(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    array([0.5, 0.5, 1. ])
    """
    frame = Frame.of(W)
    return _own_share(frame, frame.norm_squared)


def _own_share(
    frame: Frame, weight: Float[ndarray, "*batch feature"]
) -> Float[ndarray, "*batch feature"]:
    """`w_i / (w_i + sum_{j != i} cos_ij^2 w_j)`, and 0 where w_i = 0."""
    everything = weight + frame.crowding(weight)
    return np.where(weight == 0, 0.0, weight / np.where(weight == 0, 1.0, everything))


def dimensionality_sum_per_hidden(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """What share of the hidden dimensions is put to use by features.

    `sum_i D_i / m`. Dimensionless, in [0, 1]: the sum of D_i is at most the rank of W.
    1 if and only if features fall into orthogonal groups, each a tight frame of its own
    dimensions, that fill the hidden space (the tegum products of the polytopes among
    them); less where some group is packed unevenly or a dimension is left idle. 0
    where W = 0.

    Proof of the bound: let `F = W W^T`, with pseudo-inverse `F+`. Cauchy and Schwarz
    give `(W_i . W_i)^2 = (F^(1/2) W_i . F+^(1/2) W_i)^2 <= (W_i . F W_i) (W_i . F+
    W_i)`, so `D_i <= W_i . F+ W_i`, and these add up to `tr(F+ F)`, the rank. Equality
    holds where every `W_i` is an eigenvector of F.

    Source: Scherlis et al. 2022, "Polysemanticity and Capacity in Neural Networks".

    >>> float(dimensionality_sum_per_hidden(np.array([[1.0, -1.0], [0.0, 0.0]])))
    0.5
    """
    frame = Frame.of(W)
    used = feature_dimensionality(frame).sum(axis=-1) / frame.n_hidden
    return np.minimum(used, 1.0)  # by rounding alone


def dimensions_per_feature(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How many dimensions there are for each feature, features counted by norm.

    `D* = m / |W|_F^2`. In inverse squared units of the weights, in `(0, inf)`: 1 and
    1/2 are plateaus of the ReLU model. Shrinking every weight raises it. Its inverse
    is often plotted, as features per dimension. NaN where W = 0.

    Source: Elhage et al. 2022, "The Geometry of Superposition".

    >>> float(dimensions_per_feature(np.array([[1.0, -1.0]])))
    0.5
    """
    frame = Frame.of(W)
    relative = ratio(float(frame.n_hidden), frame.norm_squared.sum(axis=-1))
    return np.ldexp(relative, -2 * frame.exponent)


def explained_variance(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
    *,
    feature_probability: float | tuple[float, ...] | None = None,
    covariance: Float[ndarray, "feature feature"] | None = None,
) -> Float[ndarray, "*batch feature"]:
    """How much of each input the best gain on its own read-out brings back.

    `R2_i = (W_i . W_i)^2 v_i / sum_j (W_i . W_j)^2 v_j`, the squared correlation of
    `x_i` with `r_i = W_i . h = sum_j (W_i . W_j) x_j` on clean data with independent
    inputs of variance `v_j = q_j/3 - q_j^2/4`. Dimensionless, in [0, 1]. With equal
    variances (one probability, or None) it is `feature_dimensionality`; in general it
    is that of `W diag(sqrt v)`, so its sum is at most the rank of W. A gain is free, so
    shrinking every weight changes nothing. 0 where `W_i = 0`: nothing is read out.

    Inputs that vary together have a `covariance` C instead of probabilities; then `R2_i
    = (G C)_ii^2 / (C_ii (G C G)_ii)` with `G = W^T W`, and features that come together
    can share a direction, so that the sum is no longer bounded by the rank.

    Raises:
        ValueError: a probability outside (0, 1], the wrong number of them, both a
            probability and a covariance, or a covariance of another size.

    Source: linear regression of x_i on r_i; capacity of Scherlis et al. 2022.

    >>> explained_variance(np.array([[1.0, -1.0]]))
    array([0.5, 0.5])
    """
    frame = Frame.of(W)
    if covariance is not None:
        return _explained_among(frame, covariance, feature_probability)
    if feature_probability is None:
        return _own_share(frame, frame.norm_squared)
    inputs = input_cumulants(feature_probability, n_features=frame.n_features)
    variance = inputs.variance
    return _own_share(frame, frame.norm_squared * (variance / variance.max()))


def _explained_among(
    frame: Frame,
    covariance: Float[ndarray, "feature feature"],
    feature_probability: float | tuple[float, ...] | None,
) -> Float[ndarray, "*batch feature"]:
    n = frame.n_features
    if feature_probability is not None or covariance.shape != (n, n):
        raise ValueError(
            f"`covariance` has the shape {covariance.shape} and `feature_probability` "
            f"is {feature_probability!r}; give one of them, the covariance as ({n}, "
            f"{n}) for {n} features"
        )
    # u_i . V_j, what feature j adds to the read-out along feature i.
    length = np.sqrt(frame.norm_squared)
    reading = (frame.cosine + np.eye(n)) * length[..., None, :]
    with_all = np.einsum("...ij,jk->...ik", reading, covariance)
    own = np.diagonal(with_all, axis1=-2, axis2=-1)
    varies = np.einsum("...ik,...ik->...i", with_all, reading) * np.diag(covariance)
    # Features without a direction, and read-outs in which inputs cancel, say nothing.
    silent = (frame.norm_squared == 0) | (varies <= 0)
    return np.where(silent, 0.0, own**2 / np.where(silent, 1.0, varies))


def features_represented(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
    *,
    feature_probability: float | tuple[float, ...] | None = None,
    covariance: Float[ndarray, "feature feature"] | None = None,
    of_even_share: float = OF_EVEN_SHARE,
) -> PerModel:
    """How many features can be read out of the hidden layer: the count that decides.

    The number of i with `R2_i > of_even_share * min(1, m/n)`, `R2_i` the explained
    variance. A count in `[0, n]`, its resolution 1.

    The threshold is relative because the R2_i add up to at most the rank of W: min(1,
    m/n) is what each of n features has in an even packing of all of them, 1/2 in
    antipodal pairs (m = n/2). A fixed share of 1/2 would call every feature of a
    pentagon (2/5) lost. Half of the even share stands midway between packed evenly
    with all others and gone. It is scale-free: shrinking every weight, as dropout does,
    leaves the count as it is; how strong the features are is said by
    `mean_norm_squared`. Weights at random read most features out, too, and so does a
    model that has learned nothing and whose weights decayed to 1e-40: whether there is
    a model at all is for the norm to say. Inputs that vary together have a
    `covariance`, as in `explained_variance`; among them a feature of next to no weight
    that points where its fellows do is read out through these and counted, and only at
    `W_i = 0` not, where it points nowhere.

    Raises:
        ValueError: `of_even_share` outside (0, 1), or as `explained_variance`.

    Source: this project; R2_i is the capacity of Scherlis et al. 2022.

    Five features in two dimensions, three of them dropped:

    >>> float(features_represented(np.eye(2, 5)))
    2.0
    """
    frame = Frame.of(W)
    law = {"feature_probability": feature_probability, "covariance": covariance}
    represented = _represented(frame, law, of_even_share)
    return _count(represented, frame)


def _represented(frame: Frame, law: Mapping[str, Any], of_even_share: float) -> ndarray:
    if not 0 < of_even_share < 1:
        raise ValueError(
            f"`of_even_share` is {of_even_share!r}; it must be in (0, 1); 0.5 asks for "
            "half of what an even packing gives each feature"
        )
    even_share = min(1.0, frame.n_hidden / frame.n_features)
    explained = explained_variance(frame, **law)
    return explained > of_even_share * even_share * (1 + TIE)


def _count(chosen: ndarray, frame: Frame) -> PerModel:
    broken = np.isnan(frame.norm_squared).any(axis=-1)
    return np.where(broken, np.nan, chosen.sum(axis=-1))


def features_by_corrected_norm(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
    *,
    noise_variance: float,
    min_norm_squared: float = MIN_NORM_SQUARED,
) -> PerModel:
    """How many features are strong, once the shrinkage that noise causes is undone.

    The number of i with `|W_i|^2 (1 + v / PR_i) > min_norm_squared`: v the relative
    variance of multiplicative noise on the hidden units, p/(1-p) for dropout at rate p;
    PR_i the participation ratio. One feature alone has its linear optimum at `|W_i|^2 =
    1 / (1 + v / PR_i)` (see `theory.shrinkage`), so the corrected norm is 1 there at
    every rate. A count in `[0, n]`. NaN where v is: no such law is known for additive
    noise.

    Raises:
        ValueError: a negative `noise_variance`, or `min_norm_squared` not above 0.

    Source: this project; the law of shrinkage in `theory.shrinkage`.

    One feature on one unit, trained with dropout at p = 0.5: |W|^2 = 1 - p.

    >>> half = np.array([[0.5**0.5]])
    >>> float(features_by_norm(half))
    0.0
    >>> float(features_by_corrected_norm(half, noise_variance=1.0))
    1.0
    """
    if noise_variance < 0:
        raise ValueError(
            f"`noise_variance` is {noise_variance!r}; it must be in [0, inf); dropout "
            "at rate p has p / (1 - p)"
        )
    frame = Frame.of(W)
    shrinkage = 1.0 + noise_variance * frame.fourth_moment  # 1 + v / PR_i
    corrected = feature_norms(frame) ** 2 * shrinkage
    counted = _count(_above(corrected, min_norm_squared), frame)
    return np.where(np.isnan(noise_variance), np.nan, counted)


def features_by_norm(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
    *,
    min_norm_squared: float = MIN_NORM_SQUARED,
) -> PerModel:
    """How many features are strong, by a fixed threshold: a rival that decides nothing.

    The number of i with `|W_i|^2 > min_norm_squared`. A count in `[0, n]`. Shrinkage
    alone crosses the threshold: a feature on one unit trained with dropout at rate p
    has `|W_i|^2 = 1 - p`, and is lost to this count at p = 1/2.

    Raises:
        ValueError: `min_norm_squared` not above 0.

    Source: Elhage et al. 2022, "Demonstrating Superposition": represented if the norm
    is near 1.

    >>> float(features_by_norm(np.array([[1.0, -1.0, 0.1]])))
    2.0
    """
    frame = Frame.of(W)
    return _count(_above(feature_norms(frame) ** 2, min_norm_squared), frame)


def _above(norm_squared: ndarray, least: float) -> ndarray:
    if not 0 < least < math.inf:
        raise ValueError(
            f"`min_norm_squared` is {least!r}; it must be in (0, inf); 0.5 is midway "
            "between a feature that is dropped and one that is kept"
        )
    return norm_squared > least * (1 + TIE)


def features_by_frobenius(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """How many features there are if each kept one has norm 1: a rival count.

    `|W|_F^2 = sum_i |W_i|^2`. In squared units of the weights, in `[0, inf)`. Shrinkage
    lowers it though every feature be kept.

    Source: Elhage et al. 2022, "The Geometry of Superposition".

    >>> float(features_by_frobenius(np.array([[1.0, -1.0]])))
    2.0
    """
    frame = Frame.of(W)
    return np.ldexp(frame.norm_squared.sum(axis=-1), 2 * frame.exponent)


def represented_welch_excess(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
    *,
    feature_probability: float | tuple[float, ...] | None = None,
    covariance: Float[ndarray, "feature feature"] | None = None,
    of_even_share: float = OF_EVEN_SHARE,
) -> PerModel:
    """How much more the represented features overlap than they must, being so many.

    `overlap_excess` of the k features that `features_represented` counts. A number
    without dimension, in `[0, n - 1]`. It describes and decides nothing: what is
    compared chooses the set. NaN where no feature is represented.

    Raises:
        ValueError: as `features_represented`.

    Source: Welch 1974, "Lower bounds on the maximum cross correlation of signals".

    >>> float(represented_welch_excess(np.eye(2, 5)))
    0.0
    """
    frame = Frame.of(W)
    law = {"feature_probability": feature_probability, "covariance": covariance}
    chosen = _represented(frame, law, of_even_share)
    return overlap_excess_among(frame, chosen)


def participation_ratio(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> Float[ndarray, "*batch feature"]:
    """On how many hidden units each feature is written.

    `PR_i = (sum_k W_ki^2)^2 / sum_k W_ki^4`. A number of units, in `[1, m]`: 1 for a
    feature on one unit, m for one spread evenly; about (m + 2)/3 for a direction at
    random. NaN where `W_i = 0`.

    Source: the inverse participation ratio of a localised state (Bell and Dean 1970);
    here of a column of W.

    >>> participation_ratio(np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([1., 2.])
    """
    frame = Frame.of(W)
    return ratio(1.0, frame.fourth_moment)


def mean_participation_ratio(
    W: Float[ndarray, "*batch hidden feature"] | Frame,
) -> PerModel:
    """On how many hidden units features are written, averaged by squared norm.

    `sum_i |W_i|^2 PR_i / sum_i |W_i|^2`. A number of units, in `[1, m]`. Weighted by
    squared norm, so a feature that fades out leaves it smoothly. NaN where W = 0.

    Source: the inverse participation ratio of a localised state (Bell and Dean 1970).

    >>> float(mean_participation_ratio(np.array([[1.0, 0.0], [0.0, 1.0]])))
    1.0
    """
    frame = Frame.of(W)
    s, fourth = frame.norm_squared, frame.fourth_moment
    weighted = np.where(s == 0, 0.0, s / np.where(s == 0, 1.0, fourth))
    return ratio(weighted.sum(axis=-1), s.sum(axis=-1))
