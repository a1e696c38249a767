"""From rows to one number a seed: pairing, averaging over cells, what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats

from tegum.claims.estimands import Estimand, conditions_in_words
from tegum.claims.regions import Region
from tegum.claims.table import Arms, Table
from tegum.statistics import EVERYWHERE, slope_weights


@dataclass(frozen=True)
class Column:
    """A number of every row, NaN where it is missing, and what is declared of it."""

    name: str
    values: Float[ndarray, " row"]
    declared_range: tuple[float, float]
    resolution: float


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
    columns: Mapping[str, Column],
) -> Sample:
    """The values of an estimand, one for each seed, from the numbers that it needs.

    Only finite numbers count as values: a model that diverged gives none.

    Raises:
        ValueError: an unknown factor, or one that nothing fixes.
    """
    present = table.seeds_of(table.cells_of(estimand))
    first, *second = (
        _sample_of_term(term, table, columns, present=present)
        for term in estimand.terms
    )
    if not second:
        return first
    found = _divided if estimand.kind == "paired_ratio" else _subtracted
    return replace(
        found(first, second[0]),
        empty_cells=first.empty_cells + second[0].empty_cells,
        broken=first.broken or second[0].broken,
        undefined=first.undefined or second[0].undefined,
        tied=table.tied(estimand),
    )


def _subtracted(first: Sample, second: Sample) -> Sample:
    """A sample minus another, seed by seed."""
    (least, most), (low, high) = first.declared_range, second.declared_range
    return Sample(
        first.values - second.values,
        (least - high, most - low),
        first.resolution + second.resolution,
    )


def _divided(first: Sample, second: Sample) -> Sample:
    """A sample of ratios over another, seed by seed; undefined over 0.

    A step in either moves the quotient r by `(first step + r second step) / second`,
    to first order.
    """
    below = np.where(second.values > 0, second.values, np.nan)
    found = first.values / below
    steps = (first.resolution + found * second.resolution) / below
    there = steps[np.isfinite(steps)]
    step = float(np.median(there)) if there.size else first.resolution
    (least, most), (low, high) = first.declared_range, second.declared_range
    bounded = low > 0 and math.isfinite(high) and math.isfinite(most)
    spread = (least / high, most / low) if bounded else (0.0, math.inf)
    return Sample(found, spread, step)


def _sample_of_term(
    estimand: Estimand,
    table: Table,
    columns: Mapping[str, Column],
    *,
    present: Bool[ndarray, " seed"],
) -> Sample:
    number = columns[estimand.number]
    other = None if estimand.other is None else columns[estimand.other]
    arms = table.arms(estimand)
    cells = list(arms)
    empty = tuple(
        conditions_in_words(cell) for cell in cells if table.rows_in(cell).size == 0
    )
    if estimand.kind == "slope" and len(arms.levels) < 2:
        lacking = f"two or more levels of {estimand.factor}"
        nothing = np.full(int(present.sum()), np.nan)
        return Sample(nothing, EVERYWHERE, number.resolution, (lacking,))
    data = _by_cell(table, number, arms)[:, :, present]
    broken, undefined = _outside(number, data), _undefined(estimand, data)
    if other is None:
        found, step = _per_seed(estimand, arms, data, number.resolution)
    else:
        beside = _by_cell(table, other, arms)[:, :, present]
        ranked = _ranks(data[0], number), _ranks(beside[0], other)
        found, step = _rank_correlations(*ranked)
        broken = broken or _outside(other, beside)
        undefined = _unordered(number, ranked[0]) or _unordered(other, ranked[1])
    return Sample(
        np.where(np.isfinite(found), found, np.nan),
        _range_of(estimand, arms, number.declared_range),
        step,
        empty,
        broken,
        undefined,
        table.tied(estimand),
    )


def _by_cell(
    table: Table, number: Column, arms: Arms
) -> Float[ndarray, "arm cell seed"]:
    """What is finite of a number, in every cell of every arm."""
    data = [[table.by_seed(number.values, c) for c in arm] for arm in arms.cells]
    return np.where(np.isfinite(data), data, np.nan)


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


def _ranks(
    values: Float[ndarray, "cell seed"], number: Column
) -> Float[ndarray, "cell seed"]:
    """Mean ranks of the cells, from 1, those closer than the resolution tied.

    The resolution is the smallest difference that the number can show, so counts one
    apart are two ranks. NaN in all cells of a seed that lacks one.
    """
    order = np.argsort(values, axis=0, kind="stable")
    ascending = np.take_along_axis(values, order, axis=0)
    apart = np.diff(ascending, axis=0) >= number.resolution * (1.0 - 1e-9)
    group = np.concatenate([np.zeros((1, values.shape[1])), apart.cumsum(axis=0)])
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, stats.rankdata(group, axis=0), axis=0)
    return np.where(np.isnan(values).any(axis=0), np.nan, ranks)


def _rank_correlations(
    first: Float[ndarray, "cell seed"], second: Float[ndarray, "cell seed"]
) -> tuple[Float[ndarray, " seed"], float]:
    """Correlations of ranks over cells, and what exchanging two neighbours makes."""
    cells = len(first)
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    spread = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    spread = np.where(spread > 0, spread, np.nan)
    found = (first * second).sum(axis=0) / spread
    return np.clip(found, -1.0, 1.0), 12.0 / (cells * (cells**2 - 1.0))


def _unordered(number: Column, ranks: Float[ndarray, "cell seed"]) -> str:
    """That a number orders no cells in some seeds."""
    equal = int((np.ptp(ranks, axis=0) == 0).sum())
    if equal == 0:
        return ""
    return (
        f"`{number.name}` is the same in all cells in {equal} of {ranks.shape[1]} "
        "seeds, where a rank correlation is undefined"
    )


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
    if estimand.kind == "rank_correlation":
        return -1.0, 1.0
    return declared_range


def _outside(number: Column, data: Float[ndarray, "arm cell seed"]) -> str:
    """That a value lies outside its declared range by more than the resolution.

    The ends of that range are where missing values enter: if it is wrong, so are they.
    """
    (least, most), step = number.declared_range, number.resolution
    outside = (data < least - step) | (data > most + step)
    if not outside.any():
        return ""
    return (
        f"`{number.name}` is {data[outside][0]:g} in a row, and its declared range "
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
