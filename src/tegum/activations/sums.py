"""Sums over activation vectors, in torch and float64: what a stream adds up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tegum.measures.moments import FEWEST_UNITS, OUTLIER, Moments

if TYPE_CHECKING:
    from torch import Tensor

EQUAL = 1e-24
"""A vector whose variance is this small beside its squared mean is all one value.

Two different values of float32 or less differ by 6e-8 of themselves, so that a vector
of m units has a variance above 1e-15 / m; rounding in float64 leaves below 1e-30.
"""


@dataclass(frozen=True, eq=False)
class Extremes:
    """Per unit: the lowest and highest activation, and how often |x| is above 6."""

    lowest: Tensor
    highest: Tensor
    above: Tensor


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over some vectors, deviations being from a centre that the owner knows.

    `powers` holds the sums of the deviations, their squares, cubes and fourth powers,
    one row each, per unit. `vectors` counts those that have a kurtosis across their
    coordinates, `kurtosis` is the sum of its excess. Rotated copies have no `extremes`.
    """

    count: int
    powers: Tensor
    vectors: Tensor
    kurtosis: Tensor
    extremes: Extremes | None = None


def extremes_of(rows: Tensor) -> Extremes:
    """The extremes of a slice, in its own precision, where they are exact."""
    import torch

    above = torch.empty(rows.shape, dtype=torch.float32, device=rows.device)
    torch.gt(rows.abs(), OUTLIER, out=above)
    return Extremes(rows.amin(0), rows.amax(0), above.sum(0).to(torch.float64))


def powers_of(centred: Tensor) -> Tensor:
    """The sums over vectors of the first four powers of their deviations, per unit."""
    import torch

    powers = centred.new_empty((4, centred.shape[1]))
    squared = centred * centred
    torch.sum(centred, 0, out=powers[0])
    torch.sum(squared, 0, out=powers[1])
    torch.sum(squared * centred, 0, out=powers[2])
    torch.sum(squared.square_(), 0, out=powers[3])
    return powers


def vector_kurtosis(x: Tensor) -> tuple[Tensor, Tensor]:
    """The excess kurtosis across the coordinates of each vector, and where it exists.

    `m sum (x - mean)^4 / (sum (x - mean)^2)^2 - 3`, 0 where it does not exist: for
    vectors of one value, and for fewer than 4 units. Uses `x` up.

    Source: Elhage et al. 2023, there without the -3.
    """
    m = x.shape[1]
    mean = x.sum(1).div_(m)
    squared = x.sub_(mean[:, None]).square_()
    second = squared.sum(1)
    fourth = squared.square_().sum(1)
    exists = second > EQUAL * m * mean.square_()
    if m < FEWEST_UNITS:
        exists = exists & False
    each = fourth.mul_(m).div_(second.square_()).sub_(3.0)
    return each.masked_fill_(~exists, 0.0), exists


def added(first: Sums | None, second: Sums) -> Sums:
    """The sums over both, about the centre that they share."""
    import torch

    if first is None:
        return second
    extremes = None
    if first.extremes is not None and second.extremes is not None:
        a, b = first.extremes, second.extremes
        extremes = Extremes(
            torch.minimum(a.lowest, b.lowest),
            torch.maximum(a.highest, b.highest),
            a.above + b.above,
        )
    return Sums(
        count=first.count + second.count,
        powers=first.powers + second.powers,
        vectors=first.vectors + second.vectors,
        kurtosis=first.kurtosis + second.kurtosis,
        extremes=extremes,
    )


def moments_of(sums: Sums, centre: Tensor) -> Moments:
    """Sums about the centre c as central sums about the mean, by Pascal's triangle.

    With `e = S1 / n`, the mean is `c + e` and the central sums are `S2 - n e^2`,
    `S3 - 3 e S2 + 2 n e^3` and `S4 - 4 e S3 + 6 e^2 S2 - 3 n e^4`. A unit that never
    changes gets sums of exactly 0. `largest` and `above` are NaN without extremes.
    """
    n, c = sums.count, centre.double().cpu().numpy()
    S1, S2, S3, S4 = sums.powers.cpu().numpy()
    e = S1 / n
    mean = c + e
    second = np.maximum(S2 - n * e**2, 0.0)
    third = S3 - 3 * e * S2 + 2 * n * e**3
    fourth = np.maximum(S4 - 4 * e * S3 + 6 * e**2 * S2 - 3 * n * e**4, 0.0)
    largest = above = np.full(len(c), np.nan)
    if sums.extremes is not None:
        low, high = (
            part.double().cpu().numpy()
            for part in (sums.extremes.lowest, sums.extremes.highest)
        )
        constant = low == high
        mean = np.where(constant, low, mean)
        second, third, fourth = (
            np.where(constant, 0.0, total) for total in (second, third, fourth)
        )
        largest = np.maximum(np.abs(low), np.abs(high))
        above = sums.extremes.above.cpu().numpy()
    return Moments(
        count=n,
        mean=mean,
        second=second,
        third=third,
        fourth=fourth,
        largest=largest,
        above=above,
        vectors=int(sums.vectors),
        vector_kurtosis=float(sums.kurtosis),
    )
