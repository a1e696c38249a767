"""What can go wrong with files: damage, strangers, full disks, newer versions."""

import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open

from tegum.execution import execute, judge, load
from tegum.store import (
    Provenance,
    Store,
    StoreError,
    StoreWarning,
    artifact_digest,
)
from tegum.store.parts import ROW_SCHEMA, write_part
from tegum.store.places import LEFTOVER_SECONDS, Folder
from tiny import SIZE, STUDY, Tiny, study_of

HERE = str(Path(__file__).parent)
SUBJECT = Tiny()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store"


def add(store, *rates):
    rows = SUBJECT.complete([{"rate": rate, "seed": 0} for rate in rates])
    artifacts = [SUBJECT.artifact(row) for row in rows]
    return store.add_artifacts(
        SUBJECT,
        rows,
        artifacts,
        provenance=Provenance.of(SUBJECT),
        registry_position=0,
    )


def files(path):
    """Every file of a store but the mark and the lock, with its bytes."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in ("lock", "store.json")
    }


def only(path, kind, ending):
    (found,) = (path / kind).glob(f"*.{ending}")
    return found


def cut_short(file):
    file.write_bytes(file.read_bytes()[:-20])


def emptied(file):
    file.write_bytes(b"")


def one_bit_changed(file):
    data = bytearray(file.read_bytes())
    data[-1 if file.suffix == ".safetensors" else len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


DAMAGE = [cut_short, emptied, one_bit_changed]


def test_the_files_are_plain_and_named_in_the_documentation(path):
    store = Store.open(path)
    execute(STUDY, store)
    assert json.loads((path / "store.json").read_text())["version"] == 1
    with safe_open(only(path, "artifacts", "safetensors"), framework="np") as tensors:
        key = store.rows()["key"][0].as_py()
        assert f"{key}/W" in set(tensors.keys())
    assert json.loads((path / "registry.jsonl").read_text())["kind"] == "registration"


def test_a_store_opened_again_holds_what_it_held(path):
    keys = add(Store.open(path), 0.0, 0.5)
    assert Store.open(path).rows()["key"].to_pylist() == keys


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_part_of_rows_is_named_set_aside_and_made_again(path, damage):
    store = Store.open(path)
    execute(STUDY, store)
    part = only(path, "rows", "parquet")
    before = load(STUDY, store)["mean_weight"]
    damage(part)
    with pytest.warns(StoreWarning, match=f"{part.name}.*damaged.*set aside"):
        assert len(store.rows()) == 0
    assert (path / "damaged" / f"rows-{part.name}").exists()
    assert len(store.rows()) == 0
    again = execute(STUDY, store)
    assert np.array_equal(again["mean_weight"], before)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_part_of_numbers_is_measured_again(path, damage):
    store = Store.open(path)
    before = execute(STUDY, store)["mean_weight"]
    damage(only(path, "measures/size", "parquet"))
    trained = Tiny()
    with pytest.warns(StoreWarning, match="measures/size"):
        again = execute(study_of(trained), store)
    assert np.array_equal(again["mean_weight"], before)
    assert trained.trained == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_artifact_is_never_read_as_data(path, damage):
    store = Store.open(path)
    keys = add(store, 0.0, 0.5)
    damage(only(path, "artifacts", "safetensors"))
    with pytest.warns(StoreWarning, match="artifacts"):
        found = dict(store.artifacts(store.rows()))
    for key, artifact in found.items():  # those before the changed bit, if any
        rate = {keys[0]: 0.0, keys[1]: 0.5}[key]
        whole = SUBJECT.artifact(SUBJECT.complete([{"rate": rate, "seed": 0}])[0])
        assert artifact_digest(artifact) == artifact_digest(whole)
    assert len(found) < 2
    assert len(store.rows()) == 0
    with pytest.raises(ValueError, match="no model with the key"):
        store.artifact(keys[0])


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_artifact_is_trained_again_when_it_is_measured(path, damage):
    undisturbed = execute(STUDY, Store.in_memory())
    store = Store.open(path)
    rows = SUBJECT.complete(STUDY.designs["demo"])
    store.add_artifacts(
        SUBJECT,
        rows,
        [SUBJECT.artifact(row) for row in rows],
        provenance=Provenance.of(SUBJECT),
        registry_position=0,
    )
    damage(only(path, "artifacts", "safetensors"))
    with pytest.warns(StoreWarning, match="artifacts"):
        results = execute(STUDY, store)
    assert results.missing == 0
    assert np.array_equal(results["mean_weight"], undisturbed["mean_weight"])


def test_a_row_made_again_is_no_newer_than_when_it_was_first_seen(path):
    store = Store.open(path)
    add(store, 0.5)
    only(path, "artifacts", "safetensors").unlink()
    for number in range(5):
        store.register({"kind": "note", "study": str(number)})
    rows = SUBJECT.complete([{"rate": 0.5, "seed": 0}])
    store.add_artifacts(
        SUBJECT,
        rows,
        [SUBJECT.artifact(rows[0])],
        provenance=Provenance.of(SUBJECT),
        registry_position=5,
    )
    assert store.rows()["registry_position"].to_pylist() == [0]
    store.compact()
    assert store.rows()["registry_position"].to_pylist() == [0]


def test_a_line_of_the_registry_that_was_cut_short_harms_no_other(path):
    store = Store.open(path)
    store.register({"kind": "first"})
    with open(path / "registry.jsonl", "a") as file:
        file.write('{"kind": "cut sho')
    assert store.registry_length() == 2
    store.register({"kind": "second"})
    assert [(r["line"], r["kind"]) for r in store.registry()] == [
        (0, "first"),
        (2, "second"),
    ]


def test_a_newer_version_is_refused_with_the_reason(path):
    Store.open(path)
    mark = {"format": "tegum-store", "version": 2, "written_by": "tegum 9.1"}
    (path / "store.json").write_text(json.dumps(mark))
    with pytest.raises(ValueError, match=r"tegum 9\.1 in the store format 2.*newer"):
        Store.open(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "zarr", "version": 1}'])
def test_a_mark_that_is_no_mark_is_refused(path, text):
    Store.open(path)
    (path / "store.json").write_text(text)
    with pytest.raises(ValueError, match="does not say that this is a store"):
        Store.open(path)


def test_a_directory_with_other_things_is_left_alone(path):
    path.mkdir()
    (path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="holds files that are not a store's"):
        Store.open(path)
    assert [file.name for file in path.iterdir()] == ["thesis.tex"]


def test_a_store_that_is_not_there_is_not_made_when_only_read(path):
    with pytest.raises(ValueError, match="there is no store at"):
        Store.open(path, create=False)
    assert not path.exists()


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_the_place_of_the_store_is_refused(path, inside):
    path.write_text("")
    with pytest.raises(ValueError, match="give another path"):
        Store.open(path / inside)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc to refuse writing")
def test_a_place_that_can_not_be_written_is_a_clear_error():
    with pytest.raises(StoreError, match=r"/proc/nothing.*can not be written.*another"):
        Store.open("/proc/nothing/store")


@pytest.mark.parametrize("kind", ["rows", "artifacts"])
def test_a_file_in_the_place_of_a_folder_is_a_clear_error(path, kind):
    store = Store.open(path)
    (path / kind).write_text("")
    with pytest.raises(StoreError, match=f"{kind}.*can not be written.*unharmed"):
        add(store, 0.5)
    assert set(files(path)) == {kind}


@pytest.mark.parametrize("name", ["../../secret.safetensors", "/etc/passwd", "", "a/b"])
def test_an_artifact_outside_the_store_is_refused(path, name):
    store = Store.open(path)
    add(store, 0.5)
    table = store.rows()
    position = table.column_names.index("artifact_file")
    table = table.set_column(position, "artifact_file", pa.array([name]))
    write_part(store.place, "rows", table)
    with pytest.raises(StoreError, match="which is no file name of a store"):
        store.rows()


def read_all_of(path, key):
    store = Store.open(path)
    rows = store.rows()
    assert rows["key"].to_pylist() == [key]
    store.numbers(SIZE)
    store.registry()
    judge(STUDY, store)
    assert dict(store.artifacts(rows)) == {}


class Bomb:
    def __reduce__(self):
        return (Path("exploded").write_text, ("boom",))


def test_opening_a_strangers_store_runs_no_code(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    store = Store.open(path)
    (key,) = add(store, 0.5)
    bomb = pickle.dumps(Bomb())
    for kind in ("rows", "measures/size"):
        (path / kind).mkdir(parents=True, exist_ok=True)
        (path / kind / f"{'9' * 20}-{'0' * 12}-{'0' * 16}.parquet").write_bytes(bomb)
    only(path, "artifacts", "safetensors").write_bytes(bomb)
    with open(path / "registry.jsonl", "ab") as file:
        file.write(bomb + b"\n")
    with pytest.warns(StoreWarning, match="damaged"):
        read_all_of(path, key)
    assert not Path("exploded").exists()


def test_a_part_with_columns_of_other_types_is_damaged(path):
    store = Store.open(path)
    table = pa.table({n: pa.array([1]) for n in ROW_SCHEMA.names})
    write_part(store.place, "rows", table)
    with pytest.warns(StoreWarning, match="no column `key` of type string"):
        assert len(store.rows()) == 0


def test_a_store_that_can_only_be_read_is_read(path):
    store = Store.open(path)
    execute(STUDY, store)
    (path / "lock").unlink()
    assert load(STUDY, store).missing == 0
    assert not (path / "lock").exists()


FULL_DISK = """
    import resource, signal, sys
    sys.path.insert(0, sys.argv[1])
    from tiny import STUDY, Tiny, study_of
    from tegum.execution import execute
    from tegum.design import grid
    from tegum.store import Store, StoreError

    store = Store.open(sys.argv[2])
    # From here on no file may grow beyond the limit: a write fails as on a full disk.
    study = study_of(Tiny(), designs={"demo": grid(rate=[0.0, 0.5], seeds=200)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    try:
        execute(study, store)
    except StoreError as error:
        print(error)
        sys.exit(7)
"""


@pytest.mark.parametrize("limit", [1_000, 20_000])
def test_a_full_disk_is_a_clear_error_that_keeps_what_was_there(path, limit):
    store = Store.open(path)
    add(store, 0.0, 0.1, 0.2)
    store.register({"kind": "earlier"})
    before = files(path)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), HERE, str(path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "can not be written: File too large" in done.stdout
    assert "unharmed; free some space" in done.stdout
    after = files(path)
    registry = after.pop("registry.jsonl")
    assert registry.startswith(before.pop("registry.jsonl"))
    assert registry.endswith(b"}\n")
    assert before.items() <= after.items()
    there = set(Store.open(path).rows()["artifact_file"].to_pylist())
    assert {name for name in after if name.startswith("artifacts")} == {
        f"artifacts/{name}" for name in there
    }
    assert execute(STUDY, Store.open(path)).missing == 0


def test_what_a_killed_process_left_behind_is_swept_away_in_time(path):
    store = Store.open(path)
    add(store, 0.5)
    old, new = path / "rows" / ".old.tmp", path / "artifacts" / ".new.tmp"
    for file in (old, new):
        file.write_bytes(b"half a part")
    os.utime(old, (0, new.stat().st_mtime - LEFTOVER_SECONDS - 60))
    assert len(store.rows()) == 1
    store.compact()
    assert not old.exists()
    assert new.exists()


def test_a_reader_waits_for_a_merge_and_sees_all_rows(path):
    """Readers during merges: a hundred looks, never a row too few or too many."""
    store = Store.open(path)
    for rate in range(12):
        add(store, float(rate))
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from tegum.store import Store
        store = Store.open(sys.argv[2])
        for _ in range(60):
            assert len(store.rows()) >= 12
    """
    reader = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), HERE, str(path)]
    )
    rate = 100.0
    while reader.poll() is None:
        for _ in range(3):
            add(store, rate)
            rate += 1.0
        store.compact()
    assert reader.returncode == 0
    assert len(store.rows()) == 12 + rate - 100


def test_two_processes_that_make_one_store_do_no_harm(path):
    code = "import sys; from tegum.store import Store; Store.open(sys.argv[1])"
    makers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(4)
    ]
    assert [maker.wait() for maker in makers] == [0] * 4
    assert isinstance(Store.open(path).place, Folder)
    assert not list(path.rglob(".*.tmp"))
