"""Phases of the two smallest toy models: two features in one unit, three in two.

Features are active with density s (`= q = 1 - S`); the last has importance r relative
to the others, which have 1. Losses are sums over features of importance-weighted
expected squared errors, as the closed forms are usually given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.theory.expected_loss import expected_loss
from tegum.theory.minimum import (
    Minimum,
    Stage,
    Start,
    gaussian_starts,
    minima_together,
)

SIZES = ((2, 1), (3, 2))
ROUGH, FINE = Stage(24, least_fall=1e-6), Stage(64)
POLISHED = 4
"""Of the rough minima so many are descended from with more nodes."""
LEAST_KEPT = 0.25
"""`|W_i|^2` from which a feature counts as kept when a phase is named."""


@dataclass(frozen=True)
class TriplePoint:
    """Where three candidates lose the same: density, relative importance, loss."""

    density: float
    relative_importance: float
    loss: float


def candidate_losses(
    n_features: int, n_hidden: int, *, density: float, relative_importance: float
) -> Mapping[str, float]:
    """What each arrangement of unit weights loses, by name.

    With `v = s/3 - s^2/4`, the variance of an input:

        last ignored         r v
        first ignored        v
        last antipodal       (1 + r) s^2 / 6     the last paired with another feature
        first two antipodal  s^2 / 3             n = 3 only

    Squared units of the inputs, `[0, inf)`. Ignored features have their bias at the
    mean s/2; pairs `W = (1, -1)` have bias 0, so a pair errs only where both are
    active, and by the smaller of the two: `E min(x_1, x_2)^2 = 1/6`. These are upper
    bounds of the least loss: scale and bias of real optima are free (`least_loss`).

    Raises:
        ValueError: other sizes, a density outside (0, 1], or a negative importance.

    Source: Wattenberg's exact phase-change notebook, published with Elhage et al. 2022,
    "Toy Models of Superposition".

    >>> losses = candidate_losses(2, 1, density=4 / 7, relative_importance=1.0)
    >>> {round(loss, 6) for loss in losses.values()}
    {0.108844}
    """
    s, r = _checked(n_features, n_hidden, density, relative_importance)
    variance = s / 3.0 - s**2 / 4.0
    losses = {
        "last ignored": r * variance,
        "first ignored": variance,
        "last antipodal": (1.0 + r) * s**2 / 6.0,
    }
    if n_features == 3:
        losses["first two antipodal"] = s**2 / 3.0
    return losses


def best_candidate(
    n_features: int, n_hidden: int, *, density: float, relative_importance: float
) -> str:
    """The name of the candidate that loses least; of equals, the one named first.

    Raises:
        ValueError: as `candidate_losses`.

    Source: as `candidate_losses`.

    >>> best_candidate(2, 1, density=0.1, relative_importance=1.0)
    'last antipodal'
    """
    losses = candidate_losses(
        n_features, n_hidden, density=density, relative_importance=relative_importance
    )
    return min(losses, key=lambda name: losses[name])


def boundary_importance(density: float) -> tuple[float, float]:
    """Between which relative importances the last feature shares with another.

    `(r, 1/r)` with `r = 2s / (4 - 5s)`: below r it is ignored, above 1/r the first one
    is. Dimensionless. They meet at 1 for s = 4/7; above that density the pair is the
    best candidate nowhere, and NaN is returned for both.

    Raises:
        ValueError: a density outside (0, 1].

    Source: `r (s/3 - s^2/4) = (1 + r) s^2 / 6` solved for r, and its mirror image.

    >>> [round(r, 6) for r in boundary_importance(0.4)]
    [0.4, 2.5]
    """
    s, _ = _checked(2, 1, density, 1.0)
    if s > 4.0 / 7.0:
        return math.nan, math.nan
    lower = 2.0 * s / (4.0 - 5.0 * s)
    return lower, 1.0 / lower


def triple_point() -> TriplePoint:
    """Where ignoring either feature and keeping both as a pair lose the same.

    Density 4/7 (sparsity 3/7), relative importance 1, loss 16/147 = 0.108844.

    Source: `boundary_importance` at r = 1; `s^2 / 3` at s = 4/7.
    """
    return TriplePoint(4.0 / 7.0, 1.0, 16.0 / 147.0)


def candidate_weights(n_features: int, n_hidden: int, *, density: float) -> list[Start]:
    """The weights and biases of every candidate, in the order of `candidate_losses`.

    Raises:
        ValueError: as `candidate_losses`.

    Source: as `candidate_losses`.
    """
    s, _ = _checked(n_features, n_hidden, density, 1.0)
    mean = s / 2.0
    if n_features == 2:
        layouts = (([[1, 0]], [0, mean]), ([[0, 1]], [mean, 0]), ([[1, -1]], [0, 0]))
    else:
        layouts = (
            ([[1, 0, 0], [0, 1, 0]], [0, 0, mean]),
            ([[0, 1, 0], [0, 0, 1]], [mean, 0, 0]),
            ([[1, 0, 0], [0, 1, -1]], [0, 0, 0]),
            ([[1, -1, 0], [0, 0, 1]], [0, 0, 0]),
        )
    return [(np.array(W, float), np.array(b, float)) for W, b in layouts]


def least_loss(
    n_features: int,
    n_hidden: int,
    *,
    density: float,
    relative_importance: float,
    rate: float = 0.0,
    starts: int = 8,
    seed: int = 0,
) -> Minimum:
    """The best weights of a small model, scale and bias free, found numerically.

    The least of the minima of `theory.expected_loss` reached from every candidate and
    from `starts` random points. Its `loss` is the sum over features, to be set beside
    `candidate_losses`, and never above them without dropout. That no start found less
    does not prove that nothing is less.

    Raises:
        ValueError: as `candidate_losses`; no start; a rate outside [0, 1).

    Source: this project.
    """
    return least_losses(
        n_features,
        n_hidden,
        density=density,
        relative_importances=(relative_importance,),
        rate=rate,
        starts=starts,
        seed=seed,
    )[0]


def least_losses(
    n_features: int,
    n_hidden: int,
    *,
    density: float,
    relative_importances: Sequence[float],
    rate: float = 0.0,
    starts: int = 8,
    seed: int = 0,
) -> list[Minimum]:
    """`least_loss` at several relative importances, which is faster than one by one.

    All starts descend roughly; the best four of each importance go on with more nodes.

    Raises:
        ValueError: as `least_loss`.

    Source: `least_loss`.
    """
    for relative_importance in relative_importances:
        _checked(n_features, n_hidden, density, relative_importance)
    points = starting_points(n_features, n_hidden, density=density)
    points += gaussian_starts(n_features, n_hidden, count=starts, seed=seed)
    cells = len(relative_importances)
    importance = np.ones((cells, 1, n_features))
    importance[:, 0, -1] = relative_importances
    W, b = (np.array([arrays] * cells) for arrays in zip(*points, strict=True))
    for stage, kept in ((ROUGH, POLISHED), (FINE, 1)):
        found = minima_together(
            W.reshape(-1, *W.shape[2:]),
            b.reshape(-1, n_features),
            feature_probability=np.full((b[..., 0].size, n_features), density),
            importance=np.broadcast_to(importance, b.shape).reshape(-1, n_features),
            rate=rate,
            stages=(stage,),
        )
        order = np.argsort(found.loss.reshape(cells, -1), axis=1)[:, :kept]
        chosen = order + np.arange(cells)[:, None] * b.shape[1]
        W, b = found.W[chosen], found.b[chosen]
    last = chosen[:, 0]
    return [
        _better_of(
            Minimum(float(loss), W[0], b[0], bool(settled)), density, weights[0], rate
        )
        for loss, W, b, settled, weights in zip(
            found.loss[last], W, b, found.settled[last], importance, strict=True
        )
    ]


def _better_of(
    found: Minimum, density: float, importance: ndarray, rate: float
) -> Minimum:
    """What was found or an exact candidate, its loss summed over features.

    Where a candidate is itself the optimum, the descent ends a rounding error above.
    """
    m, n = found.W.shape
    law = {"feature_probability": density, "importance": importance, "rate": rate}
    exact = [
        Minimum(expected_loss(W, b, **law, nodes=400).loss, W, b, settled=True)
        for W, b in candidate_weights(n, m, density=density)
    ]
    best = min([found, *exact], key=lambda minimum: minimum.loss)
    return Minimum(best.loss * n, best.W, best.b, best.settled)


def starting_points(n_features: int, n_hidden: int, *, density: float) -> list[Start]:
    """Where the search for the best weights starts, besides points at random.

    Beside every candidate: an exact one is a saddle where two features are alike. In
    two units also with the basis turned by 45 degrees, which dropout may prefer, and
    three features at 120 degrees.

    Raises:
        ValueError: as `candidate_losses`.

    Source: this project.
    """
    beside = [
        (W + 0.01 * np.cos(np.arange(W.size)).reshape(W.shape), b)
        for W, b in candidate_weights(n_features, n_hidden, density=density)
    ]
    if n_hidden == 1:
        return beside
    turn = math.sqrt(0.5) * np.array([[1.0, -1.0], [1.0, 1.0]])
    angles = 0.5 * np.pi + np.arange(3) * 2.0 * np.pi / 3.0
    triangle = 0.9 * np.array([np.cos(angles), np.sin(angles)])
    return [*beside, *((turn @ W, b) for W, b in beside), (triangle, np.zeros(3))]


def phase_name(W: Float[ndarray, "hidden feature"]) -> str:
    """What a small model does with its features, in the words of `candidate_losses`.

    A feature is kept if `|W_i|^2 >= 1/4`; two kept ones are antipodal if their cosine
    is below -1/2. `other` is any arrangement that is no candidate.

    Source: this project.

    >>> phase_name(np.array([[0.9, -1.1]]))
    'last antipodal'
    """
    n = W.shape[1]
    squared = (W**2).sum(axis=0)
    kept = squared >= LEAST_KEPT
    length = np.sqrt(np.where(kept, squared, np.inf))
    cosine = (W.T @ W) / np.outer(length, length)
    pairs = {(i, j) for i in range(n) for j in range(i + 1, n) if cosine[i, j] < -0.5}
    if kept.all() and len(pairs) == 1:
        return "last antipodal" if n - 1 in next(iter(pairs)) else "first two antipodal"
    if kept.sum() == n - 1 and not pairs:
        return "first ignored" if kept[-1] else "last ignored"
    return "other"


def _checked(n: int, m: int, density: float, importance: float) -> tuple[float, float]:
    if (n, m) not in SIZES:
        raise ValueError(
            f"no closed form is known for n={n} features in m={m} units; it must be "
            "(2, 1) or (3, 2); use `theory.minimum.local_minima` for other sizes"
        )
    if not 0.0 < density <= 1.0:
        raise ValueError(
            f"`density` is {density!r}; it must be in (0, 1]; sparsity S is 1 - density"
        )
    if not 0.0 <= importance < math.inf:
        raise ValueError(
            f"`relative_importance` is {importance!r}; it must be in [0, inf)"
        )
    return float(density), float(importance)
