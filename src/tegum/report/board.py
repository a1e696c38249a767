"""The board: one problem drawn cell by cell, and what an optimiser did on it.

Cells without a state are dark, unwanted ones tinted and crossed. A blue tint is what a
search looked at, a green one what a learner's data cover, the darker the more often.
Rings are what the oracle was asked about. The way is a line where nothing is left to
chance, else dots whose size is the chance of ever passing. A slider, or play, goes
through it: the search, the questions, and then the way, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.report.figures import GREY, PALETTE, loosely, style, translucent
from tegum.report.ways import Played, Way, played, way_of

if TYPE_CHECKING:
    from tegum.planning.outcome import Outcome
    from tegum.planning.problem import Problem

STOPS = 12
"""Stops of the slider for what a search touched, and for what was asked."""
STEP_STOPS = 36

NOTHING, FLOOR, UNWANTED = "#59616c", "#f4f2ee", "#f8d2b6"
CROSS, INK = "#a63f00", "#14181d"
SEARCHED, COVERED = PALETTE[4], PALETTE[2]


def board(
    problem: Problem, outcome: Outcome, *, start: int = 0, title: str = ""
) -> go.Figure:
    """One problem and what an optimiser did on it, step by step.

    `start` is the position among `problem.starts` of the query whose way is drawn. An
    outcome without a policy over states shows what was touched and no way.

    >>> from tegum.planning import grid_map
    >>> from tegum.planning.direct import a_star
    >>> problem = grid_map(size=12, seed=0).problem
    >>> figure = board(problem, a_star(problem, seed=0, budget=10**6))
    >>> figure.layout.sliders[0].steps[0].label
    'map'

    Raises:
        ValueError: no such start, or a problem of more than 2,500 states.
    """
    return boards(problem, {title: outcome}, start=start, columns=1)


def boards(
    problem: Problem,
    outcomes: Mapping[str, Outcome],
    *,
    start: int = 0,
    columns: int = 2,
) -> go.Figure:
    """Several optimisers side by side on one problem, by one slider.

    Raises:
        ValueError: as `board`, or no outcome.
    """
    found = {
        name: played(
            {
                "place": problem.place,
                "successor": problem.successor,
                "probability": problem.probability,
                "goal": problem.goal,
                "unwanted_state": problem.unwanted,
                "starts": problem.starts,
                "policy": outcome.policy,
                "expanded": outcome.expanded,
                "touched": outcome.touched,
                "asked": outcome.asked,
                "covered": outcome.covered,
            },
            start=start,
        )
        for name, outcome in outcomes.items()
    }
    return drawn(found, columns=columns)


# --- drawing -------------------------------------------------------------------------


@dataclass(frozen=True)
class Stop:
    """A place of the slider: the share of the search and of the questions, a step."""

    label: str
    touched: float
    asked: float
    step: int


def drawn(found: Mapping[str, Played], *, columns: int) -> go.Figure:
    """The figure of several boards.

    Raises:
        ValueError: nothing to draw.
    """
    if not found:
        raise ValueError("there is no outcome to draw; give one or more")
    plays, ways = list(found.values()), [way_of(play) for play in found.values()]
    columns = min(columns, len(plays))
    rows = -(-len(plays) // columns)
    titles = [_title(n, w) for n, w in zip(found, ways, strict=True)]
    figure = make_subplots(
        rows=rows, cols=columns, subplot_titles=titles, horizontal_spacing=0.05,
        vertical_spacing=0.16 / rows,
    )  # fmt: skip
    stops = _stops(plays, ways)
    moving: list[int] = []
    for position, (play, way) in enumerate(zip(plays, ways, strict=True)):
        row, column = divmod(position, columns)
        for trace in _still(play):
            figure.add_trace(trace, row=row + 1, col=column + 1)
        for trace in _moving(play, way, stop=stops[-1]):
            moving.append(len(figure.data))  # pyright: ignore[reportArgumentType]
            figure.add_trace(trace, row=row + 1, col=column + 1)
        for trace in _ends(play):
            figure.add_trace(trace, row=row + 1, col=column + 1)
    _legend(figure, plays, ways)
    figure.frames = [
        go.Frame(
            name=str(k),
            traces=moving,
            data=[
                trace
                for play, way in zip(plays, ways, strict=True)
                for trace in _moving(play, way, stop=stop)
            ],
        )
        for k, stop in enumerate(stops)
    ]
    return _finished(figure, plays, stops, rows=rows)


def _title(name: str, way: Way | None) -> str:
    if way is None:
        return f"{name}<br>no policy over states" if name else "no policy over states"
    solved, unwanted = float(way.solved[-1]), float(way.unwanted[-1])
    told = f"goal {solved:.0%}, touches unwanted {unwanted:.0%}"
    if way.steps == way.steps:
        told += f", {way.steps:.3g} steps"
    return f"{name}<br>{told}" if name else told


def _stops(plays: Sequence[Played], ways: Sequence[Way | None]) -> list[Stop]:
    """The stops: what was touched, then what was asked, then the way."""
    touched = max((len(p.touched) for p in plays if p.touched is not None), default=0)
    asked = max(p.asked.size for p in plays)
    steps = max((len(w.chance) - 1 for w in ways if w is not None), default=0)
    found = [Stop("map", 0.0, 0.0, -1)]
    for share in np.linspace(0, 1, min(STOPS, touched) + 1)[1:]:
        found.append(Stop(f"search {share:.0%}", float(share), 0.0, -1))
    for share in np.linspace(0, 1, min(STOPS, asked) + 1)[1:]:
        found.append(Stop(f"checks {share:.0%}", 1.0, float(share), -1))
    near = np.arange(min(steps, STEP_STOPS // 2) + 1)
    far = np.geomspace(max(near[-1], 1), max(steps, 1), STEP_STOPS // 2).round()
    for step in np.unique(np.r_[near, far if steps > near[-1] else []]).astype(int):
        found.append(Stop(f"step {step}", 1.0, 1.0, int(step)))
    return found


def _still(play: Played) -> list[Any]:
    """What never moves and lies below: cells, and what the data cover."""
    cell, _ = play.cells
    rows, columns = play.shape
    kind = np.zeros(rows * columns)
    kind[cell] = 1.0
    kind[cell[play.unwanted]] = 2.0
    scale = [
        [position / 3 + shift, colour]
        for position, colour in enumerate((NOTHING, FLOOR, UNWANTED))
        for shift in (0.0, 1 / 3)
    ]
    traces: list[Any] = [
        go.Heatmap(
            z=kind.reshape(rows, columns), zmin=-0.5, zmax=2.5, colorscale=scale,
            showscale=False, xgap=1, ygap=1, text=_told(play),
            hovertemplate="%{text}<extra></extra>",
        )
    ]  # fmt: skip
    if play.covered is not None:
        traces.append(_tint(play, play.covered, colour=COVERED))
    return traces


def _moving(play: Played, way: Way | None, *, stop: Stop) -> list[Any]:
    """What the slider moves: the search, the questions, the way; always three."""
    pixels, states = _cell_pixels(play), len(play.place)
    count = play.expanded
    if play.touched is not None:
        shown = play.touched[: math.ceil(stop.touched * len(play.touched))]
        count = np.bincount(shown, minlength=states)
    asked = play.asked[: math.ceil(stop.asked * play.asked.size)]
    places = play.place[np.unique(asked)] if asked.size else play.place[:0]
    traces = [
        _tint(play, count, colour=SEARCHED),
        _symbols(places, "circle-open", PALETTE[0], 0.66 * pixels, width=2),
    ]
    if way is None or stop.step < 0:
        return [*traces, _symbols(play.place[:0], "circle", INK, 1.0)]
    _, columns = play.shape
    if way.line is not None:
        line = way.line[: stop.step + 1]
        at = np.stack(np.divmod(line, columns), axis=1)
        trace = _symbols(at, "circle", INK, max(0.22 * pixels, 3.0))
        trace.update(mode="lines+markers", line={"color": INK, "width": 3})
        return [*traces, trace]
    chance = way.chance[min(stop.step, len(way.chance) - 1)]
    seen = np.flatnonzero(chance > 0.005)
    at = np.stack(np.divmod(seen, columns), axis=1)
    sizes = (0.72 * pixels * np.sqrt(chance[seen])).round(2)
    return [*traces, _symbols(at, "circle", INK, sizes.tolist())]


def _ends(play: Played) -> list[Any]:
    """Unwanted crosses, the start and the goals: nothing may hide them."""
    pixels = _cell_pixels(play)
    size = max(0.55 * pixels, 7.0)
    return [
        _symbols(play.place[play.unwanted], "x-thin", CROSS, 0.36 * pixels, width=2.5),
        _symbols(play.place[[play.start]], "diamond", PALETTE[0], size, edge="white"),
        _symbols(play.place[play.goal], "star", PALETTE[5], 1.3 * size, edge=INK),
    ]


def _symbols(
    at: ndarray, symbol: str, colour: str, size: Any, *, width: float = 0.0,
    edge: str | None = None,
) -> go.Scatter:  # fmt: skip
    outline = {"width": width or (1 if edge else 0), "color": edge or colour}
    marker = {"symbol": symbol, "size": size, "color": colour, "line": outline}
    return go.Scatter(
        x=at[:, 1].tolist(), y=at[:, 0].tolist(), mode="markers",
        marker={**marker, "opacity": 1.0}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _tint(play: Played, count: ndarray, *, colour: str) -> go.Heatmap:
    """A colour over cells, the stronger the more often, by the logarithm."""
    cell, cells = play.cells
    rows, columns = play.shape
    total = np.bincount(cell, weights=count, minlength=cells)
    most = max(float(np.log1p(total.max())), 1e-9)
    strength = np.where(total > 0, 0.35 + 0.65 * np.log1p(total) / most, np.nan)
    shown = [[None if v != v else round(float(v), 3) for v in row]
             for row in strength.reshape(rows, columns)]  # fmt: skip
    return go.Heatmap(
        z=shown, zmin=0.0, zmax=1.0, showscale=False, xgap=1, ygap=1,
        colorscale=[[0, translucent(colour, 0.0)], [1, translucent(colour, 0.8)]],
        hoverinfo="skip",
    )  # fmt: skip


def _told(play: Played) -> list[list[str]]:
    """What the pointer says of every cell."""
    cell, _ = play.cells
    rows, columns = play.shape
    told = [
        [f"row {r}, column {c}: no state"] * 1
        for r in range(rows)
        for c in range(columns)
    ]
    first_asked = {int(cell[s]): k for k, s in reversed(list(enumerate(play.asked)))}
    for state, at in enumerate(cell):
        words = [f"row {at // columns}, column {at % columns}"]
        words += ["unwanted"] * bool(play.unwanted[state])
        words += ["goal"] * bool(play.goal[state])
        if play.expanded[state]:
            words.append(f"looked at {play.expanded[state]} times")
        if play.covered is not None:
            words.append(f"{play.covered[state]} steps of data")
        if int(at) in first_asked:
            words.append(f"question {first_asked[int(at)] + 1} of {play.asked.size}")
        told[at] = [", ".join(words)]
    flat = [words[0] for words in told]
    return [flat[r * columns : (r + 1) * columns] for r in range(rows)]


def _cell_pixels(play: Played) -> float:
    """About how wide a cell is on a phone."""
    return 270.0 / max(play.shape)


def _legend(
    figure: go.Figure, plays: Sequence[Played], ways: Sequence[Way | None]
) -> None:
    entries: list[tuple[str, str, str, str]] = [
        ("wall", "square", NOTHING, NOTHING),
        ("unwanted", "x-thin", CROSS, CROSS),
    ]
    if any(p.expanded.any() or p.touched is not None for p in plays):
        entries.append(("search looked", "square", SEARCHED, SEARCHED))
    if any(p.covered is not None for p in plays):
        entries.append(("in the data", "square", COVERED, COVERED))
    if any(p.asked.size for p in plays):
        entries.append(("oracle asked", "circle-open", PALETTE[0], PALETTE[0]))
    if any(w is not None and w.line is not None for w in ways):
        entries.append(("way", "line-ew", INK, INK))
    if any(w is not None and w.line is None for w in ways):
        entries.append(("way: size is chance", "circle", INK, "#9aa2ab"))
    entries += [
        ("start", "diamond", PALETTE[0], PALETTE[0]),
        ("goal", "star", PALETTE[5], INK),
    ]
    for name, symbol, colour, edge in entries:
        thick = 2.5 if symbol in ("x-thin", "line-ew", "circle-open") else 1
        figure.add_trace(
            go.Scatter(
                x=[None], y=[None], mode="markers", name=name,
                marker={"symbol": symbol, "size": 11, "color": colour,
                        "line": {"width": thick, "color": edge}},
            )
        )  # fmt: skip


def _finished(
    figure: go.Figure, plays: Sequence[Played], stops: Sequence[Stop], *, rows: int
) -> go.Figure:
    height = 180 + 400 * rows if rows > 1 else 600
    style(figure, height=height)
    tall, wide = np.max([play.shape for play in plays], axis=0)
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(visible=False, range=[-0.5, wide - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[tall - 0.5, -0.5], constrain="domain")
    for axis in loosely(figure).select_yaxes():
        axis.scaleanchor = axis.anchor
    now = {"frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0},
           "mode": "immediate"}  # fmt: skip
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 64, "b": 150},
        legend={"y": -0.27 / rows, "font": {"size": 12}},
        sliders=[{
            "active": len(stops) - 1, "x": 0.0, "len": 1.0, "y": 0.0, "yanchor": "top",
            "pad": {"t": 6, "l": 104, "r": 12}, "ticklen": 0, "minorticklen": 0,
            "font": {"size": 1, "color": "rgba(0,0,0,0)"},
            "currentvalue": {"prefix": "", "font": {"size": 13, "color": GREY}},
            "steps": [
                {"label": stop.label, "method": "animate", "args": [[str(k)], now]}
                for k, stop in enumerate(stops)
            ],
        }],
        updatemenus=[{
            "type": "buttons", "x": 0.0, "y": 0.0, "xanchor": "left", "yanchor": "top",
            "pad": {"t": 28}, "showactive": False, "direction": "left",
            "font": {"size": 12},
            "buttons": [
                {"label": "▶", "method": "animate", "args": [None, {
                    **now, "fromcurrent": False, "frame": {"duration": 250,
                                                           "redraw": True}}]},
                {"label": "❚❚", "method": "animate", "args": [[None], now]},
            ],
        }],
    )  # fmt: skip
    return figure


__all__ = ["board", "boards", "drawn"]
