"""Where a row comes from: recorded with it, never part of its key."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = ("numpy", "scipy", "torch", "pyarrow")


@dataclass(frozen=True)
class Provenance:
    """What made a row: version, commit, libraries, instruction set and machine."""

    tegum_version: str
    commit: str
    libraries: str
    instruction_set: str
    machine: str

    @classmethod
    def of_tegum(cls) -> Provenance:
        """Of this process, for what no subject has trained."""
        return cls(
            tegum_version=_version("tegum"),
            commit=_commit(),
            libraries=json.dumps(_libraries(), sort_keys=True),
            instruction_set=platform.machine(),
            machine=_machine(),
        )

    @classmethod
    def of(cls, subject: Any) -> Provenance:
        """Of rows that a subject trains in this process.

        A subject whose bits depend on the processor's instructions has an attribute
        `instruction_set` that names the ones it uses.
        """
        here = cls.of_tegum()
        used = getattr(subject, "instruction_set", here.instruction_set)
        return cls(**(here.to_record() | {"instruction_set": str(used)}))

    def to_record(self) -> dict[str, str]:
        """One text for each provenance column."""
        return {
            "tegum_version": self.tegum_version,
            "commit": self.commit,
            "libraries": self.libraries,
            "instruction_set": self.instruction_set,
            "machine": self.machine,
        }

    def for_registry(self) -> dict[str, str]:
        """What a registry line says of its origin."""
        return {"tegum_version": self.tegum_version, "commit": self.commit}


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _libraries() -> dict[str, str]:
    loaded = {name: _version(name) for name in LIBRARIES if name in sys.modules}
    return {"python": platform.python_version(), **loaded}


@functools.cache
def _machine() -> str:
    """The kind of machine, not its name: a store may be handed on."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


@functools.cache
def _commit() -> str:
    """The commit of the checkout that is running, `+` for changes; else empty."""
    try:
        inside = _git("ls-files", "--error-unmatch", "arrays.py")
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".")
    except FileNotFoundError:
        return ""
    if not inside or not head:
        return ""
    return head + ("+" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return done.stdout.strip() if done.returncode == 0 else ""
