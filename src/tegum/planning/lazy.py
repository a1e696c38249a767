"""Kernels that ask the oracle only about what is proposed, and plan around its answer.

A way is proposed for a query, the oracle is asked about its states in order, the first
unwanted one is taken away, and the way is proposed anew. Search proposes by A* from the
query, each time from nothing; values propose by following them, and are repaired when
a state goes. All else is the same code for both: with equal ties they propose the same
ways, and so ask the same questions.
"""

from __future__ import annotations

import math
from typing import NamedTuple, no_type_check

import numpy as np
from numpy import ndarray

from tegum.planning.compiled import below, compiled
from tegum.planning.searching import (
    GONE,
    UNREACHED,
    canonical_way,
    forward_search,
    level_search_within,
)
from tegum.planning.shortest import TIE, predecessors, remove_and_repair


class Ground(NamedTuple):
    """What is planned on: where moves lead and what they cost, in the order of ties.

    `estimate` is what A* goes by; `level` says that every move costs 1 and estimates
    are consistent whole numbers. `free` draws the order of ties anew for every plan.
    """

    successor: ndarray
    cost: ndarray
    goal: ndarray
    estimate: ndarray
    level: bool
    free: bool


class Desk(NamedTuple):
    """What a planner writes on, kept from one plan to the next."""

    first: ndarray
    source: ndarray
    column: ndarray
    removed: ndarray
    way: ndarray
    moves: ndarray
    seen: ndarray
    turn: ndarray
    times: ndarray
    zero: ndarray
    whole: ndarray
    price: ndarray
    came_by: ndarray
    expanded: ndarray
    item: ndarray
    under: ndarray
    pile: ndarray
    keys: ndarray
    items: ndarray
    touched: ndarray
    old: ndarray


@compiled
@no_type_check
def desk(successor, estimate):
    """An empty desk for a problem: nothing removed, nothing reached."""
    states, actions = successor.shape
    first, source, column = predecessors(successor)
    turn = np.empty((states, actions), np.int64)
    turn[:] = np.arange(actions)
    whole = estimate.astype(np.int32)
    waiting = source.size + states + 1
    return Desk(
        first, source, column, np.zeros(states, np.bool_), np.empty(states, np.int64),
        np.empty(states, np.int64), np.zeros(states, np.bool_), turn,
        np.zeros(states, np.int32), np.zeros(1, np.int64), whole,
        np.full(states, UNREACHED, np.int32), np.empty(states, np.int32),
        np.empty(states, np.int32), np.empty(successor.size + 1, np.int32),
        np.empty(successor.size + 1, np.int32),
        np.full(states + whole.max() + 2, -1, np.int32),
        np.empty(waiting), np.empty(waiting, np.int64), np.empty(states, np.int64),
        np.empty(states),
    )  # fmt: skip


@compiled
@no_type_check
def searched_way(ground, at, start, limit, draws):
    """Plan by A*: how long the way is (0 without one) and how many were expanded."""
    if not ground.level:
        price, expanded, _, end = forward_search(
            ground.successor, ground.cost, ground.goal, ground.estimate, start,
            at.removed, True, limit,
        )  # fmt: skip
        for s in expanded:
            at.times[s] += 1
        length = 0
        if end >= 0:
            length = canonical_way(
                ground.successor, ground.cost, ground.goal, ground.estimate, np.inf,
                start, end, price, at.seen, at.turn, ground.free, draws, at.way,
                at.moves,
            )  # fmt: skip
        return length, expanded.size
    at.zero[0] -= at.removed.size + 1
    if at.zero[0] < GONE // 2:
        at.zero[0] = 0
        for s in range(at.removed.size):
            at.price[s] = GONE if at.removed[s] else UNREACHED
    zero = at.zero[0]
    n_expanded, end = level_search_within(
        ground.successor, ground.goal, at.whole, start, True, limit, zero, at.price,
        at.came_by, at.expanded, at.item, at.under, at.pile,
    )  # fmt: skip
    for i in range(n_expanded):
        at.times[at.expanded[i]] += 1
    length = 0
    if end >= 0:
        ceiling = np.float64(at.price[end] + at.whole[end])
        length = canonical_way(
            ground.successor, ground.cost, ground.goal, at.whole, ceiling, start, end,
            at.price, at.seen, at.turn, ground.free, draws, at.way, at.moves,
        )  # fmt: skip
    return length, n_expanded


@compiled
@no_type_check
def followed_way(ground, at, start, distance):
    """Follow values to the goal: how long the way is, 0 without one."""
    if distance[start] == np.inf:
        return 0
    s, length = start, 0
    at.way[0] = s
    while not ground.goal[s]:
        for a in range(ground.successor.shape[1]):
            to = ground.successor[s, a]
            longer = abs(ground.cost[s, a] + distance[to] - distance[s])
            if not at.removed[to] and longer < TIE:
                break
        at.moves[length] = a
        length += 1
        s = np.int64(to)
        at.way[length] = s
    return length + 1


@compiled
@no_type_check
def take_away(lost, ground, at, by_search, distance):
    """Plan without a state from now on; returns the backups that this takes."""
    if by_search:
        at.removed[lost] = True
        at.price[lost] = GONE
        return 0
    return remove_and_repair(
        lost, ground.successor, ground.cost, at.first, at.source, at.column, distance,
        at.removed, at.keys, at.items, at.touched, at.old,
    )  # fmt: skip


@compiled
@no_type_check
def lazily(ground, by_search, remembers, distance, queries, says, draws, budget):
    """Plan each query until its way is clean, one after the other.

    `says[s]` is the oracle's answer about a state. What was refused stays away for
    the queries that follow if it `remembers`, else each begins anew. `distance` holds
    the values where the plan is not by search, and is changed to what is left of them.

    Returns the moves of the states on accepted ways (-1 elsewhere), what was removed,
    the states asked about in order, how often each was expanded, and for each query
    what had been spent after it: different states asked about (of no memory, summed
    over queries), questions with repetitions, plans made anew, and operations; and the
    number of states on its way, 0 without one.
    """
    states = ground.successor.shape[0]
    at = desk(ground.successor, ground.estimate)
    known, ever = np.zeros(states, np.bool_), np.zeros(states, np.bool_)
    asked, own = np.empty(states, np.int64), np.empty(states, np.int64)
    action = np.full(states, -1, np.int64)
    after = np.zeros((queries.size, 5), np.int64)
    n_ever, n_own, unique, raw, replans, spent = 0, 0, 0, 0, 0, 0
    for q in range(queries.size):
        found = 0
        while found == 0 and spent < budget:
            if by_search:
                length, expanded = searched_way(
                    ground, at, queries[q], budget - spent, draws
                )
                spent += expanded
            else:
                length = followed_way(ground, at, queries[q], distance)
            if length == 0:
                break
            found = length
            for i in range(length):
                s = at.way[i]
                raw += 1
                if not known[s]:
                    known[s] = True
                    own[n_own] = s
                    n_own += 1
                    unique += 1
                    if not ever[s]:
                        ever[s] = True
                        asked[n_ever] = s
                        n_ever += 1
                if says[s]:
                    spent += take_away(s, ground, at, by_search, distance)
                    replans += 1
                    found = 0
                    break
        for i in range(found - 1):
            action[at.way[i]] = at.moves[i]
        after[q] = unique, raw, replans, spent, found
        if not remembers:
            for i in range(n_own):
                known[own[i]], at.removed[own[i]] = False, False
                at.price[own[i]] = UNREACHED
            n_own = 0
    return action, at.removed, asked[:n_ever].copy(), at.times, after


@compiled
@no_type_check
def certified(
    ground, by_search, distance, queries, says, epsilon, delta, samples, draws, budget
):
    """Passes from random queries until so many in a row are clean that few are not.

    Round k asks for `n_k = ceil(ln(delta_k) / ln(1 - epsilon))` clean passes with
    `delta_k = 6 delta / (pi^2 k^2)`; a pass that is refused ends the round, and its
    first unwanted state is taken away. The chance that the share of queries whose way
    is unwanted exceeds `epsilon` at the end is at most `delta`, however many rounds it
    takes. Returns what was removed, the states asked about in order, how often each
    was expanded, and then how many questions with repetitions, rounds, operations and
    passes there were, and whether the last round was clean.
    """
    states = ground.successor.shape[0]
    at = desk(ground.successor, ground.estimate)
    known, asked = np.zeros(states, np.bool_), np.empty(states, np.int64)
    n_asked, raw, rounds, spent, passes = 0, 0, 0, 0, 0
    clean = False
    while not clean and spent < budget:
        rounds += 1
        share = 6.0 * delta / (math.pi**2 * rounds**2)
        wanted = math.ceil(math.log(share) / math.log(1.0 - epsilon))
        clean = True
        for _ in range(wanted):
            start = queries[below(samples, queries.size)]
            if by_search:
                length, expanded = searched_way(
                    ground, at, start, budget - spent, draws
                )
                spent += expanded
                # A plan that the budget cut short says nothing of the way.
                clean = spent < budget
            else:
                length = followed_way(ground, at, start, distance)
            passes += 1
            for i in range(length):
                s = at.way[i]
                raw += 1
                if not known[s]:
                    known[s] = True
                    asked[n_asked] = s
                    n_asked += 1
                if says[s]:
                    spent += take_away(s, ground, at, by_search, distance)
                    clean = False
                    break
            if not clean:
                break
    return (
        at.removed, asked[:n_asked].copy(), at.times, raw, rounds, spent, passes, clean,
    )  # fmt: skip
