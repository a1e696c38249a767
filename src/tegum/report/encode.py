"""Numbers and text as a page carries them: short, and safe inside a script."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, SupportsFloat

import numpy as np
import plotly.graph_objects as go

from tegum.design import rounded

MANY = 256
"""From so many numbers on, those of a picture travel as 32-bit floats."""

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


def figure_json(figure: go.Figure) -> str:
    """A plotly figure that can stand inside a script element; long arrays are light.

    Arrays of 256 or more floats lose what lies beyond their seventh digit, which no
    picture shows.
    """
    drawn: Any = figure
    light = {
        "data": [_lighter(trace.to_plotly_json()) for trace in drawn.data],
        "layout": _lighter(drawn.layout.to_plotly_json()),
        "frames": [_lighter(frame.to_plotly_json()) for frame in drawn.frames],
    }
    # Plotly's own text has six characters for every slash of the packed arrays.
    return script_json(json.loads(str(go.Figure(light).to_json())))


def _lighter(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lighter(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return _narrow(value)
    if not isinstance(value, list | tuple):
        return value
    flat = value if not value or not isinstance(value[0], list | tuple) else value[0]
    if all(type(entry) in (float, np.float64) for entry in flat):
        lengths = {len(row) for row in value} if flat is not value else {1}
        if len(lengths) == 1 and len(value) * lengths.pop() >= MANY:
            return _narrow(np.array(value, dtype=np.float64))
    return [_lighter(inner) for inner in value]


def _narrow(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float64 or array.size < MANY:
        return array
    largest = np.abs(array[np.isfinite(array)]).max(initial=0.0)
    return array.astype(np.float32) if largest < np.finfo(np.float32).max else array
