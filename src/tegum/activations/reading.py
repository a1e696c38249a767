"""Files, folders and the standard input as documents, read a piece at a time."""

from __future__ import annotations

import codecs
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tegum.wording import counted

PIECE = 1 << 16
"""Characters that are tokenised at a time."""

STANDARD_LIBRARY = "stdlib"
STANDARD_INPUT = "-"
_TESTS = ("test", "tests", "idle_test", "site-packages", "dist-packages")


class NotText(Exception):
    """A document is no text; the message says why."""


@dataclass(frozen=True)
class Document:
    """One file, or the standard input (`path` None).

    `sought` is whether it came with its folder, where what is no text is passed over;
    a file that was named must be text.
    """

    path: Path | None
    name: str
    sought: bool = False

    def skip(self, reason: NotText) -> str:
        """What is said of a file that is passed over.

        Raises:
            ValueError: it was named.
        """
        if not self.sought:
            raise ValueError(
                f"{self.name!r} is no text: {reason}; give UTF-8 text, or token ids as "
                "an .npy file"
            )
        return f"{self.name} ({reason})"

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes, to be read in order."""
        if self.path is None:
            yield sys.stdin.buffer
            return
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise NotText(error.strerror or str(error)) from None
        with file:
            yield file


def label_of(source: Any) -> str:
    """What people call a source."""
    if not isinstance(source, str | Path):
        return "token ids"
    if source == STANDARD_LIBRARY:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"standard library of Python {version}"
    return "standard input" if source == STANDARD_INPUT else Path(source).name or "/"


def documents_of(sources: Iterable[str | Path]) -> Iterator[Document]:
    """Every document of some sources, folders in the order of the names in them.

    Raises:
        ValueError: no such file or folder.
    """
    for source in sources:
        path = Path(source).expanduser()
        if source == STANDARD_INPUT:
            yield Document(None, "standard input")
        elif path.is_dir():
            yield from _in_folder(path)
        elif path.exists():
            yield Document(path, str(source))
        elif source == STANDARD_LIBRARY:
            yield from _standard_library()
        else:
            raise ValueError(
                f"there is no file or folder {str(source)!r}; a text is a file, a "
                "folder, `-` for the standard input, or `stdlib`"
            )


def _in_folder(folder: Path) -> Iterator[Document]:
    for path in _files(folder, lambda name: not name.startswith(".")):
        yield Document(path, path.relative_to(folder).as_posix(), sought=True)


def _standard_library() -> Iterator[Document]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    for path in _files(folder, lambda name: name not in _TESTS):
        if path.suffix == ".py":
            yield Document(path, path.relative_to(folder).as_posix(), sought=True)


def _files(folder: Path, wanted: Any) -> list[Path]:
    """The files below a folder whose names and folders are wanted, sorted."""
    found = []
    for above, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if wanted(f) and f != "__pycache__"]
        found += [Path(above, name) for name in files if wanted(name)]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def pieces_of(document: Document) -> Iterator[str]:
    """The text of a document in pieces of about `PIECE` characters, cut at line ends.

    Raises:
        NotText: its bytes are no UTF-8, or hold a zero byte.
    """
    waiting = ""
    for part in _decoded(document):
        waiting += part
        while len(waiting) >= PIECE:
            end = waiting.rfind("\n", 0, PIECE) + 1 or PIECE
            yield waiting[:end]
            waiting = waiting[end:]
    if waiting:
        yield waiting


def lines_of(document: Document) -> Iterator[str]:
    """The lines of a document that are not blank; of a long one the first `PIECE`.

    Raises:
        NotText: its bytes are no UTF-8, or hold a zero byte.
    """
    line = ""
    for part in _decoded(document):
        *whole, rest = (line + part).split("\n")
        yield from (text[:PIECE].rstrip("\r") for text in whole if text.strip())
        line = rest[:PIECE]
    if line.strip():
        yield line


def _decoded(document: Document) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with document.opened() as file:
        while True:
            data = file.read(PIECE)
            if b"\0" in data:
                raise NotText("binary: it holds a zero byte")
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError:
                raise NotText("not UTF-8") from None
            yield text
            if not data:
                return


def nothing_in(label: str, skipped: Sequence[str]) -> str:
    """What is said of sources without a word."""
    if not skipped:
        return f"the text {label!r} is empty; give some with words"
    files = counted(len(skipped), "file")
    return (
        f"{label!r} holds no text: {files} skipped, such as {skipped[0]}; give UTF-8 "
        "text, or token ids as an .npy file"
    )


__all__ = [
    "PIECE",
    "STANDARD_INPUT",
    "STANDARD_LIBRARY",
    "Document",
    "NotText",
    "documents_of",
    "label_of",
    "lines_of",
    "nothing_in",
    "pieces_of",
]
