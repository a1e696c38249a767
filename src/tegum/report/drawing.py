"""Drawing what a study brings: its headline and its further figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tegum.claims import Verdict
from tegum.results import MISSING, Results
from tegum.store import Store
from tegum.study import Figure, Study

MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a function that draws raises when it is mistaken, or lacks some rows."""


def draw_figure(figure: Figure, results: Results, *, store: Store) -> go.Figure:
    """A further figure, drawn from those of its rows that are in the store.

    Raises:
        ValueError: none of its rows is there, or its function fails; the text says why.
    """
    rows = results.where(**figure.where) if figure.where else results
    there = np.flatnonzero(rows["status"] != MISSING)
    if not len(there):
        raise ValueError(
            f"none of the rows of the figure `{figure.name}` are in the store; "
            f"`tegum figure {figure.name}` trains them"
        )
    taken = rows.taken(there)
    return _drawn(figure.name, "draw", lambda: figure.draw(taken, store))


def draw_headline(
    study: Study, results: Results, verdicts: Sequence[Verdict]
) -> go.Figure:
    """The study's own headline picture.

    Raises:
        ValueError: its function fails; the text says why.
    """
    assert study.picture is not None
    picture = study.picture
    return _drawn(study.name, "picture", lambda: picture(results, tuple(verdicts)))


def _drawn(name: str, function: str, draw: Callable[[], Any]) -> go.Figure:
    try:
        drawn = draw()
    except MISTAKES as error:
        raise ValueError(
            f"the picture `{name}` could not be drawn: {type(error).__name__}: "
            f"{error}; its rows are in the store; mend the study's `{function}`"
        ) from error
    if not isinstance(drawn, go.Figure):
        raise ValueError(
            f"the `{function}` of `{name}` returned a {type(drawn).__name__}; let it "
            "return a plotly figure"
        )
    return drawn
