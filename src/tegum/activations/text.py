"""Text as a model reads it: sequences of token ids, on disk, however long it is."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray

from tegum.activations.encoding import Encoder
from tegum.activations.reading import (
    Document,
    NotText,
    documents_of,
    label_of,
    lines_of,
    nothing_in,
    pieces_of,
)
from tegum.wording import counted

CUTS = ("packed", "documents", "lines")

SEQUENCE_LENGTH = 128
"""Tokens in a sequence unless said otherwise."""

TOKENS_AT_ONCE = 1 << 20
SKIPPED_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Text:
    """Sequences of token ids, and what rows and readers call them.

    `ids` is (sequence, token), in a file that is mapped into memory and gone with the
    text; `lengths` are the tokens of each sequence that are no padding, None where
    there is none. `digest` is a SHA-256 of the ids, lengths and shape: of exactly what
    a model reads. `left_over` counts tokens after the last full sequence, or cut off
    documents; `skipped` says which files were not read, and why; `shortened` whether
    the sequences are shorter than usual, as the model reads no longer ones.
    """

    ids: ndarray
    digest: str
    label: str
    lengths: ndarray | None = None
    largest: int = 0
    n_documents: int = 1
    left_over: int = 0
    skipped: tuple[str, ...] = ()
    mapped: bool = False
    shortened: bool = False

    @property
    def key(self) -> str:
        """The first 16 digits of the digest, which stand in the rows."""
        return self.digest[:16]

    @property
    def n_sequences(self) -> int:
        """How many sequences there are."""
        return int(self.ids.shape[0])

    @property
    def sequence_length(self) -> int:
        """How many tokens a sequence has, padding included."""
        return int(self.ids.shape[1])

    @property
    def n_tokens(self) -> int:
        """How many tokens there are, padding not counted."""
        if self.lengths is None:
            return int(self.ids.size)
        return int(self.lengths.sum())

    def batch(self, start: int, stop: int) -> tuple[ndarray, ndarray]:
        """Ids (sequence, token) of some sequences, and which are no padding."""
        ids = np.array(self.ids[start:stop], dtype=np.int64)
        if self.lengths is None:
            return ids, np.ones(ids.shape, dtype=bool)
        place = np.arange(self.sequence_length)
        return ids, place < self.lengths[start:stop, None]

    def forget(self) -> None:
        """Let go of the pages in memory; they are read from disk when needed again."""
        if self.mapped:
            _let_go(self.ids)

    def describe(self) -> str:
        """What it is, in a sentence for people."""
        said = (
            f"{self.label}: {counted(self.n_sequences, 'sequence')} of "
            f"{'up to ' if self.lengths is not None else ''}{self.sequence_length} "
            f"tokens{', the most that is read at a time' if self.shortened else ''}, "
            f"{counted(self.n_tokens, 'token')} in all"
        )
        if self.skipped:
            shown = "; ".join(self.skipped[:SKIPPED_SHOWN])
            more = "; ..." if len(self.skipped) > SKIPPED_SHOWN else ""
            files = counted(len(self.skipped), "file")
            said += f"; {files} skipped: {shown}{more}"
        return said


def open_text(
    sources: Any,
    *,
    tokenizer: Any | None = None,
    sequence_length: int | None = None,
    cut: str = "packed",
    at_most: int | None = None,
    longest: int | None = None,
    label: str | None = None,
) -> Text:
    """Token ids of text, cut into sequences; memory stays small at any length.

    `sources` is one or a list of: a file; a folder, of which every file is read in the
    order of the names that is UTF-8 text and not hidden; `-` for the standard input;
    `stdlib`, the source of Python's standard library without its tests. Or token ids:
    an array or an .npy file of whole numbers, (token) or (sequence, token), which need
    no tokenizer.

    `cut="packed"` joins the documents, with the tokenizer's end-of-text token after
    each if it has one, and cuts them every `sequence_length` tokens (unless said 128,
    or `longest` where a model reads no more); what is left over at the end is dropped.
    `"documents"` makes the beginning of every file, and `"lines"` of every line that is
    not empty, a sequence of its own, with the tokenizer's special tokens and padded.
    Files are tokenised in pieces of 65,536 characters, cut at line ends. `at_most`
    tokens are read, and then no more.

    Raises:
        ValueError: no such file, nothing that is text, empty text, less than one
            sequence, no tokenizer, ids that are no token ids, or an argument out of
            range.
    """
    if cut not in CUTS:
        raise ValueError(f"`cut` is {cut!r}; it must be one of {', '.join(CUTS)}")
    _check_whole("sequence_length", sequence_length, 2)
    _check_whole("at_most", at_most, 1)
    usual = min(SEQUENCE_LENGTH, longest or SEQUENCE_LENGTH)
    given = _listed(sources)
    named = label or ", ".join(label_of(source) for source in given)
    if any(_holds_ids(source) for source in given):
        if len(given) > 1:
            raise ValueError(
                "token ids must be the only source; give one array or file"
            )
        text = _from_ids(
            given[0], sequence_length, usual=usual, at_most=at_most, label=named
        )
    else:
        length, encoder = sequence_length or usual, Encoder.of(tokenizer)
        text = _tokenised(
            given, encoder, length=length, cut=cut, at_most=at_most, label=named
        )
    fitted = sequence_length is None and text.sequence_length == longest
    return replace(text, shortened=fitted and usual < SEQUENCE_LENGTH)


def _check_whole(name: str, value: Any, low: int) -> None:
    if value is not None and not (_is_whole(value) and value >= low):
        raise ValueError(f"`{name}` is {value!r}; it must be a whole number from {low}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _listed(sources: Any) -> list[Any]:
    single = isinstance(sources, str | Path | ndarray)
    if not single and not isinstance(sources, Iterable):
        raise ValueError(
            f"a text can not be read from an object of type "
            f"{type(sources).__name__}; give a file, a folder, `-`, `stdlib`, or an "
            "array of token ids"
        )
    given = [sources] if single else list(sources)
    if given and all(_is_whole(part) for part in given):
        return [np.asarray(given)]
    if not given:
        raise ValueError("no text was given; give a file, a folder, `-` or `stdlib`")
    return given


def _holds_ids(source: Any) -> bool:
    return not isinstance(source, str | Path) or str(source).endswith(".npy")


def _from_ids(
    source: Any, length: int | None, *, usual: int, at_most: int | None, label: str
) -> Text:
    mapped = isinstance(source, str | Path)
    ids = _loaded(Path(source)) if mapped else np.asarray(source)
    if ids.dtype.kind not in "iu" or ids.ndim not in (1, 2):
        raise ValueError(
            f"the token ids are of type {ids.dtype} and shape {ids.shape}; they must "
            "be whole numbers, (token) or (sequence, token)"
        )
    left_over = 0
    if ids.ndim == 1:
        length = length or usual
        tokens = ids.size if at_most is None else min(ids.size, at_most)
        _refuse_short(tokens, length, label)
        left_over = int(ids.size - tokens // length * length)
        ids = ids[: tokens // length * length].reshape(-1, length)
    elif length not in (None, ids.shape[1]):
        raise ValueError(
            f"`sequence_length` is {length}, and the token ids come in sequences of "
            f"{ids.shape[1]}; leave it out, or give the ids as one row"
        )
    elif at_most is not None:
        ids = ids[: max(at_most // max(ids.shape[1], 1), 1)]
    if ids.size == 0 or ids.shape[1] < 2:
        raise ValueError(
            f"the token ids have the shape {ids.shape}; at least one sequence of two "
            "tokens is needed"
        )
    return _finished(ids, None, label, left_over=left_over, mapped=mapped)


def _loaded(path: Path) -> ndarray:
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r} of token ids")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{str(path)!r} is no array of numbers that NumPy saved: {error}"
        ) from None


def _let_go(ids: ndarray) -> None:
    """Give the pages of a file that is mapped for reading back to the system."""
    found: Any = ids
    while found is not None and not isinstance(found, mmap.mmap):
        found = getattr(found, "base", None)
    if found is not None and hasattr(mmap, "MADV_DONTNEED"):
        found.madvise(mmap.MADV_DONTNEED)


def _finished(
    ids: ndarray, lengths: ndarray | None, label: str, *, mapped: bool, **told: Any
) -> Text:
    """The text, with the digest of all its ids, read a part at a time."""
    digest = hashlib.sha256(repr((ids.shape, lengths is not None)).encode())
    step = max(TOKENS_AT_ONCE // ids.shape[1], 1)
    smallest, largest = 0, 0
    for start in range(0, ids.shape[0], step):
        part = ids[start : start + step]
        smallest = min(smallest, int(part.min()))
        largest = max(largest, int(part.max()))
        if smallest < 0 or largest >= 2**32:
            raise ValueError(
                f"a token id is {smallest if smallest < 0 else largest}; token ids are "
                "whole numbers from 0 to 4294967295"
            )
        digest.update(np.ascontiguousarray(part, dtype="<u4").data)
        if mapped:
            _let_go(ids)
    if lengths is not None:
        digest.update(np.ascontiguousarray(lengths, dtype="<u4").data)
    return Text(
        ids, digest.hexdigest(), label, lengths, largest=largest, mapped=mapped, **told
    )


def _tokenised(
    sources: Sequence[Any],
    encoder: Encoder,
    *,
    length: int,
    cut: str,
    at_most: int | None,
    label: str,
) -> Text:
    skipped: list[str] = []
    with tempfile.TemporaryFile(prefix="tegum-") as file:
        write = _write_packed if cut == "packed" else _write_padded
        told = write(
            file,
            documents_of(sources),
            encoder,
            length=length,
            most=at_most,
            skipped=skipped,
            lines=cut == "lines",
        )
        file.flush()
        if told.tokens == 0:
            raise ValueError(nothing_in(label, skipped))
        if told.lengths is None:
            _refuse_short(told.tokens, length, label)
        shape = (told.sequences(length), length)
        ids = np.memmap(file, dtype="<u4", mode="r", shape=shape)
    return _finished(
        ids,
        told.lengths,
        label,
        n_documents=told.documents,
        left_over=told.left_over(length),
        skipped=tuple(skipped),
        mapped=True,
    )


def _refuse_short(tokens: int, length: int, label: str) -> None:
    if tokens < length:
        raise ValueError(
            f"the text {label!r} has {counted(tokens, 'token')}, and one sequence "
            f"needs {length}; give more text, a `sequence_length` of at most {tokens}, "
            'or cut="lines"'
        )


@dataclass(frozen=True)
class _Written:
    """What stands in the file of tokens."""

    tokens: int
    documents: int
    lengths: ndarray | None = None
    cut_off: int = 0

    def sequences(self, length: int) -> int:
        return self.tokens // length if self.lengths is None else len(self.lengths)

    def left_over(self, length: int) -> int:
        return self.tokens % length if self.lengths is None else self.cut_off


def _write_packed(
    file: BinaryIO, documents: Iterable[Document], encoder: Encoder,
    *, most: int | None, skipped: list[str], **_: Any,
) -> _Written:  # fmt: skip
    """Tokens of all documents, one after the other."""
    tokens = read = 0
    for document in documents:
        start = tokens
        try:
            for piece in pieces_of(document):
                found = np.asarray(encoder.plain(piece), dtype="<u4")
                file.write(found.tobytes())
                tokens += found.size
                if most is not None and tokens >= most:
                    return _Written(most, read + 1)
        except NotText as reason:
            skipped.append(document.skip(reason))
            tokens = start
            file.seek(4 * start)
            file.truncate()
            continue
        if tokens > start:
            read += 1
            if encoder.separator is not None:
                file.write(np.array([encoder.separator], dtype="<u4").tobytes())
                tokens += 1
    return _Written(tokens, read)


def _write_padded(
    file: BinaryIO, documents: Iterable[Document], encoder: Encoder,
    *, length: int, most: int | None, skipped: list[str], lines: bool,
) -> _Written:  # fmt: skip
    """The beginning of every document, or line, in a row of its own."""
    lengths: list[int] = []
    tokens = read = cut_off = 0
    for document in documents:
        before = len(lengths), tokens
        try:
            for text in _whole_texts(document, lines):
                found = encoder.whole(text, length)
                if not len(found):
                    continue
                cut_off += len(found) == length
                row = np.full(length, encoder.padding, dtype="<u4")
                row[: len(found)] = found
                file.write(row.tobytes())
                lengths.append(len(found))
                tokens += len(found)
                if most is not None and tokens >= most:
                    return _Written(tokens, read + 1, np.array(lengths), cut_off)
        except NotText as reason:
            skipped.append(document.skip(reason))
            del lengths[before[0] :]
            tokens = before[1]
            file.seek(4 * length * len(lengths))
            file.truncate()
            continue
        read += len(lengths) > before[0]
    return _Written(tokens, read, np.array(lengths, dtype=np.int64), cut_off)


def _whole_texts(document: Document, lines: bool) -> Iterator[str]:
    if lines:
        yield from lines_of(document)
        return
    for number, piece in enumerate(pieces_of(document)):
        if number == 0 and piece.strip():
            yield piece  # the rest is read too: it tells whether this is text


__all__ = ["CUTS", "SEQUENCE_LENGTH", "Text", "open_text"]
