"""Pairs of toy models: with dropout, and the same start and inputs without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tegum.arrays import Artifact
from tegum.design import Factor, Row, canonical
from tegum.toys import engine
from tegum.toys.subject import ToyModels

WITHOUT = "_without_dropout"
"""What the arrays of the model without dropout are called after."""


@dataclass(frozen=True)
class PairsOfToyModels:
    """A toy model, and beside it the one that differs in its rate alone, which is 0.

    A measure sees one artifact. What becomes of a feature when dropout rises is a
    question about two models, so an artifact holds both: `W`, `b`, `loss_step` and
    `loss` of the row itself, as for `ToyModels`, and `W_without_dropout` and
    `loss_without_dropout` of the same row at rate 0, which has the same initial
    weights and inputs. Within a call each such model is trained once.
    """

    name: str = "toy-pairs"
    law: int = 1
    models: ToyModels = field(default_factory=ToyModels)

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns of a toy model."""
        return self.models.factors

    @property
    def instruction_set(self) -> str:
        """The processor's instructions that the engine uses here, for the record."""
        return self.models.instruction_set

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: as `ToyModels` does.
        """
        return self.models.complete(design)

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """A pair for each row; None where `stop` cut one of its models short."""
        jobs: list[Row] = []
        place: dict[tuple, int] = {}
        for row in rows:
            for job in (row, without_dropout(row)):
                if _identity(job) not in place:
                    place[_identity(job)] = len(jobs)
                    jobs.append(job)

        def paired(made: Sequence[Artifact | None]) -> list[Artifact | None]:
            return [
                _pair(
                    made[place[_identity(row)]],
                    made[place[_identity(without_dropout(row))]],
                )
                for row in rows
            ]

        try:
            made = self.models.train(
                jobs, workers=workers, progress=progress, stop=stop
            )
        except engine.Interrupted as interrupt:
            raise engine.Interrupted(paired(interrupt.finished)) from interrupt
        return paired(made)

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for the row's own model.

        The one beside it is a row of the same design as a rule, and shared.
        """
        return self.models.core_seconds(row)

    def memory_bytes(self, row: Row) -> int:
        """About how much memory both models take while they are trained and stored."""
        return self.models.memory_bytes(row) + self.models.memory_bytes(
            without_dropout(row)
        )


def without_dropout(row: Row) -> Row:
    """The same row at rate 0: the same code, in which no unit is ever dropped."""
    return {**row, "rate": 0.0}


def _identity(row: Row) -> tuple:
    return tuple((name, canonical(row[name])) for name in sorted(row))


def _pair(model: Artifact | None, beside: Artifact | None) -> Artifact | None:
    if model is None or beside is None:
        return None
    arrays = {
        **model.arrays,
        **{name + WITHOUT: beside.arrays[name] for name in ("W", "loss")},
    }
    return Artifact(arrays, model.status, model.diverged_at_step)
