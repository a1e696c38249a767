"""Survival under dropout as numbers: predicted, measured, paid for, and made use of.

`SURVIVAL` reads one model's weights: how far `(1 - p)^n` is from what masks do, under
each n, and whether it is cheaper for a feature to lie on few units or on many. `KEPT`
reads a pair: which features the model with dropout keeps of those that the one without
has, and how well these could have told.
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
from tegum.theory.survival import relative_noise_variance, survival_probability
from tegum.toys.reference import sample_inputs
from tegum.toys.training import loss_fall_last_tenth

UNTOUCHED, HALF = 0.1, 0.5
"""The share of its read-out that a feature may lose: a tenth, or a half."""
PROBE_RATES = (0.1, 0.3, 0.7)
"""At which errors are averaged. 0.5 is left to `carriers_by_masks`, which is counted
there and would be right by definition."""
COUNTED_AT = 0.5
N_ROTATIONS, N_INPUTS = 16, 32
OF_EVEN_SHARE = 0.5
SAME = 1e-9
"""Relative differences up to this are rounding."""
CARRIERS_WEIGHT = 0.032
"""Of `log PR_i` beside `log |W_i|`: a logistic regression of kept or not on 20 of the
pilot's seeds, decaying importances, S = 0.7 and 0.9 together, dropout rate 0.5."""

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
    counted over all masks|. Dimensionless, in `[0, 1]`. NaN where W = 0.
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
    for name, predicted in (
        ("escape", survival_probability),
        ("noise", within_half_by_noise),
    ):
        off = [np.abs(predicted(PR, rate=p) - counted[p]) for p in PROBE_RATES]
        errors[f"rescaled_error_by_{name}"] = by_norm(W, np.mean(off, axis=0))
    return errors


def by_norm(W: Weights, each: PerFeature) -> float:
    """The mean over features by `|W_i|^2`, without those that have no weights."""
    frame = Frame.of(W)
    weight = np.where(frame.lives, frame.norm_squared, 0.0)
    weighted = weight * np.where(frame.lives, each, 0.0)
    return float(ratio(weighted.sum(), weight.sum()))


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
    nothing. NaN where W = 0, for a single unit, and where no loss differs, as it does
    not at rate 0.

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
    z = masks.kept.astype(np.float64) @ parts.reshape(len(parts), -1)
    z += np.tile(b, len(inputs))
    np.maximum(z, 0.0, out=z)
    z -= inputs.reshape(-1)
    np.square(z, out=z)
    return (masks.probability @ z).reshape(inputs.shape).mean(axis=0)


def survival_numbers(
    artifact: Artifact, row: Row, *, n_rotations: int, n_inputs: int
) -> dict[str, float]:
    """The prediction errors of one model, and what its number of units costs it."""
    W = np.asarray(artifact.arrays["W"], dtype=np.float64)
    b = np.asarray(artifact.arrays["b"], dtype=np.float64)
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        return dict.fromkeys(SURVIVAL_NUMBERS, math.nan)
    generator = stream(row["seed"], "carriers")
    rotations = random_rotations(W.shape[0], count=n_rotations, generator=generator)
    inputs = sample_inputs(row, generator, count=n_inputs)
    correlation = carriers_loss_correlation(
        W, b, inputs=inputs, rotations=rotations, rate=COUNTED_AT
    )
    return {**prediction_errors(W), "carriers_loss_correlation": correlation}


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


def kept_numbers(
    artifact: Artifact, row: Row, *, carriers_weight: float
) -> dict[str, float]:
    """How well the model without dropout tells which of its features dropout keeps.

    Among the features that it represents, those that the model with dropout, from the
    same start, represents too are kept. Four scores are asked: by escape, fewer units
    are safer, `-PR_i`; by noise, more are, `PR_i`: the two order features in opposite
    ways; the norm alone, `|W_i|`; norm and units together, `log |W_i| + c log PR_i`,
    with c from other seeds.
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
    norm = np.log(np.linalg.norm(before[:, there], axis=0))
    units = np.log(carriers_by_participation(before[:, there]))
    by = {
        "escape": area_under_curve(-units, kept),
        "noise": area_under_curve(units, kept),
        "norm": area_under_curve(norm, kept),
        "both": area_under_curve(norm + carriers_weight * units, kept),
    }
    return (
        numbers
        | {f"{name}_auc": area for name, area in by.items()}
        | {f"{name}_auc_gain": by[name] - by["norm"] for name in by if name != "norm"}
        | {"features_before": float(there.sum()), "features_kept": float(kept.sum())}
    )


ERRORS = (
    *(
        f"{event}_error_by_{n}"
        for event in ("untouched", "half")
        for n in ("participation", "threshold", "masks")
    ),
    "rescaled_error_by_escape",
    "rescaled_error_by_noise",
)
SURVIVAL_NUMBERS = (*ERRORS, "carriers_loss_correlation")
AREAS = ("escape_auc", "noise_auc", "norm_auc", "both_auc")
GAINS = ("escape_auc_gain", "noise_auc_gain", "both_auc_gain")
COUNTS = ("features_before", "features_kept")
KEPT_NUMBERS = (*AREAS, *GAINS, *COUNTS, "slower_loss_fall_last_tenth")

SURVIVAL = Measure(
    name="survival",
    version=1,
    function=survival_numbers,
    numbers=SURVIVAL_NUMBERS,
    parameters={"n_rotations": N_ROTATIONS, "n_inputs": N_INPUTS},
    ranges={
        **dict.fromkeys(ERRORS, (0.0, 1.0)),
        "carriers_loss_correlation": (-1.0, 1.0),
    },
)
KEPT = Measure(
    name="kept",
    version=1,
    function=kept_numbers,
    numbers=KEPT_NUMBERS,
    parameters={"carriers_weight": CARRIERS_WEIGHT},
    ranges={
        **dict.fromkeys(AREAS, (0.0, 1.0)),
        **dict.fromkeys(GAINS, (-1.0, 1.0)),
        **dict.fromkeys(COUNTS, (0.0, math.inf)),
        "slower_loss_fall_last_tenth": (-1.0, math.inf),
    },
    resolutions=dict.fromkeys(COUNTS, 1.0),
)
