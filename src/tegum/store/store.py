"""The store: rows, measures, artifacts and the registry of what was said beforehand."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import safetensors.numpy

from tegum.arrays import Artifact
from tegum.design import Row
from tegum.store.artifacts import artifact_digest, check_arrays
from tegum.store.format import is_free, make
from tegum.store.keys import canonical_json, measure_key, model_keys
from tegum.store.parts import (
    MEASURE_SCHEMA,
    REGISTRY_COLUMNS,
    ROW_SCHEMA,
    concatenated,
    file_stem,
    filled,
    first_copies,
    merged_numbers,
    number_columns,
    read_parts,
    rows_table,
    write_part,
)
from tegum.store.places import Damaged, Folder, Memory, Place, StoreError
from tegum.store.provenance import Provenance
from tegum.store.registry import made_under, marks, not_said, records_of

if TYPE_CHECKING:
    from tegum.measures.facts import Measure
    from tegum.study import Subject

ARTIFACT_FILE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*\.safetensors")
CHECKPOINTS = "checkpoints"
MEASURE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")


@dataclass(frozen=True)
class Store:
    """Rows and numbers that are only ever appended, and the registry beside them.

    Open one with `Store.open(path)` or `Store.in_memory()`. Nothing in a store is
    executed: tables are Parquet, arrays safetensors, the registry JSON.
    """

    place: Place
    _read: dict[tuple[str, ...], pa.Table] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True) -> Store:
        """The store in a directory, made there if the directory is new or empty.

        Raises:
            ValueError: no store there and `create` is False, a directory that holds
                other things, a store of a newer format, or a path that can not be
                written.
        """
        root = Path(path)
        if is_free(root):
            if not create:
                raise StoreError(
                    f"there is no store at {root}; run a study first, or give the "
                    "path of one"
                )
            make(root)
        return cls(Folder(root))

    @classmethod
    def peek(cls, path: str | Path) -> Store:
        """The store in a directory, or an empty one in memory where it could be made.

        Nothing is made: for planning.

        Raises:
            ValueError: a path at which no store can be opened or made.
        """
        return cls.in_memory() if is_free(Path(path)) else cls.open(path, create=False)

    @classmethod
    def in_memory(cls) -> Store:
        """A store that lives as long as this object."""
        return cls(Memory())

    @property
    def path(self) -> Path | None:
        """Where the store lies on disk; None for one in memory."""
        return self.place.root if isinstance(self.place, Folder) else None

    def rows(self) -> pa.Table:
        """One row for each model whose artifact is there, in the order they were made.

        Columns: see `docs/store.md`. A damaged part is set aside with a warning.

        Raises:
            StoreError: two copies of a row differ, or a row names a file outside the
                store.
        """
        with self.place.reading():
            table, _ = read_parts(self.place, "rows", schema=ROW_SCHEMA)
            there = set(self.place.names("artifacts"))
        return self._first_copies(table, there)

    def _first_copies(self, table: pa.Table, there: set[str]) -> pa.Table:
        for name in table["artifact_file"].unique().to_pylist():
            if not (isinstance(name, str) and ARTIFACT_FILE.fullmatch(name)):
                raise StoreError(
                    f"a row names the artifact file {name!r}, which is no file name "
                    "of a store; nothing was opened; remove the part that says so"
                )
        files = table["artifact_file"].to_pylist()
        existing = np.array([name in there for name in files], dtype=bool)
        said = (table[name].to_pylist() for name in REGISTRY_COLUMNS)
        foreign = ~made_under(self.registry_marks(), *said)
        return first_copies(table, existing=existing, foreign=foreign, what=self._what)

    def _without_copies(self, table: pa.Table) -> pa.Table:
        """Rows once each; one whose artifact is gone stays, for when it was first."""
        first = self._first_copies(table, set(self.place.names("artifacts")))
        here = set(first["key"].to_pylist())
        gone = [key not in here for key in table["key"].to_pylist()]
        return concatenated([first, table.filter(pa.array(gone, pa.bool_()))])

    def _joined(self, table: pa.Table) -> pa.Table:
        return merged_numbers(table, what=self._what)

    def numbers(self, measure: Measure | str) -> pa.Table:
        """One row for each measurement: `model_key`, then a column for each number.

        NaN is undefined, null is not measured. A `Measure` selects its version and
        parameters, a name gives them all.

        Raises:
            StoreError: two measurements of the same artifact differ.
        """
        name = measure if isinstance(measure, str) else measure.name
        with self.place.reading():
            table, _ = read_parts(self.place, _folder(name), schema=MEASURE_SCHEMA)
        if not isinstance(measure, str):
            parameters = canonical_json(measure.parameters)
            table = table.filter(
                (pc.field("version") == measure.version)
                & (pc.field("parameters") == parameters)
            )
        return merged_numbers(table, what=self._what)

    def measures(self) -> list[str]:
        """The names of all measures that have numbers here."""
        if isinstance(self.place, Memory):
            kinds = {kind for kind, _ in self.place.files}
            return sorted(k[9:] for k in kinds if k.startswith("measures/"))
        return self.place.names("measures")

    def folders(self, keys: Sequence[str]) -> AbstractContextManager[list[Path]]:
        """A folder for each model under `checkpoints`; in memory, while it is open."""
        return self.place.folders(CHECKPOINTS, keys)

    def artifact(self, key: str) -> Artifact:
        """The artifact of one model.

        Raises:
            ValueError: no such key, or an artifact that was damaged and set aside.
        """
        row = self._rows_at_hand().filter(pc.field("key") == key)
        if not len(row):
            raise ValueError(
                f"the store has no model with the key {key!r}; keys stand in the "
                "column `key` of its rows"
            )
        for _, artifact in self.artifacts(row):
            return artifact
        raise StoreError(
            f"the artifact of {key} was damaged and has been set aside; run its study "
            "again to make it anew"
        )

    def _rows_at_hand(self) -> pa.Table:
        """The rows, read again only if there are others: a part's name is its bytes."""
        parts = tuple(self.place.names("rows"))
        if parts not in self._read:
            self._read.clear()
            self._read[parts] = self.rows()
        return self._read[parts]

    def artifacts(self, rows: pa.Table) -> Iterator[tuple[str, Artifact]]:
        """Key and artifact of rows of this store, file by file.

        Every array is held against the digest of its row. A damaged file is set aside
        with a warning, and its rows are left out.
        """
        wanted = rows.select(
            ["key", "artifact_file", "artifact_digest", "status", "diverged_at_step"]
        ).to_pylist()
        by_file: dict[str, list[dict[str, Any]]] = {}
        for row in wanted:
            by_file.setdefault(row["artifact_file"], []).append(row)
        for name, members in by_file.items():
            try:
                keys = [row["key"] for row in members]
                found = self.place.arrays(name, keys)
                for row, arrays in zip(members, found, strict=True):
                    artifact = Artifact(arrays, row["status"], row["diverged_at_step"])
                    if artifact_digest(artifact) != row["artifact_digest"]:
                        raise Damaged(f"the arrays of {row['key']} are not its own")
                    yield row["key"], artifact
            except Damaged as damage:
                self.place.set_aside("artifacts", name, str(damage))
            except FileNotFoundError:
                continue

    def add_artifacts(
        self,
        subject: Subject,
        rows: Sequence[Row],
        artifacts: Sequence[Artifact],
        *,
        provenance: Provenance,
        registry_position: int,
        wall_seconds: Sequence[float] | None = None,
    ) -> list[str]:
        """Append trained rows: first one file with their arrays, then the rows.

        Returns the keys, in order.

        Raises:
            StoreError: the store can not be written; none of the rows is in it then.
            ValueError: an artifact with an array that has no numbers.
        """
        if not rows:
            return []
        for row, artifact in zip(rows, artifacts, strict=True):
            check_arrays(row, artifact)
        keys = model_keys(subject, rows)
        arrays = {
            f"{key}/{name}": np.asarray(array, order="C")
            for key, artifact in zip(keys, artifacts, strict=True)
            for name, array in artifact.arrays.items()
        }
        name = f"{file_stem()}.safetensors"
        self.place.write("artifacts", name, safetensors.numpy.save(arrays))
        known = dict(enumerate(self.registry_marks()))
        about = {
            "subject": subject.name,
            "law": subject.law,
            "artifact_file": name,
            "registry_position": registry_position,
            "registry_digest": known.get(registry_position),
            "created_at": _now(),
            **provenance.to_record(),
        }
        seconds = [None] * len(rows) if wall_seconds is None else wall_seconds
        table = rows_table(keys, rows, artifacts, wall_seconds=seconds, about=about)
        try:
            write_part(self.place, "rows", table)
        except StoreError:
            self.place.delete("artifacts", name)
            raise
        return keys

    def add_numbers(
        self,
        measure: Measure,
        keys: Sequence[str],
        digests: Sequence[str],
        numbers: Sequence[Mapping[str, float]],
    ) -> None:
        """Append the numbers of one measure for models and the bits they were taken of.

        Raises:
            StoreError: the store can not be written; none of the numbers is in it.
        """
        if not keys:
            return
        about = {
            "version": measure.version,
            "parameters": canonical_json(measure.parameters),
            "measured_at": _now(),
        }
        each = {
            "measure_key": [measure_key(key, measure) for key in keys],
            "model_key": list(keys),
            "artifact_digest": list(digests),
        }
        table = filled(MEASURE_SCHEMA, about=about, each=each)
        for name, column in number_columns(numbers, measure.numbers).items():
            table = table.append_column(name, column)
        write_part(self.place, _folder(measure.name), table)

    def register(self, *records: Mapping[str, Any]) -> None:
        """Append records to the registry, each unless it would repeat the last word.

        That is the last record of the same kind, study, design and claim. The time, the
        version and the commit are added and do not count for "same".

        Raises:
            StoreError: the registry can not be written; it is as it was before.
        """

        def lines_after(lines: list[str]) -> list[str]:
            new = not_said(records, records_of(lines))
            if not new:
                return []
            stamp = {"at": _now().isoformat(timespec="seconds")}
            stamp |= Provenance.of_tegum().for_registry()
            return [
                json.dumps(stamp | dict(record), sort_keys=True, separators=(",", ":"))
                for record in new
            ]

        self.place.append(lines_after)

    def registry(self) -> list[dict[str, Any]]:
        """Every record of the registry in order, each with its `line`, from 0."""
        return records_of(self.place.lines())

    def registry_length(self) -> int:
        """How many lines the registry has: the place at which a row made now stands."""
        return len(self.place.lines())

    def registry_marks(self) -> list[str]:
        """For every N, the SHA-256 of the registry's first N lines: `head -n N`."""
        return marks(self.place.lines())

    def sweep(self) -> None:
        """Remove temporary files that processes left behind when they were killed."""
        self.place.sweep()

    def compact(self) -> int:
        """Merge small parts, so that the store opens fast; returns how many were.

        Other processes may read and append meanwhile.

        Raises:
            StoreError: the store can not be written; it is as it was before.
        """
        kinds = {"rows": ROW_SCHEMA}
        kinds |= {_folder(name): MEASURE_SCHEMA for name in self.measures()}
        merged = 0
        with self.place.merging():
            self.sweep()
            for kind, schema in kinds.items():
                table, parts = read_parts(self.place, kind, schema=schema)
                if len(parts) < 2:
                    continue
                single = self._without_copies if kind == "rows" else self._joined
                written = write_part(self.place, kind, single(table))
                for part in set(parts) - {written}:
                    self.place.delete(kind, part)
                merged += len(parts)
        return merged

    def record_of(self, key: str) -> dict[str, Any]:
        """All that is stored about one model, from its key or how the key begins.

        Raises:
            ValueError: no such model, or several.
        """
        rows = self.rows()
        found = rows.filter(
            pa.array([k.startswith(key) for k in rows["key"].to_pylist()], pa.bool_())
        )
        if len(found) != 1:
            keys = found["key"].to_pylist()[:5]
            raise ValueError(
                f"{len(found)} models have a key that begins with {key!r}"
                + (f": {', '.join(keys)}" if keys else "")
                + "; give more of the key, as in the column `key` of the rows"
            )
        row = found.to_pylist()[0]
        numbers = {}
        for name in self.measures():
            table = self.numbers(name)
            mine = (pc.field("model_key") == row["key"]) & (
                pc.field("artifact_digest") == row["artifact_digest"]
            )
            numbers[name] = table.filter(mine).to_pylist()
        factors = json.loads(row["factors"])
        about = {name: row[name] for name in ROW_SCHEMA.names if name != "factors"}
        return {"row": about, "factors": factors, "measures": numbers}

    @property
    def _what(self) -> str:
        return "this store" if self.path is None else str(self.path)


def _folder(measure: str) -> str:
    if not MEASURE_NAME.fullmatch(measure):
        raise ValueError(
            f"a measure is called {measure!r}; its name becomes a folder, so use "
            "letters, digits, `_`, `-` and `.`, a letter or digit first"
        )
    return f"measures/{measure}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
