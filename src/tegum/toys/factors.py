"""The columns of a toy model: what each means, its range and its default.

What a factor does stands in `toys.model`, the exact law of each variant in
`docs/decisions/006-model-variants.md`.
"""

from __future__ import annotations

import math
from typing import Any

from tegum.allowed import number, one_of, whole
from tegum.design import REQUIRED, Factor, Value

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
DECODERS = ("tied", "untied")
HIDDEN_ACTIVATIONS = ("linear", "relu")
TARGETS = ("identity", "absolute")
BIASES = ("learned", "none")
FEATURE_VALUES = ("uniform", "signed_uniform")
ACTIVITIES = ("independent", "correlated", "anticorrelated", "exactly_k")
OPTIMISER_BASES = ("units", "rotated")
INITIAL_LAWS = ("gaussian", "uniform")


def _probability(value: Any) -> Value:
    one = number(
        "feature_probability", 0, 1, open_low=True, open_high=False,
        remedy="sparsity S is 1 - feature_probability",
    )  # fmt: skip
    return tuple(one(v) for v in value) if isinstance(value, tuple) else one(value)


def _importance(value: Any) -> Value:
    if value is None:
        return None
    one = number(
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


def _initial_std(value: Any) -> Value:
    if value is None:
        return None
    return number(
        "initial_std", 0, math.inf, open_low=True, open_high=True,
        remedy="None is sqrt(2 / (n_features + n_hidden)), Glorot's",
    )(value)  # fmt: skip


FACTORS: tuple[Factor, ...] = (
    Factor(
        "n_features",
        "number of input features n",
        whole("n_features", 1, 100_000, remedy="a model needs a feature"),
    ),
    Factor(
        "n_hidden",
        "number of hidden units m",
        whole("n_hidden", 1, 100_000, remedy="a model needs a hidden unit"),
    ),
    Factor(
        "feature_probability",
        "probability q that a feature is active, one number or one for each feature",
        _probability,
    ),
    Factor(
        "feature_values",
        "law of an active feature: uniform on [0, 1), or on [-1, 1)",
        one_of("feature_values", FEATURE_VALUES),
        "uniform",
    ),
    Factor(
        "activity",
        "which features are active together; each is with feature_probability",
        one_of("activity", ACTIVITIES),
        "independent",
    ),
    Factor(
        "group_size",
        "features of a group, neighbours in order; 1 where there are no groups",
        whole("group_size", 1, 100_000, remedy="2 makes pairs of features"),
        1,
    ),
    Factor(
        "importance_decay",
        "r in the importances I_i = r^i; 1 is uniform",
        number(
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
        one_of("noise", NOISES),
        "none",
    ),
    Factor(
        "rate",
        "dropout rate p; for Gaussian noise the variance is matched to p / (1 - p)",
        number(
            "rate", 0, 1, open_low=False, open_high=True,
            remedy="a rate of 1 would silence every unit",
        ),
        0.0,
    ),
    Factor(
        "noise_std",
        "standard deviation of `gaussian_additive` noise, in units of h",
        number(
            "noise_std", 0, math.inf, open_low=False, open_high=True,
            remedy="use 0 for no noise",
        ),
        0.0,
    ),
    Factor("output", "read-out non-linearity", one_of("output", OUTPUTS), "relu"),
    Factor(
        "decoder",
        "whether the read-out uses W itself or weights of its own",
        one_of("decoder", DECODERS),
        "tied",
    ),
    Factor(
        "hidden_activation",
        "non-linearity of the hidden layer, before the noise",
        one_of("hidden_activation", HIDDEN_ACTIVATIONS),
        "linear",
    ),
    Factor(
        "bias",
        "whether the read-out's bias is learned or stays 0",
        one_of("bias", BIASES),
        "learned",
    ),
    Factor(
        "target",
        "what the output is compared with, x or |x|",
        one_of("target", TARGETS),
        "identity",
    ),
    Factor(
        "optimiser",
        "how parameters are updated",
        one_of("optimiser", OPTIMISERS),
        "adamw",
    ),
    Factor(
        "optimiser_basis",
        "axes of the hidden space in which Adam keeps its moments",
        one_of("optimiser_basis", OPTIMISER_BASES),
        "units",
    ),
    Factor(
        "learning_rate",
        "step size at the start of the schedule",
        number(
            "learning_rate", 0, math.inf, open_low=True, open_high=True,
            remedy="1e-3 is usual for AdamW, 1 or more for SGD on this mean loss",
        ),
        1e-3,
    ),
    Factor(
        "schedule",
        "how the learning rate falls to 0, if it does",
        one_of("schedule", SCHEDULES),
        "constant",
    ),
    Factor(
        "momentum",
        "momentum of SGD",
        number(
            "momentum", 0, 1, open_low=False, open_high=True, remedy="0.9 is usual"
        ),
        0.9,
    ),
    Factor(
        "weight_decay",
        "decoupled for adamw, added to the gradient for adam and sgd; W and b alike",
        number(
            "weight_decay", 0, math.inf, open_low=False, open_high=True,
            remedy="PyTorch's silent AdamW default is 0.01; here it is 0",
        ),
        0.0,
    ),
    Factor(
        "hidden_l1",
        "weight of the batch mean of sum_k |h_k| in the loss",
        number(
            "hidden_l1", 0, math.inf, open_low=False, open_high=True,
            remedy="use 0 for none",
        ),
        0.0,
    ),
    Factor(
        "batch_size",
        "examples in a step, drawn afresh each time",
        whole("batch_size", 1, 1_000_000, remedy="1024 is usual"),
        1024,
    ),
    Factor(
        "steps",
        "optimiser steps",
        whole("steps", 1, 100_000_000, remedy="10000 is usual"),
        10_000,
    ),
    Factor(
        "initial_law",
        "law of the initial weights",
        one_of("initial_law", INITIAL_LAWS),
        "gaussian",
    ),
    Factor(
        "initial_std",
        "standard deviation of the initial weights; None is sqrt(2 / (n + m))",
        _initial_std,
        None,
    ),
    Factor(
        "weight_checkpoints",
        "how many times weights are kept along training, the last step included",
        whole("weight_checkpoints", 0, 10_000, remedy="0 keeps the final weights only"),
        0,
    ),
    Factor(
        "seed",
        "the unit of every claim: initial weights, inputs and masks follow from it",
        whole("seed", 0, 2**63 - 1, remedy="use seeds 0, 1, 2, ..."),
    ),
)  # fmt: skip


NEUTRAL = {f.name: f.default for f in FACTORS if f.default is not REQUIRED}
"""What a factor is where a row does not say."""


__all__ = [
    "ACTIVITIES",
    "BIASES",
    "DECODERS",
    "FACTORS",
    "FEATURE_VALUES",
    "HIDDEN_ACTIVATIONS",
    "INITIAL_LAWS",
    "NEUTRAL",
    "NOISES",
    "OPTIMISERS",
    "OPTIMISER_BASES",
    "OUTPUTS",
    "SCHEDULES",
    "TARGETS",
]
