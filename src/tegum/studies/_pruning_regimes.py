"""The table of regimes: where pruning data costs as much as pruning search."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from tegum.report.figures import style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._pruning_ladders import DELTA, EPSILON, SIZES
from tegum.studies._pruning_picture import FITTED, middle_of

LARGEST = FITTED[-1]
EQUAL = (0.8, 1.25)
"""Costs within a factor 1.25 are equal."""


def regimes(results: Results, store: Store) -> go.Figure:
    """Where the comment's claim holds, where it fails, and by how much."""
    del store  # nothing but the numbers is drawn
    usual = results.where(sizes=[SIZES], control="none", misses=0.0)
    plain, coupled = usual.where(coupling=0.0), usual.where(coupling=0.8)
    passes = math.ceil(math.log(DELTA) / math.log(1.0 - EPSILON))
    rows = [
        _matched(plain),
        _eager(plain),
        _unmatched(plain, "all", "A. Unmatched, every query", "exponent_all"),
        _unmatched(plain, "sixteen", "B. Unmatched, 16 queries", "exponent_sixteen"),
        _unmatched(plain, "one", "B. Unmatched, one query", "exponent_one"),
        (
            "C. History decides",
            f"not enough: {middle_of(plain, 'history_rate'):.0%} stay unwanted when "
            "every unwanted trajectory is gone",
            f"enough, in the product: {middle_of(plain, 'history_product_rate'):.0%} "
            "stay",
            "-",
            "fails: no price is enough",
        ),
        (
            "D. A rate alone, policy clean already",
            f"{passes} passes, whatever S",
            f"{passes} passes, whatever S",
            "1 (analytic, not run)",
            "holds of any policy, by any route",
        ),
        (
            "D. A rate that pruning must reach",
            f"{_count(plain, f'certificate_at_{LARGEST}')} states "
            f"({_power(plain, 'exponent_certificate')})",
            "not measured here",
            "-",
            "not compared; what data cost grows with S",
        ),
        _unmatched(coupled, "one", "E. Coupling 0.8, one query", "exponent_one"),
        _unmatched(coupled, "all", "E. Coupling 0.8, every query", "exponent_all"),
    ]
    head = (
        "Regime",
        "Data's checks",
        "Search's checks",
        "Data over search",
        "That both cost the same",
    )
    figure = go.Figure(
        go.Table(
            columnwidth=[24, 24, 24, 14, 24],
            header={
                "values": [f"<b>{text}</b>" for text in head],
                "align": "left",
                "fill_color": "#DDE3EA",
                "font": {"color": "#1B1F24", "size": 13},
                "height": 30,
            },
            cells={
                "values": [list(column) for column in zip(*rows, strict=True)],
                "align": "left",
                "fill_color": "#F7F9FB",
                "font": {"color": "#1B1F24", "size": 13},
                "height": 38,
            },
        )
    )
    style(figure, height=620)
    figure.update_layout(width=960, margin={"l": 8, "r": 8, "t": 16, "b": 8})
    return figure


def _matched(results: Results) -> tuple[str, ...]:
    ratio = middle_of(results, "matched_ratio")
    gap = middle_of(results, "matched_exponent_gap")
    work = middle_of(results, "matched_operations_ratio")
    return (
        "A. Matched: lazy and lazy, 16 queries",
        f"{_count(results, f'sixteen_at_{LARGEST}')} "
        f"({_power(results, 'exponent_sixteen')})",
        "the same with fixed ties; with random ones the exponent differs by "
        f"{abs(gap):.3f}",
        f"{ratio:.2f}",
        f"{_said(ratio)}; {_work(work)}: data's values are repaired, search restarts",
    )


def _eager(results: Results) -> tuple[str, ...]:
    states = _count(results, f"states_at_{LARGEST}")
    return (
        "A. Matched: eager and eager, 16 queries",
        f"{states} (S^1)",
        f"{states} (S^1)",
        "1 (by construction)",
        f"holds; {_work(middle_of(results, 'eager_operations_ratio'))}",
    )


def _work(ratio: float) -> str:
    """Data's operations over search's, in words."""
    dearer, times = ("search's", 1.0 / ratio) if ratio < 1.0 else ("data's", ratio)
    return f"{dearer} operations are {times:.1f} times as many"


def _unmatched(
    results: Results, cost: str, name: str, exponent: str
) -> tuple[str, ...]:
    ratio = 1.0 / middle_of(results, f"share_{cost}")
    return (
        name,
        f"{_count(results, f'states_at_{LARGEST}')} (S^1)",
        f"{_count(results, f'{cost}_at_{LARGEST}')} ({_power(results, exponent)})",
        f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}",
        _said(ratio),
    )


def _said(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "not known"
    if EQUAL[0] <= ratio <= EQUAL[1]:
        return "holds"
    dearer = "data" if ratio > 1.0 else "search"
    times = ratio if ratio > 1.0 else 1.0 / ratio
    return f"fails: {dearer} {times:.2g} times dearer"


def _count(results: Results, number: str) -> str:
    value = middle_of(results, number)
    return f"{value:,.0f}" if math.isfinite(value) else "?"


def _power(results: Results, number: str) -> str:
    return f"S^{middle_of(results, number):.2f}"


__all__ = ["regimes"]
