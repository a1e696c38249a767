"""The row law: what comes of a row depends on the row alone.

Guards every subject through the store: the same bits alone or among others, whatever
the chunks, the order, the workers, and where a run was cut off and taken up again.
Bits are compared, since NaN is not equal to NaN.
"""

import contextlib
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.arrays import Artifact
from tegum.design import Design, grid
from tegum.execution import execute
from tegum.functions import FunctionSubject
from tegum.measures.facts import Measure
from tegum.store import Store
from tegum.toys import ToyModels
from tiny import STUDY, Tiny

RUN = {"n_features": 5, "n_hidden": 2, "batch_size": 64, "steps": 30}
TOY_ROWS = (
    grid(
        **RUN,
        feature_probability=[1.0, 0.1],
        noise="dropout",
        rate=[0.0, 0.5],
        seeds=2,
    )
    | grid(
        **RUN,
        feature_probability=0.3,
        noise=["none", "gaussian_additive_matched"],
        optimiser=["sgd", "adam"],
        learning_rate=0.1,
        weight_checkpoints=3,
        seed=1,
    )
    | grid(
        n_features=[7, 20],
        n_hidden=[3, 5],
        batch_size=64,
        steps=30,
        feature_probability=0.05,
        importance_decay=0.8,
        seed=0,
    )
    | grid(
        **RUN | {"n_features": 6},
        feature_probability=0.3,
        decoder="untied",
        hidden_activation=["linear", "relu"],
        activity=["correlated", "anticorrelated"],
        group_size=3,
        optimiser_basis="rotated",
        weight_checkpoints=2,
        seed=0,
    )
    # This one diverges: its row must be the same NaN everywhere too.
    | grid(
        **RUN,
        feature_probability=1.0,
        optimiser="sgd",
        learning_rate=1e6,
        output="linear",
        seed=0,
    )
)


def drift(row):
    """A user's own function that leans on the global generators, seeded for it."""
    import random

    noise = np.random.standard_normal(3)  # noqa: NPY002
    return {"W": noise * row["rate"] + random.random()}


CASES = {
    "tiny": (Tiny(), grid(rate=[0.0, 0.5], profile=[1.0, (1.0, 2.0, 3.0)], seeds=4)),
    "toy": (ToyModels(), TOY_ROWS),
    "function": (FunctionSubject("drift", drift), grid(rate=[0.0, 0.5], seeds=3)),
}


def width(artifact, row):
    return {"sum": float(np.sum(artifact.arrays["W"], dtype=np.float64))}


WIDTH = Measure("width", 1, width, ("sum",))


def study_of(subject, design):
    return replace(
        STUDY,
        subject=subject,
        designs={"demo": design},
        measures=(WIDTH,),
        claims=(),
    )


def bits_of(store):
    """Everything that a store says of each model, as bits."""
    rows = store.rows()
    numbers = store.numbers(WIDTH)
    taken = zip(
        numbers["model_key"].to_pylist(),
        np.asarray(numbers["sum"]).view(np.int64).tolist(),
        strict=True,
    )
    sums = dict(taken)
    return {
        row["key"]: (
            row["artifact_digest"],
            row["status"],
            row["diverged_at_step"],
            sums[row["key"]],
        )
        for row in rows.to_pylist()
    }


@dataclass(frozen=True)
class Cut:
    """A subject whose user presses Ctrl-C after some rows of some chunks."""

    inner: object
    after: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def train(self, rows, **how):
        if not self.after:
            return self.inner.train(rows, **how)
        keep = self.after.pop()
        interrupt = KeyboardInterrupt()
        interrupt.finished = self.inner.train(rows[:keep], **how) if keep else []
        interrupt.finished += [None] * (len(rows) - keep)
        raise interrupt


_undisturbed = {}


def undisturbed(name):
    """The bits of every row trained alone, one run for each row."""
    if name not in _undisturbed:
        subject, design = CASES[name]
        store = Store.in_memory()
        for row in design:
            execute(study_of(subject, Design((row,))), store, workers=1)
        _undisturbed[name] = bits_of(store)
    return _undisturbed[name]


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_row_is_the_same_alone_and_among_others(name, data):
    subject, design = CASES[name]
    order = data.draw(st.permutations(range(len(design))), label="order")
    kept = data.draw(st.integers(1, len(design)), label="rows")
    workers = data.draw(st.integers(1, 4), label="workers")
    rows = tuple(design.rows[i] for i in order[:kept])
    most = max(subject.memory_bytes(row) for row in subject.complete(Design(rows)))
    memory = data.draw(st.integers(most, most * 8), label="memory")
    cuts = data.draw(st.lists(st.integers(0, 3), max_size=3), label="cuts")
    store, cut = Store.in_memory(), Cut(subject, list(cuts))
    study = study_of(cut, Design(rows))
    for _ in cuts:
        with contextlib.suppress(KeyboardInterrupt):
            execute(study, store, workers=workers, memory_bytes=memory)
    cut.after.clear()
    execute(study, store, workers=workers, memory_bytes=memory)
    alone = undisturbed(name)
    found = bits_of(store)
    assert len(found) == kept
    assert found == {key: alone[key] for key in found}


class Contagious(Tiny):
    """A subject that breaks the law: a row feels how many stand beside it."""

    def train(self, rows, **how):
        artifacts = super().train(rows, **how)
        return [
            Artifact({"W": a.arrays["W"] + np.float32(len(rows) * 1e-7)})
            for a in artifacts
        ]


def test_the_law_is_seen_to_be_broken():
    """The guard itself: it must catch a subject in which rows feel each other."""
    design = CASES["tiny"][1]
    together, alone = Store.in_memory(), Store.in_memory()
    execute(study_of(Contagious(), design), together)
    for row in design:
        execute(study_of(Contagious(), Design((row,))), alone)
    assert bits_of(together) != bits_of(alone)


def test_toy_rows_that_diverge_say_so():
    store = Store.in_memory()
    results = execute(study_of(*CASES["toy"]), store)
    assert list(results["status"]).count("diverged") == 1


@pytest.mark.slow
def test_the_toy_engine_survives_a_kill_bit_by_bit(tmp_path):
    """kill -9 in the middle of real training, and the bits of a calm run after it."""
    import multiprocessing
    import random
    import time

    processes = multiprocessing.get_context("forkserver")
    chance = random.Random(0)
    path = tmp_path / "store"
    for _ in range(20):
        child = processes.Process(target=train_toys, args=(path,))
        child.start()
        time.sleep(chance.uniform(0.5, 2.5))
        child.kill()
        child.join()
    train_toys(path)
    calm = Store.in_memory()
    execute(study_of(*long_toys()), calm)
    store = Store.open(path)
    assert bits_of(store) == bits_of(calm)
    assert len(dict(store.artifacts(store.rows()))) == len(calm.rows())


def long_toys():
    design = grid(
        n_features=20,
        n_hidden=5,
        feature_probability=0.1,
        noise="dropout",
        rate=[0.0, 0.3, 0.6],
        batch_size=256,
        steps=1000,
        seeds=20,
    )
    return ToyModels(), design


def train_toys(path):
    subject, design = long_toys()
    largest = max(subject.memory_bytes(row) for row in subject.complete(design))
    execute(study_of(subject, design), Store.open(path), memory_bytes=4 * largest)
