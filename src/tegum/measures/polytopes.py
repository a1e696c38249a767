"""How many features stand in polytopes, how many by chance, and how many in none.

W has axes `(hidden, feature)`, one model at a time. Everything here is computed in
float64 and is NaN for a model with a weight that is not finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.arrangement import (
    ALONE,
    COSINES,
    FRACTIONS,
    NONE,
    TIE,
    USUAL,
    Tolerances,
    arrangement,
    chance_of_a_name,
    dimensions_spanned,
)
from tegum.measures.frame import Frame
from tegum.measures.represented import feature_dimensionality
from tegum.measures.variants import require_linear_hidden

Weights = Float[ndarray, "hidden feature"] | Frame
LINES = np.array(list(FRACTIONS.values()))


def kept_features(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """How many features are not faint beside the strong ones.

    `#{i: |W_i|^2 > 0.1 sum_j |W_j|^4 / sum_j |W_j|^2}`. A count in `[1, n]`, which no
    scale of W changes. NaN where W = 0.

    Source: this project; the typical norm is `effective_norm_squared`.

    >>> kept_features(np.array([[1.0, -1.0, 0.1]]))
    2.0
    """
    kept = len(arrangement(W, tolerances=tolerances).kept)
    return float(kept) if kept else math.nan


def dimensions_per_kept_feature(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """How many dimensions there are for each feature, features counted one by one.

    `m / k`, k the number of kept features. In dimensions, in `[m/n, m]`. Unlike
    `D* = m / |W|_F^2` it does not rise when all weights shrink, as they do under
    dropout. NaN where W = 0.

    Source: this project, after D* of Elhage et al. 2022.

    >>> dimensions_per_kept_feature(np.array([[0.5, -0.5]]))
    0.5
    """
    frame = Frame.of(W)
    return frame.n_hidden / kept_features(frame, tolerances=tolerances)


def share_in(W: Weights, *, polytope: str, tolerances: Tolerances = USUAL) -> float:
    """Which share of the kept features stands in groups of one name.

    `1/k * #{i: the group of i has the name}`. Dimensionless, in [0, 1]. Names are the
    five polytopes, `alone` and `none`. NaN where W = 0.

    Raises:
        ValueError: another name.

    Source: Elhage et al. 2022, "The Geometry of Superposition"; see `arrangement`.

    >>> share_in(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), polytope="alone")
    0.3333333333333333
    """
    known = (*COSINES, ALONE, NONE)
    if polytope not in known:
        raise ValueError(
            f"`polytope` is {polytope!r}; it must be one of {', '.join(known)}"
        )
    return arrangement(W, tolerances=tolerances).share(polytope)


def named_share(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """Which share of the kept features stands in a group that is a polytope.

    `1/k * #{i: the group of i is a polytope}`: digons, triangles, tetrahedra, pentagons
    and square antiprisms. Dimensionless, in [0, 1]. A feature with a dimension of its
    own stands in no polytope. NaN where W = 0.

    Source: Elhage et al. 2022, "The Geometry of Superposition"; see `arrangement`.

    >>> named_share(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    0.6666666666666666
    """
    return arrangement(W, tolerances=tolerances).share(*COSINES)


def random_named_share(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """What share of as many directions at random would stand in polytopes.

    The average of `named_share` over k directions drawn uniformly in m dimensions, k
    the number of kept features, all of one norm, which can only raise it. In [0, 1],
    without dimension. It depends on k and m alone. NaN where W = 0.

    Source: this project, `arrangement.chance_of_a_name`.

    >>> 0.4 < random_named_share(np.array([[1.0, -1.0]])) < 0.6
    True
    """
    frame = Frame.of(W)
    kept = len(arrangement(frame, tolerances=tolerances).kept)
    if not kept:
        return math.nan
    return chance_of_a_name(kept, frame.n_hidden, tolerances=tolerances)


def random_named_share_in_groups(
    W: Weights, *, tolerances: Tolerances = USUAL
) -> float:
    """What share would be in polytopes if groups kept their spaces, not their angles.

    For each group the chance that as many random directions in as many dimensions as it
    spans form polytopes, averaged over the kept features; `1/k * sum over groups of
    v * chance(v, d)`. In [0, 1], without dimension: 1/2 for features in pairs on one
    line each, of which every other is antipodal by chance; 0 for a feature alone. It
    takes as given who shares a subspace with whom. NaN where W = 0.

    Source: this project, `arrangement.chance_of_a_name`.

    >>> 0.4 < random_named_share_in_groups(np.kron(np.eye(3), [[1.0, -1.0]])) < 0.6
    True
    """
    frame = Frame.of(W)
    found = arrangement(frame, tolerances=tolerances)
    if not len(found.kept):
        return math.nan
    chance = 0.0
    for group in found.groups:
        spanned = dimensions_spanned(frame, group)
        share = chance_of_a_name(len(group), spanned, tolerances=tolerances)
        chance += len(group) * share
    return chance / len(found.kept)


def named_excess(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """How much more features stand in polytopes than chance puts there.

    `named_share` minus the larger of its two nulls, `random_named_share` and
    `random_named_share_in_groups`. Dimensionless, in [-1, 1]: about 0 for random
    directions, 1/2 where all features are in digons, near 1 where all are in larger
    polytopes. NaN where W = 0.

    Source: this project.

    >>> -0.05 < named_excess(np.random.default_rng(0).standard_normal((3, 9))) < 0.05
    True
    """
    frame = Frame.of(W)
    chance = max(
        random_named_share(frame, tolerances=tolerances),
        random_named_share_in_groups(frame, tolerances=tolerances),
    )
    return named_share(frame, tolerances=tolerances) - chance


def share_at_fractions(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """Which share of the kept features has the dimensionality of some polytope.

    The share with `|D_i - f| <= 0.01` for an f among 1, 3/4, 2/3, 1/2, 2/5, 3/8.
    Dimensionless, in [0, 1]. NaN where W = 0.

    Source: Elhage et al. 2022, "The Geometry of Superposition"; the width is this
    project's.

    >>> share_at_fractions(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    1.0
    """
    return _near_fractions(_kept_dimensionality(W, tolerances), tolerances)


def random_share_at_fractions(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """What share would be at fractions if each dimensionality were moved a little.

    The mean over features of the share of `[D_i - 0.05, D_i + 0.05]` within 0.01 of a
    fraction: what a smooth law with the same features would give. In [0, 1], without
    dimension; 1/5 for a feature at a fraction far from the others. NaN where W = 0.

    Source: this project.

    >>> round(random_share_at_fractions(np.array([[1.0, -1.0]])), 6)
    0.2
    """
    D = _kept_dimensionality(W, tolerances)
    if not len(D):
        return math.nan
    near, moved = tolerances.fraction, tolerances.moved
    low = np.maximum.outer(D - moved, LINES - near)
    high = np.minimum.outer(D + moved, LINES + near)
    covered = np.maximum(high - low, 0.0).sum(axis=1)
    return float((covered / (2.0 * moved)).mean())


def even_share_at_fractions(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """What share would be at fractions if norms alone shared out the dimensions.

    The share of kept features with `|W_i|^2 sum_j D_j / sum_j |W_j|^2` within 0.01 of a
    fraction, both sums over the kept features. So it is in a tight frame, whatever its
    shapes: k features of one norm that span m dimensions evenly have `D_i = m / k`
    each, at 1/2 if they are twice as many, even if no two of them are antipodal. In
    [0, 1], without dimension. NaN where W = 0.

    Source: this project; that `W W^T = c I` gives `D_i = |W_i|^2 / c`: by definition.

    >>> even_share_at_fractions(np.array([[1.0, 0.0, 0.6, -0.8], [0.0, 1.0, 0.8, 0.6]]))
    1.0
    """
    frame = Frame.of(W)
    kept = arrangement(frame, tolerances=tolerances).kept
    D, s = feature_dimensionality(frame)[kept], frame.norm_squared[kept]
    return _near_fractions(s * (D.sum() / s.sum()) if len(D) else D, tolerances)


def fraction_excess(W: Weights, *, tolerances: Tolerances = USUAL) -> float:
    """How much more dimensionalities pile up at the fractions than without shapes.

    `share_at_fractions` minus the larger of its two nulls, `random_share_at_fractions`
    and `even_share_at_fractions`. Dimensionless, in [-1, 1]: about 0 for a law that is
    smooth there and for every tight frame of equal norms, above 0 where features of
    several shapes stand side by side. It is 0, too, where all stand in digons: their
    1/2 is what any even spread of as many would have, and `named_excess` tells them
    apart. NaN where W = 0.

    Source: this project.

    >>> fraction_excess(np.array([[1.0, -1.0]]))
    0.0
    """
    frame = Frame.of(W)
    chance = max(
        random_share_at_fractions(frame, tolerances=tolerances),
        even_share_at_fractions(frame, tolerances=tolerances),
    )
    return share_at_fractions(frame, tolerances=tolerances) - chance


def _near_fractions(D: Float[ndarray, " kept"], tolerances: Tolerances) -> float:
    """The share of dimensionalities within the tolerance of a fraction."""
    if not len(D):
        return math.nan
    apart = np.abs(np.subtract.outer(D, LINES)).min(axis=1)
    return float((apart <= tolerances.fraction + TIE).mean())


def _kept_dimensionality(W: Weights, tolerances: Tolerances) -> Float[ndarray, " kept"]:
    frame = Frame.of(W)
    return feature_dimensionality(frame)[arrangement(frame, tolerances=tolerances).kept]


SHARES = {
    "digon_share": "digon",
    "triangle_share": "triangle",
    "tetrahedron_share": "tetrahedron",
    "pentagon_share": "pentagon",
    "square_antiprism_share": "square antiprism",
    "alone_share": ALONE,
    "unnamed_share": NONE,
}
"""The numbers that `share_in` gives, and the name that each asks for."""

NUMBERS = (
    "kept_features",
    "dimensions_per_kept_feature",
    "named_share",
    "random_named_share",
    "random_named_share_in_groups",
    "named_excess",
    *SHARES,
    "share_at_fractions",
    "random_share_at_fractions",
    "even_share_at_fractions",
    "fraction_excess",
)


def numbers_of(artifact: Artifact, row: Row, **tolerances: float) -> dict[str, Any]:
    """The polytopes of one model, from its final weights `W` (hidden, feature).

    An untied model's W is its encoder, as it is for geometry.

    Raises:
        ValueError: a hidden layer that is not linear.
    """
    require_linear_hidden(row, measure="polytopes")
    frame = Frame.of(artifact.arrays["W"])
    given = Tolerances(**tolerances)
    functions = (
        kept_features,
        dimensions_per_kept_feature,
        named_share,
        random_named_share,
        random_named_share_in_groups,
        named_excess,
        share_at_fractions,
        random_share_at_fractions,
        even_share_at_fractions,
        fraction_excess,
    )
    numbers = {f.__name__: f(frame, tolerances=given) for f in functions}
    found = arrangement(frame, tolerances=given)
    return numbers | {name: found.share(group) for name, group in SHARES.items()}
