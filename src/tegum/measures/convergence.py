"""Whether training had settled, from the loss along it."""

from __future__ import annotations

import math

import numpy as np

from tegum.arrays import Artifact

FEWEST_STEPS = 10
"""In fewer there is no last tenth of training."""


def loss_fall_last_tenth(artifact: Artifact) -> float:
    """How much the clean loss still fell over the last tenth of training.

    `(L(0.9 T) - L(T)) / L(T)` on one fixed evaluation sample. Dimensionless; 0 means
    that training had settled, 0.1 that the loss stood a tenth higher shortly before
    the end, below 0 that it rose, inf that it fell to 0 in that tenth. The loss nearest
    before 0.9 T is taken. NaN for a diverged model, and where it can not be told: fewer
    than 10 steps, or no loss recorded between 0.8 T and 0.9 T.
    """
    steps, loss = artifact.arrays["loss_step"], artifact.arrays["loss"]
    end = int(steps[-1])
    before = int(np.searchsorted(steps, math.ceil(0.9 * end), side="right")) - 1
    if end < FEWEST_STEPS or before < 0 or steps[before] < 0.8 * end:
        return math.nan
    last, earlier = float(loss[-1]), float(loss[before])
    if not math.isfinite(last):
        return math.nan
    if last == 0.0:
        return 0.0 if earlier == 0.0 else math.inf
    return (earlier - last) / last
