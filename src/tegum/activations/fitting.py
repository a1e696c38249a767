"""Which texts a model can read, and how a text is cut into blocks."""

from __future__ import annotations

from tegum.activations.models import OpenedModel
from tegum.activations.passes import takes_of
from tegum.activations.text import Text


def block(n_sequences: int, blocks: int, number: int) -> tuple[int, int]:
    """The first sequence of a block, and the one after its last.

    >>> [block(10, 3, k) for k in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    return number * n_sequences // blocks, (number + 1) * n_sequences // blocks


def check_fit(model: OpenedModel, text: Text) -> None:
    """Refuse a text that a model can not read.

    Raises:
        ValueError: token ids beyond the model's vocabulary, sequences longer than it
            has positions for, or padding that it would not know of.
    """
    known, most = model.vocabulary, model.positions
    if known is not None and text.largest >= known:
        raise ValueError(
            f"the tokenizer does not fit {model.label}: {text.label} holds the token "
            f"{text.largest}, and the model knows 0 to {known - 1}; take the tokenizer "
            "that was saved with it"
        )
    if most is not None and text.sequence_length > most:
        raise ValueError(
            f"sequences of {text.label} have {text.sequence_length} tokens, and "
            f"{model.label} has {most} positions; give `sequence_length` up to {most}"
        )
    if text.lengths is not None and "attention_mask" not in takes_of(model.module):
        raise ValueError(
            f"{text.label} is padded, and {model.label} takes no attention mask; give "
            'the text with cut="packed"'
        )


__all__ = ["block", "check_fit"]
