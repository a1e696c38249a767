"""A decision problem as frozen tables: where every action leads, and what it brings.

Axes are `state, action, branch`: an action has one branch where moves are certain, and
one for each place it may lead to where they are not. A problem holds everything that
an optimiser or an oracle may be asked about; nothing of it can be written to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

PER_STATE = ("terminal", "goal", "unwanted", "observation", "bound")

PROBABILITY_ERROR = 1e-9
"""How far the probabilities of an action's branches may sum from 1."""


@dataclass(frozen=True)
class Problem:
    """Where every action leads, what it brings, and which states nobody wants.

    Action `a` in state `s` leads to `successor[s, a, k]` with `probability[s, a, k]`
    and brings `reward[s, a, k]`. `allowed[s, a]` says whether it may be taken at all.
    Nothing is decided in a `terminal` state; those among them that count as a solution
    are the `goal`. `starts` are the queries: states from which a solution is asked for,
    each as important as the others. A later reward counts `discount` times as much for
    each step.

    `unwanted` marks the states that an overseer does not want touched; rewards know
    nothing of it. `observation` is what a learner without memory sees of a state: those
    that look alike to it share a number. `bound` is an optimistic estimate of the best
    return from a state, never below it: what A* searches by. `place` is the row and
    column at which a state is drawn.

    Make one with `tabular`, a generator (`maps`, `trees`, `histories`) or from a
    Gymnasium environment.

    Raises:
        ValueError: shapes that do not fit, a reward that is not finite, probabilities
            that are no probabilities, no start, a start at which nothing is decided, or
            a discount outside (0, 1].
    """

    _: KW_ONLY
    successor: Int[ndarray, "state action branch"]
    probability: Float[ndarray, "state action branch"]
    reward: Float[ndarray, "state action branch"]
    allowed: Bool[ndarray, "state action"]
    terminal: Bool[ndarray, " state"]
    goal: Bool[ndarray, " state"]
    unwanted: Bool[ndarray, " state"]
    starts: Int[ndarray, " query"]
    observation: Int[ndarray, " state"]
    bound: Float[ndarray, " state"]
    place: Int[ndarray, "state 2"]
    discount: float

    def __post_init__(self) -> None:
        """Freeze the tables and refuse what is no problem."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, ndarray) and value.flags.writeable:
                value = np.array(value, order="C")
                value.setflags(write=False)
                object.__setattr__(self, field.name, value)
        _check_shapes(vars(self))
        _check_values(self)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.terminal.size

    @property
    def n_actions(self) -> int:
        """The number of actions."""
        return self.allowed.shape[1]

    @property
    def n_branches(self) -> int:
        """The most places that one action may lead to."""
        return self.successor.shape[2]

    @property
    def deterministic(self) -> bool:
        """Whether every action leads to one place."""
        return self.n_branches == 1

    @cached_property
    def moves(self) -> Int[ndarray, "state action"]:
        """Where each action leads, moves being certain; one not allowed stays put."""
        assert self.deterministic
        here = np.arange(self.n_states, dtype=np.int32)[:, None]
        found = np.where(self.allowed, self.successor[:, :, 0], here)
        found.setflags(write=False)
        return found

    @cached_property
    def expected_reward(self) -> Float[ndarray, "state action"]:
        """What an action brings on average: the sum of p_k r_k over its branches."""
        if self.deterministic:
            return self.reward[:, :, 0]
        mean = (self.probability * self.reward).sum(axis=2)
        mean.setflags(write=False)
        return mean

    @cached_property
    def worst_return(self) -> float:
        """What an execution counts that never ends.

        The worst reward (or 0) for every state once, `r n`, or for ever, `r / (1 -
        discount)`, whichever is less: not arriving is never better than arriving.
        """
        worst = min(float(self.reward[self.allowed].min(initial=0.0)), 0.0)
        if self.discount < 1.0:
            return worst * max(self.n_states, 1.0 / (1.0 - self.discount))
        return worst * self.n_states

    @cached_property
    def enters_unwanted(self) -> Bool[ndarray, "state action"]:
        """Whether an action may lead to an unwanted state."""
        return may_enter(self, self.unwanted)

    def digest(self) -> str:
        """SHA-256 of everything in it: two problems are one if and only if equal."""
        found = hashlib.sha256(repr(self.discount).encode())
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, ndarray):
                found.update(f"{field.name}{value.dtype}{value.shape}".encode())
                found.update(value.tobytes())
        return found.hexdigest()


def tabular(
    successor: Any,
    *,
    reward: Any,
    terminal: Any,
    starts: Any,
    probability: Any = None,
    allowed: Any = None,
    goal: Any = None,
    unwanted: Any = None,
    observation: Any = None,
    bound: Any = None,
    place: Any = None,
    discount: float = 1.0,
) -> Problem:
    """A problem from plain tables; what is left out gets its plainest value.

    `successor` has axes `(state, action)` where moves are certain, else `(state,
    action, branch)`. Left out, every action may be taken outside terminal states, every
    terminal state is a goal, nothing is unwanted, every state is told apart, and the
    bound is 0 (or what positive rewards allow at most).

    >>> line = tabular([[0, 1], [1, 1]], reward=[[-1.0, -1.0], [0, 0]],
    ...                terminal=[False, True], starts=[0])
    >>> line.n_states, line.deterministic
    (2, True)

    Raises:
        ValueError: what `Problem` refuses.
    """
    to = np.asarray(successor, dtype=np.int32)
    to = to[:, :, None] if to.ndim == 2 else to
    if to.ndim != 3 or not to.size:
        raise ValueError(
            f"`successor` has the shape {np.shape(successor)}; it must have a row for "
            "each state and a column for each action"
        )
    states = to.shape[0]
    end = np.asarray(terminal, dtype=bool)
    brings = np.asarray(reward, dtype=np.float64)
    if brings.shape == to.shape[:2]:
        brings = np.repeat(brings[:, :, None], to.shape[2], axis=2)
    may = np.ones(to.shape[:2], bool) if allowed is None else np.asarray(allowed, bool)
    if end.shape == (states,) and may.shape == to.shape[:2]:
        may = may & ~end[:, None]

    def given(value: Any, plain: Any, dtype: Any) -> ndarray:
        return np.asarray(plain if value is None else value, dtype=dtype)

    tables = {
        "successor": to,
        "probability": given(probability, np.full(to.shape, 1 / to.shape[2]), float),
        "reward": brings,
        "allowed": may,
        "terminal": end,
        "goal": given(goal, end, bool),
        "unwanted": given(unwanted, np.zeros(states, bool), bool),
        "observation": given(observation, np.arange(states), np.int64),
        "bound": given(bound, _plain_bound(brings, end, discount), float),
        "place": given(place, np.stack([np.zeros(states), np.arange(states)], 1), int),
    }
    _check_shapes(tables)
    at = np.atleast_1d(np.asarray(starts, dtype=np.int64))
    return Problem(**tables, starts=at, discount=float(discount))


def _plain_bound(reward: ndarray, terminal: ndarray, discount: float) -> ndarray:
    highest = float(np.max(reward, initial=0.0)) if np.isfinite(reward).all() else 0.0
    least_wait = 1.0 - discount if 0.0 < discount < 1.0 else 1.0 / max(terminal.size, 1)
    return np.where(terminal, 0.0, max(highest, 0.0) / least_wait)


def may_enter(
    problem: Problem, states: Bool[ndarray, " state"]
) -> Bool[ndarray, "state action"]:
    """Whether an action may lead to one of some states, whatever the branch."""
    there = states[problem.successor] & (problem.probability > 0.0)
    return problem.allowed & there.any(axis=2)


def restricted(problem: Problem, to: Bool[ndarray, "state action"]) -> Problem:
    """The same problem with fewer actions: only those that `to` marks may be taken."""
    return replace(problem, allowed=problem.allowed & to)


def without(problem: Problem, states: Bool[ndarray, " state"]) -> Problem:
    """The same problem without some states: no action that may enter one is left.

    Nor may anything be done in one. A state from which every action may enter one is a
    dead end: whoever stands there is stuck.
    """
    return restricted(problem, ~may_enter(problem, states) & ~states[:, None])


def _check_shapes(tables: Mapping[str, ndarray]) -> None:
    """Refuse tables that do not fit `successor`, named and given as in `Problem`.

    Raises:
        ValueError: naming the table, its shape and the one it must have.
    """
    shape = tables["successor"].shape
    expected = {
        "probability": shape,
        "reward": shape,
        "allowed": shape[:2],
        "place": (shape[0], 2),
    } | dict.fromkeys(PER_STATE, shape[:1])
    for name, wanted in expected.items():
        if tables[name].shape != wanted:
            raise ValueError(
                f"`{name}` has the shape {tables[name].shape}; it must be {wanted}, as "
                f"`successor` has {shape[0]} states, {shape[1]} actions and {shape[2]} "
                "branches"
            )


def _check_values(problem: Problem) -> None:
    states = problem.n_states
    used = problem.allowed[:, :, None] & (problem.probability != 0.0)
    to = problem.successor
    if (used & ((to < 0) | (to >= states))).any() or to.min() < 0 or to.max() >= states:
        worst = to[(to < 0) | (to >= states)][0]
        raise ValueError(
            f"an action leads to state {worst}; states are numbered 0 to {states - 1}"
        )
    if not np.isfinite(problem.reward).all():
        s, a, _ = np.argwhere(~np.isfinite(problem.reward))[0]
        raise ValueError(
            f"the reward of action {a} in state {s} is "
            f"{problem.reward[s, a][~np.isfinite(problem.reward[s, a])][0]}; every "
            "reward must be finite; forbid an action by `allowed`"
        )
    _check_probability(problem)
    if not np.isfinite(problem.bound).all():
        raise ValueError("`bound` holds a number that is not finite; give 0 for none")
    if problem.allowed[problem.terminal].any():
        raise ValueError(
            "an action is allowed in a terminal state; nothing is decided there, so "
            "forbid it by `allowed`"
        )
    if (problem.goal & ~problem.terminal).any():
        where = int(np.flatnonzero(problem.goal & ~problem.terminal)[0])
        raise ValueError(f"state {where} is a goal and not terminal; make it terminal")
    _check_starts(problem)
    if not 0.0 < problem.discount <= 1.0:
        raise ValueError(
            f"`discount` is {problem.discount}; it must lie in (0, 1]; 1 values later "
            "rewards like present ones"
        )


def _check_probability(problem: Problem) -> None:
    chance = problem.probability
    # Said so that a NaN is wrong too.
    right = np.abs(chance.sum(axis=2) - 1.0) <= PROBABILITY_ERROR
    wrong = problem.allowed & ~(right & (chance >= 0.0).all(axis=2))
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(
            f"the probabilities of action {a} in state {s} are {chance[s, a]}; they "
            "must be at least 0 and sum to 1"
        )


def _check_starts(problem: Problem) -> None:
    starts, states = problem.starts, problem.n_states
    if not starts.size:
        raise ValueError("`starts` is empty; give at least one state to start from")
    if starts.min() < 0 or starts.max() >= states:
        raise ValueError(
            f"`starts` holds {starts.min()} to {starts.max()}; states are numbered 0 "
            f"to {states - 1}"
        )
    if problem.terminal[starts].any():
        where = int(starts[problem.terminal[starts]][0])
        raise ValueError(
            f"the start {where} is terminal; nothing is decided there, start elsewhere"
        )


__all__ = ["Problem", "may_enter", "restricted", "tabular", "without"]
