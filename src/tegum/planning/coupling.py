"""Which states are unwanted: coupled, or not, to where an optimiser goes."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import ndtri

from tegum.arrays import stream


def normal_scores(
    values: Float[ndarray, " item"], *, ties: Float[ndarray, " item"]
) -> Float[ndarray, " item"]:
    """The values' ranks as quantiles of a standard Gaussian; equal ones by `ties`.

    `ndtri((rank + 1/2) / n)`: whatever the law of the values, the scores' is the same.

    >>> normal_scores(np.array([5.0, 1.0]), ties=np.zeros(2)).round(3).tolist()
    [0.674, -0.674]
    """
    order = np.lexsort((ties, values))
    rank = np.empty(values.size)
    rank[order] = np.arange(values.size)
    return ndtri((rank + 0.5) / values.size)


def coupled_choice(
    attraction: Float[ndarray, " item"],
    *,
    share: float,
    coupling: float,
    noise: Float[ndarray, " item"],
    seed: int,
) -> Bool[ndarray, " item"]:
    """Mark a share of items, the more by `attraction` the stronger the coupling.

    A Gaussian copula: the `round(share n)` items with the highest `kappa z +
    sqrt(1 - kappa^2) e` are marked, z being the normal scores of the attraction and e
    those of the noise. At kappa = 0 attraction plays no part, at 1 the most attractive
    are marked, at -1 the least. Items of one seed keep their noise whatever kappa.
    """
    ties = stream(seed, "ties").random(attraction.size)
    pull = normal_scores(attraction, ties=ties)
    chance = normal_scores(noise, ties=ties[::-1])
    score = coupling * pull + math.sqrt(1.0 - coupling**2) * chance
    marked = np.zeros(attraction.size, dtype=bool)
    count = round(share * attraction.size)
    if count:
        marked[np.argsort(-score, kind="stable")[:count]] = True
    return marked


__all__ = ["coupled_choice", "normal_scores"]
