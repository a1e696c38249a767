"""What an oracle that errs, an audit and a learned filter leave, in a picture."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tegum.report.figures import PALETTE, SYMBOLS, style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._cells import percentiles
from tegum.studies._pruning_figures import level_line, marks
from tegum.studies._pruning_ladders import SIZES
from tegum.studies._pruning_picture import floats

PERFECT = {"misses": 0.0, "false_alarms": 0.0, "patch_share": 0.0}
PROMISED = 0.05
COUPLINGS = (0.0, 0.8)
ERRORS = (("misses", "false_alarms"), ("false_alarms", "misses"))
LEFT = (("rate_after", "unwanted"), ("unsolved_after", "unsolved"))
PARTLY = (
    ("none", "rate_before_large"),
    ("audit, data", "audit_rate_large"),
    ("audit, search", "audit_rate_search"),
    ("filter, data", "filter_rate"),
    ("filter, search", "filter_rate_search"),
)
"""By what is done, at the largest fitted size."""


def errors(results: Results, store: Store) -> go.Figure:
    """Unwanted and unsolved against the oracle's rates; audits and filters below."""
    del store  # nothing but the numbers is drawn
    figure = make_subplots(
        rows=2,
        cols=2,
        horizontal_spacing=0.1,
        vertical_spacing=0.22,
        shared_yaxes=True,
        subplot_titles=[
            "The oracle misses",
            "False alarms",
            "Seen in part, scattered cells",
            "Seen in part, patches",
        ],
    )
    for column, (varied, other) in enumerate(ERRORS, start=1):
        rows = results.where(patch_share=0.0, **{other: 0.0})
        _add_rates(figure, rows, varied=varied, column=column)
    scattered = results.where(coupling=0.0, sizes=[SIZES], **PERFECT)
    patched = results.where(misses=0.0, false_alarms=0.0)
    patched = patched.where(
        patch_share=[p for p in _levels(patched, "patch_share") if p > 0.0]
    )
    _add_partly(figure, scattered, column=1)
    _add_partly(figure, patched, column=2)
    style(figure, height=760)
    figure.update_yaxes(range=[-0.03, 1.03], tickformat=".0%")
    figure.update_yaxes(title_text="share of queries", col=1)
    figure.update_layout(legend={"y": -0.12})
    return figure


def _levels(results: Results, factor: str) -> list[float]:
    return sorted({float(value) for value in results[factor]})


def _add_rates(
    figure: go.Figure, results: Results, *, varied: str, column: int
) -> None:
    """What is left by the rate of one error: no error, then the rates in order."""
    rates = _levels(results, varied)
    for group, kappa in enumerate(k for k in COUPLINGS if k in results["coupling"]):
        rows = results.where(coupling=kappa)
        known = _levels(rows, varied)
        for place, (number, said) in enumerate(LEFT):
            position = 2 * group + place
            figure.add_trace(
                marks(
                    [rates.index(rate) + 0.14 * (position - 1.5) for rate in known],
                    [
                        percentiles(floats(rows.where(**{varied: rate}), number))
                        for rate in known
                    ],
                    name=f"{said}, coupling {kappa:g}",
                    colour=PALETTE[position],
                    symbol=SYMBOLS[position],
                    show_legend=column == 1,
                ),
                row=1,
                col=column,
            )
    figure.update_xaxes(
        tickvals=list(range(len(rates))),
        ticktext=[f"{rate:.0%}" for rate in rates],
        title_text="the oracle's rate of error",
        range=[-0.5, len(rates) - 0.5],
        row=1,
        col=column,
    )


def _add_partly(figure: go.Figure, results: Results, *, column: int) -> None:
    """Solutions left unwanted by what sees only a part of the states."""
    found = [percentiles(floats(results, number)) for _, number in PARTLY]
    figure.add_trace(
        marks(
            list(range(len(PARTLY))),
            found,
            name="left unwanted",
            colour=PALETTE[4],
            symbol=SYMBOLS[4],
            show_legend=column == 1,
        ),
        row=2,
        col=column,
    )
    figure.update_xaxes(
        tickvals=list(range(len(PARTLY))),
        ticktext=[name.replace(", ", ",<br>") for name, _ in PARTLY],
        tickangle=0,
        tickfont={"size": 11},
        row=2,
        col=column,
    )
    level_line(figure, PROMISED, row=2, column=column)


__all__ = ["errors"]
