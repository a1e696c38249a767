"""The lines of a registry: what was said, and whether it was said before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

ABOUT = ("kind", "study", "design", "claim")
"""What two records share when the later one is the last word on the same thing."""

NOT_IDENTITY = ("at", "tegum_version", "commit", "line")
"""What a registry line may differ in and still say the same."""


def records_of(lines: Sequence[str]) -> list[dict[str, Any]]:
    """The records that lines hold, each with its `line`; a torn line holds none."""
    records = []
    for position, line in enumerate(lines):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record | {"line": position})
    return records


def identity(record: Mapping[str, Any]) -> str:
    """The text that two records share when they say the same."""
    said = {n: v for n, v in record.items() if n not in NOT_IDENTITY}
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def not_said(
    records: Iterable[Mapping[str, Any]], said: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The records that do not repeat the last one about the same thing."""
    last = {_about(record): record for record in said}
    new = []
    for record in records:
        before = last.get(_about(record))
        if before is None or identity(before) != identity(record):
            new.append(record)
            last[_about(record)] = record
    return new


def _about(record: Mapping[str, Any]) -> str:
    return json.dumps([record.get(name) for name in ABOUT])


def marks(lines: Sequence[str]) -> list[str]:
    """For every N from 0, the SHA-256 of the first N lines, each with its line end."""
    digest = hashlib.sha256()
    found = [digest.hexdigest()]
    for line in lines:
        digest.update(f"{line}\n".encode())
        found.append(digest.hexdigest())
    return found


def made_under(
    known: Sequence[str], positions: Iterable[Any], digests: Iterable[Any]
) -> np.ndarray:
    """For each row, whether it was made when this registry had so many lines.

    `known` are the registry's `marks`; a row says how many lines there were, and their
    digest.
    """
    return np.array(
        [
            0 <= position < len(known) and known[position] == digest
            for position, digest in zip(positions, digests, strict=True)
        ],
        dtype=bool,
    )


def digest_of(said: Any) -> str:
    """The SHA-256 of plain data as one line of JSON: that of a study's registration."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
