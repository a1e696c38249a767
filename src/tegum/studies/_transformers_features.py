"""How many features share the residual stream, counted by sparse autoencoders.

The count has passed its test on toy models of known truth (`effective-features`), with
these settings; layers as wide as these were not in that test. So the same count of
Gaussian vectors of the same covariance stands beside it: they hold no feature, and what
happens to their count as well is the covariance's doing and not the features'.
"""

from __future__ import annotations

import math

from tegum.activations.sparse_autoencoder import effective_features
from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.parallel import one_thread
from tegum.studies._effective_measures import FROZEN, gaussian_like
from tegum.studies._transformers_network import Network

SEED = 0
"""Of the starts and of the Gaussian vectors, the same for all networks."""

RANGES = {
    "residual_features": (1.0, math.inf),
    "residual_superposition_ratio": (0.0, math.inf),
    "residual_explained_variance": (-math.inf, 1.0),
    "residual_gaussian_features": (1.0, math.inf),
    "residual_features_beside_gaussian": (0.0, math.inf),
}


def network_features(layers: int) -> Measure:
    """Directions in use in the stream that the last block leaves.

    `residual_features` is their effective number, `residual_superposition_ratio` that
    for each unit: above 1 there are more features than units.
    `residual_features_beside_gaussian` divides it by `residual_gaussian_features`,
    the count of Gaussian vectors of the same covariance. Counts are NaN where the
    explained variance missed its target. First tokens are left out.

    Source: Bereska et al. 2025, "Superposition as Lossy Compression".
    """
    return Measure(
        name="network_features",
        version=1,
        function=_features,
        numbers=tuple(RANGES),
        parameters={"layers": layers},
        ranges=RANGES,
    )


def _features(artifact: Artifact, row: Row, *, layers: int) -> dict[str, float]:
    if artifact.status == "diverged":
        return dict.fromkeys(RANGES, math.nan)
    with one_thread():
        stream = Network.of(artifact, row).activations()[f"residual_{layers - 1}"]
    h = stream[:, 1:].reshape(-1, stream.shape[-1])
    found = effective_features(h, seed=SEED, settings=FROZEN)
    gaussian = effective_features(
        gaussian_like(h, seed=SEED), seed=SEED, settings=FROZEN
    )
    return {
        "residual_features": found.effective_features,
        "residual_superposition_ratio": found.superposition_ratio,
        "residual_explained_variance": found.explained_variance,
        "residual_gaussian_features": gaussian.effective_features,
        "residual_features_beside_gaussian": found.effective_features
        / gaussian.effective_features,
    }


__all__ = ["network_features"]
