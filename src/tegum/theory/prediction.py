"""What a population of toy models will look like, predicted before it is trained.

The expected loss over all inputs and all masks is minimised from a few random starts;
the measures of the minima are the prediction. Nothing is sampled but the starts, which
have the law of initial weights and are nobody's seed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.design import Row
from tegum.measures import basis, interference, represented
from tegum.theory.expected_loss import expected_loss
from tegum.theory.minimum import (
    Minimum,
    Stage,
    Start,
    gaussian_starts,
    quasi_newton,
)

STARTS = 4
STAGES = (Stage(12, least_fall=1e-6), Stage(32, least_fall=1e-7), Stage(96, 1e-12))
"""The descents, each from where the one before it ended. With fewer than 96 nodes the
quadrature has minima of its own where the loss is flat."""
MAX_ITERATIONS = (300, 300, 2000)
"""Of each descent."""
LEVEL = 2e-5
"""A minimum has no slope above this share of its loss. Plateaus that only look like
minima have slopes ten times as large: at 2e-4 dense features of equal importance would
be said to be kept that the minimum drops."""
MOST_WORK = 300_000
PLAIN = {
    "decoder": "tied",
    "hidden_activation": "linear",
    "target": "identity",
    "bias": "learned",
    "feature_values": "uniform",
    "activity": "independent",
}
"""What the expected loss takes for granted: the factors of variants at their neutral
levels."""
NUMBERS = (
    "features_represented",
    "mean_norm_squared",
    "relative_interference",
    "mean_participation_ratio",
    "participation_gap",
    "unit_alignment_gap",
    "expected_loss",
)


BASIS_GAPS = ("participation_gap", "unit_alignment_gap")


@dataclass(frozen=True)
class Prediction:
    """Predicted numbers of one row: their median over starts, and their spread.

    Without dropout the gaps of the basis are predicted to be 0: the loss and the law of
    the starts know no basis. Their spread is that of the starts all the same.

    `numbers` bear the names of the measures; the median is what a start is as likely to
    exceed as not, and has the least mean absolute error. `expected_loss` is the clean
    or masked loss that was minimised. `spread` is the standard deviation over starts,
    NaN for one start. `best` is the minimum of least loss. `settled` is the share of
    starts that ended where the loss is level: no slope above 2e-5 of it.
    """

    numbers: Mapping[str, float]
    spread: Mapping[str, float]
    best: Minimum
    settled: float


@dataclass(frozen=True)
class Score:
    """How far predictions were off, beside the best constant.

    `error` and `rival_error` are mean absolute errors in units of the number; `skill =
    1 - error / rival_error` is 1 for perfect predictions, 0 for none better than the
    constant, below 0 for worse. NaN where the observed values are all alike.
    """

    error: float
    rival: float
    rival_error: float
    skill: float


def predict_population(row: Row, *, starts: int = STARTS, seed: int = 0) -> Prediction:
    """What models of one row will be like: how many features, how strong, which way.

    Minimises `theory.expected_loss` for the row's sizes, density, importances, output
    and dropout rate. Optimiser, steps and the row's own seed are not used. What decides
    its error is that training need not end in the minima found here, on a plateau least
    of all; the quadrature's part is about 1e-5 of the loss (`docs/theory.md`). Time
    grows as n^2 2^m with dropout and n^2 without: with dropout eight features on three
    units take a few seconds for each start, twenty on five a minute or more.

    Raises:
        ValueError: a variant of the model, noise without masks, an L1 penalty or weight
            decay in the row, no start, or a model too large to be enumerated.

    Source: this project.
    """
    _check_row(row)
    n, m = row["n_features"], row["n_hidden"]
    drawn = gaussian_starts(n, m, count=starts, seed=seed)
    minima = sorted((_minimum(start, row) for start in drawn), key=lambda at: at.loss)
    each = [_numbers(minimum, row) for minimum in minima]
    table = {name: np.array([numbers[name] for numbers in each]) for name in NUMBERS}
    numbers = {name: float(np.median(v)) for name, v in table.items()}
    if row.get("rate", 0.0) == 0.0:
        numbers |= {name: 0.0 for name in BASIS_GAPS if not math.isnan(numbers[name])}
    return Prediction(
        numbers=numbers,
        spread={
            name: float(v.std(ddof=1)) if starts > 1 else math.nan
            for name, v in table.items()
        },
        best=minima[0],
        settled=float(np.mean([minimum.settled for minimum in minima])),
    )


def constant_prediction(observed: Sequence[float] | Float[ndarray, " cell"]) -> float:
    """The rival of every prediction: one number for all cells.

    The median of what was observed, so the constant with the least mean absolute
    error: it is told the answers, and is as hard to beat as a constant can be. In units
    of the number. NaN cells are left out; NaN where none is left.

    Source: this project.

    >>> constant_prediction([1.0, 2.0, 9.0])
    2.0
    """
    known = np.asarray(observed, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if known.size else math.nan


def score(
    predicted: Sequence[float] | Float[ndarray, " cell"],
    observed: Sequence[float] | Float[ndarray, " cell"],
) -> Score:
    """How far predictions were off, over cells, beside the best constant.

    Cells where either side is NaN are left out.

    Raises:
        ValueError: other lengths, or no cell left.

    Source: this project.

    >>> score([1.0, 2.0, 8.0], [1.0, 2.0, 9.0]).skill
    0.875
    """
    p, o = np.asarray(predicted, float), np.asarray(observed, float)
    if p.shape != o.shape:
        raise ValueError(
            f"{p.size} predictions stand against {o.size} observations; give one for "
            "each"
        )
    both = ~(np.isnan(p) | np.isnan(o))
    if not both.any():
        raise ValueError(
            "no cell has both a prediction and an observation; score needs one or more"
        )
    p, o = p[both], o[both]
    rival = constant_prediction(o)
    error, rival_error = float(np.abs(p - o).mean()), float(np.abs(rival - o).mean())
    skill = 1.0 - error / rival_error if rival_error else math.nan
    return Score(error, rival, rival_error, skill)


def _minimum(start: Start, row: Row) -> Minimum:
    """Where descent on the row's expected loss leads to from a start."""
    shape, size = start[0].shape, start[0].size
    law = {
        "feature_probability": row["feature_probability"],
        "importance": _importances(row),
        "rate": row.get("rate", 0.0),
        "output": row.get("output", "relu"),
    }

    def objective(flat: ndarray, nodes: int) -> tuple[float, ndarray]:
        at = expected_loss(flat[:size].reshape(shape), flat[size:], **law, nodes=nodes)
        return at.loss, np.concatenate([at.W.ravel(), at.b])

    at, least_slope = np.concatenate([start[0].ravel(), start[1]]), 0.0
    for stage, most in zip(STAGES, MAX_ITERATIONS, strict=True):
        look = functools.partial(objective, nodes=stage.nodes)
        at, _ = quasi_newton(
            look,
            at,
            max_iterations=most,
            least_fall=stage.least_fall,
            least_slope=least_slope,
        )
        least_slope = 0.5 * LEVEL * look(at)[0]
    loss, slope = objective(at, STAGES[-1].nodes)
    level = bool(np.abs(slope).max() <= LEVEL * loss)
    return Minimum(loss, at[:size].reshape(shape), at[size:], level)


def _numbers(minimum: Minimum, row: Row) -> dict[str, float]:
    W = minimum.W
    found = {
        "features_represented": represented.features_represented(
            W, feature_probability=row["feature_probability"]
        ),
        "mean_norm_squared": interference.mean_norm_squared(W),
        "relative_interference": interference.relative_interference(W),
        "mean_participation_ratio": represented.mean_participation_ratio(W),
        "participation_gap": basis.participation_gap(W),
        "unit_alignment_gap": basis.unit_alignment_gap(W),
        "expected_loss": minimum.loss,
    }
    return {name: float(value) for name, value in found.items()}


def _importances(row: Row) -> Float[ndarray, " feature"]:
    if row.get("importance") is not None:
        return np.asarray(row["importance"], dtype=np.float64)
    return row.get("importance_decay", 1.0) ** np.arange(float(row["n_features"]))


def _check_row(row: Row) -> None:
    for name, neutral in PLAIN.items():
        if row.get(name, neutral) != neutral:
            raise ValueError(
                f"`{name}` is {row[name]!r}; predictions are made for {neutral!r}, the "
                "model whose expected loss has a closed form"
            )
    noise, rate = row.get("noise", "none"), row.get("rate", 0.0)
    if noise not in ("none", "dropout"):
        raise ValueError(
            f"`noise` is {noise!r}; predictions are made for 'none' and 'dropout', "
            "whose masks can be enumerated"
        )
    for penalty in ("hidden_l1", "weight_decay"):
        if row.get(penalty, 0.0):
            raise ValueError(
                f"`{penalty}` is {row[penalty]!r}; it must be 0; predictions minimise "
                "the plain loss"
            )
    n, m = row["n_features"], row["n_hidden"]
    work = n**2 * (2.0**m if rate else 1.0)
    if work > MOST_WORK:
        raise ValueError(
            f"n={n} features and m={m} units at rate {rate} take {work:.3g} input laws "
            f"a step; it must be at most {MOST_WORK}; predict a smaller model, or one "
            "without dropout"
        )
