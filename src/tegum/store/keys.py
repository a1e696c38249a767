"""Keys: what makes two models, or two measurements, the same one.

`model_key` is the SHA-256 of the canonical JSON of the subject's name and law, the
factors that are not at their default, the seed and the digests of external inputs.
`measure_key` adds the measure's name, version and parameters. Nothing else enters:
not the machine, not the commit, not the order in which rows were asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.design import REQUIRED, Row

if TYPE_CHECKING:
    from tegum.measures.facts import Measure
    from tegum.study import Subject

EXACT_INTEGERS = 2**53
"""Below this every whole number is one float, so 1 and 1.0 are one text."""


def canonical(value: Any) -> Any:
    """A value as it enters a key: floats at 12 significant digits, 1.0 as 1.

    Raises:
        ValueError: a float that is not finite, or a value JSON has no form for.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise ValueError(
                f"{value!r} can not be part of a key; give a finite number, or leave "
                "the value out"
            )
        rounded = float(f"{value:.12g}")
        whole = rounded.is_integer() and abs(rounded) < EXACT_INTEGERS
        return int(rounded) if whole else rounded
    if isinstance(value, Mapping):
        return {str(name): canonical(part) for name, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [canonical(part) for part in value]
    raise ValueError(
        f"a {type(value).__name__} can not be part of a key; use numbers, texts, "
        "truth values, None, or lists and mappings of these"
    )


def canonical_json(value: Any) -> str:
    """The one text of a value: sorted names, no spaces, floats as `canonical` has them.

    >>> canonical_json({"b": 1.0, "a": (0.1 + 0.2, None)})
    '{"a":[0.3,null],"b":1}'
    """
    return json.dumps(
        canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def model_keys(subject: Subject, rows: Sequence[Row]) -> list[str]:
    """The key of every completed row, in order.

    A subject that reads external inputs (a corpus, a folder of weights) has an
    attribute `input_digests`, a mapping from name to digest, and it enters the key.

    Raises:
        ValueError: a row that lacks one of the subject's factors.
    """
    fixed: dict[str, Any] = {"law": int(subject.law), "subject": subject.name}
    digests = getattr(subject, "input_digests", None)
    if digests:
        fixed = {"inputs": dict(digests), **fixed}
    rest = canonical_json(fixed)[1:]
    defaults = {
        factor.name: None
        if factor.default is REQUIRED or factor.name == "seed"
        else canonical_json(factor.default)
        for factor in subject.factors
    }
    known: dict[Any, str] = {}
    keys = []
    for row in rows:
        lacking = [name for name in defaults if name not in row]
        if lacking:
            raise ValueError(
                f"a row lacks {', '.join(lacking)}, which the subject "
                f"`{subject.name}` has; complete the row first with `subject.complete`"
            )
        said = []
        for name in sorted(row):
            try:
                text = _remembered(known, row[name])
            except ValueError as error:
                raise ValueError(
                    f"the factor `{name}` of the row {dict(row)}: {error}"
                ) from None
            if text != defaults.get(name):
                said.append(f"{json.dumps(name)}:{text}")
        text = '{"factors":{' + ",".join(said) + "}," + rest
        keys.append(hashlib.sha256(text.encode()).hexdigest())
    return keys


def _remembered(known: dict[Any, str], value: Any) -> str:
    """`canonical_json`, each value once: a design repeats few values many times."""
    if not (value is None or isinstance(value, bool | int | float | str)):
        return canonical_json(value)
    held = (type(value), value)
    if held not in known:
        known[held] = canonical_json(value)
    return known[held]


def model_key(subject: Subject, row: Row) -> str:
    """The key of one completed row: 64 hexadecimal digits.

    Raises:
        ValueError: the row lacks one of the subject's factors.
    """
    return model_keys(subject, [row])[0]


def measure_key(key: str, measure: Measure) -> str:
    """The key of one measurement: a model, a measure, its version, its parameters."""
    text = canonical_json(
        {
            "model": key,
            "measure": measure.name,
            "version": measure.version,
            "parameters": measure.parameters,
        }
    )
    return hashlib.sha256(text.encode()).hexdigest()
