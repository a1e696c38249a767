"""The table of regimes: where pruning data costs as much as pruning search."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from tegum.report.figures import style
from tegum.results import Results
from tegum.store import Store
from tegum.studies._pruning_ladders import (
    DELTA,
    EPSILON,
    FILTER_CHECKS,
    SEARCHED,
    SIZES,
)
from tegum.studies._pruning_picture import FITTED, middle_of

LARGEST = FITTED[-1]
EQUAL = (0.8, 1.25)
"""Costs within a factor 1.25 are equal."""
PERFECT = {"misses": 0.0, "false_alarms": 0.0, "patch_share": 0.0}
ERRING, PATCH = 0.1, 0.1
"""The errors and the patches that the table speaks of."""


def regimes(results: Results, store: Store) -> go.Figure:
    """Where the comment's claim holds, where it fails, and by how much."""
    del store  # nothing but the numbers is drawn
    usual = results.where(sizes=[SIZES], control="none", **PERFECT)
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
        _certified(plain),
        _forgetting(plain),
        _unmatched(coupled, "one", "E. Coupling 0.8, one query", "exponent_one"),
        _unmatched(coupled, "all", "E. Coupling 0.8, every query", "exponent_all"),
        _erring(results.where(coupling=0.0, **{**PERFECT, "misses": ERRING})),
        _alarmed(results.where(coupling=0.0, **{**PERFECT, "false_alarms": ERRING})),
        _partly(plain, "audit_rate_large", "audit_rate_search", "0.9 S states"),
        _partly(
            results.where(coupling=0.0, **{**PERFECT, "patch_share": PATCH}),
            "audit_rate_large", "audit_rate_search", "0.9 S states",
            where=", unwanted in patches",
        ),
        _partly(
            results.where(coupling=0.0, **{**PERFECT, "patch_share": PATCH}),
            "filter_rate", "filter_rate_search", f"{FILTER_CHECKS} states",
            where=", unwanted in patches",
        ),
    ]  # fmt: skip
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
    style(figure, height=940)
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


def _certified(results: Results) -> tuple[str, ...]:
    ratio = middle_of(results, "certificate_ratio")
    work = middle_of(results, "certificate_operations_ratio")
    restarted = middle_of(results, "certificate_restarted_ratio")
    return (
        "D. A rate that pruning must reach",
        f"{_count(results, f'certificate_at_{LARGEST}')} states "
        f"({_power(results, 'exponent_certificate')})",
        "the same with fixed ties and one sample; with ties free and a sample of its "
        f"own compared at 16 x 16 to {SEARCHED} x {SEARCHED}",
        f"{ratio:.2f}",
        f"{_said(ratio)}; {_work(work)}; data's are {restarted:.2g} of them if data "
        "restart too",
    )


def _forgetting(results: Results) -> tuple[str, ...]:
    worth = middle_of(results, "queries_worth_a_certificate")
    return (
        "D. The same, a search that forgets refusals",
        f"{_count(results, f'certificate_at_{LARGEST}')} states, once",
        f"{_count(results, f'one_at_{LARGEST}')} states a query, for ever: no "
        "certificate",
        f"equal after {worth:.0f} queries" if math.isfinite(worth) else "-",
        "fails: fewer queries, data dearer; more, search",
    )


def _erring(results: Results) -> tuple[str, ...]:
    left = f"{middle_of(results, 'rate_after'):.0%} stay unwanted"
    ratio = middle_of(results, "matched_ratio")
    return (
        f"F. The oracle misses {ERRING:.0%}",
        f"not enough: {left}",
        f"not enough: {left}",
        f"{ratio:.2f}",
        f"{_said(ratio)}: no price is enough on either side",
    )


def _alarmed(results: Results) -> tuple[str, ...]:
    lost = middle_of(results, "unsolved_after")
    ratio = middle_of(results, "matched_ratio")
    return (
        f"F. {ERRING:.0%} false alarms",
        f"clean, and {lost:.0%} unsolved",
        f"clean, and {lost:.0%} unsolved",
        f"{ratio:.2f}",
        f"{_said(ratio)}: the price is in queries",
    )


def _partly(
    results: Results, data: str, search: str, checks: str, *, where: str = ""
) -> tuple[str, ...]:
    left = [middle_of(results, number) for number in (data, search)]
    short = [rate > EPSILON for rate in left]
    return (
        ("G. An audit of nine tenths" if "audit" in data else "G. A learned filter")
        + where,
        *(f"{checks}: {rate:.0%} stay unwanted" for rate in left),
        "1 (by construction)",
        "holds"
        + (": not enough on either side" if all(short) else "")
        + (": enough on either side" if not any(short) else ""),
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
