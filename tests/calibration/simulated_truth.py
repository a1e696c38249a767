"""Laws whose median is known, and what counts as keeping a promise."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from tegum.claims import Claim, Part, above, below, paired_difference

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


class Law(NamedTuple):
    """How seeds scatter, and the median of that."""

    draw: Draw
    median: float


def _holes(rng, size):
    """Nothing happens in six seeds of ten; where it does, the tail is heavy."""
    return np.where(rng.random(size) < 0.6, 0.0, rng.lognormal(0, 1.5, size))


LAWS = {
    "normal": Law(lambda rng, size: rng.normal(3, 1, size), 3.0),
    "lognormal": Law(lambda rng, size: rng.lognormal(0, 1.5, size), 1.0),
    "cauchy": Law(lambda rng, size: rng.standard_cauchy(size), 0.0),
    "counts": Law(lambda rng, size: rng.poisson(3.2, size).astype(float), 3.0),
    "coin": Law(lambda rng, size: (rng.random(size) < 0.49).astype(float), 0.0),
    "holes": Law(_holes, 0.0),
}
"""Light and heavy tails, one-sided ones, ties, and a median that sits on an atom."""

CONTINUOUS = ("normal", "lognormal", "cauchy")

JUST = 1e-9
"""How far beyond an edge the truth lies, where it must not lie on it."""

FACTS = {"ranges": {"y": (-np.inf, np.inf)}, "resolutions": {"y": 1e-12}}


def keeps(wrong: int, trials: int, alpha: float) -> bool:
    """Whether this many wrong ones may come of at most alpha, by chance.

    False where an error rate of alpha would give as many with probability below 1e-4.
    """
    return stats.binom.sf(wrong - 1, trials, alpha) > 1e-4


def correlated_cells(rng, law: Law, *, seeds: int, cells: int) -> np.ndarray:
    """One value for each cell and seed: cells of a seed go together, seeds do not.

    A Gaussian copula of correlation 0.7 under the law's own values, so that each cell
    has the law's median.
    """
    shared = rng.standard_normal((1, seeds))
    own = rng.standard_normal((cells, seeds))
    uniform = stats.norm.cdf(np.sqrt(0.7) * shared + np.sqrt(0.3) * own)
    reference = _reference(law)
    return reference[np.minimum((uniform * reference.size).astype(int), 20_000)]


@lru_cache
def _reference(law: Law) -> np.ndarray:
    """The law as 20,001 equally likely values, the middle one its median."""
    values = np.sort(law.draw(np.random.default_rng(99), (20_001,)))
    return values + (law.median - np.median(values))


def columns_of(values: np.ndarray) -> dict[str, np.ndarray]:
    """Columns for `values[cell, seed]` as differences from a control of 0."""
    cells, seeds = values.shape
    cell, seed = np.indices((cells, seeds)).reshape(2, -1)
    both = np.concatenate
    return {
        "cell": both([cell, cell]),
        "seed": both([seed, seed]),
        "rate": both([np.zeros(cell.size), np.full(cell.size, 0.5)]),
        "y": both([np.zeros(cell.size), values.reshape(-1)]),
    }


def not_at(median: float):
    """The region that the truth lies just outside of, on neither side."""
    return below(median - JUST) | above(median + JUST)


def claims_about(cells: int, region, *, each: int = 1) -> list[Claim]:
    """Claims of `each` parts, a part for a cell, that all say the same of it."""
    parts = [
        Part(
            paired_difference(
                "y", factor="rate", treated=0.5, control=0.0, where={"cell": cell}
            ),
            region,
        )
        for cell in range(cells)
    ]
    return [
        Claim(f"C{start}", "s", parts[start : start + each], "r", "s")
        for start in range(0, cells, each)
    ]
