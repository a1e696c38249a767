"""The law of a toy model's inputs in cumulants, at any sparsity.

`x = 0` with probability `1 - q` and otherwise uniform on [0, 1), `E x^k = q / (k + 1)`,
or on [-1, 1), where odd moments are 0 and even ones the same.
Cumulants of independent inputs add up under `h = W x`, the k-th with weights `W_ki^k`,
so they are all that the kurtosis of a hidden unit needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.design import Row
from tegum.measures.interference import checked_probability

Probability = float | tuple[float, ...]
VALUES = ("uniform", "signed_uniform")
"""What an active input is drawn from: [0, 1), or [-1, 1)."""


@dataclass(frozen=True)
class Cumulants:
    """The first four cumulants of each input: mean, variance, third, fourth."""

    mean: Float[ndarray, " feature"]
    variance: Float[ndarray, " feature"]
    third: Float[ndarray, " feature"]
    fourth: Float[ndarray, " feature"]


def input_cumulants(
    feature_probability: Probability,
    *,
    n_features: int = 1,
    feature_values: str = "uniform",
) -> Cumulants:
    """Mean, variance, third and fourth cumulant of each of n inputs.

        mean q/2,   variance q/3 - q^2/4,   third q/4 - q^2/2 + q^3/4,
        fourth central moment q/5 - q^2/2 + q^3/2 - 3 q^4/16,
        fourth cumulant = fourth central moment - 3 variance^2;

    of `signed_uniform` values: variance q/3, fourth cumulant q/5 - q^2/3, the others 0.

    Raises:
        ValueError: a probability outside (0, 1], the wrong number of them, or values of
            another law.

    Source: moments about the mean of `E x^k = q / (k + 1)`.

    >>> float(input_cumulants(1.0).variance[0]) == 1 / 3 - 1 / 4
    True
    """
    q = np.broadcast_to(
        checked_probability(feature_probability, n_features), n_features
    )
    if feature_values not in VALUES:
        raise ValueError(
            f"`feature_values` is {feature_values!r}; it must be one of "
            f"{', '.join(VALUES)}"
        )
    if feature_values == "signed_uniform":
        nothing = np.zeros(n_features)
        return Cumulants(nothing, q / 3, nothing, q / 5 - q**2 / 3)
    variance = q / 3 - q**2 / 4
    fourth_moment = q / 5 - q**2 / 2 + q**3 / 2 - 3 * q**4 / 16
    return Cumulants(
        mean=q / 2,
        variance=variance,
        third=q / 4 - q**2 / 2 + q**3 / 4,
        fourth=fourth_moment - 3 * variance**2,
    )


def independent_law(row: Row) -> dict[str, Any] | None:
    """The law of a row's inputs, as `input_cumulants` takes it, if cumulants add up.

    None where they do not under `h = W x`: features that are active in groups or a
    fixed number at a time are not independent, and a hidden layer may not be linear.
    """
    independent = row.get("activity", "independent") == "independent"
    if not independent or row.get("hidden_activation", "linear") != "linear":
        return None
    return {
        "feature_probability": row["feature_probability"],
        "feature_values": row.get("feature_values", "uniform"),
    }


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
