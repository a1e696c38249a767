"""When is a feature ignored, alone, or in superposition, and what does dropout change?

Elhage et al. drew two planes, relative importance of the last feature against density:
n = 2 features in m = 1 unit and n = 3 in m = 2. In each cell the last feature is
ignored, has a dimension of its own, or shares one. The study sets what trained models
do beside the true optimum of the exact expected loss, and then raises the dropout rate.

What counts as what:

- *Phase*: by the dimensionality D of the last feature, below 1/4 ignored, from 1/4 to
  3/4 in superposition, above 3/4 alone. D does not change when dropout makes all
  weights smaller alike; a threshold on norms would.
- *Theory* is the optimum with scale and bias free, dropout's masks enumerated, found
  numerically from every candidate arrangement and from random starts. Unit-weight
  candidates, whose losses have closed forms, are drawn and decide nothing.
- *Trained* is the best of 16 starts by the exact expected loss, 16 in every cell, or
  the mean over these 16. A row is the 16 starts together; the seed is the unit and has
  the whole plane, over whose cells each number is averaged.
- *How the boundary moves*: the change of the share of cells in superposition from
  dropout rate 0 to 0.5, asked for in both directions.
- *Density 1 is asked for by itself.* There a unit cancels its mean under dropout with
  weights on the feature that matters less (`theory.mean_cancellation`), and so does one
  that is read out without a ReLU. D calls that superposition, although nothing more is
  read out: with an importance of 0 it is .26. All other columns have inputs that are 0
  at least three times in five.

Fixed on the pilot's seeds, before the rest:

- 3,000 steps of AdamW at a learning rate of 3e-2 with a cosine schedule and batches of
  256: of 1e-2, 3e-2 and 6e-2 and a linear schedule it left the fewest cells whose best
  start loses over 1 % more than the optimum; larger batches did no better.
- 16 starts: with three features, a sparse and unimportant last one and dropout, one run
  in five reaches the optimum; with 8 starts one seed in twelve missed it all over.
- *Convergence* by the exact expected loss, within 2 % of where it stood at 0.9 of
  training. In the usual fixed sample of 4,096 inputs a density of 0.01 has about one
  pair of active features, whose error alone made the loss of settled models move.
- The importances leave out 1, where two features are alike and which of them is
  ignored is not for the loss to say.
- With three features dropout does two things at once, so that the halves of its plane
  in which it does them have a claim each. The halves were chosen by the theory.
- What was known when these seeds were chosen: an earlier set of seeds, 500 to 523, had
  answered claims that put density 1 together with the rest, and a pilot with a linear
  read-out had shown what it does there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tegum.claims import (
    Claim,
    Part,
    Region,
    Verdict,
    above,
    below,
    between,
    difference,
    level,
    paired_difference,
)
from tegum.claims.estimands import Estimand
from tegum.design import Design, grid, rounded
from tegum.studies._answers import assembled
from tegum.studies._phase_picture import both_planes, boundary_figure, plane_figure
from tegum.study import Convergence, Figure, Study
from tegum.toys.phase import PHASE
from tegum.toys.starts import BestOfStarts
from tegum.toys.training import TRAINING

STEPS = 3000
STARTS = 16
RATE = 0.5
FIRST_SEED = 2500
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_300))
"""Seeds looked at while the claims were being made, or another study's."""


def ladder(low: float, high: float, count: int) -> list[float]:
    """So many levels from low to high, each the same factor above the last."""
    return [float(rounded(v, digits=12)) for v in np.geomspace(low, high, count)]


IMPORTANCES, DENSITIES = ladder(0.1, 10.0, 6), ladder(0.01, 1.0, 6)
FINE_IMPORTANCES, FINE_DENSITIES = ladder(0.1, 10.0, 16), ladder(0.01, 1.0, 11)
"""Every third and every second of them are the coarse ones."""


def importances(n_features: int, relative: Sequence[float]) -> list[tuple[float, ...]]:
    """Importances 1, of the last feature one of the relative ones."""
    return [(1.0,) * (n_features - 1) + (r,) for r in relative]


EVERY_IMPORTANCE = importances(2, IMPORTANCES) + importances(3, IMPORTANCES)


def plane(
    n_features: int,
    *,
    rates: Sequence[float],
    seeds: int,
    relative: Sequence[float] = IMPORTANCES,
    densities: Sequence[float] = DENSITIES,
    steps: int = STEPS,
    output: str = "relu",
    first_seed: int = FIRST_SEED,
) -> Design:
    """One model, the best of its starts, for each cell, rate and seed."""
    return grid(
        n_features=n_features,
        n_hidden=n_features - 1,
        importance=importances(n_features, relative),
        feature_probability=list(densities),
        noise="dropout",
        rate=list(rates),
        output=output,
        optimiser="adamw",
        learning_rate=3e-2,
        schedule="cosine",
        batch_size=256,
        steps=steps,
        weight_checkpoints=10,
        starts=STARTS,
        seeds=range(first_seed, first_seed + seeds),
    )


def planes(**arguments: Any) -> Design:
    """Both sizes: two features in one unit, three in two."""
    return plane(2, **arguments) | plane(3, **arguments)


# --- designs -------------------------------------------------------------------------

LINEAR: dict[str, Any] = {
    "output": "linear",
    "densities": DENSITIES[5:],
    "rates": [0.0, RATE],
}
"""The control for the column of density 1: two features, read out without a ReLU."""
LONGER = {"relative": IMPORTANCES[1:2], "densities": DENSITIES[2:5:2], "rates": [RATE]}
"""Two cells of each size that are trained four times as long."""


def demo(first_seed: int = FIRST_SEED) -> Design:
    """The coarse planes without dropout and with it."""
    seeds: dict[str, Any] = {"seeds": 16, "first_seed": first_seed}
    return (
        planes(rates=[0.0, RATE], **seeds)
        | plane(2, **LINEAR, **seeds)
        | planes(steps=4 * STEPS, **LONGER, **seeds)
    )


DEMO = demo()
DEFAULT = (
    DEMO
    | planes(rates=[0.0, 0.1, 0.2, 0.3, RATE, 0.7], seeds=20)
    | plane(2, **LINEAR, seeds=20)
    | planes(
        rates=[0.0, 0.2, RATE],
        relative=FINE_IMPORTANCES,
        densities=FINE_DENSITIES,
        seeds=4,
    )
    | planes(steps=4 * STEPS, **LONGER, seeds=20)
)
FULL = (
    DEFAULT
    | planes(rates=[0.0, 0.05, 0.1, 0.2, 0.3, 0.4, RATE, 0.6, 0.7], seeds=24)
    | plane(2, **LINEAR, seeds=24)
    | planes(
        rates=[0.0, 0.1, 0.2, 0.3, RATE, 0.7],
        relative=FINE_IMPORTANCES,
        densities=FINE_DENSITIES,
        seeds=8,
    )
    | planes(steps=4 * STEPS, **LONGER, seeds=24)
)

# --- claims --------------------------------------------------------------------------

ELHAGE = "Elhage et al. 2022, Toy Models of Superposition, phase changes"
PONA = "Pona 2023, Superposition and Dropout"
SPARSE, SOMETIMES_ZERO, DENSE = DENSITIES[:4], DENSITIES[:5], DENSITIES[5:]
LESS, MORE = IMPORTANCES[:3], IMPORTANCES[3:]


def cells(
    n_features: int,
    relative: Sequence[float] = IMPORTANCES,
    densities: Sequence[float] = DENSITIES,
    steps: int | None = STEPS,
    output: str = "relu",
) -> dict[str, Any]:
    """A plane, or a part of it: every factor that varies but the dropout rate."""
    found = {
        "n_features": n_features,
        "output": output,
        "importance": importances(n_features, relative),
        "feature_probability": list(densities),
        "steps": steps,
    }
    return {name: value for name, value in found.items() if value is not None}


def at(rate: float, number: str, where: dict[str, Any]) -> Estimand:
    """A number at a dropout rate, averaged over cells."""
    return level(number, where={**where, "rate": rate})


def change(number: str, where: dict[str, Any]) -> Estimand:
    """What dropout rate 0.5 adds to a number, averaged over cells."""
    return paired_difference(
        number, factor="rate", treated=RATE, control=0.0, where=where
    )


GROWS, STAYS, SHRINKS = (
    above(0.05, "grows"),
    between(-0.05, 0.05, "stays"),
    below(-0.05, "shrinks"),
)
A_TWENTIETH = (
    "By a twentieth of the cells, so that one or two at a boundary decide nothing."
)


def moves(
    name: str, statement: str, where: dict[str, Any], *, said: Region, source: str
) -> Claim:
    """How superposition's share of some cells changes with dropout, either way."""
    return Claim(
        name,
        statement,
        [Part(change("shared", where), said)],
        reason=A_TWENTIETH,
        source=source,
        rivals=[region for region in (GROWS, STAYS, SHRINKS) if region != said],
    )


CLAIMS = [
    Claim(
        "theory-without-dropout",
        "Without dropout the best of 16 starts is in the phase of the true optimum in "
        "nine cells of ten, for n = 2, m = 1 and for n = 3, m = 2.",
        [Part(at(0.0, "agrees", cells(n)), above(0.9)) for n in (2, 3)],
        reason="A tenth of the cells, less than half of those beside a boundary.",
        source=ELHAGE,
    ),
    Claim(
        "theory-under-dropout",
        "At dropout rate 0.5 it is so in a twentieth of the cells more than if every "
        "cell were called in superposition for n = 2, m = 1, and in eight cells of ten "
        "for n = 3, m = 2.",
        [
            Part(
                difference(
                    at(RATE, "agrees", cells(2)), at(RATE, "optimal_shared", cells(2))
                ),
                above(0.05),
            ),
            Part(at(RATE, "agrees", cells(3)), above(0.8)),
        ],
        reason="With two features that constant is right in .89 of the cells, so that "
        "a twentieth is about half of what there is to gain. With three the best "
        "constant is right in .56, and the optimum's D runs along 3/4 in a tenth.",
        source="The pilot; the theory is this project's.",
    ),
    Claim(
        "optimum-reached",
        "The best of 16 starts loses at most 2 % more than the true optimum, in the "
        "mean over the plane, for both sizes and rates.",
        [
            Part(at(rate, "excess_loss", cells(n)), below(0.02))
            for n in (2, 3)
            for rate in (0.0, RATE)
        ],
        reason="As much as the loss may still fall by the limit of convergence.",
        source="The pilot.",
    ),
    Claim(
        "one-start-is-not-enough",
        "Without dropout the best of 16 starts is in the phase of the optimum in a "
        "tenth of the cells more than single runs are, for both sizes.",
        [
            Part(
                difference(
                    at(0.0, "agrees", cells(n)), at(0.0, "agrees_of_starts", cells(n))
                ),
                above(0.1),
            )
            for n in (2, 3)
        ],
        reason="As many cells as may be wrong in all.",
        source=f"{ELHAGE}: clean results need several fits.",
    ),
    moves(
        "two-features",
        "With n = 2, m = 1 superposition takes up as much of the plane at dropout rate "
        "0.5 as without dropout, where inputs are 0 at least three times in five.",
        cells(2, densities=SOMETIMES_ZERO),
        said=STAYS,
        source="The optimum: no cell changes its phase. That dropout inhibits "
        f"superposition: {PONA}.",
    ),
    Claim(
        "two-features-never-zero",
        "With n = 2, m = 1 and inputs that are never 0 (density 1), the features come "
        "to share the unit at dropout rate 0.5 in over half of the cells, with a "
        "linear read-out as with a rectified one.",
        [
            Part(change("shared", cells(2, densities=DENSE, output=output)), above(0.5))
            for output in ("relu", "linear")
        ],
        reason="More than half, so that it is the rule. A read-out without a ReLU "
        "gains nothing from superposition.",
        source="Derived: the unit cancels its mean (`theory.mean_cancellation`).",
    ),
    moves(
        "three-features-last-matters-less",
        "With n = 3, m = 2, a last feature that matters less than the others and is "
        "sparse (density at most 0.16) leaves superposition at dropout rate 0.5.",
        cells(3, LESS, SPARSE),
        said=SHRINKS,
        source=f"The optimum: its share falls from 1 to about a half. {PONA}.",
    ),
    moves(
        "three-features-last-matters-more",
        "With n = 3, m = 2, a last feature that matters more than the others and is "
        "sparse (density at most 0.16) loses the dimension that it has to itself and "
        "is in superposition in more cells at dropout rate 0.5.",
        cells(3, MORE, SPARSE),
        said=GROWS,
        source="The optimum: its share grows from 0 to three quarters.",
    ),
    Claim(
        "moves-as-predicted",
        "For both sizes, superposition's share of the plane changes with dropout as "
        "that of the optimum does.",
        [
            Part(change("shared_beyond_optimum", cells(n)), between(-0.1, 0.1))
            for n in (2, 3)
        ],
        reason="To within a tenth of the cells, as for the phases.",
        source="The pilot; the theory is this project's.",
    ),
    Claim(
        "longer-training",
        "Training four times as long does not change the last feature's "
        "dimensionality at dropout rate 0.5, in two cells of each size.",
        [
            Part(
                paired_difference(
                    "dimensionality",
                    factor="steps",
                    treated=4 * STEPS,
                    control=STEPS,
                    where={
                        **cells(n, LONGER["relative"], LONGER["densities"], None),
                        "rate": RATE,
                    },
                ),
                between(-0.1, 0.1),
            )
            for n in (2, 3)
        ],
        reason="Less than half of the distance between the middle of a phase and its "
        "edge.",
        source="A control: fixed steps are not the optimum.",
    ),
]

# --- the answer ----------------------------------------------------------------------

SAID = {
    "theory-without-dropout": {
        "supported": "The best of 16 starts is in the phase of the true optimum almost "
        "everywhere",
        "refuted": "Even the best of 16 starts misses the phase of the true optimum in "
        "more than a tenth of a plane",
        "undecided": "Whether the best of 16 starts finds the phases of the true "
        "optimum is undecided",
    },
    "theory-under-dropout": {
        "supported": ", under dropout as well.",
        "refuted": ", but under dropout it does not keep to the optimum's phases.",
        "undecided": "; under dropout that is undecided.",
    },
    "one-start-is-not-enough": {
        "supported": " A single run is often not.",
        "refuted": " A single run does almost as well.",
    },
    "two-features": {
        "grows": " With two features dropout widens superposition",
        "stays": " With two features dropout leaves superposition as wide as it was",
        "shrinks": " With two features dropout narrows superposition",
        "refuted": " With two features dropout does not leave superposition as it was",
        "undecided": " With two features it is undecided what dropout does to "
        "superposition",
    },
    "two-features-never-zero": {
        "supported": " at densities up to 0.4; where inputs are never 0 the two come "
        "to share their unit, without a ReLU as well, since that cancels its mean.",
        "refuted": " at densities up to 0.4.",
        "undecided": " at densities up to 0.4.",
    },
    "three-features-last-matters-less": {
        "grows": " With three, more unimportant sparse features are in superposition",
        "stays": " With three, unimportant sparse features stay in superposition",
        "shrinks": " With three, unimportant sparse features leave superposition",
        "refuted": " With three, unimportant sparse features do not leave it",
        "undecided": " With three, what unimportant sparse features do is undecided",
    },
    "three-features-last-matters-more": {
        "grows": ", and important ones enter it.",
        "stays": ", and important ones are in it as often as before.",
        "shrinks": ", and important ones leave it.",
        "refuted": ", and important ones do not enter it.",
        "undecided": ", and what important ones do is undecided.",
    },
    "moves-as-predicted": {
        "supported": " It moves as the optimum's exact boundary says.",
        "refuted": " It does not move as the optimum's exact boundary says.",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together."""
    return assembled(verdicts, SAID, controls=("optimum-reached", "longer-training"))


STUDY = Study(
    name="phase-change",
    question="Is a feature ignored, alone or in superposition where the exact optimum "
    "says so, and how does dropout move the boundary?",
    background="The two phase diagrams of Elhage et al., theory beside trained "
    "models, and the same planes as dropout rises. Theory is the numerical optimum of "
    "the exact expected loss; trained is the best and the mean of 16 starts, 16 in "
    "every cell. What was fixed on the pilot's seeds stands in the study's source.",
    subject=BestOfStarts(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[PHASE, TRAINING],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("expected_loss_fall_last_tenth", limit=0.02),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=both_planes,
    figures=(
        Figure(
            "phase-diagram",
            "Two features in one unit: the phase of the last one, by theory and "
            "trained, as dropout rises. At density 1 features that share the unit "
            "under dropout cancel its mean.",
            plane_figure(2),
            where={"n_features": 2, "steps": STEPS, "output": "relu"},
        ),
        Figure(
            "phase-diagram-3-2",
            "Three features in two units: the phase of the last one, by theory and "
            "trained, as dropout rises.",
            plane_figure(3),
            where={"n_features": 3, "steps": STEPS, "output": "relu"},
        ),
        Figure(
            "phase-boundary-under-dropout",
            "How much of each plane is in which phase, predicted (lines) and trained "
            "(marks), against the dropout rate.",
            boundary_figure,
            where={
                "steps": STEPS,
                "output": "relu",
                "feature_probability": DENSITIES,
                "importance": EVERY_IMPORTANCE,
            },
        ),
    ),
)
