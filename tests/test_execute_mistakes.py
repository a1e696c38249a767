"""What users get wrong, and what they are told."""

from dataclasses import replace

import numpy as np
import pytest

from tegum.arrays import RowsFailed
from tegum.design import Factor, grid
from tegum.execution import execute, judge, load, plan
from tegum.functions import FunctionSubject
from tegum.measures.facts import Measure
from tegum.store import Store, model_keys
from tiny import FACTORS, SIZE, STUDY, Tiny, study_of


@pytest.fixture
def store():
    return Store.in_memory()


def with_default(value):
    factors = [
        Factor("profile", "a number", float, value) if f.name == "profile" else f
        for f in FACTORS
    ]
    return study_of(Tiny(factors=tuple(factors)))


def test_a_default_that_was_changed_does_not_relabel_old_models(store):
    execute(with_default(1.0), store)
    for call in (execute, load, plan, judge):
        with pytest.raises(ValueError, match=r"trained with profile=1\.0, and the row"):
            call(with_default(2.0), store)
    assert execute(with_default(1.0 + 1e-14), store)["profile"][0] == 1.0 + 1e-14


def test_a_factor_added_later_voids_no_row(store):
    subject = Tiny(factors=(*FACTORS[:-1], Factor("new", "n", float, 3.0), FACTORS[-1]))
    execute(STUDY, store)
    assert execute(study_of(subject), store)["new"].tolist() == [3.0] * 16
    assert subject.trained == []


def test_where_compares_to_12_digits_and_drops_no_level_in_silence(store):
    design = grid(rate=[0.0, 0.1 + 0.2, 0.5], seeds=4)
    study = replace(STUDY, designs={"demo": design})
    results = execute(study, store, where={"rate": [0.3, 0.5]})
    assert len(results) == 8
    assert len(results.where(rate=0.3)) == 4
    assert len(results.where(rate=np.array([0.3, 0.5]), seed=range(2))) == 4
    with pytest.raises(ValueError, match=r"no row has rate 0\.7; its levels are"):
        execute(study, store, where={"rate": [0.5, 0.7]})
    with pytest.raises(ValueError, match=r"no row has rate 0\.7; its levels are"):
        results.where(rate=[0.5, 0.7])


def test_values_that_stand_in_no_row_together_are_refused(store):
    results = execute(STUDY, store)
    key = results.where(rate=0.0)["key"][0]
    with pytest.raises(ValueError, match="together"):
        results.where(rate=0.5, key=key)
    design = grid(rate=0.0, label="a", seeds=2) | grid(rate=0.5, label="b", seeds=2)
    study = replace(STUDY, designs={"demo": design}, claims=())
    with pytest.raises(ValueError, match="together"):
        plan(study, store, where={"rate": 0.0, "label": "b"})


class Returns(Tiny):
    answer: object = None

    def train(self, rows, **how):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "returned a NoneType from `train`; return a list with an Artifact"),
        ({"W": 1}, "returned a dict from `train`"),
        ([{"W": np.zeros(2)}] * 16, "returned a dict for the row {'rate': 0.0"),
        ([None] * 3, "returned 3 artifacts for 16 rows; return a list"),
    ],
)
def test_what_a_subject_returns_is_one_artifact_for_each_row(store, answer, told):
    subject = type("Answers", (Returns,), {"answer": answer})()
    with pytest.raises(ValueError, match=f"subject `tiny` {told}"):
        execute(study_of(subject), store)
    assert len(store.rows()) == 0


def test_a_subject_that_drops_rows_is_caught(store):
    class Drops(Tiny):
        def complete(self, design):
            return super().complete(design)[:16]

    study = study_of(Drops())
    with pytest.raises(ValueError, match="`tiny` completed 20 rows to 16"):
        execute(study, store, seeds=10)


def test_problems_that_say_the_same_are_one_line(store):
    def fails(artifact, row):
        if row["seed"] == 3:
            raise ValueError("three")
        return {"share": 1 / row["rate"]}

    measure = Measure("share", 1, fails, ("share",))
    results = execute(replace(STUDY, measures=(measure, SIZE)), store)
    zero, three, *_ = results.problem_lines()
    first = results.where(rate=0.0, seed=0)["key"][0][:12]
    assert zero == (
        f"the measure `share` failed on 7 models, such as {first}: "
        "ZeroDivisionError: float division by zero"
    )
    assert three.startswith("the measure `share` failed on 2 models, such as ")
    assert len(results.problem_lines()) == 2
    assert results.where(rate=0.5, seed=3).problem_lines() == [
        str(results.where(rate=0.5, seed=3).problems[0])
    ]


def test_measure_parameters_that_can_not_be_written_down_are_refused(store):
    for value in (np.zeros(2), np.int64(3), float("nan"), {"a": {1}}):
        measure = replace(SIZE, parameters={"offset": value})
        with pytest.raises(
            ValueError, match="parameter `offset` of the measure `size`"
        ):
            execute(replace(STUDY, measures=(measure,)), store)
    assert store.registry() == []


def test_a_factor_that_is_not_finite_is_named_with_its_row():
    subject = FunctionSubject("any", lambda row: {}, in_process=True)
    with pytest.raises(ValueError, match=r"factor `rate` of the row \{'rate': inf, 's"):
        model_keys(subject, [{"rate": float("inf"), "seed": 0}])


def test_where_no_row_could_be_trained_nothing_is_said_to_be_stored(store):
    subject = Tiny(failing_rate=0.5)
    with pytest.raises(RowsFailed, match=r"^8 of 8 .* nothing new is in the store"):
        execute(study_of(subject), store, where={"rate": 0.5})
    with pytest.raises(RowsFailed, match=r"^8 of 16 .* the other 8 are in the store"):
        execute(study_of(subject), store)


def test_planning_makes_no_store(tmp_path):
    path = tmp_path / "new" / "store"
    assert plan(STUDY, Store.peek(path)).missing == 16
    assert not path.exists()
    assert not path.parent.exists()
    execute(STUDY, Store.open(path), seeds=3)
    assert plan(STUDY, Store.peek(path)).missing == 10
    file = tmp_path / "file"
    file.write_text("text")
    for wrong in (file, file / "below"):
        with pytest.raises(ValueError, match="is a file, or lies in one"):
            Store.peek(wrong)
    with pytest.raises(ValueError, match="holds files that are not a store's"):
        Store.peek(tmp_path)
