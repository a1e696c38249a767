"""What is drawn of one number: its median over the seeds of each cell, with intervals.

Intervals here are pointwise, each for one cell alone, and describe; the verdicts rest
on the simultaneous intervals of the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.report.encode import number, numbers
from tegum.report.frame import Frame
from tegum.statistics import median_interval

POINTWISE_LEVEL = 0.95


def series(
    values: Float[ndarray, " row"],
    measured: Bool[ndarray, " row"],
    layout: Frame,
    *,
    resolution: float,
    declared_range: tuple[float, float],
) -> dict[str, Any]:
    """One number over all cells: as it is, and as a change from the control level.

    `value` and `change` each hold median, low and high for every cell; `seeds` holds
    every seed's number in the order of the cell's seeds, `undefined` and `missing`
    how many seeds had no number and why.
    """
    rows_of = [list(cell.rows) for cell in layout.cells]
    seeds = [
        [number(float(values[row])) if measured[row] else None for row in rows]
        for rows in rows_of
    ]
    found: dict[str, Any] = {
        "value": _summaries(
            [values[rows][measured[rows]] for rows in rows_of],
            resolution=resolution,
            declared_range=declared_range,
        ),
        "seeds": seeds,
        "undefined": [row.count("NaN") for row in seeds],
        "missing": [row.count(None) for row in seeds],
    }
    if layout.x is not None:
        widest = declared_range[1] - declared_range[0]
        found["change"] = _summaries(
            paired_changes(values, measured, layout),
            resolution=resolution,
            declared_range=(-widest, widest),
        )
    return found


def paired_changes(
    values: Float[ndarray, " row"], measured: Bool[ndarray, " row"], layout: Frame
) -> list[Float[ndarray, " _"]]:
    """For each cell, each seed's number minus the control cell's, where both are."""
    assert layout.x is not None
    by_place = {cell.at: cell for cell in layout.cells}
    changes = []
    for cell in layout.cells:
        place = (*cell.at[: layout.x], layout.control, *cell.at[layout.x + 1 :])
        control = by_place.get(place)
        base = dict(zip(control.seeds, control.rows, strict=True)) if control else {}
        pairs = [
            (row, base[seed])
            for seed, row in zip(cell.seeds, cell.rows, strict=True)
            if seed in base and measured[row] and measured[base[seed]]
        ]
        here, there = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        with np.errstate(invalid="ignore"):
            changes.append(values[here] - values[there])
    return changes


def _summaries(
    samples: Sequence[Float[ndarray, " _"]],
    *,
    resolution: float,
    declared_range: tuple[float, float],
) -> Mapping[str, list[Any]]:
    """Median and interval of each sample; NaN if undefined, null if not measured."""
    rows: list[tuple[float | None, float | None, float | None]] = []
    for sample in samples:
        finite = sample[np.isfinite(sample)]
        if finite.size:
            middle = float(np.median(finite))
            low, high = median_interval(
                finite, level=POINTWISE_LEVEL, resolution=resolution
            )
            if math.isfinite(high - low):
                low = max(low, min(declared_range[0], middle))
                high = min(high, max(declared_range[1], middle))
            rows.append((middle, low, high))
        else:
            nothing = math.nan if sample.size else None
            rows.append((nothing, nothing, nothing))
    medians, lows, highs = zip(*rows, strict=True) if rows else ((), (), ())
    return {"median": numbers(medians), "low": numbers(lows), "high": numbers(highs)}
