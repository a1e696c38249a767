"""Kernels that search from one start: breadth first, A*, and the way they found.

As in `shortest`, every move costs more than 0, one that is not allowed leads nowhere
else, and the way is the canonical one among equally short ones.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from tegum.planning.compiled import compiled
from tegum.planning.shortest import TIE, pop, push


@compiled
@no_type_check
def prices_to_begin(removed, start):
    """Nothing is reached yet but the start; what was removed can not be improved on."""
    price = np.full(removed.size, np.inf)
    for s in range(removed.size):
        if removed[s]:
            price[s] = -1.0
    if not removed[start]:
        price[start] = 0.0
    return price


@compiled
@no_type_check
def forward_search(successor, cost, goal, estimate, start, removed, complete, limit):
    """A* from one start, by the estimated price to the goal (0: Dijkstra's search).

    With `complete` it goes on until every state that may lie on a shortest way has been
    expanded, so that ties can be decided afterwards; without, it stops at the first
    goal. After `limit` expansions it gives up. Returns prices from the start (-1 where
    removed), states in the order of their expansion (again if a shorter way to them is
    found), the move that led to each state, and the goal (-1 without a way).
    """
    room = successor.size + 16
    while True:
        found = _searched(
            successor, cost, goal, estimate, start, removed, complete, limit, room
        )
        if found[3] > -2:
            return found
        room *= 4


@compiled
@no_type_check
def _searched(successor, cost, goal, estimate, start, removed, complete, limit, room):
    """`forward_search` with room for so many states that wait; the goal is -2 if full.

    Growing in place would slow every expansion down.
    """
    states, actions = successor.shape
    price = prices_to_begin(removed, start)
    came_by = np.full(states, -1, np.int64)
    keys, items = np.empty(room), np.empty(room, np.int64)
    expanded = np.empty(room, np.int64)
    n_expanded, size, end, best = 0, 0, -1, np.inf
    if not removed[start]:
        size = push(keys, items, size, estimate[start], start)
    while size > 0:
        key, s = keys[0], items[0]
        size = pop(keys, items, size)
        if key > best + TIE:
            break
        if key > price[s] + estimate[s] + TIE:
            continue
        if goal[s]:
            if price[s] < best:
                end, best = s, price[s]
            if complete:
                continue
            break
        if n_expanded == limit:
            end = -1
            break
        if n_expanded == room or size + actions > room:
            end = -2
            break
        expanded[n_expanded] = s
        n_expanded += 1
        for a in range(actions):
            to = successor[s, a]
            reached = price[s] + cost[s, a]
            if reached < price[to] - TIE:
                price[to] = reached
                came_by[to] = s * actions + a
                size = push(keys, items, size, reached + estimate[to], to)
    return price, expanded[:n_expanded], came_by, end


@compiled
@no_type_check
def breadth_first(successor, goal, start, removed, complete, limit):
    """`forward_search` where every move costs 1 and nothing is estimated."""
    states, actions = successor.shape
    price = prices_to_begin(removed, start)
    came_by = np.full(states, -1, np.int64)
    queue = np.empty(states, np.int64)
    head, tail, end, best = 0, 0, -1, np.inf
    if not removed[start]:
        queue[0] = start
        tail = 1
    n_expanded = 0
    while head < tail:
        s = queue[head]
        reached = price[s] + 1.0
        if reached > best:
            break
        head += 1
        if goal[s]:
            continue
        if n_expanded == limit:
            end = -1
            break
        queue[n_expanded] = s
        n_expanded += 1
        for a in range(actions):
            to = successor[s, a]
            if price[to] == np.inf:
                price[to] = reached
                came_by[to] = s * actions + a
                queue[tail] = to
                tail += 1
                if goal[to] and end < 0:
                    end, best = to, reached
        if end >= 0 and not complete:
            break
    return price, queue[:n_expanded].copy(), came_by, end


@compiled
@no_type_check
def level_search(successor, goal, estimate, start, removed, complete, limit):
    """`forward_search` where every move costs 1, by consistent whole estimates."""
    states = successor.shape[0]
    price = prices_to_begin(removed, start)
    came_by = np.full(states, -1, np.int64)
    expanded = np.empty(states, np.int64)
    item = np.empty(successor.size + 1, np.int64)
    under = np.empty(successor.size + 1, np.int64)
    pile = np.full(states + np.int64(estimate.max()) + 2, -1, np.int64)
    n_expanded, _, _, end = level_search_within(
        successor, goal, estimate, start, complete, limit, price, came_by, expanded,
        item, under, pile,
    )  # fmt: skip
    return price, expanded[:n_expanded].copy(), came_by, end


@compiled
@no_type_check
def level_search_within(
    successor, goal, estimate, start, complete, limit, price, came_by, expanded, item,
    under, pile,
):  # fmt: skip
    """`level_search` in arrays that are there already, for many searches in a row.

    What waits lies in one pile for each estimated length, the latest on top, in place
    of a heap. As no move lowers the estimate by more than it costs, no state is
    expanded twice. `price` is infinity but for the start's 0 and for -1 where removed,
    `pile` is -1. Returns how many states were expanded, how many items were piled up
    (`item` lists every state that was touched), the longest pile that was used, and the
    goal. `emptied` makes the arrays ready for the next search.
    """
    actions = successor.shape[1]
    n_expanded, n, end, best, longest = 0, 0, -1, pile.size, 0
    f = np.int64(estimate[start])
    if price[start] == 0.0:
        item[0], under[0], pile[f] = start, -1, 0
        n, longest = 1, f
    while f <= longest and f <= best:
        top = pile[f]
        if top < 0:
            f += 1
            continue
        s = item[top]
        pile[f] = under[top]
        if price[s] + estimate[s] < f:
            continue
        if goal[s]:
            if end < 0:
                end, best = s, f
            if complete:
                continue
            break
        if n_expanded == limit:
            end = -1
            break
        expanded[n_expanded] = s
        n_expanded += 1
        reached = price[s] + 1.0
        for a in range(actions):
            to = successor[s, a]
            if reached < price[to]:
                price[to] = reached
                came_by[to] = s * actions + a
                length = np.int64(reached + estimate[to])
                item[n], under[n] = to, pile[length]
                pile[length] = n
                longest = max(longest, length)
                n += 1
    return n_expanded, n, longest, end


@compiled
@no_type_check
def emptied(price, item, n, pile, first, longest):
    """Undo what a search left in the arrays of `level_search_within`."""
    for i in range(n):
        price[item[i]] = np.inf
    for f in range(first, longest + 1):
        pile[f] = -1


@compiled
@no_type_check
def way_found(came_by, actions, start, end):
    """The states and moves of the way that a search found, start to end."""
    length = 0
    s = end
    while s != start:
        s = came_by[s] // actions
        length += 1
    states, moves = np.empty(length + 1, np.int64), np.empty(length, np.int64)
    s = end
    states[length] = end
    for i in range(length - 1, -1, -1):
        moves[i] = came_by[s] % actions
        s = came_by[s] // actions
        states[i] = s
    return states, moves


@compiled
@no_type_check
def canonical_way(
    successor, cost, goals, first, edge, start, price, best, on_way, marked
):
    """The canonical one among the shortest ways that a complete search has found.

    States on shortest ways are marked from the goals at the best price backwards: who
    leads to a marked state by a move that costs what prices differ by is on one too.
    `goals` lists the goals, `first, edge` are the `predecessors`; `on_way` is False
    everywhere, before and after, and `marked` has room for every state.
    """
    actions = successor.shape[1]
    n_marked, done = 0, 0
    for s in goals:
        if -TIE < price[s] < best + TIE:
            on_way[s] = True
            marked[n_marked] = s
            n_marked += 1
    while done < n_marked:
        to = marked[done]
        done += 1
        for e in range(first[to], first[to + 1]):
            s = edge[e] // actions
            tight = abs(price[s] + cost[s, edge[e] % actions] - price[to]) < TIE
            if tight and price[s] >= 0.0 and not on_way[s]:
                on_way[s] = True
                marked[n_marked] = s
                n_marked += 1
    way, moves = np.empty(n_marked, np.int64), np.empty(n_marked, np.int64)
    s, length = start, 0
    while abs(price[s] - best) > TIE:
        for a in range(actions):
            to = successor[s, a]
            longer = abs(price[s] + cost[s, a] - price[to])
            if on_way[to] and longer < TIE:
                break
        way[length], moves[length] = s, a
        length += 1
        s = to
    way[length] = s
    for i in range(n_marked):
        on_way[marked[i]] = False
    return way[: length + 1], moves[:length]
