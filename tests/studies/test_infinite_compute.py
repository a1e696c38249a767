import doctest

import numpy as np
import plotly.graph_objects as go
import pytest

from studies import invented
from tegum.arrays import RowsFailed
from tegum.design import Design
from tegum.execution import execute
from tegum.planning.exact import solve
from tegum.planning.maps import grid_map
from tegum.store import Store
from tegum.studies import _compute_picture as pictured
from tegum.studies import _compute_rows as worked
from tegum.studies import infinite_compute as asked
from tegum.studies._compute_subject import (
    REACHED,
    SPLIT,
    SpentCompute,
    candidate_shares,
)

QUIET = {"workers": 1, "progress": lambda _: None, "stop": lambda: False}
STUDY = asked.STUDY
SUBJECT = SpentCompute()


def rows(**factors):
    usual = {"size": 6, "seeds": 1, "first_seed": 5, "log2_compute": 12}
    return SUBJECT.complete(asked.spent(**{**usual, **factors}))


def reached(**factors):
    (row,) = rows(**factors)
    return REACHED(worked.spent(row), row)


# --- the limits are those that compute tends to --------------------------------------


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_fixed_data_end_exactly_where_the_plateau_is(seed):
    found = reached(
        **asked.Q, spent_on="fixed data", steps=60, log2_compute=17, first_seed=seed
    )
    assert found["plateau"] > 0.5
    assert found["above_plateau"] == pytest.approx(0.0, abs=1e-9)


def test_a_state_that_the_data_enter_and_never_leave_is_an_end_to_q_learning():
    """It keeps its first value, 0, which is better than any way that costs."""
    kept = []
    for seed in range(12):
        found = reached(
            **asked.Q, spent_on="fixed data", steps=25, log2_compute=16,
            first_seed=seed, episode_length=5,
        )  # fmt: skip
        assert found["above_plateau"] == pytest.approx(0.0, abs=1e-9)
        kept.append(found["plateau"])
    assert max(kept) > 1.0


def test_new_data_end_at_the_optimum_and_search_does():
    learned = reached(**asked.Q, **asked.NEW, log2_compute=17)
    planned = reached(**asked.PLANNER)
    for found in (learned, planned):
        assert found["plateau"] == 0.0
        assert found["regret"] == pytest.approx(0.0, abs=1e-9)
        assert found["distance_to_optimal"] == 0.0
    assert np.isnan(planned["distance_to_behaviour"])
    assert learned["unwanted_rate"] == pytest.approx(planned["unwanted_rate"])


def test_cloning_ends_at_the_explorer():
    near, far = (
        reached(**asked.CLONING, **asked.NEW, log2_compute=c) for c in (18, 10)
    )
    assert near["plateau"] == far["plateau"] > 1.0
    assert abs(near["above_plateau"]) < 1.0
    assert near["distance_to_behaviour"] < 0.02 < far["distance_to_behaviour"]


def test_on_fixed_data_cloning_has_nothing_to_spend_on():
    found = [
        reached(**asked.CLONING, **asked.FIXED, log2_compute=c) for c in (12, 14, 16)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]["above_plateau"] == 0.0


def test_an_optimal_argmax_is_as_far_from_the_explorer_by_definition():
    """Why the claim about it is no finding: at least 1 - .2 - .8 / 4 = .6."""
    found = reached(**asked.Q, **asked.NEW, log2_compute=17)
    assert 0.6 - 1e-9 <= found["distance_to_behaviour"] <= 0.8 + 1e-9


@pytest.mark.parametrize(
    ("arm", "spent"),
    [
        ({**asked.Q, **asked.FIXED}, 2**12),
        ({**asked.Q, **asked.NEW}, 2**12),
        ({**asked.CLONING, **asked.NEW}, 2**12),
        ({**asked.CLONING, **asked.FIXED}, 2 * asked.FIXED_STEPS),
    ],
    ids=["q fixed", "q new", "cloning new", "cloning fixed"],
)
def test_what_is_spent_is_what_was_allowed(arm, spent):
    assert reached(**arm)["operations"] == spent


def test_a_planner_stops_when_it_is_done_or_out_of_compute():
    assert reached(**asked.PLANNER, log2_compute=5)["operations"] == 32
    assert reached(**asked.PLANNER, log2_compute=16)["operations"] < 2**16


# --- controls ------------------------------------------------------------------------


def test_the_labels_of_unwanted_cells_change_no_regret():
    pulled, pushed = (
        reached(**asked.Q, **asked.NEW, coupling=k, log2_compute=14, size=10)
        for k in (0.5, -0.5)
    )
    assert pulled["regret"] == pushed["regret"]
    assert pulled["unwanted_rate"] != pushed["unwanted_rate"]


def test_shuffled_labels_teach_nothing_however_much_is_spent():
    for compute in (13, 18):
        found = reached(
            **asked.Q, **asked.NEW, labels="shuffled", size=10, log2_compute=compute
        )
        assert found["regret"] > 30.0


def test_shuffled_names_are_the_same_problem_under_other_names():
    problem = grid_map(size=6, seed=1, slip=0.1, discount=0.9).problem
    other = worked.relabelled(problem, seed=1)
    np.testing.assert_allclose(solve(other).value, solve(problem).value, atol=1e-9)
    assert (other.successor != problem.successor).any()
    live = ~problem.terminal
    np.testing.assert_array_equal(
        np.sort(other.successor[live, :, 0], axis=1),
        np.sort(problem.successor[live, :, 0], axis=1),
    )


# --- what is measured, by hand -------------------------------------------------------


def test_total_variation_by_hand():
    one, other = np.array([[1.0, 0.0]] * 3), np.array([[0.5, 0.5], [1.0, 0.0], [0, 0]])
    np.testing.assert_allclose(worked.total_variation(one, other), [0.5, 0.0, 1.0])


def test_every_optimal_action_counts_as_optimal():
    # An open map: away from walls and from the goal's row and column two moves are.
    problem = grid_map(size=5, seed=0, wall_share=0.0, unwanted_share=0.0).problem
    found = worked.optimal_actions(problem, solve(problem)).sum(axis=1)
    goal = problem.place[problem.goal][0]
    aside = (problem.place != goal).all(axis=1)
    assert (found[aside] == 2).all()
    assert (found[~aside & ~problem.terminal] == 1).all()


def test_the_best_split_is_found_where_three_neighbours_lose_least():
    steps = 2 ** np.arange(6, 0, -1)
    # A lucky run at 2^6 does not beat two good neighbours; the middle of them does.
    regrets = np.array([0.0, 9.0, 3.0, 1.0, 2.0, 9.0])
    assert worked.best_split(steps, regrets) == (3.0, 0.0)
    # Everything ties: the mean of the logarithms of all but the ends, and an edge.
    assert worked.best_split(steps, np.ones(6)) == (3.5, 1.0)
    assert doctest.testmod(worked).failed == 0


def test_a_split_keeps_every_share_and_its_best_is_its_regret():
    (row,) = rows(**asked.AVERAGING, **asked.BEST)
    arrays = worked.spent(row).arrays
    assert len(arrays["candidate_regret"]) == len(candidate_shares())
    assert arrays["candidate_steps"][0] == 2**11
    assert arrays["regret"][0] == arrays["candidate_regret"].min()
    found = SPLIT(worked.spent(row), row)
    assert 1.0 <= found["log2_best_steps"] <= 11.0


def test_the_exponent_of_a_power_law_is_recovered():
    """Were the regret A / N + B N / C, the best N would grow as C^(1/2)."""
    logs = []
    for compute in (12, 14, 16, 18):
        steps = np.array([2**compute * share for share in candidate_shares()])
        regret = 1.0 / steps + steps / 2.0**compute
        logs.append(worked.best_split(steps, regret)[0])
    assert np.polyfit([12, 14, 16, 18], logs, 1)[0] == pytest.approx(0.5, abs=0.02)


# --- the row law ---------------------------------------------------------------------


def test_a_row_is_the_same_alone_among_others_and_on_several_threads():
    every = [
        *rows(**asked.Q, **asked.NEW, seeds=2),
        *rows(**asked.PLANNER, seeds=2),
        *rows(**asked.AVERAGING, **asked.BEST, **asked.SLIPPERY, log2_compute=9),
        *rows(**asked.CLONING, **asked.NEW, keep="board", queries=1),
    ]
    alone = [SUBJECT.train([row], **QUIET)[0] for row in every]
    together = SUBJECT.train(every[::-1], **{**QUIET, "workers": 3})[::-1]
    for first, second in zip(alone, together, strict=True):
        assert first.arrays.keys() == second.arrays.keys()
        for name, array in first.arrays.items():
            assert array.tobytes() == second.arrays[name].tobytes()


def test_a_stop_leaves_rows_undone():
    every = rows(**asked.PLANNER, seeds=3)
    stopped = {**QUIET, "stop": lambda: True}
    assert SUBJECT.train(every, **stopped) == [None] * 3


def test_rows_that_can_not_be_drawn_are_named_and_the_others_kept():
    bad = rows(**asked.PLANNER, queries=5000)
    good = rows(**asked.PLANNER)
    said = r"1 of 2 .* row 0: `queries` is 5000"
    with pytest.raises(RowsFailed, match=said) as raised:
        SUBJECT.train([*bad, *good], **QUIET)
    assert raised.value.finished[0] is None
    assert raised.value.finished[1] is not None


# --- mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({**asked.Q, "spent_on": "search"}, "spends on fixed data or new data"),
        ({**asked.PLANNER, "spent_on": "new data"}, "spends on search"),
        ({**asked.CLONING, **asked.BEST}, "no updates to be chosen"),
        ({**asked.Q, **asked.FIXED, "log2_compute": 10}, "raise `log2_compute`"),
        ({**asked.PLANNER, "labels": "shuffled"}, "learns from no data"),
        ({**asked.PLANNER, "log2_compute": 3.5}, "whole number from 2 to 30"),
        ({**asked.Q, **asked.NEW, "data_share": 1.0}, "a number in (0, 1)"),
        ({**asked.Q, "spent_on": "fun"}, "one of search, fixed data"),
        ({**asked.PLANNER, "budget": 5}, "no factor is called `budget`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_named(factors, said):
    with pytest.raises(ValueError, match="row 0") as raised:
        rows(**factors)
    assert said in str(raised.value)


# --- the study -----------------------------------------------------------------------


def test_designs_are_nested_and_hold_only_the_studys_seeds():
    sizes = [len(STUDY.designs[name]) for name in ("demo", "default", "full")]
    assert sizes == sorted(sizes)
    seeds = STUDY.designs["full"].levels("seed")
    assert min(seeds) == asked.FIRST_SEED
    assert max(seeds) < asked.FIRST_SEED + 100


def test_a_demo_takes_about_a_minute_on_two_cores():
    rows_ = STUDY.completed("demo").rows
    assert sum(STUDY.subject.core_seconds(row) for row in rows_) < 100.0


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_there_is_a_sentence_for_every_outcome(word):
    said = asked.answer(invented.verdicts(STUDY, word))
    assert len(said) > 100
    assert ("Beware" in said) == (word == "refuted")


def test_the_answer_names_the_region_that_holds():
    data = {name: "data faster" for name in asked.SAID if name.startswith("split")}
    said = asked.answer(invented.verdicts(STUDY, "refuted", holds=data))
    assert "to data faster than to passes" in said
    assert "On larger maps" not in said
    with_larger = invented.verdicts(STUDY, "refuted", holds=data, design="default")
    assert "On larger maps" in asked.answer(with_larger)
    assert asked.answer(
        invented.interim(invented.verdicts(STUDY, "supported"))
    ).startswith("So far")


@pytest.mark.parametrize("design", ["demo", "default", "full"])
def test_the_headline_is_drawn_from_any_design(design):
    results = invented.results(STUDY, seeds=2, design=design)
    figure = asked.compute_buys(results, ())
    names = {trace.name for trace in figure.data if trace.name}
    assert {"planner", "cloning, new data"} <= names
    assert sum("last octave" in name for name in names) == 3


@pytest.fixture(scope="module")
def drawn():
    """Two maps, all the rows that the further figures need, at little compute."""
    some = {"size": 12, "seeds": 2, "log2_compute": [9, 10, 11]}
    every = (
        asked.spent(**asked.Q, **asked.BEST, **some)
        | asked.spent(**asked.AVERAGING, **asked.BEST, **some)
        | asked.spent(**asked.PLANNER, **some)
        | asked.spent(**asked.Q, **asked.FIXED, **{**some, "log2_compute": [11]})
        | asked.spent(**asked.CLONING, **asked.FIXED, **{**some, "log2_compute": [11]})
        | asked.spent(**asked.CLONING, **asked.NEW, **some)
        | asked.spent(**asked.Q, **asked.NEW, labels=["true", "shuffled"], **some)
        | asked.spent(**asked.Q, **asked.NEW, **some, coupling=-asked.COUPLING)
    )
    boards = Design(tuple({**r, "log2_compute": 12} for r in asked.boards().rows))
    small = STUDY.__class__(
        name="small", question="?", subject=SUBJECT, measures=STUDY.measures,
        designs={"demo": every | boards}, claims=(), alpha=0.05,
    )  # fmt: skip
    store = Store.in_memory()
    return execute(small, design="demo", store=store, workers=1), store


@pytest.mark.parametrize("figure", STUDY.figures, ids=lambda figure: figure.name)
def test_every_figure_is_drawn_from_its_own_rows(figure, drawn):
    results, store = drawn
    found = figure.draw(results.where(**figure.where), store)
    assert isinstance(found, go.Figure)
    assert found.data


def test_the_two_by_two_has_four_boards_and_the_pruned_ones_are_asked_alike(drawn):
    results, store = drawn
    four = pictured.two_by_two(results.where(keep="board"), store)
    titles = [note.text.split("<br>")[0] for note in four.layout.annotations]
    assert titles == list(pictured.QUADRANTS.values())
    both = pictured.pruned_boards(results.where(keep="board"), store)
    assert "oracle asked" in {trace.name for trace in both.data}


def test_slopes_of_the_picture_are_those_of_each_map(drawn):
    results, _ = drawn
    found = results.where(spent_on="best split", learning_rate=1.0)
    slopes = pictured.slopes_by_seed(found)
    assert len(slopes) == 2
    first = found.where(seed=asked.FIRST_SEED)
    x, y = (first[n].astype(float) for n in ("log2_compute", "log2_best_steps"))
    assert slopes[0] == pytest.approx(np.polyfit(x, y, 1)[0])


def test_the_last_slope_tells_a_bend_from_a_power(drawn):
    results, _ = drawn
    found = results.where(spent_on="best split", learning_rate=1.0)
    first, last = (
        found.where(log2_compute=c)["log2_best_steps"].astype(float) for c in (10, 11)
    )
    assert pictured.last_slope(found) == pytest.approx((last - first).mean())
    assert np.isnan(pictured.last_slope(found.where(log2_compute=11)))


def test_undecided_controls_are_named():
    said = asked.answer(invented.verdicts(STUDY, "undecided"))
    assert all(f"'{name}'" in said for name in asked.CONTROLS)


def test_the_plateaus_shown_are_the_exact_ones_beside_what_was_reached(drawn):
    results, store = drawn
    (figure,) = (f for f in STUDY.figures if f.name == "compute-plateaus")
    rows = results.where(**figure.where)
    measured, exact = figure.draw(rows, store).data
    planner = measured.x[0], exact.x[0]
    assert planner[1] == 0.0
    fixed = rows.where(method="q_learning", spent_on="fixed data", log2_compute=11)
    assert exact.x[2] == pytest.approx(np.median(fixed["plateau"].astype(float)))
    assert measured.x[2] == pytest.approx(np.median(fixed["regret"].astype(float)))


def test_arms_that_two_dozen_maps_would_leave_undecided_have_more():
    planned = STUDY.planned_seeds("demo")
    more = {name for name, maps in planned.items() if maps == 60}
    assert more == {
        "new-data-do-not",
        "argmax-goes-to-the-planner",
        "fixed-data-end-on-a-plateau",
        "four-times-the-compute",
    }
    assert {planned[name] for name in set(planned) - more} == {24}
