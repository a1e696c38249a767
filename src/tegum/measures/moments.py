"""Moments of activations that are never all in memory: summarise, merge, finish.

A text of any length is summarised piece by piece, the pieces are merged, and the
numbers are finished from the sums: chunks merged are the whole, whatever the split and
the order, to rounding. Central sums, not powers, so that a large mean costs no digits.
`measures.moment_numbers` finishes them.

Source of the merging: Pébay 2008, "Formulas for robust, one-pass parallel computation
of covariances and arbitrary-order statistical moments", after Chan, Golub and LeVeque
1979.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

OUTLIER = 6.0
"""The magnitude from which the literature calls an activation an outlier."""
FEWEST_UNITS = 4
"""Vectors of three or fewer units all have the same kurtosis."""
UNIT_FIELDS = ("mean", "second", "third", "fourth", "largest", "above")
COUNT_FIELDS = ("count", "vectors", "vector_kurtosis")


@dataclass(frozen=True, eq=False)
class Moments:
    """What is kept of `count` activation vectors, and all that is.

    `mean` and the central sums `second = sum (x - mean)^2`, `third` and `fourth` are
    per unit, as are `largest = max |x|` and `above`, the number of vectors with
    `|x| > 6`. A unit is constant exactly where `second` is 0. `vector_kurtosis` is the
    sum of `excess_kurtosis_per_vector` over the `vectors` that have one. `largest` and
    `above` are NaN where they were not kept.
    """

    count: int
    mean: Float[ndarray, " unit"]
    second: Float[ndarray, " unit"]
    third: Float[ndarray, " unit"]
    fourth: Float[ndarray, " unit"]
    largest: Float[ndarray, " unit"]
    above: Float[ndarray, " unit"]
    vectors: int
    vector_kurtosis: float

    @property
    def width(self) -> int:
        """The number of units."""
        return len(self.mean)


def empty(width: int) -> Moments:
    """The moments of no vector at all: merging them changes nothing.

    Raises:
        ValueError: no unit.
    """
    if width < 1:
        raise ValueError(f"the width is {width}; it must be a whole number from 1 up")
    zeros = [np.zeros(width) for _ in UNIT_FIELDS]
    return Moments(0, *zeros, vectors=0, vector_kurtosis=0.0)


def summarise(activations: Float[ndarray, "vector unit"]) -> Moments:
    """The moments of activations in memory: one row for each vector.

    Computed in float64 whatever the input, in two passes: first the mean, then the
    powers of what is left.

    Raises:
        ValueError: not two axes, no unit, a value that is not finite, or values so
            large that their fourth power is not (above 1e70).
    """
    h = np.asarray(activations, dtype=np.float64)
    if h.ndim != 2 or h.shape[1] == 0:
        raise ValueError(
            f"activations have shape {h.shape}; they must be (vector, unit) with at "
            "least one unit"
        )
    if not len(h):
        return empty(h.shape[1])
    _check_size(h)
    lowest, highest = h.min(axis=0), h.max(axis=0)
    constant = lowest == highest
    mean = np.where(constant, lowest, h.mean(axis=0))
    centred = h - mean
    mean, centred = _recentred(mean, centred, constant=constant)
    squared = centred**2
    count, total = _vector_kurtosis(h)
    return Moments(
        count=len(h),
        mean=mean,
        second=squared.sum(axis=0),
        third=(squared * centred).sum(axis=0),
        fourth=(squared**2).sum(axis=0),
        largest=np.maximum(np.abs(lowest), np.abs(highest)),
        above=(np.abs(h) > OUTLIER).sum(axis=0).astype(np.float64),
        vectors=count,
        vector_kurtosis=total,
    )


def _check_size(h: ndarray) -> None:
    broken = int((~np.isfinite(h)).sum())
    if broken:
        raise ValueError(
            f"{broken} of {h.size} activations are not finite; they must be finite "
            "numbers; leave those vectors out"
        )
    largest = float(np.abs(h).max())
    if largest > 1e70:
        raise ValueError(
            f"the largest activation is {largest:.3g}; it must be below 1e70, since "
            "its fourth power is needed; scale the activations down"
        )


def _recentred(
    mean: ndarray, centred: ndarray, *, constant: ndarray
) -> tuple[ndarray, ndarray]:
    """The mean once more from the deviations, which rounds far less."""
    rest = np.where(constant, 0.0, centred.mean(axis=0))
    return mean + rest, np.where(constant, 0.0, centred - rest)


def _vector_kurtosis(h: ndarray) -> tuple[int, float]:
    """How many vectors have a kurtosis across their coordinates, and its sum."""
    m = h.shape[1]
    if m < FEWEST_UNITS:
        return 0, 0.0
    varied = h[h.max(axis=1) != h.min(axis=1)]
    centred = varied - varied.mean(axis=1, keepdims=True)
    squared = centred**2
    each = m * (squared**2).sum(axis=1) / squared.sum(axis=1) ** 2 - 3.0
    return len(varied), float(each.sum())


def merge(first: Moments, second: Moments) -> Moments:
    """The moments of two pieces together, as if they had been summarised as one.

    With `d` the difference of the means and n = a + b the counts, the central sums add
    up, and the shift of each piece to the common mean adds to them
    `d^2 ab/n`; `d^3 ab(a-b)/n^2 + 3d (a B2 - b A2)/n`; and
    `d^4 ab(a^2-ab+b^2)/n^3 + 6d^2 (a^2 B2 + b^2 A2)/n^2 + 4d (a B3 - b A3)/n`.

    Raises:
        ValueError: pieces of different widths.

    Source: Pébay 2008, the pairwise updates of orders two to four.
    """
    if first.width != second.width:
        raise ValueError(
            f"the moments are of {first.width} and of {second.width} units; only "
            "moments of the same units can be merged"
        )
    if not first.count or not second.count:
        return first if first.count else second
    a, b = float(first.count), float(second.count)
    n, d = a + b, second.mean - first.mean
    A2, B2, A3, B3 = first.second, second.second, first.third, second.third
    return Moments(
        count=first.count + second.count,
        mean=first.mean + d * (b / n),
        second=A2 + B2 + d**2 * (a * b / n),
        third=A3 + B3 + d**3 * (a * b * (a - b) / n**2) + 3 * d * (a * B2 - b * A2) / n,
        fourth=first.fourth
        + second.fourth
        + d**4 * (a * b * (a**2 - a * b + b**2) / n**3)
        + 6 * d**2 * (a**2 * B2 + b**2 * A2) / n**2
        + 4 * d * (a * B3 - b * A3) / n,
        largest=np.maximum(first.largest, second.largest),
        above=first.above + second.above,
        vectors=first.vectors + second.vectors,
        vector_kurtosis=first.vector_kurtosis + second.vector_kurtosis,
    )


def merge_all(pieces: Iterable[Moments]) -> Moments:
    """`merge` over any number of pieces, in their order.

    Raises:
        ValueError: no piece at all, or pieces of different widths.
    """
    listed = list(pieces)
    if not listed:
        raise ValueError("no moments were given; give at least one piece")
    return functools.reduce(merge, listed)


def to_arrays(moments: Moments, prefix: str) -> dict[str, ndarray]:
    """Moments as named arrays `prefix/mean` ...: what an artifact holds.

    The counts are one array, `prefix/counts`. What was not kept (NaN) is left out.
    """
    arrays = {name: getattr(moments, name) for name in UNIT_FIELDS}
    counts = np.array([float(getattr(moments, name)) for name in COUNT_FIELDS])
    kept = {k: v for k, v in arrays.items() if not np.isnan(v).all()} | {
        "counts": counts
    }
    return {f"{prefix}/{name}": values for name, values in kept.items()}


def from_arrays(arrays: Mapping[str, ndarray], prefix: str) -> Moments:
    """The moments that `to_arrays` wrote under this prefix.

    Raises:
        ValueError: nothing was written under it.
    """
    if f"{prefix}/counts" not in arrays:
        there = sorted({name.partition("/")[0] for name in arrays})
        raise ValueError(f"no moments are named {prefix!r}; there are {there}")
    count, vectors, total = (float(v) for v in arrays[f"{prefix}/counts"])
    lost = np.full(len(arrays[f"{prefix}/mean"]), np.nan)
    units = {name: arrays.get(f"{prefix}/{name}", lost) for name in UNIT_FIELDS}
    return Moments(
        count=int(count), **units, vectors=int(vectors), vector_kurtosis=total
    )
