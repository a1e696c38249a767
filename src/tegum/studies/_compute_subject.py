"""Optimisers that are given so much compute and told what to spend it on.

A row names its compute, not its steps and updates: what can be compared is what was
spent. Compute is counted in operations (see `Ledger`): expansions, environment steps
and backups, each of which looks at one state or one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tegum.allowed import one_of
from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.measures.facts import Measure
from tegum.parallel import each_row
from tegum.planning import factors as planning

SPENT_ON = ("search", "fixed data", "new data", "best split")
FINENESS, MOST_HALVINGS = 2, 11
"""The best split is sought among shares 2^(-j/2) of the compute, from 1/2 to 2^-11."""


def _log2_compute(value: Any) -> int:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    if not whole or not float(value).is_integer() or not 2 <= value <= 30:
        raise ValueError(
            f"`log2_compute` is {value!r}; it must be a whole number from 2 to 30; 16 "
            "are 65,536 operations"
        )
    return int(value)


def _data_share(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.0 < value < 1.0:
        raise ValueError(
            f"`data_share` is {value!r}; it must be a number in (0, 1); 0.03125 spends "
            "one operation in 32 on a step and the others on updates"
        )
    return float(value)


OWN_FACTORS = (
    Factor("log2_compute", "operations to be spent, as a power of 2", _log2_compute),
    Factor(
        "spent_on",
        "what compute is spent on; best split tries many shares of steps",
        one_of("spent_on", SPENT_ON),
    ),
    Factor(
        "data_share",
        "share of the compute that Q-learning spends on steps, if on new data",
        _data_share,
        1 / 32,
    ),
    Factor(
        "labels",
        "of the actions in the data: true, or shuffled in each state as a control",
        one_of("labels", ("true", "shuffled")),
        "true",
    ),
)
DERIVED = ("budget", "updates")
"""Factors of planning that follow from the compute here."""


@dataclass(frozen=True)
class SpentCompute:
    """Decision problems, each solved with so much compute and no more.

    Columns are those of `PlanningProblems` but for budget and updates, and
    `log2_compute` C, `spent_on`, `data_share` and `labels`. A direct optimiser spends C
    on `search`. A learner spends on `fixed data`, `steps` of them, and the rest of C on
    updates; or on `new data`, where Q-learning walks a share of C and updates for the
    rest, and the others half of it, since they count each step once. `best split` is
    Q-learning on new data with whichever share did best. Every cell but the goal is a
    query if `queries` is None, unwanted or not: nothing here is kept from the unwanted.
    """

    name: str = "spent-compute"
    law: int = 3

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        kept = (f for f in planning.FACTORS if f.name not in DERIVED)
        return (*kept, *OWN_FACTORS)

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: an unknown, missing or impossible value, naming the row, the
                value, the range and the remedy.
        """
        rows = complete(design, self.factors)
        check_rows(rows, check_together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """What came of every row; None for those that `stop` cut short.

        Raises:
            RowsFailed: rows whose problem can not be drawn or does not suit their
                method; the others are finished.
        """
        return each_row(
            rows,
            _spent,
            workers=workers,
            progress=progress,
            stop=stop,
            failed="problems could not be solved as asked",
        )

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row."""
        runs = len(candidate_shares()) if row["spent_on"] == "best split" else 1
        exact = 1e-5 * row["size"] ** 2 * (1 if row["slip"] == 0.0 else 4)
        return 2e-3 + runs * (exact + 6e-8 * 2.0 ** row["log2_compute"])

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is solved and stored."""
        steps = 2 ** max(row["log2_compute"] - 1, 1)
        steps = row["steps"] if row["spent_on"] == "fixed data" else steps
        walked = row["method"] not in planning.DIRECT
        return 2**21 + 1000 * row["size"] ** 2 + 100 * steps * walked


def candidate_shares() -> list[float]:
    """The shares of compute that may be spent on steps, the largest first."""
    return [2.0 ** (-j / FINENESS) for j in range(FINENESS, FINENESS * MOST_HALVINGS)]


def check_together(row: Row) -> None:
    """Refuse what does not go together.

    Raises:
        ValueError: a method that does not spend on what the row says, or fixed data
            that cost more than the compute.
    """
    planning.check_together(row)
    method, spent_on, compute = row["method"], row["spent_on"], 2 ** row["log2_compute"]
    direct = method in planning.DIRECT
    if direct != (spent_on == "search"):
        fitting = "search" if direct else "fixed data or new data"
        raise ValueError(
            f"`spent_on` is {spent_on!r} and `method` {method!r}, which spends on "
            f"{fitting}; say so"
        )
    if spent_on == "best split" and method != "q_learning":
        raise ValueError(
            f"`spent_on` is 'best split' and `method` {method!r}, which has no updates "
            "to be chosen; use q_learning"
        )
    if spent_on == "fixed data" and row["steps"] >= compute:
        raise ValueError(
            f"`steps` is {row['steps']} of fixed data and the compute {compute}; "
            "gathering them is paid for as well: raise `log2_compute`"
        )
    if direct and row["labels"] != "true":
        raise ValueError(
            f"`labels` is {row['labels']!r} and `method` {method!r}, which learns from "
            "no data; leave it out"
        )


def _spent(row: Row) -> Artifact:
    """What came of a row; the compiler is loaded with the first."""
    from tegum.studies._compute_rows import spent

    return spent(row)


# --- what is measured ----------------------------------------------------------------


def reached(artifact: Artifact, row: Row) -> dict[str, float]:
    """How far compute brought an optimiser, and how far it could have.

    - `regret`: best possible return minus the expected one, the mean over every start;
      one that never ends counts `Problem.worst_return`. In steps; 0 is optimal.
    - `plateau`: the regret that more compute spent on the same would tend to, exactly.
      Of search 0. Of Q-learning on fixed data that of the best policy of the problem
      they show, in which a state that was never left ends; on new data that of the best
      policy within the explorer's support. Of cloning that of the posterior mean
      itself, and on new data the explorer's.
    - `above_plateau`: the difference; below 0 where chance did better than the limit.
    - `distance_to_optimal`: mean over states of the total variation from the nearest
      optimal policy, the probability of actions that are not optimal. In [0, 1]; having
      no idea is at distance 1.
    - `distance_to_behaviour`: the same from the policy that gathered the data, every
      state counting alike. NaN for search.
    - `solved_share`, `unwanted_rate`: means over starts of the probability of reaching
      the goal, and of touching an unwanted cell.
    - `operations`: what was spent.
    """
    a = {name: float(artifact.arrays[name][0]) for name in REACHED_NUMBERS[1:]}
    return {"above_plateau": a["regret"] - a["plateau"], **a}


REACHED_NUMBERS = (
    "above_plateau",
    "regret",
    "plateau",
    "distance_to_optimal",
    "distance_to_behaviour",
    "solved_share",
    "unwanted_rate",
    "operations",
)
_RATE, _COUNT = (0.0, 1.0), (0.0, math.inf)

REACHED = Measure(
    name="reached",
    version=1,
    function=reached,
    numbers=REACHED_NUMBERS,
    ranges={
        "above_plateau": (-math.inf, math.inf),
        "regret": (0.0, math.inf),
        "plateau": (0.0, math.inf),
        "distance_to_optimal": _RATE,
        "distance_to_behaviour": _RATE,
        "solved_share": _RATE,
        "unwanted_rate": _RATE,
        "operations": _COUNT,
    },
    resolutions={"operations": 1.0},
)


def split(artifact: Artifact, row: Row) -> dict[str, float]:
    """Which share of its compute Q-learning should have walked, in hindsight.

    - `log2_best_steps`: log2 of the number of steps with the least regret among shares
      2^(-j/2) of the compute, regrets of three neighbours averaged; the mean of the
      logarithms of those that tie. Its slope along `log2_compute` is the exponent a of
      N ~ C^a: 1 keeps the share, at 1/2 data and passes over them grow alike.
    - `best_at_edge`: 1 if the best share is the largest or smallest tried, else 0.

    NaN in rows that are no best split.
    """
    if row["spent_on"] != "best split":
        return {"log2_best_steps": math.nan, "best_at_edge": math.nan}
    best, edge = artifact.arrays["best_split"]
    return {"log2_best_steps": float(best), "best_at_edge": float(edge)}


SPLIT = Measure(
    name="split",
    version=1,
    function=split,
    numbers=("log2_best_steps", "best_at_edge"),
    ranges={"log2_best_steps": (0.0, 30.0), "best_at_edge": _RATE},
    resolutions={"best_at_edge": 1.0},
)

__all__ = [
    "OWN_FACTORS",
    "REACHED",
    "SPENT_ON",
    "SPLIT",
    "SpentCompute",
    "candidate_shares",
    "check_together",
    "reached",
    "split",
]
