"""Text to train on: files, their split into training and held out, and their tokens.

The default is the standard library's own source, present wherever Python is. Whole
files are held out, chosen by a hash of their names; the tokens are those of a
byte-level BPE that saw the training part alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tegum.networks.libraries import tokenizers

BETWEEN_TEXTS = "<|endoftext|>"
"""The token between two files; its number is 0."""

HELD_OUT_SHARE = 0.1
MOST_HELD_OUT_SEQUENCES = 128
"""Sequences on which every loss of a row is taken, evenly spaced in their part."""

_DAMAGED = (zipfile.BadZipFile, ValueError, EOFError, KeyError, TypeError)
_LEFT_OUT = ("site-packages", "dist-packages", "encodings", "idlelib", "pydoc_data")
_LEFT_OUT_ANYWHERE = ("test", "tests", "idle_test", "__pycache__", "turtledemo")


@dataclass(frozen=True)
class Tokens:
    """A corpus as tokens: both parts, and the tokenizer as its JSON."""

    training: np.ndarray
    held_out: np.ndarray
    tokenizer: bytes
    bytes_of_token: np.ndarray

    def held_out_sequences(self, context: int) -> np.ndarray:
        """Evenly spaced, disjoint sequences of the held-out part, (sequence, token).

        Raises:
            ValueError: a part shorter than one sequence.
        """
        n = min(len(self.held_out) // context, MOST_HELD_OUT_SEQUENCES)
        if n == 0:
            raise ValueError(
                f"`context` is {context}, and the held-out text has "
                f"{len(self.held_out)} tokens; take a shorter context or more text"
            )
        starts = np.arange(n) * (len(self.held_out) // n)
        return self.held_out[starts[:, None] + np.arange(context)].astype(np.int32)


@dataclass(frozen=True)
class Corpus:
    """Files of text, read once.

    `source` is "stdlib", a file, a folder (every file in it that is not hidden), or
    several of these. A single file is cut at nine tenths; of several, whole files are
    held out, the tenth whose names have the smallest hashes.

    Raises:
        ValueError: when it is read: no such path, no text, or a file that is no UTF-8.
    """

    source: Any
    _tokens: dict[int, Tokens] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Name and text of every file, in order of their names."""
        found = dict(_files(self.source))
        texts = tuple((name, _text(found[name])) for name in sorted(found))
        if not any(text.strip() for _, text in texts):
            raise ValueError(
                f"the corpus {self.source!r} holds no text; give a file or a folder "
                'with text, or corpus="stdlib"'
            )
        return texts

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all names and texts."""
        total = hashlib.sha256()
        for name, text in self.texts:
            for part in (name.encode(), text.encode()):
                total.update(len(part).to_bytes(8, "little") + part)
        return total.hexdigest()

    @cached_property
    def parts(self) -> tuple[list[str], list[str]]:
        """The texts to train on, and those held out."""
        if len(self.texts) == 1:
            text = self.texts[0][1]
            cut = text.find("\n", int((1.0 - HELD_OUT_SHARE) * len(text))) + 1
            cut = cut or int((1.0 - HELD_OUT_SHARE) * len(text))
            return [text[:cut]], [text[cut:]]
        by_hash = sorted(name for name, _ in self.texts)
        by_hash.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
        held_out = set(by_hash[: max(round(HELD_OUT_SHARE * len(by_hash)), 1)])
        return (
            [text for name, text in self.texts if name not in held_out],
            [text for name, text in self.texts if name in held_out],
        )

    def tokens(self, vocabulary: int, *, folder: Path | None = None) -> Tokens:
        """Both parts as tokens of a byte-level BPE with `vocabulary` entries.

        They are kept in memory and, where a folder is given, in a file there.

        Raises:
            ValueError: a text that does not hold so many different tokens.
            ModuleNotFoundError: the extra is not installed.
        """
        if vocabulary not in self._tokens:
            self._tokens[vocabulary] = self._kept_or_made(vocabulary, folder)
        return self._tokens[vocabulary]

    def _kept_or_made(self, vocabulary: int, folder: Path | None) -> Tokens:
        if folder is None:
            return _tokenised(*self.parts, vocabulary=vocabulary)
        version = tokenizers().__version__
        name = f"tokens-{self.digest[:16]}-{vocabulary}-tokenizers-{version}.npz"
        # A file that was damaged is made again, with the same tokens.
        with contextlib.suppress(FileNotFoundError, *_DAMAGED):
            with open(folder / name, "rb") as file, np.load(file) as kept:
                arrays = {array: kept[array] for array in kept.files}
            arrays["tokenizer"] = arrays["tokenizer"].tobytes()
            return Tokens(**arrays)
        made = _tokenised(*self.parts, vocabulary=vocabulary)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{secrets.token_hex(8)}.tmp"
        arrays = dict(vars(made))
        arrays["tokenizer"] = np.frombuffer(made.tokenizer, dtype=np.uint8)
        with open(temporary, "xb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, folder / name)
        return made


def _files(source: Any) -> Iterator[tuple[str, Path]]:
    """Name and path of every file of a source."""
    if source == "stdlib":
        yield from _standard_library()
        return
    if isinstance(source, list | tuple):
        for number, part in enumerate(source):
            for name, path in _files(part):
                yield f"{number}/{name}", path
        return
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            f'the corpus is {source!r}; it must be "stdlib", a file, a folder, or a '
            "list of these"
        )
    path = Path(source)
    if path.is_file():
        yield path.name, path
    elif path.is_dir():
        for file in path.rglob("*"):
            name = file.relative_to(path)
            hidden = any(p.startswith((".", "__pycache__")) for p in name.parts)
            if file.is_file() and not hidden:
                yield name.as_posix(), file
    else:
        raise ValueError(
            f'there is no file or folder at {path}; give the path of text, or "stdlib"'
        )


def _standard_library() -> Iterator[tuple[str, Path]]:
    """The source of the running interpreter's library, without tests and tables."""
    root = Path(sysconfig.get_path("stdlib"))
    for file in root.rglob("*.py"):
        name = file.relative_to(root)
        folders = name.parts[:-1]
        if folders and folders[0] in _LEFT_OUT:
            continue
        if not any(folder in _LEFT_OUT_ANYWHERE for folder in folders):
            yield name.as_posix(), file


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is no text in UTF-8; list the files that are: corpus=[...]"
        ) from None


@contextlib.contextmanager
def _tokenizers_alone() -> Iterator[None]:
    """One thread for the tokenizer: what used several can not be forked in silence."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _tokenised(
    training: Sequence[str], held_out: Sequence[str], *, vocabulary: int
) -> Tokens:
    library = tokenizers()
    with _tokenizers_alone():
        coder = library.Tokenizer(library.models.BPE())
        byte_level = library.pre_tokenizers.ByteLevel
        coder.pre_tokenizer = byte_level(add_prefix_space=False)
        coder.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[BETWEEN_TEXTS],
            initial_alphabet=sorted(byte_level.alphabet()),
            show_progress=False,
        )
        coder.train_from_iterator(training, trainer)
        if coder.get_vocab_size() != vocabulary:
            raise ValueError(
                f"`vocabulary` is {vocabulary}, and the training text yields "
                f"{coder.get_vocab_size()} tokens; take fewer or more text"
            )
        return Tokens(
            _joined(coder, training),
            _joined(coder, held_out),
            coder.to_str().encode(),
            _bytes_of_token(coder),
        )


def _joined(coder: Any, texts: Sequence[str]) -> np.ndarray:
    """All texts as one row of tokens, each after the mark between texts."""
    mark = np.zeros(1, dtype=np.uint32)
    coded = (np.array(coder.encode(text).ids, dtype=np.uint32) for text in texts)
    return np.concatenate([part for ids in coded for part in (mark, ids)])


def _bytes_of_token(coder: Any) -> np.ndarray:
    """How many bytes of text each token stands for; the mark between texts for none.

    Byte-level BPE writes each byte as one character.
    """
    sizes = np.zeros(coder.get_vocab_size(), dtype=np.int64)
    for token, number in coder.get_vocab().items():
        sizes[number] = 0 if token == BETWEEN_TEXTS else len(token)
    return sizes


__all__ = ["BETWEEN_TEXTS", "Corpus", "Tokens"]
