"""Fixed rows keep their bits, or `PlanningProblems.law` is raised.

If this fails, what a row gives has changed. Then either that was not meant, or the law
must be raised; record the new bits with
`python tests/planning/test_planning_fingerprints.py`. Fitted and
neural Q are left out: their sums are those of the machine's linear algebra.
"""

import json
import platform
from pathlib import Path

import pytest

from tegum.design import grid
from tegum.planning.factors import METHODS
from tegum.planning.subject import PlanningProblems
from tegum.store import artifact_digest

RECORD = Path(__file__).parent / "fingerprints.json"
SUBJECT = PlanningProblems()
ROWS = SUBJECT.complete(
    grid(
        method=[m for m in METHODS if m not in ("fitted_q", "neural_q")],
        size=9,
        queries=6,
        steps=1500,
        coupling=0.5,
        seed=3,
    )
    | grid(
        method=["a_star", "certainty_equivalent"],
        pruning=["lazy", "audit"],
        ties="random",
        misses=0.1,
        size=9,
        queries=None,
        steps=1500,
        seed=5,
    )
    | grid(
        method="certainty_equivalent",
        pruning=["certify", "filter"],
        size=9,
        patch=1.0,
        queries=None,
        complete=True,
        seed=6,
    )
    | grid(
        world="history",
        method="certainty_equivalent",
        memory=[True, False],
        slip=0.1,
        size=6,
        steps=1500,
        leak=0.5,
        discount=0.9,
        seed=7,
    )
    | grid(method="certainty_equivalent", size=9, steps=1500, leak=0.0, dose=4, seed=3)
    | grid(method="return_conditioned", size=9, queries=None, steps=300, seed=4)
    | grid(world="tree", method="value_iteration", depth=5, coupling=-0.5, seed=8)
)


def fingerprints():
    artifacts = SUBJECT.train(
        ROWS, workers=2, progress=lambda share: None, stop=lambda: False
    )
    return [artifact_digest(artifact) for artifact in artifacts]


def place():
    return f"law {SUBJECT.law}, {platform.machine()}"


def test_fixed_rows_keep_their_bits():
    recorded = json.loads(RECORD.read_text())
    if place() not in recorded:
        pytest.skip(
            f"no bits are recorded for {place()}; record them with "
            "`python tests/planning/test_planning_fingerprints.py`"
        )
    assert fingerprints() == recorded[place()]


def test_every_fixed_row_has_bits_of_its_own():
    found = fingerprints()
    assert len(set(found)) == len(ROWS) == 22


if __name__ == "__main__":
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    RECORD.write_text(json.dumps(before | {place(): fingerprints()}, indent=1) + "\n")
