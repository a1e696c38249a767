"""Kernels that search from one start: breadth first, A*, and the way they found.

As in `shortest`, every move costs more than 0, one that is not allowed leads nowhere
else, and the way is the canonical one among equally short ones.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from tegum.planning.compiled import below, compiled
from tegum.planning.shortest import TIE, pop, push

UNREACHED = 2**30
"""The price, in whole numbers, of what no way has reached yet."""
GONE = -UNREACHED
"""The price of what was removed: no way to it is an improvement."""


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
def whole_prices(removed):
    """Nothing is reached yet, in whole numbers; what was removed never is."""
    price = np.empty(removed.size, np.int32)
    for s in range(removed.size):
        price[s] = GONE if removed[s] else UNREACHED
    return price


@compiled
@no_type_check
def breadth_first(successor, goal, start, removed, complete, limit):
    """`forward_search` where every move costs 1 and nothing is estimated.

    Prices are whole numbers, `UNREACHED` where infinite and `GONE` where removed.
    """
    states, actions = successor.shape
    price = whole_prices(removed)
    came_by = np.empty(states, np.int32)
    queue = np.empty(states, np.int32)
    head, tail, end, best = 0, 0, -1, UNREACHED
    if not removed[start]:
        price[start] = 0
        queue[0] = start
        tail = 1
    n_expanded = 0
    while head < tail:
        s = queue[head]
        reached = price[s] + 1
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
            if price[to] == UNREACHED:
                price[to] = reached
                came_by[to] = s * actions + a
                queue[tail] = to
                tail += 1
                if end < 0 and goal[to]:
                    end, best = np.int64(to), np.int64(reached)
        if end >= 0 and not complete:
            break
    return price, queue[:n_expanded].astype(np.int64), came_by, end


@compiled
@no_type_check
def level_search(successor, goal, estimate, start, removed, complete, limit):
    """`forward_search` where every move costs 1, by consistent whole estimates.

    Prices are whole numbers, as those of `breadth_first`.
    """
    states = successor.shape[0]
    price = whole_prices(removed)
    came_by = np.empty(states, np.int32)
    expanded = np.empty(states, np.int32)
    item = np.empty(successor.size + 1, np.int32)
    under = np.empty(successor.size + 1, np.int32)
    steps = estimate.astype(np.int32)
    pile = np.full(states + steps.max() + 2, -1, np.int32)
    n_expanded, end = level_search_within(
        successor, goal, steps, start, complete, limit, 0, price, came_by, expanded,
        item, under, pile,
    )  # fmt: skip
    return price, expanded[:n_expanded].astype(np.int64), came_by, end


@compiled
@no_type_check
def level_search_within(
    successor, goal, estimate, start, complete, limit, zero, price, came_by, expanded,
    item, under, pile,
):  # fmt: skip
    """`level_search` in arrays that are there already, for many searches in a row.

    What waits lies in one pile for each estimated length, the latest on top, in place
    of a heap. As no move lowers the estimate by more than it costs, no state is
    expanded twice. The start has the price `zero`: whoever lets it fall by more than
    the number of states from search to search need not clear `price`, since what an
    earlier one left there is above whatever this one finds. `price` is `GONE` where
    removed; `pile` is -1, before and after. Returns how many states were expanded, and
    the goal.
    """
    actions = successor.shape[1]
    n_expanded, n, end, best, longest = 0, 0, -1, pile.size, 0
    f = np.int64(estimate[start])
    if price[start] != GONE:
        price[start] = zero
        item[0], under[0], pile[f] = start, -1, 0
        n, longest = 1, f
    while f <= longest and f <= best:
        top = pile[f]
        if top < 0:
            f += 1
            continue
        s = item[top]
        pile[f] = under[top]
        if price[s] - zero + estimate[s] < f:
            continue
        if goal[s]:
            if end < 0:
                end, best = np.int64(s), f
            if complete:
                continue
            break
        if n_expanded == limit:
            end = -1
            break
        expanded[n_expanded] = s
        n_expanded += 1
        reached = price[s] + 1
        for a in range(actions):
            to = successor[s, a]
            if reached < price[to]:
                price[to] = reached
                if not complete:
                    came_by[to] = s * actions + a
                length = reached - zero + estimate[to]
                item[n], under[n] = to, pile[length]
                pile[length] = n
                longest = max(longest, length)
                n += 1
    for left in range(f, longest + 1):
        pile[left] = -1
    return n_expanded, end


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
    successor, cost, goal, estimate, ceiling, start, end, price, seen, turn, free,
    draws, way, moves,
):  # fmt: skip
    """The canonical one among the shortest ways that a complete search has found.

    At every state the first move that lies on a shortest way: found depth first, along
    moves that cost what prices differ by, back from states that can not be on one,
    as are all whose price and estimate exceed `ceiling`.
    With `free` the moves of each state are tried in an order drawn anew, so that every
    one that lies on a shortest way is as likely. Writes the states into `way` and the
    moves into `moves` and returns how many states there are. `seen` is False, before
    and after; `turn` holds an order of the actions for each place on the way, the
    given one unless `free`.
    """
    length, visited = 0, 0
    way[0], moves[0] = start, 0
    # What was visited and left stands behind the way, from the end of `way`.
    while not goal[way[length]] or abs(price[way[length]] - price[end]) > TIE:
        s, k = way[length], moves[length]
        found = False
        while k < successor.shape[1] and not found:
            if free:
                j = k + below(draws, successor.shape[1] - k)
                turn[length, k], turn[length, j] = turn[length, j], turn[length, k]
            to = successor[s, turn[length, k]]
            tight = abs(price[s] + cost[s, turn[length, k]] - price[to]) < TIE
            found = tight and not seen[to] and price[to] + estimate[to] <= ceiling
            k += not found
        moves[length] = k
        if found:
            length += 1
            way[length], moves[length] = to, 0
            seen[to] = True
        else:
            assert length > 0
            visited += 1
            way[way.size - visited] = s
            length -= 1
            moves[length] += 1
    for i in range(1, length + 1):
        seen[way[i]] = False
        moves[i - 1] = turn[i - 1, moves[i - 1]]
    for i in range(way.size - visited, way.size):
        seen[way[i]] = False
    return length + 1
