"""A Gymnasium environment without a table becomes one, by trying every action."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import stream
from tegum.planning.environments import contradiction, number_of
from tegum.planning.problem import Problem, tabular

if TYPE_CHECKING:
    import gymnasium

MOST_STATES = 200_000

Name = tuple[Hashable, bool]
"""What tells a simulator's states apart: its name, and whether the episode ended."""


@dataclass(frozen=True)
class _Found:
    """What trying every action has found; states are numbered as they were met.

    `first` and `last` are the copies that came to each state first and last. `rows`
    holds the successors of those states in which something is decided, in their order.
    """

    number: dict[Name, int]
    first: list[Any]
    last: list[Any]
    rows: list[list[int]]
    rewarded: set[int]


def from_simulator(
    environment: gymnasium.Env[Any, Any],
    *,
    state: Callable[[Any], Hashable],
    unwanted: Callable[[Any], bool],
    goal: Callable[[Any], bool] | None = None,
    starts: Callable[[Any], bool] | None = None,
    place: Callable[[Any], tuple[int, int]] | None = None,
    seed: int = 0,
    most_states: int = MOST_STATES,
) -> Problem:
    """The problem of an environment with certain moves, by trying every action.

    From the state after `reset(seed=seed)` on, copies of the environment are stepped
    by every action until nothing further is found. `state(environment)` names what the
    future depends on (in MiniGrid: position, direction, what is carried, open doors),
    `unwanted(environment)` says whether its present state is, `starts(environment)`
    whether it is asked about; left out, only the state after the reset is. An ending is
    a goal if it brings more than 0, or if `goal(environment)` says so. Every step costs
    1; an ending that is no goal costs as much as never ending.

    Every action is tried twice: again from the copy that came to the state last, with
    other random numbers. A rare slip, or a name too coarse in few states only, may go
    unnoticed.

    Raises:
        ValueError: actions that are not discrete, more than `most_states` states, a
            state in which the same action has led to different ones, a reward that is
            not finite, an `unwanted`, `goal` or `starts` that contradicts itself, no
            start, or no way to a goal.
    """
    start = copy.deepcopy(environment.unwrapped)
    actions = number_of(start.action_space, what="action")
    start.reset(seed=seed)
    found = _enumerated(start, actions, state=state, most_states=most_states)
    _check_repeatable(found, state=state, seed=seed)
    ended = np.array([end for _, end in found.number])
    good = _goals(found, ended, goal)
    successor = np.zeros((ended.size, actions), dtype=np.int32)
    successor[~ended] = found.rows
    price = np.where((ended & ~good)[successor], -float(ended.size), -1.0)
    at = np.array([0])
    if starts is not None:
        at = np.flatnonzero(_marks(found, starts, name="starts") & ~ended)
    return tabular(
        successor, reward=price, terminal=ended, goal=good, starts=at,
        unwanted=_marks(found, unwanted, name="unwanted"),
        place=None if place is None else [place(one) for one in found.first],
    )  # fmt: skip


def _goals(
    found: _Found, ended: np.ndarray, goal: Callable[[Any], bool] | None
) -> np.ndarray:
    """Which states are goals: those that a step ended in with a prize, or as told."""
    good = np.zeros(ended.size, dtype=bool)
    good[list(found.rewarded)] = True
    if goal is not None:
        good = _marks(found, goal, name="goal") & ended
    if not good.any():
        why = "ends with a reward above 0" if goal is None else "ends where `goal` says"
        raise ValueError(
            f"no action anywhere {why}, so there is no goal that could be reached; "
            "check the environment and its seed, or say by `goal` which endings are"
        )
    return good


def _enumerated(
    start: Any, actions: int, *, state: Callable[[Any], Hashable], most_states: int
) -> _Found:
    found = _Found({(state(start), False): 0}, [start], [start], [], set())
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        row = []
        for action in range(actions):
            name, prized, there = _tried(here, action, state=state)
            if name not in found.number:
                found.number[name] = len(found.number)
                found.first.append(there)
                found.last.append(there)
                if not name[1]:
                    waiting.append(there)
            number = found.number[name]
            found.last[number] = there
            if prized:
                found.rewarded.add(number)
            row.append(number)
            if len(found.number) > most_states:
                raise ValueError(
                    f"more than {most_states} states were found; name states more "
                    "coarsely, or raise `most_states`"
                )
        found.rows.append(row)
    return found


def _tried(
    here: Any, action: int, *, state: Callable[[Any], Hashable]
) -> tuple[Name, bool, Any]:
    """Where an action leads, whether it ends there with a prize, and the copy there."""
    there = copy.deepcopy(here)
    _, reward, ended, _, _ = there.step(action)
    if not np.isfinite(reward):
        raise ValueError(
            f"action {action} in state {state(here)!r} brings the reward {reward}; "
            "every reward must be finite"
        )
    return (state(there), bool(ended)), bool(ended) and float(reward) > 0.0, there


def _check_repeatable(
    found: _Found, *, state: Callable[[Any], Hashable], seed: int
) -> None:
    """Refuse chance and names too coarse: another copy must be led to the same.

    The copies met here are those that later states are tried from, so that what a name
    hides is carried on.
    """
    live = [s for (_, ended), s in found.number.items() if not ended]
    for s, row in zip(live, found.rows, strict=True):
        other = copy.deepcopy(found.last[s])
        other.np_random = stream(seed, f"another copy of state {s}")
        for action, expected in enumerate(row):
            name, prized, there = _tried(other, action, state=state)
            number = found.number.get(name)
            if number != expected or (prized and number not in found.rewarded):
                before = list(found.number)[expected][0]
                raise ValueError(
                    f"action {action} in state {state(other)!r} led to {before!r} "
                    f"and, from another copy, to {name[0]!r}, or ended otherwise: "
                    "moves are left to chance, or `state` does not name all that the "
                    "future depends on; name more, or give the chances to `tabular`"
                )
            found.last[expected] = there


def _marks(found: _Found, ask: Callable[[Any], bool], *, name: str) -> np.ndarray:
    """What a function says of every state, asked about the first and the last copy."""
    first, last = ([bool(ask(one)) for one in way] for way in (found.first, found.last))
    for (named, _), one, other in zip(found.number, first, last, strict=True):
        if one != other:
            raise contradiction(name, f"state {named!r}")
    return np.array(first)


__all__ = ["from_simulator"]
