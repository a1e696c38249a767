"""A user's own function as a subject: its law, its errors, its stop."""

import os
import random
import re
import signal
import threading
import time

import numpy as np
import pytest

from tegum.arrays import Artifact, RowsFailed, stream
from tegum.design import Factor, complete, grid
from tegum.execution import execute, judge
from tegum.functions import FunctionSubject, artifact_of
from tegum.store import Store
from tiny import STUDY, study_of


def silent(share):
    """A progress that nobody watches."""


def never():
    """A stop that never comes."""
    return False


def trained(subject, design, *, workers=1, progress=silent, stop=never):
    rows = subject.complete(design)
    return subject.train(rows, workers=workers, progress=progress, stop=stop)


def noisy(row):
    """A stand-in for training: weights from the row's own seed and a factor."""
    return {"W": row["scale"] * stream(row["seed"], "init").standard_normal((2, 3))}


DESIGN = grid(scale=[1.0, 2.0], seeds=3)
NOISY = FunctionSubject("noisy", noisy)


def bits(artifacts):
    return [
        {name: (a.dtype, a.tobytes()) for name, a in artifact.arrays.items()}
        for artifact in artifacts
    ]


def test_values_that_share_a_key_are_one_value_to_the_function():
    seen = []

    def told(row):
        seen.append(row["scale"])
        return {"W": np.zeros(1)}

    subject = FunctionSubject("told", told, in_process=True)
    for scale in (1, 1.0, 0.1, 0.1 + 1e-14, (0.3, 1.0), (0.1 + 0.2, 1)):
        trained(subject, grid(scale=[scale], seeds=1))
    assert seen == [1, 1, 0.1, 0.1, (0.3, 1), (0.3, 1)]
    assert [type(value) for value in seen[:4]] == [int, int, float, float]


@pytest.mark.parametrize("in_process", [False, True])
def test_every_row_becomes_an_artifact(in_process):
    subject = FunctionSubject("noisy", noisy, in_process=in_process)
    shares = []
    artifacts = trained(subject, DESIGN, progress=shares.append)
    assert [artifact.status for artifact in artifacts] == ["trained"] * 6
    np.testing.assert_array_equal(
        2 * artifacts[0].arrays["W"], artifacts[3].arrays["W"]
    )
    assert shares == pytest.approx([k / 6 for k in range(1, 7)])


def test_row_law_over_workers_order_and_company():
    rows = NOISY.complete(DESIGN)
    alone = [
        NOISY.train([row], workers=1, progress=silent, stop=never)[0] for row in rows
    ]
    together = NOISY.train(rows, workers=3, progress=silent, stop=never)
    backwards = NOISY.train(rows[::-1], workers=2, progress=silent, stop=never)
    here = trained(FunctionSubject("noisy", noisy, in_process=True), DESIGN)
    assert bits(alone) == bits(together) == bits(backwards[::-1]) == bits(here)


def test_careless_use_of_global_generators_still_follows_from_the_seed():
    def careless(row):
        return {"W": [random.random(), np.random.random()]}  # noqa: NPY002

    subject = FunctionSubject("careless", careless)
    first = bits(trained(subject, DESIGN))
    random.random()
    np.random.random()  # noqa: NPY002
    assert bits(trained(subject, DESIGN, workers=2)) == first
    assert len({row["W"][1] for row in first}) == 3


def test_what_a_row_leaves_behind_does_not_reach_the_next():
    seen = []

    def leaky(row):
        seen.append(row["seed"])
        return {"count": np.array(len(seen))}

    artifacts = trained(FunctionSubject("leaky", leaky), grid(seeds=3))
    assert [artifact.arrays["count"] for artifact in artifacts] == [1, 1, 1]
    assert seen == []


def test_torch_runs_on_one_thread_and_its_tensors_become_arrays():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()

    def torches(row):
        weights = torch.nn.Linear(3, 2)
        return {"W": weights.weight, "threads": torch.tensor(torch.get_num_threads())}

    for in_process in (False, True):
        subject = FunctionSubject("torches", torches, in_process=in_process)
        artifact = trained(subject, grid(seeds=1))[0]
        assert artifact.arrays["W"].dtype == np.float32
        assert artifact.arrays["W"].shape == (2, 3)
        assert artifact.arrays["threads"] == 1
    assert torch.get_num_threads() == before
    forked = FunctionSubject("torches", torches)
    again = trained(forked, grid(seeds=2), workers=2)
    assert bits(again) == bits(trained(forked, grid(seeds=2)))
    assert (again[0].arrays["W"] != again[1].arrays["W"]).all()


def test_the_row_can_not_be_changed():
    def changes(row):
        row["seed"] = 5

    with pytest.raises(RowsFailed, match="does not support item assignment"):
        trained(FunctionSubject("changes", changes), grid(seeds=1))


@pytest.mark.parametrize("in_process", [False, True])
def test_an_error_names_the_row_and_keeps_the_others(in_process):
    def fails_once(row):
        if row["seed"] == 1:
            raise ArithmeticError("no root")
        return {"W": np.zeros(2)}

    subject = FunctionSubject("fails", fails_once, in_process=in_process)
    with pytest.raises(RowsFailed) as caught:
        trained(subject, grid(size=7, seeds=3), workers=2)
    error = caught.value
    assert isinstance(error, ValueError)
    assert "'fails' failed in 1 of 3 rows; the others are kept" in str(error)
    assert "row 1 {'size': 7, 'seed': 1}: ArithmeticError: no root" in str(error)
    assert re.search(r"test_functions\.py:\d+", str(error))
    assert list(error.errors) == [1]
    assert error.finished[1] is None
    assert (error.finished[0].arrays["W"] == 0).all()
    assert (error.finished[2].arrays["W"] == 0).all()


def test_many_errors_are_counted_and_a_few_shown():
    def fails(row):
        raise KeyError("W")

    with pytest.raises(RowsFailed) as caught:
        trained(FunctionSubject("fails", fails), grid(seeds=6), workers=2)
    assert len(caught.value.errors) == 6
    assert str(caught.value).count("KeyError") == 4
    assert "and 2 more" in str(caught.value)


def test_a_process_that_dies_is_named_and_loses_no_other_row():
    def dies(row):
        if row["seed"] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if row["seed"] == 1:
            os._exit(3)
        return {"W": np.ones(1)}

    with pytest.raises(RowsFailed) as caught:
        trained(FunctionSubject("dies", dies), grid(seeds=3), workers=2)
    assert "signal 9" in caught.value.errors[0]
    assert "exit code 3" in caught.value.errors[1]
    assert caught.value.finished[2] is not None


WRONG = [
    (None, "must return a mapping from name to array"),
    (np.zeros(3), "must return a mapping from name to array"),
    ((np.zeros(3), np.zeros(3)), "must return a mapping from name to array"),
    ({}, "returned no array"),
    ({"W": "weights"}, "as `W`; it must be an array of real numbers"),
    ({"W": None}, "as `W`"),
    ({"W": [1, "a"]}, "as `W`"),
    ({"W": np.zeros(2, dtype=complex)}, "as `W`"),
    ({3: np.zeros(2)}, "an entry called 3"),
    (Artifact({}), "returned no array"),
]


@pytest.mark.parametrize(("value", "text"), WRONG, ids=str)
def test_a_wrong_return_value_is_explained(value, text):
    with pytest.raises(ValueError, match=text):
        artifact_of(value)
    with pytest.raises(RowsFailed, match=text):
        trained(FunctionSubject("wrong", lambda row: value), grid(seeds=1))


def test_what_is_not_finite_is_a_diverged_row_unless_an_artifact_says_otherwise():
    assert artifact_of({"W": np.array([1.0, np.inf])}).status == "diverged"
    kept = artifact_of(Artifact({"loss": np.array([1.0, np.nan])}))
    assert kept.status == "trained"
    stated = artifact_of(Artifact({"W": np.ones(2)}, "diverged", 7))
    assert (stated.status, stated.diverged_at_step) == ("diverged", 7)


def test_lists_and_scalars_become_arrays():
    artifact = artifact_of({"W": [[1, 2]], "loss": 0.5, "kept": [True]})
    assert artifact.arrays["W"].shape == (1, 2)
    assert artifact.arrays["loss"].shape == ()
    assert artifact.arrays["kept"].dtype == bool


def test_stop_ends_rows_under_way_within_a_second_and_keeps_the_finished():
    def slow(row):
        time.sleep(0.0 if row["seed"] == 0 else 60.0)
        return {"W": np.ones(1)}

    pressed = threading.Event()

    def on_progress(share):
        pressed.set()

    started = time.monotonic()
    artifacts = trained(
        FunctionSubject("slow", slow),
        grid(seeds=4),
        workers=2,
        progress=on_progress,
        stop=pressed.is_set,
    )
    assert time.monotonic() - started < 5.0
    assert artifacts[0] is not None
    assert artifacts[1:] == [None] * 3


def test_stop_in_this_process_is_heard_between_rows():
    calls = []

    def counts(row):
        calls.append(row["seed"])
        return {"W": np.ones(1)}

    subject = FunctionSubject("counts", counts, in_process=True)
    artifacts = trained(subject, grid(seeds=4), stop=lambda: len(calls) == 2)
    assert [artifact is None for artifact in artifacts] == [False, False, True, True]


def test_factors_check_columns_and_fill_defaults():
    def positive(value):
        if not value > 0:
            raise ValueError(f"`scale` is {value!r}; it must be above 0")
        return float(value)

    def no_seven(row):
        if row["scale"] == 7:
            raise ValueError("a scale of 7 brings bad luck; use 8")

    subject = FunctionSubject(
        "noisy",
        noisy,
        factors=(
            Factor("scale", "how large weights are", positive, 1.0),
            Factor("seed", "the unit of every claim", int),
        ),
        check_together=no_seven,
    )
    assert subject.complete(grid(seeds=1)) == [{"scale": 1.0, "seed": 0}]
    assert subject.complete(grid(seeds=1)) == complete(grid(seeds=1), subject.factors)
    with pytest.raises(ValueError, match="row 0: `scale` is -1"):
        subject.complete(grid(scale=-1, seeds=1))
    with pytest.raises(ValueError, match=r"row 1: a scale of 7 .* use 8"):
        subject.complete(grid(scale=[6, 7], seeds=1))
    with pytest.raises(ValueError, match="did you mean scale"):
        subject.complete(grid(scales=2, seeds=1))


BAD_ROWS = [
    ([{"a": 1}], "row 0: `seed` is None"),
    ([{"seed": -1}], "row 0: `seed` is -1"),
    ([{"seed": True}], "row 0: `seed` is True"),
    ([{"seed": 0.5}], "row 0: `seed` is 0.5"),
    ([{"seed": 0, "a": 1}, {"seed": 1}], "row 1 lacks a"),
    ([{"seed": 0, "a": float("nan")}], "not NaN"),
    ([{"seed": 0, "a": object}], "`a` is"),
]


@pytest.mark.parametrize(("rows", "text"), BAD_ROWS, ids=str)
def test_without_factors_rows_are_still_checked(rows, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        NOISY.complete(rows)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": ""}, "name is ''"),
        ({"law": 0}, "`law` .* is 0"),
        ({"law": True}, "`law` .* is True"),
        ({"factors": (Factor("a", "a factor", int),)}, "lack `seed`"),
    ],
    ids=str,
)
def test_a_subject_that_makes_no_sense_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        FunctionSubject(**({"name": "noisy", "function": noisy} | changes))


def test_costs_are_as_stated():
    subject = FunctionSubject(
        "noisy", noisy, core_seconds_per_row=3.0, memory_bytes_per_row=5
    )
    row = subject.complete(DESIGN)[0]
    assert (subject.core_seconds(row), subject.memory_bytes(row)) == (3.0, 5)


def shifted(row):
    """What `tiny.Tiny` makes of a row, as a plain function."""
    draws = stream(row["seed"], "tiny").standard_normal((2, 3))
    return {"W": draws + row["rate"], "step": [0, 10]}


def test_a_function_is_executed_measured_and_judged_like_any_subject():
    calls = []

    def fails_at_first(row):
        calls.append(dict(row))
        if row["seed"] == 5 and len(calls) < 20:
            raise ArithmeticError("no root")
        return shifted(row)

    subject = FunctionSubject(
        "shifted", fails_at_first, in_process=True, core_seconds_per_row=0.01
    )
    study, store = study_of(subject), Store.in_memory()
    with pytest.raises(RowsFailed, match="2 of 16 rows could not be made") as caught:
        execute(study, store, workers=1)
    assert "ArithmeticError: no root" in str(caught.value)
    assert len(calls) == 16
    calls.extend([{}] * 4)
    results = execute(study, store, workers=1)
    assert len(calls) == 22
    assert results.missing == 0
    (verdict,) = judge(study, store)
    assert verdict.word == "supported"
    assert verdict.parts[0].estimate == pytest.approx(0.5)


def test_a_raised_law_makes_other_rows():
    store = Store.in_memory()
    for law, mean in ((1, 0.0), (2, 7.0)):
        subject = FunctionSubject(
            "constant", lambda row, mean=mean: {"W": [mean]}, law=law, in_process=True
        )
        results = execute(study_of(subject, claims=()), store, workers=1)
        assert (results["mean_weight"] == mean).all()
    assert store.rows().num_rows == 2 * len(STUDY.designs["demo"])
