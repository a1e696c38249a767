"""Monte-Carlo tree search: a direct optimiser that samples ways and averages them."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from tegum.planning.compiled import compiled, counter, uniform
from tegum.planning.direct import require_budget
from tegum.planning.ledger import Ledger
from tegum.planning.outcome import Execution, Outcome
from tegum.planning.problem import Problem


def mcts(
    problem: Problem, *, seed: int, budget: int, simulations: int = 100,
    exploration: float = 2.0,
) -> Outcome:  # fmt: skip
    """A tree of sampled ways, grown anew at every step of every query.

    UCT: each simulation descends by `Q(n, a) + exploration sqrt(ln N(n) / N(n, a))`,
    adds one node, values it by the problem's `bound`, and averages on the way back; the
    action tried most is taken. `exploration` is in units of the return: about what a
    wrong move costs. A query is given up after as many steps as there are states. Each
    node is an expansion, each average a backup.

    Source: Kocsis and Szepesvari 2006, with a bound in place of a rollout.

    Raises:
        ValueError: fewer than one simulation, or a budget of 0.
    """
    require_budget(budget)
    if simulations < 1:
        raise ValueError(f"`simulations` is {simulations!r}; it must be at least 1")
    solved, touched, returned, expansions, backups, times = _execute(
        problem.successor, problem.probability.cumsum(axis=2), problem.reward,
        problem.allowed, problem.terminal, problem.goal, problem.unwanted,
        problem.starts, problem.bound, problem.discount, problem.worst_return,
        simulations, exploration, int(budget), counter(seed, "search"),
    )  # fmt: skip
    execution = Execution(solved, touched, solved * (1.0 - touched), returned)
    return Outcome(
        None, execution, Ledger(expansions=expansions, backups=backups),
        exhausted=expansions + backups >= budget, expanded=times,
    )  # fmt: skip


@compiled
@no_type_check
def draw_branch(chance, s, a, draws):
    """Where an action leads this time; `chance` is cumulative over branches."""
    k = 0
    if chance.shape[2] > 1:
        u = uniform(draws)
        while k < chance.shape[2] - 1 and u >= chance[s, a, k]:
            k += 1
    return k


@compiled
@no_type_check
def _promising(node, s, allowed, tried, mean, exploration):
    """The action with the highest upper confidence bound; untried ones first."""
    best, chosen, total = -np.inf, -1, 1
    for a in range(allowed.shape[1]):
        total += tried[node, a]
    for a in range(allowed.shape[1]):
        if not allowed[s, a]:
            continue
        if tried[node, a] == 0:
            return a
        width = np.sqrt(np.log(total) / tried[node, a])
        worth = mean[node, a] + exploration * width
        if worth > best:
            best, chosen = worth, a
    return chosen


@compiled
@no_type_check
def _think(
    s, successor, chance, reward, allowed, terminal, bound, discount, simulations,
    exploration, budget, draws, times,
):  # fmt: skip
    """The action tried most often from s, and what finding it cost."""
    actions, branches = successor.shape[1], successor.shape[2]
    room = simulations + 1
    state = np.empty(room, np.int64)
    child = np.full((room, actions, branches), -1, np.int64)
    tried, mean = np.zeros((room, actions), np.int64), np.zeros((room, actions))
    way, moves = np.empty(room, np.int64), np.empty(room, np.int64)
    gains = np.empty(room)
    state[0] = s
    nodes, backups = 1, 0
    for _ in range(simulations):
        if nodes + backups >= budget:
            break
        node, depth, value = 0, 0, 0.0
        while True:
            at = state[node]
            a = -1
            if not terminal[at]:
                a = _promising(node, at, allowed, tried, mean, exploration)
            if a < 0:
                value = 0.0 if terminal[at] else bound[at]
                break
            k = draw_branch(chance, at, a, draws)
            way[depth], moves[depth], gains[depth] = node, a, reward[at, a, k]
            depth += 1
            to = successor[at, a, k]
            if child[node, a, k] < 0:
                child[node, a, k] = nodes
                state[nodes] = to
                times[to] += 1
                nodes += 1
                value = 0.0 if terminal[to] else bound[to]
                break
            node = child[node, a, k]
        for i in range(depth - 1, -1, -1):
            value = gains[i] + discount * value
            n, a = way[i], moves[i]
            tried[n, a] += 1
            mean[n, a] += (value - mean[n, a]) / tried[n, a]
            backups += 1
    most, chosen = 0, -1
    for a in range(actions):
        if tried[0, a] > most:
            most, chosen = tried[0, a], a
    return chosen, nodes, backups


@compiled
@no_type_check
def _execute(
    successor, chance, reward, allowed, terminal, goal, unwanted, starts, bound,
    discount, worst, simulations, exploration, budget, draws,
):  # fmt: skip
    n = starts.size
    solved, touched = np.zeros(n), np.zeros(n)
    returned = np.full(n, worst)
    times = np.zeros(terminal.size, np.int64)
    expansions, backups = 0, 0
    for q in range(n):
        s, total, factor, steps = starts[q], 0.0, 1.0, 0
        touch = unwanted[s]
        while not terminal[s] and steps < terminal.size:
            left = budget - expansions - backups
            if left <= 0:
                break
            a, nodes, averaged = _think(
                s, successor, chance, reward, allowed, terminal, bound, discount,
                simulations, exploration, left, draws, times,
            )  # fmt: skip
            expansions += nodes
            backups += averaged
            if a < 0:
                break
            k = draw_branch(chance, s, a, draws)
            total += factor * reward[s, a, k]
            factor *= discount
            s = successor[s, a, k]
            touch = touch or unwanted[s]
            steps += 1
        solved[q], touched[q] = goal[s], touch
        returned[q] = total if terminal[s] else worst
    return solved, touched, returned, expansions, backups, times


__all__ = ["draw_branch", "mcts"]
