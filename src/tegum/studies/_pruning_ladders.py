"""Ladders of maps: one of each size, and what pruning costs on every one of them.

An exponent is a property of many sizes, so that the unit is a whole ladder: the maps
that one seed draws, from the smallest to the largest. A row names the ladder and what
is done to it; all procedures run on the same maps, so that like is compared with like.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tegum.allowed import number
from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.parallel import each_row
from tegum.planning.factors import PRUNING_FACTORS, WORLD_FACTORS

SIZES = (8, 11, 16, 23, 32, 45, 64, 91, 128, 181)
"""Half-octaves; the last is held out of every fit."""
HELD_OUT = SIZES[-1]
ALONE = 8
"""Queries that are each asked on a map of which nothing is known yet."""
TOGETHER = (4, 16, 64, 256)
"""Queries asked one after the other; beyond them, every possible one."""
MATCHED = 16
"""Queries of the matched pair whose ties are broken at random, on either side anew."""
AUDITED = 0.9
"""Share of the states that an audit sees."""
FILTER_CHECKS, FILTER_WIDTH = 200, 0.05
"""Answers a filter is learned from, and how far along a side it generalises."""
SEARCHED = 64
"""The largest map on which search earns a certificate of its own: each pass of its
thousands is a plan from nothing."""
EPSILON, DELTA = 0.05, 0.05
CONTROLS = ("none", "labels shuffled", "oracle shuffled")
HISTORY_SIZES = (16, 32)
HISTORY_STEPS, HISTORY_EPISODE = 200, 16
"""Steps of exploration for each cell, in episodes so short that many are clean."""
LARGE = 10**12


def _sizes(value: Any) -> tuple[int, ...]:
    found = tuple(value) if isinstance(value, tuple | list) else ()
    whole = all(isinstance(n, int | float) and float(n).is_integer() for n in found)
    if not whole or len(found) < 5 or list(found) != sorted(set(found)):
        raise ValueError(
            f"`sizes` is {value!r}; it must be a tuple of five or more whole numbers, "
            "ascending: two are left out of every fit and the last is forecast"
        )
    return tuple(int(n) for n in found)


def _control(value: Any) -> str:
    if value not in CONTROLS:
        raise ValueError(
            f"`control` is {value!r}; it must be one of {', '.join(CONTROLS)}"
        )
    return value


_TAKEN = {factor.name: factor for factor in (*WORLD_FACTORS, *PRUNING_FACTORS)}
FACTORS = (
    Factor("sizes", "cells along each side of every map; the last is forecast", _sizes),
    *(_TAKEN[name] for name in ("wall_share", "unwanted_share", "coupling")),
    *(_TAKEN[name] for name in ("misses", "false_alarms")),
    Factor(
        "patch_share",
        "Gaussian radius, as a share of a side, by which unwanted cells lie together",
        number("patch_share", 0, 1, remedy="0 scatters them"),
        0.0,
    ),
    Factor("control", "whether labels or the oracle are shuffled", _control, "none"),
    _TAKEN["seed"],
)


def _together(row: Row) -> None:
    for name in ("misses", "false_alarms"):
        if row[name] and row["control"] != "none":
            raise ValueError(
                f"`{name}` is {row[name]:g} and `control` {row['control']!r}; a "
                "control has a perfect oracle: leave one of them out"
            )


@dataclass(frozen=True)
class PruningLadders:
    """What every procedure spends on the maps of a ladder; see `climbed`."""

    name: str = "pruning-ladders"
    law: int = 3

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        return FACTORS

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: an unknown, missing or impossible value, with the remedy.
        """
        rows = complete(design, self.factors)
        check_rows(rows, _together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """Climb the ladder of every row; None for those that `stop` cut short.

        Raises:
            RowsFailed: rows whose maps can not be drawn; the others are finished.
        """
        return each_row(
            rows,
            functools.partial(_climbed, stop=stop),
            workers=workers,
            progress=progress,
            stop=stop,
            failed="ladders could not be climbed",
        )

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row."""
        return 1.2e-5 * float((np.array(row["sizes"], dtype=float) ** 2).sum())

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is climbed and stored."""
        return 2**22 + 2000 * max(row["sizes"]) ** 2


def _climbed(row: Row, *, stop: Callable[[], bool]) -> Artifact | None:
    """What came of a row; the compiler is loaded with the first."""
    from tegum.studies._pruning_maps import climbed

    return climbed(row, stop)


__all__ = [
    "ALONE",
    "AUDITED",
    "CONTROLS",
    "DELTA",
    "EPSILON",
    "FACTORS",
    "FILTER_CHECKS",
    "FILTER_WIDTH",
    "HELD_OUT",
    "HISTORY_EPISODE",
    "HISTORY_SIZES",
    "HISTORY_STEPS",
    "LARGE",
    "MATCHED",
    "SEARCHED",
    "SIZES",
    "TOGETHER",
    "PruningLadders",
]
