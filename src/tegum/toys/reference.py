"""The toy model in plain NumPy float64, to be read as its definition.

Nothing here is fast. The engine is held against it: gradients on the same minibatch,
whole runs on the engine's own minibatches, final losses on independent streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.arrays import Artifact, stream
from tegum.toys.model import (
    ADAM_BETA1,
    ADAM_BETA2,
    ADAM_EPSILON,
    EVALUATION_EXAMPLES,
    checkpoint_steps,
    importances,
    initial_weights,
    learning_rates,
    loss_steps,
    noise_variance,
    optimiser_rotation,
    probabilities,
)

# A completed row; its values are known to be of the right type.
CompleteRow = Any


@dataclass(frozen=True)
class Parameters:
    """What is trained, or anything of the same two shapes, such as a gradient."""

    W: Float[ndarray, "hidden feature"]
    b: Float[ndarray, " feature"]


@dataclass(frozen=True)
class Pass:
    """The layers of one forward pass.

    `hidden` is h = W x, `noised` what the noise left of it (h itself without noise),
    `before_output` is W^T noised + b, `output` is y.
    """

    hidden: Float[ndarray, "example hidden"]
    noised: Float[ndarray, "example hidden"]
    before_output: Float[ndarray, "example feature"]
    output: Float[ndarray, "example feature"]


@dataclass(frozen=True)
class Optimiser:
    """What an optimiser remembers after some steps.

    `first` is SGD's momentum buffer or Adam's mean of gradients, `second` Adam's mean
    of squared gradients.
    """

    steps: int
    first: Parameters
    second: Parameters


def forward(
    row: CompleteRow,
    parameters: Parameters,
    *,
    inputs: Float[ndarray, "example feature"],
    noise: Float[ndarray, "example hidden"] | None = None,
) -> Pass:
    """The model's forward pass: h = W x, noise on h, y = output(W^T h + b).

    `noise=None` is the clean pass. What `noise` holds depends on the row's noise, with
    v = p / (1 - p):

    - `dropout`: the factor of h, 0 or 1 / (1 - p);
    - `gaussian_multiplicative`: the factor of h, 1 + sqrt(v) z;
    - `gaussian_additive`: z itself; the summand is noise_std z;
    - `gaussian_additive_matched`: z itself; the summand is sqrt(v mean(h^2)) z, the
      mean over the batch and the units of this very pass.
    """
    hidden = inputs @ parameters.W.T
    noised = hidden if noise is None else _noised(row, hidden, noise=noise)
    before_output = noised @ parameters.W + parameters.b
    output = (
        np.maximum(before_output, 0.0) if row["output"] == "relu" else before_output
    )
    return Pass(hidden, noised, before_output, output)


def _noised(
    row: CompleteRow, hidden: ndarray, *, noise: Float[ndarray, "example hidden"]
) -> Float[ndarray, "example hidden"]:
    match row["noise"]:
        case "dropout" | "gaussian_multiplicative":
            return hidden * noise
        case "gaussian_additive":
            return hidden + row["noise_std"] * noise
        case "gaussian_additive_matched":
            variance = noise_variance(row["rate"]) * (hidden**2).mean()
            return hidden + np.sqrt(variance) * noise
    raise ValueError(
        f"noise was given to a row whose `noise` is {row['noise']!r}; leave it out"
    )


def loss(
    row: CompleteRow,
    parameters: Parameters,
    *,
    inputs: Float[ndarray, "example feature"],
    noise: Float[ndarray, "example hidden"] | None = None,
) -> float:
    """How badly the inputs are rebuilt, plus what hidden activity costs.

    `mean over batch and features of I_i (x_i - y_i)^2 + hidden_l1 * mean over the batch
    of sum_k |h_k|`, h before the noise. In `[0, inf)`; without `noise` it is the clean
    loss.
    """
    layers = forward(row, parameters, inputs=inputs, noise=noise)
    rebuilt = (importances(row) * (inputs - layers.output) ** 2).mean()
    activity = np.abs(layers.hidden).sum(axis=1).mean()
    return float(rebuilt + row["hidden_l1"] * activity)


def gradients(
    row: CompleteRow,
    parameters: Parameters,
    *,
    inputs: Float[ndarray, "example feature"],
    noise: Float[ndarray, "example hidden"] | None = None,
) -> Parameters:
    """The gradient of the loss, in closed form.

    With delta = dL/d(before_output) and e = dL/dh,

        dW = sum over the batch of  noised delta^T + e x^T,   db = sum of delta,
        e = W delta (times the factor where the noise is one) + hidden_l1 sign(h) / B.

    ReLU has slope 0 at 0, and so has |h|. The scale of matched noise is held constant.
    """
    layers = forward(row, parameters, inputs=inputs, noise=noise)
    batch, n_features = inputs.shape
    slope = layers.before_output > 0 if row["output"] == "relu" else 1.0
    delta = 2.0 * importances(row) * (layers.output - inputs) * slope
    delta /= batch * n_features
    back = delta @ parameters.W.T
    if noise is not None and row["noise"] in ("dropout", "gaussian_multiplicative"):
        back = back * noise
    back += row["hidden_l1"] * np.sign(layers.hidden) / batch
    return Parameters(layers.noised.T @ delta + back.T @ inputs, delta.sum(axis=0))


def fresh_optimiser(parameters: Parameters) -> Optimiser:
    """An optimiser that has seen no gradient: both memories are 0."""
    zero = Parameters(np.zeros_like(parameters.W), np.zeros_like(parameters.b))
    return Optimiser(0, zero, zero)


def update(
    row: CompleteRow,
    parameters: Parameters,
    *,
    gradient: Parameters,
    optimiser: Optimiser,
    learning_rate: float,
) -> tuple[Parameters, Optimiser]:
    """The parameters and the optimiser after one more step; W and b alike.

    `adamw`: `w <- (1 - lr wd) w`, then Adam's step on g.
    `adam`: Adam's step on `g + wd w`.
    `sgd`: `u <- momentum u + g + wd w`, then `w <- w - lr u`.

    In a rotated basis Adam's step for W is `Q^T step(Q g)`, its memories those of Q g.

    Source: Loshchilov and Hutter 2019, algorithms 1 and 2; Kingma and Ba 2015,
    algorithm 1; conventions (epsilon outside the root, no dampening) as in PyTorch.
    """
    step = optimiser.steps + 1
    axes = None
    if row["optimiser_basis"] == "rotated":
        axes = optimiser_rotation(row).astype(np.float64)
    moved = {
        name: _update_array(
            row,
            getattr(parameters, name),
            gradient=getattr(gradient, name),
            first=getattr(optimiser.first, name),
            second=getattr(optimiser.second, name),
            step=step,
            learning_rate=learning_rate,
            axes=None if name == "b" else axes,
        )
        for name in ("W", "b")
    }
    value, first, second = (
        Parameters(W, b) for W, b in zip(moved["W"], moved["b"], strict=True)
    )
    return value, Optimiser(step, first, second)


def _update_array(
    row: CompleteRow,
    value: ndarray,
    *,
    gradient: ndarray,
    first: ndarray,
    second: ndarray,
    step: int,
    learning_rate: float,
    axes: Float[ndarray, "hidden hidden"] | None,
) -> tuple[ndarray, ndarray, ndarray]:
    if row["optimiser"] == "adamw":
        value = value * (1.0 - learning_rate * row["weight_decay"])
    else:
        gradient = gradient + row["weight_decay"] * value
    if row["optimiser"] == "sgd":
        first = row["momentum"] * first + gradient
        return value - learning_rate * first, first, second
    if axes is not None:
        gradient = axes @ gradient
    first = ADAM_BETA1 * first + (1.0 - ADAM_BETA1) * gradient
    second = ADAM_BETA2 * second + (1.0 - ADAM_BETA2) * gradient**2
    mean = first / (1.0 - ADAM_BETA1**step)
    root = np.sqrt(second / (1.0 - ADAM_BETA2**step))
    change = learning_rate * mean / (root + ADAM_EPSILON)
    if axes is not None:
        change = axes.T @ change
    return value - change, first, second


def sample_inputs(
    row: CompleteRow, generator: np.random.Generator, *, count: int
) -> Float[ndarray, "example feature"]:
    """Inputs: each feature 0 with probability 1 - q_i, else uniform on [0, 1)."""
    size = (count, row["n_features"])
    active = generator.random(size) < probabilities(row)
    return active * generator.random(size)


def sample_noise(
    row: CompleteRow, generator: np.random.Generator, *, count: int
) -> Float[ndarray, "example hidden"] | None:
    """Noise for a batch, as `forward` takes it; None for a row without noise.

    Dropout keeps a unit where a uniform number is at least p, so that on one stream a
    higher rate drops a superset.
    """
    size = (count, row["n_hidden"])
    match row["noise"]:
        case "none":
            return None
        case "dropout":
            kept = generator.random(size) >= row["rate"]
            return kept / (1.0 - row["rate"])
        case "gaussian_multiplicative":
            deviation = np.sqrt(noise_variance(row["rate"]))
            return 1.0 + deviation * generator.standard_normal(size)
        case _:
            return generator.standard_normal(size)


def minibatches(row: CompleteRow) -> Iterator[tuple[ndarray, ndarray | None]]:
    """The inputs and the noise of every step, from the streams `data` and `mask`."""
    data, mask = stream(row["seed"], "data"), stream(row["seed"], "mask")
    count = row["batch_size"]
    for _ in range(row["steps"]):
        yield (
            sample_inputs(row, data, count=count),
            sample_noise(row, mask, count=count),
        )


def train(row: CompleteRow) -> Artifact:
    """The artifact of a completed row, in float64 on NumPy's own random streams.

    It has the arrays of the engine's artifact and the law of its inputs and masks, not
    its random numbers.
    """
    return replay(row, minibatches(row))


def replay(
    row: CompleteRow,
    batches: Iterable[tuple[ndarray, ndarray | None]],
    *,
    start: Parameters | None = None,
    evaluation: Float[ndarray, "example feature"] | None = None,
) -> Artifact:
    """Train on given minibatches: pairs of inputs and noise, one for each step.

    Starts from `start`, by default the row's own initial weights and b = 0, and stops
    when `batches` end. `evaluation` are the inputs of the clean loss, by default drawn
    from the stream `evaluation`. A loss or checkpoint that was not reached is NaN.
    """
    if start is None:
        initial = initial_weights(row).astype(np.float64)
        start = Parameters(initial, np.zeros(row["n_features"]))
    if evaluation is None:
        evaluation = sample_inputs(
            row, stream(row["seed"], "evaluation"), count=EVALUATION_EXAMPLES
        )
    kept = checkpoint_steps(row["steps"], row["weight_checkpoints"])
    recorded = loss_steps(row["steps"])
    losses = np.full(recorded.size, np.nan)
    W_history = np.full((kept.size, *start.W.shape), np.nan)
    b_history = np.full((kept.size, *start.b.shape), np.nan)
    parameters = start
    diverged_at_step = None
    for done, parameters in _path(row, start, batches=batches):
        if not (np.isfinite(parameters.W).all() and np.isfinite(parameters.b).all()):
            diverged_at_step = done
            break
        if done in recorded:
            with np.errstate(over="ignore", invalid="ignore"):
                clean = loss(row, parameters, inputs=evaluation)
            losses[recorded == done] = clean
        W_history[kept == done] = parameters.W
        b_history[kept == done] = parameters.b
    arrays = {
        "W": parameters.W,
        "b": parameters.b,
        "loss_step": recorded,
        "loss": losses,
    }
    if kept.size:
        arrays |= {"checkpoint_step": kept}
        arrays |= {"W_history": W_history, "b_history": b_history}
    status = "trained" if diverged_at_step is None else "diverged"
    return Artifact(arrays, status=status, diverged_at_step=diverged_at_step)


def _path(
    row: CompleteRow, start: Parameters, *, batches: Iterable
) -> Iterator[tuple[int, Parameters]]:
    """The number of steps done and the parameters after them, 0 steps first."""
    parameters, optimiser = start, fresh_optimiser(start)
    yield 0, parameters
    for (inputs, noise), rate in zip(batches, learning_rates(row), strict=False):
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = gradients(row, parameters, inputs=inputs, noise=noise)
            parameters, optimiser = update(
                row,
                parameters,
                gradient=gradient,
                optimiser=optimiser,
                learning_rate=rate,
            )
        yield optimiser.steps, parameters


__all__ = [
    "Optimiser",
    "Parameters",
    "Pass",
    "forward",
    "fresh_optimiser",
    "gradients",
    "loss",
    "minibatches",
    "replay",
    "sample_inputs",
    "sample_noise",
    "train",
    "update",
]
