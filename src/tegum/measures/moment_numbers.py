"""The numbers that moments are finished into, each with its unit, range and silence.

Each is the quantity that `measures.kurtosis` takes from activations in memory, where
it has one of that name; here from `Moments`, so for a text of any length.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from tegum.measures.kurtosis import FEWEST_EXAMPLES
from tegum.measures.moments import OUTLIER, Moments

OUTLIER_SHARE_OF_TOKENS = 0.06
"""In how many of the tokens: Dettmers et al. 2022."""
OUTLIER_MULTIPLE = 6.0
"""How many times the median unit's RMS a scale-free outlier dimension has.

Where one direction carries everything, the units of a random basis have strengths like
`|g|`, g Gaussian, whose median is .674: six times that is 4.05 standard deviations, one
unit in 19,000. So in a basis at random there is none, whatever the activations.
"""


def variances(moments: Moments) -> Float[ndarray, " unit"]:
    """How much each unit varies over the vectors.

    `sum (x - mean)^2 / n`, the population variance. Squared units of the activations,
    in `[0, inf)`; exactly 0 for a constant unit. NaN for no vector.
    """
    return _over(moments.second, moments.count)


def mean_squares(moments: Moments) -> Float[ndarray, " unit"]:
    """How strong each unit is, its mean left in: `E x^2 = Var x + (E x)^2`.

    Squared units of the activations, in `[0, inf)`. NaN for no vector.
    """
    return variances(moments) + moments.mean**2


def root_mean_square(moments: Moments) -> float:
    """How large an activation typically is: `sqrt(mean over units of E x^2)`.

    In units of the activations, in `[0, inf)`. NaN for no vector.
    """
    return math.sqrt(mean_squares(moments).mean()) if moments.count else math.nan


def excess_kurtosis_per_unit(moments: Moments) -> Float[ndarray, " unit"]:
    """How much heavier than Gaussian each unit's tails are, over vectors.

    `E[(x - mean)^4] / Var[x]^2 - 3`. Dimensionless, in `[-2, inf)`; 0 for a Gaussian.
    NaN where a unit is constant, and for fewer than 4 vectors.

    Source: Pearson 1905, centred, population moments.

    >>> from tegum.measures.moments import summarise
    >>> excess_kurtosis_per_unit(summarise(np.array([[0.0], [0.0], [1.0], [1.0]])))
    array([-2.])
    """
    undefined = (moments.second == 0) | (moments.count < FEWEST_EXAMPLES)
    second = np.where(undefined, 1.0, moments.second)
    ratio = moments.count * (moments.fourth / second / second)
    return np.where(undefined, np.nan, ratio - 3.0)


def mean_excess_kurtosis_per_unit(moments: Moments) -> float:
    """`excess_kurtosis_per_unit`, averaged over units by their share of the variance.

    `sum_k Var_k kurt_k / sum_k Var_k - 3`. Dimensionless, in `[-2, inf)`. Weighted, so
    that a unit that fades out leaves it smoothly. NaN where every unit is constant, and
    for fewer than 4 vectors.

    Source: this project, as `measures.kurtosis.mean_excess_kurtosis_per_unit`.
    """
    each, total = excess_kurtosis_per_unit(moments), moments.second.sum()
    if np.isnan(each).all():
        return math.nan
    return float(np.nansum(each * moments.second) / total)


def median_excess_kurtosis_per_unit(moments: Moments) -> float:
    """`excess_kurtosis_per_unit` of the unit in the middle.

    Half of the units that are not constant have more. Dimensionless, in `[-2, inf)`: a
    basis that stands out by a few units only leaves it near 0. NaN as the mean.
    """
    each = excess_kurtosis_per_unit(moments)
    return math.nan if np.isnan(each).all() else float(np.nanmedian(each))


def largest_excess_kurtosis_per_unit(moments: Moments) -> float:
    """`excess_kurtosis_per_unit` of the unit with the heaviest tails.

    Dimensionless, in `[-2, inf)`. It grows with the number of units and of vectors:
    compare it with rotated copies of as many. NaN as the mean.
    """
    each = excess_kurtosis_per_unit(moments)
    return math.nan if np.isnan(each).all() else float(np.nanmax(each))


def mean_excess_kurtosis_per_vector(moments: Moments) -> float:
    """How much heavier than Gaussian a vector's coordinates are spread, on average.

    The mean over vectors of `m sum (x - mean)^4 / (sum (x - mean)^2)^2 - 3`, sums over
    the m units of one vector. Dimensionless, in `[-2, m - 5 + 1/(m - 1)]`; m Gaussian
    coordinates, and any vector under a random rotation, give `-6 / (m + 1)`. NaN for
    m <= 3, and where no vector has two different coordinates.

    Source: Elhage et al. 2023, "Privileged Bases in the Transformer Residual Stream",
    there without the -3.
    """
    return moments.vector_kurtosis / moments.vectors if moments.vectors else math.nan


def kurtosis_of_unit_norms(moments: Moments) -> float:
    """How unequal the units are in strength: outlier units, not outlier values.

    `mean_k s_k^2 / (mean_k s_k)^2`, s_k the variance of unit k; not an excess.
    Dimensionless, in `[1, m]`: 1 when all units are equally strong. Blind to the tails
    of a unit. NaN for one unit, where all are constant, and for fewer than 4 vectors.

    Source: He et al. 2024, "Understanding and Minimising Outlier Features in
    Transformer Training", there with each unit's mean left in (as
    `kurtosis_of_unit_mean_squares`).
    """
    return _inequality(variances(moments), moments)


def kurtosis_of_unit_mean_squares(moments: Moments) -> float:
    """`kurtosis_of_unit_norms` with each unit's mean left in.

    `mean_k s_k^2 / (mean_k s_k)^2`, `s_k = E x_k^2`. Dimensionless, in `[1, m]`. Units
    with a large constant value raise it. NaN for one unit, where all are 0, and for
    fewer than 4 vectors.

    Source: He et al. 2024.
    """
    return _inequality(mean_squares(moments), moments)


def participation_ratio(moments: Moments) -> float:
    """Over how many units the variance is spread.

    `(sum_k v_k)^2 / sum_k v_k^2`, v the variances of the units. A number of units, in
    `[1, m]`: m when all vary alike, 1 when one varies alone. It depends on the basis;
    that of the covariance's eigenvalues does not. NaN as `kurtosis_of_unit_norms`.

    Source: Bell and Dean 1970 for the ratio.
    """
    return moments.width / kurtosis_of_unit_norms(moments)


def outlier_dimensions_above_six(moments: Moments) -> float:
    """Units that are larger than 6 at least once.

    `#{k: max |x_k| > 6}`. A number of units, in `[0, m]`. It depends on the scale of
    the activations and grows with the text. NaN for no vector, and where the largest
    values were not kept.

    Source: Elhage et al. 2023 for the threshold of a residual scalar, |x| > 6.
    """
    if not moments.count or np.isnan(moments.largest).any():
        return math.nan
    return float((moments.largest > OUTLIER).sum())


def outlier_dimensions_often_above_six(moments: Moments) -> float:
    """Units that are larger than 6 in at least 6 % of the tokens.

    A number of units, in `[0, m]`. It depends on the scale of the activations. NaN for
    no vector, and where the counts were not kept.

    Source: Dettmers et al. 2022, "LLM.int8()", who ask beside it that the same unit is
    one in a quarter of the layers; a single layer can not tell.
    """
    if not moments.count or np.isnan(moments.above).any():
        return math.nan
    share = moments.above / moments.count
    return float((share >= OUTLIER_SHARE_OF_TOKENS).sum())


def outlier_share(moments: Moments) -> float:
    """Which share of all activations is larger than 6 in magnitude.

    `#{|x| > 6} / (n m)`. In [0, 1]; it depends on the scale of the activations. NaN for
    no vector, and where the counts were not kept.
    """
    if not moments.count:
        return math.nan
    return float(moments.above.mean() / moments.count)


def outlier_dimensions_scale_free(moments: Moments) -> float:
    """Units at least six times as strong as the unit in the middle.

    `#{k: RMS_k >= 6 median_j RMS_j}`, RMS with the mean left in. A number of units, in
    `[0, m / 2]`; the scale of the activations does not matter. In a basis at random
    hardly any unit is one, see `OUTLIER_MULTIPLE`. NaN for no vector, and where half of
    the units are 0.

    Source: this project; that outlier units are strong throughout the text, not now and
    then, is Kovaleva et al. 2021, "BERT Busters".
    """
    strength = np.sqrt(mean_squares(moments))
    middle = np.median(strength)
    if not moments.count or middle == 0:
        return math.nan
    return float((strength >= OUTLIER_MULTIPLE * middle).sum())


def strongest_units(moments: Moments, count: int) -> Int[ndarray, " rank"]:
    """The units that vary most, the strongest first; ties by position."""
    return _first(moments.second, count)


def heaviest_units(moments: Moments, count: int) -> Int[ndarray, " rank"]:
    """The units with the largest `excess_kurtosis_per_unit`, the heaviest first.

    Constant units come last; ties by position.
    """
    each = excess_kurtosis_per_unit(moments)
    return _first(np.where(np.isnan(each), -np.inf, each), count)


def share_of_variance(moments: Moments, count: int) -> float:
    """Which share of the variance the `count` strongest units carry.

    `sum over the strongest of Var_k / sum over all of Var_k`. In [0, 1]; `count / m`
    where all units vary alike. NaN where every unit is constant.
    """
    total = float(moments.second.sum())
    if total == 0.0:
        return math.nan
    return float(moments.second[strongest_units(moments, count)].sum()) / total


def _first(values: ndarray, count: int) -> ndarray:
    return np.argsort(-values, kind="stable")[:count]


def _inequality(strength: ndarray, moments: Moments) -> float:
    total = strength.mean()
    if moments.width == 1 or moments.count < FEWEST_EXAMPLES or total == 0:
        return math.nan
    return float(((strength / total) ** 2).mean())


def _over(total: ndarray, count: int) -> ndarray:
    return total / count if count else np.full(len(total), np.nan)
