"""How the pictures of a scan look alike: depth, kinds of points, a scale for tails."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from tegum.report.figures import GREY, PALETTE

if TYPE_CHECKING:
    from tegum.activations import Point

KINDS = {
    "embedding": (PALETTE[2], "diamond"),
    "attention": (PALETTE[5], "square"),
    "mlp": (PALETTE[3], "triangle-up"),
    "residual": (PALETTE[0], "circle"),
    "other": (PALETTE[4], "cross"),
}
"""What tells the kinds of hook points apart: a colour and a marker."""

VARIANTS = {
    "embedding": ("diamond", "diamond-tall"),
    "attention": ("square", "pentagon", "hexagram"),
    "mlp": ("triangle-up", "triangle-down", "star"),
    "residual": ("circle",),
    "other": ("cross", "x"),
}
"""The markers of the series of a kind, in the order of the forward pass."""

SHADES = (0.0, -0.35, 0.4)
"""How much darker (below 0) or lighter the series of a kind are, in that order."""

MOST_SERIES = 12
"""More series than these are told apart on hovering alone; the legend has kinds."""

DASHES = ("solid", "dash", "dashdot", "longdashdot")
"""What tells models apart, in their order."""

NULL = "dot"
"""The dash of a basis at random, which no model has."""

TAILS = "excess kurtosis (asinh)"
"""What an axis of `stretched` values says of itself."""

TITLE_WIDTH = 38
"""Letters of a panel's title on one line, so that a phone shows it whole."""

WITHIN = {
    "hook_resid_pre": 0.0,
    "attn.hook_z": 0.2,
    "hook_attn_out": 0.32,
    "hook_resid_mid": 0.5,
    "hook_normalized_resid_mid": 0.55,
    "mlp.hook_pre_linear": 0.7,
    "mlp.hook_pre": 0.66,
    "mlp.hook_post": 0.76,
    "hook_mlp_out": 0.86,
    "hook_normalized_resid_post": 1.04,
    "hook_resid_post": 1.0,
}
"""How far along its block a point of a known name stands."""

TICKS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5, 1e6)


def stretched(values: Any) -> np.ndarray:
    """Values on the scale of tails, `asinh(2 x)`: straight near 0, a logarithm far off.

    Excess kurtosis runs from -2 to thousands and is 0 where nothing is to be seen,
    which a logarithm can not show.
    """
    return np.asarray(np.arcsinh(2.0 * np.asarray(values, dtype=np.float64)))


def stretched_ticks(values: Iterable[float]) -> dict[str, Any]:
    """An axis for `stretched` values that holds all of these, labelled as they were."""
    finite = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = min(*finite, -0.1), max(*finite, 1.0)
    both = sorted({s * t for t in TICKS for s in (1.0, -1.0)})
    inside = [t for t in both if low <= t <= high * 1.05]
    if len(inside) > 8:
        inside = [t for t in inside if t == 0 or f"{abs(t):e}"[0] == "1"]
    ends = stretched([low, high])
    margin = 0.06 * float(ends[1] - ends[0])
    return {
        "tickvals": stretched(inside).tolist(),
        "ticktext": [f"{t:,.10g}".replace("-", "−") for t in inside],
        "range": [float(ends[0]) - margin, float(ends[1]) + margin],
    }


def depths(points: Sequence[Point]) -> list[float]:
    """Where points stand along the forward pass: those of block L within `[L, L + 1]`.

    A stream that one block leaves and the next reads stands between them. Points before
    the first block stand left of 0, points after the last behind it.
    """
    last = max((p.layer for p in points if p.layer is not None), default=-1)
    blocks, seen = [], False
    for point in points:
        seen |= point.layer is not None
        outside = last + 1 if seen else -1
        blocks.append(outside if point.layer is None else point.layer)
    count, placed = Counter(blocks), Counter[int]()
    found = []
    for block, point in zip(blocks, points, strict=True):
        within = (placed[block] + 0.5) / count[block]
        placed[block] += 1
        named = [at for end, at in WITHIN.items() if point.name.endswith(end)]
        found.append(block + (named[0] if named else within))
    return found


def depth_axis(points: Sequence[Point]) -> dict[str, Any]:
    """The axis of depth: a label in the middle of each layer, every few if many."""
    places = depths(points)
    layers = sorted({p.layer for p in points if p.layer is not None})
    step = max(1, -(-len(layers) // 12))
    shown = [layer for layer in layers if layer % step == 0]
    marks = [(layer + 0.5, str(layer)) for layer in shown]
    if places and min(places) < 0:
        marks.insert(0, (-0.5, "in"))
    if layers and max(places) > layers[-1] + 1.2:
        marks.append((layers[-1] + 1.5, "out"))
    return {
        "title": {"text": "layer"},
        "tickvals": [at for at, _ in marks],
        "ticktext": [text for _, text in marks],
        "range": [min(places, default=0) - 0.4, max(places, default=1) + 0.4],
    }


def short(name: str) -> str:
    """A point's name where space is short: "0.mlp.hook_post"."""
    return name.removeprefix("blocks.")


def folded(title: str) -> str:
    """A panel's title in lines that a phone shows whole."""
    return "<br>".join(textwrap.wrap(title, TITLE_WIDTH))


@dataclass(frozen=True)
class Series:
    """The points that one line joins: their kind, their look and their positions."""

    name: str
    kind: str
    colour: str
    symbol: str
    chosen: tuple[int, ...]


def series_of(points: Sequence[Point]) -> list[Series]:
    """The lines of a picture, told apart by colour and marker.

    The residual stream is one line; of other kinds those of one name along the blocks.
    What stands before the blocks is joined to nothing.
    """
    found, seen = [], Counter[str]()
    for kind, name, chosen in _grouped(points):
        position, colour = seen[kind], KINDS[kind][0]
        seen[kind] += 1
        found.append(
            Series(
                "residual stream" if kind == "residual" else name,
                kind,
                shaded(colour, SHADES[position % len(SHADES)]),
                VARIANTS[kind][position % len(VARIANTS[kind])],
                tuple(chosen),
            )
        )
    return found


def shaded(colour: str, share: float) -> str:
    """A hex colour so much lighter, or darker if below 0; the share is in [-1, 1]."""
    end = 255.0 if share > 0 else 0.0
    parts = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    mixed = [round(part + abs(share) * (end - part)) for part in parts]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def looks(every: Iterable[Sequence[Point]]) -> list[Series]:
    """The looks that a legend names, each once: the series, or the kinds of many."""
    found = {s.name: s for points in every for s in series_of(points)}
    if len(found) <= MOST_SERIES:
        return list(found.values())
    kinds = dict.fromkeys(s.kind for s in found.values())
    return [Series(kind, kind, *KINDS[kind], ()) for kind in kinds]


def _grouped(points: Sequence[Point]) -> list[tuple[str, str, list[int]]]:
    """Kind, name without the block, and positions of the points of each line."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, point in enumerate(points):
        kind = point.kind if point.kind in KINDS else "other"
        alike = "" if kind == "residual" else point.name
        if point.layer is not None:
            alike = alike.replace(f".{point.layer}.", ".", 1)
        alike = short(alike)
        found.setdefault((kind, alike), []).append(position)
    order = list(KINDS)
    joined = sorted(found.items(), key=lambda item: order.index(item[0][0]))
    return [(kind, name, chosen) for (kind, name), chosen in joined]


def legend_only(
    name: str, *, rank: int, color: str = GREY, dash: str = "solid", **marker: Any
) -> go.Scatter:
    """An entry of the legend that stands for a look and not for one trace."""
    return go.Scatter(
        x=[None],
        y=[None],
        name=name,
        mode="lines+markers" if marker else "lines",
        line={"color": color, "dash": dash, "width": 2},
        marker={"color": color, "size": 8, **marker},
        legendrank=rank,
    )


__all__ = [
    "DASHES",
    "KINDS",
    "NULL",
    "TAILS",
    "Series",
    "depth_axis",
    "depths",
    "folded",
    "legend_only",
    "looks",
    "series_of",
    "short",
    "stretched",
    "stretched_ticks",
]
