"""The headline of pruning's cost: checks against states, and where data are dearer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, band, style
from tegum.results import Results
from tegum.statistics import median_interval
from tegum.studies._cells import percentiles
from tegum.studies._pruning_ladders import SIZES
from tegum.studies._pruning_measures import AT_QUERIES, DROPPED

FITTED = SIZES[DROPPED:-1]
ALIKE = 0.1
"""Forecasts whose errors of log2 cost differ by no more, a factor 1.07, are alike."""
COSTS = (
    ("all", "lazy, every query", PALETTE[1], "square", "dash"),
    ("certificate", "certificate of 5 %", PALETTE[2], "diamond", "dot"),
    ("sixteen", "lazy, 16 queries", PALETTE[3], "triangle-up", "dashdot"),
    ("one", "lazy, one query", PALETTE[0], "circle", "solid"),
)
"""Lazy costs, from dear to cheap; data's side and search's ask for the same checks."""


def costs_and_regimes(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Checks against states, and how many times dearer eager data are than search.

    Curves are medians over ladders at coupling 0, bands from the tenth to the ninetieth
    of a hundred; open marks were held out of the fits. Exponents are medians over
    ladders with their 95 % intervals, not simultaneous: slopes over the fitted sizes,
    with what the size held out says of a cost that saturates.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        horizontal_spacing=0.16,
        column_widths=[0.56, 0.44],
        subplot_titles=[
            "Checks against states,<br>coupling 0",
            "Times that eager data are dearer<br>than lazy search, 128 x 128",
        ],
    )
    usual = results.where(
        sizes=[SIZES], control="none", misses=0.0, false_alarms=0.0, patch_share=0.0
    )
    _add_costs(figure, usual.where(coupling=0.0))
    _add_map(figure, usual)
    style(figure, height=560)
    figure.update_layout(legend={"y": -0.2}, margin={"t": 72})
    figure.update_xaxes(title_text="states S", type="log", row=1, col=1)
    figure.update_yaxes(title_text="states checked", type="log", row=1, col=1)
    figure.update_xaxes(title_text="queries, one after the other", row=1, col=2)
    figure.update_yaxes(title_text="coupling", type="category", row=1, col=2)
    figure.update_annotations(font_size=14)
    return figure


def exponent_text(values: Float[ndarray, " seed"]) -> str:
    """An exponent of S with its interval over ladders, for a legend."""
    known = values[np.isfinite(values)]
    if not known.size:
        return "S^?"
    low, high = median_interval(known, level=0.95, resolution=1e-6)
    said = f"S^{np.median(known):.2f}"
    return f"{said} [{low:.2f}, {high:.2f}]" if math.isfinite(low) else said


def law_text(results: Results, cost: str) -> str:
    """Whether the size held out tells the power law from a cost that saturates.

    It does where the 95 % interval of the median of `saturation_loss_<cost>` lies
    beyond `ALIKE`; without such a number no law has been tried.
    """
    if f"saturation_loss_{cost}" not in results.columns:
        return "slope only"
    losses = floats(results, f"saturation_loss_{cost}")
    known = losses[np.isfinite(losses)]
    low, high = (
        median_interval(known, level=0.95, resolution=1e-6)
        if known.size
        else (-math.inf, math.inf)
    )
    if low > ALIKE:
        return "better than saturation"
    return "saturation better" if high < -ALIKE else "or saturation"


def _add_costs(figure: go.Figure, results: Results) -> None:
    states = [percentiles(floats(results, f"states_at_{n}"))[1] for n in SIZES]
    figure.add_trace(
        go.Scatter(
            x=states,
            y=states,
            mode="lines",
            line={"color": GREY, "width": 2},
            name="data, every state (eager): S^1 by construction",
        ),
        row=1,
        col=1,
    )
    for cost, name, colour, symbol, dash in COSTS:
        found = [percentiles(floats(results, f"{cost}_at_{n}")) for n in SIZES]
        shown = [k for k, (_, middle, _) in enumerate(found) if np.isfinite(middle)]
        low, middle, high = ([found[k][end] for k in shown] for end in range(3))
        x = [states[k] for k in shown]
        figure.add_trace(band(x, low, high, colour=colour, group=cost), row=1, col=1)
        text = exponent_text(floats(results, f"exponent_{cost}"))
        figure.add_trace(
            go.Scatter(
                x=x,
                y=middle,
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": dash},
                marker={
                    "size": 8,
                    "symbol": [
                        symbol if SIZES[k] in FITTED else f"{symbol}-open"
                        for k in shown
                    ],
                },
                name=f"{name}: {text}, {law_text(results, cost)}",
                legendgroup=cost,
                hovertemplate="S = %{x:.0f}: %{y:.0f} checks<extra></extra>",
            ),
            row=1,
            col=1,
        )


def _add_map(figure: go.Figure, results: Results) -> None:
    """One cell for each coupling and number of queries: how many times dearer."""
    couplings = sorted({float(value) for value in results["coupling"]})
    queries = ("1", *AT_QUERIES)
    ratios = np.array(
        [
            [
                1.0
                / percentiles(
                    floats(results.where(coupling=kappa), f"queries_{q}_share")
                )[1]
                for q in queries
            ]
            for kappa in couplings
        ]
    )
    figure.add_trace(
        go.Heatmap(
            x=list(queries),
            y=[f"{kappa:g}" for kappa in couplings],
            z=np.log10(ratios),
            text=[[_times(value) for value in row] for row in ratios],
            texttemplate="%{text}",
            colorscale="Cividis",
            zmin=0.0,
            zmax=2.0,
            hovertemplate="coupling %{y}, %{x} queries: %{text} times<extra></extra>",
            colorbar={
                "title": {"text": "times<br>dearer"},
                "tickvals": [0, 1, 2],
                "ticktext": ["1", "10", "100"],
                "thickness": 12,
            },
        ),
        row=1,
        col=2,
    )
    figure.update_xaxes(type="category", row=1, col=2)


def _times(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "?"
    return f"{ratio:.0f}" if ratio >= 9.5 else f"{ratio:.1f}"


def floats(results: Results, number: str) -> Float[ndarray, " seed"]:
    """A number of every row."""
    return results[number].astype(np.float64)


def middle_of(results: Results, number: str) -> float:
    """The median of a number over ladders; NaN without any."""
    return percentiles(floats(results, number))[1]


__all__ = [
    "ALIKE",
    "COSTS",
    "FITTED",
    "costs_and_regimes",
    "exponent_text",
    "floats",
    "law_text",
    "middle_of",
]
