"""Tokenizers, whichever library they are of, as text is read with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Encoder:
    """A tokenizer as it is used: pieces of running text, or whole sequences.

    `plain(text)` adds no special token; `whole(text, most)` adds those of a sequence
    and cuts it. `separator` ends a document, None if the tokenizer has no such token.
    """

    plain: Callable[[str], Sequence[int]]
    whole: Callable[[str, int], Sequence[int]]
    separator: int | None
    padding: int

    @staticmethod
    def of(tokenizer: Any) -> Encoder:
        """The encoder of a tokenizer of transformers or of tokenizers.

        Raises:
            ValueError: there is none, or it is something else.
        """
        if tokenizer is None:
            raise ValueError(
                "text needs a tokenizer, and the model came without one; give "
                "`tokenizer`, or token ids in place of text"
            )
        if hasattr(tokenizer, "token_to_id") and hasattr(tokenizer, "encode"):
            return Encoder(  # of the library `tokenizers`
                lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
                lambda text, most: tokenizer.encode(text).ids[:most],
                separator=None,
                padding=0,
            )
        if not (hasattr(tokenizer, "eos_token_id") and callable(tokenizer)):
            raise ValueError(
                f"the tokenizer is a {type(tokenizer).__name__}; give one of "
                "transformers or of tokenizers"
            )

        return Encoder._of_transformers(tokenizer)

    @staticmethod
    def _of_transformers(tokenizer: Any) -> Encoder:
        def plain(text: str) -> Sequence[int]:
            found = tokenizer(text, add_special_tokens=False, verbose=False)
            return found["input_ids"]

        def whole(text: str, most: int) -> Sequence[int]:
            return tokenizer(text, truncation=True, max_length=most)["input_ids"]

        special = (tokenizer.eos_token_id, tokenizer.sep_token_id)
        separator = next((token for token in special if token is not None), None)
        padding = next(
            (t for t in (tokenizer.pad_token_id, separator) if t is not None), 0
        )
        return Encoder(plain, whole, separator=separator, padding=padding)


__all__ = ["Encoder"]
