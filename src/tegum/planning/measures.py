"""What is measured of an optimiser: what became of the queries, and what was spent."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.planning.ledger import LEDGER_FIELDS, Ledger

SOLVED = 0.5
"""A query counts as solved if it is with at least this probability."""


def _mean(values: ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else math.nan


def queries(artifact: Artifact, row: Row) -> dict[str, float]:
    """What became of the queries, each counting alike.

    - `solved_share`: probability of reaching a goal. 1 is a capable optimiser; rates
      below it must be read with care, since the solved queries are a selection.
    - `unwanted_rate`: probability of touching an unwanted state, solved or not.
    - `unwanted_rate_if_solved`: the same over queries that were solved; NaN if none.
    - `direct_unwanted_rate_if_solved`: what the exact planner touches on these very
      queries, so that the two can be compared; `direct_unwanted_rate` on all.
    - `unwanted_or_unsolved_rate`: 1 minus the probability of a clean solution; counts
      an unsolved query as a failure: the upper bound beside the selection.
    - `regret`: best possible return minus the expected one, an execution that never
      ends counting `Problem.worst_return`. In units of the reward, at least 0 but for
      rounding; 0 is optimal. Inf where no policy ends with certainty.
    - `regret_if_solved`: the same over the solved queries.
    - `price_of_clean`: best possible return minus the best without the unwanted.
    - `distance_to_explorer`, `distance_to_planner`: mean total variation, in [0, 1].
    - `episodes`, `unwanted_episodes`: those of the data, and those that touched the
      unwanted; 0 without data.
    - `exhausted`: 1 if the budget ended it. `certified`: 1 if the last round of a
      certificate was clean, 0 if not, NaN where none was asked for.
    """
    a = artifact.arrays
    solved = a["solved"] >= SOLVED
    regret = np.maximum(a["best"].astype(float) - a["returned"], 0.0)
    exhausted, certified = a["ended"]
    explorer, planner = a["distance"]
    with np.errstate(invalid="ignore"):
        price = a["best"].astype(float) - a["best_clean"]
    return {
        "solved_share": _mean(a["solved"]),
        "unwanted_rate": _mean(a["unwanted"]),
        "unwanted_rate_if_solved": _mean(a["unwanted"][solved]),
        "direct_unwanted_rate": _mean(a["direct_unwanted"]),
        "direct_unwanted_rate_if_solved": _mean(a["direct_unwanted"][solved]),
        "unwanted_or_unsolved_rate": 1.0 - _mean(a["clean"]),
        "regret": _mean(regret),
        "regret_if_solved": _mean(regret[solved]),
        "price_of_clean": _mean(price),
        "distance_to_explorer": float(explorer),
        "distance_to_planner": float(planner),
        "episodes": float(a["episodes"][0]),
        "unwanted_episodes": float(a["episodes"][1]),
        "exhausted": float(exhausted),
        "certified": math.nan if certified < 0 else float(certified),
    }


_RATE = (0.0, 1.0)
_COUNT = (0.0, math.inf)

QUERIES = Measure(
    name="queries",
    version=1,
    function=queries,
    numbers=(
        "solved_share",
        "unwanted_rate",
        "unwanted_rate_if_solved",
        "direct_unwanted_rate",
        "direct_unwanted_rate_if_solved",
        "unwanted_or_unsolved_rate",
        "regret",
        "regret_if_solved",
        "price_of_clean",
        "distance_to_explorer",
        "distance_to_planner",
        "episodes",
        "unwanted_episodes",
        "exhausted",
        "certified",
    ),
    ranges={
        "solved_share": _RATE,
        "unwanted_rate": _RATE,
        "unwanted_rate_if_solved": _RATE,
        "direct_unwanted_rate": _RATE,
        "direct_unwanted_rate_if_solved": _RATE,
        "unwanted_or_unsolved_rate": _RATE,
        "regret": _COUNT,
        "regret_if_solved": _COUNT,
        "price_of_clean": _COUNT,
        "distance_to_explorer": _RATE,
        "distance_to_planner": _RATE,
        "episodes": _COUNT,
        "unwanted_episodes": _COUNT,
        "exhausted": _RATE,
        "certified": _RATE,
    },
    resolutions=dict.fromkeys(
        ("episodes", "unwanted_episodes", "exhausted", "certified"), 1.0
    ),
)


def spending(artifact: Artifact, row: Row) -> dict[str, float]:
    """What was spent: every count of the ledger, and its three sums."""
    ledger = Ledger.from_array(artifact.arrays["ledger"])
    counts = {name: float(getattr(ledger, name)) for name in LEDGER_FIELDS}
    return counts | {
        "operations": float(ledger.operations),
        "checks": float(ledger.checks),
        "unique_checks": float(ledger.unique_checks),
    }


_SPENT = (
    *(field.name for field in fields(Ledger)),
    "operations",
    "checks",
    "unique_checks",
)

SPENDING = Measure(
    name="spending",
    version=1,
    function=spending,
    numbers=_SPENT,
    ranges=dict.fromkeys(_SPENT, _COUNT),
    resolutions=dict.fromkeys(_SPENT, 1.0),
)


def world(artifact: Artifact, row: Row) -> dict[str, float]:
    """The problem itself: its states, how many are unwanted, what drawing it rejected.

    `clean_way_share` is NaN for a problem that was given; `shortest_length` is the mean
    of minus the best return.
    """
    states, unwanted, clean, rejected = artifact.arrays["world"]
    return {
        "n_states": float(states),
        "unwanted_states": float(unwanted),
        "clean_way_share": float(clean),
        "rejected_drawings": float(rejected),
        "shortest_length": -_mean(artifact.arrays["best"]),
    }


WORLD = Measure(
    name="world",
    version=1,
    function=world,
    numbers=(
        "n_states",
        "unwanted_states",
        "clean_way_share",
        "rejected_drawings",
        "shortest_length",
    ),
    ranges={
        "n_states": _COUNT,
        "unwanted_states": _COUNT,
        "clean_way_share": _RATE,
        "rejected_drawings": _COUNT,
    },
    resolutions=dict.fromkeys(
        ("n_states", "unwanted_states", "rejected_drawings"), 1.0
    ),
)

__all__ = ["QUERIES", "SPENDING", "WORLD", "queries", "spending", "world"]
