"""Results: one entry for each row of a design, factors beside numbers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tegum.design import Row, canonical, levels_asked, unknown
from tegum.markup import Child, notebook_table
from tegum.store import Store
from tegum.store.parts import (
    REGISTRY_COLUMNS,
    ROW_SCHEMA,
    factor_columns,
    float_column,
    parquet_bytes,
)
from tegum.wording import counted, value_label, written

if TYPE_CHECKING:
    from tegum.measures.facts import Measure

MISSING = "missing"
"""The status of a row that is in the design and not in the store."""

SEED = re.compile(r'"seed": [^,}]*')
"""The seed in the JSON text of a row's factors."""

ROWS_SHOWN, NUMBERS_SHOWN = 5, 6
"""So many rows and numbers are shown where all would be too much to read."""

KEY_SHOWN = 12
"""So many digits of a key are enough to find its model with `tegum show`."""

PROVENANCE = (
    "created_at",
    "wall_seconds",
    "tegum_version",
    "commit",
    "libraries",
    "instruction_set",
    "machine",
)


@dataclass(frozen=True)
class Problem:
    """A measure that raised on a row: which one, which row, and what it said."""

    measure: str
    key: str
    row: Row
    error: str

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"the measure `{self.measure}` failed on the model "
            f"{self.key[:KEY_SHOWN]}: {self.error}"
        )


@dataclass(frozen=True)
class Results:
    """The rows of a design with everything the store holds about them.

    `columns` maps names to arrays with one entry for each row, in the design's order:
    `key`, `status` (`trained`, `diverged` or `missing`), `diverged_at_step`, every
    factor, every number, `<measure>_measured`, and the provenance. A number is NaN
    where it is undefined or was not measured; `<measure>_measured` says which.
    """

    columns: Mapping[str, np.ndarray]
    factors: tuple[str, ...]
    numbers: Mapping[str, tuple[str, ...]]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        """The number of rows, missing ones among them."""
        return len(self.columns["key"])

    def __getitem__(self, name: str) -> np.ndarray:
        """One column.

        Raises:
            ValueError: no such column, with the nearest names.
        """
        if name not in self.columns:
            raise ValueError(unknown(name, self.columns, what="column"))
        return self.columns[name]

    def __repr__(self) -> str:
        """How many rows there are and how they came out, on one line."""
        return f"<Results: {self._size()}>"

    def _repr_html_(self) -> str:
        varying = [
            name
            for name in self.factors
            if len({repr(value) for value in self.columns[name]}) > 1
        ]
        shown = [name for names in self.numbers.values() for name in names]
        shown = shown[:NUMBERS_SHOWN]
        rows: list[list[Child]] = [
            [
                str(self.columns["key"][row])[:KEY_SHOWN],
                str(self.columns["status"][row]),
                *(value_label(plain(self.columns[name][row])) for name in varying),
                *(self._number_text(name, row) for name in shown),
            ]
            for row in range(min(len(self), ROWS_SHOWN))
        ]
        head = ["key", "status", *varying, *shown]
        left = sum(map(len, self.numbers.values())) - len(shown)
        more = f"; {counted(left, 'further number')}" if left else ""
        caption = f"Results: {self._size()}; the first {len(rows)}{more}"
        return notebook_table(caption, head, rows).text

    def _size(self) -> str:
        came_out = Counter(map(str, self.columns["status"])).most_common()
        how = ", ".join(f"{count:,} {status}" for status, count in came_out)
        return f"{counted(len(self), 'row')} ({how})"

    def _number_text(self, name: str, row: int) -> str:
        """A number of one row; undefined and not measured say so."""
        home = next(measure for measure, own in self.numbers.items() if name in own)
        known = bool(self.columns[f"{home}_measured"][row])
        return written(float(self.columns[name][row]) if known else None)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The factors of each row as a dictionary."""
        for position in range(len(self)):
            yield {name: plain(self.columns[name][position]) for name in self.factors}

    @property
    def missing(self) -> int:
        """How many rows of the design are not in the store."""
        return int(np.sum(self.columns["status"] == MISSING))

    def problem_lines(self) -> list[str]:
        """The problems for a person: those that say the same in one line."""
        alike = Counter((p.measure, p.error) for p in self.problems)
        example = {(p.measure, p.error): p for p in reversed(self.problems)}
        return [
            str(example[measure, error])
            if count == 1
            else f"the measure `{measure}` failed on {count} models, such as "
            f"{example[measure, error].key[:KEY_SHOWN]}: {error}"
            for (measure, error), count in alike.items()
        ]

    @property
    def instruction_sets(self) -> tuple[str, ...]:
        """The instruction sets that made these rows; more than one is worth saying."""
        found = self.columns["instruction_set"]
        return tuple(sorted({str(name) for name in found if name is not None}))

    def where(self, **conditions: Any) -> Results:
        """The rows whose columns equal the given values, or are among a given list.

        Numbers are compared to 12 significant digits.

        Raises:
            ValueError: no such column, a value that no row has, or values that no row
                has together.
        """
        keep = np.ones(len(self), dtype=bool)
        for name, value in conditions.items():
            column = [canonical(plain(v)) for v in self[name]]
            wanted = levels_asked(name, value, levels=dict.fromkeys(column))
            keep &= np.array([v in wanted for v in column], dtype=bool)
        if not keep.any():
            raise ValueError(
                f"no row has {conditions} together; ask for values that stand in one "
                "row"
            )
        return self.taken(np.flatnonzero(keep))

    def taken(self, positions: np.ndarray) -> Results:
        """The rows at the given positions."""
        columns = {name: values[positions] for name, values in self.columns.items()}
        kept = set(columns["key"])
        problems = tuple(p for p in self.problems if p.key in kept)
        return Results(columns, self.factors, self.numbers, problems)

    def to_table(self) -> pa.Table:
        """The rows as an Arrow table: NaN is undefined, null is not measured."""
        unmeasured = {
            number: ~self.columns[f"{measure}_measured"]
            for measure, numbers in self.numbers.items()
            for number in numbers
        }
        arrays: dict[str, pa.Array] = {}
        for name, values in self.columns.items():
            if name in self.factors:
                arrays |= factor_columns([{name: plain(v)} for v in values])
            elif name in unmeasured:
                arrays[name] = pa.array(values, mask=unmeasured[name])
            else:
                kind = ROW_SCHEMA.field(name).type if name in ROW_SCHEMA.names else None
                listed = values.tolist() if values.dtype == object else values
                arrays[name] = pa.array(listed, kind)
        return pa.table(arrays)

    def to_pandas(self) -> Any:
        """The rows as a pandas dataframe, one plain column for each name.

        Raises:
            ModuleNotFoundError: pandas is not installed, with the one command.
        """
        try:
            import pandas
        except ModuleNotFoundError as missing:
            if missing.name != "pandas":
                raise
            raise ModuleNotFoundError(
                "a dataframe needs pandas, which is not installed; run "
                "`pip install 'tegum[pandas]'`",
                name="pandas",
            ) from missing
        return pandas.DataFrame(
            {
                name: list(values) if values.dtype == object else values
                for name, values in self.columns.items()
            }
        )

    def write(self, path: str | Path) -> None:
        """Write a tidy table as CSV or Parquet, as the name's ending says.

        In a CSV file an undefined number is `nan` and an unmeasured one is empty.

        Raises:
            ValueError: another ending.
        """
        target = Path(path)
        if target.suffix == ".parquet":
            target.write_bytes(parquet_bytes(self.to_table()))
        elif target.suffix == ".csv":
            pyarrow.csv.write_csv(_flat(self.to_table()), target)
        else:
            raise ValueError(
                f"{target} ends in {target.suffix!r}; give a name that ends in "
                ".csv or .parquet"
            )


def read_results(
    store: Store,
    rows: Sequence[Row],
    keys: Sequence[str],
    *,
    measures: Sequence[Measure],
    problems: Sequence[Problem] = (),
) -> Results:
    """What a store holds about completed rows and their keys.

    Raises:
        ValueError: a number that is called like a factor or a column of every row, or a
            row that was trained with other factors.
    """
    factors = tuple(dict.fromkeys(name for row in rows for name in row))
    check_names(factors, measures)
    stored = store.rows()
    check_factors(stored, rows, keys)
    position = {key: index for index, key in enumerate(stored["key"].to_pylist())}
    at = np.array([position.get(key, -1) for key in keys], dtype=np.int64)
    columns: dict[str, np.ndarray] = {"key": np.array(keys, dtype=object)}
    columns["status"] = _taken(stored["status"], at)
    columns["status"][at < 0] = MISSING
    columns["diverged_at_step"] = _taken(stored["diverged_at_step"], at)
    for name in factors:
        columns[name] = factor_array([row.get(name) for row in rows])
    digests = _taken(stored["artifact_digest"], at)
    for measure in measures:
        columns |= _measured(store, measure, columns["key"], digests)
    for name in (*PROVENANCE, *REGISTRY_COLUMNS):
        columns[name] = _taken(stored[name], at)
    columns["wall_seconds"] = columns["wall_seconds"].astype(np.float64)
    numbers = {measure.name: tuple(measure.numbers) for measure in measures}
    return Results(columns, factors, numbers, tuple(problems))


def check_factors(stored: pa.Table, rows: Sequence[Row], keys: Sequence[str]) -> None:
    """Refuse rows whose stored factors are not those asked for.

    A factor at its default is not part of a key, so a default that was changed gives
    old models to new rows. A factor that only one of the two has is none of that.

    Raises:
        ValueError: naming the model, the factor and both values.
    """
    asked, agreed = dict(zip(keys, rows, strict=True)), set()
    texts = zip(stored["key"].to_pylist(), stored["factors"].to_pylist(), strict=True)
    for key, text in texts:
        if key not in asked:
            continue
        row = asked[key]
        # Most rows differ in their seed alone; each combination is compared once.
        items = (item for item in row.items() if item[0] != "seed")
        cell = (SEED.sub("", text), *items)
        if cell in agreed:
            continue
        agreed.add(cell)
        for name, value in json.loads(text).items():
            if name in row and canonical(value) != canonical(row[name]):
                raise ValueError(
                    f"the model {key[:KEY_SHOWN]} was trained with {name}={value!r}, "
                    f"and the row asks for {name}={row[name]!r}; both have one key, "
                    f"since a default is left out of it and that of `{name}` was "
                    "changed; put it back, or raise the subject's `law`"
                )


def check_names(factors: Sequence[str], measures: Sequence[Measure]) -> None:
    """Refuse names that would stand for two columns.

    Raises:
        ValueError: naming both and the remedy.
    """
    taken = dict.fromkeys(ROW_SCHEMA.names, "a column of every row")
    for factor in factors:
        if factor in taken:
            raise ValueError(
                f"a factor is called `{factor}`, which is {taken[factor]}; rename "
                "the factor"
            )
        taken[factor] = "a factor"
    for measure in measures:
        for number in (*measure.numbers, f"{measure.name}_measured"):
            if number in taken:
                raise ValueError(
                    f"the measure `{measure.name}` has a number called `{number}`, "
                    f"which is {taken[number]} already; rename one of them"
                )
            taken[number] = f"a number of `{measure.name}`"


def factor_array(values: Sequence[Any]) -> np.ndarray:
    """A numeric array if all values are of one numeric kind, else one of objects."""
    kinds = set(map(type, values))
    if kinds in ({float}, {int, float}):
        return np.array(values, dtype=np.float64)
    if kinds == {int} and max(map(abs, values)) < 2**63:
        return np.array(values, dtype=np.int64)
    if kinds == {bool}:
        return np.array(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def plain(value: Any) -> Any:
    """A Python value from what an array holds."""
    return value.item() if isinstance(value, np.generic) else value


def _taken(column: pa.ChunkedArray, at: np.ndarray) -> np.ndarray:
    """Values at the given positions as objects, None at -1."""
    wanted = pa.array(at, mask=at < 0)
    array = np.empty(len(at), dtype=object)
    array[:] = pc.take(column, wanted).to_pylist()
    return array


def _measured(
    store: Store, measure: Measure, keys: np.ndarray, digests: np.ndarray
) -> dict[str, np.ndarray]:
    table = store.numbers(measure)
    models, taken_of = table["model_key"], table["artifact_digest"]
    pairs = zip(models.to_pylist(), taken_of.to_pylist(), strict=True)
    position = {pair: index for index, pair in enumerate(pairs)}
    wanted = zip(keys, digests, strict=True)
    at = np.array([position.get(pair, -1) for pair in wanted], dtype=np.int64)
    measured = at >= 0
    columns = {}
    for number in measure.numbers:
        columns[number] = np.full(len(at), np.nan)
        if number not in table.column_names:
            measured[:] = False
            continue
        values, known = float_column(table[number])
        found = at >= 0
        columns[number][found] = values[at[found]]
        measured[found] &= known[at[found]]
    return columns | {f"{measure.name}_measured": measured}


def _flat(table: pa.Table) -> pa.Table:
    """A table that CSV can hold: lists become JSON texts, NaN the text `nan`."""
    for position, column in enumerate(table.schema):
        if pa.types.is_list(column.type):
            texts = [
                None if value is None else json.dumps(value)
                for value in table[column.name].to_pylist()
            ]
            table = table.set_column(
                position, column.name, pa.array(texts, pa.string())
            )
    return table
