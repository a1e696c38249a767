"""Checks of a factor's values, which say the value, the range and the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


def number(
    name: str,
    low: float,
    high: float,
    *,
    remedy: str,
    open_low: bool = False,
    open_high: bool = False,
) -> Callable[[Any], float]:
    """A check that a value is a number in a range, whose ends may be left out.

    >>> number("rate", 0, 1, remedy="0.5 is usual", open_high=True)(1.0)
    Traceback (most recent call last):
    ValueError: `rate` is 1.0; it must be a number in [0, 1); 0.5 is usual
    """
    left, right = "(" if open_low else "[", ")" if open_high else "]"

    def check(value: Any) -> float:
        inside = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (low < value if open_low else low <= value)
            and (value < high if open_high else value <= high)
        )
        if not inside:
            raise ValueError(
                f"`{name}` is {value!r}; it must be a number in "
                f"{left}{low:g}, {high:g}{right}; {remedy}"
            )
        return float(value)

    return check


def whole(name: str, low: int, high: float, *, remedy: str) -> Callable[[Any], int]:
    """A check that a value is a whole number from `low` to `high`."""

    def check(value: Any) -> int:
        fits = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and float(value).is_integer()
            and low <= value <= high
        )
        if not fits:
            raise ValueError(
                f"`{name}` is {value!r}; it must be a whole number from {low} to "
                f"{high:g}; {remedy}"
            )
        return int(value)

    return check


def one_of(name: str, choices: Sequence[str]) -> Callable[[Any], str]:
    """A check that a value is among some words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(
                f"`{name}` is {value!r}; it must be one of {', '.join(choices)}"
            )
        return value

    return check
