"""The headline picture of dropout and superposition: interference taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, band, style, translucent
from tegum.results import Results
from tegum.theory.decomposition import Crowd, contributions, crowd

PARTS = (
    ("smaller_norms", "smaller norms", PALETTE[0], ""),
    ("fewer_features", "fewer features", PALETTE[5], "/"),
    ("packing", "packing", PALETTE[2], "x"),
)
INTERVAL = PALETTE[1]
RATE = 0.5


def interference_taken_apart(
    results: Results, verdicts: Sequence[Verdict]
) -> go.Figure:
    """Left: what dropout at rate 0.5 takes from total interference, by the way taken.

    Each bar is a cell of data; its parts are medians over seeds, in per cent of the
    interference without dropout; the diamond is their sum's estimate with the interval
    of the verdict. Right: the exception, interference against the dropout rate.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.14,
        subplot_titles=(
            f"Total interference, dropout {RATE:g}",
            "The exception (S = 0, decaying)",
        ),
    )
    small = results.where(n_features=20, optimiser="adamw", steps=10_000)
    falls = [v for v in verdicts if v.claim.name == "interference-falls"]
    for verdict in falls:
        for part in reversed(verdict.parts):
            _add_cell(figure, small, part)
    _add_exception(figure, small)
    figure.update_layout(barmode="relative", bargap=0.35)
    figure.update_xaxes(title_text="change, per cent of that without dropout", col=1)
    figure.update_xaxes(title_text="dropout rate", col=2)
    figure.update_yaxes(title_text="total interference", rangemode="tozero", col=2)
    style(figure, height=520)
    figure.update_xaxes(zeroline=True, zerolinecolor=GREY, col=1)
    figure.update_layout(margin={"l": 130})
    return figure


def _add_cell(figure: go.Figure, results: Results, part: Any) -> None:
    where = {name: levels[0] for name, levels in part.estimand.where.items()}
    changes = _contributions(results.where(**where))
    name = _cell_name(where)
    first = not figure.data
    for attribute, label, colour, pattern in PARTS:
        figure.add_trace(
            go.Bar(
                y=[name],
                x=[changes[attribute]],
                name=label,
                orientation="h",
                marker={
                    "color": translucent(colour, 0.75),
                    "line": {"color": colour, "width": 1},
                    "pattern": {"shape": pattern, "fgcolor": colour},
                },
                legendgroup=label,
                showlegend=first,
                hovertemplate=f"{name}<br>{label}: %{{x:.1f}} %<extra></extra>",
            ),
            row=1,
            col=1,
        )
    middle = 100.0 * (part.estimate - 1.0)
    figure.add_trace(
        go.Scatter(
            y=[name],
            x=[middle],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100.0 * (part.high - part.estimate)],
                "arrayminus": [100.0 * (part.estimate - part.low)],
                "thickness": 2,
                "width": 6,
                "color": INTERVAL,
            },
            mode="markers",
            marker={
                "symbol": "diamond",
                "size": 9,
                "color": INTERVAL,
                "line": {"color": "white", "width": 1},
            },
            name="all together, with its interval",
            legendgroup="sum",
            showlegend=first,
            hovertemplate=f"{name}<br>all together: %{{x:.1f}} %<br>{part.word}"
            "<extra></extra>",
        ),
        row=1,
        col=1,
    )


def _contributions(results: Results) -> dict[str, float]:
    """Medians over seeds of what each part adds, in per cent of T without dropout."""
    without, with_dropout = results.where(rate=0.0), results.where(rate=RATE)
    shared = sorted(set(without["seed"]) & set(with_dropout["seed"]))
    before, total = _crowd(without, shared)
    after, _ = _crowd(with_dropout, shared)
    found = contributions(before, after)
    return {
        name: float(100.0 * np.nanmedian(getattr(found, name) / total))
        for name, *_ in PARTS
    }


def _crowd(results: Results, seeds: list[Any]) -> tuple[Crowd, np.ndarray]:
    order = np.argsort(results["seed"].astype(np.int64))
    order = order[np.isin(results["seed"][order], seeds)]
    numbers = {
        name: results[name][order].astype(np.float64)
        for name in (
            "relative_interference",
            "packing_excess",
            "mean_norm_squared",
            "effective_norm_squared",
        )
    }
    parts = crowd(**numbers, n_features=int(results["n_features"][0]))
    return parts, results["total_interference"][order].astype(np.float64)


def _add_exception(figure: go.Figure, results: Results) -> None:
    dense = results.where(feature_probability=1.0, importance_decay=0.8)
    rates = sorted({float(rate) for rate in dense["rate"]})
    values = [
        dense.where(rate=rate)["total_interference"].astype(np.float64)
        for rate in rates
    ]
    colour = PALETTE[3]
    low = [float(np.nanquantile(v, 0.1)) for v in values]
    high = [float(np.nanquantile(v, 0.9)) for v in values]
    figure.add_trace(band(rates, low, high, colour=colour), row=1, col=2)
    figure.add_trace(
        go.Scatter(
            x=rates,
            y=[float(np.nanmedian(v)) for v in values],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            name="the exception: median, 10 to 90 % of seeds",
            hovertemplate="rate %{x}: %{y:.4f}<extra></extra>",
        ),
        row=1,
        col=2,
    )


def _cell_name(where: dict[str, Any]) -> str:
    sparsity = 1.0 - where["feature_probability"]
    importance = "uniform" if where["importance_decay"] == 1.0 else "decaying"
    return f"S = {sparsity:.2g}, {importance}"
