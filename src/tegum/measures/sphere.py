"""What a direction at random looks like: the nulls of every measure of the basis.

A direction `u` uniform on the sphere in m dimensions is a Gaussian vector divided by
its length, so each number here is also what a Gaussian vector gives. Averages of
`N(u) / D(u)` are turned into one integral by `1/D = integral of exp(-t D) dt`; under
`exp(-t D)` a Gaussian vector stays Gaussian where D is a quadratic form.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import integrate, special, stats

from tegum.measures.transformations import rotation

STEP = 0.25
"""Step of the trapezoid rule in log t. At any width the integrands are analytic and
bounded for |Im log t| < pi/2, so its error is about exp(-pi^2 / STEP) = 1e-17."""


def log_nodes(low: float, high: float) -> tuple[ndarray, ndarray]:
    """Nodes t and weights of an integral over t > 0 between two scales of t."""
    x = np.arange(math.log(low), math.log(high), STEP)
    return np.exp(x), STEP * np.exp(x)


def random_rotations(
    n_hidden: int, *, count: int, generator: np.random.Generator
) -> Float[ndarray, "rotation hidden hidden"]:
    """Orthogonal matrices drawn uniformly from all of them.

    Raises:
        ValueError: no hidden unit, or no rotation asked for.
    """
    for name, value in (("n_hidden", n_hidden), ("count", count)):
        if value < 1:
            raise ValueError(
                f"`{name}` is {value}; it must be a whole number from 1 up; draw at "
                "least one rotation of at least one unit"
            )
    return np.stack([rotation(n_hidden, generator) for _ in range(count)])


@functools.cache
def random_participation_ratio(n_dimensions: int) -> float:
    """On how many axes a direction at random lies, on average.

    `E[1 / sum_k u_k^4]`, u uniform on the sphere in m dimensions. A number of axes, in
    `[1, m]`: 1 for m = 1, sqrt 2 for m = 2, and near `(m + 2) / 3`, which is what the
    average of the inverse gives: `E sum_k u_k^4 = 3 / (m + 2)`.

    Raises:
        ValueError: no dimension.

    Source: derived here. With g Gaussian and `I_a(s) = E[g^a exp(-s g^4)]`,
    `E[|g|^4 / sum g^4] = integral of m I_4 I_0^(m-1) + m (m-1) I_2^2 I_0^(m-2) ds`.

    >>> round(random_participation_ratio(2), 6)
    1.414214
    """
    m = _dimensions(n_dimensions)
    if m == 1:
        return 1.0
    s, weight = log_nodes(1e-20, 1e42)
    node, gauss = np.polynomial.legendre.leggauss(96)
    end = np.minimum(9.0, (45.0 / s) ** 0.25)  # beyond it the integrand is nothing
    g = end[:, None] * (node + 1.0) / 2.0
    density = end[:, None] * gauss * np.exp(-(g**2) / 2 - s[:, None] * g**4)
    density /= math.sqrt(2.0 * math.pi)
    i0, i2, i4 = (np.sum(density * g**a, axis=1) for a in (0, 2, 4))
    own = m * i4 * i0 ** (m - 1)
    pairs = m * (m - 1) * i2**2 * i0 ** (m - 2)
    return float(np.sum(weight * (own + pairs)))


@functools.cache
def random_largest_axis_share(n_dimensions: int) -> float:
    """How much of a direction at random lies on its largest axis, on average.

    `E[max_k u_k^2] = E[max_k g_k^2] / m`, g Gaussian: its length is independent of its
    direction, and `E |g|^2 = m`. Dimensionless, in `(1/m, 1]`; `1/2 + 1/pi` for m = 2.

    Raises:
        ValueError: no dimension.

    Source: derived here; `E max = integral of 1 - P(g^2 <= x)^m dx`.

    >>> round(random_largest_axis_share(2), 6)
    0.81831
    """
    m = _dimensions(n_dimensions)

    def beyond(x: float) -> float:
        return -math.expm1(m * math.log(special.erf(math.sqrt(x / 2)))) if x else 1.0

    centre = float(stats.chi2.isf(min(0.5, 1.0 / m), df=1))
    parts = [(0.0, centre), (centre, centre + 8.0), (centre + 8.0, centre + 90.0)]
    return sum(integrate.quad(beyond, low, high)[0] for low, high in parts) / m


def random_excess_kurtosis_per_vector(n_units: int) -> float:
    """The excess kurtosis across coordinates of a Gaussian vector, or any rotated one.

    `3 (m - 1) / (m + 1) - 3 = -6 / (m + 1)`: below 0 because m coordinates are few. It
    is the exact average for *any* fixed vector over all rotations, since both have a
    direction uniform on the sphere. NaN for m <= 3: there the statistic is the same
    number for every vector (m = 2: 1 - 3; m = 3: 3/2 - 3) and says nothing.

    Raises:
        ValueError: no dimension.

    Source: `E u_k^4 = 3 / (d (d + 2))` in the d = m - 1 dimensions of centred vectors.

    >>> random_excess_kurtosis_per_vector(5)
    -1.0
    """
    m = _dimensions(n_units)
    return math.nan if m <= 3 else -6.0 / (m + 1)


@functools.cache
def random_excess_kurtosis_per_masked_vector(n_units: int, *, rate: float) -> float:
    """The same null after dropout: what masks alone do to the kurtosis of a vector.

    The average of the excess kurtosis across coordinates over all rotations of any
    fixed vector, then dropout of each unit with probability p, given that a unit
    survives. It depends on m and p alone. NaN for m <= 3.

    With r survivors the vector is r Gaussian numbers and m - r zeros up to its length;
    r has the binomial law.

    Raises:
        ValueError: no dimension, or a rate outside [0, 1).

    Source: derived here, by the integral of the module's first lines.
    """
    m, p = _dimensions(n_units), checked_rate(rate)
    if m <= 3:
        return math.nan
    survivors = np.arange(1, m + 1)
    chance = stats.binom.pmf(survivors, m, 1.0 - p) / (1.0 - p**m)
    kurtosis = [_padded_kurtosis(int(r), m) if c else 0.0 for r, c in
                zip(survivors, chance, strict=True)]  # fmt: skip
    return float(np.dot(chance, kurtosis) - 3.0)


def _padded_kurtosis(r: int, m: int) -> float:
    """`E[m sum (x - mean)^4 / (sum (x - mean)^2)^2]` for r Gaussians and m - r zeros.

    The sum of squares is `g' (I - 11'/m) g`: eigenvalue `1 - r/m` along `1 / sqrt r`
    and 1 across it. Each summand is the fourth power of a linear form `l . g`.
    """
    if r == m:
        return 3.0 * (m - 1) / (m + 1)
    t, weight = log_nodes(1e-20, 1e42)
    along, across = 1.0 / (1.0 + 2.0 * t * (1.0 - r / m)), 1.0 / (1.0 + 2.0 * t)
    determinant = np.sqrt(along * across ** (r - 1))
    # E (l . g)^4 = 3 (l' C l)^2, for l of a survivor and of a dropped unit.
    survivor = (1 / math.sqrt(r) - math.sqrt(r) / m) ** 2 * along
    survivor += (1.0 - 1.0 / r) * across
    dropped = r / m**2 * along
    fourth = 3.0 * (r * survivor**2 + (m - r) * dropped**2)
    return float(m * np.sum(weight * t * determinant * fourth))


def checked_rate(rate: float) -> float:
    """A dropout rate in [0, 1).

    Raises:
        ValueError: it is not.
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(
            f"`rate` is {rate!r}; it must be in [0, 1); a rate of 1 would silence "
            "every unit"
        )
    return float(rate)


def _dimensions(count: int) -> int:
    if count < 1:
        raise ValueError(
            f"the number of dimensions is {count}; it must be a whole number from 1 up"
        )
    return int(count)
