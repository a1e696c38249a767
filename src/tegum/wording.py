"""Numbers and lists as a reader meets them: on the page, in a notebook, in a table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

UNDEFINED = "undefined"
NOT_MEASURED = "not measured"
DIGITS_WRITTEN = 6
"""A number with more significant digits was computed, not written by hand."""
LEVELS_SHOWN = 12
"""How many levels of a factor are listed before the rest is counted."""


def value_label(value: Any) -> str:
    """A factor's value in a few words; a long tuple is cut after four numbers."""
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        shown = ", ".join(plain(v) for v in value[:4])
        more = f", … ({len(value)} values)" if len(value) > 4 else ""
        return f"({shown}{more})"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return plain(value)


def plain(value: float) -> str:
    """A factor's number as it was written, unless nobody writes so many digits.

    >>> plain(0.9375), plain(10 ** -0.6), plain(16384)
    ('0.9375', '0.2512', '16384')
    """
    text = f"{value:.10g}" if abs(value) < 1e7 else f"{value:.4g}"
    digits = len(text.partition("e")[0].replace(".", "").lstrip("-0"))
    if digits > DIGITS_WRITTEN and not float(value).is_integer():
        text = f"{value:.4g}"
    return text.replace("-", "−")


def shortened(text: str, most: int) -> str:
    """A text, or its beginning and how long it is.

    >>> shortened("abcdef", 3)
    'abc… (6 characters)'
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def written(value: float | None, *, digits: int = 4) -> str:
    """A measured number to so many digits; undefined and not measured say so."""
    if value is None:
        return NOT_MEASURED
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}".replace("-", "−")


def interval_text(low: float, high: float, *, digits: int = 3) -> str:
    """A closed interval, `[low, high]`."""
    return f"[{written(low, digits=digits)}, {written(high, digits=digits)}]"


def typeset(text: str) -> str:
    """A text with minus signs where it has hyphens before numbers."""
    return re.sub(r"(?<![\w\-.])-(?=[\d.])", "−", text)


def listed(words: Sequence[str]) -> str:
    """One or more words as a sentence lists them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def levels_text(levels: Sequence[Any]) -> str:
    """The levels of a factor in a few words.

    >>> levels_text(range(20)), levels_text([0.0, 0.5])
    ('0 to 19', '0, 0.5')
    """
    whole = all(type(level) is int for level in levels)
    if whole and len(levels) > 2:
        low, high = min(levels), max(levels)
        if set(levels) == set(range(low, high + 1)):
            return f"{low} to {high}"
    shown = ", ".join(value_label(level) for level in levels[:LEVELS_SHOWN])
    more = len(levels) - LEVELS_SHOWN
    return f"{shown}, … and {more} more" if more > 0 else shown


def counted(count: int, noun: str) -> str:
    """So many of a thing whose plural ends in s.

    >>> counted(1, "model"), counted(1000, "row")
    ('1 model', '1,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
