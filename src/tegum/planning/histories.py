"""Outcomes that depend on the way: a problem times an automaton that remembers it.

An automaton reads the label of every state that is entered. Each state of the product
is a state together with what the automaton remembers, so that what was a matter of
history is a matter of state again, exactly. A learner without memory sees the state
alone: that is the product's `observation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from tegum.arrays import stream
from tegum.planning.coupling import coupled_choice
from tegum.planning.maps import (
    ATTEMPTS,
    Map,
    attraction,
    grid_map,
    has_clean_way,
    pick_queries,
)
from tegum.planning.problem import Problem

NEITHER, FIRST, SECOND = 0, 1, 2
"""The labels that `in_turn` reads."""


@dataclass(frozen=True)
class Automaton:
    """What is remembered, and when something unwanted has just happened.

    On entering a state with label l, memory m becomes `after[m, l]`; `bad[m]` marks the
    memories in which the last step was unwanted. It begins in memory 0 and reads the
    label of the start.

    Raises:
        ValueError: a memory that does not exist.
    """

    after: Int[ndarray, "memory label"]
    bad: Bool[ndarray, " memory"]

    def __post_init__(self) -> None:
        """Refuse a table that leads out of itself."""
        if (
            self.after.shape[0] != self.bad.size
            or ((self.after < 0) | (self.after >= self.bad.size)).any()
        ):
            raise ValueError(
                f"the automaton leads to memory {self.after.max()} of "
                f"{self.bad.size}; `after` must hold numbers from 0 to "
                f"{self.bad.size - 1}, with a row for each"
            )


IN_TURN = Automaton(
    after=np.array([[0, 1, 0], [1, 1, 2], [1, 1, 2]]),
    bad=np.array([False, False, True]),
)
"""Unwanted: a SECOND state after a FIRST one, however long after.

Memory 0: no FIRST yet. 1: a FIRST was seen. 2: the same, and this step was SECOND.
"""


def product(
    problem: Problem, automaton: Automaton, *, labels: Int[ndarray, " state"]
) -> Problem:
    """The problem in which the automaton's memory is part of the state.

    State `s * memories + m` is s with memory m just after entering s. Only reachable
    combinations can ever be entered; all are there, so that the numbering is plain.

    Raises:
        ValueError: a label that the automaton does not read.
    """
    memories, read = automaton.after.shape
    if labels.min() < 0 or labels.max() >= read:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; the automaton reads 0 "
            f"to {read - 1}"
        )
    to = problem.successor
    memory = np.arange(memories)
    # Axes: state, memory, action, branch.
    next_memory = automaton.after[memory[None, :, None, None], labels[to][:, None]]
    successor = to[:, None] * memories + next_memory
    states, actions, branches = to.shape

    def spread(table: ndarray) -> ndarray:
        return np.repeat(table, memories, axis=0)

    shape = (states * memories, actions, branches)
    return Problem(
        successor=successor.reshape(shape).astype(np.int32),
        probability=spread(problem.probability),
        reward=spread(problem.reward),
        allowed=spread(problem.allowed),
        terminal=spread(problem.terminal),
        goal=spread(problem.goal),
        unwanted=np.tile(automaton.bad, states),
        starts=problem.starts * memories + automaton.after[0, labels[problem.starts]],
        observation=spread(problem.observation),
        bound=spread(problem.bound),
        place=spread(problem.place),
        discount=problem.discount,
    )


def history_map(
    *, size: int, seed: int, first_share: float = 0.1, unwanted_share: float = 0.2,
    coupling: float = 0.0, wall_share: float = 0.15, slip: float = 0.0,
    queries: int | None = 1, discount: float = 1.0,
) -> Map:  # fmt: skip
    """Draw a map on which entering a SECOND cell after a FIRST one is unwanted.

    `unwanted_share` of the cells are SECOND, coupled to the traffic of shortest ways;
    `first_share` are FIRST, wherever they fall among the rest. Queries are cells that
    are neither, from which a clean way leads to the goal.

    Raises:
        ValueError: no map with enough clean ways in 200 drawings.
    """
    base = grid_map(
        size=size, seed=seed, wall_share=wall_share, unwanted_share=0.0, slip=slip,
        queries=None, discount=discount,
    ).problem  # fmt: skip
    certain = base if slip == 0.0 else grid_map(
        size=size, seed=seed, wall_share=wall_share, unwanted_share=0.0, queries=None
    ).problem  # fmt: skip
    eligible = np.flatnonzero(~certain.goal)
    pull, cells = attraction(certain)[eligible], certain.place[eligible]
    for attempt in range(ATTEMPTS):
        noise = stream(seed, f"unwanted {attempt}").standard_normal((size, size))
        second = coupled_choice(
            pull, share=unwanted_share, coupling=coupling,
            noise=noise[cells[:, 0], cells[:, 1]], seed=seed,
        )  # fmt: skip
        rank = stream(seed, f"first {attempt}").random((size, size))
        early = rank[cells[:, 0], cells[:, 1]] < first_share
        labels = np.zeros(base.n_states, dtype=np.int64)
        labels[eligible] = np.where(second, SECOND, np.where(early, FIRST, NEITHER))
        sure = product(certain, IN_TURN, labels=labels)
        memories = len(IN_TURN.bad)
        clean = has_clean_way(sure, sure.unwanted)[::memories]
        able = clean & (labels == NEITHER) & ~base.goal
        wanted = int(((labels == NEITHER) & ~base.goal).sum())
        if wanted and able.sum() >= wanted / 2:
            starts = pick_queries(base, able, count=queries, size=size, seed=seed)
            found = product(base, IN_TURN, labels=labels)
            found = replace(found, starts=starts * memories)
            return Map(found, float(able.sum() / wanted), attempt)
    raise ValueError(
        f"no map of {size} x {size} cells with unwanted_share={unwanted_share:g}, "
        f"first_share={first_share:g} and coupling={coupling:g} left half of its cells "
        f"a clean way in {ATTEMPTS} drawings (seed {seed}); lower one of them"
    )


__all__ = [
    "FIRST",
    "IN_TURN",
    "NEITHER",
    "SECOND",
    "Automaton",
    "history_map",
    "product",
]
