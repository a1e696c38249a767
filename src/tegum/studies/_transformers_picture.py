"""The headline of the transformer study: every pair of networks, number by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, loosely, style, translucent
from tegum.report.series import POINTWISE_LEVEL
from tegum.results import Results
from tegum.statistics import median_interval
from tegum.studies._transformers_arms import CONTROL, TREATED, paired
from tegum.studies._transformers_measures import AT


@dataclass(frozen=True)
class Strip:
    """One number of the headline: what it is, what is no change, its name at a loss."""

    number: str
    title: str
    still: tuple[float, float]
    at_loss: bool = True


COMPARISONS = (
    ("", "at equal steps", PALETTE[0], "circle"),
    (AT, "at equal loss", PALETTE[1], "diamond-open"),
)


def every_pair(
    results: Results, verdicts: Sequence[Verdict], *, strips: Sequence[Strip]
) -> go.Figure:
    """What dropout at all sites does to each number, pair by pair.

    A mark is one pair of networks of one seed, trained with and without dropout; the
    thick mark is their median and the line its interval. The grey band is what the
    study calls no change.
    """
    figure = make_subplots(
        rows=len(strips),
        cols=1,
        vertical_spacing=0.3 / len(strips),
        subplot_titles=[strip.title for strip in strips],
    )
    for row, strip in enumerate(strips, start=1):
        _add_strip(figure, results, strip, row=row)
    style(figure, height=130 + 150 * len(strips))
    figure.update_yaxes(
        range=[-0.6, 1.6],
        tickvals=[0, 1],
        ticktext=["equal loss", "equal steps"],
        showline=False,
        ticks="",
    )
    figure.update_xaxes(
        title_text="with dropout, minus without it (grey: no change)",
        row=len(strips),
        col=1,
    )
    figure.update_annotations(font={"size": 13})
    figure.update_layout(showlegend=False, margin={"l": 84, "r": 16, "t": 40, "b": 64})
    return figure


def _add_strip(figure: go.Figure, results: Results, strip: Strip, *, row: int) -> None:
    shown = [*strip.still]
    for place, (when, name, colour, symbol) in zip(
        (1.0, 0.0), COMPARISONS, strict=True
    ):
        if when and not strip.at_loss:
            continue
        values = paired(results, when + strip.number, TREATED, CONTROL)
        if not values.size:
            continue
        spread = np.linspace(-0.16, 0.16, values.size) if values.size > 1 else [0.0]
        figure.add_trace(
            go.Scatter(
                x=np.sort(values),
                y=place - 0.28 + np.asarray(spread),
                mode="markers",
                marker={"symbol": symbol, "size": 6, "color": colour},
                hovertemplate=f"{name}, one pair: %{{x:.3g}}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        _add_median(figure, values, name=name, colour=colour, at=place, row=row)
        shown += [float(values.min()), float(values.max())]
    loosely(figure).add_vrect(
        *strip.still, fillcolor=translucent(GREY, 0.18), line_width=0,
        layer="below", row=row, col=1, exclude_empty_subplots=False,
    )  # fmt: skip
    loosely(figure).add_vline(
        0.0,
        line={"color": GREY, "width": 1},
        row=row,
        col=1,
        exclude_empty_subplots=False,
    )
    margin = 0.05 * (max(shown) - min(shown))
    figure.update_xaxes(
        range=[min(shown) - margin, max(shown) + margin], row=row, col=1
    )


def _add_median(
    figure: go.Figure,
    values: np.ndarray,
    *,
    name: str,
    colour: str,
    at: float,
    row: int,
) -> None:
    low, high = median_interval(values, level=POINTWISE_LEVEL, resolution=1e-6)
    middle = float(np.median(values))
    told = f"{name}: median {middle:.3g}"
    bar = None
    if math.isfinite(high - low):
        told += f", from {low:.3g} to {high:.3g} ({POINTWISE_LEVEL:.0%})"
        bar = {
            "type": "data",
            "array": [high - middle],
            "arrayminus": [middle - low],
            "color": colour,
            "thickness": 2,
            "width": 6,
        }
    figure.add_trace(
        go.Scatter(
            x=[middle],
            y=[at + 0.15],
            mode="markers",
            marker={"symbol": "line-ns", "size": 16, "line": {"width": 4}}
            | {"color": colour, "line_color": colour},
            error_x=bar,
            hovertemplate=f"{told}<extra></extra>",
        ),
        row=row,
        col=1,
    )


__all__ = ["Strip", "every_pair"]
