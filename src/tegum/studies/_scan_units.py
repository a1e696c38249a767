"""Which units carry the kurtosis: every unit over the whole text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import pyarrow.compute as pc
from plotly.subplots import make_subplots

from tegum.measures.moment_numbers import excess_kurtosis_per_unit, mean_squares
from tegum.measures.moments import Moments, from_arrays, merge
from tegum.report.figures import GREY, loosely, ordered_colours, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._scan_axes import stretched, stretched_ticks
from tegum.studies._scan_claims import Scanned

if TYPE_CHECKING:
    from tegum.activations import Point

NAMED = 12
"""Units named in a picture; the few that carry the kurtosis are fewer."""

WRITTEN = 10
"""Up to so many points side by side, the share of the variance stands in each cell."""

CURVES = 16
"""Points drawn as curves of ranks, evenly along the layers if there are more."""


@dataclass(frozen=True)
class Units:
    """Every unit of one point over the whole text, first tokens left out.

    `kurtosis` is in excess and NaN where a unit is constant, `share` the share of the
    variance, `size` the root mean square, that of the unit in the middle being 1,
    `largest` the largest magnitude; `rotated` the excess kurtosis of the
    units of one rotated copy, on the sample.
    """

    kurtosis: np.ndarray
    share: np.ndarray
    size: np.ndarray
    largest: np.ndarray
    rotated: np.ndarray


def units_of(
    results: Results, store: Store, *, scanned: Scanned
) -> dict[tuple[str, str], Units]:
    """The units of each (model, point), the blocks of the text merged."""
    keys = {
        str(key): (str(model), str(point))
        for key, model, point in zip(
            results["key"], results["model"], results["point"], strict=True
        )
    }
    stored = store.rows().filter(pc.field("key").isin(list(keys)))
    rest: dict[tuple[str, str], Moments] = {}
    rotated: dict[tuple[str, str], Moments] = {}
    for key, artifact in store.artifacts(stored):
        for merged, prefix in ((rest, "rest"), (rotated, "rotated_0")):
            _take_up(merged, keys[key], artifact.arrays, prefix)
    return {
        (digest, point.name): _units(
            rest[digest, point.name], rotated.get((digest, point.name))
        )
        for digest, points in scanned.points.items()
        for point in points
        if (digest, point.name) in rest
    }


def _take_up(
    merged: dict[tuple[str, str], Moments],
    where: tuple[str, str],
    arrays: Mapping[str, np.ndarray],
    prefix: str,
) -> None:
    """Merge one block's moments into those of its point, if the artifact has them."""
    if f"{prefix}/mean" in arrays:
        found = from_arrays(arrays, prefix)
        merged[where] = merge(merged[where], found) if where in merged else found


def _units(rest: Moments, rotated: Moments | None) -> Units:
    total = float(rest.second.sum())
    strength = np.sqrt(mean_squares(rest))
    middle, nothing = float(np.median(strength)), np.full(rest.width, np.nan)
    return Units(
        excess_kurtosis_per_unit(rest),
        rest.second / total if total else nothing,
        strength / middle if middle else nothing,
        rest.largest,
        np.array([]) if rotated is None else excess_kurtosis_per_unit(rotated),
    )


def largest(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """The largest units, which carry the kurtosis across coordinates.

    A cell is one unit at one point, its colour and number the unit's root mean square,
    that of the unit in the middle being 1.
    """

    def told(units: Sequence[Units]) -> tuple[np.ndarray, np.ndarray, list[list[str]]]:
        size = np.array([u.size for u in units])
        return size, np.nan_to_num(size), [[f"{v:.1f}" for v in u] for u in size]

    title = "size; unit<br>in the<br>middle 1"
    return _maps(results, store, scanned, told=told, title=title, least=0.0)


def heaviest(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """The units that carry the kurtosis over tokens.

    They are those with the largest share of the variance times excess kurtosis, summed
    over the points. A cell is one unit at one point, its colour the unit's excess
    kurtosis, its number the share of the variance.
    """

    def told(units: Sequence[Units]) -> tuple[np.ndarray, np.ndarray, list[list[str]]]:
        kurtosis = np.array([u.kurtosis for u in units])
        share = np.nan_to_num(np.array([u.share for u in units]))
        carried = np.nan_to_num(np.maximum(kurtosis, 0.0)) * share
        return kurtosis, carried, [[f"{v:.0%}" for v in u] for u in share]

    title = "excess<br>kurtosis"
    return _maps(results, store, scanned, told=told, title=title, least=-0.5)


Told = Callable[[Sequence[Units]], tuple[np.ndarray, np.ndarray, list[list[str]]]]
"""From the units at each point: their colours, what ranks them, what is written."""


def _maps(
    results: Results,
    store: Store,
    scanned: Scanned,
    *,
    told: Told,
    title: str,
    least: float,
) -> go.Figure:
    """A map of units by points for every model, one colour scale for all."""
    found = units_of(results, store, scanned=scanned)
    models = [d for d in scanned.models if any(key[0] == d for key in found)]
    figure = make_subplots(
        rows=len(models),
        cols=1,
        vertical_spacing=0.36 / max(len(models), 1),
        subplot_titles=[scanned.models[d] for d in models] if len(models) > 1 else None,
    )
    heights: list[float] = []
    for row, digest in enumerate(models, start=1):
        points = _of_one_width(scanned.points[digest], digest, found)
        map_of, shown = _map(points, [found[digest, p.name] for p in points], told)
        heights += shown
        figure.add_trace(map_of, row=row, col=1)
    ticks = stretched_ticks(heights)
    bar = {"title": {"text": title}, "thickness": 14}
    figure.update_layout(
        coloraxis={
            "colorscale": "Viridis",
            "cmin": float(stretched(min([least, *heights]))),
            "cmax": float(stretched(max([1.0, *heights]))),
            "colorbar": bar | {k: ticks[k] for k in ("tickvals", "ticktext")},
        }
    )
    style(figure, height=130 + 330 * len(models))
    figure.update_xaxes(tickangle=-60, tickfont={"size": 10}, showline=False)
    figure.update_yaxes(type="category", title_text="unit", showline=False)
    loosely(figure).update_layout(margin={"l": 64, "b": 150, "t": 40})
    return figure


def _of_one_width(
    points: Sequence[Point], model: str, found: Mapping[tuple[str, str], Units]
) -> list[Point]:
    """The points of the commonest width: only there a unit is the same everywhere."""
    there = [p for p in points if (model, p.name) in found]
    widths = [len(found[model, p.name].share) for p in there]
    usual = max(dict.fromkeys(widths), key=widths.count)
    return [p for p, width in zip(there, widths, strict=True) if width == usual]


def _map(
    points: Sequence[Point], units: Sequence[Units], told: Told
) -> tuple[Any, list[float]]:
    """The units that carry most, summed over the points, along the points."""
    values, carried, written = told(units)
    top = np.argsort(-carried.sum(axis=0), kind="stable")[:NAMED][::-1]
    shown = values[:, top].T
    hover = [
        [
            f"{point.name}<br>unit {unit}<br>excess kurtosis {u.kurtosis[unit]:.3g}"
            f"<br>{u.share[unit]:.2%} of the variance<br>size {u.size[unit]:.3g}"
            f"<br>largest |x| {u.largest[unit]:.3g}"
            for point, u in zip(points, units, strict=True)
        ]
        for unit in top
    ]
    trace = go.Heatmap(
        x=[p.name for p in points],
        y=[str(unit) for unit in top],
        z=stretched(shown),
        coloraxis="coloraxis",
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        text=[[row[unit] for row in written] for unit in top],
        texttemplate="%{text}" if len(points) <= WRITTEN else None,
        textfont={"size": 10},
        xgap=1,
        ygap=1,
    )
    return trace, [float(v) for v in shown.ravel() if math.isfinite(v)]


def ranked(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """How the kurtosis is spread over the units of each point, the heaviest first.

    A curve is one point, darker ones nearer the input; grey curves are the same tokens
    after one rotation, where no unit should stand out.
    """
    found = units_of(results, store, scanned=scanned)
    models = [d for d in scanned.models if any(key[0] == d for key in found)]
    figure = make_subplots(
        rows=len(models),
        cols=1,
        vertical_spacing=0.12,
        subplot_titles=[scanned.models[d] for d in models] if len(models) > 1 else None,
    )
    heights: list[float] = []
    for row, digest in enumerate(models, start=1):
        points = [p for p in scanned.points[digest] if (digest, p.name) in found]
        chosen = _evenly(points, CURVES)
        for colour, point in zip(ordered_colours(len(chosen)), chosen, strict=True):
            units = found[digest, point.name]
            for trace in _rank_curves(point, units, colour=colour):
                figure.add_trace(trace, row=row, col=1)
            both = (*units.kurtosis, *units.rotated)
            heights += [float(v) for v in both if math.isfinite(v)]
        figure.add_trace(_depth_bar(chosen, row=row, rows=len(models)), row=row, col=1)
    figure.update_yaxes(stretched_ticks(heights), title_text="excess kurtosis")
    style(figure, height=100 + 340 * len(models))
    figure.update_xaxes(type="log", dtick=1, title_text="rank of the unit")
    loosely(figure).update_layout(showlegend=False, margin={"t": 40, "b": 64})
    return figure


def _evenly(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of the points, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    places = np.linspace(0, len(points) - 1, most).round().astype(int)
    return [points[k] for k in dict.fromkeys(places.tolist())]


def _rank_curves(point: Point, units: Units, *, colour: str) -> list[go.Scatter]:
    """One point's units in order, and those of its rotated copy in grey."""
    curves = []
    for values, line in (
        (units.rotated, {"color": GREY, "width": 1, "dash": "dot"}),
        (units.kurtosis, {"color": colour, "width": 2}),
    ):
        order = np.argsort(-values, kind="stable")[: int(np.isfinite(values).sum())]
        rotated = values is units.rotated
        told = [
            f"{point.name}, rotated"
            if rotated
            else f"{point.name}<br>unit {unit}: "
            f"{values[unit]:.3g}, {units.share[unit]:.2%} of the variance"
            for unit in order
        ]
        curves.append(
            go.Scatter(
                x=np.arange(1, len(order) + 1),
                y=stretched(values[order]),
                mode="lines",
                line=line,
                text=told,
                hovertemplate="%{text}<extra></extra>",
            )
        )
    return curves


def _depth_bar(chosen: Sequence[Point], *, row: int, rows: int) -> go.Scatter:
    """A bar that says which colour is how deep."""
    colours = ordered_colours(max(len(chosen), 2))
    scale = [[k / (len(colours) - 1), colour] for k, colour in enumerate(colours)]
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={
            "color": [0],
            "cmin": 0,
            "cmax": 1,
            "colorscale": scale,
            "showscale": True,
            "colorbar": {
                "tickvals": [0, 1],
                "ticktext": ["first", "last"],
                "thickness": 14,
                "len": 0.9 / rows,
                "y": 1 - (row - 0.5) / rows,
            },
        },
        hoverinfo="skip",
    )
