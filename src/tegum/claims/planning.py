"""How many seeds would decide a claim, judged by those there are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tegum.claims.claim import Part
from tegum.claims.paired import Sample
from tegum.statistics import seeds_needed, seeds_needed_for_share


def fewest_to_decide(
    parts: Sequence[Part], samples: Sequence[Sample], *, level: float, power: float
) -> int | None:
    """About how many seeds would decide a claim, one way or the other.

    Supported needs every part inside its region, with the chances of failing added up;
    refuted needs one part outside. The smaller of the two. None where the data lie at
    an edge of both, or where an arm without rows keeps the claim undecided.
    """
    share = 1.0 - (1.0 - power) / len(parts)
    inside: list[int | None] = []
    outside: list[int | None] = []
    for part, sample in zip(parts, samples, strict=True):
        if sample.empty_cells or sample.broken or np.isnan(sample.values).all():
            inside.append(None)
            continue
        within, without = part.region.intervals, part.region.gaps()
        inside.append(_fewest(part, sample, within, level=level, power=share))
        without = [_open(low, high) for low, high in without]
        outside.append(_fewest(part, sample, without, level=level, power=power))
    ways = [n for n in outside if n is not None]
    supporting = [n for n in inside if n is not None]
    if len(supporting) == len(parts):
        ways.append(max(supporting))
    return min(ways, default=None)


def _fewest(
    part: Part,
    sample: Sample,
    intervals: Sequence[tuple[float, float]],
    *,
    level: float,
    power: float,
) -> int | None:
    """The fewest seeds with which the interval is likely to fit into one of several."""
    least, most = sample.declared_range
    found = []
    for low, high in intervals:
        if part.estimand.kind == "proportion":
            inside = int(sample.inside(part.estimand.region).sum())
            there = int((~np.isnan(sample.values)).sum())
            needed = seeds_needed_for_share(
                inside, there, low=low, high=high, level=level, power=power
            )
        else:
            needed = seeds_needed(
                sample.values,
                low=low if low > least else -math.inf,
                high=high if high < most else math.inf,
                level=level,
                power=power,
            )
        found.append(needed)
    return min((n for n in found if n is not None), default=None)


def _open(low: float, high: float) -> tuple[float, float]:
    """The largest closed interval of floats within an open one."""
    return (
        low if math.isinf(low) else math.nextafter(low, math.inf),
        high if math.isinf(high) else math.nextafter(high, -math.inf),
    )
