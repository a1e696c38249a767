from dataclasses import replace

import numpy as np
import pytest

from studies import invented
from tegum.arrays import Artifact
from tegum.execution import execute, judge
from tegum.planning.amortised import certainty_equivalent
from tegum.planning.exact import solve
from tegum.planning.experience import Experience
from tegum.planning.maps import grid_map
from tegum.planning.measures import QUERIES
from tegum.planning.methods import draw_world
from tegum.planning.outcome import one_hot, run
from tegum.planning.problem import tabular, without
from tegum.planning.subject import solve_row
from tegum.store import Store
from tegum.studies import _unwanted_arms as arms
from tegum.studies import _unwanted_figures as further
from tegum.studies import _unwanted_picture as drawn
from tegum.studies import unwanted_outcomes as asked
from tegum.studies._unwanted_measures import PLANNER

STUDY = asked.STUDY
HUGE = 10**12


def row(arm, **factors):
    """One completed row on a pilot's map."""
    given = {"queries": None, **arms.cell(arm, **factors), "seed": 1_000_000}
    return STUDY.subject.complete([given])[0]


def measured(arm, **factors):
    """An arm on one small map, as the study measures it."""
    wanted = row(arm, **{"size": 8, "steps": 20_000, **factors})
    artifact = solve_row(wanted)
    return {
        name: value
        for measure in STUDY.measures
        for name, value in measure(artifact, wanted).items()
    }


# --- the identity that no claim asks about -------------------------------------------


@pytest.mark.parametrize("support", ["full", "precluded"])
def test_an_exact_argmax_learner_is_the_planner_on_its_support(support):
    problem = grid_map(size=12, seed=3, coupling=0.5, queries=None).problem
    data = Experience(complete=True, leak=float(support == "full"))
    learner = certainty_equivalent(problem, seed=0, budget=HUGE, experience=data)
    allowed = problem if support == "full" else without(problem, problem.unwanted)
    planner = run(problem, one_hot(solve(allowed).action, n_actions=4))
    for name in ("solved", "unwanted", "returned"):
        np.testing.assert_array_equal(
            getattr(learner.execution, name), getattr(planner, name)
        )
    assert (learner.execution.unwanted.max() == 0.0) == (support == "precluded")


def test_shown_everything_q_learning_is_the_planner():
    found = measured(arms.Q)
    assert found["solved_share"] == 1.0
    assert found["unwanted_excess_with_failures"] == pytest.approx(0.0, abs=1e-12)


def test_what_else_was_seen_does_not_matter_to_an_argmax_that_saw_all():
    everything = {"dose": None, "leak": 1.0}
    fewer, more = (
        measured(arms.ARGMAX, **everything, steps=n) for n in (20_000, 60_000)
    )
    assert fewer["unwanted_rate"] == more["unwanted_rate"] > 0.0
    assert fewer["solved_share"] == more["solved_share"] == 1.0


# --- the readings, worked out by hand ------------------------------------------------


def artifact(solved, touched, direct):
    solved, touched = np.array(solved, float), np.array(touched, float)
    return Artifact(
        {
            "solved": solved,
            "unwanted": touched,
            "clean": solved * (1.0 - touched),
            "direct_unwanted": np.array(direct, float),
        }
    )


def test_three_readings_of_four_queries():
    # Solved: the first three, of which it touches one and the planner two. Of four, one
    # is solved and touched, and two are touched or unsolved; the planner touches three.
    found = PLANNER(artifact([1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 1]), {})
    assert found["unwanted_excess"] == pytest.approx(-1 / 3)
    assert found["unwanted_and_solved_rate"] == pytest.approx(1 / 4)
    assert found["unwanted_excess_with_failures"] == pytest.approx(2 / 4 - 3 / 4)
    assert found["capable"] == 0.0
    assert np.isnan(found["unwanted_excess_if_capable"])


def test_who_solves_nothing_has_no_rate_on_what_it_solves():
    found = PLANNER(artifact([0, 0], [0, 0], [1, 0]), {})
    assert np.isnan(found["unwanted_excess"])
    assert found["unwanted_excess_with_failures"] == pytest.approx(1 - 1 / 2)
    assert found["unwanted_and_solved_rate"] == 0.0


def test_the_planner_itself_exceeds_nothing_in_any_reading():
    found = PLANNER(artifact([1, 1], [1, 0], [1, 0]), {})
    assert found["unwanted_excess"] == found["unwanted_excess_with_failures"] == 0.0
    assert found["unwanted_excess_if_capable"] == 0.0
    assert found["capable"] == 1.0


# --- the arms do what they are named for ---------------------------------------------


def test_precluded_data_keep_a_tabular_learner_clear_and_capable():
    found = measured(arms.Q, leak=0.0)
    assert found["unwanted_rate"] == 0.0
    assert found["solved_share"] > 0.95


def test_the_constraint_keeps_an_approximator_clear():
    assert measured(arms.CONSTRAINED)["unwanted_rate"] == 0.0


def test_a_network_held_to_what_it_saw_is_capable_and_clear():
    factors = {"size": 8, "steps": 20_000, "gradient_steps": 1000}
    rows = [row(arm, **factors) for arm in (arms.NETWORK, arms.NETWORK_SEEN)]
    quiet = {"workers": 1, "progress": lambda _: None, "stop": lambda: False}
    free, held = (
        QUERIES(artifact, given)
        for artifact, given in zip(
            STUDY.subject.train(rows, **quiet), rows, strict=True
        )
    )
    assert held["unwanted_rate"] == 0.0 < free["unwanted_rate"]
    assert held["solved_share"] > 0.9


def test_the_optimist_is_incompetent():
    assert measured(arms.OPTIMIST)["capable"] == 0.0


def test_memory_keeps_clear_of_what_depends_on_the_way():
    found = measured(arms.REMEMBERING)
    assert found["unwanted_rate"] == 0.0


def test_without_memory_places_are_all_that_is_seen():
    world = draw_world(row(arms.HISTORY, size=8)).problem
    assert len(np.unique(world.observation)) == world.n_states // 3


def test_a_prior_keeps_what_was_never_seen_possible():
    next_to_none, uniform = (
        measured(arm)["unwanted_rate"] for arm in (arms.CLONING, arms.WITH_PRIOR)
    )
    assert next_to_none < 0.05 < uniform


def test_no_choice_of_queries_makes_an_approximator_s_gap():
    # Touched on what both solve: at least the clean reading of the one, less what the
    # other touches or does not solve.
    rows = [row(arms.FITTED, size=8, steps=5_000, leak=leak) for leak in (0.0, 1.0)]
    kept_out, shown = (solve_row(wanted) for wanted in rows)
    lowest = PLANNER(kept_out, rows[0])[asked.LOWEST]
    highest = QUERIES(shown, rows[1])[asked.FAILED]
    both = (kept_out.arrays["solved"] >= 0.5) & (shown.arrays["solved"] >= 0.5)
    more = kept_out.arrays["unwanted"] - shown.arrays["unwanted"]
    apart = more[both].sum() / both.size
    assert lowest - highest <= apart + 1e-12


# --- what is said beforehand ---------------------------------------------------------


def test_seeds_are_the_study_s_own():
    for design in STUDY.designs.values():
        seeds = design.levels("seed")
        assert min(seeds) == asked.FIRST_SEED
        assert not set(seeds) & set(STUDY.pilot_seeds)


def test_designs_are_nested_and_every_map_of_the_demo_is_in_each_arm():
    demo, default, full = (set(map(str, d.rows)) for d in STUDY.designs.values())
    assert demo < default < full
    planned = STUDY.planned_seeds("demo")
    more = {"approximation-fills-the-gap": 80, "stitching": 120}
    assert planned == {name: more.get(name, 40) for name in planned}


def test_only_the_full_design_needs_pytorch_and_only_its_claims_ask_of_it():
    for name, design in STUDY.designs.items():
        assert ("neural_q" in design.levels("method")) == (name == "full")
    networks = {"a-network-fills-the-gap", "network-trained-longer"}
    for name in ("demo", "default", "full"):
        judged = {claim.name for claim in STUDY.claims_of(name)}
        assert judged >= networks if name == "full" else not judged & networks


def test_approximators_are_compared_on_the_same_maps_and_data():
    shared = ("wall_share", "unwanted_share", "coupling", "size", "steps", "leak")
    for arm in (arms.TABULAR, arms.CONSTRAINED, arms.NETWORK, arms.NETWORK_SEEN):
        for name in shared:
            assert arms.cell(arm)[name] == arms.cell(arms.FITTED)[name]


def test_a_claim_says_no_more_than_tells_its_arm_from_others():
    for claim in STUDY.claims:
        for part in claim.parts:
            assert "method" in part.estimand.where
            assert len(part.estimand.where) < len(arms.USUAL) / 2


def test_an_arm_that_the_study_lacks_is_found_out():
    with pytest.raises(AssertionError):
        asked.fixed(arms.cell(arms.ARGMAX, dose=5))


# --- the answer ----------------------------------------------------------------------


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_there_is_an_answer_whatever_comes(word):
    for design in STUDY.designs:
        text = asked.answer(invented.verdicts(STUDY, word, design=design))
        assert text[0].isupper()
        assert ".." not in text
        assert "  " not in text


def test_undecided_controls_are_named_together():
    text = asked.answer(invented.verdicts(STUDY, "undecided", design="full"))
    named = ", ".join(f"'{name}'" for name in asked.CONTROLS)
    assert text.endswith(f" The controls {named} are undecided.")


def test_no_identity_is_among_the_claims():
    said = {claim.name for claim in STUDY.claims}
    assert not said & {"full-support", "argmax-counts-episodes"}
    (memory,) = (c for c in STUDY.claims if c.name == "memory-suffices")
    assert [part.estimand.number for part in memory.parts] == ["solved_share"]


def test_incompetence_is_said_and_so_is_a_refuted_control():
    text = asked.answer(invented.verdicts(STUDY, "refuted", design="full"))
    assert "incompetent" in text
    assert all(f"'{name}' is refuted" in text for name in asked.CONTROLS)


@pytest.mark.parametrize(
    ("holds", "phrase"),
    [
        ("as it is", "with more data as with fewer"),
        ("more", "the more so the more data"),
        ("less", "less so with more data"),
    ],
)
def test_the_region_that_holds_is_what_is_said(holds, phrase):
    found = invented.verdicts(
        STUDY,
        "refuted",
        holds={"more-data-after-the-deletion": holds},
        design="default",
    )
    assert phrase in asked.answer(found)


# --- pictures ------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["demo", "default"])
def test_the_headline_has_its_four_panels(design):
    results = invented.results(STUDY, design=design)
    found = drawn.four_questions(results, ())
    titles = {note.text for note in found.layout.annotations}
    assert {"Touched, by dose", "Nothing unwanted shown"} <= titles
    names = {trace.name for trace in found.data if trace.showlegend is not False}
    assert {"argmax, 100,000 steps", "cloning, 10,000 steps", "solved"} <= names


@pytest.mark.parametrize("draw", [further.controls, further.approximation])
@pytest.mark.parametrize("design", ["demo", "default"])
def test_further_pictures_are_drawn_from_every_design(draw, design):
    results = invented.results(STUDY, design=design)
    assert len(draw(results, Store.in_memory()).data) >= 3


def test_boards_show_ways_from_start_to_goal():
    store = Store.in_memory()
    where = {"keep": "board", "method": "certainty_equivalent"}
    results = execute(STUDY, store, where=where, workers=1)
    index = int(np.flatnonzero(results["leak"] == 0.0)[0])
    arrays = store.artifact(results["key"][index]).arrays
    ways = further._ways(arrays)
    assert len(ways) == further.WAYS_SHOWN
    assert all(arrays["goal"][way[-1]] for way in ways)
    assert not any(arrays["unwanted_state"][way].any() for way in ways)


# --- a problem of one's own ----------------------------------------------------------


def corridor(unwanted):
    """Two ways of 2 and 4 moves; the short one leads through state 1."""
    successor = [[1, 2], [5, 5], [3, 3], [4, 4], [5, 5], [5, 5]]
    return tabular(
        successor, reward=np.full((6, 2), -1.0), starts=[0], unwanted=unwanted,
        terminal=[False] * 5 + [True],
    )  # fmt: skip


def test_a_problem_of_one_s_own_gets_its_verdicts():
    problem = corridor([False, True, False, False, False, False])
    study = asked.study_of(problem, name="corridor", steps=4000)
    store = Store.in_memory()
    results = execute(study, store, workers=1)
    found = {v.claim.name: v for v in judge(study, store)}
    assert found["full-support"].word == "supported"
    assert found["precluded-support"].word == "supported"
    # A few samples decide for an argmax, and are one in two hundred to cloning.
    assert found["dose"].holds == "more often"
    assert len(study.picture(results, ()).data) > 8
    text = study.answer(tuple(found.values()))
    assert text.startswith("A dose of what nobody wants is taken up")
    for figure in study.figures:
        assert figure.draw(results.where(**figure.where), store).data


def test_questions_are_asked_where_lazy_pruning_understands_the_problem():
    certain = corridor([False, True, False, False, False, False])
    for problem, lazily in ((certain, True), (replace(certain, discount=0.9), False)):
        study = asked.study_of(problem, name="corridor")
        assert ("lazy" in study.designs["demo"].levels("pruning")) == lazily
        assert ("few-questions" in {c.name for c in study.claims}) == lazily


@pytest.mark.parametrize("word", ["supported", "refuted", "undecided"])
def test_one_s_own_problem_has_an_answer_whatever_comes(word):
    study = asked.study_of(
        corridor([False, True, False, False, False, False]), name="corridor"
    )
    text = study.answer(invented.verdicts(study, word))
    assert text[0].isupper()
    assert ".." not in text
    assert "  " not in text


def test_less_than_two_hundredths_of_a_dose_is_as_often():
    study = asked.study_of(
        corridor([False, True, False, False, False, False]), name="corridor"
    )
    (dose,) = (claim for claim in study.claims if claim.name == "dose")
    regions = (dose.parts[0].region, *dose.rivals)
    for x, name in ((0.5, "more often"), (-1e-5, "as often"), (-0.5, "less often")):
        assert [r.name for r in regions if r.contains(x, x)] == [name]


def test_a_problem_without_anything_unwanted_is_refused():
    with pytest.raises(ValueError, match="say what is by `unwanted=`"):
        asked.study_of(corridor([False] * 6), name="corridor")


def test_a_problem_without_a_clean_way_is_refused():
    everywhere = [False, True, True, False, False, False]
    with pytest.raises(ValueError, match="start 0 no way surely"):
        asked.study_of(corridor(everywhere), name="corridor")


def test_a_problem_without_a_way_at_all_says_so():
    problem = corridor([False, True, False, False, False, False])
    cut = replace(problem, goal=np.zeros(6, dtype=bool))
    with pytest.raises(ValueError, match="surely reaches a goal; start elsewhere"):
        asked.study_of(cut, name="corridor")
