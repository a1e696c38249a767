"""Return-conditioned cloning: do what those did who got the return asked for."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy import ndarray

from tegum.planning.amortised import UNTOLD, shown
from tegum.planning.experience import Data, Experience, observed
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Outcome, run
from tegum.planning.problem import Problem, tabular

DIGITS = 6
"""Returns are the same to a learner if they agree to so many decimals."""

Key = tuple[int, float]


def return_conditioned(
    problem: Problem, *, seed: int, budget: int, experience: Experience = UNTOLD
) -> Outcome:  # fmt: skip
    """Ask for the best return that was seen from the start, and clone who had it.

    `policy(a | s, g)` is the share of a among the steps that were taken in s with
    return g still to come, in episodes that ended. The target is the best return ever
    seen from the query, and after a reward r it is `(g - r) / discount`. Where no
    episode had that return left, there is no idea. Unlike a value-maximising learner it
    can not put together what no one episode did.

    The target is part of what is decided on, so that the outcome has no policy over
    states; it is followed exactly, in the problem whose states are (state, target). An
    execution that never ends counts `Problem.worst_return` of the problem asked about;
    one that comes through a state several times may arrive with less.
    Source: Schmidhuber 2019; Kumar, Peng and Levine 2019.

    Raises:
        ValueError: a budget of 0, or `complete` data, which have no episodes.
    """
    if experience.complete:
        raise ValueError(
            "`return_conditioned` learns from episodes, and `complete` data have "
            "none; gather by steps"
        )
    data, short = shown(problem, experience, seed=seed, budget=budget)
    _, lump = observed(problem, data, memory=experience.memory)
    counts, best = _by_return(problem, data, lump)
    chain, policy = _followed(problem, counts, best, lump)
    ledger = data.ledger + Ledger(backups=data.state.size, retrainings=1)
    return Outcome(
        None, run(chain, policy, never_ends=problem.worst_return), ledger,
        exhausted=short,
        covered=np.ceil(data.visits.sum(axis=2)).astype(np.int64),
        behaviour=data.behaviour,
        episodes=(data.touched.size, int(data.touched.sum())),
    )  # fmt: skip


def _by_return(
    problem: Problem, data: Data, lump: ndarray
) -> tuple[dict[Key, ndarray], dict[int, float]]:
    """How often each action was taken with each return to come; the best seen."""
    n = data.state.size
    after = problem.successor[data.state, data.action, data.branch]
    counts: dict[Key, ndarray] = {}
    best: dict[int, float] = {}
    to_come, ended = 0.0, False
    for i in range(n - 1, -1, -1):
        if i == n - 1 or data.episode[i] != data.episode[i + 1]:
            to_come, ended = 0.0, bool(problem.terminal[after[i]])
        to_come = float(data.reward[i]) + problem.discount * to_come
        if ended:
            s, g = int(lump[data.state[i]]), round(to_come, DIGITS)
            if (s, g) not in counts:
                counts[s, g] = np.zeros(problem.n_actions)
            counts[s, g][data.action[i]] += 1.0
            best[s] = max(g, best.get(s, -np.inf))
    return counts, best


def _followed(
    problem: Problem,
    counts: dict[Key, ndarray],
    best: dict[int, float],
    lump: ndarray,
) -> tuple[Problem, ndarray]:
    """The problem of states with targets, as far as queries lead, and the policy."""
    number: dict[Key, int] = {}
    waiting: deque[Key] = deque()

    def numbered(key: Key) -> int:
        if key not in number:
            number[key] = len(number)
            waiting.append(key)
        return number[key]

    starts = [
        numbered((int(s), best.get(int(lump[s]), np.inf))) for s in problem.starts
    ]
    successor, chosen = [], []
    while waiting:
        s, target = waiting.popleft()
        to = np.zeros((problem.n_actions, problem.n_branches), dtype=np.int64)
        weight = counts.get((int(lump[s]), target))
        share = np.zeros(problem.n_actions)
        if weight is not None and not problem.terminal[s]:
            share = weight * problem.allowed[s]
            share = share / max(share.sum(), 1.0)
        for a in np.flatnonzero(share):
            for k in range(problem.n_branches):
                left = (target - problem.reward[s, a, k]) / problem.discount
                key = (int(problem.successor[s, a, k]), round(float(left), DIGITS))
                to[a, k] = numbered(key)
        successor.append(to)
        chosen.append(share)
    state = np.array([s for s, _ in number])
    chain = tabular(
        np.array(successor), reward=problem.reward[state],
        probability=problem.probability[state], allowed=problem.allowed[state],
        terminal=problem.terminal[state], goal=problem.goal[state],
        unwanted=problem.unwanted[state], starts=starts, bound=problem.bound[state],
        place=problem.place[state], discount=problem.discount,
    )  # fmt: skip
    return chain, np.array(chosen)


__all__ = ["return_conditioned"]
