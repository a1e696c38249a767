"""A user's own function as a subject: any model that Python can train."""

from __future__ import annotations

import functools
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tegum.arrays import Artifact, RowsFailed
from tegum.design import Factor, Row, check_rows, complete, rounded
from tegum.parallel import in_processes, one_after_the_other

ENTRY_SHOWN = 4

Outcome = Artifact | str
"""What a row came to: its artifact, or what went wrong in words."""


def _anything_goes(row: Row) -> None:
    """The check of a subject that refuses no combination of factors."""


@dataclass(frozen=True)
class FunctionSubject:
    """A function from a row to named arrays, under the same law as every subject.

    `function(row)` gets a read-only mapping from factor to value and returns a mapping
    from name to NumPy array or PyTorch tensor, or an `Artifact`. Measures of geometry
    read `W` (hidden, feature) and `b` (feature); the convergence law reads
    `loss_step` and `loss`. A mapping with a number that is not finite marks the row as
    diverged; return an `Artifact` to say otherwise.

    `factors` are the columns it understands, for example `tegum.toys.FACTORS`; without
    any, every column with plain values is passed on, and each row must state them all;
    numbers then have the 12 significant digits by which a row is found, whole ones as
    `int`: 1 and 1.0 are one row.
    `check_together(row)` may refuse a combination with a `ValueError`.

    Whatever comes of a row must follow from the row: draw every random number from
    `row["seed"]`. As a safeguard each row runs in a process of its own, on one thread
    of PyTorch and BLAS, and the global generators of `random`, NumPy and PyTorch (if
    imported) start from the seed. With `in_process=True` rows run one after the other
    in this process, for a debugger or an accelerator; a row under way is then finished
    before a stop is heard, and what the function leaves behind is its own affair.

    Raise `law` whenever the function gives other bits than before: what is in a store
    is found by name, law and row alone.

    Raises:
        ValueError: an empty name, a law below 1, or a function that is none.
    """

    name: str
    function: Callable[[Row], Mapping[str, Any] | Artifact]
    _: KW_ONLY
    factors: Sequence[Factor] = ()
    law: int = 1
    check_together: Callable[[Row], None] = _anything_goes
    core_seconds_per_row: float = 1.0
    memory_bytes_per_row: int = 64 * 2**20
    in_process: bool = False

    def __post_init__(self) -> None:
        """Refuse what can not be run or found again."""
        if not (isinstance(self.name, str) and self.name.strip()):
            raise ValueError(
                f"the subject's name is {self.name!r}; it must be a text that is not "
                "empty, since what is stored is found by it"
            )
        if not isinstance(self.law, int) or isinstance(self.law, bool) or self.law < 1:
            raise ValueError(
                f"`law` of the subject {self.name!r} is {self.law!r}; it must be a "
                "whole number from 1, raised whenever the function changes"
            )
        if self.factors and "seed" not in {factor.name for factor in self.factors}:
            raise ValueError(
                f"the factors of the subject {self.name!r} lack `seed`, the unit of "
                "every claim; add it"
            )
        if not callable(self.function):
            raise ValueError(
                f"the function of the subject {self.name!r} is {self.function!r}, "
                "which can not be called; give `def train(row): ...` itself"
            )

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked.

        Raises:
            ValueError: a row without a seed, an unknown, missing or impossible value,
                naming the row and the remedy.
        """
        rows = (
            complete(design, self.factors)
            if self.factors
            else _plain_rows(design, subject=self.name)
        )
        check_rows(rows, self.check_together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """An artifact for each row; None for rows that `stop` cut short.

        Raises:
            RowsFailed: the function raised, returned something that is no artifact, or
                its process died, naming the rows; it carries the finished artifacts.
        """
        made = functools.partial(_made, self.function)
        outcomes = (
            one_after_the_other(rows, made, progress=progress, stop=stop)
            if self.in_process
            else in_processes(rows, made, workers=workers, progress=progress, stop=stop)
        )
        errors = {i: text for i, text in enumerate(outcomes) if isinstance(text, str)}
        artifacts = [None if isinstance(o, str) else o for o in outcomes]
        if errors:
            raise RowsFailed(
                _message(self.name, rows, errors=errors),
                finished=artifacts,
                errors=errors,
            )
        return artifacts

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row, as stated."""
        return self.core_seconds_per_row

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes, as stated."""
        return self.memory_bytes_per_row


def artifact_of(returned: Any) -> Artifact:
    """What a function returned, as an artifact with NumPy arrays.

    Raises:
        ValueError: it is no mapping, empty, or an entry is no array of numbers.
    """
    if isinstance(returned, Artifact):
        arrays = _arrays(returned.arrays)
        return Artifact(arrays, returned.status, returned.diverged_at_step)
    if not isinstance(returned, Mapping):
        raise ValueError(
            f"the function returned {_short(returned)}; it must return a mapping from "
            'name to array, such as {"W": W, "b": b}, or an Artifact'
        )
    arrays = _arrays(returned)
    finite = all(np.isfinite(array).all() for array in arrays.values())
    return Artifact(arrays, "trained" if finite else "diverged")


def _arrays(entries: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    if not entries:
        raise ValueError(
            "the function returned no array; it must return at least one, such as "
            '{"W": W}'
        )
    arrays = {}
    for name, value in entries.items():
        if not (isinstance(name, str) and name):
            raise ValueError(
                f"the function returned an entry called {name!r}; the name of an array "
                "must be a text"
            )
        if hasattr(value, "detach"):  # a PyTorch tensor
            value = value.detach().cpu().numpy()
        array = np.array(value)
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise ValueError(
                f"the function returned {_short(value)} as `{name}`; it must be an "
                "array of real numbers or truth values"
            )
        arrays[name] = array
    return arrays


def _short(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}{'...' * (len(text) > 60)} ({type(value).__name__})"


def _plain_rows(design: Iterable[Row], *, subject: str) -> list[dict[str, Any]]:
    rows = [dict(row) for row in design]
    columns = dict.fromkeys(name for row in rows for name in row)
    for position, row in enumerate(rows):
        missing = [name for name in columns if name not in row]
        if missing:
            raise ValueError(
                f"row {position} lacks {', '.join(missing)}, which other rows state; "
                f"state it, or give the subject {subject!r} `factors=` with defaults"
            )
        seed = row.get("seed")
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ValueError(
                f"row {position}: `seed` is {seed!r}; it must be a whole number from "
                "0, since the seed is the unit of every claim; give `seeds=` to `grid`"
            )
        for name, value in row.items():
            parts = value if isinstance(value, tuple) else (value,)
            plain = all(
                p is None or isinstance(p, bool | int | float | str) for p in parts
            )
            if not plain or any(isinstance(p, float) and p != p for p in parts):
                raise ValueError(
                    f"row {position}: `{name}` is {value!r}; it must be a number, a "
                    "text, a truth value, None or a tuple of numbers, and not NaN"
                )
    return [{name: _as_found(value) for name, value in row.items()} for row in rows]


def _as_found(value: Any) -> Any:
    """A value as its key has it, so that rows of one key can not train differently."""
    if isinstance(value, tuple):
        return tuple(_as_found(part) for part in value)
    if isinstance(value, float) and math.isfinite(value):
        return rounded(value, digits=12)
    return value


def _made(
    function: Callable[[Row], Any],
    row: Row,
    tell: Callable[[float], None],
    stop: Callable[[], bool],
) -> Outcome:
    """A row of a function, which tells nothing on its way and hears no stop."""
    return _outcome(function, row)


def _outcome(function: Callable[[Row], Any], row: Row) -> Outcome:
    """Run the function on a row; an error comes back as its text.

    This is the one place where any exception is caught: the function is a stranger's,
    the rows beside it must not be lost, and `train` raises the text again.
    """
    try:
        return artifact_of(function(MappingProxyType(dict(row))))
    except Exception as error:
        return f"{type(error).__name__}: {error}{_place(error)}"


def _place(error: Exception) -> str:
    """The last line of the user's own that the error passed through."""
    theirs = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "site-packages" not in frame.filename
    ]
    return f" ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs else ""


def _message(name: str, rows: Sequence[Row], *, errors: Mapping[int, str]) -> str:
    shown = [
        f"row {position} {dict(rows[position])}: {text}"
        for position, text in list(errors.items())[:ENTRY_SHOWN]
    ]
    more = len(errors) - len(shown)
    tail = f"\n  and {more} more" if more else ""
    return (
        f"the function of the subject {name!r} failed in {len(errors)} of {len(rows)} "
        "rows; the others are kept:\n  " + "\n  ".join(shown) + tail
    )


__all__ = ["FunctionSubject", "artifact_of"]
