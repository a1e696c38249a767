"""Studies small enough to train while a test waits, and their pages."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import plotly.graph_objects as go

from tegum.arrays import Artifact, stream
from tegum.claims import (
    Claim,
    Part,
    above,
    below,
    between,
    paired_difference,
    paired_ratio,
)
from tegum.design import grid
from tegum.execution import execute, judge, load
from tegum.functions import FunctionSubject
from tegum.measures.geometry import GEOMETRY
from tegum.report.figures import style
from tegum.store import Store
from tegum.study import Convergence, Figure, Study
from tegum.toys.model import FACTORS
from tegum.toys.training import TRAINING

VANISHED = {"feature_probability": 0.1, "importance_decay": 0.8, "rate": 0.7}
"""The cell whose weights are 0, so that ratios of them are undefined."""
GONE = {"feature_probability": 1.0, "importance_decay": 0.8, "rate": 0.7}
"""The cell in which every seed diverges."""
SLOW = {"feature_probability": 0.3, "importance_decay": 1.0, "rate": 0.5}
"""The cell whose loss still falls at the end."""


def matches(row, cell):
    return all(row[name] == value for name, value in cell.items())


def toy(row):
    """A polygon of features that shrinks with the dropout rate, a little shaken."""
    n, m = row["n_features"], row["n_hidden"]
    draws = stream(row["seed"], "init").standard_normal((m, n))
    angles = 2 * np.pi * np.arange(n) / n
    W = 0.02 * draws
    W[:2] += (1 - 0.6 * row["rate"]) * np.array([np.cos(angles), np.sin(angles)])
    W *= row["importance_decay"] ** np.arange(n)
    steps = np.array([0, 1, 10, 90, 100], dtype=np.int64)
    loss = np.array([0.3, 0.25, 0.1, 0.05, 0.05]) * (1 + 0.01 * row["seed"])
    if matches(row, SLOW):
        loss[3] = 0.08
    if matches(row, VANISHED):
        W = np.zeros((m, n))
    arrays = {"W": W.astype(np.float32), "loss_step": steps, "loss": loss}
    if matches(row, GONE):
        return Artifact(
            {**arrays, "W": np.full((m, n), np.nan), "loss": loss * np.nan},
            "diverged",
            10,
        )
    return arrays


SUBJECT = FunctionSubject("polygons", toy, factors=FACTORS, in_process=True)


def where(**more):
    return {"feature_probability": 0.1, "optimiser": "adamw", **more}


CLAIMS = [
    Claim(
        "falls",
        "Interference falls with dropout.",
        [
            Part(
                paired_ratio(
                    "total_interference",
                    factor="rate",
                    treated=0.5,
                    control=0.0,
                    where=where(importance_decay=decay),
                ),
                below(0.9),
            )
            for decay in (1.0, 0.8)
        ],
        reason="A tenth at least.",
        source="A post",
    ),
    Claim(
        "dropped",
        "Dropout drops a feature.",
        [
            Part(
                paired_difference(
                    "features_represented",
                    factor="rate",
                    treated=0.5,
                    control=0.0,
                    where=where(importance_decay=1.0),
                ),
                below(-1.5),
            )
        ],
        reason="One feature is the least.",
        source="A post",
    ),
    Claim(
        "packing",
        "Packing loosens.",
        [
            Part(
                paired_difference(
                    "packing_excess",
                    factor="rate",
                    treated=0.5,
                    control=0.0,
                    where={**where(importance_decay=1.0), "feature_probability": 0.3},
                ),
                above(0.1, "looser"),
            )
        ],
        reason="A tenth.",
        source="Another post",
        rivals=[between(-0.1, 0.1, "as tight"), below(-0.1, "tighter")],
    ),
]


def design(seeds=8):
    fixed = {"n_features": 5, "n_hidden": 2, "noise": "dropout", "steps": 100}
    adamw = grid(
        **fixed,
        rate=[0.0, 0.3, 0.5, 0.7],
        feature_probability=[1.0, 0.3, 0.1],
        importance_decay=[1.0, 0.8],
        optimiser="adamw",
        learning_rate=0.001,
        seeds=seeds,
    )
    return adamw | grid(
        **fixed,
        rate=[0.0, 0.5],
        feature_probability=[0.1],
        importance_decay=[1.0],
        optimiser="sgd",
        learning_rate=1.0,
        seeds=seeds,
    )


def study(**changes):
    made = Study(
        name="polygons",
        question="Does dropout inhibit superposition\n    among polygons?",
        subject=SUBJECT,
        designs={"demo": design()},
        measures=[GEOMETRY, TRAINING],
        claims=CLAIMS,
        alpha=0.05,
        convergence=Convergence("loss_fall_last_tenth", 0.1),
        background="A study of known shapes.",
    )
    return replace(made, **changes)


def norms(results, store):
    """Squared norms of the features of every model, from the stored weights."""
    figure = go.Figure()
    for key in results["key"]:
        W = store.artifact(key).arrays["W"].astype(float)
        figure.add_trace(go.Bar(y=(W**2).sum(axis=0), name=str(key[:6])))
    return style(figure)


def solid(results, store):
    """The features of the first model as directions in three dimensions."""
    W = store.artifact(results["key"][0]).arrays["W"].astype(float)
    figure = go.Figure()
    for i, (x, y, z) in enumerate(W.T):
        ends = {"x": [0, x], "y": [0, y], "z": [0, z]}
        figure.add_trace(go.Scatter3d(**ends, mode="lines", name=f"feature {i}"))
    return style(figure)


def broken(results, store):
    return results.columns["no such column"]


FIGURES = (
    Figure("norms", "Norms of <b>all</b> & sundry.", norms, {"rate": 0.0, "seed": 0}),
    Figure("solid", "Directions, turned by hand.", solid, {"rate": 0.5, "seed": [1]}),
    Figure("broken", "Never to be seen.", broken, {"seed": 0}),
)


def pictured(**changes):
    """A small study in three dimensions that brings figures, one of them broken."""
    return study(
        name="pictured",
        designs={
            "demo": grid(
                n_features=7,
                n_hidden=3,
                noise="dropout",
                rate=[0.0, 0.5],
                feature_probability=0.1,
                steps=100,
                seeds=8,
            )
        },
        claims=(),
        figures=FIGURES,
        **changes,
    )


@dataclass(frozen=True)
class World:
    """A study that was run, and what came of it."""

    study: Study
    store: Store
    results: object
    verdicts: tuple


def run(made, *, where=None, verdicts=True):
    """Train a study in memory; `where` leaves the other rows out of the store."""
    store = Store.in_memory()
    execute(made, store, design="demo", where=where)
    found = judge(made, store, design="demo") if verdicts else ()
    return World(made, store, load(made, store, design="demo"), found)


@cache
def whole():
    """The study with every row in its store."""
    return run(study())


@cache
def partial():
    """The study with the rows of SGD left out of the store."""
    return run(study(), where={"optimiser": "adamw"})
