"""Small transformers as a subject: rows in, trained networks out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.networks import factors
from tegum.networks.corpus import MOST_HELD_OUT_SEQUENCES, Corpus
from tegum.networks.libraries import torch as load_torch
from tegum.networks.libraries import transformers
from tegum.networks.model import parameters, warm_up
from tegum.networks.training import (
    EVALUATION_SEQUENCES,
    EVALUATIONS,
    libraries_mark,
    train_row,
)
from tegum.parallel import finished_rows, in_processes, one_after_the_other


@dataclass(frozen=True)
class SmallTransformers:
    """Transformers trained on text, with dropout at any site; see `FACTORS`.

    `corpus` is "stdlib" (the source of Python's standard library), a file, a folder, or
    a list of these; its digest is part of every key. On the processor each row runs in
    a process of its own on one thread; on a GPU (`device="cuda"`), which is part of the
    key too, rows run one after another.
    """

    corpus: Any = "stdlib"
    device: str = "cpu"
    name: str = "small-transformers"
    law: int = 2
    wants_folders: ClassVar[bool] = True
    _corpus: Corpus = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the text that is read, so that all rows see one corpus."""
        object.__setattr__(self, "_corpus", Corpus(self.corpus))

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        return factors.FACTORS

    @property
    def input_digests(self) -> dict[str, str]:
        """The digest of the text, and a device other than the processor."""
        device = {} if self.device == "cpu" else {"device": self.device}
        return {"corpus": self._corpus.digest, **device}

    @property
    def instruction_set(self) -> str:
        """What computes here, for the record: bits may differ elsewhere."""
        torch = load_torch()
        if self.device != "cpu":
            return torch.cuda.get_device_name(self.device)
        return f"torch {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: an unknown, missing or impossible value, naming the row, the
                value, the range and the remedy.
        """
        rows = complete(design, factors.FACTORS)
        check_rows(rows, factors.check_together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
        folders: Sequence[Path] | None = None,
    ) -> list[Artifact | None]:
        """Train every row; None for those that `stop` cut short.

        `folders`, one for each row, hold its checkpoints as folders that transformers
        opens, and what it takes to go on after a kill.

        Raises:
            RowsFailed: rows that could not be trained; the others are finished.
            ValueError: a device that is not there or does not suit the rows.
            ModuleNotFoundError: the extra is not installed.
        """
        self._check_device(rows)
        for row in rows:
            warm_up(row["family"])
        beside = Path(folders[0]).parent if folders else None
        tokens = {v: self._corpus.tokens(v, folder=beside) for v in _vocabularies(rows)}
        numbered = [dict(row) | {_PLACE: k} for k, row in enumerate(rows)]

        def make(row: Row, tell: Any, stop: Any) -> Artifact | None:
            given = dict(row)
            place = given.pop(_PLACE)
            return train_row(
                given,
                tell,
                stop,
                tokens=tokens[given["vocabulary"]],
                device=self.device,
                mark=self._mark,
                folder=Path(folders[place]) if folders else None,
            )

        run = (
            functools.partial(in_processes, workers=workers, hears_stop=True)
            if self.device == "cpu"
            else one_after_the_other
        )
        outcomes = run(numbered, make, progress=progress, stop=stop)
        return finished_rows(outcomes, failed="networks could not be trained")

    @property
    def _mark(self) -> str:
        return f"law {self.law}, {self.input_digests}, {libraries_mark()}"

    def _check_device(self, rows: Sequence[Row]) -> None:
        torch = load_torch()
        transformers()
        if self.device == "cpu":
            return
        if not self.device.startswith("cuda"):
            raise ValueError(
                f'`device` is {self.device!r}; it must be "cpu" or "cuda" (or one GPU '
                'of several, such as "cuda:1")'
            )
        if not torch.cuda.is_available():
            raise ValueError(
                f"`device` is {self.device!r}, and PyTorch finds no GPU here; use "
                '`device="cpu"`, or install a PyTorch with CUDA'
            )
        half = any(row["precision"] == "bfloat16" for row in rows)
        if half and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ValueError(
                '`precision` is "bfloat16", and this GPU does not compute in it; use '
                '`precision="float32"`'
            )

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row.

        Six operations for each token and weight that multiplies it, and for each entry
        of the attention's products, 6.5e10 in a second, and 1.7 ms for each layer and
        step; a held-out loss costs a third of training on its sequences.
        """
        width, layers, context = row["width"], row["n_layers"], row["context"]
        weights = 12 * layers * width**2 + row["vocabulary"] * width
        per_token = 6.0 * (weights + 2 * layers * width * context)
        looks = EVALUATIONS * MOST_HELD_OUT_SEQUENCES / 3.0
        sequences = row["steps"] * row["batch_size"] + looks
        calls = row["steps"] + looks / EVALUATION_SEQUENCES
        return 0.5 + 0.0017 * layers * calls + sequences * context * per_token / 6.5e10

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is trained and stored.

        Weights, those at a loss target, gradients, Adam's two moments, and what a step
        keeps of every token for the way back; the libraries are shared by all rows.
        """
        tokens = row["batch_size"] * row["context"]
        probabilities = 3 * row["n_heads"] * row["context"]
        kept = row["n_layers"] * (20 * row["width"] + probabilities)
        return (
            2**26 + 28 * parameters(row) + 4 * tokens * (kept + 3 * row["vocabulary"])
        )


_PLACE = "_place"
"""The column by which a row in a process of its own finds its folder."""


def _vocabularies(rows: Sequence[Row]) -> list[int]:
    return sorted({row["vocabulary"] for row in rows})
