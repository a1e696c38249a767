"""How the kurtosis is spread over the units of each point of a scan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.report.figures import GREY, loosely, ordered_colours, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._scan_axes import (
    KINDS,
    TAILS,
    folded,
    short,
    stretched,
    stretched_ticks,
)
from tegum.studies._scan_claims import Scanned
from tegum.studies._scan_units import Units, units_of

if TYPE_CHECKING:
    from tegum.activations import Point

CURVES = 8
"""Curves of a panel, evenly along the layers if there are more points."""

TOP, PANEL, BETWEEN = 60, 250, 80
"""Pixels above the first panel, of a panel, and between panels."""


def ranked(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """How the kurtosis is spread over the units of each point, the heaviest first.

    A panel is a kind of points, a curve one point, named in the panel and darker nearer
    the input; grey curves are the same tokens after one rotation, where no unit should
    stand out.
    """
    found = units_of(results, store, scanned=scanned)
    panels = _panels(scanned, found)
    height = TOP + len(panels) * (PANEL + BETWEEN)
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        vertical_spacing=BETWEEN / (height - TOP - BETWEEN),
        subplot_titles=[folded(title) for title, _, _ in panels],
    )
    heights: list[float] = []
    for row, (_, digest, points) in enumerate(panels, start=1):
        legend = "legend" if row == 1 else f"legend{row}"
        for colour, point in zip(ordered_colours(len(points)), points, strict=True):
            units = found[digest, point.name]
            for trace in _rank_curves(point, units, colour=colour):
                figure.add_trace(trace.update(legend=legend), row=row, col=1)
            both = (*units.kurtosis, *units.rotated)
            heights += [float(v) for v in both if math.isfinite(v)]
    figure.update_yaxes(stretched_ticks(heights), title_text=TAILS)
    style(figure, height=height)
    figure.update_xaxes(type="log", dtick=1, title_text=None)
    figure.update_xaxes(title_text="rank of the unit", row=len(panels), col=1)
    figure.update_annotations(
        font={"size": 12}, x=0, xanchor="left", align="left", xshift=-40
    )
    for row in range(1, len(panels) + 1):
        top = loosely(figure).layout[f"yaxis{row if row > 1 else ''}"].domain[1]
        look = {"x": 1, "xanchor": "right", "y": top, "yanchor": "top"}
        look |= {"orientation": "v", "font": {"size": 10}}
        look |= {"bgcolor": "rgba(0,0,0,0)"}
        figure.update_layout({f"legend{row if row > 1 else ''}": look})
    loosely(figure).update_layout(margin={"t": TOP, "b": BETWEEN})
    return figure


def _panels(
    scanned: Scanned, found: Mapping[tuple[str, str], Units]
) -> list[tuple[str, str, list[Point]]]:
    """Title, model and points of every panel: a kind of points of a model each."""
    panels = []
    for digest, label in scanned.models.items():
        there = [p for p in scanned.points[digest] if (digest, p.name) in found]
        for kind in KINDS:
            points = [p for p in there if _kind(p) == kind]
            chosen = _evenly(points, CURVES)
            title = f"{label}: {kind}" if len(scanned.models) > 1 else kind
            if len(chosen) < len(points):
                title += f", {len(chosen)} of {len(points)} points"
            if points:
                panels.append((title, digest, chosen))
    return panels


def _kind(point: Point) -> str:
    return point.kind if point.kind in KINDS else "other"


def _evenly(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of the points, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    places = np.linspace(0, len(points) - 1, most).round().astype(int)
    return [points[k] for k in dict.fromkeys(places.tolist())]


def _rank_curves(point: Point, units: Units, *, colour: str) -> list[go.Scatter]:
    """One point's units in order, and those of its rotated copy in grey."""
    curves = []
    for values, line in (
        (units.rotated, {"color": GREY, "width": 1, "dash": "dot"}),
        (units.kurtosis, {"color": colour, "width": 2}),
    ):
        order = np.argsort(-values, kind="stable")[: int(np.isfinite(values).sum())]
        rotated = values is units.rotated
        told = [
            f"{point.name}, rotated"
            if rotated
            else f"{point.name}<br>unit {unit}: "
            f"{values[unit]:.3g}, {units.share[unit]:.2%} of the variance"
            for unit in order
        ]
        curves.append(
            go.Scatter(
                name=short(point.name),
                showlegend=not rotated,
                x=np.arange(1, len(order) + 1),
                y=stretched(values[order]),
                mode="lines",
                line=line,
                text=told,
                hovertemplate="%{text}<extra></extra>",
            )
        )
    return curves
