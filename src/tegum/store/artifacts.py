"""What an artifact's arrays are to a store: what they may be, and their digest."""

from __future__ import annotations

import hashlib

import numpy as np

from tegum.arrays import Artifact
from tegum.design import Row


def artifact_digest(artifact: Artifact) -> str:
    """The SHA-256 of an artifact's arrays: names, types, shapes and bits."""
    digest = hashlib.sha256()
    for name in sorted(artifact.arrays):
        array = artifact.arrays[name]
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_arrays(row: Row, artifact: Artifact) -> None:
    """Refuse arrays that a store can not hold.

    Raises:
        ValueError: naming the row, the array, and what it may be.
    """
    for name, array in artifact.arrays.items():
        if (
            not isinstance(array, np.ndarray)
            or array.dtype.kind not in "biuf"
            or array.dtype.itemsize > 8
        ):
            kind = getattr(array, "dtype", type(array).__name__)
            raise ValueError(
                f"the artifact of {dict(row)} holds `{name}`, a {kind}; an array must "
                "be a NumPy array of real numbers or truth values, 8 bytes each at most"
            )
