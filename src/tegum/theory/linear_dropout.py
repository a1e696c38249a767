"""What dropout costs a linear read-out, and which basis that cost prefers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.input_law import Probability, input_cumulants
from tegum.measures.sphere import checked_rate

NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class BasisCost:
    """A dropout penalty in the basis as it stands, and averaged over all rotations.

    `no_preference` says that every rotation costs the same.
    """

    penalty: float
    rotated: float
    no_preference: bool


def linear_dropout_penalty(
    W: Float[ndarray, "hidden feature"],
    *,
    feature_probability: Probability,
    rate: float,
    importance: Float[ndarray, " feature"] | None = None,
) -> BasisCost:
    """How much dropout adds to the expected loss of the linear model, in this basis.

        penalty = (v / n) sum_k B_kk A_kk,   v = p / (1 - p),
        B = E h h' = W (Cov x) W^T + (W mean)(W mean)',   A = W diag(I) W^T.

    In units of the loss, `[0, inf)`. Over all rotations QW it averages `(v / n) (tr A
    tr B + 2 tr AB) / (m + 2)`. Every rotation costs the same if A or B is proportional
    to the identity: a tight frame with equal importances has no preferred basis. With B
    proportional to A the cost is the sum of `A_kk^2`, least when every unit is equally
    loaded: it spreads, it does not align. The axes can be the cheapest only where A and
    B are opposed, the important features being the weak ones, or through the ReLU.

    Raises:
        ValueError: a rate outside [0, 1), or a probability outside (0, 1].

    Source: the variance of a masked sum; equal loads: Mianjy, Arora and Vidal 2018,
    "On the Implicit Bias of Dropout". The average: `E (u'Bu)(u'Au) = (tr A tr B + 2 tr
    AB) / (m (m + 2))` on the sphere.

    >>> cost = linear_dropout_penalty(np.eye(2), feature_probability=1.0, rate=0.5)
    >>> round(cost.penalty, 6)
    0.333333
    """
    W = np.asarray(W, dtype=np.float64)
    m, n = W.shape
    p = checked_rate(rate)
    inputs = input_cumulants(feature_probability, n_features=n)
    weight = np.ones(n) if importance is None else np.asarray(importance, float)
    mean = W @ inputs.mean
    B = (W * inputs.variance) @ W.T + np.outer(mean, mean)
    A = (W * weight) @ W.T
    scale = p / (1.0 - p) / n
    average = (np.trace(A) * np.trace(B) + 2.0 * (A * B).sum()) / (m + 2)
    return BasisCost(
        penalty=float(scale * (np.diag(A) @ np.diag(B))),
        rotated=float(scale * average),
        no_preference=p == 0.0 or _is_round(A) or _is_round(B),
    )


def _is_round(form: Float[ndarray, "hidden hidden"]) -> bool:
    """Whether a quadratic form is a multiple of the identity."""
    size = float(np.trace(form)) / len(form)
    return bool(np.abs(form - size * np.eye(len(form))).max() <= NEGLIGIBLE * abs(size))
