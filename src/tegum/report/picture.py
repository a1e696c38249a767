"""The headline picture when a study brings none: its claims' numbers against x."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.report.figures import band, colours, curve, style
from tegum.report.frame import Frame
from tegum.report.labels import factor_name, number_name

MOST_NUMBERS = 3


def default_picture(
    layout: Frame,
    drawn: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
) -> go.Figure | None:
    """Medians and pointwise intervals of up to three numbers; None without an x axis.

    A column for each panel level, a curve for each level of the second axis; the other
    factors stand at their first level, and the title says which.
    """
    if layout.x is None or not names:
        return None
    x_axis = layout.axes[layout.x]
    panels: list[int | None] = [None]
    if layout.panel is not None:
        panels = list(range(len(layout.axes[layout.panel].values)))
    shown = list(names)[:MOST_NUMBERS]
    figure = make_subplots(
        rows=len(shown),
        cols=len(panels),
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.06,
        horizontal_spacing=0.05,
        column_titles=_panel_titles(layout),
    )
    lines = _lines(layout)
    shades = colours(len(lines), ordered=layout.y is not None and _ordered(layout))
    for row, name in enumerate(shown, start=1):
        for column, panel in enumerate(panels, start=1):
            for k, (line, label) in enumerate(lines):
                x, y, low, high = _points(layout, drawn[name], line=line, panel=panel)
                if not x:
                    continue
                known = [math.isfinite(v) for v in (*low, *high)]
                if all(known):
                    shade = band(x, low, high, colour=shades[k], group=label)
                    figure.add_trace(shade, row=row, col=column)
                figure.add_trace(
                    curve(
                        x, y, name=label, colour=shades[k], position=k, group=label,
                        show_legend=bool(label) and row == column == 1,
                    ),
                    row=row,
                    col=column,
                )  # fmt: skip
        figure.update_yaxes(title={"text": number_name(name)}, row=row, col=1)
    figure.update_xaxes(tickvals=list(x_axis.positions), ticktext=_safe(x_axis.ticks))
    figure.update_xaxes(title={"text": x_axis.title}, row=len(shown))
    style(figure, height=120 + 240 * len(shown))
    figure.update_layout(legend={"y": -0.36 / len(shown) - 0.04})
    return figure


def held_fixed(layout: Frame) -> dict[str, str]:
    """The factors that the default picture holds at their first level."""
    return {
        factor_name(axis.factor): axis.labels[0]
        for k, axis in enumerate(layout.axes)
        if k not in (layout.x, layout.y, layout.panel)
    }


def _panel_titles(layout: Frame) -> list[str] | None:
    if layout.panel is None:
        return None
    axis = layout.axes[layout.panel]
    return _safe([f"{factor_name(axis.factor)}: {label}" for label in axis.labels])


def _safe(labels: Sequence[str]) -> list[str]:
    """Labels that plotly must not read as its own markup."""
    return [label.replace("&", "&amp;").replace("<", "&lt;") for label in labels]


def _lines(layout: Frame) -> list[tuple[int | None, str]]:
    if layout.y is None:
        return [(None, "")]
    return list(enumerate(_safe(layout.axes[layout.y].labels)))


def _ordered(layout: Frame) -> bool:
    assert layout.y is not None
    return layout.axes[layout.y].numeric


def _points(
    layout: Frame,
    series: Mapping[str, Any],
    *,
    line: int | None,
    panel: int | None,
) -> tuple[list[float], list[float], list[float], list[float]]:
    """The cells of one curve, in order of x, where the median is a number."""
    assert layout.x is not None
    x, y, low, high = [], [], [], []
    for k, cell in enumerate(layout.cells):
        fixed = {layout.y: line, layout.panel: panel}
        here = all(
            cell.at[a] == (fixed[a] if fixed.get(a) is not None else 0)
            for a in range(len(layout.axes))
            if a != layout.x
        )
        median = series["value"]["median"][k]
        if here and isinstance(median, int | float):
            x.append(layout.axes[layout.x].positions[cell.at[layout.x]])
            y.append(float(median))
            low.append(float(series["value"]["low"][k]))
            high.append(float(series["value"]["high"][k]))
    order = sorted(range(len(x)), key=x.__getitem__)
    return (
        [x[k] for k in order],
        [y[k] for k in order],
        [low[k] for k in order],
        [high[k] for k in order],
    )
