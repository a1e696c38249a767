"""Rows made one by one, several at a time: what subjects of single rows share."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tegum.arrays import Artifact, RowsFailed, stream_key
from tegum.design import Row

POLL_SECONDS = 0.2
SHARE_SECONDS = 0.5
"""How often a row's process tells how far it is."""

GRACE_SECONDS = 0.8
"""How long a row's process that hears a stop may take to save what it has."""

ERRORS_SHOWN = 4
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Outcome = Artifact | str | None
"""What a row came to: its artifact, what went wrong in words, or cut short."""


@dataclass(frozen=True)
class Share:
    """How much of a row is done, in [0, 1]."""

    done: float


Make = Callable[[Row, Callable[[float], None], Callable[[], bool]], Outcome]
"""Makes a row; it is handed where to tell its share done, and what asks it to stop."""

_REFUSALS = (ValueError, RuntimeError, ArithmeticError, OSError, MemoryError)
"""What libraries raise about one row; anything else is a mistake of the program."""


def each_row(
    rows: Sequence[Row],
    make: Callable[[Row], Artifact | None],
    *,
    workers: int,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
    failed: str,
) -> list[Artifact | None]:
    """What `make` gives for every row, in order; None for those that `stop` cut short.

    `make` runs in threads, and refuses a row by a ValueError; `failed` says in a few
    words what could not be done.

    Raises:
        RowsFailed: rows that were refused; the others are finished.
    """

    def made(row: Row) -> Outcome:
        if stop():
            return None
        try:
            return make(row)
        except ValueError as error:
            return str(error)

    outcomes: list[Outcome] = [None] * len(rows)
    with concurrent.futures.ThreadPoolExecutor(max(workers, 1)) as pool:
        running = {pool.submit(made, row): k for k, row in enumerate(rows)}
        waiting = set(running)
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                outcomes[running[future]] = future.result()
            progress(1.0 - len(waiting) / len(rows))
    return finished_rows(outcomes, failed=failed)


def finished_rows(outcomes: Sequence[Outcome], *, failed: str) -> list[Artifact | None]:
    """The artifacts among outcomes; `failed` says what the others could not do.

    Raises:
        RowsFailed: some rows were refused; it carries the others.
    """
    errors = {k: text for k, text in enumerate(outcomes) if isinstance(text, str)}
    finished = [None if isinstance(o, str) else o for o in outcomes]
    if not errors:
        return finished
    shown = [f"row {k}: {errors[k]}" for k in sorted(errors)[:ERRORS_SHOWN]]
    more = len(errors) - len(shown)
    tail = f"; and {more} more" if more else ""
    raise RowsFailed(
        f"{len(errors)} of {len(outcomes)} {failed}; the others are kept: "
        f"{'; '.join(shown)}{tail}",
        finished=finished,
        errors=errors,
    )


def one_after_the_other(
    rows: Sequence[Row],
    make: Make,
    *,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
) -> list[Outcome]:
    """Make the rows in this process, on one thread of its numerical libraries."""
    outcomes: list[Outcome] = [None] * len(rows)
    with one_thread():
        for position, row in enumerate(rows):
            if stop():
                break

            def tell(share: float, before: int = position) -> None:
                progress((before + share) / len(rows))

            outcomes[position] = _refusal_as_text(make, row, tell, stop)
            if outcomes[position] is not None:
                tell(1.0)
    return outcomes


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for libraries loaded later, and for PyTorch if it is loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    if torch:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(threads)


def in_processes(
    rows: Sequence[Row],
    make: Make,
    *,
    workers: int,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
    hears_stop: bool = False,
) -> list[Outcome]:
    """Make each row in a forked process of its own, `workers` at a time.

    Each process has one thread of PyTorch and BLAS, and global generators that start
    from the row's seed. A process that dies costs its own row only. When `stop` is
    heard, processes are ended at once; with `hears_stop` each is asked first, has
    `GRACE_SECONDS` to save what it has, and is ended then.

    PyTorch may have been used in this process before, with any number of threads, but
    not on a GPU: what has touched CUDA can not be forked.

    Raises:
        ValueError: a system that can not fork.
    """
    outcomes: list[Outcome] = [None] * len(rows)
    shares = [0.0] * len(rows)
    waiting = list(enumerate(rows))[::-1]
    running: dict[Any, tuple[int, Any]] = {}
    try:
        while (waiting or running) and not stop():
            while waiting and len(running) < max(workers, 1):
                position, row = waiting.pop()
                receiver, process = _fork(make, row, hears_stop=hears_stop)
                running[receiver] = (position, process)
            told = list(shares)
            for receiver in multiprocessing.connection.wait(
                list(running), timeout=POLL_SECONDS
            ):
                position, process = running[receiver]
                found = _received(receiver, process)
                if isinstance(found, Share):
                    shares[position] = found.done
                    continue
                del running[receiver]
                shares[position] = 1.0
                outcomes[position] = found
                progress(sum(shares) / len(rows))
                told = list(shares)
            if shares != told:
                progress(sum(shares) / len(rows))
    finally:
        _end([process for _, process in running.values()], graceful=hears_stop)
        for receiver in running:
            receiver.close()
    return outcomes


def _end(processes: Sequence[Any], *, graceful: bool) -> None:
    """Ask processes to end, and end those that do not."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        if graceful:
            process.join(max(deadline - time.monotonic(), 0.0))
            process.kill()
        process.join()


def _fork(make: Make, row: Row, *, hears_stop: bool) -> tuple[Any, Any]:
    if "fork" not in multiprocessing.get_all_start_methods():
        raise ValueError(
            "this system can not fork a process for each row; a FunctionSubject runs "
            "here with `in_process=True`, other subjects on Linux or macOS"
        )
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    args = (make, dict(row), sender, hears_stop)
    process = context.Process(target=_child, args=args)
    with warnings.catch_warnings():
        # Python warns of forking beside threads. The child uses none of theirs: it has
        # one thread of its own, and libraries that lock reset themselves at a fork.
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
        process.start()
    sender.close()
    return receiver, process


def _child(make: Make, row: Row, sender: Any, hears_stop: bool) -> None:
    """The life of a row's own process: seed, run, send, end.

    Ctrl-C reaches it too; it leaves that to its parent, who ends it with a SIGTERM.
    """
    asked = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hears_stop:
        signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    else:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    key = stream_key(int(row["seed"]), "global")
    random.seed(key)
    np.random.seed(key % 2**32)  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(1)
        torch.manual_seed(key % 2**63)
    parent, told = os.getppid(), time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        if time.monotonic() - told >= SHARE_SECONDS:
            told = time.monotonic()
            sender.send(Share(share))

    def stop() -> bool:
        # A parent that was killed can not ask: its child goes on for nobody.
        return asked.is_set() or os.getppid() != parent

    try:
        sender.send(_refusal_as_text(make, row, tell, stop))
        sender.close()
    except BrokenPipeError:
        pass  # nobody is left to hear


def _refusal_as_text(
    make: Make, row: Row, tell: Callable[[float], None], stop: Callable[[], bool]
) -> Outcome:
    try:
        return make(row, tell, stop)
    except BrokenPipeError:
        raise
    except _REFUSALS as error:
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        return f"{kind}{error}"


def _received(receiver: Any, process: Any) -> Outcome | Share:
    """What a row's process sent, or how it died."""
    try:
        found = receiver.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        code = process.exitcode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        found = f"its process died with {how} before it returned anything"
    if not isinstance(found, Share):
        receiver.close()
        process.join()
    return found


__all__ = [
    "each_row",
    "finished_rows",
    "in_processes",
    "one_after_the_other",
    "one_thread",
]
