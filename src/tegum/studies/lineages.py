"""Does the answer about dropout hang on whose code one starts from?

The public codebases of toy models share a model and a loss, and differ in how weights
start, in the optimiser, in weight decay, in steps and batch. This study asks the
question of `dropout-and-superposition` (does dropout lower interference, by fewer
features, by looser packing, and is there an exception) under the settings of each, and
then by how much dropout's effect changes when one choice of the first public notebook
is made otherwise.

`_lineages.LINEAGES` is the one place that says what each codebase does, as far as it
was read; what could not be carried over stands there too. All are trained here by one
engine on the same inputs: what differs is what the table says and nothing else.

- *Interference* is relative to how strong features are, since dropout shrinks every
  weight: halving all squared norms quarters total interference and moves no feature.
- *Dropout's effect* is the ratio of relative interference with dropout to that without.
  What a choice changes in the answer is the effect with it over the effect without it,
  seed by seed: a ratio of ratios, 1 where the choice changes nothing.
- *The exception* (dense features of unequal importance, a little dropout) is asked for
  together with what may make it: dropout's penalty is the second moment of hidden
  units, inputs have a mean, and weights that cancel the mean of the units lower it
  without a further feature. Inputs of mean 0 are the control.
- *Packed starts.* Xavier's initialisation called on a stack of K models at once counts
  the stack as part of the fan: a model's first weights then depend on how many others
  are trained beside it. At twenty features on five units the deviation is 0.115 or
  0.088 where 0.283 is each model's own.
- *Two weight decays of 0.01.* AdamW's is decoupled: it shrinks weights by a hundred
  thousandth a step at a rate of 1e-3. Adam's is added to the gradient, which for a loss
  that is a mean over features is itself small: in the pilot nothing was learned.

Fixed on the pilot's seeds, before the rest:

- *Cells*: S = 0.9 with equal and with decaying importances (0.8^i), dropout rates 0 and
  0.5; and the exception, S = 0 with decaying importances, at rates 0 and 0.1. Effects
  are compared over both sparse cells together.
- *As much* is an effect within a factor of 1.25 of the notebook's; dropout itself
  divides relative interference by two to four. Choices that use the same start and
  batches are held to 1.1. Where the pilot saw a change, the claim is two-sided.
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
    difference,
    level,
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
from tegum.studies._mean_share import MEAN_SHARE
from tegum.study import Convergence, Study
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

RATE, LITTLE = 0.5, 0.1
DECAY = 0.8
FIRST_SEED = 2700
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_040))
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
    return models(settings, seeds=seeds) | dense(settings, seeds=seeds)


def dense(settings: Mapping[str, Any], *, seeds: int) -> Design:
    """The exception's cell under some settings."""
    return models(settings, q=1.0, decays=[DECAY], rates=[0.0, LITTLE], seeds=seeds)


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
LINEAR = {**LINEAGES["tegum"].factors, "output": "linear"}
NO_MEAN = {**LINEAR, "feature_values": "signed_uniform"}
UNIFORM = but(initial_std=None, initial_law="uniform")
OTHERS = {
    "a stack of 1": but(initial_std=ONE),
    "a stack of 100": but(initial_std=HUNDRED),
    "start uniform": UNIFORM,
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
            dense(LINEAR, seeds=seeds),
            dense(NO_MEAN, seeds=seeds),
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


DEMO = first_part(22)
DEFAULT = DEMO | first_part(40) | second_part(40)
FULL = DEFAULT | first_part(60) | second_part(60)

# --- claims --------------------------------------------------------------------------

SUBJECT = ToyModels()


def where(
    settings: Mapping[str, Any],
    decay: float | list[float],
    *,
    q: float = 0.1,
    **more: Any,
) -> dict[str, Any]:
    """The models of one setting in one cell, or in several."""
    fixed = {name: settings.get(name, default) for name, default in USUAL.items()}
    return {**fixed, "feature_probability": q, "importance_decay": decay, **more}


USUAL: Row = {
    "optimiser": "adamw",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "weight_decay": 0.0,
    "batch_size": 1024,
    "steps": 10_000,
    "initial_law": "gaussian",
    "initial_std": None,
    "output": "relu",
    "feature_values": "uniform",
}
"""Every factor in which settings differ, and its level where a setting is silent."""


def effect(settings: Mapping[str, Any], decay: float | list[float]) -> Estimand:
    """By what dropout at rate 0.5 multiplies relative interference."""
    return paired_ratio(
        "relative_interference",
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


def over(
    settings: Mapping[str, Any],
    other: Mapping[str, Any] = NOTEBOOK,
    *,
    decay: float | None = None,
) -> Estimand:
    """Dropout's effect under some settings over its effect under others.

    Above 1 dropout lowers relative interference less than under the others.
    """
    cells = list(BOTH) if decay is None else decay
    return difference(effect(settings, cells), effect(other, cells))


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


def kept_when_dense(settings: Mapping[str, Any], decay: float) -> Estimand:
    """How many features a little dropout adds where they are dense."""
    return change("features_represented", settings, decay, q=1.0, rate=LITTLE)


def mean_of_units(settings: Mapping[str, Any], decay: float) -> Estimand:
    """What a little dropout adds to the share of the mean, where features are dense."""
    return change("mean_share", settings, decay, q=1.0, rate=LITTLE)


BOTH = (1.0, DECAY)
POST = "Pona 2023, Superposition and Dropout"
PACKED = "Public code calls Xavier's initialisation on the stack of all models."
APPEARS = above(0.02)
ALIKE, CLOSE = between(0.8, 1.25, "as much"), between(1 / 1.1, 1.1, "as much")
LESS = above(1.05, "less")
RIVALS = (between(1 / 1.05, 1.05, "as much"), below(1 / 1.05, "more"))
"""What dropout lowers interference by under a choice, beside the notebook's."""

CLAIMS = [
    Claim(
        "inhibits",
        "Under the settings of the notebook, of ARENA and of tegum, dropout at rate "
        "0.5 lowers relative interference at S = 0.9, importances equal or decaying.",
        in_lineages(FIRST, below(0.8), effect, BOTH),
        reason="By a fifth at least. Shrinking all features alike would leave it as it "
        "is; so would weights at random.",
        source=POST,
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
        in_lineages(FIRST, between(-0.02, 0.02), packing, [1.0]),
        reason="To within a fiftieth of what interference there is.",
        source="The pilot.",
    ),
    Claim(
        "packing-if-decaying",
        "Under each of these settings features of decaying importance at S = 0.9 are "
        "packed more loosely with dropout.",
        in_lineages(FIRST, above(0.02), packing, [DECAY]),
        reason="By a fiftieth of what interference there is.",
        source=f"{POST}: features can not be packed as tightly.",
    ),
    Claim(
        "exception",
        "Under each of these settings dropout at rate 0.1 makes interference appear "
        "where features are dense and importances decay.",
        in_lineages(FIRST, APPEARS, exception, [DECAY]),
        reason="A fiftieth of one squared unit dot product; without dropout there is "
        "next to none.",
        source=f"{POST}: the exception.",
    ),
    Claim(
        "exception-keeps-no-more",
        "It adds no more than one feature there, while the share of the units' second "
        "moment that is their mean falls: weights are added that cancel the mean.",
        [
            *in_lineages(FIRST, between(-1.0, 1.0), kept_when_dense, [DECAY]),
            *in_lineages(FIRST, below(-0.3), mean_of_units, [DECAY]),
        ],
        reason="A count can tell no less than one; three tenths of the second moment, "
        "where three quarters were mean in the pilot.",
        source="Dropout's penalty is the second moment of each hidden unit, mean "
        "included.",
    ),
    Claim(
        "no-mean-no-exception",
        "With a linear output it appears as well, but not if inputs have mean 0.",
        [
            Part(exception(LINEAR, DECAY), APPEARS),
            Part(exception(NO_MEAN, DECAY), between(-0.02, 0.02)),
        ],
        reason="The same fiftieth. A linear output, as "
        "a ReLU can not give negative features back.",
        source="A control: without a mean there is none to cancel.",
    ),
    Claim(
        "tegum-beside-notebook",
        "Over both cells at S = 0.9, dropout lowers relative interference less under "
        "the settings of tegum than under the notebook's.",
        [Part(over(LINEAGES["tegum"].factors), LESS)],
        reason="Effects differ by a twentieth.",
        source="The pilot.",
        rivals=RIVALS,
        designs=["default", "full"],
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
                    where={
                        name: value
                        for name, value in where(
                            NOTEBOOK, list(BOTH), rate=RATE
                        ).items()
                        if name != "initial_std"
                    },
                ),
                above(0.02, "less spread"),
            )
        ],
        reason="By 0.02, a fifteenth of what antipodal pairs on the axes have.",
        source="The pilot.",
        rivals=[
            between(-0.02, 0.02, "no different"),
            below(-0.02, "more spread"),
        ],
        designs=["default", "full"],
    ),
    Claim(
        "decoupled-decay",
        "AdamW's silent weight decay of 0.01 changes dropout's effect on relative "
        "interference by no more than a tenth.",
        [Part(over(NO_DECAY), CLOSE)],
        reason="A tenth either way is small beside the effect.",
        source="Public code trains with it.",
    ),
    Claim(
        "coupled-decay",
        "With the same 0.01 in Adam, which adds it to the gradient, features are not "
        "learned: their mean squared norm stays below a hundredth.",
        [
            Part(
                level("mean_norm_squared", where=where(COUPLED, list(BOTH), rate=0.0)),
                below(0.01, "not learned"),
            )
        ],
        reason="Without it the mean squared norm is 0.5 to 1. Counts that do not see "
        "scale would call such weights features.",
        source="The pilot.",
        rivals=[between(0.01, 0.3, "weak"), above(0.3, "learned")],
    ),
    Claim(
        "longer-training",
        "Four times as long under the notebook's settings changes dropout's effect on "
        "equally important features by no more than a tenth.",
        [Part(over(LONGER, decay=1.0), CLOSE)],
        reason="A tenth either way is small beside the effect.",
        source="A control: fixed steps are not the optimum.",
    ),
    Claim(
        "further-lineages",
        "Under the settings of tms-kit, of the JAX port and of a long annealed run, "
        "and with each other choice, dropout lowers relative interference.",
        [
            Part(effect(settings, list(BOTH)), below(0.8))
            for settings in (
                *(LINEAGES[name].factors for name in (*LATER, SLOW)),
                *OTHERS.values(),
            )
        ],
        reason="By a fifth at least, over both cells.",
        source=POST,
        designs=["default", "full"],
    ),
    Claim(
        "other-codebases",
        "It does so as much as under the notebook's: in ARENA, tms-kit and the JAX "
        "port.",
        [Part(over(LINEAGES[name].factors), ALIKE) for name in ("arena", *LATER)],
        reason="Effects within a factor of 1.25; dropout's own is two to four.",
        source="The pilot.",
        designs=["default", "full"],
    ),
    Claim(
        "start",
        "With weights that start with their own model's deviation dropout lowers "
        "relative interference less than with those of a stack of ten.",
        [Part(over(OWN_START), LESS)],
        reason="Effects differ by a twentieth.",
        source=PACKED,
        rivals=RIVALS,
        designs=["default", "full"],
    ),
    Claim(
        "annealed",
        "Under the settings of the long annealed run dropout lowers relative "
        "interference less than under the notebook's.",
        [Part(over(LINEAGES[SLOW].factors), LESS)],
        reason="Effects differ by a twentieth.",
        source="The pilot.",
        rivals=RIVALS,
        designs=["default", "full"],
    ),
    Claim(
        "optimiser",
        "With SGD dropout lowers relative interference less than with AdamW.",
        [Part(over(OTHERS["SGD"]), LESS)],
        reason="Effects differ by a twentieth.",
        source="The pilot.",
        rivals=RIVALS,
        designs=["default", "full"],
    ),
    Claim(
        "size-of-the-stack",
        "Whether 1, 10 or 100 models were stacked when weights were drawn changes "
        "dropout's effect by no more than a quarter.",
        [Part(over(but(initial_std=start)), ALIKE) for start in (ONE, HUNDRED)],
        reason="Effects within a factor of 1.25.",
        source=PACKED,
        designs=["default", "full"],
    ),
    Claim(
        "other-choices",
        "A uniform start in place of a Gaussian one of the same deviation, batches of "
        "512 and a cosine schedule change dropout's effect by no more than a quarter.",
        [
            Part(over(UNIFORM, OWN_START), ALIKE),
            Part(over(OTHERS["batch 512"]), ALIKE),
            Part(over(OTHERS["cosine"]), ALIKE),
        ],
        reason="Effects within a factor of 1.25.",
        source="The pilot.",
        designs=["default", "full"],
    ),
    Claim(
        "further-exceptions",
        "The exception appears under the settings of tms-kit and of the JAX port.",
        in_lineages(LATER, APPEARS, exception, [DECAY]),
        reason="As above.",
        source=f"{POST}: the exception.",
        designs=["default", "full"],
    ),
]


SAID = {
    "inhibits": {
        "supported": "Not the direction: under the settings of tegum, of the notebook "
        "and of ARENA dropout lowers interference by more than it shrinks features",
        "refuted": "Yes: not under every setting does dropout lower interference by "
        "more than it shrinks features",
        "undecided": "In {supported} of {parts} cases dropout lowers interference by "
        "more than it shrinks features, the rest being undecided",
    },
    "features-fall": {
        "supported": ", and fewer features are kept.",
        "refuted": "; not under every setting are fewer features kept.",
        "undecided": "; whether fewer features are kept under every setting is "
        "undecided.",
    },
    "tegum-beside-notebook": {
        "less": " The size hangs on them: under tegum's it is lowered less than under "
        "the notebook's.",
        "as much": " Nor does the size hang on them: it is lowered as much under "
        "tegum's as under the notebook's.",
        "more": " The size hangs on them: under tegum's it is lowered more than under "
        "the notebook's.",
        "refuted": " Under tegum's it is not lowered less than under the notebook's.",
        "undecided": " Whether it is lowered less under tegum's than under the "
        "notebook's is undecided.",
    },
    "start": {
        "less": " How weights start matters: with their own model's deviation it is "
        "lowered less.",
        "as much": " How weights start does not matter to that.",
        "more": " How weights start matters: with their own model's deviation it is "
        "lowered more.",
        "undecided": " Whether how weights start matters to that is undecided.",
        "refuted": " With their own model's deviation at the start it is not lowered "
        "less.",
    },
    "start-and-basis": {
        "less spread": " Weights that start with their own model's deviation end less "
        "spread over the units than those of a stack of ten.",
        "no different": " How weights start makes no difference to how they are spread "
        "over the units.",
        "more spread": " Weights that start with their own model's deviation end more "
        "spread over the units than those of a stack of ten.",
    },
    "exception": {
        "supported": " Where features are dense a little dropout makes interference "
        "appear.",
        "refuted": " Where features are dense a little dropout does not make "
        "interference appear under every setting.",
        "undecided": " Whether a little dropout makes interference appear where "
        "features are dense is undecided.",
    },
    "exception-keeps-no-more": {
        "supported": " It adds at most one feature there: weights cancel the mean of "
        "the units.",
        "refuted": " That it only adds weights that cancel the mean of the units does "
        "not hold.",
    },
    "coupled-decay": {
        "not learned": " Adam's weight decay of 0.01 is not AdamW's: with it nothing "
        "is learned.",
        "weak": " Adam's weight decay of 0.01, unlike AdamW's, leaves features weak.",
        "learned": " With Adam's weight decay of 0.01 features are still learned.",
        "refuted": " With Adam's weight decay of 0.01 features are still learned.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = ("longer-training", "no-mean-no-exception")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together: what hangs on the settings, and what does not."""
    return assembled(verdicts, SAID, controls=CONTROLS)


STUDY = Study(
    name="lineages",
    question="Does what dropout does to superposition hang on whose settings one "
    "trains with?",
    background="Public codebases share the model and differ in how weights start, in "
    "optimiser, weight decay, steps and batch. The same question is asked under the "
    "settings of each; then one choice is changed at a time, and dropout's effect with "
    "it is divided by the effect without it. Interference is relative to the strength "
    "of features, so that shrinking them alone does not lower it. What each codebase "
    "does, as far as it was read, stands in one table of the study's source.",
    subject=SUBJECT,
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, BASIS, TRAINING, MEAN_SHARE],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=settings_side_by_side,
    figures=(PACKED_START,),
)
