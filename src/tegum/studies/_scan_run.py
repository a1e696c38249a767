"""Carrying a scan out: what is missing is measured, and all of it judged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import RowsFailed
from tegum.claims import Verdict
from tegum.execution import execute, judge, load, plan
from tegum.results import MISSING, Results
from tegum.store import Store
from tegum.studies._scan_table import difference_records, point_records
from tegum.wording import counted

if TYPE_CHECKING:
    from tegum.execution.progress import Tell
    from tegum.studies.scan import Prepared

POINTS_SHOWN = 3
"""Points that failed, each with its reason; a NaN goes on through every layer."""


@dataclass(frozen=True)
class Found:
    """What a scan came to: rows, verdicts, what could not be measured, and the pace."""

    asked: Prepared
    store: Store
    results: Results
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...]
    tokens_measured: int
    seconds: float

    def to_record(self) -> dict[str, Any]:
        """All of it for JSON."""
        scanned, study = self.asked.scanned, self.asked.study
        pace = self.tokens_measured / self.seconds if self.tokens_measured else 0.0
        assert study.answer is not None
        return {
            "study": study.name,
            "question": study.question,
            "answer": study.answer(self.verdicts),
            "models": models_of(self.asked),
            "text": scanned.text,
            "blocks": scanned.blocks,
            "sampled_tokens_of_a_block": scanned.sampled,
            "tokens": scanned.tokens,
            "smallest_gap": scanned.smallest_gap,
            "mode": scanned.mode,
            "points": point_records(
                self.results, self.verdicts, scanned=scanned, store=self.store
            ),
            "differences": difference_records(self.verdicts, scanned=scanned),
            "tokens_measured": self.tokens_measured,
            "tokens_per_second": round(pace, 1),
        }


def models_of(asked: Prepared) -> list[dict[str, Any]]:
    """What is said of each model before and after a scan."""
    return [
        {
            "label": model.label,
            "source": model.source,
            "digest": model.key,
            "points": len(asked.scanned.points[model.key]),
            "parameters": model.n_parameters,
            "dtype": model.dtype,
            "device": str(model.device),
            "came_in": model.came_in,
        }
        for model in asked.subject.models
    ]


def outline(
    asked: Prepared, store: Store, *, workers: int | None = None
) -> Mapping[str, Any]:
    """What a scan would measure, and about how long it would take."""
    planned = plan(asked.study, store, workers=workers)
    return {
        "study": asked.study.name,
        "models": models_of(asked),
        "text": asked.scanned.text,
        "tokens": asked.scanned.tokens,
        "blocks": asked.scanned.blocks,
        "claims": len(asked.study.claims),
        **planned.to_record(),
    }


def carried_out(
    asked: Prepared,
    store: Store,
    *,
    workers: int | None = None,
    progress: Tell | None = None,
) -> Found:
    """Measure what is missing, judge it, and keep what could be measured.

    Points that can not be measured are told in `problems`; the others are judged.

    Raises:
        RowsFailed: nothing at all could be measured.
        KeyboardInterrupt: Ctrl-C; what was finished is stored.
        ValueError: a store that can not be written.
    """
    before = load(asked.study, store)
    started, problems = time.monotonic(), ()
    try:
        results = execute(asked.study, store, workers=workers, progress=progress)
        problems = tuple(results.problem_lines())
    except RowsFailed as failed:
        results = load(asked.study, store)
        if results.missing == len(results):
            raise ValueError(_said(failed)) from None
        rest = counted(len(results) - results.missing, "row")
        problems = (f"{_said(failed)}; the other {rest} are in the store",)
    seconds = time.monotonic() - started
    came = (before["status"] == MISSING) & (results["status"] != MISSING)
    tokens = round(asked.tokens_per_row * int(np.sum(came)))
    verdicts = judge(asked.study, store)
    return Found(asked, store, results, verdicts, problems, tokens, seconds)


def _said(failed: RowsFailed) -> str:
    """Why rows failed, on one line: a reason for each of the first points."""
    points: dict[str, list[str]] = {}
    for reason in failed.errors.values():
        points.setdefault(reason.partition(": ")[0], []).append(reason)
    told = []
    for reasons in list(points.values())[:POINTS_SHOWN]:
        others = counted(len(reasons) - 1, "further block")
        told.append(reasons[0] + (f", and so in {others}" if len(reasons) > 1 else ""))
    left = len(points) - POINTS_SHOWN
    if left > 0:
        told.append(f"and {counted(left, 'further point')}")
    rows = counted(len(failed.errors), "row")
    return f"{rows} could not be measured: {'; '.join(told)}"


__all__ = ["Found", "carried_out", "outline"]
