"""Why a part is undecided, in words that say what would help."""

from __future__ import annotations

import numpy as np

from tegum.claims.claim import Part
from tegum.claims.paired import Sample
from tegum.statistics import EVERYWHERE, Interval, fewest_seeds
from tegum.wording import counted


def why_undecided(part: Part, sample: Sample, interval: Interval, level: float) -> str:
    """In words, what keeps a part undecided."""
    n = sample.values.size
    missing = int(np.isnan(sample.values).sum())
    if sample.empty_cells:
        return f"no row at {sample.empty_cells[0]}"
    if n == 0:
        return "no seed has a row yet"
    if sample.broken:
        return sample.broken
    lost = f"; {sample.undefined}" if sample.undefined else ""
    number = part.estimand.number
    if missing == n:
        return f"`{number}` is undefined or missing for all {n} seeds{lost}"
    if interval == EVERYWHERE and n < fewest_seeds(level):
        return (
            f"{counted(n, 'seed')} {'is' if n == 1 else 'are'} too few for an interval "
            f"at level {level:.6g}; it needs {fewest_seeds(level)}"
        )
    if interval == EVERYWHERE:
        return (
            f"{missing} of {n} seeds are missing{lost}, and with the range declared "
            f"for `{number}` they may lie anywhere"
        )
    reason = (
        f"the interval [{interval.low:.4g}, {interval.high:.4g}] is neither inside nor "
        f"outside the region ({part.region.describe()})"
    )
    if missing:
        reason += f"; {missing} of {n} seeds are missing and may lie anywhere{lost}"
    if part.estimand.kind != "proportion" and _blurred(interval, sample.resolution):
        reason += (
            f"; differences below {sample.resolution:.3g} can not be seen with the "
            f"resolution that is declared for `{number}`"
        )
    return reason


def _blurred(interval: Interval, resolution: float) -> bool:
    """Whether an interval owes its width to the resolution: it is widened to thrice."""
    return interval.high - interval.low <= 3.0 * resolution * (1.0 + 1e-9)
