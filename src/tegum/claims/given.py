"""What a caller hands over, refused with the remedy where it is of another kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np


def several(name: str, given: Any, kind: type) -> tuple[Any, ...]:
    """A list of records of one kind, frozen.

    Raises:
        ValueError: a single record, or an entry of another kind.
    """
    listed = isinstance(given, Iterable) and not isinstance(given, str)
    entries = tuple(given) if listed else (given,)
    wrong = [entry for entry in entries if not isinstance(entry, kind)]
    if wrong or not listed:
        raise ValueError(
            f"`{name}` holds {(wrong or entries)[0]!r}; give a list of "
            f"{kind.__name__}, such as {name}=[{kind.__name__}(...)]"
        )
    return entries


def one_line(name: str, given: Any) -> str:
    """A text with every run of spaces and line breaks as one space.

    Raises:
        ValueError: it is no text.
    """
    if not isinstance(given, str):
        raise ValueError(f"`{name}` is {given!r}; give a text")
    return " ".join(given.split())


def is_number(value: Any) -> bool:
    """Whether a value is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def require_once(names: Iterable[str], *, what: str) -> None:
    """Refuse a name that stands twice.

    Raises:
        ValueError: with the names.
    """
    listed = list(names)
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise ValueError(f"two {what} are called {', '.join(twice)}; rename one")


def require_name(name: Any, *, of: str) -> None:
    """Refuse a name that could not be that of a file.

    Raises:
        ValueError: anything but letters, digits, - and _, or nothing.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(
            f"a {of} is called {name!r}; files are named after it, so give it one or "
            "more letters, digits, - and _"
        )


def whole_numbers(name: str, given: Any) -> tuple[int, ...]:
    """A list of whole numbers, frozen.

    Raises:
        ValueError: a single number, or an entry that is not whole.
    """
    listed = isinstance(given, Iterable)
    if not listed or not all(isinstance(n, int | np.integer) for n in given):
        raise ValueError(
            f"`{name}` is {given!r}; give a list or range of whole numbers, such as "
            "range(1000, 1005)"
        )
    return tuple(int(number) for number in given)
