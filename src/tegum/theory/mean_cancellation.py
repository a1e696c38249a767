"""Why dropout makes interference appear where nothing is superposed: units lose a mean.

Dropout costs `v (E h_k)^2` beside `v Var h_k`, `v = p / (1 - p)`. Inputs are never
negative, so that a hidden unit has a mean, and small negative weights on features that
do not matter take it away at little cost. They overlap with those of the feature that
the unit carries, which is interference, although no further feature is read out. A
read-out without a ReLU does it too; inputs of mean 0 give no cause to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tegum.measures.input_law import input_cumulants
from tegum.measures.sphere import checked_rate


@dataclass(frozen=True)
class Cancellation:
    """The least-loss weights of one unit: of its feature, and of each idle one.

    `mean_left` is what is left of the mean that the unit's own feature gives it, in
    `(0, 1]`; `mean_share` is the part of `E h^2` that is the mean's, in `[0, 1)`;
    `loss` that of the feature, in squared units of the inputs.
    """

    kept: float
    idle: float
    mean_left: float
    mean_share: float
    loss: float

    def total_interference(self, n_units: int, *, n_idle: int) -> float:
        """`sum over i != j of (W_i . W_j)^2` of units that each carry one feature.

        `2 m R (a c)^2 + R (R - 1) (m c^2)^2`, a the weight kept and c the idle one. In
        `[0, inf)`, 0 without dropout.

        Source: the weights of `mean_cancellation` on each unit.
        """
        direct = 2.0 * n_units * n_idle * (self.kept * self.idle) ** 2
        return direct + n_idle * (n_idle - 1) * (n_units * self.idle**2) ** 2


def mean_cancellation(n_idle: int, *, density: float, rate: float) -> Cancellation:
    """The best linear unit for one feature, beside idle ones that do not matter.

    A unit `h = a x_1 + c (x_2 + ... + x_(R+1))` is read out by its own weights under
    dropout, and only `x_1` counts. With `rho = (E x)^2 / Var x = 3 q / (4 - 3 q)`

        c / a = -p rho / (1 + R p rho),
        a^2 = (1 - p) (1 + R p rho) / (1 + (R + 1) p rho),
        mean left = 1 / (1 + R p rho),   loss = Var x (1 - a^2).

    Dimensionless weights. Without dropout `c = 0`, `a = 1`; without idle features `a^2
    = (1 - p) / (1 + p rho)`, and with very many the mean costs nothing: `a^2 = 1 - p`.
    Several units that carry a feature each and share the idle ones do not disturb each
    other as long as these have no importance, so that it holds for each of them.

    Raises:
        ValueError: fewer than 0 idle features, a density outside (0, 1], or a rate
            outside [0, 1).

    Source: derived here. `E (x_1 - a D h - b)^2` over masks D and inputs, b at its
    best, is `Var x ((1 - a^2)^2 + a^4 k)` with `g = -c / a` and `k = R g^2 + v (1 + R
    g^2 + rho (1 - R g)^2)`; g minimises a sum of two squares, then `a^2 = 1 / (1 + k)`.

    >>> found = mean_cancellation(1, density=1.0, rate=0.5)
    >>> round(found.idle / found.kept, 9)  # -3 p / (1 + 3 p)
    -0.6
    """
    if n_idle < 0:
        raise ValueError(f"`n_idle` is {n_idle}; it must be a whole number from 0 up")
    p = checked_rate(rate)
    law = input_cumulants(density)
    mean, variance = float(law.mean[0]), float(law.variance[0])
    pull = p * mean**2 / variance
    mean_left = 1.0 / (1.0 + n_idle * pull)
    kept = np.sqrt((1.0 - p) / (1.0 + pull * mean_left))
    idle = -kept * pull * mean_left
    squared_mean = (mean * kept * mean_left) ** 2
    spread = variance * (kept**2 + n_idle * idle**2)
    return Cancellation(
        kept=float(kept),
        idle=float(idle),
        mean_left=mean_left,
        mean_share=float(squared_mean / (squared_mean + spread)),
        loss=float(variance * (1.0 - kept**2)),
    )
