"""The headline picture of the predicted geometry: forecasts beside what was trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, ordered_colours, style
from tegum.results import Results
from tegum.studies._cells import cell_name, percentiles
from tegum.studies._predictions import QUANTITIES, Numbers

DENSITIES = (1.0, 0.4, 0.15)
DECAYS = ((1.0, "circle", "uniform"), (0.8, "diamond", "decaying"))
RATES = (0.0, 0.35, 0.6)
TITLES = ("Features kept", "Mean squared norm", "Aligned (+) or spread (-)")
SHOWN = ((0.0, 10.5), (0.0, 1.05), (-0.24, 0.3))
"""How much of both axes of each upper panel is shown."""
RIVAL = "the constant"
Forecast = Callable[[float, float, float], Numbers]


def predicted_beside_trained(
    forecast: Forecast, constant: Numbers
) -> Callable[[Results, Sequence[Verdict]], go.Figure]:
    """The picture of one size, given its predictions and its constant.

    Above: each mark is a cell; across what was predicted, up the median of the trained
    models with a bar from the tenth to the ninetieth of a hundred. On the grey line the
    prediction is right; the dashed line is the constant. Below: mean absolute errors of
    both, for each density and importance over its dropout rates, medians over seeds.
    """

    def draw(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
        figure = make_subplots(
            rows=2,
            cols=3,
            row_heights=[0.58, 0.42],
            horizontal_spacing=0.075,
            vertical_spacing=0.17,
            subplot_titles=[*TITLES, *["Mean error"] * 3],
        )
        small = results.where(n_features=10, optimiser="adamw", steps=10_000)
        for column, quantity in enumerate(QUANTITIES):
            _add_lines(figure, constant[column], SHOWN[column], column=column + 1)
            _add_cells(figure, small, forecast, column=column)
            _add_errors(figure, small, quantity, column=column + 1)
        _explain_marks(figure)
        style(figure, height=860)
        _name_axes(figure)
        return figure

    return draw


def _add_lines(
    figure: go.Figure, rival: float, shown: tuple[float, float], *, column: int
) -> None:
    """Where predictions are right, and what the constant says."""
    lines = (
        ("prediction right", list(shown), "solid"),
        (RIVAL, [rival, rival], "dash"),
    )
    for name, y, dash in lines:
        figure.add_trace(
            go.Scatter(
                x=list(shown),
                y=y,
                mode="lines",
                line={"color": GREY, "width": 1.5, "dash": dash},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                hoverinfo="skip",
            ),
            row=1,
            col=column,
        )


def _add_cells(
    figure: go.Figure, results: Results, forecast: Forecast, *, column: int
) -> None:
    """A mark for each cell, at what was predicted of it and what came of it."""
    shades = ordered_colours(len(DENSITIES))
    for colour, q in zip(shades, DENSITIES, strict=True):
        for decay, symbol, _ in DECAYS:
            cell = results.where(feature_probability=q, importance_decay=decay)
            predicted = [forecast(q, decay, rate)[column] for rate in RATES]
            trained = [
                percentiles(
                    cell.where(rate=rate)[QUANTITIES[column]].astype(np.float64)
                )
                for rate in RATES
            ]
            low, middle, high = zip(*trained, strict=True)
            name = cell_name(q, decay)
            figure.add_trace(
                go.Scatter(
                    x=predicted,
                    y=list(middle),
                    error_y={
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
                        "symbol": [
                            symbol if rate else f"{symbol}-open" for rate in RATES
                        ],
                        "size": [9 if rate < 0.6 else 13 for rate in RATES],
                        "color": colour,
                        "line": {"width": 2, "color": colour},
                    },
                    customdata=list(RATES),
                    name=name,
                    legendgroup=name,
                    showlegend=column == 0,
                    hovertemplate=f"{name}, rate %{{customdata}}<br>predicted "
                    "%{x:.3g}, trained %{y:.3g}<extra></extra>",
                ),
                row=1,
                col=column + 1,
            )


def _explain_marks(figure: go.Figure) -> None:
    """What open and large marks mean, as a line of the legend."""
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "circle-open", "size": 9, "color": GREY},
            name="open: no dropout, small: rate 0.35, large: 0.6",
        ),
        row=1,
        col=1,
    )


def _add_errors(
    figure: go.Figure, results: Results, quantity: str, *, column: int
) -> None:
    """The mean errors of each regime: the prediction's, and the constant's."""
    names, errors, rivals = [], [], []
    for q in reversed(DENSITIES):
        for decay, *_ in reversed(DECAYS):
            cell = results.where(feature_probability=q, importance_decay=decay)
            names.append(cell_name(q, decay))
            error = _mean_over_rates(cell, f"{quantity}_error")
            better = _mean_over_rates(cell, f"{quantity}_advantage")
            errors.append(error)
            rivals.append(error + better)
    kinds = (
        ("error of the constant", rivals, "square-open", PALETTE[1]),
        ("error of the prediction", errors, "circle", PALETTE[0]),
    )
    for name, values, symbol, colour in kinds:
        figure.add_trace(
            go.Scatter(
                x=values,
                y=names,
                mode="markers",
                marker={
                    "symbol": symbol,
                    "size": 10,
                    "color": colour,
                    "line": {"width": 2, "color": colour},
                },
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                hovertemplate=f"%{{y}}<br>{name}: %{{x:.3g}}<extra></extra>",
            ),
            row=2,
            col=column,
        )
    top = max((value for value in errors + rivals if math.isfinite(value)), default=1.0)
    figure.update_xaxes(range=[-0.05 * top, 1.1 * top], row=2, col=column)


def _mean_over_rates(results: Results, number: str) -> float:
    """The median over seeds at each rate, averaged over the rates."""
    middles = [
        percentiles(results.where(rate=rate)[number].astype(np.float64))[1]
        for rate in RATES
    ]
    return math.fsum(middles) / len(middles)


def _name_axes(figure: go.Figure) -> None:
    for column, shown in enumerate(SHOWN, start=1):
        figure.update_xaxes(title_text="predicted", range=shown, row=1, col=column)
        figure.update_yaxes(range=shown, row=1, col=column)
        figure.update_yaxes(showticklabels=column == 1, row=2, col=column)
    figure.update_yaxes(title_text="trained, median", row=1, col=1)
    figure.update_xaxes(title_text="features", row=2, col=1)
    figure.update_xaxes(title_text="squared norm", row=2, col=2)
    figure.update_xaxes(title_text="unit alignment gap", row=2, col=3)
    figure.update_layout(legend={"y": -0.1}, margin={"l": 120})
