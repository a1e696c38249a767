"""What a scan costs beside the forward pass alone: `python -m benchmarks.scan`.

A GPT-2 of six layers, 384 wide, 128 tokens, its weights at random; the residual points:
what the first block gets and what every block hands on. Scans for moments, and for
moments and rotations of a sample of the sequences, read the same text as bare forward
passes, in interleaved rounds. Ratios are taken within a round; the least and the median
are given: of wall time on two cores, and of CPU time on one, where other work on the
machine disturbs least. A scan reads two blocks of the text at once, each on one thread,
and leaves out the read-out; a bare pass is timed in that way and in torch's own. Peak
memory is that of a process of its own for each arm and length of text. `--quick` takes
seconds and says nothing of speed; `--cores` takes one of the two parts.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.bench import describe_machine
from tegum.activations import open_text
from tegum.activations.streaming import ROTATIONS, SAMPLE_EVERY
from tegum.activations.subject import ModelActivations

LAYERS, WIDTH, HEADS, TOKENS, VOCABULARY = 6, 384, 6, 128, 50_257
BATCH = 8
BLOCKS = 4
SCANS = {"moments": 0, "rotations": ROTATIONS}
OWED = {"moments": 0.15, "rotations": 0.35}
OWED_MEGABYTES = 200
BARE = {
    "bare": "the blocks alone, read as a scan reads them",
    "bare, torch's threads": "the blocks alone, threads as torch has them",
    "bare, read-out": "the usual call, logits over 50,257 tokens and all",
}
ARMS = (*BARE, *SCANS)


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, sequences in one, lengths of text for memory."""

    rounds: int
    sequences: int
    texts: tuple[int, int]


FULL = Effort(rounds=9, sequences=32, texts=(64, 1024))
QUICK = Effort(rounds=1, sequences=16, texts=(16, 32))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds, no figures")
    parser.add_argument("--cores", type=int, choices=(1, 2), help="one part alone")
    parser.add_argument("--memory", nargs=2, metavar=("ARM", "SEQUENCES"))
    options = parser.parse_args(arguments)
    if options.memory:
        arm, sequences = options.memory
        print(peak_megabytes(arm, int(sequences)))
        return 0
    effort = QUICK if options.quick else FULL
    before = os.getloadavg()[0]
    lines = [
        *(f"{name}: {value}" for name, value in describe_machine().items()),
        f"{effort.rounds} rounds of {effort.sequences} sequences of {TOKENS} tokens in "
        f"batches of {BATCH}; {ROTATIONS} rotations of one sequence in {SAMPLE_EVERY}",
        *timed(effort, (options.cores,) if options.cores else (2, 1)),
        *([] if options.cores else remembered(effort)),
        f"load before {before:.2f}, after {os.getloadavg()[0]:.2f}",
    ]
    print("\n".join(lines))
    return 0


def timed(effort: Effort, parts: Sequence[int]) -> Iterator[str]:
    """The overhead of each scan, on two cores by wall and on one by CPU time."""
    for cores in parts:
        clock = time.process_time if cores == 1 else time.perf_counter
        name = "one core, CPU time" if cores == 1 else "two cores, wall time"
        rounds = [
            one_round(effort.sequences, cores=cores, clock=clock, order=number)
            for number in range(effort.rounds + 1)
        ][1:]  # the first warms up
        yield f"{name}:"
        yield from overheads(rounds, tokens=effort.sequences * TOKENS)


def overheads(rounds: Sequence[dict[str, float]], *, tokens: int) -> Iterator[str]:
    """One line an arm: least and median overhead beside what is owed."""
    for bare, meaning in BARE.items():
        speed = tokens / statistics.median(r[bare] for r in rounds)
        yield f"  beside {meaning} ({speed:,.0f} tokens a second):"
        for scan, owed in OWED.items():
            ratios = [r[scan] / r[bare] - 1 for r in rounds]
            yield (
                f"    {scan}: least {min(ratios):.1%}, median "
                f"{statistics.median(ratios):.1%}; owed at most {owed:.0%}"
            )


def one_round(
    sequences: int, *, cores: int, clock: Callable[[], float], order: int
) -> dict[str, float]:
    """Seconds of every arm on the same text."""
    spent = {}
    for arm in random.Random(order).sample(ARMS, len(ARMS)):
        work = arm_of(arm, sequences, cores=cores)
        start = clock()
        work()
        spent[arm] = clock() - start
    return spent


def arm_of(arm: str, sequences: int, *, cores: int) -> Callable[[], None]:
    """What an arm does with a text of so many sequences, all prepared."""
    torch.set_num_threads(cores)
    if arm in SCANS:
        return functools.partial(scan, subject(SCANS[arm], sequences), cores=cores)
    called = model() if arm == "bare, read-out" else model().transformer
    if arm == "bare":
        return functools.partial(read_in_threads, called, sequences, cores=cores)
    return functools.partial(read, called, token_ids(sequences))


def read(called: Any, ids: np.ndarray) -> None:
    """The forward pass alone, a batch at a time."""
    with torch.inference_mode():
        for batch in torch.from_numpy(ids).split(BATCH):
            called(batch, use_cache=False)


def read_in_threads(called: Any, sequences: int, *, cores: int) -> None:
    """Blocks of the text at once, each on one thread of torch: as a scan has it."""
    torch.set_num_threads(1)
    blocks = np.array_split(token_ids(sequences), blocks_of(sequences))
    with ThreadPoolExecutor(
        cores, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        list(pool.map(functools.partial(read, called), blocks))


def scan(subject: ModelActivations, *, cores: int) -> None:
    """Every row of a scan: all points, all blocks of the text."""
    rows = subject.complete(subject.design())
    assert len({row["point"] for row in rows}) == LAYERS + 1
    subject.train(rows, workers=cores, progress=lambda share: None, stop=lambda: False)


def subject(rotations: int, sequences: int) -> ModelActivations:
    """A scan of the residual points."""
    return ModelActivations(
        model(),
        open_text(token_ids(sequences), label="random tokens"),
        "residual",
        blocks=blocks_of(sequences),
        batch=BATCH,
        rotations=rotations,
        sample_every=SAMPLE_EVERY,
    )


def blocks_of(sequences: int) -> int:
    """How many blocks a text has: each holds a sampled sequence."""
    return min(BLOCKS, sequences // SAMPLE_EVERY)


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


@functools.cache
def token_ids(sequences: int) -> np.ndarray:
    """A text of tokens at random."""
    return np.random.default_rng(0).integers(VOCABULARY, size=(sequences, TOKENS))


def peak_megabytes(arm: str, sequences: int) -> float:
    """How much more memory than before this process held while an arm worked.

    Linux alone lets a process forget the peak it had while torch was loaded.
    """
    read(model().transformer, token_ids(BATCH))  # whatever is loaded late
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    arm_of(arm, sequences, cores=1)()
    return _status("VmHWM") - before


def _status(name: str) -> float:
    """An entry of the process's status, in megabytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"the system does not tell {name}; memory is measured on Linux")


def remembered(effort: Effort) -> Iterator[str]:
    """Peak memory of each scan and of the bare pass, in fresh processes."""
    yield "peak memory while reading, above what the loaded model takes:"
    for sequences in effort.texts:
        peaks = {arm: _peak_elsewhere(arm, sequences) for arm in ("bare", *SCANS)}
        said = ", ".join(f"{arm} {peak:.0f} MB" for arm, peak in peaks.items())
        more = max(peaks.values()) - peaks["bare"]
        yield (
            f"  {sequences} sequences: {said}; at most {more:.0f} MB more than bare; "
            f"owed below {OWED_MEGABYTES} MB"
        )


def _peak_elsewhere(arm: str, sequences: int) -> float:
    command = [sys.executable, "-m", "benchmarks.scan", "--memory", arm, str(sequences)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
