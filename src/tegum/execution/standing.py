"""How far a verdict may be trusted: what was said, and what was there before."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from tegum.claims import Claim, Verdict
from tegum.claims.table import Table
from tegum.execution.selection import Selection
from tegum.results import MISSING, Results, plain
from tegum.store import Store, digest_of, made_under
from tegum.study import Study


@dataclass(frozen=True)
class Standing:
    """What decides how far a verdict may be trusted.

    `planned` are the rows of the design where the results hold others, `stored` every
    row of the store, and `own` says which of these were made under the present
    registry.
    """

    study: Study
    results: Results
    planned: Selection | None
    stored: pa.Table
    own: np.ndarray
    registrations: Sequence[Mapping[str, Any]]
    marks: Sequence[str]

    @classmethod
    def of(
        cls, study: Study, store: Store, results: Results, *, planned: Selection | None
    ) -> Standing:
        """Read what the store and its registry say about a study."""
        stored, marks = store.rows(), store.registry_marks()
        said = (stored[n].to_pylist() for n in ("registry_position", "registry_digest"))
        registrations = [
            record
            for record in store.registry()
            if record.get("kind") == "registration"
            and record.get("study") == study.name
        ]
        own = made_under(marks, *said)
        return cls(study, results, planned, stored, own, registrations, marks)

    def settled(self, verdict: Verdict) -> Verdict:
        """The verdict with its standing, and the reasons for it."""
        made = self.results["status"] != MISSING
        used = _used(verdict.claim, self._table)
        rows = self.results.taken(np.flatnonzero(used & made))
        reasons = verdict.reasons
        if len(rows.instruction_sets) > 1:
            reasons += (
                f"its rows mix the instruction sets {', '.join(rows.instruction_sets)}"
                ", so no one machine repeats all of them bit by bit",
            )
        if verdict.seeds < verdict.planned or (used & ~made).any():
            return replace(verdict, standing="interim", reasons=reasons)
        lacking = self._planned_and_lacking(verdict.claim, set(rows["key"]))
        if lacking:
            reasons += (f"{lacking} rows that the design plans for it are not in",)
            return replace(verdict, standing="interim", reasons=reasons)
        doubt = self._doubt(rows)
        if doubt:
            return replace(verdict, standing="exploratory", reasons=(*reasons, doubt))
        reasons += self._seen_in_other_cells(rows)
        return replace(verdict, standing="confirmatory", reasons=reasons)

    @cached_property
    def _table(self) -> Table:
        return Table.from_columns(self.results.columns, factors=self.results.factors)

    @cached_property
    def _planned_table(self) -> Table:
        rows = self.planned.rows if self.planned else ()
        columns = {n: [row.get(n) for row in rows] for n in self.results.factors}
        return Table.from_columns(columns, factors=self.results.factors)

    @cached_property
    def _digest(self) -> str:
        return self.study.digest()

    @cached_property
    def _bits(self) -> dict[str, str]:
        keys, bits = (self.stored[n].to_pylist() for n in ("key", "artifact_digest"))
        return dict(zip(keys, bits, strict=True))

    def _planned_and_lacking(self, claim: Claim, there: set[str]) -> int:
        """How many rows the design has in a claim's cells that are not there."""
        if self.planned is None:
            return 0
        used = np.flatnonzero(_used(claim, self._planned_table))
        return sum(self.planned.keys[i] not in there for i in used)

    def _doubt(self, rows: Results) -> str:
        """Why a verdict on these rows confirms nothing; empty if it may confirm."""
        if getattr(self.study.subject, "made_elsewhere", False):
            return "its models were made elsewhere, before anything was registered here"
        positions, digests = rows["registry_position"], rows["registry_digest"]
        if not made_under(self.marks, positions, digests).all():
            return "its rows were made under another registry"
        first = min(positions, default=-1)
        before = [said for said in self.registrations if said["line"] < first]
        same = [digest_of(said.get("registration")) == self._digest for said in before]
        if not any(same):
            return "it was not said, as it stands, before its first row was made"
        if not same[-1]:
            return (
                "it was changed again before its first row was made, and only what was "
                "said last may confirm"
            )
        repeated = self._same_bits_before(rows, line=before[-1]["line"])
        if repeated:
            return (
                f"{repeated} of its rows have the same bits as rows of the same seed "
                "that were there before it was said; use fresh seeds"
            )
        return ""

    def _before(self, line: int) -> pa.Table:
        """The rows that were there before a line, or may have been."""
        late = self.stored["registry_position"].to_numpy() > line
        return self.stored.filter(pa.array(~(late & self.own)))

    def _same_bits_before(self, rows: Results, *, line: int) -> int:
        """How many rows repeat the bits of a row of their seed from before a line.

        Of diverged models the bits say nothing: two of them are often the same.
        """
        before = self._before(line)
        if "seed" not in before.column_names:
            return 0
        names = ("seed", "artifact_digest", "status")
        there = set(zip(*(before[name].to_pylist() for name in names), strict=True))
        return sum(
            status != "diverged" and (plain(seed), self._bits.get(key), status) in there
            for key, seed, status in zip(
                rows["key"], rows["seed"], rows["status"], strict=True
            )
        )

    def _seen_in_other_cells(self, rows: Results) -> tuple[str, ...]:
        """A note where seeds of a verdict that confirms had rows before it was said."""
        first = min(rows["registry_position"])
        line = max(s["line"] for s in self.registrations if s["line"] < first)
        before = self._before(line)
        if "seed" not in before.column_names:
            return ()
        same = before["subject"].to_numpy() == self.study.subject.name
        there = set(before["seed"].filter(pa.array(same, pa.bool_())).to_pylist())
        seeds = sorted(there & set(map(plain, rows["seed"])))
        if not seeds:
            return ()
        return (
            f"seeds {ranges_in_words(seeds)} were trained in other cells before this "
            "was said; if you looked at them, use fresh seeds",
        )


def _used(claim: Claim, table: Table) -> np.ndarray:
    """The rows of all cells that a claim uses."""
    used = np.zeros(len(table.codes), dtype=bool)
    for part in claim.parts:
        for cell in table.arms(part.estimand):
            used[table.rows_in(cell)] = True
    return used


def ranges_in_words(numbers: Iterable[int]) -> str:
    """Whole numbers in ascending order, runs of them joined.

    >>> ranges_in_words([0, 1, 2, 3, 7, 9])
    '0 to 3, 7, 9'
    """
    runs = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    words = []
    for _, run in runs:
        members = [number for _, number in run]
        joined = f"{members[0]} to {members[-1]}"
        words += [joined] if len(members) > 1 else [str(members[0])]
    return ", ".join(words)
