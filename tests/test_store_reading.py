"""The lines of docs/store.md: what anybody can run, without tegum."""

import math
import re
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from tegum.arrays import Artifact
from tegum.design import grid
from tegum.execution import execute
from tegum.measures.facts import Measure
from tegum.store import Provenance, Store, model_key
from tegum.store.parts import MEASURE_SCHEMA, ROW_SCHEMA
from tiny import Tiny, study_of

PAGE = Path(__file__).parent.parent / "docs" / "store.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def by_seed(artifact, row):
    """Undefined for seed 0, failing for seed 1, zero for seed 2."""
    if row["seed"] == 1:
        raise ValueError("not measured")
    return {"features_represented": math.nan if row["seed"] == 0 else 0.0}


@pytest.fixture(params=["parts", "compacted"])
def store(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measure = Measure("geometry", 1, by_seed, ("features_represented",))
    design = grid(rate=[0.0, 0.5], seeds=2) | grid(
        rate=0.5, profile=(1.0, 2.0, 3.0), seeds=3
    )
    study = study_of(Tiny(), designs={"demo": design}, measures=(measure,), claims=())
    store = Store.open("store")
    execute(study, store, seeds=2)
    execute(study, store)
    if request.param == "compacted":
        store.compact()
    return store


def run(library):
    """Run the page's block for a library; the names it leaves."""
    (found,) = (text for text in BLOCKS if text.count(f"import {library}\n") == 1)
    names = {}
    exec(found, names)
    return names


def kind(value):
    if value is None:
        return "unmeasured"
    return "undefined" if math.isnan(value) else "zero"


EXPECTED = {(0, "undefined"), (1, "unmeasured"), (2, "zero")}


def test_duckdb_reads_a_store_in_one_line(store):
    table = run("duckdb")["table"]
    rows = table.project("seed, features_represented").fetchall()
    assert len(rows) == 7
    assert {(seed, kind(value)) for seed, value in rows} == EXPECTED
    undefined = table.filter("isnan(features_represented)")
    assert {seed for (seed,) in undefined.project("seed").fetchall()} == {0}
    unmeasured = table.filter("features_represented IS NULL")
    assert {seed for (seed,) in unmeasured.project("seed").fetchall()} == {1}


def test_polars_reads_a_store_in_a_line_for_each_table(store):
    table = run("polars")["table"]
    values = zip(table["seed"], table["features_represented"], strict=True)
    assert len(table) == 7
    assert {(seed, kind(value)) for seed, value in values} == EXPECTED
    number = table["features_represented"]
    assert set(table.filter(number.is_null())["seed"]) == {1}
    assert set(table.filter(number.is_nan())["seed"]) == {0}
    assert table["profile_vector"].drop_nulls().to_list() == [[1.0, 2.0, 3.0]] * 3


def test_pandas_reads_a_store_in_a_line_for_each_table(store):
    (text,) = (t for t in BLOCKS if "pandas.concat" in t)
    names = {}
    exec(text, names)
    table = names["table"]
    assert len(table) == 7
    number = table["features_represented"]
    assert set(table["seed"][number.isna()]) == {1}
    values = zip(table["seed"], number.array.__arrow_array__().to_pylist(), strict=True)
    assert {(seed, kind(value)) for seed, value in values} == EXPECTED


def test_weights_are_read_with_safetensors_alone(store):
    (text,) = (t for t in BLOCKS if "safe_open" in t)
    names = {}
    exec(text, names)
    assert names["W"].shape == (2, 3)
    found = store.artifact(names["row"]["key"]).arrays["W"]
    assert np.array_equal(found, names["W"])


def test_the_key_on_the_page_is_the_key_of_the_row():
    row = {"rate": 0.5, "profile": 1.0, "label": "plain", "extra": None, "seed": 3}
    assert run("hashlib")["key"] == model_key(Tiny(), row)


def test_the_page_names_every_column(store):
    page = PAGE.read_text(encoding="utf-8")
    for name in (*ROW_SCHEMA.names, *MEASURE_SCHEMA.names):
        assert f"`{name}`" in page


@pytest.mark.slow
def test_a_hundred_thousand_rows_open_and_filter_in_a_second(tmp_path):
    """After compaction; the best of five, since other work may share the machine."""
    store = Store.open(tmp_path / "store")
    design = grid(rate=np.linspace(0, 0.9, 100), seeds=1000)
    rows = Tiny().complete(design)
    artifact = Artifact({"W": np.zeros(1, dtype=np.float32)})
    for start in range(0, len(rows), 25_000):
        part = rows[start : start + 25_000]
        store.add_artifacts(
            Tiny(),
            part,
            [artifact] * len(part),
            provenance=Provenance.of(Tiny()),
            registry_position=0,
        )
    store.compact()
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        found = Store.open(store.path).rows()
        found = found.filter((pc.field("rate") == 0.9) & (pc.field("seed") < 10))
        seconds.append(time.perf_counter() - started)
        assert len(found) == 10
    assert min(seconds) < 1.0
