"""Does the answer about dropout hang on whose code one starts from?

The public codebases of toy models share a model and a loss, and differ in how weights
start, in the optimiser, in weight decay, in steps and batch. This study asks the
question of `dropout-and-superposition` (does dropout lower interference, by fewer
features, by looser packing, and is there an exception) under the settings of each, and
then changes one choice at a time from those of the first public notebook.

`_lineages.LINEAGES` is the one place that says what each codebase does, as far as it
was read; what could not be carried over stands there too. All are trained here by one
engine on the same inputs: what differs is what the table says and nothing else.

- *Packed starts.* Xavier's initialisation called on a stack of K models at once counts
  the stack as part of the fan: a model's first weights then depend on how many others
  are trained beside it. At twenty features on five units the deviation is 0.115 or
  0.088 where 0.283 is each model's own.
- *Two weight decays of 0.01.* AdamW's is decoupled: it shrinks weights by a hundred
  thousandth a step at a rate of 1e-3. Adam's is added to the gradient, which for a loss
  that is a mean over features is itself small: in the pilot nothing was learned.

Fixed on the pilot's seeds, before the rest:

- *Cells*: S = 0.9 with equal and with decaying importances (0.8^i), dropout rates 0 and
  0.5; and the exception, S = 0 with decaying importances, at rates 0 and 0.1.
- *The same answer* is total interference at 0.055 to 0.14 of that without dropout: in
  the pilot's medians it was 0.067 to 0.113, in every lineage.
- *Convergence*: the clean loss of every arm settled to within 1 %, though most
  lineages never lower their rate. Training four times as long is a control.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tegum.claims import (
    Claim,
    Part,
    Verdict,
    above,
    below,
    between,
    paired_difference,
    paired_ratio,
)
from tegum.claims.estimands import Estimand
from tegum.claims.regions import Region
from tegum.design import Design, Row, grid
from tegum.measures import BASIS
from tegum.measures.geometry import GEOMETRY
from tegum.studies._answers import assembled
from tegum.studies._lineages import LINEAGES, packed_deviation
from tegum.studies._lineages_picture import PACKED_START, settings_side_by_side
from tegum.study import Convergence, Study
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

RATE, LITTLE = 0.5, 0.1
DECAY = 0.8
FIRST_SEED = 700
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_020))
"""Seeds that were looked at while the claims were made, or are another study's."""

SIZE = {"n_features": 20, "n_hidden": 5}
NOTEBOOK = LINEAGES["notebook"].factors
STEPS = NOTEBOOK["steps"]
TEN, ONE, HUNDRED = (
    packed_deviation(packed, rows=20, columns=5) for packed in (10, 1, 100)
)
"""Deviations of the notebook's start with so many models in a stack."""


def models(
    settings: Mapping[str, Any],
    *,
    seeds: int,
    decays: Sequence[float] = (1.0, DECAY),
    q: float = 0.1,
    rates: Sequence[float] = (0.0, RATE),
) -> Design:
    """Models of some cells under one lineage's settings."""
    return grid(
        **SIZE,
        **settings,
        feature_probability=q,
        importance_decay=list(decays),
        noise="dropout",
        rate=list(rates),
        seeds=range(FIRST_SEED, FIRST_SEED + seeds),
    )


def lineage(name: str, *, seeds: int) -> Design:
    """A codebase's settings in the sparse cells and in the exception's."""
    settings = LINEAGES[name].factors
    return models(settings, seeds=seeds) | models(
        settings, q=1.0, decays=[DECAY], rates=[0.0, LITTLE], seeds=seeds
    )


def but(**choice: Any) -> dict[str, Any]:
    """The notebook's settings but for one choice."""
    return {**NOTEBOOK, **choice}


# --- designs -------------------------------------------------------------------------

FIRST = ("tegum", "notebook", "arena")
LATER = ("tms-kit", "jax-port")
SLOW = "annealed"
OWN_START = but(initial_std=None)
NO_DECAY = but(weight_decay=0.0)
COUPLED = but(optimiser="adam")
LONGER = but(steps=4 * STEPS)
OTHERS = {
    "a stack of 1": but(initial_std=ONE),
    "a stack of 100": but(initial_std=HUNDRED),
    "start uniform": but(initial_std=None, initial_law="uniform"),
    "batch 512": but(batch_size=512),
    "cosine": but(schedule="cosine"),
    "SGD": but(optimiser="sgd", learning_rate=10.0, weight_decay=0.0),
}


def joined(tables: Sequence[Design]) -> Design:
    """All rows of several tables."""
    found = tables[0]
    for table in tables[1:]:
        found = found | table
    return found


def first_part(seeds: int) -> Design:
    """Three lineages, and the choices that are told apart in every design."""
    return joined(
        [
            *(lineage(name, seeds=seeds) for name in FIRST),
            models(OWN_START, seeds=seeds),
            models(NO_DECAY, seeds=seeds),
            models(COUPLED, seeds=seeds, rates=[0.0]),
            models(LONGER, seeds=seeds, decays=[1.0]),
        ]
    )


def second_part(seeds: int) -> Design:
    """The other lineages, and the other choices."""
    return joined(
        [
            *(lineage(name, seeds=seeds) for name in LATER),
            models(LINEAGES[SLOW].factors, seeds=seeds),
            *(models(settings, seeds=seeds) for settings in OTHERS.values()),
            models(LONGER, seeds=seeds),
        ]
    )


DEMO = first_part(20)
DEFAULT = DEMO | first_part(24) | second_part(24)
FULL = DEFAULT | first_part(60) | second_part(60)

# --- claims --------------------------------------------------------------------------

SUBJECT = ToyModels()


def where(
    settings: Mapping[str, Any],
    decay: float | list[float],
    *,
    q: float = 0.1,
    without: str = "",
    **more: Any,
) -> dict[str, Any]:
    """The models of one setting in one cell, less the factor that is contrasted."""
    fixed = {name: settings.get(name, default) for name, default in USUAL.items()}
    found = {**fixed, "feature_probability": q, "importance_decay": decay, **more}
    found.pop(without, None)
    return found


USUAL: Row = {
    "optimiser": "adamw",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "weight_decay": 0.0,
    "batch_size": 1024,
    "steps": 10_000,
    "initial_law": "gaussian",
    "initial_std": None,
}
"""Every factor in which settings differ, and its level where a setting is silent."""


def fall(settings: Mapping[str, Any], decay: float) -> Estimand:
    """By what dropout at rate 0.5 multiplies total interference."""
    return paired_ratio(
        "total_interference",
        factor="rate",
        treated=RATE,
        control=0.0,
        where=where(settings, decay),
    )


def change(
    number: str,
    settings: Mapping[str, Any],
    decay: float,
    *,
    q: float = 0.1,
    rate: float = RATE,
) -> Estimand:
    """What dropout adds to a number."""
    return paired_difference(
        number,
        factor="rate",
        treated=rate,
        control=0.0,
        where=where(settings, decay, q=q),
    )


def swapped(
    factor: str, treated: Any, *, rate: float, decay: float | list[float]
) -> Estimand:
    """By what a choice multiplies total interference, against the notebook's."""
    return paired_ratio(
        "total_interference",
        factor=factor,
        treated=treated,
        control=NOTEBOOK[factor],
        where=where(NOTEBOOK, decay, without=factor, rate=rate),
    )


def in_lineages(
    names: Sequence[str], region: Region, estimand: Any, decays: Sequence[float]
) -> list[Part]:
    """One part for each lineage and each cell."""
    return [
        Part(estimand(LINEAGES[name].factors, decay), region)
        for name in names
        for decay in decays
    ]


def kept(settings: Mapping[str, Any], decay: float) -> Estimand:
    """How many features dropout adds."""
    return change("features_represented", settings, decay)


def packing(settings: Mapping[str, Any], decay: float) -> Estimand:
    """What dropout adds to the avoidable share of interference."""
    return change("avoidable_interference", settings, decay)


def exception(settings: Mapping[str, Any], decay: float) -> Estimand:
    """What interference a little dropout adds where features are dense."""
    return change("total_interference", settings, decay, q=1.0, rate=LITTLE)


BOTH = (1.0, DECAY)
SAME = between(0.055, 0.14)
POST = "Pona 2023, Superposition and Dropout"
PACKED = "Public code calls Xavier's initialisation on the stack of all models."
MORE, LESS = above(1.1, "more interference"), below(1 / 1.1, "less interference")
AS_MUCH = between(1 / 1.1, 1.1, "as much")

CLAIMS = [
    Claim(
        "interference-falls",
        "Under the settings of the notebook, of ARENA and of tegum, dropout at rate "
        "0.5 lowers total interference at S = 0.9, importances equal or decaying.",
        in_lineages(FIRST, below(0.9), fall, BOTH),
        reason="At least a tenth: less would be no inhibition worth the name.",
        source=POST,
    ),
    Claim(
        "by-the-same",
        "It does so by the same, whoever's settings: to 0.09 of what it was, up to a "
        "factor of 1.6.",
        in_lineages(FIRST, SAME, fall, BOTH),
        reason="0.055 to 0.14: the pilot's medians over all lineages, 0.067 to 0.113, "
        "and a quarter more either way.",
        source="The pilot.",
    ),
    Claim(
        "features-fall",
        "Under each of these settings dropout at rate 0.5 leaves fewer features "
        "represented at S = 0.9, importances equal or decaying.",
        in_lineages(FIRST, below(-2.0), kept, BOTH),
        reason="At least two of twenty.",
        source=POST,
    ),
    Claim(
        "packing-if-uniform",
        "Under each of these settings equally important features at S = 0.9 are packed "
        "as tightly with dropout as without.",
        in_lineages(FIRST, between(-0.05, 0.05), packing, [1.0]),
        reason="To within a twentieth of what interference there is.",
        source="The pilot.",
    ),
    Claim(
        "packing-if-decaying",
        "Under each of these settings features of decaying importance at S = 0.9 are "
        "packed more loosely with dropout.",
        in_lineages(FIRST, above(0.05), packing, [DECAY]),
        reason="By a twentieth of what interference there is.",
        source=f"{POST}: features can not be packed as tightly.",
    ),
    Claim(
        "exception",
        "Under each of these settings dropout at rate 0.1 makes interference appear "
        "where features are dense and importances decay.",
        in_lineages(FIRST, above(0.1), exception, [DECAY]),
        reason="A tenth of one squared unit dot product; without dropout there is next "
        "to none.",
        source=f"{POST}: the exception.",
    ),
    Claim(
        "start-and-interference",
        "Under dropout at rate 0.5, weights that start with their own model's "
        "deviation end with more interference than those that start from a stack of "
        "ten, at S = 0.9.",
        [Part(swapped("initial_std", None, rate=RATE, decay=list(BOTH)), MORE)],
        reason="By a tenth.",
        source=PACKED,
        rivals=[AS_MUCH, LESS],
    ),
    Claim(
        "start-and-basis",
        "Under dropout at rate 0.5, weights that start with their own model's "
        "deviation end less spread over the units than those that start from a stack "
        "of ten, at S = 0.9.",
        [
            Part(
                paired_difference(
                    "unit_alignment_gap",
                    factor="initial_std",
                    treated=None,
                    control=TEN,
                    where=where(NOTEBOOK, list(BOTH), without="initial_std", rate=RATE),
                ),
                above(0.03, "less spread"),
            )
        ],
        reason="By 0.03, a tenth of what antipodal pairs on the axes have.",
        source="The pilot.",
        rivals=[
            between(-0.03, 0.03, "no different"),
            below(-0.03, "more spread"),
        ],
    ),
    Claim(
        "decoupled-decay",
        "AdamW's silent weight decay of 0.01 changes interference by no more than a "
        "tenth, with dropout or without, at S = 0.9.",
        [
            Part(
                swapped("weight_decay", 0.0, rate=rate, decay=list(BOTH)),
                between(1 / 1.1, 1.1),
            )
            for rate in (0.0, RATE)
        ],
        reason="A tenth either way is small beside the fall.",
        source="Public code trains with it.",
    ),
    Claim(
        "coupled-decay",
        "The same 0.01 in Adam, which adds it to the gradient, leaves less than a "
        "hundredth of the interference: the features are not learned.",
        [
            Part(
                swapped("optimiser", "adam", rate=0.0, decay=list(BOTH)),
                below(0.01, "not learned"),
            )
        ],
        reason="A hundredth is nothing.",
        source="The pilot.",
        rivals=[between(0.01, 0.9, "less"), between(0.9, 1.1, "no difference")],
    ),
    Claim(
        "longer-training",
        "Four times as long under the notebook's settings changes interference by no "
        "more than a tenth, with dropout or without, at S = 0.9.",
        [
            Part(
                swapped("steps", 4 * STEPS, rate=rate, decay=1.0),
                between(1 / 1.1, 1.1),
            )
            for rate in (0.0, RATE)
        ],
        reason="A tenth either way is small beside the fall.",
        source="A control: fixed steps are not the optimum.",
    ),
    Claim(
        "further-lineages",
        "Under the settings of tms-kit, of the JAX port and of a long annealed run, "
        "interference falls by the same.",
        in_lineages((*LATER, SLOW), SAME, fall, BOTH),
        reason="The same band.",
        source="The pilot.",
        designs=["default", "full"],
    ),
    Claim(
        "further-choices",
        "It falls by the same with a stack of 1 or of 100, with a uniform start, with "
        "batches of 512, with a cosine schedule and with SGD.",
        [
            Part(fall(settings, decay), SAME)
            for settings in OTHERS.values()
            for decay in BOTH
        ],
        reason="The same band.",
        source="The pilot.",
        designs=["default", "full"],
    ),
    Claim(
        "further-exceptions",
        "The exception appears under the settings of tms-kit and of the JAX port.",
        in_lineages(LATER, above(0.1), exception, [DECAY]),
        reason="As above.",
        source=f"{POST}: the exception.",
        designs=["default", "full"],
    ),
    Claim(
        "size-of-the-stack",
        "Whether 1, 10 or 100 models were stacked when weights were drawn changes "
        "interference by no more than a quarter, with dropout or without, at S = 0.9.",
        [
            Part(
                swapped("initial_std", start, rate=rate, decay=list(BOTH)),
                between(0.8, 1.25),
            )
            for start in (ONE, HUNDRED)
            for rate in (0.0, RATE)
        ],
        reason="A quarter either way is small beside the fall.",
        source=PACKED,
        designs=["default", "full"],
    ),
]


SAID = {
    "interference-falls": {
        "supported": "No: under every setting dropout lowers interference",
        "refuted": "Yes: not under every setting does dropout lower interference",
        "undecided": "In {supported} of {parts} cases dropout lowers interference, the "
        "rest being undecided",
    },
    "by-the-same": {
        "supported": ", and by the same, about elevenfold",
        "refuted": ", though not by the same",
    },
    "features-fall": {
        "supported": "; fewer features are kept",
        "refuted": "; not under every setting are fewer features kept",
    },
    "exception": {
        "supported": "; the exception appears.",
        "refuted": "; the exception does not appear under every setting.",
        "undecided": "; whether the exception appears under every setting is "
        "undecided.",
    },
    "start-and-interference": {
        "more interference": " Weights that start with their own model's deviation end "
        "with more interference under dropout than those of a stack of ten",
        "as much": " How weights start makes no difference to interference",
        "less interference": " Weights that start with their own model's deviation end "
        "with less interference under dropout than those of a stack of ten",
        "undecided": " What the start does to interference is undecided",
        "refuted": " How weights start does not raise interference",
    },
    "start-and-basis": {
        "less spread": ", and less spread over the units.",
        "no different": ", and none to how they are spread over the units.",
        "more spread": ", and more spread over the units.",
        "undecided": ".",
        "refuted": ".",
    },
    "coupled-decay": {
        "not learned": " But Adam's weight decay of 0.01 is not AdamW's: with it "
        "nothing is learned.",
        "less": " Adam's weight decay of 0.01, unlike AdamW's, lowers interference.",
        "no difference": " Adam's weight decay of 0.01 does what AdamW's does.",
        "refuted": " With Adam's weight decay of 0.01 features are still learned.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = ("decoupled-decay", "longer-training")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together: what hangs on the settings, and what does not."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STUDY = Study(
    name="lineages",
    question="Does what dropout does to superposition hang on whose settings one "
    "trains with?",
    background="Public codebases share the model and differ in how weights start, in "
    "optimiser, weight decay, steps and batch. The same question is asked under the "
    "settings of each, and one choice is changed at a time. What each codebase does, "
    "as far as it was read, stands in one table of the study's source.",
    subject=SUBJECT,
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, BASIS, TRAINING],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=settings_side_by_side,
    figures=(PACKED_START,),
)
