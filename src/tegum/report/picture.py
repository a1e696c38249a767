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
    factors stand at the combination with most cells, which `held_fixed` names.
    """
    if layout.x is None or not names:
        return None
    fixed = layout.usual_selection
    panels, lines = _levels(layout, layout.panel), _levels(layout, layout.y)
    shown = list(names)[:MOST_NUMBERS]
    figure = make_subplots(
        rows=len(shown),
        cols=len(panels),
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.06,
        horizontal_spacing=0.05,
        column_titles=_panel_titles(layout, panels),
    )
    ordered = layout.y is not None and layout.axes[layout.y].numeric
    shades = colours(len(lines), ordered=ordered)
    named: set[str] = set()
    for row, name in enumerate(shown, start=1):
        for column, panel in enumerate(panels, start=1):
            for k, line in enumerate(lines):
                chosen = {**fixed, layout.panel: panel, layout.y: line}
                label = "" if line is None else layout.axes[layout.y or 0].labels[line]
                points = _points(layout, drawn[name], chosen)
                traces = _traces(points, colour=shades[k], position=k, name=label)
                for trace in traces:
                    trace.showlegend = trace.name is not None and label not in named
                    named |= {label} if trace.showlegend else set()
                    figure.add_trace(trace, row=row, col=column)
        figure.update_yaxes(title={"text": number_name(name)}, row=row, col=1)
    axis = layout.axes[layout.x]
    figure.update_xaxes(tickvals=list(axis.positions), ticktext=_safe(axis.ticks))
    figure.update_xaxes(title={"text": axis.title}, row=len(shown))
    style(figure, height=120 + 240 * len(shown))
    figure.update_layout(legend={"y": -0.36 / len(shown) - 0.04})
    return figure


def held_fixed(layout: Frame) -> dict[str, str]:
    """The factors that the default picture holds at one level, and that level."""
    return {
        factor_name(layout.axes[k].factor): layout.axes[k].labels[level]
        for k, level in layout.usual_selection.items()
    }


def _levels(layout: Frame, axis: int | None) -> list[int | None]:
    """The levels of an axis that occur in the usual selection."""
    if axis is None:
        return [None]
    fixed = layout.usual_selection
    found = {
        cell.at[axis]
        for cell in layout.cells
        if all(cell.at[k] == level for k, level in fixed.items())
    }
    return [*sorted(found)]


def _panel_titles(layout: Frame, panels: Sequence[int | None]) -> list[str] | None:
    if layout.panel is None:
        return None
    axis = layout.axes[layout.panel]
    name = factor_name(axis.factor)
    return _safe([f"{name}: {axis.labels[k]}" for k in panels if k is not None])


def _safe(labels: Sequence[str]) -> list[str]:
    """Labels that plotly must not read as its own markup."""
    return [label.replace("&", "&amp;").replace("<", "&lt;") for label in labels]


def _points(
    layout: Frame, series: Mapping[str, Any], chosen: Mapping[int | None, int | None]
) -> list[tuple[float, float, float, float]]:
    """x, median, low and high of one curve's cells where the median is a number."""
    assert layout.x is not None
    axis, found = layout.axes[layout.x], series["value"]
    points = []
    for k, cell in enumerate(layout.cells):
        others = (a for a in range(len(layout.axes)) if a != layout.x)
        median = found["median"][k]
        if all(cell.at[a] == chosen[a] for a in others) and median != "NaN":
            if median is None:
                continue
            ends = float(found["low"][k]), float(found["high"][k])
            points.append((axis.positions[cell.at[layout.x]], float(median), *ends))
    return sorted(points)


def _traces(
    points: Sequence[tuple[float, float, float, float]],
    *,
    colour: str,
    position: int,
    name: str,
) -> list[go.Scatter]:
    """The curve of one series, and its band where every interval is bounded."""
    if not points:
        return []
    x, y, low, high = (list(column) for column in zip(*points, strict=True))
    label = _safe([name])[0]
    line = curve(x, y, name=label, colour=colour, position=position, group=label)
    line.name = label or None
    if not all(math.isfinite(end) for end in (*low, *high)):
        return [line]
    return [band(x, low, high, colour=colour, group=label), line]
