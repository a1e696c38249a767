"""What the pictures of several studies say of a cell: its name, its seeds in brief."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def cell_name(feature_probability: float, importance_decay: float) -> str:
    """A cell of data in a few words, for an axis."""
    importance = "uniform" if importance_decay == 1.0 else "decaying"
    return f"S = {1 - feature_probability:.2g}, {importance}"


def percentiles(values: Float[ndarray, " seed"]) -> tuple[float, float, float]:
    """The tenth, fiftieth and ninetieth percentile of what is a number."""
    known = values[np.isfinite(values)]
    if not known.size:
        return math.nan, math.nan, math.nan
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)
