"""Amortised optimisers: one policy, learned from data, answers every query.

All have the signature of direct ones, `(problem, *, seed, budget) -> Outcome`, and
take what they have seen as `experience`. A learner never looks a successor up: what it
knows of the problem is in the data. Gathering them is part of the budget.
"""

from __future__ import annotations

from dataclasses import replace
from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.planning.compiled import compiled, counter, uniform
from tegum.planning.direct import require_budget
from tegum.planning.exact import first_best, solve
from tegum.planning.experience import Data, Experience, gather, observed
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Outcome, one_hot, run
from tegum.planning.problem import Problem, restricted

UNTOLD = Experience()
"""Ten thousand steps of a random walk with full support."""


def shown(
    problem: Problem, experience: Experience, *, seed: int, budget: int
) -> tuple[Data, bool]:
    """The data that the budget allows for, and whether it cut them short."""
    require_budget(budget)
    short = not experience.complete and experience.steps > budget
    if short:
        experience = replace(experience, steps=int(budget))
    return gather(problem, experience, seed=seed), short


def learned(
    problem: Problem, policy: Float[ndarray, "state action"], *, data: Data,
    ledger: Ledger, exhausted: bool,
) -> Outcome:  # fmt: skip
    """The outcome of a policy over states, with the data that it came from.

    Where the policy takes what is not allowed in a state (states that look alike may
    differ in that), there is no idea.
    """
    policy = np.where((policy > 0.0) & ~problem.allowed, 0.0, policy)
    total = policy.sum(axis=1, keepdims=True)
    policy = policy / np.where(total > 0.0, total, 1.0)
    return Outcome(
        policy, run(problem, policy), ledger, exhausted=exhausted,
        covered=np.ceil(data.visits.sum(axis=2)).astype(np.int64),
        behaviour=data.behaviour,
        episodes=(data.touched.size, int(data.touched.sum())),
    )  # fmt: skip


def certainty_equivalent(
    problem: Problem, *, seed: int, budget: int, experience: Experience = UNTOLD,
    pessimism: float = 0.0, least_visits: int = 1,
) -> Outcome:  # fmt: skip
    """The best policy of the problem that the data show: Q-learning for ever.

    Actions that were not seen are not taken, nor those seen fewer than `least_visits`
    times. With `pessimism` z the reward of an action seen n times is lowered by
    `z / sqrt(n)`: a lower confidence bound, in units of the reward. Exact, and counted
    as the backups of one sweep over the states for each round of policy iteration, or
    of one for each state settled by Dijkstra's search.

    Raises:
        ValueError: a budget of 0, or discount 1 and an action seen to cost nothing.
    """
    data, short = shown(problem, experience, seed=seed, budget=budget)
    seen, lump = observed(problem, data, memory=experience.memory)
    if pessimism or least_visits > 1:
        seen = _cautious(seen, data, lump, pessimism=pessimism, least=least_visits)
    solution = solve(seen)
    backups = seen.n_states * solution.rounds
    if not solution.rounds:
        backups = int(np.isfinite(solution.value).sum())
    policy = one_hot(solution.action, n_actions=problem.n_actions)[lump]
    ledger = data.ledger + Ledger(backups=backups, retrainings=1)
    return learned(problem, policy, data=data, ledger=ledger, exhausted=short)


def _cautious(
    seen: Problem, data: Data, lump: ndarray, *, pessimism: float, least: int
) -> Problem:
    visits = np.zeros(seen.allowed.shape)
    np.add.at(visits, lump, data.visits.sum(axis=2))
    doubt = pessimism / np.sqrt(np.maximum(visits, 1.0))
    lowered = replace(seen, reward=seen.reward - doubt[:, :, None])
    return restricted(lowered, visits >= least)


def q_learning(
    problem: Problem, *, seed: int, budget: int, experience: Experience = UNTOLD,
    updates: int = 100_000, learning_rate: float = 0.0, unseen: str = "excluded",
) -> Outcome:  # fmt: skip
    """Tabular Q-learning by replay of transitions drawn at random from the data.

    `updates` times `Q(s, a) += rate (r + discount max Q(s', .) - Q(s, a))`, beginning
    at Q = 0, with the given rate, or `visits^-0.6` where it is 0: with 1 / visits it
    would take exponentially long. `unseen` says whether actions that were never seen
    count in the maximum and may be taken: `excluded`, or at their initial `zero`, which
    is optimistic where rewards are negative.

    Source: Watkins and Dayan 1992; replay: Lin 1992; rate: Even-Dar and Mansour 2003.

    Raises:
        ValueError: a budget of 0, no update, a rate outside [0, 1], another `unseen`.
    """
    if updates < 1 or not 0.0 <= learning_rate <= 1.0:
        raise ValueError(
            f"`updates` is {updates!r} and `learning_rate` {learning_rate!r}; the "
            "first must be at least 1, the second in [0, 1]"
        )
    if unseen not in ("excluded", "zero"):
        raise ValueError(f"`unseen` is {unseen!r}; it must be 'excluded' or 'zero'")
    data, short = shown(problem, experience, seed=seed, budget=budget)
    seen, lump = observed(problem, data, memory=experience.memory)
    left = int(min(updates, budget - data.ledger.operations))
    s, a, k = np.nonzero(data.visits)
    weight = np.cumsum(data.visits[s, a, k])
    considered = seen.allowed if unseen == "excluded" else _open(problem, lump)
    table = _replayed(
        lump[s], a, lump[problem.successor[s, a, k]], data.mean_reward[s, a, k], weight,
        considered, seen.terminal, seen.discount, max(left, 0), learning_rate,
        counter(seed, "replay"),
    )  # fmt: skip
    worth = np.where(considered, table, -np.inf)
    policy = one_hot(first_best(seen, worth), n_actions=problem.n_actions)[lump]
    ledger = data.ledger + Ledger(backups=max(left, 0), retrainings=1)
    return learned(
        problem, policy, data=data, ledger=ledger, exhausted=short or left < updates
    )


def _open(problem: Problem, lump: ndarray) -> ndarray:
    """Which actions some state of each lump allows."""
    allowed = np.zeros((int(lump.max()) + 1, problem.n_actions), dtype=bool)
    np.logical_or.at(allowed, lump, problem.allowed)
    return allowed


@compiled
@no_type_check
def _replayed(
    state, action, after, reward, weight, considered, terminal, discount, updates, rate,
    draws,
):  # fmt: skip
    table = np.zeros(considered.shape)
    visits = np.zeros(considered.shape)
    if weight.size == 0:
        return table
    for _ in range(updates):
        i = np.searchsorted(weight, uniform(draws) * weight[-1], side="right")
        i = min(i, weight.size - 1)
        s, a, to = state[i], action[i], after[i]
        target = reward[i]
        if not terminal[to]:
            best = -np.inf
            for b in range(table.shape[1]):
                if considered[to, b]:
                    best = max(best, table[to, b])
            if best == -np.inf:
                # Nothing was ever seen to be done there: it counts as it began.
                best = 0.0
            target += discount * best
        visits[s, a] += 1.0
        step = rate if rate > 0.0 else visits[s, a] ** -0.6
        table[s, a] += step * (target - table[s, a])
    return table


def behaviour_cloning(
    problem: Problem, *, seed: int, budget: int, experience: Experience = UNTOLD,
    prior: float = 1.0,
) -> Outcome:  # fmt: skip
    """Do what the data did: the exact posterior mean of the policy that made them.

    `(n(s, a) + prior) / (n(s) + prior * allowed actions)`, under a Dirichlet prior of
    `prior` for each allowed action. Filtered cloning is the same on data of which only
    some episodes are `kept`. Each step of the data is one backup.

    Raises:
        ValueError: a budget of 0, or a prior below 0.
    """
    if prior < 0.0:
        raise ValueError(f"`prior` is {prior!r}; it must be at least 0")
    data, short = shown(problem, experience, seed=seed, budget=budget)
    _, lump = observed(problem, data, memory=experience.memory)
    allowed = _open(problem, lump)
    counts = np.zeros(allowed.shape)
    np.add.at(counts, lump, data.visits.sum(axis=2))
    weight = (counts + prior) * allowed
    total = weight.sum(axis=1, keepdims=True)
    policy = (weight / np.where(total > 0.0, total, 1.0))[lump]
    backups = data.state.size or data.ledger.environment_steps
    ledger = data.ledger + Ledger(backups=backups, retrainings=1)
    return learned(problem, policy, data=data, ledger=ledger, exhausted=short)


__all__ = [
    "UNTOLD",
    "behaviour_cloning",
    "certainty_equivalent",
    "learned",
    "q_learning",
    "shown",
]
