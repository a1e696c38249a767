"""Results and verdicts of a study without training anything."""

from dataclasses import replace

import numpy as np

from tegum.claims import PartVerdict, Verdict
from tegum.results import Results


def results(study, *, seeds=3, design="demo"):
    """The first seeds of a design; each number is drawn once for each row."""
    table = study.completed(design)
    first = min(table.levels("seed"))
    rows = [r for r in table.rows if r["seed"] < first + seeds]
    columns = {
        name: np.array([row[name] for row in rows], dtype=object) for row in rows[:1]
        for name in row
    }  # fmt: skip
    draws = np.random.default_rng(0)
    for number in study.numbers:
        columns[number] = draws.uniform(0.5, 1.5, len(rows))
    columns["key"] = np.array([str(k) for k in range(len(rows))], dtype=object)
    columns["status"] = np.full(len(rows), "trained", dtype=object)
    numbers = {measure.name: measure.numbers for measure in study.measures}
    return Results(columns, factors=tuple(rows[0]), numbers=numbers)


def verdicts(study, word, *, design="demo", holds=None):
    """Every claim of a design with one word; `holds` maps claims to regions.

    The predicted region holds where a claim of one part is supported.
    """
    found = []
    for claim in study.claims_of(design):
        alone = len(claim.parts) == 1 and word == "supported"
        usual = claim.parts[0].region.name if alone else ""
        found.append(_verdict(claim, word, (holds or {}).get(claim.name, usual)))
    return tuple(found)


def interim(found):
    return tuple(replace(verdict, standing="interim") for verdict in found)


def _verdict(claim, word, holds):
    parts = tuple(
        PartVerdict(p.estimand, p.region, 0.0, -1.0, 1.0, 0.95, 24, 0, word)
        for p in claim.parts
    )
    return Verdict(claim, word, holds, parts, 24, 24, standing="confirmatory")
