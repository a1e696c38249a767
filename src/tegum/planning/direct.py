"""Direct optimisers: each query is solved by looking ahead in the problem itself.

All have one signature, `(problem, *, seed, budget) -> Outcome`, with parameters of
their own after it. `budget` is the most operations (see `Ledger`) that may be spent;
what is not done by then stays undone.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numpy import ndarray

from tegum.planning.compiled import below, compiled, counter, uniform
from tegum.planning.exact import (
    action_values,
    best_actions,
    ends_surely,
    level,
    require_prices,
    solve,
    sweep,
    tie_order,
    tied,
    untied,
    whole_steps,
)
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Execution, Outcome, one_hot, run
from tegum.planning.problem import Problem
from tegum.planning.searching import breadth_first as _breadth_first
from tegum.planning.searching import forward_search, level_search, way_found

LARGE = 10**12
"""A budget that nothing here exhausts."""

LONGEST_WAY = 10_000
"""How many steps are executed at most where a policy is no function of the state."""


def require_budget(budget: int) -> None:
    """Refuse a budget with which nothing can be done.

    Raises:
        ValueError: it is no whole number from 1.
    """
    if (
        not isinstance(budget, int | np.integer)
        or isinstance(budget, bool)
        or budget < 1
    ):
        raise ValueError(
            f"`budget` is {budget!r}; it must be a whole number of operations from 1; "
            f"{LARGE:g} is as good as unlimited"
        )


def require_certain(problem: Problem, *, method: str) -> None:
    """Refuse a problem that a shortest-way search does not understand.

    Raises:
        ValueError: moves that are not certain, a discount below 1, or free actions.
    """
    if not problem.deterministic:
        raise ValueError(
            f"`{method}` needs moves that are certain, and this problem's lead to up "
            f"to {problem.n_branches} places; use value_iteration or mcts"
        )
    if problem.discount != 1.0:
        raise ValueError(
            f"`{method}` needs discount 1, and this problem's is {problem.discount:g}; "
            "use value_iteration"
        )
    require_prices(problem)


def breadth_first(problem: Problem, *, seed: int, budget: int) -> Outcome:
    """Breadth-first search from each query: the shortest way where all moves cost 1.

    Raises:
        ValueError: moves that are not certain or do not all cost 1, or a budget of 0.
    """
    if not level(problem):
        raise ValueError(
            "`breadth_first` needs moves that all cost 1; use a_star, which takes any "
            "price above 0"
        )
    return _search(problem, budget=budget, method="breadth_first", informed=False)


def a_star(problem: Problem, *, seed: int, budget: int) -> Outcome:
    """A* from each query, by the problem's `bound`: the cheapest way to an end.

    Source: Hart, Nilsson and Raphael 1968.

    Raises:
        ValueError: moves that are not certain or cost nothing, or a budget of 0.
    """
    return _search(problem, budget=budget, method="a_star", informed=True)


def _search(problem: Problem, *, budget: int, method: str, informed: bool) -> Outcome:
    require_budget(budget)
    require_certain(problem, method=method)
    nothing = np.zeros(problem.n_states, bool)
    estimate = np.maximum(-problem.bound, 0.0) * informed
    whole = informed and whole_steps(problem, estimate)
    order = tie_order(problem)
    to, price = tied(problem, order)
    column = np.full(problem.n_states, -1)
    times = np.zeros(problem.n_states, dtype=np.int64)
    spent, touched = 0, None
    for start in problem.starts:
        common = (problem.terminal, int(start), nothing, False, int(budget - spent))
        if whole:
            _, expanded, came_by, end = level_search(
                to, common[0], estimate, *common[1:]
            )
        elif informed:
            _, expanded, came_by, end = forward_search(
                to, price, common[0], estimate, *common[1:]
            )
        else:
            _, expanded, came_by, end = _breadth_first(to, *common)
        spent += expanded.size
        np.add.at(times, expanded, 1)
        touched = expanded if problem.starts.size == 1 else None
        if end >= 0:
            states, moves = way_found(came_by, problem.n_actions, int(start), end)
            column[states[:-1]] = moves
        elif spent >= budget:
            break
    policy = one_hot(untied(column, order), n_actions=problem.n_actions)
    return Outcome(
        policy, run(problem, policy), Ledger(expansions=spent),
        exhausted=spent >= budget, expanded=times, touched=touched,
    )  # fmt: skip


def value_iteration(
    problem: Problem, *, seed: int, budget: int, tolerance: float = 1e-9
) -> Outcome:
    """Sweeps over all states until no value changes by more than `tolerance`.

    In place, from values of 0, in the order of the states. With discount 1 only states
    from which some policy ends surely are swept; the others have no best action.

    Raises:
        ValueError: a budget of 0, or discount 1 and an action that costs nothing.
    """
    require_budget(budget)
    value, swept = _starting_values(problem)
    value, backups = sweep(
        problem.successor, problem.probability, problem.expected_reward,
        problem.allowed, swept, problem.discount, value, tolerance, int(budget),
    )  # fmt: skip
    policy = one_hot(best_actions(problem, value), n_actions=problem.n_actions)
    return Outcome(
        policy, run(problem, policy), Ledger(backups=backups),
        exhausted=backups >= budget,
    )  # fmt: skip


def _starting_values(problem: Problem) -> tuple[ndarray, ndarray]:
    """Values to begin with, and the states worth sweeping."""
    live = problem.terminal | problem.allowed.any(axis=1)
    lost = problem.worst_return
    if problem.discount == 1.0:
        require_prices(problem)
        live, lost = ends_surely(problem), -np.inf
    return np.where(live, 0.0, lost), np.flatnonzero(live & ~problem.terminal)


def boltzmann_planner(
    problem: Problem, *, seed: int, budget: int, temperature: float = 1.0,
    tolerance: float = 1e-9,
) -> Outcome:  # fmt: skip
    """The posterior over ways, if a way is the likelier the more it returns.

    Among the ways of a random walk, each weighed by `exp(return / temperature)`: with
    certain moves and no discount exactly that posterior, else its usual variational
    form. `Q = E[r + discount V]`, `V(s) = T log mean_a exp(Q(s, a) / T)`, and
    `policy(a | s) proportional to exp(Q(s, a) / T)`. As T falls it becomes the argmax,
    as T grows the random walk.

    Source: Todorov 2009, eq. 6; Levine 2018, section 2.

    Raises:
        ValueError: a temperature that is not above 0, or a budget of 0.
    """
    require_budget(budget)
    if not temperature > 0.0:
        raise ValueError(
            f"`temperature` is {temperature!r}; it must be above 0; for the limit 0 "
            "use value_iteration"
        )
    _, swept = _starting_values(problem)
    start = solve(problem).value.copy()
    value, backups = _soft_sweep(
        problem.successor, problem.probability, problem.expected_reward,
        problem.allowed, swept, problem.discount, start, temperature, tolerance,
        int(budget),
    )  # fmt: skip
    worth = action_values(problem, value) / temperature
    best = worth.max(axis=1, keepdims=True)
    known = np.isfinite(best)
    weight = np.where(known, np.exp(worth - np.where(known, best, 0.0)), 0.0)
    weight = np.where(problem.allowed, weight, 0.0)
    policy = weight / np.where(known, weight.sum(axis=1, keepdims=True), 1.0)
    return Outcome(
        policy, run(problem, policy), Ledger(backups=backups),
        exhausted=backups >= budget,
    )  # fmt: skip


@compiled
@no_type_check
def _soft_sweep(
    successor, probability, reward, allowed, states, discount, value, temperature,
    tolerance, budget,
):  # fmt: skip
    """`sweep` with the soft maximum `T log mean exp(Q / T)` in place of the maximum."""
    actions = allowed.shape[1]
    worth = np.empty(actions)
    backups = 0
    while backups < budget and states.size:
        largest = 0.0
        for s in states:
            best, count = -np.inf, 0
            for a in range(actions):
                worth[a] = -np.inf
                if allowed[s, a]:
                    later = 0.0
                    for k in range(successor.shape[2]):
                        if probability[s, a, k] > 0.0:
                            later += probability[s, a, k] * value[successor[s, a, k]]
                    worth[a] = reward[s, a] + discount * later
                    best = max(best, worth[a])
                    count += 1
            total = 0.0
            for a in range(actions):
                total += np.exp((worth[a] - best) / temperature)
            fresh = best + temperature * np.log(total / count)
            largest = max(largest, abs(fresh - value[s]))
            value[s] = fresh
            backups += 1
            if backups == budget:
                break
        if largest <= tolerance:
            break
    return value, backups


def best_of_n(
    problem: Problem, *, seed: int, budget: int, samples: int = 16,
    episode_length: int = 200,
) -> Outcome:  # fmt: skip
    """The best of `samples` random ways for each query, executed as it was imagined.

    Ways end at a terminal state or after `episode_length` steps; one that does not
    end counts `Problem.worst_return`. Each step that is imagined is an expansion. At 1
    it is the random walk; it becomes the argmax as samples grow.

    Raises:
        ValueError: fewer than one sample, or a budget of 0.
    """
    require_budget(budget)
    if samples < 1:
        raise ValueError(f"`samples` is {samples!r}; it must be at least 1")
    solved, touched, returned, spent, times = _best_walks(
        problem.successor, problem.probability.cumsum(axis=2), problem.reward,
        problem.allowed, problem.terminal, problem.goal, problem.unwanted,
        problem.starts, problem.discount, problem.worst_return, samples, episode_length,
        int(budget), counter(seed, "search"),
    )  # fmt: skip
    execution = Execution(solved, touched, solved * (1.0 - touched), returned)
    return Outcome(
        None, execution, Ledger(expansions=spent), exhausted=spent >= budget,
        expanded=times,
    )  # fmt: skip


@compiled
@no_type_check
def _best_walks(
    successor, chance, reward, allowed, terminal, goal, unwanted, starts, discount,
    worst, samples, length, budget, draws,
):  # fmt: skip
    n, actions = starts.size, allowed.shape[1]
    solved, touched = np.zeros(n), np.zeros(n)
    returned = np.full(n, worst)
    times = np.zeros(terminal.size, np.int64)
    spent = 0
    for q in range(n):
        best = -np.inf
        for _ in range(samples):
            s, total, factor = starts[q], 0.0, 1.0
            touch, steps = unwanted[s], 0
            while not terminal[s] and steps < length and spent < budget:
                count = 0
                for a in range(actions):
                    count += allowed[s, a]
                if count == 0:
                    break
                left = below(draws, count)
                a = 0
                while not allowed[s, a] or left > 0:
                    left -= allowed[s, a]
                    a += 1
                k = 0
                if chance.shape[2] > 1:
                    u = uniform(draws)
                    while k < chance.shape[2] - 1 and u >= chance[s, a, k]:
                        k += 1
                times[s] += 1
                spent += 1
                steps += 1
                total += factor * reward[s, a, k]
                factor *= discount
                s = successor[s, a, k]
                touch = touch or unwanted[s]
            found = total if terminal[s] else worst
            if found > best:
                best = found
                solved[q], touched[q], returned[q] = goal[s], touch, found
    return solved, touched, returned, spent, times


__all__ = [
    "LARGE",
    "a_star",
    "best_of_n",
    "boltzmann_planner",
    "breadth_first",
    "require_budget",
    "require_certain",
    "value_iteration",
]
