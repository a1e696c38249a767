"""The arms of the transformer study: which networks are compared with which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tegum.networks.factors import SITES
from tegum.results import MISSING, Results

LAYERS = 2
RATE = 0.1
STEPS = 4_800
LONGER = 4
TOKENS = STEPS * 8 * 64
"""Eight sequences of 64 a step."""


def rates(**given: float) -> dict[str, float]:
    """The dropout rate of every site: those given, 0 elsewhere.

    >>> rates(mlp=0.1)["mlp_dropout"], rates(mlp=0.1)["residual_dropout"]
    (0.1, 0.0)
    """
    return {f"{site}_dropout": given.get(site, 0.0) for site in SITES}


def everywhere(rate: float) -> dict[str, float]:
    """One rate at all sites."""
    return rates(**dict.fromkeys(SITES, rate))


NONE, ALL = everywhere(0.0), everywhere(RATE)
USUAL = {"family": "gpt2", "optimiser": "adamw"}


@dataclass(frozen=True)
class Arm:
    """Networks that differ in their seed alone: how they are called, and what they are.

    `factors` fixes everything that varies in the study.
    """

    name: str
    factors: Mapping[str, Any]

    def of(self, results: Results) -> Results | None:
        """Its rows that are there, or None."""
        rows = zip(*(results[name] for name in self.factors), strict=True)
        wanted = tuple(self.factors.values())
        here = [
            k
            for k, row in enumerate(rows)
            if row == wanted and results["status"][k] != MISSING
        ]
        return results.taken(np.array(here, dtype=np.int64)) if here else None

    def by_seed(self, results: Results, number: str) -> dict[int, float]:
        """The number of each seed whose network is there."""
        found = self.of(results)
        if found is None:
            return {}
        values = found[number].astype(np.float64)
        return dict(zip((int(s) for s in found["seed"]), values, strict=True))


CONTROL = Arm("no dropout", {**USUAL, **NONE, "steps": STEPS})
TREATED = Arm(f"dropout {RATE:g} at all sites", {**USUAL, **ALL, "steps": STEPS})
LONG_CONTROL = Arm(
    "no dropout, four times as long", {**USUAL, **NONE, "steps": LONGER * STEPS}
)
LONG_TREATED = Arm(
    f"dropout {RATE:g}, four times as long",
    {**USUAL, **ALL, "steps": LONGER * STEPS},
)
ARMS = (CONTROL, TREATED)
LONG_ARMS = (LONG_CONTROL, LONG_TREATED)


def paired(
    results: Results, number: str, treated: Arm, control: Arm
) -> Float[ndarray, " seed"]:
    """Treated minus control, seed by seed, where both have the number."""
    first, second = (arm.by_seed(results, number) for arm in (treated, control))
    pairs = np.array(
        [(first[s], second[s]) for s in sorted(first.keys() & second.keys())]
    ).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return pairs[:, 0] - pairs[:, 1]


def arms_there(results: Results, arms: Sequence[Arm]) -> list[tuple[Arm, Results]]:
    """The arms of which there is a row, each with its rows."""
    found = ((arm, arm.of(results)) for arm in arms)
    return [(arm, rows) for arm, rows in found if rows is not None]


__all__ = [
    "ALL",
    "ARMS",
    "CONTROL",
    "LAYERS",
    "LONGER",
    "LONG_ARMS",
    "LONG_CONTROL",
    "LONG_TREATED",
    "NONE",
    "RATE",
    "STEPS",
    "TOKENS",
    "TREATED",
    "USUAL",
    "Arm",
    "arms_there",
    "everywhere",
    "paired",
    "rates",
]
