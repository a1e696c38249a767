"""Planning's kernels and a whole lazy search beside tight loops in C, in one run.

`python -m benchmarks.planning` prints nanoseconds for each state expanded and ratios to
the C loop of the same search, compiled by `cc -O3` on the spot. Every figure is process
CPU time on one thread, the median over interleaved rounds; `--quick` takes seconds.

The C loops are what a careful programmer would write for these tables: whole prices, no
bound checks, their arrays allocated inside as ours are. They find prices and nothing
else. The whole lazy search beside them marks its way, asks the oracle, keeps the ledger
and the policy, and what becomes of every query.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tegum.planning.exact import tie_order, tied
from tegum.planning.experience import Experience
from tegum.planning.maps import grid_map
from tegum.planning.oracle import perfect
from tegum.planning.problem import Problem
from tegum.planning.searching import breadth_first, level_search
from tegum.planning.sides import data_side, prune_lazily, search_side

SIZES = (32, 64, 128)
QUERIES = 32
SEED = 7
ALLOWED = 2.0
"""A whole procedure may cost so many times what the tight loop does."""

SOURCE = r"""
#include <stdlib.h>
#include <string.h>
#define FAR (1 << 30)

long breadth_first(const int *to, const char *goal, int states, int actions, int start)
{
    int *price = malloc(4 * states), *queue = malloc(4 * states);
    int *came_by = malloc(4 * states);
    int head = 0, tail = 1, best = FAR;
    long expanded = 0;
    for (int s = 0; s < states; s++) price[s] = FAR;
    price[start] = 0; queue[0] = start;
    while (head < tail) {
        int s = queue[head], reached = price[s] + 1;
        if (reached > best) break;
        head++;
        if (goal[s]) continue;
        expanded++;
        for (int a = 0; a < actions; a++) {
            int next = to[s * actions + a];
            if (price[next] == FAR) {
                price[next] = reached; came_by[next] = s * actions + a;
                queue[tail++] = next;
                if (goal[next] && best == FAR) best = reached;
            }
        }
    }
    free(price); free(queue); free(came_by);
    return expanded;
}

long a_star(const int *to, const char *goal, const int *estimate, int states,
            int actions, int start, int highest)
{
    int *price = malloc(4 * states), *came_by = malloc(4 * states);
    int *item = malloc(4 * (states * actions + 1));
    int *under = malloc(4 * (states * actions + 1));
    int piles = states + highest + 2, *pile = malloc(4 * piles);
    int n = 1, best = piles, f = estimate[start], longest = f;
    long expanded = 0;
    for (int s = 0; s < states; s++) price[s] = FAR;
    memset(pile, -1, 4 * piles);
    price[start] = 0; item[0] = start; under[0] = -1; pile[f] = 0;
    while (f <= longest && f <= best) {
        int top = pile[f];
        if (top < 0) { f++; continue; }
        int s = item[top];
        pile[f] = under[top];
        if (price[s] + estimate[s] < f) continue;
        if (goal[s]) { if (best == piles) best = f; continue; }
        expanded++;
        int reached = price[s] + 1;
        for (int a = 0; a < actions; a++) {
            int next = to[s * actions + a];
            if (reached < price[next]) {
                int length = reached + estimate[next];
                price[next] = reached; came_by[next] = s * actions + a;
                item[n] = next; under[n] = pile[length]; pile[length] = n++;
                if (length > longest) longest = length;
            }
        }
    }
    free(price); free(came_by); free(item); free(under); free(pile);
    return expanded;
}
"""

Loop = Callable[[], int]
"""Does its work once and returns how many states were expanded, or values backed up."""


def compiled_loops(folder: Path) -> ctypes.CDLL:
    """The C loops, compiled where they are run."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("the tight loops are C: install a compiler that answers to cc")
    (folder / "loops.c").write_text(SOURCE)
    subprocess.run(
        [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", "loops.so",
         "loops.c"],
        cwd=folder, check=True,
    )  # fmt: skip
    library = ctypes.CDLL(str(folder / "loops.so"))
    library.breadth_first.restype = library.a_star.restype = ctypes.c_long
    return library


def contenders(problem: Problem, library: ctypes.CDLL) -> dict[str, Loop]:
    """Every loop on one map, over the same queries; C's first, by name."""
    to, _ = tied(problem, tie_order(problem))
    estimate = np.maximum(-problem.bound, 0.0)
    whole = estimate.astype(np.int32)
    goal = problem.terminal
    nothing = np.zeros(problem.n_states, dtype=bool)
    states, actions = to.shape
    tables = to.ctypes.data_as(ctypes.c_void_p), goal.ctypes.data_as(ctypes.c_void_p)
    guess = whole.ctypes.data_as(ctypes.c_void_p)
    highest = int(whole.max())
    many = 10**12
    oracle = perfect(problem)
    searching = search_side(problem, seed=SEED)
    learning = data_side(problem, experience=Experience(complete=True), seed=SEED)
    starts = problem.starts

    def procedure(side, remembers: bool) -> int:
        _, after = prune_lazily(
            side, oracle, starts=starts, budget=many, remembers=remembers
        )
        return int(after[-1, 3] - side.ledger.operations)

    return {
        "breadth first, C": lambda: sum(
            library.breadth_first(*tables, states, actions, int(s)) for s in starts
        ),
        "breadth first": lambda: sum(
            breadth_first(to, goal, int(s), nothing, True, many)[1].size for s in starts
        ),
        "A*, C": lambda: sum(
            library.a_star(*tables, guess, states, actions, int(s), highest)
            for s in starts
        ),
        "A*": lambda: sum(
            level_search(to, goal, estimate, int(s), nothing, True, many)[1].size
            for s in starts
        ),
        "lazy search, whole": lambda: procedure(searching, remembers=False),
        "lazy data, whole": lambda: procedure(learning, remembers=True),
    }


def measure(
    sizes: Sequence[int], *, rounds: int, at_least: float
) -> dict[tuple[int, str], float]:
    """Nanoseconds for each operation, by size and loop: the median over rounds."""
    found: dict[tuple[int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        library = compiled_loops(Path(folder))
        loops = {
            (size, name): loop
            for size in sizes
            for name, loop in contenders(
                grid_map(size=size, seed=SEED, queries=QUERIES).problem, library
            ).items()
        }
        for loop in loops.values():
            loop()  # compiled by numba, and warm
        for _ in range(rounds):
            for key, loop in loops.items():
                done, started = 0, time.process_time()
                while time.process_time() - started < at_least:
                    done += loop()
                spent = time.process_time() - started
                found.setdefault(key, []).append(1e9 * spent / done)
    return {key: statistics.median(times) for key, times in found.items()}


RATIOS = (
    ("breadth first", "breadth first, C"),
    ("A*", "A*, C"),
    ("lazy search, whole", "A*, C"),
)


def table(found: dict[tuple[int, str], float]) -> str:
    """What was measured, as Markdown."""
    sizes = sorted({size for size, _ in found})
    names = list(dict.fromkeys(name for _, name in found))
    head = "| ns for each operation | " + " | ".join(f"{n} x {n}" for n in sizes) + " |"
    lines = [head, "| --- " * (len(sizes) + 1) + "|"]
    for name in names:
        cells = " | ".join(f"{found[size, name]:.1f}" for size in sizes)
        lines.append(f"| {name} | {cells} |")
    for name, tight in RATIOS:
        ratios = [found[size, name] / found[size, tight] for size in sizes]
        cells = " | ".join(
            f"{ratio:.2f}" + ("" if ratio <= ALLOWED else " *above 2*")
            for ratio in ratios
        )
        lines.append(f"| **{name} / {tight}** | {cells} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds, and rough")
    options = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    rounds, at_least = (3, 0.02) if options.quick else (9, 0.15)
    print(table(measure(SIZES, rounds=rounds, at_least=at_least)))
    print(f"load before {before:.2f}, after {os.getloadavg()[0]:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
