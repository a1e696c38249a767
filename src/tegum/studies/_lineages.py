"""What public codebases of toy models do by default, as far as it was read.

One table says how each starts its weights and trains them. Facts only: nothing is
copied. All share the model `relu(W^T W x + b)`, the loss (mean over batch and features,
weighted by importance) and fresh batches, unless `left_out` says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

N_FEATURES, N_HIDDEN = 20, 5


@dataclass(frozen=True)
class Lineage:
    """The settings of a codebase, as factors, and where they come from.

    `start` says in words how weights are drawn, `left_out` what is not carried over.
    """

    label: str
    start: str
    factors: Mapping[str, Any]
    source: str
    left_out: str = ""


def packed_deviation(packed: int, *, rows: int, columns: int) -> float:
    """The deviation that Xavier's rule gives a stack (packed, rows, columns).

    `sqrt(2 / (rows columns + packed columns))`: of a tensor with more than two axes
    PyTorch takes the second for the fan in, the first for the fan out, and multiplies
    both by the rest. In units of the weights; a model's own is `sqrt(2 / (rows +
    columns))`, whatever is trained beside it.

    Source: Glorot and Bengio 2010, eq. 12, and PyTorch's reading of it.

    >>> round(packed_deviation(10, rows=5, columns=2), 2)
    0.26
    """
    return math.sqrt(2.0 / (rows * columns + packed * columns))


def spread_deviation(packed: int, *, rows: int, columns: int) -> float:
    """The deviation where the stack counts as a receptive field of both fans.

    `sqrt(2 / (packed (rows + columns)))`, in units of the weights.

    Source: JAX's `glorot_normal` with its two axes named and no batch axis.

    >>> round(spread_deviation(10, rows=5, columns=2), 2)
    0.17
    """
    return math.sqrt(2.0 / (packed * (rows + columns)))


def _settings(**factors: Any) -> Mapping[str, Any]:
    usual = {
        "optimiser": "adam",
        "learning_rate": 1e-3,
        "schedule": "constant",
        "weight_decay": 0.0,
        "batch_size": 1024,
        "steps": 10_000,
    }
    return MappingProxyType({**usual, **factors})


LINEAGES: Mapping[str, Lineage] = MappingProxyType(
    {
        "tegum": Lineage(
            "tegum",
            "each model by its own fans",
            _settings(
                optimiser="adamw",
                learning_rate=3e-3,
                schedule="cosine",
                batch_size=512,
            ),
            "The studies of this package.",
        ),
        "notebook": Lineage(
            "notebook",
            "Xavier on the stack (instance, feature, hidden), 10 instances",
            _settings(
                optimiser="adamw",
                weight_decay=0.01,
                initial_std=packed_deviation(10, rows=N_FEATURES, columns=N_HIDDEN),
            ),
            "anthropics/toy-models-of-superposition, the notebook, and Pona's fork "
            "(EdoardoPona/toy-models-of-superposition, May 2023): AdamW with PyTorch's "
            "silent weight decay, 1e-3, 10,000 steps of 1024.",
        ),
        "arena": Lineage(
            "ARENA",
            "Xavier on the stack (instance, hidden, feature), 8 instances",
            _settings(
                steps=5_000,
                initial_std=packed_deviation(8, rows=N_HIDDEN, columns=N_FEATURES),
            ),
            "The superposition exercises of ARENA 3.0, read in copies of its "
            "students: Adam, 1e-3, 5,000 steps of 1024; the number of instances is "
            "that of the first exercise.",
        ),
        "tms-kit": Lineage(
            "tms-kit",
            "Xavier on the stack (instance, hidden, feature), 10 instances",
            _settings(
                initial_std=packed_deviation(10, rows=N_HIDDEN, columns=N_FEATURES),
            ),
            "dtch1997/tms-kit: Adam, 1e-3, 10,000 steps of 1024.",
            left_out="The number of instances is the user's; 10 is taken here.",
        ),
        "jax-port": Lineage(
            "JAX port",
            "Glorot with the stack as receptive field, 7 instances",
            _settings(
                optimiser="adamw",
                weight_decay=1e-4,
                initial_std=spread_deviation(7, rows=N_FEATURES, columns=N_HIDDEN),
            ),
            "adonath/toy-models-of-superposition-jax: optax.adamw with its own silent "
            "weight decay, 1e-3, 10,000 steps of 1024; 7 instances at this size.",
            left_out="Its Gaussian is cut off at two deviations; here it is whole.",
        ),
        "annealed": Lineage(
            "annealed",
            "each model by its own fans",
            _settings(
                optimiser="adamw", weight_decay=0.01, schedule="cosine", steps=50_000
            ),
            "Henighan et al. 2023, Superposition, Memorization, and Double Descent: "
            "AdamW, 1e-3, cosine to 0 over 50,000 steps, weight decay 0.01.",
            left_out="There a finite set of unit-norm inputs is fitted whole, after "
            "2,500 steps of warming up, and how weights start is not known to us. "
            "Here batches of 1024 are fresh and nothing is warmed up.",
        ),
    }
)
