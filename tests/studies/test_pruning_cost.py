"""What pruning costs: the ladders' laws, the fits, claims, answer and pictures."""

from dataclasses import replace

import numpy as np
import pytest

from studies import invented
from tegum.arrays import Artifact
from tegum.store import Store
from tegum.store.places import Memory
from tegum.studies import _pruning_figures as figures
from tegum.studies import _pruning_maps as maps
from tegum.studies import _pruning_measures as measures
from tegum.studies import _pruning_picture as picture
from tegum.studies import pruning_cost as asked
from tegum.studies._pruning_answer import CONTROL_CLAIMS
from tegum.studies._pruning_ladders import SIZES, TOGETHER, PruningLadders
from tegum.studies._pruning_measures import CHECKS, PRUNING, forecasts, power_law
from tegum.studies._pruning_regimes import regimes

STUDY = asked.STUDY
SMALL = (8, 9, 11, 12, 14, 16)
SUBJECT = PruningLadders()


def row(**factors):
    usual = {"sizes": SMALL, "coupling": 0.0, "seed": 1_000_900}
    return SUBJECT.complete([{**usual, **factors}])[0]


def trained(rows, workers=1):
    return SUBJECT.train(
        rows, workers=workers, progress=lambda share: None, stop=lambda: False
    )


@pytest.fixture(scope="module")
def ladder():
    (artifact,) = trained([row()])
    return artifact


# --- ladders -------------------------------------------------------------------------


def test_a_row_is_the_same_bits_alone_and_among_others(ladder):
    rows = [row(coupling=0.8), row(control="oracle shuffled"), row()]
    for workers in (1, 2):
        again = trained(rows, workers=workers)[2]
        assert set(again.arrays) == set(ladder.arrays)
        for name, values in ladder.arrays.items():
            assert values.tobytes() == again.arrays[name].tobytes(), name


def test_a_stop_leaves_no_half_ladder():
    found = SUBJECT.train(
        [row()], workers=1, progress=lambda share: None, stop=lambda: True
    )
    assert found == [None]


def test_eager_inspection_of_complete_data_sees_every_state_once(ladder):
    assert (ladder.arrays["eager"][:, 1] == ladder.arrays["states"]).all()
    assert (ladder.arrays["eager"][:, 0] > ladder.arrays["states"]).all()


def test_eager_search_is_shown_every_state_and_pays_for_each_query(ladder):
    shown = ladder.arrays["eager_search"]
    assert (shown[:, 0] == ladder.arrays["states"]).all()
    assert (shown[:, 1] >= maps.MATCHED).all()


def test_starting_over_costs_data_a_whole_solution_for_each_refusal():
    arrays = {
        "matched": np.array([[[50, 1000, 9], [50, 250, 4]]] * 2),
        "eager": np.array([[4000, 100, 500, 300]] * 2),
        "eager_search": np.array([[100, 50]] * 2),
    }
    found = measures._operations(arrays)
    assert found["matched_operations_ratio"] == 0.25
    assert found["restarted_operations_ratio"] == 1.7  # (500 + 4 * 300) / 1000
    assert found["eager_operations_ratio"] == 10.0


def test_breaches_are_maps_on_which_a_certificate_left_too_much(ladder):
    for side, number in enumerate(("certificate_breaches", "search_breaches")):
        left = np.zeros_like(ladder.arrays["left"])
        for many in (0, 2):
            left[:many, side] = 0.06
            changed = Artifact({**ladder.arrays, "left": left})
            assert PRUNING(changed, row())[number] == many


def test_certificates_are_compared_where_search_earned_one(ladder):
    """Twice the checks, as many questions, a quarter of the operations."""
    arrays = {**ladder.arrays, "certificate": ladder.arrays["certificate"].copy()}
    data, search = arrays["certificate"][:, 0], arrays["certificate"][:, 1]
    search[:] = data // 2
    search[:, 1], search[:, 4] = data[:, 1], 4 * data[:, 4]
    data[:, 0] = 2 * search[:, 0]
    found = PRUNING(Artifact(arrays), row())
    assert found["certificate_ratio"] == pytest.approx(2.0)
    assert found["certificate_raw_ratio"] == pytest.approx(1.0)
    assert found["certificate_operations_ratio"] == pytest.approx(0.25)
    assert found["certificate_exponent_gap"] == pytest.approx(0.0, abs=1e-12)
    search[:] = -1
    assert np.isnan(PRUNING(Artifact(arrays), row())["certificate_ratio"])


def test_both_certificates_keep_their_promise(ladder):
    assert (ladder.arrays["certificate"] > 0).all()
    assert (ladder.arrays["left"] <= 0.05).mean() >= 0.8


@pytest.mark.parametrize(
    "factors",
    [{"coupling": -0.8}, {"misses": 0.1}, {"false_alarms": 0.1}, {"patch_share": 0.1}],
)
def test_search_earns_no_certificate_where_none_is_compared(factors):
    (artifact,) = trained([row(**factors)])
    assert (artifact.arrays["certificate"][:, 1] == -1).all()
    assert artifact.arrays["history"].shape[0] == 0
    for measure in (PRUNING, CHECKS):
        for number, value in measure(artifact, row(**factors)).items():
            low, high = measure.range_of(number)
            assert np.isnan(value) or low <= value <= high, number


def test_false_alarms_cost_queries_and_leave_nothing_unwanted():
    (artifact,) = trained([row(false_alarms=0.2)])
    before, after, failed, unsolved, cut_off = artifact.arrays["rates"].T
    assert (after == 0.0).all()
    np.testing.assert_allclose(failed, unsolved)
    assert (cut_off <= unsolved).all()
    assert unsolved.mean() > 0.2
    assert (before > 0.0).any()


def test_patches_grow_with_the_map():
    """Cells that lie together are unwanted together: neighbours agree more often."""
    agree = {}
    for share in (0.0, 0.1):
        problem, _, _ = maps.drawn(row(patch_share=share), size=30)
        near = problem.unwanted[problem.successor[:, :, 0]]
        agree[share] = (near == problem.unwanted[:, None]).mean()
    assert agree[0.1] > agree[0.0] + 0.15


def test_audits_and_filters_take_the_same_from_both_sides(ladder):
    """On the smallest maps 200 answers are all there are, and leave nothing."""
    states = ladder.arrays["states"][:-1]
    small = ladder.arrays["filter"][:-1][states <= 200]
    assert (small[:, :, 0] == 0.0).all()
    assert (ladder.arrays["audit"][-1] == -1.0).all()


def test_more_queries_never_ask_less_and_never_more_than_every_state(ladder):
    for place, checks in enumerate(ladder.arrays["together"][:, :, 0]):
        known = checks[checks >= 0]
        assert (np.diff(known) >= 0).all()
        assert known[-1] <= ladder.arrays["states"][place]


def test_a_perfect_oracle_leaves_nothing_and_solves_every_query(ladder):
    rates = ladder.arrays["rates"]
    assert (rates[:, 0] > 0.0).any()
    assert (rates[:, 1:] == 0.0).all()


def test_matched_sides_ask_as_much_with_ties_at_random(ladder):
    checks = ladder.arrays["matched"][:-1, :, 0].astype(float)
    ratio = np.log(checks[:, 1] / checks[:, 0])
    assert abs(ratio.mean()) < 0.15


def test_with_fixed_ties_search_and_data_ask_the_very_same():
    problem, oracle, _ = maps.drawn(row(), size=12)
    sides = (
        maps.search_side(problem, seed=3),
        maps.data_side(problem, experience=maps.COMPLETE, seed=3),
    )
    searched, learned = (
        maps.prune_lazily(side, oracle, starts=problem.starts[:10], budget=10**9)[0]
        for side in sides
    )
    assert searched.asked.tolist() == learned.asked.tolist()


def test_shuffled_labels_are_as_many_and_elsewhere():
    coupled, _, _ = maps.drawn(row(coupling=0.8), size=16)
    moved, oracle, _ = maps.drawn(row(coupling=0.8, control="labels shuffled"), size=16)
    assert coupled.unwanted.sum() == moved.unwanted.sum()
    assert (coupled.unwanted != moved.unwanted).any()
    assert (oracle.says == moved.unwanted).all()
    assert not moved.unwanted[moved.starts].any()


def test_a_shuffled_oracle_says_nothing_and_pruning_by_it_does_not_help():
    problem, oracle, _ = maps.drawn(row(control="oracle shuffled"), size=16)
    assert oracle.says.sum() == problem.unwanted.sum()
    (artifact,) = trained([row(control="oracle shuffled")])
    assert artifact.arrays["rates"][2:, 2].mean() > 0.5


def test_what_an_oracle_misses_is_met_on_the_way():
    (artifact,) = trained([row(misses=0.3)])
    found = PRUNING(artifact, row(misses=0.3))
    assert found["rate_after"] > 0.0
    assert np.isfinite(found["missed_selection"])


def test_passed_counts_what_a_walk_counts():
    problem, oracle, _ = maps.drawn(row(misses=0.5), size=9)
    side = maps.data_side(problem, experience=maps.COMPLETE, seed=0)
    outcome, _ = maps.prune_lazily(side, oracle, starts=problem.starts, budget=10**9)
    steps = bad = 0
    for start, solved in zip(problem.starts, outcome.execution.solved, strict=True):
        at = start
        while solved and not problem.terminal[at]:
            at = problem.successor[at, outcome.policy[at].argmax(), 0]
            if not problem.terminal[at]:
                steps, bad = steps + 1, bad + int(problem.unwanted[at])
    assert maps.passed(problem, oracle, outcome)[:2].tolist() == [steps, bad]


@pytest.mark.parametrize("size", [16])
def test_history_is_beyond_pruning_trajectories_and_not_beyond_search(size):
    found = np.mean(
        [maps.history_rates(row(seed=1_000_900 + k), size=size) for k in range(3)], 0
    )
    before, after, longer, solved, product, product_solved, share = found
    assert before > after > 0.0
    assert longer > 0.0
    assert solved > 0.4
    assert product == 0.0
    assert product_solved == 1.0
    assert 0.0 < share < 1.0


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"sizes": (8, 16)}, "five or more"),
        ({"sizes": (8, 16, 12, 20, 24)}, "ascending"),
        ({"control": "none at all"}, "must be one of"),
        ({"control": "oracle shuffled", "misses": 0.1}, "leave one of them out"),
        ({"control": "oracle shuffled", "false_alarms": 0.1}, "leave one of them out"),
        ({"patch_share": 2.0}, "scatters"),
    ],
)
def test_a_ladder_that_can_not_be_climbed_is_refused(factors, words):
    with pytest.raises(ValueError, match=words):
        row(**factors)


# --- fits ----------------------------------------------------------------------------

STATES = np.array([200.0, 400.0, 800.0, 1600.0, 3200.0])


def test_a_power_law_is_found_and_forecast_exactly():
    level, exponent = power_law(STATES, 3.0 * STATES**0.7)
    assert (level, exponent) == pytest.approx((np.log2(3.0), 0.7))
    said = forecasts(STATES, 3.0 * STATES**0.7, at=6400.0)
    assert said["power"] == pytest.approx(np.log2(3.0 * 6400.0**0.7))
    assert said["slogs"] > said["power"] > said["saturation"]


def test_s_log_s_is_forecast_exactly_and_looks_like_an_exponent_above_1():
    cost = 0.5 * STATES * np.log2(STATES)
    said = forecasts(STATES, cost, at=6400.0)
    assert said["slogs"] == pytest.approx(np.log2(0.5 * 6400 * np.log2(6400.0)))
    assert 1.1 < power_law(STATES, cost)[1] < 1.2


def test_saturation_is_forecast_nearly_exactly():
    def cost(s):
        return 900.0 * s / (s + 1000.0)

    said = forecasts(STATES, cost(STATES), at=6400.0)
    assert said["saturation"] == pytest.approx(np.log2(cost(6400.0)), abs=0.01)
    assert said["power"] > said["saturation"] + 0.1


def test_measures_declare_ranges_that_hold(ladder):
    for measure in (PRUNING, CHECKS):
        for number, value in measure(ladder, row()).items():
            low, high = measure.range_of(number)
            assert np.isnan(value) or low <= value <= high, number


def test_where_an_oracle_errs_in_nothing_its_mistakes_are_undefined(ladder):
    found = PRUNING(ladder, row())
    assert np.isnan(found["missed_selection"])
    assert found["share_all"] == pytest.approx(
        ladder.arrays["together"][-2, -1, 0] / ladder.arrays["states"][-2]
    )


def test_checks_are_given_for_the_sizes_that_were_climbed(ladder):
    found = CHECKS(ladder, row())
    assert found["states_at_16"] == ladder.arrays["states"][-1]
    assert np.isnan(found["states_at_128"])
    assert found["queries_16_share"] < found["queries_all_share"] <= 1.0
    assert len(TOGETHER) == 4


# --- the study -----------------------------------------------------------------------


def test_its_seeds_are_its_own():
    for design in STUDY.designs:
        seeds = STUDY.completed(design).levels("seed")
        assert min(seeds) == asked.FIRST_SEED
        assert max(seeds) < asked.FIRST_SEED + 200


def test_nine_sizes_by_half_octaves_and_one_held_out():
    assert len(SIZES) == 10
    np.testing.assert_allclose(
        np.diff(np.log2(np.array(SIZES, dtype=float))), 0.5, atol=0.08
    )
    assert (SIZES[0], SIZES[-2], SIZES[-1]) == (8, 128, 181)


def test_designs_take_as_long_as_was_said():
    def seconds(design):
        return sum(map(STUDY.subject.core_seconds, STUDY.completed(design).rows))

    assert seconds("demo") < 120.0
    assert seconds("default") < 400.0
    rows = STUDY.completed("default").where(sizes=[SIZES])
    assert len(rows) == 60 * 4


def test_the_planned_seeds_can_decide():
    for design in STUDY.designs:
        parts = sum(len(claim.parts) for claim in STUDY.claims_of(design))
        error = 0.8 * STUDY.alpha_of(design) / parts
        for name, seeds in STUDY.planned_seeds(design).items():
            assert 2.0 * 0.5**seeds < error, name


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_the_answer_is_sentences_for_every_word(word):
    said = STUDY.answer(invented.verdicts(STUDY, word))
    assert said.endswith(".")
    assert said[0].isupper()
    assert ".." not in said
    assert ("Beware" in said) == (word == "refuted")


def test_the_answer_names_the_controls_that_are_undecided():
    said = STUDY.answer(invented.verdicts(STUDY, "undecided"))
    for name in CONTROL_CLAIMS:
        assert f"'{name}'" in said
    assert "undecided" not in STUDY.answer(invented.verdicts(STUDY, "supported"))


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        (np.linspace(0.15, 0.3, 60), "better than saturation"),
        (np.linspace(-0.3, -0.15, 60), "saturation better"),
        (np.linspace(0.01, 0.08, 60), "or saturation"),
        (np.full(60, np.nan), "or saturation"),
    ],
)
def test_an_exponent_says_whether_it_is_told_from_saturation(losses, words):
    found = invented.results(STUDY, seeds=2)
    columns = {"saturation_loss_one": losses}
    found = replace(found, columns=columns)
    assert picture.law_text(found, "one") == words
    assert picture.law_text(found, "sixteen") == "slope only"


def test_the_answer_follows_the_region_that_holds():
    for name in (
        "strong-coupling", "mistakes-selected", "certificate-of-search",
        "certificate-operations",
    ):  # fmt: skip
        claim = next(claim for claim in asked.CLAIMS if claim.name == name)
        regions = [claim.parts[0].region, *claim.rivals]
        answers = {
            STUDY.answer(
                invented.verdicts(
                    STUDY, "refuted", design="default", holds={name: r.name}
                )
            )
            for r in regions
        }
        assert len(answers) == 3, name


class Kept(Store):
    """A store whose every artifact spends the same."""

    def __init__(self):
        super().__init__(Memory())

    def artifact(self, key):
        size = np.ones((len(SIZES), 1, 1), dtype=np.int64)
        return Artifact(
            {
                "eager": (size * [[4000, 1000, 5000, 900]]).reshape(len(SIZES), 4),
                "eager_search": (size * [[1000, 600]]).reshape(len(SIZES), 2),
                "matched": size * [[100, 20_000, 9], [100, 8_000, 9]],
                "alone": size * [[10, 9_000, 3]],
            }
        )


def figure_named(name):
    return next(figure for figure in STUDY.figures if figure.name == name)


def test_the_page_ends_in_the_table_of_regimes():
    assert STUDY.figures[-1].name == "pruning-regimes"


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_pictures_stand_on_every_design(design):
    found = invented.results(STUDY, design=design, seeds=2)
    head = STUDY.picture(found, ())
    kinds = [trace.type for trace in head.data]
    assert kinds.count("heatmap") == 1
    assert kinds.count("scatter") == 9
    for figure in STUDY.figures:
        assert figure.draw(found.where(**figure.where), Kept()).data, figure.name


def test_pictures_stand_where_nothing_is_known():
    found = invented.results(STUDY, seeds=1)
    for number in STUDY.numbers:
        found.columns[number][:] = np.nan
    STUDY.picture(found, ())
    for figure in STUDY.figures:
        figure.draw(found.where(**figure.where), Kept())


def test_two_costs_cross_where_they_are_equal():
    # 1000 c + 5000 = 10 c + 9000 at c = 4000 / 990.
    found = invented.results(STUDY, seeds=1)
    drawn = figures.prices(
        found.where(**figure_named("price-of-a-check").where), Kept()
    )
    rings = [trace for trace in drawn.data if trace.mode == "markers+text"]
    crossings = sorted({round(float(trace.x[0]), 2) for trace in rings})
    assert crossings == pytest.approx([4000 / 990, 15_000 / 900], rel=0.02)


def test_the_table_says_holds_and_fails():
    found = invented.results(STUDY, seeds=2)
    found.columns["share_all"][:] = 0.9
    found.columns["share_one"][:] = 0.02
    found.columns["matched_ratio"][:] = 1.01
    found.columns["matched_operations_ratio"][:] = 0.25
    found.columns["eager_operations_ratio"][:] = 5.0
    found.columns["certificate_ratio"][:] = 0.95
    found.columns["certificate_operations_ratio"][:] = 0.04
    found.columns["certificate_restarted_ratio"][:] = 1.1
    found.columns["queries_worth_a_certificate"][:] = 25.0
    found.columns["rate_after"][:] = 0.4
    found.columns["filter_rate"][:] = 0.01
    found.columns["filter_rate_search"][:] = 0.02
    table = regimes(found.where(**figure_named("pruning-regimes").where), Kept()).data[
        0
    ]
    last = table.cells.values[-1]
    assert last[0].startswith("holds; search's operations are 4.0 times as many")
    assert last[1] == "holds; data's operations are 5.0 times as many"
    assert last[2] == "holds"
    assert last[4] == "fails: data 50 times dearer"
    assert last[7].startswith("holds; search's operations are 25.0 times as many")
    assert table.cells.values[3][8] == "equal after 25 queries"
    assert table.cells.values[1][11] == "not enough: 40% stay unwanted"
    assert last[-1] == "holds: enough on either side"
