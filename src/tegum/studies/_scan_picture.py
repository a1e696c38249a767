"""The headline of a scan: raw against rotated along the layers, twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, loosely, style, translucent
from tegum.results import Results
from tegum.statistics import median_interval
from tegum.studies._scan_axes import (
    DASHES,
    NULL,
    TAILS,
    Series,
    depth_axis,
    depths,
    folded,
    legend_only,
    looks,
    series_of,
    stretched,
    stretched_ticks,
)
from tegum.studies._scan_claims import Scanned, asked_of, statistics_of

if TYPE_CHECKING:
    from tegum.activations import Point

FARTHEST = 1e4
"""An excess kurtosis beyond those of any axis."""

ALONE = 0.95
"""The level of the bars, each for itself; the claims' intervals hold together."""


@dataclass(frozen=True)
class Summary:
    """The median over blocks of a number at each point, with what bounds it."""

    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


def over_blocks(
    results: Results, number: str, *, model: str, points: Sequence[Point]
) -> Summary:
    """Median and interval over blocks at each point; NaN where nothing is there.

    The number is as `column` has it.
    """
    names, models = results["point"], results["model"]
    values = column(results, number)
    rows = []
    for point in points:
        found = values[(names == point.name) & (models == model)]
        found = found[np.isfinite(found)]
        if not found.size:
            rows.append((np.nan, np.nan, np.nan))
            continue
        low, high = median_interval(found, level=ALONE, resolution=1e-9)
        middle = float(np.median(found))
        rows.append((middle, *(np.clip((low, high), found.min(), found.max()))))
    middle, low, high = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return Summary(middle, low, high)


def column(results: Results, number: str) -> np.ndarray:
    """A number of every row; `a / b` and `a - b` are made of two."""
    first, sign, second = (*number.split(), "", "")[:3]
    values = np.asarray(results[first], dtype=np.float64)
    if sign == "/":
        return values / np.asarray(results[second], dtype=np.float64)
    if sign == "-":
        return values - np.asarray(results[second], dtype=np.float64)
    return values


def layers(
    results: Results, verdicts: Sequence[Verdict], *, scanned: Scanned
) -> go.Figure:
    """Raw kurtosis along the layers and that of rotated copies, both statistics.

    Marks are medians over blocks, bars their 95 % intervals, each for itself. Large
    filled marks are those whose claim is supported. The dotted grey line is a basis at
    random; beyond the broad grey bar around it a gap is claimed at that point.
    """
    asked = statistics_of(scanned.smallest_gap)
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=False,
        vertical_spacing=0.16,
        subplot_titles=[folded(f"{s.name}: excess kurtosis {s.over}") for s in asked],
    )
    claimed = {asked_of(v) for v in verdicts if v.holds == "privileged"}
    for row, statistic in enumerate(asked, start=1):
        heights: list[float] = []
        for position, (digest, points) in enumerate(scanned.points.items()):
            raw = over_blocks(results, statistic.raw, model=digest, points=points)
            null = over_blocks(results, statistic.rotated, model=digest, points=points)
            heights += [*raw.low, *raw.high, *null.middle]
            gaps = [scanned.gap_of(statistic, digest, p.name) for p in points]
            heights += [float(v) for v in null.middle + gaps if v < FARTHEST]
            for trace in _null(points, null, gaps):
                figure.add_trace(trace, row=row, col=1)
            for series in series_of(points):
                filled = [
                    (statistic.gap, digest, points[k].name) in claimed
                    for k in series.chosen
                ]
                trace = _curve(
                    points, series, raw, null, filled=filled, gaps=gaps,
                    model=scanned.models[digest], dash=DASHES[position % 4],
                )  # fmt: skip
                figure.add_trace(trace, row=row, col=1)
        figure.update_yaxes(stretched_ticks(heights), row=row, col=1)
    _add_legend(figure, scanned)
    style(figure, height=820)
    longest = max(scanned.points.values(), key=len)
    figure.update_xaxes(depth_axis(longest))
    figure.update_xaxes(title_text=None, row=1, col=1)
    figure.update_yaxes(title={"text": TAILS, "font": {"size": 12}})
    figure.update_annotations(
        font={"size": 13}, x=0, xanchor="left", align="left", xshift=-48
    )
    loosely(figure).update_layout(
        legend={"y": -0.12}, margin={"t": 56, "b": 170}, meta={"narrowest": 320}
    )
    return figure


def _null(
    points: Sequence[Point], null: Summary, gaps: Sequence[float]
) -> list[go.Scatter]:
    """The rotated copies as a line, and how far a gap must go, at each point a bar."""
    x = depths(points)
    low = stretched(np.maximum(null.middle - gaps, -2.0))
    high = stretched(np.minimum(null.middle + gaps, FARTHEST))
    bars = go.Scatter(
        x=[at for place in x for at in (place, place, None)],
        y=[v for a, b in zip(low, high, strict=True) for v in (a, b, None)],
        mode="lines",
        line={"color": translucent(GREY, 0.25), "width": _bar_width(len(points))},
        hoverinfo="skip",
        showlegend=False,
    )
    lines = [
        go.Scatter(
            x=[x[k] for k in series.chosen],
            y=stretched(null.middle[list(series.chosen)]),
            mode="lines+markers",
            line={"color": GREY, "width": 1.5, "dash": NULL},
            marker={"color": GREY, "size": 4, "symbol": "line-ew-open"},
            hoverinfo="skip",
            showlegend=False,
        )
        for series in series_of(points)
    ]
    return [bars, *lines]


def _bar_width(points: int) -> float:
    """The width of the grey bars in pixels: many points have narrow ones."""
    return min(10.0, max(2.0, 400.0 / max(points, 1)))


def _curve(
    points: Sequence[Point],
    series: Series,
    raw: Summary,
    null: Summary,
    *,
    filled: Sequence[bool],
    gaps: Sequence[float],
    model: str,
    dash: str,
) -> go.Scatter:
    """The points of one series of one model along the layers."""
    chosen, colour, symbol = list(series.chosen), series.colour, series.symbol
    places = depths(points)
    middle, low, high = (stretched(part[chosen]) for part in (
        raw.middle, raw.low, raw.high))  # fmt: skip
    told = [
        f"{model}<br>{points[k].name} ({series.kind})<br>raw {raw.middle[k]:.3g} "
        f"[{raw.low[k]:.3g}, {raw.high[k]:.3g}]<br>rotated {null.middle[k]:.3g}"
        f"<br>a gap must pass {gaps[k]:.3g} here"
        for k in chosen
    ]
    return go.Scatter(
        x=[places[k] for k in chosen],
        y=middle,
        error_y={
            "array": high - middle,
            "arrayminus": middle - low,
            "thickness": 1,
            "width": 2,
        },
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={
            "symbol": [symbol if full else f"{symbol}-open" for full in filled],
            "color": colour,
            "size": [12 if full else 8 for full in filled],
            "line": {"width": 1.5, "color": colour},
            "opacity": 1,
        },
        text=told,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _add_legend(figure: go.Figure, scanned: Scanned) -> None:
    """What colours, markers, dashes and fillings say, each once."""
    entries = [
        legend_only(look.name, rank=k, color=look.colour, symbol=look.symbol)
        for k, look in enumerate(looks(scanned.points.values()))
    ]
    if len(scanned.models) > 1:
        entries += [
            legend_only(label, rank=20 + k, dash=DASHES[k % 4])
            for k, label in enumerate(scanned.models.values())
        ]
    bar = legend_only("what a gap must pass here", rank=41)
    bar.line = {"color": translucent(GREY, 0.25), "width": 10}
    entries += [
        legend_only("a basis at random", rank=40, dash=NULL),
        bar,
        legend_only("privileged, by verdict", rank=42, symbol="circle"),
        legend_only("not so, or undecided", rank=43, symbol="circle-open"),
    ]
    for entry in entries[-2:]:
        entry.mode = "markers"
    for entry in entries:
        figure.add_trace(entry, row=1, col=1)


__all__ = ["Summary", "layers", "over_blocks"]
