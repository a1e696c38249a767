"""Which units carry the kurtosis: every unit over the whole text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import pyarrow.compute as pc
from plotly.subplots import make_subplots

from tegum.measures.moment_numbers import excess_kurtosis_per_unit, mean_squares
from tegum.measures.moments import Moments, from_arrays, merge
from tegum.report.figures import loosely, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._scan_axes import folded, short, stretched, stretched_ticks
from tegum.studies._scan_claims import Scanned
from tegum.studies._scan_picture import over_blocks

if TYPE_CHECKING:
    from tegum.activations import Point

NAMED = 12
"""Units named in a picture; the few that carry the kurtosis are fewer."""

WRITTEN = 12
"""Up to so many points side by side, a number stands in each cell."""

STREAM = "residual stream"

WRITERS = ("hook_attn_out", "hook_mlp_out", "hook_normalized")
"""How the names of points end that have the units of the residual stream."""

TOP, MAP_HEIGHT, BETWEEN = 60, 260, 150
"""Pixels above the first map, of a map, and between maps for names and a title."""


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

    A cell is one unit at one point, its colour the unit's root mean square, that of the
    unit in the middle being 1.
    """

    def told(units: Sequence[Units]) -> tuple[np.ndarray, np.ndarray, list[list[str]]]:
        size = np.array([u.size for u in units])
        return size, np.nan_to_num(size), [[f"{v:.1f}" for v in u] for u in size]

    title, gap = "RMS, the<br>median<br>unit's = 1", "gap_per_vector"
    how = Told(told, gap, "its size")
    return _maps(results, store, scanned, how=how, title=title, least=0.0)


def heaviest(results: Results, store: Store, *, scanned: Scanned) -> go.Figure:
    """The units that carry the kurtosis over tokens.

    They are those with the largest share of the variance times excess kurtosis. A cell
    is one unit at one point, its colour the unit's excess kurtosis.
    """

    def told(units: Sequence[Units]) -> tuple[np.ndarray, np.ndarray, list[list[str]]]:
        kurtosis = np.array([u.kurtosis for u in units])
        share = np.nan_to_num(np.array([u.share for u in units]))
        carried = np.nan_to_num(np.maximum(kurtosis, 0.0)) * share
        return kurtosis, carried, [[f"{v:.0%}" for v in u] for u in share]

    how = Told(told, "gap_per_unit", "its share of the variance")
    title = "excess<br>kurtosis"
    return _maps(results, store, scanned, how=how, title=title, least=-0.5)


@dataclass(frozen=True)
class Told:
    """What a map shows of the units at each point, and by which gap panels are ordered.

    `of` gives their colours, what ranks them and what is written; `written` says what
    that is.
    """

    of: Callable[[Sequence[Units]], tuple[np.ndarray, np.ndarray, list[list[str]]]]
    gap: str
    written: str


@dataclass(frozen=True)
class Space:
    """Points that are shown together, of one width.

    In a shared space a unit is the same one at every point; elsewhere each point has
    units of its own.
    """

    name: str
    points: tuple[Point, ...]
    shared: bool


def spaces_of(points: Sequence[Point], widths: Mapping[str, int]) -> list[Space]:
    """Every point in one space: the residual stream, and the others by kind and width.

    What writes into the residual stream has its units, where it is as wide.
    """
    stream = [p for p in points if _in_stream(p)]
    usual = Counter(widths[p.name] for p in stream).most_common(1)
    width = usual[0][0] if usual else None
    groups: dict[tuple[str, int], list[Point]] = {}
    for point in points:
        own = widths[point.name]
        kind = STREAM if _in_stream(point) and own == width else point.kind
        groups.setdefault((kind, own), []).append(point)
    return [
        Space(f"{kind}, {own} units", tuple(chosen), kind == STREAM)
        for (kind, own), chosen in groups.items()
    ]


def _in_stream(point: Point) -> bool:
    return point.kind in ("residual", "embedding") or point.name.endswith(WRITERS)


def _maps(
    results: Results,
    store: Store,
    scanned: Scanned,
    *,
    how: Told,
    title: str,
    least: float,
) -> go.Figure:
    """A map of units by points for every space of every model, on one colour scale."""
    found = units_of(results, store, scanned=scanned)
    panels = [
        (digest, space)
        for digest in scanned.models
        for space in _ordered(results, digest, scanned, found, gap=how.gap)
    ]
    many, rows = len(scanned.models) > 1, len(panels)
    height = TOP + rows * (MAP_HEIGHT + BETWEEN)
    figure = make_subplots(
        rows=rows,
        cols=1,
        vertical_spacing=BETWEEN / (height - TOP - BETWEEN),
        subplot_titles=[
            folded(
                (f"{scanned.models[digest]}: " if many else "")
                + f"{space.name}; {_in_cells(space, how)}"
            )
            for digest, space in panels
        ],
    )
    heights: list[float] = []
    for row, (digest, space) in enumerate(panels, start=1):
        units = [found[digest, p.name] for p in space.points]
        drawn, shown = (_map if space.shared else _own)(space.points, units, how)
        heights += shown
        figure.add_trace(drawn, row=row, col=1)
        named = "unit" if space.shared else "rank of the unit"
        figure.update_yaxes(title_text=named, row=row, col=1)
    ticks = stretched_ticks(heights)
    bar = {"title": {"text": title}, "thickness": 14, "len": 300, "lenmode": "pixels"}
    figure.update_layout(
        coloraxis={
            "colorscale": "Viridis",
            "cmin": float(stretched(min([least, *heights]))),
            "cmax": float(stretched(max([1.0, *heights]))),
            "colorbar": bar
            | {"y": 1, "yanchor": "top"}
            | {k: ticks[k] for k in ("tickvals", "ticktext")},
        }
    )
    style(figure, height=height)
    figure.update_xaxes(tickangle=-60, tickfont={"size": 10}, showline=False)
    figure.update_yaxes(type="category", showline=False)
    figure.update_annotations(
        font={"size": 12}, x=0, xanchor="left", align="left", xshift=-48
    )
    loosely(figure).update_layout(margin={"l": 64, "b": BETWEEN, "t": TOP})
    return figure


def _in_cells(space: Space, how: Told) -> str:
    """What is written in the cells of a space, or that it is told on hovering."""
    if not space.shared:
        said = "in a cell: the unit's number"
    else:
        said = f"in a cell: {how.written}"
    if len(space.points) > WRITTEN:
        said = f"{said.removeprefix('in a cell: ')} on hovering"
    return said


def _ordered(
    results: Results,
    digest: str,
    scanned: Scanned,
    found: Mapping[tuple[str, str], Units],
    *,
    gap: str,
) -> list[Space]:
    """The spaces of a model, that with the largest gap first."""
    there = [p for p in scanned.points[digest] if (digest, p.name) in found]
    widths = {p.name: len(found[digest, p.name].share) for p in there}

    def most(space: Space) -> float:
        middle = over_blocks(results, gap, model=digest, points=space.points).middle
        return float(np.max(np.nan_to_num(middle, nan=-np.inf)))

    return sorted(spaces_of(there, widths), key=most, reverse=True)


def _map(
    points: Sequence[Point], units: Sequence[Units], how: Told
) -> tuple[Any, list[float]]:
    """The units that carry most, summed over the points, along the points."""
    values, carried, written = how.of(units)
    top = np.argsort(-carried.sum(axis=0), kind="stable")[:NAMED][::-1]
    hover = [
        [_hover(p, u, int(unit)) for p, u in zip(points, units, strict=True)]
        for unit in top
    ]
    texts = [[row[unit] for row in written] for unit in top]
    names = [str(unit) for unit in top]
    return _heatmap(points, values[:, top].T, rows=names, hover=hover, texts=texts)


def _own(
    points: Sequence[Point], units: Sequence[Units], how: Told
) -> tuple[Any, list[float]]:
    """The units that carry most at each point by itself, the first on top."""
    values, carried, _ = how.of(units)
    top = np.argsort(-carried, axis=1, kind="stable")[:, :NAMED][:, ::-1]
    shown = np.take_along_axis(values, top, axis=1).T
    hover = [
        [_hover(p, u, int(k)) for p, u, k in zip(points, units, row, strict=True)]
        for row in top.T
    ]
    ranks = [str(rank) for rank in range(top.shape[1], 0, -1)]
    texts = [[str(unit) for unit in row] for row in top.T]
    return _heatmap(points, shown, rows=ranks, hover=hover, texts=texts)


def _hover(point: Point, u: Units, unit: int) -> str:
    return (
        f"{point.name}<br>unit {unit}<br>excess kurtosis {u.kurtosis[unit]:.3g}"
        f"<br>{u.share[unit]:.2%} of the variance<br>size {u.size[unit]:.3g}"
        f"<br>largest |x| {u.largest[unit]:.3g}"
    )


def _heatmap(
    points: Sequence[Point],
    shown: np.ndarray,
    *,
    rows: list[str],
    hover: list[list[str]],
    texts: list[list[str]],
) -> tuple[Any, list[float]]:
    trace = go.Heatmap(
        x=[short(p.name) for p in points],
        y=rows,
        z=stretched(shown),
        coloraxis="coloraxis",
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        text=texts,
        texttemplate="%{text}" if len(points) <= WRITTEN else None,
        textfont={"size": 10},
        xgap=1,
        ygap=1,
    )
    return trace, [float(v) for v in shown.ravel() if math.isfinite(v)]
