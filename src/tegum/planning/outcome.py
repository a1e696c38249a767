"""What comes of an optimiser: a policy, what executing it does, and what it cost."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import no_type_check

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse.linalg import splu

from tegum.planning.compiled import compiled
from tegum.planning.ledger import Ledger
from tegum.planning.problem import Problem

POLICY_ERROR = 1e-9
"""How far the probabilities of a state's actions may sum from 1 (or 0: no idea)."""


@dataclass(frozen=True)
class Execution:
    """What becomes of every query when a policy is followed for ever, exactly.

    `solved` is the probability of reaching a goal, `unwanted` that of touching an
    unwanted state on the way (the start included), `clean` that of reaching a goal
    without touching one. `returned` is the expected discounted return; an execution
    that never ends counts `Problem.worst_return` in it.
    """

    solved: Float[ndarray, " query"]
    unwanted: Float[ndarray, " query"]
    clean: Float[ndarray, " query"]
    returned: Float[ndarray, " query"]


@dataclass(frozen=True)
class Outcome:
    """What an optimiser made of a problem, and what it spent.

    `policy[s, a]` is the probability of action a in state s; a row of zeros means that
    the optimiser has no idea there, and whoever arrives is stuck. None if what it does
    is no function of the state. `execution` is what becomes of the queries.
    `exhausted` says that the budget ended it.

    For the board: how often each state was expanded (`touched` says in which order
    where one query was searched once), which states the oracle was asked about in
    order, and how often the data hold each action of each state.
    `behaviour` is the policy that gathered the data, `episodes` how many there were and
    how many of them touched an unwanted state. `certified` says whether the last round
    of a certificate was clean, None where none was asked for.
    """

    policy: Float[ndarray, "state action"] | None
    execution: Execution
    ledger: Ledger
    _: KW_ONLY
    exhausted: bool = False
    expanded: Int[ndarray, " state"] | None = None
    touched: Int[ndarray, " expansion"] | None = None
    asked: Int[ndarray, " item"] = field(
        default_factory=lambda: np.zeros(0, dtype=np.int64)
    )
    covered: Int[ndarray, "state action"] | None = None
    behaviour: Float[ndarray, "state action"] | None = None
    certified: bool | None = None
    episodes: tuple[int, int] | None = None


def one_hot(
    actions: Int[ndarray, " state"], *, n_actions: int
) -> Float[ndarray, "state action"]:
    """The policy that takes one action in each state, and has no idea at -1."""
    policy = np.zeros((actions.size, n_actions))
    chosen = np.flatnonzero(actions >= 0)
    policy[chosen, actions[chosen]] = 1.0
    return policy


def run(
    problem: Problem,
    policy: Float[ndarray, "state action"],
    *,
    never_ends: float | None = None,
) -> Execution:
    """What becomes of every query under a policy, exactly and without a step limit.

    Walked where moves and policy leave nothing to chance, else solved as sparse linear
    systems on the states that can still reach what is asked for. An execution that
    never ends returns `never_ends`; left out, `problem.worst_return`.

    Raises:
        ValueError: a policy of another shape, that takes what is not allowed, or whose
            rows sum to neither 1 nor 0.
    """
    _check_policy(problem, policy)
    worst = problem.worst_return if never_ends is None else never_ends
    certain = problem.deterministic and bool(
        (policy.max(axis=1) * policy.sum(axis=1) == policy.sum(axis=1)).all()
    )
    if certain:
        chosen = np.where(policy.any(axis=1), policy.argmax(axis=1), -1)
        every = _walk(
            problem.successor[:, :, 0], problem.expected_reward, chosen, problem.starts,
            problem.terminal, problem.goal, problem.unwanted, problem.discount,
            worst,
        )  # fmt: skip
        return Execution(*every)
    return _solved(problem, policy, worst=worst)


def _check_policy(problem: Problem, policy: ndarray) -> None:
    if policy.shape != problem.allowed.shape:
        raise ValueError(
            f"the policy has the shape {policy.shape}; it must be "
            f"{problem.allowed.shape}, a row for each state"
        )
    total = policy.sum(axis=1)
    off = (np.abs(total - 1.0) > POLICY_ERROR) & (total != 0.0)
    if off.any() or (policy < 0.0).any():
        state = int(np.flatnonzero(off | (policy < 0.0).any(axis=1))[0])
        raise ValueError(
            f"the policy in state {state} is {policy[state]}; it must be "
            "probabilities that sum to 1, or zeros where there is no idea"
        )
    if ((policy > 0.0) & ~problem.allowed).any():
        state, action = np.argwhere((policy > 0.0) & ~problem.allowed)[0]
        raise ValueError(
            f"the policy takes action {action} in state {state}, which is not allowed"
        )


@compiled
@no_type_check
def _walk(successor, reward, chosen, starts, terminal, goal, unwanted, discount, worst):
    n = starts.size
    solved, touched = np.zeros(n), np.zeros(n)
    clean, returned = np.zeros(n), np.zeros(n)
    seen = np.full(terminal.size, -1, np.int64)
    for q in range(n):
        s, factor, total = starts[q], 1.0, 0.0
        touch = unwanted[s]
        while not terminal[s] and chosen[s] >= 0 and seen[s] != q:
            seen[s] = q
            a = chosen[s]
            total += factor * reward[s, a]
            factor *= discount
            s = successor[s, a]
            touch = touch or unwanted[s]
        solved[q] = goal[s]
        touched[q] = touch
        clean[q] = goal[s] and not touch
        returned[q] = total if terminal[s] else worst
    return solved, touched, clean, returned


def moves_of(
    problem: Problem, policy: Float[ndarray, "state action"]
) -> sparse.csr_matrix:
    """The chance of every move from state to state under a policy, sparse."""
    weight = policy[:, :, None] * problem.probability
    s, a, k = np.nonzero(weight)
    entries = (weight[s, a, k], (s, problem.successor[s, a, k]))
    return sparse.csr_matrix(entries, shape=(problem.n_states, problem.n_states))


def can_reach(moves: sparse.csr_matrix, target: Bool[ndarray, " state"]) -> ndarray:
    """The states from which some chain of moves leads to a target."""
    back = sparse.csr_matrix(moves.T)
    reached, fringe = target.copy(), np.flatnonzero(target)
    while fringe.size:
        near = np.unique(back[fringe].indices)
        fringe = near[~reached[near]]
        reached[fringe] = True
    return reached


def _arrival(moves: sparse.csr_matrix, target: ndarray) -> ndarray:
    """The probability of ever standing in a target state, 1 inside it."""
    chance = target.astype(float)
    unsure = can_reach(moves, target) & ~target
    if unsure.any():
        inner = moves[unsure][:, unsure]
        at_once = np.asarray(moves[unsure][:, target].sum(axis=1)).ravel()
        matrix = sparse.identity(inner.shape[0], format="csc") - inner.tocsc()
        chance[unsure] = splu(matrix).solve(at_once)
    return np.clip(chance, 0.0, 1.0)


def _solved(problem: Problem, policy: ndarray, *, worst: float) -> Execution:
    moves = moves_of(problem, policy)
    ends = _arrival(moves, problem.terminal)
    returned = _expected_return(problem, policy, moves=moves, ends=ends, worst=worst)
    touched = _arrival(moves, problem.unwanted)
    kept = sparse.diags((~problem.unwanted).astype(float)) @ moves
    clean = _arrival(sparse.csr_matrix(kept), problem.goal & ~problem.unwanted)
    at = problem.starts
    return Execution(
        solved=_arrival(moves, problem.goal)[at],
        unwanted=touched[at],
        clean=clean[at],
        returned=returned[at],
    )


def _expected_return(
    problem: Problem,
    policy: ndarray,
    *,
    moves: sparse.csr_matrix,
    ends: ndarray,
    worst: float,
) -> ndarray:
    """`E[return; it ends] + P(never ends) worst`, from every state.

    With h the probability of ending, u = E[return; it ends] solves
    `u(s) = sum over moves of p (r h(s') + discount u(s'))`.
    """
    weight = policy[:, :, None] * problem.probability * problem.reward
    brought = (weight * ends[problem.successor]).sum(axis=(1, 2))
    live = (ends > 0.0) & ~problem.terminal
    value = np.where(problem.terminal, 0.0, (1.0 - ends) * worst)
    if live.any():
        inner = moves[live][:, live]
        matrix = sparse.identity(inner.shape[0]) - problem.discount * inner
        value[live] += splu(matrix.tocsc()).solve(brought[live])
    return value


__all__ = ["Execution", "Outcome", "can_reach", "moves_of", "one_hot", "run"]
