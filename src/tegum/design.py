"""A design is a table: one row per thing to be trained, one column per factor."""

from __future__ import annotations

import difflib
import enum
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from tegum.markup import Child, notebook_table
from tegum.wording import counted, levels_text

Value = bool | int | float | str | tuple[float, ...] | None
Row = Mapping[str, Any]
Identity = tuple[tuple[str, ...], tuple[Value, ...]]
"""A row's factors in alphabetical order, and its values in the order of these."""


class Required(enum.Enum):
    """What stands for a default that does not exist."""

    REQUIRED = "REQUIRED"


REQUIRED = Required.REQUIRED
"""The default of a factor that every row must state."""

TUPLE_HINT = "; a tuple is one value: a list holds levels"

LEVELS_SHOWN = 12
"""How many levels of a factor an error names."""


@dataclass(frozen=True)
class Factor:
    """One column that a subject understands.

    `check` turns what a user wrote into the value that is stored, or raises
    `ValueError` with a text that names the allowed range and the remedy. A factor at
    its `default` is left out of a row's key, so that a factor added later voids no
    row that exists.
    """

    name: str
    meaning: str
    check: Callable[[Any], Value]
    default: Any = REQUIRED


@dataclass(frozen=True)
class Design:
    """Rows to be trained, each a read-only mapping from factor to value.

    Make one with `grid`, `Design.from_rows` (plain dictionaries) or
    `Design.from_dataframe`. No two rows are equal.

    Raises:
        ValueError: no rows, or a row that stands twice.
    """

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        """Freeze the rows and refuse an empty or repeating table."""
        if not self.rows:
            raise ValueError(
                "a design needs at least one row, and this one has none; give every "
                "factor at least one level"
            )
        object.__setattr__(
            self, "rows", tuple(MappingProxyType(dict(row)) for row in self.rows)
        )
        if len(self._positions) < len(self.rows):
            self._refuse_repetition()

    def _refuse_repetition(self) -> None:
        seen: dict[Identity, int] = {}
        for position, identity in enumerate(_identities(self.rows)):
            first = seen.setdefault(identity, position)
            if first != position:
                raise ValueError(
                    f"rows {first} and {position} of the design are equal: "
                    f"{dict(self.rows[position])}; drop one, or give them different "
                    "seeds"
                )

    @cached_property
    def _positions(self) -> dict[Identity, int]:
        return {identity: k for k, identity in enumerate(_identities(self.rows))}

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def __contains__(self, row: object) -> bool:
        """Whether a row stands in the table."""
        return isinstance(row, Mapping) and self.lacks([row]) == 0

    def lacks(self, rows: Iterable[Row]) -> int:
        """How many of the rows do not stand in the table."""
        return sum(found not in self._positions for found in _identities(rows))

    def __iter__(self) -> Iterator[Row]:
        """The rows in order."""
        return iter(self.rows)

    def __or__(self, other: Design) -> Design:
        """Both tables, a row that stands in both once."""
        positions = dict(self._positions)
        rows = list(self.rows)
        for identity, position in other._positions.items():
            if identity not in positions:
                positions[identity] = len(rows)
                rows.append(other.rows[position])
        return Design._of_distinct(tuple(rows), positions)

    @classmethod
    def _of_distinct(
        cls, rows: tuple[Row, ...], positions: dict[Identity, int]
    ) -> Design:
        # Both are known to be sound: large unions would spend seconds on checking anew.
        design = object.__new__(cls)
        object.__setattr__(design, "rows", rows)
        design.__dict__["_positions"] = positions
        return design

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """Every column that some row states, in order of first appearance."""
        stated = dict.fromkeys(map(tuple, self.rows))
        return tuple(dict.fromkeys(name for names in stated for name in names))

    def levels(self, factor: str) -> tuple[Value, ...]:
        """The distinct values of a factor, in order of first appearance.

        Raises:
            ValueError: no row has that factor.
        """
        self._require(factor)
        return tuple(dict.fromkeys(row[factor] for row in self.rows if factor in row))

    def where(self, **conditions: Any) -> Design:
        """The rows whose factors equal the given values, or are among a given list.

        Numbers are compared to 12 significant digits.

        Raises:
            ValueError: an unknown factor, a level that no row has, or levels that no
                row has together.
        """
        asked = {
            factor: levels_asked(factor, value, levels=self.levels(factor))
            for factor, value in conditions.items()
        }
        kept = tuple(
            row
            for row in self.rows
            if all(f in row and row[f] in levels for f, levels in asked.items())
        )
        if not kept:
            raise ValueError(
                f"no row of the design has {conditions} together; ask for levels that "
                "stand in one row"
            )
        return Design(kept)

    def _require(self, factor: str) -> None:
        if factor not in self.factors:
            raise ValueError(unknown(factor, self.factors, what="factor"))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Design:
        """A design from plain dictionaries."""
        return cls(tuple({f: frozen_value(v) for f, v in row.items()} for row in rows))

    @classmethod
    def from_dataframe(cls, frame: Any) -> Design:
        """A design from a pandas or polars dataframe; a missing cell is left out."""
        records = frame.to_dicts() if hasattr(frame, "to_dicts") else None
        if records is None:
            records = frame.to_dict(orient="records")
        return cls.from_rows(
            {str(f): v for f, v in record.items() if not _is_missing(v)}
            for record in records
        )

    def __repr__(self) -> str:
        """The size of the table and of its factors, on one line."""
        sizes = (f"{name} {len(self.levels(name))}" for name in self.factors)
        return f"<Design: {counted(len(self), 'row')}; levels: {', '.join(sizes)}>"

    def _repr_html_(self) -> str:
        rows: list[list[Child]] = [
            [name, str(len(self.levels(name))), levels_text(self.levels(name))]
            for name in self.factors
        ]
        size = f"Design: {counted(len(self), 'row')}"
        return notebook_table(size, ["factor", "levels", "which"], rows).text

    def to_pandas(self) -> Any:
        """The rows as a pandas dataframe."""
        import pandas

        return pandas.DataFrame([dict(row) for row in self.rows])


def grid(
    *, seeds: int | np.integer | Iterable[int] | None = None, **factors: Any
) -> Design:
    """Every combination of the given levels.

    A list, range or array holds levels; anything else is the one level of its factor.
    A tuple is one value: a number for each feature. `seeds=20` means seeds 0 to 19.

    >>> len(grid(rate=[0.0, 0.5], n_features=5, seeds=10))
    20

    Raises:
        ValueError: a factor with no level, a set (which has no order), a tuple of
            anything but numbers, or seeds that are no whole numbers.
    """
    if seeds is not None:
        if "seed" in factors:
            raise ValueError("give `seed=` or `seeds=`, not both")
        factors["seed"] = _seed_levels(seeds)
    levels: dict[str, list[Value]] = {}
    for factor, value in factors.items():
        levels[factor] = _levels_of_factor(factor, value)
        if not levels[factor]:
            name = "seeds" if factor == "seed" and seeds is not None else factor
            raise ValueError(f"`{name}` has no level, so the grid is empty; give one")
    return Design(
        tuple(
            dict(zip(levels, combination, strict=True))
            for combination in itertools.product(*levels.values())
        )
    )


def _seed_levels(seeds: Any) -> list[Any]:
    if isinstance(seeds, int | np.integer) and not isinstance(seeds, bool):
        return list(range(seeds))
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise ValueError(
            f"`seeds` is {seeds!r}; give how many as a whole number, or a list of them"
        )
    return list(seeds)


def _levels_of_factor(factor: str, value: Any) -> list[Value]:
    if isinstance(value, set | frozenset | Mapping):
        raise ValueError(
            f"`{factor}` is a {type(value).__name__}; give its levels as a list"
        )
    try:
        return levels_of(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{factor}` is {value!r}; a level is a number, a text, a truth value, "
            f"None or a tuple of numbers{TUPLE_HINT}"
        ) from None


def _identities(rows: Iterable[Row]) -> Iterator[Identity]:
    """What makes each row equal to another: two rows are if their identities are."""
    known: dict[tuple[str, ...], tuple[tuple[str, ...], Callable[[Row], Any]]] = {}
    for row in rows:
        stated = tuple(row)
        if stated not in known:
            names = tuple(sorted(stated, key=str))
            several = len(names) > 1  # itemgetter returns one value bare
            known[stated] = names, operator.itemgetter(*names) if several else _values
        names, values = known[stated]
        yield names, values(row)


def _values(row: Row) -> tuple[Value, ...]:
    return tuple(row.values())


def complete(
    design: Iterable[Row], factors: Sequence[Factor]
) -> list[dict[str, Value]]:
    """Every row with every factor of the subject, checked and in the subject's order.

    Raises:
        ValueError: an unknown factor (with the nearest names), a missing one, or a
            value out of range, naming the row, the value, the range and the remedy.
    """
    known = {factor.name: factor for factor in factors}
    checked: dict[tuple[str, type, Any], Value] = {}
    completed: list[dict[str, Value]] = []
    before: Row = {}
    for position, row in enumerate(design):
        if position and row.keys() == before.keys():
            # Most values are those of the row before: only the others are checked.
            full = dict(completed[-1])
            changed = [name for name in row if row[name] is not before[name]]
            stated: Sequence[Factor] = [known[name] for name in changed]
        else:
            for name in row:
                if name not in known:
                    raise ValueError(
                        f"row {position}: {unknown(name, known, what='factor')}"
                    )
            full, stated = {}, factors
        for factor in stated:
            value = row.get(factor.name, factor.default)
            if value is REQUIRED:
                raise ValueError(
                    f"row {position}: the factor `{factor.name}` ({factor.meaning}) "
                    "is missing and has no default; add a column for it"
                )
            # Most values of a design stand in many rows; each is checked once.
            seen = (factor.name, type(value), value)
            if seen not in checked:
                try:
                    checked[seen] = factor.check(value)
                except ValueError as error:
                    hint = TUPLE_HINT if isinstance(value, tuple) else ""
                    raise ValueError(f"row {position}: {error}{hint}") from None
            full[factor.name] = checked[seen]
        completed.append(full)
        before = row
    return completed


def frozen_value(value: Any) -> Value:
    """A plain, hashable value from what NumPy, pandas or JSON hand over."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(float(v) for v in value)
    return value


def rounded(value: float, *, digits: int) -> float | int:
    """A finite number at so many significant digits; a whole one as an integer.

    >>> rounded(0.1 + 0.2, digits=12), rounded(2.0, digits=12)
    (0.3, 2)
    """
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def levels_of(value: Any) -> list[Value]:
    """The levels that a value stands for, frozen.

    >>> levels_of(range(2)), levels_of((1.0, 2.0))
    ([0, 1], [(1.0, 2.0)])
    """
    return [frozen_value(v) for v in (value if holds_levels(value) else [value])]


def holds_levels(value: Any) -> bool:
    """Whether a value is a list, range or array of levels; a tuple is one value."""
    listed = isinstance(value, list | range)
    return listed or (isinstance(value, np.ndarray) and value.ndim > 0)


def canonical(value: Any) -> Any:
    """A value as it is compared: floats to 12 significant digits, NaN as None.

    `0.1 + 0.2` and `0.3` are one level; so are `0` and `0.0`.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(canonical(v) for v in value)
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.12g}")
    return value


def levels_asked(
    factor: str, value: Any, *, levels: Iterable[Value]
) -> frozenset[Value]:
    """Those of a factor's levels that a condition names, floats to 12 digits.

    A list, range or array names several; a tuple is one value.

    >>> sorted(levels_asked("rate", [0.3, 0], levels=[0.0, 0.1, 0.1 + 0.2]))
    [0.0, 0.30000000000000004]

    Raises:
        ValueError: a level that is not there, with those that are.
    """
    there: dict[Any, list[Value]] = {}
    for level in levels:
        there.setdefault(canonical(level), []).append(level)
    asked = [canonical(v) for v in (value if holds_levels(value) else [value])]
    absent = [v for v in asked if v not in there]
    if absent or not asked:
        shown = ", ".join(str(v) for v in absent) or "an empty list"
        known = ", ".join(str(v) for v in list(there)[:LEVELS_SHOWN])
        more = ", ..." if len(there) > LEVELS_SHOWN else ""
        remedy = ""
        if any(isinstance(v, tuple) and all(x in there for x in v) for v in absent):
            remedy = TUPLE_HINT
        raise ValueError(
            f"no row has {factor} {shown}; its levels are {known}{more}{remedy}"
        )
    return frozenset(level for v in asked for level in there[v])


def check_rows(rows: Iterable[Row], check: Callable[[Row], Any]) -> None:
    """Hand every row to `check`, and name the row that it refuses.

    Raises:
        ValueError: what `check` raised, with the position of the row before it.
    """
    for position, row in enumerate(rows):
        try:
            check(row)
        except ValueError as error:
            raise ValueError(f"row {position}: {error}") from None


def unknown(name: str, known: Iterable[str], *, what: str) -> str:
    """The text for a name that does not exist, with the nearest ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    nearest = f"did you mean {', '.join(near)}? " if near else ""
    return f"no {what} is called `{name}`; {nearest}there are {', '.join(names)}"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
