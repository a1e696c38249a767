"""Pictures of single models: directions, W^T W, groups of features, trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.measures.arrangement import FRACTIONS, USUAL, arrangement
from tegum.measures.frame import Frame
from tegum.measures.interference import feature_norms, superposition
from tegum.measures.represented import feature_dimensionality
from tegum.report.figures import GREY, PALETTE, loosely, ordered_colours, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._geometry_models import lowest
from tegum.studies._geometry_picture import (
    COLOURS,
    RATES,
    TITLES,
    WORDS,
    dotted,
    sparsities,
)
from tegum.toys import engine
from tegum.toys.model import Parameters

Line = tuple[list[float | None], list[float | None]]
POINTS_SHOWN = 80
"""Of a trajectory, spread evenly on the axis of log steps."""
ROW_TITLES = ("no dropout", "dropout 0.5")


def _sparsity(q: float) -> str:
    return f"S = {1 - q:.2g}"


def _pairs(points: ndarray, joined: ndarray) -> tuple[list[float | None], ...]:
    """Every joined pair of points as a line, broken between pairs."""
    columns: tuple[list[float | None], ...] = tuple([] for _ in range(points.shape[1]))
    for i, j in zip(*np.nonzero(np.triu(joined, 1)), strict=True):
        for axis, column in enumerate(columns):
            column += [_short(points[i, axis]), _short(points[j, axis]), None]
    return columns


def _short(value: float) -> float:
    return round(float(value), 4)


def intro(results: Results, store: Store) -> go.Figure:
    """Features as directions in the plane, ever sparser from left to right."""
    levels = sparsities(results)
    figure = make_subplots(
        rows=2,
        cols=len(levels),
        column_titles=[_sparsity(q) for q in levels],
        row_titles=list(ROW_TITLES),
        horizontal_spacing=0.01,
        vertical_spacing=0.04,
    )
    for row, rate in enumerate(RATES, start=1):
        for column, q in enumerate(levels, start=1):
            cell = results.where(rate=rate, feature_probability=q)
            W = lowest(cell, store)
            for trace in _arrows(W, show_legend=row == column == 1):
                figure.add_trace(trace, row=row, col=column)
    style(figure, height=420)
    reach = {"range": [-1.35, 1.35], "showticklabels": False, "ticks": ""}
    figure.update_xaxes(**reach, mirror=True)
    figure.update_yaxes(**reach, mirror=True)
    for axis in loosely(figure).select_yaxes():
        axis.scaleanchor = axis.anchor
    figure.update_layout(legend={"y": -0.04}, margin={"l": 16, "r": 36, "b": 56})
    return figure


def _arrows(
    W: Float[ndarray, "2 feature"], *, show_legend: bool
) -> Sequence[go.Scatter]:
    """A line from the origin to each feature, coloured by its importance."""
    count = W.shape[1]
    return [
        go.Scatter(
            x=[0.0, _short(W[0, i])],
            y=[0.0, _short(W[1, i])],
            mode="lines+markers",
            line={"color": colour, "width": 3},
            marker={"size": [0, 8], "color": colour},
            name=f"feature {i + 1}" + (" (most important)" if i == 0 else ""),
            legendgroup=str(i),
            showlegend=show_legend,
            hovertemplate=f"feature {i + 1}<br>|W| = "
            f"{np.hypot(*W[:, i]):.2f}<extra></extra>",
        )
        for i, colour in enumerate(ordered_colours(count))
    ]


def features_in_3d(results: Results, store: Store) -> go.Figure:
    """Features as points in space that turns by hand, joined where they interfere."""
    figure = make_subplots(
        rows=1,
        cols=2,
        specs=[[{"type": "scene"}] * 2],
        subplot_titles=TITLES,
        horizontal_spacing=0.02,
    )
    for column, rate in enumerate(RATES, start=1):
        W = lowest(results.where(rate=rate), store)
        figure.add_traces(_solid(W), rows=1, cols=column)
    _name_once(figure)
    style(figure, height=520)
    bare = {"range": [-1.3, 1.3], "showticklabels": False}
    x, y, z = ({**bare, "title": {"text": f"unit {k}"}} for k in (1, 2, 3))
    figure.update_scenes(
        xaxis=x, yaxis=y, zaxis=z, aspectmode="cube",
        camera={"eye": {"x": 1.45, "y": 1.05, "z": 0.8}, "center": {"z": -0.12}},
    )  # fmt: skip
    figure.update_layout(legend={"y": -0.02}, margin={"l": 8, "r": 8, "b": 48})
    return figure


def _solid(W: Float[ndarray, "3 feature"]) -> list[go.Scatter3d]:
    """The corners, lines from the origin, and lines between joined features."""
    found, cosine = arrangement(W), Frame.of(W).cosine
    kept = np.isin(np.arange(W.shape[1]), found.kept)
    joined = np.outer(kept, kept) & (np.abs(cosine) > USUAL.joined)
    x, y, z = _pairs(W.T, joined)
    spokes = np.zeros((3, 3 * W.shape[1]))
    spokes[:, 1::3] = W
    spokes[:, 2::3] = np.nan
    hidden = {"mode": "lines", "hoverinfo": "skip"}
    traces = [
        go.Scatter3d(
            x=x, y=y, z=z, line={"color": GREY, "width": 2},
            name="far from orthogonal", legendgroup="lines", **hidden,
        ),
        go.Scatter3d(
            x=spokes[0], y=spokes[1], z=spokes[2], showlegend=False,
            line={"color": GREY, "width": 6}, **hidden,
        ),
    ]  # fmt: skip
    names = np.array(found.of_features(W.shape[1]))
    for name, colour in {**COLOURS, "": GREY}.items():
        if (own := names == name).any():
            word = _word(name)
            corners = go.Scatter3d(
                x=W[0, own], y=W[1, own], z=W[2, own], mode="markers",
                marker={"size": 7, "color": colour}, name=word, legendgroup=word,
                hovertemplate=f"{word}<extra></extra>",
            )  # fmt: skip
            traces.append(corners)
    return traces


def _word(name: str) -> str:
    """The name of a group for a reader; empty stands for a dropped feature."""
    return WORDS.get(name, name) or "dropped"


def _name_once(figure: go.Figure) -> None:
    """Every name stands in the legend once, however many panels show it."""
    seen: set[str] = set()
    traces: Any = figure.data
    for trace in traces:
        if trace.showlegend is None and trace.name:
            trace.showlegend = trace.name not in seen
            seen.add(trace.name)


def gram(results: Results, store: Store) -> go.Figure:
    """W^T W as a map, and the norm of each feature as a bar beside it."""
    levels = sparsities(results)
    figure = make_subplots(
        rows=2,
        cols=2 * len(levels),
        column_widths=[0.72, 0.28] * len(levels),
        horizontal_spacing=0.012,
        vertical_spacing=0.05,
        row_titles=list(ROW_TITLES),
        column_titles=[t for q in levels for t in (f"W^T W, {_sparsity(q)}", "|W_i|")],
    )
    for row, rate in enumerate(RATES, start=1):
        for position, q in enumerate(levels):
            cell = results.where(rate=rate, feature_probability=q)
            W = lowest(cell, store)
            for column, trace in enumerate(_map_and_bars(W), start=2 * position + 1):
                figure.add_trace(trace, row=row, col=column)
            figure.update_xaxes(range=[0, 1.4], row=row, col=2 * position + 2)
    style(figure, height=620)
    figure.update_yaxes(autorange="reversed", showticklabels=False, ticks="")
    figure.update_xaxes(showticklabels=False, ticks="")
    bar = {"thickness": 12, "len": 0.46, "x": 1.04}
    figure.update_layout(
        coloraxis={
            "colorscale": "RdBu", "cmin": -1.2, "cmax": 1.2, "reversescale": True,
            "colorbar": {**bar, "y": 0.76, "title": {"text": "W_i . W_j"}},
        },
        coloraxis2={
            "colorscale": "Viridis", "cmin": 0.0, "cmax": 1.5,
            "colorbar": {**bar, "y": 0.24, "title": {"text": "superposition"}},
        },
        showlegend=False, margin={"l": 16, "r": 24, "b": 32}, bargap=0.15,
    )  # fmt: skip
    return figure


def _map_and_bars(W: Float[ndarray, "hidden feature"]) -> tuple[go.Heatmap, go.Bar]:
    shared = np.nan_to_num(superposition(W))
    feature = [f"feature {i + 1}" for i in range(W.shape[1])]
    return (
        go.Heatmap(
            z=np.round(W.T @ W, 3),
            coloraxis="coloraxis",
            hovertemplate="features %{x} and %{y}: %{z:.2f}<extra></extra>",
            x0=1,
            y0=1,
        ),
        go.Bar(
            x=np.round(feature_norms(W), 3),
            y=list(range(1, W.shape[1] + 1)),
            orientation="h",
            marker={"color": np.round(shared, 3), "coloraxis": "coloraxis2"},
            customdata=feature,
            hovertemplate="%{customdata}<br>|W| = %{x:.2f}<br>superposition "
            "%{marker.color:.2f}<extra></extra>",
        ),
    )


def trajectories(results: Results, store: Store) -> go.Figure:
    """The dimensionality of every feature along training, and the loss below it."""
    figure = make_subplots(
        rows=2,
        cols=2,
        row_heights=[0.75, 0.25],
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.06,
        horizontal_spacing=0.05,
        subplot_titles=TITLES,
    )
    seen: list[float] = []
    for column, rate in enumerate(RATES, start=1):
        there = results.where(rate=rate)
        arrays = store.artifact(there["key"][0]).arrays
        steps = arrays["checkpoint_step"]
        ends = float(steps[0]), float(steps[-1])
        lines = dotted(FRACTIONS.values(), start=ends[0], end=ends[1])
        figure.add_trace(lines, row=1, col=column)
        figure.update_xaxes(type="log", range=np.log10(ends).tolist(), col=column)
        figure.add_traces(_paths(arrays), rows=1, cols=column)
        row, at = next(there.rows()), _evenly(steps)
        kept = zip(arrays["W_history"][at], arrays["b_history"][at], strict=True)
        losses = [engine.clean_loss(row, Parameters(W, b)) for W, b in kept]
        loss = go.Scatter(
            x=steps[at], y=losses, mode="lines",
            line={"color": PALETTE[1], "width": 2}, showlegend=False,
            hovertemplate="step %{x}: loss %{y:.4f}<extra></extra>",
        )  # fmt: skip
        figure.add_trace(loss, row=2, col=column)
        seen += losses
    _name_once(figure)
    style(figure, height=620)
    figure.update_xaxes(title_text="step", row=2)
    figure.update_yaxes(title_text="feature dimensionality D_i", row=1, col=1)
    figure.update_yaxes(range=[-0.02, 0.8], row=1)
    figure.update_yaxes(title_text="clean loss", row=2, col=1)
    figure.update_yaxes(range=[0.98 * min(seen), 1.02 * max(seen)], row=2)
    figure.update_layout(legend={"y": -0.16})
    return figure


def _evenly(steps: Int[ndarray, " checkpoint"]) -> Int[ndarray, " shown"]:
    """Which checkpoints are shown: about evenly on an axis of log steps."""
    wanted = np.geomspace(steps[0], steps[-1], POINTS_SHOWN)
    return np.unique(np.searchsorted(steps, np.minimum(wanted, steps[-1])))


def _paths(arrays: Mapping[str, ndarray]) -> list[go.Scatter]:
    """One trace for each shape in which features end, broken between features."""
    steps = arrays["checkpoint_step"]
    shown = _evenly(steps)
    D = np.round(feature_dimensionality(arrays["W_history"][shown]), 3)
    names = arrangement(arrays["W"]).of_features(D.shape[1])
    traces = []
    for name, colour in {"": GREY, **COLOURS}.items():
        ending = [i for i, own in enumerate(names) if own == name]
        x: list[float | None] = []
        y: list[float | None] = []
        for i in ending:
            x += [*steps[shown].tolist(), None]
            y += [*D[:, i].tolist(), None]
        if ending:
            word = _word(name)
            path = go.Scatter(
                x=x, y=y, mode="lines", name=word, legendgroup=word,
                line={"color": colour, "width": 1.5 if name else 0.6},
                hovertemplate=f"{word}<br>step %{{x}}: D = %{{y:.3f}}<extra></extra>",
            )  # fmt: skip
            traces.append(path)
    return traces


def shapes(results: Results, store: Store) -> go.Figure:
    """The groups of features, each in the plane in which it is widest."""
    levels = sparsities(results)
    figure = make_subplots(
        rows=2,
        cols=len(levels),
        column_titles=[_sparsity(q) for q in levels],
        row_titles=list(ROW_TITLES),
        horizontal_spacing=0.02,
        vertical_spacing=0.04,
    )
    for row, rate in enumerate(RATES, start=1):
        for column, q in enumerate(levels, start=1):
            cell = results.where(rate=rate, feature_probability=q)
            W = lowest(cell, store)
            for trace in _graph(W):
                figure.add_trace(trace, row=row, col=column)
    _name_once(figure)
    style(figure, height=640)
    bare = {"showticklabels": False, "ticks": "", "mirror": True}
    figure.update_xaxes(**bare)
    figure.update_yaxes(**bare)
    for axis in loosely(figure).select_yaxes():
        axis.scaleanchor = axis.anchor
    figure.update_layout(legend={"y": -0.03}, margin={"l": 16, "r": 36, "b": 56})
    return figure


def _graph(W: Float[ndarray, "hidden feature"]) -> Sequence[go.Scatter]:
    """Lines between joined features, and the features, coloured by their shape."""
    frame, found = Frame.of(W), arrangement(W)
    places = _shelves([len(group) for group in found.groups])
    points = np.full((W.shape[1], 2), np.nan)
    for group, (x, y, radius) in zip(found.groups, places, strict=True):
        points[group] = np.array([x, y]) + radius * _flat(frame.direction[:, group])
    kept = np.isin(np.arange(W.shape[1]), found.kept)
    joined = np.outer(kept, kept) & (np.abs(frame.cosine) > USUAL.joined)
    x, y = _pairs(points, joined)
    names = np.array(found.of_features(W.shape[1]))
    lines = go.Scatter(
        x=x, y=y, mode="lines", line={"color": GREY, "width": 0.7}, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    return [
        lines,
        *(
            go.Scatter(
                x=points[names == name, 0].round(3),
                y=points[names == name, 1].round(3),
                mode="markers",
                marker={"size": 6, "color": colour},
                name=_word(name),
                legendgroup=_word(name),
                hovertemplate=f"{_word(name)}<extra></extra>",
            )
            for name, colour in COLOURS.items()
            if (names == name).any()
        ),
    ]


def _flat(directions: Float[ndarray, "hidden member"]) -> Float[ndarray, "member 2"]:
    """Directions in the plane of their two largest singular values."""
    _, values, right = np.linalg.svd(directions, full_matrices=False)
    flat = np.zeros((directions.shape[1], 2))
    count = min(2, len(values))
    flat[:, :count] = (values[:count, None] * right[:count]).T
    return flat


def _shelves(sizes: Sequence[int]) -> list[tuple[float, float, float]]:
    """A place and a radius for each group, the largest first, in rows like shelves."""
    radii = [max(0.8, 0.5 * size**0.5) for size in sizes]
    width = 1.15 * sum((2.0 * r + 0.6) ** 2 for r in radii) ** 0.5
    places = []
    x = y = tallest = 0.0
    for radius in radii:
        wide = 2.0 * radius + 0.6
        if x > 0.0 and x + wide > width:
            x, y, tallest = 0.0, y - tallest, 0.0
        tallest = max(tallest, wide)
        places.append((x + wide / 2.0, y - wide / 2.0, radius))
        x += wide
    return places
