"""The ledger: what an optimiser spent, counted and never timed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Int
from numpy import ndarray


@dataclass(frozen=True)
class Ledger:
    """What was spent, each in its own unit; the only basis on which methods compare.

    - `expansions`: states whose successors a search looked up in the model.
    - `environment_steps`: steps taken in the world to gather data.
    - `backups`: states whose value was worked out anew from their successors', or
      entries of a table updated from one sample.
    - `gradient_flops`: floating-point operations of function approximation.
    - `..._checks`: questions put to the oracle, by what they are about: a state (of a
      model, a way, or the transitions of data), or a whole trajectory; `unique_...`
      counts no item twice. A pass of a policy that is inspected for a certificate is
      one of `rollout_checks`; the states in it are counted as well.
    - `retrainings`, `replans`: how often a learner or a search started over.

    >>> (Ledger(expansions=3) + Ledger(expansions=1, backups=2)).operations
    6
    """

    expansions: int = 0
    environment_steps: int = 0
    backups: int = 0
    gradient_flops: int = 0
    state_checks: int = 0
    unique_state_checks: int = 0
    trajectory_checks: int = 0
    unique_trajectory_checks: int = 0
    rollout_checks: int = 0
    retrainings: int = 0
    replans: int = 0

    def __add__(self, other: Ledger) -> Ledger:
        """Both together."""
        return Ledger(*(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, ...]:
        """Every count in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def operations(self) -> int:
        """What a budget limits: expansions, environment steps, backups together.

        Each looks at one state or one step. Gradients are counted apart, in FLOPs.
        """
        return self.expansions + self.environment_steps + self.backups

    @property
    def checks(self) -> int:
        """Items put to the oracle, whatever their kind, repetitions counted."""
        return self.state_checks + self.trajectory_checks

    @property
    def unique_checks(self) -> int:
        """Different items put to the oracle, whatever their kind."""
        return self.unique_state_checks + self.unique_trajectory_checks

    def to_array(self) -> Int[ndarray, " count"]:
        """The counts as an array, to be stored."""
        return np.array(self.counts, dtype=np.int64)

    @classmethod
    def from_array(cls, counts: Int[ndarray, " count"]) -> Ledger:
        """The ledger of a stored array."""
        return cls(*(int(count) for count in counts))


LEDGER_FIELDS = tuple(field.name for field in fields(Ledger))
"""The names of the counts, in the order in which they are stored."""

__all__ = ["LEDGER_FIELDS", "Ledger"]
