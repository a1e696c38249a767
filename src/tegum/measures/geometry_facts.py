"""The facts of every measure of geometry: what its tests and its page read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tegum.measures import interference, represented
from tegum.measures.facts import Fact
from tegum.measures.transformations import (
    FLIP_FEATURE,
    IDLE_UNIT,
    ROTATE,
    SCALE,
    SCALE_ONE,
    TURN_ONE,
    ZERO_FEATURE,
)

TOY_MODELS = "Elhage et al. 2022, Toy Models of Superposition"
PONA = "Pona 2023, code of Superposition and Dropout"
SCHERLIS = "Scherlis et al. 2022, Polysemanticity and Capacity in Neural Networks"
WELCH = "Welch 1974; Benedetto and Fickus 2003"
CASAZZA = "Casazza et al. 2006, A physical interpretation of tight frames"
BELL = "Bell and Dean 1970"
HERE = "tegum"

WEIGHT = "weight"
WEIGHT_SQUARED = "weight^2"
FEATURES = "features"
UNITS = "hidden units"
NONE = "1"

NOT_FINITE = "a weight is not finite"
NO_WEIGHTS = f"W = 0, or {NOT_FINITE}"
NO_DIRECTION = f"W_i = 0, or {NOT_FINITE}"
ANYTHING = (0.0, math.inf)


def _fact(
    function: Callable[..., Any],
    meaning: str,
    formula: str,
    unit: str,
    source: str,
    *,
    changed_by: set[str],
    range: tuple[float, float] = ANYTHING,
    **rest: Any,
) -> Fact:
    """A fact under its function's name."""
    return Fact(
        name=function.__name__,
        function=function,
        meaning=meaning,
        formula=formula,
        unit=unit,
        range=range,
        source=source,
        changed_by=frozenset(changed_by),
        undefined_when=rest.pop("undefined_when", NOT_FINITE),
        **rest,
    )


GEOMETRY_FACTS: tuple[Fact, ...] = (
    _fact(
        interference.feature_norms,
        "how strongly each feature is written into the hidden layer",
        "|W_i|",
        WEIGHT,
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE},
        per="feature",
        aliases=("feature norm",),
    ),
    _fact(
        interference.mean_norm_squared,
        "how strongly features are written into the hidden layer, on average",
        "sum_i |W_i|^2 / n",
        WEIGHT_SQUARED,
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE, ZERO_FEATURE},
    ),
    _fact(
        interference.effective_norm_squared,
        "the squared norm of a typical feature among those that are strong",
        "sum_i |W_i|^4 / sum_i |W_i|^2",
        WEIGHT_SQUARED,
        HERE,
        changed_by={SCALE, SCALE_ONE},
        undefined_when=NO_WEIGHTS,
    ),
    _fact(
        interference.interference_matrix,
        "how far feature j moves the read-out along the direction of feature i",
        "u_i . W_j off the diagonal, u_i = W_i / |W_i|",
        WEIGHT,
        TOY_MODELS,
        range=(-math.inf, math.inf),
        changed_by={SCALE, SCALE_ONE, TURN_ONE, FLIP_FEATURE},
        per="pair of features",
        undefined_when=NO_DIRECTION,
        aliases=("interference of j on i", "normalised W^T W without its diagonal"),
    ),
    _fact(
        interference.superposition,
        "how much of other features lies along each feature's direction",
        "sum_{j != i} (u_i . W_j)^2",
        WEIGHT_SQUARED,
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE, TURN_ONE},
        per="feature",
        undefined_when=NO_DIRECTION,
        aliases=("superposition of a feature", "polysemanticity squared"),
    ),
    _fact(
        interference.mean_superposition,
        "superposition of the average feature",
        "mean_i sum_{j != i} (u_i . W_j)^2",
        WEIGHT_SQUARED,
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE, TURN_ONE},
        undefined_when=NO_WEIGHTS,
    ),
    _fact(
        interference.polysemanticity,
        "how far other features, all active at 1, could move each feature's read-out",
        "sqrt(sum_{j != i} (u_i . W_j)^2)",
        WEIGHT,
        PONA,
        changed_by={SCALE, SCALE_ONE, TURN_ONE},
        per="feature",
        undefined_when=NO_DIRECTION,
        aliases=("polysemanticity of a feature", "root of superposition"),
    ),
    _fact(
        interference.net_interference,
        "superposition, other features counted as often as they are active",
        "sum_{j != i} q_j (u_i . W_j)^2",
        WEIGHT_SQUARED,
        PONA,
        changed_by={SCALE, SCALE_ONE, TURN_ONE},
        per="feature",
        undefined_when=NO_DIRECTION,
        arguments={"feature_probability": 0.1},
        aliases=("interference weighted by density",),
    ),
    _fact(
        interference.total_interference,
        "how much features overlap in all, strong ones counted more",
        "sum_{i != j} (W_i . W_j)^2",
        "weight^4",
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE, TURN_ONE},
        aliases=("interference term", "frame potential less its diagonal"),
    ),
    _fact(
        interference.relative_interference,
        "how much features overlap in all, relative to how strong they are",
        "sum_{i != j} (W_i . W_j)^2 / sum_i |W_i|^4",
        NONE,
        TOY_MODELS,
        changed_by={SCALE_ONE, TURN_ONE},
        undefined_when=NO_WEIGHTS,
    ),
    _fact(
        interference.welch_excess,
        "how much more features overlap than their number and strength force on them",
        "relative_interference - max(0, (sum s)^2 / (m sum s^2) - 1), s_i = |W_i|^2",
        NONE,
        WELCH,
        changed_by={SCALE_ONE, TURN_ONE, IDLE_UNIT},
        undefined_when=NO_WEIGHTS,
        aliases=("excess over the Welch bound",),
    ),
    _fact(
        interference.packing_excess,
        "how much more features overlap than in the best packing of the same norms",
        "(T - T_least(s, m)) / sum s_i^2, T = total interference, s_i = |W_i|^2",
        NONE,
        CASAZZA,
        changed_by={SCALE_ONE, TURN_ONE, IDLE_UNIT},
        undefined_when=NO_WEIGHTS,
    ),
    _fact(
        interference.avoidable_interference,
        "which share of total interference the best packing of the same norms avoids",
        "(T - T_least(s, m)) / T, T = total interference, s_i = |W_i|^2",
        NONE,
        CASAZZA,
        changed_by={SCALE_ONE, TURN_ONE, IDLE_UNIT},
        range=(0.0, 1.0),
        undefined_when=f"no feature interferes, {NO_WEIGHTS}",
    ),
    _fact(
        interference.overlap,
        "how much each feature's direction is shared, strong or faint all the same",
        "sum_{j != i} cos^2(W_i, W_j)",
        NONE,
        TOY_MODELS,
        changed_by={TURN_ONE},
        per="feature",
        undefined_when=NO_DIRECTION,
        aliases=("scale-free superposition", "cos2"),
    ),
    _fact(
        interference.mean_overlap,
        "how much the average feature's direction is shared",
        "mean_i sum_{j != i} cos^2(W_i, W_j)",
        NONE,
        TOY_MODELS,
        changed_by={TURN_ONE},
        undefined_when=NO_WEIGHTS,
    ),
    _fact(
        interference.overlap_excess,
        "how much more directions overlap than their number forces on them",
        "mean_overlap - max(0, k/m - 1), k features with a direction",
        NONE,
        WELCH,
        changed_by={TURN_ONE, IDLE_UNIT},
        undefined_when=NO_WEIGHTS,
    ),
    _fact(
        represented.feature_dimensionality,
        "what share of a dimension each feature has to itself",
        "D_i = |W_i|^2 / sum_j (u_i . W_j)^2",
        "dimensions",
        TOY_MODELS,
        range=(0.0, 1.0),
        changed_by={SCALE_ONE, TURN_ONE},
        per="feature",
        aliases=("D_i", "capacity C_i", "dimensionality"),
    ),
    _fact(
        represented.dimensionality_sum_per_hidden,
        "what share of the hidden dimensions is put to use by features",
        "sum_i D_i / m",
        NONE,
        SCHERLIS,
        range=(0.0, 1.0),
        changed_by={SCALE_ONE, TURN_ONE, IDLE_UNIT},
        aliases=("total capacity, by dimension",),
    ),
    _fact(
        represented.dimensions_per_feature,
        "how many dimensions there are for each feature, features counted by norm",
        "D* = m / |W|_F^2",
        "dimensions per weight^2",
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE, IDLE_UNIT},
        undefined_when=NO_WEIGHTS,
        aliases=("D*", "inverse of features per dimension"),
    ),
    _fact(
        represented.explained_variance,
        "how much of each input the best gain on its own read-out brings back",
        "R2_i = (W_i . W_i)^2 v_i / sum_j (W_i . W_j)^2 v_j",
        NONE,
        SCHERLIS,
        range=(0.0, 1.0),
        changed_by={SCALE_ONE, TURN_ONE},
        per="feature",
        aliases=("R2_i", "squared correlation of x_i with W_i . h"),
    ),
    _fact(
        represented.features_represented,
        "how many features can be read out of the hidden layer: the count that decides",
        "#{i: R2_i > min(1, m/n) / 2}",
        FEATURES,
        HERE,
        changed_by={SCALE_ONE, TURN_ONE, ZERO_FEATURE, IDLE_UNIT},
        selects=True,
        resolution=1.0,
        aliases=("number of features", "features learned", "gain-based count"),
    ),
    _fact(
        represented.features_by_corrected_norm,
        "how many features are strong, once the shrinkage that noise causes is undone",
        "#{i: |W_i|^2 (1 + v / PR_i) > 1/2}, v = p / (1 - p)",
        FEATURES,
        HERE,
        changed_by={ROTATE, SCALE, SCALE_ONE, TURN_ONE},
        selects=True,
        resolution=1.0,
        arguments={"noise_variance": 1.0},
        undefined_when=f"the noise is additive, or {NOT_FINITE}",
        aliases=("number of features", "noise-corrected count"),
    ),
    _fact(
        represented.features_by_norm,
        "how many features are strong, by a fixed threshold: decides nothing",
        "#{i: |W_i|^2 > 1/2}",
        FEATURES,
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE},
        selects=True,
        resolution=1.0,
        aliases=("features learned", "number of features", "fixed-norm count"),
    ),
    _fact(
        represented.features_by_frobenius,
        "how many features there are if each kept one has norm 1: decides nothing",
        "|W|_F^2",
        WEIGHT_SQUARED,
        TOY_MODELS,
        changed_by={SCALE, SCALE_ONE},
        aliases=("features learned", "number of features", "squared Frobenius norm"),
    ),
    _fact(
        represented.represented_welch_excess,
        "how much more the represented features overlap than they must, being so many",
        "overlap_excess of the features that features_represented counts",
        NONE,
        WELCH,
        changed_by={SCALE_ONE, TURN_ONE, ZERO_FEATURE, IDLE_UNIT},
        selects=True,
        undefined_when=f"no feature is represented, or {NOT_FINITE}",
    ),
    _fact(
        represented.participation_ratio,
        "on how many hidden units each feature is written",
        "PR_i = (sum_k W_ki^2)^2 / sum_k W_ki^4",
        UNITS,
        BELL,
        range=(1.0, math.inf),
        changed_by={ROTATE, TURN_ONE},
        per="feature",
        undefined_when=NO_DIRECTION,
        aliases=("PR_i", "effective number of units", "inverse participation ratio"),
    ),
    _fact(
        represented.mean_participation_ratio,
        "on how many hidden units features are written, averaged by squared norm",
        "sum_i |W_i|^2 PR_i / sum_i |W_i|^2",
        UNITS,
        BELL,
        range=(1.0, math.inf),
        changed_by={ROTATE, TURN_ONE, SCALE_ONE},
        undefined_when=NO_WEIGHTS,
    ),
)
