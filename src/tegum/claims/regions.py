"""Regions: the sets of values that a claim names beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.claims.given import one_line
from tegum.design import rounded


@dataclass(frozen=True)
class Region:
    """A union of closed intervals, named or not.

    The edges belong to the region: `below(0.9)` holds 0.9. Intervals that meet or
    overlap are joined, and all are kept in order. Make one with `below`, `above` or
    `between`; `|` joins two.

    Raises:
        ValueError: no interval, ends that are NaN or not in order, a single point
            (which no interval of data fits into), or a region that holds every number
            (a claim must be able to fail).
    """

    intervals: tuple[tuple[float, float], ...]
    name: str = ""

    def __post_init__(self) -> None:
        """Check the ends and join what meets."""
        if not self.intervals:
            raise ValueError("a region needs at least one interval; use below(0.9)")
        for end in (end for pair in self.intervals for end in pair):
            if isinstance(end, str):
                raise ValueError(f"a region has the end {end!r}; give a number")
        joined: list[tuple[float, float]] = []
        for low, high in sorted((float(a), float(b)) for a, b in self.intervals):
            if not low < high:
                raise ValueError(
                    f"a region has the interval [{low:g}, {high:g}]; the first end "
                    "must be below the second, as no interval of data fits into a point"
                )
            if joined and low <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        if joined == [(-math.inf, math.inf)]:
            raise ValueError(
                "a region holds every number, so that a claim could not fail; name a "
                "bound"
            )
        object.__setattr__(self, "intervals", tuple(joined))
        object.__setattr__(self, "name", one_line("name", self.name))

    def __or__(self, other: Region) -> Region:
        """Both regions together."""
        names = " or ".join(dict.fromkeys(n for n in (self.name, other.name) if n))
        return Region(self.intervals + other.intervals, names)

    def contains(self, low: float, high: float) -> bool:
        """Whether the whole of `[low, high]` lies in one of the intervals."""
        return any(a <= low and high <= b for a, b in self.intervals)

    def excludes(self, low: float, high: float) -> bool:
        """Whether no point of `[low, high]` lies in the region."""
        return all(high < a or low > b for a, b in self.intervals)

    def holds(self, values: Float[ndarray, "*value"]) -> Bool[ndarray, "*value"]:
        """For each value, whether it lies in the region; False for NaN."""
        values = np.asarray(values, dtype=np.float64)
        inside = np.zeros(values.shape, dtype=bool)
        for low, high in self.intervals:
            inside |= (low <= values) & (values <= high)
        return inside

    def overlaps(self, other: Region) -> bool:
        """Whether the two share more than edges."""
        return any(
            max(a, c) < min(b, d) for a, b in self.intervals for c, d in other.intervals
        )

    def gaps(self) -> tuple[tuple[float, float], ...]:
        """The open intervals outside the region, in order."""
        edges = [-math.inf, *(e for pair in self.intervals for e in pair), math.inf]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return tuple((low, high) for low, high in pairs if low < high)

    def describe(self) -> str:
        """The region in words: `at most 0.9`, `between -1 and 1`."""
        return ", or ".join(_in_words(low, high) for low, high in self.intervals)

    def to_record(self) -> dict[str, Any]:
        """The region for JSON; infinite ends as text."""
        return {
            "intervals": [[jsonable(a), jsonable(b)] for a, b in self.intervals],
            "name": self.name,
        }


def below(x: float, name: str = "") -> Region:
    """Every number up to x, x included."""
    return Region(((-math.inf, x),), name)


def above(x: float, name: str = "") -> Region:
    """Every number from x on, x included."""
    return Region(((x, math.inf),), name)


def between(a: float, b: float, name: str = "") -> Region:
    """Every number from a to b, both included."""
    return Region(((a, b),), name)


def jsonable(number: float) -> float | int | str:
    """A number for JSON, which has neither infinity nor NaN: those become text.

    Floats are kept to 12 significant digits, and whole ones become integers, so that
    `0` and `0.0` read alike.
    """
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return rounded(number, digits=12)


def plain(value: Any) -> Any:
    """A value as JSON holds it, with every float as `jsonable` has it.

    Raises:
        ValueError: something that JSON can not hold.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return jsonable(value)
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | range | np.ndarray):
        return [plain(entry) for entry in value]
    raise ValueError(
        f"{value!r} can not be registered; it must be a number, a text, a truth value, "
        "None, or a list or dictionary of these"
    )


def _in_words(low: float, high: float) -> str:
    if low == -math.inf:
        return f"at most {high:.12g}"
    if high == math.inf:
        return f"at least {low:.12g}"
    return f"between {low:.12g} and {high:.12g}"
