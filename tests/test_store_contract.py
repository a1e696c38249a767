"""What every store does, wherever its files lie."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tegum.arrays import Artifact
from tegum.measures.facts import Measure
from tegum.store import Provenance, Store, StoreError, artifact_digest, model_keys
from tiny import SIZE, SPREAD, Tiny

SUBJECT = Tiny()


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    if request.param == "memory":
        return Store.in_memory()
    return Store.open(tmp_path / "store")


def rows_for(*rates, seed=0, **changes):
    return SUBJECT.complete([{"rate": r, "seed": seed, **changes} for r in rates])


def add(store, rows, *, artifacts=None, position=0, **changes):
    artifacts = artifacts or [SUBJECT.artifact(row) for row in rows]
    provenance = replace(Provenance.of(SUBJECT), **changes)
    return store.add_artifacts(
        SUBJECT, rows, artifacts, provenance=provenance, registry_position=position
    )


def pairs(keys, values):
    return dict(zip(keys, values, strict=True))


def add_numbers(store, measure, keys, numbers):
    rows = store.rows()
    by_key = pairs(rows["key"].to_pylist(), rows["artifact_digest"].to_pylist())
    store.add_numbers(measure, keys, [by_key[key] for key in keys], numbers)


def test_an_empty_store_has_no_rows_and_no_numbers(store):
    assert len(store.rows()) == 0
    assert len(store.numbers(SIZE)) == 0
    assert store.registry() == []
    assert store.measures() == []


def test_rows_come_back_as_they_were_added(store):
    rows = rows_for(0.0, 0.5, profile=(1.0, 2.0, 3.0), label="a 'text'\n")
    keys = add(store, rows)
    table = store.rows()
    assert keys == model_keys(SUBJECT, rows)
    assert table["key"].to_pylist() == keys
    assert table["rate"].to_pylist() == [0.0, 0.5]
    assert table["profile"].to_pylist() == [None, None]
    assert table["profile_vector"].to_pylist() == [[1.0, 2.0, 3.0]] * 2
    assert table["label"].to_pylist() == ["a 'text'\n"] * 2
    assert json.loads(table["factors"][0].as_py())["profile"] == [1.0, 2.0, 3.0]
    assert table["status"].to_pylist() == ["trained"] * 2


def test_artifacts_come_back_bit_by_bit(store):
    rows = rows_for(0.0, 0.5)
    arrays = {
        "W": np.array([[np.nan, -0.0, np.inf]], dtype=np.float32),
        "step": np.array([], dtype=np.int64),
        "flag": np.array(True),
        "strided": np.arange(12.0).reshape(3, 4).T,
    }
    artifacts = [Artifact(arrays, "diverged", 7), SUBJECT.artifact(rows[1])]
    keys = add(store, rows, artifacts=artifacts)
    for key, given in pairs(keys, artifacts).items():
        found = store.artifact(key)
        assert (found.status, found.diverged_at_step) == (
            given.status,
            given.diverged_at_step,
        )
        assert artifact_digest(found) == artifact_digest(given)
        assert set(found.arrays) == set(given.arrays)


def test_a_row_that_diverged_says_so_with_the_step(store):
    add(store, rows_for(0.5), artifacts=[Artifact({"W": np.ones(1)}, "diverged", 7)])
    assert store.rows()["status"].to_pylist() == ["diverged"]
    assert store.rows()["diverged_at_step"].to_pylist() == [7]


def test_undefined_and_unmeasured_are_kept_apart(store):
    keys = add(store, rows_for(0.0, 0.5, 0.7))
    number = Measure("one", 1, lambda a, r: {}, ("value",))
    wider = replace(number, numbers=("value", "later"))
    add_numbers(store, number, keys[:2], [{"value": math.nan}, {"value": 0.0}])
    add_numbers(store, wider, keys[2:], [{"value": 2.0, "later": math.nan}])
    table = store.numbers(number)
    values = pairs(table["model_key"].to_pylist(), table["value"].to_pylist())
    assert math.isnan(values[keys[0]])
    assert [values[key] for key in keys[1:]] == [0.0, 2.0]
    later = table["later"].to_pylist()
    assert later[:2] == [None, None]
    assert math.isnan(later[2])


def test_numbers_added_to_a_measure_fill_the_gaps(store):
    keys = add(store, rows_for(0.0, 0.5))
    number = Measure("one", 1, lambda a, r: {}, ("value",))
    wider = replace(number, numbers=("value", "later"))
    add_numbers(store, number, keys, [{"value": 1.0}, {"value": math.nan}])
    again = [{"value": 1.0, "later": 3.0}, {"value": math.nan, "later": 4.0}]
    add_numbers(store, wider, keys, again)
    table = store.numbers(wider)
    assert table["later"].to_pylist() == [3.0, 4.0]
    assert len(table) == 2


def test_versions_and_parameters_of_a_measure_are_kept_apart(store):
    keys = add(store, rows_for(0.5))
    for measure, value in (
        (SIZE, 1.0),
        (replace(SIZE, version=2), 2.0),
        (replace(SIZE, parameters={"offset": 1.0}), 3.0),
    ):
        add_numbers(store, measure, keys, [{"mean_weight": value, "log_mean": 0.0}])
        assert store.numbers(measure)["mean_weight"].to_pylist() == [value]
    assert len(store.numbers("size")) == 3
    assert store.measures() == ["size"]


def test_equal_copies_of_a_row_are_one_row(store):
    rows = rows_for(0.0, 0.5)
    add(store, rows, position=3)
    add(store, rows[:1], position=9, machine="another", commit="another")
    table = store.rows()
    assert len(table) == 2
    assert table["machine"][0].as_py() != "another"
    assert table["registry_position"].to_pylist() == [3, 3]


def test_copies_that_differ_in_bits_are_refused_with_a_remedy(store):
    rows = rows_for(0.5)
    add(store, rows)
    add(store, rows, artifacts=[Artifact({"W": np.ones(3)})])
    with pytest.raises(StoreError, match=r"differ in artifact_digest.*move artifacts/"):
        store.rows()


def test_copies_that_differ_in_status_are_refused(store):
    rows = rows_for(0.5)
    arrays = SUBJECT.artifact(rows[0]).arrays
    add(store, rows, artifacts=[Artifact(arrays)])
    add(store, rows, artifacts=[Artifact(arrays, "diverged", 2)])
    with pytest.raises(StoreError, match="differ in status"):
        store.rows()


def test_measurements_that_differ_are_refused(store):
    keys = add(store, rows_for(0.5))
    for value in (1.0, 1.0 + 1e-15):
        add_numbers(store, SPREAD, keys, [{"spread": value}])
    with pytest.raises(StoreError, match="differ in spread"):
        store.numbers(SPREAD)


def test_numbers_of_other_bits_are_not_this_models(store):
    (key,) = add(store, rows_for(0.5))
    store.add_numbers(SPREAD, [key], ["another digest"], [{"spread": 1.0}])
    add_numbers(store, SPREAD, [key], [{"spread": 2.0}])
    assert len(store.numbers(SPREAD)) == 2
    measured = store.record_of(key)["measures"]["spread"]
    assert [numbers["spread"] for numbers in measured] == [2.0]


def test_the_registry_keeps_order_and_says_nothing_twice(store):
    for record in ({"kind": "a"}, {"kind": "b"}, {"kind": "a"}):
        store.register(record)
    assert [(r["line"], r["kind"]) for r in store.registry()] == [(0, "a"), (1, "b")]
    assert all("at" in record for record in store.registry())
    assert store.registry_length() == 2


def test_compact_changes_nothing_that_can_be_read(store):
    keys = []
    for rate in (0.0, 0.1, 0.2):
        keys += add(store, rows_for(rate))
        numbers = {"mean_weight": rate, "log_mean": math.nan}
        add_numbers(store, SIZE, keys[-1:], [numbers])
    add(store, rows_for(0.3, profile=(1.0, 2.0, 3.0)))
    rows, numbers = store.rows(), store.numbers(SIZE)
    assert store.compact() == 7
    assert len(store.place.names("rows")) == 1
    assert store.rows().equals(rows)
    assert store.numbers(SIZE).to_pydict().keys() == numbers.to_pydict().keys()
    assert str(store.numbers(SIZE).to_pydict()) == str(numbers.to_pydict())
    assert store.compact() == 0


def test_compact_drops_copies(store):
    rows = rows_for(0.5)
    for _ in range(3):
        add(store, rows)
    store.compact()
    part = store.place.names("rows")[0]
    import io

    import pyarrow.parquet as pq

    assert pq.read_metadata(io.BytesIO(store.place.read("rows", part))).num_rows == 1


def test_factors_of_mixed_kinds_meet(store):
    for value in (1, 2.5, None):
        add(store, rows_for(0.5, extra=value))
    assert store.rows()["extra"].to_pylist() == [1.0, 2.5, None]
    add(store, rows_for(0.5, extra="text"))
    add(store, rows_for(0.5, extra=True))
    assert store.rows()["extra"].to_pylist() == ["1", "2.5", None, "text", "true"]
    store.compact()
    assert store.rows()["extra"].to_pylist() == ["1", "2.5", None, "text", "true"]


def test_whole_numbers_beyond_floats_meet_as_text(store):
    add(store, rows_for(0.5, extra=2**60 + 1))
    add(store, rows_for(0.5, extra=0.5))
    assert json.loads(store.rows()["factors"][0].as_py())["extra"] == 2**60 + 1
    assert len(store.rows()) == 2


@pytest.mark.parametrize(
    "array", [np.array(["text"]), np.array([1j]), np.array([None])]
)
def test_arrays_without_numbers_are_refused_and_nothing_is_kept(store, array):
    with pytest.raises(ValueError, match="`W`"):
        add(store, rows_for(0.5), artifacts=[Artifact({"W": array})])
    assert len(store.rows()) == 0
    assert store.place.names("artifacts") == []


def test_a_key_that_is_not_there_is_refused(store):
    with pytest.raises(ValueError, match="no model with the key"):
        store.artifact("0" * 64)
    with pytest.raises(ValueError, match="0 models"):
        store.record_of("0")


def test_a_key_may_be_given_by_its_beginning(store):
    keys = add(store, rows_for(*np.linspace(0, 1, 40).tolist()))
    assert store.record_of(keys[0][:16])["row"]["key"] == keys[0]
    with pytest.raises(ValueError, match="40 models"):
        store.record_of("")


@pytest.mark.parametrize("name", ["../rows", ".hidden", "a/b", ""])
def test_a_measure_can_not_leave_its_folder(store, name):
    with pytest.raises(ValueError, match="becomes a folder"):
        store.numbers(replace(SIZE, name=name))
