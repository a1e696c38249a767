"""Escaping dropout, and how much it hurts not to: two readings of redundancy."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.measures.sphere import checked_rate

Values = Float[ndarray, "*batch"] | float


def survival_probability(n_units: Values, *, rate: float) -> Values:
    """The chance that none of n units is dropped: `(1 - p)^n`.

    Dimensionless, in `(0, 1]`. It falls with n: by this reading fewer units are safer.

    Raises:
        ValueError: a rate outside [0, 1), or a negative number of units.

    Source: Pona 2023, comment on "Dropout can create a privileged basis in the ReLU
    output model".

    >>> survival_probability(2, rate=0.5)
    0.25
    """
    return (1.0 - checked_rate(rate)) ** _units(n_units, least=0.0)


def relative_noise_variance(participation_ratio: Values, *, rate: float) -> Values:
    """How large dropout's noise is on a feature that is spread over PR units.

    `p / ((1 - p) PR)`: the variance of the feature's own read-out over its square.
    Dimensionless. It falls with PR: by this reading, which is the squared error's, more
    units are safer.

    Raises:
        ValueError: a rate outside [0, 1), or a participation ratio below 1.

    Source: `Var(mask / (1 - p)) = p / (1 - p)`, weights `(W_ki^2 / |W_i|^2)^2`, whose
    sum is `1 / PR_i`.

    >>> relative_noise_variance(2.0, rate=0.5)
    0.5
    """
    p = checked_rate(rate)
    return p / (1.0 - p) / _units(participation_ratio, least=1.0)


def mean_share_lost_when_hit(n_units: Values, *, rate: float) -> Values:
    """How much of a feature is lost, given that one of its n equal units is dropped.

    `p / (1 - (1 - p)^n)`. Dimensionless, in `(p, 1]`: 1 for one unit, p for very many.
    NaN for p = 0, where nothing is ever hit.

    Raises:
        ValueError: a rate outside [0, 1), or less than one unit.

    Source: the mean loss is p whatever n is, and all of it falls on the hits.

    >>> round(mean_share_lost_when_hit(2, rate=0.5), 4)
    0.6667
    """
    p = checked_rate(rate)
    hit = 1.0 - (1.0 - p) ** _units(n_units, least=1.0)
    return p / hit if p else np.full(np.shape(n_units), np.nan)[()]


def _units(count: Values, *, least: float) -> Values:
    if not (np.asarray(count) >= least).all():
        raise ValueError(
            f"the number of units is {count!r}; it must be in [{least:g}, inf)"
        )
    return count
