"""The headline picture of the privileged basis: preference, sign, and kurtosis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, band, curve, ordered_colours, style
from tegum.results import Results
from tegum.studies._cells import cell_name, percentiles
from tegum.theory.kurtosis import masked_raw_kurtosis

DENSITIES = (1.0, 0.5, 0.3, 0.1)
DECAYS = (1.0, 0.8)
KURTOSIS_OF = (
    (0.5, 1.0, (-0.6, 1.6)),
    (0.3, 1.0, (0.0, 2.2)),
    (0.1, 0.8, (0.0, 11.0)),
)
"""Cells, and how much of the axis is shown: the masked curve may leave it upwards."""
UPPER = (
    ("rotation_gap", 1.0, 1, "Preference: uniform"),
    ("rotation_gap", 0.8, 4, "Preference: decaying"),
    ("unit_alignment_gap", 1.0, 7, "Alignment: uniform"),
    ("unit_alignment_gap", 0.8, 10, "Alignment: decaying"),
)
WAYS = (
    ("clean", PALETTE[0], "circle"),
    ("clean, rotated", PALETTE[2], "square"),
    ("masked", PALETTE[1], "diamond"),
)
ALONE = "masks without learning, for units of mean 0"
OTHERS = (
    ("SGD", {"optimiser": "sgd"}, "circle-open", 14),
    (
        "Adam in a rotated basis",
        {"optimiser": "adamw", "optimiser_basis": "rotated"},
        "diamond-open",
        12,
    ),
)
"""What else trains the same models: its name, its factors, its marks."""


def basis_and_kurtosis(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Above: is a basis preferred, and which. Below: kurtosis clean, rotated, masked.

    Curves are medians over seeds against the dropout rate, bands run from the tenth to
    the ninetieth of a hundred seeds. Open marks are SGD, which does not know the axes,
    and Adam whose moments are kept in a random basis. The dotted line is what masks
    would make of the models trained without dropout, were the mean of their units 0.
    """
    below = [cell_name(q, decay) for q, decay, _ in KURTOSIS_OF]
    figure = make_subplots(
        rows=2,
        cols=12,
        specs=[
            [{"colspan": 3}, None, None] * 4,
            [{"colspan": 4}, None, None, None] * 3,
        ],
        horizontal_spacing=0.045,
        vertical_spacing=0.15,
        subplot_titles=[*(title for *_, title in UPPER), *below],
    )
    small = results.where(n_hidden=5, steps=10_000, weight_decay=0.0)
    for number, decay, column, _ in UPPER:
        cells = small.where(importance_decay=decay)
        _add_cells(figure, cells, number, column=column)
    for position, (q, decay, _) in enumerate(KURTOSIS_OF):
        cell = small.where(
            optimiser="adamw",
            optimiser_basis="units",
            feature_probability=q,
            importance_decay=decay,
        )
        _add_kurtosis(figure, cell, column=1 + 4 * position, first=position == 0)
    style(figure, height=800)
    figure.update_annotations(font={"size": 13})
    _name_axes(figure)
    figure.update_layout(legend={"y": -0.1})
    return figure


def _name_axes(figure: go.Figure) -> None:
    figure.update_xaxes(title_text="dropout rate")
    figure.update_yaxes(tickformat=".1%", row=1, col=1)
    figure.update_yaxes(tickformat=".0%", row=1, col=4)
    figure.update_yaxes(title_text="rotating adds to the loss", row=1, col=1)
    figure.update_yaxes(title_text="excess kurtosis of units", row=2, col=1)
    for column in (7, 10):
        figure.update_yaxes(range=[-0.22, 0.34], row=1, col=column)
        for word, y in (("aligned", 0.32), ("spread", -0.2)):
            figure.add_annotation(
                text=word, x=0.0, y=y, showarrow=False, xanchor="left",
                font={"color": GREY, "size": 12}, row=1, col=column,
            )  # fmt: skip
    for position, (_, _, shown) in enumerate(KURTOSIS_OF):
        figure.update_yaxes(range=shown, row=2, col=1 + 4 * position)
    figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dot"})


def _add_cells(
    figure: go.Figure, results: Results, number: str, *, column: int
) -> None:
    """A curve for each density, and marks of other optimisers where there are any."""
    shades = ordered_colours(len(DENSITIES))
    for position, (colour, q) in enumerate(zip(shades, DENSITIES, strict=True)):
        name = f"S = {1 - q:.2g}"
        cell = results.where(feature_probability=q)
        usual = cell.where(optimiser="adamw", optimiser_basis="units")
        rates, low, middle, high = over_rates(usual, number)
        figure.add_trace(
            band(rates, low, high, colour=colour, group=name), row=1, col=column
        )
        line = curve(
            rates,
            middle,
            name=name,
            colour=colour,
            position=position,
            group=name,
            show_legend=column == 1,
        )
        line.hovertemplate = f"{name}<br>rate %{{x}}: %{{y:.3f}}<extra></extra>"
        figure.add_trace(line, row=1, col=column)
        for other, factors, symbol, size in OTHERS:
            if not has(cell, **factors):
                continue
            rates, _, middle, _ = over_rates(cell.where(**factors), number)
            marks = go.Scatter(
                x=rates,
                y=middle,
                mode="markers",
                marker={"symbol": symbol, "size": size, "color": colour},
                name=f"open: {other}",
                legendgroup=other,
                legendrank=1001,
                showlegend=column == 1 and name == "S = 0.5",
                hovertemplate=f"{name}, {other}<br>rate %{{x}}: %{{y:.3f}}"
                "<extra></extra>",
            )
            figure.add_trace(marks, row=1, col=column)


def has(results: Results, **levels: object) -> bool:
    """Whether some row has these levels of its factors together."""
    rows = zip(*(results[name] for name in levels), strict=True)
    return tuple(levels.values()) in rows


def _add_kurtosis(
    figure: go.Figure, results: Results, *, column: int, first: bool
) -> None:
    """Clean, rotated and masked kurtosis of one cell, and masks without learning."""
    rates, _, clean, _ = over_rates(results, "clean_kurtosis_per_unit")
    _, _, masked, _ = over_rates(results, "masked_kurtosis_per_unit")
    _, _, rotated, _ = over_rates(
        results, "clean_kurtosis_per_unit", minus="clean_kurtosis_per_unit_gap"
    )
    curves = (clean, rotated, masked)
    for (name, colour, symbol), y in zip(WAYS, curves, strict=True):
        figure.add_trace(
            go.Scatter(
                x=rates,
                y=y,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"symbol": symbol, "size": 7},
                name=name,
                legendgroup=name,
                showlegend=first,
                hovertemplate=f"{name}<br>rate %{{x}}: %{{y:.3f}}<extra></extra>",
            ),
            row=2,
            col=column,
        )
    alone = [
        float(masked_raw_kurtosis(clean[0] + 3.0, rate=rate)) - 3.0 for rate in rates
    ]
    figure.add_trace(
        go.Scatter(
            x=rates,
            y=alone,
            mode="lines",
            line={"color": GREY, "width": 2, "dash": "dot"},
            name=ALONE,
            legendgroup=ALONE,
            showlegend=first,
            hovertemplate="masks alone<br>rate %{x}: %{y:.3f}<extra></extra>",
        ),
        row=2,
        col=column,
    )


def over_rates(
    results: Results, number: str, *, minus: str | None = None
) -> tuple[list[float], list[float], list[float], list[float]]:
    """The rates, and a number's tenth, fiftieth and ninetieth percentile at each."""
    rates = sorted({float(rate) for rate in results["rate"]})
    summaries = []
    for rate in rates:
        found = results.where(rate=rate)
        values = found[number].astype(np.float64)
        if minus is not None:
            values = values - found[minus].astype(np.float64)
        summaries.append(percentiles(values))
    low, middle, high = (list(ends) for ends in zip(*summaries, strict=True))
    return rates, low, middle, high
