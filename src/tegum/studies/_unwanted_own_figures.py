"""Pictures of a problem of one's own: leaks, questions, and the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.claims import Verdict
from tegum.report.board import drawn
from tegum.report.figures import PALETTE, style
from tegum.report.ways import played
from tegum.results import Results
from tegum.store import Store
from tegum.studies._unwanted_arms import CLONING, MANY
from tegum.studies._unwanted_picture import DOSED, RATE, add_curve, marks

BLUE, ORANGE, GREEN, *_ = PALETTE
LEAKS = (0.0, 0.001, 0.01, 0.1, 0.3, 1.0)
"""The chances of taking a chosen entry."""
SHOWN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Shown everything: argmax", {"leak": 1.0}),
    ("Shown nothing unwanted: argmax", {"leak": 0.0}),
    (
        "Shown everything: cloning",
        {"leak": 1.0, "method": CLONING["method"], "prior": CLONING["prior"]},
    ),
    ("Shown everything, asked about its way", {"leak": 1.0, "pruning": "lazy"}),
)
PROCEDURES = (
    ("none", "asked nothing"),
    ("eager", "about all it saw"),
    ("lazy", "about its way"),
)


def leaks(results: Results, verdicts: Sequence[Verdict]) -> go.Figure:
    """What is touched and solved against the leak, for a problem of one's own."""
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        subplot_titles=["Touched", "Solved"],
    )
    rules = [rule for rule in DOSED if rule[2] == MANY]
    for position, (name, arm, _, colour, _) in enumerate(rules):
        own = {
            "method": arm.get("method", "certainty_equivalent"),
            "prior": arm.get("prior", 1.0),
            "pessimism": arm.get("pessimism", 0.0),
        }
        found = results.where(**own, pruning="none", keep="queries")
        for column, number in ((1, RATE), (2, "solved_share")):
            points = [
                (place, found.where(leak=leak)[number].astype(np.float64))
                for place, leak in enumerate(LEAKS)
            ]
            add_curve(
                figure, points, name=name, colour=colour, position=position, row=1,
                column=column, show_legend=column == 1,
            )  # fmt: skip
    style(figure, height=440)
    figure.update_xaxes(
        title_text="leak",
        tickvals=list(range(len(LEAKS))),
        ticktext=[f"{leak:g}" for leak in LEAKS],
    )
    figure.update_yaxes(range=[-0.02, 1.03])
    figure.update_yaxes(title_text="share of queries", row=1, col=1)
    return figure


def asked(results: Results, store: Store) -> go.Figure:
    """What is touched, solved and asked for, by when the oracle is asked."""
    figure = go.Figure()
    found = results.where(prior=1.0, pessimism=0.0)
    given = found["pruning"]
    shown = [(way, text) for way, text in PROCEDURES if (given == way).any()]
    states = found["n_states"].astype(np.float64)
    numbers = (
        ("touched", found[RATE].astype(np.float64), ORANGE, "circle"),
        ("solved", found["solved_share"].astype(np.float64), GREEN, "x"),
        (
            "asked about, of all states",
            found["unique_checks"].astype(np.float64) / states,
            BLUE,
            "diamond",
        ),
    )
    for offset, (name, values, colour, symbol) in enumerate(numbers):
        points = [
            (place + 0.2 * (offset - 1), values[given == way])
            for place, (way, _) in enumerate(shown)
        ]
        figure.add_trace(marks(points, name=name, colour=colour, symbol=symbol))
    figure.update_xaxes(
        tickvals=list(range(len(shown))), ticktext=[text for _, text in shown],
        range=[-0.5, len(shown) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(title_text="share", range=[-0.03, 1.03])
    return style(figure, height=420)


def shown_boards(results: Results, store: Store) -> go.Figure:
    """The problem with each kind of data, side by side, by one slider."""
    plays = {}
    for title, arm in SHOWN:
        usual = {"method": "certainty_equivalent", "prior": 1.0, "pruning": "none"}
        rows = results.where(**{**usual, **arm})
        if len(rows):
            plays[title] = played(store.artifact(rows["key"][0]).arrays)
    return drawn(plays, columns=2)


__all__ = ["LEAKS", "SHOWN", "asked", "leaks", "shown_boards"]
