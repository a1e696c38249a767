"""Why total interference changes: smaller norms, fewer features, or other packing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class Crowd:
    """A model's total interference taken apart: `T = s^2 (c + pi)`.

    s is the effective norm squared `sum |W_i|^4 / sum |W_i|^2`: a typical represented
    feature's. `count` c is the least interference that features of these relative
    norms can have in m dimensions, at s = 1: k (k/m - 1) for k equal ones, 0 for
    k <= m. `packing` pi is what they have beyond it.
    """

    norm_squared: Float[ndarray, "*model"]
    count: Float[ndarray, "*model"]
    packing: Float[ndarray, "*model"]


@dataclass(frozen=True)
class Contributions:
    """What each part adds to a change of total interference; they sum to it."""

    smaller_norms: Float[ndarray, "*model"]
    fewer_features: Float[ndarray, "*model"]
    packing: Float[ndarray, "*model"]


def crowd(
    *,
    relative_interference: Float[ndarray, "*model"],
    packing_excess: Float[ndarray, "*model"],
    mean_norm_squared: Float[ndarray, "*model"],
    effective_norm_squared: Float[ndarray, "*model"],
    n_features: Float[ndarray, "*model"] | int,
) -> Crowd:
    """The parts of total interference, from the numbers that `geometry` records.

    With `k = sum |W_i|^2 / s` the effective number of features, `sum |W_i|^4 = k s^2`,
    so that `c = k (relative interference - excess)` and `pi = k excess`.
    """
    effective_features = n_features * mean_norm_squared / effective_norm_squared
    return Crowd(
        norm_squared=effective_norm_squared,
        count=effective_features * (relative_interference - packing_excess),
        packing=effective_features * packing_excess,
    )


def contributions(before: Crowd, after: Crowd) -> Contributions:
    """What norms, count and packing each add to `T(after) - T(before)`.

    The Shapley value: each part's change averaged over all orders in which the three
    may change, so that none is favoured by coming first. They sum to the difference
    exactly.

    Source: Shapley 1953, "A value for n-person games". For `T = s^2 (c + pi)` the
    average over orders is the product rule with means.
    """
    square_before, square_after = before.norm_squared**2, after.norm_squared**2
    inner_before = before.count + before.packing
    inner_after = after.count + after.packing
    mean_square = 0.5 * (square_before + square_after)
    mean_inner = 0.5 * (inner_before + inner_after)
    return Contributions(
        smaller_norms=np.asarray((square_after - square_before) * mean_inner),
        fewer_features=np.asarray(mean_square * (after.count - before.count)),
        packing=np.asarray(mean_square * (after.packing - before.packing)),
    )
