"""What a scan reads and fixes before its claims are made: blocks, units, chance.

A few sequences, evenly spread over the text, are read before anything is claimed: for
the number of units of every point, and for how far apart the kurtosis per unit is in
bases at random. Which sequences and which bases depends on the text and the points
alone, so the same command registers the same claims.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tegum.activations import ModelActivations, Text
from tegum.activations.columns import BLOCKS, SAMPLE_EVERY
from tegum.activations.measures import SPREADS, scan_numbers
from tegum.arrays import Artifact, RowsFailed

FEWEST_SAMPLED = 2000
"""Sampled tokens of a block that its kurtosis per unit takes to say "no gap"."""

CALIBRATION_TOKENS = 4096
"""Tokens read beforehand, for how much the kurtosis per unit owes to the basis."""

CALIBRATION_VALUES = 2**23
"""Entries of all rotations of the beforehand together: what bounds their memory."""

FEWEST_BASES, MOST_BASES = 8, 16

(SPREAD,) = [name for name in SPREADS if name.endswith("_per_unit")]


@dataclass(frozen=True)
class Calibration:
    """What was read of each (model, point) before its claims were made.

    `widths` are the units; `spreads` the standard deviation, between `bases` bases at
    random, of the mean excess kurtosis per unit over the same `tokens`. Points that
    could not be read are left out.
    """

    widths: Mapping[tuple[str, str], int]
    spreads: Mapping[tuple[str, str], float]
    bases: int
    tokens: int


@dataclass(frozen=True)
class Cutting:
    """How a text is cut so that its blocks hold enough sampled tokens, if they can."""

    text: Text
    needed: int
    asked: int | None = None

    @property
    def tokens(self) -> int:
        """Tokens beyond the first of their sequence."""
        return self.text.n_tokens - self.text.n_sequences

    @cached_property
    def blocks(self) -> int | None:
        """How many blocks: 32, fewer for longer ones as long as they decide a claim.

        None where the text is too short for both, and the number is left as usual.
        """
        if self.asked is not None:
            return self.asked
        enough = min(self.tokens // FEWEST_SAMPLED, BLOCKS, self.text.n_sequences)
        return enough if enough >= self.needed else None

    @property
    def sample_every(self) -> int:
        """Each so many-th sequence is rotated: all where blocks would hold too few."""
        usual = self.tokens // (self.blocks or BLOCKS) // SAMPLE_EVERY
        return SAMPLE_EVERY if usual >= FEWEST_SAMPLED else 1

    def sampled(self, blocks: int) -> int:
        """Sampled tokens of a block, in the mean."""
        return self.tokens // blocks // self.sample_every


def calibrated(subject: ModelActivations, text: Text) -> Calibration:
    """Read a few sequences for the units and the chance of every (model, point).

    Raises:
        ValueError: no point can be read, with the reasons.
    """
    alone = _sequences(text, 1)
    first = _read(subject, alone, rotations=0)
    widths = {at: len(a.arrays["rest/mean"]) for at, a in first.items()}
    widest = max(widths.values())
    bases = min(MOST_BASES, max(FEWEST_BASES, CALIBRATION_VALUES // widest**2))
    wanted = math.ceil(CALIBRATION_TOKENS / max(1, text.sequence_length - 1))
    sample = _sequences(text, wanted)
    found = _read(subject, sample, rotations=bases)
    spreads = {at: scan_numbers(a.arrays)[SPREAD] for at, a in found.items()}
    tokens = sample.n_tokens - sample.n_sequences
    return Calibration(widths, spreads, bases, tokens)


def _sequences(text: Text, wanted: int) -> Text:
    """So many sequences of a text, evenly spread, as a text of their own."""
    total = text.n_sequences
    wanted = min(wanted, total)
    chosen = [(2 * k + 1) * total // (2 * wanted) for k in range(wanted)]
    digest = hashlib.sha256(repr((text.digest, chosen)).encode()).hexdigest()
    return Text(
        np.array(text.ids[chosen]),
        digest,
        text.label,
        None if text.lengths is None else text.lengths[chosen],
        text.largest,
    )


def _read(
    subject: ModelActivations, text: Text, *, rotations: int
) -> dict[tuple[str, str], Artifact]:
    """The moments of every point on a text as one block, where it can be read."""
    names = {m.key: [p.name for p in subject.points_of(m.key)] for m in subject.models}
    found: dict[tuple[str, str], Artifact] = {}
    errors: list[str] = []
    for model in subject.models:
        alone = ModelActivations(
            model,
            text,
            names[model.key],
            blocks=1,
            batch=subject.batch,
            rotations=rotations,
            sample_every=1,
            mode=subject.mode,
        )
        rows = alone.complete(alone.design())
        try:
            made = alone.train(rows, workers=1, progress=_silent, stop=_never)
        except RowsFailed as failed:
            made = failed.finished
            errors += failed.errors.values()
        cells = ((row["model"], row["point"]) for row in rows)
        found |= {
            cell: artifact
            for cell, artifact in zip(cells, made, strict=True)
            if artifact is not None
        }
    if not found:
        raise ValueError("; ".join(dict.fromkeys(errors)))
    return found


def _silent(share: float) -> None:
    """Nobody is told."""


def _never() -> bool:
    """Nothing stops it."""
    return False


__all__ = ["FEWEST_SAMPLED", "Calibration", "Cutting", "calibrated"]
