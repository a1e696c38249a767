"""Does dropout let features escape it, and are those on few units the ones it keeps?

A feature on n units escapes dropout untouched with probability (1 - p)^n, and so,
Pona's comments say, dropout favours features on few units. With n the number of units
of non-zero weight this is an identity, which a test holds. In a trained model every
weight is non-zero, so that the formula says nothing until n and "untouched" are given
another meaning. Against it stands the size of the hit: the noise on a feature's own
read-out has relative variance p / ((1 - p) PR), which is smaller the more units there
are. How far (1 - p)^n is from what masks do is drawn for three n and two events, and
claimed nowhere: directions that were never trained have such errors too, so that a
small one says nothing of dropout. Asked of models on eight units is instead what
dropout adds to what directions or bases at random give:

- *Do features escape?* `relative_escape`: how often a mask at rate 0.5 takes at most a
  tenth of a feature's read-out, counted over all masks, divided by the same for the
  same model in random bases.
- *How many units carry a feature as p rises?* `carriers_by_participation`, fewer, the
  same or more than without dropout, in each regime by itself. A random direction has
  3.6.
- *What is cheaper?* Rotating the units leaves the model without dropout as it is. Over
  rotations, `carriers_loss_correlation` says whether a feature on fewer units loses
  less to dropout (above 0) or more (below 0). Random directions have -0.1 to -0.6: by
  itself more units are cheaper. `learned_loss_correlation` is what remains after that
  of random directions with the model's own norms and biases is taken off.
- *Which features are kept?* A row trains two models from one start on the same inputs,
  with dropout and without (`PairsOfToyModels`). Of the features that the second
  represents, which does the first? Where importance decays, `importance_auc` asks
  whether the more important are. Whether the number of units tells (`escape_auc`) is
  asked among features of equal importance alone: elsewhere it would be credited with
  what importance does to both. Escape and the size of the noise order features in
  opposite ways, so one number answers for both. The pair is the unit.

Fixed on the pilot's seeds, before the rest; verdicts on other seeds below FIRST_SEED
had been seen too:

- *Convergence*: 10,000 steps of a cosine schedule leave the clean loss of both models
  of a pair within 1 % of where it stood at 0.9 of training; the slower one counts.
- *No claim where S = 0 and importances are equal*: trained four times as long, features
  there lay on 2.0 units in place of 3.0 though the loss had settled; in the regimes
  that are claimed about the count moved by 0.2 at most.
- *Kept and lost* are told apart at rate 0.5 with decaying importances, where the pilot
  had kept and lost features in every pair, and at 0.7 with equal ones: at 0.5 equally
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
FIRST_SEED = 2400
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_400))
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


def told_apart(*, seeds: int) -> Design:
    """More seeds where kept features of equal importance are told from lost ones."""
    return models(
        rate=[0.0, HIGH_RATE],
        feature_probability=[0.3, 0.1],
        importance_decay=1.0,
        seeds=seeds,
    )


def trained_longer(q: float | list[float], decay: Any, *, seeds: int) -> Design:
    """The same models, trained four times as long."""
    return models(
        rate=[0.0, RATE],
        feature_probability=q,
        importance_decay=decay,
        steps=4 * STEPS,
        seeds=seeds,
    )


DEMO = (
    regimes(rates=[0.0, RATE, HIGH_RATE], densities=[1.0, 0.3, 0.1], seeds=20)
    | told_apart(seeds=40)
    | trained_longer(0.3, [1.0, DECAY], seeds=20)
)
DEFAULT = (
    DEMO
    | regimes(
        rates=[0.0, 0.1, 0.2, 0.3, 0.4, RATE, 0.6, HIGH_RATE],
        densities=[1.0, 0.3, 0.1],
        seeds=32,
    )
    | told_apart(seeds=80)
    | trained_longer([0.3, 0.1], [1.0, DECAY], seeds=48)
    | trained_longer(1.0, DECAY, seeds=48)
    | regimes(rates=[RATE, 0.0], densities=[0.3, 0.1], seeds=48)
    | models(
        rate=[0.0, RATE],
        feature_probability=1.0,
        importance_decay=DECAY,
        seeds=48,
    )
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


OFTENER, RARER = above(2.0, "more often"), below(0.5, "less often")
AS_OFTEN = between(0.5, 2.0, "as often")
FEWER, MORE = below(-0.25, "fewer"), above(0.25, "more")
AS_MANY = between(-0.25, 0.25, "as many")
FEW_CHEAPER, MANY_CHEAPER = above(0.1, "few are"), below(-0.1, "many are")
AS_AT_RANDOM = between(-0.1, 0.1, "as at random")
FEW_KEPT, MANY_KEPT = above(0.6, "few are"), below(0.4, "many are")
NEITHER_KEPT = between(0.4, 0.6, "neither")
TWICE = (
    "Twice as often, or half as often, as in random bases: without dropout models lie "
    "between, at 0.7 to 1."
)
QUARTER = (
    "By a quarter of a unit, one and a half standard deviations of a model without "
    "dropout at S = 0.9 with equal importances."
)
STRAYS = (
    "By a correlation of 0.1, about a standard deviation over seeds of that of random "
    "directions."
)
TENTH = (
    "By 0.1: of ten pairs of a kept and a lost feature, one more or less in order. "
    "In the median over seeds, both sparsities averaged within each."
)


def escape(name: str, where: dict, words: str, region: Any) -> Claim:
    """Whether features of a regime escape more or less often than in random bases."""
    regions = (OFTENER, AS_OFTEN, RARER)
    return Claim(
        name,
        f"{words}, features of models trained with dropout at rate 0.5 escape it "
        f"{region.name} than in random bases, by a factor of two.",
        [Part(at("relative_escape", where), region)],
        reason=TWICE,
        source=f"The pilot; that it is more often: {PONA}.",
        rivals=[other for other in regions if other != region],
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
    """Whether a model's arrangement makes few units or many cheaper for a feature."""
    regions = (FEW_CHEAPER, AS_AT_RANDOM, MANY_CHEAPER)
    return Claim(
        name,
        f"{statement}, over rotations of the model trained at rate 0.5.",
        [Part(at("learned_loss_correlation", where), region)],
        reason=STRAYS,
        source=f"The pilot. That few are: {PONA}. That many are: {NOISE}.",
        rivals=[other for other in regions if other != region],
    )


def as_trained_longer(number: str, q: float, decay: float, region: Any) -> Part:
    """That a number of models with dropout stays as it is at four times the steps."""
    where = cell(q, decay) | {"rate": RATE}
    del where["steps"]
    contrast = {"factor": "steps", "treated": 4 * STEPS, "control": STEPS}
    return Part(paired_difference(number, **contrast, where=where), region)


CLAIMS = [
    escape("escape-equal-07", cell(0.3, 1.0), "At equal importances, S = 0.7", OFTENER),
    escape(
        "escape-decaying",
        DECAYING,
        "At decaying importances, S = 0.7 and 0.9 together",
        RARER,
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
        "With equal importances at S = 0.7, the arrangement of features makes few "
        "units cheaper for a feature than they are among random directions",
        FEW_CHEAPER,
    ),
    cheaper(
        "cheaper-equal-09",
        cell(0.1, 1.0),
        "With equal importances at S = 0.9, the arrangement of features makes few "
        "units cheaper for a feature than they are among random directions",
        FEW_CHEAPER,
    ),
    cheaper(
        "cheaper-decaying",
        DECAYING,
        "With decaying importances, S = 0.7 and 0.9 together, few units are as dear to "
        "a feature as they are among random directions",
        AS_AT_RANDOM,
    ),
    Claim(
        "importance-decides",
        "With decaying importances, of the features that the model without dropout "
        "represents the more important are kept at rate 0.5.",
        [Part(at("importance_auc", DECAYING), above(0.95))],
        reason="Out of twenty pairs of a kept and a lost feature at most one stands in "
        "the other order, which leaves less than 0.05 for any other score to add.",
        source="The pilot.",
    ),
    Claim(
        "units-among-equals",
        "With equal importances at dropout rate 0.7, the number of units in the model "
        "without dropout does not tell kept from lost features.",
        [
            Part(
                at("escape_auc", cell([0.3, 0.1], 1.0), rate=HIGH_RATE),
                NEITHER_KEPT,
            )
        ],
        reason=TENTH,
        source=f"The pilot; that those on few units are kept: {PONA}.",
        rivals=[FEW_KEPT, MANY_KEPT],
    ),
    Claim(
        "longer-training",
        "Training four times as long changes neither the number of units that carry a "
        "feature nor what they cost, at S = 0.7 and dropout rate 0.5.",
        [
            as_trained_longer(number, 0.3, decay, region)
            for decay in (1.0, DECAY)
            for number, region in (
                ("carriers_by_participation", AS_MANY),
                ("learned_loss_correlation", AS_AT_RANDOM),
            )
        ],
        reason="What counts as as many, and as the same cost.",
        source="A control: fixed steps are not the optimum.",
    ),
    Claim(
        "longer-training-elsewhere",
        "Training four times as long does not change the number of units that carry a "
        "feature at dropout rate 0.5 in the other regimes that are claimed about.",
        [
            as_trained_longer("carriers_by_participation", q, decay, AS_MANY)
            for q, decay in ((0.1, 1.0), (0.1, DECAY), (1.0, DECAY))
        ],
        reason="What counts as as many.",
        source="A control: fixed steps are not the optimum.",
        designs=["default", "full"],
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

EQUALS = "equally important features at S = 0.7"
DECAYED = "of decaying importance at S = 0.7 and 0.9"
SAID = {
    "escape-equal-07": {
        "more often": f"With dropout, {EQUALS} escape it more than twice as often as "
        "in a random basis.",
        "as often": f"With dropout, {EQUALS} escape it about as often as in a random "
        "basis.",
        "less often": f"With dropout, {EQUALS} escape it less than half as often as in "
        "a random basis.",
        "refuted": f"With dropout, {EQUALS} do not escape it more than twice as often "
        "as in a random basis.",
        "undecided": f"Whether {EQUALS} escape dropout more often than in a random "
        "basis is undecided.",
    },
    "escape-decaying": {
        "more often": f" Features {DECAYED} escape it more than twice as often.",
        "as often": f" Features {DECAYED} escape it about as often.",
        "less often": f" Features {DECAYED} escape it less than half as often: they "
        "spread.",
        "refuted": f" Features {DECAYED} do not escape it less than half as often.",
        "undecided": f" Whether features {DECAYED} escape it less often is undecided.",
    },
    "importance-decides": {
        "supported": " There the most important features are kept.",
        "refuted": " There importance alone does not say which features are kept.",
        "undecided": " Whether the most important are kept there is undecided.",
    },
    "units-among-equals": {
        "few are": " Among equals, features on few units are kept more often.",
        "many are": " Among equals, features on many units are kept more often.",
        "neither": " Among equals, the number of units does not tell which are kept.",
        "refuted": " Among equals, the number of units tells which are kept.",
        "undecided": " Whether the number of units tells which of equals are kept is "
        "undecided.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""
CONTROLS = ("longer-training", "longer-training-elsewhere")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, for and against the comments."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STUDY = Study(
    name="survival",
    question="Does dropout let features escape it, and are the features on few units "
    "the ones that are kept?",
    background="A feature on n units escapes dropout with probability (1 - p)^n: on "
    "more units it is hit more often, and less hard. How far the formula is from what "
    "masks do is drawn beside untrained weights, where it can be as close, and is "
    "therefore not claimed. Asked is what dropout adds to random bases and directions: "
    "in escape, in the number of units, in what they cost; and which features of the "
    "model without dropout the one with it keeps. What was fixed on the pilot's seeds "
    "stands in the study's source.",
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
