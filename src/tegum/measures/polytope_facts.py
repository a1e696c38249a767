"""The facts of groups and polytopes, and the measure that asks for them by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from tegum.measures import polytopes
from tegum.measures.arrangement import USUAL
from tegum.measures.facts import Fact, Measure
from tegum.measures.geometry_facts import (
    FEATURES,
    HERE,
    NO_WEIGHTS,
    NONE,
    TOY_MODELS,
)
from tegum.measures.transformations import (
    FLIP_FEATURE,
    IDLE_UNIT,
    SCALE_ONE,
    TURN_ONE,
)

JOINING = {SCALE_ONE, TURN_ONE}
"""What changes who is kept and who is joined."""
NAMING = {*JOINING, FLIP_FEATURE}
"""What changes which polytope a group is."""
SHARE = 1e-3


def _fact(
    name: str,
    function: Callable[..., Any],
    meaning: str,
    formula: str,
    *,
    changed_by: set[str],
    unit: str = NONE,
    source: str = HERE,
    range: tuple[float, float] = (0.0, 1.0),
    resolution: float = SHARE,
    **rest: Any,
) -> Fact:
    """A fact; all of them choose a set of features."""
    return Fact(
        name=name,
        function=function,
        meaning=meaning,
        formula=formula,
        unit=unit,
        range=range,
        source=source,
        changed_by=frozenset(changed_by),
        undefined_when=NO_WEIGHTS,
        resolution=resolution,
        selects=True,
        **rest,
    )


def _share(name: str, meaning: str, *, changed_by: set[str], **rest: Any) -> Fact:
    group = polytopes.SHARES[name]
    return _fact(
        name,
        polytopes.share_in,
        meaning,
        f"#{{i: the group of i is '{group}'}} / k",
        changed_by=changed_by,
        source=TOY_MODELS,
        arguments={"polytope": group},
        **rest,
    )


POLYTOPE_FACTS: tuple[Fact, ...] = (
    _fact(
        "kept_features",
        polytopes.kept_features,
        "how many features are not faint beside the strong ones",
        "k = #{i: |W_i|^2 > sum |W_j|^4 / (10 sum |W_j|^2)}",
        changed_by={SCALE_ONE},
        unit=FEATURES,
        range=(1.0, math.inf),
        resolution=1.0,
        aliases=("features learned", "number of features"),
    ),
    _fact(
        "dimensions_per_kept_feature",
        polytopes.dimensions_per_kept_feature,
        "how many dimensions there are for each feature, features counted one by one",
        "m / k",
        changed_by={SCALE_ONE, IDLE_UNIT},
        unit="dimensions",
        range=(0.0, math.inf),
        aliases=("D* by count",),
    ),
    _fact(
        "named_share",
        polytopes.named_share,
        "which share of the kept features stands in a group that is a polytope",
        "#{i: the group of i is a polytope} / k",
        changed_by=NAMING,
        source=TOY_MODELS,
        aliases=("share of features in polytopes",),
    ),
    _fact(
        "random_named_share",
        polytopes.random_named_share,
        "what share of as many directions at random would stand in polytopes",
        "E[named_share] of k uniform directions in m dimensions",
        changed_by={SCALE_ONE, IDLE_UNIT},
    ),
    _fact(
        "random_named_share_in_groups",
        polytopes.random_named_share_in_groups,
        "what share would be in polytopes if groups kept spaces but not angles",
        "sum over groups of v E[named_share of v directions in d dimensions] / k",
        changed_by=JOINING,
    ),
    _fact(
        "named_excess",
        polytopes.named_excess,
        "how much more features stand in polytopes than chance puts there",
        "named_share - max(random_named_share, random_named_share_in_groups)",
        changed_by={*NAMING, IDLE_UNIT},
        range=(-1.0, 1.0),
    ),
    _share(
        "digon_share",
        "which share of the kept features stands in antipodal pairs",
        changed_by=NAMING,
        aliases=("antipodal pairs",),
    ),
    _share(
        "triangle_share",
        "which share of the kept features stands in triangles",
        changed_by=NAMING,
    ),
    _share(
        "tetrahedron_share",
        "which share of the kept features stands in tetrahedra",
        changed_by=NAMING,
    ),
    _share(
        "pentagon_share",
        "which share of the kept features stands in pentagons",
        changed_by=NAMING,
    ),
    _share(
        "square_antiprism_share",
        "which share of the kept features stands in square antiprisms",
        changed_by=NAMING,
    ),
    _share(
        "alone_share",
        "which share of the kept features has a direction that no other comes near",
        changed_by=JOINING,
        aliases=("features with a dimension of their own",),
    ),
    _share(
        "unnamed_share",
        "which share of the kept features stands in groups that are no polytope",
        changed_by=NAMING,
    ),
    _fact(
        "share_at_fractions",
        polytopes.share_at_fractions,
        "which share of the kept features has the dimensionality of some polytope",
        "#{i: |D_i - f| <= 0.01, f in 1, 3/4, 2/3, 1/2, 2/5, 3/8} / k",
        changed_by=JOINING,
        source=TOY_MODELS,
    ),
    _fact(
        "random_share_at_fractions",
        polytopes.random_share_at_fractions,
        "what share would be at fractions if dimensionalities were moved a little",
        "mean_i of the share of [D_i - 0.05, D_i + 0.05] within 0.01 of a fraction",
        changed_by=JOINING,
    ),
    _fact(
        "even_share_at_fractions",
        polytopes.even_share_at_fractions,
        "what share would be at fractions if norms alone shared out the dimensions",
        "#{i: ||W_i|^2 sum D_j / sum |W_j|^2 - f| <= 0.01} / k, j over the kept",
        changed_by=JOINING,
    ),
    _fact(
        "fraction_excess",
        polytopes.fraction_excess,
        "how much more dimensionalities pile up at the fractions than without shapes",
        "share_at_fractions - max(random_share_at_fractions, even_share_at_fractions)",
        changed_by=JOINING,
        range=(-1.0, 1.0),
    ),
)

FACTS = {fact.name: fact for fact in POLYTOPE_FACTS}

POLYTOPES = Measure(
    name="polytopes",
    version=2,
    function=polytopes.numbers_of,
    numbers=polytopes.NUMBERS,
    parameters=dataclasses.asdict(USUAL),
    ranges={name: FACTS[name].range for name in polytopes.NUMBERS},
    resolutions={name: FACTS[name].resolution for name in polytopes.NUMBERS},
)
