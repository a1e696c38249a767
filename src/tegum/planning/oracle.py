"""The oracle: what an overseer answers when asked whether a state is unwanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from tegum.arrays import stream
from tegum.planning.problem import Problem


@dataclass(frozen=True)
class Oracle:
    """The answer about every state, fixed before the first question.

    An answer that is wrong stays wrong however often it is asked for: repeating a
    question teaches nothing, and an oracle can not contradict itself. A transition is
    unwanted if it may lead to a state that is, a trajectory if it touches one.
    """

    says: Bool[ndarray, " state"]

    def says_of_ways(
        self, states: ndarray, episode: ndarray, *, episodes: int
    ) -> Bool[ndarray, " episode"]:
        """Which of several trajectories touch a state that it calls unwanted."""
        touched = np.zeros(episodes, dtype=bool)
        touched[episode[self.says[states]]] = True
        return touched


def perfect(problem: Problem) -> Oracle:
    """The oracle that is always right."""
    return Oracle(problem.unwanted)


def erring(
    problem: Problem, *, misses: float, false_alarms: float, seed: int
) -> Oracle:
    """An oracle with stated error rates.

    Each unwanted state is missed with probability `misses`, each other one called
    unwanted with probability `false_alarms`; starts and goals are no exception. Errors
    are thresholds on shared uniforms: an oracle of higher rates errs on a superset.

    Raises:
        ValueError: a rate outside [0, 1).
    """
    for name, rate in (("misses", misses), ("false_alarms", false_alarms)):
        if not 0.0 <= rate < 1.0:
            raise ValueError(
                f"`{name}` is {rate!r}; it must lie in [0, 1); 0 is never wrong"
            )
    chance = stream(seed, "oracle").random(problem.n_states)
    rate = np.where(problem.unwanted, misses, false_alarms)
    return Oracle(problem.unwanted ^ (chance < rate))


def shuffled(problem: Problem, *, seed: int) -> Oracle:
    """A control: as many states are called unwanted, but others, at random.

    Terminal states swap with terminal ones only, and the rest among themselves.
    """
    says = problem.unwanted.copy()
    draw = stream(seed, "shuffle")
    for kind in (problem.terminal, ~problem.terminal):
        says[kind] = draw.permutation(problem.unwanted[kind])
    return Oracle(says)


def asked(problem: Problem, answer: Callable[[int], bool]) -> Oracle:
    """The oracle of a function of one's own, asked twice about every state.

    Raises:
        ValueError: it contradicts itself, or answers something else than yes or no.
    """
    says = np.zeros(problem.n_states, dtype=bool)
    for time in range(2):
        for state in range(problem.n_states):
            found = answer(state)
            if not isinstance(found, bool | np.bool_):
                raise ValueError(
                    f"the oracle answered {found!r} about state {state}; it must "
                    "answer True (unwanted) or False"
                )
            if time and bool(found) != says[state]:
                raise ValueError(
                    f"the oracle contradicts itself: it called state {state} "
                    f"{'unwanted' if says[state] else 'wanted'} at first and then "
                    "not; draw its errors beforehand, as `erring` does"
                )
            says[state] = found
    return Oracle(says)


__all__ = ["Oracle", "asked", "erring", "perfect", "shuffled"]
