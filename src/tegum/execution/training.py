"""Training what is missing, in chunks that bound memory and what a crash can cost."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tegum.arrays import Artifact, RowsFailed
from tegum.design import Row
from tegum.execution.progress import Meter, Tell
from tegum.store import Provenance, Store, model_keys
from tegum.study import Subject
from tegum.wording import value_label

CHUNK_SECONDS = 15.0
"""About how long a chunk takes: what a kill or a power cut can cost at most."""

FIRST_CHUNK_SECONDS = 3.0
"""The first chunk is shorter: it shows how far the estimate of the cost is off."""

FIRST_CHUNK_ROWS_PER_WORKER = 32
"""And it is small, in case the estimate is far too low."""

LEAST_COST = 1e-4
"""In seconds: no row is free, whatever its subject says."""

ERRORS_SHOWN = 4


@dataclass
class Pace:
    """How many real seconds an estimated core-second takes, learned chunk by chunk."""

    seconds: float = FIRST_CHUNK_SECONDS
    wall_for_estimate: float = 1.0
    learned: bool = False

    def most_rows(self, workers: int) -> int | None:
        """How many rows a chunk may hold; None for any number."""
        return None if self.learned else FIRST_CHUNK_ROWS_PER_WORKER * workers

    def learn(self, *, wall: float, estimate: float) -> None:
        """Take note of a chunk that was run; later ones aim at `CHUNK_SECONDS`."""
        self.seconds, self.learned = CHUNK_SECONDS, True
        if estimate > 0.0:
            self.wall_for_estimate = max(wall / estimate, 1e-6)


@dataclass
class Interruption:
    """A Ctrl-C that waits until the finished rows are stored; a second one does not."""

    asked: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Take note of SIGINT in place of raising at once, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: Any) -> None:
            if self.asked.is_set():
                raise KeyboardInterrupt
            self.asked.set()

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def train_missing(
    subject: Subject,
    store: Store,
    rows: Sequence[Row],
    *,
    workers: int,
    memory_bytes: int,
    progress: Tell | None,
) -> None:
    """Train rows that the store lacks and append them, chunk by chunk.

    Chunks follow the seeds, so that a run cut short leaves whole seeds behind. What
    comes of a row does not depend on its chunk: that is the row law.

    Raises:
        RowsFailed: rows that could not be trained; all others are in the store.
        KeyboardInterrupt: after what was finished has been stored.
        ValueError: a row that alone needs more than the memory allowed.
    """
    costs = [max(float(subject.core_seconds(row)), LEAST_COST) for row in rows]
    sizes = [int(subject.memory_bytes(row)) for row in rows]
    _refuse_giants(rows, sizes, memory_bytes)
    waiting = sorted(range(len(rows)), key=lambda i: rows[i]["seed"])
    meter = Meter("train", len(rows), sum(costs), progress)
    pace, interruption, errors = Pace(), Interruption(), {}
    with interruption.heard():
        while waiting:
            chunk = _next_chunk(
                waiting, costs, sizes, pace, workers=workers, memory_bytes=memory_bytes
            )
            del waiting[: len(chunk)]
            started = time.monotonic()
            failed = _train_chunk(
                subject,
                store,
                [rows[i] for i in chunk],
                costs=[costs[i] for i in chunk],
                workers=workers,
                meter=meter,
                interruption=interruption,
            )
            if interruption.asked.is_set():
                raise KeyboardInterrupt
            errors |= {chunk[i]: text for i, text in failed.items()}
            estimate = sum(costs[i] for i in chunk) / workers
            pace.learn(wall=time.monotonic() - started, estimate=estimate)
    if errors:
        raise _rows_failed(rows, errors)


def _next_chunk(
    waiting: Sequence[int],
    costs: Sequence[float],
    sizes: Sequence[int],
    pace: Pace,
    *,
    workers: int,
    memory_bytes: int,
) -> list[int]:
    """The next rows that fit the memory and the time of one chunk.

    A chunk holds a row for each worker even where that takes longer.
    """
    chunk: list[int] = []
    memory, seconds = 0, 0.0
    for position in waiting[: pace.most_rows(workers)]:
        memory += sizes[position]
        seconds += costs[position] / workers * pace.wall_for_estimate
        if chunk and memory > memory_bytes:
            break
        if len(chunk) >= workers and seconds > pace.seconds:
            break
        chunk.append(position)
    return chunk


def _train_chunk(
    subject: Subject,
    store: Store,
    rows: Sequence[Row],
    *,
    costs: Sequence[float],
    workers: int,
    meter: Meter,
    interruption: Interruption,
) -> dict[int, str]:
    """Train one chunk and store what was finished; what failed, by position."""
    registry_position = store.registry_length()
    errors: dict[int, str] = {}
    started = time.monotonic()
    try:
        with _folders(subject, store, rows) as asked:
            finished: Any = subject.train(
                rows,
                workers=workers,
                progress=meter.within(rows=len(rows), work=sum(costs)),
                stop=interruption.asked.is_set,
                **asked,
            )
    except RowsFailed as failed:
        finished, errors = failed.finished, dict(failed.errors)
    except KeyboardInterrupt as interrupt:
        finished = getattr(interrupt, "finished", [None] * len(rows))
        interruption.asked.set()
    wall = time.monotonic() - started
    _refuse_strange(finished, subject, rows)
    kept = [i for i, found in enumerate(finished) if found is not None]
    kept_cost = sum(costs[i] for i in kept)
    store.add_artifacts(
        subject,
        [rows[i] for i in kept],
        [found for found in finished if found is not None],
        provenance=Provenance.of(subject),
        registry_position=registry_position,
        wall_seconds=[wall * costs[i] / kept_cost for i in kept],
    )
    if interruption.asked.is_set():
        return errors
    meter.add(rows=len(rows), work=sum(costs))
    nothing = "the subject returned nothing for it"
    return {
        i: errors.get(i, nothing) for i, found in enumerate(finished) if found is None
    }


@contextlib.contextmanager
def _folders(
    subject: Subject, store: Store, rows: Sequence[Row]
) -> Iterator[dict[str, Any]]:
    """A folder for each row, where the subject wants them."""
    if not getattr(subject, "wants_folders", False):
        yield {}
        return
    with store.folders(model_keys(subject, rows)) as folders:
        yield {"folders": folders}


def _refuse_strange(finished: Any, subject: Subject, rows: Sequence[Row]) -> None:
    """Refuse what is not one artifact or None for each row.

    Raises:
        ValueError: naming the subject, what came and what is expected.
    """
    expected = "return a list with an Artifact for each row, None where there is none"
    if not isinstance(finished, list | tuple):
        raise ValueError(
            f"the subject `{subject.name}` returned a {type(finished).__name__} from "
            f"`train`; {expected}"
        )
    if len(finished) != len(rows):
        raise ValueError(
            f"the subject `{subject.name}` returned {len(finished)} artifacts for "
            f"{len(rows)} rows; {expected}"
        )
    for row, found in zip(rows, finished, strict=True):
        if found is not None and not isinstance(found, Artifact):
            raise ValueError(
                f"the subject `{subject.name}` returned a {type(found).__name__} for "
                f"the row {dict(row)}; {expected}"
            )


def _refuse_giants(
    rows: Sequence[Row], sizes: Sequence[int], memory_bytes: int
) -> None:
    largest = max(range(len(rows)), key=sizes.__getitem__, default=None)
    if largest is not None and sizes[largest] > memory_bytes:
        raise ValueError(
            f"the row {dict(rows[largest])} needs about {sizes[largest] / 1e9:.2g} GB, "
            f"and `memory_bytes` allows {memory_bytes / 1e9:.2g} GB; raise "
            "`memory_bytes`, or keep fewer checkpoints or smaller sizes"
        )


def _rows_failed(rows: Sequence[Row], errors: Mapping[int, str]) -> RowsFailed:
    varying = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if len({repr(row.get(name)) for row in rows}) > 1
    ]
    shown = [
        f"{_named(rows[position], varying)}: {text}"
        for position, text in list(errors.items())[:ERRORS_SHOWN]
    ]
    more = len(errors) - len(shown)
    others = len(rows) - len(errors)
    kept = f"the other {others} are" if others else "nothing new is"
    return RowsFailed(
        f"{len(errors)} of {len(rows)} rows could not be made; {kept} in the "
        "store:\n  " + "\n  ".join(shown) + (f"\n  and {more} more" if more else ""),
        finished=[None] * len(rows),
        errors=errors,
    )


def _named(row: Row, varying: Sequence[str]) -> str:
    """A row by what tells it from the others, such as `rate=0.5, seed=3`."""
    told = [f"{name}={value_label(row[name])}" for name in varying if name in row]
    return ", ".join(told) or "the only row"
