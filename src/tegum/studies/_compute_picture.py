"""Pictures of compute: what it buys, how it is best split, controls, and boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy import ndarray
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.board import drawn
from tegum.report.figures import (
    GREY,
    PALETTE,
    SYMBOLS,
    band,
    curve,
    ordered_colours,
    style,
    translucent,
)
from tegum.report.ways import played
from tegum.results import Results
from tegum.store import Store

SIZE, COUPLING = 12, 0.5

ARMS: tuple[tuple[str, str, str, str], ...] = (
    ("planner", "value_iteration", "search", PALETTE[0]),
    ("Q-learning, new data", "q_learning", "new data", PALETTE[2]),
    ("Q-learning, fixed data", "q_learning", "fixed data", PALETTE[1]),
    ("cloning, new data", "behaviour_cloning", "new data", PALETTE[3]),
    ("cloning, fixed data", "behaviour_cloning", "fixed data", PALETTE[5]),
)
SPLITS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("certain, rate 1", {"learning_rate": 1.0, "slip": 0.0}, PALETTE[2]),
    ("certain, rate n<sup>−0.6</sup>", {"learning_rate": 0.0, "slip": 0.0}, PALETTE[0]),
    (
        "slippery, rate n<sup>−0.6</sup>",
        {"learning_rate": 0.0, "slip": 0.1},
        PALETTE[1],
    ),
)
QUADRANTS = {
    "a_star": "Direct, argmax: A*",
    "boltzmann_planner": "Direct, posterior: Boltzmann",
    "q_learning": "Amortised, argmax: Q-learning",
    "behaviour_cloning": "Amortised, posterior: cloning",
}
PRUNED = {
    "a_star": "Search, pruned lazily: A*",
    "certainty_equivalent": "Data, pruned lazily",
}


def compute_buys(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """Regret and distances against compute, and the compute-optimal split.

    Marks are medians over maps, bands run from the tenth to the ninetieth of a hundred,
    dotted lines are the exact plateaus. The best steps N bend upwards, so each curve is
    named with two slopes, over all its budgets and over the last octave.
    """
    figure = make_subplots(
        rows=1,
        cols=3,
        horizontal_spacing=0.11,
        subplot_titles=[
            "Steps lost",
            "Distance of policies",
            "Compute-optimal steps",
        ],
    )
    usual = _usual(results)
    for position, arm in enumerate(ARMS):
        _add_arm(figure, usual, arm, position=position)
    _add_splits(figure, results.where(spent_on="best split", size=SIZE))
    style(figure, height=560)
    figure.update_layout(margin={"b": 190}, legend={"y": -0.2})
    _compute_axis(figure, 1)
    _compute_axis(figure, 2)
    _compute_axis(figure, 3)
    figure.update_yaxes(title_text="regret, in steps", range=[-2, 130], col=1)
    figure.update_yaxes(title_text="total variation", range=[-0.02, 1.0], col=2)
    figure.update_yaxes(title_text="steps N", col=3)
    return figure


def _usual(results: Results) -> Results:
    return results.where(
        size=SIZE, coupling=COUPLING, labels="true", keep="queries",
        spent_on=["search", "new data", "fixed data"],
    )  # fmt: skip


def _compute_axis(figure: go.Figure, column: int) -> None:
    ticks = list(range(8, 31, 2))
    figure.update_xaxes(
        title_text="operations C", tickvals=ticks,
        ticktext=[f"2<sup>{k}</sup>" for k in ticks], col=column,
    )  # fmt: skip


def _add_arm(
    figure: go.Figure, usual: Results, arm: tuple[str, str, str, str], *, position: int
) -> None:
    """One optimiser: its regret with its plateau, and its two distances."""
    name, method, spent_on, colour = arm
    found = usual.where(method=method, spent_on=spent_on)
    x, low, middle, high = summary(found, "regret")
    figure.add_trace(band(x, low, high, colour=colour, group=name), row=1, col=1)
    line = curve(x, middle, name=name, colour=colour, position=position, group=name)
    line.hovertemplate = f"{name}<br>%{{y:.3g}} steps<extra></extra>"
    figure.add_trace(line, row=1, col=1)
    plateau = float(np.median(found["plateau"].astype(float)))
    if plateau > 0.0:
        figure.add_trace(
            go.Scatter(
                x=[10, 20], y=[plateau, plateau], mode="lines", legendgroup=name,
                line={"color": colour, "width": 1.5, "dash": "dot"}, showlegend=False,
                hovertemplate=f"exact limit of {name}: {plateau:.3g}<extra></extra>",
            ),
            row=1, col=1,
        )  # fmt: skip
    if method == "value_iteration" or (method, spent_on) == ARMS[4][1:3]:
        return
    for number, dash, filled, what in (
        ("distance_to_optimal", "solid", True, "nearest optimal policy"),
        ("distance_to_behaviour", "dash", False, "explorer"),
    ):
        x, _, middle, _ = summary(found, number)
        line = curve(
            x, middle, name=name, colour=colour, position=position, group=name,
            show_legend=False,
        )  # fmt: skip
        symbol = SYMBOLS[position] if filled else f"{SYMBOLS[position]}-open"
        line.update(line={"dash": dash}, marker={"symbol": symbol})
        line.hovertemplate = f"{name}: %{{y:.3f}} from the {what}<extra></extra>"
        figure.add_trace(line, row=1, col=2)
    if position == 1:
        for dash, what in (("solid", "to an optimal policy"), ("dash", "to explorer")):
            figure.add_trace(
                go.Scatter(
                    x=[None], y=[None], mode="lines", name=f"distance {what}",
                    line={"color": GREY, "width": 2, "dash": dash},
                ),
                row=1, col=2,
            )  # fmt: skip


def _add_splits(figure: go.Figure, results: Results) -> None:
    """The best number of steps against compute, and the lines of slopes 1/2 and 1."""
    for position, (name, factors, colour) in enumerate(SPLITS):
        found = results.where(**factors)
        x, low, middle, high = summary(found, "log2_best_steps")
        figure.add_trace(band(x, low, high, colour=colour, group=name), row=1, col=3)
        slopes = slopes_by_seed(found)
        label = (
            f"best split, {name}: slope {np.median(slopes):.2f}, "
            f"last octave {last_slope(found):.2f}"
        )
        line = curve(
            x, middle, name=label, colour=colour, position=position + 3, group=name
        )
        line.hovertemplate = f"{name}<br>2^%{{y:.2f}} steps<extra></extra>"
        figure.add_trace(line, row=1, col=3)
    levels = sorted({int(c) for c in results["log2_compute"]})
    ends = np.array([levels[0], levels[-1]], dtype=float)
    for a, dash in ((0.5, "dot"), (1.0, "dash")):
        figure.add_trace(
            go.Scatter(
                x=ends, y=7.0 + a * (ends - ends[0]), mode="lines",
                name=f"N ~ C<sup>{a:g}</sup>",
                line={"color": GREY, "width": 1.5, "dash": dash}, hoverinfo="skip",
            ),
            row=1, col=3,
        )  # fmt: skip
    ticks = list(range(6, 20))
    figure.update_yaxes(
        tickvals=ticks, ticktext=[f"2<sup>{k}</sup>" for k in ticks], row=1, col=3
    )


def summary(
    results: Results, number: str
) -> tuple[list[int], list[float], list[float], list[float]]:
    """Levels of compute, and the tenth, fiftieth and ninetieth percentile at each."""
    compute = results["log2_compute"].astype(int)
    levels = sorted(set(compute.tolist()))
    values = results[number].astype(np.float64)
    table = []
    for one in levels:
        here = values[compute == one]
        here = here[np.isfinite(here)]
        table.append(np.quantile(here, (0.1, 0.5, 0.9)) if here.size else [np.nan] * 3)
    low, middle, high = (np.array(table).T[k].tolist() for k in range(3))
    return levels, low, middle, high


def slopes_by_seed(results: Results) -> ndarray:
    """Each map's slope of log2 of the best steps along log2 of the compute."""
    seeds = results["seed"]
    found = []
    for seed in sorted(set(seeds.tolist())):
        here = seeds == seed
        x = results["log2_compute"][here].astype(float)
        y = results["log2_best_steps"][here].astype(float)
        if np.isfinite(y).all() and np.unique(x).size > 1:
            found.append(float(np.polyfit(x, y, 1)[0]))
    return np.array(found)


def last_slope(results: Results) -> float:
    """The slope of log2 of the best steps between the two largest computes.

    The mean over maps: steps are tried in halves of an octave, so that one map's slope
    is coarse. NaN where fewer than two computes were given or no map has both.
    """
    compute = results["log2_compute"].astype(int)
    last = np.unique(compute)[-2:]
    if last.size < 2:
        return float("nan")
    found = slopes_by_seed(results.where(log2_compute=last.tolist()))
    return float(found.mean()) if found.size else float("nan")


# --- the split -----------------------------------------------------------------------


def split_figure(results: Results, store: Store) -> go.Figure:
    """Regret against the steps walked, one line for each compute."""
    shown = [
        (name, factors)
        for name, factors, _ in SPLITS
        if any(_matching(results, factors))
    ]
    figure = make_subplots(
        rows=1, cols=len(shown), shared_yaxes=False, horizontal_spacing=0.07,
        subplot_titles=[name for name, _ in shown],
    )  # fmt: skip
    every = sorted({int(c) for c in results["log2_compute"]})
    shades = dict(zip(every, ordered_colours(len(every)), strict=True))
    named: set[int] = set()
    for column, (_, factors) in enumerate(shown, start=1):
        found = results.where(**factors, size=SIZE)
        for compute in sorted({int(c) for c in found["log2_compute"]}):
            steps, regret = _mean_profile(found.where(log2_compute=compute), store)
            line = curve(
                steps, regret, name=f"C = 2<sup>{compute}</sup>",
                colour=shades[compute], group=str(compute),
                show_legend=compute not in named,
            )  # fmt: skip
            named.add(compute)
            best = int(np.argmin(regret))
            sizes = [11 if k == best else 3 for k in range(len(regret))]
            line.marker = {"size": sizes, "symbol": "circle", "color": shades[compute]}
            line.hovertemplate = (
                f"C = 2^{compute}: %{{x:.3g}} steps walked, %{{y:.3g}} lost"
                "<extra></extra>"
            )
            figure.add_trace(line, row=1, col=column)
    style(figure, height=480)
    figure.update_xaxes(
        type="log", title_text="steps walked N", dtick=1, exponentformat="power"
    )
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title_text="regret, in steps", col=1)
    figure.update_layout(legend={"y": -0.2})
    return figure


def _matching(results: Results, factors: Mapping[str, Any]) -> ndarray:
    found = np.ones(len(results), dtype=bool)
    for name, value in {**factors, "size": SIZE}.items():
        found &= results[name].astype(float) == value
    return found


def _mean_profile(results: Results, store: Store) -> tuple[list[float], list[float]]:
    """The mean regret over maps at each number of steps tried."""
    profiles = [store.artifact(key).arrays for key in results["key"]]
    steps = np.asarray(profiles[0]["candidate_steps"], dtype=float)
    regret = np.mean([p["candidate_regret"] for p in profiles], axis=0)
    return steps.tolist(), regret.tolist()


# --- controls ------------------------------------------------------------------------


def controls_figure(results: Results, store: Store) -> go.Figure:
    """What no compute may change, and what the unwanted cells do change."""
    figure = make_subplots(
        rows=1, cols=2, horizontal_spacing=0.12,
        subplot_titles=["Steps lost", "Ways that touch the unwanted"],
    )  # fmt: skip
    usual = results.where(keep="queries")
    new = {"method": "q_learning", "spent_on": "new data"}
    drawn_arms = (
        ("Q-learning", {**new, "labels": "true", "coupling": COUPLING}, PALETTE[2]),
        ("labels shuffled", {**new, "labels": "shuffled"}, GREY),
        ("coupling reversed", {**new, "coupling": -COUPLING}, PALETTE[1]),
        ("planner", {"method": "value_iteration"}, PALETTE[0]),
    )
    for position, (name, factors, colour) in enumerate(drawn_arms):
        found = usual.where(**factors)
        for column, number in ((1, "regret"), (2, "unwanted_rate")):
            x, low, middle, high = summary(found, number)
            shade = band(x, low, high, colour=colour, group=name)
            figure.add_trace(shade, row=1, col=column)
            line = curve(
                x, middle, name=name, colour=colour, position=position, group=name,
                show_legend=column == 1,
            )  # fmt: skip
            if name == "coupling reversed":
                line.update(
                    line={"dash": "dot"},
                    marker={"size": 13, "symbol": "diamond-open",
                            "color": translucent(colour, 0.9)},
                )  # fmt: skip
            line.hovertemplate = f"{name}: %{{y:.3g}}<extra></extra>"
            figure.add_trace(line, row=1, col=column)
    style(figure, height=460)
    for column in (1, 2):
        _compute_axis(figure, column)
    figure.update_yaxes(title_text="regret, in steps", rangemode="tozero", col=1)
    figure.update_yaxes(
        title_text="share of starts", range=[0, 1], tickformat=".0%", col=2
    )
    return figure


# --- boards --------------------------------------------------------------------------


def two_by_two(results: Results, store: Store) -> go.Figure:
    """Direct and amortised, argmax and posterior, on the same map."""
    return _boards(results.where(pruning="none"), store, QUADRANTS)


def pruned_boards(results: Results, store: Store) -> go.Figure:
    """Search and data pruned lazily on the same map."""
    return _boards(results.where(pruning="lazy"), store, PRUNED)


def _boards(results: Results, store: Store, names: Mapping[str, str]) -> go.Figure:
    first = results.where(seed=min(results["seed"].tolist()), keep="board")
    by_method = dict(zip(first["method"], first["key"], strict=True))
    found = {
        title: played(store.artifact(by_method[method]).arrays)
        for method, title in names.items()
        if method in by_method
    }
    return drawn(found, columns=2)


__all__ = [
    "compute_buys",
    "controls_figure",
    "last_slope",
    "pruned_boards",
    "slopes_by_seed",
    "split_figure",
    "summary",
    "two_by_two",
]
