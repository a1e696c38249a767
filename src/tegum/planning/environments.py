"""Tables to and from Gymnasium; `simulators` has those that carry none."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import stream
from tegum.planning.problem import PROBABILITY_ERROR, Problem, tabular

if TYPE_CHECKING:
    import gymnasium

GOALS_SHOWN = 8
"""Of the states that an error proposes as goals."""


def from_gymnasium(
    environment: gymnasium.Env[Any, Any],
    *,
    unwanted: Callable[[int], bool] | None = None,
    discount: float = 0.99,
    goal: Callable[[int], bool] | None = None,
    starts: Sequence[int] | None = None,
    place: Callable[[int], tuple[int, int]] | None = None,
) -> Problem:
    """The problem of an environment that carries its table `P`, such as FrozenLake.

    `P[s][a]` lists `(probability, successor, reward, terminated)`. A state in which
    steps terminate becomes terminal; it is a goal if some step into it brings more
    than 0. Where no step of the whole table does (each costs something, until one
    arrives) all terminal states are goals, as long as arriving brings the same in
    each; `goal(state)` says otherwise, and has to where it does not: -10 may be a hole,
    or a goal that is dear. Where the same state is entered both terminating and not,
    it is split in two. `starts` are the states asked about; left out, those that
    `initial_state_distrib` makes possible, or what `reset` gives. `unwanted(state)`
    says which states nobody wants; it is asked twice about each. `place(state)` is the
    row and column at which pictures draw a state; left out, its cell of the
    environment's map where it has one cell for each state, else all in one row.

    Raises:
        ValueError: continuous or composed spaces, no table, a table that is none, a
            start that is no state, an `unwanted` or `goal` that contradicts itself, no
            terminal state that is a goal, or terminal states of which the rewards do
            not say whether they are.
    """
    bare = environment.unwrapped
    states = number_of(bare.observation_space, what="observation")
    actions = number_of(bare.action_space, what="action")
    table = getattr(bare, "P", None)
    if table is None:
        raise ValueError(
            f"the environment {bare} has no table `P`; enumerate it by "
            "`from_simulator`, or build the problem by `tabular`"
        )
    listed = {
        (s, a): _entries(table, s, a, states=states)
        for s in range(states)
        for a in range(actions)
    }
    most = max(len(entries) for entries in listed.values())
    # State s that is entered terminating becomes state `states + s`.
    shape = (2 * states, actions, most)
    successor = np.zeros(shape, dtype=np.int32)
    chance, reward = np.zeros(shape), np.zeros(shape)
    chance[:, :, 0] = 1.0
    arriving = np.full(2 * states, -np.inf)
    for (s, a), entries in listed.items():
        chance[s, a, 0] = 0.0
        for k, (p, to, brings, ends) in enumerate(entries):
            to = int(to) + states * bool(ends)
            successor[s, a, k], chance[s, a, k], reward[s, a, k] = to, p, brings
            # What a terminal state lists for itself is never taken.
            if p > 0.0 and ends and to != s + states:
                arriving[to] = max(arriving[to], brings)
    terminal = np.arange(2 * states) >= states
    good = _goals(arriving, states=states, goal=goal)
    marked = np.zeros(2 * states, dtype=bool)
    if unwanted is not None:
        marked = np.tile(_answers(unwanted, states, name="unwanted"), 2)
    at = _starts(bare, states) if starts is None else _given_starts(starts, states)
    return _reachable_part(
        successor, chance, reward, terminal=terminal, goal=good, unwanted=marked,
        starts=at, discount=discount, place=_places(bare, states, place),
    )  # fmt: skip


def _goals(
    arriving: np.ndarray, *, states: int, goal: Callable[[int], bool] | None
) -> np.ndarray:
    """Which terminal twins are goals, by the most that a step into each brings."""
    entered = np.isfinite(arriving)
    good = arriving > 0.0
    if goal is not None:
        good = entered & np.tile(_answers(goal, states, name="goal"), 2)
    elif not good.any():
        good = entered
        brought = np.unique(arriving[entered])
        if brought.size > 1:
            best = np.flatnonzero(arriving == brought[-1]) - states
            listed = ", ".join(str(s) for s in best[:GOALS_SHOWN])
            more = ", ..." if best.size > GOALS_SHOWN else ""
            raise ValueError(
                f"steps that end bring {brought[0]:g} to {brought[-1]:g} and none more "
                "than 0, so that rewards do not say which terminal states are goals; "
                "say it by `goal`: for those that bring the most "
                f"`goal=lambda state: state in {{{listed}{more}}}`"
            )
    if not good.any():
        raise ValueError(
            "no terminal state that is entered is a goal"
            f"{'' if goal is None else ', says `goal`'}; a problem needs one that "
            "terminated steps lead to"
        )
    return good


def _entries(table: Any, s: int, a: int, *, states: int) -> list[tuple]:
    """What the table lists for an action of a state, refused where it is no table."""
    where = f"`P[{s}][{a}]`"
    try:
        found = [tuple(entry) for entry in table[s][a]]
    except (KeyError, IndexError, TypeError):
        found = []
    if not found or any(len(entry) != 4 for entry in found):
        raise ValueError(
            f"{where} is missing, empty or not a list of (probability, successor, "
            "reward, terminated); every action of every state needs at least one"
        )
    for p, to, brings, _ in found:
        if not (0 <= to < states and to == int(to)):
            raise ValueError(
                f"{where} leads to the state {to}; states are numbered 0 to "
                f"{states - 1}, as the observation space has {states}"
            )
        if not (0.0 <= p <= 1.0 + PROBABILITY_ERROR and np.isfinite(brings)):
            raise ValueError(
                f"{where} lists the probability {p} and the reward {brings}; "
                "probabilities lie in [0, 1], and rewards must be finite"
            )
    total = sum(entry[0] for entry in found)
    if abs(total - 1.0) > PROBABILITY_ERROR:
        raise ValueError(f"the probabilities of {where} sum to {total}, not to 1")
    return found


def _answers(ask: Callable[[int], bool], states: int, *, name: str) -> np.ndarray:
    """What a function says of every state, asked twice."""
    first, second = ([bool(ask(s)) for s in range(states)] for _ in range(2))
    for s in range(states):
        if first[s] != second[s]:
            raise contradiction(name, f"state {s}")
    return np.array(first)


def contradiction(name: str, where: str) -> ValueError:
    """The error of a function that answered differently about the same state."""
    return ValueError(
        f"`{name}` contradicts itself about {where}: it must depend on the state "
        "alone, and on nothing drawn; for errors of an overseer see `misses` and "
        "`false_alarms`"
    )


def _given_starts(starts: Sequence[int], states: int) -> np.ndarray:
    for s in starts:
        if not (0 <= s < states and s == int(s)):
            raise ValueError(
                f"`starts` holds {s}; states are numbered 0 to {states - 1}"
            )
    return np.array([int(s) for s in starts], dtype=np.int64)


def number_of(space: Any, *, what: str) -> int:
    """How many values a discrete space has.

    Raises:
        ValueError: a space of another kind.
    """
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


def _places(
    environment: Any, states: int, place: Callable[[int], tuple[int, int]] | None
) -> np.ndarray:
    """Row and column of every state and of its terminal twin."""
    if place is not None:
        found = np.array([place(s) for s in range(states)], dtype=np.int64)
        return np.tile(found.reshape(states, 2), (2, 1))
    board = np.shape(getattr(environment, "desc", ()))
    if len(board) != 2:
        board = getattr(environment, "shape", ())
    columns = board[1] if len(board) == 2 and board[0] * board[1] == states else states
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
            if not self.action_space.contains(action) or not problem.allowed[s, action]:
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


__all__ = ["contradiction", "from_gymnasium", "number_of", "to_gymnasium"]
