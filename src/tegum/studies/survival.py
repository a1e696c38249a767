"""Does a feature escape dropout with probability (1 - p)^n, and do few units pay?

A feature on n units escapes dropout untouched with probability (1 - p)^n, and so,
Pona's comments say, dropout favours features on few units. With n the number of units
of non-zero weight this is an identity, which a test holds and no claim asks about. In a
trained model every weight is non-zero, so that the formula says nothing until n and
"untouched" are given another meaning. Against it stands the size of the hit: the noise
on a feature's own read-out has relative variance p / ((1 - p) PR), which is smaller the
more units there are. The study asks four things apart, on eight units:

- *Does it happen, and under which n?* Three n (`counts_of_units`): the participation
  ratio, a threshold count, and the n that masks at rate 0.5 show. Three events, counted
  over all masks: at most a tenth of the read-out is lost; at most half of it; the
  read-out, rescaled by 1 / (1 - p) as training does, is within half of its clean value.
  Errors are in probability, at rates 0.1, 0.3 and 0.7.
- *How many units carry a feature as p rises?* `carriers_by_participation`, fewer, the
  same or more, in each regime by itself. A random direction has 3.6.
- *What is cheaper?* Rotating the units leaves the model without dropout as it is.
  `carriers_loss_correlation` says, over rotations of a trained model, whether a feature
  on fewer units loses less to dropout (above 0) or more (below 0).
- *Which features are kept?* A row trains two models from one start on the same inputs,
  with dropout and without (`PairsOfToyModels`). Of the features that the second
  represents, which does the first? By escape those on few units are kept, by noise
  those on many: opposite orders of the same features. Each score is held against the
  norm alone, seed by seed, by the area under its curve (`norm_auc`). Norm and units
  together have one weight, which was fitted on the pilot's seeds and is part of the
  registration; the study's own seeds are held out. The pair is the unit.

Fixed on the pilot's seeds, before the rest:

- *Convergence*: 10,000 steps of a cosine schedule leave the clean loss of both models
  of a pair within 1 % of where it stood at 0.9 of training; the slower one counts.
- *No claim where S = 0 and importances are equal*: trained four times as long, features
  there lay on 2.0 units in place of 3.0 though the loss had settled; elsewhere the
  count moved by 0.3 at most.
- *The kept* are told apart at rate 0.5 with decaying importances, where the pilot had
  kept and lost features in every pair, and at 0.7 with equal ones: at 0.5 equally
  important features at S = 0.9 are all kept.
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
from tegum.measures import REDUNDANCY
from tegum.studies._answers import assembled
from tegum.studies._survival_measures import KEPT, SURVIVAL
from tegum.studies._survival_pairs import PairsOfToyModels
from tegum.studies._survival_picture import carriers_and_errors, survival_over_rates
from tegum.study import Convergence, Figure, Study
from tegum.toys.training import TRAINING

STEPS = 10_000
RATE, HIGH_RATE = 0.5, 0.7
DECAY = 0.8
"""Importances 0.8^i: the last of 20 features matters 1.4 % as much as the first."""
N_FEATURES, N_HIDDEN = 20, 8
FIRST_SEED = 400
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_040))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""


def models(*, seeds: int, n_hidden: int = N_HIDDEN, **factors: Any) -> Design:
    """A grid of pairs trained with AdamW, unless the factors say otherwise."""
    usual = {
        "noise": "dropout",
        "optimiser": "adamw",
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "weight_decay": 0.0,
        "batch_size": 512,
        "steps": STEPS,
    }
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(
        n_features=N_FEATURES,
        n_hidden=n_hidden,
        **{**usual, **factors},
        seeds=fresh,
    )


def cell(q: float | list[float], decay: float | list[float], **factors: Any) -> dict:
    """The models of one regime: every factor that varies but the dropout rate."""
    usual = {"n_hidden": N_HIDDEN, "optimiser": "adamw", "steps": STEPS}
    return {
        **usual,
        "feature_probability": q,
        "importance_decay": decay,
        **factors,
    }


# --- designs -------------------------------------------------------------------------


def regimes(*, rates: list[float], densities: list[float], seeds: int) -> Design:
    """Equal and decaying importances at each density."""
    return models(
        rate=rates,
        feature_probability=densities,
        importance_decay=[1.0, DECAY],
        seeds=seeds,
    )


def told_apart(decay: float, *, rate: float, seeds: int) -> Design:
    """More seeds where kept features are told from lost ones."""
    return models(
        rate=[0.0, rate],
        feature_probability=[0.3, 0.1],
        importance_decay=decay,
        seeds=seeds,
    )


DEMO = (
    regimes(rates=[0.0, 0.3, RATE, HIGH_RATE], densities=[1.0, 0.3, 0.1], seeds=24)
    | told_apart(DECAY, rate=RATE, seeds=40)
    | models(
        rate=[0.0, RATE],
        feature_probability=0.3,
        importance_decay=[1.0, DECAY],
        steps=4 * STEPS,
        seeds=16,
    )
)
DEFAULT = (
    DEMO
    | regimes(
        rates=[0.0, 0.1, 0.2, 0.3, 0.4, RATE, 0.6, HIGH_RATE],
        densities=[1.0, 0.3, 0.1],
        seeds=32,
    )
    | told_apart(DECAY, rate=RATE, seeds=80)
    | told_apart(1.0, rate=HIGH_RATE, seeds=80)
    | models(
        n_hidden=5,
        rate=[0.0, RATE],
        feature_probability=0.3,
        importance_decay=[1.0, DECAY],
        seeds=24,
    )
)
FULL = DEFAULT | regimes(
    rates=[0.0, 0.05, 0.1, 0.2, 0.3, 0.4, RATE, 0.6, HIGH_RATE, 0.8],
    densities=[1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05],
    seeds=60,
)

# --- claims --------------------------------------------------------------------------

SPARSE = cell([0.3, 0.1], [1.0, DECAY])
DECAYING = cell([0.3, 0.1], DECAY)
PONA = "Pona 2023, comments on Dropout can create a privileged basis"
NOISE = "Derived: the noise on a read-out has relative variance p / ((1 - p) PR)"


def at(number: str, where: dict, *, rate: float = RATE) -> Estimand:
    """A number at a dropout rate."""
    return level(number, where={**where, "rate": rate})


def change(number: str, where: dict) -> Estimand:
    """What is added to a number at dropout rate 0.5, against none."""
    return paired_difference(
        number, factor="rate", treated=RATE, control=0.0, where=where
    )


FEWER, MORE = below(-0.25, "fewer"), above(0.25, "more")
AS_MANY = between(-0.25, 0.25, "as many")
FEW_CHEAPER, MANY_CHEAPER = above(0.05, "few are"), below(-0.05, "many are")
NO_MATTER = between(-0.05, 0.05, "neither")
BETTER, WORSE = above(0.1, "better"), below(-0.1, "worse")
AS_GOOD = between(-0.1, 0.1, "as good")
QUARTER = (
    "By a quarter of a unit, one and a half standard deviations of a model without "
    "dropout at S = 0.9 with equal importances."
)
STRAYS = (
    "By a correlation of 0.05, about a standard deviation over seeds where units do "
    "not matter: S = 0.9 with equal importances."
)
TENTH = (
    "By 0.1: of ten pairs of a kept and a lost feature, one more or less in order. "
    "In the median over seeds, both sparsities averaged within each."
)


def carriers(
    name: str, where: dict, words: str, region: Any, *, source: str = PONA
) -> Claim:
    """Whether dropout puts the features of a regime on fewer or on more units."""
    regions = (FEWER, AS_MANY, MORE)
    return Claim(
        name,
        f"{words}, dropout at rate 0.5 puts features on {region.name} units than "
        "training without.",
        [Part(change("carriers_by_participation", where), region)],
        reason=QUARTER,
        source=f"The pilot; that it is fewer: {source}.",
        rivals=[other for other in regions if other != region],
    )


def cheaper(name: str, where: dict, statement: str, region: Any) -> Claim:
    """Whether lying on few units or on many costs a feature less."""
    regions = (FEW_CHEAPER, NO_MATTER, MANY_CHEAPER)
    return Claim(
        name,
        statement,
        [Part(at("carriers_loss_correlation", where), region)],
        reason=STRAYS,
        source=f"The pilot. That few are: {PONA}. That many are: {NOISE}.",
        rivals=[other for other in regions if other != region],
    )


def score(
    name: str, number: str, statement: str, region: Any, names: Any, *, source: str
) -> Claim:
    """Whether a score tells kept from lost features better than their norm."""
    return Claim(
        name,
        statement,
        [Part(at(number, DECAYING), region)],
        reason=TENTH,
        source=source,
        rivals=[other for other in names if other != region],
    )


CLAIMS = [
    Claim(
        "untouched-as-predicted",
        "At most a tenth of a feature's read-out is lost with probability (1 - p)^n to "
        "within 0.05, whether n is the participation ratio, a threshold count or what "
        "masks at rate 0.5 show, over S = 0.7 and 0.9 together.",
        [
            Part(at(f"untouched_error_by_{n}", SPARSE), below(0.05))
            for n in ("participation", "threshold", "masks")
        ],
        reason="0.05 is a twentieth of the range of a probability; the pilot's errors "
        "were 0.02 and less.",
        source=PONA,
    ),
    Claim(
        "half-lost-is-another-matter",
        "At most half of a feature's read-out is lost with a probability that (1 - "
        "p)^n misses by more than 0.1, n the participation ratio or a threshold count, "
        "over S = 0.7 and 0.9 together.",
        [
            Part(at(f"half_error_by_{n}", SPARSE), above(0.1))
            for n in ("participation", "threshold")
        ],
        reason="0.1 is twice the error that counts as a fit.",
        source="Derived: of n equal units, half are lost with a binomial probability.",
    ),
    Claim(
        "training-sees-the-noise",
        "Rescaled as in training, a read-out stays within half of its clean value "
        "with a probability that (1 - p)^PR misses by more than 0.1, and a Gaussian "
        "of variance p / ((1 - p) PR) by less, over S = 0.7 and 0.9 together.",
        [
            Part(at("rescaled_error_by_escape", SPARSE), above(0.1)),
            Part(at("rescaled_error_by_noise", SPARSE), below(0.1)),
        ],
        reason="0.1 is twice the error that counts as a fit.",
        source=f"{NOISE}.",
    ),
    carriers(
        "carriers-equal-07", cell(0.3, 1.0), "With equal importances at S = 0.7", FEWER
    ),
    carriers(
        "carriers-equal-09", cell(0.1, 1.0), "With equal importances at S = 0.9", MORE
    ),
    carriers(
        "carriers-decaying-00",
        cell(1.0, DECAY),
        "With decaying importances at S = 0",
        FEWER,
    ),
    carriers(
        "carriers-decaying-07",
        cell(0.3, DECAY),
        "With decaying importances at S = 0.7",
        MORE,
    ),
    carriers(
        "carriers-decaying-09",
        cell(0.1, DECAY),
        "With decaying importances at S = 0.9",
        MORE,
    ),
    cheaper(
        "cheaper-equal-07",
        cell(0.3, 1.0),
        "With equal importances at S = 0.7, a feature on fewer units loses less to "
        "dropout, over rotations of the model trained at rate 0.5.",
        FEW_CHEAPER,
    ),
    cheaper(
        "cheaper-equal-09",
        cell(0.1, 1.0),
        "With equal importances at S = 0.9, the number of its units does not say what "
        "a feature loses to dropout, over rotations of the model trained at rate 0.5.",
        NO_MATTER,
    ),
    cheaper(
        "cheaper-decaying",
        DECAYING,
        "With decaying importances, a feature on more units loses less to dropout, "
        "over rotations of the model trained at rate 0.5, S = 0.7 and 0.9 together.",
        MANY_CHEAPER,
    ),
    score(
        "escape-score",
        "escape_auc_gain",
        "With decaying importances, escape in the model without dropout tells kept "
        "from lost features worse than their norm does.",
        WORSE,
        (BETTER, AS_GOOD, WORSE),
        source=f"The pilot; that escape is why features are lost: {PONA}.",
    ),
    score(
        "noise-score",
        "noise_auc_gain",
        "With decaying importances, the size of the noise in the model without "
        "dropout tells kept from lost features worse than their norm does.",
        WORSE,
        (BETTER, AS_GOOD, WORSE),
        source=f"The pilot. {NOISE}.",
    ),
    score(
        "units-beside-the-norm",
        "both_auc_gain",
        "With decaying importances, the number of units adds nothing to the norm in "
        "telling kept from lost features, with a weight fitted on other seeds.",
        between(-0.1, 0.1, "adds nothing"),
        (
            above(0.1, "adds"),
            between(-0.1, 0.1, "adds nothing"),
            below(-0.1, "misleads"),
        ),
        source="The pilot.",
    ),
    Claim(
        "no-telling-among-equals",
        "With equal importances at dropout rate 0.7, neither the number of units nor "
        "the norm in the model without dropout tells kept from lost features.",
        [
            Part(
                at(number, cell([0.3, 0.1], 1.0), rate=HIGH_RATE),
                between(0.4, 0.6),
            )
            for number in ("escape_auc", "norm_auc")
        ],
        reason=TENTH,
        source="The pilot; before training, equal features are alike.",
        designs=["default", "full"],
    ),
    Claim(
        "longer-training",
        "Training four times as long changes neither the number of units that carry a "
        "feature nor what they cost, at S = 0.7 and dropout rate 0.5.",
        [
            Part(
                paired_difference(
                    number,
                    factor="steps",
                    treated=4 * STEPS,
                    control=STEPS,
                    where={
                        name: value
                        for name, value in {**cell(0.3, decay), "rate": RATE}.items()
                        if name != "steps"
                    },
                ),
                region,
            )
            for decay in (1.0, DECAY)
            for number, region in (
                ("carriers_by_participation", AS_MANY),
                ("carriers_loss_correlation", NO_MATTER),
            )
        ],
        reason="What counts as as many, and as neither.",
        source="A control: fixed steps are not the optimum.",
    ),
    Claim(
        "five-units",
        "On 5 units at S = 0.7, dropout at rate 0.5 puts features of equal importance "
        "on fewer units and those of decaying importance on more.",
        [
            Part(
                change("carriers_by_participation", cell(0.3, decay, n_hidden=5)),
                region,
            )
            for decay, region in ((1.0, FEWER), (DECAY, MORE))
        ],
        reason="By the same quarter of a unit as on 8 units.",
        source="The pilot.",
        designs=["default", "full"],
    ),
]

SAID = {
    "untouched-as-predicted": {
        "supported": "A feature is spared but for a tenth with probability (1 - p)^n, "
        "under each of the three n",
        "refuted": "Even where a tenth may be lost, (1 - p)^n is not what happens "
        "under each of the three n",
        "undecided": "Whether (1 - p)^n is what happens is undecided",
    },
    "training-sees-the-noise": {
        "supported": ", but what training sees follows the size of the noise",
        "refuted": ", and what training sees does not follow the noise alone",
    },
    "carriers-equal-07": {
        "fewer": ". Equally important features at S = 0.7 come to lie on fewer units",
        "as many": ". Equally important features at S = 0.7 lie on as many units",
        "more": ". Equally important features at S = 0.7 come to lie on more units",
    },
    "carriers-decaying-07": {
        "fewer": "; those of decaying importance on fewer",
        "as many": "; those of decaying importance on as many as without dropout",
        "more": "; those of decaying importance on more",
    },
    "cheaper-decaying": {
        "few are": ", though fewer would cost less",
        "neither": ", and the number costs them nothing",
        "many are": ", which costs them less",
    },
    "escape-score": {
        "better": ". Escape tells better than the norm which features are kept.",
        "as good": ". Escape tells as well as the norm which features are kept.",
        "worse": ". Escape tells worse than the norm which features are kept.",
        "refuted": ". Escape is not worse than the norm in telling what is kept.",
        "undecided": ". Whether escape tells which features are kept is undecided.",
        "supported": ". Escape tells worse than the norm which features are kept.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, for and against the comments."""
    return assembled(verdicts, SAID, controls=("longer-training",))


STUDY = Study(
    name="survival",
    question="Does a feature survive dropout with probability (1 - p)^n, and are the "
    "features on few units the ones that are kept?",
    background="A feature on more units is hit more often and less hard. Which of the "
    "two counts is asked of the masks themselves, of rotations of trained models, of "
    "the number of units as the rate rises, and of pairs of models with dropout and "
    "without. What was fixed on the pilot's seeds stands in the study's source.",
    subject=PairsOfToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[REDUNDANCY, SURVIVAL, KEPT, TRAINING],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("slower_loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=carriers_and_errors,
    figures=[
        Figure(
            "survival-curves",
            "How often masks spare a feature, counted over all masks of a model, and "
            "what each prediction says, against the dropout rate; medians over seeds, "
            "and a band from the tenth to the ninetieth of a hundred of them for what "
            "is counted. Decaying importances at S = 0.7; one model was trained "
            "without dropout, the other at rate 0.5.",
            survival_over_rates,
            where={
                "feature_probability": 0.3,
                "importance_decay": DECAY,
                "rate": [0.0, RATE],
                "n_hidden": N_HIDDEN,
                "steps": STEPS,
            },
        )
    ],
)
