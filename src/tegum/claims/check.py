"""What can be said of a claim before any row exists: is it about this design?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from tegum.claims.claim import Claim
from tegum.claims.estimands import Estimand, conditions_in_words
from tegum.claims.table import Cell, Table
from tegum.design import Design, unknown
from tegum.measures.facts import Measure


def check_claim(
    claim: Claim,
    design: Design | Table,
    numbers: Iterable[str] | Mapping[str, tuple[float, float]],
) -> None:
    """Refuse a claim that this design and these numbers could never answer.

    `numbers` are the names that the study's measures give, or a mapping from each to
    its declared range, which lets ratios be checked too. The design must hold every
    factor that the claim names: complete its rows first. With many claims on one large
    design, index it once with `Table.from_design` and hand that over.

    Raises:
        ValueError: an unknown factor or number (with the nearest names), a level that
            the design lacks (with those it has), levels that no row has together, a
            factor that varies within an arm although nothing fixes it, a slope along
            fewer than two levels, a ratio of a number that may be negative, or no
            seed that all cells share.
    """
    numbers = numbers if isinstance(numbers, Mapping) else dict.fromkeys(numbers)
    table = _table_of(design)
    for part in claim.parts:
        try:
            for term in part.estimand.terms:
                _check_estimand(term, table, numbers)
        except ValueError as error:
            raise ValueError(f"the claim `{claim.name}`: {error}") from None
    if planned_seeds(claim, design) == 0:
        raise ValueError(
            f"the claim `{claim.name}`: no seed has a row in every cell that the claim "
            "uses; give its cells the same seeds"
        )


def planned_seeds(claim: Claim, design: Design | Table) -> int:
    """The number of seeds that have a row in every cell a claim uses.

    Raises:
        ValueError: an unknown factor, or one that nothing fixes.
    """
    table = _table_of(design)
    complete = np.ones(table.n_seeds, dtype=bool)
    for part in claim.parts:
        for cell in table.cells_of(part.estimand):
            complete &= table.seeds_in(cell)
    return int(complete.sum())


def arms(claim: Claim, design: Design | Table) -> tuple[Cell, ...]:
    """Every cell that a claim uses, each once: what convergence is asked of.

    Raises:
        ValueError: an unknown factor, or a slope along something that is no number.
    """
    table = _table_of(design)
    found: list[Cell] = []
    for part in claim.parts:
        found += [cell for cell in table.cells_of(part.estimand) if cell not in found]
    return tuple(found)


def _table_of(design: Design | Table) -> Table:
    return Table.from_design(design) if isinstance(design, Design) else design


def _check_estimand(
    estimand: Estimand, table: Table, numbers: Mapping[str, tuple[float, float] | None]
) -> None:
    for number in estimand.numbers:
        if number not in numbers:
            raise ValueError(unknown(number, numbers, what="number"))
    require_ratio(estimand, numbers[estimand.number])
    used = table.arms(estimand)
    absent = table.missing_levels(estimand)
    if absent:
        raise ValueError(absent[0])
    for cell in used:
        if table.rows_in(cell).size == 0:
            raise ValueError(
                f"no row has {conditions_in_words(cell)} together; add such rows to "
                "the design, or fix other levels"
            )
    if estimand.kind == "slope" and len(used.levels) < 2:
        raise ValueError(
            f"a slope along `{estimand.factor}` needs two or more levels, and the "
            f"design has {list(used.levels)}; add levels"
        )


def check_facts(measure: Measure) -> None:
    """Refuse facts about numbers that a measure does not give, or that say nothing.

    Raises:
        ValueError: a range or resolution of an unknown number (with the nearest names),
            a range whose ends are not in order, or a resolution that is not a finite
            number above 0.
    """
    for what, facts in (("range", measure.ranges), ("resolution", measure.resolutions)):
        for number in facts:
            if number not in measure.numbers:
                text = unknown(number, measure.numbers, what="number")
                raise ValueError(f"a {what} of the measure `{measure.name}`: {text}")
    for number in measure.numbers:
        least, most = measure.range_of(number)
        step = measure.resolution_of(number)
        if not least <= most or not 0.0 < step < math.inf:
            raise ValueError(
                f"the measure `{measure.name}` declares for `{number}` the range "
                f"[{least}, {most}] and the resolution {step}; the ends must be in "
                "order, and the resolution a finite number above 0"
            )


def require_ratio(estimand: Estimand, declared: tuple[float, float] | None) -> None:
    """Refuse a ratio of a number whose declared range holds negative values.

    Raises:
        ValueError: with the remedy.
    """
    if estimand.kind == "paired_ratio" and declared is not None and declared[0] < 0:
        raise ValueError(
            f"a ratio of `{estimand.number}`, whose range is [{declared[0]:g}, "
            f"{declared[1]:g}]; a ratio needs a number that is never negative: use "
            "paired_difference"
        )
