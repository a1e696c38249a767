"""The exact solution: what the best policy brings from every state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import no_type_check

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse.linalg import splu

from tegum.arrays import stream
from tegum.planning.compiled import compiled
from tegum.planning.outcome import moves_of, one_hot
from tegum.planning.problem import Problem
from tegum.planning.shortest import distances, greedy_actions, level_distances

IMPROVEMENT = 1e-11
"""Relative to the largest value: by less an action counts as no better."""


MOST_BACKUPS = 10**12


@dataclass(frozen=True)
class Solution:
    """The value of every state under the best policy, and that policy.

    `value` is minus infinity where no policy ends with certainty and the discount is 1.
    `action` is the first of the best actions, -1 where nothing is or can be decided.
    `rounds` is how many policies were evaluated, 0 for a shortest-path search.
    """

    value: Float[ndarray, " state"]
    action: Int[ndarray, " state"]
    rounds: int


def solve(problem: Problem) -> Solution:
    """The best value and action of every state, exact to rounding errors.

    Dijkstra's search where moves are certain and undiscounted, else policy iteration
    with sparse linear solves. A dead end counts `Problem.worst_return` if later rewards
    are discounted. With discount 1 every move must cost something, and the best policy
    is sought among those that end with probability 1.

    Raises:
        ValueError: discount 1 and a reward that is not below 0, naming the action.
    """
    if problem.discount == 1.0:
        require_prices(problem)
        if problem.deterministic:
            return _by_distance(problem)
    return _by_policy_iteration(problem)


def prices(problem: Problem) -> Float[ndarray, "state action"]:
    """What an action costs: minus its expected reward; inf where it is not allowed."""
    return np.where(problem.allowed, -problem.expected_reward, np.inf)


def require_prices(problem: Problem) -> None:
    """Refuse a problem in which standing about may cost nothing.

    Raises:
        ValueError: naming the first action that brings 0 or more.
    """
    free = problem.allowed & (problem.expected_reward >= 0.0)
    if free.any():
        state, action = np.argwhere(free)[0]
        raise ValueError(
            f"action {action} in state {state} brings "
            f"{problem.expected_reward[state, action]:g}; with discount 1 every action "
            "must cost something (a reward below 0), or never ending may be best; use "
            "a discount below 1, or price every step"
        )


def level(problem: Problem) -> bool:
    """Whether every action costs exactly 1."""
    return bool((problem.expected_reward[problem.allowed] == -1.0).all())


def whole_steps(problem: Problem, estimate: Float[ndarray, " state"]) -> bool:
    """Whether every action costs 1, and estimates of what is left are consistent.

    That is, whole numbers that fall by at most 1 with every move.
    """
    if not level(problem) or (estimate != np.floor(estimate)).any():
        return False
    return bool((estimate[:, None] <= estimate[problem.moves] + 1.0).all())


def tie_order(problem: Problem, *, seed: int = 0) -> Int[ndarray, "state action"]:
    """In which order each state's actions are tried where several are equally good.

    An order of its own for each state, the same for all optimisers unless they are
    given another seed. One order for all, such as the actions' numbers, would make
    every way hug the same side of the many that are equally good.
    """
    return _orders(problem.n_states, problem.n_actions, seed)


@lru_cache(maxsize=32)
def _orders(states: int, actions: int, seed: int) -> Int[ndarray, "state action"]:
    order = np.argsort(stream(seed, "ties").random((states, actions)), axis=1)
    order.setflags(write=False)
    return order


def tied(
    problem: Problem, order: Int[ndarray, "state action"]
) -> tuple[Int[ndarray, "state action"], Float[ndarray, "state action"]]:
    """Where actions lead and what they cost, each state's in the order of its ties."""
    return (
        np.take_along_axis(problem.moves, order, axis=1),
        np.take_along_axis(prices(problem), order, axis=1),
    )


def untied(
    column: Int[ndarray, " state"], order: Int[ndarray, "state action"]
) -> Int[ndarray, " state"]:
    """The actions that stand in the given columns of `tied`; -1 stays -1."""
    chosen = np.take_along_axis(order, np.maximum(column, 0)[:, None], axis=1)[:, 0]
    return np.where(column >= 0, chosen, -1)


def distances_of(
    problem: Problem, *, removed: Bool[ndarray, " state"] | None = None
) -> tuple[Float[ndarray, " state"], int]:
    """The price of the cheapest way to an end, and how many states were settled.

    For certain moves that all cost something; removed states may not be entered.
    """
    gone = np.zeros(problem.n_states, bool) if removed is None else removed
    if level(problem):
        return level_distances(problem.moves, problem.terminal, gone)
    return distances(problem.moves, prices(problem), problem.terminal, gone)


def _by_distance(problem: Problem) -> Solution:
    nothing = np.zeros(problem.n_states, bool)
    distance, _ = distances_of(problem)
    order = tie_order(problem)
    column = greedy_actions(*tied(problem, order), distance, nothing)
    return Solution(-distance, untied(column, order), 0)


def action_values(
    problem: Problem, value: Float[ndarray, " state"]
) -> Float[ndarray, "state action"]:
    """`r(s, a) + discount * sum over branches of p_k V(s_k)`; -inf if not allowed."""
    if problem.deterministic:
        later = value[problem.successor[:, :, 0]]
    else:
        chance = problem.probability
        following = np.where(chance > 0.0, value[problem.successor], 0.0)
        later = (chance * following).sum(axis=2)
    return np.where(
        problem.allowed, problem.expected_reward + problem.discount * later, -np.inf
    )


def best_actions(
    problem: Problem, value: Float[ndarray, " state"], *, tie: float = 1e-9
) -> Int[ndarray, " state"]:
    """The first action within `tie` of the best, by `tie_order`; -1 where none is."""
    return first_best(problem, action_values(problem, value), tie=tie)


def first_best(
    problem: Problem, worth: Float[ndarray, "state action"], *, tie: float = 1e-9
) -> Int[ndarray, " state"]:
    """The first of the actions that are worth most, by `tie_order`; -1 for -inf."""
    order = tie_order(problem)
    ordered = np.take_along_axis(worth, order, axis=1)
    best = ordered.max(axis=1)
    with np.errstate(invalid="ignore"):
        near = ordered >= (best - tie)[:, None]
    return untied(np.where(np.isfinite(best), near.argmax(axis=1), -1), order)


def ends_surely(problem: Problem) -> Bool[ndarray, " state"]:
    """The states from which some policy ends with probability 1.

    The greatest set whose states all reach a terminal state by actions that never leave
    it. Source: de Alfaro 1997, almost-sure reachability.
    """
    used = problem.probability > 0.0
    inside = np.ones(problem.n_states, bool)
    while True:
        stays = problem.allowed & (inside[problem.successor] | ~used).all(axis=2)
        reached = problem.terminal.copy()
        while True:
            nearer = stays & (reached[problem.successor] & used).any(axis=2)
            fresh = nearer.any(axis=1) & ~reached & inside
            if not fresh.any():
                break
            reached |= fresh
        if (reached == inside).all():
            return inside
        inside = reached


@compiled
@no_type_check
def sweep(
    successor, probability, reward, allowed, states, discount, value, tolerance, budget
):
    """Value iteration in place, state by state in the order given.

    Ends when no value of a whole pass changes by more than `tolerance`, or the budget
    of backups is spent. Returns the values and how many backups were made.
    """
    backups = 0
    while backups < budget and states.size:
        largest = 0.0
        for s in states:
            best = -np.inf
            for a in range(allowed.shape[1]):
                if allowed[s, a]:
                    worth = 0.0
                    for k in range(successor.shape[2]):
                        if probability[s, a, k] > 0.0:
                            worth += probability[s, a, k] * value[successor[s, a, k]]
                    best = max(best, reward[s, a] + discount * worth)
            largest = max(largest, abs(best - value[s]))
            value[s] = best
            backups += 1
            if backups == budget:
                break
        if largest <= tolerance:
            break
    return value, backups


def _by_policy_iteration(problem: Problem) -> Solution:
    if problem.discount == 1.0:
        live, lost = ends_surely(problem), -np.inf
    else:
        live = problem.terminal | problem.allowed.any(axis=1)
        lost = problem.worst_return
    decided = live & ~problem.terminal
    value = np.where(live, 0.0, lost)
    # Where nothing is discounted, a greedy policy ends surely once values err by less
    # than an action costs: from there on policy iteration is safe.
    dearest = -problem.expected_reward[problem.allowed].max(initial=-1.0)
    tolerance = max(1e-3 * dearest, 1e-9) if problem.discount == 1.0 else 1e-3
    value, _ = sweep(
        problem.successor, problem.probability, problem.expected_reward,
        problem.allowed, np.flatnonzero(decided), problem.discount, value, tolerance,
        MOST_BACKUPS,
    )  # fmt: skip
    action = np.where(decided, best_actions(problem, value), -1)
    rounds = 0
    while decided.any():
        rounds += 1
        value = np.where(decided, _value_of(problem, action, decided, lost), value)
        worth = action_values(problem, value)
        here = np.take_along_axis(worth, np.maximum(action, 0)[:, None], axis=1)[:, 0]
        finite = np.abs(value[np.isfinite(value)]).max(initial=1.0)
        better = decided & (worth.max(axis=1) > here + IMPROVEMENT * finite)
        if not better.any():
            break
        action = np.where(better, worth.argmax(axis=1), action)
    return Solution(value, best_actions(problem, value), rounds)


def _value_of(
    problem: Problem, action: ndarray, decided: ndarray, lost: float
) -> Float[ndarray, " state"]:
    """The value of a policy: `(I - discount P) V = r` on the states it decides in."""
    policy = one_hot(action, n_actions=problem.n_actions)
    moves = moves_of(problem, policy)
    inner = moves[decided][:, decided]
    stuck = ~decided & ~problem.terminal
    brought = (policy * problem.expected_reward).sum(axis=1)[decided]
    if stuck.any() and np.isfinite(lost):
        falls = np.asarray(moves[decided][:, stuck].sum(axis=1)).ravel()
        brought = brought + problem.discount * falls * lost
    matrix = sparse.identity(inner.shape[0]) - problem.discount * inner
    value = np.zeros(problem.n_states)
    value[decided] = splu(matrix.tocsc()).solve(brought)
    return value


__all__ = [
    "Solution",
    "action_values",
    "best_actions",
    "distances_of",
    "ends_surely",
    "first_best",
    "level",
    "prices",
    "require_prices",
    "solve",
    "sweep",
    "tie_order",
    "tied",
    "untied",
    "whole_steps",
]
