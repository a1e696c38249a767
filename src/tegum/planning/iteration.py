"""Expert iteration: search teaches a policy, whose values guide the search."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from tegum.planning.compiled import below, compiled, counter, uniform
from tegum.planning.direct import require_budget
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Outcome, one_hot, run
from tegum.planning.problem import Problem
from tegum.planning.tree_search import draw_branch


def expert_iteration(
    problem: Problem, *, seed: int, budget: int, steps: int = 10_000,
    episode_length: int = 200, search_depth: int = 2, randomness: float = 0.1,
    search_at_test: bool = False,
) -> Outcome:  # fmt: skip
    """From direct to amortised: imitate a search that is guided by one's own values.

    At each of `steps` steps the expert looks `search_depth` moves ahead and values what
    it meets there by the apprentice's values, which begin at the problem's `bound`. The
    apprentice keeps the value and the action that the expert found; a random action is
    taken in its place with probability `randomness`. Queries are then answered by the
    apprentice alone, or with `search_at_test` by one more search at every step.

    Source: Anthony, Tian and Barber 2017, in tables; Barto, Bradtke and Singh 1995.

    Raises:
        ValueError: a budget of 0, no step, or a depth below 1.
    """
    require_budget(budget)
    if steps < 1 or search_depth < 1:
        raise ValueError(
            f"`steps` is {steps!r} and `search_depth` {search_depth!r}; both must be "
            "at least 1"
        )
    value, action, spent, taken, covered = _taught(
        problem.successor, problem.probability, problem.expected_reward,
        problem.probability.cumsum(axis=2), problem.allowed, problem.terminal,
        problem.starts, problem.bound, problem.discount, steps, episode_length,
        search_depth, randomness, int(budget), counter(seed, "exploration"),
    )  # fmt: skip
    if search_at_test:
        action, more = _searched(
            problem.successor, problem.probability, problem.expected_reward,
            problem.allowed, problem.terminal, value, problem.discount, search_depth,
        )  # fmt: skip
        spent += more
    policy = one_hot(action, n_actions=problem.n_actions)
    ledger = Ledger(
        expansions=spent, environment_steps=taken, backups=taken, retrainings=1
    )
    return Outcome(
        policy, run(problem, policy), ledger, exhausted=taken < steps, covered=covered
    )


@compiled
@no_type_check
def _ahead(
    s, depth, successor, probability, reward, allowed, terminal, value, discount, spent
):
    """The value of a state by looking so many moves ahead, and its best action.

    Depth first on a stack of its own: compiled code kept on disk can not call itself.
    """
    branches = successor.shape[2]
    at = np.empty(depth + 1, np.int64)
    leg = np.zeros(depth + 1, np.int64)
    later, best = np.zeros(depth + 1), np.full(depth + 1, -np.inf)
    chosen = np.full(depth + 1, -1, np.int64)
    at[0], level, found = s, 0, 0.0
    spent[0] += 1
    while True:
        here = at[level]
        a, k = leg[level] // branches, leg[level] % branches
        if a == allowed.shape[1]:
            found = best[level] if chosen[level] >= 0 else value[here]
            if level == 0:
                return found, chosen[0]
            level -= 1
            a, k = leg[level] // branches, leg[level] % branches
            later[level] += probability[at[level], a, k] * found
        elif (
            not allowed[here, a]
            or probability[here, a, k] == 0.0
            or terminal[successor[here, a, k]]
        ):
            pass
        elif level == depth - 1 or terminal[successor[here, a, k]]:
            later[level] += probability[here, a, k] * value[successor[here, a, k]]
        else:
            level += 1
            spent[0] += 1
            at[level], leg[level] = successor[here, a, k], 0
            later[level], best[level], chosen[level] = 0.0, -np.inf, -1
            continue
        if k == branches - 1 and allowed[at[level], a]:
            worth = reward[at[level], a] + discount * later[level]
            if worth > best[level]:
                best[level], chosen[level] = worth, a
        if k == branches - 1:
            later[level] = 0.0
        leg[level] += 1


@compiled
@no_type_check
def _taught(
    successor, probability, reward, chance, allowed, terminal, starts, bound, discount,
    steps, length, depth, randomness, budget, draws,
):  # fmt: skip
    value = np.where(terminal, 0.0, bound)
    action = np.full(value.size, -1, np.int64)
    covered = np.zeros(allowed.shape, np.int64)
    spent = np.zeros(1, np.int64)
    taken, idle = 0, 0
    while taken < steps and spent[0] + 2 * taken < budget and idle < 1000:
        s = starts[below(draws, starts.size)]
        before = taken
        while not terminal[s] and taken < steps and taken - before < length:
            if spent[0] + 2 * taken >= budget:
                break
            found, a = _ahead(
                s, depth, successor, probability, reward, allowed, terminal, value,
                discount, spent,
            )  # fmt: skip
            if a < 0:
                break
            value[s], action[s] = found, a
            if uniform(draws) < randomness:
                a = below(draws, allowed.shape[1])
                while not allowed[s, a]:
                    a = below(draws, allowed.shape[1])
            covered[s, a] += 1
            taken += 1
            s = successor[s, a, draw_branch(chance, s, a, draws)]
        idle = idle + 1 if taken == before else 0
    return value, action, spent[0], taken, covered


@compiled
@no_type_check
def _searched(
    successor, probability, reward, allowed, terminal, value, discount, depth
):
    action = np.full(value.size, -1, np.int64)
    spent = np.zeros(1, np.int64)
    for s in range(value.size):
        _, action[s] = _ahead(
            s, depth, successor, probability, reward, allowed, terminal, value,
            discount, spent,
        )  # fmt: skip
    return action, spent[0]


__all__ = ["expert_iteration"]
