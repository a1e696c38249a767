"""Sparse autoencoders on the hidden layer of toy models, as a measure.

Activations are clean: fresh inputs of the model's own law, no dropout. The settings of
the autoencoders are the parameters of the measure, so that a registration holds them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.activations.sparse_autoencoder import (
    Settings,
    effective_features,
    record,
)
from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.geometry import features_represented
from tegum.toys.inputs import sample_inputs
from tegum.toys.model import Parameters

N_INPUTS = 20_000

FROZEN = Settings(
    explained_variance=0.9,
    latents_per_unit=8,
    knee=0.6,
    same_direction=0.8,
    replicates=2,
    steps=1000,
    batch_size=128,
    learning_rate=0.01,
)
"""What was chosen on the tuned half of the grid; see the study's docstring."""

COUNTS = ("effective_features", "superposition_ratio", "effective_latents")
NUMBERS = (
    *COUNTS,
    "explained_variance",
    "active_latents",
    "dead_latents",
    "true_features",
    "count_ratio",
    "gaussian_features",
)


def hidden_activations(
    artifact: Artifact, row: Row, *, count: int = N_INPUTS
) -> Float[ndarray, "example hidden"]:
    """The hidden layer on fresh inputs of the row's law, without noise."""
    inputs = sample_inputs(row, stream(row["seed"], "effective_inputs"), count=count)
    hidden = inputs @ Parameters.of(artifact).W.T
    if row.get("hidden_activation", "linear") == "relu":
        return np.maximum(hidden, 0.0)
    return hidden


def gaussian_like(
    activations: Float[ndarray, "example hidden"], *, seed: int
) -> Float[ndarray, "example hidden"]:
    """Gaussian vectors with the covariance of the activations: no feature in them."""
    variance, axes = np.linalg.eigh(np.cov(activations.T))
    root = (axes * np.sqrt(np.maximum(variance, 0.0))) @ axes.T
    noise = stream(seed, "effective_gaussian").standard_normal(activations.shape)
    return noise @ root


def effective_numbers(
    artifact: Artifact, row: Row, **settings: Any
) -> dict[str, float]:
    """What sparse autoencoders count in a toy model's hidden layer.

    The numbers of `EffectiveFeatures`; `true_features`, those that are represented;
    `count_ratio`, effective ones over these, 1 where the count is right; and
    `gaussian_features`, what the first of the autoencoders counts in Gaussian vectors
    of the same covariance. NaN for a model that diverged or whose hidden layer is dead.
    """
    hidden = hidden_activations(artifact, row)
    if not np.isfinite(hidden).all() or not np.ptp(hidden, axis=0).any():
        return dict.fromkeys(NUMBERS, math.nan)
    seed = row["seed"]
    found = effective_features(hidden, seed=seed, settings=Settings(**settings))
    alone = Settings(**{**settings, "replicates": 1})
    silent = effective_features(
        gaussian_like(hidden, seed=seed), seed=seed, settings=alone
    )
    true = float(
        features_represented(
            Parameters.of(artifact).W,
            feature_probability=row["feature_probability"],
        )
    )
    return {
        **record(found),
        "true_features": true,
        "count_ratio": found.effective_features / true if true else math.nan,
        "gaussian_features": silent.effective_features,
    }


INFINITE = (0.0, math.inf)
EFFECTIVE = Measure(
    name="effective_features",
    version=1,
    function=effective_numbers,
    numbers=NUMBERS,
    parameters=dataclasses.asdict(FROZEN),
    ranges={
        **dict.fromkeys(NUMBERS, INFINITE),
        "effective_features": (1.0, math.inf),
        "effective_latents": (1.0, math.inf),
        "gaussian_features": (1.0, math.inf),
        "explained_variance": (-math.inf, 1.0),
    },
    # Below 1, so that models one feature apart have two ranks.
    resolutions={**dict.fromkeys(COUNTS, 1e-3), "true_features": 0.5},
)


__all__ = [
    "EFFECTIVE",
    "FROZEN",
    "effective_numbers",
    "gaussian_like",
    "hidden_activations",
]
