"""Any torch module in, streamed moments out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tegum.activations.capture import capturing as capturing
    from tegum.activations.layouts import Point as Point
    from tegum.activations.measures import SCAN as SCAN
    from tegum.activations.models import OpenedModel as OpenedModel
    from tegum.activations.models import open_model as open_model
    from tegum.activations.points import points_of as points_of
    from tegum.activations.points import resolve as resolve
    from tegum.activations.streaming import Stream as Stream
    from tegum.activations.subject import ModelActivations as ModelActivations
    from tegum.activations.text import Text as Text
    from tegum.activations.text import open_text as open_text

_HOME = {
    "ModelActivations": "subject",
    "OpenedModel": "models",
    "Point": "layouts",
    "SCAN": "measures",
    "Stream": "streaming",
    "Text": "text",
    "capturing": "capture",
    "open_model": "models",
    "open_text": "text",
    "points_of": "points",
    "resolve": "points",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'tegum.activations' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tegum.activations.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
