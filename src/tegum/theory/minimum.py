"""The weights that lose least on average, found without drawing one input."""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import stream
from tegum.theory.expected_loss import expected_loss

NODES = (24, 64)
MEMORY = 10
LEAST_FALL = 1e-9
LEAST_SLOPE = 1e-7

Objective = Callable[[ndarray], tuple[float, ndarray]]
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

    Quasi-Newton descent on `expected_loss` and its exact gradient, first
    with few nodes and then, from where that ended, with more.

    Raises:
        ValueError: as `expected_loss`.

    Source: `quasi_newton`.
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

    at, settled = np.concatenate([W.ravel(), b]), False
    for nodes in NODES:
        found = quasi_newton(
            functools.partial(objective, nodes=nodes),
            at,
            max_iterations=max_iterations,
        )
        at, settled = found
    W, b = at[:size].reshape(shape), at[size:]
    return Minimum(expected_loss(W, b, **law).loss, W, b, settled)


def quasi_newton(
    objective: Objective, start: Float[ndarray, " number"], *, max_iterations: int
) -> tuple[Float[ndarray, " number"], bool]:
    """The point that descent from a start ends in, and whether it had settled there.

    Limited-memory BFGS with backtracking. It ends when the objective has fallen by less
    than 1e-9 of itself three times in a row, or no slope exceeds 1e-7. In plain NumPy
    because the points are small: SciPy's driver hands vectors of ten numbers to a
    threaded BLAS, which on busy cores costs more than all else.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 and 3.1.
    """
    at, memory, still = start, deque(maxlen=MEMORY), 0
    value, slope = objective(at)
    for _ in range(max_iterations):
        step = _line_search(objective, at, value, slope, _direction(slope, memory))
        if step is None and memory:
            memory.clear()
            continue
        if step is None or np.abs(slope).max() < LEAST_SLOPE:
            return at, True
        moved, new_value, new_slope = step
        turn = new_slope - slope
        if (moved @ turn) > 1e-12 * math.sqrt((moved @ moved) * (turn @ turn)):
            memory.append((moved, turn))
        fell = value - new_value
        still = still + 1 if fell <= LEAST_FALL * abs(value) else 0
        at, value, slope = at + moved, new_value, new_slope
        if still == 3:
            return at, True
    return at, False


def _direction(slope: ndarray, memory: deque) -> ndarray:
    """Minus the inverse curvature times the slope, from the last few steps."""
    direction, shares = -slope, []
    for moved, turn in reversed(memory):
        shares.append((moved @ direction) / (moved @ turn))
        direction = direction - shares[-1] * turn
    if memory:
        moved, turn = memory[-1]
        direction = direction * (moved @ turn) / (turn @ turn)
    else:
        direction = direction * min(1.0, 1.0 / max(np.abs(slope).sum(), LEAST_SLOPE))
    for (moved, turn), share in zip(memory, reversed(shares), strict=True):
        direction = direction + (share - (turn @ direction) / (moved @ turn)) * moved
    return direction


def _line_search(
    objective: Objective, at: ndarray, value: float, slope: ndarray, direction: ndarray
) -> tuple[ndarray, float, ndarray] | None:
    """A step that lowers the objective enough, or None where there is none."""
    along, length = float(slope @ direction), 1.0
    if along >= 0.0:
        return None
    for _ in range(20):
        new_value, new_slope = objective(at + length * direction)
        excess = new_value - value - along * length
        if new_value <= value + 1e-4 * along * length:
            return length * direction, new_value, new_slope
        lowest = -along * length**2 / (2.0 * excess)  # of the parabola through both
        length = max(0.1 * length, min(0.5 * length, lowest))
    return None
