"""The libraries of the extra, loaded when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

MISSING = (
    "tegum.networks needs PyTorch, transformers and tokenizers, and {name} is not "
    "installed; run `pip install 'tegum[transformers]'`"
)


def _loaded(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(MISSING.format(name=name)) from missing


def torch() -> Any:
    """PyTorch.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return _loaded("torch")


def transformers() -> Any:
    """Hugging Face transformers.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return _loaded("transformers")


def tokenizers() -> Any:
    """Hugging Face tokenizers, with its parts.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    for part in ("models", "pre_tokenizers", "decoders", "trainers"):
        _loaded(f"tokenizers.{part}")
    return _loaded("tokenizers")
