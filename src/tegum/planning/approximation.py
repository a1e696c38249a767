"""Fitted Q: an amortised argmax that generalises from place to place."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import cho_factor, cho_solve

from tegum.arrays import stream
from tegum.planning.amortised import UNTOLD, learned, shown
from tegum.planning.compiled import compiled
from tegum.planning.experience import Experience, observed
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Outcome, one_hot
from tegum.planning.problem import Problem

SUPPORTS = ("free", "seen")
CHANGE = 1e-4
"""Iteration ends when no value changes by more, in units of the reward."""


def fourier_features(
    place: Float[ndarray, "state coordinate"], *, width: float, count: int, seed: int
) -> Float[ndarray, "state feature"]:
    """Random cosines of place, whose products average to a Gaussian kernel.

    `sqrt(2 / count) cos(w x + b)` with `w ~ N(0, 1 / width^2)`; coordinates are scaled
    to [0, 1], so that `width` is a share of the board.

    Source: Rahimi and Recht 2007.
    """
    low, high = place.min(axis=0), place.max(axis=0)
    at = (place - low) / np.maximum(high - low, 1)
    draw = stream(seed, "features")
    direction = draw.standard_normal((at.shape[1], count)) / width
    phase = draw.uniform(0.0, 2.0 * np.pi, count)
    return np.sqrt(2.0 / count) * np.cos(at @ direction + phase)


def fitted_q(
    problem: Problem, *, seed: int, budget: int, experience: Experience = UNTOLD,
    kernel_width: float = 0.08, n_features: int = 300, ridge: float = 1e-3,
    support: str = "free", iterations: int = 300,
) -> Outcome:  # fmt: skip
    """Fitted Q iteration with a ridge regression on random features for each action.

    Targets `r + discount max Q(s', .)` are fitted anew until they settle: the limit of
    gradient steps without end. `support="free"` takes the maximum over every allowed
    action, seen there or not, which is where generalisation errs; `"seen"` over those
    that were seen in that state. Targets are held within what returns are possible:
    from `Problem.worst_return` to the largest `bound`. Counted as FLOPs: 6 for each
    feature and transition in each iteration, and `n_features^3 / 3` for each action.

    Source: Ernst, Geurts and Wehenkel 2005; the constraint: Fujimoto et al. 2019.

    Raises:
        ValueError: a budget of 0, a width, ridge or number that is not above 0, or
            another `support`.
    """
    if support not in SUPPORTS:
        raise ValueError(f"`support` is {support!r}; it must be one of {SUPPORTS}")
    if min(kernel_width, ridge, n_features, iterations) <= 0:
        raise ValueError(
            f"`kernel_width`, `ridge`, `n_features` and `iterations` are {kernel_width}"
            f", {ridge}, {n_features} and {iterations}; all must be above 0"
        )
    data, short = shown(problem, experience, seed=seed, budget=budget)
    seen, lump = observed(problem, data, memory=experience.memory)
    features = fourier_features(
        with_memory(problem, seen.place), width=kernel_width, count=n_features,
        seed=seed,
    )  # fmt: skip
    considered = seen.allowed
    if support == "free":
        considered = np.repeat(~seen.terminal[:, None], problem.n_actions, axis=1)
    worth, rounds = _iterated(
        seen, features, considered=considered, ridge=ridge, iterations=iterations,
        lowest=problem.worst_return, highest=float(problem.bound.max(initial=0.0)),
    )  # fmt: skip
    best = np.where(considered, worth, -np.inf).argmax(axis=1)
    action = np.where(considered.any(axis=1), best, -1)
    policy = one_hot(action, n_actions=problem.n_actions)[lump]
    pairs = int(seen.allowed.sum())
    flops = 6 * n_features * pairs * rounds + problem.n_actions * n_features**3 // 3
    ledger = data.ledger + Ledger(gradient_flops=flops, retrainings=1)
    return learned(problem, policy, data=data, ledger=ledger, exhausted=short)


def with_memory(problem: Problem, place: ndarray) -> ndarray:
    """Where a state is; what the state adds to its place is one more coordinate."""
    if len(place) != problem.n_states:
        return place.astype(float)
    _, lump, count = np.unique(
        problem.observation, return_inverse=True, return_counts=True
    )
    if count.max() == 1:
        return place.astype(float)
    order = np.argsort(lump, kind="stable")
    first = np.cumsum(count) - count
    rank = np.empty(problem.n_states)
    rank[order] = np.arange(problem.n_states) - first[lump[order]]
    return np.column_stack([place, rank])


def _iterated(
    seen: Problem, features: ndarray, *, considered: ndarray, ridge: float,
    iterations: int, lowest: float, highest: float,
) -> tuple[Float[ndarray, "state action"], int]:  # fmt: skip
    """The fitted Q of every state and action, and how many fits were made.

    A fit is linear in its targets, `F (F_a' F_a + ridge)^-1 F_a' y`, so that the matrix
    before y is made once for each action.
    """
    count = features.shape[1]
    rows, fits = [], []
    for a in range(seen.n_actions):
        at = np.flatnonzero(seen.allowed[:, a])
        inner = features[at].T @ features[at] + ridge * np.eye(count)
        fit = features @ cho_solve(cho_factor(inner), features[at].T)
        rows.append(at)
        fits.append(np.ascontiguousarray(fit.T))
    worth = np.zeros(seen.allowed.shape)
    later = np.zeros(seen.n_states)
    for round_ in range(1, iterations + 1):
        target = seen.expected_reward + seen.discount * (
            seen.probability * later[seen.successor]
        ).sum(axis=2)
        target = np.clip(target, lowest, highest)
        for a, at in enumerate(rows):
            worth[:, a] = _weighted(fits[a], target[at, a])
        best = np.where(considered, worth, -np.inf).max(axis=1)
        fresh = np.where(np.isfinite(best), np.clip(best, lowest, highest), lowest)
        fresh = np.where(seen.terminal, 0.0, fresh)
        change = np.abs(fresh - later).max()
        later = fresh
        if change <= CHANGE:
            return worth, round_
    return worth, iterations


@compiled
@no_type_check
def _weighted(rows, weight):
    """The sum of rows by weight: on one thread, however many BLAS would take."""
    total = np.zeros(rows.shape[1])
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            total[j] += weight[i] * rows[i, j]
    return total


__all__ = ["SUPPORTS", "fitted_q", "fourier_features", "with_memory"]
