"""What `predicted-geometry` predicts of every cell, frozen before a model is trained.

Each line was worked out by `tegum.theory.prediction` from the law of the inputs, the
importances and the masks alone, before any model of its cell had been trained. The
rule, the median over the minima that four starts lead to, was fixed on a pilot of other
cells, and on what training gave there. The lines stand here as numbers because a study
must say the same on every machine, and because a cell with dropout takes a minute.
`worked_out` gives a line again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures import basis, interference, represented
from tegum.measures.facts import Measure
from tegum.theory.expected_loss import expected_loss
from tegum.theory.prediction import predict_population

QUANTITIES = ("features_represented", "mean_norm_squared", "unit_alignment_gap")
"""How many features are kept, at what norm, and aligned (above 0) or spread (below)."""
LOSS = "loss_over_deepest"
STARTS = 4
DIGITS = (1, 3, 3, 8)
"""Digits after the point that a line has of each quantity, and of the loss."""
Numbers = tuple[float, ...]

PREDICTED: dict[str, Numbers] = {
    "10 3 1 1 0": (3.0, 0.304, 0.0, 0.0582702),
    "10 3 1 1 0.35": (3.0, 0.198, 0.204, 0.0670471),
    "10 3 1 1 0.6": (3.0, 0.122, 0.214, 0.07331102),
    "10 3 1 0.8 0": (3.0, 0.3, 0.0, 0.01685936),
    "10 3 1 0.8 0.35": (4.0, 0.195, -0.014, 0.02464869),
    "10 3 1 0.8 0.6": (4.0, 0.119, -0.002, 0.02942539),
    "10 3 0.4 1 0": (6.0, 0.602, 0.0, 0.05263124),
    "10 3 0.4 1 0.35": (6.0, 0.334, 0.2, 0.06907349),
    "10 3 0.4 1 0.6": (5.5, 0.188, 0.155, 0.07892502),
    "10 3 0.4 0.8 0": (5.0, 0.497, 0.0, 0.01624829),
    "10 3 0.4 0.8 0.35": (4.0, 0.309, -0.199, 0.02501856),
    "10 3 0.4 0.8 0.6": (4.0, 0.179, -0.199, 0.03148768),
    "10 3 0.15 1 0": (8.5, 0.919, 0.0, 0.01827537),
    "10 3 0.15 1 0.35": (6.5, 0.387, 0.138, 0.02915895),
    "10 3 0.15 1 0.6": (6.0, 0.226, 0.2, 0.03523875),
    "10 3 0.15 0.8 0": (6.0, 0.608, 0.0, 0.00480546),
    "10 3 0.15 0.8 0.35": (6.0, 0.38, -0.101, 0.01024935),
    "10 3 0.15 0.8 0.6": (5.0, 0.213, 0.023, 0.01348305),
    "20 5 0.2 1 0": (14.5, 0.718, 0.0, 0.03129258),
    "20 5 0.2 0.8 0": (9.0, 0.454, 0.0, 0.00281002),
}
"""Cell (features, units, density, decay, dropout rate) to its predicted numbers, and to
the loss of the deepest of the four minima."""

CONSTANT: dict[str, Numbers] = {
    "10 3": (6.0, 0.314, -0.022),
    "20 5": (10.0, 0.27, -0.013),
}
"""Size to the medians over all models of a pilot's grid: told what training gives.

The pilot had twenty features on five units and eight on three: shares of 0.5 and 0.75
of the features, norms of 0.27 and 0.38, gaps of -0.013 and -0.036. Between them they
are interpolated in units per feature."""


def cell_of(row: Row) -> str:
    """The cell of a row as text: features, units, density, decay, dropout rate."""
    names = ("n_features", "n_hidden", "feature_probability", "importance_decay")
    return " ".join(f"{row[name]:g}" for name in (*names, "rate"))


def size_of(cell: str) -> str:
    """The size of a cell: its features and units."""
    return " ".join(cell.split()[:2])


def worked_out(cell: str) -> Numbers:
    """A line of `PREDICTED`, from the theory: up to minutes for a cell with dropout."""
    n, m, q, decay, rate = cell.split()
    row = {
        "n_features": int(n),
        "n_hidden": int(m),
        "feature_probability": float(q),
        "importance_decay": float(decay),
        "noise": "dropout",
        "rate": float(rate),
    }
    found = predict_population(row, starts=STARTS)
    numbers = [*(found.numbers[name] for name in QUANTITIES), found.best.loss]
    return tuple(
        round(number, digits) for number, digits in zip(numbers, DIGITS, strict=True)
    )


def prediction_errors(
    artifact: Artifact,
    row: Row,
    *,
    predicted: Mapping[str, Numbers],
    constant: Mapping[str, Numbers],
) -> dict[str, float]:
    """How far a model is from its cell's prediction, and from the constant's.

    For each quantity the absolute error of the prediction, in the quantity's unit, and
    its advantage: the error of the constant minus that of the prediction, above 0 where
    the prediction is closer. NaN where the quantity is.

    `loss_over_deepest` is how far the model's own expected loss, over all inputs and
    masks, lies above that of the deepest minimum found by the theory, as a share of it:
    below 0 training went deeper than the theory.

    Raises:
        ValueError: a row of a cell that was not predicted.
    """
    cell = cell_of(row)
    if cell not in predicted:
        raise ValueError(
            f"the cell {cell!r} (features, units, density, decay, rate) was not "
            f"predicted; the {len(predicted)} that were are in `PREDICTED`"
        )
    measured = _measured(artifact, row)
    *said, deepest = predicted[cell]
    forecast, rival = np.array(said), np.array(constant[size_of(cell)])
    error, rival_error = np.abs(measured - forecast), np.abs(measured - rival)
    numbers = {}
    for position, name in enumerate(QUANTITIES):
        numbers[f"{name}_error"] = float(error[position])
        numbers[f"{name}_advantage"] = float(rival_error[position] - error[position])
    numbers[LOSS] = _expected(artifact, row) / deepest - 1.0
    return numbers


def _measured(artifact: Artifact, row: Row) -> np.ndarray:
    W = artifact.arrays["W"]
    kept = represented.features_represented(
        W, feature_probability=row["feature_probability"]
    )
    norm = interference.mean_norm_squared(W)
    return np.array([kept, norm, basis.unit_alignment_gap(W)], dtype=np.float64)


def _expected(artifact: Artifact, row: Row) -> float:
    """The model's expected loss over all inputs and masks; NaN if it diverged."""
    W, b = artifact.arrays["W"], artifact.arrays["b"]
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        return math.nan
    n = row["n_features"]
    return expected_loss(
        W,
        b,
        feature_probability=row["feature_probability"],
        importance=row["importance_decay"] ** np.arange(float(n)),
        rate=row["rate"],
    ).loss


def prediction_error(
    predicted: Mapping[str, Numbers], constant: Mapping[str, Numbers]
) -> Measure:
    """The measure whose parameters are the predictions.

    A study's registration holds the parameters of its measures and is appended to the
    store before anything is trained, so the predictions are in there word for word.
    """
    infinite = {"_error": (0.0, math.inf), "_advantage": (-math.inf, math.inf)}
    numbers = [(name, end) for name in QUANTITIES for end in infinite]
    return Measure(
        name="prediction_error",
        version=2,
        function=prediction_errors,
        numbers=(*(name + end for name, end in numbers), LOSS),
        parameters={"predicted": dict(predicted), "constant": dict(constant)},
        ranges={
            **{name + end: infinite[end] for name, end in numbers},
            LOSS: (-1.0, math.inf),
        },
        resolutions={
            **{
                name + end: 0.5 if name == "features_represented" else 1e-6
                for name, end in numbers
            },
            LOSS: 1e-5,
        },
    )
