"""What sparsity, shared units and masks do to kurtosis before anything is learned."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.input_law import input_excess_kurtosis
from tegum.measures.sphere import checked_rate

Values = Float[ndarray, "*batch"] | float


def gaussian_feature_probability() -> float:
    """The density at which an input has the kurtosis of a Gaussian.

    The q with `1/5 - 5q/6 + q^2 - 3q^3/8 = 0`, q = 0.4129 (sparsity 0.5871). A
    probability. Sparser inputs have heavier tails than a Gaussian, denser ones lighter,
    so aligning features with units raises clean kurtosis below this density and lowers
    it above.

    Source: the fourth cumulant of `measures.input_law`, divided by q.

    >>> round(gaussian_feature_probability(), 4)
    0.4129
    """
    roots = np.roots([-3 / 8, 1.0, -5 / 6, 1 / 5])
    real = roots.real[np.abs(roots.imag) < 1e-9]
    return float(real[(real > 0) & (real <= 1)][0])


def clean_excess_kurtosis(alignment: Values, *, feature_probability: float) -> Values:
    """The excess kurtosis of a hidden unit over clean examples.

    `(kappa_x - 3) a_k` with `a_k = sum_i W_ki^4 / (sum_i W_ki^2)^2`, for inputs of one
    probability. Dimensionless. It is that of an input for a unit with one feature, and
    falls to the Gaussian's 0 as 1/n for n equal features, basis or no basis.

    Raises:
        ValueError: an alignment outside [0, 1], a probability outside (0, 1].

    Source: variances and fourth cumulants of independent inputs add up, with weights
    `W_ki^2` and `W_ki^4`.

    >>> round(clean_excess_kurtosis(0.5, feature_probability=0.1), 3)
    6.642
    """
    a = np.asarray(alignment, dtype=np.float64)
    if ((a < 0) | (a > 1)).any():
        raise ValueError(
            f"`alignment` is {alignment!r}; it must be in [0, 1]; take it from "
            "`measures.basis.unit_alignment`"
        )
    found = input_excess_kurtosis(feature_probability) * a
    return float(found) if found.ndim == 0 else found


def masked_raw_kurtosis(raw_kurtosis: Values, *, rate: float) -> Values:
    """What dropout alone makes of a raw (uncentred) kurtosis `E h^4 / (E h^2)^2`.

    It is divided by 1 - p: inverted dropout turns `E h^k` into `(1 - p)^(1 - k) E h^k`.
    Dimensionless. A Gaussian of mean 0 goes from 3 to 6 at p = 1/2, with no learning.

    Raises:
        ValueError: a rate outside [0, 1).

    Source: moments of a Bernoulli factor.

    >>> masked_raw_kurtosis(3.0, rate=0.5)
    6.0
    """
    return raw_kurtosis / (1.0 - checked_rate(rate))


def masked_excess_kurtosis(
    *, mean: float, variance: float, skewness: float, excess: float, rate: float
) -> float:
    """What dropout alone makes of a centred excess kurtosis.

    With `r = 1/(1 - p)` and the raw moments e_k of the clean unit,

        variance' = r e_2 - mean^2,
        fourth'   = r^3 e_4 - 4 r^2 mean e_3 + 6 r mean^2 e_2 - 3 mean^4,

    and `fourth' / variance'^2 - 3` is returned. Dimensionless, in `[-2, inf)`. Where
    the mean is 0 this is `(excess + 3) / (1 - p) - 3`; a mean far from 0 adds the
    kurtosis of the mask itself and can lower it. NaN where variance' is 0.

    Raises:
        ValueError: a rate outside [0, 1), or a negative variance.

    Source: binomial expansion of `E (d - mean)^4` with `E d^k = r^(k-1) e_k`.

    >>> masked_excess_kurtosis(mean=0, variance=1, skewness=0, excess=0, rate=0.5)
    3.0
    """
    if variance < 0:
        raise ValueError(f"`variance` is {variance!r}; it must be in [0, inf)")
    r, third = 1.0 / (1.0 - checked_rate(rate)), skewness * variance**1.5
    e2 = variance + mean**2
    e3 = third + 3 * mean * variance + mean**3
    e4 = (excess + 3) * variance**2 + 4 * mean * third + 6 * mean**2 * variance
    e4 += mean**4
    spread = r * e2 - mean**2
    if spread <= 0:
        return math.nan
    fourth = r**3 * e4 - 4 * r**2 * mean * e3 + 6 * r * mean**2 * e2 - 3 * mean**4
    return fourth / spread**2 - 3.0
