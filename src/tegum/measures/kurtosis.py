"""The four things called kurtosis, each under its own name, and each with its nulls.

| name | over | Gaussian | where the word is used so |
| --- | --- | --- | --- |
| `excess_kurtosis_per_vector` | coordinates of one example | -6/(m+1) | Elhage 2023 |
| `excess_kurtosis_per_unit` | examples of one unit | 0 | statistics |
| `excess_kurtosis_pooled` | all units and examples at once | 0 | outlier counts |
| `kurtosis_of_unit_norms` | the units' mean squares | 1 | He et al. 2024 |

Activations have axes `(example, hidden)` behind any batch. Each statistic is set beside
the average over *all* rotations of the same activations, which is exact: see
`measures.rotated` and `measures.sphere`. A basis is privileged where the statistic
differs from it, upwards or downwards; a statistic far from the Gaussian's need not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.rotated import UnitLaw
from tegum.measures.sphere import (
    checked_rate,
    random_excess_kurtosis_per_masked_vector,
    random_excess_kurtosis_per_vector,
)

FEWEST_EXAMPLES = 4
"""With two or three values the kurtosis is the same number whatever they are."""


@dataclass(frozen=True)
class BesideRotations:
    """A statistic of the basis that activations come in, and the same at random.

    `rotated` is the average over all rotations of these very activations, `gaussian`
    what uncorrelated Gaussian units of equal variance give, `gap = value - rotated`.
    NaN where the statistic can not depend on the basis.
    """

    value: float
    rotated: float
    gaussian: float

    @property
    def gap(self) -> float:
        """How far the basis stands out: 0 where it is as good as any other."""
        return self.value - self.rotated


def excess_kurtosis_per_unit(
    activations: Float[ndarray, "*batch example hidden"],
) -> Float[ndarray, "*batch hidden"]:
    """How much heavier than Gaussian each unit's tails are, over examples.

    `E[(x - mean)^4] / Var[x]^2 - 3`. Dimensionless, in `[-2, inf)`; 0 for a Gaussian,
    below it for lighter tails. NaN where a unit is constant (0.1 as well as 0): the
    ratio does not exist.

    Raises:
        ValueError: a value that is not finite, or fewer than 4 examples.

    Source: Pearson 1905, centred, population moments.

    >>> excess_kurtosis_per_unit(np.array([[0.0], [0.0], [1.0], [1.0]]))
    array([-2.])
    """
    return _excess_kurtosis(_checked(activations), axis=-2)


def excess_kurtosis_per_vector(
    activations: Float[ndarray, "*batch example hidden"],
) -> Float[ndarray, "*batch example"]:
    """How much heavier than Gaussian one example's coordinates are spread.

    The coordinates of one vector are taken as a sample: `m sum (x - mean)^4 / (sum (x -
    mean)^2)^2 - 3`. Dimensionless, in `[-2, m - 5 + 1/(m - 1)]`, the last for a one-hot
    vector. A vector at random has `-6 / (m + 1)`, not 0. NaN for m <= 3, where every
    vector has the same value, and where all coordinates are equal.

    Raises:
        ValueError: a value that is not finite.

    Source: Elhage et al. 2023, "Privileged Bases in the Transformer Residual Stream",
    there without the -3.

    >>> round(float(excess_kurtosis_per_vector(np.eye(1, 5))[0]), 6)
    0.25
    """
    h = _checked(activations, fewest=1)
    found = _excess_kurtosis(h, axis=-1)
    return found if h.shape[-1] > 3 else np.full_like(found, np.nan)


def mean_excess_kurtosis_per_vector(
    activations: Float[ndarray, "*batch example hidden"],
) -> Float[ndarray, "*batch"]:
    """`excess_kurtosis_per_vector`, averaged over the examples where it exists.

    Dimensionless; its null is `-6 / (m + 1)`. NaN where it exists for no example.

    Raises:
        ValueError: a value that is not finite.

    Source: Elhage et al. 2023, as `excess_kurtosis_per_vector`.
    """
    each = excess_kurtosis_per_vector(activations)
    exists = ~np.isnan(each)
    count = exists.sum(axis=-1)
    total = np.where(exists, each, 0.0).sum(axis=-1)
    return np.where(count == 0, np.nan, total / np.maximum(count, 1))


def mean_excess_kurtosis_per_unit(
    activations: Float[ndarray, "*batch example hidden"],
) -> Float[ndarray, "*batch"]:
    """`excess_kurtosis_per_unit`, averaged over units by their share of the variance.

    `sum_k Var_k kurt_k / sum_k Var_k - 3`. Dimensionless, in `[-2, inf)`. Weighted, so
    that a unit that fades out leaves it smoothly. NaN where every unit is constant.

    Raises:
        ValueError: a value that is not finite, or fewer than 4 examples.

    Source: this project.
    """
    h = _checked(activations)
    each, variance = _excess_kurtosis(h, axis=-2), h.var(axis=-2)
    alive = ~np.isnan(each)
    weight = np.where(alive, variance, 0.0)
    total = weight.sum(axis=-1)
    found = (weight * np.where(alive, each, 0.0)).sum(axis=-1)
    return np.where(total == 0, np.nan, found / np.where(total == 0, 1.0, total))


def excess_kurtosis_pooled(
    activations: Float[ndarray, "*batch example hidden"],
) -> Float[ndarray, "*batch"]:
    """How heavy the tails are when all units and examples are one sample.

    Each unit is centred by itself; then `mean x^4 / (mean x^2)^2 - 3` over everything.
    Dimensionless, in `[-2, inf)`. It is high where units are heavy-tailed and where
    they differ in variance. NaN where every unit is constant.

    Raises:
        ValueError: a value that is not finite, or fewer than 4 examples.

    Source: this project's reading of "the kurtosis of the activations".
    """
    h = _checked(activations)
    centred, constant = _centred(h, axis=-2)
    centred = np.where(constant, 0.0, centred)
    largest = np.abs(centred).max(axis=(-2, -1), keepdims=True)
    flat = (largest == 0)[..., 0, 0]
    scaled = centred / np.where(largest == 0, 1.0, largest)
    second, fourth = (scaled**2).mean(axis=(-2, -1)), (scaled**4).mean(axis=(-2, -1))
    return np.where(flat, np.nan, fourth / np.where(flat, 1.0, second) ** 2 - 3.0)


def kurtosis_of_unit_norms(
    activations: Float[ndarray, "*batch example hidden"],
) -> Float[ndarray, "*batch"]:
    """How unequal the units are in strength: outlier units, not outlier values.

    `mean_k s_k^2 / (mean_k s_k)^2` with `s_k` the variance of unit k over examples; not
    an excess. Dimensionless, in `[1, m]`: 1 when all units are equally strong, m when
    one does everything. Blind to the tails of a unit. NaN for m = 1, where it is always
    1, and where every unit is constant.

    Raises:
        ValueError: a value that is not finite, or fewer than 4 examples.

    Source: He et al. 2024, "Understanding and Minimising Outlier Features in
    Transformer Training", there with each unit's mean square, its mean left in.
    """
    h = _checked(activations)
    centred, constant = _centred(h, axis=-2)
    strength = np.where(constant[..., 0, :], 0.0, (centred**2).mean(axis=-2))
    total = strength.mean(axis=-1)
    undefined = (total == 0) | (h.shape[-1] == 1)
    ratio = (strength**2).mean(axis=-1) / np.where(undefined, 1.0, total) ** 2
    return np.where(undefined, np.nan, ratio)


def kurtosis_beside_rotations(
    activations: Float[ndarray, "example hidden"],
) -> Mapping[str, BesideRotations]:
    """All four statistics, each beside its average over all rotations, by name.

    The names are `per_vector`, `per_unit` (variance-weighted mean), `pooled` and
    `unit_norms`. NaN for one unit, and per vector for three or fewer: no rotation of
    these changes anything. For clean activations; masked ones must be rotated before
    the mask (`masked_kurtosis_beside_rotations`).

    Raises:
        ValueError: a value that is not finite, or fewer than 4 examples.

    Source: derived in `measures.rotated`: the examples are the sources of a unit's
    fourth moment, `(u.h_e)^4 / E`, and its variance is `u'Su`, S their covariance.
    """
    h = _checked(activations)
    null = random_excess_kurtosis_per_vector(h.shape[-1])
    return _beside(h, _rotated_of_sample(h, rate=0.0), vector=null)


def masked_kurtosis_beside_rotations(
    activations: Float[ndarray, "example hidden"],
    *,
    rate: float,
    generator: np.random.Generator,
) -> Mapping[str, BesideRotations]:
    """All four statistics after dropout, each beside its average over all rotations.

    One mask is drawn for each example. The rotated average is over rotations of the
    *clean* activations, each followed by masks: a rotation of masked vectors would
    smear the zeros and compare with nothing that a model could do. Names and NaN as
    `kurtosis_beside_rotations`.

    Raises:
        ValueError: a value that is not finite, fewer than 4 examples, or a rate outside
            [0, 1).

    Source: derived in `measures.rotated` and `measures.sphere`.
    """
    h, p = _checked(activations), checked_rate(rate)
    masked = h * (generator.random(h.shape) >= p) / (1.0 - p)
    null = random_excess_kurtosis_per_masked_vector(h.shape[-1], rate=p)
    return _beside(masked, _rotated_of_sample(h, rate=p), vector=null)


def under_rotations(
    statistic: Callable[[ndarray], ndarray],
    activations: Float[ndarray, "example hidden"],
    *,
    rotations: Float[ndarray, "rotation unit unit"],
) -> Float[ndarray, " rotation"]:
    """A statistic of the same activations after each of the given rotations.

    `statistic(h Q^T)` for every Q. In the statistic's units. Their mean estimates the
    rotated average; how many of them reach the statistic's own value says how unusual
    the basis is for these activations.

    Raises:
        ValueError: no rotation, one of another number of units or not orthogonal.

    Source: the control of Elhage et al. 2023, "Privileged Bases in the Transformer
    Residual Stream", many times over.
    """
    h, units = _checked(activations), activations.shape[-1]
    if rotations.shape[1:] != (units, units):
        raise ValueError(
            f"the rotations have shape {rotations.shape} and the activations {units} "
            f"units; they must be (count, {units}, {units})"
        )
    if not len(rotations):
        raise ValueError("no rotation was given; draw some with `random_rotations`")
    for Q in rotations:
        if not np.allclose(Q @ Q.T, np.eye(units), atol=1e-8):
            raise ValueError(
                "a rotation is not orthogonal: Q Q^T must be the identity; draw "
                "rotations with `random_rotations`"
            )
    return np.array([float(statistic(h @ Q.T)) for Q in rotations])


def rotated_kurtosis_of_unit_norms(
    covariance: Float[ndarray, "hidden hidden"],
) -> float:
    """The average of `kurtosis_of_unit_norms` over all rotations.

    `m (1 + 2 tr S^2 / (tr S)^2) / (m + 2)`, S the covariance of the units: the sum of
    variances does not change, and `E (u'Su)^2 = (tr(S)^2 + 2 tr(S^2)) / (m (m + 2))`.
    Dimensionless, in `[1, 3m/(m + 2)]`. NaN where S = 0 and for m = 1.

    Source: moments of the uniform law on the sphere.

    >>> rotated_kurtosis_of_unit_norms(np.eye(4))
    1.0
    """
    m, trace = len(covariance), float(np.trace(covariance))
    if m == 1 or trace == 0.0:
        return math.nan
    squared = float((covariance**2).sum()) / trace**2
    return m * (1.0 + 2.0 * squared) / (m + 2)


def _rotated_of_sample(h: ndarray, *, rate: float) -> tuple[float, float, float]:
    """Rotated averages per unit, pooled and of unit norms, of clean or masked units."""
    m, examples = h.shape[-1], len(h)
    centred, constant = _centred(h, axis=-2)
    centred = np.where(constant, 0.0, centred)
    largest = max(np.abs(centred).max(), np.abs(h).max() if rate else 0.0)
    if m == 1 or largest == 0.0:
        return math.nan, math.nan, math.nan
    scaled = centred / largest
    equal = np.full(examples, 1.0 / examples)
    law = UnitLaw(
        sources=scaled.T,
        covariance=scaled.T @ scaled / examples,
        mean=h.mean(axis=-2) / largest,
        third=equal,
        fourth=equal,
        growth=1.0 / (1.0 - rate),
        pairs=0.0,
    )
    form = law.variance_form()
    pooled = law.rotated_fourth_moment() / (np.trace(form) / m) ** 2 - 3.0
    norms = rotated_kurtosis_of_unit_norms(form)
    return law.rotated_kurtosis() - 3.0, float(pooled), norms


def _beside(
    h: ndarray, rotated: tuple[float, float, float], *, vector: float
) -> Mapping[str, BesideRotations]:
    per_unit, pooled, norms = rotated
    defined = h.shape[-1] > 1
    nan = math.nan
    values = {
        "per_vector": (float(mean_excess_kurtosis_per_vector(h)), vector, vector),
        "per_unit": (float(mean_excess_kurtosis_per_unit(h)), per_unit, 0.0),
        "pooled": (float(excess_kurtosis_pooled(h)), pooled, 0.0),
        "unit_norms": (float(kurtosis_of_unit_norms(h)), norms, 1.0),
    }
    return {
        name: BesideRotations(*(numbers if defined else (nan, nan, nan)))
        for name, numbers in values.items()
    }


def _centred(h: ndarray, *, axis: int) -> tuple[ndarray, ndarray]:
    """Deviations from the mean, and where there is nothing but one value."""
    constant = h.max(axis=axis, keepdims=True) == h.min(axis=axis, keepdims=True)
    return h - h.mean(axis=axis, keepdims=True), constant


def _excess_kurtosis(h: ndarray, *, axis: int) -> ndarray:
    centred, constant = _centred(h, axis=axis)
    largest = np.abs(centred).max(axis=axis, keepdims=True)
    scaled = centred / np.where(constant, 1.0, largest)
    variance, fourth = (scaled**2).mean(axis=axis), (scaled**4).mean(axis=axis)
    constant = constant.squeeze(axis)
    return np.where(
        constant, np.nan, fourth / np.where(constant, 1.0, variance) ** 2 - 3.0
    )


def _checked(activations: ndarray, *, fewest: int = FEWEST_EXAMPLES) -> ndarray:
    h = np.asarray(activations, dtype=np.float64)
    if h.ndim < 2 or h.shape[-1] == 0 or h.shape[-2] < fewest:
        raise ValueError(
            f"activations have shape {h.shape}; they must be (..., example, hidden) "
            f"with at least {fewest} examples and one unit; fewer examples give the "
            "same kurtosis whatever they are"
        )
    broken = ~np.isfinite(h)
    if broken.any():
        first = tuple(int(i) for i in np.argwhere(broken)[0])
        raise ValueError(
            f"{int(broken.sum())} of {h.size} activations are not finite, the first "
            f"at {first}; they must be finite numbers; leave those examples out"
        )
    return h
