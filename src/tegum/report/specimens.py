"""The models a reader sees on a click: the median and the best of each cell.

The median model has the (lower) median final loss of its cell, the best the lowest;
both are real models with a key. Weights travel as 16-bit fixed point, a third of
their size in decimals.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.measures.geometry import polysemanticity
from tegum.report.encode import numbers
from tegum.report.frame import Cell
from tegum.store import Store

MOST_WEIGHTS = 1_500_000
"""With them a page weighs about 6 MB beside plotly.js."""
LOSS = "final_loss"


@dataclass(frozen=True)
class Choice:
    """The rows of one cell that stand for it; None where no model has a number."""

    median: int | None
    best: int | None


@dataclass(frozen=True)
class Specimens:
    """The chosen rows of each cell, what is drawn of them, how many lack weights."""

    choices: tuple[Choice, ...]
    models: Mapping[int, Mapping[str, Any]]
    left_out: int


def choose(cell: Cell, ranking: Float[ndarray, " row"]) -> Choice:
    """The rows with the lower median and the lowest of `ranking` in a cell."""
    finite = [row for row in cell.rows if np.isfinite(ranking[row])]
    if not finite:
        return Choice(None, None)
    ordered = sorted(finite, key=lambda row: (ranking[row], row))
    return Choice(ordered[(len(ordered) - 1) // 2], ordered[0])


def specimen(artifact: Artifact, *, weights: bool) -> dict[str, Any]:
    """What the page keeps of one model: weights, directions, and its training curve.

    Directions and norms are those of the encoder W.
    """
    kept: dict[str, Any] = {}
    arrays = artifact.arrays
    if "loss" in arrays and "loss_step" in arrays:
        kept["step"] = [int(s) for s in arrays["loss_step"]]
        kept["loss"] = numbers(arrays["loss"])
    if not weights:
        return kept
    W = np.asarray(arrays["W"], dtype=np.float64)
    kept["W"] = packed(W)
    if "W_decoder" in arrays:
        kept["decoder"] = packed(np.asarray(arrays["W_decoder"], dtype=np.float64))
    kept["polysemanticity"] = numbers(polysemanticity(W), digits=3)
    if "b" in arrays:
        kept["b"] = numbers(arrays["b"], digits=3)
    directions, share = plane(W)
    kept["directions"] = packed(directions)
    kept["share"] = round(share, 4)
    return kept


def has_weights(artifact: Artifact) -> bool:
    """Whether a model has a finite matrix W with axes (hidden, feature).

    A decoder, where there is one, must be finite and of the same shape.
    """
    W = artifact.arrays.get("W")
    if W is None or np.ndim(W) != 2 or not np.isfinite(W).all():
        return False
    decoder = artifact.arrays.get("W_decoder", W)
    return np.shape(decoder) == np.shape(W) and bool(np.isfinite(decoder).all())


def plane(
    W: Float[ndarray, "hidden feature"],
) -> tuple[Float[ndarray, "shown feature"], float]:
    """The feature directions as they can be drawn, and the share of ||W||^2 drawn.

    Up to three hidden units: W itself. More: the projection of the columns of W on
    their two leading principal directions through the origin.
    """
    if W.shape[0] <= 3:
        return W, 1.0
    left, singular, _ = np.linalg.svd(W, full_matrices=False)
    leading = left[:, :2]
    sign = np.sign(leading[np.abs(leading).argmax(axis=0), [0, 1][: leading.shape[1]]])
    total = float((singular**2).sum())
    share = float((singular[:2] ** 2).sum()) / total if total else 1.0
    return (leading * sign).T @ W, share


def packed(array: Float[ndarray, "row column"]) -> dict[str, Any]:
    """A matrix as 16-bit fixed point in base64, and the value of one step."""
    largest = float(np.abs(array).max(initial=0.0))
    step = largest / 32767 if largest else 1.0
    levels = np.round(array / step).astype("<i2")
    return {
        "shape": list(array.shape),
        "step": float(f"{step:.6g}"),
        "data": base64.b64encode(levels.tobytes()).decode("ascii"),
    }


def specimens(
    cells: Sequence[Cell],
    columns: Mapping[str, ndarray],
    *,
    ranking: str,
    store: Store,
    most_weights: int = MOST_WEIGHTS,
) -> Specimens:
    """The median and best model of every cell, from the store.

    `ranking` is the number that orders a cell's models; only the loss has a best. Once
    `most_weights` weights are on the page, further models come without theirs.
    """
    order = np.asarray(columns[ranking], dtype=np.float64)
    choices = [choose(cell, order) for cell in cells]
    if ranking != LOSS:
        choices = [Choice(choice.median, None) for choice in choices]
    wanted = {
        str(columns["key"][row]): row
        for choice in choices
        for row in (choice.median, choice.best)
        if row is not None
    }
    models: dict[int, dict[str, Any]] = {}
    used = left_out = 0
    stored = store.rows()
    chosen = pa.array([key in wanted for key in stored["key"].to_pylist()], pa.bool_())
    for key, artifact in store.artifacts(stored.filter(chosen)):
        drawn = has_weights(artifact)
        matrices = [n for n in ("W", "W_decoder") if n in artifact.arrays]
        size = sum(int(artifact.arrays[n].size) for n in matrices) if drawn else 0
        fits = used + size <= most_weights
        used += size if fits else 0
        left_out += drawn and not fits
        models[wanted[key]] = specimen(artifact, weights=drawn and fits)
    return Specimens(tuple(choices), models, left_out)
