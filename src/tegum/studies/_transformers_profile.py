"""Pictures of published models: the gap along the layers, arm by arm."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, SYMBOLS, style
from tegum.report.series import POINTWISE_LEVEL
from tegum.results import Results
from tegum.statistics import median_interval
from tegum.store import Store
from tegum.studies._scan_axes import stretched, stretched_ticks

CONTROL = "none"


def profile(
    results: Results,
    verdicts: Sequence[Verdict],
    *,
    arms: Sequence[str],
    points: Sequence[str],
) -> go.Figure:
    """Above: how far the basis of each point stands out. Below: what dropout adds.

    Medians over blocks of text with pointwise intervals; the lower panel pairs each
    block with the same block of the model without dropout.
    """
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.1,
        subplot_titles=["Kurtosis beside rotations", "Minus that without dropout"],
    )
    heights: list[list[float]] = [[], []]
    for k, arm in enumerate(arms):
        own = [_by_block(results, arm, point) for point in points]
        base = [_by_block(results, CONTROL, point) for point in points]
        _add(figure, heights[0], own, points, arm=arm, position=k, row=1)
        if arm != CONTROL:
            apart = [
                {s: first[s] - second[s] for s in first.keys() & second.keys()}
                for first, second in zip(own, base, strict=True)
            ]
            _add(figure, heights[1], apart, points, arm=arm, position=k, row=2)
    for row, found in enumerate(heights, start=1):
        axis = stretched_ticks(found)
        figure.update_yaxes(axis, title_text="excess kurtosis", row=row, col=1)
    style(figure, height=760)
    figure.update_xaxes(tickangle=-60, tickfont={"size": 11})
    figure.update_annotations(font={"size": 13})
    figure.update_layout(legend={"y": -0.3}, margin={"t": 40, "b": 190})
    return figure


def _by_block(results: Results, arm: str, point: str) -> dict[int, float]:
    here = (results["arm"] == arm) & (results["point"] == point)
    values = results["gap_per_vector"][here].astype(np.float64)
    found = zip(results["seed"][here], values, strict=True)
    return {int(seed): float(v) for seed, v in found if math.isfinite(v)}


def _add(
    figure: go.Figure,
    heights: list[float],
    found: Sequence[dict[int, float]],
    points: Sequence[str],
    *,
    arm: str,
    position: int,
    row: int,
) -> None:
    """The medians of one arm along the points, with intervals and what is beneath."""
    x, middles, ends = [], [], []
    for point, blocks in zip(points, found, strict=True):
        values = np.array(list(blocks.values()))
        if not values.size:
            continue
        low, high = median_interval(values, level=POINTWISE_LEVEL, resolution=1e-9)
        finite = math.isfinite(low) and math.isfinite(high)
        x.append(point.replace("blocks.", "").replace("hook_", ""))
        middles.append(float(np.median(values)))
        ends.append((low, high) if finite else (values.min(), values.max()))
    if not x:
        return
    heights += [*middles, *(float(e) for pair in ends for e in pair)]
    y = stretched(middles)
    lows, highs = (stretched([pair[k] for pair in ends]) for k in (0, 1))
    colour = GREY if arm == CONTROL else PALETTE[(position - 1) % len(PALETTE)]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"symbol": SYMBOLS[position % len(SYMBOLS)], "size": 7},
            error_y={
                "type": "data",
                "array": highs - y,
                "arrayminus": y - lows,
                "color": colour,
                "thickness": 1,
                "width": 3,
            },
            text=[f"{value:.3g}" for value in middles],
            name="no dropout" if arm == CONTROL else f"dropout: {arm}",
            legendgroup=arm,
            showlegend=row == 1,
            hovertemplate=f"{arm}<br>%{{x}}: %{{text}}<extra></extra>",
        ),
        row=row,
        col=1,
    )


def every_point(results: Results, store: Store, *, arms: Sequence[str]) -> go.Figure:
    """The same over every point that was read."""
    points = list(dict.fromkeys(str(point) for point in results["point"]))
    return profile(results, (), arms=arms, points=points)


__all__ = ["CONTROL", "every_point", "profile"]
