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
from tegum.claims.given import require_once
from tegum.claims.paired import Column, Sample, sample_of
from tegum.claims.planning import fewest_to_decide
from tegum.claims.reasons import why_undecided
from tegum.claims.table import Table
from tegum.design import unknown
from tegum.statistics import (
    EVERYWHERE,
    Interval,
    clopper_pearson,
    median_interval,
    simultaneous_level,
)

PLANNING_POWER = 0.8
"""The chance of a decision at which `seeds_needed` of a verdict aims."""

DIVERGED = "diverged"
"""The number that a row keeps although it diverged."""


@dataclass(frozen=True)
class _Bench:
    """What every part is held against."""

    table: Table
    numbers: Mapping[str, Float[ndarray, " row"]]
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
    diverged: Bool[ndarray, " row"] | None = None,
    alpha_next: float | None = None,
) -> tuple[Verdict, ...]:
    """Hold each claim against the rows: supported, refuted or undecided.

    Each of the K parts of all claims gets an exact interval at level `1 - alpha / K`.
    A claim is supported if every part's interval lies inside its region, refuted if
    some part's lies wholly outside, undecided otherwise. P(any wrong supported or
    refuted) <= alpha, for whatever law the seeds follow.

    `columns` has one entry for each row: factors, `seed` among them, and numbers, in
    which NaN means undefined or missing. `factors` names the factors; without it they
    are all columns that `ranges` does not name.

    `made` says that the rows are all those planned, and is False for those not there
    yet: a seed that is planned in every cell of a part counts from its first row that
    is made, and what it still lacks is missing. Without `made`, every row is there and
    a seed counts that has one in any cell. `diverged` is True for rows whose numbers
    say nothing, whatever a measure made of them: they are missing, except a number
    that is itself called `diverged`.

    `ranges` and `resolutions` are those declared for each number. `convergence` is a
    number and the limit within which, on either side of 0, its median over seeds must
    lie in every cell that a claim uses; else the claim stays undecided.
    `alpha_next` is the alpha of the next look, at which `seeds_needed` aims.

    Raises:
        ValueError: an unknown factor or number, a factor that nothing fixes, two
            claims of one name, or no planned seeds for a claim.
    """
    if not claims:
        return ()
    bench = _bench(
        claims,
        columns,
        ranges=ranges,
        resolutions=resolutions,
        alphas=(alpha, alpha if alpha_next is None else alpha_next),
        factors=factors,
        made=made,
        diverged=diverged,
        also=convergence[:1] if convergence else (),
    )
    if convergence is not None and convergence[0] not in bench.numbers:
        raise ValueError(unknown(convergence[0], columns, what="number"))
    slow = _Convergence(bench.table, bench.numbers, convergence)
    return tuple(
        _judge_claim(claim, bench, slow, planned_seeds=planned_seeds)
        for claim in claims
    )


def plan_seeds(
    claims: Sequence[Claim],
    pilot: Mapping[str, Any],
    *,
    alpha: float,
    power: float,
    ranges: Mapping[str, tuple[float, float]],
    resolutions: Mapping[str, float],
    factors: Iterable[str] | None = None,
    diverged: Bool[ndarray, " row"] | None = None,
) -> dict[str, int | None]:
    """For each claim, how many seeds would decide it with the wanted power.

    `pilot` holds the columns of a few seeds that will not enter the claim. `alpha` is
    that of the planned look, for the whole family: `extra_look_alpha(alpha, 1)`. None
    where the pilot lies at an edge of a region, or says nothing.

    Raises:
        ValueError: as `judge` does.
    """
    bench = _bench(
        claims,
        pilot,
        ranges=ranges,
        resolutions=resolutions,
        alphas=(alpha, alpha),
        factors=factors,
        made=None,
        diverged=diverged,
        also=(),
    )
    return {
        claim.name: fewest_to_decide(
            claim.parts, _samples(claim, bench), level=bench.level, power=power
        )
        for claim in claims
    }


def _bench(
    claims: Sequence[Claim],
    columns: Mapping[str, Any],
    *,
    ranges: Mapping[str, tuple[float, float]],
    resolutions: Mapping[str, float],
    alphas: tuple[float, float],
    factors: Iterable[str] | None,
    made: Bool[ndarray, " row"] | None,
    diverged: Bool[ndarray, " row"] | None,
    also: Sequence[str],
) -> _Bench:
    """Index the rows and share the error among all parts."""
    require_once((claim.name for claim in claims), what="claims")
    asked = (*ranges, *also)
    if factors is None:
        factors = [name for name in columns if name not in asked]
    parts = sum(len(claim.parts) for claim in claims)
    level, level_next = (simultaneous_level(a, parts=parts) for a in alphas)
    return _Bench(
        Table.from_columns(columns, factors=factors, made=made),
        {n: _without(diverged, columns[n], n) for n in asked if n in columns},
        ranges,
        resolutions,
        level,
        level_next,
    )


@dataclass(frozen=True)
class _Convergence:
    """The limit of the convergence law, and the rows it is asked of."""

    table: Table
    numbers: Mapping[str, Float[ndarray, " row"]]
    limit: tuple[str, float] | None

    def reasons(self, claim: Claim) -> list[str]:
        """The cells of a claim that miss the limit, in words."""
        if self.limit is None:
            return []
        number, limit = self.limit
        values = self.numbers[number]
        reasons = []
        for part in claim.parts:
            for cell in self.table.cells_of(part.estimand):
                present = self.table.seeds_in(cell)
                if not present.any():
                    continue
                middle = median_farthest_from_0(
                    self.table.by_seed(values, cell)[present]
                )
                if not abs(middle) <= limit:
                    lost = "undefined, not measured or diverged"
                    shown = lost if math.isinf(middle) else f"{middle:.3g}"
                    side = "-" if -math.inf < middle < 0 else ""
                    reasons.append(
                        f"not converged{_at(cell)}: {number} is {shown} in the median "
                        f"over seeds, and the limit is {side}{limit:g}"
                    )
        return list(dict.fromkeys(reasons))


def median_farthest_from_0(values: Float[ndarray, " seed"]) -> float:
    """The median farthest from 0 that values which are not finite could give."""
    there = np.isfinite(values)
    ends = [float(np.median(np.where(there, values, e))) for e in (np.inf, -np.inf)]
    return max(ends, key=abs)


def _at(cell: Mapping[str, Any]) -> str:
    return f" at {conditions_in_words(cell)}" if cell else ""


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
    samples = _samples(claim, bench)
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
            needed = fewest_to_decide(
                claim.parts, samples, level=bench.level_next, power=PLANNING_POWER
            )
    seeds, planned = min(p.seeds for p in parts), planned_seeds[claim.name]
    if needed is not None:
        needed = max(needed, seeds + 1)
    return Verdict(
        claim,
        word,
        "" if word == "undecided" else _holds(claim, parts),
        parts,
        seeds,
        planned,
        needed,
        tuple(dict.fromkeys((*reasons, *(n for p in parts for n in p.notes)))),
        "interim" if seeds < planned else "exploratory",
    )


def _without(
    diverged: Bool[ndarray, " row"] | None, column: Any, name: str
) -> Float[ndarray, " row"]:
    """A number of every row, NaN where the row diverged."""
    values = np.asarray(column, dtype=np.float64)
    if diverged is None or name == DIVERGED:
        return values
    return np.where(diverged, np.nan, values)


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


def _samples(claim: Claim, bench: _Bench) -> list[Sample]:
    try:
        return [_sample(part, bench) for part in claim.parts]
    except ValueError as error:
        raise ValueError(f"the claim `{claim.name}`: {error}") from None


def _sample(part: Part, bench: _Bench) -> Sample:
    estimand = part.estimand
    for kind, known in (
        ("number", bench.numbers),
        ("declared range of a number", bench.ranges),
        ("declared resolution of a number", bench.resolutions),
    ):
        for number in estimand.numbers:
            if number not in known:
                raise ValueError(unknown(number, known, what=kind))
    for term in estimand.terms:
        require_ratio(term, bench.ranges[term.number])
    columns = {
        n: Column(n, bench.numbers[n], bench.ranges[n], bench.resolutions[n])
        for n in estimand.numbers
    }
    return sample_of(estimand, bench.table, columns)


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
        reason = why_undecided(part, sample, interval, bench.level)
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
        sample.tied,
    )


def _interval(part: Part, sample: Sample, level: float) -> tuple[float, Interval]:
    there = sample.values[~np.isnan(sample.values)]
    if there.size == 0:
        return math.nan, Interval(*EVERYWHERE)
    if sample.broken:
        return float(np.median(there)), Interval(*EVERYWHERE)
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


def _reason(part: PartVerdict, parts: int) -> str:
    return f"{part.estimand.describe()}: {part.reason}" if parts > 1 else part.reason
