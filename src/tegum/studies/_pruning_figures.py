"""Further pictures of pruning's cost: price of a check, three laws, controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.report.figures import GREY, PALETTE, SYMBOLS, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._cells import percentiles
from tegum.studies._pruning_ladders import EPSILON, SIZES
from tegum.studies._pruning_picture import COSTS, floats, middle_of

PRICES = np.geomspace(1e-2, 1e4, 61)
LAW_NAMES = {"power": "power law", "slogs": "S log S", "saturation": "saturating"}
COST_NAMES = {"one": "one query", "all": "every query", "certificate": "certificate"}

# --- what a check may cost -----------------------------------------------------------


def prices(results: Results, store: Store) -> go.Figure:
    """Total cost against the price of a check in operations, by procedure."""
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        subplot_titles=["coupling 0", "coupling 0.8"],
    )
    for column, kappa in ((1, 0.0), (2, 0.8)):
        rows = results.where(coupling=kappa)
        spent = [
            _spent(store.artifact(key).arrays)
            for key, status in zip(rows["key"], rows["status"], strict=True)
            if status == "trained"
        ]
        _add_prices(figure, spent, column=column)
    style(figure, height=520)
    figure.update_xaxes(title_text="price of a check, in operations", type="log")
    figure.update_yaxes(type="log")
    figure.update_yaxes(title_text="total cost, in operations", row=1, col=1)
    figure.update_layout(legend={"y": -0.2})
    return figure


LINES = (
    ("data, eager, any number of queries", GREY, "solid"),
    ("data, lazy with repair, 16 queries", PALETTE[1], "dash"),
    ("search, lazy with restarts, 16 queries", PALETTE[3], "dashdot"),
    ("search, lazy with restarts, one query", PALETTE[0], "dot"),
    ("search, eager, 16 queries", PALETTE[2], "longdash"),
)


def _spent(arrays: Any) -> Float[ndarray, "line 2"]:
    """Checks and operations of each line of the figure, at the largest fitted size."""
    eager = arrays["eager"][-2]
    searched, learned = arrays["matched"][-2]
    alone = arrays["alone"][-2].mean(axis=0)
    shown = arrays["eager_search"][-2]
    return np.array(
        [eager[1:3], learned[:2], searched[:2], alone[:2], shown], dtype=np.float64
    )


def _add_prices(
    figure: go.Figure, spent: Sequence[Float[ndarray, "line 2"]], *, column: int
) -> None:
    if not spent:
        return
    table = np.array(spent)
    total = table[:, :, :1] * PRICES + table[:, :, 1:]
    medians = np.median(total, axis=0)
    for line, (name, colour, dash) in enumerate(LINES):
        figure.add_trace(
            go.Scatter(
                x=PRICES.tolist(),
                y=medians[line].tolist(),
                mode="lines",
                line={"color": colour, "width": 2.5, "dash": dash},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                hovertemplate=f"{name}<br>a check at %{{x:.3g}}: %{{y:.3g}}"
                "<extra></extra>",
            ),
            row=1,
            col=column,
        )
    for line in (2, 3):
        _mark_crossing(figure, medians[0], medians[line], line=line, column=column)


def _mark_crossing(
    figure: go.Figure,
    data: Float[ndarray, " price"],
    search: Float[ndarray, " price"],
    *,
    line: int,
    column: int,
) -> None:
    """A ring where eager data and a lazy search are equally dear."""
    gap = np.log(data / search)
    turns = np.flatnonzero(np.sign(gap[:-1]) != np.sign(gap[1:]))
    for k in turns[:1].tolist():
        share = float(gap[k] / (gap[k] - gap[k + 1]))
        price = float(PRICES[k] * (PRICES[k + 1] / PRICES[k]) ** share)
        cost = float(data[k] * (data[k + 1] / data[k]) ** share)
        figure.add_trace(
            go.Scatter(
                x=[price],
                y=[cost],
                mode="markers+text",
                marker={"symbol": "circle-open", "size": 12, "color": LINES[line][1]},
                text=[f"{price:,.0f}" if price >= 9.5 else f"{price:.1f}"],
                textposition="top center" if line == 2 else "bottom center",
                showlegend=False,
                hovertemplate="equally dear at %{x:.3g}<extra></extra>",
            ),
            row=1,
            col=column,
        )


# --- three laws ----------------------------------------------------------------------


def forecasts(results: Results, store: Store) -> go.Figure:
    """How far each law's forecast is off at the size held out, and local exponents."""
    del store  # nothing but the numbers is drawn
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.1,
        vertical_spacing=0.2,
        shared_yaxes=True,
        subplot_titles=[
            "Forecast of 181 x 181, coupling 0",
            "Forecast of 181 x 181, coupling 0.8",
            "Local exponents, coupling 0",
            "Local exponents, coupling 0.8",
        ],
    )
    for column, kappa in ((1, 0.0), (2, 0.8)):
        rows = results.where(coupling=kappa)
        _add_errors(figure, rows, column=column)
        _add_local(figure, rows, column=column)
    style(figure, height=820)
    figure.update_yaxes(title_text="forecast over found", type="log", row=1, col=1)
    figure.update_yaxes(
        type="log", tickvals=[0.25, 0.5, 1, 2, 4], row=1,
    )  # fmt: skip
    figure.update_yaxes(title_text="d log checks / d log S", row=2, col=1)
    figure.update_xaxes(title_text="states S", type="log", row=2)
    figure.update_layout(legend={"y": -0.12})
    return figure


def _add_errors(figure: go.Figure, results: Results, *, column: int) -> None:
    for position, (law, name) in enumerate(LAW_NAMES.items()):
        errors = [
            2.0 ** floats(results, f"{law}_forecast_{cost}") for cost in COST_NAMES
        ]
        figure.add_trace(
            marks(
                [k + 0.22 * (position - 1) for k in range(len(COST_NAMES))],
                [percentiles(values) for values in errors],
                name=name,
                colour=PALETTE[(0, 1, 2)[position]],
                symbol=SYMBOLS[position],
                show_legend=column == 1,
            ),
            row=1,
            col=column,
        )
    level_line(figure, 1.0, row=1, column=column)
    figure.update_xaxes(
        tickvals=list(range(len(COST_NAMES))),
        ticktext=list(COST_NAMES.values()),
        row=1,
        col=column,
    )


def _add_local(figure: go.Figure, results: Results, *, column: int) -> None:
    """Slopes of medians between sizes an octave apart."""
    states = np.array([middle_of(results, f"states_at_{n}") for n in SIZES])
    for cost, name, colour, symbol, dash in COSTS:
        found = np.array([middle_of(results, f"{cost}_at_{n}") for n in SIZES])
        slope = np.log(found[2:] / found[:-2]) / np.log(states[2:] / states[:-2])
        figure.add_trace(
            go.Scatter(
                x=states[1:-1].tolist(),
                y=slope.tolist(),
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": dash},
                marker={"symbol": symbol, "size": 7},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
            ),
            row=2,
            col=column,
        )
    level_line(figure, 1.0, row=2, column=column)


# --- controls ------------------------------------------------------------------------

ARMS = (
    ("0", {"coupling": 0.0, "control": "none", "sizes": [SIZES]}),
    ("0.8", {"coupling": 0.8, "control": "none", "sizes": [SIZES]}),
    ("-0.8", {"coupling": -0.8, "control": "none", "sizes": [SIZES]}),
    ("labels<br>shuffled", {"control": "labels shuffled"}),
    ("oracle<br>shuffled", {"control": "oracle shuffled"}),
)
"""Numbers are couplings; labels and oracle are shuffled at 0.8."""


def controls(results: Results, store: Store) -> go.Figure:
    """What controls do to exponents, checks and rates."""
    del store  # nothing but the numbers is drawn
    panels = (
        ("exponent_one", "Exponent, one query"),
        ("middle_share_all", "Share of states checked, every query"),
        ("failed_after", "Queries without a clean solution after pruning"),
        ("certificate_residual", "Most that a certificate left unwanted"),
    )
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.1,
        vertical_spacing=0.2,
        subplot_titles=[title for _, title in panels],
    )
    names = [name for name, _ in ARMS]
    for panel, (number, _) in enumerate(panels):
        row, column = panel // 2 + 1, panel % 2 + 1
        found = [
            percentiles(floats(results.where(**where), number)) for _, where in ARMS
        ]
        figure.add_trace(
            marks(
                list(range(len(ARMS))),
                found,
                name="median over ladders",
                colour=PALETTE[0],
                symbol="circle",
                show_legend=False,
            ),
            row=row,
            col=column,
        )
        figure.update_xaxes(
            tickvals=list(range(len(ARMS))),
            ticktext=names,
            tickangle=0,
            tickfont={"size": 11},
            range=[-0.5, len(ARMS) - 0.5],
            row=row,
            col=column,
        )
        if number == "certificate_residual":
            level_line(figure, EPSILON, row=row, column=column)
    style(figure, height=760)
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(title_text="coupling, or what was done", row=2)
    return figure


def marks(
    x: Sequence[float],
    summaries: Sequence[tuple[float, float, float]],
    *,
    name: str,
    colour: str,
    symbol: str,
    show_legend: bool = True,
) -> go.Scatter:
    """Medians as marks, with bars from the tenth to the ninetieth percentile."""
    low, middle, high = (np.array(ends) for ends in zip(*summaries, strict=True))
    return go.Scatter(
        x=list(x),
        y=middle.tolist(),
        mode="markers",
        marker={"symbol": symbol, "size": 10, "color": colour},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": (high - middle).tolist(),
            "arrayminus": (middle - low).tolist(),
            "thickness": 1.5,
            "width": 3,
        },
        name=name,
        legendgroup=name,
        showlegend=show_legend,
        hovertemplate=f"{name}: %{{y:.3g}}<extra></extra>",
    )


def level_line(figure: go.Figure, y: float, *, row: int, column: int) -> None:
    figure.add_hline(
        y=y,
        line={"color": GREY, "width": 1, "dash": "dot"},
        row=row,  # pyright: ignore[reportArgumentType]
        col=column,  # pyright: ignore[reportArgumentType]
    )


__all__ = ["controls", "forecasts", "level_line", "marks", "prices"]
