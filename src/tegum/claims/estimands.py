"""Estimands: which one number a seed gives, and what is asked of it over seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from tegum.claims.regions import Region, plain
from tegum.design import Value, canonical, frozen_value, levels_of

Kind = Literal[
    "paired_difference",
    "paired_ratio",
    "level",
    "slope",
    "proportion",
    "rank_correlation",
]
DIFFERENT: tuple[Kind, ...] = ("paired_difference", "paired_ratio", "level", "slope")
"""The kinds of which each seed has a value that another can be taken off."""
FEWEST_CELLS = 3
"""Over two cells every rank correlation is 1 or -1."""
UNIT = "seed"
"""The factor whose levels are the units of every claim."""


@dataclass(frozen=True)
class Estimand:
    """What is asked, as data. Made by the functions below, not by hand.

    `where` maps each fixed factor to its levels, always a tuple: one level fixes the
    factor, several are averaged over within each seed. `factor` is the one contrasted
    (between `treated` and `control`) or, for a slope, the one along which it is taken.
    `region` is that of a proportion. A rank correlation has an `other` number, and runs
    over the cells of `where` in place of averaging over them. `minus` is another
    estimand, whose value is taken off seed by seed (of ratios, divided by).
    """

    kind: Kind
    number: str
    where: Mapping[str, tuple[Value, ...]] = field(hash=False)
    factor: str | None = None
    treated: Value = None
    control: Value = None
    region: Region | None = None
    other: str | None = None
    minus: Estimand | None = None

    def __post_init__(self) -> None:
        """Freeze `where` and refuse what has no meaning."""
        object.__setattr__(self, "where", MappingProxyType(dict(self.where)))
        for name, levels in self.where.items():
            if not isinstance(levels, tuple) or not levels:
                raise ValueError(
                    f"where has {name}={levels!r}; give a level, or a list with one or "
                    "more"
                )
        for name in (UNIT, self.factor):
            if name in self.where:
                role = "the unit" if name == UNIT else "the factor contrasted"
                raise ValueError(
                    f"where fixes `{name}`, which is {role}; leave it out of where"
                )
        if self.factor == UNIT:
            raise ValueError("the factor is `seed`, which is the unit; name another")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that it needs of every row, each once."""
        named = (e.number if k == 0 else e.other for e in self.terms for k in (0, 1))
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def terms(self) -> tuple[Estimand, ...]:
        """Itself, or the two that are compared, each without the other."""
        if self.minus is None:
            return (self,)
        return replace(self, minus=None), self.minus

    @property
    def contrast(self) -> bool:
        """Whether two arms are compared."""
        return self.kind in ("paired_difference", "paired_ratio")

    def describe(self) -> str:
        """The estimand in words, on one line."""
        if self.minus is not None:
            first, second = (term.describe() for term in self.terms)
            sign = "divided by" if self.kind == "paired_ratio" else "minus"
            return f"median over seeds of [{first}] {sign} [{second}], seed by seed"
        name = self.number
        if self.contrast:
            sign = "minus" if self.kind == "paired_difference" else "/"
            asked = (
                f"median over seeds of {name} at {self.factor} {_text(self.treated)} "
                f"{sign} at {self.factor} {_text(self.control)}"
            )
        elif self.kind == "slope":
            asked = f"median over seeds of the slope of {name} along {self.factor}"
        elif self.kind == "proportion":
            assert self.region is not None
            asked = f"share of seeds whose {name} is {self.region.describe()}"
        elif self.kind == "rank_correlation":
            cells = conditions_in_words(self.where, several="over")
            return (
                f"median over seeds of the rank correlation of {name} with "
                f"{self.other} between cells ({cells})"
            )
        else:
            asked = f"median over seeds of {name}"
        return f"{asked} ({conditions_in_words(self.where)})" if self.where else asked

    def to_record(self) -> dict[str, Any]:
        """The estimand for JSON: `where` maps each factor to a list of its levels.

        `other` and `minus` are there only where they are used, so that digests of
        claims without them do not depend on them.
        """
        further: dict[str, Any] = {}
        if self.other is not None:
            further["other"] = self.other
        if self.minus is not None:
            further["minus"] = self.minus.to_record()
        return {
            "kind": self.kind,
            "number": self.number,
            "where": {
                name: [plain(v) for v in self.where[name]]
                for name in sorted(self.where)
            },
            "factor": self.factor,
            "treated": plain(self.treated),
            "control": plain(self.control),
            "region": None if self.region is None else self.region.to_record(),
            **further,
        }


def paired_difference(
    number: str,
    *,
    factor: str,
    treated: Value,
    control: Value,
    where: Mapping[str, Any],
) -> Estimand:
    """How much a number rises from control to treated, in the median over seeds.

    Per seed `value(treated) - value(control)`, averaged over the cells of `where`.
    In the unit of the number; 0 means no difference. A seed that lacks either value
    in a cell is missing.

    Raises:
        ValueError: treated equal to control, or `where` fixing the factor or `seed`.
    """
    return _contrast("paired_difference", number, factor, treated, control, where)


def paired_ratio(
    number: str,
    *,
    factor: str,
    treated: Value,
    control: Value,
    where: Mapping[str, Any],
) -> Estimand:
    """By what a number is multiplied from control to treated, in the median over seeds.

    Per seed the geometric mean over the cells of `where` of
    `value(treated) / value(control)`. In [0, inf); 1 means no difference. Undefined,
    hence missing, where the control is 0; for numbers that are never negative.

    Raises:
        ValueError: treated equal to control, or `where` fixing the factor or `seed`.
    """
    return _contrast("paired_ratio", number, factor, treated, control, where)


def level(number: str, *, where: Mapping[str, Any]) -> Estimand:
    """A number itself, in the median over seeds, averaged over the cells of `where`.

    Raises:
        ValueError: `where` fixing `seed`, or an empty list in it.
    """
    return Estimand("level", number, _levels(where))


def slope(number: str, *, factor: str, where: Mapping[str, Any]) -> Estimand:
    """How fast a number rises along a factor, in the median over seeds.

    Per seed the least-squares slope over every level of the factor that the design has
    with `where`, averaged over the cells of `where`. A seed that lacks a level is
    missing.

    Raises:
        ValueError: `where` fixing the factor or `seed`, or an empty list in it.
    """
    return Estimand("slope", number, _levels(where), factor=factor)


def proportion(number: str, *, region: Region, where: Mapping[str, Any]) -> Estimand:
    """The share of seeds whose number, averaged over the cells, lies in a region.

    In [0, 1]. Its interval is the exact one of Clopper and Pearson; a missing seed
    counts as outside for the lower end and as inside for the upper.

    Raises:
        ValueError: `where` fixing `seed`, or an empty list in it.
    """
    return Estimand("proportion", number, _levels(where), region=region)


def rank_correlation(number: str, *, other: str, where: Mapping[str, Any]) -> Estimand:
    """Whether two numbers order the cells alike, in the median over seeds.

    Per seed Spearman's rank correlation of `number` with `other` over the cells of
    `where`, all combinations of its levels: 1 minus 6 times the sum of squared
    differences of ranks over `c (c^2 - 1)` for c cells without ties, and the
    correlation of mean ranks with them. Values that differ by less than the
    resolution declared for their number are ties. In [-1, 1]: 1 means the same order,
    -1 the reverse, 0 no order in common. Undefined, hence missing, where either number
    is the same in all cells. Cells are no units: a seed counts once, however many cells
    it has.

    Raises:
        ValueError: one number beside itself, fewer than three cells, `where` fixing
            `seed`, or an empty list in it.

    Source: Spearman 1904, "The proof and measurement of association between two
    things".
    """
    if number == other:
        raise ValueError(
            f"`{number}` is to be ranked beside itself; name another number, such as "
            "the loss"
        )
    levels = _levels(where)
    cells = math.prod(len(found) for found in levels.values())
    if 0 < cells < FEWEST_CELLS:
        raise ValueError(
            f"a rank correlation over {cells} cells; it needs {FEWEST_CELLS} or more: "
            "give `where` lists of levels"
        )
    return Estimand("rank_correlation", number, levels, other=other)


def difference(first: Estimand, second: Estimand) -> Estimand:
    """How much larger one estimand is than another, seed by seed: an interaction.

    Per seed the value of `first` minus that of `second`; two paired ratios are divided
    instead, since ratios multiply. The median over seeds of that difference is not in
    general the difference of the medians. In the unit of the numbers; 0 (of ratios, 1)
    means that both are alike. A seed that lacks either is missing.

    Raises:
        ValueError: estimands of two kinds, a proportion or rank correlation, which have
            no value to subtract, one that is a difference itself, or one beside itself.
    """
    kinds = DIFFERENT
    for estimand in (first, second):
        if estimand.kind not in kinds or estimand.minus is not None:
            what = "difference" if estimand.minus else estimand.kind
            raise ValueError(
                f"a difference with a {what}; give two of one kind among "
                f"{', '.join(kinds)}"
            )
    if first.kind != second.kind:
        raise ValueError(
            f"a difference of a {first.kind} and a {second.kind}; give two of one kind"
        )
    if first == second:
        raise ValueError(
            f"a difference of an estimand with itself ({first.describe()}), which is "
            "0; give two"
        )
    return replace(first, minus=second)


def adjacent_differences(
    number: str, *, factor: str, levels: Iterable[Value], where: Mapping[str, Any]
) -> tuple[Estimand, ...]:
    """The paired differences from each level to the next: monotonicity in parts.

    A number never falls by more than d when each lies in `above(-d)`.

    Raises:
        ValueError: fewer than two levels.
    """
    ordered = list(levels)
    if len(ordered) < 2:
        raise ValueError(f"`{factor}` has the levels {ordered}; give two or more")
    return tuple(
        paired_difference(
            number, factor=factor, treated=after, control=before, where=where
        )
        for before, after in itertools.pairwise(ordered)
    )


def conditions_in_words(
    conditions: Mapping[str, Any], *, several: str = "mean over"
) -> str:
    """Fixed factors in words: `noise dropout; rate 0.5`, `several` before many levels.

    >>> conditions_in_words({"noise": "dropout", "rate": (0.1, 0.3)})
    'noise dropout; mean over rate 0.1, 0.3'
    """
    words = []
    for name, levels in conditions.items():
        many = isinstance(levels, tuple) and len(levels) > 1
        shown = levels if isinstance(levels, tuple) else (levels,)
        text = ", ".join(_text(v) for v in shown)
        words.append(f"{several} {name} {text}" if many else f"{name} {text}")
    return "; ".join(words)


def _contrast(
    kind: Kind,
    number: str,
    factor: str,
    treated: Value,
    control: Value,
    where: Mapping[str, Any],
) -> Estimand:
    treated, control = frozen_value(treated), frozen_value(control)
    if canonical(treated) == canonical(control):
        raise ValueError(
            f"treated and control are both {factor}={treated!r}; contrast two levels"
        )
    return Estimand(kind, number, _levels(where), factor, treated, control)


def _levels(where: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
    """Every entry as a tuple of levels: a list, range or array holds several."""
    levels = {}
    for name, value in where.items():
        found = tuple(levels_of(value))
        if len({canonical(v) for v in found}) < len(found):
            raise ValueError(f"where has {name}={value!r}, a level twice; drop one")
        levels[name] = found
    return levels


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_text(v) for v in value)})"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
