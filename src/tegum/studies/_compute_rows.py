"""What comes of so much compute. Loads the compiler; see `SpentCompute`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.planning import factors as planning
from tegum.planning.exact import Solution, action_values, first_best, solve
from tegum.planning.experience import Experience, behaviour, gather, observed
from tegum.planning.methods import draw_world, optimise
from tegum.planning.outcome import Execution, Outcome, one_hot, run
from tegum.planning.problem import Problem
from tegum.planning.subject import board
from tegum.studies._compute_subject import candidate_shares

SAME = 1e-6
"""Regrets and action values that differ by less are equal."""

EXPLORER = ("complete", "episode_length", "randomness", "leak", "reward_noise")
"""The factors of experience on which the explorer's policy depends, and steps not."""


def spent(row: Row) -> Artifact:
    """The artifact of one completed row: its numbers, and a board if it is kept.

    `candidate_steps` and `candidate_regret` hold every share that a best split tried.

    Raises:
        ValueError: what the generator, the method or the procedure refuses.
    """
    problem = asked_everywhere(row)
    exact = solve(problem)
    tried: list[tuple[int, Outcome, float]] = []
    for steps, compute in _plans(row):
        outcome = optimised(problem, row, steps=steps, compute=compute)
        tried.append((steps, outcome, regret_of(outcome.execution, exact, problem)))
    best = min(range(len(tried)), key=lambda k: tried[k][2])
    _, outcome, regret = tried[best]
    arrays = _numbers(problem, row, outcome, exact=exact)
    arrays["plateau"] = _plateau(problem, row, exact=exact, reached=regret)
    arrays = {name: np.array([value]) for name, value in arrays.items()}
    if row["spent_on"] == "best split":
        steps, regrets = (np.array([t[k] for t in tried]) for k in (0, 2))
        arrays |= {"candidate_steps": steps, "candidate_regret": regrets}
        arrays["best_split"] = np.array(best_split(steps, regrets))
    if row["keep"] == "board":
        arrays |= board(problem, outcome)
        arrays["probability"] = problem.probability
        if outcome.touched is not None:
            arrays["touched"] = outcome.touched
    return Artifact(arrays)


def asked_everywhere(row: Row) -> Problem:
    """The problem of a row; without a number of queries every cell is asked from."""
    problem = draw_world(row).problem
    if row["queries"] is None:
        problem = replace(problem, starts=np.flatnonzero(~problem.terminal))
    return problem


def _plans(row: Row) -> list[tuple[int, int]]:
    """The numbers of steps to walk, each with all the compute there is."""
    compute = 2 ** row["log2_compute"]
    if row["spent_on"] in ("search", "fixed data"):
        return [(row["steps"], compute)]
    if row["spent_on"] == "new data":
        share = row["data_share"] if row["method"] == "q_learning" else 0.5
        return [(max(int(compute * share), 1), compute)]
    return [(max(round(compute * s), 1), compute) for s in candidate_shares()]


def optimised(problem: Problem, row: Row, *, steps: int, compute: int) -> Outcome:
    """The outcome of a row's method, which walks so many steps of its compute.

    With shuffled labels it is given, in each state, every action under the name of
    another, and what it learned is carried out under the true names.
    """
    asked = {f.name: row[f.name] for f in planning.FACTORS if f.name in row}
    asked |= {"steps": steps, "budget": planning.UNLIMITED, "updates": 1}
    if row["spent_on"] == "search":
        asked["budget"] = compute
    elif row["method"] == "q_learning":
        asked["updates"] = max(compute - steps, 1)
    if row["labels"] == "true":
        return optimise(problem, asked)
    misled = optimise(relabelled(problem, seed=row["seed"]), asked)
    if misled.policy is None:
        return misled
    policy = _carried_out(problem, misled.policy)
    return replace(misled, policy=policy, execution=run(problem, policy))


def _carried_out(
    problem: Problem, policy: Float[ndarray, "state action"]
) -> Float[ndarray, "state action"]:
    """A policy that was learned under other names: what is not allowed is left out."""
    policy = np.where(problem.allowed, policy, 0.0)
    total = policy.sum(axis=1, keepdims=True)
    return policy / np.where(total > 0.0, total, 1.0)


def relabelled(problem: Problem, *, seed: int) -> Problem:
    """The same problem with the actions of each state under shuffled names."""
    draw = stream(seed, "labels").random(problem.allowed.shape)
    name = np.argsort(draw, axis=1)
    tables = {
        table: np.take_along_axis(getattr(problem, table), name[:, :, None], axis=1)
        for table in ("successor", "probability", "reward")
    }
    allowed = np.take_along_axis(problem.allowed, name, axis=1)
    return replace(problem, allowed=allowed, **tables)


def regret_of(execution: Execution, exact: Solution, problem: Problem) -> float:
    """Best possible return minus the expected one, the mean over starts."""
    lost = exact.value[problem.starts] - execution.returned
    return float(np.maximum(lost, 0.0).mean())


def best_split(steps: ndarray, regrets: ndarray) -> tuple[float, float]:
    """log2 of the steps with the least regret, and whether they are first or last.

    Regrets of three neighbouring shares are averaged first: one run is subject to
    chance. Where several tie, the mean of the logarithms.

    >>> best_split(np.array([32, 16, 8, 4, 2]), np.array([9.0, 0.0, 3.0, 6.0, 9.0]))
    (3.0, 0.0)
    """
    smooth, inner = np.convolve(regrets, np.full(3, 1 / 3), mode="valid"), steps[1:-1]
    least = smooth <= smooth.min() + SAME
    edge = bool(least[0] or least[-1])
    return float(np.log2(inner[least]).mean()), float(edge)


def _plateau(problem: Problem, row: Row, *, exact: Solution, reached: float) -> float:
    """What the regret would tend to, were there no end to the compute."""
    learned = row["method"] == "q_learning"
    if row["spent_on"] == "search":
        return 0.0
    if row["spent_on"] == "fixed data" and not learned:
        return reached
    if not learned:
        return regret_of(run(problem, _explorer(problem, row)), exact, problem)
    if row["spent_on"] == "fixed data":
        policy = _limit_of_updates(problem, row)
        return regret_of(run(problem, policy), exact, problem)
    limit = {**row, "method": "certainty_equivalent", "complete": True}
    found = optimised(problem, limit, steps=row["steps"], compute=planning.UNLIMITED)
    return regret_of(found.execution, exact, problem)


def _limit_of_updates(problem: Problem, row: Row) -> Float[ndarray, "state action"]:
    """The policy that updates without end make of a row's fixed data, exactly.

    The best one of the problem that the data show, in which a state that was entered
    and never left ends: Q-learning keeps its first value, 0, there.
    """
    given = problem
    if row["labels"] != "true":
        given = relabelled(problem, seed=row["seed"])
    seen_by = {name: row[name] for name in (*EXPLORER, "memory", "kept", "dose")}
    data = gather(given, Experience(row["steps"], **seen_by), seed=row["seed"])
    seen, lump = observed(given, data, memory=row["memory"])
    left = ~seen.allowed.any(axis=1) & ~seen.terminal
    ends = replace(
        seen,
        terminal=seen.terminal | left,
        starts=np.flatnonzero(~seen.terminal & ~left),
    )
    worth = action_values(ends, solve(ends).value)
    action = first_best(seen, worth)
    policy = one_hot(action, n_actions=problem.n_actions)[lump]
    return _carried_out(problem, policy)


def _explorer(problem: Problem, row: Row) -> Float[ndarray, "state action"]:
    return behaviour(problem, Experience(**{name: row[name] for name in EXPLORER}))


def _numbers(
    problem: Problem, row: Row, outcome: Outcome, *, exact: Solution
) -> dict[str, Any]:
    execution = outcome.execution
    optimal, behaved = np.nan, np.nan
    policy = outcome.policy
    if policy is not None:
        live = ~problem.terminal
        right = optimal_actions(problem, exact)
        optimal = float((1.0 - (policy * right).sum(axis=1))[live].mean())
        if outcome.behaviour is not None:
            explorer = _explorer(problem, row)
            behaved = float(total_variation(policy, explorer)[live].mean())
    return {
        "regret": regret_of(execution, exact, problem),
        "distance_to_optimal": optimal,
        "distance_to_behaviour": behaved,
        "solved_share": float(execution.solved.mean()),
        "unwanted_rate": float(execution.unwanted.mean()),
        "operations": float(outcome.ledger.operations),
    }


def optimal_actions(problem: Problem, exact: Solution) -> Bool[ndarray, "state action"]:
    """Which actions are optimal in each state: often several are."""
    worth = action_values(problem, exact.value)
    with np.errstate(invalid="ignore"):
        near = worth >= worth.max(axis=1, keepdims=True) - SAME
    return near & problem.allowed


def total_variation(
    policy: Float[ndarray, "state action"], other: Float[ndarray, "state action"]
) -> Float[ndarray, " state"]:
    """`1/2 sum_a |p(a) - q(a)|` in each state, doing nothing being an action too.

    In [0, 1]; a policy without an idea is at distance 1 from one that acts.
    """
    idle = policy.sum(axis=1) - other.sum(axis=1)
    return 0.5 * (np.abs(policy - other).sum(axis=1) + np.abs(idle))


__all__ = [
    "asked_everywhere",
    "best_split",
    "optimal_actions",
    "optimised",
    "regret_of",
    "relabelled",
    "spent",
    "total_variation",
]
