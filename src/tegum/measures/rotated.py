"""Averages over all rotations of the hidden space, without drawing one.

After a rotation QW every unit reads the inputs along a direction u that is uniform on
the sphere. Variance `u'Bu` and fourth central moment `N(u)` of a unit are a quadratic
and a quartic form of u, so with g Gaussian, `C(t) = (I + 2tB)^-1` and Wick's theorem

    m E_u[N(u) / u'Bu] = integral over t > 0 of sqrt(det C(t)) E N(sqrt C(t) g) dt,

one smooth integral instead of a Monte-Carlo average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.sphere import log_nodes


@dataclass(frozen=True)
class UnitLaw:
    """Which fourth moment and variance a unit has that reads along a direction u.

        N(u) = sum_i four_i (u.V_i)^4 + 4 odd (sum_i three_i (u.V_i)^3) (u.mean)
             + 3 square pairs (u'Su)^2 + 6 mixed (u'Su) (u.mean)^2 + last (u.mean)^4
        B = S square_variance + mean mean' (square_variance - 1)

    S is the covariance of h, `mean` its mean, V_i what source i adds to h for each unit
    of itself, with third and fourth cumulants three_i and four_i. `growth` is
    `r = 1 / (1 - p)`, 1 for clean activations; it makes the coefficients above. `pairs`
    is 1 where sources are independent inputs, whose pairs add 3 Var^2 to the fourth
    moment, and 0 where they are the examples of one sample, which have none.
    """

    sources: Float[ndarray, "hidden source"]
    covariance: Float[ndarray, "hidden hidden"]
    mean: Float[ndarray, " hidden"]
    third: Float[ndarray, " source"]
    fourth: Float[ndarray, " source"]
    growth: float = 1.0
    pairs: float = 1.0

    def variance_form(self) -> Float[ndarray, "hidden hidden"]:
        """B: `Var = r Var_clean + (r - 1) mean^2` of a unit along u is `u'Bu`."""
        r = self.growth
        return r * self.covariance + (r - 1.0) * np.outer(self.mean, self.mean)

    def variances(self) -> Float[ndarray, " hidden"]:
        """The variance of every unit as it stands."""
        return np.diag(self.variance_form()).copy()

    def fourth_moments(self) -> Float[ndarray, " hidden"]:
        """The fourth central moment of every unit as it stands.

        Raw moments grow under dropout by `E h^k -> r^(k-1) E h^k`; the rest is algebra.
        """
        variance = np.diag(self.covariance)
        own_fourth = self.sources**4 @ self.fourth
        own_third = self.sources**3 @ self.third
        odd, square, mixed, last = self._coefficients()
        return (
            self.growth**3 * own_fourth
            + 4.0 * odd * own_third * self.mean
            + 3.0 * square * variance**2
            + 6.0 * mixed * variance * self.mean**2
            + last * self.mean**4
        )

    def rotated_fourth_moment(self) -> float:
        """The average over all rotations of the mean fourth moment of the units.

        `E_u N(u)`: every quartic average over the sphere is Wick's with `1/(m (m+2))`.
        """
        m = self.mean.size
        one = np.ones((1, m))
        return float(self._wick(one, np.eye(m))[0] / (m * (m + 2)))

    def rotated_kurtosis(self) -> float:
        """The average over rotations of the variance-weighted kurtosis of the units.

        `E_Q[sum_k s_k kurt_k] with s_k = Var_k / sum Var`: the sum of variances does
        not change, so this is `m E_u[N / u'Bu] / tr B`. NaN where nothing varies.
        """
        values, axes = np.linalg.eigh(self.variance_form())
        values = np.maximum(values, 0.0)
        if values[-1] == 0.0:
            return float("nan")
        t, weight = log_nodes(1e-18 / values[-1], 1e24 / values[-1])
        shrunk = 1.0 / (1.0 + 2.0 * t[:, None] * values)  # C(t) along the axes
        determinant = np.sqrt(shrunk.prod(axis=1))
        integral = np.sum(weight * determinant * self._wick(shrunk, axes))
        return float(integral / values.sum())

    def _wick(
        self, shrunk: Float[ndarray, "node hidden"], axes: ndarray
    ) -> Float[ndarray, " node"]:
        """`E N(sqrt C g)` for each C, given along the orthogonal axes."""
        odd, square, mixed, last = self._coefficients()
        V, S = axes.T @ self.sources, axes.T @ self.covariance @ axes
        mean = axes.T @ self.mean
        own = shrunk @ V**2  # V_i' C V_i
        cross = shrunk @ (V * mean[:, None])  # V_i' C mean
        of_mean = shrunk @ mean**2
        trace = shrunk @ np.diag(S)  # tr SC
        trace_squared = np.einsum("tj,jk,tk->t", shrunk, S**2, shrunk)  # tr SCSC
        pulled = shrunk * mean
        between = np.einsum("tj,jk,tk->t", pulled, S, pulled)  # mean' C S C mean
        return (
            self.growth**3 * 3.0 * own**2 @ self.fourth
            + 4.0 * odd * 3.0 * (own * cross) @ self.third
            + 3.0 * square * (trace**2 + 2.0 * trace_squared)
            + 6.0 * mixed * (trace * of_mean + 2.0 * between)
            + last * 3.0 * of_mean**2
        )

    def _coefficients(self) -> tuple[float, float, float, float]:
        """What multiplies third cumulant, variance squared, variance and mean powers.

        `E (d - mean)^4` of the masked unit d, by `E d^k = r^(k-1) E h^k`:
        `r^3 E h^4 - 4 r^2 mean E h^3 + 6 r mean^2 E h^2 - 3 mean^4`.
        """
        r = self.growth
        odd = r**3 - r**2
        square = r**3 * self.pairs
        mixed = r**3 - 2.0 * r**2 + r
        last = r**3 - 4.0 * r**2 + 6.0 * r - 3.0
        return odd, square, mixed, last
