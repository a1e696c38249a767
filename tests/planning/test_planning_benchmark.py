"""The benchmark of planning compares loops that do the same work."""

import pathlib
import shutil

import pytest

from tegum.planning.maps import grid_map

ROOT = pathlib.Path(__file__).parent.parent.parent
COMPILER = any(shutil.which(name) for name in ("cc", "gcc", "clang"))


@pytest.fixture
def planning(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import planning

    return planning


@pytest.mark.skipif(not COMPILER, reason="the tight loops are C, and no cc is there")
def test_the_tight_loops_expand_what_the_kernels_expand(planning, tmp_path):
    library = planning.compiled_loops(tmp_path)
    for seed in range(3):
        problem = grid_map(size=20, seed=seed, queries=6).problem
        loops = planning.contenders(problem, library)
        for name in ("breadth first", "A*"):
            assert loops[name]() == loops[f"{name}, C"]() > 0
        assert loops["lazy search, whole"]() > 0
        assert loops["lazy data, whole"]() > 0


def test_the_table_marks_what_costs_more_than_twice_the_tight_loop(planning):
    found = {
        (32, name): cost
        for name, cost in (
            ("breadth first, C", 10.0),
            ("breadth first", 12.0),
            ("A*, C", 10.0),
            ("A*", 15.0),
            ("lazy search, whole", 25.0),
        )
    }
    lines = planning.table(found).splitlines()
    assert "1.20 |" in next(line for line in lines if "**breadth first /" in line)
    assert "2.50 *above 2*" in next(line for line in lines if "**lazy search" in line)
