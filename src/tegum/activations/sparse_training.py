"""How sparse autoencoders are trained: their settings, starts, gradients and steps.

Several autoencoders of the same activations are trained side by side, on an axis
`replicate` of every array. Parameters are `[b, A, c, D]` in that order, with an axis of
latents and one of units; all of it in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.allowed import number, whole

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
PACE = 0.02
"""The largest relative change of the penalty in a step."""
FIRST_PENALTY = 0.02
PENALTY_RANGE = (1e-5, 10.0)
MIXED = 1024
"""How many vectors a starting direction is mixed of, at most."""
NO_VARIANCE = 1e-9
"""Relative to the most that a direction has, what counts as none."""
DECAY_FROM = 0.8
"""After this share of the steps the learning rate falls linearly to 0."""

ONE_THREAD = 2**18
"""Products of matrices with no more multiplications than this are taken on one thread
by OpenBLAS; with more, the bits would depend on how many threads there are."""
ROWS_AT_ONCE = 128

Activations = Float[ndarray, "vector unit"]
Numbers = Float[ndarray, " replicate"]


@dataclass(frozen=True)
class Settings:
    """How autoencoders are trained and how their latents are counted.

    `explained_variance` is the share of variance to be explained, `latents_per_unit`
    how many latents there are for each unit of the activations. The penalty of a latent
    is `knee log(1 + z / knee)`, z in units of the root mean square length of the
    activations: strong activations are pressed less than weak ones, and inf is the
    usual L1 penalty, which presses all alike. Latents whose directions have a cosine of
    at least `same_direction` are counted as one; 1 counts each by itself. Numbers are
    means over `replicates`, autoencoders from different starts.

    Raises:
        ValueError: a setting outside its range.
    """

    explained_variance: float = 0.9
    latents_per_unit: int = 8
    knee: float = 0.6
    same_direction: float = 0.8
    replicates: int = 2
    steps: int = 1000
    batch_size: int = 128
    learning_rate: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse what no autoencoder could be trained with."""
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(getattr(self, name)))


def _share(name: str, remedy: str, *, open_high: bool = True):
    return number(name, 0, 1, open_low=True, open_high=open_high, remedy=remedy)


_CHECKS = {
    "explained_variance": _share("explained_variance", "0.9 is the validated one"),
    "latents_per_unit": whole("latents_per_unit", 1, 1024, remedy="8 is usual here"),
    "knee": number(
        "knee", 0, math.inf, open_low=True, open_high=False, remedy="inf gives L1"
    ),
    "same_direction": _share(
        "same_direction", "1 counts every latent by itself", open_high=False
    ),
    "replicates": whole("replicates", 1, 100, remedy="2 is usual here"),
    "steps": whole("steps", 10, 10_000_000, remedy="1000 is usual here"),
    "batch_size": whole("batch_size", 1, 1_000_000, remedy="128 is usual here"),
    "learning_rate": number(
        "learning_rate",
        0,
        math.inf,
        open_low=True,
        open_high=True,
        remedy="0.01 is usual here",
    ),
}


def start(
    x: Activations, streams: list[np.random.Generator], *, latents: int
) -> list[ndarray]:
    """`b, A, c, D`: b where most vectors are near, directions that mix vectors."""
    b = np.repeat(_geometric_median(x)[None, None, :], len(streams), axis=0)
    some = _whitened(x[:: max(1, len(x) // MIXED)][:MIXED] - b[0])
    mixes = [s.standard_normal((latents, len(some)), dtype=np.float32) for s in streams]
    D = product(np.stack(mixes), some[None])
    D /= np.sqrt((D**2).sum(axis=-1, keepdims=True))
    c = np.zeros((len(streams), latents, 1), dtype=np.float32)
    return [b, D.copy(), c, D]


def _whitened(x: Activations) -> Activations:
    """The vectors stretched to vary alike in all directions in which they vary.

    By the symmetric root, which turns as they do: no basis is preferred. Directions
    without variance stay without.
    """
    x = x.astype(np.float64)
    variance, axes = np.linalg.eigh(product(x.T[None], x[None])[0])
    varies = variance > NO_VARIANCE * variance.max()
    axes, variance = axes[:, varies], variance[varies]
    root = np.einsum("ik,jk->ij", axes / np.sqrt(variance), axes)
    return product(x[None], root[None])[0].astype(np.float32)


def _geometric_median(x: Activations, *, rounds: int = 20) -> Float[ndarray, " unit"]:
    """The point with the least mean distance to the vectors (Weiszfeld 1937)."""
    centre = x.mean(axis=0)
    for _ in range(rounds):
        nearness = 1.0 / (np.sqrt(((x - centre) ** 2).sum(axis=-1)) + 1e-6)
        centre = (nearness[:, None] * x).sum(axis=0) / nearness.sum()
    return centre.astype(np.float32)


def descend(
    x: Activations,
    parameters: list[ndarray],
    streams: list[np.random.Generator],
    settings: Settings,
) -> Numbers:
    """Train the parameters in place; returns the weights of the penalty at the end.

    The weight rises while less variance is lost than allowed, and falls while more is.

    Source: Rezende and Viola 2018, "Taming VAEs" (a constraint kept by moving the
    weight of the penalty along training).
    """
    length = math.sqrt(x.shape[1])  # root mean square length at unit scale
    allowed = 1.0 - settings.explained_variance
    spread = float(((x - x.mean(axis=0)) ** 2).sum(axis=-1).mean())
    penalty = np.full(len(streams), FIRST_PENALTY)
    first = [np.zeros_like(p) for p in parameters]
    second = [np.zeros_like(_mean_square(p)) for p in parameters]
    D = parameters[-1]
    for step in range(settings.steps):
        batch = np.stack(
            [x[s.integers(len(x), size=settings.batch_size)] for s in streams]
        )
        lost, gradients = gradients_of(
            batch, parameters, penalty=penalty / length, spread=spread,
            knee=settings.knee * length,
        )  # fmt: skip
        rate = settings.learning_rate * min(
            1.0, (1.0 - step / settings.steps) / (1.0 - DECAY_FROM)
        )
        _adam(parameters, gradients, first, second, rate=rate, step=step + 1)
        D /= np.sqrt(_mean_square(D)) * np.float32(length)
        excess = np.log(np.maximum(lost, 1e-9) / allowed)
        penalty = np.clip(
            penalty * np.exp(-PACE * np.clip(excess, -1.0, 1.0)), *PENALTY_RANGE
        )
    return penalty


def gradients_of(
    x: Float[ndarray, "replicate vector unit"],
    parameters: list[ndarray],
    *,
    penalty: Numbers,
    spread: float,
    knee: float,
) -> tuple[Numbers, list[ndarray]]:
    """The share of variance lost, and the gradients of the loss; all in float32."""
    b, _, _, D = parameters
    vectors, units = x.shape[1:]
    per = _block(D.shape[1], vectors * units)
    blocks = [p.reshape(len(p), -1, per, p.shape[-1]) for p in parameters[1:]]
    A, c, directions = blocks  # axes (replicate, block, latent, unit)
    centred = (x - b)[:, None]
    z = centred @ A.swapaxes(2, 3)
    z += c.swapaxes(2, 3)
    np.maximum(z, 0.0, out=z)
    error = (z @ directions).sum(axis=1, keepdims=True)
    error -= centred
    lost = np.einsum("rbvu,rbvu->r", error, error) / (vectors * spread)
    error *= np.float32(2.0 / (vectors * spread))
    # d/dz of knee log(1 + z / knee): 1 at 0, falling beyond the knee.
    slope = (penalty / vectors).astype(np.float32)[:, None, None, None]
    if knee < math.inf:
        slope = slope / (1.0 + z * np.float32(1.0 / knee))
    back = error @ directions.swapaxes(2, 3)
    back += slope
    back *= z > 0
    of_c = back.sum(axis=2)[..., None]
    of_b = error[:, 0].sum(axis=1) - np.einsum("rblo,rblu->ru", of_c, A)
    of_A = back.swapaxes(2, 3) @ centred
    of_D = (z.swapaxes(2, 3) @ error).reshape(D.shape)
    of_D -= np.einsum("rlu,rlu->rl", of_D, D)[..., None] * D  # along the sphere
    return lost, [
        of_b[:, None],
        of_A.reshape(D.shape),
        of_c.reshape(len(D), -1, 1),
        of_D,
    ]


def _block(latents: int, products: int) -> int:
    """How many latents to take at once, so that each block is one thread's work."""
    most = max(1, ONE_THREAD // products)
    return max(k for k in range(1, min(most, latents) + 1) if latents % k == 0)


def product(
    first: Float[ndarray, "#replicate row inner"],
    second: Float[ndarray, "#replicate inner column"],
) -> Float[ndarray, "some row column"]:
    """`first @ second` in pieces, each of them one thread's work."""
    rows, inner = first.shape[1:]
    columns = second.shape[2]
    tall = max(1, min(rows, ROWS_AT_ONCE))
    deep = max(1, ONE_THREAD // (tall * columns))
    shape = (max(len(first), len(second)), rows, columns)
    found = np.zeros(shape, dtype=np.result_type(first, second))
    for top in range(0, rows, tall):
        piece = slice(top, top + tall)
        for left in range(0, inner, deep):
            part = slice(left, left + deep)
            found[:, piece] += first[:, piece, part] @ second[:, part]
    return found


def _adam(
    parameters: list[ndarray],
    gradients: list[ndarray],
    first: list[ndarray],
    second: list[ndarray],
    *,
    rate: float,
    step: int,
) -> None:
    """Adam's step in place, one second moment for each vector in place of each entry.

    Source: Kingma and Ba 2015, algorithm 1.
    """
    rate *= math.sqrt(1.0 - BETA2**step) / (1.0 - BETA1**step)
    for value, gradient, mean, square in zip(
        parameters, gradients, first, second, strict=True
    ):
        mean *= np.float32(BETA1)
        mean += np.float32(1.0 - BETA1) * gradient
        square *= np.float32(BETA2)
        square += np.float32(1.0 - BETA2) * _mean_square(gradient)
        value -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(EPSILON))


def _mean_square(value: ndarray) -> ndarray:
    """Over the coordinates of each vector; an offset in c is a vector of one."""
    squares = np.einsum("rlu,rlu->rl", value, value)
    return squares[..., None] / np.float32(value.shape[-1])
