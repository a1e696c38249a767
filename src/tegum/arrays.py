"""Axis names, artifacts and named random streams: the ground floor.

Axes are singular and in one order everywhere: `model, example, token, feature,
hidden, neuron`. Weights W have axes `(hidden, feature)`: column `W_i` is the
direction of feature i, `W_ki` the weight of feature i on unit k, `h = W x`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Status = Literal["trained", "diverged"]


@dataclass(frozen=True)
class Artifact:
    """What came of one row of a design: named arrays, and how it ended.

    `arrays` holds, for a toy model, `W` (hidden, feature), `b` (feature), in a
    model with an untied decoder `W_decoder` (hidden, feature), and the clean loss along
    training as `loss_step` and `loss`. A row that diverged is kept:
    `status` says so and `diverged_at_step` is the first step whose parameters were
    not finite.
    """

    arrays: Mapping[str, np.ndarray]
    status: Status = "trained"
    diverged_at_step: int | None = None


class RowsFailed(ValueError):
    """Some rows of a call could not be trained; the others are here, finished.

    `finished` has one entry for each row of the call, None where there is nothing to
    keep. `errors` says what went wrong, by the position of the row in the call.
    """

    def __init__(
        self,
        message: str,
        *,
        finished: list[Artifact | None],
        errors: Mapping[int, str],
    ) -> None:
        """Carry what was finished along with what went wrong."""
        super().__init__(message)
        self.finished = finished
        self.errors = dict(errors)


def stream_key(seed: int, purpose: str) -> int:
    """The 64-bit key of the random stream that belongs to `(seed, purpose)`.

    Streams are named, never counted: two purposes of one seed are independent, and
    what one draws never shifts what another sees.
    """
    digest = hashlib.blake2b(f"{purpose}\0{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A fresh generator for `(seed, purpose)`: the same numbers at every call."""
    return np.random.Generator(np.random.Philox(key=stream_key(seed, purpose)))
