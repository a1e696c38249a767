"""The facts of basis and redundancy, and the measures that ask for them by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tegum.measures import basis, redundancy
from tegum.measures.facts import Fact, Measure
from tegum.measures.geometry_facts import BELL, HERE, NO_WEIGHTS, NONE, UNITS
from tegum.measures.transformations import (
    FLIP_FEATURE,
    IDLE_UNIT,
    ROTATE,
    SCALE_ONE,
    TURN_ONE,
    ZERO_FEATURE,
)

CUMULANTS = "tegum, from the cumulants of sums of independent inputs"
PONA = "Pona 2023, comment on Dropout can create a privileged basis"
HE = "He et al. 2024, Understanding and Minimising Outlier Features"

NO_BASIS = f"{NO_WEIGHTS}, or there is one unit"

EXAMPLE_PROBABILITY = 0.1
EXAMPLE_RATE = 0.5

ROTATED = {ROTATE, SCALE_ONE, TURN_ONE}


def _fact(
    name: str,
    function: Callable[..., Any],
    meaning: str,
    formula: str,
    *,
    changed_by: set[str],
    unit: str = NONE,
    source: str = HERE,
    range: tuple[float, float] = (0.0, math.inf),
    **rest: Any,
) -> Fact:
    return Fact(
        name=name,
        function=function,
        meaning=meaning,
        formula=formula,
        unit=unit,
        range=range,
        source=source,
        changed_by=frozenset(changed_by),
        undefined_when=rest.pop("undefined_when", NO_WEIGHTS),
        **rest,
    )


def _of_weights(function: Callable[..., Any], *words: str, **rest: Any) -> Fact:
    return _fact(function.__name__, function, *words, **rest)


def _kurtosis(state: str, statistic: str, name: str, *, gap: bool) -> Fact:
    """One of the twelve exact kurtoses: clean or masked, itself or its gap."""
    meanings = {
        "per_unit": "how heavy a hidden unit's tails are over examples",
        "pooled": "how heavy the tails of all units and examples together are",
        "unit_norms": "how unequal hidden units are in strength",
    }
    formulas = {
        "per_unit": "sum_k Var_k kurt_k / sum_k Var_k - 3",
        "pooled": "mean_k fourth_k / (mean_k Var_k)^2 - 3",
        "unit_norms": "mean_k Var_k^2 / (mean_k Var_k)^2",
    }
    arguments = {
        "feature_probability": EXAMPLE_PROBABILITY,
        "statistic": statistic,
        "rate": EXAMPLE_RATE if state == "masked" else 0.0,
        "gap": gap,
    }
    meaning = f"{meanings[statistic]}, {state}"
    formula = formulas[statistic]
    low = 1.0 if statistic == "unit_norms" else -2.0
    undefined = NO_WEIGHTS
    if gap or statistic == "unit_norms":
        undefined = NO_BASIS
    if gap:
        low = -math.inf
        meaning += ", beyond its average over all rotations"
        formula = f"{formula}, less E_Q of the same for QW"
    changed = set(ROTATED)
    if state == "masked":
        # The mean of h enters a masked unit's moments, and it has a sign.
        changed |= {FLIP_FEATURE}
    if statistic != "per_unit":
        changed |= {IDLE_UNIT}
    return _fact(
        f"{state}_{name}" + ("_gap" if gap else ""),
        basis.exact_kurtosis_number,
        meaning,
        formula,
        changed_by=changed,
        source=HE if statistic == "unit_norms" else CUMULANTS,
        range=(low, math.inf),
        undefined_when=undefined,
        arguments=arguments,
    )


def _redundancy(
    quantity: str,
    meaning: str,
    formula: str,
    *,
    range: tuple[float, float],
    unit: str = NONE,
    source: str = HERE,
    **rest: Any,
) -> Fact:
    arguments = redundancy.arguments_of(
        quantity,
        rate=EXAMPLE_RATE,
        min_share=redundancy.MIN_SHARE,
        probe_rate=redundancy.PROBE_RATE,
    )
    return _fact(
        quantity,
        redundancy.mean_over_features,
        f"{meaning}, averaged by squared norm",
        formula,
        changed_by=ROTATED,
        unit=unit,
        source=source,
        range=range,
        arguments={"quantity": quantity, **arguments},
        **rest,
    )


BASIS_FACTS: tuple[Fact, ...] = (
    _of_weights(
        basis.mean_unit_alignment,
        "how far hidden units belong to single features, averaged by strength",
        "sum_k s_k a_k / sum_k s_k, a_k = sum_i W_ki^4 / s_k^2, s_k = sum_i W_ki^2",
        changed_by=ROTATED,
        range=(0.0, 1.0),
    ),
    _of_weights(
        basis.unit_alignment_gap,
        "how much more units belong to single features than in a basis at random",
        "mean_unit_alignment less E_Q of the same for QW",
        changed_by=ROTATED,
        range=(-1.0, 1.0),
        undefined_when=NO_BASIS,
        aliases=("axis alignment",),
    ),
    _of_weights(
        basis.participation_gap,
        "on how many more units features are written than random directions would be",
        "mean_participation_ratio - E PR of a random direction in m dimensions",
        changed_by=ROTATED | {IDLE_UNIT},
        unit=UNITS,
        range=(-math.inf, math.inf),
        source=BELL,
        undefined_when=NO_BASIS,
    ),
    _of_weights(
        basis.mean_largest_axis_share,
        "how much of a feature lies on its largest unit, averaged by squared norm",
        "sum_i |W_i|^2 max_k u_ki^2 / sum_i |W_i|^2",
        changed_by=ROTATED,
        range=(0.0, 1.0),
    ),
    _of_weights(
        basis.axis_share_gap,
        "how much more of a feature lies on its largest unit than at random",
        "mean_largest_axis_share - E max_k u_k^2 in m dimensions",
        changed_by=ROTATED | {IDLE_UNIT},
        range=(-1.0, 1.0),
        undefined_when=NO_BASIS,
    ),
    _of_weights(
        basis.mean_features_per_unit,
        "on how many features hidden units are spent, averaged by strength",
        "sum_k s_k N_k / sum_k s_k, N_k = s_k^2 / sum_i W_ki^4",
        changed_by=ROTATED,
        unit="features",
        range=(0.0, math.inf),
        source=BELL,
        aliases=("effective features of a unit",),
    ),
    _of_weights(
        basis.features_per_unit_gap,
        "on how many more features a unit is spent than a random row of n weights",
        "mean_features_per_unit - E PR of a random direction in n dimensions",
        changed_by=ROTATED | {ZERO_FEATURE},
        unit="features",
        range=(-math.inf, math.inf),
        source=BELL,
    ),
    *(
        _kurtosis(state, statistic, name, gap=gap)
        for state in ("clean", "masked")
        for statistic, name in basis.STATISTICS.items()
        for gap in (False, True)
    ),
    _redundancy(
        "carriers_by_participation",
        "the units that carry a feature, by its participation ratio",
        "PR_i = |W_i|^4 / sum_k W_ki^4",
        unit=UNITS,
        range=(1.0, math.inf),
        source=BELL,
    ),
    _redundancy(
        "carriers_by_threshold",
        "the units that carry a feature, by a threshold on their share",
        "the number of k with W_ki^2 / |W_i|^2 >= min_share",
        unit=UNITS,
        range=(0.0, math.inf),
        source=PONA,
        selects=True,
    ),
    _redundancy(
        "carriers_by_masks",
        "the units that carry a feature, by how often masks at a fixed rate spare it",
        "log P(lost share <= min_share) / log(1 - p)",
        unit=UNITS,
        range=(0.0, math.inf),
        selects=True,
    ),
    _redundancy(
        "probe_escape",
        "how often masks at a fixed rate leave a feature all but untouched",
        "P(sum over dropped k of W_ki^2 / |W_i|^2 <= min_share)",
        range=(0.0, 1.0),
        selects=True,
    ),
    _redundancy(
        "probe_share_lost_when_hit",
        "how much of a feature a mask at a fixed rate takes when it does not spare it",
        "E[lost share | lost share > min_share]",
        range=(0.0, 1.0),
        selects=True,
    ),
    _redundancy(
        "escape_by_participation",
        "the chance to escape dropout untouched, units counted by participation",
        "(1 - p)^PR_i",
        range=(0.0, 1.0),
        source=PONA,
    ),
    _redundancy(
        "escape_by_threshold",
        "the chance to escape dropout untouched, units counted by a threshold",
        "(1 - p)^n_i",
        range=(0.0, 1.0),
        source=PONA,
        selects=True,
    ),
    _redundancy(
        "escape_by_masks",
        "how often masks at the model's own rate leave a feature all but untouched",
        "P(sum over dropped k of W_ki^2 / |W_i|^2 <= min_share)",
        range=(0.0, 1.0),
        selects=True,
    ),
    _redundancy(
        "relative_noise",
        "the variance of dropout's noise on a feature's own read-out, over its square",
        "p / ((1 - p) PR_i)",
        range=(0.0, math.inf),
    ),
)

FACTS = {fact.name: fact for fact in BASIS_FACTS}

BASIS = Measure(
    name="basis",
    version=1,
    function=basis.numbers_of,
    numbers=basis.NUMBERS,
    ranges={name: FACTS[name].range for name in basis.NUMBERS},
)

REDUNDANCY = Measure(
    name="redundancy",
    version=1,
    function=redundancy.numbers_of,
    numbers=redundancy.NUMBERS,
    parameters={
        "min_share": redundancy.MIN_SHARE,
        "probe_rate": redundancy.PROBE_RATE,
    },
    ranges={name: FACTS[name].range for name in redundancy.NUMBERS},
)
