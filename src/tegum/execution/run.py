"""Executing a study: what is missing is made, what is there is left alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tegum.arrays import RowsFailed
from tegum.execution.measuring import measure_missing, missing_numbers
from tegum.execution.progress import Tell
from tegum.execution.selection import Selection, select
from tegum.execution.training import train_missing
from tegum.results import (
    MISSING,
    Problem,
    Results,
    check_factors,
    check_names,
    read_results,
)
from tegum.store import Store
from tegum.store.parts import MEASURE_SCHEMA
from tegum.study import Study
from tegum.wording import shortened

MEMORY_SHARE = 0.25
"""The share of the machine's memory that a chunk may take if nothing else is said."""

PASSES = 2
"""A damaged artifact shows when it is measured; a second pass makes it again."""


@dataclass(frozen=True)
class Plan:
    """What `execute` would do: rows, what is there, what is missing, and the time.

    `numbers_missing` counts, for each measure, the models that are there and lack its
    numbers; those of models yet to be trained come on top.
    """

    rows: int
    present: int
    missing: int
    numbers_missing: Mapping[str, int]
    core_seconds: float
    workers: int

    @property
    def wall_seconds(self) -> float:
        """About how long the training takes, shared by the workers."""
        return self.core_seconds / self.workers

    def to_record(self) -> dict[str, Any]:
        """The plan for JSON."""
        return asdict(self) | {"wall_seconds": self.wall_seconds}


def execute(
    study: Study,
    store: Store,
    *,
    design: str = "demo",
    seeds: int | None = None,
    where: Mapping[str, Any] | None = None,
    workers: int | None = None,
    memory_bytes: int | None = None,
    progress: Tell | None = None,
) -> Results:
    """Register a study, train the rows its store lacks, take the numbers it lacks.

    What is in the store is never made again: adding seeds, cells or a measure costs
    only what is new. Rows are trained in chunks of about 15 seconds that take at most
    `memory_bytes` (a quarter of the machine's memory if not given), so that a crash
    costs one chunk. `seeds=N` takes the first N seeds of every cell, or goes on beyond
    them; `where` takes only rows with these levels. `workers` is the number of
    threads, all cores if not given. `progress` is called with a `Progress`.

    A measure that raises costs its own numbers only: see `problems` of the results.

    Raises:
        RowsFailed: rows that could not be trained; all others are stored and measured.
        KeyboardInterrupt: Ctrl-C; what was finished is stored.
        ValueError: an unknown design, factor or level, a row the subject refuses or
            that needs more memory than allowed, or a store that can not be written.
    """
    selection = _checked(study, design, seeds=seeds, where=where)
    count = _workers(workers)
    memory = _memory_bytes(memory_bytes)
    store.sweep()
    store.register(
        {
            "kind": "registration",
            "study": study.name,
            "digest": study.digest(),
            "registration": study.registration(),
        }
    )
    problems: list[Problem] = []
    for _ in range(PASSES):
        failure: RowsFailed | None = None
        try:
            _train(
                study, store, selection, workers=count, memory=memory, progress=progress
            )
        except RowsFailed as failed:
            failure = failed
        problems = _measure(study, store, selection, progress=progress)
        if failure is not None:
            raise failure
        if not results_of(study, store, selection).missing:
            break
    return results_of(study, store, selection, problems=problems)


def load(
    study: Study,
    store: Store,
    *,
    design: str = "demo",
    seeds: int | None = None,
    where: Mapping[str, Any] | None = None,
) -> Results:
    """What the store holds about the rows of a study; nothing is made.

    Raises:
        ValueError: an unknown design, factor or level.
    """
    selection = _checked(study, design, seeds=seeds, where=where)
    return results_of(study, store, selection)


def results_of(
    study: Study,
    store: Store,
    selection: Selection,
    *,
    problems: list[Problem] | None = None,
) -> Results:
    """What the store holds about selected rows."""
    return read_results(
        store,
        selection.rows,
        selection.keys,
        measures=study.measures,
        problems=problems or (),
    )


def plan(
    study: Study,
    store: Store,
    *,
    design: str = "demo",
    seeds: int | None = None,
    where: Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> Plan:
    """What `execute` would do, and about how long it would take.

    Raises:
        ValueError: an unknown design, factor or level.
    """
    selection = _checked(study, design, seeds=seeds, where=where)
    results = results_of(study, store, selection)
    missing = results["status"] == MISSING
    cost = sum(
        float(study.subject.core_seconds(row))
        for row, is_missing in zip(selection.rows, missing, strict=True)
        if is_missing
    )
    lacking = missing_numbers(results, study.measures)
    return Plan(
        rows=len(results),
        present=len(results) - results.missing,
        missing=results.missing,
        numbers_missing={name: len(keys) for name, keys in lacking.items()},
        core_seconds=cost,
        workers=_workers(workers),
    )


MOST_SHOWN = 100
"""So many characters of a measure's parameters stand in a heading."""


def describe(store: Store, key: str) -> dict[str, dict[str, Any]]:
    """One model in words: how it was made, its factors, its numbers, its arrays.

    `key` may be the beginning of a key.

    Raises:
        ValueError: no such model, or several.
    """
    record = store.record_of(key)
    described = {"model": record["row"], "factors": record["factors"]}
    for measure, measurements in record["measures"].items():
        for numbers in measurements:
            about = {n: numbers.pop(n) for n in MEASURE_SCHEMA.names}
            heading = f"{measure}, version {about['version']}"
            if about["parameters"] != "{}":
                heading += f", {shortened(about['parameters'], MOST_SHOWN)}"
            described[heading] = numbers
    artifact = store.artifact(record["row"]["key"])
    described["arrays"] = {
        name: f"{array.dtype} {array.shape}" for name, array in artifact.arrays.items()
    }
    return described


def _checked(
    study: Study,
    design: str,
    *,
    seeds: int | None,
    where: Mapping[str, Any] | None,
) -> Selection:
    selection = select(study, design, seeds=seeds, where=where)
    check_names(tuple(selection.rows[0]), study.measures)
    return selection


def _train(
    study: Study,
    store: Store,
    selection: Selection,
    *,
    workers: int,
    memory: int,
    progress: Tell | None,
) -> None:
    stored = store.rows()
    check_factors(stored, selection.rows, selection.keys)
    there = set(stored["key"].to_pylist())
    missing = [
        row
        for row, key in zip(selection.rows, selection.keys, strict=True)
        if key not in there
    ]
    train_missing(
        study.subject,
        store,
        missing,
        workers=workers,
        memory_bytes=memory,
        progress=progress,
    )


def _measure(
    study: Study, store: Store, selection: Selection, *, progress: Tell | None
) -> list[Problem]:
    rows = dict(zip(selection.keys, selection.rows, strict=True))
    lacking = missing_numbers(results_of(study, store, selection), study.measures)
    return measure_missing(
        store, rows, lacking, measures=study.measures, progress=progress
    )


def _workers(asked: int | None) -> int:
    if asked is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if isinstance(asked, bool) or not isinstance(asked, int) or asked < 1:
        raise ValueError(f"`workers` is {asked!r}; give a whole number from 1")
    return asked


def _memory_bytes(asked: int | None) -> int:
    if asked is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return int(MEMORY_SHARE * memory)
    if asked < 1:
        raise ValueError(
            f"`memory_bytes` is {asked!r}; give a positive number of bytes"
        )
    return int(asked)
