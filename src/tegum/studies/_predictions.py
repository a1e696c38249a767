"""What `predicted-geometry` predicts of every cell, frozen before a model is trained.

Each line was worked out by `tegum.theory.prediction` from the law of the inputs, the
importances and the masks alone: the median over local minima of the expected loss.
Nothing in it has seen a trained model. It stands here as numbers because a study must
say the same on every machine, and because twenty features on five units take a minute
for each cell with dropout. `worked_out` gives a line again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures import basis, interference, represented
from tegum.measures.facts import Measure
from tegum.theory.prediction import predict_population

QUANTITIES = ("features_represented", "mean_norm_squared", "unit_alignment_gap")
"""How many features are kept, at what norm, and aligned (above 0) or spread (below)."""
STARTS = 4
DIGITS = (1, 3, 3)
"""Digits after the point that a line has of each quantity."""
Numbers = tuple[float, ...]

PREDICTED: dict[str, Numbers] = {
    "20 5 1 1 0": (6.0, 0.254, 0.0),
    "20 5 1 1 0.2": (6.5, 0.202, 0.025),
    "20 5 1 1 0.5": (16.0, 0.125, 0.001),
    "20 5 1 0.8 0": (5.0, 0.251, 0.0),
    "20 5 1 0.8 0.2": (5.0, 0.199, -0.112),
    "20 5 1 0.8 0.5": (5.0, 0.121, -0.027),
    "20 5 0.3 1 0": (10.0, 0.511, 0.0),
    "20 5 0.3 1 0.2": (10.0, 0.403, 0.067),
    "20 5 0.3 1 0.5": (10.0, 0.222, 0.286),
    "20 5 0.3 0.8 0": (9.0, 0.447, 0.0),
    "20 5 0.3 0.8 0.2": (7.0, 0.316, -0.079),
    "20 5 0.3 0.8 0.5": (6.0, 0.196, -0.145),
    "20 5 0.1 1 0": (18.0, 0.975, 0.0),
    "20 5 0.1 1 0.2": (16.0, 0.718, 0.023),
    "20 5 0.1 1 0.5": (11.5, 0.333, -0.02),
    "20 5 0.1 0.8 0": (10.0, 0.501, 0.0),
    "20 5 0.1 0.8 0.2": (10.0, 0.449, -0.097),
    "20 5 0.1 0.8 0.5": (6.5, 0.216, -0.112),
    "8 3 1 1 0": (3.0, 0.38, 0.0),
    "8 3 1 1 0.2": (5.0, 0.302, 0.011),
    "8 3 1 1 0.5": (6.0, 0.189, 0.045),
    "8 3 1 0.7 0": (3.0, 0.377, 0.0),
    "8 3 1 0.7 0.2": (3.5, 0.297, -0.105),
    "8 3 1 0.7 0.5": (4.0, 0.182, -0.067),
    "8 3 0.3 1 0": (6.0, 0.766, 0.0),
    "8 3 0.3 1 0.2": (6.0, 0.597, 0.034),
    "8 3 0.3 1 0.5": (6.0, 0.333, 0.2),
    "8 3 0.3 0.7 0": (5.5, 0.676, 0.0),
    "8 3 0.3 0.7 0.2": (5.0, 0.512, -0.091),
    "8 3 0.3 0.7 0.5": (4.0, 0.309, -0.199),
    "8 3 0.1 1 0": (8.0, 1.185, 0.0),
    "8 3 0.1 1 0.2": (8.0, 0.927, 0.035),
    "8 3 0.1 1 0.5": (7.0, 0.388, 0.12),
    "8 3 0.1 0.7 0": (6.0, 0.755, 0.0),
    "8 3 0.1 0.7 0.2": (6.0, 0.606, -0.09),
    "8 3 0.1 0.7 0.5": (4.0, 0.326, -0.198),
    "80 20 0.3 1 0": (40.0, 0.511, 0.0),
    "80 20 0.3 0.95 0": (31.0, 0.39, 0.0),
    "80 20 0.1 1 0": (80.0, 1.102, 0.0),
    "80 20 0.1 0.95 0": (43.5, 0.563, 0.0),
}
"""Cell (features, units, density, decay, dropout rate) to its predicted numbers."""

CONSTANT: dict[str, Numbers] = {
    "20 5": (10.0, 0.27, -0.013),
    "8 3": (6.0, 0.38, -0.036),
    "80 20": (41.5, 0.532, -0.006),
}
"""Size to the medians over all models of the pilot's grid: told what training gives."""


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
    found = predict_population(row, starts=STARTS).numbers
    return tuple(
        round(found[name], digits)
        for name, digits in zip(QUANTITIES, DIGITS, strict=True)
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
    forecast, rival = np.array(predicted[cell]), np.array(constant[size_of(cell)])
    error, rival_error = np.abs(measured - forecast), np.abs(measured - rival)
    numbers = {}
    for position, name in enumerate(QUANTITIES):
        numbers[f"{name}_error"] = float(error[position])
        numbers[f"{name}_advantage"] = float(rival_error[position] - error[position])
    return numbers


def _measured(artifact: Artifact, row: Row) -> np.ndarray:
    W = artifact.arrays["W"]
    kept = represented.features_represented(
        W, feature_probability=row["feature_probability"]
    )
    norm = interference.mean_norm_squared(W)
    return np.array([kept, norm, basis.unit_alignment_gap(W)], dtype=np.float64)


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
        version=1,
        function=prediction_errors,
        numbers=tuple(name + end for name, end in numbers),
        parameters={"predicted": dict(predicted), "constant": dict(constant)},
        ranges={name + end: infinite[end] for name, end in numbers},
        resolutions={
            name + end: 0.5 if name == "features_represented" else 1e-6
            for name, end in numbers
        },
    )
