"""Survival under dropout as numbers: predicted, measured, paid for, and made use of.

`SURVIVAL` reads one model's weights: how far `(1 - p)^n` is from what masks do, under
each n; how often features escape, and whether it is cheaper for one to lie on few units
or on many, each beside what the same model gives in bases or directions at random.
`KEPT` reads a pair: which features the model with dropout keeps of those that the one
without has, and how well their importance, norm and units could have told.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.measures.facts import Measure
from tegum.measures.frame import Frame, ratio
from tegum.measures.redundancy import (
    TIE,
    carriers_by_masks,
    carriers_by_participation,
    carriers_by_threshold,
    enumerated_masks,
    escape_by_masks,
    unit_shares,
)
from tegum.measures.represented import explained_variance
from tegum.measures.sphere import random_rotations
from tegum.studies._survival_pairs import WITHOUT
from tegum.theory.survival import relative_noise_variance
from tegum.toys.inputs import sample_inputs
from tegum.toys.model import importances, initial_weights
from tegum.toys.training import loss_fall_last_tenth

UNTOUCHED, HALF = 0.1, 0.5
"""The share of its read-out that a feature may lose: a tenth, or a half."""
PROBE_RATES = (0.1, 0.3, 0.7)
"""At which errors are averaged. 0.5 is left to `carriers_by_masks`, which is counted
there and would be right by definition."""
COUNTED_AT = 0.5
N_ROTATIONS, N_INPUTS = 16, 128
OF_EVEN_SHARE = 0.5
SAME = 1e-9
"""Relative differences up to this are rounding."""

Weights = Float[ndarray, "hidden feature"]
PerFeature = Float[ndarray, " feature"]


# --- what masks do, and what each n says they do -------------------------------------


def counts_of_units(W: Weights, *, max_lost_share: float) -> dict[str, PerFeature]:
    """The n of `(1 - p)^n` in three readings, for each feature.

    `participation`: `|W_i|^4 / sum_k W_ki^4`. `threshold`: the units that hold at least
    a tenth of the read-out. `masks`: the n that is right at dropout rate 0.5 for the
    given share; for a share of a half that is 1 for every feature but for ties, since
    a mask and its complement are as probable there. In units. NaN where `W_i = 0`.

    Source: `measures.redundancy`.
    """
    return {
        "participation": carriers_by_participation(W),
        "threshold": carriers_by_threshold(W, min_share=UNTOUCHED),
        "masks": carriers_by_masks(W, rate=COUNTED_AT, max_lost_share=max_lost_share),
    }


def within_half(W: Weights, *, rate: float) -> PerFeature:
    """How often a mask leaves the read-out within half of its clean value, rescaled.

    `P(|sum over kept k of W_ki^2 / |W_i|^2 / (1 - p) - 1| <= 1/2)`, over all masks.
    Training divides what is kept by 1 - p, so that a feature of which nothing is
    dropped reads `1 / (1 - p)` times too strong. Dimensionless, in `[0, 1]`. NaN where
    `W_i = 0`.

    Raises:
        ValueError: more than 12 units, or a rate outside [0, 1).

    Source: the definition of inverted dropout.
    """
    masks, shares = enumerated_masks(W.shape[0], rate=rate), unit_shares(W)
    read = masks.kept.astype(np.float64) @ shares / (1.0 - rate)
    inside = np.abs(read - 1.0) <= HALF * (1 + TIE)
    found = masks.probability @ inside
    return np.where(np.isnan(shares).any(axis=0), np.nan, found)


def within_half_by_noise(participation_ratio: PerFeature, *, rate: float) -> PerFeature:
    """The same, were the read-out Gaussian with the variance that dropout gives it.

    `P(|Z| <= 1/2)`, Z of mean 0 and variance `p / ((1 - p) PR_i)`. It rises with the
    number of units, where `(1 - p)^n` falls.

    Source: `theory.survival.relative_noise_variance`.
    """
    spread = np.sqrt(relative_noise_variance(participation_ratio, rate=rate))
    return 2.0 * stats.norm.cdf(HALF / spread) - 1.0


def prediction_errors(W: Weights) -> dict[str, float]:
    """By how much each prediction is off, in probability.

    The mean over the probe's rates, and over features by `|W_i|^2`, of |predicted -
    counted over all masks|: of `(1 - p)^n` where a tenth or half may be lost, and of
    `within_half_by_noise`. Dimensionless, in `[0, 1]`. NaN where W = 0. Directions at
    random on 8 units, never trained, have 0.03, 0.3 and 0.06: small errors say nothing
    of training.
    """
    errors = {}
    for event, share in (("untouched", UNTOUCHED), ("half", HALF)):
        for name, n in counts_of_units(W, max_lost_share=share).items():
            off = [
                np.abs(
                    (1.0 - p) ** n - escape_by_masks(W, rate=p, max_lost_share=share)
                )
                for p in PROBE_RATES
            ]
            errors[f"{event}_error_by_{name}"] = by_norm(W, np.mean(off, axis=0))
    alive = ~np.isnan(carriers_by_participation(W))
    W, PR = W[:, alive], carriers_by_participation(W)[alive]
    counted = {p: within_half(W, rate=p) for p in PROBE_RATES}
    off = [np.abs(within_half_by_noise(PR, rate=p) - counted[p]) for p in PROBE_RATES]
    errors["rescaled_error_by_noise"] = by_norm(W, np.mean(off, axis=0))
    return errors


def by_norm(W: Weights, each: PerFeature) -> float:
    """The mean over features by `|W_i|^2`, without those that have no weights."""
    frame = Frame.of(W)
    weight = np.where(frame.lives, frame.norm_squared, 0.0)
    weighted = weight * np.where(frame.lives, each, 0.0)
    return float(ratio(weighted.sum(), weight.sum()))


# --- how often, beside a random basis ------------------------------------------------


def relative_escape(
    W: Weights, *, rotations: Float[ndarray, "rotation hidden hidden"], rate: float
) -> float:
    """How often features escape dropout, beside the same features in a random basis.

    The chance that a mask takes at most a tenth of a feature's read-out, counted over
    all masks and averaged over features by `|W_i|^2`, divided by its mean over
    rotations Q of QW. Dimensionless, in `[0, inf)`: above 1 the basis lets features
    escape more often than a basis at random, below 1 less often. NaN where W = 0, and
    where no feature escapes in any rotation.

    Raises:
        ValueError: a rate outside [0, 1).

    Source: this project; `measures.redundancy.escape_by_masks`.

    Two features, each on one of two units; turned by an eighth, each on both:

    >>> eighth = np.array([[[1.0, -1.0], [1.0, 1.0]]]) / np.sqrt(2.0)
    >>> round(relative_escape(np.eye(2), rotations=eighth, rate=0.5), 6)
    2.0
    """

    def escape(W: Weights) -> float:
        return by_norm(W, escape_by_masks(W, rate=rate, max_lost_share=UNTOUCHED))

    turned = float(np.mean([escape(Q @ W) for Q in rotations]))
    return escape(W) / turned if turned else math.nan


# --- few units or many: which is cheaper ---------------------------------------------


def carriers_loss_correlation(
    W: Weights,
    b: PerFeature,
    *,
    inputs: Float[ndarray, "example feature"],
    rotations: Float[ndarray, "rotation hidden hidden"],
    rate: float,
) -> float:
    """Whether a feature loses more to dropout the more units it lies on.

    Rotating the hidden units leaves the model without dropout as it is and changes on
    how many units each feature lies. Over rotations Q, the correlation of `log PR_i` of
    QW with feature i's dropout loss, `mean over inputs of sum over masks of P(mask)
    (x_i - y_i)^2`; its mean over features by `|W_i|^2`. Dimensionless, in `[-1, 1]`:
    above 0 few units are cheaper, below 0 many are, and at 0 their number says
    nothing. Directions at random have -0.1 to -0.6. Few inputs pull it towards 0. NaN
    where W = 0, for a single unit, and where no loss differs, as it does not at rate 0.

    Raises:
        ValueError: more than 12 units, or a rate outside [0, 1).
    """
    turned = [Q @ W for Q in rotations]
    units = np.log([carriers_by_participation(QW) for QW in turned])
    loss = np.array([dropout_losses(QW, b, inputs=inputs, rate=rate) for QW in turned])
    mean_loss = loss.mean(axis=0)
    units, loss = units - units.mean(axis=0), loss - mean_loss
    units_scale, loss_scale = (np.sqrt((x**2).sum(axis=0)) for x in (units, loss))
    known = (units_scale > SAME) & (loss_scale > SAME * mean_loss)
    if not known.any():
        return math.nan
    each = (units * loss).sum(axis=0)[known] / (units_scale * loss_scale)[known]
    return by_norm(W[:, known], each)


def dropout_losses(
    W: Weights,
    b: PerFeature,
    *,
    inputs: Float[ndarray, "example feature"],
    rate: float,
) -> PerFeature:
    """What each feature loses on these inputs on average over all masks.

    `mean over inputs of sum over masks of P(mask) (x_i - y_i)^2`, with `y = relu(W^T
    (mask / (1 - p)) W x + b)`. Squared units of the inputs, in `[0, inf)`.

    Raises:
        ValueError: more than 12 units, or a rate outside [0, 1).

    Source: the definition of inverted dropout, `toys.reference.forward`.
    """
    masks = enumerated_masks(W.shape[0], rate=rate)
    # What unit k alone adds to each pre-activation: h_k W_k / (1 - p).
    parts = (inputs @ W.T).T[:, :, None] * W[:, None, :] / (1.0 - rate)
    z = np.empty((len(masks.kept), *inputs.shape))
    z[0] = b
    # Masks are counted up in binary: each unit doubles the table of sums.
    for k, part in enumerate(parts):
        np.add(z[: 2**k], part, out=z[2**k : 2 ** (k + 1)])
    np.maximum(z, 0.0, out=z)
    z -= inputs
    np.square(z, out=z)
    return (
        (masks.probability @ z.reshape(len(z), -1)).reshape(inputs.shape).mean(axis=0)
    )


def with_random_directions(W: Weights, row: Row) -> Weights:
    """The model's norms on the directions that its training started from.

    `|W_i| W0_i / |W0_i|`: what is left of a model once the arrangement of its features
    is taken away.
    """
    W0 = initial_weights(row).astype(np.float64)
    return W0 / np.linalg.norm(W0, axis=0) * np.linalg.norm(W, axis=0)


def survival_numbers(
    artifact: Artifact, row: Row, *, n_rotations: int, n_inputs: int
) -> dict[str, float]:
    """Escape, the errors of its predictions, and what a number of units costs.

    `learned_loss_correlation` is `carriers_loss_correlation` minus that of random
    directions with the model's own norms and biases. The errors of the untrained start
    stand beside those of the model.
    """
    W = np.asarray(artifact.arrays["W"], dtype=np.float64)
    b = np.asarray(artifact.arrays["b"], dtype=np.float64)
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        return dict.fromkeys(SURVIVAL_NUMBERS, math.nan)
    generator = stream(row["seed"], "carriers")
    rotations = random_rotations(W.shape[0], count=n_rotations, generator=generator)
    inputs = sample_inputs(row, generator, count=n_inputs)

    def correlation(W: Weights) -> float:
        law = {"inputs": inputs, "rotations": rotations, "rate": COUNTED_AT}
        return carriers_loss_correlation(W, b, **law)

    untrained = prediction_errors(initial_weights(row).astype(np.float64))
    own, at_random = correlation(W), correlation(with_random_directions(W, row))
    return {
        **prediction_errors(W),
        **{f"untrained_{name}": error for name, error in untrained.items()},
        "relative_escape": relative_escape(W, rotations=rotations, rate=COUNTED_AT),
        "carriers_loss_correlation": own,
        "random_loss_correlation": at_random,
        "learned_loss_correlation": own - at_random,
    }


# --- which features are kept, and what could have told -------------------------------


def area_under_curve(
    scores: Float[ndarray, " feature"], kept: Bool[ndarray, " feature"]
) -> float:
    """How often a kept feature scores above a lost one, ties counting half.

    Dimensionless, in `[0, 1]`: 1 where the score tells kept from lost without fail,
    1/2 where it says nothing, 0 where it is always wrong. NaN where all are kept, or
    none.

    Source: Mann and Whitney 1947; the area under the receiver operating curve.

    >>> area_under_curve(np.array([3.0, 1.0, 2.0]), np.array([True, False, True]))
    1.0
    """
    above = np.sign(scores[kept][:, None] - scores[~kept][None, :])
    return float((above.mean() + 1.0) / 2.0) if above.size else math.nan


def represented(W: Weights, *, row: Row) -> Bool[ndarray, " feature"]:
    """Which features are read out with at least half of an even share of the units.

    The criterion of `measures.represented.features_represented`: free of scale, so that
    shrinkage is not taken for loss.
    """
    explained = explained_variance(W, feature_probability=row["feature_probability"])
    return explained > OF_EVEN_SHARE * min(1.0, W.shape[0] / W.shape[1])


def kept_numbers(artifact: Artifact, row: Row) -> dict[str, float]:
    """How well the model without dropout tells which of its features dropout keeps.

    Among the features that it represents, those that the model with dropout, from the
    same start, represents too are kept. Three scores are asked: the feature's
    importance; its norm `|W_i|`; and escape, `-PR_i`, by which fewer units are safer.
    By the size of the noise more units are safer: the same order reversed, whose area
    is 1 minus that of escape.
    """
    W, before = (
        np.asarray(artifact.arrays[name], dtype=np.float64)
        for name in ("W", "W" + WITHOUT)
    )
    falls = [
        loss_fall_last_tenth(Artifact({**artifact.arrays, "loss": loss}))
        for loss in (artifact.arrays["loss"], artifact.arrays["loss" + WITHOUT])
    ]
    numbers: dict[str, float] = dict.fromkeys(KEPT_NUMBERS, math.nan)
    known = not any(map(math.isnan, falls))
    numbers["slower_loss_fall_last_tenth"] = max(falls, key=abs) if known else math.nan
    if not (np.isfinite(W).all() and np.isfinite(before).all()):
        return numbers
    there = represented(before, row=row)
    kept = represented(W, row=row)[there]
    return numbers | {
        "importance_auc": area_under_curve(importances(row)[there], kept),
        "norm_auc": area_under_curve(np.linalg.norm(before[:, there], axis=0), kept),
        "escape_auc": area_under_curve(
            -carriers_by_participation(before[:, there]), kept
        ),
        "features_before": float(there.sum()),
        "features_kept": float(kept.sum()),
    }


ERRORS = (
    *(
        f"{event}_error_by_{n}"
        for event in ("untouched", "half")
        for n in ("participation", "threshold", "masks")
    ),
    "rescaled_error_by_noise",
)
UNTRAINED_ERRORS = tuple(f"untrained_{name}" for name in ERRORS)
CORRELATIONS = ("carriers_loss_correlation", "random_loss_correlation")
SURVIVAL_NUMBERS = (
    *ERRORS,
    *UNTRAINED_ERRORS,
    "relative_escape",
    *CORRELATIONS,
    "learned_loss_correlation",
)
AREAS = ("importance_auc", "norm_auc", "escape_auc")
COUNTS = ("features_before", "features_kept")
KEPT_NUMBERS = (*AREAS, *COUNTS, "slower_loss_fall_last_tenth")

SURVIVAL = Measure(
    name="survival",
    version=2,
    function=survival_numbers,
    numbers=SURVIVAL_NUMBERS,
    parameters={"n_rotations": N_ROTATIONS, "n_inputs": N_INPUTS},
    ranges={
        **dict.fromkeys((*ERRORS, *UNTRAINED_ERRORS), (0.0, 1.0)),
        **dict.fromkeys(CORRELATIONS, (-1.0, 1.0)),
        "learned_loss_correlation": (-2.0, 2.0),
        "relative_escape": (0.0, math.inf),
    },
)
KEPT = Measure(
    name="kept",
    version=2,
    function=kept_numbers,
    numbers=KEPT_NUMBERS,
    ranges={
        **dict.fromkeys(AREAS, (0.0, 1.0)),
        **dict.fromkeys(COUNTS, (0.0, math.inf)),
        "slower_loss_fall_last_tenth": (-1.0, math.inf),
    },
    resolutions=dict.fromkeys(COUNTS, 1.0),
)
