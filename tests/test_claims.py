"""Claims: what they may say, which rows they use, and the one verdict rule."""

import json
import math
import time
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.claims import (
    Claim,
    Part,
    Region,
    Table,
    above,
    adjacent_differences,
    arms,
    below,
    between,
    check_claim,
    judge,
    level,
    paired_difference,
    paired_ratio,
    plan_seeds,
    planned_seeds,
    proportion,
    slope,
)
from tegum.design import Design, grid

INF = math.inf
FALLS = paired_difference("y", factor="rate", treated=0.5, control=0.0, where={})
FACTS = {"ranges": {"y": (-INF, INF)}, "resolutions": {"y": 1e-6}}


def columns_of(design, **numbers):
    """The design as columns, and each number from a function of the row."""
    found = {
        name: np.array([row.get(name) for row in design], dtype=object)
        for name in design.factors
    }
    for name, function in numbers.items():
        found[name] = np.array([float(function(row)) for row in design])
    return found


def claim_of(estimand, region, *more, rivals=()):
    parts = [Part(estimand, region), *more]
    return Claim("C", "something holds", parts, "a reason", "a source", rivals=rivals)


def verdict_on(claim, columns, *, planned=0, alpha=0.05, **facts):
    (verdict,) = judge(
        [claim],
        columns,
        alpha=alpha,
        planned_seeds={"C": planned},
        **{**FACTS, **facts},
    )
    return verdict


def paired_columns(differences, control=0.0):
    """Seeds with a control value and a treated one that differs as given."""
    design = grid(rate=[0.0, 0.5], seeds=len(differences))
    columns = columns_of(
        design, y=lambda r: control + (r["rate"] > 0) * differences[r["seed"]]
    )
    return columns


# --- regions ---


def test_a_region_is_closed_and_joins_what_meets():
    region = between(0, 1) | between(1, 2) | above(5)
    assert region.intervals == ((0, 2), (5, INF))
    assert region.contains(0.0, 2.0)
    assert not region.contains(1.0, 6.0)
    assert not region.excludes(2.0, 3.0)
    assert region.excludes(2.1, 4.9)
    assert region.gaps() == ((-INF, 0), (2, 5))
    assert region.describe() == "between 0 and 2, or at least 5"
    assert region.holds(np.array([0, 2, 3, math.nan])).tolist() == [1, 1, 0, 0]
    assert (below(-1, "far below") | above(1, "far above")).name == (
        "far below or far above"
    )


ends = st.floats(-5, 5).map(lambda x: round(x, 1))


@given(st.lists(st.tuples(ends, ends), min_size=1, max_size=4), ends, ends)
def test_inside_and_outside_are_what_the_points_say(pairs, a, b):
    intervals = tuple((min(p), max(p) + 0.1) for p in pairs)
    region = Region(intervals)
    low, high = min(a, b), max(a, b) + 0.05
    points = np.linspace(low, high, 2001)
    held = region.holds(points)
    assert region.contains(low, high) == held.all()
    if region.excludes(low, high):
        assert not held.any()


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        ((), "at least one interval"),
        (((1.0, 1.0),), "fits into a point"),
        (((2.0, 1.0),), "below the second"),
        (((math.nan, 1.0),), "below the second"),
        (((-INF, 1.0), (0.0, INF)), "could not fail"),
    ],
)
def test_a_region_that_means_nothing_is_refused(intervals, words):
    with pytest.raises(ValueError, match=words):
        Region(intervals)


# --- estimands ---


def test_an_estimand_reads_as_a_sentence():
    ratio = paired_ratio(
        "total_interference",
        factor="rate",
        treated=0.5,
        control=0,
        where={"feature_probability": 0.1},
    )
    assert ratio.describe() == (
        "median over seeds of total_interference at rate 0.5 / at rate 0 "
        "(feature_probability 0.1)"
    )
    mean = level("y", where={"noise": "dropout", "rate": [0.1, 0.3]})
    assert mean.describe() == (
        "median over seeds of y (noise dropout; mean over rate 0.1, 0.3)"
    )
    share = proportion("y", region=above(5), where={})
    assert share.describe() == "share of seeds whose y is at least 5"
    assert Part(FALLS, below(-1, "falls")).describe() == (
        "median over seeds of y at rate 0.5 minus at rate 0: at most -1 (falls)"
    )


def test_records_are_json_and_formatting_does_not_change_them():
    def record(where, treated, bound):
        estimand = paired_difference(
            "y", factor="rate", treated=treated, control=0, where=where
        )
        return json.dumps(claim_of(estimand, below(bound)).to_record(), allow_nan=False)

    base = record({"a": 1, "b": [0.1, 0.2]}, 0.3, 0.0)
    assert record({"b": [0.1, 0.2], "a": 1.0}, 0.1 + 0.2, 0) == base
    assert record({"a": 1, "b": [0.1]}, 0.3, 0.0) != base
    assert record({"a": 1, "b": [0.1, 0.2]}, 0.3, 0.1) != base
    assert record({"a": 1, "b": [0.1, 0.2]}, 0.4, 0.0) != base


def test_a_verdicts_record_is_json():
    verdict = verdict_on(claim_of(FALLS, below(0)), paired_columns([-1.0] * 2))
    record = json.loads(json.dumps(verdict.to_record(), allow_nan=False))
    assert record["claim"] == "C"
    assert record["said"] == verdict.claim.to_record()
    assert record["parts"][0]["low"] == "-inf"
    assert record["word"] == "undecided"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: level("y", where={"seed": 3}), "`seed`, which is the unit"),
        (lambda: level("y", where={"rate": []}), "one or more"),
        (lambda: level("y", where={"rate": [0.3, 0.1 + 0.2]}), "a level twice"),
        (
            lambda: paired_ratio(
                "y", factor="rate", treated=0.5, control=0.5, where={}
            ),
            "contrast two levels",
        ),
        (
            lambda: slope("y", factor="rate", where={"rate": 0.1}),
            "`rate`, which is the factor",
        ),
        (lambda: slope("y", factor="seed", where={}), "name another"),
        (
            lambda: adjacent_differences("y", factor="rate", levels=[1], where={}),
            "two or more",
        ),
    ],
)
def test_an_estimand_without_meaning_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- claims ---


def make_claim(parts=None, rivals=(), **more):
    parts = [Part(FALLS, below(-1, "falls"))] if parts is None else parts
    return Claim(
        **{
            "name": "C",
            "statement": "s",
            "parts": parts,
            "reason": "r",
            "source": "s",
            "rivals": rivals,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parts": []}, "no part"),
        ({"name": ""}, "needs a name"),
        ({"designs": ()}, "no design"),
        ({"parts": [Part(FALLS, below(0))] * 2}, "a part twice"),
        ({"rivals": [between(-2, 1, "stays")]}, "`falls`.*`stays`.*overlap"),
        ({"rivals": [above(1, "falls")]}, "name of their own"),
        ({"rivals": [above(1)]}, "name of their own"),
        (
            {
                "parts": [Part(FALLS, below(-1, "a")), Part(FALLS, below(-2, "b"))],
                "rivals": [above(1, "c")],
            },
            "one part",
        ),
    ],
)
def test_a_claim_that_could_not_be_judged_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        make_claim(**changes)


def test_rivals_may_share_an_edge():
    make_claim(rivals=[between(-1, 1, "stays"), above(1, "rises")])


# --- which rows ---

DESIGN = grid(
    rate=[0.0, 0.1, 0.5], feature_probability=[0.1, 0.3], noise="dropout", seeds=4
)
AT = {"feature_probability": 0.1}


@pytest.mark.parametrize(
    ("estimand", "words"),
    [
        (level("z", where={}), "no number is called `z`"),
        (level("why", where={}), "did you mean y"),
        (
            level("y", where={"feature_probabilty": 0.1}),
            "`feature_probabilty`; did you mean feature_probability",
        ),
        (
            paired_ratio("y", factor="rat", treated=1, control=0, where=AT),
            "did you mean rate",
        ),
        (
            paired_ratio("y", factor="rate", treated=0.7, control=0, where=AT),
            "no row has rate 0.7; its levels are 0, 0.1, 0.5",
        ),
        (
            level("y", where={"feature_probability": 0.2, "rate": 0}),
            "no row has feature_probability 0.2; its levels are 0.1, 0.3",
        ),
        (
            level("y", where={"rate": 0.1}),
            r"nothing fixes `feature_probability` \(0.1, 0.3\)",
        ),
        (level("y", where=AT), r"nothing fixes `rate` \(0, 0.1, 0.5\)"),
        (slope("y", factor="noise", where=AT), "needs numbers"),
        (
            slope("y", factor="feature_probability", where={"noise": "dropout"}),
            "nothing fixes `rate`",
        ),
    ],
)
def test_a_claim_about_something_else_is_refused_before_training(estimand, words):
    claim = claim_of(estimand, below(1))
    with pytest.raises(ValueError, match=rf"claim `C`: .*{words}"):
        check_claim(claim, DESIGN, ["y", "w"])


def test_a_claim_about_the_design_passes_and_says_what_it_uses():
    estimand = paired_ratio("y", factor="rate", treated=0.5, control=0, where=AT)
    claim = claim_of(estimand, below(1))
    check_claim(claim, DESIGN, ["y"])
    check_claim(claim, Table.from_design(DESIGN), {"y": (0.0, INF)})
    assert planned_seeds(claim, DESIGN) == 4
    assert arms(claim, DESIGN) == (
        {"feature_probability": 0.1, "rate": 0.5},
        {"feature_probability": 0.1, "rate": 0},
    )


def test_planned_seeds_are_those_that_every_cell_holds():
    design = grid(rate=[0.0, 0.5], seeds=10) | grid(rate=0.1, seeds=range(5, 20))
    three = slope("y", factor="rate", where={})
    assert planned_seeds(claim_of(FALLS, below(0)), design) == 10
    assert planned_seeds(claim_of(three, below(0)), design) == 5
    apart = grid(rate=0.0, seeds=3) | grid(rate=0.5, seeds=range(3, 6))
    with pytest.raises(ValueError, match="no seed has a row in every cell"):
        check_claim(claim_of(FALLS, below(0)), apart, ["y"])


def test_a_ratio_needs_a_number_that_is_never_negative():
    ratio = paired_ratio("y", factor="rate", treated=0.5, control=0, where=AT)
    with pytest.raises(ValueError, match="never negative: use paired_difference"):
        check_claim(claim_of(ratio, below(1)), DESIGN, {"y": (-1.0, INF)})


def test_a_slope_needs_two_levels():
    design = grid(rate=0.5, seeds=3)
    with pytest.raises(ValueError, match=r"has \[0.5\]; add levels"):
        check_claim(
            claim_of(slope("y", factor="rate", where={}), below(1)), design, "y"
        )


def test_levels_that_never_meet_are_refused():
    design = grid(rate=[0.0, 0.5], n=5, seeds=2) | grid(rate=0.0, n=9, seeds=2)
    estimand = level("y", where={"rate": 0.5, "n": 9})
    with pytest.raises(ValueError, match=r"no row has rate 0\.5; n 9 together"):
        check_claim(claim_of(estimand, below(1)), design, ["y"])


def test_a_factor_tied_to_the_contrast_is_not_free():
    # Each optimiser at its own tuned learning rate: nothing varies within an arm.
    design = grid(optimiser="adamw", learning_rate=1e-3, seeds=4) | grid(
        optimiser="sgd", learning_rate=1.0, seeds=4
    )
    estimand = paired_difference(
        "y", factor="optimiser", treated="sgd", control="adamw", where={}
    )
    check_claim(claim_of(estimand, below(1)), design, ["y"])


def test_levels_are_compared_to_twelve_digits():
    design = grid(rate=[0.0, 0.1 + 0.2], seeds=8)
    estimand = paired_difference("y", factor="rate", treated=0.3, control=0, where={})
    claim = claim_of(estimand, below(-0.5))
    check_claim(claim, design, ["y"])
    columns = columns_of(design, y=lambda r: -r["rate"] * 10)
    assert verdict_on(claim, columns).word == "supported"
    columns["rate"] = columns["rate"].astype(float)
    assert verdict_on(claim, columns).word == "supported"


def test_a_tuple_is_one_level_and_none_is_a_level():
    design = grid(importance=(1.0, 0.5), seeds=8) | grid(importance=None, seeds=8)
    estimand = paired_difference(
        "y", factor="importance", treated=(1.0, 0.5), control=None, where={}
    )
    columns = columns_of(design, y=lambda r: 3.0 * (r["importance"] is not None))
    verdict = verdict_on(claim_of(estimand, above(1)), columns)
    assert verdict.word == "supported"
    assert verdict.parts[0].estimate == 3.0


def test_two_equal_rows_are_refused():
    columns = paired_columns([-1.0] * 8)
    twice = {name: np.concatenate([c, c]) for name, c in columns.items()}
    with pytest.raises(ValueError, match=r"a seed has two rows within rate 0\.5"):
        verdict_on(claim_of(FALLS, below(0)), twice)


# --- estimates worked out by hand ---


def test_each_estimand_is_what_its_docstring_says():
    design = grid(rate=[0.0, 1.0, 3.0], q=[1.0, 2.0], seeds=9)
    # y = (1 + rate) * q * 2^seed-ish: seed s has the factor 2^(s - 4), median 1.
    columns = columns_of(
        design, y=lambda r: (1 + r["rate"]) * r["q"] * 2.0 ** (r["seed"] - 4)
    )
    both = {"q": [1.0, 2.0]}
    arms_ = {"factor": "rate", "treated": 3.0, "control": 0.0, "where": both}
    expected = {
        paired_difference("y", **arms_).kind: (paired_difference("y", **arms_), 4.5),
        "paired_ratio": (paired_ratio("y", **arms_), 4.0),
        "level": (level("y", where={**both, "rate": 1.0}), 3.0),
        "slope": (slope("y", factor="rate", where=both), 1.5),
        "proportion": (
            proportion("y", region=above(3.0), where={**both, "rate": 1.0}),
            5 / 9,
        ),
    }
    for estimand, value in expected.values():
        verdict = verdict_on(
            claim_of(estimand, below(100)), columns, ranges={"y": (0, INF)}
        )
        part = verdict.parts[0]
        assert part.estimate == pytest.approx(value), estimand.kind
        assert part.low <= value <= part.high
        assert (part.seeds, part.missing) == (9, 0)


def test_cells_are_averaged_within_the_seed_and_never_counted_as_units():
    design = grid(rate=[0.0, 0.5], q=[1, 2, 3, 4], seeds=5)
    columns = columns_of(design, y=lambda r: -(r["rate"] > 0) - 0.1 * r["seed"])
    estimand = paired_difference(
        "y", factor="rate", treated=0.5, control=0.0, where={"q": [1, 2, 3, 4]}
    )
    verdict = verdict_on(claim_of(estimand, below(0)), columns)
    assert verdict.word == "undecided"  # 5 seeds, not 20: 2 / 2^5 > 0.05
    assert verdict.seeds == 5


def test_monotonicity_is_a_conjunction_of_adjacent_differences():
    design = grid(rate=[0.0, 0.1, 0.5], seeds=12)
    steps = adjacent_differences("y", factor="rate", levels=[0.0, 0.1, 0.5], where={})
    claim = claim_of(steps[0], below(0.1), Part(steps[1], below(0.1)))
    down = columns_of(design, y=lambda r: -r["rate"] + 0.01 * r["seed"])
    assert verdict_on(claim, down).word == "supported"
    bump = columns_of(design, y=lambda r: float(r["rate"] == 0.1))
    assert verdict_on(claim, bump).word == "refuted"


# --- the verdict rule ---

SPREAD = np.linspace(-0.5, 0.5, 11)  # at level .95: x_(2) = -0.4 to x_(10) = 0.4


@pytest.mark.parametrize(
    ("region", "word"),
    [
        (below(3.41), "supported"),
        (below(3.4), "supported"),  # the edge belongs to the region
        (below(3.39), "undecided"),
        (below(2.61), "undecided"),
        (below(2.6), "undecided"),
        (below(2.59), "refuted"),
        (between(2.59, 3.41), "supported"),
        (above(3.41), "refuted"),
        (below(2.5) | above(2.59), "supported"),
        (below(2.9) | above(3.0), "undecided"),  # inside neither interval of the union
        (below(2.5) | above(3.5), "refuted"),
    ],
)
def test_supported_inside_refuted_outside_undecided_otherwise(region, word):
    verdict = verdict_on(claim_of(FALLS, region), paired_columns(3.0 + SPREAD))
    part = verdict.parts[0]
    assert (part.low, part.high) == pytest.approx((2.6, 3.4))
    assert part.level == 0.95
    assert verdict.word == word
    assert bool(verdict.reasons) == (word == "undecided")


def test_a_conjunction_is_refuted_by_one_part_and_needs_all_to_be_supported():
    design = grid(rate=[0.0, 0.1, 0.5], seeds=12)
    columns = columns_of(design, y=lambda r: r["rate"] + 0.01 * r["seed"])
    columns["y"][(columns["rate"] == 0.5)] += np.linspace(-2, 2, 12)

    def to(rate, region):
        estimand = paired_difference(
            "y", factor="rate", treated=rate, control=0.0, where={}
        )
        return Part(estimand, region)

    true, false, open_ = to(0.1, above(0.05)), to(0.1, below(0.05)), to(0.5, above(0))
    words = {
        (true, open_): "undecided",
        (true, false): "refuted",
        (open_, false): "refuted",
    }
    for (one, two), word in words.items():
        verdict = verdict_on(claim_of(one.estimand, one.region, two), columns)
        assert verdict.word == word


def test_the_whole_family_shares_the_error():
    columns = paired_columns(3.0 + SPREAD)
    claims = [
        Claim(f"C{i}", "s", [Part(FALLS, below(3.41 + i))], "r", "s") for i in range(5)
    ]
    planned = {f"C{i}": 11 for i in range(5)}
    verdicts = judge(claims, columns, alpha=0.05, planned_seeds=planned, **FACTS)
    assert {v.parts[0].level for v in verdicts} == {0.99}
    assert verdicts[0].word == "undecided"  # now x_(1) to x_(11)
    assert verdicts[0].parts[0].high == pytest.approx(3.5)
    assert judge([], columns, alpha=0.05, planned_seeds={}, **FACTS) == ()


@pytest.mark.parametrize(
    ("shift", "word", "holds"),
    [
        (-3.0, "supported", "falls"),
        (0.0, "refuted", "stays"),
        (3.0, "refuted", "rises"),
        (-1.0, "undecided", ""),
        (1.0, "refuted", ""),
    ],
)
def test_of_rivals_the_verdict_says_which_holds(shift, word, holds):
    rivals = [between(-1, 1, "stays"), above(1, "rises")]
    claim = claim_of(FALLS, below(-1, "falls"), rivals=rivals)
    verdict = verdict_on(claim, paired_columns(shift + SPREAD))
    assert (verdict.word, verdict.holds) == (word, holds)


def test_too_few_seeds_decide_nothing_and_the_reason_says_how_many_would():
    verdict = verdict_on(
        claim_of(FALLS, below(0)), paired_columns([-9.0] * 5), planned=20
    )
    part = verdict.parts[0]
    assert (part.low, part.high, verdict.word) == (-INF, INF, "undecided")
    assert (
        "5 seeds are too few for an interval at level 0.95; it needs 6"
        in (verdict.reasons[0])
    )
    assert verdict.standing == "interim"
    assert verdict.seeds_needed is not None
    assert verdict.seeds_needed > 5


def test_equal_values_are_judged_by_the_resolution():
    columns = paired_columns([-1.0] * 20)
    count = {"resolutions": {"y": 1.0}}
    assert verdict_on(claim_of(FALLS, below(-1)), columns, **count).word == "undecided"
    assert verdict_on(claim_of(FALLS, below(0)), columns, **count).word == "supported"
    assert verdict_on(claim_of(FALLS, above(0.5)), columns, **count).word == "refuted"


# --- missing, diverged, not there yet ---


def test_missing_pairs_enter_at_both_ends_of_the_declared_range():
    differences = np.full(12, -0.8)
    columns = paired_columns(differences, control=0.9)
    # At level .95, n = 12 the ends are x_(3) and x_(10): two lost pairs do not matter
    # for the word, three reach the end of the range [-1, 1] of the difference.
    facts = {"ranges": {"y": (0.0, 1.0)}}
    claim = claim_of(FALLS, below(-0.5))
    treated = np.flatnonzero(columns["rate"] == 0.5)
    for lost, word in ((2, "supported"), (3, "undecided")):
        columns["y"][treated[:lost]] = math.nan
        verdict = verdict_on(claim, columns, **facts)
        part = verdict.parts[0]
        assert (verdict.word, part.seeds, part.missing) == (word, 12, lost)
        assert part.estimate == pytest.approx(-0.8)
    assert part.high == 1.0
    assert "3 of 12 seeds are missing" in part.reason
    assert verdict.missing == 3


@pytest.mark.parametrize("value", [math.nan, INF, -INF])
def test_only_finite_numbers_are_values(value):
    columns = paired_columns(3.0 + SPREAD)
    columns["y"][0] = value
    assert verdict_on(claim_of(FALLS, above(0)), columns).missing == 1


def test_a_seed_with_one_arm_is_missing_and_one_with_none_is_not_counted():
    columns = paired_columns(3.0 + SPREAD)
    rows = np.ones(22, dtype=bool)
    rows[[0, 1, 12]] = False  # seed 0 lacks control, seed 1 lacks both
    kept = {name: column[rows] for name, column in columns.items()}
    for verdict in (
        verdict_on(claim_of(FALLS, above(0)), kept),
        verdict_on(claim_of(FALLS, above(0)), columns, made=rows),
    ):
        assert (verdict.parts[0].seeds, verdict.missing) == (10, 1)


def test_a_seed_that_the_design_gives_to_one_arm_only_is_no_pair():
    design = grid(rate=0.0, seeds=30) | grid(rate=0.5, seeds=11)
    columns = columns_of(design, y=lambda r: 3.0 * (r["rate"] > 0) + 0.01 * r["seed"])
    made = np.ones(len(design), dtype=bool)
    verdict = verdict_on(claim_of(FALLS, above(0)), columns, made=made)
    assert (verdict.word, verdict.seeds, verdict.missing) == ("supported", 11, 0)
    made[-4:] = False  # planned, reached by the control and not yet by the treated
    verdict = verdict_on(claim_of(FALLS, above(0)), columns, made=made)
    assert (verdict.word, verdict.seeds, verdict.missing) == ("undecided", 11, 4)
    # Without the plan nobody can tell what was lost: all thirty count.
    verdict = verdict_on(claim_of(FALLS, above(0)), columns)
    assert (verdict.word, verdict.seeds, verdict.missing) == ("undecided", 30, 19)


def test_a_whole_arm_missing_is_undecided_in_words():
    columns = paired_columns(3.0 + SPREAD)
    control = columns["rate"] == 0.0
    kept = {name: column[control] for name, column in columns.items()}
    verdict = verdict_on(claim_of(FALLS, above(0)), kept)
    assert verdict.word == "undecided"
    assert verdict.reasons == ("no row at rate 0.5",)
    assert verdict.seeds_needed is None
    lost = {**columns, "y": np.where(control, columns["y"], math.nan)}
    verdict = verdict_on(claim_of(FALLS, above(0)), lost)
    assert verdict.reasons == ("`y` is undefined or missing for all 11 seeds",)
    assert math.isnan(verdict.parts[0].estimate)
    none = verdict_on(claim_of(FALLS, above(0)), columns, made=np.zeros(22, dtype=bool))
    assert none.reasons == ("no seed has a row yet",)
    line = verdict_on(
        claim_of(slope("y", factor="rate", where={}), above(0)), kept
    ).reasons
    assert line == ("no row at two or more levels of rate",)


def test_what_a_measure_made_of_a_diverged_model_does_not_count():
    columns = paired_columns(3.0 + SPREAD)
    diverged = (columns["rate"] == 0.5) & (columns["seed"] < 6)
    claim = claim_of(FALLS, above(0))
    assert verdict_on(claim, columns).word == "supported"
    verdict = verdict_on(claim, columns, diverged=diverged)
    assert (verdict.word, verdict.missing) == ("undecided", 6)


def test_divergence_itself_can_be_asked_about():
    columns = paired_columns(3.0 + SPREAD)
    diverged = (columns["rate"] == 0.5) & (columns["seed"] < 10)
    columns["diverged"] = diverged.astype(float)
    often = proportion("diverged", region=above(0.5), where={"rate": 0.5})
    verdict = verdict_on(
        claim_of(often, above(0.5)),
        columns,
        diverged=diverged,
        ranges={"y": (-INF, INF), "diverged": (0, 1)},
        resolutions={"diverged": 1.0},
    )
    assert (verdict.word, verdict.missing) == ("supported", 0)


def test_missing_seeds_count_both_ways_in_a_share():
    columns = paired_columns(np.ones(20))
    columns["y"][(columns["rate"] == 0.5) & (columns["seed"] < 4)] = math.nan
    share = proportion("y", region=above(0.5), where={"rate": 0.5})
    part = verdict_on(claim_of(share, above(0.9)), columns).parts[0]
    # 16 of 20 at worst: betaincinv(16, 5, 0.025) = 0.563; 20 of 20 at best.
    assert part.low == pytest.approx(0.563, abs=1e-3)
    assert part.high == 1.0
    assert part.estimate == 1.0


def test_a_ratio_is_undefined_where_the_control_is_zero():
    columns = paired_columns(1.0 + SPREAD, control=1.0)
    columns["y"][(columns["rate"] == 0) & (columns["seed"] == 0)] = 0.0
    columns["y"][(columns["rate"] == 0.5) & (columns["seed"] == 1)] = 0.0
    ratio = paired_ratio("y", factor="rate", treated=0.5, control=0, where={})
    verdict = verdict_on(claim_of(ratio, above(1)), columns, ranges={"y": (0, INF)})
    assert verdict.missing == 1
    with pytest.raises(ValueError, match="never negative"):
        verdict_on(claim_of(ratio, above(1)), columns)


def test_a_value_outside_its_declared_range_leaves_its_part_undecided():
    columns = paired_columns(SPREAD)
    columns["z"] = columns["y"] + 3.0
    facts = {
        "ranges": {"y": (0, 0.3), "z": (-INF, INF)},
        "resolutions": {"y": 1e-6, "z": 1e-6},
    }
    claims = [
        claim_of(FALLS, below(9.0)),
        claim_of(level("z", where={"rate": 0.5}), above(1)),
    ]
    claims[1] = replace(claims[1], name="D")
    plan = {"C": 11, "D": 11}
    broken, sound = judge(claims, columns, alpha=0.05, planned_seeds=plan, **facts)
    assert (broken.word, sound.word) == ("undecided", "supported")
    assert broken.parts[0].low == -INF
    assert broken.seeds_needed is None
    assert "-0.5 in a row, and its declared range is [0, 0.3]" in broken.reasons[0]


def test_missing_seeds_without_a_declared_range_are_what_the_reason_names():
    design = grid(rate=0.5, seeds=20)
    columns = columns_of(design, y=lambda r: math.nan if r["seed"] < 8 else 1.0)
    verdict = verdict_on(claim_of(level("y", where={}), above(0)), columns)
    (reason,) = verdict.reasons
    assert reason.startswith("8 of 20 seeds are missing, and with the range declared")


def test_a_ratio_to_zero_says_so():
    columns = paired_columns(np.ones(20))
    ratio = paired_ratio("y", factor="rate", treated=0.5, control=0.0, where={})
    verdict = verdict_on(claim_of(ratio, above(2)), columns, ranges={"y": (0, INF)})
    assert "`y` at rate 0.0 is 0 in 20 of 20 seeds" in verdict.reasons[0]


def test_a_resolution_that_hides_the_answer_is_named():
    columns = paired_columns(np.linspace(1e-9, 2e-9, 20), control=1e-8)
    verdict = verdict_on(claim_of(FALLS, above(5e-10)), columns)
    assert "differences below 1e-06 can not be seen" in verdict.reasons[0]
    finer = verdict_on(claim_of(FALLS, above(5e-10)), columns, resolutions={"y": 1e-12})
    assert finer.word == "supported"


@pytest.fixture
def unchecked():
    """As it is for a user: no annotation is checked when tegum is called."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: make_claim(parts=Part(FALLS, above(0))), r"`parts` holds Part\("),
        (
            lambda: make_claim(parts=[FALLS]),
            r"`parts` holds Estimand.*\[Part\(\.\.\.\)",
        ),
        (lambda: make_claim(rivals=above(0, "up")), "`rivals` holds Region"),
        (lambda: make_claim(designs="demo"), r"`designs` holds 'demo'; give a list"),
        (lambda: make_claim(statement=None), "`statement` is None; give a text"),
        (lambda: above("0.1"), "has the end '0.1'; give a number"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_tuple_of_levels_in_a_claim_says_what_a_list_would_do():
    claim = claim_of(level("y", where={"rate": (0.0, 0.5)}), above(0))
    with pytest.raises(ValueError, match="a tuple is one value: a list holds levels"):
        check_claim(claim, grid(rate=[0.0, 0.5], seeds=3), ["y"])


# --- what else differs ---


def tuned(arms, **more):
    design = Design.from_rows(
        {**arm, **more, "seed": seed} for arm in arms for seed in range(10)
    )
    return columns_of(design, y=lambda r: r["rate"] + 0.01 * r["seed"])


def test_what_else_differs_between_the_arms_is_said_and_decides_nothing():
    alone = tuned([{"rate": 0.0, "lr": 0.1}, {"rate": 0.5, "lr": 0.1}])
    both = tuned([{"rate": 0.0, "lr": 0.1}, {"rate": 0.5, "lr": 0.2}])
    silent = verdict_on(claim_of(FALLS, above(0.1)), alone)
    verdict = verdict_on(claim_of(FALLS, above(0.1)), both)
    note = "the arms also differ in lr: 0.2 against 0.1"
    assert (silent.word, silent.reasons) == ("supported", ())
    assert (verdict.word, verdict.reasons) == ("supported", (note,))
    assert verdict.parts[0].reason == ""
    assert note in verdict.describe()
    assert verdict.to_record()["reasons"] == [note]
    assert verdict.to_record()["parts"][0]["notes"] == [note]


def test_a_difference_in_some_cells_only_says_in_which():
    rows = [{"rate": r, "q": q, "steps": 1} for r in (0.0, 0.5) for q in (0.1, 0.9)]
    rows[3]["steps"] = 9
    columns = tuned(rows)
    where = {"q": [0.1, 0.9]}
    estimand = paired_difference(
        "y", factor="rate", treated=0.5, control=0.0, where=where
    )
    verdict = verdict_on(claim_of(estimand, above(0.1)), columns)
    assert verdict.reasons == ("the arms also differ in steps: 9 against 1 at q 0.9",)


def test_a_factor_that_varies_along_a_slope_is_said():
    columns = tuned([{"rate": r, "lr": r / 5} for r in (0.0, 0.25, 0.5)])
    verdict = verdict_on(
        claim_of(slope("y", factor="rate", where={}), above(0.1)), columns
    )
    assert verdict.reasons == ("lr also varies along rate: 0, 0.05, 0.1",)
    assert verdict.word == "supported"


# --- convergence ---


def test_no_verdict_before_convergence():
    columns = paired_columns(3.0 + SPREAD)
    claim = claim_of(FALLS, above(0))
    slow = (columns["rate"] == 0.5) & (columns["seed"] < 6)
    columns["fall"] = np.where(slow, 0.2, 0.001)
    facts = {"ranges": {"y": (-INF, INF), "fall": (-1, INF)}}
    verdict = verdict_on(claim, columns, convergence=("fall", 0.01), **facts)
    assert verdict.word == "undecided"
    assert verdict.parts[0].word == "supported"
    assert verdict.reasons == (
        "not converged at rate 0.5: fall is 0.2 in the median over seeds, and the "
        "limit is 0.01",
    )
    assert verdict.seeds_needed is None
    columns["fall"][(columns["rate"] == 0.5) & (columns["seed"] == 5)] = 0.01
    for known in (facts, {}):
        verdict = verdict_on(claim, columns, convergence=("fall", 0.01), **known)
        assert verdict.word == "supported"


@pytest.mark.parametrize("side", [1, -1])
def test_a_loss_that_rises_has_converged_no_more_than_one_that_falls(side):
    columns = paired_columns(3.0 + SPREAD)
    columns["fall"] = side * np.where(columns["rate"] == 0.5, 0.2, 0.01)
    verdict = verdict_on(claim_of(FALLS, above(0)), columns, convergence=("fall", 0.01))
    assert verdict.word == "undecided"
    (reason,) = verdict.reasons
    assert ("is -0.2" in reason and "limit is -0.01" in reason) == (side < 0)
    columns["fall"] = side * np.full(len(columns["fall"]), 0.01)
    verdict = verdict_on(claim_of(FALLS, above(0)), columns, convergence=("fall", 0.01))
    assert verdict.word == "supported"


@pytest.mark.parametrize("side", [1, -1])
def test_undefined_falls_count_against_convergence_on_either_side(side):
    columns = paired_columns(3.0 + SPREAD)
    falls = side * np.array([0.05] * 4 + [0.0] * 7)
    falls[-3:] = math.nan
    columns["fall"] = falls[columns["seed"].astype(int)]
    verdict = verdict_on(claim_of(FALLS, above(0)), columns, convergence=("fall", 0.01))
    assert "not converged" in verdict.reasons[0]


def test_convergence_is_asked_only_of_the_arms_a_claim_uses():
    design = grid(rate=[0.0, 0.5, 0.9], seeds=8)
    columns = columns_of(
        design, y=lambda r: r["rate"], fall=lambda r: float(r["rate"] == 0.9)
    )
    assert verdict_on(
        claim_of(FALLS, above(0)), columns, convergence=("fall", 0.1)
    ).word
    words = {}
    for treated in (0.5, 0.9):
        estimand = paired_difference(
            "y", factor="rate", treated=treated, control=0.0, where={}
        )
        claim = claim_of(estimand, above(0))
        words[treated] = verdict_on(claim, columns, convergence=("fall", 0.1)).word
    assert words == {0.5: "supported", 0.9: "undecided"}


def test_a_diverged_or_unmeasured_arm_has_not_converged():
    columns = paired_columns(3.0 + SPREAD)
    columns["fall"] = np.where(columns["rate"] == 0.5, math.nan, 0.0)
    verdict = verdict_on(claim_of(FALLS, above(0)), columns, convergence=("fall", 0.01))
    assert "not measured or diverged" in verdict.reasons[0]


# --- judge: what a caller may get wrong ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"planned_seeds": {}}, "no entry for the claim `C`"),
        ({"alpha": 0.0}, r"alpha is 0.0.*\(0, 1\)"),
        ({"ranges": {}, "factors": ("rate", "seed")}, "number is called `y`"),
        ({"resolutions": {}}, "declared resolution of a number is called `y`"),
        ({"convergence": ("fal", 0.1)}, "no number is called `fal`"),
        ({"factors": ("rate",)}, "no column `seed`"),
        ({"made": np.ones(3, dtype=bool)}, "one for each row"),
    ],
)
def test_a_wrong_call_of_judge_says_what_is_wrong(change, words):
    call = {"alpha": 0.05, "planned_seeds": {"C": 11}, **FACTS, **change}
    with pytest.raises(ValueError, match=words):
        judge([claim_of(FALLS, above(0))], paired_columns(SPREAD), **call)


def test_two_claims_of_one_name_are_refused():
    claims = [claim_of(FALLS, above(0)), claim_of(FALLS, below(0))]
    with pytest.raises(ValueError, match="two claims are called C"):
        judge(
            claims, paired_columns(SPREAD), alpha=0.05, planned_seeds={"C": 1}, **FACTS
        )


def test_columns_that_are_no_factors_can_be_left_aside():
    columns = paired_columns(3.0 + SPREAD)
    columns["key"] = np.array([f"k{i}" for i in range(22)], dtype=object)
    claim = claim_of(FALLS, above(0))
    assert verdict_on(claim, columns, factors=("rate", "seed")).word == "supported"
    with pytest.raises(ValueError, match="nothing fixes `key`"):
        verdict_on(claim, columns)


# --- planning ---


def test_an_undecided_claim_says_how_many_seeds_would_decide_it():
    rng = np.random.default_rng(3)
    claim = claim_of(FALLS, above(0))
    verdict = verdict_on(claim, paired_columns(rng.normal(0.7, 1, 8)), planned=8)
    assert verdict.word == "undecided"
    assert verdict.seeds_needed is not None
    decided = [
        verdict_on(claim, paired_columns(rng.normal(0.7, 1, verdict.seeds_needed))).word
        for _ in range(60)
    ]
    assert decided.count("supported") >= 30
    at_edge = verdict_on(claim, paired_columns(SPREAD[::2] + 0.05))
    # Three of the six seeds fall on either side of 0.
    assert (at_edge.word, at_edge.seeds_needed) == ("undecided", None)


def test_a_pilot_plans_a_family():
    rng = np.random.default_rng(5)
    pilot = paired_columns(rng.normal(3, 1, 12))
    clear = Claim("clear", "s", [Part(FALLS, above(0))], "r", "s")
    close = Claim("close", "s", [Part(FALLS, above(2.5))], "r", "s")
    edge = Claim("edge", "s", [Part(FALLS, above(3.0))], "r", "s")
    plan = plan_seeds([clear, close, edge], pilot, alpha=0.04, power=0.9, **FACTS)
    assert plan["clear"] is not None
    assert plan["close"] is None or plan["close"] > plan["clear"]
    assert plan["edge"] is None or plan["edge"] > plan["clear"]
    alone = plan_seeds([clear], pilot, alpha=0.04, power=0.9, **FACTS)
    assert alone["clear"] is not None
    assert alone["clear"] <= plan["clear"]


def test_the_next_looks_error_makes_more_seeds_needed():
    columns = paired_columns(np.random.default_rng(7).normal(0.9, 1, 10))
    claim = claim_of(FALLS, above(0))
    now = verdict_on(claim, columns, alpha=0.01).seeds_needed
    then = verdict_on(claim, columns, alpha=0.01, alpha_next=0.002).seeds_needed
    assert now is not None
    assert then is not None
    assert then >= now


# --- size ---


def test_sixty_parts_over_many_rows_take_well_under_a_second():
    design = grid(
        rate=[0.0, 0.1, 0.3, 0.5],
        q=[1.0, 0.3, 0.1],
        decay=[1.0, 0.9],
        n=20,
        noise="dropout",
        seeds=400,
    )
    rng = np.random.default_rng(0)
    columns = columns_of(design, y=lambda r: rng.standard_normal())
    claims = [
        Claim(
            f"C{i}",
            "s",
            [
                Part(
                    paired_difference(
                        "y",
                        factor="rate",
                        treated=rate,
                        control=0.0,
                        where={"q": q, "decay": [1.0, 0.9]},
                    ),
                    below(-0.1 - i),
                )
                for rate in (0.1, 0.3, 0.5)
                for q in (1.0, 0.3, 0.1)
            ],
            "r",
            "s",
        )
        for i in range(7)
    ]
    planned = {claim.name: 400 for claim in claims}
    start = time.process_time()
    judge(claims, columns, alpha=0.05, planned_seeds=planned, **FACTS)
    assert time.process_time() - start < 1.0


def test_a_factor_that_a_row_omits_is_none():
    design = Design.from_rows([{"rate": 0.0, "seed": 1}, {"seed": 2}])
    table = Table.from_design(design)
    assert table.levels["rate"] == (0.0, None)


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_claims_changes_nothing(random):
    columns = columns_of(
        DESIGN, y=lambda r: math.sin(7 * r["seed"] + 3 * r["rate"]) + r["rate"]
    )
    estimand = paired_difference("y", factor="rate", treated=0.5, control=0, where=AT)
    claims = [
        Claim("up", "s", [Part(estimand, above(0.0))], "r", "s"),
        Claim(
            "line", "s", [Part(slope("y", factor="rate", where=AT), above(0))], "r", ""
        ),
    ]
    call = {"alpha": 0.9, "planned_seeds": {"up": 4, "line": 4}, **FACTS}
    before = {v.claim.name: v for v in judge(claims, columns, **call)}
    order = list(range(len(DESIGN)))
    random.shuffle(order)
    mixed = {name: column[order] for name, column in columns.items()}
    after = {v.claim.name: v for v in judge(claims[::-1], mixed, **call)}
    assert before == after
