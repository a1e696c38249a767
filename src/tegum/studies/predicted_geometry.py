"""Can the geometry of a toy model be said before it is trained?

Given density, importances and dropout rate, `tegum.theory.prediction` minimises the
expected loss over all inputs and all masks, without drawing one, and says how many
features a model keeps, at what norm, and whether they are aligned with the units or
spread over them. The study freezes these predictions first: they are the parameters of
a measure, and so stand in the registration that is appended to the store before the
first model is trained. Each model is then scored: the absolute error of its cell's
prediction, beside that of a constant.

- *The constant* is one number for each quantity and size: the median over all models of
  the pilot's grid. It has the least absolute error that a constant can have there, and
  unlike the prediction it was told what training gives.
- *The prediction* is the median over four random starts of the theory's own descent,
  which have the law of initial weights. That it is the median, and not the deepest
  minimum, was fixed on the pilot. Without dropout no basis is predicted.
- *Sizes.* Masks are enumerated, so time grows as n^2 2^m: twenty features on five units
  are the grid; eight on three are a check, and without dropout eighty on twenty.
  Weight decay, L1 penalties and Gaussian noise are out of the theory's reach.

Fixed on the pilot's seeds, before the rest:

- *Training*: as in `dropout-and-superposition`, AdamW at 3e-3, SGD (momentum 0.9) at 3
  for S = 0.7 and 10 for S = 0.9, 10,000 steps of a cosine schedule, no weight decay.
- *Where it fails.* With dense features of equal importance the loss is nearly flat in
  the number of features kept. In the pilot training kept 14 without dropout and, four
  times as long, 7, as against 6 predicted. And AdamW by itself spreads features of
  unequal importance, which a theory of the loss can not know.
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
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid
from tegum.measures import BASIS
from tegum.measures.geometry import GEOMETRY
from tegum.studies._answers import assembled
from tegum.studies._prediction_picture import predicted_beside_trained
from tegum.studies._predictions import CONSTANT, PREDICTED, Numbers, prediction_error
from tegum.study import Convergence, Study
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

STEPS = 10_000
DENSITIES = [1.0, 0.3, 0.1]
DECAY = 0.8
RATES = [0.0, 0.2, 0.5]
SGD_RATE = {0.3: 3.0, 0.1: 10.0}
FIRST_SEED = 800
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_020))
"""Seeds that were looked at while the claims were made, or are another study's."""

SIZE = {"n_features": 20, "n_hidden": 5}
SMALL, SMALL_DECAY = {"n_features": 8, "n_hidden": 3}, 0.7
WIDE, WIDE_DECAY = {"n_features": 80, "n_hidden": 20}, 0.95


def models(*, seeds: int, **factors: Any) -> Design:
    """A grid of models trained with AdamW, unless the factors say otherwise."""
    usual = {
        **SIZE,
        "feature_probability": DENSITIES,
        "importance_decay": [1.0, DECAY],
        "noise": "dropout",
        "rate": RATES,
        "optimiser": "adamw",
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "weight_decay": 0.0,
        "batch_size": 512,
        "steps": STEPS,
    }
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(**{**usual, **factors}, seeds=fresh)


def with_sgd(*, seeds: int) -> Design:
    """The sparse cells with SGD, at the learning rates that the rule gave."""
    each = [
        models(feature_probability=q, optimiser="sgd", learning_rate=rate, seeds=seeds)
        for q, rate in SGD_RATE.items()
    ]
    return each[0] | each[1]


def cells(
    q: float | list[float], decay: float | list[float], **factors: Any
) -> dict[str, Any]:
    """Cells of the grid, over all its dropout rates unless the factors name one."""
    usual = {
        "n_features": SIZE["n_features"],
        "rate": RATES,
        "optimiser": "adamw",
        "steps": STEPS,
    }
    return {
        **usual,
        "feature_probability": q,
        "importance_decay": decay,
        **factors,
    }


# --- designs -------------------------------------------------------------------------

DENSE_AND_EQUAL = {"feature_probability": 1.0, "importance_decay": 1.0}
LONGER = {"steps": 4 * STEPS, "rate": [0.0, 0.5]}

DEMO = models(seeds=24) | models(**DENSE_AND_EQUAL, steps=4 * STEPS, rate=0.0, seeds=24)
DEFAULT = (
    DEMO
    | models(seeds=40)
    | models(feature_probability=0.1, **LONGER, seeds=24)
    | with_sgd(seeds=24)
    | models(**SMALL, importance_decay=[1.0, SMALL_DECAY], seeds=24)
)
FULL = (
    DEFAULT
    | models(seeds=100)
    | with_sgd(seeds=60)
    | models(**SMALL, importance_decay=[1.0, SMALL_DECAY], seeds=60)
    | models(
        **WIDE,
        feature_probability=[0.3, 0.1],
        importance_decay=[1.0, WIDE_DECAY],
        rate=0.0,
        seeds=24,
    )
)

# --- claims --------------------------------------------------------------------------

GRID = cells(DENSITIES, [1.0, DECAY])
REGIMES = [(q, decay) for q in DENSITIES for decay in (1.0, DECAY)]
ELSEWHERE = [found for found in REGIMES if found != (1.0, 1.0)]
SMALL_GRID = {**GRID, "n_features": 8, "importance_decay": [1.0, SMALL_DECAY]}
WIDE_GRID = {
    **GRID,
    "n_features": 80,
    "feature_probability": [0.3, 0.1],
    "importance_decay": [1.0, WIDE_DECAY],
    "rate": 0.0,
}
ASKED = "A reader's request for quantitative predictions in this model"


def error(of: str, where: dict[str, Any]) -> Estimand:
    """How far the prediction of a quantity is off."""
    return level(f"{of}_error", where=where)


def advantage(of: str, where: dict[str, Any]) -> Estimand:
    """How much closer the prediction of a quantity is than the constant."""
    return level(f"{of}_advantage", where=where)


COUNT, NORM, GAP = "features_represented", "mean_norm_squared", "unit_alignment_gap"
CLOSER_BY = {COUNT: 0.5, NORM: 0.05, GAP: 0.01}
"""Half a feature of twenty; a twentieth of a feature's norm; a thirtieth of what
antipodal pairs on the axes have."""


def closer_than_the_constant(name: str, of: str, words: str) -> Claim:
    """Over the whole grid, the prediction of a quantity beats the constant."""
    by = CLOSER_BY[of]
    return Claim(
        name,
        f"Over the whole grid, the prediction of {words} is closer to trained models "
        "than the best constant.",
        [Part(advantage(of, GRID), above(by, "closer"))],
        reason=f"By {by:g} on average over the 18 cells.",
        source=ASKED,
        rivals=[between(-by, by, "no closer"), below(-by, "farther")],
    )


def near(of: str, where: dict[str, Any], by: float) -> Part:
    """A part: the prediction of a quantity is off by no more than this."""
    return Part(error(of, where), below(by))


RIGHT_COUNT, RIGHT_NORM = 2.0, 0.05

CLAIMS = [
    closer_than_the_constant("features-kept", COUNT, "how many features are kept"),
    closer_than_the_constant("norms", NORM, "the mean squared norm"),
    closer_than_the_constant(
        "alignment", GAP, "how far features are aligned or spread"
    ),
    Claim(
        "count-right-elsewhere",
        "In every regime but the dense one of equal importances, the predicted number "
        "of features is off by no more than two of twenty, over the rates.",
        [near(COUNT, cells(q, decay), RIGHT_COUNT) for q, decay in ELSEWHERE],
        reason="A tenth of the features.",
        source="The pilot.",
    ),
    Claim(
        "norm-right-everywhere",
        "In every regime the predicted mean squared norm is off by no more than 0.05, "
        "over the rates.",
        [near(NORM, cells(q, decay), RIGHT_NORM) for q, decay in REGIMES],
        reason="A twentieth of a feature's norm; the cells range from 0.12 to 1.",
        source="The pilot.",
    ),
    Claim(
        "count-when-dense-and-equal",
        "Where features are dense and equally important, the predicted number of "
        "features is off by more than two of twenty, over the rates.",
        [Part(error(COUNT, cells(1.0, 1.0)), above(2.0, "off by more than two"))],
        reason="A tenth of the features.",
        source="The pilot: the loss is nearly flat in the count there.",
        rivals=[below(2.0, "off by two at most")],
    ),
    Claim(
        "training-had-not-arrived",
        "Without dropout, the error of the count where features are dense and equally "
        "important falls when models are trained four times as long.",
        [
            Part(
                paired_difference(
                    f"{COUNT}_error",
                    factor="steps",
                    treated=4 * STEPS,
                    control=STEPS,
                    where={
                        name: value
                        for name, value in cells(1.0, 1.0, rate=0.0).items()
                        if name != "steps"
                    },
                ),
                below(-2.0, "falls"),
            )
        ],
        reason="By a tenth of the features.",
        source="The pilot: it is training that is far from the minimum, not the "
        "prediction.",
        rivals=[between(-2.0, 2.0, "stays"), above(2.0, "grows")],
    ),
    Claim(
        "which-way",
        "Under dropout at rate 0.5 features go the way that is predicted: aligned at "
        "S = 0.7 with equal importances (0.286 predicted), spread at S = 0.7 and 0.9 "
        "together with decaying ones (-0.145 and -0.112).",
        [
            Part(level(GAP, where=cells(0.3, 1.0, rate=0.5)), above(0.1)),
            Part(level(GAP, where=cells([0.3, 0.1], DECAY, rate=0.5)), below(-0.05)),
        ],
        reason="At least a third of what is predicted.",
        source=ASKED,
    ),
    Claim(
        "more-aligned-than-predicted",
        "Under dropout at rate 0.2, at S = 0.7 with equal importances, trained models "
        "are more aligned than the 0.067 that is predicted.",
        [
            Part(
                level(GAP, where=cells(0.3, 1.0, rate=0.2)),
                above(0.117, "more aligned"),
            )
        ],
        reason="By 0.05, a sixth of what antipodal pairs on the axes have.",
        source="The pilot: the theory's descent ends in minima whose loss is up to "
        "0.3 % above that of trained models.",
        rivals=[between(0.017, 0.117, "as predicted"), below(0.017, "less aligned")],
    ),
    Claim(
        "no-basis-without-dropout",
        "Without dropout AdamW spreads features of unequal importance, at S = 0.7 and "
        "0.9 together, where none is predicted.",
        [
            Part(
                level(GAP, where=cells([0.3, 0.1], DECAY, rate=0.0)),
                below(-0.02, "Adam spreads"),
            )
        ],
        reason="By 0.02, a fourteenth of what antipodal pairs on the axes have.",
        source="The pilot; that Adam privileges a basis: Elhage et al. 2023, "
        "Privileged Bases in the Transformer Residual Stream.",
        rivals=[
            between(-0.02, 0.02, "none, as predicted"),
            above(0.02, "Adam aligns"),
        ],
    ),
    Claim(
        "longer-training",
        "At S = 0.9 the predictions are as right for models trained four times as "
        "long.",
        [
            near(COUNT, cells(0.1, [1.0, DECAY], **LONGER), RIGHT_COUNT),
            near(NORM, cells(0.1, [1.0, DECAY], **LONGER), RIGHT_NORM),
        ],
        reason="The same margins.",
        source="A control: fixed steps are not the optimum.",
        designs=["default", "full"],
    ),
    Claim(
        "not-adams-doing",
        "With SGD in place of AdamW the predictions are as right at S = 0.7 and 0.9, "
        "and without dropout no basis is preferred, as predicted.",
        [
            near(COUNT, cells([0.3, 0.1], [1.0, DECAY], optimiser="sgd"), RIGHT_COUNT),
            near(NORM, cells([0.3, 0.1], [1.0, DECAY], optimiser="sgd"), RIGHT_NORM),
            Part(
                level(
                    GAP,
                    where=cells([0.3, 0.1], DECAY, rate=0.0, optimiser="sgd"),
                ),
                between(-0.05, 0.05),
            ),
        ],
        reason="The same margins; 0.05 is what counts as neither aligned nor spread.",
        source="A control: the theory does not know the optimiser.",
        designs=["default", "full"],
    ),
    Claim(
        "eight-on-three",
        "For eight features on three units each of the three predictions is closer "
        "than the best constant, over the whole grid.",
        [
            Part(advantage(of, SMALL_GRID), above(by))
            for of, by in ((COUNT, 0.1), (NORM, 0.05), (GAP, 0.01))
        ],
        reason="By a tenth of a feature, and as above.",
        source="The pilot.",
        designs=["default", "full"],
    ),
    Claim(
        "eighty-on-twenty",
        "For eighty sparse features on twenty units and without dropout, the predicted "
        "count is off by eight at most, the norm by 0.05.",
        [near(COUNT, WIDE_GRID, 8.0), near(NORM, WIDE_GRID, RIGHT_NORM)],
        reason="The same shares of the features and the norm.",
        source="The pilot.",
        designs=["full"],
    ),
]


SAID = {
    "features-kept": {
        "closer": "Yes: frozen before training, the theory says how many features are "
        "kept better than the best constant does",
        "no closer": "As to how many features are kept, the theory is no closer than "
        "the best constant",
        "farther": "As to how many features are kept, the theory is farther off than "
        "the best constant",
        "refuted": "As to how many features are kept, the theory is not closer than "
        "the best constant",
        "undecided": "Whether the theory says how many features are kept better than "
        "the best constant is undecided",
    },
    "norms": {
        "closer": "; it says at what norm",
        "no closer": "; of norms it says no more than the constant",
        "farther": "; of norms it says less than the constant",
        "refuted": "; as to norms it is not closer",
        "undecided": "; whether it says at what norm is undecided",
    },
    "alignment": {
        "closer": "; it says how far they are aligned or spread.",
        "no closer": "; of alignment it says no more than the constant.",
        "farther": "; of alignment it says less than the constant.",
        "refuted": "; as to alignment it is not closer.",
        "undecided": "; whether it says how far they are aligned or spread is "
        "undecided.",
    },
    "count-right-elsewhere": {
        "supported": " Where features are sparse or unequal the count is right to two "
        "of twenty.",
        "refuted": " Even where features are sparse or unequal the count is not right "
        "everywhere.",
    },
    "count-when-dense-and-equal": {
        "off by more than two": " It fails where they are dense and equally important",
        "off by two at most": " It holds even where they are dense and equally "
        "important",
        "refuted": " It holds even where they are dense and equally important",
        "undecided": " What it is worth where they are dense and equally important is "
        "undecided",
    },
    "training-had-not-arrived": {
        "falls": "; there, without dropout, longer training comes closer to it.",
        "stays": "; longer training changes little.",
        "grows": "; longer training leads away from it.",
        "refuted": "; longer training does not come closer to it.",
        "undecided": ".",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = ("longer-training", "not-adams-doing")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together: what was foreseen, and where it fails."""
    return assembled(verdicts, SAID, controls=CONTROLS)


def forecast(q: float, decay: float, rate: float) -> Numbers:
    """What was predicted of a cell of the grid."""
    return PREDICTED[f"20 5 {q:g} {decay:g} {rate:g}"]


STUDY = Study(
    name="predicted-geometry",
    question="Can how many features a toy model keeps, at what norm, aligned or "
    "spread, be said before it is trained?",
    background="The expected loss over all inputs and all masks is minimised without "
    "drawing one. What its minima are like is frozen as the parameters of a measure "
    "before anything is trained, and every model is scored against it and against the "
    "best constant of a pilot. What was fixed on the pilot's seeds stands in the "
    "study's source.",
    subject=ToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, BASIS, TRAINING, prediction_error(PREDICTED, CONSTANT)],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=predicted_beside_trained(forecast, CONSTANT["20 5"]),
)
