"""The columns of a design about the activations of models that read text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tegum.activations.models import DTYPES, OpenedModel
from tegum.activations.text import SEQUENCE_LENGTH, Text
from tegum.allowed import one_of, whole
from tegum.design import Factor

BLOCKS = 32
BATCH = 8
ROTATIONS = 4
SAMPLE_EVERY = 4

MODES = ("eval", "train")


def _among(name: str, labels: Mapping[str, str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in labels:
            there = ", ".join(f"{key} ({label})" for key, label in labels.items())
            raise ValueError(
                f"`{name}` is {value!r}; it must be the digest of one that was given: "
                f"{there}"
            )
        return value

    return check


def _named(value: Any) -> str:
    if not (isinstance(value, str) and value):
        raise ValueError(f"`point` is {value!r}; it must be the name of a hook point")
    return value


def factors_of(
    models: Mapping[str, OpenedModel], texts: Mapping[str, Text]
) -> tuple[Factor, ...]:
    """The columns, models and texts being those that were given."""
    few = 10**9
    return (
        Factor(
            "model", "the model, by the first 16 digits of its digest",
            _among("model", {key: model.label for key, model in models.items()}),
        ),
        Factor(
            "text", "the text as token ids, by the first 16 digits of its digest",
            _among("text", {key: text.label for key, text in texts.items()}),
        ),
        Factor("point", "the hook point", _named),
        Factor(
            "seed", "the block of the text, the unit of every claim",
            whole("seed", 0, few, remedy="blocks are counted from 0"),
        ),
        Factor(
            "blocks", "how many blocks the text is cut into",
            whole("blocks", 1, few, remedy="32 is usual"), BLOCKS,
        ),
        Factor(
            "sequence_length", "tokens in a sequence, padding included",
            whole("sequence_length", 2, few, remedy="it is the text's"),
            SEQUENCE_LENGTH,
        ),
        Factor(
            "batch", "sequences in a batch; changes rounding alone",
            whole("batch", 1, few, remedy="8 is usual"), BATCH,
        ),
        Factor(
            "rotations", "how many rotated copies stand for a basis at random",
            whole("rotations", 0, 64, remedy="4 is usual"), ROTATIONS,
        ),
        Factor(
            "sample_every", "each so many-th sequence of the text is rotated",
            whole("sample_every", 1, few, remedy="4 is usual, 1 takes all"),
            SAMPLE_EVERY,
        ),
        Factor("dtype", "type of the weights", one_of("dtype", DTYPES), "float32"),
        Factor("device", "where the model runs", _named_device, "cpu"),
        Factor(
            "mode", "eval, or train with its noise on", one_of("mode", MODES), "eval"
        ),
    )  # fmt: skip


def _named_device(value: Any) -> str:
    if not (isinstance(value, str) and value):
        raise ValueError(f"`device` is {value!r}; it must be one such as cpu or cuda")
    return value
