"""Differences of two estimands, seed by seed: an effect against another effect."""

import json
import math

import numpy as np
import pytest

from tegum.claims import (
    Claim,
    Part,
    above,
    below,
    between,
    check_claim,
    difference,
    judge,
    level,
    paired_difference,
    paired_ratio,
    planned_seeds,
    proportion,
    rank_correlation,
    slope,
)
from tegum.design import grid

RATES, OPTIMISERS = [0.0, 0.25, 0.5], ["adamw", "sgd"]
RANGES = {"y": (0.0, 100.0)}
FINE = {"y": 1e-9}


def columns_of(values, *, seeds=12):
    """Rows of a grid; `values(rate, optimiser, seed)` is the number y."""
    design = grid(rate=RATES, optimiser=OPTIMISERS, seeds=seeds)
    columns = {name: np.array([r[name] for r in design]) for name in design.factors}
    y = [values(r["rate"], r["optimiser"], r["seed"]) for r in design]
    return {**columns, "y": np.array(y, dtype=float)}


def effect(optimiser, make=paired_difference):
    return make(
        "y", factor="rate", treated=0.5, control=0.0, where={"optimiser": optimiser}
    )


def claim_of(estimand, region):
    return Claim("C", "they differ", [Part(estimand, region)], "r", "s")


def part_of(estimand, values, region=None, *, seeds=12, ranges=RANGES, **more):
    (verdict,) = judge(
        [claim_of(estimand, region or above(0))],
        columns_of(values, seeds=seeds),
        alpha=0.05,
        planned_seeds={"C": 0},
        ranges=ranges,
        resolutions=FINE,
        **more,
    )
    return verdict.parts[0]


def test_an_effect_minus_another_is_taken_seed_by_seed():
    # AdamW falls by 6 rate + seed, SGD by 2 rate + seed: the seeds' own part cancels.
    def values(rate, optimiser, seed):
        slope_of = 6.0 if optimiser == "adamw" else 2.0
        return 50.0 - slope_of * rate - 40.0 * seed * rate / 20.0

    asked = difference(effect("adamw"), effect("sgd"))
    part = part_of(asked, values, below(-1))
    # (6 - 2) * 0.5 = 2 for every seed.
    assert part.estimate == pytest.approx(-2.0)
    assert part.low == pytest.approx(-2.0, abs=1e-6)
    assert part.word == "supported"


def test_ratios_are_divided():
    # AdamW leaves a tenth, SGD a half: the quotient is a fifth for every seed.
    def values(rate, optimiser, seed):
        left = 1.0 if rate == 0.0 else (0.1 if optimiser == "adamw" else 0.5)
        return (1.0 + seed) * left

    asked = difference(effect("adamw", paired_ratio), effect("sgd", paired_ratio))
    part = part_of(asked, values, between(0.15, 0.25))
    assert part.estimate == pytest.approx(0.2)
    assert part.word == "supported"


def test_slopes_and_levels_have_differences():
    def values(rate, optimiser, seed):
        return seed + (8.0 if optimiser == "adamw" else 3.0) * rate

    steep = slope("y", factor="rate", where={"optimiser": "adamw"})
    flat = slope("y", factor="rate", where={"optimiser": "sgd"})
    assert part_of(difference(steep, flat), values).estimate == pytest.approx(5.0)
    one = level("y", where={"optimiser": "adamw", "rate": 0.5})
    other = level("y", where={"optimiser": "sgd", "rate": 0.25})
    # 8 / 2 - 3 / 4 = 3.25 whatever the seed.
    assert part_of(difference(one, other), values).estimate == pytest.approx(3.25)


def test_it_is_not_the_difference_of_the_medians():
    # By thirds of the seeds the effects are 0, 1, 5 and 1, 5, 0: both medians are 1,
    # and the differences -1, -4, 5 have the median -1.
    first, second = (0.0, 1.0, 5.0), (1.0, 5.0, 0.0)

    def values(rate, optimiser, seed):
        gain = (first if optimiser == "adamw" else second)[seed % 3]
        return 10.0 + (gain if rate == 0.5 else 0.0)

    part = part_of(difference(effect("adamw"), effect("sgd")), values)
    assert part.estimate == pytest.approx(-1.0)
    assert part_of(effect("adamw"), values).estimate == pytest.approx(1.0)
    assert part_of(effect("sgd"), values).estimate == pytest.approx(1.0)


def test_a_seed_that_lacks_either_side_is_missing_and_enters_at_both_ends():
    def values(rate, optimiser, seed):
        if seed == 3 and optimiser == "sgd" and rate == 0.5:
            return math.nan
        return 10.0 + 5.0 * rate * (optimiser == "adamw")

    part = part_of(difference(effect("adamw"), effect("sgd")), values)
    assert part.missing == 1
    assert part.seeds == 12
    few = part_of(difference(effect("adamw"), effect("sgd")), values, seeds=4)
    # Each effect lies in [-100, 100], the difference of two in [-200, 200].
    assert few.low == -math.inf or few.low <= -200.0
    assert few.word == "undecided"


def test_a_quotient_by_0_is_undefined():
    def values(rate, optimiser, seed):
        return 0.0 if optimiser == "sgd" and rate == 0.5 else 4.0

    asked = difference(effect("adamw", paired_ratio), effect("sgd", paired_ratio))
    part = part_of(asked, values)
    assert part.missing == 12
    assert part.word == "undecided"


def test_convergence_is_asked_of_both_sides():
    def values(rate, optimiser, seed):
        return 10.0

    columns = columns_of(values)
    columns["fall"] = np.where(columns["optimiser"] == "sgd", 0.5, 0.0)
    (verdict,) = judge(
        [claim_of(difference(effect("adamw"), effect("sgd")), between(-1, 1))],
        columns,
        alpha=0.05,
        planned_seeds={"C": 0},
        ranges=RANGES | {"fall": (-1.0, 1.0)},
        resolutions=FINE | {"fall": 1e-9},
        convergence=("fall", 0.01),
    )
    assert verdict.word == "undecided"
    assert "optimiser sgd" in " ".join(verdict.reasons)


def test_both_sides_are_checked_against_the_design():
    design = grid(rate=RATES, optimiser=OPTIMISERS, seeds=5)
    asked = difference(effect("adamw"), effect("sgd"))
    check_claim(claim_of(asked, above(0)), design, RANGES)
    assert planned_seeds(claim_of(asked, above(0)), design) == 5
    absent = difference(effect("adamw"), effect("lion"))
    with pytest.raises(ValueError, match="lion"):
        check_claim(claim_of(absent, above(0)), design, RANGES)
    ratios = difference(effect("adamw", paired_ratio), effect("sgd", paired_ratio))
    with pytest.raises(ValueError, match="never negative"):
        check_claim(claim_of(ratios, above(0)), design, {"y": (-1.0, 1.0)})


def test_the_record_holds_both_and_only_where_there_are_two():
    asked = difference(effect("adamw"), effect("sgd"))
    record = json.loads(json.dumps(asked.to_record()))
    assert record["where"] == {"optimiser": ["adamw"]}
    assert record["minus"]["where"] == {"optimiser": ["sgd"]}
    assert "minus" not in effect("adamw").to_record()
    assert asked.numbers == ("y",)
    assert "adamw" in asked.describe()
    assert "sgd" in asked.describe()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (effect("adamw"), level("y", where={"optimiser": "sgd"}), "one kind"),
        (effect("adamw"), effect("adamw"), "itself"),
        (difference(effect("adamw"), effect("sgd")), effect("sgd"), "difference"),
        (
            proportion("y", region=above(0), where={}),
            proportion("y", region=above(1), where={}),
            "proportion",
        ),
        (
            rank_correlation("y", other="z", where={"rate": RATES}),
            rank_correlation("y", other="w", where={"rate": RATES}),
            "rank_correlation",
        ),
    ],
    ids=["kinds", "itself", "nested", "proportion", "ranks"],
)
def test_what_has_no_difference_is_refused(first, second, said):
    with pytest.raises(ValueError, match=said):
        difference(first, second)
