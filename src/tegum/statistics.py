"""Exact intervals for medians and shares, families of them, looks, and planning.

One number a seed comes in; what goes out holds for every law the seeds may follow.
Nothing here leans on a variance, a normal law or resampling.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import special

PLANNED_LOOK_SHARE = 0.8
"""The share of the error that the planned look spends; the rest is for further ones."""

_RANKED = 10_000  # ranks up to this many seeds are worked out at once
EVERYWHERE = (-math.inf, math.inf)
"""The interval of too little data, and the range of a quantity without bounds."""


class Interval(NamedTuple):
    """A closed interval; `(-inf, inf)` says that the data say nothing."""

    low: float
    high: float


class Look(NamedTuple):
    """A look at the data: which one, at how many seeds, and whether they are in."""

    number: int
    size: int
    due: bool


def median_interval(
    values: Float[ndarray, " seed"],
    *,
    level: float,
    resolution: float,
    declared_range: tuple[float, float] = EVERYWHERE,
) -> Interval:
    """Where the median over all seeds lies, given the values of some of them.

    `[x_(k), x_(n+1-k)]` of the n sorted values, with the largest k for which
    `2 P(Binomial(n, 1/2) < k) <= 1 - level`. It holds the median of the law with
    probability at least `level`, whatever the law: tails, ties and atoms included.

    A NaN is a missing value. It may lie anywhere in `declared_range`, so the lower end
    is taken with every missing value at the low end of the range and the upper end
    with every one at the high end. An interval narrower than `resolution` (all values
    equal, as a rule) is widened by it on both sides. The interval is `(-inf, inf)`
    where n is too small for the level.

    >>> median_interval(np.arange(10.0), level=0.95, resolution=0.01)
    Interval(low=1.0, high=8.0)

    With ten seeds, the second smallest and the second largest value bound the median
    at 95 %.

    Raises:
        ValueError: a level outside (0, 1), a resolution that is not above 0, or a value
            outside `declared_range` by more than `resolution`.

    Source: David and Nagaraja 2003, "Order Statistics", section 7.1.
    """
    _require_open("level", level, 0.95)
    if not 0.0 < resolution < math.inf:
        raise ValueError(
            f"resolution is {resolution}; it must be above 0 and finite: the smallest "
            "difference that the quantity can show"
        )
    values = np.asarray(values, dtype=np.float64)
    least, most = declared_range
    _require_inside(values, least, most, resolution)
    rank = order_statistic_rank(values.size, level=level)
    if rank == 0:
        return Interval(*EVERYWHERE)
    values = np.clip(values, least, most)
    missing = np.isnan(values)
    low = float(np.sort(np.where(missing, least, values))[rank - 1])
    high = float(np.sort(np.where(missing, most, values))[values.size - rank])
    if high - low < resolution or low == high:
        low = min(low - resolution, math.nextafter(low, -math.inf))
        high = max(high + resolution, math.nextafter(high, math.inf))
    return Interval(max(low, least), min(high, most))


@lru_cache(maxsize=65536)
def order_statistic_rank(n: int, *, level: float) -> int:
    """The k for which `[x_(k), x_(n+1-k)]` holds the median at the level; 0 if none.

    >>> order_statistic_rank(10, level=0.95)
    2
    """
    _require_open("level", level, 0.95)
    cumulative = special.bdtr(np.arange(n // 2), n, 0.5)
    return int((cumulative <= _tail(level)).sum())


def fewest_seeds(level: float) -> int:
    """The smallest number of seeds whose median has a bounded interval at the level.

    With n seeds the widest interval, from the smallest to the largest value, misses
    the median with probability `2^(1 - n)`.

    >>> fewest_seeds(0.95), fewest_seeds(1 - 0.05 / 60)
    (6, 12)
    """
    _require_open("level", level, 0.95)
    n = max(2, math.floor(-math.log2(1.0 - level)))
    while order_statistic_rank(n, level=level) == 0:
        n += 1
    return n


def clopper_pearson(successes: int, n: int, *, level: float) -> Interval:
    """Where a probability lies, given how often an event came in n seeds.

    The exact interval: each end is the probability at which what was seen, or more of
    it on that side, has probability `(1 - level) / 2`. In [0, 1]; `(-inf, inf)` where
    n is 0.

    >>> low, high = clopper_pearson(0, 10, level=0.95)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.308)

    An event that never came in ten seeds may still have a probability of 0.3.

    Raises:
        ValueError: a level outside (0, 1), or not `0 <= successes <= n`.

    Source: Clopper and Pearson 1934.
    """
    _require_open("level", level, 0.95)
    if not 0 <= successes <= n:
        raise ValueError(
            f"{successes} successes of {n}; the count must lie in [0, {n}]"
        )
    if n == 0:
        return Interval(*EVERYWHERE)
    tail = (1.0 - level) / 2.0
    failures = n - successes
    low = 0.0 if successes == 0 else special.betaincinv(successes, failures + 1, tail)
    high = (
        1.0 if failures == 0 else special.betaincinv(successes + 1, failures, 1 - tail)
    )
    return Interval(float(low), float(high))


def slopes(
    values: Float[ndarray, "*seed level"], *, at: Float[ndarray, " level"]
) -> Float[ndarray, "*seed"]:
    """How fast each row of values rises along `at`: the least-squares slope.

    `sum_j (a_j - mean a) y_j / sum_j (a_j - mean a)^2`, in units of the value per unit
    of `at`. NaN where a value is NaN.

    Raises:
        ValueError: fewer than two different places in `at`.
    """
    return np.asarray(values, dtype=np.float64) @ slope_weights(at)


def slope_weights(at: Float[ndarray, " level"]) -> Float[ndarray, " level"]:
    """The weights whose sum with the values is the least-squares slope.

    Raises:
        ValueError: fewer than two different places in `at`.
    """
    at = np.asarray(at, dtype=np.float64)
    if len(set(at.tolist())) < 2:
        raise ValueError(
            f"a slope needs two different levels, and there are {at.tolist()}; add "
            "levels to the design"
        )
    centred = at - at.mean()
    return centred / (centred**2).sum()


def simultaneous_level(alpha: float, *, parts: int) -> float:
    """The level at which each of a family's intervals must stand: `1 - alpha / parts`.

    All intervals together then miss with probability at most alpha, however the parts
    hang together (Bonferroni).

    Raises:
        ValueError: an alpha outside (0, 1), or no part.
    """
    _require_open("alpha", alpha, 0.05)
    if parts < 1:
        raise ValueError(f"a family of {parts} parts; it needs at least one")
    return 1.0 - alpha / parts


def extra_look_alpha(alpha: float, look: int) -> float:
    """The error that one look at a growing number of seeds may spend.

    Look 1 is the one at the planned seeds and spends 0.8 of alpha; every further look
    spends a fifth of the one before: 0.16, 0.032, ... All looks together spend alpha,
    however many there are and whatever made one look again.

    >>> [round(extra_look_alpha(0.05, look), 4) for look in (1, 2, 3)]
    [0.04, 0.008, 0.0016]

    Raises:
        ValueError: an alpha outside (0, 1), or a look below 1.
    """
    _require_open("alpha", alpha, 0.05)
    if look < 1:
        raise ValueError(f"look {look}; looks count from 1, the planned one")
    return alpha * PLANNED_LOOK_SHARE * (1.0 - PLANNED_LOOK_SHARE) ** (look - 1)


def look_at(seeds: int, *, planned: int) -> Look:
    """The look that a number of seeds stands for, or is on the way to.

    Look 1 is due at the planned seeds, and each further one at half as many again,
    rounded up. The sizes are fixed beforehand, because an interval at n seeds keeps
    its promise only where n was not chosen after a look at some of them.

    >>> [look_at(seeds, planned=20).size for seeds in (12, 20, 21, 31, 46)]
    [20, 20, 30, 45, 68]
    >>> look_at(30, planned=20)
    Look(number=2, size=30, due=True)

    Raises:
        ValueError: fewer than 0 seeds, or fewer than 1 planned.
    """
    if planned < 1 or seeds < 0:
        raise ValueError(
            f"{seeds} seeds of {planned} planned; the plan needs one or more"
        )
    number, size = 1, planned
    while size < seeds:
        number, size = number + 1, -(-size * 3 // 2)
    return Look(number, size, seeds == size)


def seeds_needed(
    pilot: Float[ndarray, " seed"],
    *,
    low: float,
    high: float,
    level: float,
    power: float,
    most: int = _RANKED,
) -> int | None:
    """The smallest number of seeds whose median interval is likely to lie in a region.

    The interval `[x_(k), x_(n+1-k)]` lies in `[low, high]` when fewer than k of n
    seeds fall below and fewer than k above. Each side's probability is taken from the
    pilot by Laplace's rule, `(count + 1) / (pilot seeds + 2)`, so that a small pilot
    promises little; the chance of either side failing is added up. A missing value
    (NaN) counts on both sides. None where the pilot lies at the edge: where half of
    it or more falls outside on one side, or more than `most` seeds would be needed.

    >>> seeds_needed(np.ones(10), low=0.0, high=np.inf, level=0.95, power=0.9)
    12

    Raises:
        ValueError: a level or power outside (0, 1), or an empty pilot.
    """
    _require_open("level", level, 0.95)
    _require_open("power", power, 0.8)
    pilot = np.asarray(pilot, dtype=np.float64)
    if pilot.size == 0:
        raise ValueError("the pilot has no seed; run a few, 5 or more, to plan from")
    missing = int(np.isnan(pilot).sum())
    below = _shrunken(int((pilot < low).sum()) + missing, pilot.size, low > -math.inf)
    above = _shrunken(int((pilot > high).sum()) + missing, pilot.size, high < math.inf)
    if max(below, above) >= 0.5:
        return None
    # Power grows with n, but for steps: hopeless at the end is hopeless before it.
    end = (max(1, most - 64), most)
    if not _powerful(*end, below, above, level=level, power=power).size:
        return None
    first = fewest_seeds(level)
    while True:
        last = min(most, 2 * first + 64)
        enough = _powerful(first, last, below, above, level=level, power=power)
        if enough.size:
            return int(enough[0])
        first = last + 1


def seeds_needed_for_share(
    successes: int,
    n: int,
    *,
    low: float,
    high: float,
    level: float,
    power: float,
    most: int = 2_000,
) -> int | None:
    """The smallest number of seeds whose exact interval for a share lies in a region.

    The share is taken from the pilot by Laplace's rule, `(successes + 1) / (n + 2)`.
    None where that lies outside `[low, high]`, or more than `most` would be needed.

    Raises:
        ValueError: a level or power outside (0, 1), or an empty pilot.
    """
    _require_open("level", level, 0.95)
    _require_open("power", power, 0.8)
    if n == 0:
        raise ValueError("the pilot has no seed; run a few, 5 or more, to plan from")
    share = (successes + 1) / (n + 2)
    if not low < share < high:
        return None
    for size in [most, *_grid(most)]:
        chance = _chance_of_fitting(size, share, low, high, tail=(1.0 - level) / 2.0)
        if size == most and chance < power:
            return None  # power grows with n
        if size < most and chance >= power:
            return size
    return most


def _chance_of_fitting(
    size: int, share: float, low: float, high: float, *, tail: float
) -> float:
    """P(the exact interval for a share lies in `[low, high]`), at a true share.

    The lower end is at least `low` where so many successes or more have probability
    `tail` at most at a share of `low`; the upper end mirrors it.
    """
    counts = np.arange(size + 1)
    fits = np.ones(size + 1, dtype=bool)
    if low > 0.0:
        fits &= special.bdtrc(counts - 1.0, size, low) <= tail
    if high < 1.0:
        fits &= special.bdtr(counts, size, high) <= tail
    inside = counts[fits]
    if inside.size == 0:
        return 0.0
    below = special.bdtr(inside[0] - 1, size, share) if inside[0] else 0.0
    return float(special.bdtr(inside[-1], size, share) - below)


@lru_cache(maxsize=64)
def _ranks(most: int, level: float) -> Int[ndarray, " size"]:
    """`order_statistic_rank` of every n from 0 to `most`, at once."""
    tail = _tail(level)
    n = np.arange(most + 1)
    guess = np.floor(n / 2 + special.ndtri(tail) * np.sqrt(n) / 2).astype(np.int64)
    rank = np.clip(guess + 4, 0, n // 2)
    while (wide := (rank > 0) & (special.bdtr(rank - 1, n, 0.5) > tail)).any():
        rank = rank - wide
    rank.flags.writeable = False
    return rank


def _powerful(
    first: int, last: int, below: float, above: float, *, level: float, power: float
) -> Int[ndarray, " size"]:
    """The sizes at which fewer than k seeds fall on either side with enough power."""
    n = np.arange(first, last + 1)
    rank = _ranks(max(last, _RANKED), level)[n]
    fails = special.bdtrc(rank - 1, n, below) + special.bdtrc(rank - 1, n, above)
    return n[(rank > 0) & (1.0 - fails >= power)]


def _tail(level: float) -> float:
    """The error that each end may have, a rounding error above it allowed."""
    return (1.0 - level) / 2.0 * (1.0 + 1e-12)


def _grid(most: int) -> list[int]:
    """Sizes to try, about two per cent apart."""
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(most, sizes[-1] + 1 + sizes[-1] // 50))
    return sizes


def _shrunken(count: int, n: int, possible: bool) -> float:
    return (count + 1) / (n + 2) if possible else 0.0


def _require_open(name: str, value: float, usual: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} is {value}; it must lie in (0, 1), as {usual} does")


def _require_inside(
    values: Float[ndarray, " seed"], least: float, most: float, resolution: float
) -> None:
    outside = (values < least - resolution) | (values > most + resolution)
    if outside.any():
        raise ValueError(
            f"a value is {values[outside][0]:g} and the declared range is "
            f"[{least:g}, {most:g}]; correct the range that the measure declares"
        )
