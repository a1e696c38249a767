"""Where the files of a store lie: a folder on disk, or memory.

Both keep the same files with the same bytes, so everything above them is written once.
A file is written whole or not at all and never changed afterwards; the registry alone
grows, line by line.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

REGISTRY = "registry.jsonl"
LOCK = "lock"
DAMAGED = "damaged"
LEFTOVER_SECONDS = 3600.0
"""A temporary file older than this belongs to a process that was killed."""


class StoreError(ValueError):
    """A store that can not be read or written as asked; what it holds is unharmed."""


class StoreWarning(UserWarning):
    """Something in a store was damaged and has been set aside."""


class Damaged(Exception):
    """A file whose bytes are not what was written; the text says how that shows."""


@dataclass(frozen=True)
class Folder:
    """A store's files in a directory."""

    root: Path

    def names(self, kind: str) -> list[str]:
        """The files of a kind (`rows`, `measures/geometry`, ...), oldest first."""
        try:
            entries = os.listdir(self.root / kind)
        except FileNotFoundError:
            return []
        return sorted(name for name in entries if not name.startswith("."))

    def read(self, kind: str, name: str) -> bytes:
        """The bytes of one file."""
        return (self.root / kind / name).read_bytes()

    def arrays(self, name: str, models: list[str]) -> Iterator[dict[str, np.ndarray]]:
        """The arrays of each model in one artifact file, the file opened once.

        Raises:
            Damaged: the file is not what was written.
        """
        path = self.root / "artifacts" / name
        try:
            with safetensors.safe_open(path, framework="np") as tensors:
                names = _names_by_model(tensors.keys())
                for model in models:
                    yield {
                        array: tensors.get_tensor(f"{model}/{array}")
                        for array in names.get(model, ())
                    }
        except safetensors.SafetensorError as error:
            raise Damaged(str(error)) from None

    def write(self, kind: str, name: str, data: bytes) -> None:
        """Write a new file whole: temporary file, fsync, rename, fsync of the folder.

        Raises:
            StoreError: the folder can not be written; nothing is left behind.
        """
        folder = self.root / kind
        temporary = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, folder / name)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(folder)
        except OSError as error:
            raise _unwritable(folder / name, error) from error

    def delete(self, kind: str, name: str) -> None:
        """Remove one file."""
        (self.root / kind / name).unlink(missing_ok=True)

    def set_aside(self, kind: str, name: str, reason: str) -> None:
        """Move a damaged file out of the readers' way, and say so in a warning."""
        aside = self.root / DAMAGED
        target = aside / f"{kind.replace('/', '-')}-{name}"
        try:
            aside.mkdir(exist_ok=True)
            os.replace(self.root / kind / name, target)
            where = f"set aside as {target}"
        except FileNotFoundError:
            return
        except OSError as error:
            where = f"left where it is, since it can not be moved ({error.strerror})"
        _warn_damaged(f"{self.root / kind / name}", reason, where)

    @contextlib.contextmanager
    def folders(self, kind: str, names: Sequence[str]) -> Iterator[list[Path]]:
        """Folders of a kind, made by whoever writes there."""
        yield [self.root / kind / name for name in names]

    def sweep(self) -> None:
        """Remove temporary files and folders that killed processes left behind."""
        oldest = time.time() - LEFTOVER_SECONDS
        for path in list(self.root.rglob(".*.tmp")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= oldest:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold off merging of parts while they are listed and read."""
        try:
            descriptor = os.open(self.root / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            # A copy of a store without its lock file: nobody merges there.
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def merging(self) -> Iterator[None]:
        """Be the only one who merges, with no reader under way.

        Raises:
            StoreError: the folder can not be written.
        """
        try:
            descriptor = os.open(
                self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
            )
        except OSError as error:
            raise _unwritable(self.root / LOCK, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def lines(self) -> list[str]:
        """The lines of the registry, one that was cut short among them."""
        try:
            with open(self.root / REGISTRY, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return _lines(file.read())
        except FileNotFoundError:
            return []

    def append(self, lines_after: Callable[[list[str]], list[str]]) -> None:
        """Append the lines that a function makes of the lines before.

        Raises:
            StoreError: the registry can not be written; it is as it was before.
        """
        path = self.root / REGISTRY
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with open(descriptor, "rb", closefd=False) as file:
                before = file.read()
            lines = lines_after(_lines(before))
            if not lines:
                return
            torn = bool(before) and not before.endswith(b"\n")
            data = ("\n" * torn + "\n".join(lines) + "\n").encode()
            try:
                while data:  # once, but for a disk that is about to be full
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            except OSError as error:
                os.ftruncate(descriptor, len(before))
                raise _unwritable(path, error) from error
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class Memory:
    """A store's files in memory: for a run that leaves no trace."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    registry: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def names(self, kind: str) -> list[str]:
        """The files of a kind, oldest first."""
        with self.lock:
            return sorted(name for folder, name in self.files if folder == kind)

    def read(self, kind: str, name: str) -> bytes:
        """The bytes of one file."""
        with self.lock:
            if (kind, name) not in self.files:
                raise FileNotFoundError(f"{kind}/{name}")
            return self.files[kind, name]

    def arrays(self, name: str, models: list[str]) -> Iterator[dict[str, np.ndarray]]:
        """The arrays of each model in one artifact file.

        Raises:
            Damaged: the file is not what was written.
        """
        try:
            tensors = safetensors.numpy.load(self.read("artifacts", name))
        except safetensors.SafetensorError as error:
            raise Damaged(str(error)) from None
        names = _names_by_model(tensors)
        for model in models:
            yield {a: tensors[f"{model}/{a}"] for a in names.get(model, ())}

    def write(self, kind: str, name: str, data: bytes) -> None:
        """Keep a new file."""
        with self.lock:
            self.files[kind, name] = data

    def delete(self, kind: str, name: str) -> None:
        """Remove one file."""
        with self.lock:
            self.files.pop((kind, name), None)

    def set_aside(self, kind: str, name: str, reason: str) -> None:
        """Move a damaged file out of the readers' way, and say so in a warning."""
        with self.lock:
            data = self.files.pop((kind, name), None)
            if data is None:
                return
            target = f"{kind.replace('/', '-')}-{name}"
            self.files[DAMAGED, target] = data
        _warn_damaged(f"{kind}/{name}", reason, f"set aside as {DAMAGED}/{target}")

    @contextlib.contextmanager
    def folders(self, kind: str, names: Sequence[str]) -> Iterator[list[Path]]:
        """Folders of a kind, which are gone when the context ends."""
        with tempfile.TemporaryDirectory(prefix=f"tegum-{kind}-") as root:
            yield [Path(root) / name for name in names]

    def sweep(self) -> None:
        """Nothing is ever left behind in memory."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold off merging of parts while they are listed and read."""
        with self.lock:
            yield

    @contextlib.contextmanager
    def merging(self) -> Iterator[None]:
        """Be the only one who merges, with no reader under way."""
        with self.lock:
            yield

    def lines(self) -> list[str]:
        """The lines of the registry."""
        with self.lock:
            return list(self.registry)

    def append(self, lines_after: Callable[[list[str]], list[str]]) -> None:
        """Append the lines that a function makes of the lines before."""
        with self.lock:
            self.registry.extend(lines_after(list(self.registry)))


Place = Folder | Memory


def _names_by_model(names: Iterable[str]) -> dict[str, list[str]]:
    by_model: dict[str, list[str]] = {}
    for name in names:
        model, _, array = name.partition("/")
        by_model.setdefault(model, []).append(array)
    return by_model


def _lines(data: bytes) -> list[str]:
    """The registry's lines; a line without its end is one that was cut short."""
    lines = data.decode("utf-8", errors="replace").split("\n")
    return lines if lines[-1] else lines[:-1]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} can not be written: {error.strerror}; what the store holds is "
        "unharmed; free some space, allow writing there, or choose another store"
    )


def _warn_damaged(path: str, reason: str, where: str) -> None:
    warnings.warn(
        f"{path} is damaged ({reason}); {where}. What it held counts as missing and "
        "is made again by the next run.",
        StoreWarning,
        stacklevel=2,
    )
