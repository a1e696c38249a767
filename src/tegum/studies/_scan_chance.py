"""How large a gap one basis at random has, with no more than a small probability."""

from __future__ import annotations

import math

from scipy import special, stats


def gap_by_chance(width: int, *, chance: float) -> float:
    """The gap per vector that a basis at random exceeds with so small a probability.

    For vectors that all lie along one direction: its coordinates in a basis at random
    are m Gaussian ones up to their scale, and the gap is their excess kurtosis less its
    mean `-6 / (m + 1)`. Vectors of several directions average this out, so that they
    exceed it more rarely. Dimensionless; of the order of `sqrt(24 / m)`.

    >>> [round(gap_by_chance(m, chance=0.01), 2) for m in (128, 768, 4096)]
    [1.28, 0.48, 0.19]

    Source: Anscombe and Glynn 1983, "Distribution of the kurtosis statistic b2 for
    normal samples": a cube root that is nearly Gaussian.
    """
    m = float(width)
    skew = 6.0 * (m**2 - 5 * m + 2) / ((m + 7) * (m + 9))
    skew *= math.sqrt(6.0 * (m + 3) * (m + 5) / (m * (m - 2) * (m - 3)))
    a = 6.0 + 8.0 / skew * (2.0 / skew + math.sqrt(1.0 + 4.0 / skew**2))
    root = 1.0 - 2.0 / (9.0 * a) - special.ndtri(1.0 - chance) * math.sqrt(2 / (9 * a))
    if root <= 0.0:
        return math.inf
    scaled = ((1.0 - 2.0 / a) / root**3 - 1.0) / math.sqrt(2.0 / (a - 4.0))
    return float(scaled * _spread_along_a_line(width))


def _spread_along_a_line(width: int) -> float:
    """The standard deviation of the kurtosis of m Gaussian coordinates."""
    m = float(width)
    variance = 24.0 * m * (m - 2) * (m - 3) / ((m + 1) ** 2 * (m + 3) * (m + 5))
    return math.sqrt(variance)


def spreads_by_chance(width: int, *, chance: float, bases: int) -> float:
    """How many of its standard deviations a basis at random exceeds so rarely.

    The standard deviation of the mean kurtosis per unit is taken between `bases` bases,
    so that Student's t with `bases - 1` degrees of freedom has the place of a Gaussian.
    It is made larger by as much as the kurtosis of m Gaussian coordinates is beyond a
    Gaussian there: where one direction carries the tails, its share in each unit
    decides, and these are such coordinates. Dimensionless.

    >>> [round(spreads_by_chance(m, chance=0.01, bases=16), 1) for m in (64, 768)]
    [3.7, 3.0]
    """
    skewed = gap_by_chance(width, chance=chance) / _spread_along_a_line(width)
    gaussian = -float(special.ndtri(chance))
    return float(stats.t.isf(chance, bases - 1)) * max(1.0, skewed / gaussian)


__all__ = ["gap_by_chance", "spreads_by_chance"]
