"""How many features there seem to be in activations, by sparse autoencoders.

A sparse autoencoder writes an activation as a sum of few out of many directions:

    z = relu(A (x - b) + c),   y = b + sum_i z_i d_i,   |d_i| = 1

and is trained to lose little of x while few z_i are active. The number of features is
that of the directions in use, each counted by its share of all activity. What would be
measured otherwise is how hard the autoencoder was pressed, so it is pressed until it
explains a stated share of the variance, the same for everything that is compared.

Everything follows from the activations and one seed, and from no basis: starting
directions are random mixtures of the activations themselves, and Adam's second moments
are kept for each direction, not for each coordinate, so that rotated activations have
the rotated autoencoder, up to rounding. Activations are centred and scaled to unit root
mean square first, so that their scale does not matter either.

Whether the count orders networks by their features was asked where these are known, by
the study `effective-features`: on toy models, at the default settings, it does (rank
correlation 0.96 [0.93, 0.98] over cells on which nothing was tuned), so that claims may
use it. Nothing was validated on layers wider than toys: a count near the number of
latents, or one that moves with twice the steps, means that no dictionary was found.

Source: Bricken et al. 2023, "Towards Monosemanticity" (the autoencoder); Candes, Wakin
and Boyd 2008, "Enhancing sparsity by reweighted l1 minimization", section 2 (the
penalty); Bereska et al. 2025, "Superposition as Lossy Compression" (the count).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.activations.sparse_training import (
    Activations,
    Numbers,
    Settings,
    descend,
    product,
    start,
)
from tegum.arrays import stream

HELD_OUT = 0.2
"""The share of the vectors, the last ones, that is not trained on but counted on."""
FEWEST_VECTORS = 100
WITHIN = 0.02
"""How far from its target the explained variance may end before counts are void."""


@dataclass(frozen=True)
class SparseAutoencoders:
    """Trained autoencoders of one set of activations, one for each replicate.

    They take activations that were centred and scaled, `(x - centre) / scale`. `A` and
    the unit vectors `D` have a row for each latent; `penalty` is what training ended
    at.
    """

    centre: Float[ndarray, " unit"]
    scale: float
    b: Float[ndarray, "replicate 1 unit"]
    A: Float[ndarray, "replicate latent unit"]
    c: Float[ndarray, "replicate latent 1"]
    D: Float[ndarray, "replicate latent unit"]
    penalty: Numbers

    def codes(
        self, activations: Activations
    ) -> Float[ndarray, "replicate vector latent"]:
        """How active every latent is, in units of the scale; never negative."""
        x = self._scaled(activations) - self.b
        return np.maximum(
            product(x, self.A.swapaxes(1, 2)) + self.c[..., 0][:, None], 0
        )

    def explained_variance(self, activations: Activations) -> Numbers:
        """`1 - E|x - y|^2 / E|x - E x|^2`; 1 is all of it, below 0 is harm."""
        x = self._scaled(activations)
        lost = x - self.b - product(self.codes(activations), self.D)
        spread = x - x.mean(axis=0)
        return 1.0 - (lost**2).sum(axis=-1).mean(axis=-1) / (spread**2).sum(-1).mean()

    def _scaled(self, activations: Activations) -> Activations:
        return (activations - self.centre) / self.scale


@dataclass(frozen=True)
class EffectiveFeatures:
    """What sparse autoencoders count in activations; each a mean over replicates.

    `effective_features`: `exp(H(p))`, p_i the share of direction i in all activity, as
    `effective_count` has it. `superposition_ratio`: that per unit; above 1 there are
    more features than units. `effective_latents`: the count of latents as they are,
    without joining those of one direction. `active_latents`: how many are active at a
    time (L0). `dead_latents`: how many never are on the held-out vectors.

    The first three are NaN where `explained_variance` ended more than 0.02 from its
    target: a count at another loss compares with none.
    """

    effective_features: float
    superposition_ratio: float
    effective_latents: float
    explained_variance: float
    active_latents: float
    dead_latents: float


def effective_features(
    activations: Activations, *, seed: int, settings: Settings | None = None
) -> EffectiveFeatures:
    """How many features share the activations, counted at equal explained variance.

    Autoencoders are trained on the first four fifths of the vectors and counted on the
    rest. A number of directions, in `[1, latents]`. Known biases: a feature that is
    rarely or weakly active counts less than one that is often strong; a feature with
    both signs counts as two; features that are dense, or that always come together, are
    not told apart; splitting of one feature into several directions raises it, and a
    dictionary that is too small bounds it. Gaussian vectors, in which there is no
    feature, have a count as well: it says how many directions cover a ball.

    Raises:
        ValueError: activations that are no (vector, unit) array of at least 100
            vectors, are not finite, or do not vary.

    Source: Bereska et al. 2025, "Superposition as Lossy Compression".
    """
    settings = settings or Settings()
    x = _checked(activations)
    held_out = round(HELD_OUT * len(x))
    found = fit(x[:-held_out], seed=seed, settings=settings)
    rest = x[-held_out:]
    codes = found.codes(rest)
    explained = float(found.explained_variance(rest).mean())
    comparable = abs(explained - settings.explained_variance) <= WITHIN

    def count(same_direction: float) -> float:
        if not comparable:
            return math.nan
        counts = [
            effective_count(activity, D, same_direction=same_direction)
            for activity, D in zip(codes.sum(axis=1), found.D, strict=True)
        ]
        return math.fsum(counts) / len(counts)

    features = count(settings.same_direction)
    return EffectiveFeatures(
        effective_features=features,
        superposition_ratio=features / x.shape[1],
        effective_latents=count(1.0),
        explained_variance=explained,
        active_latents=float((codes > 0).sum(axis=-1).mean()),
        dead_latents=float((codes.max(axis=1) <= 0.0).sum(axis=-1).mean()),
    )


def effective_count(
    activity: Float[ndarray, " latent"],
    D: Float[ndarray, "latent unit"],
    *,
    same_direction: float,
) -> float:
    """How many directions are in use, each counted by its share of all activity.

    `exp(-sum_i p_i log p_i)`, `p_i = a_i / sum_j a_j`. From the most active latent on,
    each takes in those not yet taken whose direction is the same, up to a cosine of at
    least `same_direction`; at 1 every latent stands alone. In `[1, latents]`: k if k
    directions are equally active. NaN where no latent is active.

    >>> round(effective_count(np.ones(3), np.eye(3)[[0, 1, 1]], same_direction=0.8), 3)
    1.89
    """
    p, _ = effective_groups(activity, D, same_direction=same_direction)
    if not p.size:
        return math.nan
    return math.exp(-float((p * np.log(p)).sum()))


def effective_groups(
    activity: Float[ndarray, " latent"],
    D: Float[ndarray, "latent unit"],
    *,
    same_direction: float,
) -> tuple[Float[ndarray, " group"], Float[ndarray, "group unit"]]:
    """The shares and directions that `effective_count` counts, in order of leaders.

    A group has the direction of its most active latent. Latents that are never active
    are in none.
    """
    p = activity.astype(np.float64)
    free = p > 0
    if not free.any():
        return np.zeros(0), np.zeros((0, D.shape[1]))
    p = p / p.sum()
    alike = np.eye(len(p), dtype=bool)
    if same_direction < 1.0:
        alike |= same_direction <= D @ D.T
    shares, leaders = [], []
    for latent in np.argsort(-p, kind="stable"):
        if free[latent]:
            group = free & alike[latent]
            shares.append(p[group].sum())
            leaders.append(latent)
            free &= ~group
    return np.array(shares), D[leaders]


def fit(
    activations: Activations, *, seed: int, settings: Settings
) -> SparseAutoencoders:
    """Autoencoders that explain the stated share of variance as sparsely as they can.

    The loss is the share of variance that is lost plus the penalty, whose weight rises
    while less is lost than allowed, and falls while more is.

    Raises:
        ValueError: as `effective_features`.

    Source: Rezende and Viola 2018, "Taming VAEs" (a constraint kept by moving the
    weight of the penalty along training).
    """
    x = _checked(activations)
    centre = x.mean(axis=0)
    scale = float(np.sqrt(((x - centre) ** 2).mean()))
    x = ((x - centre) / scale).astype(np.float32)
    streams = [
        stream(seed, f"sparse autoencoder {k}") for k in range(settings.replicates)
    ]
    parameters = start(x, streams, latents=settings.latents_per_unit * x.shape[1])
    penalty = descend(x, parameters, streams, settings)
    b, A, c, D = parameters
    return SparseAutoencoders(centre, scale, b, A, c, D, penalty)


def _checked(activations: Activations) -> Activations:
    x = np.asarray(activations)
    if x.ndim != 2 or len(x) < FEWEST_VECTORS:
        raise ValueError(
            f"the activations have the shape {x.shape}; give (vector, unit) with "
            f"{FEWEST_VECTORS} vectors or more, 10,000 are usual"
        )
    x = x.astype(np.float64, copy=False)
    broken = int((~np.isfinite(x)).any(axis=1).sum())
    if broken:
        raise ValueError(
            f"{broken} of {len(x)} vectors of activations are not finite; leave them "
            "out, or find the layer that made them"
        )
    if not np.ptp(x, axis=0).any():
        raise ValueError(
            f"all {len(x)} vectors of activations are the same; there is no variance "
            "to explain"
        )
    return x


def record(found: EffectiveFeatures) -> dict[str, float]:
    """The numbers by name, as a measure returns them."""
    return dataclasses.asdict(found)


__all__ = [
    "EffectiveFeatures",
    "Settings",
    "SparseAutoencoders",
    "effective_count",
    "effective_features",
    "effective_groups",
    "fit",
    "record",
]
