"""What a row costs the engine and which kernel serves it: formulas of the row."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tegum.design import Row
from tegum.toys import _engine
from tegum.toys.model import EVALUATION_EXAMPLES, loss_steps, probabilities

Kernel = Literal["dense", "compact", "gram"]

PLAIN = {"decoder": "tied", "hidden_activation": "linear", "target": "identity"}
"""What the kernels for sparse inputs take for granted."""


def kernel(row: Row) -> Kernel:
    """The kernel that serves a row: a fixed formula of the row, never a timing.

    `gram` needs a hidden layer without noise and without an L1 term, `compact` one
    whose noise is 0 where h is 0; both need inputs that are drawn by event, and a tied
    linear model that is compared with x. Among those that can serve, the one with the
    smallest `step_nanoseconds`.
    """
    sparse = drawn_by_event(row) and all(row[f] == v for f, v in PLAIN.items())
    names: list[Kernel] = ["dense"]
    if sparse and row["noise"] in ("none", "dropout", "gaussian_multiplicative"):
        names.append("compact")
    if sparse and row["noise"] == "none" and row["hidden_l1"] == 0:
        names.append("gram")
    return min(names, key=lambda name: step_nanoseconds(row, name))


def drawn_by_event(row: Row) -> bool:
    """Whether inputs are drawn from active entry to active entry."""
    independent = row["activity"] == "independent"
    return independent and bool(probabilities(row).max() <= _engine.EVENT_LIMIT)


def core_seconds(row: Row) -> float:
    """About how long one core needs for a row, by the formula that picks its kernel."""
    n, m = row["n_features"], row["n_hidden"]
    matrices = 2 if row["decoder"] == "untied" else 1
    update = 0.6 * (matrices * n * m + n)
    if row["optimiser_basis"] == "rotated":
        update += matrices * n * m * (0.6 + 0.15 * m)
    steps = row["steps"] * (step_nanoseconds(row, kernel(row)) + update)
    evaluations = len(loss_steps(row["steps"])) * EVALUATION_EXAMPLES
    return 1e-9 * (steps + evaluations * n * (0.02 * m + 0.3))


def step_nanoseconds(row: Row, name: Kernel) -> float:
    """About how long a step takes, without the update, on a recent core with AVX-512.

    Coefficients were fitted once at n = 5 to 400; what matters is where the kernels
    cross, and that this never changes for a row.
    """
    n, m, batch = row["n_features"], row["n_hidden"], row["batch_size"]
    q = probabilities(row)
    if not drawn_by_event(row):
        return batch * (0.048 * n * m + 0.12 * n + 0.1 * m)
    events = batch * n * q.max()
    if name == "dense":
        return batch * (0.048 * n * m + 0.07 * n + 0.1 * m) + 1.8 * events
    occupied = batch * -np.expm1(np.log1p(-q).sum())
    if name == "compact" and n * m <= _engine.SMALL_MODEL:
        return 150 + occupied * (0.048 * n * m + 0.07 * n + 0.1 * m) + 2.0 * events
    if name == "compact":
        return 150 + occupied * (0.029 * n * m + 0.07 * n + 0.35 * m) + 7.5 * events
    vectors = -(-n // 16)
    blocks = -(-batch // min(batch, max(1, 2**20 // n)))
    return (
        150
        + blocks * n * m * vectors * 0.46
        + occupied * (0.5 * vectors + 1.0)
        + events * (2.6 * vectors + 2.5)
    )


def workspace_bytes(row: Row) -> int:
    """How much memory a worker holds while it trains a row."""
    n, m, batch = row["n_features"], row["n_hidden"], row["batch_size"]
    matrices = 2 if row["decoder"] == "untied" else 1
    parameters = 4 * (matrices * n * m + n + 256)
    tile = 256 + 16
    tiles = 4 * tile * (3 * n + 4 * m + 4 * 16)
    entries = min(max(1, 2**20 // n), max(batch, EVALUATION_EXAMPLES)) * n + 64
    events = (2 * 20 + 4) * (entries + 64)
    transposed = 4 * (2 * (n + 96) * (m + 16) + 96 * (2 * n + m))
    moments = 6 if row["optimiser_basis"] == "rotated" else 4
    return moments * parameters + tiles + events + transposed + 2**16
