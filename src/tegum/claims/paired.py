"""From rows to one number a seed: pairing, averaging over cells, what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.claims.estimands import Estimand, conditions_in_words
from tegum.claims.regions import Region
from tegum.claims.table import Arms, Table
from tegum.statistics import EVERYWHERE, slope_weights


@dataclass(frozen=True)
class Sample:
    """One value for each seed that counts (`Table.seeds_of`); NaN where it is missing.

    `declared_range` and `resolution` are those of the estimand. `empty_cells` says in
    words which cells no row fills, `broken` why nothing can be said of these values,
    `undefined` why some of them are missing although the number is there, and `tied`
    what else differs between the arms.
    """

    values: Float[ndarray, " seed"]
    declared_range: tuple[float, float]
    resolution: float
    empty_cells: tuple[str, ...] = ()
    broken: str = ""
    undefined: str = ""
    tied: tuple[str, ...] = ()

    def inside(self, region: Region | None) -> Bool[ndarray, " seed"]:
        """For each seed, whether its value lies in a region; False where missing."""
        assert region is not None
        return region.holds(self.values)


def sample_of(
    estimand: Estimand,
    table: Table,
    values: Float[ndarray, " row"],
    *,
    declared_range: tuple[float, float],
    resolution: float,
) -> Sample:
    """The values of an estimand, one for each seed.

    Only finite numbers count as values: a model that diverged gives none.

    Raises:
        ValueError: an unknown factor, or one that nothing fixes.
    """
    arms = table.arms(estimand)
    cells = list(arms)
    empty = tuple(
        conditions_in_words(cell) for cell in cells if table.rows_in(cell).size == 0
    )
    present = table.seeds_of(cells)
    if estimand.kind == "slope" and len(arms.levels) < 2:
        lacking = f"two or more levels of {estimand.factor}"
        nothing = np.full(int(present.sum()), np.nan)
        return Sample(nothing, EVERYWHERE, resolution, (lacking,))
    data = np.array([[table.by_seed(values, c) for c in arm] for arm in arms.cells])
    data = np.where(np.isfinite(data), data, np.nan)[:, :, present]
    found, step = _per_seed(estimand, arms, data, resolution)
    return Sample(
        np.where(np.isfinite(found), found, np.nan),
        _range_of(estimand, arms, declared_range),
        step,
        empty,
        _outside(estimand, data, declared_range, resolution),
        _undefined(estimand, data),
        table.tied(estimand),
    )


def _per_seed(
    estimand: Estimand,
    arms: Arms,
    data: Float[ndarray, "arm cell seed"],
    resolution: float,
) -> tuple[Float[ndarray, " seed"], float]:
    """The value of each seed, and the smallest difference that it can show."""
    step = resolution / data.shape[1]
    if estimand.kind == "paired_difference":
        return (data[0] - data[1]).mean(axis=0), step
    if estimand.kind == "paired_ratio":
        return _ratios(data[0], data[1], resolution)
    if estimand.kind == "slope":
        weights = slope_weights(np.array(arms.levels))
        return weights @ data.mean(axis=1), step * float(np.abs(weights).max())
    return data[0].mean(axis=0), step


def _ratios(
    treated: Float[ndarray, "cell seed"],
    control: Float[ndarray, "cell seed"],
    resolution: float,
) -> tuple[Float[ndarray, " seed"], float]:
    """Geometric means of the ratios over cells, and what a step in a number makes.

    A step in treated or control moves their ratio r by `(1 + r) * resolution /
    control`, to first order.
    """
    control = np.where(control > 0, control, np.nan)
    treated = np.maximum(treated, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        ratios = np.exp(np.log(treated / control).mean(axis=0))
        steps = ((1.0 + treated / control) * resolution / control).mean(axis=0)
    there = np.isfinite(ratios) & np.isfinite(steps)
    ratios = np.where(there, ratios, np.nan)
    if not there.any():
        return ratios, resolution
    smallest = np.finfo(np.float64).tiny
    return ratios, max(float(np.median(steps[there])), smallest)


def _range_of(
    estimand: Estimand, arms: Arms, declared_range: tuple[float, float]
) -> tuple[float, float]:
    """Where an estimand can lie, given where its number can."""
    least, most = declared_range
    if estimand.kind == "paired_difference":
        return least - most, most - least
    if estimand.kind == "paired_ratio":
        if most == 0.0:
            return 0.0, math.inf
        bounded = math.isfinite(most) and least > 0.0
        return (least / most, most / least) if bounded else (0.0, math.inf)
    if estimand.kind == "slope":
        weights = slope_weights(np.array(arms.levels))
        reach = (most - least) * float(weights[weights > 0].sum())
        return -reach, reach
    return declared_range


def _outside(
    estimand: Estimand,
    data: Float[ndarray, "arm cell seed"],
    declared_range: tuple[float, float],
    resolution: float,
) -> str:
    """That a value lies outside its declared range by more than the resolution.

    The ends of that range are where missing values enter: if it is wrong, so are they.
    """
    least, most = declared_range
    outside = (data < least - resolution) | (data > most + resolution)
    if not outside.any():
        return ""
    return (
        f"`{estimand.number}` is {data[outside][0]:g} in a row, and its declared range "
        f"is [{least:g}, {most:g}]; correct the range that the measure declares, or "
        "the measure"
    )


def _undefined(estimand: Estimand, data: Float[ndarray, "arm cell seed"]) -> str:
    """That a ratio has a control of 0."""
    if estimand.kind != "paired_ratio":
        return ""
    zero = int((data[1] <= 0).any(axis=0).sum())
    if zero == 0:
        return ""
    return (
        f"`{estimand.number}` at {estimand.factor} {estimand.control} is 0 in {zero} "
        f"of {data.shape[2]} seeds, where a ratio to it is undefined"
    )
