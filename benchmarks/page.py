"""docs/performance.md, from what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cells import (
    BATCH,
    CELLS,
    OWED_PEAK_SHARE,
    OWED_SCALING,
    SIZES,
    Cell,
    Size,
    busy_share,
    dense_operations,
    least_operations,
)

median = statistics.median


@dataclass(frozen=True)
class Line:
    """One owed figure and what was measured."""

    what: str
    owed: float
    measured: float

    @property
    def reached(self) -> bool:
        return self.measured >= self.owed


def render(measured: Any, *, machine: Mapping[str, str], sizes: Sequence[Size]) -> str:
    """The page as Markdown."""
    ratios = _ratio_table(measured, sizes)
    parts = [
        "# Performance",
        "<!-- Written by `make bench`; do not edit. -->",
        _method(measured),
        "## Machine",
        _table(["", ""], [[name, value] for name, value in machine.items()]),
        "## Time of one training step",
        "Core-microseconds for one model and one step of "
        f"{BATCH} examples: CPU time on one thread, median over rounds, in brackets "
        "the smallest and the largest round.",
        _times_table(measured, sizes),
        "## How many times faster",
        "Ratios of the medians. *Owed* is what the project asks of its engine beside "
        "the notebook form; *missed* says that it is not reached in this run.",
        ratios,
        "## Share of the arithmetic peak",
        _peak(measured, sizes),
        "## Two threads",
        _scaling(measured),
        "## What was not reached, and why",
        _misses(measured, sizes),
    ]
    return "\n\n".join(parts) + "\n"


def _method(measured: Any) -> str:
    rounds = len(next(iter(measured.seconds.values())))
    return (
        "The engine beside the loop that the field uses, measured in one run: the "
        "notebook form of that loop (packed einsum in PyTorch, two random draws for "
        "the data, AdamW, gradients by autograd) and a tuned form of it (`bmm`, one "
        "random draw, fused Adam), both rewritten for this benchmark. "
        f"{rounds} interleaved rounds, every form on one thread, process CPU time, so "
        "that other jobs on the machine cost no time but may still cost cache, memory "
        "bandwidth and clock: read a ratio to about a quarter. PyTorch packs "
        + ", ".join(f"{s.instances} models at {s.name}" for s in SIZES)
        + " into one call, near the best for it. The engine's time holds everything "
        "in a step, sampling included. What it does besides (recording the clean loss, "
        "start-up) is taken out by timing runs of two lengths, and is "
        f"{_largest_record_share(measured):.1%} of a run of 10,000 steps at most."
    )


def _largest_record_share(measured: Any) -> float:
    return max(median(shares) for shares in measured.record_share.values())


def _times(measured: Any, size: Size, cell: Cell, form: str) -> list[float]:
    return [1e6 * s for s in measured.seconds[(size.name, cell.name, form)]]


def _time(measured: Any, size: Size, cell: Cell, form: str) -> float:
    return median(_times(measured, size, cell, form))


def ratio(measured: Any, size: Size, cell: Cell, form: str) -> float:
    """How many times longer a form takes than the engine."""
    ours = _time(measured, size, cell, "engine")
    return _time(measured, size, cell, form) / ours


def _times_table(measured: Any, sizes: Sequence[Size]) -> str:
    rows = []
    for size in sizes:
        for cell in CELLS:
            kernel = measured.kernels[(size.name, cell.name)]
            row = [f"{size.name} ({size.n}, {size.m})", cell.name, kernel]
            for form in ("notebook", "tuned", "engine"):
                times = _times(measured, size, cell, form)
                row.append(
                    f"{_figure(median(times))} ({_figure(min(times))}–"
                    f"{_figure(max(times))})"
                )
            rows.append(row)
    header = [
        "size (n, m)",
        "training",
        "kernel",
        "notebook form",
        "tuned form",
        "tegum",
    ]
    return _table(header, rows)


def owed_ratios(measured: Any, sizes: Sequence[Size]) -> list[tuple[Size, Cell, Line]]:
    """Every owed ratio to the notebook form."""
    return [
        (
            size,
            cell,
            Line(
                f"{size.name}, {cell.name}: ratio to the notebook form",
                cell.owed[SIZES.index(size)],
                ratio(measured, size, cell, "notebook"),
            ),
        )
        for cell in CELLS
        if cell.owed
        for size in sizes
    ]


def _ratio_table(measured: Any, sizes: Sequence[Size]) -> str:
    owed = {(s.name, c.name): line for s, c, line in owed_ratios(measured, sizes)}
    rows = []
    for cell in CELLS:
        for size in sizes:
            line = owed.get((size.name, cell.name))
            rows.append(
                [
                    cell.name,
                    size.name,
                    _figure(ratio(measured, size, cell, "notebook")),
                    f"{line.owed:g}" if line else "none",
                    ("reached" if line.reached else "*missed*") if line else "",
                    _figure(ratio(measured, size, cell, "tuned")),
                ]
            )
    header = [
        "training",
        "size",
        "to the notebook form",
        "owed",
        "",
        "to the tuned form",
    ]
    return _table(header, rows)


def peak_shares(measured: Any, sizes: Sequence[Size]) -> list[tuple[Size, Line]]:
    """The useful operations of a dense step over what the peak could do in its time."""
    peak = median(measured.peak) * 1e9
    lines = []
    for size in sizes:
        seconds = 1e-6 * _time(measured, size, CELLS[0], "engine")
        share = dense_operations(size) / seconds / peak
        owed = OWED_PEAK_SHARE[SIZES.index(size)]
        lines.append((size, Line(f"{size.name}: dense share of the peak", owed, share)))
    return lines


def _peak(measured: Any, sizes: Sequence[Size]) -> str:
    peak = median(measured.peak)
    rows = [
        [
            size.name,
            f"{line.measured:.2f}",
            f"{line.owed:.2f}",
            "reached" if line.reached else "*missed*",
        ]
        for size, line in peak_shares(measured, sizes)
    ]
    return (
        "A loop of float32 multiply-adds in registers reaches "
        f"{peak:.0f} GFLOP/s on one core ({min(measured.peak):.0f} to "
        f"{max(measured.peak):.0f} over the run). A dense step without noise holds "
        "five products of `batch x n x m`, 10 batch n m operations; sampling, ReLU and "
        "Adam count as nothing.\n\n"
        + _table(["size", "share of the peak", "owed", ""], rows)
    )


def scaling_line(measured: Any) -> Line:
    """Two threads over one, against two processes over one."""
    share = median(measured.threads) / median(measured.processes)
    return Line("two threads against two processes", OWED_SCALING, share)


def _scaling(measured: Any) -> str:
    line = scaling_line(measured)
    return (
        f"Two threads of the engine do {median(measured.threads):.2f} times what one "
        "does (wall time, twice the models of size B); two processes of the "
        f"multiply-add loop do {median(measured.processes):.2f} times what one does. "
        f"The first over the second: {line.measured:.2f}, owed {line.owed:.1f} "
        f"({'reached' if line.reached else '*missed*'})."
    )


def _misses(measured: Any, sizes: Sequence[Size]) -> str:
    peak = median(measured.peak) * 1e9
    items = []
    for size, cell, line in owed_ratios(measured, sizes):
        if not line.reached:
            kernel = measured.kernels[(size.name, cell.name)]
            least = least_operations(size, cell, kernel=kernel) / peak * 1e6
            ours = _time(measured, size, cell, "engine")
            theirs = _time(measured, size, cell, "notebook")
            items.append(
                f"- **{line.what}** is {line.measured:.1f}, owed {line.owed:g}. "
                f"{_reason(size, cell, kernel=kernel, microseconds=ours)} "
                "The multiply-adds of the products alone "
                f"would take {_figure(least)} µs at the peak of this core; the engine "
                f"takes {_figure(ours)} µs, the notebook form {_figure(theirs)} µs."
            )
    for size, line in peak_shares(measured, sizes):
        if not line.reached:
            items.append(
                f"- **{line.what}** is {line.measured:.2f}, owed {line.owed:.2f}. "
                f"{_peak_reason(size)}"
            )
    line = scaling_line(measured)
    if not line.reached:
        items.append(
            f"- **{line.what}** is {line.measured:.2f}, owed {line.owed:.1f}. "
            "Wall time is at the mercy of whatever else runs: see the load above."
        )
    return "\n".join(items) if items else "Every owed figure is reached in this run."


def _reason(size: Size, cell: Cell, *, kernel: str, microseconds: float) -> str:
    """What the time goes to, where little of it is arithmetic."""
    if kernel == "dense":
        return "Every example and every feature takes part: no product can be skipped."
    events = BATCH * size.n * cell.probability
    each = (
        f"A step has about {events:,.0f} active features among {BATCH * size.n:,}, and "
        f"takes {_figure(1e3 * microseconds / events)} ns for each of them, all told. "
    )
    if kernel == "compact":
        return each + (
            f"{busy_share(size, cell):.0%} of the examples have one; for those the "
            "read-out and its two gradients are dense, with or without noise, and only "
            "W x and its gradient, two of the five products, shrink to active features."
        )
    return each + (
        "Each is drawn, placed, and reads one row of G = W^T W and adds to one of its "
        f"gradient, {8 * size.n:,} bytes; the two matrices take "
        f"{8 * size.n**2 / 1024:,.0f} KiB, and every multiply-add comes with its own "
        f"load. ReLU still passes over {size.n} outputs of the "
        f"{busy_share(size, cell):.0%} of examples that have an active feature."
    )


def _peak_reason(size: Size) -> str:
    words = BATCH * size.n
    return (
        f"Beside {dense_operations(size) / 1e6:.3g} million operations a step draws "
        f"{words:,} random inputs and passes as many outputs through ReLU: "
        f"{10 * size.m} operations for each of them to hide behind, and the fewer "
        "those are, the more of the time is not multiplication."
    )


def _figure(value: float) -> str:
    """Three significant digits, no exponent."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(header), ["---"] * len(header), *[list(row) for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
