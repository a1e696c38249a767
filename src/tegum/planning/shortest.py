"""Kernels for certain moves at a price: shortest ways, and their repair.

Every move costs more than 0; one that is not allowed leads nowhere else, and so lies
on no shortest way (see `Problem.moves`). A way is canonical: among moves that are
equally good the one that stands first in its row is taken, so that two planners which
both find shortest ways walk the same one. Who wants ties decided otherwise hands in
rows in another order (see `tied`).
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from tegum.planning.compiled import compiled

TIE = 1e-9
"""Two ways are equally long if their lengths differ by less."""


@compiled
@no_type_check
def predecessors(successor):
    """Who leads to each state and by which action, as lists ordered by target.

    `source[first[s] : first[s + 1]]` are the states that lead to s, and `column` holds
    their actions.
    """
    states, actions = successor.shape
    first = np.zeros(states + 1, np.int64)
    for s in range(states):
        for a in range(actions):
            if successor[s, a] != s:
                first[successor[s, a] + 1] += 1
    for s in range(states):
        first[s + 1] += first[s]
    source = np.empty(first[states], np.int32)
    column = np.empty(first[states], np.int32)
    place = first[:states].copy()
    for s in range(states):
        for a in range(actions):
            to = successor[s, a]
            if to != s:
                source[place[to]], column[place[to]] = s, a
                place[to] += 1
    return first, source, column


@compiled
@no_type_check
def push(keys, items, size, key, item):
    """Put an item on a binary heap, the least key on top; returns the size."""
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if keys[up] <= key:
            break
        keys[i], items[i] = keys[up], items[up]
        i = up
    keys[i], items[i] = key, item
    return size + 1


@compiled
@no_type_check
def pop(keys, items, size):
    """Take the top off a binary heap; read it before. Returns the size."""
    size -= 1
    key, item = keys[size], items[size]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        if down + 1 < size and keys[down + 1] < keys[down]:
            down += 1
        if keys[down] >= key:
            break
        keys[i], items[i] = keys[down], items[down]
        i = down
    keys[i], items[i] = key, item
    return size


@compiled
@no_type_check
def distances(successor, cost, goal, removed):
    """The price of the cheapest way from every state to a goal, infinity without one.

    Dijkstra's algorithm from the goals backwards. Returns prices and how many states
    were settled.
    """
    states = successor.shape[0]
    first, source, column = predecessors(successor)
    distance = np.full(states, np.inf)
    keys = np.empty(source.size + states + 1)
    items = np.empty(source.size + states + 1, np.int64)
    size = 0
    for s in range(states):
        if goal[s] and not removed[s]:
            distance[s] = 0.0
            size = push(keys, items, size, 0.0, s)
    settled = 0
    while size > 0:
        key, to = keys[0], items[0]
        size = pop(keys, items, size)
        if key > distance[to]:
            continue
        settled += 1
        for e in range(first[to], first[to + 1]):
            s = source[e]
            price = key + cost[s, column[e]]
            if price < distance[s] and not removed[s]:
                distance[s] = price
                size = push(keys, items, size, price, s)
    return distance, settled


@compiled
@no_type_check
def level_distances(successor, goal, removed):
    """`distances` where every move costs 1: breadth first from the goals backwards."""
    states = successor.shape[0]
    first, source, _ = predecessors(successor)
    distance = np.full(states, np.inf)
    queue = np.empty(states, np.int64)
    tail = 0
    for s in range(states):
        if goal[s] and not removed[s]:
            distance[s] = 0.0
            queue[tail] = s
            tail += 1
    head = 0
    while head < tail:
        to = queue[head]
        head += 1
        for e in range(first[to], first[to + 1]):
            s = source[e]
            if distance[s] == np.inf and not removed[s]:
                distance[s] = distance[to] + 1.0
                queue[tail] = s
                tail += 1
    return distance, tail


@compiled
@no_type_check
def greedy_action(s, successor, cost, distance, removed):
    """The first move that lies on a shortest way; -1 without one."""
    if distance[s] == np.inf:
        return -1
    for a in range(successor.shape[1]):
        to = successor[s, a]
        if not removed[to] and abs(cost[s, a] + distance[to] - distance[s]) < TIE:
            return a
    return -1


@compiled
@no_type_check
def greedy_actions(successor, cost, distance, removed):
    """The canonical move of every state; -1 in terminal states and without a way."""
    found = np.full(distance.size, -1, np.int64)
    for s in range(distance.size):
        if distance[s] > 0.0 and not removed[s]:
            found[s] = greedy_action(s, successor, cost, distance, removed)
    return found


@compiled
@no_type_check
def remove_and_repair(
    lost, successor, cost, first, source, column, distance, removed, keys, items,
    touched, old,
):  # fmt: skip
    """Take one state away and make `distance` right again, touching what is needed.

    First the states whose every shortest way led through the lost one, nearest to the
    goal first; then Dijkstra among them. Returns how many times a state's value was
    worked out from its successors. Changes `distance` and `removed`; the heap `keys`
    and `items` has room for every move and state, `touched` and `old` for every state.

    Source: Ramalingam and Reps 1996, deletion in a dynamic shortest-path problem.
    """
    actions = successor.shape[1]
    removed[lost] = True
    if distance[lost] == np.inf:
        return 0
    n_touched, backups, size = 1, 0, 0
    touched[0], old[0] = lost, distance[lost]
    distance[lost] = np.inf
    fringe = 0
    while fringe < n_touched or size > 0:
        if fringe < n_touched:
            to, before = touched[fringe], old[fringe]
            fringe += 1
            for e in range(first[to], first[to + 1]):
                s = source[e]
                tight = abs(cost[s, column[e]] + before - distance[s]) < TIE
                if tight and not removed[s]:
                    size = push(keys, items, size, distance[s], s)
            continue
        key, s = keys[0], items[0]
        size = pop(keys, items, size)
        if distance[s] == np.inf:
            continue
        backups += 1
        supported = False
        for a in range(actions):
            to = successor[s, a]
            longer = abs(cost[s, a] + distance[to] - distance[s])
            if not removed[to] and longer < TIE:
                supported = True
        if not supported:
            touched[n_touched], old[n_touched] = s, distance[s]
            distance[s] = np.inf
            n_touched += 1
    for i in range(1, n_touched):
        s = touched[i]
        best = np.inf
        backups += 1
        for a in range(actions):
            to = successor[s, a]
            if not removed[to]:
                best = min(best, cost[s, a] + distance[to])
        old[i] = best
    for i in range(1, n_touched):
        distance[touched[i]] = old[i]
        if old[i] < np.inf:
            size = push(keys, items, size, old[i], touched[i])
    while size > 0:
        key, to = keys[0], items[0]
        size = pop(keys, items, size)
        if key > distance[to]:
            continue
        for e in range(first[to], first[to + 1]):
            s = source[e]
            price = key + cost[s, column[e]]
            if price < distance[s] - TIE and not removed[s]:
                distance[s] = price
                backups += 1
                size = push(keys, items, size, price, s)
    return backups


@compiled
@no_type_check
def touched_along(successor, column, distance, marked):
    """Whether a marked state is touched on the way that a greedy policy takes.

    `column` is the policy's move in each state, along which `distance` falls. Where no
    way is left, whether the state itself is marked.
    """
    touched = marked.copy()
    for s in np.argsort(distance, kind="mergesort"):
        if column[s] >= 0 and not touched[s] and distance[s] < np.inf:
            touched[s] = touched[successor[s, column[s]]]
    return touched


@compiled
@no_type_check
def touched_at_random(successor, cost, distance, removed, marked):
    """The chance to touch a marked state on a shortest way whose ties chance decides.

    Each equally good move is as likely as the others. Where no way is left, whether
    the state itself is marked.
    """
    touched = marked.astype(np.float64)
    for s in np.argsort(distance, kind="mergesort"):
        if touched[s] == 1.0 or distance[s] == np.inf or distance[s] == 0.0:
            continue
        total, near = 0.0, 0
        for a in range(successor.shape[1]):
            to = successor[s, a]
            longer = abs(cost[s, a] + distance[to] - distance[s])
            if not removed[to] and longer < TIE:
                total += touched[to]
                near += 1
        touched[s] = total / near
    return touched
