"""The headline picture of noise or dropout: three noises, three questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, style
from tegum.results import Results
from tegum.studies._cells import cell_name, percentiles

RATE = 0.5
NOISES = (
    ("dropout", "dropout", PALETTE[1], "circle"),
    ("gaussian_multiplicative", "Gaussian, multiplicative", PALETTE[0], "diamond"),
    ("gaussian_additive_matched", "Gaussian, additive", PALETTE[2], "square"),
)
PANELS = (
    ("total_interference", "Interference / that without noise"),
    ("avoidable_interference", "Packing: what a better one avoids"),
    ("unit_alignment_gap", "Alignment with the units"),
)
DENSITIES = (1.0, 0.3, 0.1, 0.01)
CELLS = tuple((q, decay) for decay in (0.8, 1.0) for q in reversed(DENSITIES))
EXCEPTION = (1.0, 0.8)
"""Where nothing interferes without noise, so that no ratio can be shown."""
APART = 0.22
"""How far the three noises of a cell stand apart, in cells."""


def three_noises(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """A row for each cell of data, a mark for each noise at rate 0.5.

    Marks are medians over seeds, lines run from the tenth to the ninetieth of a hundred
    seeds. Interference is divided by the same seed's without noise, on a logarithmic
    axis; packing and alignment are shown as they are, grey without noise.
    """
    figure = make_subplots(
        rows=1,
        cols=3,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=[title for _, title in PANELS],
    )
    small = results.where(n_features=20, optimiser="adamw", steps=10_000)
    for column, (number, _) in enumerate(PANELS, start=1):
        if column > 1:
            _add(figure, small, number, column=column, noise=None)
        for position in range(len(NOISES)):
            _add(figure, small, number, column=column, noise=position)
    figure.update_xaxes(
        type="log",
        title_text="times",
        range=[-1.75, 0.75],
        tickvals=[0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
        col=1,
    )
    figure.update_xaxes(title_text="of the interference", tickformat=".0%", col=2)
    figure.update_xaxes(title_text="spread ← 0 at random → aligned", col=3)
    figure.update_yaxes(
        tickvals=list(range(len(CELLS))),
        ticktext=[cell_name(q, decay) for q, decay in CELLS],
        range=[-0.6, len(CELLS) - 0.4],
    )
    style(figure, height=560)
    for column, neutral in ((1, 1.0), (2, 0.0), (3, 0.0)):
        figure.add_shape(
            type="line", x0=neutral, x1=neutral, y0=-0.6, y1=len(CELLS) - 0.4,
            line={"color": GREY, "width": 1, "dash": "dot"}, row=1, col=column,
        )  # fmt: skip
    figure.add_annotation(
        x=-1.7,
        y=CELLS.index(EXCEPTION),
        text="none without noise",
        showarrow=False,
        xanchor="left",
        font={"color": GREY, "size": 12},
        row=1,
        col=1,
    )
    figure.update_layout(
        margin={"l": 130},
        legend={"y": -0.2, "title": {"text": "rate 0.5, median, 10 to 90 % of seeds "}},
    )
    return figure


def _add(
    figure: go.Figure, results: Results, number: str, *, column: int, noise: int | None
) -> None:
    """One noise's marks in one panel; `noise` None is the models without any."""
    if noise is None:
        kind, label, colour, symbol = "dropout", "no noise", GREY, "line-ns-open"
        offset, rate = 0.0, 0.0
    else:
        kind, label, colour, symbol = NOISES[noise]
        offset, rate = APART * (1 - noise), RATE
    summaries = [
        percentiles(_values(results, number, kind, rate=rate, q=q, decay=decay))
        for q, decay in CELLS
    ]
    low, middle, high = (np.array(ends) for ends in zip(*summaries, strict=True))
    bars = {
        "type": "data",
        "symmetric": False,
        "array": high - middle,
        "arrayminus": middle - low,
        "thickness": 1.5,
        "width": 0,
        "color": colour,
    }
    figure.add_trace(
        go.Scatter(
            x=middle,
            y=[position + offset for position in range(len(CELLS))],
            error_x=bars,
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 14 if noise is None else 9,
                "color": colour,
                "line": {"width": 2 if noise is None else 0, "color": colour},
            },
            name=label,
            legendgroup=label,
            showlegend=column == (2 if noise is None else 1),
            customdata=[cell_name(q, decay) for q, decay in CELLS],
            hovertemplate=f"%{{customdata}}<br>{label}: %{{x:.3g}}<extra></extra>",
        ),
        row=1,
        col=column,
    )


def _values(
    results: Results, number: str, kind: str, *, rate: float, q: float, decay: float
) -> Float[ndarray, " seed"]:
    """A number of each seed; interference over that of the same seed without noise."""
    found = results.where(noise=kind, feature_probability=q, importance_decay=decay)
    treated = _by_seed(found.where(rate=rate), number)
    if number != "total_interference":
        return np.array(list(treated.values()))
    if (q, decay) == EXCEPTION:
        return np.array([])
    control = _by_seed(found.where(rate=0.0), number)
    shared = [seed for seed in treated if control.get(seed, 0.0) > 0.0]
    return np.array([treated[seed] / control[seed] for seed in shared])


def _by_seed(results: Results, number: str) -> dict[int, float]:
    values = results[number].astype(np.float64)
    return dict(zip(results["seed"].tolist(), values.tolist(), strict=True))
