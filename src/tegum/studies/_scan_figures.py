"""Further pictures of a scan: first tokens, outlier dimensions, effective units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.report.figures import PALETTE, loosely, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._scan_axes import (
    DASHES,
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
from tegum.studies._scan_claims import Scanned
from tegum.studies._scan_picture import over_blocks

if TYPE_CHECKING:
    from tegum.activations import Point

FIRST, REST, THIRD = PALETTE[1], PALETTE[0], PALETTE[2]


@dataclass(frozen=True)
class Panel:
    """One plot of a picture along the layers: its numbers, each with name and colour.

    The numbers are as `column` has them. `scale` is that of tails (see `stretched`),
    plain, or a logarithm where the values span it.
    """

    title: str
    numbers: tuple[tuple[str, str, str], ...]
    scale: Literal["tails", "plain", "log"] = "plain"


FIRST_TOKEN = (
    Panel(
        "Excess kurtosis across the coordinates of a vector",
        (
            ("first_excess_kurtosis_per_vector", "first token", FIRST),
            ("excess_kurtosis_per_vector", "all later tokens", REST),
        ),
        "tails",
    ),
    Panel(
        "Size of the first token (RMS), later tokens being 1",
        (("first_root_mean_square_ratio", "first token", FIRST),),
        "log",
    ),
)

OUTLIERS = (
    Panel(
        "Outlier dimensions: units of the point",
        (
            ("outlier_dimensions_above_six", "|x| > 6 at least once", PALETTE[5]),
            (
                "outlier_dimensions_often_above_six",
                "|x| > 6 in 6 % of tokens",
                FIRST,
            ),
            (
                "outlier_dimensions_scale_free",
                "6 times the median unit's RMS",
                REST,
            ),
        ),
        "tails",
    ),
    Panel(
        "Kurtosis of unit norms (1: all alike)",
        (("kurtosis_of_unit_norms", "kurtosis of unit norms", PALETTE[3]),),
        "log",
    ),
    Panel(
        "Participation ratio, as a share of the units",
        (("participation_ratio / units", "participation ratio / units", THIRD),),
    ),
)


def first_token(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """The first token of each sequence beside all later ones, along the layers."""
    return along_layers(results, scanned, FIRST_TOKEN)


def outliers(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """Outlier dimensions under each definition, and over how many units all spreads."""
    return along_layers(results, scanned, OUTLIERS)


def along_layers(
    results: Results, scanned: Scanned, panels: Sequence[Panel]
) -> go.Figure:
    """Medians over blocks along the layers, a panel below the other.

    Colours are numbers, markers kinds of points, dashes models.
    """
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        vertical_spacing=0.3 / len(panels) / 1.3,
        subplot_titles=[folded(panel.title) for panel in panels],
    )
    for row, panel in enumerate(panels, start=1):
        heights: list[float] = []
        for position, (digest, points) in enumerate(scanned.points.items()):
            for k, (number, name, colour) in enumerate(panel.numbers):
                middle = over_blocks(
                    results, number, model=digest, points=points
                ).middle
                heights += [float(v) for v in middle if np.isfinite(v)]
                for series in series_of(points):
                    trace = _line(
                        points, series, middle, colour=colour, name=name,
                        scale=panel.scale, dash=DASHES[position % 4],
                        model=scanned.models[digest],
                        width=2 + 2.5 * (len(panel.numbers) - 1 - k),
                    )  # fmt: skip
                    figure.add_trace(trace, row=row, col=1)
        _scale(figure, panel, heights, row=row)
    _add_legend(figure, panels, scanned)
    style(figure, height=150 + 270 * len(panels))
    longest = max(scanned.points.values(), key=len)
    figure.update_xaxes(depth_axis(longest))
    for row in range(1, len(panels)):
        figure.update_xaxes(title_text=None, row=row, col=1)
    figure.update_annotations(
        font={"size": 13}, x=0, xanchor="left", align="left", xshift=-40
    )
    below = -0.24 / len(panels)
    loosely(figure).update_layout(
        legend={"y": below}, margin={"t": 56, "b": 150, "l": 60}
    )
    return figure


def _line(
    points: Sequence[Point],
    series: Series,
    middle: np.ndarray,
    *,
    colour: str,
    name: str,
    scale: str,
    dash: str,
    model: str,
    width: float,
) -> go.Scatter:
    """One number at the points of one series of one model.

    Lines are the narrower the later they are drawn, so that none hides another.
    """
    chosen = list(series.chosen)
    places, values = depths(points), middle[chosen]
    told = [
        f"{model}<br>{points[k].name} ({series.kind})<br>{name}: {middle[k]:.3g}"
        for k in chosen
    ]
    return go.Scatter(
        x=[places[k] for k in chosen],
        y=stretched(values) if scale == "tails" else values,
        mode="lines+markers",
        line={"color": colour, "width": width, "dash": dash},
        marker={"symbol": series.symbol, "size": 5 + width},
        text=told,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _scale(
    figure: go.Figure, panel: Panel, heights: Sequence[float], *, row: int
) -> None:
    """The vertical axis of one panel."""
    if panel.scale == "tails":
        said = TAILS if "kurtosis" in panel.title else "count (asinh scale)"
        ticks = stretched_ticks(heights) | {"title": {"text": said}}
        figure.update_yaxes(ticks, row=row, col=1)
    elif panel.scale == "log" and max(heights, default=1) > 20 * min(
        heights, default=1
    ):
        figure.update_yaxes(
            type="log", dtick="D2", title_text="logarithmic scale", row=row, col=1
        )
    else:
        figure.update_yaxes(rangemode="tozero", row=row, col=1)


def _add_legend(figure: go.Figure, panels: Sequence[Panel], scanned: Scanned) -> None:
    """What colours, markers and dashes say, each once."""
    said = {name: colour for panel in panels for _, name, colour in panel.numbers}
    entries = [
        legend_only(name, rank=k, color=colour)
        for k, (name, colour) in enumerate(said.items())
    ]
    markers = looks(scanned.points.values())
    if len(markers) > 1:
        entries += [
            legend_only(look.name, rank=20 + k, symbol=look.symbol)
            for k, look in enumerate(markers)
        ]
    if len(scanned.models) > 1:
        entries += [
            legend_only(label, rank=40 + k, dash=DASHES[k % 4])
            for k, label in enumerate(scanned.models.values())
        ]
    for entry in entries:
        figure.add_trace(entry, row=1, col=1)
