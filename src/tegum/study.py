"""A study: a question, its designs, its subject, its measures, its claims."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tegum.arrays import Artifact
from tegum.claims import Claim
from tegum.design import Design, Factor, Row, unknown
from tegum.measures.facts import Measure


class Subject(Protocol):
    """What turns rows into artifacts, under the row law.

    The bits of an artifact depend on its row alone. Raise `law` when they change.
    """

    @property
    def name(self) -> str:
        """Part of every key."""
        ...

    @property
    def law(self) -> int:
        """Raised whenever the same row gives other bits than before."""
        ...

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        ...

    def complete(self, design: Design) -> list[dict[str, Any]]:
        """Every row with every factor, checked.

        Raises:
            ValueError: a row the subject can not train, with the reason.
        """
        ...

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """An artifact for each completed row; None for rows that `stop` cut short.

        `progress` is told the share of the work done, in [0, 1], from the calling
        thread; `stop` is asked at least once a second.
        """
        ...

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row."""
        ...

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is trained and stored."""
        ...


@dataclass(frozen=True)
class Convergence:
    """The limit that every arm of a claim must pass before it is judged.

    An arm passes when, in the median over its seeds, `number` is at most `limit`.
    """

    number: str
    limit: float


@dataclass(frozen=True)
class Study:
    """A question put so that it can be answered, and said before it is.

    `designs` maps `demo`, `default` and `full` to designs, each holding the one before
    it. The number of seeds that a design holds is the number planned. `alpha` bounds
    P(any wrong supported or refuted) over the whole study; it is shared equally by the
    designs. `pilot_seeds` were looked at before the claims were fixed.

    Raises:
        ValueError: no design, no measure, a design that drops rows of the one before
            it, a pilot seed in a design, or a claim about a factor or a number that
            the study lacks.
    """

    name: str
    question: str
    subject: Subject
    designs: Mapping[str, Design]
    measures: Sequence[Measure]
    claims: Sequence[Claim]
    alpha: float
    convergence: Convergence | None = None
    pilot_seeds: Sequence[int] = ()
    background: str = ""
    answer: Callable[..., str] | None = None
    picture: Callable[..., Any] | None = None
