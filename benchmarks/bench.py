"""The engine beside the loop the field uses, in one run: `make bench`.

Every figure is process CPU time on one thread, five interleaved rounds, the median.
Writes docs/performance.md; `--quick` takes seconds and writes nothing.
"""

from __future__ import annotations

import argparse
import datetime
import multiprocessing
import os
import pathlib
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch

from benchmarks import loops, page
from benchmarks.cells import BATCH, CELLS, SIZES, Cell, Size
from tegum.design import complete, grid
from tegum.toys import FACTORS, _engine, engine

SCALINGS_IN_A_ROUND = 3

Clock = Callable[[], float]
DOCUMENT = pathlib.Path(__file__).parent.parent / "docs" / "performance.md"


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    loop_seconds: float
    engine_share: float
    peak_seconds: float
    sizes: Sequence[Size]


FULL = Effort(5, 0.35, 1.0, 0.15, SIZES)
QUICK = Effort(1, 0.02, 0.05, 0.02, SIZES[:2])


@dataclass
class Measured:
    """Every reading, a list over rounds."""

    seconds: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    record_share: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    kernels: dict[tuple[str, str], str] = field(default_factory=dict)
    peak: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    processes: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds; writes nothing")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    effort = QUICK if options.quick else FULL
    before = os.getloadavg()
    started = time.monotonic()
    measured = measure(effort)
    machine = describe_machine() | {
        "load before": f"{before[0]:.2f}",
        "load after": f"{os.getloadavg()[0]:.2f}",
        "minutes": f"{(time.monotonic() - started) / 60:.1f}",
    }
    text = page.render(measured, machine=machine, sizes=effort.sizes)
    print(text)
    if not options.quick:
        DOCUMENT.write_text(text)
        print(f"written to {DOCUMENT}", file=sys.stderr)
    return 0


def measure(effort: Effort) -> Measured:
    """Interleaved rounds over every size, cell and form."""
    measured = Measured()
    for number in range(effort.rounds):
        for size in effort.sizes:
            measured.peak.append(peak_gflops(effort.peak_seconds))
            for cell in CELLS:
                _one_cell(measured, size, cell=cell, effort=effort)
        for _ in range(SCALINGS_IN_A_ROUND):
            threads, processes = scaling(effort)
            measured.threads.append(threads)
            measured.processes.append(processes)
        print(f"round {number + 1} of {effort.rounds} done", file=sys.stderr)
    return measured


def _one_cell(measured: Measured, size: Size, *, cell: Cell, effort: Effort) -> None:
    shape = {
        "instances": size.instances,
        "batch": BATCH,
        "probability": cell.probability,
        "rate": cell.rate,
    }
    for name, form in loops.FORMS.items():
        seconds = loop_seconds(
            form(size.n, size.m, **shape), at_least=effort.loop_seconds
        )
        key = (size.name, cell.name, name)
        measured.seconds.setdefault(key, []).append(seconds / size.instances)
    steps = max(40, int(size.engine_steps * cell.longer * effort.engine_share))
    step, recording = engine_seconds(size, cell, steps=steps)
    row = engine_rows(size, cell, steps=steps, models=1)[0]
    measured.kernels[(size.name, cell.name)] = engine.kernel(row)
    measured.seconds.setdefault((size.name, cell.name, "engine"), []).append(step)
    shares = measured.record_share.setdefault((size.name, cell.name), [])
    shares.append(recording / (10_000 * step))


def loop_seconds(step: loops.Step, *, at_least: float) -> float:
    """CPU seconds of one step of a PyTorch loop, after three to warm up."""
    for _ in range(3):
        step()
    count, start = 0, time.process_time()
    while (spent := time.process_time() - start) < at_least:
        step()
        count += 1
    return spent / count


def engine_rows(size: Size, cell: Cell, *, steps: int, models: int) -> list[Any]:
    """Completed rows of one cell."""
    design = grid(
        n_features=size.n,
        n_hidden=size.m,
        feature_probability=cell.probability,
        noise=cell.noise,
        rate=cell.rate,
        batch_size=BATCH,
        steps=steps,
        seeds=models,
    )
    return complete(design, FACTORS)


def train_clocked(rows: Sequence[Any], *, workers: int, clock: Clock) -> float:
    """Seconds of a clock that the engine takes for some rows."""
    start = clock()
    engine.train(rows, workers=workers, progress=lambda share: None, stop=lambda: False)
    return clock() - start


def engine_seconds(size: Size, cell: Cell, *, steps: int) -> tuple[float, float]:
    """CPU seconds of one model-step, and of all that is not a step, for each model.

    A run of `steps` and one of four times as many: their difference holds steps alone,
    since the clean loss is recorded equally often in both.
    """
    models = size.engine_models
    short, long = (
        train_clocked(
            engine_rows(size, cell, steps=count, models=models),
            workers=1,
            clock=time.process_time,
        )
        for count in (steps, 4 * steps)
    )
    step = (long - short) / (3 * steps * models)
    return step, max(0.0, short / models - step * steps)


def peak_gflops(at_least: float, *, clock: Clock = time.process_time) -> float:
    """Multiply-adds in registers alone on one core, in 1e9 operations a second."""
    operations, start = 0.0, clock()
    while (spent := clock() - start) < at_least:
        operations += _engine.multiply_add(100_000)
    return operations / spent / 1e9


def _arithmetic(barrier: Any, seconds: float, results: Any) -> None:
    barrier.wait()
    results.put(peak_gflops(seconds, clock=time.perf_counter))


def scaling(effort: Effort) -> tuple[float, float]:
    """How much more two threads do than one, and two processes of plain arithmetic."""
    size, cell = SIZES[1], CELLS[1]
    steps = int(2000 * effort.engine_share)
    rows = engine_rows(size, cell, steps=steps, models=32)
    one = train_clocked(rows[:16], workers=1, clock=time.perf_counter)
    two = train_clocked(rows, workers=2, clock=time.perf_counter)
    seconds = 2 * effort.peak_seconds
    alone, together = (_processes(count, seconds=seconds) for count in (1, 2))
    return 2 * one / two, together / alone


def _processes(count: int, *, seconds: float) -> float:
    """What `count` processes of plain arithmetic do at once, summed."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(count), context.Queue()
    processes = [
        context.Process(target=_arithmetic, args=(barrier, seconds, results))
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    total = sum(results.get() for _ in processes)
    for process in processes:
        process.join()
    return total


def describe_machine() -> dict[str, str]:
    """What the figures depend on, without the machine's name."""
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "instruction set of the engine": engine.instruction_set(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "NumPy": version("numpy"),
        "PyTorch": str(torch.__version__),
        "tegum": version("tegum"),
    }


def processor() -> str:
    """The processor's model, family and clock as the system tells them."""
    path = pathlib.Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    fields = dict(
        (part.strip() for part in line.split(":", 1))
        for line in path.read_text().split("\n\n")[0].splitlines()
        if ":" in line
    )
    return (
        f"{fields.get('model name', platform.machine())} "
        f"(family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}, "
        f"{fields.get('cache size', '?')} cache)"
    )


if __name__ == "__main__":
    raise SystemExit(main())
