"""The measures of feature geometry, and the numbers that a study asks of each model.

The functions stand in `measures.interference` and `measures.represented`, what is
known of each in `measures.geometry_facts`.
"""

from __future__ import annotations

import math
from typing import Any

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.frame import Frame
from tegum.measures.geometry_facts import GEOMETRY_FACTS
from tegum.measures.interference import (
    avoidable_interference,
    effective_norm_squared,
    feature_norms,
    interference_matrix,
    mean_norm_squared,
    mean_overlap,
    mean_superposition,
    net_interference,
    overlap,
    overlap_excess,
    packing_excess,
    polysemanticity,
    relative_interference,
    superposition,
    total_interference,
    welch_excess,
)
from tegum.measures.represented import (
    MIN_NORM_SQUARED,
    OF_EVEN_SHARE,
    dimensionality_sum_per_hidden,
    dimensions_per_feature,
    explained_variance,
    feature_dimensionality,
    features_by_corrected_norm,
    features_by_frobenius,
    features_by_norm,
    features_represented,
    mean_participation_ratio,
    participation_ratio,
    represented_welch_excess,
)
from tegum.measures.variants import (
    covariance_of,
    is_plain_law,
    require_linear_hidden,
)

FACTS = {fact.name: fact for fact in GEOMETRY_FACTS}

NUMBERS = (
    "total_interference",
    "relative_interference",
    "welch_excess",
    "packing_excess",
    "avoidable_interference",
    "mean_superposition",
    "mean_overlap",
    "features_represented",
    "features_by_corrected_norm",
    "features_by_norm",
    "features_by_frobenius",
    "represented_welch_excess",
    "dimensionality_sum_per_hidden",
    "dimensions_per_feature",
    "mean_participation_ratio",
    "mean_norm_squared",
    "effective_norm_squared",
)


def numbers_of(
    artifact: Artifact, row: Row, *, of_even_share: float, min_norm_squared: float
) -> dict[str, Any]:
    """The geometry of one model, from its final weights `W` (hidden, feature).

    Inputs vary as the row's data columns say, and alike if it has none. An untied
    model's W is its encoder: how features lie in `h = W x`, whatever reads them out.

    Raises:
        ValueError: a hidden layer that is not linear.
    """
    require_linear_hidden(row, measure="geometry")
    frame = Frame.of(artifact.arrays["W"])
    share: dict[str, Any] = {"of_even_share": of_even_share}
    if is_plain_law(row):
        share["feature_probability"] = row.get("feature_probability")
    else:
        share["covariance"] = covariance_of(row)
    by_corrected_norm = features_by_corrected_norm(
        frame,
        noise_variance=relative_noise_variance(row),
        min_norm_squared=min_norm_squared,
    )
    return {
        "total_interference": total_interference(frame),
        "relative_interference": relative_interference(frame),
        "welch_excess": welch_excess(frame),
        "packing_excess": packing_excess(frame),
        "avoidable_interference": avoidable_interference(frame),
        "mean_superposition": mean_superposition(frame),
        "mean_overlap": mean_overlap(frame),
        "features_represented": features_represented(frame, **share),
        "features_by_corrected_norm": by_corrected_norm,
        "features_by_norm": features_by_norm(frame, min_norm_squared=min_norm_squared),
        "features_by_frobenius": features_by_frobenius(frame),
        "represented_welch_excess": represented_welch_excess(frame, **share),
        "dimensionality_sum_per_hidden": dimensionality_sum_per_hidden(frame),
        "dimensions_per_feature": dimensions_per_feature(frame),
        "mean_participation_ratio": mean_participation_ratio(frame),
        "mean_norm_squared": mean_norm_squared(frame),
        "effective_norm_squared": effective_norm_squared(frame),
    }


def relative_noise_variance(row: Row) -> float:
    """The variance v of a row's multiplicative noise: `p / (1 - p)` at rate p.

    0 without noise; NaN for noise of another kind, to which no such number belongs, and
    for an untied decoder, which can undo any shrinkage of W.
    """
    if row.get("decoder", "tied") != "tied":
        return math.nan
    rate: Any = row.get("rate", 0.0)
    silent = rate == 0 and not row.get("noise_std", 0.0)
    if row.get("noise", "none") == "none" or silent:
        return 0.0
    if row["noise"] in ("dropout", "gaussian_multiplicative"):
        return rate / (1.0 - rate)
    return math.nan


GEOMETRY = Measure(
    name="geometry",
    version=1,
    function=numbers_of,
    numbers=NUMBERS,
    parameters={"of_even_share": OF_EVEN_SHARE, "min_norm_squared": MIN_NORM_SQUARED},
    ranges={name: FACTS[name].range for name in NUMBERS},
    resolutions={name: FACTS[name].resolution for name in NUMBERS},
)

__all__ = [
    "GEOMETRY",
    "Frame",
    "avoidable_interference",
    "dimensionality_sum_per_hidden",
    "dimensions_per_feature",
    "effective_norm_squared",
    "explained_variance",
    "feature_dimensionality",
    "feature_norms",
    "features_by_corrected_norm",
    "features_by_frobenius",
    "features_by_norm",
    "features_represented",
    "interference_matrix",
    "mean_norm_squared",
    "mean_overlap",
    "mean_participation_ratio",
    "mean_superposition",
    "net_interference",
    "overlap",
    "overlap_excess",
    "packing_excess",
    "participation_ratio",
    "polysemanticity",
    "relative_interference",
    "represented_welch_excess",
    "superposition",
    "total_interference",
    "welch_excess",
]
