"""Rows made one by one, several at a time: what subjects of single rows share."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence

from tegum.arrays import Artifact, RowsFailed
from tegum.design import Row

POLL_SECONDS = 0.2
ERRORS_SHOWN = 4


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

    def made(row: Row) -> Artifact | str | None:
        if stop():
            return None
        try:
            return make(row)
        except ValueError as error:
            return str(error)

    finished: list[Artifact | None] = [None] * len(rows)
    errors: dict[int, str] = {}
    with concurrent.futures.ThreadPoolExecutor(max(workers, 1)) as pool:
        running = {pool.submit(made, row): k for k, row in enumerate(rows)}
        waiting = set(running)
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                found = future.result()
                if isinstance(found, str):
                    errors[running[future]] = found
                else:
                    finished[running[future]] = found
            progress(1.0 - len(waiting) / len(rows))
    if errors:
        raise _failed(rows, finished, errors, failed)
    return finished


def _failed(
    rows: Sequence[Row],
    finished: list[Artifact | None],
    errors: dict[int, str],
    failed: str,
) -> RowsFailed:
    shown = [f"row {k}: {errors[k]}" for k in sorted(errors)[:ERRORS_SHOWN]]
    more = len(errors) - len(shown)
    tail = f"; and {more} more" if more else ""
    return RowsFailed(
        f"{len(errors)} of {len(rows)} {failed}; the others are kept: "
        f"{'; '.join(shown)}{tail}",
        finished=finished,
        errors=errors,
    )
