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
from tegum.studies._cells import cell_name, percentiles
from tegum.theory.decomposition import Crowd, contributions, crowd
from tegum.theory.mean_cancellation import mean_cancellation

PARTS = (
    ("smaller_norms", "smaller norms", PALETTE[0], ""),
    ("fewer_features", "fewer (effective) features", PALETTE[5], "/"),
    ("packing", "packing", PALETTE[2], "x"),
)
INTERVAL = PALETTE[1]
RATE, LAST_RATE = 0.5, 0.7


def interference_taken_apart(
    results: Results, verdicts: Sequence[Verdict]
) -> go.Figure:
    """What dropout at rate 0.5 does to interference, by the way, and the exception.

    Left: each bar is a cell of data; its parts are in per cent of the interference
    without dropout; the diamond is their sum's estimate with the
    interval of the verdict. Middle: how much of what interference there is the best
    packing would avoid, without dropout and with it. Right: the exception, beside a
    linear read-out, inputs of mean 0, and what cancelling the mean alone would give.
    """
    figure = make_subplots(
        rows=1,
        cols=3,
        column_widths=[0.46, 0.22, 0.32],
        horizontal_spacing=0.085,
        subplot_titles=(
            f"Interference, p = {RATE:g}",
            "Loosely packed",
            "The exception",
        ),
    )
    every = results.where(n_features=20, optimiser="adamw", steps=10_000)
    small = every.where(output="relu", feature_values="uniform")
    falls = [v for v in verdicts if v.claim.name == "interference-falls"]
    parts = [part for verdict in falls for part in verdict.parts]
    for position, part in enumerate(reversed(parts)):
        _add_cell(figure, small, part, show_legend=position == 0)
        _add_packing(figure, small, part, show_legend=position == 0)
    _add_exception(figure, small)
    _add_controls(figure, every)
    figure.update_layout(barmode="relative", bargap=0.35)
    figure.update_xaxes(title_text="change, %", col=1)
    figure.update_xaxes(title_text="avoidable, %", col=2)
    figure.update_xaxes(title_text="dropout rate", col=3)
    figure.update_yaxes(title_text="total interference", rangemode="tozero", col=3)
    style(figure, height=520)
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(zeroline=True, zerolinecolor=GREY, col=1)
    figure.update_xaxes(range=[-1, None], col=2)
    figure.update_yaxes(showticklabels=False, ticks="", col=2)
    figure.update_layout(margin={"l": 130})
    return figure


def _add_packing(
    figure: go.Figure, results: Results, part: Any, *, show_legend: bool
) -> None:
    where = {name: levels[0] for name, levels in part.estimand.where.items()}
    cell = results.where(**where)
    shares = [
        100.0 * float(np.nanmedian(cell.where(rate=rate)["avoidable_interference"]))
        for rate in (0.0, RATE)
    ]
    name = cell_name(where["feature_probability"], where["importance_decay"])
    figure.add_trace(
        go.Scatter(
            x=shares,
            y=[name, name],
            mode="lines+markers",
            line={"color": PALETTE[2], "width": 2},
            marker={
                "symbol": ["circle-open", "circle"],
                "size": 9,
                "color": PALETTE[2],
                "line": {"width": 2, "color": PALETTE[2]},
            },
            name="avoidable: without (ring) and with dropout (dot)",
            legendgroup="share",
            showlegend=show_legend,
            hovertemplate=f"{name}<br>avoidable: %{{x:.1f}} %<extra></extra>",
        ),
        row=1,
        col=2,
    )


def _add_cell(
    figure: go.Figure, results: Results, part: Any, *, show_legend: bool
) -> None:
    where = {name: levels[0] for name, levels in part.estimand.where.items()}
    changes = _contributions(results.where(**where))
    name = cell_name(where["feature_probability"], where["importance_decay"])
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
                showlegend=show_legend,
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
            showlegend=show_legend,
            hovertemplate=f"{name}<br>all together: %{{x:.1f}} %<br>{part.word}"
            "<extra></extra>",
        ),
        row=1,
        col=1,
    )


def _contributions(results: Results) -> dict[str, float]:
    """What each part adds, in per cent of T without dropout.

    The mean over the middle half of the seeds, by their whole change: near the median,
    and the parts sum to the whole.
    """
    without, with_dropout = results.where(rate=0.0), results.where(rate=RATE)
    shared = sorted(set(without["seed"]) & set(with_dropout["seed"]))
    before, total = _crowd(without, shared)
    after, total_after = _crowd(with_dropout, shared)
    found = contributions(before, after)
    change = (total_after - total) / total
    low, high = np.nanquantile(change, [0.25, 0.75])
    middle = (low <= change) & (change <= high)
    return {
        name: float(100.0 * np.mean((getattr(found, name) / total)[middle]))
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
    figure.add_trace(band(rates, low, high, colour=colour), row=1, col=3)
    figure.add_trace(
        go.Scatter(
            x=rates,
            y=[float(np.nanmedian(v)) for v in values],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            name="S = 0, decaying: median, 10 to 90 % of seeds",
            hovertemplate="rate %{x}: %{y:.4f}<extra></extra>",
        ),
        row=1,
        col=3,
    )


def _add_controls(figure: go.Figure, results: Results) -> None:
    """Arms that tell a mean cancelled from superposition, and the closed form."""
    rates = np.linspace(0.0, LAST_RATE, 71)
    derived = [
        mean_cancellation(15, density=1.0, rate=rate).total_interference(5, n_idle=15)
        for rate in rates
    ]
    figure.add_trace(
        go.Scatter(
            x=rates,
            y=derived,
            mode="lines",
            line={"color": GREY, "width": 2, "dash": "dot"},
            name="closed form: units cancel their mean",
            hovertemplate="rate %{x:.2f}: %{y:.3f} derived<extra></extra>",
        ),
        row=1,
        col=3,
    )
    linear = results.where(output="linear", feature_probability=1.0)
    for values, name, symbol, colour in (
        ("uniform", "linear read-out", "square-open", PALETTE[0]),
        ("signed_uniform", "linear, inputs of mean 0", "triangle-up-open", PALETTE[1]),
    ):
        found = linear.where(feature_values=values)
        levels = sorted({float(rate) for rate in found["rate"]})
        medians = [
            percentiles(
                found.where(rate=rate)["total_interference"].astype(np.float64)
            )[1]
            for rate in levels
        ]
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=medians,
                mode="markers",
                cliponaxis=False,
                marker={
                    "symbol": symbol,
                    "size": 10,
                    "color": colour,
                    "line": {"width": 2, "color": colour},
                },
                name=name,
                hovertemplate=f"{name}<br>rate %{{x}}: %{{y:.4f}}<extra></extra>",
            ),
            row=1,
            col=3,
        )
