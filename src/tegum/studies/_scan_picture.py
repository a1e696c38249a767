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
    KINDS,
    depth_axis,
    depths,
    grouped,
    legend_only,
    stretched,
    stretched_ticks,
)
from tegum.studies._scan_claims import Scanned, Statistic, asked_of, statistics_of

if TYPE_CHECKING:
    from tegum.activations import Point

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

    Marks are medians over blocks, bars their 95 % intervals, each for itself. Filled
    marks are those whose claim is supported. The grey line is a basis at random, and
    the grey band reaches as far as the gap that is claimed.
    """
    asked = statistics_of(scanned.smallest_gap)
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=False,
        vertical_spacing=0.13,
        subplot_titles=[f"{s.name}: excess kurtosis {s.over}" for s in asked],
    )
    claimed = {asked_of(v) for v in verdicts if v.holds == "privileged"}
    shown: set[str] = set()
    for row, statistic in enumerate(asked, start=1):
        heights: list[float] = []
        for position, (digest, points) in enumerate(scanned.points.items()):
            raw = over_blocks(results, statistic.raw, model=digest, points=points)
            null = over_blocks(results, statistic.rotated, model=digest, points=points)
            heights += [*raw.low, *raw.high, *null.middle]
            _add_null(
                figure, points, null, scanned, row=row, dash=DASHES[position % 4],
                first=position == 0, statistic=statistic, model=digest,
            )  # fmt: skip
            for kind, chosen in grouped(points):
                filled = [
                    (statistic.gap, digest, points[k].name) in claimed for k in chosen
                ]
                trace = _curve(
                    points, chosen, raw, null, kind=kind, filled=filled,
                    model=scanned.models[digest], dash=DASHES[position % 4],
                )  # fmt: skip
                figure.add_trace(trace, row=row, col=1)
                shown.add(kind)
        figure.update_yaxes(stretched_ticks(heights), row=row, col=1)
    _add_legend(figure, shown, scanned)
    style(figure, height=760)
    longest = max(scanned.points.values(), key=len)
    figure.update_xaxes(depth_axis(longest))
    figure.update_xaxes(title_text=None, row=1, col=1)
    figure.update_yaxes(title_text="excess kurtosis")
    figure.update_annotations(font={"size": 13}, x=0, xanchor="left")
    loosely(figure).update_layout(legend={"y": -0.11}, margin={"t": 40, "b": 130})
    return figure


def _add_null(
    figure: go.Figure,
    points: Sequence[Point],
    null: Summary,
    scanned: Scanned,
    *,
    statistic: Statistic,
    model: str,
    row: int,
    dash: str,
    first: bool,
) -> None:
    """The rotated copies as a line, and the smallest gap around the first model's."""
    x = depths(points)
    if first:
        gap = np.array([scanned.gap_of(statistic, model, p.name) for p in points])
        low, high = stretched(null.middle - gap), stretched(null.middle + gap)
        band = go.Scatter(
            x=[*x, *reversed(x)],
            y=[*high, *reversed(low)],
            mode="lines",
            fill="toself",
            fillcolor=translucent(GREY, 0.16),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_trace(band, row=row, col=1)
    for _, chosen in grouped(points):
        line = go.Scatter(
            x=[x[k] for k in chosen],
            y=stretched(null.middle[chosen]),
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": dash},
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_trace(line, row=row, col=1)


def _curve(
    points: Sequence[Point],
    chosen: Sequence[int],
    raw: Summary,
    null: Summary,
    *,
    kind: str,
    filled: Sequence[bool],
    model: str,
    dash: str,
) -> go.Scatter:
    """The points of one kind of one model along the layers."""
    colour, symbol = KINDS[kind]
    places = depths(points)
    middle, low, high = (stretched(part[list(chosen)]) for part in (
        raw.middle, raw.low, raw.high))  # fmt: skip
    told = [
        f"{model}<br>{points[k].name} ({kind})<br>raw {raw.middle[k]:.3g} "
        f"[{raw.low[k]:.3g}, {raw.high[k]:.3g}]<br>rotated {null.middle[k]:.3g}"
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
            "size": 8,
            "line": {"width": 1.5},
        },
        text=told,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _add_legend(figure: go.Figure, shown: set[str], scanned: Scanned) -> None:
    """What colours, markers, dashes and fillings say, each once."""
    entries = [
        legend_only(kind, rank=k, color=colour, symbol=symbol)
        for k, (kind, (colour, symbol)) in enumerate(KINDS.items())
        if kind in shown
    ]
    if len(scanned.models) > 1:
        entries += [
            legend_only(label, rank=20 + k, dash=DASHES[k % 4])
            for k, label in enumerate(scanned.models.values())
        ]
    entries += [
        legend_only("grey: a basis at random ± the gap that is claimed", rank=40),
        legend_only("filled: privileged, by verdict", rank=41, symbol="circle"),
        legend_only("open: not so, or undecided", rank=42, symbol="circle-open"),
    ]
    for entry in entries:
        figure.add_trace(entry, row=1, col=1)


__all__ = ["Summary", "layers", "over_blocks"]
