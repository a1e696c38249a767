"""The toy model of superposition as data: its factors, their ranges, its schedules.

    h = W x,   noise on h in training only,   y = output(W^T h + b)
    loss = mean over batch and features of I_i (x_i - y_i)^2
         + hidden_l1 * (batch mean of sum_k |h_k|, before the noise)

with x_i = 0 with probability 1 - q_i and uniform on [0, 1) otherwise, independently.

Source: Elhage et al. 2022, "Toy Models of Superposition"; the noise layer sits where
Pona 2023 puts it, between encoding and decoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from tegum.arrays import stream
from tegum.design import Factor, Row, Value

NOISES = (
    "none",
    "dropout",
    "gaussian_multiplicative",
    "gaussian_additive",
    "gaussian_additive_matched",
)
OUTPUTS = ("relu", "linear")
OPTIMISERS = ("adamw", "adam", "sgd")
SCHEDULES = ("constant", "linear", "cosine")
ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
EVALUATION_EXAMPLES = 4096


def _number(
    name: str, low: float, high: float, *, open_low: bool, open_high: bool, remedy: str
) -> Callable[[Any], float]:
    left, right = "(" if open_low else "[", ")" if open_high else "]"

    def check(value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        inside = (
            number
            and (low < value if open_low else low <= value)
            and (value < high if open_high else value <= high)
        )
        if not inside:
            raise ValueError(
                f"`{name}` is {value!r}; it must be a number in "
                f"{left}{low:g}, {high:g}{right}; {remedy}"
            )
        return float(value)

    return check


def _whole(name: str, low: int, high: float, remedy: str) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        whole = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and float(value).is_integer()
            and low <= value <= high
        )
        if not whole:
            raise ValueError(
                f"`{name}` is {value!r}; it must be a whole number from {low} to "
                f"{high:g}; {remedy}"
            )
        return int(value)

    return check


def _one_of(name: str, choices: Sequence[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(
                f"`{name}` is {value!r}; it must be one of {', '.join(choices)}"
            )
        return value

    return check


def _probability(value: Any) -> Value:
    one = _number(
        "feature_probability", 0, 1, open_low=True, open_high=False,
        remedy="sparsity S is 1 - feature_probability",
    )  # fmt: skip
    return tuple(one(v) for v in value) if isinstance(value, tuple) else one(value)


def _importance(value: Any) -> Value:
    if value is None:
        return None
    one = _number(
        "importance", 0, math.inf, open_low=False, open_high=True,
        remedy="use 0 for a feature that does not matter",
    )  # fmt: skip
    if not isinstance(value, tuple):
        raise ValueError(
            f"`importance` is {value!r}; it must be a tuple with a number for each "
            "feature; for 1, r, r^2, ... use `importance_decay=r`"
        )
    weights = tuple(one(v) for v in value)
    if not any(weights):
        raise ValueError("`importance` is 0 for every feature; one must matter")
    return weights


FACTORS: tuple[Factor, ...] = (
    Factor(
        "n_features",
        "number of input features n",
        _whole("n_features", 1, 100_000, "a model needs a feature"),
    ),
    Factor(
        "n_hidden",
        "number of hidden units m",
        _whole("n_hidden", 1, 100_000, "a model needs a hidden unit"),
    ),
    Factor(
        "feature_probability",
        "probability q that a feature is active, one number or one for each feature",
        _probability,
    ),
    Factor(
        "importance_decay",
        "r in the importances I_i = r^i; 1 is uniform",
        _number(
            "importance_decay", 0, 1, open_low=True, open_high=False,
            remedy="1 gives every feature the same importance",
        ),
        1.0,
    ),
    Factor(
        "importance",
        "explicit importances I_i, one number for each feature",
        _importance,
        None,
    ),
    Factor(
        "noise",
        "what disturbs the hidden layer in training",
        _one_of("noise", NOISES),
        "none",
    ),
    Factor(
        "rate",
        "dropout rate p; for Gaussian noise the variance is matched to p / (1 - p)",
        _number(
            "rate", 0, 1, open_low=False, open_high=True,
            remedy="a rate of 1 would silence every unit",
        ),
        0.0,
    ),
    Factor(
        "noise_std",
        "standard deviation of `gaussian_additive` noise, in units of h",
        _number(
            "noise_std", 0, math.inf, open_low=False, open_high=True,
            remedy="use 0 for no noise",
        ),
        0.0,
    ),
    Factor("output", "read-out non-linearity", _one_of("output", OUTPUTS), "relu"),
    Factor(
        "optimiser",
        "how parameters are updated",
        _one_of("optimiser", OPTIMISERS),
        "adamw",
    ),
    Factor(
        "learning_rate",
        "step size at the start of the schedule",
        _number(
            "learning_rate", 0, math.inf, open_low=True, open_high=True,
            remedy="1e-3 is usual for AdamW, 1 or more for SGD on this mean loss",
        ),
        1e-3,
    ),
    Factor(
        "schedule",
        "how the learning rate falls to 0, if it does",
        _one_of("schedule", SCHEDULES),
        "constant",
    ),
    Factor(
        "momentum",
        "momentum of SGD",
        _number(
            "momentum", 0, 1, open_low=False, open_high=True, remedy="0.9 is usual"
        ),
        0.9,
    ),
    Factor(
        "weight_decay",
        "decoupled for adamw, added to the gradient for adam and sgd; W and b alike",
        _number(
            "weight_decay", 0, math.inf, open_low=False, open_high=True,
            remedy="PyTorch's silent AdamW default is 0.01; here it is 0",
        ),
        0.0,
    ),
    Factor(
        "hidden_l1",
        "weight of the batch mean of sum_k |h_k| in the loss",
        _number(
            "hidden_l1", 0, math.inf, open_low=False, open_high=True,
            remedy="use 0 for none",
        ),
        0.0,
    ),
    Factor(
        "batch_size",
        "examples in a step, drawn afresh each time",
        _whole("batch_size", 1, 1_000_000, "1024 is usual"),
        1024,
    ),
    Factor(
        "steps",
        "optimiser steps",
        _whole("steps", 1, 100_000_000, "10000 is usual"),
        10_000,
    ),
    Factor(
        "weight_checkpoints",
        "how many times weights are kept along training, the last step included",
        _whole("weight_checkpoints", 0, 10_000, "0 keeps the final weights only"),
        0,
    ),
    Factor(
        "seed",
        "the unit of every claim: initial weights, inputs and masks follow from it",
        _whole("seed", 0, 2**63 - 1, "use seeds 0, 1, 2, ..."),
    ),
)  # fmt: skip


def check_together(row: Row) -> None:
    """Refuse factors that contradict each other.

    Raises:
        ValueError: per-feature values of the wrong length, two importances, or a rate
            that the noise does not use.
    """
    n = row["n_features"]
    for name in ("feature_probability", "importance"):
        value = row[name]
        if isinstance(value, tuple) and len(value) != n:
            raise ValueError(
                f"`{name}` has {len(value)} numbers and the model {n} features; give "
                "one number for each feature"
            )
    if row["importance"] is not None and row["importance_decay"] != 1.0:
        raise ValueError(
            f"`importance` and `importance_decay={row['importance_decay']}` are both "
            "given; leave one out"
        )
    noise = row["noise"]
    if row["rate"] and noise in ("none", "gaussian_additive"):
        raise ValueError(
            f"`rate` is {row['rate']} and `noise` is {noise!r}, which has no rate; "
            "use noise='dropout', 'gaussian_multiplicative' or "
            "'gaussian_additive_matched'"
        )
    if row["noise_std"] and noise != "gaussian_additive":
        raise ValueError(
            f"`noise_std` is {row['noise_std']} and `noise` is {noise!r}; use "
            "noise='gaussian_additive', or `rate`"
        )


def probabilities(row: Row) -> Float[ndarray, " feature"]:
    """The probability q_i that each feature is active."""
    return np.broadcast_to(
        np.asarray(row["feature_probability"], dtype=np.float64), row["n_features"]
    ).copy()


def importances(row: Row) -> Float[ndarray, " feature"]:
    """The importance I_i of each feature."""
    if row["importance"] is not None:
        return np.asarray(row["importance"], dtype=np.float64)
    return row["importance_decay"] ** np.arange(row["n_features"], dtype=np.float64)


def noise_variance(rate: float) -> float:
    """The relative variance v = p / (1 - p) of inverted dropout at rate p."""
    return rate / (1.0 - rate)


def initial_weights(row: Row) -> Float[ndarray, "hidden feature"]:
    """Gaussian weights of variance 2 / (n + m): one model's own fan-in and fan-out.

    They depend on the seed and the two sizes alone, so that rows which share these
    start from the same point whatever their noise, data or optimiser.

    Source: Glorot and Bengio 2010, eq. 12, with a Gaussian in place of a uniform law,
    which would privilege the axes from the start.
    """
    n, m = row["n_features"], row["n_hidden"]
    weights = stream(row["seed"], "init").standard_normal((m, n))
    return (weights * math.sqrt(2.0 / (n + m))).astype(np.float32)


def learning_rates(row: Row) -> Float[ndarray, " step"]:
    """The learning rate of every step, t = 0 to steps - 1."""
    progress = np.arange(row["steps"]) / row["steps"]
    shape = {
        "constant": np.ones_like(progress),
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + np.cos(np.pi * progress)),
    }[row["schedule"]]
    return row["learning_rate"] * shape


def loss_steps(steps: int) -> Int[ndarray, " point"]:
    """After which steps the clean loss is recorded: 0, then finer early, then tenths.

    The last two tenths are always there, for the convergence law.
    """
    tenths = np.round(np.linspace(0.1, 1.0, 10) * steps)
    early = np.round(np.geomspace(1.0, max(1.0, steps / 10), 12))
    return np.unique(np.concatenate([[0.0], early, tenths])).astype(np.int64)


def checkpoint_steps(steps: int, count: int) -> Int[ndarray, " checkpoint"]:
    """After which steps weights are kept: `count` of them, evenly up to the last."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    whole = np.arange(1, count + 1, dtype=np.int64)
    return np.unique(-(-steps * whole // count))


__all__ = [
    "ADAM_BETA1",
    "ADAM_BETA2",
    "ADAM_EPSILON",
    "EVALUATION_EXAMPLES",
    "FACTORS",
    "NOISES",
    "OPTIMISERS",
    "OUTPUTS",
    "SCHEDULES",
    "check_together",
    "checkpoint_steps",
    "importances",
    "initial_weights",
    "learning_rates",
    "loss_steps",
    "noise_variance",
    "probabilities",
]
