"""The picture of plateaus: what is lost with the most compute, beside exact limits."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from tegum.report.figures import GREY, PALETTE, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._compute_picture import ARMS

NEAR = 0.5
"""Steps within which a regret counts as being at its limit."""


def plateaus_figure(results: Results, store: Store) -> go.Figure:
    """What each optimiser loses with the most compute, beside its exact limit."""
    figure = go.Figure()
    readings = (
        ("regret", "measured, with the most compute", PALETTE[0], "circle", "top"),
        ("plateau", "exact limit", PALETTE[1], "diamond", "bottom"),
    )
    names, near = [], []
    at: dict[str, list[list[float]]] = {"regret": [], "plateau": []}
    for name, method, spent_on, _ in ARMS:
        found = results.where(method=method, spent_on=spent_on)
        compute = found["log2_compute"].astype(int)
        found = found.where(log2_compute=int(compute.max()))
        values = {number: found[number].astype(np.float64) for number in at}
        for number, here in values.items():
            at[number].append(np.quantile(here, (0.1, 0.5, 0.9)).tolist())
        apart = np.abs(values["regret"] - values["plateau"])
        near.append(f"{(apart <= NEAR).sum()} of {apart.size} maps")
        names.append(f"{name.replace(', ', '<br>')}, 2<sup>{compute.max()}</sup>")
    places = np.arange(len(ARMS))[::-1]
    for number, name, colour, symbol, side in readings:
        offset = 0.12 if side == "top" else -0.12
        low, middle, high = np.array(at[number]).T
        figure.add_trace(
            go.Scatter(
                x=middle, y=places + offset, mode="markers+text", name=name,
                text=[f"{value:.3g}" for value in middle],
                textposition=f"{side} center", textfont={"color": colour},
                marker={"symbol": symbol, "size": 11, "color": colour},
                error_x={
                    "type": "data", "symmetric": False, "array": high - middle,
                    "arrayminus": middle - low, "thickness": 1.5, "width": 3,
                },
                hovertemplate=f"{name}: %{{x:.3g}} steps<extra></extra>",
            )
        )  # fmt: skip
    for place, text in zip(places, near, strict=True):
        figure.add_annotation(
            x=1.0, xref="paper", xanchor="right", y=place, text=text,
            showarrow=False, font={"color": GREY},
        )  # fmt: skip
    furthest = float(np.max([values[2] for values in at["regret"] + at["plateau"]]))
    figure.update_xaxes(
        title_text="regret, in steps", range=[-0.05 * furthest, 1.6 * furthest]
    )
    figure.update_yaxes(
        tickvals=places.tolist(),
        ticktext=names,
        range=[-0.5, len(ARMS) - 0.4],
        automargin=True,
    )
    return style(figure, height=520)


__all__ = ["plateaus_figure"]
