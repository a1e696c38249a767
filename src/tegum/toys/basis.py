"""What only the model's forward pass can say about its basis.

`ROTATION_GAP`: what dropout costs the trained basis, and what it costs the same model
rotated at random. Without noise the loss knows nothing of the basis, so any difference
is a preference of dropout's. `VECTOR_KURTOSIS`: kurtosis across the coordinates of each
activation vector, which has no closed form in W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import stats

from tegum.arrays import Artifact, stream
from tegum.design import Row
from tegum.measures.basis import mask_rate
from tegum.measures.facts import Measure
from tegum.measures.kurtosis import mean_excess_kurtosis_per_vector
from tegum.measures.redundancy import (
    MOST_ENUMERATED,
    Masks,
    enumerated_masks,
    sampled_masks,
)
from tegum.measures.sphere import (
    checked_rate,
    random_excess_kurtosis_per_masked_vector,
    random_excess_kurtosis_per_vector,
    random_rotations,
)
from tegum.measures.variants import require_linear_hidden
from tegum.toys.factors import NEUTRAL
from tegum.toys.inputs import sample_inputs
from tegum.toys.model import Parameters, importances
from tegum.toys.reference import forward

PROBE_RATE = 0.5
N_ROTATIONS = 16
N_INPUTS = 32
N_MASKS = 64
N_EXAMPLES = 2048
CONFIDENCE = 0.95
BLOCK = 2**19
"""Pre-activations held in memory at once."""


@dataclass(frozen=True)
class RotationGap:
    """Dropout loss in the trained basis and in rotated ones.

    `gap = rotated / trained - 1`, with a confidence interval that covers the choice of
    rotations, of inputs and, where `exact_masks` is False, of masks. Above 0 the
    trained basis loses less than a basis at random: it is preferred.
    """

    trained: float
    rotated: float
    gap: float
    low: float
    high: float
    exact_masks: bool


def dropout_loss(
    W: Float[ndarray, "hidden feature"],
    b: Float[ndarray, " feature"],
    *,
    inputs: Float[ndarray, "example feature"],
    masks: Masks,
    rate: float,
    importance: Float[ndarray, " feature"],
    output: str = "relu",
    W_decoder: Float[ndarray, "hidden feature"] | None = None,
    target: str = "identity",
) -> float:
    """What the model loses on these inputs on average over these masks.

    `mean over examples and features of I_i sum over masks of P(mask) (t_i - y_i)^2`
    with `y = output(V^T (mask / (1 - p)) W x + b)`; V is W unless `W_decoder` is given,
    and the target t is x or |x|. Squared units of the inputs, in `[0, inf)`. Exact over
    masks when `masks` holds them all.

    Raises:
        ValueError: masks of another number of units, or a rate outside [0, 1).

    Source: the definition of inverted dropout, `toys.reference.forward`.
    """
    if masks.kept.shape[1] != W.shape[0]:
        raise ValueError(
            f"the masks have {masks.kept.shape[1]} units and W {W.shape[0]}; make "
            "masks of as many units as W has rows"
        )
    checked_rate(rate)
    V = W if W_decoder is None else W_decoder
    goal = np.abs(inputs) if target == "absolute" else inputs
    # What unit k alone adds to each pre-activation: h_k V_k / (1 - p).
    parts = (inputs @ W.T).T[:, :, None] * V[:, None, :] / (1.0 - rate)
    step = max(1, BLOCK // (len(masks.kept) * W.shape[1]))
    total = 0.0
    for first in range(0, len(inputs), step):
        z = _masked_sums(parts[:, first : first + step], masks) + b
        if output == "relu":
            np.maximum(z, 0.0, out=z)
        z -= goal[first : first + step]
        np.square(z, out=z)
        total += float(masks.probability @ (z @ importance).sum(axis=1))
    return total / inputs.size


def _masked_sums(
    parts: Float[ndarray, "hidden example feature"], masks: Masks
) -> Float[ndarray, "mask example feature"]:
    """The sum over the kept units, for each mask.

    All masks are counted up in binary, so each unit doubles the table of sums.
    """
    if not masks.exact:
        flat = masks.kept.astype(np.float64) @ parts.reshape(len(parts), -1)
        return flat.reshape(-1, *parts.shape[1:])
    sums = np.zeros((len(masks.kept), *parts.shape[1:]))
    for unit, part in enumerate(parts):
        half = 2**unit
        np.add(sums[:half], part, out=sums[half : 2 * half])
    return sums


def _with_defaults(row: Row, W: Float[ndarray, "hidden feature"]) -> dict[str, Any]:
    """A row with every factor that has a default, whose sizes are those of W."""
    whole = {**NEUTRAL, **row}
    said = tuple(whole.get(name) for name in ("n_hidden", "n_features"))
    if said != W.shape:
        raise ValueError(
            f"W has the shape {W.shape} and the row says n_hidden={said[0]}, "
            f"n_features={said[1]}; give the row that the weights were trained by"
        )
    return whole


def rotation_gap(
    W: Float[ndarray, "hidden feature"],
    b: Float[ndarray, " feature"],
    row: Row,
    *,
    rate: float,
    seed: int,
    n_rotations: int = N_ROTATIONS,
    n_inputs: int = N_INPUTS,
    n_masks: int = N_MASKS,
    W_decoder: Float[ndarray, "hidden feature"] | None = None,
) -> RotationGap:
    """How much more dropout costs this model after a random rotation of its units.

    `rotated / trained - 1`, each the mean dropout loss over the same inputs and masks.
    Dimensionless, in `(-1, inf)`: 0 where the basis does not matter, .27 where rotating
    adds 27 % to the loss. Each rotation comes with its own inputs, and above 12 units
    with its own sampled masks, so that the rotations are independent repetitions of
    everything that is random and their spread gives a t-interval for the ratio. At rate
    0 the gap is exactly 0. NaN for one unit, which has nothing to be rotated into, for
    weights that are not finite, and where nothing is lost. An untied model's
    `W_decoder` is rotated with W, so that without noise the model is the same one.

    Raises:
        ValueError: a rate outside [0, 1), fewer than 2 rotations or 1 input or mask,
            weights of another shape than the row says, or a hidden layer that is not
            linear, which no rotation leaves the same.

    Source: this project; ratio estimator as in Cochran 1977, "Sampling Techniques",
    section 6.
    """
    for name, count, least in (
        ("n_rotations", n_rotations, 2),
        ("n_inputs", n_inputs, 1),
        ("n_masks", n_masks, 1),
    ):
        if count < least:
            raise ValueError(
                f"`{name}` is {count}; it must be a whole number from {least} up; an "
                "interval needs repetitions"
            )
    row = _with_defaults(row, W)
    require_linear_hidden(row, measure="rotation_gap")
    V = W if W_decoder is None else W_decoder
    m, exact = W.shape[0], W.shape[0] <= MOST_ENUMERATED
    if m == 1 or not all(np.isfinite(part).all() for part in (W, b, V)):
        return RotationGap(*[math.nan] * 5, exact_masks=exact)
    generator = stream(seed, "rotation")
    rotations = random_rotations(m, count=n_rotations, generator=generator)
    masks = enumerated_masks(m, rate=rate) if exact else None
    if rate == 0.0:
        masks = Masks(np.ones((1, m), dtype=bool), np.ones(1), exact=False)
    settings = {"importance": importances(row), "output": row["output"], "rate": rate}
    settings["target"] = row["target"]
    losses = []
    for Q in rotations:
        inputs = sample_inputs(row, generator, count=n_inputs)
        drawn = masks or sampled_masks(m, rate=rate, count=n_masks, generator=generator)
        law = {"inputs": inputs, "masks": drawn, **settings}
        trained = dropout_loss(W, b, W_decoder=V, **law)
        losses.append((trained, dropout_loss(Q @ W, b, W_decoder=Q @ V, **law)))
    return _ratio(np.array(losses), rate=rate, exact=exact)


def _ratio(
    losses: Float[ndarray, "rotation 2"], *, rate: float, exact: bool
) -> RotationGap:
    trained, rotated = losses.mean(axis=0)
    if trained == 0.0:
        return RotationGap(0.0, float(rotated), *[math.nan] * 3, exact_masks=exact)
    if rate == 0.0:
        return RotationGap(float(trained), float(trained), 0.0, 0.0, 0.0, exact)
    gap = rotated / trained - 1.0
    # Linearised: the residuals of the ratio estimator.
    residual = losses[:, 1] - (1.0 + gap) * losses[:, 0]
    count = len(losses)
    error = residual.std(ddof=1) / math.sqrt(count) / trained
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * error
    return RotationGap(
        float(trained),
        float(rotated),
        float(gap),
        float(gap - reach),
        float(gap + reach),
        exact,
    )


def rotation_numbers(
    artifact: Artifact,
    row: Row,
    *,
    probe_rate: float,
    n_rotations: int,
    n_inputs: int,
    n_masks: int,
) -> dict[str, float]:
    """The rotation gap at the row's own rate, and at one rate for every row.

    The second says whether a model trained at any rate, 0 among them, stands in a basis
    that dropout would prefer. The first is NaN for noise without masks.
    """
    row, model = {**NEUTRAL, **row}, Parameters.of(artifact)
    counts = {"n_rotations": n_rotations, "n_inputs": n_inputs, "n_masks": n_masks}

    def at(rate: float) -> RotationGap:
        if math.isnan(rate):
            return RotationGap(*[math.nan] * 5, exact_masks=False)
        return rotation_gap(
            model.W,
            model.b,
            row,
            rate=rate,
            seed=row["seed"],
            W_decoder=model.W_decoder,
            **counts,
        )

    probe = at(probe_rate)
    own = probe if mask_rate(row) == probe_rate else at(mask_rate(row))
    return {
        "dropout_loss": own.trained,
        "rotated_dropout_loss": own.rotated,
        "rotation_gap": own.gap,
        "rotation_gap_low": own.low,
        "rotation_gap_high": own.high,
        "probe_rotation_gap": probe.gap,
        "probe_rotation_gap_low": probe.low,
        "probe_rotation_gap_high": probe.high,
    }


def vector_kurtosis_numbers(
    artifact: Artifact, row: Row, *, n_examples: int
) -> dict[str, float]:
    """Mean excess kurtosis across coordinates, clean and masked, and its gaps.

    On inputs drawn from the row's seed. A gap is the value minus its exact average over
    all rotations of the same activations, `-6 / (m + 1)` for clean ones. NaN for three
    units or fewer, where every vector has the same kurtosis.
    """
    row, model = {**NEUTRAL, **row}, Parameters.of(artifact)
    m, rate = model.W.shape[0], mask_rate(row)
    generator = stream(row["seed"], "activations")
    numbers: dict[str, float] = dict.fromkeys(VECTOR_NUMBERS, math.nan)
    if m <= 3 or not np.isfinite(model.W).all():
        return numbers
    inputs = sample_inputs(row, generator, count=n_examples)
    hidden = forward(row, model, inputs=inputs).hidden
    clean = float(mean_excess_kurtosis_per_vector(hidden))
    numbers["clean_kurtosis_per_vector"] = clean
    null = random_excess_kurtosis_per_vector(m)
    numbers["clean_kurtosis_per_vector_gap"] = clean - null
    if not math.isnan(rate):
        kept = generator.random(hidden.shape) >= rate
        masked = float(mean_excess_kurtosis_per_vector(hidden * kept))
        null = random_excess_kurtosis_per_masked_vector(m, rate=rate)
        numbers["masked_kurtosis_per_vector"] = masked
        numbers["masked_kurtosis_per_vector_gap"] = masked - null
    return numbers


GAP_NUMBERS = (
    "dropout_loss",
    "rotated_dropout_loss",
    "rotation_gap",
    "rotation_gap_low",
    "rotation_gap_high",
    "probe_rotation_gap",
    "probe_rotation_gap_low",
    "probe_rotation_gap_high",
)
VECTOR_NUMBERS: tuple[str, ...] = (
    "clean_kurtosis_per_vector",
    "clean_kurtosis_per_vector_gap",
    "masked_kurtosis_per_vector",
    "masked_kurtosis_per_vector_gap",
)
_RANGES: dict[str, Any] = {
    "dropout_loss": (0.0, math.inf),
    "rotated_dropout_loss": (0.0, math.inf),
    "rotation_gap": (-1.0, math.inf),
    "probe_rotation_gap": (-1.0, math.inf),
}

ROTATION_GAP = Measure(
    name="rotation_gap",
    version=1,
    function=rotation_numbers,
    numbers=GAP_NUMBERS,
    parameters={
        "probe_rate": PROBE_RATE,
        "n_rotations": N_ROTATIONS,
        "n_inputs": N_INPUTS,
        "n_masks": N_MASKS,
    },
    ranges=_RANGES,
)
VECTOR_KURTOSIS = Measure(
    name="vector_kurtosis",
    version=1,
    function=vector_kurtosis_numbers,
    numbers=VECTOR_NUMBERS,
    parameters={"n_examples": N_EXAMPLES},
)
