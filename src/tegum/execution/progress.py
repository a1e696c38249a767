"""How far a run is: what a progress bar needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

TELL_SECONDS = 0.1
"""A progress bar needs no more than ten looks a second."""

Phase = Literal["train", "measure"]


@dataclass(frozen=True)
class Progress:
    """How far one phase is, in rows.

    `done` of `total` rows that were missing when the phase began; `rate` is rows in a
    second so far, `eta_seconds` what is left at the pace of the work so far, None
    before there is one.
    """

    phase: Phase
    done: float
    total: int
    rate: float
    eta_seconds: float | None


Tell = Callable[[Progress], None]


@dataclass
class Meter:
    """Turns finished work into `Progress`, for one phase.

    `work` is the estimated cost of all rows in any unit, and the time left follows from
    it: rows of one design may differ a thousandfold in cost.
    """

    phase: Phase
    total: int
    work: float
    tell: Tell | None
    started: float = field(default_factory=time.monotonic)
    told: float = 0.0
    rows_done: float = 0.0
    work_done: float = 0.0

    def add(self, *, rows: float, work: float) -> None:
        """So many rows and so much work are finished."""
        self.rows_done += rows
        self.work_done += work
        self._show(self.rows_done, self.work_done)

    def within(self, *, rows: float, work: float) -> Callable[[float], None]:
        """Where the finished share of rows that are under way is told."""
        return lambda share: self._show(
            self.rows_done + share * rows, self.work_done + share * work
        )

    def _show(self, rows: float, work: float) -> None:
        now = time.monotonic()
        if self.tell is None or (now - self.told < TELL_SECONDS and rows < self.total):
            return
        self.told, elapsed = now, now - self.started
        rate = rows / elapsed if elapsed > 0 else 0.0
        left = elapsed * (self.work - work) / work if work > 0 else None
        self.tell(Progress(self.phase, rows, self.total, rate, left))
