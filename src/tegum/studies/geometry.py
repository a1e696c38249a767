"""Which shapes do features form as they grow sparse, and what does dropout do to them?

Elhage et al. found that features in superposition stand in polytopes: antipodal pairs
(digons), triangles, tetrahedra, pentagons, square antiprisms, and their tegum products,
and that the dimensions per feature stick at 1 and 1/2 while sparsity rises. The study
repeats this at n = 200 features of equal importance on m = 20 units (n = 80, m = 8 in
the demo, n = 400, m = 30 in `full`) against 1 / (1 - S), without dropout and with it,
and asks three things apart:

- *How many dimensions for each feature?* Counted by norm, D* = m / |W|_F^2, as the
  paper has it; and counted one by one, m / k for k kept features. Dropout shrinks all
  weights, which raises D* and leaves m / k as it is, so both are asked for.
- *Which shapes?* Groups of features whose directions are far from orthogonal, each
  named if all its angles and norms are those of one of five polytopes, within
  tolerances that are part of the measure; hexagons or icosahedra would have no name.
  The share so named stands beside the larger of two nulls: as many random directions in
  m dimensions, and random directions within each group's own space, where every other
  pair is antipodal by chance. Claims are about what exceeds them. It is a share of the
  *kept* features: dropout keeps fewer, 16 in place of 27 at n = 80 and S = 0.85, and
  those have the shapes that as few features have without dropout at S = 0.7.
- *At which dimensionality?* Pictures show D_i at the fractions of the polytopes. That
  is no evidence of polytopes, and no claim: twice as many features as dimensions, of
  one norm and spread evenly, have 1/2 each although no two are antipodal.

Fixed on the pilot's seeds, before the rest:

- *Training*: AdamW at 1e-2 with a cosine schedule, 5,000 steps of 512 examples. At
  3e-3 the clean loss without dropout is higher by up to 1 % at S = 0.5 to 0.7, and
  equal elsewhere. Four times as many steps changed no share and no count at n = 80; at
  n = 200 twice the steps with twice the examples changed none at S = 0.7 and beyond,
  but for S = 0.8 without dropout, where shapes change into each other: no claim there.
- *Where the claims stand*: without dropout all kept features are in pairs from S = 0.5
  to 0.7, in pentagons and antiprisms at 0.8, and in one large group from 0.85 on.
- *Rate* 0.5, one of two tried. The other, 0.3, moved the same way and less far.

Three seeds draw the curves at n = 200, and can decide nothing: with them no interval
for a median is bounded. So the claims stand at few sparsities, with 20 seeds each.
"""

from __future__ import annotations

import dataclasses
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
from tegum.measures import GEOMETRY, POLYTOPES
from tegum.studies._answers import assembled
from tegum.studies._geometry_figures import (
    features_in_3d,
    gram,
    intro,
    shapes,
    trajectories,
)
from tegum.studies._geometry_picture import dimensionality, dimensions_and_shapes
from tegum.study import Convergence, Figure, Study
from tegum.toys.subject import ToyModels
from tegum.toys.training import TRAINING

STEPS = 5_000
RATE = 0.5
SEEDS = 20
FIRST_SEED = 2600
PILOT_SEEDS = (*range(FIRST_SEED), *range(1_000_000, 1_000_060))
"""Seeds that were looked at while the claims were being made, or are another study's:
in one store, rows that another study has trained would stand before this one's word."""

SIZES = {80: 8, 200: 20, 400: 30}
"""Features, and hidden units."""


def models(n_features: int, *, seeds: int, **factors: Any) -> Design:
    """A grid of models, equally important features unless the factors say otherwise."""
    usual = {
        "n_features": n_features,
        "n_hidden": SIZES.get(n_features),
        "noise": "dropout",
        "rate": [0.0, RATE],
        "optimiser": "adamw",
        "learning_rate": 1e-2,
        "schedule": "cosine",
        "weight_decay": 0.0,
        "batch_size": 512,
        "steps": STEPS,
        "importance_decay": 1.0,
        "weight_checkpoints": 0,
    }
    fresh = range(FIRST_SEED, FIRST_SEED + seeds)
    return grid(**{**usual, **factors}, seeds=fresh)


def cell(n_features: int, q: float | list[float], **factors: Any) -> dict[str, Any]:
    """The models of one size and sparsity: every factor that varies but the rate."""
    return {
        "n_features": n_features,
        "n_hidden": SIZES[n_features],
        "optimiser": "adamw",
        "feature_probability": q,
        "importance_decay": 1.0,
        "steps": STEPS,
        "weight_checkpoints": 0,
        **factors,
    }


# --- designs -------------------------------------------------------------------------

COARSE = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.1, 0.07, 0.05]
FINE = [*COARSE, 0.9, 0.7, 0.45, 0.35, 0.22, 0.17, 0.085]
"""1 / (1 - S) from 1 to 20."""
PLATEAU = [0.5, 0.4, 0.3]
"""S = 0.5 to 0.7: 1 / (1 - S) rises from 2 to 3.3."""
PAIRS, BEYOND, SPARSE = 0.3, 0.15, 0.05
"""S = 0.7, where features are in pairs without dropout; 0.85, where they are no more;
and 0.95."""

INTRO = [1.0, 0.6, 0.4, 0.25, 0.15, 0.1, 0.07, 0.05]
TURNED, MATRIX, MOVING = 0.1, [1.0, 0.3, 0.03], 0.2


def small_models() -> Design:
    """What the further figures show: few features, so that each can be seen."""
    return (
        models(5, n_hidden=2, importance_decay=0.9, feature_probability=INTRO, seeds=8)
        | models(8, n_hidden=3, feature_probability=TURNED, seeds=8)
        | models(
            20, n_hidden=5, importance_decay=0.7, feature_probability=MATRIX, seeds=4
        )
        | models(
            80,
            feature_probability=MOVING,
            learning_rate=1e-3,
            schedule="constant",
            steps=2 * STEPS,
            weight_checkpoints=250,
            seeds=1,
        )
    )


def longer(n_features: int) -> Design:
    """The control of convergence: four times as many steps at S = 0.85."""
    return models(n_features, feature_probability=BEYOND, steps=4 * STEPS, seeds=SEEDS)


DEMO = (
    models(80, feature_probability=COARSE, seeds=3)
    | models(80, feature_probability=[*PLATEAU, BEYOND, SPARSE], seeds=SEEDS)
    | longer(80)
    | small_models()
)
DEFAULT = (
    DEMO
    | models(200, feature_probability=FINE, seeds=6)
    | models(200, feature_probability=[PAIRS, BEYOND, SPARSE], seeds=SEEDS)
    | longer(200)
)
FULL = (
    DEFAULT
    | models(200, feature_probability=FINE, rate=[0.0, 0.1, 0.3, RATE], seeds=SEEDS)
    | models(400, feature_probability=[*FINE, 0.03, 0.01], seeds=6)
)

# --- claims --------------------------------------------------------------------------

TOY_MODELS = "Elhage et al. 2022, Toy Models of Superposition"
QUARTER = "A quarter more or less; in the pilot seeds differ by a tenth."
AS_MANY, FEWER, MORE = (
    between(0.8, 1.25, "as many"),
    above(1.25, "fewer"),
    below(0.8, "more"),
)


def at(rate: float, number: str, where: dict[str, Any]) -> Estimand:
    """A number at a dropout rate."""
    return level(number, where={**where, "rate": rate})


def added(number: str, where: dict[str, Any]) -> Estimand:
    """What dropout at rate 0.5 adds to a number, against none."""
    return paired_difference(
        number, factor="rate", treated=RATE, control=0.0, where=where
    )


def times(number: str, where: dict[str, Any]) -> Estimand:
    """By what dropout at rate 0.5 multiplies a number, against none."""
    return paired_ratio(number, factor="rate", treated=RATE, control=0.0, where=where)


def beyond_chance(n: int) -> Claim:
    """Polytopes at S = 0.7 without dropout."""
    return Claim(
        f"polytopes-beyond-chance-{n}",
        f"Without dropout, of {n} features at S = 0.7 more stand in polytopes than "
        "chance puts there.",
        [Part(at(0.0, "named_excess", cell(n, PAIRS)), above(0.25))],
        reason="By half of what features all in pairs would have: 1/2 over chance, "
        "since every other pair on a line is antipodal anyway.",
        source=TOY_MODELS,
    )


def none_when_sparse(n: int) -> Claim:
    """No polytopes at S = 0.95."""
    return Claim(
        f"none-of-five-shapes-when-very-sparse-{n}",
        f"Of {n} features at S = 0.95, with dropout at rate 0.5 and without it, at "
        "least nine in ten of those kept stand in none of the five shapes looked for.",
        [
            Part(at(rate, "named_share", cell(n, SPARSE)), below(0.1))
            for rate in (0.0, RATE)
        ],
        reason="A tenth of the features. The five shapes hold at most eight features "
        "in three dimensions: without dropout not half of those kept could stand in "
        "them, with it most could. Of other shapes nothing is said.",
        source="The pilot; that plateaus are soft: the authors' own public run.",
    )


def tidies(n: int) -> Claim:
    """What dropout does to the share in polytopes, over chance, at S = 0.85."""
    return Claim(
        f"dropout-and-polytopes-{n}",
        f"Of {n} features at S = 0.85, more of those that dropout at rate 0.5 keeps "
        "stand in polytopes, over chance, than of those kept without it.",
        [Part(added("named_excess", cell(n, BEYOND)), above(0.25, "into polytopes"))],
        reason="By half of what features all in pairs have over chance; pairs on the "
        "axes with random signs have nothing. Dropout keeps fewer features, which is "
        "part of what it does: a claim below.",
        source="Asked by readers of the posts on dropout; the pilot.",
        rivals=[
            between(-0.25, 0.25, "as before"),
            below(-0.25, "out of polytopes"),
        ],
    )


def plateau_moves(n: int) -> Claim:
    """Half a dimension at S = 0.85, with dropout alone."""
    number = "dimensions_per_kept_feature"
    return Claim(
        f"dropout-moves-the-plateau-{n}",
        f"With {n} features, dropout at rate 0.5 carries the plateau of half a "
        "dimension for each kept feature to S = 0.85, where there is about a third "
        "without it.",
        [
            Part(at(RATE, number, cell(n, BEYOND)), between(0.45, 0.55)),
            Part(at(0.0, number, cell(n, BEYOND)), below(0.4)),
        ],
        reason="Within a tenth of 1/2, and a fifth or more below it.",
        source="The pilot.",
    )


def unchanged_by_longer_training(n: int) -> Claim:
    """The control of convergence."""
    where = {name: v for name, v in cell(n, BEYOND).items() if name != "steps"}

    def more_steps(number: str, rate: float) -> Estimand:
        return paired_difference(
            number,
            factor="steps",
            treated=4 * STEPS,
            control=STEPS,
            where={**where, "rate": rate},
        )

    regions = {
        "named_excess": between(-0.1, 0.1),
        "dimensions_per_kept_feature": between(-0.05, 0.05),
    }
    return Claim(
        f"longer-training-{n}",
        f"With {n} features, training four times as long changes neither the share in "
        "polytopes, over chance, nor the dimensions for each kept feature at S = 0.85.",
        [
            Part(more_steps(number, rate), region)
            for number, region in regions.items()
            for rate in (0.0, RATE)
        ],
        reason="A tenth of the features, and a tenth of half a dimension.",
        source="A control: fixed steps are not the optimum.",
    )


SMALL, LARGE = 80, 200
LARGER = ("default", "full")

CLAIMS = [
    Claim(
        "plateau-at-one-half",
        "Without dropout the dimensions for each feature, counted by norm, stay at one "
        "half from S = 0.5 to 0.7, while features become nearly half as frequent.",
        [
            Part(at(0.0, "dimensions_per_feature", cell(SMALL, q)), between(0.45, 0.55))
            for q in PLATEAU
        ],
        reason="Within a tenth of 1/2.",
        source=TOY_MODELS,
    ),
    beyond_chance(SMALL),
    none_when_sparse(SMALL),
    tidies(SMALL),
    plateau_moves(SMALL),
    Claim(
        "dropout-and-dimensions-by-norm",
        "At S = 0.7, dropout at rate 0.5 raises the dimensions for each feature, "
        "counted by norm.",
        [
            Part(
                times("dimensions_per_feature", cell(SMALL, PAIRS)),
                above(1.25, "raises"),
            )
        ],
        reason=QUARTER,
        source=f"D* of {TOY_MODELS}.",
        rivals=[between(0.8, 1.25, "leaves"), below(0.8, "lowers")],
    ),
    Claim(
        "dropout-and-dimensions-by-count",
        "At S = 0.7, dropout at rate 0.5 leaves as many dimensions for each kept "
        "feature, counted one by one: what it does to D* there is shrinkage.",
        [Part(times("dimensions_per_kept_feature", cell(SMALL, PAIRS)), AS_MANY)],
        reason=QUARTER,
        source="The pilot; a norm threshold is crossed by shrinkage alone.",
        rivals=[FEWER, MORE],
    ),
    Claim(
        "dropout-and-dimensions-when-very-sparse",
        "At S = 0.95, dropout at rate 0.5 leaves fewer features, counted one by one.",
        [Part(times("dimensions_per_kept_feature", cell(SMALL, SPARSE)), FEWER)],
        reason=QUARTER,
        source="Pona 2023, Superposition and Dropout: dropout inhibits superposition.",
        rivals=[AS_MANY, MORE],
    ),
    unchanged_by_longer_training(SMALL),
    *[
        dataclasses.replace(made(LARGE), designs=LARGER)
        for made in (
            beyond_chance,
            none_when_sparse,
            tidies,
            plateau_moves,
            unchanged_by_longer_training,
        )
    ],
]

SAID = {
    "plateau-at-one-half": {
        "supported": "Without dropout features share a dimension two by two over a "
        "range of sparsities",
        "refuted": "Without dropout there is no plateau at half a dimension for each "
        "feature",
        "undecided": "Whether there is a plateau at half a dimension for each feature "
        "is undecided",
    },
    "polytopes-beyond-chance-80": {
        "supported": "; at S = 0.7 features stand in polytopes well beyond chance",
        "refuted": "; at S = 0.7 features do not stand in polytopes well beyond chance",
    },
    "none-of-five-shapes-when-very-sparse-80": {
        "supported": "; very sparse ones stand in none of the five shapes looked for",
        "refuted": "; some very sparse ones do stand in the shapes looked for",
    },
    "dropout-and-polytopes-80": {
        "into polytopes": ". At S = 0.85 a larger share of what dropout keeps stands "
        "in polytopes",
        "as before": ". At S = 0.85 about the same share of what dropout keeps stands "
        "in polytopes",
        "out of polytopes": ". At S = 0.85 a smaller share of what dropout keeps "
        "stands in polytopes",
        "undecided": ". What dropout does to the shapes at S = 0.85 is undecided",
    },
    "dropout-moves-the-plateau-80": {
        "supported": ", two to a dimension where there are three without it",
    },
    "dropout-and-dimensions-by-norm": {
        "raises": ". At S = 0.7 dropout raises the dimensions for each feature, "
        "counted by norm",
        "leaves": ". At S = 0.7 dropout leaves the dimensions for each feature, "
        "counted by norm",
        "lowers": ". At S = 0.7 dropout lowers the dimensions for each feature, "
        "counted by norm",
    },
    "dropout-and-dimensions-by-count": {
        "as many": "; as many are kept there, counted one by one",
        "fewer": "; fewer are kept there, counted one by one",
        "more": "; more are kept there, counted one by one",
    },
    "dropout-and-dimensions-when-very-sparse": {
        "as many": ", and at S = 0.95 as many are kept.",
        "fewer": ", and at S = 0.95 fewer are kept.",
        "more": ", and at S = 0.95 more are kept.",
        "supported": ".",
        "refuted": ".",
        "undecided": ".",
    },
}
"""What each verdict adds to the answer, by the region that holds or by its word."""

CONTROLS = ("longer-training-80", "longer-training-200")


def answer(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts say together."""
    return assembled(verdicts, SAID, controls=CONTROLS)


LEAST_LOST = (
    "the one is shown that lost least of what it was trained on: without dropout the "
    "clean loss, with it the loss over all masks."
)
FIGURES = (
    Figure(
        "intro",
        "Five features of decreasing importance in two dimensions as they grow sparser "
        "(left to right), without dropout and with it. Of eight seeds " + LEAST_LOST,
        intro,
        where={"n_features": 5},
    ),
    Figure(
        "features-in-3d",
        "Eight equally important features in three dimensions at S = 0.9, without "
        "dropout and with it; turn them by hand. Lines join features whose directions "
        "are far from orthogonal. Of eight seeds " + LEAST_LOST,
        features_in_3d,
        where={"n_features": 8},
    ),
    Figure(
        "gram",
        "W^T W of twenty features of decreasing importance on five units, and beside "
        "it the norm of each feature, coloured by its superposition. Of four seeds "
        + LEAST_LOST,
        gram,
        where={"n_features": 20},
    ),
    Figure(
        "dimensionality",
        "How large a share of a dimension each feature has to itself, against "
        "sparsity. The area of a disc is a share of all features, those of all seeds "
        "together; dropped ones lie at 0. Dotted lines are the fractions of the "
        "polytopes, at which features spread evenly may lie without shapes, too; the "
        "curve is D* = m / |W|_F^2, which dropout lifts out at the top.",
        dimensionality,
        where={"importance_decay": 1.0, "steps": STEPS, "weight_checkpoints": 0},
    ),
    Figure(
        "trajectories",
        "The dimensionality of each of eighty features along training, S = 0.8, and "
        "the clean loss below it. Kept features are coloured by the polytope in which "
        "they end; dropped ones and those in no polytope are grey.",
        trajectories,
        where={"n_features": 80, "weight_checkpoints": 250},
    ),
    Figure(
        "feature-graph",
        "The groups of joined features in one model at each of three sparsities, "
        "without dropout and with it: each group in the plane in which it is widest, "
        "coloured by the polytope that it is. Of all seeds " + LEAST_LOST,
        shapes,
        where={
            "n_features": 80,
            "feature_probability": [PAIRS, MOVING, BEYOND],
            "steps": STEPS,
            "weight_checkpoints": 0,
        },
    ),
)

STUDY = Study(
    name="geometry",
    question="In which polytopes do features stand as they grow sparse, how many "
    "dimensions has each, and what does dropout do to both?",
    background="Shapes are named by tolerances fixed beforehand and held against two "
    "nulls; dimensions for each feature are counted by norm and one by one, since "
    "dropout shrinks all norms. What was fixed on the pilot's seeds stands in the "
    "study's source.",
    subject=ToyModels(),
    designs={"demo": DEMO, "default": DEFAULT, "full": FULL},
    measures=[GEOMETRY, POLYTOPES, TRAINING],
    claims=CLAIMS,
    alpha=0.05,
    convergence=Convergence("loss_fall_last_tenth", limit=0.01),
    pilot_seeds=PILOT_SEEDS,
    answer=answer,
    picture=dimensions_and_shapes,
    figures=FIGURES,
)
