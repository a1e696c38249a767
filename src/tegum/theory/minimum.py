"""The weights that lose least on average, found without drawing one input."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import optimize

from tegum.arrays import stream
from tegum.theory.expected_loss import expected_loss

NODES = (24, 64)

Start = tuple[Float[ndarray, "hidden feature"], Float[ndarray, " feature"]]


@dataclass(frozen=True)
class Minimum:
    """A local minimum of the expected loss: its loss, weights and biases.

    `settled` says that the optimiser stopped because the loss no longer fell, not
    because it ran out of iterations.
    """

    loss: float
    W: Float[ndarray, "hidden feature"]
    b: Float[ndarray, " feature"]
    settled: bool


def gaussian_starts(
    n_features: int, n_hidden: int, *, count: int, seed: int
) -> list[Start]:
    """Weights at random, as training starts from them, and biases of 0.

    Variance `2 / (n + m)`, from the seed's own stream `minimum`.

    Raises:
        ValueError: no start asked for.

    Source: Glorot and Bengio 2010, eq. 12, with a Gaussian.
    """
    if count < 1:
        raise ValueError(f"`count` is {count}; it must be a whole number from 1 up")
    generator = stream(seed, "minimum")
    scale = math.sqrt(2.0 / (n_features + n_hidden))
    return [
        (
            scale * generator.standard_normal((n_hidden, n_features)),
            np.zeros(n_features),
        )
        for _ in range(count)
    ]


def local_minima(
    starts: Iterable[Start],
    *,
    feature_probability: float | tuple[float, ...],
    importance: Float[ndarray, " feature"] | None = None,
    rate: float = 0.0,
    output: str = "relu",
    max_iterations: int = 300,
) -> list[Minimum]:
    """The minimum that each start leads to, least loss first.

    Quasi-Newton descent (L-BFGS-B) on `expected_loss` and its exact gradient, first
    with few nodes and then, from where that ended, with more.

    Raises:
        ValueError: as `expected_loss`.

    Source: Byrd, Lu, Nocedal and Zhu 1995, as in SciPy.
    """
    law = {
        "feature_probability": feature_probability,
        "importance": importance,
        "rate": rate,
        "output": output,
    }
    found = [_descend(W, b, law=law, max_iterations=max_iterations) for W, b in starts]
    return sorted(found, key=lambda minimum: minimum.loss)


def _descend(W: ndarray, b: ndarray, *, law: dict, max_iterations: int) -> Minimum:
    shape, size = W.shape, W.size

    def objective(flat: ndarray, nodes: int) -> tuple[float, ndarray]:
        at = expected_loss(flat[:size].reshape(shape), flat[size:], **law, nodes=nodes)
        return at.loss, np.concatenate([at.W.ravel(), at.b])

    flat, iterations = np.concatenate([W.ravel(), b]), 0
    for nodes in NODES:
        result = optimize.minimize(
            objective,
            flat,
            args=(nodes,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iterations, "ftol": 1e-9, "gtol": 1e-7},
        )
        flat, iterations = result.x, result.nit
    W, b = flat[:size].reshape(shape), flat[size:]
    loss = expected_loss(W, b, **law).loss
    return Minimum(loss, W, b, settled=iterations < max_iterations)
