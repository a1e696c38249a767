"""Rows as a table of cells: which rows belong to an arm of a claim."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tegum.claims.estimands import UNIT, Estimand, conditions_in_words
from tegum.design import TUPLE_HINT, Design, Value, canonical, frozen_value, unknown

Cell = Mapping[str, Value]
"""What a cell of the design fixes: one value for each named factor."""


@dataclass(frozen=True)
class Arms:
    """The cells an estimand uses: for each arm, the same cells of `where` in order.

    Two arms of a contrast stand as treated, control; the arms of a slope stand in the
    order of `levels`, its places along the factor.
    """

    cells: tuple[tuple[Cell, ...], ...]
    levels: tuple[float, ...] = ()

    def __iter__(self) -> Iterator[Cell]:
        """Every cell of every arm."""
        return itertools.chain.from_iterable(self.cells)


@dataclass(frozen=True)
class Table:
    """Rows indexed by the levels of their factors; values stay outside.

    `codes` gives for each row and factor the position of its level in `levels`. `whole`
    says that the rows are all those planned, made or not; without it a row that is not
    there may have been planned and lost.
    """

    factors: tuple[str, ...]
    levels: Mapping[str, tuple[Value, ...]]
    codes: Int[ndarray, "row factor"]
    made: Bool[ndarray, " row"]
    whole: bool = False
    _found: dict[tuple, Int[ndarray, " row"]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Any],
        *,
        factors: Iterable[str],
        made: Bool[ndarray, " row"] | None = None,
    ) -> Table:
        """Index the given columns.

        Raises:
            ValueError: no column `seed`, or columns of different lengths.
        """
        names = tuple(factors)
        if UNIT not in names:
            raise ValueError(
                f"there is no column `{UNIT}` among {', '.join(names)}; it is the unit "
                "of every claim: add it"
            )
        lengths = {name: len(columns[name]) for name in names}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns have different lengths: {lengths}")
        coded = {name: _encode(columns[name]) for name in names}
        codes = np.stack([coded[name][1] for name in names], axis=1)
        whole = made is not None
        made = np.asarray(made) if whole else np.ones(len(codes), dtype=bool)
        if made.shape != (len(codes),):
            raise ValueError(f"`made` has shape {made.shape}; give one for each row")
        levels = {name: coded[name][0] for name in names}
        return cls(names, levels, codes, made, whole)

    @classmethod
    def from_design(cls, design: Design) -> Table:
        """Index the rows of a design; a factor that a row omits is None there."""
        columns = {f: [row.get(f) for row in design] for f in design.factors}
        return cls.from_columns(columns, factors=design.factors)

    @property
    def n_seeds(self) -> int:
        """The number of different seeds."""
        return len(self.levels[UNIT])

    @property
    def seed_codes(self) -> Int[ndarray, " row"]:
        """For each row, the position of its seed."""
        return self.codes[:, self.factors.index(UNIT)]

    def require_factor(self, name: str) -> None:
        """Refuse a factor that the rows do not have.

        Raises:
            ValueError: with the nearest names.
        """
        if name not in self.levels:
            raise ValueError(unknown(name, self.levels, what="factor"))

    def has_level(self, factor: str, value: Value) -> bool:
        """Whether some row has that level, floats compared to 12 digits."""
        wanted = canonical(value)
        return any(canonical(level) == wanted for level in self.levels[factor])

    def rows_in(self, cell: Cell) -> Int[ndarray, " row"]:
        """The rows of a cell, at most one for each seed; none where it is empty.

        Raises:
            ValueError: an unknown factor, one that varies within the cell although
                nothing fixes it, or two rows that are alike.
        """
        key = tuple(sorted((name, canonical(v)) for name, v in cell.items()))
        if key not in self._found:
            rows = self._matching(cell)
            self._refuse_free_factors(rows, cell)
            self._found[key] = rows
        return self._found[key]

    def by_seed(
        self, values: Float[ndarray, " row"], cell: Cell
    ) -> Float[ndarray, " seed"]:
        """The value of each seed in a cell; NaN where it has no row or no value."""
        rows = self.rows_in(cell)
        rows = rows[self.made[rows]]
        found = np.full(self.n_seeds, np.nan)
        found[self.seed_codes[rows]] = values[rows]
        return found

    def seeds_in(self, cell: Cell) -> Bool[ndarray, " seed"]:
        """For each seed, whether its row in a cell has been made."""
        rows = self.rows_in(cell)
        found = np.zeros(self.n_seeds, dtype=bool)
        found[self.seed_codes[rows[self.made[rows]]]] = True
        return found

    def seeds_of(self, cells: Iterable[Cell]) -> Bool[ndarray, " seed"]:
        """For each seed, whether it counts: some row of it in these cells is made.

        Where the rows are all those planned, a seed must be planned in every cell: one
        that the design gives to some arms only was never meant to be a pair.
        """
        reached = np.zeros(self.n_seeds, dtype=bool)
        planned = np.ones(self.n_seeds, dtype=bool)
        for cell in cells:
            reached |= self.seeds_in(cell)
            planned &= np.isin(
                np.arange(self.n_seeds), self.seed_codes[self.rows_in(cell)]
            )
        return reached & planned if self.whole else reached

    def cells_of(self, estimand: Estimand) -> list[Cell]:
        """Every cell of every arm of an estimand and of the one taken off it.

        Raises:
            ValueError: an unknown factor, or a slope along something that is not a
                number.
        """
        return [cell for term in estimand.terms for cell in self.arms(term)]

    def arms(self, estimand: Estimand) -> Arms:
        """The cells that an estimand uses, without the one taken off it.

        Raises:
            ValueError: an unknown factor, or a slope along something that is not a
                number.
        """
        for name in estimand.where:
            self.require_factor(name)
        cells = [
            dict(zip(estimand.where, levels, strict=True))
            for levels in itertools.product(*estimand.where.values())
        ]
        if estimand.factor is None:
            return Arms((tuple(cells),))
        factor = estimand.factor
        self.require_factor(factor)
        if estimand.contrast:
            levels: Sequence[Any] = (estimand.treated, estimand.control)
            places: tuple[float, ...] = ()
        else:
            levels = places = self._places(factor, cells)
        return Arms(
            tuple(tuple({**cell, factor: v} for cell in cells) for v in levels), places
        )

    def missing_levels(self, estimand: Estimand) -> list[str]:
        """What an estimand names and no row has, in words."""
        named = dict(estimand.where)
        if estimand.contrast:
            assert estimand.factor is not None
            named[estimand.factor] = (estimand.treated, estimand.control)
        return [
            f"no row has {conditions_in_words({name: value})}; its levels are "
            f"{_shown(self.levels[name])}"
            f"{TUPLE_HINT if isinstance(value, tuple) else ''}"
            for name, values in named.items()
            for value in values
            if not self.has_level(name, value)
        ]

    def tied(self, estimand: Estimand) -> tuple[str, ...]:
        """What differs between the arms besides the factor contrasted, in words.

        Whatever a claim says of the factor, it says of these as well.
        """
        if estimand.minus is not None:
            both = [words for term in estimand.terms for words in self.tied(term)]
            return tuple(dict.fromkeys(both))
        if estimand.factor is None:
            return ()
        arms = self.arms(estimand).cells
        found: dict[str, list[Cell]] = {}
        for cells in zip(*arms, strict=True):
            rows = [self.rows_in(cell) for cell in cells]
            if not all(r.size for r in rows):
                continue
            for name in self.factors:
                if name in (UNIT, estimand.factor):
                    continue
                column = self.factors.index(name)
                levels = [self.levels[name][self.codes[r[0], column]] for r in rows]
                if any(canonical(v) != canonical(levels[0]) for v in levels):
                    words = _difference(estimand, name, levels)
                    cell = {n: v for n, v in cells[0].items() if n != estimand.factor}
                    found.setdefault(words, []).append(cell)
        several = len(arms[0]) > 1
        return tuple(
            f"{words} at {'; at '.join(map(conditions_in_words, at))}"
            if several and len(at) < len(arms[0])
            else words
            for words, at in found.items()
        )

    def _matching(self, cell: Cell) -> Int[ndarray, " row"]:
        rows = np.arange(len(self.codes))
        for name, value in cell.items():
            self.require_factor(name)
            wanted = canonical(value)
            matching = [
                code
                for code, level in enumerate(self.levels[name])
                if canonical(level) == wanted
            ]
            column = self.codes[rows, self.factors.index(name)]
            rows = rows[column == matching[0]] if matching else rows[:0]
        return rows

    def _refuse_free_factors(self, rows: Int[ndarray, " row"], cell: Cell) -> None:
        if rows.size == 0:
            return
        codes = self.codes[rows]
        varying = (codes != codes[0]).any(axis=0)
        free = [
            name
            for name, varies in zip(self.factors, varying, strict=True)
            if varies and name != UNIT
        ]
        if free:
            levels = "; ".join(
                f"`{name}` ({_shown(self._levels_at(name, rows))})" for name in free
            )
            raise ValueError(
                f"nothing fixes {levels} within {conditions_in_words(cell)}; fix each "
                "in `where` with one level, or average over a list of levels"
            )
        seeds = self.seed_codes[rows]
        if len(np.unique(seeds)) < len(seeds):
            raise ValueError(
                f"a seed has two rows within {conditions_in_words(cell)}; drop one of "
                "each pair of equal rows"
            )

    def _levels_at(self, name: str, rows: Int[ndarray, " row"]) -> list[Value]:
        codes = np.unique(self.codes[rows, self.factors.index(name)])
        return [self.levels[name][code] for code in codes]

    def _places(self, factor: str, cells: list[dict[str, Value]]) -> tuple[float, ...]:
        """The levels of a factor within any of the cells, in ascending order."""
        rows = np.concatenate([self._matching(cell) for cell in cells])
        places: list[float] = []
        for value in self._levels_at(factor, rows):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(
                    f"a slope along `{factor}` needs numbers, and one level is "
                    f"{value!r}; contrast two levels instead"
                )
            places.append(value)
        return tuple(sorted(places))


def _difference(estimand: Estimand, name: str, levels: Sequence[Value]) -> str:
    shown = [conditions_in_words({"": value}).strip() for value in levels]
    if estimand.contrast:
        return f"the arms also differ in {name}: {shown[0]} against {shown[1]}"
    return f"{name} also varies along {estimand.factor}: {', '.join(shown)}"


def _encode(column: Any) -> tuple[tuple[Value, ...], Int[ndarray, " row"]]:
    """The levels of a column, equal to 12 digits joined, and each row's position."""
    array = np.asarray(column) if isinstance(column, np.ndarray) else None
    if array is not None and array.dtype != object and array.ndim == 1:
        raw, codes = np.unique(array, return_inverse=True)
        raw = raw.tolist()
    else:
        values = list(column)
        try:
            different = dict.fromkeys(values)
        except TypeError:  # lists and arrays can not be keys
            values = [frozen_value(v) for v in values]
            different = dict.fromkeys(values)
        position = {value: code for code, value in enumerate(different)}
        codes = np.fromiter(map(position.__getitem__, values), np.int64, len(values))
        raw = [frozen_value(v) for v in different]
    joined: dict[Any, int] = {}
    target = [joined.setdefault(canonical(v), len(joined)) for v in raw]
    levels: list[Value] = [None] * len(joined)
    for value, code in zip(raw, target, strict=True):
        levels[code] = value
    return tuple(levels), np.asarray(target, dtype=np.int64)[codes]


def _shown(levels: Sequence[Value], most: int = 12) -> str:
    text = ", ".join(conditions_in_words({"": v}).strip() for v in levels[:most])
    return text + (", ..." if len(levels) > most else "")
