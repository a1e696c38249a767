"""What is claimed of every hook point of a scan, and the answer put together of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tegum.claims import (
    Claim,
    Estimand,
    Part,
    Region,
    Verdict,
    above,
    below,
    between,
    level,
    paired_difference,
)
from tegum.statistics import extra_look_alpha, fewest_seeds, simultaneous_level
from tegum.studies._scan_beforehand import FEWEST_SAMPLED, Calibration
from tegum.studies._scan_chance import gap_by_chance, spreads_by_chance
from tegum.wording import counted, listed

if TYPE_CHECKING:
    from tegum.activations import Point

FEWEST_UNITS = 8
"""Of fewer units no gap can be told from chance."""

ALPHA = 0.05
"""P(any wrong verdict) over all points, both statistics and all models of a scan."""


NO_GAP = "no gap worth claiming"
BY_CHANCE = "no gap beyond chance"
"""What holds where a gap is smaller than asked, or than a basis at random may have."""


@dataclass(frozen=True)
class Statistic:
    """One of the two questions asked of a point, and its numbers in the measure.

    `rotated` is a number, or the difference of two.
    """

    name: str
    over: str
    raw: str
    rotated: str
    gap: str
    reason: str
    by_chance: str


@dataclass(frozen=True)
class Scanned:
    """What a scan is of, as its claims, texts and pictures say it.

    `models` maps the digest of each model, as it stands in the rows, to its label for
    people; `points` are the hook points of each model, in the order of the forward
    pass. `put_into_eval` are the labels of models that came in train mode and were put
    into eval mode for the scan. `calibration` is what was read of each (model, point)
    beforehand. `blocks` and `tokens` are those of the text; a block has `sampled`
    tokens that are rotated `rotations` times, in the mean.
    """

    models: dict[str, str]
    points: dict[str, tuple[Point, ...]]
    text: str
    blocks: int
    tokens: int
    smallest_gap: float
    calibration: Calibration
    sampled: int
    rotations: int
    mode: str = "eval"
    put_into_eval: tuple[str, ...] = ()

    @property
    def shared(self) -> tuple[Point, ...]:
        """The points that every model has, in the order of the first."""
        return _shared(self.points)

    @property
    def asked(self) -> int:
        """How many claims there are, each a chance for a basis at random."""
        return asked_of_points(self.points)

    @property
    def long_enough(self) -> bool:
        """Whether a block has tokens enough for "no gap" per unit to be said."""
        return self.sampled >= FEWEST_SAMPLED

    def gap_of(self, statistic: Statistic, model: str, point: str) -> float:
        """The smallest gap that is claimed at a point, rounded up to hundredths.

        At least what one basis at random reaches by chance: with probability 0.05 over
        all claims of the scan together.
        """
        return max(self.smallest_gap, _up(self._chance(statistic, model, point)))

    def difference_of(
        self, statistic: Statistic, first: str, other: str, point: str
    ) -> float:
        """The smallest difference of two models' gaps that is claimed at a point.

        At least what two bases at random, one for each model, differ by: the root of
        the sum of the squares of what each reaches alone.
        """
        each = [self._chance(statistic, model, point) for model in (first, other)]
        return max(self.smallest_gap, _up(math.hypot(*each)))

    def _chance(self, statistic: Statistic, model: str, point: str) -> float:
        """What a basis at random reaches on either side; 0 where it is not known."""
        at, chance = (model, point), ALPHA / self.asked / 2.0
        width = self.calibration.widths.get(at, 0)
        if width < FEWEST_UNITS:
            return 0.0
        if statistic.name == "per vector":
            return gap_by_chance(width, chance=chance)
        spread = self.calibration.spreads.get(at, math.nan)
        if math.isnan(spread):
            return 0.0
        times = spreads_by_chance(width, chance=chance, bases=self.calibration.bases)
        return spread * times * math.sqrt(1.0 + 1.0 / self.rotations)


def asked_of_points(points: Mapping[str, Sequence[Point]]) -> int:
    """How many claims are made of the points of each model, by either statistic."""
    alone = sum(map(len, points.values()))
    return 2 * (alone + len(_shared(points)) * (len(points) - 1))


def _shared(points: Mapping[str, Sequence[Point]]) -> tuple[Point, ...]:
    first, *rest = points.values()
    names = [{point.name for point in each} for each in rest]
    return tuple(p for p in first if all(p.name in there for there in names))


def _up(gap: float) -> float:
    return math.ceil(100 * gap) / 100 if math.isfinite(gap) else gap


def outlier_size(gap: float, *, width: int) -> float:
    """How far one unit must stand out for the vectors to be so heavy-tailed.

    The r at which Gaussian coordinates, one of them r times as large as the other
    m - 1, have the per-vector excess kurtosis `3 m (m - 1 + r^4) / (m - 1 + r^2)^2 - 3`
    (for large m). Dimensionless, from 1.

    >>> round(outlier_size(0.5, width=768), 1)
    3.5
    """
    m, a = width, 1.0 + gap / 3.0
    root = math.sqrt(a**2 * (m - 1) ** 2 - (m - a) * (m - 1) * (m - a * (m - 1)))
    return math.sqrt((a * (m - 1) + root) / (m - a))


def degrees_of_freedom(gap: float) -> float:
    """The degrees of freedom at which Student's t has this excess kurtosis.

    `4 + 6 / gap`: 16 at 0.5, and ever more, up to a Gaussian, as the gap goes to 0.
    """
    return 4.0 + 6.0 / gap


def statistics_of(smallest_gap: float) -> tuple[Statistic, Statistic]:
    """Both statistics, with why the smallest gap is worth claiming."""
    size = outlier_size(smallest_gap, width=768)
    freedom = degrees_of_freedom(smallest_gap)
    return (
        Statistic(
            "per vector",
            "across the coordinates of a vector",
            "excess_kurtosis_per_vector",
            "excess_kurtosis_per_vector - gap_per_vector",
            "gap_per_vector",
            f"{smallest_gap:g} is what one unit among 768 Gaussian ones adds when it "
            f"is {size:.2g} times as large as the others; trained models are reported "
            "with tens and more.",
            "where all vectors lie along one direction",
        ),
        Statistic(
            "per unit",
            "over the tokens of a unit",
            "sample_excess_kurtosis_per_unit",
            "rotated_excess_kurtosis_per_unit",
            "gap_per_unit",
            f"{smallest_gap:g} is the excess kurtosis of Student's t with "
            f"{freedom:.3g} degrees of freedom; a rotation mixes the units.",
            "on sequences that were read beforehand",
        ),
    )


def claims_of(scanned: Scanned) -> list[Claim]:
    """A claim for each point and statistic, and with two models for each difference."""
    claims = []
    for statistic in statistics_of(scanned.smallest_gap):
        for digest in scanned.models:
            claims += [
                _privileged(point, statistic, scanned, digest=digest)
                for point in scanned.points[digest]
            ]
        first, *others = scanned.models
        for other in others:
            claims += [
                _differs(point, statistic, scanned, first=first, other=other)
                for point in scanned.shared
            ]
    return claims


def _privileged(
    point: Point, statistic: Statistic, scanned: Scanned, *, digest: str
) -> Claim:
    label = scanned.models[digest]
    gap = scanned.gap_of(statistic, digest, point.name)
    several = len(scanned.models) > 1
    before, of = (f"{label}: ", f" of {label}") if several else ("", "")
    where = {"model": digest, "point": point.name}
    return Claim(
        f"{before}{point.name} {statistic.name}",
        f"At {point.name}{of} the basis is privileged: excess kurtosis "
        f"{statistic.over}{_within(statistic, scanned)} exceeds that of a basis at "
        f"random by at least {gap:g}.",
        [Part(level(statistic.gap, where=where), above(gap, "privileged"))],
        reason=statistic.reason
        if gap == scanned.smallest_gap
        else f"{gap:g} is what a basis at random reaches by chance "
        f"{statistic.by_chance}, with probability {ALPHA:g} over all claims.",
        source="",
        rivals=_rivals(
            statistic,
            scanned,
            between(-gap, gap, NO_GAP if gap == scanned.smallest_gap else BY_CHANCE),
            below(-gap, "lighter than its rotations"),
        ),
    )


def _rivals(
    statistic: Statistic, scanned: Scanned, nothing: Region, lighter: Region
) -> list[Region]:
    """The other regions; that nothing is there takes blocks that would show it."""
    told = statistic.name == "per vector" or scanned.long_enough
    return [nothing, lighter] if told else [lighter]


def _within(statistic: Statistic, scanned: Scanned) -> str:
    """Of what the number is, where that depends on how long blocks are."""
    if statistic.name == "per vector":
        return ""
    return f" in blocks of about {scanned.sampled:,} tokens"


def _differs(
    point: Point, statistic: Statistic, scanned: Scanned, *, first: str, other: str
) -> Claim:
    gap = scanned.difference_of(statistic, first, other, point.name)
    old, new = scanned.models[first], scanned.models[other]
    asked = paired_difference(
        statistic.gap,
        factor="model",
        treated=other,
        control=first,
        where={"point": point.name},
    )
    return Claim(
        f"{point.name} {statistic.name}: {new} beside {old}",
        f"At {point.name} the gap {statistic.over} of {new}"
        f"{_within(statistic, scanned)} is larger than that of {old} by at least "
        f"{gap:g}, block by block.",
        [Part(asked, above(gap, "larger"))],
        reason=f"{gap:g} is the smallest gap worth claiming, hence the smallest "
        "difference of gaps."
        if gap == scanned.smallest_gap
        else f"{gap:g} is what two bases at random, one for each model, differ by, "
        f"with probability {ALPHA:g} over all claims.",
        source="",
        rivals=_rivals(
            statistic, scanned, between(-gap, gap, "alike"), below(-gap, "smaller")
        ),
    )


def blocks_needed(claims: int) -> int:
    """How many blocks a scan must have for any of its claims to be decided.

    The planned look has 0.8 of alpha, shared equally by the claims (Bonferroni).

    >>> blocks_needed(26), blocks_needed(80), blocks_needed(240)
    (11, 12, 14)
    """
    level = simultaneous_level(extra_look_alpha(ALPHA, 1), parts=claims)
    return fewest_seeds(level)


def answer_of(verdicts: Sequence[Verdict], scanned: Scanned) -> str:
    """What the verdicts say together, each statistic and each model in a sentence."""
    standings = {verdict.standing for verdict in verdicts}
    parts = []
    if "interim" in standings:
        parts.append("So far, with blocks still to come.")
    elif "exploratory" in standings:
        parts.append("Not all of it was said beforehand.")
    silent = False
    for statistic in statistics_of(scanned.smallest_gap):
        asked = [v for v in verdicts if asked_of(v)[0] == statistic.gap]
        for digest, label in scanned.models.items():
            own = [v for v in asked if asked_of(v)[1] == digest]
            if own:
                parts.append(_of_model(own, statistic, label))
                silent |= any(v.holds in (NO_GAP, BY_CHANCE) for v in own)
        first = next(iter(scanned.models))
        for digest, label in scanned.models.items():
            pairs = [v for v in asked if _estimand(v).treated == digest]
            if pairs:
                parts.append(_of_pair(pairs, label, scanned.models[first]))
    if not scanned.long_enough:
        parts.append(
            f"Per unit a block has about {scanned.sampled:,} tokens, too few to say "
            "that there is no gap."
        )
    if silent:
        parts.append("Where there is no gap, a privileged basis is not ruled out.")
    if scanned.put_into_eval:
        came = listed(scanned.put_into_eval)
        parts.append(f"Handed over in train mode and scanned in eval mode: {came}.")
    return " ".join(parts)


def _of_model(verdicts: Sequence[Verdict], statistic: Statistic, label: str) -> str:
    """What came of one statistic at all points of one model."""
    found = [v for v in verdicts if v.holds == "privileged"]
    total = counted(len(verdicts), "point")
    said = f"{statistic.over.capitalize()} the basis of {label} is privileged "
    if found:
        top = max(found, key=lambda v: v.parts[0].estimate)
        part = top.parts[0]
        said += (
            f"at {len(found)} of {total}, most at {asked_of(top)[2]} (gap "
            f"{part.estimate:.3g} [{part.low:.3g}, {part.high:.3g}])"
        )
    else:
        said += f"at none of {total if len(verdicts) > 1 else 'its points'}"
    return said + _rest(
        verdicts,
        {
            NO_GAP: f"{NO_GAP} at",
            BY_CHANCE: f"{BY_CHANCE} at",
            "lighter than its rotations": "lighter than its rotations at",
        },
    )


def _of_pair(verdicts: Sequence[Verdict], new: str, old: str) -> str:
    """What came of the differences of two models at all points they share."""
    larger = sum(v.holds == "larger" for v in verdicts)
    total = counted(len(verdicts), "point")
    said = f"The gap of {new} is larger than that of {old} at {larger} of {total}"
    return said + _rest(verdicts, {"alike": "alike at", "smaller": "smaller at"})


def _rest(verdicts: Sequence[Verdict], phrases: dict[str, str]) -> str:
    told = []
    for region, phrase in phrases.items():
        count = sum(v.holds == region for v in verdicts)
        if count:
            told.append(f"{phrase} {count}")
    regions = {"privileged", "larger", *phrases}
    others = [v for v in verdicts if v.holds not in regions]
    refuted = sum(v.word == "refuted" for v in others)
    if refuted:
        told.append(f"not by so much at {refuted}")
    if len(others) - refuted:
        told.append(f"undecided at {len(others) - refuted}")
    return f"; {listed(told)}." if told else "."


def asked_of(verdict: Verdict) -> tuple[str, str | None, str]:
    """The number, the model and the point of a claim; no model for a difference."""
    estimand = _estimand(verdict)
    model = estimand.where.get("model")
    where = str(estimand.where["point"][0])
    return estimand.number, None if model is None else str(model[0]), where


def _estimand(verdict: Verdict) -> Estimand:
    return verdict.parts[0].estimand
