"""Executing a study: what is missing is made, and what raises loses nothing else."""

import csv
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from tegum.arrays import RowsFailed
from tegum.design import grid
from tegum.execution import Progress, describe, execute, load, plan
from tegum.execution.training import CHUNK_SECONDS, FIRST_CHUNK_SECONDS, Pace
from tegum.measures.facts import Measure
from tegum.store import Store
from tegum.toys import ToyModels
from tiny import SIZE, SPREAD, STUDY, Tiny, study_of


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    if request.param == "memory":
        return Store.in_memory()
    return Store.open(tmp_path / "store")


STORING_SECONDS = 1.0
"""Room for writing what was finished, on a machine that has other things to do."""


def bits(results):
    """The numbers of results by model, as bits."""
    names = [n for numbers in results.numbers.values() for n in numbers]
    return {
        key: tuple(results[name][i].tobytes() for name in names)
        for i, key in enumerate(results["key"])
    }


def test_every_row_is_trained_once_and_measured(store):
    tiny = Tiny()
    results = execute(study_of(tiny), store)
    assert len(results) == 16
    assert sorted(tiny.trained) == sorted(set(tiny.trained))
    assert len(tiny.trained) == 16
    assert results.missing == 0
    assert results["size_measured"].all()
    weights = Tiny().artifact(dict(zip(results.factors, ROW, strict=True))).arrays["W"]
    at = np.flatnonzero((results["rate"] == 0.5) & (results["seed"] == 3))
    assert results["mean_weight"][at] == weights.astype(np.float64).mean()


ROW = (0.5, 1.0, "plain", None, 3)


def test_nothing_is_made_twice(store):
    tiny = Tiny()
    first = execute(study_of(tiny), store)
    again = execute(study_of(tiny), store)
    assert len(tiny.trained) == 16
    assert bits(first) == bits(again)
    assert len(store.place.names("rows")) == 1
    assert len(store.place.names("measures/size")) == 1


def test_more_seeds_train_only_the_new_ones(store):
    tiny = Tiny()
    few = execute(study_of(tiny), store, seeds=3)
    assert sorted(few["seed"].tolist()) == [0, 0, 1, 1, 2, 2]
    tiny.trained.clear()
    many = execute(study_of(tiny), store, seeds=10)
    assert {seed for _, seed in tiny.trained} == set(range(3, 10))
    assert len(many) == 20
    kept = set(few["key"])
    assert bits(few) == {k: v for k, v in bits(many).items() if k in kept}


def test_more_cells_train_only_the_new_ones(store):
    tiny = Tiny()
    execute(study_of(tiny), store)
    tiny.trained.clear()
    wider = {"demo": grid(rate=[0.0, 0.5, 0.7], seeds=8)}
    execute(study_of(tiny, designs=wider), store)
    assert {rate for rate, _ in tiny.trained} == {0.7}


def test_a_new_measure_trains_nothing_and_takes_only_its_own_numbers(store):
    tiny = Tiny()
    execute(study_of(tiny), store)
    tiny.trained.clear()
    calls = []

    def counted(artifact, row, **parameters):
        calls.append(row["seed"])
        return SIZE.function(artifact, row)

    old = replace(SIZE, function=counted)
    results = execute(study_of(tiny, measures=(old, SPREAD)), store)
    assert tiny.trained == []
    assert calls == []
    assert results["spread_measured"].all()


def test_a_raised_version_and_other_parameters_are_measured_anew(store):
    tiny = Tiny()
    plain = execute(study_of(tiny), store)["mean_weight"]
    shifted = replace(SIZE, parameters={"offset": 1.0})
    moved = execute(study_of(tiny, measures=(shifted,)), store)["mean_weight"]
    assert np.array_equal(moved, plain + 1.0)
    newer = replace(SIZE, version=2)
    assert not load(study_of(tiny, measures=(newer,)), store)["size_measured"].any()
    assert len(tiny.trained) == 16


def test_a_number_added_to_a_measure_is_taken_from_what_is_there(store):
    narrow = Measure("size", 1, lambda a, r: {"mean_weight": 1.0}, ("mean_weight",))
    wide = replace(
        narrow,
        numbers=("mean_weight", "later"),
        function=lambda a, r: {"mean_weight": 1.0, "later": 2.0},
    )
    tiny = Tiny()
    execute(study_of(tiny, measures=(narrow,)), store)
    assert not load(study_of(tiny, measures=(wide,)), store)["size_measured"].any()
    results = execute(study_of(tiny, measures=(wide,)), store)
    assert results["later"].tolist() == [2.0] * 16
    assert len(tiny.trained) == 16


def test_where_takes_only_some_rows(store):
    results = execute(STUDY, store, where={"rate": [0.5], "seed": range(2)})
    assert sorted(zip(results["rate"], results["seed"], strict=True)) == [
        (0.5, 0),
        (0.5, 1),
    ]
    everything = load(STUDY, store)
    assert everything.missing == 14
    assert list(everything["status"]).count("missing") == 14


def test_where_knows_factors_that_the_design_leaves_at_their_default(store):
    assert plan(STUDY, store, where={"label": "plain"}).rows == 16
    with pytest.raises(ValueError, match="no row has label other; its levels are"):
        execute(STUDY, store, where={"label": "other"})
    with pytest.raises(ValueError, match=r"no factor is called `rat`.*rate"):
        execute(STUDY, store, where={"rat": 0.5})


def test_undefined_and_unmeasured_are_told_apart(store):
    def some(artifact, row):
        if row["seed"] == 1:
            raise RuntimeError("no value for this seed")
        return {"some": float("nan")}

    results = execute(
        study_of(Tiny(), measures=(SIZE, Measure("some", 1, some, ("some",)))), store
    )
    assert np.isnan(results["some"]).all()
    assert (results["some_measured"] == (results["seed"] != 1)).all()
    table = results.to_table()["some"]
    assert table.null_count == 2
    assert np.isnan(table.drop_null().to_numpy()).all()


def test_a_measure_that_raises_loses_only_its_own_numbers(store):
    def fragile(artifact, row):
        if row["seed"] == 3:
            raise ZeroDivisionError("three is too many")
        return {"fragile": 1.0}

    tiny = Tiny()
    study = study_of(
        tiny, measures=(Measure("fragile", 1, fragile, ("fragile",)), SIZE)
    )
    results = execute(study, store)
    assert [problem.row["seed"] for problem in results.problems] == [3, 3]
    assert str(results.problems[0]).startswith("the measure `fragile` failed on")
    assert "ZeroDivisionError: three is too many" in str(results.problems[0])
    assert results["size_measured"].all()
    assert results["fragile_measured"].sum() == 14
    mended = Measure("fragile", 1, lambda a, r: {"fragile": 1.0}, ("fragile",))
    again = execute(study_of(tiny, measures=(mended, SIZE)), store)
    assert again.problems == ()
    assert again["fragile_measured"].all()
    assert len(tiny.trained) == 16


@pytest.mark.parametrize(
    "returned", [{}, {"other": 1.0}, {"one": [1.0, 2.0]}, {"one": None}]
)
def test_a_measure_that_returns_the_wrong_thing_is_reported(store, returned):
    wrong = Measure("wrong", 1, lambda a, r: returned, ("one",))
    results = execute(study_of(Tiny(), measures=(SIZE, wrong)), store)
    assert len(results.problems) == 16
    assert "ValueError: the measure `wrong` returned" in results.problems[0].error
    assert results["size_measured"].all()


def test_rows_that_can_not_be_trained_are_named_and_the_others_kept(store):
    failing = Tiny(failing_rate=0.5)
    with pytest.raises(RowsFailed, match=r"(?s)8 of 16 rows.*at rate 0\.5") as raised:
        execute(study_of(failing), store)
    assert len(raised.value.errors) == 8
    results = load(STUDY, store)
    assert results.missing == 8
    assert results["size_measured"].sum() == 8
    mended = Tiny()
    assert execute(study_of(mended), store).missing == 0
    assert {rate for rate, _ in mended.trained} == {0.5}


def test_a_row_that_diverged_is_a_row(store):
    diverging = study_of(Tiny(diverging_rate=0.5))
    results = execute(diverging, store)
    diverged = results["status"] == "diverged"
    assert (diverged == (results["rate"] == 0.5)).all()
    assert set(results["diverged_at_step"][diverged]) == {7}
    assert np.isnan(results["mean_weight"][diverged]).all()
    assert results["size_measured"].all()
    trained = diverging.subject.trained.copy()
    execute(diverging, store)
    assert diverging.subject.trained == trained


class Short(Tiny):
    def train(self, rows, **how):
        return super().train(rows, **how)[:-1]


def test_a_subject_that_returns_the_wrong_length_is_refused(store):
    with pytest.raises(ValueError, match="returned 15 artifacts for 16 rows"):
        execute(study_of(Short()), store)
    assert len(store.rows()) == 0


class Forgetful(Tiny):
    def train(self, rows, **how):
        found = super().train(rows, **how)
        return [None if row["seed"] == 0 else a for row, a in zip(rows, found)]  # noqa: B905


def test_a_subject_that_returns_nothing_for_a_row_is_reported(store):
    with pytest.raises(RowsFailed, match="2 of 16 rows"):
        execute(study_of(Forgetful()), store)
    assert len(store.rows()) == 14


def test_two_rows_that_are_one_model_are_refused(store):
    design = grid(rate=[0.5, 0.5 + 1e-14], seeds=2)
    study = study_of(Tiny(), designs={"demo": design}, claims=())
    with pytest.raises(ValueError, match="rows 0 and 2 of the design are the same"):
        execute(study, store)


def test_a_factor_may_not_be_called_like_a_column(store):
    from tegum.design import Factor

    tiny = Tiny(factors=(*Tiny().factors, Factor("machine", "confusing", str, "")))
    with pytest.raises(ValueError, match="a factor is called `machine`"):
        execute(study_of(tiny), store)
    assert tiny.trained == []


def test_a_number_may_not_be_called_like_a_factor(store):
    measure = Measure("rates", 1, lambda a, r: {"rate": 1.0}, ("rate",))
    with pytest.raises(ValueError, match="a number called `rate`"):
        execute(study_of(Tiny(), measures=(measure,), claims=()), store)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"design": "dem"}, "no design is called `dem`; did you mean demo"),
        ({"seeds": 0}, "`seeds` is 0"),
        ({"seeds": -3}, "`seeds` is -3"),
        ({"workers": 0}, "`workers` is 0"),
        ({"memory_bytes": 0}, "`memory_bytes` is 0"),
        ({"memory_bytes": 500}, "raise `memory_bytes`"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_trained(store, asked, message):
    tiny = Tiny()
    with pytest.raises(ValueError, match=message):
        execute(study_of(tiny), store, **asked)
    assert tiny.trained == []


class Watched(Tiny):
    def train(self, rows, **how):
        self.chunks.append(len(rows))
        self.workers.append(how["workers"])
        return super().train(rows, **how)


def watched(**changes):
    subject = Watched(**changes)
    object.__setattr__(subject, "chunks", [])
    object.__setattr__(subject, "workers", [])
    return subject


def test_chunks_stay_within_the_memory_allowed(store):
    subject = watched(row_bytes=1000)
    execute(study_of(subject), store, memory_bytes=3500, workers=2)
    assert subject.chunks == [3, 3, 3, 3, 3, 1]
    assert set(subject.workers) == {2}
    assert len(store.place.names("artifacts")) == 6


def test_chunks_stay_within_the_time_allowed(store):
    class Slow(Watched):
        def core_seconds(self, row):
            return 1.0

    subject = Slow()
    object.__setattr__(subject, "chunks", [])
    object.__setattr__(subject, "workers", [])
    execute(study_of(subject), store, workers=2)
    assert subject.chunks[0] == int(2 * FIRST_CHUNK_SECONDS)
    assert sum(subject.chunks) == 16


def test_the_pace_is_learned_from_the_chunks_that_were_run():
    pace = Pace()
    assert pace.most_rows(2) is not None
    pace.learn(wall=40.0, estimate=2.0)
    assert pace.wall_for_estimate == 20.0
    assert pace.seconds == CHUNK_SECONDS
    assert pace.most_rows(2) is None


def test_chunks_follow_the_seeds(store):
    tiny = Tiny()
    execute(study_of(tiny), store)
    seeds = [seed for _, seed in tiny.trained]
    assert seeds == sorted(seeds)


def test_progress_tells_rows_rate_and_time_left(store):
    told = []
    subject = Tiny(pause=0.02)
    execute(study_of(subject), store, progress=told.append, memory_bytes=4000)
    assert all(isinstance(state, Progress) for state in told)
    for phase in ("train", "measure"):
        states = [state for state in told if state.phase == phase]
        done = [state.done for state in states]
        assert done == sorted(done)
        assert states[-1].done == states[-1].total == 16
        assert states[-1].rate > 0
        assert states[-1].eta_seconds == pytest.approx(0, abs=1e-9)
    assert len([state for state in told if state.phase == "train"]) > 3


def test_a_plan_says_what_would_be_done_and_does_nothing(store):
    subject = Tiny(pause=0.5)
    before = plan(study_of(subject), store, workers=4)
    assert (before.rows, before.present, before.missing) == (16, 0, 16)
    assert before.wall_seconds == 16 * 0.5 / 4
    assert before.to_record()["wall_seconds"] == 2.0
    assert store.registry() == []
    execute(study_of(Tiny()), store, seeds=3)
    after = plan(study_of(subject, measures=(SIZE, SPREAD)), store, workers=4)
    assert (after.rows, after.present, after.missing) == (16, 6, 10)
    assert after.numbers_missing == {"size": 0, "spread": 6}
    assert subject.trained == []


def test_pilot_seeds_are_skipped_when_seeds_are_added(store):
    study = replace(STUDY, pilot_seeds=(8, 10))
    results = execute(study, store, seeds=11)
    assert sorted(set(results["seed"].tolist())) == [*range(8), 9, 11, 12]


def test_a_subject_may_stop_itself_with_what_it_finished(store):
    class Interrupted(Tiny):
        def train(self, rows, **how):
            interrupt = KeyboardInterrupt()
            done = [self.artifact(row) for row in rows[:5]]
            interrupt.finished = done + [None] * (len(rows) - 5)
            raise interrupt

    with pytest.raises(KeyboardInterrupt):
        execute(study_of(Interrupted()), store)
    assert len(store.rows()) == 5
    assert execute(STUDY, store).missing == 0


class Pressed(Tiny):
    """Somebody presses Ctrl-C while its fifth row is trained."""

    def artifact(self, row):
        if len(self.trained) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return super().artifact(row)


def test_ctrl_c_keeps_what_was_finished(store):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        execute(study_of(Pressed()), store)
    assert len(store.rows()) == 5
    assert signal.getsignal(signal.SIGINT) is before
    assert bits(execute(STUDY, store)) == bits(execute(STUDY, Store.in_memory()))


def test_ctrl_c_is_obeyed_within_a_second_by_the_engine(store):
    design = grid(
        n_features=20,
        n_hidden=5,
        feature_probability=1.0,
        noise="dropout",
        rate=0.5,
        steps=[50, 1_000_000],
        seeds=4,
    )
    study = study_of(ToyModels(), designs={"demo": design}, claims=())
    asked = []

    def press(state):
        if not asked:
            asked.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(study, store, workers=2, progress=press)
    assert time.monotonic() - asked[0] < 1.0 + STORING_SECONDS
    assert set(store.rows()["key"].to_pylist()) < set(load(study, store)["key"])


def test_a_second_ctrl_c_does_not_wait(store):
    class Deaf(Tiny):
        def train(self, rows, **how):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the second one was not heard")

    with pytest.raises(KeyboardInterrupt):
        execute(study_of(Deaf()), store)
    assert len(store.rows()) == 0


def test_execute_works_outside_the_main_thread(store):
    found = []
    thread = threading.Thread(target=lambda: found.append(execute(STUDY, store)))
    thread.start()
    thread.join()
    assert found[0].missing == 0


def test_one_model_can_be_described(store):
    results = execute(STUDY, store)
    described = describe(store, results["key"][0][:12])
    assert described["model"]["key"] == results["key"][0]
    assert described["factors"]["rate"] == 0.0
    assert described["size, version 1"]["mean_weight"] == results["mean_weight"][0]
    assert described["arrays"] == {"W": "float32 (2, 3)", "step": "int64 (2,)"}


def test_results_carry_where_they_come_from(store):
    results = execute(STUDY, store)
    assert results.instruction_sets == ("plain",)
    assert results["wall_seconds"].sum() > 0
    assert set(results["tegum_version"]) == {"0.1.0"}


def test_results_can_be_narrowed(store):
    results = execute(STUDY, store)
    half = results.where(rate=0.5, seed=[1, 2])
    assert len(half) == 2
    assert half["seed"].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"no row has rate 0\.9; .* 0\.0, 0\.5"):
        results.where(rate=0.9)
    with pytest.raises(ValueError, match="did you mean mean_weight"):
        results["mean_weigth"]


def test_results_become_tables(store, tmp_path):
    import pandas

    def one(artifact, row):
        if row["seed"] == 0:
            raise ValueError("no")
        return {"one": float("nan") if row["seed"] == 1 else 1.5}

    measure = Measure("ones", 1, one, ("one",))
    design = grid(rate=[0.5], profile=[1.0, (1.0, 2.0, 3.0)], seeds=3)
    study = study_of(Tiny(), designs={"demo": design}, measures=(measure,), claims=())
    results = execute(study, store)
    frame = results.to_pandas()
    assert frame["profile"].tolist()[3] == (1.0, 2.0, 3.0)
    assert frame["one"].dtype == np.float64
    results.write(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        assert [row["one"] for row in csv.DictReader(file)] == ["", "nan", "1.5"] * 2
    results.write(tmp_path / "table.parquet")
    again = pandas.read_parquet(tmp_path / "table.parquet")
    assert again["profile_vector"][3].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        results.write(tmp_path / "table.xlsx")
