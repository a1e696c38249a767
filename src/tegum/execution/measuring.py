"""Taking the numbers that are missing from the artifacts that are there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.execution.progress import Meter, Tell
from tegum.measures.facts import Measure
from tegum.results import MISSING, Problem, Results
from tegum.store import Store

FLUSH_SECONDS = 10.0
"""How much measuring a kill can cost at most."""


@dataclass
class Pending:
    """Numbers that were taken and are not in the store yet, by measure."""

    store: Store
    measures: Sequence[Measure]
    taken: dict[str, list[tuple[str, str, Mapping[str, float]]]] = field(
        default_factory=dict
    )
    since: float = field(default_factory=time.monotonic)

    def add(
        self, measure: Measure, key: str, digest: str, found: Mapping[str, float]
    ) -> None:
        """Keep the numbers of one artifact, and write when it is time."""
        self.taken.setdefault(measure.name, []).append((key, digest, found))
        if time.monotonic() - self.since > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Append everything taken so far to the store."""
        for measure in self.measures:
            taken = self.taken.pop(measure.name, [])
            self.store.add_numbers(
                measure,
                [key for key, _, _ in taken],
                [digest for _, digest, _ in taken],
                [found for _, _, found in taken],
            )
        self.since = time.monotonic()


def missing_numbers(
    results: Results, measures: Sequence[Measure]
) -> dict[str, set[str]]:
    """For each measure, the keys of models that are there and lack its numbers."""
    there = results["status"] != MISSING
    return {
        measure.name: set(
            results["key"][there & ~results[f"{measure.name}_measured"]].tolist()
        )
        for measure in measures
    }


def measure_missing(
    store: Store,
    rows: Mapping[str, Row],
    missing: Mapping[str, set[str]],
    *,
    measures: Sequence[Measure],
    progress: Tell | None,
) -> list[Problem]:
    """Take every missing number; returns what could not be taken.

    `rows` maps keys to completed rows. What was taken is kept even if this is cut
    short.
    """
    wanted = set().union(*missing.values())
    if not wanted:
        return []
    stored = store.rows().filter(pc.field("key").isin(list(wanted)))
    taken_of = (stored[name].to_pylist() for name in ("key", "artifact_digest"))
    digests = dict(zip(*taken_of, strict=True))
    meter = Meter("measure", len(wanted), len(wanted), progress)
    problems: list[Problem] = []
    pending = Pending(store, measures)
    try:
        for key, artifact in store.artifacts(stored):
            for measure in measures:
                if key not in missing[measure.name]:
                    continue
                found = _numbers_or_error(measure, artifact, rows[key])
                if isinstance(found, str):
                    problems.append(Problem(measure.name, key, rows[key], found))
                else:
                    pending.add(measure, key, digests[key], found)
            meter.add(rows=1, work=1)
    finally:
        pending.flush()
    return problems


def _numbers_or_error(
    measure: Measure, artifact: Artifact, row: Row
) -> dict[str, float] | str:
    """The numbers of one artifact; an error comes back as its text.

    This is the one place here where any exception is caught: a measure may be a
    stranger's, the numbers beside it must not be lost, and the text is reported.
    """
    try:
        return measure(artifact, row)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


__all__ = ["measure_missing", "missing_numbers"]
