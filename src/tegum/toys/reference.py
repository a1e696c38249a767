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
from tegum.toys.inputs import sample_inputs, sample_noise
from tegum.toys.model import (
    ADAM_BETA1,
    ADAM_BETA2,
    ADAM_EPSILON,
    EVALUATION_EXAMPLES,
    Parameters,
    checkpoint_steps,
    importances,
    initial_parameters,
    learning_rates,
    loss_steps,
    noise_variance,
    optimiser_rotation,
)

# A completed row; its values are known to be of the right type.
CompleteRow = Any


NAMES = ("W", "b", "W_decoder")


@dataclass(frozen=True)
class Pass:
    """The layers of one forward pass.

    `hidden` is h, `noised` what the noise left of it (h itself without noise),
    `before_output` is W_decoder^T noised + b, `output` is y.
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
    """The model's forward pass: h, noise on h, y = output(W_decoder^T h + b).

    `h = W x`, or `relu(W x)`; a tied decoder is W. `noise=None` is the clean pass. What
    `noise` holds depends on the row's noise, with v = p / (1 - p):

    - `dropout`: the factor of h, 0 or 1 / (1 - p);
    - `gaussian_multiplicative`: the factor of h, 1 + sqrt(v) z;
    - `gaussian_additive`: z itself; the summand is noise_std z;
    - `gaussian_additive_matched`: z itself; the summand is sqrt(v mean(h^2)) z, the
      mean over the batch and the units of this very pass.
    """
    hidden = inputs @ parameters.W.T
    if row["hidden_activation"] == "relu":
        hidden = np.maximum(hidden, 0.0)
    noised = hidden if noise is None else _noised(row, hidden, noise=noise)
    before_output = noised @ parameters.decoder + parameters.b
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


def target(
    row: CompleteRow, inputs: Float[ndarray, "example feature"]
) -> Float[ndarray, "example feature"]:
    """What the output is compared with: x, or |x|."""
    return np.abs(inputs) if row["target"] == "absolute" else inputs


def loss(
    row: CompleteRow,
    parameters: Parameters,
    *,
    inputs: Float[ndarray, "example feature"],
    noise: Float[ndarray, "example hidden"] | None = None,
) -> float:
    """How badly the inputs are rebuilt, plus what hidden activity costs.

    `mean over batch and features of I_i (target_i - y_i)^2 + hidden_l1 * mean over the
    batch of sum_k |h_k|`, h before the noise. In `[0, inf)`; without `noise` it is the
    clean loss.
    """
    layers = forward(row, parameters, inputs=inputs, noise=noise)
    error = target(row, inputs) - layers.output
    rebuilt = (importances(row) * error**2).mean()
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

    With delta = dL/d(before_output) and e = dL/d(W x),

        dW = sum over the batch of e x^T,   dW_decoder = sum of noised delta^T,
        db = sum of delta,
        e = (W_decoder delta (times the factor where the noise is one)
             + hidden_l1 sign(h) / B) times the slope of the hidden activation.

    A tied W has the sum of the first two; a bias that is not learned has 0. ReLU has
    slope 0 at 0, and so has |h|. The scale of matched noise is held constant.
    """
    layers = forward(row, parameters, inputs=inputs, noise=noise)
    batch, n_features = inputs.shape
    slope = layers.before_output > 0 if row["output"] == "relu" else 1.0
    error = layers.output - target(row, inputs)
    delta = 2.0 * importances(row) * error * slope / (batch * n_features)
    back = delta @ parameters.decoder.T
    if noise is not None and row["noise"] in ("dropout", "gaussian_multiplicative"):
        back = back * noise
    back += row["hidden_l1"] * np.sign(layers.hidden) / batch
    if row["hidden_activation"] == "relu":
        back *= layers.hidden > 0
    db = delta.sum(axis=0) * (row["bias"] == "learned")
    of_encoder, of_decoder = back.T @ inputs, layers.noised.T @ delta
    if parameters.W_decoder is None:
        return Parameters(of_decoder + of_encoder, db)
    return Parameters(of_encoder, db, of_decoder)


def fresh_optimiser(parameters: Parameters) -> Optimiser:
    """An optimiser that has seen no gradient: both memories are 0."""
    zeros = {name: np.zeros_like(v) for name, v in _arrays(parameters).items()}
    return Optimiser(0, Parameters(**zeros), Parameters(**zeros))


def _arrays(parameters: Parameters) -> dict[str, ndarray]:
    """The parameters that there are, by name."""
    every = {name: getattr(parameters, name) for name in NAMES}
    return {name: array for name, array in every.items() if array is not None}


def update(
    row: CompleteRow,
    parameters: Parameters,
    *,
    gradient: Parameters,
    optimiser: Optimiser,
    learning_rate: float,
) -> tuple[Parameters, Optimiser]:
    """The parameters and the optimiser after one more step; all alike.

    `adamw`: `w <- (1 - lr wd) w`, then Adam's step on g.
    `adam`: Adam's step on `g + wd w`.
    `sgd`: `u <- momentum u + g + wd w`, then `w <- w - lr u`.

    In a rotated basis Adam's step for W and W_decoder is `Q^T step(Q g)`, its memories
    those of Q g.

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
            value,
            gradient=getattr(gradient, name),
            first=getattr(optimiser.first, name),
            second=getattr(optimiser.second, name),
            step=step,
            learning_rate=learning_rate,
            axes=None if name == "b" else axes,
        )
        for name, value in _arrays(parameters).items()
    }
    value, first, second = (
        Parameters(**{name: three[part] for name, three in moved.items()})
        for part in range(3)
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
        initial = _arrays(initial_parameters(row)).items()
        start = Parameters(**{name: v.astype(np.float64) for name, v in initial})
    if evaluation is None:
        evaluation = sample_inputs(
            row, stream(row["seed"], "evaluation"), count=EVALUATION_EXAMPLES
        )
    kept = checkpoint_steps(row["steps"], row["weight_checkpoints"])
    recorded = loss_steps(row["steps"])
    losses = np.full(recorded.size, np.nan)
    history = {
        name: np.full((kept.size, *value.shape), np.nan)
        for name, value in _arrays(start).items()
    }
    parameters = start
    diverged_at_step = None
    for done, parameters in _path(row, start, batches=batches):
        if not all(np.isfinite(v).all() for v in _arrays(parameters).values()):
            diverged_at_step = done
            break
        if done in recorded:
            with np.errstate(over="ignore", invalid="ignore"):
                clean = loss(row, parameters, inputs=evaluation)
            losses[recorded == done] = clean
        for name, value in _arrays(parameters).items():
            history[name][kept == done] = value
    arrays = _arrays(parameters) | {"loss_step": recorded, "loss": losses}
    if kept.size:
        arrays |= {"checkpoint_step": kept}
        arrays |= {f"{name}_history": values for name, values in history.items()}
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
    "target",
    "train",
    "update",
]
