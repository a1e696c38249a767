"""Pictures of survival: units against the rate, errors of each n, and who is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.measures.redundancy import TIE, enumerated_masks, unit_shares
from tegum.measures.sphere import random_participation_ratio
from tegum.report.figures import GREY, PALETTE, band, curve, ordered_colours, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._cells import percentiles
from tegum.studies._survival_measures import (
    HALF,
    UNTOUCHED,
    by_norm,
    counts_of_units,
    within_half_by_noise,
)

N_HIDDEN, STEPS, RATE, HIGH_RATE, DECAY = 8, 10_000, 0.5, 0.7, 0.8
DENSITIES = (1.0, 0.3, 0.1)
SPARSE = (0.3, 0.1)
EVENTS = (
    ("untouched", "at most a tenth<br>is lost"),
    ("half", "at most half<br>is lost"),
    ("rescaled", "within half,<br>rescaled"),
)
PREDICTIONS = (
    ("participation", "n = participation ratio", PALETTE[1], "dash", "circle"),
    ("threshold", "n = threshold count", PALETTE[2], "dot", "square"),
    ("masks", "n counted by masks at rate 0.5", PALETTE[3], "dashdot", "diamond"),
    ("noise", "Gaussian of the noise's variance", PALETTE[5], "longdash", "cross"),
)
SCORES = (("importance", "importance"), ("norm", "norm"), ("escape", "few units"))
KEPT_AT = (
    ("decaying, rate 0.5", DECAY, RATE, PALETTE[0], "circle"),
    ("uniform, rate 0.7", 1.0, HIGH_RATE, PALETTE[4], "square-open"),
)
UNTRAINED = "x-thin-open"
GRID = np.linspace(0.0, 0.95, 39)


def carriers_and_errors(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Above: on how many units features lie, and what is cheaper. Below: who is right.

    Curves are medians over seeds, bands and bars run from the tenth to the ninetieth of
    a hundred seeds. The dotted lines are random directions, a random basis, no
    correlation, and a score that says nothing; grey crosses are random directions with
    a model's own norms and biases, and errors for the weights that training started
    from.
    """
    figure = make_subplots(
        rows=2,
        cols=12,
        specs=[
            [{"colspan": 4}, None, None, None] * 3,
            [
                *[{"colspan": 3}, None, None],
                *[{"colspan": 5}, *[None] * 4],
                *[{"colspan": 4}, *[None] * 3],
            ],
        ],
        horizontal_spacing=0.072,
        vertical_spacing=0.2,
        subplot_titles=[
            "Carriers: uniform",
            "Carriers: decaying",
            "Loss against carriers",
            "Escape",
            "Errors, in probability",
            "Telling kept from lost",
        ],
    )
    usual = results.where(n_hidden=N_HIDDEN, steps=STEPS)
    for column, decay in ((1, 1.0), (5, DECAY)):
        _add_carriers(figure, usual.where(importance_decay=decay), column=column)
    half = usual.where(rate=RATE)
    _add_regimes(figure, half, "carriers_loss_correlation", place=(1, 9))
    _add_regimes(figure, half, "random_loss_correlation", place=(1, 9))
    _add_regimes(figure, half, "relative_escape", place=(2, 1))
    _add_errors(figure, half.where(feature_probability=list(SPARSE)))
    _add_scores(figure, usual.where(feature_probability=list(SPARSE)))
    style(figure, height=860)
    figure.update_layout(legend={"y": -0.16})
    _name_axes(figure)
    return figure


def _name_axes(figure: go.Figure) -> None:
    for column in (1, 5):
        figure.update_xaxes(title_text="dropout rate", row=1, col=column)
        figure.update_yaxes(range=[0.6, N_HIDDEN + 0.3], row=1, col=column)
    axes: tuple[tuple[tuple[int, int], str, dict[str, Any]], ...] = (
        ((1, 1), "participation ratio", {}),
        ((1, 9), "correlation", {"range": [-0.95, 0.5]}),
        (
            (2, 1),
            "times as in random bases",
            {"type": "log", "tickvals": [0.1, 0.2, 0.5, 1, 2, 5, 10]},
        ),
        ((2, 4), "", {"rangemode": "tozero"}),
        ((2, 9), "area under the curve", {"range": [0.0, 1.04]}),
    )
    for (row, column), title, settings in axes:
        figure.update_yaxes(title_text=title, row=row, col=column, **settings)
    chance = float(random_participation_ratio(N_HIDDEN))
    lines = ((1, 1, chance), (1, 5, chance), (1, 9, 0.0), (2, 1, 1.0), (2, 9, 0.5))
    for row, column, y in lines:
        figure.add_hline(
            y=y,
            line={"color": GREY, "width": 1, "dash": "dot"},
            row=row,  # pyright: ignore[reportArgumentType]
            col=column,  # pyright: ignore[reportArgumentType]
        )
    for word, y in (("few are cheaper", 0.44), ("many are cheaper", -0.89)):
        figure.add_annotation(
            text=word, x=-0.4, y=y, showarrow=False, xanchor="left",
            font={"color": GREY, "size": 12}, row=1, col=9,
        )  # fmt: skip


def _add_carriers(figure: go.Figure, results: Results, *, column: int) -> None:
    """The participation ratio against the rate, a curve for each density."""
    shades = ordered_colours(len(DENSITIES))
    for position, (colour, q) in enumerate(zip(shades, DENSITIES, strict=True)):
        name = f"S = {1 - q:.2g}"
        found = results.where(feature_probability=q)
        rates = sorted({float(rate) for rate in found["rate"]})
        summaries = [
            percentiles(
                found.where(rate=rate)["carriers_by_participation"].astype(np.float64)
            )
            for rate in rates
        ]
        low, middle, high = (list(ends) for ends in zip(*summaries, strict=True))
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
        line.hovertemplate = f"{name}<br>rate %{{x}}: %{{y:.2f}} units<extra></extra>"
        figure.add_trace(line, row=1, col=column)


def _add_regimes(
    figure: go.Figure, results: Results, number: str, *, place: tuple[int, int]
) -> None:
    """A number in every regime, at one rate: grey where it is of random directions."""
    row, column = place
    at_random = number.startswith("random")
    shades = ordered_colours(len(DENSITIES))
    for position, (colour, q) in enumerate(zip(shades, DENSITIES, strict=True)):
        models = results.where(feature_probability=q)
        summaries = [
            percentiles(models.where(importance_decay=decay)[number].astype(np.float64))
            for decay in (1.0, DECAY)
        ]
        shift = 0.26 * (position - 1) + (0.1 if at_random else 0.0)
        sparsity = f"S = {1 - q:.2g}"
        marks = _marks(
            [shift, 1 + shift],
            summaries,
            name=f"{sparsity}, random directions" if at_random else sparsity,
            colour=GREY if at_random else colour,
            symbol=UNTRAINED
            if at_random
            else ("circle", "square", "diamond")[position],
            group="untrained" if at_random else sparsity,
            show_legend=False,
        )
        figure.add_trace(marks, row=row, col=column)
    figure.update_xaxes(
        tickvals=[0, 1],
        ticktext=["uniform", "decaying"],
        range=[-0.5, 1.5],
        row=row,
        col=column,
    )


def _add_errors(figure: go.Figure, results: Results) -> None:
    """By how much each prediction misses each event, beside untrained weights."""
    known = {
        "rescaled": ("noise",),
        "untouched": ("participation", "threshold", "masks"),
        "half": ("participation", "threshold", "masks"),
    }
    untrained: tuple[list[float], list[Any]] = ([], [])
    for position, (key, name, colour, _, symbol) in enumerate(PREDICTIONS):
        places, summaries = [], []
        for place, (event, _) in enumerate(EVENTS):
            if key in known[event]:
                number = f"{event}_error_by_{key}"
                at = place + (0.24 * (position - 1) if key != "noise" else 0.0)
                places.append(at)
                summaries.append(percentiles(_by_seed(results, number)))
                untrained[0].append(at + 0.08)
                of_start = _by_seed(results, f"untrained_{number}")
                untrained[1].append(percentiles(of_start))
        figure.add_trace(
            _marks(
                places, summaries, name=name, colour=colour, symbol=symbol, group=key
            ),
            row=2,
            col=4,
        )
    figure.add_trace(
        _marks(
            *untrained,
            name="untrained or random directions",
            colour=GREY,
            symbol=UNTRAINED,
            group="untrained",
        ),
        row=2,
        col=4,
    )
    figure.update_xaxes(
        tickvals=list(range(len(EVENTS))),
        ticktext=[text for _, text in EVENTS],
        range=[-0.5, len(EVENTS) - 0.5],
        row=2,
        col=4,
    )


def _add_scores(figure: go.Figure, results: Results) -> None:
    """How well each score tells kept from lost features, in two regimes."""
    for position, (name, decay, rate, colour, symbol) in enumerate(KEPT_AT):
        found = results.where(importance_decay=decay, rate=rate)
        summaries = [percentiles(_by_seed(found, f"{key}_auc")) for key, _ in SCORES]
        figure.add_trace(
            _marks(
                [k + 0.24 * (position - 0.5) for k in range(len(SCORES))],
                summaries,
                name=name,
                colour=colour,
                symbol=symbol,
                group=name,
            ),
            row=2,
            col=9,
        )
    figure.update_xaxes(
        tickvals=list(range(len(SCORES))),
        ticktext=[text for _, text in SCORES],
        range=[-0.5, len(SCORES) - 0.5],
        row=2,
        col=9,
    )


def _marks(
    x: Sequence[float],
    summaries: Sequence[tuple[float, float, float]],
    *,
    name: str,
    colour: str,
    symbol: str,
    group: str,
    show_legend: bool = True,
) -> go.Scatter:
    """Medians as marks, with bars from the tenth to the ninetieth percentile."""
    low, middle, high = (np.array(ends) for ends in zip(*summaries, strict=True))
    return go.Scatter(
        x=list(x),
        y=list(middle),
        mode="markers",
        marker={
            "symbol": symbol,
            "size": 10,
            "color": colour,
            "line": {"color": colour, "width": 2 if symbol.endswith("-open") else 0},
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": list(high - middle),
            "arrayminus": list(middle - low),
            "thickness": 1.5,
            "width": 3,
        },
        name=name,
        legendgroup=group,
        showlegend=show_legend,
        hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
    )


def _by_seed(results: Results, number: str) -> Float[ndarray, " seed"]:
    """A number averaged over the cells, for each seed that the design has in all."""
    seeds, places, count = np.unique(
        results["seed"], return_inverse=True, return_counts=True
    )
    total = np.zeros(len(seeds))
    np.add.at(total, places, results[number].astype(np.float64))
    return (total / count)[count == count.max()]


# --- survival predicted against counted ----------------------------------------------


def survival_over_rates(results: Results, store: Store) -> go.Figure:
    """How often masks spare a feature, counted and predicted, against the rate."""
    figure = make_subplots(
        rows=2,
        cols=3,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.1,
        subplot_titles=[
            "At most a tenth is lost",
            "At most half is lost",
            "Within half, rescaled",
        ],
    )
    for row, rate in ((1, 0.0), (2, RATE)):
        models = results.where(rate=rate, n_hidden=N_HIDDEN, steps=STEPS)
        curves = [
            _curves(np.asarray(store.artifact(key).arrays["W"], dtype=np.float64))
            for key, status in zip(models["key"], models["status"], strict=True)
            if status == "trained"
        ]
        for column, (event, _) in enumerate(EVENTS, start=1):
            _add_event(figure, [each[event] for each in curves], row=row, column=column)
        title = "without dropout" if rate == 0.0 else f"trained at rate {rate:g}"
        figure.update_yaxes(title_text=f"share of masks,<br>{title}", row=row, col=1)
    style(figure, height=640)
    figure.update_xaxes(title_text="dropout rate of the masks", row=2)
    figure.update_yaxes(range=[0.0, 1.02])
    figure.update_layout(legend={"y": -0.14}, margin={"l": 84})
    return figure


def _curves(
    W: Float[ndarray, "hidden feature"],
) -> dict[str, dict[str, Float[ndarray, " rate"]]]:
    """For each event, what is counted and each prediction, over the grid of rates."""
    lost = ~enumerated_masks(W.shape[0], rate=RATE).kept @ unit_shares(W)
    chance = [enumerated_masks(W.shape[0], rate=p).probability for p in GRID]

    def over_rates(each: Any) -> Float[ndarray, " rate"]:
        return np.array([by_norm(W, each(k, p)) for k, p in enumerate(GRID)])

    found: dict[str, dict[str, Float[ndarray, " rate"]]] = {}
    for event, share in (("untouched", UNTOUCHED), ("half", HALF)):
        spared = lost <= share * (1 + TIE)
        found[event] = {"counted": over_rates(lambda k, _, s=spared: chance[k] @ s)}
        for name, n in counts_of_units(W, max_lost_share=share).items():
            found[event][name] = over_rates(lambda _, p, n=n: (1.0 - p) ** n)
    PR = counts_of_units(W, max_lost_share=UNTOUCHED)["participation"]

    def inside(k: int, p: float) -> Float[ndarray, " feature"]:
        return chance[k] @ (np.abs((1.0 - lost) / (1.0 - p) - 1.0) <= HALF * (1 + TIE))

    def noise(_: int, p: float) -> Float[ndarray, " feature"]:
        return within_half_by_noise(PR, rate=p) if p else np.ones_like(PR)

    found["rescaled"] = {
        "counted": over_rates(inside),
        "noise": over_rates(noise),
    }
    return found


def _add_event(
    figure: go.Figure,
    curves: Sequence[dict[str, Float[ndarray, " rate"]]],
    *,
    row: int,
    column: int,
) -> None:
    """One event of one model: a band and a line for what is counted, and each n."""
    first = row == 1 and column == 1
    rates = GRID.tolist()

    def middle_of(name: str) -> tuple[list[float], list[float], list[float]]:
        table = np.array([each[name] for each in curves])
        ends = [percentiles(values) for values in table.T] if curves else []
        low, middle, high = zip(*ends, strict=True) if ends else ((), (), ())
        return list(low), list(middle), list(high)

    low, middle, high = middle_of("counted")
    if not middle:
        return
    figure.add_trace(
        band(rates, low, high, colour=PALETTE[0], group="counted"), row=row, col=column
    )
    figure.add_trace(
        go.Scatter(
            x=rates,
            y=middle,
            mode="lines",
            line={"color": PALETTE[0], "width": 3},
            name="counted over all masks",
            legendgroup="counted",
            showlegend=first,
        ),
        row=row,
        col=column,
    )
    for key, name, colour, dash, _ in PREDICTIONS:
        if key in curves[0]:
            # Only the last event has the noise's curve; the first has all others.
            shown = first or (row == 1 and key == "noise")
            figure.add_trace(
                go.Scatter(
                    x=rates,
                    y=middle_of(key)[1],
                    mode="lines",
                    line={"color": colour, "width": 2, "dash": dash},
                    name=name,
                    legendgroup=key,
                    showlegend=shown,
                ),
                row=row,
                col=column,
            )
