"""How much of what a hidden unit carries is its mean, which dropout makes costly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.input_law import input_cumulants
from tegum.measures.variants import covariance_of, require_linear_hidden


def mean_share(
    W: Float[ndarray, "hidden feature"],
    *,
    mean: Float[ndarray, " feature"],
    covariance: Float[ndarray, "feature feature"],
) -> float:
    """The part of the hidden units' second moment that is their squared mean.

    `sum_k (E h_k)^2 / sum_k E h_k^2` with `h = W x`. Dimensionless, in `[0, 1]`: 3/4
    for a unit with one dense feature, 0 where units have lost their mean. It does not
    change with the scale of W or under rotations. NaN where all weights are 0 or one is
    not finite.

    Source: `theory.mean_cancellation`; moments of a linear map.

    >>> W = np.array([[1.0, -1.0]])
    >>> mean_share(W, mean=np.full(2, 0.5), covariance=np.eye(2) / 12)
    0.0
    """
    W = np.asarray(W, dtype=np.float64)
    largest = np.abs(W).max()
    if not np.isfinite(largest) or largest == 0.0:
        return float("nan")
    W = W / largest
    squared_mean = ((W @ mean) ** 2).sum()
    spread = ((W @ covariance) * W).sum()
    return float(squared_mean / (squared_mean + spread))


def mean_share_of(artifact: Artifact, row: Row) -> Mapping[str, float]:
    """`mean_share` of a trained model under its row's law of inputs.

    Raises:
        ValueError: a hidden layer that is not linear.
    """
    require_linear_hidden(row, measure="mean_share")
    law = input_cumulants(
        row["feature_probability"],
        n_features=row["n_features"],
        feature_values=row.get("feature_values", "uniform"),
    )
    W, covariance = artifact.arrays["W"], covariance_of(row)
    return {"mean_share": mean_share(W, mean=law.mean, covariance=covariance)}


MEAN_SHARE = Measure(
    name="mean-share",
    version=1,
    function=mean_share_of,
    numbers=("mean_share",),
    ranges={"mean_share": (0.0, 1.0)},
)
