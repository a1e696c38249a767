"""Grids with walls, a goal, and unwanted cells that rewards know nothing of.

A map is `size` by `size` cells, each a wall with probability `wall_share`. What can not
reach the goal is walled off too, so that every state can. A move costs 1, one against
a wall as well; with `slip` it goes to the left or right of where it was meant. Unwanted
cells are ordinary floor for the reward; `coupling` kappa says how far they lie where
shortest ways to the goal pass rather than beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import gaussian_filter, label

from tegum.arrays import stream
from tegum.planning.compiled import compiled
from tegum.planning.coupling import coupled_choice
from tegum.planning.exact import distances_of
from tegum.planning.problem import Problem, tabular

MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
"""Up, right, down, left: the actions of a map, in order."""

ATTEMPTS = 200
"""How often walls, and then unwanted cells, are drawn anew before giving up."""

LEAST_OPEN = 0.5
"""The share of open cells that must reach the goal, else walls are drawn anew."""

LEAST_CLEAN = 0.5
"""The share of wanted cells with a clean way to the goal that a map must have."""


@dataclass(frozen=True)
class Map:
    """A problem on a grid, and what was rejected before it was found.

    `clean_share` is the share of wanted cells from which a clean way leads to the goal.
    `rejected` counts drawings of unwanted cells that left too few of them: what was
    kept is a selection, the stronger the more was rejected.
    """

    problem: Problem
    clean_share: float
    rejected: int


def grid_map(
    *,
    size: int,
    seed: int,
    wall_share: float = 0.15,
    unwanted_share: float = 0.2,
    coupling: float = 0.0,
    patch: float = 0.0,
    slip: float = 0.0,
    queries: int | None = 1,
    discount: float = 1.0,
) -> Map:
    """Draw a map; the same seed keeps walls, goal and noise whatever the rest.

    `patch` smooths the noise by a Gaussian of so many cells, so that unwanted cells lie
    together. `queries` are drawn among wanted cells with a clean way, without
    repetition, the same order for every number of them; None takes all.

    Raises:
        ValueError: no map with enough clean ways in 200 drawings, or too few cells for
            so many queries.
    """
    walls, goal_cell = _walls(size, wall_share, seed=seed)
    open_map = _open_map(walls, goal_cell, slip=slip, discount=discount)
    certain = open_map if slip == 0.0 else _open_map(
        walls, goal_cell, slip=0.0, discount=1.0
    )  # fmt: skip
    eligible = ~certain.goal
    pull = attraction(certain)[eligible]
    cells = certain.place[eligible]
    for attempt in range(ATTEMPTS):
        noise = stream(seed, f"unwanted {attempt}").standard_normal((size, size))
        if patch > 0.0:
            noise = gaussian_filter(noise, patch, mode="wrap")
        marked = np.zeros(certain.n_states, dtype=bool)
        marked[eligible] = coupled_choice(
            pull, share=unwanted_share, coupling=coupling,
            noise=noise[cells[:, 0], cells[:, 1]], seed=seed,
        )  # fmt: skip
        clean = has_clean_way(certain, marked) & eligible
        wanted = int((eligible & ~marked).sum())
        if wanted and clean.sum() >= LEAST_CLEAN * wanted:
            starts = pick_queries(certain, clean, count=queries, size=size, seed=seed)
            found = replace(open_map, unwanted=marked, starts=starts)
            return Map(found, float(clean.sum() / wanted), attempt)
    raise ValueError(
        f"no map of {size} x {size} cells with unwanted_share={unwanted_share:g} and "
        f"coupling={coupling:g} left half of the wanted cells a clean way in "
        f"{ATTEMPTS} drawings (seed {seed}); lower the share or the coupling"
    )


def _walls(
    size: int, share: float, *, seed: int
) -> tuple[Bool[ndarray, "row column"], tuple[int, int]]:
    """Walls and a goal cell, such that half of the open cells reach it."""
    for attempt in range(ATTEMPTS):
        draw = stream(seed, f"walls {attempt}")
        walls = draw.random((size, size)) < share
        cells = np.argwhere(~walls)
        if len(cells) < 2:
            continue
        row, column = (int(x) for x in cells[draw.integers(len(cells))])
        parts, _ = label(~walls)  # pyright: ignore[reportGeneralTypeIssues]
        joined = parts == parts[row, column]
        if joined.sum() >= max(2, LEAST_OPEN * len(cells)):
            return ~joined, (row, column)
    raise ValueError(
        f"no map of {size} x {size} cells with wall_share={share:g} joined half of its "
        f"open cells in {ATTEMPTS} drawings (seed {seed}); lower `wall_share`"
    )


def _open_map(
    walls: Bool[ndarray, "row column"],
    goal: tuple[int, int],
    *,
    slip: float,
    discount: float,
) -> Problem:
    """The map without unwanted cells: one state for each open cell, row by row."""
    place = np.argwhere(~walls)
    number = np.full(walls.shape, -1)
    number[place[:, 0], place[:, 1]] = np.arange(len(place))
    framed = np.pad(number, 1, constant_values=-1)
    to = framed[
        place[:, None, 0] + 1 + MOVES[:, 0], place[:, None, 1] + 1 + MOVES[:, 1]
    ]
    to = np.where(to < 0, np.arange(len(place))[:, None], to)
    terminal = np.zeros(len(place), dtype=bool)
    terminal[number[goal]] = True
    branches = to[:, :, None]
    chance = np.ones(branches.shape)
    if slip > 0.0:
        branches = np.stack([to, np.roll(to, 1, axis=1), np.roll(to, -1, axis=1)], 2)
        chance = np.broadcast_to([1.0 - slip, slip / 2, slip / 2], branches.shape)
    away = np.abs(place - np.array(goal)).sum(axis=1).astype(float)
    if discount < 1.0:
        away = (1.0 - discount**away) / (1.0 - discount)
    start = int(np.flatnonzero(~terminal)[0])
    return tabular(
        branches, reward=np.full(branches.shape, -1.0), probability=chance,
        terminal=terminal, starts=[start], bound=-away, place=place, discount=discount,
    )  # fmt: skip


def has_clean_way(
    problem: Problem, unwanted: Bool[ndarray, " state"]
) -> Bool[ndarray, " state"]:
    """From which states a way leads to an end without touching an unwanted one."""
    distance, _ = distances_of(problem, removed=unwanted)
    return np.isfinite(distance)


def traffic(problem: Problem) -> Float[ndarray, " state"]:
    """How much of the traffic of shortest ways passes a state, all states sending one.

    From each state one unit goes to the goal by shortest ways, divided equally among
    equally good moves. At least 1; large where the ways of many states join. This is
    betweenness with the goal as the only target.
    """
    distance, _ = distances_of(problem)
    order = np.argsort(-distance, kind="stable")
    return _traffic(problem.successor[:, :, 0], problem.allowed, distance, order)


def attraction(problem: Problem) -> Float[ndarray, " state"]:
    """How much of the traffic a state draws among those equally far from the goal.

    The share of them with less traffic, half of the equal ones counted, in (0, 1);
    1/2 where a state has no rival. Traffic itself grows towards the goal: a coupling to
    it would wall the goal in and speak of nearness, not of what an optimiser prefers.
    """
    distance, _ = distances_of(problem)
    load = traffic(problem)
    order = np.lexsort((load, distance))
    ring = np.cumsum(np.r_[True, np.diff(distance[order]) > 0.0]) - 1
    block = np.cumsum(
        np.r_[True, (np.diff(distance[order]) > 0.0) | (np.diff(load[order]) > 0.0)]
    )  # equally far, equally loaded
    position = np.arange(order.size)
    ring_size = np.bincount(ring)
    ring_start = np.cumsum(ring_size) - ring_size
    mean_position = np.bincount(block, position) / np.maximum(np.bincount(block), 1)
    share = np.empty(order.size)
    share[order] = (mean_position[block] - ring_start[ring] + 0.5) / ring_size[ring]
    return share


@compiled
@no_type_check
def _traffic(successor, allowed, distance, order):
    load = np.ones(distance.size)
    for s in order:
        near = 0
        for a in range(allowed.shape[1]):
            if allowed[s, a] and distance[successor[s, a]] < distance[s]:
                near += 1
        for a in range(allowed.shape[1]):
            if allowed[s, a] and distance[successor[s, a]] < distance[s]:
                load[successor[s, a]] += load[s] / near
    return load


def pick_queries(
    problem: Problem,
    clean: Bool[ndarray, " state"],
    *,
    count: int | None,
    size: int,
    seed: int,
) -> Int[ndarray, " query"]:
    """The first `count` clean states in an order that the seed and the cells fix."""
    able = np.flatnonzero(clean)
    if count is None:
        return able
    if count > able.size:
        raise ValueError(
            f"`queries` is {count}, and the map has {able.size} cells to start from; "
            "ask for fewer, or take all by None"
        )
    rank = stream(seed, "queries").random((size, size))
    place = problem.place[able]
    return able[np.argsort(rank[place[:, 0], place[:, 1]], kind="stable")[:count]]


__all__ = [
    "MOVES",
    "Map",
    "attraction",
    "grid_map",
    "has_clean_way",
    "pick_queries",
    "traffic",
]
