"""Which rows are asked for: a design, other seeds, some levels only."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tegum.design import Design, Row, Value, levels_asked, unknown
from tegum.measures.facts import Measure
from tegum.store import model_keys
from tegum.study import Study


@dataclass(frozen=True)
class Selection:
    """Completed rows and their keys."""

    rows: tuple[Row, ...]
    keys: tuple[str, ...]


def select(
    study: Study,
    design: str,
    *,
    seeds: int | None = None,
    where: Mapping[str, Any] | None = None,
) -> Selection:
    """The rows of a design, each cell with its first `seeds` seeds, as `where` says.

    More seeds than a cell holds go on upwards from its largest, past pilot seeds.

    Raises:
        ValueError: no such design, fewer than one seed, a factor or level that no row
            has, two rows that are the same model, a subject that completes some rows
            only, or a measure with parameters that can not be written down.
    """
    if design not in study.designs:
        raise ValueError(unknown(design, study.designs, what="design"))
    _refuse_strange_parameters(study.measures)
    rows: list[Row] = []
    if seeds is None:
        rows += study.completed(design)
    else:
        table = with_seeds(study.designs[design], seeds, avoid=study.pilot_seeds)
        rows += study.subject.complete(table)
        if len(rows) != len(table):
            raise ValueError(
                f"the subject `{study.subject.name}` completed {len(table)} rows to "
                f"{len(rows)}; `complete` must return one for each, in order, or raise "
                "a ValueError"
            )
    keys = model_keys(study.subject, rows)
    _refuse_same_models(rows, keys)
    if where:
        kept = _matching(rows, where)
        rows, keys = [rows[i] for i in kept], [keys[i] for i in kept]
    return Selection(tuple(rows), tuple(keys))


def with_seeds(design: Design, count: int, *, avoid: Collection[int] = ()) -> Design:
    """A design in which every cell has `count` seeds: its own first, then further ones.

    Raises:
        ValueError: fewer than one seed.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"`seeds` is {count!r}; give a whole number from 1")
    cells: dict[frozenset[tuple[str, Value]], tuple[Row, list[int]]] = {}
    for row in design:
        cell = {name: value for name, value in row.items() if name != "seed"}
        identity = frozenset(cell.items())
        cells.setdefault(identity, (cell, []))[1].append(row["seed"])
    return Design(
        tuple(
            {**cell, "seed": seed}
            for cell, own in cells.values()
            for seed in itertools.islice(_seeds(own, avoid), count)
        )
    )


def _seeds(own: list[int], avoid: Collection[int]) -> Iterator[int]:
    yield from own
    yield from (s for s in itertools.count(max(own) + 1) if s not in avoid)


def _refuse_same_models(rows: list[Row], keys: list[str]) -> None:
    first: dict[str, int] = {}
    for position, key in enumerate(keys):
        if key in first:
            raise ValueError(
                f"rows {first[key]} and {position} of the design are the same model: "
                f"{rows[position]}; they differ at most in a factor at its default or "
                "beyond 12 digits; drop one"
            )
        first[key] = position


def _matching(rows: list[Row], where: Mapping[str, Any]) -> list[int]:
    for name in where:
        if any(name not in row for row in rows):
            raise ValueError(unknown(name, rows[0], what="factor"))
    wanted = {
        name: levels_asked(name, value, levels=dict.fromkeys(row[name] for row in rows))
        for name, value in where.items()
    }
    kept = [
        position
        for position, row in enumerate(rows)
        if all(row[name] in levels for name, levels in wanted.items())
    ]
    if not kept:
        raise ValueError(
            f"no row of the design has {dict(where)} together; ask for levels that "
            "stand in one row"
        )
    return kept


def _refuse_strange_parameters(measures: Sequence[Measure]) -> None:
    for measure in measures:
        for name, value in measure.parameters.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"the parameter `{name}` of the measure `{measure.name}` is a "
                    f"{type(value).__name__} that can not be written down ({error}); "
                    "give finite numbers, texts, or lists of them, as "
                    "`array.tolist()` makes of an array"
                ) from None
