"""A subject that trains in no time, and a small study of it."""

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np

from tegum.arrays import Artifact, RowsFailed, stream
from tegum.claims import Claim, Part, above, paired_difference
from tegum.design import Factor, complete, grid
from tegum.measures.facts import Measure
from tegum.study import Study


def _number(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number; give one")
    return float(value)


def _profile(value):
    return tuple(value) if isinstance(value, tuple) else _number(value)


FACTORS = (
    Factor("rate", "how far the arrays are shifted", _number),
    Factor("profile", "a number, or one for each column", _profile, 1.0),
    Factor("label", "a text", str, "plain"),
    Factor("extra", "something that is usually absent", lambda v: v, None),
    Factor("seed", "the unit", int),
)


@dataclass(frozen=True)
class Tiny:
    """`W` is a random matrix plus `rate`; rows can be made to diverge or to fail."""

    name: str = "tiny"
    law: int = 1
    factors: tuple = FACTORS
    pause: float = 0.0
    diverging_rate: float | None = None
    failing_rate: float | None = None
    row_bytes: int = 1000
    instruction_set: str = "plain"
    trained: list = field(default_factory=list, compare=False)

    def complete(self, design):
        return complete(design, self.factors)

    def train(self, rows, *, workers, progress, stop):
        finished, errors = [], {}
        for position, row in enumerate(rows):
            if stop():
                break
            time.sleep(self.pause)
            if row["rate"] == self.failing_rate:
                errors[position] = f"no model at rate {row['rate']}"
                finished.append(None)
                continue
            finished.append(self.artifact(row))
            self.trained.append((row["rate"], row["seed"]))
            progress((position + 1) / len(rows))
        finished += [None] * (len(rows) - len(finished))
        if errors:
            raise RowsFailed("some rows failed", finished=finished, errors=errors)
        return finished

    def artifact(self, row):
        draws = stream(row["seed"], "tiny").standard_normal((2, 3))
        weights = (draws * np.asarray(row["profile"]) + row["rate"]).astype(np.float32)
        arrays = {"W": weights, "step": np.array([0, 10], dtype=np.int64)}
        if row["rate"] == self.diverging_rate:
            return Artifact(
                arrays | {"W": np.full_like(weights, np.nan)}, "diverged", 7
            )
        return Artifact(arrays)

    def core_seconds(self, row):
        return max(self.pause, 1e-3)

    def memory_bytes(self, row):
        return self.row_bytes


def size(artifact, row, offset=0.0):
    weights = artifact.arrays["W"].astype(np.float64)
    return {
        "mean_weight": float(weights.mean()) + offset,
        "log_mean": math.log(weights.mean()) if weights.mean() > 0 else math.nan,
    }


SIZE = Measure("size", 1, size, ("mean_weight", "log_mean"))


def spread(artifact, row):
    return {"spread": float(artifact.arrays["W"].std())}


SPREAD = Measure("spread", 1, spread, ("spread",), ranges={"spread": (0.0, math.inf)})

RISES = Claim(
    name="rises",
    statement="The mean weight rises with the rate.",
    parts=(
        Part(
            paired_difference(
                "mean_weight", factor="rate", treated=0.5, control=0.0, where={}
            ),
            above(0.1, name="rises"),
        ),
    ),
    reason="The rate is added to every weight.",
    source="by construction",
)

STUDY = Study(
    name="tiny-study",
    question="Does the mean weight rise with the rate?",
    subject=Tiny(),
    designs={"demo": grid(rate=[0.0, 0.5], seeds=8)},
    measures=(SIZE,),
    claims=(RISES,),
    alpha=0.05,
)


def study_of(subject, **changes):
    """The small study with another subject and other parts."""
    return replace(STUDY, subject=subject, **changes)
