"""PyTorch and transformers, loaded when first needed: the core stays without them."""

from __future__ import annotations

import importlib
from typing import Any


def library(name: str) -> Any:
    """One of the libraries of the extra, loaded now.

    Raises:
        ModuleNotFoundError: it is not installed, with the one command that does it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        raise ModuleNotFoundError(
            f"activations of a model need {name}, which is not installed; run "
            "`pip install 'tegum[transformers]'`",
            name=name,
        ) from missing
