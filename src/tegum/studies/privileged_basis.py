"""Does dropout give the hidden layer a basis of its own, and does kurtosis show it?

Without noise on the hidden layer W and QW lose the same, for every rotation Q. With
dropout they do not: lsgos' post says that dropout can so create a privileged basis, and
Pona's comments on it that features then use fewer units and that kurtosis rises with
the dropout rate. The study asks five things apart:

- *Is a basis preferred?* `rotation_gap`: by how much rotating the trained model at
  random raises its dropout loss, masks enumerated.
- *Which one?* `unit_alignment_gap`: how far units belong to single features, minus the
  exact average over all rotations. Above 0 features are aligned with units, below 0
  they are spread over them more evenly than chance does it. Antipodal pairs on the axes
  have 0.29 in 5 dimensions.
- *What does kurtosis say?* The clean excess kurtosis of a unit is its alignment times
  the inputs' excess kurtosis, exactly. That is 0 at S = 0.587: the same alignment
  raises kurtosis above this sparsity and lowers it below, so there are cells on both
  sides. Masks multiply raw kurtosis by 1 / (1 - p) before anything is learned: a line
  in the picture, not a claim.
- *Does kurtosis follow the preference?* Spearman's rank correlation of the kurtosis
  gap with the rotation gap over dropout rates, one for each seed, *within one density*.
  Across densities it would say nothing of bases: both numbers depend on density by
  themselves, and one alignment put in all cells by hand gives as strong a correlation
  as is found. Rates above 0 only, where the rotation gap is not 0 by definition.
- *Is it dropout's doing?* Adam treats every weight by itself and so knows the axes. SGD
  does not: from a Gaussian start without noise every basis is equally likely. Nor does
  Adam whose moments are kept in a fixed random basis of the hidden space: the same
  algorithm with other axes, from the same start on the same inputs, so that the
  difference to it is what the axes do. With the weight decay of 0 used here AdamW and
  Adam are the same algorithm; with weight decay they are not, and Adam, which adds it
  to the gradient, is then a control of its own.

Fixed on the pilot's seeds, before the rest:

- *Convergence*: 10,000 steps of a cosine schedule leave the clean loss of every arm
  within 1 % of where it stood at 0.9 of training. A flat loss is not yet a settled
  basis: at S = 0 features went on aligning when trained four times as long, most where
  they are equally important, where alignment went from 0.05 to 0.24. It is dropout's
  doing (0.01 without it, 0.24 with Adam's moments in a random basis) and the ReLU's
  (0 with a linear output), although rotating then adds 0.01 % to the loss. So alignment
  is claimed of that cell for the longer training alone. At S >= 0.5 nothing moved.
- *What counts as preferred*: one basis of the same model turned at random is lucky or
  unlucky, by how much depends on the cell. The rotation gap must exceed one standard
  deviation of it, rounded up, in each cell; its median was at most 0.014.
- *Learning rates*: the rate of a ladder with the lowest clean loss without dropout,
  among those at which no model of the pilot diverged. AdamW 3e-3; SGD (momentum 0.9) 1
  at S = 0.5, 3 at S = 0.7, 10 at S = 0.9. S = 0 is left out of SGD: at the rate with
  the lowest loss a third of the pilot's models diverged.
- *Weight decay* is 0; 0.01, PyTorch's silent default for AdamW, is a control, and so is
  Adam with 0.001: with 0.01 in its gradient, Adam shrinks weights to a tenth of their
  interference.
- *Widths* run from 2 to 64 units, four features to each. Kurtosis across the units of a
  vector is the same number for every vector of two or three, so that it is undefined
  there; beyond, a random vector of m units has 3 (m - 1) / (m + 1) and not 3.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

from tegum.claims import (
    Claim,
    Part,
    Verdict,
    above,
    below,
    between,
    level,
    paired_difference,
    rank_correlation,
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid
from tegum.measures import BASIS
from tegum.measures.geometry import GEOMETRY
from tegum.studies._answers import assembled
from tegum.studies._basis_figures import (
    kurtoses,
    kurtosis_by_width,
    masked_kurtoses,
    rotation_gaps,
)
from tegum.studies._basis_picture import basis_and_kurtosis
from tegum.study import Convergence, Figure, Study
from tegum.toys.basis import ROTATION_GAP, VECTOR_KURTOSIS
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

STEPS = 10_000
RATE = 0.5
DECAY = 0.8
"""Importances 0.8^i: the last of 20 features matters 1.4 % as much as the first."""
SGD_RATE = {0.5: 1.0, 0.3: 3.0, 0.1: 10.0}
FIRST_SEED = 2300
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_060))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""

N_HIDDEN = 5
WIDTH_DECAY = {2: 0.572, 10: 0.894, 20: 0.946, 64: 0.9828}
"""For 4m features in m units, the same importance of the last to within 5 %."""


def models(*, seeds: int, n_hidden: int = N_HIDDEN, **factors: Any) -> Design:
    """A grid of models trained with AdamW, unless the factors say otherwise."""
    usual = {
        "noise": "dropout",
        "optimiser": "adamw",
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "weight_decay": 0.0,
        "batch_size": 512,
        "steps": STEPS,
    }
    size = {"n_features": 4 * n_hidden, "n_hidden": n_hidden}
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(**size, **{**usual, **factors}, seeds=fresh)


def cell(q: float | list[float], decay: float | list[float], **factors: Any) -> dict:
    """The models of one cell: every factor that varies but the dropout rate."""
    usual = {
        "n_hidden": N_HIDDEN,
        "optimiser": "adamw",
        "optimiser_basis": "units",
        "weight_decay": 0.0,
        "steps": STEPS,
    }
    return {
        **usual,
        "feature_probability": q,
        "importance_decay": decay,
        **factors,
    }


# --- designs -------------------------------------------------------------------------

DENSITIES = [1.0, 0.5, 0.3, 0.1]
"""S = 0 and 0.5 below the sparsity at which kurtosis turns, 0.7 and 0.9 above it."""
SPARSE = [0.5, 0.3, 0.1]
ABOVE_0 = [0.1, 0.3, RATE, 0.7]
"""The rates over which kurtosis is ranked beside the preference."""
ADAM_WEIGHT_DECAY = 0.001


def small(*, rates: list[float], densities: list[float], seeds: int) -> Design:
    """Twenty features on five units, under AdamW."""
    return models(
        rate=rates,
        feature_probability=densities,
        importance_decay=[1.0, DECAY],
        seeds=seeds,
    )


def with_sgd(*, rates: list[float], seeds: int) -> Design:
    """The same with SGD, at the learning rates that the rule gave."""
    each = [
        models(
            rate=rates,
            feature_probability=q,
            importance_decay=[1.0, DECAY],
            optimiser="sgd",
            learning_rate=learning_rate,
            seeds=seeds,
        )
        for q, learning_rate in SGD_RATE.items()
    ]
    return each[0] | each[1] | each[2]


def with_rotated_adam(*, rates: list[float], seeds: int) -> Design:
    """The same with AdamW, its moments kept in a random basis of the hidden space."""
    return models(
        rate=rates,
        feature_probability=[0.5, 0.3, 0.1],
        importance_decay=[1.0, DECAY],
        optimiser_basis="rotated",
        seeds=seeds,
    )


def with_weight_decay(seeds: int) -> Design:
    """AdamW and Adam, each with the weight decay of a control, at S = 0.7."""
    each = [
        models(
            rate=[0.0, RATE],
            feature_probability=0.3,
            importance_decay=[1.0, DECAY],
            optimiser=optimiser,
            weight_decay=weight_decay,
            seeds=seeds,
        )
        for optimiser, weight_decay in (("adamw", 0.01), ("adam", ADAM_WEIGHT_DECAY))
    ]
    return each[0] | each[1]


def at_width(m: int, *, decays: list[float], seeds: int) -> Design:
    """Four features to a unit, at S = 0.7."""
    return models(
        n_hidden=m,
        rate=[0.0, RATE],
        feature_probability=0.3,
        importance_decay=decays,
        seeds=seeds,
    )


def widths(seeds: int) -> Design:
    """Narrower and wider models whose masks can be counted out or sampled cheaply."""
    each = [at_width(m, decays=[1.0, WIDTH_DECAY[m]], seeds=seeds) for m in (2, 10, 20)]
    return each[0] | each[1] | each[2]


def trained_longer(
    cells: Sequence[tuple[float, float]], *, rates: list[float], seeds: int
) -> Design:
    """Four times as many steps, at densities and importances given in pairs."""
    each = [
        models(
            rate=rates,
            feature_probability=q,
            importance_decay=decay,
            steps=4 * STEPS,
            seeds=seeds,
        )
        for q, decay in cells
    ]
    return functools.reduce(operator.or_, each)


AT_07 = [(0.3, 1.0), (0.3, DECAY)]
OTHERS_LONGER = [(0.5, 1.0), (0.1, 1.0), (1.0, DECAY), (0.5, DECAY), (0.1, DECAY)]

DEMO = (
    small(rates=[0.0, RATE], densities=DENSITIES, seeds=20)
    | small(rates=[0.7], densities=DENSITIES, seeds=6)
    | small(rates=ABOVE_0, densities=SPARSE, seeds=6)
    | models(
        rate=ABOVE_0, feature_probability=[0.5, 0.3], importance_decay=1.0, seeds=20
    )
    | with_sgd(rates=[0.0, RATE], seeds=20)
    | with_rotated_adam(rates=[0.0, RATE], seeds=20)
    | trained_longer(AT_07, rates=[RATE], seeds=20)
    | trained_longer([(1.0, 1.0)], rates=[0.0, RATE], seeds=20)
)
DEFAULT = (
    DEMO
    | small(rates=[0.0, RATE], densities=DENSITIES, seeds=40)
    | small(
        rates=[0.0, 0.1, 0.2, 0.3, 0.4, RATE, 0.6, 0.7],
        densities=[*DENSITIES, 0.03],
        seeds=12,
    )
    | models(
        rate=ABOVE_0, feature_probability=[0.5, 0.3], importance_decay=1.0, seeds=40
    )
    | with_sgd(rates=[0.0, RATE], seeds=40)
    | with_rotated_adam(rates=[0.0, RATE], seeds=40)
    | trained_longer(OTHERS_LONGER, rates=[RATE], seeds=20)
    | with_weight_decay(20)
    | widths(20)
    | at_width(64, decays=[1.0], seeds=18)
)
FULL = (
    DEFAULT
    | small(
        rates=[0.0, 0.05, 0.1, 0.2, 0.3, 0.4, RATE, 0.6, 0.7, 0.8],
        densities=[1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03, 0.01],
        seeds=60,
    )
    | with_sgd(rates=[0.0, 0.1, 0.3, RATE, 0.7], seeds=60)
    | with_rotated_adam(rates=[0.0, 0.1, 0.3, RATE, 0.7], seeds=60)
    | widths(40)
    | at_width(64, decays=[1.0, WIDTH_DECAY[64]], seeds=25)
)

# --- claims --------------------------------------------------------------------------

CELLS = [cell(q, decay) for q in DENSITIES for decay in (1.0, DECAY)]
DENSE_AND_EQUAL = cell(1.0, 1.0)
DENSE_AND_EQUAL_LONGER = cell(1.0, 1.0, steps=4 * STEPS)
ELSEWHERE = [found for found in CELLS if found != DENSE_AND_EQUAL]
NOT_DENSE = [cell(q, decay) for q in SPARSE for decay in (1.0, DECAY)]
UNIFORM_05, UNIFORM_07 = cell(0.5, 1.0), cell(0.3, 1.0)
UNIFORM_09, DECAYING_09 = cell(0.1, 1.0), cell(0.1, DECAY)
DECAYING = cell(SPARSE, DECAY)
SGD_TOGETHER = cell(SPARSE, [1.0, DECAY], optimiser="sgd")
ROTATED = {"optimiser_basis": "rotated"}
ROTATED_TOGETHER = cell(SPARSE, [1.0, DECAY], **ROTATED)
ADAM = {"optimiser": "adam", "weight_decay": ADAM_WEIGHT_DECAY}

LSGOS = "lsgos 2023, Dropout can create a privileged basis"
PONA = "Pona 2023, comments on Dropout can create a privileged basis"
ELHAGE = "Elhage et al. 2023, Privileged Bases in the Transformer Residual Stream"


def change(number: str, where: dict) -> Estimand:
    """What is added to a number at dropout rate 0.5, against none."""
    return paired_difference(
        number, factor="rate", treated=RATE, control=0.0, where=where
    )


def at(rate: float, number: str, where: dict) -> Estimand:
    """A number at a dropout rate."""
    return level(number, where={**where, "rate": rate})


def beside_preference(number: str, where: dict) -> Estimand:
    """Whether a number orders the dropout rates of a cell as the preference does."""
    return rank_correlation(
        number, other="rotation_gap", where={**where, "rate": ABOVE_0}
    )


def more_steps(number: str, q: float, decay: float) -> Estimand:
    """What four times as many steps add to a number at dropout rate 0.5."""
    where = {k: v for k, v in cell(q, decay).items() if k != "steps"}
    return paired_difference(
        number,
        factor="steps",
        treated=4 * STEPS,
        control=STEPS,
        where={**where, "rate": RATE},
    )


LUCK = {
    (1.0, 1.0): 0.00003,
    (0.5, 1.0): 0.002,
    (0.3, 1.0): 0.003,
    (0.1, 1.0): 0.005,
    (1.0, DECAY): 0.004,
    (0.5, DECAY): 0.01,
    (0.3, DECAY): 0.025,
    (0.1, DECAY): 0.035,
}
"""One standard deviation of the rotation gap of models turned at random, by cell."""
LUCK_BY_WIDTH = {10: (0.001, 0.007), 20: (0.001, 0.004), 64: (0.001,)}
"""The same at S = 0.7 on other widths: equal importances, then decaying ones."""


def preferred(where: dict) -> Part:
    """At dropout rate 0.5 the basis is better than luck makes one."""
    q, decay = where["feature_probability"], where["importance_decay"]
    m = where["n_hidden"]
    luck = LUCK[q, decay] if m == N_HIDDEN else LUCK_BY_WIDTH[m][int(decay < 1.0)]
    return Part(at(RATE, "rotation_gap", where), above(luck))


MORE_ALIGNED, ALIGNED = above(0.1), above(0.05, "aligned")
NEITHER, SPREAD = between(-0.05, 0.05, "neither"), below(-0.05, "spread")
FOLLOWS, OPPOSES = above(0.3, "follows"), below(-0.3, "opposes")
SAYS_LITTLE = between(-0.3, 0.3, "says little")
A_TENTH = "At 0.3, one number shares a tenth of the variance of the other's ranks."
MORE_THAN_LUCK = (
    "By more than one standard deviation of what the same models lose or gain when "
    "turned at random, in the pilot and cell by cell."
)
THIRD_OF_PAIRS = "By 0.1, a third of what antipodal pairs on the axes have."
SIXTH_OF_PAIRS = "By 0.05, a sixth of what antipodal pairs on the axes have."
UNMOVED = (
    ("rotation_gap", between(-0.01, 0.01)),
    ("unit_alignment_gap", between(-0.05, 0.05)),
)

CLAIMS = [
    Claim(
        "dropout-prefers-its-basis",
        "At dropout rate 0.5 the trained basis loses less to dropout than a random "
        "one, in every cell but the dense one of equal importances.",
        [preferred(c) for c in ELSEWHERE],
        reason=MORE_THAN_LUCK,
        source=LSGOS,
    ),
    Claim(
        "slightly-and-late-when-dense-and-equal",
        "Where features are dense and equally important, rotating costs less than half "
        "a per cent of the dropout loss; yet dropout at rate 0.5 aligns features with "
        "units in a model trained four times as long, and prefers its basis.",
        [
            Part(at(RATE, "rotation_gap", DENSE_AND_EQUAL), between(-0.005, 0.005)),
            Part(
                at(RATE, "rotation_gap", DENSE_AND_EQUAL_LONGER),
                between(LUCK[1.0, 1.0], 0.005),
            ),
            Part(change("unit_alignment_gap", DENSE_AND_EQUAL_LONGER), MORE_ALIGNED),
        ],
        reason="Half a per cent is little. Luck and alignment count as in the other "
        "cells.",
        source="The pilot.",
    ),
    Claim(
        "no-basis-without-dropout",
        "Trained with SGD and without dropout, a model stands in a basis like any "
        "other, over all cells of SGD together.",
        [
            Part(at(0.0, "probe_rotation_gap", SGD_TOGETHER), between(-0.02, 0.02)),
            Part(at(0.0, "unit_alignment_gap", SGD_TOGETHER), between(-0.05, 0.05)),
        ],
        reason="A control in which nothing may be found. One model's basis is lucky or "
        "unlucky by about 0.02 of its loss; 0.05 is what counts as neither aligned nor "
        "spread.",
        source="Derived: start, loss and SGD are unchanged by a rotation.",
    ),
    Claim(
        "no-basis-under-rotated-adam",
        "Nor does a model trained without dropout stand in a basis of its own where "
        "Adam keeps its moments in a random one, over the same cells together.",
        [
            Part(at(0.0, "probe_rotation_gap", ROTATED_TOGETHER), between(-0.02, 0.02)),
            Part(at(0.0, "unit_alignment_gap", ROTATED_TOGETHER), between(-0.05, 0.05)),
        ],
        reason="A control, with the regions of SGD.",
        source="Derived: whatever basis Adam makes of its own is then as good as any "
        "other to the units.",
    ),
    Claim(
        "adam-alone",
        "Without dropout, AdamW by itself spreads features of unequal importance over "
        "the units, over S = 0.5, 0.7 and 0.9 together.",
        [
            Part(
                at(0.0, "unit_alignment_gap", DECAYING),
                below(-0.02, "Adam spreads"),
            )
        ],
        reason="By 0.02, a fourteenth of what antipodal pairs on the axes have; the "
        "median of random bases is 0.",
        source=f"The pilot; that Adam privileges a basis: {ELHAGE}.",
        rivals=[
            between(-0.02, 0.02, "Adam privileges none"),
            above(0.02, "Adam aligns"),
        ],
    ),
    Claim(
        "adams-axes",
        "Without dropout and with decaying importances, it is the axes of Adam's "
        "moments that spread features over the units: kept in a random basis they do "
        "so less, over S = 0.5, 0.7 and 0.9 together.",
        [
            Part(
                paired_difference(
                    "unit_alignment_gap",
                    factor="optimiser_basis",
                    treated="units",
                    control="rotated",
                    where={
                        name: value
                        for name, value in {**DECAYING, "rate": 0.0}.items()
                        if name != "optimiser_basis"
                    },
                ),
                below(-0.005, "the axes spread"),
            )
        ],
        reason="By 0.005, a sixtieth of what antipodal pairs on the axes have: small, "
        "and seen because both arms share start and inputs.",
        source=f"The pilot; that Adam privileges a basis: {ELHAGE}.",
        rivals=[
            between(-0.005, 0.005, "the axes do nothing"),
            above(0.005, "the axes align"),
        ],
    ),
    Claim(
        "aligns-on-both-sides",
        "With equal importances, dropout at rate 0.5 aligns features with units at "
        "S = 0.5 and at S = 0.7, so that by the identity clean kurtosis falls on the "
        "one side of S = 0.587 and rises on the other.",
        [
            Part(change("unit_alignment_gap", c), MORE_ALIGNED)
            for c in (UNIFORM_05, UNIFORM_07)
        ],
        reason=THIRD_OF_PAIRS,
        source=f"{PONA}: features use fewer units. The turn: derived.",
    ),
    Claim(
        "aligns-when-importance-decays",
        "With decaying importances, dropout at rate 0.5 aligns features with units, "
        "over S = 0.5, 0.7 and 0.9 together.",
        [Part(change("unit_alignment_gap", DECAYING), ALIGNED)],
        reason=SIXTH_OF_PAIRS + " What Adam does without dropout is taken off.",
        source=f"{PONA}: features use fewer units.",
        rivals=[NEITHER, SPREAD],
    ),
    Claim(
        "privileged-yet-not-aligned",
        "With equal importances at S = 0.9, the basis that dropout at rate 0.5 prefers "
        "is neither aligned nor spread.",
        [Part(change("unit_alignment_gap", UNIFORM_09), NEITHER)],
        reason=SIXTH_OF_PAIRS + " That the basis is preferred is a claim above.",
        source="The pilot.",
        rivals=[ALIGNED, SPREAD],
    ),
    Claim(
        "kurtosis-rises",
        "Dropout at rate 0.5 raises the clean kurtosis of units beyond that of the "
        "same activations rotated, in every cell with S >= 0.5.",
        [Part(change("clean_kurtosis_per_unit_gap", c), above(0.1)) for c in NOT_DENSE],
        reason="By 0.1, about as far as the gap of one model without dropout strays at "
        "S = 0.7 in the pilot.",
        source=f"{PONA}: kurtosis rises with the dropout rate.",
    ),
    Claim(
        "raw-kurtosis-misleads",
        "With decaying importances at S = 0.9, dropout at rate 0.5 raises clean "
        "kurtosis and lowers it beside rotations: units have heavier tails because "
        "they serve fewer features, not because these are aligned.",
        [
            Part(change("clean_kurtosis_per_unit", DECAYING_09), above(0.2)),
            Part(change("clean_kurtosis_per_unit_gap", DECAYING_09), below(-0.2)),
        ],
        reason="By 0.2 each, a tenth of the clean excess kurtosis without dropout.",
        source="The pilot; a reader's objection that kurtosis is no measure of "
        "superposition.",
    ),
    Claim(
        "kurtosis-falls-with-preference",
        "With equal importances at S = 0.5, kurtosis beside rotations orders the "
        "dropout rates the other way round than the preference for the basis does.",
        [Part(beside_preference("clean_kurtosis_per_unit_gap", UNIFORM_05), OPPOSES)],
        reason=A_TENTH + " One density, so that none is compared with another.",
        source="Derived, if alignment goes with the preference: below S = 0.587 inputs "
        "have a negative excess.",
        rivals=[SAYS_LITTLE, FOLLOWS],
    ),
    Claim(
        "kurtosis-rises-with-preference",
        "With equal importances at S = 0.7, kurtosis beside rotations orders the "
        "dropout rates as the preference for the basis does.",
        [Part(beside_preference("clean_kurtosis_per_unit_gap", UNIFORM_07), FOLLOWS)],
        reason=A_TENTH + " One density, as above.",
        source=f"{PONA}: higher kurtosis, heavier tails, privileged basis.",
        rivals=[SAYS_LITTLE, OPPOSES],
    ),
    Claim(
        "kurtosis-of-vectors-at-chance",
        "Without dropout and with SGD, the kurtosis across the five units of a vector "
        "is that of a random vector, 2 and not 3, over all cells of SGD together.",
        [
            Part(
                at(0.0, "clean_kurtosis_per_vector_gap", SGD_TOGETHER),
                between(-0.1, 0.1),
            )
        ],
        reason="By a tenth of the distance between 2 and 3.",
        source=f"{PONA}: about 3 without a privileged basis. 3 (m - 1) / (m + 1) for m "
        "units: derived.",
    ),
    Claim(
        "not-adams-doing",
        "With SGD in place of AdamW, dropout at rate 0.5 prefers its basis, aligns "
        "features of equal importance at S = 0.5 and 0.7 and spreads those of decaying "
        "importance.",
        [
            *[preferred({**c, "optimiser": "sgd"}) for c in NOT_DENSE],
            *[
                Part(
                    change("unit_alignment_gap", {**c, "optimiser": "sgd"}),
                    MORE_ALIGNED,
                )
                for c in (UNIFORM_05, UNIFORM_07)
            ],
            Part(
                change("unit_alignment_gap", {**DECAYING, "optimiser": "sgd"}), SPREAD
            ),
        ],
        reason="The same smallest effects as for AdamW.",
        source=f"A control; Adam may privilege a basis by itself: {ELHAGE}.",
    ),
    Claim(
        "not-the-axes-of-adam",
        "With Adam's moments kept in a random basis, dropout at rate 0.5 prefers its "
        "basis, aligns features of equal importance at S = 0.5 and 0.7 and spreads "
        "those of decaying importance.",
        [
            *[preferred({**c, **ROTATED}) for c in NOT_DENSE],
            *[
                Part(change("unit_alignment_gap", {**c, **ROTATED}), MORE_ALIGNED)
                for c in (UNIFORM_05, UNIFORM_07)
            ],
            Part(change("unit_alignment_gap", {**DECAYING, **ROTATED}), SPREAD),
        ],
        reason="The same smallest effects as for AdamW.",
        source="A control: the same algorithm, its axes elsewhere.",
    ),
    Claim(
        "longer-training",
        "Training four times as long changes neither the preference for a basis nor "
        "the alignment at S = 0.7 and dropout rate 0.5.",
        [
            Part(more_steps(number, q, decay), region)
            for q, decay in AT_07
            for number, region in UNMOVED
        ],
        reason="A hundredth of the loss, half of the smaller of the two preferences; "
        "0.05 as above.",
        source="A control: fixed steps are not the optimum.",
    ),
    Claim(
        "longer-training-elsewhere",
        "Nor does it change either at S = 0.5 and 0.9, nor the preference where "
        "features are dense and of decaying importance.",
        [
            Part(more_steps(number, q, decay), region)
            for q, decay in OTHERS_LONGER
            for number, region in (UNMOVED if q < 1.0 else UNMOVED[:1])
        ],
        reason="As for S = 0.7. Dense features go on aligning.",
        source="A control: fixed steps are not the optimum.",
        designs=["default", "full"],
    ),
    Claim(
        "weight-decay",
        "PyTorch's silent weight decay of 0.01 changes neither the preference nor the "
        "alignment at S = 0.7 and dropout rate 0.5.",
        [
            Part(
                paired_difference(
                    number,
                    factor="weight_decay",
                    treated=0.01,
                    control=0.0,
                    where={
                        name: value
                        for name, value in {**cell(0.3, decay), "rate": RATE}.items()
                        if name != "weight_decay"
                    },
                ),
                region,
            )
            for decay in (1.0, DECAY)
            for number, region in UNMOVED
        ],
        reason="As for longer training.",
        source="A control: public code trains with it.",
        designs=["default", "full"],
    ),
    Claim(
        "adam-with-weight-decay",
        "With Adam, weight decay 0.001 in its gradient, dropout at rate 0.5 prefers "
        "its basis at S = 0.7, aligns features of equal importance and spreads those "
        "of decaying importance.",
        [
            *[preferred(cell(0.3, decay, **ADAM)) for decay in (1.0, DECAY)],
            Part(change("unit_alignment_gap", cell(0.3, 1.0, **ADAM)), MORE_ALIGNED),
            Part(change("unit_alignment_gap", cell(0.3, DECAY, **ADAM)), SPREAD),
        ],
        reason="The same smallest effects as for AdamW.",
        source="A control: Adam and AdamW are two algorithms once weights decay.",
        designs=["default", "full"],
    ),
    Claim(
        "vectors-at-chance-on-wider-layers",
        "Without dropout and with equal importances, the kurtosis across 10, 20 and 64 "
        "units of a vector is that of a random vector, 3 (m - 1) / (m + 1).",
        [
            Part(
                at(0.0, "clean_kurtosis_per_vector_gap", cell(0.3, 1.0, n_hidden=m)),
                between(-0.1, 0.1),
            )
            for m in (10, 20, 64)
        ],
        reason="As on 5 units.",
        source=f"{PONA}: about 3 without a privileged basis, which holds for wide "
        "layers alone.",
        designs=["default", "full"],
    ),
    Claim(
        "other-widths",
        "On 10 and 20 units, at S = 0.7 and dropout rate 0.5, the trained basis is "
        "preferred, aligned with equal importances and spread with decaying ones.",
        [
            part
            for m in (10, 20)
            for uniform, decaying in [
                (cell(0.3, 1.0, n_hidden=m), cell(0.3, WIDTH_DECAY[m], n_hidden=m))
            ]
            for part in (
                preferred(uniform),
                preferred(decaying),
                Part(change("unit_alignment_gap", uniform), MORE_ALIGNED),
                Part(change("unit_alignment_gap", decaying), SPREAD),
            )
        ],
        reason="The same smallest effects as on 5 units.",
        source="The pilot.",
        designs=["default", "full"],
    ),
    Claim(
        "two-units",
        "On 2 units, at S = 0.7 and with equal importances, dropout at rate 0.5 aligns "
        "features with units.",
        [
            Part(
                change("unit_alignment_gap", cell(0.3, 1.0, n_hidden=2)),
                ALIGNED,
            )
        ],
        reason="By 0.05, two fifths of what antipodal pairs on two axes have.",
        source="The pilot. Kurtosis across two units is 1 for every vector and so says "
        "nothing.",
        designs=["default", "full"],
    ),
    Claim(
        "sixty-four-units",
        "On 64 units, at S = 0.7 and with equal importances, dropout at rate 0.5 "
        "prefers its basis and aligns features with units.",
        [
            preferred(cell(0.3, 1.0, n_hidden=64)),
            Part(
                change("unit_alignment_gap", cell(0.3, 1.0, n_hidden=64)),
                MORE_ALIGNED,
            ),
        ],
        reason="The same smallest effects as on 5 units. Masks are sampled.",
        source="The pilot.",
        designs=["default", "full"],
    ),
]


SAID = {
    "dropout-prefers-its-basis": {
        "supported": "Yes: dropout gives the hidden layer a basis of its own",
        "refuted": "Not everywhere: in some cell dropout prefers no basis",
        "undecided": "In {supported} of {parts} cells dropout gives the hidden layer a "
        "basis of its own, the rest being undecided",
    },
    "slightly-and-late-when-dense-and-equal": {
        "supported": ", though where features are dense and equally important it is "
        "worth less than half a per cent of the loss, even after long training",
        "refuted": ", with dense and equally important features otherwise than was "
        "predicted",
    },
    "aligns-on-both-sides": {
        "supported": "; features are aligned with units where they are equally "
        "important and moderately sparse",
        "refuted": "; equally important and moderately sparse features are not aligned "
        "everywhere",
    },
    "aligns-when-importance-decays": {
        "aligned": "; with decaying importances features are aligned",
        "neither": "; with decaying importances features are neither aligned nor "
        "spread",
        "spread": "; with decaying importances features are spread over the units",
    },
    "not-adams-doing": {
        "supported": "; so it is under SGD as well",
        "refuted": "; under SGD it is not all so",
        "undecided": "; whether it is so under SGD is undecided",
    },
    "not-the-axes-of-adam": {
        "supported": ", and where Adam's moments know nothing of the units",
        "refuted": ", and where Adam's moments know nothing of the units it is not so",
        "undecided": ", and where Adam's moments know nothing of the units that is "
        "undecided",
    },
    "kurtosis-rises": {
        "supported": ". Clean kurtosis rises with it.",
        "refuted": ". Kurtosis alone does not show it: it does not rise everywhere, "
        "beside the same activations rotated.",
        "undecided": ". What kurtosis does is undecided.",
    },
    "kurtosis-falls-with-preference": {
        "opposes": " From rate to rate at S = 0.5, with equal importances, clean "
        "kurtosis beside rotations falls as the preference grows.",
        "says little": " From rate to rate at S = 0.5, with equal importances, clean "
        "kurtosis beside rotations says little of the preference.",
        "follows": " From rate to rate at S = 0.5, with equal importances, clean "
        "kurtosis beside rotations rises with the preference.",
    },
    "kurtosis-rises-with-preference": {
        "follows": " From rate to rate at S = 0.7, with equal importances, it rises "
        "with the preference.",
        "says little": " From rate to rate at S = 0.7, with equal importances, it says "
        "little of the preference.",
        "opposes": " From rate to rate at S = 0.7, with equal importances, it falls as "
        "the preference grows.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""


CONTROLS = (
    "no-basis-without-dropout",
    "no-basis-under-rotated-adam",
    "not-adams-doing",
    "not-the-axes-of-adam",
    "longer-training",
    "longer-training-elsewhere",
    "weight-decay",
    "adam-with-weight-decay",
)


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, for and against the posts."""
    return assembled(verdicts, SAID, controls=CONTROLS)


SMALL = {
    "n_hidden": N_HIDDEN,
    "optimiser": "adamw",
    "optimiser_basis": "units",
    "weight_decay": 0.0,
    "steps": STEPS,
}
FIGURES = (
    Figure(
        "rotation-gap",
        "By how much rotating the units raises the dropout loss. Above: at each "
        "model's own dropout rate, AdamW. Below: models trained without dropout (open) "
        "and with it (filled), both probed at rate 0.5, by optimiser; and the gap by "
        "width. Medians over seeds, from the tenth to the ninetieth of a hundred.",
        rotation_gaps,
        where={
            "feature_probability": DENSITIES,
            "weight_decay": 0.0,
            "steps": STEPS,
        },
    ),
    Figure(
        "kurtosis",
        "The four things called kurtosis: of units over examples, of both pooled, of "
        "the units' norms (the only one that is no excess), of examples over units. "
        "Each stands beside its average over all rotations of the same model "
        "(dashed): what lies between the two is the basis. Masks raise it with nothing "
        "learned: their curves leave the panels at the top. Medians over seeds.",
        kurtoses,
        where={**SMALL, "feature_probability": SPARSE},
    ),
    Figure(
        "masked-kurtosis",
        "The same of masked activations, as a code that leaves dropout on measures "
        "them; dashed: rotations of the clean activations, followed by masks. What "
        "lies between the two is the basis. Medians over seeds.",
        masked_kurtoses,
        where={**SMALL, "feature_probability": SPARSE},
    ),
    Figure(
        "kurtosis-and-width",
        "Kurtosis across the units of a vector against their number, S = 0.7. Without "
        "a basis of their own, vectors lie on the dotted line and reach 3 in wide "
        "layers alone; for two or three units it is undefined. Bands run from the "
        "tenth to the ninetieth of a hundred seeds.",
        kurtosis_by_width,
        where={
            **{name: value for name, value in SMALL.items() if name != "n_hidden"},
            "feature_probability": 0.3,
            "rate": [0.0, RATE],
        },
    ),
)

STUDY = Study(
    name="privileged-basis",
    question="Does dropout give the hidden layer a privileged basis, aligned or "
    "spread, and does kurtosis show it?",
    background="Privileged can mean aligned with the units or spread over them, and "
    "Adam may privilege a basis by itself. Preference, alignment and kurtosis are "
    "asked for apart, each beside rotations of the same model, with SGD and with Adam "
    "in a rotated basis as controls. "
    "What was fixed on the pilot's seeds stands in the study's source.",
    subject=ToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, BASIS, ROTATION_GAP, VECTOR_KURTOSIS, TRAINING],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=basis_and_kurtosis,
    figures=FIGURES,
)
