"""Medians, intervals, paired changes; undefined and unmeasured kept apart."""

import math

import numpy as np
import pytest

from tegum.design import grid
from tegum.report.encode import number, numbers, script_json, script_safe
from tegum.report.frame import frame
from tegum.report.series import series

ANY = {"resolution": 1e-9, "declared_range": (-math.inf, math.inf)}


def layout_of(design):
    found = {name: np.array([r[name] for r in design]) for name in design.factors}
    return frame(found, factors=(), names=design.factors, claims=())


def test_median_and_exact_interval_of_each_cell():
    layout = layout_of(grid(rate=[0.0, 0.5], seeds=10))
    values = np.concatenate([np.arange(10.0), 100 + np.arange(10.0)])
    drawn = series(values, np.ones(20, dtype=bool), layout, **ANY)
    assert drawn["value"]["median"] == [4.5, 104.5]
    # The second smallest and the second largest of ten bound the median at 95 %.
    assert drawn["value"]["low"] == [1, 101]
    assert drawn["value"]["high"] == [8, 108]


def test_changes_are_paired_by_seed():
    layout = layout_of(grid(rate=[0.0, 0.5], seeds=10))
    base = np.random.default_rng(0).permutation(10) * 1000.0
    drawn = series(
        np.concatenate([base, base + 2]), np.ones(20, dtype=bool), layout, **ANY
    )
    assert drawn["change"]["median"] == [0, 2]
    assert drawn["change"]["low"][1] == pytest.approx(2, abs=1e-6)
    assert drawn["change"]["high"][1] == pytest.approx(2, abs=1e-6)


def test_undefined_not_measured_and_zero_are_three_things():
    layout = layout_of(grid(rate=[0.0, 0.3, 0.5], seeds=2))
    values = np.array([0.0, 0.0, math.nan, math.nan, math.nan, math.nan])
    measured = np.array([True] * 4 + [False] * 2)
    drawn = series(values, measured, layout, **ANY)
    assert drawn["value"]["median"] == [0, "NaN", None]
    assert drawn["seeds"] == [[0, 0], ["NaN", "NaN"], [None, None]]
    assert drawn["undefined"] == [0, 2, 0]
    assert drawn["missing"] == [0, 0, 2]
    assert drawn["change"]["median"] == [0, "NaN", None]


def test_undefined_seeds_leave_the_median_to_the_others():
    layout = layout_of(grid(rate=[0.0, 0.5], seeds=3))
    values = np.array([1.0, 2.0, 3.0, math.nan, 5.0, 7.0])
    drawn = series(values, np.ones(6, dtype=bool), layout, **ANY)
    assert drawn["value"]["median"] == [2, 6]
    assert drawn["undefined"] == [0, 1]


def test_too_few_seeds_have_no_bounded_interval():
    layout = layout_of(grid(rate=[0.0, 0.5], seeds=5))
    drawn = series(np.arange(10.0), np.ones(10, dtype=bool), layout, **ANY)
    assert drawn["value"]["low"] == ["-Infinity"] * 2
    assert drawn["value"]["high"] == ["Infinity"] * 2


def test_an_interval_stays_in_the_declared_range():
    layout = layout_of(grid(rate=[0.0, 0.5], seeds=8))
    drawn = series(
        np.zeros(16),
        np.ones(16, dtype=bool),
        layout,
        resolution=1.0,
        declared_range=(0.0, 20.0),
    )
    assert drawn["value"]["low"] == [0, 0]
    assert drawn["value"]["high"] == [1, 1]


def test_a_cell_without_its_control_has_no_change():
    design = grid(rate=[0.0, 0.5], steps=10, seeds=6) | grid(
        rate=0.5, steps=20, seeds=6
    )
    layout = layout_of(design)
    drawn = series(np.arange(18.0), np.ones(18, dtype=bool), layout, **ANY)
    alone = [
        k for k, cell in enumerate(layout.cells) if drawn["change"]["median"][k] is None
    ]
    assert [layout.cells[k].rows for k in alone] == [tuple(range(12, 18))]


def test_numbers_for_json_are_short_and_never_nan():
    assert numbers([1.23456, 0.0, 2.0, math.nan, math.inf, -math.inf, None]) == [
        1.235,
        0,
        2,
        "NaN",
        "Infinity",
        "-Infinity",
        None,
    ]
    assert number(123456.0) == 123500
    assert number(1e-12) == 1e-12


def test_json_in_a_script_can_not_end_the_script():
    text = script_json({"a": "</script><!--<script>", "b": "\u2028&"})
    assert not set(text) & set("<>&\u2028\u2029")
    assert script_safe('"<"') == '"\\u003c"'
