"""A study: a question, its designs, its subject, its measures, its claims."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from tegum.arrays import Artifact
from tegum.claims import Claim, Table, check_claim, planned_seeds
from tegum.design import Design, Factor, Row, unknown
from tegum.measures.facts import Measure


@runtime_checkable
class Subject(Protocol):
    """What turns rows into artifacts, under the row law.

    The bits of an artifact depend on its row alone. Raise `law` when they change. A
    subject may also have `input_digests` (name to digest of every external input, part
    of the keys), `instruction_set` (for the record) and `made_elsewhere` (its artifacts
    existed before any registration, so that no verdict on them is confirmatory).
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

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
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
    _completed: dict[str, Design] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _tables: dict[str, Table] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """Check what can be checked before anything is trained."""
        if not self.designs:
            raise ValueError(f"the study `{self.name}` has no design; give it one")
        if not self.measures:
            raise ValueError(f"the study `{self.name}` has no measure; give it one")
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(
                f"`alpha` is {self.alpha}; it must lie strictly between 0 and 1; it "
                "is the chance of any wrong verdict, 0.05 is usual"
            )
        self._check_designs()
        for claim in self.claims:
            for design in self.designs_of(claim):
                check_claim(claim, self._table(design), self.ranges)

    def _check_designs(self) -> None:
        pilots = set(self.pilot_seeds)
        earlier: tuple[Row, ...] = ()
        for name, design in self.designs.items():
            if "seed" not in design.factors:
                raise ValueError(
                    f"the design `{name}` has no seeds; give `grid(..., seeds=20)`"
                )
            seen = pilots & set(design.levels("seed"))
            if seen:
                raise ValueError(
                    f"the design `{name}` uses the pilot's seeds {sorted(seen)}; a "
                    "seed that was looked at can not enter a confirmatory estimate"
                )
            lost = sum(row not in self.completed(name) for row in earlier)
            if lost:
                raise ValueError(
                    f"the design `{name}` lacks {lost} rows of the one before it; "
                    "designs are nested, so write `demo | grid(...)`"
                )
            earlier = self.completed(name).rows

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every number that the measures declare.

        Raises:
            ValueError: two measures declare the same name.
        """
        names = [number for measure in self.measures for number in measure.numbers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"two measures declare the number {', '.join(twice)}; rename one"
            )
        return tuple(names)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The declared range of every number."""
        return {
            number: measure.range_of(number)
            for measure in self.measures
            for number in measure.numbers
        }

    def completed(self, design: str) -> Design:
        """A design with every factor of the subject in every row.

        Raises:
            ValueError: no such design, or a row the subject refuses.
        """
        if design not in self.designs:
            raise ValueError(unknown(design, self.designs, what="design"))
        if design not in self._completed:
            rows = self.subject.complete(self.designs[design])
            self._completed[design] = Design(tuple(rows))
        return self._completed[design]

    def designs_of(self, claim: Claim) -> tuple[str, ...]:
        """The designs in which a claim is judged."""
        return tuple(name for name in self.designs if name in claim.designs)

    def claims_of(self, design: str) -> tuple[Claim, ...]:
        """The claims judged in a design."""
        return tuple(claim for claim in self.claims if design in claim.designs)

    def alpha_of(self, design: str) -> float:
        """A design's share of alpha: the designs share it equally.

        Each design is a look at the same question, so that whoever reads the demo's
        verdicts and then the full ones is wrong with chance alpha at most.
        """
        if design not in self.designs:
            raise ValueError(unknown(design, self.designs, what="design"))
        return self.alpha / len(self.designs)

    def planned_seeds(self, design: str) -> dict[str, int]:
        """For each claim, the number of seeds that the design holds for its cells."""
        table = self._table(design)
        return {
            claim.name: planned_seeds(claim, table) for claim in self.claims_of(design)
        }

    def _table(self, design: str) -> Table:
        if design not in self._tables:
            self._tables[design] = Table.from_design(self.completed(design))
        return self._tables[design]

    def registration(self) -> dict[str, Any]:
        """What is said before: everything a verdict depends on, as plain data."""
        return {
            "study": self.name,
            "question": " ".join(self.question.split()),
            "subject": {
                "name": self.subject.name,
                "law": self.subject.law,
                "inputs": dict(getattr(self.subject, "input_digests", {})),
            },
            "measures": [
                {
                    "name": measure.name,
                    "version": measure.version,
                    "parameters": dict(measure.parameters),
                }
                for measure in self.measures
            ],
            "claims": [claim.to_record() for claim in self.claims],
            "alpha": self.alpha,
            "convergence": None
            if self.convergence is None
            else {
                "number": self.convergence.number,
                "limit": self.convergence.limit,
            },
            "planned_seeds": {name: self.planned_seeds(name) for name in self.designs},
            "designs": {name: self._design_digest(name) for name in self.designs},
            "pilot_seeds": list(self.pilot_seeds),
        }

    def _design_digest(self, design: str) -> str:
        rows = sorted(_canonical(row) for row in self.completed(design))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def digest(self) -> str:
        """SHA-256 of the registration: two studies that say the same share it."""
        text = _canonical(self.registration())
        return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value)
