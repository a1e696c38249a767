"""The expected loss of a toy model, exact, at any sparsity and without sampling.

Inputs are independent, so the law of a pre-activation `z_i = b_i + sum_j G_ij x_j`,
`G = W^T D W`, is known through its moment generating function, a product over inputs:

    M_i(u) = E exp(u z_i) = exp(u b_i) prod_j phi_j(u G_ij),
    phi_j(t) = 1 - q_j + q_j (e^t - 1) / t.

Rectified moments are contour integrals of it (for any c > 0, along u = c + i w):

    E relu(z)^2   = 1/(2 pi i) integral of 2 M(u) / u^3 du,
    E x_i relu(z) = 1/(2 pi i) integral of M(u) chi_i / phi_i / u^2 du,
    chi_i(t) = E x_i exp(t x_i) = q_i ((t - 1) e^t + 1) / t^2.

Under dropout D holds the masks' factors 1/(1-p), and the loss is averaged over all
masks of up to 12 units.

Source: derived here from the Laplace inversion of `relu(z)^k / k!`, `1 / u^(k+1)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from tegum.measures.interference import checked_probability
from tegum.measures.redundancy import enumerated_masks

NODES = 96
DECAY = 2.0
"""`c P`: how far right of the pole at u = 0 the contour runs, over its step."""
SMALL = 2e-3
LEAST_PERIOD = 1e-3
BLOCK = 2**15
"""Of the numbers along contours, about so many are held at once: they fit the cache."""
NEGLIGIBLE = 2e-3
"""Of the range of z: an input that moves it by less is not seen as spreading it. Which
inputs count so decides how fast the quadrature converges, not what it converges to."""


@dataclass(frozen=True)
class LossAndGradient:
    """An expected loss, mean over features, and its gradient in W and b."""

    loss: float
    W: Float[ndarray, "hidden feature"]
    b: Float[ndarray, " feature"]


@dataclass(frozen=True)
class LossesAndGradients:
    """Expected losses of several models, and their gradients in W and b."""

    loss: Float[ndarray, " model"]
    W: Float[ndarray, "model hidden feature"]
    b: Float[ndarray, "model feature"]


def expected_loss(
    W: Float[ndarray, "hidden feature"],
    b: Float[ndarray, " feature"],
    *,
    feature_probability: float | tuple[float, ...],
    importance: Float[ndarray, " feature"] | None = None,
    rate: float = 0.0,
    output: str = "relu",
    nodes: int = NODES,
) -> LossAndGradient:
    """What a toy model loses on average over all inputs and all dropout masks.

    `mean_i I_i E (x_i - y_i)^2` with `y = output(W^T (mask / (1 - p)) W x + b)`. In
    squared units of the inputs, in `[0, inf)`. Deterministic: the error is that of a
    quadrature, relative 1e-4 or less at the default number of nodes and falling as
    `nodes^-2` or faster (`docs/theory.md` says how it was measured).

    Raises:
        ValueError: more than 12 units under dropout, a rate outside [0, 1), a
            probability outside (0, 1], an unknown output, or shapes that do not fit.

    Source: derived in this module.

    One feature that is dropped, its bias at the mean: the loss is its variance, 1/12.

    >>> b = np.array([0.5])
    >>> dropped = expected_loss(np.zeros((1, 1)), b, feature_probability=1.0)
    >>> round(dropped.loss * 12, 6)
    1.0
    """
    W, b = _checked(W, b, output)
    n = W.shape[1]
    q = checked_probability(feature_probability, n)
    importance = np.ones(n) if importance is None else np.asarray(importance, float)
    if importance.shape != (n,):
        raise ValueError(
            f"`importance` has shape {importance.shape} and W {n} features; give one "
            "number for each feature"
        )
    found = expected_losses(
        W[None],
        b[None],
        feature_probability=q,
        importance=importance,
        rate=rate,
        output=output,
        nodes=nodes,
    )
    return LossAndGradient(float(found.loss[0]), found.W[0], found.b[0])


def expected_losses(
    W: Float[ndarray, "model hidden feature"],
    b: Float[ndarray, "model feature"],
    *,
    feature_probability: Float[ndarray, "*model feature"],
    importance: Float[ndarray, "*model feature"],
    rate: float = 0.0,
    output: str = "relu",
    nodes: int = NODES,
) -> LossesAndGradients:
    """`expected_loss` of several models of one size at once, each with its own data.

    Probabilities and importances are those of every model, or one row for all. For
    small models a hundred at once take little longer than one.

    Raises:
        ValueError: more than 12 units under dropout, or a rate outside [0, 1).

    Source: `expected_loss`.
    """
    _, m, n = W.shape
    q = np.broadcast_to(feature_probability, b.shape)
    if rate == 0.0:
        factors, chances = np.ones((1, m)), np.ones(1)
    else:
        masks = enumerated_masks(m, rate=rate)
        factors, chances = masks.kept / (1.0 - rate), masks.probability
    reconstruct = _rectified if output == "relu" else _linear
    loss, W_slope, b_slope = np.zeros(len(W)), np.zeros_like(W), np.zeros_like(b)
    weight = np.broadcast_to(importance, b.shape) / n
    several = max(1, BLOCK // (len(W) * n**2 * nodes))
    for first in range(0, len(chances), several):
        chance = chances[first : first + several, None]
        masked = factors[first : first + several, None, :, None] * W
        G = np.swapaxes(W, 1, 2) @ masked  # (mask, model, output, input)
        value, by_G, by_b = reconstruct(G, b, q, nodes)
        loss += (chance * (weight * value).sum(axis=-1)).sum(axis=0)
        by_G = chance[..., None, None] * weight[..., None] * by_G
        W_slope += (masked @ (by_G + np.swapaxes(by_G, -1, -2))).sum(axis=0)
        b_slope += (chance[..., None] * weight * by_b).sum(axis=0)
    return LossesAndGradients(loss, W_slope, b_slope)


def _linear(G: ndarray, b: ndarray, q: ndarray, nodes: int) -> tuple:
    """`E (x_i - z_i)^2` of every output, and its slopes in G_ij and b_i."""
    mean, variance = (q / 2)[..., None, :], (q / 3 - q**2 / 4)[..., None, :]
    residual = np.eye(G.shape[-1]) - G
    bias = (residual * mean).sum(axis=-1) - b
    value = (residual**2 * variance).sum(axis=-1) + bias**2
    slope = -2.0 * (residual * variance + bias[..., None] * mean)
    return value, slope, -2.0 * bias


def _rectified(G: ndarray, b: ndarray, q: ndarray, nodes: int) -> tuple:
    """`E (x_i - relu(z_i))^2` of every output, and its slopes in G_ij and b_i.

    The part of the law that sits at `z = b_i` alone, where every input that matters is
    0, is taken off and put in by hand: what is left decays faster along the contour.
    """
    highest = b + np.maximum(G, 0.0).sum(axis=-1)
    lowest = b + np.minimum(G, 0.0).sum(axis=-1)
    period = 1.05 * np.maximum(np.maximum(highest, -lowest), LEAST_PERIOD)
    u = (DECAY + 2.0j * np.pi * (np.arange(nodes) + 0.5)) / period[..., None]
    # Both halves of the contour: twice the real part.
    weight = 2.0 / period[..., None] * _taper(nodes)
    phi, chi, curve = _input_factors(u, G, q[..., None, :, None])
    slope, own = chi / phi, np.arange(b.shape[-1])
    shift = np.exp(u * b[..., None])
    moment = shift * phi.prod(axis=-2)
    silent = np.abs(G) < NEGLIGIBLE * period[..., None]
    atom = np.where(silent, 1.0, 1.0 - q[..., None, :]).prod(axis=-1)
    own_atom = np.where(silent[..., own, own], atom * q / 2, 0.0)
    with_own = moment * slope[..., own, own, :]  # E x_i exp(u z_i)
    # E x_i^2 exp(u z_i)
    with_own_twice = moment * curve[..., own, own, :] / phi[..., own, own, :]
    rest = moment - atom[..., None] * shift
    rest_own = with_own - own_atom[..., None] * shift

    def contour(integrand: Complex[ndarray, "*model output node"]) -> ndarray:
        return (weight * integrand).real.sum(axis=-1)

    value = q / 3 + contour(2.0 * rest / u**3 - 2.0 * rest_own / u**2)
    pull = weight * (2.0 * moment / u**2 - 2.0 * with_own / u)
    by_G = (slope @ pull[..., None]).real[..., 0]
    # On the diagonal the inserted x_i is the input that G_ii multiplies.
    by_G[..., own, own] = contour(2.0 * with_own / u**2 - 2.0 * with_own_twice / u)
    by_b = contour(2.0 * rest / u**2 - 2.0 * rest_own / u)
    active, positive = np.maximum(b, 0.0), b > 0
    by_atom = contour((atom[..., None] / u - own_atom[..., None]) * 2.0 * shift / u)
    by_atom = 2.0 * atom * active - 2.0 * own_atom * positive - by_atom
    idle = silent & ~np.eye(b.shape[-1], dtype=bool)
    by_G += np.where(idle, (by_atom[..., None] * q[..., None, :]) / 2, 0.0)
    value += atom * active**2 - 2.0 * own_atom * active
    by_b += 2.0 * atom * active - 2.0 * own_atom * positive
    images = _periodic_images(G, b, q, period, (atom, own_atom, idle))
    return value - images[0], by_G - images[1], by_b - images[2]


def _taper(nodes: int) -> Float[ndarray, " node"]:
    """Weights that end the contour smoothly: 1 over its first half, then a cosine to 0.

    A sharp end would ring at every pre-activation with a probability of its own; a
    smooth one errs only where such a point falls on the kink of the ReLU.
    """
    position = (np.arange(nodes) + 0.5) / nodes
    falling = 0.5 + 0.5 * np.cos(np.pi * (2.0 * position - 1.0))
    return np.where(position < 0.5, 1.0, falling)


def _periodic_images(
    G: ndarray, b: ndarray, q: ndarray, period: ndarray, atoms: tuple[ndarray, ...]
) -> tuple:
    """What the midpoint rule adds to the contour integrals, exactly.

    With step `2 pi / P` it gives `sum over k >= 0 of (-e^(-cP))^k E f(z + kP)` for f =
    relu(z)^2 and x relu(z). P exceeds |z|, so every image has `z + kP > 0`: plain
    second moments, and geometric sums of 1, k and k^2.
    """
    r = -np.exp(-DECAY)
    zeroth, first = r / (1.0 - r), r / (1.0 - r) ** 2 * period
    second = r * (1.0 + r) / (1.0 - r) ** 3 * period**2
    mean, variance = q / 2, q / 3 - q**2 / 4
    by_input, own = mean[..., None, :], np.arange(b.shape[-1])
    z_mean = b + (G * by_input).sum(axis=-1)
    z_with = z_mean[..., None] * by_input + G * variance[..., None, :]  # E z_i x_j
    z_squared = z_mean**2 + (G**2 * variance[..., None, :]).sum(axis=-1)
    atom, own_atom, idle = atoms
    own_pull = z_with[..., own, own] - own_atom * b
    value = zeroth * (z_squared - atom * b**2 - 2.0 * own_pull)
    value += 2.0 * first * (z_mean - atom * b - mean + own_atom)
    value += second * (1.0 - atom)
    together = mean[..., :, None] * by_input  # E x_i x_j
    together[..., own, own] += variance
    by_G = 2.0 * zeroth * (z_with - together) + 2.0 * first[..., None] * by_input
    by_b = 2.0 * zeroth * (z_mean - mean) + 2.0 * first
    by_atom = 2.0 * zeroth * (atom * b - own_atom) + 2.0 * first * atom
    by_G -= np.where(idle, by_atom[..., None] * by_input, 0.0)
    by_b -= by_atom
    return value, by_G, by_b


def _input_factors(
    u: Complex[ndarray, "*model output node"], G: ndarray, q: ndarray
) -> tuple[ndarray, ndarray, ndarray]:
    """`E e^(tx)`, `E x e^(tx)` and `E x^2 e^(tx)` at `t = u G_ij`, for all i and j."""
    t = u[..., None, :] * G[..., None]
    small = np.abs(u)[..., None, :] * np.abs(G)[..., None] < SMALL
    safe = np.where(small, 1.0, t)
    # The nodes are evenly spaced, so e^t is a running product along them.
    power = np.empty_like(t)
    power[..., :1] = np.exp(t[..., :1])
    power[..., 1:] = np.exp((u[..., 1] - u[..., 0])[..., None] * G)[..., None]
    np.cumprod(power, axis=-1, out=power)
    inverse = 1.0 / safe
    zeroth = (power - 1.0) * inverse
    first = (power - zeroth) * inverse
    second = (power - 2.0 * first) * inverse
    s = t[small]
    zeroth[small] = 1.0 + s * (1 / 2 + s * (1 / 6 + s / 24))
    first[small] = 1 / 2 + s * (1 / 3 + s * (1 / 8 + s / 30))
    second[small] = 1 / 3 + s * (1 / 4 + s * (1 / 10 + s / 36))
    return 1.0 - q + q * zeroth, q * first, q * second


def _checked(W: ndarray, b: ndarray, output: str) -> tuple[ndarray, ndarray]:
    W, b = np.asarray(W, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if W.ndim != 2 or b.shape != W.shape[1:]:
        raise ValueError(
            f"W has shape {W.shape} and b {b.shape}; they must be (n_hidden, "
            "n_features) and (n_features,)"
        )
    if output not in ("relu", "linear"):
        raise ValueError(f"`output` is {output!r}; it must be 'relu' or 'linear'")
    return W, b
