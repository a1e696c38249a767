"""kill -9 at any moment, and two processes at once: no half row, no duplicate."""

import itertools
import multiprocessing
import random
import time

import pyarrow.parquet as pq
import pytest

from tegum.design import grid
from tegum.execution import execute, load
from tegum.store import Store
from tiny import STUDY, Tiny, study_of

SEEDS, ROWS_PER_CHUNK = 12, 3

# Processes are forked from a server that has imported everything and opened nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tegum.execution", "pyarrow.parquet", "tiny"])


def run(store):
    """A small study in many chunks, each written while the clock of the killer runs."""
    study = study_of(
        Tiny(pause=0.002, row_bytes=1000),
        designs={"demo": grid(rate=[0.0, 0.5], seeds=SEEDS)},
    )
    return execute(study, store, memory_bytes=1000 * ROWS_PER_CHUNK, workers=1)


def run_when_told(path, word):
    word.send("ready")
    word.recv()
    run(Store.open(path))


def run_one_seed(path, seed):
    execute(STUDY, Store.open(path), where={"seed": [seed]})


def started(path, target=run_when_told):
    """A process that waits for a word to begin."""
    mine, its = PROCESSES.Pipe()
    child = PROCESSES.Process(target=target, args=(path, its))
    child.start()
    assert mine.recv() == "ready"
    return child, mine


def begun(path):
    """A process that has just begun to execute the study."""
    child, word = started(path)
    word.send("go")
    return child


def contents(store):
    """Digest and numbers by model; every row's arrays are held against its digest."""
    rows = store.rows()
    digests = dict(
        zip(rows["key"].to_pylist(), rows["artifact_digest"].to_pylist(), strict=True)
    )
    whole = dict(store.artifacts(rows))
    assert whole.keys() == digests.keys()
    numbers = store.numbers("size")
    return digests, {
        row["model_key"]: (row["mean_weight"], str(row["log_mean"]))
        for row in numbers.to_pylist()
    }


def rows_in_parts(path):
    return sum(
        pq.read_metadata(part).num_rows for part in (path / "rows").glob("*.parquet")
    )


def kill_again_and_again(path, kills, *, longest, chance):
    """Begin on one store and kill, many times; the rows there after each kill."""
    seen = []
    for _ in range(kills):
        child = begun(path)
        time.sleep(chance.uniform(0, longest))
        child.kill()
        child.join()
        seen.append(set(contents(Store.open(path))[0]))
    return seen


def duration(path):
    """How long a whole run takes here and now, from the word to the end."""
    child = begun(path)
    start = time.monotonic()
    child.join()
    assert child.exitcode == 0
    return time.monotonic() - start


def check(tmp_path, kills, *, seed):
    """Kill runs on one store, let the last one end, and compare with a calm one."""
    calm = tmp_path / "calm"
    longest = 0.9 * duration(calm)
    path = tmp_path / "store"
    seen = kill_again_and_again(
        path, kills, longest=longest, chance=random.Random(seed)
    )
    for earlier, later in itertools.pairwise(seen):
        assert earlier <= later
    assert all(len(rows) % ROWS_PER_CHUNK == 0 for rows in seen)
    run(Store.open(path))
    store = Store.open(path)
    assert contents(store) == contents(Store.open(calm))
    assert rows_in_parts(path) == 2 * SEEDS
    assert not list((path / "damaged").glob("*"))
    return {len(rows) for rows in seen}


def test_kill_at_random_moments_loses_at_most_the_chunk_in_flight(tmp_path):
    check(tmp_path, 8, seed=1)


@pytest.mark.slow
def test_kill_at_many_random_moments(tmp_path):
    """Two hundred kills; that they fell on many stages of a run is part of the test."""
    stages = set()
    for seed in range(25):
        stages |= check(tmp_path / str(seed), 8, seed=seed)
    assert len(stages) > 4


def test_a_chunk_that_was_stored_survives_the_kill(tmp_path):
    """The kill comes once rows are seen from outside: these must be there after it."""
    path = tmp_path / "store"
    child = begun(path)
    while not list(path.glob("rows/*.parquet")):
        time.sleep(0.001)
    there = {part.name for part in path.glob("rows/*.parquet")}
    child.kill()
    child.join()
    assert there <= {part.name for part in path.glob("rows/*.parquet")}
    assert len(Store.open(path).rows()) >= ROWS_PER_CHUNK


def compact_when_told(path, word):
    word.send("ready")
    word.recv()
    Store.open(path).compact()


def test_a_kill_while_parts_are_merged_loses_nothing(tmp_path):
    path, chance = tmp_path / "store", random.Random(3)
    run(Store.open(path))
    before = contents(Store.open(path))
    parts = {part.name: part.read_bytes() for part in path.glob("rows/*.parquet")}
    for _ in range(10):
        for name, data in parts.items():
            (path / "rows" / name).write_bytes(data)
        child, word = started(path, compact_when_told)
        word.send("go")
        time.sleep(chance.uniform(0, 0.05))
        child.kill()
        child.join()
        assert contents(Store.open(path)) == before
    Store.open(path).compact()
    assert contents(Store.open(path)) == before
    assert rows_in_parts(path) == 2 * SEEDS


def test_two_processes_on_one_store_do_no_harm(tmp_path):
    path = tmp_path / "store"
    Store.open(path)
    undisturbed = Store.in_memory()
    run(undisturbed)
    waiting = [started(path) for _ in range(3)]
    for _, word in waiting:
        word.send("go")
    for child, _ in waiting:
        child.join()
    assert [child.exitcode for child, _ in waiting] == [0] * 3
    store = Store.open(path)
    assert contents(store) == contents(undisturbed)
    assert store.registry_length() == 1
    store.compact()
    assert contents(store) == contents(undisturbed)
    assert rows_in_parts(path) == 2 * SEEDS
    assert load(STUDY, store).missing == 0


def test_two_processes_with_other_seeds_share_one_store(tmp_path):
    path = tmp_path / "store"
    children = [
        PROCESSES.Process(target=run_one_seed, args=(path, seed)) for seed in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 3
    store = Store.open(path)
    assert len(store.rows()) == 6
    assert store.registry_length() == 1
