"""Keeping an optimiser from unwanted states, on the side of its search or of its data.

Five procedures, each on either side, so that like is compared with like:

- `eager`: the oracle sees everything beforehand: each state of the model, each item of
  the data.
- `lazy`: it sees only what is proposed. The first unwanted state on a query's way is
  taken away, and what is left is planned (or learned) anew, until the way is clean.
- `audit`: it sees a random share of the states.
- `filter`: it sees a random few, and a classifier guesses the rest from them.
- `certify`: passes of a learned policy from random queries are inspected until few
  enough can be unwanted; on the side of data alone, since a search has no policy.

What is called unwanted is taken away: from a model every action that may enter it, from
data every transition into or out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tegum.arrays import stream, stream_key
from tegum.planning.compiled import counter
from tegum.planning.direct import require_budget, require_certain
from tegum.planning.exact import (
    distances_of,
    tie_order,
    tied,
    untied,
    whole_steps,
)
from tegum.planning.experience import Experience, gather, observed
from tegum.planning.lazy import certify_by_values, lazy_by_search, lazy_by_values
from tegum.planning.ledger import Ledger
from tegum.planning.oracle import Oracle
from tegum.planning.outcome import Outcome, one_hot, run
from tegum.planning.problem import Problem, without
from tegum.planning.shortest import greedy_actions

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
    and different on the two sides.

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
    ties: Literal["fixed", "random"] = "fixed"

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

    `optimiser(problem)` solves what eager, audit and filter leave of it; `lazy` does
    its own planning, by A* with all ties (`informed`) or Dijkstra's search.

    Raises:
        ValueError: `certify`, or `lazy` on a problem without certain, priced moves.
    """
    require_budget(budget)
    match pruning.procedure:
        case "none":
            return optimiser(problem)
        case "lazy":
            return _lazy_search(
                problem, oracle, pruning, seed=seed, budget=budget, informed=informed
            )
        case "certify":
            raise ValueError(
                "`certify` inspects passes of a learned policy, and a search has none; "
                "use `lazy`, which leaves nothing unwanted on any query's way"
            )
    every = np.arange(problem.n_states)
    asked = _inspected(problem, every, pruning, side="search", seed=seed)
    gone = _condemned(problem, oracle, asked, pruning, candidates=every)
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
        return _lazy_learning(
            problem, oracle, pruning, experience=experience, seed=seed, budget=budget
        )
    data = gather(problem, experience, seed=seed)
    seen = _states_in(problem, data.visits)
    asked = _inspected(problem, np.flatnonzero(seen), pruning, side="data", seed=seed)
    gone = _condemned(problem, oracle, asked, pruning, candidates=np.flatnonzero(seen))
    raw = asked.size
    if pruning.procedure == "eager":
        items = data.state.size or int((data.visits > 0.0).sum())
        raw = items + (np.unique(data.episode).size or problem.starts.size)
    already = experience.removed
    gone = gone if already is None else gone | already
    outcome = learner(problem, replace(experience, removed=gone))
    ledger = Ledger(state_checks=raw, unique_state_checks=asked.size)
    return replace(outcome, ledger=outcome.ledger + ledger, asked=asked)


def _states_in(
    problem: Problem, visits: Float[ndarray, "state action branch"]
) -> Bool[ndarray, " state"]:
    """The states that some transition of the data leaves or enters."""
    seen = np.zeros(problem.n_states, dtype=bool)
    seen[np.flatnonzero(visits.any(axis=(1, 2)))] = True
    seen[problem.successor[visits > 0.0]] = True
    return seen


def _inspected(
    problem: Problem, candidates: ndarray, pruning: Pruning, *, side: str, seed: int
) -> Int[ndarray, " item"]:
    """The states that the oracle is shown beforehand, in the order it sees them.

    Both sides draw from one order of all states, so that on equal support they are
    shown the same ones.
    """
    if pruning.procedure == "eager":
        return candidates
    rank = stream(seed, "inspection").random(problem.n_states)
    order = candidates[np.argsort(rank[candidates], kind="stable")]
    if pruning.procedure == "audit":
        return order[: round(pruning.share * order.size)]
    return order[: min(pruning.checks, order.size)]


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
    place = problem.place / max(float(problem.place.max()), 1.0)
    near = np.exp(
        -0.5
        * ((place[:, None, :] - place[asked][None, :, :]) ** 2).sum(axis=2)
        / width**2
    )
    base = float(answers.mean())
    return (near @ answers + base) / (near.sum(axis=1) + 1.0)


def _order(problem: Problem, pruning: Pruning, *, side: str, seed: int) -> ndarray:
    """Ties as all optimisers decide them, or at random and otherwise on each side."""
    if pruning.ties == "fixed":
        return tie_order(problem)
    return tie_order(problem, seed=stream_key(seed, f"ties {side}"))


def _lazy_search(
    problem: Problem, oracle: Oracle, pruning: Pruning, *, seed: int, budget: int,
    informed: bool,
) -> Outcome:  # fmt: skip
    require_certain(problem, method="lazy pruning")
    estimate = np.maximum(-problem.bound, 0.0) * informed
    order = _order(problem, pruning, side="search", seed=seed)
    column, _, asked, raw, replans, expansions, times = lazy_by_search(
        *tied(problem, order), problem.terminal, estimate,
        whole_steps(problem, estimate), problem.starts, oracle.says, int(budget),
    )  # fmt: skip
    policy = one_hot(untied(column, order), n_actions=problem.n_actions)
    ledger = Ledger(
        expansions=expansions, state_checks=raw, unique_state_checks=asked.size,
        replans=replans,
    )  # fmt: skip
    return Outcome(
        policy, run(problem, policy), ledger, exhausted=expansions >= budget,
        expanded=times, asked=asked,
    )  # fmt: skip


def _lazy_learning(
    problem: Problem, oracle: Oracle, pruning: Pruning, *, experience: Experience,
    seed: int, budget: int,
) -> Outcome:  # fmt: skip
    require_certain(problem, method=f"{pruning.procedure} pruning")
    data = gather(problem, experience, seed=seed)
    seen, lump = observed(problem, data, memory=experience.memory)
    if seen.n_states != problem.n_states:
        raise ValueError(
            f"`{pruning.procedure}` takes states away, and a learner without memory "
            "does not tell them apart; give it memory, or filter trajectories by "
            "`kept='clean'`"
        )
    require_certain(seen, method=f"{pruning.procedure} pruning")
    distance, settled = distances_of(seen)
    order = _order(seen, pruning, side="data", seed=seed)
    to, price = tied(seen, order)
    left = max(int(budget) - data.ledger.operations - settled, 0)
    certified, passes = None, 0
    if pruning.procedure == "lazy":
        distance, gone, _, asked, raw, rounds, backups = lazy_by_values(
            to, price, seen.terminal, distance, problem.starts,
            oracle.says, left,
        )  # fmt: skip
    else:
        distance, gone, asked, raw, rounds, backups, passes, certified = (
            certify_by_values(
                to, price, seen.terminal, distance, problem.starts,
                oracle.says, pruning.epsilon, pruning.delta,
                counter(seed, "certificate"), left,
            )
        )  # fmt: skip
    column = greedy_actions(to, price, distance, gone)
    policy = one_hot(untied(column, order), n_actions=problem.n_actions)[lump]
    ledger = data.ledger + Ledger(
        backups=settled + backups, state_checks=raw, unique_state_checks=asked.size,
        rollout_checks=passes, retrainings=1 + rounds,
    )  # fmt: skip
    return Outcome(
        policy, run(problem, policy), ledger, exhausted=backups >= left,
        asked=asked, certified=None if certified is None else bool(certified),
        covered=np.ceil(data.visits.sum(axis=2)).astype(np.int64),
        behaviour=data.behaviour,
        episodes=(data.touched.size, int(data.touched.sum())),
    )  # fmt: skip


__all__ = [
    "PROCEDURES",
    "Pruning",
    "pruned_learning",
    "pruned_search",
    "suspicion",
]
