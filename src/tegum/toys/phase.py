"""Which phase the last feature of a small model is in, beside the true optimum.

By its dimensionality D the last feature is ignored (near 0), shares its dimension with
another (near 1/2: in superposition), or has one to itself (near 1). D is
`|W_n|^2 / (|W_n|^2 + s_n)` in the terms of the usual picture, which shows the norm
`|W_n|` and the superposition `s_n = sum over j != n of (u_n . W_j)^2`; unlike these two
it does not change when dropout makes all weights smaller alike.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.interference import feature_norms, superposition
from tegum.measures.represented import feature_dimensionality
from tegum.theory.minimum import Minimum, gaussian_starts, local_minima
from tegum.theory.small_models import least_losses, starting_points
from tegum.toys.model import importances
from tegum.toys.starts import trained_losses

IGNORED_BELOW, OWN_ABOVE = 0.25, 0.75
"""Halfway between the dimensionality of the three phases: 0, 1/2 and 1."""
RUNG = 10.0**0.4
LEAST_RUNG, MOST_RUNG = 0.0999, 10.01

NUMBERS = (
    "dimensionality",
    "norm",
    "superposition_of_last",
    "ignored",
    "shared",
    "own",
    "excess_loss",
    "agrees",
    "shared_beyond_optimum",
    "ignored_of_starts",
    "shared_of_starts",
    "own_of_starts",
    "near_ignored_of_starts",
    "near_own_of_starts",
    "agrees_of_starts",
    "reached_of_starts",
    "optimal_dimensionality",
    "optimal_norm",
    "optimal_superposition",
    "optimal_loss",
    "optimal_ignored",
    "optimal_shared",
    "optimal_own",
    "expected_loss_fall_last_tenth",
)
USUAL_STARTS = 16
LINEAR_STARTS = 8
REACHED = 0.01
"""A run has reached the optimum if it loses at most a hundredth more."""


def phase(
    dimensionality: Float[ndarray, "*model"],
) -> Float[ndarray, "*model"]:
    """0 where a feature is ignored, 1 where it shares a dimension, 2 where it does not.

    `D < 1/4`, `1/4 <= D <= 3/4` and `D > 3/4`. NaN where D is.

    Source: this project; D of an antipodal pair is 1/2, of a dropped feature 0.

    >>> phase(np.array([0.0, 0.5, 0.9]))
    array([0., 1., 2.])
    """
    D = np.asarray(dimensionality, dtype=np.float64)
    found = (D >= IGNORED_BELOW).astype(np.float64) + (D > OWN_ABOVE)
    return np.where(np.isnan(D), np.nan, found)


def optimum(row: Row) -> Minimum:
    """The true optimum of a row of n = 2, m = 1 or n = 3, m = 2.

    Found numerically, scale and bias free, dropout's masks enumerated; its loss is the
    sum over features. Optima along a ladder of relative importances, a factor of 10^0.4
    apart, are found together and remembered. With a linear read-out it is the least of
    the minima that candidates and random points lead to.

    Raises:
        ValueError: another size, or densities or importances that differ among the
            features before the last.

    Source: `theory.small_models.least_losses`; `theory.minimum.local_minima`.
    """
    weights, density = importances(row), row["feature_probability"]
    first = weights[0]
    if isinstance(density, tuple) or not (weights[:-1] == first).all() or first <= 0:
        raise ValueError(
            f"`feature_probability` is {density!r} and the importances are "
            f"{weights.tolist()}; every feature but the last must be alike"
        )
    n, m, rate = row["n_features"], row["n_hidden"], float(row["rate"])
    relative = float(weights[-1] / first)
    if row["output"] == "linear":
        found = _linear_optimum(n, m, density, relative, rate)
    else:
        ladder, rung = _ladder(relative)
        found = _optima(n, m, density, ladder, rate)[rung]
    return Minimum(found.loss * float(first), found.W, found.b, found.settled)


def _ladder(relative_importance: float) -> tuple[tuple[float, ...], int]:
    """The importances that are looked up along with one, and which of them it is."""
    r = relative_importance
    if not LEAST_RUNG <= r <= MOST_RUNG:
        return (r,), 0
    below = math.floor(math.log(r / LEAST_RUNG, RUNG))
    above = math.floor(math.log(MOST_RUNG / r, RUNG))
    ladder = (float(f"{r * RUNG**k:.9g}") for k in range(-below, above + 1))
    return tuple(ladder), below


@functools.lru_cache(maxsize=4096)
def _optima(
    n: int, m: int, density: float, ladder: tuple[float, ...], rate: float
) -> list[Minimum]:
    return least_losses(n, m, density=density, relative_importances=ladder, rate=rate)


@functools.lru_cache(maxsize=4096)
def _linear_optimum(n: int, m: int, density: float, r: float, rate: float) -> Minimum:
    """The least loss of a linear read-out, summed over features."""
    starts = starting_points(n, m, density=density)
    starts += gaussian_starts(n, m, count=LINEAR_STARTS, seed=0)
    importance = np.r_[np.ones(n - 1), r]
    best = local_minima(
        starts,
        feature_probability=density,
        importance=importance,
        rate=rate,
        output="linear",
    )[0]
    return Minimum(best.loss * n, best.W, best.b, best.settled)


def phase_numbers(artifact: Artifact, row: Row) -> Mapping[str, float]:
    """The phase of the best start, of all starts, and of the optimum of the row.

    Beside the shares of starts in a phase stand two that do not jump at its edges:
    `near_ignored` is the mean of `max(0, 1 - 2 D)` and `near_own` of `max(0, 2 D - 1)`.
    """
    best = _last(artifact.arrays["W"])
    runs = _last(artifact.arrays["W_of_starts"])
    least = optimum(row)
    ideal = _last(least.W)
    of_runs = phase(runs[0])
    now, wanted = float(phase(best[0])), float(phase(ideal[0]))
    losses = artifact.arrays["expected_loss_of_starts"] * row["n_features"]
    beyond = losses / least.loss - 1.0
    diverged = math.isnan(now)

    def share(holds: Any) -> float:
        """The mean over starts, those that diverged left out; NaN if all did."""
        known = ~np.isnan(of_runs)
        return float(np.asarray(holds)[known].mean()) if known.any() else math.nan

    def is_phase(kind: float) -> float:
        return math.nan if diverged else float(now == kind)

    return {
        "dimensionality": float(best[0]),
        "norm": float(best[1]),
        "superposition_of_last": float(best[2]),
        "ignored": is_phase(0.0),
        "shared": is_phase(1.0),
        "own": is_phase(2.0),
        "excess_loss": math.nan if diverged else float(np.nanmin(beyond)),
        "agrees": math.nan if diverged else float(now == wanted),
        "shared_beyond_optimum": is_phase(1.0) - float(wanted == 1.0),
        "ignored_of_starts": share(of_runs == 0.0),
        "shared_of_starts": share(of_runs == 1.0),
        "own_of_starts": share(of_runs == 2.0),
        "near_ignored_of_starts": share(np.clip(1.0 - 2.0 * runs[0], 0.0, 1.0)),
        "near_own_of_starts": share(np.clip(2.0 * runs[0] - 1.0, 0.0, 1.0)),
        "agrees_of_starts": share(of_runs == wanted),
        "reached_of_starts": share(beyond <= REACHED),
        "optimal_dimensionality": float(ideal[0]),
        "optimal_norm": float(ideal[1]),
        "optimal_superposition": float(ideal[2]),
        "optimal_loss": least.loss,
        "optimal_ignored": float(wanted == 0.0),
        "optimal_shared": float(wanted == 1.0),
        "optimal_own": float(wanted == 2.0),
        "expected_loss_fall_last_tenth": expected_loss_fall(artifact, row),
    }


def _last(W: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Dimensionality, norm and superposition of the last feature."""
    W = np.asarray(W, dtype=np.float64)
    known = np.asarray(np.isfinite(W).all(axis=(-2, -1)))
    safe = np.where(known[..., None, None], W, 0.0)
    numbers = (feature_dimensionality(safe), feature_norms(safe), superposition(safe))
    dimensionality, norm, shared = (
        np.where(known, number[..., -1], np.nan) for number in numbers
    )
    return dimensionality, norm, shared


def expected_loss_fall(artifact: Artifact, row: Row) -> float:
    """How much the exact expected loss still fell over the last tenth of training.

    `(L(0.9 T) - L(T)) / L(T)`, L the mean over all inputs and masks: at low density a
    fixed sample of inputs holds too few that are active together. Dimensionless; 0 if
    training had settled. NaN without weights kept at 0.9 T, or for a diverged model.

    Source: `toys.training.loss_fall_last_tenth`, with the exact loss.
    """
    arrays = artifact.arrays
    if "checkpoint_step" not in arrays:
        return math.nan
    steps = np.asarray(arrays["checkpoint_step"])
    before = np.flatnonzero(steps == math.ceil(0.9 * row["steps"]))
    if not before.size:
        return math.nan
    W = np.stack([arrays["W_history"][before[0]], arrays["W"]])
    b = np.stack([arrays["b_history"][before[0]], arrays["b"]])
    earlier, last = trained_losses(W, b, row)
    return float((earlier - last) / last)


SHARE = (0.0, 1.0)
_SHARES = (
    "ignored",
    "shared",
    "own",
    "agrees",
    "ignored_of_starts",
    "shared_of_starts",
    "own_of_starts",
    "near_ignored_of_starts",
    "near_own_of_starts",
    "agrees_of_starts",
    "reached_of_starts",
    "optimal_ignored",
    "optimal_shared",
    "optimal_own",
    "dimensionality",
    "optimal_dimensionality",
)
_YES_OR_NO = (
    "ignored",
    "shared",
    "own",
    "agrees",
    "shared_beyond_optimum",
    "optimal_ignored",
    "optimal_shared",
    "optimal_own",
)
_OF_STARTS = (
    "ignored_of_starts",
    "shared_of_starts",
    "own_of_starts",
    "agrees_of_starts",
    "reached_of_starts",
)

PHASE = Measure(
    name="phase",
    version=2,
    function=phase_numbers,
    numbers=NUMBERS,
    ranges={
        **dict.fromkeys(_SHARES, SHARE),
        "shared_beyond_optimum": (-1.0, 1.0),
        "excess_loss": (-1.0, math.inf),
        "expected_loss_fall_last_tenth": (-1.0, math.inf),
        "optimal_loss": (0.0, math.inf),
        "norm": (0.0, math.inf),
        "optimal_norm": (0.0, math.inf),
        "superposition_of_last": (0.0, math.inf),
        "optimal_superposition": (0.0, math.inf),
    },
    resolutions={
        **dict.fromkeys(_YES_OR_NO, 1.0),
        **dict.fromkeys(_OF_STARTS, 1.0 / USUAL_STARTS),
    },
)
