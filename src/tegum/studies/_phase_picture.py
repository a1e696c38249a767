"""The pictures of the phase changes: planes in colour, boundaries against dropout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.colors import hex_to_rgb
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, curve, style
from tegum.results import Results
from tegum.theory.small_models import boundary_importance

IGNORED, SHARED, OWN = "#ffffff", PALETTE[1], PALETTE[0]
BETWEEN = PALETTE[3]
"""White, vermilion and blue: nearly the usual picture's, and told apart by everyone. Of
vermilion and blue the even mixture would be grey; purple stands in for it."""
INK = "#1a1a1a"
UNKNOWN = "#b9bec5"
PHASES = (
    ("ignored", "ignored", IGNORED, "circle"),
    ("shared", "in superposition", SHARED, "square"),
    ("own", "own dimension", OWN, "diamond"),
)
BEST, MEAN, THEORY = "best of 16 starts", "mean of 16 starts", "theory: true optimum"
STEPS = 3000
RATES_DRAWN = (0.0, 0.2, 0.5)
SIZES = ((2, "n = 2, m = 1"), (3, "n = 3, m = 2"))


@dataclass(frozen=True)
class Plane:
    """Every number of every cell, in the median or mean over seeds."""

    densities: tuple[float, ...]
    importances: tuple[float, ...]
    numbers: dict[str, Float[ndarray, "importance density"]]


def both_planes(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Theory beside trained models, without dropout and at a rate of 0.5."""
    columns = [(rate, what) for rate in (0.0, 0.5) for what in (THEORY, BEST)]
    titles = [f"{name}, p = {rate:g}<br>{what}" for _, name in SIZES
              for rate, what in columns]  # fmt: skip
    figure = make_subplots(
        rows=2,
        cols=4,
        subplot_titles=titles,
        horizontal_spacing=0.035,
        vertical_spacing=0.14,
        shared_xaxes=True,
        shared_yaxes=True,
    )
    for row, (n, _) in enumerate(SIZES, start=1):
        for column, (rate, what) in enumerate(columns, start=1):
            _add_panel(figure, results, n, rate, what, at=(row, column))
    _finish(figure, rows=2, columns=4, height=720)
    return figure


def plane_figure(n_features: int) -> Callable[[Results, Any], go.Figure]:
    """The picture of one plane: a row for each rate; theory, best and mean beside."""

    def draw(results: Results, store: Any) -> go.Figure:
        found = results.where(n_features=n_features)
        there = {float(rate) for rate in found["rate"]}
        rates = [rate for rate in RATES_DRAWN if rate in there]
        kinds = (THEORY, BEST, MEAN)
        figure = make_subplots(
            rows=len(rates),
            cols=len(kinds),
            subplot_titles=[
                f"{kind}, p = {rate:g}" for rate in rates for kind in kinds
            ],
            horizontal_spacing=0.04,
            vertical_spacing=0.3 / (1 + len(rates)),
            shared_xaxes=True,
            shared_yaxes=True,
        )
        for row, rate in enumerate(rates, start=1):
            for column, kind in enumerate(kinds, start=1):
                _add_panel(figure, found, n_features, rate, kind, at=(row, column))
        _finish(figure, rows=len(rates), columns=3, height=160 + 330 * len(rates))
        return figure

    return draw


def boundary_figure(results: Results, store: Any) -> go.Figure:
    """Shares of each plane against the dropout rate: lines predicted, marks trained."""
    figure = make_subplots(
        rows=1,
        cols=2,
        subplot_titles=[name for _, name in SIZES],
        horizontal_spacing=0.08,
        shared_yaxes=True,
    )
    for column, (n, _) in enumerate(SIZES, start=1):
        found = results.where(n_features=n, steps=STEPS, output="relu")
        rates = sorted({float(rate) for rate in found["rate"]})
        planes = [_plane(found.where(rate=rate)) for rate in rates]
        optimal = [_phase(p.numbers["optimal_dimensionality"]) for p in planes]
        for kind, (number, name, fill, symbol) in enumerate(PHASES):
            colour = GREY if fill == IGNORED else fill
            line = curve(
                rates,
                [_mean(np.where(np.isnan(p), np.nan, p == kind)) for p in optimal],
                name=f"{name}, theory",
                colour=colour,
                group=name,
                show_legend=column == 1,
            )
            dash = "dash" if number == "own" else "solid"
            line.update(mode="lines", line={"dash": dash})
            figure.add_trace(line, row=1, col=column)
            for suffix, what, mark in (
                ("", BEST, symbol),
                ("_of_starts", MEAN, f"{symbol}-open"),
            ):
                figure.add_trace(
                    _marks(
                        rates,
                        [_mean(p.numbers[number + suffix]) for p in planes],
                        name=f"{name}, {what}",
                        colour=colour,
                        symbol=mark,
                        group=name,
                        show_legend=column == 1,
                    ),
                    row=1,
                    col=column,
                )
    style(figure, height=520)
    figure.update_xaxes(title_text="dropout rate p")
    figure.update_yaxes(range=[-0.03, 1.03], tickformat=".0%")
    figure.update_yaxes(title_text="share of the plane's cells", col=1)
    return figure


def _marks(
    rates: Sequence[float],
    shares: Sequence[float],
    *,
    name: str,
    colour: str,
    symbol: str,
    group: str,
    show_legend: bool,
) -> go.Scatter:
    return go.Scatter(
        x=list(rates),
        y=list(shares),
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 10, "color": colour},
        legendgroup=group,
        showlegend=show_legend,
        hovertemplate=f"{name}<br>rate %{{x}}: %{{y:.1%}}<extra></extra>",
    )


def _add_panel(
    figure: go.Figure,
    results: Results,
    n: int,
    rate: float,
    kind: str,
    *,
    at: tuple[int, int],
) -> None:
    """One plane of cells, and the exact boundaries on it."""
    row, column = at
    found = _plane(results.where(n_features=n, rate=rate, steps=STEPS, output="relu"))
    figure.add_trace(_cells(found, kind), row=row, col=column)
    figure.add_trace(
        go.Contour(
            x=found.densities,
            y=found.importances,
            z=found.numbers["optimal_dimensionality"],
            contours={"start": 0.25, "end": 0.75, "size": 0.5, "coloring": "none"},
            line={"color": INK, "width": 2, "smoothing": 0},
            showscale=False,
            hoverinfo="skip",
            showlegend=False,
        ),
        row=row,
        col=column,
    )
    figure.update_xaxes(range=_extent(found.densities), row=row, col=column)
    figure.update_yaxes(range=_extent(found.importances), row=row, col=column)
    if rate == 0.0:
        density = np.geomspace(found.densities[0], 4.0 / 7.0, 60)
        low, high = np.array([boundary_importance(s) for s in density]).T
        for edge in (low, high) if n == 2 else (low,):
            figure.add_trace(
                go.Scatter(
                    x=density,
                    y=edge,
                    mode="lines",
                    line={"color": INK, "width": 1.5, "dash": "dot"},
                    hoverinfo="skip",
                    showlegend=False,
                ),
                row=row,
                col=column,
            )


def _extent(levels: Sequence[float]) -> list[float]:
    """The powers of ten half a cell before the first level and after the last."""
    powers = np.log10(levels)
    half = 0.5 * float(np.diff(powers).mean()) if len(levels) > 1 else 0.1
    return [float(powers[0]) - half, float(powers[-1]) + half]


def _cells(found: Plane, kind: str) -> go.Heatmap:
    """Every cell in the colour of its phase, or the blend of those of its starts."""
    if kind == MEAN:
        ignored = found.numbers["near_ignored_of_starts"]
        own = found.numbers["near_own_of_starts"]
    else:
        name = "optimal_dimensionality" if kind == THEORY else "dimensionality"
        D = found.numbers[name]
        ignored, own = (np.clip(near, 0.0, 1.0) for near in (1 - 2 * D, 2 * D - 1))
    prefix = "optimal_" if kind == THEORY else ""
    shown = [found.numbers[prefix + "norm"], found.numbers[prefix + "dimensionality"]]
    other = "optimal_superposition" if kind == THEORY else "superposition_of_last"
    text = "|W_n| %{customdata[0]:.2f}, superposition %{customdata[2]:.2f}, "
    text += "D = %{customdata[1]:.2f}"
    if kind == MEAN:
        names = ("ignored_of_starts", "shared_of_starts", "own_of_starts")
        shown, other = [found.numbers[name] for name in names], "agrees_of_starts"
        text = "ignored %{customdata[0]:.0%}, in superposition %{customdata[1]:.0%}, "
        text += "own %{customdata[2]:.0%}; as theory %{customdata[3]:.0%}"
    count = own.size
    colours = [_mixed(*near) for near in zip(ignored.flat, own.flat, strict=True)]
    scale = [
        [(position + end) / count, colour]
        for position, colour in enumerate(colours)
        for end in (0, 1)
    ]
    return go.Heatmap(
        x=found.densities,
        y=found.importances,
        z=(np.arange(count) + 0.5).reshape(own.shape),
        zmin=0,
        zmax=count,
        colorscale=scale,
        showscale=False,
        customdata=np.stack([*shown, found.numbers[other]], axis=-1),
        hovertemplate=f"density %{{x:.3g}}, importance %{{y:.3g}}<br>{text}"
        f"<extra>{kind}</extra>",
    )


def _mixed(ignored: float, own: float) -> str:
    """White for what is ignored; the rest goes from vermilion by purple to blue."""
    if np.isnan(ignored) or np.isnan(own):
        return UNKNOWN
    kept = 1.0 - ignored
    toward_own = own / kept if kept > 0.0 else 0.0
    path = np.array([hex_to_rgb(colour) for colour in (SHARED, BETWEEN, OWN)])
    hue = [np.interp(toward_own, (0.0, 0.5, 1.0), channel) for channel in path.T]
    red, green, blue = (round(255.0 * ignored + kept * part) for part in hue)
    return f"rgb({red},{green},{blue})"


def _plane(results: Results) -> Plane:
    """Every number of every cell, the mean over its seeds; NaN where there is none.

    Of a best start's continuous numbers it is the median: a seed that ended in another
    phase must not put a cell between two.
    """
    last = np.array([weights[-1] for weights in results["importance"]], dtype=float)
    density = results["feature_probability"].astype(np.float64)
    importances, row = np.unique(last, return_inverse=True)
    densities, column = np.unique(density, return_inverse=True)
    shape = (importances.size, densities.size)
    numbers = {}
    for measure in results.numbers.values():
        for name in measure:
            values, table = results[name].astype(np.float64), np.full(shape, np.nan)
            middle = np.mean if _is_share(name) else np.median
            for cell in np.ndindex(shape):
                here = values[(row == cell[0]) & (column == cell[1])]
                here = here[np.isfinite(here)]
                if here.size:
                    table[cell] = middle(here)
            numbers[name] = table
    return Plane(tuple(densities), tuple(importances), numbers)


def _is_share(name: str) -> bool:
    return name.endswith("_of_starts") or name in {kind[0] for kind in PHASES}


def _phase(D: ndarray) -> ndarray:
    found = (D >= 0.25).astype(float) + (D > 0.75)
    return np.where(np.isnan(D), np.nan, found)


def _mean(values: ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _finish(figure: go.Figure, *, rows: int, columns: int, height: int) -> None:
    """Axes in powers of ten, and a legend of the three colours and the two lines."""
    style(figure, height=height)
    figure.update_xaxes(
        type="log", tickvals=[0.01, 0.1, 1.0], ticktext=["0.01", "0.1", "1"]
    )
    figure.update_yaxes(
        type="log", tickvals=[0.1, 1.0, 10.0], ticktext=["0.1", "1", "10"]
    )
    figure.update_xaxes(title_text="density 1 - S", row=rows)
    figure.update_yaxes(title_text="relative importance", col=1)
    swatches = [(name, fill) for _, name, fill, _ in PHASES]
    for name, fill in [*swatches[:2], ("between", BETWEEN), swatches[2]]:
        figure.add_trace(
            go.Scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=name,
                marker={
                    "symbol": "square",
                    "size": 14,
                    "color": fill,
                    "line": {"color": GREY, "width": 1},
                },
            )
        )
    for name, dash in (("exact boundary", "solid"), ("unit-weight candidates", "dot")):
        figure.add_trace(
            go.Scatter(
                x=[None],
                y=[None],
                mode="lines",
                name=name,
                line={"color": GREY, "width": 2, "dash": dash},
            )
        )
    figure.update_layout(legend={"y": -0.13, "traceorder": "normal"})
    figure.update_annotations(font={"size": 12})
