"""Whether a toy model's hidden units are a basis it prefers, from its weights alone.

With the law of the inputs known, every kurtosis of the clean and of the masked hidden
layer is exact, and so is its average over all rotations QW. Each number ending in
`_gap` is the trained basis minus that average: 0 on average for a model whose basis is
arbitrary. Privileged may mean two things, and the sign tells them apart: *aligned*
(features on few units: `unit_alignment_gap` and `axis_share_gap` above 0,
`participation_gap` below) or *spread* (the reverse).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.frame import Frame, ratio
from tegum.measures.input_law import Probability, independent_law, input_cumulants
from tegum.measures.kurtosis import BesideRotations, rotated_kurtosis_of_unit_norms
from tegum.measures.represented import mean_participation_ratio
from tegum.measures.rotated import UnitLaw
from tegum.measures.sphere import (
    checked_rate,
    random_largest_axis_share,
    random_participation_ratio,
)

Weights = Float[ndarray, "*batch hidden feature"] | Frame
PerModel = Float[ndarray, "*batch"] | float


def unit_alignment(W: Weights) -> Float[ndarray, "*batch hidden"]:
    """How far each hidden unit belongs to a single feature.

    `sum_i W_ki^4 / (sum_i W_ki^2)^2`. Dimensionless, in `[1/n, 1]`: 1 for a unit with
    one feature, 1/2 with two equal ones, 1/n with all of them. It is what the inputs'
    excess kurtosis is multiplied by in the unit (`exact_kurtosis`). NaN for a unit
    whose weights are all 0.

    Source: the cumulants of a sum of independent inputs; its inverse is the unit's
    effective number of features.

    >>> unit_alignment(np.array([[1.0, -1.0], [0.0, 2.0]]))
    array([0.5, 1. ])
    """
    W = _scaled(W)
    squared = (W**2).sum(axis=-1)
    return ratio((W**4).sum(axis=-1), squared**2)


def mean_unit_alignment(W: Weights) -> PerModel:
    """How far hidden units belong to single features, averaged over units.

    `sum_k s_k a_k / sum_k s_k`, with `a_k` the `unit_alignment` and the unit's strength
    `s_k = sum_i W_ki^2`, so that an idle unit counts for nothing. Dimensionless, in
    `[1/n, 1]`. NaN where W = 0.

    Source: this project.

    >>> float(mean_unit_alignment(np.array([[1.0, -1.0], [0.0, 2.0]])))
    0.8333333333333334
    """
    W = _scaled(W)
    squared = (W**2).sum(axis=-1)
    aligned = np.where(squared == 0, 0.0, ratio((W**4).sum(axis=-1), squared))
    return ratio(aligned.sum(axis=-1), squared.sum(axis=-1))


def rotated_unit_alignment(W: Weights) -> PerModel:
    """What `mean_unit_alignment` is on average over all rotations of the hidden space.

    `(1 / tr A) integral over t > 0 of sqrt(det C) 3 sum_i (W_i' C W_i)^2 dt` with
    `A = W W^T` and `C = (I + 2 t A)^-1`; `3 sum_i |W_i|^4 / (m (m + 2) c^2)` where
    `A = c I`. Dimensionless, in `(0, 1]`. NaN where W = 0.

    Source: derived in `measures.rotated`.

    >>> float(rotated_unit_alignment(np.eye(4)).round(12))
    0.5
    """
    W = _scaled(W)
    flat = W.reshape(-1, *W.shape[-2:])
    each = [_rotated_alignment(w) for w in flat]
    return np.array(each).reshape(W.shape[:-2])


def unit_alignment_gap(W: Weights) -> PerModel:
    """How much more units belong to single features than in a basis at random.

    `mean_unit_alignment - rotated_unit_alignment`. Dimensionless, in `(-1, 1)`: above 0
    the basis is aligned with the features, below 0 features are spread over units more
    evenly than chance does it. This decides on alignment: the clean kurtosis per unit
    is this times the inputs' excess kurtosis. NaN for one unit and where W = 0.

    Source: this project.

    >>> float(unit_alignment_gap(np.eye(4)).round(12))
    0.5
    """
    W = _scaled(W)
    if W.shape[-2] == 1:
        return np.full(W.shape[:-2], np.nan)
    return mean_unit_alignment(W) - rotated_unit_alignment(W)


def largest_axis_share(W: Weights) -> Float[ndarray, "*batch feature"]:
    """How much of each feature lies on its largest unit.

    `max_k W_ki^2 / |W_i|^2`. Dimensionless, in `[1/m, 1]`. NaN where `W_i = 0`.

    Source: this project.

    >>> largest_axis_share(np.array([[1.0, 1.0], [0.0, 1.0]])).round(3)
    array([1. , 0.5])
    """
    frame = Frame.of(W)
    largest = (frame.direction**2).max(axis=-2)
    return np.where(frame.lives, largest, np.nan)


def mean_largest_axis_share(W: Weights) -> PerModel:
    """How much of a feature lies on its largest unit, averaged by squared norm.

    Dimensionless, in `[1/m, 1]`. NaN where W = 0.

    Source: this project.

    >>> float(mean_largest_axis_share(np.array([[1.0, 1.0], [0.0, 1.0]])).round(4))
    0.6667
    """
    frame = Frame.of(W)
    s = frame.norm_squared
    largest = (frame.direction**2).max(axis=-2)
    return ratio((s * largest).sum(axis=-1), s.sum(axis=-1))


def axis_share_gap(W: Weights) -> PerModel:
    """How much more of a feature lies on its largest unit than of a random direction.

    `mean_largest_axis_share` minus its exact average over rotations, which is the same
    for every W: `sphere.random_largest_axis_share(m)`. Dimensionless, in `(-1, 1)`;
    above 0: aligned. NaN for one unit and where W = 0.

    Source: this project.

    >>> float(axis_share_gap(np.eye(2)).round(4)) == round(0.5 - 1 / np.pi, 4)
    True
    """
    frame = Frame.of(W)
    null = random_largest_axis_share(frame.n_hidden) if frame.n_hidden > 1 else np.nan
    return np.asarray(mean_largest_axis_share(frame) - null)


def participation_gap(W: Weights) -> PerModel:
    """On how many more units features are written than a random direction would be.

    `mean_participation_ratio` minus its exact average over rotations, the same for
    every W: `sphere.random_participation_ratio(m)`. In units, in `(-m, m)`. Below 0:
    aligned; above 0: spread. NaN for one unit and where W = 0.

    Source: this project.

    >>> float(participation_gap(np.eye(2)).round(4)) == round(1 - 2**0.5, 4)
    True
    """
    frame = Frame.of(W)
    null = random_participation_ratio(frame.n_hidden) if frame.n_hidden > 1 else np.nan
    return np.asarray(mean_participation_ratio(frame) - null)


def features_per_unit(W: Weights) -> Float[ndarray, "*batch hidden"]:
    """On how many features each hidden unit is spent.

    `N_k = (sum_i W_ki^2)^2 / sum_i W_ki^4`, the inverse of `unit_alignment`. A number
    of features, in `[1, n]`. NaN for a unit whose weights are all 0.

    Source: the participation ratio (Bell and Dean 1970), here of a row of W.

    >>> features_per_unit(np.array([[1.0, -1.0], [0.0, 2.0]]))
    array([2., 1.])
    """
    return 1.0 / unit_alignment(W)


def mean_features_per_unit(W: Weights) -> PerModel:
    """On how many features hidden units are spent, averaged by their strength.

    `sum_k s_k N_k / sum_k s_k` with `s_k = sum_i W_ki^2`. A number of features, in
    `[1, n]`. NaN where W = 0.

    Source: the participation ratio (Bell and Dean 1970), here of a row of W.

    >>> round(float(mean_features_per_unit(np.array([[1.0, -1.0], [0.0, 2.0]]))), 4)
    1.3333
    """
    W = _scaled(W)
    squared = (W**2).sum(axis=-1)
    spent = np.where(squared == 0, 0.0, squared * features_per_unit(W))
    return ratio(spent.sum(axis=-1), squared.sum(axis=-1))


def features_per_unit_gap(W: Weights) -> PerModel:
    """On how many more features a unit is spent than a random row of n weights.

    `mean_features_per_unit - sphere.random_participation_ratio(n)`. In features, in
    `(-n, n)`. The null is a row of Gaussian weights, not a rotation of W: dropping
    features alone lowers it. NaN where W = 0.

    Source: this project.

    >>> round(float(features_per_unit_gap(np.eye(2))), 4) == round(1 - 2**0.5, 4)
    True
    """
    found = mean_features_per_unit(W)
    return found - random_participation_ratio(np.shape(_scaled(W))[-1])


def exact_kurtosis(
    W: Float[ndarray, "hidden feature"],
    *,
    feature_probability: Probability,
    rate: float = 0.0,
    feature_values: str = "uniform",
) -> dict[str, BesideRotations]:
    """Three kurtoses of the hidden layer, exact, each beside its rotated average.

    `per_unit`: `sum_k Var_k kurt_k / sum_k Var_k - 3`, of each unit over examples.
    `pooled`: `mean_k fourth_k / (mean_k Var_k)^2 - 3`, units centred one by one.
    `unit_norms`: `mean_k Var_k^2 / (mean_k Var_k)^2`, not an excess, in `[1, m]`.

    For independent inputs and a linear hidden layer; clean at `rate` 0, otherwise after
    inverted dropout, as a code that leaves it on measures them. For clean units `kurt_k
    - 3 = (kappa_x - 3) a_k`, `a_k` the `unit_alignment`, if inputs are equally
    probable. NaN where nothing varies; rotated value and gap are NaN for one unit.

    Raises:
        ValueError: a probability outside (0, 1], the wrong number of them, a rate
            outside [0, 1), values of another law, or W that is not one matrix.

    Source: cumulants of sums add up; the masked moments are in `measures.rotated`.

    >>> found = exact_kurtosis(np.eye(3), feature_probability=0.1)["per_unit"]
    >>> round(found.value + 3, 3)
    16.284
    """
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or 0 in W.shape:
        raise ValueError(
            f"W has shape {W.shape}; it must be (n_hidden, n_features), one model; "
            "call it for each model of a batch"
        )
    inputs = input_cumulants(
        feature_probability, n_features=W.shape[1], feature_values=feature_values
    )
    if not np.isfinite(W).all() or not W.any():
        nothing = BesideRotations(math.nan, math.nan, math.nan)
        return dict.fromkeys(("per_unit", "pooled", "unit_norms"), nothing)
    V = _scaled(W)
    law = UnitLaw(
        sources=V,
        covariance=(V * inputs.variance) @ V.T,
        mean=V @ inputs.mean,
        third=inputs.third,
        fourth=inputs.fourth,
        growth=1.0 / (1.0 - checked_rate(rate)),
    )
    return _beside_rotations(law)


def _beside_rotations(law: UnitLaw) -> dict[str, BesideRotations]:
    variances, fourths = law.variances(), law.fourth_moments()
    m, total = variances.size, float(variances.sum())
    alive = variances > 0
    per_unit = float((fourths[alive] / variances[alive]).sum() / total - 3.0)
    pooled = float(fourths.mean() / (total / m) ** 2 - 3.0)
    norms = float((variances**2).mean() / (total / m) ** 2)
    rotated_unit = rotated_pooled = rotated_norms = math.nan
    if m > 1:
        rotated_unit = law.rotated_kurtosis() - 3.0
        rotated_pooled = law.rotated_fourth_moment() / (total / m) ** 2 - 3.0
        rotated_norms = rotated_kurtosis_of_unit_norms(law.variance_form())
    return {
        "per_unit": BesideRotations(per_unit, rotated_unit, 0.0),
        "pooled": BesideRotations(pooled, rotated_pooled, 0.0),
        "unit_norms": BesideRotations(norms if m > 1 else math.nan, rotated_norms, 1.0),
    }


def _rotated_alignment(W: Float[ndarray, "hidden feature"]) -> float:
    """With inputs of variance and fourth cumulant 1, kurtosis - 3 is the alignment."""
    if not np.isfinite(W).all():
        return math.nan
    m, n = W.shape
    law = UnitLaw(W, W @ W.T, np.zeros(m), np.zeros(n), np.ones(n))
    return law.rotated_kurtosis() - 3.0


def _scaled(W: Weights) -> Float[ndarray, "*batch hidden feature"]:
    """W over a power of two, so that fourth powers neither overflow nor vanish."""
    if isinstance(W, Frame):
        return W.direction * np.sqrt(W.norm_squared)[..., None, :]
    return _scaled(Frame.of(W))


def exact_kurtosis_number(
    W: Weights,
    *,
    feature_probability: Probability,
    statistic: str,
    rate: float = 0.0,
    gap: bool = False,
) -> PerModel:
    """One kurtosis of the hidden layer, exact, or its gap to the rotated average.

    `exact_kurtosis(...)[statistic]`, its `value` or its `gap`, for every model of a
    batch; `statistic` is `per_unit`, `pooled` or `unit_norms`. NaN where it is.

    Raises:
        ValueError: as `exact_kurtosis`; another statistic.

    Source: as `exact_kurtosis`.

    >>> law = {"feature_probability": 0.1, "statistic": "per_unit"}
    >>> float(exact_kurtosis_number(np.eye(3), **law).round(3)) + 3
    16.284
    """
    if statistic not in STATISTICS:
        raise ValueError(
            f"`statistic` is {statistic!r}; it must be one of {', '.join(STATISTICS)}"
        )
    W = _scaled(W)
    flat = W.reshape(-1, *W.shape[-2:])
    law = {"feature_probability": feature_probability, "rate": rate}
    found = [exact_kurtosis(w, **law)[statistic] for w in flat]
    numbers = [beside.gap if gap else beside.value for beside in found]
    return np.array(numbers, dtype=np.float64).reshape(W.shape[:-2])


def numbers_of(artifact: Artifact, row: Row) -> dict[str, Any]:
    """The basis of one model, from its weights `W` and the law of its row's inputs.

    `masked` numbers take dropout at the row's own rate, and are the clean ones at rate
    0; NaN for noise without masks. No kurtosis is a closed form in W, and each is NaN,
    where features are not independently active or the hidden layer is not linear.
    """
    W, rate = _scaled(artifact.arrays["W"]), mask_rate(row)
    law = independent_law(row)
    nothing = BesideRotations(math.nan, math.nan, math.nan)
    states = dict.fromkeys(("clean", "masked"), dict.fromkeys(STATISTICS, nothing))
    if law is not None:
        states["clean"] = exact_kurtosis(W, **law)
        if rate == 0.0:
            states["masked"] = states["clean"]
        elif rate > 0.0:
            states["masked"] = exact_kurtosis(W, **law, rate=rate)
    numbers: dict[str, Any] = {
        quantity.__name__: quantity(W) for quantity in OF_WEIGHTS
    }
    for state, found in states.items():
        for statistic, name in STATISTICS.items():
            numbers[f"{state}_{name}"] = found[statistic].value
            numbers[f"{state}_{name}_gap"] = found[statistic].gap
    return numbers


def mask_rate(row: Row) -> float:
    """The dropout rate of a row: 0 without noise, NaN for noise without masks."""
    noise, rate = row.get("noise", "none"), row.get("rate", 0.0)
    if noise == "none" or (noise != "gaussian_additive" and rate == 0.0):
        return 0.0
    return float(rate) if noise == "dropout" else math.nan


OF_WEIGHTS = (
    mean_unit_alignment,
    unit_alignment_gap,
    participation_gap,
    mean_largest_axis_share,
    axis_share_gap,
    mean_features_per_unit,
    features_per_unit_gap,
)
STATISTICS = {
    "per_unit": "kurtosis_per_unit",
    "pooled": "kurtosis_pooled",
    "unit_norms": "kurtosis_of_unit_norms",
}
NUMBERS = (
    *(quantity.__name__ for quantity in OF_WEIGHTS),
    *(
        f"{state}_{name}{suffix}"
        for state in ("clean", "masked")
        for name in STATISTICS.values()
        for suffix in ("", "_gap")
    ),
)
