"""Claims and verdicts as records: what was said, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tegum.claims.estimands import Estimand
from tegum.claims.given import one_line, several
from tegum.claims.regions import Region, jsonable
from tegum.markup import (
    Child,
    coloured_word,
    element,
    folded,
    joined,
    lines,
    notebook_table,
)
from tegum.wording import interval_text, typeset, written

Word = Literal["supported", "refuted", "undecided"]
Standing = Literal["confirmatory", "exploratory", "interim"]


@dataclass(frozen=True)
class Part:
    """One estimand and the region in which the claim says that it lies."""

    estimand: Estimand
    region: Region

    def describe(self) -> str:
        """The part in words, on one line."""
        named = f" ({self.region.name})" if self.region.name else ""
        return f"{self.estimand.describe()}: {self.region.describe()}{named}"


@dataclass(frozen=True)
class Claim:
    """What is said before the data: all parts hold at once.

    `reason` says why the regions lie where they lie, `source` where the claim comes
    from. `rivals` make a two-sided question of a claim with one part: named regions,
    none overlapping another or the part's own (shared edges are allowed), of which the
    verdict says which one holds. `designs` names the designs on which it is judged;
    None means every design of the study. Runs of spaces and line breaks in a text count
    as one space.

    Raises:
        ValueError: no name, no part, the same part twice, an empty list of designs,
            rivals that have no name or the same one, that overlap, or that stand beside
            several parts, or an argument of another kind than it must be.
    """

    name: str
    statement: str
    parts: Sequence[Part]
    reason: str
    source: str
    rivals: Sequence[Region] = ()
    designs: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Freeze the sequences and refuse a claim that could not be judged."""
        for field in ("name", "statement", "reason", "source"):
            object.__setattr__(self, field, one_line(field, getattr(self, field)))
        for field, kind in (("parts", Part), ("rivals", Region), ("designs", str)):
            given = getattr(self, field)
            if field != "designs" or given is not None:
                object.__setattr__(self, field, several(field, given, kind))
        if not self.name:
            raise ValueError("a claim needs a name; give it a short one, such as 'C1'")
        if not self.parts:
            raise ValueError(
                f"the claim `{self.name}` has no part, so nothing could refute it; "
                "give it one or more of Part(estimand, region)"
            )
        if self.designs is not None and not self.designs:
            raise ValueError(
                f"the claim `{self.name}` names no design, so it is never judged; name "
                "one or more, or leave `designs` out for all"
            )
        for position, part in enumerate(self.parts):
            if part in self.parts[:position]:
                raise ValueError(
                    f"the claim `{self.name}` has a part twice: {part.describe()}; "
                    "drop one"
                )
        if self.rivals:
            self._check_rivals()

    def _check_rivals(self) -> None:
        if len(self.parts) > 1:
            raise ValueError(
                f"the claim `{self.name}` has rivals and {len(self.parts)} parts; "
                "rivals are for a claim with one part: make a claim of each part"
            )
        regions = (self.parts[0].region, *self.rivals)
        names = [region.name for region in regions]
        if not all(names) or len(set(names)) < len(names):
            raise ValueError(
                f"the regions of the claim `{self.name}` are named {names}; with "
                "rivals, the part's region and each rival need a name of their own"
            )
        for position, region in enumerate(regions):
            for other in regions[:position]:
                if region.overlaps(other):
                    raise ValueError(
                        f"in the claim `{self.name}` the regions `{other.name}` "
                        f"({other.describe()}) and `{region.name}` "
                        f"({region.describe()}) overlap, so both could hold; let them "
                        "share edges at most"
                    )

    def describe(self) -> str:
        """The claim in words, a line for each part and rival."""
        lines = [f"{self.name}: {self.statement}"]
        lines += [f"  {part.describe()}" for part in self.parts]
        lines += [f"  or else {r.name}: {r.describe()}" for r in self.rivals]
        return "\n".join(lines)

    def to_record(self) -> dict[str, Any]:
        """The claim for JSON, as it is registered."""
        return {
            "name": self.name,
            "statement": self.statement,
            "parts": [
                {
                    "estimand": part.estimand.to_record(),
                    "region": part.region.to_record(),
                }
                for part in self.parts
            ],
            "reason": self.reason,
            "source": self.source,
            "rivals": [region.to_record() for region in self.rivals],
            "designs": None if self.designs is None else list(self.designs),
        }


@dataclass(frozen=True)
class PartVerdict:
    """One part held against the data.

    `estimate` is that of the seeds with a value (NaN when there are none), `[low,
    high]` the simultaneous interval at `level`. `seeds` counts those that an arm
    has reached, `missing` those of them without a value. `reason` says in words why
    the part is undecided, and is empty otherwise. `notes` say what a reader must know
    whatever the word, such as what else differs between the arms.
    """

    estimand: Estimand
    region: Region
    estimate: float
    low: float
    high: float
    level: float
    seeds: int
    missing: int
    word: Word
    reason: str = ""
    notes: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """The part for JSON; infinite and undefined numbers as text."""
        return {
            "estimand": self.estimand.to_record(),
            "asked": self.estimand.describe(),
            "region": self.region.to_record(),
            "estimate": jsonable(self.estimate),
            "low": jsonable(self.low),
            "high": jsonable(self.high),
            "level": self.level,
            "seeds": self.seeds,
            "missing": self.missing,
            "word": self.word,
            "reason": self.reason,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Verdict:
    """What came of a claim.

    `holds` names the region that contains the interval, among the part's and its
    rivals; it is empty where none does or the region has no name. `seeds` is the
    smallest number among the parts, `planned` the number that was registered.
    `seeds_needed` says about how many would decide an undecided claim; None where that
    can not be said, or where more seeds would not help. `reasons` says in words what
    keeps the claim undecided, and the notes of its parts, which do not change the word.
    """

    claim: Claim
    word: Word
    holds: str
    parts: tuple[PartVerdict, ...]
    seeds: int
    planned: int
    seeds_needed: int | None = None
    reasons: tuple[str, ...] = ()
    standing: Standing = "exploratory"

    @property
    def missing(self) -> int:
        """The largest number of seeds without a value among the parts."""
        return max(part.missing for part in self.parts)

    def describe(self) -> str:
        """The verdict in words, a line for each part and reason."""
        lines = [
            f"{self.claim.name}: {self.word} ({self.standing}), {self.seeds} seeds"
        ]
        for part in self.parts:
            estimate = "none" if math.isnan(part.estimate) else f"{part.estimate:.4g}"
            lines.append(
                f"  {part.word}: {part.estimand.describe()} is {estimate} "
                f"[{part.low:.4g}, {part.high:.4g}], said to be "
                f"{part.region.describe()}"
            )
        return "\n".join([*lines, *(f"  {reason}" for reason in self.reasons)])

    def _repr_html_(self) -> str:
        return Verdicts((self,))._repr_html_()

    def _row(self) -> list[Child]:
        """A row of a table: claim, what was said and found, seeds, verdict."""
        found = [
            joined(
                f"{part.estimand.describe()}: ",
                element("b", written(part.estimate, digits=3)),
                f" {interval_text(part.low, part.high)}; "
                f"said: {typeset(part.region.describe())}",
            )
            for part in self.parts
        ]
        holds = f"holds: {self.holds}" if self.holds else None
        return [
            lines(element("b", self.claim.name), self.claim.statement),
            folded(found, "part"),
            f"{self.seeds} of {self.planned}",
            joined(
                lines(coloured_word(self.word), self.standing, holds),
                element("div", folded(self.reasons, "reason")),
            ),
        ]

    def to_record(self) -> dict[str, Any]:
        """The verdict for JSON, as it is kept for ever.

        `claim` is the name, `said` the whole claim as it stood when it was judged.
        """
        return {
            "claim": self.claim.name,
            "said": self.claim.to_record(),
            "word": self.word,
            "holds": self.holds,
            "standing": self.standing,
            "seeds": self.seeds,
            "planned": self.planned,
            "seeds_needed": self.seeds_needed,
            "reasons": list(self.reasons),
            "parts": [part.to_record() for part in self.parts],
        }


class Verdicts(tuple[Verdict, ...]):
    """The verdicts of a study: a tuple that shows itself as words or as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Each verdict in words."""
        return "\n".join(verdict.describe() for verdict in self) or "no verdict"

    def _repr_html_(self) -> str:
        if not self:
            return "no verdict"
        level = 100 * min(part.level for verdict in self for part in verdict.parts)
        caption = f"Verdicts; each interval stands at {level:.5g} %"
        head = ["claim", "found, with its interval, and said", "seeds", "verdict"]
        return notebook_table(caption, head, [each._row() for each in self]).text
