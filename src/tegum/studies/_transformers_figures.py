"""Further pictures of the transformer study: places, losses, parts, sites."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.networks.factors import SITES
from tegum.report.figures import (
    GREY,
    PALETTE,
    band,
    loosely,
    ordered_colours,
    style,
    translucent,
)
from tegum.report.series import POINTWISE_LEVEL
from tegum.results import Results
from tegum.statistics import median_interval
from tegum.store import Store
from tegum.studies._transformers_arms import (
    ARMS,
    CONTROL,
    LAYERS,
    LONG_ARMS,
    STEPS,
    USUAL,
    Arm,
    arms_there,
    everywhere,
    paired,
    rates,
)
from tegum.studies._transformers_measures import AT
from tegum.studies._transformers_network import places

LOOKS = (
    (PALETTE[0], "circle"),
    (PALETTE[1], "square"),
    (PALETTE[2], "diamond"),
    (PALETTE[4], "circle-open"),
    (PALETTE[5], "square-open"),
)
"""The colour and the mark of each arm, the same in all pictures."""

EVERY_ARM = (*ARMS, *LONG_ARMS)
SITE_RATES = (0.1, 0.3)
TOGETHER = "all sites"


def look_of(arm: Arm) -> tuple[str, str]:
    """The colour and the mark of an arm."""
    return LOOKS[EVERY_ARM.index(arm)]


def summary(values: np.ndarray) -> tuple[float, float, float]:
    """Median and pointwise interval of what is a number; NaN without any."""
    known = values[np.isfinite(values)]
    if not known.size:
        return math.nan, math.nan, math.nan
    low, high = median_interval(known, level=POINTWISE_LEVEL, resolution=1e-9)
    middle = float(np.median(known))
    return (
        middle,
        low if math.isfinite(low) else float(known.min()),
        high if math.isfinite(high) else float(known.max()),
    )


def layer_profile(results: Results, store: Store) -> go.Figure:
    """How far the basis stands out along the network, arm by arm."""
    panels = (
        ("gap_per_vector", "across units of a vector"),
        ("centred_gap_per_vector", "the same, mean vector off"),
    )
    streams = [p for p in places(LAYERS) if not p.startswith("neurons")]
    neurons = [p for p in places(LAYERS) if p.startswith("neurons")]
    figure = make_subplots(
        rows=len(panels),
        cols=2,
        column_widths=[0.74, 0.26],
        horizontal_spacing=0.12,
        vertical_spacing=0.06,
        shared_xaxes=True,
        subplot_titles=[
            text for _, title in panels for text in (f"Kurtosis {title}", "neurons")
        ],
    )
    for row, (number, _) in enumerate(panels, start=1):
        for column, shown in ((1, streams), (2, neurons)):
            for arm, rows in arms_there(results, ARMS):
                names = [f"{place}_{number}" for place in shown]
                line = _points(
                    rows, names, labels=shown, arm=arm, legend=row == column == 1
                )
                figure.add_trace(line, row=row, col=column)
            loosely(figure).add_hline(
                0.0, line={"color": GREY, "width": 1, "dash": "dot"},
                row=row, col=column,
            )  # fmt: skip
        figure.update_yaxes(title_text="beside rotations", row=row, col=1)
    style(figure, height=720)
    figure.update_xaxes(tickangle=-45)
    figure.update_annotations(font={"size": 13})
    figure.update_layout(legend={"y": -0.2}, margin={"t": 40, "b": 150})
    return figure


def _points(
    rows: Results,
    names: Sequence[str],
    *,
    labels: Sequence[str],
    arm: Arm,
    legend: bool,
) -> go.Scatter:
    """Medians of several numbers of an arm with their intervals, side by side."""
    colour, symbol = look_of(arm)
    found = [summary(rows[name].astype(np.float64)) for name in names]
    middle, low, high = (np.array(part) for part in zip(*found, strict=True))
    return go.Scatter(
        x=[label.replace("_", " ") for label in labels],
        y=middle,
        mode="lines+markers",
        line={"color": colour, "width": 1},
        marker={"symbol": symbol, "size": 8, "color": colour},
        error_y={
            "type": "data",
            "array": high - middle,
            "arrayminus": middle - low,
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        name=arm.name,
        legendgroup=arm.name,
        showlegend=legend,
        hovertemplate=f"{arm.name}<br>%{{x}}: %{{y:.3g}}<extra></extra>",
    )


def loss_curves(results: Results, store: Store) -> go.Figure:
    """The clean held-out loss along training: every seed thin, their median thick."""
    figure, ends = go.Figure(), []
    for arm, rows in arms_there(results, EVERY_ARM):
        colour, symbol = look_of(arm)
        curves = []
        for key, status in zip(rows["key"], rows["status"], strict=True):
            if status == "trained":
                arrays = store.artifact(str(key)).arrays
                curves.append((arrays["loss_step"], arrays["loss"]))
        if not curves:
            continue
        steps = curves[0][0]
        losses = np.array([loss for _, loss in curves])
        middle = np.median(losses, axis=0)
        ends.append(float(middle[-1]))
        figure.add_trace(
            band(
                list(steps), list(losses.min(axis=0)), list(losses.max(axis=0)),
                colour=colour, group=arm.name,
            )
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=middle,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"symbol": symbol, "size": 6},
                name=arm.name,
                legendgroup=arm.name,
                hovertemplate=f"{arm.name}<br>step %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        )
    style(figure, height=520)
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text="held-out loss, nats per token")
    if ends:
        figure.update_yaxes(range=[min(ends) - 0.1, min(ends) + 2.0])
    figure.update_layout(legend={"y": -0.18}, margin={"t": 24, "b": 140})
    return figure


def parts_silenced(results: Results, store: Store) -> go.Figure:
    """What it costs to silence parts, and how much of that is shared."""
    parts = [f"{kind}_{k}" for k in range(LAYERS) for kind in ("attention", "mlp")]
    parts += ["everything", *(f"block_{k}" for k in range(LAYERS))]
    costs = [f"ablation_of_{part}" for part in parts]
    shares = [
        ("robustness_of_layer_0", "first layer,<br>eighths"),
        ("redundancy_in_series", "blocks,<br>refitted"),
        ("uncalibrated_redundancy_in_series", "blocks,<br>as they are"),
    ]
    figure = make_subplots(
        rows=2,
        cols=1,
        vertical_spacing=0.24,
        subplot_titles=["Loss added by silencing a part", "Lost together, not alone"],
    )
    for arm, rows in arms_there(results, ARMS):
        figure.add_trace(
            _points(rows, costs, labels=parts, arm=arm, legend=True), row=1, col=1
        )
        figure.add_trace(
            _points(
                rows, [n for n, _ in shares], labels=[t for _, t in shares],
                arm=arm, legend=False,
            ),
            row=2, col=1,
        )  # fmt: skip
    figure.update_traces(mode="markers")
    figure.update_yaxes(title_text="nats per token", type="log", dtick=1, row=1, col=1)
    figure.update_yaxes(title_text="1 − sum of parts / all", row=2, col=1)
    style(figure, height=760)
    figure.update_annotations(font={"size": 13})
    figure.update_layout(legend={"y": -0.14}, margin={"t": 40, "b": 130})
    return figure


def against_loss(results: Results, store: Store) -> go.Figure:
    """Every network's numbers against its held-out loss, at its target and its end."""
    panels = (
        ("residual_gap_per_vector", "residual gap per vector"),
        ("residual_effective_dimensions", "effective dimensions"),
        ("neurons_0_gap_per_vector", "first neurons' gap per vector"),
        ("robustness_of_layer_0", "robustness of first layer"),
    )
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.035
    )
    for row, (number, title) in enumerate(panels, start=1):
        for arm, rows in arms_there(results, EVERY_ARM):
            colour, symbol = look_of(arm)
            loss = [rows["target_loss"], rows["heldout_loss"]]
            value = [rows[AT + number], rows[number]]
            figure.add_trace(
                go.Scatter(
                    x=_broken(loss),
                    y=_broken(value),
                    mode="lines+markers",
                    line={"color": translucent(colour, 0.4), "width": 1},
                    marker={"symbol": symbol, "size": 7, "color": colour},
                    connectgaps=False,
                    name=arm.name,
                    legendgroup=arm.name,
                    showlegend=row == 1,
                    hovertemplate=f"{arm.name}<br>loss %{{x:.3f}}: %{{y:.3g}}"
                    "<extra></extra>",
                ),
                row=row,
                col=1,
            )
        figure.update_yaxes(title_text=title.replace(" ", "<br>", 1), row=row, col=1)
    figure.update_xaxes(
        title_text="held-out loss, nats per token", row=len(panels), col=1
    )
    style(figure, height=920)
    figure.update_layout(legend={"y": -0.08}, margin={"t": 24, "b": 120, "l": 84})
    return figure


def _broken(columns: Sequence[np.ndarray]) -> list[float]:
    """The values of each row one after another, with a gap between rows."""
    return [
        float(value) for row in zip(*columns, strict=True) for value in (*row, math.nan)
    ]


def site_by_site(results: Results, store: Store) -> go.Figure:
    """What dropout at each site alone, and at all, does: medians of pairs by rate."""
    panels = (
        ("residual_gap_per_vector", "residual gap, equal steps"),
        (f"{AT}residual_gap_per_vector", "residual gap, equal loss"),
        ("neurons_0_gap_per_vector", "first neurons' gap"),
        ("robustness_of_layer_0", "robustness of first layer"),
        ("heldout_loss", "held-out loss"),
    )
    colours = [*ordered_colours(len(SITES)), PALETTE[1]]
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.03
    )
    for row, (number, title) in enumerate(panels, start=1):
        for k, site in enumerate((*SITES, TOGETHER)):
            points = []
            for rate in SITE_RATES:
                made = everywhere(rate) if site == TOGETHER else rates(**{site: rate})
                arm = Arm(site, {**USUAL, **made, "steps": STEPS})
                found = paired(results, number, arm, CONTROL)
                if found.size:
                    points.append((rate, float(np.median(found))))
            if points:
                figure.add_trace(
                    go.Scatter(
                        x=[rate for rate, _ in points],
                        y=[value for _, value in points],
                        mode="lines+markers",
                        line={"color": colours[k], "width": 2},
                        marker={"symbol": LOOKS[k][1], "size": 8},
                        name=site,
                        legendgroup=site,
                        showlegend=row == 1,
                        hovertemplate=f"{site}<br>rate %{{x}}: %{{y:.3g}}"
                        "<extra></extra>",
                    ),
                    row=row,
                    col=1,
                )
        loosely(figure).add_hline(
            0.0, line={"color": GREY, "width": 1, "dash": "dot"},
            row=row, col=1,
        )  # fmt: skip
        figure.update_yaxes(title_text=title.replace(" ", "<br>", 1), row=row, col=1)
    figure.update_xaxes(title_text="dropout rate", row=len(panels), col=1)
    style(figure, height=1020)
    figure.update_layout(legend={"y": -0.08}, margin={"t": 24, "b": 120, "l": 84})
    return figure


__all__ = [
    "against_loss",
    "layer_profile",
    "loss_curves",
    "parts_silenced",
    "site_by_site",
]
