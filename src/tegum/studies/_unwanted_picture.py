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
from tegum.store import Store
from tegum.studies._cells import percentiles
from tegum.studies._unwanted_arms import (
    ARGMAX,
    CLONING,
    CONSTRAINED,
    FEW,
    FITTED,
    HISTORY,
    MANY,
    OPTIMIST,
    PESSIMIST,
    REMEMBERING,
    SHUFFLED,
    USUAL,
    WITH_PRIOR,
    Q,
    cell,
)
from tegum.studies._unwanted_measures import CAPABLE

RATE = "unwanted_rate"
COMMON = "unwanted_rate_if_solved"
FAILED = "unwanted_or_unsolved_rate"
LEAKS = (0.0, 0.001, 0.01, 0.1, 0.3, 1.0)
"""The chances of taking a chosen entry, for a problem of one's own."""
EPISODES = (0, 1, 3, 10, 30, 100, 300)
STEPS = (FEW, 30_000, MANY, 300_000)
WIDTHS = (0.05, 0.1, 0.25, 0.5)
COUPLINGS = (-0.8, -0.4, 0.0, 0.5)
WAYS_SHOWN = 3
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
    ("Q-learning,<br>tabular", {**Q, "leak": 0.0}),
    ("fitted Q,<br>seen actions", CONSTRAINED),
    ("fitted Q,<br>any action", FITTED),
    ("fitted Q,<br>full support", {**FITTED, "leak": 1.0}),
)
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

Index = Mapping[tuple[Any, ...], list[int]]


def _index(results: Results) -> Index:
    """The rows of each arm: their positions, by what the study's factors are in it."""
    columns = [results[name].tolist() for name in USUAL]
    found: dict[tuple[Any, ...], list[int]] = {}
    for position, key in enumerate(zip(*columns, strict=True)):
        found.setdefault(key, []).append(position)
    return found


def _values(
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
    index = _index(results)
    _add_doses(figure, results, index)
    _add_learners(figure, results, index, LEARNERS, row=1, column=2)
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
            found = _values(results, index, RATE, cell(arm, dose=dose, steps=steps))
            points.append((place, found))
        full = cell(arm, dose=None, leak=1.0, steps=steps)
        points.append((whole, _values(results, index, RATE, full)))
        label = f"{name}, {steps:,} steps"
        _add_curve(
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


def _add_curve(
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
            (place + 0.2 * (offset - 1), _values(results, index, number, cell(arm)))
            for place, (_, arm) in enumerate(learners)
        ]
        figure.add_trace(
            _marks(points, name=name, colour=colour, symbol=symbol),
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


def _marks(
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
            (steps, _values(results, index, number, cell(arm, steps=steps)))
            for steps in STEPS
        ]
        _add_curve(
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


# --- the further pictures ------------------------------------------------------------


def controls(results: Results, store: Store) -> go.Figure:
    """What is touched less what the planner touches, where it should be and not."""
    figure = go.Figure()
    index = _index(results)
    readings = (
        ("unwanted_excess", "both solve", "circle"),
        ("unwanted_excess_with_failures", "unsolved as touched", "circle-open"),
    )
    for offset, (number, name, symbol) in enumerate(readings):
        points = [
            (place + 0.2 * (offset - 0.5), _values(results, index, number, cell(arm)))
            for place, (_, arm) in enumerate(CONTROLS)
        ]
        figure.add_trace(_marks(points, name=name, colour=ORANGE, symbol=symbol))
    raw = [
        (place, _values(results, index, RATE, cell(arm)))
        for place, (_, arm) in enumerate(CONTROLS)
    ]
    figure.add_trace(
        _marks(raw, name="touched, not less the planner", colour=BLUE, symbol="diamond")
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
    index = _index(results)
    axes = (("kernel_width", WIDTHS), ("coupling", COUPLINGS))
    for column, (factor, levels) in enumerate(axes, start=1):
        for position, (number, name, _, _) in enumerate(READINGS):
            points = [
                (x, _values(results, index, number, cell(FITTED, **{factor: x})))
                for x in levels
            ]
            _add_curve(
                figure, points, name=name, colour=(ORANGE, PINK, GREEN)[position],
                position=position, row=1, column=column, show_legend=column == 1,
            )  # fmt: skip
    figure.add_hline(y=CAPABLE, line={"color": GREY, "width": 1, "dash": "dot"})
    style(figure, height=440)
    figure.update_xaxes(title_text="share of the board", row=1, col=1)
    figure.update_xaxes(title_text="kappa", row=1, col=2)
    figure.update_yaxes(range=[-0.02, 1.03])
    figure.update_yaxes(title_text="share of queries", row=1, col=1)
    return figure


def leaks(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """What is touched and solved against the leak, for a problem of one's own."""
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        subplot_titles=["Touched", "Solved"],
    )
    rules = [rule for rule in DOSED if rule[2] == MANY]
    for position, (name, arm, _, colour, _) in enumerate(rules):
        own = {
            "method": arm.get("method", "certainty_equivalent"),
            "prior": arm.get("prior", 1.0),
            "pessimism": arm.get("pessimism", 0.0),
        }
        found = results.where(**own)
        for column, number in ((1, RATE), (2, "solved_share")):
            points = [
                (place, found.where(leak=leak)[number].astype(np.float64))
                for place, leak in enumerate(LEAKS)
            ]
            _add_curve(
                figure, points, name=name, colour=colour, position=position, row=1,
                column=column, show_legend=column == 1,
            )  # fmt: skip
    style(figure, height=440)
    figure.update_xaxes(
        title_text="leak: chance of taking a chosen entry",
        tickvals=list(range(len(LEAKS))),
        ticktext=[f"{leak:g}" for leak in LEAKS],
    )
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


__all__ = [
    "LEAKS",
    "approximation",
    "boards",
    "controls",
    "four_questions",
    "leaks",
]
