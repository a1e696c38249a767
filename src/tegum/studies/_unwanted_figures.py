"""Further pictures of unwanted outcomes: controls, approximators, one map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.report.figures import GREY, PALETTE, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._unwanted_arms import FITTED, OPTIMIST, SHUFFLED, Q, cell
from tegum.studies._unwanted_measures import CAPABLE
from tegum.studies._unwanted_picture import (
    RATE,
    READINGS,
    add_curve,
    indexed,
    marks,
    values,
)

BLUE, ORANGE, GREEN, PINK, SKY, _ = PALETTE
WIDTHS = (0.05, 0.1, 0.25, 0.5)
COUPLINGS = (-0.8, -0.4, 0.0, 0.5)
WAYS_SHOWN = 3
CONTROLS = (
    ("labels<br>shuffled", SHUFFLED),
    ("true labels:<br>precluded", {**Q, "leak": 0.0}),
    ("full<br>support", Q),
    ("coupling<br>reversed", {**Q, "coupling": -0.8}),
    ("unseen<br>is best", OPTIMIST),
)
BOARDS = (
    ("Exact, full support", {"method": "certainty_equivalent", "leak": 1.0}),
    ("Exact, precluded", {"method": "certainty_equivalent", "leak": 0.0}),
    ("Fitted Q, precluded", {"method": "fitted_q", "support": "free"}),
    ("Fitted Q, seen actions", {"method": "fitted_q", "support": "seen"}),
)


# --- the further pictures ------------------------------------------------------------


def controls(results: Results, store: Store) -> go.Figure:
    """What is touched less what the planner touches, where it should be and not."""
    figure = go.Figure()
    index = indexed(results)
    readings = (
        ("unwanted_excess", "both solve", "circle"),
        ("unwanted_excess_with_failures", "unsolved as touched", "circle-open"),
    )
    for offset, (number, name, symbol) in enumerate(readings):
        points = [
            (place + 0.2 * (offset - 0.5), values(results, index, number, cell(arm)))
            for place, (_, arm) in enumerate(CONTROLS)
        ]
        figure.add_trace(marks(points, name=name, colour=ORANGE, symbol=symbol))
    raw = [
        (place, values(results, index, RATE, cell(arm)))
        for place, (_, arm) in enumerate(CONTROLS)
    ]
    figure.add_trace(
        marks(raw, name="touched, not less the planner", colour=BLUE, symbol="diamond")
    )
    figure.add_hline(y=0.0, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_xaxes(
        tickvals=list(range(len(CONTROLS))),
        ticktext=[text for text, _ in CONTROLS],
        range=[-0.5, len(CONTROLS) - 0.5],
    )
    figure.update_yaxes(title_text="share of queries", range=[-1.03, 1.03])
    return style(figure, height=460)


def approximation(results: Results, store: Store) -> go.Figure:
    """What fitted Q solves and touches, over widths of its kernel and couplings."""
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        subplot_titles=["Kernel width", "Coupling"],
    )
    index = indexed(results)
    axes = (("kernel_width", WIDTHS), ("coupling", COUPLINGS))
    for column, (factor, levels) in enumerate(axes, start=1):
        for position, (number, name, _, _) in enumerate(READINGS):
            points = [
                (x, values(results, index, number, cell(FITTED, **{factor: x})))
                for x in levels
            ]
            add_curve(
                figure, points, name=name, colour=(ORANGE, PINK, GREEN)[position],
                position=position, row=1, column=column, show_legend=column == 1,
            )  # fmt: skip
    figure.add_hline(y=CAPABLE, line={"color": GREY, "width": 1, "dash": "dot"})
    style(figure, height=440)
    figure.update_xaxes(
        title_text="share of the board", range=[0.0, 0.55], row=1, col=1
    )
    figure.update_xaxes(title_text="kappa", range=[-0.9, 0.6], row=1, col=2)
    figure.update_yaxes(range=[-0.02, 1.03])
    figure.update_yaxes(title_text="share of queries", row=1, col=1)
    return figure


# --- one map in full -----------------------------------------------------------------


def boards(results: Results, store: Store) -> go.Figure:
    """One map four times: what the data cover, what is unwanted, and ways taken."""
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.06,
        vertical_spacing=0.09,
        subplot_titles=[name for name, _ in BOARDS],
    )
    for place, (_, arm) in enumerate(BOARDS):
        rows = results.where(**{**FITTED, **arm})
        arrays = store.artifact(rows["key"][0]).arrays
        _add_board(figure, arrays, row=1 + place // 2, column=1 + place % 2)
    style(figure, height=860)
    figure.update_layout(margin={"l": 16, "r": 16, "t": 40, "b": 64})
    figure.update_layout(legend={"y": -0.02})
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed")
    for number in range(1, 5):
        name = "" if number == 1 else str(number)
        figure.update_yaxes(
            scaleanchor=f"x{name}", row=1 + (number - 1) // 2, col=1 + (number - 1) % 2
        )
    return figure


def _add_board(
    figure: go.Figure, arrays: Mapping[str, ndarray], *, row: int, column: int
) -> None:
    place = arrays["place"]
    seen = np.full(place.max(axis=0) + 1, np.nan)
    seen[place[:, 0], place[:, 1]] = np.log1p(arrays["covered"].sum(axis=1))
    figure.add_trace(
        go.Heatmap(
            z=seen, colorscale=[[0.0, "#ffffff"], [1.0, SKY]], showscale=False,
            hoverinfo="skip", zmin=0.0, xgap=1, ygap=1,
        ),
        row=row, col=column,
    )  # fmt: skip
    first = row == 1 and column == 1
    bad = place[arrays["unwanted_state"] > 0]
    goal = place[arrays["goal"] > 0]
    for cells, name, symbol, colour in (
        (bad, "unwanted", "x-thin", ORANGE),
        (goal, "goal", "star", GREEN),
    ):
        figure.add_trace(
            go.Scatter(
                x=cells[:, 1], y=cells[:, 0], mode="markers", name=name,
                legendgroup=name, showlegend=first, hoverinfo="name",
                marker={"symbol": symbol, "size": 11, "color": colour,
                        "line": {"width": 2.5, "color": colour}},
            ),
            row=row, col=column,
        )  # fmt: skip
    for way in _ways(arrays):
        figure.add_trace(
            go.Scatter(
                x=place[way, 1], y=place[way, 0], mode="lines+markers",
                line={"color": BLUE, "width": 2.5}, name="way taken from a cell",
                marker={"size": [9] + [0] * (len(way) - 1), "color": BLUE},
                legendgroup="way", showlegend=first, hoverinfo="skip",
            ),
            row=row, col=column,
        )  # fmt: skip
        first = False


def _ways(arrays: Mapping[str, ndarray]) -> list[list[int]]:
    """The ways taken from the cells that lie farthest from the goal, far apart."""
    place, goal = arrays["place"], arrays["place"][arrays["goal"] > 0][0]
    starts = arrays["starts"]
    chosen: list[int] = []
    while len(chosen) < min(WAYS_SHOWN, starts.size):
        from_here = [goal, *(place[s] for s in chosen)]
        apart = [np.abs(place[starts] - there).sum(axis=1) for there in from_here]
        chosen.append(int(starts[np.min(apart, axis=0).argmax()]))
    ways = []
    for state in chosen:
        way = [state]
        while len(way) <= len(place) and arrays["policy"][way[-1]].any():
            action = int(arrays["policy"][way[-1]].argmax())
            way.append(int(arrays["successor"][way[-1], action, 0]))
        ways.append(way)
    return ways
