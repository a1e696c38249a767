"""What is drawn of an optimiser on a board, and what becomes of one start, exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float, Int
from numpy import ndarray

MOST_STATES = 2500
"""On a board of more no cell could be made out."""

LONGEST = 500
"""Steps of a way that are looked at."""

SETTLED = 1e-3
"""A way has been seen when the chance that it still goes on is at most this."""


@dataclass(frozen=True)
class Played:
    """What is drawn of one optimiser: the problem's cells, and what it did there.

    Axes as in `Problem`. `touched` are states in the order in which a search looked at
    them; None if the order was not kept. `expanded` and `covered` count.
    """

    place: Int[ndarray, "state 2"]
    successor: Int[ndarray, "state action branch"]
    probability: Float[ndarray, "state action branch"]
    goal: Bool[ndarray, " state"]
    unwanted: Bool[ndarray, " state"]
    start: int
    policy: Float[ndarray, "state action"] | None
    expanded: Int[ndarray, " state"]
    touched: Int[ndarray, " item"] | None
    asked: Int[ndarray, " question"]
    covered: Int[ndarray, " state"] | None

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the board."""
        rows, columns = self.place.max(axis=0) + 1
        return int(rows), int(columns)

    @property
    def cells(self) -> tuple[Int[ndarray, " state"], int]:
        """The cell of each state, numbered along rows, and how many there may be."""
        rows, columns = self.shape
        return self.place[:, 0] * columns + self.place[:, 1], rows * columns


@dataclass(frozen=True)
class Way:
    """What becomes of one start: cells in order if nothing is left to chance.

    `chance[t, cell]` is that of having been there within t steps, `solved[t]` that of
    having reached a goal, `unwanted[t]` that of having touched an unwanted state.
    `steps` is how many it takes; the mean over those that arrive.
    """

    line: Int[ndarray, " step"] | None
    chance: Float[ndarray, "step cell"]
    solved: Float[ndarray, " step"]
    unwanted: Float[ndarray, " step"]
    steps: float


def played(arrays: Mapping[str, Any], *, start: int = 0) -> Played:
    """What is drawn, from the arrays of an artifact that kept its board.

    Raises:
        ValueError: no board among them, no such start, too many states to be told
            apart, or chances that were not kept.
    """
    if "place" not in arrays:
        raise ValueError(
            "there is no board among the arrays; give the row keep='board'"
        )
    place, to = np.asarray(arrays["place"]), np.asarray(arrays["successor"])
    starts, states = np.asarray(arrays["starts"]), len(place)
    if states > MOST_STATES:
        raise ValueError(
            f"the problem has {states} states; a board shows at most {MOST_STATES}, "
            "lest no cell be made out: draw a smaller one"
        )
    if not 0 <= start < starts.size:
        raise ValueError(
            f"`start` is {start}; the problem has the starts 0 to {starts.size - 1}"
        )
    chance = arrays.get("probability")
    if chance is None and to.shape[2] > 1:
        raise ValueError(
            "actions lead to several places and their chances were not kept; draw the "
            "board of the problem and the outcome"
        )
    covered, expanded = arrays.get("covered"), arrays.get("expanded")
    touched, asked = arrays.get("touched"), arrays.get("asked")
    return Played(
        place=place - place.min(axis=0),
        successor=to,
        probability=np.ones(to.shape) if chance is None else np.asarray(chance),
        goal=np.asarray(arrays["goal"], dtype=bool),
        unwanted=np.asarray(arrays["unwanted_state"], dtype=bool),
        start=int(starts[start]),
        policy=arrays.get("policy"),
        expanded=np.zeros(states, int) if expanded is None else np.asarray(expanded),
        touched=touched if touched is None or len(touched) else None,
        asked=np.zeros(0, int) if asked is None else np.asarray(asked),
        covered=None if covered is None else np.asarray(covered).sum(axis=1),
    )


def way_of(play: Played) -> Way | None:
    """What becomes of the start under the policy, exactly; None without a policy.

    With `f_t(s)` the chance of having been in a set within t steps, `f_t = 1` inside it
    and `f_{t+1}(s) = sum over moves of p f_t(s')` outside, for every cell at once. Ends
    when hardly anything still moves, or after 500 steps.
    """
    if play.policy is None:
        return None
    cell, cells = play.cells
    states = np.arange(len(cell))
    inside = np.zeros((len(cell), cells + 2), dtype=bool)
    inside[states, cell] = True
    inside[:, cells], inside[:, cells + 1] = play.goal, play.unwanted
    weight = play.policy[:, :, None] * play.probability
    weight[play.goal] = 0.0
    s, a, k = np.nonzero(weight)
    entries = (weight[s, a, k], (s, play.successor[s, a, k]))
    moves = sparse.csr_matrix(entries, shape=(len(cell), len(cell)))
    moving = weight.any(axis=(1, 2))
    reached, there = inside.astype(float), (states == play.start).astype(float)
    rows = [reached[play.start]]
    while len(rows) <= LONGEST and there[moving].sum() > SETTLED:
        there = moves.T @ there
        reached = np.where(inside, 1.0, moves @ reached)
        rows.append(reached[play.start])
    table = np.array(rows)
    gained = np.diff(table[:, cells], prepend=0.0)
    arrived = float(gained.sum())
    return Way(
        line=_line(play, cell, steps=len(rows) - 1),
        chance=table[:, :cells],
        solved=table[:, cells],
        unwanted=table[:, cells + 1],
        steps=float(gained @ np.arange(len(rows))) / arrived if arrived else math.nan,
    )


def _line(play: Played, cell: ndarray, *, steps: int) -> ndarray | None:
    """The cells of the way in order, or None where something is left to chance."""
    assert play.policy is not None
    s, line = play.start, [cell[play.start]]
    for _ in range(steps):
        weight = play.policy[s][:, None] * play.probability[s]
        chosen = np.argwhere(weight > 0.0)
        if play.goal[s] or not len(chosen):
            break
        after = np.unique([play.successor[s, a, k] for a, k in chosen])
        if len(after) > 1:
            return None
        s = int(after[0])
        line.append(cell[s])
    return np.array(line)


__all__ = ["LONGEST", "MOST_STATES", "Played", "Way", "played", "way_of"]
