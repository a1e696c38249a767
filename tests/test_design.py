"""Designs: grids, dictionaries, dataframes, and what is refused."""

import jaxtyping
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tegum.design import Design, Factor, complete, grid
from tegum.toys.subject import ToyModels

SMALL = {"n_features": 5, "n_hidden": 2, "feature_probability": 0.1}


def test_a_grid_is_every_combination_with_the_last_factor_fastest():
    design = grid(rate=[0.0, 0.5], n_hidden=[2, 3])
    assert [dict(row) for row in design] == [
        {"rate": 0.0, "n_hidden": 2},
        {"rate": 0.0, "n_hidden": 3},
        {"rate": 0.5, "n_hidden": 2},
        {"rate": 0.5, "n_hidden": 3},
    ]


def test_a_tuple_is_one_value_and_an_array_is_levels():
    design = grid(feature_probability=(0.1, 0.2), rate=np.array([0.0, 0.5]))
    assert len(design) == 2
    assert design.levels("feature_probability") == ((0.1, 0.2),)
    assert design.levels("rate") == (0.0, 0.5)
    assert all(type(level) is float for level in design.levels("rate"))


def test_seeds_as_a_number_and_as_a_list():
    assert grid(rate=0.0, seeds=3).levels("seed") == (0, 1, 2)
    assert grid(rate=0.0, seeds=range(7, 9)).levels("seed") == (7, 8)


@pytest.mark.parametrize("module", [pd, pl])
def test_a_dataframe_makes_the_same_design_as_its_rows(module):
    rows = [
        {"rate": 0.0, "n_hidden": 2, "noise": "none"},
        {"rate": 0.5, "n_hidden": 3, "noise": "dropout"},
    ]
    assert Design.from_dataframe(module.DataFrame(rows)) == Design.from_rows(rows)


def test_a_dataframes_missing_cell_is_left_to_the_default():
    frame = pd.DataFrame({"rate": [0.0, np.nan], "n_hidden": [2, 3]})
    assert dict(Design.from_dataframe(frame).rows[1]) == {"n_hidden": 3}


def test_a_design_survives_the_trip_through_pandas():
    design = grid(rate=[0.0, 0.5], noise="dropout", seeds=2)
    assert Design.from_dataframe(design.to_pandas()) == design


def test_where_filters_by_value_and_by_list():
    design = grid(rate=[0.0, 0.1, 0.5], n_hidden=[2, 3])
    assert len(design.where(rate=0.1)) == 2
    assert len(design.where(rate=[0.0, 0.5], n_hidden=3)) == 2


def test_levels_are_compared_to_12_digits_and_none_is_dropped_in_silence():
    design = grid(rate=np.linspace(0.0, 0.7, 8), n_hidden=2)
    assert len(design.where(rate=[0.1, 0.2, 0.3])) == 3
    assert len(design.where(rate=np.array([0, 0.3]), n_hidden=2.0)) == 2
    with pytest.raises(
        ValueError, match=r"rate 0\.15, 0\.25; its levels are 0\.0, 0\.1"
    ):
        design.where(rate=[0.1, 0.15, 0.25])


def test_a_tuple_where_levels_are_meant_says_so():
    with pytest.raises(ValueError, match="a tuple is one value: a list holds levels"):
        grid(rate=[0.0, 0.5]).where(rate=(0.0, 0.5))
    site = grid(site=[(0.0, 0.5), (0.5, 0.0)])
    assert len(site.where(site=(0.5, 0))) == 1


def test_the_union_keeps_a_shared_row_once():
    assert len(grid(rate=[0.0, 0.5]) | grid(rate=[0.5, 0.7])) == 3


def test_rows_are_read_only():
    design = grid(rate=[0.0])
    with pytest.raises(TypeError):
        design.rows[0]["rate"] = 0.5


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: grid(rate=[]), "`rate` has no level"),
        (lambda: grid(rate=0.0, seeds=0), "`seeds` has no level"),
        (lambda: grid(rate=0.0, seed=1, seeds=2), "not both"),
        (lambda: Design(()), "at least one row"),
        (lambda: Design.from_rows([{"a": 1}, {"a": 1}]), "rows 0 and 1.*equal"),
        (lambda: grid(rate=[0.1, 0.1]), "rows 0 and 1.*equal"),
        (lambda: grid(rate=0.0).where(rat=0.0), "did you mean rate"),
        (lambda: grid(rate=0.0).where(rate=0.3), "levels are.*0.0"),
        (lambda: grid(rate=0.0).where(rate=[]), "rate an empty list"),
        (
            lambda: (grid(a=0, b=1) | grid(a=1, b=0)).where(a=1, b=1),
            "no row of the design has .*together",
        ),
        (lambda: grid(rate=0.0).levels("raet"), "did you mean rate"),
    ],
)
def test_what_makes_no_design_is_refused_with_the_remedy(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_number_of_seeds_may_come_from_numpy():
    assert grid(rate=0.0, seeds=np.int64(3)) == grid(rate=0.0, seeds=3)


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        ({"seeds": 20.0}, "`seeds` is 20.0; give how many as a whole number"),
        ({"seeds": "20"}, "`seeds` is '20'"),
        ({"seeds": True}, "`seeds` is True"),
        ({"rate": {0.0, 0.5}}, "`rate` is a set; give its levels as a list"),
        ({"site": ("a", "b")}, "`site` is .*a tuple is one value: a list holds levels"),
    ],
)
def test_levels_of_another_kind_are_refused_by_name(factors, says):
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(ValueError, match=says):
            grid(**factors)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_a_tuple_that_a_factor_refuses_says_what_a_list_would_do():
    with pytest.raises(ValueError, match=r"row 0: .*a list holds levels"):
        ToyModels().complete(grid(**SMALL, rate=(0.0, 0.5), seeds=1))


def test_a_completed_row_has_every_factor_in_the_subjects_order():
    row = ToyModels().complete(grid(**SMALL, seeds=1))[0]
    assert tuple(row) == tuple(factor.name for factor in ToyModels().factors)
    assert row["weight_decay"] == 0.0
    assert row["optimiser"] == "adamw"


def test_whole_numbers_written_as_floats_are_the_same_row():
    written = ToyModels().complete(Design.from_rows([{**SMALL, "seed": 0.0}]))
    assert written == ToyModels().complete(grid(**SMALL, seeds=1))


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"dropout": 0.5}, "no factor is called `dropout`"),
        ({"feature_probabilty": 0.5}, "did you mean feature_probability"),
        ({"n_features": None}, "n_features"),
    ],
)
def test_an_unknown_or_empty_factor_names_the_row_and_the_nearest(extra, says):
    design = Design.from_rows([{**SMALL, "seed": 0}, {**SMALL, "seed": 1, **extra}])
    with pytest.raises(ValueError, match=f"row 1: .*{says}"):
        ToyModels().complete(design)


def test_a_missing_factor_is_named_with_its_meaning():
    with pytest.raises(ValueError, match="`n_hidden` \\(number of hidden units m\\)"):
        ToyModels().complete(grid(n_features=5, feature_probability=0.1, seeds=1))


def test_two_rows_that_differ_only_in_a_stated_default_are_equal():
    design = Design.from_rows([{**SMALL, "seed": 0}, {**SMALL, "seed": 0, "rate": 0.0}])
    with pytest.raises(ValueError, match="equal"):
        Design(tuple(ToyModels().complete(design)))


def test_a_row_takes_nothing_from_the_row_before_it():
    """The same number of columns, another one left out: its default stands."""
    factors = (
        Factor("a", "one", lambda value: value),
        Factor("b", "another", lambda value: value, 7),
        Factor("c", "a third", lambda value: value, 8),
    )
    rows = [{"a": 1, "b": 2}, {"a": 1, "c": 3}, {"c": 3, "a": 1}, {"a": True, "c": 3}]
    found = complete(rows, factors)
    assert [tuple(row.items()) for row in found] == [
        (("a", 1), ("b", 2), ("c", 8)),
        (("a", 1), ("b", 7), ("c", 3)),
        (("a", 1), ("b", 7), ("c", 3)),
        (("a", True), ("b", 7), ("c", 3)),
    ]
    assert found[3]["a"] is True


def test_rows_are_found_whatever_the_order_of_their_columns():
    design = Design.from_rows([{"a": 1, "b": 2}, {"a": 2}])
    assert {"b": 2, "a": 1} in design
    assert design.lacks([{"b": 2, "a": 1}, {"a": 2}, {"a": 1}, {"b": 2}]) == 2
