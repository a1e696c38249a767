"""The benchmark's page says what was measured; its quick mode runs."""

import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import cells, page

    return SimpleNamespace(cells=cells, page=page)


def readings(cells, *, faster):
    """What a machine would measure whose engine is `faster` times the notebook form."""
    seconds, shares, kernels = {}, {}, {}
    for size in cells.SIZES:
        for cell in cells.CELLS:
            key = (size.name, cell.name)
            seconds[(*key, "notebook")] = [1e-3, 1.1e-3, 0.9e-3]
            seconds[(*key, "tuned")] = [0.5e-3] * 3
            seconds[(*key, "engine")] = [1e-3 / faster] * 3
            shares[key] = [0.01, 0.02, 0.03]
            kernels[key] = "dense"
    return SimpleNamespace(
        seconds=seconds,
        record_share=shares,
        kernels=kernels,
        peak=[100.0, 110.0, 90.0],
        threads=[1.9, 2.0, 1.8],
        processes=[2.0, 2.0, 2.0],
    )


def test_the_page_names_what_was_reached_and_what_was_missed(bench):
    measured = readings(bench.cells, faster=100.0)
    lines = bench.page.owed_ratios(measured, bench.cells.SIZES)
    assert len(lines) == 12
    for size, cell, line in lines:
        assert line.measured == pytest.approx(100.0)
        assert line.owed == cell.owed[bench.cells.SIZES.index(size)]
        assert line.reached == (line.owed <= 100.0)
    text = bench.page.render(measured, machine={"cores": "2"}, sizes=bench.cells.SIZES)
    assert "| dense, dropout .2 | A | 100 | 65 | reached | 50.0 |" in text
    assert "| S = .99 | A | 100 | 430 | *missed* | 50.0 |" in text
    assert "**A, S = .99: ratio to the notebook form** is 100.0, owed 430." in text
    assert "**A, dense, dropout .2" not in text


def test_nothing_is_excused_where_nothing_was_missed(bench):
    measured = readings(bench.cells, faster=500.0)
    measured.peak = [1.0]
    text = bench.page.render(measured, machine={}, sizes=bench.cells.SIZES)
    assert text.rstrip().endswith("Every owed figure is reached in this run.")


def test_the_share_of_the_peak_is_of_five_products(bench):
    # Size A: 10 * 1024 * 5 * 2 = 102,400 operations in 2 us are 51.2 GFLOP/s, and that
    # is .512 of 100.
    measured = readings(bench.cells, faster=500.0)
    size, line = bench.page.peak_shares(measured, bench.cells.SIZES)[0]
    assert size.name == "A"
    assert line.measured == pytest.approx(0.512)


def test_threads_are_held_against_processes(bench):
    line = bench.page.scaling_line(readings(bench.cells, faster=2.0))
    assert line.measured == pytest.approx(0.95)
    assert line.reached


@pytest.mark.slow
def test_the_quick_benchmark_runs_and_writes_nothing():
    document = ROOT / "docs" / "performance.md"
    before = document.read_bytes() if document.exists() else None
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "## How many times faster" in done.stdout
    assert (document.read_bytes() if document.exists() else None) == before
