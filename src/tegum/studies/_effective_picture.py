"""Pictures of effective features: the count beside the truth, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots
from scipy import stats

from tegum.activations.sparse_autoencoder import effective_groups, fit
from tegum.claims import Verdict
from tegum.report.figures import GREY, PALETTE, SYMBOLS, ordered_colours, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._cells import percentiles
from tegum.studies._effective_measures import FROZEN, hidden_activations
from tegum.toys.model import Parameters

TRUE, COUNTED = "true_features", "effective_features"
PERMUTATIONS = 2000
MOST = 24.0
"""How many features both axes of the first panel show."""
LEAST_SHARE = 0.01
"""Directions with less of all activity are not drawn."""
Cells = Mapping[str, Sequence[Any]]
NAMES = {
    "effective_features": "effective features",
    "effective_latents": "every latent by itself",
    "gaussian_features": "Gaussian vectors",
}


def true_against_counted(
    scored: Cells, tuned: Cells, *, bar: float
) -> Callable[[Results, Sequence[Verdict]], go.Figure]:
    """The picture of two halves of a grid.

    Above: each mark is a cell, its true number of features across and what was counted
    up, medians over seeds, with a bar from the tenth to the ninetieth of a hundred;
    open marks are cells on which settings were tuned. Below: rank correlations, each
    small dot a seed of the scored half, with the simultaneous interval of the claim;
    the grey band holds 95 % of what cells in random order give.
    """

    def draw(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
        figure = make_subplots(
            rows=2,
            cols=1,
            row_heights=[0.5, 0.5],
            vertical_spacing=0.12,
            subplot_titles=[
                "What was counted in each cell",
                "Rank correlation with the truth",
            ],
        )
        _add_cells(figure, results, tuned, symbol="open")
        _add_cells(figure, results, scored, symbol="")
        _add_correlations(figure, results, scored, verdicts, bar=bar)
        style(figure, height=980)
        _name_axes(figure)
        return figure

    return draw


def _add_cells(
    figure: go.Figure, results: Results, cells: Cells, *, symbol: str
) -> None:
    """A mark for each cell of a half: density in colour, width in shape."""
    densities, widths = cells["feature_probability"], cells["n_hidden"]
    shades = dict(zip(sorted(densities), ordered_colours(len(densities)), strict=True))
    if not symbol:
        figure.add_trace(
            go.Scatter(
                x=[0, MOST],
                y=[0, MOST],
                mode="lines",
                line={"color": GREY, "width": 1.5},
                name="as many as there are",
                hoverinfo="skip",
            ),
            row=1,
            col=1,
        )
    for q in densities:
        for position, m in enumerate(widths):
            half = results.where(feature_probability=q, n_hidden=m)
            each = [
                (
                    percentiles(_floats(cell, TRUE))[1],
                    percentiles(_floats(cell, COUNTED)),
                )
                for cell in _cells_of(half, cells)
            ]
            across = [true for true, _ in each]
            low, middle, high = zip(*(counted for _, counted in each), strict=True)
            name = f"S = {1 - q:.2g}, {m} units" + (" (tuned on)" if symbol else "")
            mark = SYMBOLS[position]
            figure.add_trace(
                go.Scatter(
                    x=across,
                    y=list(middle),
                    error_y={
                        "type": "data",
                        "symmetric": False,
                        "array": np.subtract(high, middle).tolist(),
                        "arrayminus": np.subtract(middle, low).tolist(),
                        "thickness": 1,
                        "width": 2,
                    },
                    mode="markers",
                    marker={
                        "symbol": f"{mark}-open" if symbol else mark,
                        "size": 7 if symbol else 10,
                        "color": GREY if symbol else shades[q],
                    },
                    name="cells that settings were tuned on" if symbol else name,
                    legendgroup="tuned" if symbol else name,
                    showlegend=not symbol or (q == densities[0] and position == 0),
                    hovertemplate=f"{name}<br>%{{x:g}} represented, %{{y:.3g}} counted"
                    "<extra></extra>",
                ),
                row=1,
                col=1,
            )


def _cells_of(half: Results, cells: Cells) -> list[Results]:
    return [
        half.where(importance_decay=decay, rate=rate)
        for decay in cells["importance_decay"]
        for rate in cells["rate"]
    ]


def _floats(results: Results, number: str) -> ndarray:
    return results[number].astype(np.float64)


def _add_correlations(
    figure: go.Figure,
    results: Results,
    scored: Cells,
    verdicts: Sequence[Verdict],
    *,
    bar: float,
) -> None:
    """A line for each rank correlation that was asked, the first on top."""
    asked = [
        part
        for verdict in verdicts
        for part in verdict.parts
        if part.estimand.kind == "rank_correlation"
        and set(part.estimand.where["feature_probability"])
        <= set(scored["feature_probability"])
    ]
    names = [_name(part.estimand, scored) for part in asked]
    colours = dict(zip(NAMES, PALETTE, strict=False))
    for name, part in zip(names, asked, strict=True):
        where = {k: list(v) for k, v in part.estimand.where.items()}
        each = correlations(results, part.estimand.number, where)
        colour = colours[part.estimand.number]
        chance = _chance(results, where)
        lines = (
            ([-chance, chance], "lines", {"color": GREY, "width": 9}, 0.35),
            (each.tolist(), "markers", None, 0.45),
            ([part.low, part.high], "lines", {"color": colour, "width": 3}, 1.0),
            ([part.estimate], "markers", None, 1.0),
        )
        for k, (x, mode, line, opacity) in enumerate(lines):
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=[name] * len(x),
                    mode=mode,
                    line=line,
                    marker={"color": colour, "size": 11 if k == 3 else 5},
                    opacity=opacity,
                    showlegend=False,
                    hovertemplate=f"{name}: %{{x:.2f}}<extra></extra>",
                ),
                row=2,
                col=1,
            )
    figure.add_vline(x=bar, line={"color": GREY, "dash": "dash"}, row=2, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], row=2, col=1)


def _name(estimand: Any, scored: Cells) -> str:
    """What was counted, and within what, for the axis."""
    words = {"feature_probability": "S = {:.2g}", "n_hidden": "{:g} units"}
    fixed = [
        text.format(1 - level if name == "feature_probability" else level)
        for name, text in words.items()
        for level in estimand.where[name]
        if len(estimand.where[name]) < len(scored[name])
    ]
    return "<br>".join([NAMES[estimand.number], *(fixed or ["all cells"])])


def correlations(
    results: Results, number: str, where: Mapping[str, Sequence[Any]]
) -> Float[ndarray, " seed"]:
    """Each seed's rank correlation of a number with the truth, where it is defined."""
    found = results.where(**where)
    each = []
    for seed in sorted(set(found["seed"].tolist())):
        rows = found.where(seed=seed)
        true, counted = _floats(rows, TRUE), _floats(rows, number)
        both = np.isfinite(true) & np.isfinite(counted)
        if both.sum() > 2 and np.ptp(true[both]) > 0 and np.ptp(counted[both]) > 0:
            each.append(float(stats.spearmanr(true[both], counted[both])[0]))  # pyright: ignore[reportArgumentType]
    return np.array(each)


def _chance(results: Results, where: Mapping[str, Sequence[Any]]) -> float:
    """What random orders stay within in 95 % of cases, from the median number of ties.

    By permutation of the first seed's true counts; 1 where there is nothing to order.
    """
    found = results.where(**where)
    first = found.where(seed=min(found["seed"].tolist()))
    true = _floats(first, TRUE)
    if not np.isfinite(true).all() or np.ptp(true) == 0:
        return 1.0
    ranks = stats.rankdata(true) - (true.size + 1) / 2
    generator = np.random.default_rng(0)
    orders = generator.permuted(
        np.tile(np.arange(true.size) - (true.size - 1) / 2, (PERMUTATIONS, 1)), axis=1
    )
    scale = np.sqrt((ranks**2).sum() * (orders[0] ** 2).sum())
    return float(np.quantile(np.abs(orders @ ranks) / scale, 0.95))


def _name_axes(figure: go.Figure) -> None:
    figure.update_xaxes(
        title_text="features represented", range=[0, MOST], row=1, col=1
    )
    figure.update_yaxes(
        title_text="effective features", row=1, col=1, rangemode="tozero"
    )
    figure.update_xaxes(
        title_text="Spearman's rank correlation over cells", range=[-1.02, 1.02],
        row=2, col=1,
    )  # fmt: skip
    figure.update_layout(legend={"y": -0.1}, margin={"l": 140})


def directions(results: Results, store: Store) -> go.Figure:
    """How far the model's features reach along each direction that was found.

    In units of the longest feature, so that features which are not represented fade.
    """
    rates = sorted(set(results["rate"].tolist()))
    figure = make_subplots(
        rows=1,
        cols=len(rates),
        horizontal_spacing=0.12,
        subplot_titles=[_rate(rate) for rate in rates],
    )
    for column, rate in enumerate(rates, start=1):
        cell = results.where(rate=rate)
        row, artifact = next(cell.rows()), store.artifact(cell["key"][0])
        hidden = hidden_activations(artifact, row)
        found = fit(hidden, seed=row["seed"], settings=FROZEN)
        shares, D = effective_groups(
            found.codes(hidden)[0].sum(axis=0),
            found.D[0],
            same_direction=FROZEN.same_direction,
        )
        W = Parameters.of(artifact).W
        along = W.T @ D.T / np.linalg.norm(W, axis=0).max()
        shown = max(1, int((shares >= LEAST_SHARE).sum()))
        figure.add_trace(
            go.Heatmap(
                z=np.round(along[:, :shown], 3),
                x=list(range(1, shown + 1)),
                y=list(range(1, W.shape[1] + 1)),
                zmin=-1,
                zmax=1,
                colorscale="RdBu_r",
                colorbar={"title": {"text": "along it"}, "thickness": 12},
                showscale=column == len(rates),
                customdata=np.round(np.tile(shares[:shown], (W.shape[1], 1)), 3),
                hovertemplate="feature %{y}, direction %{x} "
                "(share %{customdata})<br>%{z} along it<extra></extra>",
            ),
            row=1,
            col=column,
        )
    style(figure, height=480)
    figure.update_xaxes(title_text="direction found, by share of activity")
    figure.update_yaxes(autorange="reversed")
    figure.update_yaxes(title_text="feature, by importance", col=1)
    return figure


def _rate(rate: float) -> str:
    return f"dropout {rate:g}" if rate else "no dropout"
