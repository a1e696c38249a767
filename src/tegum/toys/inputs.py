"""The law of a toy model's inputs and noise, in plain NumPy, to be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.toys.factors import NEUTRAL
from tegum.toys.model import active_features, noise_variance, probabilities

CompleteRow = Any


def sample_inputs(
    row: CompleteRow, generator: np.random.Generator, *, count: int
) -> Float[ndarray, "example feature"]:
    """Inputs: each feature 0 with probability 1 - q_i, else its value.

    Values are independent and uniform on [0, 1), or on [-1, 1) if they are signed.
    `sample_activity` says which features are active together.
    """
    row = {**NEUTRAL, **row}
    active = sample_activity(row, generator, count=count)
    values = generator.random(active.shape)
    if row["feature_values"] == "signed_uniform":
        values = 2.0 * values - 1.0
    return active * values


def sample_activity(
    row: CompleteRow, generator: np.random.Generator, *, count: int
) -> Bool[ndarray, "example feature"]:
    """Which features are active, each with its probability q_i.

    - `independent`: each by itself.
    - `correlated`: groups of neighbours as one, each group with probability q.
    - `anticorrelated`: with probability g q one of a group's g features, each of them
      equally likely; else none of the group.
    - `exactly_k`: q n of them, every such set equally likely.
    """
    n, size, q = row["n_features"], row["group_size"], row["feature_probability"]
    match row["activity"]:
        case "independent":
            return generator.random((count, n)) < probabilities(row)
        case "correlated":
            groups = generator.random((count, n // size)) < q
            return np.repeat(groups, size, axis=1)
        case "anticorrelated":
            groups = generator.random((count, n // size, 1)) < size * q
            chosen = generator.integers(size, size=(count, n // size, 1))
            return (groups & (chosen == np.arange(size))).reshape(count, n)
    order = generator.random((count, n)).argsort(axis=1)
    return order < active_features(row)


def sample_noise(
    row: CompleteRow, generator: np.random.Generator, *, count: int
) -> Float[ndarray, "example hidden"] | None:
    """Noise for a batch, as `forward` takes it; None for a row without noise.

    Dropout keeps a unit where a uniform number is at least p, so that on one stream a
    higher rate drops a superset.
    """
    size = (count, row["n_hidden"])
    match row["noise"]:
        case "none":
            return None
        case "dropout":
            kept = generator.random(size) >= row["rate"]
            return kept / (1.0 - row["rate"])
        case "gaussian_multiplicative":
            deviation = np.sqrt(noise_variance(row["rate"]))
            return 1.0 + deviation * generator.standard_normal(size)
        case _:
            return generator.standard_normal(size)


__all__ = ["sample_activity", "sample_inputs", "sample_noise"]
