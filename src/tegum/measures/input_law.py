"""The law of a toy model's inputs in cumulants, at any sparsity.

`x = 0` with probability `1 - q` and uniform on [0, 1) otherwise: `E x^k = q / (k + 1)`.
Cumulants of independent inputs add up under `h = W x`, the k-th with weights `W_ki^k`,
so they are all that the kurtosis of a hidden unit needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.interference import checked_probability

Probability = float | tuple[float, ...]


@dataclass(frozen=True)
class Cumulants:
    """The first four cumulants of each input: mean, variance, third, fourth."""

    mean: Float[ndarray, " feature"]
    variance: Float[ndarray, " feature"]
    third: Float[ndarray, " feature"]
    fourth: Float[ndarray, " feature"]


def input_cumulants(
    feature_probability: Probability, *, n_features: int = 1
) -> Cumulants:
    """Mean, variance, third and fourth cumulant of each of n inputs.

        mean q/2,   variance q/3 - q^2/4,   third q/4 - q^2/2 + q^3/4,
        fourth central moment q/5 - q^2/2 + q^3/2 - 3 q^4/16,
        fourth cumulant = fourth central moment - 3 variance^2.

    Raises:
        ValueError: a probability outside (0, 1], or the wrong number of them.

    Source: moments about the mean of `E x^k = q / (k + 1)`.

    >>> float(input_cumulants(1.0).variance[0]) == 1 / 3 - 1 / 4
    True
    """
    q = np.broadcast_to(
        checked_probability(feature_probability, n_features), n_features
    )
    variance = q / 3 - q**2 / 4
    fourth_moment = q / 5 - q**2 / 2 + q**3 / 2 - 3 * q**4 / 16
    return Cumulants(
        mean=q / 2,
        variance=variance,
        third=q / 4 - q**2 / 2 + q**3 / 4,
        fourth=fourth_moment - 3 * variance**2,
    )


def input_excess_kurtosis(feature_probability: float) -> float:
    """How much heavier than Gaussian the tails of one input are.

    `kappa_x - 3 = fourth cumulant / variance^2`. Dimensionless, in `[-1.2, inf)`: -1.2
    for a dense uniform input (q = 1), 0 at q = 0.4129, about `9/(5 q)` for sparse ones.

    Raises:
        ValueError: a probability outside (0, 1].

    Source: derived from `input_cumulants`.

    >>> round(input_excess_kurtosis(0.1) + 3, 3)
    16.284
    """
    law = input_cumulants(feature_probability)
    return float(law.fourth[0] / law.variance[0] ** 2)
