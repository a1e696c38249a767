"""How much smaller noise on the hidden layer makes a feature."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Values = Float[ndarray, "*batch"] | float


def shrunken_norm_squared(
    noise_variance: Values, participation_ratio: Values
) -> Values:
    """The squared norm of one feature at its optimum under multiplicative noise.

    `|W|^2 = 1 / (1 + v / PR)`, v the relative variance of the noise on each hidden
    unit, PR the feature's participation ratio. Squared units of the weights, in (0, 1].
    1 without noise. Under dropout at rate p, `v = p / (1 - p)`: a feature on one unit
    has `1 - p`, which meets the usual threshold 1/2 at p = 1/2 although the feature is
    as well represented as it can be.

    Derivation: unit k carries `g_k W_k x` with independent gains of mean 1 and variance
    v; the linear read-out is `y = sum_k g_k W_k^2 x`. With `a = |W|^2`,

        E (x - y)^2 = E x^2 ((1 - a)^2 + v sum_k W_k^4)
                    = E x^2 ((1 - a)^2 + v a^2 / PR),

    least over a at `a (1 + v / PR) = 1`. What is left is `E x^2 (v / PR) / (1 + v /
    PR)`: the law holds at the direction given; a feature spread over more units loses
    less.

    Raises:
        ValueError: a negative variance, or a participation ratio below 1.

    Source: this project; the variance term is that of Srivastava et al. 2014,
    "Dropout", section 9.1, for a tied read-out.

    >>> float(shrunken_norm_squared(1.0, 1.0))
    0.5
    """
    v = np.asarray(noise_variance, dtype=np.float64)
    ratio = np.asarray(participation_ratio, dtype=np.float64)
    if not (v >= 0).all():
        raise ValueError(
            f"`noise_variance` is {noise_variance!r}; it must be in [0, inf); dropout "
            "at rate p has p / (1 - p)"
        )
    if not (ratio >= 1).all():
        raise ValueError(
            f"`participation_ratio` is {participation_ratio!r}; it must be in "
            "[1, inf); a feature is on one unit at least"
        )
    return 1.0 / (1.0 + v / ratio)
