"""Every optimiser by its name, and how a row of a design becomes a call of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tegum.design import Row
from tegum.planning.amortised import (
    behaviour_cloning,
    certainty_equivalent,
    q_learning,
)
from tegum.planning.approximation import fitted_q
from tegum.planning.conditioned import return_conditioned
from tegum.planning.direct import (
    a_star,
    best_of_n,
    boltzmann_planner,
    breadth_first,
    value_iteration,
)
from tegum.planning.experience import Experience
from tegum.planning.histories import history_map
from tegum.planning.iteration import expert_iteration
from tegum.planning.maps import Map, grid_map
from tegum.planning.neural import neural_q
from tegum.planning.oracle import Oracle, erring, shuffled
from tegum.planning.outcome import Outcome
from tegum.planning.problem import Problem
from tegum.planning.pruning import Pruning, pruned_learning, pruned_search
from tegum.planning.tree_search import mcts
from tegum.planning.trees import tree

WORLDS_KEPT = 16
"""Rows of one seed share their world; drawing it once saves most of a quick row."""


@dataclass(frozen=True)
class Method:
    """An optimiser and which factors are its own: parameter name to factor name.

    `quadrant` says where it stands: direct or amortised, argmax or posterior.
    """

    run: Callable[..., Outcome]
    quadrant: tuple[str, str]
    parameters: Mapping[str, str]
    learns: bool = False


def _named(*names: str, **others: str) -> dict[str, str]:
    return {name: name for name in names} | others


METHODS: dict[str, Method] = {
    "breadth_first": Method(breadth_first, ("direct", "argmax"), {}),
    "a_star": Method(a_star, ("direct", "argmax"), {}),
    "value_iteration": Method(value_iteration, ("direct", "argmax"), {}),
    "mcts": Method(mcts, ("direct", "argmax"), _named("simulations", "exploration")),
    "boltzmann_planner": Method(
        boltzmann_planner, ("direct", "posterior"), _named("temperature")
    ),
    "best_of_n": Method(
        best_of_n, ("direct", "posterior"), _named("samples", "episode_length")
    ),
    "certainty_equivalent": Method(
        certainty_equivalent, ("amortised", "argmax"),
        _named("pessimism", "least_visits"), learns=True,
    ),
    "q_learning": Method(
        q_learning, ("amortised", "argmax"),
        _named("updates", "learning_rate", "unseen"), learns=True,
    ),
    "fitted_q": Method(
        fitted_q, ("amortised", "argmax"),
        _named("kernel_width", "ridge", "support", n_features="n_random_features"),
        learns=True,
    ),
    "neural_q": Method(
        neural_q, ("amortised", "argmax"),
        _named(
            "gradient_steps", "gradient_rate", "hidden_width", "kernel_width",
            "support", n_features="n_random_features",
        ),
        learns=True,
    ),
    "behaviour_cloning": Method(
        behaviour_cloning, ("amortised", "posterior"), _named("prior"), learns=True
    ),
    "return_conditioned": Method(
        return_conditioned, ("amortised", "posterior"), {}, learns=True
    ),
    "expert_iteration": Method(
        expert_iteration, ("amortised", "argmax"),
        _named(
            "steps", "episode_length", "search_depth", "randomness", "search_at_test"
        ),
    ),
}  # fmt: skip
"""What the `method` column of a design may say."""

EXPERIENCE = (
    "complete", "episode_length", "randomness", "leak", "dose", "reward_noise",
    "memory", "kept",
)  # fmt: skip


def draw_world(row: Row) -> Map:
    """The problem of a row, drawn from its world's factors and its seed.

    Raises:
        ValueError: what the generator refuses.
    """
    shared = {k: row[k] for k in ("seed", "unwanted_share", "coupling", "discount")}
    on_map = {k: row[k] for k in ("size", "wall_share", "slip", "queries")}
    match row["world"]:
        case "tree":
            own = {k: row[k] for k in ("branching", "depth")}
        case "history":
            own = on_map | {"first_share": row["first_share"]}
        case _:
            own = on_map | {"patch": row["patch"]}
    return _drawn(row["world"], tuple((shared | own).items()))


@lru_cache(maxsize=WORLDS_KEPT)
def _drawn(world: str, factors: tuple[tuple[str, Any], ...]) -> Map:
    given = dict(factors)
    match world:
        case "tree":
            return Map(tree(**given), 1.0, 0)
        case "history":
            return history_map(**given)
        case _:
            return grid_map(**given)


def oracle_of(problem: Problem, row: Row) -> Oracle:
    """The oracle of a row: with its error rates, and shuffled where it is a control."""
    seed = row["seed"]
    if row["oracle"] == "shuffled":
        return shuffled(problem, seed=seed)
    return erring(
        problem, misses=row["misses"], false_alarms=row["false_alarms"], seed=seed
    )


def optimise(problem: Problem, row: Row) -> Outcome:
    """Run the method of a row on a problem, pruned as the row says.

    Raises:
        ValueError: what the method or the procedure refuses, with the remedy.
    """
    method = METHODS[row["method"]]
    own = {name: row[factor] for name, factor in method.parameters.items()}
    common = {"seed": row["seed"], "budget": row["budget"]}
    pruning = Pruning(
        row["pruning"], share=row["audit_share"], checks=row["filter_checks"],
        threshold=row["filter_threshold"], width=row["filter_width"],
        epsilon=row["epsilon"], delta=row["delta"], ties=row["ties"],
    )  # fmt: skip
    oracle = oracle_of(problem, row)
    if not method.learns:
        return pruned_search(
            problem, lambda one: method.run(one, **common, **own), oracle=oracle,
            pruning=pruning, informed=row["informed"], **common,
        )  # fmt: skip
    experience = Experience(row["steps"], **{name: row[name] for name in EXPERIENCE})
    return pruned_learning(
        problem, lambda one, seen: method.run(one, experience=seen, **common, **own),
        experience=experience, oracle=oracle, pruning=pruning, **common,
    )  # fmt: skip


__all__ = ["METHODS", "Method", "draw_world", "optimise", "oracle_of"]
