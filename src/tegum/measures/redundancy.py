"""On how many units a feature is carried, and what dropout then does to it.

Three definitions of "the units that carry a feature" stand side by side, because the
argument that a feature escapes dropout with probability `(1 - p)^n` never says which n.
Beside it stands what the loss feels: how *large* the perturbation is. A feature spread
over more units is hit more often and less hard.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.measures.basis import mask_rate
from tegum.measures.frame import Frame, ratio
from tegum.measures.represented import participation_ratio
from tegum.measures.sphere import checked_rate
from tegum.measures.variants import require_linear_hidden, require_tied

MOST_ENUMERATED = 12
"""Up to 2^12 = 4096 masks are enumerated."""
MIN_SHARE = 0.05
PROBE_RATE = 0.5
CELLS = 1024
TIE = 1e-9

Weights = Float[ndarray, "*batch hidden feature"] | Frame
PerFeature = Float[ndarray, "*batch feature"]


@dataclass(frozen=True)
class Masks:
    """Which units survive in each mask, and how probable each mask is.

    `exact` says that they are all the masks there are; otherwise they are a sample
    with equal weights.
    """

    kept: Bool[ndarray, "mask hidden"]
    probability: Float[ndarray, " mask"]
    exact: bool


def enumerated_masks(n_hidden: int, *, rate: float) -> Masks:
    """All `2^m` masks of m units, each with its probability at dropout rate p.

    `P(mask) = p^(dropped) (1 - p)^(kept)`.

    Raises:
        ValueError: more than 12 units, or a rate outside [0, 1).

    Source: the product law of independent units.

    >>> enumerated_masks(2, rate=0.5).probability
    array([0.25, 0.25, 0.25, 0.25])
    """
    p = checked_rate(rate)
    if not 1 <= n_hidden <= MOST_ENUMERATED:
        raise ValueError(
            f"enumeration was asked for at {n_hidden} units, which have 2^{n_hidden} "
            f"masks; it must be from 1 to {MOST_ENUMERATED}; sample masks instead, "
            "with `sampled_masks`"
        )
    kept = (np.arange(2**n_hidden)[:, None] >> np.arange(n_hidden)) % 2 == 1
    survivors = kept.sum(axis=1)
    probability = p ** (n_hidden - survivors) * (1.0 - p) ** survivors
    return Masks(kept, probability, exact=True)


def sampled_masks(
    n_hidden: int, *, rate: float, count: int, generator: np.random.Generator
) -> Masks:
    """Masks drawn by the law of dropout, equally weighted.

    Raises:
        ValueError: a rate outside [0, 1), or no unit or mask asked for.

    Source: a unit is kept where a uniform number is at least p, as in training.
    """
    p = checked_rate(rate)
    if n_hidden < 1 or count < 1:
        raise ValueError(
            f"{count} masks of {n_hidden} units were asked for; both must be whole "
            "numbers from 1 up"
        )
    kept = generator.random((count, n_hidden)) >= p
    return Masks(kept, np.full(count, 1.0 / count), exact=False)


def unit_shares(W: Weights) -> Float[ndarray, "*batch hidden feature"]:
    """How a feature's read-out `|W_i|^2 = sum_k W_ki^2` divides among the units.

    `W_ki^2 / |W_i|^2`. Dimensionless, in `[0, 1]`, each feature's sum 1. NaN where
    `W_i = 0`.

    Source: the tied read-out `W_i . h` of a single active feature.
    """
    frame = Frame.of(W)
    return np.where(frame.lives[..., None, :], frame.direction**2, np.nan)


def carriers_by_participation(W: Weights) -> PerFeature:
    """The units that carry a feature, counted by its participation ratio.

    `PR_i = |W_i|^4 / sum_k W_ki^4`. In units, in `[1, m]`; need not be whole. It is the
    n that the size of the noise obeys (`relative_noise_variance_of`). NaN where
    `W_i = 0`.

    Source: `measures.represented.participation_ratio`.

    >>> carriers_by_participation(np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([1., 2.])
    """
    return participation_ratio(W)


def carriers_by_threshold(W: Weights, *, min_share: float = MIN_SHARE) -> PerFeature:
    """The units that carry a feature, counted by a threshold on their share.

    The number of k with `W_ki^2 / |W_i|^2 >= min_share`. A whole number of units, in
    `[0, m]`. NaN where `W_i = 0`.

    Raises:
        ValueError: `min_share` outside (0, 1).

    Source: the literal reading of "n neurons" in `(1 - p)^n`, with a stated smallest
    share; weights of a trained model are never exactly 0.

    >>> carriers_by_threshold(np.array([[1.0, 1.0], [0.1, 1.0]]))
    array([1., 2.])
    """
    _checked_share("min_share", min_share)
    shares = unit_shares(W)
    carrying = (shares >= min_share * (1 - TIE)).sum(axis=-2)
    return np.where(np.isnan(shares).any(axis=-2), np.nan, carrying)


def escape_probability(
    carriers: PerFeature | float, *, rate: float
) -> PerFeature | float:
    """The chance that dropout touches none of a feature's n units.

    `(1 - p)^n`. Dimensionless, in `(0, 1]`. NaN where n is.

    Raises:
        ValueError: a rate outside [0, 1).

    Source: Pona 2023, comment on "Dropout can create a privileged basis in the ReLU
    output model".

    >>> escape_probability(3.0, rate=0.5)
    0.125
    """
    return (1.0 - checked_rate(rate)) ** carriers


def escape_by_masks(
    W: Weights, *, rate: float, max_lost_share: float = MIN_SHARE
) -> PerFeature:
    """How often dropout leaves a feature all but untouched, by counting masks.

    The probability of the masks that drop at most `max_lost_share` of the feature's
    read-out, `sum over dropped k of W_ki^2 / |W_i|^2`. Dimensionless, in `[0, 1]`. NaN
    where `W_i = 0`. It counts what happens; no n is assumed. Every mask is counted up
    to 12 units; above, shares are rounded to 1/1024 of `max_lost_share`, and sums of
    rounded shares are counted exactly.

    Raises:
        ValueError: a rate outside [0, 1), or `max_lost_share` outside (0, 1).

    Source: this project.

    >>> escape_by_masks(np.array([[1.0, 1.0], [0.0, 1.0]]), rate=0.5)
    array([0.5 , 0.25])
    """
    return _spared(W, rate=rate, max_lost_share=max_lost_share)[0]


def carriers_by_masks(
    W: Weights, *, rate: float, max_lost_share: float = MIN_SHARE
) -> PerFeature:
    """The units that carry a feature, counted by how often masks spare it.

    The n for which `(1 - p)^n` is the chance of escape that masks show:
    `log(escape_by_masks) / log(1 - p)`. In units, in `[0, m]`; need not be whole. NaN
    where `W_i = 0`, for p = 0, where every n gives 1, and where the chance is too small
    for a float (below 1e-300).

    Raises:
        ValueError: as `escape_by_masks`.

    Source: this project.

    >>> carriers_by_masks(np.array([[1.0, 1.0], [0.0, 1.0]]), rate=0.5)
    array([1., 2.])
    """
    escape = escape_by_masks(W, rate=rate, max_lost_share=max_lost_share)
    if rate == 0.0:
        return np.full_like(escape, np.nan)
    possible = np.where(escape > 1e-300, escape, np.nan)
    return np.log(possible) / math.log1p(-rate)


def relative_noise_variance_of(W: Weights, *, rate: float) -> PerFeature:
    """How large dropout's noise is on a feature's own read-out, relative to it.

    `p / ((1 - p) PR_i)`: the variance of `W_i . (masked h) / |W_i|^2` when feature i
    alone is active at 1. Dimensionless, in `[0, p / (1 - p)]`. NaN where `W_i = 0`.

    Raises:
        ValueError: a rate outside [0, 1).

    Source: `Var(mask / (1 - p)) = p / (1 - p)`, summed over units with weights
    `(W_ki^2 / |W_i|^2)^2`.

    >>> relative_noise_variance_of(np.eye(1), rate=0.5)
    array([1.])
    """
    p = checked_rate(rate)
    return p / (1.0 - p) / participation_ratio(W)


def share_lost_when_hit(
    W: Weights, *, rate: float, max_lost_share: float = MIN_SHARE
) -> PerFeature:
    """How much of a feature is lost by a mask that does not spare it.

    The average of the dropped share of the read-out over the masks that drop more than
    `max_lost_share` of it. Dimensionless, in `(0, 1]`: 1 for a feature on one unit;
    `p / (1 - (1 - p)^n)` for n equal units. NaN where `W_i = 0`, and for p = 0, where
    no mask hits.

    Raises:
        ValueError: as `escape_by_masks`.

    Source: this project; `E[lost] = p` whatever the shares.

    >>> share_lost_when_hit(np.array([[1.0, 1.0], [0.0, 1.0]]), rate=0.5).round(4)
    array([1.    , 0.6667])
    """
    escape, lost = _spared(W, rate=rate, max_lost_share=max_lost_share)
    return ratio(rate - lost, np.where(rate == 0.0, 0.0, 1.0 - escape))


def _spared(
    W: Weights, *, rate: float, max_lost_share: float
) -> tuple[PerFeature, PerFeature]:
    """`P(spared)` and `E[lost share; spared]` of every feature."""
    p, shares = checked_rate(rate), unit_shares(W)
    _checked_share("max_lost_share", max_lost_share)
    n_hidden = shares.shape[-2]
    if n_hidden <= MOST_ENUMERATED:
        masks = enumerated_masks(n_hidden, rate=p)
        lost = np.einsum("sk,...ki->...si", (~masks.kept).astype(np.float64), shares)
        spared = lost <= max_lost_share * (1 + TIE)
        chance = spared * masks.probability[:, None]
        escape, mean_lost = chance.sum(axis=-2), (chance * lost).sum(axis=-2)
    else:
        escape, mean_lost = _spared_on_lattice(shares, p, max_lost_share)
    nothing = np.isnan(shares).any(axis=-2)
    return np.where(nothing, np.nan, escape), np.where(nothing, np.nan, mean_lost)


def _spared_on_lattice(
    shares: ndarray, p: float, max_lost_share: float
) -> tuple[PerFeature, PerFeature]:
    """The law of the lost share, unit by unit, up to `max_lost_share`.

    Starting from nothing lost, each unit adds its share with probability p. What
    passes the last cell has hit the feature and is dropped.
    """
    cell = np.arange(CELLS + 1)
    scaled = np.nan_to_num(shares) * (CELLS / max_lost_share)
    steps = np.rint(np.minimum(scaled, CELLS + 1)).astype(np.int64)
    mass = np.zeros((*shares.shape[:-2], shares.shape[-1], CELLS + 1))
    mass[..., 0] = 1.0
    for k in range(shares.shape[-2]):
        origin = cell - steps[..., k, :, None]
        moved = np.take_along_axis(mass, np.maximum(origin, 0), axis=-1)
        mass = (1.0 - p) * mass + p * np.where(origin >= 0, moved, 0.0)
    return mass.sum(axis=-1), mass @ (cell * (max_lost_share / CELLS))


def _checked_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(
            f"`{name}` is {value!r}; it must be in (0, 1); 0.05 calls a unit a carrier "
            "from a twentieth of the read-out on"
        )


def mean_over_features(W: Weights, *, quantity: str, **arguments: float) -> ndarray:
    """A quantity of each feature, averaged over features by squared norm.

    `sum_i |W_i|^2 a_i / sum_i |W_i|^2`, so that a feature that fades out leaves it
    smoothly. In the units of the quantity. NaN where W = 0 and where the quantity is
    undefined for a feature with `W_i != 0`.

    Raises:
        ValueError: an unknown quantity; as the quantity itself.

    Source: this project.

    >>> W = np.array([[1.0, 1.0], [0.0, 1.0]])
    >>> round(float(mean_over_features(W, quantity="carriers_by_participation")), 3)
    1.667
    """
    if quantity not in _QUANTITIES:
        raise ValueError(
            f"`quantity` is {quantity!r}; it must be one of {', '.join(_QUANTITIES)}"
        )
    frame = Frame.of(W)
    each = _QUANTITIES[quantity](frame, **arguments)
    s = frame.norm_squared
    return ratio((s * np.where(frame.lives, each, 0.0)).sum(-1), s.sum(-1))


def _escape_by_participation(W: Weights, *, rate: float) -> PerFeature:
    return np.asarray(escape_probability(carriers_by_participation(W), rate=rate))


def _escape_by_threshold(W: Weights, *, rate: float, min_share: float) -> PerFeature:
    carriers = carriers_by_threshold(W, min_share=min_share)
    return np.asarray(escape_probability(carriers, rate=rate))


_QUANTITIES: dict[str, Callable[..., PerFeature]] = {
    "carriers_by_participation": carriers_by_participation,
    "carriers_by_threshold": carriers_by_threshold,
    "carriers_by_masks": carriers_by_masks,
    "probe_escape": escape_by_masks,
    "probe_share_lost_when_hit": share_lost_when_hit,
    "escape_by_participation": _escape_by_participation,
    "escape_by_threshold": _escape_by_threshold,
    "escape_by_masks": escape_by_masks,
    "relative_noise": relative_noise_variance_of,
}
NUMBERS = tuple(_QUANTITIES)


def arguments_of(
    quantity: str, *, rate: float, min_share: float, probe_rate: float
) -> dict[str, float]:
    """What a quantity needs besides W: its own rate or the probe's, and a share."""
    probe = {"rate": probe_rate, "max_lost_share": min_share}
    return {
        "carriers_by_threshold": {"min_share": min_share},
        "carriers_by_masks": probe,
        "probe_escape": probe,
        "probe_share_lost_when_hit": probe,
        "escape_by_participation": {"rate": rate},
        "escape_by_threshold": {"rate": rate, "min_share": min_share},
        "escape_by_masks": {"rate": rate, "max_lost_share": min_share},
        "relative_noise": {"rate": rate},
    }.get(quantity, {})


def numbers_of(
    artifact: Artifact, row: Row, *, min_share: float, probe_rate: float
) -> dict[str, Any]:
    """The redundancy of one model, each number averaged over features by `|W_i|^2`.

    `carriers_by_masks` and `probe_*` take the same `probe_rate` in every model, so that
    models trained at different rates can be compared; `escape_*` and `relative_noise`
    take the row's own rate, and are NaN for noise that has no masks.
    """
    require_linear_hidden(row, measure="redundancy")
    require_tied(row, measure="redundancy")
    frame, rate = Frame.of(artifact.arrays["W"]), mask_rate(row)
    numbers: dict[str, Any] = {}
    for quantity in NUMBERS:
        shares = {"min_share": min_share, "probe_rate": probe_rate}
        arguments = arguments_of(quantity, rate=rate, **shares)
        unknown = math.isnan(arguments.get("rate", 0.0))
        numbers[quantity] = (
            math.nan
            if unknown
            else mean_over_features(frame, quantity=quantity, **arguments)
        )
    return numbers
