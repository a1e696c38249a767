"""The toy model of superposition as data: what its factors do, and its schedules.

    h = hidden_activation(W x),   noise on h in training only,
    y = output(W_decoder^T h + b),   W_decoder = W where the decoder is tied
    loss = mean over batch and features of I_i (target(x_i) - y_i)^2
         + hidden_l1 * (batch mean of sum_k |h_k|, before the noise)

At the factors' defaults `hidden_activation` and `target` leave their argument as it is,
the decoder is tied, and x_i = 0 with probability 1 - q_i and uniform on [0, 1)
otherwise, independently.

Source: Elhage et al. 2022, "Toy Models of Superposition"; the noise layer sits where
Pona 2023 puts it, between encoding and decoding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.toys.factors import (
    FACTORS,
    NOISES,
    OPTIMISERS,
    OUTPUTS,
    SCHEDULES,
)

ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
EVALUATION_EXAMPLES = 4096

LEAST_PROBABILITY = 1e-6
"""Below it the probability of a group would be rounded by more than 1e-4 of itself."""


@dataclass(frozen=True)
class Parameters:
    """What is trained, or anything of the same shapes, such as a gradient.

    `W_decoder` is None where the decoder is tied.
    """

    W: Float[ndarray, "hidden feature"]
    b: Float[ndarray, " feature"]
    W_decoder: Float[ndarray, "hidden feature"] | None = None

    @property
    def decoder(self) -> Float[ndarray, "hidden feature"]:
        """The weights that read out: W itself where the decoder is tied."""
        return self.W if self.W_decoder is None else self.W_decoder

    @classmethod
    def of(cls, artifact: Artifact) -> Parameters:
        """The final parameters of a model, in float64."""
        arrays = artifact.arrays
        double = {
            name: np.asarray(arrays[name], dtype=np.float64)
            for name in ("W", "b", "W_decoder")
            if name in arrays
        }
        return cls(**double)


ROUNDING = 1e-9
"""How far a number of active features may be from a whole one, relative to n."""


def check_together(row: Row) -> None:
    """Refuse factors that contradict each other, or that no row could mean.

    Raises:
        ValueError: per-feature values of the wrong length, two importances, a rate
            that the noise does not use, groups or a number of active features that do
            not fit, or a factor that could change nothing.
    """
    _check_each_feature(row)
    _check_noise(row)
    _check_activity(row)
    if row["target"] == "absolute" and row["feature_values"] == "uniform":
        raise ValueError(
            "`target` is 'absolute' and `feature_values` is 'uniform', which is never "
            "negative, so that |x| is x; use feature_values='signed_uniform', or "
            "target='identity'"
        )
    if row["optimiser_basis"] == "rotated" and row["optimiser"] == "sgd":
        raise ValueError(
            "`optimiser_basis` is 'rotated' and `optimiser` is 'sgd', whose steps are "
            "the same in every basis; use optimiser='adam' or 'adamw', or "
            "optimiser_basis='units'"
        )


def _check_each_feature(row: Row) -> None:
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


def _check_noise(row: Row) -> None:
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


def _check_activity(row: Row) -> None:
    _check_groups(row)
    activity, q = row["activity"], row["feature_probability"]
    if activity == "independent":
        return
    if isinstance(q, tuple):
        raise ValueError(
            f"`feature_probability` is {q} and `activity` is {activity!r}; give one "
            "number that holds for all features, or use activity='independent'"
        )
    n, size = row["n_features"], row["group_size"]
    if activity == "exactly_k":
        if active_features(row) == 0:
            k = max(1, round(n * q))
            raise ValueError(
                f"`feature_probability` is {q} and `activity` is 'exactly_k', but {q} "
                f"of {n} features is {n * q:g}, no whole number above 0; the nearest "
                f"probability allowed is {k / n!r}, which makes {k} active"
            )
    elif q < LEAST_PROBABILITY:
        raise ValueError(
            f"`feature_probability` is {q} and `activity` is {activity!r}; groups are "
            f"drawn with 32 random bits, which need {LEAST_PROBABILITY:g} or more; use "
            "a higher probability, or activity='independent'"
        )
    elif activity == "anticorrelated" and size * q > 1 + ROUNDING:
        raise ValueError(
            f"`feature_probability` is {q} and `group_size` is {size}; at most one "
            "feature of a group is active, so that none can be with more than "
            f"{1 / size:g}; use a lower probability or smaller groups"
        )


def _check_groups(row: Row) -> None:
    activity, size, n = row["activity"], row["group_size"], row["n_features"]
    if activity not in ("correlated", "anticorrelated"):
        if size != 1:
            raise ValueError(
                f"`group_size` is {size} and `activity` is {activity!r}, which has no "
                "groups; use activity='correlated' or 'anticorrelated', or leave it out"
            )
    elif size == 1:
        raise ValueError(
            f"`group_size` is 1 and `activity` is {activity!r}; a group of one feature "
            "is independent of all others: give a size of 2 or more that divides "
            f"{n} features, or use activity='independent'"
        )
    elif n % size:
        raise ValueError(
            f"`group_size` is {size}, which does not divide {n} features; every "
            "feature must belong to a whole group"
        )


def active_features(row: Row) -> int:
    """How many features of an example are active where `activity` is 'exactly_k'.

    `k = q n`, in [1, n]; 0 where that is no whole number.
    """
    share = row["feature_probability"] * row["n_features"]
    whole = round(share)
    return whole if abs(share - whole) <= ROUNDING * row["n_features"] else 0


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


def initial_parameters(row: Row) -> Parameters:
    """What training starts from: random weights and b = 0."""
    untied = row["decoder"] == "untied"
    return Parameters(
        W=initial_weights(row),
        b=np.zeros(row["n_features"], dtype=np.float32),
        W_decoder=initial_decoder(row) if untied else None,
    )


def initial_weights(row: Row) -> Float[ndarray, "hidden feature"]:
    """The weights that training starts from: Gaussian of variance 2 / (n + m).

    `initial_law` and `initial_std` change that. A uniform law has the same deviation s:
    it fills `[-s sqrt(3), s sqrt(3))`, and privileges the axes from the start. They
    depend on the seed, the two sizes and these two factors alone, so that rows which
    share these start from the same point whatever their noise, data or optimiser.

    Source: Glorot and Bengio 2010, eq. 12 (one model's own fan-in and fan-out) and
    eq. 16 (its uniform law).
    """
    return _initial(row, purpose="init")


def initial_decoder(row: Row) -> Float[ndarray, "hidden feature"]:
    """The initial W_decoder of an untied row: the law of W, a stream of its own."""
    return _initial(row, purpose="init_decoder")


def _initial(row: Row, *, purpose: str) -> Float[ndarray, "hidden feature"]:
    n, m = row["n_features"], row["n_hidden"]
    std = row["initial_std"]
    scale = math.sqrt(2.0 / (n + m)) if std is None else std
    generator = stream(row["seed"], purpose)
    if row["initial_law"] == "uniform":
        weights = generator.uniform(-math.sqrt(3.0), math.sqrt(3.0), (m, n))
    else:
        weights = generator.standard_normal((m, n))
    return (weights * scale).astype(np.float32)


def optimiser_rotation(row: Row) -> Float[ndarray, "hidden hidden"]:
    """The orthogonal Q in whose coordinates `QW` a rotated row's Adam keeps moments.

    Uniform over all orthogonal matrices (Haar), fixed along training, rounded to
    float32. Its stream is its own: rotations that a measure draws from the row's seed
    are other ones.

    Source: Mezzadri 2007, "How to generate random matrices from the classical compact
    groups", section 3.
    """
    m = row["n_hidden"]
    Q = stream(row["seed"], "optimiser_rotation").standard_normal((m, m))
    # Gram and Schmidt, twice: Gaussian columns made orthonormal are uniform. Not a
    # library's QR, whose bits depend on the library and its threads.
    for k in range(m):
        for _ in range(2):
            along = np.einsum("kj,k->j", Q[:, :k], Q[:, k])
            Q[:, k] -= np.einsum("kj,j->k", Q[:, :k], along)
        Q[:, k] /= math.sqrt((Q[:, k] ** 2).sum())
    return Q.astype(np.float32)


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
    "Parameters",
    "active_features",
    "check_together",
    "checkpoint_steps",
    "importances",
    "initial_decoder",
    "initial_parameters",
    "initial_weights",
    "learning_rates",
    "loss_steps",
    "noise_variance",
    "optimiser_rotation",
    "probabilities",
]
