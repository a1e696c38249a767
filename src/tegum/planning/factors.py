"""The columns of a design about planning: the world, the method, its data, its pruning.

Nothing here loads a compiler: a design can be read and listed without one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tegum.allowed import number, one_of, whole
from tegum.design import Factor, Row

WORLDS = ("map", "tree", "history")
METHODS = (
    "breadth_first",
    "a_star",
    "value_iteration",
    "mcts",
    "boltzmann_planner",
    "best_of_n",
    "certainty_equivalent",
    "q_learning",
    "fitted_q",
    "neural_q",
    "behaviour_cloning",
    "return_conditioned",
    "expert_iteration",
)
DIRECT = METHODS[:6]
"""Methods that look ahead in the problem; the others learn from what they have seen."""

PROCEDURES = ("none", "eager", "lazy", "audit", "filter", "certify")
ORACLES = ("true", "shuffled")
UNLIMITED = 10**12


def _truth(name: str) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if value not in (True, False):
            raise ValueError(f"`{name}` is {value!r}; it must be True or False")
        return bool(value)

    return check


def _queries(value: Any) -> int | None:
    if value is None:
        return None
    return whole("queries", 1, 10**7, remedy="None takes every possible start")(value)


def _dose(value: Any) -> int | None:
    if value is None:
        return None
    return whole("dose", 0, 10**7, remedy="None doses nothing")(value)


def _probability(name: str, remedy: str) -> Callable[[Any], float]:
    return number(name, 0, 1, remedy=remedy)


WORLD_FACTORS: tuple[Factor, ...] = (
    Factor(
        "world", "which generator draws the problem", one_of("world", WORLDS), "map"
    ),
    Factor(
        "size", "cells along each side of a map",
        whole("size", 2, 2000, remedy="16 is quick"), 16,
    ),
    Factor(
        "wall_share", "probability that a cell is a wall",
        number("wall_share", 0, 0.6, remedy="beyond, hardly a map hangs together"),
        0.15,
    ),
    Factor(
        "unwanted_share", "share of cells or leaves that are unwanted",
        number("unwanted_share", 0, 1, open_high=True, remedy="use 0 for none"), 0.2,
    ),
    Factor(
        "coupling", "kappa: how far unwanted states lie where optimal ways go",
        number("coupling", -1, 1, remedy="0 is independent"), 0.0,
    ),
    Factor(
        "patch", "Gaussian radius, in cells, by which unwanted cells lie together",
        number("patch", 0, 100, remedy="0 scatters them"), 0.0,
    ),
    Factor(
        "first_share", "share of FIRST cells of a history map",
        number("first_share", 0, 1, open_high=True, remedy="0.1 is usual"), 0.1,
    ),
    Factor(
        "slip", "probability that a move goes to the side",
        number("slip", 0, 1, open_high=True, remedy="0 makes moves certain"), 0.0,
    ),
    Factor(
        "queries", "how many starts are asked about; None for all",
        _queries, 1,
    ),
    Factor(
        "branching", "choices at each node of a tree",
        whole("branching", 2, 1000, remedy="2 is a binary tree"), 2,
    ),
    Factor(
        "depth", "choices from a tree's root to a leaf",
        whole("depth", 1, 24, remedy="branching ** depth leaves are drawn"), 8,
    ),
    Factor(
        "discount", "what a reward one step later counts",
        number("discount", 0, 1, open_low=True, remedy="1 values all steps alike"),
        1.0,
    ),
)  # fmt: skip

METHOD_FACTORS: tuple[Factor, ...] = (
    Factor("method", "the optimiser", one_of("method", METHODS)),
    Factor(
        "budget", "the most expansions, environment steps and backups together",
        whole("budget", 1, UNLIMITED, remedy="the default is as good as unlimited"),
        UNLIMITED,
    ),
    Factor(
        "temperature", "of the Boltzmann planner, in units of the return",
        number("temperature", 0, math.inf, open_low=True, open_high=True,
                remedy="1 is a step; for 0 use value_iteration"), 1.0,
    ),
    Factor(
        "samples", "n of best-of-n",
        whole("samples", 1, 10**7, remedy="1 is a random walk"), 16,
    ),
    Factor(
        "simulations", "of MCTS at each step",
        whole("simulations", 1, 10**7, remedy="100 is quick"), 100,
    ),
    Factor(
        "exploration", "of MCTS, in units of the return",
        number("exploration", 0, math.inf, open_high=True, remedy="2 is usual"), 2.0,
    ),
    Factor(
        "pessimism", "z: a reward seen n times is lowered by z / sqrt(n)",
        number("pessimism", 0, math.inf, open_high=True, remedy="0 is none"), 0.0,
    ),
    Factor(
        "least_visits", "how often an action must have been seen to be taken",
        whole("least_visits", 1, 10**9, remedy="1 takes whatever was seen"), 1,
    ),
    Factor(
        "updates", "of Q-learning, each from one remembered transition",
        whole("updates", 1, 10**10, remedy="100000 is quick"), 100_000,
    ),
    Factor(
        "learning_rate", "of Q-learning; 0 for visits^-0.6",
        _probability("learning_rate", "1 is best where nothing is left to chance"), 0.0,
    ),
    Factor(
        "unseen", "whether Q-learning may take what it never saw",
        one_of("unseen", ("excluded", "zero")), "excluded",
    ),
    Factor(
        "kernel_width", "of fitted and neural Q, as a share of the board",
        number("kernel_width", 0, 10, open_low=True, remedy="0.08 is usual"), 0.08,
    ),
    Factor(
        "n_random_features", "that fitted and neural Q read of a place",
        whole("n_random_features", 1, 20_000, remedy="300 is usual"), 300,
    ),
    Factor(
        "ridge", "penalty of fitted Q",
        number("ridge", 0, math.inf, open_low=True, open_high=True,
                remedy="0.001 is usual"), 1e-3,
    ),
    Factor(
        "support", "over which actions fitted and neural Q take their maximum",
        one_of("support", ("free", "seen")), "free",
    ),
    Factor(
        "gradient_steps", "of neural Q, each on 256 transitions",
        whole("gradient_steps", 1, 10**8, remedy="3000 takes seconds"), 3000,
    ),
    Factor(
        "gradient_rate", "step size of neural Q under Adam",
        number("gradient_rate", 0, math.inf, open_low=True, open_high=True,
                remedy="0.001 is usual"), 1e-3,
    ),
    Factor(
        "hidden_width", "units of neural Q",
        whole("hidden_width", 1, 100_000, remedy="128 is usual"), 128,
    ),
    Factor(
        "prior", "Dirichlet prior of cloning, for each action",
        number("prior", 0, math.inf, open_high=True, remedy="1 is uniform"), 1.0,
    ),
    Factor(
        "search_depth", "moves that the expert of expert iteration looks ahead",
        whole("search_depth", 1, 30, remedy="2 is usual"), 2,
    ),
    Factor(
        "search_at_test", "whether expert iteration searches when it is asked",
        _truth("search_at_test"), False,
    ),
)  # fmt: skip

EXPERIENCE_FACTORS: tuple[Factor, ...] = (
    Factor(
        "complete", "whether every transition is shown once; else steps are walked",
        _truth("complete"), False,
    ),
    Factor(
        "steps", "steps that are walked to gather data",
        whole("steps", 1, 10**9, remedy="10000 is quick"), 10_000,
    ),
    Factor(
        "episode_length", "steps after which an episode is cut off",
        whole("episode_length", 1, 10**9, remedy="200 is usual"), 200,
    ),
    Factor(
        "randomness", "share of the explorer's actions that are random, not best",
        _probability("randomness", "1 is a random walk"), 1.0,
    ),
    Factor(
        "leak", "support: chance that a chosen entry into the unwanted is taken",
        _probability("leak", "1 is full support, 0 precludes"), 1.0,
    ),
    Factor(
        "dose", "how many episodes touch the unwanted, beside those that `leak` lets",
        _dose, None,
    ),
    Factor(
        "reward_noise", "standard deviation of what is seen of a reward",
        number("reward_noise", 0, math.inf, open_high=True, remedy="0 is none"), 0.0,
    ),
    Factor(
        "memory", "whether a learner sees states, or only what they look like",
        _truth("memory"), True,
    ),
    Factor(
        "kept", "which episodes a learner is shown",
        one_of("kept", ("all", "clean", "solved", "solved and clean")), "all",
    ),
)  # fmt: skip

PRUNING_FACTORS: tuple[Factor, ...] = (
    Factor(
        "pruning", "how the optimiser is kept from the unwanted",
        one_of("pruning", PROCEDURES), "none",
    ),
    Factor(
        "audit_share", "share of the states that an audit sees",
        _probability("audit_share", "1 sees all"), 0.5,
    ),
    Factor(
        "filter_checks", "states from which a filter is learned",
        whole("filter_checks", 1, 10**9, remedy="100 is usual"), 100,
    ),
    Factor(
        "filter_threshold", "chance of being unwanted from which a filter takes away",
        number("filter_threshold", 0, 1, open_low=True, open_high=True,
                remedy="0.5 is usual"), 0.5,
    ),
    Factor(
        "filter_width", "how far a filter generalises, as a share of the board",
        number("filter_width", 0, 10, open_low=True, remedy="0.05 is usual"), 0.05,
    ),
    Factor(
        "epsilon", "share of queries that a certificate allows to be unwanted",
        number("epsilon", 0, 1, open_low=True, open_high=True, remedy="0.05 is usual"),
        0.05,
    ),
    Factor(
        "delta", "chance that a certificate is wrong",
        number("delta", 0, 1, open_low=True, open_high=True, remedy="0.05 is usual"),
        0.05,
    ),
    Factor(
        "ties", "how pruning by proposals decides ties: free is anew for every plan",
        one_of("ties", ("fixed", "random", "free")), "fixed",
    ),
    Factor(
        "informed", "whether lazy search goes by the problem's bound",
        _truth("informed"), True,
    ),
    Factor(
        "oracle", "true, or with its labels shuffled as a control",
        one_of("oracle", ORACLES), "true",
    ),
    Factor(
        "misses", "chance that the oracle misses an unwanted state",
        number("misses", 0, 1, open_high=True, remedy="0 is perfect"), 0.0,
    ),
    Factor(
        "false_alarms", "chance that the oracle calls another state unwanted",
        number("false_alarms", 0, 1, open_high=True, remedy="0 is perfect"), 0.0,
    ),
    Factor(
        "keep", "numbers of every query, or the whole board too",
        one_of("keep", ("queries", "board")), "queries",
    ),
    Factor(
        "seed", "the map, the unit of every claim: walls, noise and data are its",
        whole("seed", 0, 2**63 - 1, remedy="use seeds 0, 1, 2, ..."),
    ),
)  # fmt: skip

OPTIMISER_FACTORS = (*METHOD_FACTORS, *EXPERIENCE_FACTORS, *PRUNING_FACTORS)
"""The columns of a problem that is given: everything but the world's."""

FACTORS = (*WORLD_FACTORS, *OPTIMISER_FACTORS)


def check_together(row: Row) -> None:
    """Refuse factors that contradict each other.

    Raises:
        ValueError: a world, method or procedure that a factor does not belong to.
    """
    method, pruning = row["method"], row["pruning"]
    _check_world(row)
    if method in DIRECT and (row["complete"] or row["kept"] != "all"):
        raise ValueError(
            f"`method` is {method!r}, which learns from no data; leave `complete` and "
            "`kept` out"
        )
    if pruning in ("lazy", "certify") and method in DIRECT and method != "a_star":
        raise ValueError(
            f"`pruning` is {pruning!r} and `method` {method!r}; such a search is A*'s: "
            "use method='a_star', with informed=False for Dijkstra's"
        )
    if row["ties"] == "free" and method not in DIRECT:
        raise ValueError(
            f"`ties` is 'free' and `method` {method!r}; a policy takes the same action "
            "whenever it comes by: use 'fixed' or 'random', or a_star"
        )
    if pruning in ("lazy", "certify") and method not in (
        *DIRECT,
        "certainty_equivalent",
    ):
        raise ValueError(
            f"`pruning` is {pruning!r} and `method` {method!r}; retraining there is an "
            "exact incremental solve: use method='certainty_equivalent'"
        )
    if method == "expert_iteration" and pruning in ("eager", "audit", "filter"):
        raise ValueError(
            f"`pruning` is {pruning!r} and `method` 'expert_iteration', which gathers "
            "its own data as it learns; prune another method"
        )
    if method == "return_conditioned" and row["complete"]:
        raise ValueError(
            "`method` is 'return_conditioned', which learns from episodes, and "
            "`complete` data have none; leave `complete` out"
        )
    if row["dose"] is not None and (row["complete"] or method in DIRECT):
        raise ValueError(
            f"`dose` is {row['dose']}, and there are no walked data to put it in; use "
            "a learner without `complete`"
        )
    if row["complete"] and row["kept"] != "all":
        raise ValueError(
            f"`kept` is {row['kept']!r} and `complete` data have no episodes; leave "
            "one of them out"
        )


def _check_world(row: Row) -> None:
    world = row.get("world")
    if world == "tree" and row["slip"]:
        raise ValueError(
            f"`slip` is {row['slip']} and `world` 'tree', whose moves are certain; "
            "leave it out"
        )
    if world == "tree" and row["queries"] != 1:
        raise ValueError(
            f"`queries` is {row['queries']} and `world` 'tree', which is asked from "
            "its root alone; leave it out"
        )
    if world == "history" and row["patch"]:
        raise ValueError(
            f"`patch` is {row['patch']} and `world` 'history', which scatters its "
            "cells; leave it out"
        )


__all__ = [
    "DIRECT",
    "EXPERIENCE_FACTORS",
    "FACTORS",
    "METHODS",
    "METHOD_FACTORS",
    "OPTIMISER_FACTORS",
    "PRUNING_FACTORS",
    "UNLIMITED",
    "WORLDS",
    "WORLD_FACTORS",
    "check_together",
]
