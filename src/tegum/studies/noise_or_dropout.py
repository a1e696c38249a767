"""Is it dropout, or would any noise of the same size do the same?

Pona's mechanism for why dropout inhibits superposition is that it adds variability to
each feature's direction. If so, Gaussian noise of the same variance should do the same.
Lecomte et al. add that for *alignment* with the units the shape of the noise matters,
not only its size. The study asks for each by itself: interference, packing, alignment.

Three noises on the hidden layer at rate p, with v = p / (1 - p):

- `dropout`: h_k times 0 or 1 / (1 - p); at p = 1/2 noise of two values;
- `gaussian_multiplicative`: h_k times 1 + sqrt(v) z. Given h, all means and covariances
  are dropout's: a loss that is quadratic in the hidden layer could not tell the two
  apart;
- `gaussian_additive_matched`: h_k plus noise of variance v times the mean of h_k^2 over
  the batch and the units, at every step. It has dropout's total variance but is the
  same in all directions and all examples: no basis is better than another. Its size
  follows the features, and training does not see that it does.

Fixed on the pilot's seeds, before the rest:

- *Alignment* is `unit_alignment_gap`: how far units belong to single features, minus
  the exact average over all rotations. Antipodal pairs on the axes have 0.29 in 5
  dimensions; the basis of one model without noise strays from 0 by 0.01 to 0.05.
- *Convergence*: 10,000 steps of a cosine schedule leave the clean loss of every arm
  within 1 % of where it stood at 0.9 of training. A flat loss is not yet a settled
  geometry, so that two cells are also trained four times as long.
- *Packing* is `avoidable_interference`: the share of interference that the best packing
  of the same norms avoids.
- *Learning rates*: the rate of a ladder with the lowest clean loss without noise, among
  those at which no model of the pilot diverged under any noise. AdamW 3e-3; SGD
  (momentum 0.9) 3 at S = 0.7 and 10 at S = 0.9.
- *Weight decay* is 0, so that AdamW is Adam.
"""

from __future__ import annotations

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
    paired_ratio,
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid
from tegum.measures import BASIS
from tegum.measures.geometry import GEOMETRY
from tegum.studies._answers import assembled
from tegum.studies._noise_picture import three_noises
from tegum.study import Convergence, Study
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

STEPS = 10_000
RATE = 0.5
DECAY, WIDE_DECAY = 0.8, 0.95
"""The last of 20, or of 80, features matters 1.4 %, or 1.7 %, as much as the first."""
SGD_RATE = {0.3: 3.0, 0.1: 10.0}
FIRST_SEED = 200
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_020))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""

SMALL = {"n_features": 20, "n_hidden": 5}
WIDE = {"n_features": 80, "n_hidden": 20}
DROPOUT, TIMES, PLUS = (
    "dropout",
    "gaussian_multiplicative",
    "gaussian_additive_matched",
)
NOISES = [DROPOUT, TIMES, PLUS]


def models(*, seeds: int, size: dict[str, int] = SMALL, **factors: Any) -> Design:
    """A grid of models trained with AdamW, unless the factors say otherwise."""
    usual = {
        "optimiser": "adamw",
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "weight_decay": 0.0,
        "batch_size": 512,
        "steps": STEPS,
    }
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(**size, **{**usual, **factors}, seeds=fresh)


def cell(q: float | list[float], decay: float | list[float], **factors: Any) -> dict:
    """The models of one cell: every factor that varies but noise and rate."""
    usual = {"n_features": 20, "optimiser": "adamw", "steps": STEPS}
    return {
        **usual,
        "feature_probability": q,
        "importance_decay": decay,
        **factors,
    }


# --- designs -------------------------------------------------------------------------

DENSITIES = [1.0, 0.3, 0.1, 0.01]


def small(*, rates: list[float], densities: list[float], seeds: int) -> Design:
    """Twenty features in five dimensions, under all three noises."""
    return models(
        noise=NOISES,
        rate=rates,
        feature_probability=densities,
        importance_decay=[1.0, DECAY],
        seeds=seeds,
    )


def with_sgd(seeds: int) -> Design:
    """The same with SGD, at the learning rates that the rule gave."""
    each = [
        models(
            noise=NOISES,
            rate=RATE,
            feature_probability=q,
            importance_decay=[1.0, DECAY],
            optimiser="sgd",
            learning_rate=learning_rate,
            seeds=seeds,
        )
        for q, learning_rate in SGD_RATE.items()
    ]
    return each[0] | each[1]


def wide(*, noises: list[str], densities: list[float], seeds: int) -> Design:
    """Eighty features in twenty dimensions."""
    return models(
        size=WIDE,
        noise=noises,
        rate=RATE,
        feature_probability=densities,
        importance_decay=[1.0, WIDE_DECAY],
        seeds=seeds,
    )


DEMO = (
    small(rates=[0.0, RATE], densities=DENSITIES, seeds=24)
    | with_sgd(24)
    | models(
        noise=[DROPOUT, TIMES],
        rate=RATE,
        feature_probability=[1.0, 0.1],
        importance_decay=1.0,
        steps=4 * STEPS,
        seeds=24,
    )
)
DEFAULT = (
    DEMO
    | small(
        rates=[0.0, 0.1, 0.3, RATE, 0.7],
        densities=[1.0, 0.5, 0.3, 0.1, 0.03, 0.01],
        seeds=40,
    )
    | with_sgd(40)
    | wide(noises=[DROPOUT, TIMES], densities=[0.1], seeds=24)
)
FULL = (
    DEFAULT
    | small(
        rates=[0.0, 0.1, 0.3, RATE, 0.7],
        densities=[1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01],
        seeds=60,
    )
    | with_sgd(60)
    | wide(noises=NOISES, densities=[1.0, 0.3, 0.1], seeds=40)
)

# --- claims --------------------------------------------------------------------------

UNIFORM_DENSE, UNIFORM_07 = cell(1.0, 1.0), cell(0.3, 1.0)
UNIFORM_09, UNIFORM_099 = cell(0.1, 1.0), cell(0.01, 1.0)
WIDE_09 = cell(0.1, 1.0, n_features=80)
EVERY_CELL = [cell(q, decay) for q in DENSITIES for decay in (1.0, DECAY)]
EXCEPTION = cell(1.0, DECAY)
ELSEWHERE = [found for found in EVERY_CELL if found != EXCEPTION]
ALL_TOGETHER = cell(DENSITIES, [1.0, DECAY])
SPARSE = cell([0.3, 0.1, 0.01], [1.0, DECAY])
SGD_SPARSE = cell([0.3, 0.1], [1.0, DECAY], optimiser="sgd")

PONA = "Pona 2023, Superposition and Dropout"
LECOMTE = "Lecomte et al. 2023, Incidental Polysemanticity"


def against_none(number: str, noise: str, where: dict, *, ratio: bool) -> Estimand:
    """What a noise at rate 0.5 does to a number, against the same code at rate 0."""
    contrast = paired_ratio if ratio else paired_difference
    return contrast(
        number,
        factor="rate",
        treated=RATE,
        control=0.0,
        where={**where, "noise": noise},
    )


def ratio_to_dropout(number: str, noise: str, where: dict) -> Estimand:
    """A number under another noise over the same under dropout, at rate 0.5."""
    return paired_ratio(
        number,
        factor="noise",
        treated=noise,
        control=DROPOUT,
        where={**where, "rate": RATE},
    )


def beyond_dropout(number: str, noise: str, where: dict) -> Estimand:
    """A number under another noise minus the same under dropout, at rate 0.5."""
    return paired_difference(
        number,
        factor="noise",
        treated=noise,
        control=DROPOUT,
        where={**where, "rate": RATE},
    )


TENTH_LESS = below(0.9, "interference falls")
SAME_INTERFERENCE = between(0.8, 1.25)
LOOSER = above(0.05, "looser")
AS_TIGHT = between(-0.05, 0.05, "as tight")
TIGHTER = below(-0.05, "tighter")
TWENTIETH = (
    "By a twentieth of what interference there is, in the sense of the frame "
    "potential, in which all overlaps count."
)
DROPOUT_ALIGNS_MORE = below(-0.05, "dropout aligns more")
ALIGN_ALIKE = between(-0.05, 0.05, "both align alike")
GAUSSIAN_ALIGNS_MORE = above(0.05, "Gaussian noise aligns more")
ALIGNED = above(0.2)
THIRD_MORE_ALIGNED = above(0.1)

CLAIMS = [
    Claim(
        "multiplicative-lowers-interference",
        "Multiplicative Gaussian noise of dropout's variance, at rate 0.5, lowers "
        "total interference in every cell but that of dropout's exception.",
        [
            Part(against_none("total_interference", TIMES, c, ratio=True), TENTH_LESS)
            for c in ELSEWHERE
        ],
        reason="At least a tenth: less would be no inhibition worth the name.",
        source=f"{PONA}: it is the variability of directions that inhibits.",
    ),
    Claim(
        "additive-lowers-interference",
        "Additive Gaussian noise of dropout's total variance lowers total "
        "interference, over the cells with S >= 0.7 together.",
        [
            Part(
                against_none("total_interference", PLUS, SPARSE, ratio=True), TENTH_LESS
            )
        ],
        reason="A tenth either way, the smallest effect asked of dropout itself. It "
        "could also rise: training does not see that the noise follows the features, "
        "and makes them outgrow it.",
        source=f"{PONA}: it is the variability of directions that inhibits.",
        rivals=[
            between(0.9, 1.1, "interference stays"),
            above(1.1, "interference rises"),
        ],
    ),
    Claim(
        "same-interference",
        "Multiplicative Gaussian noise leaves the same total interference as dropout "
        "of the same variance, in every cell.",
        [
            Part(
                ratio_to_dropout("total_interference", TIMES, c),
                SAME_INTERFERENCE,
            )
            for c in EVERY_CELL
        ],
        reason="Within a quarter either way, which is small beside a fall by a factor "
        "of 2 to 20.",
        source=f"{PONA}, taken at its word: only the variance counts.",
    ),
    Claim(
        "gaussian-lowers-more",
        "Where features are equally important and sparse (S >= 0.9), multiplicative "
        "Gaussian noise leaves less interference than dropout.",
        [
            Part(ratio_to_dropout("total_interference", TIMES, c), below(0.8))
            for c in (UNIFORM_09, UNIFORM_099)
        ],
        reason="By more than would count as the same.",
        source="The pilot.",
    ),
    Claim(
        "loosens-packing-if-uniform",
        "With equally important features, multiplicative Gaussian noise loosens "
        "packing, over S = 0.7, 0.9 and 0.99 together: more of their interference is "
        "of the kind that the best packing of the same norms avoids.",
        [
            Part(
                against_none(
                    "avoidable_interference",
                    TIMES,
                    cell([0.3, 0.1, 0.01], 1.0),
                    ratio=False,
                ),
                LOOSER,
            )
        ],
        reason=TWENTIETH,
        source=f"{PONA}: features can not be packed as tightly.",
        rivals=[AS_TIGHT, TIGHTER],
    ),
    Claim(
        "loosens-packing-if-decaying",
        "With decaying importances at S = 0.9, multiplicative Gaussian noise loosens "
        "packing.",
        [
            Part(
                against_none(
                    "avoidable_interference", TIMES, cell(0.1, DECAY), ratio=False
                ),
                LOOSER,
            )
        ],
        reason=TWENTIETH,
        source=f"{PONA}: features can not be packed as tightly.",
        rivals=[AS_TIGHT, TIGHTER],
    ),
    Claim(
        "same-packing-if-uniform",
        "With equally important features and whatever the noise, they are packed as "
        "tightly as under dropout, in every cell.",
        [
            Part(
                beyond_dropout("avoidable_interference", noise, cell(q, 1.0)),
                between(-0.05, 0.05),
            )
            for noise in (TIMES, PLUS)
            for q in DENSITIES
        ],
        reason="By no more than would count as looser or tighter.",
        source="The pilot.",
    ),
    Claim(
        "multiplicative-packs-as-dropout-does",
        "With decaying importances, features are packed under multiplicative Gaussian "
        "noise as tightly as under dropout, over all densities together.",
        [
            Part(
                beyond_dropout("avoidable_interference", TIMES, cell(DENSITIES, DECAY)),
                AS_TIGHT,
            )
        ],
        reason=TWENTIETH,
        source=f"{PONA}, taken at its word: only the variance counts.",
        rivals=[LOOSER, TIGHTER],
    ),
    Claim(
        "additive-packs-as-dropout-does",
        "With decaying importances, features are packed under additive Gaussian noise "
        "as tightly as under dropout, over all densities together.",
        [
            Part(
                beyond_dropout("avoidable_interference", PLUS, cell(DENSITIES, DECAY)),
                AS_TIGHT,
            )
        ],
        reason=TWENTIETH,
        source=f"{PONA}, taken at its word: only the variance counts.",
        rivals=[LOOSER, TIGHTER],
    ),
    Claim(
        "shape-and-alignment",
        "Dropout aligns features with units more than Gaussian noise of the same "
        "variance does, over all cells together.",
        [
            Part(
                beyond_dropout("unit_alignment_gap", TIMES, ALL_TOGETHER),
                DROPOUT_ALIGNS_MORE,
            )
        ],
        reason="By 0.05, a sixth of what antipodal pairs on the axes have in 5 "
        "dimensions.",
        source=f"{LECOMTE}: noise of negative excess kurtosis aligns. Dropout at rate "
        "0.5 has -2, Gaussian noise 0; theirs is additive, and on another model.",
        rivals=[ALIGN_ALIKE, GAUSSIAN_ALIGNS_MORE],
    ),
    Claim(
        "gaussian-aligns-more",
        "Where features are equally important and either dense or at S = 0.9, Gaussian "
        "noise aligns them more than dropout of the same variance does.",
        [
            Part(beyond_dropout("unit_alignment_gap", TIMES, c), THIRD_MORE_ALIGNED)
            for c in (UNIFORM_DENSE, UNIFORM_09)
        ],
        reason="By 0.1, a third of what antipodal pairs on the axes have.",
        source="The pilot.",
    ),
    Claim(
        "both-align",
        "Where features are equally important and S = 0.7, dropout and Gaussian noise "
        "both put them on single units.",
        [
            Part(
                level(
                    "unit_alignment_gap",
                    where={**UNIFORM_07, "noise": noise, "rate": RATE},
                ),
                ALIGNED,
            )
            for noise in (DROPOUT, TIMES)
        ],
        reason="At 0.2, two thirds of what antipodal pairs on the axes have; a basis "
        "at random has 0.",
        source="The pilot.",
    ),
    Claim(
        "additive-knows-no-basis",
        "Additive noise, the same in all directions, privileges no basis under SGD, "
        "over the cells with S = 0.7 and 0.9 together.",
        [
            Part(
                level(
                    "unit_alignment_gap",
                    where={**SGD_SPARSE, "noise": PLUS, "rate": RATE},
                ),
                between(-0.05, 0.05),
            )
        ],
        reason="Within what counts as alike. A control in which nothing may be found: "
        "start, noise, loss and SGD are unchanged by a rotation, so that every basis "
        "is equally likely.",
        source="Derived: symmetry.",
    ),
    Claim(
        "not-adams-doing",
        "With SGD in place of AdamW, Gaussian noise leaves less interference than "
        "dropout and aligns more, with equally important features at S = 0.9.",
        [
            Part(
                ratio_to_dropout(
                    "total_interference", TIMES, cell(0.1, 1.0, optimiser="sgd")
                ),
                below(0.8),
            ),
            Part(
                beyond_dropout(
                    "unit_alignment_gap", TIMES, cell(0.1, 1.0, optimiser="sgd")
                ),
                THIRD_MORE_ALIGNED,
            ),
        ],
        reason="The same smallest effects as for AdamW.",
        source="A control: adaptive optimisers shape geometry by themselves.",
    ),
    Claim(
        "longer-training",
        "Trained four times as long, Gaussian noise still leaves less interference "
        "than dropout at S = 0.9 and aligns more there and at S = 0, with equally "
        "important features.",
        [
            Part(
                ratio_to_dropout(
                    "total_interference", TIMES, cell(0.1, 1.0, steps=4 * STEPS)
                ),
                below(0.8),
            ),
            *[
                Part(
                    beyond_dropout(
                        "unit_alignment_gap", TIMES, cell(q, 1.0, steps=4 * STEPS)
                    ),
                    THIRD_MORE_ALIGNED,
                )
                for q in (1.0, 0.1)
            ],
        ],
        reason="The same smallest effects.",
        source="A control: fixed steps are not the optimum, and a flat loss does not "
        "mean a settled geometry.",
    ),
    Claim(
        "alike-in-wide-models",
        "With 80 features in 20 dimensions, equally important and at S = 0.9, Gaussian "
        "noise leaves the same interference as dropout and aligns no more.",
        [
            Part(
                ratio_to_dropout("total_interference", TIMES, WIDE_09),
                SAME_INTERFERENCE,
            ),
            Part(
                beyond_dropout("unit_alignment_gap", TIMES, WIDE_09),
                ALIGN_ALIKE,
            ),
        ],
        reason="Within what counts as the same in the small models.",
        source="The pilot. A feature on more units meets a sum of more noises, which "
        "is closer to Gaussian whatever each of them is.",
        designs=["default", "full"],
    ),
]


SAID = {
    "multiplicative-lowers-interference": {
        "supported": "Multiplicative Gaussian noise of dropout's variance lowers "
        "interference too",
        "refuted": "Multiplicative Gaussian noise of dropout's variance does not lower "
        "interference everywhere",
        "undecided": "Whether multiplicative Gaussian noise lowers interference as "
        "dropout does is undecided",
    },
    "same-interference": {
        "supported": " and leaves as much of it",
        "refuted": ", though in some cells not to the same level as dropout",
    },
    "additive-lowers-interference": {
        "interference falls": "; so does additive noise",
        "interference stays": "; additive noise of the same size does nothing",
        "interference rises": "; additive noise of the same size raises it",
        "refuted": "; additive noise of the same size does not lower it",
        "undecided": "; what additive noise does is undecided",
    },
    "same-packing-if-uniform": {
        "supported": ". Packing is alike under all three where features are equally "
        "important",
        "refuted": ". Packing is not alike, even where features are equally important",
        "undecided": ". Whether packing is alike is undecided where features are "
        "equally important",
    },
    "additive-packs-as-dropout-does": {
        "as tight": "; elsewhere additive noise packs as tightly as dropout",
        "looser": "; elsewhere additive noise packs looser than dropout",
        "tighter": "; elsewhere additive noise packs tighter than dropout",
    },
    "multiplicative-packs-as-dropout-does": {
        "as tight": ", multiplicative noise as tightly",
        "looser": ", multiplicative noise looser",
        "tighter": ", multiplicative noise tighter",
    },
    "shape-and-alignment": {
        "dropout aligns more": ". Dropout aligns features with units more than "
        "Gaussian noise does.",
        "both align alike": ". For alignment with the units the shape of the noise "
        "does not matter.",
        "Gaussian noise aligns more": ". For alignment the shape of the noise matters: "
        "Gaussian noise aligns features with units more than dropout does.",
        "refuted": ". Dropout does not align features with units more than Gaussian "
        "noise does.",
        "undecided": ". Whether the shape of the noise matters for alignment is "
        "undecided.",
    },
    "alike-in-wide-models": {
        "supported": " On twenty units, at S = 0.9, the two are alike.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""


CONTROLS = ("additive-knows-no-basis", "not-adams-doing", "longer-training")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, in two or three sentences."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STUDY = Study(
    name="noise-or-dropout",
    question="Does dropout change superposition and alignment as any noise of the same "
    "variance does, or by what is special to it?",
    background="Dropout, multiplicative and additive Gaussian noise of equal variance "
    "are compared on interference, on packing and on alignment with the hidden units, "
    "each by itself. Convergence, learning rates and weight decay were fixed on the "
    "pilot's seeds; the study's source says how.",
    subject=ToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, BASIS, TRAINING],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=three_noises,
)
