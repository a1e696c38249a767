"""The one verdict rule, from rows to words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from tegum.claims.check import require_ratio
from tegum.claims.claim import Claim, Part, PartVerdict, Verdict, Word
from tegum.claims.estimands import conditions_in_words
from tegum.claims.paired import Sample, sample_of
from tegum.claims.table import Table
from tegum.design import unknown
from tegum.statistics import (
    EVERYWHERE,
    Interval,
    clopper_pearson,
    fewest_seeds,
    median_interval,
    seeds_needed,
    seeds_needed_for_share,
    simultaneous_level,
)

PLANNING_POWER = 0.8
"""The chance of a decision at which `seeds_needed` of a verdict aims."""


@dataclass(frozen=True)
class _Bench:
    """What every part is held against."""

    table: Table
    columns: Mapping[str, Float[ndarray, " row"]]
    ranges: Mapping[str, tuple[float, float]]
    resolutions: Mapping[str, float]
    level: float
    level_next: float


def judge(
    claims: Sequence[Claim],
    columns: Mapping[str, Any],
    *,
    alpha: float,
    planned_seeds: Mapping[str, int],
    ranges: Mapping[str, tuple[float, float]],
    resolutions: Mapping[str, float],
    convergence: tuple[str, float] | None = None,
    factors: Iterable[str] | None = None,
    made: Bool[ndarray, " row"] | None = None,
    alpha_next: float | None = None,
) -> tuple[Verdict, ...]:
    """Hold each claim against the rows: supported, refuted or undecided.

    Each of the K parts of all claims gets an exact interval at level `1 - alpha / K`.
    A claim is supported if every part's interval lies inside its region, refuted if
    some part's lies wholly outside, undecided otherwise. P(any wrong supported or
    refuted) <= alpha, for whatever law the seeds follow.

    `columns` has one entry for each row: factors, `seed` among them, and numbers, in
    which NaN means undefined or missing. `factors` names the factors; without it they
    are all columns that `ranges` does not name. `made` is False for rows that are
    planned and not there yet: a seed counts from its first row that is made, and what
    it still lacks is missing. `ranges` and `resolutions` are those declared for each
    number. `convergence` is a number and the limit which, in the median over seeds, it
    must not exceed in any cell that a claim uses; else the claim stays undecided.
    `alpha_next` is the alpha of the next look, at which `seeds_needed` aims.

    Raises:
        ValueError: an unknown factor or number, a factor that nothing fixes, two
            claims of one name, no planned seeds for a claim, or a value outside the
            range declared for its number.
    """
    if not claims:
        return ()
    names = [claim.name for claim in claims]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two claims are called {', '.join(twice)}; rename one")
    parts = sum(len(claim.parts) for claim in claims)
    numbers = {name: columns[name] for name in ranges if name in columns}
    factors = [n for n in columns if n not in ranges] if factors is None else factors
    bench = _Bench(
        Table.from_columns(columns, factors=factors, made=made),
        {name: np.asarray(v, dtype=np.float64) for name, v in numbers.items()},
        ranges,
        resolutions,
        simultaneous_level(alpha, parts=parts),
        simultaneous_level(alpha if alpha_next is None else alpha_next, parts=parts),
    )
    if convergence is not None and convergence[0] not in columns:
        raise ValueError(unknown(convergence[0], columns, what="number"))
    slow = _Convergence(bench.table, columns, convergence)
    return tuple(
        _judge_claim(claim, bench, slow, planned_seeds=planned_seeds)
        for claim in claims
    )


@dataclass(frozen=True)
class _Convergence:
    """The limit of the convergence law, and the rows it is asked of."""

    table: Table
    columns: Mapping[str, Any]
    limit: tuple[str, float] | None

    def reasons(self, claim: Claim) -> list[str]:
        """The cells of a claim that miss the limit, in words."""
        if self.limit is None:
            return []
        number, limit = self.limit
        values = np.asarray(self.columns[number], dtype=np.float64)
        reasons = []
        for part in claim.parts:
            for cell in self.table.arms(part.estimand):
                present = self.table.seeds_in(cell)
                if not present.any():
                    continue
                seeds = self.table.by_seed(values, cell)[present]
                middle = float(np.median(np.where(np.isnan(seeds), np.inf, seeds)))
                words = conditions_in_words(cell)
                if not middle <= limit:
                    lost = "not measured or diverged"
                    shown = lost if math.isinf(middle) else f"{middle:.3g}"
                    reasons.append(
                        f"not converged at {words}: {number} is {shown} in the median "
                        f"over seeds, and the limit is {limit:g}"
                    )
        return list(dict.fromkeys(reasons))


def _judge_claim(
    claim: Claim,
    bench: _Bench,
    slow: _Convergence,
    *,
    planned_seeds: Mapping[str, int],
) -> Verdict:
    """One claim: its parts, its word, and what would decide it."""
    if claim.name not in planned_seeds:
        raise ValueError(
            f"planned_seeds has no entry for the claim `{claim.name}`; give the number "
            "of seeds that was registered"
        )
    samples = []
    for part in claim.parts:
        try:
            samples.append(_sample(part, bench))
        except ValueError as error:
            raise ValueError(f"the claim `{claim.name}`: {error}") from None
    parts = tuple(
        _judge_part(part, sample, bench)
        for part, sample in zip(claim.parts, samples, strict=True)
    )
    unconverged = slow.reasons(claim)
    word = "undecided" if unconverged else _word([part.word for part in parts])
    needed, reasons = None, ()
    if word == "undecided":
        reasons = (*unconverged, *(_reason(p, len(parts)) for p in parts if p.reason))
        if not unconverged:
            needed = _seeds_needed(samples, parts, bench.level_next)
    seeds, planned = min(p.seeds for p in parts), planned_seeds[claim.name]
    return Verdict(
        claim,
        word,
        "" if word == "undecided" else _holds(claim, parts),
        parts,
        seeds,
        planned,
        needed,
        reasons,
        "interim" if seeds < planned else "exploratory",
    )


def _word(words: Sequence[Word]) -> Word:
    if "refuted" in words:
        return "refuted"
    return "supported" if set(words) == {"supported"} else "undecided"


def _holds(claim: Claim, parts: Sequence[PartVerdict]) -> str:
    """The name of the region that contains the interval of a claim with one part."""
    if len(parts) > 1:
        return ""
    for region in (parts[0].region, *claim.rivals):
        if region.contains(parts[0].low, parts[0].high):
            return region.name
    return ""


def _sample(part: Part, bench: _Bench) -> Sample:
    estimand = part.estimand
    for kind, known in (
        ("number", bench.columns),
        ("declared range of a number", bench.ranges),
        ("declared resolution of a number", bench.resolutions),
    ):
        if estimand.number not in known:
            raise ValueError(unknown(estimand.number, known, what=kind))
    declared = bench.ranges[estimand.number]
    require_ratio(estimand, declared)
    return sample_of(
        estimand,
        bench.table,
        bench.columns[estimand.number],
        declared_range=declared,
        resolution=bench.resolutions[estimand.number],
    )


def _judge_part(part: Part, sample: Sample, bench: _Bench) -> PartVerdict:
    """One part: estimate, simultaneous interval, word, and the reason if undecided."""
    estimate, interval = _interval(part, sample, bench.level)
    word: Word = "undecided"
    if part.region.contains(*interval):
        word = "supported"
    elif part.region.excludes(*interval):
        word = "refuted"
    missing = int(np.isnan(sample.values).sum())
    reason = ""
    if word == "undecided":
        reason = _why(part, sample, interval, bench.level)
    return PartVerdict(
        part.estimand,
        part.region,
        estimate,
        *interval,
        bench.level,
        sample.values.size,
        missing,
        word,
        reason,
    )


def _interval(part: Part, sample: Sample, level: float) -> tuple[float, Interval]:
    there = sample.values[~np.isnan(sample.values)]
    if there.size == 0:
        return math.nan, Interval(*EVERYWHERE)
    if part.estimand.kind == "proportion":
        inside = int(sample.inside(part.estimand.region).sum())
        missing = sample.values.size - there.size
        low, _ = clopper_pearson(inside, sample.values.size, level=level)
        _, high = clopper_pearson(inside + missing, sample.values.size, level=level)
        return inside / there.size, Interval(low, high)
    interval = median_interval(
        sample.values,
        level=level,
        declared_range=sample.declared_range,
        resolution=sample.resolution,
    )
    return float(np.median(there)), interval


def _why(part: Part, sample: Sample, interval: Interval, level: float) -> str:
    """In words, what keeps a part undecided."""
    n = sample.values.size
    missing = int(np.isnan(sample.values).sum())
    if sample.empty_cells:
        return f"no row at {sample.empty_cells[0]}"
    if n == 0:
        return "no seed has a row yet"
    if missing == n:
        return f"{part.estimand.number} is undefined or missing for all {n} seeds"
    if interval == EVERYWHERE:
        return (
            f"{n} seeds are too few for an interval at level {level:.6g}; it needs "
            f"{fewest_seeds(level)}"
        )
    reason = (
        f"the interval [{interval.low:.4g}, {interval.high:.4g}] is neither inside nor "
        f"outside the region ({part.region.describe()})"
    )
    if missing:
        reason += f"; {missing} of {n} seeds are missing and may lie anywhere"
    return reason


def _reason(part: PartVerdict, parts: int) -> str:
    return f"{part.estimand.describe()}: {part.reason}" if parts > 1 else part.reason


def _seeds_needed(
    samples: Sequence[Sample], parts: Sequence[PartVerdict], level: float
) -> int | None:
    """About how many seeds would decide a claim, one way or the other.

    Supported needs every part inside its region, with the failures added up; refuted
    needs one part outside. The smaller of the two; None where the data lie at an edge
    of both.
    """
    power = 1.0 - (1.0 - PLANNING_POWER) / len(parts)
    inside, outside = [], []
    for sample, part in zip(samples, parts, strict=True):
        gaps = part.region.gaps()
        if sample.empty_cells or np.isnan(sample.values).all():
            inside.append(None)
            continue
        inside.append(
            _fewest(sample, part, part.region.intervals, level=level, power=power)
        )
        outside.append(
            _fewest(
                sample,
                part,
                [_open(low, high) for low, high in gaps],
                level=level,
                power=PLANNING_POWER,
            )
        )
    ways = [n for n in outside if n is not None]
    supporting = [n for n in inside if n is not None]
    if len(supporting) == len(parts):
        ways.append(max(supporting))
    seeds = min(part.seeds for part in parts)
    return max(min(ways), seeds + 1) if ways else None


def _open(low: float, high: float) -> tuple[float, float]:
    """The largest closed interval of floats within an open one."""
    return (
        low if math.isinf(low) else math.nextafter(low, math.inf),
        high if math.isinf(high) else math.nextafter(high, -math.inf),
    )


def _fewest(
    sample: Sample,
    part: PartVerdict,
    intervals: Sequence[tuple[float, float]],
    *,
    level: float,
    power: float,
) -> int | None:
    """The fewest seeds with which the interval is likely to fit into one of several."""
    least, most = sample.declared_range
    found = []
    for low, high in intervals:
        if part.estimand.kind == "proportion":
            inside = int(sample.inside(part.estimand.region).sum())
            there = int((~np.isnan(sample.values)).sum())
            found.append(
                seeds_needed_for_share(
                    inside, there, low=low, high=high, level=level, power=power
                )
            )
        else:
            found.append(
                seeds_needed(
                    sample.values,
                    low=low if low > least else -math.inf,
                    high=high if high < most else math.inf,
                    level=level,
                    power=power,
                )
            )
    return min((n for n in found if n is not None), default=None)
