"""Kernels that ask the oracle only about what is proposed, and plan around its answer.

Both walk the canonical shortest way of each query in turn, ask about its states in
order, take away the first one that is unwanted, and start over. One searches anew each
time, the other keeps the values of all states and repairs them. The rule by which they
ask is the same, so that with equal ties they ask exactly the same questions.
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np

from tegum.planning.compiled import below, compiled
from tegum.planning.searching import (
    canonical_way,
    emptied,
    forward_search,
    level_search_within,
)
from tegum.planning.shortest import greedy_action, predecessors, remove_and_repair


@compiled
@no_type_check
def lazy_by_search(successor, cost, goal, estimate, level, queries, says, budget):
    """Plan each query by a search of its own until its way is clean.

    `says[s]` is the oracle's answer about a state. `level` means that every move costs
    1 and estimates are whole numbers. Returns the moves of the states on accepted ways
    (-1 elsewhere), which queries were solved, the states asked about in order, the
    number of questions with repetitions, of replans and of expansions, and how often
    each state was expanded.
    """
    states = successor.shape[0]
    first, edge = predecessors(successor)
    removed, known = np.zeros(states, np.bool_), np.zeros(states, np.bool_)
    asked = np.empty(states, np.int64)
    action = np.full(states, -1, np.int64)
    times = np.zeros(states, np.int64)
    solved = np.zeros(queries.size, np.bool_)
    n_asked, raw, replans, expansions = 0, 0, 0, 0
    price, came_by = np.full(states, np.inf), np.empty(states, np.int64)
    expanded, marked = np.empty(states, np.int64), np.empty(states, np.int64)
    item = np.empty(successor.size + 1, np.int64)
    under = np.empty(successor.size + 1, np.int64)
    pile = np.full(states + np.int64(estimate.max()) + 2, -1, np.int64)
    goals, on_way = np.flatnonzero(goal), np.zeros(states, np.bool_)
    for q in range(queries.size):
        start = queries[q]
        while not solved[q] and expansions < budget:
            if level:
                way, moves, n_expanded = _proposed_level(
                    successor, cost, goal, goals, estimate, start, first, edge,
                    budget - expansions, price, came_by, expanded, item, under, pile,
                    on_way, marked, times,
                )  # fmt: skip
            else:
                way, moves, n_expanded = _proposed(
                    successor, cost, goal, goals, estimate, start, first, edge,
                    budget - expansions, removed, on_way, marked, times,
                )  # fmt: skip
            expansions += n_expanded
            if way.size == 0:
                break
            bad = -1
            for s in way:
                raw += 1
                if not known[s]:
                    known[s] = True
                    asked[n_asked] = s
                    n_asked += 1
                if says[s]:
                    bad = s
                    break
            if bad >= 0:
                removed[bad] = True
                price[bad] = -1.0
                replans += 1
                continue
            solved[q] = True
            for i in range(moves.size):
                action[way[i]] = moves[i]
    return action, solved, asked[:n_asked].copy(), raw, replans, expansions, times


@compiled
@no_type_check
def _proposed(
    successor, cost, goal, goals, estimate, start, first, edge, limit, removed, on_way,
    marked, times,
):  # fmt: skip
    """The canonical way from a start, its moves, and how many states were expanded."""
    price, expanded, _, end = forward_search(
        successor, cost, goal, estimate, start, removed, True, limit
    )
    for s in expanded:
        times[s] += 1
    way, moves = np.empty(0, np.int64), np.empty(0, np.int64)
    if end >= 0:
        way, moves = canonical_way(
            successor, cost, goals, first, edge, start, price, price[end], on_way,
            marked,
        )  # fmt: skip
    return way, moves, expanded.size


@compiled
@no_type_check
def _proposed_level(
    successor, cost, goal, goals, estimate, start, first, edge, limit, price, came_by,
    expanded, item, under, pile, on_way, marked, times,
):  # fmt: skip
    """`_proposed` where every move costs 1, in arrays that are there already."""
    if price[start] == np.inf:
        price[start] = 0.0
    n_expanded, n, longest, end = level_search_within(
        successor, goal, estimate, start, True, limit, price, came_by, expanded, item,
        under, pile,
    )  # fmt: skip
    for i in range(n_expanded):
        times[expanded[i]] += 1
    way, moves = np.empty(0, np.int64), np.empty(0, np.int64)
    if end >= 0:
        way, moves = canonical_way(
            successor, cost, goals, first, edge, start, price, price[end], on_way,
            marked,
        )  # fmt: skip
    emptied(price, item, n, pile, np.int64(estimate[start]), longest)
    return way, moves, n_expanded


@compiled
@no_type_check
def lazy_by_values(successor, cost, goal, distance, queries, says, budget):
    """Follow the values of all states, and repair them whenever a way is refused.

    As `lazy_by_search`, with backups in place of expansions. `distance` is changed to
    the prices that are left, and returned with what was removed.
    """
    states = successor.shape[0]
    first, edge = predecessors(successor)
    keys = np.empty(edge.size + states + 1)
    items = np.empty(edge.size + states + 1, np.int64)
    removed, known = np.zeros(states, np.bool_), np.zeros(states, np.bool_)
    asked = np.empty(states, np.int64)
    solved = np.zeros(queries.size, np.bool_)
    n_asked, raw, retrainings, backups = 0, 0, 0, 0
    for q in range(queries.size):
        while not solved[q] and backups < budget:
            s = queries[q]
            bad = -1
            if distance[s] == np.inf:
                break
            while True:
                raw += 1
                if not known[s]:
                    known[s] = True
                    asked[n_asked] = s
                    n_asked += 1
                if says[s]:
                    bad = s
                    break
                if goal[s]:
                    break
                a = greedy_action(s, successor, cost, distance, removed)
                s = successor[s, a]
            if bad < 0:
                solved[q] = True
                continue
            backups += remove_and_repair(
                bad, successor, cost, first, edge, distance, removed, keys,
                items,
            )  # fmt: skip
            retrainings += 1
    return distance, removed, solved, asked[:n_asked].copy(), raw, retrainings, backups


@compiled
@no_type_check
def certify_by_values(
    successor, cost, goal, distance, queries, says, epsilon, delta,
    draws, budget,
):  # fmt: skip
    """Passes from random queries until so many in a row are clean that few are not.

    Round k asks for `n_k = ceil(ln(delta_k) / ln(1 - epsilon))` clean passes with
    `delta_k = 6 delta / (pi^2 k^2)`; a pass that is refused ends the round, its first
    unwanted state is taken away and the values repaired. The chance that the share of
    queries whose way is unwanted exceeds `epsilon` at the end is at most `delta`,
    however many rounds it takes. Returns what `lazy_by_values` does, with the number
    of passes and whether the last round was clean.
    """
    states = successor.shape[0]
    first, edge = predecessors(successor)
    keys = np.empty(edge.size + states + 1)
    items = np.empty(edge.size + states + 1, np.int64)
    removed, known = np.zeros(states, np.bool_), np.zeros(states, np.bool_)
    asked = np.empty(states, np.int64)
    n_asked, raw, rounds, backups, passes = 0, 0, 0, 0, 0
    clean = False
    while not clean and backups < budget:
        rounds += 1
        share = 6.0 * delta / (math.pi**2 * rounds**2)
        wanted = math.ceil(math.log(share) / math.log(1.0 - epsilon))
        clean = True
        for _ in range(wanted):
            s = queries[below(draws, queries.size)]
            passes += 1
            bad = -1
            while distance[s] < np.inf:
                raw += 1
                if not known[s]:
                    known[s] = True
                    asked[n_asked] = s
                    n_asked += 1
                if says[s]:
                    bad = s
                    break
                if goal[s]:
                    break
                a = greedy_action(s, successor, cost, distance, removed)
                s = successor[s, a]
            if bad >= 0:
                clean = False
                backups += remove_and_repair(
                    bad, successor, cost, first, edge, distance, removed, keys,
                    items,
                )  # fmt: skip
                break
    return (
        distance, removed, asked[:n_asked].copy(), raw, rounds - 1, backups, passes,
        clean,
    )  # fmt: skip
