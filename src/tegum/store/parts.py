"""Parts: the Parquet files in which rows and numbers are appended, and their merging.

A part carries the beginning of its own SHA-256 in its name, so that a part which was
cut short or changed is known before a byte of it is taken for data.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tegum.arrays import Artifact
from tegum.design import Value
from tegum.store.artifacts import artifact_digest
from tegum.store.keys import EXACT_INTEGERS
from tegum.store.places import Damaged, Place, StoreError

ROW_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("subject", pa.string()),
        ("law", pa.int64()),
        ("status", pa.string()),
        ("diverged_at_step", pa.int64()),
        ("artifact_file", pa.string()),
        ("artifact_digest", pa.string()),
        ("registry_position", pa.int64()),
        ("registry_digest", pa.string()),
        ("factors", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("wall_seconds", pa.float64()),
        ("tegum_version", pa.string()),
        ("commit", pa.string()),
        ("libraries", pa.string()),
        ("instruction_set", pa.string()),
        ("machine", pa.string()),
    ]
)
"""What every row says beside its factors; from `created_at` on it is provenance."""

REGISTRY_COLUMNS = ("registry_position", "registry_digest")
"""How many lines the registry had when a row was made, and their SHA-256."""

MAY_LACK = frozenset({"registry_digest"})
"""A part without it is sound; its rows stand under no registry."""

MEASURE_SCHEMA = pa.schema(
    [
        ("measure_key", pa.string()),
        ("model_key", pa.string()),
        ("artifact_digest", pa.string()),
        ("version", pa.int64()),
        ("parameters", pa.string()),
        ("measured_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""What every measurement says beside its numbers."""


def write_part(place: Place, kind: str, table: pa.Table) -> str:
    """Write a table as a new part and return the part's name."""
    data = parquet_bytes(table)
    name = f"{file_stem()}-{_checksum(data)}.parquet"
    place.write(kind, name, data)
    return name


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file.

    Floats get no minimum and maximum: these leave NaN out, and a reader that trusts
    them (DuckDB does) finds no undefined number where there are some.
    """
    buffer = io.BytesIO()
    # PyArrow's annotation knows of a truth value alone, its documentation of a list.
    ordered: Any = [c.name for c in table.schema if not _holds_floats(c.type)]
    pq.write_table(table, buffer, compression="zstd", write_statistics=ordered)
    return buffer.getvalue()


def _holds_floats(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_list(kind)


def file_stem() -> str:
    """A name no other process will use; names sort by the time they were made."""
    return f"{time.time_ns():020d}-{secrets.token_hex(6)}"


def read_parts(
    place: Place, kind: str, *, schema: pa.Schema
) -> tuple[pa.Table, list[str]]:
    """All parts of a kind as one table, oldest first, and the parts' names.

    A damaged part is set aside with a warning and not read.
    """
    tables, names = [schema.empty_table()], []
    for name in place.names(kind):
        try:
            tables.append(_read_part(place.read(kind, name), name, schema=schema))
        except FileNotFoundError:
            continue
        except Damaged as damage:
            place.set_aside(kind, name, str(damage))
        else:
            names.append(name)
    return concatenated(tables), names


def _read_part(data: bytes, name: str, *, schema: pa.Schema) -> pa.Table:
    if not name.endswith(f"-{_checksum(data)}.parquet"):
        raise Damaged("its bytes do not have the checksum in its name")
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise Damaged(str(error)) from None
    for column in schema:
        position = table.schema.get_field_index(column.name)
        if position < 0 and column.name in MAY_LACK:
            continue
        if position < 0 or table.schema.field(position).type != column.type:
            raise Damaged(f"it has no column `{column.name}` of type {column.type}")
    return table


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one below the other; a column that one of them lacks is null there.

    Whole numbers and floats of one name become floats; other types that can not meet
    become the JSON text of their values.
    """
    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for column in table.schema:
            if not pa.types.is_null(column.type):
                types.setdefault(column.name, set()).add(column.type)
    mixed = {
        name
        for name, found in types.items()
        if len(found) > 1
        and not (found == {pa.int64(), pa.float64()} and _exact(tables, name))
    }
    as_text = [_with_text(table, mixed) for table in tables] if mixed else tables
    return pa.concat_tables(as_text, promote_options="permissive")


def _exact(tables: Iterable[pa.Table], name: str) -> bool:
    """Whether every whole number of a column is a float too."""
    return all(
        abs(value) <= EXACT_INTEGERS
        for table in tables
        if name in table.column_names and table.schema.field(name).type == pa.int64()
        for value in table[name].unique().to_pylist()
        if value is not None
    )


def _with_text(table: pa.Table, names: set[str]) -> pa.Table:
    for name in names & set(table.column_names):
        texts = [_text_or_null(value) for value in table[name].to_pylist()]
        position = table.column_names.index(name)
        table = table.set_column(position, name, pa.array(texts, pa.string()))
    return table


def _text_or_null(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def rows_table(
    keys: Sequence[str],
    rows: Sequence[Mapping[str, Value]],
    artifacts: Sequence[Artifact],
    *,
    wall_seconds: Sequence[float | None],
    about: Mapping[str, Any],
) -> pa.Table:
    """A part of `rows`: one row for each artifact; `about` is the same for all."""
    each = {
        "key": list(keys),
        "status": [artifact.status for artifact in artifacts],
        "diverged_at_step": [artifact.diverged_at_step for artifact in artifacts],
        "artifact_digest": [artifact_digest(artifact) for artifact in artifacts],
        "factors": [json.dumps(dict(row), sort_keys=True) for row in rows],
        "wall_seconds": list(wall_seconds),
    }
    table = filled(ROW_SCHEMA, about=about, each=each)
    for factor, column in factor_columns(rows).items():
        table = table.append_column(factor, column)
    return table


def filled(
    schema: pa.Schema, *, about: Mapping[str, Any], each: Mapping[str, list[Any]]
) -> pa.Table:
    """A table of a schema: columns of one value, and columns with a value for each."""
    count = len(next(iter(each.values())))
    columns = {name: [value] * count for name, value in about.items()} | dict(each)
    return pa.table({c.name: pa.array(columns[c.name], c.type) for c in schema})


def factor_columns(rows: Sequence[Mapping[str, Value]]) -> dict[str, pa.Array]:
    """One typed column for each scalar factor, and a list column for vector values."""
    columns: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        columns[name] = _scalar_column(
            [None if isinstance(value, tuple) else value for value in values]
        )
        if any(isinstance(value, tuple) for value in values):
            columns[f"{name}_vector"] = pa.array(
                [list(v) if isinstance(v, tuple) else None for v in values],
                pa.list_(pa.float64()),
            )
    return columns


def _scalar_column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float} and all(float(v) == v for v in values if v is not None):
        values = [None if value is None else float(value) for value in values]
    elif len(kinds) > 1:
        values = [_text_or_null(value) for value in values]
    return pa.array(values)


def first_copies(
    table: pa.Table, *, existing: np.ndarray, foreign: np.ndarray, what: str
) -> pa.Table:
    """The first copy of every key whose artifact exists.

    Rows that two processes made at once stand twice. The earliest place in the
    registry counts for all copies: a row that was made again is no newer than when
    it was first seen. A copy made under another registry, a `foreign` one, counts as
    the earliest.

    Raises:
        StoreError: two copies differ in status, step or bits.
    """
    keys = _codes(table["key"])
    groups, first, member = np.unique(keys, return_index=True, return_inverse=True)
    if len(groups) == len(table):
        return table if existing.all() else table.filter(pa.array(existing))
    position = np.where(foreign, -1, table["registry_position"].to_numpy())
    by_time = np.lexsort((position, member))
    _, starts = np.unique(member[by_time], return_index=True)
    earliest = pa.array(by_time[starts][member])
    for name in REGISTRY_COLUMNS:
        said = table[name].take(earliest)
        table = table.set_column(table.column_names.index(name), name, said)

    table, keys = table.filter(pa.array(existing)), keys[existing]
    _, first, member = np.unique(keys, return_index=True, return_inverse=True)
    for name in ("status", "diverged_at_step", "artifact_digest"):
        codes = _codes(table[name])
        differs = np.flatnonzero(codes != codes[first[member]])
        if len(differs):
            copy = int(differs[0])
            _raise_copies(table, int(first[member[copy]]), copy, name, what=what)
    return table.take(pa.array(np.sort(first)))


def _raise_copies(
    table: pa.Table, one: int, other: int, name: str, *, what: str
) -> None:
    a, b = table.slice(one, 1).to_pylist()[0], table.slice(other, 1).to_pylist()[0]
    raise StoreError(
        f"two copies of the model {a['key']} in {what} differ in {name}: {a[name]!r} "
        f"(made {a['created_at']:%Y-%m-%d %H:%M}, {a['instruction_set']}) and "
        f"{b[name]!r} (made {b['created_at']:%Y-%m-%d %H:%M}, {b['instruction_set']}); "
        f"a row has one result, so move artifacts/{a['artifact_file']} or "
        f"artifacts/{b['artifact_file']} out of the store; what it held is then "
        "made again"
    )


def merged_numbers(table: pa.Table, *, what: str) -> pa.Table:
    """One row for each measurement: copies of it are joined, null filled by numbers.

    Raises:
        StoreError: two copies hold different numbers.
    """
    models, artifacts = _codes(table["measure_key"]), _codes(table["artifact_digest"])
    keys = models * (int(artifacts.max(initial=0)) + 1) + artifacts
    groups, first, member = np.unique(keys, return_index=True, return_inverse=True)
    if len(groups) == len(table):
        return table
    order = np.argsort(first)
    merged = table.take(pa.array(first[order]))
    for name in table.column_names:
        if name in MEASURE_SCHEMA.names:
            continue
        values, known = float_column(table[name])
        known_at = np.flatnonzero(known)
        found, where = np.unique(member[known_at], return_index=True)
        joined = np.full(len(groups), np.nan)
        joined[found] = values[known_at[where]]
        expected = joined[member]
        same = (values == expected) | (np.isnan(values) & np.isnan(expected))
        if not same[known].all():
            bad = int(np.flatnonzero(known & ~same)[0])
            raise StoreError(
                f"two measurements of the model {table['model_key'][bad].as_py()} in "
                f"{what} differ in {name}: {expected[bad]!r} and "
                f"{values[bad]!r}; a measure must give one number for the same "
                "artifact; raise its version"
            )
        unknown = np.ones(len(groups), dtype=bool)
        unknown[found] = False
        column = pa.array(joined[order], mask=unknown[order])
        merged = merged.set_column(merged.column_names.index(name), name, column)
    return merged


def float_column(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a float column, and where it is not null."""
    known = np.asarray(column.is_valid())
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    return values, known


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """A whole number for each distinct value, null included."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices, dtype=np.int64)


def number_columns(
    numbers: Iterable[Mapping[str, float]], names: Sequence[str]
) -> dict[str, pa.Array]:
    """One float64 column for each number; NaN stays NaN."""
    found = list(numbers)
    return {
        name: pa.array(
            np.array([n[name] for n in found], dtype=np.float64), from_pandas=False
        )
        for name in names
    }
