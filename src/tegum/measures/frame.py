"""The features of W taken apart: directions, squared norms, one scale, cosines.

Every measure of geometry but the participation ratio is a function of these. A measure
of several numbers makes one `Frame` and hands it on in the place of W.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

PerModel = Float[ndarray, "*batch"] | float
"""A number for each model of a batch; a plain number for a single model."""

VANISHING = 1e-300


@dataclass(frozen=True)
class Frame:
    """Directions `u_i = W_i / |W_i|`, squared norms and cosines of the features of W.

    `W = 2^exponent * V` with `max |V_ki|` in [1/2, 1): a power of two leaves every bit,
    so weights of size 1e-30 or 1e30 lose nothing to overflow or rounding.
    `norm_squared` is `|V_i|^2`, and 0 for a feature 1e-150 times smaller than the
    largest weight, whose square can not be told from 0. `direction` is 0 where
    `norm_squared` is; `cosine` is `u_i . u_j`, its diagonal set to 0.

    A model with a weight that is not finite is NaN throughout.
    """

    direction: Float[ndarray, "*batch hidden feature"]
    norm_squared: Float[ndarray, "*batch feature"]
    exponent: Int[ndarray, "*batch"]
    cosine: Float[ndarray, "*batch feature feature"]
    cosine_squared: Float[ndarray, "*batch feature feature"]

    @classmethod
    def of(cls, W: Float[ndarray, "*batch hidden feature"] | Frame) -> Frame:
        """The frame of W; a frame is handed back as it is.

        Raises:
            ValueError: W has fewer than two axes, or no unit or no feature.
        """
        if isinstance(W, Frame):
            return W
        W = np.array(W, dtype=np.float64, order="C")
        if W.ndim < 2 or 0 in W.shape[-2:]:
            raise ValueError(
                f"W has shape {W.shape}; it must be (..., n_hidden, n_features) with "
                "at least one of each; column W_i is the direction of feature i"
            )
        W[~np.isfinite(W).all(axis=(-2, -1))] = np.nan
        largest = np.abs(W).max(axis=(-2, -1))
        exponent = np.where(np.isnan(largest), 0, np.frexp(largest)[1])
        scaled = np.ldexp(W, -exponent[..., None, None])
        norm_squared = (scaled**2).sum(axis=-2)
        vanishes = norm_squared < VANISHING
        norm_squared = np.where(vanishes, 0.0, norm_squared)
        length = np.sqrt(np.where(vanishes, np.inf, norm_squared))
        direction = scaled / length[..., None, :]
        # Not a BLAS product: its bits depend on the library and its threads.
        cosine = np.einsum("...ki,...kj->...ij", direction, direction)
        diagonal = np.arange(cosine.shape[-1])
        cosine[..., diagonal, diagonal] = 0.0 * norm_squared
        return cls(direction, norm_squared, exponent, cosine, cosine**2)

    @property
    def n_hidden(self) -> int:
        """The number of hidden units m."""
        return self.direction.shape[-2]

    @property
    def n_features(self) -> int:
        """The number of features n."""
        return self.direction.shape[-1]

    @property
    def lives(self) -> ndarray:
        """Which features have a direction; all of a model that is NaN."""
        return self.norm_squared != 0

    @property
    def fourth_moment(self) -> Float[ndarray, "*batch feature"]:
        """`sum_k u_ki^4 = 1 / PR_i`: how concentrated each feature is on few units."""
        return (self.direction**4).sum(axis=-2)

    def crowding(
        self, weight: Float[ndarray, "*batch feature"] | None = None
    ) -> Float[ndarray, "*batch feature"]:
        """`sum_{j != i} cos_ij^2 w_j`, with `w_j = |V_j|^2` unless given."""
        weight = self.norm_squared if weight is None else weight
        return np.einsum("...ij,...j->...i", self.cosine_squared, weight)


def ratio(numerator: ndarray | float, denominator: ndarray | float) -> ndarray:
    """The quotient, and NaN where the denominator is 0."""
    nothing = denominator == 0
    return np.where(nothing, np.nan, numerator / np.where(nothing, 1.0, denominator))


def mean_over(values: Float[ndarray, "*batch feature"], chosen: ndarray) -> PerModel:
    """The mean of the chosen features' values; NaN where none is chosen."""
    return ratio(np.where(chosen, values, 0.0).sum(axis=-1), 1.0 * chosen.sum(axis=-1))
