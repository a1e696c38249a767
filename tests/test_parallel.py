"""Rows made several at a time: progress from inside, stops, deaths, orphans."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from tegum.arrays import Artifact, RowsFailed
from tegum.parallel import (
    each_row,
    finished_rows,
    in_processes,
    one_after_the_other,
)

ROWS = [{"seed": k} for k in range(4)]


def never():
    return False


def silent(share):
    """A progress that nobody watches."""


def seeds_of(outcomes):
    return [o if not isinstance(o, Artifact) else o.arrays["seed"] for o in outcomes]


def plain(row, tell, stop):
    return Artifact({"seed": np.array(row["seed"])})


def in_steps(row, tell, stop):
    """Ten steps, in which it tells how far it is and hears a stop."""
    for step in range(10):
        if stop():
            return None
        time.sleep(0.15)
        tell((step + 1) / 10)
    return plain(row, tell, stop)


def run_here(rows, make, *, workers=1, **how):
    return one_after_the_other(rows, make, **how)


@pytest.mark.parametrize("run", [in_processes, run_here])
def test_outcomes_are_in_order(run):
    found = run(ROWS, plain, workers=2, progress=silent, stop=never)
    assert seeds_of(found) == [0, 1, 2, 3]


@pytest.mark.parametrize("run", [in_processes, run_here])
def test_a_row_tells_how_far_it_is_before_it_ends(run):
    shares = []
    run(ROWS[:2], in_steps, workers=2, progress=shares.append, stop=never)
    assert shares == sorted(shares)
    assert len([share for share in shares if 0.0 < share < 0.5]) >= 1
    assert shares[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("run", [in_processes, run_here])
def test_a_library_that_refuses_a_row_costs_that_row(run):
    def refuses(row, tell, stop):
        if row["seed"] == 1:
            raise ValueError("no such thing; take another")
        if row["seed"] == 2:
            raise RuntimeError("out of memory")
        return plain(row, tell, stop)

    outcomes = run(ROWS, refuses, workers=2, progress=silent, stop=never)
    with pytest.raises(RowsFailed, match="2 of 4 rows could not; the others") as caught:
        finished_rows(outcomes, failed="rows could not")
    assert caught.value.errors == {
        1: "no such thing; take another",
        2: "RuntimeError: out of memory",
    }
    assert [a is None for a in caught.value.finished] == [False, True, True, False]


def test_a_process_that_dies_is_named():
    def dies(row, tell, stop):
        if row["seed"] == 2:
            tell(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(row, tell, stop)

    found = in_processes(ROWS, dies, workers=2, progress=silent, stop=never)
    assert "signal 9" in found[2]
    assert seeds_of([found[0], found[1], found[3]]) == [0, 1, 3]


def test_a_row_that_hears_a_stop_may_save_before_it_ends(tmp_path):
    def saves(row, tell, stop):
        while not stop():
            time.sleep(0.01)
        (tmp_path / str(row["seed"])).write_text("saved")

    begun = time.monotonic()
    found = in_processes(
        ROWS[:2],
        saves,
        workers=2,
        progress=silent,
        stop=lambda: time.monotonic() - begun > 0.5,
        hears_stop=True,
    )
    assert found == [None, None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize("hears_stop", [False, True])
def test_a_row_that_does_not_listen_is_ended(hears_stop):
    def deaf(row, tell, stop):
        time.sleep(60.0)

    begun = time.monotonic()
    in_processes(
        ROWS[:2],
        deaf,
        workers=2,
        progress=silent,
        stop=lambda: time.monotonic() - begun > 0.3,
        hears_stop=hears_stop,
    )
    assert time.monotonic() - begun < 4.0


def test_an_interrupt_ends_the_rows(tmp_path):
    def slow(row, tell, stop):
        (tmp_path / str(os.getpid())).touch()
        time.sleep(60.0)

    def interrupted():
        if len(list(tmp_path.iterdir())) == 2:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        in_processes(ROWS, slow, workers=2, progress=silent, stop=interrupted)
    assert not [p for p in tmp_path.iterdir() if is_alive(int(p.name))]


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def parent_of_rows(folder):
    def listens(row, tell, stop):
        (folder / "begun").touch()
        while not stop():
            time.sleep(0.01)
        (folder / "ended").touch()

    in_processes(
        ROWS[:1], listens, workers=1, progress=silent, stop=never, hears_stop=True
    )


def test_rows_end_when_their_parent_is_killed(tmp_path):
    context = multiprocessing.get_context("fork")
    parent = context.Process(target=parent_of_rows, args=(tmp_path,))
    parent.start()
    wait_for(tmp_path / "begun")
    parent.kill()
    parent.join()
    wait_for(tmp_path / "ended")


def wait_for(path):
    deadline = time.monotonic() + 10.0
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.01)


def test_threads_keep_order_and_errors():
    def make(row):
        if row["seed"] == 3:
            raise ValueError("three is refused; take two")
        return Artifact({"seed": np.array(row["seed"])})

    shares = []
    with pytest.raises(RowsFailed, match="1 of 4 rows failed") as caught:
        each_row(
            ROWS, make, workers=2, progress=shares.append, stop=never,
            failed="rows failed",
        )  # fmt: skip
    assert seeds_of(caught.value.finished[:3]) == [0, 1, 2]
    assert shares[-1] == 1.0
