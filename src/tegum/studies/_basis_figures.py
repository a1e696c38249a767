"""Further pictures of the privileged basis: rotation gap, kurtosis, and width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.measures.sphere import random_excess_kurtosis_per_vector
from tegum.report.figures import GREY, PALETTE, band, curve, ordered_colours, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._basis_picture import (
    DENSITIES,
    KURTOSIS_OF,
    OTHERS,
    WAYS,
    has,
    over_rates,
)
from tegum.studies._cells import cell_name, percentiles

Ways = Sequence[tuple[str, str, str]]
"""States of the activations: name, colour, symbol."""
RATE = 0.5
USUAL = {"optimiser": "adamw", "optimiser_basis": "units"}
ARMS = (("AdamW", USUAL), *((name, factors) for name, factors, *_ in OTHERS))
CELLS = tuple((q, decay) for q in (0.5, 0.3, 0.1) for decay in (1.0, 0.8))
STATISTICS = (
    ("kurtosis_per_unit", "units over examples"),
    ("kurtosis_pooled", "both pooled"),
    ("kurtosis_of_unit_norms", "unit norms"),
    ("kurtosis_per_vector", "examples over units"),
)
MASKED = (WAYS[2], ("masked, rotated", PALETTE[5], "diamond-open"))
LEAST_REACH = 0.2
"""Smaller differences are drawn small."""
MOST_UNITS_WITHOUT = 3
"""Up to this width, kurtosis across units is the same number for every vector."""


def rotation_gaps(results: Results, store: Store) -> go.Figure:
    """What rotating adds to the loss: against rates, by optimiser, against width."""
    del store  # nothing but the numbers is drawn
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.12,
        vertical_spacing=0.2,
        subplot_titles=[
            "AdamW: uniform importances",
            "AdamW: decaying importances",
            "Probed at rate 0.5, 5 units",
            "Dropout rate 0.5, S = 0.7, by width",
        ],
    )
    small = results.where(n_hidden=5)
    for column, decay in enumerate((1.0, 0.8), start=1):
        cells = small.where(importance_decay=decay, **USUAL)
        _add_rates(figure, cells, column=column)
    _add_optimisers(figure, small)
    _add_widths(figure, results)
    style(figure, height=860)
    figure.update_yaxes(tickformat=".1%")
    figure.update_yaxes(title_text="rotating adds to the loss", col=1)
    figure.update_xaxes(title_text="dropout rate", row=1)
    _width_axis(figure, row=2, col=2)
    figure.update_layout(legend={"y": -0.14})
    return figure


def kurtoses(results: Results, store: Store) -> go.Figure:
    """Four things called kurtosis, clean and beside rotations, and how masks add."""
    del store  # nothing but the numbers is drawn
    return _all_kurtoses(results, ways=WAYS, measured_by=WAYS[:2])


def masked_kurtoses(results: Results, store: Store) -> go.Figure:
    """The same of masked activations: itself, and rotations followed by masks."""
    del store  # nothing but the numbers is drawn
    return _all_kurtoses(results, ways=MASKED, measured_by=MASKED)


def _all_kurtoses(results: Results, *, ways: Ways, measured_by: Ways) -> go.Figure:
    """A row for each statistic, a column for each cell; see `_add_states`."""
    cells = [(q, decay) for q, decay, _ in KURTOSIS_OF]
    figure = make_subplots(
        rows=len(STATISTICS),
        cols=len(cells),
        horizontal_spacing=0.06,
        vertical_spacing=0.055,
        shared_xaxes=True,
        column_titles=[cell_name(q, decay) for q, decay in cells],
    )
    for row, (statistic, words) in enumerate(STATISTICS, start=1):
        for column, (q, decay) in enumerate(cells, start=1):
            cell = results.where(feature_probability=q, importance_decay=decay)
            curves = _states(cell, statistic)
            _add_states(figure, curves, ways=ways, row=row, col=column)
            seen = [y for name, *_ in measured_by for y in curves[name][1]]
            above = 0.15 if measured_by == ways else 0.6
            figure.update_yaxes(range=_shown(seen, above=above), row=row, col=column)
        figure.update_yaxes(title_text=words, row=row, col=1)
    style(figure, height=1050)
    figure.update_xaxes(title_text="dropout rate", row=len(STATISTICS))
    figure.update_layout(legend={"y": -0.06})
    return figure


def kurtosis_by_width(results: Results, store: Store) -> go.Figure:
    """Kurtosis across units against their number, beside that of random vectors."""
    del store  # nothing but the numbers is drawn
    figure = go.Figure()
    widths = np.arange(MOST_UNITS_WITHOUT + 1, 129)
    null = [random_excess_kurtosis_per_vector(int(m)) + 3.0 for m in widths]
    figure.add_trace(
        go.Scatter(
            x=widths,
            y=null,
            mode="lines",
            line={"color": GREY, "width": 2, "dash": "dot"},
            name="random vectors, 3 (m - 1) / (m + 1)",
            hovertemplate="%{x} units at random: %{y:.3f}<extra></extra>",
        )
    )
    for position, (name, uniform, rate) in enumerate(
        (
            ("uniform, without dropout", True, 0.0),
            ("uniform, dropout rate 0.5", True, RATE),
            ("decaying, without dropout", False, 0.0),
            ("decaying, dropout rate 0.5", False, RATE),
        )
    ):
        cell = _by_importance(results, uniform=uniform).where(rate=rate)
        found = _over_widths(cell, "clean_kurtosis_per_vector", shift=3.0)
        _add_band(figure, found, name=name, position=position)
    style(figure, height=520)
    figure.add_vrect(
        x0=1.7, x1=MOST_UNITS_WITHOUT + 0.4, line_width=0, fillcolor=GREY, opacity=0.18
    )
    figure.add_annotation(
        x=0.012, y=0.97, xref="paper", yref="paper", text="undefined:<br>the same<br>"
        "for every<br>vector", showarrow=False, xanchor="left", yanchor="top",
        align="left", font={"size": 12},
    )  # fmt: skip
    figure.add_hline(y=3.0, line={"color": GREY, "width": 1})
    figure.update_yaxes(title_text="kurtosis across the units of a vector")
    _width_axis(figure)
    return figure


def _add_rates(figure: go.Figure, cells: Results, *, column: int) -> None:
    shades = ordered_colours(len(DENSITIES))
    for position, (colour, q) in enumerate(zip(shades, DENSITIES, strict=True)):
        name = f"S = {1 - q:.2g}"
        cell = cells.where(feature_probability=q)
        rates, low, middle, high = over_rates(cell, "rotation_gap")
        shown = band(rates, low, high, colour=colour, group=name)
        figure.add_trace(shown, row=1, col=column)
        line = curve(
            rates, middle, name=name, colour=colour, position=position, group=name,
            show_legend=column == 1,
        )  # fmt: skip
        line.hovertemplate = f"{name}<br>rate %{{x}}: %{{y:.2%}}<extra></extra>"
        figure.add_trace(line, row=1, col=column)


def _add_optimisers(figure: go.Figure, small: Results) -> None:
    """For each cell the gap at one probing rate, trained without dropout and with."""
    for arm, (name, factors) in enumerate(ARMS):
        for rate, symbol in ((0.0, "circle-open"), (RATE, "circle")):
            summaries = [
                _summary(small, q, decay, factors=factors, rate=rate)
                for q, decay in CELLS
            ]
            low, middle, high = np.array(summaries).T
            words = "with dropout" if rate else "without dropout"
            marks = go.Scatter(
                x=[at + 0.24 * (arm - 1) for at in range(len(CELLS))],
                y=middle,
                error_y={
                    "type": "data", "symmetric": False, "array": high - middle,
                    "arrayminus": middle - low, "width": 0, "thickness": 1.5,
                },
                mode="markers",
                marker={"color": PALETTE[arm], "symbol": symbol, "size": 8},
                name=f"{name}, {words}",
                legendgroup=f"{name}{rate}",
                hovertemplate=f"{name}, {words}: %{{y:.2%}}<extra></extra>",
            )  # fmt: skip
            figure.add_trace(marks, row=2, col=1)
    figure.update_xaxes(
        tickvals=list(range(len(CELLS))),
        ticktext=[cell_name(q, d).replace(", ", "<br>") for q, d in CELLS],
        row=2,
        col=1,
    )


def _summary(
    small: Results, q: float, decay: float, *, factors: dict, rate: float
) -> tuple[float, float, float]:
    levels = {"feature_probability": q, "importance_decay": decay, "rate": rate}
    if not has(small, **levels, **factors):
        return (np.nan, np.nan, np.nan)
    found = small.where(**levels, **factors)
    return percentiles(found["probe_rotation_gap"].astype(np.float64))


def _add_widths(figure: go.Figure, results: Results) -> None:
    wide = results.where(feature_probability=0.3, rate=RATE, **USUAL)
    for position, (name, uniform) in enumerate(
        (("uniform", True), ("decaying", False))
    ):
        cell = _by_importance(wide, uniform=uniform)
        _add_band(
            figure,
            _over_widths(cell, "rotation_gap"),
            name=f"{name}, by width",
            position=position + 3,
            row=2,
            col=2,
        )
    if len(set(wide["n_hidden"])) == 1:
        figure.add_annotation(
            text="wider layers are in the default design", showarrow=False,
            x=0.5, y=0.5, xref="x domain", yref="y domain", row=2, col=2,
            font={"color": GREY, "size": 12},
        )  # fmt: skip


def _add_band(
    figure: go.Figure,
    found: tuple[list[float], list[float], list[float], list[float]],
    *,
    name: str,
    position: int,
    **where: Any,
) -> None:
    """A median against width with its band."""
    widths, low, middle, high = found
    colour = PALETTE[position % len(PALETTE)]
    figure.add_trace(band(widths, low, high, colour=colour, group=name), **where)
    line = curve(
        widths, middle, name=name, colour=colour, position=position, group=name
    )
    line.hovertemplate = f"{name}<br>%{{x}} units: %{{y:.3f}}<extra></extra>"
    figure.add_trace(line, **where)


def _by_importance(results: Results, *, uniform: bool) -> Results:
    decay = results["importance_decay"].astype(np.float64)
    return results.taken(np.flatnonzero((decay == 1.0) == uniform))


def _over_widths(
    results: Results, number: str, *, shift: float = 0.0
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Widths at which a number exists, and its percentiles over seeds at each."""
    widths: list[float] = []
    summaries: list[Sequence[float]] = []
    for m in sorted({int(m) for m in results["n_hidden"]}):
        found = percentiles(results.where(n_hidden=m)[number].astype(np.float64))
        if np.isfinite(found[1]):
            widths.append(m)
            summaries.append([value + shift for value in found])
    low, middle, high = np.array(summaries).reshape(-1, 3).T
    return widths, list(low), list(middle), list(high)


def _states(
    cell: Results, statistic: str
) -> dict[str, tuple[list[float], list[float]]]:
    """Clean and masked, each itself and after a rotation: rates, and medians there."""
    curves = {}
    for state in ("clean", "masked"):
        number = f"{state}_{statistic}"
        rates, _, itself, _ = over_rates(cell, number)
        _, _, rotated, _ = over_rates(cell, number, minus=f"{number}_gap")
        curves[state] = rates, itself
        curves[f"{state}, rotated"] = rates, rotated
    return curves


def _add_states(
    figure: go.Figure,
    curves: Mapping[str, tuple[list[float], list[float]]],
    *,
    ways: Ways,
    row: int,
    col: int,
) -> None:
    for name, colour, symbol in ways:
        rates, values = curves[name]
        figure.add_trace(
            go.Scatter(
                x=rates,
                y=values,
                mode="lines+markers",
                line={
                    "color": colour,
                    "width": 2,
                    "dash": "dash" if "rotated" in name else "solid",
                },
                marker={"symbol": symbol, "size": 7},
                name=name,
                legendgroup=name,
                showlegend=row == col == 1,
                hovertemplate=f"{name}<br>rate %{{x}}: %{{y:.3f}}<extra></extra>",
            ),
            row=row,
            col=col,
        )


def _shown(values: Sequence[float], *, above: float) -> list[float] | None:
    """The part of an axis that holds these values, with a share of it as room above."""
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return None
    low, high = min(known), max(known)
    reach = max(high - low, LEAST_REACH)
    return [low - 0.15 * reach, low + (1.0 + above) * reach]


def _width_axis(figure: go.Figure, **where: Any) -> None:
    ticks = [2, 3, 5, 10, 20, 64, 128]
    figure.update_xaxes(
        title_text="number of hidden units",
        type="log",
        range=[np.log10(1.7), np.log10(110)],
        tickvals=ticks,
        ticktext=[str(tick) for tick in ticks],
        **where,
    )
