"""Does dropout inhibit superposition, and if so, by which of three ways?

Pona's posts say that dropout on the bottleneck of a toy autoencoder inhibits
superposition, because it adds variability to each feature's direction, so that
features can not be packed as tightly; and that there is one exception, when
importances decay and features are dense. "Less superposition" can mean three things:
weaker features (shrinkage alone lowers every interference), fewer features, or looser
packing of the same ones. The study asks for each by itself.

And interference need not mean superposition. Dropout's penalty is E h_k^2, inputs are
never negative, and dense units therefore gain from weights that cancel their mean
(`theory.mean_cancellation`). So the exception is asked for together with what would
tell the two apart: a read-out without a ReLU, which gains nothing from superposition;
inputs of mean 0, whose units have no mean to cancel; the share of the mean in what
units carry; and how many features are represented.

Everything that could bend the answer was fixed on the pilot's seeds, before the rest:

- *Convergence.* 10,000 steps of a cosine schedule leave the clean loss of every arm
  within 1 % of where it stood at 0.9 of training. A flat loss is not yet a settled
  geometry: where features are dense and equally important, the loss hardly depends on
  how many are kept, and interference drifts on. So that cell and the exception are
  also trained four times as long.
- *Learning rates*, by one rule for each optimiser and density, without dropout: the
  rate of its ladder with the lowest clean loss, in the median over the pilot's seeds
  and the geometric mean over both importances. AdamW's ladder is 1e-3, 3e-3, 1e-2,
  SGD's (momentum 0.9) is 0.3, 1, 3, 10, 30. AdamW's winner is the same everywhere.
- *Weight decay* is 0: PyTorch's silent 0.01 would shrink norms by itself.
- *Seeds.* Earlier sets had answered these claims: 100 to 159 those that do not speak of
  means, 2100 to 2119 all but one, whose region was narrower than one feature, the least
  that a count can show.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence

from tegum.claims import (
    Claim,
    Part,
    Region,
    Verdict,
    above,
    below,
    between,
    level,
    paired_difference,
    paired_ratio,
)
from tegum.claims.estimands import Estimand, adjacent_differences
from tegum.design import Design, Value, grid
from tegum.measures.geometry import GEOMETRY
from tegum.studies._dropout_picture import interference_taken_apart
from tegum.studies._mean_share import MEAN_SHARE
from tegum.study import Convergence, Study
from tegum.theory.mean_cancellation import mean_cancellation
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

STEPS = 10_000
DECAY = 0.8
"""Importances 0.8^i: the twentieth feature matters 1.4 % as much as the first."""
WIDE_DECAY = 0.95
"""The same ratio of the last to the first, to within 1 %, over 80 features."""

ADAMW_RATE = 3e-3
SGD_RATE = {1.0: 1.0, 0.1: 10.0}
FIRST_SEED = 2200
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_300))
"""Seeds that were looked at while the claims and the code were being made."""

SMALL = {"n_features": 20, "n_hidden": 5}
WIDE = {"n_features": 80, "n_hidden": 20}
COMMON = {
    "noise": "dropout",
    "schedule": "cosine",
    "weight_decay": 0.0,
    "batch_size": 512,
}


def models(
    size: dict[str, int],
    *,
    rate: list[float],
    feature_probability: list[float],
    importance_decay: list[float],
    seeds: int,
    optimiser: str = "adamw",
    steps: int = STEPS,
    output: str = "relu",
    feature_values: str = "uniform",
) -> Design:
    """A grid of one optimiser, at the learning rate that its rule gave."""
    tables = [
        grid(
            **size,
            **COMMON,
            rate=rate,
            feature_probability=q,
            importance_decay=importance_decay,
            optimiser=optimiser,
            learning_rate=ADAMW_RATE if optimiser == "adamw" else SGD_RATE[q],
            steps=steps,
            output=output,
            feature_values=feature_values,
            seeds=range(FIRST_SEED, FIRST_SEED + seeds),
        )
        for q in feature_probability
    ]
    return union(tables)


def union(tables: Sequence[Design]) -> Design:
    """All rows of several tables."""
    return functools.reduce(operator.or_, tables)


def cell(
    q: float | list[float],
    decay: float | list[float],
    *,
    size: dict[str, int] = SMALL,
    optimiser: str = "adamw",
    steps: int | None = STEPS,
    output: str = "relu",
    feature_values: str = "uniform",
) -> dict[str, Value | list[float]]:
    """The models of one cell: all factors that vary, but the dropout rate."""
    where: dict[str, Value | list[float]] = {
        "n_features": size["n_features"],
        "feature_probability": q,
        "importance_decay": decay,
        "optimiser": optimiser,
        "output": output,
        "feature_values": feature_values,
    }
    return where if steps is None else {**where, "steps": steps}


# --- designs -------------------------------------------------------------------------

DENSITIES = [1.0, 0.3, 0.1, 0.01]
LONGER = ((1.0, 1.0, [0.0, 0.5]), (1.0, DECAY, [0.0, 0.1]))
LONGER_TOO = ((1.0, 1.0, [0.1]), (0.1, 1.0, [0.0, 0.5]), (0.1, DECAY, [0.0, 0.5]))
"""Feature probability, decay and rates that are also trained four times as long."""


def longer(cells: Sequence[tuple[float, float, list[float]]]) -> Design:
    """The same models as in the grid, but for the steps."""
    tables = [
        models(
            SMALL,
            rate=rates,
            feature_probability=[q],
            importance_decay=[decay],
            steps=4 * STEPS,
            seeds=20,
        )
        for q, decay, rates in cells
    ]
    return union(tables)


def linear(feature_values: str) -> Design:
    """The exception's models with a linear read-out, and inputs of another mean."""
    return models(
        SMALL,
        rate=[0.0, 0.1],
        feature_probability=[1.0],
        importance_decay=[DECAY],
        output="linear",
        feature_values=feature_values,
        seeds=20,
    )


DEMO = (
    models(
        SMALL,
        rate=[0.0, 0.1, 0.3, 0.5, 0.7],
        feature_probability=DENSITIES,
        importance_decay=[1.0, DECAY],
        seeds=20,
    )
    | models(
        SMALL,
        rate=[0.0, 0.5],
        feature_probability=[0.1],
        importance_decay=[1.0, DECAY],
        optimiser="sgd",
        seeds=20,
    )
    | models(
        SMALL,
        rate=[0.0, 0.1],
        feature_probability=[1.0],
        importance_decay=[DECAY],
        optimiser="sgd",
        seeds=20,
    )
    | linear("uniform")
    | linear("signed_uniform")
    | longer(LONGER)
)

RATES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
DEFAULT = (
    DEMO
    | longer(LONGER_TOO)
    | models(
        SMALL,
        rate=RATES,
        feature_probability=[1.0, 0.5, 0.3, 0.1, 0.03, 0.01],
        importance_decay=[1.0, DECAY],
        seeds=40,
    )
    | models(
        WIDE,
        rate=[0.0, 0.1, 0.3, 0.5],
        feature_probability=[1.0, 0.1, 0.01],
        importance_decay=[1.0, WIDE_DECAY],
        seeds=20,
    )
)
FULL = (
    DEFAULT
    | models(
        SMALL,
        rate=RATES,
        feature_probability=[1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01],
        importance_decay=[1.0, 0.9, DECAY, 0.7],
        seeds=60,
    )
    | models(
        SMALL,
        rate=RATES,
        feature_probability=[1.0, 0.1],
        importance_decay=[1.0, DECAY],
        optimiser="sgd",
        seeds=60,
    )
    | models(
        WIDE,
        rate=RATES,
        feature_probability=[1.0, 0.3, 0.1, 0.03, 0.01],
        importance_decay=[1.0, WIDE_DECAY],
        seeds=40,
    )
)

# --- claims --------------------------------------------------------------------------

CELLS = [(q, decay) for q in DENSITIES for decay in (1.0, DECAY)]
EXCEPTION = (1.0, DECAY)
ELSEWHERE = [found for found in CELLS if found != EXCEPTION]
SPARSE = [(q, decay) for q, decay in CELLS if q <= 0.1]
SPARSEST_UNIFORM = (0.01, 1.0)
POST = "Pona 2023, Superposition and Dropout"


def ratio(number: str, where: dict, *, rate: float = 0.5) -> Estimand:
    """By what a number is multiplied at a dropout rate, against none."""
    return paired_ratio(number, factor="rate", treated=rate, control=0.0, where=where)


def difference(number: str, where: dict, *, rate: float = 0.5) -> Estimand:
    """What is added to a number at a dropout rate, against none."""
    return paired_difference(
        number, factor="rate", treated=rate, control=0.0, where=where
    )


def everywhere(estimands: Sequence[Estimand], region: Region) -> list[Part]:
    """One part for each cell, all with the same region."""
    return [Part(estimand, region) for estimand in estimands]


TENTH_LESS = below(0.9)  # less than a tenth would be no inhibition worth the name
TWO_FEATURES_LESS = below(-2.0)  # a tenth of twenty
LOOSER = above(0.05, "looser")  # a twentieth of what interference there is
AS_TIGHT = between(-0.05, 0.05, "as tight as before")
TIGHTER = below(-0.05, "tighter")
APPEARS = above(
    0.1, "interference appears"
)  # 500 times what is there without dropout in the pilot
DERIVED = mean_cancellation(15, density=1.0, rate=0.1).total_interference(5, n_idle=15)
"""Were the fifteen features that are not kept of no importance at all: 0.36."""

CLAIMS = [
    Claim(
        "interference-falls",
        "Dropout at rate 0.5 lowers total interference in every cell but the "
        "exception's.",
        everywhere(
            [ratio("total_interference", cell(*c)) for c in ELSEWHERE], TENTH_LESS
        ),
        reason="At least a tenth: less would be no inhibition worth the name.",
        source=POST,
    ),
    Claim(
        "norms-shrink",
        "Where features are sparse (S >= 0.9), dropout at rate 0.5 shrinks the "
        "features that are represented.",
        everywhere(
            [ratio("effective_norm_squared", cell(*c)) for c in SPARSE], TENTH_LESS
        ),
        reason="At least a tenth. One feature alone would shrink to 1 / (1 + v / PR), "
        "which is 1/2 to 5/6 at this rate.",
        source="Derived: the linear optimum under inverted dropout.",
    ),
    Claim(
        "features-fall-everywhere",
        "Dropout at rate 0.5 leaves fewer features represented, in every sparse cell "
        "(S >= 0.9).",
        everywhere(
            [difference("features_represented", cell(*c)) for c in SPARSE],
            TWO_FEATURES_LESS,
        ),
        reason="At least two of twenty. Dense cells are left out: where nothing is "
        "superposed there is nothing to drop, and the dense uniform loss hardly "
        "depends on the count.",
        source=POST,
    ),
    Claim(
        "features-fall-but-at-the-sparsest",
        "Dropout at rate 0.5 leaves fewer features represented in every sparse cell "
        "but that of equally important features at S = 0.99.",
        everywhere(
            [
                difference("features_represented", cell(*c))
                for c in SPARSE
                if c != SPARSEST_UNIFORM
            ],
            TWO_FEATURES_LESS,
        ),
        reason="At least two of twenty.",
        source="The pilot.",
    ),
    Claim(
        "none-dropped-at-the-sparsest",
        "Where features are equally important and sparsest (S = 0.99), dropout at rate "
        "0.5 drops no feature: what falls there is due to smaller norms alone.",
        [
            Part(
                difference("features_represented", cell(*SPARSEST_UNIFORM)),
                between(-1.5, 1.5),
            )
        ],
        reason="By one feature at most.",
        source="The pilot.",
    ),
    Claim(
        "packing-loosens-if-uniform",
        "Where features are sparse (S >= 0.9) and equally important, dropout at rate "
        "0.5 loosens packing: more of their interference is of the kind that the best "
        "packing of the same norms avoids.",
        [Part(difference("avoidable_interference", cell([0.1, 0.01], 1.0)), LOOSER)],
        reason="By a twentieth of what interference there is. Loose and tight are "
        "meant in the sense of the frame potential, in which all overlaps count.",
        source=f"{POST}: features can not be packed as tightly.",
        rivals=[AS_TIGHT, TIGHTER],
    ),
    Claim(
        "packing-loosens-if-decaying",
        "Where features are sparse (S = 0.9) and importances decay, dropout at rate "
        "0.5 loosens packing.",
        [Part(difference("avoidable_interference", cell(0.1, DECAY)), LOOSER)],
        reason="By a twentieth of what interference there is.",
        source=f"{POST}: features can not be packed as tightly.",
        rivals=[AS_TIGHT, TIGHTER],
    ),
    Claim(
        "packing-unchanged-if-uniform",
        "With equally important features, in no cell does dropout at rate 0.5 change "
        "how well they are packed.",
        everywhere(
            [difference("avoidable_interference", cell(q, 1.0)) for q in DENSITIES],
            between(-0.05, 0.05),
        ),
        reason="By no more than would count as looser or tighter.",
        source="The pilot: trained frames stay close to the best packing of their "
        "norms at every rate.",
    ),
    Claim(
        "exception",
        "With decaying importance and dense features, dropout at rate 0.1 makes "
        "interference appear.",
        [Part(difference("total_interference", cell(*EXCEPTION), rate=0.1), APPEARS)],
        reason="A tenth of one squared unit dot product; without dropout there is less "
        "than a thousandth.",
        source=f"{POST}: the exception.",
        rivals=[
            between(-0.1, 0.1, "no change"),
            below(-0.1, "interference falls"),
        ],
    ),
    Claim(
        "exception-persists",
        "The exception does not go away with more dropout: at rate 0.5 there is still "
        "interference that was not there without.",
        [
            Part(
                difference("total_interference", cell(*EXCEPTION)),
                above(0.05),
            )
        ],
        reason="Half of what counts as appearing.",
        source="The pilot.",
    ),
    Claim(
        "exception-is-the-mean",
        "The exception is units that cancel their mean: it appears with a linear "
        "read-out as well, but not if inputs have mean 0, and the mean's share of what "
        "hidden units carry falls by a half or more.",
        [
            Part(
                difference(
                    "total_interference", cell(*EXCEPTION, output="linear"), rate=0.1
                ),
                APPEARS,
            ),
            Part(
                difference(
                    "total_interference",
                    cell(*EXCEPTION, output="linear", feature_values="signed_uniform"),
                    rate=0.1,
                ),
                between(-0.05, 0.05),
            ),
            Part(
                difference("mean_share", cell(*EXCEPTION), rate=0.1),
                below(-0.5),
            ),
        ],
        reason="The same smallest effect, and half of it for none. Of one feature that "
        "is never 0 the mean makes up 3/4 of the second moment.",
        source="Derived: dropout's penalty is the second moment of hidden units.",
    ),
    Claim(
        "exception-adds-no-feature",
        "In the exception as many features are represented with dropout as without, "
        "give or take one.",
        [
            Part(
                difference("features_represented", cell(*EXCEPTION), rate=0.1),
                between(-1.5, 1.5),
            )
        ],
        reason="By one feature at most.",
        source="The pilot: five, as many as units, with dropout and without.",
    ),
    Claim(
        "exception-as-derived",
        "There is as much interference in the exception at dropout rate 0.1 as the "
        "closed form says for fifteen features that do not matter, within a fifth.",
        [
            Part(
                level("total_interference", where={**cell(*EXCEPTION), "rate": 0.1}),
                between(0.8 * DERIVED, 1.2 * DERIVED),
            )
        ],
        reason="The fifteen matter a little, by 0.33 at most.",
        source="`theory.mean_cancellation`.",
    ),
    Claim(
        "exception-only-there",
        "In no other cell does dropout at rate 0.1 raise total interference.",
        everywhere(
            [ratio("total_interference", cell(*c), rate=0.1) for c in ELSEWHERE],
            below(1.05),
        ),
        reason="By no more than a twentieth: half of what would count as a fall.",
        source=f"{POST}: the exception needs both.",
    ),
    Claim(
        "not-adams-doing",
        "With SGD in place of AdamW, interference falls at S = 0.9 and the exception "
        "appears all the same.",
        [
            *everywhere(
                [
                    ratio("total_interference", cell(0.1, decay, optimiser="sgd"))
                    for decay in (1.0, DECAY)
                ],
                TENTH_LESS,
            ),
            Part(
                difference(
                    "total_interference",
                    cell(*EXCEPTION, optimiser="sgd"),
                    rate=0.1,
                ),
                APPEARS,
            ),
        ],
        reason="The same smallest effects as for AdamW.",
        source="A control: adaptive optimisers shape geometry by themselves.",
    ),
    Claim(
        "longer-training",
        "Trained four times as long, interference falls where features are dense and "
        "equally important, and the exception appears, all the same.",
        [
            Part(
                ratio("total_interference", cell(1.0, 1.0, steps=4 * STEPS)),
                TENTH_LESS,
            ),
            Part(
                difference(
                    "total_interference", cell(*EXCEPTION, steps=4 * STEPS), rate=0.1
                ),
                APPEARS,
            ),
        ],
        reason="The same smallest effects, in the two cells most at risk.",
        source="A control: fixed steps are not the optimum, and a flat loss does not "
        "mean a settled geometry.",
    ),
    Claim(
        "longer-training-sparse",
        "At S = 0.9, training four times as long changes total interference neither "
        "with dropout nor without.",
        [
            Part(
                paired_ratio(
                    "total_interference",
                    factor="steps",
                    treated=4 * STEPS,
                    control=STEPS,
                    where={**cell(0.1, decay, steps=None), "rate": rate},
                ),
                between(0.8, 1.25),
            )
            for decay in (1.0, DECAY)
            for rate in (0.0, 0.5)
        ],
        reason="A quarter either way is small beside the fall.",
        source="A control: fixed steps are not the optimum.",
        designs=["default", "full"],
    ),
    Claim(
        "dose",
        "The more dropout, the less total interference, from each rate to the next, at "
        "S = 0.9 with uniform importance.",
        everywhere(
            adjacent_differences(
                "total_interference", factor="rate", levels=RATES, where=cell(0.1, 1.0)
            ),
            below(1.0),
        ),
        reason="It rises by no more than 1 from any rate to the next, a fiftieth of "
        "what is there without dropout.",
        source=f"{POST}: dropout generally inhibits.",
        designs=["default", "full"],
    ),
    Claim(
        "wide-interference-falls",
        "With 80 features in 20 dimensions, dropout at rate 0.5 lowers total "
        "interference at S = 0.9 and 0.99.",
        everywhere(
            [
                ratio("total_interference", cell(q, decay, size=WIDE))
                for q in (0.1, 0.01)
                for decay in (1.0, WIDE_DECAY)
            ],
            TENTH_LESS,
        ),
        reason="The same smallest effect as for the small models.",
        source=POST,
        designs=["default", "full"],
    ),
    Claim(
        "wide-packing-unchanged-if-uniform",
        "With 80 equally important features in 20 dimensions, dropout at rate 0.5 does "
        "not change how well features are packed at S = 0.9 and 0.99.",
        everywhere(
            [
                difference("avoidable_interference", cell(q, 1.0, size=WIDE))
                for q in (0.1, 0.01)
            ],
            between(-0.05, 0.05),
        ),
        reason="The same margin as for the small models.",
        source="The pilot of the small models.",
        designs=["default", "full"],
    ),
    Claim(
        "wide-exception",
        "With 80 features in 20 dimensions, decaying importance and dense features, "
        "dropout at rate 0.1 makes interference appear.",
        [
            Part(
                difference(
                    "total_interference",
                    cell(1.0, WIDE_DECAY, size=WIDE),
                    rate=0.1,
                ),
                APPEARS,
            )
        ],
        reason="The same smallest effect as for the small models.",
        source=f"{POST}: the exception.",
        designs=["default", "full"],
    ),
]


CONTROLS = (
    "exception-only-there",
    "not-adams-doing",
    "longer-training",
    "longer-training-sparse",
)


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together, for and against the posts."""
    found = {verdict.claim.name: verdict for verdict in verdicts}
    standings = {verdict.standing for verdict in verdicts}
    before = "So far, before all seeds are in: " if "interim" in standings else ""
    if "exploratory" in standings:
        before = "Not all of it was said beforehand: "
    main = before + _falls(found) + _packing(found)
    sentences = [
        main[0].upper() + main[1:],
        _exception(found),
        *(
            f"Beware: the control '{name}' is refuted."
            for name in CONTROLS
            if name in found and found[name].word == "refuted"
        ),
    ]
    return " ".join(sentences)


def _falls(found: Mapping[str, Verdict]) -> str:
    word = found["interference-falls"].word
    if word == "refuted":
        return "not in every cell does dropout at rate 0.5 lower interference"
    if word == "undecided":
        return "it is undecided whether dropout at rate 0.5 lowers interference"
    ways = []
    if found["norms-shrink"].word == "supported":
        ways.append("by shrinking features")
    if found["features-fall-everywhere"].word == "supported":
        ways.append("by dropping some")
    elif found["features-fall-but-at-the-sparsest"].word == "supported":
        ways.append(
            "by dropping some (none where they are sparsest and equally important)"
        )
    way = f", {' and '.join(ways)}" if ways else ""
    return f"yes, dropout at rate 0.5 lowers interference{way}"


def _packing(found: Mapping[str, Verdict]) -> str:
    said = {
        LOOSER.name: "packing loosens",
        AS_TIGHT.name: "packing stays as tight as before",
        TIGHTER.name: "packing gets tighter",
        "": "what happens to packing is undecided",
    }
    uniform = said[found["packing-loosens-if-uniform"].holds]
    decaying = said[found["packing-loosens-if-decaying"].holds]
    return (
        f". Among equally important features {uniform}; where importances decay "
        f"(S = 0.9) {decaying}."
    )


def _exception(found: Mapping[str, Verdict]) -> str:
    word = found["exception"].word
    if word != "supported":
        return {
            "refuted": "The posts' exception was not found.",
            "undecided": "The posts' exception is undecided.",
        }[word]
    real = (
        "The posts' exception is real: with decaying importance and dense features, "
        "dropout creates interference"
    )
    added = found["exception-adds-no-feature"].word
    why = {
        "supported": ". But units cancel the mean of their inputs there, as they do "
        "with a linear read-out: that is no superposition",
        "refuted": ". Units that cancel the mean of their inputs do not explain it",
        "undecided": ". Whether that is superposition is undecided",
    }[found["exception-is-the-mean"].word]
    count = {
        "supported": ", and no more than one feature is added",
        "refuted": ", and the number of features represented changes",
    }
    return f"{real}{why}{count.get(added, '')}."


STUDY = Study(
    name="dropout-and-superposition",
    question="Does dropout inhibit superposition in toy autoencoders, and is it by "
    "weaker features, fewer features, or looser packing?",
    background="Less superposition can mean weaker features (shrinkage alone lowers "
    "every interference), fewer features, or looser packing of the same ones. Total "
    "interference is taken apart into the three, exactly. Convergence, learning rates "
    "and weight decay were fixed on the pilot's seeds; the study's source says how.",
    subject=ToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, TRAINING, MEAN_SHARE],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=interference_taken_apart,
)
