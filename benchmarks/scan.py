"""What a scan costs beside the forward pass alone: `python -m benchmarks.scan`.

A GPT-2 of six layers, 384 wide, 128 tokens, its weights at random; the residual points:
what the first block gets and what every block hands on. Three arms take the same
batches in interleaved rounds: the bare forward pass, the same with moments, the same
with moments and rotations of a sample of the sequences. Ratios are taken within a
round, of wall time on two threads and of CPU time on one; the least and the median are
given. Peak memory is that of a process of its own for each arm and length of text.
`--quick` takes seconds and says nothing of speed.
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.bench import describe_machine
from tegum.activations import capturing, resolve
from tegum.activations.streaming import ROTATIONS, SAMPLE_EVERY, Stream

LAYERS, WIDTH, HEADS, TOKENS, VOCABULARY = 6, 384, 6, 128, 50_257
BATCH = 16
ARMS = {"bare": None, "moments": 0, "rotations": ROTATIONS}
OWED = {"moments": 0.15, "rotations": 0.35}
OWED_MEGABYTES = 200
PARTS = {
    "with the read-out": "the usual call, logits over 50,257 tokens included",
    "without": "the six blocks alone; the read-out is most of so small a model's work",
}


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, batches of each arm in one, lengths of text."""

    rounds: int
    batches: int
    texts: tuple[int, int]


FULL = Effort(rounds=9, batches=4, texts=(64, 512))
QUICK = Effort(rounds=1, batches=1, texts=(16, 32))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds, no figures")
    parser.add_argument("--memory", nargs=2, metavar=("ARM", "SEQUENCES"))
    options = parser.parse_args(arguments)
    if options.memory:
        arm, sequences = options.memory
        print(peak_megabytes(arm, int(sequences)))
        return 0
    effort = QUICK if options.quick else FULL
    before = os.getloadavg()[0]
    lines = [f"{name}: {value}" for name, value in describe_machine().items()]
    lines += [
        f"one sequence in {SAMPLE_EVERY} is rotated, {ROTATIONS} rotations; "
        f"batches of {BATCH} sequences of {TOKENS} tokens",
        *timed(effort),
        *remembered(effort),
        f"load before {before:.2f}, after {os.getloadavg()[0]:.2f}",
    ]
    print("\n".join(lines))
    return 0


def timed(effort: Effort) -> Iterator[str]:
    """The overhead of each arm, on two threads by wall and on one by CPU time."""
    for threads, clock, name in (
        (2, time.perf_counter, "two threads, wall time"),
        (1, time.process_time, "one thread, CPU time"),
    ):
        torch.set_num_threads(threads)
        for part in PARTS:
            rounds = [
                one_round(part, batches=effort.batches, clock=clock, order=number)
                for number in range(effort.rounds)
            ]
            yield f"{name}, {part} ({PARTS[part]}):"
            yield from overheads(rounds, batches=effort.batches)


def overheads(rounds: Sequence[dict[str, float]], *, batches: int) -> Iterator[str]:
    """One line an arm: least and median overhead beside what is owed."""
    bare = statistics.median(r["bare"] for r in rounds)
    speed = batches * BATCH * TOKENS / bare
    yield f"  bare: {speed:,.0f} tokens a second"
    for arm, owed in OWED.items():
        ratios = sorted(r[arm] / r["bare"] - 1 for r in rounds)
        quickest = min(r[arm] for r in rounds) / min(r["bare"] for r in rounds) - 1
        yield (
            f"  {arm}: least {ratios[0]:.1%}, median {statistics.median(ratios):.1%}, "
            f"quickest against quickest {quickest:.1%}; owed at most {owed:.0%}"
        )


def one_round(
    part: str, *, batches: int, clock: Callable[[], float], order: int
) -> dict[str, float]:
    """Seconds of every arm on the same batches, one batch of each at a time."""
    spent = dict.fromkeys(ARMS, 0.0)
    shuffled = random.Random(order)
    arms = {arm: Scan(rotations) for arm, rotations in ARMS.items()}
    for number in range(-1, batches):  # the first is not counted
        ids = tokens(number)
        for arm in shuffled.sample(list(ARMS), len(ARMS)):
            start = clock()
            arms[arm].call(part, ids, first=(number + 1) * BATCH)
            if number >= 0:
                spent[arm] += clock() - start
    return spent


class Scan:
    """One arm: the model called with hooks, or without where `rotations` is None."""

    def __init__(self, rotations: int | None) -> None:
        self.rotations = rotations
        self.streams: dict[Any, Stream] = {}
        self.points = list(resolve(model(), "residual"))
        assert len(self.points) == LAYERS + 1, self.points

    def call(self, part: str, ids: torch.Tensor, *, first: int) -> None:
        """One forward pass; `first` is the number of the first sequence in the text."""
        whole = model()
        called = whole if part == "with the read-out" else whole.transformer
        kept = torch.ones(ids.shape, dtype=torch.bool)
        numbers = range(first, first + len(ids))

        def receive(point: Any, x: torch.Tensor) -> None:
            assert self.rotations is not None
            if point not in self.streams:
                self.streams[point] = Stream(WIDTH, rotations=self.rotations)
            self.streams[point].add(x, kept, numbers)

        with torch.inference_mode():
            if self.rotations is None:
                called(ids, use_cache=False)
                return
            with capturing(whole, self.points, receive):
                called(ids, use_cache=False)


@functools.cache
def model() -> Any:
    """The same model at every call; its weights are random, which costs the same."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=LAYERS,
        n_embd=WIDTH,
        n_head=HEADS,
        n_positions=TOKENS,
        vocab_size=VOCABULARY,
    )
    return GPT2LMHeadModel(config).eval()


def tokens(seed: int) -> torch.Tensor:
    """A batch of token ids."""
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randint(VOCABULARY, (BATCH, TOKENS), generator=generator)


def peak_megabytes(arm: str, sequences: int) -> float:
    """The most memory that this process held, after a text of so many sequences."""
    torch.set_num_threads(1)
    scan = Scan(ARMS[arm])
    for first in range(0, sequences, BATCH):
        scan.call("without", tokens(first), first=first)
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes * 1024 / 1e6


def remembered(effort: Effort) -> Iterator[str]:
    """Peak memory above the bare pass's at two lengths of text, in fresh processes."""
    yield "peak memory above the bare pass's, without the read-out:"
    for arm in OWED:
        extra = [
            _peak_elsewhere(arm, sequences) - _peak_elsewhere("bare", sequences)
            for sequences in effort.texts
        ]
        said = ", ".join(
            f"{megabytes:.0f} MB over {sequences} sequences"
            for megabytes, sequences in zip(extra, effort.texts, strict=True)
        )
        yield f"  {arm}: {said}; owed below {OWED_MEGABYTES} MB"


def _peak_elsewhere(arm: str, sequences: int) -> float:
    command = [sys.executable, "-m", "benchmarks.scan", "--memory", arm, str(sequences)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
