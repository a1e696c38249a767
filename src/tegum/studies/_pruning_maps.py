"""Every procedure on every map of a ladder; loads the compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.planning.amortised import certainty_equivalent
from tegum.planning.direct import a_star
from tegum.planning.experience import Experience
from tegum.planning.histories import history_map
from tegum.planning.maps import (
    ATTEMPTS,
    LEAST_CLEAN,
    grid_map,
    has_clean_way,
    pick_queries,
)
from tegum.planning.oracle import Oracle, erring, shuffled
from tegum.planning.outcome import Outcome
from tegum.planning.problem import Problem, without
from tegum.planning.pruning import Pruning, pruned_search, taken_away
from tegum.planning.sides import (
    Side,
    certify,
    data_side,
    learned_without,
    prune_lazily,
    search_side,
)
from tegum.studies._pruning_ladders import (
    ALONE,
    AUDITED,
    DELTA,
    EPSILON,
    FILTER_CHECKS,
    FILTER_WIDTH,
    HELD_OUT,
    HISTORY_EPISODE,
    HISTORY_SIZES,
    HISTORY_STEPS,
    LARGE,
    MATCHED,
    SEARCHED,
    TOGETHER,
)

COMPLETE = Experience(complete=True)
HISTORY_RATES = 7
WALKED = 256
"""Queries whose ways are walked to see what a mistaken oracle let pass."""
SAMPLED = 64
"""Queries that a search answers after an audit, or past a filter."""


def climbed(row: Row, stop: Callable[[], bool]) -> Artifact | None:
    """What every procedure spent on every map of a ladder; None where it was stopped.

    Arrays have a size axis first; -1 where nothing was asked for. `states`, `rejected`,
    `length` (mean way of the queries asked alone, in steps). `alone` (size, query,
    count): checks, expansions, replans. `together` (size, queries, count): checks,
    backups and steps, retrainings, for 4, 16, 64, 256 and all. `matched` (size, side,
    count): checks, operations, restarts of 16 queries, search and then data, ties
    broken at random on either side. `eager` (size, count): items, states, operations
    of data's side, and the backups among them. `eager_search` (size, count): states
    and operations of search's side, which is shown every state and then plans 16
    queries by A*.
    `certificate` (size, side, count): checks, checks with repetitions, passes,
    restarts, operations; of data, then of search whose ties every plan decides anew.
    `left` (size, side): share of queries unwanted after each.
    `rates` (size, rate): unwanted before and after lazy pruning of all queries, and
    unsolved or unwanted, unsolved, and unsolved among those that the oracle lets start,
    after it. `audit`, `filter` (size, side, rate): unwanted and unsolved after either,
    data and then search. `passed` (size, count): states on ways that were walked, and
    unwanted ones among them, states that the oracle lets pass, and unwanted ones.
    `history` (size, rate): see `history_rates`; empty where it is not asked for.

    Raises:
        ValueError: a map that can not be drawn, with the remedy.
    """
    found: dict[str, list[Any]] = {}
    for size in row["sizes"]:
        if stop():
            return None
        last = size == max(row["sizes"])
        for name, value in measured_map(row, size=size, brief=last).items():
            found.setdefault(name, []).append(value)
    arrays = {name: np.array(values) for name, values in found.items()}
    arrays["sizes"] = np.array(row["sizes"])
    arrays["history"] = np.array(
        [history_rates(row, size=n) for n in history_sizes(row)], dtype=np.float64
    ).reshape(-1, HISTORY_RATES)
    return Artifact(arrays)


def history_sizes(row: Row) -> tuple[int, ...]:
    """The sizes at which history is asked about: none for controls or an erring oracle.

    They would say the same again, and so would patches or a coupling.
    """
    if not _plain(row) or row["coupling"] != 0.0:
        return ()
    return tuple(n for n in HISTORY_SIZES if n in row["sizes"])


def _plain(row: Row) -> bool:
    """Whether a row is no control, its oracle perfect, and its cells scattered."""
    return row["control"] == "none" and not (
        row["misses"] or row["false_alarms"] or row["patch_share"]
    )


def measured_map(row: Row, *, size: int, brief: bool) -> dict[str, Any]:
    """One map; `brief` leaves out what no forecast needs."""
    problem, oracle, rejected = drawn(row, size=size)
    seed, everyone = row["seed"], problem.starts
    searching = search_side(problem, seed=seed)
    learning = data_side(problem, experience=COMPLETE, seed=seed)

    _, single = prune_lazily(
        searching, oracle, starts=everyone[:ALONE], budget=LARGE, remembers=False
    )
    whole, after = prune_lazily(learning, oracle, starts=everyone, budget=LARGE)
    single = np.diff(single, axis=0, prepend=0)[:, [0, 3, 2]], single[:, 4] - 1
    together = np.full((len(TOGETHER) + 1, 3), -1)
    for place, queries in enumerate((*TOGETHER, everyone.size)):
        if queries <= everyone.size:
            together[place] = after[queries - 1, [0, 3, 2]]
    sides = [learning]
    if size <= SEARCHED and _plain(row) and row["coupling"] >= 0.0:
        sides.append(search_side(problem, seed=seed, ties="free"))
    certificate, left = certificates(sides, oracle)
    return {
        "states": problem.n_states,
        "rejected": rejected,
        "length": single[1].mean(),
        "alone": single[0],
        "together": together,
        "matched": np.full((2, 3), -1)
        if brief
        else matched(problem, oracle, seed=seed),
        **shown_everything(learning, oracle),
        "certificate": certificate,
        "left": left,
        "rates": rates(learning, oracle, whole),
        **partly_shown(learning, oracle, brief=brief),
        "passed": passed(problem, oracle, whole),
    }


def matched(problem: Problem, oracle: Oracle, *, seed: int) -> list[Any]:
    """What 16 queries cost search and data, ties broken at random on either side."""
    sides = (
        search_side(problem, seed=seed, ties="random"),
        data_side(problem, experience=COMPLETE, seed=seed, ties="random"),
    )
    some = problem.starts[:MATCHED]
    return [
        prune_lazily(side, oracle, starts=some, budget=LARGE)[1][-1, [0, 3, 2]]
        for side in sides
    ]


def certificates(
    sides: Sequence[Side], oracle: Oracle
) -> tuple[Int[ndarray, "side count"], Float[ndarray, " side"]]:
    """What certificates cost, and the share of queries that they left unwanted."""
    counts, left = np.full((2, 5), -1), np.full(2, -1.0)
    for place, side in enumerate(sides):
        found = certify(side, oracle, epsilon=EPSILON, delta=DELTA, budget=LARGE)
        ledger = found.ledger
        restarts = ledger.replans + max(ledger.retrainings - 1, 0)
        counts[place] = (
            ledger.unique_state_checks, ledger.state_checks, ledger.rollout_checks,
            restarts, ledger.operations,
        )  # fmt: skip
        left[place] = found.execution.unwanted.mean()
    return counts, left


def shown_everything(learning: Side, oracle: Oracle) -> dict[str, list[int]]:
    """What eager inspection costs: data shown item by item, and search by state."""
    ledger = learned_without(learning, oracle.says).ledger
    problem = learning.problem
    left = without(problem, oracle.says)
    searched = _search(replace(left, starts=problem.starts[:MATCHED])).ledger
    every = problem.n_states
    return {
        # One query is an item that data show as well.
        "eager": [
            ledger.environment_steps + 1, every, ledger.operations, ledger.backups,
        ],
        "eager_search": [every, searched.operations],
    }  # fmt: skip


def rates(learning: Side, oracle: Oracle, whole: Outcome) -> list[float]:
    """What lazy pruning of all queries leaves unwanted and unsolved; see `climbed`."""
    before = learned_without(learning, np.zeros_like(oracle.says)).execution
    execution, let = whole.execution, ~oracle.says[learning.problem.starts]
    return [
        before.unwanted.mean(),
        (execution.unwanted * execution.solved).mean(),
        1.0 - execution.clean.mean(),
        1.0 - execution.solved.mean(),
        1.0 - execution.solved[let].mean() if let.any() else 1.0,
    ]


def partly_shown(
    learning: Side, oracle: Oracle, *, brief: bool
) -> dict[str, Float[ndarray, "side rate"]]:
    """What is left on either side by an audit, and by a filter learned from a few."""
    found = {name: np.full((2, 2), -1.0) for name in ("audit", "filter")}
    if brief:
        return found
    problem = learning.problem
    some = replace(problem, starts=problem.starts[:SAMPLED])
    for name, pruning in (
        ("audit", Pruning("audit", share=AUDITED)),
        ("filter", Pruning("filter", checks=FILTER_CHECKS, width=FILTER_WIDTH)),
    ):
        gone, _ = taken_away(problem, oracle, pruning, seed=learning.seed)
        sides = (learned_without(learning, gone), _search(without(some, gone)))
        for place, side in enumerate(sides):
            execution = side.execution
            found[name][place] = (
                (execution.unwanted * execution.solved).mean(),
                1.0 - execution.solved.mean(),
            )
    return found


def _search(problem: Problem) -> Outcome:
    """What plans where pruning is over before; lazy search does its own planning."""
    return a_star(problem, seed=0, budget=LARGE)


def drawn(row: Row, *, size: int) -> tuple[Problem, Oracle, int]:
    """The map of a row and size, its oracle, and how many drawings were rejected.

    Queries stand in a random order. With shuffled labels other cells are unwanted than
    the ones that the coupling chose, as many, at random, and queries are again cells
    with a clean way. With a shuffled oracle the world stays as it is.
    """
    seed = row["seed"]
    found = grid_map(
        size=size, seed=seed, wall_share=row["wall_share"],
        unwanted_share=row["unwanted_share"], coupling=row["coupling"], queries=None,
        patch=row["patch_share"] * size,
    )  # fmt: skip
    problem = found.problem
    rejected = found.rejected
    clean = np.zeros(problem.n_states, dtype=bool)
    clean[problem.starts] = True
    if row["control"] == "labels shuffled":
        problem, clean, rejected = _relabelled(problem, seed=seed)
    starts = pick_queries(problem, clean, count=int(clean.sum()), size=size, seed=seed)
    problem = replace(problem, starts=starts)
    if row["control"] == "oracle shuffled":
        oracle = shuffled(problem, seed=seed)
    else:
        oracle = erring(
            problem, misses=row["misses"], false_alarms=row["false_alarms"], seed=seed
        )
    return problem, oracle, rejected


def _relabelled(
    problem: Problem, *, seed: int
) -> tuple[Problem, Bool[ndarray, " state"], int]:
    """The same number of unwanted cells elsewhere, kept by the rule of `grid_map`."""
    inner = np.flatnonzero(~problem.terminal)
    for attempt in range(ATTEMPTS):
        order = stream(seed, f"labels {attempt}").permutation(inner.size)
        marked = np.zeros(problem.n_states, dtype=bool)
        marked[inner] = problem.unwanted[inner][order]
        clean = has_clean_way(problem, marked) & ~problem.terminal
        if clean.sum() >= LEAST_CLEAN * (~marked[inner]).sum():
            return replace(problem, unwanted=marked), clean, attempt
    raise ValueError(
        f"no shuffling of {int(problem.unwanted.sum())} labels left half of the wanted "
        f"cells a clean way in {ATTEMPTS} drawings (seed {seed}); lower "
        "`unwanted_share`"
    )


def passed(problem: Problem, oracle: Oracle, outcome: Outcome) -> Int[ndarray, " 4"]:
    """States on ways that are walked and unwanted ones, states let pass and unwanted.

    If a way met the oracle's mistakes by chance, unwanted states would be as common on
    it as among all those that the oracle lets pass.
    """
    policy = outcome.policy
    assert policy is not None
    action = np.where(policy.any(axis=1), policy.argmax(axis=1), -1)
    at = problem.starts[:WALKED]
    at = at[outcome.execution.solved[:WALKED] > 0.5]
    steps, bad = 0, 0
    while at.size:
        at = problem.moves[at, action[at]]
        at = at[~problem.terminal[at]]
        steps += at.size
        bad += int(problem.unwanted[at].sum())
    free: Bool[ndarray, " state"] = ~oracle.says & ~problem.terminal
    return np.array([steps, bad, free.sum(), (problem.unwanted & free).sum()])


def history_rates(row: Row, *, size: int) -> Float[ndarray, " rate"]:
    """What pruning leaves where entering one kind of cell after another is unwanted.

    Rates over all queries, of solutions that are unwanted: of a learner without memory
    on all trajectories, on clean ones only, and on clean ones of four times as many
    steps; the share that the second solves; the rate and solved share of lazy search in
    the product, and the checks it needs for all queries as a share of its states.
    """
    seed = row["seed"]
    problem = history_map(
        size=size, seed=seed, wall_share=row["wall_share"],
        unwanted_share=row["unwanted_share"], coupling=row["coupling"],
        queries=None,
    ).problem  # fmt: skip
    states = problem.n_states // 3
    rates = []
    solved = 0.0
    every = Experience(
        HISTORY_STEPS * states, memory=False, episode_length=HISTORY_EPISODE
    )
    clean = replace(every, kept="clean")
    for experience in (every, clean, replace(clean, steps=4 * clean.steps)):
        execution = certainty_equivalent(
            problem, seed=seed, budget=LARGE, experience=experience
        ).execution
        rates.append(float((execution.unwanted * execution.solved).mean()))
        if experience is clean:
            solved = float(execution.solved.mean())
    some = problem.starts[stream(seed, "history").permutation(problem.starts.size)[:64]]
    lazy = pruned_search(
        replace(problem, starts=some), _search,
        oracle=erring(problem, misses=0.0, false_alarms=0.0, seed=seed),
        pruning=Pruning("lazy"), seed=seed, budget=LARGE,
    )  # fmt: skip
    execution = lazy.execution
    return np.array(
        [*rates, solved, execution.unwanted.mean(), execution.solved.mean(),
         lazy.ledger.unique_state_checks / problem.n_states]
    )  # fmt: skip


__all__ = ["HELD_OUT", "climbed", "drawn", "history_rates", "measured_map", "passed"]
