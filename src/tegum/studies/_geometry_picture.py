"""The headline picture of geometry, and the dimensionality of every feature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import plotly.graph_objects as go
import pyarrow.compute as pc
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.measures.arrangement import ALONE, FRACTIONS, NONE
from tegum.measures.polytopes import SHARES
from tegum.measures.represented import feature_dimensionality
from tegum.report.figures import GREY, PALETTE, band, style, translucent
from tegum.results import Results
from tegum.store import Store
from tegum.studies._cells import percentiles

RATES = (0.0, 0.5)
TITLES = ("Without dropout", "Dropout rate 0.5")
COLOURS = dict(zip(FRACTIONS, PALETTE, strict=True)) | {NONE: GREY}
"""A colour for each polytope, grey for none."""
WORDS = {ALONE: "alone", NONE: "no polytope"}
IN_WORDS = {
    1.0: "1",
    3 / 4: "3/4",
    2 / 3: "2/3",
    1 / 2: "1/2",
    2 / 5: "2/5",
    3 / 8: "3/8",
}
COUNTED = (
    ("dimensions_per_feature", "counted by norm: D*", PALETTE[1], "circle"),
    ("dimensions_per_kept_feature", "counted one by one", PALETTE[0], "square"),
)
BIN = 0.01
LARGEST_DISC = 26.0
TICKS = (1, 2, 3, 5, 10, 20, 50, 100)
AXIS = "1 / (1 - S)"


def dimensions_and_shapes(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Above: dimensions for each feature. Below: in which shapes features stand.

    Against 1 / (1 - S), without dropout and with it, for the largest models that were
    trained. Curves are medians over seeds, bands run from the tenth to the ninetieth of
    a hundred seeds; shares are means.
    """
    found = largest(results)
    size = f"n = {found['n_features'][0]}, m = {found['n_hidden'][0]}"
    titles = [f"{title}, {size}" for title in TITLES]
    figure = make_subplots(
        rows=2,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.1,
        horizontal_spacing=0.05,
        subplot_titles=[*titles, "Shapes", "Shapes"],
    )
    for column, rate in enumerate(RATES, start=1):
        there = found.where(rate=rate)
        figure.add_trace(_fractions(there, (1.0, 1 / 2)), row=1, col=column)
        _add_dimensions(figure, there, column=column)
        _add_shapes(figure, there, column=column)
    style(figure, height=760)
    _sparsity_axis(figure, found)
    figure.update_xaxes(title_text=AXIS, row=2)
    figure.update_yaxes(title_text="dimensions per feature", row=1, col=1)
    figure.update_yaxes(type="log", tickvals=[0.02, 0.05, 0.1, 0.2, 0.5, 1, 2], row=1)
    figure.update_yaxes(range=_reach(found), row=1)
    figure.update_yaxes(title_text="share of kept features", row=2, col=1)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", row=2)
    figure.update_layout(legend={"y": -0.12})
    return figure


def _reach(results: Results) -> list[float]:
    """The ends of the axis of dimensions for each feature, as powers of ten."""
    numbers = [results[number].astype(np.float64) for number, *_ in COUNTED]
    values = np.concatenate(numbers)
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (known.min(), known.max()) if known.size else (0.1, 1.0)
    return [float(np.log10(0.8 * low)), float(np.log10(1.25 * high))]


def largest(results: Results) -> Results:
    """The largest models of a design, of equal importance, trained as long as most."""
    sizes = results["n_features"].astype(np.int64)
    found = results.where(n_features=int(sizes.max()), importance_decay=1.0)
    found = found.where(weight_checkpoints=0)
    return found.where(steps=int(found["steps"].min()))


def sparsities(results: Results) -> list[float]:
    """The levels of the feature probability, the densest first."""
    return sorted({float(q) for q in results["feature_probability"]}, reverse=True)


def _sparsity_axis(figure: go.Figure, results: Results) -> None:
    last = 1.0 / min(sparsities(results))
    ticks = [tick for tick in TICKS if tick <= 1.01 * last]
    figure.update_xaxes(
        type="log", tickvals=ticks, range=[-0.04, np.log10(last) + 0.04]
    )


def _fractions(results: Results, lines: Iterable[float]) -> go.Scatter:
    return dotted(lines, start=0.9, end=1.1 / min(sparsities(results)))


def dotted(lines: Iterable[float], *, start: float, end: float) -> go.Scatter:
    """Dotted level lines, as at the fractions of the polytopes."""
    x: list[float | None] = []
    y: list[float | None] = []
    for level in lines:
        x += [start, end, None]
        y += [level, level, None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": GREY, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_dimensions(figure: go.Figure, results: Results, *, column: int) -> None:
    levels = sparsities(results)
    x = [1.0 / q for q in levels]
    for number, name, colour, symbol in COUNTED:
        seeds = [results.where(feature_probability=q)[number] for q in levels]
        low, middle, high = zip(
            *(percentiles(values.astype(np.float64)) for values in seeds), strict=True
        )
        figure.add_trace(
            band(x, low, high, colour=colour, group=name), row=1, col=column
        )
        figure.add_trace(
            go.Scatter(
                x=x,
                y=list(middle),
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"symbol": symbol, "size": 6},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                hovertemplate=f"{name}<br>1 / (1 - S) = %{{x:.3g}}: %{{y:.3f}}"
                "<extra></extra>",
            ),
            row=1,
            col=column,
        )


def _add_shapes(figure: go.Figure, results: Results, *, column: int) -> None:
    """The shares of the shapes, one on top of the other."""
    levels = sparsities(results)
    numbers = {group: number for number, group in SHARES.items()}
    for group, colour in COLOURS.items():
        cells = [results.where(feature_probability=q) for q in levels]
        shares = [_mean(cell[numbers[group]].astype(np.float64)) for cell in cells]
        name = WORDS.get(group, group)
        figure.add_trace(
            go.Scatter(
                x=[1.0 / q for q in levels],
                y=shares,
                mode="lines",
                stackgroup=f"shapes {column}",
                line={"width": 0.5, "color": colour},
                fillcolor=translucent(colour, 0.75),
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                hovertemplate=f"{name}<br>1 / (1 - S) = %{{x:.3g}}: %{{y:.0%}}"
                "<extra></extra>",
            ),
            row=2,
            col=column,
        )


def _mean(values: Float[ndarray, " seed"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def dimensionality(results: Results, store: Store) -> go.Figure:
    """The dimensionality of every feature against 1 / (1 - S), as discs.

    The area of a disc is the share of all features, over all seeds, whose D_i rounds to
    one hundredth; dropped features lie at 0. Without dropout, and with it.
    """
    found = largest(results)
    size = f"n = {found['n_features'][0]}, m = {found['n_hidden'][0]}"
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.09,
        subplot_titles=[f"{title}, {size}" for title in TITLES],
    )
    for column, rate in enumerate(RATES, start=1):
        there = found.where(rate=rate)
        figure.add_trace(_fractions(there, (0.0, *IN_WORDS)), row=1, col=column)
        _add_discs(figure, there, store, column=column)
        _add_total(figure, there, column=column)
        for y, word in {0.0: "0", **IN_WORDS}.items():
            figure.add_annotation(
                x=1.01, y=y, text=word, xref="x domain" if column == 1 else "x2 domain",
                yref="y" if column == 1 else "y2", xanchor="left", showarrow=False,
                yshift=6 if word == "2/5" else -6 if word == "3/8" else 0,
                font={"size": 11, "color": GREY},
            )  # fmt: skip
    style(figure, height=620)
    _sparsity_axis(figure, found)
    figure.update_xaxes(title_text=AXIS)
    figure.update_yaxes(range=[-0.05, 1.08])
    figure.update_yaxes(title_text="feature dimensionality D_i", row=1, col=1)
    figure.update_layout(legend={"y": -0.16}, margin={"r": 44})
    return figure


def _add_discs(
    figure: go.Figure, results: Results, store: Store, *, column: int
) -> None:
    x, y, share = [], [], []
    levels = dict(zip(results["key"], results["feature_probability"], strict=True))
    counts: dict[float, Counter[int]] = {q: Counter() for q in sparsities(results)}
    # Together, not key by key: a file of the store holds many models.
    rows = store.rows().filter(pc.field("key").isin(list(levels)))
    for key, artifact in store.artifacts(rows):
        D = feature_dimensionality(artifact.arrays["W"])
        found = np.round(D[np.isfinite(D)] / BIN).astype(int)
        counts[float(levels[key])].update(found.tolist())
    for q, counted in counts.items():
        total = max(1, sum(counted.values()))
        for level, count in sorted(counted.items()):
            x.append(round(1.0 / q, 4))
            y.append(round(level * BIN, 2))
            share.append(count / total)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            marker={
                "size": [round(LARGEST_DISC * s**0.5, 1) for s in share],
                "sizemin": 1.5,
                "color": translucent(PALETTE[0], 0.55),
                "line": {"width": 0},
            },
            customdata=[round(s, 4) for s in share],
            name="features, by share",
            legendgroup="features",
            showlegend=column == 1,
            hovertemplate="1 / (1 - S) = %{x:.3g}<br>D = %{y:.2f}: %{customdata:.1%} "
            "of features<extra></extra>",
        ),
        row=1,
        col=column,
    )


def _add_total(figure: go.Figure, results: Results, *, column: int) -> None:
    levels = sparsities(results)
    number = "dimensions_per_feature"
    seeds = [results.where(feature_probability=q)[number] for q in levels]
    figure.add_trace(
        go.Scatter(
            x=[1.0 / q for q in levels],
            y=[percentiles(values.astype(np.float64))[1] for values in seeds],
            mode="lines",
            line={"color": PALETTE[1], "width": 2},
            name="D* = m / |W|_F^2",
            legendgroup="total",
            showlegend=column == 1,
            hovertemplate="1 / (1 - S) = %{x:.3g}<br>D* = %{y:.3f}<extra></extra>",
        ),
        row=1,
        col=column,
    )
