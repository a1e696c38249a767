"""How kernels are compiled: by numba, cached on disk, without the interpreter lock.

Kernels carry no shape annotations: the checker that tests put around annotated
functions would hide them from the compiler, which is what `no_type_check` asks for.
They get plain arrays, never objects, and every random number from a stream whose state
is handed in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, no_type_check

import numpy as np

from tegum.arrays import stream_key

try:
    import numba
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "planning is compiled by numba, which is not installed; run "
        "`pip install 'tegum[planning]'`"
    ) from missing


def forget_stale(folder: Path) -> int:
    """Delete compiled code older than some kernel it may call; returns how many.

    What numba keeps on disk is checked against a kernel's own file alone: a change in
    another file that it calls would go unseen.
    """
    kernels = [path for path in folder.glob("*.py") if "@compiled" in path.read_text()]
    newest = max((path.stat().st_mtime for path in kernels), default=0.0)
    kept = list((folder / "__pycache__").glob("*.nbi"))
    stale = [index for index in kept if index.stat().st_mtime < newest]
    for index in stale:
        index.unlink(missing_ok=True)
    return len(stale)


forget_stale(Path(__file__).parent)

compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Compile a kernel at its first call. Not `fastmath`: sums keep their order."""


def counter(seed: int, purpose: str) -> np.ndarray:
    """The state of the stream that belongs to `(seed, purpose)`, for a kernel.

    A kernel that draws from it moves it on.
    """
    return np.array([stream_key(seed, purpose)], dtype=np.uint64)


@compiled
@no_type_check
def uniform(state):
    """The next number of a stream, uniform on [0, 1) with 53 bits.

    Source: Steele, Lea and Flood 2014, SplitMix64.
    """
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled
@no_type_check
def below(state, n):
    """The next whole number of a stream, from 0 to n - 1."""
    return np.int64(uniform(state) * n)


__all__ = ["below", "compiled", "counter", "uniform"]
