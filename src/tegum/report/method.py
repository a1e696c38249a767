"""How a study was done and where its rows come from, as markup."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tegum.claims import median_farthest_from_0
from tegum.design import frozen_value
from tegum.markup import Child, Html, definitions, element, joined, table
from tegum.report.frame import Cell, Frame
from tegum.report.labels import (
    UNIT,
    factor_name,
    labels_of,
    level_label,
    number_name,
    several,
    unit_of,
)
from tegum.results import MISSING, Results
from tegum.statistics import extra_look_alpha
from tegum.store import Store
from tegum.study import Convergence, Study
from tegum.wording import plain, written

MOST_LISTED = 200
USUAL_STORE = "tegum-store"


def method(study: Study, results: Results, layout: Frame, *, design: str) -> Html:
    """The design, its units, the error and its sharing, convergence, divergence."""
    return joined(
        definitions(_facts(study, results, layout, design=design)),
        _factor_table(layout, study, results),
        _convergence(study.convergence, results, layout),
        _diverged(results, layout),
    )


def _facts(
    study: Study, results: Results, layout: Frame, *, design: str
) -> list[tuple[str, Child]]:
    counts = Counter(str(status) for status in results["status"])
    unit = unit_of(study.subject)
    units, meant = several(unit), ": one model of every cell" if unit == UNIT else ""
    rows = ", ".join(
        f"{count} {made_word(study) if status == 'trained' else status}"
        for status, count in counts.most_common()
    )
    parts = sum(len(claim.parts) for claim in study.claims_of(design))
    alpha = study.alpha_of(design)
    planned = extra_look_alpha(alpha, 1)
    shared = (
        f" Its designs ({', '.join(study.designs)}) share it equally: this one has "
        f"{alpha:.3g}."
    )
    sharing = (
        f"P(any wrong supported or refuted) ≤ {plain(study.alpha)} for the whole "
        f"study.{shared if len(study.designs) > 1 else ''} "
        f"The look at the planned {units} spends {planned:.3g} of that, equally over "
        f"its claims' parts (Bonferroni), and looks at further {units} share the "
        f"rest; there are {parts} parts."
    )
    measures = [
        f"{m.name} (version {m.version}): {', '.join(map(number_name, m.numbers))}"
        for m in study.measures
    ]
    pilot = _runs(study.pilot_seeds)
    facts: list[tuple[str, Child]] = [
        ("Design", f"{design}: {len(results)} rows in {len(layout.cells)} cells"),
        ("Rows", rows),
        (f"{units.capitalize()} in a cell", _seed_counts(layout.cells)),
        ("Unit", f"the {unit}{meant}, resampled and paired whole"),
        ("Error", sharing),
        (
            "Intervals",
            "exact order-statistic intervals of the median (exact binomial ones for "
            "shares); missing pairs enter at both ends of the declared range",
        ),
        ("Subject", f"{study.subject.name} (law {study.subject.law})"),
        ("Measures", joined(*(element("div", text) for text in measures))),
    ]
    if pilot or unit == UNIT:
        told = f"{units.capitalize()} of the pilot, never used here"
        facts.append((told, pilot or "none"))
    return facts


def made_word(study: Study) -> str:
    """What was done to a row: a unit that is no seed is read, not trained."""
    return "trained" if unit_of(study.subject) == UNIT else "measured"


def _runs(seeds: Sequence[int]) -> str:
    """Whole numbers with neighbours drawn together: "0 to 9, 20"."""
    found: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if found and seed == found[-1][1] + 1:
            found[-1][1] = seed
        else:
            found.append([seed, seed])
    return ", ".join(f"{a} to {b}" if b > a else str(a) for a, b in found)


def _seed_counts(cells: Sequence[Cell]) -> str:
    counts = sorted({len(cell.seeds) for cell in cells})
    if len(counts) == 1:
        return str(counts[0])
    return f"{counts[0]} to {counts[-1]}"


def _factor_table(layout: Frame, study: Study, results: Results) -> Html:
    labels = labels_of(study.subject)
    meanings = {factor.name: factor.meaning for factor in study.subject.factors}
    rows: list[list[Child]] = []
    for axis in layout.axes:
        rows.append([axis.factor, "varies", ", ".join(axis.labels)])
    for name in layout.tied:
        levels = dict.fromkeys(frozen_value(v) for v in results[name])
        shown = ", ".join(level_label(name, v, labels=labels) for v in levels)
        rows.append([name, "follows from those above", shown])
    fixed: list[list[Child]] = [
        [name, "fixed", level_label(name, value, labels=labels)]
        for name, value in layout.constants.items()
    ]
    for row in rows + fixed:
        row.append(meanings.get(str(row[0]), ""))
    head = ["Factor", "Role", "Levels", "Meaning"]
    names = ", ".join(layout.constants)
    return joined(
        table(head, rows, caption="The factors that vary.") if rows else None,
        element(
            "details",
            element("summary", f"Fixed for every row: {names}"),
            table(head, fixed, caption="The factors that are fixed."),
        )
        if fixed
        else None,
    )


def unsettled(
    convergence: Convergence | None, results: Results, layout: Frame
) -> list[float | None]:
    """For each cell the median of the convergence number; None where the cell passes.

    A seed without the number, or whose model diverged, counts as infinitely far off.
    """
    if convergence is None:
        return [None] * len(layout.cells)
    values = np.asarray(results[convergence.number], dtype=np.float64)
    values = np.where(results["status"] == "diverged", np.nan, values)
    present = results["status"] != MISSING
    found: list[float | None] = []
    for cell in layout.cells:
        rows = [row for row in cell.rows if present[row]]
        middle = median_farthest_from_0(values[rows]) if rows else 0.0
        found.append(middle if abs(middle) > convergence.limit else None)
    return found


def _convergence(
    convergence: Convergence | None, results: Results, layout: Frame
) -> Html:
    if convergence is None:
        return element("p", "No convergence law was set.", class_="note")
    late = unsettled(convergence, results, layout)
    missed = [(c, v) for c, v in zip(layout.cells, late, strict=True) if v is not None]
    law = (
        f"Convergence law: a claim is judged only where, in the median over seeds, "
        f"{number_name(convergence.number)} is at most {plain(convergence.limit)} in "
        "every cell it uses."
    )
    if not missed:
        return element("p", f"{law} Every cell passes.")
    summary = f"{len(missed)} of {len(layout.cells)} cells miss it"
    rows: list[list[Child]] = [
        [cell_words(cell, layout), "not finite" if math.isinf(v) else written(v)]
        for cell, v in sorted(missed, key=lambda pair: -pair[1])[:MOST_LISTED]
    ]
    listed = table(
        ["Cell", number_name(convergence.number)],
        rows,
        caption="Cells that miss the convergence law, the worst first.",
    )
    return joined(
        element("p", law), element("details", element("summary", summary), listed)
    )


def _diverged(results: Results, layout: Frame) -> Html:
    """Which cells hold diverged rows, how many, and from which step."""
    status, steps = results["status"], results["diverged_at_step"]
    rows: list[list[Child]] = []
    for cell in layout.cells:
        gone = [row for row in cell.rows if status[row] == "diverged"]
        if gone:
            known = [int(steps[row]) for row in gone if steps[row] is not None]
            first = str(min(known)) if known else "not recorded"
            share = f"{len(gone)} of {len(cell.rows)}"
            rows.append([cell_words(cell, layout), share, first])
    if not rows:
        return element("p", "No row diverged.")
    count = sum(status[row] == "diverged" for cell in layout.cells for row in cell.rows)
    listed = table(
        ["Cell", "Diverged", "First at step"],
        rows[:MOST_LISTED],
        caption="Cells with rows whose parameters stopped being finite.",
    )
    summary = f"{count} rows diverged, in {len(rows)} cells"
    return element("details", element("summary", summary), listed)


def cell_words(cell: Cell, layout: Frame) -> str:
    """A cell as its levels, one after another."""
    return "; ".join(
        f"{factor_name(axis.factor)}: {axis.labels[level]}"
        for axis, level in zip(layout.axes, cell.at, strict=True)
    )


def provenance(
    study: Study, results: Results, *, store: Store, design: str, called: str
) -> Html:
    """Commit, versions, machine, instruction sets, digest, and the command again."""
    there = results["status"] != MISSING
    asked = ("report", called)
    again = command(*asked, study=study, results=results, store=store, design=design)
    pairs: list[tuple[str, Child]] = [
        ("Rows", f"{int(there.sum())} stored of {len(results)}"),
        ("Commit", _commit(results, there)),
        ("tegum", _found(results, "tegum_version", there)),
        ("Libraries", _libraries(results, there)),
        ("Machine", _found(results, "machine", there)),
        ("Instruction set", _found(results, "instruction_set", there)),
        ("Rows made", _times(results, there)),
        (_made_in(study), _training_time(results, there)),
        ("Digest of the claims", element("code", study.digest())),
    ]
    if called:
        pairs.append(("This page again", element("code", again)))
    mixed = len(results.instruction_sets) > 1
    warning = (
        element(
            "p",
            "The rows were made with several instruction sets, so that the same row "
            "may have other bits elsewhere; the verdicts mix them.",
            class_="contradiction",
        )
        if mixed
        else None
    )
    return joined(warning, definitions(pairs))


def _made_in(study: Study) -> str:
    return "Training took" if made_word(study) == "trained" else "Measuring took"


def _found(
    results: Results, column: str, there: np.ndarray, *, empty: str = "not recorded"
) -> str:
    """Every value of a provenance column, with how many rows where they differ."""
    counts = Counter(str(v or empty) for v in results[column][there])
    if len(counts) == 1:
        return next(iter(counts))
    return (
        "; ".join(f"{v} ({count} rows)" for v, count in counts.most_common()) or empty
    )


def _commit(results: Results, there: np.ndarray) -> str:
    """The commit of every row; the store marks a changed checkout with a plus."""
    found = _found(results, "commit", there, empty="not from a checkout")
    return found.replace("+", " with changes that were not committed")


def _libraries(results: Results, there: np.ndarray) -> str:
    texts = dict.fromkeys(str(v) for v in results["libraries"][there] if v)
    shown = []
    for text in texts:
        found = json.loads(text)
        shown.append(", ".join(f"{name} {v}" for name, v in found.items()))
    return "; ".join(shown) or "not recorded"


def _times(results: Results, there: np.ndarray) -> str:
    times = sorted(v for v in results["created_at"][there] if v is not None)
    if not times:
        return "not recorded"
    first, last = (f"{t:%Y-%m-%d %H:%M} UTC" for t in (times[0], times[-1]))
    return first if first == last else f"{first} to {last}"


def _training_time(results: Results, there: np.ndarray) -> str:
    seconds = np.asarray(results["wall_seconds"][there], dtype=np.float64)
    total = float(np.nansum(seconds)) if np.isfinite(seconds).any() else math.nan
    if math.isnan(total):
        return "not recorded"
    return f"{total:.3g} s" if total < 600 else f"{total / 3600:.2g} h"


def command(
    *asked: str, study: Study, results: Results, store: Store, design: str
) -> str:
    """What to type, beside the store, to make the page or a figure again."""
    words = ["tegum", *asked, "--design", design]
    seeds = set(results["seed"]) if "seed" in results.factors else set()
    if seeds != set(study.designs[design].levels("seed")):
        words += ["--seeds", str(len(seeds))]
    if store.path is not None and store.path.name != USUAL_STORE:
        words += ["--store", store.path.name]
    return shlex.join(words)
