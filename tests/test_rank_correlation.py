"""Rank correlations between cells, one a seed: does one number follow another?"""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tegum.claims import (
    Claim,
    Part,
    above,
    below,
    between,
    check_claim,
    judge,
    level,
    planned_seeds,
    rank_correlation,
)
from tegum.design import grid

CELLS = {"rate": [0.1, 0.3, 0.5], "q": [0.1, 0.5]}
ASKED = rank_correlation("y", other="z", where=CELLS)
RANGES = {"y": (-100.0, 100.0), "z": (-100.0, 100.0)}
FINE = {"y": 1e-9, "z": 1e-9}


def columns_of(y, z):
    """Rows of the six cells; `y` and `z` have a line for each cell and a column a seed.

    The cells stand in the order of `where`: rate by rate, q within.
    """
    y, z = np.asarray(y, dtype=float), np.asarray(z, dtype=float)
    design = grid(**CELLS, seeds=y.shape[1])
    columns = {name: np.array([row[name] for row in design]) for name in design.factors}
    order = [(rate, q) for rate in CELLS["rate"] for q in CELLS["q"]]
    at = [order.index((row["rate"], row["q"])) for row in design]
    seeds = columns["seed"]
    return {**columns, "y": y[at, seeds], "z": z[at, seeds]}


def part_of(y, z, region=None, *, alpha=0.05, resolutions=FINE, **more):
    claim = Claim("C", "they go together", [Part(ASKED, region or above(0))], "r", "s")
    (verdict,) = judge(
        [claim],
        columns_of(y, z),
        alpha=alpha,
        planned_seeds={"C": 0},
        ranges=RANGES,
        resolutions=resolutions,
        **more,
    )
    return verdict.parts[0]


def alike(column, seeds=12):
    """The same six values for every seed."""
    return np.repeat(np.array(column, dtype=float)[:, None], seeds, axis=1)


def test_it_reads_as_a_sentence():
    assert ASKED.describe() == (
        "median over seeds of the rank correlation of y with z between cells "
        "(over rate 0.1, 0.3, 0.5; over q 0.1, 0.5)"
    )


def test_its_record_names_the_other_number_and_no_other_record_does():
    assert json.loads(json.dumps(ASKED.to_record()))["other"] == "z"
    assert "other" not in level("y", where=CELLS).to_record()


def test_four_orders_worked_out_by_hand():
    """Six cells: 1 - 6 sum d^2 / 210."""
    y = [1, 2, 3, 4, 5, 6]
    for z, sum_of_squares in (
        ([10, 20, 30, 40, 50, 60], 0),
        ([60, 50, 40, 30, 20, 10], 70),
        ([20, 10, 30, 40, 50, 60], 2),
        ([60, 20, 30, 40, 50, 10], 50),
    ):
        part = part_of(alike(y), alike(z))
        assert part.estimate == pytest.approx(1 - 6 * sum_of_squares / 210)


def test_ties_have_mean_ranks():
    """Ranks 1.5, 1.5, 3, 4, 5, 6 beside 1 to 6: cov 17 / sqrt(17 * 17.5)."""
    part = part_of(alike([7, 7, 8, 9, 10, 11]), alike([1, 2, 3, 4, 5, 6]))
    assert part.estimate == pytest.approx(17 / math.sqrt(17 * 17.5))


def test_counts_one_apart_are_two_ranks():
    counts, whole = alike([3, 4, 5, 6, 7, 8]), {"y": 1.0, "z": 1.0}
    part = part_of(counts, alike([30, 40, 50, 60, 70, 80]), resolutions=whole)
    assert part.estimate == pytest.approx(1.0)


def test_what_the_resolution_can_not_tell_apart_is_a_tie():
    tenth = {"y": 0.1, "z": 1e-9}
    near = alike([7.0, 7.05, 8, 9, 10, 11])
    part = part_of(near, alike([2, 1, 3, 4, 5, 6]), resolutions=tenth)
    assert part.estimate == pytest.approx(17 / math.sqrt(17 * 17.5))
    assert part_of(near, alike([2, 1, 3, 4, 5, 6])).estimate < part.estimate


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=6, max_size=6)
)
def test_it_is_scipys(pairs):
    y, z = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    part = part_of(alike(y), alike(z))
    if np.ptp(y) == 0 or np.ptp(z) == 0:
        assert part.missing == part.seeds
    else:
        assert part.estimate == pytest.approx(spearmanr(y, z)[0], abs=1e-12)


def test_it_depends_on_the_order_of_the_cells_alone():
    draws = np.random.default_rng(0)
    y, z = draws.standard_normal((2, 6, 15))
    plain, bent = part_of(y, z), part_of(np.exp(y), z**3)
    assert (plain.estimate, plain.low, plain.high) == (
        bent.estimate,
        bent.low,
        bent.high,
    )


def test_a_level_that_differs_between_seeds_is_no_order_between_cells():
    """Where seeds differ and cells do not go together, pooling would say otherwise."""
    draws = np.random.default_rng(1)
    shift = 10.0 * np.arange(40)
    y, z = draws.standard_normal((2, 6, 40)) + shift / 10.0
    assert spearmanr(y.ravel(), z.ravel())[0] > 0.9
    assert abs(part_of(y, z).estimate) < 0.35


def test_cells_are_no_units():
    assert part_of(alike(range(6), 5), alike(range(6), 5)).word == "undecided"
    assert part_of(alike(range(6), 12), alike(range(6), 12)).word == "supported"


def test_equal_values_never_give_zero_width():
    """By what exchanging two neighbours makes: 12 / (6 * 35)."""
    part = part_of(alike(range(6)), alike([0, 1, 2, 3, 5, 4]))
    assert part.estimate == pytest.approx(1 - 12 / 210)
    assert part.high - part.low == pytest.approx(2 * 12 / 210)


def test_a_seed_that_lacks_a_cell_enters_at_both_ends():
    """Of twelve seeds at level 0.95 two may be lost, three reach the ends -1 and 1."""
    y, z = alike(range(6)), alike([0, 1, 2, 3, 5, 4])
    y[2, :2] = math.nan
    part = part_of(y, z, above(0.5))
    assert (part.word, part.missing) == ("supported", 2)
    z[4, 2] = math.nan
    part = part_of(y, z, above(0.5))
    assert (part.word, part.missing, part.low) == ("undecided", 3, -1.0)


def test_a_number_that_is_the_same_everywhere_orders_nothing_and_the_reason_says_so():
    z = alike(range(6))
    z[:, :4] = 3.0
    part = part_of(alike(range(6)), z, above(0.5))
    assert (part.word, part.missing) == ("undecided", 4)
    assert "`z` is the same in all cells in 4 of 12 seeds" in part.reason


def test_a_value_outside_its_declared_range_is_named_for_either_number():
    z = alike(range(6))
    z[0, 0] = 101.0
    part = part_of(alike(range(6)), z)
    assert part.word == "undecided"
    assert "`z` is 101 in a row" in part.reason


def test_rows_that_are_not_made_yet_decide_nothing():
    y = alike(range(6))
    part = part_of(y, y, made=np.zeros(y.size, dtype=bool))
    assert (part.word, part.seeds) == ("undecided", 0)


def test_unrelated_numbers_are_found_related_no_more_often_than_alpha():
    """At the edge of the region: the median rank correlation is 0. 400 studies."""
    draws = np.random.default_rng(2)
    wrong = sum(
        part_of(*draws.standard_normal((2, 6, 12)), above(0.0)).word != "undecided"
        for _ in range(400)
    )
    assert wrong <= 0.05 * 400 + 3 * math.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: rank_correlation("y", other="y", where=CELLS),
            "beside itself; name another",
        ),
        (
            lambda: rank_correlation("y", other="z", where={"rate": [0.1, 0.3]}),
            "over 2 cells; it needs 3 or more",
        ),
        (lambda: rank_correlation("y", other="z", where={}), "over 1 cells"),
        (
            lambda: rank_correlation("y", other="z", where={**CELLS, "seed": [1, 2]}),
            "`seed`, which is the unit",
        ),
        (
            lambda: rank_correlation("y", other="z", where={"rate": []}),
            "one or more",
        ),
    ],
)  # fmt: skip
def test_what_could_not_be_ranked_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_it_is_checked_against_the_design_before_anything_is_trained():
    design = grid(**CELLS, seeds=8)
    claim = Claim("C", "s", [Part(ASKED, between(-1, 1))], "r", "s")
    check_claim(claim, design, ["y", "z"])
    assert planned_seeds(claim, design) == 8
    with pytest.raises(ValueError, match="no number is called `z`"):
        check_claim(claim, design, ["y"])
    more = rank_correlation("y", other="z", where={**CELLS, "rate": [0.1, 0.7]})
    with pytest.raises(ValueError, match=r"no row has rate 0\.7"):
        check_claim(Claim("C", "s", [Part(more, below(1))], "r", "s"), design, "yz")
