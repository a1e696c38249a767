"""The two sides of lazy pruning, made ready to be asked: a search, and what data show.

Making a side ready (its tables, its data, the values of all states) takes longer than
many a plan. Who has several things to ask of one problem makes it ready once; what it
then spends is counted as if each had been asked alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tegum.arrays import stream_key
from tegum.planning.compiled import counter
from tegum.planning.direct import require_certain
from tegum.planning.exact import (
    distances_of,
    level,
    tie_order,
    tied,
    untied,
    whole_steps,
)
from tegum.planning.experience import Data, Experience, gather, observed
from tegum.planning.lazy import Ground, certified, lazily
from tegum.planning.ledger import Ledger
from tegum.planning.oracle import Oracle
from tegum.planning.outcome import Execution, Outcome, one_hot, run
from tegum.planning.problem import Problem
from tegum.planning.shortest import (
    TIE,
    greedy_actions,
    touched_along,
    touched_at_random,
)

Ties = Literal["fixed", "random", "free"]
SPENT = ("unique_checks", "checks", "restarts", "operations", "way")
"""What is counted after each query, see `prune_lazily`."""


@dataclass(frozen=True)
class Side:
    """A planner that is ready: by search, or by the values of what data show.

    `seen` is the problem as the planner knows it. `ledger` is what making it ready has
    cost. `order` is that in which each state's actions are tried.
    """

    problem: Problem
    seen: Problem
    ground: Ground
    order: Int[ndarray, "state action"]
    ties: Ties
    seed: int
    ledger: Ledger
    distance: Float[ndarray, " state"] | None = None
    data: Data | None = None

    @property
    def name(self) -> str:
        """The side, as its streams are named."""
        return "search" if self.distance is None else "data"


def search_side(
    problem: Problem, *, seed: int, ties: Ties = "fixed", informed: bool = True
) -> Side:
    """A search ready to plan: A* by the problem's bound, or Dijkstra's.

    Raises:
        ValueError: a problem without certain, priced moves.
    """
    require_certain(problem, method="lazy pruning")
    estimate = np.maximum(-problem.bound, 0.0) * informed
    order = _order(problem, ties=ties, side="search", seed=seed)
    ground = Ground(
        *tied(problem, order), problem.terminal, estimate,
        whole_steps(problem, estimate), ties == "free",
    )  # fmt: skip
    return Side(problem, problem, ground, order, ties, seed, Ledger())


def data_side(
    problem: Problem, *, experience: Experience, seed: int, ties: Ties = "fixed"
) -> Side:
    """The learner that takes the argmax and learns for ever, its data gathered.

    Raises:
        ValueError: data whose moves are not certain and priced, a learner that does
            not tell states apart, or free ties, which a policy does not have.
    """
    require_certain(problem, method="lazy pruning")
    if ties == "free":
        raise ValueError(
            "`ties` is 'free', which decides them anew for every plan; a policy takes "
            "the same action whenever it comes by: use 'fixed' or 'random'"
        )
    data = gather(problem, experience, seed=seed)
    seen, _ = observed(problem, data, memory=experience.memory)
    if seen.n_states != problem.n_states:
        raise ValueError(
            "pruning by state takes states away, and a learner without memory does "
            "not tell them apart; give it memory, or filter trajectories by "
            "`kept='clean'`"
        )
    require_certain(seen, method="lazy pruning")
    distance, settled = distances_of(seen)
    order = _order(seen, ties=ties, side="data", seed=seed)
    ground = Ground(
        *tied(seen, order), seen.terminal, np.zeros(seen.n_states), False, False
    )
    ledger = data.ledger + Ledger(backups=settled, retrainings=1)
    return Side(problem, seen, ground, order, ties, seed, ledger, distance, data)


def learned_without(side: Side, gone: Bool[ndarray, " state"]) -> Outcome:
    """What the learner does to whom nothing is shown of some states, once for all."""
    assert side.data is not None
    problem = side.problem
    distance, settled = distances_of(side.seen, removed=gone)
    policy, execution = _greedy(side, problem, distance, gone)
    ledger = side.data.ledger + Ledger(backups=settled, retrainings=1)
    return _shown(Outcome(policy, execution, ledger), side, times=None)


def prune_lazily(
    side: Side, oracle: Oracle, *, starts: Int[ndarray, " query"], budget: int,
    remembers: bool = True,
) -> tuple[Outcome, Int[ndarray, "query count"]]:  # fmt: skip
    """Plan queries one after the other, each until the oracle finds its way clean.

    Returns what came of it and, after each query, what had been spent by then: see
    `SPENT`; the last column is the number of states on that query's way, 0 without one.
    A search that does not remember begins each query anew, and counts an item that two
    queries ask about twice.
    """
    problem, by_search = side.problem, side.distance is None
    left = max(budget - side.ledger.operations, 0)
    distance = np.zeros(1) if side.distance is None else side.distance.copy()
    column, gone, asked, times, after = lazily(
        side.ground, by_search, remembers, distance, np.array(starts),
        np.array(oracle.says), counter(side.seed, f"ties {side.name}"), left,
    )  # fmt: skip
    unique, raw, replans, spent, _ = after[-1].tolist()
    checks = Ledger(state_checks=raw, unique_state_checks=unique)
    if starts is not problem.starts:
        problem = replace(problem, starts=starts)
    if by_search:
        policy = one_hot(untied(column, side.order), n_actions=problem.n_actions)
        execution = run(problem, policy)
        ledger = checks + Ledger(expansions=spent, replans=replans)
    else:
        policy, execution = _greedy(side, problem, distance, gone)
        ledger = side.ledger + checks + Ledger(backups=spent, retrainings=replans)
    outcome = Outcome(policy, execution, ledger, exhausted=spent >= left, asked=asked)
    after[:, 3] += side.ledger.operations
    return _shown(outcome, side, times=times), after


def certify(
    side: Side, oracle: Oracle, *, epsilon: float, delta: float, budget: int
) -> Outcome:
    """Inspect passes of random queries until few enough can be unwanted.

    A search whose ties are not fixed draws queries of its own. What it would do for any
    query, given what it was refused, is worked out afterwards, at no charge: its ways
    are the shortest ones that are left, under free ties each move as likely.
    """
    problem, by_search = side.problem, side.distance is None
    left = max(budget - side.ledger.operations, 0)
    distance = np.zeros(1) if side.distance is None else side.distance.copy()
    own = " search" if by_search and side.ties != "fixed" else ""
    gone, asked, times, raw, rounds, spent, passes, clean = certified(
        side.ground, by_search, distance, np.array(problem.starts),
        np.array(oracle.says), epsilon, delta,
        counter(side.seed, f"certificate{own}"),
        counter(side.seed, f"ties {side.name}"), left,
    )  # fmt: skip
    ledger = side.ledger + Ledger(
        state_checks=raw, unique_state_checks=asked.size, rollout_checks=passes
    )
    if by_search:
        distance, _ = distances_of(problem, removed=gone)
        ledger += Ledger(expansions=spent, replans=rounds - 1)
    else:
        ledger += Ledger(backups=spent, retrainings=rounds - 1)
    if side.ground.free:
        policy, execution = _at_random(side, distance, gone)
    else:
        policy, execution = _greedy(side, problem, distance, gone)
    outcome = Outcome(
        policy, execution, ledger, exhausted=spent >= left, asked=asked,
        certified=bool(clean),
    )  # fmt: skip
    return _shown(outcome, side, times=times)


def _shown(outcome: Outcome, side: Side, *, times: ndarray | None) -> Outcome:
    """With what a board shows: what was expanded, or what the data hold."""
    if side.data is None:
        return replace(outcome, expanded=times)
    touched = side.data.touched
    return replace(
        outcome,
        covered=np.ceil(side.data.visits.sum(axis=2)).astype(np.int64),
        behaviour=side.data.behaviour,
        episodes=(touched.size, int(touched.sum())),
    )


def _greedy(
    side: Side, problem: Problem, distance: ndarray, gone: ndarray
) -> tuple[Float[ndarray, "state action"], Execution]:
    """The policy that follows values, and what becomes of its queries.

    Where all moves cost 1 the lengths of its ways are known, and need not be walked.
    """
    column = greedy_actions(*side.ground[:2], distance, gone)
    policy = one_hot(untied(column, side.order), n_actions=problem.n_actions)
    if not level(problem):
        return policy, run(problem, policy)
    touched = touched_along(side.ground[0], column, distance, problem.unwanted)
    return policy, _arrived(problem, distance, touched.astype(float))


def _arrived(problem: Problem, distance: ndarray, touched: ndarray) -> Execution:
    """What becomes of queries whose ways are the shortest that are left, if any."""
    at = problem.starts
    solved = np.isfinite(distance[at]).astype(float)
    return Execution(
        solved=solved, unwanted=touched[at], clean=solved * (1.0 - touched[at]),
        returned=np.where(solved > 0.0, -distance[at], problem.worst_return),
    )  # fmt: skip


def _at_random(
    side: Side, distance: ndarray, gone: ndarray
) -> tuple[Float[ndarray, "state action"], Execution]:
    """Shortest ways whose ties chance decides: as a policy, and what becomes of it."""
    problem, (to, price) = side.problem, side.ground[:2]
    touched = touched_at_random(to, price, distance, gone, problem.unwanted)
    with np.errstate(invalid="ignore"):
        near = np.abs(price + distance[to] - distance[:, None]) < TIE
    near &= ~gone[to] & ~problem.terminal[:, None]
    policy = np.zeros(near.shape)
    np.put_along_axis(policy, side.order, near.astype(float), axis=1)
    policy /= np.maximum(policy.sum(axis=1, keepdims=True), 1.0)
    return policy, _arrived(problem, distance, touched)


def _order(problem: Problem, *, ties: Ties, side: str, seed: int) -> ndarray:
    """Ties as all optimisers decide them, or at random and otherwise on each side."""
    if ties == "random":
        return tie_order(problem, seed=stream_key(seed, f"ties {side}"))
    return tie_order(problem)


__all__ = [
    "SPENT",
    "Side",
    "Ties",
    "certify",
    "data_side",
    "learned_without",
    "prune_lazily",
    "search_side",
]
