"""Numbers and text as a page carries them: short, and safe inside a script."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, SupportsFloat

from tegum.design import rounded

Encoded = float | int | str | None


def number(value: SupportsFloat | None, *, digits: int = 4) -> Encoded:
    """A number to so many digits; `"NaN"` is undefined and null not measured.

    JSON has neither NaN nor infinity: these travel as text that JavaScript's
    `Number` reads back.
    """
    if value is None:
        return None
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return rounded(value, digits=digits)


def numbers(
    values: Iterable[SupportsFloat | None], *, digits: int = 4
) -> list[Encoded]:
    """Each number to so many digits."""
    return [number(value, digits=digits) for value in values]


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element whatever text it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return script_safe(text)


def script_safe(text: str) -> str:
    r"""JSON text with every character that could end or open markup escaped.

    >>> script_safe('"</script>"')
    '"\\u003c/script\\u003e"'
    """
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
