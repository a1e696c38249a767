"""The toy models as a subject: rows in, trained weights out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.toys import engine, model


@dataclass(frozen=True)
class ToyModels:
    """Toy models of superposition, trained by the compiled engine.

    Each row is one model; see `tegum.toys.model.FACTORS` for the columns.
    """

    name: str = "toy"
    law: int = 1

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        return model.FACTORS

    @property
    def instruction_set(self) -> str:
        """The processor's instructions that the engine uses here, for the record."""
        return engine.instruction_set()

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: an unknown, missing or impossible value, naming the row, the
                value, the range and the remedy.
        """
        rows = complete(design, model.FACTORS)
        check_rows(rows, model.check_together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """Train every row; None for those that `stop` cut short."""
        return engine.train(rows, workers=workers, progress=progress, stop=stop)

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row, from the engine's cost formula."""
        return engine.core_seconds(row)

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is trained and stored."""
        return engine.memory_bytes(row)
