"""The weights that lose least on average, found without drawing one input."""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.arrays import stream
from tegum.theory.expected_loss import expected_loss, expected_losses

NODES = (24, 64)
FINAL_NODES = 96
MEMORY = 10
LEAST_FALL = 1e-9
LEAST_SLOPE = 1e-7
MAX_ITERATIONS = 300

Objective = Callable[[ndarray], tuple[float, ndarray]]
Objectives = Callable[[ndarray, ndarray], tuple[ndarray, ndarray]]
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


@dataclass(frozen=True)
class Stage:
    """With how many nodes a descent looks, and at what relative fall it ends."""

    nodes: int
    least_fall: float = LEAST_FALL


STAGES = tuple(Stage(nodes) for nodes in NODES)


@dataclass(frozen=True)
class Minima:
    """The local minima that several descents ended in, each with its own data."""

    loss: Float[ndarray, " model"]
    W: Float[ndarray, "model hidden feature"]
    b: Float[ndarray, "model feature"]
    settled: Bool[ndarray, " model"]


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
    max_iterations: int = MAX_ITERATIONS,
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
    objective: Objective,
    start: Float[ndarray, " number"],
    *,
    max_iterations: int,
    least_fall: float = LEAST_FALL,
    least_slope: float = LEAST_SLOPE,
) -> tuple[Float[ndarray, " number"], bool]:
    """The point that descent from a start ends in, and whether it had settled there.

    Limited-memory BFGS with backtracking. It ends when the objective has fallen by less
    than `least_fall` of itself three times in a row, when no slope exceeds
    `least_slope`, or when no step lowers the objective. On a plateau the first comes
    long before the second, and no step may be found where the objective is not as
    smooth as its slope says: settled is no proof of a minimum, the slope is. In plain
    NumPy because the points are small: SciPy's driver hands vectors of ten numbers to a
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
        if step is None or np.abs(slope).max() < least_slope:
            return at, True
        moved, new_value, new_slope = step
        turn = new_slope - slope
        if (moved @ turn) > 1e-12 * math.sqrt((moved @ moved) * (turn @ turn)):
            memory.append((moved, turn))
        fell = value - new_value
        still = still + 1 if fell <= least_fall * abs(value) else 0
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


def minima_together(
    W: Float[ndarray, "model hidden feature"],
    b: Float[ndarray, "model feature"],
    *,
    feature_probability: Float[ndarray, "model feature"],
    importance: Float[ndarray, "model feature"],
    rate: float = 0.0,
    stages: Sequence[Stage] = STAGES,
) -> Minima:
    """The minimum that each start leads to, for small models all at once.

    Every start has its own probabilities and importances; minima stand in the order of
    the starts. With the usual stages they are those of `local_minima`, up to where the
    descents stop. For models of a dozen numbers, each start costs a quarter of one on
    its own.

    Raises:
        ValueError: as `expected_losses`.

    Source: `quasi_newton_together`.
    """
    count, shape = len(W), W.shape[1:]
    size = math.prod(shape)

    def objective(flat: ndarray, which: ndarray, nodes: int) -> tuple:
        at = expected_losses(
            flat[:, :size].reshape(-1, *shape),
            flat[:, size:],
            feature_probability=feature_probability[which],
            importance=importance[which],
            rate=rate,
            nodes=nodes,
        )
        return at.loss, np.concatenate([at.W.reshape(-1, size), at.b], axis=1)

    at = np.concatenate([W.reshape(count, size), b], axis=1)
    settled = np.zeros(count, dtype=bool)
    for stage in stages:
        at, settled = quasi_newton_together(
            functools.partial(objective, nodes=stage.nodes),
            at,
            max_iterations=MAX_ITERATIONS,
            least_fall=stage.least_fall,
        )
    value, _ = objective(at, np.arange(count), nodes=FINAL_NODES)
    return Minima(value, at[:, :size].reshape(-1, *shape), at[:, size:], settled)


def quasi_newton_together(
    objective: Objectives,
    starts: Float[ndarray, "model number"],
    *,
    max_iterations: int,
    least_fall: float = LEAST_FALL,
) -> tuple[Float[ndarray, "model number"], Bool[ndarray, " model"]]:
    """The point that each of many descents ends in, and whether it had settled there.

    BFGS with backtracking, a matrix for each descent, ended as `quasi_newton` is, with
    `least_fall` for its 1e-9. `objective(at, which)` returns the values and slopes of
    the descents `which`, now at `at`; those that have settled are asked for no more.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 6.1 and 3.1.
    """
    end, settled = starts.copy(), np.zeros(len(starts), dtype=bool)
    which = np.arange(len(starts))
    at, still = starts.copy(), np.zeros(len(starts), dtype=int)
    value, slope = objective(at, which)
    curvature = _first_guess(slope)
    fresh = np.ones(len(starts), dtype=bool)
    for _ in range(max_iterations):
        direction = -(curvature @ slope[..., None])[..., 0]
        found = _line_searches(objective, at, value, slope, direction, which)
        stuck = ~found.lower & fresh
        again = ~found.lower & ~fresh
        turn = found.slope - slope
        fell = value - found.value
        small = found.lower & (fell <= least_fall * np.abs(value))
        still = np.where(small, still + 1, np.where(again, still, 0))
        flat = np.abs(found.slope).max(axis=1) < LEAST_SLOPE
        curvature = _updated(curvature, found.moved, turn, first=fresh)
        at, value, slope = at + found.moved, found.value, found.slope
        curvature[again] = _first_guess(slope[again])
        fresh = again
        done = stuck | flat | (still == 3)
        end[which] = at
        settled[which[done]] = True
        keep = ~done
        if not keep.any():
            break
        which, at, value, slope = which[keep], at[keep], value[keep], slope[keep]
        curvature, still, fresh = curvature[keep], still[keep], fresh[keep]
    return end, settled


@dataclass(frozen=True)
class _Steps:
    """The steps of several line searches; `moved` is 0 where none was `lower`."""

    moved: ndarray
    value: ndarray
    slope: ndarray
    lower: ndarray


def _line_searches(
    objective: Objectives,
    at: ndarray,
    value: ndarray,
    slope: ndarray,
    direction: ndarray,
    which: ndarray,
) -> _Steps:
    """For each descent a step that lowers its objective enough, if there is one."""
    along = (slope * direction).sum(axis=1)
    length, lower = np.ones(len(at)), np.zeros(len(at), dtype=bool)
    moved, new_value, new_slope = np.zeros_like(at), value.copy(), slope.copy()
    pending = np.flatnonzero(along < 0.0)
    for _ in range(20):
        if not pending.size:
            break
        step = length[pending, None] * direction[pending]
        there, slopes = objective(at[pending] + step, which[pending])
        gain = along[pending] * length[pending]
        enough = there <= value[pending] + 1e-4 * gain
        kept = pending[enough]
        moved[kept], new_value[kept] = step[enough], there[enough]
        new_slope[kept], lower[kept] = slopes[enough], True
        # The lowest point of the parabola through both values.
        excess = (there - value[pending] - gain)[~enough]
        pending, gain = pending[~enough], gain[~enough]
        lowest = -gain * length[pending] / (2.0 * excess)
        length[pending] = np.clip(lowest, 0.1 * length[pending], 0.5 * length[pending])
    return _Steps(moved, new_value, new_slope, lower)


def _first_guess(slope: ndarray) -> ndarray:
    """An inverse curvature that makes the first step no longer than 1."""
    longest = np.maximum(np.abs(slope).sum(axis=1), LEAST_SLOPE)
    scale = np.minimum(1.0, 1.0 / longest)
    return scale[:, None, None] * np.eye(slope.shape[1])


def _updated(
    curvature: ndarray, moved: ndarray, turn: ndarray, *, first: ndarray
) -> ndarray:
    """The inverse curvatures after a step, by the formula of BFGS (6.17).

    A step along which the slope did not rise says nothing and changes nothing. After
    the first step the guess is put on the scale of the curvature seen (6.20).
    """
    along = (moved * turn).sum(axis=1)
    square = (turn**2).sum(axis=1)
    bent = along > 1e-12 * np.sqrt((moved**2).sum(axis=1) * square)
    rho = np.where(bent, 1.0 / np.where(bent, along, 1.0), 0.0)
    scaled = np.where(bent & first, along / np.where(bent, square, 1.0), 0.0)
    guess = scaled[:, None, None] * np.eye(moved.shape[1])
    curvature = np.where((bent & first)[:, None, None], guess, curvature)
    outer = moved[:, :, None] * turn[:, None, :]
    left = np.eye(moved.shape[1]) - rho[:, None, None] * outer
    added = rho[:, None, None] * moved[:, :, None] * moved[:, None, :]
    return left @ curvature @ np.swapaxes(left, 1, 2) + added
