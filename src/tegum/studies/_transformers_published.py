"""Published models that read one text: a subject whose arms are named beforehand.

`tegum.activations` calls models by the digest of their weights, which are not at hand
before they are fetched. Here an arm is called by what it is, and the key holds the
name and the pinned revision on the hub, so that claims can be made, and registered,
before a byte is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tegum.allowed import one_of, whole
from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.networks.corpus import Corpus

if TYPE_CHECKING:
    from tegum.activations.subject import ModelActivations

COMMIT = re.compile(r"[0-9a-f]{40}")
OPERATIONS_PER_SECOND = 2e10


@dataclass(frozen=True)
class Published:
    """Where a model is: a name on the hub with its commit, or a folder on this machine.

    Raises:
        ValueError: a revision that is no commit: branches and tags move.
    """

    source: str
    revision: str | None = None

    def __post_init__(self) -> None:
        """Refuse a revision that may say something else tomorrow."""
        if self.revision is not None and not COMMIT.fullmatch(self.revision):
            raise ValueError(
                f"the revision of {self.source} is {self.revision!r}; it must be a "
                "commit of 40 hexadecimal digits, as the model's page lists them under "
                "Files and versions, History; a branch or tag may move"
            )

    @property
    def local(self) -> bool:
        """Whether it is a folder here."""
        return Path(self.source).expanduser().is_dir()


@dataclass(frozen=True, eq=False)
class PublishedModels:
    """The arms of a comparison of published models, on one text cut into blocks.

    A row is an arm, a hook point and a block of the text, the unit of every claim. The
    models are opened when the first row is made, all with the tokenizer of the first.
    `tokens` of the text are read. Weights that are pickled are refused unless
    `allow_pickle`.
    """

    models: Mapping[str, Published]
    text: Any
    blocks: int
    tokens: int
    sequence_length: int
    allow_pickle: bool = False
    device: str = "cpu"
    name: str = "published-models"
    law: int = 1

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        return (
            Factor("arm", "which of the models", one_of("arm", tuple(self.models))),
            Factor("point", "the hook point", _named),
            Factor(
                "seed",
                "the block of the text, the unit of every claim",
                whole(
                    "seed", 0, self.blocks - 1, remedy="a longer text has more blocks"
                ),
            ),
        )

    @property
    def input_digests(self) -> dict[str, str]:
        """What the arms and the text are: names with commits, or digests of content."""
        text = f"{self._text_digest} {self.tokens} {self.sequence_length}"
        device = {} if self.device == "cpu" else {"device": self.device}
        return {
            **{f"arm {arm}": self._identity(model) for arm, model in self._models()},
            "text": f"{text} {self.blocks}",
            **device,
        }

    @cached_property
    def _text_digest(self) -> str:
        return Corpus(self.text).digest

    def _models(self) -> Iterable[tuple[str, Published]]:
        return self.models.items()

    def _identity(self, model: Published) -> str:
        if model.local:
            return self._opened[model.source].digest
        return f"{model.source}@{model.revision}"

    @cached_property
    def _opened(self) -> dict[str, Any]:
        """Every model by its source.

        Raises:
            ValueError: a model on the hub without a commit, or one that can not be
                opened.
        """
        from tegum.activations import open_model

        loose = [
            f"{arm} ({model.source})"
            for arm, model in self._models()
            if not model.local and model.revision is None
        ]
        if loose:
            raise ValueError(
                f"the revision of {', '.join(loose)} is not pinned; find the commit on "
                "the model's page, under Files and versions, History, and give it in a "
                "file of your own: STUDY = study(models={'ARM': Published(NAME, "
                "COMMIT)}), from tegum.studies.public_dropout_models"
            )
        return {
            model.source: open_model(
                model.source,
                revision=model.revision,
                allow_pickle=self.allow_pickle,
                device=self.device,
                dtype="float32",
            )
            for _, model in self._models()
        }

    @cached_property
    def _activations(self) -> ModelActivations:
        """The opened models on the text, read with the first one's tokenizer."""
        from tegum.activations import ModelActivations, open_text

        opened = list(self._opened.values())
        text = open_text(
            self.text,
            tokenizer=opened[0].tokenizer,
            sequence_length=self.sequence_length,
            at_most=self.tokens,
        )
        if text.n_sequences < self.blocks:
            raise ValueError(
                f"the text has {text.n_sequences} sequences of {self.sequence_length} "
                f"tokens, and the study asks for {self.blocks} blocks; give more text"
            )
        different = list({model.key: model for model in opened}.values())
        return ModelActivations(different, text, blocks=self.blocks, sample_every=1)

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked.

        Raises:
            ValueError: an unknown arm, a point that is no text, or a block that the
                text does not have.
        """
        rows = complete(design, self.factors)
        check_rows(rows, lambda row: None)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """The moments at every row's point over its block; None where `stop` cut in.

        Raises:
            ValueError: a model that is not pinned or can not be opened, or a text that
                is too short or does not fit.
            RowsFailed: points that a model lacks, or whose activations are not finite.
            ModuleNotFoundError: the extra is not installed.
        """
        inner = self._activations
        (text,) = {text.key for text in _texts(inner)}
        keys = {arm: self._opened[model.source].key for arm, model in self._models()}
        asked = [
            {
                "model": keys[row["arm"]],
                "text": text,
                "point": row["point"],
                "seed": row["seed"],
            }
            for row in rows
        ]
        different = list({tuple(row.items()): row for row in asked}.values())
        found = inner.train(
            inner.complete(different), workers=workers, progress=progress, stop=stop
        )
        made = dict(zip((tuple(row.items()) for row in different), found, strict=True))
        return [made[tuple(row.items())] for row in asked]

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row, at the size of Pythia-160M."""
        return self.tokens / self.blocks * 2.5e8 / OPERATIONS_PER_SECOND / 13.0

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is read and stored."""
        return 2**22


def _texts(activations: ModelActivations) -> Sequence[Any]:
    text = activations.text
    return text if isinstance(text, tuple | list) else (text,)


def _named(value: Any) -> str:
    if not (isinstance(value, str) and value):
        raise ValueError(f"`point` is {value!r}; it must be the name of a hook point")
    return value


__all__ = ["Published", "PublishedModels"]
