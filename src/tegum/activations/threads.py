"""Passes in threads: several blocks of a text at once, each on one thread of torch."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tegum.activations.layouts import Point
from tegum.activations.libraries import library
from tegum.activations.models import OpenedModel
from tegum.activations.passes import Found, OutOfMemory, Pass, Readers, run
from tegum.parallel import one_thread

POLL_SECONDS = 0.2


@dataclass(eq=False)
class Work:
    """How much there is to do, and how much is done, by whatever thread."""

    total: int
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    halted: threading.Event = field(default_factory=threading.Event)

    def tell(self, tokens: int) -> None:
        """Another batch was read."""
        with self.lock:
            self.done += 1

    @property
    def share(self) -> float:
        """The share that is done."""
        return self.done / max(self.total, 1)


def in_threads(
    group: Sequence[Pass],
    readers: Readers,
    work: Work,
    *,
    workers: int,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
) -> Iterator[tuple[Pass, dict[Point, Found] | str]]:
    """What the passes of one model find, as they end; those halted are left out."""

    def one(asked: Pass) -> dict[Point, Found] | str | None:
        try:
            return run(asked, readers, halted=work.halted.is_set, told=work.tell)
        except (ValueError, RuntimeError, TypeError, IndexError, OutOfMemory) as error:
            return _said(asked, error)

    first = group[0]
    alone = first.row["mode"] == "train" or not _thread_safe(first.model)
    with (
        one_thread(),
        concurrent.futures.ThreadPoolExecutor(
            1 if alone else max(workers, 1), initializer=_use_one_thread
        ) as pool,
    ):
        waiting = {pool.submit(one, asked): asked for asked in group}
        try:
            while waiting:
                done, _ = concurrent.futures.wait(
                    waiting, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED
                )
                if stop():
                    work.halted.set()
                for future in done:
                    asked, found = waiting.pop(future), future.result()
                    if found is not None:
                        yield asked, found
                progress(work.share)
        finally:
            if waiting:
                work.halted.set()


def _thread_safe(model: OpenedModel) -> bool:
    """Whether several threads may run a model: a stranger's may write to itself."""
    return model.family != "other" and model.device.type == "cpu"


def _use_one_thread() -> None:
    library("torch").set_num_threads(1)


def _said(asked: Pass, error: Exception) -> str:
    if isinstance(error, OutOfMemory):
        return str(error)
    lines = str(error).strip().splitlines() or [""]
    return (
        f"{asked.model.label} could not read block {asked.row['seed']} of "
        f"{asked.text.label}: {type(error).__name__}: {lines[0]}"
    )
