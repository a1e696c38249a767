"""Keeping an optimiser from unwanted states, on the side of its search or of its data.

Five procedures, each on either side, so that like is compared with like:

- `eager`: the oracle sees everything beforehand: each state of the model, each item of
  the data.
- `lazy`: it sees only what is proposed. The first unwanted state on a query's way is
  taken away, and what is left is planned (or learned) anew, until the way is clean.
- `audit`: it sees a random share of the states.
- `filter`: it sees a random few, and a classifier guesses the rest from them.
- `certify`: random queries are planned and their ways inspected until few enough
  queries can be unwanted; the first unwanted state of a way is taken away, as in
  `lazy`, and what follows is planned without it.

What is called unwanted is taken away: from a model every action that may enter it, from
data every transition into or out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tegum.arrays import stream
from tegum.planning.direct import require_budget
from tegum.planning.experience import Experience, gather
from tegum.planning.ledger import Ledger
from tegum.planning.oracle import Oracle
from tegum.planning.outcome import Outcome
from tegum.planning.problem import Problem, without
from tegum.planning.sides import (
    Side,
    Ties,
    certify,
    data_side,
    prune_lazily,
    search_side,
)

PROCEDURES: tuple[str, ...] = ("none", "eager", "lazy", "audit", "filter", "certify")
Optimiser = Callable[[Problem], Outcome]
Learner = Callable[[Problem, Experience], Outcome]


@dataclass(frozen=True)
class Pruning:
    """Which procedure, and what it goes by.

    `share` of the states is audited; `checks` states teach the filter, which takes away
    what it holds unwanted with a chance above `threshold`; `epsilon` and `delta` are
    what `certify` promises: unless with chance `delta`, at most a share `epsilon` of
    the queries meets what the oracle calls unwanted. `ties` are `fixed`, or `random`
    and different on the two sides, or, of a search, `free`: decided anew for every
    plan. Unless they are fixed, a certificate of search draws queries of its own.

    Raises:
        ValueError: another procedure, or a number outside its range.
    """

    procedure: str = "none"
    _: KW_ONLY
    share: float = 0.5
    checks: int = 100
    threshold: float = 0.5
    width: float = 0.05
    epsilon: float = 0.05
    delta: float = 0.05
    ties: Ties = "fixed"

    def __post_init__(self) -> None:
        """Refuse what can not be done."""
        if self.procedure not in PROCEDURES:
            raise ValueError(
                f"`procedure` is {self.procedure!r}; it must be one of "
                f"{', '.join(PROCEDURES)}"
            )
        for name in ("epsilon", "delta"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(
                    f"`{name}` is {getattr(self, name)!r}; it must lie strictly "
                    "between 0 and 1; 0.05 is usual"
                )
        if not (0.0 <= self.share <= 1.0 and 0.0 < self.threshold < 1.0):
            raise ValueError(
                f"`share` is {self.share!r} and `threshold` {self.threshold!r}; they "
                "must lie in [0, 1] and (0, 1)"
            )
        if self.checks < 1 or not self.width > 0.0:
            raise ValueError(
                f"`checks` is {self.checks!r} and `width` {self.width!r}; the first "
                "must be at least 1, the second above 0"
            )


def pruned_search(
    problem: Problem, optimiser: Optimiser, *, oracle: Oracle, pruning: Pruning,
    seed: int, budget: int, informed: bool = True,
) -> Outcome:  # fmt: skip
    """Solve a problem by search, kept from what the oracle calls unwanted.

    `optimiser(problem)` solves what eager, audit and filter leave of it; `lazy` and
    `certify` do their own planning, by A* with all ties (`informed`) or Dijkstra's
    search.

    Raises:
        ValueError: `lazy` or `certify` on a problem without certain, priced moves.
    """
    require_budget(budget)
    if pruning.procedure == "none":
        return optimiser(problem)
    if pruning.procedure in ("lazy", "certify"):
        side = search_side(problem, seed=seed, ties=pruning.ties, informed=informed)
        return _asked(side, oracle, pruning, budget=budget)
    gone, asked = taken_away(problem, oracle, pruning, seed=seed)
    outcome = optimiser(without(problem, gone))
    ledger = Ledger(state_checks=asked.size, unique_state_checks=asked.size)
    return replace(outcome, ledger=outcome.ledger + ledger, asked=asked)


def pruned_learning(
    problem: Problem, learner: Learner, *, experience: Experience, oracle: Oracle,
    pruning: Pruning, seed: int, budget: int,
) -> Outcome:  # fmt: skip
    """Solve a problem by learning, kept from what the oracle calls unwanted.

    `learner(problem, experience)` learns from what eager, audit and filter leave of the
    data; `lazy` and `certify` are about the learner that takes the argmax and learns
    for ever, whose retraining is an exact incremental solve.

    Raises:
        ValueError: `lazy` or `certify` where moves are not certain and priced.
    """
    require_budget(budget)
    if pruning.procedure == "none":
        return learner(problem, experience)
    if pruning.procedure in ("lazy", "certify"):
        side = data_side(problem, experience=experience, seed=seed, ties=pruning.ties)
        return _asked(side, oracle, pruning, budget=budget)
    data = gather(problem, experience, seed=seed)
    seen = np.flatnonzero(_states_in(problem, data.visits))
    gone, asked = taken_away(problem, oracle, pruning, seed=seed, among=seen)
    raw = asked.size
    if pruning.procedure == "eager":
        items = data.state.size or int((data.visits > 0.0).sum())
        raw = items + (np.unique(data.episode).size or problem.starts.size)
    already = experience.removed
    gone = gone if already is None else gone | already
    outcome = learner(problem, replace(experience, removed=gone))
    ledger = Ledger(state_checks=raw, unique_state_checks=asked.size)
    return replace(outcome, ledger=outcome.ledger + ledger, asked=asked)


def _asked(side: Side, oracle: Oracle, pruning: Pruning, *, budget: int) -> Outcome:
    """What comes of asking the oracle only about what a side proposes."""
    if pruning.procedure == "certify":
        return certify(
            side, oracle, epsilon=pruning.epsilon, delta=pruning.delta, budget=budget
        )
    starts = side.problem.starts
    return prune_lazily(side, oracle, starts=starts, budget=budget)[0]


def _states_in(
    problem: Problem, visits: Float[ndarray, "state action branch"]
) -> Bool[ndarray, " state"]:
    """The states that some transition of the data leaves or enters."""
    seen = np.zeros(problem.n_states, dtype=bool)
    seen[np.flatnonzero(visits.any(axis=(1, 2)))] = True
    seen[problem.successor[visits > 0.0]] = True
    return seen


def taken_away(
    problem: Problem, oracle: Oracle, pruning: Pruning, *, seed: int,
    among: Int[ndarray, " candidate"] | None = None,
) -> tuple[Bool[ndarray, " state"], Int[ndarray, " item"]]:  # fmt: skip
    """What eager, audit and filter take away beforehand, and the states they ask about.

    The states asked about stand in the order in which the oracle sees them. `among`
    are those that the data show; without it, all. Both sides draw from one order of all
    states, so that on equal support the same are asked about, and the same taken away.
    """
    candidates = np.arange(problem.n_states) if among is None else among
    if pruning.procedure == "eager":
        asked = candidates
    else:
        rank = stream(seed, "inspection").random(problem.n_states)
        asked = candidates[np.argsort(rank[candidates], kind="stable")]
        if pruning.procedure == "audit":
            asked = asked[: round(pruning.share * asked.size)]
        else:
            asked = asked[: min(pruning.checks, asked.size)]
    return _condemned(problem, oracle, asked, pruning, candidates=candidates), asked


def _condemned(
    problem: Problem,
    oracle: Oracle,
    asked: ndarray,
    pruning: Pruning,
    *,
    candidates: ndarray,
) -> Bool[ndarray, " state"]:
    """What is taken away: what was seen to be unwanted, and what a filter suspects."""
    gone = np.zeros(problem.n_states, dtype=bool)
    gone[asked] = oracle.says[asked]
    if pruning.procedure == "filter":
        chance = suspicion(problem, asked, oracle.says[asked], width=pruning.width)
        suspected = chance[candidates] > pruning.threshold
        guessed = np.zeros(problem.n_states, dtype=bool)
        guessed[candidates] = suspected
        guessed[asked] = False
        guessed[problem.terminal & problem.goal] = False
        gone |= guessed
    return gone


def suspicion(
    problem: Problem,
    asked: Int[ndarray, " item"],
    answers: Bool[ndarray, " item"],
    *,
    width: float,
) -> Float[ndarray, " state"]:
    """The chance that a state is unwanted, guessed from answers about others near it.

    `(sum_j w_j y_j + base rate) / (sum_j w_j + 1)` with Gaussian weights of the
    distance on the board, `width` being a share of its longer side. Far from every
    answer it is the share of unwanted answers; so it is everywhere, nearly, where
    unwanted states lie without pattern: a filter must then stay silent.
    """
    places, seen = problem.place, problem.place[asked]
    scale = width * max(float(places.max()), 1.0)
    # A Gaussian of the distance is one along rows times one along columns.
    near = [
        np.exp(
            -0.5
            * ((np.arange(places[:, k].max() + 1)[:, None] - seen[:, k]) / scale) ** 2
        )
        for k in range(2)
    ]
    base = float(answers.mean())
    unwanted = (near[0] * answers) @ near[1].T
    every = near[0] @ near[1].T
    return ((unwanted + base) / (every + 1.0))[places[:, 0], places[:, 1]]


__all__ = [
    "PROCEDURES",
    "Pruning",
    "pruned_learning",
    "pruned_search",
    "suspicion",
    "taken_away",
]
