"""The pictures of the lineages: each setting side by side, and the packed start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.design import canonical
from tegum.report.figures import GREY, PALETTE, curve, style
from tegum.results import Results, plain
from tegum.store import Store
from tegum.studies._cells import cell_name, percentiles
from tegum.studies._lineages import (
    LINEAGES,
    N_FEATURES,
    N_HIDDEN,
    packed_deviation,
    spread_deviation,
)
from tegum.study import Figure

Q, RATE = 0.1, 0.5
CELLS = ((1.0, PALETTE[0], "circle", 0.16), (0.8, PALETTE[1], "diamond", -0.16))
"""Decay, colour, mark, and how far above its line a cell is drawn."""
NUMBERS = (
    ("relative_interference", "Relative interference", (-0.1, 3.4)),
    ("features_represented", "Features kept, of twenty", (-0.5, 20.9)),
    ("avoidable_interference", "Avoidable share of it", (-0.03, 0.32)),
    ("unit_alignment_gap", "Spread (-) or aligned (+)", (-0.2, 0.1)),
)
_NOTEBOOK = LINEAGES["notebook"].factors
_ONE, _HUNDRED = (
    packed_deviation(packed, rows=N_FEATURES, columns=N_HIDDEN) for packed in (1, 100)
)
LINES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    *((found.label, found.factors) for found in LINEAGES.values()),
    ("notebook, but ...", {}),
    ("its own start", {**_NOTEBOOK, "initial_std": None}),
    ("a stack of 1", {**_NOTEBOOK, "initial_std": _ONE}),
    ("a stack of 100", {**_NOTEBOOK, "initial_std": _HUNDRED}),
    (
        "own start, uniform",
        {**_NOTEBOOK, "initial_std": None, "initial_law": "uniform"},
    ),
    ("no weight decay", {**_NOTEBOOK, "weight_decay": 0.0}),
    ("Adam's weight decay", {**_NOTEBOOK, "optimiser": "adam"}),
    (
        "SGD",
        {
            **_NOTEBOOK,
            "optimiser": "sgd",
            "learning_rate": 10.0,
            "weight_decay": 0.0,
        },
    ),
    ("cosine", {**_NOTEBOOK, "schedule": "cosine"}),
    ("batch 512", {**_NOTEBOOK, "batch_size": 512}),
    ("four times as long", {**_NOTEBOOK, "steps": 40_000}),
)
"""The lines of the picture from the top: settings, then one choice at a time."""
LEARNED = 0.01
"""Of the mean squared norm: below it nothing was learned, directions mean nothing."""


def settings_side_by_side(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """What models are like under each setting, without dropout and with it.

    Each line is a setting; open marks are without dropout, filled ones at rate 0.5,
    medians over seeds with bars from the tenth to the ninetieth of a hundred, at
    S = 0.9. Below `notebook, but ...` one choice at a time is changed. Where nothing
    was learned nothing is drawn.
    """
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.07,
        vertical_spacing=0.13,
        subplot_titles=[title for _, title, _ in NUMBERS],
    )
    sparse = results.where(feature_probability=Q)
    shown = [
        (name, _under(sparse, settings) if settings else None)
        for name, settings in LINES
    ]
    shown = [(name, found) for name, found in shown if found is None or len(found)]
    for panel, (number, *_) in enumerate(NUMBERS):
        for cell in CELLS:
            for rate in (0.0, RATE):
                _add_marks(figure, shown, number, cell, rate=rate, panel=panel)
    style(figure, height=300 + 56 * len(shown))
    _name_axes(figure, [name for name, _ in shown])
    return figure


def _under(results: Results, settings: Mapping[str, Any]) -> Results:
    """The models trained under some settings; the rest at their neutral levels."""
    return _those(results, {"initial_std": None, "initial_law": "gaussian", **settings})


def _those(results: Results, asked: Mapping[str, Any]) -> Results:
    """The rows at these levels, none perhaps: a design need not hold every setting."""
    fits = np.ones(len(results), dtype=bool)
    for name, level in asked.items():
        wanted = canonical(level)
        fits &= np.array([canonical(plain(v)) == wanted for v in results[name]])
    return results.taken(np.flatnonzero(fits))


def _add_marks(
    figure: go.Figure,
    shown: Sequence[tuple[str, Results | None]],
    number: str,
    cell: tuple[float, str, str, float],
    *,
    rate: float,
    panel: int,
) -> None:
    """One cell at one rate, a mark on the line of each setting."""
    decay, colour, symbol, offset = cell
    points = []
    for position, (name, found) in enumerate(shown):
        if found is None:
            continue
        models = _those(found, {"importance_decay": decay, "rate": rate})
        learned = percentiles(models["mean_norm_squared"].astype(np.float64))[1]
        if not len(models) or learned < LEARNED:
            continue
        low, middle, high = percentiles(models[number].astype(np.float64))
        points.append((name, len(shown) - position + offset, low, middle, high))
    names, y, low, middle, high = zip(*points, strict=True)
    state = f"dropout {rate:g}" if rate else "no dropout"
    label = f"{cell_name(Q, decay)}, {state}"
    figure.add_trace(
        go.Scatter(
            x=list(middle),
            y=list(y),
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.subtract(high, middle).tolist(),
                "arrayminus": np.subtract(middle, low).tolist(),
                "thickness": 1.5,
                "width": 3,
                "color": colour,
            },
            mode="markers",
            marker={
                "symbol": symbol if rate else f"{symbol}-open",
                "size": 9,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            customdata=list(names),
            name=label,
            legendgroup=label,
            showlegend=panel == 0,
            hovertemplate=f"%{{customdata}}<br>{label}: %{{x:.3g}}<extra></extra>",
        ),
        row=1 + panel // 2,
        col=1 + panel % 2,
    )


def _name_axes(figure: go.Figure, names: Sequence[str]) -> None:
    ticks = list(range(len(names), 0, -1))
    for panel, (*_, shown) in enumerate(NUMBERS):
        row, column = 1 + panel // 2, 1 + panel % 2
        figure.update_xaxes(range=shown, row=row, col=column)
        figure.update_yaxes(
            tickvals=ticks,
            ticktext=list(names),
            showticklabels=column == 1,
            range=[0.4, len(names) + 0.6],
            row=row,
            col=column,
        )
    figure.update_xaxes(zeroline=True, zerolinecolor=GREY, row=2, col=2)
    figure.update_layout(legend={"y": -0.1}, margin={"l": 150})


# --- the packed start ----------------------------------------------------------------

PACKED = (1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100)
RULES = (
    ("stack (instance, feature, hidden)", packed_deviation, (N_FEATURES, N_HIDDEN)),
    ("stack (instance, hidden, feature)", packed_deviation, (N_HIDDEN, N_FEATURES)),
    ("stack as receptive field", spread_deviation, (N_FEATURES, N_HIDDEN)),
)


def packed_start(results: Results, store: Store) -> go.Figure:
    """The deviation of first weights against the number of models in the stack."""
    figure = go.Figure()
    for position, (name, rule, (rows, columns)) in enumerate(RULES):
        deviations = [rule(packed, rows=rows, columns=columns) for packed in PACKED]
        line = curve(
            PACKED,
            deviations,
            name=name,
            colour=PALETTE[position],
            position=position,
        )
        line.hovertemplate = f"{name}<br>%{{x}} models: %{{y:.3f}}<extra></extra>"
        figure.add_trace(line)
    own = (2.0 / (N_FEATURES + N_HIDDEN)) ** 0.5
    figure.add_trace(
        go.Scatter(
            x=[PACKED[0], PACKED[-1]],
            y=[own, own],
            mode="lines",
            line={"color": GREY, "width": 2, "dash": "dash"},
            name="each model by its own fans",
            hovertemplate=f"{own:.3f}<extra></extra>",
        )
    )
    style(figure, height=460)
    figure.update_xaxes(
        title_text="models in the stack", type="log", tickvals=[1, 3, 10, 30, 100]
    )
    figure.update_yaxes(title_text="deviation of first weights", range=[0.0, 0.32])
    figure.update_layout(margin={"b": 120})
    return figure


PACKED_START = Figure(
    "packed-start",
    "How large the first weights of twenty features on five units are when Xavier's "
    "rule is called on a stack of models at once, against how many are in the stack: "
    "two layouts of PyTorch's rule, JAX's, and each model by itself.",
    packed_start,
    where={
        **_NOTEBOOK,
        "feature_probability": Q,
        "importance_decay": 1.0,
        "rate": 0.0,
        "seed": 2700,
    },
)
"""Drawn from formulas; one model stands for the setting that it is about."""
