"""How tegum's pictures look: colours anyone can tell apart, axes, bands, seeds.

A study builds its headline picture with these and `plotly.graph_objects`; the page
puts its own text and grid colours on top, for light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, sample_colorscale

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Six colours of Okabe and Ito (2008), told apart by colour-blind readers.

Their yellow and black are left out: one is lost on white, the other on dark.
"""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
GREY = "#808891"
HEADLINE_WIDTH = 640
"""In pixels, of a headline that does not say how narrow it may become."""


def ordered_colours(count: int) -> list[str]:
    """Colours for levels that have an order: viridis without its ends, as hex.

    The ends are left out because one is lost on white and the other on dark.
    """
    if count == 1:
        return [PALETTE[0]]
    shares = [0.27 + 0.53 * k / (count - 1) for k in range(count)]
    return [_hex(str(colour)) for colour in sample_colorscale("Viridis", shares)]


def colours(count: int, *, ordered: bool) -> list[str]:
    """A colour for each series: along viridis if the series have an order."""
    if ordered or count > len(PALETTE):
        return ordered_colours(count)
    return list(PALETTE[:count])


def translucent(colour: str, alpha: float) -> str:
    """A hex colour with so much opacity, in [0, 1]."""
    red, green, blue = hex_to_rgb(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"


def band(
    x: Sequence[Any],
    low: Sequence[float],
    high: Sequence[float],
    *,
    colour: str,
    group: str = "",
) -> go.Scatter:
    """An interval at every x as a filled band; the curve is a trace of its own."""
    return go.Scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        mode="lines",
        fill="toself",
        fillcolor=translucent(colour, 0.18),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=group or None,
    )


def curve(
    x: Sequence[Any],
    y: Sequence[float],
    *,
    name: str,
    colour: str,
    position: int = 0,
    group: str = "",
    show_legend: bool = True,
) -> go.Scatter:
    """A median curve; `position` picks a marker so that colour is not alone."""
    return go.Scatter(
        x=list(x),
        y=list(y),
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"symbol": SYMBOLS[position % len(SYMBOLS)], "size": 7},
        legendgroup=group or None,
        showlegend=show_legend,
    )


def style(figure: go.Figure, *, height: int = 420) -> go.Figure:
    """Put tegum's axes, fonts and legend on a figure, in place, and return it.

    In three dimensions equal lengths look equal, unless the figure says otherwise.
    """
    figure.update_layout(
        template="none",
        colorway=list(PALETTE),
        height=height,
        margin={"l": 64, "r": 16, "t": 56, "b": 96},
        font={"size": 13},
        hoverlabel={"font": {"size": 12}},
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": -0.24,
            "yanchor": "top",
        },
    )
    axis = {"showline": True, "ticks": "outside", "ticklen": 4, "zeroline": False}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    for name in scenes_of(figure):
        scene: Any = figure.layout[name]
        if scene.aspectmode is None:
            scene.aspectmode = "data"
        if scene.camera.eye.x is None:
            scene.camera.eye = {"x": 1.5, "y": 1.5, "z": 1.1}
            scene.camera.center = {"x": 0, "y": 0, "z": -0.12}
    return figure


def scenes_of(figure: go.Figure) -> tuple[str, ...]:
    """The names of the figure's three-dimensional subplots."""
    traces: Any = figure.data
    solid = (trace for trace in traces if "scene" in trace)
    return tuple(sorted({trace.scene or "scene" for trace in solid}))


def loosely(figure: go.Figure) -> Any:
    """A figure past the type checker: plotly makes its attributes at run time."""
    return figure


def columns_of(figure: go.Figure) -> int:
    """How many subplots stand side by side in the fullest row."""
    layout, drawn = loosely(figure).layout, loosely(figure)
    rows: dict[tuple[float, ...], set[float]] = {}

    def put(x: Sequence[float] | None, y: Sequence[float] | None) -> None:
        rows.setdefault(tuple(y or (0, 1)), set()).add(round((x or (0, 1))[0], 3))

    for axis in drawn.select_xaxes():
        number = axis.anchor[1:] if (axis.anchor or "").startswith("y") else ""
        put(axis.domain, layout[f"yaxis{number}"].domain)
    for scene in drawn.select_scenes():
        put(scene.domain.x, scene.domain.y)
    return max(map(len, rows.values()), default=1)


def usual_size(figure: go.Figure) -> tuple[int, int]:
    """The width and height of a figure on paper, in pixels of the layout."""
    width = 700 if columns_of(figure) == 1 else 1100
    layout = loosely(figure).layout
    return int(layout.width or width), int(layout.height or 450)


def narrowest_width(figure: go.Figure) -> int:
    """The width in pixels below which a page scrolls a figure instead of shrinking it.

    A single plot fits a phone; plots side by side keep about 260 pixels each.
    """
    columns = columns_of(figure)
    wanted = 300 if columns == 1 else min(1100, max(640, 260 * columns))
    return int(loosely(figure).layout.width or wanted)


def headline_width(figure: go.Figure) -> int:
    """The width in pixels below which a page scrolls the headline.

    It is wider than other pictures need be, unless the figure says how narrow it may
    become: `figure.update_layout(meta={"narrowest": 320})`.
    """
    meta = loosely(figure).layout.meta
    return int(meta["narrowest"]) if meta and "narrowest" in meta else HEADLINE_WIDTH


def _hex(colour: str) -> str:
    inside = colour[colour.index("(") + 1 : colour.index(")")]
    red, green, blue = (round(float(part)) for part in inside.split(",")[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"
