"""The activations of one hook point, streamed into moments: nothing else is kept.

Sequences go in as they come; what comes out is the artifact of one hook point and one
block of text, a few vectors of the width for each group of tokens:

- `rest`: every kept token but the first of its sequence, the basis as it is;
- `first`: the first kept token of each sequence, always apart: it is often an outlier
  for reasons of its own (Kaul et al. 2024, "From Attention to Activation");
- `sample`: the tokens of `rest` in every `sample_every`-th sequence of the text;
- `rotated_0`, `rotated_1`, ...: the same tokens as `sample`, after fixed rotations.

On a CPU each sequence is summed by itself, in slices that depend only on its own
length, so the result has the same bits however the sequences were batched. On other
devices all sequences of a call are summed together, which is faster.

Everything is summed in float64 about a provisional centre, the mean of the first slice.
It can not be far from the mean: at most `sqrt(N / n)` standard deviations, n of the N
tokens being in it, so a fourth moment is off by about `1e-16 N / n` of itself at worst.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from tegum.activations.sums import (
    Sums,
    added,
    extremes_of,
    moments_of,
    powers_of,
    vector_kurtosis,
)
from tegum.arrays import stream
from tegum.measures.moments import Moments, empty, to_arrays
from tegum.measures.sphere import random_rotations

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROTATIONS = 4
SAMPLE_EVERY = 4
SLICE_VALUES = 2**15 - 1
"""Activations taken up at once on a CPU: the work stays in its cache, and on one thread
(torch takes more from 2^15 on), so that sums do not depend on the number of threads."""
SLICE_VALUES_TOGETHER = 2**22
"""The same on other devices, which need more work at a time."""
FIRST_TOKENS = 64
"""First tokens gathered before they are summed."""


class Stream:
    """The moments of one hook point, summed as its activations go by."""

    def __init__(
        self,
        width: int,
        *,
        rotations: int = ROTATIONS,
        sample_every: int = SAMPLE_EVERY,
    ) -> None:
        """Begin with nothing; the rotations depend on the width alone.

        Raises:
            ValueError: no unit, a negative number of rotations, or a `sample_every`
                below 1.
        """
        for name, value, least in (
            ("width", width, 1),
            ("rotations", rotations, 0),
            ("sample_every", sample_every, 1),
        ):
            if value < least:
                raise ValueError(
                    f"`{name}` is {value}; it must be a whole number from {least} up"
                )
        self.width, self.rotations, self.sample_every = width, rotations, sample_every
        self._centres: dict[str, Tensor] = {}
        self._sums: dict[str, Sums] = {}
        self._waiting: list[Tensor] = []
        self._turns: Tensor | None = None

    def add(
        self, x: Tensor, kept: Tensor | ndarray, sequence_numbers: Sequence[int]
    ) -> None:
        """Sum the activations of some whole sequences.

        `x` has axes `(sequence, token, unit)` and any floating type; `kept` is False
        where a token is padding; `sequence_numbers` say which sequences of the text
        these are: whole multiples of `sample_every` belong to the sample.

        Raises:
            ValueError: shapes that do not fit; activations that are not finite, and how
                many: nothing of this call is added then.
        """
        import torch

        mask = np.asarray(kept.cpu() if isinstance(kept, torch.Tensor) else kept)
        mask = mask.astype(bool)
        self._check_shapes(x, mask=mask, numbers=sequence_numbers)
        before = dict(self._sums), dict(self._centres), list(self._waiting)
        with torch.inference_mode():
            x = x.detach()
            if x.device.type == "mps":
                x = x.cpu()  # that device has no float64
            if not self._add(x, mask, np.asarray(sequence_numbers)):
                self._sums, self._centres, self._waiting = before
                raise ValueError(_not_finite(x, mask))

    def _add(self, x: Tensor, kept: ndarray, numbers: ndarray) -> bool:
        """Sum, and say whether every sum is finite: one NaN would prevent it."""
        import torch

        some, first = np.flatnonzero(kept.any(axis=1)), kept.argmax(axis=1)
        rest = kept.copy()
        rest[some, first[some]] = False
        firsts = x[torch.from_numpy(some), torch.from_numpy(first[some])]
        for token in firsts:
            self._add_first(token)
        sampled = numbers % self.sample_every == 0
        apart = x.device.type == "cpu"
        for rows, in_sample in _slices(x, rest, sampled, apart=apart):
            self._add_rest(rows, in_sample=in_sample)
        totals = [firsts.double().sum()]
        totals += [sums.powers.sum() for sums in self._sums.values()]
        return bool(torch.stack(totals).isfinite().all())

    def arrays(self) -> dict[str, ndarray]:
        """What an artifact holds: the moments of each group of tokens, by name.

        Raises:
            ValueError: nothing was added.
        """
        groups = {"first": self._first_moments()}
        if not groups["first"].count:
            raise ValueError("no activation was added; add at least one sequence")
        for name in ("rest", "sample", *self._rotated_names()):
            groups[name] = self._moments(name)
        return {
            name: values
            for group, moments in groups.items()
            for name, values in to_arrays(moments, group).items()
            # Of the sample nothing but its moments is ever compared.
            if name not in ("sample/largest", "sample/above")
        }

    def _moments(self, name: str) -> Moments:
        if name not in self._sums:
            return empty(self.width)
        return moments_of(self._sums[name], self._centres[name])

    def _first_moments(self) -> Moments:
        """Those of the first tokens, the ones still waiting included."""
        import torch

        if not self._waiting:
            return self._moments("first")
        with torch.inference_mode():
            x = torch.stack(self._waiting)
            centre = self._centres.get("first", _centre_of(x))
            both = added(self._sums.get("first"), _sums_of(x, centre=centre)[1])
        return moments_of(both, centre)

    def _rotated_names(self) -> list[str]:
        return [f"rotated_{number}" for number in range(self.rotations)]

    def _add_first(self, token: Tensor) -> None:
        import torch

        self._waiting.append(token)
        if len(self._waiting) == FIRST_TOKENS:
            x = torch.stack(self._waiting)
            self._waiting.clear()
            centre = self._centres.setdefault("first", _centre_of(x))
            self._add_sums("first", _sums_of(x, centre=centre)[1])

    def _add_sums(self, name: str, sums: Sums) -> None:
        self._sums[name] = added(self._sums.get(name), sums)

    def _add_rest(self, rows: Tensor, *, in_sample: bool) -> None:
        """Sum tokens beyond the first, as they are and, in the sample, rotated."""
        if "rest" not in self._centres:
            self._begin(rows)
        centred, sums, exists = _sums_of(rows, centre=self._centres["rest"])
        self._add_sums("rest", sums)
        if in_sample:
            self._add_sums("sample", sums)
            self._add_rotated(centred, exists=exists)

    def _begin(self, rows: Tensor) -> None:
        """Fix the provisional centres, and the rotations where the rows are."""
        import torch

        centre = _centre_of(rows)
        self._centres |= {"rest": centre, "sample": centre}
        if self.rotations:
            self._turns = _turns(self.width, self.rotations, rows.device)
            parts = self._turns.split(256, dim=1)  # not all in float64 at once
            turned = torch.cat([centre @ part.double() for part in parts])
            names = self._rotated_names()
            self._centres |= zip(names, turned.split(self.width), strict=True)

    def _add_rotated(self, centred: Tensor, *, exists: Tensor) -> None:
        """Sum rotated copies, the deviations from the centre being what is rotated.

        A large mean would cost the digits of all the rest; its own rotation is added
        afterwards, for the kurtosis across coordinates, which needs it. `exists` marks
        the vectors that have one, which rounding hides after the rotation.
        """
        import torch

        if self._turns is None:
            return
        turned = centred.to(self._turns.dtype) @ self._turns
        names = self._rotated_names()
        for name, part in zip(names, turned.split(self.width, dim=1), strict=True):
            own = part.to(torch.float64).contiguous()
            powers = powers_of(own)
            each, _ = vector_kurtosis(own.add_(self._centres[name]))
            total = each.masked_fill_(~exists, 0.0).sum()
            self._add_sums(name, Sums(len(own), powers, exists.sum(), total))

    def _check_shapes(
        self, x: Tensor, *, mask: ndarray, numbers: Sequence[int]
    ) -> None:
        if x.ndim != 3 or x.shape[-1] != self.width:
            raise ValueError(
                f"activations have shape {tuple(x.shape)}; they must be (sequence, "
                f"token, unit) with {self.width} units"
            )
        if not x.is_floating_point():
            raise ValueError(
                f"activations are of type {x.dtype}; they must be floating numbers"
            )
        if mask.shape != x.shape[:2] or len(numbers) != len(x):
            raise ValueError(
                f"{tuple(x.shape[:2])} sequences and tokens came with {mask.shape} "
                f"marks of what is kept and {len(numbers)} sequence numbers; give one "
                "mark for each token and one number for each sequence"
            )


def _sums_of(rows: Tensor, *, centre: Tensor) -> tuple[Tensor, Sums, Tensor]:
    """The deviations, their sums, and which vectors have a kurtosis of their own."""
    import torch

    wide = rows.to(torch.float64, copy=True)
    centred = wide - centre
    powers = powers_of(centred)
    each, exists = vector_kurtosis(wide)
    sums = Sums(len(rows), powers, exists.sum(), each.sum(), extremes_of(rows))
    return centred, sums, exists


def _centre_of(rows: Tensor) -> Tensor:
    """The mean of some vectors, exact where a unit does not change."""
    import torch

    lowest, highest = rows.amin(0).double(), rows.amax(0).double()
    return torch.where(lowest == highest, lowest, rows.double().mean(0))


def _not_finite(x: Tensor, kept: ndarray) -> str:
    """What was wrong with activations whose sums are not finite."""
    rows = _kept_rows(x, kept, group=list(range(len(x))))
    count = int((~rows.isfinite()).sum())
    if count:
        return (
            f"{count} of {rows.numel()} activations are NaN or infinite; they must be "
            "finite numbers; a wider type or another text may help"
        )
    return (
        f"activations reach {float(rows.abs().max()):.3g}, too large for their fourth "
        "power; scale them down"
    )


def _slices(
    x: Tensor, kept: ndarray, sampled: ndarray, *, apart: bool
) -> Iterator[tuple[Tensor, bool]]:
    """The kept tokens in slices, each within the sample or outside it.

    Every sequence by itself, or all of the sample and all others.
    """
    at_once = SLICE_VALUES if apart else SLICE_VALUES_TOGETHER
    step = max(1, at_once // x.shape[-1])
    together = [np.flatnonzero(part).tolist() for part in (sampled, ~sampled)]
    groups = [[sequence] for sequence in range(len(x))] if apart else together
    for group in filter(None, groups):
        rows = _kept_rows(x, kept, group=group)
        if len(rows):
            # Nearly equal lengths, which depend on the number of rows alone.
            count = math.ceil(len(rows) / step)
            for part in rows.split(math.ceil(len(rows) / count)):
                yield part, bool(sampled[group[0]])


def _kept_rows(x: Tensor, kept: ndarray, *, group: list[int]) -> Tensor:
    """The kept tokens of some sequences, one after the other."""
    import torch

    if len(group) == 1:
        at = np.flatnonzero(kept[group[0]])
        own = x[group[0]]
        if len(at) and at[-1] - at[0] + 1 == len(at):
            return own[int(at[0]) : int(at[-1]) + 1]  # a view: nothing is copied
        return own[torch.from_numpy(at).to(x.device)]
    chosen = np.zeros_like(kept)
    chosen[group] = kept[group]
    return x[torch.from_numpy(chosen).to(x.device)]


@functools.lru_cache(maxsize=4)
def _turns(width: int, count: int, device: torch.device) -> Tensor:
    """Fixed rotations side by side: `x @ turns` are the rotated copies of x in a row.

    Uniform over all rotations, and always the same ones for a width. In float32, where
    they are orthogonal to 6e-8 and twice as fast.
    """
    import torch

    generators = (stream(k, f"rotation {width}") for k in range(count))
    each = [random_rotations(width, count=1, generator=g)[0].T for g in generators]
    beside = np.concatenate([turn.astype(np.float32) for turn in each], axis=1)
    return torch.from_numpy(beside).to(device)
