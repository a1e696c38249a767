"""What is measured of a ladder: exponents, forecasts, shares, rates, and the checks.

`S` is the number of states of a map. The two smallest sizes and the held-out one enter
no fit; the rest are `fitted`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.statistics import slope_weights
from tegum.studies._pruning_ladders import EPSILON, MATCHED, SIZES, TOGETHER

DROPPED = 2
"""Sizes left out of every fit, the smallest."""
LAWS = ("power", "slogs", "saturation")
FORECAST = ("one", "all", "certificate")
EXPONENTS = ("one", "sixteen", "all", "certificate", "passes", "expansions")
RATES = (
    "rate_before",
    "rate_after",
    "failed_after",
    "unsolved_after",
    "cut_off_after",
    "certificate_residual",
    "rate_before_large",
    "audit_rate_small",
    "audit_rate_large",
    "audit_rate_search",
    "filter_rate",
    "filter_rate_search",
    "filter_unsolved",
)
CERTIFICATES = (
    "certificate_ratio",
    "certificate_raw_ratio",
    "certificate_operations_ratio",
    "certificate_restarted_ratio",
)
HISTORY = (
    "history_rate_before",
    "history_rate",
    "history_rate_longer",
    "history_solved",
    "history_product_rate",
    "history_product_solved",
)
NUMBERS = (
    *(f"exponent_{cost}" for cost in EXPONENTS),
    *(f"{law}_forecast_{cost}" for cost in FORECAST for law in LAWS),
    *(f"{law}_loss_{cost}" for cost in FORECAST for law in LAWS[1:]),
    "share_one",
    "share_sixteen",
    "share_all",
    "share_certificate",
    "mean_share_all",
    "middle_share_all",
    "matched_ratio",
    "matched_exponent_gap",
    "matched_operations_ratio",
    "restarted_operations_ratio",
    "eager_operations_ratio",
    *CERTIFICATES,
    "certificate_exponent_gap",
    "queries_worth_a_certificate",
    *RATES,
    "certificate_breaches",
    "search_breaches",
    "missed_selection",
    *HISTORY,
)


def costs_of(artifact: Artifact) -> dict[str, Float[ndarray, " size"]]:
    """What each procedure spent on each map, in checks unless its name says otherwise.

    `one` is the mean over queries that are each asked alone; NaN where nothing was
    asked for.
    """
    a = artifact.arrays
    alone = a["alone"].mean(axis=1)
    found = {
        "one": alone[:, 0],
        "expansions": alone[:, 1],
        "sixteen": a["together"][:, TOGETHER.index(MATCHED), 0],
        "all": a["together"][:, -1, 0],
        "certificate": a["certificate"][:, 0, 0],
        "passes": a["certificate"][:, 0, 2],
        "search": a["matched"][:, 0, 0],
        "data": a["matched"][:, 1, 0],
    }
    return {
        name: np.where(values > 0, values.astype(np.float64), np.nan)
        for name, values in found.items()
    }


def power_law(
    states: Float[ndarray, " size"], cost: Float[ndarray, " size"]
) -> tuple[float, float]:
    """The power law `cost = 2^a S^b` by least squares of logarithms: a and b."""
    x, y = np.log2(states), np.log2(cost)
    exponent = float(slope_weights(x) @ y)
    return float(y.mean() - exponent * x.mean()), exponent


def forecasts(
    states: Float[ndarray, " size"], cost: Float[ndarray, " size"], *, at: float
) -> dict[str, float]:
    """The log2 of what three laws, fitted to logarithms, say of a map of `at` states.

    `power`: `c S^b`. `slogs`: `c S log S`. `saturation`: `c S / (S + h)`, h from a
    hundredth of the smallest to a hundred times the largest S: what is flat at one end
    and linear at the other.
    """
    level, exponent = power_law(states, cost)
    y = np.log2(cost)
    slogs = np.log2(states * np.log2(states))
    halves = np.geomspace(states.min() / 100.0, states.max() * 100.0, 400)
    curves = np.log2(states / (states + halves[:, None]))
    left = y - curves
    best = int(((left - left.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).argmin())
    return {
        "power": level + exponent * math.log2(at),
        "slogs": float((y - slogs).mean()) + math.log2(at * math.log2(at)),
        "saturation": float(left[best].mean()) + math.log2(at / (at + halves[best])),
    }


def pruning(artifact: Artifact, row: Row) -> dict[str, float]:
    """Exponents, forecasts and rates of one ladder.

    - `exponent_<cost>`: b of `cost = c S^b` over the fitted sizes. 1 is a cost in
      proportion to the states, 0 one that size does not touch.
    - `<law>_forecast_<cost>`: log2 of forecast over found at the held-out size; 0 is
      right, 1 twice too much. `<law>_loss_<cost>`: by how much its size is larger
      than the power law's; above 0 the power law forecasts better.
    - `share_<cost>`: different states checked as a share of all, at the largest
      fitted size; 1 over it is what eager inspection of complete data costs beside
      it. `mean_share_all` is the mean over the fitted sizes, `middle_share_all` over
      those from 32 x 32 to 91 x 91 (of any ladder that has some).
    - `matched_ratio`: checks on the data's side over those on search's, both lazy, 16
      queries, ties at random, geometric mean over fitted sizes; likewise the
      difference of their exponents, and the ratio of operations at the largest one,
      where data's side repairs its values and search starts over.
    - `restarted_operations_ratio`: the same ratio if data's side were to start over
      too; worked out, each retraining at what it costs on the map without anything
      unwanted, the least that it can. `eager_operations_ratio`: data's side over
      search's where both are shown every state beforehand, 16 queries.
    - `certificate_ratio`, `..._raw_ratio`: checks of data's certificate over those of
      search's own, different ones and with repetitions, geometric mean over the fitted
      sizes at which search earns one; `certificate_exponent_gap` is how fast the log of
      the first grows with that of the states. `certificate_operations_ratio`: the same
      of operations at the largest of them, `certificate_restarted_ratio` if data's side
      were to start over after each refusal too.
    - `queries_worth_a_certificate`: how many single queries, each on a map of which
      nothing is known, cost as many checks as one certificate; largest fitted size.
    - `rate_before`, `rate_after`: share of queries whose solution is unwanted, before
      and after lazy pruning for all queries; `unsolved_after` is the share without a
      solution, `cut_off_after` that share among queries at whose start the oracle does
      not balk, and `failed_after` counts unwanted and unsolved ones. Means over the
      fitted sizes. `certificate_residual`: the largest share that data's certificate
      left at any size; `certificate_breaches`, `search_breaches`: maps on which either
      side's left more than it promises.
    - `rate_before_large`: `rate_before` at the largest fitted size.
      `audit_rate_small`, `..._large`: what is left when nine states in ten were
      audited, at the smallest and largest fitted size; `audit_rate_search`: on search's
      side, at the largest. `filter_rate`, `filter_rate_search`: what is left by a
      filter learned from 200 answers, there; `filter_unsolved`: what it cuts off.
    - `missed_selection`: how much more common unwanted states are on the ways that are
      taken than among all states that the oracle lets pass. 1 is chance; above it the
      optimiser selects the oracle's mistakes. NaN where the oracle makes none.
    - `history_...`: see `history_rates`; means over its sizes, NaN without any.
    """
    a = artifact.arrays
    fitted = slice(DROPPED, -1)
    states = a["states"].astype(np.float64)
    costs = costs_of(artifact)
    found: dict[str, float] = {
        f"exponent_{cost}": power_law(states[fitted], costs[cost][fitted])[1]
        for cost in EXPONENTS
    }
    for cost in FORECAST:
        said = forecasts(states[fitted], costs[cost][fitted], at=float(states[-1]))
        error = {law: said[law] - math.log2(costs[cost][-1]) for law in LAWS}
        found |= {f"{law}_forecast_{cost}": error[law] for law in LAWS}
        found |= {
            f"{law}_loss_{cost}": abs(error[law]) - abs(error["power"])
            for law in LAWS[1:]
        }
    for cost in ("one", "sixteen", "all", "certificate"):
        found[f"share_{cost}"] = float(costs[cost][-2] / states[-2])
    shares = costs["all"] / states
    found["mean_share_all"] = float(shares[fitted].mean())
    inside = [32 <= size <= 91 for size in a["sizes"][:-1].tolist()]
    middle = shares[:-1][inside]
    found["middle_share_all"] = float(middle.mean()) if middle.size else math.nan
    ratio = np.log2(costs["data"][fitted] / costs["search"][fitted])
    found["matched_ratio"] = float(2.0 ** ratio.mean())
    found["matched_exponent_gap"] = float(
        slope_weights(np.log2(states[fitted])) @ ratio
    )
    found |= _operations(a) | _certificates(a, states)
    found["queries_worth_a_certificate"] = float(
        costs["certificate"][-2] / costs["one"][-2]
    )
    found |= dict(zip(RATES[:5], a["rates"][fitted].mean(axis=0), strict=True))
    left = a["left"]
    found["certificate_residual"] = float(left[:, 0].max())
    found["certificate_breaches"] = float((left[:, 0] > EPSILON).sum())
    found["search_breaches"] = (
        float((left[:, 1] > EPSILON).sum()) if (left[:, 1] >= 0.0).any() else math.nan
    )
    found["rate_before_large"] = float(a["rates"][-2, 0])
    found["audit_rate_small"] = float(a["audit"][DROPPED, 0, 0])
    found["audit_rate_large"] = float(a["audit"][-2, 0, 0])
    found["audit_rate_search"] = float(a["audit"][-2, 1, 0])
    (learned, cut), (searched, _) = a["filter"][-2].tolist()
    found |= {"filter_rate": learned, "filter_rate_search": searched}
    found["filter_unsolved"] = cut
    found["missed_selection"] = _selection(a["passed"][fitted].sum(axis=0))
    asked = a["history"].shape[0] > 0
    at = a["history"].mean(axis=0) if asked else np.full(len(HISTORY), math.nan)
    found |= dict(zip(HISTORY, at[: len(HISTORY)].tolist(), strict=True))
    return {name: float(found[name]) for name in NUMBERS}


def _operations(arrays: Mapping[str, ndarray]) -> dict[str, float]:
    """Data's operations over search's at the largest fitted size; see `pruning`."""
    (_, searched, _), (_, repaired, restarts) = arrays["matched"][-2].tolist()
    _, _, learned, backups = arrays["eager"][-2].tolist()
    afresh = learned + restarts * backups
    return {
        "matched_operations_ratio": repaired / searched,
        "restarted_operations_ratio": afresh / searched,
        "eager_operations_ratio": learned / int(arrays["eager_search"][-2, 1]),
    }


def _certificates(
    arrays: Mapping[str, ndarray], states: Float[ndarray, " size"]
) -> dict[str, float]:
    """Data's certificate beside search's own, where both were earned."""
    data, search = np.moveaxis(arrays["certificate"].astype(np.float64), 1, 0)
    both = np.flatnonzero(search[:, 0] > 0.0)
    both = both[(both >= DROPPED) & (both < len(states) - 1)]
    names = (*CERTIFICATES, "certificate_exponent_gap")
    if both.size < 2:
        return dict.fromkeys(names, math.nan)
    ratio = np.log2(data[both, :2] / search[both, :2])
    last = both[-1]
    _, _, learned, backups = arrays["eager"][last].tolist()
    afresh = learned + data[last, 3] * backups
    different, repeated = 2.0 ** ratio.mean(axis=0)
    worth = (
        different, repeated, data[last, 4] / search[last, 4], afresh / search[last, 4],
        slope_weights(np.log2(states[both])) @ ratio[:, 0],
    )  # fmt: skip
    return dict(zip(names, map(float, worth), strict=True))


def _selection(passed: ndarray) -> float:
    steps, bad, free, missed = (float(count) for count in passed)
    if missed == 0.0 or steps == 0.0:
        return math.nan
    return (bad / steps) / (missed / free)


_RATE = (0.0, 1.0)
_POSITIVE = (0.0, math.inf)
_BOUNDED = (*RATES, *HISTORY, *(n for n in NUMBERS if "share_" in n))

PRUNING = Measure(
    name="pruning",
    version=3,
    function=pruning,
    numbers=NUMBERS,
    ranges={
        **dict.fromkeys(_BOUNDED, _RATE),
        **dict.fromkeys(
            (
                "matched_ratio",
                *(number for number in NUMBERS if "operations_ratio" in number),
                *CERTIFICATES,
                "queries_worth_a_certificate",
                "missed_selection",
                "certificate_breaches",
                "search_breaches",
            ),
            _POSITIVE,
        ),
    },
)

AT_SIZES = ("one", "sixteen", "all", "certificate")
AT_QUERIES = (*(str(q) for q in TOGETHER), "all")
CHECK_NUMBERS = (
    *(f"states_at_{n}" for n in SIZES),
    *(f"{cost}_at_{n}" for cost in AT_SIZES for n in SIZES),
    *(f"queries_{q}_share" for q in ("1", *AT_QUERIES)),
)


def checks(artifact: Artifact, row: Row) -> dict[str, float]:
    """States, and states checked, on the map of each size; NaN for a size not climbed.

    `queries_<q>_share`: checks as a share of the states at the largest fitted size,
    for q queries asked one after the other; `1` is the mean of those asked alone.
    """
    found = dict.fromkeys(CHECK_NUMBERS, math.nan)
    a, costs = artifact.arrays, costs_of(artifact)
    for place, size in enumerate(a["sizes"].tolist()):
        if size in SIZES:
            found[f"states_at_{size}"] = float(a["states"][place])
            for cost in AT_SIZES:
                found[f"{cost}_at_{size}"] = float(costs[cost][place])
    states = float(a["states"][-2])
    found["queries_1_share"] = float(costs["one"][-2]) / states
    for place, queries in enumerate(AT_QUERIES):
        asked = float(a["together"][-2, place, 0])
        found[f"queries_{queries}_share"] = asked / states if asked > 0 else math.nan
    return found


CHECKS = Measure(
    name="checks",
    version=2,
    function=checks,
    numbers=CHECK_NUMBERS,
    ranges=dict.fromkeys(CHECK_NUMBERS, _POSITIVE),
)

__all__ = [
    "AT_QUERIES",
    "AT_SIZES",
    "CHECKS",
    "DROPPED",
    "EXPONENTS",
    "FORECAST",
    "LAWS",
    "PRUNING",
    "costs_of",
    "forecasts",
    "power_law",
]
