"""How many features there seem to be in activations, by sparse autoencoders.

A sparse autoencoder writes an activation as a sum of few out of many directions:

    z = relu(A (x - b) + c),   y = b + sum_i z_i d_i,   |d_i| = 1

and is trained to lose little of x while few z_i are active. The number of features is
that of the directions in use, each counted by its share of all activity. What would be
measured otherwise is how hard the autoencoder was pressed, so it is pressed until it
explains a stated share of the variance, the same for everything that is compared.

Everything follows from the activations and one seed, and from no basis: starting
directions are random mixtures of the activations themselves, and Adam's second moments
are kept for each direction, not for each coordinate, so that rotated activations have
the rotated autoencoder, up to rounding. Activations are centred and scaled to unit root
mean square first, so that their scale does not matter either.

Source: Bricken et al. 2023, "Towards Monosemanticity" (the autoencoder); Candes, Wakin
and Boyd 2008, "Enhancing sparsity by reweighted l1 minimization", section 2 (the
penalty); Bereska et al. 2025, "Superposition as Lossy Compression" (the count).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.allowed import number, whole
from tegum.arrays import stream

HELD_OUT = 0.2
"""The share of the vectors, the last ones, that is not trained on but counted on."""
FEWEST_VECTORS = 100
WITHIN = 0.02
"""How far from its target the explained variance may end before counts are void."""
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


@dataclass(frozen=True)
class SparseAutoencoders:
    """Trained autoencoders of one set of activations, one for each replicate.

    They take activations that were centred and scaled, `(x - centre) / scale`. `A` and
    the unit vectors `D` have a row for each latent; `penalty` is what training ended
    at.
    """

    centre: Float[ndarray, " unit"]
    scale: float
    b: Float[ndarray, "replicate 1 unit"]
    A: Float[ndarray, "replicate latent unit"]
    c: Float[ndarray, "replicate latent 1"]
    D: Float[ndarray, "replicate latent unit"]
    penalty: Numbers

    def codes(
        self, activations: Activations
    ) -> Float[ndarray, "replicate vector latent"]:
        """How active every latent is, in units of the scale; never negative."""
        x = self._scaled(activations) - self.b
        return np.maximum(
            _product(x, self.A.swapaxes(1, 2)) + self.c[..., 0][:, None], 0
        )

    def explained_variance(self, activations: Activations) -> Numbers:
        """`1 - E|x - y|^2 / E|x - E x|^2`; 1 is all of it, below 0 is harm."""
        x = self._scaled(activations)
        lost = x - self.b - _product(self.codes(activations), self.D)
        spread = x - x.mean(axis=0)
        return 1.0 - (lost**2).sum(axis=-1).mean(axis=-1) / (spread**2).sum(-1).mean()

    def _scaled(self, activations: Activations) -> Activations:
        return (activations - self.centre) / self.scale


@dataclass(frozen=True)
class EffectiveFeatures:
    """What sparse autoencoders count in activations; each a mean over replicates.

    `effective_features`: `exp(H(p))`, p_i the share of direction i in all activity, as
    `effective_count` has it. `superposition_ratio`: that per unit; above 1 there are
    more features than units. `effective_latents`: the count of latents as they are,
    without joining those of one direction. `active_latents`: how many are active at a
    time (L0). `dead_latents`: how many never are on the held-out vectors.

    The first three are NaN where `explained_variance` ended more than 0.02 from its
    target: a count at another loss compares with none.
    """

    effective_features: float
    superposition_ratio: float
    effective_latents: float
    explained_variance: float
    active_latents: float
    dead_latents: float


def effective_features(
    activations: Activations, *, seed: int, settings: Settings | None = None
) -> EffectiveFeatures:
    """How many features share the activations, counted at equal explained variance.

    Autoencoders are trained on the first four fifths of the vectors and counted on the
    rest. A number of directions, in `[1, latents]`. Known biases: a feature that is
    rarely or weakly active counts less than one that is often strong; a feature with
    both signs counts as two; features that are dense, or that always come together, are
    not told apart; splitting of one feature into several directions raises it, and a
    dictionary that is too small bounds it. Gaussian vectors, in which there is no
    feature, have a count as well: it says how many directions cover a ball.

    Raises:
        ValueError: activations that are no (vector, unit) array of at least 100
            vectors, are not finite, or do not vary.

    Source: Bereska et al. 2025, "Superposition as Lossy Compression".
    """
    settings = settings or Settings()
    x = _checked(activations)
    held_out = round(HELD_OUT * len(x))
    found = fit(x[:-held_out], seed=seed, settings=settings)
    rest = x[-held_out:]
    codes = found.codes(rest)
    explained = float(found.explained_variance(rest).mean())
    comparable = abs(explained - settings.explained_variance) <= WITHIN

    def count(same_direction: float) -> float:
        if not comparable:
            return math.nan
        counts = [
            effective_count(activity, D, same_direction=same_direction)
            for activity, D in zip(codes.sum(axis=1), found.D, strict=True)
        ]
        return math.fsum(counts) / len(counts)

    features = count(settings.same_direction)
    return EffectiveFeatures(
        effective_features=features,
        superposition_ratio=features / x.shape[1],
        effective_latents=count(1.0),
        explained_variance=explained,
        active_latents=float((codes > 0).sum(axis=-1).mean()),
        dead_latents=float((codes.max(axis=1) <= 0.0).sum(axis=-1).mean()),
    )


def effective_count(
    activity: Float[ndarray, " latent"],
    D: Float[ndarray, "latent unit"],
    *,
    same_direction: float,
) -> float:
    """How many directions are in use, each counted by its share of all activity.

    `exp(-sum_i p_i log p_i)`, `p_i = a_i / sum_j a_j`. From the most active latent on,
    each takes in those not yet taken whose direction is the same, up to a cosine of at
    least `same_direction`; at 1 every latent stands alone. In `[1, latents]`: k if k
    directions are equally active. NaN where no latent is active.

    >>> round(effective_count(np.ones(3), np.eye(3)[[0, 1, 1]], same_direction=0.8), 3)
    1.89
    """
    p, _ = effective_groups(activity, D, same_direction=same_direction)
    if not p.size:
        return math.nan
    return math.exp(-float((p * np.log(p)).sum()))


def effective_groups(
    activity: Float[ndarray, " latent"],
    D: Float[ndarray, "latent unit"],
    *,
    same_direction: float,
) -> tuple[Float[ndarray, " group"], Float[ndarray, "group unit"]]:
    """The shares and directions that `effective_count` counts, in order of leaders.

    A group has the direction of its most active latent. Latents that are never active
    are in none.
    """
    p = activity.astype(np.float64)
    free = p > 0
    if not free.any():
        return np.zeros(0), np.zeros((0, D.shape[1]))
    p = p / p.sum()
    alike = np.eye(len(p), dtype=bool)
    if same_direction < 1.0:
        alike |= same_direction <= D @ D.T
    shares, leaders = [], []
    for latent in np.argsort(-p, kind="stable"):
        if free[latent]:
            group = free & alike[latent]
            shares.append(p[group].sum())
            leaders.append(latent)
            free &= ~group
    return np.array(shares), D[leaders]


def fit(
    activations: Activations, *, seed: int, settings: Settings
) -> SparseAutoencoders:
    """Autoencoders that explain the stated share of variance as sparsely as they can.

    The loss is the share of variance that is lost plus the penalty, whose weight rises
    while less is lost than allowed, and falls while more is.

    Raises:
        ValueError: as `effective_features`.

    Source: Rezende and Viola 2018, "Taming VAEs" (a constraint kept by moving the
    weight of the penalty along training).
    """
    x = _checked(activations)
    centre = x.mean(axis=0)
    scale = float(np.sqrt(((x - centre) ** 2).mean()))
    x = ((x - centre) / scale).astype(np.float32)
    streams = [
        stream(seed, f"sparse autoencoder {k}") for k in range(settings.replicates)
    ]
    parameters = _start(x, streams, latents=settings.latents_per_unit * x.shape[1])
    penalty = _descend(x, parameters, streams, settings)
    b, A, c, D = parameters
    return SparseAutoencoders(centre, scale, b, A, c, D, penalty)


def _start(
    x: Activations, streams: list[np.random.Generator], *, latents: int
) -> list[ndarray]:
    """`b, A, c, D`: b where most vectors are near, directions that mix vectors."""
    b = np.repeat(_geometric_median(x)[None, None, :], len(streams), axis=0)
    some = _whitened(x[:: max(1, len(x) // MIXED)][:MIXED] - b[0])
    mixes = [s.standard_normal((latents, len(some)), dtype=np.float32) for s in streams]
    D = _product(np.stack(mixes), some[None])
    D /= np.sqrt((D**2).sum(axis=-1, keepdims=True))
    c = np.zeros((len(streams), latents, 1), dtype=np.float32)
    return [b, D.copy(), c, D]


def _whitened(x: Activations) -> Activations:
    """The vectors stretched to vary alike in all directions in which they vary.

    By the symmetric root, which turns as they do: no basis is preferred. Directions
    without variance stay without.
    """
    x = x.astype(np.float64)
    variance, axes = np.linalg.eigh(_product(x.T[None], x[None])[0])
    varies = variance > NO_VARIANCE * variance.max()
    axes, variance = axes[:, varies], variance[varies]
    root = np.einsum("ik,jk->ij", axes / np.sqrt(variance), axes)
    return _product(x[None], root[None])[0].astype(np.float32)


def _geometric_median(x: Activations, *, rounds: int = 20) -> Float[ndarray, " unit"]:
    """The point with the least mean distance to the vectors (Weiszfeld 1937)."""
    centre = x.mean(axis=0)
    for _ in range(rounds):
        nearness = 1.0 / (np.sqrt(((x - centre) ** 2).sum(axis=-1)) + 1e-6)
        centre = (nearness[:, None] * x).sum(axis=0) / nearness.sum()
    return centre.astype(np.float32)


def _descend(
    x: Activations,
    parameters: list[ndarray],
    streams: list[np.random.Generator],
    settings: Settings,
) -> Numbers:
    """Train the parameters in place; returns the weights of the penalty at the end."""
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
        lost, gradients = _gradients(
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


def _gradients(
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


def _product(
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


def _checked(activations: Activations) -> Activations:
    x = np.asarray(activations)
    if x.ndim != 2 or len(x) < FEWEST_VECTORS:
        raise ValueError(
            f"the activations have the shape {x.shape}; give (vector, unit) with "
            f"{FEWEST_VECTORS} vectors or more, 10,000 are usual"
        )
    x = x.astype(np.float64, copy=False)
    broken = int((~np.isfinite(x)).any(axis=1).sum())
    if broken:
        raise ValueError(
            f"{broken} of {len(x)} vectors of activations are not finite; leave them "
            "out, or find the layer that made them"
        )
    if not np.ptp(x, axis=0).any():
        raise ValueError(
            f"all {len(x)} vectors of activations are the same; there is no variance "
            "to explain"
        )
    return x


def record(found: EffectiveFeatures) -> dict[str, float]:
    """The numbers by name, as a measure returns them."""
    return dataclasses.asdict(found)
