"""What may be done to W: each fact says which of these leave a quantity unchanged.

A transformation takes one W `(hidden, feature)` and a generator, and gives the new W
and, for every old feature, its position there: so a quantity of each feature can be
followed where features move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

ROTATE = "rotation of the hidden space"
SCALE = "scale of W"
SCALE_ONE = "scale of one feature"
TURN_ONE = "turn of one feature"
FLIP_FEATURE = "sign flip of a feature"
ZERO_FEATURE = "zero feature appended"
IDLE_UNIT = "idle unit appended"

Moved = tuple[Float[ndarray, "new_hidden new_feature"], Int[ndarray, " feature"]]


@dataclass(frozen=True)
class Transformation:
    """A named change of W, and what it would mean for a model."""

    name: str
    meaning: str
    apply: Callable[[Float[ndarray, "hidden feature"], np.random.Generator], Moved]


def _features_stay(W: Float[ndarray, "hidden feature"]) -> Moved:
    return W, np.arange(W.shape[1])


def rotation(n_hidden: int, generator: np.random.Generator) -> ndarray:
    """An orthogonal matrix, uniform over all of them.

    Source: Mezzadri 2007, "How to generate random matrices from the classical compact
    groups": the signs of R's diagonal make the law of Q uniform.
    """
    q, r = np.linalg.qr(generator.standard_normal((n_hidden, n_hidden)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)


def _rotate(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    return _features_stay(rotation(W.shape[0], generator) @ W)


def _permute_units(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    return _features_stay(W[generator.permutation(W.shape[0])])


def _flip_unit(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    signs = np.ones((W.shape[0], 1))
    signs[generator.integers(W.shape[0])] = -1.0
    return _features_stay(W * signs)


def _permute_features(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    order = generator.permutation(W.shape[1])
    return W[:, order], np.argsort(order)


def _flip_feature(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    signs = np.ones(W.shape[1])
    signs[generator.integers(W.shape[1])] = -1.0
    return _features_stay(W * signs)


def _scale(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    return _features_stay(W * generator.uniform(2.0, 4.0))


def _scale_feature(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    factors = np.ones(W.shape[1])
    factors[generator.integers(W.shape[1])] = generator.uniform(2.0, 4.0)
    return _features_stay(W * factors)


def _turn_feature(W: Float[ndarray, "hidden feature"], generator) -> Moved:
    turned = W.copy()
    i = generator.integers(W.shape[1])
    turned[:, i] = rotation(W.shape[0], generator) @ W[:, i]
    return _features_stay(turned)


def _append_zero_feature(W: Float[ndarray, "hidden feature"], _) -> Moved:
    return np.pad(W, ((0, 0), (0, 1))), np.arange(W.shape[1])


def _append_idle_unit(W: Float[ndarray, "hidden feature"], _) -> Moved:
    return _features_stay(np.pad(W, ((0, 1), (0, 0))))


TRANSFORMATIONS: Mapping[str, Transformation] = {
    transformation.name: transformation
    for transformation in (
        Transformation(
            ROTATE,
            "QW: the noiseless model computes the same",
            _rotate,
        ),
        Transformation(
            "permutation of units",
            "rows of W change places",
            _permute_units,
        ),
        Transformation("sign flip of a unit", "one row of W turns to -row", _flip_unit),
        Transformation(
            "permutation of features",
            "columns of W change places, and what is said of each goes with it",
            _permute_features,
        ),
        Transformation(
            FLIP_FEATURE,
            "one W_i turns to -W_i; a ReLU model computes something else",
            _flip_feature,
        ),
        Transformation(SCALE, "cW with c in [2, 4]", _scale),
        Transformation(
            SCALE_ONE,
            "one W_i turns to c W_i with c in [2, 4]",
            _scale_feature,
        ),
        Transformation(
            TURN_ONE,
            "one W_i gets a random direction and keeps its norm",
            _turn_feature,
        ),
        Transformation(
            ZERO_FEATURE,
            "a column of zeros: n grows, and nothing else",
            _append_zero_feature,
        ),
        Transformation(
            IDLE_UNIT,
            "a row of zeros: m grows, and nothing else",
            _append_idle_unit,
        ),
    )
}
