"""What a scan found, a record for each hook point: for the terminal and for scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from tegum.activations.measures import merge_blocks, scan_numbers
from tegum.claims import Verdict
from tegum.claims.regions import jsonable
from tegum.results import Results
from tegum.store import Store
from tegum.studies._scan_claims import Scanned, asked_of, statistics_of
from tegum.studies._scan_picture import over_blocks


def point_records(
    results: Results, verdicts: Sequence[Verdict], *, scanned: Scanned, store: Store
) -> list[dict[str, Any]]:
    """Every point of every model under both statistics, with its verdict.

    `raw` and `rotated` are medians over blocks; `gap` is the median of their difference
    and `[low, high]` the interval of the claim, which holds with all others together.
    `whole` is the gap over all blocks merged, in which rarer activations are seen;
    `needs` is the gap that is claimed at the point. None is what was not measured.
    """
    whole = _whole_text(results, store)
    found = {asked_of(verdict): verdict for verdict in verdicts}
    records = []
    for statistic in statistics_of(scanned.smallest_gap):
        for digest, points in scanned.points.items():
            raw = over_blocks(results, statistic.raw, model=digest, points=points)
            null = over_blocks(results, statistic.rotated, model=digest, points=points)
            for k, point in enumerate(points):
                at = (digest, point.name)
                there = at in whole
                needs = scanned.gap_of(statistic, digest, point.name)
                records.append(
                    {
                        "statistic": statistic.name,
                        "model": scanned.models[digest],
                        "point": point.name,
                        "kind": point.kind,
                        "layer": point.layer,
                        "raw": _number(raw.middle[k], there),
                        "rotated": _number(null.middle[k], there),
                        "whole": _number(
                            whole[at][statistic.gap] if there else math.nan, there
                        ),
                        **_judged(
                            found[statistic.gap, digest, point.name],
                            needs=needs,
                            there=there,
                        ),
                    }
                )
    return records


def _whole_text(
    results: Results, store: Store
) -> dict[tuple[str, str], dict[str, float]]:
    """The numbers of each (model, point) over the whole text, its blocks merged."""
    cells = zip(results["key"], results["model"], results["point"], strict=True)
    where = {str(key): (str(model), str(point)) for key, model, point in cells}
    stored = store.rows().filter(pc.field("key").isin(list(where)))
    merged: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for key, artifact in store.artifacts(stored):
        at = where[key]
        both = [merged[at]] if at in merged else []
        merged[at] = merge_blocks([*both, artifact.arrays])
    return {at: scan_numbers(arrays) for at, arrays in merged.items()}


def difference_records(
    verdicts: Sequence[Verdict], *, scanned: Scanned
) -> list[dict[str, Any]]:
    """Every difference of two models' gaps at a point that both have."""
    statistics = {s.gap: s for s in statistics_of(scanned.smallest_gap)}
    records = []
    for verdict in verdicts:
        estimand = verdict.parts[0].estimand
        if estimand.contrast:
            first, other = str(estimand.control), str(estimand.treated)
            point = str(estimand.where["point"][0])
            needs = scanned.difference_of(
                statistics[estimand.number], first, other, point
            )
            records.append(
                {
                    "statistic": statistics[estimand.number].name,
                    "model": scanned.models[other],
                    "beside": scanned.models[first],
                    "point": point,
                    **_judged(verdict, needs=needs, there=verdict.seeds > 0),
                }
            )
    return records


def _number(value: float, there: bool) -> float | str | None:
    """A number for JSON; None where it was not measured."""
    return jsonable(float(value)) if there else None


def _judged(verdict: Verdict, *, needs: float, there: bool) -> dict[str, Any]:
    part = verdict.parts[0]
    return {
        "gap": _number(part.estimate, there),
        "low": jsonable(part.low),
        "high": jsonable(part.high),
        "needs": jsonable(needs),
        "verdict": verdict.word,
        "holds": verdict.holds,
        "standing": verdict.standing,
        "blocks": verdict.seeds,
        "planned": verdict.planned,
    }
