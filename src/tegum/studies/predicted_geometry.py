"""Can the geometry of a toy model be said before it is trained?

Given density, importances and dropout rate, `tegum.theory.prediction` minimises the
expected loss over all inputs and all masks, without drawing one, and says how many
features a model keeps, at what norm, and whether they are aligned with the units or
spread over them. The study freezes these predictions first: they are the parameters of
a measure, and so stand in the registration that is appended to the store before the
first model is trained. Each model is then scored: the absolute error of its cell's
prediction, beside that of a constant.

- *The cells are held out.* The rule of the prediction was fixed on a pilot: that it is
  the median over the minima of four random starts with the law of initial weights, and
  not the deepest. The pilot had twenty features on five units and eight on three, at
  densities 1, 0.3 and 0.1 and rates 0, 0.2 and 0.5. The claims ask about ten features
  on three units, at rates 0, 0.35 and 0.6; none of these cells had been trained when
  its prediction was made. Seeds of one cell are much alike, so it is cells, not seeds,
  that must be fresh.
- *The constant* is one number for each quantity and size, from what training gave in
  the pilot: between its two sizes the medians are interpolated.
- *Minima.* A descent goes on until no slope exceeds 2e-5 of the loss, or no step lowers
  it; where the loss is flat a looser end leaves it on plateaus. Every model's own
  expected loss is measured against the deepest minimum: below 0 training went deeper.
- *Sizes.* Masks are enumerated, so time grows as n^2 2^m: ten features on three units
  are the grid; twenty on five are a check without dropout. Weight decay, L1 penalties
  and Gaussian noise are out of the theory's reach.
- *Which way* features go under dropout is asked of the change from rate 0, seed by
  seed: AdamW spreads features of unequal importance by itself, which a theory of the
  loss can not know. SGD is a control.

Fixed on the pilot's seeds, before the rest:

- *Training*: as in `dropout-and-superposition`, AdamW at 3e-3, SGD (momentum 0.9) at
  1.5 for S = 0.6 and 4 for S = 0.85, 10,000 steps of a cosine schedule, no weight
  decay.
- *Where it fails.* With dense features of equal importance the loss is nearly flat in
  the number of features kept: training is on its way still after 10,000 steps. So the
  question is asked of models trained four times as long as well, at both ends of the
  rates, and in `default` over the whole grid.
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
from tegum.studies._predictions import (
    CONSTANT,
    LOSS,
    PREDICTED,
    Numbers,
    prediction_error,
)
from tegum.study import Convergence, Study
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

STEPS = 10_000
DENSITIES = [1.0, 0.4, 0.15]
DECAY = 0.8
RATES = [0.0, 0.35, 0.6]
SGD_RATE = {0.4: 1.5, 0.15: 4.0}
FIRST_SEED = 2800
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_040))
"""Seeds that were looked at while the claims were made, or are another study's."""

SIZE = {"n_features": 10, "n_hidden": 3}
LARGER, LARGER_DECAY = {"n_features": 20, "n_hidden": 5}, 0.8
ELSEWHERE_Q = 0.2
"""The density at the larger size, which no pilot had."""


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


def larger(*, seeds: int) -> Design:
    """Twenty features on five units without dropout, at a density no pilot had."""
    return models(
        **LARGER,
        feature_probability=ELSEWHERE_Q,
        importance_decay=[1.0, LARGER_DECAY],
        rate=0.0,
        seeds=seeds,
    )


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
    found = {
        **usual,
        "feature_probability": q,
        "importance_decay": decay,
        **factors,
    }
    return {name: level for name, level in found.items() if level is not None}


# --- designs -------------------------------------------------------------------------

DENSE_AND_EQUAL = {"feature_probability": 1.0, "importance_decay": 1.0}
LONGER = 4 * STEPS
ENDS = [RATES[0], RATES[-1]]

DEMO = models(seeds=24) | models(**DENSE_AND_EQUAL, steps=LONGER, rate=ENDS, seeds=24)
DEFAULT = (
    DEMO
    | models(seeds=40)
    | models(steps=LONGER, seeds=24)
    | with_sgd(seeds=24)
    | larger(seeds=24)
)
FULL = (
    DEFAULT
    | models(seeds=100)
    | models(steps=LONGER, seeds=60)
    | with_sgd(seeds=60)
    | larger(seeds=60)
)

# --- claims --------------------------------------------------------------------------

GRID = cells(DENSITIES, [1.0, DECAY])
REGIMES = [(q, decay) for q in DENSITIES for decay in (1.0, DECAY)]
ELSEWHERE = [found for found in REGIMES if found != (1.0, 1.0)]
LARGER_GRID = cells(ELSEWHERE_Q, [1.0, LARGER_DECAY], n_features=20, rate=0.0)
ASKED = "A reader's request for quantitative predictions in this model"


def error(of: str, where: dict[str, Any]) -> Estimand:
    """How far the prediction of a quantity is off."""
    return level(f"{of}_error", where=where)


def advantage(of: str, where: dict[str, Any]) -> Estimand:
    """How much closer the prediction of a quantity is than the constant."""
    return level(f"{of}_advantage", where=where)


COUNT, NORM, GAP = "features_represented", "mean_norm_squared", "unit_alignment_gap"
CLOSER_BY = {COUNT: 0.25, NORM: 0.05, GAP: 0.01}
"""A quarter of a feature of ten; a twentieth of a feature's norm; a twentieth of what
antipodal pairs on the axes have."""


def closer_than_the_constant(name: str, of: str, words: str) -> Claim:
    """Over the whole grid, the prediction of a quantity beats the constant."""
    by = CLOSER_BY[of]
    return Claim(
        name,
        f"Over the whole grid of held-out cells, the prediction of {words} is closer "
        "to trained models than the constant.",
        [Part(advantage(of, GRID), above(by, "closer"))],
        reason=f"By {by:g} on average over the 18 cells.",
        source=ASKED,
        rivals=[between(-by, by, "no closer"), below(-by, "farther")],
    )


def near(of: str, where: dict[str, Any], by: float) -> Part:
    """A part: the prediction of a quantity is off by no more than this."""
    return Part(error(of, where), below(by))


def longer_comes_closer(name: str, rate: float, words: str) -> Claim:
    """Whether the dense, equal count nears the prediction in longer training."""
    return Claim(
        name,
        f"{words}, the error of the count where features are dense and equally "
        "important falls when models are trained four times as long.",
        [
            Part(
                paired_difference(
                    f"{COUNT}_error",
                    factor="steps",
                    treated=LONGER,
                    control=STEPS,
                    where=cells(1.0, 1.0, rate=rate, steps=None),
                ),
                below(-1.0, "falls"),
            )
        ],
        reason="By a tenth of the features.",
        source="A control of both: on a plateau neither training nor a descent need "
        "have arrived.",
        rivals=[between(-1.0, 1.0, "stays"), above(1.0, "grows")],
    )


def turned(q: float, decay: float, **factors: Any) -> Estimand:
    """What dropout at rate 0.35 adds to alignment."""
    return paired_difference(
        GAP,
        factor="rate",
        treated=0.35,
        control=0.0,
        where=cells(q, decay, **{**factors, "rate": None}),
    )


def ways(**factors: Any) -> list[Part]:
    """Towards the axes with equal importances, away from them with decaying ones."""
    return [
        *(Part(turned(q, 1.0, **factors), above(0.04)) for q in SGD_RATE),
        *(Part(turned(q, DECAY, **factors), below(-0.03)) for q in SGD_RATE),
    ]


RIGHT_COUNT, RIGHT_NORM = 1.0, 0.05

CLAIMS = [
    closer_than_the_constant("features-kept", COUNT, "how many features are kept"),
    closer_than_the_constant("norms", NORM, "the mean squared norm"),
    closer_than_the_constant(
        "alignment", GAP, "how far features are aligned or spread"
    ),
    Claim(
        "count-right-elsewhere",
        "In every regime but the dense one of equal importances, the predicted number "
        "of features is off by no more than one of ten, over the rates.",
        [near(COUNT, cells(q, decay), RIGHT_COUNT) for q, decay in ELSEWHERE],
        reason="A tenth of the features.",
        source="The pilot, at other sizes.",
    ),
    Claim(
        "norm-right-everywhere",
        "In every regime the predicted mean squared norm is off by no more than 0.05, "
        "over the rates.",
        [near(NORM, cells(q, decay), RIGHT_NORM) for q, decay in REGIMES],
        reason="A twentieth of a feature's norm.",
        source="The pilot, at other sizes.",
    ),
    Claim(
        "count-when-dense-and-equal",
        "Where features are dense and equally important, the predicted number of "
        "features is off by more than one of ten, over the rates.",
        [Part(error(COUNT, cells(1.0, 1.0)), above(1.0, "off by more than one"))],
        reason="A tenth of the features.",
        source="The pilot: the loss is nearly flat in the count there.",
        rivals=[below(1.0, "off by one at most")],
    ),
    longer_comes_closer("longer-without-dropout", 0.0, "Without dropout"),
    longer_comes_closer("longer-with-dropout", 0.6, "Under dropout at rate 0.6"),
    Claim(
        "no-deeper",
        "In no regime do trained models lose less than the deepest minimum of the "
        "theory by more than a ten-thousandth, over the rates, nor where features are "
        "dense and equally important if trained four times as long.",
        [
            *(
                Part(level(LOSS, where=cells(q, decay)), above(-1e-4))
                for q, decay in REGIMES
            ),
            Part(
                level(LOSS, where=cells(1.0, 1.0, rate=ENDS, steps=LONGER)),
                above(-1e-4),
            ),
        ],
        reason="Ten times the error of the quadrature. Below it a minimum is none.",
        source="A control: descents can end on plateaus, and four starts miss minima.",
    ),
    Claim(
        "which-way",
        "At S = 0.6 and at S = 0.85 dropout at rate 0.35 turns features the way that "
        "is predicted: towards the axes where importances are equal, away from them "
        "where they decay.",
        ways(),
        reason="A fifth of what antipodal pairs on the axes have, and of what features "
        "spread over all units have; predicted are 0.2 and 0.14, -0.2 and -0.1.",
        source=ASKED,
    ),
    Claim(
        "longer-training",
        "For models trained four times as long the predictions are closer than the "
        "constant as well, over the whole grid.",
        [
            Part(advantage(of, {**GRID, "steps": LONGER}), above(CLOSER_BY[of]))
            for of in (COUNT, NORM, GAP)
        ],
        reason="The same margins.",
        source="A control: fixed steps are not the optimum.",
        designs=["default", "full"],
    ),
    Claim(
        "no-basis-without-dropout",
        "Without dropout AdamW spreads features of unequal importance, at S = 0.6 and "
        "0.85 together, where none is predicted.",
        [
            Part(
                level(GAP, where=cells([*SGD_RATE], DECAY, rate=0.0)),
                below(-0.02, "Adam spreads"),
            )
        ],
        reason="By 0.02, a tenth of what antipodal pairs on the axes have.",
        source="The pilot; that Adam privileges a basis: Elhage et al. 2023, "
        "Privileged Bases in the Transformer Residual Stream.",
        rivals=[
            between(-0.02, 0.02, "none, as predicted"),
            above(0.02, "Adam aligns"),
        ],
        designs=["default", "full"],
    ),
    Claim(
        "not-adams-doing",
        "With SGD in place of AdamW count and norm are as right at S = 0.6 and 0.85, "
        "and dropout turns features the same ways.",
        [
            near(COUNT, cells([*SGD_RATE], [1.0, DECAY], optimiser="sgd"), RIGHT_COUNT),
            near(NORM, cells([*SGD_RATE], [1.0, DECAY], optimiser="sgd"), RIGHT_NORM),
            *ways(optimiser="sgd"),
        ],
        reason="The same margins.",
        source="A control: the theory does not know the optimiser.",
        designs=["default", "full"],
    ),
    Claim(
        "twenty-on-five",
        "For twenty features on five units at S = 0.8, without dropout, the predicted "
        "count is off by two at most, the norm by 0.05.",
        [near(COUNT, LARGER_GRID, 2.0), near(NORM, LARGER_GRID, RIGHT_NORM)],
        reason="The same shares of the features and the norm.",
        source="The pilot, at other densities.",
        designs=["default", "full"],
    ),
]


SAID = {
    "features-kept": {
        "closer": "Yes: in cells that nobody had trained the theory says how many "
        "features are kept better than the constant does",
        "no closer": "As to how many features are kept, the theory is no closer than "
        "the constant",
        "farther": "As to how many features are kept, the theory is farther off than "
        "the constant",
        "refuted": "As to how many features are kept, the theory is not closer than "
        "the constant",
        "undecided": "Whether the theory says how many features are kept better than "
        "the constant is undecided",
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
        "supported": " Where features are sparse or unequal the count is right to one "
        "of ten.",
        "refuted": " Even where features are sparse or unequal the count is not right "
        "everywhere.",
    },
    "which-way": {
        "supported": " Dropout turns features the way that is predicted.",
        "refuted": " Not everywhere does dropout turn features the way that is "
        "predicted.",
        "undecided": " Of {parts} cells dropout turns features the way that is "
        "predicted in {supported}, the rest being undecided.",
    },
    "count-when-dense-and-equal": {
        "off by more than one": " The count fails where features are dense and equally "
        "important",
        "off by one at most": " The count holds even where features are dense and "
        "equally important",
        "refuted": " The count holds even where features are dense and equally "
        "important",
        "undecided": " What the count is worth where features are dense and equally "
        "important is undecided",
    },
    "longer-without-dropout": {
        "falls": "; longer training comes closer to what is predicted without dropout",
        "stays": "; longer training changes little without dropout",
        "grows": "; longer training leads away from what is predicted without dropout",
        "refuted": "; longer training comes no closer without dropout",
        "undecided": "; whether longer training comes closer without dropout is "
        "undecided",
    },
    "longer-with-dropout": {
        "falls": "; with dropout it comes closer.",
        "stays": "; with dropout it changes little.",
        "grows": "; with dropout it leads away.",
        "refuted": "; with dropout it comes no closer.",
        "undecided": "; whether it comes closer with dropout is undecided.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = ("no-deeper", "longer-training", "not-adams-doing")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together: what was foreseen, and where it fails."""
    return assembled(verdicts, SAID, controls=CONTROLS)


def forecast(q: float, decay: float, rate: float) -> Numbers:
    """What was predicted of a cell of the grid."""
    return PREDICTED[f"10 3 {q:g} {decay:g} {rate:g}"]


STUDY = Study(
    name="predicted-geometry",
    question="Can how many features a toy model keeps, at what norm, aligned or "
    "spread, be said before it is trained?",
    background="The expected loss over all inputs and all masks is minimised without "
    "drawing one. What its minima are like is frozen as the parameters of a measure "
    "before anything is trained, for cells that no pilot had, and every "
    "model is scored against it and against a constant from a pilot at other sizes. "
    "The rule of the prediction, and what else was fixed on the pilot's seeds, stands "
    "in the study's source.",
    subject=ToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, BASIS, TRAINING, prediction_error(PREDICTED, CONSTANT)],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=predicted_beside_trained(forecast, CONSTANT["10 3"]),
)
