"""Every procedure on every map of a ladder; loads the compiler."""

from __future__ import annotations

from collections.abc import Callable
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
from tegum.planning.problem import Problem
from tegum.planning.pruning import Pruning, pruned_learning, pruned_search
from tegum.studies._pruning_ladders import (
    ALONE,
    DELTA,
    EPSILON,
    HELD_OUT,
    HISTORY_EPISODE,
    HISTORY_SIZES,
    HISTORY_STEPS,
    LARGE,
    MATCHED,
    SHARES,
    TOGETHER,
)

COMPLETE = Experience(complete=True)
HISTORY_RATES = 7
WALKED = 256
"""Queries whose ways are walked to see what a mistaken oracle let pass."""


def climbed(row: Row, stop: Callable[[], bool]) -> Artifact | None:
    """What every procedure spent on every map of a ladder; None where it was stopped.

    Arrays have a size axis first; -1 where nothing was asked for. `states`, `rejected`,
    `length` (mean shortest way of the queries asked alone). `alone` (size, query,
    count): checks, expansions, replans. `together` (size, queries, count): checks,
    backups and steps, retrainings, for 4, 16, 64, 256 and all. `matched` (size, side,
    count): checks, operations, restarts of 16 queries, search and then data, ties
    broken at random on either side. `eager` (size, count): items, states, operations
    of data's side, and the backups among them. `eager_search` (size, queries, count):
    states and operations of search's side, which is shown every state and then plans
    16 queries, or one, by A*.
    `certificate` (size, count): checks, passes, retrainings, operations.
    `rates` (size, rate): unwanted before, after lazy pruning of all queries, unsolved
    or unwanted after it, and after the certificate. `audit` (size, share): unwanted
    after an audit. `passed` (size, count): states on ways that were walked, and
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

    They would say the same again, and so would a reversed coupling.
    """
    if row["control"] != "none" or row["misses"] > 0.0 or row["coupling"] < 0.0:
        return ()
    return tuple(n for n in HISTORY_SIZES if n in row["sizes"])


def measured_map(row: Row, *, size: int, brief: bool) -> dict[str, Any]:
    """One map; `brief` leaves out what no forecast needs."""
    problem, oracle, rejected = drawn(row, size=size)
    everyone = problem.starts
    seed = row["seed"]

    def learn(starts: ndarray, pruning: Pruning) -> Outcome:
        return pruned_learning(
            replace(problem, starts=starts), _learner, experience=COMPLETE,
            oracle=oracle, pruning=pruning, seed=seed, budget=LARGE,
        )  # fmt: skip

    def search(starts: ndarray, pruning: Pruning) -> Outcome:
        return pruned_search(
            replace(problem, starts=starts), _search, oracle=oracle,
            pruning=pruning, seed=seed, budget=LARGE,
        )  # fmt: skip

    alone = [search(everyone[k : k + 1], Pruning("lazy")) for k in range(ALONE)]
    queries = [] if brief else [everyone[:q] for q in TOGETHER if q < everyone.size]
    asked = [learn(starts, Pruning("lazy")) for starts in queries]
    whole = learn(everyone, Pruning("lazy"))
    certified = learn(everyone, Pruning("certify", epsilon=EPSILON, delta=DELTA))
    eager = learn(everyone[:1], Pruning("eager"))
    before = _learner(problem, COMPLETE)
    counts = np.full((len(TOGETHER) + 1, 3), -1)
    for place, outcome in enumerate(asked):
        counts[place] = _spent(outcome)
    counts[-1] = _spent(whole)
    ledger = certified.ledger
    execution = whole.execution
    return {
        "states": problem.n_states,
        "rejected": rejected,
        "length": np.mean([_length(problem, one) for one in alone]),
        "alone": [_spent(outcome) for outcome in alone],
        "together": counts,
        "matched": np.full((2, 3), -1)
        if brief
        else [
            _spent(side(everyone[:MATCHED], Pruning("lazy", ties="random")))
            for side in (search, learn)
        ],
        "eager": [
            eager.ledger.state_checks,
            eager.ledger.unique_state_checks,
            eager.ledger.operations,
            eager.ledger.backups,
        ],
        "eager_search": [
            _spent(search(everyone[:q], Pruning("eager")))[:2] for q in (MATCHED, 1)
        ],
        "certificate": [
            ledger.unique_state_checks,
            ledger.rollout_checks,
            ledger.retrainings,
            ledger.operations,
        ],
        "rates": [
            before.execution.unwanted.mean(),
            (execution.unwanted * execution.solved).mean(),
            1.0 - execution.clean.mean(),
            certified.execution.unwanted.mean(),
        ],
        "audit": [-1.0] * len(SHARES)
        if brief
        else [
            learn(everyone, Pruning("audit", share=f)).execution.unwanted.mean()
            for f in SHARES
        ],
        "passed": passed(problem, oracle, whole),
    }


def _learner(problem: Problem, experience: Experience) -> Outcome:
    return certainty_equivalent(problem, seed=0, budget=LARGE, experience=experience)


def _search(problem: Problem) -> Outcome:
    """What plans where pruning is over before; lazy search does its own planning."""
    return a_star(problem, seed=0, budget=LARGE)


def _spent(outcome: Outcome) -> tuple[int, int, int]:
    """Different states checked, operations, and how often it started over."""
    ledger = outcome.ledger
    restarts = ledger.replans + max(ledger.retrainings - 1, 0)
    return ledger.unique_state_checks, ledger.operations, restarts


def _length(problem: Problem, outcome: Outcome) -> float:
    """Steps of the way that one query ends with."""
    return float(-outcome.execution.returned[0])


def drawn(row: Row, *, size: int) -> tuple[Problem, Oracle, int]:
    """The map of a row and size, its oracle, and how many drawings were rejected.

    Queries stand in a random order.

    With shuffled
    labels other cells are unwanted than the ones that the coupling chose,
    as many, at random, and queries are again cells with a clean way. With a shuffled
    oracle the world stays as it is.
    """
    seed = row["seed"]
    found = grid_map(
        size=size, seed=seed, wall_share=row["wall_share"],
        unwanted_share=row["unwanted_share"], coupling=row["coupling"], queries=None,
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
        oracle = erring(problem, misses=row["misses"], false_alarms=0.0, seed=seed)
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
