"""What a scan found, a record for each hook point: for the terminal and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tegum.claims import Verdict
from tegum.claims.regions import jsonable
from tegum.results import Results
from tegum.studies._scan_claims import Scanned, asked_of, statistics_of
from tegum.studies._scan_picture import over_blocks


def point_records(
    results: Results, verdicts: Sequence[Verdict], *, scanned: Scanned
) -> list[dict[str, Any]]:
    """Every point of every model under both statistics, with its verdict.

    `raw` and `rotated` are medians over blocks; `gap` is the median of their difference
    and `[low, high]` the interval of the claim, which holds with all others together.
    """
    found = {asked_of(verdict): verdict for verdict in verdicts}
    records = []
    for statistic in statistics_of(scanned.smallest_gap):
        for digest, points in scanned.points.items():
            raw = over_blocks(results, statistic.raw, model=digest, points=points)
            null = over_blocks(results, statistic.rotated, model=digest, points=points)
            for k, point in enumerate(points):
                records.append(
                    {
                        "statistic": statistic.name,
                        "model": scanned.models[digest],
                        "point": point.name,
                        "kind": point.kind,
                        "layer": point.layer,
                        "raw": jsonable(float(raw.middle[k])),
                        "rotated": jsonable(float(null.middle[k])),
                        **_judged(found[statistic.gap, digest, point.name]),
                    }
                )
    return records


def difference_records(
    verdicts: Sequence[Verdict], *, scanned: Scanned
) -> list[dict[str, Any]]:
    """Every difference of two models' gaps at a point that both have."""
    names = {s.gap: s.name for s in statistics_of(scanned.smallest_gap)}
    records = []
    for verdict in verdicts:
        estimand = verdict.parts[0].estimand
        if estimand.contrast:
            records.append(
                {
                    "statistic": names[estimand.number],
                    "model": scanned.models[str(estimand.treated)],
                    "beside": scanned.models[str(estimand.control)],
                    "point": str(estimand.where["point"][0]),
                    **_judged(verdict),
                }
            )
    return records


def _judged(verdict: Verdict) -> dict[str, Any]:
    part = verdict.parts[0]
    return {
        "gap": jsonable(part.estimate),
        "low": jsonable(part.low),
        "high": jsonable(part.high),
        "verdict": verdict.word,
        "holds": verdict.holds,
        "standing": verdict.standing,
        "blocks": verdict.seeds,
        "planned": verdict.planned,
    }
