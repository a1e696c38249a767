"""The lines of a registry: what was said, and whether it was said before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

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
