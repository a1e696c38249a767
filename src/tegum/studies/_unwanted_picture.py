"""Pictures of unwanted outcomes: dose, approximation, stitching, one map in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, SYMBOLS, band, curve, style
from tegum.results import Results
from tegum.studies._cells import percentiles
from tegum.studies._unwanted_arms import (
    ARGMAX,
    CLONING,
    CONSTRAINED,
    FEW,
    FITTED,
    HISTORY,
    MANY,
    NETWORK,
    NETWORK_SEEN,
    PESSIMIST,
    REMEMBERING,
    TABULAR,
    USUAL,
    WITH_PRIOR,
    cell,
)
from tegum.studies._unwanted_measures import CAPABLE

RATE = "unwanted_rate"
COMMON = "unwanted_rate_if_solved"
FAILED = "unwanted_or_unsolved_rate"
EPISODES = (0, 1, 3, 10, 30, 100, 300)
STEPS = (FEW, 30_000, MANY, 300_000)
BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = PALETTE

DOSED = (
    ("argmax", ARGMAX, FEW, BLUE, "dot"),
    ("argmax", ARGMAX, MANY, BLUE, "solid"),
    ("pessimistic argmax", PESSIMIST, MANY, SKY, "solid"),
    ("cloning", CLONING, FEW, ORANGE, "dot"),
    ("cloning", CLONING, MANY, ORANGE, "solid"),
    ("cloning, uniform prior", WITH_PRIOR, MANY, YELLOW, "solid"),
)
"""Name, arm, steps, colour and dash of each curve over doses."""
LEARNERS = (
    ("tabular<br>Q", TABULAR),
    ("fitted Q,<br>seen<br>actions", CONSTRAINED),
    ("fitted Q,<br>any<br>action", FITTED),
    ("fitted Q,<br>shown<br>all", {**FITTED, "leak": 1.0}),
    ("neural Q,<br>seen<br>actions", NETWORK_SEEN),
    ("neural Q,<br>any<br>action", NETWORK),
    ("neural Q,<br>shown<br>all", {**NETWORK, "leak": 1.0}),
)
"""All on the same maps; those that a design lacks are left out."""
READINGS = (
    (COMMON, "touched, of the solved", ORANGE, "circle"),
    (FAILED, "touched or unsolved", ORANGE, "circle-open"),
    ("solved_share", "solved", GREEN, "x"),
)
STITCHED = (
    ("no memory, nothing deleted", {**HISTORY, "kept": "all"}, GREY, 2),
    ("no memory, unwanted deleted", HISTORY, ORANGE, 1),
    ("memory, unwanted deleted", REMEMBERING, BLUE, 0),
)

Index = Mapping[tuple[Any, ...], list[int]]


def indexed(results: Results) -> Index:
    """The rows of each arm: their positions, by what the study's factors are in it."""
    columns = [results[name].tolist() for name in USUAL]
    found: dict[tuple[Any, ...], list[int]] = {}
    for position, key in enumerate(zip(*columns, strict=True)):
        found.setdefault(key, []).append(position)
    return found


def values(
    results: Results, index: Index, number: str, arm: Mapping[str, Any]
) -> Float[ndarray, " map"]:
    """A number of an arm on every map; none where the design lacks the arm."""
    rows = index.get(tuple(arm[name] for name in USUAL), [])
    return results[number][rows].astype(np.float64)


def four_questions(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Dose and output rule; approximation; stitching, and who is capable of it.

    Medians over maps with bands and bars from the tenth to the ninetieth of a hundred.
    """
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.11,
        vertical_spacing=0.2,
        subplot_titles=[
            "Touched, by dose",
            "Nothing unwanted shown",
            "Touched, after deletion",
            "Solved, after deletion",
        ],
    )
    index = indexed(results)
    _add_doses(figure, results, index)
    there = [
        (name, arm)
        for name, arm in LEARNERS
        if values(results, index, RATE, cell(arm)).size
    ]
    _add_learners(figure, results, index, there, row=1, column=2)
    for column, number in ((1, RATE), (2, "solved_share")):
        _add_stitching(figure, results, index, number, column=column)
    figure.add_hline(
        y=CAPABLE,
        line={"color": GREY, "width": 1, "dash": "dot"},
        row=2,  # pyright: ignore[reportArgumentType]
        col=2,  # pyright: ignore[reportArgumentType]
    )
    style(figure, height=900)
    figure.update_yaxes(range=[-0.02, 1.03])
    figure.update_yaxes(title_text="share of queries", col=1)
    figure.update_layout(legend={"y": -0.12})
    return figure


def _add_doses(figure: go.Figure, results: Results, index: Index) -> None:
    """What is touched against the number of unwanted episodes, a curve for each rule.

    The last place is full support.
    """
    shown = {dose for dose in results["dose"].tolist() if dose is not None}
    episodes = [dose for dose in EPISODES if dose in shown]
    places = {dose: place for place, dose in enumerate(episodes)}
    whole = len(episodes)
    for position, (name, arm, steps, colour, dash) in enumerate(DOSED):
        points = []
        for dose, place in places.items():
            found = values(results, index, RATE, cell(arm, dose=dose, steps=steps))
            points.append((place, found))
        full = cell(arm, dose=None, leak=1.0, steps=steps)
        points.append((whole, values(results, index, RATE, full)))
        label = f"{name}, {steps:,} steps"
        add_curve(
            figure, points, name=label, colour=colour, dash=dash, position=position,
            row=1, column=1, shaded=arm in (ARGMAX, CLONING),
        )  # fmt: skip
    figure.update_xaxes(
        title_text="unwanted episodes in the data",
        tickvals=list(range(whole + 1)),
        ticktext=[*map(str, episodes), "full"],
        range=[-0.3, whole + 0.3],
        row=1,
        col=1,
    )


def add_curve(
    figure: go.Figure,
    points: Sequence[tuple[float, ndarray]],
    *,
    name: str,
    colour: str,
    row: int,
    column: int,
    dash: str = "solid",
    position: int = 0,
    show_legend: bool = True,
    shaded: bool = True,
) -> None:
    """Medians as a line, with a band where the line is solid; nothing without rows."""
    known = [(x, percentiles(found)) for x, found in points if found.size]
    if not known:
        return
    x = [place for place, _ in known]
    low, middle, high = (list(v) for v in zip(*(s for _, s in known), strict=True))
    if dash == "solid" and shaded:
        edges = band(x, low, high, colour=colour, group=name)
        figure.add_trace(edges, row=row, col=column)
    line = curve(
        x, middle, name=name, colour=colour, position=position, group=name,
        show_legend=show_legend,
    )  # fmt: skip
    line.update(line={"dash": dash})
    if dash != "solid":
        # Where two curves are one, both of them are seen.
        symbol = f"{SYMBOLS[position % len(SYMBOLS)]}-open"
        line.update(marker={"symbol": symbol, "size": 13})
    line.hovertemplate = f"{name}<br>%{{y:.2f}} of the queries<extra></extra>"
    figure.add_trace(line, row=row, col=column)


def _add_learners(
    figure: go.Figure,
    results: Results,
    index: Index,
    learners: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    row: int,
    column: int,
) -> None:
    """Each learner in both readings, and what it solves."""
    for offset, (number, name, colour, symbol) in enumerate(READINGS):
        points = [
            (place + 0.2 * (offset - 1), values(results, index, number, cell(arm)))
            for place, (_, arm) in enumerate(learners)
        ]
        figure.add_trace(
            marks(points, name=name, colour=colour, symbol=symbol),
            row=row,
            col=column,
        )
    _name_places(figure, [text for text, _ in learners], row=row, column=column)


def _name_places(
    figure: go.Figure, names: Sequence[str], *, row: int, column: int
) -> None:
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        range=[-0.5, len(names) - 0.5],
        row=row,
        col=column,
    )


def marks(
    points: Sequence[tuple[float, ndarray]],
    *,
    name: str,
    colour: str,
    symbol: str,
) -> go.Scatter:
    """Medians as marks, with bars from the tenth to the ninetieth percentile."""
    known = [(x, *percentiles(found)) for x, found in points if found.size]
    x, low, middle, high = (
        (np.array(v) for v in zip(*known, strict=True)) if known else [np.zeros(0)] * 4
    )
    return go.Scatter(
        x=x,
        y=middle,
        mode="markers",
        marker={"symbol": symbol, "size": 10, "color": colour},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": high - middle,
            "arrayminus": middle - low,
            "thickness": 1.5,
            "width": 3,
        },
        name=name,
        legendgroup=name,
        hovertemplate=f"{name}: %{{y:.2f}}<extra></extra>",
    )


def _add_stitching(
    figure: go.Figure, results: Results, index: Index, number: str, *, column: int
) -> None:
    """A number against the data, with memory and without."""
    for name, arm, colour, position in STITCHED:
        points = [
            (steps, values(results, index, number, cell(arm, steps=steps)))
            for steps in STEPS
        ]
        add_curve(
            figure, points, name=name, colour=colour, position=position, row=2,
            column=column, show_legend=column == 1,
        )  # fmt: skip
    figure.update_xaxes(
        type="log",
        title_text="steps of exploration",
        tickvals=list(STEPS),
        ticktext=[f"{steps:,}" for steps in STEPS],
        row=2,
        col=column,
    )
