"""To and from Gymnasium: a table becomes an environment, an environment a table."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import stream
from tegum.planning.problem import Problem, tabular

if TYPE_CHECKING:
    import gymnasium

MOST_STATES = 200_000


def from_gymnasium(
    environment: gymnasium.Env[Any, Any],
    *,
    unwanted: Callable[[int], bool] | None = None,
    discount: float = 0.99,
    goal: Callable[[int], bool] | None = None,
) -> Problem:
    """The problem of an environment that carries its table `P`, such as FrozenLake.

    `P[s][a]` lists `(probability, successor, reward, terminated)`. A state in which
    steps terminate becomes terminal; it is a goal if some step into it brings more
    than 0 or, where no step of the whole table does, if it is entered at all; `goal`
    says otherwise. Where the same state is entered both terminating and not, it is
    split in two. Starts are the states that `initial_state_distrib` makes possible, or
    what `reset` gives. `unwanted(state)` says which states nobody wants.

    Raises:
        ValueError: continuous or composed spaces, no table, or a table that is none.
    """
    bare = environment.unwrapped
    states = _number_of(bare.observation_space, what="observation")
    actions = _number_of(bare.action_space, what="action")
    table = getattr(bare, "P", None)
    if table is None:
        raise ValueError(
            f"the environment {bare} has no table `P`; enumerate it by "
            "`from_simulator`, or build the problem by `tabular`"
        )
    most = max(len(table[s][a]) for s in range(states) for a in range(actions))
    # State s that is entered terminating becomes state `states + s`.
    shape = (2 * states, actions, most)
    successor = np.zeros(shape, dtype=np.int32)
    chance, reward = np.zeros(shape), np.zeros(shape)
    chance[:, :, 0] = 1.0
    rewarded = np.zeros(2 * states, dtype=bool)
    entered = np.zeros(2 * states, dtype=bool)
    for s in range(states):
        for a in range(actions):
            chance[s, a, 0] = 0.0
            for k, (p, to, brings, ends) in enumerate(table[s][a]):
                to = int(to) + states * bool(ends)
                successor[s, a, k], chance[s, a, k], reward[s, a, k] = to, p, brings
                # What a terminal state lists for itself is never taken.
                if p > 0.0 and not (ends and to == s + states):
                    entered[to] = True
                    rewarded[to] |= bool(ends) and brings > 0.0
    terminal = np.arange(2 * states) >= states
    good = rewarded if rewarded.any() else terminal
    if goal is not None:
        good = terminal & np.array([goal(s % states) for s in range(2 * states)])
    starts = _starts(bare, states)
    marked = np.zeros(2 * states, dtype=bool)
    if unwanted is not None:
        marked = np.array([bool(unwanted(s % states)) for s in range(2 * states)])
    return _reachable_part(
        successor, chance, reward, terminal=terminal, goal=good, unwanted=marked,
        starts=starts, discount=discount, place=_places(bare, states),
    )  # fmt: skip


def _number_of(space: Any, *, what: str) -> int:
    from gymnasium.spaces import Discrete

    if not isinstance(space, Discrete):
        raise ValueError(
            f"the {what} space is {space}; only discrete ones can be tabulated; "
            "enumerate a simulator by `from_simulator`, or discretise it first"
        )
    return int(space.n)


def _starts(environment: Any, states: int) -> np.ndarray:
    law = getattr(environment, "initial_state_distrib", None)
    if law is None:
        observation, _ = copy.deepcopy(environment).reset(seed=0)
        return np.array([int(observation)])
    possible = np.flatnonzero(np.asarray(law) > 0.0)
    if not np.allclose(np.asarray(law)[possible], 1.0 / possible.size):
        raise ValueError(
            "the environment starts in some states more often than in others; every "
            "query counts alike, so build the problem by `tabular` with the starts "
            "repeated as often as they should count"
        )
    return possible


def _places(environment: Any, states: int) -> np.ndarray:
    shape = getattr(environment, "desc", None)
    columns = np.shape(shape)[1] if shape is not None else 0
    if columns == 0:
        columns = getattr(environment, "shape", (0, states))[1]
    row, column = np.divmod(np.arange(states), columns)
    return np.tile(np.stack([row, column], axis=1), (2, 1))


def _reachable_part(
    successor: np.ndarray, chance: np.ndarray, reward: np.ndarray, *,
    terminal: np.ndarray, goal: np.ndarray, unwanted: np.ndarray, starts: np.ndarray,
    discount: float, place: np.ndarray,
) -> Problem:  # fmt: skip
    """Leave out states that no table entry leads to, and number the rest anew.

    States of the environment itself keep their numbers; only terminating twins that
    nothing enters go.
    """
    states = terminal.size // 2
    used = np.zeros(terminal.size, dtype=bool)
    used[:states] = True
    used[successor[:states][chance[:states] > 0.0]] = True
    number = np.cumsum(used) - 1
    return tabular(
        number[successor[used]], reward=reward[used], probability=chance[used],
        terminal=terminal[used], goal=goal[used], unwanted=unwanted[used],
        starts=number[starts], discount=discount, place=place[used],
    )  # fmt: skip


def from_simulator(
    environment: gymnasium.Env[Any, Any],
    *,
    state: Callable[[Any], Hashable],
    unwanted: Callable[[Any], bool],
    place: Callable[[Any], tuple[int, int]] | None = None,
    seed: int = 0,
    most_states: int = MOST_STATES,
) -> Problem:
    """The problem of an environment with certain moves, by trying every action.

    From the state after `reset(seed=seed)` on, copies of the environment are stepped
    by every action until nothing further is found. `state(environment)` names what the
    future depends on (in MiniGrid: position, direction, what is carried, open doors),
    `unwanted(environment)` says whether its present state is. Every step costs 1; an
    ending that brings nothing costs as much as never ending, and is no goal.

    Raises:
        ValueError: actions that are not discrete, more than `most_states` states, a
            state in which the same action has led to different ones, or no way to a
            goal.
    """
    start = copy.deepcopy(environment.unwrapped)
    actions = _number_of(start.action_space, what="action")
    start.reset(seed=seed)
    found: dict[tuple[Hashable, bool], int] = {(state(start), False): 0}
    waiting, seen = [start], [start]
    rows: list[list[int]] = []
    rewarded: set[int] = set()
    while waiting:
        here = waiting.pop(0)
        row = []
        for action in range(actions):
            there = copy.deepcopy(here)
            _, reward, ended, _, _ = there.step(action)
            name = (state(there), bool(ended))
            if name not in found:
                found[name] = len(found)
                seen.append(there)
                if not ended:
                    waiting.append(there)
            if ended and float(reward) > 0.0:
                rewarded.add(found[name])
            row.append(found[name])
            if len(found) > most_states:
                raise ValueError(
                    f"more than {most_states} states were found; name states more "
                    "coarsely, or raise `most_states`"
                )
        rows.append(row)
    return _tabulated(found, rows, seen, rewarded, unwanted=unwanted, place=place)


def _tabulated(
    found: dict[tuple[Hashable, bool], int],
    rows: list[list[int]],
    seen: list[Any],
    rewarded: set[int],
    *,
    unwanted: Callable[[Any], bool],
    place: Callable[[Any], tuple[int, int]] | None,
) -> Problem:
    if not rewarded:
        raise ValueError(
            "no action anywhere ends with a reward above 0, so there is no goal that "
            "could be reached; check the environment and its seed"
        )
    ended = np.array([end for _, end in found])
    goal = np.zeros(len(found), dtype=bool)
    goal[list(rewarded)] = True
    successor = np.zeros((len(found), len(rows[0])), dtype=np.int32)
    successor[~ended] = rows
    price = np.where((ended & ~goal)[successor], -float(len(found)), -1.0)
    return tabular(
        successor, reward=price, terminal=ended, goal=goal, starts=[0],
        unwanted=[bool(unwanted(one)) for one in seen],
        place=None if place is None else [place(one) for one in seen],
    )  # fmt: skip


def to_gymnasium(problem: Problem) -> gymnasium.Env[int, int]:
    """The problem as a Gymnasium environment, for any agent that takes discrete ones.

    It carries its table as `P` and the law of its start as `initial_state_distrib`, as
    Gymnasium's own do. `info["action_mask"]` says which actions are allowed; taking
    another one raises. `reset(seed=...)` fixes start and slips.
    """
    import gymnasium
    from gymnasium import spaces

    class TabularEnvironment(gymnasium.Env):
        """A tabular problem, stepped."""

        def __init__(self) -> None:
            self.observation_space = spaces.Discrete(problem.n_states)
            self.action_space = spaces.Discrete(problem.n_actions)
            self.P = _table(problem)
            law = np.bincount(problem.starts, minlength=problem.n_states)
            self.initial_state_distrib = law / law.sum()
            self._state = int(problem.starts[0])
            self._draw = stream(0, "environment")

        def reset(
            self, *, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[int, dict[str, Any]]:
            super().reset(seed=seed)
            if seed is not None:
                self._draw = stream(seed, "environment")
            self._state = int(self._draw.choice(problem.starts))
            return self._state, self._info()

        def _info(self) -> dict[str, Any]:
            return {
                "action_mask": problem.allowed[self._state].astype(np.int8),
                "unwanted": bool(problem.unwanted[self._state]),
            }

        def step(
            self, action: int | np.integer
        ) -> tuple[int, float, bool, bool, dict[str, Any]]:
            s = self._state
            if not problem.allowed[s, action]:
                raise ValueError(
                    f"action {action} is not allowed in state {s}; "
                    "`info['action_mask']` says which are"
                )
            branch = int(
                np.searchsorted(
                    np.cumsum(problem.probability[s, action])[:-1],
                    self._draw.random(),
                    side="right",
                )
            )
            self._state = int(problem.successor[s, action, branch])
            reward = float(problem.reward[s, action, branch])
            ended = bool(problem.terminal[self._state])
            return self._state, reward, ended, False, self._info()

    return TabularEnvironment()


def _table(problem: Problem) -> dict[int, dict[int, list[tuple]]]:
    """Gymnasium's table of a problem: what is not allowed stands still for nothing."""

    def entries(s: int, a: int) -> list[tuple]:
        if not problem.allowed[s, a]:
            return [(1.0, s, 0.0, bool(problem.terminal[s]))]
        return [
            (float(p), int(to), float(r), bool(problem.terminal[to]))
            for p, to, r in zip(
                problem.probability[s, a],
                problem.successor[s, a],
                problem.reward[s, a],
                strict=True,
            )
            if p > 0.0
        ]

    return {
        s: {a: entries(s, a) for a in range(problem.n_actions)}
        for s in range(problem.n_states)
    }


__all__ = ["from_gymnasium", "from_simulator", "to_gymnasium"]
